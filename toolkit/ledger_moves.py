"""Operations inside a transaction: which one may be sent, and how one changes its state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from toolkit.errors import IllegalTransition
from toolkit.ledger_records import (
    ACTIVE_JOBS,
    FOR_A_PERSON,
    MOST_LOOKUPS,
    OPERATION_MOVES,
)
from toolkit.ledger_schema import (
    dependencies,
    jobs,
    message_sets,
    one_of,
    operation_history,
    operations,
    queries,
    sessions,
    set_members,
    word,
)
from toolkit.ledger_statements import Handle, Statement, handle_of
from toolkit.quickbooks_codes import BUSY

_first = operations.alias("first")  # what an operation depends on


def waiting_for() -> Select[Any]:
    """Select, per dependency of an operation, the newest attempt at what it depends on."""
    newest = (_first.c.key == dependencies.c.key) & _first.c.current
    return select(dependencies.c.operation, dependencies.c.key).outerjoin(_first, newest)


def is_sendable() -> ColumnElement[bool]:
    """Return the condition: pending, in a job that is being served, all it depends on applied.

    Not so what QuickBooks could not do because somebody used or locked it, until that session is over.
    """
    open_dependency = or_(_first.c.status.is_(None), _first.c.status != word("applied"))
    waits = waiting_for().where(dependencies.c.operation == operations.c.id, open_dependency)
    served = operations.c.job.in_(select(jobs.c.id).where(one_of(jobs.c.status, ACTIVE_JOBS)))
    fit = (operations.c.status == word("pending")) & operations.c.current & served
    return fit & ~exists(waits) & ~_refused_in_open_session()


def _refused_in_open_session() -> ColumnElement[bool]:
    """Return the condition: found locked or in use in a session that still goes on."""
    asked = (
        select(set_members.c.message_set)
        .join(message_sets, message_sets.c.id == set_members.c.message_set)
        .join(sessions, sessions.c.ticket == message_sets.c.session)
        .where(set_members.c.operation == operations.c.id)
        .where(message_sets.c.kind == word("write"), sessions.c.closed_at.is_(None))
        .correlate(operations)
    )
    # coalesce: a status code that is not there must not make the whole condition unknown.
    return one_of(func.coalesce(operations.c.status_code, 0), BUSY) & exists(asked)


def is_due(table: FromClause = operations) -> ColumnElement[bool]:
    """Return the condition: unknown, and QuickBooks is still to be asked for it.

    Not so where a person decides, nor where it was asked for often enough since it was last sent.
    """
    wrote, written = set_members.alias(), message_sets.alias()
    last_write = (
        select(func.coalesce(func.max(wrote.c.message_set), 0))
        .join(written, written.c.id == wrote.c.message_set)
        .where(wrote.c.operation == table.c.id, written.c.kind == word("write"))
        .correlate(table)
        .scalar_subquery()
    )
    asked = (
        select(func.count())
        .select_from(set_members)
        .join(message_sets, message_sets.c.id == set_members.c.message_set)
        .where(set_members.c.operation == table.c.id, set_members.c.message_set > last_write)
        .where(message_sets.c.kind == word("lookup"), message_sets.c.answered_at.is_not(None))
        .correlate(table)
        .scalar_subquery()
    )
    said = func.coalesce(table.c.status_message, "")
    unknown = (table.c.status == word("unknown")) & table.c.current
    return unknown & ~said.startswith(FOR_A_PERSON, autoescape=True) & (asked < MOST_LOOKUPS)


def has_work(handle: Handle, job: int) -> bool:
    """Return whether a session can do something for an export: not where all its pending ones wait."""
    if can_send(handle, job):
        return True
    states = _STATES.row(handle, job=job)
    return bool(states.sent or not states.pending)  # without any pending ones it can be finished


def can_send(handle: Handle, job: int) -> bool:
    """Return whether an operation of an export may be sent now."""
    return _FIRST_SENDABLE.row(handle, job=job) is not None


def open_counts(connection: Connection, job: int) -> tuple[int, int]:
    """Return how many operations and queries of a job are not through."""
    open_states = ("pending", "sent")
    waiting = select(func.count()).where(operations.c.job == job, operations.c.status.in_(open_states))
    reading = select(func.count()).where(queries.c.job == job, queries.c.status != word("done"))
    return connection.scalar(waiting) or 0, connection.scalar(reading) or 0


def end_pending(connection: Connection, job: int, reason: str, now: dt.datetime) -> None:
    """Skip every pending operation of a job."""
    mine = (operations.c.job == job) & (operations.c.status == word("pending"))
    values = [
        literal("pending"),
        literal("skipped"),
        literal(now, operation_history.c.at.type),
        literal(reason),
    ]
    columns = ["operation", "before", "after", "at", "message"]
    rows = select(operations.c.id, *values).where(mine)
    connection.execute(insert(operation_history).from_select(columns, rows))
    connection.execute(update(operations).where(mine).values(status="skipped", status_message=reason))


def send_members(connection: Connection, number: int, now: dt.datetime) -> None:
    """Note that the members of a message set that writes are sent, all of which were pending."""
    handle = handle_of(connection)
    _SENT.run(handle, number=number)
    _SENT_HISTORY.run(handle, number=number, now=now)


def move_operation(
    connection: Connection,
    row: Any,
    after: str,
    now: dt.datetime,
    *,
    message: str | None = None,
    status_code: int | None = None,
    message_set: int | None = None,
    values: dict[str, Any] | None = None,
) -> None:
    """Change the state of one operation and write its history.

    Parameters
    ----------
    row : Row
        Its ``id``, ``key`` and ``status``, read in this transaction.

    Raises
    ------
    IllegalTransition
        ``after`` does not follow from the state it has.
    """
    moves = Moves()
    moves.add(
        row, after, now, message=message, status_code=status_code, message_set=message_set, values=values
    )
    moves.write(connection)


class Moves:
    """Changes of state that are written together: a statement for all of them, not one for each."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self._history: list[tuple[Any, ...]] = []

    def add(
        self,
        row: Any,
        after: str,
        now: dt.datetime,
        *,
        message: str | None = None,
        status_code: int | None = None,
        message_set: int | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        """Take a change in; the parameters of :func:`move_operation`.

        Raises
        ------
        IllegalTransition
            ``after`` does not follow from the state it has.
        """
        if after not in OPERATION_MOVES[row.status]:
            raise IllegalTransition(f"operation {row.key}", row.status, after)
        told = {"this_operation": row.id, "status": after, "status_code": status_code}
        self._changes.setdefault(tuple(values or ()), []).append(
            {**told, "status_message": message, **(values or {})}
        )
        self._history.append((row.id, row.status, after, now, message_set, status_code, message))

    def stay(
        self,
        row: Any,
        now: dt.datetime,
        message: str | None,
        *,
        status_code: int | None = None,
        message_set: int | None = None,
    ) -> None:
        """Take in a message on an operation that stays in its state; the parameters of :func:`stay`."""
        code = row.status_code if status_code is None else status_code
        told = {
            "this_operation": row.id,
            "status": row.status,
            "status_code": code,
            "status_message": message,
        }
        self._changes.setdefault((), []).append(told)
        self._history.append((row.id, row.status, row.status, now, message_set, status_code, message))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._history)

    def write(self, connection: Connection) -> None:
        """Write them, and their history."""
        steps = [dict(zip(_STEP, step, strict=True)) for step in self._history]
        self._write_changes(connection)
        _HISTORY.run_many(handle_of(connection), steps)

    def write_members(self, connection: Connection, number: int, now: dt.datetime) -> None:
        """Write the changes of all members of a message set, each of which was sent, and their history."""
        self._write_changes(connection)
        _ANSWERED_HISTORY.run(handle_of(connection), number=number, now=now)

    def _write_changes(self, connection: Connection) -> None:
        for changes in self._changes.values():
            _CHANGE.run_many(handle_of(connection), changes)
        self._changes, self._history = {}, []


