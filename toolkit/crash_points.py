"""Places where a rehearsal lets the server die, or the disk be full.

Nothing happens at any of them unless :mod:`toolkit.mortal_server`, which only a rehearsal starts, said so in
this process: there is no variable and no option that could.
"""

from __future__ import annotations

from collections.abc import Callable

BEFORE_COMMIT = "before the commit"
AFTER_COMMIT = "after the commit"
BEFORE_FILE = "before the file"
AFTER_FILE = "between the file and the commit"
BEFORE_REPLY = "before the reply"
PLACES = (BEFORE_COMMIT, AFTER_COMMIT, BEFORE_FILE, AFTER_FILE, BEFORE_REPLY)

_watchers: list[Callable[[str], None]] = []


def reached(place: str) -> None:
    """Say that a place is reached; a watcher may end the process here, or raise."""
    for watcher in _watchers:
        watcher(place)


def watch(watcher: Callable[[str], None] | None) -> None:
    """Call ``watcher`` with each place from now on; ``None`` ends that.

    Examples
    --------
    >>> seen = []
    >>> watch(seen.append)
    >>> reached(BEFORE_REPLY)
    >>> watch(None)
    >>> reached(BEFORE_REPLY)
    >>> seen
    ['before the reply']
    """
    _watchers[:] = [] if watcher is None else [watcher]
