"""The values of qbXML in both directions: Python to the text of an element, and that text to Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from functools import cache, lru_cache
from typing import Any

from toolkit import qbxml_spec
from toolkit.late import pa
from toolkit.qbxml_spec import Particle
from toolkit.qbxml_text import normal_text, text_problem

__all__ = ["Reader", "is_key", "reader", "write_value"]

Reader = Callable[[str], Any]

# --- Python to text -----------------------------------------------------------------------------------------

_PLACES = {"PRICETYPE": 5, "QUANTYPE": 5, "PERCENTTYPE": 5}
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def write_value(particle: Particle, value: Any) -> str:
    """Return a value as the text of its element.

    Parameters
    ----------
    particle : Particle
        An element that is no aggregate.
    value : object
        ``str``, ``int``, ``bool``, ``Decimal``, ``date`` or ``datetime``. A number in a string is taken as a
        Decimal; a float never is.

    Raises
    ------
    ValueError
        It does not fit; the message is what the element takes. Nothing is cut or rounded.

    Notes
    -----
    Source: qbXML 13.0 schema, ``qbxmltypes130.xsd``.

    Examples
    --------
    >>> from toolkit.qbxml_spec import elements, request
    >>> fields = {field.name: field for field in elements(next(elements(request("ReceivePaymentAdd"))))}
    >>> write_value(fields["TotalAmount"], Decimal("12.5"))
    '12.50'
    """
    kind = particle.type
    if isinstance(value, str):
        value = str.__str__(value)  # the text itself, whatever a subclass such as an enumeration shows
    if isinstance(value, str) and not value:
        text = ""
    elif kind == "AMTTYPE":
        text = _decimals(value, 2, keep=True)
    elif kind in _PLACES:
        text = _decimals(value, _PLACES[kind], keep=False)
    elif kind == "FLOATTYPE":
        text = _decimals(value, 12, keep=False)
    elif kind == "INTTYPE" and isinstance(value, int) and not isinstance(value, bool):
        text = int.__repr__(value)
    elif kind == "BOOLTYPE" and isinstance(value, bool):
        text = "true" if value else "false"
    elif kind == "DATETYPE" and isinstance(value, date) and not isinstance(value, datetime):
        text = value.isoformat()
    elif kind == "DATETIMETYPE" and isinstance(value, date):
        text = _moment(value)
    elif isinstance(value, str):
        text = normal_text(value)
    else:
        raise ValueError(f"takes {_WORDS.get(str(kind), 'a text')}, not {type(value).__name__}")
    problem = text_problem(text) or qbxml_spec.value_problem(particle, text)
    if problem:
        raise ValueError(problem)
    if is_key(particle) and not text.strip():
        raise ValueError("must not be empty")
    if kind == "DATETIMETYPE" and not _is_moment(text):  # the schema takes any digits
        raise ValueError(f"not a date and time: {text}")
    return text


def is_key(particle: Particle) -> bool:
    """Return whether an element says which record is meant, and must: it is never empty.

    The schema takes an empty one, and QuickBooks then refuses the request or takes it for another.

    >>> from toolkit.qbxml_spec import elements, request
    >>> [(field.name, is_key(field)) for field in elements(request("TxnDel"))]
    [('TxnDelType', False), ('TxnID', True)]
    """
    return particle.min > 0 and (particle.type == "IDTYPE" or particle.name == "Name")


_WORDS = {
    "INTTYPE": "a whole number",
    "BOOLTYPE": "true or false",
    "DATETYPE": "a date",
    "DATETIMETYPE": "a date and time",
}


def _decimals(value: Any, places: int, *, keep: bool) -> str:
    """Return a number with at most so many decimals, never rounded; ``keep`` writes all of them."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        what = "a decimal number" if isinstance(value, str) else f"a Decimal, not {type(value).__name__}"
        raise ValueError(f"takes {what}")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("takes a finite number")
    whole, _, fraction = f"{number or Decimal(0):f}".partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > places:
        raise ValueError(f"takes {places} decimals, has {len(fraction)}")
    if keep:
        fraction = fraction.ljust(places, "0")
    whole = re.sub("^(-?)0+(?=[0-9])", r"\1", whole)
    return f"{whole}.{fraction}" if fraction else whole


def _moment(value: date) -> str:
    """Return a date or a date and time; the schema has no fractions of a second and no ``Z``."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.microsecond or getattr(value, "nanosecond", 0):  # of pandas
        raise ValueError("takes whole seconds")
    return value.isoformat(timespec="seconds")


def _is_moment(text: str) -> bool:
    """Return whether a text of the schema's form is a time that there is."""
    match = _WRITTEN_MOMENT.fullmatch(text)
    if match is None:
        return not text.strip()
    *moment, hours, minutes = (int(part or 0) for part in match.groups())
    try:
        datetime(*moment)  # type: ignore[arg-type]
    except ValueError:
        return False
    return minutes < 60 and hours * 60 + minutes <= _MOST_OFFSET


_WRITTEN_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[+-](\d{1,2}):(\d{1,2}))?)?)?)?",
    re.ASCII,
)
_MOST_OFFSET = 14 * 60  # minutes, of xsd:dateTime

# --- text to Python -----------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:T([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:[+-][0-9]{1,2}:[0-9]{1,2})?)?)?)?"
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_EXACT = Context(prec=60, traps=[Inexact])
_REMEMBERED = 1 << 15  # the same dates and amounts come again and again


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return match


@cache
def _decimal(places: int, digits: int) -> Reader:
    unit, limit = Decimal(1).scaleb(-places), Decimal(10) ** (digits - places)

    @lru_cache(_REMEMBERED)
    def read(text: str) -> Decimal:
        value = Decimal(_matched(_DECIMAL, text)[0])
        if abs(value) >= limit:
            raise ValueError(text)
        return value.quantize(unit, context=_EXACT)

    return read


@lru_cache(_REMEMBERED)
def _date(text: str) -> date:
    return date.fromisoformat(_matched(_DAY, text)[1])


@lru_cache(_REMEMBERED)
def _timestamp(text: str) -> datetime:
    """Return the wall clock; its offset is dropped: QuickBooks' is wrong under daylight saving time."""
    return datetime(*(int(part or 0) for part in _matched(_MOMENT, text).groups()))  # type: ignore[arg-type]


@lru_cache(_REMEMBERED)
def _integer(text: str) -> int:
    value = int(_matched(re.compile("[+-]?[0-9]{1,19}"), text)[0])
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip()]
    except KeyError:
        raise ValueError(text) from None


def reader(kind: pa.DataType) -> tuple[Reader | None, str]:
    """Return what reads an element's text as a value of an Arrow type, and what that is called.

    The first is None where the text itself is the value. Blanks around other values are nothing. What reads
    raises ``ValueError`` or ``ArithmeticError`` for a text that does not fit, a decimal too many included.

    Examples
    --------
    >>> read, what = reader(pa.decimal128(15, 2))
    >>> read("-7"), what
    (Decimal('-7.00'), 'a number of at most 2 decimals')
    """
    if pa.types.is_decimal(kind):
        return _decimal(kind.scale, kind.precision), f"a number of at most {kind.scale} decimals"
    if pa.types.is_date(kind):
        return _date, "a date"
    if pa.types.is_timestamp(kind):
        return _timestamp, "a date and time"
    if pa.types.is_boolean(kind):
        return _boolean, "true or false"
    if pa.types.is_integer(kind):
        return _integer, "a whole number"
    return None, "a text"
