"""Every rule of the gate, by a row that it catches and by one just beside it that it lets pass.

The bad rows of the older rules stand in ``test_checks.py``; each has its good row here.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import test_checks
from export_world import (
    ALL,
    JANUARY,
    adjustment,
    bound,
    day,
    frames,
    item,
    line,
    payment,
    queued,
    settings,
    world,
)
from test_checks import Change, add, alter, billed, both, by_hand, local_item, new_customer, put

from toolkit import checks_registry, qbxml_versions
from toolkit.checks import RULES
from toolkit.checks_context import Context
from toolkit.quickbooks_codes import PARSE_ERROR, explain_hresult
from toolkit.source_places import CHILDREN
from toolkit.tables import TABLES, to_rows
from toolkit.transform import Plan, plan_export

Sample = tuple[Change, dict[str, str]]


def nothing(_: Any) -> None:
    return None


def as_it_is(change: Change = nothing, **text: str) -> Sample:
    return change, text


def there(list_id: str, name: str, **more: Any) -> Change:
    row = {"list_id": list_id, "name": name, "full_name": name, "is_active": True} | more
    return add("quickbooks.customers", row)


def credit(**more: Any) -> Change:
    return put("billing.adjustments", adjustment("C-1", "5.00", **more))


def terms(decision: str | None = None, *, is_active: bool = True) -> Change:
    decided = {"terms_name": "30 Days", "decision": decision, "terms_list_id": "N-1"}
    decided |= {"terms_full_name": decision}
    net = {"list_id": "N-1", "terms_type": "Standard", "name": "Net 30", "is_active": is_active}
    return both(
        alter("billing.customers", 0, terms_value=30, terms_units="Days"),
        add("quickbooks.terms", net),
        add("mapping.terms", decided) if decision else nothing,
    )


def taxed(amount: str) -> Change:
    """Bill a tax of 10 % on the invoice of 100.00."""
    return both(
        alter("billing.invoices", 0, current_amount_due=100 + Decimal(amount)),
        add(
            "billing.invoice_lines",
            line("INV-1", amount, "Sales Tax", charge_position=2, line_type="tax"),
        ),
    )


CLASSES = alter("quickbooks.company", 0, is_using_class_tracking=True, assign_classes_to="Names")
EUROS = add("quickbooks.currencies", {"list_id": "E-1", "name": "Euro", "currency_code": "EUR"})
NINE = new_customer("A9", "Nine")
MADE = put("ledger.crosswalk", bound("customer", "A9", "C-9"))


def used_before(number: str) -> dict[str, Any]:
    """Return an operation that applied 5.00 of that credit to an invoice."""
    applied = [{"TxnID": "9-9", "SetCredit": [{"CreditTxnID": "5-17", "AppliedAmount": "5.00"}]}]
    place = {"source_key": f"QB-5-17 / {number} / 1", "fields": json.dumps({"AppliedToTxnAdd": applied})}
    return queued(f"payment:QB-5-17/{number}/1", "applied", amount=Decimal(0), **place)


def set_credit(**more: Any) -> Change:
    """Use 30.00 of a carried credit memo of 50.00 on the invoice."""
    memo = {"txn_id": "5-17", "customer_list_id": "C-1", "credit_remaining": Decimal(50)}
    memo |= {"ar_account_list_id": "A-0", "ref_number": "CM 1"}
    carried = bound(
        "credit_memo", "QB-5-17", "5-17", "quickbooks", amount=Decimal(50), customer_list_id="C-1"
    )
    use = test_checks.application("QB-5-17", "INV-1", "30.00") | {"applied_date": day(12)}
    return both(
        add("quickbooks.credit_memos", memo | more),
        add("ledger.crosswalk", carried),
        add("billing.payment_applications", use),
    )


def group_tax(rate: str, city: str, county: str) -> Change:
    """Bill two taxes that are the members of a group, each of the same rate, on the invoice of 100.00."""
    changes = [alter("billing.invoices", 0, current_amount_due=100 + Decimal(city) + Decimal(county))]
    for place, (name, amount) in enumerate({"City": city, "County": county}.items(), start=2):
        charge = {"contract_code": "P1", "price_code": name, "charge_type": "recurring", "is_tax": True}
        member = {"item_sales_tax_list_id": f"X-{place}", "item_sales_tax_full_name": name}
        tax = line("INV-1", amount, name, charge_position=place, line_type="tax")
        changes += [
            add("quickbooks.items", item(f"X-{place}", name, "SalesTax", tax_rate=Decimal(rate))),
            add("quickbooks.sales_tax_group_items", GROUPED | {"line_number": place - 1} | member),
            add("billing.charges", charge),
            add("billing.invoice_lines", tax),
        ]
    return both(add("quickbooks.items", item("G-1", "Both", "SalesTaxGroup")), *changes)


GROUPED = {"sales_tax_group_list_id": "G-1"}
CARRIED_ROW = {
    "txn_id": "9-1",
    "record_kind": "invoice",
    "key": "Q-7",
    "account_number": "A1",
    "customer_list_id": "C-1",
    "open_amount": Decimal(7),
    "amount": Decimal(7),
}
CARRIED = put("ledger.crosswalk", bound("invoice", "Q-7", "9-1", "quickbooks", amount=Decimal(7)))
WRITTEN_OFF = put(
    "mapping.adjustments",
    {"kind": "write_off", "decision": "Hosting", "item_list_id": "I-1", "item_full_name": "Hosting"},
)
GONE = alter("quickbooks.items", 0, is_active=False)
POSTED = {"source_table": "billing.invoices", "source_key": "INV-1", "txn_id": "9-1"}
POSTED |= {"posted_by": "ann", "posted_at": dt.datetime(2026, 1, 31)}
CREDITS = add("quickbooks.payment_methods", {"list_id": "M-9", "name": "Credit", "is_active": True})


def corrected(column: str, old: str, new: str, **more: Any) -> Change:
    """Correct a cell of the invoice."""
    cell = {"table": "billing.invoices", "key": "INV-1", "column": column, "old_value": old, "value": new}
    return add("mapping.corrections", cell | {"decision": "(corrected)"} | more)


AS_PAYMENTS = {"credit_mode": "payment", "credit_account": "Card Clearing"}


def rejected(code: int | None = 3140, said: str | None = "", **more: Any) -> Change:
    """Let QuickBooks have rejected the invoice as it would go now, but for what is given otherwise."""

    def change(rows: Any) -> None:
        plan = plan_export(frames(rows), settings(), **JANUARY, **ALL)
        [row] = [row for row in to_rows(plan.operations) if row["key"] == "invoice:INV-1"]
        fields = json.dumps(json.loads(row["fields"]) | more)
        answer = {"fields": fields, "status_code": code, "status_message": said}
        rows["ledger.operations"] = [queued("invoice:INV-1", "rejected", **answer)]

    return change


BAD: dict[str, Sample] = {
    "rejected_before": as_it_is(rejected()),
    "correction_void": as_it_is(corrected("due_date", "2026-02-01", "2026-02-28")),
    "correction_side": as_it_is(corrected("invoice_date", "2025-12-10", "2026-01-10")),
    "required_field": as_it_is(alter("billing.payments", 0, method=" ")),
    "customer_gone": as_it_is(
        both(
            NINE,
            MADE,
            there("C-9", "Nine", left_at=dt.datetime(2026, 1, 1)),
            billed("INV-2", "5.00", account_number="A9"),
        )
    ),
    "name_in_use": as_it_is(
        both(
            NINE,
            put("quickbooks.other_names", {"list_id": "V-1", "kind": "Vendor", "name": "NINE"}),
        )
    ),
    "names_unchecked": as_it_is(both(NINE, put("quickbooks.other_names"))),
    "customer_like": as_it_is(both(NINE, there("C-9", "Nine, Inc."))),
    "customer_email_known": as_it_is(
        both(new_customer("A9", "Nine", email="a@b.example"), there("C-9", "Ten", email="A@B.example"))
    ),
    "customers_alike": as_it_is(both(NINE, new_customer("A8", "Nine Ltd"))),
    "deposit_account_type": as_it_is(deposit_accounts__ACH="Sales"),
    "ar_account_currency": as_it_is(both(EUROS, alter("quickbooks.accounts", 0, currency_full_name="Euro"))),
    "terms_unmapped": as_it_is(terms()),
    "terms_unusable": as_it_is(terms("Net 30", is_active=False)),
    "class_missing": as_it_is(CLASSES),
    "tax_against_rate": as_it_is(taxed("10.01")),
    "item_name_taken": as_it_is(local_item("HOSTING")),
    "changed_after_sent": as_it_is(
        both(
            put("ledger.crosswalk", bound("invoice", "INV-1", "9-1", amount=Decimal(99))),
            put("ledger.operations", queued("invoice:INV-1", "applied", txn_id="9-1", amount=Decimal(99))),
        )
    ),
    "customer_not_exported": as_it_is(
        both(NINE, billed("INV-2", "5.00", account_number="A9")), without="customers"
    ),
    "qbxml_version": as_it_is(version="8.0", harmless="nothing"),
    "carried_not_tied": as_it_is(both(CARRIED, put("carry_forward.documents", CARRIED_ROW))),
    "carried_copy": as_it_is(both(CARRIED, billed("INV-2", "5.00", erp_invoice_id="9-1"))),
    "date_moved": as_it_is(
        alter("quickbooks.company", 0, closing_date=day(10)), closed_period="first_open_day"
    ),
    "posted_by_hand": as_it_is(put("ledger.postings", POSTED)),
    "adjustment_item": as_it_is(both(credit(kind="write_off"), WRITTEN_OFF, GONE)),
    "credit_number": as_it_is(
        both(put("billing.adjustments", adjustment("P-1", "5.00")), CREDITS), **AS_PAYMENTS
    ),
}

BAD |= {
    "tax_rounding": as_it_is(group_tax("4.125", "4.13", "4.12"), tax_mode="quickbooks"),
    "carried_credit": as_it_is(both(set_credit(), add("billing.payments", payment("QB-5-17", "50.00")))),
    "carried_credit_unclear": as_it_is(
        both(set_credit(), add("billing.payments", payment("P-9", "50.00", notes="beside QB-5-17")))
    ),
    "carried_credit_number": as_it_is(
        both(set_credit(), add("billing.payments", payment("QB-5-17", "49.00")))
    ),
    "credit_use_status": as_it_is(
        both(set_credit(), add("billing.payments", payment("QB-5-17", "50.00", status="Failed")))
    ),
    "credit_gone": as_it_is(set_credit(left_at=dt.datetime(2026, 1, 5))),
    "credit_customer": as_it_is(set_credit(customer_list_id="C-2")),
    "credit_remaining": as_it_is(set_credit(credit_remaining=Decimal("29.99"))),
    "credit_use_differs": as_it_is(both(set_credit(), add("ledger.operations", used_before("INV-9")))),
    "credit_ar_account": as_it_is(set_credit(ar_account_list_id="A-9")),
}

# A good row just beside the bad one; where none is named, the company as it is has one.
GOOD: dict[str, Sample] = {
    "correction_void": as_it_is(corrected("due_date", "2026-02-01", "2026-02-09")),
    "correction_side": as_it_is(corrected("invoice_date", "2026-01-12", "2026-01-10")),
    "tax_rounding": as_it_is(group_tax("4", "4.00", "4.00"), tax_mode="quickbooks"),
    **dict.fromkeys(
        (
            *("carried_credit", "carried_credit_unclear", "carried_credit_number", "credit_use_status"),
            *(
                "credit_gone",
                "credit_customer",
                "credit_remaining",
                "credit_use_differs",
                "credit_ar_account",
            ),
        ),
        as_it_is(set_credit()),
    ),
    "status": as_it_is(alter("billing.invoices", 0, status="Paid")),
    "customer_left_out": as_it_is(NINE),
    "post_by_hand": as_it_is(add("billing.payments", payment("P-2", "1.00", effective_date=day(21)))),
    "master_and_children": as_it_is(alter("billing.invoices", 0, invoice_kind="master")),
    "master_children_differ": as_it_is(test_checks.LEFT_OUT["master_and_children"][0]),
    "changed_after_sent": as_it_is(
        both(
            put("ledger.crosswalk", bound("invoice", "INV-1", "9-1", amount=Decimal(100))),
            put("ledger.operations", queued("invoice:INV-1", "applied", txn_id="9-1", amount=Decimal(100))),
        )
    ),
    "qbxml_version": as_it_is(version="8.0"),
    "date_moved": as_it_is(
        alter("quickbooks.company", 0, closing_date=day(9)), closed_period="first_open_day"
    ),
    "adjustment_item": as_it_is(both(credit(kind="write_off"), WRITTEN_OFF)),
    "credit_number": as_it_is(credit(), credit_item="House Credit"),
    "cutover_side": as_it_is(cutover_date="2026-01-09"),
    "closed_period": as_it_is(alter("quickbooks.company", 0, closing_date=day(9))),
    "customer_undecided": as_it_is(both(NINE, billed("INV-2", "5.00", account_number="A9"))),
    "customer_shared": as_it_is(billed("INV-2", "5.00", account_number="A2")),
    "characters": as_it_is(alter("billing.invoice_lines", 0, description="Søn €5")),
    "field_limit": as_it_is(new_customer("A9", "Nine", first_name="N" * 25)),
    "name_length": as_it_is(new_customer("A9", "N" * 41)),
    "name_colon": as_it_is(new_customer("A9", "Nine", "Nine - North")),
    "name_taken": as_it_is(new_customer("A9", "Nine", "ACME 2")),
    "parent_undecided": as_it_is(new_customer("A9", "Nine", parent_account_number="A1")),
    "too_deep": as_it_is(new_customer("A9", "Nine", parent_account_number="A1")),
    "credit_item": as_it_is(credit(), credit_item="House Credit"),
    "credit_mode": as_it_is(credit(), credit_item="House Credit"),
    "credit_unapplied": as_it_is(credit(), credit_item="House Credit"),
    "number_length": as_it_is(billed("INV-2026-01", "5.00")),
    "number_taken": as_it_is(
        add("quickbooks.invoices", {"txn_id": "9-9", "ref_number": "INV-2"}),
    ),
    "tax_computed": as_it_is(taxed("10.00"), tax_mode="quickbooks"),
    "tax_against_rate": as_it_is(taxed("10.00")),
    "local_item_type": as_it_is(local_item("Odd")),
    "income_account": as_it_is(local_item("Odd")),
    "item_parent": as_it_is(local_item("Hosting:Odd")),
    "item_tax_code": as_it_is(local_item("Odd", sales_tax_code_full_name="Tax")),
    "item_name_taken": as_it_is(local_item("Hosting 2")),
    "payment_number_length": as_it_is(alter("billing.payments", 0, check_number="1" * 20)),
    "overpaid": as_it_is(
        both(
            add("billing.payments", payment("P-2", "40.00")),
            add("billing.payment_applications", test_checks.application("P-2", "INV-1", "40.00")),
        )
    ),
    "already_in_quickbooks": as_it_is(add("quickbooks.payments", by_hand(txn_date=day(19)))),
    "item_usable": as_it_is(taxed("10.00")),
    "customer_gone": as_it_is(
        both(NINE, MADE, there("C-9", "Nine"), billed("INV-2", "5.00", account_number="A9"))
    ),
    "name_in_use": as_it_is(
        both(
            NINE,
            put("quickbooks.other_names", {"list_id": "V-1", "kind": "Vendor", "name": "Nine (V)"}),
        )
    ),
    "names_unchecked": as_it_is(NINE),
    "rejected_before": as_it_is(rejected(Memo="another")),
    "customer_like": as_it_is(both(NINE, there("C-9", "Nine North"))),
    "customer_email_known": as_it_is(
        both(new_customer("A9", "Nine", email="a@b.example"), there("C-9", "Ten", email="c@b.example"))
    ),
    "customers_alike": as_it_is(both(NINE, new_customer("A8", "Nine North"))),
    "terms_unmapped": as_it_is(terms("Net 30")),
    "terms_unusable": as_it_is(terms("Net 30")),
}


def planned(sample: Sample) -> Plan:
    """Plan the export of the company with one change.

    ``without`` and ``version`` are the plan's own; ``harmless`` makes no field one that may be left out.
    """
    change, text = sample
    if "harmless" in text:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(qbxml_versions, "HARMLESS", {})
            qbxml_versions._lacking.cache_clear()
            try:
                return planned((change, {name: text[name] for name in text if name != "harmless"}))
            finally:
                qbxml_versions._lacking.cache_clear()
    rows, text = world(), dict(text)
    switches = dict(ALL)
    switches.pop(text.pop("without", ""), None)
    version = {"version": text.pop("version")} if "version" in text else {}
    change(rows)
    return plan_export(frames(rows), settings(**text), **JANUARY, **switches, **version)


def bad(name: str) -> Sample:
    """Return the sample that a rule catches."""
    if name in BAD:
        return BAD[name]
    if name in test_checks.ERRORS:
        change, _, text = test_checks.ERRORS[name]
        return change, text
    shown = test_checks.WARNINGS if name in test_checks.WARNINGS else test_checks.LEFT_OUT
    assert name in shown, f"rule {name} has no sample: give it a bad row here or in test_checks.py"
    return shown[name][0], {"credit_item": "House Credit"}


def sourced(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Say of every row of BluBilling where it stands."""
    for table, listed in rows.items():
        if table.startswith("billing."):
            for place, row in enumerate(listed, start=2):
                row.setdefault("source", f"{table}.csv!R{place}")


