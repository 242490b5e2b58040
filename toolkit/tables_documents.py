"""The ``quickbooks.*`` tables of documents: invoices, credit memos and sales receipts, with their lines.

Source: qbXML 13.0 schema, ``InvoiceRet``, ``CreditMemoRet`` and ``SalesReceiptRet``.
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


def txn_head() -> tuple[Column, ...]:
    """Return the columns that every transaction table begins with."""
    return (
        Column("txn_id", TEXT, "TxnID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        Column("txn_number", INTEGER, "TxnNumber"),
        *reference("customer", "CustomerRef"),
    )


def card_transaction() -> tuple[Column, ...]:
    """Return the columns of a credit card transaction: what became of it, nothing about the card."""
    asked, answered = (f"CreditCardTxnInfo/CreditCardTxn{part}Info" for part in ("Input", "Result"))
    return (
        Column("transaction_mode", TEXT, f"{asked}/TransactionMode"),
        Column("credit_card_txn_type", TEXT, f"{asked}/CreditCardTxnType"),
        Column("result_code", INTEGER, f"{answered}/ResultCode"),
        Column("result_message", TEXT, f"{answered}/ResultMessage"),
        Column("credit_card_trans_id", TEXT, f"{answered}/CreditCardTransID"),
        Column("merchant_account_number", TEXT, f"{answered}/MerchantAccountNumber"),
        Column("authorization_code", TEXT, f"{answered}/AuthorizationCode"),
        Column("avs_street", TEXT, f"{answered}/AVSStreet"),
        Column("avs_zip", TEXT, f"{answered}/AVSZip"),
        Column("card_security_code_match", TEXT, f"{answered}/CardSecurityCodeMatch"),
        Column("recon_batch_id", TEXT, f"{answered}/ReconBatchID"),
        Column("payment_grouping_code", INTEGER, f"{answered}/PaymentGroupingCode"),
        Column("payment_status", TEXT, f"{answered}/PaymentStatus"),
        Column("txn_authorization_time", TIMESTAMP, f"{answered}/TxnAuthorizationTime"),
        Column("txn_authorization_stamp", INTEGER, f"{answered}/TxnAuthorizationStamp"),
        Column("client_trans_id", TEXT, f"{answered}/ClientTransID"),
    )


def _document_start() -> tuple[Column, ...]:
    return (
        *reference("template", "TemplateRef"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        *address("bill_address", "BillAddress"),
        *address("ship_address", "ShipAddress"),
        Column("is_pending", BOOLEAN, "IsPending"),
    )


def _document_middle() -> tuple[Column, ...]:
    return (
        Column("due_date", DATE, "DueDate"),
        *reference("sales_rep", "SalesRepRef"),
        Column("fob", TEXT, "FOB"),
        Column("ship_date", DATE, "ShipDate"),
        *reference("ship_method", "ShipMethodRef"),
        Column("subtotal", MONEY, "Subtotal"),
        *reference("item_sales_tax", "ItemSalesTaxRef"),
        Column("sales_tax_percentage", RATE, "SalesTaxPercentage"),
        Column("sales_tax_total", MONEY, "SalesTaxTotal"),
    )


def _document_tail(*last: Column) -> tuple[Column, ...]:
    return (
        *reference("currency", "CurrencyRef"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("memo", TEXT, "Memo"),
        *reference("customer_msg", "CustomerMsgRef"),
        Column("is_to_be_printed", BOOLEAN, "IsToBePrinted"),
        Column("is_to_be_emailed", BOOLEAN, "IsToBeEmailed"),
        Column("is_tax_included", BOOLEAN, "IsTaxIncluded", help="Outside the US."),
        *reference("customer_sales_tax_code", "CustomerSalesTaxCodeRef"),
        Column("other", TEXT, "Other"),
        Column("external_guid", TEXT, "ExternalGUID"),
        *last,
        LEFT_AT,
        *IMPORTED,
    )


def _on_account() -> tuple[Column, ...]:
    return (Column("po_number", TEXT, "PONumber"), *reference("terms", "TermsRef"))


INVOICES = Table(
    "quickbooks.invoices",
    "One invoice.",
    (
        *txn_head(),
        *reference("class", "ClassRef"),
        *reference("ar_account", "ARAccountRef"),
        *_document_start(),
        Column("is_finance_charge", BOOLEAN, "IsFinanceCharge"),
        *_on_account(),
        *_document_middle(),
        Column("applied_amount", MONEY, "AppliedAmount", help="Negative, as QuickBooks sends it."),
        Column("balance_remaining", MONEY, "BalanceRemaining"),
        Column("balance_remaining_in_home_currency", MONEY, "BalanceRemainingInHomeCurrency"),
        Column("is_paid", BOOLEAN, "IsPaid"),
        *_document_tail(
            Column("suggested_discount_amount", MONEY, "SuggestedDiscountAmount"),
            Column("suggested_discount_date", DATE, "SuggestedDiscountDate"),
        ),
    ),
    key=("txn_id",),
    rets=("InvoiceRet",),
)

CREDIT_MEMOS = Table(
    "quickbooks.credit_memos",
    "One credit memo.",
    (
        *txn_head(),
        *reference("class", "ClassRef"),
        *reference("ar_account", "ARAccountRef"),
        *_document_start(),
        *_on_account(),
        *_document_middle(),
        Column("total_amount", MONEY, "TotalAmount"),
        Column("credit_remaining", MONEY, "CreditRemaining"),
        Column("credit_remaining_in_home_currency", MONEY, "CreditRemainingInHomeCurrency"),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("CreditMemoRet",),
)

SALES_RECEIPTS = Table(
    "quickbooks.sales_receipts",
    "One sales receipt: a sale that was paid at once, so that nothing of it is ever open.",
    (
        *txn_head(),
        *reference("class", "ClassRef"),
        *_document_start(),
        Column("check_number", TEXT, "CheckNumber"),
        *reference("payment_method", "PaymentMethodRef"),
        *_document_middle(),
        Column("total_amount", MONEY, "TotalAmount"),
        Column("total_amount_in_home_currency", MONEY, "TotalAmountInHomeCurrency"),
        *reference("deposit_to_account", "DepositToAccountRef"),
        *card_transaction(),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("SalesReceiptRet",),
)


def _lines(name: str, doc: str, kind: str, *last: Column) -> Table:
    line, group = f"{kind}LineRet", f"{kind}LineGroupRet"
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
            Column(
                "group_line_id",
                TEXT,
                help="TxnLineID of the group the line stands in.",
                enclosing=f"{group}/TxnLineID",
            ),
            *reference("item", "ItemRef|ItemGroupRef"),
            Column("description", TEXT, "Desc"),
            Column("quantity", RATE, "Quantity"),
            Column("unit_of_measure", TEXT, "UnitOfMeasure"),
            *reference("override_uom_set", "OverrideUOMSetRef"),
            Column("rate", RATE, "Rate"),
            Column("rate_percent", RATE, "RatePercent"),
            *reference("class", "ClassRef"),
            Column("amount", MONEY, "Amount"),
            Column("tax_amount", MONEY, "TaxAmount", help="Outside the US."),
            Column("is_print_items_in_group", BOOLEAN, "IsPrintItemsInGroup", help="Of a group."),
            Column(
                "group_total_amount", MONEY, "TotalAmount", help="Of a group: what the lines in it add up to."
            ),
            *reference("inventory_site", "InventorySiteRef"),
            *reference("inventory_site_location", "InventorySiteLocationRef"),
            Column("serial_number", TEXT, "SerialNumber"),
            Column("lot_number", TEXT, "LotNumber"),
            Column("service_date", DATE, "ServiceDate"),
            *reference("sales_tax_code", "SalesTaxCodeRef"),
            Column("other1", TEXT, "Other1"),
            Column("other2", TEXT, "Other2"),
            *last,
            *IMPORTED,
        ),
        key=("txn_id", "line_number"),
        rets=(line, group),
        parent=f"{name.removesuffix('_lines')}s",
        parent_key="txn_id",
    )


INVOICE_LINES = _lines(
    "quickbooks.invoice_lines", "One line of an invoice, in the order of the document.", "Invoice"
)
CREDIT_MEMO_LINES = _lines(
    "quickbooks.credit_memo_lines",
    "One line of a credit memo, in the order of the document.",
    "CreditMemo",
    *card_transaction(),
)
SALES_RECEIPT_LINES = _lines(
    "quickbooks.sales_receipt_lines",
    "One line of a sales receipt, in the order of the document.",
    "SalesReceipt",
    *card_transaction(),
)

DOCUMENT_TABLES = (
    INVOICES,
    INVOICE_LINES,
    CREDIT_MEMOS,
    CREDIT_MEMO_LINES,
    SALES_RECEIPTS,
    SALES_RECEIPT_LINES,
)
