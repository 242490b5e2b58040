"""The tie-out: source, ledger and QuickBooks to the cent; what does not tie is told once, with its reason."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import json
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from export_world import (
    ALL,
    JANUARY,
    Rows,
    adjustment,
    application,
    bound,
    customer,
    day,
    frames,
    invoice,
    item,
    line,
    payment,
    settings,
    world,
)
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit.reconcile import TieOut, tie_out
from toolkit.reconcile_ranges import PARTIAL
from toolkit.reconcile_records import withdrawn
from toolkit.tables import TABLES, to_rows
from toolkit.transform import plan_export
from toolkit.workspace import Workspace

INVOICES, MEMOS, PAYMENTS = "quickbooks.invoices", "quickbooks.credit_memos", "quickbooks.payments"
APPLIED, OPERATIONS, JOBS = "quickbooks.payment_applications", "ledger.operations", "ledger.jobs"
READ = dt.datetime(2026, 2, 1, 9, 0)
ZERO = Decimal("0.00")
SETTINGS = settings(credit_item="House Credit")
HELD = {"invoice": INVOICES, "credit_memo": MEMOS, "payment": PAYMENTS}


def books() -> Rows:
    """Return the small company with a second invoice, a house credit and a new customer."""
    rows = world()
    rows["billing.invoices"] += [invoice("INV-2", "40.00"), invoice("INV-3", "-15.00")]
    rows["billing.invoice_lines"] += [line("INV-2", "40.00"), line("INV-3", "-15.00")]
    rows["billing.adjustments"] = [adjustment("ADJ-1", "25.00")]
    rows["billing.customers"].append(customer("A3", "Crane"))
    rows["mapping.customers"] = [{"account_number": "A3", "decision": "(new)", "new_name": "Crane"}]
    return rows


def export(rows: Rows, **options: Any) -> Rows:
    """Return the rows after an export that QuickBooks took: operations applied, records read back."""
    plan = plan_export(frames(rows), SETTINGS, **(JANUARY | ALL | options))
    kept = set(TABLES[OPERATIONS].names)
    rows = {name: list(listed) for name, listed in rows.items()}
    rows.setdefault("ledger.crosswalk", [])
    operations = rows.setdefault(OPERATIONS, [])
    ids: dict[str, str] = {row["key"]: row["txn_id"] or row["list_id"] for row in operations}
    for row in to_rows(plan.operations):
        ids[row["key"]] = f"Q-{len(ids) + 1}"
        held = {"status": "applied", "job": 1, "list_id": None, "txn_id": None}
        held["list_id" if row["record_kind"] in ("customer", "item") else "txn_id"] = ids[row["key"]]
        operations.append({name: value for name, value in row.items() if name in kept} | held)
        record(rows, row, ids)
        key = row["key"].split(":", 1)[1]
        rows["ledger.crosswalk"].append(bound(row["record_kind"], key, ids[row["key"]]))
    switches = [name for name in ALL if options.get(name, True)]
    job = {"id": 1, "kind": "export", "status": "complete", "switches": switches, "pilot": False}
    rows[JOBS] = [job | {"range_start": JANUARY["start"], "range_end": JANUARY["end"]}]
    return rows


@functools.cache
def _exported() -> Rows:
    return export(books())


def exported() -> Rows:
    """Return the rows after the export of the small company, to be changed."""
    return copy.deepcopy(_exported())


def record(rows: Rows, row: dict[str, Any], ids: dict[str, str]) -> None:
    """Add what QuickBooks holds of one operation."""
    expected, txn_id = json.loads(row["expected"]), ids[row["key"]]
    if row["record_kind"] == "customer":
        made = {"list_id": txn_id, "name": expected["name"], "full_name": expected["full_name"]}
        rows["quickbooks.customers"].append(made | {"account_number": expected["account_number"]})
        return
    fields = json.loads(row["fields"])
    held = {
        "txn_id": txn_id,
        "customer_list_id": expected.get("customer_list_id") or ids.get(f"customer:{row['account_number']}"),
        "ar_account_list_id": expected["ar_account_list_id"],
        "txn_date": row["txn_date"],
        "ref_number": row["ref_number"],
        "memo": fields["Memo"],
        "external_guid": fields["ExternalGUID"],
        "imported_at": READ,
    }
    if row["record_kind"] != "payment":
        held |= {"due_date": dt.date.fromisoformat(expected["due_date"])}
    amount = "subtotal" if row["record_kind"] == "invoice" else "total_amount"
    rows.setdefault(HELD[row["record_kind"]], []).append(held | {amount: row["amount"]})
    for part in expected.get("applied", []):
        target = part["txn_id"] if isinstance(part["txn_id"], str) else ids[part["txn_id"]["operation"]]
        paid = {"payment_txn_id": txn_id, "txn_id": target, "amount": Decimal(part["amount"])}
        rows.setdefault(APPLIED, []).append(paid)


def operation(rows: Rows, key: str) -> dict[str, Any]:
    """Return one operation, to be changed."""
    [found] = [row for row in rows[OPERATIONS] if row["key"] == key]
    return found


def held(rows: Rows, key: str) -> dict[str, Any]:
    """Return the record that QuickBooks holds of an operation, to be changed."""
    row = operation(rows, key)
    [found] = [each for each in rows[HELD[row["record_kind"]]] if each["txn_id"] == row["txn_id"]]
    return found


def unsent(rows: Rows, key: str, status: str, message: str | None = None) -> None:
    """Turn an applied operation into one that never had effect."""
    row = operation(rows, key)
    rows[HELD[row["record_kind"]]].remove(held(rows, key))
    rows["ledger.crosswalk"] = [b for b in rows["ledger.crosswalk"] if b["quickbooks_id"] != row["txn_id"]]
    rows[APPLIED] = [a for a in rows.get(APPLIED, []) if a["payment_txn_id"] != row["txn_id"]]
    row |= {"status": status, "txn_id": None, "status_message": message}


def tied(rows: Rows) -> TieOut:
    result = tie_out(frames(rows), SETTINGS)
    check_sums(result)
    return result


def check_sums(result: TieOut) -> None:
    """Check the laws of every tie-out: its totals are the sums of their parts."""
    differences = to_rows(result.differences)
    sums: dict[Any, Decimal] = defaultdict(lambda: ZERO)
    for row in differences:
        sums[row["record_kind"], row["currency"]] += row["difference"] or ZERO
    for total in to_rows(result.totals):
        if total["difference"] is None:
            continue
        place = (total["record_kind"], total["currency"])
        if total["record_kind"] == "carried invoice":
            assert total["difference"] == total["source_amount"] - total["quickbooks_amount"] == sums[place]
            continue
        assert total["difference"] == total["queued_amount"] - total["quickbooks_amount"]
        parts = [total[f"{name}_amount"] for name in ("applied", "waiting", "failed")]
        assert total["queued_amount"] == sum(parts)
        # Source to QuickBooks in one step: every cent between them stands in the list.
        assert total["source_amount"] - total["quickbooks_amount"] == sums[place]
    if result.ties:
        assert all(row["explained"] for row in differences)


def only(result: TieOut, key: str) -> dict[str, Any]:
    """Return the one difference there is, of that key."""
    [row] = to_rows(result.differences)
    assert row["key"] == key
    return row


def total(result: TieOut, kind: str) -> dict[str, Any]:
    [row] = [row for row in to_rows(result.totals) if row["record_kind"] == kind]
    return row


# --- what ties ----------------------------------------------------------------------------------------------


def test_an_export_that_quickbooks_took_ties_with_nothing_to_tell() -> None:
    result = tied(exported())
    assert result.ties
    assert len(result.differences) == 0
    shown = {
        row["record_kind"]: (row["source_count"], row["quickbooks_count"]) for row in to_rows(result.totals)
    }
    assert shown == {"invoice": (2, 2), "credit_memo": (2, 2), "payment": (1, 1), "customer": (1, 1)}
    amounts = {row["record_kind"]: row["source_amount"] for row in to_rows(result.totals)}
    assert amounts == {
        "invoice": Decimal("140.00"),
        "credit_memo": Decimal("40.00"),
        "payment": Decimal("60.00"),
        "customer": None,
    }


def test_nothing_exported_ties_and_says_that_nothing_was_read() -> None:
    result = tied(books())
    assert result.ties
    assert len(result.totals) == 0
    assert result.read_at is None


def test_its_age_is_that_of_the_oldest_record_compared() -> None:
    rows = exported()
    assert tied(rows).read_at == READ
    older = READ - dt.timedelta(days=3)
    held(rows, "payment:P-1")["imported_at"] = older
    rows["quickbooks.customers"][0]["imported_at"] = older - dt.timedelta(days=9)  # not compared
    assert tied(rows).read_at == older


def test_a_receipt_over_two_customers_ties_as_one() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "40.00", account_number="A2"))
    rows["billing.invoice_lines"].append(line("INV-2", "40.00"))
    rows["billing.payments"] = [payment("P-1", "100.00")]
    rows["billing.payment_applications"].append(application("P-1", "INV-2", "40.00"))
    rows = export(rows)
    assert {row["key"] for row in rows[OPERATIONS]} >= {"payment:P-1/A1", "payment:P-1/A2"}
    result = tied(rows)
    assert result.ties
    assert (total(result, "payment")["source_count"], total(result, "payment")["queued_count"]) == (1, 2)


# --- what the ledger knows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "explained"),
    [("rejected", True), ("skipped", True), ("pending", False), ("sent", False), ("unknown", False)],
)
def test_an_operation_without_effect_is_told_with_what_the_ledger_says(status: str, explained: bool) -> None:
    rows = exported()
    unsent(rows, "invoice:INV-2", status, "because")
    result = tied(rows)
    row = only(result, "invoice:INV-2")
    assert (row["meant"], row["in_quickbooks"], row["difference"]) == (
        Decimal("40.00"),
        None,
        Decimal("40.00"),
    )
    assert row["explained"] is explained
    assert row["reason"].endswith(": because")
    assert result.ties is explained


def test_what_was_cancelled_before_it_left_is_not_counted_as_sent() -> None:
    rows = exported()
    before = total(tied(rows), "invoice")
    for key in ("invoice:INV-2", "credit_memo:ADJ-1"):
        unsent(rows, key, "skipped", "job 7 was cancelled: cancelled by Ann")
        operation(rows, key)["job"] = 7
    rows[JOBS].append(rows[JOBS][0] | {"id": 7, "status": "cancelled"})
    result = tied(rows)
    assert not result.ties, "they are meant, and QuickBooks does not have them"
    now = total(result, "invoice")
    assert now["queued_count"] == before["queued_count"] - 1
    assert (now["queued_amount"], now["left_out_amount"]) == (now["quickbooks_amount"], Decimal("40.00"))
    told = {row["key"]: (row["explained"], row["reason"]) for row in to_rows(result.differences)}
    why = "not sent: job 7 was cancelled: export it again"
    assert told == dict.fromkeys(("INV-2", "ADJ-1"), (False, why))
    # Of another export that is all there is: it is told all the same.
    rows[JOBS] = rows[JOBS][1:]
    assert why in set(tied(rows).differences["reason"])


@pytest.mark.parametrize("job", [1, 7], ids=["of this export", "of one that is all there is"])
def test_what_was_cancelled_and_stays_behind_by_the_plan_has_its_reason(job: int) -> None:
    rows = exported()
    unsent(rows, "invoice:INV-2", "skipped", f"job {job} was cancelled: cancelled by Ann")
    operation(rows, "invoice:INV-2")["job"] = job
    if job == 7:
        rows[JOBS] = [rows[JOBS][0] | {"id": 7, "status": "cancelled"}]
    [there] = [row for row in rows["billing.invoices"] if row["invoice_number"] == "INV-2"]
    there["currency"] = "EUR"
    result = tied(rows)
    row = only(result, "INV-2")
    assert (row["explained"], result.ties) == (True, True)
    assert row["reason"].startswith("left out: currency")


def test_a_document_that_quickbooks_holds_of_a_cancelled_job_is_found() -> None:
    rows = exported()
    operation(rows, "invoice:INV-2").update(
        status="skipped", txn_id=None, status_message="job 1 was cancelled: cancelled by Ann"
    )
    result = tied(rows)
    assert not result.ties
    assert any("carries our marker" in reason for reason in result.differences["reason"])


def test_a_receipt_of_which_a_part_was_cancelled_counts_as_sent() -> None:
    row = operation(exported(), "invoice:INV-2") | {"status_message": None}
    said = {"status": "skipped", "status_message": "job 1 was cancelled: cancelled by Ann"}
    assert withdrawn([row | said, row | {"key": "other"}]) == set()
    assert withdrawn([row | said]) == {row["key"]}
    assert withdrawn([row | said | {"status_message": "not enough left"}]) == set()


def test_an_unknown_operation_that_quickbooks_holds_is_told_once() -> None:
    rows = exported()
    operation(rows, "invoice:INV-2").update(status="unknown", txn_id=None)
    result = tied(rows)
    row = only(result, "invoice:INV-2")
    assert (row["meant"], row["in_quickbooks"]) == (Decimal("40.00"), Decimal("40.00"))
    assert "QuickBooks holds it as TxnID" in row["reason"]
    assert not result.ties


def test_an_undone_operation_is_explained_once_it_is_gone_or_void() -> None:
    rows = exported()
    txn_id = operation(rows, "invoice:INV-2")["txn_id"]
    operation(rows, "invoice:INV-2")["status"] = "undone"
    still = only(tied(rows), "invoice:INV-2")
    assert (still["explained"], still["in_quickbooks"]) == (False, Decimal("40.00"))
    [there] = [row for row in rows[INVOICES] if row["txn_id"] == txn_id]
    there["subtotal"] = ZERO
    void = tied(rows)
    assert void.ties
    assert only(void, "invoice:INV-2")["reason"].startswith("undone")
    rows[INVOICES].remove(there)
    gone = tied(rows)
    assert gone.ties
    assert only(gone, "invoice:INV-2")["difference"] == Decimal("40.00")


def test_an_undone_invoice_sent_again_must_not_stand_twice() -> None:
    rows = exported()
    first = operation(rows, "invoice:INV-2")["txn_id"]
    second = held(rows, "invoice:INV-2") | {"txn_id": "AGAIN"}
    rows[INVOICES].append(second)
    operation(rows, "invoice:INV-2")["txn_id"] = "AGAIN"
    result = tied(rows)
    assert not result.ties
    row = only(result, "invoice:INV-2")
    assert first in row["reason"]
    assert row["difference"] == Decimal("-40.00")


def test_an_undone_customer_is_gone_or_inactive() -> None:
    rows = exported()
    operation(rows, "customer:A3")["status"] = "undone"
    assert not tied(rows).ties
    rows["quickbooks.customers"][-1]["is_active"] = False
    assert tied(rows).ties


# --- what QuickBooks holds ----------------------------------------------------------------------------------


def test_a_document_removed_in_quickbooks_is_found() -> None:
    for gone in ({}, {"left_at": READ}):
        rows = exported()
        there = held(rows, "invoice:INV-2")
        there.update(gone) if gone else rows[INVOICES].remove(there)
        result = tied(rows)
        assert not result.ties
        row = only(result, "invoice:INV-2")
        assert (row["reason"], row["explained"]) == ("applied here, absent in QuickBooks", False)


def test_a_customer_removed_in_quickbooks_is_found() -> None:
    rows = exported()
    rows["quickbooks.customers"].pop()
    result = tied(rows)
    assert not result.ties
    assert "customer:A3" in set(result.differences["key"])


@pytest.mark.parametrize(
    ("key", "column", "value", "reason"),
    [
        ("invoice:INV-2", "subtotal", Decimal("40.01"), "the amounts differ"),
        ("invoice:INV-2", "sales_tax_total", Decimal("0.01"), "the amounts differ"),
        ("credit_memo:INV-3", "total_amount", Decimal("14.99"), "the amounts differ"),
        ("payment:P-1", "total_amount", Decimal("61.00"), "the amounts differ"),
        ("invoice:INV-2", "customer_list_id", "C-2", "the customer is C-2, sent as C-1"),
        ("payment:P-1", "txn_date", day(21), "the date is 2026-01-21, sent as 2026-01-20"),
        ("invoice:INV-2", "due_date", day(1, 3), "the due date is 2026-03-01, sent as 2026-02-09"),
        ("invoice:INV-2", "ref_number", None, "the number is missing, sent as INV-2"),
        ("invoice:INV-2", "ar_account_list_id", "A-9", "the A/R account is A-9, sent as A-0"),
        ("invoice:INV-2", "currency_full_name", "Euro", "the currency is Euro, sent as USD"),
    ],
)
def test_a_document_changed_in_quickbooks_is_found(key: str, column: str, value: Any, reason: str) -> None:
    rows = exported()
    held(rows, key)[column] = value
    result = tied(rows)
    assert not result.ties
    assert reason in only(result, key)["reason"]


def test_the_customer_of_a_document_is_the_one_made_for_it() -> None:
    rows = books()
    rows["billing.invoices"].append(invoice("INV-9", "10.00", account_number="A3"))
    rows["billing.invoice_lines"].append(line("INV-9", "10.00"))
    rows = export(rows)
    assert tied(rows).ties
    held(rows, "invoice:INV-9")["customer_list_id"] = "C-1"
    assert "the customer is C-1" in only(tied(rows), "invoice:INV-9")["reason"]


def test_a_second_document_with_our_marker_is_found_by_memo_or_guid_and_a_void_one_is_no_money() -> None:
    rows = exported()
    second = held(rows, "invoice:INV-2") | {"txn_id": "TWICE", "ref_number": "other"}
    for marks in ({"external_guid": None}, {"memo": "edited"}):
        result = tied(rows | {INVOICES: [*rows[INVOICES], second | marks]})
        assert not result.ties
        row = only(result, "invoice:INV-2")
        assert (row["meant"], row["in_quickbooks"]) == (None, Decimal("40.00"))
        assert "TWICE" in row["reason"]
        assert total(result, "invoice")["quickbooks_count"] == 3
    void = tied(
        rows | {INVOICES: [*rows[INVOICES], second | {"subtotal": ZERO, "memo": "VOID: " + second["memo"]}]}
    )
    assert void.ties
    assert only(void, "invoice:INV-2")["explained"]


def test_a_key_with_brackets_is_a_marker_too() -> None:
    rows = exported()
    rows[INVOICES].append(held(rows, "invoice:INV-2") | {"txn_id": "X", "memo": "a [bb:b] [bb:invoice:[1]]"})
    assert only(tied(rows), "invoice:[1]")["explained"] is False


def test_a_document_of_another_program_with_our_number_is_found() -> None:
    rows = exported()
    copy = held(rows, "invoice:INV-2") | {"txn_id": "COPY", "memo": None, "external_guid": None}
    result = tied(rows | {INVOICES: [*rows[INVOICES], copy]})
    assert not result.ties
    assert "a second invoice of number INV-2" in only(result, "TxnID COPY")["reason"]
    for other in ({"customer_list_id": "C-2"}, {"ref_number": "77"}, {"txn_date": dt.date(2025, 12, 31)}):
        assert tied(rows | {INVOICES: [*rows[INVOICES], copy | other]}).ties


def test_an_application_that_differs_is_found() -> None:
    rows = exported()
    [paid] = rows[APPLIED]
    less = only(tied(rows | {APPLIED: [paid | {"amount": Decimal("50.00")}]}), "payment:P-1")
    assert less["reason"] == "50.00 are applied to INV-1, sent as 60.00"
    elsewhere = operation(rows, "invoice:INV-2")["txn_id"]
    moved = tied(rows | {APPLIED: [paid | {"txn_id": elsewhere}]})
    assert not moved.ties
    reason = only(moved, "payment:P-1")["reason"]
    assert reason.startswith("0.00 are applied to INV-1, sent as 60.00; 60.00 are applied to")
    assert not tied(rows | {APPLIED: []}).ties


# --- payments entered in QuickBooks -------------------------------------------------------------------------


def entered_there(rows: Rows, to: str) -> None:
    made = {
        "txn_id": "HAND",
        "customer_list_id": "C-1",
        "txn_date": day(25),
        "total_amount": Decimal("40.00"),
    }
    rows[PAYMENTS].append(made)
    rows[APPLIED].append({"payment_txn_id": "HAND", "txn_id": to, "amount": Decimal("40.00")})


def test_a_payment_entered_in_quickbooks_on_an_invoice_we_sent_is_found() -> None:
    rows = exported()
    entered_there(rows, operation(rows, "invoice:INV-2")["txn_id"])
    result = tied(rows)
    assert not result.ties
    assert "pays 40.00 on INV-2: BluBilling does not know it" in only(result, "TxnID HAND")["reason"]


def test_a_payment_entered_in_quickbooks_on_a_carried_invoice_is_explained_by_billings_own() -> None:
    rows = carried_books()
    entered_there(rows, "OLD-1")
    assert not tied(rows).ties
    rows["billing.payments"].append(payment("P-9", "40.00", status="Failed"))
    rows["billing.payment_applications"].append(application("P-9", "500", "40.00"))
    result = tied(rows)
    reasons = {row["key"]: row["reason"] for row in to_rows(result.differences)}
    assert result.ties, reasons
    assert "BluBilling has it as P-9, which is not exported" in reasons["TxnID HAND"]
    assert reasons["P-9"].startswith("left out")


def test_one_payment_of_billing_explains_one_payment_of_quickbooks() -> None:
    rows = carried_books()
    entered_there(rows, "OLD-1")
    rows[PAYMENTS].append(rows[PAYMENTS][-1] | {"txn_id": "HAND2"})
    rows[APPLIED].append(rows[APPLIED][-1] | {"payment_txn_id": "HAND2"})
    rows["billing.payments"].append(payment("P-9", "40.00", status="Failed"))
    rows["billing.payment_applications"].append(application("P-9", "500", "40.00"))
    assert not tied(rows).ties


def test_a_payment_that_was_exported_explains_no_second_one() -> None:
    rows = exported()
    sent = held(rows, "payment:P-1")
    rows[PAYMENTS].append(sent | {"txn_id": "HAND", "ref_number": "9", "memo": None, "external_guid": None})
    rows[APPLIED].append(rows[APPLIED][0] | {"payment_txn_id": "HAND"})
    result = tied(rows)
    assert not result.ties
    assert "BluBilling does not know it" in only(result, "TxnID HAND")["reason"]


def test_a_payment_of_before_the_cutover_is_no_stranger() -> None:
    rows = carried_books()
    entered_there(rows, "OLD-1")
    rows[PAYMENTS][-1]["txn_date"] = dt.date(2025, 12, 31)
    assert tied(rows).ties


# --- the source ---------------------------------------------------------------------------------------------


def test_a_row_that_stays_behind_is_told_with_its_reason() -> None:
    rows = books()
    rows["billing.invoices"].append(invoice("INV-4", "70.00", status="Draft"))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    result = tied(export(rows))
    assert result.ties
    row = only(result, "INV-4")
    assert row["reason"] == "left out: its status is Draft: only Outstanding and Paid invoices are posted"
    shown = total(result, "invoice")
    assert (shown["source_amount"], shown["left_out_amount"], shown["queued_amount"]) == (
        Decimal("210.00"),
        Decimal("70.00"),
        Decimal("140.00"),
    )


def test_a_row_of_a_kind_of_which_nothing_was_sent_is_in_the_totals_too() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("ADJ-1", "25.00", kind="write_off")]
    result = tied(export(rows))
    assert result.ties
    assert total(result, "credit_memo")["left_out_amount"] == Decimal("25.00")


def test_a_row_that_could_go_and_was_never_queued_is_lost_until_it_is_exported() -> None:
    rows = exported()
    rows["billing.invoices"].append(invoice("INV-4", "70.00"))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    result = tied(rows)
    assert not result.ties
    assert "never queued" in only(result, "INV-4")["reason"]


def test_rows_outside_the_exported_range_are_not_asked_for() -> None:
    rows = exported()
    rows["billing.invoices"].append(invoice("INV-4", "70.00", invoice_date=day(1, 2)))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    assert len(tied(rows).differences) == 0
    rows["billing.invoices"][-1]["invoice_date"] = day(31)
    assert not tied(rows).ties


def test_a_switch_that_was_off_is_not_asked_for() -> None:
    result = tied(export(books(), payments=False, credits=False))
    assert result.ties
    assert set(result.totals["record_kind"]) == {"invoice", "credit_memo", "customer"}


def test_what_waits_for_after_a_pilot_is_explained_until_the_rest_is_exported() -> None:
    rows = export(books(), limit=1)
    rows[JOBS][0]["pilot"] = True
    result = tied(rows)
    assert result.ties
    assert PARTIAL in set(result.differences["reason"])
    assert "a pilot" in PARTIAL and "--hold" in PARTIAL  # the ledger does not keep which of the two it was
    rows[JOBS].append(rows[JOBS][0] | {"id": 2, "pilot": False})
    assert not tied(rows).ties


@pytest.mark.parametrize(
    ("status", "name"),
    [
        *(("applied", "applied"), ("pending", "waiting"), ("sent", "waiting"), ("unknown", "waiting")),
        *(("rejected", "failed"), ("skipped", "failed")),
    ],
)
def test_nothing_counts_as_answered_that_was_not(status: str, name: str) -> None:
    rows = exported()
    if status != "applied":
        unsent(rows, "invoice:INV-2", status)
    shown = total(tied(rows), "invoice")
    places = ("applied", "waiting", "failed")
    assert shown["queued_count"] == sum(shown[f"{place}_count"] for place in places)
    assert shown["queued_amount"] == sum(shown[f"{place}_amount"] for place in places)
    before = total(tied(exported()), "invoice")
    moved = {place: shown[f"{place}_count"] - before[f"{place}_count"] for place in places}
    wanted = dict.fromkeys(places, 0)
    if status != "applied":
        wanted |= {"applied": -1, name: 1}
        assert shown[f"{name}_amount"] == Decimal("40.00")
    assert moved == wanted


def test_held_rows_are_told_with_the_filter_and_their_total(tmp_path: Path) -> None:
    ws = Workspace.create(tmp_path / "w", company="Fabrikam", password="secret123")
    plan = plan_export(frames(books()), SETTINGS, **JANUARY, invoices=True)
    keys = [f"invoice:{number}" for number in ("INV-1", "INV-2")]
    held_back = plan.hold([key in keys for key in plan.operations["key"]], why="--hold account_number=A1")
    ws.queue(held_back)
    [job] = to_rows(ws.read(JOBS))
    listed = ws.read("ledger.held")
    assert not job["pilot"]
    assert {*listed["source_key"]} >= {"INV-1", "INV-2"} and set(listed["job"]) == {1}
    rows = export(books(), payments=False, credits=False, customers=False)
    for key in keys:
        unsent(rows, key, "pending")
    rows[OPERATIONS] = [row for row in rows[OPERATIONS] if row["key"] not in keys]
    assert not tied(rows).ties
    rows["ledger.held"] = to_rows(listed)
    result = tied(rows)
    assert result.ties
    told = {row["key"]: row["reason"] for row in to_rows(result.differences)}
    amounts = {row["invoice_number"]: row["current_amount_due"] for row in rows["billing.invoices"]}
    both = amounts["INV-1"] + amounts["INV-2"]
    assert told["INV-1"] == told["INV-2"]
    assert told["INV-1"] == (
        f"waits, held: --hold account_number=A1 (one of 2 invoices held back, {both:,.2f} USD)"
    )
    # A later export of the same days that held nothing back should have had them.
    rows[JOBS].append(rows[JOBS][0] | {"id": 2})
    assert not tied(rows).ties


@pytest.mark.parametrize(("limit", "pilot"), [(1, True), (None, False)])
def test_a_job_remembers_what_it_covered(tmp_path: Path, limit: int | None, pilot: bool) -> None:
    ws = Workspace.create(tmp_path / "w", company="Fabrikam", password="secret123")
    ws.queue(plan_export(frames(books()), SETTINGS, **JANUARY, invoices=True, limit=limit))
    [job] = to_rows(ws.read(JOBS))
    assert (job["range_start"], job["range_end"]) == (JANUARY["start"], JANUARY["end"])
    assert (job["switches"], job["pilot"]) == (["invoices"], pilot)


def test_a_job_for_all_that_was_there_ends_on_its_own_day() -> None:
    rows = exported()
    rows[JOBS][0] |= {"range_end": None, "created_at": dt.datetime(2026, 1, 31, 12)}
    rows["billing.invoices"].append(invoice("INV-4", "70.00", invoice_date=day(1, 2)))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    assert tied(rows).ties
    rows[JOBS][0]["created_at"] = dt.datetime(2026, 2, 1, 12)
    assert not tied(rows).ties


def test_a_cancelled_job_covers_nothing_but_its_own_operations() -> None:
    rows = exported()
    rows["billing.invoices"].append(invoice("INV-4", "70.00"))
    rows[JOBS][0]["status"] = "cancelled"
    assert len(tied(rows).differences) == 0


def test_without_jobs_the_days_of_the_operations_count() -> None:
    rows = exported()
    del rows[JOBS]
    rows["billing.invoices"].append(invoice("INV-4", "70.00", invoice_date=day(11)))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    assert tied(rows).ties
    rows["billing.invoices"][-1]["invoice_date"] = day(10)
    assert not tied(rows).ties


@pytest.mark.parametrize("status", ["applied", "rejected"])
def test_a_row_that_billing_changed_since_is_found(status: str) -> None:
    rows = exported()
    if status == "rejected":
        unsent(rows, "invoice:INV-2", status)
    rows["billing.invoices"][1]["current_amount_due"] = Decimal("55.00")
    result = tied(rows)
    assert result.ties is (status == "rejected")
    [row] = [row for row in to_rows(result.differences) if row["key"] == "INV-2"]
    assert (row["meant"], row["in_quickbooks"]) == (Decimal("55.00"), Decimal("40.00"))
    assert row["reason"].startswith("BluBilling changed it since")


def test_a_row_that_billing_no_longer_has_is_found() -> None:
    rows = exported()
    del rows["billing.invoices"][1]
    result = tied(rows)
    assert not result.ties
    row = only(result, "INV-2")
    assert (row["reason"], row["difference"]) == ("BluBilling no longer has it", Decimal("-40.00"))


def test_a_row_bound_without_an_operation_is_not_taken_for_sent() -> None:
    rows = exported()
    rows[OPERATIONS].remove(operation(rows, "credit_memo:ADJ-1"))
    result = tied(rows)
    assert not result.ties
    reasons = " ".join(result.differences["reason"])
    assert "but the ledger has not sent it" in reasons
    assert "carries our marker" in reasons


def test_a_customer_that_stays_behind_is_told() -> None:
    rows = books()
    rows["mapping.customers"][0]["new_name"] = "x" * 42
    result = tied(export(rows))
    assert result.ties
    assert only(result, "A3")["record_kind"] == "customer"


def test_an_item_made_for_an_invoice_is_counted() -> None:
    rows = world()
    rows["quickbooks.items"] = [row for row in rows["quickbooks.items"] if row["name"] != "Hosting"]
    new = {"name": "Hosting", "item_type": "Service", "income_account_full_name": "Sales"}
    rows["mapping.local_items"] = [new]
    plan = plan_export(frames(rows), SETTINGS, **JANUARY, invoices=True)
    [made] = [row for row in to_rows(plan.operations) if row["record_kind"] == "item"]
    kept = {name: value for name, value in made.items() if name in TABLES[OPERATIONS].names}
    rows[OPERATIONS] = [kept | {"job": 1, "status": "applied", "list_id": "I-9"}]
    rows["quickbooks.items"].append(item("I-9", "Hosting"))
    shown = total(tied(rows), "item")
    assert (shown["source_count"], shown["quickbooks_count"]) == (1, 1)


def test_currencies_are_told_apart() -> None:
    rows = books()
    rows["billing.invoices"].append(invoice("INV-4", "70.00", currency="EUR"))
    rows["billing.invoice_lines"].append(line("INV-4", "70.00"))
    result = tied(export(rows))
    assert result.ties  # the gate refuses it: no rate in the source
    amounts = {
        row["currency"]: row["source_amount"]
        for row in to_rows(result.totals)
        if row["record_kind"] == "invoice"
    }
    assert amounts == {"EUR": Decimal("70.00"), "USD": Decimal("140.00")}


# --- carried invoices ---------------------------------------------------------------------------------------


def carried_books() -> Rows:
    """Return the export, and one carried invoice that came back as BluBilling's own, paid by a payment."""
    rows = books()
    old = {"customer_list_id": "C-1", "amount": Decimal("80.00"), "ref_number": "500"}
    rows["ledger.crosswalk"] = [bound("invoice", "500", "OLD-1", "quickbooks", **old)]
    rows["billing.invoices"].append(invoice("500", "80.00", invoice_date=dt.date(2025, 12, 5)))
    rows["billing.payments"].append(payment("P-2", "30.00"))
    rows["billing.payment_applications"].append(application("P-2", "500", "30.00"))
    rows[INVOICES] = [
        {
            "txn_id": "OLD-1",
            "customer_list_id": "C-1",
            "txn_date": dt.date(2025, 12, 5),
            "subtotal": Decimal("80.00"),
            "balance_remaining": Decimal("80.00"),
        }
    ]
    return export(rows)


