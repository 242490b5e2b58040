"""BluBilling payments as payments received: split by QuickBooks customer, applied by TxnID."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Application, Document, Operation, Part, Payment, Row, Target
from toolkit.transform_fields import by_id, day, external_guid, memo, money

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
    """Return what a payment pays, one entry an invoice: QuickBooks takes an invoice once a payment."""
    sums: dict[str, Decimal] = {}
    for row in context.applied.get(draft.source_key, []):
        sums[row["invoice_number"]] = sums.get(row["invoice_number"], ZERO) + row["amount_applied"]
    return [_application(context, draft, number, amount) for number, amount in sums.items()]


def _application(context: Context, draft: Payment, number: str, amount: Decimal) -> Application:
    """Find what an application pays: an invoice of QuickBooks, or one that an operation makes."""
    account = context.invoices.get(number, {}).get("account_number") or draft.account or ""
    target: Target = context.target(account)
    bound = context.crosswalk.get(("invoice", number))
    if bound:
        txn_id: str = bound["quickbooks_id"]
        known = context.quickbooks_invoices.get(txn_id, {}).get("customer_list_id")
        list_id = bound["customer_list_id"] or known or target.list_id
        if list_id and list_id != target.list_id:
            target = context.target_of(list_id, account)
        return Application(number, amount, target, txn_id=txn_id)
    key = f"invoice:{number}"
    made = context.drafts.get(key) or context.drafts.get(f"credit_memo:{number}")
    if key in context.in_flight or (made and (not made.stays or (made.left_out or ("",))[0] in WAITS)):
        if isinstance(made, Document) and made.is_credit_memo:
            problem = "it is negative and goes as a credit memo, which cannot be paid"
            return Application(number, amount, target, problem=problem)
        return Application(number, amount, target, operation=key)
    if made and made.left_out:
        return Application(number, amount, target, problem=f"it stays behind: {made.left_out[1]}")
    if number in context.invoices:
        problem = "it is neither in QuickBooks nor in this export: export it first or with the payment"
        return Application(number, amount, target, problem=problem)
    return Application(number, amount, target, problem="BluBilling's invoices have no such number")


def find_overpaid(context: Context, drafts: Iterable[Payment]) -> dict[str, list[str]]:
    """Return what would pay more than is open on an invoice: payment number to messages.

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
    bound = context.crosswalk.get(("invoice", number), {})
    total: Decimal | None = bound.get("amount")
    if total is None:
        total = context.invoices.get(number, {}).get("current_amount_due")
    return ZERO if total is None else total


def _paid_before(context: Context, planned: Iterable[Payment]) -> Iterable[tuple[str, Decimal]]:
    """Yield what QuickBooks has of payments, or will have by another job: invoice and amount."""
    numbers = {draft.source_key for draft in planned}
    for payment in context.paid_before - numbers:
        for row in context.applied.get(payment, []):
            yield row["invoice_number"], row["amount_applied"]
    for draft in planned:
        for part in draft.parts:
            if _is_there(context, part):
                yield from ((a.invoice_number, a.amount) for a in part.applications)


def _still_to_apply(context: Context, draft: Payment) -> list[Application]:
    parts = [part for part in draft.parts if not _is_there(context, part)]
    return [a for part in parts for a in part.applications if not a.problem]


def _is_there(context: Context, part: Part) -> bool:
    """Return whether QuickBooks has a part of a receipt from us: what is open there is without it."""
    return context.has_part(part.key) or bool(context.known_as(part.key, part.amount))


def payment_operations(context: Context, draft: Payment) -> list[Operation]:
    """Return the ReceivePaymentAdd of each part that QuickBooks does not have yet."""
    return [_part_operation(context, draft, part) for part in draft.parts if not context.has_part(part.key)]


def _part_operation(context: Context, draft: Payment, part: Part) -> Operation:
    method = context.payment_methods[draft.row["method"]]
    account = context.ar_account or {}
    deposit = context.accounts[context.settings.deposit_account(draft.row["method"]) or ""]
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
