"""The mapping workbook: out to Excel, where an analyst decides, and back.

:func:`write_workbook` makes it, :func:`read_workbook` reads the decisions out of it. Every text is written as
text: ``00123``, ``1E5`` and ``=x`` come back as they went out, and nothing becomes a formula. The sheets are
not protected, because Excel cannot sort protected ones; what was written is kept on a hidden sheet instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.packaging.custom import StringProperty
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.errors import InputFileError
from toolkit.mapping import RIGHT_TYPES, usable
from toolkit.mapping_customers import NEW, NONE
from toolkit.workbook_reading import WorkbookRead, read_workbook
from toolkit.workbook_sheets import (
    FINGERPRINT,
    FORMAT,
    HIDDEN,
    NAMES,
    NUMBERS,
    SHEETS,
    Frames,
    Sheet,
    cell_text,
    key_text,
    shown,
    to_cell,
)

__all__ = ["WorkbookRead", "put_cell", "read_workbook", "save_book", "write_workbook"]

_HEADER = PatternFill("solid", fgColor="1F4E78")
_TO_FILL = PatternFill("solid", fgColor="FFF2CC")
_PROBLEM = PatternFill("solid", fgColor="FCE4D6")
_WIDTHS = {
    "score": 8,
    "lines": 8,
    "amount": 14,
    "is_discount": 11,
    "is_active": 10,
    "status": 15,
    "reason": 19,
}
_WIDE = {"name", "invoice_text", "suggestion", "decision", "note", "new_name"}
_LONGEST = 32_767  # characters of a cell; openpyxl would cut the rest in silence

_READ_ME = (
    ("Mappings of {company}", True),
    ("Fill the yellow columns; everything else is there to help and is not read back.", False),
    ("", False),
    ("decision", True),
    ("The full name of the item, customer or payment method, exactly as in the drop-down.", False),
    ("(none) leaves a row out on purpose; it is refused where money hangs on the row.", False),
    ("(new) on Customers creates one, named new_name; as in BluBilling where that is blank.", False),
    ("An emptied cell withdraws the decision. A suggestion is never applied by itself: choose it.", False),
    ("", False),
    ("note", True),
    ("Why. It is kept with the decision, with who decided and when.", False),
    ("", False),
    ("Rows are told apart by their first columns, their key, and not by their place:", False),
    ("sort, filter, move columns and delete rows as you like. Type text, not formulas.", False),
    ("lines and amount are those of the last twelve months. Problems stand first, most money first.", False),
    ("", False),
    ("Read it back with: toolkit map --read FILE", True),
    ("A decision changed elsewhere since this file was written is reported, never overwritten.", False),
)  # fmt: skip


def write_workbook(
    path: str | Path,
    *,
    charges: pd.DataFrame,
    customers: pd.DataFrame,
    payment_methods: pd.DataFrame,
    items: pd.DataFrame,
    quickbooks_customers: pd.DataFrame,
    quickbooks_methods: pd.DataFrame,
    company: str,
    workspace_id: str,
    stamp: str,
    local_items: pd.DataFrame | None = None,
) -> None:
    """Write the matches to an Excel workbook with a drop-down of real names on every row.

    Parameters
    ----------
    path : path
        The .xlsx file; one that is there is replaced.
    charges, customers, payment_methods : pandas.DataFrame
        ``match.charges``, ``match.customers``, ``match.payment_methods``: a row each on its sheet.
    items, quickbooks_customers, quickbooks_methods : pandas.DataFrame
        ``quickbooks.*``: what may be chosen.
    company : str
        Name of the company, for people.
    workspace_id, stamp : str
        The workspace, and the ledger's stamp of the decisions that stand: the fingerprint.
    local_items : pandas.DataFrame, optional
        ``mapping.local_items``: may be chosen too.

    Raises
    ------
    InputFileError
        The file cannot be written, or a text is longer than a cell can be.
    """
    frames = Frames(
        charges, customers, payment_methods, items, quickbooks_customers, quickbooks_methods, local_items
    )
    book = Workbook()
    book.remove(book.worksheets[0])
    _write_read_me(book.create_sheet("Read me"), company)
    written: list[list[str | None]] = []
    names = {sheet.title: _names(sheet, frames) for sheet in SHEETS}
    for sheet in SHEETS:
        written += _write_sheet(book.create_sheet(sheet.title), sheet, frames, names[sheet.title])
    _write_names(book.create_sheet(NAMES), names)
    _write_hidden(book.create_sheet(HIDDEN), (workspace_id, stamp, FORMAT), written)
    properties: Any = book.custom_doc_props  # type: ignore[attr-defined]  # younger than the stubs
    for name, value in zip(FINGERPRINT, (workspace_id, stamp, FORMAT), strict=True):
        properties.append(StringProperty(name=name, value=value))
    book.properties.creator, book.properties.title = "toolkit", f"Mappings of {company}"
    save_book(book, Path(path))


def _names(sheet: Sheet, frames: Frames) -> list[str]:
    """Return a sheet's drop-down: one for all its rows, for it stays behind when they are sorted."""
    choices = frames.choices(sheet)
    if sheet.prefix == "item":
        types = (
            RIGHT_TYPES["tax"] if sheet.title == "Taxes" else RIGHT_TYPES["charge"] | RIGHT_TYPES["discount"]
        )
        choices = [row for row in choices if usable(row, types)]
    else:
        choices = [row for row in choices if usable(row, None)]
    special = [NEW, NONE] if sheet.prefix == "customer" else [NONE]
    return special + sorted({row["full_name"] for row in choices}, key=lambda name: (name.casefold(), name))


