"""What a call of the Web Connector asks the ledger: the same few questions, whatever there is in it.

No timing is a test: statements are counted, and SQLite says how it would look for the rows.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from exchange_world import World, invoice, payment
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal_company import ACME
from sqlalchemy import bindparam, event, select

from toolkit import crash_points, ledger_store
from toolkit.errors import LedgerError
from toolkit.ledger import Ledger, Outcome
from toolkit.ledger_schema import operations
from toolkit.ledger_statements import Statement, handle_of
from toolkit.tables import from_rows

LARGE = ("operations", "message_sets", "set_members", "operation_history", "dependencies", "crosswalk")
SET_SIZE = 5
BOUNDS = ("BEGIN IMMEDIATE", "COMMIT")


@contextmanager
def overheard(ledger: Ledger) -> Iterator[list[str]]:
    """Give every statement that SQLite runs for a ledger from now on."""
    said: list[str] = []

    def trace(connection: sqlite3.Connection, record: object) -> None:
        connection.set_trace_callback(lambda text: None if text.startswith("--") else said.append(text))

    event.listen(ledger._engine, "connect", trace)
    ledger.close()  # the connections that are open would not tell
    try:
        yield said
    finally:
        event.remove(ledger._engine, "connect", trace)
        ledger.close()


def world_with(folder: Path, documents: int, sent: int) -> World:
    """Return a world with an export of invoices and their payments, so many of which are through."""
    world = World.make(folder, set_size=str(SET_SIZE))
    bills = [invoice(f"A{n}", "10.00") for n in range(documents)]
    world.export(*bills, *(payment(f"P{n}", "10.00", ACME, f"A{n}") for n in range(documents)))
    ledger = world.ws.ledger
    ticket = ledger.open_session("before")
    for number in range(sent):
        ready = ledger.sendable(SET_SIZE)
        keys = [one.key for one in ready]
        pk = ledger.open_set(ticket, "write", f"S{number:019}", b"x", keys, ledger.uncleared())
        told = [Outcome(key, "applied", 0, None, f"{number:X}-{place}") for place, key in enumerate(keys)]
        ledger.record_answer(pk, inbox_path=f"inbox/{number}", outcomes=told, set_status=0)
    ledger.end_sessions("done")
    return world


def ask(world: World, ticket: str, *, first: bool = False) -> str:
    """Call sendRequestXML, checks and all."""
    hcp = world.hcp() if first else ""
    return world.exchange.next_request(ticket, hcp, world.company.file_path, "US", 13, 0)


def statements_a_round(world: World) -> list[tuple[str, int]]:
    """Return for some rounds in a session which kind of set it was, and how many statements it took."""
    rounds = []
    with overheard(world.ws.ledger) as said:
        ticket = world.open()
        for number in range(6):
            said.clear()
            text = ask(world, ticket, first=not number)
            world.answer(ticket, world.company.process(text))
            kind = "write" if "newMessageSetID" in text else "check"
            # What the two calls say of the clock comes at most once a second.
            counted = [one for one in said if "seen_at=" not in one and one not in BOUNDS]
            rounds.append((kind, len(counted)))
    return rounds[2:]  # the first two learn the company, and how far the job is


def test_a_set_takes_as_many_statements_in_a_large_ledger_as_in_a_small_one(tmp_path: Path) -> None:
    small = statements_a_round(world_with(tmp_path / "small", 40, 0))
    large = statements_a_round(world_with(tmp_path / "large", 600, 60))
    assert [kind for kind, _ in small] == ["check", "write"] * 2
    assert large == small
    assert max(count for _, count in small) < 60 + 12 * SET_SIZE, small


def plans(ledger: Ledger, said: list[str]) -> dict[str, list[str]]:
    """Return each statement with what SQLite would do for it."""
    with closing(sqlite3.connect(ledger.path)) as raw:
        asked = [one for one in dict.fromkeys(said) if one.split()[0] in ("SELECT", "UPDATE", "INSERT")]
        return {one: [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {one}")] for one in asked}


def scans(found: dict[str, list[str]]) -> list[str]:
    """Return the statements that look at every row of a table that grows."""
    wanted = [
        (text, step)
        for text, steps in found.items()
        for step in steps
        # The index of what is unknown holds these few rows only.
        if step.startswith("SCAN") and not step.endswith("USING INDEX operations_unknown")
    ]
    names = (*LARGE, "first", "changed", "begun", "later")
    return [f"{step}: {text[:300]}" for text, step in wanted if step.split()[1] in names]


def test_no_call_looks_at_every_row_of_what_grows(tmp_path: Path) -> None:
    world = world_with(tmp_path, 2 * SET_SIZE, 0)
    ledger = world.ws.ledger
    with overheard(ledger) as said:
        ticket = world.open()
        for number in range(7):  # two sets of invoices and one of payments, each after its check; and a check
            text = ask(world, ticket, first=not number)
            world.answer(ticket, world.company.process(text))
        assert "ReceivePaymentAdd" in ask(world, ticket)
        calls = list(said)
        world.exchange.close(ticket)  # lands what came so far, once a session: that reads a whole job
        said[:] = calls
        world.clock.wait(61)
        assert "ReceivePaymentAdd" in ask(world, world.open(), first=True)
        ledger.skip_blocked()
        ledger.progress(ledger.now())
        ledger.said_absent(["invoice:A1"])
        ledger.history("invoice:A1")
        ledger.message_set(1)
    found = plans(ledger, said)
    assert len(found) > 30
    assert scans(found) == []
    assert scans({"all": ["SCAN operations"]}), "this test can fail"


def test_lookups_look_at_the_unknown_only(tmp_path: Path) -> None:
    world = world_with(tmp_path, 30, 2)
    ledger = world.ws.ledger
    ticket = ledger.open_session("x")
    keys = [one.key for one in ledger.sendable(3)]
    pk = ledger.open_set(ticket, "write", "L" * 20, b"x", keys)
    ledger.record_answer(pk, outcomes=[Outcome(key, "unknown", message="lost") for key in keys])
    with overheard(ledger) as said:
        assert [one.key for one in ledger.lookups_due(9)] == keys
        ledger.bound(["0-1"])
        ledger.skip_blocked()
    assert scans(plans(ledger, said)) == []


# --- what is kept between calls is what a fresh look finds --------------------------------------------------


def chain(position: int, key: str, *depends_on: str) -> dict[str, object]:
    request = {"customer": "CustomerAdd", "payment": "ReceivePaymentAdd"}.get(
        key.split(":", maxsplit=1)[0], "InvoiceAdd"
    )
    fixed = {"fields": "{}", "record_kind": key.split(":", maxsplit=1)[0], "request": request}
    return {"position": position, "key": key, "depends_on": list(depends_on), **fixed}


def plan(job: int) -> list[dict[str, object]]:
    """Return a customer, its invoices and their payments; what the second job hangs on is in the first."""
    if job:
        return [chain(1, "payment:X", "invoice:0"), chain(2, "payment:Y", "invoice:never")]
    bills = [chain(n + 2, f"invoice:{n}", "customer:1") for n in range(4)]
    paid = [chain(n + 9, f"payment:{n}", f"invoice:{n}") for n in range(4)]
    return [chain(1, "customer:1"), *bills, *paid]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "lookup", "queue", "hold", "release", "look"]),
        st.lists(
            st.sampled_from(["applied", "applied", "rejected", "unknown", "silent"]), min_size=4, max_size=4
        ),
        st.sampled_from([0, 0, 0, 600]),
    ),
    max_size=9,
)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_a_ledger_that_looked_before_finds_what_a_fresh_one_finds(
    steps: list[tuple[str, list[str], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    ledger = Ledger(path)
    start = ledger.now()
    ledger.add_export(from_rows("plan.operations", plan(0)), approved_by="ann")
    ticket = ledger.open_session("x")
    for number, step in enumerate(steps):
        take(ledger, ticket, number, *step)
        fresh = Ledger(path)
        found = [
            (one.uncleared(), one.progress(start), one.next_job(), blocked(one)) for one in (ledger, fresh)
        ]
        fresh.close()
        assert found[0] == found[1], f"after step {number}"
        if step[0] == "look":
            assert ledger.skip_blocked() == len(found[0][3])
    ledger.close()


def blocked(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.looking() as handle:
        return sorted((row.key, row.first_key) for row in ledger._blocked(handle, committed=True))


def take(ledger: Ledger, ticket: str, number: int, what: str, said: list[str], status: int) -> None:
    if what in ("send", "lookup"):
        kind = "write" if what == "send" else "lookup"
        chosen = ledger.sendable(4) if kind == "write" else ledger.lookups_due(4)
        if chosen:
            set_id = f"S{number}" if kind == "write" else None
            clears = ledger.uncleared() if kind == "write" else None
            pk = ledger.open_set(ticket, kind, set_id, b"x", [one.key for one in chosen], clears)
            told = [
                Outcome(
                    one.key, word, quickbooks_id=f"{number}-{one.position}" if word == "applied" else None
                )
                for one, word in zip(chosen, said, strict=False)
                if word != "silent"
            ]
            ledger.record_answer(pk, outcomes=told, set_status=status)
    elif what == "queue":
        ledger.add_export(from_rows("plan.operations", plan(1)), approved_by="ann")
    elif what in ("hold", "release"):
        wanted = ("queued", "running") if what == "hold" else ("held",)
        if ledger.job(1).status in wanted:
            getattr(ledger, what)(1, "ann")


def test_what_could_not_be_committed_is_found_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.add_export(from_rows("plan.operations", plan(0)), approved_by="ann")
    ledger.skip_blocked()
    ledger.skip("customer:1", "nobody")

    def full(place: str) -> None:
        raise OSError(28, "no space left")

    crash_points.watch(full)
    try:
        with pytest.raises(OSError, match="no space"):
            ledger.skip_blocked()
    finally:
        crash_points.watch(None)
    # Rows of other things take the numbers in the history that were never committed.
    others = [chain(n, f"invoice:other {n}") for n in range(20)]
    ledger.add_export(from_rows("plan.operations", others), approved_by="ann")
    assert ledger.skip_blocked() == 8
    assert ledger.skip_blocked() == 0
    ledger.close()


def test_what_another_process_did_is_seen(tmp_path: Path) -> None:
    mine, other = (Ledger(tmp_path / "ledger.sqlite") for _ in range(2))
    mine.add_export(from_rows("plan.operations", plan(0)), approved_by="ann")
    start = dt.datetime(2000, 1, 1)
    assert (mine.skip_blocked(), mine.progress(start), mine.uncleared()) == (0, 0.0, None)
    other.skip("customer:1", "nobody")
    assert mine.progress(start) == 1 / 9
    assert mine.skip_blocked() == 8
    assert mine.progress(start) == 1.0
    mine.close()
    other.close()


# --- sessions, connections, statements ----------------------------------------------------------------------


def test_a_call_is_noted_once_a_second(tmp_path: Path) -> None:
    time = [dt.datetime(2026, 1, 5, 9, 0)]
    ledger = Ledger(tmp_path / "ledger.sqlite", clock=lambda: time[0])
    ticket = ledger.open_session("x")

    def seen_after(seconds: float) -> dt.datetime:
        time[0] += dt.timedelta(seconds=seconds)
        ledger.touch(ticket)
        session = ledger.session(ticket)
        assert session is not None
        return session.seen_at

    opened = time[0]
    assert seen_after(0.9) == opened
    assert seen_after(0.1) == opened + dt.timedelta(seconds=1)
    assert seen_after(-3600) == time[0], "a clock that was set back is believed"
    with pytest.raises(LedgerError, match="no session of that ticket"):
        ledger.touch("nobody")
    ledger.close()


def test_a_ledger_that_another_program_keeps_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_store, "BUSY_TIMEOUT_MS", 20)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with closing(sqlite3.connect(ledger.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="is busy: another program writes to it"):
            ledger.open_session("x")
        other.rollback()
    assert ledger.session(ledger.open_session("x")) is not None
    ledger.close()


def test_a_ledger_that_is_let_go_while_somebody_looks_is_let_go_after_that(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.looking() as handle:
        ledger.close()
        assert handle.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        handle.execute("SELECT 1")
    with pytest.raises(LedgerError, match="no such table"), ledger.looking() as handle:
        handle.execute("SELECT * FROM nowhere")
    assert ledger.next_job() is None, "it opens the file again"
    ledger.close()


def test_a_look_is_of_one_moment_and_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    count = "SELECT count(*) FROM sessions"
    with ledger.looking() as handle:
        assert handle.execute(count).fetchone() == (0,)
        ledger.open_session("x")
        assert handle.execute(count).fetchone() == (0,)
    with ledger.looking() as handle:
        assert handle.execute(count).fetchone() == (1,)
        handle.execute("UPDATE sessions SET outcome = 'x'")
    with ledger.looking() as handle:
        assert handle.execute(f"{count} WHERE outcome IS NULL").fetchone() == (1,)
    ledger.close()


def test_a_statement_keeps_types_and_takes_lists_of_any_length(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    rows = [
        chain(n, f"invoice:{n}") | {"amount": Decimal("1.10"), "txn_date": dt.date(2026, 1, n + 1)}
        for n in range(4)
    ]
    ledger.add_export(from_rows("plan.operations", rows), approved_by="ann")
    names = ("key", "amount", "txn_date", "current")
    wanted = operations.c.key.in_(bindparam("keys", expanding=True))
    statement = Statement(
        select(*(operations.c[name] for name in names)).where(wanted).order_by(operations.c.id)
    )
    with ledger.reading() as connection:
        connection.begin()
        handle = handle_of(connection)
        for keys in (["invoice:1"], [], ["invoice:0", "invoice:3"], ["invoice:2"]):
            found = statement.rows(handle, keys=keys)
            assert [row.key for row in found] == keys
            assert [type(value) for row in found[:1] for value in row] == [str, Decimal, dt.date, bool][
                : 4 * len(keys)
            ]
        assert statement.row(handle, keys=["none"]) is None
        assert statement.value(handle, keys=["invoice:2"]) == "invoice:2"
    ledger.close()


def test_many_operations_are_read_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    keys = [f"invoice:{n}" for n in range(1_100)]
    ledger.add_export(
        from_rows("plan.operations", [chain(n, key) for n, key in enumerate(keys)]), approved_by="ann"
    )
    assert [one.key for one in ledger.operations_by_keys(keys[::-1])] == keys[::-1]
    with pytest.raises(LedgerError, match="no operation invoice:x"):
        ledger.operations_by_keys([*keys, "invoice:x"])
    ticket = ledger.open_session("x")
    pk = ledger.open_set(ticket, "write", "S", b"x", keys[:2])
    done = Outcome(keys[0], "applied", quickbooks_id="F-1")
    ledger.record_answer(pk, outcomes=[done, Outcome(keys[1], "rejected", message="no")])
    assert ledger.quickbooks_ids([*keys, "invoice:x"]) == {keys[0]: "F-1"}
    assert ledger.status_messages([*keys, "invoice:x"]) == {keys[1]: "no"}
    ledger.close()
