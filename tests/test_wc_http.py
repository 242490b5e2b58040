"""The front: methods, routes, lengths, charsets, errors; and the server on real sockets."""

from __future__ import annotations

import datetime as dt
import http.client
import io
import logging
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
import zeep
from rehearsal_company import company
from web_connector_calls import AGENT, NS, Scripted, ask, document, rpc

from toolkit import wc_cheroot
from toolkit.errors import ToolkitError, UsageError
from toolkit.rehearsal import WebConnector
from toolkit.wc_cheroot import THREADS, is_loopback, listen
from toolkit.wc_http import Front, Server
from toolkit.wc_server import make_app
from toolkit.wc_support import Health, ago, support_page
from toolkit.workspace import Workspace

NOW = dt.datetime(2026, 1, 15, 12, 0)
GOOD = Health(good=True, workspace="abc123", jobs={"queued": 2, "complete": 1})
PASSWORD = "hunter2 & more"


@pytest.fixture
def exchange() -> Scripted:
    return Scripted()


@pytest.fixture
def front(exchange: Scripted) -> Front:
    return Front(make_app(exchange), lambda: GOOD, max_body=100_000, clock=lambda: NOW)


# --- routes and methods -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "has"),
    [
        ("/", "text/plain", "Web Connector"),
        ("/?a=b", "text/plain", "Web Connector"),
        ("/?wsdl", "text/xml", "portType"),
        ("/?WSDL", "text/xml", "portType"),
        ("/?wsdl=1", "text/xml", "portType"),
        ("/support", "text/html", "waiting for the Web Connector"),
        ("/healthz", "application/json", '"status": "ok"'),
    ],
)
def test_get(front: Front, path: str, kind: str, has: str) -> None:
    reply = ask(front, "GET", path)
    assert (reply.status, reply.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert has in reply.body.decode()
    assert reply.headers["Content-Length"] == str(len(reply.body))
    head = ask(front, "HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers == reply.headers


@pytest.mark.parametrize("path", ["/x", "/support/", "/../etc/passwd", "/wsdl", "//", "/a.wsdl"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_anywhere_else(front: Front, exchange: Scripted, method: str, path: str) -> None:
    reply = ask(front, method, path, document("getLastError"))
    assert reply.status == 404
    assert reply.body == b"There is nothing here.\n"
    assert exchange.calls == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "M-SEARCH", ""])
@pytest.mark.parametrize("path", ["/", "/support", "/healthz", "/?wsdl"])
def test_other_methods_are_refused(front: Front, method: str, path: str) -> None:
    reply = ask(front, method, path)
    assert reply.status == 405
    assert reply.headers["Allow"].startswith("GET, HEAD")


def test_a_refused_body_is_read_so_that_its_sender_sees_the_answer(front: Front) -> None:
    for method, path, size, read in (
        ("POST", "/x", 80_000, 80_000),
        ("PUT", "/", 80_000, 80_000),
        ("POST", "/", 5_000_000, 1 << 20),  # but not to any length
    ):
        stream = io.BytesIO(b"x" * size)
        ask(front, method, path, **{"wsgi.input": stream, "CONTENT_LENGTH": str(size)})
        assert stream.tell() == read


def test_a_page_takes_no_call(front: Front, exchange: Scripted) -> None:
    reply = ask(front, "POST", "/support", document("getLastError"))
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert exchange.calls == []


def test_a_call_goes_through(front: Front, exchange: Scripted) -> None:
    assert ask(front, body=document("getLastError", "<ticket>t</ticket>")).results == [exchange.error]
    assert ask(front, "POST", "/?anything", document("getLastError")).results == [exchange.error]
    assert ask(front, "POST", "", document("getLastError")).results == [exchange.error]


# --- what a body must be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/xml; charset=utf-8",
        'text/xml; charset="UTF-8"',
        "TEXT/XML;charset=us-ascii",
        "text/xml",
        "application/xml",
        'text/xml; charset=utf-8; action="x"',
    ],
)
def test_content_types_that_are_taken(front: Front, kind: str) -> None:
    assert ask(front, body=document("getLastError"), CONTENT_TYPE=kind).status == 200


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "application/soap+xml; charset=utf-8",
        "multipart/related; boundary=x",
        "text/xml; charset=iso-8859-1",
        "text/xml; charset=utf-16",
        "text/xml; charset=no-such-charset",
        "text/xml; charset=",
        "text/plain",
        ";;;",
    ],
)
def test_content_types_that_are_not(front: Front, exchange: Scripted, kind: str | None) -> None:
    reply = ask(front, body=document("getLastError"), CONTENT_TYPE=kind)
    assert (reply.status, reply.headers["Connection"]) == (415, "close")
    assert exchange.calls == []


