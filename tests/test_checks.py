"""The gate: each rule, shown by one row that it catches in a company where everything else fits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
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
    open_document,
    payment,
    queued,
    settings,
    world,
)

from toolkit.checks import OUTCOMES, RULES
from toolkit.checks_registry import rule
from toolkit.checks_rows import outside_windows_1252, proposed_spelling
from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

Change = Callable[[Rows], Any]


def planned(change: Change, **text: str) -> Plan:
    rows = world()
    change(rows)
    return plan_export(frames(rows), settings(**text), **JANUARY, **ALL)


def one(plan: Plan, name: str) -> dict[str, Any]:
    """Return the one finding of a rule; fails where there is none or more than one."""
    found = [row for row in to_rows(plan.findings) if row["rule"] == name]
    assert len(found) == 1, to_rows(plan.findings)
    return found[0]


def stays(plan: Plan) -> dict[str, str]:
    """Return source key to rule of what is left out."""
    return {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}


def put(table: str, *rows: dict[str, Any]) -> Change:
    return lambda tables: tables.__setitem__(table, list(rows))


def add(table: str, *rows: dict[str, Any]) -> Change:
    return lambda tables: tables.setdefault(table, []).extend(rows)


def alter(table: str, place: int, **values: Any) -> Change:
    return lambda tables: tables[table][place].update(values)


def both(*changes: Change) -> Change:
    def change(tables: Rows) -> None:
        for each in changes:
            each(tables)

    return change


def new_customer(account: str, name: str, new_name: str | None = None, **more: Any) -> Change:
    decision = {"account_number": account, "decision": "(new)", "new_name": new_name}
    return both(add("billing.customers", customer(account, name, **more)), add("mapping.customers", decision))


def billed(number: str, amount: str, code: str = "Hosting", **more: Any) -> Change:
    return both(
        add("billing.invoices", invoice(number, amount, **more)),
        add("billing.invoice_lines", line(number, amount, code)),
    )


def local_item(name: str, **more: Any) -> Change:
    row = {"name": name, "item_type": "Service", "income_account_full_name": "Sales"} | more
    charge: dict[str, Any] = {"contract_code": "P1", "price_code": name, "charge_type": "recurring"}
    charge["is_discount"] = row["item_type"] == "Discount"
    decision = {"contract_code": "P1", "price_code": name, "decision": name, "item_full_name": name}
    return both(
        add("mapping.local_items", row),
        add("billing.charges", charge),
        add("mapping.charge_items", decision),
        billed("INV-2", "5.00", name),
    )


def by_hand(**more: Any) -> dict[str, Any]:
    """Return a payment that somebody entered in QuickBooks."""
    row = {"txn_id": "H-1", "customer_list_id": "C-1", "total_amount": Decimal(60), "txn_date": day(5)}
    return row | more


LEFT_OUT: dict[str, tuple[Change, str]] = {
    "origin": (
        put("ledger.crosswalk", bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100))),
        "INV-1",
    ),
    "already_sent": (put("ledger.crosswalk", bound("invoice", "INV-1", "9-1")), "INV-1"),
    "under_way": (put("ledger.operations", queued("invoice:INV-1")), "INV-1"),
    "status": (alter("billing.payments", 0, status="Declined"), "P-1"),
    "carried_over": (billed("INV-2", "5.00", status="CarriedOver"), "INV-2"),
    "posted_by_hand": (
        put(
            "ledger.postings",
            {
                "source_table": "billing.invoices",
                "source_key": "INV-1",
                "txn_id": "9-1",
                "posted_by": "ann",
                "posted_at": dt.datetime(2026, 1, 12),
            },
        ),
        "INV-1",
    ),
    "posting_overtaken": (
        put(
            "ledger.postings",
            {
                **{"source_table": "billing.invoices", "source_key": "INV-1", "txn_id": "9-1"},
                **{"account_number": "A1", "date": day(10), "amount": Decimal("99.00")},
                **{"posted_by": "ann", "posted_at": dt.datetime(2026, 1, 12)},
            },
        ),
        "INV-1",
    ),
    "customer_left_out": (add("billing.customers", customer("A9", "Nobody knows")), "A9"),
    "post_by_hand": (add("billing.payments", payment("R-1", "-60.00", payment_type="Refund")), "R-1"),
    "master_and_children": (
        both(
            alter("billing.invoices", 0, invoice_kind="child", delegated_to_invoice="INV-M"),
            billed("INV-M", "100.00", invoice_kind="master", account_number="A2"),
        ),
        "INV-M",
    ),
}

# Rule: what to change in the company, where the finding must point, and settings if it takes any.
ERRORS: dict[str, tuple[Change, str, dict[str, str]]] = {
    "cutover_side": (lambda t: None, "INV-1", {"cutover_date": "2026-01-10"}),
    "closed_period": (alter("quickbooks.company", 0, closing_date=day(10)), "INV-1", {}),
    "currency": (alter("billing.invoices", 0, currency="EUR"), "INV-1", {}),
    "customer_undecided": (billed("INV-2", "5.00", account_number="A9"), "INV-2", {}),
    "customer_shared": (
        both(
            alter("quickbooks.customers", 1, account_number="A1"),
            alter("billing.invoices", 0, account_number="A2"),
            put("billing.payments"),
            put("billing.payment_applications"),
        ),
        "INV-1",
        {},
    ),
    "customer_inactive": (
        both(alter("quickbooks.customers", 1, is_active=False), billed("INV-2", "5.00", account_number="A2")),
        "INV-2",
        {},
    ),
    "ar_account": (put("quickbooks.accounts"), "ar_account", {}),
    "characters": (alter("billing.invoice_lines", 0, description="Łódź"), "INV-1 / 1 / 1", {}),
    "field_limit": (new_customer("A9", "Nine", first_name="N" * 26), "A9", {}),
    "name_length": (new_customer("A9", "N" * 42), "A9", {}),
    "name_colon": (new_customer("A9", "Nine", "Nine: North"), "A9", {}),
    "name_taken": (new_customer("A9", "Nine", "ACME"), "A9", {}),
    "parent_undecided": (new_customer("A9", "Nine", parent_account_number="A8"), "A9", {}),
    "too_deep": (
        both(
            add(
                "quickbooks.customers",
                {
                    "list_id": "C-5",
                    "name": "E",
                    "full_name": "A:B:C:D:E",
                    "is_active": True,
                    "account_number": "A5",
                },
            ),
            add("billing.customers", customer("A5", "E")),
            new_customer("A9", "Nine", parent_account_number="A5"),
        ),
        "A9",
        {},
    ),
    "master_children_differ": (
        both(
            billed("INV-2", "5.00", invoice_kind="child", delegated_to_invoice="INV-M"),
            billed("INV-M", "9.00", invoice_kind="master", account_number="A2"),
        ),
        "INV-M",
        {},
    ),
    "lines_sum": (alter("billing.invoices", 0, current_amount_due=Decimal("100.01")), "INV-1", {}),
    "no_lines": (add("billing.invoices", invoice("INV-2", "0.00")), "INV-2", {}),
    "charge_unmapped": (billed("INV-2", "5.00", "hosting"), "INV-2", {}),
    "item_usable": (
        both(
            add("quickbooks.items", item("I-9", "Kit", "Group")),
            add(
                "billing.charges",
                {"contract_code": "P1", "price_code": "K", "charge_type": "recurring", "is_tax": True},
            ),
            add(
                "mapping.taxes",
                {"tax_name": "VAT", "item_list_id": "I-9", "item_full_name": "Kit", "decision": "Kit"},
            ),
            alter("billing.invoice_lines", 0, price_code="K", line_type="tax", tax_name="VAT"),
        ),
        "INV-1",
        {},
    ),
    "tax_codes_missing": (put("quickbooks.sales_tax_codes"), "", {}),
    "non_taxable_code": (
        alter("quickbooks.company", 0, default_non_taxable_code_full_name=None),
        "non_taxable_code",
        {},
    ),
    "zero_tax_item": (
        add("quickbooks.items", item("I-9", "Exempt", "SalesTax", tax_rate=Decimal(0))),
        "zero_tax_item",
        {},
    ),
    "tax_computed": (
        both(
            alter("billing.invoices", 0, current_amount_due=Decimal("110.01")),
            add(
                "billing.invoice_lines",
                line("INV-1", "10.01", "Sales Tax", charge_position=2, line_type="tax"),
            ),
        ),
        "INV-1",
        {"tax_mode": "quickbooks"},
    ),
    "credit_item": (put("billing.adjustments", adjustment("C-1", "5.00")), "credit_item", {}),
    "credit_mode": (
        both(
            put("billing.adjustments", adjustment("C-1", "5.00")),
            add("quickbooks.payment_methods", {"list_id": "M-9", "name": "Credit", "is_active": True}),
        ),
        "credit_account",
        {"credit_mode": "payment", "credit_item": "House Credit"},
    ),
    "adjustment_item": (
        both(
            put("billing.adjustments", adjustment("W-1", "5.00", kind="write_off")),
            put("mapping.adjustments", {"kind": "write_off", "item_list_id": "9", "decision": "Gone"}),
        ),
        "W-1",
        {},
    ),
    "number_length": (billed("INV-2026-000123", "5.00"), "INV-2026-000123", {}),
    "number_taken": (
        add("quickbooks.invoices", {"txn_id": "9-9", "ref_number": "INV-1"}),
        "INV-1",
        {},
    ),
    "local_item_type": (local_item("Odd", item_type="Discount"), "Odd", {}),
    "income_account": (local_item("Odd", income_account_full_name="Nowhere"), "Odd", {}),
    "item_parent": (local_item("Nowhere:Odd"), "Nowhere:Odd", {}),
    "item_tax_code": (local_item("Odd", sales_tax_code_full_name="Xyz"), "Odd", {}),
    "payment_method_unmapped": (
        alter("billing.payments", 0, method="Paypal"),
        "P-1",
        {"deposit_accounts__Paypal": "Card Clearing"},
    ),
    "deposit_account": (lambda t: None, "deposit_accounts.ACH", {"deposit_accounts__ACH": "Nowhere"}),
    "already_in_quickbooks": (
        add("quickbooks.payments", by_hand(txn_date=day(20))),
        "P-1",
        {},
    ),
    "payment_sum": (alter("billing.payments", 0, unapplied_balance=Decimal("0.01")), "P-1", {}),
    "application_negative": (
        add("billing.payment_applications", application("P-1", "INV-0", "-1.00")),
        "P-1",
        {},
    ),
    "application_target": (
        both(
            alter("billing.payments", 0, amount=Decimal(65)),
            add("billing.payment_applications", application("P-1", "INV-404", "5.00")),
        ),
        "P-1",
        {},
    ),
    "overpaid": (
        both(
            add("billing.payments", payment("P-2", "40.01")),
            add("billing.payment_applications", application("P-2", "INV-1", "40.01")),
        ),
        "P-2",
        {},
    ),
    "ar_account_differs": (
        both(
            put("ledger.crosswalk", bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100))),
            put(
                "quickbooks.invoices",
                {"txn_id": "9-1", "customer_list_id": "C-1", "ar_account_list_id": "A-9"},
            ),
        ),
        "P-1",
        {},
    ),
    "payment_number_length": (alter("billing.payments", 0, check_number="1" * 21), "P-1", {}),
}

WARNINGS: dict[str, tuple[Change, str]] = {
    "rate_times_quantity": (alter("billing.invoice_lines", 0, unit_price=Decimal("33.33")), "INV-1"),
    "quantity_decimals": (
        alter("billing.invoice_lines", 0, quantity=Decimal("0.333333"), unit_price=Decimal(300)),
        "INV-1",
    ),
    "credit_unapplied": (
        put("billing.adjustments", adjustment("C-1", "5.00", invoice_number="INV-1")),
        "C-1",
    ),
    "taken_over": (add("quickbooks.payments", by_hand(memo="P-1 [bb:payment:P-1]")), "P-1"),
    "said_absent": (
        both(
            add("quickbooks.invoices", {"txn_id": "9-9", "ref_number": "INV-1"}),
            put("ledger.operations", queued("invoice:INV-1", "skipped", said_absent=True)),
        ),
        "INV-1",
    ),
}

APART = {
    "date_moved",
    "credit_number",
    "tax_rounding",
    "customer_not_exported",
    "changed_after_sent",
    "qbxml_version",
    "carried_not_tied",
    "carried_copy",
    "carried_credit",
    "carried_credit_unclear",
    "carried_credit_number",
    "credit_use_status",
    "credit_gone",
    "credit_customer",
    "credit_remaining",
    "credit_use_differs",
    "credit_ar_account",
}
"""Rules shown by a test of their own: below, in ``test_qbxml_versions.py``,
in ``test_transform_credits.py`` ``test_carried.py`` and ``test_carried_credits.py``."""


def test_every_rule_is_shown_here_or_beside() -> None:
    """The samples beside walk all rules, and ask each of these here too."""
    from test_checks_samples import BAD

    assert {*LEFT_OUT, *ERRORS, *WARNINGS, *APART, *BAD} >= set(RULES)
    assert {*LEFT_OUT, *ERRORS, *WARNINGS, *APART} <= set(RULES)


def test_every_rule_says_what_it_is_for() -> None:
    for each in RULES.values():
        assert each.doc.endswith(".") and each.on and each.severity in ("error", "warning", "left_out")
    assert not set(OUTCOMES) & set(RULES)


def test_nothing_is_found_where_everything_fits() -> None:
    plan = planned(lambda tables: None)
    assert not len(plan.findings) and not len(plan.left_out)
    assert list(plan.operations["key"]) == ["invoice:INV-1", "payment:P-1"]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_row_stays_behind(name: str) -> None:
    change, key = LEFT_OUT[name]
    plan = planned(change)
    assert stays(plan)[key] == name
    assert not any(row["source_key"] == key for row in to_rows(plan.operations))
    # What waits for a choice is said with the id that a waiver takes; of all else there is nothing to say.
    assert any(row["rule"] == name for row in to_rows(plan.findings)) is (
        RULES[name].waivable or name == "posting_overtaken"
    )


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_blocks_its_row(name: str) -> None:
    change, key, text = ERRORS[name]
    plan = planned(change, **text)
    found = one(plan, name)
    assert found["severity"] == "error" and found["key"] == key
    blocked = {row["source_key"]: row for row in to_rows(plan.left_out) if row["rule"] == "blocked"}
    assert any(name in row["reason"].split(":")[0].split(", ") for row in blocked.values())
    sent = {row["source_key"] for row in to_rows(plan.operations)}
    assert not sent & set(blocked)
    if found["table"] not in ("settings", "quickbooks.sales_tax_codes"):
        assert key.partition(" / ")[0] in blocked  # a line blocks its invoice


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_blocks_nothing(name: str) -> None:
    change, key = WARNINGS[name]
    plan = planned(change, credit_item="House Credit")
    found = one(plan, name)
    assert found["severity"] == "warning" and found["key"] == key
    assert key in {row["source_key"] for row in to_rows(plan.operations)} and not len(plan.left_out)


def test_a_new_customer_that_is_not_exported_blocks_its_documents() -> None:
    rows = world()
    both(new_customer("A9", "Nine"), billed("INV-2", "5.00", account_number="A9"))(rows)
    plan = plan_export(frames(rows), settings(), **JANUARY, invoices=True)
    assert one(plan, "customer_not_exported")["key"] == "INV-2"
    rows["ledger.operations"] = [queued("customer:A9", request="CustomerAdd")]
    plan = plan_export(frames(rows), settings(), **JANUARY, invoices=True)
    assert not len(plan.findings) and "invoice:INV-2" in set(plan.operations["key"])


def test_what_is_posted_by_hand_is_told_where_it_is_listed() -> None:
    plan = planned(LEFT_OUT["post_by_hand"][0])
    reason = next(row["reason"] for row in to_rows(plan.left_out) if row["source_key"] == "R-1")
    assert reason == (
        "Refund of -60.00 is not sent: post it by hand (`toolkit table plan.post_by_hand` lists them)"
    )


@pytest.mark.parametrize("status", ["Draft", "Error", "Cancelled"])
def test_an_invoice_of_another_status_stays_behind(status: str) -> None:
    plan = planned(both(billed("INV-2", "5.00", status=status)))
    assert stays(plan) == {"INV-2": "status"}


@pytest.mark.parametrize("status", ["Outstanding", "Paid", "Draft", "CarriedOver", "Cancelled"])
@pytest.mark.parametrize("date", [day(10), day(5)])
def test_a_carried_invoice_never_goes_back(status: str, date: Any) -> None:
    carried = bound("invoice", "INV-2", "9-1", "quickbooks", amount=Decimal(5))
    change = both(billed("INV-2", "5.00", status=status, invoice_date=date), put("ledger.crosswalk", carried))
    plan = planned(change, cutover_date="2026-01-08")
    assert stays(plan)["INV-2"] == "origin"
    assert not any(row["key"] == "INV-2" for row in to_rows(plan.findings))


def test_a_master_without_children_in_the_data_is_posted() -> None:
    plan = planned(alter("billing.invoices", 0, invoice_kind="master"))
    assert "invoice:INV-1" in set(plan.operations["key"])


def test_children_are_found_by_parent_and_period_where_none_names_the_master() -> None:
    period = {"billing_start": day(1), "billing_end": day(31)}
    plan = planned(
        both(
            alter("billing.customers", 0, parent_account_number="A2"),
            alter("billing.invoices", 0, invoice_kind="child", **period),
            billed(
                "INV-M", "100.00", invoice_kind="master", account_number="A2", invoice_date=day(31), **period
            ),
        )
    )
    assert stays(plan) == {"INV-M": "master_and_children"}


def test_children_that_are_never_posted_leave_the_master_alone() -> None:
    plan = planned(
        both(
            alter(
                "billing.invoices", 0, invoice_kind="child", delegated_to_invoice="INV-M", status="Cancelled"
            ),
            billed("INV-M", "100.00", invoice_kind="master"),
            put("billing.payments"),
        )
    )
    assert stays(plan) == {"INV-1": "status"}


def test_a_master_and_its_held_children_never_stay_behind_in_silence() -> None:
    held = {"invoice_kind": "child", "delegated_to_invoice": "INV-M", "status": "CarriedOver"}
    change = both(
        billed("INV-2", "5.00", **held),
        billed("INV-M", "5.00", invoice_kind="master", account_number="A2"),
    )
    plan = planned(change)
    assert stays(plan) == {"INV-2": "carried_over", "INV-M": "blocked"}
    assert "INV-2 (CarriedOver)" in one(plan, "master_children_differ")["message"]
    sent = both(change, put("ledger.crosswalk", bound("invoice", "INV-2", "9-2")))
    assert stays(planned(sent)) == {"INV-2": "already_sent", "INV-M": "master_and_children"}


def test_a_previous_balance_carried_into_a_master_is_no_child() -> None:
    plan = planned(
        both(
            billed("INV-0", "5.00", status="CarriedOver", delegated_to_invoice="INV-M"),
            billed("INV-M", "9.00", invoice_kind="master"),
        )
    )
    assert stays(plan) == {"INV-0": "carried_over"}


def test_an_error_in_a_setting_is_said_once_and_blocks_every_row() -> None:
    plan = planned(both(put("quickbooks.accounts"), billed("INV-2", "5.00")))
    assert one(plan, "ar_account")["table"] == "settings"
    assert set(stays(plan).values()) == {"blocked"} and not len(plan.operations)


def test_two_accounts_may_not_create_one_name() -> None:
    plan = planned(both(new_customer("A8", "Nine"), new_customer("A9", "nine")))
    assert stays(plan) == {"A8": "blocked", "A9": "blocked"}


def test_one_name_may_stand_under_two_parents() -> None:
    plan = planned(
        both(
            new_customer("A8", "Site", parent_account_number="A1"),
            new_customer("A9", "Site", parent_account_number="A2"),
        )
    )
    assert not len(plan.left_out)
    assert {"Acme:Site", "Bolt:Site"} <= set(plan.operations["customer_full_name"])


def test_parents_in_a_circle_are_an_error() -> None:
    plan = planned(
        both(
            new_customer("A8", "Eight", parent_account_number="A9"),
            new_customer("A9", "Nine", parent_account_number="A8"),
            new_customer("A7", "Seven", parent_account_number="A7"),
        )
    )
    assert stays(plan) == {"A7": "blocked", "A8": "blocked", "A9": "blocked"}


def test_a_long_address_line_is_proposed_split_between_words() -> None:
    street = "Building Seven of the Old Harbour Works, Quay 12"
    plan = planned(new_customer("A9", "Nine", bill_street1=street))
    assert (
        one(plan, "field_limit")["suggestion"]
        == "split it: Building Seven of the Old Harbour Works, | Quay 12"
    )


def test_a_number_that_is_too_long_comes_with_a_rule_that_fits() -> None:
    plan = planned(both(billed("INV-2026-000123", "5.00"), billed("INV-2026-000124", "5.00")))
    proposals = {row["suggestion"] for row in to_rows(plan.findings)}
    assert proposals == {"toolkit set number_rule strip:INV-2026-"}
    plan = planned(billed("123456789012", "5.00"))
    assert one(plan, "number_length")["suggestion"] == "toolkit set number_rule counter:1"


def test_a_number_twice_in_the_batch_blocks_both() -> None:
    plan = planned(
        both(billed("X-000001", "5.00"), billed("Y-000001", "5.00")), number_rule=r"pattern:(\d+)$"
    )
    assert {key for key, rule_ in stays(plan).items() if rule_ == "blocked"} == {"X-000001", "Y-000001"}


def test_a_number_of_a_deleted_invoice_is_free_again() -> None:
    gone = {"txn_id": "9-9", "ref_number": "INV-1", "left_at": dt.datetime(2026, 1, 1)}
    plan = planned(add("quickbooks.invoices", gone))
    assert not len(plan.findings)


def test_an_adjustment_that_cannot_go_on_its_choice_is_told_to_go_by_hand() -> None:
    plan = planned(
        both(
            put("billing.adjustments", adjustment("W-1", "5.00", kind="write_off")),
            put("mapping.adjustments", {"kind": "write_off", "decision": "(none)"}),
        )
    )
    assert one(plan, "adjustment_item")["message"].endswith("choose an item, or (by hand)")


def test_a_charge_marked_none_is_left_away_only_where_no_money_hangs_on_it() -> None:
    decision = {"contract_code": "P1", "price_code": "Free", "decision": "(none)"}
    charge = {"contract_code": "P1", "price_code": "Free", "charge_type": "recurring"}
    marked = both(add("mapping.charge_items", decision), add("billing.charges", charge))
    free = both(marked, add("billing.invoice_lines", line("INV-1", "0.00", "Free", charge_position=2)))
    assert not len(planned(free).findings)
    paid = both(marked, billed("INV-2", "5.00", "Free"))
    assert one(planned(paid), "charge_unmapped")["key"] == "INV-2"
    # Where money hangs on it anywhere, the decision is in doubt, and nothing is left away by it.
    plan = planned(both(free, billed("INV-2", "5.00", "Free")))
    assert {row["key"] for row in to_rows(plan.findings)} >= {"INV-1", "INV-2"}
    assert all("marked (none), but money hangs on it" in row["message"] for row in to_rows(plan.findings)[:2])


def test_what_is_open_in_quickbooks_bounds_what_is_paid() -> None:
    carried = bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100), customer_list_id="C-1")
    there = {"txn_id": "9-1", "customer_list_id": "C-1", "balance_remaining": Decimal("59.99")}
    plan = planned(both(put("ledger.crosswalk", carried), put("quickbooks.invoices", there)))
    assert "59.99 is open" in one(plan, "overpaid")["message"]


def test_what_was_paid_before_counts() -> None:
    change = both(
        add("billing.payments", payment("P-0", "50.00", effective_date=day(11))),
        add("billing.payment_applications", application("P-0", "INV-1", "50.00")),
        put(
            "ledger.crosswalk",
            bound("payment", "P-0", "9-7"),
            bound("invoice", "INV-1", "9-1", amount=Decimal(100)),
        ),
    )
    assert "50.00 is open" in one(planned(change), "overpaid")["message"]


CARRIED = both(
    put(
        "ledger.crosswalk",
        bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100), customer_list_id="C-1"),
    ),
    put("quickbooks.invoices", open_document("9-1", "100.00")),
)
PAID_THERE = add(
    "quickbooks.payment_applications", {"payment_txn_id": "H-1", "txn_id": "9-1", "amount": Decimal(60)}
)


@pytest.mark.parametrize(
    "change",
    [
        both(
            alter("billing.payments", 0, check_number="77"),
            add("quickbooks.payments", by_hand(ref_number="77")),
        ),
        both(CARRIED, PAID_THERE, add("quickbooks.payments", by_hand(customer_list_id="C-2"))),
    ],
)
def test_a_payment_entered_in_quickbooks_by_hand_is_not_sent_again(change: Change) -> None:
    plan = planned(change)
    assert "H-1 of 60.00 on 2026-01-05" in one(plan, "already_in_quickbooks")["message"]
    assert stays(plan)["P-1"] == "blocked"


@pytest.mark.parametrize(
    "change",
    [
        add("quickbooks.payments", by_hand()),
        add("quickbooks.payments", by_hand(txn_date=day(20), customer_list_id="C-2")),
        add("quickbooks.payments", by_hand(txn_date=day(20), total_amount=Decimal("60.01"))),
        add("quickbooks.payments", by_hand(txn_date=day(20), left_at=dt.datetime(2026, 1, 21))),
        add("quickbooks.payments", by_hand(txn_date=day(20), memo="P-0 [bb:payment:P-0]")),
        both(
            add("quickbooks.payments", by_hand(txn_date=day(20))),
            put("ledger.crosswalk", bound("payment", "P-0", "H-1")),
        ),
        both(CARRIED, PAID_THERE, add("quickbooks.payments", by_hand(txn_date=day(31, 12, 2025)))),
    ],
)
def test_another_payment_in_quickbooks_is_not_taken_for_it(change: Change) -> None:
    plan = planned(change)
    assert not len(plan.findings) and "payment:P-1" in set(plan.operations["key"])


@pytest.mark.parametrize("table", ["quickbooks.invoices", "quickbooks.credit_memos"])
def test_a_document_entered_in_quickbooks_by_hand_holds_its_number(table: str) -> None:
    there = {"txn_id": "H-1", "ref_number": "INV-1", "customer_list_id": "C-1"}
    plan = planned(add(table, there))
    assert "H-1" in one(plan, "number_taken")["message"]
    assert stays(plan)["INV-1"] == "blocked"


def test_an_inactive_account_is_no_deposit_account() -> None:
    plan = planned(alter("quickbooks.accounts", 1, is_active=False))
    assert "Card Clearing" in one(plan, "deposit_account")["message"]
    assert stays(plan) == {"P-1": "blocked"}


def test_characters_are_proposed_and_never_replaced() -> None:
    assert outside_windows_1252("“Søn” – €5") == ""
    assert proposed_spelling("Łódź – Søn 東") == "Lódz – Søn ?"
    plan = planned(alter("billing.invoice_lines", 0, description="Łódź"))
    found = one(plan, "characters")
    assert (found["value"], found["suggestion"]) == ("Łódź", "Lódz")


def test_a_rule_is_registered_once() -> None:
    with pytest.raises(ValueError, match="taken"):
        rule("origin", "error", "Again.", on="invoice")
    with pytest.raises(ValueError, match="severity"):
        rule("brand_new", "fatal", "Unknown.", on="invoice")
