"""One file with all of a workspace that cannot be made again: the ledger, the decisions and the settings.

A zip with a manifest: what it is of, when it was taken, and the hash of each member. What QuickBooks
or BluBilling gives again, answers and tables, goes in on request only; the file of passwords never does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from toolkit import workspace_config as config
from toolkit.errors import InputFileError, LedgerError, UsageError
from toolkit.ledger import local_now
from toolkit.ledger_migrations import copy_database
from toolkit.workspace_files import NewFile
from toolkit.workspace_making import FOLDERS, LEDGER_FILE, open_ledger

__all__ = ["CUSTOMERS_FILE", "Manifest", "backup", "open_backup", "read_manifest", "require_sound"]

VERSION = 1
MANIFEST = "manifest.json"
FORMAT = "toolkit backup"
CUSTOMERS_FILE = "carry_forward_customers.csv"
"""The one file that no backup takes along, since it holds passwords; nor what is kept of it."""

_TABLES = ("inbox", "quickbooks", "billing", "reports")
"""Folders that only a whole backup has."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Parameters
    ----------
    workspace_id, company : str
        Of the workspace it was taken of.
    created_at : str
        Local time, as ISO text.
    whole : bool
        Whether answers and tables are in it.
    members : dict
        Each file in it, with the SHA-256 of its content.
    """

    workspace_id: str
    company: str
    created_at: str
    whole: bool
    members: dict[str, str]


def backup(
    folder: str | Path, file: str | Path, *, whole: bool = False, clock: Callable[[], dt.datetime] = local_now
) -> Manifest:
    """Write a backup of a workspace, which may be served meanwhile, and return its manifest.

    Parameters
    ----------
    folder : str or Path
        The workspace.
    file : str or Path
        The file to write; it takes its place once it is whole. A file of that name is never replaced.
    whole : bool
        Whether answers and tables go in too.

    Raises
    ------
    UsageError
        The file is there already, or its folder is not.
    LedgerError
        The ledger cannot be read, or is damaged: a backup of it would be worth nothing.
    """
    place, target = Path(folder), Path(file)
    made = config.load(place)
    if target.exists():
        raise UsageError(f"{target} is there already: name another file")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    open_ledger(place, made.id, clock, None).close()
    with scratch_beside(target.parent) as scratch:
        copied = scratch / LEDGER_FILE
        copy_database(place / LEDGER_FILE, copied)
        require_sound(copied)
        chosen = {LEDGER_FILE: copied, **dict(_members(place, whole, target))}
        created_at = clock().replace(microsecond=0).isoformat()
        members: dict[str, str] = {}
        new = NewFile(target)
        try:
            with zipfile.ZipFile(new.file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, path in chosen.items():
                    members[name] = _pack(archive, name, path)
                manifest = Manifest(made.id, made.company, created_at, whole, members)
                archive.writestr(MANIFEST, _manifest_text(manifest))
            new.commit()
        except BaseException:
            new.discard()
            raise
    return manifest


def read_manifest(file: str | Path) -> Manifest:
    """Return what a backup says of itself; its members are not looked at.

    Raises
    ------
    InputFileError
        It is no backup, it is damaged, or a newer toolkit made it.
    """
    with open_backup(Path(file)) as archive:
        return manifest_of(Path(file), archive)


# --- writing ----------------------------------------------------------------------------------------------


def _members(place: Path, whole: bool, target: Path) -> Iterator[tuple[str, Path]]:
    yield config.FILE, place / config.FILE
    found = [*place.glob("*.qwc"), *(place / "mapping").rglob("*")]
    if whole:
        found += [path for name in _TABLES for path in (place / name).rglob("*")]
    for path in sorted(found):
        # Its passwords stand in that file and nowhere else: a backup is handed on.
        secret = path.name.startswith(f"{Path(CUSTOMERS_FILE).stem}.")
        if path.is_file() and path.suffix != ".tmp" and path.resolve() != target.resolve() and not secret:
            yield path.relative_to(place).as_posix(), path


def _pack(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    """Write one member and return the hash of what was written, whatever became of the file meanwhile."""
    with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as member:
        return copy_stream(file, member)


def copy_stream(source: Any, target: Any) -> str:
    """Copy a binary file to another, and return the SHA-256 of what was copied."""
    found = hashlib.sha256()
    while piece := source.read(_PIECE):
        found.update(piece)
        target.write(piece)
    return found.hexdigest()


def _manifest_text(manifest: Manifest) -> str:
    facts = {name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}
    return json.dumps({"format": FORMAT, "version": VERSION, **facts}, indent=1, ensure_ascii=False)


@contextmanager
def scratch_beside(parent: Path) -> Iterator[Path]:
    """Give a folder on the same disk that is gone afterwards; only its owner can look into it."""
    with tempfile.TemporaryDirectory(prefix=".toolkit-", dir=parent) as name:
        yield Path(name)


def require_sound(path: Path) -> None:
    """Raise ``LedgerError`` where the database of a ledger is damaged."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise LedgerError(f"the ledger is damaged ({found})")


# --- reading ----------------------------------------------------------------------------------------------


@contextmanager
def open_backup(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup; ``InputFileError`` where there is none, or it is damaged."""
    if not path.is_file():
        raise InputFileError(str(path), "there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error) as error:
        problem = "it is no backup of a workspace, or it is damaged"
        raise InputFileError(str(path), problem, "take another backup") from error


def manifest_of(path: Path, archive: zipfile.ZipFile) -> Manifest:
    """Return what a backup says of itself; its members are there, as many as it names.

    Raises
    ------
    InputFileError
        It is no backup, or of a newer version than this toolkit reads.
    """
    try:
        data = json.loads(archive.read(MANIFEST))
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        version = int(data["version"])
        if version > VERSION:
            problem = f"a backup of version {version}, and this toolkit reads version {VERSION}"
            raise InputFileError(str(path), problem, "update the toolkit")
        fields = {name: data[name] for name in Manifest.__dataclass_fields__}
        manifest = Manifest(**{**fields, "members": dict(fields["members"])})
    except (KeyError, ValueError, TypeError) as error:
        raise InputFileError(str(path), f"it is no backup of a workspace ({error})") from error
    _require_members(path, archive, manifest)
    return manifest


def _require_members(path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Raise unless exactly what the manifest names is there, each in a place that a workspace has."""
    found = sorted(archive.namelist())
    if found != sorted([*manifest.members, MANIFEST]):
        raise InputFileError(str(path), "it does not hold what its manifest names", "take another backup")
    for name in manifest.members:
        parts = PurePosixPath(name).parts
        strange = "\\" in name or ":" in name or ".." in parts or name != "/".join(parts)
        if strange or not (len(parts) == 1 or parts[0] in FOLDERS):
            raise InputFileError(str(path), f"it holds {name!r}, which no workspace has")
    for name in (LEDGER_FILE, config.FILE):
        if name not in manifest.members:
            raise InputFileError(str(path), f"it holds no {name}", "take another backup")
