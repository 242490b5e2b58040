"""How much of the queue is done: for the Web Connector's progress bar."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, or_, select

from toolkit.ledger_records import ACTIVE_JOBS
from toolkit.ledger_schema import jobs, operations, queries
from toolkit.ledger_store import Store


class Counts(Store):
    """How far the jobs are, taken together."""

    def progress(self, since: dt.datetime) -> float:
        """Return how much is done, from 0 to 1, of the jobs served now or finished since then.

        An operation and a query count as one each; a query with an iterator by what it says is still to come.
        """
        served = select(jobs.c.id).where(or_(jobs.c.status.in_(ACTIVE_JOBS), jobs.c.finished_at >= since))
        total, done = 0, 0.0
        with self.reading() as connection:
            counted = select(operations.c.status, func.count()).where(operations.c.job.in_(served))
            for status, count in connection.execute(counted.group_by(operations.c.status)):
                total += count
                done += 0 if status in ("pending", "sent") else count
            chosen = select(queries.c.status, queries.c.records, queries.c.remaining)
            for status, records, remaining in connection.execute(chosen.where(queries.c.job.in_(served))):
                total += 1
                if status == "done":
                    done += 1
                elif remaining:
                    done += records / (records + remaining)
        return done / total if total else 0.0
