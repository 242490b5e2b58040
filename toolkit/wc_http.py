"""What stands between the network and the SOAP service: methods, routes, lengths, charsets, errors.

The SOAP service behind it sees whole bodies of a sane length only; a client sees a plain HTTP answer,
whatever it sent, and of an error of ours its id and nothing else. Source: reference/PROTOCOL.md 1.7, 1.8.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import logging
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.crash_points import BEFORE_REPLY, reached
from toolkit.errors import ProtocolError, ToolkitError, UsageError
from toolkit.exchange import Exchange
from toolkit.wc_body import MAX_BODY, Bodies, Refused, drain
from toolkit.wc_cheroot import LimitedServer, is_loopback, listen, tls_adapter
from toolkit.wc_server import Conversation, WsgiApp, incident, make_app
from toolkit.wc_support import Health, health_of, support_page
from toolkit.workspace import Workspace

__all__ = ["MAX_BODY", "Front", "Server"]

_TEXT, _HTML, _JSON, _XML = (
    f"{kind}; charset=utf-8" for kind in ("text/plain", "text/html", "application/json", "text/xml")
)
_STATUS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_GREETING = "The endpoint of the QuickBooks Web Connector. Its support page is at /support.\n"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    kind: str = _TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, status: int, text: str, **headers: str) -> _Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return cls(status, text.encode(), headers=named)


@dataclass
class Front:
    """A WSGI application around that of the SOAP service.

    Parameters
    ----------
    soap : WSGI application
        See :func:`toolkit.wc_server.make_app`.
    health : callable
        Gives the state of the workspace, for ``/healthz`` and ``/support``.
    max_body : int, optional
        Longest body that is read, in bytes.
    clock : callable, optional
        Gives the local time.

    Attributes
    ----------
    last_poll : datetime or None
        When the Web Connector last called.
    """

    soap: WsgiApp
    health: Callable[[], Health]
    max_body: int = MAX_BODY
    clock: Callable[[], dt.datetime] = dt.datetime.now
    last_poll: dt.datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._bodies = Bodies(self.max_body)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        method = str(environ.get("REQUEST_METHOD", ""))
        try:
            answer = self._answer(method, environ)
        except Refused as refused:
            drain(environ)
            answer = _Answer.text(refused.status, refused.text + "\n", **refused.headers, Connection="close")
        except Exception as error:
            number = incident("a request", error)
            answer = _Answer.text(
                500, f"Internal error {number}: see the server's log.\n", Connection="close"
            )
        _log.info("%s %s %d, %d bytes", *_named(method, environ), answer.status, len(answer.body))
        start_response(
            f"{answer.status} {_STATUS.get(answer.status, 'Unknown')}",
            [
                ("Content-Type", answer.kind),
                ("Content-Length", str(len(answer.body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                *answer.headers,
            ],
        )
        return [] if method == "HEAD" else [answer.body]

    def _answer(self, method: str, environ: dict[str, Any]) -> _Answer:
        path = environ.get("PATH_INFO") or "/"
        if path not in _ROUTES:
            raise Refused(404, "There is nothing here.")
        if method in ("GET", "HEAD"):
            return _ROUTES[path](self, environ)
        if method == "POST" and path == "/":
            return self._call(environ)
        allowed = "GET, HEAD, POST" if path == "/" else "GET, HEAD"
        raise Refused(405, f"{path} does not take this method.", Allow=allowed)

    # --- what can be asked for ------------------------------------------------------------------------

    def _root(self, environ: dict[str, Any]) -> _Answer:
        query = str(environ.get("QUERY_STRING", ""))
        if query.partition("=")[0].lower() != "wsdl":
            return _Answer.text(200, _GREETING)
        return self._through({**environ, "REQUEST_METHOD": "GET", "QUERY_STRING": "wsdl"})

    def _support(self, environ: dict[str, Any]) -> _Answer:
        page = support_page(self._state(), now=self.clock())
        policy = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        return _Answer(200, page.encode(), _HTML, (policy,))

    def _healthz(self, environ: dict[str, Any]) -> _Answer:
        state = self._state()
        document = {
            "status": "ok" if state.good else "failed",
            "workspace": state.workspace,
            "last_poll": state.last_poll.isoformat(timespec="seconds") if state.last_poll else None,
        }
        return _Answer(200 if state.good else 503, json.dumps(document).encode(), _JSON)

    def _state(self) -> Health:
        return self.health().polled(self.last_poll)

    # --- a call ---------------------------------------------------------------------------------------

    def _call(self, environ: dict[str, Any]) -> _Answer:
        _require_xml(environ)
        with self._bodies.read(environ) as body:
            # Without a charset spyne does not decode the whole body first, and needs a third less memory.
            plain = {**environ, "CONTENT_TYPE": "text/xml", "CONTENT_LENGTH": str(body.length)}
            plain["wsgi.input"] = body
            try:
                answer = self._through(plain)
            except ProtocolError as error:
                raise Refused(400, f"This is no call of the Web Connector: {error}.") from error
        self.last_poll = self.clock()
        reached(BEFORE_REPLY)
        return answer

    def _through(self, environ: dict[str, Any]) -> _Answer:
        """Return what the SOAP service answers; its errors stay errors."""
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            seen.append((status, headers))

        body = b"".join(self.soap(environ, note))
        return _Answer(int(seen[-1][0][:3]), body, _XML)


_ROUTES: Mapping[str, Callable[[Front, dict[str, Any]], _Answer]] = {
    "/": Front._root,
    "/support": Front._support,
    "/healthz": Front._healthz,
}


def _named(method: str, environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return method and path for the log, never what a stranger made up."""
    path = environ.get("PATH_INFO") or "/"
    return (method if method in ("GET", "HEAD", "POST") else "other"), (
        path if path in _ROUTES else "elsewhere"
    )


