"""Which table a spreadsheet holds, and its rows: recognised from its name or columns, checked row by row.

Pure: sheets in, rows and findings out. A table with one error finding is not handed on at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from toolkit.billing_files import Cell, Sheet, is_blank
from toolkit.billing_values import Problem, read_values
from toolkit.columns import TEXT, Column, Table
from toolkit.tables import finding, from_rows
from toolkit.tables_billing import BILLING_TABLES

__all__ = ["Reading", "header_key", "read_table", "recognise"]

MADE_HERE = ("source", "imported_at")
SHOWN_PER_RULE = 100  # a column that is wrong throughout must not drown what else is wrong

_TOTAL = re.compile(r"(grand|sub|report)?[\s-]*totals?\W*", re.IGNORECASE)


@dataclass(slots=True)
class Reading:
    """One sheet read as one table.

    Parameters
    ----------
    table : Table
        The table.
    sheet : Sheet
        Where it stands.
    frame : pandas.DataFrame or None
        Its rows; None when an error finding stands against it.
    findings : list of dict
        What is wrong or doubtful.
    """

    table: Table
    sheet: Sheet
    frame: pd.DataFrame | None = None
    findings: list[dict[str, str | None]] = field(default_factory=list)

    def find(
        self,
        severity: str,
        rule: str,
        message: str,
        *,
        row: int | None = None,
        key: list[str] | None = None,
        column: str | None = None,
        value: object = None,
        suggestion: str | None = None,
    ) -> None:
        """Add a finding on a row of the sheet, or without ``row`` on the sheet as a whole."""
        self.findings.append(
            finding(
                severity,
                rule,
                message,
                table=self.table.name,
                # A row without a key is told apart by its place.
                key=key or (None if row is None else f"R{row}"),
                column=column,
                value=value,
                suggestion=suggestion,
                source=self.sheet.place if row is None else self.sheet.source(row),
            )
        )


def header_key(text: str) -> str:
    """Return a header as headers are compared: without case, blanks, underscores and punctuation.

    >>> header_key("Invoice #") == header_key("invoice_number")
    True
    """
    # "#" is a word there, not punctuation: "Payment #" is a number, "Payment" may well be an amount.
    return re.sub(r"[\W_]+", "", text.replace("#", " number ")).casefold()


def _aliases(table: Table) -> dict[str, Column]:
    found: dict[str, Column] = {}
    for column in table.columns:
        if column.name not in MADE_HERE:
            for name in (column.name, *filter(None, column.source.split("|"))):
                found.setdefault(header_key(name), column)
    return found


ALIASES = {table.name: _aliases(table) for table in BILLING_TABLES}
REQUIRED = {
    table.name: {column.name for column in table.columns if column.required} for table in BILLING_TABLES
}


# ---- which table


def recognise(sheet: Sheet, names: Sequence[str]) -> list[str]:
    """Return the tables a sheet may hold: one when it is clear, several when it is not, none if foreign.

    Parameters
    ----------
    sheet : Sheet
        The sheet; its first row is the header.
    names : sequence of str
        Names that may tell, the nearest first: of the sheet, of the file.
    """
    headers = {header_key(str(cell)) for cell in sheet.rows[0][1] if isinstance(cell, str)}
    named = next(filter(None, (_named(name) for name in names)), [])
    known = {name: {ALIASES[name][key].name for key in headers & ALIASES[name].keys()} for name in ALIASES}
    if len(named) == 1 and known[named[0]]:
        return named
    candidates = named if any(known[name] for name in named) else list(ALIASES)
    whole = [name for name in candidates if REQUIRED[name] <= known[name]]
    if whole:
        return _best({name: len(known[name]) for name in whole})
    # Nothing fits whole. The nearest is named, so that its missing columns can be, if half of them are there.
    part = {name: len(REQUIRED[name] & known[name]) for name in candidates}
    return _best({name: count for name, count in part.items() if 2 * count >= len(REQUIRED[name]) >= 2})


def _best(scores: dict[str, int]) -> list[str]:
    top = max(scores.values(), default=0)
    return [name for name, score in scores.items() if score == top and top]


def _named(text: str) -> list[str]:
    """Return the tables that a name speaks of, the longest names only: invoice_lines is no invoices."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    words = [word.removesuffix("s") for word in re.findall(r"[a-z]+", spaced.lower())]
    hits: dict[str, set[int]] = {}
    for table in BILLING_TABLES:
        parts = [part.removesuffix("s") for part in table.name.split(".")[1].split("_")]
        for spelled in (parts, ["".join(parts)], [parts[0] + "s", *parts[1:]]):
            for start in range(len(words) - len(spelled) + 1):
                if words[start : start + len(spelled)] == spelled:
                    hits[table.name] = hits.get(table.name, set()) | set(range(start, start + len(spelled)))
    return [name for name, at in hits.items() if not any(at < other for other in hits.values())]


