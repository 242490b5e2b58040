"""How values are written into the fields of a request: amounts as text, references, markers."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MARKER = " [bb:"
"""How the marker begins that a memo of ours ends with."""

_MARKED = re.compile(r" \[bb:((?:[^\[\]]|\[[^\[\]]*\])+)\]")  # a number may have brackets of its own


def money(amount: Decimal) -> str:
    """Return an amount as qbXML writes it.

    >>> money(Decimal("12.5"))
    '12.50'
    """
    return f"{amount:.2f}"


def number(value: Decimal) -> str:
    """Return a quantity or price without exponent and trailing zeros.

    >>> number(Decimal("10.500000")), number(Decimal("100.000000"))
    ('10.5', '100')
    """
    return f"{value.normalize():f}"


def day(date: dt.date) -> str:
    """Return a date as qbXML writes it."""
    return date.isoformat()


def external_guid(key: str) -> str:
    """Return the ExternalGUID of an operation: the second half of its marker.

    >>> external_guid("invoice:INV-1") == external_guid("invoice:INV-1")
    True
    """
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, key)) + "}"


def memo(text: str, key: str) -> str:
    """Return a memo that ends with the operation's marker, by which a lost answer is looked up.

    >>> memo("INV-2026-000123", "invoice:INV-2026-000123")
    'INV-2026-000123 [bb:invoice:INV-2026-000123]'
    """
    return f"{text}{MARKER}{key}]"


def dated(memo: str, date: dt.date) -> str:
    """Return a marked memo that says the true date of a document that is posted on another.

    >>> dated("INV-1 [bb:invoice:INV-1]", dt.date(2026, 1, 5))
    'INV-1 (dated 2026-01-05) [bb:invoice:INV-1]'
    """
    text, _, marker = memo.rpartition(MARKER)
    return f"{text} (dated {date.isoformat()}){MARKER}{marker}"


def marked_key(memo: str | None) -> str | None:
    """Return the operation key that a memo is marked with, also where somebody wrote more behind it.

    >>> marked_key("INV-1 [bb:invoice:INV-1]"), marked_key("INV-1 [bb:invoice:INV-1] called"), marked_key("x")
    ('invoice:INV-1', 'invoice:INV-1', None)
    """
    if not memo or MARKER not in memo:
        return None
    found = _MARKED.findall(memo)
    return found[-1] if found else memo.rpartition(MARKER)[2].removesuffix("]") or None


def by_id(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a reference to a record of QuickBooks."""
    return {"ListID": row["list_id"]}


def without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value; an aggregate with none is left away."""
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            value = without_nulls(value)
        if value not in (None, "", {}):
            kept[name] = value
    return kept
