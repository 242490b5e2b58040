"""What QuickBooks lost: listed with its proof, and released by a person so that an export plans it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.checks_books import Books
from toolkit.errors import UsageError
from toolkit.ledger_records import LIST_KINDS
from toolkit.reconcile_absent import Absent, find_absent, missing_records, place_of
from toolkit.refresh import read_again
from toolkit.tables import to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_place import require_here

__all__ = ["Choice", "choose", "list_absent", "release"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be released.

    Parameters
    ----------
    rows : list of dict
        Rows of ``tie_out.absent``, in the order of sending.
    stay : list of dict
        Rows that stay as they are, ``reason`` says why; only where all were asked for.
    hanging : list of dict
        Rows of ``tie_out.hanging`` that hang on the first.
    refresh : int
        The job of the re-read that proves it.
    """

    rows: list[Row]
    stay: list[Row]
    hanging: list[Row]
    refresh: int


def list_absent(ws: Workspace) -> Absent:
    """Return what is applied here and absent in QuickBooks, and whether that is proved.

    The answers of the newest re-read are opened only where a record is missing in the tables.
    """
    tables = ws.tables()
    books = Books(tables, ws.settings)
    missing = missing_records(books)
    applied_at, read = {}, None
    if missing:
        applied_at = ws.ledger.applied_since()
        read = read_again(ws, [place_of(row) for row in missing])
    return find_absent(books, missing, applied_at, read)


def choose(absent: Absent, keys: Sequence[str] | None) -> Choice:
    """Return what may be released of the absent records: all of them, or those of some operations.

    A customer or item that a standing document refers to was merged into another: QuickBooks deletes none
    that is in use. It is released by name only.

    Parameters
    ----------
    absent : Absent
        From :func:`list_absent`.
    keys : sequence of str or None
        ``None`` for all that are proved to be absent.

    Raises
    ------
    UsageError
        One that is named is not absent, or not proved to be, or hangs on an absent one that is not named.
    """
    listed = {row["key"]: row for row in to_rows(absent.records)}
    for key in keys or ():
        if key not in listed:
            raise UsageError(f"{key} is not absent in QuickBooks: toolkit reconcile lists what is")
        if not listed[key]["proved"]:
            raise UsageError(f"{key}: {listed[key]['reason']}")
    chosen = set(listed) if keys is None else set(keys)
    merged = _merged(absent) if keys is None else {}
    stay: dict[str, Row] = {}
    for key, row in listed.items():  # what others hang on comes first
        if key not in chosen:
            continue
        without = next((other for other in row["needs"] if other not in chosen or other in stay), None)
        if without is not None and keys is not None:
            raise UsageError(f"{key} hangs on {without}, which is absent too: release that with it")
        if not row["proved"]:
            stay[key] = row
        elif key in merged:
            why = f"not lost, but merged into another: {merged[key]} refers to it, and stands in QuickBooks"
            stay[key] = row | {"reason": f"{why}; toolkit requeue {key} releases it all the same"}
        elif without is not None:
            stay[key] = row | {"reason": f"it hangs on {without}, which stays"}
    rows = [row for key, row in listed.items() if key in chosen - stay.keys()]
    names = {row["key"] for row in rows}
    hanging = [row for row in to_rows(absent.hanging) if names & set(row["needs"])]
    return Choice(rows, list(stay.values()), hanging, absent.refresh)


def _merged(absent: Absent) -> dict[str, str]:
    """Return the absent customers and items that documents in QuickBooks refer to, each with one of those."""
    lists = {row["key"] for row in to_rows(absent.records) if row["record_kind"] in LIST_KINDS}
    return {
        key: row["key"]
        for row in to_rows(absent.hanging)
        if row["status"] == "applied"
        for key in row["needs"]
        if key in lists
    }


def release(ws: Workspace, choice: Choice, who: str, note: str) -> list[str]:
    """Release what was chosen; return the keys of pending operations that were skipped with it.

    Nothing is queued and nothing is sent: the next export plans it again.

    Raises
    ------
    LedgerError
        It changed meanwhile, or something that refers to it is on its way. Then nothing is released.
    """
    require_here(ws.path, ws.ledger)
    proof = {row["key"]: row["reason"] for row in choice.rows}
    lost = {row["key"]: row["quickbooks_id"] for row in choice.rows}
    return ws.ledger.release_lost(lost, who, note=note, proof=proof, refresh=choice.refresh)
