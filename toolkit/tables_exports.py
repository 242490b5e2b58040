"""The tables of a plan: its operations, what it leaves out, its totals, and what is posted by hand."""

from __future__ import annotations

from toolkit.columns import DATE, INTEGER, MONEY, QUANTITY, TEXT, TEXT_LIST, TIMESTAMP, Column, Table

OPERATIONS = Table(
    "plan.operations",
    "One request that will change QuickBooks.",
    (
        Column("key", TEXT, required=True, help="Stable: made from the source row."),
        Column("request", TEXT, required=True, help="CustomerAdd, InvoiceAdd, ..."),
        Column("record_kind", TEXT, required=True, help="item, customer, invoice, credit_memo or payment."),
        Column("position", INTEGER, required=True, help="Order of sending, from 1."),
        Column("fields", TEXT, required=True, help="Fields of the request as JSON, amounts as strings."),
        Column(
            "qbxml",
            TEXT,
            help="The request as it would be sent; an id not known yet stands as {TxnID of invoice:1}.",
        ),
        Column("depends_on", TEXT_LIST, help="Keys of operations that must be applied before."),
        Column("expected", TEXT, help="What the answer must say, as JSON: total, customer_full_name, ..."),
        Column("source_table", TEXT),
        Column("source_key", TEXT),
        Column("source", TEXT),
        Column("account_number", TEXT),
        Column("customer_full_name", TEXT),
        Column("txn_date", DATE),
        Column("ref_number", TEXT),
        Column("amount", MONEY, help="Signed: a payment and a credit memo are positive here, as sent."),
        Column("currency", TEXT),
        Column("why", TEXT, help="Why the row is exported, for people."),
    ),
    key=("key",),
)

LEFT_OUT = Table(
    "plan.left_out",
    "One source row that is not exported, and why.",
    (
        Column("source_table", TEXT, required=True),
        Column("source_key", TEXT, required=True),
        Column("account_number", TEXT),
        Column("txn_date", DATE),
        Column("amount", MONEY),
        Column("currency", TEXT),
        Column("rule", TEXT, required=True),
        Column("reason", TEXT, required=True),
        Column("source", TEXT),
    ),
)

PLAN_TOTALS = Table(
    "plan.totals",
    "One source table and currency of a plan: rows and money in the range go or stay.",
    (
        Column("source_table", TEXT, required=True),
        Column("currency", TEXT),
        Column("source_count", INTEGER, help="Rows in the range."),
        Column("source_amount", MONEY),
        Column("exported_count", INTEGER),
        Column("exported_amount", MONEY),
        Column("blocked_count", INTEGER, help="Rows with an error finding, and what depends on them."),
        Column("blocked_amount", MONEY),
        Column("left_out_count", INTEGER, help="Rows left out for any other reason."),
        Column("left_out_amount", MONEY),
        Column("held_count", INTEGER, help="Rows held by a person's filter, and what depends on them."),
        Column("held_amount", MONEY),
        Column("operations", INTEGER, help="Requests: a receipt over several customers makes several."),
        Column("out_of_range_count", INTEGER, help="Rows outside the range; not part of the source counts."),
        Column("out_of_range_amount", MONEY),
    ),
)

_SUMS = (
    Column("currency", TEXT),
    Column("invoices", INTEGER, help="Invoices that will be added."),
    Column("invoices_amount", MONEY),
    Column("credit_memos", INTEGER),
    Column("credit_memos_amount", MONEY, help="Above 0, as sent."),
    Column("payments", INTEGER),
    Column("payments_amount", MONEY),
    Column("receivable", MONEY, help="What A/R grows by: invoices less credit memos less payments."),
)

BY_DAY = Table(
    "plan.by_day",
    "One transaction date and currency of a plan.",
    (Column("txn_date", DATE), *_SUMS),
)

BY_CUSTOMER = Table(
    "plan.by_customer",
    "One customer and currency of a plan.",
    (Column("account_number", TEXT), Column("customer_full_name", TEXT), *_SUMS),
)

BY_ITEM = Table(
    "plan.by_item",
    "One item and currency of a plan, by the lines of its invoices and credit memos.",
    (
        Column("item_full_name", TEXT, required=True),
        Column("item_list_id", TEXT, help="Null where the item is still to be added."),
        Column("currency", TEXT),
        Column("lines", INTEGER, help="0 for a tax that QuickBooks computes: it stands on no line."),
        Column("quantity", QUANTITY, help="Less what is credited."),
        Column("amount", MONEY, help="Less what is credited: all items sum to invoices less credit memos."),
    ),
)

POST_BY_HAND = Table(
    "plan.post_by_hand",
    "One row of BluBilling that no rule sends: a person posts it in QuickBooks and enters its TxnID.",
    (
        Column("source_table", TEXT, required=True),
        Column("source_key", TEXT, required=True),
        Column("kind", TEXT, required=True, help="refund, chargeback, write_off, ..."),
        Column("account_number", TEXT),
        Column("customer_full_name", TEXT, help="In QuickBooks, where the account is matched."),
        Column("date", DATE),
        Column("amount", MONEY, help="As BluBilling has it: a refund is below 0."),
        Column("currency", TEXT),
        Column("why", TEXT, required=True),
        Column("reverses", TEXT, help="The payment that it takes back."),
        Column("entries", TEXT_LIST, help="Gateway entries of one refund that this row sums up."),
        Column("txn_id", TEXT, help="Of the document that was posted by hand; null while it is open."),
        Column("posted_by", TEXT),
        Column("posted_at", TIMESTAMP),
        Column("source", TEXT),
    ),
    key=("source_table", "source_key"),
)

POSTINGS = Table(
    "ledger.postings",
    "One row that a person posted in QuickBooks by hand.",
    (
        Column("source_table", TEXT, required=True),
        Column("source_key", TEXT, required=True),
        Column("txn_id", TEXT, required=True),
        Column("note", TEXT),
        Column("account_number", TEXT, help="Of the row when it was entered, as its date and amount."),
        Column("date", DATE),
        Column("amount", MONEY),
        Column("posted_by", TEXT, required=True),
        Column("posted_at", TIMESTAMP, required=True),
    ),
    key=("source_table", "source_key"),
)

EXPORT_TABLES = (OPERATIONS, LEFT_OUT, PLAN_TOTALS, BY_DAY, BY_CUSTOMER, BY_ITEM, POST_BY_HAND, POSTINGS)
