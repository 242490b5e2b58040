"""The transport of large, slow and many calls: bodies, memory, deadlines, queues, and the end of a server."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import logging
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

import pytest
import requests
from exchange_world import PASSWORD, World, create
from web_connector_calls import Reply, Scripted, ask, document

from toolkit import crash_points, wc_certificate, wc_cheroot, wc_streams
from toolkit.errors import UsageError
from toolkit.wc_attempts import CALLER
from toolkit.wc_body import LARGE, Bodies, OneShot, Pace, Refused
from toolkit.wc_http import Front, Server
from toolkit.wc_server import make_app
from toolkit.wc_streams import Chunks
from toolkit.wc_support import Health
from toolkit.workspace import Workspace

TICKET = "0123456789abcdef0123456789abcdef"
_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GOOD = Health(good=True, workspace="abc123")


def answer(size: int = 3 * LARGE, ticket: str = TICKET) -> bytes:
    """Return a call with an answer of a size in it."""
    return document("receiveResponseXML", f"<ticket>{ticket}</ticket><response>{'x' * size}</response>")


class Stream(io.BytesIO):
    """A body that arrives in packets of a size, and tells each."""

    def __init__(self, body: bytes, size: int = 1 << 16, packet: Any = None) -> None:
        super().__init__(body)
        self._size, self._packet = size, packet

    def read(self, size: int | None = -1) -> bytes:
        if self._packet is not None:
            self._packet()
        return super().read(min(self._size, size) if size and size > 0 else self._size)


def environ(stream: io.BytesIO, *, length: int | None = None) -> dict[str, Any]:
    whole = len(stream.getvalue()) if length is None else length
    return {"wsgi.input": stream, "CONTENT_LENGTH": str(whole)}


# --- the body -----------------------------------------------------------------------------------------------


def test_a_body_is_handed_over_once_and_forgotten() -> None:
    body = OneShot(b"<a/>")
    assert (body.length, body.read(), body.read()) == (4, b"<a/>", b"")


def test_a_body_is_whole_however_it_arrives() -> None:
    sent = answer(2 * LARGE + 77)
    bodies = Bodies()
    for size in (1 << 10, 1 << 20):
        with bodies.read(environ(Stream(sent, size))) as body:
            assert body.length == len(sent)
            assert body.read() == sent


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!"),
        (b"005 \r\nhello\r\n00\r\nA: b\r\nC: d\r\n\r\n", b"hello"),
        (b"a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_chunks(sent: bytes, body: bytes, size: int) -> None:
    stream = io.BufferedReader(io.BytesIO(sent + b"GET /"))
    chunks = Chunks(stream)
    got = b""
    while block := chunks.read(size):
        assert not chunks.finished
        got += block
    assert (got, chunks.finished, chunks.read(1)) == (body, True, b"")
    assert stream.read() == b"GET /", "the next request is left alone"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"zz\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhel",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\n",
        b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n",
        b"ffffffffffffffffff\r\nhello",
    ],
)
def test_what_is_no_chunk(sent: bytes) -> None:
    chunks = Chunks(io.BufferedReader(io.BytesIO(sent)))
    with pytest.raises(ValueError, match=r"chunk|trailers|length"):
        while chunks.read(1 << 16):
            pass
    assert not chunks.finished


@pytest.mark.parametrize(("count", "size", "taken"), [(1000, 1, True), (1100, 1, False), (1100, 64, True)])
def test_many_chunks_are_not_short(count: int, size: int, taken: bool) -> None:
    sent = b"%x\r\n%s\r\n" % (size, b"x" * size) * count + b"0\r\n\r\n"
    chunks, got = Chunks(io.BufferedReader(io.BytesIO(sent))), 0
    with contextlib.nullcontext() if taken else pytest.raises(ValueError, match="too short"):
        while block := chunks.read(1 << 16):
            got += len(block)
    assert (got == count * size, chunks.finished) == (taken, taken)


def test_a_body_with_two_lengths_is_refused() -> None:
    front = Front(make_app(Scripted()), lambda: GOOD)
    reply = ask(front, body=document("getLastError"), HTTP_TRANSFER_ENCODING="chunked")
    assert (reply.status, reply.headers["Connection"]) == (400, "close")


# --- the pace -----------------------------------------------------------------------------------------------


def told_of(sent: bytes, *, seconds: float, size: int = 1 << 16, pace: Pace | None = None) -> list[str]:
    """Return the tickets that are told while a body arrives, one packet each so many seconds."""
    told: list[str] = []
    clock: Iterator[float] = itertools.count(0.0, seconds)
    bodies = Bodies(receiving=told.append, pace=pace, clock=lambda: next(clock))
    with bodies.read(environ(Stream(sent, size))) as body:
        assert body.read() == sent
    return told


def test_a_session_hears_that_its_answer_is_still_arriving() -> None:
    assert told_of(answer(20 * (1 << 16)), seconds=1) == [TICKET, TICKET]
    assert told_of(answer(20 * (1 << 16)), seconds=1, pace=Pace(tell_seconds=5)) == [TICKET] * 4
    assert told_of(answer(20 * (1 << 16)), seconds=0.1) == []
    # A small one may be slow, too.
    assert told_of(answer(2000), seconds=8, size=1000) == [TICKET]


@pytest.mark.parametrize(
    "ticket",
    [
        f"<ticket>{TICKET}</ticket>",
        f"<q1:ticket>{TICKET}</q1:ticket>",
        f'<ticket xsi:type="xsd:string">\n  {TICKET}\n</ticket>',
        f'<n0:ticket xmlns:n0="http://x">{TICKET}</n0:ticket >',
    ],
)
def test_a_ticket_is_found_however_it_is_written(ticket: str) -> None:
    sent = document("receiveResponseXML", f"{ticket}<response>{'x' * 200_000}</response>")
    assert told_of(sent, seconds=6) == [TICKET] * 2


@pytest.mark.parametrize(
    "start",
    ["", "<ticket/>", "<ticket></ticket>", "<tickets>a</tickets>", "x" * 70_000 + "<ticket>a</ticket>"],
)
def test_where_no_ticket_is_nobody_hears_of_it(start: str) -> None:
    sent = document("receiveResponseXML", f"{start}<response>{'x' * 200_000}</response>")
    assert told_of(sent, seconds=6) == []


def test_a_body_that_drips_is_refused_after_a_while() -> None:
    pace = Pace(patience_seconds=30, least_rate=10_000)
    with pytest.raises(Refused, match="too slowly") as caught:
        told_of(answer(3000), seconds=8, size=500, pace=pace)
    assert caught.value.status == 408
    assert told_of(answer(3000), seconds=4, size=500, pace=pace) == [TICKET] * 2  # over in time
    told_of(answer(401_000), seconds=5, size=51_000, pace=pace)  # just as fast as it must be
    with pytest.raises(Refused, match="too slowly"):
        told_of(answer(401_000), seconds=5.2, size=51_000, pace=pace)


# --- the memory ---------------------------------------------------------------------------------------------


def test_there_is_room_for_so_many_bytes_and_no_more() -> None:
    limit = 4 * LARGE
    bodies = Bodies(limit)
    sent = b"x" * limit
    with bodies.read(environ(io.BytesIO(sent))):
        stream = Stream(sent)
        refused: list[Refused] = []

        def second() -> None:  # it waits with its whole length until the first is done
            with bodies.read(environ(io.BytesIO(sent))):
                arrived.append("second")

        arrived: list[str] = []
        waiting = threading.Thread(target=second)
        waiting.start()
        for _ in range(2000):
            if not bodies._free:
                break
            threading.Event().wait(0.005)
        try:
            with bodies.read(environ(stream)):
                pass
        except Refused as error:
            refused.append(error)
        assert [(one.status, one.headers) for one in refused] == [(503, (("Retry-After", "30"),))]
        assert stream.tell() <= LARGE + (1 << 16), "it is refused as soon as it counts"
        with bodies.read(environ(io.BytesIO(b"<small/>"))) as body:
            assert body.read() == b"<small/>", "a small one finds room always"
        assert arrived == [], "large ones are worked on one at a time"
    waiting.join(10)
    assert arrived == ["second"]
    assert bodies._free == 2 * limit, "the room is free again"


@pytest.mark.parametrize("length", [5 * LARGE, 4 * LARGE])
def test_a_body_that_fails_gives_its_room_back(length: int) -> None:
    bodies = Bodies(4 * LARGE)
    with pytest.raises(Refused), bodies.read(environ(io.BytesIO(b"x" * (3 * LARGE)), length=length)):
        pass
    with pytest.raises(KeyError), bodies.read(environ(io.BytesIO(b"x" * (3 * LARGE)))):
        raise KeyError
    assert bodies._free == 8 * LARGE


def test_the_answer_to_who_finds_no_room() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert go_on.wait(20)

    front = Front(make_app(Scripted(before=hold)), lambda: GOOD, max_body=2 * LARGE)
    front._bodies._free = 3 * LARGE
    replies: list[int] = []
    first = threading.Thread(target=lambda: replies.append(ask(front, body=answer(LARGE + 5000)).status))
    first.start()
    assert inside.wait(20)
    reply = ask(front, body=answer(2 * LARGE - 5000))
    assert (reply.status, reply.headers["Retry-After"], reply.headers["Connection"]) == (503, "30", "close")
    go_on.set()
    first.join(20)
    assert replies == [200]
    assert ask(front, body=answer(2 * LARGE - 5000)).status == 200


# --- on real sockets ----------------------------------------------------------------------------------------


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with create(tmp_path / "acme") as workspace:
        yield workspace


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.make(tmp_path)
    yield made
    made.ws.close()


@contextlib.contextmanager
def serving(ws: Workspace, **options: Any) -> Iterator[Server]:
    server = Server(ws, port=0, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Line:
    """A connection on which a request is sent piece by piece."""

    def __init__(
        self,
        server: Server | None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sock = socket.create_connection((host, port or (server.port if server else 0)), timeout=20)
        if tls is not None:
            self._sock = tls.wrap_socket(self._sock, server_hostname="localhost")

    def send(self, data: bytes) -> Line:
        self._sock.sendall(data)
        return self

    def head(self, length: int, *headers: str) -> Line:
        lines = ("POST / HTTP/1.1", "Host: localhost", "Content-Type: text/xml", *headers)
        return self.send("\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode())

    def reply(self) -> Reply:
        """Return what is answered; the connection stays open."""
        with http.client.HTTPResponse(self._sock) as response:
            response.begin()
            return Reply(response.status, dict(response.getheaders()), response.read())

    def rest(self) -> bytes:
        """Return what else comes until the other side closes the connection."""
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while block := self._sock.recv(1 << 16):
                got += block
        return got

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def drip(line: Line) -> None:
    """Send a byte now and then, until nobody listens any more."""
    with contextlib.suppress(OSError):
        while True:
            line.send(b"x")
            time.sleep(0.01)


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


class Told(Scripted):
    """An exchange that also hears of answers on their way."""

    def receiving(self, ticket: str) -> None:
        self.calls.append(("receiving", ticket))


@pytest.mark.network
def test_a_slow_answer_is_told_of_while_it_comes(ws: Workspace) -> None:
    exchange, sent = Told(), answer(2 * LARGE)
    with serving(ws, exchange=exchange, pace=Pace(tell_seconds=0.05)) as server, Line(server) as line:
        line.head(len(sent)).send(sent[:1000])
        for start in range(1000, 200_000, 1000):
            line.send(sent[start : start + 1000])
            time.sleep(0.01)
            if exchange.calls:
                break
        assert exchange.calls == [("receiving", TICKET)]
        line.send(sent[start + 1000 :])
        assert line.reply().results == ["50"]
    assert exchange.calls[-1][:2] == ("take_answer", TICKET)
    assert len(exchange.calls[-1][2]) == 2 * LARGE


@pytest.mark.network
def test_nobody_takes_a_session_over_whose_answer_is_on_its_way(world: World) -> None:
    world.ws.queue_import("items")
    ticket = world.open()
    request = world.ask(ticket, first=True)
    response = world.company.process(request)
    inner = f"<ticket>{ticket}</ticket><response>{escape(response)}{' ' * LARGE}</response>"
    sent = document("receiveResponseXML", inner)
    seen = [world.ws.ledger.session(ticket).seen_at]  # type: ignore[union-attr]
    with serving(world.ws, pace=Pace(tell_seconds=0.0)) as server, Line(server) as line:
        line.head(len(sent))
        for start in range(0, 10_000, 1000):  # ten times 50 seconds, where 60 make a session stale
            world.clock.wait(50)
            line.send(sent[start : start + 1000])
            until(lambda: world.ws.ledger.session(ticket).seen_at > seen[-1])  # type: ignore[union-attr]
            seen.append(world.ws.ledger.session(ticket).seen_at)  # type: ignore[union-attr]
        assert world.authenticate() == ("", "busy")
        line.send(sent[10_000:])
        assert line.reply().results == ["100"]
    assert world.ws.ledger.session(ticket).closed_at is None  # type: ignore[union-attr]


def test_a_session_that_is_soon_stale_is_told_more_often(ws: Workspace) -> None:
    front = Server(ws)._front()
    assert front.pace == Pace(tell_seconds=10, patience_seconds=30, least_rate=10_000)
    ws.set("session_timeout", "6")
    told = Server(ws)._front().pace
    assert told is not None
    assert told.tell_seconds == 2


@pytest.mark.network
def test_a_dripping_answer_is_sent_away(ws: Workspace) -> None:
    exchange = Scripted()
    pace = Pace(patience_seconds=0.2, least_rate=1_000_000)
    with serving(ws, exchange=exchange, pace=pace) as server, Line(server) as line:
        line.head(1 << 20)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(100):
                line.send(b"x" * 100)
                time.sleep(0.01)
        assert line.reply().status == 408
        assert time.monotonic() - began < 2, "it was read on"
        assert requests.get(server.url, timeout=10).status_code == 200
    assert exchange.calls == []


@pytest.mark.network
def test_a_large_body_in_one_chunk(ws: Workspace) -> None:
    exchange, sent = Told(), answer(5 * LARGE)
    with serving(ws, exchange=exchange, pace=Pace(tell_seconds=0.0)) as server:
        heads = ("Transfer-Encoding: chunked",)
        lines = ("POST / HTTP/1.1", "Host: localhost", "Content-Type: text/xml", *heads, "", "")
        with Line(server) as line:
            line.send("\r\n".join(lines).encode() + b"%x\r\n" % len(sent))
            line.send(sent + b"\r\n0\r\nA: b\r\n\r\n")
            assert line.reply().results == ["50"]
            told = [call for call in exchange.calls if call[0] == "receiving"]
            assert len(told) > 20, "a chunk was not looked at before its end"
            # The same connection goes on, and nothing of the body is left on it.
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.reply().status == 200


@pytest.mark.network
@pytest.mark.parametrize("length", ["Content-Length: 37", "Transfer-Encoding: chunked"])
def test_the_body_of_a_get_is_not_the_next_request(ws: Workspace, length: str) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n0\r\n"
    assert len(smuggled) == 37
    with serving(ws, exchange=Scripted()) as server, Line(server) as line:
        line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode() + smuggled)
        answers = line.rest()
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"workspace" not in answers


@pytest.mark.network
@pytest.mark.parametrize("length", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
def test_who_is_refused_hears_so_at_once_and_is_not_cut_off(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(wc_cheroot, "DRAIN_SECONDS", 2.0)
    with serving(ws, exchange=Scripted()) as server, Line(server) as line:
        began = time.monotonic()
        line.send(f"POST /x HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
        reply = line.reply()
        assert (reply.status, reply.headers["Connection"], line.rest()) == (404, "close", b"")
        assert time.monotonic() - began < 1.5, "it waited for the body first"
        line.send(b"%x\r\n" % 500_000 + b"x" * 500_000)  # a client that sends before it reads
        with contextlib.suppress(OSError):  # until nobody listens any more, though it drips on
            for _ in range(300):
                line.send(b"x")
                time.sleep(0.05)
        assert 1.5 < time.monotonic() - began < 10


@pytest.mark.network
def test_the_setting_says_how_long_a_call_may_be(ws: Workspace) -> None:
    ws.set("max_envelope_mb", "1")
    exchange = Scripted()
    with serving(ws, exchange=exchange) as server:
        headers = {"Content-Type": "text/xml"}
        assert requests.post(server.url, answer(LARGE), headers=headers, timeout=10).status_code == 413
        assert requests.post(server.url, answer(LARGE - 5000), headers=headers, timeout=10).status_code == 200


# --- who takes an answer slowly, and who finds no place -----------------------------------------------------


@pytest.mark.network
def test_who_takes_an_answer_byte_by_byte_loses_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wc_streams, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(wc_streams, "WRITE_RATE", 1e9)
    monkeypatch.setattr(wc_cheroot, "THREADS", 1)
    call = document("sendRequestXML", f"<ticket>{TICKET}</ticket>")
    with serving(ws, exchange=Scripted(request="x" * 20_000_000)) as server, Line(server) as line:
        line.head(len(call)).send(call)
        began = time.monotonic()
        dripping = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not dripping.wait(0.02):
                    line._sock.recv(4096)

        reader = threading.Thread(target=drip)
        reader.start()
        assert requests.get(f"http://127.0.0.1:{server.port}/", timeout=20).status_code == 200
        assert time.monotonic() - began < 5, "it kept the only thread"
        dripping.set()
        reader.join(20)
        monkeypatch.setattr(wc_streams, "WRITE_SECONDS", 30)
        whole = requests.post(server.url, call, headers={"Content-Type": "text/xml"}, timeout=20)
        assert whole.text.count("x" * 20_000_000) == 1


@pytest.mark.network
def test_whom_there_is_no_place_for_hears_so_and_holds_up_nobody(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wc_cheroot, "THREADS", 2)
    monkeypatch.setattr(wc_cheroot, "QUEUED", 3)
    go_on = threading.Event()
    exchange = Scripted(before=lambda: go_on.wait(20))
    call = document("getLastError")
    with serving(ws, exchange=exchange, host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:

        def caller() -> Line:
            return open_lines.enter_context(Line(server)).head(len(call)).send(call)

        try:
            places = [caller(), caller()]
            until(lambda: len(exchange.calls) == 2)
            places += [caller() for _ in range(3)]
            until(lambda: server._servers[0].requests.qsize == 3)
            began = time.monotonic()
            for refused in [caller() for _ in range(8)]:
                reply = refused.reply()
                assert (reply.status, reply.headers["Retry-After"]) == (503, "30")
                assert reply.headers["Connection"] == "close"
                assert refused.rest() == b""
            assert time.monotonic() - began < 2, "each of them waited for the others"
            told = [one.fields for one in caplog.records if one.levelno == logging.WARNING]  # type: ignore[attr-defined]
            assert told == [{"status": 503, "reason": "queue full"}], "it is told of once a minute"
        finally:
            go_on.set()
        assert [one.reply().results for one in places] == [[exchange.error]] * 5
        assert requests.get(server.url, timeout=10).status_code == 200


@pytest.mark.network
def test_over_tls_it_is_the_same(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wc_cheroot, "THREADS", 1)
    monkeypatch.setattr(wc_cheroot, "QUEUED", 2)
    made = wc_certificate.make(ws.path / "tls", ["localhost"])
    tls = ssl.create_default_context(cafile=str(made.certificate))
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if len(exchange.calls) > 1:
            inside.set()
            assert go_on.wait(20)

    exchange, sent, call = Told(request="x" * 5_000_000), answer(2 * LARGE), document("sendRequestXML")
    options = {"tls_cert": made.certificate, "tls_key": made.key, "exchange": exchange}
    with serving(ws, host="127.0.0.1", **options) as server, contextlib.ExitStack() as open_lines:
        with Line(server, tls=tls) as line:
            line.head(len(sent)).send(sent)
            assert line.reply().results == ["50"]
            assert exchange.calls[-1] == ("take_answer", TICKET, "x" * (2 * LARGE), "", "")
            refused = open_lines.enter_context(Line(server, tls=tls)).send(_GET)
            assert refused.reply().status == 200
        exchange.before = hold
        try:
            first = open_lines.enter_context(Line(server, tls=tls)).head(len(call)).send(call)
            assert inside.wait(20)
            queued = [open_lines.enter_context(Line(server)) for _ in range(2)]
            for line in queued:
                line.send(b"\x16")  # the first byte of a handshake
            until(lambda: server._servers[0].requests.qsize == 2)
            assert refused.send(_GET).reply().status == 503
            with pytest.raises((ssl.SSLError, ConnectionError)):  # a handshake is for whom there is a place
                Line(server, tls=tls)
            for line in queued:
                line.close()
        finally:
            go_on.set()
        assert first.reply().results == ["x" * 5_000_000]


@pytest.mark.network
def test_whom_there_is_no_place_for_is_not_waited_for(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("THREADS", 1), ("QUEUED", 1), ("TURNED_AWAY", 4), ("TURN_AWAY_SECONDS", 0.5)):
        monkeypatch.setattr(wc_cheroot, name, value)
    go_on, call = threading.Event(), document("getLastError")
    exchange = Scripted(before=lambda: go_on.wait(20))
    with serving(ws, exchange=exchange, host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        try:
            open_lines.enter_context(Line(server)).head(len(call)).send(call)
            until(lambda: exchange.calls)
            open_lines.enter_context(Line(server)).head(len(call)).send(call)
            until(lambda: server._servers[0].requests.qsize == 1)
            began = time.monotonic()
            refused = [open_lines.enter_context(Line(server)).send(b"G") for _ in range(20)]
            dripping = [threading.Thread(target=drip, args=(line,)) for line in refused]
            for thread in dripping:
                thread.start()
            answers = [line.rest() for line in refused]
            assert time.monotonic() - began < 5 * 0.5 + 1.5, "one who drips was waited for"
            assert [one[9:12] for one in answers].count(b"503") in range(4, 8)
            assert set(answers[-1:]) == {b""}, "there is no end to those who wait to hear it"
            for thread in dripping:
                thread.join(20)
        finally:
            go_on.set()


@pytest.mark.network
def test_half_a_header_holds_a_thread_for_a_short_time(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "HEADER_SECONDS", 0.3)
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        halves = [open_lines.enter_context(Line(server)) for _ in range(2 * wc_cheroot.THREADS)]
        for line in halves:
            line.send(b"POST / HTTP/1.1\r\nHost:")
        until(lambda: server._servers[0].requests.qsize > 0)
        began = time.monotonic()
        assert requests.get(server.url, timeout=20).status_code == 200
        assert time.monotonic() - began < 5
        assert halves[0].reply().status == 408


@pytest.mark.network
def test_where_threads_are_few_half_a_header_holds_one_shorter(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "THREADS", 4)
    monkeypatch.setattr(wc_cheroot, "CROWDED_SECONDS", 0.2)
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        halves = [open_lines.enter_context(Line(server)) for _ in range(12)]
        for line in halves:
            line.send(b"POST / HTTP/1.1\r\nHost:")
        until(lambda: server._servers[0].requests.qsize > 0)
        began = time.monotonic()
        assert requests.get(server.url, timeout=20).status_code == 200
        assert time.monotonic() - began < 5
        until(lambda: server._servers[0].requests.idle == 2)  # the others have all the time that there is
        for line in halves:
            line.close()


@pytest.mark.network
def test_where_threads_are_few_a_silent_body_holds_none(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "THREADS", 4)
    monkeypatch.setattr(wc_cheroot, "CROWDED_SECONDS", 0.5)
    sent = answer(500)
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        threads = server._servers[0].requests
        slow = open_lines.enter_context(Line(server)).head(len(sent))
        until(lambda: threads.idle == 3)
        time.sleep(1.0)
        assert slow.send(sent).reply().results == ["50"], "there was place enough for it"
        silent = [open_lines.enter_context(Line(server)).head(len(sent)) for _ in range(16)]
        until(lambda: threads.qsize > 0)
        began = time.monotonic()
        assert requests.get(server.url, timeout=20).status_code == 200
        assert time.monotonic() - began < 6, "each of them was waited for"
        assert silent[0].reply().status == 408


@pytest.mark.network
@pytest.mark.parametrize(("behind_proxy", "apart"), [(False, False), (True, False), (False, True)])
def test_no_client_has_all_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind_proxy: bool, apart: bool
) -> None:
    if apart:  # as those of other networks are
        clients = map(str, itertools.count())
        monkeypatch.setattr(wc_cheroot, "client_of", lambda address: next(clients))
    monkeypatch.setattr(wc_cheroot, "is_loopback", lambda host: False)
    monkeypatch.setattr(wc_cheroot, "CROWDED_SECONDS", 20)
    made = Workspace.create(
        tmp_path / "acme", company="Acme", password=PASSWORD, url="https://a.example.com/"
    )
    with (
        made as ws,
        serving(ws, exchange=Scripted(), host="127.0.0.1", behind_proxy=behind_proxy) as server,
        contextlib.ExitStack() as open_lines,
    ):
        threads = server._servers[0].requests
        lines = [open_lines.enter_context(Line(server)).head(500) for _ in range(8)]
        until(lambda: threads.idle == wc_cheroot.THREADS - 8)
        lines += [open_lines.enter_context(Line(server)).head(500) for _ in range(4)]
        if behind_proxy or apart:
            until(lambda: threads.idle == wc_cheroot.THREADS - 12)
        else:
            refused = [line.reply().status for line in lines[8:]]
            assert refused == [503] * 4
            assert (threads.idle, threads.qsize) == (wc_cheroot.THREADS - 8, 0)
            with Line(server) as another:
                assert another.send(_GET).reply().status == 503
        for line in lines:
            line.close()
        until(lambda: threads.idle == wc_cheroot.THREADS)
        with Line(server) as another:
            assert another.send(_GET).reply().status == 200


@pytest.mark.network
def test_strangers_who_say_nothing_make_room(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wc_cheroot, "WAITING", 20)
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        for _ in range(5):
            silent = [open_lines.enter_context(Line(server)) for _ in range(30)]
            assert requests.get(server.url, timeout=10).status_code == 200
        until(lambda: len(server._servers[0]._connections._selector) <= 21)
        silent[-1].send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert silent[-1].rest().startswith(b"HTTP/1.1 200"), "the newest stay"


@pytest.mark.network
def test_a_process_that_may_open_no_more_goes_on(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, Line(server) as silent:
        until(lambda: len(server._servers[0]._connections._selector) == 2)
        failing = [OSError(24, "Too many open files")] * 2
        waiting = server._servers[0]._connections
        kind = type(waiting).__mro__[1]
        accept = kind._from_server_socket

        def fail(self: Any, sock: Any) -> Any:
            if failing:
                raise failing.pop()
            return accept(self, sock)

        monkeypatch.setattr(kind, "_from_server_socket", fail)
        assert requests.get(server.url, timeout=10).status_code == 200
        assert silent.rest() == b"", "it made room"


@pytest.mark.network
def test_a_line_that_is_reset_before_tls_begins_closes_no_other(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = wc_certificate.make(ws.path / "tls", ["localhost"])
    tls = ssl.create_default_context(cafile=str(made.certificate))
    options = {"tls_cert": made.certificate, "tls_key": made.key, "exchange": Scripted()}
    with serving(ws, host="127.0.0.1", **options) as server, Line(server, tls=tls) as idle:
        idle.send(_GET)
        assert idle.reply().status == 200
        gate = threading.Event()
        kind = type(server._servers[0]._connections).__mro__[1]
        accept = kind._from_server_socket

        def late(self: Any, sock: Any) -> Any:
            assert gate.wait(20)
            return accept(self, sock)

        monkeypatch.setattr(kind, "_from_server_socket", late)
        for _ in range(5):
            with Line(server) as stranger:
                stranger.send(b"\x16")
                at_once = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
                stranger._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        gate.set()
        with Line(server, tls=tls) as another:  # accepted after all of those
            another.send(_GET)
            assert another.reply().status == 200
        time.sleep(0.2)
        idle.send(_GET)
        assert idle.reply().status == 200
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


# --- the end of a server ------------------------------------------------------------------------------------


@contextlib.contextmanager
def held_before_the_reply() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold the next call when its answer is ready; give what says so, and what lets it go."""
    inside, go_on = threading.Event(), threading.Event()

    def hold(place: str) -> None:
        if place == crash_points.BEFORE_REPLY and not inside.is_set():
            inside.set()
            assert go_on.wait(30)

    crash_points.watch(hold)
    try:
        yield inside, go_on
    finally:
        go_on.set()
        crash_points.watch(None)


