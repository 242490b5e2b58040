"""Rows of answers between reading and landing: in memory while they are few, in hidden files when not.

The answers of an import that is not complete yet keep their rows beside the inbox, so that nothing is read
twice. Such a file is a convenience and nothing more: where it is absent, damaged, of another version of the
tables or older than its answer, the answer itself is read again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import secrets
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from toolkit import __version__
from toolkit.late import pa
from toolkit.tables import TABLES
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES
from toolkit.workspace_tables import finish_commit

__all__ = ["FOLDER", "IN_MEMORY", "RECORDS", "Piece", "Rows", "Staging", "Unit", "fingerprint"]

FOLDER = ".staged"
"""The folder of a workspace that holds the files; it may be deleted whenever nothing runs."""

IN_MEMORY = 64 << 20
"""How many bytes of rows are kept in memory before all of them go to a file."""

_CODEC = "lz4"
_PAGES = "pages"  # a folder of its own: there may be thousands, and each new one looks through the other
_KEPT = ".rows"
_SPILLED = ".spill"
_MAGIC = b"toolkit rows 1\n"
_BLOCK = 1 << 20


@dataclass(slots=True)
class Piece:
    """Some rows of one table.

    Parameters
    ----------
    table : str
        Declared name.
    count : int
        How many.
    rows : pyarrow.Table or None
        They themselves, while they are in memory.
    file : Path or None
        Where they are otherwise, from ``offset`` on.
    offset, size, unpacked : int
        Place and length in the file, and length before they were compressed.
    """

    table: str
    count: int
    rows: pa.Table | None = None
    file: Path | None = None
    offset: int = 0
    size: int = 0
    unpacked: int = 0

    def __len__(self) -> int:
        return self.count

    def load(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, or some of their columns with nothing else kept in memory."""
        if self.rows is not None:
            return self.rows if columns is None else self.rows.select(columns)
        packed = pa.decompress(self._packed(), self.unpacked, codec=_CODEC)
        batch = pa.ipc.read_record_batch(pa.py_buffer(packed), TABLES[self.table].schema)
        if columns is None:
            return pa.Table.from_batches([batch])
        # A column of the batch would keep all of it: concatenating copies.
        chosen = [pa.concat_arrays([array, array.slice(0, 0)]) for array in map(batch.column, columns)]
        return pa.table(chosen, names=list(columns))

    def _packed(self) -> bytes:
        if self.rows is not None:
            data, self.unpacked = _pack(self.rows)
            return data
        assert self.file is not None
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def write(self, file: BinaryIO) -> tuple[int, int]:
        """Append the rows to a file, and return their place there."""
        data = self._packed()
        offset = file.tell()
        file.write(data)
        return offset, len(data)


Rows = dict[str, list[Piece]]
"""The rows of a response, by table."""

RECORDS = tuple(table for table in QUICKBOOKS_TABLES if table.key and not table.parent)
"""The tables of what QuickBooks gives an id of its own: lists and transactions, without their lines."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one response, by table.

    Parameters
    ----------
    rows : mapping of str to list of Piece
        As they were staged.
    arrived : datetime
        When the answer came: what is known from later answers stands.
    loose : bool
        It came as a file that answers no import: nobody knows when QuickBooks gave it, and a record that
        is known to have been changed later stands.
    """

    rows: Mapping[str, Sequence[Piece]]
    arrived: dt.datetime
    loose: bool = False


def _pack(rows: pa.Table) -> tuple[bytes, int]:
    (batch,) = rows.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    whole = batch.serialize()
    return pa.compress(whole, codec=_CODEC, asbytes=True), whole.size


@cache
def fingerprint() -> str:
    """Return what tells the tables of this version from those of others."""
    schemas = [str(table.schema) for table in QUICKBOOKS_TABLES]
    told = repr((__version__, QUICKBOOKS_TABLES, schemas))
    return hashlib.sha256(told.encode()).hexdigest()


