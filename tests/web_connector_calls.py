"""Calls as the Web Connector makes them, and an exchange that answers from a script."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

NS = "http://developer.intuit.com/"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
AGENT = "Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services Client Protocol 2.0.50727.1433)"

_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
)


def envelope(content: str) -> bytes:
    """Return the envelope that a .NET client puts around a call, `content` being the call's element."""
    return f"{_HEAD}><soap:Body>{content}</soap:Body></soap:Envelope>".encode()


def document(operation: str, inner: str = "") -> bytes:
    """Return a call in document style."""
    return envelope(
        f'<{operation} xmlns="{NS}">{inner}</{operation}>' if inner else f'<{operation} xmlns="{NS}" />'
    )


def rpc(operation: str, inner: str) -> bytes:
    """Return a call in RPC style, as `<Style>RPC</Style>` in the .qwc makes it."""
    encoding = "http://schemas.xmlsoap.org/soap/encoding/"
    return (
        f'{_HEAD} xmlns:soapenc="{encoding}" xmlns:tns="{NS}"><soap:Body soap:encodingStyle="{encoding}">'
        f'<q1:{operation} xmlns:q1="{NS}">{inner}</q1:{operation}></soap:Body></soap:Envelope>'
    ).encode()


@dataclass
class Scripted:
    """An exchange that notes each call and answers what it was told to."""

    authenticated: tuple[str, ...] = ("ticket-1", "")
    request: str = "<?xml version='1.0'?><QBXML/>"
    percent: int = 50
    error: str = "There is nothing to send."
    raising: BaseException | None = None
    before: Callable[[], None] | None = None
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.before is not None:
            self.before()
        if self.raising is not None:
            raise self.raising

    def authenticate(self, user: str, password: str) -> tuple[str, ...]:
        self._note("authenticate", user, password)
        return self.authenticated

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        self._note("next_request", ticket, hcp, company_file, country, major, minor)
        return self.request

    def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
        text = response if isinstance(response, str) else response.decode()
        self._note("take_answer", ticket, text, hresult, message)
        return self.percent

    def last_error(self, ticket: str) -> str:
        self._note("last_error", ticket)
        return self.error

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        self._note("connection_error", ticket, hresult, message)
        return "done"

    def close(self, ticket: str) -> str:
        self._note("close", ticket)
        return "OK"


@dataclass
class Reply:
    """What a WSGI application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def results(self) -> list[str]:
        """The texts of the result, one for `string` each in the array of authenticate."""
        call = etree.fromstring(self.body).find(f"{SOAP}Body")[0]
        assert etree.QName(call).localname.endswith("Response"), etree.tostring(call)
        result = call[0]
        return [child.text or "" for child in result] if len(result) else [result.text or ""]

    @property
    def fault(self) -> str:
        return str(etree.fromstring(self.body).findtext(f".//{SOAP}Fault/faultstring"))


def ask(app: Any, method: str = "POST", path: str = "/", body: bytes = b"", **environ: Any) -> Reply:
    """Call a WSGI application; `environ` overrides, None takes a key out."""
    seen: list[tuple[str, list[tuple[str, str]]]] = []
    path, _, query = path.partition("?")
    env: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8085",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    if method == "POST":
        env |= {"CONTENT_TYPE": "text/xml; charset=utf-8", "CONTENT_LENGTH": str(len(body))}
    env = {key: value for key, value in (env | environ).items() if value is not None}
    given = b"".join(app(env, lambda status, headers, exc_info=None: seen.append((status, headers))))
    assert len(seen) == 1
    status, headers = seen[0]
    assert len({name.lower() for name, _ in headers}) == len(headers), "a header twice"
    return Reply(int(status[:3]), dict(headers), given)
