"""What a plan sends, summed by day, by customer and by item; worked out from its operations alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_drafts import ZERO
from toolkit.references import REFERS_TO
from toolkit.tables import from_rows, to_rows

__all__ = ["by_customer", "by_day", "by_item"]

_COUNTED = {"invoice": "invoices", "credit_memo": "credit_memos", "payment": "payments"}
_SIGNS = {"invoice": 1, "credit_memo": -1, "payment": -1}


def by_day(operations: pd.DataFrame) -> pd.DataFrame:
    """Return ``plan.by_day`` of ``plan.operations``, the earliest day first: the day it is posted on."""
    rows = to_rows(operations)
    for row in rows:
        posted = json.loads(row["fields"]).get("TxnDate")
        row["txn_date"] = dt.date.fromisoformat(posted) if posted else row["txn_date"]
    return _summed("plan.by_day", rows, "txn_date")


def by_customer(operations: pd.DataFrame) -> pd.DataFrame:
    """Return ``plan.by_customer`` of ``plan.operations``, by account number."""
    return _summed("plan.by_customer", to_rows(operations), "account_number", "customer_full_name")


def _summed(name: str, operations: Iterable[Mapping[str, Any]], *by: str) -> pd.DataFrame:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in operations:
        kind = _COUNTED.get(row["record_kind"])
        if kind is None:
            continue
        place = (*(row[column] for column in by), row["currency"])
        total = groups.setdefault(place, _zeros())
        total[kind] += 1
        total[f"{kind}_amount"] += row["amount"] or ZERO
        total["receivable"] += _SIGNS[row["record_kind"]] * (row["amount"] or ZERO)
    order = sorted(groups, key=lambda place: tuple((part is None, str(part)) for part in place))
    return from_rows(
        name, [dict(zip((*by, "currency"), place, strict=True)) | groups[place] for place in order]
    )


def _zeros() -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(_COUNTED.values(), 0)
    return counts | {f"{kind}_amount": ZERO for kind in _COUNTED.values()} | {"receivable": ZERO}


def by_item(operations: pd.DataFrame) -> pd.DataFrame:
    """Return ``plan.by_item`` of ``plan.operations``, the most money first."""
    groups: dict[tuple[str | None, str, str | None], dict[str, Any]] = {}
    for row in to_rows(operations):
        if row["record_kind"] not in ("invoice", "credit_memo"):
            continue
        sign = _SIGNS[row["record_kind"]]
        for list_id, name, counted, quantity, amount in _lines(row):
            total = groups.setdefault(
                (list_id, name, row["currency"]), {"lines": 0, "quantity": Decimal(0), "amount": ZERO}
            )
            total["lines"] += counted
            total["quantity"] += sign * quantity
            total["amount"] += sign * amount
    named = [
        {"item_list_id": list_id, "item_full_name": name, "currency": currency} | total
        for (list_id, name, currency), total in groups.items()
    ]
    return from_rows(
        "plan.by_item", sorted(named, key=lambda row: (-abs(row["amount"]), row["item_full_name"]))
    )


def _lines(row: Mapping[str, Any]) -> Iterator[tuple[str | None, str, int, Decimal, Decimal]]:
    """Yield ListID, name, whether it is a line, quantity and amount of what a document bills."""
    fields, expected = json.loads(row["fields"]), json.loads(row["expected"] or "{}")
    names: Mapping[str, str] = expected.get(REFERS_TO) or {}
    request = "InvoiceLineAdd" if row["record_kind"] == "invoice" else "CreditMemoLineAdd"
    for line in fields.get(request, []):
        list_id, name = _named(line["ItemRef"], names)
        yield list_id, name, 1, Decimal(line.get("Quantity") or 0), Decimal(line["Amount"])
    tax = Decimal(expected.get("tax") or 0)
    if tax:
        list_id, name = _named(fields.get("ItemSalesTaxRef") or {}, names)
        yield list_id, name, 0, Decimal(0), tax


def _named(reference: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str | None, str]:
    list_id = reference.get("ListID")
    if isinstance(list_id, Mapping):
        return None, str(list_id["operation"]).removeprefix("item:")
    return list_id, names.get(list_id or "") or reference.get("FullName") or str(list_id)