def _write_sheet(
    page: Worksheet, sheet: Sheet, frames: Frames, names: Sequence[str]
) -> list[list[str | None]]:
    """Write one sheet; return what the hidden sheet keeps of each row."""
    for place, name in enumerate(sheet.columns, 1):
        cell = put_cell(page, 1, place, name)
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), _HEADER
        page.column_dimensions[get_column_letter(place)].width = _WIDTHS.get(
            name, 34 if name in _WIDE else 20
        )
    kept = []
    rows = frames.rows(sheet)
    for number, row in enumerate(rows, 2):
        values = shown(sheet, row)
        problem = row["status"] in ("mismatch", "undecided", "ambiguous")
        for place, name in enumerate(sheet.columns, 1):
            cell = put_cell(page, number, place, values[name], NUMBERS.get(name))
            if name in sheet.fill:
                cell.fill = _TO_FILL
            elif problem and name in ("status", "reason"):
                cell.fill = _PROBLEM
        kept.append(_kept(sheet, row, values))
    page.freeze_panes = "A2"
    page.print_title_rows = "1:1"
    page.page_setup.orientation = "landscape"
    page.page_setup.fitToHeight = 0  # as many pages as it takes, each as wide as the sheet
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    page.auto_filter.ref = f"A1:{get_column_letter(len(sheet.columns))}{len(rows) + 1}"
    if rows:
        _offer(page, sheet, len(rows) + 1, len(names))
    return kept


def _offer(page: Worksheet, sheet: Sheet, last_row: int, count: int) -> None:
    letter = get_column_letter([each.title for each in SHEETS].index(sheet.title) + 1)
    # A warning, not a stop: the reader checks each choice, and an item may be entered by hand only later.
    offer = DataValidation(
        type="list",
        formula1=f"'{NAMES}'!${letter}$2:${letter}${count + 1}",
        allow_blank=True,
        showErrorMessage=True,
        errorStyle="warning",
        errorTitle="Not in the list",
        error="QuickBooks has no such name. It will be reported when the workbook is read.",
    )
    column = get_column_letter(sheet.columns.index("decision") + 1)
    offer.add(f"{column}2:{column}{last_row}")
    page.add_data_validation(offer)


def _kept(sheet: Sheet, row: Any, values: dict[str, Any]) -> list[str | None]:
    """Return key, decision, note, new name and the other columns of a row, as they are written."""
    other = [cell_text(values[name]) for name in sheet.columns if name not in (*sheet.key, *sheet.fill)]
    return [
        key_text(sheet, row),
        *(cell_text(values.get(name)) for name in ("decision", "note", "new_name")),
        *other,
    ]


def _write_names(page: Worksheet, names: dict[str, list[str]]) -> None:
    page.sheet_state = "hidden"
    for place, (title, choices) in enumerate(names.items(), 1):
        for number, text in enumerate([title, *choices], 1):
            put_cell(page, number, place, text)


def _write_hidden(page: Worksheet, fingerprint: Sequence[str], written: list[list[str | None]]) -> None:
    page.sheet_state = "hidden"
    for number, pair in enumerate(zip(FINGERPRINT, fingerprint, strict=True), 1):
        for place, text in enumerate(pair, 1):
            put_cell(page, number, place, text)
    for number, texts in enumerate(written, len(FINGERPRINT) + 1):
        for place, each in enumerate(texts, 1):
            put_cell(page, number, place, each)


def _write_read_me(page: Worksheet, company: str) -> None:
    page.column_dimensions["A"].width = 120
    for number, (text, bold) in enumerate(_READ_ME, 1):
        cell = put_cell(page, number, 1, text.format(company=company) or None)
        cell.font, cell.alignment = Font(bold=bold), Alignment(wrap_text=True, vertical="top")


def put_cell(page: Worksheet, row: int, column: int, value: Any, number_format: str | None = None) -> Cell:
    """Write one value: a number where it has a number format, else text that stays text."""
    cell: Any = page.cell(row, column)
    if number_format is not None and isinstance(value, int | Decimal):
        cell.value, cell.number_format = value, number_format
        return cell  # type: ignore[no-any-return]
    cell.number_format = "@"
    text = cell_text(value)
    if text is not None:
        stored = to_cell(text)
        if len(stored) > _LONGEST:
            where = f"{page.title}!{cell.coordinate}"
            raise InputFileError(where, f"the text has {len(stored)} characters", f"a cell holds {_LONGEST}")
        cell.value = stored
        cell.data_type = "s"  # openpyxl takes "=x" for a formula and "#N/A" for an error
        cell.quotePrefix = stored[0] in "=+-@'"
    return cell  # type: ignore[no-any-return]


def save_book(book: Workbook, path: Path) -> None:
    """Save a workbook whole or not at all; ``InputFileError`` where it cannot be written."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        problem = f"cannot be written: {error.strerror or error}"
        raise InputFileError(str(path), problem, "close it if it is open in Excel") from error
