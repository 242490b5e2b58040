"""What every command shares: the workspace option, JSON or people, and errors as one line."""

from __future__ import annotations

import datetime as dt
import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from toolkit import person as people
from toolkit.errors import ToolkitError, UsageError, WorkspaceMoved

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from toolkit.workspace import Workspace

EXIT_DONE, EXIT_FINDINGS, EXIT_USAGE = 0, 1, 2
WIDTH_OF_A_FILE = 110
WORKSPACE_VARIABLE = "TOOLKIT_WORKSPACE"

# Not bound to the variable: it would win over a -w that stands before the command. `opened` has the order.
WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace", "-w", help=f"The workspace folder (or {WORKSPACE_VARIABLE}).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
StartOption = Annotated[
    str | None, typer.Option("--start", help="First day, like 2026-01-01.", show_default=False)
]
EndOption = Annotated[str | None, typer.Option("--end", help="Last day, included.", show_default=False)]
JobArguments = Annotated[list[int], typer.Argument(help="Numbers of the jobs.", show_default=False)]


@dataclass
class Globals:
    """Options given before the command."""

    workspace: Path | None = None
    as_json: bool = False


def console() -> Console:
    """Return the console that people read; into a file or pipe it writes lines of a fixed width."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


@contextmanager
def progress_of(what: str, *, as_json: bool) -> Iterator[Callable[[int], object]]:
    """Show the bytes of long work on the terminal, for people only; yield what takes their number."""
    from tqdm import tqdm

    quiet = as_json or not sys.stderr.isatty()
    with tqdm(desc=what, unit="B", unit_scale=True, disable=quiet, leave=False, delay=1) as bar:
        yield bar.update


def person() -> str:
    """Return who is at the keyboard, for decisions and approvals."""
    return people.person()


def named_workspace(ctx: typer.Context, workspace: Path | None) -> Path | None:
    """Return the workspace named after the command, else before it, else in the environment."""
    variable = os.environ.get(WORKSPACE_VARIABLE)
    return workspace or ctx.obj.workspace or (Path(variable) if variable else None)


def folder_named(ctx: typer.Context, workspace: Path | None) -> Path:
    """Return the folder of the workspace that is named; ``UsageError`` where none is."""
    path = named_workspace(ctx, workspace)
    if path is None:
        raise UsageError(
            f"no workspace is named: use -w DIR or set {WORKSPACE_VARIABLE} (make one: toolkit init DIR)"
        )
    return path


def _warn_of_another_place(ws: Workspace) -> None:
    """Say on standard error that a workspace was moved or copied: it can be read, and sends nothing."""
    from toolkit.workspace_place import elsewhere

    with suppress(ToolkitError, OSError):  # what is wrong with the ledger, the command itself says
        other = elsewhere(ws.path, ws.ledger)
        if other:
            typer.echo(f"toolkit: warning: {WorkspaceMoved(str(ws.path), other)}", err=True)


@contextmanager
def opened(ctx: typer.Context, workspace: Path | None) -> Iterator[Workspace]:
    """Open the workspace that is named, and close it at the end.

    Raises
    ------
    UsageError
        None is named.
    """
    from toolkit.workspace import Workspace

    ws = Workspace(folder_named(ctx, workspace))
    try:
        _warn_of_another_place(ws)
        yield ws
    finally:
        ws.close()


def typed(ctx: typer.Context, command: str) -> str:
    """Return a command as it can be typed here: with the -w that was needed for this one.

    One that the environment names needs none.
    """
    workspace = ctx.params.get("workspace") or ctx.obj.workspace
    return (
        command if workspace is None else command.replace("toolkit ", f"toolkit -w {quoted(workspace)} ", 1)
    )


def typed_in(ctx: typer.Context, text: str) -> str:
    """Return a text in which each command between backticks can be typed here, as :func:`typed` has it."""
    return re.sub(r"`(toolkit (?!-w )[^`]*)", lambda found: f"`{typed(ctx, found[1])}", text)


def quoted(path: Path) -> str:
    """Return a path as it can be typed: one with a blank in quotation marks."""
    return f'"{path}"' if " " in str(path) else str(path)


def show_review(ctx: typer.Context, console: Console, draft: int) -> None:
    """Print how a draft is looked at and approved."""
    review, approve = (typed(ctx, f"toolkit {verb} {draft}") for verb in ("show", "approve"))
    console.print(f"Review: {review}   Approve: {approve}", markup=False, soft_wrap=True)


def expanded(files: Iterable[Path]) -> list[Path]:
    """Return the files named, with the patterns among them expanded: the shells of Windows leave that to us.

    Raises
    ------
    UsageError
        A pattern that matches no file.
    """
    found: list[Path] = []
    for file in files:
        if file.exists() or not any(sign in str(file) for sign in "*?"):
            found.append(file)
            continue
        matches = sorted(Path(name) for name in glob.glob(str(file)))  # noqa: PTH207 - takes drives
        if not matches:
            raise UsageError(f"{file}: no file matches")
        found += matches
    return found


def emit(ctx: typer.Context, as_json: bool, document: Any, show: Callable[[Console], None]) -> None:
    """Print the JSON document, or let ``show`` print for people."""
    from toolkit.display import to_json

    if as_json or ctx.obj.as_json:
        typer.echo(to_json(document))
    else:
        show(console())


def day(text: str | None, option: str) -> dt.date | None:
    """Return an ISO date from an option; ``UsageError`` names the option."""
    if text is None:
        return None
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise UsageError(f"{option} {text}: not a date like 2026-01-31") from error


def date_range(start: str | None, end: str | None) -> tuple[dt.date | None, dt.date | None]:
    """Return both ends of a range; ``UsageError`` where it runs backwards."""
    first, last = day(start, "--start"), day(end, "--end")
    if first and last and first > last:
        raise UsageError(f"--start {first} lies after --end {last}")
    return first, last


def finish(findings: pd.DataFrame | None = None, *, failed: bool = False) -> NoReturn:
    """Leave with 1 where there is an error finding or a failure, else with 0."""
    errors = findings is not None and bool((findings["severity"] == "error").any())
    raise typer.Exit(EXIT_FINDINGS if errors or failed else EXIT_DONE)


def show_kept(console: Console, path: Path | None, kept: Path | None) -> None:
    """Print under which name the file is kept that a new workbook took the place of."""
    if path is not None and kept is not None:
        console.print(f"{path} was there already: kept as {kept}", markup=False, soft_wrap=True)
