"""The command line, ``toolkit``: one command a step of the cutover.

Exit codes: 0 done, warnings too; 1 an error finding or a failed job; 2 bad usage or input that could not be
read at all, with one clear line on standard error and nothing changed.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from typer.exceptions import TyperException

from toolkit import __version__, cutover
from toolkit.cli import billing, books, queue, setup
from toolkit.cli.shared import EXIT_USAGE, Globals, JsonOption, WorkspaceOption, emit, opened
from toolkit.errors import ToolkitError

__all__ = ["app", "main"]

app = typer.Typer(
    name="toolkit",
    help="Move billing between BluBilling and QuickBooks Desktop. Start with: toolkit demo",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (setup, books, billing, queue):
    module.register(app)


@app.callback(invoke_without_command=True)
def where(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Say where the cutover stands and what to run next; with a command, run it.

    Example: toolkit -w data/acme
    """
    ctx.obj = Globals(workspace, as_json)
    if version:
        typer.echo(f"toolkit {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is not None:
        return
    if workspace is None and not as_json:
        typer.echo(ctx.get_help())
        typer.echo("\nNo workspace is named: use -w DIR or set TOOLKIT_WORKSPACE.")
        return
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
            console.print(f"{ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}, {ws.path}")
            marks = {"done": "[x]", "open": "[ ]", "blocked": "[-]"}
            for step in steps:
                console.print(f"  {marks[step.state]} {step.name}: {step.detail}", markup=False)
            console.print(f"Next: {following.command if following else 'nothing is open'}", markup=False)

        emit(ctx, as_json, document, show)


def main() -> None:
    """Run the command line; the entry point of the ``toolkit`` script."""
    try:
        code = app(standalone_mode=False, prog_name="toolkit")
    except ToolkitError as error:
        _stop(str(error))
    except TyperException as error:
        context = getattr(error, "ctx", None)
        _stop(error.format_message() + (f" (help: {context.command_path} --help)" if context else ""))
    except (typer.Abort, KeyboardInterrupt):
        _stop("stopped")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _stop(line: str) -> None:
    typer.echo(f"toolkit: {' '.join(line.split())}", err=True)
    sys.exit(EXIT_USAGE)
