"""What is carried forward: open balances at the cutover, rolled back, proved, numbered, behind the gate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit import qbxml_io
from toolkit.carried import carried_note
from toolkit.carry_forward import CarryForward, plan_carry_forward
from toolkit.errors import SettingError
from toolkit.extract import read_billing
from toolkit.rehearsal.sample import SAMPLE, sample_tables
from toolkit.settings import Settings
from toolkit.tables import TABLES, from_arrow, from_rows, to_rows

Rows = dict[str, list[dict[str, Any]]]

INVOICES, MEMOS, PAYMENTS = "quickbooks.invoices", "quickbooks.credit_memos", "quickbooks.payments"
LINKS, APPLIED = "quickbooks.linked_transactions", "quickbooks.payment_applications"
BEFORE, AFTER = dt.date(2025, 12, 20), dt.date(2026, 1, 5)
READ = dt.datetime(2026, 1, 10, 9, 0)


def settings(**text: str) -> Settings:
    values = {
        "cutover_date": "2025-12-31",
        "carry_forward__plan": "QB",
        "carry_forward__price_code": "Balance",
        **text,
    }
    made = Settings()
    for key, value in values.items():
        made = made.with_text(key.replace("__", "."), value)
    return made


def invoice(txn_id: str, total: str, still_open: str, **more: Any) -> dict[str, Any]:
    row = {
        "txn_id": txn_id,
        "txn_number": int(txn_id.strip("INV-")),
        "customer_list_id": "C-1",
        "customer_full_name": "Acme",
        "txn_date": dt.date(2025, 12, 10),
        "due_date": dt.date(2026, 1, 9),
        "ref_number": f"10{txn_id.strip('INV-')}",
        "subtotal": Decimal(total),
        "balance_remaining": Decimal(still_open),
    }
    return row | more


def credit(txn_id: str, total: str, still_open: str, **more: Any) -> dict[str, Any]:
    row = {"txn_id": txn_id, "customer_list_id": "C-1", "customer_full_name": "Acme", "txn_date": BEFORE}
    amounts = {"total_amount": Decimal(total), "credit_remaining": Decimal(still_open)}
    return row | {"txn_number": 77, "ref_number": "CM"} | amounts | more


def payment(txn_id: str, total: str, unused: str, **more: Any) -> dict[str, Any]:
    row = {"txn_id": txn_id, "customer_list_id": "C-1", "customer_full_name": "Acme", "txn_date": BEFORE}
    amounts = {"total_amount": Decimal(total), "unused_payment": Decimal(unused)}
    return row | {"txn_number": 88, "ref_number": "CHK"} | amounts | more


def link(owner: str, other: str, amount: str, kind: str = "ReceivePayment", **more: Any) -> dict[str, Any]:
    table = INVOICES if owner.startswith("INV") else MEMOS
    row = {"owner_table": table, "owner_txn_id": owner, "txn_id": other, "txn_type": kind}
    return row | {"txn_date": BEFORE, "amount": Decimal(amount)} | more


def applied(payment_id: str, to: str, amount: str, **more: Any) -> dict[str, Any]:
    row = {"payment_txn_id": payment_id, "txn_id": to, "txn_type": "Invoice", "amount": Decimal(amount)}
    return row | {"txn_date": dt.date(2025, 12, 10), "ref_number": f"10{to.strip('INV-')}"} | more


def carried(kind: str, key: str, txn_id: str, **more: Any) -> dict[str, Any]:
    return {"record_kind": kind, "key": key, "origin": "quickbooks", "quickbooks_id": txn_id} | more


def billing_invoice(number: str, amount: str, account: str = "A1") -> dict[str, Any]:
    row = {"invoice_number": number, "account_number": account, "invoice_date": BEFORE, "due_date": BEFORE}
    return row | {"status": "Outstanding", "current_amount_due": Decimal(amount)}


def world(**balances: str) -> Rows:
    """Return two matched customers and one invoice of 100.00, wholly open."""
    return {
        "quickbooks.customers": [
            {"list_id": "C-1", "full_name": "Acme", "name": "Acme", "balance": Decimal("100.00")},
            {"list_id": "C-2", "full_name": "Bolt", "name": "Bolt", "balance": Decimal(0)},
        ],
        "quickbooks.items": [
            {"list_id": f"I-{n}", "item_type": "Service", "name": name, "full_name": name, "is_active": True}
            for n, name in enumerate(["Hosting", "Balance"])
        ],
        INVOICES: [invoice("INV1", "100.00", "100.00")],
        MEMOS: [],
        PAYMENTS: [],
        LINKS: [],
        APPLIED: [],
        "billing.customers": [
            {"account_number": "A1", "name": "Acme"},
            {"account_number": "A2", "name": "Bolt"},
        ],
        "billing.plans": [
            {"contract_code": "P1", "name": "Web"},
            {"contract_code": "QB", "name": "Carried"},
        ],
        "billing.charges": [
            {"contract_code": "P1", "price_code": "Hosting", "charge_type": "recurring"},
            {"contract_code": "QB", "price_code": "Balance", "charge_type": "one_time"},
        ],
        "billing.invoices": [],
        "ledger.crosswalk": [],
        "mapping.customers": [],
    }


def plan(rows: Rows, **text: str) -> CarryForward:
    return plan_carry_forward(
        {name: from_rows(name, listed) for name, listed in rows.items()}, settings(**text)
    )


def rules(made: CarryForward, severity: str | None = None) -> dict[str, str]:
    """Return rule to key of the findings."""
    listed = to_rows(made.findings)
    return {row["rule"]: row["key"] for row in listed if severity in (None, row["severity"])}


def open_amounts(made: CarryForward) -> dict[str, Decimal]:
    return {row["txn_id"]: row["open_amount"] for row in to_rows(made.documents)}


def balance(rows: Rows, amount: str) -> None:
    rows["quickbooks.customers"][0]["balance"] = Decimal(amount)


# --- the upload ---------------------------------------------------------------------------------------------


def test_an_open_invoice_becomes_one_row_of_the_upload() -> None:
    made = plan(world())
    assert made.ready
    assert len(made.findings) == 0
    [row] = to_rows(made.upload)
    assert {name: value for name, value in row.items() if value is not None} == {
        "Invoice Number": "101",
        "Customer Ref": "A1",
        "Invoice Date": "12/10/2025",
        "Due Date": "01/09/2026",
        "Status": "Outstanding",
        "Previous Balance": "0.00",
        "Current Amount Due": "100.00",
        "Payments And Adjustments": "0.00",
        "Billing StartDate": "12/10/2025",
        "Billing EndDate": "12/10/2025",
        "Note": "QuickBooks invoice 101, TxnID INV1",
        "ContractCode_1": "QB",
        "Position_1": "1",
        "PriceCode_1": "Balance",
        "Invoice Text_1": "Open balance of invoice 101",
        "Unit Price_1": "100.00",
        "Quantity_1": "1",
        "Amount_1": "100.00",
    }


def test_dates_of_the_upload_follow_the_setting_and_a_missing_due_date_is_the_invoice_date() -> None:
    rows = world()
    rows[INVOICES][0]["due_date"] = None
    [row] = to_rows(plan(rows, carry_forward__date_format="%Y-%m-%d").upload)
    assert (row["Invoice Date"], row["Due Date"]) == ("2025-12-10", "2025-12-10")


def test_a_cutover_date_is_required() -> None:
    with pytest.raises(SettingError, match="cutover_date"):
        plan_carry_forward({}, Settings())


def test_nothing_is_uploaded_while_the_gate_is_closed_but_everything_is_shown() -> None:
    rows = world()
    rows["billing.charges"][0]["price_code"] = "hosting"
    made = plan(rows)
    assert not made.ready
    assert len(made.upload) == 0
    assert open_amounts(made) == {"INV1": Decimal("100.00")}


# --- what was open at the cutover ---------------------------------------------------------------------------


def test_a_payment_before_the_cutover_stays_taken_off() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00")]
    rows[PAYMENTS] = [payment("PAY1", "40.00", "0.00")]
    rows[LINKS], rows[APPLIED] = [link("INV1", "PAY1", "-40.00")], [applied("PAY1", "INV1", "40.00")]
    balance(rows, "60.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("60.00")}


@pytest.mark.parametrize("sign", ["-", ""])
def test_a_payment_received_in_quickbooks_after_the_cutover_is_rolled_back(sign: str) -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "0.00", is_paid=True)]
    rows[PAYMENTS] = [payment("PAY1", "100.00", "0.00", txn_date=AFTER)]
    rows[LINKS] = [link("INV1", "PAY1", f"{sign}100.00", txn_date=AFTER)]
    rows[APPLIED] = [applied("PAY1", "INV1", "100.00")]
    balance(rows, "0.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00")}
    [told] = to_rows(made.findings)
    assert (told["rule"], told["severity"], told["key"]) == ("paid_after_cutover", "warning", "PAY1")
    assert "101" in told["message"]


def test_only_what_came_later_is_rolled_back() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "10.00")]
    rows[PAYMENTS] = [payment("PAY1", "30.00", "0.00"), payment("PAY2", "60.00", "0.00", txn_date=AFTER)]
    rows[LINKS] = [link("INV1", "PAY1", "-30.00"), link("INV1", "PAY2", "-60.00", txn_date=AFTER)]
    rows[APPLIED] = [applied("PAY1", "INV1", "30.00"), applied("PAY2", "INV1", "60.00")]
    balance(rows, "10.00")
    assert open_amounts(plan(rows)) == {"INV1": Decimal("70.00")}


def test_the_day_of_the_cutover_belongs_to_quickbooks() -> None:
    rows = world()
    last = dt.date(2025, 12, 31)
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00", txn_date=last)]
    rows[PAYMENTS] = [payment("PAY1", "40.00", "0.00", txn_date=last)]
    rows[LINKS] = [link("INV1", "PAY1", "-40.00", txn_date=last)]
    rows[APPLIED] = [applied("PAY1", "INV1", "40.00", txn_date=last)]
    balance(rows, "60.00")
    assert open_amounts(plan(rows)) == {"INV1": Decimal("60.00")}


def test_a_credit_applied_to_a_later_invoice_was_open_at_the_cutover() -> None:
    rows = world()
    rows[INVOICES].append(invoice("INV2", "50.00", "10.00", txn_date=AFTER))
    rows[MEMOS] = [credit("CM1", "40.00", "0.00")]
    rows[LINKS] = [
        link("INV2", "CM1", "-40.00", "CreditMemo"),
        link("CM1", "INV2", "-40.00", "Invoice", txn_date=AFTER),
    ]
    balance(rows, "110.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00"), "CM1": Decimal("40.00")}


def test_a_credit_refunded_by_a_check_later_was_open_at_the_cutover() -> None:
    rows = world()
    rows[MEMOS] = [credit("CM1", "38.95", "0.00")]
    rows[LINKS] = [link("CM1", "CHECK1", "-38.95", "Check", txn_date=AFTER)]
    assert open_amounts(plan(rows))["CM1"] == Decimal("38.95")


def test_a_payment_used_for_a_later_invoice_was_unapplied_at_the_cutover() -> None:
    rows = world()
    rows[INVOICES].append(invoice("INV2", "50.00", "20.00", txn_date=AFTER))
    rows[PAYMENTS] = [payment("PAY1", "45.00", "15.00")]
    rows[LINKS] = [link("INV2", "PAY1", "-30.00")]
    rows[APPLIED] = [applied("PAY1", "INV2", "30.00", txn_date=None)]  # its date stands on the invoice
    balance(rows, "105.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00"), "PAY1": Decimal("45.00")}


@pytest.mark.parametrize("in_link", ["-98.00", "-100.00"])
def test_a_discount_of_a_later_payment_is_rolled_back_whether_the_link_carries_it_or_not(
    in_link: str,
) -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "0.00")]
    rows[PAYMENTS] = [payment("PAY1", "98.00", "0.00", txn_date=AFTER)]
    rows[LINKS] = [link("INV1", "PAY1", in_link, txn_date=AFTER)]
    rows[APPLIED] = [applied("PAY1", "INV1", "98.00", discount_amount=Decimal("2.00"))]
    balance(rows, "0.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00")}


def test_links_that_settle_nothing_are_no_payments() -> None:
    rows = world()
    rows[LINKS] = [
        link("INV1", "EST1", "100.00", kind, txn_date=AFTER) for kind in ("Estimate", "SalesOrder")
    ]
    assert open_amounts(plan(rows)) == {"INV1": Decimal("100.00")}


def test_a_part_paid_invoice_without_its_links_is_an_error() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00")]
    balance(rows, "60.00")
    assert rules(plan(rows), "error") == {"applied_unproved": "INV1"}


def test_a_settling_link_without_a_date_is_an_error() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00")]
    rows[LINKS] = [link("INV1", "PAY1", "-40.00", txn_date=None)]
    balance(rows, "60.00")
    assert rules(plan(rows), "error") == {"applied_unproved": "INV1"}


@pytest.mark.parametrize("column", ["txn_date", "balance_remaining"])
def test_an_invoice_that_cannot_be_judged_is_an_error(column: str) -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "0.00") | {column: None}]
    balance(rows, "0.00")
    assert rules(plan(rows), "error") == {"open_unknown": "INV1"}


def test_more_open_than_the_total_is_an_error() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "-20.00")]
    rows[LINKS] = [link("INV1", "PAY1", "-120.00")]
    balance(rows, "-20.00")
    assert rules(plan(rows), "error") == {"open_amount": "INV1"}


def test_an_invoice_paid_since_and_never_imported_is_an_error() -> None:
    rows = world()
    rows[PAYMENTS] = [payment("PAY1", "25.00", "0.00", txn_date=AFTER)]
    rows[APPLIED] = [applied("PAY1", "INV9", "25.00")]
    made = plan(rows)
    assert rules(made, "error") == {"paid_since": "INV9"}
    [told] = [row for row in to_rows(made.findings) if row["rule"] == "paid_since"]
    assert told["suggestion"] == "toolkit import invoices --start 2025-12-10 --end 2025-12-31"


def test_an_invoice_credited_since_and_never_imported_is_an_error() -> None:
    rows = world()
    rows[MEMOS] = [credit("CM1", "25.00", "0.00", txn_date=AFTER)]
    rows[LINKS] = [link("CM1", "INV9", "-25.00", "Invoice")]
    assert rules(plan(rows), "error") == {"paid_since": "INV9"}


def test_an_invoice_that_left_the_open_ones_is_an_error_until_it_is_read_again() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "100.00", left_at=READ)]
    balance(rows, "0.00")
    made = plan(rows)
    assert not made.ready
    assert rules(made, "error") == {"left_unread": "INV1"}
    [row] = to_rows(made.findings)
    assert row["suggestion"] == "toolkit import invoices --start 2025-01-01 --end 2025-12-31"
    # Read again: a journal entry of January paid it, so it was open at the cutover.
    rows[INVOICES] = [invoice("INV1", "100.00", "0.00")]
    rows[LINKS] = [link("INV1", "JE1", "-100.00", "JournalEntry", txn_date=AFTER)]
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00")}


def test_an_invoice_that_left_and_is_paid_since_is_an_error() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "100.00", left_at=READ)]
    balance(rows, "0.00")
    rows[PAYMENTS] = [payment("PAY1", "100.00", "0.00", txn_date=AFTER)]
    rows[APPLIED] = [applied("PAY1", "INV1", "100.00")]
    assert rules(plan(rows), "error") == {"paid_since": "INV1"}


@pytest.mark.parametrize(("discount", "ready"), [("0.00", False), ("60.00", True)])
def test_an_invoice_that_left_is_paid_by_the_cutover_only_in_full(discount: str, ready: bool) -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00", left_at=READ)]
    balance(rows, "0.00")
    rows[PAYMENTS] = [payment("PAY1", "40.00", "0.00")]
    rows[APPLIED] = [applied("PAY1", "INV1", "40.00", discount_amount=Decimal(discount))]
    made = plan(rows)
    assert made.ready == ready
    assert rules(made, "error") == ({} if ready else {"left_unread": "INV1"})


@pytest.mark.parametrize(
    ("paid", "finished", "ready"),
    [
        (True, READ + dt.timedelta(hours=1), True),
        (False, READ + dt.timedelta(hours=1), False),  # of open ones only, it says nothing
        (True, READ - dt.timedelta(hours=1), False),
    ],
)
def test_an_invoice_that_a_whole_import_lacks_is_deleted(
    paid: bool, finished: dt.datetime, ready: bool
) -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "100.00", left_at=READ)]
    rows[INVOICES] += [
        invoice(f"INV{n}", "0.00", "0.00", txn_date=dt.date(2025, 12, n), import_job=7, is_paid=paid)
        for n in (2, 20)
    ]
    job = {"id": 7, "kind": "import:invoices", "status": "complete", "created_at": READ}
    rows["ledger.jobs"] = [job | {"finished_at": finished}]
    balance(rows, "0.00")
    made = plan(rows)
    assert made.ready == ready
    assert rules(made, "warning" if ready else "error") == {"left_unread": "INV1"}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (INVOICES, invoice("INV2", "50.00", "50.00", txn_date=AFTER)),
        (MEMOS, credit("CM1", "50.00", "50.00", txn_date=AFTER)),
        (PAYMENTS, payment("PAY1", "50.00", "50.00", txn_date=AFTER)),
    ],
)
def test_a_document_after_the_cutover_stays_out_with_a_finding(table: str, row: dict[str, Any]) -> None:
    rows = world()
    rows[table] = [*rows[table], row]
    balance(rows, "150.00" if table == INVOICES else "50.00")
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00")}
    assert rules(made) == {"cutover_side": row["txn_id"]}


def test_what_we_sent_is_neither_carried_nor_on_the_wrong_side() -> None:
    rows = world()
    rows[INVOICES].append(invoice("INV2", "50.00", "50.00", txn_date=AFTER))
    rows["ledger.crosswalk"] = [
        {"record_kind": "invoice", "key": "B-1", "origin": "billing", "quickbooks_id": "INV2"}
    ]
    balance(rows, "150.00")
    made = plan(rows)
    assert made.ready
    assert len(made.findings) == 0
    assert open_amounts(made) == {"INV1": Decimal("100.00")}


def test_what_we_sent_is_never_carried_even_when_it_was_dated_back_in_quickbooks() -> None:
    rows = world()
    rows["ledger.crosswalk"] = [
        {"record_kind": "invoice", "key": "B-1", "origin": "billing", "quickbooks_id": "INV1"}
    ]
    made = plan(rows)
    assert made.ready
    assert len(made.documents) == 0


def test_a_pending_invoice_does_not_post() -> None:
    rows = world()
    rows[INVOICES].append(invoice("INV2", "50.00", "50.00", is_pending=True))
    made = plan(rows)
    assert made.ready
    assert open_amounts(made) == {"INV1": Decimal("100.00")}
    assert rules(made) == {"pending": "INV2"}


# --- credits ------------------------------------------------------------------------------------------------


def test_credits_and_unapplied_payments_are_listed_and_never_netted() -> None:
    rows = world()
    rows[MEMOS], rows[PAYMENTS] = [credit("CM1", "30.00", "30.00")], [payment("PAY1", "25.00", "25.00")]
    balance(rows, "45.00")
    made = plan(rows)
    assert made.ready
    assert [row["Amount_1"] for row in to_rows(made.upload)] == ["100.00"]
    kinds = {row["record_kind"]: (row["key"], row["open_amount"]) for row in to_rows(made.documents)}
    assert kinds == {
        "invoice": ("101", Decimal("100.00")),
        "credit_memo": ("QB-CM1", Decimal("30.00")),
        "payment": ("QB-PAY1", Decimal("25.00")),
    }
    assert list(made.findings["rule"]) == ["credit_not_netted"] * 2


# --- the proof ----------------------------------------------------------------------------------------------


def test_the_documents_add_up_to_balance_and_total_balance_is_never_asked() -> None:
    rows = world()
    rows["quickbooks.customers"][0]["total_balance"] = Decimal("9999.00")
    assert plan(rows).ready
    rows["quickbooks.customers"][0] |= {"balance": Decimal("99.99"), "total_balance": Decimal("100.00")}
    made = plan(rows)
    assert rules(made, "error") == {"balance_proof": "C-1"}
    assert "99.99" in to_rows(made.findings)[0]["message"]


def test_a_job_is_proved_by_itself() -> None:
    rows = world()
    job = {"list_id": "C-3", "name": "Shop", "full_name": "Acme:Shop", "parent_list_id": "C-1"}
    rows["quickbooks.customers"].append(job | {"balance": Decimal("40.00")})
    rows["quickbooks.customers"][0]["total_balance"] = Decimal("140.00")
    rows[INVOICES].append(
        invoice("INV2", "40.00", "40.00", customer_list_id="C-3", customer_full_name="Acme:Shop")
    )
    rows["billing.customers"].append({"account_number": "A3", "name": "Acme:Shop"})
    made = plan(rows)
    assert made.ready
    accounts = {row["Invoice Number"]: row["Customer Ref"] for row in to_rows(made.upload)}
    assert accounts == {"101": "A1", "102": "A3"}


def test_a_balance_without_documents_is_an_error() -> None:
    rows = world()
    rows["quickbooks.customers"][1]["balance"] = Decimal("12.00")  # a journal entry, say
    assert rules(plan(rows), "error") == {"balance_proof": "C-2"}


def test_documents_of_a_customer_that_is_not_there_are_an_error() -> None:
    rows = world()
    del rows["quickbooks.customers"][0]
    made = plan(rows)
    assert rules(made, "error")["balance_proof"] == "C-1"
    assert "name a customer that is not there" in " ".join(made.findings["message"])


def test_what_we_sent_after_the_customer_was_read_is_not_in_its_balance() -> None:
    rows = world()
    rows["quickbooks.customers"][0]["imported_at"] = READ
    rows[INVOICES].append(invoice("INV2", "50.00", "50.00", txn_date=AFTER))
    later = {"record_kind": "invoice", "key": "B-1", "origin": "billing", "quickbooks_id": "INV2"}
    rows["ledger.crosswalk"] = [later | {"bound_at": READ + dt.timedelta(hours=1)}]
    assert plan(rows).ready
    rows["ledger.crosswalk"] = [later | {"bound_at": READ - dt.timedelta(hours=1)}]
    assert rules(plan(rows), "error") == {"balance_proof": "C-1"}


# --- the gate: customers and charges ------------------------------------------------------------------------


def test_a_customer_with_open_documents_needs_an_account() -> None:
    rows = world()
    rows["billing.customers"][0]["name"] = "Somebody else"
    made = plan(rows)
    assert rules(made, "error") == {"customer_undecided": "A1", "customer_unmatched": "C-1"}


def test_open_invoices_and_credits_are_told_apart_and_how_a_customer_is_made() -> None:
    rows = world()
    rows["billing.customers"][0]["name"] = "Somebody else"
    rows[MEMOS] = [credit("CM1", "30.00", "30.00")]
    balance(rows, "70.00")
    [told] = [row["message"] for row in to_rows(plan(rows).findings) if row["rule"] == "customer_unmatched"]
    assert "1 open invoice of 100.00 USD and 1 open credit of 30.00 USD" in told
    assert "--customers" in told


def test_every_billing_customer_is_decided_first_and_new_is_a_decision() -> None:
    rows = world()
    rows["billing.customers"].append({"account_number": "A9", "name": "Crane"})
    assert rules(plan(rows), "error") == {"customer_undecided": "A9"}
    rows["mapping.customers"] = [{"account_number": "A9", "decision": "(new)", "new_name": "Crane"}]
    assert plan(rows).ready


def two_accounts() -> Rows:
    rows = world()
    rows["billing.customers"].append({"account_number": "A3", "name": "Acme West"})
    rows["mapping.customers"] = [
        {"account_number": "A3", "decision": "Acme", "customer_list_id": "C-1", "customer_full_name": "Acme"}
    ]
    return rows


def test_two_accounts_on_one_customer_are_an_error() -> None:
    made = plan(two_accounts())
    assert rules(made, "error") == {"customer_two_accounts": "C-1"}
    assert "A1, A3" in to_rows(made.findings)[0]["message"]
    assert to_rows(made.documents)[0]["account_number"] is None


def test_undeclared_two_accounts_are_an_error_whatever_quickbooks_names() -> None:
    rows = two_accounts()
    rows["quickbooks.customers"][0]["account_number"] = "A3"
    assert rules(plan(rows), "error") == {"customer_two_accounts": "C-1"}


def test_declared_two_accounts_go_to_the_one_that_quickbooks_names() -> None:
    rows = two_accounts()
    rows["mapping.customers"].append(rows["mapping.customers"][0] | {"account_number": "A1"})
    assert rules(plan(rows), "error") == {"customer_two_accounts": "C-1"}
    rows["quickbooks.customers"][0]["account_number"] = "A3"
    made = plan(rows)
    assert made.ready
    assert rules(made) == {"customer_two_accounts": "C-1"}
    assert to_rows(made.upload)[0]["Customer Ref"] == "A3"


def test_two_accounts_without_open_documents_are_no_matter() -> None:
    rows = two_accounts()
    rows[INVOICES] = []
    balance(rows, "0.00")
    assert plan(rows).ready


def test_an_inactive_customer_is_carried_with_a_warning() -> None:
    rows = world()
    rows["quickbooks.customers"][0]["is_active"] = False
    made = plan(rows)
    assert made.ready
    assert rules(made, "warning") == {"customer_inactive": "C-1"}


def test_every_charge_of_a_living_plan_is_mapped() -> None:
    rows = world()
    rows["billing.charges"][0]["price_code"] = "hosting"
    assert rules(plan(rows), "error") == {"charge_unmapped": "P1 / hosting"}


@pytest.mark.parametrize(("amount", "ready"), [("90.00", False), ("0.00", True)])
def test_a_charge_with_money_on_it_is_not_left_out(amount: str, ready: bool) -> None:
    rows = world()
    rows["billing.charges"][0]["price_code"] = "Legacy"
    none = {"contract_code": "P1", "price_code": "Legacy", "decision": "(none)"}
    rows["mapping.charge_items"] = [{**none, "decided_by": "ann", "decided_at": READ}]
    rows["billing.invoices"] = [billing_invoice("B-1", amount)]
    line = {"invoice_number": "B-1", "contract_code": "P1", "price_code": "Legacy"}
    rows["billing.invoice_lines"] = [
        {**line, "line_position": 1, "charge_position": 1, "amount": Decimal(amount)}
    ]
    made = plan(rows)
    assert made.ready == ready
    assert rules(made, "error") == ({} if ready else {"charge_unmapped": "P1 / Legacy"})


def test_a_customer_with_invoices_is_not_left_out() -> None:
    rows = world()
    none = {"account_number": "A2", "decision": "(none)", "decided_by": "ann", "decided_at": READ}
    rows["mapping.customers"] = [none]
    assert plan(rows).ready
    rows["billing.invoices"] = [billing_invoice("B-1", "90.00", account="A2")]
    assert rules(plan(rows), "error") == {"customer_undecided": "A2"}


@pytest.mark.parametrize(("end", "ready"), [("2025-12-31", True), ("2026-01-01", False)])
def test_a_plan_that_ended_by_the_cutover_needs_no_mapping(end: str, ready: bool) -> None:
    rows = world()
    rows["billing.charges"][0]["price_code"] = "hosting"
    rows["billing.plans"][0]["end_date"] = dt.date.fromisoformat(end)
    assert plan(rows).ready is ready


def test_a_charge_of_a_plan_that_is_not_known_counts_as_living() -> None:
    rows = world()
    rows["billing.charges"].append({"contract_code": "P9", "price_code": "?", "charge_type": "recurring"})
    assert rules(plan(rows), "error") == {"charge_unmapped": "P9 / ?"}


def test_plan_and_price_code_of_the_upload_are_set_known_and_living() -> None:
    rows = world()
    frames = {name: from_rows(name, listed) for name, listed in rows.items()}
    made = plan_carry_forward(frames, Settings().with_text("cutover_date", "2025-12-31"))
    assert list(made.findings["rule"]) == ["carry_forward_setting"] * 2
    assert rules(plan(rows, carry_forward__price_code="Other"), "error") == {
        "carry_forward_plan": "QB / Other"
    }
    rows["billing.plans"][1]["end_date"] = BEFORE
    assert rules(plan(rows), "error") == {"carry_forward_plan": "QB"}


# --- currencies ---------------------------------------------------------------------------------------------


def foreign() -> Rows:
    rows = world()
    rows["quickbooks.company"] = [
        {"company_name": "Fabrikam", "is_multi_currency_on": True, "home_currency_full_name": "US Dollar"}
    ]
    rows["quickbooks.currencies"] = [
        {"list_id": "X-1", "name": "US Dollar", "currency_code": "USD"},
        {"list_id": "X-2", "name": "Euro", "currency_code": "EUR"},
    ]
    rows[INVOICES][0]["currency_full_name"] = "Euro"
    return rows


def test_a_foreign_invoice_is_carried_in_the_currency_of_its_account_only() -> None:
    rows = foreign()
    assert rules(plan(rows), "error") == {"currency": "INV1"}
    rows["billing.customers"][0]["currency"] = "EUR"
    made = plan(rows)
    assert made.ready
    assert to_rows(made.documents)[0]["currency"] == "EUR"


def test_the_home_currency_is_known_by_its_name_even_before_lists_are_imported() -> None:
    rows = foreign()
    del rows["quickbooks.currencies"]
    rows[INVOICES][0]["currency_full_name"] = "US Dollar"
    made = plan(rows)
    assert made.ready
    assert to_rows(made.documents)[0]["currency"] == "USD"


# --- numbers ------------------------------------------------------------------------------------------------


def keys(made: CarryForward) -> dict[str, str]:
    return {row["txn_id"]: row["key"] for row in to_rows(made.documents)}


@pytest.mark.parametrize("number", [None, "", "  "])
def test_a_blank_number_is_made_from_the_txn_number(number: str | None) -> None:
    rows = world()
    rows[INVOICES][0]["ref_number"] = number
    made = plan(rows)
    assert keys(made) == {"INV1": "QB-1"}
    assert rules(made) == {"number_given": "INV1"}


def test_a_repeated_number_is_given_to_neither() -> None:
    rows = world()
    rows[INVOICES] = [invoice(f"INV{n}", "50.00", "50.00", ref_number="77") for n in (1, 2)]
    assert keys(plan(rows)) == {"INV1": "QB-1", "INV2": "QB-2"}


def test_a_number_that_billing_has_is_not_given_again() -> None:
    rows = world()
    own = {"account_number": "A1", "status": "Draft", "current_amount_due": Decimal(1)}
    dates = {"invoice_date": AFTER, "due_date": AFTER}
    rows["billing.invoices"] = [{"invoice_number": "101", **own, **dates}]
    assert keys(plan(rows)) == {"INV1": "QB-1"}


def test_a_made_number_never_meets_another_one() -> None:
    rows = world()
    rows[INVOICES] = [
        invoice("INV1", "50.00", "50.00", ref_number=None),
        invoice("INV2", "50.00", "50.00", ref_number="QB-1"),
        invoice("INV3", "0.00", "0.00"),
    ]
    assert keys(plan(rows)) == {"INV1": "QB-INV1", "INV2": "QB-1"}


def test_a_number_carried_before_stays_even_when_it_is_repeated_since() -> None:
    rows = world()
    rows["ledger.crosswalk"] = [carried("invoice", "101", "INV1")]
    rows[INVOICES].append(invoice("INV2", "50.00", "50.00", ref_number="101"))
    balance(rows, "150.00")
    assert keys(plan(rows)) == {"INV1": "101", "INV2": "QB-2"}


def test_the_number_of_a_carried_invoice_that_is_closed_now_is_not_given_again() -> None:
    rows = world()
    rows["ledger.crosswalk"] = [carried("invoice", "101", "INV8")]
    assert keys(plan(rows)) == {"INV1": "QB-1"}


def test_a_credit_never_takes_a_number_that_billing_may_have() -> None:
    rows = world()
    rows[PAYMENTS] = [payment("PAY1", "25.00", "25.00", ref_number="PMT-000001")]
    balance(rows, "75.00")
    assert keys(plan(rows))["PAY1"] == "QB-PAY1"


def test_a_long_number_is_a_warning() -> None:
    rows = world()
    rows[INVOICES][0]["ref_number"] = "12345678901"
    assert rules(plan(rows)) == {"number_length": "INV1"}


# --- laws ---------------------------------------------------------------------------------------------------

cents = st.integers(1, 9_999).map(lambda n: Decimal(n) / 100)


@st.composite
def books(draw: st.DrawFn) -> tuple[Rows, dict[str, Decimal]]:
    """Draw consistent books, and what was open at the cutover as somebody who saw every entry knows it."""
    rows, truth = world(), {}
    rows[INVOICES] = []
    owed = Decimal("0.00")
    for n in range(draw(st.integers(0, 6))):
        total, late = draw(cents), draw(st.booleans())
        txn_id, left = f"INV{n}", total
        at_cutover = Decimal(0) if late else total
        dated = AFTER if late else dt.date(2025, 12, 10)
        for m in range(draw(st.integers(0, 3))):
            amount = min(left, draw(cents))
            if not amount:
                break
            by_memo, later = draw(st.booleans()), draw(st.booleans())
            other, day = f"{'CM' if by_memo else 'PAY'}{n}{m}", AFTER if later else BEFORE
            rest = draw(st.sampled_from([Decimal(0), Decimal("5.00")]))
            kind = "CreditMemo" if by_memo else "ReceivePayment"
            sign = draw(st.sampled_from([1, -1]))
            rows[LINKS].append(link(txn_id, other, str(sign * amount), kind, txn_date=day))
            if by_memo:
                rows[MEMOS].append(credit(other, str(amount + rest), str(rest), txn_date=day))
                rows[LINKS].append(link(other, txn_id, str(sign * amount), "Invoice", txn_date=dated))
            else:
                rows[PAYMENTS].append(payment(other, str(amount + rest), str(rest), txn_date=day))
                rows[APPLIED].append(applied(other, txn_id, str(amount), txn_date=dated))
            if not later and (unapplied := rest + (amount if late else 0)):
                truth[other] = unapplied
            if not later and not late:
                at_cutover -= amount
            left -= amount
            owed -= rest
        number = draw(st.sampled_from([None, "1", "2", "3", "QB-1"]))
        rows[INVOICES].append(invoice(txn_id, str(total), str(left), txn_date=dated, ref_number=number))
        owed += left
        if at_cutover:
            truth[txn_id] = at_cutover
    balance(rows, str(owed))
    return rows, truth


@pytest.mark.slow
@given(books())
@examples(max_examples=40)
def test_rows_and_money_are_conserved(drawn: tuple[Rows, dict[str, Decimal]]) -> None:
    rows, truth = drawn
    made = plan(rows)
    assert made.ready, to_rows(made.findings)
    assert open_amounts(made) == truth
    listed = to_rows(made.documents)
    invoices = [row for row in listed if row["record_kind"] == "invoice"]
    upload = {row["Invoice Number"]: Decimal(row["Amount_1"]) for row in to_rows(made.upload)}
    assert upload == {row["key"]: row["open_amount"] for row in invoices}
    assert len(upload) == len(invoices)  # no number twice
    assert sum(upload.values()) == sum(truth[row["txn_id"]] for row in invoices)
    told = {row["key"] for row in to_rows(made.findings)}
    dated = {
        row["txn_id"]
        for name in (INVOICES, MEMOS, PAYMENTS)
        for row in rows[name]
        if row["txn_date"] == AFTER
    }
    assert dated <= told


@pytest.mark.slow
@given(books(), st.randoms(use_true_random=False))
@examples(max_examples=15)
def test_carrying_forward_twice_changes_nothing(drawn: tuple[Rows, dict[str, Decimal]], random: Any) -> None:
    rows, _ = drawn
    first = plan(rows)
    rows["ledger.crosswalk"] = [
        carried(row["record_kind"], row["key"], row["txn_id"], amount=row["open_amount"])
        for row in to_rows(first.documents)
    ]
    rows["billing.invoices"] = [
        billing_invoice(row["Invoice Number"], row["Amount_1"], row["Customer Ref"])
        for row in to_rows(first.upload)
    ]
    for name in (INVOICES, MEMOS, PAYMENTS, LINKS):
        random.shuffle(rows[name])
    second = plan(rows)
    assert keys(second) == keys(first)
    assert sorted(map(str, to_rows(second.upload))) == sorted(map(str, to_rows(first.upload)))
    assert len(first.unwritten) == len(first.upload)
    assert len(second.unwritten) == 0
    assert ("already_carried" in rules(second, "info")) == bool(len(first.upload))


def test_only_what_is_bound_and_stands_in_billing_is_not_written_again() -> None:
    rows = world()
    rows[INVOICES] += [invoice("INV2", "50.00", "50.00"), invoice("INV3", "25.00", "25.00")]
    balance(rows, "175.00")
    rows["ledger.crosswalk"] = [carried("invoice", "101", "INV1"), carried("invoice", "102", "INV2")]
    rows["billing.invoices"] = [billing_invoice("101", "100.00")]
    made = plan(rows)
    assert made.ready
    assert list(made.upload["Invoice Number"]) == ["101", "102", "103"]
    assert list(made.unwritten["Invoice Number"]) == ["102", "103"]
    assert [row["message"].split()[0] for row in to_rows(made.findings)] == ["1"]


def test_an_invoice_that_billing_numbered_anew_is_not_written_again() -> None:
    rows = world()
    rows["ledger.crosswalk"] = [carried("invoice", "101", "INV1", amount=Decimal(100))]
    rows["billing.invoices"] = [billing_invoice("B-9001", "100.00") | {"notes": carried_note("101", "INV1")}]
    made = plan(rows)
    assert made.standing == {"101"} and len(made.unwritten) == 0
    assert "already_carried" in rules(made, "info")


def lacked(**more: Any) -> CarryForward:
    """Carry forward what one customer owes whom BluBilling lacks."""
    rows = world()
    name = {"full_name": "Cyan", "name": "Cyan", "first_name": "A", "last_name": "B", "email": "a@b.c"}
    rows["quickbooks.customers"].append({"list_id": "C-3", "balance": Decimal(50)} | name | more)
    whose = {"customer_list_id": "C-3", "customer_full_name": "Cyan"}
    whose |= {"currency_full_name": more.get("currency_full_name")}
    rows[INVOICES].append(invoice("INV2", "50.00", "50.00", **whose))
    return plan(rows)


def test_an_account_number_that_billing_does_not_take_keeps_its_customer_out() -> None:
    assert list(lacked(account_number="9" * 50).customers["Account Number"]) == ["9" * 50]
    made = lacked(account_number="9" * 51)
    assert len(made.customers) == 0
    [found] = to_rows(made.customer_findings)
    assert (found["severity"], found["column"]) == ("error", "account_number")


def test_a_customer_of_another_currency_is_told_because_the_file_has_none() -> None:
    made = lacked(currency_full_name="Euro")
    assert len(made.customers) == 1
    [found] = [row for row in to_rows(made.customer_findings) if row["rule"] == "customer_currency"]
    assert found["severity"] == "warning" and "Euro" in found["message"]
    assert "customer_currency" not in set(lacked().customer_findings["rule"])


# --- the sample, and real answers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Mapping[str, pd.DataFrame]:
    loaded = read_billing(sorted((SAMPLE / "billing" / "before").glob("*.csv")))
    return {**sample_tables(), **loaded.tables}


def test_the_sample_is_refused_while_mappings_are_missing(sample: Mapping[str, pd.DataFrame]) -> None:
    made = plan_carry_forward(
        sample, settings(carry_forward__plan="QB-CARRY", carry_forward__price_code="BALANCE")
    )
    counts = made.findings["rule"].value_counts().to_dict()
    assert not made.ready
    assert len(made.upload) == 0
    assert (counts["charge_unmapped"], counts["customer_undecided"], counts["customer_unmatched"]) == (
        12,
        12,
        6,
    )
    assert "balance_proof" not in counts
    assert "applied_unproved" not in counts


def test_the_samples_open_documents_are_those_its_readme_names(sample: Mapping[str, pd.DataFrame]) -> None:
    made = plan_carry_forward(sample, settings())
    listed = to_rows(made.documents)
    counts = made.documents["record_kind"].value_counts().to_dict()
    assert counts == {"invoice": 40, "credit_memo": 2, "payment": 2}
    total = sum(row["open_amount"] for row in listed if row["record_kind"] == "invoice")
    assert total == Decimal("8995.18")
    given_numbers = [
        row for row in listed if row["record_kind"] == "invoice" and row["key"] != row["ref_number"]
    ]
    assert len(given_numbers) == 6
    assert all(row["key"] == f"QB-{row['key'].removeprefix('QB-')}" for row in given_numbers)
    assert not {"10405", "10441"} & {row["ref_number"] for row in listed}


def test_the_sample_read_after_a_late_payment_still_carries_the_invoice(
    sample: Mapping[str, pd.DataFrame],
) -> None:
    """The sample itself has no payment after the cutover: here one of its invoices is paid on 5 January."""
    rows = {
        name: to_rows(sample[name]) for name in (INVOICES, PAYMENTS, LINKS, APPLIED, "quickbooks.customers")
    }
    before = open_amounts(plan_carry_forward(sample, settings()))
    paid = next(row for row in rows[INVOICES] if row["balance_remaining"] == document_total(row))
    amount, txn_id = paid["balance_remaining"], paid["txn_id"]
    paid |= {"balance_remaining": Decimal(0), "applied_amount": -amount, "is_paid": True}
    customer = next(r for r in rows["quickbooks.customers"] if r["list_id"] == paid["customer_list_id"])
    customer["balance"] -= amount
    late = payment("LATE", str(amount), "0.00", txn_date=AFTER, customer_list_id=customer["list_id"])
    rows[PAYMENTS].append(late)
    rows[LINKS].append(link(txn_id, "LATE", str(-amount), txn_date=AFTER, owner_table=INVOICES))
    rows[APPLIED].append(applied("LATE", txn_id, str(amount), txn_date=paid["txn_date"]))
    after = plan_carry_forward({**sample, **{n: from_rows(n, r) for n, r in rows.items()}}, settings())
    assert open_amounts(after) == before
    assert rules(after)["paid_after_cutover"] == "LATE"
    assert "balance_proof" not in rules(after)


def document_total(row: dict[str, Any]) -> Decimal:
    total: Decimal = row["subtotal"] + (row["sales_tax_total"] or 0)
    return total


def test_the_refunded_credit_memo_of_the_corpus_is_rolled_back_to_the_cent(shared: Path) -> None:
    with (shared / "corpus" / "credit_memos" / "mreiden_CreditMemoRet_wrapped.xml").open("rb") as file:
        batches = [each for each in qbxml_io.parse(file) if isinstance(each, qbxml_io.Batch)]
    frames = {each.table: from_arrow(each.rows) for each in batches if each.table in TABLES}
    [memo] = to_rows(frames[MEMOS])
    assert (memo["total_amount"], memo["credit_remaining"]) == (Decimal("38.95"), Decimal(0))
    frames[LINKS] = from_rows(LINKS, [to_rows(frames[LINKS])[0] | {"txn_date": AFTER}])
    made = plan_carry_forward(frames, settings())
    assert open_amounts(made) == {memo["txn_id"]: Decimal("38.95")}
    assert "applied_unproved" not in rules(made)


def test_the_paid_credit_memo_and_the_invoices_of_the_corpus_prove_themselves(shared: Path) -> None:
    frames: dict[str, pd.DataFrame] = {}
    for name in ("credit_memos/mreiden_CreditMemoRet_wrapped.xml", "invoices/apotema_invoices.xml"):
        with (shared / "corpus" / name).open("rb") as file:
            batches = [each for each in qbxml_io.parse(file) if isinstance(each, qbxml_io.Batch)]
        frames |= {each.table: from_arrow(each.rows) for each in batches if len(each.rows)}
    made = plan_carry_forward(frames, settings())
    assert not {"applied_unproved", "open_amount", "open_unknown"} & set(rules(made))
