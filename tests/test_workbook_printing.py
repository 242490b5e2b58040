"""Workbooks on paper: landscape, one page wide, on as many pages as it takes, each with the heading."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import libreoffice as calc
import pandas as pd
import pytest
from mapping_world import World
from openpyxl import load_workbook

from toolkit.tables import from_rows
from toolkit.workbook_corrections import write_corrections
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


LONG = "Tidewater Municipal:Parks Department:Boathouse and Marina, which is longer than any column"


def test_no_text_is_cut_at_the_edge_of_its_column(tmp_path: Path) -> None:
    world = World(codes=("HOST", LONG, "MAIL"))
    brief = {"contract_code": "P1", "price_code": "MAIL", "decision": "(none)", "note": "two\nlines"}
    world.decide("charge_items", brief)
    row = {"contract_code": "P1", "price_code": "HOST", "decision": "(none)", "note": f"{LONG}\nand\n{LONG}"}
    world.decide("charge_items", row)
    for page in load_workbook(world.write(tmp_path / "mapping.xlsx")):
        if page.sheet_state != "visible" or page.title == "Read me":
            continue
        for cells in page.iter_rows(min_row=2):
            lines = [needed_lines(page, cell) for cell in cells]
            height = page.row_dimensions[cells[0].row].height or 15
            assert height >= 15 * max(lines), (page.title, cells[0].row)
            assert all(cell.alignment.vertical == "top" for cell in cells if cell.value is not None)
    charges = load_workbook(tmp_path / "mapping.xlsx")["Charges"]
    assert max(charges.row_dimensions[row].height or 15 for row in (2, 3, 4)) > 75


def needed_lines(page: Any, cell: Any) -> int:
    """Return how many lines a cell needs: one where all is in sight, more only where it is wrapped."""
    width = page.column_dimensions[cell.column_letter].width
    if not isinstance(cell.value, str) or (len(cell.value) < width and "\n" not in cell.value):
        return 1
    assert cell.alignment.wrap_text, (page.title, cell.coordinate, cell.value)
    return sum(-(-max(1, len(line)) // int(width - 2)) for line in cell.value.split("\n"))
