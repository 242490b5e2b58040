"""The command that takes what the gate stops out to Excel and brings the corrections back: correct."""

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
from toolkit.display import show_corrected, show_findings, terminal_table
from toolkit.errors import UsageError
from toolkit.late import late, pd
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import correcting
else:
    correcting = late("toolkit.correcting")

_SHOWN = {
    **{"table": "table", "key": "key", "column": "column", "status": "status", "limit": "limit"},
    **{"value": "value", "proposal": "proposal", "correction": "correction"},
}
_TEXTS = ("value", "proposal", "correction")
_LONGEST = 80  # of a text in the terminal; the workbook and --json have it whole
_ELSEWHERE = {"rule": "rule", "count": "rows", "rows": "keys", "where": "where it is cured"}


def correct(
    ctx: typer.Context,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the workbook.", show_default=False)
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--read", help="Read its corrections.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct values that the gate stops, before sending.

    Without an option it lists the cells, with the limit and a proposal. Write the workbook, fill its column
    correction, and read it back: each correction must fit and cure its cell. BluBilling's tables stay as
    they are: a correction is kept with who made it, when and why.

    Example: toolkit correct --write corrections.xlsx
             toolkit correct --read corrections.xlsx
    """
    if write and read:
        raise UsageError("--write and --read are two steps: write, correct in Excel, then read")
    with opened(ctx, workspace) as ws:
        findings = None
        if read:
            findings = _read(ctx, ws, read, as_json)
        else:
            _list(ctx, ws, write, as_json)
    finish(findings)


def _list(ctx: typer.Context, ws: Workspace, write: Path | None, as_json: bool) -> None:
    found = correcting.write(ws, write) if write else correcting.proposals(ws)
    document = {
        "corrections": found.proposals,
        "elsewhere": found.elsewhere,
        "file": str(write) if write else None,
        "kept": str(found.kept) if found.kept else None,
    }

    def show(console: Console) -> None:
        if len(found.proposals):
            title = "Cells that a value could cure"
            shown = found.proposals.assign(**{name: found.proposals[name].map(_short) for name in _TEXTS})
            console.print(terminal_table(shown, _SHOWN, title=title, limit=50))
        else:
            console.print("No cell is to be corrected.")
        if len(found.elsewhere):
            title = "Errors that no value of the row cures"
            console.print(terminal_table(found.elsewhere, _ELSEWHERE, title=title, limit=50))
        show_kept(console, write, found.kept)
        if len(found.proposals):
            after = (
                f"toolkit correct --read {quoted(write)}"
                if write
                else "toolkit correct --write corrections.xlsx"
            )
            said = f"Workbook: {write}. Fill the column correction, then: " if write else "Next: "
            console.print(said + typed(ctx, after), markup=False, soft_wrap=True)

    emit(ctx, as_json, document, show)


def _short(text: object) -> object:
    """Return a text as the terminal shows it: a long one cut, with how long it is."""
    if not isinstance(text, str) or len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\u2026 ({len(text):,} characters)"


def _read(ctx: typer.Context, ws: Workspace, read: Path, as_json: bool) -> pd.DataFrame:
    done = correcting.read(ws, read, person())
    document = {
        "corrected": done.corrected,
        "withdrawn": done.withdrawn,
        "unchanged": done.unchanged,
        "findings": done.findings,
    }

    def show(console: Console) -> None:
        show_corrected(console, read, done.corrected, done.withdrawn, done.unchanged)
        show_findings(console, done.findings)

    emit(ctx, as_json, document, show)
    return done.findings
