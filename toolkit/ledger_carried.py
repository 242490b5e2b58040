"""What people said of a carry-forward: the differences they signed, the files written, one taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select

from toolkit.errors import LedgerError
from toolkit.ledger_schema import crosswalk, decisions
from toolkit.ledger_store import from_json, to_json
from toolkit.ledger_views import Views

SIGNED, FILES, UNDONE = "carry_forward", "carry_forward.files", "carry_forward.undone"
"""Under these names the table of decisions keeps signed differences, files written, bindings taken back."""


class CarriedForward(Views):
    """Signatures on a carry-forward, and its undoing: append-only, because exports rest on them."""

    def sign_carried(self, differences: Mapping[str, Mapping[str, Any]], who: str, note: str) -> int:
        """Keep that a person signed differences; return how many were not signed yet.

        Parameters
        ----------
        differences : mapping
            ``difference_id`` to exactly what is signed.
        who, note : str
            The person, and why.

        Raises
        ------
        LedgerError
            No person is named, or no reason.
        """
        if not note.strip():
            raise LedgerError("a signature needs its reason")
        with self.writing() as connection:
            standing = _signed(connection)
            fresh = {key: facts for key, facts in differences.items() if key not in standing}
            self._say(connection, SIGNED, "signed", fresh, who, note)
        self._tell()
        return len(fresh)

    def unsign_carried(self, who: str, note: str | None = None) -> int:
        """Take every signature that stands back; return how many."""
        with self.writing() as connection:
            standing = _signed(connection)
            self._say(connection, SIGNED, None, standing, who, note)
        self._tell()
        return len(standing)

    def keep_carried_file(self, path: str, facts: Mapping[str, Any], who: str) -> None:
        """Keep that a file was written for BluBilling: where, its SHA-256, how many rows, what sum."""
        with self.writing() as connection:
            self._say(connection, FILES, "written", {path: facts}, who, None)
        self._tell()

    def carried_files(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the files that were written and not taken back: path to facts."""
        chosen = select(decisions.c.key, decisions.c.decision, decisions.c["values"].label("facts"))
        found: dict[str, dict[str, Any]] = {}
        with self.reading() as connection:
            for row in connection.execute(chosen.where(decisions.c.table == FILES).order_by(decisions.c.id)):
                path = from_json(row.key)[0]
                found.pop(path, None)
                if row.decision is not None:
                    found[path] = from_json(row.facts)
        return found

    def undo_carried(self, who: str, note: str | None = None) -> int:
        """Take back that documents were carried forward; return how many bindings ended.

        What was bound is kept as said. Whether it may be taken back is for the caller to know.
        """
        with self.writing() as connection:
            ours = crosswalk.c.origin == "quickbooks"
            over = ended_bindings(connection)
            rows = [dict(row) for row in connection.execute(select(crosswalk).where(ours)).mappings()]
            standing = {binding_name(row): _plain(row) for row in rows if binding_name(row) not in over}
            # Nothing is deleted; what is carried again takes its old row, with its old number.
            self._say(connection, UNDONE, "undone", standing, who, note)
            files = select(decisions.c.key).where(decisions.c.table == FILES).distinct()
            written: dict[str, dict[str, Any]] = {from_json(key)[0]: {} for key in connection.scalars(files)}
            self._say(connection, FILES, None, written, who, note)
        self._tell()
        return len(standing)

    def _carried_again(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Let bindings stand again that were taken back, where they are bound once more."""
        over = ended_bindings(connection)
        again = {binding_name(row): dict[str, Any]() for row in rows if over and binding_name(row) in over}
        self._say(connection, UNDONE, None, again, "toolkit", "carried forward again")

    def _say(
        self,
        connection: Connection,
        table: str,
        decision: str | None,
        keyed: Mapping[str, Mapping[str, Any]],
        who: str,
        note: str | None,
    ) -> None:
        if not who.strip():
            raise LedgerError("what is said of a carry-forward needs the name of the person who says it")
        now = self.now()
        rows: Iterable[dict[str, Any]] = [
            {
                "table": table,
                "key": to_json([key]),
                "decision": decision,
                "note": note,
                "values": to_json(dict(facts)),
                "who": who,
                "at": now,
            }
            for key, facts in keyed.items()
        ]
        if keyed:
            connection.execute(insert(decisions), list(rows))


def _signed(connection: Connection) -> dict[str, dict[str, Any]]:
    newest = select(func.max(decisions.c.id)).where(decisions.c.table == SIGNED).group_by(decisions.c.key)
    chosen = select(decisions.c.key, decisions.c["values"].label("facts"))
    chosen = chosen.where(decisions.c.id.in_(newest), decisions.c.decision.is_not(None))
    return {from_json(row.key)[0]: from_json(row.facts) for row in connection.execute(chosen)}


def ended_bindings(connection: Connection) -> set[str]:
    """Return the bindings that were taken back and not made again: kind, key and TxnID as one text."""
    newest = select(func.max(decisions.c.id)).where(decisions.c.table == UNDONE).group_by(decisions.c.key)
    chosen = select(decisions.c.key).where(decisions.c.id.in_(newest), decisions.c.decision.is_not(None))
    return {from_json(key)[0] for key in connection.scalars(chosen)}


def binding_name(row: Mapping[str, Any]) -> str:
    """Return what tells one binding from all others, as :func:`ended_bindings` has it."""
    return ":".join(str(row.get(name)) for name in ("record_kind", "key", "quickbooks_id"))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if value is None else str(value) for name, value in row.items()}
