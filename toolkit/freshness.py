"""How complete and how old the tables from QuickBooks are, from the imports that filled them.

An import is complete when QuickBooks has answered all of it. What came of one that failed or broke off may
stand in a table beside older rows, so whoever works on the table is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.tables import finding, findings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Freshness", "ImportSeen", "freshness", "freshness_findings"]

# What a person cannot take for whole. A queued import has touched nothing yet.
_BROKEN = {
    "running": "is not finished",
    "held": "is held",
    "failed": "failed",
    "cancelled": "was cancelled before it was complete",
}


@dataclass(frozen=True, slots=True)
class ImportSeen:
    """One query of an import job.

    Parameters
    ----------
    table : str
        The table it fills.
    job : int
        Its job; a higher number is newer.
    status : str
        Of the job.
    done : bool
        Whether QuickBooks has answered all of the query.
    started : bool
        Whether it has answered any of it.
    at : datetime.datetime
        When the job ended, else when it was queued.
    covers : mapping
        What the query asks for: ``start``, ``end``, ``active_only``, ``open_only``.
    """

    table: str
    job: int
    status: str
    done: bool
    started: bool
    at: dt.datetime
    covers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all that was asked for is in the table."""
        return self.done and self.status == "complete"

    @property
    def broken(self) -> bool:
        """Whether it may have left a part in the table, or should have renewed it and did not."""
        return self.status in _BROKEN and (self.started or self.done or self.status == "failed")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How complete and how old one table is.

    Parameters
    ----------
    table : str
        Declared name.
    complete_at : datetime.datetime or None
        When its last complete import ended; ``None`` where none is known.
    job : int or None
        That import.
    covers : str
        What it asked for, in words.
    age_days : int or None
        Whole days since then.
    partial : str or None
        Which newer import is not complete, and why, as a clause.
    """

    table: str
    complete_at: dt.datetime | None
    job: int | None
    covers: str
    age_days: int | None
    partial: str | None

    def __str__(self) -> str:
        if self.complete_at is None:
            said = "no complete import"
        else:
            said = f"last complete import: job {self.job}, {self.complete_at:%Y-%m-%d %H:%M}, {self.covers}"
        return f"{said}; {self.partial}" if self.partial else said


def freshness(seen: Iterable[ImportSeen], now: dt.datetime) -> dict[str, Freshness]:
    """Return how complete and old each table is that an import was queued for.

    Parameters
    ----------
    seen : iterable of ImportSeen
        The queries of the imports, in any order; one that covers a part counts as complete for that part.
    now : datetime.datetime
        The local time.

    Examples
    --------
    >>> day = dt.datetime(2026, 1, 5)
    >>> one = ImportSeen("quickbooks.items", 1, "complete", True, True, day)
    >>> freshness([one], dt.datetime(2026, 1, 8))["quickbooks.items"].age_days
    3
    """
    by_table: dict[str, dict[int, list[ImportSeen]]] = {}
    for one in seen:
        by_table.setdefault(one.table, {}).setdefault(one.job, []).append(one)
    return {table: _of_table(table, jobs, now) for table, jobs in by_table.items()}


def _of_table(table: str, jobs: Mapping[int, list[ImportSeen]], now: dt.datetime) -> Freshness:
    whole = max((job for job, queries in jobs.items() if all(one.complete for one in queries)), default=None)
    broken = [
        job
        for job, queries in jobs.items()
        if (whole is None or job > whole) and any(one.broken for one in queries)
    ]
    partial = f"job {max(broken)} {_BROKEN[jobs[max(broken)][0].status]}" if broken else None
    if whole is None:
        return Freshness(table, None, None, "", None, partial)
    last = jobs[whole][0]
    return Freshness(table, last.at, whole, _words(last.covers), max(0, (now - last.at).days), partial)


def _words(covers: Mapping[str, Any]) -> str:
    parts = [
        f"{word} {covers[name]}" for name, word in (("start", "from"), ("end", "to")) if covers.get(name)
    ]
    parts += [
        word
        for name, word in (("open_only", "open ones only"), ("active_only", "active ones only"))
        if covers.get(name)
    ]
    return ", ".join(parts) or "everything"


def freshness_findings(
    fresh: Mapping[str, Freshness], names: Iterable[str], stale_after_days: int
) -> pd.DataFrame:
    """Return a warning on each of some tables that is partial or old.

    Parameters
    ----------
    fresh : mapping
        From :func:`freshness`; a table that is not in it was never imported, which others say.
    names : iterable of str
        The tables that the step works on.
    stale_after_days : int
        Of the setting of that name: an import older than so many days is old.
    """
    found = []
    for name in names:
        one = fresh.get(name)
        if one is None:
            continue
        command = "run the Web Connector, or import again: toolkit import all"
        if one.partial:
            before = "and there is no complete one" if one.complete_at is None else f"the {one}"
            before = before.removesuffix(f"; {one.partial}")
            message = f"{name} may be partial: {one.partial}, {before}: {command}"
            found.append(finding("warning", "partial_import", message, table=name, key=name))
        if one.age_days is not None and one.age_days > stale_after_days:
            message = (
                f"{name} is {one.age_days} days old (job {one.job}, {one.complete_at:%Y-%m-%d}), and what"
                f" changed in QuickBooks since is not known here: {command}"
            )
            found.append(finding("warning", "stale_table", message, table=name, key=name))
    return findings(found)
