"""What a body must be for whoever is a stranger: short, or of a session; and never slow for long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
from exchange_world import World
from test_wc_transport import TICKET, Line, Stream, answer, environ, serving
from web_connector_calls import Scripted, ask, document, rpc

from toolkit.errors import LedgerError
from toolkit.wc_body import LARGE, Bodies, Pace, Refused
from toolkit.wc_events import Told
from toolkit.wc_guard import Guard
from toolkit.wc_http import Front
from toolkit.wc_server import make_app
from toolkit.wc_support import Health

XML = {"Content-Type": "text/xml"}
PACKET = 1 << 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.make(tmp_path)
    yield made
    made.ws.close()


@pytest.mark.parametrize(
    "sent",
    [
        answer(2 * LARGE, "of a stranger"),
        document("receiveResponseXML", f"<response>{'x' * 2 * LARGE}</response><ticket>{TICKET}</ticket>"),
        document("authenticate", f"<strPassword>{'x' * 2 * LARGE}</strPassword>"),
        b"<" + b"a" * 2 * LARGE,
    ],
)
def test_a_stranger_is_sent_away_as_soon_as_a_body_is_large(sent: bytes) -> None:
    bodies = Bodies(knows=lambda ticket: ticket == TICKET)
    free = bodies._free
    stream = Stream(sent)
    with pytest.raises(Refused, match="names a session") as caught, bodies.read(environ(stream)):
        pass
    assert caught.value.status == 413
    assert stream.tell() <= LARGE + PACKET
    assert bodies._free == free


@pytest.mark.parametrize(
    "sent",
    [
        answer(2 * LARGE),
        rpc(
            "receiveResponseXML",
            f'<ticket xsi:type="xsd:string">{TICKET}</ticket><response>{"x" * 2 * LARGE}</response>',
        ),
        document("receiveResponseXML", f"<ticket><![CDATA[{TICKET}]]></ticket>{'x' * 2 * LARGE}"),
        document(
            "sendRequestXML", f"<ticket>{TICKET}</ticket><strHCPResponse>{'x' * 2 * LARGE}</strHCPResponse>"
        ),
    ],
)
def test_a_session_may_send_a_large_body(sent: bytes) -> None:
    asked: list[str] = []

    def knows(ticket: str) -> bool:
        asked.append(ticket)
        return True

    with Bodies(knows=knows).read(environ(Stream(sent))) as body:
        assert body.read() == sent
    assert asked == [TICKET], "it is looked for once"


def test_a_small_body_needs_no_session() -> None:
    def never(ticket: str) -> bool:
        raise AssertionError(ticket)

    app = make_app(Scripted())
    front = Front(app, lambda: Health(good=True, workspace="x"), knows=never)
    assert ask(front, body=answer(LARGE - 5_000, "of a stranger")).results == ["50"]


def test_a_body_may_not_live_on_how_fast_it_began() -> None:
    seconds = 0.0
    began = 60 * PACKET

    def drips() -> None:
        nonlocal seconds
        if stream.tell() >= began:
            stream._size, seconds = 1, seconds + 10

    stream = Stream(answer(8 * LARGE), packet=drips)
    bodies = Bodies(pace=Pace(patience_seconds=30, least_rate=10_000), clock=lambda: seconds)
    with pytest.raises(Refused, match="too slowly") as caught, bodies.read(environ(stream)):
        pass
    assert caught.value.status == 408
    assert seconds <= 120, "it lived on for its average"


@pytest.mark.parametrize("pause_at", [22 * PACKET, 26 * PACKET, 32 * PACKET])
def test_a_body_may_pause_once_and_end_late(pause_at: int) -> None:
    seconds = 0.0

    def arrives() -> None:
        nonlocal seconds
        seconds += 29 if stream.tell() == pause_at else 1.5

    stream = Stream(answer(2 * LARGE), packet=arrives)
    bodies = Bodies(pace=Pace(patience_seconds=30, least_rate=40_000), clock=lambda: seconds)
    with bodies.read(environ(stream)) as body:
        assert body.length > 2 * LARGE


def test_who_knows_a_ticket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ws.queue_import("items")
    ticket = world.open()
    knows = world.exchange.knows
    assert (knows(ticket), knows(ticket[:-1]), knows("")) == (True, False, False)
    world.exchange.close(ticket)
    assert knows(ticket), "its answer may come late"

    def fail(ticket: str) -> None:
        raise LedgerError("ledger.sqlite is busy")

    monkeypatch.setattr(world.ws.ledger, "session", fail)
    assert knows("of a stranger"), "nothing is refused for a trouble of ours"


@pytest.mark.parametrize("around", [Told, lambda exchange: Guard(exchange, None, None)])
def test_who_stands_before_an_exchange_asks_it(around: Callable[[Any], Any]) -> None:
    exchange = Scripted()
    assert around(exchange).knows("t"), "where nobody can tell"
    exchange.knows = "ours".__eq__  # type: ignore[attr-defined]
    assert around(exchange).knows("ours")
    assert not around(exchange).knows("another's")


@pytest.mark.network
def test_strangers_hold_no_room_of_an_answers(world: World) -> None:
    world.ws.set("max_envelope_mb", "4")
    world.ws.queue_import("items")
    ticket = world.open()
    response = world.company.process(world.ask(ticket, first=True))
    inner = f"<ticket>{ticket}</ticket><response>{escape(response)}{' ' * 2 * LARGE}</response>"
    with serving(world.ws) as server, contextlib.ExitStack() as open_lines:
        for _ in range(3):
            line = open_lines.enter_context(Line(server)).head(4 * LARGE)
            with contextlib.suppress(OSError):
                line.send(b"<" + b"a" * (4 * LARGE - 2_000))
            with contextlib.suppress(ConnectionError):
                assert line.reply().status == 413
        reply = requests.post(server.url, document("receiveResponseXML", inner), headers=XML, timeout=20)
        assert (reply.status_code, ">100<" in reply.text) == (200, True)
        late = requests.post(
            server.url, document("closeConnection", f"<ticket>{ticket}</ticket>"), headers=XML
        )
        assert late.status_code == 200
        late = requests.post(server.url, document("receiveResponseXML", inner), headers=XML, timeout=20)
        assert (late.status_code, ">-1<" in late.text) == (200, True), "the session ended, and is told so"
