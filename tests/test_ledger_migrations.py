"""A ledger of an older version comes forward whole, or stays as it was; one of a newer version is refused."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger import Ledger
from toolkit.ledger_migrations import STEPS, copy_database, migrate, renew_laws
from toolkit.ledger_schema import LAWS, SCHEMA_VERSION
from toolkit.tables import to_rows

VERSION_1 = Path(__file__).with_name("ledger_version_1.sql")
ROWS = """
INSERT INTO meta VALUES ('schema_version', '1'), ('workspace_id', '0123456789abcdef0123456789abcdef');
INSERT INTO jobs VALUES (1, 'export', 'draft', NULL, '{}', '2026-01-05T09:00:00.000', NULL, NULL);
INSERT INTO job_history VALUES (1, 1, NULL, 'draft', '2026-01-05T09:00:00.000', 'ann', NULL);
INSERT INTO operations
    (id, key, job, current, request, record_kind, position, status, fields, depends_on, amount) VALUES
    (1, 'invoice:7', 1, 1, 'InvoiceAdd', 'invoice', 1, 'pending', '{"RefNumber": "7"}', '[]', '12.30');
INSERT INTO operation_history VALUES (1, 1, NULL, 'pending', '2026-01-05T09:00:00.000', NULL, NULL, NULL);
INSERT INTO sessions (id, ticket, user, opened_at, seen_at, facts) VALUES
    (1, 't', 'ann', '2026-01-05T09:00:00.000', '2026-01-05T09:00:00.000', '{}');
INSERT INTO message_sets (id, session, kind, set_id, text, opened_at, tries) VALUES
    (3, 't', 'read', 'S3', x'3c3f716278', '2026-01-05T09:00:00.000', 2);
INSERT INTO decisions VALUES
    (1, 'waivers', '["f1"]', 'waived', 'known', '{}', 'ann', '2026-01-05T09:00:00.000');
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a ledger of version 1 with a row in most tables."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.executescript(VERSION_1.read_text(encoding="utf-8") + ROWS)
    return path


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return sorted(raw.iterdump())


def shape(path: Path) -> dict[str, str]:
    """Return every table, index and trigger by name with its SQL, blanks apart."""
    with closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: re.sub(r"\s+", "", sql).replace('"', "") for name, sql in found}


def columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]


