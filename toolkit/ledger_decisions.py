"""What people decided: kept for ever, with who, when and why; the newest decision on a key stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select

from toolkit.columns import Table
from toolkit.errors import LedgerError
from toolkit.ledger_carried import binding_name, ended_bindings
from toolkit.ledger_crosswalk import bind_rows
from toolkit.ledger_releases import Releases, released_ids
from toolkit.ledger_schema import crosswalk, decisions
from toolkit.ledger_store import from_json, to_json
from toolkit.ledger_tie_outs import TieOuts
from toolkit.ledger_views import WAIVED, WAIVERS
from toolkit.tables import TABLES, from_rows

if TYPE_CHECKING:
    import pandas as pd

LOCAL_ITEMS = "mapping.local_items"
POSTINGS = "postings"
"""Under this name the table of decisions keeps what was posted by hand; the decision is the TxnID."""

_POSTING = Table(POSTINGS, "", (), ("source_table", "source_key"))
_WAIVER = Table(WAIVERS, "", (), ("finding_id",))
_POSTED_AS = ("account_number", "date", "amount")
_STAMPED = ("decided_by", "decided_at", "entered_by", "entered_at")


class Decisions(Releases, TieOuts):
    """Decisions, items entered by hand, waivers, and the crosswalk."""

    def decide(self, table: str, rows: Iterable[Mapping[str, Any]], who: str) -> int:
        """Keep decisions; return how many are new. One that stands already adds nothing.

        Parameters
        ----------
        table : str
            ``charge_items``, ``customers``, ... (also with ``mapping.`` before it).
        rows : iterable of mapping
            The table's key columns, ``decision``, ``note`` and its other columns; a row whose decision is
            ``None`` withdraws the one that stands.
        who : str
            The person who decided.

        Raises
        ------
        LedgerError
            No such table, a column it does not have, or a row without its key.
        """
        declared = _declared(table)
        if declared.name == LOCAL_ITEMS:
            raise LedgerError(f"{LOCAL_ITEMS} is no table of decisions: use add_item")
        return self._keep(declared, rows, who)

    def decisions(self, table: str) -> pd.DataFrame:
        """Return the decision that stands on each key (``mapping.<table>``), in the order of the keys."""
        declared = _declared(table)
        with self.reading() as connection:
            standing = _standing(connection, declared.name)
        verb = "entered" if declared.name == LOCAL_ITEMS else "decided"
        exact = [column.name for column in declared.columns if column.kind.is_exact]
        rows = []
        for key, row in sorted(standing.items()):
            values = {**_key_values(declared, key), **from_json(row.values_)}
            values["note"] = row.note
            if declared.name != LOCAL_ITEMS:
                values["decision"] = row.decision
            values |= {name: Decimal(values[name]) for name in exact if values.get(name) is not None}
            rows.append({**values, f"{verb}_by": row.who, f"{verb}_at": row.at})
        return from_rows(declared.name, rows)

    def decisions_stamp(self) -> str:
        """Return a text that changes whenever a decision is added, here or in another workspace."""
        with self.reading() as connection:
            newest = connection.scalar(select(func.max(decisions.c.id))) or 0
        return f"{self.workspace_id[:8]}-{newest}"

    def decision_history(self, table: str, key: Sequence[Any]) -> list[dict[str, Any]]:
        """Return every decision ever made on one key, oldest first: decision, note, values, who, at."""
        mine = (decisions.c.table == _declared(table).name) & (decisions.c.key == _key_text(key))
        with self.reading() as connection:
            rows = connection.execute(select(decisions).where(mine).order_by(decisions.c.id)).mappings()
            kept = ("decision", "note", "who", "at")
            return [
                {**{name: row[name] for name in kept}, "values": from_json(row["values"])} for row in rows
            ]

    def add_item(self, item: Mapping[str, Any], who: str) -> int:
        """Keep an item entered by hand (a row of ``mapping.local_items``); one entered again replaces it.

        Returns
        -------
        int
            1, or 0 where exactly this stands already.

        Raises
        ------
        LedgerError
            A column the table does not have, or a required one missing.
        """
        declared = TABLES[LOCAL_ITEMS]
        missing = [
            column.name for column in declared.columns if column.required and not item.get(column.name)
        ]
        if missing:
            raise LedgerError(f"an item needs a value for {', '.join(missing)}")
        from_rows(LOCAL_ITEMS, [item])  # raises where a value does not fit
        return self._keep(declared, [item], who)

    def local_items(self) -> pd.DataFrame:
        """Return the items entered by hand (``mapping.local_items``)."""
        return self.decisions(LOCAL_ITEMS)

    def waive(self, finding_id: str, who: str, note: str, given_for: str | None = None) -> bool:
        """Waive a finding, with the reason; ``False`` where it is waived already.

        ``given_for`` is what its row says (:func:`toolkit.checks_waivers.given_for`): the gate counts no
        waiver that was given for another row, or for none.
        """
        return bool(self.waive_all({finding_id: given_for}, who, note))

    def waive_all(self, given: Mapping[str, str | None], who: str, note: str) -> int:
        """Waive findings together (id to what its row says), all or none; return how many were not yet."""
        if not note.strip():
            raise LedgerError(f"a waiver of {', '.join(list(given)[:3])} needs its reason")
        return self._keep(_WAIVER, [_waived(one, "waived", note, meant) for one, meant in given.items()], who)

    def withdraw_waiver(self, finding_id: str, who: str) -> bool:
        """Take a waiver back; ``False`` where there is none."""
        return bool(self.withdraw_waivers([finding_id], who))

    def withdraw_waivers(self, finding_ids: Iterable[str], who: str) -> int:
        """Take waivers back together, all or none; return how many there were."""
        return self._keep(_WAIVER, [_waived(one, None) for one in finding_ids], who)

    def waivers(self) -> dict[str, dict[str, Any]]:
        """Return the waivers that stand: finding_id to note, who, at."""
        with self.reading() as connection:
            standing = _standing(connection, WAIVERS)
        return {
            from_json(key)[0]: {"note": row.note, "who": row.who, "at": row.at}
            for key, row in standing.items()
        }

    def post_by_hand(self, row: Mapping[str, Any], who: str) -> bool:
        """Keep that a row was posted by hand (``source_table, source_key, txn_id, note``).

        With ``account_number``, ``date`` and ``amount`` of the row: it is open again when these change.

        Returns
        -------
        bool
            ``False`` where exactly this stands already.
        """
        said = {name: str(row[name]) for name in _POSTED_AS if row.get(name) is not None}
        kept = {"decision": row["txn_id"], "note": row.get("note"), **said}
        return bool(self._keep(_POSTING, [{**_posting_key(row), **kept}], who))

    def withdraw_posting(self, row: Mapping[str, Any], who: str) -> bool:
        """Take a posting back (``source_table, source_key, note``); ``False`` where there is none."""
        kept = {"decision": None, "note": row.get("note")}
        return bool(self._keep(_POSTING, [{**_posting_key(row), **kept}], who))

    def postings(self) -> pd.DataFrame:
        """Return what was posted by hand (``ledger.postings``), in the order of the keys."""
        with self.reading() as connection:
            standing = _standing(connection, POSTINGS)
        return from_rows(
            "ledger.postings",
            [
                dict(zip(("source_table", "source_key"), from_json(key), strict=True))
                | {"txn_id": row.decision, "note": row.note, "posted_by": row.who, "posted_at": row.at}
                | _posted_as(from_json(row.values_))
                for key, row in sorted(standing.items())
            ],
        )

    def copy_decisions(self, other: Decisions) -> int:
        """Take over every decision and waiver of another ledger, with who and when; return how many.

        The crosswalk is not taken over: it belongs to one company file. Nor are releases, tie-outs and what
        was said about the other workspace as a whole.
        """
        ours = decisions.c.table.like("mapping.%") | (decisions.c.table == WAIVERS)
        with other.reading() as connection:
            chosen = select(decisions).where(ours).order_by(decisions.c.id)
            rows = connection.execute(chosen).mappings().all()
        values = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        if values:
            with self.writing() as connection:
                connection.execute(insert(decisions), values)
            self._tell_of({row["table"] for row in values})
        return len(values)

    # --- the crosswalk --------------------------------------------------------------------------------

    def bind(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Bind our keys to QuickBooks records (rows of ``ledger.crosswalk``); return how many changed.

        What is bound with the same values already adds nothing; ``origin`` is ``billing`` unless given, and
        one that is ``quickbooks`` stays so.

        Raises
        ------
        LedgerError
            A row without its key, or with a column that the table does not have. Then none is bound.
        """
        given = list(rows)
        with self.writing() as connection:
            self._carried_again(connection, given)
            return bind_rows(connection, given, self.now())

    def crosswalk(self) -> pd.DataFrame:
        """Return the crosswalk (``ledger.crosswalk``) in the order of binding.

        What was undone is no longer that record: its row is kept, and not shown.
        """
        names = TABLES["ledger.crosswalk"].names
        chosen = select(*(crosswalk.c[name] for name in names))
        ordered = chosen.order_by(crosswalk.c.bound_at, crosswalk.c.record_kind, crosswalk.c.key)
        with self.reading() as connection:
            ended, over = released_ids(connection), ended_bindings(connection)
            rows = [dict(row) for row in connection.execute(ordered).mappings()]
        standing = [
            row
            for row in rows
            if (row["operation_key"], row["quickbooks_id"]) not in ended and binding_name(row) not in over
        ]
        return from_rows("ledger.crosswalk", standing)

    # --- inside ---------------------------------------------------------------------------------------

    def _keep(self, declared: Table, rows: Iterable[Mapping[str, Any]], who: str) -> int:
        if not who.strip():
            raise LedgerError("a decision needs the name of the person who made it")
        now, added = self.now(), []
        with self.writing() as connection:
            standing = {key: _content(row) for key, row in _standing(connection, declared.name).items()}
            for row in rows:
                key, content = _split(declared, row)
                before = standing.get(key, _NOTHING)
                if content == before or content["decision"] is before["decision"] is None:
                    continue
                standing[key] = content
                added.append({"table": declared.name, "key": key, **content, "who": who, "at": now})
            if added:
                connection.execute(insert(decisions), added)
        if added:
            self._tell_of({declared.name})
        return len(added)

    def _tell_of(self, kept_as: set[str]) -> None:
        self._tell({WAIVED} if WAIVERS in kept_as else ())
        if self._on_decided is not None:
            for table in sorted(kept_as - {WAIVERS, POSTINGS}):
                self._on_decided(table)


