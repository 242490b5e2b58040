"""The sheet of corrections: out to Excel with the offending cell, its limit and a proposal, and back.

It stands in a workbook of its own, or among the sheets of the mapping workbook. Rows are told apart by table,
key and column; what was written is kept on a hidden sheet, so that an edit, and a change elsewhere since, are
told from what merely stood there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.styles import Alignment, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.tables import TABLES, to_rows
from toolkit.workbook_cells import cell_text, to_the_second
from toolkit.workbook_frame import lay_out, new_book, save_book, sign
from toolkit.workbook_ink import DONE, PROBLEM, TO_FILL, Ink, put_cell
from toolkit.workbook_measure import height_of

__all__ = [
    "CORRECTIONS_FORMAT",
    "CORRECTION_COLUMNS",
    "FILLED",
    "KEPT_CORRECTIONS",
    "KEY",
    "TITLE",
    "write_corrections",
    "write_sheet",
]

CORRECTIONS_FORMAT = "corrections 1"
TITLE = "Corrections"
ELSEWHERE = "Cured elsewhere"
KEPT_CORRECTIONS = "_corrections"
"""The hidden sheet that keeps what was written."""

CORRECTION_COLUMNS = (
    *("table", "key", "column", "status", "message", "value", "limit", "proposal", "correction", "note"),
    *("amount", "rule", "decided_by", "decided_at", "source"),
)
"""The columns of the sheet, in its order."""
KEY = ("table", "key", "column")
FILLED = ("correction", "note")
"""The columns that an analyst fills in."""

_WIDTHS = {
    **{"table": 28, "key": 20, "column": 22, "status": 13, "message": 46, "value": 38, "limit": 24},
    **{"proposal": 38, "correction": 38, "note": 26, "amount": 15, "rule": 18, "decided_by": 14},
    **{"decided_at": 21, "source": 28},
}
_PRINTED = CORRECTION_COLUMNS.index("amount") + 1
_TO_FILL = PatternFill("solid", fgColor=TO_FILL)
# Blue against orange: two that a colour-blind eye tells apart, beside a status in words.
_OPEN = PatternFill("solid", fgColor=PROBLEM)
_DONE = PatternFill("solid", fgColor=DONE)
_READ_ME = (
    ("Corrections before sending: {company}", True),
    ("Each row is one cell of BluBilling's that keeps a row from being sent. Fill what is yellow.", False),
    ("", False),
    ("value, limit, proposal", True),
    ("What BluBilling has, what QuickBooks takes, and what could stand there. Nothing is applied", False),
    ("by itself: copy the proposal into correction where it is right, or type another value.", False),
    ("", False),
    ("correction", True),
    ("The value that counts. (empty) leaves the cell without a value. An emptied cell withdraws a", False),
    ("correction that stands. Dates like 2026-01-31, numbers with a point; no formulas.", False),
    ("", False),
    ("note", True),
    ("Why. No correction is read without; it is kept with it, with who made it and when.", False),
    ("", False),
    ("Rows are told apart by table, key and column: sort, filter, delete as you like. A row may be", False),
    ("added for another cell: table, key, column, the value that BluBilling has, and the correction.", False),
    ("Columns that tell a row apart, an invoice's number say, cannot be corrected here: the sheet", False),
    ("Numbers of the mapping workbook gives a document another number in QuickBooks.", False),
    ("What no value cures is listed on the sheet Cured elsewhere.", False),
    ("BluBilling's files stay as they are: correct it there too, or the next period brings it again.", False),
    ("", False),
    ("Read it back with: toolkit correct --read FILE", True),
)  # fmt: skip


def write_corrections(
    path: str | Path,
    *,
    proposals: pd.DataFrame,
    elsewhere: pd.DataFrame,
    company: str,
    workspace_id: str,
    stamp: str,
) -> Path | None:
    """Write a workbook of corrections.

    Parameters
    ----------
    path : path
        The .xlsx file; one that is there is kept under another name.
    proposals : pandas.DataFrame
        ``corrections.proposals``, one row a cell.
    elsewhere : pandas.DataFrame
        ``corrections.elsewhere``, one row a rule that no value cures.
    company : str
        Name of the company, for people.
    workspace_id, stamp : str
        The fingerprint, as :func:`toolkit.workbook.write_workbook` takes it.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx, cannot be written, or a text is longer than a cell can be.
    """
    book = new_book(path, f"Corrections: {company}", company, _READ_ME)
    write_sheet(book, proposals)
    if len(elsewhere):
        _write_plain(book.create_sheet(ELSEWHERE), to_rows(elsewhere))
    sign(book, (workspace_id, stamp, CORRECTIONS_FORMAT))
    book.active = 1
    return save_book(book, Path(path), keep=True)


def write_sheet(book: Workbook, frame: pd.DataFrame) -> None:
    """Add the sheet ``Corrections`` to a workbook, and the hidden one that remembers it.

    Parameters
    ----------
    book : openpyxl.Workbook
        The workbook; nothing else of it is touched.
    frame : pandas.DataFrame
        ``corrections.proposals``.
    """
    page, hidden = book.create_sheet(TITLE), book.create_sheet(KEPT_CORRECTIONS)
    hidden.sheet_state = "hidden"
    _heading(page, CORRECTION_COLUMNS)
    for place, name in enumerate(CORRECTION_COLUMNS, 1):
        page.column_dimensions[get_column_letter(place)].width = _WIDTHS[name]
        put_cell(hidden, 1, place + 1, name)
    wrapped, top = Alignment(wrap_text=True, vertical="top"), Alignment(vertical="top")
    rows = [{**row, "decided_at": to_the_second(row["decided_at"])} for row in to_rows(frame)]
    for number, row in enumerate(rows, 2):
        put_cell(hidden, number, 1, json.dumps([row[name] for name in KEY], ensure_ascii=False))
        for place, name in enumerate(CORRECTION_COLUMNS, 1):
            cell = put_cell(page, number, place, row[name], "#,##0.00" if name == "amount" else None)
            cell.alignment = wrapped if _WIDTHS[name] > 15 else top
            if name in FILLED:
                cell.fill = _TO_FILL
            elif name in ("status", "value"):
                cell.fill = _DONE if row["status"] == "corrected" else _OPEN
            put_cell(hidden, number, place + 1, cell_text(row[name]))
        page.row_dimensions[number].height = max(
            height_of(cell_text(row[name]) or "", _WIDTHS[name]) for name in CORRECTION_COLUMNS
        )
    lay_out(page, len(CORRECTION_COLUMNS), len(rows) + 1, still=len(KEY), printed=_PRINTED)


def _heading(page: Worksheet, names: tuple[str, ...]) -> None:
    ink = Ink()
    for place, name in enumerate(names, 1):
        ink.heading(page, place, name, name in FILLED)


def _write_plain(page: Worksheet, rows: list[dict[str, Any]]) -> None:
    names = tuple(TABLES["corrections.elsewhere"].names)
    widths: Mapping[str, int] = {"table": 22, "rule": 24, "rows": 44, "count": 8, "where": 80}
    _heading(page, names)
    for place, name in enumerate(names, 1):
        page.column_dimensions[get_column_letter(place)].width = widths[name]
    for number, row in enumerate(rows, 2):
        for place, name in enumerate(names, 1):
            cell = put_cell(page, number, place, row[name], "0" if name == "count" else None)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        page.row_dimensions[number].height = max(
            height_of(cell_text(row[name]) or "", widths[name]) for name in names
        )
    lay_out(page, len(names), len(rows) + 1)