MADE_HERE = {"qbxml_version", "rejected_before"}  # shown by an element that the toolkit makes itself
OF_SEVERAL = {"tax_rounding", "changed_after_sent"}  # about all lines of a document: its source is its own


@pytest.mark.parametrize("name", [name for name, each in RULES.items() if each.severity != "left_out"])
def test_a_finding_says_where_it_stands_and_what_to_do(name: str) -> None:
    change, text = bad(name)
    plan = planned((both(change, sourced), text))
    rows = [row for row in to_rows(plan.findings) if row["rule"] == name]
    assert rows
    for row in rows:
        assert row["severity"] in ("error", "warning") and row["message"] and row["key"] is not None
        assert row["suggestion"] or RULES[name].doc, name
        if row["table"].startswith("billing."):
            assert row["source"], row
            columns = {*TABLES[row["table"]].names}
            columns |= {*TABLES[CHILDREN[row["table"]]].names} if row["table"] in CHILDREN else set()
            assert row["column"] in columns or name in MADE_HERE, row
            assert row["value"] is not None, row
            if row["column"] not in TABLES[row["table"]].names and name not in {*MADE_HERE, *OF_SEVERAL}:
                assert row["source"].startswith(CHILDREN[row["table"]]), row


def found(plan: Plan, name: str) -> bool:
    rows = [*to_rows(plan.findings), *to_rows(plan.left_out)]
    return any(row["rule"] == name for row in rows)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_catches_its_bad_row_and_lets_the_good_one_pass(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(planned(bad(name)), name)
    asked = []

    def seen(context: Context, draft: Any) -> Any:
        asked.append(draft.key)
        return RULES_AS_THEY_ARE[name].check(context, draft)

    monkeypatch.setitem(checks_registry.RULES, name, replace(RULES[name], check=seen))
    assert not found(planned(GOOD.get(name, as_it_is())), name)
    assert asked, f"no row of the good sample of {name} was ever asked: it shows nothing"


RULES_AS_THEY_ARE = dict(RULES)


def test_terms_that_match_nothing_say_where_they_are_decided() -> None:
    findings = to_rows(planned(as_it_is(terms())).findings)
    [told] = [row["message"] for row in findings if row["rule"] == "terms_unmapped"][:1]
    assert "decide in the sheet Terms (`toolkit map --write mapping.xlsx`)" in told


@pytest.mark.parametrize(
    ("code", "said", "stays"),
    [
        (3175, "", False),  # in use, in every session it was sent in
        (3231, "", False),  # another request failed, each time
        (3180, "QuickBooks error message: internals could not be locked", False),
        (3180, "QuickBooks error message: the credit limit is exceeded", True),
        (3261, "", True),
        # Without a code: the answers to it were lost, each time; or it could not be parsed, and cannot again.
        (None, "it is not in QuickBooks: it was sent 3 times, and QuickBooks kept nothing", False),
        (None, explain_hresult(PARSE_ERROR, "QuickBooks found an error when parsing."), True),
        (None, None, True),
    ],
)
def test_what_quickbooks_had_no_time_for_goes_again_as_it_is(
    code: int | None, said: str | None, stays: bool
) -> None:
    assert found(planned(as_it_is(rejected(code, said))), "rejected_before") is stays
