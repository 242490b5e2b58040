"""Tables in a notebook: nothing is cut in silence, amounts are exact, the browser searches and filters."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pyarrow as pa
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import sync_playwright

from toolkit import notebook
from toolkit.errors import UsageError
from toolkit.notebook import COLOURS, show
from toolkit.tables import finding, findings, from_arrow

MONEY = pd.ArrowDtype(pa.decimal128(15, 2))


def charges(count: int = 30) -> pd.DataFrame:
    words = ["mismatch", "exact", "mapped", "none"]
    made = pa.table(
        {
            "price_code": [f"Code {n:02}" for n in range(count)],
            "status": [words[n % 4] for n in range(count)],
            "amount": pa.array([Decimal(n * 1001) / 100 for n in range(count)], pa.decimal128(15, 2)),
            "note": ["<b>bold</b> & 'more'" if n == 0 else None for n in range(count)],
        }
    )
    return from_arrow(made)


# --- what it says -------------------------------------------------------------------------------------------


def test_the_caption_counts_rows_and_words_the_gravest_first() -> None:
    assert show(charges(6), "Charges").caption == (
        "Charges: 6 rows (status: 2 mismatch, 2 exact, 1 mapped, 1 none)"
    )
    assert show(findings([])).caption == "0 rows"


def test_what_is_not_shown_is_said_and_the_counts_are_of_all() -> None:
    shown = show(charges(30), rows=10, columns=["price_code", "amount"])
    assert len(shown.frame) == 10
    assert shown.caption.startswith(
        "the first 10 of 30 rows are shown (filter the frame, or show(..., rows=30))"
    )
    assert "2 of 4 columns" in shown.caption
    assert "8 mismatch" in shown.caption
    assert len(show(charges(30), rows=30).frame) == 30


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no column amuont: the columns are price_code, status"):
        show(charges(), columns=["amuont"])
    with pytest.raises(UsageError, match="at least one row"):
        show(charges(), rows=0)


def test_values_are_exact_texts() -> None:
    frame = pd.DataFrame(
        {
            "money": pd.Series([Decimal("1234567890123.40"), None], dtype=MONEY),
            "rate": [Decimal("0.333333"), Decimal("1.000000")],
            "day": [dt.date(2026, 1, 31), None],
            "at": [dt.datetime(2026, 1, 31, 12, 5), pd.NaT],
            "flag": [True, False],
            "keys": [["a", "b"], []],
            "odd": [" lead", "00123"],
        }
    )
    shown = show(frame).frame
    assert list(shown["money"]) == ["1234567890123.40", ""]
    assert list(shown["rate"]) == ["0.333333", "1.00"]
    assert list(shown["day"]) == ["2026-01-31", ""]
    assert list(shown["at"]) == ["2026-01-31 12:05:00", ""]
    assert list(shown["flag"]) == ["true", "false"]
    assert list(shown["keys"]) == ["a, b", ""]
    assert list(shown["odd"]) == [" lead", "00123"]


def test_a_named_index_is_shown_and_an_unnamed_one_is_not() -> None:
    sums = charges(8).groupby("status")["amount"].sum()
    assert list(show(sums).frame.columns) == ["status", "amount"]
    assert list(show(charges(3).iloc[::-1]).frame.columns) == list(charges(1).columns)


def test_the_frame_that_is_given_is_not_changed() -> None:
    frame = charges(5)
    before = frame.copy()
    show(frame, columns=["amount"], rows=2)
    pd.testing.assert_frame_equal(frame, before)


def test_all_that_it_needs_is_inside_and_without_a_browser_it_is_text() -> None:
    shown = show(findings([finding("error", "name_length", "too long")]), "Findings")
    page = shown._repr_html_()
    assert 'src="http' not in page
    assert "unpkg.com" not in page.split('class="toolkit-table"')[1]
    assert repr(shown).startswith("Findings: 1 row (severity: 1 error)\n")
    assert "name_length" in repr(shown)


class Shell:
    """What a kernel knows of the cell that runs."""

    def __init__(self) -> None:
        self.parent: dict[str, Any] = {}

    def get_parent(self) -> dict[str, Any]:
        return self.parent

    def run(self, code: str, cell: str | None, tables: int = 1) -> list[bool]:
        """Run a cell; return of each of its tables whether it brings the programs along."""
        number = len(self.parent.get("header", {}).get("msg_id", ""))
        named = {} if cell is None else {"cellId": cell}
        header = {"msg_id": "m" * (number + 1)}
        self.parent = {"header": header, "metadata": named, "content": {"code": code}}
        return [is_whole(show(charges(2))._repr_html_()) for _ in range(tables)]


def is_whole(html: str) -> bool:
    """Return whether the programs are inside; without them a table of a few rows is small."""
    return len(html) > 20_000


@pytest.mark.parametrize("named", [True, False], ids=["the cell is named", "only its code is known"])
def test_one_table_of_a_notebook_brings_the_programs_along(
    monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    shell = Shell()
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    monkeypatch.setattr(notebook, "_PROGRAMS", notebook._Programs())
    first, second = ("c1", "c2") if named else (None, None)
    assert shell.run("show(a); show(b)", first, 2) == [True, False]
    assert shell.run("show(c)", second) == [False]
    # Run again, the cell loses its former output: it must bring them along anew.
    assert shell.run("show(a); show(b)", first, 2) == [True, False]
    assert shell.run("show(c)", second) == [False]


def test_outside_of_a_notebook_each_table_is_whole() -> None:
    assert all(is_whole(show(charges(2))._repr_html_()) for _ in range(2))


# Machado, Oliveira, Fernandes (2009), severity 1.0: what each kind of colour-blind eye sees of linear RGB.
EYES = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "deuteranope": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6726, 0.0472), (-0.0118, 0.0429, 0.9689)),
    "tritanope": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476), (0.0047, 0.6914, 0.3039)),
}


def seen(colour: str, eye: str) -> tuple[float, float, float]:
    """Return a colour as an eye sees it, in CIE L*a*b*."""
    raw = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in raw]
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in EYES[eye]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_colours_apart_and_reads_black_on_them(eye: str) -> None:
    for one, other in itertools.combinations(COLOURS.values(), 2):
        apart = sum((a - b) ** 2 for a, b in zip(seen(one, eye), seen(other, eye), strict=True)) ** 0.5
        assert apart > 10, (one, other, apart)
    assert all(seen(colour, eye)[0] > 65 for colour in COLOURS.values())


# --- in a browser -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_a_browser_search_and_filters_work_offline(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    path = tmp_path / "page.html"
    html = show(charges(30), "Charges")._repr_html_()
    path.write_text(f"<!doctype html><meta charset='utf-8'><body>{html}</body>", encoding="utf-8")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 700})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        rows = page.locator("table.dataTable tbody tr")
        page.wait_for_selector(".dt-info")
        assert rows.count() == 10
        assert "Charges: 30 rows" in page.locator(".toolkit-table").inner_text()
        page.screenshot(path=str(tmp_path / "table.png"))
        page.locator("input[type=search]").fill("Code 17")
        assert rows.count() == 1
        page.locator("input[type=search]").fill("")
        page.locator(".dt-scroll-head input[placeholder=status]").press_sequentially("mismatch")
        assert "1 to 8 of 8" in page.locator(".dt-info").inner_text()
        assert rows.count() == 8
        first = page.locator("table.dataTable tbody td").nth(1)
        assert first.inner_text() == "mismatch"
        assert first.evaluate("cell => getComputedStyle(cell).backgroundColor") == "rgb(244, 177, 131)"
        amounts = page.locator("table.dataTable tbody td:nth-child(3)")
        assert amounts.nth(1).inner_text() == "40.04"
        assert amounts.nth(1).evaluate("cell => getComputedStyle(cell).textAlign") == "right"
        notes = page.locator("table.dataTable tbody td:nth-child(4)")
        assert notes.first.inner_text() == "<b>bold</b> & 'more'"
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def saved_notebook(folder: Path) -> Path:
    """Return a notebook of four tables as its kernel left it."""
    code = (
        "import pandas as pd\nfrom toolkit.notebook import show",
        "frame = pd.DataFrame({'code': [f'Code {n:02}' for n in range(25)], 'status': ['mismatch'] * 25})",
        "show(frame, 'One')",
        "show(frame, 'Two')",
        "display(show(frame, 'Three'))\nshow(frame, 'Four')",
    )
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in code])
    NotebookClient(made, timeout=120).execute()
    nbformat.write(made, folder / "tables.ipynb")
    return folder / "tables.ipynb"


def outputs_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [out.data["text/html"] for cell in cells for out in cell.get("outputs", ())]


@pytest.mark.slow
@pytest.mark.network
def test_a_saved_notebook_holds_the_programs_once_and_shows_every_table(tmp_path: Path) -> None:
    path = saved_notebook(tmp_path)
    sizes = [len(text) for text in outputs_of(path)]
    assert len(sizes) == 4
    assert sizes[0] > 900_000
    assert max(sizes[1:]) < 20_000
    page_file = tmp_path / "tables.html"
    page_file.write_text(HTMLExporter().from_notebook_node(nbformat.read(path, 4))[0], encoding="utf-8")
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.goto(page_file.as_uri(), wait_until="domcontentloaded")
        look_at_tables(page)
        browser.close()


def look_at_tables(page: Any) -> None:
    """Find four tables that show their rows, are searched each by itself, and wait for nothing."""
    page.wait_for_function("document.querySelectorAll('.toolkit-table .dt-info').length === 4")
    tables = page.locator(".toolkit-table")
    for place in range(4):
        table = tables.nth(place)
        table.locator("input[type=search]").fill(f"Code {place:02}")
        assert table.locator("table.dataTable tbody tr").count() == 1
        assert "1 of 1" in table.locator(".dt-info").inner_text()
    waiting = page.locator(".toolkit-waiting")
    assert waiting.count() == 3 and not any(waiting.nth(n).is_visible() for n in range(3))
