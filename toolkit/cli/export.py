"""The command that plans an export and queues it: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from toolkit.cli.shared import (
    EndOption,
    JsonOption,
    StartOption,
    WorkspaceOption,
    date_range,
    emit,
    finish,
    opened,
    person,
    show_kept,
    show_review,
    typed,
)
from toolkit.counted import counted
from toolkit.display_steps import show_plan
from toolkit.errors import UsageError
from toolkit.late import late, pd
from toolkit.workspace import QueueResult

if TYPE_CHECKING:
    from toolkit import cutover, cutover_export, workbook_plan
    from toolkit.transform import Plan
else:
    cutover, cutover_export = late("toolkit.cutover"), late("toolkit.cutover_export")
    workbook_plan = late("toolkit.workbook_plan")


def _show_queued(ctx: typer.Context, console: Console, queued: QueueResult | None) -> None:
    """Print what was queued, and what a person has to do."""
    if queued is None or (queued.job is None and queued.draft is None):
        console.print("Nothing to send: no job was queued.")
        return
    if queued.job is not None:
        said = "" if queued.approved else ", a draft"
        console.print(f"Job {queued.job}: {counted(queued.operations - queued.waiting, 'operation')}{said}.")
        if queued.approved:
            following = typed(ctx, "toolkit serve")
            console.print(f"Approved. Next: {following}", markup=False, soft_wrap=True)
    if queued.draft is not None:
        many = counted(queued.waiting, "operation")
        console.print(
            f"Job {queued.draft}: {many}, a draft: tried before, or hanging on what was, so that a person "
            "approves it."
        )
    if queued.waits:
        console.print(f"auto_approve waits: {queued.waits}.", markup=False, soft_wrap=True)
    draft = queued.draft if queued.approved else queued.job or queued.draft
    if draft is not None:
        show_review(ctx, console, draft)


HoldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hold",
        help="Hold rows back by a column of plan.operations: account_number=BW-1001|BW-1002 as written,"
        " customer_full_name~acme for a part in any case, joined by and; quotes around a value.",
        show_default=False,
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", help="Send these rows and what they need; hold the rest.", show_default=False),
]
ToOption = Annotated[
    Path | None, typer.Option("--to", help="Write the plan to a workbook.", show_default=False)
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", help="Documents at most: a pilot.", show_default=False)
]


def _filters(plan: Plan, hold: list[str], only: list[str]) -> list[dict[str, Any]]:
    """Return what each filter chose of the plan as it was."""
    return [
        {"option": option, "filter": text, "operations": number}
        for option, texts in (("--only", only), ("--hold", hold))
        for text, number in cutover_export.matched(plan, texts).items()
    ]


def _told(plan: Plan, queued: QueueResult | None, left_out: pd.DataFrame) -> dict[str, Any]:
    """Return what programs are told of an export."""
    return {
        "job": queued.job if queued else None,
        "operations": queued.operations if queued else 0,
        "approved": queued is not None and queued.approved,
        "draft": queued.draft if queued else None,
        "waits": queued.waits if queued else "",
        "findings": plan.findings,
        "left_out": left_out,
        "totals": plan.totals,
        "held": list(plan.held["key"]),
        "post_by_hand": plan.post_by_hand,
    }


def export(
    ctx: typer.Context,
    start: StartOption = None,
    end: EndOption = None,
    new: Annotated[
        bool, typer.Option("--new", help="Everything since the cutover that was not sent.")
    ] = False,
    customers: Annotated[bool, typer.Option("--customers", help="New customers.")] = False,
    invoices: Annotated[bool, typer.Option("--invoices", help="Invoices by invoice date.")] = False,
    payments: Annotated[bool, typer.Option("--payments", help="Payments by effective date.")] = False,
    credits_: Annotated[bool, typer.Option("--credits", help="House credits.")] = False,
    limit: LimitOption = None,
    hold: HoldOption = None,
    only: OnlyOption = None,
    to: ToOption = None,
    approve: Annotated[bool, typer.Option("--approve", help="Approve the job at once.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a date range and queue it as an export job, a draft.

    A row that does not pass the gate stays out, with a finding. The draft is sent once somebody approves it.
    What --hold and --only keep back is left out with what depends on it; the next export has it again. A
    value that no row has, sent or not, is refused, and nothing is queued.

    Example: toolkit export --start 2026-01-01 --end 2026-01-31 --invoices
             toolkit export --new --customers --invoices --payments
             toolkit export --new --invoices --hold account_number=BW-1001
    """
    first, last = date_range(start, end)
    if not new and (first is None or last is None):
        raise UsageError("a range is required: --start D --end D, or --new for everything not yet sent")
    if new and (first or last):
        raise UsageError("--new is everything since the cutover date: leave --start and --end out")
    with opened(ctx, workspace) as ws:
        switches = {"customers": customers, "invoices": invoices, "payments": payments, "credits": credits_}
        plan = cutover.plan_export(ws, start=first, end=last, new=new, limit=limit, **switches)
        plan = cutover_export.filtered(plan, hold or (), only or (), ws)
        filters = _filters(plan, hold or [], only or [])
        kept = None if to is None else workbook_plan.write_plan(to, plan)
        approver = person() if approve else None
        queued = ws.queue(plan, approved_by=approver) if len(plan.operations) else None
        left_out = queued.left_out if queued else plan.left_out
        document = _told(plan, queued, left_out) | {"filters": filters, "kept": str(kept) if kept else None}

        def show(console: Console) -> None:
            show_plan(console, plan, left_out)
            for one in filters:
                said = f"{one['option']} {one['filter']} chose {counted(one['operations'], 'operation')}."
                console.print(said, markup=False, soft_wrap=True)
            if filters:
                held = counted(len(plan.held), "operation is", "operations are")
                console.print(f"{held} held, with what depends on {'it' if len(plan.held) == 1 else 'them'}.")
            show_kept(console, to, kept)
            _show_queued(ctx, console, queued)

        emit(ctx, as_json, document, show)
    finish(plan.findings)
