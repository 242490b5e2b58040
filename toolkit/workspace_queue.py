"""How a plan becomes an export job, and who may let it go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.counted import counted
from toolkit.errors import IllegalTransition, SettingError, UsageError
from toolkit.late import late, pd
from toolkit.ledger import Ledger
from toolkit.ledger_records import ENDED_ATTEMPTS, LIST_KINDS, REFRESHES
from toolkit.settings import Settings
from toolkit.tables import conform, empty, to_rows

if TYPE_CHECKING:
    from toolkit import workspace_unchanged
    from toolkit.transform import Plan
else:
    workspace_unchanged = late("toolkit.workspace_unchanged")

PILOT_DOCUMENTS = 5
AUTO_APPROVED = "auto_approve"
TO_TIE_OUT = "toolkit reconcile --refresh, run the Web Connector, then toolkit reconcile"


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
    approved : bool
        Whether the job may go: somebody approved it, or ``auto_approve`` did.
    draft : int or None
        A second job, with what an unattended run leaves to a person: it was tried before.
    waiting : int
        How many of the operations are in that one.
    waits : str
        Why ``auto_approve``, which is set, let nothing go; else blank.
    """

    job: int | None
    operations: int
    left_out: pd.DataFrame
    approved: bool = False
    draft: int | None = None
    waiting: int = 0
    waits: str = ""


def queue_plan(
    ledger: Ledger,
    settings: Settings,
    tables: Mapping[str, pd.DataFrame],
    plan: Plan,
    approved_by: str | None,
) -> QueueResult:
    """Queue a plan; see :meth:`toolkit.workspace.Workspace.queue`."""
    waits = ""
    if approved_by is None and settings["auto_approve"]:
        waits = why_not_unattended(ledger)
        if not waits:
            workspace_unchanged.require_current(ledger, settings, tables, plan)
            return _queue_unattended(ledger, settings, plan)
    if approved_by is not None:
        _require_pilot_of(ledger, settings, plan.operations)
        workspace_unchanged.require_current(ledger, settings, tables, plan)
    job, left = ledger.add_export(
        plan.operations, approved_by=approved_by, meta=_facts(plan, plan.operations) | _numbered(settings)
    )
    done = len(plan.operations) - len(left)
    approved = approved_by is not None and job is not None
    return QueueResult(job, done, _both(plan.left_out, left), approved, waits=waits)


def _queue_unattended(ledger: Ledger, settings: Settings, plan: Plan) -> QueueResult:
    """Queue a plan without a person, but for what was tried before: that waits for one, as a draft.

    A row that was rejected, cancelled, or lost by QuickBooks and released goes on only when somebody looked
    at it: otherwise a daily run would send it, and have it refused, day by day.
    """
    tried = _tried_before(ledger, plan.operations)
    apart = plan.operations["key"].isin(tried)
    parts = [plan.operations[which] for which in (~apart, apart)]
    _require_pilot_of(ledger, settings, parts[0])
    made: list[int | None] = [None, None]
    counts = [0, 0]
    lefts = [plan.left_out]
    for number, (part, approver) in enumerate(zip(parts, (AUTO_APPROVED, None), strict=True)):
        if len(part):
            facts = _facts(plan, part) | _numbered(settings)
            made[number], left = ledger.add_export(part, approved_by=approver, meta=facts)
            counts[number] = len(part) - len(left)
            lefts.append(left)
    return QueueResult(made[0], sum(counts), _both(*lefts), made[0] is not None, made[1], counts[1])


def _tried_before(ledger: Ledger, planned: pd.DataFrame) -> set[str]:
    """Return the planned keys that an attempt ended of, and what depends on those, down the chain."""
    ended = {row["key"] for row in to_rows(ledger.operations()) if row["status"] in ENDED_ATTEMPTS}
    rows = to_rows(planned[["key", "depends_on"]])
    found = {row["key"] for row in rows} & ended
    while more := {row["key"] for row in rows if found & set(row["depends_on"] or ())} - found:
        found |= more
    return found


def _both(*frames: pd.DataFrame) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return conform(pd.concat(filled), "plan.left_out") if filled else empty("plan.left_out")


def _require_pilot_of(ledger: Ledger, settings: Settings, planned: pd.DataFrame) -> None:
    listed = to_rows(ledger.operations())
    known = {row["key"] for row in listed if row["status"] not in ENDED_ATTEMPTS}
    fresh = [row for row in to_rows(planned) if row["key"] not in known]
    require_pilot(ledger, settings, fresh, "the plan")


