"""The log of the server: a line of JSON an event, files that take turns, a console that holds up nobody."""

from __future__ import annotations

import datetime as dt
import errno
import io
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
from exchange_world import PASSWORD, World, customer, invoice
from lxml import etree
from web_connector_calls import document

from toolkit import event_log
from toolkit.errors import UsageError
from toolkit.event_log import LEVELS, LOG, Seldom, event, start
from toolkit.exchange import Exchange
from toolkit.rehearsal import WebConnector
from toolkit.wc_http import Server
from toolkit.workspace import Workspace
from toolkit.workspace_backup import backup

OTHER = logging.getLogger("toolkit.wc_cheroot")


@contextmanager
def logging_to(folder: Path, level: str = "info", *, console: bool = False) -> Iterator[None]:
    stop = start(folder, level, console=console)
    try:
        yield
    finally:
        stop()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a log, of which each must be a line."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


# --- what is told seldom ------------------------------------------------------------------------------------


def test_what_happens_all_the_time_is_told_of_once_a_minute_each() -> None:
    now = 1000.0
    seldom = Seldom(clock=lambda: now)
    told = []
    for second in range(180):
        now = 1000.0 + second
        told += [(second, what) for what in ("one", "other") for _ in range(5) if seldom(what)]
    assert told == [(second, what) for second in (0, 60, 120) for what in ("one", "other")]


def test_what_is_told_seldom_takes_only_so_much_memory() -> None:
    seldom = Seldom(clock=lambda: 0.0)
    assert [seldom(number) for number in range(5000)] == [True] * 5000
    assert len(seldom._told) == 1000
    assert not seldom(4999)
    assert seldom(0), "long forgotten"


# --- the file -----------------------------------------------------------------------------------------------


def test_an_event_is_a_line(tmp_path: Path) -> None:
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with logging_to(tmp_path):
        event("session_opened", session=4, address="::1", error=None)
        event("hresult", level=logging.WARNING, hresult="0x80040400", reason='two\nlines, "\u20ac\u2028"')
        event("odd", seconds=float("nan"), percent=2.5, reason="\udce9")
    opened, hresult, odd = lines_of(tmp_path / LOG)
    at = dt.datetime.fromisoformat(opened.pop("at"))
    assert at.utcoffset() == dt.timedelta(0)
    assert before <= at <= dt.datetime.now(dt.UTC)
    assert opened == {"level": "info", "event": "session_opened", "session": 4, "address": "::1"}
    assert (hresult["level"], hresult["hresult"]) == ("warning", "0x80040400")
    assert hresult["reason"] == 'two\nlines, "\u20ac\u2028"'
    assert (odd["seconds"], odd["percent"]) == ("nan", 2.5)


def test_only_what_may_be_told_is_told() -> None:
    with pytest.raises(ValueError, match="'customer', 'ticket'"):
        event("session_opened", ticket="x", customer="y")


@pytest.mark.parametrize(("level", "told"), [(name, LEVELS[place:]) for place, name in enumerate(LEVELS)])
def test_no_less_than_the_level_is_told(tmp_path: Path, level: str, told: tuple[str, ...]) -> None:
    with logging_to(tmp_path, level):
        for name in LEVELS:
            event(f"of_{name}", level=logging.getLevelNamesMapping()[name.upper()])
    assert [line["event"] for line in lines_of(tmp_path / LOG)] == [f"of_{name}" for name in told]


@pytest.mark.parametrize("level", ["loud", "", "INFO", "critical"])
def test_a_level_that_is_none_is_named(tmp_path: Path, level: str) -> None:
    with pytest.raises(UsageError, match=f"'{level}': take debug, info, warning or error"):
        start(tmp_path, level)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_before_there_is_something_to_tell_and_nothing_stays_behind(tmp_path: Path) -> None:
    loggers = logging.getLogger("toolkit")
    before = loggers.level, list(loggers.handlers), threading.active_count()
    with logging_to(tmp_path, "debug", console=True):
        assert len(loggers.handlers) == len(before[1]) + 2
        assert list(tmp_path.iterdir()) == []
    assert (loggers.level, loggers.handlers, threading.active_count()) == before
    event("nobody_listens")
    assert list(tmp_path.iterdir()) == []


