"""How a workspace comes to be: made anew, or copied to try things on."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit import workspace_config as config
from toolkit.errors import UsageError, WorkspaceError
from toolkit.ledger import Ledger
from toolkit.settings import Settings
from toolkit.workspace_lock import HOLDER_FILE, LOCK_FILE
from toolkit.workspace_place import place_of
from toolkit.workspace_qwc import OWNER_ID, new_file_id

LEDGER_FILE = "ledger.sqlite"

FOLDERS = ("inbox", "quickbooks", "billing", "mapping", "reports")
_NOT_COPIED = ("tls", "logs")
"""Folders of a server: its key is in one place only, and what it told is nothing to a copy."""
# Settings that belong to one company file or to one run of a cutover: `init --from` leaves them behind.
_NOT_CARRIED = ("company_file", "pilot", "auto_approve")


def first_settings(carried: Settings | None, given: Mapping[str, Any]) -> Settings:
    """Return the settings of a new workspace: those taken over that may be, then those given."""
    before = carried.explicit() if carried is not None else {}
    settings = Settings({key: value for key, value in before.items() if key not in _NOT_CARRIED})
    for key, value in given.items():
        if value is not None:
            settings = settings.with_text(key, str(value))
    return settings


def new_config(
    company: str,
    user: str,
    password: str,
    url: str,
    rehearsal: bool,
    settings: Settings,
    created_at: dt.datetime,
) -> config.Config:
    """Return what ``workspace.toml`` of a new workspace says, all but its id.

    Raises
    ------
    UsageError
        A blank, a password or URL that does not do, or a colon in the user: HTTP Basic, by which the support
        page asks for it, ends a user there. Source: RFC 7617, section 2.
    """
    if not company.strip() or not user.strip():
        raise UsageError("a workspace needs the company's name and a user for the Web Connector")
    if ":" in user:
        raise UsageError(f"the user {user!r} has a colon, with which nobody can sign in on the support page")
    return config.Config(
        id="",
        company=company,
        user=user,
        password_hash=config.hash_password(password),
        url=config.endpoint(url),
        owner_id=OWNER_ID,
        file_id=new_file_id(),
        rehearsal=rehearsal,
        created_at=created_at.replace(microsecond=0),
        settings=settings,
    )


def make(
    folder: Path, made: config.Config, decisions: Ledger | None, clock: Callable[[], dt.datetime]
) -> None:
    """Make the folders, the ledger with the decisions taken over, and ``workspace.toml``."""
    require_vacant(folder)
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / LEDGER_FILE, clock=clock)
    try:
        if decisions is not None:
            ledger.copy_decisions(decisions)
        ledger.settle(place_of(folder, ledger.path))
        # Last: a folder without this file is no workspace yet.
        config.save(folder, replace(made, id=ledger.workspace_id))
    finally:
        ledger.close()


def open_ledger(
    folder: Path,
    workspace_id: str,
    clock: Callable[[], dt.datetime],
    on_decided: Callable[[str], None] | None,
) -> Ledger:
    """Open the ledger of a workspace; ``WorkspaceError`` where it is missing or another's."""
    path = folder / LEDGER_FILE
    if not path.exists():
        raise WorkspaceError(
            f"{path} is missing: restore it from a backup, for only it knows what was sent already"
        )
    ledger = Ledger(path, clock=clock, on_decided=on_decided)
    if ledger.workspace_id != workspace_id:
        ledger.close()
        raise WorkspaceError(f"{path} belongs to another workspace: restore the one of {folder}")
    return ledger


def copy(source: Path, ledger: Ledger, made: config.Config, folder: Path) -> None:
    """Copy a workspace; what its ledger learned about the company file is left behind."""
    require_vacant(folder)
    own = [f"{LEDGER_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
    own += [LOCK_FILE, HOLDER_FILE, config.FILE, config.LOCK_FILE, *_NOT_COPIED]
    left = shutil.ignore_patterns(*own, "*.tmp", "*.qwc")
    shutil.copytree(source, folder, ignore=left, dirs_exist_ok=True)
    ledger.copy_to(folder / LEDGER_FILE)
    copied = Ledger(folder / LEDGER_FILE)
    try:
        copied.forget_learned()
        copied.move_to(place_of(folder, copied.path), "toolkit", f"a copy of {source} for practice")
    finally:
        copied.close()
    config.save(folder, made)


def require_vacant(folder: Path) -> None:
    """Raise ``WorkspaceError`` where a workspace cannot be made because something is there."""
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file: name a folder")
    if (folder / config.FILE).exists():
        raise WorkspaceError(f"{folder} is a workspace already: name another folder")
    if (folder / LEDGER_FILE).exists():
        raise WorkspaceError(
            f"{folder} holds a ledger without its {config.FILE}: an `init` broke off, or a workspace "
            "lost it. Put the file back, or move the folder away, or name another folder"
        )
