"""A tie-out that counts: kept in the ledger, because unattended exports rest on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolkit.counted import counted
from toolkit.reconcile import TieOut
from toolkit.reconcile_absent import Place, place_of
from toolkit.reconcile_carried import CARRIED
from toolkit.refresh import newest_re_read
from toolkit.tables import to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_place import elsewhere

__all__ = ["Kept", "keep_tie_out"]

_UNDER_WAY = ("pending", "sent")
_TOTALS = (
    "record_kind",
    "currency",
    "queued_count",
    "queued_amount",
    "quickbooks_count",
    "quickbooks_amount",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether a tie-out counts, and what it says.

    Parameters
    ----------
    state : {"ties", "differs", "open"}
        ``open``: it proves nothing yet, and nothing was kept.
    new : bool
        Whether it was kept just now; else it stood already, or nothing is kept.
    why : str
        For people.
    """

    state: str
    new: bool
    why: str


def keep_tie_out(ws: Workspace, result: TieOut, who: str) -> Kept:
    """Keep in the ledger how a tie-out came out, if it proves anything.

    It ties where every difference has its reason and a complete re-read read back all that was applied, after
    it was sent. While what is missing is only still to be sent it is open, and what stood before stands.

    Parameters
    ----------
    ws : Workspace
        Where to keep it.
    result : TieOut
        Of the workspace, as it is now.
    who : str
        The person who made it.
    """
    operations = to_rows(ws.read("ledger.operations"))
    applied = [row for row in operations if row["status"] == "applied"]
    if not applied:
        return Kept("open", False, "nothing was sent yet")
    if ws.read_only or elsewhere(ws.path, ws.ledger):
        return Kept("open", False, "the workspace can only be looked at here")
    totals = [{name: row[name] for name in _TOTALS} for row in to_rows(result.totals)]
    facts: dict[str, Any] = {"jobs": sorted({row["job"] for row in applied}), "totals": totals}
    if not result.ties:
        open_ends = [row for row in to_rows(result.differences) if not row["explained"]]
        to_come = _still_to_come(ws, operations)
        wrong = sorted({row["key"] for row in open_ends if not to_come(row)})
        if open_ends and not wrong:
            still = counted(len(open_ends), "record is", "records are")
            return Kept("open", False, f"{still} still to be sent, or on their way")
        facts |= {"open_ends": wrong[:20], "count": len(wrong)}
        new = ws.ledger.keep_tie_out(False, who, facts)
        return Kept("differs", new, "it does not tie: nothing goes without a person until it does")
    read = newest_re_read(ws)
    if read is None or not _all_read(ws, applied, read[1], read[2]):
        why = "not all that was sent was read back since: toolkit reconcile --refresh, then the Web Connector"
        return Kept("open", False, why)
    facts["refresh"] = read[0]
    new = ws.ledger.keep_tie_out(True, who, facts)
    return Kept("ties", new, f"it ties, with all of it read back by job {read[0]}")


def _all_read(
    ws: Workspace, applied: list[dict[str, Any]], queued: dt.datetime, asked: frozenset[Place]
) -> bool:
    """Return whether a re-read asked for all that was applied, after it was: an id may come back."""
    applied_at = ws.ledger.applied_since()
    return all(
        place_of(row) in asked and row["key"] in applied_at and applied_at[row["key"]] < queued
        for row in applied
    )


def _still_to_come(ws: Workspace, operations: list[dict[str, Any]]) -> Callable[[dict[str, Any]], bool]:
    """Return what tells of a difference whether its record was not sent yet, so that nothing is wrong."""
    under_way = {row["key"] for row in operations if row["status"] in _UNDER_WAY}
    known = {row[name] for row in operations for name in ("key", "source_key")}
    known |= set(ws.read("ledger.crosswalk")["key"])

    def to_come(row: dict[str, Any]) -> bool:
        queued = row["key"] in under_way
        fresh = row["key"] not in known and row["meant"] is not None and row["record_kind"] != CARRIED
        return row["in_quickbooks"] is None and (queued or fresh)

    return to_come
