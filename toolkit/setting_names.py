"""Whether a setting that names a record of QuickBooks names one that was imported.

The gate judges each name again before anything goes. This tells it when the name is typed.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from toolkit.checks_documents import SOLD
from toolkit.checks_lists import DEPOSITED_TO
from toolkit.mapping_names import present
from toolkit.settings import METHODS, Settings
from toolkit.tables import to_rows

__all__ = ["TABLES_NAMED", "doubt"]

Row = Mapping[str, Any]
_FEW = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a setting names: the table, what one row of it is, and which rows it may be."""

    table: str
    noun: str
    import_of: str
    column: str = "full_name"
    only: Mapping[str, Collection[Any]] = field(default_factory=dict)

    def fits(self, row: Row) -> bool:
        return all(row[column] in values for column, values in self.only.items())


_DEPOSIT = _Kind(
    *("quickbooks.accounts", f"account of type {' or '.join(DEPOSITED_TO)}", "lists"),
    only={"account_type": DEPOSITED_TO},
)
_NAMED = {
    **{f"deposit_accounts.{method}": _DEPOSIT for method in METHODS},
    "ar_account": _Kind(
        *("quickbooks.accounts", "A/R account", "lists"), only={"account_type": ("AccountsReceivable",)}
    ),
    "credit_account": _DEPOSIT,
    "credit_item": _Kind(
        *("quickbooks.items", f"item of type {', '.join(SOLD[:-1])} or {SOLD[-1]}", "items"),
        only={"item_type": SOLD},
    ),
    "zero_tax_item": _Kind(
        *("quickbooks.items", "sales-tax item of rate 0", "items"),
        only={"item_type": ("SalesTax",), "tax_rate": (0,)},
    ),
    "non_taxable_code": _Kind(
        *("quickbooks.sales_tax_codes", "non-taxable sales-tax code", "lists", "name"),
        only={"is_taxable": (False,)},
    ),
}
TABLES_NAMED = {key: kind.table for key, kind in _NAMED.items()}
"""The settings that name a record of QuickBooks, each with its declared table."""


def doubt(key: str, settings: Settings, tables: Mapping[str, pd.DataFrame]) -> str | None:
    """Return what is doubtful about the name that a setting holds, for people; ``None`` for nothing.

    Parameters
    ----------
    key : str
        The setting. One that names no record of QuickBooks is never in doubt.
    settings : Settings
        What is set.
    tables : mapping of str to pandas.DataFrame
        What was imported, by declared name; where the table of the setting is missing, nothing is known.
        ``mapping.local_items``: an item entered by hand is one, too.
    """
    kind, name = _NAMED.get(key), settings[key]
    if kind is None or name is None or kind.table not in tables:
        return None
    rows = present(tables[kind.table])
    namesakes = [row for row in rows if row[kind.column] == name]
    if any(kind.fits(row) and row["is_active"] is not False for row in namesakes):
        return None
    if not namesakes and key == "credit_item" and name in _entered(tables):
        return None
    usable = [row[kind.column] for row in rows if row["is_active"] is not False and kind.fits(row)]
    if any(kind.fits(row) for row in namesakes):
        return f"{name!r} is not active in QuickBooks"
    if namesakes:
        return f"{name!r} is no {kind.noun}{_near(name, usable)}"
    told = f"nothing named {name!r} was imported as {_a(kind.noun)}{_near(name, usable)}"
    if name.casefold() in {one.casefold() for one in usable}:
        return told  # only the capitals differ: QuickBooks has no two names that do not differ otherwise
    return f"{told} (where it is new, `toolkit import {kind.import_of}` reads it)"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aiA' else 'a'} {noun}"


def _entered(tables: Mapping[str, pd.DataFrame]) -> set[str]:
    frame = tables.get("mapping.local_items")
    return set() if frame is None else {row["name"] for row in to_rows(frame)}


def _near(name: str, usable: Iterable[str]) -> str:
    """Return the one that may be meant: QuickBooks tells names apart by every letter but not by capitals."""
    folded = {one.casefold(): one for one in usable}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    return f"; there is {', '.join(map(repr, folded.values()))}" if 0 < len(folded) <= _FEW else ""
