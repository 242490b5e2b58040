"""A cancelled export in the tie-out: later choices decide of what it had, and what nobody decided is open."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from export_world import Rows, application, day, frames, invoice, line, payment, settings, world
from test_fix import Books, edit, in_company, make
from test_fix import books as company
from test_reconcile import JOBS, books, export, operation, tied, unsent

from toolkit import cutover, cutover_export
from toolkit.reconcile_ranges import PARTIAL
from toolkit.tables import to_rows
from toolkit.tie_outs import keep_tie_out
from toolkit.transform import plan_export
from toolkit.workspace import Workspace

ALL = {"customers": True, "invoices": True, "payments": True}
SHORT = {"start": "2026-01-01", "end": "2026-01-15"}
FEBRUARY = {"start": "2026-02-01", "end": "2026-02-28"}
WEEKS = 40 * 86400


def open_books(folder: Path, rows: Rows, pilot: str = "false") -> Books:
    made = make(folder, rows, rows)
    made.world.clock.wait(WEEKS)
    made.ws.set("pilot", pilot)
    return made


def drafted_and_cancelled(ws: Workspace, **options: Any) -> int:
    days = options or {"new": True}
    job = ws.queue(cutover.plan_export(ws, **ALL, **days)).job
    assert job is not None
    ws.ledger.cancel(job, "ann")
    return job


def sent(made: Books, hold: list[str] | None = None, **options: Any) -> None:
    plan = cutover.plan_export(made.ws, **({} if "start" in options else {"new": True}), **options)
    made.ws.queue(cutover_export.filtered(plan, hold=hold or []), approved_by="ann")
    made.world.finish()


def told(made: Books) -> dict[str, tuple[bool, str]]:
    rows = to_rows(cutover.tie_out(made.ws).differences)
    return {row["key"]: (row["explained"], row["reason"]) for row in rows}


def step(made: Books, name: str) -> tuple[str, str]:
    return next((one.detail, one.command) for one in cutover.steps(made.ws) if one.name == name)


NOT_ASKED = "waits: job 1 was cancelled, and job 2 in its place does not ask for it"
ONE_HELD = "waits, held: --hold key=invoice:INV-2 (one of 1 invoices held back, 40.00 USD)"
LATER: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "held": (ALL | {"hold": ["key=invoice:INV-2"]}, {"INV-2": ONE_HELD}),
    "pilot": (ALL | {"limit": 1}, dict.fromkeys(("A3", "INV-2", "INV-3", "P-1"), PARTIAL)),
    "a switch left off": ({"customers": True, "invoices": True}, {"P-1": NOT_ASKED}),
    "customers left off": (
        {"invoices": True, "payments": True},
        {"A3": NOT_ASKED, "INV-3": "left out: customer_"},
    ),
    "fewer days": (ALL | SHORT, {"P-1": NOT_ASKED}),
    "all of it": (ALL, {}),
}


@pytest.mark.parametrize("choice", LATER)
def test_what_was_chosen_after_a_cancelled_draft_decides(tmp_path: Path, choice: str) -> None:
    options, expected = LATER[choice]
    made = open_books(tmp_path, company())
    drafted_and_cancelled(made.ws)
    assert not cutover.tie_out(made.ws).ties
    sent(made, **options)
    found = told(made)
    assert {key: reason[: len(expected[key])] for key, (_, reason) in found.items()} == expected
    assert all(explained for explained, _ in found.values()) and cutover.tie_out(made.ws).ties


def test_a_hold_from_before_the_cancelled_draft_does_not_decide(tmp_path: Path) -> None:
    made = open_books(tmp_path, company())
    sent(made, hold=["key=invoice:INV-2"], **ALL)
    assert cutover.tie_out(made.ws).ties
    drafted_and_cancelled(made.ws)
    assert told(made) == {"INV-2": (False, "not sent: job 2 was cancelled: export it again")}


@pytest.mark.parametrize("later", [ALL | FEBRUARY, {"customers": True} | SHORT], ids=["days", "kinds"])
def test_an_export_of_something_else_does_not_decide(tmp_path: Path, later: dict[str, Any]) -> None:
    rows = company()
    rows["billing.invoices"].append(invoice("INV-9", "9.00", invoice_date=day(3, 2)))
    rows["billing.invoice_lines"].append(line("INV-9", "9.00"))
    made = open_books(tmp_path, rows)
    drafted_and_cancelled(made.ws, start="2026-01-01", end="2026-01-31")
    sent(made, **later)
    again = (False, "not sent: job 1 was cancelled: export it again")
    found = told(made)
    assert {key: found[key] for key in ("INV-1", "INV-2", "INV-3", "P-1")} == dict.fromkeys(
        ("INV-1", "INV-2", "INV-3", "P-1"), again
    )
    assert not cutover.tie_out(made.ws).ties


def test_the_pilot_that_the_status_proposes_ties_and_is_followed_by_the_rest(tmp_path: Path) -> None:
    rows = world()
    for number in range(2, 12):
        rows["billing.invoices"].append(invoice(f"INV-{number}", "10.00"))
        rows["billing.invoice_lines"].append(line(f"INV-{number}", "10.00"))
    made = open_books(tmp_path, rows, pilot="true")
    job = made.ws.queue(cutover.plan_export(made.ws, new=True, **ALL)).job
    detail, command = step(made, "Export to QuickBooks")
    assert "cancel it, then export with --limit 5" in detail and command == f"toolkit cancel {job}"
    made.ws.ledger.cancel(job or 0, "ann")
    sent(made, limit=5, start="2026-01-01", end="2026-01-31", **ALL)
    detail, command = step(made, "Export to QuickBooks")
    assert detail == "5 operations applied, a pilot: look at them, then export the rest"
    assert command.startswith("toolkit export --start")
    assert step(made, "Tie out")[0] == "7 differences, 0 without a reason"
    assert keep_tie_out(made.ws, cutover.tie_out(made.ws), "ann").state != "differs"
    sent(made, **ALL)
    assert told(made) == {}


# --- a receipt of which a part went -------------------------------------------------------------------------


def split_receipt() -> Rows:
    rows = company()
    rows["billing.payments"] = [payment("P-1", "75.00")]
    parts = [application("P-1", "INV-1", "60.00"), application("P-1", "INV-3", "15.00", 2)]
    rows["billing.payment_applications"] = parts
    return rows


def test_the_cancelled_part_of_a_receipt_that_went_is_open(tmp_path: Path) -> None:
    rows = split_receipt()
    made = make(tmp_path, rows, in_company(rows))
    made.world.clock.wait(WEEKS)
    made.export()
    edit(made.write(), "Customers", "A3", name="Crane Works")
    job = made.read().queued.job
    made.ws.ledger.cancel(job or 0, "ann")
    sent(made, customers=True, invoices=True)
    open_part = (False, "not sent: job 2 was cancelled: export it again")
    assert told(made) == {"payment:P-1/A3": open_part}, "half a receipt is, though payments were left off"
    sent(made, hold=["key=payment:P-1/A3"], **ALL)
    assert len(made.ws.ledger.jobs()) == 3, "nothing is queued where all is held"
    assert told(made) == {"payment:P-1/A3": open_part}
    sent(made, **ALL)
    assert cutover.tie_out(made.ws).ties and not told(made)


def test_a_part_that_stays_behind_by_the_plan_has_a_reason() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "40.00", account_number="A2"))
    rows["billing.invoice_lines"].append(line("INV-2", "40.00"))
    rows["billing.payments"] = [payment("P-1", "100.00")]
    rows["billing.payment_applications"].append(application("P-1", "INV-2", "40.00"))
    rows = export(rows)
    unsent(rows, "payment:P-1/A2", "skipped", "job 1 was cancelled: cancelled by Ann")
    [row] = to_rows(tied(rows).differences)
    assert (row["key"], row["explained"], row["meant"]) == ("payment:P-1/A2", False, Decimal(40))
    assert set(plan_export(frames(rows), settings(), new=True, **ALL).operations["key"]) == {"payment:P-1/A2"}
    # Held back by a later export of its day, it waits.
    held = {"source_table": "billing.payments", "source_key": "P-1", "reason": "held: --hold key=x"}
    rows[JOBS].append(rows[JOBS][0] | {"id": 2})
    rows["ledger.held"] = [held | {"job": 2}]
    [row] = to_rows(tied(rows).differences)
    assert (row["explained"], row["reason"]) == (True, "waits, held: --hold key=x")
    del rows["ledger.held"]
    assert not tied(rows).ties
    # What no export would make any more is not meant: what the ledger says is all there is to say.
    rows["billing.payments"][0]["currency"] = "EUR"
    parts = [row for row in to_rows(tied(rows).differences) if row["key"] == "payment:P-1/A2"]
    assert [row["explained"] for row in parts] == [True] and parts[0]["reason"].startswith("skipped: job 1")


# --- a job that was cancelled on its way --------------------------------------------------------------------


def test_the_range_of_a_job_of_which_something_left_is_kept() -> None:
    rows = books()
    rows["billing.invoices"].append(invoice("INV-9", "77.00", invoice_date=day(25)))
    rows["billing.invoice_lines"].append(line("INV-9", "70.00"))
    rows = export(rows)
    unsent(rows, "invoice:INV-2", "skipped", "job 1 was cancelled: cancelled by Ann")
    rows[JOBS][0]["status"] = "cancelled"
    found = {row["key"]: row for row in to_rows(tied(rows).differences)}
    assert set(found) == {"INV-2", "INV-9"} and not found["INV-2"]["explained"]
    assert found["INV-9"]["explained"] and found["INV-9"]["reason"].startswith("left out: lines_sum")
    # All that left was tried again by another job since: the job still tells that something did.
    for row in rows["ledger.operations"]:
        row["job"] = 1 if row["key"] == "invoice:INV-2" else 3
    assert set(told_of(rows)) == {"INV-2"}
    rows[JOBS][0] |= {"total": 7, "skipped": 1}
    assert set(told_of(rows)) == {"INV-2", "INV-9"}
    assert operation(rows, "invoice:INV-2")["status"] == "skipped"


def told_of(rows: Rows) -> list[str]:
    return [row["key"] for row in to_rows(tied(rows).differences)]
