"""Plans of an export: what is asked of QuickBooks, in which order, and that rows and money add up."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from carried_world import signed
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
    open_document,
    payment,
    queued,
    settings,
    world,
)
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit.errors import SettingError, UsageError
from toolkit.outcomes import resolve
from toolkit.qbxml_io import Request, build
from toolkit.settings import Settings
from toolkit.tables import TABLES, to_rows
from toolkit.transform import Plan, plan_export


def planned(rows: Rows, *, text: dict[str, str] | None = None, **options: Any) -> Plan:
    return plan_export(frames(rows), settings(**(text or {})), **(options or JANUARY | ALL))


def operations(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return operations by key, with fields and expectations read."""
    return {
        row["key"]: row | {"fields": json.loads(row["fields"]), "expected": json.loads(row["expected"])}
        for row in to_rows(plan.operations)
    }


def stays(plan: Plan) -> dict[str, str]:
    return {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}


def totals(plan: Plan, table: str) -> dict[str, Any]:
    return next(row for row in to_rows(plan.totals) if row["source_table"] == table)


def with_new_customer(rows: Rows, account: str, **more: Any) -> Rows:
    rows["billing.customers"].append(customer(account, f"Customer {account}", **more))
    rows.setdefault("mapping.customers", []).append({"account_number": account, "decision": "(new)"})
    return rows


def bill(rows: Rows, number: str, amount: str, **more: Any) -> Rows:
    rows["billing.invoices"].append(invoice(number, amount, **more))
    rows["billing.invoice_lines"].append(line(number, amount))
    return rows


def pay(rows: Rows, number: str, amount: str, *applied: tuple[str, str], **more: Any) -> Rows:
    rows["billing.payments"].append(payment(number, amount, **more))
    rows["billing.payment_applications"] += [application(number, to, part) for to, part in applied]
    return rows


# --- usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"invoices": True}, "range is required"),
        ({"start": "2026-01-01", "invoices": True}, "range is required"),
        (
            {"start": "2026-02-01", "end": "2026-01-31", "invoices": True},
            "2026-02-01 is after end 2026-01-31",
        ),
        ({"start": "2026-01-01", "end": "2026-01-31"}, "choose among --customers"),
        ({"start": "2026-01-01", "new": True, "invoices": True}, "exclude each other"),
        ({"start": "January", "end": "2026-01-31", "invoices": True}, "'January' is not a date"),
        ({"new": True, "invoices": True, "limit": 0}, "limit 0"),
    ],
)
def test_bad_usage_says_what_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(world(), **options)


def test_the_cutover_date_is_required() -> None:
    with pytest.raises(SettingError, match="cutover_date"):
        plan_export(frames(world()), Settings(), **JANUARY, invoices=True)


def test_absent_tables_count_as_empty() -> None:
    plan = plan_export({}, settings(), **JANUARY, **ALL)
    assert not len(plan.operations) and not len(plan.totals)


def test_dates_may_be_text_and_are_inclusive() -> None:
    plan = planned(world(), start="2026-01-10", end="2026-01-10", invoices=True)
    assert list(operations(plan)) == ["invoice:INV-1"]
    assert (plan.start, plan.end, plan.switches) == (day(10), day(10), ("invoices",))
    outside = planned(world(), start="2026-01-11", end="2026-01-31", invoices=True)
    assert not len(outside.operations) and not len(outside.left_out)
    assert totals(outside, "billing.invoices")["out_of_range_amount"] == Decimal("100.00")


def test_frames_conform() -> None:
    plan = planned(world())
    for frame, name in (
        (plan.operations, "plan.operations"),
        (plan.findings, "findings"),
        (plan.left_out, "plan.left_out"),
        (plan.totals, "plan.totals"),
    ):
        assert list(frame.columns) == TABLES[name].names


def test_nothing_given_is_changed() -> None:
    tables = frames(world())
    before = {name: frame.copy() for name, frame in tables.items()}
    plan_export(tables, settings(), **JANUARY, **ALL)
    assert all(frame.equals(before[name]) for name, frame in tables.items())


# --- invoices -----------------------------------------------------------------------------------------------


def test_an_invoice_leaves_nothing_to_defaults() -> None:
    operation = operations(planned(world()))["invoice:INV-1"]
    guid = operation["fields"].pop("ExternalGUID")
    assert guid == "{a2d25a90-6456-5ed9-9834-1853df5c8d68}"
    assert operation["fields"] == {
        "CustomerRef": {"ListID": "C-1"},
        "ARAccountRef": {"ListID": "A-0"},
        "TxnDate": "2026-01-10",
        "RefNumber": "INV-1",
        "IsPending": False,
        "DueDate": "2026-02-09",
        "ItemSalesTaxRef": {"ListID": "I-4"},
        "Memo": "INV-1 [bb:invoice:INV-1]",
        "IsToBePrinted": False,
        "IsToBeEmailed": False,
        "CustomerSalesTaxCodeRef": {"ListID": "T-2"},
        "InvoiceLineAdd": [
            {
                "ItemRef": {"ListID": "I-1"},
                "Desc": "Hosting January",
                "Quantity": "1",
                "Amount": "100.00",
                "SalesTaxCodeRef": {"ListID": "T-2"},
            }
        ],
    }
    assert operation["expected"] == {
        "customer_list_id": "C-1",
        "txn_date": "2026-01-10",
        "due_date": "2026-02-09",
        "ref_number": "INV-1",
        "ar_account_list_id": "A-0",
        "ar_account_full_name": "Accounts Receivable",
        "subtotal": "100.00",
        "tax": "0.00",
        "total": "100.00",
        "refers_to": {"C-1": "Acme", "I-1": "Hosting", "I-4": "No Tax"},
    }
    assert operation["depends_on"] == [] and operation["amount"] == Decimal("100.00")


