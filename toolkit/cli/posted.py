"""The command that enters what was posted in QuickBooks by hand: posted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, finish, opened, person
from toolkit.display import money
from toolkit.errors import UsageError
from toolkit.late import late

if TYPE_CHECKING:
    from toolkit import cutover_posted
else:
    cutover_posted = late("toolkit.cutover_posted")


def posted(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(help="As toolkit table plan.post_by_hand shows it.", show_default=False)
    ],
    txn_id: Annotated[
        str | None, typer.Option("--txn-id", help="Of the document in QuickBooks.", show_default=False)
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Of this gateway entry only, not of all of its refund.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back: the row is open again.")] = False,
    note: Annotated[str | None, typer.Option("--note", help="Why.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter the TxnID of what was posted by hand.

    Until then the row is a reconciling item of the tie-out. Where the document was imported, its customer and
    amount are compared. The row is never sent while it stands; who entered it, and when, is kept.

    Example: toolkit posted R-1004 --txn-id 1A2B-1234567890 --note "cheque 1187"
             toolkit posted R-1004 --undo
    """
    if undo == (txn_id is not None):
        raise UsageError("say --txn-id T, or --undo")
    if undo and alone:
        raise UsageError("--alone goes with --txn-id: --undo opens every row of that document")
    with opened(ctx, workspace) as ws:
        if txn_id is not None:
            done = cutover_posted.enter_posting(ws, key, txn_id.strip(), person(), note, alone=alone)
        else:
            done = cutover_posted.take_back_posting(ws, key, person(), note)
        document = {
            "source_table": done.row["source_table"],
            "entries": list(done.entries),
            "txn_id": done.txn_id,
            "undone": undo,
            "changed": done.changed,
            "check": None if done.check is None else str(done.check),
        }

        def show(console: Console) -> None:
            said = "is open again" if undo else f"is posted as {done.txn_id}"
            amount = done.row.get("amount")
            told = f" ({money(amount)})" if amount is not None else ""
            console.print(f"{', '.join(done.entries)}{told} {said}.", markup=False)
            if done.check is not None:
                console.print(f"{done.check}.", markup=False, soft_wrap=True)
            if not done.changed:
                console.print("It stood so already: nothing was changed.")

        emit(ctx, as_json, document, show)
    finish()
