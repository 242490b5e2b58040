"""Message sets: the text is committed before it is handed out, the answer before it is acknowledged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_crosswalk import bind_rows
from toolkit.ledger_jobs import get_job
from toolkit.ledger_moves import SETTLED, Moves, is_sendable, send_members
from toolkit.ledger_operations import Operations, batches
from toolkit.ledger_records import ENDED_JOBS, LIST_KINDS, MessageSet, Outcome
from toolkit.ledger_schema import crosswalk, message_sets, operations, queries, sessions, set_members, word
from toolkit.ledger_store import new_id

_OUTCOMES = ("applied", "rejected", "unknown", "pending", "skipped")
ASKED_IN = {"lookup": "unknown", "check": "pending"}
"""In which state the members of a set are that only asks."""
REFUSED = "refused"
"""Status of a set that QuickBooks refused whole: nothing of it was run, nothing is stored under its id."""

UNREADABLE = "unreadable"
"""Status of a set whose answer nobody could read."""


class MessageSets(Operations):
    """What was handed to the Web Connector, and what came back."""

    _cleared = 0  # up to this message set nothing is left to clear

    def open_set(
        self,
        session: str,
        kind: str,
        set_id: str | None,
        text: bytes,
        members: Sequence[str | int],
        clears: str | None = None,
    ) -> int:
        """Commit the text of a message set and send its members; return its number.

        Call it before the text leaves. A queued job of a member starts running. The members of a ``lookup``
        and of a ``check`` stay as they are.

        Parameters
        ----------
        session : str
            Ticket of the session that takes it.
        kind : {"write", "read", "lookup", "check"}
            ``write`` changes QuickBooks, ``read`` runs queries of imports, ``lookup`` asks for unknown
            operations by their markers, ``check`` asks for what operations that are to be sent refer to.
        set_id : str or None
            The newMessageSetID; a ``write`` has one.
        text : bytes
            The document, as it is sent.
        members : sequence
            Operation keys; of a ``read``, ids of queries.
        clears : str, optional
            The oldMessageSetID it carries.

        Raises
        ------
        LedgerError
            An unanswered ``write`` is there: it is recovered first. Or a member that there is not.
        IllegalTransition
            A member that may not be sent now.
        """
        if kind == "write" and not set_id:
            raise LedgerError("a message set that writes needs an id, or a lost answer cannot be recovered")
        with self.writing() as connection:
            _require_session(connection, session)
            for older in connection.execute(_OPEN).all():
                if older.kind == "write":
                    raise LedgerError(f"message set {older.set_id} has no answer yet: it is recovered first")
                _abandon(connection, older.id, self.now())
            row = {"session": session, "kind": kind, "set_id": set_id, "text": text, "clears": clears}
            number = new_id(connection.execute(_NEW_SET, {**row, "opened_at": self.now()}))
            if kind == "read":
                self._start_queries(connection, number, members)
            else:
                self._send_operations(connection, number, kind, [str(member) for member in members])
        return number

    def unanswered(self) -> MessageSet | None:
        """Return the newest message set without an answer, or ``None``."""
        with self.reading() as connection:
            row = connection.execute(_UNANSWERED).first()
            return None if row is None else _message_set(connection, row)

    def message_set(self, number: int) -> MessageSet:
        """Return one message set; ``LedgerError`` where there is none of that number."""
        with self.reading() as connection:
            return _message_set(connection, _get_set(connection, number))

    def message_sets(self, job: int | None = None) -> list[MessageSet]:
        """Return message sets in the order they were handed out: all, or those with members of one job."""
        chosen = select(_sets).order_by(_sets.c.id)
        if job is not None:
            mine = (
                select(set_members.c.message_set)
                .outerjoin(operations, operations.c.id == set_members.c.operation)
                .outerjoin(queries, queries.c.id == set_members.c.query)
                .where(or_(operations.c.job == job, queries.c.job == job))
            )
            chosen = chosen.where(_sets.c.id.in_(mine))
        with self.reading() as connection:
            return [_message_set(connection, row) for row in connection.execute(chosen).all()]

    def answers(self, job: int, kind: str = "write") -> list[str]:
        """Return the inbox files of the answers to an export's operations, in the order of its sets."""
        chosen = (
            select(_sets.c.inbox_path)
            .where(_sets.c.kind == kind, _sets.c.inbox_path.is_not(None))
            .where(
                _sets.c.id.in_(
                    select(set_members.c.message_set)
                    .join(operations, operations.c.id == set_members.c.operation)
                    .where(operations.c.job == job)
                )
            )
            .order_by(_sets.c.id)
        )
        with self.reading() as connection:
            return [str(path) for path in connection.scalars(chosen)]

    def resend(self, number: int, session: str) -> MessageSet:
        """Note that an unanswered set is handed out again, identical, to another session; return it.

        Raises
        ------
        LedgerError
            It has an answer, or was given up.
        """
        with self.writing() as connection:
            _require_session(connection, session)
            row = _get_set(connection, number)
            if row.answered_at is not None or row.abandoned_at is not None:
                raise LedgerError(f"message set {number} is not open: there is nothing to recover")
            changed = {"session": session, "tries": row.tries + 1}
            connection.execute(update(_sets).where(_sets.c.id == number).values(**changed))
            return _message_set(connection, _get_set(connection, number))

    def abandon_set(self, number: int) -> None:
        """Give up an unanswered set that changes nothing.

        Raises
        ------
        IllegalTransition
            It writes: it is recovered, never given up.
        """
        with self.writing() as connection:
            row = _get_set(connection, number)
            if row.kind == "write":
                why = "what it wrote would be lost from sight"
                raise IllegalTransition(f"message set {row.set_id}", "unanswered", "abandoned", why)
            if row.answered_at is None and row.abandoned_at is None:
                _abandon(connection, number, self.now())

    def record_answer(
        self,
        set_pk: int,
        *,
        inbox_path: str | None = None,
        outcomes: Iterable[Outcome] = (),
        set_status: int | str | None = None,
    ) -> bool:
        """Record an answer with all its outcomes and bindings, at once; ``False`` where it came before.

        A sent member that no outcome speaks of becomes unknown; one that is only asked for and that a person
        decided on meanwhile stays as it is. What a check found in order stays pending. ``pending`` for an
        operation whose job has ended meanwhile becomes skipped, so that it can be queued again.

        Parameters
        ----------
        set_pk : int
            Number of the message set.
        inbox_path : str, optional
            Where the answer is kept, relative to the workspace.
        outcomes : iterable of Outcome
            At most one per member.
        set_status : int or str, optional
            messageSetStatusCode, or ``"refused"`` where QuickBooks refused the set whole.

        Raises
        ------
        LedgerError
            An outcome for something that is no member of the set.
        IllegalTransition
            An outcome that does not follow from the state the operation has.
        """
        told = {outcome.key: outcome for outcome in outcomes}
        with self.writing() as connection:
            row = _get_set(connection, set_pk)
            if row.answered_at is not None or row.abandoned_at is not None:
                return False
            members = {member.key: member for member in connection.execute(_MEMBERS, {"number": set_pk})}
            strange = told.keys() - members.keys()
            if strange:
                raise LedgerError(f"{sorted(strange)[0]} is not in message set {row.set_id or set_pk}")
            now, moves, bound = self.now(), Moves(), []
            for key, member in members.items():
                if member.status != ASKED_IN.get(row.kind, member.status):
                    continue  # a person decided on it meanwhile
                outcome = told.get(key)
                if outcome is None and member.status == "sent":
                    outcome = Outcome(key, "unknown", message="the answer says nothing about it")
                if outcome is not None:
                    self._record_outcome(connection, set_pk, member, outcome, moves, now)
                    if outcome.bind is not None and not _stays(member, outcome):
                        bound.append({"operation_key": key, "job": member.job, **outcome.bind})
            if moves and all(member.status == "sent" for member in members.values()):
                moves.write_members(connection, set_pk, now)
            else:
                moves.write(connection)
            bind_rows(connection, bound, now)
            answer = {"answered_at": now, "inbox_path": inbox_path}
            status = None if set_status is None else str(set_status)
            connection.execute(_ANSWERED, {"this_set": set_pk, **answer, "set_status": status})
        return True

    def checked(self, session: str, keys: Sequence[str]) -> set[str]:
        """Return which operations a session has checked.

        Parameters
        ----------
        session : str
            Its ticket: what another one found may be true no more.
        keys : sequence of str
            Of the newest attempts.
        """
        with self.reading() as connection:
            return set(connection.scalars(_CHECKED, {"keys": list(keys), "session": session}))

    def bound(self, quickbooks_ids: Iterable[str]) -> dict[str, str]:
        """Return which of some records of QuickBooks are known already: ID to key of the operation."""
        found = {}
        with self.reading() as connection:
            for batch in batches(list(quickbooks_ids)):
                for row in connection.execute(_BOUND, {"ids": batch}):
                    found[row.quickbooks_id] = f"{row.record_kind}:{row.key}"
        return found

    def uncleared(self) -> str | None:
        """Return the oldest id that QuickBooks still keeps an answer under, for oldMessageSetID.

        It stays the same until a set that cleared it has an answer itself.
        """
        with self.reading() as connection:
            # What was cleared once stays so: the look starts after the sets of which that is known.
            kept = connection.execute(_UNCLEARED, {"after": self._cleared}).first()
            if kept is None:
                self._cleared = connection.scalar(SETTLED) or 0
                return None
            self._cleared = kept.id - 1
            return str(kept.set_id)

    # --- inside a transaction -------------------------------------------------------------------------

    def _start_queries(self, connection: Connection, number: int, members: Sequence[str | int]) -> None:
        for position, member in enumerate(members, start=1):
            row = connection.execute(select(queries).where(queries.c.id == int(member))).first()
            if row is None:
                raise LedgerError(f"there is no query {member}")
            if row.status == "done":
                raise IllegalTransition(f"query {member}", "done", "running")
            self._start_job(connection, row.job)
            connection.execute(update(queries).where(queries.c.id == row.id).values(status="running"))
            _add_member(connection, number, position, query=row.id)

    def _send_operations(self, connection: Connection, number: int, kind: str, keys: list[str]) -> None:
        rows = {row.key: row for row in connection.execute(_TO_SEND, {"keys": keys}).all()}
        members = []
        for position, key in enumerate(keys, start=1):
            row = rows.get(key)
            if row is None:
                raise LedgerError(f"there is no operation {key}")
            members.append({"message_set": number, "position": position, "operation": row.id})
            if kind == "lookup":
                if row.status != ASKED_IN[kind]:
                    why = "only what is unknown is looked up"
                    raise IllegalTransition(f"operation {key}", row.status, "looked up", why)
                continue
            if not row.may_go:
                why = "it is not pending, its job is not being served, or what it depends on is not applied"
                raise IllegalTransition(f"operation {key}", row.status, "sent", why)
        if members:
            connection.execute(_NEW_MEMBER, members)
        if kind == "write":
            for job in sorted({row.job for row in rows.values()}):
                self._start_job(connection, job)
            send_members(connection, number, self.now())

    def _start_job(self, connection: Connection, job: int) -> None:
        now = get_job(connection, job).status
        if now != "running":
            self._move_job(connection, job, "running")

    def _record_outcome(
        self,
        connection: Connection,
        number: int,
        member: Any,
        outcome: Outcome,
        moves: Moves,
        now: dt.datetime,
    ) -> None:
        status, message = outcome.status, outcome.message
        if status not in _OUTCOMES:
            raise LedgerError(f"{outcome.key}: {status!r} is no outcome, but {', '.join(_OUTCOMES)} are")
        if _stays(member, outcome):
            # Pending: checked, and in order. Unknown: looked up, and unknown still.
            if status == "unknown":
                message = message or member.status_message
            if message or status == "unknown":
                moves.stay(member, now, message, status_code=outcome.status_code, message_set=number)
            return
        if status == "pending" and get_job(connection, member.job).status in ENDED_JOBS:
            status, message = (
                "skipped",
                message or "it is not in QuickBooks, and its job has ended: queue it again",
            )
        values: dict[str, Any] = {}
        if outcome.quickbooks_id:
            column = "list_id" if member.record_kind in LIST_KINDS else "txn_id"
            values = {column: outcome.quickbooks_id, "edit_sequence": outcome.edit_sequence}
        moves.add(
            member,
            status,
            now,
            message=message,
            status_code=outcome.status_code,
            message_set=number,
            values=values,
        )