def test_the_requests_of_a_plan_can_be_written() -> None:
    rows = with_new_customer(
        world(), "A9", parent_account_number="A1", bill_street1="1 Quay", email="a@b.example"
    )
    bill(rows, "INV-2", "-5.00", account_number="A9")
    rows["billing.adjustments"] = [adjustment("HC-1", "3.00", reason_text="Sorry")]
    pay(rows, "P-2", "7.00", method="Cash")
    plan = planned(rows, text={"credit_item": "House Credit"})
    made = operations(plan)
    document = build(
        [
            Request(o["request"], resolve(o["fields"], lambda key: "9-1"), request_id=str(o["position"]))
            for o in made.values()
        ]
    )
    assert document.count(b"<InvoiceAddRq") == 1 and document.count(b"<CreditMemoAddRq") == 2
    assert document.count(b"<ReceivePaymentAddRq") == 2 and document.count(b"<CustomerAddRq") == 1


def test_usage_subtotals_and_previous_balances_are_not_posted() -> None:
    rows = world()
    rows["billing.invoices"][0] |= {"previous_balance": Decimal(40), "total_due": Decimal(140)}
    rows["billing.invoice_lines"].append(
        line("INV-1", "100.00", charge_position=2, line_type="usage_subtotal")
    )
    operation = operations(planned(rows))["invoice:INV-1"]
    assert len(operation["fields"]["InvoiceLineAdd"]) == 1
    assert operation["expected"]["total"] == "100.00"


def test_lines_stand_in_the_order_of_the_invoice() -> None:
    rows = world()
    rows["billing.invoices"][0]["current_amount_due"] = Decimal(111)
    rows["billing.invoice_lines"] = [
        line("INV-1", "1.00", line_position=2, description="third"),
        line("INV-1", "10.00", charge_position=2, description="second"),
        line("INV-1", "100.00", description="first"),
    ]
    lines = operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"]
    assert [entry["Desc"] for entry in lines] == ["first", "second", "third"]


def test_amount_is_sent_with_quantity_and_never_a_rate() -> None:
    rows = world()
    rows["billing.invoice_lines"][0] |= {"quantity": Decimal("3.00000"), "unit_price": Decimal("33.333333")}
    entry = operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"][0]
    assert (entry["Quantity"], entry["Amount"]) == ("3", "100.00") and "Rate" not in entry


def test_a_sixth_decimal_is_kept_as_text_and_never_rounded() -> None:
    rows = world()
    rows["billing.invoice_lines"][0] |= {"quantity": Decimal("0.333333"), "unit_price": Decimal(300)}
    entry = operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"][0]
    assert entry["Desc"] == "Hosting January (quantity 0.333333)"
    assert "Quantity" not in entry and entry["Amount"] == "100.00"


def test_a_line_without_description_does_not_take_the_items() -> None:
    rows = world()
    rows["billing.invoice_lines"][0]["description"] = None
    assert operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"][0]["Desc"] == "Hosting"


def test_a_zero_invoice_is_sent() -> None:
    operation = operations(planned(bill(world(), "INV-0", "0.00")))["invoice:INV-0"]
    assert operation["fields"]["InvoiceLineAdd"][0]["Amount"] == "0.00"


def test_a_negative_invoice_becomes_a_credit_memo_with_its_amounts_turned() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-N", "-15.00"))
    rows["billing.invoice_lines"] += [
        line("INV-N", "-20.00", unit_price=Decimal(10), quantity=Decimal(-2)),
        line("INV-N", "5.00", charge_position=2),
    ]
    operation = operations(planned(rows))["credit_memo:INV-N"]
    assert (operation["request"], operation["amount"]) == ("CreditMemoAdd", Decimal("15.00"))
    lines = operation["fields"]["CreditMemoLineAdd"]
    assert [(entry["Quantity"], entry["Amount"]) for entry in lines] == [("2", "20.00"), ("-1", "-5.00")]
    assert operation["expected"]["total"] == "15.00"


def test_discounts_are_amounts_without_a_quantity() -> None:
    rows = world()
    rows["billing.invoices"][0]["current_amount_due"] = Decimal(90)
    rows["billing.invoice_lines"].append(
        line("INV-1", "-10.00", "Promo", charge_position=2, line_type="discount")
    )
    entry = operations(planned(rows))["invoice:INV-1"]["fields"]["InvoiceLineAdd"][1]
    assert entry["ItemRef"] == {"ListID": "I-2"} and entry["Amount"] == "-10.00" and "Quantity" not in entry


def taxed(tax: str = "10.00") -> Rows:
    rows = world()
    rows["billing.invoices"][0]["current_amount_due"] = Decimal(100) + Decimal(tax)
    rows["billing.invoice_lines"].append(line("INV-1", tax, "Sales Tax", charge_position=2, line_type="tax"))
    return rows


