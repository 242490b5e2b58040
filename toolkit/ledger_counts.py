"""How much of the queue is done: for the Web Connector's progress bar."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, bindparam, func, select, union

from toolkit.ledger_records import ACTIVE_JOBS
from toolkit.ledger_schema import Stamp, jobs, one_of, operation_history, operations, queries
from toolkit.ledger_statements import Handle, Statement
from toolkit.ledger_store import Store


@dataclass(slots=True)
class _Tally:
    """How many operations of some jobs there are and are still open, up to a row of the history."""

    upto: int = 0
    total: dict[int, int] = field(default_factory=dict)
    open: dict[int, int] = field(default_factory=dict)


class Counts(Store):
    """How far the jobs are, taken together."""

    _tally: _Tally | None = None

    def progress(self, since: dt.datetime) -> float:
        """Return how much is done, from 0 to 1, of the jobs served now or finished since then.

        An operation and a query count as one each; a query with an iterator by what it says is still to come.
        """
        with self.looking() as handle:
            served = [row.id for row in _SERVED.rows(handle, since=since)]
            tally = self._counted(handle, served)
            asked = _QUERIES.rows(handle, jobs=served) if served else []
        total = sum(tally.total[job] for job in served)
        done = float(total - sum(tally.open[job] for job in served))
        for status, records, remaining in asked:
            total += 1
            if status == "done":
                done += 1
            elif remaining:
                done += records / (records + remaining)
        return done / total if total else 0.0

    def _counted(self, handle: Handle, served: list[int]) -> _Tally:
        """Return the counts of these jobs: once in full, after that by what the history says happened since.

        The handle sees only what was committed; no other thread sees a tally that is half made.
        """
        newest = int(_NEWEST.value(handle) or 0)
        old = self._tally
        tally = _Tally(newest)
        if old is not None and old.upto <= newest:  # otherwise the ledger is another one
            tally.total = {job: count for job, count in old.total.items() if job in served}
            tally.open = {job: count for job, count in old.open.items() if job in served}
            if old.upto < newest and tally.total:
                for job, before, after, count in _CHANGED.rows(handle, upto=old.upto):
                    if job in tally.open:
                        tally.open[job] += count * ((after in _OPEN) - (before in _OPEN))
        for job in served:
            if job not in tally.total:
                counted: dict[str, int] = {}
                for status, count in _BY_STATUS.rows(handle, job=job):
                    counted[status] = count
                tally.total[job] = sum(counted.values())
                tally.open[job] = sum(counted.get(status, 0) for status in _OPEN)
        self._tally = tally
        return tally


_OPEN = ("pending", "sent")
_NEWEST = Statement(select(func.max(operation_history.c.id)))
_SERVED = Statement(
    union(
        select(jobs.c.id).where(one_of(jobs.c.status, ACTIVE_JOBS)),
        select(jobs.c.id).where(jobs.c.finished_at >= bindparam("since", type_=Stamp)),
    )
)
_QUERIES = Statement(
    select(queries.c.status, queries.c.records, queries.c.remaining).where(
        queries.c.job.in_(bindparam("jobs", expanding=True))
    )
)
_BY_STATUS = Statement(
    select(operations.c.status, func.count())
    .where(operations.c.job == bindparam("job"))
    .group_by(operations.c.status)
)


# All operations of a job are born with it.
_CHANGED = Statement(
    select(operations.c.job, operation_history.c.before, operation_history.c.after, func.count())
    .join(operations, operations.c.id == operation_history.c.operation)
    .where(operation_history.c.id > bindparam("upto", type_=BigInteger))
    .where(operation_history.c.before.is_not(None))
    .group_by(operations.c.job, operation_history.c.before, operation_history.c.after)
)
