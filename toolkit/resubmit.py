"""Fix and resubmit: rejected rows out as a workbook, corrections back, and only what was corrected queued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import cutover
from toolkit.corrections import CORRECTIONS, apply_corrections
from toolkit.corrections_checked import SourceRows
from toolkit.corrections_rows import with_row_was
from toolkit.errors import UsageError
from toolkit.ledger_records import ENDED_ATTEMPTS, LIST_KINDS
from toolkit.rejections import Rejection, rejections
from toolkit.tables import conform, empty, from_rows, to_rows
from toolkit.transform import Plan
from toolkit.transform_plan import switches_of
from toolkit.workbook_rejected import RejectedRow, rejected_rows, write_rejected
from toolkit.workbook_rejected_reading import CorrectionsRead, read_rejected
from toolkit.workspace import QueueResult, Workspace
from toolkit.workspace_queue import queue_draft

__all__ = ["Fixed", "Rejected", "list_rejected", "queue_corrected", "read_fix", "write_fix"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """What QuickBooks rejected, and the rows behind it.

    Parameters
    ----------
    rejections : list of Rejection
        One an operation.
    rows : dict
        By table and key, as the workbook shows them.
    kept : Path, optional
        Where :func:`write_fix` found a file: the name under which that is kept.
    """

    rejections: list[Rejection]
    rows: Mapping[str, Mapping[str, RejectedRow]]
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of a workbook that was read back.

    Parameters
    ----------
    read : CorrectionsRead
        What it says.
    kept : int
        How many corrections and withdrawals are new in the ledger.
    queued : QueueResult
        The draft of what was corrected, and what of it stays behind.
    findings : pandas.DataFrame
        On the workbook, on the corrected rows, and on each value that counts by a correction.
    """

    read: CorrectionsRead
    kept: int
    queued: QueueResult
    findings: pd.DataFrame


def list_rejected(ws: Workspace, job: int | None = None) -> Rejected:
    """Return what is rejected by its newest attempt and not corrected and sent again.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    job : int, optional
        Of this job only; ``LedgerError`` where there is none.
    """
    if job is not None:
        ws.ledger.job(job)
    tables, _ = cutover.corrected_tables(ws)
    found = rejections(tables, job)
    return Rejected(found, rejected_rows(tables, found))


def write_fix(ws: Workspace, path: Path, job: int | None = None) -> Rejected:
    """Write the rejected rows to a workbook and return them.

    Raises
    ------
    UsageError
        Nothing is rejected. No file is written.
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    found = list_rejected(ws, job)
    if not found.rejections:
        where = f"job {job}" if job is not None else "any job"
        said = f"nothing of BluBilling's rows is rejected in {where}, so there is nothing to fix"
        raise UsageError(f"{said}{_items_by_hand(ws, job)}")
    kept = write_rejected(
        path,
        rows=found.rows,
        corrections=ws.read(CORRECTIONS),
        company=ws.company,
        workspace_id=ws.id,
        stamp=ws.ledger.decisions_stamp(),
    )
    return replace(found, kept=kept)


def _items_by_hand(ws: Workspace, job: int | None) -> str:
    """Return how the items by hand are changed that are rejected: they are no rows of BluBilling's."""
    names = [
        row["source_key"]
        for row in to_rows(ws.read("ledger.operations"))
        if row["status"] == "rejected" and row["record_kind"] == "item" and job in (None, row["job"])
    ]
    if not names:
        return ""
    cure = "toolkit import items where it is in QuickBooks by now, or toolkit map --write mapping.xlsx"
    return f"; of the items by hand {', '.join(names[:3])} is rejected: {cure}, sheet Items by hand"


def read_fix(ws: Workspace, path: Path, who: str) -> Fixed:
    """Keep the corrections of a workbook in the ledger and queue what they put right, as a draft.

    Reading the same workbook twice changes nothing.

    Raises
    ------
    InputFileError
        The file is no workbook of rejected rows, or one of another workspace. Nothing is changed.
    """
    with ws.lock():
        sources = ws.tables()
        corrections = sources[CORRECTIONS]
        effective, _ = apply_corrections(sources, corrections)
        read = read_rejected(
            path,
            rows=rejected_rows(effective, rejections(effective)),
            effective=effective,
            sources=sources,
            corrections=corrections,
            workspace_id=ws.id,
            who=who,
            cutover=ws.settings.cutover_date,
        )
        made = with_row_was(read.corrections, SourceRows(sources).row)
        kept = ws.ledger.decide("corrections", made, who)
        queued, found = queue_corrected(ws)
    both = [frame for frame in (read.findings, found) if len(frame)]
    return Fixed(read, kept, queued, conform(pd.concat(both), "findings") if both else empty("findings"))


