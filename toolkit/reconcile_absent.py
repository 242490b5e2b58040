"""What the ledger applied and QuickBooks does not hold: lost with restored books, or deleted by hand.

A table that was not read proves nothing. Absent is what a complete re-read asked QuickBooks for by its id,
after it was applied, and did not get.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.checks_books import Books
from toolkit.receivables import KINDS
from toolkit.references import texts
from toolkit.tables import from_rows

__all__ = ["Absent", "ReRead", "find_absent", "missing_records"]

Row = dict[str, Any]
Place = tuple[str, str]  # kind of record and ListID or TxnID: lists are numbered apart from each other

ORDER = ("item", "customer", *KINDS)
TO_READ = "toolkit reconcile --refresh, then run the Web Connector"
TO_READ_ANEW = "toolkit reconcile --refresh, run the Web Connector, then again"
_DELETED_AS = {"invoice": "Invoice", "credit_memo": "CreditMemo", "payment": "ReceivePayment"}
_SHOWN = (
    *("key", "record_kind", "ref_number", "account_number", "customer_full_name", "txn_date"),
    *("amount", "currency", "job"),
)
_HELD = ("key", "record_kind", "status", "job", "amount", "currency")


@dataclass(frozen=True, slots=True)
class ReRead:
    """The newest complete re-read of all that was sent.

    Parameters
    ----------
    job : int
        Its job.
    created : datetime
        When it was queued: it tells of what was applied before.
    at : datetime or None
        When it was complete.
    asked : frozenset of tuple
        Kind and id of every record that it asked for.
    returned : frozenset of tuple
        Those in question that QuickBooks returned.
    doubtful : mapping
        Those in question of which its answer proves nothing, and why, as a clause.
    newer : int or None
        A later re-read that is not through.
    stale : str
        Why it tells nothing of the books as they are now, as a clause; blank where it does.
    """

    job: int
    created: dt.datetime
    at: dt.datetime | None
    asked: frozenset[Place]
    returned: frozenset[Place]
    doubtful: Mapping[Place, str]
    newer: int | None = None
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """What is applied here and absent in QuickBooks.

    Parameters
    ----------
    records : pandas.DataFrame
        ``tie_out.absent``, what others hang on first.
    hanging : pandas.DataFrame
        ``tie_out.hanging``: what hangs on these and is not absent itself.
    refresh : int
        The job of the re-read that the proofs rest on; 0 where there is none.
    """

    records: pd.DataFrame
    hanging: pd.DataFrame
    refresh: int = 0


def missing_records(books: Books) -> list[Row]:
    """Return the applied operations whose record no table holds any more, in the order of sending.

    Parameters
    ----------
    books : Books
        ``quickbooks.*`` and ``ledger.operations``.
    """
    held = {
        kind: {row["txn_id"] for row in books.rows(name, "txn_id", "left_at")} for kind, name in KINDS.items()
    }
    held |= {
        kind: {row["list_id"] for row in books.rows(f"quickbooks.{kind}s", "list_id", "left_at")}
        for kind in ("item", "customer")
    }
    applied = [row for row in books.rows("ledger.operations") if row["status"] == "applied"]
    gone = [row for row in applied if place_of(row)[1] not in held[row["record_kind"]]]
    return sorted(gone, key=lambda row: (ORDER.index(row["record_kind"]), row["job"], row["position"] or 0))


def place_of(row: Mapping[str, Any]) -> Place:
    """Return the kind and the ListID or TxnID of an applied operation."""
    return row["record_kind"], row["txn_id"] or row["list_id"] or ""


def find_absent(
    books: Books, missing: Sequence[Row], applied_at: Mapping[str, dt.datetime], read: ReRead | None
) -> Absent:
    """Return which of the missing records are proved to be absent, and what hangs on them.

    Parameters
    ----------
    books : Books
        ``ledger.operations`` and what QuickBooks says was deleted.
    missing : sequence of dict
        From :func:`missing_records`.
    applied_at : mapping
        When each operation was applied, by its key.
    read : ReRead or None
        The newest complete re-read; ``None`` where there is none.
    """
    deleted = _deleted(books)
    keys = {row["key"] for row in missing}
    by_id = {place_of(row)[1]: row["key"] for row in missing}
    records = []
    for row in missing:
        place = place_of(row)
        proved, why = _judge(place, applied_at.get(row["key"]), read)
        if place in deleted and proved:
            why = f"deleted in QuickBooks on {deleted[place]:%Y-%m-%d %H:%M}; {why}"
        records.append(
            {name: row[name] for name in _SHOWN}
            | {
                "applied_at": applied_at.get(row["key"]),
                "quickbooks_id": place[1],
                "deleted_at": deleted.get(place),
                "needs": _needs(row, keys, by_id),
                "proved": proved,
                "reason": why,
            }
        )
    hanging = from_rows("tie_out.hanging", _hanging(books, keys, by_id) if missing else [])
    return Absent(from_rows("tie_out.absent", records), hanging, read.job if read else 0)


def _judge(place: Place, applied: dt.datetime | None, read: ReRead | None) -> tuple[bool, str]:
    """Return whether a record is proved to be absent, and why it is or is not."""
    if read is None:
        return False, f"not proved: nothing was read again since it was sent: {TO_READ}"
    if read.newer is not None:
        return False, f"not proved: job {read.newer} is to read it again: run the Web Connector first"
    # An id may come back, with the books: then an older re-read asked for it and tells of another time.
    if place not in read.asked or applied is None or applied >= read.created:
        return False, f"not proved: it was applied after job {read.job} asked for all there was: {TO_READ}"
    if place in read.returned:
        return False, (
            f"not proved: job {read.job} returned it, so that the table here lost it: land the inbox again"
        )
    if place in read.doubtful:
        return False, f"not proved: {read.doubtful[place]}: {TO_READ}"
    if read.stale:
        return False, f"not proved any more: {read.stale}: {TO_READ_ANEW}"
    when = f" on {read.at:%Y-%m-%d %H:%M}" if read.at else ""
    return True, f"job {read.job} asked for it{when}, and QuickBooks does not have it"


def _deleted(books: Books) -> dict[Place, dt.datetime]:
    """Return when records were deleted, as far as QuickBooks told."""
    found: dict[Place, dt.datetime] = {}
    kinds = {name: kind for kind, name in _DELETED_AS.items()}
    for row in books.rows("quickbooks.deleted_transactions"):
        if row["txn_del_type"] in kinds and row["time_deleted"]:
            found[kinds[row["txn_del_type"]], row["txn_id"]] = row["time_deleted"]
    for row in books.rows("quickbooks.deleted_list_records"):
        kind = "customer" if row["list_del_type"] == "Customer" else "item"
        if row["time_deleted"] and (kind == "customer" or row["list_del_type"].startswith("Item")):
            found[kind, row["list_id"]] = row["time_deleted"]
    return found


def _needs(row: Row, keys: set[str], by_id: Mapping[str, str]) -> list[str]:
    """Return the missing records that an operation refers to, by their keys or by their ids."""
    named = {key for key in row["depends_on"] or () if key in keys}
    named |= {by_id[text] for _, text in texts(json.loads(row["fields"] or "{}")) if text in by_id}
    return sorted(named - {row["key"]})


def _hanging(books: Books, keys: set[str], by_id: Mapping[str, str]) -> Iterator[Row]:
    for row in books.rows("ledger.operations"):
        if row["key"] in keys or row["status"] not in _BECOMES:
            continue
        needs = _needs(row, keys, by_id)
        if needs:
            yield {name: row[name] for name in _HELD} | {
                "quickbooks_id": row["txn_id"] or row["list_id"],
                "needs": needs,
                "reason": _BECOMES[row["status"]].format(job=row["job"]),
            }


_BECOMES = {
    "applied": "QuickBooks holds it, without what it hung on: apply it there by hand once that is back",
    "pending": "it waits in job {job}; what names a lost record by its id is skipped, and planned anew",
    "sent": "it is with QuickBooks: its answer comes first",
    "unknown": "what became of it is unknown: that is found out first",
}
