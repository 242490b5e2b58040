"""What the imported tables say of a document that a person posted in QuickBooks by hand.

Pure: the tables and a row in, what was found out. A refund is a cheque there, and cheques are not imported:
what is not among the tables cannot be checked, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_books import Books
from toolkit.settings import Settings
from toolkit.tables import TABLES, to_rows

__all__ = ["Check", "check_posting", "posted_document"]

_AMOUNTS = (("subtotal", "sales_tax_total"), ("total_amount",), ("amount",), ("credit_amount",))


@dataclass(frozen=True, slots=True)
class Check:
    """What is known of a document that was posted by hand.

    Parameters
    ----------
    table : str or None
        The imported table that has it; ``None`` where none has, so that nothing could be checked.
    problem : str or None
        What it holds otherwise than the row, as a clause.
    """

    table: str | None
    problem: str | None = None

    def __str__(self) -> str:
        if self.table is None:
            return "it is in no imported table, so that nothing of it could be checked"
        return f"found in {self.table}: {self.problem or 'customer and amount agree'}"


def posted_document(tables: Mapping[str, pd.DataFrame], txn_id: str) -> tuple[str, dict[str, Any]] | None:
    """Return the imported document of a TxnID: its table and its row."""
    for name, declared in TABLES.items():
        if name.startswith("quickbooks.") and declared.key == ("txn_id",) and name in tables:
            frame = tables[name]
            rows = to_rows(frame[frame["txn_id"] == txn_id])
            if rows:
                return name, rows[0]
    return None


def check_posting(
    tables: Mapping[str, pd.DataFrame], settings: Settings, row: Mapping[str, Any], txn_id: str
) -> Check:
    """Compare the document of a TxnID with the row that it was posted for.

    Parameters
    ----------
    tables : mapping
        Declared name to frame.
    settings : Settings
        Of the workspace.
    row : mapping
        ``account_number`` and ``amount``, signed as BluBilling has it.
    txn_id : str
        Of the document.
    """
    found = posted_document(tables, txn_id)
    if found is None:
        return Check(None)
    name, document = found
    said = [*_customer(Books(tables, settings), row, document), *_amount(row, document)]
    if document.get("left_at") is not None:
        said.insert(0, "QuickBooks has it no more")
    return Check(name, "; ".join(said) or None)


def _customer(books: Books, row: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    target = books.target(row["account_number"] or "")
    theirs = document.get("customer_list_id")
    if not theirs or not target.list_id or theirs == target.list_id:
        return []
    return [f"it is of customer {document.get('customer_full_name')}, not of {target.full_name}"]


def _amount(row: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    for names in _AMOUNTS:
        if document.get(names[0]) is not None:
            amount = sum((document.get(name) or Decimal(0) for name in names), Decimal(0))
            meant = abs(row["amount"] or Decimal(0))
            return [] if abs(amount) == meant else [f"it is of {abs(amount)}, not of {meant}"]
    return []
