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
from openpyxl.utils import get_column_letter

from toolkit.errors import InputFileError
from toolkit.tables import to_rows
from toolkit.workbook_cells import from_cell, to_the_second
from toolkit.workbook_frame import check_name, lay_out, save_book
from toolkit.workbook_ink import Ink, Style, put_cell
from toolkit.workbook_sheets import SHEETS

WIDEST = 60
NUMBER_FORMATS = {Decimal: "#,##0.00###", int: "0"}


def write_table(path: Path, name: str, frame: pd.DataFrame) -> Path | None:
    """Write a table to a workbook of one sheet; texts stay texts, amounts are numbers.

    Parameters
    ----------
    path : Path
        The .xlsx file; one that is there and says something else is kept under another name.
    name : str
        Declared name: the sheet is called after it.
    frame : pandas.DataFrame
        Any table.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    return write_frames(path, {name: frame})


def write_frames(path: Path, frames: Mapping[str, pd.DataFrame]) -> Path | None:
    """Write tables to a workbook, a sheet each; texts stay texts, amounts are numbers.

    Any file may be there, a filled mapping workbook even: it is kept, unless it says the same to the letter.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    check_name(path)
    book, ink = openpyxl.Workbook(), Ink()
    book.remove(book.worksheets[0])
    for title, frame in frames.items():
        page = book.create_sheet(title[:31])
        widths = [len(column) for column in frame.columns]
        for column, heading in enumerate(frame.columns, start=1):
            ink.write(page, 1, column, heading, Style(bold=True))
        for number, row in enumerate(to_rows(frame), start=2):
            for column, value in enumerate(row.values(), start=1):
                shown = ", ".join(value) if isinstance(value, list) else to_the_second(value)
                put_cell(page, number, column, shown, NUMBER_FORMATS.get(type(shown)))
                widths[column - 1] = max(widths[column - 1], len(str(shown or "")))
        for column, width in enumerate(widths, start=1):
            page.column_dimensions[get_column_letter(column)].width = min(WIDEST, width + 2)
        lay_out(page, max(len(frame.columns), 1), len(frame) + 1)
    return save_book(book, path, keep=True, same_goes=True)


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
        key = tuple(decision.get(name) or None for name in sheet.key)
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
