"""cheroot with limits on time and size, TLS that stalls nobody, and sockets of our own.

As it comes cheroot sets no limit to headers and bodies, waits for each single read only, and does the TLS
handshake in the loop that accepts connections, where one silent client holds up all others.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import queue
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from cheroot import errors
from cheroot.connections import ConnectionManager
from cheroot.server import HTTPConnection
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.workers.threadpool import ThreadPool
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as CherootServer

from toolkit.errors import UsageError
from toolkit.event_log import event
from toolkit.wc_attempts import client_of
from toolkit.wc_heads import Request
from toolkit.wc_server import WsgiApp
from toolkit.wc_streams import DRAINED, READ_RATE, Chunks, Whole, make_file

__all__ = ["LimitedServer", "is_loopback", "listen", "tls_adapter"]

READ_SECONDS = 20
"""Longest silence within a request, and longest pause between two on one connection."""
HEADER_SECONDS = 10
"""Until the headers of a request are there; the TLS handshake included."""
CROWDED_SECONDS = 2
"""Until the headers are there, and longest silence within a body, while most threads are taken."""
BODY_SECONDS = 60
"""Until a body is there, and besides what it takes at READ_RATE: 100 MB on a slow line are hours."""
CHUNKED_SECONDS = 3600
"""Until a body is there that does not say how long it is; a proxy sends such, from nearby."""
STOP_SECONDS = 60
"""Until the calls in hand are answered, when the server stops; then their lines are closed."""
DRAIN_SECONDS = 5.0
"""How long a body is still read that nobody wants."""
TURN_AWAY_SECONDS = 0.2
"""How long somebody whom there is no place for may take over hearing so."""
HEADER_BYTES = 32 * 1024
THREADS = 32
QUEUED = 64
"""How many connections may wait for a thread; whoever comes then is turned away."""
PER_CLIENT = 8
"""How many threads, and places in the queue for them, one client has that is not this machine."""
TURNED_AWAY = 32
"""How many may wait to hear that there is no place; others hear nothing."""
WAITING = 100
"""How many may be open and silent, each of the servers: Windows watches 512 at most, macOS opens 256."""

_NO_MORE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, 10024, 10055}  # the last two: Windows
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
_TAKEN_ON_WINDOWS = {10013, 10048}  # WSAEACCES: taken exclusively; WSAEADDRINUSE

_WORDS = b"There is no place for you just now: try again later.\n"
_NO_PLACE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nRetry-After: 30\r\nConnection: close\r\n\r\n%s" % (len(_WORDS), _WORDS)
)


class _Connection(HTTPConnection):
    RequestHandlerClass = Request
    rbufsize = 1 << 16
    spoke = False  # whether anything came from the client yet
    client = ""  # all that is one client, of its address

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:
        super().__init__(server, sock, make_file)

    def patience(self, most: float = READ_SECONDS) -> float:
        """Return for how many seconds it may keep a thread waiting, as things are now."""
        threads = self.server.requests
        # One that stops has no idle threads any more, and no crowd either: nobody waits for one.
        calm = 2 * threads.idle >= threads.min or not self.server.ready
        return most if calm else min(most, CROWDED_SECONDS)

    def communicate(self) -> Any:
        self.rfile.raw.deadline = time.monotonic() + self.patience(HEADER_SECONDS)
        return super().communicate()  # type: ignore[no-untyped-call]

    def turn_away(self) -> None:
        """Say that there is no place, unless a handshake would have to come first."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None:
            return
        end = time.monotonic() + TURN_AWAY_SECONDS
        self.socket.settimeout(TURN_AWAY_SECONDS)
        self.wfile.write(_NO_PLACE)
        self.socket.shutdown(socket.SHUT_WR)
        # Closed with something unread, the answer would be lost on its way: what is here is read, no more.
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(min(0.02, left))
            if not self.socket.recv(1 << 16):
                break


class _Seldom:
    """Says once a minute that something is to be told which may happen a thousand times in it."""

    def __init__(self) -> None:
        self._again_at = float("-inf")

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._again_at:
            return False
        self._again_at = now + 60
        return True


class _Connections(ConnectionManager):
    """Those that are open and silent: only so many, and the longest silent ones make room for others.

    As cheroot has it, strangers who open connections and say nothing use up all that a process may open;
    from then on it tries to accept the next one without end.
    """

    _selector: Any
    _crowded = False

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._news = _Seldom()

    def _expire(self, threshold: float) -> None:
        """Close those that were not used since; called by the thread that watches them, and by no other."""
        used = sorted(one.last_used for _, one in self._selector.connections if one is not self.server)
        if self._crowded:
            threshold, self._crowded = float("inf"), False
        elif len(used) > WAITING:
            threshold = max(threshold, used[-WAITING])
        unstubbed: Any = super()
        unstubbed._expire(threshold)

    def _from_server_socket(self, server_socket: socket.socket) -> Any:
        unstubbed: Any = super()
        try:
            if len(self._selector) > 2 * WAITING:  # it waits outside until there is room, which is soon
                time.sleep(0.01)
                return None
            return unstubbed._from_server_socket(server_socket)
        except OSError as error:
            if error.errno not in _NO_MORE:  # the client's line only: it was reset before TLS began
                return None
            if self._news():  # this process may open no more
                reason = "no more connections can be opened"
                event("connection_trouble", level=logging.WARNING, error=type(error).__name__, reason=reason)
            self._crowded = True
            time.sleep(0.05)
            return None