_sets = message_sets


def _stays(member: Any, outcome: Outcome) -> bool:
    """Return whether an outcome leaves an operation in its state: it was only asked about."""
    return bool(member.status == outcome.status and outcome.status in ASKED_IN.values())


def _get_set(connection: Connection, number: int) -> Any:
    row = connection.execute(_SET, {"number": number}).first()
    if row is None:
        raise LedgerError(f"there is no message set {number}")
    return row


def _message_set(connection: Connection, row: Any) -> MessageSet:
    members = connection.execute(_IN_SET, {"number": row.id}).all()
    values: Mapping[str, Any] = {
        name: value for name, value in row._mapping.items() if name in MessageSet.__dataclass_fields__
    }
    return MessageSet(
        **values,
        members=tuple(member.key for member in members if member.key is not None),
        queries=tuple(member.query for member in members if member.query is not None),
    )


def _add_member(
    connection: Connection,
    number: int,
    position: int,
    *,
    operation: int | None = None,
    query: int | None = None,
) -> None:
    row = {"message_set": number, "position": position, "operation": operation, "query": query}
    connection.execute(_NEW_MEMBER, row)


def _abandon(connection: Connection, number: int, now: dt.datetime) -> None:
    connection.execute(update(_sets).where(_sets.c.id == number).values(abandoned_at=now))


