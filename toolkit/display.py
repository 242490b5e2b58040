"""Frames and documents as people and other programs see them: terminal tables and JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from toolkit.counted import counted
from toolkit.late import pd
from toolkit.tables import TABLES, to_rows
from toolkit.tables_left_out import left_out_reason

LONGEST_KEY = 32  # characters of a text without blanks that is kept in one line
LONGEST_WORD = 24  # of a text that folds: a longer one is broken where it must be
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
    columns_of = []
    rows = to_rows(frame[list(headings)].head(limit))
    for name, heading in headings.items():
        numeric = len(frame) > 0 and all(
            isinstance(v, Decimal | int) or v is None for v in _values(frame[name])
        )
        columns_of.append(_Column(heading, [_cell(name, row[name]) for row in rows], numeric))
    table = _Fitting(columns_of)
    # Lines of their own: a title or caption of a rich table wraps at the table's width.
    above = [Text(title, style="bold")] if title else []
    more = len(frame) - limit
    below = [Text(f"... and {more:,} more rows (--json has them all)")] if more > 0 else []
    return Group(*above, table, *below)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as it is shown: numbers, dates and keys stay whole, texts fold between words."""

    heading: str
    cells: list[Text]
    numeric: bool

    @property
    def width(self) -> int:
        """What it takes without a fold."""
        return max(cell_len(self.heading), *self._longest(lambda text: text.splitlines()), 1)

    @property
    def least(self) -> int:
        """What it takes with no word broken that people read as one."""
        words = self._longest(str.split)
        if max(words, default=0) > LONGEST_KEY or any(" " in cell.plain for cell in self.cells):
            words = [min(word, LONGEST_WORD) for word in words]
        return max([1, *words, *map(cell_len, self.heading.split())])

    def _longest(self, parts: Callable[[str], list[str]]) -> list[int]:
        return [cell_len(part) for cell in self.cells for part in parts(cell.plain)]


class _Fitting:
    """A table at the width of the console, where only texts fold; where none fits, a paragraph a row."""

    def __init__(self, columns: Sequence[_Column]) -> None:
        self._columns = columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        count = len(self._columns)
        # Between two columns stands one blank, and with room for it the padding of both; one at each end.
        for padding in (1, 0):
            widths = self._widths(options.max_width - (count + 1) - padding * 2 * (count - 1))
            if widths:
                yield self._table(widths, padding)
                return
        for cells in zip(*(one.cells for one in self._columns), strict=True):
            said = [(one.heading, cell) for one, cell in zip(self._columns, cells, strict=True) if cell.plain]
            yield Text("  ").join(
                Text.assemble(f"{heading}: " if heading else "", cell) for heading, cell in said
            )

    def _widths(self, room: int) -> list[int]:
        """Return the width of each column, the widest narrowed first; none where a number would be broken."""
        widths, least = [one.width for one in self._columns], [one.least for one in self._columns]
        if sum(least) > room:
            return []
        while sum(widths) > room:
            place = max(range(len(widths)), key=lambda at: (widths[at] > least[at], widths[at]))
            widths[place] -= 1
        return widths

    def _table(self, widths: Sequence[int], padding: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, padding))
        for one, width in zip(self._columns, widths, strict=True):
            table.add_column(
                one.heading, justify="right" if one.numeric else "left", overflow="fold", width=width
            )
        for cells in zip(*(one.cells for one in self._columns), strict=True):
            table.add_row(*cells)
        return table


def show_findings(console: Console, findings: pd.DataFrame, *, limit: int = 20) -> None:
    """Print findings, errors first, with a line of counts."""
    if findings.empty:
        return
    counts = findings["severity"].value_counts()
    words = [counted(int(counts[severity]), severity) for severity in counts.index]
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
        f"left behind{purpose}: {counted(total, 'value')} of {counted(len(counts), 'element')} "
        "(--json names them and why)"
    )
    for path, count in sorted(strange.items(), key=lambda one: (-one[1], one[0]))[:limit]:
        what = "which no table knows" if "/" in path else "a kind of record that no table keeps"
        console.print(f"  {path}: {count:,}, {what}", markup=False)
    if len(strange) > limit:
        console.print(f"  and {counted(len(strange) - limit, 'element')} more")


def show_corrected(console: Console, path: Path, corrected: int, withdrawn: int, unchanged: int) -> None:
    """Print what a workbook of corrections said."""
    taken = f"{counted(corrected, 'value')} corrected and {counted(withdrawn, 'correction')} withdrawn"
    rows = counted(unchanged, "row says", "rows say")
    console.print(f"{taken} by {path}; {rows} nothing new.", markup=False, soft_wrap=True)


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
