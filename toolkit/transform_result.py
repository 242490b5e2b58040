"""The frames of a plan: operations in order, rows left out, totals that add up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_drafts import ZERO, Document, Draft, Operation, Payment
from toolkit.tables import from_rows

OutOfRange = dict[tuple[str, str | None], tuple[int, Decimal | int]]
BLOCKED = ("blocked", "depends_on_blocked")
COUNTED = ("billing.customers", "billing.invoices", "billing.adjustments", "billing.payments")


def operations_frame(drafts: Iterable[Draft]) -> pd.DataFrame:
    """Return ``plan.operations`` of drafts in order of sending."""
    pairs = [(draft, operation) for draft in drafts for operation in draft.operations]
    rows = [_operation_row(position, *pair) for position, pair in enumerate(pairs, start=1)]
    return from_rows("plan.operations", rows)


def _operation_row(position: int, draft: Draft, operation: Operation) -> dict[str, Any]:
    customer = operation.customer
    number = draft.ref_number if isinstance(draft, Document | Payment) else None
    return {
        "key": operation.key,
        "request": operation.request,
        "record_kind": operation.record_kind,
        "position": position,
        "fields": _json(operation.fields),
        "depends_on": sorted(operation.depends_on),
        "expected": _json({k: v for k, v in operation.expected.items() if v is not None}),
        "source_table": draft.table,
        "source_key": draft.source_key,
        "source": draft.source,
        "account_number": draft.account,
        "customer_full_name": customer.full_name if customer else None,
        "txn_date": draft.date,
        "ref_number": number,
        "amount": operation.amount,
        "currency": draft.currency,
        "why": _why(draft),
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _why(draft: Draft) -> str:
    if draft.kind == "item":
        return "an item entered by hand that an invoice of this export needs"
    if draft.kind == "customer":
        return "decided to be a new QuickBooks customer"
    status = draft.row["status"] or draft.row.get("kind")
    name = {"invoice": "invoice", "credit": "house credit", "payment": "payment"}[draft.kind]
    return f"{name} of {draft.date}, {status}"


def left_out_frame(drafts: Iterable[Draft]) -> pd.DataFrame:
    """Return ``plan.left_out``: every draft that stays behind, with rule and reason."""
    return from_rows(
        "plan.left_out",
        [
            {
                "source_table": draft.table,
                "source_key": draft.source_key,
                "account_number": draft.account,
                "txn_date": draft.date,
                "amount": draft.amount,
                "currency": draft.currency,
                "rule": draft.left_out[0],
                "reason": draft.left_out[1],
                "source": draft.source,
            }
            for draft in drafts
            if draft.left_out
        ],
    )


def totals_frame(drafts: Iterable[Draft], out_of_range: OutOfRange) -> pd.DataFrame:
    """Return ``plan.totals``: rows and money by source table and currency, and where they went."""
    groups: dict[tuple[str, str | None], dict[str, Any]] = defaultdict(_zeros)
    for draft in drafts:
        if draft.table not in COUNTED:
            continue
        total = groups[draft.table, draft.currency]
        rule = draft.left_out[0] if draft.left_out else None
        went = "exported" if rule is None else "blocked" if rule in BLOCKED else "left_out"
        for name in ("source", went):
            total[f"{name}_count"] += 1
            total[f"{name}_amount"] += draft.amount or ZERO
        total["operations"] += 0 if draft.stays else len(draft.operations)
    for place, (count, amount) in out_of_range.items():
        groups[place] |= {"out_of_range_count": count, "out_of_range_amount": ZERO + amount}
    order = sorted(groups, key=lambda place: (COUNTED.index(place[0]), place[1] or ""))
    rows = [
        {"source_table": table, "currency": currency} | groups[table, currency] for table, currency in order
    ]
    return from_rows("plan.totals", [_without_money(row) for row in rows])


def _zeros() -> dict[str, Any]:
    kinds = ("source", "exported", "blocked", "left_out", "out_of_range")
    return {"operations": 0} | {f"{k}_count": 0 for k in kinds} | {f"{k}_amount": ZERO for k in kinds}


def _without_money(row: dict[str, Any]) -> dict[str, Any]:
    """Return a total of customers with null for amounts they do not have."""
    if row["source_table"] != "billing.customers":
        return row
    return {name: None if name.endswith("_amount") else value for name, value in row.items()}
