"""The transport of large, slow and many calls: bodies, memory, deadlines, queues, and the end of a server."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from web_connector_calls import Scripted, ask, document

from toolkit.wc_body import LARGE, Bodies, OneShot, Pace, Refused, drain
from toolkit.wc_http import Front
from toolkit.wc_server import make_app
from toolkit.wc_streams import Chunks
from toolkit.wc_support import Health

TICKET = "0123456789abcdef0123456789abcdef"
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


def test_a_body_that_nobody_wants_is_read_for_a_short_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.wc_body._DRAIN_SECONDS", 0.05)
    packets = []
    stream = Stream(b"x" * 1000, 1, lambda: packets.append(threading.Event().wait(0.01)))
    drain({"wsgi.input": stream})
    assert 1 <= len(packets) <= 10
