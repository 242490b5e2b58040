"""What was sent, compared with its source row as it stands now: nothing is sent twice, a change is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Draft, Payment, Row
from toolkit.checks_registry import Problem, rule


@rule(
    "changed_after_sent",
    "warning",
    "A row that changed after it was queued or sent is not sent again: QuickBooks is corrected by hand.",
    on="invoice credit payment",
    stage="sent",
)
def _changed_after_sent(context: Context, draft: Draft) -> Iterator[Problem]:
    for column, before, now in changes(context, draft):
        yield Problem(
            f"{column} changed after it was sent: QuickBooks was given {before}, the source has {now} now",
            column,
            now,
            "correct it in QuickBooks by hand, or take the change back in BluBilling",
        )


def changes(context: Context, draft: Draft) -> Iterator[tuple[str, str, str]]:
    """Yield what differs between a row and what was sent of it: column, then and now."""
    sent = context.operations_of(draft)
    if not sent:
        yield from _unlike("amount", _bound_amount(context, draft), draft.amount)
        return
    amounts = [_signed(draft, row) for row in sent]
    if None not in amounts:
        yield from _unlike("amount", sum(filter(None, amounts), ZERO), draft.amount)
    yield from _unlike("account_number", sent[0]["account_number"], draft.account)
    yield from _unlike("date", sent[0]["txn_date"], draft.date)
    if isinstance(draft, Payment):
        yield from _applications(context, draft, sent)


def _unlike(column: str, before: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    if before is not None and before != now:
        yield column, str(before), str(now)


def _signed(draft: Draft, row: Row) -> Decimal | None:
    """Return the amount of an operation as its source has it: a negative invoice went turned."""
    amount: Decimal | None = row["amount"]
    turned = draft.kind == "invoice" and row["key"].startswith("credit_memo:")
    return -amount if turned and amount is not None else amount


def _bound_amount(context: Context, draft: Draft) -> Decimal | None:
    """Return what the crosswalk says of a document that no operation is known of."""
    for key in () if isinstance(draft, Payment) else context.keys(draft):
        kind, _, number = key.partition(":")
        row = context.crosswalk.get((kind, number))
        if row and row["origin"] == "billing":
            return _signed(draft, {"key": key, "amount": row["amount"]})
    return None


def _applications(context: Context, draft: Draft, sent: list[Row]) -> Iterator[tuple[str, str, str]]:
    asked = [json.loads(row["expected"]) for row in sent if row["expected"]]
    if len(asked) < len(sent):
        return
    before = _sums((a["invoice_number"], Decimal(a["amount"])) for each in asked for a in each["applied"])
    rows = context.applied.get(draft.source_key, [])
    now = _sums((row["invoice_number"], row["amount_applied"]) for row in rows)
    if before != now:
        yield "applications", _said(before), _said(now)


def _sums(pairs: Iterator[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for number, amount in pairs:
        sums[number] = sums.get(number, ZERO) + amount
    return sums


def _said(sums: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount} on {number}" for number, amount in sorted(sums.items())) or "none"
