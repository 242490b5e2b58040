"""What was carried forward ties to BluBilling by TxnID, or a person signs it; until then nothing is sent."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from carried_world import signature, signed
from export_world import (
    ALL,
    JANUARY,
    Rows,
    bound,
    day,
    frames,
    invoice,
    open_document,
    queued,
    settings,
    world,
)

from toolkit.carried import Carried, carried_note, named_txn_ids, tie_carried, tie_frame
from toolkit.checks_books import Books
from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

BEFORE = {"invoice_date": day(20, 12, 2025)}


def carried(rows: Rows, **more: Any) -> Rows:
    """Carry one invoice of 70.00; BluBilling has it as it was carried, but for ``more``."""
    binding = bound("invoice", "OLD-1", "9-1", "quickbooks", amount=Decimal(70), customer_list_id="C-1")
    rows["ledger.crosswalk"] = [binding]
    rows.setdefault("quickbooks.invoices", []).append(open_document("9-1", "70.00"))
    there = {"notes": carried_note("1001", "9-1"), **BEFORE} | more
    rows["billing.invoices"].append(
        invoice(there.pop("number", "OLD-1"), there.pop("total", "70.00"), **there)
    )
    return rows


def ties(rows: Rows) -> list[Carried]:
    return tie_carried(Books(frames(rows), settings()))


def planned(rows: Rows) -> Plan:
    return plan_export(frames(rows), settings(), **JANUARY, **ALL)


def not_tied(plan: Plan) -> list[dict[str, Any]]:
    return [row for row in to_rows(plan.findings) if row["rule"] == "carried_not_tied"]


def test_what_stands_in_blubilling_as_it_was_carried_ties_and_the_export_goes() -> None:
    rows = carried(world())
    assert [one.reasons for one in ties(rows)] == [()]
    assert set(planned(rows).operations["key"]) == {"invoice:INV-1", "payment:P-1"}


def test_until_it_was_uploaded_no_document_is_exported_and_it_is_said_once() -> None:
    rows = carried(world())
    del rows["billing.invoices"][-1]
    plan = planned(rows)
    [found] = not_tied(plan)
    assert "not in BluBilling" in found["message"] and "--sign" in found["suggestion"]
    assert not len(plan.operations)
    assert {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)} == {
        "INV-1": "blocked",
        "P-1": "blocked",
    }


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"total": "69.99"}, "another amount"),
        ({"status": "Cancelled"}, "Cancelled in BluBilling"),
        ({"account_number": "A2"}, "another customer"),
        ({"currency": "EUR"}, "it is in USD"),
        ({"number": "N-77"}, "BluBilling has it as N-77"),
        ({"notes": carried_note("1001", "9-2")}, "9-2 of QuickBooks"),
    ],
)
def test_each_difference_is_told_and_stops_the_export(more: dict[str, Any], reason: str) -> None:
    rows = carried(world(), **more)
    [one] = ties(rows)
    assert reason in "; ".join(one.reasons)
    assert not len(planned(rows).operations)


def test_without_a_note_the_number_ties_and_the_erp_id_is_as_good_as_a_note() -> None:
    assert ties(carried(world(), notes=None))[0].ties
    [one] = ties(carried(world(), notes=None, erp_invoice_id="9-1", number="N-77"))
    assert one.back and one.back["invoice_number"] == "N-77"


def test_an_invoice_uploaded_twice_does_not_tie() -> None:
    rows = carried(world())
    rows["billing.invoices"].append(invoice("OLD-1B", "70.00", notes=carried_note("1001", "9-1"), **BEFORE))
    [one] = ties(rows)
    assert "more than once, also as OLD-1B" in one.reasons[0]


def test_one_invoice_of_blubilling_is_never_two_of_quickbooks() -> None:
    rows = carried(world(), notes=None)
    rows["ledger.crosswalk"].append(bound("invoice", "OLD-1", "9-2", "quickbooks", amount=Decimal(70)))
    rows["quickbooks.invoices"].append(open_document("9-2", "70.00"))
    assert [one.ties for one in ties(rows)] == [True, False]


def test_a_copy_under_another_number_never_goes_back_whatever_its_date() -> None:
    rows = signed(carried(world(), number="N-77", invoice_date=day(5)))
    plan = planned(rows)
    stays = {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}
    assert stays["N-77"] == "carried_copy"
    assert "invoice:N-77" not in set(plan.operations["key"])


def test_a_signed_difference_lets_the_export_go_and_says_who_signed() -> None:
    rows = signed(carried(world(), total="69.99"))
    assert len(planned(rows).operations) == 2
    [row] = to_rows(tie_frame(ties(rows)))
    assert (row["ties"], row["signed_by"], row["note"]) == (False, "ana", "as agreed")


def test_a_new_difference_needs_a_new_signature() -> None:
    rows = signed(carried(world(), total="69.99"))
    rows["billing.invoices"][-1]["current_amount_due"] = Decimal("69.98")
    assert not_tied(planned(rows)) and not len(planned(rows).operations)


def test_a_signature_that_was_taken_back_counts_no_more() -> None:
    rows = signed(carried(world(), total="69.99"))
    taken = signature(9, rows["ledger.decisions"][0]["key"], decision=None)
    rows["ledger.decisions"].append(taken)
    assert not_tied(planned(rows))


def test_a_note_names_its_txn_id() -> None:
    assert named_txn_ids(carried_note("TxnID 5", "1A2B-17")) == ["5", "1A2B-17"]
    assert named_txn_ids(None) == []


def test_a_payment_on_a_copy_under_another_number_pays_the_txn_id_that_it_names() -> None:
    rows = carried(world(), number="N-77")
    [paid] = rows["billing.payment_applications"]
    paid["invoice_number"] = "N-77"
    [row] = [row for row in to_rows(planned(signed(rows)).operations) if row["key"] == "payment:P-1"]
    assert json.loads(row["fields"])["AppliedToTxnAdd"] == [{"TxnID": "9-1", "PaymentAmount": "60.00"}]


# --- against QuickBooks as it is now ------------------------------------------------------------------------

SOONER, LATER = day(22, 12, 2025), day(8)


def paid(rows: Rows, when: Any, amount: str = "70.00", by: str = "H-1", **more: Any) -> Rows:
    """Let somebody enter a payment of the carried invoice in QuickBooks."""
    link = {"owner_table": "quickbooks.invoices", "owner_txn_id": "9-1", "txn_type": "ReceivePayment"}
    link |= {"txn_id": by, "txn_date": when, "amount": -Decimal(amount)}
    rows.setdefault("quickbooks.linked_transactions", []).append(link | more)
    money = {"total_amount": Decimal(amount), "unused_payment": Decimal(0), "customer_list_id": "C-1"}
    there = {"txn_id": by, "txn_date": when, "ref_number": by} | money
    rows.setdefault("quickbooks.payments", []).append(there)
    use = {"payment_txn_id": by, "txn_id": "9-1", "txn_type": "Invoice", "amount": Decimal(amount)}
    rows.setdefault("quickbooks.payment_applications", []).append(use)
    rows["quickbooks.invoices"][0]["balance_remaining"] -= Decimal(amount)
    return rows


def reason(rows: Rows) -> str:
    [one] = ties(rows)
    return "; ".join(one.reasons)


def test_what_a_later_payment_settled_was_open_at_the_cutover() -> None:
    assert not reason(paid(carried(world()), LATER))


def test_a_payment_entered_with_a_date_before_the_cutover_is_a_difference_to_sign() -> None:
    rows = paid(carried(world()), SOONER, "20.00")
    assert "70.00 were carried, by QuickBooks' documents of today 50.00 were open" in reason(rows)
    assert not_tied(planned(rows)) and not len(planned(rows).operations)
    assert len(planned(signed(rows)).operations) == 2


def test_an_invoice_that_quickbooks_has_no_more_is_a_difference() -> None:
    rows = carried(world())
    rows["quickbooks.invoices"] = []
    assert "QuickBooks does not have it" in reason(rows)


LEFT = dt.datetime(2026, 1, 20)


def test_an_invoice_that_left_the_open_ones_is_judged_by_what_paid_it() -> None:
    rows = carried(world())
    rows["quickbooks.invoices"][0]["left_at"] = LEFT
    assert "nothing known paid it" in reason(rows)
    paid(rows, LATER, "60.00", by="H-1", owner_txn_id="9-9")  # as it was read before, it had no link
    paid(rows, SOONER, "10.00", by="H-2", owner_txn_id="9-9")
    assert "by QuickBooks' documents of today 60.00 were open" in reason(rows)
    rows["quickbooks.payments"][-1]["txn_date"] = LATER
    assert not reason(rows)
    rows["quickbooks.deleted_transactions"] = [{"txn_del_type": "Invoice", "txn_id": "9-1"}]
    assert "deleted in QuickBooks" in reason(rows)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"txn_date": LATER}, "after the cutover date"),
        ({"is_pending": True}, "pending"),
        ({"balance_remaining": None}, "not known"),
        ({"customer_list_id": "C-2", "customer_full_name": "Bolt"}, "it stands on Bolt in QuickBooks now"),
    ],
)
def test_a_document_that_was_changed_in_quickbooks_is_a_difference(more: dict[str, Any], said: str) -> None:
    rows = carried(world())
    rows["quickbooks.invoices"][0] |= more
    assert said in reason(rows)


def test_a_carried_credit_that_we_applied_was_open_at_the_cutover() -> None:
    rows = paid(carried(world()), SOONER, "30.00", by="5-17", txn_type="CreditMemo")
    assert "40.00 were open" in reason(rows)
    use = {"TxnID": "9-1", "SetCredit": [{"CreditTxnID": "5-17", "AppliedAmount": "30.00"}]}
    fields = json.dumps({"AppliedToTxnAdd": [use]})
    rows["ledger.operations"] = [queued("payment:QB-5-17/OLD-1/1", "applied", fields=fields)]
    assert not reason(rows)
    rows["quickbooks.linked_transactions"][0]["amount"] = Decimal(-31)
    rows["quickbooks.invoices"][0]["balance_remaining"] = Decimal(39)
    assert "69.00 were open" in reason(rows)
