"""The ``quickbooks.*`` tables: what an import lands, one declaration a table.

Column names are the qbXML names in snake_case; a reference ``CustomerRef`` gives ``customer_list_id`` and
``customer_full_name``. Here stand payments, links, custom fields and deleted transactions; documents, items,
customers, the short lists and the company are declared beside this module. What of a Ret is left behind on
purpose, and why, is in ``tables_left_out.py``.
Source: qbXML 13.0 schema, Ret aggregates.
"""

from __future__ import annotations

from toolkit.columns import (
    DATE,
    EXCHANGE_RATE,
    IMPORTED,
    LEFT_AT,
    MONEY,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    reference,
)
from toolkit.tables_company import COMPANY
from toolkit.tables_customers import CUSTOMER_TABLES
from toolkit.tables_documents import DOCUMENT_TABLES, card_transaction, txn_head
from toolkit.tables_items import ITEM_TABLES
from toolkit.tables_lists import LIST_TABLES

PAYMENTS = Table(
    "quickbooks.payments",
    "One payment received.",
    (
        *txn_head(),
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
        *card_transaction(),
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
        *reference("discount_class", "DiscountClassRef"),
        *IMPORTED,
    ),
    key=("payment_txn_id", "txn_id"),
    rets=("AppliedToTxnRet",),
    parent="quickbooks.payments",
    parent_key="payment_txn_id",
)

LINKED_TRANSACTIONS = Table(
    "quickbooks.linked_transactions",
    "One transaction linked to an invoice, to a credit memo, or to a document that a payment was applied to.",
    (
        Column(
            "owner_table",
            TEXT,
            required=True,
            help="quickbooks.invoices, quickbooks.credit_memos or quickbooks.payments.",
        ),
        Column("owner_txn_id", TEXT, required=True),
        Column(
            "applied_to_txn_id",
            TEXT,
            help="Of a payment: the document the link is told with, of quickbooks.payment_applications.",
            enclosing="AppliedToTxnRet/TxnID",
        ),
        Column("txn_id", TEXT, "TxnID"),
        Column("txn_type", TEXT, "TxnType"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("link_type", TEXT, "LinkType"),
        Column("amount", MONEY, "Amount"),
        *IMPORTED,
    ),
    rets=("LinkedTxn",),
    parent="quickbooks.invoices|quickbooks.credit_memos|quickbooks.payments",
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

DELETED_TRANSACTIONS = Table(
    "quickbooks.deleted_transactions",
    "One transaction that was deleted, as long as QuickBooks remembers it.",
    (
        Column("txn_del_type", TEXT, "TxnDelType", help="Invoice, ReceivePayment, ..."),
        Column("txn_id", TEXT, "TxnID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_deleted", TIMESTAMP, "TimeDeleted"),
        Column("ref_number", TEXT, "RefNumber"),
        *IMPORTED,
    ),
    key=("txn_id",),
    rets=("TxnDeletedRet",),
)

QUICKBOOKS_TABLES = (
    *DOCUMENT_TABLES,
    PAYMENTS,
    PAYMENT_APPLICATIONS,
    LINKED_TRANSACTIONS,
    CUSTOM_FIELDS,
    DELETED_TRANSACTIONS,
    *ITEM_TABLES,
    *CUSTOMER_TABLES,
    *LIST_TABLES,
    COMPANY,
)
