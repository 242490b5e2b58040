"""What was posted by hand ties only as long as BluBilling says what its document says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from export_world import Rows, day, frames, invoice, line, payment, settings, world
from test_reconcile import export

from toolkit.reconcile import TieOut, tie_out
from toolkit.tables import to_rows

BY = {"posted_by": "ana", "posted_at": dt.datetime(2026, 2, 1), "account_number": "A1"}


def posted() -> Rows:
    """Return an export beside which INV-2 and a refund of two entries were posted by hand."""
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "40.00"))
    rows["billing.invoice_lines"].append(line("INV-2", "40.00"))
    void = {"payment_type": "Refund", "reverses_payment_number": "P-1", "effective_date": day(22)}
    rows["billing.payments"] += [payment("R-1", "-6.00", **void), payment("R-2", "-4.00", **void)]
    of_invoice = {"source_table": "billing.invoices", "source_key": "INV-2", "txn_id": "9-9"}
    rows["ledger.postings"] = [of_invoice | BY | {"date": day(10), "amount": Decimal("40.00")}] + [
        {"source_table": "billing.payments", "source_key": key, "txn_id": "9-8", "date": day(22)}
        | BY
        | {"amount": Decimal(amount)}
        for key, amount in (("R-1", "-6.00"), ("R-2", "-4.00"))
    ]
    rows = export(rows)
    document = {"txn_id": "9-9", "customer_list_id": "C-1", "customer_full_name": "Acme"}
    document |= {"txn_date": day(10), "subtotal": Decimal(40), "balance_remaining": Decimal(40)}
    rows["quickbooks.invoices"].append(document)
    return rows


def tied(rows: Rows) -> TieOut:
    return tie_out(frames(rows), settings())


def open_rows(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return what is not explained, by key; a tie-out with any does not tie."""
    found = tied(rows)
    left = {row["key"]: row for row in to_rows(found.differences) if not row["explained"]}
    assert found.ties == (not left)
    return left


def change(rows: Rows, number: str, **more: Any) -> Rows:
    for table, name in (("billing.invoices", "invoice_number"), ("billing.payments", "payment_number")):
        rows[table] = [row | more if row[name] == number else row for row in rows[table]]
    return rows


def test_a_posting_that_agrees_ties() -> None:
    assert open_rows(posted()) == {}


def test_a_posting_that_was_overtaken_is_judged_by_its_document() -> None:
    rows = change(posted(), "INV-2", current_amount_due=Decimal("120.00"))
    rows["billing.invoice_lines"][-1] |= {"amount": Decimal("120.00"), "unit_price": Decimal("120.00")}
    left = open_rows(rows)
    assert set(left) == {"INV-2"} and left["INV-2"]["meant"] == 120
    assert left["INV-2"]["reason"].endswith("amount 40.00 is now 120.00; it is of 40.00, not of 120.00")
    rows["quickbooks.invoices"][-1]["subtotal"] = Decimal("120.00")  # mended there, and not entered again
    assert "enter it again: toolkit posted INV-2 --txn-id 9-9" in open_rows(rows)["INV-2"]["reason"]
    rows["ledger.postings"][0]["amount"] = Decimal("120.00")
    assert open_rows(rows) == {}


def test_one_entry_of_a_refund_that_was_overtaken_is_told() -> None:
    assert set(open_rows(change(posted(), "R-2", effective_date=day(23)))) == {"R-2"}


@pytest.mark.parametrize("status", ["Cancelled", "Draft"])
def test_a_posting_of_what_no_longer_counts_does_not_tie(status: str) -> None:
    left = open_rows(change(posted(), "INV-2", status=status))
    assert set(left) == {"INV-2"}
    assert left["INV-2"]["reason"].endswith("9-9: void it there, then toolkit posted INV-2 --undo")


@pytest.mark.parametrize("number", ["INV-2", "R-1"])
def test_a_posting_of_what_blubilling_lost_does_not_tie(number: str) -> None:
    rows = posted()
    for table, name in (("billing.invoices", "invoice_number"), ("billing.payments", "payment_number")):
        rows[table] = [row for row in rows[table] if row[name] != number]
    left = open_rows(rows)
    assert set(left) == {number} and left[number]["meant"] is None
    kept = {row["source_key"]: row for row in rows["ledger.postings"]}[number]
    assert left[number]["in_quickbooks"] == kept["amount"]
    assert left[number]["reason"].startswith(
        f"BluBilling no longer has it, and it was posted by hand as {kept['txn_id']}"
    )
    rows["ledger.postings"] = [row for row in rows["ledger.postings"] if row["source_key"] != number]
    rows["quickbooks.invoices"] = [
        row for row in rows["quickbooks.invoices"] if row["txn_id"] != kept["txn_id"]
    ]
    assert open_rows(rows) == {}
