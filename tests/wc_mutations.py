"""Calls of the Web Connector, spoilt in every way that a seed knows: the same number gives the same one."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from web_connector_calls import AGENT, NS, document, envelope, rpc

RECORDED = Path(__file__).parent / "envelopes"
ANSWER = (
    '<?xml version="1.0" ?>\n<QBXML>\n<QBXMLMsgsRs>\n<CustomerQueryRs requestID="J1Q1P1" statusCode="0" '
    'statusSeverity="Info" statusMessage="Status OK" iteratorRemainingCount="0" iteratorID="{a-1}">\n'
    "<CustomerRet>\n<ListID>80000010-1</ListID>\n<TimeCreated>2025-06-01T08:00:00-05:00</TimeCreated>\n"
    "<TimeModified>2025-06-01T08:00:00-05:00</TimeModified>\n<EditSequence>1748764800</EditSequence>\n"
    "<Name>Zoë &amp; Söhne</Name>\n<FullName>Zoë &amp; Söhne</FullName>\n<IsActive>true</IsActive>\n"
    "</CustomerRet>\n</CustomerQueryRs>\n</QBXMLMsgsRs>\n</QBXML>\n"
)
_ESCAPED = ANSWER.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
OPERATIONS = (
    *("serverVersion", "clientVersion", "authenticate", "sendRequestXML", "receiveResponseXML"),
    *("connectionError", "getLastError", "closeConnection", "getInteractiveURL", "interactiveRejected"),
    *("interactiveDone", "isInteractiveDone"),
)
_ODD = (
    *(
        "",
        "0",
        "-1",
        "x",
        "٣",
        "1e9",
        "99999999999999999999999",
        "\x00",
        "\r\n",
        "%00",
        "%ff%fe",
        "é",
        "\xff",
    ),
    *("' OR 1=1 --", "../../etc/passwd", "{{7*7}}", "A" * 300, "A" * 40_000, "null", "chunked", "gzip"),
    *("text/xml; charset=utf-16", "text/xml; charset=", 'text/xml; charset="', "multipart/x", "a/b/c", ";;;"),
    *("Basic", "Basic !!!!", "Basic " + base64.b64encode(b"no colon").decode(), "Basic \xff", "Bearer x"),
    *("Basic " + base64.b64encode(b"\xff\xfe:\x00").decode(), "1.2.3.4, evil", "::1", "a" * 70 + ".b"),
    *("100-continue", "identity", "utf-8", '"', "\t", "-0", "+5", "5, 5", "0x10", " 7 "),
)
_SNIPPETS = (
    *(
        "<",
        ">",
        "&",
        "&#0;",
        "&#1;",
        "&#xD800;",
        "&#x110000;",
        "&#99999999999;",
        "&nope;",
        "]]>",
        "<![CDATA[",
    ),
    *(
        "<!-- ",
        "-->",
        "<?php ?>",
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!ENTITY % x SYSTEM "file:///etc/passwd">',
    ),
    *("\x00", "\x01", "\ufffe", "\U0001f642", "\ud800", "<a/>", "<a>", "</a>", "<a xmlns='urn:b' b:c='d'/>"),
    *(' xmlns=""', ' xsi:nil="true"', ' href="#id1"', ' a="b" a="b"', "<soap:Body>", "</soap:Envelope>"),
    *('<soap:Header><x soap:mustUnderstand="1"/></soap:Header>', "<soap:Fault/>", "\r", "\n", "  ", "\t"),
    *(
        '<?xml version="1.1"?>',
        '<?xml version="1.0" encoding="utf-16"?>',
        "\ufeff",
        "9" * 400,
        "%s%n",
        "<" * 200,
    ),
)
_SPACES = ("", "urn:x", NS.rstrip("/"), "http://www.w3.org/2003/05/soap-envelope", " ", "\x01")
_METHODS = ("GET", "HEAD", "PUT", "OPTIONS", "TRACE", "", "POST POST", "\xff", "post", "CONNECT", "M" * 400)
_PATHS = (
    *(
        "/support",
        "/healthz",
        "/support/jobs",
        "/support/company.qwc",
        "/?wsdl",
        "/?WSDL=1",
        "/nothing",
        "//",
    ),
    *("/support/../", "/support/jobs/", "*", "http://evil/", "/%2e%2e/", "/\xff", "?wsdl", "/" + "a" * 5000),
    *(
        "/support?x=<script>",
        "/healthz?" + "&" * 500,
        "/?wsdl&" + "%" * 99,
        "/;/",
        "\\",
        "/support#x",
        "",
        "//[",
        "http://[/",
    ),
)
_HEADERS = (
    *(
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "SOAPAction",
        "Host",
        "Expect",
    ),
    *("Authorization", "X-Forwarded-For", "X-Forwarded-Proto", "User-Agent", "Connection", "Range", "Cookie"),
    *("Accept-Encoding", "Accept", "Upgrade", "If-None-Match", "TE", "Trailer", "X-" + "y" * 60),
)


@dataclass
class Spoilt:
    """A request that is to be made: the parts of it, and what was done to them."""

    method: str = "POST"
    target: str = "/"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    done: list[str] = field(default_factory=list)

    def raw(self) -> bytes:
        """Return the bytes as they go over the line."""
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + self.body

    def environ(self) -> dict[str, str | None]:
        """Return what a WSGI server makes of the head; for a header that came twice the last."""
        path, _, query = self.target.partition("?")
        named: dict[str, str | None] = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
        }
        given = {name.upper().replace("-", "_"): value for name, value in self.headers}
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            named[name] = given.pop(name, None)
        return named | {f"HTTP_{name}": value for name, value in given.items()}


class Spoiler:
    """Makes spoilt requests.

    Parameters
    ----------
    seed : int
        Which ones.
    tickets : sequence of str
        Those of sessions, for some of the calls to be about one.
    password : str
        The right one.
    """

    def __init__(self, seed: int, tickets: Sequence[str] = ("ticket",), password: str = "password") -> None:
        self._seed, self.tickets, self._password = seed, list(tickets), password
        self._recorded = [path.read_bytes() for path in sorted(RECORDED.glob("*.bin"))]

    def make(self, number: int) -> Spoilt:
        """Return the request of a number: a valid call, and from none to four things done to it."""
        dice = random.Random(f"{self._seed}:{number}")
        request = self._call(dice)
        if dice.random() < 0.6:
            for _ in range(dice.randint(1, 3)):
                _some(dice, _BODY)(dice, request)
            if dice.random() < 0.9:
                _length(request)
        if dice.random() < 0.35:
            for _ in range(dice.randint(1, 2)):
                _some(dice, _HEAD)(dice, request)
        return request

    def _call(self, dice: random.Random) -> Spoilt:
        if self._recorded and dice.random() < 0.3:
            return _read(dice.choice(self._recorded).replace(b"TICKET", dice.choice(self.tickets).encode()))
        operation = dice.choice(OPERATIONS)
        texts = self._texts(dice, operation)
        inner = "".join(f"<{name}>{text}</{name}>" for name, text in texts)
        body = rpc(operation, inner) if dice.random() < 0.2 else document(operation, inner)
        headers = [("Host", "localhost"), ("User-Agent", AGENT), ("Content-Type", "text/xml; charset=utf-8")]
        headers += [("SOAPAction", f'"{NS}{operation}"'), ("Content-Length", str(len(body)))]
        return Spoilt(headers=headers, body=body, done=[operation])

    def _texts(self, dice: random.Random, operation: str) -> list[tuple[str, str]]:
        ticket = ("ticket", dice.choice(self.tickets))
        failed = [("hresult", dice.choice(("0x80040408", "0x80010105", "x", ""))), ("message", "It failed.")]
        match operation:
            case "authenticate":
                # The right password is looked at for 30 ms, as is each other one for the first time.
                word = self._password if dice.random() < 0.02 else ""
                return [("strUserName", dice.choice(("blubilling", "stranger"))), ("strPassword", word)]
            case "sendRequestXML":
                numbers = [("qbXMLMajorVers", "13"), ("qbXMLMinorVers", "0")]
                names = [("strHCPResponse", ""), ("strCompanyFileName", r"C:\x.qbw"), ("qbXMLCountry", "US")]
                return [ticket, *names, *numbers]
            case "receiveResponseXML":
                told = failed if dice.random() < 0.3 else [("hresult", ""), ("message", "")]
                return [ticket, ("response", "" if told is failed else _ESCAPED), *told]
            case "connectionError":
                return [ticket, *failed]
            case "serverVersion" | "clientVersion":
                return [("strVersion", "2.3.0.215")]
            case "getLastError" | "closeConnection":
                return [ticket]
            case _:
                return [("wcTicket", ticket[1]), ("sessionID", "1")]


def _read(data: bytes) -> Spoilt:
    """Return a recorded request in its parts."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target = [*first.split(" "), "/"][:2]
    pairs = [line.partition(":")[::2] for line in lines]
    request = Spoilt(method, target, [(name, value.strip()) for name, value in pairs], body, ["recorded"])
    _length(request)
    return request


