"""The tables of plans and what came of them: operations, the ledger's views, carry-forward, tie-out."""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    INTEGER,
    MONEY,
    TEXT,
    TEXT_LIST,
    TIMESTAMP,
    Column,
    Table,
)

RELEASED = "released by"
"""How the message of an undone operation begins that QuickBooks lost: it is to be exported again."""

OPERATIONS = Table(
    "plan.operations",
    "One request that will change QuickBooks.",
    (
        Column("key", TEXT, required=True, help="Stable: made from the source row."),
        Column("request", TEXT, required=True, help="CustomerAdd, InvoiceAdd, ..."),
        Column("record_kind", TEXT, required=True, help="item, customer, invoice, credit_memo or payment."),
        Column("position", INTEGER, required=True, help="Order of sending, from 1."),
        Column("fields", TEXT, required=True, help="Fields of the request as JSON, amounts as strings."),
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
    "One source table and currency of a plan: rows and money in the range are exported, blocked or left out.",
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
        Column("operations", INTEGER, help="Requests: a receipt over several customers makes several."),
        Column("out_of_range_count", INTEGER, help="Rows outside the range; not part of the source counts."),
        Column("out_of_range_amount", MONEY),
    ),
)

CROSSWALK = Table(
    "ledger.crosswalk",
    "Our key of one record and the QuickBooks record it is.",
    (
        Column("record_kind", TEXT, required=True, help="item, customer, invoice, credit_memo or payment."),
        Column(
            "key", TEXT, required=True, help="Account number, invoice number, ...: the source row's own key."
        ),
        Column("origin", TEXT, required=True, help="quickbooks (carried forward) or billing (sent by us)."),
        Column("quickbooks_id", TEXT, required=True, help="ListID or TxnID."),
        Column("edit_sequence", TEXT),
        Column("ref_number", TEXT),
        Column("customer_list_id", TEXT),
        Column("amount", MONEY, help="Total of the document; of a carried invoice, what was open."),
        Column("operation_key", TEXT),
        Column("job", INTEGER),
        Column("bound_at", TIMESTAMP),
    ),
    key=("record_kind", "key", "quickbooks_id"),
)

LEDGER_OPERATIONS = Table(
    "ledger.operations",
    "One queued operation and its outcome.",
    (
        Column("key", TEXT, required=True),
        Column("job", INTEGER, required=True),
        Column("request", TEXT, required=True),
        Column("record_kind", TEXT),
        Column("position", INTEGER),
        Column(
            "status",
            TEXT,
            required=True,
            help="pending, sent, applied, rejected, unknown, skipped or undone.",
        ),
        Column("status_code", INTEGER),
        Column("status_message", TEXT),
        Column("list_id", TEXT),
        Column("txn_id", TEXT),
        Column("edit_sequence", TEXT),
        Column("fields", TEXT),
        Column("expected", TEXT),
        Column("depends_on", TEXT_LIST),
        Column("source_table", TEXT),
        Column("source_key", TEXT),
        Column("source", TEXT),
        Column("account_number", TEXT),
        Column("customer_full_name", TEXT),
        Column("txn_date", DATE),
        Column("ref_number", TEXT),
        Column("amount", MONEY),
        Column("currency", TEXT),
        Column(
            "said_absent",
            BOOLEAN,
            help="Whether a person said of an attempt at it, by resolve --not-applied, that QuickBooks does "
            "not have it: what looks like it there is another one.",
        ),
    ),
    key=("key",),
)