def test_a_carried_invoice_ties_and_its_payment_is_applied_to_the_original() -> None:
    rows = carried_books()
    result = tied(rows)
    assert result.ties
    assert len(result.differences) == 0
    shown = total(result, "carried invoice")
    assert (shown["source_amount"], shown["quickbooks_amount"]) == (Decimal("80.00"), Decimal("80.00"))
    [paid] = [row for row in rows[APPLIED] if row["txn_id"] == "OLD-1"]
    paid["txn_id"] = operation(rows, "invoice:INV-2")["txn_id"]
    assert not tied(rows).ties


def test_a_carried_invoice_in_a_range_that_is_too_wide_is_counted_once() -> None:
    rows = carried_books()
    rows[JOBS][0]["range_start"] = dt.date(2025, 12, 1)
    result = tied(rows)
    assert result.ties
    assert len(result.differences) == 0
    assert total(result, "invoice")["source_count"] == 2


def test_a_carried_invoice_that_billing_lacks_is_lost() -> None:
    rows = carried_books()
    rows["billing.invoices"] = [row for row in rows["billing.invoices"] if row["invoice_number"] != "500"]
    result = tied(rows)
    assert not result.ties
    row = only(result, "500")
    assert (row["meant"], row["in_quickbooks"], row["explained"]) == (None, Decimal("80.00"), False)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("current_amount_due", Decimal("80.01"), "BluBilling has another amount"),
        ("status", "Cancelled", "it is Cancelled in BluBilling"),
        ("account_number", "A2", "another customer"),
        ("currency", "EUR", "in BluBilling in EUR"),
    ],
)
def test_a_carried_invoice_that_billing_has_otherwise_is_found(column: str, value: Any, reason: str) -> None:
    rows = carried_books()
    rows["billing.invoices"][-1][column] = value
    if column == "account_number":  # its payment follows it
        rows["billing.payments"][-1]["account_number"] = value
    result = tied(rows)
    assert not result.ties
    reasons = {row["key"]: row["reason"] for row in to_rows(result.differences)}
    assert reason in reasons["500"]