def approve_jobs(
    ledger: Ledger,
    settings: Settings,
    tables: Mapping[str, pd.DataFrame],
    jobs: Sequence[int],
    who: str,
    note: str,
) -> None:
    """Let drafts go, all or none; see :meth:`toolkit.workspace.Workspace.approve`."""
    for job in jobs:
        if (now := ledger.job(job).status) != "draft":
            raise IllegalTransition(f"job {job}", now, "queued", "only a draft can be approved")
    by_job = [to_rows(ledger.operations(job)) for job in jobs]
    loaded = sum(any(row["record_kind"] not in LIST_KINDS for row in rows) for rows in by_job)
    named = f"job{'s' if len(jobs) > 1 else ''} {', '.join(map(str, jobs))}"
    require_pilot(ledger, settings, [row for rows in by_job for row in rows], named, jobs=loaded)
    workspace_unchanged.require_unchanged(ledger, settings, tables, jobs)
    for job in jobs:
        ledger.approve(job, who, note)


def queue_draft(ledger: Ledger, plan: Plan) -> QueueResult:
    """Queue corrected rows as a draft, whatever the settings: a cured row is a person's to approve.

    The job tells the days of its documents, and no switch: it is no export of a range.
    """
    dates = sorted(row["txn_date"] for row in to_rows(plan.operations) if row["txn_date"])
    days = {"start": dates[0], "end": dates[-1]} if dates else {"start": None, "end": None}
    facts = _facts(plan, plan.operations) | days | {"switches": ["corrections"], "pilot": False}
    job, left = ledger.add_export(plan.operations, meta=facts) if len(plan.operations) else (None, None)
    both = _both(plan.left_out, empty("plan.left_out") if left is None else left)
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
            f"{counted(carried, 'document was', 'documents were')} carried forward and"
            f" {counted(applied, 'operation')} sent by the present one",
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


def why_not_unattended(ledger: Ledger) -> str:
    """Return why nothing may go without a person's approval, as a clause; blank where it may.

    An export that a person approved must be complete, and the newest tie-out must tie, cover it, and rest on
    the newest re-read: what a later one shows is lost nobody has judged.
    """
    by_hand = {
        job for job in _complete_exports(ledger) if ledger.job(job).approved_by not in (None, AUTO_APPROVED)
    }
    if not by_hand:
        return "no export that a person approved is complete: toolkit approve one, and let it go through"
    found = ledger.last_tie_out()
    if found is None or (found.ties and not by_hand & set(found.facts.get("jobs") or ())):
        return f"no export that a person approved has tied out yet: {TO_TIE_OUT}"
    if not found.ties:
        made = f"the last tie-out, by {found.who} on {found.at:%Y-%m-%d %H:%M}, did not tie"
        return f"{made}: toolkit reconcile tells why; it goes on once one ties again"
    if not found.stands:
        made = f"the last tie-out is of {found.at:%Y-%m-%d %H:%M}"
        return f"{made}, and since then the ledger was restored or a lost record released: {TO_TIE_OUT}"
    if (read := _newest_re_read(ledger)) > int(found.facts.get("refresh") or 0):
        made = f"the last tie-out is of {found.at:%Y-%m-%d %H:%M}"
        return f"{made}, and job {read}, which read it all again since, has none yet: toolkit reconcile"
    return ""


def _newest_re_read(ledger: Ledger) -> int:
    """Return the newest complete re-read of all that was sent; 0 where there is none."""
    rows = to_rows(ledger.jobs())
    return max(
        (row["id"] for row in rows if row["kind"] == REFRESHES and row["status"] == "complete"), default=0
    )


def require_unattended(ledger: Ledger) -> None:
    """Raise ``SettingError`` where ``auto_approve`` may not be set: no manual run has tied out."""
    if why := why_not_unattended(ledger):
        raise SettingError("auto_approve", why, "nothing was changed")


def _numbered(settings: Settings) -> dict[str, Any]:
    """Return the rule that gave the numbers: under another one they are given anew on approval."""
    return {"number_rule": settings["number_rule"]}


def _facts(plan: Plan, operations: pd.DataFrame) -> dict[str, Any]:
    """Return what a person who approves must see: range, counts, totals, warnings."""
    totals: dict[str, dict[str, Any]] = {}
    for row in to_rows(operations):
        name = " ".join(part for part in (row["record_kind"], row["currency"]) if part)
        total = totals.setdefault(name, {"count": 0, "amount": 0})
        total["count"] += 1
        total["amount"] += row["amount"] or 0
    warnings = int((plan.findings["severity"] == "warning").sum())
    pilot = bool((plan.left_out["rule"] == "pilot").any())
    facts = {"start": plan.start, "end": plan.end, "switches": plan.switches, "pilot": pilot}
    return {**facts, "totals": totals, "warnings": warnings, "held": _held(plan)}


def _held(plan: Plan) -> dict[str, list[list[str]]]:
    """Return the source rows that a person held back, by the reason."""
    held: dict[str, list[list[str]]] = {}
    for row in to_rows(plan.left_out[plan.left_out["rule"] == "held"]):
        held.setdefault(row["reason"], []).append([row["source_table"], row["source_key"]])
    return held