def queue_corrected(ws: Workspace) -> tuple[QueueResult, pd.DataFrame]:
    """Queue the rejected operations that were corrected since, and what was skipped for them, as a draft.

    They pass the gate once more, under the same keys. What is left out is told with its reason.

    Returns
    -------
    tuple
        What was queued, and ``findings`` on the rows in question.
    """
    tables, _ = cutover.corrected_tables(ws)
    standing = to_rows(tables["ledger.operations"])
    made: dict[tuple[str, str], int] = {}
    for row in to_rows(tables[CORRECTIONS]):
        place = (row["table"], row["key"])
        made[place] = max(made.get(place, 0), row["job"] or 0)
    corrected = {
        each.operation
        for each in rejections(tables)
        # A receipt in parts may have been rejected in several jobs: the correction answers them all.
        if any(made.get(place, 0) >= each.job for place in each.rows)
    }
    if not corrected:
        return QueueResult(None, 0, empty("plan.left_out")), empty("findings")
    wanted = corrected | _hanging_on(standing, corrected)
    switches = dict.fromkeys(switches_of(standing, wanted), True)
    plan = cutover.plan_export(ws, new=True, qbxml=False, **switches)
    chosen, held = _chosen(plan, standing, wanted)
    rows = {(row["source_table"], row["source_key"]) for row in standing if row["key"] in wanted}
    behind = {place for each in rejections(tables) if each.operation in wanted for place in each.rows}
    part = replace(
        plan,
        operations=conform(plan.operations[plan.operations["key"].isin(chosen)], "plan.operations"),
        findings=_on(plan.findings, rows | behind),
        left_out=_left_out(plan, rows, held),
    )
    return queue_draft(ws.ledger, part), part.findings


def _hanging_on(standing: Iterable[Mapping[str, Any]], corrected: set[str]) -> set[str]:
    """Return the operations that were skipped because of what they depend on, down the chain."""
    rows = [row for row in standing if row["status"] == "skipped"]
    found: set[str] = set()
    while True:
        more = {row["key"] for row in rows if (corrected | found) & set(row["depends_on"] or ())} - found
        if not more:
            return found
        found |= more


def _chosen(
    plan: Plan, standing: Iterable[Mapping[str, Any]], wanted: set[str]
) -> tuple[set[str], dict[str, str]]:
    """Return the operations to queue, and those held back with what they wait for.

    What a wanted operation needs and was never tried, a new item say, comes along; what was rejected and not
    corrected does not, and holds it back.
    """
    planned = {row["key"]: row for row in to_rows(plan.operations)}
    ended = {row["key"] for row in standing if row["status"] in ENDED_ATTEMPTS}
    held: dict[str, str] = {}

    def needs(key: str, chain: frozenset[str]) -> set[str] | None:
        found = {key}
        for other in planned[key]["depends_on"] or ():
            if other not in planned or other in chain:
                continue
            fresh = planned[other]["record_kind"] in LIST_KINDS and other not in ended
            below = needs(other, chain | {key}) if other in wanted or fresh else None
            if below is None:
                held[key] = other
                return None
            found |= below
        return found

    chosen: set[str] = set()
    for key in sorted(wanted & planned.keys()):
        chosen |= needs(key, frozenset()) or set()
    return chosen, held


def _on(findings: pd.DataFrame, rows: set[tuple[str, str]]) -> pd.DataFrame:
    """Return the findings on some rows, and those on no row of BluBilling's."""
    kept = [
        row
        for row in to_rows(findings)
        if (row["table"], row["key"]) in rows or not str(row["table"] or "").startswith("billing.")
    ]
    return from_rows("findings", kept)


def _left_out(plan: Plan, rows: set[tuple[str, str]], held: Mapping[str, str]) -> pd.DataFrame:
    """Return the wanted rows that stay behind: by the gate, or for what they hang on."""
    kept = [row for row in to_rows(plan.left_out) if (row["source_table"], row["source_key"]) in rows]
    names = ("source_table", "source_key", "account_number", "txn_date", "amount", "currency", "source")
    for row in to_rows(plan.operations):
        if row["key"] in held:
            reason = f"depends on {held[row['key']]}, which was rejected and is not corrected"
            waits = {**{name: row[name] for name in names}, "rule": "depends_on_blocked", "reason": reason}
            kept.append(waits)
    return from_rows("plan.left_out", kept)