def test_a_compressed_body_is_refused(front: Front) -> None:
    assert ask(front, body=document("getLastError"), HTTP_CONTENT_ENCODING="gzip").status == 415


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (None, 411),
        ("", 411),
        ("abc", 400),
        ("-5", 400),
        ("1e3", 400),
        ("٣", 400),
        ("0", 400),
        ("100001", 413),
    ],
)
def test_lengths(front: Front, exchange: Scripted, length: str | None, status: int) -> None:
    assert ask(front, body=document("getLastError"), CONTENT_LENGTH=length).status == status
    assert exchange.calls == []


def test_a_body_shorter_than_it_says(front: Front, exchange: Scripted) -> None:
    assert ask(front, body=document("getLastError"), CONTENT_LENGTH="9999").status == 400
    assert exchange.calls == []


def test_chunks_are_counted_as_they_come(front: Front, exchange: Scripted) -> None:
    chunked = {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert ask(front, body=document("getLastError"), **chunked).status == 200
    assert ask(front, body=b" " * 100_001, **chunked).status == 413
    assert ask(front, body=b"", **chunked).status == 400
    assert len(exchange.calls) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(TimeoutError("timed out"), 408), (ConnectionResetError(), 400), (ValueError("chunk"), 400)],
)
def test_a_body_that_does_not_arrive(front: Front, error: Exception, status: int) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise error

    assert ask(front, body=document("getLastError"), **{"wsgi.input": Broken()}).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"\x00\xff\xfe",
        b"<a>",
        document("authenticate", f"<strPassword>{PASSWORD}</strPassword"),
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        document("authenticate", "<strPassword>hunter2</strPassword>").decode().encode("utf-16"),
    ],
)
def test_what_is_no_call_is_a_plain_answer(
    front: Front, exchange: Scripted, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    reply = ask(front, body=body)
    assert (reply.status, reply.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    said = reply.body.decode() + "".join(record.getMessage() for record in caplog.records)
    assert not re.search(r"Traceback|hunter2|\.py", said)
    assert exchange.calls == []
    assert b'"last_poll": null' in ask(front, "GET", "/healthz").body


# --- our own mistakes ---------------------------------------------------------------------------------------


def test_a_bug_outside_the_operations_is_a_500_with_an_id(
    exchange: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError(f"something with {PASSWORD} in it")

    caplog.set_level(logging.DEBUG)
    reply = ask(Front(broken, lambda: GOOD), body=document("getLastError"))
    assert reply.status == 500
    number = reply.body.decode().split()[2].rstrip(":")
    assert re.fullmatch("[0-9a-f]{8}", number)
    assert number in caplog.text
    assert PASSWORD not in reply.body.decode() + caplog.text


def test_health_that_breaks_is_a_500_and_health_that_is_bad_a_503(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Health:
        raise RuntimeError("secret")

    front = Front(make_app(Scripted()), broken)
    assert ask(front, "GET", "/support").status == 500
    assert "secret" not in caplog.text
    bad = Front(make_app(Scripted()), lambda: Health(good=False, workspace=""))
    assert ask(bad, "GET", "/healthz").status == 503
    assert "toolkit doctor" in ask(bad, "GET", "/support").body.decode()


def test_the_log_has_one_line_a_request_and_no_data(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="toolkit")
    ask(front, body=document("authenticate", f"<strPassword>{PASSWORD}</strPassword>".replace("&", "&amp;")))
    ask(front, "GET", "/customers/acme\r\nforged line")
    ask(front, "FORGED\r\n", "/")
    ask(front, "GET", "/healthz")  # a monitor asks for it all day
    told = [(one.event, one.fields["kind"], one.fields["status"]) for one in caplog.records]  # type: ignore[attr-defined]
    assert told == [
        ("request_served", "POST /", 200),
        ("request_refused", "GET elsewhere", 404),
        ("request_refused", "other /", 405),
    ]
    assert caplog.records[0].fields["bytes"] > 300  # type: ignore[attr-defined]
    assert [one.fields.get("reason") for one in caplog.records] == [  # type: ignore[attr-defined]
        *(None, "There is nothing here.", "/ does not take this method.")
    ]
    assert not re.search(r"hunter2|acme|forged|FORGED", "".join(str(vars(one)) for one in caplog.records))


def test_a_flood_of_what_is_refused_is_told_of_once_a_minute(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="toolkit")
    for number in range(100):
        ask(front, "GET", f"/{number}", REMOTE_ADDR=f"2001:db8::{number}")  # all of one client
        ask(front, "POST", "/support", REMOTE_ADDR="10.0.0.7")
        ask(front, "GET", "/support", REMOTE_ADDR="10.0.0.7")
    ask(front, "GET", "/0", REMOTE_ADDR="10.0.0.7")
    told = [
        (one.fields["address"], one.fields["status"])  # type: ignore[attr-defined]
        for one in caplog.records
        if one.levelno >= logging.INFO
    ]
    assert [one for one in told if one[1] != 200] == [
        *(("2001:db8::0", 404), ("10.0.0.7", 405), ("10.0.0.7", 404))
    ]
    assert told.count(("10.0.0.7", 200)) == 100
    assert len(caplog.records) == 301, "who wants all of it has it at the level debug"


# --- support page and health --------------------------------------------------------------------------------


def test_the_support_page_tells_health_last_poll_and_queue(front: Front) -> None:
    polls: list[dt.datetime | None] = [None]
    front.polled = lambda: polls[-1]
    before = ask(front, "GET", "/support").body.decode()
    assert "never yet" in before
    assert "<th>Jobs waiting for the Web Connector<td>2" in before
    ask(front, body=document("getLastError"))  # anybody can
    assert "never yet" in ask(front, "GET", "/support").body.decode()
    polls.append(NOW)
    after = ask(front, "GET", "/support")
    assert "2026-01-15 12:00, just now" in after.body.decode()
    assert "script" not in after.body.decode()
    assert after.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert ask(front, "GET", "/healthz").body == (
        b'{"status": "ok", "workspace": "abc123", "last_poll": "2026-01-15T12:00:00"}'
    )


def test_a_poll_is_a_call_with_the_right_password(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w", company="Test Works", password=PASSWORD, rehearsal=True) as ws:
        front = Server(ws)._front()

        def authenticate(password: str) -> bytes:
            who = f"<strUserName>{ws.user}</strUserName><strPassword>{escape(password)}</strPassword>"
            ask(front, body=document("authenticate", who))
            return ask(front, "GET", "/healthz").body

        for operation in ("getLastError", "closeConnection", "serverVersion"):
            ask(front, body=document(operation, "<ticket>made up</ticket>"))
        assert b'"last_poll": null' in authenticate("another password")
        assert b'"last_poll": "20' in authenticate(PASSWORD)


def test_the_later_of_two_calls_counts() -> None:
    known = Health(good=True, workspace="", last_poll=NOW)
    assert known.polled(NOW - dt.timedelta(hours=1)).last_poll == NOW
    assert known.polled(NOW + dt.timedelta(hours=1)).last_poll == NOW + dt.timedelta(hours=1)
    assert known.polled(None) is known


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ago(seconds: int, words: str) -> None:
    assert ago(NOW - dt.timedelta(seconds=seconds), NOW) == words


def test_a_rehearsal_is_marked() -> None:
    assert "(REHEARSAL)" in support_page(Health(good=True, workspace="", rehearsal=True), now=NOW)
    assert "REHEARSAL" not in support_page(GOOD, now=NOW)


# --- the server ---------------------------------------------------------------------------------------------


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "acme", company="Acme", password=PASSWORD) as workspace:
        yield workspace


@pytest.fixture
def server(ws: Workspace, exchange: Scripted) -> Iterator[Server]:
    running = Server(ws, port=0, exchange=exchange)
    running.start()
    yield running
    running.stop()


def port_of(server: Server) -> int:
    return int(server.url.rstrip("/").rpartition(":")[2])


def raw(address: tuple[str, int], *parts: bytes, pause: float = 0) -> bytes:
    """Send bytes and return all that comes back until the server closes the connection."""
    with socket.create_connection(address, timeout=20) as sock:
        received = b""
        try:
            for part in parts:
                sock.sendall(part)
                time.sleep(pause)
        except BrokenPipeError:
            pass  # it has heard enough
        try:
            while block := sock.recv(65536):
                received += block
        except ConnectionResetError:
            pass
        return received


def post(headers: str, body: bytes) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n\r\n".encode() + body


@pytest.mark.network
def test_zeep_speaks_to_it(server: Server, exchange: Scripted) -> None:
    service = zeep.Client(f"{server.url}?wsdl").service
    assert service.serverVersion("2.3").startswith("BluBilling")
    assert service.clientVersion("2.3.0.215") is None
    assert service.authenticate("jo", PASSWORD) == ["ticket-1", None]
    assert service.sendRequestXML("t", "", "", "US", 13, 0) == exchange.request
    assert service.receiveResponseXML("t", "<x/>", "", "") == 50
    assert service.connectionError("t", "0x80040408", "m") == "done"
    assert service.getLastError("t") == exchange.error
    assert service.closeConnection("t") == "OK"
    assert exchange.calls[0] == ("authenticate", "jo", PASSWORD)
    exchange.raising = KeyError("secret")
    with pytest.raises(zeep.exceptions.Fault, match=r"Internal error [0-9a-f]{8}") as caught:
        service.getLastError("t")
    assert "secret" not in str(caught.value)


@pytest.mark.network
def test_both_loopback_addresses_answer(server: Server) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
    for address in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(address, port_of(server), timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
    assert server.url == f"http://localhost:{port_of(server)}/"


@pytest.mark.network
@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
def test_a_call_as_the_dotnet_client_sends_it(server: Server, exchange: Scripted, expect: str) -> None:
    body = document("authenticate", "<strUserName>jo</strUserName><strPassword />")
    headers = (
        f"User-Agent: {AGENT}\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f'SOAPAction: "{NS}authenticate"\r\nContent-Length: {len(body)}\r\nExpect: {expect}'
    )
    answer = raw(("127.0.0.1", port_of(server)), post(headers, b""), body, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: " in answer
    assert b"chunked" not in answer
    assert b">ticket-1<" in answer
    assert exchange.calls == [("authenticate", "jo", "")]


@pytest.mark.network
def test_a_chunked_rpc_call_without_a_soapaction(server: Server, exchange: Scripted) -> None:
    body = rpc("getLastError", '<ticket xsi:type="xsd:string">t</ticket>')
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    answer = raw(
        ("127.0.0.1", port_of(server)), post("Content-Type: text/xml\r\nTransfer-Encoding: chunked", chunks)
    )
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert exchange.calls == [("last_error", "t")]


@pytest.mark.network
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/xml\r\n\r\n", b"411"),
        (post("Content-Type: text/xml\r\nContent-Length: 999999999999", b""), b"413"),
        (post("Content-Type: text/xml\r\nContent-Length: ten", b""), b"400"),
        (post("Content-Type: text/xml\r\nTransfer-Encoding: chunked", b"zz\r\nhello\r\n"), b"400"),
        (post("Content-Type: text/xml; charset=utf-7\r\nContent-Length: 5", b"hello"), b"415"),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"413"),
        (b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        ("GET //\u2100 HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"400"),
        (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
    ],
)
def test_what_no_client_should_send(server: Server, request_bytes: bytes, status: bytes) -> None:
    answer = raw(("127.0.0.1", port_of(server)), request_bytes)
    assert answer.split(b" ", 2)[1] == status, answer
    assert b"Traceback" not in answer
    assert requests.get(server.url, timeout=10).status_code == 200


@pytest.mark.network
@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: {n}", "Content-Length: 0"),
        ("Content-Length: 0", "Content-Length: 0"),
        ("Content-Length: {n}", "Content-Length : 0"),
        ("Content-Length: {n}", "content-length: 0"),
        ("Content-Length: 0", " {n}"),
        ("Content-Length: -1",),
        ("Content-Length: +{n}",),
        ("Content-Length: {n}, {n}",),
        ("Content-Length: ",),
        ("Content-Length: {n}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: ",),
        ("Transfer-Encoding : chunked",),
        ("X: y\rContent-Length: {n}",),
        ("X: \0",),
        ("Host: y",),
        (": x",),
        ("no colon",),
    ],
)
def test_a_request_that_two_could_read_as_two_is_refused(server: Server, lines: tuple[str, ...]) -> None:
    second = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    told = "\r\n".join(("GET /support HTTP/1.1", "Host: x", *lines, "", "")).format(n=len(second))
    answer = raw(("127.0.0.1", port_of(server)), told.encode() + second)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.network
def test_http_1_0_knows_no_chunks(server: Server) -> None:
    head = b"GET /support HTTP/1.0\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = raw(("127.0.0.1", port_of(server)), head + b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.") == 1


@pytest.mark.network
def test_a_refused_body_does_not_become_the_next_request(server: Server) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    first = f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {len(smuggled)}\r\n\r\n".encode()
    answer = raw(("127.0.0.1", port_of(server)), first + smuggled)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.network
def test_a_long_body_on_a_slow_line_may_take_as_long_as_its_rate(
    ws: Workspace, exchange: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "BODY_SECONDS", 0.3)
    server = Server(ws, port=0, exchange=exchange)
    server.start()
    try:
        pieces = [b"<a>" + b"x" * 5000] * 4  # 20 kB in 1.2 seconds: faster than READ_RATE
        head = post(f"Content-Type: text/xml\r\nContent-Length: {sum(map(len, pieces))}", b"")
        answer = raw(("127.0.0.1", port_of(server)), head, *pieces, pause=0.4)
        assert answer.startswith(b"HTTP/1.1 400"), "it is no call, but it was read"
        head = post("Content-Type: text/xml\r\nTransfer-Encoding: chunked", b"")
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        answer = raw(("127.0.0.1", port_of(server)), head, *chunks, b"0\r\n\r\n", pause=0.4)
        assert answer.startswith(b"HTTP/1.1 400")
    finally:
        server.stop()


@pytest.mark.network
def test_a_slow_client_is_sent_away_and_holds_nobody_up(
    ws: Workspace, exchange: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(wc_cheroot, "BODY_SECONDS", 0.3)
    server = Server(ws, port=0, exchange=exchange)
    server.start()
    try:
        address = ("127.0.0.1", port_of(server))
        slow_header = raw(
            address, b"GET / HT", b"TP/1.1\r\n", b"Host: x\r\n", b"A: b\r\n", b"\r\n", pause=0.2
        )
        assert slow_header.startswith(b"HTTP/1.1 408")
        head = post("Content-Type: text/xml\r\nContent-Length: 9", b"")
        assert raw(address, head, b"<a>", b"<b>", b"<c>", pause=0.4).startswith(b"HTTP/1.1 408")
        assert requests.get(server.url, timeout=10).status_code == 200
        assert exchange.calls == []
    finally:
        server.stop()


@pytest.mark.network
def test_a_port_in_use(server: Server, ws: Workspace) -> None:
    taken = port_of(server)
    with pytest.raises(UsageError, match=f"port {taken} is in use.*--port"):
        Server(ws, port=taken, exchange=Scripted()).start()


@pytest.mark.network
def test_a_port_that_only_one_address_has_free() -> None:
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
        other.listen()
        with pytest.raises(UsageError, match="in use"):
            listen("localhost", other.getsockname()[1])


@pytest.mark.network
def test_without_ipv6_there_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(address: str, port: int) -> socket.socket:
        if ":" in address:
            raise OSError(99, "Cannot assign requested address")
        return original(address, port)

    original = wc_cheroot._bind
    monkeypatch.setattr(wc_cheroot, "_bind", bind)
    (only,) = listen("localhost", 0)
    assert only.getsockname()[0] == "127.0.0.1"
    only.close()


def test_plain_http_stays_on_this_machine(ws: Workspace, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "billing.example.com"):
        with pytest.raises(UsageError, match="plain HTTP"):
            Server(ws, host=host, exchange=Scripted())
    with pytest.raises(UsageError, match="go together"):
        Server(ws, tls_cert=tmp_path / "a", exchange=Scripted())
    with pytest.raises(UsageError, match="no such file"):
        Server(ws, tls_cert=tmp_path / "a", tls_key=tmp_path / "b", exchange=Scripted())
    (tmp_path / "a").write_text("no certificate", encoding="utf-8")
    with pytest.raises(UsageError, match="no certificate and its key"):
        Server(ws, tls_cert=tmp_path / "a", tls_key=tmp_path / "a", exchange=Scripted())
    with pytest.raises(UsageError, match="65535"):
        Server(ws, port=70000, exchange=Scripted())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "")],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.network
def test_it_stops_after_the_call_in_hand(ws: Workspace) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert go_on.wait(10)

    server = Server(ws, port=0, exchange=Scripted(before=hold))
    server.start()
    address = ("127.0.0.1", port_of(server))
    body = document("closeConnection")
    answers: list[bytes] = []
    client = threading.Thread(
        target=lambda: answers.append(
            raw(address, post(f"Content-Type: text/xml\r\nContent-Length: {len(body)}", body))
        )
    )
    client.start()
    assert inside.wait(10)
    server.ask_to_stop()
    server.wait()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    time.sleep(0.5)
    with pytest.raises(OSError):  # refused: nobody listens any more
        socket.create_connection(address, timeout=5)
    go_on.set()
    client.join(10)
    stopping.join(10)
    assert not stopping.is_alive()
    assert answers[0].startswith(b"HTTP/1.1 200")
    server.stop()  # twice is once
    for sock in listen("localhost", address[1]):
        sock.close()


@pytest.mark.network
def test_wait_tells_that_the_server_died(ws: Workspace) -> None:
    server = Server(ws, port=0, exchange=Scripted())
    server.start()
    try:
        server._servers[0].stop()
        with pytest.raises(ToolkitError, match="ended by itself"):
            server.wait()
    finally:
        server.stop()


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the program openssl to make a certificate")
    return cert, key


@pytest.mark.network
def test_more_silent_clients_than_threads_hold_up_nobody(
    ws: Workspace, exchange: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wc_cheroot, "READ_SECONDS", 2)
    server = Server(ws, port=0, exchange=exchange)
    server.start()
    silent = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(3 * THREADS)]
    try:
        began = time.monotonic()
        for _ in range(5):
            assert requests.get(server.url, timeout=20).status_code == 200
        assert time.monotonic() - began < 1.5, "they held it up"
        for sock in silent:
            sock.settimeout(10)
            assert sock.recv(1) == b"", "one that never says anything is let go of"
    finally:
        for sock in silent:
            sock.close()
        server.stop()


@pytest.mark.network
def test_tls_and_silent_clients(
    ws: Workspace,
    exchange: Scripted,
    certificate: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    cert, key = certificate
    server = Server(ws, port=0, tls_cert=cert, tls_key=key, exchange=exchange)
    server.start()
    address = ("127.0.0.1", port_of(server))
    silent = [socket.create_connection(address) for _ in range(3 * THREADS)]
    try:
        assert server.url.startswith("https://localhost:")
        began = time.monotonic()
        reply = requests.post(
            server.url,
            document("getLastError"),
            headers={"Content-Type": "text/xml"},
            verify=str(cert),
            timeout=20,
        )
        assert reply.status_code == 200
        assert time.monotonic() - began < 5, "a silent client held it up"
        assert b"200 OK" not in raw(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # plain HTTP
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(cert)
        with old.wrap_socket(socket.create_connection(address), server_hostname="localhost") as secure:
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
        assert requests.get(server.url, verify=str(cert), timeout=20).status_code == 200
    finally:
        for sock in silent:
            sock.close()
        server.stop()
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING], "noise in the log"


# --- end to end ---------------------------------------------------------------------------------------------


@pytest.mark.network
def test_the_web_connector_finishes_an_import(ws: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="toolkit")
    (job,) = ws.queue_import("items")
    server = Server(ws, port=0)
    server.start()
    try:
        identity = {"owner_id": ws.owner_id, "file_id": ws.file_id}
        wrong = WebConnector(server.url, "blubilling", "wrong", company(), **identity).run()
        assert wrong.code == "QBWC1040"
        report = WebConnector(server.url, "blubilling", PASSWORD, company(), **identity).run()
        assert (report.code, report.outcome, report.percent[-1]) == (None, "OK", 100)
        assert report.calls[:3] == ["serverVersion", "clientVersion", "authenticate"]
        assert WebConnector(server.url, "blubilling", PASSWORD, company(), **identity).run().outcome == (
            "No data exchange"
        )
        page = requests.get(f"{server.url}support", timeout=10).text
        assert "Jobs complete<td>1" in page
        assert "just now" in page
        assert requests.get(f"{server.url}healthz", timeout=10).json()["workspace"] == ws.id
    finally:
        server.stop()
    assert ws.ledger.job(job).status == "complete"
    assert len(ws.read("quickbooks.items")) == len(company().tables()["quickbooks.items"])
    for secret in (PASSWORD, "wrong", ws.file_id):
        assert secret not in caplog.text
