"""Taxes both ways: as lines with QuickBooks' own held at zero, or computed by QuickBooks to the same cent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from export_world import ALL, JANUARY, Rows, frames, item, line, settings, world
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

COMPUTED = {"tax_mode": "quickbooks"}


def taxed(*taxes: tuple[str, str], state: str = "6", county: str = "2.25", net: str = "100.00") -> Rows:
    """Return a company with a group of two sales taxes, and its invoice with these lines of tax."""
    rows = world()
    rows["quickbooks.items"] += [
        item("I-20", "State", "SalesTax", tax_rate=Decimal(state)),
        item("I-21", "County", "SalesTax", tax_rate=Decimal(county)),
        item("I-22", "Both", "SalesTaxGroup"),
    ]
    rows["quickbooks.sales_tax_group_items"] = [
        {"sales_tax_group_list_id": "I-22", "line_number": n, "item_sales_tax_list_id": part}
        for n, part in enumerate(("I-20", "I-21"), start=1)
    ]
    rows["billing.charges"] += [
        {"contract_code": "P1", "price_code": name, "charge_type": "recurring", "is_tax": True}
        for name in ("State", "County")
    ]
    rows["billing.invoice_lines"] = [
        line("INV-1", net),
        *(
            line("INV-1", amount, name, charge_position=n, line_type="tax")
            for n, (name, amount) in enumerate(taxes, start=2)
        ),
    ]
    whole = Decimal(net) + sum((Decimal(amount) for _, amount in taxes), Decimal(0))
    rows["billing.invoices"][0]["current_amount_due"] = whole
    rows["billing.payments"] = []
    return rows


def planned(rows: Rows, **text: str) -> Plan:
    return plan_export(frames(rows), settings(**text), **JANUARY, **ALL)


def sent(plan: Plan) -> dict[str, Any]:
    [row] = [row for row in to_rows(plan.operations) if row["key"] == "invoice:INV-1"]
    return row | {"fields": json.loads(row["fields"]), "expected": json.loads(row["expected"])}


def told(plan: Plan, rule: str) -> list[str]:
    return [row["message"] for row in to_rows(plan.findings) if row["rule"] == rule]


def test_lines_go_as_billed_and_quickbooks_own_tax_is_held_at_zero() -> None:
    made = sent(planned(taxed(("State", "6.01"), ("County", "2.25"))))
    lines = made["fields"]["InvoiceLineAdd"]
    assert [part["ItemRef"]["ListID"] for part in lines] == ["I-1", "I-20", "I-21"]
    assert [part["Amount"] for part in lines] == ["100.00", "6.01", "2.25"]
    assert {part["SalesTaxCodeRef"]["ListID"] for part in lines} == {"T-2"}
    assert made["fields"]["ItemSalesTaxRef"] == {"ListID": "I-4"}
    assert made["fields"]["CustomerSalesTaxCodeRef"] == {"ListID": "T-2"}
    assert (made["expected"]["tax"], made["expected"]["subtotal"]) == ("0.00", "108.26")


def test_several_taxes_are_the_group_that_has_just_them() -> None:
    made = sent(planned(taxed(("State", "6.00"), ("County", "2.25")), **COMPUTED))
    assert made["fields"]["ItemSalesTaxRef"] == {"ListID": "I-22"}
    assert made["fields"]["CustomerSalesTaxCodeRef"] == {"ListID": "T-1"}
    assert [part["ItemRef"]["ListID"] for part in made["fields"]["InvoiceLineAdd"]] == ["I-1"]
    assert (made["expected"]["tax"], made["amount"]) == ("8.25", Decimal("108.25"))


def test_one_of_the_taxes_is_itself_and_no_group() -> None:
    made = sent(planned(taxed(("County", "2.25")), **COMPUTED))
    assert made["fields"]["ItemSalesTaxRef"] == {"ListID": "I-21"} and made["expected"]["tax"] == "2.25"


@pytest.mark.parametrize("taxes", [[], [("State", "0.00")], [("State", "0.00"), ("County", "0.00")]])
def test_where_no_tax_was_billed_quickbooks_computes_none(taxes: list[tuple[str, str]]) -> None:
    """As the invoices of an exempt customer are: a line of tax of 0.00, on items that are taxable."""
    plan = planned(taxed(*taxes), **COMPUTED)
    assert not told(plan, "tax_computed")
    made = sent(plan)
    assert made["fields"]["ItemSalesTaxRef"] == {"ListID": "I-4"}
    assert made["fields"]["CustomerSalesTaxCodeRef"] == {"ListID": "T-2"}
    (part,) = made["fields"]["InvoiceLineAdd"]
    assert part["ItemRef"] == {"ListID": "I-1"} and part["SalesTaxCodeRef"] == {"ListID": "T-2"}
    assert (made["expected"]["tax"], made["amount"]) == ("0.00", Decimal("100.00"))


def test_a_tax_of_nothing_beside_one_that_was_billed_is_none() -> None:
    made = sent(planned(taxed(("State", "6.00"), ("County", "0.00")), **COMPUTED))
    assert made["fields"]["ItemSalesTaxRef"] == {"ListID": "I-20"}
    assert (made["expected"]["tax"], made["amount"]) == ("6.00", Decimal("106.00"))
    off = planned(taxed(("State", "6.01"), ("County", "0.00")), **COMPUTED)
    [message] = told(off, "tax_computed")
    assert "tax is 6.01, QuickBooks would compute 8.25" in message
    rows = taxed(("State", "6.00"), ("County", "0.00"))
    rows["quickbooks.sales_tax_group_items"].pop()  # and no group is just these
    assert sent(planned(rows, **COMPUTED))["fields"]["ItemSalesTaxRef"] == {"ListID": "I-20"}


def test_any_cent_of_difference_is_told_before_sending() -> None:
    plan = planned(taxed(("State", "6.00"), ("County", "2.26")), **COMPUTED)
    assert not len(plan.operations)
    [message] = told(plan, "tax_computed")
    assert "tax is 8.26, QuickBooks would compute 8.25" in message and "+0.01 apart" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["quickbooks.items"][-1].update(is_active=False), "no one sales tax group of just these"),
        (lambda t: t.pop("quickbooks.sales_tax_group_items"), "no one sales tax group of just these"),
        (
            lambda t: t["quickbooks.sales_tax_group_items"].append(
                {"sales_tax_group_list_id": "I-22", "line_number": 3, "item_sales_tax_list_id": "I-3"}
            ),
            "no one sales tax group of just these",
        ),
        (lambda t: t["quickbooks.items"][-3].update(tax_rate=None), "the rate of the sales tax group Both"),
    ],
)
def test_a_group_that_is_not_theirs_is_not_taken(change: Any, message: str) -> None:
    rows = taxed(("State", "6.00"), ("County", "2.25"))
    change(rows)
    plan = planned(rows, **COMPUTED)
    assert not len(plan.operations) and any(message in said for said in told(plan, "tax_computed"))


def test_members_that_round_apart_are_a_warning() -> None:
    rows = taxed(("State", "0.03"), ("County", "0.03"), state="5.5", county="5.5", net="0.50")
    plan = planned(rows, **COMPUTED)  # 11 % of 0.50 is 0.055: 0.06 at once, 0.03 and 0.03 apart
    assert sent(plan)["expected"]["tax"] == "0.06" and not told(plan, "tax_rounding")
    rows = taxed(("State", "0.01"), ("County", "0.00"), state="5.5", county="5.5", net="0.08")
    plan = planned(rows, **COMPUTED)  # 11 % of 0.08 is 0.0088: 0.01 at once, 0.00 and 0.00 apart
    assert sent(plan)["expected"]["tax"] == "0.01" and len(told(plan, "tax_rounding")) == 1


@pytest.mark.parametrize(
    ("looked_up", "code", "taxable"),
    [
        (None, "Tax", True),
        (None, "Non", False),
        (None, None, False),
        (False, "Tax", False),
        (True, "Tax", True),
        (True, None, True),
    ],
)
def test_each_line_is_taxed_as_its_charge_and_its_item_say(
    looked_up: bool | None, code: str | None, taxable: bool
) -> None:
    rows = taxed(("State", "6.00"), ("County", "2.25"))
    rows["quickbooks.items"].append(item("I-30", "Extra", sales_tax_code_full_name=code))
    rows["billing.charges"].append(
        {"contract_code": "P1", "price_code": "Extra", "charge_type": "x", "external_tax_lookup": looked_up}
    )
    extra = line("INV-1", "100.00", "Extra", charge_position=9)
    rows["billing.invoice_lines"].append(extra)
    tax = Decimal("8.25") if taxable else Decimal(0)
    rows["billing.invoice_lines"][1] |= {"amount": Decimal("6.00") + tax}
    rows["billing.invoices"][0]["current_amount_due"] += Decimal(100) + tax
    made = sent(planned(rows, **COMPUTED))
    assert made["fields"]["InvoiceLineAdd"][1]["SalesTaxCodeRef"] == {"ListID": "T-1" if taxable else "T-2"}
    assert made["amount"] == rows["billing.invoices"][0]["current_amount_due"]


@examples(max_examples=10, deadline=None)
@given(
    net=st.decimals("0.01", "99999", places=2),
    billed=st.decimals("0.00", "9000", places=2),
    state=st.decimals("0.001", "12", places=3),
)
def test_what_is_sent_is_what_was_billed_whatever_the_rates(
    net: Decimal, billed: Decimal, state: Decimal
) -> None:
    """Either way the document of QuickBooks is of BluBilling's amount to the cent, or it is not sent."""
    rows = taxed(("State", f"{billed}"), state=f"{state}", net=f"{net}")
    for text in ({}, COMPUTED):
        plan = planned(rows, **text)
        for row in to_rows(plan.operations):
            assert row["amount"] == net + billed
        assert len(plan.operations) or (text and told(plan, "tax_computed"))
