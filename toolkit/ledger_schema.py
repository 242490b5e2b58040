"""The ledger's tables in SQL, and the laws that the database itself keeps.

Triggers made from the graphs of :mod:`toolkit.ledger_records` refuse an illegal transition, a change of
anything append-only and a change of a text that was handed out, whoever asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    literal_column,
    text,
)

from toolkit.ledger_records import JOB_MOVES, OPERATION_MOVES, QUERY_MOVES

SCHEMA_VERSION = 3
"""Raise it with every change of a table here, and add the step to :mod:`toolkit.ledger_migrations`."""

metadata = MetaData()


class Stamp(TypeDecorator[dt.datetime]):
    """A local wall-clock time as ISO text, to the millisecond."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> str | None:
        """Return the text to store."""
        return None if value is None else value.isoformat(timespec="milliseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> dt.datetime | None:
        """Return the time."""
        return None if value is None else dt.datetime.fromisoformat(value)


class Money(TypeDecorator[Decimal]):
    """An exact decimal as text: SQLite's own number would be a float."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Return the text to store."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Return the decimal."""
        return None if value is None else Decimal(value)


def _status(moves: Mapping[str, frozenset[str]]) -> tuple[Column[str], CheckConstraint]:
    # Spelled out: a list SQLite would put into an index anew for every row that changes.
    known = " OR ".join(f"status = '{state}'" for state in moves)
    return Column("status", String, nullable=False), CheckConstraint(known)


def word(constant: str) -> ColumnElement[str]:
    """Return a constant to compare a column with, as it stands in the statement itself.

    As a parameter it would hide from SQLite whether a partial index serves, which then plans the statement
    anew each time that it is run.
    """
    return literal_column(f"'{constant}'")


def one_of(column: ColumnElement[Any], constants: Iterable[str | int]) -> ColumnElement[bool]:
    """Return the condition that a column has one of some constants; they stand in the statement, too."""
    return column.in_([literal_column(repr(constant)) for constant in constants])


meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String))

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    *_status(JOB_MOVES),
    Column("message", Text),
    Column("meta", Text, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("finished_at", Stamp),
    Column("approved_by", String),
    sqlite_autoincrement=True,
)
Index("jobs_status", jobs.c.status)
Index("jobs_finished", jobs.c.finished_at)

job_history = Table(
    "job_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("before", String),
    Column("after", String, nullable=False),
    Column("at", Stamp, nullable=False),
    Column("who", String),
    Column("note", Text),
    sqlite_autoincrement=True,
)

queries = Table(
    "queries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("fields", Text, nullable=False),
    Column("iterate", Boolean, nullable=False),
    Column("table", String),
    Column("filter", Text, nullable=False),
    Column("since", String),
    *_status(QUERY_MOVES),
    Column("pages", Integer, nullable=False, default=0),
    Column("records", Integer, nullable=False, default=0),
    Column("iterator_id", String),
    Column("remaining", Integer),
    sqlite_autoincrement=True,
)

pages = Table(
    "pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("query", ForeignKey("queries.id")),
    Column("path", String, nullable=False),
    Column("records", Integer, nullable=False),
    Column("at", Stamp, nullable=False),
    # A page of an iterator that broke off: the query started anew, the page counts no more.
    Column("dropped", Boolean, nullable=False, default=False),
    UniqueConstraint("job", "path"),
)

operations = Table(
    "operations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False),
    Column("job", ForeignKey("jobs.id"), nullable=False),
    # The newest attempt at its key. An older one stays in its job as it ended.
    Column("current", Boolean, nullable=False, default=True),
    Column("request", String, nullable=False),
    Column("record_kind", String, nullable=False),
    Column("position", Integer, nullable=False),
    *_status(OPERATION_MOVES),
    Column("status_code", Integer),
    Column("status_message", Text),
    Column("list_id", String),
    Column("txn_id", String),
    Column("edit_sequence", String),
    Column("depends_on", Text, nullable=False),
    Column("source_table", String),
    Column("source_key", String),
    Column("source", String),
    Column("account_number", String),
    Column("customer_full_name", String),
    Column("txn_date", Date),
    Column("ref_number", String),
    Column("amount", Money),
    Column("currency", String),
    sqlite_autoincrement=True,
)
# SQLite uses a partial index only where a query repeats its condition, letter for letter.
NEWEST = "current = 1"
Index("operations_once", operations.c.key, unique=True, sqlite_where=text(NEWEST))
Index("operations_key", operations.c.key)
Index("operations_order", operations.c.job, operations.c.status, operations.c.position)
# The few that are asked for before anything is sent, whatever there is in the ledger.
Index(
    "operations_unknown",
    operations.c.job,
    operations.c.position,
    sqlite_where=text(f"{NEWEST} AND status = 'unknown'"),
)

# What an operation says stands apart from how it stands: SQLite writes a changed row anew as a whole.
operation_texts = Table(
    "operation_texts",
    metadata,
    Column("operation", ForeignKey("operations.id"), primary_key=True),
    Column("fields", Text, nullable=False),
    Column("expected", Text),
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("operation", ForeignKey("operations.id"), primary_key=True),
    Column("key", String, primary_key=True),
)
Index("dependencies_key", dependencies.c.key)

