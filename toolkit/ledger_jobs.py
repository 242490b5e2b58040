"""Jobs, and how far an import is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, case, exists, func, insert, select, update

from toolkit.errors import IllegalTransition, LedgerError, UsageError
from toolkit.ledger_moves import end_pending, has_work, open_counts
from toolkit.ledger_records import ACTIVE_JOBS, ENDED_JOBS, JOB_MOVES, QUERY_MOVES, Job, Page, Query
from toolkit.ledger_schema import (
    job_history,
    jobs,
    message_sets,
    one_of,
    operations,
    pages,
    queries,
    sessions,
)
from toolkit.ledger_schema import set_members as members
from toolkit.ledger_statements import Handle, Statement, handle_of
from toolkit.ledger_store import from_json, new_id, to_json
from toolkit.ledger_waiting import Waiting
from toolkit.tables import from_rows

if TYPE_CHECKING:
    import pandas as pd

_QUERY_KEYS = {"name", "fields", "iterate", "table", "filter", "since"}


class Jobs(Waiting):
    """The queue: what is to be done, what is being done, and what became of it."""

    def add_import(self, kind: str, queries: Sequence[Mapping[str, Any]], *, started: bool = False) -> int:
        """Queue an import and return its number.

        Parameters
        ----------
        kind : str
            ``items``, ``customers``, ...; the job's kind is ``import:<kind>``.
        queries : sequence of mapping
            One per query, in order: ``name`` (``ItemQuery``), ``fields``, ``iterate``, and optionally
            ``table``, ``filter`` (what it covers) and ``since`` (the first qbXML version that has it).
        started : bool
            Whether it runs already: for answers that are landed by hand, which no session asks for.

        Raises
        ------
        LedgerError
            A query without a name, or with a key that is none of these.
        """
        rows = [_query_row(query, position) for position, query in enumerate(queries, start=1)]
        with self.writing() as connection:
            job = self._add_job(connection, f"import:{kind}", "queued", {}, None)
            _insert_queries(connection, job, rows)
            if started:
                self._move_job(connection, job, "running")
        return job

    def jobs(self) -> pd.DataFrame:
        """Return every job with its counts, oldest first (``ledger.jobs``)."""
        with self.reading() as connection:
            listed = connection.execute(_jobs_with_counts()).mappings().all()
        rows = []
        for row in listed:
            counts = {
                name: row[name] or 0 for name in ("applied", "rejected", "unknown", "skipped", "pending")
            }
            reads = row["kind"].startswith("import:")
            total = (row["records"] or 0) + (row["loose"] or 0) if reads else row["operations"] or 0
            kept = ("id", "kind", "status", "message", "created_at", "finished_at")
            rows.append({**{name: row[name] for name in kept}, **counts, **_range(row), "total": total})
        return from_rows("ledger.jobs", rows)

    def job_states(self) -> dict[str, int]:
        """Return how many jobs there are in each state, of those that some job is in."""
        with self.reading() as connection:
            counted = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
            return {str(status): int(count) for status, count in counted}

    def job(self, job: int) -> Job:
        """Return one job.

        Raises
        ------
        LedgerError
            There is no such job.
        """
        with self.reading() as connection:
            return get_job(connection, job)

    def job_history(self, job: int) -> list[dict[str, Any]]:
        """Return every transition of a job, oldest first: before, after, at, who, note."""
        kept = [job_history.c[name] for name in ("before", "after", "at", "who", "note")]
        with self.reading() as connection:
            get_job(connection, job)
            chosen = select(*kept).where(job_history.c.job == job).order_by(job_history.c.id)
            return [dict(row) for row in connection.execute(chosen).mappings()]

    def next_job(self) -> Job | None:
        """Return the oldest queued or running job that a session can do something for, or ``None``.

        Passed over: an import without queries (its answers are landed by hand), and an export whose every
        pending operation waits for another job.
        """
        with self.looking() as handle:
            for row in _ACTIVE.rows(handle):
                job = _job(row)
                if job.is_import:
                    if _HAS_QUERIES.value(handle, job=job.id):
                        return job
                    continue
                if has_work(handle, job.id) or self._has_blocked(handle, job.id):
                    return job
        return None

    def set_job(self, job: int, status: str, message: str | None = None, who: str | None = None) -> None:
        """Change a job's state; the state it has already only takes the message.

        Pending operations of a job that fails or is cancelled are skipped with the reason, so that they
        can be queued again.

        Raises
        ------
        IllegalTransition
            The state does not follow from the one it has; or it would be complete while something is
            pending; or a message set of it is in flight.
        """
        with self.writing() as connection:
            self._move_job(connection, job, status, message=message, who=who)

    def approve(self, job: int, who: str, note: str = "") -> None:
        """Queue a draft. ``who`` is the person that approves it.

        Raises
        ------
        IllegalTransition
            It is no draft.
        """
        if not who.strip():
            raise UsageError("an approval needs a name: it is a person's")
        with self.writing() as connection:
            now = get_job(connection, job).status
            if now != "draft":
                raise IllegalTransition(f"job {job}", now, "queued", "only a draft can be approved")
            self._move_job(connection, job, "queued", who=who, note=note)
            connection.execute(update(jobs).where(jobs.c.id == job).values(approved_by=who))

    def hold(self, job: int, who: str, note: str = "") -> None:
        """Keep a queued or running job from being served until it is released."""
        self._change(job, "held", who, note)

    def release(self, job: int, who: str, note: str = "") -> None:
        """Queue a held job again.

        Raises
        ------
        IllegalTransition
            It is not held.
        """
        with self.writing() as connection:
            now = get_job(connection, job).status
            if now != "held":
                raise IllegalTransition(f"job {job}", now, "queued", "only a held job can be released")
            self._move_job(connection, job, "queued", who=who, note=note)

    def cancel(self, job: int, who: str, note: str = "") -> None:
        """End a job; what it has already applied stays applied, what is pending is skipped."""
        self._change(job, "cancelled", who, note)

    # --- how far an import is -------------------------------------------------------------------------

    def queries(self, job: int) -> list[Query]:
        """Return the queries of an import in their order."""
        with self.reading() as connection:
            get_job(connection, job)
            chosen = select(queries).where(queries.c.job == job).order_by(queries.c.position)
            return [_query(row) for row in connection.execute(chosen)]

    def next_query(self, job: int) -> Query | None:
        """Return the first query of an import that is not answered whole, or ``None``."""
        chosen = select(queries).where(queries.c.job == job, queries.c.status != "done")
        with self.reading() as connection:
            row = connection.execute(chosen.order_by(queries.c.position).limit(1)).first()
            return None if row is None else _query(row)

    def query(self, query_id: int) -> Query:
        """Return one query; ``LedgerError`` where there is none of that id."""
        with self.reading() as connection:
            return _get_query(connection, query_id)

    def update_query(
        self,
        query_id: int,
        *,
        status: str | None = None,
        pages: int | None = None,
        records: int | None = None,
        iterator_id: str | None = None,
        remaining: int | None = None,
    ) -> None:
        """Note how far a query is; what is ``None`` stays, and an ``iterator_id`` of ``""`` is cleared.

        Raises
        ------
        IllegalTransition
            A status that does not follow from the one it has.
        """
        given = {"pages": pages, "records": records, "remaining": remaining}
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if iterator_id is not None:
            values["iterator_id"] = iterator_id or None
        with self.writing() as connection:
            before = _get_query(connection, query_id).status
            if status is not None and status != before:
                if status not in QUERY_MOVES[before]:
                    raise IllegalTransition(f"query {query_id}", before, status)
                values["status"] = status
            if values:
                connection.execute(update(queries).where(queries.c.id == query_id).values(**values))

    def restart_query(self, query_id: int) -> None:
        """Start a running query anew: an iterator ends with its session, and its pages count no more."""
        with self.writing() as connection:
            restart_queries(connection, [query_id])

    def add_page(self, job: int, query_id: int | None, path: str, records: int) -> bool:
        """Note the file of an answer of an import; ``False`` where it was noted before.

        Parameters
        ----------
        path : str
            Relative to the workspace, with ``/``.
        records : int
            Records in it.
        """
        with self.writing() as connection:
            get_job(connection, job)
            same = select(pages.c.id).where(pages.c.job == job, pages.c.path == path)
            if connection.scalar(same) is not None:
                return False
            row = {"job": job, "query": query_id, "path": path, "records": records, "at": self.now()}
            connection.execute(insert(pages).values(**row))
        return True

    def pages(self, job: int) -> list[Page]:
        """Return the answers of an import in the order they came, without those of broken iterators."""
        kept = [pages.c[name] for name in ("id", "job", "query", "path", "records", "at")]
        with self.reading() as connection:
            chosen = select(*kept).where(pages.c.job == job, ~pages.c.dropped).order_by(pages.c.id)
            return [Page(**row) for row in connection.execute(chosen).mappings()]

    # --- inside a transaction -------------------------------------------------------------------------

    def _has_blocked(self, handle: Handle, job: int) -> bool:
        return any(row.job == job for row in self._blocked(handle, committed=True))

    def _add_job(
        self, connection: Connection, kind: str, status: str, meta: Mapping[str, Any], approved_by: str | None
    ) -> int:
        now = self.now()
        row = {"kind": kind, "status": status, "meta": to_json(meta), "created_at": now}
        made = connection.execute(insert(jobs).values(**row, approved_by=approved_by))
        job = new_id(made)
        history = {"job": job, "before": None, "after": status, "at": now, "who": approved_by}
        connection.execute(insert(job_history).values(**history))
        return job

    def _change(self, job: int, status: str, who: str, note: str) -> None:
        message = f"{status} by {who}" + (f": {note}" if note else "")
        with self.writing() as connection:
            before = get_job(connection, job).status
            if before == status:
                raise IllegalTransition(f"job {job}", before, status)
            self._move_job(connection, job, status, message=message, who=who, note=note)

    def _move_job(
        self,
        connection: Connection,
        job: int,
        status: str,
        *,
        message: str | None = None,
        who: str | None = None,
        note: str = "",
    ) -> None:
        before = get_job(connection, job).status
        now = self.now()
        values: dict[str, Any] = {} if message is None else {"message": message}
        if status != before:
            self._require_move(connection, job, before, status)
            values["status"] = status
            if status in ENDED_JOBS:
                values["finished_at"] = now
            if status in ("failed", "cancelled"):
                reason = f"job {job} {'failed' if status == 'failed' else 'was cancelled'}"
                end_pending(connection, job, f"{reason}: {message}" if message else reason, now)
            history = {"job": job, "before": before, "after": status, "at": now, "who": who}
            connection.execute(insert(job_history).values(**history, note=note or message))
        if values:
            connection.execute(update(jobs).where(jobs.c.id == job).values(**values))

    def _require_move(self, connection: Connection, job: int, before: str, status: str) -> None:
        what = f"job {job}"
        if status not in JOB_MOVES.get(before, frozenset()):
            raise IllegalTransition(what, before, status)
        if status in ("held", "cancelled", "failed") and in_flight(connection, job, status):
            why = "a message set of it is with QuickBooks: its answer comes first"
            raise IllegalTransition(what, before, status, why)
        if status == "complete":
            open_operations, open_queries = open_counts(connection, job)
            if open_operations or open_queries:
                why = f"{open_operations} operations and {open_queries} queries of it are still open"
                raise IllegalTransition(what, before, status, why)


_ACTIVE = Statement(select(jobs).where(one_of(jobs.c.status, ACTIVE_JOBS)).order_by(jobs.c.id))
_JOB = Statement(select(jobs).where(jobs.c.id == bindparam("job")))
_HAS_QUERIES = Statement(select(exists().where(queries.c.job == bindparam("job"))))


def get_job(connection: Connection, job: int) -> Job:
    """Return one job; ``LedgerError`` where there is none."""
    row = _JOB.row(handle_of(connection), job=job)
    if row is None:
        raise LedgerError(f"there is no job {job}: `toolkit jobs` lists them")
    return _job(row)


def in_flight(connection: Connection, job: int, wanted: str) -> bool:
    """Return whether QuickBooks may be working for the job.

    A set that writes counts until its answer is recorded. A read changes nothing: it counts only while its
    session is open, and not where the job fails, which a read may well be the reason for.
    """
    unanswered = (message_sets.c.answered_at.is_(None)) & (message_sets.c.abandoned_at.is_(None))
    live = (message_sets.c.kind != "write") & (sessions.c.closed_at.is_(None))
    dangerous = message_sets.c.kind == "write"
    found = (
        select(message_sets.c.id)
        .join(members, members.c.message_set == message_sets.c.id)
        .join(sessions, sessions.c.ticket == message_sets.c.session)
        .outerjoin(operations, operations.c.id == members.c.operation)
        .outerjoin(queries, queries.c.id == members.c.query)
        .where(unanswered, (operations.c.job == job) | (queries.c.job == job))
        .where(dangerous if wanted == "failed" else dangerous | live)
    )
    return connection.execute(found.limit(1)).first() is not None


def restart_queries(connection: Connection, ids: Sequence[int]) -> None:
    """Set running queries back to their beginning."""
    connection.execute(update(pages).where(pages.c.query.in_(ids)).values(dropped=True))
    fresh = {"status": "pending", "pages": 0, "records": 0, "iterator_id": None, "remaining": None}
    running = queries.c.id.in_(ids) & (queries.c.status == "running")
    connection.execute(update(queries).where(running).values(**fresh))


def _query_row(query: Mapping[str, Any], position: int) -> dict[str, Any]:
    unknown = query.keys() - _QUERY_KEYS
    if unknown or not query.get("name"):
        problem = f"no key {sorted(unknown)[0]}" if unknown else "a name"
        raise LedgerError(f"query {position} of an import must have {problem}")
    return {
        "position": position,
        "name": query["name"],
        "fields": to_json(query.get("fields") or {}),
        "iterate": bool(query.get("iterate")),
        "table": query.get("table"),
        "filter": to_json(query.get("filter") or {}),
        "since": query.get("since"),
        "status": "pending",
    }


def _insert_queries(connection: Connection, job: int, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(queries), [{**row, "job": job} for row in rows])


def _get_query(connection: Connection, query_id: int) -> Query:
    row = connection.execute(select(queries).where(queries.c.id == query_id)).first()
    if row is None:
        raise LedgerError(f"there is no query {query_id}")
    return _query(row)


def _query(row: Any) -> Query:
    values = dict(row._mapping)
    return Query(**{**values, "fields": from_json(row.fields), "filter": from_json(row.filter)})


def _job(row: Any) -> Job:
    return Job(**{**row._asdict(), "meta": from_json(row.meta)})


def _range(row: Any) -> dict[str, Any]:
    """Return what an export covers, as :meth:`toolkit.workspace.Workspace.queue` keeps it with the job."""
    about = from_json(row["meta"])
    days = {
        name: dt.date.fromisoformat(about[key]) if about.get(key) else None
        for name, key in (("range_start", "start"), ("range_end", "end"))
    }
    return {**days, "switches": about.get("switches"), "pilot": about.get("pilot")}


def _jobs_with_counts() -> Any:
    def count(*states: str) -> Any:
        return func.sum(case((operations.c.status.in_(states), 1), else_=0))

    counted = (
        select(
            operations.c.job,
            func.count().label("operations"),
            *(count(name).label(name) for name in ("applied", "rejected", "unknown", "skipped")),
            count("pending", "sent").label("pending"),
        )
        .group_by(operations.c.job)
        .subquery()
    )
    read = (
        select(queries.c.job, func.sum(queries.c.records).label("records")).group_by(queries.c.job).subquery()
    )
    by_hand = (
        select(pages.c.job, func.sum(pages.c.records).label("loose"))
        .where(pages.c.query.is_(None), ~pages.c.dropped)
        .group_by(pages.c.job)
        .subquery()
    )
    names = ("operations", "applied", "rejected", "unknown", "skipped", "pending")
    return (
        select(jobs, *(counted.c[name] for name in names), read.c.records, by_hand.c.loose)
        .outerjoin(counted, counted.c.job == jobs.c.id)
        .outerjoin(read, read.c.job == jobs.c.id)
        .outerjoin(by_hand, by_hand.c.job == jobs.c.id)
        .order_by(jobs.c.id)
    )
