"""Items entered by hand: checked against what QuickBooks will take, kept in the ledger until exported."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolkit.errors import ConformError
from toolkit.tables import TABLES, finding, findings, from_rows, to_rows

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.workspace import Workspace

__all__ = ["ITEM_TYPES", "NAME_LENGTH", "add_local_item"]

ITEM_TYPES = ("Service", "NonInventory", "OtherCharge")
NAME_LENGTH = 31  # Source: qbXML 13.0 schema, ItemServiceAdd Name
TABLE = "mapping.local_items"

Findings = list[dict[str, str | None]]


def add_local_item(ws: Workspace, row: Mapping[str, Any]) -> pd.DataFrame:
    """Enter an item by hand, unless an error stands against it.

    Parameters
    ----------
    ws : Workspace
        Where the item, and the lists it is checked against, are kept.
    row : mapping
        Columns of ``mapping.local_items``.

    Returns
    -------
    pandas.DataFrame
        ``findings``; the item was entered where none is an error.
    """
    found = [*_named(ws, row), *_typed(row), *_referring(ws, row)]
    if not any(one["severity"] == "error" for one in found):
        item = {name: value for name, value in row.items() if name in TABLES[TABLE].names}
        ws.ledger.add_item(item, str(row.get("entered_by") or "unknown"))
    return findings(found)


def _about(
    row: Mapping[str, Any], severity: str, rule: str, column: str, message: str
) -> dict[str, str | None]:
    key, value = row.get("name"), row.get(column)
    return finding(severity, rule, message, table=TABLE, key=key, column=column, value=value)


def _named(ws: Workspace, row: Mapping[str, Any]) -> Findings:
    name = row.get("name") or ""
    parts = name.split(":")
    if not all(part.strip() for part in parts):
        return [_about(row, "error", "name_blank", "name", "The name, or a part of it, is blank.")]
    found = [
        _about(row, "error", "name_length", "name", f"{part} has {len(part)} characters; {NAME_LENGTH} fit.")
        for part in parts
        if len(part) > NAME_LENGTH
    ]
    if any(part != part.strip() for part in parts):
        message = "The name, or a part of it, begins or ends with a blank."
        found.append(_about(row, "error", "name_blank", "name", message))
    items = {item["full_name"].casefold(): item["full_name"] for item in _list(ws, "quickbooks.items")}
    local = {item["name"].casefold(): item["name"] for item in to_rows(ws.read(TABLE))}
    taken = items | local
    if name.casefold() in taken:
        message = f"The name is taken: there is an item {taken[name.casefold()]} already."
        found.append(_about(row, "error", "name_taken", "name", message))
    parent = ":".join(parts[:-1])
    if parent and parent.casefold() not in taken:
        message = f"There is no item {parent} to put it under: enter that one first, or import the items."
        severity = "error" if ws.has("quickbooks.items") else "warning"
        found.append(_about(row, severity, "parent_missing", "name", message))
    return found


def _typed(row: Mapping[str, Any]) -> Findings:
    found = []
    if row.get("item_type") not in ITEM_TYPES:
        message = f"The type is one of {', '.join(ITEM_TYPES)}."
        found.append(_about(row, "error", "item_type", "item_type", message))
    price = row.get("price")
    if price is not None:
        try:
            if not isinstance(price, Decimal) or not price.is_finite():
                raise ConformError(TABLE, "price", "not an amount like 19.90")
            from_rows(
                TABLE, [{"name": "x", "item_type": "x", "income_account_full_name": "x", "price": price}]
            )
        except ConformError as error:
            message = f"The price takes up to five decimals: {error.problem}."
            found.append(_about(row, "error", "price", "price", message))
    return found


def _referring(ws: Workspace, row: Mapping[str, Any]) -> Findings:
    """Check account and tax code by name; against a list that was never imported nothing can be said."""
    found = []
    account, code = row.get("income_account_full_name"), row.get("sales_tax_code_full_name")
    if not account:
        message = "An item needs an income account."
        found.append(_about(row, "error", "income_account", "income_account_full_name", message))
    checks = (
        ("quickbooks.accounts", "full_name", "income_account_full_name", "income_account", account),
        ("quickbooks.sales_tax_codes", "name", "sales_tax_code_full_name", "sales_tax_code", code),
    )
    for table, name, column, rule, value in checks:
        if not value:
            continue
        if not ws.has(table):
            message = f"{table} was never imported, so {value} could not be checked: toolkit import lists"
            found.append(_about(row, "warning", rule, column, message))
        elif value.casefold() not in {one[name].casefold() for one in _list(ws, table, name)}:
            message = f"{value} is not in {table}, or is inactive."
            found.append(_about(row, "error", rule, column, message))
    return found


def _list(ws: Workspace, table: str, name: str = "full_name") -> list[dict[str, Any]]:
    rows = [row for row in to_rows(ws.read(table)) if row[name] is not None and row["left_at"] is None]
    # An inactive item still has its name; an inactive account or tax code cannot be used.
    return [row for row in rows if table == "quickbooks.items" or row["is_active"] is not False]
