"""The command ``toolkit resolve``: a person decides what became of an operation that is unknown."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, opened, person, typed
from toolkit.errors import UsageError
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

# As QuickBooks writes a ListID or TxnID: hexadecimal, a dash, the time it was made.
_QUICKBOOKS_ID = re.compile(r"[0-9A-Fa-f]{1,24}-[0-9]{1,11}", re.ASCII)
SHOWN = ("key", "request", "status", "status_message", "list_id", "txn_id")


def resolve(
    ctx: typer.Context,
    operation: Annotated[str, typer.Argument(help="Its key, as toolkit show prints it.", show_default=False)],
    applied: Annotated[
        str | None,
        typer.Option("--applied", help="It is this record: its TxnID or ListID.", show_default=False),
    ] = None,
    not_applied: Annotated[
        bool, typer.Option("--not-applied", help="It is not in QuickBooks: it may be exported again.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="Why: what you looked at.")] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide what became of an unknown operation.

    --not-applied sends nothing: the next toolkit export takes it up again, to be approved as any other.
    Who decided, when and why stays in the operation's history.

    Example: toolkit resolve invoice:INV-1 --applied 4ECE-1360116101
             toolkit resolve invoice:INV-2 --not-applied --note "looked it up"
    """
    if (applied is None) == (not not_applied):
        raise UsageError("say what became of it: --applied TXNID where QuickBooks has it, or --not-applied")
    if applied is not None and not _QUICKBOOKS_ID.fullmatch(applied.strip()):
        raise UsageError(f"--applied {applied}: not a TxnID or ListID, which looks like 4ECE-1360116101")
    with opened(ctx, workspace) as ws:
        status = ws.ledger.operation(operation).status
        if status != "unknown":
            raise UsageError(f"{operation} is {status}: only what is unknown is resolved")
        quickbooks_id = None if applied is None else applied.strip().upper()
        who = person()
        done = ws.ledger.resolve(operation, who, applied=quickbooks_id, note=note)
        waiting = _waiting(ws, operation)
        document = {
            "operation": {name: getattr(done, name) for name in SHOWN},
            "decided_by": who,
            "note": note,
            "waiting": waiting,
            "history": ws.ledger.history(operation),
        }

        def people(console: Console) -> None:
            console.print(f"{done.key}: {done.status} ({done.status_message})", markup=False)
            if waiting:
                console.print(f"{len(waiting)} hang on it: {', '.join(waiting[:5])}", markup=False)
            if done.status != "applied" or waiting:
                following = typed(ctx, "toolkit export")
                console.print(
                    f"Next: {following}, which takes up what was skipped", markup=False, soft_wrap=True
                )

        emit(ctx, as_json, document, people)


def _waiting(ws: Workspace, key: str) -> list[str]:
    """Return what was skipped because it hangs on an operation."""
    rows = to_rows(ws.ledger.operations())
    return [row["key"] for row in rows if row["status"] == "skipped" and key in (row["depends_on"] or [])]
