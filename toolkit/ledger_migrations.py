"""How a ledger of an older version becomes one of this version: step by step, all or nothing.

A step changes the tables of one version into those of the next, in SQL of its own: the declarations of
:mod:`toolkit.ledger_schema` are those of today and know nothing of yesterday. Whoever changes them raises
``SCHEMA_VERSION`` and adds the step here; a test holds a migrated ledger equal to a new one.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from toolkit import ledger_schema as schema
from toolkit.errors import LedgerError

__all__ = ["STEPS", "Step", "copy_database", "kept_copy", "migrate", "renew_laws", "require_known"]

BUSY_SECONDS = 30.0

Step = Callable[[sqlite3.Connection], None]


def require_known(path: Path, version: int, target: int = schema.SCHEMA_VERSION) -> None:
    """Raise ``LedgerError`` for a ledger of a newer toolkit.

    Parameters
    ----------
    path : Path
        The ledger, for the message.
    version : int
        The version that it says it has.
    target : int
        The version that this toolkit works with.
    """
    if version > target:
        raise LedgerError(
            f"{path} has version {version} and this toolkit works with version {target}: a newer toolkit"
            " made it, so use that one, or update this one"
        )


def migrate(
    path: Path, steps: Mapping[int, Step] | None = None, target: int = schema.SCHEMA_VERSION
) -> Path | None:
    """Bring a ledger to the version of this toolkit, in one transaction; return the copy that is kept.

    Before the first step the ledger as it is goes to a file beside it, ``ledger.sqlite.v1.bak``. Other
    processes cannot write from before the copy until the end. Whatever fails, the ledger stays as it was.

    Parameters
    ----------
    path : Path
        The SQLite file.
    steps : mapping
        The steps, by the version that each begins with; :data:`STEPS` unless others are given.
    target : int
        The version to reach.

    Returns
    -------
    Path or None
        The copy; ``None`` where the ledger had the version already.

    Raises
    ------
    LedgerError
        It is newer, there is no step from its version, or a step failed.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            # A step may make a table anew; that every reference fits is looked at before the end.
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("BEGIN IMMEDIATE")
            try:
                kept = _walk(connection, path, STEPS if steps is None else steps, target)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
    except sqlite3.Error as error:
        raise LedgerError(
            f"{path} could not be brought to version {target} and is unchanged: {error}"
        ) from error
    return kept


def _walk(connection: sqlite3.Connection, path: Path, steps: Mapping[int, Step], target: int) -> Path | None:
    version = _version(connection)  # another process may have been first
    require_known(path, version, target)
    if version == target:
        return None
    missing = [number for number in range(version, target) if number not in steps]
    if missing:
        raise LedgerError(
            f"{path} has version {version}, this toolkit works with version {target}, and there is no way"
            f" from version {missing[0]} on: use the toolkit that made it"
        )
    kept = kept_copy(path, f"v{version}")
    # By a connection of its own, which reads while this one keeps writers out.
    copy_database(path, kept)
    for number in range(version, target):
        steps[number](connection)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(number + 1),))
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise LedgerError(
            f"{path} could not be brought to version {target} and is unchanged: a row of {broken[0]} refers"
            " to a row that is not there"
        )
    return kept


