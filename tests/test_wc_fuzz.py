"""20,000 spoilt calls: always an answer, never a hang, never a 500, and nothing that stays behind."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree
from wc_mutations import Spoiler, spoil_bytes
from wc_raw import MB, NEEDS_PROC, PROC, Held, Watched, held, say
from web_connector_calls import Scripted, ask, document

from toolkit.wc_cheroot import THREADS
from toolkit.wc_http import Front, Server
from toolkit.wc_server import make_app
from toolkit.wc_support import Health
from toolkit.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PROC.is_dir(), reason=NEEDS_PROC)]

SEED = 5
PLAIN, THROUGH_THE_EXCHANGE, OVER_SOCKETS = 12_000, 5_000, 3_000
WARM_UP = 0.25
MOST_SECONDS = 5.0
MOST_GROWTH = 10 * MB
MAX_BODY = 100_000
PASSWORD = "a long password"
TELLS = re.compile(rb"Traceback|\.py\b|File \"|lxml|spyne|sqlite|Error:")


def start_work(ws: Workspace) -> None:
    """Queue more than a fuzzer gets done, and small pages of it."""
    ws.set("page_size", "10")
    for kind in ("customers", "items", "invoices", "payments"):
        ws.queue_import(kind)


def check(status: int, body: bytes, seconds: float, what: object) -> None:
    """Look at one answer."""
    # 501 is for a Transfer-Encoding that is none, 505 for a version of HTTP that is none.
    assert status in range(200, 500) or status in (501, 505), f"{status} {body!r} to {what}"
    assert seconds < MOST_SECONDS, f"{seconds:.1f} s for {what}"
    assert not TELLS.search(body), f"{body!r} to {what}"
    assert b"Fault>" not in body, f"{body!r} to {what}"


def check_flat(before: Held, after: Held) -> None:
    assert after.memory - before.memory < MOST_GROWTH, f"{before}, then {after}"
    assert after.threads <= before.threads, f"{before}, then {after}"
    assert after.files <= before.files + 2, f"{before}, then {after}"  # one that is being closed


class Broken:
    """A body whose line goes dead after some bytes."""

    def __init__(self, data: bytes, left: int, error: type[Exception]) -> None:
        self._data, self._left, self._error = data, left, error

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise self._error("timed out")
        part, self._data = self._data[: self._left], b""
        self._left = 0
        return part[:size] if size >= 0 else part


def through(front: Front, spoiler: Spoiler, numbers: range) -> Counter[int]:
    """Send spoilt calls to a front; return how often which status came."""
    seen: Counter[int] = Counter()
    for number in numbers:
        request = spoiler.make(number)
        environ: dict[str, Any] = dict(request.environ())
        dice = random.Random(number)
        if dice.random() < 0.03:
            error = dice.choice((TimeoutError, ConnectionResetError, ValueError, OSError))
            environ["wsgi.input"] = Broken(request.body, dice.randrange(300), error)
        began = time.monotonic()
        reply = ask(front, request.method, body=request.body, **environ)
        check(reply.status, reply.body, time.monotonic() - began, (number, request))
        seen[reply.status] += 1
        if request.method != "HEAD":
            assert reply.headers["Content-Length"] == str(len(reply.body)), (number, request)
        if reply.status == 200 and request.method == "POST":
            name = etree.QName(etree.fromstring(reply.body)[0][0]).localname
            assert name.endswith("Response"), (number, request)
    return seen


def run(front: Front, spoiler: Spoiler, count: int) -> Counter[int]:
    """Send so many, and see that nothing of them is kept."""
    warm = int(count * WARM_UP)
    seen = through(front, spoiler, range(warm))
    before = held()
    seen += through(front, spoiler, range(warm, count))
    check_flat(before, held())
    return seen


def test_spoilt_calls_in_front_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # what is kept of the log would grow
    exchange = Scripted()
    front = Front(make_app(exchange), lambda: Health(good=True, workspace="x"), max_body=MAX_BODY)
    notes = exchange.calls
    seen: Counter[int] = Counter()
    exchange.before = notes.clear
    seen = run(front, Spoiler(SEED), PLAIN)
    assert all(seen[status] > PLAIN / 1000 for status in (200, 400, 404, 405, 408, 411, 413, 415)), seen
    assert ask(front, body=document("getLastError")).results == [exchange.error]


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    place = tmp_path / "workspace"
    with Workspace.create(place, company="Acme", password=PASSWORD, rehearsal=True) as workspace:
        start_work(workspace)
        yield workspace


def test_spoilt_calls_in_a_session(ws: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    server = Server(ws, port=0)
    ticket, _ = server._exchange.authenticate(ws.user, PASSWORD)
    assert ticket
    spoiler = Spoiler(SEED + 1, (ticket, ticket, "stranger"), PASSWORD)
    seen = run(server._front(), spoiler, THROUGH_THE_EXCHANGE)
    assert seen[200] > THROUGH_THE_EXCHANGE / 5, seen


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Watched]:
    place = tmp_path / "served"
    with Workspace.create(place, company="Acme", password=PASSWORD, rehearsal=True) as workspace:
        start_work(workspace)
    running = Watched(place)
    yield running
    running.stop()


@pytest.mark.network
def test_spoilt_bytes_over_sockets(server: Watched) -> None:
    names = f"<strUserName>blubilling</strUserName><strPassword>{PASSWORD}</strPassword>"
    call = document("authenticate", names)

    def authenticate(_: int) -> str:
        return requests.post(server.url, call, headers={"Content-Type": "text/xml"}, timeout=30).text

    # What each thread needs for its first password is there before it is measured.
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(authenticate, range(2 * THREADS)))
    (ticket,) = re.findall(r"string>([0-9a-f]{32})<", "".join(answers))
    spoiler = Spoiler(SEED + 2, (ticket, "stranger"), PASSWORD)
    seen: Counter[int] = Counter()
    before = None
    for number in range(OVER_SOCKETS):
        if number == OVER_SOCKETS // 2:
            before = server.held()
        dice = random.Random(f"{SEED}:{number}")
        request = spoiler.make(number)
        data = spoil_bytes(dice, request.raw()) if dice.random() < 0.5 else request.raw()
        heard = say(server.port, data, MOST_SECONDS)
        seen[heard.status] += 1
        # A connection may be closed without a word where not so much as a request line came.
        if heard.status or re.match(rb"(\r?\n)*[^\r\n]+\r\n", data):
            check(heard.status, heard.data, heard.seconds, (number, request.done, data[:3000]))
    assert before is not None
    check_flat(before, server.held())
    assert all(seen[status] > 1 for status in (200, 400, 404, 405, 411, 413, 415)), seen
    assert requests.get(f"{server.url}healthz", timeout=30).status_code == 200


@contextlib.contextmanager
def peak(pid: int) -> Iterator[list[int]]:
    """Give, once it is over, by how much a process held more at most than it did before."""
    place, grown = PROC / str(pid), [0]
    (place / "clear_refs").write_text("5")  # which sets its peak to what it holds now
    before = held(pid).memory
    yield grown
    found = re.search(r"VmHWM:\s+(\d+) kB", (place / "status").read_text())
    assert found
    grown[0] = int(found[1]) * 1024 - before


@pytest.mark.network
@pytest.mark.parametrize("part", ["<a/>", "<a/>b", "\x01", "&#1;", "<!---->", "<![CDATA[]]>"])
def test_a_body_takes_little_more_memory_than_it_is_long(server: Watched, part: str) -> None:
    names = f"<strUserName>blubilling</strUserName><strPassword>{PASSWORD}</strPassword>"
    headers = {"Content-Type": "text/xml"}
    answers = [requests.post(server.url, document("authenticate", names), headers=headers, timeout=30)]
    (ticket,) = re.findall(r"string>([0-9a-f]{32})<", answers[0].text)

    def post(ticket: str, size: int) -> int:
        said = f"<ticket>{ticket}</ticket><response>{part * (size // len(part))}</response>"
        body = document("receiveResponseXML", said)
        return requests.post(server.url, body, headers=headers, timeout=60).status_code

    seen = (200,) if "CDATA" in part else (400,)
    post("stranger", MB // 2)  # what is made once is made
    with peak(server.pid) as grown, ThreadPoolExecutor(8) as pool:
        assert {*pool.map(lambda _: post("stranger", MB), range(32))} == {*seen}
    assert grown[0] < 6 * 8 * MB, f"{grown[0] / MB:.0f} MB for 8 at a time of 1 MB"
    with peak(server.pid) as grown:
        assert post(ticket, 8 * MB) in seen
    assert grown[0] < 6 * 8 * MB, f"{grown[0] / MB:.0f} MB for one of 8 MB"