class Staging:
    """The rows of one operation: its caller holds the workspace's lock, so that there is one at a time.

    Parameters
    ----------
    folder : Path
        The workspace.
    in_memory : int
        Bytes of rows that may stay in memory.

    Examples
    --------
    >>> import tempfile
    >>> from toolkit.tables import empty, to_arrow
    >>> rows = to_arrow(empty("quickbooks.items"), "quickbooks.items")
    >>> with tempfile.TemporaryDirectory() as folder, Staging(Path(folder)) as staging:
    ...     len(staging.put("quickbooks.items", rows).load())
    0
    """

    def __init__(self, folder: Path, in_memory: int = IN_MEMORY) -> None:
        self.folder = folder / FOLDER
        self._workspace = folder
        self._pages = self.folder / _PAGES
        self._limit = in_memory
        self._held: list[Piece] = []
        self._bytes = 0
        self._spill: BinaryIO | None = None
        self._spilled = self.folder / f"{secrets.token_hex(4)}{_SPILLED}"

    def __enter__(self) -> Staging:
        finish_commit(self._workspace)  # of a process that ended in the middle,
        self._clear()  # and what else it left
        for left in self._workspace.glob("quickbooks/.*.parquet.*.tmp"):
            _remove(left)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = []
        if self._spill is not None:
            self._spill.close()
        self._clear()
        with contextlib.suppress(OSError):  # something waits
            self._pages.rmdir()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _clear(self) -> None:
        """Remove the rows of an operation, and the copies of documents that were not taken."""
        for left in (*self.folder.glob(f"*{_SPILLED}"), *self.folder.glob(".*.tmp")):
            _remove(left)

    # --- the rows of this operation

    def put(self, table: str, rows: pa.Table) -> Piece:
        """Take rows of the declared schema."""
        piece = Piece(table, len(rows), rows, unpacked=rows.nbytes)
        if self._spill is not None:
            self._move(piece)
            return piece
        self._held.append(piece)
        self._bytes += piece.unpacked
        if self._bytes > self._limit:
            self.folder.mkdir(exist_ok=True)
            self._spill = self._spilled.open("xb", buffering=0)
            for one in self._held:
                self._move(one)
            self._held = []
        return piece

    def _move(self, piece: Piece) -> None:
        assert self._spill is not None
        piece.offset, piece.size = piece.write(self._spill)
        piece.file, piece.rows = self._spilled, None

    # --- the rows of answers that wait

    def keep(self, path: str, responses: Iterable[Rows], about: dict[str, Any]) -> None:
        """Keep the rows of an answer of the inbox, with what else is known of it, if that can be done."""
        try:
            self._write(path, responses, about)
        except OSError:  # a full disk: the answer is read again
            _remove(self._kept(path))

    def _write(self, path: str, responses: Iterable[Rows], about: dict[str, Any]) -> None:
        self._pages.mkdir(parents=True, exist_ok=True)
        with self._kept(path).open("wb") as file:
            file.write(_MAGIC)
            listed = []
            for rows in responses:
                pieces = [piece for several in rows.values() for piece in several]
                places = ((piece, *piece.write(file)) for piece in pieces)
                listed.append([[one.table, len(one), *place, one.unpacked] for one, *place in places])
            stamp = _stamp(self._workspace / path)
            index = {"tables": fingerprint(), "answer": stamp, "responses": listed, "about": about}
            end = json.dumps(index).encode()
            file.write(end + len(end).to_bytes(8, "little"))
        with self._kept(path).open("r+b") as file:
            check = _checksum(file)
            file.seek(0, 2)
            file.write(check.to_bytes(4, "little"))

    def load(self, path: str) -> tuple[list[Rows], dict[str, Any]] | None:
        """Return what was kept of an answer; None where it has to be read again."""
        kept = self._kept(path)
        try:
            with kept.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(size - 4)
                check = int.from_bytes(file.read(4), "little")
                if _checksum(file, size - 4) != check:
                    return None
                file.seek(size - 12)
                length = int.from_bytes(file.read(8), "little")
                file.seek(size - 12 - length)
                index = json.loads(file.read(length))
            if index["tables"] != fingerprint() or index["answer"] != _stamp(self._workspace / path):
                return None
        except (OSError, ValueError, KeyError):
            return None
        responses: list[Rows] = []
        for listed in index["responses"]:
            rows: Rows = {}
            for table, count, offset, size, unpacked in listed:
                rows.setdefault(table, []).append(Piece(table, count, None, kept, offset, size, unpacked))
            responses.append(rows)
        return responses, index["about"]

    def waits(self) -> bool:
        """Tell whether rows of any answer are kept."""
        return any(self._pages.glob(f"*{_KEPT}"))

    def forget_all_but(self, paths: Iterable[str]) -> None:
        """Remove what was kept of all answers but some."""
        wanted = {self._kept(path).name for path in paths}
        for kept in self._pages.glob(f"*{_KEPT}"):
            if kept.name not in wanted:
                _remove(kept)

    def _kept(self, path: str) -> Path:
        return self._pages / f"{Path(path).name}{_KEPT}"


def _stamp(path: Path) -> list[int]:
    """Return what tells an answer's file from what it is after somebody changed it."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _checksum(file: BinaryIO, length: int | None = None) -> int:
    """Return the checksum of the first bytes of a file, or of all."""
    file.seek(0)
    found = 0
    while block := file.read(_BLOCK if length is None else min(_BLOCK, length)):
        found = zlib.crc32(block, found)
        length = None if length is None else length - len(block)
    return found


def _remove(path: Path) -> None:
    # What is open on Windows is removed the next time.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
