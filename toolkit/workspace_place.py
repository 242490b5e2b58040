"""Where a workspace lives, so that a copied folder is noticed before both of them send.

A folder is known by its real path, the machine, and the file that the ledger is: a copy of a file is another
file, whatever its name. Whoever moves or copies a folder says which, by ``toolkit here``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import WorkspaceMoved
from toolkit.ledger import Ledger

__all__ = ["difference", "elsewhere", "place_of", "require_here"]

_MACHINE_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def place_of(folder: Path, ledger_file: Path) -> dict[str, str]:
    """Return where a workspace lives: ``path``, ``machine`` and ``file``; what cannot be told is blank.

    Parameters
    ----------
    folder : Path
        The workspace.
    ledger_file : Path
        Its ledger, which may still be on the way there.
    """
    found = ledger_file.stat()
    # Not the device: its number may be another one after a restart.
    return {
        "path": os.path.normcase(str(folder.resolve())),
        "machine": machine(),
        "file": str(found.st_ino) if found.st_ino else "",
    }


def machine() -> str:
    """Return what tells this machine from others, or a blank where the system does not say."""
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - there on Windows only

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
        except OSError:
            return ""
    for name in _MACHINE_FILES:
        try:
            return Path(name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def difference(known: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Return how a workspace is not where it was said to live, as a clause; ``None`` where it is."""
    if known.get("path") != now["path"]:
        return f"the workspace lived in {known.get('path')} and is in {now['path']} now"
    for key, what in (("machine", "on another machine"), ("file", "another file, with another ledger in it")):
        before, after = known.get(key, ""), now[key]
        if before and after and before != after:
            return f"the ledger in {now['path']} was {what} when it was last used"
    return None


def elsewhere(folder: Path, ledger: Ledger) -> str | None:
    """Return how a workspace is not where it lived, as a clause; ``None`` where it is, or nobody knows."""
    known = ledger.place()
    return difference(known, place_of(folder, ledger.path)) if known else None


def require_here(folder: Path, ledger: Ledger) -> None:
    """Let a workspace send only where it lives; one that never said lives where it is.

    Raises
    ------
    WorkspaceMoved
        It was moved or copied, or its ledger was replaced, and nobody said which.
    """
    now = place_of(folder, ledger.path)
    other = difference(ledger.place() or ledger.settle(now), now)
    if other:
        raise WorkspaceMoved(str(folder), other)
