"""The command that takes rejected rows out to Excel and brings their corrections back: fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    show_review,
    typed,
)
from toolkit.counted import counted
from toolkit.display import show_corrected, show_findings, terminal_table
from toolkit.errors import UsageError
from toolkit.late import late, pd
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import resubmit
else:
    resubmit = late("toolkit.resubmit")

_SHOWN = {"operation": "operation", "job": "job", "status_code": "code", "problem": "problem"}
_LEFT_OUT = {"source_key": "of", "rule": "rule", "reason": "reason"}


def fix(
    ctx: typer.Context,
    job: Annotated[int | None, typer.Argument(help="Of this job only.", show_default=False)] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the workbook.", show_default=False)
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--read", help="Read its corrections.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct what QuickBooks rejected and send it again.

    Without an option it lists them. Write the workbook: the cells that QuickBooks did not take are marked. It
    reads back by key; the corrected rows pass the gate again and wait as a draft. BluBilling's tables stay as
    they are: a correction is kept with who made it, when and why.

    Example: toolkit fix 5 --write rejected.xlsx
             toolkit fix --read rejected.xlsx
    """
    if write and read:
        raise UsageError("--write and --read are two steps: write, correct in Excel, then read")
    if read and job is not None:
        raise UsageError(f"--read takes all rows of the workbook: leave the job {job} out")
    with opened(ctx, workspace) as ws:
        findings = None
        if read:
            findings = _read(ctx, ws, read, as_json)
        else:
            _list(ctx, ws, job, write, as_json)
    finish(findings)


def _list(ctx: typer.Context, ws: Workspace, job: int | None, write: Path | None, as_json: bool) -> None:
    found = resubmit.write_fix(ws, write, job) if write else resubmit.list_rejected(ws, job)
    rows: list[dict[str, Any]] = [
        {
            "operation": each.operation,
            "job": each.job,
            "status_code": each.status_code,
            "reason": each.reason,
            "problem": "; ".join(flaw.problem for flaw in each.flaws),
            "cells": [
                {
                    "table": flaw.table,
                    "key": flaw.key,
                    "column": flaw.column,
                    "limit": flaw.limit,
                    "proposal": flaw.proposal,
                }
                for flaw in each.flaws
            ],
        }
        for each in found.rejections
    ]

    def show(console: Console) -> None:
        if not rows:
            console.print("Nothing is rejected.")
            return
        frame = pd.DataFrame([{name: row[name] for name in _SHOWN} for row in rows])
        console.print(terminal_table(frame, _SHOWN, title="Rejected by QuickBooks", limit=50))
        show_kept(console, write, found.kept)
        after = f"toolkit fix --read {quoted(write)}" if write else "toolkit fix --write rejected.xlsx"
        said = f"Workbook: {write}. Correct the red cells, then: " if write else "Next: "
        console.print(said + typed(ctx, after), markup=False, soft_wrap=True)

    file, kept = str(write) if write else None, str(found.kept) if found.kept else None
    emit(ctx, as_json, {"rejected": rows, "file": file, "kept": kept}, show)


def _read(ctx: typer.Context, ws: Workspace, read: Path, as_json: bool) -> pd.DataFrame:
    fixed = resubmit.read_fix(ws, read, person())
    withdrawn = sum(row["decision"] is None for row in fixed.read.corrections)
    document: dict[str, Any] = {
        "corrected": len(fixed.read.corrections) - withdrawn,
        "withdrawn": withdrawn,
        "unchanged": fixed.read.unchanged,
        "job": fixed.queued.job,
        "operations": fixed.queued.operations,
        "left_out": fixed.queued.left_out,
        "findings": fixed.findings,
    }

    def show(console: Console) -> None:
        taken = document["corrected"]
        show_corrected(console, read, taken, withdrawn, fixed.read.unchanged)
        show_findings(console, fixed.findings)
        if to_rows(fixed.queued.left_out):
            console.print(terminal_table(fixed.queued.left_out, _LEFT_OUT, title="Stays behind", limit=50))
        if fixed.queued.job is None:
            console.print("Nothing to send again.")
            return
        console.print(f"Job {fixed.queued.job}: {counted(fixed.queued.operations, 'operation')}, a draft.")
        show_review(ctx, console, fixed.queued.job)

    emit(ctx, as_json, document, show)
    return fixed.findings
