"""What the doctor reads in the log of a server that runs."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange_world import World

from toolkit import event_log, workspace_config
from toolkit.doctor import examine
from toolkit.doctor_log import errors, refused
from toolkit.errors import UsageError, WorkspaceLocked
from toolkit.exchange import Exchange
from toolkit.wc_attempts import Attempts
from toolkit.wc_events import Told
from toolkit.wc_guard import Guard
from toolkit.wc_server import incident
from toolkit.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "acme", company="Acme", password="pw") as made:
        yield made


@pytest.fixture
def logging_server(ws: Workspace) -> Iterator[None]:
    """Let what happens go to the log of the workspace, as `toolkit serve` does."""
    stop = event_log.start(ws.path, "info", console=False)
    yield
    stop()


def now() -> dt.datetime:
    return dt.datetime.now().astimezone()


def said_of(ws: Workspace, name: str) -> tuple[bool, str]:
    (found,) = [check for check in examine(ws, knock=lambda url: None) if check.name == name]
    return found.good, found.message


def test_there_is_no_log_yet(ws: Workspace) -> None:
    good, message = said_of(ws, "log")
    assert good
    assert "is not there yet" in message
    assert refused(ws.path, now()) is None


@pytest.mark.usefixtures("logging_server")
def test_a_fault_of_ours_is_told_by_its_number(ws: Workspace) -> None:
    event_log.event("started")
    assert said_of(ws, "log") == (True, f"no error in {event_log.LOG} since yesterday")
    number = incident("sendRequestXML", KeyError("a customer's name"))
    good, message = said_of(ws, "log")
    assert not good
    assert message.startswith(f"an error at {now():%Y-%m-%d} ")
    assert f"(incident {number})" in message
    assert "QBWC1012" in message
    event_log.event("page_failed", level=logging.ERROR, error="LedgerError")
    assert said_of(ws, "log")[1].startswith("2 errors, the last at ")
    assert "(LedgerError)" in said_of(ws, "log")[1]
    assert errors(ws.path, now() + dt.timedelta(hours=25))[0], "that was yesterday"


@pytest.mark.usefixtures("logging_server")
def test_an_error_that_the_web_connector_was_told_is_no_incident(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another command writes to the tables: the exchange tells it by getLastError."""
    world = World.make(tmp_path / "world")
    world.ws.queue_import("items")
    ticket = world.open()
    text = world.ask(ticket, first=True)
    monkeypatch.setattr(Workspace, "lock", _locked)
    assert world.carry(ticket, text) < 0
    assert "in use by process 7" in world.exchange.last_error(ticket)
    world.ws.close()
    good, message = said_of(ws, "log")
    assert not good
    assert "(WorkspaceLocked), of which getLastError told the Web Connector: press Update" in message
    assert "QBWC" not in message
    number = incident("sendRequestXML", KeyError("a customer's name"))
    event_log.event("session_not_opened", level=logging.ERROR, error="OSError")
    good, message = said_of(ws, "log")
    assert message.startswith("3 errors, the last at ")
    assert "(OSError): run this again after the next update; before it incident" in message
    assert f"before it incident {number}, which the Web Connector shows as QBWC1012" in message


@pytest.mark.usefixtures("logging_server")
def test_a_wrong_password_until_somebody_has_the_right_one(ws: Workspace) -> None:
    ws.queue_import("items")
    guard = Guard(Exchange(ws), ws, Attempts())
    assert guard.authenticate("blubilling", "wrong")[1] == "nvu"
    good, message = said_of(ws, "password")
    assert not good
    assert message.startswith(f"somebody gave a wrong user or password at {now():%Y-%m-%d} ")
    assert "QBWC1040" in message
    assert said_of(ws, "log")[0], "that is no fault of ours"
    assert guard.authenticate("blubilling", "pw")[0]
    assert said_of(ws, "password")[0]


@pytest.mark.usefixtures("logging_server")
def test_a_right_password_counts_where_there_is_nothing_to_do(ws: Workspace) -> None:
    """No session is opened then, and the log alone tells of it."""
    guard = Guard(Told(Exchange(ws)), ws, Attempts())
    assert guard.authenticate("blubilling", "wrong")[1] == "nvu"
    event_log.event("polled", outcome="busy")  # as where the workspace could not be read
    assert not said_of(ws, "password")[0]
    assert guard.authenticate("blubilling", "pw") == ("", "none")
    assert ws.ledger.last_session() is None
    assert said_of(ws, "password")[0]
    assert guard.authenticate("blubilling", "another wrong one")[1] == "nvu"
    assert not said_of(ws, "password")[0], "that came after it"
    event_log.event("session_opened", session="0011aabb")
    assert refused(ws.path, now()) is None


@pytest.mark.usefixtures("logging_server")
def test_a_workspace_that_could_not_be_read_is_no_wrong_password(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(Exchange(ws), ws, Attempts())
    with monkeypatch.context() as patch:
        patch.setattr(workspace_config, "load", _unreadable)
        assert guard.authenticate("blubilling", "pw")[1] == "busy"
    assert said_of(ws, "password")[0]
    assert "(UsageError)" in said_of(ws, "log")[1]


def _locked(ws: Workspace) -> None:
    raise WorkspaceLocked(str(ws.path), "process 7")


def _unreadable(folder: Path) -> None:
    raise UsageError("no")


def test_lines_that_are_none_are_left_out(ws: Workspace) -> None:
    place = ws.path / event_log.LOG
    place.parent.mkdir()
    line = {"at": dt.datetime.now(dt.UTC).isoformat(), "level": "error", "event": "ended", "error": "OSError"}
    other = ["[]", "{", "7", '{"at": 7}', '{"at": "2026-01-01T00:00:00"}', '{"at": "yesterday"}']
    place.write_bytes("\n".join([*other, json.dumps(line), '{"at": "2026']).encode() + b"\xff")
    good, message = said_of(ws, "log")
    assert not good
    assert message.startswith("an error at ")
    assert "(OSError)" in message
