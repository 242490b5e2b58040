"""The sample company as the rehearsal QuickBooks is seeded with it: ``data/sample/quickbooks``.

The files are made by ``scripts/make_sample.py`` and belong to a clone of the repository, not to an installed
package.

>>> tables = sample_tables()
>>> len(tables["quickbooks.customers"])
90
"""

from __future__ import annotations

import csv
import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

import toolkit
from toolkit import tables
from toolkit.errors import InputFileError

SAMPLE = Path(toolkit.__file__).resolve().parents[1] / "data" / "sample"
"""Where the sample stands in a clone."""

SAMPLE_CLOCK_START = dt.datetime(2026, 1, 6, 9, 0)
"""When the rehearsal's clock starts: after every record of the sample, in the company's wall-clock time."""


_HINT = (
    "the sample company belongs to a clone of the repository: run there, or make it again with "
    "`python scripts/make_sample.py`"
)


class SampleClock:
    """A clock that moves on by one second with each look, so that every run of the demo is the same."""

    def __init__(self, start: dt.datetime = SAMPLE_CLOCK_START) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> dt.datetime:
        """Return the time."""
        with self._lock:
            self._now += dt.timedelta(seconds=1)
            return self._now

    def move_to(self, moment: dt.datetime) -> None:
        """Let time pass until ``moment``."""
        with self._lock:
            self._now = max(self._now, moment)


def sample_tables(directory: Path | None = None) -> dict[str, pd.DataFrame]:
    """Read the sample's company file: every ``quickbooks.*`` table, conforming.

    Parameters
    ----------
    directory : Path, optional
        Folder with one ``<table>.csv`` per declared table; ``data/sample/quickbooks`` of this clone.

    Raises
    ------
    InputFileError
        A file that is absent, a column that no table has, a value that its column cannot hold.
    """
    folder = _folder(directory)
    names = [name for name in tables.TABLES if name.startswith("quickbooks.")]
    return {name: _read(folder / f"{name.removeprefix('quickbooks.')}.csv", name) for name in names}


def sample_other_names(directory: Path | None = None) -> list[str]:
    """Read the names of the sample's vendors, employees and others: customers cannot have them.

    One of them was entered after the others were imported.

    Raises
    ------
    InputFileError
        The file is absent.
    """
    files = ("other_names.csv", "names_since.csv")
    return [row["name"] for file in files for row in _rows(_folder(directory) / file)]


def _folder(directory: Path | None) -> Path:
    return SAMPLE / "quickbooks" if directory is None else directory


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise InputFileError(str(path), "there is no such file", _HINT) from None


def _read(path: Path, name: str) -> pd.DataFrame:
    declared = tables.TABLES[name]
    rows = []
    for row in _rows(path):
        unknown = sorted(str(key) for key in row.keys() - set(declared.names))
        if unknown:
            raise InputFileError(str(path), f"{name} has no column {unknown[0]}", _HINT)
        try:
            rows.append({key: parse_value(declared.column(key), text) for key, text in row.items()})
        except ValueError as error:
            raise InputFileError(str(path), str(error), _HINT) from error
    return tables.from_rows(name, rows)


def parse_value(column: tables.Column, text: str) -> Any:
    """Return a value of the sample's files as its declared column holds it; nothing is null.

    Raises
    ------
    ValueError
        The text is no value of the column's type.
    """
    if text == "":
        return None
    try:
        return _parser(column.type)(text)
    except (KeyError, ValueError, InvalidOperation):
        raise ValueError(f"{text!r} does not fit the column {column.name}") from None


def _parser(kind: pa.DataType) -> Callable[[str], Any]:
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}.__getitem__
    if pa.types.is_decimal(kind):
        return Decimal
    if pa.types.is_date(kind):
        return dt.date.fromisoformat
    if pa.types.is_timestamp(kind):
        return dt.datetime.fromisoformat
    return int if pa.types.is_integer(kind) else str
