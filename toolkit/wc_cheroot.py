"""cheroot with limits on time and size, TLS that stalls nobody, and sockets of our own.

As it comes cheroot sets no limit to headers and bodies, waits for each single read only, and does the TLS
handshake in the loop that accepts connections, where one silent client holds up all others.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import re
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from cheroot import errors
from cheroot.makefile import MakeFile, StreamReader
from cheroot.server import HTTPConnection
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as CherootServer

from toolkit.errors import UsageError
from toolkit.wc_server import WsgiApp

__all__ = ["LimitedServer", "is_loopback", "listen", "tls_adapter"]

READ_SECONDS = 20
"""Longest silence within a request, and longest pause between two on one connection."""
HEADER_SECONDS = 30
"""Until the headers of a request are there; the TLS handshake included."""
BODY_SECONDS = 900
"""Until a body is there: 256 MB on a line of 2.5 Mbit/s."""
STOP_SECONDS = 60
"""Until the calls in hand are answered, when the server stops."""
HEADER_BYTES = 32 * 1024
LINE_BYTES = 4096
"""Longest line between two chunks, and longest trailer."""
MOST_TRAILERS = 64
THREADS = 12

_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
_TAKEN_ON_WINDOWS = {10013, 10048}  # WSAEACCES: taken exclusively; WSAEADDRINUSE

_log = logging.getLogger(__name__)


class _DeadlineIO(socket.SocketIO):
    """The bytes of a connection, until a deadline."""

    deadline = float("inf")

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError("timed out")  # the words by which cheroot knows it
        try:
            return super().readinto(buffer)
        except ssl.SSLError as error:  # a handshake that fails, plain HTTP: nobody to answer to
            if isinstance(error, TimeoutError):
                raise
            raise errors.FatalSSLAlert(*error.args) from error


class _Reader(StreamReader):
    def __init__(self, sock: socket.socket, mode: str, bufsize: int) -> None:
        super().__init__(sock, mode, bufsize)
        self._raw = _DeadlineIO(sock, "r")


def _make_file(sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Any:
    return _Reader(sock, mode, bufsize) if "r" in mode else MakeFile(sock, mode, bufsize)


class _Whole:
    """A body of a stated length; a read waits for one packet at most, so that its reader keeps the time."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream, self._left = stream, max(0, length)

    @property
    def finished(self) -> bool:
        """Whether what comes next on the connection is no part of it."""
        return not self._left

    def read(self, size: int) -> bytes:
        """Return what is there, ``b""`` at the end."""
        block: bytes = self._stream.read1(min(size, self._left)) if self._left else b""
        self._left -= len(block)
        return block


