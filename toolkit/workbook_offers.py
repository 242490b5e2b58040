"""What the drop-downs of the mapping workbook offer: one range each, on a hidden sheet, however long."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from toolkit.local_item_rules import ITEM_TYPES
from toolkit.mapping import BY_HAND, NEW, NONE, usable
from toolkit.workbook_choices import DEPOSIT_TYPES, right_types
from toolkit.workbook_sheets import SHEETS, Frames, Sheet

__all__ = ["LISTS", "item_use", "offered"]

_BY_TITLE = {sheet.title: sheet for sheet in SHEETS if sheet.prefix != "number"}
LISTS = (
    *_BY_TITLE,
    *("deposit_account", "item_type", "income_account_full_name", "sales_tax_code_full_name"),
)
"""The lists, in the order of their columns on the hidden sheet: a sheet's decisions, or a column's values."""

INCOME_TYPES = frozenset({"Income", "OtherIncome"})


def offered(title: str, frames: Frames) -> list[str]:
    """Return what one list offers: all rows of a sheet share one, for it stays behind in sorting."""
    if title in _BY_TITLE:
        return _decisions(_BY_TITLE[title], frames)
    if title == "item_type":
        return list(ITEM_TYPES)
    if title == "sales_tax_code_full_name":
        return _names(
            [row["name"] for row in frames.there("quickbooks.sales_tax_codes") if usable(row, None)]
        )
    types = DEPOSIT_TYPES if title == "deposit_account" else INCOME_TYPES
    accounts = frames.there("quickbooks.accounts")
    return _names(
        [
            row["full_name"]
            for row in accounts
            if row["account_type"] in types and row["is_active"] is not False
        ]
    )


def _decisions(sheet: Sheet, frames: Frames) -> list[str]:
    types = right_types(sheet)
    choices = [row["full_name"] for row in frames.choices(sheet.prefix) if usable(row, types)]
    special = {"customer": [NEW, NONE], "item": [BY_HAND, NONE] if sheet.match == "adjustments" else [NONE]}
    return special.get(sheet.prefix, [NONE]) + _names(choices)


def _names(names: list[str]) -> list[str]:
    return sorted(set(names), key=lambda name: (name.casefold(), name))


def item_use(frames: Frames) -> dict[str, tuple[int, Decimal]]:
    """Return by item's full name the lines and money of twelve months that hang on it through its charges."""
    lines: defaultdict[str, int] = defaultdict(int)
    amounts: defaultdict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for row in frames.listed("match.charges"):
        if row["item_full_name"] is not None:
            lines[row["item_full_name"]] += row["lines"] or 0
            amounts[row["item_full_name"]] += row["amount"] or Decimal("0.00")
    return {name: (lines[name], amounts[name]) for name in lines}
