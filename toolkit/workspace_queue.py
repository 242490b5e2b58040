"""How a plan becomes an export job, and who may let it go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.errors import SettingError, UsageError
from toolkit.late import pd
from toolkit.ledger import Ledger
from toolkit.ledger_records import ENDED_ATTEMPTS, LIST_KINDS
from toolkit.settings import Settings
from toolkit.tables import conform, empty, to_rows

if TYPE_CHECKING:
    from toolkit.transform import Plan

PILOT_DOCUMENTS = 5
AUTO_APPROVED = "auto_approve"


@dataclass(frozen=True, slots=True)
class QueueResult:
    """What became of a plan that was queued.

    Parameters
    ----------
    job : int or None
        The job; ``None`` where nothing was left to queue.
    operations : int
        How many operations it has.
    left_out : pandas.DataFrame
        What the plan and the queue left out, and why (``plan.left_out``).
    """

    job: int | None
    operations: int
    left_out: pd.DataFrame


def queue_plan(ledger: Ledger, settings: Settings, plan: Plan, approved_by: str | None) -> QueueResult:
    """Queue a plan; see :meth:`toolkit.workspace.Workspace.queue`."""
    if approved_by is None and settings["auto_approve"] and _may_go_by_itself(ledger):
        approved_by = AUTO_APPROVED
    if approved_by is not None:
        listed = to_rows(ledger.operations())
        known = {row["key"] for row in listed if row["status"] not in ENDED_ATTEMPTS}
        fresh = [row for row in to_rows(plan.operations) if row["key"] not in known]
        require_pilot(ledger, settings, fresh, "the plan")
    job, left = ledger.add_export(plan.operations, approved_by=approved_by, meta=_facts(plan))
    frames = [frame for frame in (plan.left_out, left) if len(frame)]
    both = conform(pd.concat(frames), "plan.left_out") if frames else empty("plan.left_out")
    return QueueResult(job, len(plan.operations) - len(left), both)


def queue_draft(ledger: Ledger, plan: Plan) -> QueueResult:
    """Queue corrected rows as a draft, whatever the settings: a cured row is a person's to approve.

    The job tells the days of its documents, and no switch: it is no export of a range.
    """
    dates = sorted(row["txn_date"] for row in to_rows(plan.operations) if row["txn_date"])
    days = {"start": dates[0], "end": dates[-1]} if dates else {"start": None, "end": None}
    facts = _facts(plan) | days | {"switches": ["corrections"], "pilot": False}
    job, left = ledger.add_export(plan.operations, meta=facts) if len(plan.operations) else (None, None)
    frames = [frame for frame in (plan.left_out, left) if frame is not None and len(frame)]
    both = conform(pd.concat(frames), "plan.left_out") if frames else empty("plan.left_out")
    return QueueResult(job, len(plan.operations) - (0 if left is None else len(left)), both)


def require_pilot(
    ledger: Ledger, settings: Settings, operations: Sequence[Mapping[str, Any]], what: str, *, jobs: int = 1
) -> None:
    """Raise ``UsageError`` where the first export has more documents than a pilot may, or is a second one."""
    if not settings["pilot"]:
        return
    if _complete_exports(ledger):
        return
    documents = sum(row["record_kind"] not in LIST_KINDS for row in operations)
    if documents <= PILOT_DOCUMENTS:
        if jobs > 1:
            raise UsageError(f"{what}: the first is a pilot: approve one, let it go through, then the others")
        if (under_way := _pilots_under_way(ledger)) and documents:
            raise UsageError(
                f"job {under_way[0]} is the pilot and not complete: let it go through, look at it in"
                " QuickBooks, then approve the next; or go without a pilot with `toolkit set pilot false`"
            )
        return
    raise UsageError(
        f"{what} has {documents} documents, and the first export of a workspace is a pilot of at most"
        f" {PILOT_DOCUMENTS}: `toolkit cancel` it, export with --limit {PILOT_DOCUMENTS}, look at those in"
        " QuickBooks, then export the rest; or go without a pilot with `toolkit set pilot false`"
    )


def require_movable_cutover(ledger: Ledger) -> None:
    """Raise ``SettingError`` where documents were carried or sent: they stand on the date they went by."""
    carried = int((ledger.crosswalk()["origin"] == "quickbooks").sum())
    applied = int((ledger.operations()["status"] == "applied").sum())
    if carried or applied:
        raise SettingError(
            "cutover_date",
            f"{carried:,} documents were carried forward and {applied:,} operations sent by the present one",
            "it stays; for another date make a new workspace with toolkit init",
        )


def _complete_exports(ledger: Ledger) -> list[int]:
    rows = to_rows(ledger.jobs())
    return [row["id"] for row in rows if row["kind"] == "export" and row["status"] == "complete"]


def _pilots_under_way(ledger: Ledger) -> list[int]:
    """Return the export jobs with documents that were approved and can still send."""
    active = {
        row["id"]
        for row in to_rows(ledger.jobs())
        if row["kind"] == "export" and row["status"] in ("queued", "running", "held")
    }
    return sorted(
        job
        for job in active
        if any(row["record_kind"] not in LIST_KINDS for row in to_rows(ledger.operations(job)))
    )


def _may_go_by_itself(ledger: Ledger) -> bool:
    """Return whether an export that a person approved is complete."""
    approvers = {ledger.job(job).approved_by for job in _complete_exports(ledger)}
    return bool(approvers - {None, AUTO_APPROVED})


def _facts(plan: Plan) -> dict[str, Any]:
    """Return what a person who approves must see: range, counts, totals, warnings."""
    totals: dict[str, dict[str, Any]] = {}
    for row in to_rows(plan.operations):
        name = " ".join(part for part in (row["record_kind"], row["currency"]) if part)
        total = totals.setdefault(name, {"count": 0, "amount": 0})
        total["count"] += 1
        total["amount"] += row["amount"] or 0
    warnings = int((plan.findings["severity"] == "warning").sum())
    pilot = bool((plan.left_out["rule"] == "pilot").any())
    facts = {"start": plan.start, "end": plan.end, "switches": plan.switches, "pilot": pilot}
    return {**facts, "totals": totals, "warnings": warnings}
