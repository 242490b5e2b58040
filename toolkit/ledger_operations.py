"""Exports: operations by stable keys, queued once, in the order of what depends on what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Integer, Select, bindparam, exists, insert, select, update

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_jobs import Jobs, get_job
from toolkit.ledger_moves import OPEN_SET, by_keys, can_send, is_due, move_operation, stay
from toolkit.ledger_reading import OF_KEYS, OF_SET, SENDABLE, SENDABLE_OF_JOB, STANDING, Reading
from toolkit.ledger_records import ENDED_ATTEMPTS, FOR_A_PERSON, Operation
from toolkit.ledger_schema import dependencies, jobs, operation_history, operation_texts, operations
from toolkit.ledger_statements import Statement, handle_of
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
_TEXTS = ("fields", "expected")


class Operations(Jobs, Reading):
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

        Of one job all, as they ended; without a job the newest attempt at each key. One that was skipped
        (cancelled with its job, held back, or what it needs failed) has put nothing right: it does not hide
        that QuickBooks rejected the one before.

        Raises
        ------
        LedgerError
            There is no such job.
        """
        with self.reading() as connection:
            if job is None:
                found = _LISTED.where(operations.c.current).order_by(operations.c.job, operations.c.position)
            else:
                get_job(connection, job)
                found = _LISTED.where(operations.c.job == job).order_by(operations.c.position)
            rows = [dict(row) for row in connection.execute(found).mappings()]
            if job is None:
                skipped = [row["key"] for row in rows if row["status"] == "skipped"]
                rejected = _rejected_before(connection, skipped)
                rows = [rejected.get(row["key"], row) for row in rows]
            return _as_frame(connection, rows)

    def rejected_before(self, keys: Sequence[str]) -> pd.DataFrame:
        """Return what stands behind the newest attempts at some keys (``ledger.operations``).

        That is the attempt before, past those that were skipped, where QuickBooks rejected it.
        """
        with self.reading() as connection:
            return _as_frame(connection, list(_rejected_before(connection, keys).values()))

    def operation(self, key: str) -> Operation:
        """Return the newest attempt at one operation; ``LedgerError`` where there is none."""
        with self.looking() as handle:
            found = self._read(handle, OF_KEYS, keys=[key])
        if not found:
            raise LedgerError(f"there is no operation {key}")
        return found[0]

    def operations_by_keys(self, keys: Sequence[str]) -> list[Operation]:
        """Return the newest attempts at some operations in the order of the keys.

        Raises
        ------
        LedgerError
            There is none of one of them.
        """
        found = {}
        with self.looking() as handle:
            for batch in batches(keys):
                found.update({one.key: one for one in self._read(handle, OF_KEYS, keys=batch)})
        missing = [key for key in keys if key not in found]
        if missing:
            raise LedgerError(f"there is no operation {missing[0]}")
        return [found[key] for key in keys]

    def operations_of_set(self, number: int) -> list[Operation]:
        """Return the attempts that are in a message set, in its order; of a set that reads there are none."""
        with self.looking() as handle:
            return self._read(handle, OF_SET, number=number)

    def quickbooks_ids(self, keys: Iterable[str]) -> dict[str, str]:
        """Return of those operations that have one the ListID or TxnID by key."""
        found = {}
        with self.looking() as handle:
            for batch in batches(list(keys)):
                found.update({row[0]: row[1] or row[2] for row in _IDS.rows(handle, keys=batch)})
        return {key: quickbooks_id for key, quickbooks_id in found.items() if quickbooks_id}

    def status_messages(self, keys: Iterable[str]) -> dict[str, str]:
        """Return what is said of some operations by key; those of which nothing is said are left out."""
        found = {}
        with self.looking() as handle:
            for batch in batches(list(keys)):
                found.update({row[0]: row[1] for row in _SAID.rows(handle, keys=batch)})
        return {key: message for key, message in found.items() if message}

    def sendable(self, limit: int, job: int | None = None) -> list[Operation]:
        """Return what may be sent now, in order: pending, its job served, its dependencies applied.

        Parameters
        ----------
        limit : int
            At most so many.
        job : int, optional
            Of this job only.
        """
        with self.looking() as handle:
            if job is None:
                return self._read(handle, SENDABLE, most=limit)
            return self._read(handle, SENDABLE_OF_JOB, most=limit, job=job)

    def can_send(self, job: int) -> bool:
        """Return whether :meth:`sendable` gives anything for a job."""
        with self.looking() as handle:
            return can_send(handle, job)

    def owes(self) -> bool:
        """Return whether a message set has no answer, or something unknown is still to be looked up."""
        with self.looking() as handle:
            return _OPEN_SET.row(handle) is not None or _FIRST_DUE.row(handle) is not None

    def lookups_due(self, limit: int) -> list[Operation]:
        """Return unknown operations that QuickBooks is still to be asked for, whatever their jobs are."""
        with self.looking() as handle:
            return self._read(handle, _DUE, most=limit)

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
        with self.looking() as handle:  # mostly there is none, and nobody has to wait for that
            if not self._blocked(handle, committed=True):
                return 0
        with self.writing() as connection:
            while rows := self._blocked(handle_of(connection), committed=False):
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
        for batch in batches(keys):
            older = operations.c.key.in_(batch) & operations.c.current
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
        texts = [{"operation": ids[row["key"]], **{name: row[name] for name in _TEXTS}} for row in rows]
        connection.execute(insert(operation_texts), texts)
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


