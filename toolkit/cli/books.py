"""Commands on the QuickBooks side: import, land, table, add-item, serve, rehearse."""

from __future__ import annotations

import signal
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

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
    finish,
    opened,
    person,
)
from toolkit.display import columns_for_people, show_findings, terminal_table
from toolkit.errors import UsageError
from toolkit.tables import TABLES
from toolkit.workbook_tables import write_table

KINDS = ("items", "customers", "invoices", "payments", "receivables", "lists", "all")


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
    """Queue import jobs; the Web Connector carries them out.

    Dates are inclusive: transaction dates for transactions, modified since --start for lists.

    Example: toolkit import items --start 2000-01-01
    """
    if kind not in KINDS:
        raise UsageError(f"{kind}: there is no such import; choose one of {', '.join(KINDS)}")
    first, last = date_range(start, end)
    with opened(ctx, workspace) as ws:
        ids = ws.queue_import(kind, start=first, end=last, active_only=active_only, open_only=open_only)
        warnings = _end_warnings(kind, end)
        document = {"jobs": ids, "warnings": warnings}

        def show(console: Console) -> None:
            for warning in warnings:
                console.print(f"warning: {warning}", markup=False)
            console.print(f"Queued: job {', '.join(map(str, ids))}.")
            console.print("Start `toolkit serve`; on the QuickBooks machine open the Web Connector, tick")
            console.print(f"{ws.company} and press Update Selected. Then: toolkit jobs", markup=False)

        emit(ctx, as_json, document, show)


def _end_warnings(kind: str, end: str | None) -> list[str]:
    if end is None or kind in ("invoices", "payments", "receivables"):
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
    """Land saved qbXML answers as tables, through the same door as the Web Connector's.

    Example: toolkit land answers/items.xml
    """
    with opened(ctx, workspace) as ws:
        landed = extract.land(ws, files, job=job)
        document = {
            "job": landed.job,
            "complete": landed.complete,
            "records": landed.records,
            "tables": landed.tables,
            "findings": landed.findings,
            "left_behind": landed.left_behind,
        }

        def show(console: Console) -> None:
            for name, rows in landed.tables.items():
                console.print(f"{name}: {rows:,} rows")
            if not landed.complete:
                console.print(f"job {landed.job} waits for more answers")
            if landed.left_behind:
                total = sum(landed.left_behind.values())
                console.print(
                    f"left behind: {total:,} elements of {len(landed.left_behind)} kinds (see --json)"
                )
            show_findings(console, landed.findings)

        emit(ctx, as_json, document, show)
    finish(landed.findings)


def table(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="For example quickbooks.items.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to a workbook.", show_default=False)
    ] = None,
    rows: Annotated[int, typer.Option("--rows", help="Rows to show.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a table, or export it to Excel.

    Example: toolkit table quickbooks.items --to items.xlsx
    """
    if name not in TABLES:
        near = [known for known in TABLES if known.split(".")[-1] == name.split(".")[-1]]
        raise UsageError(f"{name}: no such table" + (f"; did you mean {near[0]}?" if near else ""))
    with opened(ctx, workspace) as ws:
        frame = ws.read(name)
        if to is not None:
            write_table(to, name, frame)
        document: dict[str, Any] = {"table": name, "rows": len(frame), "file": str(to) if to else None}
        if to is None:
            document["records"] = frame

        def show(console: Console) -> None:
            if to is not None:
                console.print(f"{len(frame):,} rows written to {to}", markup=False)
                return
            console.print(f"{name}: {len(frame):,} rows")
            console.print(terminal_table(frame, columns_for_people(name, frame), limit=rows))

        emit(ctx, as_json, document, show)


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
    """Enter an item by hand; it stays local until an export creates it in QuickBooks.

    Example: toolkit add-item "Hosting:Backup" --type Service --income-account "Hosting Income"
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


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "localhost",
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 8085,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate file.", show_default=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Key file.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the Web Connector until Ctrl-C.

    Example: toolkit serve --port 8085
    """
    from toolkit.wc_http import Server

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    with opened(ctx, workspace) as ws, ws.reserve():
        server = Server(ws, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key)
        server.start()
        typer.echo(f"Listening on {server.url} for {ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}")
        typer.echo(f"Support page: {server.url}support  Stop with Ctrl-C.")
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda number, frame: server.ask_to_stop())
        server.wait()
        server.stop()
        typer.echo("Stopped.")


def rehearse(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Run the queue against the simulated QuickBooks made from this workspace's tables, on a scratch copy.

    The real ledger and tables are never touched.

    Example: toolkit rehearse
    """
    from toolkit.rehearse import rehearse as run_rehearsal

    with opened(ctx, workspace) as ws:
        report = run_rehearsal(ws)

        def show(console: Console) -> None:
            console.print(f"REHEARSAL of {ws.company}: {report.outcome}", markup=False)
            columns = ("id", "kind", "status", "total", "applied", "rejected", "unknown", "skipped")
            console.print(terminal_table(report.jobs, columns))
            if len(report.rejected):
                console.print(
                    terminal_table(report.rejected, ("key", "status", "status_message"), title="Not applied")
                )

        emit(
            ctx, as_json, {"outcome": report.outcome, "jobs": report.jobs, "rejected": report.rejected}, show
        )
    finish(failed=not report.good)


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("import")(import_)
    app.command("land")(land)
    app.command("table")(table)
    app.command("add-item")(add_item)
    app.command("serve")(serve)
    app.command("rehearse")(rehearse)
