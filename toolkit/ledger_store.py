"""The ledger's database: how it is opened, and the one way to write to it.

Every write is one transaction that takes SQLite's write lock at once (``BEGIN IMMEDIATE``), so that what it
reads cannot have changed when it writes. Any thread may use the store; each transaction has its own
connection. WAL lets others read meanwhile; ``synchronous=FULL`` puts a commit on the disk before it returns.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DatabaseError, OperationalError

from toolkit import ledger_schema as schema
from toolkit.crash_points import AFTER_COMMIT, BEFORE_COMMIT, reached
from toolkit.errors import LedgerError
from toolkit.ledger_migrations import migrate, require_known

BUSY_TIMEOUT_MS = 30_000


def local_now() -> dt.datetime:
    """Return the local wall clock, to the millisecond, without a zone: what the tables hold."""
    now = dt.datetime.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def to_json(value: object) -> str:
    """Return a value as JSON; decimals, dates and times as text."""
    return json.dumps(value, default=_plain, ensure_ascii=False, sort_keys=True)


def from_json(text: str | None) -> Any:
    """Return the value of a JSON text, numbers with a point as ``Decimal``; ``None`` for none."""
    if text is None:
        return None
    if text.startswith(
        _BEGINS
    ):  # as nearly all of ours do: `decode` looks for blanks first, which takes long
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


_BEGINS = ("{", "[")
_DECODER = json.JSONDecoder(parse_float=Decimal)


def new_id(made: CursorResult[Any]) -> int:
    """Return the number that an inserted row got."""
    key: Any = made.inserted_primary_key
    return int(key[0])


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in the ledger")


class Store:
    """The database of one ledger.

    Parameters
    ----------
    path : Path
        The SQLite file; made where it is absent.
    clock : callable, optional
        Gives the local time.
    on_decided : callable, optional
        Called with the name of a ``mapping.*`` table after decisions on it were committed.

    Raises
    ------
    LedgerError
        The file is no ledger, a newer toolkit made it, or an older one cannot be brought to this version.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], dt.datetime] = local_now,
        on_decided: Callable[[str], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._on_decided = on_decided
        self._one_writer = threading.RLock()
        self._engine = _open_engine(self.path)
        self._handles = Handles(self._engine)
        # A ledger that was forgotten, in a notebook say, lets go of its file all the same.
        self._release = weakref.finalize(self, _let_go, self._engine, self._handles)
        try:
            self.workspace_id = self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file. The ledger can still be used: it opens the file again."""
        _let_go(self._engine, self._handles)

    def now(self) -> dt.datetime:
        """Return the time of the ledger's clock as it is stored."""
        now = self._clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000, tzinfo=None)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in one transaction: committed when the block ends, nothing kept if it raises."""
        with self._one_writer, _plain_errors(self.path), self._engine.begin() as connection:
            yield connection
            reached(BEFORE_COMMIT)
        reached(AFTER_COMMIT)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the ledger, and what was committed only."""
        options = {"sqlite_begin": "BEGIN"}
        with _plain_errors(self.path), self._engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def looking(self) -> Iterator[Any]:
        """Give what a :class:`toolkit.ledger_statements.Statement` runs on: it sees what `reading` sees."""
        with _plain_errors(self.path), self._handles.lent() as handle:
            handle.execute("BEGIN")
            try:
                yield handle
            finally:
                handle.rollback()

    def _prepare(self) -> str:
        with self.reading() as connection:  # opening a ledger waits for no writer
            made = inspect(connection).has_table("meta")
        if not made:
            with self.writing() as connection:
                _make_schema(connection, self.path)
        with self.reading() as connection:
            facts = {row.key: row.value for row in connection.execute(select(schema.meta))}
        version = int(facts.get("schema_version") or 0)
        require_known(self.path, version)
        if version < schema.SCHEMA_VERSION:
            migrate(self.path)
        return str(facts["workspace_id"])

    def copy_to(self, path: Path) -> None:
        """Write a copy of the ledger, as of one moment, to a new file; others may write meanwhile."""
        with self.reading() as connection:
            target = sqlite3.connect(path)
            try:
                source: Any = connection.connection.driver_connection
                source.backup(target)
            finally:
                target.close()


class FileHandle(sqlite3.Connection):
    """A connection of the driver; what was ``remembered`` of its file ends with it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.remembered: dict[int, Any] = {}


class Handles:
    """Connections of the driver that are kept open: to make one takes longer than what it is asked.

    Parameters
    ----------
    engine : Engine
        Makes them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: list[Any] = []

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """Lend one that nobody else has; one that something went wrong with is not lent again."""
        free = self._free
        try:
            handle = free.pop()
        except IndexError:
            made = self._engine.raw_connection()
            handle = made.driver_connection
            made.detach()
        try:
            yield handle
        except BaseException:
            handle.close()
            raise
        if free is self._free:
            free.append(handle)
        else:  # let go meanwhile
            handle.close()

    def close(self) -> None:
        """Close those that are not lent."""
        free, self._free = self._free, []
        for handle in free:
            handle.close()


def _let_go(engine: Engine, handles: Handles) -> None:
    handles.close()
    engine.dispose()


def _make_schema(connection: Connection, path: Path) -> None:
    found = set(inspect(connection).get_table_names())
    if "meta" in found:
        return  # another process was first
    if found:
        raise LedgerError(f"{path} is a database, but no ledger of this toolkit")
    schema.metadata.create_all(connection)
    made = {"schema_version": str(schema.SCHEMA_VERSION), "workspace_id": secrets.token_hex(16)}
    rows = [{"key": key, "value": value} for key, value in made.items()]
    connection.execute(schema.meta.insert(), rows)


def _open_engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "factory": FileHandle})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, and nowhere else
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options: Mapping[str, Any] = connection.get_execution_options()
        driver: Any = connection.connection.driver_connection
        driver.execute(options.get("sqlite_begin", "BEGIN IMMEDIATE"))

    return engine


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        said = error.orig if isinstance(error, OperationalError) else error
        if "locked" in str(said):
            raise LedgerError(f"{path} is busy: another program writes to it and does not let go") from error
        raise LedgerError(f"{path} cannot be used: {said}") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        said = error.orig if isinstance(error, DatabaseError) else error
        if isinstance(said, sqlite3.DatabaseError) and "not a database" in str(said):
            raise LedgerError(f"{path} is no ledger: it is not even a database") from error
        raise LedgerError(f"{path}: {said}") from error
