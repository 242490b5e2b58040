"""BluBilling invoices and house credits as invoices and credit memos of QuickBooks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from toolkit.checks_context import Context
from toolkit.checks_documents import computed_tax, counted, fits, header_tax_item, line_tax_code, posted_lines
from toolkit.checks_drafts import ZERO, Document, Line, Operation, Row, Target
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


def credit_draft(context: Context, row: Row) -> Document:
    """Return the draft of one adjustment."""
    return Document(
        "credit",
        f"credit_memo:{row['adjustment_id']}",
        "billing.adjustments",
        row["adjustment_id"],
        row,
        account=row["account_number"],
        date=row["effective_date"],
        amount=row["amount"],
        currency=context.home_currency,
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
    operation = _document(context, draft, request, draft.row["due_date"], item, draft.source_key)
    operation.fields[f"{request}LineAdd"] = [_line(context, line, turned=turned) for line in lines]
    operation.depends_on |= {line.operation for line in lines if line.operation}
    return _expect(operation, subtotal, tax)


def credit_operation(context: Context, draft: Document) -> Operation:
    """Return the CreditMemoAdd of a house credit on the item of the setting ``credit_item``."""
    row, amount = draft.row, draft.amount or ZERO
    name: str = context.settings["credit_item"]
    item = context.find_item(None, name)
    zero = context.zero_tax_item["list_id"] if context.zero_tax_item else None
    text = " ".join(filter(None, [draft.source_key, row["reason_text"]]))
    operation = _document(context, draft, "CreditMemo", draft.date, zero, text)
    line: dict[str, Any] = {
        "ItemRef": by_id(item) if item else {"ListID": {"operation": f"item:{name}"}},
        "Desc": row["reason_text"] or draft.source_key,
        "Amount": money(amount),
    }
    if context.uses_sales_tax and context.non_taxable_code:
        line["SalesTaxCodeRef"] = by_id(context.non_taxable_code)
    operation.fields["CreditMemoLineAdd"] = [line]
    operation.depends_on |= set() if item else {f"item:{name}"}
    return _expect(operation, amount, ZERO)


def _document(
    context: Context, draft: Document, request: str, due: Any, tax_item: str | None, text: str
) -> Operation:
    """Return the header of an invoice or credit memo: nothing is left to QuickBooks' defaults."""
    target: Target = context.target(draft.account or "")
    account, code = context.ar_account or {}, context.non_taxable_code
    fields: dict[str, Any] = {
        "CustomerRef": target.reference,
        "ARAccountRef": by_id(account),
        "TxnDate": day(draft.row["invoice_date"] if draft.kind == "invoice" else draft.row["effective_date"]),
        "RefNumber": draft.ref_number,
        "IsPending": False,
        "DueDate": day(due),
        "Memo": memo(text, draft.key),
        "IsToBePrinted": False,
        "IsToBeEmailed": False,
        "ExternalGUID": external_guid(draft.key),
    }
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


def _header_code(context: Context, draft: Document, tax_item: str) -> Row | None:
    """Return the customer's code on this document: taxable only where QuickBooks computes a tax on it."""
    zero = context.zero_tax_item["list_id"] if context.zero_tax_item else None
    if context.settings["tax_mode"] != "quickbooks" or tax_item == zero:
        return context.non_taxable_code
    wanted = context.company.get("default_taxable_code_full_name")
    codes = [row for name, row in context.tax_codes.items() if row["is_taxable"] and wanted in (None, name)]
    return codes[0] if codes else context.non_taxable_code


def _expect(operation: Operation, subtotal: Decimal, tax: Decimal) -> Operation:
    """Say what the answer must hold: the exchange compares it on arrival."""
    operation.amount = subtotal + tax
    operation.expected |= {"subtotal": money(subtotal), "tax": money(tax), "total": money(subtotal + tax)}
    return operation


def _line(context: Context, line: Line, *, turned: bool) -> dict[str, Any]:
    """Return one line: quantity and amount, never a rate, for the amount is the fact."""
    row = line.row
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
    code = line_tax_code(context, line)
    if context.uses_sales_tax and code:
        fields["SalesTaxCodeRef"] = {"ListID": code}
    return fields
