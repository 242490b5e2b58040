"""The ledger: nothing lost, nothing twice, and no state that does not follow from the one before."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import IllegalTransition, LedgerError, UsageError
from toolkit.ledger import JOB_MOVES, OPERATION_MOVES, REFUSED, Ledger, Outcome
from toolkit.tables import from_rows, to_rows

SET_ID = "A" * 19


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = dt.datetime(2026, 1, 31, 9, 30)

    def __call__(self) -> dt.datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_ledger(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Ledger]]:
    """Open the ledger of the test as often as asked: a second one stands for a process after a crash."""
    opened: list[Ledger] = []

    def open_it() -> Ledger:
        opened.append(Ledger(tmp_path / "ledger.sqlite", clock=clock))
        return opened[-1]

    yield open_it
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Ledger:
    return open_ledger()


def operation(key: str, position: int = 1, depends_on: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    kind = key.split(":", maxsplit=1)[0]
    return {
        "key": key,
        "request": {"customer": "CustomerAdd", "payment": "ReceivePaymentAdd"}.get(kind, "InvoiceAdd"),
        "record_kind": kind,
        "position": position,
        "fields": '{"Amount": "12.30"}',
        "depends_on": list(depends_on),
        "source_table": f"billing.{kind}s",
        "source_key": key.split(":")[1],
        "amount": Decimal("12.30"),
        "txn_date": dt.date(2026, 1, 15),
    } | more


def plan(*operations: dict[str, Any]) -> pd.DataFrame:
    return from_rows("plan.operations", operations)


CHAIN = (
    operation("customer:1", 1),
    operation("invoice:7", 2, ["customer:1"]),
    operation("payment:9", 3, ["invoice:7"]),
)


def queue(ledger: Ledger, *operations: dict[str, Any]) -> int:
    job, left = ledger.add_export(plan(*operations), approved_by="ann")
    assert job is not None
    assert left.empty
    return job


def send(ledger: Ledger, *keys: str, set_id: str = SET_ID + "1", clears: str | None = None) -> int:
    return ledger.open_set(ledger.open_session("wc"), "write", set_id, b"<QBXML/>", keys, clears)


def statuses(ledger: Ledger, job: int | None = None) -> dict[str, str]:
    return {row["key"]: row["status"] for row in to_rows(ledger.operations(job))}


# --- queuing ------------------------------------------------------------------------------------------------


def test_queuing_twice_is_queuing_once(ledger: Ledger) -> None:
    queue(ledger, *CHAIN)
    job, left = ledger.add_export(plan(*CHAIN))
    assert job is None
    assert list(left["rule"]) == ["already_queued"] * 3
    assert left["reason"][0] == "it waits in job 1 already, which is queued"
    assert list(left["source_key"]) == ["1", "7", "9"]
    assert len(ledger.jobs()) == 1
    assert statuses(ledger) == dict.fromkeys(["customer:1", "invoice:7", "payment:9"], "pending")


def test_a_key_twice_in_one_plan_queues_nothing(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="invoice:7 stands twice"):
        ledger.add_export(plan(operation("invoice:7"), operation("invoice:7", 2)))
    assert ledger.jobs().empty


@pytest.mark.parametrize(
    ("status", "rule"),
    [("applied", "already_applied"), ("unknown", "outcome_unknown"), ("sent", "already_sent")],
)
def test_what_may_be_in_quickbooks_is_left_out(ledger: Ledger, status: str, rule: str) -> None:
    queue(ledger, operation("invoice:7"))
    number = send(ledger, "invoice:7")
    if status != "sent":
        ledger.record_answer(number, outcomes=[Outcome("invoice:7", status, quickbooks_id="5-1")])
    job, left = ledger.add_export(plan(operation("invoice:7"), operation("invoice:8", 2)), approved_by="ann")
    assert list(left["rule"]) == [rule]
    assert statuses(ledger, job) == {"invoice:8": "pending"}
    assert statuses(ledger)["invoice:7"] == status


def test_a_rejected_key_is_tried_again_with_its_new_fields(ledger: Ledger) -> None:
    first = queue(ledger, *CHAIN)
    ledger.record_answer(
        send(ledger, "customer:1"), outcomes=[Outcome("customer:1", "rejected", 3100, "in use")]
    )
    ledger.skip_blocked()
    ledger.set_job(first, "complete")
    second = queue(ledger, operation("customer:1", 1, fields='{"Name": "B"}'), *CHAIN[1:])
    assert ledger.operation("customer:1").fields == {"Name": "B"}
    assert set(statuses(ledger).values()) == {"pending"}
    assert set(statuses(ledger, first).values()) == {"rejected", "skipped"}, "the old job tells what it did"
    jobs = {row["id"]: row for row in to_rows(ledger.jobs())}
    assert (jobs[first]["rejected"], jobs[first]["skipped"], jobs[second]["pending"]) == (1, 2, 3)
    told = [(row["job"], row["before"], row["after"]) for row in ledger.history("customer:1")]
    assert told == [
        (1, None, "pending"),
        (1, "pending", "sent"),
        (1, "sent", "rejected"),
        (2, None, "pending"),
    ]


def test_a_cancelled_job_gives_its_keys_back(ledger: Ledger) -> None:
    first = queue(ledger, *CHAIN)
    ledger.cancel(first, "ann", "wrong month")
    assert set(statuses(ledger).values()) == {"skipped"}
    assert ledger.history("payment:9")[-1]["message"] == (
        "job 1 was cancelled: cancelled by ann: wrong month"
    )
    assert queue(ledger, *CHAIN) == 2


def test_values_survive_exactly(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7", expected='{"total": "0.10"}', account_number="0012"))
    [row] = to_rows(ledger.operations())
    assert row["amount"] == Decimal("12.30")
    assert row["txn_date"] == dt.date(2026, 1, 15)
    assert row["account_number"] == "0012"
    found = ledger.operation("invoice:7")
    assert found.expected == {"total": "0.10"}
    assert found.amount == Decimal("12.30")


# --- approval and the states of a job ---------------------------------------------------------------------


def test_an_export_waits_for_a_person(ledger: Ledger) -> None:
    job, _ = ledger.add_export(plan(*CHAIN), meta={"start": dt.date(2026, 1, 1), "total": Decimal("1.10")})
    assert job is not None
    assert ledger.next_job() is None
    assert ledger.sendable(10) == []
    with pytest.raises(UsageError, match="needs a name"):
        ledger.approve(job, " ")
    ledger.approve(job, "ann", "looked at it")
    found = ledger.job(job)
    assert (found.status, found.approved_by) == ("queued", "ann")
    assert found.meta == {"start": "2026-01-01", "total": "1.10"}
    assert [(row["after"], row["who"], row["note"]) for row in ledger.job_history(job)] == [
        ("draft", None, None),
        ("queued", "ann", "looked at it"),
    ]
    with pytest.raises(IllegalTransition, match="only a draft"):
        ledger.approve(job, "ann")


def test_a_draft_cannot_slip_through_by_hold_and_release(ledger: Ledger) -> None:
    job, _ = ledger.add_export(plan(*CHAIN))
    assert job is not None
    with pytest.raises(IllegalTransition):
        ledger.hold(job, "ann")
    with pytest.raises(IllegalTransition, match="only a held job"):
        ledger.release(job, "ann")
    assert ledger.job(job).status == "draft"


def test_a_held_job_is_not_served_until_released(ledger: Ledger) -> None:
    job = queue(ledger, *CHAIN)
    ledger.hold(job, "ann")
    assert ledger.next_job() is None
    assert ledger.sendable(10) == []
    ledger.release(job, "ann")
    assert [found.key for found in ledger.sendable(10)] == ["customer:1"]


@pytest.mark.parametrize("wanted", ["held", "cancelled", "failed"])
def test_a_job_in_flight_stays(ledger: Ledger, wanted: str) -> None:
    job = queue(ledger, *CHAIN)
    number = send(ledger, "customer:1")
    with pytest.raises(IllegalTransition, match="with QuickBooks"):
        ledger.set_job(job, wanted)
    assert ledger.job(job).status == "running"
    ledger.record_answer(number, outcomes=[Outcome("customer:1", "unknown")])
    ledger.set_job(job, wanted)


def test_a_job_is_complete_only_when_nothing_is_open(ledger: Ledger) -> None:
    job = queue(ledger, *CHAIN)
    ledger.set_job(job, "running")
    with pytest.raises(IllegalTransition, match="3 operations and 0 queries"):
        ledger.set_job(job, "complete")
    reading = ledger.add_import("items", [{"name": "ItemQuery"}], started=True)
    with pytest.raises(IllegalTransition, match="0 operations and 1 queries"):
        ledger.set_job(reading, "complete")
    [query] = ledger.queries(reading)
    ledger.update_query(query.id, status="done", records=3)
    ledger.set_job(reading, "complete", "3 items")
    [row] = [row for row in to_rows(ledger.jobs()) if row["id"] == reading]
    assert (row["kind"], row["total"], row["message"]) == ("import:items", 3, "3 items")
    assert row["finished_at"] is not None


def test_an_unknown_job_is_an_error_that_says_so(ledger: Ledger) -> None:
    for ask in (ledger.job, ledger.queries, ledger.operations, ledger.job_history):
        with pytest.raises(LedgerError, match="there is no job 77"):
            ask(77)


# --- order ------------------------------------------------------------------------------------------------


def test_only_what_nothing_is_open_before_is_sendable(ledger: Ledger) -> None:
    queue(ledger, *CHAIN, operation("invoice:8", 4))
    assert [found.key for found in ledger.sendable(10)] == ["customer:1", "invoice:8"]
    assert [found.key for found in ledger.sendable(1)] == ["customer:1"]
    number = send(ledger, "customer:1")
    ledger.record_answer(number, outcomes=[Outcome("customer:1", "applied", quickbooks_id="80-1")])
    assert [found.key for found in ledger.sendable(10)] == ["invoice:7", "invoice:8"]
    assert ledger.operation("customer:1").list_id == "80-1"


def test_a_dependency_may_lie_in_an_earlier_job(ledger: Ledger) -> None:
    queue(ledger, CHAIN[0])
    later = queue(ledger, CHAIN[1])
    assert ledger.sendable(10, later) == []
    assert ledger.next_job() is not None
    ledger.record_answer(
        send(ledger, "customer:1"), outcomes=[Outcome("customer:1", "applied", quickbooks_id="80-1")]
    )
    assert [found.key for found in ledger.sendable(10, later)] == ["invoice:7"]


def test_a_job_that_waits_for_a_draft_does_not_hold_up_the_others(ledger: Ledger) -> None:
    ledger.add_export(plan(CHAIN[0]))
    queue(ledger, CHAIN[1])
    other = queue(ledger, operation("invoice:8"))
    found = ledger.next_job()
    assert found is not None
    assert found.id == other


def test_what_depends_on_a_rejection_is_skipped_with_the_reason_all_the_way(ledger: Ledger) -> None:
    queue(ledger, *CHAIN)
    assert ledger.skip_blocked() == 0
    ledger.record_answer(
        send(ledger, "customer:1"), outcomes=[Outcome("customer:1", "rejected", 3100, "name in use")]
    )
    assert ledger.skip_blocked() == 2
    assert ledger.operation("invoice:7").status_message == ("depends on customer:1, which was rejected")
    assert ledger.operation("payment:9").status == "skipped"


def test_what_depends_on_something_never_queued_is_skipped(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7", 1, ["customer:404"]))
    assert ledger.next_job() is not None, "there is something to do: to skip it"
    assert ledger.skip_blocked() == 1
    assert ledger.operation("invoice:7").status_message == "depends on customer:404, which was never queued"


def test_an_operation_whose_dependency_is_open_cannot_be_sent(ledger: Ledger) -> None:
    queue(ledger, *CHAIN)
    with pytest.raises(IllegalTransition, match="invoice:7"):
        send(ledger, "customer:1", "invoice:7")
    assert statuses(ledger)["customer:1"] == "pending", "all of the set or nothing"
    assert ledger.unanswered() is None


# --- message sets -----------------------------------------------------------------------------------------


def test_a_crash_after_handing_out_leaves_text_and_operations(open_ledger: Callable[[], Ledger]) -> None:
    before = open_ledger()
    queue(before, *CHAIN)
    text = "<?xml version='1.0'?><QBXML>é</QBXML>".encode()
    ticket = before.open_session("wc")
    before.open_set(ticket, "write", SET_ID, text, ["customer:1"])
    after = open_ledger()
    found = after.unanswered()
    assert found is not None
    assert (found.text, found.set_id, found.members, found.session) == (text, SET_ID, ("customer:1",), ticket)
    assert after.operation("customer:1").status == "sent"
    assert after.job(1).status == "running"


def test_a_crash_while_an_answer_is_recorded_leaves_none_of_it(
    open_ledger: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_ledger()
    queue(before, operation("invoice:7", 1), operation("invoice:8", 2))
    number = send(before, "invoice:7", "invoice:8")
    told = [
        Outcome("invoice:7", "applied", quickbooks_id="5-1", bind=_bound("7", "5-1")),
        Outcome("invoice:8", "applied", quickbooks_id="5-2", bind=_bound("8", "5-2")),
    ]
    seen: list[dict[str, str]] = []

    def pull_the_plug(connection: object, rows: Sequence[dict[str, Any]], now: object) -> int:
        seen.append(statuses(open_ledger()))  # another process, in the middle of it
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("toolkit.ledger_sets.bind_rows", pull_the_plug)
        before.record_answer(number, outcomes=told)
    after = open_ledger()
    assert seen == [{"invoice:7": "sent", "invoice:8": "sent"}]
    assert set(statuses(after).values()) == {"sent"}
    assert after.crosswalk().empty
    assert after.record_answer(number, inbox_path="inbox/a.xml.zst", outcomes=told, set_status=0)
    assert set(statuses(after).values()) == {"applied"}
    assert list(after.crosswalk()["quickbooks_id"]) == ["5-1", "5-2"]


def _bound(key: str, quickbooks_id: str, **more: Any) -> dict[str, Any]:
    return {"record_kind": "invoice", "key": key, "quickbooks_id": quickbooks_id} | more


def test_an_answer_twice_is_an_answer_once(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"))
    number = send(ledger, "invoice:7")
    told = [Outcome("invoice:7", "applied", quickbooks_id="5-1")]
    assert ledger.record_answer(number, outcomes=told)
    history = ledger.history("invoice:7")
    assert not ledger.record_answer(number, outcomes=[Outcome("invoice:7", "rejected")])
    assert ledger.history("invoice:7") == history
    assert ledger.operation("invoice:7").status == "applied"


def test_what_an_answer_is_silent_about_is_unknown(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    number = send(ledger, "invoice:7", "invoice:8")
    ledger.record_answer(number, outcomes=[Outcome("invoice:8", "applied", quickbooks_id="5-2")])
    assert statuses(ledger) == {"invoice:7": "unknown", "invoice:8": "applied"}


def test_an_answer_for_a_stranger_records_nothing(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    number = send(ledger, "invoice:7")
    with pytest.raises(LedgerError, match="invoice:8 is not in message set"):
        ledger.record_answer(
            number, outcomes=[Outcome("invoice:7", "applied"), Outcome("invoice:8", "applied")]
        )
    assert ledger.unanswered() is not None
    assert ledger.operation("invoice:7").status == "sent"


def test_nothing_is_written_before_a_lost_answer_is_recovered(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    number = send(ledger, "invoice:7")
    with pytest.raises(LedgerError, match="recovered first"):
        send(ledger, "invoice:8", set_id=SET_ID + "2")
    with pytest.raises(IllegalTransition, match="lost from sight"):
        ledger.abandon_set(number)
    later = ledger.open_session("wc")
    again = ledger.resend(number, later)
    assert (again.text, again.set_id, again.session, again.tries) == (b"<QBXML/>", SET_ID + "1", later, 2)
    ledger.record_answer(number, outcomes=[Outcome("invoice:7", "applied", quickbooks_id="5-1")])
    with pytest.raises(LedgerError, match="nothing to recover"):
        ledger.resend(number, later)


def test_a_set_refused_whole_is_pending_again_and_counts_as_an_attempt(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    number = send(ledger, "invoice:7", "invoice:8")
    back = [Outcome(key, "pending") for key in ("invoice:7", "invoice:8")]
    ledger.record_answer(number, outcomes=back, set_status=REFUSED)
    assert [(found.key, found.attempts) for found in ledger.sendable(10)] == [
        ("invoice:7", 1),
        ("invoice:8", 1),
    ]
    assert ledger.uncleared() is None, "a refused set left nothing under its id"


def test_every_id_is_cleared_by_a_later_set_that_was_answered(ledger: Ledger) -> None:
    queue(ledger, *(operation(f"invoice:{number}", number) for number in (1, 2, 3)))
    first = send(ledger, "invoice:1", set_id="ONE")
    assert ledger.uncleared() is None
    ledger.record_answer(first, outcomes=[Outcome("invoice:1", "applied", quickbooks_id="1")], set_status=0)
    assert ledger.uncleared() == "ONE"
    second = send(ledger, "invoice:2", set_id="TWO", clears="ONE")
    assert ledger.uncleared() == "ONE", "the set that clears it may be lost"
    ledger.record_answer(second, outcomes=[Outcome("invoice:2", "applied", quickbooks_id="2")], set_status=0)
    assert ledger.uncleared() == "TWO"


def test_an_unknown_operation_is_looked_up_and_never_resent(ledger: Ledger) -> None:
    job = queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    number = send(ledger, "invoice:7", "invoice:8")
    ledger.record_answer(number, set_status=9002)
    ledger.set_job(job, "complete")
    assert ledger.sendable(10) == []
    asked = ledger.open_set(
        ledger.open_session("wc"), "lookup", None, b"<QBXML/>", ["invoice:7", "invoice:8"]
    )
    found = Outcome("invoice:7", "applied", quickbooks_id="5-1")
    absent = Outcome("invoice:8", "pending")
    assert ledger.record_answer(asked, outcomes=[found, absent])
    assert statuses(ledger) == {"invoice:7": "applied", "invoice:8": "skipped"}
    assert "queue it again" in str(ledger.operation("invoice:8").status_message)


def test_only_the_unknown_is_looked_up(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"))
    with pytest.raises(IllegalTransition):
        ledger.open_set(ledger.open_session("wc"), "lookup", None, b"<QBXML/>", ["invoice:7"])


def test_a_set_that_writes_needs_an_id_and_a_session(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"))
    with pytest.raises(LedgerError, match="needs an id"):
        ledger.open_set(ledger.open_session("wc"), "write", None, b"", ["invoice:7"])
    with pytest.raises(LedgerError, match="no session"):
        ledger.open_set("nobody", "write", SET_ID, b"", ["invoice:7"])


def test_the_sets_of_a_job_are_kept_with_their_text(ledger: Ledger) -> None:
    job = queue(ledger, operation("invoice:7"))
    other = queue(ledger, operation("invoice:8"))
    number = send(ledger, "invoice:7")
    assert [found.id for found in ledger.message_sets(job)] == [number]
    assert ledger.message_sets(other) == []
    assert ledger.message_set(number).text == b"<QBXML/>"


# --- imports ----------------------------------------------------------------------------------------------


def test_an_import_goes_page_by_page(ledger: Ledger) -> None:
    wanted = {"name": "ItemQuery", "fields": {"ActiveStatus": "All"}, "iterate": True}
    job = ledger.add_import("items", [wanted, {"name": "TermsQuery", "since": "8.0"}])
    first, second = ledger.queries(job)
    assert (first.fields, first.iterate, first.position) == ({"ActiveStatus": "All"}, True, 1)
    assert (second.name, second.since, second.iterate) == ("TermsQuery", "8.0", False)
    ledger.open_set(ledger.open_session("wc"), "read", None, b"<QBXML/>", [first.id])
    assert (ledger.query(first.id).status, ledger.job(job).status) == ("running", "running")
    ledger.update_query(first.id, pages=1, records=500, iterator_id="{1}", remaining=20)
    assert ledger.next_query(job) == ledger.query(first.id), "it has more pages"
    assert ledger.add_page(job, first.id, "inbox/a.xml.zst", 500)
    assert not ledger.add_page(job, first.id, "inbox/a.xml.zst", 500), "the same answer again"
    ledger.update_query(first.id, status="done", records=520, iterator_id="", remaining=0)
    found = ledger.query(first.id)
    assert (found.status, found.records, found.pages, found.iterator_id) == ("done", 520, 1, None)
    assert ledger.next_query(job) == second
    ledger.update_query(second.id, status="done")
    assert ledger.next_query(job) is None
    with pytest.raises(IllegalTransition):
        ledger.update_query(first.id, status="pending")


def test_an_iterator_ends_with_its_session(ledger: Ledger) -> None:
    job = ledger.add_import("items", [{"name": "ItemQuery", "iterate": True}])
    [query] = ledger.queries(job)
    ticket = ledger.open_session("wc")
    number = ledger.open_set(ticket, "read", None, b"<QBXML/>", [query.id])
    ledger.record_answer(number)
    ledger.update_query(query.id, pages=1, records=500, iterator_id="{1}", remaining=20)
    ledger.add_page(job, query.id, "inbox/a.xml.zst", 500)
    ledger.open_set(ticket, "read", None, b"<QBXML/>", [query.id])
    ledger.open_session("wc")
    found = ledger.query(query.id)
    assert (found.status, found.pages, found.records, found.iterator_id) == ("pending", 0, 0, None)
    assert ledger.pages(job) == [], "a page of the broken iterator lands no more"
    assert ledger.unanswered() is None
    assert not ledger.record_answer(number + 1), "a late answer of a read that was given up"


def test_answers_landed_by_hand_are_nobodys_to_serve(ledger: Ledger) -> None:
    job = ledger.add_import("land", [], started=True)
    ledger.add_page(job, None, "inbox/a.xml.zst", 7)
    assert ledger.next_job() is None
    ledger.set_job(job, "complete")
    assert to_rows(ledger.jobs())[0]["total"] == 7


def test_an_import_may_be_cancelled_once_its_session_is_over(ledger: Ledger) -> None:
    job = ledger.add_import("items", [{"name": "ItemQuery"}])
    ticket = ledger.open_session("wc")
    ledger.open_set(ticket, "read", None, b"<QBXML/>", [ledger.queries(job)[0].id])
    with pytest.raises(IllegalTransition, match="with QuickBooks"):
        ledger.cancel(job, "ann")
    ledger.close_session(ticket, "lost")
    ledger.cancel(job, "ann")
    assert ledger.job(job).ended


def test_a_query_needs_a_name_and_nothing_unheard_of(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="must have a name"):
        ledger.add_import("items", [{"fields": {}}])
    with pytest.raises(LedgerError, match="no key page_size"):
        ledger.add_import("items", [{"name": "ItemQuery", "page_size": 1}])
    assert ledger.jobs().empty


# --- sessions ---------------------------------------------------------------------------------------------


def test_a_silent_session_is_taken_over(ledger: Ledger, clock: Clock) -> None:
    first = ledger.open_session("wc", version="13.0")
    clock.pass_seconds(59)
    live = ledger.live_session(60)
    assert live is not None
    assert (live.ticket, live.facts) == (first, {"version": "13.0"})
    ledger.touch(first)
    clock.pass_seconds(59)
    assert ledger.live_session(60) is not None
    clock.pass_seconds(1)
    assert ledger.live_session(60) is None
    second = ledger.open_session("wc")
    old = ledger.session(first)
    assert old is not None
    assert (old.closed_at, old.outcome) == (clock.time, "taken over by a later session")
    last = ledger.last_session()
    assert last is not None
    assert last.ticket == second != first
    assert ledger.session("nobody") is None


def test_a_late_answer_of_a_session_taken_over_is_recorded(ledger: Ledger) -> None:
    queue(ledger, operation("invoice:7"))
    number = send(ledger, "invoice:7")
    ledger.open_session("wc")
    assert ledger.record_answer(number, outcomes=[Outcome("invoice:7", "applied", quickbooks_id="5-1")])
    assert ledger.operation("invoice:7").txn_id == "5-1"


def test_a_closed_session_keeps_its_outcome_and_its_error(ledger: Ledger) -> None:
    ticket = ledger.open_session("wc")
    ledger.set_session_error(ticket, "another company file")
    ledger.update_session(ticket, company_file="C:\\Books\\Acme.qbw")
    ledger.close_session(ticket, "refused")
    ledger.close_session(ticket, "again")
    found = ledger.session(ticket)
    assert found is not None
    assert (found.outcome, found.error) == ("refused", "another company file")
    assert found.facts == {"company_file": "C:\\Books\\Acme.qbw"}
    assert ledger.live_session(60) is None


def test_the_first_company_seen_is_the_one_that_counts(ledger: Ledger) -> None:
    assert ledger.learn("company_name", "Acme") == "Acme"
    assert ledger.learn("company_name", "Other") == "Acme"
    assert ledger.learned() == {"company_name": "Acme"}
    assert ledger.learn("company_name", "Acme Inc", replace=True) == "Acme Inc"
    assert ledger.learned() == {"company_name": "Acme Inc"}


# --- decisions and the crosswalk ----------------------------------------------------------------------------


def _decided(code: str | None, decision: str | None, note: str | None = None) -> dict[str, Any]:
    return {"contract_code": "GOLD", "price_code": code, "decision": decision, "note": note}


def test_the_newest_decision_stands_and_the_old_ones_are_kept(ledger: Ledger, clock: Clock) -> None:
    stamps = [ledger.decisions_stamp()]
    assert ledger.decide("charge_items", [_decided("A", "Fee"), _decided(None, "(none)")], "ann") == 2
    stamps.append(ledger.decisions_stamp())
    clock.pass_seconds(60)
    assert ledger.decide("mapping.charge_items", [_decided("A", "Fees", "renamed")], "bob") == 1
    stamps.append(ledger.decisions_stamp())
    assert len(set(stamps)) == 3
    rows = {row["price_code"]: row for row in to_rows(ledger.decisions("charge_items"))}
    assert rows[None]["decision"] == "(none)"
    found = [rows["A"][name] for name in ("decision", "note", "decided_by", "decided_at")]
    assert found == ["Fees", "renamed", "bob", clock.time]
    told = [(row["decision"], row["who"]) for row in ledger.decision_history("charge_items", ["GOLD", "A"])]
    assert told == [("Fee", "ann"), ("Fees", "bob")]


def test_the_same_decision_again_changes_nothing(ledger: Ledger) -> None:
    ledger.decide("charge_items", [_decided("A", "Fee", "why")], "ann")
    stamp = ledger.decisions_stamp()
    assert ledger.decide("charge_items", [_decided("A", "Fee", "why"), _decided("B", None)], "bob") == 0
    assert ledger.decisions_stamp() == stamp


def test_a_decision_is_withdrawn_not_deleted(ledger: Ledger) -> None:
    ledger.decide("charge_items", [_decided("A", "Fee")], "ann")
    assert ledger.decide("charge_items", [_decided("A", None, "not sure")], "bob") == 1
    assert ledger.decide("charge_items", [_decided("A", None, "not sure")], "bob") == 0
    assert ledger.decisions("charge_items").empty
    history = ledger.decision_history("charge_items", ["GOLD", "A"])
    assert [(row["decision"], row["note"]) for row in history] == [("Fee", None), (None, "not sure")]


def test_a_decision_of_the_wrong_shape_is_refused_whole(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no column item"):
        ledger.decide("charge_items", [_decided("A", "Fee"), _decided("B", "Fee") | {"item": "x"}], "ann")
    with pytest.raises(LedgerError, match="needs a value for contract_code"):
        ledger.decide("charge_items", [{"price_code": "A", "decision": "Fee"}], "ann")
    with pytest.raises(LedgerError, match=r"no table mapping\.colours"):
        ledger.decide("colours", [], "ann")
    with pytest.raises(LedgerError, match="name of the person"):
        ledger.decide("charge_items", [_decided("A", "Fee")], "")
    assert ledger.decisions("charge_items").empty


def test_an_item_entered_by_hand_keeps_its_exact_price(ledger: Ledger) -> None:
    item = {"name": "Fees:Setup", "item_type": "Service", "income_account_full_name": "Sales"}
    assert ledger.add_item(item | {"price": Decimal("12.50000")}, "ann") == 1
    assert ledger.add_item(item | {"price": Decimal("12.50000")}, "ann") == 0
    assert ledger.add_item(item | {"price": Decimal("0.10")}, "ann") == 1
    [row] = to_rows(ledger.local_items())
    assert (row["price"], row["entered_by"]) == (Decimal("0.10000"), "ann")
    with pytest.raises(LedgerError, match="income_account_full_name"):
        ledger.add_item({"name": "X", "item_type": "Service"}, "ann")


def test_a_waiver_needs_its_reason(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="needs its reason"):
        ledger.waive("abc", "ann", " ")
    assert ledger.waive("abc", "ann", "checked by phone")
    assert not ledger.waive("abc", "ann", "checked by phone")
    assert ledger.waivers()["abc"]["note"] == "checked by phone"
    assert ledger.withdraw_waiver("abc", "bob")
    assert ledger.waivers() == {}


def test_what_listens_is_told_of_decisions_after_they_are_committed(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    path = tmp_path / "ledger.sqlite"
    other = Ledger(path)
    ledger = Ledger(path, on_decided=lambda table: told.append((table, len(other.decisions(table)))))
    ledger.decide("charge_items", [_decided("A", "Fee")], "ann")
    ledger.decide("charge_items", [_decided("A", "Fee")], "ann")
    ledger.waive("abc", "ann", "why")
    assert told == [("mapping.charge_items", 1)]
    ledger.close()
    other.close()


def test_a_carried_document_never_turns_into_one_of_ours(ledger: Ledger) -> None:
    carried = _bound("INV-1", "5-1", origin="quickbooks", amount=Decimal("10.00"))
    assert ledger.bind([carried]) == 1
    assert ledger.bind([carried]) == 0
    assert ledger.bind([_bound("INV-1", "5-1", edit_sequence="2")]) == 1
    [row] = to_rows(ledger.crosswalk())
    assert (row["origin"], row["edit_sequence"], row["amount"]) == ("quickbooks", "2", Decimal("10.00"))


def test_a_record_that_stands_twice_in_what_is_bound_is_one_with_all_that_is_said(ledger: Ledger) -> None:
    first = _bound("1", "5-1", origin=None, amount=Decimal("10.00"), ref_number=None, bound_at=None)
    assert ledger.bind([first, _bound("1", "5-1", ref_number="77", amount=None), _bound("2", "5-2")]) == 3
    rows = {row["key"]: row for row in to_rows(ledger.crosswalk())}
    assert (rows["1"]["ref_number"], rows["1"]["amount"]) == ("77", Decimal("10.00"))
    assert [rows[key]["origin"] for key in ("1", "2")] == ["billing", "billing"]
    assert ledger.bind([first, _bound("2", "5-2")]) == 0


def test_a_binding_without_its_key_binds_none(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no quickbooks_id"):
        ledger.bind([_bound("1", "5-1"), {"record_kind": "invoice", "key": "2"}])
    with pytest.raises(LedgerError, match="no column colour"):
        ledger.bind([_bound("1", "5-1", colour="red")])
    assert ledger.crosswalk().empty


def test_decisions_are_taken_over_with_who_and_when(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    ledger.decide("charge_items", [_decided("A", "Fee")], "ann")
    ledger.bind([_bound("1", "5-1")])
    decided_at = clock.time
    clock.pass_seconds(3600)
    live = Ledger(tmp_path / "live.sqlite", clock=clock)
    assert live.copy_decisions(ledger) == 1
    [row] = to_rows(live.decisions("charge_items"))
    assert (row["decided_by"], row["decided_at"]) == ("ann", decided_at)
    assert live.crosswalk().empty
    assert live.workspace_id != ledger.workspace_id
    live.close()


# --- the database keeps the law, whoever asks ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE operations SET status = 'rejected' WHERE status = 'pending'", "illegal transition"),
        ("UPDATE jobs SET status = 'draft'", "illegal transition"),
        ("UPDATE jobs SET status = 'finished'", "CHECK constraint|illegal transition"),
        ("UPDATE decisions SET decision = 'x'", "append-only"),
        ("UPDATE operation_history SET after = 'applied'", "append-only"),
        ("DELETE FROM decisions", "nothing is deleted"),
        ("DELETE FROM operations", "nothing is deleted"),
        ("UPDATE set_texts SET text = 'x'", "never changes"),
        ("UPDATE message_sets SET kind = 'read'", "never changes"),
        ("UPDATE operation_texts SET fields = '{}'", "append-only"),
        (
            "INSERT INTO operations"
            " (key, job, current, request, record_kind, position, status, depends_on)"
            " SELECT key, job, 1, request, record_kind, 9, 'pending', depends_on"
            " FROM operations LIMIT 1",
            "UNIQUE",
        ),
    ],
)
def test_raw_sql_cannot_break_the_law(ledger: Ledger, statement: str, complaint: str) -> None:
    queue(ledger, operation("invoice:7"), operation("invoice:8", 2))
    ledger.decide("charge_items", [_decided("A", "Fee")], "ann")
    send(ledger, "invoice:7")
    raw = sqlite3.connect(ledger.path)
    with pytest.raises(sqlite3.IntegrityError, match=complaint):
        raw.execute(statement)
    raw.close()


STEPS = st.one_of(
    st.tuples(st.just("job"), st.integers(1, 3), st.sampled_from(sorted(JOB_MOVES))),
    st.tuples(st.just("approve"), st.integers(1, 3), st.just("")),
    st.tuples(st.just("release"), st.integers(1, 3), st.just("")),
    st.tuples(st.just("queue"), st.just(0), st.sampled_from(["invoice:7", "payment:9"])),
    st.tuples(st.just("send"), st.just(0), st.sampled_from(["customer:1", "invoice:7", "payment:9"])),
    st.tuples(st.just("answer"), st.just(0), st.sampled_from(sorted(OPERATION_MOVES))),
    st.tuples(st.just("skip"), st.just(0), st.just("")),
)


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with a chain of three operations queued, to start each example from."""
    path = tmp_path_factory.mktemp("queued") / "ledger.sqlite"
    ledger = Ledger(path)
    queue(ledger, *CHAIN)
    ledger.close()
    return path