@pytest.mark.network
def test_a_server_that_stops_answers_what_it_has_and_opens_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "CROWDED_SECONDS", 0.1)
    world.ws.queue_import("items")
    call = document("getLastError", f"<ticket>{TICKET}</ticket>")
    login = document(
        "authenticate",
        f"<strUserName>{world.ws.user}</strUserName><strPassword>{PASSWORD}</strPassword>",
    )
    others = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    with (
        held_before_the_reply() as (inside, go_on),
        serving(world.ws) as server,
        contextlib.ExitStack() as open_lines,
    ):
        in_hand = open_lines.enter_context(Line(server)).head(len(call)).send(call)
        assert inside.wait(20)
        begun = [open_lines.enter_context(Line(server, host)) for host in others]
        for line in begun:
            line.head(len(login)).send(login[:20])
        until(lambda: sum(one.requests.idle for one in server._servers) <= 2 * wc_cheroot.THREADS - 3)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        until(lambda: not any(one.socket for one in server._servers))
        for host in others:  # nobody listens any more, while the first call is still in hand
            with pytest.raises(OSError):
                Line(server, host)
        time.sleep(1.0)  # a pause in an upload, which is no crowd
        for line in begun:
            assert line.send(login[20:]).reply().results == ["", "busy"]
        assert stopping.is_alive()
        go_on.set()
        assert in_hand.reply().status == 200
        stopping.join(20)
        assert not stopping.is_alive()
    assert world.ws.ledger.last_session() is None


