"""The state of a workspace as the support page and the monitors show it: no data, no secrets."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from toolkit.errors import ToolkitError
from toolkit.workspace import Workspace

__all__ = ["Health", "health_of", "support_page"]

_STATES = {
    "draft": "waiting for approval",
    "queued": "waiting for the Web Connector",
    "running": "under way",
    "held": "on hold",
    "complete": "complete",
    "failed": "failed",
    "cancelled": "cancelled",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """What may be told to anyone about a workspace.

    Parameters
    ----------
    good : bool
        The ledger can be read.
    workspace : str
        Its id, a random text.
    rehearsal : bool
        It is bound to a copy of the company file.
    live : bool
        A session of the Web Connector is open.
    last_poll : datetime or None
        When the Web Connector last called, as far as the ledger knows.
    jobs : mapping
        State of a job to how many there are.
    """

    good: bool
    workspace: str
    rehearsal: bool = False
    live: bool = False
    last_poll: dt.datetime | None = None
    jobs: Mapping[str, int] = field(default_factory=dict)

    def polled(self, at: dt.datetime | None) -> Health:
        """Return the same with a later call of the Web Connector, if it is later."""
        if at is None or (self.last_poll is not None and self.last_poll >= at):
            return self
        return dataclasses.replace(self, last_poll=at)


def health_of(ws: Workspace) -> Callable[[], Health]:
    """Return a function that gives the state of a workspace, and never raises for a ledger it cannot read."""

    def health() -> Health:
        try:
            ledger = ws.ledger
            session = ledger.last_session()
            return Health(
                good=True,
                workspace=ws.id,
                rehearsal=ws.rehearsal,
                live=ledger.live_session(ws.settings["session_timeout"]) is not None,
                last_poll=None if session is None else session.seen_at,
                jobs=ledger.job_states(),
            )
        except ToolkitError as error:
            _log.error("the ledger cannot be read: %s", type(error).__name__)
            return Health(good=False, workspace="")

    return health


def ago(then: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago something was, for people.

    >>> ago(dt.datetime(2026, 1, 1, 12), dt.datetime(2026, 1, 1, 13, 30))
    '1 hour ago'
    """
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def support_page(health: Health, *, now: dt.datetime) -> str:
    """Return the support page: one small HTML document that loads nothing."""
    if not health.good:
        lines = [("Health", "the ledger cannot be read: run `toolkit doctor` on the server")]
    else:
        seen = health.last_poll
        poll = "never yet" if seen is None else f"{seen:%Y-%m-%d %H:%M}, {ago(seen, now)}"
        lines = [
            ("Health", "good"),
            ("Last call of the Web Connector", poll),
            ("Session", "one is open" if health.live else "none is open"),
            *(
                (f"Jobs {words}", str(health.jobs[state]))
                for state, words in _STATES.items()
                if state in health.jobs
            ),
        ]
    rows = "".join(f"<tr><th>{html.escape(name)}<td>{html.escape(text)}" for name, text in lines)
    mark = " (REHEARSAL)" if health.rehearsal else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>BluBilling toolkit</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:40rem;padding:0 1rem}"
        "th{text-align:left;font-weight:normal;padding-right:1rem;vertical-align:top}</style>"
        f"<h1>BluBilling QuickBooks toolkit{mark}</h1><table>{rows}</table>"
        "<p>Jobs run when Update Selected is pressed in the QuickBooks Web Connector, or by its Auto-Run. "
        "What went wrong, and what to do about it, is told by <code>toolkit jobs</code> and "
        "<code>toolkit doctor</code> on this server.</p></html>"
    )
