"""Commands on the BluBilling side: load, map, carry-forward, export."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from toolkit.cli.shared import (
    EndOption,
    JsonOption,
    StartOption,
    WorkspaceOption,
    date_range,
    emit,
    expanded,
    finish,
    opened,
    person,
)
from toolkit.display import money, show_findings
from toolkit.display_steps import show_matches, show_plan
from toolkit.errors import UsageError
from toolkit.late import late, pd
from toolkit.workspace import QueueResult

if TYPE_CHECKING:
    from toolkit import cutover, extract, mapping
else:
    cutover, extract, mapping = late("toolkit.cutover"), late("toolkit.extract"), late("toolkit.mapping")

CHARGE_KEYS = (
    "contract_code",
    "price_code",
    "status",
    "reason",
    "item_list_id",
    "item_full_name",
    "suggestion",
    "score",
)


def load(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Spreadsheets: .xlsx or .csv.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load BluBilling's spreadsheets as billing.* tables.

    A table is loaded whole or not at all; what is wrong with it is listed by file, sheet, row and column.

    Example: toolkit load customers.csv plans.csv charges.xlsx
    """
    with opened(ctx, workspace) as ws:
        loaded = extract.load(ws, expanded(files))
        document = {"rows": loaded.rows, "gone": loaded.gone, "findings": loaded.findings}

        def show(console: Console) -> None:
            for name, count in loaded.rows.items():
                console.print(f"{name}: {count:,} rows")
            for name, keys in loaded.gone.items():
                console.print(
                    f"{name}: {len(keys):,} rows are gone since the last load: {', '.join(keys[:5])}",
                    markup=False,
                )
            show_findings(console, loaded.findings)

        emit(ctx, as_json, document, show)
    finish(loaded.findings)


def map_(
    ctx: typer.Context,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the workbook.", show_default=False)
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--read", help="Read its decisions.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Match charges, customers and payment methods.

    It lists what does not match exactly: nothing is guessed. Write the workbook, fill its column decision in
    Excel, and read it back.

    Example: toolkit map --write mapping.xlsx
             toolkit map --read mapping.xlsx
    """
    if write and read:
        raise UsageError("--write and --read are two steps: write, decide in Excel, then read")
    with opened(ctx, workspace) as ws:
        decided, findings = 0, None
        if read:
            result = cutover.read_mapping(ws, read, person())
            decided, findings = sum(map(len, result.decisions.values())), result.findings
        matches = cutover.write_mapping(ws, write) if write else cutover.match(ws)
        findings = matches.findings if findings is None else pd.concat([findings, matches.findings])
        counts = mapping.summary(matches.charges)
        document = {
            "counts": counts,
            "charges": matches.charges[list(CHARGE_KEYS)],
            "customers": mapping.summary(matches.customers),
            "payment_methods": mapping.summary(matches.payment_methods),
            "decided": decided,
            "file": str(write) if write else None,
            "findings": findings,
        }

        def show(console: Console) -> None:
            if read:
                console.print(f"{decided} decisions read from {read}", markup=False, soft_wrap=True)
            show_matches(console, matches)
            show_findings(console, findings)
            if write:
                console.print(
                    f"Workbook: {write}. Fill the column decision, then: toolkit map --read {write}",
                    markup=False,
                    soft_wrap=True,
                )

        emit(ctx, as_json, document, show)
    finish(findings)


def carry_forward(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="The upload file.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the open invoices for BluBilling, or say why not.

    It refuses, with the reasons, until every customer is matched and every plan's charges are mapped.
    Invoices that were carried before and are in BluBilling are not written again.

    Example: toolkit carry-forward --out carry_forward.csv
    """
    with opened(ctx, workspace) as ws:
        plan, path = cutover.carry_forward(ws, out)
        document = {
            "ready": plan.ready,
            "rows": len(plan.unwritten),
            "file": str(path) if path else None,
            "findings": plan.findings,
        }

        def show(console: Console) -> None:
            show_findings(console, plan.findings)
            if not plan.ready:
                console.print("Refused: nothing was written. Mend the errors above, then run it again.")
                return
            if plan.standing:
                console.print(
                    f"{len(plan.standing):,} invoices are already in BluBilling: not written again."
                )
            if path is None:
                console.print(
                    "Nothing new to carry: no file was written. Do not upload an earlier one again."
                )
                return
            total = sum(map(Decimal, plan.unwritten["Amount_1"]), Decimal(0))
            console.print(
                f"{len(plan.unwritten):,} invoices, {money(total)} open, written to {path}",
                markup=False,
                soft_wrap=True,
            )
            console.print("Upload it to BluBilling, load its tables again, then export.")

        emit(ctx, as_json, document, show)
    finish(plan.findings, failed=not plan.ready)


def _show_queued(console: Console, queued: QueueResult | None) -> None:
    """Print what was queued, and what a person has to do."""
    if queued is None or (queued.job is None and queued.draft is None):
        console.print("Nothing to send: no job was queued.")
        return
    if queued.job is not None:
        said = "" if queued.approved else ", a draft"
        console.print(f"Job {queued.job}: {queued.operations - queued.waiting:,} operations{said}.")
        if queued.approved:
            console.print("Approved. Next: toolkit serve")
    if queued.draft is not None:
        console.print(
            f"Job {queued.draft}: {queued.waiting:,} operations, a draft: they were tried before, or hang on"
            " what was, so that a person approves them."
        )
    if queued.waits:
        console.print(f"auto_approve waits: {queued.waits}.", markup=False, soft_wrap=True)
    draft = queued.draft if queued.approved else queued.job or queued.draft
    if draft is not None:
        console.print(f"Review: toolkit show {draft}   Approve: toolkit approve {draft}")


LimitOption = Annotated[
    int | None, typer.Option("--limit", help="Documents at most: a pilot.", show_default=False)
]


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
    approve: Annotated[bool, typer.Option("--approve", help="Approve the job at once.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a date range and queue it as an export job, a draft.

    A row that does not pass the gate stays out, with a finding. The draft is sent once somebody approves it.

    Example: toolkit export --start 2026-01-01 --end 2026-01-31 --invoices
             toolkit export --new --customers --invoices --payments
    """
    first, last = date_range(start, end)
    if not new and (first is None or last is None):
        raise UsageError("a range is required: --start D --end D, or --new for everything not yet sent")
    if new and (first or last):
        raise UsageError("--new is everything since the cutover date: leave --start and --end out")
    with opened(ctx, workspace) as ws:
        switches = {"customers": customers, "invoices": invoices, "payments": payments, "credits": credits_}
        plan = cutover.plan_export(ws, start=first, end=last, new=new, limit=limit, **switches)
        approver = person() if approve else None
        queued = ws.queue(plan, approved_by=approver) if len(plan.operations) else None
        left_out = queued.left_out if queued else plan.left_out
        document = {
            "job": queued.job if queued else None,
            "operations": queued.operations if queued else 0,
            "approved": queued is not None and queued.approved,
            "draft": queued.draft if queued else None,
            "waits": queued.waits if queued else "",
            "findings": plan.findings,
            "left_out": left_out,
            "totals": plan.totals,
        }

        def show(console: Console) -> None:
            show_plan(console, plan, left_out)
            _show_queued(console, queued)

        emit(ctx, as_json, document, show)
    finish(plan.findings)
