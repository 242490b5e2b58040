"""The uses of carried credits in the tie-out: each is a row with what became of it, and no payment twice."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from carried_world import signature
from export_world import ALL, Rows, adjustment, day, frames, settings
from test_carried_credits import CREDIT, application, held, used
from test_reconcile import export

from toolkit.carried_ties import tie_credits
from toolkit.checks_context import Context
from toolkit.reconcile import TieOut, tie_out
from toolkit.tables import to_rows

SETTINGS = settings(credit_item="House Credit")
KIND = "carried credit"
KEY = f"{CREDIT} / INV-1 / 1"
USE = f"payment:{CREDIT}/INV-1/1"


def tied(rows: Rows) -> TieOut:
    return tie_out(frames(rows), SETTINGS)


def totals(tie: TieOut, kind: str = KIND) -> dict[str, Any]:
    [total] = [row for row in to_rows(tie.totals) if row["record_kind"] == kind]
    return total


def told(tie: TieOut) -> list[dict[str, Any]]:
    return [row for row in to_rows(tie.differences) if row["record_kind"] == KIND]


def adds_up(tie: TieOut) -> None:
    """Every use is left out or sent, but for what BluBilling changed; each payment counts once."""
    total = totals(tie)
    assert total["source_amount"] == total["left_out_amount"] + total["queued_amount"]
    assert total["source_count"] == total["left_out_count"] + total["queued_count"]
    payments = [row for row in to_rows(tie.totals) if row["record_kind"] == "payment"]
    assert all(row["source_amount"] == row["left_out_amount"] + row["queued_amount"] for row in payments)


def shown(rows: Rows, amount: str) -> None:
    """Let QuickBooks show what it applied of the credit, read just now."""
    rows["quickbooks.credit_memos"][0]["imported_at"] = dt.datetime(2027, 1, 1)
    [invoice] = [row["txn_id"] for row in rows["ledger.operations"] if row["key"] == "invoice:INV-1"]
    there = {"owner_table": "quickbooks.credit_memos", "owner_txn_id": "5-17", "txn_id": invoice}
    rows.setdefault("quickbooks.linked_transactions", []).append(there | {"amount": -Decimal(amount)})


def test_a_use_that_was_applied_and_read_ties() -> None:
    rows = export(used())
    shown(rows, "30.00")
    tie = tied(rows)
    assert tie.ties and not len(tie.differences)
    adds_up(tie)
    total = totals(tie)
    assert (total["source_count"], total["queued_count"], total["quickbooks_count"]) == (1, 1, 1)
    assert {total[f"{name}_amount"] for name in ("source", "queued", "applied", "quickbooks")} == {
        Decimal(30)
    }
    assert totals(tie, "payment")["source_amount"] == 60


def test_a_blocked_use_is_a_row_with_its_reason() -> None:
    rows = used("80.00")
    rows["billing.payments"], rows["billing.payment_applications"] = (
        [],
        rows["billing.payment_applications"][1:],
    )
    tie = tied(export(rows))
    [row] = told(tie)
    assert (row["key"], row["meant"], row["explained"]) == (KEY, 80, True)
    assert "credit_remaining" in row["reason"] and "50.00 are left" in row["reason"]
    adds_up(tie)
    assert totals(tie)["left_out_amount"] == 80 and totals(tie)["queued_count"] == 0
    assert not [row for row in to_rows(tie.totals) if row["record_kind"] == "payment"]


def test_one_that_goes_and_one_that_is_left_out_are_two_rows_of_the_source() -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=CREDIT, status="Cancelled")]
    rows["billing.payment_applications"].append(application("X-1", "INV-1", "5.00", applied_date=day(13)))
    rows = export(rows)
    shown(rows, "30.00")
    tie = tied(rows)
    assert [(row["key"], row["explained"]) for row in told(tie)] == [("X-1 / INV-1 / 1", True)]
    assert "Cancelled" in told(tie)[0]["reason"]
    adds_up(tie)
    assert (totals(tie)["source_amount"], totals(tie)["left_out_amount"]) == (35, 5)


def test_a_use_without_an_application_is_a_row_too() -> None:
    rows = used()
    rows["billing.payment_applications"].pop()
    more = {"invoice_number": "INV-1", "unapplied_balance": Decimal(45), "reason_text": CREDIT}
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", **more)]
    rows = export(rows)
    shown(rows, "5.00")
    tie = tied(rows)
    assert tie.ties and not told(tie) and totals(tie)["source_amount"] == 5
    adds_up(tie)


@pytest.mark.parametrize(
    ("status", "explained"), [("rejected", True), ("skipped", True), ("pending", False), ("unknown", False)]
)
def test_a_use_that_had_no_effect_is_told(status: str, explained: bool) -> None:
    rows = export(used())
    [made] = [row for row in rows["ledger.operations"] if row["key"] == USE]
    rows["quickbooks.payments"] = [r for r in rows["quickbooks.payments"] if r["txn_id"] != made["txn_id"]]
    rows["ledger.crosswalk"] = [r for r in rows["ledger.crosswalk"] if r["quickbooks_id"] != made["txn_id"]]
    made |= {"status": status, "txn_id": None}
    tie = tied(rows)
    [row] = told(tie)
    assert (row["key"], row["meant"], row["explained"]) == (USE, 30, explained)
    assert status in row["reason"] and tie.ties is explained
    adds_up(tie)


def test_a_use_that_was_cancelled_before_it_left_is_one_row() -> None:
    rows = export(used())
    [made] = [row for row in rows["ledger.operations"] if row["key"] == USE]
    for name, column in (("quickbooks.payments", "txn_id"), ("ledger.crosswalk", "quickbooks_id")):
        rows[name] = [row for row in rows[name] if row[column] != made["txn_id"]]
    made |= {"status": "skipped", "txn_id": None, "job": 7}
    made["status_message"] = "job 7 was cancelled: cancelled by Ann"
    rows["ledger.jobs"].append(rows["ledger.jobs"][0] | {"id": 7, "status": "cancelled"})
    tie = tied(rows)
    adds_up(tie)
    [row] = told(tie)
    assert (row["key"], row["reason"]) == (KEY, "not sent: job 7 was cancelled: export it again")
    assert not tie.ties and not row["explained"]
    assert (totals(tie)["queued_count"], totals(tie)["left_out_amount"]) == (0, 30)
    rows["billing.payment_applications"].pop()
    assert tied(rows).ties and not told(tied(rows))


@pytest.mark.parametrize("change", ["amount", "gone", "cancelled"])
def test_what_blubilling_changed_of_a_use_since_is_told(change: str) -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=CREDIT)]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    rows = export(rows)
    shown(rows, "30.00")
    assert tied(rows).ties == all(row["explained"] for row in to_rows(tied(rows).differences))
    before = {row["reason"] for row in told(tied(rows))}
    assert not before
    if change == "amount":
        rows["billing.payment_applications"][-1]["amount_applied"] = Decimal(20)
    elif change == "gone":
        rows["billing.payment_applications"].pop()
    else:
        rows["billing.adjustments"][0]["status"] = "Cancelled"
    tie = tied(rows)
    [row] = told(tie)
    assert not tie.ties and not row["explained"]
    assert (row["meant"], row["in_quickbooks"]) == (Decimal(20) if change == "amount" else None, 30)


def test_a_use_that_was_never_queued_is_told() -> None:
    rows = export(used(), payments=False)
    rows["ledger.jobs"][0]["switches"] = list(ALL)
    tie = tied(rows)
    [row] = told(tie)
    assert row["key"] == KEY and not row["explained"] and "never queued" in row["reason"]
    adds_up(tie)


# --- the credits themselves ---------------------------------------------------------------------------------


def balances(tie: TieOut) -> list[dict[str, Any]]:
    return [row for row in to_rows(tie.differences) if row["record_kind"] == "carried credit held"]


def test_a_carried_credit_that_blubilling_holds_is_a_total_and_ties() -> None:
    rows = export(held())
    shown(rows, "30.00")
    tie = tied(rows)
    assert tie.ties and not balances(tie)
    total = totals(tie, "carried credit held")
    assert (total["source_count"], total["source_amount"], total["currency"]) == (1, 50, "USD")
    assert (total["quickbooks_count"], total["quickbooks_amount"], total["difference"]) == (1, 50, 0)


def test_one_that_blubilling_does_not_hold_is_no_row_of_the_tie_out() -> None:
    rows = export(used())
    shown(rows, "30.00")
    assert "carried credit held" not in set(tied(rows).totals["record_kind"])


@pytest.mark.parametrize("there", ["45.00", None])
def test_one_that_does_not_tie_is_a_difference_until_it_is_signed(there: str | None) -> None:
    rows = export(held())
    shown(rows, "30.00")
    if there is None:
        rows["quickbooks.credit_memos"] = []
    else:
        rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(there)
    tie = tied(rows)
    assert not tie.ties
    [row] = balances(tie)
    assert (row["key"], row["account_number"], row["meant"]) == (CREDIT, "A1", 50)
    assert row["in_quickbooks"] == (there and Decimal(there)) and not row["explained"]
    assert ("45.00 were left" if there else "does not have it any more") in row["reason"]
    total = totals(tie, "carried credit held")
    assert total["difference"] == row["difference"] == 50 - Decimal(there or 0)
    [one] = tie_credits(Context(frames(rows), SETTINGS, customers=False))
    rows["ledger.decisions"] = [signature(1, one.difference_id)]
    [row] = balances(tied(rows))
    assert row["explained"] and "signed by" in row["reason"]
