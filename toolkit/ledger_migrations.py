"""How a ledger of an older version becomes one of this version: step by step, all or nothing.

A step changes the tables of one version into those of the next, in SQL of its own: the declarations of
:mod:`toolkit.ledger_schema` are those of today and know nothing of yesterday. Whoever changes them raises
``SCHEMA_VERSION`` and adds the step here; a test holds a migrated ledger equal to a new one.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
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

    Parameters
    ----------
    connection : sqlite3.Connection
        In the transaction of the step.
    """
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in found:
        connection.execute(f'DROP TRIGGER "{name}"')
    for statement in schema.LAWS.values():
        connection.execute(statement)


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


STEPS: dict[int, Step] = {1: _checks}
"""From each version to the next: the step under 1 makes version 2 of version 1."""
