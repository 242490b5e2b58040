"""What happens in the server, one line an event: names, numbers, codes and ids, never data of a customer.

Whoever has something to tell calls :func:`event`; where it goes is the business of who runs the process, who
calls :func:`start`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import math
import os
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import IO, Any

from toolkit.errors import UsageError

__all__ = ["FIELDS", "LEVELS", "LOG", "Seldom", "event", "start"]

FIELDS = frozenset(
    {
        "address",
        "bytes",
        "error",
        "hresult",
        "incident",
        "job",
        "kind",
        "outcome",
        "percent",
        "reason",
        "seconds",
        "session",
        "set",
        "status",
        "url",
        "version",
    }
)
"""What may be told of an event: numbers, codes and words of ours; never a name, a text or a ticket."""

LEVELS = ("debug", "info", "warning", "error")
LOG = Path("logs", "server.jsonl")
"""Where the log is in a workspace."""
LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 5
"""How many older files are kept beside the newest."""

_FOR_THE_FILE = frozenset({"request_served", "started", "stopped"})
"""Events of which people read in another place, or need not; at the level debug they do all the same."""
_MOST_TEXT = 500
_SELDOM_SECONDS = 60.0
_MOST_TOLD = 1000  # that are known again
_WAITING = 1000  # lines that a console may be behind
_log = logging.getLogger("toolkit.events")


def event(name: str, *, level: int = logging.INFO, **fields: str | int | float | None) -> None:
    """Tell one event.

    Parameters
    ----------
    name : str
        In the past tense, in snake_case: ``session_opened``.
    level : int, optional
        As in :mod:`logging`.
    **fields
        Of :data:`FIELDS`.

    Raises
    ------
    ValueError
        A field that is none.
    """
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"no field of an event: {sorted(unknown)}")
    _log.log(level, "%s", name, extra={"event": name, "fields": fields})


class Seldom:
    """Whether to tell of what may happen a thousand times a minute: once a minute; several threads may ask.

    Parameters
    ----------
    clock : callable, optional
        Gives seconds that only grow.

    Examples
    --------
    >>> seldom = Seldom()
    >>> seldom("::1"), seldom("::1"), seldom("127.0.0.1")
    (True, False, True)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: OrderedDict[Hashable, float] = OrderedDict()  # when, the longest ago first

    def __call__(self, what: Hashable) -> bool:
        """Return whether to tell of this now; it counts as told then."""
        now = self._clock()
        with self._lock:
            if now - self._told.get(what, -math.inf) < _SELDOM_SECONDS:
                return False
            self._told[what] = now
            self._told.move_to_end(what)
            if len(self._told) > _MOST_TOLD:
                self._told.popitem(last=False)
        return True