def _due(chosen: Select[Any]) -> Select[Any]:
    """Select what is to be looked up: what refers to something that is, too, comes after it, with its ID."""
    first = operations.alias("first")
    waits = (
        select(dependencies.c.operation)
        .join(first, (first.c.key == dependencies.c.key) & first.c.current)
        .where(dependencies.c.operation == operations.c.id, is_due(first))
    )
    return chosen.where(is_due(), ~exists(waits))


def _said_absent() -> Select[Any]:
    """Select the keys of which a person said that QuickBooks does not have them, whenever that was.

    What was looked at then stays another record, whatever became of the attempts since.
    """
    # Only a person ends what is unknown without an answer of QuickBooks. The status of an attempt is asked
    # for first: the history of the few that were skipped is short, that of all is not.
    said = (operation_history.c.before == "unknown") & (operation_history.c.after == "skipped")
    said = said & operation_history.c.message_set.is_(None)
    ended = exists().where(operation_history.c.operation == operations.c.id, said)
    return select(operations.c.key).where(operations.c.status == "skipped", ended).distinct()


_in_order = (operations.c.job, operations.c.position)
_DUE = Statement(_due(STANDING).order_by(*_in_order).limit(bindparam("most", type_=Integer)))
# The order makes SQLite look into the index of what is unknown.
_FIRST_DUE = Statement(_due(select(operations.c.id)).order_by(*_in_order).limit(1))
_OPEN_SET = Statement(OPEN_SET)
_SAID_ABSENT = _said_absent()
_COLUMNS = {**operations.c, **operation_texts.c}
_LISTED = select(*(_COLUMNS[name] for name in TABLES["ledger.operations"].names if name in _COLUMNS)).join(
    operation_texts, operation_texts.c.operation == operations.c.id
)
_of_keys = operations.c.current & operations.c.key.in_(bindparam("keys", expanding=True))
_IDS = Statement(select(operations.c.key, operations.c.list_id, operations.c.txn_id).where(_of_keys))
_SAID = Statement(select(operations.c.key, operations.c.status_message).where(_of_keys))
_BATCH = 500


def batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the keys in parts that fit into one statement."""
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]


def _rejected_before(connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the attempts before the newest ones that were rejected, by key, past what was skipped."""
    before: dict[str, dict[str, Any]] = {}
    tried = ~operations.c.current & (operations.c.status != "skipped")
    for batch in batches(keys):
        older = _LISTED.where(operations.c.key.in_(batch), tried).order_by(operations.c.id)
        before |= {row["key"]: dict(row) for row in connection.execute(older).mappings()}
    return {key: row for key, row in before.items() if row["status"] == "rejected"}


def _as_frame(connection: Connection, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    absent = {row.key for row in connection.execute(_SAID_ABSENT)}
    for row in rows:
        row["depends_on"] = json.loads(row["depends_on"])
        row["said_absent"] = row["key"] in absent
    return from_rows("ledger.operations", rows)


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
