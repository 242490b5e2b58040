"""Rules on what QuickBooks has already though the ledger does not know it: no money is sent twice.

What bears a document's own marker is taken over by the exchange, and what a person said is another one does
not count: both are said, and neither is in the way. All else blocks, and tells what to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from toolkit.checks_context import Context
from toolkit.checks_drafts import Document, Draft, Part, Payment, Row
from toolkit.checks_registry import Problem, rule

KINDS = "invoice credit payment"
IF_LIKE = (
    "if it is the same money, say so: toolkit posted KEY --txn-id TXNID; or delete that one in QuickBooks "
    "and import again; if it is not, post this one by hand"
)
OWN_NUMBER = "choose another number for one of them, on the sheet Numbers"
IF_KIN = (
    "take the change back in BluBilling, so that it is taken over as it is; or correct it in QuickBooks by "
    "hand, or delete it there, import again, and export this"
)


@rule(
    "number_taken",
    "error",
    "A RefNumber is unique in the batch, in QuickBooks and in what was sent; one decided on, among payments.",
    on=KINDS,
)
def _number_taken(context: Context, draft: Document | Payment) -> Iterator[Problem]:
    number = draft.ref_number
    if isinstance(draft, Payment):
        others = sharing_number(context, draft.source_key)
        if others:
            shown = ", ".join(others[:3])
            yield Problem(f"number {number} was decided on for {shown} too", *_place(draft), OWN_NUMBER)
        return
    holders = context.number_holders.get(number, set()) - {draft.key}
    if number and holders:
        holders -= not_counted(context, draft)
    if number and holders:
        shown = ", ".join(sorted(holders)[:3])
        yield Problem(f"number {number} is taken by {shown}", draft.key_column, draft.source_key)


_DECIDED: WeakKeyDictionary[Context, dict[str, list[str]]] = WeakKeyDictionary()


def sharing_number(context: Context, number: str) -> list[str]:
    """Return the other payments for which a person decided on the RefNumber of a payment.

    The numbers of checks repeat, and so may those of payments; what a person chose is to tell them apart.
    """
    if context not in _DECIDED:
        decided: dict[str, list[str]] = defaultdict(list)
        for (kind, payment), chosen in sorted(context.decided_numbers.items()):
            if kind == "payment":
                decided[chosen].append(payment)
        _DECIDED[context] = decided
    same = _DECIDED[context].get(context.decided_numbers.get(("payment", number), ""), [])
    return [other for other in same if other != number]


def not_counted(context: Context, draft: Document) -> set[str]:
    """Return who holds a document's number and is not in its way.

    Itself; its kin, of which another rule speaks; and, where a person said that QuickBooks does not have it,
    what was entered there by hand.
    """
    there = context.numbered_there.get(draft.ref_number, {})
    own = {there[row["txn_id"]] for row in context.marked.of(draft.key) if row["txn_id"] in there}
    said = context.said_absent(*context.keys(draft))
    return own | {row["key"] for row in context.kin(draft)} | (set(there.values()) if said else set())


@rule(
    "already_in_quickbooks",
    "error",
    "What QuickBooks has already, entered by hand or sent otherwise before the ledger, is not sent again.",
    on=KINDS,
)
def _already_in_quickbooks(context: Context, draft: Draft) -> Iterator[Problem]:
    column, value = _place(draft)
    if isinstance(draft, Payment):
        parts = [part for part in missing(context, draft) if not _said(context, draft, part)]
        for row in context.strangers.like(draft, parts):
            message = f"QuickBooks has a payment like it that was not sent from here: {_shown_payment(row)}"
            yield Problem(message, column, value, IF_LIKE)
        yield from _changed_parts(context, draft)
    if not _said(context, draft):
        for row in entered(context, draft):
            message = f"QuickBooks has {_shown(row)} for the same customer, which was not sent from here"
            yield Problem(message, column, value, IF_LIKE)
        for row in context.kin(draft):
            sent = f"sent from here as {row['key']}, which the ledger does not know"
            yield Problem(f"QuickBooks has {_shown(row)}, {sent}", column, value, IF_KIN)


def _changed_parts(context: Context, draft: Payment) -> Iterator[Problem]:
    """Yield the parts of a receipt that QuickBooks has with another amount, while others would be added."""
    if not missing(context, draft):
        return
    for part in draft.parts:
        for row in () if context.has_part(part.key) else context.marked.of(part.key):
            if row["total"] and row["total"] != part.amount:
                message = (
                    f"QuickBooks has {_shown(row)}, sent from here as {part.key}, which is {part.amount} now"
                )
                yield Problem(message, *_place(draft), IF_KIN)


@rule(
    "taken_over",
    "warning",
    "What QuickBooks has with a row's own marker, and the ledger does not know, is taken over, not added.",
    on=KINDS,
)
def _taken_over(context: Context, draft: Draft) -> Iterator[Problem]:
    for key, txn_ids in known(context, draft).items():
        named = f" as {key}" if key != draft.key else ""
        yield Problem(
            f"QuickBooks has it{named} already under TxnID {', '.join(txn_ids)}, with our marker: it will be "
            "taken over, not added" + (": which of them, a person says" if len(txn_ids) > 1 else ""),
            *_place(draft),
        )


@rule(
    "said_absent",
    "warning",
    "What looks like a row, and of which a person said that it is another one, is not in its way.",
    on=KINDS,
)
def _said_absent(context: Context, draft: Draft) -> Iterator[Problem]:
    if not context.absent:
        return
    said, found = _said(context, draft), []
    if isinstance(draft, Payment):
        told = {part.key: _said(context, draft, part) for part in missing(context, draft)}
        excused = [part for part in draft.parts if told.get(part.key)]
        found = [_shown_payment(row) for row in context.strangers.like(draft, excused)]
        said = said or next(filter(None, told.values()), None)
    elif said and isinstance(draft, Document):
        own = {row["txn_id"] for row in context.marked.of(draft.key)}
        there = context.numbered_there.get(draft.ref_number, {})
        found = sorted(shown for txn_id, shown in there.items() if txn_id not in own)
    if _said(context, draft):
        found += [_shown(row) for row in [*entered(context, draft), *context.kin(draft)]]
    for each in dict.fromkeys(found):
        yield Problem(f"QuickBooks has one like it, {each}, and {said}", *_place(draft))


def entered(context: Context, draft: Draft) -> list[Row]:
    """Return what somebody entered in QuickBooks that is the same document as a draft, by what it is.

    None where the draft's own is there, by its marker. A house credit that goes as a payment may have been
    entered as a credit memo.
    """
    of_credit = isinstance(draft, Payment) and draft.is_credit and missing(context, draft)
    of_document = isinstance(draft, Document) and draft.key not in known(context, draft)
    if not of_credit and not of_document:
        return []
    kind = "invoice" if draft.key.startswith("invoice:") else "credit_memo"
    return context.entered.like(draft, kind, context.target(draft.account or "").list_id)


def known(context: Context, draft: Draft) -> dict[str, list[str]]:
    """Return what QuickBooks holds of a draft's operations by their own markers: key to TxnIDs."""
    if not context.marked.any:
        return {}
    amounts = {draft.key: draft.amount}
    if isinstance(draft, Payment):
        amounts = {part.key: part.amount for part in draft.parts if not context.has_part(part.key)}
    return {key: found for key, amount in amounts.items() if (found := context.known_as(key, amount))}


