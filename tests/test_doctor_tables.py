"""Whether the doctor sees what is half landed, wherever the process that landed it died."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cli_world
import pytest
from cli_world import Toolkit
from exchange_world import World, invoice

from toolkit import crash_points, doctor_tables, extract, staging
from toolkit.doctor_tables import landed, readable
from toolkit.errors import InputFileError, WorkspaceLocked
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

START = dt.datetime(2026, 1, 15, 12, 0)
INVOICES, LINES = "quickbooks.invoices", "quickbooks.invoice_lines"
GOOD = (True, "all that came is in the tables")


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ws(tmp_path: Path, clock: Clock) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "acme", company="Acme", password="pw", clock=clock) as made:
        yield made


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for renames a moment only."""
    monkeypatch.setattr(doctor_tables, "PATIENCE", 0.01)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


def answer(*txns: str, memo: str = "m", more: str = "") -> bytes:
    """Return an answer with an invoice of one line for each TxnID."""
    rows = "".join(
        f"<InvoiceRet><TxnID>{txn}</TxnID><TimeModified>2026-01-0{len(memo)}T00:00:00</TimeModified>"
        f"<EditSequence>{memo}</EditSequence><Memo>{memo}</Memo>"
        f"<InvoiceLineRet><TxnLineID>{txn}1</TxnLineID><Desc>{memo}</Desc></InvoiceLineRet></InvoiceRet>"
        for txn in txns
    )
    head = f'<InvoiceQueryRs statusCode="0" statusSeverity="Info" statusMessage="ok"{more}>'
    text = f"{head}{rows}</InvoiceQueryRs>"
    return f"<?xml version='1.0'?><QBXML><QBXMLMsgsRs>{text}</QBXMLMsgsRs></QBXML>".encode()


def age(folder: Path, seconds: float = 7200) -> None:
    """Let all files of a folder be of some time ago."""
    then = time.time() - seconds
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def as_left_at_each_crash_point(ws: Workspace, act: Callable[[], object]) -> list[Path]:
    """Return copies of a workspace as a process leaves it that dies at each place it passes, in order."""
    left: list[Path] = []

    def note(place: str) -> None:
        left.append(ws.path.with_name(f"died-{len(left):02}"))
        shutil.copytree(ws.path, left[-1])
        age(left[-1])

    crash_points.watch(note)
    try:
        act()
    finally:
        crash_points.watch(None)
    return left


def contents(ws: Workspace) -> list[tuple[str, str]]:
    """Return invoices and lines, each with what tells the old from the new."""
    memos = [(row["txn_id"], row["memo"]) for row in to_rows(ws.read(INVOICES))]
    return memos + [(row["txn_id"], row["description"]) for row in to_rows(ws.read(LINES))]


def test_a_fresh_workspace_is_good(ws: Workspace) -> None:
    assert landed(ws) == GOOD
    assert readable(ws) == (True, "0 tables, all readable")


def test_wherever_a_landing_dies_it_is_told_and_ended_as_told(
    ws: Workspace, clock: Clock, toolkit: Toolkit
) -> None:
    """Good means that all of an answer is in the tables, or none of it was taken; else what is said helps."""
    extract.receive(ws, answer("A", "B", memo="old"))
    (job,) = ws.queue_import("invoices")
    before, clock.now = contents(ws), START + dt.timedelta(hours=1)
    new = answer("A", "B", memo="newer")
    left = as_left_at_each_crash_point(ws, lambda: extract.receive(ws, new, job=job))
    after = contents(ws)
    assert before != after
    assert landed(ws) == GOOD
    seen = set()
    for folder in left:
        told = set()
        with Workspace(folder, clock=lambda: clock.now) as died:
            if contents(died) not in (before, after):
                seen.add("half")
                assert "while its tables took their places, and" in landed(died)[1], folder
            while (said := landed(died)) != GOOD:
                died.close()
                assert said not in told, "what was said did not help"
                told.add(said)
                seen.add(follow(said[1], died, new, job, toolkit))
            taken = died.ledger.job(job).status == "complete"
            assert contents(died) == (after if taken else before), folder
            assert taken or not died.ledger.pages(job), folder
    assert {"half", "land", "again", "delete"} <= seen


def follow(said: str, ws: Workspace, new: bytes, job: int, toolkit: Toolkit) -> str:
    """Do the first thing that the doctor says, and return which one it was."""
    if command := re.search(r"`toolkit (.* land .*)`", said):
        assert toolkit(*command[1].split()).code == 0, said
        return "land"
    if "Update Selected" in said:
        extract.receive(ws, new, job=job)  # QuickBooks is asked again
        return "again"
    (name,) = re.findall(r"\S+\.tmp", said)
    (ws.path / name).unlink()
    return "delete"


