"""Files of a workspace: written whole or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

_RENAME_TRIES = 20
_RENAME_PAUSE = 0.1
# Names that Windows keeps for devices, whatever follows the dot.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder is made where it is absent.
    write : callable
        Takes the open file and writes to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _replace(temporary: Path, path: Path) -> None:
    for left in reversed(range(_RENAME_TRIES)):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            # Windows: a virus scanner, an indexer or a reader has the file open for a moment.
            if not left:
                raise
            time.sleep(_RENAME_PAUSE)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where the system can: a file's name is part of what must last."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_name(text: str, otherwise: str) -> str:
    """Return text as a file name that every system takes; ``otherwise`` where nothing of it is left."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', "-", text).strip(" .")[:80].rstrip(" .")
    if not name.strip("-"):
        return otherwise
    return f"{name}-" if _DEVICES.fullmatch(name) else name


def save_packed(folder: Path, data: bytes, at: dt.datetime, name: str) -> Path:
    """Write bytes to a new file named after the moment and ``name``, compressed, and return it.

    Parameters
    ----------
    at : datetime
        Local time; the file's name has it in UTC, so that names sort as the files came.
    """
    moment = at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    packed = pa.compress(data, codec="zstd", asbytes=True)
    for number in itertools.count():
        suffix = f"-{number:03}" if number else ""
        path = folder / f"{moment}{suffix}-{file_name(name, 'answer')}.xml.zst"
        if not path.exists():
            break
    write_atomically(path, lambda file: file.write(packed))
    return path


def open_packed(path: Path) -> BinaryIO:
    """Open a file to read what was in it before it was compressed (``.gz``, ``.zst``, or not at all)."""
    if path.suffix == ".zst":
        return cast("BinaryIO", pa.input_stream(str(path), compression="zstd"))
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")
