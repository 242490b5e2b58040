"""Putting a backup back: whole or not at all, and so that nothing it does not know is sent again."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit import workspace_config as config
from toolkit.counted import counted
from toolkit.errors import InputFileError, ToolkitError, UsageError, WorkspaceError
from toolkit.ledger import local_now
from toolkit.ledger_migrations import kept_copy
from toolkit.workspace_backup import (
    Manifest,
    copy_stream,
    manifest_of,
    open_backup,
    require_sound,
    scratch_beside,
)
from toolkit.workspace_files import sync_folder
from toolkit.workspace_here import without_auto_approval
from toolkit.workspace_lock import reserved
from toolkit.workspace_making import FOLDERS, LEDGER_FILE, open_ledger, require_vacant
from toolkit.workspace_place import place_of
from toolkit.workspace_views import write_views

__all__ = ["Restored", "restore"]

LOCK_SECONDS = 10.0
"""How long to wait for whoever is just writing."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a backup that was put back.

    Parameters
    ----------
    folder : Path
        The workspace.
    manifest : Manifest
        What was put back.
    held : list of int
        Exports that wait until a person releases them.
    kept : Path or None
        The ledger that was there before.
    """

    folder: Path
    manifest: Manifest
    held: list[int]
    kept: Path | None


def restore(
    file: str | Path,
    folder: str | Path,
    who: str,
    *,
    replace: bool = False,
    clock: Callable[[], dt.datetime] = local_now,
) -> Restored:
    """Put a backup back; whatever fails, the folder stays as it was.

    The ledger in it does not know what was sent since. So exports that were under way are put on hold and
    runs without a person are turned off: see :meth:`toolkit.ledger_places.Places.after_restore`.

    Parameters
    ----------
    file : str or Path
        From :func:`backup`.
    folder : str or Path
        Where to put it: a new folder, or the workspace itself.
    who : str
        The person who does it.
    replace : bool
        Whether a ledger that knows more than the backup may give way; it is kept beside the new one.

    Raises
    ------
    InputFileError
        The file is no backup, is damaged or newer than this toolkit.
    WorkspaceError
        The folder holds another workspace, or one that knows more than the backup.
    WorkspaceLocked
        A server runs on it.
    """
    source, place = Path(file), Path(folder)
    if not who.strip():
        raise UsageError("a restore needs the name of the person who does it")
    if place.exists() and not place.is_dir():
        raise WorkspaceError(f"{place} is a file: name a folder")
    with open_backup(source) as archive:
        manifest = manifest_of(source, archive)
        around = next(parent for parent in place.resolve().parents if parent.is_dir())
        with scratch_beside(around) as scratch:
            for name, expected in manifest.members.items():
                _unpack(source, archive, name, expected, scratch / name)
            made = _staged(source, manifest, scratch)
            with _locked(place):
                _require_no_loss(place, manifest, scratch, replace, clock)
                held = _make_safe(place, scratch, made, manifest, who, clock)
                kept = _put(place, scratch, [*manifest.members])
                with closing(open_ledger(place, made.id, clock, None)) as ledger:
                    write_views(place, ledger)
    return Restored(place, manifest, held, kept)


def _unpack(path: Path, archive: zipfile.ZipFile, name: str, expected: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(name) as member, target.open("xb") as file:
            found = copy_stream(member, file)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputFileError(str(path), f"{name} in it is damaged", "take another backup") from error
    if found != expected:
        raise InputFileError(str(path), f"{name} in it is not what it was", "take another backup")


def _staged(path: Path, manifest: Manifest, scratch: Path) -> config.Config:
    """Return the settings of what was unpacked, or raise where it does not belong together."""
    try:
        require_sound(scratch / LEDGER_FILE)
        made = config.load(scratch)
        open_ledger(scratch, made.id, local_now, None).close()
    except ToolkitError as error:
        raise InputFileError(str(path), f"what is in it cannot be used: {error}") from error
    if made.id != manifest.workspace_id:
        raise InputFileError(str(path), "its manifest is of another workspace", "take another backup")
    return made


# --- putting back -----------------------------------------------------------------------------------------


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Keep others out of the folder, which is made where it is absent, and is gone again on failure."""
    if not (place / config.FILE).exists() and not (place / LEDGER_FILE).exists():
        require_vacant(place)
    absent = [folder for folder in (place, *place.parents) if not folder.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        with reserved(place, LOCK_SECONDS):
            yield
    except BaseException:
        for folder in absent:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _require_no_loss(
    place: Path, manifest: Manifest, scratch: Path, replace: bool, clock: Callable[[], dt.datetime]
) -> None:
    """Raise where what stands in the folder is another workspace's, or knows what the backup does not."""
    if not (place / config.FILE).exists() and not (place / LEDGER_FILE).exists():
        return
    try:
        standing = config.load(place).id
    except ToolkitError as error:
        if replace:
            return  # nothing says that it is another's, and its ledger is kept
        raise WorkspaceError(
            f"{error}; --replace puts the backup in its place, and keeps its ledger"
        ) from error
    if standing != manifest.workspace_id:
        raise WorkspaceError(
            f"{place} is another workspace than the backup's ({manifest.company}): name another folder"
        )
    if replace or not (place / LEDGER_FILE).exists():
        return
    try:
        with closing(open_ledger(place, standing, clock, None)) as ledger:
            more = ledger.unknown_to(scratch / LEDGER_FILE)
    except (ToolkitError, sqlite3.Error) as error:
        raise WorkspaceError(
            f"what the ledger in {place} knows cannot be told ({error}): --replace puts the backup in its"
            " place, and keeps it"
        ) from error
    if more:
        rows = (counted(count, f"row of {name}", f"rows of {name}") for name, count in more.items())
        listed = ", ".join(rows)
        raise WorkspaceError(
            f"the ledger in {place} knows more than the backup of {manifest.created_at} ({listed}): restored,"
            " it would not know what was sent since. Restore into another folder to look at it, or use"
            " --replace, which keeps the present ledger beside"
        )


def _make_safe(
    place: Path,
    scratch: Path,
    made: config.Config,
    manifest: Manifest,
    who: str,
    clock: Callable[[], dt.datetime],
) -> list[int]:
    with closing(open_ledger(scratch, made.id, clock, None)) as ledger:
        held = ledger.after_restore(place_of(place, ledger.path), manifest.created_at, who)
    config.save(scratch, without_auto_approval(made))
    return held


def _put(place: Path, scratch: Path, names: list[str]) -> Path | None:
    """Bring what was unpacked to its places, or everything back to where it was."""
    for name in FOLDERS:
        (place / name).mkdir(exist_ok=True)
    kept = kept_copy(place / LEDGER_FILE, "before-restore") if (place / LEDGER_FILE).exists() else None
    undo: list[tuple[Path, Path | None]] = []
    try:
        # Its log after it: a ledger without its log would look whole and know less.
        for suffix in ("", "-wal", "-shm"):
            old = place / f"{LEDGER_FILE}{suffix}"
            if old.exists() and kept is not None:
                aside = kept.with_name(f"{kept.name}{suffix}")
                old.replace(aside)
                undo.append((old, aside))
        # The ledger last: until it is there, the folder says that its ledger is missing.
        for name in sorted(names, key=lambda name: name == LEDGER_FILE):
            target, aside = place / name, scratch / f"replaced-{len(undo)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.replace(aside)
                undo.append((target, aside))
            (scratch / name).replace(target)
            undo.append((target, None))
    except BaseException:
        for target, before in reversed(undo):
            target.unlink(missing_ok=True) if before is None else before.replace(target)
        raise
    sync_folder(place)
    return kept
