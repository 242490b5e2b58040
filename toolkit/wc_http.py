"""What stands between the network and the SOAP service: methods, routes, lengths, charsets, errors.

The SOAP service behind it sees whole bodies of a sane length only; a client sees a plain HTTP answer,
whatever it sent, and of an error of ours its id and nothing else. Source: reference/PROTOCOL.md 1.7, 1.8.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.crash_points import BEFORE_REPLY, reached
from toolkit.errors import ProtocolError, ToolkitError, UsageError
from toolkit.event_log import Seldom, event
from toolkit.exchange import Exchange
from toolkit.wc_attempts import CALLER, Attempts, client_of
from toolkit.wc_body import MAX_BODY, Bodies, Pace, Refused, drain
from toolkit.wc_cheroot import LimitedServer, is_loopback, listen, tls_adapter
from toolkit.wc_events import Told
from toolkit.wc_guard import Guard
from toolkit.wc_pages import Handler, Page, PageRequest, make_pages
from toolkit.wc_server import Conversation, WsgiApp, incident, make_app
from toolkit.wc_support import Health, health_of
from toolkit.workspace import Workspace

__all__ = ["MAX_BODY", "Front", "Server"]

_TEXT, _XML = "text/plain; charset=utf-8", "text/xml; charset=utf-8"
_STATUS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_CLOSE = ("Connection", "close")
_GREETING = "The endpoint of the QuickBooks Web Connector. Its support page is at /support."


@dataclass
class Front:
    """A WSGI application around that of the SOAP service.

    Parameters
    ----------
    soap : WSGI application
        See :func:`toolkit.wc_server.make_app`.
    health : callable
        Gives the state of the workspace.
    max_body : int, optional
        Longest body that is read, in bytes.
    clock : callable, optional
        Gives the local time.
    pages : mapping, optional
        What answers a GET of each path but ``/``; by default those pages that ``health`` alone can fill.
    receiving : callable, optional
        Is told the ticket of a call that takes long to arrive.
    knows : callable, optional
        Says whether a ticket is that of a session, open or not.
    pace : Pace, optional
        How slow a body may be.
    behind_proxy : bool, optional
        The client is whom the last entry of ``X-Forwarded-For`` names.
    polled : callable, optional
        Gives when the Web Connector last showed its password; of its other calls the ledger knows.
    """

    soap: WsgiApp
    health: Callable[[], Health]
    max_body: int = MAX_BODY
    clock: Callable[[], dt.datetime] = dt.datetime.now
    pages: Mapping[str, Handler] | None = None
    receiving: Callable[[str], None] | None = None
    knows: Callable[[str], bool] | None = None
    pace: Pace | None = None
    behind_proxy: bool = False
    polled: Callable[[], dt.datetime | None] = lambda: None

    def __post_init__(self) -> None:
        self._news = Seldom()
        self._pages = make_pages(self.health) if self.pages is None else self.pages
        self._bodies = Bodies(self.max_body, receiving=self.receiving, knows=self.knows, pace=self.pace)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        began = time.monotonic()
        method = str(environ.get("REQUEST_METHOD", ""))
        caller = CALLER.set(_caller(environ, self.behind_proxy))
        reason = ""
        try:
            answer = self._answer(method, environ)
        except Refused as refused:
            drain(environ)
            reason = refused.text
            answer = _text(refused.status, refused.text, *refused.headers, _CLOSE)
        except Exception as error:
            number = incident("a request", error)
            answer = _text(500, f"Internal error {number}: see the server's log.", _CLOSE)
        finally:
            CALLER.reset(caller)
        self._tell(method, environ, answer, reason, time.monotonic() - began)
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

    def _answer(self, method: str, environ: dict[str, Any]) -> Page:
        path = environ.get("PATH_INFO") or "/"
        if path != "/" and path not in self._pages:
            raise Refused(404, "There is nothing here.")
        if method in ("GET", "HEAD"):
            return self._root(environ) if path == "/" else self._page(path, environ)
        if method == "POST" and path == "/":
            return self._call(environ)
        allowed = "GET, HEAD, POST" if path == "/" else "GET, HEAD"
        raise Refused(405, f"{path} does not take this method.", Allow=allowed)

    def _tell(
        self, method: str, environ: Mapping[str, Any], answer: Page, reason: str, seconds: float
    ) -> None:
        """Log a request, without a word that a stranger made up; of refused ones only some."""
        path = environ.get("PATH_INFO") or "/"
        known = path if path == "/" or path in self._pages else "elsewhere"
        method = method if method in ("GET", "HEAD", "POST") else "other"
        served, address = answer.status < 400, _caller(environ, self.behind_proxy)
        # Who asks for what is not there may do so a thousand times a second, and would fill all logs.
        known_already = 400 <= answer.status < 500 and not self._news((client_of(address), answer.status))
        event(
            "request_served" if served else "request_refused",
            level=logging.DEBUG if known_already or (served and path == "/healthz") else logging.INFO,
            kind=f"{method} {known}",
            status=answer.status,
            bytes=len(answer.body),
            seconds=round(seconds, 3),
            address=address,
            **({"reason": reason} if reason else {}),
        )

    def _root(self, environ: dict[str, Any]) -> Page:
        query = str(environ.get("QUERY_STRING", ""))
        if query.partition("=")[0].lower() != "wsdl":
            return _text(200, _GREETING)
        return self._through({**environ, "REQUEST_METHOD": "GET", "QUERY_STRING": "wsdl"})

    def _page(self, path: str, environ: Mapping[str, Any]) -> Page:
        authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
        return self._pages[path](PageRequest(self.clock(), authorization, self.polled()))

    def _call(self, environ: dict[str, Any]) -> Page:
        _require_xml(environ)
        with self._bodies.read(environ) as body:
            # Without a charset spyne does not decode the whole body first, and needs a third less memory.
            plain = {**environ, "CONTENT_TYPE": "text/xml", "CONTENT_LENGTH": str(body.length)}
            plain["wsgi.input"] = body
            try:
                answer = self._through(plain)
            except ProtocolError as error:
                raise Refused(400, f"This is no call of the Web Connector: {error}.") from error
        reached(BEFORE_REPLY)
        return answer

    def _through(self, environ: dict[str, Any]) -> Page:
        """Return what the SOAP service answers; its errors stay errors."""
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            seen.append((status, headers))

        body = b"".join(self.soap(environ, note))
        return Page(int(seen[-1][0][:3]), body, _XML)


def _text(status: int, text: str, *headers: tuple[str, str]) -> Page:
    return Page(status, f"{text}\n".encode(), _TEXT, headers)


def _caller(environ: Mapping[str, Any], behind_proxy: bool) -> str:
    """Return the address of the client; what a client itself says of it counts for nothing."""
    address = str(environ.get("REMOTE_ADDR", ""))
    if not behind_proxy:
        return address
    named = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(named))
    except ValueError:
        return address


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
        What answers, without a guard; by default the exchange of the workspace behind one.
    behind_proxy : bool, optional
        Something else speaks TLS with the Web Connector, at the workspace's URL, and passes its calls on.
        Nobody else may reach this port: what a request says of its client is believed.
    pace : Pace, optional
        How slow a call may be that arrives.

    Attributes
    ----------
    url : str
        Where the Web Connector finds it, once started, ending in ``/``.
    port : int
        Where it listens, once started.

    Raises
    ------
    UsageError
        Plain HTTP for other machines, a proxy for a URL without https, or files that are no certificate
        and key.
    """

    def __init__(
        self,
        workspace: Workspace,
        host: str = "localhost",
        port: int = 8085,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        exchange: Conversation | None = None,
        behind_proxy: bool = False,
        pace: Pace | None = None,
    ) -> None:
        if (tls_cert is None) != (tls_key is None):
            raise UsageError("a certificate and its key go together")
        if tls_cert is None and not is_loopback(host) and not behind_proxy:
            raise UsageError(
                f"plain HTTP on {host} would send the password and the books over the network unprotected: "
                "use --tls-cert and --tls-key, --host localhost, or --behind-proxy where something else "
                "speaks TLS"
            )
        if behind_proxy and not workspace.url.startswith("https://"):
            raise UsageError(
                f"behind a proxy the Web Connector's URL begins with https://, and {workspace.url} does not: "
                "name the proxy's with `toolkit qwc --url https://...`, and give the new .qwc file to the "
                "Web Connector"
            )
        if not 0 <= port <= 65535:
            raise UsageError(f"port {port}: there are ports from 1 to 65535 (0: any free one)")
        self._tls = tls_adapter(tls_cert, tls_key) if tls_cert and tls_key else None
        self._workspace, self._host, self._port = workspace, host, port
        self._behind_proxy, self._pace = behind_proxy, pace
        self._attempts = Attempts()
        self._guard: Guard | None = None
        self._polled: Callable[[], dt.datetime | None] = lambda: None
        if exchange is None:
            ours = Exchange(workspace)
            self._polled = lambda: ours.last_poll
            exchange = self._guard = Guard(Told(ours), workspace, self._attempts)
        self._exchange: Conversation = exchange
        self._servers: list[LimitedServer] = []
        self._threads: list[threading.Thread] = []
        self._asked = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.url, self.port = "", 0

    def start(self) -> None:
        """Listen, and serve from now on.

        Raises
        ------
        UsageError
            The port is in use, or the host is none of this machine's.
        """
        listening = listen(self._host, self._port)
        self.port = listening[0].getsockname()[1]
        name = _public_name(self._host, self._workspace.url)
        self.url = f"{'https' if self._tls else 'http'}://{name}:{self.port}/"
        if self._behind_proxy:
            self.url = self._workspace.url
        try:
            front = self._front()
        except ToolkitError:
            for sock in listening:
                sock.close()
            raise
        for sock in listening:
            server = LimitedServer(sock, front, behind_proxy=self._behind_proxy)
            server.ssl_adapter = self._tls
            server.prepare()
            thread = threading.Thread(target=server.serve, name=f"serve {sock.getsockname()[0]}", daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)

    def _front(self) -> Front:
        health, settings = health_of(self._workspace), self._workspace.settings
        # A session must hear of its answer well before it counts as stale.
        often = min(Pace().tell_seconds, settings["session_timeout"] / 3)
        return Front(
            make_app(self._exchange, url=self.url),
            health,
            max_body=settings["max_envelope_mb"] << 20,
            pages=make_pages(health, self._workspace, self._attempts),
            receiving=getattr(self._exchange, "receiving", None),
            knows=getattr(self._exchange, "knows", None),
            pace=self._pace or Pace(tell_seconds=often),
            behind_proxy=self._behind_proxy,
            polled=self._polled,
        )

    def ask_to_stop(self) -> None:
        """Make :meth:`wait` return; a signal handler may call it, whatever it interrupts."""
        self._open_no_session()
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
        self._open_no_session()
        self._asked = True
        # All at once: while one waits for the call in hand, the others would take new ones.
        ending = [threading.Thread(target=server.stop) for server in self._servers]
        for thread in ending:
            thread.start()
        for thread in (*ending, *self._threads):
            thread.join()
        self._servers.clear()
        self._threads.clear()

    def _open_no_session(self) -> None:
        if self._guard is not None:
            self._guard.stopping = True


def _public_name(host: str, url: str) -> str:
    """Return the host for our URL: the Web Connector takes a name, no address and no wildcard."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_loopback:
        return f"[{address}]" if address.version == 6 else str(address)
    return urlsplit(url).hostname or socket.gethostname()