def _length(request: Spoilt) -> None:
    request.headers = [(name, value) for name, value in request.headers if name != "Content-Length"]
    request.headers.append(("Content-Length", str(len(request.body))))


# --- what is done to a body ---------------------------------------------------------------------------------

_Change = Callable[[random.Random, Spoilt], None]


def _some(dice: random.Random, of: Sequence[_Change]) -> _Change:
    change = dice.choice(of)

    def noted(dice: random.Random, request: Spoilt) -> None:
        request.done.append(change.__name__.strip("_"))
        change(dice, request)

    return noted


def _flip(dice: random.Random, request: Spoilt) -> None:
    data = bytearray(request.body)
    for _ in range(dice.choice((1, 1, 2, 8, 60))):
        if data:
            data[dice.randrange(len(data))] = dice.randrange(256)
    request.body = bytes(data)


def _cut(dice: random.Random, request: Spoilt) -> None:
    request.body = request.body[: dice.randint(0, len(request.body))]


def _lose(dice: random.Random, request: Spoilt) -> None:
    start = dice.randint(0, len(request.body))
    request.body = request.body[:start] + request.body[start + dice.randint(1, 80) :]


def _twice(dice: random.Random, request: Spoilt) -> None:
    start = dice.randint(0, len(request.body))
    part = request.body[start : start + dice.randint(1, 300)]
    request.body = request.body[:start] + part * dice.choice((2, 3, 100)) + request.body[start:]


