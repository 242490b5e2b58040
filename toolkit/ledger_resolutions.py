"""What a person decides about an operation: who, when and why stay in its history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_crosswalk import bind_rows
from toolkit.ledger_moves import by_keys, move_operation
from toolkit.ledger_operations import batches
from toolkit.ledger_records import LIST_KINDS, REFUSED, Operation
from toolkit.ledger_schema import crosswalk, message_sets, operation_history, operations, set_members
from toolkit.ledger_sets import MessageSets
from toolkit.ledger_statements import Statement


class Resolutions(MessageSets):
    """What nobody but a person can know."""

    def resolve(self, key: str, who: str, *, applied: str | None = None, note: str = "") -> Operation:
        """Let a person decide what became of an unknown operation; who and why go into its history.

        Parameters
        ----------
        key : str
            The operation.
        who : str
            The person.
        applied : str, optional
            The TxnID or ListID that it has in QuickBooks: from now on it is that record. Without, it is not
            in QuickBooks: the attempt ends as skipped, and only a new export, approved as any other, sends
            it again.
        note : str
            Why.

        Raises
        ------
        LedgerError
            There is no such operation, no person is named, or the record is known as another one's.
        IllegalTransition
            It is not unknown.
        """
        if not who.strip():
            raise LedgerError("a decision needs the name of the person who made it")
        because = f": {note.strip()}" if note.strip() else ""
        with self.writing() as connection:
            row = connection.execute(by_keys([key])).first()
            if row is None:
                raise LedgerError(f"there is no operation {key}")
            if row.status != "unknown":
                why = "only what is unknown is resolved"
                raise IllegalTransition(f"operation {key}", row.status, "resolved", why)
            if applied is None:
                said = f"{who} says that it is not in QuickBooks{because}; export it again"
                move_operation(connection, row, "skipped", self.now(), message=said)
            else:
                self._resolve_applied(connection, row, applied, f"{who} says that it is {applied}{because}")
        return self.operation(key)

    def _resolve_applied(self, connection: Connection, row: Any, quickbooks_id: str, said: str) -> None:
        is_list = row.record_kind in LIST_KINDS
        same_kind = (
            crosswalk.c.record_kind.in_(LIST_KINDS) if is_list else crosswalk.c.record_kind.not_in(LIST_KINDS)
        )
        own_key = row.key.partition(":")[2]
        holders = connection.execute(
            select(crosswalk).where(same_kind, crosswalk.c.quickbooks_id == quickbooks_id)
        ).all()
        for taken in holders:
            if (taken.record_kind, taken.key) != (row.record_kind, own_key):
                raise LedgerError(
                    f"{quickbooks_id} is {taken.record_kind} {taken.key} already, not {row.key}"
                )
        values = {"list_id" if is_list else "txn_id": quickbooks_id}
        move_operation(connection, row, "applied", self.now(), message=said, values=values)
        bound = {
            "record_kind": row.record_kind,
            "key": own_key,
            "quickbooks_id": quickbooks_id,
            "origin": "billing",
            "ref_number": row.ref_number,
            "amount": row.amount,
            "operation_key": row.key,
            "job": row.job,
        }
        bind_rows(connection, [bound], self.now())

    def said_absent(self, keys: Iterable[str]) -> set[str]:
        """Return those operations of whose last attempt a person said that it is not in QuickBooks."""
        with self.looking() as handle:
            found = [_ABSENT.rows(handle, keys=batch) for batch in batches(list(keys))]
        return {row.key for rows in found for row in rows}

    def known_keys(self, keys: Iterable[str]) -> set[str]:
        """Return which of some keys are those of operations."""
        wanted = list(keys)
        if not wanted:  # as nearly always: no document of ours is there before it was sent
            return set()
        with self.reading() as connection:
            chosen = select(operations.c.key).where(operations.c.key.in_(wanted), operations.c.current)
            return set(connection.scalars(chosen))

    def former_ids(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Return the TxnIDs that older attempts had in QuickBooks until it lost them, by key."""
        chosen = select(operations.c.key, operations.c.txn_id).where(
            operations.c.key.in_(keys), operations.c.status == "undone", operations.c.txn_id.is_not(None)
        )
        found: dict[str, list[str]] = {}
        with self.reading() as connection:
            for row in connection.execute(chosen.order_by(operations.c.id)):
                found.setdefault(row.key, []).append(row.txn_id)
        return found

    def failed_checks(self, key: str) -> int:
        """Return how many checks of the newest attempt at an operation QuickBooks could not answer."""
        chosen = (
            select(func.count())
            .select_from(operations)
            .join(set_members, set_members.c.operation == operations.c.id)
            .join(message_sets, message_sets.c.id == set_members.c.message_set)
            .where(operations.c.key == key, operations.c.current)
            .where(message_sets.c.kind == "check", message_sets.c.set_status == REFUSED)
        )
        with self.reading() as connection:
            return connection.scalar(chosen) or 0


def _absent() -> Any:
    older = operations.c.key.in_(bindparam("keys", expanding=True)) & ~operations.c.current
    last = select(func.max(operations.c.id)).where(older).group_by(operations.c.key)
    # Only a person ends what is unknown without an answer of QuickBooks.
    said = (operation_history.c.before == "unknown") & (operation_history.c.after == "skipped")
    said = said & operation_history.c.message_set.is_(None)
    joined = select(operations.c.key).join(
        operation_history, operation_history.c.operation == operations.c.id
    )
    return joined.where(operations.c.id.in_(last), said)


_ABSENT = Statement(_absent())
