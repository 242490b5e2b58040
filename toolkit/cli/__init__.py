"""The command line, ``toolkit``: one command a step of the cutover.

Exit codes: 0 done, warnings too; 1 an error finding or a failed job; 2 bad usage or input that could not be
read at all, with one clear line on standard error and nothing changed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from toolkit import __version__
from toolkit.cli.commands import COMMANDS, Commands
from toolkit.cli.shared import (
    EXIT_FINDINGS,
    EXIT_USAGE,
    WORKSPACE_VARIABLE,
    Globals,
    JsonOption,
    WorkspaceOption,
    named_workspace,
)
from toolkit.errors import ToolkitError

__all__ = ["COMMANDS", "app", "main"]

HELP = """Move billing between BluBilling and QuickBooks Desktop.

Without a command it says where the cutover stands and what to run next.

\b
Example: toolkit demo data/demo
         toolkit -w data/demo
"""

app = typer.Typer(
    name="toolkit",
    cls=Commands,
    help=HELP,
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    from toolkit.cli.where import show_where

    show_where(ctx, workspace, as_json=as_json)


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
