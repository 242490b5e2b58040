"""The folder of a demo: made again unasked only while nobody worked in it.

At its end a demo notes what it leaves: how many rows the tables of the ledger have that only grow, and the
hash of every file. Whatever differs later is somebody's work, a decision, a job, a setting or a workbook.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from toolkit.counted import counted
from toolkit.errors import UsageError, WorkspaceError
from toolkit.event_log import LOG
from toolkit.workspace import Workspace
from toolkit.workspace_files import write_atomically
from toolkit.workspace_making import LEDGER_FILE
from toolkit.workspace_tables import table_path
from toolkit.workspace_views import WRITTEN

__all__ = ["leave_note", "make_room"]

NOTE = "demo.json"
_PASSING = ("workspace.lock", "workspace.holder", NOTE)
_NAMED = 3


def leave_note(ws: Workspace) -> None:
    """Note in a workspace what the demo left in it."""
    text = json.dumps({"rows": ws.ledger.lengths(), "files": _files(ws.path)}, indent=1)
    write_atomically(ws.path / NOTE, lambda file: file.write(text.encode()))


def make_room(directory: Path, company: str, *, force: bool = False) -> None:
    """Remove an earlier demo from a folder, so that another can be made there.

    Parameters
    ----------
    directory : Path
        A folder; one that is not there or empty is left to the demo.
    company : str
        The demo's.
    force : bool
        Remove it even where somebody worked in it.

    Raises
    ------
    UsageError
        The folder holds something else than a demo, or a demo in which somebody worked since, or may have.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UsageError(f"{directory} is a file: name a folder for the demo")
    if not any(directory.iterdir()):
        return
    try:
        with Workspace(directory) as ws:
            ours = ws.rehearsal and ws.company == company
            done = _done_since(ws) if ours and not force else ""
    except WorkspaceError:
        ours, done = False, ""
    if not ours:
        raise UsageError(f"{directory} holds something else than a demo: name another folder")
    if done:
        raise UsageError(f"{directory} {done}: name another folder, or replace it with --force")
    shutil.rmtree(directory)


def _done_since(ws: Workspace) -> str:
    """Return what was done in a workspace since its demo, as the rest of a sentence; blank if nothing."""
    try:
        note: dict[str, Any] = json.loads((ws.path / NOTE).read_bytes())
        rows, files = dict(note["rows"]), dict(note["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return "is a demo that did not come to its end, or of another version, and may hold work of yours"
    done = []
    if ws.ledger.lengths() != rows:
        done.append("jobs or decisions")
    there = _files(ws.path)
    if changed := sorted(name for name in there.keys() | files.keys() if there.get(name) != files.get(name)):
        more = len(changed) - _NAMED
        named = ", ".join(changed[:_NAMED]) + (
            f" and {counted(more, 'more file', 'more files')}" if more > 0 else ""
        )
        done.append(named)
    return f"was worked in since the demo made it ({'; '.join(done)})" if done else ""


def _files(folder: Path) -> dict[str, str]:
    """Return the files of a workspace with their hashes, but for the ledger's, logs, and what only passes."""
    found = {}
    views = {table_path(folder, name) for name in WRITTEN}  # what the ledger says, again
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        passing = path.name in _PASSING or path.suffix == ".tmp" or name.startswith(LEDGER_FILE)
        if path.is_file() and not passing and path not in views and path.parent != (folder / LOG).parent:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
