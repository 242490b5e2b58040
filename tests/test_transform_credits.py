"""Credits and adjustments in a plan: credit memos, payments, invoices, and what is posted by hand."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
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
    queued,
    settings,
    world,
)

from toolkit.tables import TABLES, to_rows
from toolkit.transform import Plan, plan_export
from toolkit.transform_numbers import preview_numbers
from toolkit.transform_schedule import entries_of

AS_PAYMENT = {"credit_mode": "payment", "credit_account": "Card Clearing"}


def planned(rows: Rows, **text: str) -> Plan:
    return plan_export(frames(rows), settings(**text), **JANUARY, **ALL)


def operations(plan: Plan) -> dict[str, dict[str, Any]]:
    return {
        row["key"]: row | {"fields": json.loads(row["fields"]), "expected": json.loads(row["expected"])}
        for row in to_rows(plan.operations)
    }


def stays(plan: Plan) -> dict[str, str]:
    return {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}


def rules(plan: Plan, severity: str = "error") -> set[str]:
    return {row["rule"] for row in to_rows(plan.findings) if row["severity"] == severity}


def with_credit(**more: Any) -> Rows:
    rows = world()
    rows["quickbooks.payment_methods"] += [
        {"list_id": "M-7", "name": "Credit", "is_active": True},
        {"list_id": "M-8", "name": "Referral Credit", "is_active": True},
    ]
    rows["billing.adjustments"] = [adjustment("HC-1", "5.00", **more)]
    return rows


# --- what payments pay --------------------------------------------------------------------------------------


def posted(**more: Any) -> Rows:
    """Return a company whose invoice was posted by hand, and where it is imported as it was."""
    rows = world()
    posting = {"source_table": "billing.invoices", "source_key": "INV-1", "txn_id": "AB-77"}
    rows["ledger.postings"] = [posting | {"posted_by": "ann", "posted_at": dt.datetime(2026, 1, 31)}]
    document = {"txn_id": "AB-77", "customer_list_id": "C-1", "ar_account_list_id": "A-0"}
    document |= {"txn_date": day(10), "subtotal": Decimal(100), "balance_remaining": Decimal(100)}
    rows["quickbooks.invoices"] = [document | more]
    return rows


def test_a_payment_goes_to_the_document_that_its_invoice_was_posted_as() -> None:
    plan = planned(posted())
    made = operations(plan)["payment:P-1"]
    assert made["fields"]["AppliedToTxnAdd"] == [{"TxnID": "AB-77", "PaymentAmount": "60.00"}]
    assert made["depends_on"] is None or not len(made["depends_on"])
    assert stays(plan) == {"INV-1": "posted_by_hand"} and "invoice:INV-1" not in operations(plan)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"balance_remaining": Decimal("59.99")}, "overpaid"),
        ({"ar_account_list_id": "A-9"}, "ar_account_differs"),
        ({"left_at": dt.datetime(2026, 1, 31)}, "application_target"),
        ({"txn_id": "AB-78"}, "application_target"),
    ],
)
def test_a_payment_waits_where_that_document_cannot_take_it(more: dict[str, Any], rule: str) -> None:
    plan = planned(posted(**more))
    assert stays(plan) == {"INV-1": "posted_by_hand", "P-1": "blocked"} and rules(plan) == {rule}
    (said,) = [row["message"] for row in to_rows(plan.findings) if row["rule"] == rule]
    assert (rule != "application_target") or said.endswith("toolkit import invoices")


@pytest.mark.parametrize("switches", [ALL, {"payments": True}])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account_number": "A2"}, "account number A1 is now A2"),
        ({"current_amount_due": Decimal("90.00")}, "amount 100.00 is now 90.00"),
        ({"invoice_date": day(11)}, "date 2026-01-10 is now 2026-01-11"),
        ({"status": "Cancelled"}, "its status is Cancelled"),
        (None, "BluBilling no longer has it"),
    ],
)
def test_a_payment_goes_to_no_document_whose_posting_is_in_doubt(
    change: dict[str, Any] | None, told: str, switches: dict[str, bool]
) -> None:
    rows = posted()
    was = {"account_number": "A1", "date": day(10), "amount": Decimal(100)}
    rows["ledger.postings"] = [rows["ledger.postings"][0] | was]
    plan = plan_export(frames(rows), settings(), **JANUARY, **switches)
    assert "payment:P-1" in set(plan.operations["key"])
    rows["billing.invoices"] = [rows["billing.invoices"][0] | change] if change else []
    plan = plan_export(frames(rows), settings(), **JANUARY, **switches)
    assert stays(plan)["P-1"] == "blocked" and not [k for k in plan.operations["key"] if "P-1" in k]
    (said,) = [row["message"] for row in to_rows(plan.findings) if row["rule"] == "application_target"]
    assert "posted by hand as AB-77, and its posting is in doubt: " in said and told in said


def test_what_was_applied_and_taken_off_again_is_no_part_of_a_receipt() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "20.00", account_number="A2"))
    rows["billing.invoice_lines"].append(line("INV-2", "20.00"))
    rows["billing.payment_applications"] += [
        application("P-1", "INV-2", "5.00", 1),
        application("P-1", "INV-2", "-5.00", 2),
    ]
    sent = {key: made for key, made in operations(planned(rows)).items() if key.startswith("payment:")}
    assert list(sent) == ["payment:P-1"] and sent["payment:P-1"]["amount"] == Decimal("60.00")
    (applied,) = sent["payment:P-1"]["fields"]["AppliedToTxnAdd"]
    assert applied["PaymentAmount"] == "60.00"


# --- house credits as payments ------------------------------------------------------------------------------


def test_a_house_credit_goes_as_a_payment_on_the_clearing_account() -> None:
    plan = planned(with_credit(invoice_number="INV-1", reason_text="Sorry"), **AS_PAYMENT)
    made = operations(plan)["payment:HC-1"]
    assert made["request"] == "ReceivePaymentAdd" and made["source_table"] == "billing.adjustments"
    assert made["fields"]["PaymentMethodRef"] == {"ListID": "M-7"}
    assert made["fields"]["DepositToAccountRef"] == {"ListID": "A-1"}
    assert made["fields"]["AppliedToTxnAdd"] == [
        {"TxnID": {"operation": "invoice:INV-1"}, "PaymentAmount": "5.00"}
    ]
    assert made["depends_on"] == ["invoice:INV-1"] and "credit_memo:HC-1" not in operations(plan)


def test_what_blubilling_applied_of_it_goes_before_the_invoice_it_names() -> None:
    rows = with_credit(invoice_number="INV-9", unapplied_balance=Decimal(2))
    rows["billing.payment_applications"].append(application("HC-1", "INV-1", "3.00"))
    made = operations(planned(rows, **AS_PAYMENT))["payment:HC-1"]
    assert [part["PaymentAmount"] for part in made["fields"]["AppliedToTxnAdd"]] == ["3.00"]
    assert made["expected"]["unapplied"] == "2.00"


def test_its_text_names_the_method_where_quickbooks_has_it() -> None:
    made = operations(planned(with_credit(reason_text="Referral Credit"), **AS_PAYMENT))["payment:HC-1"]
    assert made["fields"]["PaymentMethodRef"] == {"ListID": "M-8"} and made["fields"]["IsAutoApply"] is False


def test_credits_and_payments_together_pay_no_more_than_is_open() -> None:
    rows = with_credit(invoice_number="INV-1", effective_date=day(25))
    rows["billing.adjustments"][0]["amount"] = Decimal("50.00")
    plan = planned(rows, **AS_PAYMENT)
    assert stays(plan) == {"HC-1": "blocked"} and "overpaid" in rules(plan)


@pytest.mark.parametrize("wrong", [{}, {"credit_account": "Nowhere"}])
def test_without_a_clearing_account_none_goes(wrong: dict[str, str]) -> None:
    plan = planned(with_credit(), credit_mode="payment", **wrong)
    assert "credit_mode" in rules(plan) and stays(plan) == {"HC-1": "blocked"}


def test_a_payment_of_the_same_number_and_a_credit_cannot_be_told_apart() -> None:
    rows = with_credit()
    rows["billing.adjustments"][0]["adjustment_id"] = "P-1"
    plan = planned(rows, **AS_PAYMENT)
    assert "credit_number" in rules(plan)
    assert [row["source_table"] for row in to_rows(plan.left_out)] == ["billing.adjustments"]


@pytest.mark.parametrize(("kind", "text"), [("credit_memo", AS_PAYMENT), ("payment", {})])
def test_a_credit_is_not_sent_twice_because_the_mode_changed(kind: str, text: dict[str, str]) -> None:
    rows = with_credit()
    rows["ledger.crosswalk"] = [bound(kind, "HC-1", "9-9")]
    plan = planned(rows, credit_item="House Credit", **text)
    assert stays(plan) == {"HC-1": "already_sent"}
    rows["ledger.crosswalk"], rows["ledger.operations"] = [], [queued(f"{kind}:HC-1")]
    assert stays(planned(rows, credit_item="House Credit", **text)) == {"HC-1": "under_way"}


# --- kinds of adjustment ------------------------------------------------------------------------------------


def decided(kind: str, decision: str = "House Credit", list_id: str | None = "I-5") -> dict[str, Any]:
    name = decision if list_id else None
    return {"kind": kind, "decision": decision, "item_list_id": list_id, "item_full_name": name}


def test_a_kind_goes_on_its_item_by_its_sign() -> None:
    rows = world()
    rows["billing.adjustments"] = [
        adjustment("W-1", "7.00", kind="write_off", reason_text="Bad debt"),
        adjustment("D-1", "-4.00", kind="house_debit"),
        adjustment("B-1", "1.00", kind="balance_adjustment"),
        adjustment("M-1", "1.00", kind="debit_memo"),
    ]
    rows["mapping.adjustments"] = [
        decided("write_off"),
        decided("house_debit"),
        decided("debit_memo", "(by hand)", None),
    ]
    plan = planned(rows)
    made = operations(plan)
    assert made["credit_memo:W-1"]["fields"]["CreditMemoLineAdd"][0]["ItemRef"] == {"ListID": "I-5"}
    assert made["credit_memo:W-1"]["amount"] == Decimal("7.00")
    debit = made["invoice:debit:D-1"]
    assert debit["request"] == "InvoiceAdd" and debit["amount"] == Decimal("4.00")
    assert debit["fields"]["InvoiceLineAdd"][0]["Amount"] == "4.00" and debit["fields"]["RefNumber"] == "D-1"
    assert stays(plan) == {"B-1": "post_by_hand", "M-1": "post_by_hand"}


def test_an_adjustment_and_an_invoice_of_one_number_are_two_documents() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("INV-1", "-4.00", kind="house_debit")]
    rows["mapping.adjustments"] = [decided("house_debit")]
    plan = planned(rows)
    assert "number_taken" in rules(plan)  # QuickBooks would have two of that number: a person gives one


def test_a_debit_that_was_sent_is_compared_with_its_row() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("D-1", "-4.00", kind="house_debit")]
    rows["mapping.adjustments"] = [decided("house_debit")]
    sent = queued("invoice:debit:D-1", "applied", amount=Decimal("4.00"), txn_id="9-1", txn_date=day(15))
    rows["ledger.operations"] = [sent | {"account_number": "A1", "source_key": "D-1"}]
    plan = planned(rows)
    assert stays(plan) == {"D-1": "already_sent"} and "changed_after_sent" not in rules(plan, "warning")
    rows["billing.adjustments"][0]["amount"] = Decimal("-6.00")
    assert "changed_after_sent" in rules(planned(rows), "warning")


# --- what is posted by hand ---------------------------------------------------------------------------------


def refund(number: str, amount: str = "-60.00", **more: Any) -> dict[str, Any]:
    return payment(number, amount, payment_type="Refund", reverses_payment_number="P-1") | more


def by_hand(plan: Plan) -> dict[str, dict[str, Any]]:
    return {row["source_key"]: row for row in to_rows(plan.post_by_hand)}


def test_the_schedule_lists_refunds_chargebacks_and_what_has_no_item() -> None:
    rows = world()
    back = payment("C-1", "-10.00", reverses_payment_number="P-1")
    rows["billing.payments"] += [refund("R-1", "-61.00"), back]
    rows["billing.adjustments"] = [adjustment("W-1", "7.00", kind="write_off")]
    plan = planned(rows)
    listed = by_hand(plan)
    assert list(plan.post_by_hand.columns) == TABLES["plan.post_by_hand"].names
    assert {key: (row["kind"], row["amount"]) for key, row in listed.items()} == {
        "W-1": ("write_off", Decimal("7.00")),
        "R-1": ("refund", Decimal("-61.00")),
        "C-1": ("chargeback", Decimal("-10.00")),
    }
    assert listed["R-1"]["entries"] is None and "was 60.00 only" in listed["R-1"]["why"]
    assert "only: look" not in listed["C-1"]["why"] and listed["C-1"]["reverses"] == "P-1"
    assert listed["W-1"]["customer_full_name"] == "Acme" and listed["W-1"]["txn_id"] is None


def test_up_to_three_gateway_entries_of_one_refund_are_one_row() -> None:
    rows = world()
    rows["billing.payments"] += [refund("R-1", "0.00"), refund("R-2", "-20.00"), refund("R-3", "-40.00")]
    plan = planned(rows)
    assert by_hand(plan)["R-1"]["amount"] == Decimal("-60.00") and len(plan.post_by_hand) == 1
    assert set(stays(plan)) == {"R-1", "R-2", "R-3"}  # the rows themselves stay three
    rows["billing.payments"].append(refund("R-4", "-1.00"))
    assert len(planned(rows).post_by_hand) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal("-30.00")},  # 50 of 60: two refunds of a part each
        {"amount": Decimal("-60.00")},  # more than was paid
        {"effective_date": day(28), "transaction_id": "T-2"},
        {"account_number": "A2"},
        {"payment_type": "Payment"},
    ],
)
def test_refunds_that_are_not_one_stand_apart(change: dict[str, Any]) -> None:
    rows = world()
    first, second = refund("R-1", "-20.00", transaction_id="T-1"), refund("R-2", "-40.00")
    rows["billing.payments"] += [first, second]
    assert set(by_hand(planned(rows))) == {"R-1"}
    second |= change
    listed = by_hand(planned(rows))
    assert set(listed) == {"R-1", "R-2"} and listed["R-1"]["amount"] == Decimal("-20.00")
    assert ("80.00 of it is refunded: look" in listed["R-1"]["why"]) == (change.get("amount") == -60)


def test_one_transaction_is_one_refund_on_two_days() -> None:
    rows = world()
    same = {"transaction_id": "T-1"}
    rows["billing.payments"] += [
        refund("R-1", "-20.00", **same),
        refund("R-2", "-40.00", effective_date=day(28), **same),
    ]
    assert by_hand(planned(rows))["R-1"]["entries"] == ["R-1", "R-2"]


def test_a_refund_that_comes_later_is_not_in_the_one_that_was_posted() -> None:
    rows = world()
    rows["billing.payments"] += [refund("R-1", "-20.00"), refund("R-2", "-40.00")]
    place = {"source_table": "billing.payments", "source_key": "R-1", "txn_id": "9-4"}
    rows["ledger.postings"] = [place | {"posted_by": "ann", "posted_at": dt.datetime(2026, 2, 1)}]
    listed = by_hand(planned(rows))
    assert {key: row["txn_id"] for key, row in listed.items()} == {"R-1": "9-4", "R-2": None}
    assert listed["R-2"]["amount"] == Decimal("-40.00")
    rows["ledger.postings"].append({**rows["ledger.postings"][0], "source_key": "R-2"})
    assert by_hand(planned(rows))["R-1"]["entries"] == ["R-1", "R-2"]
    assert "toolkit table" not in listed["R-2"]["why"]


@pytest.mark.parametrize(
    "change", [{"amount": Decimal("-50.00")}, {"account_number": "A2"}, {"effective_date": day(29)}]
)
def test_what_was_posted_and_changed_since_is_open_again_and_not_sent(change: dict[str, Any]) -> None:
    rows = world()
    one = refund("R-1", "-60.00")
    rows["billing.payments"].append(one)
    place = {"source_table": "billing.payments", "source_key": "R-1", "txn_id": "9-4"}
    place |= {"account_number": "A1", "date": one["effective_date"], "amount": Decimal("-60.00")}
    rows["ledger.postings"] = [place | {"posted_by": "ann", "posted_at": dt.datetime(2026, 2, 1)}]
    assert stays(planned(rows)) == {"R-1": "posted_by_hand"} and by_hand(planned(rows))["R-1"]["txn_id"]
    one |= change
    plan = planned(rows)
    assert stays(plan) == {"R-1": "posting_overtaken"}
    assert by_hand(plan)["R-1"]["txn_id"] is None and "but changed since" in by_hand(plan)["R-1"]["why"]
    [said] = [row for row in to_rows(plan.findings) if row["rule"] == "posting_overtaken"]
    assert (said["severity"], said["column"]) == ("warning", next(iter(change)))


def test_entries_without_the_payment_they_take_back_are_told_by_the_transaction() -> None:
    base = {"payment_type": "Refund", "account_number": "A1", "reverses_payment_number": None}
    base |= {"transaction_id": "T-1"}
    rows = [base | {"payment_number": "R-1"}, base | {"payment_number": "R-2"}]
    assert entries_of(rows) == {"R-1": ("R-1", "R-2")}
    rows[1]["transaction_id"] = None
    assert entries_of(rows) == {"R-1": ("R-1",), "R-2": ("R-2",)}


def test_what_was_posted_by_hand_is_not_sent_whatever_is_decided_later() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("W-1", "7.00", kind="write_off")]
    rows["mapping.adjustments"] = [decided("write_off")]
    assert "credit_memo:W-1" in operations(planned(rows))
    place = {"source_table": "billing.adjustments", "source_key": "W-1", "txn_id": "9-4"}
    rows["ledger.postings"] = [place | {"posted_by": "ann", "posted_at": dt.datetime(2026, 2, 1)}]
    plan = planned(rows)
    assert stays(plan) == {"W-1": "posted_by_hand"} and "credit_memo:W-1" not in operations(plan)
    assert (by_hand(plan)["W-1"]["txn_id"], by_hand(plan)["W-1"]["posted_by"]) == ("9-4", "ann")


# --- dates, terms, classes, accounts ------------------------------------------------------------------------


def test_a_document_of_a_closed_period_goes_to_the_first_open_day() -> None:
    rows = world()
    rows["quickbooks.company"][0]["closing_date"] = day(31)
    assert stays(planned(rows))["INV-1"] == "blocked"
    plan = planned(rows, closed_period="first_open_day")
    made = operations(plan)
    assert made["invoice:INV-1"]["fields"]["TxnDate"] == "2026-02-01"
    assert made["invoice:INV-1"]["fields"]["Memo"] == "INV-1 (dated 2026-01-10) [bb:invoice:INV-1]"
    assert made["invoice:INV-1"]["expected"]["txn_date"] == "2026-02-01"
    assert made["invoice:INV-1"]["fields"]["DueDate"] == "2026-02-09"
    assert made["payment:P-1"]["fields"]["TxnDate"] == "2026-02-01"
    assert "date_moved" in rules(plan, "warning") and "closed period" in made["invoice:INV-1"]["why"]
    assert set(plan.by_day["txn_date"]) == {day(1, 2)}


def test_terms_go_to_invoices_and_new_customers() -> None:
    rows = world()
    rows["quickbooks.terms"] = [
        {"list_id": "N-1", "name": "Net 30", "terms_type": "Standard", "std_due_days": 30, "is_active": True}
    ]
    rows["billing.customers"] = [
        customer("A1", "Acme", terms_value=30, terms_units="Days"),
        customer("A9", "New One", terms_value=30, terms_units="Days"),
    ]
    rows["mapping.customers"] = [{"account_number": "A9", "decision": "(new)"}]
    assert "TermsRef" not in operations(planned(rows))["invoice:INV-1"]["fields"]
    rows["mapping.terms"] = [
        {"terms_name": "30 Days", "terms_list_id": "N-1", "terms_full_name": "Net 30", "decision": "Net 30"}
    ]
    made = operations(planned(rows))
    assert made["invoice:INV-1"]["fields"]["TermsRef"] == {"ListID": "N-1"}
    assert made["invoice:INV-1"]["fields"]["DueDate"] == "2026-02-09"
    assert made["customer:A9"]["fields"]["TermsRef"] == {"ListID": "N-1"}


@pytest.mark.parametrize(
    ("assigned", "header", "first_line"),
    [("Names", "K-1", None), ("Items", None, "K-2"), (None, "K-1", "K-2")],
)
def test_classes_go_where_the_company_keeps_them(
    assigned: str | None, header: str | None, first_line: str | None
) -> None:
    rows = world()
    rows["quickbooks.customers"][0]["class_list_id"] = "K-1"
    rows["quickbooks.items"][0]["class_list_id"] = "K-2"
    assert "ClassRef" not in operations(planned(rows))["invoice:INV-1"]["fields"]
    rows["quickbooks.company"][0] |= {"is_using_class_tracking": True, "assign_classes_to": assigned}
    fields = operations(planned(rows))["invoice:INV-1"]["fields"]
    assert fields.get("ClassRef", {}).get("ListID") == header
    assert fields["InvoiceLineAdd"][0].get("ClassRef", {}).get("ListID") == first_line


# --- numbers ------------------------------------------------------------------------------------------------


def numbers(rows: Rows, **text: str) -> dict[str, tuple[str, str]]:
    frame = preview_numbers(frames(rows), settings(**text))
    return {row["number"]: (row["ref_number"], row["status"]) for row in to_rows(frame)}


def test_a_number_that_a_person_gave_goes_before_the_rule_until_it_is_sent() -> None:
    rows = world()
    long = "INV-2026-000123"
    rows["billing.invoices"].append(invoice(long, "5.00"))
    rows["billing.invoice_lines"].append(line(long, "5.00"))
    assert numbers(rows) == {long: (long, "problem"), "INV-1": ("INV-1", "fits")}
    assert numbers(rows, number_rule="strip:INV-")[long] == ("2026-000123", "ruled")
    decision = {"record_kind": "invoice", "number": long, "ref_number": "7001", "decision": "7001"}
    rows["mapping.numbers"] = [decision]
    assert numbers(rows, number_rule="strip:INV-")[long] == ("7001", "decided")
    made = operations(planned(rows))[f"invoice:{long}"]
    assert made["fields"]["RefNumber"] == "7001" and long in made["fields"]["Memo"]
    rows["ledger.operations"] = [queued(f"invoice:{long}", ref_number="6999")]
    assert numbers(rows)[long] == ("6999", "sent")


def test_a_number_given_twice_is_a_problem_and_blocks_both() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "5.00"))
    rows["billing.invoice_lines"].append(line("INV-2", "5.00"))
    rows["mapping.numbers"] = [
        {"record_kind": "invoice", "number": number, "ref_number": "7", "decision": "7"}
        for number in ("INV-1", "INV-2")
    ]
    assert {status for _, status in numbers(rows).values()} == {"problem"}
    assert {key for key, rule in stays(planned(rows)).items() if rule == "blocked"} >= {"INV-1", "INV-2"}


def test_without_a_cutover_date_there_are_no_numbers_to_show() -> None:
    assert not len(preview_numbers(frames(world()), settings(cutover_date="-")))


def test_a_payment_with_a_number_that_is_too_long_may_be_given_one() -> None:
    rows = world()
    rows["billing.payments"][0] |= {"check_number": "X" * 21}
    assert numbers(rows)["P-1"] == ("X" * 21, "problem")
    rows["mapping.numbers"] = [
        {"record_kind": "payment", "number": "P-1", "ref_number": "X-1", "decision": "X-1"}
    ]
    assert numbers(rows)["P-1"] == ("X-1", "decided")
    assert operations(planned(rows))["payment:P-1"]["fields"]["RefNumber"] == "X-1"


def test_a_number_is_given_to_one_payment_only() -> None:
    rows = world()
    rows["billing.payments"].append(payment("P-2", "5.00"))
    rows["mapping.numbers"] = [
        {"record_kind": "payment", "number": number, "ref_number": "55", "decision": "55"}
        for number in ("P-1", "P-2")
    ]
    assert {numbers(rows)[number] for number in ("P-1", "P-2")} == {("55", "problem")}
    plan = planned(rows)
    assert stays(plan) == {"P-1": "blocked", "P-2": "blocked"} and rules(plan) == {"number_taken"}
    assert {row["message"] for row in to_rows(plan.findings)} == {
        "number 55 was decided on for P-1 too",
        "number 55 was decided on for P-2 too",
    }
    rows["mapping.numbers"][1] |= {"ref_number": "56", "decision": "56"}
    assert numbers(rows)["P-2"] == ("56", "decided") and stays(planned(rows)) == {}


def test_the_numbers_of_checks_may_repeat() -> None:
    rows = world()
    rows["billing.payments"][0]["check_number"] = "55"
    rows["billing.payments"].append(payment("P-2", "5.00", check_number="55"))
    assert stays(planned(rows)) == {}


# --- lines of every kind ------------------------------------------------------------------------------------


def test_discounts_promotions_and_penalties_are_amount_lines_and_subtotals_are_left_away() -> None:
    rows = world()
    rows["quickbooks.items"].append(item("I-6", "Late fee", "OtherCharge"))
    rows["billing.charges"].append(
        {"contract_code": "P1", "price_code": "Late fee", "charge_type": "recurring", "is_penalty": True}
    )
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("89.50")
    rows["billing.invoice_lines"] += [
        line("INV-1", "-10.00", "Promo", charge_position=2, line_type="discount"),
        line("INV-1", "-5.00", charge_position=3, description="Promotion SPRING"),
        line("INV-1", "4.50", "Late fee", charge_position=4, line_type="penalty", is_percent=True),
        line("INV-1", "40.00", charge_position=5, line_type="usage_subtotal"),
    ]
    rows["billing.payments"] = []
    sent = operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"]
    assert [(part["Amount"], part.get("Quantity")) for part in sent] == [
        ("100.00", "1"),
        ("-10.00", None),
        ("-5.00", "1"),
        ("4.50", None),
    ]
    assert not [part for part in sent if {"Rate", "RatePercent"} & set(part)]
