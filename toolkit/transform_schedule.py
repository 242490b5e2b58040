"""The post-by-hand schedule: refunds, chargebacks and what has no rule, until each has its TxnID.

The rows stay what they are in the tables and in ``plan.left_out``. The schedule is for the person who posts
them in QuickBooks: the gateway entries of one refund are one row there, for they are one document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_context import Context
from toolkit.checks_credits import LISTED
from toolkit.checks_drafts import ZERO, Draft
from toolkit.tables import from_rows

__all__ = ["BY_HAND", "MOST_ENTRIES", "POSTED_BY_HAND", "entries_of", "kind_of", "schedule"]

BY_HAND, POSTED_BY_HAND, OVERTAKEN = "post_by_hand", "posted_by_hand", "posting_overtaken"
"""The rules of ``plan.left_out`` whose rows stand on the schedule: open, done, and open again."""

_LISTED = (BY_HAND, POSTED_BY_HAND, OVERTAKEN)
PAYMENTS = "billing.payments"
MOST_ENTRIES = 3
"""How many gateway entries one refund has at most. Source: BluBilling page "refunds and house credits"."""


def kind_of(draft: Draft) -> str:
    """Return what a row is to the person who posts it: refund, chargeback, write_off, ..."""
    row = draft.row
    if draft.table == "billing.adjustments":
        return str(row["kind"])
    if draft.table == PAYMENTS:
        if row["payment_type"] != "Payment":
            return str(row["payment_type"]).lower()
        return "chargeback" if (draft.amount or ZERO) <= 0 else "payment"
    return draft.kind  # invoice, or credit_use


def entries_of(
    rows: Iterable[Mapping[str, Any]],
    originals: Mapping[str, Mapping[str, Any]] | None = None,
    posted: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return the gateway entries that are one refund: the number of the first to the numbers of all.

    Entries are of one refund where they take back the same payment on one day or in one transaction of the
    gateway, and come to exactly what was paid: nothing else is ever refunded. Where no payment is named,
    one transaction makes them one. More than three are not, nor is what sums otherwise: each of them stands
    alone. So does what was posted from what was not: posted entries are one where they have one TxnID.

    Parameters
    ----------
    rows : iterable of mapping
        Of ``billing.payments``.
    originals : mapping, optional
        ``billing.payments`` by number: what is taken back.
    posted : mapping, optional
        Number to the TxnID that was entered for it.

    Examples
    --------
    >>> void = {"payment_type": "Refund", "account_number": "A1", "reverses_payment_number": "P-1"}
    >>> entries = [
    ...     {**void, "payment_number": number, "effective_date": "2026-01-20", "amount": Decimal(amount)}
    ...     for number, amount in (("R-1", "-20"), ("R-2", "-40"))
    ... ]
    >>> entries_of(entries, {"P-1": {"amount": Decimal(60)}})
    {'R-1': ('R-1', 'R-2')}
    >>> entries_of(entries, {"P-1": {"amount": Decimal(90)}})
    {'R-1': ('R-1',), 'R-2': ('R-2',)}
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        number, txn_id = row["payment_number"], (posted or {}).get(row["payment_number"])
        of, name = "payment", row.get("reverses_payment_number")
        if txn_id:
            of, name = "posted", txn_id
        elif row["payment_type"] != "Refund":
            of, name = "", number  # a cancelled payment is one entry
        elif not name:
            of, name = ("transaction", row["transaction_id"]) if row.get("transaction_id") else ("", number)
        groups[row["account_number"], row["payment_type"], of, name].append(row)
    found: dict[str, tuple[str, ...]] = {}
    for (_, _, of, name), members in groups.items():
        for part in _together(members) if of == "payment" else [members]:
            numbers = [row["payment_number"] for row in part]
            whole = of == "posted" or _is_one(part, (originals or {}).get(name) if of == "payment" else None)
            found |= {numbers[0]: tuple(numbers)} if whole else {number: (number,) for number in numbers}
    return found


def _together(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return entries that take back one payment, apart where neither day nor transaction is the same."""
    parts: list[list[Mapping[str, Any]]] = []
    for row in rows:
        joined = [part for part in parts if any(_beside(row, other) for other in part)]
        parts = [part for part in parts if part not in joined]
        parts.append([*(other for part in joined for other in part), row])
    return parts