def test_taxes_go_as_lines_and_quickbooks_own_tax_is_held_at_zero() -> None:
    operation = operations(planned(taxed("9.37")))["invoice:INV-1"]
    lines = operation["fields"]["InvoiceLineAdd"]
    assert lines[1] == {
        "ItemRef": {"ListID": "I-3"},
        "Desc": "Sales Tax January",
        "Amount": "9.37",
        "SalesTaxCodeRef": {"ListID": "T-2"},
    }
    assert operation["fields"]["ItemSalesTaxRef"] == {"ListID": "I-4"}
    assert (
        operation["expected"] | {"subtotal": "109.37", "tax": "0.00", "total": "109.37"}
        == operation["expected"]
    )


def test_quickbooks_may_compute_the_tax_where_it_comes_to_the_same() -> None:
    operation = operations(planned(taxed(), text={"tax_mode": "quickbooks"}))["invoice:INV-1"]
    assert operation["fields"]["ItemSalesTaxRef"] == {"ListID": "I-3"}
    assert operation["fields"]["CustomerSalesTaxCodeRef"] == {"ListID": "T-1"}
    assert [entry["SalesTaxCodeRef"] for entry in operation["fields"]["InvoiceLineAdd"]] == [
        {"ListID": "T-1"}
    ]
    assert (
        operation["expected"] | {"subtotal": "100.00", "tax": "10.00", "total": "110.00"}
        == operation["expected"]
    )


def test_half_a_cent_of_tax_is_rounded_away_from_zero() -> None:
    rows = taxed("10.01")
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("110.06")
    rows["billing.invoice_lines"][0] |= {"amount": Decimal("100.05"), "unit_price": Decimal("100.05")}
    operation = operations(planned(rows, text={"tax_mode": "quickbooks"}))["invoice:INV-1"]
    assert operation["expected"]["tax"] == "10.01"


def test_an_untaxed_invoice_stays_untaxed_where_quickbooks_computes() -> None:
    plan = planned(world(), text={"tax_mode": "quickbooks"})
    # The item is taxable in QuickBooks, BluBilling billed no tax: a rate of zero keeps it so.
    operation = operations(plan)["invoice:INV-1"]
    assert (
        operation["fields"]["ItemSalesTaxRef"] == {"ListID": "I-4"} and operation["expected"]["tax"] == "0.00"
    )


def test_a_company_without_sales_tax_gets_no_codes() -> None:
    rows = world()
    rows["quickbooks.sales_tax_codes"] = []
    rows["quickbooks.items"] = [row for row in rows["quickbooks.items"] if row["item_type"] != "SalesTax"]
    fields = operations(planned(rows))["invoice:INV-1"]["fields"]
    assert not {"ItemSalesTaxRef", "CustomerSalesTaxCodeRef"} & set(fields)
    assert "SalesTaxCodeRef" not in fields["InvoiceLineAdd"][0]


def test_house_credits_are_credit_memos_on_the_named_item() -> None:
    rows = world()
    rows["billing.adjustments"] = [
        adjustment("HC-1", "5.00", reason_text="Outage"),
        adjustment("D-1", "-2.00"),
    ]
    plan = planned(rows, text={"credit_item": "House Credit"})
    operation = operations(plan)["credit_memo:HC-1"]
    assert operation["fields"]["CreditMemoLineAdd"] == [
        {
            "ItemRef": {"ListID": "I-5"},
            "Desc": "Outage",
            "Amount": "5.00",
            "SalesTaxCodeRef": {"ListID": "T-2"},
        }
    ]
    assert operation["fields"]["Memo"] == "HC-1 Outage [bb:credit_memo:HC-1]"
    assert stays(plan) == {"D-1": "post_by_hand"}


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "number"),
    [("strip:INV-", "2026-000123"), (r"pattern:-(\d+)$", "000123"), ("counter:0500", "0500")],
)
def test_a_number_rule_makes_it_fit_and_the_memo_keeps_it_in_full(rule: str, number: str) -> None:
    rows = world()
    rows["billing.invoices"], rows["billing.invoice_lines"], rows["billing.payments"] = [], [], []
    bill(rows, "INV-2026-000123", "5.00")
    operation = operations(planned(rows, text={"number_rule": rule}))["invoice:INV-2026-000123"]
    assert operation["ref_number"] == operation["fields"]["RefNumber"] == number
    assert operation["fields"]["Memo"] == "INV-2026-000123 [bb:invoice:INV-2026-000123]"


def test_a_counter_runs_by_date_and_leaves_out_numbers_that_are_held() -> None:
    rows = bill(world(), "INV-0", "5.00", invoice_date=day(2))
    rows["quickbooks.invoices"] = [{"txn_id": "9-9", "ref_number": "8"}]
    made = operations(planned(rows, text={"number_rule": "counter:7"}))
    assert [(key, o["ref_number"]) for key, o in made.items() if o["record_kind"] == "invoice"] == [
        ("invoice:INV-0", "7"),
        ("invoice:INV-1", "9"),
    ]


