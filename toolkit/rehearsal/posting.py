"""What all transactions share: accounts, periods, currencies, and applying one to another.

Source: PROTOCOL 8.4. An invoice's ``AppliedAmount`` is negative, as QuickBooks sends it.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

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


def checked_credits(
    books: Books, target: Record, sent: list[dict[str, Any]], left: dict[str, Decimal]
) -> list[tuple[Record, Decimal]]:
    """Return the credit memos or unused payments behind SetCredit elements, with what is taken of each.

    Parameters
    ----------
    left
        What each credit has left by TxnID after the elements checked so far; it is brought up to date.

    Raises
    ------
    Rejected
        3120 for one that is not there, or another customer's; 3180 for one of another A/R account; 3210 for
        more than it has left.
    """
    found = []
    for credit in sent:
        identifier, amount = credit["CreditTxnID"], credit["AppliedAmount"] or ZERO
        source = books.transactions.get(identifier)
        if source is None or source.kind == "Invoice":
            raise not_found(identifier)
        if source.ref("CustomerRef") != target.ref("CustomerRef"):
            raise not_found(identifier)
        if source.ref("ARAccountRef") != target.ref("ARAccountRef"):
            raise cannot_save(source.kind, "All linked transactions must use the same A/R account.")
        left[identifier] = left.get(identifier, remaining(source)) - amount
        if amount <= 0 or left[identifier] < 0:
            raise Rejected(
                3210,
                f'The "credit amount" field has an invalid value "{amount}".  QuickBooks error message: '
                "You cannot apply more than the credit that is left.",
            )
        found.append((source, amount))
    return found


def pay_too_much() -> Rejected:
    """Return the rejection of an application beyond the balance."""
    return Rejected(
        3210,
        'The "payment amount" field has an invalid value.  QuickBooks error message: '
        "You cannot pay more than the amount due.",
    )


def receivable(books: Books, ref: dict[str, Any] | None, kind: str, customer: Record) -> dict[str, Any]:
    """Return the A/R account of a new transaction: the one named, else the company's first.

    Raises
    ------
    Rejected
        3180: it is no A/R account, there is none, or it is of another currency than the customer.
    """
    accounts = books.lists["Account"]
    if ref:
        account = accounts[ref["ListID"]]
        if account.fields.get("AccountType") != "AccountsReceivable":
            raise cannot_save(kind, f"{account.name} is not an accounts receivable account.")
    else:
        open_accounts = [one for one in accounts.values() if one.active]
        found = [one for one in open_accounts if one.fields.get("AccountType") == "AccountsReceivable"]
        if not found:
            raise cannot_save(kind, "There is no accounts receivable account.")
        account = found[0]
    currencies = {account.ref("CurrencyRef"), customer.ref("CurrencyRef")} - {None}
    if len(currencies) > 1:
        raise cannot_save(kind, "The currency of the customer and of the A/R account differ.")
    return {"ListID": account.id, "FullName": account.name}


def check_closed(books: Books, day: date, code: int) -> None:
    """Reject a change in the closed period."""
    closing = books.about.get("AccountingPreferences", "ClosingDate")
    if closing and day <= closing:
        raise Rejected(code, "The date of the transaction is on or before the closing date of the company.")


def set_currency(books: Books, fields: dict[str, Any], customer: Record) -> None:
    """Give a document its customer's currency; a rate without the preference is not available (3250)."""
    if not books.about.get("MultiCurrencyPreferences", "IsMultiCurrencyOn"):
        if fields.get("ExchangeRate") is not None:
            raise not_available()
        return
    fields["CurrencyRef"] = customer.fields.get("CurrencyRef") or books.about.get(
        "MultiCurrencyPreferences", "HomeCurrencyRef"
    )
    fields.setdefault("ExchangeRate", Decimal(1))


def apply(
    books: Books,
    source: Record,
    target: Record,
    amount: Decimal,
    moment: datetime,
    discount: Decimal = ZERO,
    discount_account: dict[str, Any] | None = None,
) -> None:
    """Apply a payment or credit memo to an invoice, on both sides; all checks were made before.

    Notes
    -----
    The invoice's link carries the discount too, so that its links add up to its AppliedAmount (unconfirmed).
    """
    fields = target.fields
    fields["AppliedAmount"] = (fields.get("AppliedAmount") or ZERO) - amount - discount
    fields.setdefault("LinkedTxn", []).append(_link(source, -amount - discount))
    if source.kind == "ReceivePayment":
        row = {"TxnID": target.id, "TxnType": target.kind, "Amount": amount}
        if discount:
            row |= {"DiscountAmount": discount, "DiscountAccountRef": discount_account}
        source.fields["AppliedToTxnRet"].append(row)
        source.fields["UnusedPayment"] -= amount
    else:
        source.fields.setdefault("LinkedTxn", []).append(_link(target, -amount))
        source.fields["CreditRemaining"] -= amount
    for record in (source, target):
        if record.fields["TimeModified"] != moment:
            books.touch(record, moment)


def _link(other: Record, amount: Decimal) -> dict[str, Any]:
    return {
        "TxnID": other.id,
        "TxnType": other.kind,
        "TxnDate": other.fields.get("TxnDate"),
        "RefNumber": other.fields.get("RefNumber"),
        "LinkType": "AMTTYPE",
        "Amount": amount,
    }


def _links(record: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = record.fields.get(
        "AppliedToTxnRet" if record.kind == "ReceivePayment" else "LinkedTxn", []
    )
    return found


def check_free(books: Books, record: Record, code: int) -> None:
    """Reject a change of a transaction that is linked to one these books do not hold, such as a deposit."""
    for link in _links(record):
        if link["TxnID"] not in books.transactions:
            raise Rejected(
                code, f'Object "{record.id}" is linked to "{link["TxnID"]}" and cannot be changed.'
            )


def release(books: Books, record: Record, moment: datetime) -> None:
    """Take back every application of a transaction, on both sides."""
    for identifier in dict.fromkeys([link["TxnID"] for link in _links(record)]):
        other = books.transactions[identifier]
        invoice, source = (record, other) if record.kind == "Invoice" else (other, record)
        if source.kind == "ReceivePayment":
            rows = source.fields["AppliedToTxnRet"]
            mine = [row for row in rows if row["TxnID"] == invoice.id]
            used = sum((row["Amount"] or ZERO for row in mine), ZERO)
            discount = sum((row.get("DiscountAmount") or ZERO for row in mine), ZERO)
            rows[:] = [row for row in rows if row["TxnID"] != invoice.id]
            source.fields["UnusedPayment"] += used
        else:
            links = [row for row in source.fields["LinkedTxn"] if row["TxnID"] == invoice.id]
            used, discount = sum((abs(row["Amount"]) for row in links), ZERO), ZERO
            source.fields["CreditRemaining"] += used
            _unlink(source, invoice.id)
        invoice.fields["AppliedAmount"] += used + discount
        _unlink(invoice, source.id)
        books.touch(other, moment)


def _unlink(record: Record, identifier: str) -> None:
    record.fields["LinkedTxn"] = [
        link for link in record.fields.get("LinkedTxn", []) if link["TxnID"] != identifier
    ]