JOBS = Table(
    "ledger.jobs",
    "One job.",
    (
        Column("id", INTEGER, required=True),
        Column("kind", TEXT, required=True, help="import:items, export, ..."),
        Column(
            "status", TEXT, required=True, help="draft, queued, running, complete, failed, held or cancelled."
        ),
        Column("total", INTEGER, help="Operations of an export; records landed by an import."),
        Column("applied", INTEGER),
        Column("rejected", INTEGER),
        Column("unknown", INTEGER),
        Column("skipped", INTEGER),
        Column("pending", INTEGER, help="Pending and sent operations."),
        Column("message", TEXT),
        Column("created_at", TIMESTAMP),
        Column("finished_at", TIMESTAMP),
        Column("range_start", DATE, help="First day of an export."),
        Column("range_end", DATE, help="Last day of an export; null for all that was there."),
        Column("switches", TEXT_LIST, help="Of customers, invoices, payments, credits."),
        Column("pilot", BOOLEAN, help="Whether rows of the range were held back for after the pilot."),
    ),
    key=("id",),
)

KEPT_TABLES = (
    Table(
        "ledger.decisions",
        "One thing that a person decided, waived, released or tied out: none is ever changed or removed.",
        (
            Column("id", INTEGER, required=True, help="In the order in which they were made."),
            Column("table", TEXT, required=True, help="mapping.charge_items, ..., waivers, releases."),
            Column("key", TEXT, required=True, help="Key of the row; parts joined with ' / '."),
            Column("decision", TEXT, help="Null takes back the one before it."),
            Column("note", TEXT, help="Why."),
            Column("facts", TEXT, help="The other columns, as JSON."),
            Column("decided_by", TEXT, required=True),
            Column("decided_at", TIMESTAMP, required=True),
        ),
        key=("id",),
    ),
    Table(
        "ledger.waivers",
        "One finding that a person waived, and that stays waived.",
        (
            Column("finding_id", TEXT, required=True),
            Column("note", TEXT, help="Why."),
            Column("waived_by", TEXT, required=True),
            Column("waived_at", TIMESTAMP, required=True),
        ),
        key=("finding_id",),
    ),
    Table(
        "ledger.approvals",
        "One export that was let go: by whom, when, and with which backup named.",
        (
            Column("job", INTEGER, required=True),
            Column("approved_by", TEXT, required=True, help="auto_approve where nobody was asked."),
            Column("approved_at", TIMESTAMP, required=True),
            Column("note", TEXT, help="For example the backup that was made before."),
            Column("range_start", DATE),
            Column("range_end", DATE, help="Null for all that was there."),
            Column("switches", TEXT_LIST, help="Of customers, invoices, payments, credits."),
            Column("warnings", INTEGER, help="Findings of that severity when it was planned."),
            Column("totals", TEXT, help="Counts and amounts by kind and currency, as JSON."),
        ),
        key=("job",),
    ),
)

CARRY_FORWARD_TABLES = (
    Table(
        "carry_forward.documents",
        "One open QuickBooks document at the cutover date and the BluBilling number it gets.",
        (
            Column("record_kind", TEXT, required=True, help="invoice, credit_memo or payment."),
            Column("key", TEXT, required=True, help="Its number in BluBilling."),
            Column("txn_id", TEXT, required=True),
            Column("ref_number", TEXT, help="Its number in QuickBooks: may be blank or repeated."),
            Column("account_number", TEXT),
            Column("customer_list_id", TEXT),
            Column("customer_full_name", TEXT),
            Column("txn_date", DATE),
            Column("due_date", DATE),
            Column("amount", MONEY, help="Its total."),
            Column("open_amount", MONEY, help="What is open at the cutover date."),
            Column("currency", TEXT),
        ),
        key=("record_kind", "txn_id"),
    ),
    Table(
        "carry_forward.upload",
        "One row of BluBilling's invoice upload file, as text, in its order.",
        (
            Column("Invoice Number", TEXT, required=True),
            Column("Customer Id", TEXT),
            Column("Customer Ref", TEXT, required=True),
            Column("Invoice Date", TEXT, required=True),
            Column("Due Date", TEXT, required=True),
            Column("Status", TEXT, required=True),
            Column("Previous Balance", TEXT),
            Column("Current Amount Due", TEXT),
            Column("Payments And Adjustments", TEXT),
            Column("Billing StartDate", TEXT, required=True),
            Column("Billing EndDate", TEXT, required=True),
            Column("Note", TEXT),
            Column("SubscriptionOrderId_1", TEXT),
            Column("ContractCode_1", TEXT, required=True),
            Column("Position_1", TEXT, required=True),
            Column("PriceCode_1", TEXT, required=True),
            Column("Invoice Text_1", TEXT),
            Column("Accounting Code_1", TEXT),
            Column("Unit Price_1", TEXT, required=True),
            Column("Quantity_1", TEXT, required=True),
            Column("Amount_1", TEXT, required=True),
        ),
        key=("Invoice Number",),
    ),
)

