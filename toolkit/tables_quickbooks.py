"""The ``quickbooks.*`` tables: what an import lands, one declaration a table.

Column names are the qbXML names in snake_case; a reference ``CustomerRef`` gives ``customer_list_id`` and
``customer_full_name``. Here stand the transactions; the lists are declared in ``tables_lists.py``.
Source: qbXML 13.0 schema, Ret aggregates.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    EXCHANGE_RATE,
    IMPORTED,
    INTEGER,
    LEFT_AT,
    MONEY,
    RATE,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    address,
    reference,
)
from toolkit.tables_lists import LIST_TABLES


def _txn_head() -> tuple[Column, ...]:
    return (
        Column("txn_id", TEXT, "TxnID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        Column("txn_number", INTEGER, "TxnNumber"),
        *reference("customer", "CustomerRef"),
    )


def _document_middle() -> tuple[Column, ...]:
    return (
        *reference("class", "ClassRef"),
        *reference("ar_account", "ARAccountRef"),
        *reference("template", "TemplateRef"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        *address("bill_address", "BillAddress"),
        Column("is_pending", BOOLEAN, "IsPending"),
        Column("po_number", TEXT, "PONumber"),
        *reference("terms", "TermsRef"),
        Column("due_date", DATE, "DueDate"),
        Column("subtotal", MONEY, "Subtotal"),
        *reference("item_sales_tax", "ItemSalesTaxRef"),
        Column("sales_tax_percentage", RATE, "SalesTaxPercentage"),
        Column("sales_tax_total", MONEY, "SalesTaxTotal"),
    )


def _document_tail() -> tuple[Column, ...]:
    return (
        *reference("currency", "CurrencyRef"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("memo", TEXT, "Memo"),
        Column("is_to_be_printed", BOOLEAN, "IsToBePrinted"),
        Column("is_to_be_emailed", BOOLEAN, "IsToBeEmailed"),
        *reference("customer_sales_tax_code", "CustomerSalesTaxCodeRef"),
        Column("other", TEXT, "Other"),
        Column("external_guid", TEXT, "ExternalGUID"),
        LEFT_AT,
        *IMPORTED,
    )


INVOICES = Table(
    "quickbooks.invoices",
    "One invoice.",
    (
        *_txn_head(),
        *_document_middle(),
        Column("applied_amount", MONEY, "AppliedAmount", help="Negative, as QuickBooks sends it."),
        Column("balance_remaining", MONEY, "BalanceRemaining"),
        Column("balance_remaining_in_home_currency", MONEY, "BalanceRemainingInHomeCurrency"),
        Column("is_paid", BOOLEAN, "IsPaid"),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("InvoiceRet",),
)

CREDIT_MEMOS = Table(
    "quickbooks.credit_memos",
    "One credit memo.",
    (
        *_txn_head(),
        *_document_middle(),
        Column("total_amount", MONEY, "TotalAmount"),
        Column("credit_remaining", MONEY, "CreditRemaining"),
        Column("credit_remaining_in_home_currency", MONEY, "CreditRemainingInHomeCurrency"),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("CreditMemoRet",),
)


def _lines(name: str, doc: str, parent: str, line: str, group: str) -> Table:
    return Table(
        name,
        doc,
        (
            Column("txn_id", TEXT, required=True, help="The document."),
            Column("line_number", INTEGER, required=True, help="Place on the document, from 1."),
            Column(
                "line_kind", TEXT, required=True, help="line, group (a header without amount) or description."
            ),
            Column("txn_line_id", TEXT, "TxnLineID"),
            Column("group_line_id", TEXT, help="TxnLineID of the group the line stands in."),
            *reference("item", "ItemRef|ItemGroupRef"),
            Column("description", TEXT, "Desc"),
            Column("quantity", RATE, "Quantity"),
            Column("unit_of_measure", TEXT, "UnitOfMeasure"),
            Column("rate", RATE, "Rate"),
            Column("rate_percent", RATE, "RatePercent"),
            *reference("class", "ClassRef"),
            Column("amount", MONEY, "Amount"),
            Column("service_date", DATE, "ServiceDate"),
            *reference("sales_tax_code", "SalesTaxCodeRef"),
            Column("other1", TEXT, "Other1"),
            Column("other2", TEXT, "Other2"),
            *IMPORTED,
        ),
        key=("txn_id", "line_number"),
        rets=(line, group),
        parent=parent,
        parent_key="txn_id",
    )


INVOICE_LINES = _lines(
    "quickbooks.invoice_lines",
    "One line of an invoice, in the order of the document.",
    "quickbooks.invoices",
    "InvoiceLineRet",
    "InvoiceLineGroupRet",
)
CREDIT_MEMO_LINES = _lines(
    "quickbooks.credit_memo_lines",
    "One line of a credit memo, in the order of the document.",
    "quickbooks.credit_memos",
    "CreditMemoLineRet",
    "CreditMemoLineGroupRet",
)

PAYMENTS = Table(
    "quickbooks.payments",
    "One payment received.",
    (
        *_txn_head(),
        *reference("ar_account", "ARAccountRef"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("total_amount", MONEY, "TotalAmount"),
        *reference("currency", "CurrencyRef"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("total_amount_in_home_currency", MONEY, "TotalAmountInHomeCurrency"),
        *reference("payment_method", "PaymentMethodRef"),
        Column("memo", TEXT, "Memo"),
        *reference("deposit_to_account", "DepositToAccountRef"),
        Column("unused_payment", MONEY, "UnusedPayment"),
        Column("unused_credits", MONEY, "UnusedCredits"),
        Column("external_guid", TEXT, "ExternalGUID"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("txn_id",),
    rets=("ReceivePaymentRet",),
)

PAYMENT_APPLICATIONS = Table(
    "quickbooks.payment_applications",
    "One document that a payment was applied to.",
    (
        Column("payment_txn_id", TEXT, required=True),
        Column("txn_id", TEXT, "TxnID"),
        Column("txn_type", TEXT, "TxnType"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("balance_remaining", MONEY, "BalanceRemaining"),
        Column("amount", MONEY, "Amount"),
        Column("discount_amount", MONEY, "DiscountAmount"),
        *reference("discount_account", "DiscountAccountRef"),
        *IMPORTED,
    ),
    key=("payment_txn_id", "txn_id"),
    rets=("AppliedToTxnRet",),
    parent="quickbooks.payments",
    parent_key="payment_txn_id",
)

LINKED_TRANSACTIONS = Table(
    "quickbooks.linked_transactions",
    "One transaction linked to an invoice or credit memo.",
    (
        Column("owner_table", TEXT, required=True, help="quickbooks.invoices or quickbooks.credit_memos."),
        Column("owner_txn_id", TEXT, required=True),
        Column("txn_id", TEXT, "TxnID"),
        Column("txn_type", TEXT, "TxnType"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("link_type", TEXT, "LinkType"),
        Column("amount", MONEY, "Amount"),
        *IMPORTED,
    ),
    rets=("LinkedTxn",),
    parent="quickbooks.invoices|quickbooks.credit_memos",
    parent_key="owner_txn_id",
)

CUSTOM_FIELDS = Table(
    "quickbooks.custom_fields",
    "One custom field of a record or line.",
    (
        Column("owner_table", TEXT, required=True),
        Column(
            "owner_key", TEXT, required=True, help="ListID or TxnID of the record; of a line, its TxnLineID."
        ),
        Column("owner_id", TEXT, "OwnerID"),
        Column("name", TEXT, "DataExtName"),
        Column("type", TEXT, "DataExtType"),
        Column("value", TEXT, "DataExtValue"),
        *IMPORTED,
    ),
    rets=("DataExtRet",),
)
QUICKBOOKS_TABLES = (
    INVOICES,
    INVOICE_LINES,
    PAYMENTS,
    PAYMENT_APPLICATIONS,
    CREDIT_MEMOS,
    CREDIT_MEMO_LINES,
    LINKED_TRANSACTIONS,
    CUSTOM_FIELDS,
    *LIST_TABLES,
)
