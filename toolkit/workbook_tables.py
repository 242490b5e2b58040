"""Any table as a workbook, and decisions from a list filled into the mapping workbook.

The second is for what an analyst has already decided elsewhere, such as in an earlier rehearsal: the rows are
found by their key, and reading the workbook back checks them like any others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from toolkit.errors import InputFileError
from toolkit.tables import to_rows
from toolkit.workbook import put_cell, save_book
from toolkit.workbook_sheets import SHEETS, from_cell

WIDEST = 60
NUMBER_FORMATS = {Decimal: "#,##0.00###", int: "0"}


def write_table(path: Path, name: str, frame: pd.DataFrame) -> None:
    """Write a table to a workbook of one sheet; texts stay texts, amounts are numbers.

    Parameters
    ----------
    path : Path
        The .xlsx file; one that is there is replaced.
    name : str
        Declared name: the sheet is called after it.
    frame : pandas.DataFrame
        Any table.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    if path.suffix.lower() != ".xlsx":
        raise InputFileError(str(path), "a workbook's name ends in .xlsx")
    book = openpyxl.Workbook()
    page = book.worksheets[0]
    page.title = name[:31]
    widths = [len(column) for column in frame.columns]
    for column, heading in enumerate(frame.columns, start=1):
        put_cell(page, 1, column, heading).font = Font(bold=True)
    for number, row in enumerate(to_rows(frame), start=2):
        for column, value in enumerate(row.values(), start=1):
            shown = ", ".join(value) if isinstance(value, list) else value
            put_cell(page, number, column, shown, NUMBER_FORMATS.get(type(shown)))
            widths[column - 1] = max(widths[column - 1], len(str(shown or "")))
    for column, width in enumerate(widths, start=1):
        page.column_dimensions[get_column_letter(column)].width = min(WIDEST, width + 2)
    page.freeze_panes = "A2"
    page.auto_filter.ref = page.dimensions
    save_book(book, path)


def fill_decisions(path: Path, decisions: Iterable[Mapping[str, str]]) -> int:
    """Fill decisions into the mapping workbook and return how many rows were filled.

    Parameters
    ----------
    path : Path
        A workbook made by :func:`toolkit.workbook.write_workbook`.
    decisions : iterable of mapping
        ``sheet``, the sheet's key columns, ``decision``, ``note`` and, for customers, ``new_name``; a blank
        key column means a blank key.

    Raises
    ------
    InputFileError
        A decision for a sheet or row that the workbook does not have. Nothing is written.
    """
    book = openpyxl.load_workbook(path)
    known = {sheet.title: sheet for sheet in SHEETS if sheet.title in book.sheetnames}
    places = {title: _places(book[title], sheet.key) for title, sheet in known.items()}
    filled = 0
    for decision in decisions:
        sheet = known.get(decision["sheet"])
        if sheet is None:
            raise InputFileError(str(path), f"there is no sheet {decision['sheet']}")
        key = tuple(decision[name] or None for name in sheet.key)
        columns, rows = places[sheet.title]
        if key not in rows:
            raise InputFileError(str(path), f"the sheet {sheet.title} has no row {' / '.join(map(str, key))}")
        for name in sheet.fill:
            if decision.get(name):
                put_cell(book[sheet.title], rows[key], columns[name], decision[name])
        filled += 1
    save_book(book, path)
    return filled


def _places(page: Any, key: Sequence[str]) -> tuple[dict[str, int], dict[tuple[str | None, ...], int]]:
    """Return heading to column, and key to row."""
    columns = {str(cell.value): cell.column for cell in page[1]}
    rows = {}
    for row in range(2, page.max_row + 1):
        values = (page.cell(row, columns[name]).value for name in key)
        rows[tuple(None if value is None else from_cell(str(value)) for value in values)] = row
    return columns, rows
