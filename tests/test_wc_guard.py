"""Before the exchange: whoever guesses waits, and a server that ends opens no session."""

from __future__ import annotations

import base64
import http.client
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from web_connector_calls import AGENT, Reply, document

from toolkit import workspace_config
from toolkit.wc_attempts import FREE, Attempts
from toolkit.wc_guard import Guard
from toolkit.wc_http import Server
from toolkit.wc_server import Conversation
from toolkit.workspace import Workspace

RIGHT = "a right one"


class Fake:
    """An exchange that knows one password without hashing it."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.answer = "ticket", ""
        self.broken = False

    def authenticate(self, user: str, password: str) -> tuple[str, ...]:
        self.calls.append((user, password))
        if self.broken:
            raise RuntimeError(password)
        return self.answer if (user, password) == ("clerk", RIGHT) else ("", "nvu")

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        return f"next {ticket} {hcp} {company_file} {country} {major} {minor}"

    def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
        self.calls.append((ticket, response, hresult, message))
        return 7

    def last_error(self, ticket: str) -> str:
        return f"error {ticket}"

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        return f"connection {ticket} {hresult} {message}"

    def close(self, ticket: str) -> str:
        return f"close {ticket}"


class Clock:
    """Seconds, turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guard") / "acme"
    Workspace.create(folder, company="Acme", password=RIGHT, user="clerk").close()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exchange() -> Fake:
    return Fake()


@pytest.fixture
def guard(made: Path, exchange: Fake, clock: Clock) -> Guard:
    return Guard(exchange, Workspace(made), Attempts(clock))


def test_it_is_a_conversation_that_passes_everything_on(guard: Guard, exchange: Fake) -> None:
    conversation: Conversation = guard
    assert conversation.authenticate("clerk", RIGHT) == ("ticket", "")
    assert conversation.next_request("t", "h", "c", "US", 13, 0) == "next t h c US 13 0"
    assert conversation.take_answer("t", "r", "0x1", "m") == 7
    assert exchange.calls[-1] == ("t", "r", "0x1", "m")
    assert conversation.last_error("t") == "error t"
    assert conversation.connection_error("t", "0x1", "m") == "connection t 0x1 m"
    assert conversation.close("t") == "close t"