@given(steps=st.lists(STEPS, min_size=8, max_size=20))
@settings(max_examples=25)
def test_no_sequence_of_steps_leaves_the_graph(steps: list[tuple[str, int, str]], queued: Path) -> None:
    path = queued.with_name("example.sqlite")
    shutil.copy(queued, path)
    ledger = Ledger(path)
    raw = sqlite3.connect(path)
    for number, (what, job, word) in enumerate(steps):
        before = _content(raw)
        try:
            _take(ledger, what, job, word, number)
        except LedgerError:
            assert _content(raw) == before, f"{what} {word} was refused and still changed something"
    _hold_the_law(ledger)
    raw.close()
    ledger.close()


def _content(raw: sqlite3.Connection) -> list[Any]:
    tables = ("jobs", "operations", "message_sets", "set_members", "job_history", "operation_history")
    return [raw.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def _take(ledger: Ledger, what: str, job: int, word: str, number: int) -> None:
    if what == "job":
        ledger.set_job(job, word)
    elif what == "approve":
        ledger.approve(job, "ann")
    elif what == "release":
        ledger.release(job, "ann")
    elif what == "queue":
        ledger.add_export(plan(*(row for row in CHAIN if row["key"] == word)))
    elif what == "send":
        last = ledger.last_session()
        ticket = last.ticket if last else ledger.open_session("wc")
        ledger.open_set(ticket, "write", f"SET{number}", b"<QBXML/>", [word])
    elif what == "answer":
        found = ledger.unanswered()
        if found is not None:
            ledger.record_answer(found.id, outcomes=[Outcome(found.members[0], word)])
    else:
        ledger.skip_blocked()


def _hold_the_law(ledger: Ledger) -> None:
    for job in to_rows(ledger.jobs()):
        history = ledger.job_history(job["id"])
        assert history[-1]["after"] == job["status"]
        for earlier, later in itertools.pairwise(history):
            assert later["before"] == earlier["after"]
            assert later["after"] in JOB_MOVES[later["before"]]
        assert job["status"] != "complete" or job["pending"] == 0
    for key, status in statuses(ledger).items():
        history = ledger.history(key)
        assert history[-1]["after"] == status
        for earlier, later in itertools.pairwise(history):
            again = later["before"] is None and earlier["after"] in ("rejected", "skipped", "undone")
            assert again or later["after"] in OPERATION_MOVES[later["before"]]
            assert again or later["before"] == earlier["after"]
        sent = [row for row in history if row["after"] == "sent"]
        applied = [row for row in history if row["after"] == "applied"]
        assert len(applied) <= min(1, len(sent)), f"{key} was applied twice"


# --- threads, files, versions -------------------------------------------------------------------------------


def test_two_threads_queue_and_read_without_losing_anything(open_ledger: Callable[[], Ledger]) -> None:
    shared, other = open_ledger(), open_ledger()
    problems: list[BaseException] = []
    start = threading.Barrier(4)

    def work(ledger: Ledger, first: int) -> None:
        try:
            start.wait()
            for number in range(first, first + 10):
                ledger.add_export(plan(operation(f"invoice:{number}")), approved_by="ann")
                ledger.sendable(5)
        except BaseException as problem:
            problems.append(problem)

    # Two threads of one ledger, a second ledger on the same file, and one that queues the same again.
    arguments = [(shared, 0), (shared, 10), (other, 20), (other, 0)]
    threads = [threading.Thread(target=work, args=pair) for pair in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(shared.operations()) == 30
    assert len(shared.jobs()) == 30
    assert to_rows(shared.jobs()) == to_rows(other.jobs())


def test_a_large_job_is_queued_and_counted_in_good_time(ledger: Ledger) -> None:
    rows = [operation(f"invoice:{number}", number) for number in range(1, 3001)]
    job = queue(ledger, *rows)
    assert to_rows(ledger.jobs())[0]["pending"] == 3000
    assert [found.position for found in ledger.sendable(50)] == list(range(1, 51))
    ledger.cancel(job, "ann")
    assert to_rows(ledger.jobs())[0]["skipped"] == 3000


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_bytes(b"this is a text and no database at all, and long enough to tell" * 20)
    with pytest.raises(LedgerError, match="not even a database"):
        Ledger(text)
    foreign = tmp_path / "foreign.sqlite"
    raw = sqlite3.connect(foreign)
    raw.execute("CREATE TABLE songs (name)")
    raw.close()
    with pytest.raises(LedgerError, match="no ledger of this toolkit"):
        Ledger(foreign)


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError, match=r"has version 999 .* update this one"):
        Ledger(path)


def test_a_ledger_opened_again_is_the_same(open_ledger: Callable[[], Ledger]) -> None:
    first = open_ledger()
    queue(first, *CHAIN)
    first.close()
    again = open_ledger()
    assert again.workspace_id == first.workspace_id
    assert statuses(again) == statuses(first)


def test_a_copy_is_whole_and_apart(ledger: Ledger, tmp_path: Path) -> None:
    queue(ledger, *CHAIN)
    ledger.copy_to(tmp_path / "copy.sqlite")
    copy = Ledger(tmp_path / "copy.sqlite")
    copy.cancel(1, "ann")
    assert copy.workspace_id == ledger.workspace_id
    assert set(statuses(ledger).values()) == {"pending"}
    copy.close()
