"""Workbooks on paper: landscape, one page wide, on as many pages as it takes, each with the heading."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import libreoffice as calc
import pandas as pd
import pytest
from mapping_world import LISTS, World
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from workbook_rendering import squeezed

from toolkit.tables import from_rows
from toolkit.workbook_corrections import write_corrections
from toolkit.workbook_measure import height_of, lines_in, width_of
from toolkit.workbook_tables import write_frames

PROPOSAL = {
    **{"table": "billing.customers", "key": "A3", "column": "name", "status": "to correct", "rule": "length"},
    **{"message": "too long", "value": "x" * 60, "limit": "41 characters", "proposal": "x" * 41},
}


def mapping(folder: Path, rows: int = 3) -> Path:
    codes = tuple(f"Code {number:03}" for number in range(rows))
    return World(codes=codes).write(folder / "mapping.xlsx")


def corrections(folder: Path) -> Path:
    path = folder / "corrections.xlsx"
    frame = from_rows("corrections.proposals", [{**PROPOSAL, "key": f"A{n}"} for n in range(3)])
    other = {"table": "billing.customers", "rule": "none_here", "rows": "A1", "count": 1, "where": "there"}
    elsewhere = from_rows("corrections.elsewhere", [other])
    told = {"company": "Fabrikam", "workspace_id": "w", "stamp": "s"}
    write_corrections(path, proposals=frame, elsewhere=elsewhere, **told)
    return path


def schedule(folder: Path) -> Path:
    row = {"source_table": "billing.adjustments", "source_key": "C-1", "kind": "write_off", "why": "by hand"}
    path = folder / "schedule.xlsx"
    write_frames(path, {"post_by_hand": from_rows("plan.post_by_hand", [row]), "totals": pd.DataFrame()})
    return path


MADE = [mapping, corrections, schedule]


@pytest.mark.parametrize("make", MADE)
def test_every_sheet_prints_one_page_wide_with_its_heading_on_each(make: Any, tmp_path: Path) -> None:
    pages = [page for page in load_workbook(make(tmp_path)) if page.sheet_state == "visible"]
    assert len(pages) > 1
    for page in pages:
        setup = page.page_setup
        assert page.sheet_properties.pageSetUpPr.fitToPage, page.title
        assert (setup.orientation, setup.fitToWidth, setup.fitToHeight) == ("landscape", 1, 0), page.title
        if page.title != "Read me":
            assert page.print_title_rows == "$1:$1", page.title


def test_what_no_one_reads_on_paper_is_not_printed(tmp_path: Path) -> None:
    book = load_workbook(mapping(tmp_path))
    printed = {}
    for page in book:
        if page.print_area:
            last = re.sub(r".*\$([A-Z]+)\$\d+$", r"\1", page.print_area)
            printed[page.title] = page[f"{last}1"].value
    assert printed["Charges"] == printed["Customers"] == "amount"
    assert (printed["Numbers"], printed["Change in BluBilling"]) == ("note", "note")


def test_times_are_in_whole_seconds_where_people_read_them(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 1, 31, 12, 5, 6, 789_012, tzinfo=dt.UTC)
    world = World()
    row = {"contract_code": "P1", "price_code": "HOST", "decision": "Web", "note": None}
    row |= {"item_list_id": "I1", "item_full_name": "Web"}
    world.decide("charge_items", row)
    for each in world.held["charge_items"].values():
        each["decided_at"] = moment
    page = load_workbook(world.write(tmp_path / "mapping.xlsx"))["Charges"]
    columns = {cell.value: cell.column for cell in page[1]}
    told = {page.cell(row, columns["decided_at"]).value for row in range(2, page.max_row + 1)}
    assert told == {None, "2026-01-31 12:05:06"}
    read = world.read(tmp_path / "mapping.xlsx")
    assert (read.decisions, len(read.findings)) == ({}, 0)
    path = tmp_path / "table.xlsx"
    write_frames(path, {"mapping.charge_items": world.decided("charge_items")})
    shown = load_workbook(path)["mapping.charge_items"]
    assert "2026-01-31 12:05:06" in {cell.value for cell in shown[2]}


def test_what_keeps_a_price_code_from_being_changed_is_explained(tmp_path: Path) -> None:
    lines = [cell.value or "" for cell in load_workbook(mapping(tmp_path))["Read me"]["A"]]
    start = lines.index("Change in BluBilling")
    assert re.search("too_long, .* 50 characters; taken,", lines[start + 2])


@pytest.mark.slow
def test_libreoffice_prints_each_sheet_one_page_wide(tmp_path: Path) -> None:
    path = mapping(tmp_path, rows=150)
    seen = [page.title for page in load_workbook(path) if page.sheet_state == "visible"]
    pages = calc.pictures(path, 40)
    sizes = [tuple(int.from_bytes(page.read_bytes()[at : at + 4]) for at in (16, 20)) for page in pages]
    assert all(width > height for width, height in sizes)  # PNG: the size stands behind the signature
    # Only the sheets with more rows than a page holds take more than one: none is cut from side to side.
    assert len(seen) < len(pages) <= len(seen) + 8


# --- room for texts -----------------------------------------------------------------------------------------

LONG = "Tidewater Municipal:Parks Department:Boathouse and Marina, which is longer than any column"
THREE_LINES = "TELECOMMUNICATIONS IMPLEMENTATION ADMINISTRATION"
# Widths in digits, as the font itself has them: the glyphs of Carlito Regular, added up.
DRAWN = {
    "MEMBERSHIP COMMUNITY HOME": 27.9,
    "WWW HOMEPAGE MGMT MMM": 26.8,
    THREE_LINES: 50.0,
    "Tidewater Municipal:Parks Department:Boathouse": 40.7,
    "1234567890": 10.0,
    "Łódź Węgiel Logistyka": 17.6,
    "Migration Assistence": 16.7,
    "customer_looks_like_one": 20.6,
}


@pytest.mark.parametrize("text", DRAWN)
def test_a_text_is_measured_as_the_font_draws_it(text: str) -> None:
    padding = 5 / 7  # of a cell, in digits
    assert DRAWN[text] + padding <= width_of(text) <= 1.06 * DRAWN[text] + 1.5


def test_lines_are_broken_between_words_and_within_one_that_is_too_long() -> None:
    assert lines_in(THREE_LINES, 28) == 3
    assert lines_in("a\n\nb", 28) == 3
    assert lines_in("1" * 100, 28) in (4, 5)
    assert lines_in("漢" * 20, 28) in (2, 3)
    assert lines_in("", 28) == 1
    assert height_of("a\n" * 4000, 28) == 409, "Excel has no higher rows"


def test_no_text_is_cut_at_the_edge_of_its_column(tmp_path: Path) -> None:
    short = ("HOST", "MAIL", "SHORT")
    world = World(codes=(*short, LONG, *DRAWN))
    note = {"contract_code": "P1", "decision": "(none)"}
    world.decide("charge_items", note | {"price_code": "MAIL", "note": "two\nlines"})
    world.decide("charge_items", note | {"price_code": "HOST", "note": f"{LONG}\nand\n{LONG}"})
    path = world.write(tmp_path / "mapping.xlsx")
    assert squeezed(path) == []
    page = load_workbook(path)["Charges"]
    columns = {cell.value: cell.column for cell in page[1]}
    rows = {page.cell(row, columns["price_code"]).value: row for row in range(2, page.max_row + 1)}
    heights = {code: page.row_dimensions[row].height for code, row in rows.items()}
    assert heights["SHORT"] is None and heights["MAIL"] == 30 and heights["HOST"] >= 75
    assert heights[THREE_LINES] == 45
    width = page.column_dimensions[get_column_letter(columns["price_code"])].width
    for code, drawn in DRAWN.items():
        wrapped = page.cell(rows[code], columns["price_code"]).alignment.wrap_text
        assert wrapped or drawn + 5 / 7 <= width, code
    for code in short:
        assert not page.cell(rows[code], columns["price_code"]).alignment.wrap_text, "it is its own style"


def test_the_items_are_shown_with_their_whole_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = LISTS["quickbooks.items"]
    long = items[0] | {"list_id": "I-LONG", "full_name": f"{LONG}:{THREE_LINES}"}
    monkeypatch.setitem(LISTS, "quickbooks.items", [*items, long])
    path = World().write(tmp_path / "mapping.xlsx")
    assert squeezed(path) == []
    page = load_workbook(path)["Items"]
    [row] = [cell.row for cell in page["A"] if str(cell.value).startswith(LONG)]
    assert page.row_dimensions[row].height >= 60


def test_other_workbooks_show_their_texts(tmp_path: Path) -> None:
    assert squeezed(corrections(tmp_path)) == []
