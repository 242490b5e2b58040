"""Waivers: what a person lets through goes, with who and why; what has no waiver never does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from export_world import ALL, JANUARY, Rows, adjustment, day, frames, invoice, line, settings, world

from toolkit.checks_books import Books
from toolkit.checks_waivers import given_for
from toolkit.tables import finding, to_rows
from toolkit.transform import Plan, plan_export


def planned(rows: Rows, **text: str) -> Plan:
    return plan_export(frames(rows), settings(credit_item="House Credit", **text), **JANUARY, **ALL)


def waived(rows: Rows, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the waiver of a finding for its row as it is in these tables."""
    meant = given_for(Books(frames(rows), settings()), asked["table"], asked["key"])
    return waiver(asked["finding_id"]) | {"given_for": meant}


def waiver(finding_id: str) -> dict[str, Any]:
    at = dt.datetime(2026, 1, 31, 12)
    return {"finding_id": finding_id, "note": "seen by Ann", "waived_by": "ben", "waived_at": at}


def found(plan: Plan, rule: str) -> dict[str, Any]:
    (row,) = [row for row in to_rows(plan.findings) if row["rule"] == rule]
    return row


def carried_over() -> Rows:
    rows = world()
    more = {"status": "CarriedOver", "delegated_to_invoice": "INV-9"}
    rows["billing.invoices"].append(invoice("INV-2", "5.00", **more))
    rows["billing.invoice_lines"].append(line("INV-2", "5.00"))
    return rows


@pytest.mark.parametrize("mode", ["credit_memo", "payment"])
def test_a_house_credit_that_was_carried_over_waits_for_a_choice_either_way(mode: str) -> None:
    rows = world()
    rows["quickbooks.payment_methods"].append({"list_id": "M-9", "name": "Credit", "is_active": True})
    rows["billing.adjustments"] = [adjustment("C-1", "5.00", status="CarriedOver")]
    text = {"credit_mode": mode, "credit_account": "Card Clearing"}
    before = planned(rows, **text)
    assert {(r["source_key"], r["rule"]) for r in to_rows(before.left_out)} == {("C-1", "carried_over")}
    rows["ledger.waivers"] = [waived(rows, found(before, "carried_over"))]
    after = planned(rows, **text)
    assert f"{mode}:C-1" in set(after.operations["key"]) and not len(after.left_out)


@pytest.mark.parametrize("status", ["Draft", "Error", "Cancelled"])
def test_a_house_credit_that_does_not_count_goes_neither_way(status: str) -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("C-1", "5.00", status=status)]
    for mode in ("credit_memo", "payment"):
        plan = planned(rows, credit_mode=mode, credit_account="Card Clearing")
        assert {(r["source_key"], r["rule"]) for r in to_rows(plan.left_out)} == {("C-1", "status")}


def test_a_row_that_waits_for_a_choice_goes_once_a_person_waived_it() -> None:
    rows = carried_over()
    before = planned(rows)
    asked = found(before, "carried_over")
    assert (asked["severity"], asked["column"]) == ("warning", "status")
    assert "invoice:INV-2" not in set(before.operations["key"])
    rows["ledger.waivers"] = [waived(rows, asked)]
    after = planned(rows)
    assert "invoice:INV-2" in set(after.operations["key"]) and not len(after.left_out)
    said = found(after, "carried_over")
    assert said["severity"] == "info" and said["finding_id"] == asked["finding_id"]
    assert said["message"].startswith("waived by ben on 2026-01-31 (seen by Ann): CarriedOver into INV-9")


def test_a_waiver_lapses_when_the_value_changes() -> None:
    rows = carried_over()
    rows["ledger.waivers"] = [waived(rows, found(planned(rows), "carried_over"))]
    rows["billing.invoices"][1]["delegated_to_invoice"] = "INV-10"
    assert found(planned(rows), "carried_over")["severity"] == "warning"
    assert "invoice:INV-2" not in set(planned(rows).operations["key"])


