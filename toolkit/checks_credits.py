"""Rules on credits and adjustments: what becomes a document, and what a person posts by hand."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks_context import Context
from toolkit.checks_documents import SOLD
from toolkit.checks_drafts import ZERO, Document, Draft, Payment, Row
from toolkit.checks_registry import Problem, rule

LISTED = "`toolkit table plan.post_by_hand` lists them"
BY_HAND = f"is not sent: post it by hand ({LISTED})"
HOUSE_CREDIT = "house_credit"


def goes_as_payment(context: Context, row: Row) -> bool:
    """Return whether an adjustment goes as a payment: a house credit, where ``credit_mode`` says so."""
    return _is_to_be_payment(context, row) and row["adjustment_id"] not in context.payments


def _is_to_be_payment(context: Context, row: Row) -> bool:
    wanted = context.settings["credit_mode"] == "payment"
    return wanted and row["kind"] == HOUSE_CREDIT and (row["amount"] or ZERO) > 0


def is_by_hand(context: Context, row: Row) -> bool:
    """Return whether an adjustment is posted by hand: decided so, or nobody decided on its kind."""
    match, amount = context.adjustment(row["kind"]), row["amount"] or ZERO
    if amount == 0:
        return True
    if row["kind"] == HOUSE_CREDIT and match.get("decision") is None:
        # The setting credit_item is about credits; what raises a balance is another thing.
        return amount < 0
    return match.get("status") in ("by_hand", "none", None)


def item_name(context: Context, row: Row) -> str | None:
    """Return the full name of the item that an adjustment is posted on; ``None`` where there is none."""
    if is_by_hand(context, row):
        return None
    match = context.adjustment(row["kind"])
    if row["kind"] == HOUSE_CREDIT and match.get("decision") is None:
        setting: str | None = context.settings["credit_item"]
        return setting
    name: str | None = match.get("item_full_name") if match.get("status") in ("exact", "mapped") else None
    return name


# --- what is posted by hand ---------------------------------------------------------------------------------


@rule(
    "posting_overtaken",
    "left_out",
    "What was posted by hand and changed since is open again: it is not sent, and waits for a person.",
    on="invoice credit payment",
)
def _posting_overtaken(context: Context, draft: Draft) -> Iterator[Problem]:
    posting = context.postings.get((draft.table, draft.source_key))
    if posting is None or posting.get("amount") is None:
        return
    held = {"account_number": draft.account, "date": draft.date, "amount": draft.amount}
    changed = [name for name, now in held.items() if posting[name] != now]
    if changed:
        told = ", ".join(f"{name.replace('_', ' ')} {posting[name]} is now {held[name]}" for name in changed)
        invoice = {"date": "invoice_date", "amount": "current_amount_due"}
        use = {"date": "applied_date", "amount": "amount_applied"}
        columns = {"invoice": invoice, "credit_use": use}.get(draft.kind, {"date": "effective_date"})
        column = columns.get(changed[0], changed[0])
        yield Problem(
            f"posted by hand as {posting['txn_id']} ({posting['posted_by']}), but changed since: {told}",
            column,
            held[changed[0]],
            f"see that {posting['txn_id']} is so in QuickBooks, then enter it again: toolkit posted"
            f" {draft.source_key} --txn-id {posting['txn_id']}",
        )


@rule(
    "posted_by_hand",
    "left_out",
    "What a person posted in QuickBooks by hand is not sent: it has its TxnID.",
    on="invoice credit payment",
)
def _posted_by_hand(context: Context, draft: Draft) -> Iterator[Problem]:
    posting = context.postings.get((draft.table, draft.source_key))
    if posting:
        when = f"{posting['posted_at']:%Y-%m-%d}"
        yield Problem(f"posted by hand as {posting['txn_id']} ({posting['posted_by']}, {when})")


@rule(
    "post_by_hand",
    "left_out",
    "What has no rule is posted by hand: refunds, chargebacks, adjustments of a kind without an item.",
    on="credit payment",
)
def _post_by_hand(context: Context, draft: Document) -> Iterator[Problem]:
    row, amount = draft.row, draft.amount or ZERO
    if draft.kind == "credit":
        if is_by_hand(context, row):
            yield Problem(f"{row['kind']} of {amount} {BY_HAND}")
    elif row["payment_type"] != "Payment":
        yield Problem(f"{row['payment_type']} of {amount} {BY_HAND}")
    elif amount <= 0:
        reverses = (
            f" that takes back {row['reverses_payment_number']}" if row["reverses_payment_number"] else ""
        )
        yield Problem(f"a payment of {amount}{reverses} {BY_HAND}")


# --- the items and accounts that they go to -----------------------------------------------------------------


@rule("credit_item", "error", "House credits go on the named item of the setting credit_item.", on="credit")
def _credit_item(context: Context, draft: Document) -> Iterator[Problem]:
    row = draft.row
    if (
        _is_to_be_payment(context, row)
        or row["kind"] != HOUSE_CREDIT
        or context.adjustment(HOUSE_CREDIT).get("decision") is not None
    ):
        return
    wanted = context.settings["credit_item"]
    item = context.find_item(None, wanted)
    usable = item and item["is_active"] is not False and item["item_type"] in SOLD
    if not wanted or not (usable or (item is None and wanted in context.local_items)):
        state = "is not set" if not wanted else "names no active item that can be sold"
        yield Problem(
            f"the setting credit_item {state}",
            "credit_item",
            wanted,
            "toolkit set credit_item NAME",
            table="settings",
            key="credit_item",
        )


@rule(
    "adjustment_item",
    "error",
    "The item decided on for a kind of adjustment can be used.",
    on="credit",
)
def _adjustment_item(context: Context, draft: Document) -> Iterator[Problem]:
    kind = draft.row["kind"]
    match = context.adjustment(kind)
    if kind == HOUSE_CREDIT and match.get("decision") is None:
        return
    if match.get("status") not in ("exact", "mapped"):
        decided, reason = match.get("decision"), match.get("reason")
        yield Problem(
            f"{kind} is to go on {decided!r}, which cannot be used ({reason}): choose an item, or (by hand)",
            "kind",
            kind,
            "choose another item, or (by hand), on the sheet Adjustments",
        )


@rule(
    "credit_mode",
    "error",
    "House credits that go as payments have a named clearing account, and the method Credit.",
    on="payment",
)
def _credit_mode(context: Context, draft: Payment) -> Iterator[Problem]:
    if not draft.is_credit or context.payment_account(draft.row["method"]) is not None:
        return
    wanted = context.settings["credit_account"]
    yield Problem(
        f"the setting credit_account {'names no active account' if wanted else 'is not set'}",
        "credit_account",
        wanted,
        "toolkit set credit_account NAME",
        table="settings",
        key="credit_account",
    )


@rule(
    "credit_number",
    "error",
    "A house credit that goes as a payment has a number that no payment has: it tells what they pay.",
    on="credit",
)
def _credit_number(context: Context, draft: Document) -> Iterator[Problem]:
    if _is_to_be_payment(context, draft.row):
        yield Problem(
            f"payment {draft.source_key} has the same number: which of the two pays what cannot be told",
            "adjustment_id",
            draft.source_key,
            "toolkit set credit_mode credit_memo, or post it by hand",
        )


@rule(
    "credit_unapplied",
    "warning",
    "A credit memo arrives unapplied: QuickBooks shows it as open credit.",
    on="credit",
)
def _credit_unapplied(context: Context, draft: Document) -> Iterator[Problem]:
    uses = [row["invoice_number"] for row in context.applied.get(draft.source_key, [])]
    named = list(dict.fromkeys([*uses, *filter(None, [draft.row["invoice_number"]])]))
    if named and draft.is_credit_memo:
        yield Problem(
            f"apply it to invoice {', '.join(named)} in QuickBooks by hand", "invoice_number", named[0]
        )