def test_a_number_that_was_used_is_kept_whatever_the_rule_says_now() -> None:
    rows = world()
    rows["ledger.crosswalk"] = [bound("invoice", "INV-1", "9-1", "undone", ref_number="KEPT")]
    assert (
        operations(planned(rows, text={"number_rule": "counter:7"}))["invoice:INV-1"]["ref_number"] == "KEPT"
    )


# --- customers and items ------------------------------------------------------------------------------------


def test_a_new_job_is_created_under_its_parent_before_its_invoice() -> None:
    rows = with_new_customer(
        world(),
        "A8",
        parent_account_number="A9",
        company_name="Eight Ltd",
        first_name="Ann",
        last_name="Lee",
        email="ann@eight.example",
        phone="555-0100",
        bill_street1="1 Quay",
        bill_street2="Floor 2",
        bill_city="Bergen",
        bill_zip="5003",
        bill_country="Norway",
        outstanding_balance=Decimal(70),
    )
    with_new_customer(rows, "A9", parent_account_number="A1")
    bill(rows, "INV-2", "5.00", account_number="A8")
    made = operations(planned(rows))
    assert list(made) == ["customer:A9", "customer:A8", "invoice:INV-1", "invoice:INV-2", "payment:P-1"]
    assert [o["position"] for o in made.values()] == [1, 2, 3, 4, 5]
    job = made["customer:A8"]
    del job["fields"]["ExternalGUID"]
    assert job["fields"] == {
        "Name": "Customer A8",
        "ParentRef": {"ListID": {"operation": "customer:A9"}},
        "CompanyName": "Eight Ltd",
        "FirstName": "Ann",
        "LastName": "Lee",
        "BillAddress": {
            "Addr1": "1 Quay",
            "Addr2": "Floor 2",
            "City": "Bergen",
            "PostalCode": "5003",
            "Country": "Norway",
        },
        "Phone": "555-0100",
        "Email": "ann@eight.example",
        "AccountNumber": "A8",
    }
    assert made["customer:A9"]["fields"]["ParentRef"] == {"ListID": "C-1"}
    assert job["depends_on"] == ["customer:A9"]
    assert made["invoice:INV-2"]["fields"]["CustomerRef"] == {"ListID": {"operation": "customer:A8"}}
    assert made["invoice:INV-2"]["depends_on"] == ["customer:A8"]


def test_a_new_name_goes_as_quickbooks_stores_it_without_blanks_at_its_ends() -> None:
    rows = bill(with_new_customer(world(), "A9"), "INV-2", "5.00", account_number="A9")
    rows["billing.customers"][-1]["name"] = " Nine Ltd "
    made = operations(planned(rows))["customer:A9"]
    assert (made["fields"]["Name"], made["expected"]["name"]) == ("Nine Ltd", "Nine Ltd")
    assert made["expected"]["full_name"] == "Nine Ltd"
    rows["billing.customers"][-1]["name"] = "Acme "
    (taken,) = [row for row in to_rows(planned(rows).findings) if row["rule"] == "name_taken"]
    assert taken["key"] == "A9"


def test_a_customer_that_was_created_is_named_by_its_list_id() -> None:
    rows = bill(with_new_customer(world(), "A9"), "INV-2", "5.00", account_number="A9")
    rows["ledger.crosswalk"] = [bound("customer", "A9", "C-9")]
    made = operations(planned(rows))
    assert "customer:A9" not in made
    assert made["invoice:INV-2"]["fields"]["CustomerRef"] == {"ListID": "C-9"}


def test_what_depends_on_a_blocked_row_stays_behind_down_the_chain() -> None:
    rows = with_new_customer(world(), "A9", email="x" * 1024)
    with_new_customer(rows, "A8", parent_account_number="A9")
    bill(rows, "INV-2", "5.00", account_number="A8")
    pay(rows, "P-2", "5.00", ("INV-2", "5.00"), account_number="A8")
    plan = planned(rows)
    assert stays(plan) == {
        "A9": "blocked",
        "A8": "depends_on_blocked",
        "INV-2": "depends_on_blocked",
        "P-2": "depends_on_blocked",
    }
    assert list(operations(plan)) == ["invoice:INV-1", "payment:P-1"]


def with_local_items(rows: Rows) -> Rows:
    rows["mapping.local_items"] = [
        {
            "name": name,
            "item_type": "NonInventory",
            "income_account_full_name": "Sales",
            "description": "By hand",
            "price": Decimal("12.50000"),
        }
        for name in ("Kits", "Kits:Large", "Idle")
    ]
    rows["billing.charges"].append({"contract_code": "P1", "price_code": "K", "charge_type": "one_time"})
    rows["mapping.charge_items"] = [
        {"contract_code": "P1", "price_code": "K", "decision": "Kits:Large", "item_full_name": "Kits:Large"}
    ]
    rows["billing.invoice_lines"][0]["price_code"] = "K"
    return rows


