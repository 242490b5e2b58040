"""Runs without a person: only after a manual run tied out, twice without effect, stopped by a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from exchange_world import set_by_hand
from export_world import invoice, line
from lost_world import Lost

from toolkit.doctor import examine
from toolkit.errors import SettingError
from toolkit.tables import from_rows, to_rows
from toolkit.tie_outs import keep_tie_out
from toolkit.workspace import Workspace
from toolkit.workspace_queue import why_not_unattended

SWITCHES = ("--customers", "--invoices", "--payments", "--credits")


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def made(tmp_path: Path) -> Lost:
    """A workspace whose January a person exported; nothing was tied out yet."""
    found = Lost.make(tmp_path)
    found.export()
    return found


def tie(made: Lost, who: str = "ann") -> str:
    return keep_tie_out(made.ws, made.tie(), who).state


def bill(made: Lost, number: str, amount: str, **more: Any) -> None:
    """Let BluBilling have one more invoice."""
    for name, row in (("invoices", invoice(number, amount, **more)), ("invoice_lines", line(number, amount))):
        rows = to_rows(made.ws.read(f"billing.{name}"))
        made.ws.write(f"billing.{name}", from_rows(f"billing.{name}", [*rows, row]))


def daily(toolkit: Toolkit, made: Lost) -> Any:
    """Run the scheduler's command, then the Web Connector's AutoRun, and return what the first one said."""
    said = toolkit("-w", made.ws.path, "export", "--new", *SWITCHES, "--json")
    assert said.code == 0, said
    made.world.finish()
    return said.json


# --- when it may be ---------------------------------------------------------------------------------------


def test_it_is_refused_until_a_manual_run_has_tied_out(made: Lost, toolkit: Toolkit) -> None:
    command = ("-w", made.ws.path, "set", "auto_approve", "true")
    before = cli_world.fingerprint(made.ws.path)
    said = toolkit(*command)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "no export that a person approved has tied out yet: toolkit reconcile --refresh" in said.err
    assert cli_world.fingerprint(made.ws.path) == before
    # It ties by what the answers said; that counts only when it was read back.
    assert toolkit("-w", made.ws.path, "reconcile", "--json").json["kept"]["state"] == "open"
    assert toolkit(*command).code == 2
    made.read_back()
    kept = toolkit("-w", made.ws.path, "reconcile", "--json").json["kept"]
    assert (kept["state"], kept["new"]) == ("ties", True)
    assert toolkit(*command).code == 0
    assert made.ws.settings["auto_approve"] is True
    # The same again says nothing new, and keeps nothing.
    assert toolkit("-w", made.ws.path, "reconcile", "--json").json["kept"]["new"] is False


def test_before_any_export_it_is_refused(tmp_path: Path) -> None:
    found = Lost.make(tmp_path)
    with pytest.raises(SettingError, match="no export that a person approved is complete"):
        found.ws.set("auto_approve", "true")
    assert tie(found) == "open"


def test_what_is_kept_of_a_tie_out(made: Lost) -> None:
    read = made.read_back()
    assert tie(made) == "ties"
    [kept] = [row for row in to_rows(made.ws.read("ledger.decisions")) if row["table"] == "tie_outs"]
    assert (kept["decision"], kept["decided_by"]) == ("ties", "ann")
    facts = json.loads(kept["facts"])
    assert (facts["jobs"], facts["refresh"]) == ([1], read)
    [invoices] = [total for total in facts["totals"] if total["record_kind"] == "invoice"]
    assert (invoices["queued_count"], invoices["quickbooks_count"]) == (3, 3)
    assert (invoices["queued_amount"], invoices["quickbooks_amount"]) == ("155.00", "155.00")


def test_a_setting_edited_by_hand_lets_nothing_go(made: Lost, toolkit: Toolkit) -> None:
    set_by_hand(made.ws, "auto_approve", "true")
    bill(made, "INV-5", "10.00")
    said = toolkit("-w", made.ws.path, "export", "--new", *SWITCHES)
    assert said.code == 0
    assert "1 operation, a draft" in said.out
    assert "auto_approve waits: no export that a person approved has tied out yet" in said.out
    checks = {check.name: check for check in examine(made.ws, knock=lambda url: None)}
    assert not checks["unattended"].good
    assert "toolkit reconcile --refresh" in checks["unattended"].message
    assert made.ws.ledger.job(2).status == "draft"


def test_another_setting_is_none_of_its_business(made: Lost) -> None:
    set_by_hand(made.ws, "auto_approve", "true")
    assert made.ws.set("set_size", "10")["auto_approve"] is True
    assert made.ws.set("auto_approve", "false")["auto_approve"] is False


def test_what_nobody_approved_is_no_manual_run(made: Lost) -> None:
    made.ws.ledger.keep_tie_out(True, "ann", {"jobs": [7]})
    assert "no export that a person approved has tied out yet" in why_not_unattended(made.ws.ledger)
    made.ws.ledger.keep_tie_out(True, "ann", {"jobs": [1, 7]})
    assert why_not_unattended(made.ws.ledger) == ""


def test_a_re_read_that_nobody_tied_out_stops_it(made: Lost) -> None:
    """It may show what QuickBooks lost: nothing goes until a person has looked."""
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    made.delete("payment:P-2")
    job = made.read_back()
    assert made.lost() == ["payment:P-2"]
    bill(made, "INV-9", "33.00")
    queued = made.ws.queue(made.plan())
    assert not queued.approved
    assert f"job {job}, which read it all again since, has none yet: toolkit reconcile" in queued.waits
    assert tie(made) == "differs"
    assert "did not tie" in why_not_unattended(made.ws.ledger)
    made.release()
    made.ws.ledger.cancel(queued.job or 0, "ann")
    made.export()
    made.read_back()
    assert tie(made) == "ties"
    assert why_not_unattended(made.ws.ledger) == ""


# --- the daily run ------------------------------------------------------------------------------------------


def test_the_daily_run_goes_by_itself_and_the_second_has_no_effect(made: Lost, toolkit: Toolkit) -> None:
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    quiet = daily(toolkit, made)
    assert (quiet["job"], quiet["operations"]) == (None, 0)

    bill(made, "INV-5", "10.00")
    first = daily(toolkit, made)
    assert (first["operations"], first["approved"], first["draft"]) == (1, True, None)
    found = made.ws.ledger.job(first["job"])
    assert (found.status, found.approved_by) == ("complete", "auto_approve")
    assert made.standing()["invoice:INV-5"] == 1

    jobs, asked = to_rows(made.ws.read("ledger.jobs")), len(made.world.requests)
    second = daily(toolkit, made)
    assert (second["job"], second["draft"], second["operations"]) == (None, None, 0)
    assert to_rows(made.ws.read("ledger.jobs")) == jobs
    assert len(made.world.requests) == asked, "nothing was sent"
    said = toolkit("-w", made.ws.path, "export", "--new", *SWITCHES)
    assert (said.code, said.out.splitlines()[-1]) == (0, "Nothing to send: no job was queued.")
    assert made.standing()["invoice:INV-5"] == 1
    assert made.tie().ties
    assert tie(made) == "open", "by what the answers said: nobody read it back yet"
    made.read_back()
    assert tie(made) == "ties"
    [approval] = [row for row in to_rows(made.ws.read("ledger.approvals")) if row["job"] == first["job"]]
    assert approval["approved_by"] == "auto_approve"


def test_a_tie_out_that_fails_stops_it_until_one_ties_again(made: Lost, toolkit: Toolkit) -> None:
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    made.delete("payment:P-2")
    made.read_back()
    said = toolkit("-w", made.ws.path, "reconcile", "--json")
    assert (said.code, said.json["kept"]["state"]) == (1, "differs")
    bill(made, "INV-5", "10.00")
    waits = daily(toolkit, made)
    assert (waits["approved"], made.ws.ledger.job(waits["job"]).status) == (False, "draft")
    assert "did not tie: toolkit reconcile tells why; it goes on once one ties again" in waits["waits"]
    made.release()
    made.ws.approve(waits["job"], "ann")
    made.export()
    made.read_back()
    assert tie(made) == "ties"
    bill(made, "INV-6", "11.00")
    assert daily(toolkit, made)["approved"]


def test_what_is_only_still_to_be_sent_takes_nothing_away(made: Lost, toolkit: Toolkit) -> None:
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    bill(made, "INV-5", "10.00")
    assert not made.tie().ties, "a row in the range that was never queued"
    assert tie(made) == "open"
    made.ws.queue(made.plan())
    assert not made.tie().ties, "and then one that waits"
    assert tie(made) == "open"
    made.world.finish()
    bill(made, "INV-6", "11.00")
    assert daily(toolkit, made)["approved"]


def test_what_was_tried_before_waits_for_a_person(made: Lost, toolkit: Toolkit) -> None:
    """A row that QuickBooks rejects would be sent, and rejected, day by day; the others go on."""
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    bill(made, "INV-5", "10.00")
    bill(made, "INV-6", "11.00")
    first = made.ws.queue(made.plan()).job
    assert first is not None
    made.ws.ledger.cancel(first, "ann", "not these")
    bill(made, "INV-7", "12.00")
    said = daily(toolkit, made)
    assert (said["operations"], said["approved"]) == (3, True)
    assert made.world.statuses(said["job"]) == {"invoice:INV-7": "applied"}
    assert made.world.statuses(said["draft"]) == {"invoice:INV-5": "pending", "invoice:INV-6": "pending"}
    assert made.ws.ledger.job(said["draft"]).status == "draft"
    again = daily(toolkit, made)
    assert (again["job"], again["draft"]) == (None, None)


def test_what_was_released_waits_for_a_person(made: Lost, toolkit: Toolkit) -> None:
    made.read_back()
    assert tie(made) == "ties"
    made.ws.set("auto_approve", "true")
    made.delete("payment:P-2")
    read = made.read_back()
    made.release()
    assert "a lost record released: toolkit reconcile --refresh" in why_not_unattended(made.ws.ledger)
    # Even where somebody ties it out meanwhile, what was released is a person's to approve.
    made.ws.ledger.keep_tie_out(True, "ann", {"jobs": [1], "refresh": read})
    said = daily(toolkit, made)
    assert (said["job"], said["approved"]) == (None, False)
    assert made.world.statuses(said["draft"]) == {"payment:P-2": "pending"}


# --- other workspaces ---------------------------------------------------------------------------------------


def test_a_rehearsal_ties_out_for_itself_alone(made: Lost, tmp_path: Path) -> None:
    made.read_back()
    assert tie(made) == "ties"
    made.ws.ledger.waive("f1", "ann", "known")
    live = Workspace.create(tmp_path / "live", company="Live", password="secret123", from_workspace=made.ws)
    assert live.ledger.last_tie_out() is None
    assert {row["table"] for row in to_rows(live.read("ledger.decisions"))} == {
        "mapping.customers",
        "waivers",
    }
    with pytest.raises(SettingError):
        live.set("auto_approve", "true")
    live.close()
