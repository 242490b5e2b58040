"""What an item entered by hand must be before QuickBooks is asked to take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from toolkit.checks_items import INCOME
from toolkit.checks_rows import outside_windows_1252, proposed_spelling
from toolkit.errors import ConformError
from toolkit.tables import TABLES, finding, from_rows, to_rows
from toolkit.workbook_cells import cell_text

__all__ = ["ITEM_TYPES", "NAME_LENGTH", "ItemLists", "TypedItem", "item_findings", "item_row"]

ITEM_TYPES = ("Service", "NonInventory", "OtherCharge")
NAME_LENGTH = 31  # Source: qbXML 13.0 schema, ItemServiceAdd Name
TABLE = "mapping.local_items"
DESCRIPTION_LENGTH = 4095  # Source: qbXML 13.0 schema, ItemServiceAdd SalesOrPurchase Desc

Findings = list[dict[str, str | None]]
Row = Mapping[str, Any]


@dataclass(slots=True)
class ItemLists:
    """What an item is checked against; ``None`` for a list that was never imported.

    Parameters
    ----------
    items : dict of str to str
        Names taken, by their name without regard to case.
    accounts, tax_codes : dict of str to str, optional
        Names that may be used, exactly as they are spelled, each with its type.
    imported : bool
        Whether the items were ever imported.
    in_quickbooks : set of str
        The names among them that QuickBooks has, without regard to case.
    parents : dict of str to mapping
        What an item may stand under, by its name: rows with ``item_type`` and ``is_active``.
    """

    items: dict[str, str]
    accounts: Mapping[str, str | None] | None
    tax_codes: Mapping[str, str | None] | None
    imported: bool = True
    in_quickbooks: set[str] = field(default_factory=set)
    parents: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def of_tables(cls, tables: Mapping[str, pd.DataFrame]) -> ItemLists:
        """Return the lists of ``quickbooks.items``, ``accounts``, ``sales_tax_codes`` and the local items."""
        there = {row["full_name"]: row for row in _there(tables, "quickbooks.items", "full_name") or []}
        local = {row["name"]: row for row in _there(tables, TABLE, "name") or []}
        return cls(
            {name.casefold(): name for name in (*local, *there)},
            _usable(tables, "quickbooks.accounts", "full_name", "account_type"),
            _usable(tables, "quickbooks.sales_tax_codes", "name", "name"),
            "quickbooks.items" in tables,
            {name.casefold() for name in there},
            {**local, **there},
        )

    def enter(self, row: Row) -> None:
        """Note an item that was just entered: the next may stand under it, and none may have its name."""
        self.items[row["name"].casefold()] = row["name"]
        self.parents[row["name"]] = row


def _there(tables: Mapping[str, pd.DataFrame], table: str, name: str) -> list[Row] | None:
    if table not in tables:
        return None
    return [row for row in to_rows(tables[table]) if row[name] is not None and row.get("left_at") is None]


def _usable(
    tables: Mapping[str, pd.DataFrame], table: str, name: str, kind: str
) -> dict[str, str | None] | None:
    # An inactive item still has its name; an inactive account or tax code cannot be used.
    rows = _there(tables, table, name)
    return None if rows is None else {row[name]: row[kind] for row in rows if row["is_active"] is not False}


@dataclass(frozen=True, slots=True)
class TypedItem:
    """An item as a person typed it: its row, what it says as text, and why it cannot be read."""

    row: dict[str, Any]
    entry: dict[str, str | None]
    problems: Findings


def item_row(typed: Mapping[str, str | None]) -> TypedItem:
    """Return typed texts as a row of ``mapping.local_items``; a price that is no number is a finding."""
    row: dict[str, Any] = {name: value for name, value in typed.items() if name in TABLES[TABLE].names}
    problems, text = [], typed.get("price")
    if text is not None:
        try:
            row["price"] = Decimal(text)
        except InvalidOperation:
            row["price"] = None
            problems.append(
                _about({**row, "price": text}, "price", "price", "The price is an amount like 19.90.")
            )
    entry = {name: cell_text(row.get(name)) for name in typed if name != "name"}
    return TypedItem(row, {**entry, "price": cell_text(row["price"]) or text if text else None}, problems)


def item_findings(row: Row, lists: ItemLists, *, replaces: Row | None = None) -> Findings:
    """Return what stands against an item: errors, and warnings where a list was never imported.

    Parameters
    ----------
    row : mapping
        Columns of ``mapping.local_items``.
    lists : ItemLists
        What it is checked against.
    replaces : mapping, optional
        The item of this name that it replaces: that may be one not yet in QuickBooks.
    """
    return [*_named(row, lists, replaces), *_typed(row), *_referring(row, lists)]


def _about(
    row: Row, rule: str, column: str, message: str, severity: str = "error", suggestion: str | None = None
) -> dict[str, str | None]:
    about = {"table": TABLE, "key": row.get("name"), "column": column, "value": row.get(column)}
    return finding(severity, rule, message, **about, suggestion=suggestion)


def _named(row: Row, lists: ItemLists, replaces: Row | None) -> Iterable[dict[str, str | None]]:
    name = row.get("name") or ""
    parts = name.split(":")
    if not all(part.strip() for part in parts):
        yield _about(row, "name_blank", "name", "The name, or a part of it, is blank.")
        return
    for part in parts:
        if len(part) > NAME_LENGTH:
            message = f"{part} has {len(part)} characters; {NAME_LENGTH} fit."
            yield _about(row, "name_length", "name", message)
    if any(part != part.strip() for part in parts):
        yield _about(row, "name_blank", "name", "The name, or a part of it, begins or ends with a blank.")
    taken = lists.items.get(name.casefold())
    own = replaces is not None and replaces["name"] == name and name.casefold() not in lists.in_quickbooks
    if taken is not None and not own:
        yield _about(row, "name_taken", "name", f"The name is taken: there is an item {taken} already.")
    parent = ":".join(parts[:-1])
    if parent and parent.casefold() not in lists.items:
        message = f"There is no item {parent} to put it under: enter that one first, or import the items."
        severity = "error" if lists.imported else "warning"
        yield _about(row, "parent_missing", "name", message, severity)
    elif parent and lists.items[parent.casefold()] != parent:
        right = lists.items[parent.casefold()]
        message = f"There is no item {parent}, but {right}: spell it exactly so."
        yield _about(row, "parent_missing", "name", message, suggestion=f"{right}:{parts[-1]}")
    elif parent:
        yield from _under(row, parent, lists.parents[parent])


def _under(row: Row, name: str, parent: Row) -> Iterable[dict[str, str | None]]:
    """Check what the gate asks of a parent: told here, before money is decided on the item."""
    if parent.get("is_active") is False:
        message = f"The item {name} is inactive in QuickBooks: nothing can be put under it."
        yield _about(row, "item_parent", "name", message)
    elif row.get("item_type") in ITEM_TYPES and parent["item_type"] != row["item_type"]:
        kind = parent["item_type"]
        message = f"The item {name} is of type {kind}: what stands below it is of the same type."
        proposed = kind if kind in ITEM_TYPES else None
        yield _about(row, "item_parent", "item_type", message, suggestion=proposed)


def _typed(row: Row) -> Iterable[dict[str, str | None]]:
    if row.get("item_type") not in ITEM_TYPES:
        yield _about(row, "item_type", "item_type", f"The type is one of {', '.join(ITEM_TYPES)}.")
    if len(row.get("description") or "") > DESCRIPTION_LENGTH:
        message = f"The description has more than {DESCRIPTION_LENGTH} characters."
        yield _about(row, "description_length", "description", message)
    for column in ("name", "description"):
        text = row.get(column) or ""
        bad = outside_windows_1252(text)
        if bad:
            message = f"QuickBooks cannot hold {' '.join(bad)} (Windows-1252 only): spell it otherwise."
            yield _about(row, "characters", column, message, suggestion=proposed_spelling(text))
    price = row.get("price")
    if price is not None:
        try:
            if not isinstance(price, Decimal) or not price.is_finite():
                raise ConformError(TABLE, "price", "not an amount like 19.90")
            from_rows(
                TABLE, [{"name": "x", "item_type": "x", "income_account_full_name": "x", "price": price}]
            )
        except ConformError:
            message = f"{price} is no price: it takes an amount like 19.90, of up to five decimals."
            yield _about(row, "price", "price", message)


def _referring(row: Row, lists: ItemLists) -> Iterable[dict[str, str | None]]:
    """Check account and tax code, spelled exactly; against a list never imported nothing can be said."""
    account, code = row.get("income_account_full_name"), row.get("sales_tax_code_full_name")
    if not account:
        message = "An item needs an income account."
        yield _about(row, "income_account", "income_account_full_name", message)
    checks = (
        ("quickbooks.accounts", lists.accounts, "income_account_full_name", "income_account", account),
        ("quickbooks.sales_tax_codes", lists.tax_codes, "sales_tax_code_full_name", "sales_tax_code", code),
    )
    for table, names, column, rule, value in checks:
        if not value:
            continue
        if names is None:
            message = f"{table} was never imported, so {value} could not be checked: toolkit import lists"
            yield _about(row, rule, column, message, "warning")
        elif value not in names:
            near = next((name for name in names if name.casefold() == value.casefold()), None)
            message = f"{value} is not in {table}, or is inactive."
            if near is not None:
                message = f"{value} is not in {table}, but {near}: spell it exactly so."
            yield _about(row, rule, column, message, suggestion=near)
        elif rule == "income_account" and names[value] not in INCOME:
            message = f"{value} is of type {names[value]}; an item takes one of {' or '.join(INCOME)}."
            yield _about(row, rule, column, message)
