"""Where the ledger lives, and what became of it as a whole: moved, copied, restored from a backup.

Two ledgers of one origin must never both send, and one that came out of a backup does not know what was sent
since. What people said about it is kept in the append-only table of decisions.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select, update

from toolkit.ledger_jobs import Jobs
from toolkit.ledger_migrations import BUSY_SECONDS
from toolkit.ledger_moves import move_operation
from toolkit.ledger_records import ACTIVE_JOBS
from toolkit.ledger_schema import (
    decisions,
    job_history,
    jobs,
    learned,
    message_sets,
    meta,
    operation_history,
    operations,
    set_members,
)
from toolkit.ledger_sessions import Sessions, end_sessions
from toolkit.ledger_store import from_json, to_json

PLACE, COPIED_FROM, RESTORED = "place", "copied_from", "restored"
EVENTS = "workspace"
"""Under this name the table of decisions keeps what people said about the workspace as a whole."""

_OPEN_JOBS = ("draft", *ACTIVE_JOBS, "held")
_GROWING = {
    **{
        table.name: [column.name for column in table.columns]
        for table in (job_history, operation_history, decisions)
    },
    "message_sets": ["set_id", "kind", "opened_at"],
    "pages": ["job", "path"],
    "crosswalk": ["record_kind", "key", "quickbooks_id"],
}
"""Tables in which rows stay as they are, with the columns that never change."""


class Places(Sessions, Jobs):
    """Which folder is the ledger's, and how it came to be there."""

    def place(self) -> dict[str, str]:
        """Return where it was last said to live; empty where nobody said so yet."""
        with self.reading() as connection:
            return dict(from_json(_fact(connection, PLACE)) or {})

    def settle(self, place: Mapping[str, str]) -> dict[str, str]:
        """Keep where the ledger lives if that is not known yet; return the place that stands."""
        with self.writing() as connection:
            known = from_json(_fact(connection, PLACE))
            if known is None:
                _keep_fact(connection, PLACE, to_json(dict(place)))
        return dict(known or place)

    def move_to(self, place: Mapping[str, str], who: str, note: str = "") -> None:
        """Keep that the ledger lives elsewhere now, on a person's word."""
        with self.writing() as connection:
            self._note_event(connection, "moved", who, note, {"to": dict(place)})
            _keep_fact(connection, PLACE, to_json(dict(place)))

    def become_copy(self, place: Mapping[str, str], who: str, note: str = "") -> str:
        """Turn into the ledger of a copy to look at, and return its new id.

        No job of it goes on, what was learned of the company file is forgotten, and nothing that was handed
        out is recovered: all that is the original's to do.
        """
        reason = "this workspace is a copy: the original sends"
        with self.writing() as connection:
            before, after = self.workspace_id, secrets.token_hex(16)
            self._let_go(connection, reason)
            going = select(jobs.c.id).where(jobs.c.status.in_(_OPEN_JOBS))
            for job in list(connection.scalars(going)):
                self._move_job(connection, job, "cancelled", message=reason, who=who)
            connection.execute(delete(learned))
            self._note_event(connection, "copied", who, note, {"to": dict(place), "from": before})
            facts = {"workspace_id": after, COPIED_FROM: before, PLACE: to_json(dict(place))}
            for key, value in facts.items():
                _keep_fact(connection, key, value)
        self.workspace_id = after
        return after

    def copied_from(self) -> str | None:
        """Return the id of the workspace that this one was copied from, or ``None``."""
        with self.reading() as connection:
            return _fact(connection, COPIED_FROM)

    def restored(self) -> str | None:
        """Return when the backup was taken that this ledger last came from, or ``None``."""
        with self.reading() as connection:
            return _fact(connection, RESTORED)

    def after_restore(self, place: Mapping[str, str], taken_at: str, who: str) -> list[int]:
        """Make the ledger safe that came out of a backup; return the exports that wait for a person.

        It does not know what was sent after the backup. So exports that were queued or running are on hold,
        drafts say why to wait, and every operation in them counts as sent with its outcome unknown: it is
        looked up in QuickBooks before anything is sent again. That goes for what was with QuickBooks at that
        moment too: it may have forgotten the id since, so that the same text would run once more.

        Parameters
        ----------
        place : mapping
            Where it lives from now on.
        taken_at : str
            When the backup was taken, for people.
        who : str
            Who restored it.
        """
        reason = f"restored from a backup of {taken_at}: reconcile first"
        with self.writing() as connection:
            self._let_go(connection, reason)
            exports = select(jobs.c.id, jobs.c.status).where(jobs.c.kind.not_like("import:%"))
            going = connection.execute(exports.where(jobs.c.status.in_(_OPEN_JOBS))).all()
            self._doubt_pending(connection, [job for job, _ in going], reason)
            for job, status in going:
                # A draft cannot be held: whoever releases it would approve it.
                after = status if status == "draft" else "held"
                self._move_job(connection, job, after, message=reason, who=who)
            self._note_event(connection, "restored", who, reason, {"to": dict(place), "taken_at": taken_at})
            _keep_fact(connection, PLACE, to_json(dict(place)))
            _keep_fact(connection, RESTORED, taken_at)
        return [job for job, status in going if status != "draft"]

    def workspace_events(self) -> list[dict[str, Any]]:
        """Return what was said about the workspace as a whole, oldest first: event, note, facts, who, at."""
        chosen = select(decisions).where(decisions.c.table == EVENTS).order_by(decisions.c.id)
        with self.reading() as connection:
            return [
                {
                    "event": row["decision"],
                    "note": row["note"],
                    "facts": from_json(row["values"]),
                    "who": row["who"],
                    "at": row["at"],
                }
                for row in connection.execute(chosen).mappings()
            ]

    def unknown_to(self, other: Path) -> dict[str, int]:
        """Return how many rows of each table another ledger lacks; those that it has all are left out.

        Looked at are the tables that only grow: whatever happened left a row in one of them.

        Parameters
        ----------
        other : Path
            A ledger of the same version, which nobody writes to.
        """
        found = {}
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as raw:
            raw.execute("ATTACH ? AS other", (str(other),))
            for table, names in _GROWING.items():
                chosen = ", ".join(f'"{name}"' for name in names)
                rows = f'SELECT {chosen} FROM main."{table}" EXCEPT SELECT {chosen} FROM other."{table}"'
                count = raw.execute(f"SELECT count(*) FROM ({rows})").fetchone()[0]
                found[table] = int(count)
        return {table: count for table, count in found.items() if count}

    def lengths(self) -> dict[str, int]:
        """Return how many rows the tables have that only grow: whatever happens adds one to one of them."""
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as raw:
            return {
                table: int(raw.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]) for table in _GROWING
            }

    # --- inside a transaction -------------------------------------------------------------------------

    def _let_go(self, connection: Connection, reason: str) -> None:
        """End every session, and give up what is unanswered: operations in it become unknown."""
        now = self.now()
        end_sessions(connection, reason, now)
        open_sets = message_sets.c.answered_at.is_(None) & message_sets.c.abandoned_at.is_(None)
        members = select(set_members.c.operation).join(
            message_sets, message_sets.c.id == set_members.c.message_set
        )
        sent = select(operations).where(
            operations.c.status == "sent", operations.c.id.in_(members.where(open_sets))
        )
        for row in connection.execute(sent).all():
            move_operation(connection, row, "unknown", now, message=reason)
        connection.execute(update(message_sets).where(open_sets).values(abandoned_at=now))

    def _doubt_pending(self, connection: Connection, doubted: list[int], reason: str) -> None:
        """Take what was pending in some jobs for sent, with an outcome that nobody knows."""
        at = literal(self.now(), operation_history.c.at.type)
        for before, after in (("pending", "sent"), ("sent", "unknown")):
            mine = operations.c.job.in_(doubted) & operations.c.current & (operations.c.status == before)
            told = select(operations.c.id, literal(before), literal(after), at, literal(reason)).where(mine)
            columns = ["operation", "before", "after", "at", "message"]
            connection.execute(insert(operation_history).from_select(columns, told))
            changed = update(operations).where(mine)
            connection.execute(changed.values(status=after, status_message=reason))

    def _note_event(
        self, connection: Connection, event: str, who: str, note: str, facts: Mapping[str, Any]
    ) -> None:
        row = {"table": EVENTS, "key": to_json([event]), "decision": event, "note": note or None}
        connection.execute(insert(decisions).values(**row, values=to_json(facts), who=who, at=self.now()))


def _fact(connection: Connection, key: str) -> str | None:
    found: str | None = connection.scalar(select(meta.c.value).where(meta.c.key == key))
    return found


def _keep_fact(connection: Connection, key: str, value: str) -> None:
    if connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount == 0:
        connection.execute(insert(meta).values(key=key, value=value))