def test_two_invoices_carried_under_one_number_are_found() -> None:
    rows = carried_books()
    rows["ledger.crosswalk"].append(rows["ledger.crosswalk"][0] | {"quickbooks_id": "OLD-2"})
    result = tied(rows)
    assert not result.ties
    assert "carried twice" in only(result, "500")["reason"]


# --- laws ---------------------------------------------------------------------------------------------------

cents = st.integers(1, 99_999).map(lambda n: Decimal(n) / 100)


@st.composite
def exports(draw: st.DrawFn) -> Rows:
    """Draw an export: invoices, some negative or not to be posted, credits, payments in part or in full."""
    rows = world()
    for table in ("invoices", "invoice_lines", "payments", "payment_applications"):
        rows[f"billing.{table}"] = []
    for n in range(draw(st.integers(1, 5))):
        amount, status = draw(cents), draw(st.sampled_from(["Outstanding", "Paid", "Draft"]))
        amount = -amount if draw(st.integers(0, 5)) == 0 else amount
        account = draw(st.sampled_from(["A1", "A2"]))
        made = invoice(f"I{n}", str(amount), status=status, account_number=account)
        rows["billing.invoices"].append(made)
        rows["billing.invoice_lines"].append(line(f"I{n}", str(amount)))
        if amount > 0 and status != "Draft" and draw(st.booleans()):
            paid = min(amount, draw(cents))
            rows["billing.payments"].append(payment(f"P{n}", str(paid), account_number=account))
            rows["billing.payment_applications"].append(application(f"P{n}", f"I{n}", str(paid)))
    if draw(st.booleans()):
        rows["billing.adjustments"] = [adjustment("ADJ", str(draw(cents)))]
    return export(rows)