# ---- its rows


def read_table(name: str, sheet: Sheet) -> Reading:
    """Return one sheet read as the declared table ``name``.

    Parameters
    ----------
    name : str
        ``billing.*`` table.
    sheet : Sheet
        First row the header, then one row per record.
    """
    table = next(table for table in BILLING_TABLES if table.name == name)
    reading = Reading(table, sheet, findings=list(sheet.findings))
    places = _columns(reading)
    _shape(reading)
    if places is None:
        return reading
    rows, totals = _split_totals(reading, places)
    for number, _ in totals:
        message = "A total stands among the rows: remove it, and load the file again."
        reading.find("error", "total_row", message, row=number)
    values = _values(reading, places, rows)
    _required(reading, rows, values)
    _repeated(reading, rows, values)
    reading.findings = _capped(reading.findings, sheet)
    if any(row["severity"] == "error" for row in reading.findings):
        return reading
    values["source"] = [sheet.source(number) for number, _ in rows]
    columns = zip(*values.values(), strict=True)
    reading.frame = from_rows(name, (dict(zip(values, row, strict=True)) for row in columns))
    if not rows:
        reading.find("warning", "no_rows", "The file has a header and no rows: the table is empty now.")
    return reading


def _columns(reading: Reading) -> dict[str, int] | None:
    """Return the place of each column that is there; None where one is missing or stands twice."""
    table = reading.table
    number, header = reading.sheet.rows[0]
    places: dict[str, int] = {}
    left: list[str] = []
    good = True
    for place, cell in enumerate(header):
        if is_blank(cell):
            continue
        column = ALIASES[table.name].get(header_key(str(cell)))
        if column is None:
            left.append(str(cell))
        elif column.name in places:
            message = f"{header[places[column.name]]} and {cell} both mean {column.name}: remove one column."
            reading.find("error", "column_twice", message, row=number, column=column.name, value=cell)
            good = False
        else:
            places[column.name] = place
    for column in table.columns:
        if column.required and column.name not in places:
            headers = ", ".join([column.name, *filter(None, column.source.split("|"))])
            message = f"There is no column for {column.name}; its header may be one of: {headers}."
            reading.find("error", "missing_column", message, row=number, column=column.name)
            good = False
    if left:
        names = ", ".join(left)
        message = f"Columns without a place in {table.name} were left out: {names}."
        reading.find("info", "unknown_column", message, row=number, value=names)
    return places if good else None


def _shape(reading: Reading) -> None:
    """Find rows that are longer than the header, or in a text file of another length at all."""
    sheet = reading.sheet
    header = sheet.rows[0][1]
    named = {place for place, cell in enumerate(header) if not is_blank(cell)}
    for number, cells in sheet.rows[1:]:
        stray = [cell for place, cell in enumerate(cells) if place not in named and not is_blank(cell)]
        if stray and sheet.name:
            message = "A cell stands under no header and was left out."
            reading.find("warning", "no_header", message, row=number, value=stray[0])
        elif stray or (not sheet.name and len(cells) < len(header)):
            message = (
                f"The row has {len(cells)} cells and the header {len(header)}: columns may have shifted."
            )
            reading.find("error", "ragged_row", message, row=number, value=len(cells))


_Rows = list[tuple[int, list[Cell]]]


def _at(cells: list[Cell], place: int) -> Cell:
    return cells[place] if place < len(cells) else None


