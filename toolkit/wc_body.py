"""The body of a call as it arrives: how long it may be, how slow, and how many at once.

A stranger can send as much as anyone, so that each limit holds before a password is looked at, and what is
large must name a session. A large body is in memory once: who reads it takes it.
Source: reference/PROTOCOL.md 1.7, 1.8.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.wc_streams import DRAINED, READ_RATE, Chunks, Whole

__all__ = ["LARGE", "MAX_BODY", "Bodies", "OneShot", "Pace", "Refused", "drain"]

MAX_BODY = 256 * 1024 * 1024
"""Longest envelope that is read, in bytes, where no setting says otherwise."""
LARGE = 1 << 20
"""A body longer than this names a session, counts against the memory for all, and is worked on alone."""
RETRY_SECONDS = 30
"""After which somebody whom there was no room for may come again."""

_BLOCK = 1 << 20
_HEAD = 1 << 16  # in which the ticket stands: it is the first element of every call that is long

_TICKET = re.compile(
    rb"<(?:[A-Za-z_][\w.-]*:)?ticket(?:\s[^<>]*)?>\s*(?:<!\[CDATA\[)?([^<>&\s\[\]]{1,200})(?:\]\]>)?\s*</"
)


class Refused(Exception):
    """A request that goes no further, with the status and the words of its answer."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a body may be.

    Parameters
    ----------
    tell_seconds : float
        How often the session is told that its answer is still arriving.
    patience_seconds : float
        For so long a body may come as slowly as it likes.
    least_rate : float
        Bytes a second that must have come, on average, in one of two such stretches.
    """

    tell_seconds: float = 10.0
    patience_seconds: float = 30.0
    least_rate: float = float(READ_RATE)


class OneShot:
    """A body that can be read once, whole, and is forgotten then."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def read(self, size: int = -1) -> bytes:
        """Return the body, and ``b""`` ever after."""
        body, self._body = self._body, b""
        return body


class Bodies:
    """Reads the bodies of calls, from several threads.

    Parameters
    ----------
    limit : int, optional
        Longest body, in bytes. Of large ones there may be twice as much in memory at a time.
    receiving : callable, optional
        Is told the ticket of a call that takes long to arrive, every few seconds.
    knows : callable, optional
        Says whether a ticket is that of a session, open or not; without it, each is.
    pace : Pace, optional
        How slow a body may be.
    clock : callable, optional
        Gives seconds that only grow.
    """

    def __init__(
        self,
        limit: int = MAX_BODY,
        *,
        receiving: Callable[[str], None] | None = None,
        knows: Callable[[str], bool] | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._pace, self._clock = limit, pace or Pace(), clock
        self._receiving, self._knows = receiving, knows
        self._free = 2 * limit
        self._lock = threading.Lock()
        self._alone = threading.Lock()

    @contextlib.contextmanager
    def read(self, environ: Mapping[str, Any]) -> Iterator[OneShot]:
        """Give the whole body, of a stated length or in chunks, for as long as it is worked on.

        Raises
        ------
        Refused
            It is too long, too long for a stranger, too slow, cut short, empty, or there is no room for it
            now.
        """
        wanted = _stated(environ, self._limit)
        held = 0
        try:
            arrived = io.BytesIO()  # unlike a list of blocks, it gives the whole without a copy
            told = self._clock()
            stretch = _Stretch(self._pace, told)
            for block in _blocks(environ["wsgi.input"], self._limit + 1 if wanted is None else wanted):
                arrived.write(block)
                size, now = arrived.tell(), self._clock()
                if size != wanted:  # all of it is there, however late
                    stretch.require(size, now)
                if size > LARGE:
                    if not held:
                        self._require_known(arrived)
                    self._take(size - held)
                    held = size
                if now - told >= self._pace.tell_seconds:
                    told = now
                    self._tell(arrived)
            _require_whole(arrived.tell(), wanted, self._limit)
            body = OneShot(arrived.getvalue())
            del arrived
            with self._alone if held else contextlib.nullcontext():
                yield body
        finally:
            self._give_back(held)

    def _require_known(self, arrived: io.BytesIO) -> None:
        if self._knows is None:
            return
        ticket = _ticket(arrived)
        if ticket is None or not self._knows(ticket):
            raise Refused(413, f"A body of more than {LARGE} bytes names a session of this server's.")

    def _take(self, size: int) -> None:
        """Count memory as it fills, not as it is asked for: to promise much costs a stranger nothing."""
        with self._lock:
            if size > self._free:
                text = "There is too much to read at once: try again later."
                raise Refused(503, text, Retry_After=str(RETRY_SECONDS))
            self._free -= size

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._free += size

    def _tell(self, arrived: io.BytesIO) -> None:
        if self._receiving is None:
            return
        ticket = _ticket(arrived)
        if ticket is not None:
            self._receiving(ticket)


class _Stretch:
    """The last stretch of time in which a body arrived: it may not live on how fast it began."""

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace, self._began, self._before = pace, now, 0
        self._was_slow = False

    def require(self, size: int, now: float) -> None:
        seconds = now - self._began
        if seconds <= self._pace.patience_seconds:
            return
        slow = size - self._before < self._pace.least_rate * seconds
        if slow and (self._was_slow or not self._before):
            raise Refused(408, "The body arrives too slowly.")
        # One slow stretch may be a single pause, if it began well.
        self._began, self._before, self._was_slow = now, size, slow


def _ticket(arrived: io.BytesIO) -> str | None:
    """Return the ticket of a call of which the head has arrived."""
    arrived.seek(0)
    found = _TICKET.search(arrived.read(_HEAD))
    arrived.seek(0, io.SEEK_END)
    return found[1].decode("utf-8", "replace") if found else None


def drain(environ: Mapping[str, Any]) -> None:
    """Read what is left of a body that nobody wants, up to a length: its sender looks at no answer before.

    With a server of ours there is a better way: it answers first, and reads on after that.
    """
    stream = environ.get("wsgi.input")
    if stream is None or isinstance(stream, Whole | Chunks):
        return
    left = DRAINED
    with contextlib.suppress(OSError, ValueError):  # its sender will not see the answer, then
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            left -= len(block)


def _stated(environ: Mapping[str, Any], limit: int) -> int | None:
    """Return the length that a body is to have, ``None`` for one that comes in chunks."""
    stated = environ.get("CONTENT_LENGTH")
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        if stated:  # a proxy might believe the one, and we the other
            raise Refused(400, "The body has a Content-Length and comes in chunks: one is too many.")
        return None
    if not stated:
        raise Refused(411, "Say how long the body is: Content-Length.")
    if not re.fullmatch(r"[0-9]{1,18}", str(stated), re.ASCII):
        raise Refused(400, "Content-Length is no number.")
    if int(stated) > limit:
        raise _too_long(limit)
    return int(stated)


def _blocks(stream: Any, most: int) -> Iterator[bytes]:
    try:
        while most and (block := stream.read(min(_BLOCK, most))):
            most -= len(block)
            yield block
    except TimeoutError as error:
        raise Refused(408, "The body took too long to arrive.") from error
    except (OSError, ValueError) as error:  # the line went dead, or the chunks make no sense
        raise Refused(400, "The body could not be read.") from error


def _require_whole(size: int, wanted: int | None, limit: int) -> None:
    if wanted is None and size > limit:
        raise _too_long(limit)
    if wanted is not None and size < wanted:
        raise Refused(400, "The body ends before its Content-Length.")
    if not size:
        raise Refused(400, "The body is empty.")


def _too_long(limit: int) -> Refused:
    return Refused(413, f"The body is longer than {limit} bytes.")
