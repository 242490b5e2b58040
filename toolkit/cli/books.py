"""Commands on the QuickBooks side: import, land, add-item, serve, rehearse."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from toolkit import extract
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
    progress_of,
    typed,
)
from toolkit.counted import counted
from toolkit.display import show_findings, show_left_behind, terminal_table
from toolkit.errors import UsageError
from toolkit.tables_left_out import left_out_reason

KINDS = ("items", "customers", "invoices", "payments", "sales_receipts", "receivables", "lists", "all")


def import_(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help=" | ".join(KINDS), show_default=False)],
    start: StartOption = None,
    end: EndOption = None,
    active_only: Annotated[bool, typer.Option("--active-only", help="Leave inactive records out.")] = False,
    open_only: Annotated[bool, typer.Option("--open-only", help="Open invoices only.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Queue import jobs for the Web Connector.

    Dates are inclusive: transaction dates for transactions, modified since --start for lists.

    Example: toolkit import all
             toolkit import items --start 2000-01-01
    """
    if kind not in KINDS:
        raise UsageError(f"{kind}: there is no such import; choose one of {', '.join(KINDS)}")
    _require_choice(kind, active_only=active_only, open_only=open_only)
    first, last = date_range(start, end)
    with opened(ctx, workspace) as ws:
        ids = ws.queue_import(kind, start=first, end=last, active_only=active_only, open_only=open_only)
        warnings = _end_warnings(kind, end)
        document = {"jobs": ids, "warnings": warnings}

        def show(console: Console) -> None:
            for warning in warnings:
                console.print(f"warning: {warning}", markup=False)
            console.print(f"Queued: job{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}.")
            serve, jobs = typed(ctx, "toolkit serve"), typed(ctx, "toolkit jobs")
            console.print(
                f"Start `{serve}`. On the QuickBooks machine open the Web Connector, tick",
                markup=False,
                soft_wrap=True,
            )
            console.print(
                f"{ws.company} and press Update Selected. Then: {jobs}", markup=False, soft_wrap=True
            )

        emit(ctx, as_json, document, show)


def _require_choice(kind: str, *, active_only: bool, open_only: bool) -> None:
    """Raise where a switch would change nothing: whoever gave it expects that it does."""
    if active_only and kind not in ("items", "customers", "all"):
        raise UsageError(f"--active-only is for items, customers and all: {kind} has no inactive records")
    if open_only and kind != "invoices":
        why = "reads open invoices anyway" if kind in ("receivables", "all") else "cannot be asked for so"
        raise UsageError(f"--open-only is for invoices: {kind} {why}")


def _end_warnings(kind: str, end: str | None) -> list[str]:
    if end is None or kind in ("invoices", "payments", "sales_receipts", "receivables"):
        return []
    return [f"--end {end} hides list records that were edited after it: leave it out to get them all"]