def start(folder: Path, level: str = "info", *, console: bool = True) -> Callable[[], None]:
    """Write events, and what else the toolkit logs, to a file and the console; return what ends that.

    The file holds a JSON document a line: ``at`` (UTC), ``level``, ``event``, and what is told of it; at 5 MB
    it is put aside, and five such are kept. Where it cannot be written, the console says so and all else goes
    on. A console that nobody reads holds up nothing: it misses lines.

    Parameters
    ----------
    folder : Path
        Of the workspace.
    level : str, optional
        The least of :data:`LEVELS` that is told.
    console : bool, optional
        Whether people read along on standard output.

    Raises
    ------
    UsageError
        No such level.
    """
    if level not in LEVELS:
        raise UsageError(f"there is no log level {level!r}: take {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    loggers = logging.getLogger("toolkit")
    before = loggers.level
    shown = _Console() if console else None
    handlers = [_file(folder / LOG, shown), *([shown] if shown else [])]
    loggers.setLevel(level.upper())
    for handler in handlers:
        loggers.addHandler(handler)

    def stop() -> None:
        for handler in handlers:
            loggers.removeHandler(handler)
            handler.close()
        loggers.setLevel(before)

    return stop


# --- the file -----------------------------------------------------------------------------------------------


def _file(path: Path, shown: _Console | None) -> logging.Handler:
    # A server that starts has more urgent things to load.
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415

    class File(RotatingFileHandler):
        """A log that never stands in the way of what it tells of."""

        failed = False

        def _open(self) -> Any:
            path.parent.mkdir(exist_ok=True)
            opened = super()._open()
            if _ends_amid_a_line(path):
                opened.write("\n")
            return opened

        def flush(self) -> None:
            super().flush()
            self.failed = False

        def doRollover(self) -> None:  # noqa: N802 - the name that logging gives it
            if self.stream is not None:
                self.stream.close()
                self.stream = None  # opened anew with the next event
            # Windows renames no file that somebody reads: the log grows until that is over.
            with contextlib.suppress(OSError):
                _put_aside(path)

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the same
            error = sys.exc_info()[1]
            if not self.failed and shown is not None:
                reason = getattr(error, "strerror", None) or type(error).__name__
                shown.say(f"{_now():%Y-%m-%d %H:%M:%S}  WARNING {path} cannot be written: {reason}")
            self.failed = True
            if self.stream is not None:  # tried anew with the next event
                with contextlib.suppress(OSError):
                    self.stream.close()
                self.stream = None

    handler = File(
        path,
        maxBytes=LOG_BYTES,
        backupCount=LOG_FILES,
        encoding="utf-8",
        errors="backslashreplace",
        delay=True,
    )
    handler.setFormatter(_Lines())
    return handler


def _put_aside(path: Path) -> None:
    """Rename a log to the first of those kept beside it, and each of these to the next.

    Whatever cannot be renamed leaves a gap, and the next time none moves on beyond that: however often it is
    tried, no log is lost but the oldest.
    """
    kept = [path.with_name(f"{path.name}.{number}") for number in range(1, LOG_FILES + 1)]
    gap = next((place for place, log in enumerate(kept) if not log.exists()), None)
    if gap is None:
        gap = LOG_FILES - 1
        kept[gap].unlink()
    for place in range(gap, 0, -1):
        kept[place - 1].rename(kept[place])
    path.rename(kept[0])


def _ends_amid_a_line(path: Path) -> bool:
    """Return whether a full disk or the end of the process cut the last line short."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


class _Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = {"at": at.replace("+00:00", "Z"), "level": record.levelname.lower(), **_told(record)}
        return json.dumps(line, ensure_ascii=False)


def _told(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says: an event and its fields, or of another logger its text."""
    name = getattr(record, "event", None)
    if name is not None:
        fields: dict[str, Any] = getattr(record, "fields", {})
        return {"event": name} | {key: _plain(value) for key, value in fields.items() if value is not None}
    told = {"event": "log", "logger": record.name, "text": _plain(record.getMessage())}
    if record.exc_info and record.exc_info[0]:  # what an error says may quote anything; its class does not
        told["error"] = record.exc_info[0].__name__
    return told


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no word for it
        return str(value)
    return value if isinstance(value, (int, float)) else str(value)[:_MOST_TEXT]


# --- the console --------------------------------------------------------------------------------------------


class _Console(logging.Handler):
    """Lines for people, written by a thread of its own.

    A terminal in which somebody selects text, or a pipe that nobody reads, takes no more lines: whoever
    writes to it waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._missed = 0
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        told = getattr(record, "event", None) not in (None, *_FOR_THE_FILE)
        if told or record.levelno >= logging.WARNING or _least() <= logging.DEBUG:
            self.say(_in_words(record))

    def say(self, line: str) -> None:
        """Write a line soon, or leave it out."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._missed += 1

    def close(self) -> None:
        """Write what waits, if somebody takes it."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=1)
            self._thread.join(timeout=1)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            missed, self._missed = self._missed, 0
            stream: IO[str] | None = sys.stdout
            with contextlib.suppress(OSError, ValueError):  # closed, or gone
                if stream is not None:  # a service may have none
                    stream.write((f"({missed:,} lines are missing here)\n" if missed else "") + f"{line}\n")
                    stream.flush()


def _least() -> int:
    return logging.getLogger("toolkit").level


def _in_words(record: logging.LogRecord) -> str:
    """Return a record as a line for people, in local time."""
    at = dt.datetime.fromtimestamp(record.created)
    told = _told(record)
    name = str(told.pop("event"))
    if name == "log":
        said = str(told["text"])
    else:
        fields = ", ".join(_field(key, value) for key, value in told.items())
        said = name.replace("_", " ") + (f": {fields}" if fields else "")
    urgent = f"{record.levelname} " if record.levelno >= logging.WARNING else ""
    return " ".join(f"{at:%Y-%m-%d %H:%M:%S}  {urgent}{said}".splitlines())


def _field(name: str, value: object) -> str:
    if isinstance(value, float):
        value = f"{value:.1f}"
    if name in ("bytes", "seconds", "percent"):
        return f"{value:,} {name}" if isinstance(value, int) else f"{value} {name}"
    return str(value) if name in ("address", "error", "reason", "url") else f"{name} {value}"


def _now() -> dt.datetime:
    return dt.datetime.now()