def _require_session(connection: Connection, ticket: str) -> None:
    if connection.scalar(_SESSION, {"ticket": ticket}) is None:
        raise LedgerError("there is no session of that ticket")


# --- what is said to the database; worked out once ----------------------------------------------------------

_SESSION = select(sessions.c.id).where(sessions.c.ticket == bindparam("ticket"))
_SET = select(_sets).where(_sets.c.id == bindparam("number"))
_is_open = _sets.c.answered_at.is_(None) & _sets.c.abandoned_at.is_(None)
_OPEN = select(_sets.c.id, _sets.c.kind, _sets.c.set_id).where(_is_open)
_UNANSWERED = select(_sets).where(_is_open).order_by(_sets.c.id.desc()).limit(1)
_NEW_SET = insert(message_sets)
_NEW_MEMBER = insert(set_members)
_ANSWERED = update(_sets).where(_sets.c.id == bindparam("this_set"))
_in_set = set_members.c.message_set == bindparam("number")
_MEMBERS = (
    select(
        *(operations.c[name] for name in ("id", "key", "job", "status", "status_code", "status_message")),
        operations.c.record_kind,
    )
    .join(set_members, set_members.c.operation == operations.c.id)
    .where(_in_set)
    .order_by(set_members.c.position)
)
_IN_SET = (
    select(operations.c.key, set_members.c.query)
    .select_from(set_members)
    .outerjoin(operations, operations.c.id == set_members.c.operation)
    .where(_in_set)
    .order_by(set_members.c.position)
)
_keys = operations.c.key.in_(bindparam("keys", expanding=True))
_TO_SEND = select(
    *(operations.c[name] for name in ("id", "key", "job", "status")), is_sendable().label("may_go")
).where(operations.c.current, _keys)
_BOUND = select(crosswalk.c.quickbooks_id, crosswalk.c.record_kind, crosswalk.c.key).where(
    crosswalk.c.quickbooks_id.in_(bindparam("ids", expanding=True))
)
# One that QuickBooks had locked when it was sent is sent in a later session, and checked again there.
_CHECKED = (
    select(operations.c.key)
    .join(set_members, set_members.c.operation == operations.c.id)
    .join(_sets, _sets.c.id == set_members.c.message_set)
    .where(
        operations.c.current, _keys, _sets.c.session == bindparam("session"), _sets.c.kind == word("check")
    )
    .where(_sets.c.answered_at.is_not(None), ~_sets.c.set_status.is_not_distinct_from(REFUSED))
)


def _uncleared() -> Any:
    # An id of which QuickBooks could not say what became of it stays: a text under it that some Web
    # Connector still holds would run anew once its state is gone.
    def fine(table: Any) -> Any:
        return table.c.answered_at.is_not(None) & (
            table.c.set_status.is_(None) | (table.c.set_status == word("0"))
        )

    later = _sets.alias("later")
    cleared = exists().where(later.c.clears == _sets.c.set_id, fine(later))
    kept = select(_sets.c.id, _sets.c.set_id).where(_sets.c.id > bindparam("after"), fine(_sets))
    return kept.where(_sets.c.set_id.is_not(None), ~cleared).order_by(_sets.c.id).limit(1)


_UNCLEARED = _uncleared()