def _insert(dice: random.Random, request: Spoilt) -> None:
    start = dice.randint(0, len(request.body))
    snippet = dice.choice(_SNIPPETS).encode("utf-8", "surrogatepass")
    request.body = request.body[:start] + snippet + request.body[start:]


def _between(dice: random.Random, request: Spoilt) -> None:
    """Put something where a text begins or ends: what is parsed well, and means nothing."""
    places = [place for place, byte in enumerate(request.body) if byte == ord(">")]
    if places:
        start = dice.choice(places) + 1
        snippet = dice.choice(_SNIPPETS).encode("utf-8", "surrogatepass")
        request.body = request.body[:start] + snippet + request.body[start:]


def _rename(dice: random.Random, request: Spoilt) -> None:
    names = (b"ticket", b"soap:Body", b"soap:Envelope", b"response", b"hresult", b"qbXMLMajorVers", b"soap:")
    operation = request.done[0].encode()
    was = dice.choice((*names, operation))
    becomes = dice.choice(
        (b"x", b"string", b"xs:x", b"a:b", b"TICKET", b"authenticate", b"__class__", b"q:" + was)
    )
    request.body = request.body.replace(was, becomes, dice.choice((1, 2, -1)))


def _respace(dice: random.Random, request: Spoilt) -> None:
    was = dice.choice((NS, "http://schemas.xmlsoap.org/soap/envelope/"))
    request.body = request.body.replace(was.encode(), dice.choice(_SPACES).encode(), dice.choice((1, -1)))