class _Threads(ThreadPool):
    """The threads that read requests and answer them.

    As cheroot has it, a server that stops still serves whoever waits for a thread, and then waits for
    clients that take what they are sent slowly.
    """

    _queue: Any
    _threads: Any

    def held_by(self, client: str) -> int:
        """Return how many connections of a client are served, or wait to be."""
        with self._queue.mutex:
            waiting = list(self._queue.queue)
        lines = (*waiting, *(thread.conn for thread in self._threads))
        return sum(isinstance(line, _Connection) and line.client == client for line in lines)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Answer what is begun, close what is not, and after so many seconds whatever is left."""
        with contextlib.suppress(queue.Empty):
            while True:
                _close(self._queue.get_nowait())
        super().stop(timeout)  # type: ignore[arg-type]

    @staticmethod
    def _force_close(conn: Any) -> None:
        """End all waiting for a client; a call that is being worked on is worked on to its end."""
        if conn is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(conn.socket, socket.SHUT_RDWR)  # TLS stays: nothing leaves in the open


def _close(conn: HTTPConnection) -> None:
    with contextlib.suppress(OSError):
        conn.close()


class _Gateway(Gateway_10):
    def get_environ(self) -> Any:
        request = self.req
        stream = request.conn.rfile
        length = int(request.inheaders.get(b"Content-Length", 0))
        seconds = CHUNKED_SECONDS if request.chunked_read else BODY_SECONDS + length / READ_RATE
        stream.raw.deadline = time.monotonic() + seconds  # the headers are there
        stream.raw.patience = request.conn.patience
        request.rfile = Chunks(stream) if request.chunked_read else Whole(stream, length)
        return super().get_environ()  # type: ignore[no-untyped-call]

    def respond(self) -> None:
        super().respond()
        rest, stream = self.req.rfile, self.req.conn.rfile
        if rest.finished or self.req.status.startswith(b"408"):  # who was too slow has had time enough
            return
        # Closed with something unread, the answer would be lost on its way to whom is still sending.
        stream.raw.deadline = min(stream.raw.deadline, time.monotonic() + DRAIN_SECONDS)
        left = DRAINED
        with contextlib.suppress(OSError, ValueError, errors.FatalSSLAlert):
            self.req.conn.socket.shutdown(socket.SHUT_WR)
            while left > 0 and (block := rest.read(left)):
                left -= len(block)

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
        Called from several threads. What it does not read of a body is read after its answer, for a while.
    behind_proxy : bool, optional
        All calls come from one address, whoever makes them: it may take all the threads.
    """

    ConnectionClass = _Connection
    _connections: Any
    _unservicable_conns: Any

    requests: _Threads

    def __init__(self, listening: socket.socket, app: WsgiApp, *, behind_proxy: bool = False) -> None:
        super().__init__(
            listening.getsockname()[:2],
            app,
            server_name="toolkit",
            request_queue_size=64,
            timeout=READ_SECONDS,
            shutdown_timeout=STOP_SECONDS,
        )
        self._listening, self._by_client = listening, not behind_proxy
        # Nobody waits for a place in the queue: it would be the thread that accepts all others.
        self.requests = _Threads(self, THREADS, accepted_queue_size=QUEUED, accepted_queue_timeout=0)
        self._unservicable_conns = queue.Queue(TURNED_AWAY)
        self.gateway = _Gateway
        self.max_request_header_size = HEADER_BYTES
        self.expiration_interval = 0.05  # how fast it notices that it is to stop

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """Take the socket that was bound before: one port for several addresses is not cheroot's to find."""
        self.socket = self._listening
        return self._listening

    def prepare(self) -> None:
        """Begin to listen; :meth:`serve` is to follow."""
        super().prepare()
        self._connections.close()
        self._connections = _Connections(self)

    def process_conn(self, conn: _Connection) -> None:
        """Give a connection to a thread once its client says something.

        As cheroot has it a new connection takes a thread at once: as many silent ones as there are threads
        would hold up everybody until they are timed out.
        """
        if not conn.spoke:
            conn.spoke, conn.client = True, client_of(str(conn.remote_addr))  # when it comes here again
            self._connections.put(conn)
            return
        try:
            strange = self._by_client and not is_loopback(str(conn.remote_addr))
            if strange and self.requests.held_by(conn.client) >= PER_CLIENT:
                raise queue.Full
            self.requests.put(conn)
        except queue.Full:
            try:
                self._unservicable_conns.put_nowait(conn)
            except queue.Full:
                _close(conn)

    def _serve_unservicable(self) -> None:
        """Turn away whom there is no place for, in a thread of its own, until the server stops."""
        news = _Seldom()
        while isinstance(conn := self._unservicable_conns.get(), _Connection):
            if news():
                event("request_refused", level=logging.WARNING, status=503, reason="queue full")
            try:
                if self.ready:
                    with contextlib.suppress(OSError, errors.FatalSSLAlert):
                        conn.turn_away()
                _close(conn)
            except Exception as error:
                event("connection_trouble", level=logging.ERROR, error=type(error).__name__)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Tell of what cheroot has to say; of an error its class only, since its words may quote a client."""
        error = sys.exc_info()[1]
        event(
            "connection_trouble",
            level=min(level, logging.WARNING),
            error="" if error is None else type(error).__name__,
            reason="" if traceback else " ".join(msg.split())[:200],
        )


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
