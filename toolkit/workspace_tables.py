"""Tables of a workspace as parquet files."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.errors import ConformError, DamagedTable, UsageError
from toolkit.late import pa, pd, pq
from toolkit.tables import TABLES, conform, empty, from_arrow
from toolkit.workspace_files import NewFile, put_in_place, sync_folder, write_atomically

STORED = tuple(name for name in TABLES if "." in name)
"""Every table a workspace has: all that belong to an area."""

_TO_BE_RENAMED = ".landing.json"
_ROW_GROUP = 100_000
_GROUP_BYTES = 32 << 20  # whichever is reached first: rows may be long


class Tables(Mapping[str, "pd.DataFrame"]):
    """Every table of a workspace by its declared name, each read on first use and then kept.

    Parameters
    ----------
    read : callable
        Reads one table.
    """

    def __init__(self, read: Callable[[str], pd.DataFrame]) -> None:
        self._read = read
        self._known: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in STORED:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in STORED  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(STORED)

    def __len__(self) -> int:
        return len(STORED)


def require_table(name: str) -> None:
    """Raise ``UsageError``, with the nearest name, where no table has that name."""
    if name not in STORED:
        near = difflib.get_close_matches(name, STORED, n=1)
        hint = f"did you mean {near[0]}?" if near else f"for example {STORED[0]}"
        raise UsageError(f"there is no table {name}: {hint}")


def table_path(folder: Path, name: str) -> Path:
    """Return a table's file."""
    area, _, table = name.partition(".")
    return folder / area / f"{table}.parquet"


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a table from its file, empty where there is none; ``DamagedTable`` where it cannot be read."""
    path = table_path(folder, name)
    if not path.exists():
        return empty(name)
    try:
        # From bytes: the file is open no longer than that, and Windows can replace it.
        stored = pq.read_table(pa.BufferReader(path.read_bytes()))
        return conform(from_arrow(stored), name)
    except (pa.ArrowException, OSError, ConformError) as error:
        raise _damaged(folder, name, error) from error


class StoredTable:
    """A table's file, read a part at a time: it may be larger than memory.

    Parameters
    ----------
    folder : Path
        The workspace.
    name : str
        Declared name; where there is no file, the table has no rows.

    Raises
    ------
    DamagedTable
        By every method: the file cannot be read, or is of another table.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._folder = folder

    def parts(self) -> Iterator[pa.Table]:
        """Yield the rows in their order; the file is open until the last part."""
        return self.columns(TABLES[self.name].names)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield some columns of the rows in their order; the file is open until the last part."""
        path = table_path(self._folder, self.name)
        if not path.exists():
            return
        try:
            with path.open("rb") as file:
                stored = pq.ParquetFile(file)
                there = stored.schema_arrow.names
                declared = set(TABLES[self.name].names)
                unknown = [name for name in there if name not in declared]
                if unknown:
                    raise ConformError(self.name, unknown[0], "not a column of this table")
                wanted = [name for name in names if name in there]
                for group in range(stored.num_row_groups):
                    yield self._fitted(stored.read_row_group(group, columns=wanted), names)
        except (pa.ArrowException, OSError, ConformError) as error:
            raise _damaged(self._folder, self.name, error) from error

    def _fitted(self, rows: pa.Table, names: Sequence[str]) -> pa.Table:
        """Return rows with the declared types, and nulls where the file is older than a column."""
        table = TABLES[self.name]
        there = set(rows.schema.names)
        arrays: list[Any] = []
        for name in names:
            column = table.column(name)
            array = rows[name].cast(column.type) if name in there else pa.nulls(len(rows), column.type)
            if column.required and array.null_count:
                raise ConformError(self.name, name, f"{array.null_count} of {len(rows)} rows have no value")
            arrays.append(array)
        return pa.table(arrays, names=list(names))


class TableFile:
    """A table's new file, written row group by row group; it takes its place when all of it is there.

    Parameters
    ----------
    folder : Path
        The workspace.
    name : str
        Declared name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._table = TABLES[name]
        self._schema = self._table.schema
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._new = NewFile(table_path(folder, name))
        try:
            self._writer = pq.ParquetWriter(
                self._new.file, self._schema, compression="zstd", use_dictionary=False
            )
        except BaseException:
            self._new.discard()
            raise

    def add(self, rows: pa.Table) -> None:
        """Add rows of the declared schema, at most some ten thousands.

        Raises
        ------
        ConformError
            A row lacks what it must have.
        """
        if not len(rows):
            return
        for column in self._table.columns:
            if column.required and rows[column.name].null_count:
                problem = f"{rows[column.name].null_count} of {len(rows)} rows have no value"
                raise ConformError(self._table.name, column.name, problem)
        self._waiting.append(rows)
        self._rows += len(rows)
        self._bytes += rows.nbytes
        if self._rows >= _ROW_GROUP or self._bytes >= _GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            whole = pa.concat_tables(self._waiting)
            self._writer.write_table(whole, row_group_size=max(1, self._rows))
        self._waiting = []
        self._rows = self._bytes = 0

    def seal(self) -> None:
        """Put all of it on the disk."""
        self._write()
        self._writer.close()
        self._new.seal()

    @property
    def names(self) -> tuple[str, str]:
        """The name that the file is written under, and that of its place."""
        return str(self._new.file.name), str(self._new.path)

    def commit(self) -> None:
        """Take the place of the table as it was."""
        self._new.commit()

    def discard(self) -> None:
        """Leave the table as it was; after :meth:`commit` it does nothing."""
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()
        self._new.discard()


