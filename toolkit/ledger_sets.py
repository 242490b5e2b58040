"""Message sets: the text is committed before it is handed out, the answer before it is acknowledged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select, update

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_crosswalk import bind_rows
from toolkit.ledger_jobs import get_job
from toolkit.ledger_moves import Moves, send_members
from toolkit.ledger_operations import Operations, batches
from toolkit.ledger_records import ENDED_JOBS, LIST_KINDS, MessageSet, Outcome
from toolkit.ledger_schema import message_sets, operation_history, operations, queries, set_members
from toolkit.ledger_set_statements import (
    ANSWERED,
    BOUND,
    CHECKED,
    IN_SET,
    MEMBERS,
    NEW_MEMBER,
    NEW_SET,
    NEW_TEXT,
    OPEN,
    SESSION,
    SET,
    SETTLED,
    TO_SEND,
    UNANSWERED,
    UNCLEARED,
    WHOLE_SET,
    WITH_TEXT,
)
from toolkit.ledger_statements import Handle, Statement, handle_of

_OUTCOMES = ("applied", "rejected", "unknown", "pending", "skipped")
ASKED_IN = {"lookup": "unknown", "check": "pending"}
"""In which state the members of a set are that only asks."""
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
            handle = handle_of(connection)
            for older in OPEN.rows(handle):
                if older.kind == "write":
                    raise LedgerError(f"message set {older.set_id} has no answer yet: it is recovered first")
                _abandon(connection, older.id, self.now())
            row = {"session": session, "kind": kind, "set_id": set_id, "clears": clears}
            number = NEW_SET.run(handle, **row, opened_at=self.now(), tries=1)
            NEW_TEXT.run(handle, message_set=number, text=text)
            if kind == "read":
                self._start_queries(connection, number, members)
            else:
                self._send_operations(connection, number, kind, [str(member) for member in members])
        return number

    def unanswered(self) -> MessageSet | None:
        """Return the newest message set without an answer, or ``None``."""
        with self.looking() as handle:
            row = UNANSWERED.row(handle)
            return None if row is None else _message_set(handle, row)

    def message_set(self, number: int) -> MessageSet:
        """Return one message set; ``LedgerError`` where there is none of that number."""
        with self.looking() as handle:
            return _message_set(handle, _get_set(handle, number, WHOLE_SET))

    def message_sets(self, job: int | None = None) -> list[MessageSet]:
        """Return message sets in the order they were handed out: all, or those with members of one job."""
        chosen = WITH_TEXT.order_by(_sets.c.id)
        if job is not None:
            mine = (
                select(set_members.c.message_set)
                .outerjoin(operations, operations.c.id == set_members.c.operation)
                .outerjoin(queries, queries.c.id == set_members.c.query)
                .where(or_(operations.c.job == job, queries.c.job == job))
            )
            chosen = chosen.where(_sets.c.id.in_(mine))
        with self.reading() as connection:
            handle = handle_of(connection)
            return [_message_set(handle, row) for row in connection.execute(chosen).all()]

    def answers(self, job: int, kind: str = "write") -> list[str]:
        """Return the inbox files of the answers to an export's operations, in the order of its sets.

        Of checks those only in which something was found that is taken over.
        """
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
        if kind == "check":
            found = (
                select(operation_history.c.message_set)
                .join(operations, operations.c.id == operation_history.c.operation)
                .where(operations.c.job == job, operation_history.c.after == "applied")
            )
            chosen = chosen.where(_sets.c.id.in_(found))
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
            handle = handle_of(connection)
            row = _get_set(handle, number)
            if row.answered_at is not None or row.abandoned_at is not None:
                raise LedgerError(f"message set {number} is not open: there is nothing to recover")
            changed = {"session": session, "tries": row.tries + 1}
            connection.execute(update(_sets).where(_sets.c.id == number).values(**changed))
            return _message_set(handle, _get_set(handle, number, WHOLE_SET))

    def abandon_set(self, number: int) -> None:
        """Give up an unanswered set that changes nothing.

        Raises
        ------
        IllegalTransition
            It writes: it is recovered, never given up.
        """
        with self.writing() as connection:
            row = _get_set(handle_of(connection), number)
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
            handle = handle_of(connection)
            row = _get_set(handle, set_pk)
            if row.answered_at is not None or row.abandoned_at is not None:
                return False
            members = {member.key: member for member in MEMBERS.rows(handle, number=set_pk)}
            strange = told.keys() - members.keys()
            if strange:
                raise LedgerError(f"{sorted(strange)[0]} is not in message set {row.set_id or set_pk}")
            now = self.now()
            # A person may have decided meanwhile on one that was only asked about.
            meant = [one for one in members.values() if one.status == ASKED_IN.get(row.kind, one.status)]
            self._record_outcomes(connection, set_pk, meant, told, now)
            answer = {"answered_at": now, "inbox_path": inbox_path}
            status = None if set_status is None else str(set_status)
            ANSWERED.run(handle, this_set=set_pk, **answer, set_status=status)
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
        with self.looking() as handle:
            return {row.key for row in CHECKED.rows(handle, keys=list(keys), session=session)}

    def bound(self, quickbooks_ids: Iterable[str]) -> dict[str, str]:
        """Return which of some records of QuickBooks are known already: ID to key of the operation."""
        found = {}
        with self.looking() as handle:
            for batch in batches(list(quickbooks_ids)):
                for row in BOUND.rows(handle, ids=batch):
                    found[row.quickbooks_id] = f"{row.record_kind}:{row.key}"
        return found

    def uncleared(self) -> str | None:
        """Return the oldest id that QuickBooks still keeps an answer under, for oldMessageSetID.

        It stays the same until a set that cleared it has an answer itself.
        """
        with self.looking() as handle:
            # What was cleared once stays so: the look starts after the sets of which that is known.
            kept = UNCLEARED.row(handle, after=self._cleared)
            if kept is None:
                self._cleared = int(SETTLED.value(handle) or 0)
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
        handle = handle_of(connection)
        rows = {row.key: row for row in TO_SEND.rows(handle, keys=keys)}
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
        NEW_MEMBER.run_many(handle, members)
        if kind == "write":
            for job in sorted({row.job for row in rows.values()}):
                self._start_job(connection, job)
            send_members(connection, number, self.now())

    def _start_job(self, connection: Connection, job: int) -> None:
        now = get_job(connection, job).status
        if now != "running":
            self._move_job(connection, job, "running")

    def _record_outcomes(
        self,
        connection: Connection,
        number: int,
        members: Sequence[Any],
        told: Mapping[str, Outcome],
        now: dt.datetime,
    ) -> None:
        moves, bound = Moves(), []
        for member in members:
            outcome = told.get(member.key)
            if outcome is None and member.status == "sent":
                outcome = Outcome(member.key, "unknown", message="the answer says nothing about it")
            if outcome is not None:
                self._record_outcome(connection, number, member, outcome, moves, now)
                if outcome.bind is not None and not _stays(member, outcome):
                    bound.append({"operation_key": member.key, "job": member.job, **outcome.bind})
        if moves and all(member.status == "sent" for member in members):
            moves.write_members(connection, number, now)
        else:
            moves.write(connection)
        bind_rows(connection, bound, now)

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


def _get_set(handle: Handle, number: int, chosen: Statement = SET) -> Any:
    row = chosen.row(handle, number=number)
    if row is None:
        raise LedgerError(f"there is no message set {number}")
    return row


def _message_set(handle: Handle, row: Any) -> MessageSet:
    members = IN_SET.rows(handle, number=row.id)
    values: Mapping[str, Any] = {
        name: value for name, value in row._asdict().items() if name in MessageSet.__dataclass_fields__
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
    NEW_MEMBER.run(handle_of(connection), **row)


def _abandon(connection: Connection, number: int, now: dt.datetime) -> None:
    connection.execute(update(_sets).where(_sets.c.id == number).values(abandoned_at=now))


def _require_session(connection: Connection, ticket: str) -> None:
    if SESSION.row(handle_of(connection), ticket=ticket) is None:
        raise LedgerError("there is no session of that ticket")