def missing(context: Context, draft: Payment) -> list[Part]:
    """Return the parts of a receipt that QuickBooks does not have from us, as far as can be seen."""
    there = known(context, draft)
    return [part for part in draft.parts if not (context.has_part(part.key) or part.key in there)]


def _said(context: Context, draft: Draft, part: Part | None = None) -> str | None:
    """Return who said that QuickBooks does not have a part of a receipt, or a row with all its parts."""
    said = context.said_absent(*([part.key] if part else ()), *context.keys(draft))
    if said is None and part is None and isinstance(draft, Payment):
        each = [context.said_absent(one.key) for one in missing(context, draft)]
        return each[0] if each and all(each) else None
    return said


def _place(draft: Draft) -> tuple[str, str]:
    column = draft.key_column if isinstance(draft, Document) else "payment_number"
    return column, draft.source_key


def _shown(row: Row) -> str:
    kind = row["record_kind"].replace("_", " ")
    number = f", number {row['ref_number']}," if row["ref_number"] else ""
    return f"{kind} {row['txn_id']} of {row['total']} on {row['txn_date']}{number}"


def _shown_payment(row: Row) -> str:
    number = f", number {row['ref_number']}" if row["ref_number"] else ""
    return f"{row['txn_id']} of {row['total_amount']} on {row['txn_date']}{number}"
