"""How often somebody may try passwords: a wait that grows, and that a corrected password outlives.

The Web Connector repeats a wrong password every minute for as long as nobody corrects it. So the same
wrong password again costs nothing and lengthens nothing; only others do. Nothing here knows a password, only
what a key of this process made of it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CALLER", "LONGEST_WAIT", "Attempts", "Verdict", "client_of"]

CALLER: ContextVar[str] = ContextVar("caller", default="")
"""Address of the client whose request this thread answers; ``""`` where nobody knows."""

LONGEST_WAIT = 30
"""Seconds; the Web Connector comes back after a minute."""
FREE = 5
"""Wrong passwords of one client for one user that cost no wait."""
FREE_NAMES = 20
"""The same of one client, whatever user it names."""
FORGET_SECONDS = 15 * 60.0
MOST_CLIENTS = 1000
MOST_WRONG = 16
"""Wrong passwords that are known again, a client and user."""
MOST_COMPARED = 10
"""Passwords in one wait that are compared with the right one, since that came: more are guesses."""
CHECK_SECONDS = 10.0
"""A check that was let go and is not recorded until then is taken for one that never ended."""
QUIET_SECONDS = 45.0
"""The same wrong password is told of again after that: once a minute for a Web Connector."""

Kind = Literal["known_wrong", "wait", "go", "known_right"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a user and password.

    Parameters
    ----------
    kind : str
        ``known_wrong``: say no, unchecked. ``wait``: do not check. ``go`` and ``known_right``: check, and
        record what came out; the latter was right before, and checking it again may be left out.
    seconds : int
        With ``wait``, until a password is checked again; else 0.
    news : bool
        Whether to log it: a flood of the same is told of once.
    """

    kind: Kind
    seconds: int = 0
    news: bool = True


@dataclass(slots=True)
class _Record:
    """What is remembered of a client and a user, or of a client."""

    free: int
    failures: int = 0
    failed_at: float = -math.inf
    seen_at: float = -math.inf
    compared: int = 0
    checking: list[float] = field(default_factory=list)  # until when each check may take
    right: bytes = b""
    wrong: OrderedDict[bytes, float] = field(default_factory=OrderedDict)  # when it was last told of

    def age(self, now: float) -> None:
        """Forget what is long over."""
        self.checking = [until for until in self.checking if until > now]
        if now - self.failed_at >= FORGET_SECONDS:
            self.failures = 0

    def wait(self, now: float) -> float:
        """Return the seconds until a password is checked again."""
        left = 0.0
        if self.failures > self.free:
            growing = min(2.0 ** min(self.failures - self.free - 1, 10), LONGEST_WAIT)
            left = self.failed_at + growing - now
        if self.checking and self.failures + len(self.checking) >= self.free:
            left = max(left, 1.0)  # one at a time, or all who come at once would be let through
        return left


class Attempts:
    """The attempts of the last quarter of an hour, by client and user; several threads may ask.

    A client is an IPv4 address or the first 64 bits of an IPv6 address, as :data:`CALLER` has it.

    Parameters
    ----------
    clock : callable
        Gives seconds that only grow.

    Notes
    -----
    Whoever asks for a verdict and is let ``go`` says by :meth:`record` what came of it. A right password is
    never kept longer than :data:`LONGEST_WAIT` after the last wrong one that was checked.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._records: OrderedDict[tuple[str, bytes], _Record] = OrderedDict()

    def verdict(self, user: str, password: str, password_hash: str) -> Verdict:
        """Return what to do with a user and password.

        Parameters
        ----------
        user, password : str
            As they came.
        password_hash : str
            Of the password that is right now: once it is another, nothing is known any more.
        """
        mark = self._mark(user, password, password_hash)
        with self._lock:
            now = self._clock()
            client, own = self._found(user, now)
            if mark in own.wrong:
                return self._known_wrong(own, mark, now)
            left = max(client.wait(now), own.wait(now))
            known = hmac.compare_digest(mark, own.right)
            if left > 0:
                own.compared += 1
                if not known or own.compared > MOST_COMPARED:
                    return Verdict("wait", max(1, math.ceil(left)), news=own.compared == 1)
            own.compared = 0  # in a wait that others make longer, whoever is right comes again and again
            for record in (client, own):
                record.checking.append(now + CHECK_SECONDS)
            return Verdict("known_right" if known else "go")

    def record(self, user: str, password: str, password_hash: str, right: bool | None) -> None:
        """Note what came of a check that was let go.

        Parameters
        ----------
        user, password, password_hash : str
            As they were given to :meth:`verdict`.
        right : bool or None
            ``None`` where the check found nothing out.
        """
        mark = self._mark(user, password, password_hash)
        with self._lock:
            now = self._clock()
            client, own = self._found(user, now)
            for record in (client, own):
                if record.checking:
                    record.checking.pop(0)
                if right is None:
                    continue
                record.failures = 0 if right else record.failures + 1
                if not right:
                    record.failed_at = now
            if right:
                own.right = mark
            elif right is not None:
                own.wrong[mark] = now
                while len(own.wrong) > MOST_WRONG:
                    own.wrong.popitem(last=False)

    def _known_wrong(self, own: _Record, mark: bytes, now: float) -> Verdict:
        news = now - own.wrong[mark] >= QUIET_SECONDS
        if news:
            own.wrong[mark] = now
        own.wrong.move_to_end(mark)
        return Verdict("known_wrong", news=news)

    def _found(self, user: str, now: float) -> tuple[_Record, _Record]:
        """Return what is known of the client, and of the client with that user; both are now the newest."""
        client = client_of(CALLER.get())
        found = []
        for name, free in ((b"", FREE_NAMES), (hashlib.sha256(_bytes(user)).digest(), FREE)):
            record = self._records.pop((client, name), None)
            if record is None or now - record.seen_at >= FORGET_SECONDS:
                record = _Record(free)
            record.age(now)
            record.seen_at = now
            self._records[client, name] = record
            found.append(record)
        while len(self._records) > MOST_CLIENTS:
            self._records.popitem(last=False)
        return found[0], found[1]

    def _mark(self, user: str, password: str, password_hash: str) -> bytes:
        """Return what stands for a password: of no use to whoever has not the key of this process."""
        parts = [hashlib.sha256(_bytes(text)).digest() for text in (password_hash, user, password)]
        return hmac.digest(self._key, b"".join(parts), "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def client_of(address: str) -> str:
    """Return what of an address is one client: whoever has an IPv6 address has all of its network.

    >>> client_of("::ffff:10.0.0.7"), client_of("2001:db8::1") == client_of("2001:db8::2")
    ('10.0.0.7', True)
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or int(found) >> 64)
    return str(found)
