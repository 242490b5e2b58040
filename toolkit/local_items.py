"""Items entered by hand: checked against what QuickBooks will take, kept in the ledger until exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.late import late
from toolkit.tables import TABLES, findings

if TYPE_CHECKING:
    import pandas as pd

    from toolkit import local_item_rules
    from toolkit.workspace import Workspace
else:
    # A server that lands answers needs no rules, which take pandas and all that plans with them.
    local_item_rules = late("toolkit.local_item_rules")

__all__ = ["add_local_item"]

TABLE = "mapping.local_items"
_CHECKED_AGAINST = ("quickbooks.items", "quickbooks.accounts", "quickbooks.sales_tax_codes")


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
    tables = {name: ws.read(name) for name in _CHECKED_AGAINST if ws.has(name)}
    found = local_item_rules.item_findings(
        row, local_item_rules.ItemLists.of_tables({**tables, TABLE: ws.read(TABLE)})
    )
    if not any(one["severity"] == "error" for one in found):
        item = {name: value for name, value in row.items() if name in TABLES[TABLE].names}
        ws.ledger.add_item(item, str(row.get("entered_by") or "unknown"))
    return findings(found)
