"""Frames and documents as people and other programs see them: terminal tables and JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from toolkit.late import pd
from toolkit.tables import TABLES, to_rows
from toolkit.tables_left_out import left_out_reason

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def to_document(value: Any) -> Any:
    """Return ``value`` as plain JSON data: frames as lists of records, amounts and dates as strings.

    >>> to_document({"amount": Decimal("1.50"), "on": dt.date(2026, 1, 31)})
    {'amount': '1.50', 'on': '2026-01-31'}
    """
    if isinstance(value, pd.DataFrame):
        return [to_document(row) for row in to_rows(value)]
    if isinstance(value, Mapping):
        return {str(key): to_document(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_document(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def to_json(value: Any) -> str:
    """Return ``value`` as one JSON document."""
    return json.dumps(to_document(value), ensure_ascii=False, indent=2)


def terminal_table(
    frame: pd.DataFrame,
    columns: Sequence[str] | Mapping[str, str],
    *,
    title: str = "",
    limit: int = 20,
) -> Group:
    """Return a frame as a table for the terminal.

    Parameters
    ----------
    frame : pandas.DataFrame
        Any frame.
    columns : sequence or mapping
        Columns to show; a mapping gives each its heading.
    title : str
        Line above.
    limit : int
        Rows at most; a line below says how many more there are.
    """
    headings = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, heading in headings.items():
        numeric = len(frame) > 0 and all(
            isinstance(v, Decimal | int) or v is None for v in _values(frame[name])
        )
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in to_rows(frame[list(headings)].head(limit)):
        table.add_row(*(_cell(name, row[name]) for name in headings))
    # Lines of their own: a title or caption of a rich table wraps at the table's width.
    above = [Text(title, style="bold")] if title else []
    more = len(frame) - limit
    below = [Text(f"... and {more:,} more rows (--json has them all)")] if more > 0 else []
    return Group(*above, table, *below)


def show_findings(console: Console, findings: pd.DataFrame, *, limit: int = 20) -> None:
    """Print findings, errors first, with a line of counts."""
    if findings.empty:
        return
    counts = findings["severity"].value_counts()
    words = [
        f"{counts[severity]:,} {severity}{'s' if counts[severity] != 1 else ''}" for severity in counts.index
    ]
    columns = {"severity": "severity", "source": "where", "key": "key", "rule": "rule", "message": "message"}
    shown = {name: head for name, head in columns.items() if name == "severity" or frame_has(findings, name)}
    console.print(terminal_table(findings, shown, limit=limit))
    console.print("findings: " + ", ".join(words))


def show_left_behind(console: Console, counts: Mapping[str, int], *, limit: int = 5) -> None:
    """Print what of an answer no table keeps: in short, and what is not left behind on purpose by name."""
    total = sum(counts.values())
    strange = {path: count for path, count in counts.items() if left_out_reason(path) is None}
    purpose = "" if strange else " on purpose"
    console.print(
        f"left behind{purpose}: {total:,} values of {len(counts):,} elements (--json names them and why)"
    )
    for path, count in sorted(strange.items(), key=lambda one: (-one[1], one[0]))[:limit]:
        what = "which no table knows" if "/" in path else "a kind of record that no table keeps"
        console.print(f"  {path}: {count:,}, {what}", markup=False)
    if len(strange) > limit:
        console.print(f"  and {len(strange) - limit:,} elements more")


def frame_has(frame: pd.DataFrame, column: str) -> bool:
    """Return whether any row has a value in ``column``."""
    return bool(frame[column].notna().any())


def columns_for_people(name: str, frame: pd.DataFrame, most: int = 7) -> list[str]:
    """Return the columns of a declared table to show first: its key, then what has values, without machinery.

    Parameters
    ----------
    name : str
        Declared name.
    frame : pandas.DataFrame
        The table.
    most : int
        How many columns.
    """
    machinery = {"time_created", "time_modified", "edit_sequence", "import_job", "imported_at", "left_at"}
    key = list(TABLES[name].key)
    shown = [
        column
        for column in frame.columns
        if column not in machinery and not column.endswith("_list_id") and frame_has(frame, column)
    ]
    return [*key, *(column for column in shown if column not in key)][:most]


def money(value: Decimal | None) -> str:
    """Return an amount for people: thousands apart, two decimals, nothing for null.

    >>> money(Decimal("1234.5"))
    '1,234.50'
    """
    return "" if value is None else f"{value:,.2f}"


def _values(series: pd.Series[Any]) -> list[Any]:
    return [row["v"] for row in to_rows(series.to_frame("v"))]


def _cell(name: str, value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, Decimal):
        return Text(money(value) if value == round(value, 2) else f"{value.normalize():f}")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, dt.datetime):
        return Text(value.isoformat(sep=" ", timespec="minutes"))
    if isinstance(value, list):
        return Text(", ".join(map(str, value)))
    return Text(str(value), style=_COLOURS.get(str(value), "") if name == "severity" else "")
