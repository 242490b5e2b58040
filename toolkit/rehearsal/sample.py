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

    Raises
    ------
    InputFileError
        The file is absent.
    """
    return [row["name"] for row in _rows(_folder(directory) / "other_names.csv")]


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
        unknown = row.keys() - set(declared.names)
        if unknown:
            raise InputFileError(str(path), f"{name} has no column {sorted(map(str, unknown))[0]}", _HINT)
        rows.append({key: _value(path, declared.column(key), text) for key, text in row.items()})
    return tables.from_rows(name, rows)


def _value(path: Path, column: tables.Column, text: str) -> Any:
    if text == "":
        return None
    try:
        if pa.types.is_boolean(column.type):
            return {"true": True, "false": False}[text]
        if pa.types.is_decimal(column.type):
            return Decimal(text)
        if pa.types.is_date(column.type):
            return dt.date.fromisoformat(text)
        if pa.types.is_timestamp(column.type):
            return dt.datetime.fromisoformat(text)
        if pa.types.is_integer(column.type):
            return int(text)
    except (KeyError, ValueError, InvalidOperation):
        raise InputFileError(str(path), f"{text!r} does not fit the column {column.name}", _HINT) from None
    return text
