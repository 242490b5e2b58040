"""Commands after an export: reconcile, and requeue for what QuickBooks lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, finish, opened, person, show_kept, typed
from toolkit.counted import counted
from toolkit.display import money, show_findings, terminal_table
from toolkit.display_steps import show_tie_out
from toolkit.errors import UsageError
from toolkit.import_age import import_findings
from toolkit.late import late
from toolkit.tables import from_rows, to_rows

if TYPE_CHECKING:
    from toolkit import cutover, cutover_export, requeue, tie_outs, workbook_plan
    from toolkit.reconcile import TieOut
    from toolkit.reconcile_absent import Absent
else:
    cutover, requeue = late("toolkit.cutover"), late("toolkit.requeue")
    tie_outs, workbook_plan = late("toolkit.tie_outs"), late("toolkit.workbook_plan")
    cutover_export = late("toolkit.cutover_export")

ABSENT = {
    "key": "record",
    "ref_number": "number",
    "customer_full_name": "customer",
    "amount": "amount",
    "applied_at": "applied",
    "job": "by job",
    "quickbooks_id": "was",
    "deleted_at": "deleted there",
}
HANGING = {"key": "record", "status": "status", "amount": "amount", "needs": "hangs on", "reason": "then"}
SECTION = "Applied here, absent in QuickBooks"


ToOption = Annotated[
    Path | None, typer.Option("--to", help="Write it to a workbook, with what is posted by hand.")
]


def reconcile(
    ctx: typer.Context,
    refresh: Annotated[bool, typer.Option("--refresh", help="Queue a re-read of all that was sent.")] = False,
    to: ToOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tie out what QuickBooks holds to what was sent.

    --refresh queues a re-read of all that was sent: run the Web Connector, then reconcile again. What is
    applied here and absent there, after the books were restored say, is listed with its proof: toolkit
    requeue releases it. How it came out is kept: auto_approve rests on a tie-out that ties.

    Example: toolkit reconcile --refresh
             toolkit reconcile
    """
    with opened(ctx, workspace) as ws:
        job = cutover.queue_refresh(ws) if refresh else None
        result = cutover.tie_out(ws)
        absent = requeue.list_absent(ws)
        aside = None if to is None else workbook_plan.write_tie_out(to, result, cutover_export.by_hand(ws))
        kept = tie_outs.keep_tie_out(ws, result, person())
        _, corrections = cutover.corrected_tables(ws)
        findings = import_findings(ws, "reconcile")
        document = {
            "ties": result.ties,
            "totals": result.totals,
            "differences": result.differences,
            "absent": absent.records,
            "hanging": absent.hanging,
            "read_at": result.read_at,
            "kept": {"state": kept.state, "new": kept.new, "why": kept.why},
            "corrections": corrections,
            "findings": findings,
            "refresh_job": job,
            "file": str(to) if to else None,
            "file_kept": str(aside) if aside else None,
        }

        def people(console: Console) -> None:
            if len(result.totals):
                show_tie_out(console, result)
            else:
                console.print("Nothing was sent or carried yet, so there is nothing to tie out.")
            show_kept(console, to, aside)
            show_absent(ctx, console, absent)
            _show_kept_tie_out(console, result, kept)
            if len(corrections):
                console.print("The source counts with these corrections:")
                show_findings(console, corrections)
            if len(findings):
                show_findings(console, findings)
            if job:
                after = typed(ctx, "toolkit reconcile")
                reads = f"Job {job} reads it all again: run the Web Connector, then {after}"
                console.print(reads, markup=False, soft_wrap=True)

        emit(ctx, as_json, document, people)
    finish(failed=not result.ties)


def _show_kept_tie_out(console: Console, result: TieOut, kept: tie_outs.Kept) -> None:
    """Print whether the tie-out was kept, for runs without a person, where that is news."""
    if kept.new or (kept.state == "open" and result.ties and len(result.totals)):
        said = {"ties": "Kept for auto_approve", "differs": "Kept", "open": "Not kept"}
        console.print(f"{said[kept.state]}: {kept.why}.", markup=False)


def show_absent(ctx: typer.Context, console: Console, absent: Absent) -> None:
    """Print what is applied here and absent in QuickBooks, and what hangs on it."""
    if not len(absent.records):
        return
    _show_records(console, to_rows(absent.records), limit=50)
    _show_hanging(console, to_rows(absent.hanging))
    if absent.records["proved"].any():
        release = typed(ctx, 'toolkit requeue --all-absent --note "restored from BACKUP"')
        console.print(f"Release what was lost: {release}", markup=False, soft_wrap=True)


