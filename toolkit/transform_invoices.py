"""BluBilling invoices as invoices and credit memos of QuickBooks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from toolkit.checks_context import Context
from toolkit.checks_documents import counted, fits, posted_lines
from toolkit.checks_drafts import ZERO, Document, Line, Operation, Row, Target
from toolkit.checks_taxes import computed_tax, header_tax_item, line_tax_code
from toolkit.transform_fields import by_id, day, external_guid, memo, money, number


def invoice_draft(context: Context, row: Row) -> Document:
    """Return the draft of one invoice; a negative one becomes a credit memo."""
    invoice, amount = row["invoice_number"], row["current_amount_due"]
    return Document(
        "invoice",
        f"credit_memo:{invoice}" if amount < 0 else f"invoice:{invoice}",
        "billing.invoices",
        invoice,
        row,
        account=row["account_number"],
        date=row["invoice_date"],
        amount=amount,
        currency=row["currency"] or context.home_currency,
        lines=context.lines(invoice),
    )


def invoice_operation(context: Context, draft: Document) -> Operation:
    """Return the InvoiceAdd of an invoice, or the CreditMemoAdd of a negative one, its amounts turned."""
    lines = posted_lines(context, draft)
    turned = draft.is_credit_memo
    request = "CreditMemo" if turned else "Invoice"
    item, _ = header_tax_item(context, draft)
    tax = computed_tax(context, draft) if context.settings["tax_mode"] == "quickbooks" else ZERO
    subtotal = sum((line.amount for line in lines), ZERO)
    if turned:
        tax, subtotal = -tax, -subtotal
    operation = document(context, draft, request, draft.row["due_date"], item, draft.source_key)
    operation.fields[f"{request}LineAdd"] = [_line(context, draft, line) for line in lines]
    operation.depends_on |= {line.operation for line in lines if line.operation}
    return expect(operation, subtotal, tax)


def document(
    context: Context, draft: Document, request: str, due: Any, tax_item: str | None, text: str
) -> Operation:
    """Return the header of an invoice or credit memo: nothing is left to QuickBooks' defaults."""
    target: Target = context.target(draft.account or "")
    account, code = context.ar_account or {}, context.non_taxable_code
    terms = context.terms_of(context.billing_customers.get(draft.account or "", {}))
    fields: dict[str, Any] = {
        "CustomerRef": target.reference,
        "ARAccountRef": by_id(account),
        "TxnDate": day(draft.row["invoice_date" if draft.kind == "invoice" else "effective_date"]),
        "RefNumber": draft.ref_number,
        "IsPending": False,
        "DueDate": day(due),
        "Memo": memo(text, draft.key),
        "IsToBePrinted": False,
        "IsToBeEmailed": False,
        "ExternalGUID": external_guid(draft.key),
    }
    if terms and draft.kind == "invoice" and request == "Invoice":
        fields["TermsRef"] = {"ListID": terms["terms_list_id"]}
    if group := class_of_customer(context, target):
        fields["ClassRef"] = {"ListID": group}
    if context.uses_sales_tax and tax_item and code:
        fields["ItemSalesTaxRef"] = {"ListID": tax_item}
        fields["CustomerSalesTaxCodeRef"] = by_id(_header_code(context, draft, tax_item) or code)
    expected: dict[str, Any] = {
        "customer_list_id": target.list_id,
        # A name may change in QuickBooks before the answer comes: where there is a ListID, it decides.
        "customer_full_name": None if target.list_id else target.full_name,
        "txn_date": fields["TxnDate"],
        "due_date": fields["DueDate"],
        "ref_number": draft.ref_number,
        "ar_account_list_id": account["list_id"],
        "ar_account_full_name": account["full_name"],
    }
    kind = "credit_memo" if request == "CreditMemo" else "invoice"
    return Operation(
        draft.key,
        f"{request}Add",
        kind,
        fields,
        expected,
        depends_on=set(target.depends_on),
        customer=target,
    )


def class_of_customer(context: Context, target: Target) -> str | None:
    """Return the ListID of the class that a company which keeps classes on names has on this customer."""
    if context.classes_are_assigned_to in (None, "Items", "Accounts"):
        return None
    list_id: str | None = context.quickbooks_customers.get(target.list_id or "", {}).get("class_list_id")
    return list_id


def class_of_item(context: Context, item: Row | None) -> str | None:
    """Return the ListID of the class that a company which keeps classes on items has on this item."""
    if item is None or context.classes_are_assigned_to in (None, "Names", "Accounts"):
        return None
    list_id: str | None = item.get("class_list_id")
    return list_id


def _header_code(context: Context, draft: Document, tax_item: str) -> Row | None:
    """Return the customer's code on this document: taxable only where QuickBooks computes a tax on it."""
    zero = context.zero_tax_item["list_id"] if context.zero_tax_item else None
    if context.settings["tax_mode"] != "quickbooks" or tax_item == zero:
        return context.non_taxable_code
    return context.taxable_code or context.non_taxable_code


def expect(operation: Operation, subtotal: Decimal, tax: Decimal) -> Operation:
    """Say what the answer must hold: the exchange compares it on arrival."""
    operation.amount = subtotal + tax
    operation.expected |= {"subtotal": money(subtotal), "tax": money(tax), "total": money(subtotal + tax)}
    return operation


def _line(context: Context, draft: Document, line: Line) -> dict[str, Any]:
    """Return one line: quantity and amount, never a rate, for the amount is the fact."""
    row, turned = line.row, draft.is_credit_memo
    charge = context.charge_matches.get((row["contract_code"], row["price_code"]), {})
    text = row["description"] or charge.get("invoice_text") or row["price_code"]
    fields: dict[str, Any] = {"ItemRef": line.reference, "Desc": text}
    if counted(line):
        quantity: Decimal = row["quantity"]
        backwards = turned and not (row["unit_price"] is not None and row["unit_price"] < 0)
        if fits(quantity):
            fields["Quantity"] = number(-quantity if backwards else quantity)
        else:
            # QuickBooks has five decimals: a sixth is kept as text, never rounded.
            fields["Desc"] = f"{text} (quantity {number(quantity)})"
    fields["Amount"] = money(-line.amount if turned else line.amount)
    if group := class_of_item(context, line.item):
        fields["ClassRef"] = {"ListID": group}
    code = line_tax_code(context, draft, line)
    if context.uses_sales_tax and code:
        fields["SalesTaxCodeRef"] = {"ListID": code}
    return fields
