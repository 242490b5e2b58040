"""Which rows of a table stay and which incoming ones are taken: newer knowledge replaces older."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import Table
from toolkit.counted import counted
from toolkit.landing_coverage import Coverage, flags
from toolkit.landing_keys import (
    NEVER,
    Flags,
    Incoming,
    Numbers,
    Taken,
    codes,
    groups,
    last_rows,
    lookup,
    millis,
    moment_millis,
    occurrences,
    record_keys,
    row_keys,
)
from toolkit.tables import finding
from toolkit.workspace_tables import StoredTable

__all__ = ["Deleted", "Landing", "Merged", "Moment", "merge_records"]

_NO_JOB = -1


@dataclass(frozen=True, slots=True)
class Deleted:
    """The records of one table that QuickBooks says were deleted. It never uses an id again.

    Parameters
    ----------
    keys : pyarrow.Array
        Their ids, each once.
    times, learned : numpy array
        Of each when it was deleted, and when the answer came that tells it, in milliseconds.
    fresh : numpy array
        Of each whether this landing tells it.
    """

    keys: pa.Array
    times: Numbers
    learned: Numbers
    fresh: Flags

    def and_also(self, other: Deleted) -> Deleted:
        """Return these and others: items are of many kinds."""
        return Deleted(
            pa.concat_arrays([self.keys, other.keys]),
            np.concatenate([self.times, other.times]),
            np.concatenate([self.learned, other.learned]),
            np.concatenate([self.fresh, other.fresh]),
        )

    def marks(self, known: _Known, moment: Moment) -> Flags:
        """Tell of stored rows whether this landing says that they were deleted."""
        index = lookup(known.keys, self.keys)
        then = _at(self.learned, index, NEVER)
        newer = (known.imported != NEVER) & ~moment.is_newer(known.imported, known.jobs, then)
        changed_later = _is_earlier(_at(self.times, index, NEVER), known.changed)
        found: Flags = np.append(self.fresh, False)[index] & ~newer & ~changed_later
        return found

    def of(self, keys: pa.Array, changed: Numbers, loose: Flags, arrived: Numbers) -> tuple[Numbers, Flags]:
        """Return of incoming rows when their deletion was learned, and which are there in spite of one.

        They are if they were changed after it, or if QuickBooks returns them to an import after it said so:
        the books were restored. A file from elsewhere may be as old as can be, and brings nothing back.
        """
        index = lookup(keys, self.keys)
        learned = _at(self.learned, index, NEVER)
        back = _is_earlier(_at(self.times, index, NEVER), changed) | (~loose & (arrived > learned))
        return np.where(back, NEVER, learned), (index >= 0) & back


@dataclass(slots=True)
class Landing:
    """What landing did.

    Parameters
    ----------
    rows : dict of str to int
        Rows taken, by table.
    left : dict of str to int
        Rows newly marked as having left the filter, by table.
    findings : list of dict
        What was doubtful.
    """

    rows: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    findings: list[dict[str, str | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a table is made of now.

    Parameters
    ----------
    table : Table
        The declaration.
    stays : numpy array
        Of the rows as they are stored, which stay.
    incoming : Incoming
        What came.
    takes : numpy array
        Of the incoming rows, which are taken.
    left_at : pyarrow.Array or None
        Of the stored rows the new ``left_at``; None where nothing changes.
    came_left : numpy array or None
        Of the incoming rows ``left_at`` in milliseconds; None where all of them are there.
    """

    table: Table
    stays: Flags
    incoming: Incoming
    takes: Flags
    left_at: pa.Array | None = None
    came_left: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a landing is, and by which job."""

    job: int | None
    as_of: dt.datetime
    now: dt.datetime

    def is_newer(self, stamps: Numbers, jobs: Numbers, arrived: Numbers) -> Flags:
        """Tell whether answers are newer than rows: by when they came, or else by their jobs.

        A time that has not come shows that the clock was set back in between.
        """
        newer: Flags = stamps <= arrived
        if self.job is None:
            return newer
        to_come = (np.maximum(stamps, arrived) > self.millis(self.now)) & (jobs != _NO_JOB)
        return np.where(to_come, jobs <= self.job, newer)

    @staticmethod
    def millis(moment: dt.datetime) -> int:
        """Return a time as milliseconds."""
        return int(moment_millis([moment])[0])


@dataclass(frozen=True, slots=True)
class _Known:
    """The stored rows of a table, as far as they are compared."""

    rows: pa.Table
    keys: pa.Array
    imported: Numbers
    left: Numbers
    changed: Numbers
    jobs: Numbers


def merge_records(
    table: Table,
    stored: StoredTable,
    incoming: Incoming,
    arrivals: tuple[Numbers, Flags],
    covered: Sequence[Coverage],
    moment: Moment,
    landing: Landing,
    deleted: Deleted | None = None,
) -> tuple[Merged, Taken]:
    """Return the merged table, and which records were taken from which unit.

    Parameters
    ----------
    arrivals : tuple of numpy arrays
        Of each unit when it came, in milliseconds, and whether it is loose.
    covered : sequence of Coverage
        What of this table the queries covered.
    deleted : Deleted, optional
        What of this table was deleted.
    """
    known = _known(table, stored)
    compared = [name for name in table.names if name in {*table.key, "time_modified", "edit_sequence"}]
    came = pa.concat_tables([table.schema.empty_table().select(compared), *incoming.columns(compared)])
    keys, places, changed = record_keys(table, came), incoming.places, millis(came, "time_modified")
    arrived, loose = arrivals[0][places], arrivals[1][places]
    rows = _latest(keys, loose, changed)
    index = lookup(keys.take(pa.array(rows)), known.keys)
    there = index >= 0
    stamp = _at(np.maximum(known.imported, known.left), index, NEVER)
    outdated = there & loose[rows] & _is_earlier(changed[rows], _at(known.changed, index, NEVER))
    fits = moment.is_newer(stamp, _at(known.jobs, index, _NO_JOB), arrived[rows])
    wins = ~outdated & ((stamp == NEVER) | fits)
    set_back = ~outdated & ~wins & (np.maximum(stamp, arrived[rows]) > moment.millis(moment.now))
    _say(table, keys.take(pa.array(rows[outdated])), keys.take(pa.array(rows[set_back])), landing)
    stays = np.ones(len(known.keys), dtype=np.bool_)
    stays[index[wins & there]] = False
    takes = np.zeros(len(incoming), dtype=np.bool_)
    takes[rows[wins]] = True
    landing.rows[table.name] = int(wins.sum())
    winners = rows[wins]
    came_left = None
    if deleted is not None and len(winners):
        came_left = np.full(len(incoming), NEVER, dtype=np.int64)
        ids = keys.take(pa.array(winners))
        gone, back = deleted.of(ids, changed[winners], loose[winners], arrived[winners])
        came_left[winners] = gone
        was_there = (index[wins] >= 0) & (_at(known.left, index[wins], NEVER) == NEVER)
        _say_back(table, ids.filter(pa.array(back & ~was_there)), landing)
        _count_left(table, int((gone != NEVER).sum()), landing)
    left_at = _left_at(table, known, stays, covered, moment, landing, deleted)
    unchanged = _unchanged(came.take(pa.array(winners)), known.rows, index[wins])
    repeated = _repeated(came, keys, places, winners)
    taken = Taken(keys.take(pa.array(winners)), places[winners], unchanged, *repeated)
    return Merged(table, stays, incoming, takes, left_at, came_left), taken


def _repeated(
    came: pa.Table, keys: pa.Array, places: Numbers, winners: Numbers
) -> tuple[Numbers, Numbers, Flags] | tuple[()]:
    """Tell of records which of their rows in one unit they are, where any has more than one."""
    numbers = codes(keys)
    if len(numbers) <= int(numbers.max(initial=-1)) + 1:
        return ()
    state = [name for name in ("time_modified", "edit_sequence") if name in came.schema.names]
    states = codes(row_keys(came, state)) if state else np.zeros_like(numbers)
    nth, times, differs = occurrences(numbers, places, states)
    return nth[winners], times[winners], differs[winners]


def _unchanged(came: pa.Table, known: pa.Table, index: Numbers) -> Flags:
    """Tell of records whether they are known in this very state: with the same EditSequence."""
    if "edit_sequence" not in came.schema.names:
        return np.zeros(len(index), dtype=np.bool_)
    before = known["edit_sequence"].take(pa.array(index, mask=index < 0))
    return flags(pc.fill_null(pc.equal(came["edit_sequence"], before), False))


def _known(table: Table, stored: StoredTable) -> _Known:
    compared = {*table.key, "time_modified", "edit_sequence", "txn_date", "is_active", "is_paid", "kind"}
    compared |= {"left_at", "imported_at", "import_job"}
    names = [name for name in table.names if name in compared]
    rows = pa.concat_tables([table.schema.empty_table().select(names), *stored.columns(names)])
    jobs = pc.fill_null(rows["import_job"], _NO_JOB).to_numpy()
    imported, left = millis(rows, "imported_at"), millis(rows, "left_at")
    return _Known(rows, record_keys(table, rows), imported, left, millis(rows, "time_modified"), jobs)


def _latest(keys: pa.Array, loose: Flags, changed: Numbers) -> Numbers:
    """Return the row that counts of each incoming record: the last, of loose files the last changed."""
    numbers = codes(keys)
    if not loose.any():
        return np.flatnonzero(last_rows(numbers))
    order, starts = groups(numbers)
    if starts.all():
        return np.arange(len(numbers))
    group = np.cumsum(starts) - 1
    rank = np.arange(len(numbers)) - np.flatnonzero(starts)[group]
    counts = order[starts]  # of each record the first row, then what takes its place
    by_rank = np.argsort(rank, kind="stable")
    for now in np.split(by_rank, np.cumsum(np.bincount(rank)))[1:]:
        rows, before = order[now], counts[group[now]]
        better = ~(loose[rows] & _is_earlier(changed[rows], changed[before]))
        counts[group[now][better]] = rows[better]
    return np.sort(counts)


def _left_at(
    table: Table,
    known: _Known,
    stays: Flags,
    covered: Sequence[Coverage],
    moment: Moment,
    landing: Landing,
    deleted: Deleted | None,
) -> pa.Array | None:
    """Mark the rows that were covered and did not come."""
    if not (covered or deleted) or "left_at" not in table.names:
        return None
    as_of = moment.millis(moment.as_of)
    then = np.full(len(stays), as_of, dtype=np.int64)
    newer = (known.imported != NEVER) & ~moment.is_newer(known.imported, known.jobs, then)
    there = stays & (known.left == NEVER)
    if not there.any():
        return None
    gone = np.zeros_like(there)
    for one in covered:
        gone |= one.covers(known.rows) & ~newer
    if deleted is not None:
        gone |= deleted.marks(known, moment)
    gone &= there
    if not gone.any():
        return None
    _count_left(table, int(gone.sum()), landing)
    times = np.where(gone, as_of, known.left)
    return pa.array(times, mask=times == NEVER).cast(table.column("left_at").type)


def _count_left(table: Table, count: int, landing: Landing) -> None:
    if count:
        landing.left[table.name] = landing.left.get(table.name, 0) + count


def _say_back(table: Table, keys: pa.Array, landing: Landing) -> None:
    if len(keys):
        message = (
            f"QuickBooks said that {_records(len(keys))} had been deleted, and gives them again, as when the"
            " books were restored from a backup: they are used again. Look them up in QuickBooks."
        )
        landing.findings.append(_about(table, "came_back", message, keys))


def _say(table: Table, outdated: pa.Array, set_back: pa.Array, landing: Landing) -> None:
    if len(outdated):
        message = (
            f"The file is older than what is known of {_records(len(outdated))}, from an answer landed"
            " before: what is known is kept."
        )
        landing.findings.append(_about(table, "older_file", message, outdated))
    if len(set_back):
        message = (
            f"What is known of {_records(len(set_back))} is kept: the clock was set back since it came, and"
            " it is of a later import. Check the clock, then import again."
        )
        landing.findings.append(_about(table, "clock_set_back", message, set_back))


def _records(count: int) -> str:
    return counted(count, "record")


def _about(table: Table, rule: str, message: str, keys: pa.Array) -> dict[str, str | None]:
    return finding("warning", rule, message, table=table.name, key=pc.min(keys).as_py(), value=len(keys))


def _is_earlier(one: Numbers, other: Numbers) -> Flags:
    earlier: Flags = (one != NEVER) & (other != NEVER) & (one < other)
    return earlier


def _at(values: Numbers, index: Numbers, otherwise: int) -> Numbers:
    """Return the values at places, and something else at the place -1."""
    return np.append(values, np.int64(otherwise))[index]