_CHANGE = Statement(update(operations).where(operations.c.id == bindparam("this_operation")))
_HISTORY = Statement(insert(operation_history))
_STEP = ("operation", "before", "after", "at", "message_set", "status_code", "message")


def stay(connection: Connection, row: Any, now: dt.datetime, message: str | None) -> None:
    """Keep a message on an operation that stays in its state, in its history too.

    Parameters
    ----------
    row : Row
        Its ``id``, ``status`` and ``status_code``, read in this transaction; the code stands.
    """
    moves = Moves()
    moves.stay(row, now, message)
    moves.write(connection)


def by_keys(keys: Sequence[str]) -> Select[Any]:
    """Select the newest attempts at some keys."""
    return select(operations).where(operations.c.current, operations.c.key.in_(keys))


# Said once: to work out anew what a statement means takes longer than to run it.
_of_job = operations.c.job == bindparam("job", type_=Integer)
_FIRST_SENDABLE = Statement(select(operations.c.id).where(_of_job, is_sendable()).limit(1))
_STATES = Statement(
    select(
        exists().where(_of_job, operations.c.status == word("pending")).label("pending"),
        exists().where(_of_job, operations.c.status == word("sent")).label("sent"),
    )
)
_is_open = message_sets.c.answered_at.is_(None) & message_sets.c.abandoned_at.is_(None)
OPEN_SET = select(message_sets.c.id).where(_is_open)
"""Selects what was handed out and has no answer: the newest message set, or nothing."""
_open = select(func.min(message_sets.c.id)).where(_is_open)
_newest = select(func.max(message_sets.c.id))
SETTLED = select(func.coalesce(_open.scalar_subquery() - 1, _newest.scalar_subquery()))
"""Selects the last message set with nothing open up to it."""
_members = select(set_members.c.operation).where(set_members.c.message_set == bindparam("number"))
_SENT = Statement(
    update(operations)
    .where(operations.c.id.in_(_members))
    .values(status=word("sent"), status_code=None, status_message=None)
)
_SENT_HISTORY = Statement(
    insert(operation_history).from_select(
        ["operation", "before", "after", "at", "message_set"],
        _members.add_columns(
            word("pending"),
            word("sent"),
            bindparam("now", type_=operation_history.c.at.type),
            set_members.c.message_set,
        ).order_by(set_members.c.position),
    )
)
_ANSWERED_HISTORY = Statement(
    insert(operation_history).from_select(
        ["operation", "before", "after", "at", "message", "message_set", "status_code"],
        select(
            operations.c.id,
            word("sent"),
            operations.c.status,
            bindparam("now", type_=operation_history.c.at.type),
            operations.c.status_message,
            set_members.c.message_set,
            operations.c.status_code,
        )
        .join(set_members, set_members.c.operation == operations.c.id)
        .where(set_members.c.message_set == bindparam("number"))
        .order_by(set_members.c.position),
    )
)
