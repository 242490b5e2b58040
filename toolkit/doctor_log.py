"""What the server's log tells of the last day: our own faults, and passwords that were wrong.

Source: reference/PROTOCOL.md 7.4: of a fault of ours the Web Connector shows QBWC1012, 1036 or 1041 to 1046.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.event_log import LOG

__all__ = ["errors", "refused"]

LOOKED_BACK = dt.timedelta(days=1)
_MOST = 1 << 20  # bytes of the end of the log that are read
_INCIDENT = re.compile(r"incident (\w+)")


def errors(folder: Path, now: dt.datetime) -> tuple[bool, str]:
    """Return whether the server had no fault of its own of late.

    Parameters
    ----------
    folder : Path
        The workspace.
    now : datetime
        With its zone.
    """
    if not (folder / LOG).exists():
        return True, f"{LOG} is not there yet: `toolkit serve` writes it"
    found = [(at, line) for at, line in _lines(folder, now) if line.get("level") == "error"]
    if not found:
        return True, f"no error in {LOG} since yesterday"
    at, last = found[-1]
    several = f"{len(found)} errors, the last" if len(found) > 1 else "an error"
    told = f"{several} at {at.astimezone(now.tzinfo):%Y-%m-%d %H:%M} ({_named(last)})"
    report = f"report it with {LOG}, in which there are no records"
    faults = [number for _, line in found if (number := _incident(line))]
    if not faults:
        return False, f"{told}{_heard(last)}, and if it comes again, {report}"
    if not _incident(last):
        told += f"{_heard(last)}; before it incident {faults[-1]}"
    return False, f"{told}, which the Web Connector shows as QBWC1012, 1036 or 1041 to 1046: {report}"


def refused(folder: Path, now: dt.datetime) -> dt.datetime | None:
    """Return when somebody last gave a wrong user or password of late, and nobody the right one since.

    Parameters
    ----------
    folder : Path
        The workspace.
    now : datetime
        With its zone, in which the time is returned.
    """
    wrong = None
    for at, line in _lines(folder, now):
        name = line.get("event")
        if name in ("refused", "limited") and line.get("level") != "error":  # that is a fault of ours
            wrong = at
        # "busy" tells nothing: it comes of errors, too.
        elif name == "session_opened" or (name == "polled" and line.get("outcome") == "none"):
            wrong = None
    return wrong.astimezone(now.tzinfo) if wrong else None


def _lines(folder: Path, now: dt.datetime) -> Iterator[tuple[dt.datetime, dict[str, Any]]]:
    """Yield the lines of the last day, each with its time; what is no line is left out."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _MOST))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            told = json.loads(line)
            at = dt.datetime.fromisoformat(told["at"])
        except (ValueError, KeyError, TypeError):
            continue
        if at.tzinfo and now - at < LOOKED_BACK:
            yield at, told


def _named(line: dict[str, Any]) -> str:
    """Return what to call an error by: the id that its sender was told, else what it was."""
    number = _incident(line)
    return f"incident {number}" if number else str(line.get("error") or line.get("event"))


def _incident(line: dict[str, Any]) -> str:
    """Return the id that the sender of a call was told instead of an answer; blank where he had one."""
    found = _INCIDENT.match(str(line.get("text", "")))
    return str(line.get("incident") or (found[1] if found else ""))


def _heard(line: dict[str, Any]) -> str:
    """Return what the Web Connector heard of an error that was no incident, and what helps."""
    if line.get("event") != "call_failed":
        return ": run this again after the next update"
    return ", of which getLastError told the Web Connector: press Update Selected there"