def _beside(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    transaction = one.get("transaction_id")
    same_day = one.get("effective_date") == other.get("effective_date")
    return same_day or (transaction is not None and transaction == other.get("transaction_id"))


def _is_one(entries: list[Mapping[str, Any]], original: Mapping[str, Any] | None) -> bool:
    if original is not None:
        total = sum((row.get("amount") or ZERO for row in entries), ZERO)
        return len(entries) <= MOST_ENTRIES and total == -original["amount"]
    transactions = {row.get("transaction_id") for row in entries}
    return len(entries) <= MOST_ENTRIES and len(transactions) == 1 and None not in transactions


def schedule(context: Context, drafts: Iterable[Draft]) -> pd.DataFrame:
    """Return ``plan.post_by_hand`` of drafts that no rule sends, in their order."""
    listed = [draft for draft in drafts if draft.left_out and draft.left_out[0] in _LISTED]
    payments = {draft.source_key: draft for draft in listed if draft.table == PAYMENTS}
    posted = {
        key: txn_id for key, draft in payments.items() if (txn_id := _posted(context, draft).get("txn_id"))
    }
    folded = entries_of([draft.row for draft in payments.values()], context.payments, posted)
    refunded: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
    for draft in payments.values():
        if kind_of(draft) == "refund":
            refunded[draft.row["reverses_payment_number"]] += draft.amount or ZERO
    rows = []
    for draft in listed:
        entries: tuple[str, ...] = (draft.source_key,)
        if draft.table == PAYMENTS:
            if draft.source_key not in folded:
                continue  # it is told with the first entry of its refund
            entries = folded[draft.source_key]
        parts = [payments[entry] for entry in entries] if len(entries) > 1 else [draft]
        rows.append(_row(context, draft, parts, refunded[draft.row.get("reverses_payment_number")]))
    return from_rows("plan.post_by_hand", rows)


def _posted(context: Context, draft: Draft) -> Mapping[str, Any]:
    """Return the posting that stands for a row as it is."""
    overtaken = draft.left_out is not None and draft.left_out[0] == OVERTAKEN
    return {} if overtaken else context.postings.get((draft.table, draft.source_key)) or {}


def _row(context: Context, draft: Draft, parts: list[Draft], refunded: Decimal) -> dict[str, Any]:
    posted = next((row for part in parts if (row := _posted(context, part))), {})
    amount = sum((part.amount or ZERO for part in parts), ZERO)
    return {
        "source_table": draft.table,
        "source_key": draft.source_key,
        "kind": kind_of(draft),
        "account_number": draft.account,
        "customer_full_name": context.target(draft.account or "").full_name,
        "date": draft.date,
        "amount": amount,
        "currency": draft.currency,
        "why": _why(context, draft, parts, amount, refunded),
        "reverses": draft.row.get("reverses_payment_number"),
        "entries": [part.source_key for part in parts] if len(parts) > 1 else None,
        "txn_id": posted.get("txn_id"),
        "posted_by": posted.get("posted_by"),
        "posted_at": posted.get("posted_at"),
        "source": draft.source,
    }


def _why(context: Context, draft: Draft, parts: list[Draft], amount: Decimal, refunded: Decimal) -> str:
    why = draft.left_out[1] if draft.left_out else ""
    why = why.removesuffix(f" ({LISTED})")  # it stands on that list
    if len(parts) > 1:
        listed = ", ".join(f"{part.source_key} {part.amount}" for part in parts)
        why = f"{kind_of(draft)} of {amount} in {len(parts)} gateway entries ({listed}): {why}"
    original = context.payments.get(draft.row.get("reverses_payment_number") or "")
    taken = min(amount, refunded) if kind_of(draft) == "refund" else amount
    if original and -taken > original["amount"]:
        number, paid = original["payment_number"], original["amount"]
        together = f" and {-taken} of it is refunded" if taken != amount else ""
        why += f"; payment {number} was {paid} only{together}: look which entry counts"
    return why