def commit_together(folder: Path, files: Sequence[TableFile], listed: Callable[[], object]) -> None:
    """Let files take their places, all of them even where this process ends in between.

    What is to be renamed is written down first. Where a rename fails, or nothing more is done,
    :func:`finish_commit` goes on before the next landing.

    Parameters
    ----------
    folder : Path
        The workspace.
    files : sequence of TableFile
        All sealed.
    listed : callable
        Called once it is written down: from then on nobody may discard the files.
    """
    names = [[os.path.relpath(name, folder) for name in file.names] for file in files]
    write_atomically(folder / _TO_BE_RENAMED, lambda to: to.write(json.dumps(names).encode()))
    listed()
    for file in files:
        file.commit()
    (folder / _TO_BE_RENAMED).unlink()


def finish_commit(folder: Path) -> None:
    """Go on with what :func:`commit_together` began and did not end; the caller holds the lock."""
    try:
        listed = json.loads((folder / _TO_BE_RENAMED).read_bytes())
    except FileNotFoundError:
        return
    for written, place in listed:
        if (folder / written).exists():  # or else it has its place already
            put_in_place(folder / written, folder / place)
            sync_folder((folder / place).parent)
    (folder / _TO_BE_RENAMED).unlink()


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write a table's file, whole or not at all; the caller holds the lock."""
    finish_commit(folder)  # what waits is older than this

    def write(file: BinaryIO) -> None:
        pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)

    write_atomically(table_path(folder, name), write)


def _quoted(path: Path) -> str:
    """Return a path as one word of a command line, for every shell: blanks would take it apart."""
    return f'"{path}"' if re.search(r"[^\w./\\:~-]", str(path)) else str(path)


def _damaged(folder: Path, name: str, error: Exception) -> DamagedTable:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DamagedTable(name, str(table_path(folder, name)), reason, _remedy(folder, name))


def _remedy(folder: Path, name: str) -> str:
    area, _, table = name.partition(".")
    command, first = f"toolkit -w {_quoted(folder)}", f" (delete {table_path(folder, name)} first)"
    inbox = folder / "inbox"
    if area == "billing":
        return f"{command} load FILE..., with BluBilling's spreadsheet of {table}{first}"
    if area == "quickbooks" and any(inbox.glob("*.zst")):
        return f"{command} land {_quoted(inbox)}{os.sep}*.zst{first}"  # quotes would hide the star
    if area == "quickbooks":
        return f"{command} import all{first}"
    return f"the command that wrote it{first}"
