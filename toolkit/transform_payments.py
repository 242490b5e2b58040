"""BluBilling payments as payments received: split by QuickBooks customer, applied by TxnID."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from toolkit.carried import carried_as
from toolkit.carried_credits import (
    CREDIT_USE,
    NO_INVOICE,
    TABLE,
    CreditUse,
    carried_credits,
    is_there,
    posted_use,
    source_key,
    use_key,
    used_rows,
)
from toolkit.checks import reason_to_leave_out
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Application, Document, Operation, Part, Payment, Row, Target
from toolkit.transform_fields import by_id, day, external_guid, memo, money
from toolkit.transform_invoices import invoice_draft

WAITS = ("blocked", "depends_on_blocked")
UNDER_WAY = ("already_sent", "under_way")


def payment_draft(context: Context, row: Row) -> Payment:
    """Return the draft of one payment, with its parts; the drafts of invoices must be there before."""
    draft = Payment(
        "payment",
        f"payment:{row['payment_number']}",
        "billing.payments",
        row["payment_number"],
        row,
        account=row["account_number"],
        date=row["effective_date"],
        amount=row["amount"],
        currency=row["currency"] or context.home_currency,
    )
    draft.parts = _parts(context, draft)
    return draft


def _parts(context: Context, draft: Payment) -> list[Part]:
    """Return one part a QuickBooks customer; what is not applied stays with the payer."""
    payer = context.target(draft.account or "")
    groups: dict[str, list[Application]] = defaultdict(list)
    targets = {payer.identity: payer}
    for application in _applications(context, draft):
        groups[application.target.identity].append(application)
        targets.setdefault(application.target.identity, application.target)
    amounts = {key: sum((a.amount for a in group), ZERO) for key, group in groups.items()}
    rest = (draft.amount or ZERO) - sum(amounts.values(), ZERO)
    if rest > 0 or not groups:
        groups.setdefault(payer.identity, [])
        amounts[payer.identity] = amounts.get(payer.identity, ZERO) + rest
    labels: set[str] = set()
    parts = []
    for identity, group in groups.items():
        label = targets[identity].account if targets[identity].account not in labels else identity
        labels.add(label)
        key = draft.key if len(groups) == 1 else f"{draft.key}/{label}"
        parts.append(Part(key, targets[identity], amounts[identity], tuple(group)))
    return parts


def _applications(context: Context, draft: Payment) -> list[Application]:
    """Return what a payment pays, one entry an invoice: QuickBooks takes an invoice once a payment.

    What was applied and taken off again is nothing.
    """
    sums: dict[str, Decimal] = {}
    for row in context.applied.get(draft.source_key, []):
        sums[row["invoice_number"]] = sums.get(row["invoice_number"], ZERO) + row["amount_applied"]
    return [_application(context, draft, number, amount) for number, amount in sums.items() if amount]


def _application(context: Context, draft: Payment | CreditUse, number: str, amount: Decimal) -> Application:
    """Find what an application pays: an invoice of QuickBooks, or one that an operation makes."""
    account = context.invoices.get(number, {}).get("account_number") or draft.account or ""
    target: Target = context.target(account)
    bound = _bound(context, number)
    if bound:
        txn_id: str = bound["quickbooks_id"]
        known = context.quickbooks_invoices.get(txn_id, {}).get("customer_list_id")
        list_id = bound["customer_list_id"] or known or target.list_id
        if list_id and list_id != target.list_id:
            target = context.target_of(list_id, account)
        return Application(number, amount, target, txn_id=txn_id)
    if doubt := _posting_doubt(context, number):
        return Application(number, amount, target, problem=doubt)
    key = f"invoice:{number}"
    made = context.drafts.get(key) or context.drafts.get(f"credit_memo:{number}")
    if key in context.in_flight or (made and (not made.stays or (made.left_out or ("",))[0] in WAITS)):
        if isinstance(made, Document) and made.is_credit_memo:
            problem = "it is negative and goes as a credit memo, which cannot be paid"
            return Application(number, amount, target, problem=problem)
        return Application(number, amount, target, operation=key)
    if made and made.left_out:
        unseen = ("billing.invoices", number) in context.postings
        more = ", which is no imported invoice: toolkit import invoices" if unseen else ""
        problem = f"it stays behind: {made.left_out[1]}{more}"
        return Application(number, amount, target, problem=problem)
    if number in context.invoices:
        problem = "it is neither in QuickBooks nor in this export: export it first or with the payment"
        return Application(number, amount, target, problem=problem)
    return Application(number, amount, target, problem="BluBilling's invoices have no such number")


def credit_uses(context: Context) -> list[CreditUse]:
    """Return a draft of each application of a carried credit; the drafts of invoices must be there before.

    It counts on the day of the application, and on that of its invoice where BluBilling does not say.
    """
    credits = carried_credits(context)
    return [
        _credit_use(context, credits[number], row)
        for number, rows in used_rows(context).items()
        for row in rows
    ]


def _credit_use(context: Context, credit: Row, row: Row) -> CreditUse:
    invoice = context.invoices.get(row["invoice_number"], {})
    draft = CreditUse(
        CREDIT_USE,
        use_key(row),
        TABLE,
        source_key(row),
        row,
        account=invoice.get("account_number") or row["account_number"],
        date=row["applied_date"] or invoice.get("invoice_date") or context.cutover,
        amount=row["amount_applied"],
        currency=invoice.get("currency") or context.home_currency,
        credit=credit,
    )
    draft.application = _application(context, draft, row["invoice_number"], row["amount_applied"])
    if row["invoice_number"] == NO_INVOICE:
        problem = "BluBilling says that so much of it is used, and not on what"
        draft.application = replace(draft.application, problem=problem)
    return draft


def _bound(context: Context, number: str) -> Row | None:
    """Return the binding of an invoice that QuickBooks has.

    From us; carried, under whatever number; or posted by hand, as far as it is imported and still what
    BluBilling has.
    """
    bound = context.crosswalk.get(("invoice", number)) or carried_as(context).get(number)
    posting = context.postings.get(("billing.invoices", number))
    if bound is None and posting and not _posting_doubt(context, number):
        document = context.quickbooks_invoices.get(posting["txn_id"])
        # What was billed is its amount; its balance there is looked at too.
        own = {"quickbooks_id": posting["txn_id"], "amount": None}
        return document and {**own, "customer_list_id": document["customer_list_id"]}
    return bound


def _posting_doubt(context: Context, number: str) -> str | None:
    """Return why the document that an invoice was posted as may be another one by now, or ``None``."""
    posting = context.postings.get(("billing.invoices", number))
    if posting is None:
        return None
    row, key = context.invoices.get(number), f"invoice:{number}"
    why = "BluBilling no longer has it"
    if row:
        draft = context.drafts.get(key) or invoice_draft(context, row)
        rule, why = draft.left_out or reason_to_leave_out(context, draft) or ("", "it can go")
        if rule == "posted_by_hand":
            return None
    return (
        f"it was posted by hand as {posting['txn_id']}, and its posting is in doubt: {why}. See what "
        f"QuickBooks has, then enter it again, or take it back: toolkit posted {number} --undo"
    )


def find_overpaid(context: Context, drafts: Iterable[Payment | CreditUse]) -> dict[str, list[str]]:
    """Return what would pay more than is open on an invoice: key of the source row to messages.

    Payments count in order of their date, those that QuickBooks has first, so that the one which goes over
    is named and not those before it. What QuickBooks itself shows as open counts too.
    """
    planned = sorted(drafts, key=lambda d: (d.date or context.cutover, d.source_key))
    left: dict[str, Decimal] = {}
    over: dict[str, list[str]] = defaultdict(list)
    for number, amount in _paid_before(context, planned):
        left[number] = left.get(number, _total(context, number)) - amount
    for draft in planned:
        for application in _still_to_apply(context, draft):
            number = application.invoice_number
            still = left.get(number, _total(context, number))
            in_books = context.quickbooks_invoices.get(application.txn_id or "", {}).get("balance_remaining")
            if number not in left and in_books is not None:
                still = min(still, in_books)
            if application.amount > still:
                over[draft.source_key].append(
                    f"it pays {application.amount} on invoice {number}, on which {still} is open"
                )
                left[number] = still
            else:
                left[number] = still - application.amount
    return over


def _total(context: Context, number: str) -> Decimal:
    bound: Row = _bound(context, number) or {}
    total: Decimal | None = bound.get("amount")
    if total is None:
        total = context.invoices.get(number, {}).get("current_amount_due")
    return ZERO if total is None else total


def _paid_before(context: Context, planned: Iterable[Payment | CreditUse]) -> Iterable[tuple[str, Decimal]]:
    """Yield what QuickBooks has of payments, or will have by another job: invoice and amount."""
    numbers = {draft.source_key for draft in planned}
    for payment in context.paid_before - numbers - carried_credits(context).keys():
        for row in context.applied.get(payment, []):
            yield row["invoice_number"], row["amount_applied"]
    for use in credit_uses(context):
        done = is_there(context, use.key) or posted_use(context, use.source_key)
        if use.source_key not in numbers and done:
            yield from ((a.invoice_number, a.amount) for a in use.applications)
    for draft in planned:
        for part in draft.parts:
            if _is_there(context, part):
                yield from ((a.invoice_number, a.amount) for a in part.applications)


def _still_to_apply(context: Context, draft: Payment | CreditUse) -> list[Application]:
    parts = [part for part in draft.parts if not _is_there(context, part)]
    return [a for part in parts for a in part.applications if not a.problem]


def _is_there(context: Context, part: Part) -> bool:
    """Return whether QuickBooks has a part of a receipt from us: what is open there is without it."""
    return context.has_part(part.key) or bool(context.known_as(part.key, part.amount))


def payment_operations(context: Context, draft: Payment | CreditUse) -> list[Operation]:
    """Return the ReceivePaymentAdd of each part that QuickBooks does not have yet."""
    if isinstance(draft, CreditUse):
        return [credit_use_operation(context, draft)]
    return [_part_operation(context, draft, part) for part in draft.parts if not context.has_part(part.key)]


def _part_operation(context: Context, draft: Payment, part: Part) -> Operation:
    method = context.payment_methods[draft.row["method"]]
    account = context.ar_account or {}
    deposit = context.payment_account(draft.row["method"]) or {}
    fields: dict[str, Any] = {
        "CustomerRef": part.target.reference,
        "ARAccountRef": by_id(account),
        "TxnDate": day(draft.row["effective_date"]),
        "RefNumber": draft.ref_number,
        "TotalAmount": money(part.amount),
        "PaymentMethodRef": {"ListID": method["payment_method_list_id"]},
        "Memo": memo(draft.source_key, part.key),
        "DepositToAccountRef": by_id(deposit),
        "ExternalGUID": external_guid(part.key),
    }
    applied = [
        {"TxnID": a.txn_id or {"operation": a.operation}, "PaymentAmount": money(a.amount)}
        for a in part.applications
    ]
    if applied:
        fields["AppliedToTxnAdd"] = applied
    else:
        fields["IsAutoApply"] = False
    unapplied = part.amount - sum((a.amount for a in part.applications), ZERO)
    expected = {
        "customer_list_id": part.target.list_id,
        "customer_full_name": None if part.target.list_id else part.target.full_name,
        "txn_date": fields["TxnDate"],
        "ref_number": draft.ref_number,
        "ar_account_list_id": account["list_id"],
        "ar_account_full_name": account["full_name"],
        "deposit_to_account_full_name": deposit["full_name"],
        "total_amount": money(part.amount),
        "unapplied": money(unapplied),
        "applied": [
            {"invoice_number": a.invoice_number, "txn_id": line["TxnID"], "amount": line["PaymentAmount"]}
            for a, line in zip(part.applications, applied, strict=True)
        ],
    }
    needed = {a.operation for a in part.applications if a.operation}
    return Operation(
        part.key,
        "ReceivePaymentAdd",
        "payment",
        fields,
        expected,
        amount=part.amount,
        depends_on=needed | part.target.depends_on,
        customer=part.target,
    )


def credit_use_operation(context: Context, draft: CreditUse) -> Operation:
    """Return the ReceivePaymentAdd of 0.00 that applies QuickBooks' own credit to an invoice.

    Source: qbXML 13.0 schema, ``ReceivePaymentAdd/AppliedToTxnAdd/SetCredit``. Its answer tells nothing of
    the credit: that it was applied shows when the credit is read again.
    """
    [application] = draft.applications
    account = context.ar_account or {}
    amount = draft.amount or ZERO
    credit = draft.credit or {}
    txn_id = application.txn_id or {"operation": application.operation}
    deposit = context.accounts.get(context.settings.deposit_account("Cash") or "")
    fields: dict[str, Any] = {
        "CustomerRef": application.target.reference,
        "ARAccountRef": by_id(account),
        "TxnDate": day(draft.date or context.cutover),
        "TotalAmount": money(ZERO),
        "Memo": memo(draft.number, draft.key),
        "ExternalGUID": external_guid(draft.key),
        "AppliedToTxnAdd": [
            {
                "TxnID": txn_id,
                "SetCredit": [{"CreditTxnID": credit["quickbooks_id"], "AppliedAmount": money(amount)}],
            }
        ],
    }
    if deposit:
        fields["DepositToAccountRef"] = by_id(deposit)
    expected = {
        "customer_list_id": application.target.list_id,
        "customer_full_name": None if application.target.list_id else application.target.full_name,
        "txn_date": fields["TxnDate"],
        "ar_account_list_id": account["list_id"],
        "ar_account_full_name": account["full_name"],
        "total_amount": money(ZERO),
        "unapplied": money(ZERO),
        "applied": [
            {"invoice_number": application.invoice_number, "txn_id": txn_id, "amount": money(ZERO)},
        ],
    }
    needed = {application.operation} if application.operation else set()
    return Operation(
        draft.key,
        "ReceivePaymentAdd",
        "payment",
        fields,
        expected,
        amount=ZERO,
        depends_on=needed | application.target.depends_on,
        customer=application.target,
    )
