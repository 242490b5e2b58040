"""Adjustments of BluBilling as documents of QuickBooks: credit memos, invoices, or payments of house credits.

What lowers a balance is a credit memo on the item of its kind, what raises it an invoice on it. House credits
go as payments instead where the setting ``credit_mode`` says so: deposited to a clearing account, and applied
to the invoices that they name. What has no item is posted by hand.
"""

from __future__ import annotations

from typing import Any

from toolkit.checks_context import Context, debit_key
from toolkit.checks_credits import goes_as_payment, item_name
from toolkit.checks_drafts import ZERO, Document, Operation, Payment, Row
from toolkit.transform_fields import by_id, money
from toolkit.transform_invoices import document, expect
from toolkit.transform_payments import payment_draft

__all__ = ["adjustment_draft", "adjustment_operation", "credit_payment_draft", "credits"]


def adjustment_draft(context: Context, row: Row) -> Document:
    """Return the draft of one adjustment that goes as a credit memo, or as an invoice, or stays."""
    number, amount = row["adjustment_id"], row["amount"]
    lowers = (amount or ZERO) >= 0 or not item_name(context, row)
    return Document(
        "credit",
        f"credit_memo:{number}" if lowers else debit_key(number),
        "billing.adjustments",
        number,
        row,
        account=row["account_number"],
        date=row["effective_date"],
        amount=amount,
        currency=context.home_currency,
    )


def credit_payment_draft(context: Context, row: Row) -> Payment:
    """Return the draft of one house credit that goes as a payment; its invoices must be there before."""
    number = row["adjustment_id"]
    held = row["status"] in ("Draft", "Error", "Cancelled", "CarriedOver")
    as_payment = {
        **row,
        "payment_number": number,
        "payment_type": "Payment",
        "method": context.credit_method(row),
        "check_number": None,
        "currency": None,
        "status": row["status"] if held else "Paid",
        "reverses_payment_number": None,
        "transaction_id": None,
    }
    draft = payment_draft(context, as_payment)
    draft.table = "billing.adjustments"
    return draft


def adjustment_operation(context: Context, draft: Document) -> Operation:
    """Return the CreditMemoAdd of what lowers a balance, or the InvoiceAdd of what raises it."""
    row, amount = draft.row, abs(draft.amount or ZERO)
    name = item_name(context, row) or ""
    item = context.find_item(context.adjustment(row["kind"]).get("item_list_id"), name)
    zero = context.zero_tax_item["list_id"] if context.zero_tax_item else None
    text = " ".join(filter(None, [draft.source_key, row["reason_text"]]))
    request = "CreditMemo" if draft.is_credit_memo else "Invoice"
    operation = document(context, draft, request, draft.date, zero, text)
    line: dict[str, Any] = {
        "ItemRef": by_id(item) if item else {"ListID": {"operation": f"item:{name}"}},
        "Desc": row["reason_text"] or draft.source_key,
        "Amount": money(amount),
    }
    if context.uses_sales_tax and context.non_taxable_code:
        line["SalesTaxCodeRef"] = by_id(context.non_taxable_code)
    operation.fields[f"{request}LineAdd"] = [line]
    operation.depends_on |= set() if item else {f"item:{name}"}
    return expect(operation, amount, ZERO)


def credits(context: Context) -> tuple[list[Document], list[Row]]:
    """Return the drafts of adjustments, and the rows of those that go as payments once invoices are there."""
    rows: list[Row] = [*context.rows("billing.adjustments")]
    later = [row for row in rows if goes_as_payment(context, row)]
    return [adjustment_draft(context, row) for row in rows if not goes_as_payment(context, row)], later