def _text(dice: random.Random, request: Spoilt) -> None:
    """Say something odd in an element, well formed."""
    odd = dice.choice(_ODD).replace("&", "&amp;").replace("<", "&lt;").encode("utf-8")
    was = dice.choice((b">13<", b">0<", b">US<", b"><", b">2.3.0.215<", b">ticket<"))
    request.body = request.body.replace(was, b">" + odd + b"<", 1)


def _recode(dice: random.Random, request: Spoilt) -> None:
    text = request.body.decode("utf-8", "replace")
    coding = dice.choice(("utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "cp037", "utf-8-sig"))
    request.body = text.encode(coding, "replace")


def _prefix(dice: random.Random, request: Spoilt) -> None:
    heads = (
        *(
            b"\n",
            b" " * 5000,
            b"<!-- " + b"-" * 3000 + b" -->",
            b"<?a b?>" * 300,
            b"\xef\xbb\xbf\xef\xbb\xbf",
        ),
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!-- --><!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
    )
    request.body = dice.choice(heads) + request.body


def _deep(dice: random.Random, request: Spoilt) -> None:
    count = dice.choice((3, 300, 5000))
    inner = "<a>" * count + "x" + "</a>" * dice.choice((count, count, count - 1))
    request.body = document(dice.choice(OPERATIONS), f"<ticket>{inner}</ticket>")


def _wide(dice: random.Random, request: Spoilt) -> None:
    names = "".join(f"<{name}>{place}</{name}>" for place in range(500) for name in ("ticket", f"x{place}"))
    attributes = " ".join(f'a{place}="{place}"' for place in range(2000))
    operation = dice.choice(OPERATIONS)
    tall = f'<{operation} xmlns="{NS}" {attributes}/>'
    request.body = document(operation, names) if dice.random() < 0.5 else envelope(tall)


def _several(dice: random.Random, request: Spoilt) -> None:
    calls = [f'<{dice.choice(OPERATIONS)} xmlns="{NS}"/>' for _ in range(dice.choice((0, 2, 3)))]
    request.body = envelope(dice.choice(("", " text ", "<!-- -->")) + "".join(calls))


def _other(dice: random.Random, request: Spoilt) -> None:
    request.body = dice.choice(
        (
            *(
                b"",
                b"\x00",
                b"{}",
                b"[1]",
                b"<>",
                b"<a",
                b"<a/>",
                b"a=b&c=d",
                b"\x80" * 999,
                b"<?xml?>",
                b"<![CDATA[",
            ),
            *(
                b"<a xmlns:b=''/>",
                b"\x1f\x8b\x08\x00",
                b"PK\x03\x04",
                b"<\x00?\x00x\x00",
                b"\r\n\r\n",
                b"<" * 9000,
            ),
            bytes(dice.randrange(256) for _ in range(dice.randrange(400))),
        )
    )


# --- what is done to a head ---------------------------------------------------------------------------------


def _method(dice: random.Random, request: Spoilt) -> None:
    request.method = dice.choice(_METHODS)


def _target(dice: random.Random, request: Spoilt) -> None:
    request.target = dice.choice(_PATHS)
    if dice.random() < 0.5:
        request.method = "GET"


def _header(dice: random.Random, request: Spoilt) -> None:
    request.headers.append((dice.choice(_HEADERS), dice.choice(_ODD)))


def _without(dice: random.Random, request: Spoilt) -> None:
    if request.headers:
        request.headers.pop(dice.randrange(len(request.headers)))


def _odd_header(dice: random.Random, request: Spoilt) -> None:
    if request.headers:
        place = dice.randrange(len(request.headers))
        request.headers[place] = (request.headers[place][0], dice.choice(_ODD))


def _wrong_length(dice: random.Random, request: Spoilt) -> None:
    size = len(request.body)
    _without_length = [(name, value) for name, value in request.headers if name != "Content-Length"]
    told = dice.choice((size - 1, size + 1, 0, -size, 10**9, 10**30, 2**31, f"{size}, {size}", f"{size}.0"))
    request.headers = [*_without_length, ("Content-Length", str(told))]


def _chunked(dice: random.Random, request: Spoilt) -> None:
    """Send the body in chunks, well or badly (in process, nobody takes them out)."""
    request.headers = [(name, value) for name, value in request.headers if name != "Content-Length"]
    request.headers.append(
        ("Transfer-Encoding", dice.choice(("chunked", "chunked", "Chunked", "gzip, chunked")))
    )
    middle = dice.randint(0, len(request.body))
    parts = [part for part in (request.body[:middle], request.body[middle:]) if part]
    sizes = [b"%x" % len(part) for part in parts]
    end = b"0\r\n\r\n"
    match dice.randrange(8):
        case 0:
            sizes = [
                dice.choice((b"-1", b"zz", b"", b"ffffffffffffffff", b"7fffffff", b"1;" + b"x" * 9000))
            ] * len(parts)
        case 1:
            end = b""
        case 2:
            end = b"0\r\nX: y\r\n\r\n"
        case 3:
            sizes = [size + b";a=b" for size in sizes]
    request.body = (
        b"".join(size + b"\r\n" + part + b"\r\n" for size, part in zip(sizes, parts, strict=True)) + end
    )


_BODY: Sequence[_Change] = (
    *(
        _flip,
        _cut,
        _lose,
        _twice,
        _insert,
        _between,
        _rename,
        _respace,
        _text,
        _recode,
        _prefix,
        _deep,
        _wide,
    ),
    *(_several, _other),
)
_HEAD: Sequence[_Change] = (
    _method,
    _target,
    _header,
    _header,
    _without,
    _odd_header,
    _wrong_length,
    _chunked,
)


def spoil_bytes(dice: random.Random, data: bytes) -> bytes:
    """Return the bytes of a request, spoilt as no WSGI server would let them through."""
    head, _, body = data.partition(b"\r\n\r\n")
    match dice.randrange(10):
        case 0:
            return data[: dice.randint(0, len(head) + 4)]
        case 1:
            return data.replace(
                b"\r\n", dice.choice((b"\n", b"\r", b"\r\n\r\n", b"\n\r", b"")), dice.choice((1, 3, -1))
            )
        case 2:
            lines = [b"A%d: b" % place for place in range(dice.choice((50, 3000)))]
            return b"\r\n".join([head, *lines, b"", b""]) + body
        case 3:
            start = dice.randint(0, len(head))
            return head[:start] + bytes([dice.randrange(256)]) + head[start:] + b"\r\n\r\n" + body
        case 4:
            odd = (
                b" folded",
                b"no colon",
                b": empty",
                b"A b: c",
                b"A\x00: b",
                b"Host: second",
                b"\tx: y",
                b"\xff: \xfe",
            )
            return head + b"\r\n" + dice.choice(odd) + b"\r\n\r\n" + body
        case 5:
            version = dice.choice(
                (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1x", b"", b"HTTP/9.9", b"http/1.1")
            )
            return data.replace(b"HTTP/1.1", version, 1)
        case 6:
            return (
                dice.choice(
                    (b"\r\n", b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\x80\x2e\x01", b"PRI * ")
                )
                + data
            )
        case 7:
            return data + dice.choice(
                (b"GET / HTTP/1.1\r\n", b"x", data[:60], b"\r\n" * 9, b"GET /support HTTP/1.0\r\n\r\n")
            )
        case 8:
            first, _, rest = data.partition(b"\r\n")
            odd = (b" folded: b", b"\tfolded", b"Content-Length : 0", b"Content-Length: -1", b"Host: first")
            return first + b"\r\n" + dice.choice(odd) + b"\r\n" + rest
        case _:
            return bytes(dice.randrange(256) for _ in range(dice.randrange(1, 300)))