def test_the_files_take_turns_and_no_line_is_lost_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (event_log.LOG_BYTES, event_log.LOG_FILES) == (5 * 1024 * 1024, 5)
    monkeypatch.setattr(event_log, "LOG_BYTES", 10_000)
    with logging_to(tmp_path):
        for number in range(2000):
            event("counted", job=number, reason="\u20ac" * 10)
    folder = (tmp_path / LOG).parent
    names = [LOG.name, *(f"{LOG.name}.{number}" for number in range(1, 6))]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name).stat().st_size <= 11_000 for name in names)
    kept = [line["job"] for name in reversed(names) for line in lines_of(folder / name)]
    assert kept == list(range(kept[0], 2000))
    assert len(kept) > 300


def test_a_file_that_cannot_be_put_aside_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held_open(*paths: object) -> None:  # as Windows says while somebody reads it
        raise PermissionError(errno.EACCES, "used by another process")

    monkeypatch.setattr(event_log, "LOG_BYTES", 1000)
    with logging_to(tmp_path):
        event("counted", job=0)
        monkeypatch.setattr("os.rename", held_open)
        for number in range(1, 100):
            event("counted", job=number)
    assert [line["job"] for line in lines_of(tmp_path / LOG)] == list(range(100))


@pytest.mark.parametrize("held", range(6))
def test_a_file_that_somebody_reads_costs_no_other_but_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """Windows renames and deletes no file that is open; the others are there once it is closed."""
    names = [LOG.name, *(f"{LOG.name}.{number}" for number in range(1, 6))]
    folder = (tmp_path / LOG).parent
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / name).write_text(f"kept {number}\n" + "x" * 3000 + "\n", encoding="utf-8")

    def kept() -> list[int]:
        texts = [(folder / name).read_text(encoding="utf-8") for name in names if (folder / name).exists()]
        return [int(found) for text in texts for found in re.findall(r"^kept (\d)$", text, re.MULTILINE)]

    def as_windows(done: Any) -> Any:
        def refuse(path: Any, *others: Any, **options: Any) -> Any:
            if Path(path).name == names[held]:
                raise PermissionError(errno.EACCES, "used by another process")
            return done(path, *others, **options)

        return refuse

    monkeypatch.setattr(event_log, "LOG_BYTES", 2000)
    with logging_to(tmp_path):
        with monkeypatch.context() as patch:
            for name in ("rename", "remove", "unlink"):
                patch.setattr(f"os.{name}", as_windows(getattr(os, name)))
            for number in range(20):
                event("counted", job=number)
        assert sorted(kept())[:5] == [0, 1, 2, 3, 4]
        event("counted", job=20)
    assert kept()[:5] == [0, 1, 2, 3, 4]
    assert not (folder / LOG.name).read_text(encoding="utf-8").startswith("kept")


class Full(io.StringIO):
    """A file on a disk that is full."""

    def write(self, text: str) -> int:
        super().write(text[:5])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_breaks_nothing_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path, console=True):
        event("first")
        with monkeypatch.context() as patch:
            patch.setattr(logging.FileHandler, "_open", lambda handler: Full())
            for handler in logging.getLogger("toolkit").handlers:
                if isinstance(handler, logging.FileHandler):
                    handler.close()
                    handler.stream = None  # type: ignore[assignment]
            for _ in range(3):
                event("lost")
        event("again")
    assert [line["event"] for line in lines_of(tmp_path / LOG)] == ["first", "again"]
    said = capsys.readouterr()
    assert said.out.count("server.jsonl cannot be written: No space left on device") == 1
    assert said.out.count(" lost\n") == 3
    assert said.err == ""