def test_an_import_that_broke_off_between_two_queries(ws: Workspace, clock: Clock) -> None:
    jobs = ws.queue_import("receivables")
    job = jobs[0]
    first, *rest = ws.ledger.queries(job)
    assert rest
    ticket = ws.ledger.open_session("blubilling")
    extract.receive(
        ws,
        answer("A", more=f' requestID="J{job}Q{first.id}P1"').replace(b"InvoiceQuery", first.name.encode()),
    )
    assert landed(ws) == (True, "an import is on its way in"), "a session is open"
    clock.now += dt.timedelta(hours=1)
    age(ws.path)
    good, said = landed(ws)
    assert not good
    assert said.startswith(
        f"job {job} (import:receivables) broke off, with 1 of {len(rest) + 1} queries answered"
    )
    assert "`toolkit serve`, and press Update Selected" in said
    ws.ledger.close_session(ticket, "OK")
    ws.ledger.hold(job, "ann")
    assert f"`toolkit release {job}`, and press" in landed(ws)[1]
    (page,) = ws.ledger.pages(job)
    (ws.path / page.path).unlink()
    good, said = landed(ws)
    assert f"job {job} cannot be landed, because {page.path} is gone: put it back" in said
    ws.ledger.cancel(job, "ann")
    assert landed(ws) == GOOD


def test_files_that_are_being_written_are_left_alone(ws: Workspace) -> None:
    (job,) = ws.queue_import("invoices")
    with contextlib.suppress(InputFileError):
        extract.land(ws, [ws.path / "absent.xml"])
    ws.ledger.set_job(job, "running")
    (query,) = ws.ledger.queries(job)
    ws.ledger.add_page(job, query.id, ws.inbox_name(ws.save_answer(answer("A"))), 1)
    ws.ledger.update_query(query.id, status="done", pages=1, records=1)
    written = ws.path / "quickbooks" / ".invoices.parquet.0011aabb.tmp"
    written.write_bytes(b"half a table")
    assert landed(ws) == (True, "an import is on its way in")
    age(ws.path, 120)
    good, said = landed(ws)
    assert not good
    assert said.startswith(f"all answers of job {job} came, and the tables may not have them: `toolkit -w ")
    assert "may not have them: stop `toolkit serve`, then `toolkit -w " in landed(ws, served=True)[1]
    extract.land_job(ws, job)
    assert landed(ws) == GOOD
    assert not written.exists()


def test_files_that_were_left(ws: Workspace) -> None:
    (ws.path / ".workspace.toml.0011aabb.tmp").write_bytes(bytes(1_500_000))
    assert landed(ws) == GOOD, "somebody may just write it"
    age(ws.path)
    said = landed(ws)
    assert said == (
        False,
        ".workspace.toml.0011aabb.tmp is left of what broke off (1.5 MB): delete while nothing runs",
    )
    (ws.path / "inbox" / ".answer.0011aabb.tmp").write_bytes(b"x")
    age(ws.path)
    assert landed(ws)[1].startswith("2 files like .workspace.toml.0011aabb.tmp are left of what broke off")


def test_what_the_next_landing_removes_or_needs_nobody_is_told_to_delete(ws: Workspace) -> None:
    staged = ws.path / staging.FOLDER
    staged.mkdir()
    (staged / "0011aabb.spill").write_bytes(b"x")
    (ws.path / "quickbooks" / ".items.parquet.0011aabb.tmp").write_bytes(b"x")
    age(ws.path)
    assert landed(ws) == GOOD


def test_a_landing_by_hand_that_died_before_its_answer_was_kept(ws: Workspace) -> None:
    job = ws.ledger.add_import("land", [], started=True)
    assert landed(ws) == (
        False,
        f"job {job} was begun by hand and has no answer: `toolkit cancel {job}`, and land it again",
    )
    ws.ledger.cancel(job, "ann")
    assert landed(ws) == GOOD


def test_an_import_that_failed_leaves_its_tables_as_they_were(ws: Workspace) -> None:
    (job,) = ws.queue_import("invoices")
    extract.receive(ws, b"<QBXML>", job=job)
    good, said = landed(ws)
    assert not good
    assert said.startswith(f"job {job} failed, and invoices may be old: `toolkit jobs` says why")
    (again,) = ws.queue_import("invoices")
    extract.receive(ws, answer("A"), job=again)
    assert landed(ws) == GOOD


