"""Whether the disk under a workspace is one that a ledger is safe on, and has room."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path, PurePath

__all__ = ["place", "space"]

LEAST_SPACE = 1_000_000_000
"""Free bytes below which a large answer might not fit."""

_SYNCED = ("onedrive", "dropbox", "google drive", "googledrive", "icloud", "mobile documents", "box sync")
_NETWORK = ("nfs", "cifs", "smb", "sshfs", "9p", "afs")


def place(path: Path) -> tuple[bool, str]:
    """Return whether a folder is on a disk of this machine, which nothing else copies to and fro."""
    full = path.resolve()
    synced = [part for part in full.parts if any(word in part.lower() for word in _SYNCED)]
    if synced:
        return (
            False,
            f"{full} is synchronised ({synced[0]}), which damages the ledger: move it to a local folder",
        )
    if _on_network(full):
        return False, f"{full} is on a network drive, where the ledger is not safe: move it to a local disk"
    return True, "on a local disk"


def _on_network(path: Path) -> bool:
    if path.drive.startswith("\\\\"):
        return True
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - windll is there on Windows only

        return bool(ctypes.windll.kernel32.GetDriveTypeW(f"{path.drive}\\") == 4)  # DRIVE_REMOTE
    mounts = Path("/proc/mounts")  # macOS has none, and is not looked at
    return mounts.exists() and _network_mount(path, mounts.read_text(encoding="utf-8", errors="replace"))


def _network_mount(path: PurePath, mounts: str) -> bool:
    """Return whether the mount that a path is on, by a text like ``/proc/mounts``, is a network's."""
    fields = (line.split() for line in mounts.splitlines())
    kinds = {mount[1].replace("\\040", " "): mount[2] for mount in fields if len(mount) > 2}
    nearest = max((point for point in kinds if path.is_relative_to(point)), key=len, default="/")
    return kinds.get(nearest, "").removeprefix("fuse.").startswith(_NETWORK)


def space(path: Path) -> tuple[bool, str]:
    """Return whether there is room for the next import."""
    free = shutil.disk_usage(path).free
    # A landing writes the new tables beside the old ones.
    needed = max(LEAST_SPACE, sum(file.stat().st_size for file in path.glob("quickbooks/*.parquet")))
    shown = f"{free / 1e9:,.1f} GB free"
    return (True, shown) if free >= needed else (False, f"only {shown}: make room before the next import")