def test_items_by_hand_go_first_and_only_with_what_needs_them() -> None:
    made = operations(planned(with_local_items(world())))
    assert list(made) == ["item:Kits", "item:Kits:Large", "invoice:INV-1", "payment:P-1"]
    large = made["item:Kits:Large"]
    del large["fields"]["ExternalGUID"]
    assert large["request"] == "ItemNonInventoryAdd" and large["depends_on"] == ["item:Kits"]
    assert large["fields"] == {
        "Name": "Large",
        "ParentRef": {"ListID": {"operation": "item:Kits"}},
        "SalesOrPurchase": {"Desc": "By hand", "Price": "12.5", "AccountRef": {"ListID": "A-3"}},
    }
    assert "ParentRef" not in made["item:Kits"]["fields"]
    assert made["invoice:INV-1"]["depends_on"] == ["item:Kits:Large"]
    assert made["invoice:INV-1"]["fields"]["InvoiceLineAdd"][0]["ItemRef"] == {
        "ListID": {"operation": "item:Kits:Large"}
    }


def test_no_item_by_hand_goes_for_an_invoice_that_stays_behind() -> None:
    rows = with_local_items(world())
    rows["billing.invoice_lines"][0]["description"] = "x" * 5000
    plan = planned(rows)
    assert stays(plan)["INV-1"] == "blocked"
    assert not [key for key in operations(plan) if key.startswith("item:")]


def test_an_item_by_hand_that_quickbooks_has_by_now_is_not_made_twice() -> None:
    rows = with_local_items(world())
    rows["quickbooks.items"] += [item("I-8", "Kits"), item("I-9", "Kits:Large")]
    made = operations(planned(rows))
    assert list(made) == ["invoice:INV-1", "payment:P-1"]
    assert made["invoice:INV-1"]["fields"]["InvoiceLineAdd"][0]["ItemRef"] == {"ListID": "I-9"}


# --- payments -----------------------------------------------------------------------------------------------


def test_a_payment_leaves_nothing_to_defaults() -> None:
    rows = world()
    rows["billing.payments"][0]["amount"] = Decimal(70)
    rows["billing.payments"][0]["check_number"] = "1001"
    operation = operations(planned(rows))["payment:P-1"]
    del operation["fields"]["ExternalGUID"]
    assert operation["fields"] == {
        "CustomerRef": {"ListID": "C-1"},
        "ARAccountRef": {"ListID": "A-0"},
        "TxnDate": "2026-01-20",
        "RefNumber": "1001",
        "TotalAmount": "70.00",
        "PaymentMethodRef": {"ListID": "M-1"},
        "Memo": "P-1 [bb:payment:P-1]",
        "DepositToAccountRef": {"ListID": "A-1"},
        "AppliedToTxnAdd": [{"TxnID": {"operation": "invoice:INV-1"}, "PaymentAmount": "60.00"}],
    }
    assert operation["expected"]["total_amount"] == "70.00" and operation["expected"]["unapplied"] == "10.00"
    assert operation["depends_on"] == ["invoice:INV-1"]


def test_a_payment_of_nothing_stays_unapplied_on_purpose() -> None:
    operation = operations(planned(pay(world(), "P-2", "7.00")))["payment:P-2"]
    assert operation["fields"]["IsAutoApply"] is False and "AppliedToTxnAdd" not in operation["fields"]


@pytest.mark.parametrize("origin", ["quickbooks", "billing"])
def test_a_payment_goes_to_the_txn_id_of_an_invoice_that_quickbooks_has(origin: str) -> None:
    rows = world()
    rows["ledger.crosswalk"] = [bound("invoice", "INV-1", "9-1", origin, amount=Decimal(100))]
    rows["quickbooks.invoices"] = [open_document("9-1", "100.00")]
    plan = planned(rows)
    operation = operations(plan)["payment:P-1"]
    assert operation["fields"]["AppliedToTxnAdd"] == [{"TxnID": "9-1", "PaymentAmount": "60.00"}]
    assert operation["depends_on"] == [] and "INV-1" in stays(plan)


def test_a_payment_waits_for_an_invoice_of_another_job() -> None:
    rows = world()
    rows["ledger.operations"] = [queued("invoice:INV-1", "sent")]
    operation = operations(planned(rows))["payment:P-1"]
    assert operation["depends_on"] == ["invoice:INV-1"]


@pytest.mark.parametrize("status", ["rejected", "skipped", "undone"])
def test_what_was_rejected_is_planned_again(status: str) -> None:
    rows = world()
    rows["ledger.operations"] = [queued("invoice:INV-1", status), queued("payment:P-1", status)]
    assert list(operations(planned(rows))) == ["invoice:INV-1", "payment:P-1"]


def test_a_payment_on_an_invoice_outside_the_range_is_never_left_unapplied() -> None:
    plan = planned(world(), start=day(15), end=day(31), invoices=True, payments=True)
    assert stays(plan) == {"P-1": "blocked"}
    assert "export it first" in to_rows(plan.findings)[0]["message"]


def test_applications_on_one_invoice_are_one_line() -> None:
    rows = world()
    rows["billing.payment_applications"] = [
        application("P-1", "INV-1", "50.00", 1),
        application("P-1", "INV-1", "10.00", 2),
    ]
    applied = operations(planned(rows))["payment:P-1"]["fields"]["AppliedToTxnAdd"]
    assert [entry["PaymentAmount"] for entry in applied] == ["60.00"]


def split() -> Rows:
    """Return a world where A1 pays 100: 60 on its own invoice, 30 on one of A2, 10 not applied."""
    rows = bill(world(), "INV-2", "30.00", account_number="A2")
    rows["billing.payments"], rows["billing.payment_applications"] = [], []
    return pay(rows, "P-1", "100.00", ("INV-1", "60.00"), ("INV-2", "30.00"), unapplied_balance=Decimal(10))


