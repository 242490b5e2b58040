"""The workbook of rejected rows: out with QuickBooks' reason, back with what a person corrected.

Each source row behind a rejected operation stands on the sheet of its table. The cell that QuickBooks did not
take is coloured and carries a comment; the columns before it say the same in words. Rows are told apart by
their key. What was written is kept on a hidden sheet, so that an edit is told from what merely stood there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.corrections import CORRECTABLE, columns_to_correct, row_key, value_text
from toolkit.rejections import Flaw, Rejection
from toolkit.tables import TABLES, to_rows
from toolkit.workbook_frame import lay_out, new_book, save_book, sign
from toolkit.workbook_ink import Ink, grow, put_cell, wrap
from toolkit.workbook_measure import width_of
from toolkit.workbook_sheets import cell_text

__all__ = ["FORMAT", "HELP_COLUMNS", "TITLES", "RejectedRow", "rejected_rows", "write_rejected"]

FORMAT = "rejected 1"
TITLES: Mapping[str, str] = {
    "billing.customers": "Customers",
    "billing.invoices": "Invoices",
    "billing.invoice_lines": "Invoice lines",
    "billing.payments": "Payments",
    "billing.payment_applications": "Payment applications",
    "billing.adjustments": "Credits",
}
"""The sheet of each table."""
HELP_COLUMNS = ("problem", "reason", "note", "limit", "proposal", "status_code", "operation")
"""Columns that are no column of the table; of these only ``note`` is read back."""

_READ_ONLY = PatternFill("solid", fgColor="EDEDED")
_TO_FILL = PatternFill("solid", fgColor="FFF2CC")
_FLAWED = PatternFill("solid", fgColor="F8A5A5")
_CORRECTED = PatternFill("solid", fgColor="DDEBF7")
_WIDTHS = {"problem": 46, "reason": 46, "proposal": 30, "note": 24, "limit": 20, "operation": 24}
_READ_ME = (
    ("What QuickBooks rejected: {company}", True),
    ("Correct the red cells, or any other white one, and say why in the yellow column note.", False),
    ("", False),
    ("problem, reason", True),
    ("What is wrong with which column, and what QuickBooks said of the operation.", False),
    ("limit, proposal", True),
    ("What QuickBooks takes, and what could stand there. A proposal is never applied by itself.", False),
    ("", False),
    ("The grey columns are not read back; an edit there, or of a key, keeps the row from being read.", False),
    ("A blue cell was corrected before: empty it, or give BluBilling's value, to withdraw that.", False),
    ("Rows are told apart by their first columns, their key: sort, filter, delete as you like.", False),
    ("A row is read whole or not at all. Type text, not formulas; dates like 2026-01-31.", False),
    ("BluBilling keeps its values: correct them there too, or the next period brings them again.", False),
    ("", False),
    ("Read it back with: toolkit fix --read FILE", True),
    ("Corrected rows pass the gate once more, and wait as a draft for approval.", False),
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(slots=True)
class RejectedRow:
    """One source row behind what was rejected.

    Parameters
    ----------
    table, key : str
        Which row.
    row : dict
        Its values as they count now.
    behind : list of Rejection
        What was rejected.
    flaws : list of Flaw
        What is wrong with its cells.
    """

    table: str
    key: str
    row: Row
    behind: list[Rejection] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def attempts(self) -> dict[str, int]:
        """The operations, each with the job of the attempt that was rejected."""
        return {each.operation: each.job for each in self.behind}


def rejected_rows(
    tables: Mapping[str, pd.DataFrame], rejected: Iterable[Rejection]
) -> dict[str, dict[str, RejectedRow]]:
    """Return the source rows behind rejections, by table and key, in the order of the operations.

    Parameters
    ----------
    tables : mapping
        ``billing.*`` as they count now.
    rejected : iterable of Rejection
        From :func:`toolkit.rejections.rejections`.
    """
    listed = list(rejected)
    wanted = {table for each in listed for table, _ in each.rows}
    known = {table: {row_key(table, row): row for row in to_rows(tables[table])} for table in wanted}
    found: dict[str, dict[str, RejectedRow]] = {table: {} for table in CORRECTABLE}
    for each in listed:
        for table, key in each.rows:
            if key in known[table]:
                one = found[table].setdefault(key, RejectedRow(table, key, known[table][key]))
                one.behind.append(each)
                one.flaws += [flaw for flaw in each.flaws if (flaw.table, flaw.key) == (table, key)]
    return found


def write_rejected(
    path: str | Path,
    *,
    rows: Mapping[str, Mapping[str, RejectedRow]],
    corrections: pd.DataFrame,
    company: str,
    workspace_id: str,
    stamp: str,
) -> Path | None:
    """Write rejected rows to an Excel workbook, one sheet a table, the offending cells marked.

    Parameters
    ----------
    path : path
        The .xlsx file; one that is there is kept under another name.
    rows : mapping
        From :func:`rejected_rows`.
    corrections : pandas.DataFrame
        ``mapping.corrections``: cells corrected before are marked too.
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
    book = new_book(path, f"Rejected by QuickBooks: {company}", company, _READ_ME)
    corrected = {(row["table"], row["key"], row["column"]): row for row in to_rows(corrections)}
    kept: list[list[str | None]] = []
    for table, listed in rows.items():
        if listed:
            kept += _write_sheet(book.create_sheet(TITLES[table]), table, list(listed.values()), corrected)
    sign(book, (workspace_id, stamp, FORMAT), kept)
    return save_book(book, Path(path), keep=True)


