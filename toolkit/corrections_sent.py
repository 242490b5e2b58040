"""Which rows were sent or are under way: a correction of one of them comes too late.

What QuickBooks has, it has by the values of that day. A later correction would change neither system, and
would hide in a tie-out that they differ.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.corrections import CORRECTABLE
from toolkit.tables import TABLES, to_rows

__all__ = ["READ_LATER", "Sent", "came_late", "corrections_sent", "records", "sent_record", "sent_rows"]

Row = Mapping[str, Any]
Place = tuple[str, str]
"""A source row: table and key."""

READ_LATER = frozenset({("billing.customers", "terms_value"), ("billing.customers", "terms_units")})
"""Columns of a customer that its next documents read: they are not past when the customer was sent."""

_STANDING = ("pending", "sent", "unknown", "applied")
_CARRIED = {"invoice": "billing.invoices", "payment": "billing.payments"}
_MADE_FROM = {
    "invoice": ("billing.invoices",),
    "credit_memo": ("billing.invoices", "billing.adjustments"),
    "payment": ("billing.payments", "billing.adjustments"),
}
"""Where the ledger has no operation: what a record of this kind may have been made from."""

_DEBIT = "debit:"
"""Before the id of an adjustment that went as an invoice: it may have the number of one."""

_OPERATION = ("key", "job", "status", "source_table", "source_key")
_BOUND = ("record_kind", "key", "origin", "operation_key", "bound_at")


@dataclass(frozen=True, slots=True)
class Sent:
    """A row that was sent or is under way.

    Parameters
    ----------
    at : datetime
        When it was queued; a correction made later is not in what was sent.
    why : str
        For people: what became of it, and what to do instead.
    """

    at: dt.datetime
    why: str


def sent_rows(tables: Mapping[str, pd.DataFrame]) -> dict[Place, Sent]:
    """Return the rows that were sent or are under way, by table and key; lines stand by their record.

    One of which QuickBooks rejected something is not among them: `toolkit fix` corrects it.

    Parameters
    ----------
    tables : mapping
        ``ledger.operations``, ``ledger.jobs`` and ``ledger.crosswalk``.
    """
    found: dict[Place, Sent] = {}
    operations = _rows(tables, "ledger.operations", _OPERATION)
    sources = {row["key"]: (row["source_table"], row["source_key"]) for row in operations}
    for row in _rows(tables, "ledger.crosswalk", _BOUND):
        for place in _sources(row, sources) if row["bound_at"] else ():
            found[place] = Sent(row["bound_at"], "it is in QuickBooks: change it there")
    queued: dict[Place, list[Row]] = defaultdict(list)
    for row in operations:
        if row["source_table"] in CORRECTABLE:
            queued[row["source_table"], row["source_key"]].append(row)
    made = {row["id"]: row["created_at"] for row in _rows(tables, "ledger.jobs", ("id", "created_at"))}
    for place, attempts in queued.items():
        standing = [row for row in attempts if row["status"] in _STANDING]
        if any(row["status"] == "rejected" for row in attempts):
            found.pop(place, None)
        elif standing:
            newest = max(row["job"] for row in standing)
            why = f"job {newest} has sent it: change it in QuickBooks, or in BluBilling"
            if all(row["status"] == "pending" for row in standing):
                why = f"it is in job {newest}: cancel that first (toolkit cancel {newest}), then correct it"
            if made.get(newest):
                found[place] = Sent(made[newest], why)
    return found


def _sources(bound: Row, sources: Mapping[str, Place]) -> list[Place]:
    """Return the rows that a record of QuickBooks was made from; of a carried one, those that are it."""
    kind, key = bound["record_kind"], bound["key"]
    if kind not in _MADE_FROM:
        return []
    if bound["origin"] == "quickbooks":
        return [(_CARRIED[kind], key)] if kind in _CARRIED else []
    source = sources.get(bound["operation_key"] or f"{kind}:{key}")
    if source is not None:
        return [source]
    if kind == "invoice" and key.startswith(_DEBIT):
        return [("billing.adjustments", key.removeprefix(_DEBIT))]
    return [(table, key) for table in _MADE_FROM[kind]]


def sent_record(sent: Mapping[Place, Sent], table: str, key: str) -> Sent | None:
    """Return what is known of a row's record, where it was sent; a line's is its invoice or payment."""
    return next((sent[place] for place in records(table, key) if place in sent), None)


def records(table: str, key: str) -> list[Place]:
    """Return what a row may be of: itself; a line is of its invoice, or of its payment or credit, too."""
    parent = TABLES[table].parent if table in TABLES else None
    if parent is None:
        return [(table, key)]
    own = [parent, "billing.adjustments"] if parent == "billing.payments" else [parent]
    number = key.split(" / ", maxsplit=1)[0].replace("//", "/")
    return [(table, key), *((name, number) for name in own)]


def corrections_sent(tables: Mapping[str, pd.DataFrame], corrections: pd.DataFrame) -> list[tuple[Row, Sent]]:
    """Return the corrections whose row was sent, each with what is known of that.

    What the next documents read of a customer is not past with it.
    """
    rows = to_rows(corrections)
    sent = sent_rows(tables) if rows else {}
    known = [(row, sent_record(sent, row["table"], row["key"])) for row in rows] if sent else []
    return [
        (row, record)
        for row, record in known
        if record is not None and (row["table"], row["column"]) not in READ_LATER
    ]


def came_late(made: Row, sent: Sent) -> bool:
    """Return whether a correction was made after its row had been sent; one not kept yet is made now."""
    return not (made["decided_at"] and made["decided_at"] <= sent.at)


def _rows(tables: Mapping[str, pd.DataFrame], name: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    return to_rows(tables[name][list(columns)]) if name in tables else []
