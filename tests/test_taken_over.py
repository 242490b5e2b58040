"""What QuickBooks has and the ledger does not know: taken over by its marker, or as a person said."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World
from export_world import (
    ALL,
    JANUARY,
    Rows,
    adjustment,
    application,
    bound,
    day,
    frames,
    invoice,
    line,
    payment,
    queued,
    settings,
    world,
)
from lost_world import Lost, books

from toolkit.ledger_records import FOR_A_PERSON
from toolkit.references import KNOWN_AS
from toolkit.tables import from_rows, to_rows
from toolkit.transform import Plan, plan_export
from toolkit.transform_fields import external_guid, memo
from toolkit.workspace import Workspace
from toolkit.workspace_backup import backup
from toolkit.workspace_restore import restore

Change = Callable[[Rows], Any]
SAID = "ann says that it is not in QuickBooks: another one; export it again"
TAKEN_OVER = ("INV-1", "P-1", "C-1")


def planned(*changes: Change, **text: str) -> Plan:
    rows = world()
    for change in changes:
        change(rows)
    return plan_export(frames(rows), settings(credit_item="House Credit", **text), **JANUARY, **ALL)


def add(table: str, *rows: dict[str, Any]) -> Change:
    return lambda tables: tables.setdefault(table, []).extend(rows)


def said(key: str, **more: Any) -> Change:
    """Return the change by which a person said of an operation that QuickBooks does not have it."""
    row = queued(key, "skipped", said_absent=True, status_message=SAID)
    return add("ledger.operations", row | more)


def there(table: str, key: str, txn_id: str, total: str = "60.00", **more: Any) -> Change:
    """Return the change that lets QuickBooks hold a document with the marker of an operation."""
    column = "subtotal" if table == "invoices" else "total_amount"
    number = key.partition(":")[2]
    row = {"txn_id": txn_id, "ref_number": number, "memo": memo(number, key), "customer_list_id": "C-1"}
    return add(f"quickbooks.{table}", row | {"txn_date": day(20), column: Decimal(total)} | more)


def by_hand(**more: Any) -> Change:
    """Return the change that lets QuickBooks hold a payment that somebody entered there."""
    row = {"txn_id": "H-1", "customer_list_id": "C-1", "total_amount": Decimal(60), "txn_date": day(20)}
    return add("quickbooks.payments", row | more)


def carried(key: str, txn_id: str, **more: Any) -> Change:
    """Return the change by which an invoice of QuickBooks was carried; both systems have it still."""
    there_too = {
        "txn_id": txn_id,
        "customer_list_id": "C-1",
        "subtotal": Decimal(0),
        "txn_date": day(1, 12, 2025),
    }
    there_too |= {"balance_remaining": Decimal(0)}

    def change(tables: Rows) -> None:
        tables["billing.invoices"].append(invoice(key, "0.00", invoice_date=day(1, 12, 2025)))
        tables.setdefault("quickbooks.invoices", []).append(there_too)
        tables.setdefault("ledger.crosswalk", []).append(bound("invoice", key, txn_id, "quickbooks", **more))

    return change


def split(tables: Rows) -> None:
    """Let the payment pay 40.00 of A1 and 20.00 of A2: two parts, of two customers."""
    tables["billing.invoices"].append(invoice("INV-2", "20.00", account_number="A2"))
    tables["billing.invoice_lines"].append(line("INV-2", "20.00"))
    parts = [application("P-1", "INV-1", "40.00"), application("P-1", "INV-2", "20.00", 2)]
    tables["billing.payment_applications"] = parts


def known_as(plan: Plan) -> dict[str, list[str]]:
    """Return the TxnIDs that operations are known as, by key."""
    rows = {row["key"]: json.loads(row["expected"]) for row in to_rows(plan.operations)}
    return {key: expected[KNOWN_AS] for key, expected in rows.items() if KNOWN_AS in expected}


def messages(plan: Plan, rule: str) -> list[str]:
    return [str(row["message"]) for row in to_rows(plan.findings) if row["rule"] == rule]


def stays(plan: Plan) -> dict[str, str]:
    return {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}


def numbers(plan: Plan) -> dict[str, str]:
    return {row["key"]: row["ref_number"] for row in to_rows(plan.operations)}


# --- a document's own marker --------------------------------------------------------------------------------


def test_what_bears_its_own_marker_is_planned_and_named() -> None:
    plan = planned(
        there("invoices", "invoice:INV-1", "T-1", "100.00"),
        there("payments", "payment:P-1", "T-2"),
        add("billing.adjustments", adjustment("C-1", "5.00")),
        there("credit_memos", "credit_memo:C-1", "T-3", "5.00"),
    )
    assert known_as(plan) == {"invoice:INV-1": ["T-1"], "payment:P-1": ["T-2"], "credit_memo:C-1": ["T-3"]}
    assert not len(plan.left_out)
    told = [row for row in to_rows(plan.findings) if row["rule"] == "taken_over"]
    assert {row["key"] for row in told} == set(TAKEN_OVER)
    assert {row["severity"] for row in to_rows(plan.findings)} == {"warning"}
    assert "TxnID T-1, with our marker: it will be taken over, not added" in messages(plan, "taken_over")[0]


@pytest.mark.parametrize(
    "more",
    [
        {"memo": "edited by somebody", "external_guid": external_guid("invoice:INV-1").lower()},
        {"memo": memo("INV-1", "invoice:INV-1") + " - called 2 May [ok]"},
    ],
)
def test_a_marker_is_known_by_what_is_left_of_it(more: dict[str, Any]) -> None:
    plan = planned(there("invoices", "invoice:INV-1", "T-1", "100.00", **more))
    assert known_as(plan) == {"invoice:INV-1": ["T-1"]}
    assert not len(plan.left_out)


def test_two_records_with_one_marker_are_both_named() -> None:
    one, other = (there("invoices", "invoice:INV-1", txn_id, "100.00") for txn_id in ("T-1", "T-2"))
    plan = planned(one, other)
    assert known_as(plan) == {"invoice:INV-1": ["T-1", "T-2"]}
    assert "T-1, T-2" in messages(plan, "taken_over")[0]


@pytest.mark.parametrize("rule", ["counter:1001", "strip:INV-", "none"])
def test_it_keeps_the_number_that_it_has_whatever_the_rule_says_now(rule: str) -> None:
    plan = planned(
        there("invoices", "invoice:INV-1", "T-1", "100.00", ref_number="1001"),
        add("billing.invoices", invoice("INV-2", "5.00")),
        add("billing.invoice_lines", line("INV-2", "5.00")),
        number_rule=rule,
    )
    fresh = {"counter:1001": "1002", "strip:INV-": "2", "none": "INV-2"}[rule]
    assert numbers(plan) == {"invoice:INV-1": "1001", "invoice:INV-2": fresh, "payment:P-1": "P-1"}


def test_its_number_is_not_free_for_another_document() -> None:
    plan = planned(there("invoices", "invoice:INV-9", "T-9", "7.00", ref_number="INV-1"))
    assert messages(plan, "number_taken") == ["number INV-1 is taken by invoice:INV-9"]
    assert stays(plan) == {"INV-1": "blocked", "P-1": "depends_on_blocked"}


@pytest.mark.parametrize(
    "more",
    [{"left_at": dt.datetime(2026, 1, 21)}, {"subtotal": Decimal(0)}, {"memo": "INV-1 [bb:invoice:INV-11]"}],
)
def test_what_is_gone_or_void_or_anothers_is_not_taken_over(more: dict[str, Any]) -> None:
    plan = planned(there("invoices", "invoice:INV-1", "T-1", "100.00", **{"ref_number": "X", **more}))
    assert known_as(plan) == {} and "invoice:INV-1" in numbers(plan)
    assert not len(plan.findings)


def test_what_the_ledger_knows_is_not_named() -> None:
    bind = add("ledger.crosswalk", bound("invoice", "INV-1", "T-1", amount=Decimal(100)))
    plan = planned(there("invoices", "invoice:INV-1", "T-1", "100.00"), bind)
    assert stays(plan) == {"INV-1": "already_sent"} and known_as(plan) == {}


@pytest.mark.parametrize("more", [there("payments", "payment:P-1", "T-2", "55.00"), by_hand()])
def test_nothing_else_is_in_the_way_of_what_is_taken_over(more: Change) -> None:
    plan = planned(there("payments", "payment:P-1", "T-1"), more)
    assert known_as(plan)["payment:P-1"][0] == "T-1" and not len(plan.left_out)


def test_a_payment_that_is_there_does_not_pay_over_what_it_left_open() -> None:
    carried = add("ledger.crosswalk", bound("invoice", "INV-1", "9-1", amount=Decimal(100)))
    left = {"txn_id": "9-1", "balance_remaining": Decimal(40)}
    there_too = (carried, add("quickbooks.invoices", left), there("payments", "payment:P-1", "T-2"))
    assert known_as(planned(*there_too)) == {"payment:P-1": ["T-2"]}
    more = add("billing.payments", payment("P-2", "40.01"))
    over = planned(
        *there_too, more, add("billing.payment_applications", application("P-2", "INV-1", "40.01"))
    )
    assert stays(over) == {"INV-1": "already_sent", "P-2": "blocked"}
    assert "40.00 is open" in messages(over, "overpaid")[0]


# --- the marker of its kin ----------------------------------------------------------------------------------


def turned(tables: Rows) -> None:
    """Let there be an invoice that is negative now, and goes as a credit memo."""
    tables["billing.invoices"].append(invoice("INV-9", "-5.00"))
    tables["billing.invoice_lines"].append(line("INV-9", "-5.00"))


@pytest.mark.parametrize(
    ("changes", "key", "txn_id"),
    [
        ([split, there("payments", "payment:P-1", "T-2")], "P-1", "T-2"),
        ([there("payments", "payment:P-1/A2", "T-2", "20.00")], "P-1", "T-2"),
        (
            [
                split,
                there("payments", "payment:P-1/A1", "T-1", "40.00"),
                there("payments", "payment:P-1/A9", "T-2", "20.00"),
            ],
            "P-1",
            "T-2",
        ),
        ([split, there("payments", "payment:P-1/A1", "T-2", "60.00")], "P-1", "T-2"),
        ([turned, there("invoices", "invoice:INV-9", "T-9", "5.00")], "INV-9", "T-9"),
        ([there("credit_memos", "credit_memo:INV-1", "T-9", "5.00")], "INV-1", "T-9"),
    ],
)
def test_the_marker_of_its_kin_blocks_and_says_what_to_do(
    changes: list[Change], key: str, txn_id: str
) -> None:
    plan = planned(*changes)
    (row,) = [row for row in to_rows(plan.findings) if row["severity"] == "error"]
    assert (row["rule"], row["key"]) == ("already_in_quickbooks", key)
    assert f" {txn_id} of " in row["message"] and "sent from here as " in row["message"]
    assert "take the change back in BluBilling" in row["suggestion"]
    assert stays(plan)[key] == "blocked"


@pytest.mark.parametrize(
    "changes",
    [
        [split, there("payments", "payment:P-1", "T-2", "0.00")],
        [there("payments", "payment:P-1/A2", "T-2", left_at=dt.datetime(2026, 1, 21))],
        [there("payments", "payment:P-11/A2", "T-2", customer_list_id="C-2")],
        [
            there("credit_memos", "credit_memo:INV-1", "T-9", "5.00"),
            add("billing.adjustments", adjustment("INV-1", "5.00")),
        ],
        [
            there("payments", "payment:P-1/A2", "T-2", "20.00"),
            add("billing.payments", payment("P-1/A2", "20.00")),
        ],
    ],
)
def test_what_is_void_or_another_rows_is_no_kin(changes: list[Change]) -> None:
    plan = planned(*changes, number_rule="counter:1")
    assert messages(plan, "already_in_quickbooks") == [] and not len(plan.left_out)


def test_a_part_that_is_there_is_taken_over_and_the_other_is_added() -> None:
    plan = planned(split, there("payments", "payment:P-1/A1", "T-1", "40.00"))
    assert known_as(plan) == {"payment:P-1/A1": ["T-1"]}
    assert {"payment:P-1/A1", "payment:P-1/A2"} <= set(numbers(plan))
    assert "as payment:P-1/A1 already" in messages(plan, "taken_over")[0]


# --- what somebody entered there by hand --------------------------------------------------------------------

JOHN = {"posted_by": "john", "posted_at": dt.datetime(2026, 1, 31)}
OPEN_DAY = {"closed_period": "first_open_day"}
IN_WORK = {"kind": "write_off", "decision": "Hosting", "item_list_id": "I-1", "item_full_name": "Hosting"}


def closed(tables: Rows) -> None:
    tables["quickbooks.company"][0]["closing_date"] = day(25)


def entered(table: str = "credit_memos", total: str = "5.00", **more: Any) -> Change:
    """Return the change that lets QuickBooks hold an invoice or credit memo that somebody entered there."""
    row = {"txn_id": "8A-1", "customer_list_id": "C-1", "ref_number": "WO-1", "txn_date": day(15)}
    column = "subtotal" if table == "invoices" else "total_amount"
    return add(f"quickbooks.{table}", row | {column: Decimal(total)} | more)


def adjusted(amount: str, key: str = "C-1", **more: Any) -> Change:
    """Return the change by which BluBilling has an adjustment of a kind that goes on an item."""
    row = adjustment(key, amount, **{"kind": "write_off"} | more)
    decided = add("mapping.adjustments", IN_WORK)

    def change(tables: Rows) -> None:
        tables.setdefault("billing.adjustments", []).append(row)
        if "mapping.adjustments" not in tables:
            decided(tables)

    return change


BILLED_BY_HAND = entered("invoices", "90.00", txn_date=day(10), sales_tax_total=Decimal(10))


@pytest.mark.parametrize("date", [day(20), day(26)])
def test_a_payment_is_known_by_its_own_day_and_by_the_one_it_is_posted_on(date: dt.date) -> None:
    plan = planned(closed, by_hand(txn_date=date), **OPEN_DAY)
    assert stays(plan)["P-1"] == "blocked"
    assert f"H-1 of 60.00 on {date}" in messages(plan, "already_in_quickbooks")[0]
    assert stays(planned(closed, by_hand(txn_date=day(27)), **OPEN_DAY)) == {}
    assert stays(planned(by_hand(txn_date=day(26)))) == {}, "of an open period nothing is posted otherwise"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ([adjusted("5.00"), entered()], "C-1"),
        ([adjusted("5.00", kind="house_credit"), entered()], "C-1"),
        ([adjusted("-5.00"), entered("invoices")], "C-1"),
        ([BILLED_BY_HAND], "INV-1"),
        ([closed, adjusted("5.00"), entered(txn_date=day(26))], "C-1"),
        ([add("billing.invoices", invoice("N-1", "-5.00", invoice_date=day(15))), entered()], "N-1"),
    ],
)
def test_a_document_that_was_entered_by_hand_is_not_sent_again(changes: list[Change], key: str) -> None:
    plan = planned(add("billing.invoice_lines", line("N-1", "-5.00")), *changes, **OPEN_DAY)
    assert stays(plan)[key] == "blocked"
    (told,) = messages(plan, "already_in_quickbooks")
    assert "8A-1 of" in told and "number WO-1, for the same customer" in told
    (row,) = [row for row in to_rows(plan.findings) if row["rule"] == "already_in_quickbooks"]
    assert row["severity"] == "error" and "toolkit posted KEY --txn-id TXNID" in row["suggestion"]


def test_a_house_credit_that_goes_as_a_payment_may_have_been_entered_as_a_credit_memo() -> None:
    method = add("quickbooks.payment_methods", {"list_id": "M-9", "name": "Credit", "is_active": True})
    text = {"credit_mode": "payment", "credit_account": "Card Clearing"}
    credit = adjusted("5.00", kind="house_credit")
    assert stays(planned(credit, method, **text)) == {}, "or else this shows nothing"
    assert stays(planned(credit, method, entered(), **text)) == {"C-1": "blocked"}


@pytest.mark.parametrize(
    "more",
    [
        {"customer_list_id": "C-2"},
        {"total": "5.01"},
        {"txn_date": day(16)},
        {"left_at": dt.datetime(2026, 1, 21)},
        {"memo": "X [bb:credit_memo:X]"},
        {"table": "invoices"},
    ],
)
def test_another_document_in_quickbooks_is_not_taken_for_it(more: dict[str, Any]) -> None:
    plan = planned(adjusted("5.00"), entered(**more))
    assert stays(plan) == {} and messages(plan, "already_in_quickbooks") == []


@pytest.mark.parametrize("table", ["credit_memos", "payments"])
def test_a_document_that_another_row_has_is_in_nobodys_way(table: str) -> None:
    """Two equal rows, of which one was posted by hand or sent: the other is another document."""
    twins = [adjusted("5.00"), adjusted("5.00", "C-2"), entered()]
    place, ours = {"source_table": "billing.adjustments", "source_key": "C-2"}, "C-1"
    if table == "payments":
        unpaid = add("billing.payments", payment("P-2", "60.00"))
        twins, place, ours = [unpaid, by_hand(txn_id="8A-1")], dict(place), "P-1"
        place |= {"source_table": "billing.payments", "source_key": "P-2"}
    other = place["source_key"]
    assert stays(planned(*twins)) == {ours: "blocked", other: "blocked"}
    posted = add("ledger.postings", place | JOHN | {"txn_id": "8A-1"})
    assert stays(planned(*twins, posted)) == {other: "posted_by_hand"}
    kind = "payment" if table == "payments" else "credit_memo"
    sent = add("ledger.crosswalk", bound(kind, other, "8A-1"))
    assert stays(planned(*twins, sent)) == {other: "already_sent"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ([adjusted("5.00"), entered()], "credit_memo:C-1"),
        ([adjusted("-5.00"), entered("invoices")], "invoice:debit:C-1"),
        ([BILLED_BY_HAND], "invoice:INV-1"),
    ],
)
def test_a_document_that_a_person_said_is_another_one_is_planned(changes: list[Change], key: str) -> None:
    plan = planned(*changes, said(key))
    assert stays(plan) == {} and messages(plan, "already_in_quickbooks") == []
    (told,) = messages(plan, "said_absent")
    assert "8A-1 of" in told and "ann says" in told


def test_its_own_marker_goes_before_what_looks_like_it() -> None:
    plan = planned(adjusted("5.00"), entered(), there("credit_memos", "credit_memo:C-1", "T-3", "5.00"))
    assert stays(plan) == {} and known_as(plan) == {"credit_memo:C-1": ["T-3"]}


# --- what a person said -------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["quickbooks.invoices", "quickbooks.credit_memos"])
def test_what_a_person_said_is_another_one_holds_no_number(table: str) -> None:
    plan = planned(add(table, {"txn_id": "H-1", "ref_number": "INV-1"}), said("invoice:INV-1"))
    assert not len(plan.left_out) and numbers(plan)["invoice:INV-1"] == "INV-1"
    (told,) = messages(plan, "said_absent")
    assert "H-1 in QuickBooks, and ann says that it is not in QuickBooks: another one" in told
    assert "export it again" not in told


@pytest.mark.parametrize(
    "change",
    [
        add("billing.invoices", invoice("XX-1", "100.00")),
        add("ledger.operations", queued("invoice:INV-0", ref_number="1")),
        add("ledger.operations", queued("invoice:INV-0", "undone", ref_number="1")),
        add("ledger.crosswalk", bound("invoice", "INV-0", "9-1", ref_number="1")),
        carried("INV-0", "9-1", ref_number="1"),
        there("invoices", "invoice:INV-0", "T-9", ref_number="1"),
    ],
)
def test_all_other_holders_of_the_number_count_still(change: Change) -> None:
    lines = add("billing.invoice_lines", line("XX-1", "100.00"))
    plan = planned(change, lines, said("invoice:INV-1"), number_rule=r"pattern:(\d+)$")
    assert stays(plan)["INV-1"] == "blocked"
    assert {row["rule"] for row in to_rows(plan.findings)} == {"number_taken"}


def test_what_was_said_of_one_row_does_not_count_for_another() -> None:
    there_too = add("quickbooks.invoices", {"txn_id": "H-1", "ref_number": "INV-1"})
    assert stays(planned(there_too, said("invoice:INV-2")))["INV-1"] == "blocked"
    assert stays(planned(by_hand(), said("payment:P-2"))) == {"P-1": "blocked"}
    skipped = add("ledger.operations", queued("payment:P-1", "skipped", said_absent=False))
    assert stays(planned(by_hand(), skipped)) == {"P-1": "blocked"}


@pytest.mark.parametrize("more", [{}, {"txn_date": day(5), "ref_number": "P-1"}])
def test_a_payment_that_a_person_said_is_another_one_is_planned(more: dict[str, Any]) -> None:
    assert stays(planned(by_hand(**more))) == {"P-1": "blocked"}, "or else this shows nothing"
    plan = planned(by_hand(**more), said("payment:P-1"))
    assert not len(plan.left_out)
    assert "H-1 of 60.00" in messages(plan, "said_absent")[0]


def test_what_was_said_of_one_part_holds_for_that_one_only() -> None:
    ours = by_hand(total_amount=Decimal(40)), split
    assert stays(planned(*ours)) == {"P-1": "blocked"}
    assert stays(planned(*ours, said("payment:P-1/A2"))) == {"P-1": "blocked"}
    assert stays(planned(*ours, said("payment:P-1/A1"))) == {}
    assert stays(planned(*ours, said("payment:P-1"))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        [split, there("payments", "payment:P-1", "T-2"), said("payment:P-1/A1"), said("payment:P-1/A2")],
        [there("payments", "payment:P-1/A2", "T-2", "20.00"), said("payment:P-1")],
        [turned, there("invoices", "invoice:INV-9", "T-9", "5.00"), said("credit_memo:INV-9")],
    ],
)
def test_a_person_may_say_so_of_its_kin_too(changes: list[Change]) -> None:
    plan = planned(*changes)
    assert not len(plan.left_out)
    assert "ann says" in messages(plan, "said_absent")[0]


def test_nobodys_word_counts_against_the_own_marker() -> None:
    plan = planned(there("payments", "payment:P-1", "T-2"), said("payment:P-1"))
    assert known_as(plan) == {"payment:P-1": ["T-2"]} and messages(plan, "said_absent") == []


# --- from end to end ----------------------------------------------------------------------------------------


def enter_invoice(made: Lost, number: str, amount: str) -> None:
    header = (
        f"<CustomerRef><ListID>C-1</ListID></CustomerRef><TxnDate>2026-01-10</TxnDate><RefNumber>{number}"
    )
    body = (
        f"<InvoiceLineAdd><ItemRef><ListID>I-1</ListID></ItemRef><Amount>{amount}</Amount></InvoiceLineAdd>"
    )
    made.ask(
        f"<InvoiceAddRq><InvoiceAdd>{header}</RefNumber>"
        f"<IsPending>false</IsPending>{body}</InvoiceAdd></InvoiceAddRq>"
    )


def enter_payment(made: Lost, number: str, amount: str) -> None:
    header = (
        f"<CustomerRef><ListID>C-1</ListID></CustomerRef><TxnDate>2026-01-20</TxnDate><RefNumber>{number}"
    )
    made.ask(
        f"<ReceivePaymentAddRq><ReceivePaymentAdd>{header}</RefNumber><TotalAmount>{amount}</TotalAmount>"
        "<IsAutoApply>false</IsAutoApply></ReceivePaymentAdd></ReceivePaymentAddRq>"
    )


def see(made: Lost) -> None:
    """Import the documents that QuickBooks holds."""
    for name in ("invoices", "payments", "receivables"):
        made.ws.queue_import(name, start=None if name == "receivables" else "2026-01-01")
    made.world.finish()


def absent(made: Lost) -> set[str]:
    return {row["key"] for row in to_rows(made.ws.ledger.operations()) if row["said_absent"]}


def ended(made: Lost) -> dict[str, tuple[str, str | None]]:
    """Return status and id of each operation."""
    rows = to_rows(made.ws.ledger.operations())
    return {row["key"]: (row["status"], row["txn_id"] or row["list_id"]) for row in rows}


@pytest.mark.parametrize(
    ("key", "enter", "behind"),
    [
        ("invoice:INV-1", lambda made: enter_invoice(made, "INV-1", "33.00"), "payment:P-1"),
        ("payment:P-1", lambda made: enter_payment(made, "P-1", "60.00"), "payment:P-1"),
    ],
)
def test_what_a_person_says_is_another_one_is_approved_and_sent_once(
    tmp_path: Path, key: str, enter: Callable[[Lost], None], behind: str
) -> None:
    made = Lost.make(tmp_path)
    made.ws.queue(made.plan(), approved_by="ann")
    enter(made)
    made.world.finish()
    operation = made.ws.ledger.operation(key)
    assert operation.status == "unknown" and str(operation.status_message).startswith(FOR_A_PERSON)
    see(made)
    made.ws.ledger.resolve(key, "ann", note="another one")
    assert absent(made) == {key}
    plan = made.plan()
    assert set(numbers(plan)) == {key, behind} and not len(plan.left_out)
    assert "ann says that it is not in QuickBooks: another one" in messages(plan, "said_absent")[0]

    job = made.ws.queue(plan).job
    assert job is not None
    made.world.finish()
    assert ended(made)[key][0] == "pending", "nothing goes before it is approved"
    made.ws.approve(job, "ann")
    made.world.finish()
    assert {status for status, _ in ended(made).values()} == {"applied"}
    assert made.standing()[key] == 1 and set(made.standing().values()) == {1}
    assert made.ws.queue(made.plan(), approved_by="ann").job is None
    made.read_back()
    result = made.tie()
    assert result.ties, to_rows(result.differences)
    assert ["a person said that it is not" in row["reason"] for row in to_rows(result.differences)] == [True]


def test_what_was_said_holds_after_an_attempt_that_came_to_nothing(tmp_path: Path) -> None:
    made = Lost.make(tmp_path)
    made.ws.queue(made.plan(), approved_by="ann")
    enter_invoice(made, "INV-1", "33.00")
    made.world.finish()
    see(made)
    made.ws.ledger.resolve("invoice:INV-1", "ann", note="another one")
    job = made.ws.queue(made.plan()).job
    assert job is not None
    made.ws.ledger.cancel(job, "bob")
    assert absent(made) == {"invoice:INV-1"}
    plan = made.plan()
    assert set(numbers(plan)) == {"invoice:INV-1", "payment:P-1"}
    assert (
        "a person says that it is not in QuickBooks (toolkit show invoice:INV-1)"
        in (messages(plan, "said_absent")[0])
    )
    of_job = to_rows(made.ws.ledger.operations(job))
    assert {row["key"]: row["said_absent"] for row in of_job} == {"invoice:INV-1": True, "payment:P-1": False}


def restored(made: Lost, file: Path) -> Lost:
    """Put an older ledger back; QuickBooks stays as it is."""
    made.ws.close()
    restore(file, made.ws.path, "ann", replace=True)
    clock = made.world.clock
    ws = Workspace(made.ws.path, clock=clock)
    return Lost(ws, World.around(ws, made.world.company, clock))


@pytest.mark.parametrize("rule", ["none", "counter:1001", "changed"])
def test_what_an_older_ledger_does_not_know_is_taken_over(tmp_path: Path, rule: str) -> None:
    made = Lost.make(tmp_path)
    if rule == "counter:1001":
        made.ws.set("number_rule", rule)
    backup(made.ws.path, tmp_path / "older.zip")
    if rule == "changed":
        made.ws.set("number_rule", "strip:INV-")
    made.export()
    before, meant = made.standing(), ended(made)
    again = restored(made, tmp_path / "older.zip")
    see(again)
    plan = again.plan()
    documents = {key: [txn_id] for key, (_, txn_id) in meant.items() if not key.startswith("customer:")}
    assert known_as(plan) == documents and not len(plan.left_out)
    again.ws.queue(plan, approved_by="ann")
    again.world.finish()
    assert again.standing() == before == Counter(dict.fromkeys(documents, 1))
    assert ended(again) == {key: meant[key] for key in documents}
    rows = to_rows(again.ws.ledger.operations())
    assert {row["status_message"] for row in rows} == {"found in QuickBooks by its marker"}
    again.read_back()
    assert again.tie().ties, to_rows(again.tie().differences)


def test_a_receipt_that_was_split_since_waits_until_that_is_taken_back(tmp_path: Path) -> None:
    rows = books()
    rows["billing.payments"] = [payment("P-3", "115.00")]
    rows["billing.payment_applications"] = [application("P-3", "INV-1", "100.00")]
    made = Lost.make(tmp_path, rows)
    made.export("customers", "invoices")
    backup(made.ws.path, tmp_path / "older.zip")
    made.export()
    sent = ended(made)["payment:P-3"]
    again = restored(made, tmp_path / "older.zip")
    see(again)
    table = "billing.payment_applications"
    applied = [application("P-3", "INV-1", "100.00"), application("P-3", "INV-3", "15.00", 2)]
    again.ws.write(table, from_rows(table, applied))
    plan = again.plan()
    assert stays(plan)["P-3"] == "blocked"
    assert "sent from here as payment:P-3" in messages(plan, "already_in_quickbooks")[0]
    again.export()
    assert again.standing()["payment:P-3"] == 1 and "payment:P-3/A3" not in again.standing()
    again.ws.write(table, from_rows(table, rows[table]))
    again.export()
    assert ended(again)["payment:P-3"] == sent
    assert set(again.standing().values()) == {1}