def land(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="Saved answers: .xml, .gz or .zst.", show_default=False)
    ],
    job: Annotated[
        int | None, typer.Option("--job", help="The import job they answer.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Land saved qbXML answers as quickbooks.* tables.

    They go through the same door as those the Web Connector brings; --job says which job they answer.
    What an answer holds and no table keeps is counted: --json names each element, and why if on purpose.

    Example: toolkit land answers/items.xml
             toolkit land answers/customers.xml.gz --job 2
    """
    with opened(ctx, workspace) as ws:
        with progress_of("reading", as_json=as_json) as told:
            landed = extract.land(ws, expanded(files), job=job, told=told)
        document = {
            "job": landed.job,
            "complete": landed.complete,
            "records": landed.records,
            "tables": landed.tables,
            "findings": landed.findings,
            "left_behind": landed.left_behind,
            "left_behind_on_purpose": {
                path: reason for path in landed.left_behind if (reason := left_out_reason(path))
            },
        }

        def show(console: Console) -> None:
            for name, rows in landed.tables.items():
                if rows:
                    console.print(f"{name}: {counted(rows, 'row')}")
            if not landed.records:
                asked = ", ".join(sorted({status.request for status in landed.statuses}))
                console.print(f"no record to keep in the answer to {asked or 'nothing'}", markup=False)
            if not landed.complete:
                console.print(f"job {landed.job} waits for more answers")
            if landed.left_behind:
                show_left_behind(console, landed.left_behind)
            show_findings(console, landed.findings)

        emit(ctx, as_json, document, show)
    finish(landed.findings)


def add_item(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Full name.", show_default=False)],
    item_type: Annotated[
        str, typer.Option("--type", help="Service, NonInventory or OtherCharge.", show_default=False)
    ],
    income_account: Annotated[str, typer.Option("--income-account", help="Full name.", show_default=False)],
    tax_code: Annotated[
        str | None, typer.Option("--tax-code", help="For example Non.", show_default=False)
    ] = None,
    description: Annotated[str | None, typer.Option("--description", show_default=False)] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="For example 19.90.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter an item by hand, without an import.

    It stays local until an export that needs it creates it in QuickBooks.

    Example: toolkit add-item "Backup" --type Service --income-account "Sales"
    """
    try:
        amount = None if price is None else Decimal(price)
    except InvalidOperation as error:
        raise UsageError(f"--price {price}: not a number like 19.90") from error
    row = {
        "name": name,
        "item_type": item_type,
        "income_account_full_name": income_account,
        "sales_tax_code_full_name": tax_code,
        "description": description,
        "price": amount,
        "entered_by": person(),
    }
    with opened(ctx, workspace) as ws:
        findings = extract.add_local_item(ws, row)
        added = not (findings["severity"] == "error").any()

        def show(console: Console) -> None:
            show_findings(console, findings)
            if added:
                console.print(
                    f"{name} is entered; map a charge to it and it goes out with the export.", markup=False
                )

        emit(ctx, as_json, {"added": added, "findings": findings}, show)
    finish(findings)


def rehearse(
    ctx: typer.Context,
    faults: Annotated[
        int, typer.Option("--faults", min=0, help="Faults: the server killed, answers lost, doubled, ...")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Which ones: the same seed, the same faults.")] = 0,
    kills: Annotated[
        int | None,
        typer.Option("--kills", min=0, help="How many kill the server; one in six.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the queue against a simulated QuickBooks, on a copy.

    The company is made of this workspace's tables. Drafts are run too. The real ledger and tables are never
    touched. With --faults the server is killed and answers are lost on the way; at the end company and
    ledger are compared row by row.

    Example: toolkit rehearse
             toolkit rehearse --faults 30 --seed 1
    """
    from toolkit.rehearse import rehearse as run_rehearsal

    with opened(ctx, workspace) as ws:
        report = run_rehearsal(ws, faults=faults, seed=seed, kills=kills)

        def show(console: Console) -> None:
            console.print(f"REHEARSAL of {ws.company}: {report.outcome}", markup=False)
            console.print(
                "It knows what was imported and no more: a vendor that was entered since, say, it does not."
            )
            for fault in report.faults:
                console.print(f"  planted: {fault}", markup=False)
            for difference in report.differences:
                console.print(f"  DIFFERS: {difference}", markup=False)
            if report.differences and faults:
                chosen = "" if kills is None else f" --kills {kills}"
                again = typed(ctx, f"toolkit rehearse --faults {faults} --seed {seed}{chosen}")
                console.print(f"Again: {again}", markup=False, soft_wrap=True)
            columns = ("id", "kind", "status", "total", "applied", "rejected", "unknown", "skipped")
            console.print(terminal_table(report.jobs, columns))
            if len(report.rejected):
                console.print(
                    terminal_table(report.rejected, ("key", "status", "status_message"), title="Not applied")
                )

        document = {
            "outcome": report.outcome,
            "good": report.good,
            "jobs": report.jobs,
            "rejected": report.rejected,
            "faults": report.faults,
            "differences": report.differences,
        }
        emit(ctx, as_json, document, show)
    finish(failed=not report.good)
