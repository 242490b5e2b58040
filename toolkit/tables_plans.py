"""The tables of what came of plans: the ledger's views, the tie-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from toolkit.tables_carry_forward import CARRY_FORWARD_TABLES
from toolkit.tables_exports import EXPORT_TABLES

RELEASED = "released by"
"""How the message of an undone operation begins that QuickBooks lost: it is to be exported again."""

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
        Column("pilot", BOOLEAN, help="Whether rows were held back: for after the pilot, or by a person."),
    ),
    key=("id",),
)

KEPT_TABLES = (
    Table(
        "ledger.held",
        "One row of BluBilling that a person held back from an export with --hold or --only.",
        (
            Column("job", INTEGER, required=True, help="The export that it was held back from."),
            Column("source_table", TEXT, required=True),
            Column("source_key", TEXT, required=True),
            Column("reason", TEXT, required=True, help="The filter, or what it depends on."),
        ),
        key=("job", "source_table", "source_key"),
    ),
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
            Column("given_for", TEXT, help="What its row said, and a hash of it: it counts for no other."),
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
            Column("queued_count", INTEGER, help="Operations: applied, waiting and failed ones."),
            Column("queued_amount", MONEY),
            Column("applied_count", INTEGER, help="Sent, and QuickBooks answered that it has them."),
            Column("applied_amount", MONEY),
            Column("waiting_count", INTEGER, help="Not sent yet, or sent and not answered."),
            Column("waiting_amount", MONEY),
            Column("failed_count", INTEGER, help="Without effect: rejected, skipped or undone."),
            Column("failed_amount", MONEY),
            Column("quickbooks_count", INTEGER),
            Column("quickbooks_amount", MONEY, help="As read back from QuickBooks."),
            Column("difference", MONEY, help="queued_amount less quickbooks_amount."),
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
    *EXPORT_TABLES,
    CROSSWALK,
    LEDGER_OPERATIONS,
    JOBS,
    *KEPT_TABLES,
    *CARRY_FORWARD_TABLES,
    *TIE_OUT_TABLES,
)


def was_cancelled(row: Mapping[str, Any]) -> bool:
    """Return whether an attempt (of ``ledger.operations``) was cancelled with its job, so never left."""
    said = str(row["status_message"] or "")
    return row["status"] == "skipped" and said.startswith(f"job {row['job']} was cancelled")