@pytest.mark.network
def test_a_server_that_stops_waits_for_nobody_longer_than_it_says(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("THREADS", 4), ("QUEUED", 8), ("STOP_SECONDS", 1.0), ("CROWDED_SECONDS", 30)):
        monkeypatch.setattr(wc_cheroot, name, value)
    with serving(ws, exchange=Scripted(), host="127.0.0.1") as server, contextlib.ExitStack() as open_lines:
        threads = server._servers[0].requests
        lines = [open_lines.enter_context(Line(server)).head(100_000) for _ in range(4)]
        until(lambda: threads.idle == 0)
        lines += [open_lines.enter_context(Line(server)).head(100_000) for _ in range(8)]
        until(lambda: threads.qsize == 8)
        dripping = [threading.Thread(target=drip, args=(line,)) for line in lines]
        for thread in dripping:
            thread.start()
        began = time.monotonic()
        stopping = threading.Thread(target=server.stop, daemon=True)
        stopping.start()
        stopping.join(10)
        assert not stopping.is_alive()
        assert 0.9 < time.monotonic() - began < 3, "it serves those who only waited, or those who drip"
        for thread in dripping:
            thread.join(20)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can answer")
def test_an_answer_that_is_half_here_when_the_server_is_told_to_end(world: World) -> None:
    (job,) = world.ws.queue_import("items")
    world.ws.close()
    command = [sys.executable, "-m", "toolkit", "-w", str(world.ws.path), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2]
            port = int(url.rstrip("/").rpartition(":")[2])

            def call(operation: str, **given: object) -> list[str]:
                inner = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in given.items())
                headers = {"Content-Type": "text/xml"}
                reply = requests.post(url, document(operation, inner), headers=headers, timeout=20)
                return Reply(reply.status_code, {}, reply.content).results

            ticket = call("authenticate", strUserName=world.ws.user, strPassword=PASSWORD)[0]
            world.company.begin_session()
            (request,) = call(
                "sendRequestXML",
                ticket=ticket,
                strHCPResponse=world.hcp(),
                strCompanyFileName=world.company.file_path,
                qbXMLCountry="US",
                qbXMLMajorVers=13,
                qbXMLMinorVers=0,
            )
            response = escape(world.company.process(unescape(request)))
            sent = document("receiveResponseXML", f"<ticket>{ticket}</ticket><response>{response}</response>")
            with Line(None, port=port) as line:
                line.head(len(sent)).send(sent[: len(sent) // 2])
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                with pytest.raises(requests.ConnectionError):
                    requests.get(url, timeout=5)
                line.send(sent[len(sent) // 2 :])
                assert line.reply().results == ["100"]
            process.stdout.read()
            assert process.wait(30) == 0
        finally:
            process.kill()
    with Workspace(world.ws.path) as ws:
        assert ws.ledger.unanswered() is None
        assert ws.ledger.job(job).status == "complete"


# --- behind a proxy -----------------------------------------------------------------------------------------


class Callers(Scripted):
    """An exchange that notes whose call it answers."""

    def last_error(self, ticket: str) -> str:
        self.calls.append(("caller", CALLER.get()))
        return ""


@pytest.mark.parametrize(
    ("behind_proxy", "named", "caller"),
    [
        (False, "192.0.2.7", "198.51.100.1"),
        (True, "192.0.2.7", "192.0.2.7"),
        (True, "203.0.113.5, 192.0.2.7", "192.0.2.7"),
        (True, "2001:DB8::7", "2001:db8::7"),
        (True, "", "198.51.100.1"),
        (True, "192.0.2.7, forged\n", "198.51.100.1"),
        (True, None, "198.51.100.1"),
    ],
)
def test_who_calls(
    behind_proxy: bool, named: str | None, caller: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="toolkit")
    exchange = Callers()
    front = Front(make_app(exchange), lambda: GOOD, behind_proxy=behind_proxy)
    call = document("getLastError")
    ask(front, body=call, REMOTE_ADDR="198.51.100.1", HTTP_X_FORWARDED_FOR=named)
    assert exchange.calls == [("caller", caller)]
    assert caplog.records[-1].fields["address"] == caller  # type: ignore[attr-defined]
    assert CALLER.get() == "", "the thread is free for another"


@pytest.mark.network
def test_behind_a_proxy(tmp_path: Path, ws: Workspace) -> None:
    with pytest.raises(
        UsageError, match=r"begins with https://, and http://localhost:8085/ does not"
    ) as caught:
        Server(ws, exchange=Scripted(), behind_proxy=True)
    assert "`toolkit qwc --url https://...`" in str(caught.value)
    url = "https://billing.example.com/"
    exchange = Callers()
    with (
        Workspace.create(tmp_path / "proxied", company="Acme", password=PASSWORD, url=url) as proxied,
        serving(proxied, exchange=exchange, behind_proxy=True) as server,
    ):
        assert server.url == url
        local = f"http://127.0.0.1:{server.port}/"
        assert f'location="{url}"' in requests.get(f"{local}?wsdl", timeout=10).text
        call = document("getLastError")
        with Line(server) as line:  # WSGI does not tell the second header from the first
            line.head(len(call), "X-Forwarded-For: 192.0.2.7", "X_Forwarded_For: 203.0.113.5").send(call)
            assert line.reply().status == 200
        assert exchange.calls == [("caller", "192.0.2.7")]
