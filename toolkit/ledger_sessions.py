"""Sessions of the Web Connector, and what was learned about the company."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from toolkit.errors import LedgerError
from toolkit.ledger_jobs import restart_queries
from toolkit.ledger_records import Session
from toolkit.ledger_schema import learned, message_sets, queries, sessions
from toolkit.ledger_statements import Statement, handle_of
from toolkit.ledger_store import Store, from_json, to_json

NOTED_EVERY = dt.timedelta(seconds=1)
TAKEN_OVER = "taken over by a later session"


def is_recent(session: Session, now: dt.datetime, timeout: float) -> bool:
    """Return whether a session called within ``timeout`` seconds.

    A call from the future is none: the clock was set back, and the session may be long dead.
    """
    return abs(now - session.seen_at) < dt.timedelta(seconds=timeout)


class Sessions(Store):
    """Who talks to us, since when, and whether it is the right company file."""

    def open_session(self, user: str, **facts: Any) -> str:
        """Open a session and return its ticket; a session that was open is taken over.

        What the older session left unread is given up and asked for again; what it wrote stays unanswered
        until it is recovered.
        """
        ticket = secrets.token_hex(16)
        now = self.now()
        with self.writing() as connection:
            end_sessions(connection, TAKEN_OVER, now)
            row = {"ticket": ticket, "user": user, "opened_at": now, "seen_at": now}
            connection.execute(insert(sessions).values(**row, facts=to_json(facts)))
        return ticket

    def session(self, ticket: str) -> Session | None:
        """Return a session, open or not, or ``None``."""
        with self.looking() as handle:
            row = _OF_TICKET.row(handle, ticket=ticket)
        return None if row is None else _session(row)

    def touch(self, ticket: str, seen_at: dt.datetime | None = None) -> None:
        """Note a call of a session; one that comes within a second of the last one noted is not.

        Parameters
        ----------
        ticket : str
            Of the session.
        seen_at : datetime, optional
            When its last call was noted, where that is known: it saves a look.
        """
        if seen_at is None:
            with self.reading() as connection:
                seen_at = _get(connection, ticket).seen_at
        # Each note waits for the disk, and sessions are told to be alive or dead by seconds.
        if not dt.timedelta(0) <= self.now() - seen_at < NOTED_EVERY:
            self._update(ticket, seen_at=self.now())

    def update_session(self, ticket: str, **facts: Any) -> None:
        """Keep facts of a session: company file, qbXML version, whether the guard let it pass, ..."""
        with self.writing() as connection:
            row = _get(connection, ticket)
            merged = {**from_json(row.facts), **facts}
            changed = update(sessions).where(sessions.c.ticket == ticket)
            connection.execute(changed.values(facts=to_json(merged), seen_at=self.now()))

    def set_session_error(self, ticket: str, text: str) -> None:
        """Keep what getLastError is to say."""
        self._update(ticket, error=text)

    def close_session(self, ticket: str, outcome: str) -> None:
        """Close a session; one that is closed already keeps its outcome."""
        with self.writing() as connection:
            _get(connection, ticket)
            end_sessions(connection, outcome, self.now(), ticket)

    def end_sessions(self, outcome: str) -> None:
        """Close every session that is open; what it read and has no answer is given up."""
        with self.writing() as connection:
            end_sessions(connection, outcome, self.now())

    def live_session(self, timeout: float) -> Session | None:
        """Return the open session that called within ``timeout`` seconds, or ``None``."""
        with self.reading() as connection:
            row = connection.execute(_newest().where(sessions.c.closed_at.is_(None))).first()
        found = None if row is None else _session(row)
        return found if found is not None and is_recent(found, self.now(), timeout) else None

    def last_session(self) -> Session | None:
        """Return the newest session, or ``None``."""
        with self.reading() as connection:
            row = connection.execute(_newest()).first()
            return None if row is None else _session(row)

    def agreed_version(self) -> str | None:
        """Return the qbXML version that was agreed on last, or ``None`` before the first session."""
        with self.reading() as connection:
            for row in connection.execute(select(sessions.c.facts).order_by(sessions.c.id.desc())):
                version = from_json(row.facts).get("version")
                if version:
                    return str(version)
        return None

    # --- the company guard ----------------------------------------------------------------------------

    def learned(self) -> dict[str, str]:
        """Return what was learned about the company: name, path, file id, ..."""
        with self.reading() as connection:
            return {row.key: row.value for row in connection.execute(select(learned))}

    def learn(self, key: str, value: str, *, replace: bool = False) -> str:
        """Keep a fact that is not known yet, and return the one that stands.

        Parameters
        ----------
        replace : bool
            Whether a new value takes the place of the one known: on a person's word only.
        """
        with self.writing() as connection:
            same = learned.c.key == key
            known: str | None = connection.scalar(select(learned.c.value).where(same))
            if known is None:
                connection.execute(insert(learned).values(key=key, value=value, at=self.now()))
            elif replace and known != value:
                connection.execute(update(learned).where(same).values(value=value, at=self.now()))
            else:
                return known
        return value

    def forget_learned(self) -> None:
        """Forget what was learned: for a copy of a ledger, which will be bound to another company file."""
        with self.writing() as connection:
            connection.execute(delete(learned))

    def _update(self, ticket: str, **values: Any) -> None:
        with self.writing() as connection:
            _get(connection, ticket)
            connection.execute(update(sessions).where(sessions.c.ticket == ticket).values(**values))


_OF_TICKET = Statement(select(sessions).where(sessions.c.ticket == bindparam("ticket")))


def _get(connection: Connection, ticket: str) -> Any:
    row = _OF_TICKET.row(handle_of(connection), ticket=ticket)
    if row is None:
        raise LedgerError("there is no session of that ticket")
    return row


def _newest() -> Any:
    return select(sessions).order_by(sessions.c.id.desc()).limit(1)


def _session(row: Any) -> Session:
    values = {name: value for name, value in row._asdict().items() if name in Session.__dataclass_fields__}
    return Session(**{**values, "facts": from_json(row.facts)})


def end_sessions(connection: Connection, outcome: str, now: dt.datetime, ticket: str | None = None) -> None:
    """Close one session or all: iterators end, so their reads are given up and their queries restart."""
    chosen: ColumnElement[bool] = sessions.c.closed_at.is_(None)
    if ticket is not None:
        chosen = chosen & (sessions.c.ticket == ticket)
    tickets = list(connection.scalars(select(sessions.c.ticket).where(chosen)))
    if not tickets:
        return
    connection.execute(update(sessions).where(chosen).values(closed_at=now, outcome=outcome))
    reads = message_sets.c.session.in_(tickets) & (message_sets.c.kind != "write")
    reads = reads & message_sets.c.answered_at.is_(None) & message_sets.c.abandoned_at.is_(None)
    connection.execute(update(message_sets).where(reads).values(abandoned_at=now))
    running = list(connection.scalars(select(queries.c.id).where(queries.c.status == "running")))
    if running:
        restart_queries(connection, running)
