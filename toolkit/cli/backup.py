"""Commands that keep a workspace safe: backup, restore, here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from toolkit import workspace_backup, workspace_here, workspace_restore
from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, folder_named, person, quoted, typed
from toolkit.counted import counted
from toolkit.errors import UsageError
from toolkit.workspace import Workspace


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    whole: Annotated[bool, typer.Option("--all", help="Answers, tables and reports too.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save ledger, decisions and settings in one file.

    A server may run meanwhile. The hash of the Web Connector's password is in it: keep the file where
    others cannot read it. Saved answers and tables are left out without --all: `toolkit land` makes them
    again from inbox/, `toolkit import` from QuickBooks, `toolkit load` from BluBilling's files.

    Example: toolkit backup acme-2026-01-31.zip
    """
    manifest = workspace_backup.backup(folder_named(ctx, workspace), file, whole=whole)
    document = {
        "file": str(file),
        "workspace": manifest.workspace_id,
        "company": manifest.company,
        "created_at": manifest.created_at,
        "members": sorted(manifest.members),
    }

    def show(console: Console) -> None:
        files = counted(len(manifest.members), "file")
        console.print(
            f"{file}: {files} of {manifest.company}, ledger and settings among them.",
            markup=False,
            soft_wrap=True,
        )
        console.print(
            "The hash of the Web Connector's password is in it: keep it where others cannot read it."
        )

    emit(ctx, as_json, document, show)


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What backup wrote.", show_default=False)],
    directory: Annotated[
        Path | None, typer.Argument(help="Where to; without it the workspace named.", show_default=False)
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Over a newer ledger, which is kept beside.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back, with what was under way on hold.

    It does not know what was sent since. So its exports are held until you release them, auto_approve is
    off, and the next session asks QuickBooks what became of all that was on its way. Tables come again from
    inbox/ with `toolkit land`, or with `toolkit import`; the password is the one of the backup.

    Example: toolkit restore acme-2026-01-31.zip data/acme
    """
    place = directory or folder_named(ctx, workspace)
    done = workspace_restore.restore(file, place, person(), replace=replace)
    document = {
        "workspace": str(done.folder),
        "company": done.manifest.company,
        "created_at": done.manifest.created_at,
        "held": done.held,
        "kept": str(done.kept) if done.kept else None,
    }

    def show(console: Console) -> None:
        lines = [f"{done.folder} is as it was at {done.manifest.created_at}."]
        if done.kept:
            lines.append(f"The ledger that was there is kept: {done.kept}")
        if done.held:
            lines.append(f"On hold: job {', '.join(map(str, done.held))}. Release what QuickBooks lacks.")
        command = f"toolkit -w {quoted(done.folder)}"
        lines.append(f"Next: {command} import all, then: {command} reconcile")
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)

    emit(ctx, as_json, document, show)


def here(
    ctx: typer.Context,
    moved: Annotated[
        bool, typer.Option("--moved", help="It was moved or renamed, and goes on here.")
    ] = False,
    copied: Annotated[bool, typer.Option("--copy", help="It is a copy to look at: it never sends.")] = False,
    restored: Annotated[
        bool, typer.Option("--restored", help="Its files came out of a backup: exports wait.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a workspace is in another place than before.

    Two folders with one ledger would send everything twice, so a workspace that was moved or copied sends
    nothing until you say which it is. A copy gets a FileID of its own, a new .qwc file and the mark
    REHEARSAL, and its jobs are cancelled. Without an option it says where the workspace lives.

    Example: toolkit here --moved
    """
    if moved + copied + restored > 1:
        raise UsageError("--moved, --copy and --restored are three answers: give one")
    folder = folder_named(ctx, workspace)
    held: list[int] = []
    if moved:
        _adopt(folder)
    elif copied:
        workspace_here.make_copy(folder, person())
    elif restored:
        held = workspace_here.adopt_restored(folder, person())
    with Workspace(folder) as ws:
        if copied:
            for path in folder.glob("*.qwc"):
                path.unlink()
            ws.write_qwc()
        other = workspace_here.elsewhere(ws.path, ws.ledger)
        document = {
            "workspace": str(ws.path),
            "lives_here": other is None,
            "difference": other,
            "rehearsal": ws.rehearsal,
            "held": held,
            "events": ws.ledger.workspace_events(),
        }

        def show(console: Console) -> None:
            mark = " (REHEARSAL)" if ws.rehearsal else ""
            console.print(
                f"{ws.company}{mark}: {other or f'it lives here, in {ws.path}'}", markup=False, soft_wrap=True
            )
            if held:
                console.print(f"On hold: job {', '.join(map(str, held))}. Release what QuickBooks lacks.")
            if other:
                say = typed(ctx, "toolkit here --moved, --copy or --restored")
                console.print(f"Say which it is: {say}", markup=False, soft_wrap=True)

        emit(ctx, as_json, document, show)


def _adopt(folder: Path) -> None:
    """Say that a workspace was moved; refused while the folder that it lived in is still there."""
    before = workspace_here.former_folder(folder, person())
    if before is not None:
        raise UsageError(
            f"the folder that it lived in is still there, and both would send: {before}. Remove that one"
            " first, or say --copy here"
        )
    workspace_here.adopt(folder, person())
