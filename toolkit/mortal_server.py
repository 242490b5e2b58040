"""The server of a workspace in a process of its own, which a rehearsal may kill at any place it names.

It is the real one: the same HTTP, SOAP, exchange, ledger and files. Whoever starts it gives a port of this
machine, on which orders come as lines of JSON: ``arm`` a place, set the ``clock``, ``stop``. When that line
goes dead it ends, so that it never outlives the rehearsal.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from toolkit import crash_points
from toolkit.errors import LedgerError
from toolkit.ledger import local_now
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

SECONDS_FOR_OTHERS = 10.0
"""How long it waits for the lock of one that was just killed."""
KILL, FULL = "kill", "full"
FULL_FOR = 3
"""How many writes fail in a row while the disk is full."""


class Doom:
    """What is to happen at which place, and when: one thing at a time.

    Attributes
    ----------
    struck : bool
        Whether what was planned last has happened.
    """

    def __init__(self) -> None:
        self._place, self._how, self._passes = "", KILL, 0
        self._strikes = 0
        self.struck = False
        self._lock = threading.Lock()

    def arm(self, place: str, passes: int, how: str) -> None:
        """Plan it for when the place was passed so often."""
        with self._lock:
            self._place, self._how, self._passes = place, how, passes
            self._strikes = FULL_FOR
            self.struck = False

    def __call__(self, place: str) -> None:
        """Pass a place.

        Raises
        ------
        OSError, LedgerError
            The disk is full, as a write to a file, or the ledger, tells it.
        """
        with self._lock:
            if place != self._place or not self._strikes:
                return
            if self._passes:
                self._passes -= 1
                return
            self._strikes -= 1
            self.struck = True
        if self._how == KILL:
            end_now()
        if place == crash_points.BEFORE_COMMIT:
            raise LedgerError("the ledger cannot be used: database or disk is full")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def end_now() -> None:
    """End this process as ``kill -9`` does: nothing is flushed, closed or released."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows: TerminateProcess


class Clock:
    """The clock of this machine, moved by so many seconds."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> dt.datetime:
        """Return the time that it shows."""
        return local_now() + dt.timedelta(seconds=self.shift)


def serve(folder: Path, port: int, shift: float = 0.0) -> None:
    """Serve a workspace, and do what is said on a port of this machine, until ``stop`` or its end.

    Parameters
    ----------
    shift : float
        Seconds by which the clock differs from that of the machine.
    """
    doom, clock = Doom(), Clock()
    clock.shift = shift
    with (
        socket.create_connection(("127.0.0.1", port)) as line,
        line.makefile("rw", encoding="utf-8") as said,
        Workspace(folder, clock=clock) as ws,
        ws.reserve(timeout=SECONDS_FOR_OTHERS),
    ):
        server = Server(ws, host="127.0.0.1", port=0)
        server.start()
        crash_points.watch(doom)
        try:
            _answer(said, {"url": server.url, "pid": os.getpid()})
            for order in said:
                if not _obey(json.loads(order), doom, clock):
                    break
                _answer(said, {"struck": doom.struck})
        finally:
            crash_points.watch(None)
            server.stop()


def _obey(order: dict[str, Any], doom: Doom, clock: Clock) -> bool:
    if "place" in order:
        doom.arm(order["place"], order["passes"], order["how"])
    if "clock" in order:
        clock.shift = order["clock"]
    return "stop" not in order


def _answer(said: Any, document: dict[str, Any]) -> None:
    said.write(json.dumps(document) + "\n")
    said.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
