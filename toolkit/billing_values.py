"""One column of a spreadsheet to values of its declared type: exact, or a problem, and never a guess.

Text keeps every character. A number is plain: digits, thousands commas in US form, one point, a leading
minus or parentheses. A date is ISO; month-first or day-first only where the column itself decides which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from toolkit.billing_files import Broken, Cell, Number, is_blank
from toolkit.columns import BOOLEAN, DATE, INTEGER, TEXT, Column

__all__ = ["Problem", "Values", "read_values"]

TRUE = frozenset({"true", "yes", "y", "1"})
FALSE = frozenset({"false", "no", "n", "0"})

_PLAIN = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?", re.ASCII)
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?", re.ASCII)
_TWO_WAYS = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_FORMAT_PART = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<zeros>0)|(?P<literal>[-/ ().])|(?P<other>.)'
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell, or (``index`` None) with a column.

    Parameters
    ----------
    index : int or None
        Place of the cell in the column.
    severity, rule, message, suggestion
        As in the ``findings`` table.
    value : str or None
        The cell as people see it.
    """

    index: int | None
    severity: str
    rule: str
    message: str
    value: str | None = None
    suggestion: str | None = None


@dataclass(slots=True)
class Values:
    """A column's values, one per cell, and its problems; a cell with an error is null."""

    values: list[Any]
    problems: list[Problem] = field(default_factory=list)


class _Bad(Exception):
    """A cell that is no value of the column's type."""

    def __init__(self, rule: str, message: str, suggestion: str | None = None) -> None:
        self.rule, self.message, self.suggestion = rule, message, suggestion
        super().__init__(message)


def read_values(column: Column, cells: Sequence[Cell], *, key: bool, decimal_comma: bool = False) -> Values:
    """Return the values of one column.

    Parameters
    ----------
    column : Column
        Its declaration.
    cells : sequence of cells
        From :func:`toolkit.billing_files.read_sheets`.
    key : bool
        Rows are told apart by it: a doubtful value is an error, not a warning.
    decimal_comma : bool
        A comma in a number may be a decimal comma here, so it is refused.

    Examples
    --------
    >>> from toolkit.tables import TABLES
    >>> amount = TABLES["billing.invoices"].column("current_amount_due")
    >>> read_values(amount, ["1,234.50", "(10)", "1E5"], key=False).values
    [Decimal('1234.50'), Decimal('-10'), None]
    """
    out = Values([None] * len(cells))
    if column.kind == DATE:
        _dates(cells, out)
        return out
    for index, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            if isinstance(cell, Broken):
                raise _Bad("broken_cell", f"{column.name}: {cell.reason}")
            if column.kind == TEXT:
                out.values[index] = cell if isinstance(cell, str) else _text(index, cell, key, out)
            elif not is_blank(cell):
                out.values[index] = _typed(column, cell, decimal_comma)
        except _Bad as bad:
            out.problems.append(_problem(index, cell, bad))
    return out


def _problem(index: int, cell: Cell, bad: _Bad) -> Problem:
    return Problem(index, "error", bad.rule, bad.message, _shown(cell), bad.suggestion)


def _shown(cell: Cell) -> str:
    if isinstance(cell, Broken):
        return cell.text
    return str(cell.value if isinstance(cell, Number) else cell)


# ---- text


def _text(index: int, cell: Cell, key: bool, out: Values) -> str:
    """Return a cell that is no text as the text Excel shows, as far as its format says so plainly."""
    severity = "error" if key else "warning"
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, date | datetime):
        day = str(cell).removesuffix(" 00:00:00")
        message = "Excel made a date of this text; format the column as text and type it again"
        out.problems.append(Problem(index, severity, "date_in_text", message, day))
        return day
    assert isinstance(cell, Number)
    number = _exact(cell.value)
    if abs(number) >= Decimal(10) ** 15:
        message = "Excel keeps 15 digits of a number and lost the rest; format the column as text"
        raise _Bad("digits_lost", message)
    if number != number.to_integral_value():
        message = "a number with decimals stands in a text column; check how it should read"
        out.problems.append(Problem(index, severity, "number_in_text", message, str(number)))
        return str(number)
    digits = str(int(number))
    shown = _formatted(digits, cell.format)
    if shown is None:
        message = f"Excel shows this number in the format {cell.format}; it was read as {digits}"
        out.problems.append(Problem(index, "warning", "number_in_text", message, digits))
    return digits if shown is None else shown


def _formatted(digits: str, number_format: str) -> str | None:
    """Return whole digits in a format of zeros and fixed characters; None where it is another kind."""
    if number_format in ("General", "0", "@", "#,##0", "#", "", "#0"):
        return digits
    if re.fullmatch(r"0\.0+", number_format):
        return digits + number_format[1:]
    parts = list(_FORMAT_PART.finditer(number_format))
    places = sum(1 for part in parts if part["zeros"])
    if not places or digits.startswith("-") or any(part["other"] for part in parts):
        return None
    left = digits.zfill(places)
    head, rest = left[: len(left) - places], iter(left[len(left) - places :])
    text = []
    for part in parts:
        if part["zeros"]:
            # Digits beyond the places stand before the first one.
            text.append(head + next(rest))
            head = ""
        else:
            text.append(part["quoted"] or part["escaped"] or part["literal"] or "")
    return "".join(text)


# ---- numbers and switches