def add_channel(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE jobs ADD COLUMN channel VARCHAR")


def add_colour(connection: sqlite3.Connection) -> None:
    """Make a table anew, as a changed CHECK asks for."""
    old = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
    new = old.replace("TABLE jobs", "TABLE jobs_new").replace("CHECK (", "colour VARCHAR, CHECK (")
    connection.execute(new.replace(", channel VARCHAR", "").replace("colour", "channel VARCHAR, colour"))
    connection.execute("INSERT INTO jobs_new SELECT *, 'red' FROM jobs")
    connection.execute("DROP TRIGGER jobs_kept")
    connection.execute("DROP TABLE jobs")
    connection.execute("ALTER TABLE jobs_new RENAME TO jobs")
    renew_laws(connection)


def test_a_ledger_of_the_first_version_becomes_one_of_today(old: Path, tmp_path: Path) -> None:
    new = Ledger(tmp_path / "new.sqlite")
    new.close()
    ledger = Ledger(old)
    assert ledger.workspace_id == "0123456789abcdef0123456789abcdef"
    assert [row["key"] for row in to_rows(ledger.operations(1))] == ["invoice:7"]
    assert ledger.operation("invoice:7").fields == {"RefNumber": "7"}
    assert [(one.id, one.text, one.tries) for one in ledger.message_sets()] == [(3, b"<?qbx", 2)]
    assert [row["after"] for row in ledger.job_history(1)] == ["draft"]
    assert ledger.waivers()["f1"]["who"] == "ann"
    with pytest.raises(IllegalTransition):
        ledger.set_job(1, "complete")
    ledger.close()
    assert shape(old) == shape(tmp_path / "new.sqlite"), (
        "a changed table asks for a step in ledger_migrations"
    )
    assert sorted(STEPS) == list(range(1, SCHEMA_VERSION)), "a step for each version, and no other"


def test_steps_run_in_order_and_the_old_file_is_kept(old: Path) -> None:
    before = contents(old)
    kept = migrate(old, {1: add_channel, 2: add_colour}, target=3)
    assert kept == old.with_name("ledger.sqlite.v1.bak")
    assert contents(kept) == before
    assert columns(old, "jobs")[-2:] == ["channel", "colour"]
    with closing(sqlite3.connect(old)) as raw:
        assert raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("3",)
        assert raw.execute("SELECT id, kind, status, colour FROM jobs").fetchall() == [
            (1, "export", "draft", "red")
        ]
        assert raw.execute("SELECT count(*) FROM operations").fetchone() == (1,)
        made = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        later = {"operation_texts", "set_texts"}  # tables that a ledger of the first version does not have
        assert made == {name for name, (table, _) in LAWS.items() if table not in later}
        with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
            raw.execute("UPDATE jobs SET status = 'complete'")
        with pytest.raises(sqlite3.IntegrityError, match="nothing is deleted"):
            raw.execute("DELETE FROM jobs")
    assert not list(old.parent.glob(".*.tmp"))


def test_a_ledger_that_is_new_enough_is_left_alone(old: Path) -> None:
    before = contents(old)
    assert migrate(old, {}, target=1) is None
    assert contents(old) == before
    assert [path.name for path in old.parent.glob("*.bak")] == []


def _fails(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE jobs SET channel = 'x'")
    raise sqlite3.OperationalError("database or disk is full")


def _orphans(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER jobs_kept")
    connection.execute("DELETE FROM jobs")


@pytest.mark.parametrize(
    ("second", "says"),
    [(_fails, "unchanged: database or disk is full"), (_orphans, "a row of operations|a row of job_history")],
)
def test_a_step_that_fails_changes_nothing(
    old: Path, second: Callable[[sqlite3.Connection], None], says: str
) -> None:
    before = contents(old)
    with pytest.raises(LedgerError, match=says):
        migrate(old, {1: add_channel, 2: second}, target=3)
    assert contents(old) == before
    assert contents(old.with_name("ledger.sqlite.v1.bak")) == before
    assert migrate(old, {1: add_channel}, target=2) == old.with_name("ledger.sqlite.v1-2.bak")
    assert contents(old.with_name("ledger.sqlite.v1.bak")) == before, "a kept copy is never written over"


def test_a_gap_between_the_steps_is_refused_before_anything_is_done(old: Path) -> None:
    before = contents(old)
    with pytest.raises(LedgerError, match="no way from version 2 on: use the toolkit that made it"):
        migrate(old, {1: add_channel}, target=3)
    assert contents(old) == before
    assert list(old.parent.glob("*.bak")) == []


def test_a_newer_ledger_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as raw:
        newer = str(SCHEMA_VERSION + 1)
        raw.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (newer,))
        raw.commit()
    before = contents(path)
    with pytest.raises(LedgerError, match=rf"has version {newer} .* a newer toolkit made it"):
        Ledger(path)
    with pytest.raises(LedgerError, match="a newer toolkit made it"):
        migrate(path, {}, target=SCHEMA_VERSION)
    assert contents(path) == before


def test_nobody_writes_between_the_copy_and_the_end(old: Path) -> None:
    locked: list[str] = []

    def step(connection: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(old, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                locked.append(str(error))
        add_channel(connection)

    migrate(old, {1: step}, target=2)
    assert locked == ["database is locked"]


def test_two_processes_that_open_an_old_ledger_migrate_it_once(old: Path) -> None:
    ran: list[int] = []

    def step(connection: sqlite3.Connection) -> None:
        ran.append(1)
        add_channel(connection)

    threads = [threading.Thread(target=migrate, args=(old, {1: step}, 2)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]
    assert [path.name for path in old.parent.glob("*.bak")] == ["ledger.sqlite.v1.bak"]


def test_a_copy_is_of_one_moment_while_another_writes(old: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE jobs SET message = 'half'")
        copy_database(old, tmp_path / "copy.sqlite")
        writer.execute("ROLLBACK")
    assert contents(tmp_path / "copy.sqlite") == contents(old)
    with pytest.raises(LedgerError, match="could not be copied"):
        copy_database(old, tmp_path / "absent" / "copy.sqlite")


def test_the_open_connection_commits_to_the_disk_and_is_the_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for opened in (ledger.writing, ledger.reading):
        with opened() as connection:
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
            assert found == wanted
    with ledger.writing(), closing(sqlite3.connect(path, timeout=0)) as other:
        assert other.execute("SELECT count(*) FROM jobs").fetchone() == (0,), "whoever reads goes on"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    ledger.close()
