"""Commands on the queue and after it: jobs, show, approve, hold, release, cancel, reconcile, undo."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from toolkit import cutover, qbxml_io
from toolkit.cli.shared import JobArguments, JsonOption, WorkspaceOption, emit, finish, opened, person
from toolkit.display import terminal_table
from toolkit.display_steps import show_tie_out
from toolkit.errors import UsageError
from toolkit.tables import to_rows

JOB_KEYS = ("id", "kind", "status", "total", "applied", "rejected", "unknown", "message")
OPERATION_KEYS = ("key", "request", "status", "status_code", "status_message", "list_id", "txn_id")


def jobs(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the jobs, the newest last.

    Example: toolkit jobs
    """
    with opened(ctx, workspace) as ws:
        frame = ws.read("ledger.jobs")
        document = {"jobs": frame[list(JOB_KEYS)]}
        columns = {name: name for name in JOB_KEYS} | {"total": "records"}
        emit(ctx, as_json, document, lambda console: console.print(terminal_table(frame, columns, limit=50)))
    finish(failed=bool((frame["status"] == "failed").any()))


def show(
    ctx: typer.Context,
    job: Annotated[int, typer.Argument(help="Number of the job.", show_default=False)],
    qbxml: Annotated[bool, typer.Option("--qbxml", help="Print the qbXML of each operation too.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job's operations, and their qbXML.

    Example: toolkit show 5 --qbxml
    """
    with opened(ctx, workspace) as ws:
        found = ws.ledger.job(job)
        frame = ws.ledger.operations(job)
        documents = {row["key"]: operation_qbxml(row) for row in to_rows(frame)} if qbxml else {}
        document: dict[str, Any] = {
            "job": {"id": found.id, "kind": found.kind, "status": found.status, "message": found.message},
            "operations": frame[list(OPERATION_KEYS)],
            "queries": [
                {"name": q.name, "status": q.status, "records": q.records} for q in ws.ledger.queries(job)
            ],
        }
        if qbxml:
            document["qbxml"] = documents

        def people(console: Console) -> None:
            console.print(f"job {found.id}, {found.kind}: {found.status} {found.message or ''}", markup=False)
            for query in document["queries"]:
                console.print(f"  {query['name']}: {query['status']}, {query['records'] or 0:,} records")
            if len(frame):
                columns = ("position", "key", "txn_date", "ref_number", "amount", "status", "status_message")
                console.print(terminal_table(frame, columns, limit=200))
            for text in documents.values():
                console.print(text, markup=False)

        emit(ctx, as_json, document, people)


def operation_qbxml(row: dict[str, Any]) -> str:
    """Return the qbXML of one operation as text for people; references to other operations stand by key.

    Parameters
    ----------
    row : dict
        One row of ``ledger.operations``.
    """
    fields = resolve_by_key(json.loads(row["fields"]))
    text = qbxml_io.build([qbxml_io.Request(row["request"], fields, request_id=row["key"][:50])]).decode(
        "ascii"
    )
    return text


def resolve_by_key(value: Any) -> Any:
    """Return fields in which a reference to an operation is replaced by its key, cut to an ID's length."""
    if isinstance(value, dict):
        if set(value) == {"operation"}:
            return str(value["operation"])[:36]
        return {name: resolve_by_key(item) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve_by_key(item) for item in value]
    return value


def _change(
    ctx: typer.Context, workspace: Any, as_json: bool, numbers: list[int], verb: str, note: str
) -> None:
    with opened(ctx, workspace) as ws, ws.lock():
        for number in numbers:
            ws.ledger.job(number)  # an unknown number changes none of them
        for number in numbers:
            if verb == "approve":
                ws.approve(number, person(), note)
            else:
                getattr(ws.ledger, verb)(number, person())
        rows = [row for row in to_rows(ws.read("ledger.jobs")) if row["id"] in numbers]

        def people(console: Console) -> None:
            for row in rows:
                console.print(f"job {row['id']}, {row['kind']}: {row['status']}", markup=False)

        emit(ctx, as_json, {"jobs": [{key: row[key] for key in JOB_KEYS} for row in rows]}, people)


def approve(
    ctx: typer.Context,
    numbers: JobArguments,
    note: Annotated[str, typer.Option("--note", help="For example the backup that was made.")] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve export jobs: from now on the Web Connector may send them.

    Example: toolkit approve 5 --note "backup acme-2026-01-31.qbb"
    """
    _change(ctx, workspace, as_json, numbers, "approve", note)


def hold(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Hold jobs: nothing more of them is sent.

    Example: toolkit hold 5
    """
    _change(ctx, workspace, as_json, numbers, "hold", "")


def release(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Queue held jobs again.

    Example: toolkit release 5
    """
    _change(ctx, workspace, as_json, numbers, "release", "")


def cancel(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Cancel jobs for good; what was applied stays applied.

    Example: toolkit cancel 5
    """
    _change(ctx, workspace, as_json, numbers, "cancel", "")


def reconcile(
    ctx: typer.Context,
    refresh: Annotated[bool, typer.Option("--refresh", help="Queue a re-read of all that was sent.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tie out what QuickBooks holds to what was sent, to the cent.

    Example: toolkit reconcile --refresh, run the Web Connector, toolkit reconcile
    """
    with opened(ctx, workspace) as ws:
        job = cutover.queue_refresh(ws) if refresh else None
        result = cutover.tie_out(ws)
        document = {
            "ties": result.ties,
            "totals": result.totals,
            "differences": result.differences,
            "read_at": result.read_at,
            "refresh_job": job,
        }

        def people(console: Console) -> None:
            show_tie_out(console, result)
            if job:
                console.print(f"Job {job} reads it all again: run the Web Connector, then toolkit reconcile")

        emit(ctx, as_json, document, people)
    finish(failed=not result.ties)


def undo(ctx: typer.Context, job: Annotated[int, typer.Argument(show_default=False)]) -> None:
    """Take an export job back. Not there yet.

    Example: toolkit undo 5
    """
    raise UsageError(
        f"undo is not there yet, job {job} is unchanged: void or delete its documents in QuickBooks by hand "
        f"(toolkit show {job} lists them)"
    )


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    for command in (jobs, show, approve, hold, release, cancel, reconcile, undo):
        app.command(command.__name__)(command)