class _Chunks:
    """A body in chunks, of any size; cheroot's own takes each chunk as a whole, however long.

    Source: RFC 9112, section 7.1.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._left = stream, 0
        self.finished = False

    def read(self, size: int) -> bytes:
        """Return what is there, ``b""`` at the end; ``ValueError`` for what is no chunk."""
        if self.finished:
            return b""
        if not self._left:
            self._left = self._next_length()
            if not self._left:
                return self._end()
        block: bytes = self._stream.read1(min(size, self._left))
        if not block:
            raise ValueError("the body ends within a chunk")
        self._left -= len(block)
        if not self._left and self._line() != b"\r\n":
            raise ValueError("a chunk is longer than it says")
        return block

    def _end(self) -> bytes:
        for _ in range(MOST_TRAILERS):  # they say nothing to us
            if self._line() == b"\r\n":
                self.finished = True
                return b""
        raise ValueError("the trailers have no end")

    def _next_length(self) -> int:
        found = re.match(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;|\r\n$)", self._line())
        if not found:
            raise ValueError("no length of a chunk")
        return int(found[1], 16)

    def _line(self) -> bytes:
        line: bytes = self._stream.readline(LINE_BYTES)
        if not line.endswith(b"\r\n"):
            raise ValueError("a line between chunks has no end")
        return line


class _Connection(HTTPConnection):
    rbufsize = 1 << 16
    spoke = False  # whether anything came from the client yet

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:
        super().__init__(server, sock, _make_file)

    def communicate(self) -> Any:
        self.rfile.raw.deadline = time.monotonic() + HEADER_SECONDS
        return super().communicate()  # type: ignore[no-untyped-call]


class _Gateway(Gateway_10):
    def get_environ(self) -> Any:
        request = self.req
        stream = request.conn.rfile
        stream.raw.deadline = time.monotonic() + BODY_SECONDS  # the headers are there
        request.rfile = (
            _Chunks(stream)
            if request.chunked_read
            else _Whole(stream, int(request.inheaders.get(b"Content-Length", 0)))
        )
        return super().get_environ()  # type: ignore[no-untyped-call]

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        # What is left of a body must not become the next request.
        if ("Connection", "close") in headers or not self.req.rfile.finished:
            self.req.close_connection = True
        return super().start_response(status, headers, exc_info)


class _LazyTLS(BuiltinSSLAdapter):
    """TLS whose handshake is done by the thread that reads the request."""

    def wrap(self, sock: socket.socket) -> tuple[Any, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


def tls_adapter(cert: Path, key: Path) -> BuiltinSSLAdapter:
    """Return what makes a server speak TLS 1.2 and later.

    Raises
    ------
    UsageError
        A file is not there, or the two are no certificate and its key.
    """
    for path in (cert, key):
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file (a certificate and its key in PEM are needed)")
    try:
        # Loaded once before cheroot does it: a key with a password would make it ask on the terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key, password="")
        adapter = _LazyTLS(str(cert), str(key))
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no PEM in it, or the key needs a password"
        raise UsageError(f"{cert} and {key} are no certificate and its key in PEM ({reason})") from error
    adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    return adapter


class LimitedServer(CherootServer):
    """A cheroot server on one socket.

    Parameters
    ----------
    listening : socket
        Bound; closed by ``stop``.
    app : WSGI application
        Called from several threads.
    max_body : int
        Longest body, in bytes; the application should say no before.
    """

    ConnectionClass = _Connection

    def __init__(self, listening: socket.socket, app: WsgiApp, *, max_body: int) -> None:
        super().__init__(
            listening.getsockname()[:2],
            app,
            numthreads=THREADS,
            server_name="toolkit",
            request_queue_size=64,
            timeout=READ_SECONDS,
            shutdown_timeout=STOP_SECONDS,
            accepted_queue_size=256,
        )
        self._listening = listening
        self.gateway = _Gateway
        self.max_request_header_size = HEADER_BYTES
        self.max_request_body_size = max_body
        self.expiration_interval = 0.05  # how fast it notices that it is to stop

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """Take the socket that was bound before: one port for several addresses is not cheroot's to find."""
        self.socket = self._listening
        return self._listening

    def process_conn(self, conn: _Connection) -> None:
        """Give a connection to a thread once its client says something.

        As cheroot has it a new connection takes a thread at once: as many silent ones as there are threads
        would hold up everybody until they are timed out.
        """
        if conn.spoke:
            super().process_conn(conn)
            return
        conn.spoke = True  # when it comes here again
        unstubbed: Any = self  # what waits for idle connections; `put` closes those that stay so
        unstubbed._connections.put(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Log what cheroot has to say; it quotes nothing but addresses and its own errors."""
        _log.log(min(level, logging.WARNING), "%.200s", msg.replace("\n", " "))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine and no other can reach it.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of a host, all on one port.

    ``localhost`` is both 127.0.0.1 and ::1, because Windows tries the latter first.

    Raises
    ------
    UsageError
        The port is in use, or the host is none of this machine's.
    """
    addresses = ["127.0.0.1", "::1"] if host.lower() == "localhost" else [host]
    for _ in range(20):  # a port that is free for one address may be taken for the other
        bound: list[socket.socket] = []
        try:
            for address in addresses:
                wanted = bound[0].getsockname()[1] if bound else port
                try:
                    bound.append(_bind(address, wanted))
                except OSError as error:
                    if bound and error.errno in _ABSENT:
                        continue  # a machine without IPv6
                    raise
            return bound
        except OSError as error:
            for sock in bound:
                sock.close()
            if error.errno != errno.EADDRINUSE and getattr(error, "winerror", None) not in _TAKEN_ON_WINDOWS:
                raise UsageError(
                    f"cannot listen on {host}, port {port}: {error.strerror or error}"
                ) from error
            if port or not bound:
                raise UsageError(
                    f"port {port} is in use: stop what listens there (another `toolkit serve`?) "
                    "or take another one with --port, and the same in the workspace's URL"
                ) from error
    raise UsageError(f"no port is free for all addresses of {host}: name one with --port")


def _bind(address: str, port: int) -> socket.socket:
    family, kind, proto, _, target = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, proto)
    try:
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(target)
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock
