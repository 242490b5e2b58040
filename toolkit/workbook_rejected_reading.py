"""Read corrections out of a workbook of rejected rows that came back from Excel.

Rows are told apart by their key, and an edit from what merely stood there by the hidden sheet. A row is read
whole or not at all: one edit that cannot be taken leaves all of the row as it was, with a finding on each.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.columns import Column
from toolkit.corrections import (
    CORRECTED,
    columns_to_correct,
    other_sign,
    read_value,
    row_key,
    value_text,
)
from toolkit.corrections_barred import barred
from toolkit.corrections_checked import NOTE_MISSING
from toolkit.errors import InputFileError
from toolkit.tables import TABLES, finding, findings, to_rows
from toolkit.workbook_pages import broken_cell, is_formula, open_book, text_of
from toolkit.workbook_rejected import FORMAT, HELP_COLUMNS, TITLES, RejectedRow
from toolkit.workbook_sheets import FINGERPRINT, HIDDEN

__all__ = ["CorrectionsRead", "read_rejected"]

_HEADER_ROWS = 10

Place = tuple[str, str]
Problem = tuple[str | None, str, str]
"""Column, rule and message of an edit that cannot be taken."""


@dataclass(slots=True)
class CorrectionsRead:
    """What a workbook of rejected rows says.

    Parameters
    ----------
    corrections : list of dict
        Rows for ``Ledger.decide("corrections", ...)``: only what is new. One whose decision is ``None``
        withdraws.
    findings : pandas.DataFrame
        ``findings``: edits that were not taken, each with its place in the workbook.
    unchanged : int
        Rows that say what counts already.
    """

    corrections: list[dict[str, Any]]
    findings: pd.DataFrame
    unchanged: int


def read_rejected(
    path: str | Path,
    *,
    rows: Mapping[str, Mapping[str, RejectedRow]],
    effective: Mapping[str, pd.DataFrame],
    sources: Mapping[str, pd.DataFrame],
    corrections: pd.DataFrame,
    workspace_id: str,
    who: str,
    cutover: dt.date | None = None,
) -> CorrectionsRead:
    """Return the corrections in a workbook that do not count yet. Reading changes nothing.

    Parameters
    ----------
    path : path
        The .xlsx file.
    rows : mapping
        What is rejected now, from :func:`toolkit.workbook_rejected.rejected_rows`.
    effective, sources : mapping
        ``billing.*`` as they count now, with corrections, and as BluBilling gave them; of these
        ``ledger.crosswalk`` too.
    corrections : pandas.DataFrame
        ``mapping.corrections``: those that stand.
    workspace_id : str
        The workspace.
    who : str
        Who reads it back: an own correction may be changed by the same workbook, another's is a conflict.
    cutover : datetime.date, optional
        The cutover date: no correction carries a row across it.

    Raises
    ------
    InputFileError
        No workbook, none of rejected rows, or one of another workspace or version.
    """
    book = open_book(Path(path))
    written = _written(book, Path(path), workspace_id)
    standing = {(row["table"], row["key"], row["column"]): row for row in to_rows(corrections)}
    no = partial(barred, tables=sources, cutover=cutover)
    reading = _Reading(Path(path).name, rows, written, standing, who, no)
    for table, title in TITLES.items():
        if title in book.sheetnames:
            by_key = [_by_key(tables, table) for tables in (effective, sources)]
            reading.read(book[title], table, *by_key)
        elif title in written.titles:
            message = f"the workbook has no sheet {title} any more: nothing of it was read"
            reading.report("warning", "missing_sheet", message, table)
    return CorrectionsRead(reading.corrections, findings(reading.found), reading.unchanged)


@dataclass(slots=True)
class _Written:
    """What the workbook said when it was written: by table and key the attempts and the texts by column."""

    titles: set[str]
    attempts: dict[Place, dict[str, int]]
    texts: dict[Place, dict[str, str | None]]


def _written(book: Workbook, path: Path, workspace_id: str) -> _Written:
    if HIDDEN not in book.sheetnames:
        hint = "write one with `toolkit fix --write FILE` and correct that"
        raise InputFileError(str(path), "is no workbook of rejected rows: its hidden sheet is missing", hint)
    lines = [[text_of(cell) for cell in cells] for cells in book[HIDDEN].iter_rows()]
    pairs = {line[0]: line[1] for line in lines[: len(FINGERPRINT)] if len(line) > 1}
    workspace, _, version = (pairs.get(name) for name in FINGERPRINT)
    if version != FORMAT:
        hint = "write one with `toolkit fix --write FILE` and correct that"
        raise InputFileError(str(path), f"is no workbook of rejected rows of this version ({version})", hint)
    if workspace != workspace_id:
        raise InputFileError(str(path), "was written from another workspace", "read it there")
    tables = {title: table for table, title in TITLES.items()}
    made, columns = _Written(set(), {}, {}), {}
    for line in lines[len(FINGERPRINT) :]:
        title, *key = json.loads(str(line[0]))
        if not key:
            made.titles.add(title)
            columns[title] = [name for name in line[2:] if name]
            continue
        place = (tables[title], str(key[0]))
        made.attempts[place] = json.loads(str(line[1]))
        made.texts[place] = dict(
            zip(columns[title], [*line[2:], *[None] * len(columns[title])], strict=False)
        )
    return made


def _by_key(tables: Mapping[str, pd.DataFrame], table: str) -> dict[str, dict[str, Any]]:
    return {row_key(table, row): row for row in to_rows(tables[table])}


@dataclass(slots=True)
class _Line:
    """One row of a sheet: where it stands, its key, and its cells by column."""

    number: int
    key: str
    cells: Mapping[str, Any]
    broken: tuple[str, str, str] | None

    @property
    def texts(self) -> dict[str, str | None]:
        return {name: text_of(cell) for name, cell in self.cells.items()}


@dataclass(slots=True)
class _Reading:
    """One reading of one workbook: gathers corrections and findings sheet by sheet."""

    name: str
    rows: Mapping[str, Mapping[str, RejectedRow]]
    written: _Written
    standing: Mapping[tuple[str, str, str], Mapping[str, Any]]
    who: str
    barred: Callable[[Mapping[str, Any]], tuple[str, str] | None]
    corrections: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, str | None]] = field(default_factory=list)
    unchanged: int = 0

    def report(
        self,
        severity: str,
        rule: str,
        message: str,
        table: str,
        line: _Line | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        """Add a finding, with its place in the workbook."""
        source = f"{self.name}!{TITLES[table]}" + ("" if line is None else f"!R{line.number}")
        key = None if line is None else line.key
        self.found.append(
            finding(severity, rule, message, table=table, key=key, column=column, value=value, source=source)
        )

    def read(
        self,
        page: Worksheet,
        table: str,
        effective: Mapping[str, Mapping[str, Any]],
        sources: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Read one sheet."""
        header = _header(page, table)
        if header is None:
            keys = ", ".join(TABLES[table].key)
            message = f"no row has the headings {keys}, once each: nothing of the sheet was read"
            self.report("error", "missing_column", message, table)
            return
        number, places, unknown = header
        for heading in unknown:
            message = f"the table has no column {heading}: it was not read"
            self.report("warning", "unknown_column", message, table, column=heading)
        lines = []
        for line in self._lines(page, table, number, places):
            if line.broken is None:
                lines.append(line)
            else:
                rule, message, column = line.broken
                self.report("error", rule, message, table, line, column)
        counted = Counter(line.key for line in lines)
        for line in lines:
            if counted[line.key] > 1 and self._edited(table, line):
                message = "this key stands on several rows: none of them was read"
                self.report("error", "key_twice", message, table, line)
            elif counted[line.key] == 1:
                now, source = effective.get(line.key), sources.get(line.key)
                self._read_line(table, line, now, source)

    def _lines(self, page: Worksheet, table: str, header: int, places: Mapping[str, int]) -> Iterator[_Line]:
        for cells in page.iter_rows(min_row=header + 1):
            by_name: dict[str, Any] = {name: cells[place] for name, place in places.items()}
            key = {name: text_of(by_name[name]) for name in TABLES[table].key}
            broken = next(_broken(by_name), None)
            if any(part is not None for part in key.values()) or broken is not None:
                yield _Line(int(cells[0].row or 0), row_key(table, key), by_name, broken)

    def _edited(self, table: str, line: _Line) -> list[str]:
        """Return the columns that say something else than when the workbook was written, but for the note.

        One that says again what it said then is an edit too, where the reader's own correction is undone so.
        """
        before = self.written.texts.get((table, line.key), {})
        return [
            name
            for name, text in line.texts.items()
            if name != "note" and name in before and (text != before[name] or self._own(table, line, name))
        ]

    def _own(self, table: str, line: _Line, name: str) -> bool:
        """Return whether a correction stands that the reader made for the attempt the workbook shows."""
        made = self.standing.get((table, line.key, name))
        attempts = self.written.attempts.get((table, line.key), {})
        return made is not None and made["decided_by"] == self.who and made["job"] in attempts.values()

    def _notes(self, place: Place) -> set[str | None]:
        """Return the notes of the corrections that stand on a row."""
        return {made["note"] for cell, made in self.standing.items() if cell[:2] == place}

    def _read_line(self, table: str, line: _Line, now: Any, source: Any) -> None:
        place = (table, line.key)
        if place not in self.written.texts:
            message = "the workbook was not written with a row of this key: it was not read"
            self.report("error", "unknown_key", message, table, line)
            return
        edited = self._edited(table, line)
        columns = {column.name: column for column in columns_to_correct(table)}
        bad = [name for name in edited if name not in columns]
        problems: list[Problem] = [(name, *_read_only(name, self.written.texts[place][name])) for name in bad]
        taken: list[dict[str, Any]] = []
        for name in edited:
            if name in columns and now and source:
                self._cell(table, line, columns[name], now, source, taken, problems)
        if taken or bad:
            problems += self._standing_problems(place, now)
        if problems:
            for column, rule, message in problems:
                value, whole = line.texts.get(column or ""), f"{message}: nothing of the row was read"
                self.report("error", rule, whole, table, line, column, value)
        elif taken:
            self.corrections += taken
        else:
            self.unchanged += 1
            if line.texts.get("note") not in (None, *self._notes(place)):
                message = "a note is kept with a correction only: nothing was corrected, so it was not read"
                self.report("info", "note_without_correction", message, table, line, "note")

    def _standing_problems(self, place: Place, now: Any) -> list[Problem]:
        """Return why no edit of the row can be taken: it is gone, not rejected any more, or tried again."""
        table, key = place
        if now is None:
            return [(None, "unknown_key", "BluBilling's table has no such row any more")]
        current = self.rows.get(table, {}).get(key)
        before = self.written.attempts[place]
        if current is None:
            names = ", ".join(before)
            return [
                (None, "not_rejected", f"{names} is not rejected any more: `toolkit jobs` says where it is")
            ]
        newer = {name: job for name, job in current.attempts.items() if before.get(name) != job}
        if newer or before.keys() - current.attempts.keys():
            jobs = ", ".join(f"{name} in job {job}" for name, job in newer.items())
            why = f"it was tried again since the workbook was written ({jobs or 'in part'}): write a new one"
            return [(None, "newer_attempt", why)]
        return []

    def _cell(
        self,
        table: str,
        line: _Line,
        column: Column,
        now: Mapping[str, Any],
        source: Mapping[str, Any],
        taken: list[dict[str, Any]],
        problems: list[Problem],
    ) -> None:
        """Judge one edited cell: what is new is taken, what cannot be is a problem."""
        name, cell = column.name, line.cells[column.name]
        if is_formula(cell):
            problems.append((name, "formula", "this is a formula: type the text, or paste it as a value"))
            return
        counts, theirs = value_text(column, now[name]), value_text(column, source[name])
        is_corrected = (table, line.key, name) in self.standing
        text = text_of(cell)
        if text is None and is_corrected:
            text = theirs
        try:
            value = read_value(column, text)
        except ValueError as error:
            problems.append((name, "not_a_value", f"{name}: {error}"))
            return
        if other_sign(table, name, source[name], value):
            message = f"{name}: {text!r} would make another document of it than {theirs!r}"
            problems.append((name, "other_sign", message))
            return
        wanted = value_text(column, value)
        if wanted == counts and not (is_corrected and wanted == theirs):
            return
        before = self.written.texts[table, line.key][name]
        mine = self._own(table, line, name)
        if not mine and value_text(column, read_value(column, before) if before else None) != counts:
            message = f"{name} counts as {counts!r} by now, not as {before!r}: write a new workbook"
            problems.append((name, "conflict", message))
            return
        job = max(self.written.attempts[table, line.key].values(), default=None)
        key = {"table": table, "key": line.key, "column": name}
        if wanted == theirs:
            taken.append({**key, "decision": None, "note": line.texts.get("note")})
            return
        made = {**key, "value": wanted, "old_value": theirs, "job": job}
        no = self.barred(made)
        note = line.texts.get("note") or self.standing.get((table, line.key, name), {}).get("note")
        if no is not None:
            problems.append((name, no[0], f"{name}: {no[1]}"))
        elif not (note or "").strip():
            problems.append(("note", "note_missing", NOTE_MISSING))
        else:
            taken.append({**made, "decision": CORRECTED, "note": note})


def _broken(cells: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield rule, message and column of the cells that are read and say nothing that can be relied on."""
    for name, cell in cells.items():
        bad = broken_cell(cell) if name == "note" or name not in HELP_COLUMNS else None
        if bad is not None:
            yield *bad, name


def _read_only(name: str, before: str | None) -> tuple[str, str]:
    if name in HELP_COLUMNS:
        return "edited_column", f"{name} is not read back (it was {before!r}): correct the column itself"
    return "edited_column", f"{name} cannot be corrected (it was {before!r})"


def _header(page: Worksheet, table: str) -> tuple[int, dict[str, int], Sequence[str]] | None:
    """Return the header's row number, the place of each known column, and the headings not known."""
    known = {*HELP_COLUMNS, *(column.name for column in TABLES[table].columns)}
    for number, cells in enumerate(page.iter_rows(max_row=_HEADER_ROWS), 1):
        texts = [text_of(cell) for cell in cells]
        counted = Counter(texts)
        if all(counted[name] == 1 for name in TABLES[table].key):
            places = {name: texts.index(name) for name in known if counted[name] == 1}
            unknown = [text for text in dict.fromkeys(texts) if text and text not in places]
            return number, places, unknown
    return None
