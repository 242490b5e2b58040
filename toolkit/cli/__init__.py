"""The command line, ``toolkit``: one command a step of the cutover.

Exit codes: 0 done, warnings too; 1 an error finding or a failed job; 2 bad usage or input that could not be
read at all, with one clear line on standard error and nothing changed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from toolkit import __version__, cutover
from toolkit.cli import backup, billing, books, fix, queue, resolve, setup, table
from toolkit.cli.shared import (
    EXIT_FINDINGS,
    EXIT_USAGE,
    WORKSPACE_VARIABLE,
    Globals,
    JsonOption,
    WorkspaceOption,
    add_command,
    emit,
    named_workspace,
    opened,
)
from toolkit.errors import ToolkitError

__all__ = ["COMMANDS", "app", "main"]

# In the order of a cutover, which is how --help lists them.
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": setup.demo,
    "init": setup.init,
    "set": setup.set_,
    "doctor": setup.doctor,
    "backup": backup.backup,
    "restore": backup.restore,
    "here": backup.here,
    "import": books.import_,
    "serve": books.serve,
    "land": books.land,
    "load": billing.load,
    "table": table.table,
    "map": billing.map_,
    "add-item": books.add_item,
    "carry-forward": billing.carry_forward,
    "export": billing.export,
    "jobs": queue.jobs,
    "show": queue.show,
    "approve": queue.approve,
    "hold": queue.hold,
    "release": queue.release,
    "cancel": queue.cancel,
    "resolve": resolve.resolve,
    "fix": fix.fix,
    "rehearse": books.rehearse,
    "reconcile": queue.reconcile,
    "undo": queue.undo,
}

HELP = """Move billing between BluBilling and QuickBooks Desktop.

Without a command it says where the cutover stands and what to run next.

\b
Example: toolkit demo data/demo
         toolkit -w data/demo
"""

app = typer.Typer(
    name="toolkit",
    help=HELP,
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _command in COMMANDS.items():
    add_command(app, _name, _command)


@app.callback(invoke_without_command=True)
def where(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Say where the cutover stands and what to run next; with a command, run it."""
    ctx.obj = Globals(workspace, as_json)
    if version:
        typer.echo(f"toolkit {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is not None:
        return
    if named_workspace(ctx, workspace) is None and not as_json:
        typer.echo(ctx.get_help())
        typer.echo(f"\nNo workspace is named: use -w DIR or set {WORKSPACE_VARIABLE}.")
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
            console.print(f"{ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}, {ws.path}", markup=False)
            marks = {"done": "[x]", "open": "[ ]", "blocked": "[-]"}
            for step in steps:
                console.print(f"  {marks[step.state]} {step.name}: {step.detail}", markup=False)
            command = _for_this_shell(following.command, workspace) if following else "nothing is open"
            console.print(f"Next: {command}", markup=False, soft_wrap=True)

        emit(ctx, as_json, document, show)


def _for_this_shell(command: str, workspace: Path | None) -> str:
    """Return a command as it can be typed here: with the -w that was needed for this one."""
    if workspace is None:
        return command
    folder = f'"{workspace}"' if " " in str(workspace) else str(workspace)
    return command.replace("toolkit ", f"toolkit -w {folder} ", 1)


def main() -> None:
    """Run the command line; the entry point of the ``toolkit`` script."""
    _write_utf8()
    try:
        code = app(standalone_mode=False, prog_name="toolkit")
    except ToolkitError as error:
        _stop(str(error))
    except TyperException as error:
        context = getattr(error, "ctx", None)
        _stop(error.format_message() + (f" (help: {context.command_path} --help)" if context else ""))
    except (typer.Abort, KeyboardInterrupt):
        _stop("stopped")
    except BrokenPipeError:  # `toolkit jobs | head`: whoever read has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FINDINGS)
    except OSError as error:
        hint = " (close it if it is open in another program)" if isinstance(error, PermissionError) else ""
        _stop(f"{error.filename or 'a file'}: {error.strerror or error}{hint}")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _write_utf8() -> None:
    """Write UTF-8 to files and pipes on every system, and never fail on a letter that a terminal lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")


def _stop(line: str) -> NoReturn:
    typer.echo(f"toolkit: {' '.join(line.split())}", err=True)
    sys.exit(EXIT_USAGE)