def test_a_receipt_over_two_customers_is_split_and_adds_up() -> None:
    plan = planned(split())
    parts = {key: o for key, o in operations(plan).items() if o["record_kind"] == "payment"}
    assert {key: (o["fields"]["CustomerRef"]["ListID"], o["amount"]) for key, o in parts.items()} == {
        "payment:P-1/A1": ("C-1", Decimal("70.00")),
        "payment:P-1/A2": ("C-2", Decimal("30.00")),
    }
    assert {o["ref_number"] for o in parts.values()} == {"P-1"}
    assert parts["payment:P-1/A2"]["fields"]["Memo"] == "P-1 [bb:payment:P-1/A2]"
    found = totals(plan, "billing.payments")
    assert (found["source_count"], found["exported_count"], found["operations"]) == (1, 1, 2)


def test_a_receipt_that_was_sent_in_part_goes_on_with_the_rest() -> None:
    rows = split()
    rows["ledger.crosswalk"] = [bound("payment", "P-1/A1", "9-7")]
    assert "payment:P-1/A1" not in operations(planned(rows))
    assert "payment:P-1/A2" in operations(planned(rows))
    rows["ledger.crosswalk"].append(bound("payment", "P-1/A2", "9-8"))
    assert stays(planned(rows)) == {"P-1": "already_sent"}


def test_a_receipt_for_another_customer_alone_stays_whole() -> None:
    rows = bill(world(), "INV-2", "30.00", account_number="A2")
    pay(rows, "P-2", "30.00", ("INV-2", "30.00"))
    operation = operations(planned(rows))["payment:P-2"]
    assert operation["fields"]["CustomerRef"] == {"ListID": "C-2"}


def test_a_carried_invoice_is_paid_by_the_customer_that_quickbooks_has_it_on() -> None:
    rows = world()
    carried = bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100), customer_list_id="C-2")
    rows["ledger.crosswalk"] = [carried]
    assert operations(planned(signed(rows)))["payment:P-1"]["fields"]["CustomerRef"] == {"ListID": "C-2"}


# --- new, and pilots ----------------------------------------------------------------------------------------


def test_new_is_everything_since_the_cutover_that_was_not_sent() -> None:
    rows = bill(
        bill(world(), "INV-0", "1.00", invoice_date=day(31, 12, 2025)),
        "INV-9",
        "2.00",
        invoice_date=day(1, 6),
    )
    rows["ledger.crosswalk"] = [bound("invoice", "INV-1", "9-1", amount=Decimal(100))]
    plan = planned(rows, new=True, invoices=True)
    assert list(operations(plan)) == ["invoice:INV-9"] and not len(plan.left_out)
    assert totals(plan, "billing.invoices")["out_of_range_count"] == 2
    assert (plan.start, plan.end) == (dt.date(2026, 1, 1), None)


def test_a_pilot_takes_the_first_documents_with_what_they_need() -> None:
    rows = with_new_customer(with_new_customer(world(), "A9"), "A8")
    bill(rows, "INV-0", "5.00", account_number="A9", invoice_date=day(2))
    bill(rows, "INV-3", "5.00", invoice_date=day(25))
    pay(rows, "P-0", "5.00", ("INV-0", "5.00"), account_number="A9", effective_date=day(3))
    pay(rows, "P-3", "5.00", ("INV-3", "5.00"), effective_date=day(26))
    plan = planned(rows, **JANUARY, **ALL, limit=3)
    assert list(operations(plan)) == ["customer:A9", "invoice:INV-0", "invoice:INV-1", "payment:P-0"]
    assert stays(plan) == dict.fromkeys(["A8", "INV-3", "P-1", "P-3"], "pilot")


def test_a_pilot_takes_a_payment_only_with_its_invoice() -> None:
    rows = bill(world(), "INV-9", "5.00", invoice_date=day(30))
    rows["billing.payments"], rows["billing.payment_applications"] = [], []
    pay(rows, "P-9", "5.00", ("INV-9", "5.00"), effective_date=day(5))
    plan = planned(rows, **JANUARY, **ALL, limit=1)
    assert list(operations(plan)) == ["invoice:INV-1"]


def test_a_pilot_of_customers_alone() -> None:
    rows = with_new_customer(with_new_customer(world(), "A8"), "A9")
    plan = planned(rows, **JANUARY, customers=True, limit=1)
    assert list(operations(plan)) == ["customer:A8"] and stays(plan) == {"A9": "pilot"}


# --- the law ------------------------------------------------------------------------------------------------

CENTS = st.integers(-5_000, 20_000).map(lambda cents: Decimal(cents) / 100)
ACCOUNTS = st.sampled_from(["A1", "A2", "A9", "A404"])
DAYS = st.integers(-20, 60).map(lambda days: dt.date(2026, 1, 1) + dt.timedelta(days))
INVOICES = st.lists(
    st.fixed_dictionaries(
        {
            "amount": CENTS,
            "wrong": st.sampled_from(["0.00", "0.00", "0.00", "0.01"]),
            "code": st.sampled_from(["Hosting", "Hosting", "Promo", "nothing"]),
            "account_number": ACCOUNTS,
            "invoice_date": DAYS,
            "status": st.sampled_from(["Outstanding", "Paid", "Draft", "CarriedOver"]),
            "invoice_kind": st.sampled_from([None, "master", "child"]),
        }
    ),
    max_size=8,
)
PAYMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "amount": CENTS,
            "account_number": ACCOUNTS,
            "effective_date": DAYS,
            "status": st.sampled_from(["Paid", "Paid", "Failed"]),
            "payment_type": st.sampled_from(["Payment", "Payment", "Refund"]),
            "applied": st.lists(st.tuples(st.integers(0, 8), CENTS), max_size=3),
        }
    ),
    max_size=6,
)