def _write_sheet(
    page: Worksheet, table: str, rows: Sequence[RejectedRow], corrected: Mapping[Any, Row]
) -> list[list[str | None]]:
    """Write one sheet; return what the hidden sheet keeps of it."""
    columns, ink = _columns(table, rows), Ink()
    for place, name in enumerate(columns, 1):
        ink.heading(page, place, name, False)
        widest = max((width_of(cell_text(row.row.get(name)) or "") for row in rows), default=0)
        width = _WIDTHS.get(name, min(43, max(len(name) + 4, ceil(widest + 1))))
        page.column_dimensions[get_column_letter(place)].width = width
    kept = [[json.dumps([page.title]), None, *columns]]
    for number, one in enumerate(rows, 2):
        kept.append(_write_row(page, number, columns, one, corrected))
    # What cures nothing stands last: on paper it would only make the rest too small to read.
    lay_out(
        page, len(columns), len(rows) + 1, still=len(TABLES[table].key) + 1, printed=_printed(columns, rows)
    )
    return kept


def _has_value(name: str, rows: Sequence[RejectedRow]) -> bool:
    return any(one.row.get(name) is not None for one in rows)


def _columns(table: str, rows: Sequence[RejectedRow]) -> list[str]:
    """Return the columns of a sheet: what is wrong, the offending ones and the note, then all else."""
    flawed, keys = _flawed(rows), TABLES[table].key
    names = [name for name in TABLES[table].names if name not in (*keys, "source", "imported_at")]
    first = [name for name in names if name in flawed]
    rest = sorted((name for name in names if name not in flawed), key=lambda name: not _has_value(name, rows))
    return [*keys, *HELP_COLUMNS[:2], *first, *HELP_COLUMNS[2:], *rest]


def _flawed(rows: Sequence[RejectedRow]) -> set[str | None]:
    return {flaw.column for one in rows for flaw in one.flaws}


def _printed(columns: Sequence[str], rows: Sequence[RejectedRow]) -> int:
    """Return how many columns to print: all with a value where it is not known which cell is wrong."""
    if all(any(flaw.column for flaw in one.flaws) for one in rows):
        return columns.index("proposal") + 1
    return max(n for n, name in enumerate(columns, 1) if name in HELP_COLUMNS or _has_value(name, rows))


def _write_row(
    page: Worksheet, number: int, columns: Sequence[str], one: RejectedRow, corrected: Mapping[Any, Row]
) -> list[str | None]:
    """Write one row, mark its cells, and return what the hidden sheet keeps of it."""
    values = _values(one)
    by_column: dict[str | None, list[Flaw]] = defaultdict(list)
    for flaw in one.flaws:
        by_column[flaw.column].append(flaw)
    open_to_edits = {"note", *(column.name for column in columns_to_correct(one.table))}
    for place, name in enumerate(columns, 1):
        cell: Any = put_cell(page, number, place, values[name], _number_format(one.table, name))
        before = corrected.get((one.table, one.key, name))
        if by_column.get(name):
            cell.fill = _FLAWED
            cell.comment = _comment(by_column[name], before)
        elif before is not None:
            cell.fill = _CORRECTED
            cell.comment = _comment([], before)
        elif name not in open_to_edits:
            cell.fill = _FLAWED if name == "problem" and one.flaws else _READ_ONLY
        elif name == "note":
            cell.fill = _TO_FILL
        width = page.column_dimensions[get_column_letter(place)].width
        text = cell_text(values[name]) or ""
        cell.alignment = Alignment(vertical="top")
        if isinstance(cell.value, str) and (width_of(text) > width or "\n" in text):
            wrap(cell)
            grow(page, number, text, width)
    key = json.dumps([page.title, one.key], ensure_ascii=False)
    return [key, json.dumps(one.attempts, ensure_ascii=False), *(cell_text(values[n]) for n in columns)]


def _values(one: RejectedRow) -> dict[str, Any]:
    def joined(texts: Iterable[str | None]) -> str | None:
        return "\n".join(dict.fromkeys(text for text in texts if text)) or None

    columns = {column.name: column for column in TABLES[one.table].columns}
    shown = {
        name: value if _number_format(one.table, name) else value_text(columns[name], value)
        for name, value in one.row.items()
    }
    return shown | {
        "problem": joined(flaw.problem for flaw in one.flaws),
        "reason": joined(each.reason for each in one.behind),
        "limit": joined(flaw.limit for flaw in one.flaws),
        "proposal": joined(flaw.proposal for flaw in one.flaws),
        "note": None,
        "status_code": joined(str(each.status_code) for each in one.behind if each.status_code is not None),
        "operation": joined(each.operation for each in one.behind),
    }


def _number_format(table: str, name: str) -> str | None:
    if name in HELP_COLUMNS:
        return None
    kind: Any = TABLES[table].column(name).type
    if pa.types.is_decimal(kind):
        return "#,##0.00" if kind.scale == 2 else "#,##0.00####"
    return "0" if pa.types.is_integer(kind) else None


def _comment(flaws: Sequence[Flaw], corrected: Row | None) -> Comment:
    lines = []
    for flaw in flaws:
        lines += [flaw.problem]
        lines += [f"Limit: {flaw.limit}"] if flaw.limit else []
        lines += [f"Proposal: {flaw.proposal}"] if flaw.proposal else []
    if corrected is not None:
        lines.append(f"Corrected by {corrected['decided_by']}; BluBilling has {corrected['old_value']!r}.")
    made = Comment("\n".join(dict.fromkeys(lines)), "toolkit")
    made.width, made.height = 360, 40 + 20 * len(lines)
    return made