def remove(rows: Rows, table: str, row: dict[str, Any]) -> None:
    rows[table].remove(row)


def leave(rows: Rows, table: str, row: dict[str, Any]) -> None:
    row["left_at"] = READ


def duplicate(rows: Rows, table: str, row: dict[str, Any]) -> None:
    rows[table].append(row | {"txn_id": "COPY"})


def retype(rows: Rows, table: str, row: dict[str, Any]) -> None:
    rows[table].append(row | {"txn_id": "COPY", "memo": None, "external_guid": None})


def change(rows: Rows, table: str, row: dict[str, Any]) -> None:
    row["subtotal" if table == INVOICES else "total_amount"] += Decimal("0.01")


def move(rows: Rows, table: str, row: dict[str, Any]) -> None:
    row["customer_list_id"] = "C-9"


def unapply(rows: Rows, table: str, row: dict[str, Any]) -> None:
    row["txn_date"] += dt.timedelta(days=1)
    rows[APPLIED] = [each for each in rows.get(APPLIED, []) if each["payment_txn_id"] != row["txn_id"]]


TAMPERINGS = (remove, leave, duplicate, retype, change, move, unapply)


@pytest.mark.slow
@given(exports())
@examples(max_examples=8)
def test_what_was_exported_ties_and_every_row_is_accounted_for(rows: Rows) -> None:
    result = tied(rows)
    assert result.ties, to_rows(result.differences)
    source = {row["invoice_number"] for row in rows["billing.invoices"]}
    sent = {row["source_key"] for row in rows[OPERATIONS] if row["source_table"] == "billing.invoices"}
    told = {row["key"] for row in to_rows(result.differences)}
    assert sent | told == source
    assert not sent & told
    counts = [row for row in to_rows(result.totals) if row["record_kind"] in ("invoice", "credit_memo")]
    assert sum(row["source_count"] for row in counts) == len(source) + len(
        rows.get("billing.adjustments", [])
    )


