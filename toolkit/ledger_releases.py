"""What QuickBooks lost: a person releases it in the ledger, so that an export may plan it once more.

Nothing is deleted: the attempt that was applied stays, as undone, with the id that it had, and the crosswalk
keeps its row, which is no longer shown.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select

from toolkit.errors import IllegalTransition, LedgerError
from toolkit.ledger_moves import by_keys, move_operation
from toolkit.ledger_records import REFRESHES
from toolkit.ledger_schema import (
    decisions,
    jobs,
    message_sets,
    operation_history,
    operation_texts,
    operations,
    pages,
    queries,
    set_members,
)
from toolkit.ledger_store import to_json
from toolkit.ledger_views import Views
from toolkit.references import texts
from toolkit.tables_plans import RELEASED

RELEASES = "releases"
"""Under this name the table of decisions keeps which operations were released, by whom and why."""

_AT_ONCE = 500  # keys in one statement


class Releases(Views):
    """Operations that are applied here and absent in QuickBooks."""

    def applied_since(self) -> dict[str, dt.datetime]:
        """Return when each operation was applied that still is, by its key."""
        applied = operation_history.c.after == "applied"
        chosen = (
            select(operations.c.key, func.max(operation_history.c.at).label("at"))
            .join(operation_history, operation_history.c.operation == operations.c.id)
            .where(operations.c.current, operations.c.status == "applied", applied)
            .group_by(operations.c.key)
        )
        with self.reading() as connection:
            return {row.key: row.at for row in connection.execute(chosen)}

    def undone_records(self) -> list[dict[str, Any]]:
        """Return what operations were and are no longer: ``record_kind, quickbooks_id, txn_date`` of each."""
        names = ("record_kind", "list_id", "txn_id", "txn_date")
        chosen = select(*(operations.c[name] for name in names)).where(operations.c.status == "undone")
        with self.reading() as connection:
            return [
                {
                    "record_kind": row.record_kind,
                    "quickbooks_id": row.list_id or row.txn_id,
                    "txn_date": row.txn_date,
                }
                for row in connection.execute(chosen)
            ]

    def after_re_read(self, job: int) -> str:
        """Return what followed a re-read, so that it proves nothing any more, as a clause; else blank.

        Another session may have had another file open: the one that is right, say, where the re-read was
        of a backup.
        """
        with self.reading() as connection:
            return _after(connection, job)

    def release_lost(
        self, lost: Mapping[str, str], who: str, *, note: str, proof: Mapping[str, str], refresh: int
    ) -> list[str]:
        """Undo operations here that QuickBooks lost; nothing is queued and nothing is sent.

        What is pending in other jobs and refers to one of the lost records by its id is skipped: QuickBooks
        would refuse it, and the next export plans it anew.

        Parameters
        ----------
        lost : mapping
            Key of each operation to the ListID or TxnID that is absent.
        who : str
            The person who releases them.
        note : str
            Why: the backup that was restored, for example.
        proof : mapping
            By key what proves the absence: kept with the decision.
        refresh : int
            The job of the re-read that the proof rests on.

        Returns
        -------
        list of str
            Keys of what was skipped.

        Raises
        ------
        LedgerError
            No person or reason is named, there is no such operation, it is another record by now, what
            refers to one of them is on its way to QuickBooks, or something followed the re-read. Then
            nothing is changed.
        IllegalTransition
            One of them is not applied.
        """
        if not who.strip() or not note.strip():
            raise LedgerError("a release needs the name of a person and the reason")
        now = self.now()
        with self.writing() as connection:
            checked = _checked(connection, lost)
            if followed := _after(connection, refresh):
                raise LedgerError(
                    f"{followed}: toolkit reconcile --refresh, run the Web Connector, then again"
                )
            for row in checked:
                move_operation(connection, row, "undone", now, message=f"{RELEASED} {who}: {note}")
            skipped = [row for row in _referring(connection, lost) if row.status == "pending"]
            for row in skipped:
                told = f"it refers to what QuickBooks lost, released by {who}: export plans it anew"
                move_operation(connection, row, "skipped", now, message=told)
            kept = {"table": RELEASES, "decision": "released", "note": note, "who": who, "at": now}
            facts = {key: {"quickbooks_id": lost[key], "proof": proof.get(key)} for key in lost}
            rows = [{**kept, "key": to_json([key]), "values": to_json(facts[key])} for key in lost]
            connection.execute(insert(decisions), rows)
        self._tell()
        return [row.key for row in skipped]


def _checked(connection: Connection, lost: Mapping[str, str]) -> list[Any]:
    """Return the operations to release, or raise where one of them may not be."""
    if not lost:
        raise LedgerError("nothing is named that is to be released")
    found = {row.key: row for keys in _batches([*lost]) for row in connection.execute(by_keys(keys))}
    for key, quickbooks_id in lost.items():
        row = found.get(key)
        if row is None:
            raise LedgerError(f"there is no operation {key}")
        if row.status != "applied":
            raise IllegalTransition(f"operation {key}", row.status, "undone", "only what is applied is lost")
        if (row.list_id or row.txn_id) != quickbooks_id:
            raise LedgerError(f"{key} is {row.list_id or row.txn_id} by now, and not {quickbooks_id}")
    on_its_way = [row for row in _referring(connection, lost) if row.status in ("sent", "unknown")]
    if on_its_way:
        raise LedgerError(
            f"{on_its_way[0].key} refers to it and is {on_its_way[0].status}: let the Web Connector find out"
            " what became of that, or decide it with toolkit resolve, and release after it"
        )
    return [found[key] for key in lost]


def _after(connection: Connection, refresh: int) -> str:
    """Return what came after a re-read, as a clause."""
    others = jobs.c.kind == REFRESHES, jobs.c.id > refresh, jobs.c.status.not_in(("failed", "cancelled"))
    if newer := connection.scalar(select(func.min(jobs.c.id)).where(*others)):
        return f"job {newer} reads again what job {refresh} read"
    its_sets = (
        select(message_sets.c.id, message_sets.c.session)
        .join(set_members, set_members.c.message_set == message_sets.c.id)
        .join(queries, queries.c.id == set_members.c.query)
        .where(queries.c.job == refresh)
    )
    # By number, because a wall clock may be set back.
    last = connection.execute(its_sets.order_by(message_sets.c.id.desc()).limit(1)).first()
    later = message_sets.c.id > (last.id if last else 0)
    if last:
        later &= message_sets.c.session != last.session
    if at := connection.scalar(select(func.min(message_sets.c.opened_at)).where(later)):
        return f"another session of the Web Connector, on {at:%Y-%m-%d %H:%M}, followed job {refresh}"
    landed = select(func.coalesce(func.max(pages.c.id), 0)).where(pages.c.job == refresh).scalar_subquery()
    other = connection.scalar(
        select(func.min(pages.c.job)).where(pages.c.id > landed, pages.c.job != refresh)
    )
    return f"another import, job {other}, followed job {refresh}" if other else ""


def _referring(connection: Connection, lost: Mapping[str, str]) -> list[Any]:
    """Return what is not through and refers to lost records: by id; on its way by its key too."""
    ids = set(lost.values())
    open_ones = (
        select(operations, operation_texts.c.fields)
        .join(operation_texts, operation_texts.c.operation == operations.c.id)
        .where(operations.c.current, operations.c.status.in_(("pending", "sent", "unknown")))
    )
    return [
        row
        for row in connection.execute(open_ones).all()
        if not ids.isdisjoint(text for _, text in texts(json.loads(row.fields)))
        or (row.status != "pending" and not lost.keys().isdisjoint(json.loads(row.depends_on)))
    ]


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def released_ids(connection: Connection) -> set[tuple[str, str]]:
    """Return which operation was which record that it is no longer: pairs of key and ListID or TxnID."""
    ended = _records(connection, operations.c.status == "undone")
    if not ended:
        return ended
    # A restored file counts on from where it was, so that an id may come back.
    return ended - _records(connection, operations.c.current & (operations.c.status == "applied"))


def _records(connection: Connection, which: Any) -> set[tuple[str, str]]:
    chosen = select(operations.c.key, operations.c.list_id, operations.c.txn_id).where(which)
    return {(row.key, row.list_id or row.txn_id) for row in connection.execute(chosen)}