def test_who_waits_for_an_answer_is_told_where_the_exchange_wants_to_know(
    guard: Guard, exchange: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.receiving("t")
    seen: list[str] = []
    monkeypatch.setattr(exchange, "receiving", seen.append, raising=False)
    guard.receiving("t")
    assert seen == ["t"]


def test_the_same_wrong_password_never_reaches_the_exchange_again(guard: Guard, exchange: Fake) -> None:
    for _ in range(20):
        assert guard.authenticate("clerk", "typo") == ("", "nvu")
    assert exchange.calls == [("clerk", "typo")]
    assert guard.authenticate("clerk", RIGHT) == ("ticket", "")


def test_in_a_wait_it_is_busy_with_the_seconds_and_never_a_wrong_user(
    guard: Guard, exchange: Fake, clock: Clock
) -> None:
    for number in range(FREE + 1):
        assert guard.authenticate("clerk", f"wrong {number}") == ("", "nvu")
    before = len(exchange.calls)
    assert guard.authenticate("clerk", RIGHT) == ("", "busy", "1")
    assert guard.authenticate("clerk", "wrong 0") == ("", "nvu"), "known, so no secret"
    assert len(exchange.calls) == before
    clock.now += 1
    assert guard.authenticate("clerk", RIGHT) == ("ticket", "")


@pytest.mark.parametrize("answer", [("", "none"), ("t", r"C:\Books\Acme.qbw"), ("t", "")])
def test_what_was_right_is_right_in_the_next_wait(
    guard: Guard, exchange: Fake, answer: tuple[str, str]
) -> None:
    exchange.answer = answer
    assert guard.authenticate("clerk", RIGHT) == answer
    for number in range(FREE + 1):
        guard.authenticate("clerk", f"wrong {number}")
    assert guard.authenticate("clerk", "one more")[1] == "busy"
    assert guard.authenticate("clerk", RIGHT) == answer


def test_busy_says_nothing_of_the_password(guard: Guard, exchange: Fake) -> None:
    exchange.answer = "", "busy"
    assert guard.authenticate("clerk", RIGHT) == ("", "busy")
    for number in range(FREE + 1):
        guard.authenticate("clerk", f"wrong {number}")
    assert guard.authenticate("clerk", RIGHT) == ("", "busy", "1"), "never known to be right"


def test_a_password_that_is_changed_while_it_runs_counts_at_once(made: Path, clock: Clock) -> None:
    workspace = Workspace(made)
    exchange = Fake()
    guard = Guard(exchange, workspace, Attempts(clock))
    assert guard.authenticate("clerk", "new") == ("", "nvu")
    before = workspace_config.load(made)
    try:
        workspace_config.save(made, replace(before, password_hash="$another"))
        assert guard.authenticate("clerk", "new") == ("", "nvu")
        assert len(exchange.calls) == 2, "looked at again"
    finally:
        workspace_config.save(made, before)


def test_while_it_ends_no_session_is_opened_and_open_ones_go_on(guard: Guard, exchange: Fake) -> None:
    guard.stopping = True
    assert guard.authenticate("clerk", RIGHT) == ("", "busy")
    assert exchange.calls == []
    assert guard.take_answer("t", "r", "", "") == 7


def test_a_bug_of_the_exchange_stays_one_and_counts_for_nothing(guard: Guard, exchange: Fake) -> None:
    exchange.broken = True
    for number in range(3 * FREE):
        with pytest.raises(RuntimeError):
            guard.authenticate("clerk", f"wrong {number}")
    exchange.broken = False
    assert guard.authenticate("clerk", RIGHT) == ("ticket", "")


def test_a_workspace_that_cannot_be_read_is_busy(
    guard: Guard, exchange: Fake, made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = made / workspace_config.FILE
    kept = file.read_bytes()
    try:
        file.write_bytes(b"[")
        assert guard.authenticate("clerk", RIGHT) == ("", "busy")
    finally:
        file.write_bytes(kept)
    assert exchange.calls == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_the_log_has_the_address_and_neither_user_nor_password(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "toolkit")
    guard.authenticate("clerk", RIGHT)
    assert caplog.records == []
    for number in range(FREE + 1):
        guard.authenticate("a stranger", f"my secret {number}")
    guard.authenticate("a stranger", "my secret last")
    guard.authenticate("a stranger", "my secret 0")
    told = [(vars(r)["event"], vars(r)["fields"]) for r in caplog.records]
    assert {name for name, _ in told} == {"refused", "limited"}
    assert all("address" in fields for _, fields in told)
    assert ("limited", {"address": "", "seconds": 1}) in told
    text = repr([vars(record) for record in caplog.records])
    assert "stranger" not in text
    assert "secret" not in text


def call(port: int, password: str) -> list[str]:
    """Call authenticate as the Web Connector does, and return what it is told."""
    words = f"<strUserName>clerk</strUserName><strPassword>{password}</strPassword>"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "text/xml; charset=utf-8", "User-Agent": AGENT}
        connection.request("POST", "/", document("authenticate", words), headers)
        answer = connection.getresponse()
        return Reply(answer.status, {}, answer.read()).results
    finally:
        connection.close()


def page(port: int, password: str) -> tuple[int, str | None]:
    """Ask for a page behind the password, and return the status and how long to wait."""
    coded = base64.b64encode(f"clerk:{password}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/support/jobs", headers={"Authorization": f"Basic {coded}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


@pytest.mark.network
def test_a_server_makes_who_guesses_wait_whichever_way_he_asks(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("toolkit.wc_http.Attempts", lambda: Attempts(clock))
    checked: list[str] = []
    verify = Workspace.verify_password

    def noted(workspace: Workspace, user: str, password: str) -> bool:
        checked.append(password)
        return verify(workspace, user, password)

    monkeypatch.setattr(Workspace, "verify_password", noted)
    with Workspace(made) as workspace:
        server = Server(workspace, port=0)
        server.start()
        try:
            for _ in range(20):
                assert call(server.port, "typo") == ["", "nvu"]
            assert checked == ["typo"]
            for number in range(FREE):
                assert call(server.port, f"wrong {number}") == ["", "nvu"]
            clock.now += 1
            assert page(server.port, "wrong at the page") == (401, None)
            assert call(server.port, RIGHT) == ["", "busy", "2"]
            assert page(server.port, RIGHT) == (429, "2")
            assert call(server.port, "typo") == ["", "nvu"]
            before = len(checked)
            clock.now += 2
            assert call(server.port, RIGHT) == ["", "none"]
            assert page(server.port, RIGHT) == (200, None)
            assert checked[before:] == [RIGHT], "the page need not check it again"
        finally:
            server.stop()


def test_many_threads_cannot_guess_faster_than_one(made: Path, clock: Clock) -> None:
    exchange = Fake()
    guard = Guard(exchange, Workspace(made), Attempts(clock))
    start = threading.Barrier(8)

    def guess(who: int) -> None:
        start.wait()
        for number in range(20):
            guard.authenticate("clerk", f"{who} {number}")

    threads = [threading.Thread(target=guess, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(exchange.calls) == FREE + 1
