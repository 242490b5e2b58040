"""Files of a workspace: written whole or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import itertools
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from toolkit.crash_points import AFTER_FILE, BEFORE_FILE, reached
from toolkit.errors import InputFileError
from toolkit.late import pa

_PIECE = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change the ends of lines
_RENAME_TRIES = 20
_RENAME_PAUSE = 0.1
# Names that Windows keeps for devices, whatever follows the dot.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class NewFile:
    """A file that takes its place once it is whole: a crash leaves the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
        Its place; the folder is made where it is absent.
    folder : Path, optional
        Where it is written before it takes its place, on the same disk; beside its place by default.

    Attributes
    ----------
    file : binary file
        To write to.
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        self.path = path
        around = path.parent if folder is None else folder
        self._temporary = around / f".{path.name}.{secrets.token_hex(4)}.tmp"
        try:
            self.file: BinaryIO = self._temporary.open("xb")
        except FileNotFoundError:
            around.mkdir(parents=True, exist_ok=True)
            self.file = self._temporary.open("xb")

    def seal(self) -> None:
        """Put what was written on the disk; nothing can be written any more."""
        if not self.file.closed:
            reached(BEFORE_FILE)
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def commit(self, path: Path | None = None, *, keep: bool = False) -> Path | None:
        """Take the place, or ``path`` instead; return where the file there is kept, if it is."""
        self.seal()
        place = path or self.path
        if place.parent != self._temporary.parent:
            place.parent.mkdir(parents=True, exist_ok=True)
        with kept_beside(place, keep=keep) as kept:
            put_in_place(self._temporary, place)
        sync_folder(place.parent)
        reached(AFTER_FILE)
        return kept

    def discard(self) -> None:
        """Leave everything as it was; after :meth:`commit` it does nothing."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, keep: bool = False) -> Path | None:
    """Write a file so that a crash leaves the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder is made where it is absent.
    write : callable
        Takes the open file and writes to it.
    keep : bool
        Keep a file that is there beside it, under a name of its own: a person may have worked in it.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.
    """
    new = NewFile(path)
    try:
        write(new.file)
        return new.commit(keep=keep)
    except BaseException:
        new.discard()
        raise


@contextlib.contextmanager
def kept_beside(path: Path, *, keep: bool = True) -> Iterator[Path | None]:
    """Give the file that is there a second name while another takes its first one; yield that, or ``None``.

    The file keeps its first name until the other has it. Where that fails, the second name is gone again:
    everything is as it was.

    Parameters
    ----------
    path : Path
        The place that is taken meanwhile.
    keep : bool
        Whether the file is to be kept.
    """
    kept = _second_name(path) if keep and path.is_file() else None
    try:
        yield kept
    except BaseException:
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise


def _second_name(path: Path) -> Path:
    """Give a file another name too, which nothing has: name.1.xlsx, name.2.xlsx, ...; return that."""
    for number in itertools.count(1):
        name = path.with_name(f"{path.stem}.{number}{path.suffix}")
        try:
            name.hardlink_to(path)
        except FileExistsError:
            continue
        except (OSError, NotImplementedError):  # a disk that knows no second names
            if not _copied(path, name):
                continue
        return name
    raise AssertionError("numbers do not end")


def _copied(path: Path, name: Path) -> bool:
    """Copy a file, rights and all, and put it on the disk; ``False`` where the name is taken."""
    try:
        copy = os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600), "wb")
    except FileExistsError:
        return False
    try:
        with copy, path.open("rb") as file:
            shutil.copyfileobj(file, copy, _PIECE)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(path, name)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    return True


def require_no_folder(path: Path) -> Path:
    """Return the place of a file to write, before anything is changed for it; InputFileError at a folder."""
    if path.is_dir():
        raise InputFileError(str(path), "it is a folder: name the file to write")
    return path


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name at once; one that is read just now is waited for."""
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


class Packing:
    """A compressed copy of a document, made while the document is read through it.

    Parameters
    ----------
    stream : binary file
        The document.
    folder : Path
        Where the copy waits until :meth:`keep` gives it its name.
    """

    def __init__(self, stream: BinaryIO, folder: Path) -> None:
        self._stream = stream
        self._new = NewFile(folder / "answer", folder)
        self._packed = _packed(self._new.file)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the document."""
        data = self._stream.read(size)
        self._packed.write(data)
        return data

    def seal(self) -> None:
        """Read what nobody has read, and end the copy."""
        while self.read(_PIECE):
            pass
        self._packed.close()
        self._new.seal()

    def keep(self, path: Path) -> None:
        """Give the copy its place."""
        self._new.commit(path)

    def discard(self) -> None:
        """Remove the copy, where it was not kept."""
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._packed.close()
        self._new.discard()


class _Unclosed:
    """A file that a compressor writes to and does not close."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
        self.flush = file.flush

    def close(self) -> None:
        """Leave the file to its owner."""


def _packed(file: BinaryIO) -> pa.CompressedOutputStream:
    return pa.CompressedOutputStream(pa.PythonFile(_Unclosed(file), mode="w"), "zstd")


def save_packed(folder: Path, data: bytes | Packing, at: dt.datetime, name: str) -> Path:
    """Write a document to a new file named after the moment and ``name``, compressed, and return it.

    Parameters
    ----------
    data : bytes or Packing
        The document, or the copy that was made of it.
    at : datetime
        Local time; the file's name has it in UTC, so that names sort as the files came.
    """
    moment = at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    for number in itertools.count():
        suffix = f"-{number:03}" if number else ""
        path = folder / f"{moment}{suffix}-{file_name(name, 'answer')}.xml.zst"
        if not path.exists():
            break
    if isinstance(data, Packing):
        data.keep(path)
        return path
    whole = memoryview(data)

    def write(file: BinaryIO) -> None:
        with _packed(file) as packed:
            for start in range(0, len(whole), _PIECE):
                packed.write(whole[start : start + _PIECE])

    write_atomically(path, write)
    return path


def open_packed(path: Path) -> BinaryIO:
    """Open a file to read what was in it before it was compressed (``.gz``, ``.zst``, or not at all)."""
    if path.suffix == ".zst":
        return cast("BinaryIO", pa.input_stream(str(path), compression="zstd"))
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")