def _require_xml(environ: Mapping[str, Any]) -> None:
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415, "Send the body as it is, without Content-Encoding.")
    header = Message()
    header["Content-Type"] = str(environ.get("CONTENT_TYPE", ""))
    if header.get_content_type() not in ("text/xml", "application/xml"):
        raise Refused(415, "Send SOAP 1.1 with the Content-Type text/xml; charset=utf-8.")
    charset = str(header.get_param("charset", "utf-8")).strip().lower()
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refused(415, "Send the body in UTF-8.")


# --- the server ---------------------------------------------------------------------------------------------


class Server:
    """The Web Connector endpoint of one workspace, in threads of its own.

    Parameters
    ----------
    workspace : Workspace
        Open for writing, and locked by the caller.
    host : str, optional
        Name or address to listen on; ``localhost`` listens on 127.0.0.1 and on ::1, because Windows tries
        the latter first.
    port : int, optional
        0 takes a free one.
    tls_cert, tls_key : Path, optional
        Certificate and key in PEM. Without them only this machine is served.
    exchange : Conversation, optional
        What answers; by default the exchange of the workspace.

    Attributes
    ----------
    url : str
        Where it listens, once started, ending in ``/``.

    Raises
    ------
    UsageError
        Plain HTTP for other machines, or files that are no certificate and key.
    """

    def __init__(
        self,
        workspace: Workspace,
        host: str = "localhost",
        port: int = 8085,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        exchange: Conversation | None = None,
    ) -> None:
        if (tls_cert is None) != (tls_key is None):
            raise UsageError("a certificate and its key go together")
        if tls_cert is None and not is_loopback(host):
            raise UsageError(
                f"plain HTTP on {host} would send the password and the books over the network unprotected: "
                "use --tls-cert and --tls-key, or --host localhost"
            )
        if not 0 <= port <= 65535:
            raise UsageError(f"port {port}: there are ports from 1 to 65535 (0: any free one)")
        self._tls = tls_adapter(tls_cert, tls_key) if tls_cert and tls_key else None
        self._workspace, self._host, self._port = workspace, host, port
        self._exchange: Conversation = Exchange(workspace) if exchange is None else exchange
        self._servers: list[LimitedServer] = []
        self._threads: list[threading.Thread] = []
        self._asked = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.url = ""

    def start(self) -> None:
        """Listen, and serve from now on.

        Raises
        ------
        UsageError
            The port is in use, or the host is none of this machine's.
        """
        listening = listen(self._host, self._port)
        port = listening[0].getsockname()[1]
        name = _public_name(self._host, self._workspace.url)
        self.url = f"{'https' if self._tls else 'http'}://{name}:{port}/"
        front = Front(make_app(self._exchange, url=self.url), health_of(self._workspace))
        for sock in listening:
            server = LimitedServer(sock, front, max_body=front.max_body)
            server.ssl_adapter = self._tls
            server.prepare()
            thread = threading.Thread(target=server.serve, name=f"serve {sock.getsockname()[0]}", daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)

    def ask_to_stop(self) -> None:
        """Make :meth:`wait` return; a signal handler may call it, whatever it interrupts."""
        self._asked = True
        self._woken.put(None)  # unlike an Event, it may be put to by who interrupts whoever waits for it

    def wait(self) -> None:
        """Return when asked to stop.

        Raises
        ------
        ToolkitError
            The server ended by itself.
        """
        while not self._asked:
            if not all(thread.is_alive() for thread in self._threads):
                raise ToolkitError("the server ended by itself; its log says why")
            with contextlib.suppress(queue.Empty):
                self._woken.get(timeout=0.1)

    def stop(self) -> None:
        """Take no more calls, answer those in hand, and let go of the port. Safe to call twice."""
        self._asked = True
        for server in self._servers:
            server.stop()
        for thread in self._threads:
            thread.join()
        self._servers.clear()
        self._threads.clear()


def _public_name(host: str, url: str) -> str:
    """Return the host for our URL: the Web Connector takes a name, no address and no wildcard."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_loopback:
        return f"[{address}]" if address.version == 6 else str(address)
    return urlsplit(url).hostname or socket.gethostname()
