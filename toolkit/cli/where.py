"""What the command says without a command: where the cutover stands."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from toolkit import cutover
from toolkit.cli.shared import emit, opened, typed


def show_where(ctx: typer.Context, workspace: Path | None, *, as_json: bool) -> None:
    """Print the steps of the cutover, done, open or blocked, and the command to run next."""
    with opened(ctx, workspace) as ws:
        steps = cutover.steps(ws)
        following = next((step for step in steps if step.state != "done"), None)
        document = {
            "company": ws.company,
            "rehearsal": ws.rehearsal,
            "steps": [
                {"name": s.name, "state": s.state, "detail": s.detail, "command": s.command} for s in steps
            ],
            "next": following.command if following else None,
        }

        def show(console: Console) -> None:
            console.print(f"{ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}, {ws.path}", markup=False)
            marks = {"done": "[x]", "open": "[ ]", "blocked": "[-]"}
            for step in steps:
                console.print(f"  {marks[step.state]} {step.name}: {step.detail}", markup=False)
            command = typed(ctx, following.command) if following else "nothing is open"
            console.print(f"Next: {command}", markup=False, soft_wrap=True)

        emit(ctx, as_json, document, show)