def requeue_(
    ctx: typer.Context,
    operations: Annotated[
        list[str] | None, typer.Argument(help="Keys, as toolkit reconcile prints them.", show_default=False)
    ] = None,
    all_absent: Annotated[
        bool, typer.Option("--all-absent", help="All that a re-read proved to be absent.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="Why: the backup that was restored.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Release them; without it they are only shown.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release what QuickBooks lost, to export it again.

    Only what the newest complete re-read (toolkit reconcile --refresh) proved to be absent. Without --yes it
    shows what it would release. Nothing is queued or sent: the next toolkit export plans it as a draft, which
    a person approves. To take it back, cancel that draft, or do not export.

    Example: toolkit requeue --all-absent
             toolkit requeue --all-absent --note "ACME-2026-01-31.qbb" --yes
    """
    if bool(operations) == all_absent:
        raise UsageError("say what to release: the keys of operations, or --all-absent")
    if yes and not note.strip():
        raise UsageError('a release needs its reason: --note "restored from ACME-2026-01-31.qbb"')
    with opened(ctx, workspace) as ws:
        choice = requeue.choose(requeue.list_absent(ws), operations or None)
        who = person()
        done = bool(yes and choice.rows)
        skipped = requeue.release(ws, choice, who, note) if done else []
        document = {
            "released": done,
            "operations": from_rows("tie_out.absent", choice.rows),
            "totals": _totals(choice.rows),
            "stays": from_rows("tie_out.absent", choice.stay),
            "hanging": from_rows("tie_out.hanging", choice.hanging),
            "skipped": skipped,
            "released_by": who if done else None,
            "note": note,
        }
        emit(ctx, as_json, document, lambda console: _show_choice(ctx, console, choice, done, skipped))
    finish(failed=bool(choice.stay))


def _show_choice(
    ctx: typer.Context, console: Console, choice: requeue.Choice, done: bool, skipped: Sequence[str]
) -> None:
    """Print what is released, or would be, and what stays."""
    if choice.rows:
        _show_records(console, choice.rows, limit=200)
    for row in choice.stay:
        console.print(f"{row['key']} stays: {row['reason']}", markup=False, soft_wrap=True)
    if not choice.rows:
        proved = any(row["proved"] for row in choice.stay)
        console.print(
            "Nothing to release."
            if proved
            else "Nothing is proved to be absent in QuickBooks: nothing to release."
        )
        return
    _show_hanging(console, choice.hanging)
    if not done:
        console.print("Nothing was changed. Release them: the same command with --note and --yes")
        return
    if skipped:
        were = counted(len(skipped), "pending operation was", "pending operations were")
        console.print(f"{were} skipped: {', '.join(skipped[:5])}")
    console.print("Released. Nothing is queued or sent yet.")
    export, approve = typed(ctx, "toolkit export"), typed(ctx, "toolkit approve")
    after = f"Next: {export}, review the draft, then {approve} (or cancel) it"
    console.print(after, markup=False, soft_wrap=True)


def _show_records(console: Console, rows: Sequence[Mapping[str, Any]], limit: int) -> None:
    """Print absent records, their totals, and what proves it, each reason once."""
    console.print(terminal_table(from_rows("tie_out.absent", rows), ABSENT, title=SECTION, limit=limit))
    console.print(_counted(rows), markup=False)
    for why, count in Counter(row["reason"].rpartition("; ")[2] for row in rows).items():
        console.print(f"  {count:,}: {why}", markup=False, soft_wrap=True)


def _show_hanging(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        frame = from_rows("tie_out.hanging", rows)
        console.print(terminal_table(frame, HANGING, title="What hangs on these", limit=50))


def _totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return count and amount by kind and currency."""
    totals: dict[tuple[str, str | None], dict[str, Any]] = {}
    for row in rows:
        place = (row["record_kind"], row["currency"])
        total = totals.setdefault(
            place, {"record_kind": place[0], "currency": place[1], "count": 0, "amount": None}
        )
        total["count"] += 1
        if row["amount"] is not None:
            total["amount"] = (total["amount"] or Decimal("0.00")) + row["amount"]
    return list(totals.values())


def _counted(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return count and totals as a line."""
    parts = [
        f"{total['count']:,} {total['record_kind']}{'' if total['count'] == 1 else 's'}"
        + (
            ""
            if total["amount"] is None
            else f", {money(total['amount'])} {total['currency'] or ''}".rstrip()
        )
        for total in _totals(rows)
    ]
    return "; ".join(parts)