_NOTHING: dict[str, Any] = {"decision": None, "note": None, "values": "{}"}


def _waived(
    finding_id: str, decision: str | None, note: str | None = None, given_for: str | None = None
) -> dict[str, Any]:
    return {"finding_id": finding_id, "decision": decision, "note": note, "given_for": given_for}


def _posting_key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"source_table": row["source_table"], "source_key": row["source_key"]}


def _posted_as(values: Mapping[str, str]) -> dict[str, Any]:
    """Return what the row said that was posted; what was entered before this was kept has nothing of it."""
    return {
        "account_number": values.get("account_number"),
        "date": dt.date.fromisoformat(values["date"]) if "date" in values else None,
        "amount": Decimal(values["amount"]) if "amount" in values else None,
    }


def _declared(table: str) -> Table:
    name = table if table.startswith("mapping.") else f"mapping.{table}"
    if name not in TABLES:
        known = ", ".join(sorted(known for known in TABLES if known.startswith("mapping.")))
        raise LedgerError(f"there is no table {name}: the tables of decisions are {known}")
    return TABLES[name]


def _split(declared: Table, row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a row's key as text, and what is decided."""
    columns = {column.name: column for column in declared.columns}
    for name in row:
        if columns and name not in columns:
            raise LedgerError(f"{declared.name} has no column {name}")
    for name in declared.key:
        if name in columns and columns[name].required and not row.get(name):
            raise LedgerError(f"a decision in {declared.name} needs a value for {name}")
    apart = {*declared.key, *_STAMPED, "decision", "note"}
    values = {name: value for name, value in row.items() if name not in apart and value is not None}
    decision = row.get("decision") if declared.name != LOCAL_ITEMS else "entered"
    key = _key_text([row.get(name) for name in declared.key])
    return key, {"decision": decision, "note": row.get("note"), "values": to_json(values)}


def _key_text(key: Sequence[Any]) -> str:
    """Return a key as it is kept: without the nulls it begins with.

    A tax from outside has neither plan nor price code, and its key was its name alone before taxes of plans
    could be decided on: both are one key.
    """
    leading = next((place for place, value in enumerate(key) if value is not None), len(key))
    return to_json(list(key[leading:]))


def _key_values(declared: Table, text: str) -> dict[str, Any]:
    parts = from_json(text)
    return dict(zip(declared.key, [None] * (len(declared.key) - len(parts)) + parts, strict=True))


def _standing(connection: Connection, table: str) -> dict[str, Any]:
    newest = select(func.max(decisions.c.id)).where(decisions.c.table == table).group_by(decisions.c.key)
    names = ("key", "decision", "note", "who", "at")
    # `values` is a method of a row.
    chosen = select(*(decisions.c[name] for name in names), decisions.c["values"].label("values_"))
    chosen = chosen.where(decisions.c.id.in_(newest), decisions.c.decision.is_not(None))
    return {row.key: row for row in connection.execute(chosen)}


def _content(row: Any) -> dict[str, Any]:
    return {"decision": row.decision, "note": row.note, "values": row.values_}