def test_a_folder_that_cannot_be_made_breaks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / LOG.parent).write_text("no folder", encoding="utf-8")
    with logging_to(tmp_path, console=True):
        event("first")
        event("second")
    said = capsys.readouterr()
    assert said.out.count("cannot be written") == 1
    assert said.out.count(" second\n") == 1
    assert said.err == ""


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.parent.mkdir()
    log.write_bytes(b'{"at": "2026')
    with logging_to(tmp_path):
        event("first")
    cut, whole, _ = log.read_text(encoding="utf-8").split("\n")
    assert cut == '{"at": "2026'
    assert json.loads(whole)["event"] == "first"


# --- other loggers ------------------------------------------------------------------------------------------


def test_what_others_log_is_a_line_too_without_what_an_error_says(tmp_path: Path) -> None:
    with logging_to(tmp_path):
        OTHER.info("%d bytes\nfrom %s", 5, "::1")
        try:
            raise KeyError("Acme Ltd")
        except KeyError:
            OTHER.exception("it broke")
        OTHER.warning("x" * 9000)
        logging.getLogger("someone.else").error("Acme Ltd")
    first, second, third = lines_of(tmp_path / LOG)
    assert (first["event"], first["logger"], first["text"]) == ("log", OTHER.name, "5 bytes\nfrom ::1")
    assert (second["level"], second["text"], second["error"]) == ("error", "it broke", "KeyError")
    assert third["text"] == "x" * 500
    assert "Acme" not in (tmp_path / LOG).read_text(encoding="utf-8")


# --- the console --------------------------------------------------------------------------------------------


def test_people_read_a_line_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path, console=True):
        event("set_sent", session=4, set="a1", bytes=12345)
        event("answer_taken", seconds=1.234, percent=40)
        event("refused", level=logging.WARNING, address="::1", reason="wrong\npassword")
        OTHER.info("for the file only")
        OTHER.warning("for both")
    lines = capsys.readouterr().out.splitlines()
    at = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "
    expected = [
        "set sent: session 4, set a1, 12,345 bytes",
        "answer taken: 1.2 seconds, 40 percent",
        "WARNING refused: ::1, wrong password",
        "WARNING for both",
    ]
    assert len(lines) == len(expected)
    for line, text in zip(lines, expected, strict=True):
        assert re.fullmatch(at + re.escape(text), line)


class Stuck(io.StringIO):
    """A terminal in which somebody selects text."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        self.free.wait(30)
        return super().write(text)


def test_a_console_that_nobody_reads_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck()
    monkeypatch.setattr(sys, "stdout", stuck)
    stop = start(tmp_path)
    began = time.monotonic()
    for number in range(3000):
        event("counted", job=number)
    assert time.monotonic() - began < 10
    stuck.free.set()
    deadline = time.monotonic() + 10
    while "counted: job 999" not in stuck.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    event("at_last")
    stop()
    assert len(lines_of(tmp_path / LOG)) == 3001
    shown = stuck.getvalue()
    assert re.search(r"^\((1,99\d|2,000) lines are missing here\)$", shown, re.MULTILINE)
    assert shown.endswith(" at last\n")


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_service_without_a_console_logs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str | None
) -> None:
    closed = io.StringIO()
    closed.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed if stream else None)
        with logging_to(tmp_path, console=True):
            event("first")
            event("second")
    assert [line["event"] for line in lines_of(tmp_path / LOG)] == ["first", "second"]


# --- a whole session ----------------------------------------------------------------------------------------

NAME = "Zebedee & Quux Ltd"
TRACES = ("Zebedee", "Quux", PASSWORD, "no such password", ".qbw")
"""Of a customer, of passwords and of a company file: nothing of it belongs into a log."""


class Line:
    """A Web Connector's line to a server, call by call."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, operation: str, **parts: object) -> list[str]:
        inner = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in parts.items())
        headers = {"Content-Type": "text/xml", "User-Agent": NAME, "X-Forwarded-For": NAME}
        reply = requests.post(self.url, document(operation, inner), headers=headers, timeout=20)
        result = etree.fromstring(reply.content)[0][0][0]
        return [child.text or "" for child in result] if len(result) else [result.text or ""]

    def ask(self, ticket: str, world: World) -> str:
        parts = {"strHCPResponse": world.hcp(), "strCompanyFileName": world.company.file_path}
        versions = {"qbXMLCountry": "US", "qbXMLMajorVers": 13, "qbXMLMinorVers": 0}
        return self.call("sendRequestXML", ticket=ticket, **parts, **versions)[0]