TIE_OUT_TABLES = (
    Table(
        "tie_out.totals",
        "One kind of record: what was meant, what QuickBooks holds, and the difference.",
        (
            Column("record_kind", TEXT, required=True),
            Column("currency", TEXT),
            Column("source_count", INTEGER),
            Column("source_amount", MONEY, help="In BluBilling, of the range."),
            Column("left_out_count", INTEGER),
            Column("left_out_amount", MONEY),
            Column("sent_count", INTEGER),
            Column("sent_amount", MONEY),
            Column("applied_count", INTEGER),
            Column("applied_amount", MONEY),
            Column("quickbooks_count", INTEGER),
            Column("quickbooks_amount", MONEY, help="As read back from QuickBooks."),
            Column("difference", MONEY, help="sent_amount less quickbooks_amount."),
        ),
    ),
    Table(
        "tie_out.differences",
        "One record that does not tie, and why.",
        (
            Column("record_kind", TEXT, required=True),
            Column("key", TEXT, required=True),
            Column("account_number", TEXT),
            Column("ref_number", TEXT),
            Column("txn_date", DATE),
            Column("currency", TEXT),
            Column("meant", MONEY),
            Column("in_quickbooks", MONEY),
            Column("difference", MONEY),
            Column("explained", BOOLEAN, required=True, help="Whether the ledger knows the reason."),
            Column("reason", TEXT, required=True),
            Column("source", TEXT),
        ),
    ),
    Table(
        "tie_out.absent",
        "One record that the ledger applied and QuickBooks does not hold, in the order of sending.",
        (
            Column("key", TEXT, required=True),
            Column("record_kind", TEXT, required=True),
            Column("ref_number", TEXT),
            Column("account_number", TEXT),
            Column("customer_full_name", TEXT),
            Column("txn_date", DATE),
            Column("amount", MONEY),
            Column("currency", TEXT),
            Column("applied_at", TIMESTAMP),
            Column("job", INTEGER, required=True, help="The job that applied it."),
            Column("quickbooks_id", TEXT, required=True, help="The ListID or TxnID that it had."),
            Column("deleted_at", TIMESTAMP, help="Where QuickBooks says that somebody deleted it."),
            Column("needs", TEXT_LIST, help="Absent records that it hangs on: they are exported before it."),
            Column("proved", BOOLEAN, required=True, help="Whether a complete re-read asked for it in vain."),
            Column("reason", TEXT, required=True),
        ),
        key=("key",),
    ),
    Table(
        "tie_out.hanging",
        "One operation that hangs on an absent record and is not absent itself.",
        (
            Column("key", TEXT, required=True),
            Column("record_kind", TEXT, required=True),
            Column("status", TEXT, required=True),
            Column("job", INTEGER, required=True),
            Column("amount", MONEY),
            Column("currency", TEXT),
            Column("quickbooks_id", TEXT),
            Column("needs", TEXT_LIST, help="The absent records that it hangs on."),
            Column("reason", TEXT, required=True, help="What becomes of it, and what to do."),
        ),
        key=("key",),
    ),
)

PLAN_TABLES = (
    OPERATIONS,
    LEFT_OUT,
    PLAN_TOTALS,
    CROSSWALK,
    LEDGER_OPERATIONS,
    JOBS,
    *KEPT_TABLES,
    *CARRY_FORWARD_TABLES,
    *TIE_OUT_TABLES,
)
