"""What was sent was sent as corrected; what later documents read of a customer is still to be corrected."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from export_world import (
    Rows,
    adjustment,
    application,
    bound,
    customer,
    frames,
    invoice,
    line,
    payment,
    queued,
    world,
)
from test_corrections import edit, rules
from test_fix import Books, make

from toolkit import correcting, cutover
from toolkit.corrections_sent import sent_rows
from toolkit.tables import to_rows

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def load(books: Books, rows: Rows, *names: str) -> None:
    for name in names:
        books.ws.write(name, frames(rows)[name])
    books.world.clock.wait(3600)


def counts(books: Books) -> list[str]:
    return list(cutover.corrected_tables(books.ws)[1]["rule"])


def test_a_correction_that_was_sent_lasts_whatever_becomes_of_its_row(tmp_path: Path) -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "40.00"))
    rows["billing.invoice_lines"].append(line("INV-2", "45.00"))
    books = make(tmp_path, rows, rows)
    cell = ("billing.invoices", "INV-2", "current_amount_due")
    assert correcting.correct(books.ws, [(cell, "45.00")], "ann", "a typo").corrected == 1
    books.world.clock.wait(60)
    books.export()
    assert books.statuses()["invoice:INV-2"] == "applied"
    assert len(cutover.tie_out(books.ws).differences) == 0
    rows["billing.invoices"][1] |= {"notes": "paid by bank", "currency": "USD"}
    load(books, rows, "billing.invoices")
    assert (counts(books), len(cutover.tie_out(books.ws).differences)) == (["corrected"], 0)
    # Another sum is BluBilling's own word, and the tie-out says where it differs.
    rows["billing.invoices"][1]["current_amount_due"] = Decimal("41.00")
    load(books, rows, "billing.invoices")
    assert counts(books) == ["correction_overtaken"]
    assert [row["key"] for row in to_rows(cutover.tie_out(books.ws).differences)] == ["INV-2"]
    books.ws.close()


def test_the_terms_of_a_customer_that_was_sent_are_corrected_for_its_invoices(tmp_path: Path) -> None:
    rows = world()
    days = {30: "T-1", 45: "T-2"}
    rows["quickbooks.terms"] = [
        {"list_id": at, "name": f"Net {n}", "terms_type": "Standard", "std_due_days": n, "is_active": True}
        for n, at in days.items()
    ]
    rows["billing.customers"].append(customer("A3", "Crane", terms_value=30, terms_units="Days"))
    books = make(tmp_path, rows, rows)
    named = ({"decision": f"Net {n}", "terms_list_id": at} for n, at in days.items())
    decided = [
        {"terms_name": f"{n} Days", "terms_full_name": f"Net {n}", **row}
        for n, row in zip(days, named, strict=True)
    ]
    books.ws.ledger.decide("terms", decided, "ann")
    books.export(customers=True)
    assert books.statuses() == {"customer:A3": "applied"}
    books.world.clock.wait(3600)
    cell = ("billing.customers", "A3", "terms_value")
    assert correcting.correct(books.ws, [(cell, "45")], "ann", "the contract says 45").corrected == 1
    assert rules(correcting.correct(books.ws, [((*cell[:2], "phone"), "7")], "ann", "x")) == ["already_sent"]

    rows["billing.invoices"] = [invoice("INV-9", "40.00", account_number="A3")]
    rows["billing.invoice_lines"] = [line("INV-9", "40.00")]
    rows["billing.customers"][-1]["phone"] = "555 0101"
    load(books, rows, "billing.customers", "billing.invoices", "billing.invoice_lines")
    assert terms(books) == {"ListID": "T-2"}
    rows["billing.customers"][-1]["terms_units"] = "Months"
    load(books, rows, "billing.customers")
    assert terms(books) == "blocked"  # it was made for another row: nobody knows what holds now
    books.ws.close()


def terms(books: Books) -> Any:
    plan = cutover.plan_export(books.ws, new=True, invoices=True)
    left = {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}
    made = {row["key"]: json.loads(row["fields"])["TermsRef"] for row in to_rows(plan.operations)}
    return made.get("invoice:INV-9") or left["INV-9"]


def test_a_row_is_not_sent_because_another_of_its_number_was(tmp_path: Path) -> None:
    rows = world()
    rows["billing.invoices"] = [invoice("1001", "100.00")]
    rows["billing.invoice_lines"] = [line("1001", "100.00")]
    rows["billing.payments"] = [payment("2001", "60.00")]
    rows["billing.payment_applications"] = [application("2001", "1001", "60.00")]
    rows["billing.adjustments"] = [adjustment("1001", "5.00"), adjustment("2001", "6.00")]
    books = make(tmp_path, rows, rows)
    books.export(customers=True, invoices=True, payments=True)
    books.world.clock.wait(3600)
    cells = [("billing.adjustments", key, "reason_text") for key in ("1001", "2001")]
    done = correcting.correct(books.ws, [(cell, "Goodwill") for cell in cells], "ann", "too long")
    assert done.corrected == 2
    assert "already_sent" not in rules(done)
    for cell in (("billing.invoices", "1001", "due_date"), ("billing.payments", "2001", "effective_date")):
        assert rules(correcting.correct(books.ws, [(cell, "2026-02-27")], "ann", "x")) == ["already_sent"]
    books.ws.close()


def test_the_table_of_what_was_sent_is_its_operations() -> None:
    rows = world()
    rows["ledger.jobs"] = [{"id": 7, "kind": "export", "status": "complete", "created_at": NOW}]
    source = {"source_table": "billing.adjustments", "source_key": "X-1"}
    rows["ledger.operations"] = [queued("credit_memo:X-1", "undone", **source)]
    rows["ledger.crosswalk"] = [
        bound("credit_memo", "X-1", "5-1", "billing", operation_key="credit_memo:X-1", bound_at=NOW),
        bound("invoice", "debit:X-2", "5-2", "billing", operation_key="invoice:debit:X-2", bound_at=NOW),
        bound("invoice", "QB-1", "5-3", "quickbooks", bound_at=NOW),
        bound("payment", "QB-2", "5-4", "quickbooks", bound_at=NOW),
        bound("customer", "A1", "C-1", "billing", bound_at=NOW),
    ]
    assert set(sent_rows(frames(rows))) == {
        ("billing.adjustments", "X-1"),
        ("billing.adjustments", "X-2"),
        ("billing.invoices", "QB-1"),
        ("billing.payments", "QB-2"),
    }


def test_a_correction_that_came_too_late_is_not_shown_as_one(tmp_path: Path) -> None:
    rows = world()
    books = make(tmp_path, rows, rows)
    books.export()
    books.world.clock.wait(3600)
    cell = {"table": "billing.invoices", "key": "INV-1", "decision": "(corrected)", "note": "x"}
    due = {"column": "due_date", "value": "2026-02-28", "old_value": "2026-02-09"}
    books.ws.ledger.decide("corrections", [cell | due], "ann")
    (shown,) = to_rows(correcting.proposals(books.ws).proposals)
    assert (shown["status"], shown["correction"]) == ("too late", "2026-02-28")
    assert "came too late" in shown["message"]
    path = tmp_path / "corrections.xlsx"
    correcting.write(books.ws, path)
    edit(path, "INV-1", "due_date", correction=None)
    assert correcting.read(books.ws, path, "ann").withdrawn == 1
    books.ws.close()