def _version(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return int(found[0]) if found else 0


def kept_copy(path: Path, why: str) -> Path:
    """Return the name of a copy beside a file that no earlier copy has: ``ledger.sqlite.v1.bak``, ..."""
    for number in itertools.count(1):
        suffix = "" if number == 1 else f"-{number}"
        kept = path.with_name(f"{path.name}.{why}{suffix}.bak")
        if not kept.exists():
            break
    return kept


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as of one moment, while others use it; the copy is one file, whole or not there.

    Raises
    ------
    LedgerError
        The source cannot be read, or the copy cannot be written.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with closing(sqlite3.connect(source, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("VACUUM INTO ?", (str(partial),))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{source} could not be copied to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def renew_laws(connection: sqlite3.Connection) -> None:
    """Make every trigger anew as it is declared today: the last act of a step that changed a table or a move.

    The laws of a table that a later step makes come with that step.

    Parameters
    ----------
    connection : sqlite3.Connection
        In the transaction of the step.
    """
    _suspend_laws(connection)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, statement in schema.LAWS.values():
        if table in tables:
            connection.execute(statement)


def _suspend_laws(connection: sqlite3.Connection) -> None:
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')


# --- the steps ----------------------------------------------------------------------------------------------


def _checks(connection: sqlite3.Connection) -> None:
    """Version 2: message sets that check before sending, and indexes for what is asked at every call."""
    made = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'message_sets'").fetchone()[0]
    new = made.replace("message_sets", "message_sets_new", 1).replace("'lookup')", "'lookup', 'check')")
    connection.execute(new)
    connection.execute("INSERT INTO message_sets_new SELECT * FROM message_sets")
    connection.execute("DROP TABLE message_sets")
    connection.execute("ALTER TABLE message_sets_new RENAME TO message_sets")
    connection.execute("CREATE INDEX message_sets_open ON message_sets (answered_at, abandoned_at)")
    connection.execute("CREATE INDEX message_sets_clears ON message_sets (clears)")
    # The old one was never used: a query says `current = 1`.
    connection.execute("DROP INDEX operations_once")
    connection.execute("CREATE UNIQUE INDEX operations_once ON operations (key) WHERE current = 1")
    connection.execute(
        "CREATE INDEX operations_unknown ON operations (job, position)"
        " WHERE current = 1 AND status = 'unknown'"
    )
    for name, on in (
        ("operations_key", "operations (key)"),
        ("dependencies_key", "dependencies (key)"),
        ("jobs_status", "jobs (status)"),
        ("jobs_finished", "jobs (finished_at)"),
        ("sessions_closed", "sessions (closed_at)"),
        ("crosswalk_ids", "crosswalk (quickbooks_id)"),
    ):
        connection.execute(f"CREATE INDEX {name} ON {on}")
    renew_laws(connection)


def _texts(connection: sqlite3.Connection) -> None:
    """Version 3: what is long and never changes has its own table, and is not written with every change."""
    _suspend_laws(connection)  # they name the columns that go
    connection.execute(
        "CREATE TABLE operation_texts (operation INTEGER NOT NULL, fields TEXT NOT NULL, expected TEXT,"
        " PRIMARY KEY (operation), FOREIGN KEY(operation) REFERENCES operations (id))"
    )
    connection.execute("INSERT INTO operation_texts SELECT id, fields, expected FROM operations ORDER BY id")
    connection.execute(
        "CREATE TABLE set_texts (message_set INTEGER NOT NULL, text BLOB NOT NULL,"
        " PRIMARY KEY (message_set), FOREIGN KEY(message_set) REFERENCES message_sets (id))"
    )
    connection.execute("INSERT INTO set_texts SELECT id, text FROM message_sets ORDER BY id")
    _make_anew(connection, "operations", _spelled_out, without=("fields TEXT NOT NULL", "expected TEXT"))
    _make_anew(connection, "message_sets", without=("text BLOB NOT NULL",))
    for table in ("jobs", "queries"):
        _make_anew(connection, table, _spelled_out)
    _make_anew(connection, "set_members", "{} WITHOUT ROWID".format)
    renew_laws(connection)


def _spelled_out(made: str) -> str:
    """Return the SQL of a table whose CHECK asks for each state by itself, not for one of a list."""
    states = re.search(r"CHECK \(status IN \(([^)]*)\)\)", made)
    assert states is not None
    known = " OR ".join(f"status = {state}" for state in states[1].split(", "))
    return made.replace(states[0], f"CHECK ({known})")


def _make_anew(
    connection: sqlite3.Connection,
    table: str,
    change: Callable[[str], str] = str,
    *,
    without: Sequence[str] = (),
) -> None:
    """Make a table with its indexes from its own SQL, changed, and without some columns."""
    asked = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = ? AND sql IS NOT NULL"
    [made] = [sql for (sql,) in connection.execute(asked, (table, "table"))]
    indexes = [sql for (sql,) in connection.execute(asked, (table, "index"))]
    for column in without:
        made = re.sub(rf"\s*\b{column},", "", made, count=1)
    connection.execute(re.sub(rf"\b{table}\b", f"{table}_new", change(made), count=1))
    kept = [row[1] for row in connection.execute(f"PRAGMA table_info({table}_new)")]
    listed = ", ".join(f'"{name}"' for name in kept)
    connection.execute(f"INSERT INTO {table}_new ({listed}) SELECT {listed} FROM {table} ORDER BY 1")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
    for index in indexes:
        connection.execute(index)


STEPS: dict[int, Step] = {1: _checks, 2: _texts}
"""From each version to the next: the step under 1 makes version 2 of version 1."""
