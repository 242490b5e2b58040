"""Corrections that come too late: a row that was sent is what it was, and a tie-out says where it differs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from export_world import bound, customer, frames, invoice, line, queued, world
from test_fix import Books, in_company, make

from toolkit import correcting, cutover
from toolkit.corrections_sent import sent_record, sent_rows
from toolkit.tables import to_rows

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
CELL = ("billing.invoices", "INV-1", "current_amount_due")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Books]:
    """A workspace that sent an invoice of 100.00, of which BluBilling says 95.00 now; INV-2 is rejected."""
    rows = world()
    rows["billing.customers"].append(customer("A3", "Crane"))
    rows["billing.invoices"].append(invoice("INV-2", "15.00", account_number="A3"))
    rows["billing.invoice_lines"].append(line("INV-2", "15.00"))
    books = make(tmp_path, rows, in_company(rows))
    books.export()
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("95.00")
    rows["billing.invoice_lines"][0]["amount"] = Decimal("95.00")
    for name in ("billing.invoices", "billing.invoice_lines"):
        books.ws.write(name, frames(rows)[name])
    books.world.clock.wait(3600)
    with books.ws:
        yield books


def differs(books: Books) -> set[str]:
    return {row["key"] for row in to_rows(cutover.tie_out(books.ws).differences)}


def decided(value: str, **more: Any) -> dict[str, Any]:
    named = dict(zip(("table", "key", "column"), CELL, strict=True))
    return named | {"value": value, "old_value": "95.00", "decision": "(corrected)", "note": "x", **more}


def test_a_row_that_was_sent_is_not_corrected_any_more(made: Books) -> None:
    lines = ("billing.invoice_lines", "INV-1 / 1 / 1", "amount")
    payments = ("billing.payments", "P-1", "check_number")
    done = correcting.correct(
        made.ws, [(CELL, "100.00"), (lines, "100.00"), (payments, "7")], "ann", "as it was"
    )
    assert (done.corrected, list(done.findings["rule"])) == (0, ["already_sent"] * 3)
    assert "job 1 has sent it" in done.findings["message"][0]
    assert made.corrections() == []


def test_one_made_later_all_the_same_hides_nothing_in_the_tie_out(made: Books) -> None:
    before = differs(made)
    assert before
    made.ws.ledger.decide("corrections", [decided("100.00")], "ann")
    assert differs(made) == before
    tables, found = cutover.corrected_tables(made.ws)
    assert list(found["rule"]) == ["correction_too_late"]
    assert tables["billing.invoices"]["current_amount_due"][0] == Decimal("95.00")
    assert correcting.correct(made.ws, [(CELL, None)], "ann").withdrawn == 1


def test_what_is_in_a_draft_is_corrected_once_that_is_cancelled(tmp_path: Path) -> None:
    books = make(tmp_path, world(), world())
    job = books.ws.queue(cutover.plan_export(books.ws, new=True, invoices=True)).job
    assert job is not None
    cell = ("billing.invoices", "INV-1", "due_date")
    done = correcting.correct(books.ws, [(cell, "2026-02-28")], "ann", "a typo")
    assert "cancel that first" in done.findings["message"][0]
    books.ws.ledger.cancel(job, "ann")
    books.world.clock.wait(60)
    assert correcting.correct(books.ws, [(cell, "2026-02-28")], "ann", "a typo").corrected == 1
    books.world.clock.wait(60)
    # It is in the next draft: it counts there, stays when the draft goes, and ties out.
    again = books.ws.queue(cutover.plan_export(books.ws, new=True, invoices=True)).job
    assert again is not None
    assert books.ws.changed_since(again) == []
    books.send(again)
    assert correcting.correct(books.ws, [(cell, None)], "bob").withdrawn == 0
    assert list(cutover.corrected_tables(books.ws)[1]["rule"]) == ["corrected"]
    books.ws.close()


def test_a_rejected_row_can_be_corrected(made: Books) -> None:
    cell = ("billing.customers", "A3", "phone")
    assert made.statuses()["customer:A3"] == "rejected"
    assert correcting.correct(made.ws, [(cell, "555 0100")], "ann", "called them").corrected == 1


def test_which_rows_were_sent() -> None:
    def of(source: str, key: str, status: str) -> dict[str, Any]:
        return queued(key, status, source_table=source, source_key=key.partition(":")[2].partition("@")[0])

    payments = "billing.payments"
    rows = world()
    rows["ledger.jobs"] = [{"id": 7, "kind": "export", "status": "complete", "created_at": NOW}]
    rows["ledger.operations"] = [
        of("billing.invoices", "invoice:sent", "applied"),
        of("billing.invoices", "invoice:lost", "undone"),
        of("billing.invoices", "invoice:skipped", "skipped"),
        of("billing.invoices", "invoice:A//1", "unknown"),
        of(payments, "payment:part@1", "applied"),
        of(payments, "payment:part@2", "rejected"),
    ]
    rows["ledger.crosswalk"] = [bound("invoice", "carried", "T-1", "quickbooks", bound_at=NOW)]
    found = sent_rows(frames(rows))
    assert {key for _, key in found} == {"sent", "A//1", "carried"}
    assert sent_record(found, "billing.invoice_lines", "A////1 / 1 / 2") is not None
    assert sent_record(found, "billing.invoice_lines", "other / 1 / 2") is None
    assert sent_record(found, "billing.customers", "sent") is None
