"""What was exported, as the jobs say, and what later exports decide of what was cancelled before it left."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.checks_books import Books
from toolkit.reconcile_records import Row
from toolkit.tables_plans import was_cancelled

__all__ = ["HELD", "LEFT_AWAY", "PARTIAL", "PILOT", "Exports", "Range", "why_waiting"]

Key = tuple[str, str]  # source table and key

PARTIAL = "waits: only a part was exported (a pilot, or --hold or --only before the rows of those were kept)"
PILOT = "pilot"
"""The rule of a row that an export of a part did not take."""
HELD = "held"
"""The rule of a row that a person held back from every export of its day."""
LEFT_AWAY = "left_away"
"""The rule of a row of a cancelled export that the one in its place does not ask for."""

_DOCUMENTS = frozenset({"invoices", "payments", "credits"})


@dataclass(frozen=True, slots=True)
class Range:
    """What one export covered.

    Parameters
    ----------
    job : int
        Its job; 0 where no job tells its range, and the days are those of its operations.
    start, end : datetime.date
        First and last day, inclusive.
    switches : frozenset of str
        Of customers, invoices, payments, credits.
    pilot : bool
        Whether only a part of it was exported.
    held : mapping
        Source rows that a person held back from it, and why.
    """

    job: int
    start: dt.date
    end: dt.date
    switches: frozenset[str]
    pilot: bool = False
    held: Mapping[Key, str] = field(default_factory=dict)

    def covers(self, switch: str, date: dt.date | None) -> bool:
        """Return whether it takes a row; a list's record has no date."""
        return switch in self.switches and (date is None or self.start <= date <= self.end)

    def replaces(self, other: Range, date: dt.date | None) -> bool:
        """Return whether it stands in the place of a cancelled one, for a row of that.

        It does where it has some of the same documents, and takes the row's day or is the narrower of the
        two: another month's export says nothing of the month that was cancelled.
        """
        theirs = other.switches & _DOCUMENTS or other.switches
        if not theirs & self.switches:
            return False
        if date is not None and self.start <= date <= self.end:
            return True
        return other.start <= self.start and self.end <= other.end


class Exports:
    """The exports of a workspace: those that count, and those that were cancelled before anything left.

    Parameters
    ----------
    books : Books
        ``ledger.jobs`` and ``ledger.held``.
    operations : sequence of dict
        Rows of ``ledger.operations``.
    switches : mapping
        Source table to the switch of the export that takes its rows.
    """

    def __init__(self, books: Books, operations: Sequence[Row], switches: Mapping[str, str]) -> None:
        self.ranges: list[Range] = []
        """Those that were not cancelled before anything of them left."""
        self._cancelled: dict[int, Range] = {}
        told: set[int] = set()
        held: dict[int, dict[Key, str]] = defaultdict(dict)
        for row in books.rows("ledger.held"):
            held[row["job"]][row["source_table"], row["source_key"]] = row["reason"]
        went = {row["job"] for row in operations if not was_cancelled(row)}
        cut_short = went & {row["job"] for row in operations if was_cancelled(row)}
        for job in books.rows("ledger.jobs"):
            if job["kind"] != "export" or job["range_start"] is None:
                continue
            told.add(job["id"])
            found = _told(job, held[job["id"]])
            if job["status"] == "cancelled":
                # All that there was is all that a later one can have.
                open_ended = job["range_end"] is None
                end = dt.date.max if open_ended else found.end
                self._cancelled[job["id"]] = Range(found.job, found.start, end, found.switches)
            # One that was cancelled on its way has sent a part: the rest of its days was asked for too.
            if job["status"] != "cancelled" or job["id"] in cut_short or _was_cut_short(job):
                self.ranges.append(found)
        self.ranges += _days_of([row for row in operations if row["job"] not in told], switches)
        self.ranges = [each for each in self.ranges if each.start <= each.end]

    def since(
        self,
        place: Key,
        job: int,
        switch: str | None,
        date: dt.date | None,
        behind: tuple[str, str] | None = None,
    ) -> tuple[str, str] | None:
        """Return rule and reason of a row that waits by a choice made after its job was cancelled.

        ``None`` where nothing was exported in its place, or what was exported should have taken it.

        Parameters
        ----------
        place : tuple of str
            Source table and key.
        job : int
            That was cancelled.
        switch : str or None
            Of the export that takes such rows; ``None`` of an item, which goes with what needs it.
        date : datetime.date or None
            Of the row; ``None`` of a list's record.
        behind : tuple of str, optional
            Rule and reason for which it stays behind by what those exports ask for.
        """
        before = self._cancelled.get(job)
        later = [
            each
            for each in self.ranges
            if each.job > job
            and ((switch and each.covers(switch, date)) or (before and each.replaces(before, date)))
        ]
        if not later:
            return None
        covering = [each for each in later if switch and each.covers(switch, date)]
        if covering:
            return behind or why_waiting(covering, place)
        last = later[-1].job
        return LEFT_AWAY, f"waits: job {job} was cancelled, and job {last} in its place does not ask for it"


def why_waiting(covering: Sequence[Range], place: Key) -> tuple[str, str] | None:
    """Return rule and reason of a row that every export of its day left away, else ``None``.

    Parameters
    ----------
    covering : sequence of Range
        The exports that take such rows of its day.
    place : tuple of str
        Source table and key.
    """
    if not all(each.pilot or place in each.held for each in covering):
        return None
    back = [each.held[place] for each in covering if place in each.held]
    return (HELD, f"waits, {back[-1]}") if back else (PILOT, PARTIAL)


def _told(job: Row, held: Mapping[Key, str]) -> Range:
    end = job["range_end"] or (job["created_at"] or dt.datetime.max).date()
    return Range(
        job["id"], job["range_start"], end, frozenset(job["switches"] or ()), bool(job["pilot"]), held
    )


def _was_cut_short(job: Row) -> bool:
    """Return whether a cancelled job had sent something; what it had not is skipped with it."""
    return (job["total"] or 0) > (job["skipped"] or 0) > 0


def _days_of(operations: Iterable[Mapping[str, Any]], switches: Mapping[str, str]) -> list[Range]:
    """Return the days of operations whose jobs tell none, by job and switch."""
    dates: dict[tuple[int, str], list[dt.date]] = defaultdict(list)
    for row in operations:
        if row["txn_date"] and row["source_table"] in switches:
            dates[row["job"], switches[row["source_table"]]].append(row["txn_date"])
    return [Range(0, min(days), max(days), frozenset({switch})) for (_, switch), days in dates.items()]