def random_world(invoices: list[dict[str, Any]], payments: list[dict[str, Any]]) -> Rows:
    rows = with_new_customer(world(), "A9")
    for name in ("invoices", "invoice_lines", "payments", "payment_applications"):
        rows[f"billing.{name}"] = []
    for place, row in enumerate(invoices):
        amount, wrong, code = row.pop("amount"), row.pop("wrong"), row.pop("code")
        rows["billing.invoices"].append(invoice(f"I{place}", str(amount), **row))
        rows["billing.invoice_lines"].append(line(f"I{place}", str(amount + Decimal(wrong)), code))
    for place, row in enumerate(payments):
        applied = dict(row.pop("applied"))
        rows["billing.payments"].append(payment(f"P{place}", str(row.pop("amount")), **row))
        rows["billing.payment_applications"] += [
            application(f"P{place}", f"I{to}", str(part)) for to, part in applied.items()
        ]
    rows["ledger.crosswalk"] = [bound("invoice", "I7", "9-7", "quickbooks", amount=Decimal(50))]
    return signed(rows)  # BluBilling seldom has it


@examples(max_examples=40)
@given(INVOICES, PAYMENTS, st.sampled_from([None, 1, 3]))
def test_rows_and_money_add_up(
    invoices: list[dict[str, Any]], payments: list[dict[str, Any]], limit: int | None
) -> None:
    rows = random_world([dict(row) for row in invoices], [dict(row) for row in payments])
    plan = planned(rows, **JANUARY, **ALL, limit=limit)
    made, out = operations(plan), to_rows(plan.left_out)
    for table, key, date, amount in (
        ("billing.invoices", "invoice_number", "invoice_date", "current_amount_due"),
        ("billing.payments", "payment_number", "effective_date", "amount"),
    ):
        source = {row[key]: row[amount] for row in rows[table] if day(1) <= row[date] <= day(31)}
        left = {row["source_key"]: row["amount"] for row in out if row["source_table"] == table}
        sent: dict[str, Decimal] = {}
        for operation in made.values():
            if operation["source_table"] == table:
                turned = -1 if operation["key"].startswith("credit_memo:") else 1
                sent[operation["source_key"]] = (
                    sent.get(operation["source_key"], 0) + turned * operation["amount"]
                )
        # Each row goes one way, with all of its money.
        assert source == sent | left and not set(sent) & set(left)
        assert len(left) == len([row for row in out if row["source_table"] == table])
        found = [row for row in to_rows(plan.totals) if row["source_table"] == table]
        for unit in ("count", "amount"):
            assert sum(row[f"source_{unit}"] for row in found) == sum(
                row[f"{went}_{unit}"] for row in found for went in ("exported", "blocked", "left_out")
            )
        assert sum(row["source_amount"] for row in found) == sum(source.values())
    errors = {row["key"] for row in to_rows(plan.findings) if row["severity"] == "error"}
    # What stands before the cutover is out of the range, and said all the same.
    early = {row["invoice_number"] for row in rows["billing.invoices"] if row["invoice_date"] < day(1)}
    early |= {row["payment_number"] for row in rows["billing.payments"] if row["effective_date"] < day(1)}
    assert errors - early <= {row["source_key"] for row in out if row["rule"] == "blocked"}
    for operation in made.values():
        assert all(made[key]["position"] < operation["position"] for key in operation["depends_on"])
        lines = operation["fields"].get("InvoiceLineAdd") or operation["fields"].get("CreditMemoLineAdd")
        if lines:
            assert sum(Decimal(entry["Amount"]) for entry in lines) == operation["amount"]
        applied = operation["fields"].get("AppliedToTxnAdd", [])
        assert sum(Decimal(entry["PaymentAmount"]) for entry in applied) <= (operation["amount"] or 0)
    if limit:
        assert sum(o["record_kind"] in ("invoice", "credit_memo") for o in made.values()) <= limit


# --- what was sent and changed since ------------------------------------------------------------------------


def sent(rows: Rows) -> Rows:
    """Send what the rows make, as a ledger would keep it."""
    plan = planned(rows)
    rows["ledger.operations"] = [
        {name: row[name] for name in TABLES["ledger.operations"].names if name in row}
        | {"job": 1, "status": "applied", "txn_id": f"Q-{row['position']}"}
        for row in to_rows(plan.operations)
    ]
    rows["ledger.crosswalk"] = [
        bound(row["record_kind"], row["key"].partition(":")[2], row["txn_id"], amount=row["amount"])
        for row in rows["ledger.operations"]
    ]
    return rows