@pytest.mark.slow
@given(exports(), st.sampled_from(TAMPERINGS), st.data())
@examples(max_examples=20)
def test_whatever_is_done_to_a_document_in_quickbooks_is_found(
    rows: Rows, tamper: Callable[..., None], data: st.DataObject
) -> None:
    documents = [(table, row) for table in HELD.values() for row in rows.get(table, [])]
    if not documents:
        return
    table, row = data.draw(st.sampled_from(documents))
    tamper(rows, table, row)
    result = tied(rows)
    assert not result.ties
    assert any(not each["explained"] for each in to_rows(result.differences))


@pytest.mark.slow
@given(exports(), st.data())
@examples(max_examples=8)
def test_whatever_is_lost_or_added_in_billing_is_found(rows: Rows, data: st.DataObject) -> None:
    sent = {row["source_key"] for row in rows[OPERATIONS]}
    invoices = [row for row in rows["billing.invoices"] if row["invoice_number"] in sent]
    if not invoices:
        return
    row = data.draw(st.sampled_from(invoices))
    what = data.draw(st.sampled_from(["lose", "change", "add"]))
    if what == "lose":
        rows["billing.invoices"].remove(row)
    elif what == "change":
        row["current_amount_due"] += Decimal("0.01")
    else:
        rows["billing.invoices"].append(row | {"invoice_number": "NEW"})
        rows["billing.invoice_lines"].append(line("NEW", str(row["current_amount_due"])))
    assert not tied(rows).ties
