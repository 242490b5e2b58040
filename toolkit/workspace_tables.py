"""Tables of a workspace as parquet files."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import ConformError, DamagedTable, UsageError
from toolkit.tables import TABLES, conform, empty, from_arrow
from toolkit.workspace_files import write_atomically

STORED = tuple(name for name in TABLES if "." in name)
"""Every table a workspace has: all that belong to an area."""

_ROW_GROUP = 100_000


class Tables(Mapping[str, pd.DataFrame]):
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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedTable(name, str(path), reason, _remedy(folder, name)) from error


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write a table's file, whole or not at all."""

    def write(file: BinaryIO) -> None:
        pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)

    write_atomically(table_path(folder, name), write)


def _quoted(path: Path) -> str:
    """Return a path as one word of a command line, for every shell: blanks would take it apart."""
    return f'"{path}"' if re.search(r"[^\w./\\:~-]", str(path)) else str(path)


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
