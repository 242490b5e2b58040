"""Exports: operations by stable keys, queued once, in the order of what depends on what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, insert, select, update

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_jobs import Jobs, get_job
from toolkit.ledger_moves import (
    blocked,
    by_keys,
    get_operations,
    is_due,
    is_sendable,
    move_operation,
    stay,
)
from toolkit.ledger_records import ENDED_ATTEMPTS, FOR_A_PERSON, Operation
from toolkit.ledger_schema import dependencies, jobs, operation_history, operations
from toolkit.tables import TABLES, conform, from_rows, to_rows

if TYPE_CHECKING:
    import pandas as pd

_LEFT_OUT = {
    "applied": ("already_applied", "it is in QuickBooks already: applied by job {job} as {id}"),
    "sent": ("already_sent", "job {job} has sent it, and its answer is still to come"),
    "pending": ("already_queued", "it waits in job {job} already, which is {job_status}"),
    "unknown": (
        "outcome_unknown",
        "what became of it in job {job} is unknown: look it up in QuickBooks before anything is sent again"
        " (the next session of the Web Connector does, or a person decides: toolkit resolve)",
    ),
}

_KEPT = [column for column in TABLES["plan.operations"].names if column in operations.c]


class Operations(Jobs):
    """What changes QuickBooks: each operation at most once."""

    def add_export(
        self,
        operations: pd.DataFrame,
        *,
        approved_by: str | None = None,
        meta: Mapping[str, Any] | None = None,
        kind: str = "export",
    ) -> tuple[int | None, pd.DataFrame]:
        """Queue operations as one job; those that are done or under way already are left out.

        A key that ended without effect before (rejected, skipped, undone) is tried again with its new
        fields; the old attempt stays as it was in its own job.

        Parameters
        ----------
        operations : pandas.DataFrame
            One row per operation (``plan.operations``).
        approved_by : str, optional
            Who approved it already; without, the job is a draft.
        meta : mapping, optional
            What to remember of the job: range, switches, totals.

        Returns
        -------
        tuple
            The job's number, ``None`` where nothing was left to queue, and what was left out
            (``plan.left_out``).

        Raises
        ------
        LedgerError
            A key stands twice.
        """
        rows = to_rows(conform(operations, "plan.operations"))
        keys = [row["key"] for row in rows]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise LedgerError(f"operation {twice} stands twice in one plan: nothing was queued")
        with self.writing() as connection:
            standing = self._standing(connection)
            left = [row for row in rows if _under_way(standing.get(row["key"]))]
            fresh = [row for row in rows if not _under_way(standing.get(row["key"]))]
            if not fresh:
                return None, _left_out(left, standing)
            status = "queued" if approved_by else "draft"
            job = self._add_job(connection, kind, status, meta or {}, approved_by)
            self._insert(connection, job, sorted(fresh, key=lambda row: row["position"]))
        return job, _left_out(left, standing)

    def operations(self, job: int | None = None) -> pd.DataFrame:
        """Return operations with their outcomes (``ledger.operations``).

        Of one job all, as they ended; without a job the newest attempt at each key.

        Raises
        ------
        LedgerError
            There is no such job.
        """
        table = TABLES["ledger.operations"]
        chosen = select(*(operations.c[name] for name in table.names))
        with self.reading() as connection:
            if job is None:
                chosen = chosen.where(operations.c.current).order_by(operations.c.job, operations.c.position)
            else:
                get_job(connection, job)
                chosen = chosen.where(operations.c.job == job).order_by(operations.c.position)
            rows = [dict(row) for row in connection.execute(chosen).mappings()]
        for row in rows:
            row["depends_on"] = json.loads(row["depends_on"])
        return from_rows(table.name, rows)

    def operation(self, key: str) -> Operation:
        """Return the newest attempt at one operation; ``LedgerError`` where there is none."""
        with self.reading() as connection:
            chosen = select(operations).where(operations.c.key == key, operations.c.current)
            found = get_operations(connection, chosen)
        if not found:
            raise LedgerError(f"there is no operation {key}")
        return found[0]

    def sendable(self, limit: int, job: int | None = None) -> list[Operation]:
        """Return what may be sent now, in order: pending, its job served, its dependencies applied.

        Parameters
        ----------
        limit : int
            At most so many.
        job : int, optional
            Of this job only.
        """
        chosen = select(operations).where(is_sendable())
        if job is not None:
            chosen = chosen.where(operations.c.job == job)
        with self.reading() as connection:
            ordered = chosen.order_by(operations.c.job, operations.c.position).limit(limit)
            return get_operations(connection, ordered)

    def lookups_due(self, limit: int) -> list[Operation]:
        """Return unknown operations that QuickBooks is still to be asked for, whatever their jobs are."""
        # Through the jobs, so that the index of operations by job and status finds the few there are.
        everywhere = operations.c.job.in_(select(jobs.c.id))
        # What refers to something that is looked up itself comes after that, when it has its ID.
        first = operations.alias("first")
        waits = (
            select(dependencies.c.operation)
            .join(first, (first.c.key == dependencies.c.key) & first.c.current)
            .where(dependencies.c.operation == operations.c.id, is_due(first))
        )
        chosen = select(operations).where(everywhere, is_due(), ~exists(waits))
        with self.reading() as connection:
            ordered = chosen.order_by(operations.c.job, operations.c.position).limit(limit)
            return get_operations(connection, ordered)

    def leave_to_person(self, key: str, reason: str) -> None:
        """Note why QuickBooks cannot be asked for an unknown operation; a person decides on it.

        Raises
        ------
        LedgerError
            There is no such operation.
        IllegalTransition
            It is not unknown.
        """
        with self.writing() as connection:
            row = connection.execute(by_keys([key])).first()
            if row is None:
                raise LedgerError(f"there is no operation {key}")
            if row.status != "unknown":
                raise IllegalTransition(f"operation {key}", row.status, "unknown")
            stay(connection, row, self.now(), FOR_A_PERSON + reason)

    def skip_blocked(self) -> int:
        """Skip what depends on something that will not be applied, with the reason; return how many."""
        skipped = 0
        with self.writing() as connection:
            while rows := blocked(connection):
                now = self.now()
                for row in rows:
                    move_operation(connection, row, "skipped", now, message=_blocked_reason(row))
                skipped += len(rows)
        return skipped

    def skip(self, key: str, reason: str) -> None:
        """Skip one pending operation, with the reason; queuing it again tries it again.

        Raises
        ------
        LedgerError
            There is no such operation.
        IllegalTransition
            It is not pending.
        """
        with self.writing() as connection:
            row = connection.execute(by_keys([key])).first()
            if row is None:
                raise LedgerError(f"there is no operation {key}")
            move_operation(connection, row, "skipped", self.now(), message=reason)

    def history(self, key: str) -> list[dict[str, Any]]:
        """Return every transition of an operation over all its attempts, oldest first.

        Each is a dict: ``job, before, after, at, message_set, status_code, message``.
        """
        kept = ("before", "after", "at", "message_set", "status_code", "message")
        chosen = (
            select(operations.c.job, *(operation_history.c[name] for name in kept))
            .join(operations, operations.c.id == operation_history.c.operation)
            .where(operations.c.key == key)
            .order_by(operation_history.c.id)
        )
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(chosen).mappings()]

    def _standing(self, connection: Any) -> dict[str, Any]:
        names = ("id", "key", "job", "status", "list_id", "txn_id")
        chosen = select(*(operations.c[name] for name in names), jobs.c.status.label("job_status"))
        chosen = chosen.join(jobs, jobs.c.id == operations.c.job).where(operations.c.current)
        return {row.key: row for row in connection.execute(chosen)}

    def _insert(self, connection: Any, job: int, rows: Sequence[Mapping[str, Any]]) -> None:
        keys = [row["key"] for row in rows]
        for start in range(0, len(keys), 500):
            older = operations.c.key.in_(keys[start : start + 500]) & operations.c.current
            connection.execute(update(operations).where(older).values(current=False))
        values = [
            {
                **{name: row[name] for name in _KEPT},
                "job": job,
                "status": "pending",
                "depends_on": json.dumps(row["depends_on"] or [], ensure_ascii=False),
            }
            for row in rows
        ]
        connection.execute(insert(operations), values)
        made = select(operations.c.key, operations.c.id).where(operations.c.job == job)
        ids = {row.key: row.id for row in connection.execute(made)}
        first = [
            {"operation": ids[row["key"]], "key": key}
            for row in rows
            for key in dict.fromkeys(row["depends_on"] or [])
        ]
        if first:
            connection.execute(insert(dependencies), first)
        now = self.now()
        history = [{"operation": ids[key], "after": "pending", "at": now} for key in keys]
        connection.execute(insert(operation_history), history)


def _under_way(standing: Any) -> bool:
    return standing is not None and standing.status not in ENDED_ATTEMPTS


def _left_out(rows: Sequence[Mapping[str, Any]], standing: Mapping[str, Any]) -> pd.DataFrame:
    kept = ("account_number", "txn_date", "amount", "currency", "source")
    listed = []
    for row in rows:
        now = standing[row["key"]]
        rule, reason = _LEFT_OUT[now.status]
        shown = reason.format(job=now.job, id=now.list_id or now.txn_id, job_status=now.job_status)
        # Where the plan names no source row the key itself says best what was left out.
        source = (row["source_table"] or "plan.operations", row["source_key"] or row["key"])
        listed.append(
            {
                **{name: row[name] for name in kept},
                "source_table": source[0],
                "source_key": source[1],
                "rule": rule,
                "reason": shown,
            }
        )
    return from_rows("plan.left_out", listed)


def _blocked_reason(row: Any) -> str:
    if row.first_status is None:
        return f"depends on {row.first_key}, which was never queued"
    known = "whose outcome is unknown" if row.first_status == "unknown" else f"which was {row.first_status}"
    # Its own reason stands with it: told again at every step of a chain it would bury the rest.
    return f"depends on {row.first_key}, {known}"
