"""The frames of a plan: operations in order, rows left out, totals that add up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_drafts import ZERO, Document, Draft, Operation, Payment
from toolkit.tables import from_rows, to_rows
from toolkit.transform_shown import request_text

OutOfRange = dict[tuple[str, str | None], tuple[int, Decimal | int]]
BLOCKED = ("blocked", "depends_on_blocked")
COUNTED = (
    *("billing.customers", "billing.invoices", "billing.adjustments", "billing.payments"),
    "billing.payment_applications",  # of carried credits only: those of payments go with them
)


def operations_frame(drafts: Iterable[Draft], version: str | None) -> pd.DataFrame:
    """Return ``plan.operations`` of drafts in order of sending, with their qbXML in a version, if in any."""
    pairs = [(draft, operation) for draft in drafts for operation in draft.operations]
    rows = [_operation_row(position, *pair, version) for position, pair in enumerate(pairs, start=1)]
    return from_rows("plan.operations", rows)


def _operation_row(position: int, draft: Draft, operation: Operation, version: str | None) -> dict[str, Any]:
    customer = operation.customer
    number = draft.ref_number if isinstance(draft, Document | Payment) else None
    return {
        "key": operation.key,
        "request": operation.request,
        "record_kind": operation.record_kind,
        "position": position,
        "fields": _json(operation.fields),
        "qbxml": request_text(operation.request, operation.fields, version) if version else None,
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
    if draft.table == "billing.adjustments":
        becomes = draft.operations[0].record_kind.replace("_", " ") if draft.operations else ""
        name, status = (
            str(draft.row["kind"]).replace("_", " "),
            f"as {'an' if becomes[:1] == 'i' else 'a'} {becomes}",
        )
    else:
        name, status = draft.kind, str(draft.row["status"])
    posted = next((o.fields["TxnDate"] for o in draft.operations if "TxnDate" in o.fields), str(draft.date))
    moved = f", posted on {posted}: its own date is in a closed period" if posted != str(draft.date) else ""
    return f"{name} of {draft.date}, {status}{moved}"


def left_out_frame(drafts: Iterable[Draft]) -> pd.DataFrame:
    """Return ``plan.left_out``: every draft that stays behind, with rule and reason."""
    return from_rows("plan.left_out", [_told(draft, *draft.left_out) for draft in drafts if draft.left_out])


def passed_frame(drafts: Iterable[Draft]) -> pd.DataFrame:
    """Return the drafts that go, in the form of ``plan.left_out``: so they are told where they are held."""
    told = [_told(draft, "passed", _why(draft)) for draft in drafts if not draft.left_out]
    return from_rows("plan.left_out", told)


def _told(draft: Draft, rule: str, reason: str) -> dict[str, Any]:
    return {
        "source_table": draft.table,
        "source_key": draft.source_key,
        "account_number": draft.account,
        "txn_date": draft.date,
        "amount": draft.amount,
        "currency": draft.currency,
        "rule": rule,
        "reason": reason,
        "source": draft.source,
    }


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


def with_held(
    totals: pd.DataFrame, held: Iterable[Mapping[str, Any]], operations: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return ``plan.totals`` with rows that passed counted as held.

    Parameters
    ----------
    totals : pandas.DataFrame
        ``plan.totals`` before anything was held.
    held : iterable of mapping
        The held source rows, in the form of ``plan.left_out``.
    operations : iterable of mapping
        The rows of ``plan.operations`` that stay behind with them.
    """
    groups = {(row["source_table"], row["currency"]): row for row in to_rows(totals)}
    place_of: dict[tuple[str, str], tuple[str, str | None]] = {}
    for row in held:
        place = (row["source_table"], row["currency"])
        if place not in groups:
            continue  # items are in no total
        place_of[row["source_table"], row["source_key"]] = place
        total = groups[place]
        total["exported_count"] -= 1
        total["held_count"] += 1
        if total["exported_amount"] is not None:
            total["exported_amount"] -= row["amount"] or ZERO
            total["held_amount"] += row["amount"] or ZERO
    for operation in operations:
        if found := place_of.get((operation["source_table"], operation["source_key"])):
            groups[found]["operations"] -= 1
    return from_rows("plan.totals", list(groups.values()))


def _zeros() -> dict[str, Any]:
    kinds = ("source", "exported", "blocked", "left_out", "held", "out_of_range")
    return {"operations": 0} | {f"{k}_count": 0 for k in kinds} | {f"{k}_amount": ZERO for k in kinds}


def _without_money(row: dict[str, Any]) -> dict[str, Any]:
    """Return a total of customers with null for amounts they do not have."""
    if row["source_table"] != "billing.customers":
        return row
    return {name: None if name.endswith("_amount") else value for name, value in row.items()}