def go_wrong(line: Line, world: World, patch: pytest.MonkeyPatch) -> str:
    """Let all go wrong in a session that can, each time with the customer's name; return its ticket."""
    ticket, word = line.call("authenticate", strUserName=NAME, strPassword="no such password")
    assert (ticket, word) == ("", "nvu")
    ticket, _ = line.call("authenticate", strUserName=world.ws.user, strPassword=PASSWORD)
    assert "Query" in line.ask(ticket, world) or "CustomerAdd" in line.ask(ticket, world)
    (percent,) = line.call(
        "receiveResponseXML", ticket=ticket, response=f"<QBXML>{NAME}", hresult="", message=""
    )
    assert percent == "-1"
    line.ask(ticket, world)
    line.call("receiveResponseXML", ticket=ticket, response="", hresult="0x80040421", message=f"See {NAME}.")
    (said,) = line.call("getLastError", ticket=ticket)
    assert NAME in said
    with patch.context() as broken:
        broken.setattr(Exchange, "last_error", lambda exchange, ticket: {}[NAME])
        assert (
            "Internal error"
            in requests.post(
                line.url,
                document("getLastError", f"<ticket>{ticket}</ticket>"),
                headers={"Content-Type": "text/xml"},
                timeout=20,
            ).text
        )
    line.call("connectionError", ticket=ticket, hresult="0x80040408", message=NAME)
    line.call("closeConnection", ticket=ticket)
    requests.get(f"{line.url}{NAME}", timeout=20)
    for password in ("no such password", PASSWORD):
        requests.get(f"{line.url}support/jobs", auth=(world.ws.user, password), timeout=20)
    return ticket


@pytest.mark.slow
@pytest.mark.network
def test_a_session_leaves_no_customer_no_password_and_no_ticket_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World.make(tmp_path)
    world.export(customer("1", NAME), invoice("1", "10.00", of="customer:1"))
    tickets: list[str] = []
    with logging_to(world.ws.path, "debug", console=True):
        server = Server(world.ws, port=0)
        server.start()
        try:
            tickets.append(go_wrong(Line(server.url), world, monkeypatch))
            identity = {"owner_id": world.ws.owner_id, "file_id": world.ws.file_id}
            seen = {"authenticate": lambda result: tickets.append(result[0])}
            connector = WebConnector(
                server.url,
                world.ws.user,
                PASSWORD,
                world.company,
                on_call=lambda name, result: seen.get(name, lambda result: None)(result),
                **identity,
            )
            for _ in range(4):
                world.clock.wait(100)
                connector.run()
        finally:
            server.stop()
    assert world.statuses() == {"customer:1": "applied", "invoice:1": "applied"}
    log, shown = (world.ws.path / LOG).read_text(encoding="utf-8"), capsys.readouterr()
    told = lines_of(world.ws.path / LOG)
    assert {"session_opened", "set_sent", "answer_taken", "quickbooks_not_reached", "session_closed"} <= {
        line["event"] for line in told
    }
    assert [line for line in told if "incident" in line["event"] or "incident" in line.get("text", "")]
    assert len(shown.out.splitlines()) == len(told)
    assert shown.err == ""
    opened = [ticket for ticket in tickets if ticket]
    assert len(opened) >= 2
    for trace in (*TRACES, *opened, world.ws.file_id.strip("{}")):
        assert trace not in log
        assert trace not in shown.out


def test_the_log_stays_where_the_server_runs(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "acme", company="Acme", password=PASSWORD) as ws:
        with logging_to(ws.path):
            event("started")
        assert (ws.path / LOG).exists()
        assert LOG.as_posix() not in backup(ws.path, tmp_path / "acme.zip", whole=True).members
        ws.copy_to(tmp_path / "copy").close()
    assert not (tmp_path / "copy" / LOG.parent).exists()
