"""The command that matches BluBilling to QuickBooks, and its workbook: map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from toolkit.cli.shared import (
    JsonOption,
    WorkspaceOption,
    emit,
    finish,
    opened,
    person,
    quoted,
    show_kept,
    typed,
)
from toolkit.counted import counted
from toolkit.display import show_findings
from toolkit.display_mapping import show_lists
from toolkit.display_steps import show_matches
from toolkit.errors import UsageError, WorkspaceLocked
from toolkit.late import late, pd
from toolkit.workspace_files import require_no_folder

if TYPE_CHECKING:
    from toolkit import cutover, mapping
    from toolkit.workbook import WorkbookRead
    from toolkit.workspace import Workspace
else:
    cutover, mapping = late("toolkit.cutover"), late("toolkit.mapping")

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


KINDS = ("customers", "payment_methods", "taxes", "terms", "adjustments")


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
    """Match charges, customers and all else to QuickBooks.

    It lists what does not match exactly: nothing is guessed. Write the workbook, fill its column decision in
    Excel or LibreOffice, and read it back (.xlsx or .ods). A decision that is done, for its price code was
    corrected in BluBilling, retires here.

    Example: toolkit map --write mapping.xlsx
             toolkit map --read mapping.xlsx
    """
    if write and read:
        raise UsageError("--write and --read are two steps: write, decide in Excel, then read")
    with opened(ctx, workspace) as ws:
        decided, findings, said = 0, None, ""
        if read:
            result = cutover.read_mapping(ws, read, person())
            decided, findings, said = result.taken, result.findings, _said(result)
        if write:
            require_no_folder(write)  # before anything retires: what cannot be written changes nothing
        # What was decided just now stays until the next look, though its charge may need it no more.
        retired = 0 if decided else _retired(ws)
        matches = cutover.write_mapping(ws, write) if write else cutover.match(ws)
        findings = matches.findings if findings is None else pd.concat([findings, matches.findings])
        document = {
            **_document(matches),
            **{"decided": decided, "retired": retired, "file": str(write) if write else None},
            "kept": str(matches.kept) if matches.kept else None,
            "findings": findings,
        }

        def show(console: Console) -> None:
            if read:
                console.print(f"{said} read from {read}", markup=False, soft_wrap=True)
            if retired:
                decisions = counted(retired, "decision")
                console.print(f"{decisions} retired: their charges need them no more.")
            show_matches(console, matches)
            show_lists(console, matches)
            show_findings(console, findings)
            show_kept(console, write, matches.kept)
            if write:
                console.print(
                    f"Workbook: {write}. Fill the column decision, then: "
                    + typed(ctx, f"toolkit map --read {quoted(write)}"),
                    markup=False,
                    soft_wrap=True,
                )

        emit(ctx, as_json, document, show)
    finish(findings)


def _said(result: WorkbookRead) -> str:
    """Return what was taken, each kind with its count."""
    said = [counted(sum(map(len, result.decisions.values())), "decision")]
    if result.items:
        said.append(counted(len(result.items), "item entered by hand", "items entered by hand"))
    if result.corrected:
        said.append(counted(result.corrected, "correction"))
    return ", ".join(said)


def _retired(ws: Workspace) -> int:
    try:
        return cutover.retire_decisions(ws)
    except WorkspaceLocked:
        return 0  # the server writes: to look at the matches must not wait for it, and they retire next time


def _document(matches: cutover.Matches) -> dict[str, object]:
    numbers = matches.numbers["status"].value_counts()
    return {
        "counts": mapping.summary(matches.charges),
        "charges": matches.charges[list(CHARGE_KEYS)],
        **{name: mapping.summary(getattr(matches, name)) for name in KINDS},
        "numbers": {status: int(count) for status, count in numbers.items()},
        "changes": len(matches.changes),
    }