def test_a_warning_that_was_waived_is_information() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("C-1", "5.00", invoice_number="INV-1")]
    warned = found(planned(rows), "credit_unapplied")
    assert warned["severity"] == "warning"
    rows["ledger.waivers"] = [waived(rows, warned)]
    assert found(planned(rows), "credit_unapplied")["severity"] == "info"


def put(table: str, place: int, **more: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[table][place] |= more

    return change


INVOICES, LINES = "billing.invoices", "billing.invoice_lines"
OTHERWISE = {
    "customer": (put(INVOICES, 1, account_number="A2"), "for A1, 2026-01-10, 5.00, and it is A2"),
    "date": (put(INVOICES, 1, invoice_date=day(11)), "and it is A1, 2026-01-11, 5.00 now"),
    "amount": (
        lambda rows: [
            change(rows)
            for change in (
                put(INVOICES, 1, current_amount_due=Decimal(50)),
                put(LINES, 1, amount=Decimal(50), unit_price=Decimal(50)),
            )
        ],
        "and it is A1, 2026-01-10, 50.00 now",
    ),
    "item": (put(LINES, 1, price_code="Promo"), "of A1, 2026-01-10, 5.00 the lines or other columns changed"),
    "lines": (lambda rows: rows[LINES].append(line("INV-2", "0.00", line_position=2)), "the lines"),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_a_waiver_does_not_outlive_the_row_that_it_was_given_for(what: str) -> None:
    rows = carried_over()
    rows["ledger.waivers"] = [waived(rows, found(planned(rows), "carried_over"))]
    change, told = OTHERWISE[what]
    change(rows)
    plan = planned(rows)
    assert "invoice:INV-2" not in set(plan.operations["key"])
    assert {"INV-2": "carried_over"}.items() <= dict(
        zip(plan.left_out["source_key"], plan.left_out["rule"], strict=True)
    ).items()
    said = found(plan, "waiver_overtaken")
    assert told in said["message"] and "(seen by Ann)" in said["message"]
    assert (said["severity"], said["table"], said["key"]) == ("warning", INVOICES, "INV-2")
    assert found(plan, "carried_over")["severity"] == "warning"
    rows["ledger.waivers"] = [waived(rows, found(plan, "carried_over"))]
    assert "waiver_overtaken" not in set(planned(rows).findings["rule"])


def test_what_changes_by_itself_leaves_a_waiver_as_it_is() -> None:
    rows = carried_over()
    rows["ledger.waivers"] = [waived(rows, found(planned(rows), "carried_over"))]
    rows[INVOICES][1] |= {"outstanding_balance": Decimal(1), "source": "invoices.xlsx!Sheet1!R99"}
    rows[LINES].reverse()
    assert "invoice:INV-2" in set(planned(rows).operations["key"])


def test_a_waiver_that_names_no_row_counts_for_none() -> None:
    rows = carried_over()
    rows["ledger.waivers"] = [waiver(found(planned(rows), "carried_over")["finding_id"])]
    plan = planned(rows)
    assert "invoice:INV-2" not in set(plan.operations["key"])
    assert "not kept for which row" in found(plan, "waiver_overtaken")["message"]


@pytest.mark.parametrize("place", ["error", "left_out"])
def test_what_has_no_waiver_stays_whatever_is_kept(place: str) -> None:
    rows = world()
    if place == "error":
        rows["billing.invoices"][0]["current_amount_due"] += 1
        ids = [row["finding_id"] for row in to_rows(planned(rows).findings)]
        assert ids
    else:
        rows["billing.invoices"][0]["status"] = "Draft"
        ids = [finding("warning", "status", "", table="billing.invoices", key="INV-1")["finding_id"]]
    meant = given_for(Books(frames(rows), settings()), INVOICES, "INV-1")
    rows["ledger.waivers"] = [waiver(str(each)) | {"given_for": meant} for each in ids]
    after = planned(rows)
    assert "invoice:INV-1" not in set(after.operations["key"])
    assert not (to_rows(after.findings) and (after.findings["severity"] == "info").any())
