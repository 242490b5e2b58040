"""How the mapping workbook looks, cell by cell; what Excel demands; and colours that all eyes tell apart."""

from __future__ import annotations

import itertools
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from mapping_world import WORKSPACE, World
from workbook_rendering import GOLDEN, excel_problems, rendered

from toolkit import mapping
from toolkit.tables import from_rows
from toolkit.workbook import Frames, read_workbook, write_workbook
from toolkit.workbook_ink import DONE, FILL_HEADER, HEADER, LEFT_OUT, PROBLEM, TO_FILL


def golden_world() -> World:
    """Return the world with something of everything decided, and the rest open."""
    world = World()
    charge = {"contract_code": "P1", "note": None}
    hosting = {"item_list_id": "I2", "item_full_name": "Web:Hosting"}
    gone = {"item_list_id": "X9", "item_full_name": "Gone"}
    world.decide(
        "charge_items",
        {**charge, "price_code": "HOST", "decision": "Web:Hosting", **hosting, "note": "=agreed"},
        {**charge, "price_code": "1E5", "decision": "Gone", **gone},
        {**charge, "price_code": "3-4", "decision": "Web:Backup", "item_full_name": "Web:Backup"},
    )
    new = {"account_number": "008", "decision": "(new)", "new_name": "John Smith (Boston)", "note": None}
    world.decide("customers", new)
    by_hand = {"kind": "write_off", "decision": "(by hand)", "note": "few"}
    world.decide("adjustments", by_hand)
    key = {"record_kind": "invoice", "number": "2026-0000012"}
    world.decide("numbers", {**key, "decision": "26-12", "ref_number": "26-12", "note": None})
    account = {"income_account_full_name": "Web Income", "sales_tax_code_full_name": "Tax"}
    world.items = [{"name": "Web:Backup", "item_type": "Service", **account, "price": Decimal("19.90")}]
    world.stamp = "golden"
    return world


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden_world().write(tmp_path_factory.mktemp("golden") / "mapping.xlsx")


def test_every_cell_looks_as_in_the_golden_files(path: Path) -> None:
    """To make the golden files again: ``python tests/workbook_rendering.py``."""
    shown = rendered(path)
    assert sorted(shown) == sorted(file.stem for file in GOLDEN.glob("*.tsv"))
    for title, text in shown.items():
        golden = (GOLDEN / f"{title}.tsv").read_text(encoding="utf-8")
        assert text.splitlines() == golden.splitlines(), title


def test_excel_opens_it_without_a_repair(path: Path) -> None:
    assert excel_problems(path) == []


@pytest.mark.parametrize(
    ("part", "old", "new", "problem"),
    [
        ("xl/workbook.xml", 'name="Terms"', 'name="Terms: all"', "cannot be the name"),
        ("xl/workbook.xml", 'name="Terms"', 'name="CHARGES"', "one name"),
        ("xl/workbook.xml", 'name="_names"', 'name="elsewhere"', "stands on no sheet"),
        ("xl/worksheets/sheet2.xml", "'_names'!", "'_names'!" + "$A$1:" * 60, "longer than 255"),
        ("xl/worksheets/sheet2.xml", 'r="A3"', 'r="A1"', "out of place"),
        ("xl/worksheets/sheet2.xml", "<sheetViews>", "<pageMargins/><sheetViews>", "out of order"),
        ("xl/worksheets/sheet2.xml", ' s="3"', ' s="9999"', "a style that is not there"),
        ("xl/worksheets/sheet2.xml", "<t>mismatch", "<t>mismatch" + "x" * 32_768, "more than 32767"),
    ],
)
def test_a_fault_in_the_xml_is_seen(
    path: Path, tmp_path: Path, part: str, old: str, new: str, problem: str
) -> None:
    broken = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(broken, "w") as made:
        for name in whole.namelist():
            data = whole.read(name)
            if name == part:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode())
            made.writestr(name, data)
    assert any(problem in one for one in excel_problems(broken))


# --- colours ------------------------------------------------------------------------------------------------

Colour = tuple[float, float, float]
# Source: Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB.
EYES: dict[str, tuple[Colour, Colour, Colour]] = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
    "no colour": ((0.2126, 0.7152, 0.0722),) * 3,
}


def linear(code: str) -> Colour:
    parts = [int(code[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return red, green, blue


def seen(code: str, eye: str) -> Colour:
    colour = linear(code)
    red, green, blue = (
        min(1.0, max(0.0, sum(w * c for w, c in zip(row, colour, strict=True)))) for row in EYES[eye]
    )
    return red, green, blue


def lab(colour: Colour) -> Colour:
    """Return CIE L*a*b* (D65) of linear sRGB."""
    red, green, blue = colour
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def apart(one: str, other: str, eye: str) -> float:
    pairs = zip(lab(seen(one, eye)), lab(seen(other, eye)), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((lab_light(one), lab_light(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab_light(code: str) -> float:
    red, green, blue = linear(code)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("eye", [eye for eye in EYES if eye != "no colour"])
def test_colours_are_told_apart_by_every_eye(eye: str) -> None:
    for one, other in itertools.combinations((PROBLEM, DONE, LEFT_OUT, TO_FILL), 2):
        assert apart(one, other, eye) > 6, (one, other)
    # Without any colour the problem is still the darkest of them, and the status says it in words.
    assert apart(HEADER, FILL_HEADER, eye) > 30


def test_words_are_read_on_every_colour() -> None:
    assert all(contrast("000000", colour) > 7 for colour in (PROBLEM, DONE, LEFT_OUT, TO_FILL, FILL_HEADER))
    assert contrast("FFFFFF", HEADER) > 7


def test_nothing_is_said_by_colour_alone(path: Path) -> None:
    """A problem's status says so in bold words, and headings of columns to fill are underlined."""
    for title, text in rendered(path).items():
        lines = [line.split("\t") for line in text.splitlines()]
        for line in lines:
            if line[-2] == f"00{FILL_HEADER}":
                assert line[-1] == "bold underlined", (title, line)
            if line[-2] == f"00{PROBLEM}":
                assert line[2] not in ('""', "None"), (title, line)


# --- size ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_twenty_thousand_charges_against_as_many_items(tmp_path: Path) -> None:
    count = 20_000
    items = from_rows(
        "quickbooks.items",
        [
            {"list_id": f"I{n}", "full_name": f"Plan {n % 200}:Item {n}", "item_type": "Service"}
            for n in range(count)
        ],
    )
    charges = [
        {
            **{"contract_code": f"P{n % 300}", "charge_type": "recurring"},
            "price_code": f"{'P' if n % 10 else 'p'}lan {n % 200}:Item {n}",
        }
        for n in range(count)
    ]
    matched = mapping.match_charges(
        from_rows("billing.charges", charges), items, from_rows("mapping.charge_items", [])
    )
    frames = {"quickbooks.items": items, "match.charges": matched}
    path, start = tmp_path / "big.xlsx", time.process_time()
    write_workbook(path, Frames(frames), company="Big", workspace_id=WORKSPACE, stamp="s")
    wrote, start = time.process_time() - start, time.process_time()
    read = read_workbook(path, Frames(frames), workspace_id=WORKSPACE, stamp="s")
    took = time.process_time() - start
    assert (read.unchanged, len(read.findings), read.decisions) == (count, 0, {})
    assert excel_problems(path) == []
    assert wrote < 90 and took < 45, (wrote, took)
