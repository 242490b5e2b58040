"""The bytes of a connection: none is waited for longer than a deadline, coming or going.

cheroot waits for each single packet only, so that a client that takes or gives one byte a second holds a
thread for hours; and it takes a chunk of a body as a whole, however long.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from cheroot import errors
from cheroot.makefile import StreamReader

__all__ = ["DRAINED", "Chunks", "Whole", "Writer", "make_file"]

READ_RATE = 10_000
"""Bytes a second with which a body must come."""
WRITE_SECONDS = 30.0
"""Until an answer is taken, at the least."""
WRITE_RATE = 50_000
"""Bytes a second with which a long answer must be taken."""
LINE_BYTES = 4096
"""Longest line between two chunks, and longest trailer."""
MOST_TRAILERS = 64
LEAST_CHUNK = 64
"""Bytes that a chunk must have on average: each of them costs time, however short it is."""
SHORT_CHUNKS = 1000
"""How many may be shorter."""
DRAINED = 1 << 20
"""Bytes of a body that nobody wants which are still read, so that its sender gets to see the answer."""
TIMED_OUT = "timed out"
"""The words by which cheroot knows it."""

_LOOK_SECONDS = 0.5
_SENT_AT_ONCE = 1 << 18


class _DeadlineIO(socket.SocketIO):
    """The bytes of a connection, until a deadline.

    How long it may be silent is asked again and again, because it depends on how many others wait.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        self._own = sock
        self.deadline = float("inf")
        self.patience: Callable[[], float] = lambda: float("inf")

    def readinto(self, buffer: Any) -> int | None:
        was, began = self._own.gettimeout(), time.monotonic()
        try:
            while (left := min(self.deadline, began + self.patience()) - time.monotonic()) > 0:
                self._own.settimeout(min(left, _LOOK_SECONDS))
                with contextlib.suppress(TimeoutError):
                    return self._own.recv_into(buffer)
        except ssl.SSLError as error:  # a handshake that fails, plain HTTP: nobody to answer to
            raise errors.FatalSSLAlert(*error.args) from error
        finally:
            if not self.closed:
                self._own.settimeout(was)
        raise TimeoutError(TIMED_OUT)


class _Reader(StreamReader):
    def __init__(self, sock: socket.socket, mode: str, bufsize: int) -> None:
        super().__init__(sock, mode, bufsize)
        self._raw = _DeadlineIO(sock)


class Writer:
    """Writes answers to a connection, each with its own deadline.

    Unlike cheroot's own it copies nothing that waits to be sent.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.bytes_written = 0

    def write(self, data: bytes) -> int:
        """Send it all; ``TimeoutError`` when it was not taken in time."""
        patience = self._sock.gettimeout() or WRITE_SECONDS
        deadline = time.monotonic() + max(WRITE_SECONDS, len(data) / WRITE_RATE)
        left = memoryview(data)
        try:
            while left:
                seconds = deadline - time.monotonic()
                if seconds <= 0:
                    raise TimeoutError(TIMED_OUT)
                self._sock.settimeout(min(patience, seconds))
                sent = self._sock.send(left[:_SENT_AT_ONCE])
                self.bytes_written += sent
                left = left[sent:]
        finally:
            self._sock.settimeout(patience)
        return len(data)


def make_file(sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Any:
    """Return what reads from a connection, or what writes to it."""
    return _Reader(sock, mode, bufsize) if "r" in mode else Writer(sock)


class Whole:
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


class Chunks:
    """A body in chunks, of any size; cheroot's own takes each chunk as a whole, however long.

    Source: RFC 9112, section 7.1.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._left = stream, 0
        self._count = self._bytes = 0
        self.finished = False

    def read(self, size: int) -> bytes:
        """Return what is there, ``b""`` at the end; ``ValueError`` for what is no chunk."""
        if self.finished:
            return b""
        if not self._left:
            if self._count > SHORT_CHUNKS and self._bytes < LEAST_CHUNK * self._count:
                raise ValueError("the chunks are too short")
            self._left = self._next_length()
            self._count, self._bytes = self._count + 1, self._bytes + self._left
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
