"""What was sent, compared with its source row as it stands now: nothing is sent twice, a change is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from toolkit.carried_sent import sent_uses
from toolkit.checks_context import Context, debit_key
from toolkit.checks_drafts import ZERO, Document, Draft, Operation, Payment, Row
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


@rule(
    "rejected_before",
    "error",
    "What QuickBooks rejected does not go again as it was: it is corrected first.",
    on="item customer invoice credit payment credit_use",
    stage="request",
    waivable=True,
)
def _rejected_before(context: Context, draft: Draft) -> Iterator[Problem]:
    for operation in draft.operations:
        row = context.rejected.get(operation.key)
        if row and row["request"] == operation.request and _same(context, draft, row["fields"], operation):
            said = f"QuickBooks rejected it{_answered(row)}"
            cure, suggestion = _CURES.get(draft.kind, _CURES[""])
            yield Problem(
                f"{said}, and it would go again unchanged: {cure}; "
                f"waive this finding where the cause was mended in QuickBooks{_together(context, row)}",
                value=f"{operation.key} in job {row['job']}",  # rejected again, it is another finding
                suggestion=suggestion,
            )


_CURES: Mapping[str, tuple[str, str]] = {
    "": ("correct it (toolkit fix), or where it comes from", "toolkit fix --write rejected.xlsx"),
    # It is nobody's row in BluBilling, so that no workbook of rejected rows has it.
    "item": (
        "import the items, for it may be there; or change it in the mapping workbook, sheet Items by hand",
        "toolkit import items; or toolkit map --write mapping.xlsx, sheet Items by hand",
    ),
}
"""By kind of draft, what cures it and the command for it."""


def _answered(row: Row) -> str:
    code = row["status_code"]
    return f"{'' if code is None else f' ({code})'} in job {row['job']}"


def _together(context: Context, row: Row) -> str:
    """Return how to waive all that QuickBooks answered alike in one job, where it is more than this one."""
    if context.rejected_alike[row["status_code"], row["job"]] < 2:
        return ""
    text = f'toolkit waive --rule rejected_before --containing "{_answered(row).strip()}" --note "why"'
    return f" (others were rejected alike: {text} waives them together)"


def _same(context: Context, draft: Draft, before: Mapping[str, Any], operation: Operation) -> bool:
    """Return whether a request is the one that was rejected, but for a number that a counter gives."""
    now: Mapping[str, Any] = operation.fields
    if _counted(context, draft, before.get("RefNumber")):
        before, now = (
            {name: value for name, value in fields.items() if name != "RefNumber"} for fields in (before, now)
        )
    return before == now


def _counted(context: Context, draft: Draft, number: str | None) -> bool:
    """Return whether the counter of today gives a document its number, and may have given it that one.

    Each number that it gives moves with what comes before.
    """
    rule: str = context.settings["number_rule"]
    start = rule.removeprefix("counter:")
    if start == rule or not isinstance(draft, Document) or not number or not number.isdecimal():
        return False
    decided = (draft.key.partition(":")[0], draft.source_key) in context.decided_numbers
    return not decided and len(number) >= len(start) and int(number) >= int(start)


def changes(context: Context, draft: Draft) -> Iterator[tuple[str, str, str]]:
    """Yield what differs between a row and what was sent of it: column, then and now."""
    sent = context.operations_of(draft)
    if draft.kind == "credit_use":  # a payment of nothing: what it applies is its amount
        use = sent_uses(context).get(draft.key)
        yield from _unlike("amount_applied", use and use.amount, draft.amount)
        return
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
    """Return the amount of an operation as its source has it: what is below zero went turned."""
    amount: Decimal | None = row["amount"]
    turned = draft.kind == "invoice" and row["key"].startswith("credit_memo:")
    turned = turned or row["key"].startswith(debit_key(""))
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
