"""A use of a carried credit that BluBilling has otherwise since it was sent: entered by hand, it ties."""

from __future__ import annotations

import copy
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from export_world import Rows, invoice, line
from test_carried_credits import CREDIT, application, used
from test_reconcile import export
from test_reconcile_credits import KEY, USE, shown, tied, told

from toolkit.reconcile_restated import Restated, with_restated

USES, LINKS = "billing.payment_applications", "quickbooks.linked_transactions"
RENUMBERED, MOVED = f"{CREDIT} / INV-1 / 2", f"{CREDIT} / INV-2 / 1"


def sent() -> Rows:
    """Return the company after 30.00 of a carried credit of 50.00 were applied to its first invoice."""
    rows = used()
    rows["billing.invoices"].append(invoice("INV-2", "40.00"))
    rows["billing.invoice_lines"].append(line("INV-2", "40.00"))
    rows = export(rows)
    shown(rows, "30.00")
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(20)
    assert tied(rows).ties
    return copy.deepcopy(rows)


def txn_id(rows: Rows, key: str) -> str:
    [found] = [row["txn_id"] for row in rows["ledger.operations"] if row["key"] == key]
    return str(found)


def enter(rows: Rows, key: str, by: str, amount: str = "30.00") -> None:
    posting = {"source_table": USES, "source_key": key, "txn_id": by, "account_number": "A1"}
    posting |= {"date": dt.date(2026, 1, 12), "amount": Decimal(amount), "posted_by": "ann"}
    rows.setdefault("ledger.postings", []).append(posting | {"posted_at": dt.datetime(2026, 2, 1)})


def renumbered(**more: Any) -> Rows:
    """Return the company after BluBilling gave the use another number, and no other change."""
    rows = sent()
    rows[USES][-1] |= {"seq": 2} | more
    return rows


def moved() -> Rows:
    """Return the company after BluBilling uses the credit on another invoice, where QuickBooks has it too."""
    rows = sent()
    rows[USES][-1]["invoice_number"] = "INV-2"
    rows[LINKS][0]["txn_id"] = txn_id(rows, "invoice:INV-2")
    return rows


@pytest.mark.parametrize("by", ["5-17", USE], ids=["the credit", "the payment of 0.00 that was sent"])
def test_a_use_of_another_number_explains_the_one_that_was_sent(by: str) -> None:
    rows = renumbered()
    assert [row["explained"] for row in told(tied(rows)) if row["key"] == KEY] == [False]
    by = txn_id(rows, USE) if by == USE else by
    enter(rows, RENUMBERED, by)
    tie = tied(rows)
    [row] = told(tie)
    assert tie.ties and (row["key"], row["in_quickbooks"], row["explained"]) == (KEY, Decimal(30), True)
    assert row["reason"] == f"BluBilling no longer has it; it is {RENUMBERED} now, posted by hand as {by}"


def test_a_use_on_another_invoice_explains_it_where_quickbooks_shows_it_there() -> None:
    rows = moved()
    enter(rows, MOVED, "5-17")
    tie = tied(rows)
    assert tie.ties and {row["key"] for row in told(tie)} == {KEY, USE}
    assert all(row["reason"].endswith(f"it is {MOVED} now, posted by hand as 5-17") for row in told(tie))


def twice(rows: Rows) -> None:
    """Let QuickBooks show it on both invoices: the one that was sent stands, beside the one entered."""
    rows[LINKS].append(rows[LINKS][0] | {"txn_id": txn_id(rows, "invoice:INV-1")})


def more_there(rows: Rows) -> None:
    rows[LINKS].append(rows[LINKS][0] | {"amount": Decimal(-5)})


def another_document(rows: Rows) -> None:
    rows["quickbooks.payments"].append(
        {"txn_id": "8-1", "customer_list_id": "C-1", "total_amount": Decimal(30)}
    )
    paid = {"payment_txn_id": "8-1", "txn_id": txn_id(rows, "invoice:INV-2"), "amount": Decimal(30)}
    rows.setdefault("quickbooks.payment_applications", []).append(paid)
    rows["ledger.postings"][0]["txn_id"] = "8-1"


def less_used(rows: Rows) -> None:
    rows[USES][-1]["amount_applied"] = rows["ledger.postings"][0]["amount"] = Decimal("25.00")
    rows[LINKS][0]["amount"] = Decimal("-25.00")
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(25)


@pytest.mark.parametrize("change", [twice, more_there, another_document, less_used])
def test_what_quickbooks_shows_otherwise_explains_nothing(change: Any) -> None:
    rows = moved()
    enter(rows, MOVED, "5-17")
    change(rows)
    tie = tied(rows)
    assert not tie.ties
    assert [row["explained"] for row in told(tie) if row["key"] == KEY] == [False]


def test_one_that_was_entered_stands_for_one_that_was_sent() -> None:
    rows = used()
    rows[USES][-1]["amount_applied"] = Decimal("15.00")
    rows[USES].append(application(CREDIT, "INV-1", "15.00", 2, applied_date=dt.date(2026, 1, 12)))
    rows = copy.deepcopy(export(rows))
    shown(rows, "30.00")
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(20)
    assert tied(rows).ties
    rows[USES].pop()
    rows[USES][-1]["seq"] = 3
    rows[LINKS][0]["amount"] = Decimal("-15.00")
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(35)
    enter(rows, f"{CREDIT} / INV-1 / 3", "5-17", "15.00")
    tie = tied(rows)
    lost = [row["explained"] for row in told(tie) if row["reason"].startswith("BluBilling no longer has it")]
    assert sorted(lost) == [False, True] and not tie.ties


def test_only_a_difference_of_just_that_amount_is_explained() -> None:
    restated = [Restated(frozenset({KEY, USE}), Decimal(30), "it is another")]
    rows = [
        {"key": key, "difference": Decimal(amount), "explained": False, "reason": "gone"}
        for key, amount in ((KEY, -30), (USE, 30), (USE, 45), ("other", 30))
    ]
    found = with_restated(rows, restated)
    assert [row["explained"] for row in found] == [True, True, False, False]
    assert [row["reason"] for row in found] == ["gone; it is another"] * 2 + ["gone"] * 2