operation_history = Table(
    "operation_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("operation", ForeignKey("operations.id"), nullable=False, index=True),
    Column("before", String),
    Column("after", String, nullable=False),
    Column("at", Stamp, nullable=False),
    Column("message_set", ForeignKey("message_sets.id")),
    Column("status_code", Integer),
    Column("message", Text),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", String, nullable=False, unique=True),
    Column("user", String, nullable=False),
    Column("opened_at", Stamp, nullable=False),
    Column("seen_at", Stamp, nullable=False),
    Column("closed_at", Stamp),
    Column("outcome", Text),
    Column("error", Text),
    Column("facts", Text, nullable=False),
)
Index("sessions_closed", sessions.c.closed_at)

message_sets = Table(
    "message_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", ForeignKey("sessions.ticket"), nullable=False),
    Column("kind", String, CheckConstraint("kind IN ('write', 'read', 'lookup', 'check')"), nullable=False),
    Column("set_id", String, unique=True),
    Column("clears", String),
    Column("opened_at", Stamp, nullable=False),
    Column("answered_at", Stamp),
    Column("abandoned_at", Stamp),
    Column("inbox_path", String),
    Column("set_status", String),
    Column("tries", Integer, nullable=False, default=1),
    sqlite_autoincrement=True,
)
# Two questions at every call, which must not cost more with every set there ever was: is one open, and which
# id is to be cleared next.
Index("message_sets_open", message_sets.c.answered_at, message_sets.c.abandoned_at)
Index("message_sets_clears", message_sets.c.clears)

set_texts = Table(
    "set_texts",
    metadata,
    Column("message_set", ForeignKey("message_sets.id"), primary_key=True),
    Column("text", LargeBinary, nullable=False),
)

set_members = Table(
    "set_members",
    metadata,
    Column("message_set", ForeignKey("message_sets.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("operation", ForeignKey("operations.id"), index=True),
    Column("query", ForeignKey("queries.id"), index=True),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("table", String, nullable=False),
    Column("key", Text, nullable=False),
    Column("decision", Text),
    Column("note", Text),
    Column("values", Text, nullable=False),
    Column("who", String, nullable=False),
    Column("at", Stamp, nullable=False),
    Index("decisions_key", "table", "key"),
    sqlite_autoincrement=True,
)

crosswalk = Table(
    "crosswalk",
    metadata,
    Column("record_kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("quickbooks_id", String, primary_key=True),
    Column("origin", String, CheckConstraint("origin IN ('quickbooks', 'billing')"), nullable=False),
    Column("edit_sequence", String),
    Column("ref_number", String),
    Column("customer_list_id", String),
    Column("amount", Money),
    Column("operation_key", String),
    Column("job", ForeignKey("jobs.id")),
    Column("bound_at", Stamp, nullable=False),
)
Index("crosswalk_ids", crosswalk.c.quickbooks_id)

learned = Table(
    "learned",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Stamp, nullable=False),
)


LAWS: dict[str, tuple[str, str]] = {}
"""Every trigger by name: its table, and the statement that makes it."""


def _law(table: Table, name: str, when: str, condition: str, complaint: str) -> None:
    guard = f" WHEN {condition}" if condition else ""
    statement = (
        f"CREATE TRIGGER {table.name}_{name} BEFORE {when} ON {table.name}{guard} "
        f"BEGIN SELECT RAISE(ABORT, '{complaint}'); END"
    )
    LAWS[f"{table.name}_{name}"] = table.name, statement
    ddl: Any = DDL  # untyped in SQLAlchemy
    rule = ddl(statement.replace("%", "%%")).execute_if(dialect="sqlite")
    event.listen(table, "after_create", rule)


def _moves_law(table: Table, moves: Mapping[str, frozenset[str]]) -> None:
    # Spelled out, as above.
    pairs = [(before, after) for before in moves for after in sorted(moves[before])]
    legal = " OR ".join(f"OLD.status = '{before}' AND NEW.status = '{after}'" for before, after in pairs)
    condition = f"OLD.status != NEW.status AND NOT ({legal})"
    _law(table, "moves", "UPDATE OF status", condition, "illegal transition")


for _table, _moves in ((jobs, JOB_MOVES), (operations, OPERATION_MOVES), (queries, QUERY_MOVES)):
    _moves_law(_table, _moves)
for _table in (decisions, job_history, operation_history, operation_texts, dependencies, set_members):
    _law(_table, "append_only", "UPDATE", "", "append-only")
for _table in (
    *(decisions, job_history, operation_history, operation_texts, dependencies, set_members, set_texts),
    *(jobs, queries, pages, operations, sessions, message_sets, crosswalk),
):
    _law(_table, "kept", "DELETE", "", "nothing is deleted from the ledger")
_law(message_sets, "identity", "UPDATE OF set_id, kind, clears", "", "what was handed out never changes")
_law(set_texts, "text", "UPDATE", "", "a text handed out never changes")
_law(message_sets, "answer", "UPDATE OF answered_at", "OLD.answered_at IS NOT NULL", "answered already")
_law(operations, "superseded", "UPDATE", "NOT OLD.current", "an older attempt stays as it ended")
