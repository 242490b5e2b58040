"""Every table of the toolkit, by name, and the one way to make a frame fit its declaration.

All frames have Arrow-backed dtypes: money is a decimal and never a float, missing is null and never ``""``
or 0. A step that makes a frame ends with :func:`conform`, which raises where a value would not survive.

>>> frame = from_rows("findings", [finding("error", "number_length", "too long", table="billing.invoices")])
>>> list(frame["severity"])
['error']
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from toolkit.columns import Column, Table
from toolkit.errors import ConformError
from toolkit.late import pa, pd
from toolkit.tables_billing import BILLING_TABLES
from toolkit.tables_corrections import CORRECTION_TABLES
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES
from toolkit.tables_toolkit import TOOLKIT_TABLES

__all__ = [
    "TABLES",
    "Column",
    "Table",
    "arrow_rows",
    "conform",
    "empty",
    "finding",
    "findings",
    "from_arrow",
    "from_rows",
    "to_arrow",
    "to_rows",
]

TABLES: dict[str, Table] = {
    table.name: table for table in (*QUICKBOOKS_TABLES, *BILLING_TABLES, *TOOLKIT_TABLES, *CORRECTION_TABLES)
}

SEVERITIES = ("error", "warning", "info")


def from_arrow(data: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame with Arrow-backed dtypes."""
    frame: pd.DataFrame = data.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def empty(name: str) -> pd.DataFrame:
    """Return the declared table ``name`` without rows."""
    return from_arrow(TABLES[name].schema.empty_table())


def from_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as the declared table ``name``; a column a row lacks is null.

    Parameters
    ----------
    name : str
        Declared table.
    rows : iterable of mapping
        One mapping per row, column name to Python value (``Decimal``, ``date``, ``str``, ...).

    Raises
    ------
    ConformError
        A column the table does not have, or a value its type cannot hold without loss.
    """
    declared = TABLES[name]
    listed = list(rows)
    known = set(declared.names)
    for row in listed:
        unknown = row.keys() - known
        if unknown:
            raise ConformError(name, sorted(unknown)[0], "not a column of this table")
    arrays = [_array(name, column, [row.get(column.name) for row in listed]) for column in declared.columns]
    return from_arrow(pa.Table.from_arrays(arrays, schema=declared.schema))


def conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return ``frame`` with exactly the columns and types of the declared table ``name``.

    Missing columns are added as nulls; the index is dropped; row order is kept.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per row of the table.
    name : str
        Declared table.

    Raises
    ------
    ConformError
        An unknown column, a null in a required column, or a value that would not survive.
    """
    return from_arrow(to_arrow(frame, name))


def to_arrow(frame: pd.DataFrame, name: str, only: Sequence[str] | None = None) -> pa.Table:
    """Return ``frame`` as an Arrow table of the declared schema; raises as :func:`conform` does.

    With ``only``, it has those of the declared columns, and what else the frame has is not looked at.
    """
    declared = TABLES[name]
    unknown = [column for column in frame.columns if column not in declared.names]
    if unknown and only is None:
        raise ConformError(name, str(unknown[0]), "not a column of this table")
    wanted = declared.columns if only is None else [declared.column(column) for column in only]
    arrays = []
    for column in wanted:
        if column.name not in frame.columns:
            array: Any = pa.nulls(len(frame), column.type)
        else:
            array = _cast(name, column, frame[column.name])
        if column.required and array.null_count:
            raise ConformError(name, column.name, f"{array.null_count} of {len(frame)} rows have no value")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema([(column.name, column.type) for column in wanted]))


def to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as a list of dicts of plain Python values, missing as ``None``."""
    return arrow_rows(pa.Table.from_pandas(frame, preserve_index=False))


def arrow_rows(data: pa.Table) -> list[dict[str, Any]]:
    """Return an Arrow table as a list of dicts of plain Python values, missing as ``None``.

    As its ``to_pylist``, which takes dates, times and decimals one by one: up to thirty times as long.

    >>> arrow_rows(pa.table({"amount": pa.array(["12.50", None]).cast(pa.decimal128(5, 2))}))
    [{'amount': Decimal('12.50')}, {'amount': None}]
    """
    if not data.num_columns:
        return [{} for _ in range(data.num_rows)]
    names = data.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*map(_values, data.columns), strict=True)]


def _values(column: Any) -> list[Any]:
    if column.null_count == len(column):  # of a record of QuickBooks most columns
        return [None] * len(column)
    values: list[Any] = (column.to_numpy(False).tolist if _one_by_one(column.type) else column.to_pylist)()
    return values


@cache
def _one_by_one(kind: Any) -> bool:
    """Return whether Arrow takes values of a type one by one, and numpy gives the same."""
    if pa.types.is_timestamp(kind):
        return kind.tz is None and kind.unit != "ns"
    return bool(pa.types.is_date32(kind) or pa.types.is_decimal(kind))


def finding(
    severity: str,
    rule: str,
    message: str,
    *,
    table: str | None = None,
    key: str | Sequence[str] | None = None,
    column: str | None = None,
    value: object = None,
    suggestion: str | None = None,
    source: str | None = None,
) -> dict[str, str | None]:
    """Return one row of findings.

    Parameters
    ----------
    severity : {"error", "warning", "info"}
        An error blocks its row and what depends on it.
    rule : str
        Name of the rule, in snake_case.
    message : str
        What is wrong and what to do.
    table, key, column, value, suggestion, source
        Where it is; see the ``findings`` table. The parts of a compound key are joined with `` / ``.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} is none of {', '.join(SEVERITIES)}")
    joined = key if key is None or isinstance(key, str) else " / ".join(key)
    shown = None if value is None else str(value)
    parts = (table, joined, column, shown, rule)
    digest = hashlib.sha256("\x1f".join("" if part is None else part for part in parts).encode()).hexdigest()
    return {
        "finding_id": digest[:16],
        "severity": severity,
        "table": table,
        "key": joined,
        "column": column,
        "value": shown,
        "rule": rule,
        "message": message,
        "suggestion": suggestion,
        "source": source,
    }


def findings(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return findings as their table, errors first, each once."""
    unique = {row["finding_id"]: row for row in rows}
    return from_rows("findings", sorted(unique.values(), key=lambda row: SEVERITIES.index(row["severity"])))


def _array(name: str, column: Column, values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values, type=column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ConformError(name, column.name, str(error)) from error
    if column.required and array.null_count:
        raise ConformError(name, column.name, f"{array.null_count} of {len(values)} rows have no value")
    return array


def _cast(name: str, column: Column, series: pd.Series[Any]) -> pa.Array:
    array: Any = pa.array(series, from_pandas=True) if not isinstance(series.dtype, pd.ArrowDtype) else None
    if array is None:
        array = pa.Array.from_pandas(series)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    try:
        if (
            pa.types.is_floating(array.type)
            and pa.types.is_decimal(column.type)
            and array.null_count < len(array)
        ):
            raise ConformError(name, column.name, "a float is never money: use Decimal")
        return array.cast(column.type, safe=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConformError(name, column.name, str(error)) from error