def changed(plan: Plan) -> dict[str, str]:
    """Return column to message of what changed after it was sent."""
    assert set(plan.findings["severity"]) <= {"warning"}
    return {
        row["column"]: row["message"] for row in to_rows(plan.findings) if row["rule"] == "changed_after_sent"
    }


def test_what_was_sent_and_stands_as_it_was_says_nothing() -> None:
    rows = sent(bill(split(), "INV-3", "-5.00"))
    for options in (JANUARY | ALL, {"new": True} | ALL):
        plan = planned(rows, **options)
        assert not len(plan.findings) and not len(plan.operations)


@pytest.mark.parametrize("rule", ["as_is", "counter:1"])
@pytest.mark.parametrize("known", ["ledger.operations", "ledger.crosswalk"])
def test_an_invoice_that_turned_negative_is_no_second_document(rule: str, known: str) -> None:
    rows = sent(world())
    del rows[{"ledger.operations", "ledger.crosswalk"}.difference({known}).pop()]
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("-100.00")
    rows["billing.invoice_lines"][0] |= {"amount": Decimal("-100.00"), "unit_price": Decimal("-100.00")}
    plan = planned(rows, text={"number_rule": rule} if rule != "as_is" else {}, **JANUARY, invoices=True)
    assert not len(plan.operations) and stays(plan) == {"INV-1": "already_sent"}
    assert "was given 100.00, the source has -100.00" in changed(plan)["amount"]


def test_an_invoice_that_waits_is_no_second_document_when_it_turns_negative() -> None:
    rows = sent(world())
    del rows["ledger.crosswalk"]
    rows["ledger.operations"][0]["status"] = "pending"
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("-100.00")
    plan = planned(rows, **JANUARY, invoices=True)
    assert stays(plan) == {"INV-1": "under_way"} and "amount" in changed(plan)


@pytest.mark.parametrize("options", [JANUARY | ALL, {"new": True} | ALL])
def test_a_row_that_changed_after_it_was_sent_is_said(options: dict[str, Any]) -> None:
    rows = sent(world())
    rows["billing.invoices"][0] |= {"account_number": "A2", "invoice_date": day(11)}
    plan = planned(rows, **options)
    assert set(changed(plan)) == {"account_number", "date"} and not len(plan.operations)
    rows = pay(sent(pay(world(), "P-2", "40.00")), "P-3", "0.00", ("INV-1", "0.00"), status="Declined")
    assert not changed(planned(rows, **options))
    rows["billing.payment_applications"].append(application("P-2", "INV-1", "40.00"))
    plan = planned(rows, **options)
    assert "was given none, the source has 40.00 on INV-1" in changed(plan)["applications"]


def test_a_date_that_left_the_range_after_it_was_sent_is_said() -> None:
    rows = sent(world())
    rows["billing.invoices"][0]["invoice_date"] = day(10, 3)
    assert set(changed(planned(rows))) == {"date"}
    march = {"start": day(2, 2), "end": day(28, 2)}
    assert not changed(planned(rows, **march, invoices=True))


# --- the wrong side of the cutover --------------------------------------------------------------------------


@pytest.mark.parametrize("options", [JANUARY | ALL, {"new": True} | ALL])
def test_what_is_on_the_wrong_side_of_the_cutover_is_said_whatever_the_range(options: dict[str, Any]) -> None:
    before = {"invoice_date": day(31, 12, 2025)}
    rows = bill(world(), "INV-0", "7.00", **before)
    bill(rows, "INV-D", "7.00", status="Draft", **before)
    bill(rows, "INV-C", "7.00", **before)
    pay(rows, "P-0", "5.00", effective_date=day(30, 12, 2025))
    pay(rows, "P-D", "5.00", effective_date=day(30, 12, 2025), status="Declined")
    rows["ledger.crosswalk"] = [bound("invoice", "INV-C", "9-1", "quickbooks", amount=Decimal(7))]
    rows["quickbooks.invoices"] = [open_document("9-1", "7.00")]
    plan = planned(rows, **options)
    found = {row["key"]: (row["rule"], row["severity"]) for row in to_rows(plan.findings)}
    assert found == dict.fromkeys(["INV-0", "P-0"], ("cutover_side", "error"))
    assert set(operations(plan)) == {"invoice:INV-1", "payment:P-1"}
    assert totals(plan, "billing.invoices")["out_of_range_count"] == 3


def finding_of(rows: Rows, rule: str) -> dict[str, Any]:
    return next(row for row in to_rows(planned(rows).findings) if row["rule"] == rule)


def test_the_deposit_account_of_any_method_is_chosen_in_the_workbook() -> None:
    rows = world()
    rows["quickbooks.payment_methods"].append({"list_id": "M-9", "name": "Bitcoin", "is_active": True})
    rows["billing.payments"][0]["method"] = "Bitcoin"
    found = finding_of(rows, "deposit_account")
    assert (found["table"], found["key"]) == ("match.payment_methods", "Bitcoin")
    assert found["suggestion"] == "choose it in the sheet Payment methods"


def test_classes_that_are_assigned_to_nothing_are_told_for_people() -> None:
    rows = world()
    rows["quickbooks.company"][0] |= {"is_using_class_tracking": True, "assign_classes_to": "None"}
    assert "(assigned to nothing in particular)" in finding_of(rows, "class_missing")["message"]
