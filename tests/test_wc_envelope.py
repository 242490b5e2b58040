"""Whole requests as the Web Connector sends them, byte by byte over a socket.

The files in ``envelopes/`` were written by hand for this test: nothing in them was recorded anywhere. Their
shape, headers as well as bodies, is that of reference/PROTOCOL.md 1.8 and 3; names and ids are made up.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from web_connector_calls import Reply, Scripted

from toolkit.qbxml_company import read_company
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

pytestmark = pytest.mark.network  # the server of all of them ends in the last one

FOLDER = Path(__file__).parent / "envelopes"
TICKET = "TICKET"
PASSWORD = "pass & wörd <1>"
FILE = r"C:\Users\Public\Documents\Intuit\Brücke & O'Brien.qbw"
UNPARSED = "QuickBooks found an error when parsing the provided XML text stream."
CONTROL = "<QBXML><Memo>a&#xB;b&#x1;c</Memo></QBXML>"

# What each of them says to the exchange; a pattern where it is long. None: the exchange hears nothing.
HEARD: dict[str, tuple[Any, ...] | None] = {
    "01-serverVersion": None,
    "02-clientVersion": None,
    "03-authenticate": ("authenticate", "clerk", PASSWORD),
    "04-sendRequestXML-first": (
        "next_request",
        TICKET,
        re.compile("<.xml.*QBXML>\n", re.S),
        FILE,
        "US",
        14,
        0,
    ),
    "05-sendRequestXML-later": ("next_request", TICKET, "", FILE, "US", 14, 0),
    "06-receiveResponseXML": ("take_answer", TICKET, re.compile("<.xml.*🙂<.*</QBXML>\n", re.S), "", ""),
    "07-receiveResponseXML-hresult": ("take_answer", TICKET, "", "0x80040400", UNPARSED),
    "08-receiveResponseXML-missing": ("take_answer", TICKET, "", "0x80010105", ""),
    "09-receiveResponseXML-control": ("take_answer", TICKET, CONTROL, "", ""),
    "10-connectionError": ("connection_error", TICKET, "0x80040408", "Could not start QuickBooks."),
    "11-getLastError-nil": ("last_error", ""),
    "12-authenticate-rpc": ("authenticate", "clerk", PASSWORD),
    "13-sendRequestXML-rpc": ("next_request", TICKET, "", r"C:\Books\a.qbw", "US", 13, 0),
    "14-closeConnection": ("close", TICKET),
}
RESULTS: dict[str, list[str]] = {
    "clientVersion": [""],
    "authenticate": ["ticket-1", ""],
    "sendRequestXML": ["<?xml version='1.0'?><QBXML/>"],
    "receiveResponseXML": ["50"],
    "connectionError": ["done"],
    "getLastError": ["There is nothing to send."],
    "closeConnection": ["OK"],
}


@pytest.fixture(scope="module")
def exchange() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, exchange: Scripted) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("recorded") / "acme"
    with Workspace.create(place, company="Acme", password=PASSWORD) as ws:
        running = Server(ws, port=0, exchange=exchange)
        running.start()
        yield running
        running.stop()


def replayed(server: Server, name: str) -> tuple[bytes, Reply]:
    """Send a file a byte at a time; return what came before the answer, and the answer."""
    port = int(server.url.rstrip("/").rpartition(":")[2])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in (FOLDER / f"{name}.bin").read_bytes():
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        while block := sock.recv(65536):
            received += block
    before, _, answer = received.rpartition(b"HTTP/1.1 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return before, Reply(int(status[:3]), dict(line.split(": ", 1) for line in lines), body)


def test_the_files_are_whole_requests() -> None:
    assert [path.stem for path in sorted(FOLDER.glob("*.bin"))] == list(HEARD)
    for path in FOLDER.glob("*.bin"):
        head, _, body = path.read_bytes().partition(b"\r\n\r\n")
        assert head.startswith(b"POST / HTTP/1.1\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 6.0; ")
        assert int(re.search(rb"\r\nContent-Length: (\d+)", head)[1]) == len(body)


@pytest.mark.parametrize("name", HEARD)
def test_it_is_understood_and_answered(server: Server, exchange: Scripted, name: str) -> None:
    exchange.calls.clear()
    before, reply = replayed(server, name)
    assert before == (b"HTTP/1.1 100 Continue\r\n\r\n" if b"\r\nExpect: " in sent(name) else b"")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert b"\n" not in reply.body
    operation = name.split("-")[1]
    if operation == "serverVersion":
        assert reply.results[0].startswith("BluBilling")
    else:
        assert reply.results == RESULTS[operation]
    heard = HEARD[name]
    if heard is None:
        assert exchange.calls == []
        return
    (call,) = exchange.calls
    assert len(call) == len(heard)
    for said, meant in zip(call, heard, strict=True):
        assert meant.fullmatch(said) if isinstance(meant, re.Pattern) else said == meant


def sent(name: str) -> bytes:
    return (FOLDER / f"{name}.bin").read_bytes()


def test_the_first_answer_tells_company_and_versions() -> None:
    body = sent("04-sendRequestXML-first").partition(b"\r\n\r\n")[2]
    hcp = etree.fromstring(body).findtext(".//{*}strHCPResponse")
    company = read_company(hcp.encode())
    assert company.name == "Brücke & O'Brien Works"
    assert [stamp.name for stamp in company.stamps] == ["AppLock", "FileID"]
    assert company.versions[-1] == (14, 0)
    assert not company.is_sample
