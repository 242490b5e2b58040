"""Queuing the same rows again adds nothing, whatever became of them, and says what was left out and why."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pandas as pd
import pytest
from cli_world import Toolkit
from export_world import ALL, day, invoice, line
from lost_world import JANUARY, Lost

from toolkit.settings import Settings
from toolkit.tables import from_rows, to_rows
from toolkit.transform import plan_export

SWITCHES = ("--customers", "--invoices", "--payments", "--credits")
RANGE = ("--start", "2026-01-01", "--end", "2026-01-31")
OVERLAPPING = {"new": False, "start": "2026-01-15", "end": "2026-02-15"}
SAME = {"new": False, "start": "2026-01-01", "end": "2026-01-31"}
# Source rows: a customer that is there already is not in question any more.
RULE = "changed_after_sent"
Seen = tuple[dict[str, pd.DataFrame], Settings]
ROWS = {"INV-1", "INV-2", "INV-3", "ADJ-1", "P-1", "P-2"}


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def made(tmp_path: Path) -> Lost:
    return Lost.make(tmp_path)


def told(frame: Any) -> dict[str, tuple[str, str]]:
    """Return by source row the rule and the reason why it was left out."""
    return {row["source_key"]: (row["rule"], row["reason"]) for row in to_rows(frame)}


def into(made: Lost, state: str) -> int:
    """Queue January and bring it to a state; return its job."""
    job = made.ws.queue(made.plan(**SAME), approved_by=None if state == "draft" else "ann").job
    assert job is not None
    if state in ("draft", "pending"):
        return job
    if state == "applied":
        made.world.finish()
        return job
    ticket = made.world.open()
    for number in range(20):
        text = made.world.ask(ticket, first=number == 0)
        if "<CreditMemoAdd" in text:  # the documents are with QuickBooks, the customer was made before
            break
        made.world.carry(ticket, text)
    return job


# --- a plan made anew -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["draft", "pending", "sent", "applied"])
def test_the_same_export_again_adds_nothing(made: Lost, state: str) -> None:
    job = into(made, state)
    before = to_rows(made.ws.ledger.operations())
    if state != "applied":
        assert {"pending", "sent", "applied"} >= {row["status"] for row in before}
    assert len(made.plan(new=True).operations) == 0
    plan = made.plan(**SAME)
    assert len(plan.operations) == 0
    left = told(plan.left_out)
    assert left.keys() >= ROWS
    for key in ROWS:
        rule, reason = left[key]
        if state == "applied":
            assert rule == "already_sent"
            assert reason.startswith("QuickBooks already has it (")
        else:
            assert rule == "under_way"
            assert f"in job {job}" in reason
    assert to_rows(made.ws.ledger.operations()) == before
    made.ws.ledger.approve(job, "ann") if state == "draft" else None
    if state == "sent":
        made.world.clock.wait(120)
    made.world.finish()
    made.proved_to_the_cent()


@pytest.mark.parametrize(
    "state", ["draft", pytest.param("pending", marks=pytest.mark.slow), "sent", "applied"]
)
def test_an_overlapping_range_adds_only_what_is_new(made: Lost, state: str) -> None:
    job = into(made, state)
    bill(made, invoice("INV-9", "33.00", invoice_date=day(3, 2)), line("INV-9", "33.00"))
    plan = made.plan(**OVERLAPPING)
    assert list(plan.operations["key"]) == ["invoice:INV-9"]
    left = told(plan.left_out)
    assert {"ADJ-1", "P-1", "P-2"} <= left.keys()
    assert "INV-1" not in left, "it is of before the range"
    second = made.ws.queue(plan, approved_by="ann").job
    made.ws.ledger.approve(job, "ann") if state == "draft" else None
    made.world.clock.wait(120)
    made.world.finish()
    assert made.world.statuses(second) == {"invoice:INV-9": "applied"}
    made.proved_to_the_cent(*JANUARY, "invoice:INV-9")


# --- a plan made before, queued again -----------------------------------------------------------------------

WHY = {
    "draft": ("already_queued", "it waits in job 1 already, which is draft"),
    "pending": ("already_queued", "it waits in job 1 already, which is queued"),
    "sent": ("already_sent", "job 1 has sent it, and its answer is still to come"),
    "applied": ("already_applied", "it is in QuickBooks already: applied by job 1 as "),
}


@pytest.mark.parametrize("state", WHY)
def test_a_plan_that_was_made_before_is_left_out_whole(made: Lost, state: str) -> None:
    """Two people press export at once: both plans hold the same rows, and one of them is queued."""
    plan = made.plan(**SAME)
    into(made, state)
    again = made.ws.queue(plan, approved_by="bob")
    assert (again.job, again.operations, again.approved) == (None, 0, False)
    left = told(again.left_out)
    assert left.keys() == {*ROWS, "A3"}
    rule, reason = WHY[state]
    assert left["INV-1"][0] == rule
    assert left["INV-1"][1].startswith(reason)
    assert len(made.ws.read("ledger.jobs")) == 1


def test_what_is_unknown_is_left_out_with_what_to_do(made: Lost) -> None:
    """A ledger that came out of a backup takes what was under way for unknown."""
    plan = made.plan(**SAME)
    job = into(made, "pending")
    made.ws.ledger.after_restore(made.ws.ledger.place(), "2026-01-31", "ann")
    assert set(made.world.statuses(job).values()) == {"unknown"}
    again = made.ws.queue(plan)
    assert again.job is None
    assert {rule for rule, _ in told(again.left_out).values()} == {"outcome_unknown"}
    assert "or a person decides: toolkit resolve" in told(again.left_out)["INV-1"][1]
    planned = made.plan(**SAME)
    assert len(planned.operations) == 0
    assert told(planned.left_out)["INV-1"] == ("under_way", f"invoice:INV-1 is unknown in job {job}")


def test_the_command_says_what_it_left_out(made: Lost, toolkit: Toolkit) -> None:
    into(made, "applied")
    said = toolkit("-w", made.ws.path, "export", *RANGE, *SWITCHES)
    assert said.code == 0
    assert "QuickBooks already has it" in said.out
    assert said.out.splitlines()[-1] == "Nothing to send: no job was queued."
    document = toolkit("-w", made.ws.path, "export", *RANGE, *SWITCHES, "--json").json
    assert (document["job"], document["operations"]) == (None, 0)
    assert {row["source_key"] for row in document["left_out"]} >= ROWS
    assert len(made.ws.read("ledger.jobs")) == 1


# --- a row that changed -------------------------------------------------------------------------------------


def bill(made: Lost, *rows: dict[str, Any]) -> None:
    """Let BluBilling have one more invoice, and its line."""
    for name, row in zip(("invoices", "invoice_lines"), rows, strict=True):
        known = to_rows(made.ws.read(f"billing.{name}"))
        made.ws.write(f"billing.{name}", from_rows(f"billing.{name}", [*known, row]))


CHANGES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "amount": ("invoices", "INV-2", {"current_amount_due": Decimal("45.00")}, "billing.invoices"),
    "day": ("invoices", "INV-2", {"invoice_date": day(12)}, "billing.invoices"),
    "day of another month": ("invoices", "INV-2", {"invoice_date": day(2, 2)}, "billing.invoices"),
    "account": ("invoices", "INV-2", {"account_number": "A2"}, "billing.invoices"),
    "payment": ("payments", "P-2", {"amount": Decimal("39.00")}, "billing.payments"),
    "application": ("payment_applications", "P-2", {"amount_applied": Decimal("39.00")}, "billing.payments"),
    "credit": ("adjustments", "ADJ-1", {"amount": Decimal("26.00")}, "billing.adjustments"),
}


@pytest.fixture(scope="module", params=["draft", "sent", "applied"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The tables of a workspace whose January is so far, and its settings."""
    found = Lost.make(tmp_path_factory.mktemp("seen"))
    into(found, request.param)
    return dict(found.ws.tables()), found.ws.settings


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("days", [SAME, {"new": True}], ids=["again", "new"])
def test_a_row_that_changed_is_a_finding_and_no_second_document(
    seen: Seen, what: str, days: dict[str, Any]
) -> None:
    tables, settings = seen
    table, key, values, found_on = CHANGES[what]
    name = f"billing.{table}"
    rows = [row | values if key in row.values() else row for row in to_rows(tables[name])]
    plan = plan_export({**tables, name: from_rows(name, rows)}, settings, **days, **ALL)
    assert len(plan.operations) == 0
    [found] = [row for row in to_rows(plan.findings) if (row["rule"], row["key"]) == (RULE, key)]
    assert (found["severity"], found["table"]) == ("warning", found_on)
    assert "changed after it was sent" in found["message"]


def test_what_changed_is_found_by_the_tie_out_and_the_export_goes_on(made: Lost, toolkit: Toolkit) -> None:
    into(made, "applied")
    rows = to_rows(made.ws.read("billing.invoices"))
    rows[1]["current_amount_due"] = Decimal("45.00")
    made.ws.write("billing.invoices", from_rows("billing.invoices", rows))
    bill(made, invoice("INV-9", "33.00"), line("INV-9", "33.00"))
    said = toolkit("-w", made.ws.path, "export", "--new", *SWITCHES)
    assert said.code == 0
    assert RULE in said.out
    assert set(made.world.statuses(2)) == {"invoice:INV-9"}
    reasons = {row["key"]: row["reason"] for row in to_rows(made.tie().differences)}
    assert reasons["INV-2"] == "BluBilling changed it since"