def test_an_answer_after_the_end_of_its_job_that_could_not_be_landed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another command wrote to the tables when it came."""
    world = World.make(tmp_path)
    job = world.export(invoice("A1", "1.00"))
    while world.statuses()["invoice:A1"] != "unknown":
        ticket = world.open()
        world.company.process(world.ask(ticket, first=True))
        world.answer(ticket, "garbage")
        world.exchange.close(ticket)
    world.ws.ledger.set_job(job, "cancelled")
    ticket = world.open()
    text = world.ask(ticket, first=True)
    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "lock", _locked)
        assert world.carry(ticket, text) < 0
        age(world.ws.path)
        assert landed(world.ws) == (True, "an import is on its way in"), "its session may still land it"
        world.exchange.close(ticket)
    good, said = landed(world.ws, served=True)
    assert not good
    assert said == (
        f"answers to job {job} came after the end of it, and the tables may not have them: "
        "press Update Selected: it lands them"
    )
    assert "start `toolkit serve`, then press Update Selected" in landed(world.ws)[1]
    world.clock.wait(61)
    assert world.authenticate() == ("", "none")
    assert [row["ref_number"] for row in to_rows(world.ws.read(INVOICES))] == ["A1"]
    assert landed(world.ws) == GOOD
    world.ws.close()


def _locked(ws: Workspace) -> None:
    raise WorkspaceLocked(str(ws.path), "process 7")


# --- parents and children -----------------------------------------------------------------------------------


@pytest.fixture
def two(ws: Workspace, clock: Clock, tmp_path: Path) -> tuple[Path, Path]:
    """Return the tables after a first and after a second import, of the same invoice in another state."""
    stored = (tmp_path / "first", tmp_path / "second")
    for place, memo in zip(stored, ("old", "newer"), strict=True):
        (job,) = ws.queue_import("invoices")
        extract.receive(ws, answer("A", memo=memo), job=job)
        shutil.copytree(ws.path / "quickbooks", place)
        clock.now += dt.timedelta(hours=1)
    age(ws.path)
    assert landed(ws) == GOOD
    return stored


@pytest.mark.parametrize("absent", [False, True])
def test_a_table_of_an_earlier_import_than_its_rows(
    ws: Workspace, two: tuple[Path, Path], toolkit: Toolkit, absent: bool
) -> None:
    """As after a copy of one file was put back, or one file was deleted."""
    invoices = ws.path / "quickbooks" / "invoices.parquet"
    if absent:
        invoices.unlink()
    else:
        shutil.copy(two[0] / "invoices.parquet", invoices)
    good, said = landed(ws)
    assert not good
    assert said.startswith(
        "invoice_lines: not of the same imports as the records they belong to: `toolkit -w "
    )
    command = re.search(r"`toolkit (.*)`", said)
    assert command
    assert toolkit(*command[1].split()).code == 0
    assert landed(ws) == GOOD
    assert contents(ws) == [("A", "newer"), ("A", "newer")]


def test_a_record_that_changed_without_its_rows_changing_hands(ws: Workspace, clock: Clock) -> None:
    """Rows of an earlier import than their record were kept on purpose."""
    (job,) = ws.queue_import("invoices")
    extract.receive(ws, answer("A"), job=job)
    (later,) = ws.queue_import("invoices")
    bare = re.sub(rb"<InvoiceLineRet>.*</InvoiceLineRet>", b"", answer("A"))
    clock.now += dt.timedelta(hours=1)
    extract.receive(ws, bare, job=later)
    assert [row["import_job"] for row in to_rows(ws.read(INVOICES))] == [later]
    assert [row["import_job"] for row in to_rows(ws.read(LINES))] == [job]
    assert landed(ws) == GOOD


def test_a_table_that_cannot_be_read_is_another_checks_business(
    ws: Workspace, two: tuple[Path, Path]
) -> None:
    invoices = ws.path / "quickbooks" / "invoices.parquet"
    invoices.write_bytes(invoices.read_bytes()[:-20])
    assert landed(ws) == GOOD
    assert not readable(ws)[0]


def test_a_damaged_list_of_renames_is_told_too(ws: Workspace) -> None:
    (ws.path / ".landing.json").write_bytes(b"[")
    assert landed(ws)[1].startswith("a landing broke off while its tables took their places: `toolkit -w ")


def test_a_damaged_table_is_named_with_its_remedy(ws: Workspace) -> None:
    ws.write("billing.plans", from_rows("billing.plans", []))
    assert readable(ws) == (True, "1 table, all readable")
    path = ws.path / "billing" / "plans.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    good, message = readable(ws)
    assert not good
    assert "billing.plans" in message
    assert "toolkit" in message
    assert "load" in message
