"""Receiving payments.

Source: PROTOCOL 8.4 (``ReceivePaymentAdd``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from toolkit.rehearsal.answers import Outcome
from toolkit.rehearsal.books import (
    ZERO,
    Books,
    Record,
    Rejected,
    cannot_save,
    not_available,
    not_found,
    remaining,
)
from toolkit.rehearsal.lists import set_references
from toolkit.rehearsal.posting import (
    apply,
    check_closed,
    checked_credits,
    pay_too_much,
    receivable,
    set_currency,
)
from toolkit.rehearsal.reading import Incoming

SAME_CUSTOMER_ONLY = True
"""Whether a payment can be applied only to invoices of its own ListID, not of its jobs (unconfirmed)."""

# Where money may be deposited: banks, and current assets such as Undeposited Funds and clearing accounts.
DEPOSIT_TYPES = ("Bank", "OtherCurrentAsset")


@dataclass(slots=True)
class _Application:
    """One invoice that a payment pays, checked."""

    target: Record
    amount: Decimal
    discount: Decimal = ZERO
    discount_account: dict[str, Any] | None = None
    credits: list[tuple[Record, Decimal]] = field(default_factory=list)


def payment_add(books: Books, request: Incoming) -> Outcome:
    """Receive a payment, applied to named invoices, by itself, or not at all."""
    values = request.values["ReceivePaymentAdd"]
    if "CreditCardTxnInfo" in values:
        raise not_available()
    sent = values.pop("AppliedToTxnAdd", [])
    values.pop("*", None)
    automatic = values.pop("IsAutoApply", None)
    set_references(books, values, "ReceivePayment")
    fields: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    if not fields.get("CustomerRef"):
        raise Rejected(3150, "There is a missing element: CustomerRef.")
    customer = books.need("CustomerRef", fields["CustomerRef"], "ReceivePayment")
    fields["ARAccountRef"] = receivable(books, fields.get("ARAccountRef"), "ReceivePayment", customer)
    check_closed(books, fields.setdefault("TxnDate", books.today()), 3171)
    set_currency(books, fields, customer)
    _deposit(books, fields)
    # Without a total the payment is what was applied (unconfirmed).
    amounts = sum((row.get("PaymentAmount") or ZERO for row in sent), ZERO)
    whole = fields.setdefault("TotalAmount", amounts)
    if whole < 0 or amounts > whole:
        raise pay_too_much()
    payment = Record("ReceivePaymentRet", fields | {"UnusedPayment": whole, "AppliedToTxnRet": []})
    applications = _checked(books, payment, sent) if sent else []
    if automatic:
        applications = _automatic(books, payment)
    return _posted(books, payment, applications)


def _posted(books: Books, payment: Record, applications: list[_Application]) -> Outcome:
    moment = books.tick()
    head = books.head("TxnID", books.txn_id(moment), moment) | {"TxnNumber": books.txn_number()}
    payment.fields = {**head, **payment.fields}
    books.post(payment)
    for one in applications:
        for source, amount in one.credits:
            apply(books, source, one.target, amount, moment)
        if one.amount or one.discount:
            apply(books, payment, one.target, one.amount, moment, one.discount, one.discount_account)
    return Outcome(records=[payment])


def _deposit(books: Books, fields: dict[str, Any]) -> None:
    """Check where the money goes; Undeposited Funds where nothing is said."""
    accounts = books.lists["Account"]
    if not fields.get("DepositToAccountRef"):
        found = [
            one for one in accounts.values() if one.fields.get("SpecialAccountType") == "UndepositedFunds"
        ]
        found = found or [one for one in accounts.values() if one.name == "Undeposited Funds"]
        if found:
            fields["DepositToAccountRef"] = {"ListID": found[0].id, "FullName": found[0].name}
        return
    account = accounts[fields["DepositToAccountRef"]["ListID"]]
    if account.fields.get("AccountType") not in DEPOSIT_TYPES:
        raise cannot_save("ReceivePayment", f"Money cannot be deposited to {account.name}.")


def _checked(books: Books, payment: Record, sent: list[dict[str, Any]]) -> list[_Application]:
    """Return the applications that were asked for, each checked with those before it in mind."""
    found: list[_Application] = []
    due: dict[str, Decimal] = {}
    left: dict[str, Decimal] = {}
    for row in sent:
        target = _target(books, payment, row["TxnID"])
        one = _Application(target, row.get("PaymentAmount") or ZERO, row.get("DiscountAmount") or ZERO)
        one.credits = checked_credits(books, target, row.get("SetCredit", []), left)
        _check_discount(books, row, one)
        whole = one.amount + one.discount + sum((amount for _, amount in one.credits), ZERO)
        if one.amount < 0 or one.discount < 0:
            raise Rejected(3210, f'The "payment amount" field has an invalid value "{one.amount}".')
        if whole == 0:
            raise Rejected(3150, "There is a missing element: PaymentAmount, SetCredit or DiscountAmount.")
        due[target.id] = due.get(target.id, remaining(target)) - whole
        if due[target.id] < 0:
            raise pay_too_much()
        found.append(one)
    return found


def _check_discount(books: Books, row: dict[str, Any], one: _Application) -> None:
    if one.discount:
        if not row.get("DiscountAccountRef"):
            raise Rejected(3150, "There is a missing element: DiscountAccountRef.")
        account = books.need("DiscountAccountRef", row["DiscountAccountRef"], "ReceivePayment")
        one.discount_account = {"ListID": account.id, "FullName": account.name}


def _target(books: Books, payment: Record, identifier: str) -> Record:
    """Return the open invoice that a payment names; a paid one cannot be found (3120)."""
    target = books.transactions.get(identifier)
    if target is None or target.kind != "Invoice" or target.fields.get("IsPending"):
        raise not_found(identifier)
    if remaining(target) == 0 or (
        SAME_CUSTOMER_ONLY and target.ref("CustomerRef") != payment.ref("CustomerRef")
    ):
        raise not_found(identifier)
    if target.ref("ARAccountRef") != payment.ref("ARAccountRef"):
        raise cannot_save("ReceivePayment", "All linked transactions must use the same A/R account.")
    return target


def _automatic(books: Books, payment: Record) -> list[_Application]:
    """Apply to the one invoice of exactly this amount, else to the oldest first."""
    whole = payment.fields["TotalAmount"]
    invoices = [
        one
        for one in books.of_customer(str(payment.ref("CustomerRef")), "Invoice")
        if remaining(one) > 0
        and not one.fields.get("IsPending")
        and one.ref("ARAccountRef") == payment.ref("ARAccountRef")
    ]
    invoices.sort(key=lambda one: (remaining(one) != whole, one.fields["TxnDate"], one.fields["TxnNumber"]))
    if invoices and remaining(invoices[0]) == whole:
        invoices = invoices[:1]
    found = []
    for invoice in invoices:
        amount = min(whole, remaining(invoice))
        whole -= amount
        if amount:
            found.append(_Application(invoice, amount))
    return found
