"""The mapping workbook: out to Excel, where an analyst decides, and back.

:func:`write_workbook` makes it, :func:`read_workbook` reads the decisions out of it. Every text is written as
text: ``00123``, ``1E5`` and ``=x`` come back as they went out, and nothing becomes a formula. The sheets are
not protected, because Excel cannot sort protected ones; what was written is kept on a hidden sheet instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.mapping_changes import LONGEST_PRICE_CODE
from toolkit.workbook_cells import cell_text
from toolkit.workbook_frame import lay_out, new_book, save_book, sign
from toolkit.workbook_ink import NUMBERS, TO_FILL, Ink, Style, status_colour
from toolkit.workbook_offers import LISTS, item_use, offered
from toolkit.workbook_reading import WorkbookRead, read_workbook
from toolkit.workbook_sheets import (
    CHANGES,
    FORMAT,
    ITEMS_BY_HAND,
    NAMES,
    SHEETS,
    STAMP,
    Frames,
    Row,
    Sheet,
    key_text,
    row_stamp,
    shown,
    standing_entry,
)

__all__ = ["Frames", "WorkbookRead", "read_workbook", "write_workbook"]

BLANK_ROWS = 200
"""Rows to enter items on."""

_NOT_PRINTED = ("decided_by", "decided_at", "entered_by", "entered_at", "source", STAMP)
"""Last columns that on paper would only make the others too small to read."""

_ORDER = (*SHEETS[:-1], ITEMS_BY_HAND, SHEETS[-1], CHANGES)
_CHOICES = (
    "full_name",
    "item_type",
    "income_account_full_name",
    "sales_tax_code_full_name",
    "lines",
    "amount",
)

_READ_ME = (
    ("Mappings of {company}", True),
    ("Fill the columns with an orange, underlined heading; all others help, and are not read back.", False),
    ("", False),
    ("decision", True),
    ("The full name of the item, customer, method or terms, exactly as in the drop-down.", False),
    ("(none) leaves a row out on purpose; refused where money hangs on the row, but not on Terms.", False),
    ("(new) on Customers creates one, named new_name; as in BluBilling where that is blank.", False),
    ("(by hand) on Adjustments: such documents are listed for you to post in QuickBooks yourself.", False),
    ("On Numbers: the RefNumber itself, where you want another than the one shown.", False),
    ("An emptied cell withdraws the decision. A suggestion is never applied by itself: choose it.", False),
    ("", False),
    ("deposit_account", True),
    ("On Payment methods: the bank or other current asset account that payments go to.", False),
    ("", False),
    ("note", True),
    ("Why. It is kept with the decision, with who decided and when.", False),
    ("", False),
    ("Items by hand", True),
    ("Enter items that QuickBooks lacks, one a row. They may be chosen on the other sheets at once;", False),
    ("Excel asks whether to keep a name that is not in its list yet: say yes.", False),
    ("", False),
    ("Change in BluBilling", True),
    ("Price codes to correct there: once they equal the item's name, the decision retires itself.", False),
    (f"problem: too_long, a price code there has at most {LONGEST_PRICE_CODE} characters; taken,", False),
    ("another charge of the plan has the wanted code, or is to get it too: there the decision stays.", False),
    ("", False),
    ("Rows are told apart by their first columns, their key, and not by their place:", False),
    ("sort whole rows, filter, move columns and delete rows as you like. Type text, not formulas.", False),
    ("Never sort one column alone: where none of its decisions stood before, nobody can notice that.", False),
    ("Leave the last column, made_from: it says whose row it is, and what that was made from.", False),
    ("lines and amount are those of the last twelve months. Problems stand first, most money first.", False),
    ("Orange: to decide. Blue: decided or exact. Grey: left out, or by hand. The status says it too.", False),
    ("", False),
    ("Read it back with: toolkit map --read FILE (.xlsx or .ods)", True),
    ("A decision changed elsewhere since this file was written is reported, never overwritten.", False),
    ("With pandas, read it by read_excel(..., sheet_name=None, dtype=str, keep_default_na=False).", False),
)  # fmt: skip


def write_workbook(
    path: str | Path,
    frames: Frames,
    *,
    company: str,
    workspace_id: str,
    stamp: str,
    more: Callable[[Workbook], object] | None = None,
) -> Path | None:
    """Write the matches to an Excel workbook with a drop-down of real names on every row.

    Parameters
    ----------
    path : path
        The .xlsx file; one that is there is kept under another name.
    frames : Frames
        The ``match.*`` tables, a sheet each, and what may be chosen.
    company : str
        Name of the company, for people.
    workspace_id, stamp : str
        The workspace, and the ledger's stamp of the decisions that stand: the fingerprint.
    more : callable, optional
        Adds sheets of others to the workbook, such as the corrections.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written, or a text is longer than a cell can be.
    """
    hint = "save it as .ods afterwards"
    book, ink = new_book(path, f"Mappings of {company}", company, _READ_ME, hint), Ink()
    names = {title: offered(title, frames) for title in LISTS}
    written: list[list[str | None]] = []
    for sheet in _ORDER:
        written += _Pen(ink, sheet, frames, workspace_id, names).write(book.create_sheet(sheet.title))
    if more is not None:
        more(book)
    _write_choices(book.create_sheet("Items"), frames, ink)
    _write_columns(book.create_sheet(NAMES), [[title, *choices] for title, choices in names.items()], ink)
    sign(book, (workspace_id, stamp, FORMAT), written)
    return save_book(book, Path(path), keep=True)


class _Pen:
    """Writes one sheet."""

    def __init__(
        self, ink: Ink, sheet: Sheet, frames: Frames, workspace_id: str, names: Mapping[str, Sequence[str]]
    ) -> None:
        self.ink, self.sheet, self.frames = ink, sheet, frames
        self.workspace_id, self.names = workspace_id, names
        self.columns = (*sheet.columns, STAMP)

    def write(self, page: Worksheet) -> list[list[str | None]]:
        """Write the sheet; return what the hidden sheet keeps of each row."""
        # Of an item that is entered the name is filled in too.
        to_fill = (*self.sheet.fill, *(self.sheet.key if self.sheet is ITEMS_BY_HAND else ()))
        for place, name in enumerate(self.columns, 1):
            self.ink.heading(page, place, name, name in to_fill)
        rows = self.frames.rows(self.sheet)
        kept = [self._row(page, number, row) for number, row in enumerate(rows, 2)]
        for place, name in enumerate(self.columns, 1):
            self.ink.fit(page, place, name, len(rows) + 1, to_fill=name in to_fill)
        last = len(rows) + 1
        if self.sheet is ITEMS_BY_HAND:
            last += BLANK_ROWS
            for number in range(len(rows) + 2, last + 1):
                for place, name in enumerate(self.columns, 1):
                    if name in to_fill:
                        self.ink.write(page, number, place, None, Style(colour=TO_FILL))
        # The key stays in sight, and so does the heading.
        printed = max(place for place, name in enumerate(self.columns, 1) if name not in _NOT_PRINTED)
        lay_out(page, len(self.columns), last, still=len(self.sheet.key), printed=printed)
        if last > 1:
            self._offer(page, last)
        return kept

    def _row(self, page: Worksheet, number: int, row: Row) -> list[str | None]:
        values = shown(self.sheet, row)
        colour = status_colour(values)
        for place, name in enumerate(self.sheet.columns, 1):
            to_fill = name in self.sheet.fill
            behind = TO_FILL if to_fill else colour if name in ("status", "reason") else None
            bold = name == "status" and colour is not None
            style = Style(NUMBERS.get(name, "@"), behind, bold=bold)
            self.ink.write(page, number, place, values[name], style)
        entry = standing_entry(self.sheet, row) if self.sheet.fill else {}
        key = key_text(self.sheet, row)
        self.ink.write(page, number, len(self.columns), row_stamp(self.workspace_id, key, entry))
        other = [name for name in self.sheet.columns if name not in (*self.sheet.key, *self.sheet.fill)]
        texts = (cell_text(values[name]) for name in (*self.sheet.fill, *other))
        return [key, *texts]

    def _offer(self, page: Worksheet, last: int) -> None:
        for column in self.sheet.columns:
            title = self.sheet.title if column == "decision" else column
            if column in ("name", *self.sheet.fill) and title in self.names:
                offer = _drop_down(list(self.names).index(title) + 1, len(self.names[title]))
                letter = get_column_letter(self.sheet.columns.index(column) + 1)
                offer.add(f"{letter}2:{letter}{last}")
                page.add_data_validation(offer)


def _drop_down(place: int, count: int) -> DataValidation:
    letter = get_column_letter(place)
    # A warning, not a stop: the reader checks each choice, and an item may be entered by hand only later.
    return DataValidation(
        type="list",
        formula1=f"'{NAMES}'!${letter}$2:${letter}${max(count, 1) + 1}",
        allow_blank=True,
        showErrorMessage=True,
        errorStyle="warning",
        errorTitle="Not in the list",
        error="QuickBooks has no such name. It will be reported when the workbook is read.",
    )


def _write_choices(page: Worksheet, frames: Frames, ink: Ink) -> None:
    """Write every item that may be chosen, with its type, account, tax code and what hangs on it."""
    used = item_use(frames)
    items = sorted(frames.choices("item"), key=lambda item: str(item["full_name"]).casefold())
    items = [item for item in items if item["is_active"] is not False]
    for place, name in enumerate(_CHOICES, 1):
        ink.heading(page, place, name, False)
    for number, item in enumerate(items, 2):
        lines, amount = used.get(item["full_name"], (None, None))
        for place, name in enumerate(_CHOICES, 1):
            value = {"lines": lines, "amount": amount}.get(name, item.get(name))
            ink.write(page, number, place, value, Style(NUMBERS.get(name, "@")))
    for place, name in enumerate(_CHOICES, 1):
        ink.fit(page, place, name, len(items) + 1)
    lay_out(page, len(_CHOICES), max(page.max_row, 1), still=1)


def _write_columns(page: Worksheet, columns: Sequence[Sequence[str]], ink: Ink) -> None:
    page.sheet_state = "hidden"
    for place, texts in enumerate(columns, 1):
        for number, text in enumerate(texts, 1):
            ink.write(page, number, place, text)