def _split_totals(reading: Reading, places: dict[str, int]) -> tuple[_Rows, _Rows]:
    """Part the rows from those that sum them up: something is missing, and they are called so or bare."""
    columns = [column for column in reading.table.columns if column.required]
    needed = [places[column.name] for column in columns]
    telling = [places[column.name] for column in columns if column.kind == TEXT]
    rows: _Rows = []
    totals: _Rows = []
    for number, cells in reading.sheet.rows[1:]:
        is_total = False
        if any(is_blank(_at(cells, place)) for place in needed):
            first = next(cell for cell in cells if not is_blank(cell))
            called = isinstance(first, str) and _TOTAL.fullmatch(first.strip()) is not None
            is_total = called or all(is_blank(_at(cells, place)) for place in telling)
        (totals if is_total else rows).append((number, cells))
    return rows, totals


def _values(reading: Reading, places: dict[str, int], rows: _Rows) -> dict[str, list[Any]]:
    table = reading.table
    values: dict[str, list[Any]] = {}
    problems: list[tuple[str, Problem]] = []
    comma = reading.sheet.decimal_comma
    for name, place in places.items():
        cells = [_at(row, place) for _, row in rows]
        read = read_values(table.column(name), cells, key=name in table.key, decimal_comma=comma)
        values[name] = read.values
        problems += [(name, problem) for problem in read.problems]
    for name, problem in problems:
        index = problem.index
        reading.find(
            problem.severity,
            problem.rule,
            problem.message,
            row=None if index is None else rows[index][0],
            key=None if index is None else _key(table, values, index),
            column=name,
            value=problem.value,
            suggestion=problem.suggestion,
        )
    return values


def _key(table: Table, values: dict[str, list[Any]], index: int) -> list[str]:
    """Return the key of a row as findings show it; empty where a part that is required is not there."""
    parts = [values[name][index] if name in values else None for name in table.key]
    missing = any(
        part is None and table.column(name).required for name, part in zip(table.key, parts, strict=True)
    )
    return [] if missing else ["" if part is None else str(part) for part in parts]


def _required(reading: Reading, rows: _Rows, values: dict[str, list[Any]]) -> None:
    # A cell that was refused is null too, and has its finding already.
    refused = {(row["column"], row["source"]) for row in reading.findings if row["severity"] == "error"}
    for column in reading.table.columns:
        if not column.required:
            continue
        for index, value in enumerate(values[column.name]):
            number = rows[index][0]
            empty = value is None or (isinstance(value, str) and not value.strip())
            if empty and (column.name, reading.sheet.source(number)) not in refused:
                key = _key(reading.table, values, index)
                message = f"{column.name} is empty, and no row can do without it."
                reading.find("error", "missing_value", message, row=number, key=key, column=column.name)


def _repeated(reading: Reading, rows: _Rows, values: dict[str, list[Any]]) -> None:
    table = reading.table
    seen: dict[tuple[Any, ...], int] = {}
    blank: list[Any] = [None] * len(rows)
    for index, parts in enumerate(zip(*(values.get(name, blank) for name in table.key), strict=True)):
        first = seen.setdefault(parts, index)
        key = _key(table, values, index)
        if first == index or not key:
            continue
        # Charges without a price code cannot be told apart: they are mismatches later, not errors here.
        severity = "warning" if None in parts else "error"
        number = rows[index][0]
        message = f"The same key stands in {reading.sheet.source(rows[first][0])} already."
        reading.find(severity, "repeated_key", message, row=number, key=key, value=f"R{number}")


def _capped(found: Iterable[dict[str, str | None]], sheet: Sheet) -> list[dict[str, str | None]]:
    """Return the first findings of each rule and column, and for the rest their number."""
    counts: Counter[tuple[str | None, str | None, str | None]] = Counter()
    kept, more = [], {}
    for row in found:
        kind = (row["severity"], row["rule"], row["column"])
        counts[kind] += 1
        if counts[kind] <= SHOWN_PER_RULE:
            kept.append(row)
        else:
            more[kind] = row
    for kind, row in more.items():
        left = f"{counts[kind] - SHOWN_PER_RULE:,} more rows"
        message = f"{left} have the same problem."
        severity, rule, column = str(row["severity"]), str(row["rule"]), row["column"]
        table = row["table"]
        kept.append(
            finding(severity, rule, message, table=table, column=column, value=left, source=sheet.place)
        )
    return kept