def _typed(column: Column, cell: Cell, decimal_comma: bool) -> Any:
    if column.kind == BOOLEAN:
        return _boolean(cell)
    if isinstance(cell, date | datetime):
        raise _Bad("bad_number", f"{column.name} takes a number, not a date")
    if isinstance(cell, bool):
        raise _Bad("bad_number", f"{column.name} takes a number, not {cell}")
    if isinstance(cell, Number) and "%" in cell.format:
        raise _Bad(
            "bad_number", f"{column.name}: Excel shows this cell as a percentage", "use a plain number"
        )
    number = _exact(cell.value) if isinstance(cell, Number) else _plain(column, str(cell), decimal_comma)
    if column.kind == INTEGER:
        if number != number.to_integral_value() or abs(number) >= 2**63:
            raise _Bad("bad_number", f"{column.name} takes a whole number")
        return int(number)
    return _fitted(column, number)


def _exact(value: int | float) -> Decimal:
    # Excel itself keeps and shows 15 significant digits: 0.1 + 0.2 is 0.3 there.
    return Decimal(value) if isinstance(value, int) else Decimal(format(value, ".15g"))


def _plain(column: Column, text: str, decimal_comma: bool) -> Decimal:
    digits = text.strip()
    negative = digits.startswith("(") and digits.endswith(")")
    if negative:
        digits = digits[1:-1]
    fits = _PLAIN.fullmatch(digits) and any(character.isdigit() for character in digits)
    if not fits or (negative and digits.startswith("-")):
        raise _Bad("bad_number", f"{column.name} takes a plain number", "write it like 1234.50 or -1234.50")
    if decimal_comma and "," in digits:
        message = f"{column.name}: in a file separated by semicolons a comma may mean thousands or decimals"
        raise _Bad("ambiguous_number", message, "write it like 1234.50")
    number = Decimal(digits.replace(",", ""))
    return -number if negative else number


def _fitted(column: Column, number: Decimal) -> Decimal:
    kind: Any = column.type
    assert pa.types.is_decimal(kind)
    if len(number.as_tuple().digits) > 28:
        raise _Bad("bad_number", f"{column.name} has more than 28 digits")
    _, digits, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)
    if -exponent > kind.scale:
        raise _Bad("too_many_decimals", f"{column.name} has {-exponent} decimals and takes {kind.scale}")
    if len(digits) + exponent > kind.precision - kind.scale:
        raise _Bad("bad_number", f"{column.name} is larger than {kind.precision - kind.scale} digits")
    return number


def _boolean(cell: Cell) -> bool:
    if isinstance(cell, bool):
        return cell
    text = _shown(cell).strip().lower()
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise _Bad("bad_boolean", "neither yes nor no", "write true or false")


# ---- dates


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _dates(cells: Sequence[Cell], out: Values) -> None:
    """Read a column of dates; those that can be read two ways wait until the whole column is known."""
    waiting: list[tuple[int, int, int, int]] = []
    timed = 0
    for index, cell in enumerate(cells):
        if is_blank(cell):
            continue
        try:
            two_ways = _TWO_WAYS.fullmatch(cell.strip()) if isinstance(cell, str) else None
            if two_ways:
                waiting.append((index, int(two_ways[1]), int(two_ways[3]), int(two_ways[4])))
            else:
                out.values[index], has_time = _date(cell)
                timed += has_time
        except _Bad as bad:
            out.problems.append(_problem(index, cell, bad))
    if timed:
        message = f"{timed:,} values carry a time of day; the date alone was taken"
        out.problems.append(Problem(None, "info", "time_left_out", message))
    _decide(cells, waiting, out)


def _date(cell: Cell) -> tuple[date, bool]:
    if isinstance(cell, datetime):
        return cell.date(), cell != _midnight(cell)
    if isinstance(cell, date):
        return cell, False
    if isinstance(cell, Broken):
        raise _Bad("broken_cell", cell.reason)
    found = _ISO.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if not found:
        raise _Bad("bad_date", "not a date", "write it like 2026-01-31")
    has_time = found[4] is not None and bool(found[4].strip("0:."))
    return _real(int(found[1]), int(found[2]), int(found[3])), has_time


def _real(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise _Bad("bad_date", "there is no such day", "write it like 2026-01-31") from error


def _decide(cells: Sequence[Cell], waiting: list[tuple[int, int, int, int]], out: Values) -> None:
    """Read ``a/b/yyyy``: a value above 12 tells its column which part is the day; else nobody knows."""
    day_first = [entry for entry in waiting if entry[1] > 12]
    month_first = [entry for entry in waiting if entry[2] > 12]
    mixed = bool(day_first) and bool(month_first)
    decided = (day_first or month_first) and not mixed
    if decided:
        order = "dd/mm/yyyy" if day_first else "mm/dd/yyyy"
        proof = _shown(cells[(day_first or month_first)[0][0]])
        message = f"read as {order}: {proof} can be read in no other way, and no value contradicts"
        out.problems.append(Problem(None, "info", "date_format", message, proof))
    for index, first, second, year in waiting:
        day, month = (first, second) if day_first else (second, first)
        try:
            if mixed:
                message = "the column has both dd/mm/yyyy and mm/dd/yyyy"
                raise _Bad("ambiguous_date", message, "write dates like 2026-01-31")
            if not decided and first != second:
                message = "mm/dd/yyyy or dd/mm/yyyy? No other date of the column decides it"
                raise _Bad("ambiguous_date", message, "write dates like 2026-01-31")
            out.values[index] = _real(year, month, day)
        except _Bad as bad:
            out.problems.append(_problem(index, cells[index], bad))
