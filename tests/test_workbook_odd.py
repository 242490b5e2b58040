"""Cells of a mapping workbook that say nothing that can be relied on: their rows are told, and not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import libreoffice as calc
import pytest
from mapping_world import World, change, columns, rules
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from test_workbook_torn import decided_world

from toolkit.errors import InputFileError
from toolkit.tables import to_rows
from toolkit.workbook_pages import open_book, open_pages


@pytest.fixture
def world() -> World:
    return decided_world()


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    return world.write(tmp_path / "mapping.xlsx")


def decided_rows(page: Any) -> list[int]:
    place = columns(page)["decision"]
    return [row for row in range(2, page.max_row + 1) if page.cell(row, place).value is not None]


@pytest.mark.parametrize("column", ["decision", "note", "price_code"])
def test_an_error_value_withdraws_no_decision(path: Path, world: World, column: str) -> None:
    def put(book: Any) -> None:
        page = book["Charges"]
        cell = page.cell(decided_rows(page)[0], columns(page)[column])
        cell.value, cell.data_type = "#N/A", "e"

    change(path, put)
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("error", "error_value")])


def merge(book: Any) -> None:
    page = book["Charges"]
    place, rows = columns(page)["decision"], decided_rows(page)
    page.merge_cells(start_row=rows[0], end_row=rows[-1], start_column=place, end_column=place)


def test_merged_decisions_withdraw_none_of_those_below(path: Path, world: World) -> None:
    change(path, merge)
    read = world.read(path)
    assert (read.decisions, set(rules(read))) == ({}, {("error", "merged_cells")})
    assert {"1E5", "00123"} <= {str(row["key"]).split(" / ")[1] for row in to_rows(read.findings)}


def merge_on_to_the_end(path: Path, title: str, first: str) -> None:
    """Merge all from a cell on, as a program may save it: openpyxl would make each of these cells."""
    number = load_workbook(path, read_only=True).sheetnames.index(title) + 1
    name, merged = f"xl/worksheets/sheet{number}.xml", f'<mergeCells><mergeCell ref="{first}:XFD1048576"/>'
    with ZipFile(path) as parts:
        held = {one: parts.read(one) for one in parts.namelist()}
    held[name] = held[name].replace(b"</sheetData>", f"</sheetData>{merged}</mergeCells>".encode(), 1)
    assert merged.encode() in held[name]
    with ZipFile(path, "w") as parts:
        for one, data in held.items():
            parts.writestr(one, data)


def test_a_merged_range_is_looked_at_as_far_as_its_sheet_goes(path: Path, world: World) -> None:
    page = open_pages(path)["Charges"]
    decision = page.rows[0].index("decision")
    merge_on_to_the_end(path, "Charges", f"{get_column_letter(decision + 1)}5")
    merged = open_pages(path)["Charges"].merged
    size = (len(page.rows), len(page.rows[0]))
    assert merged == {(row, column) for row in range(4, size[0]) for column in range(decision, size[1])}
    read = world.read(path)
    assert (read.decisions, set(rules(read))) == ({}, {("error", "merged_cells")})
    with pytest.raises(InputFileError, match="merges cells of the sheet Charges on to its end: split them"):
        open_book(path)


def test_a_merged_title_above_the_headings_hurts_nobody(path: Path, world: World) -> None:
    def title(book: Any) -> None:
        book["Charges"].insert_rows(1)
        book["Charges"].merge_cells("A1:J1")

    change(path, title)
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_libreoffice_s_merged_cells_and_errors_are_found_in_either_kind(
    path: Path, world: World, kind: str
) -> None:
    change(path, merge)
    read = world.read(calc.convert(path, kind))
    assert (read.decisions, set(rules(read))) == ({}, {("error", "merged_cells")})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_an_error_value_saved_by_libreoffice_is_none_to_read(path: Path, world: World, kind: str) -> None:
    def put(book: Any) -> None:
        page = book["Charges"]
        cell = page.cell(decided_rows(page)[0], columns(page)["decision"])
        cell.value, cell.data_type = "#N/A", "e"

    change(path, put)
    read = world.read(calc.convert(path, kind))
    ((severity, rule),) = rules(read)
    assert (read.decisions, severity) == ({}, "error") and rule in ("error_value", "formula")
