"""What the mapping workbook is made of: its sheets, their columns, and how a value stands in a cell.

Shared by :mod:`toolkit.workbook` (writing) and :mod:`toolkit.workbook_reading`, so that both mean the same.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from toolkit.mapping import choosable_items
from toolkit.mapping_customers import NEW, present
from toolkit.tables import to_rows

__all__ = [
    "FINGERPRINT",
    "FORMAT",
    "HIDDEN",
    "NAMES",
    "NUMBERS",
    "SHEETS",
    "Frames",
    "Sheet",
    "cell_text",
    "from_cell",
    "key_text",
    "shown",
    "standing_entry",
    "to_cell",
]

Row = Mapping[str, Any]
Entry = tuple[str | None, str | None, str | None]
"""What an analyst fills in: decision, note, new name."""

FORMAT = "1"
HIDDEN, NAMES = "_toolkit", "_names"
FINGERPRINT = ("toolkit_workspace", "toolkit_stamp", "toolkit_format")
NUMBERS = {"lines": "0", "amount": "#,##0.00", "score": "0.00"}
"""Columns written as numbers, so that they sort as such; all others are text."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of things to decide.

    Parameters
    ----------
    title : str
        Name of the sheet.
    table : str
        The ledger's decision table that it fills, without ``mapping.``.
    key : tuple of str
        Columns that tell two rows apart.
    prefix : str
        ``item``, ``customer`` or ``payment_method``: what is chosen.
    columns : tuple of str
        Columns in the order of the sheet, named as in the match table.
    fill : tuple of str
        The columns that an analyst fills in.
    """

    title: str
    table: str
    key: tuple[str, ...]
    prefix: str
    columns: tuple[str, ...]
    fill: tuple[str, ...] = ("decision", "note")

    @property
    def declared(self) -> str:
        """The declared name of the decision table."""
        return f"mapping.{self.table}"


_ASKED = ("status", "reason", "suggestion", "score", "decision", "note")
_USED = ("lines", "amount", "decided_by", "decided_at")
_CHARGE_COLUMNS = (
    *("contract_code", "price_code", "invoice_text", "charge_type", "is_discount"),
    *_ASKED,
    *("item_full_name", "item_type", "income_account_full_name", "sales_tax_code_full_name"),
    *_USED,
    "source",
)

SHEETS = (
    Sheet("Charges", "charge_items", ("contract_code", "price_code"), "item", _CHARGE_COLUMNS),
    Sheet(
        "Customers",
        "customers",
        ("account_number",),
        "customer",
        ("account_number", "name", *_ASKED, "new_name", "customer_full_name", "is_active", *_USED, "source"),
        fill=("decision", "note", "new_name"),
    ),
    Sheet("Taxes", "charge_items", ("contract_code", "price_code"), "item", _CHARGE_COLUMNS),
    Sheet(
        "Payment methods",
        "payment_methods",
        ("method",),
        "payment_method",
        ("method", *_ASKED, "payment_method_full_name", "deposit_account_full_name", *_USED),
    ),
)


@dataclass(slots=True)
class Frames:
    """The tables that a workbook is made from and checked against, as rows.

    Parameters
    ----------
    charges, customers, payment_methods : pandas.DataFrame
        ``match.charges``, ``match.customers`` and ``match.payment_methods``.
    items, quickbooks_customers, quickbooks_methods : pandas.DataFrame
        ``quickbooks.items``, ``quickbooks.customers`` and ``quickbooks.payment_methods``.
    local_items : pandas.DataFrame, optional
        ``mapping.local_items``.
    """

    charges: pd.DataFrame
    customers: pd.DataFrame
    payment_methods: pd.DataFrame
    items: pd.DataFrame
    quickbooks_customers: pd.DataFrame
    quickbooks_methods: pd.DataFrame
    local_items: pd.DataFrame | None = None
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, sheet: Sheet) -> list[Row]:
        """Return the match rows of a sheet: problems first, and those with the most money first."""
        frames = {"customers": self.customers, "payment_methods": self.payment_methods}
        found = [dict(row) for row in to_rows(frames.get(sheet.table, self.charges))]
        if sheet.table == "charge_items":
            found = [row for row in found if bool(row["is_tax"]) == (sheet.title == "Taxes")]
        return sorted(found, key=lambda row: _urgency(row, sheet.key))

    def choices(self, sheet: Sheet) -> list[Row]:
        """Return what may be chosen on a sheet, whatever its type: rows with list_id and full_name."""
        if sheet.prefix not in self._rows:
            if sheet.prefix == "item":
                self._rows["item"] = choosable_items(self.items, self.local_items)
            elif sheet.prefix == "customer":
                self._rows["customer"] = [*present(self.quickbooks_customers)]
            else:
                methods = present(self.quickbooks_methods)
                self._rows["payment_method"] = [{**row, "full_name": row["name"]} for row in methods]
        return self._rows[sheet.prefix]


def _urgency(row: Row, key: tuple[str, ...]) -> tuple[Any, ...]:
    problem = row["status"] in ("mismatch", "undecided", "ambiguous")
    return (not problem, -abs(row["amount"] or 0), *(row[name] or "" for name in key))


def standing_entry(row: Row) -> Entry:
    """Return the entry that stands on a match row.

    A decision for something that is gone is shown as none: to choose its name again, now that another record
    may have it, must be a new decision.
    """
    gone = row["reason"] in ("item_gone", "customer_gone")
    decision = None if gone else row["decision"]
    return decision, row["note"], row["new_name"] if decision == NEW else None


def shown(sheet: Sheet, row: Row) -> dict[str, Any]:
    """Return what a row shows on its sheet: column name to value."""
    values = {name: row[name] for name in sheet.columns}
    values["decision"], values["note"], new_name = standing_entry({"new_name": None, **row})
    return values if "new_name" not in values else {**values, "new_name": new_name}


def key_text(sheet: Sheet, row: Row) -> str:
    """Return a row's key as text that tells a blank from nothing."""
    return json.dumps([sheet.title, *(row[name] for name in sheet.key)], ensure_ascii=False)


# --- cells --------------------------------------------------------------------------------------------------

# What XML or Excel cannot hold as it is. Excel writes it as _xHHHH_ (ECMA-376 part 1, 22.4.2.4, ST_Xstring),
# so a text that itself looks like that must have its underscore written that way.
_UNHELD = "\x00-\x08\x0b-\x1f\ufffe\uffff"
_ESCAPE = re.compile(f"[{_UNHELD}]|_(?=x[0-9A-Fa-f]{{4}}[_{_UNHELD}])")
# Only what to_cell writes is read back: openpyxl has already taken the escape off an underscore where another
# program saved the file, so that a text that merely looks like one must stand.
_ESCAPED = re.compile(r"_x(00(?:0[0-8B-F]|1[0-9A-F]|5F)|FFF[EF])_", re.IGNORECASE)


def to_cell(text: str) -> str:
    """Return text as Excel stores it."""
    return _ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_cell(text: str) -> str:
    """Return the text that a stored string means: the inverse of :func:`to_cell`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def cell_text(value: object) -> str | None:
    """Return any value, of a table or a cell, as the text to compare it by; nothing and "" are ``None``."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return str(value)
        return "0" if number == 0 else f"{number.normalize():f}"
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)
