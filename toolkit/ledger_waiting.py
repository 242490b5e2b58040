"""What waits in vain: found among what changed since it was last looked for.

The history only grows, and every change of state is in it. So whoever has once found that nothing waits in
vain has to look only at what came after: a look costs what happened since, not what is in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, or_, select, union

from toolkit.ledger_moves import SETTLED, is_due
from toolkit.ledger_records import ACTIVE_JOBS, ENDED_ATTEMPTS
from toolkit.ledger_schema import (
    dependencies,
    job_history,
    jobs,
    message_sets,
    one_of,
    operation_history,
    operations,
    set_members,
    word,
)
from toolkit.ledger_statements import Handle, Statement
from toolkit.ledger_store import Store


@dataclass(frozen=True, slots=True)
class Marks:
    """How far the history went when nothing waited in vain.

    Parameters
    ----------
    history, job_history : int
        The last row of each.
    sets : int
        The last message set with nothing open before it or in it.
    """

    history: int
    job_history: int
    sets: int

    def __le__(self, other: Marks) -> bool:
        mine = (self.history, self.job_history, self.sets)
        return all(a <= b for a, b in zip(mine, (other.history, other.job_history, other.sets), strict=True))


_END = 2**62  # after every row


class Waiting(Store):
    """Finds operations whose dependency will not be applied."""

    _quiet: Marks | None = None

    def _blocked(self, handle: Handle, *, committed: bool) -> list[Any]:
        """Return pending operations of active jobs that wait in vain, with what they wait for: one row each.

        Parameters
        ----------
        committed : bool
            Whether the handle sees nothing but what was committed. Only then the marks move: what a
            transaction wrote that fails later has never been.
        """
        now = Marks(*(int(mark or 0) for mark in _MARKS.row(handle)))
        since = self._quiet
        if since == now:
            return []
        if since is None or not since <= now:  # the first look; or the ledger is another one
            since = Marks(_END, 0, _END)
        # The row of the first dependency stands.
        found = _BLOCKED.rows(handle, history=since.history, job_history=since.job_history, sets=since.sets)
        once = {row.id: row for row in reversed(found)}
        if committed and not once:
            self._quiet = now
        return list(once.values())


_MARKS = Statement(
    select(
        select(func.max(operation_history.c.id)).scalar_subquery().label("history"),
        select(func.max(job_history.c.id)).scalar_subquery().label("job_history"),
        SETTLED.scalar_subquery().label("sets"),
    )
)


def _candidates() -> Any:
    """Select operations that may wait in vain by what happened after the marks."""
    first = operations.alias("changed")
    after = (*ENDED_ATTEMPTS, "unknown")
    changed = (
        select(dependencies.c.operation)
        .select_from(operation_history)
        .join(first, first.c.id == operation_history.c.operation)
        .join(dependencies, dependencies.c.key == first.c.key)
        .where(operation_history.c.id > bindparam("history", type_=BigInteger))
        .where(one_of(operation_history.c.after, after))
    )
    # Asked for in vain, and the answer did not even speak of it.
    asked = (
        select(dependencies.c.operation)
        .select_from(message_sets)
        .join(set_members, set_members.c.message_set == message_sets.c.id)
        .join(first, first.c.id == set_members.c.operation)
        .join(dependencies, dependencies.c.key == first.c.key)
        .where(message_sets.c.id > bindparam("sets", type_=BigInteger), message_sets.c.kind == word("lookup"))
    )
    # Of a job that is served from now on everything: it may wait for what was never queued.
    begun = operations.alias("begun")
    queued = (
        select(begun.c.id)
        .select_from(job_history)
        .join(begun, begun.c.job == job_history.c.job)
        .where(job_history.c.id > bindparam("job_history", type_=BigInteger))
        .where(job_history.c.after == word("queued"), begun.c.status == word("pending"))
    )
    return union(changed, asked, queued)


def _blocked() -> Any:
    first = operations.alias("first")  # what an operation depends on
    lost = (first.c.status == word("unknown")) & ~is_due(first)
    # What waits for something unknown waits on until QuickBooks was asked for that.
    hopeless = or_(first.c.status.is_(None), one_of(first.c.status, ENDED_ATTEMPTS), lost)
    return (
        select(
            operations.c.id,
            operations.c.key,
            operations.c.status,
            operations.c.job,
            dependencies.c.key.label("first_key"),
            first.c.status.label("first_status"),
        )
        .join(dependencies, dependencies.c.operation == operations.c.id)
        .join(jobs, jobs.c.id == operations.c.job)
        .outerjoin(first, (first.c.key == dependencies.c.key) & first.c.current)
        .where(operations.c.id.in_(_candidates()))
        .where(operations.c.status == word("pending"), one_of(jobs.c.status, ACTIVE_JOBS), hopeless)
        .order_by(operations.c.id, dependencies.c.key)
    )


_BLOCKED = Statement(_blocked())
