"""How the mapping workbook looks: a few styles, made once each, in colours that a colour-blind eye can tell.

Nothing is said by colour alone: the status stands in words beside its colour, and the headings of the columns
to fill are underlined. The colours are tints of Okabe and Ito's palette.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple

from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.errors import InputFileError
from toolkit.workbook_cells import cell_text, to_cell
from toolkit.workbook_measure import height_of, width_of
from toolkit.workbook_sheets import Row, is_problem

__all__ = [
    "DONE",
    "LEFT_OUT",
    "NUMBERS",
    "PROBLEM",
    "TO_FILL",
    "Ink",
    "Style",
    "grow",
    "put_cell",
    "status_colour",
    "wrap",
]

HEADER, FILL_HEADER = "1F4E78", "E69F00"
TO_FILL, PROBLEM, DONE, LEFT_OUT = "FFF6D6", "F6C7A8", "CFE6F5", "E3E3E3"

NUMBERS = {
    "lines": "#,##0",
    "customers": "#,##0",
    "terms_due_days": "0",
    "amount": "#,##0.00",
    "score": "0.00",
    "tax_rate": "0.00###",
    "price": "#,##0.00###",
}
"""Columns written as numbers, so that they sort as such; all others are text."""

_TO_FILL_WIDTH = 34
_NAME_WIDTH = 43  # a name of QuickBooks has at most 41 characters
_LOOKED_AT = 500  # rows that decide how wide a column is
_ON_TOP = Alignment(vertical="top")  # beside what is wrapped
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_LONGEST = 32_767  # characters of a cell; openpyxl would cut the rest in silence
_DATES = {"txn_date": 12, "decided_at": 20, "entered_at": 20}
_NARROW = {"score": 8, "lines": 9, "customers": 11, "is_discount": 12, "is_active": 11, "terms_due_days": 15}
_SOME = {"amount": 15, "status": 17, "reason": 34, "price": 13, "tax_rate": 10, "source": 40, "made_from": 34}
_WIDE = ("name", "invoice_text", "suggestion", "suggested_is", "decision", "note", "new_name", "description")


def status_colour(row: Row) -> str | None:
    """Return the colour behind a row's status and reason."""
    status = row.get("status")
    if is_problem(row):
        return PROBLEM
    if status in ("none", "by_hand"):
        return LEFT_OUT
    return None if status is None else DONE


class Style(NamedTuple):
    """What makes two cells look different."""

    number_format: str = "@"
    colour: str | None = None
    bold: bool = False
    underline: bool = False
    white: bool = False
    quoted: bool = False
    wrapped: bool = False


class Ink:
    """Writes cells: the styles are made once, for there are few of them and many cells."""

    def __init__(self) -> None:
        self._made: dict[Style, Any] = {}

    def write(
        self, page: Worksheet, row: int, column: int, value: object, style: Style | None = None
    ) -> None:
        """Write a value: a number where the style has a number format, else text that stays text."""
        cell: Any = page.cell(row, column)
        style = style or Style()
        if style.number_format != "@" and isinstance(value, int | Decimal):
            cell.value = value
        else:
            style = style._replace(number_format="@")
            text = stored_text(value, page, cell)
            if text is not None:
                cell._value, cell.data_type = text, "s"
                style = style._replace(quoted=str(text)[0] in "=+-@'")
        # A style is an entry in the workbook's tables: to look it up for every cell takes most of the time.
        if style not in self._made:
            self._made[style] = _made(page, style)
        cell._style = self._made[style]

    def heading(self, page: Worksheet, column: int, name: str, to_fill: bool) -> None:
        """Write a heading."""
        colour = FILL_HEADER if to_fill else HEADER
        style = Style(colour=colour, bold=True, underline=to_fill, white=not to_fill)
        self.write(page, 1, column, name, style)

    def fit(self, page: Worksheet, column: int, name: str, last: int, *, to_fill: bool = False) -> None:
        """Make a column as wide as its texts need, within limits; what is longer is wrapped, not cut.

        Parameters
        ----------
        page : openpyxl.worksheet.worksheet.Worksheet
            The sheet, with its heading and its rows.
        column : int
            The place of the column, from 1.
        name : str
            Its name, which says how wide it may be.
        last : int
            The last row.
        to_fill : bool
            Whether a person types into it: then there is room for a name.
        """
        cells = [page.cell(row, column) for row in range(2, last + 1)]
        texts = ["" if cell.value is None else str(cell.value) for cell in cells]
        wide = [width_of(text) for text in texts]
        needed = max([_TO_FILL_WIDTH if to_fill else 0, *wide[:_LOOKED_AT]])
        width = max(len(name) + 4, min(_widest(name), ceil(needed + 1)))  # the heading has a filter beside it
        page.column_dimensions[get_column_letter(column)].width = width
        for row, (cell, text, its) in enumerate(zip(cells, texts, wide, strict=True), 2):
            if (its > width or "\n" in text) and name not in NUMBERS:
                wrap(cell)
                grow(page, row, text, width)


def wrap(cell: Any) -> None:
    """Wrap the text of one cell; the style that :class:`Ink` gave to it is that of others, too."""
    cell._style = copy(cell._style)
    cell.alignment = _WRAPPED


def grow(page: Worksheet, row: int, text: str, width: float) -> None:
    """Make a row as high as a text needs in a column of this width, where it is not that high yet."""
    there = page.row_dimensions[row]
    there.height = max(there.height or 0, height_of(text, width))


def _widest(column: str) -> int:
    widths = {**_DATES, **_NARROW, **_SOME, **dict.fromkeys(_WIDE, _NAME_WIDTH)}
    return widths.get(column, _NAME_WIDTH if column.endswith("full_name") else 28)


def _made(page: Worksheet, style: Style) -> Any:
    cell: Any = Cell(page, row=1, column=1)
    cell.number_format, cell.quotePrefix = style.number_format, style.quoted
    if style.colour is not None:
        cell.fill = PatternFill("solid", fgColor=style.colour)
    if style.bold or style.underline:
        colour = "FFFFFF" if style.white else "000000"
        cell.font = Font(
            name="Calibri", sz=11, b=style.bold, u="single" if style.underline else None, color=colour
        )
    cell.alignment = _WRAPPED if style.wrapped else _ON_TOP
    return cell._style


def stored_text(value: object, page: Worksheet, cell: Any) -> str | None:
    """Return a value as the text of a cell; ``InputFileError`` where it is longer than a cell can be."""
    text = cell_text(value)
    stored = None if text is None else to_cell(text)
    if stored is not None and len(stored) > _LONGEST:
        where = f"{page.title}!{cell.coordinate}"
        raise InputFileError(where, f"the text has {len(stored)} characters", f"a cell holds {_LONGEST}")
    return stored


def put_cell(page: Worksheet, row: int, column: int, value: Any, number_format: str | None = None) -> Cell:
    """Write one value: a number where it has a number format, else text that stays text."""
    cell: Any = page.cell(row, column)
    if number_format is not None and isinstance(value, int | Decimal):
        cell.value, cell.number_format = value, number_format
        return cell  # type: ignore[no-any-return]
    cell.number_format = "@"
    stored = stored_text(value, page, cell)
    if stored is not None:
        cell.value = stored
        cell.data_type = "s"  # openpyxl takes "=x" for a formula and "#N/A" for an error
        cell.quotePrefix = stored[0] in "=+-@'"
    return cell  # type: ignore[no-any-return]
