"""Read corrections out of a sheet that came back from a spreadsheet program.

Rows are told apart by table, key and column. A cell is read whole or not at all: what cannot be taken is a
finding with its place in the workbook, and leaves that cell as it was.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from toolkit.corrections import CORRECTIONS
from toolkit.corrections_checked import Cell, SourceRows, judge_entry, shown_entry
from toolkit.corrections_effective import effective_tables, void_corrections
from toolkit.tables import finding, findings, to_rows
from toolkit.workbook_corrections import CORRECTION_COLUMNS, FILLED, KEY, TITLE
from toolkit.workbook_pages import Page

__all__ = ["SheetRead", "read_sheet"]

_HEADER_ROWS = 10  # an analyst may put a title above the header

Entry = tuple[str | None, str | None]
"""Correction and note."""


@dataclass(slots=True)
class SheetRead:
    """What a sheet of corrections says.

    Parameters
    ----------
    corrections : list of dict
        Rows for ``Ledger.decide("corrections", ...)``: only what is new. One whose decision is ``None``
        withdraws.
    places : dict
        By table, key and column where it stands in the workbook.
    findings : pandas.DataFrame
        ``findings``: what was not taken, and edits of other columns.
    unchanged : int
        Rows that say what counts already.
    """

    corrections: list[dict[str, Any]]
    places: dict[Cell, str]
    findings: pd.DataFrame
    unchanged: int


def read_sheet(
    name: str,
    sheet: Page,
    kept: Page | None,
    *,
    sources: Mapping[str, pd.DataFrame],
    corrections: pd.DataFrame,
) -> SheetRead:
    """Return the corrections of a sheet that do not count yet. Reading changes nothing.

    Parameters
    ----------
    name : str
        Of the workbook, for the findings.
    sheet : Page
        The sheet ``Corrections``.
    kept : Page or None
        The hidden sheet; ``None`` where it was lost: then the column ``value`` says what a correction was
        made for, and nothing that stands in the ledger is overwritten.
    sources : mapping
        ``billing.*`` as BluBilling gave them; ``ledger.*`` tells which corrections count.
    corrections : pandas.DataFrame
        ``mapping.corrections``: those that stand.
    """
    standing = {(row["table"], row["key"], row["column"]): row for row in to_rows(corrections)}
    void = void_corrections(effective_tables(sources, {CORRECTIONS: corrections})[1])
    overtaken = {cell for cell, told in void.items() if told["rule"] == "correction_overtaken"}
    memory = None if kept is None else _memory(kept)
    reading = _Reading(name, SourceRows(sources), standing, overtaken, memory)
    reading.read(sheet)
    return SheetRead(reading.corrections, reading.places, findings(reading.found), reading.unchanged)


def _memory(kept: Page) -> dict[Cell, dict[str, str | None]]:
    """Return what the sheet said when it was written, by cell and column of the sheet."""
    rows = kept.texts()
    if not rows:
        return {}
    names = rows[0][1:]
    found: dict[Cell, dict[str, str | None]] = {}
    for texts in rows[1:]:
        if texts and texts[0]:
            table, key, column = json.loads(texts[0])
            padded = [*texts[1:], *[None] * len(names)]
            found[table, key, column] = {
                str(name): text for name, text in zip(names, padded, strict=False) if name
            }
    return found


@dataclass(slots=True)
class _Line:
    """One row of the sheet."""

    number: int
    texts: Mapping[str, str | None]
    formulas: list[str]
    broken: tuple[str, str, str] | None

    @property
    def cell(self) -> Cell:
        table, key, column = (self.texts[name] or "" for name in KEY)
        return table, key, column

    @property
    def entry(self) -> Entry:
        return self.texts.get("correction"), self.texts.get("note")


@dataclass(slots=True)
class _Reading:
    """One reading of one sheet."""

    name: str
    source: SourceRows
    standing: Mapping[Cell, Mapping[str, Any]]
    overtaken: Collection[Cell]
    memory: Mapping[Cell, Mapping[str, str | None]] | None
    corrections: list[dict[str, Any]] = field(default_factory=list)
    places: dict[Cell, str] = field(default_factory=dict)
    found: list[dict[str, str | None]] = field(default_factory=list)
    unchanged: int = 0

    def report(
        self,
        severity: str,
        rule: str,
        message: str,
        line: _Line | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Add a finding, with its place in the workbook."""
        table, key, own = (None, None, None) if line is None else line.cell
        source = f"{self.name}!{TITLE}" + ("" if line is None else f"!R{line.number}")
        self.found.append(
            finding(
                severity,
                rule,
                message,
                table=table,
                key=key,
                column=column or own,
                value=value,
                source=source,
            )
        )

    def read(self, sheet: Page) -> None:
        """Read the sheet."""
        header = _header(sheet)
        if header is None:
            message = (
                f"no row has the headings {', '.join((*KEY, 'correction'))}, once each: nothing was read"
            )
            self.report("error", "missing_column", message)
            return
        by_cell: defaultdict[Cell, list[_Line]] = defaultdict(list)
        for line in _lines(sheet, *header):
            if line.broken is not None:
                rule, message, column = line.broken
                self.report("error", rule, message, line, column)
            else:
                by_cell[line.cell].append(line)
        for same in by_cell.values():
            if len({line.entry for line in same}) > 1:
                rows = ", ".join(str(line.number) for line in same)
                message = f"rows {rows} correct the same cell differently: none of them was read"
                self.report("error", "key_twice", message, same[0])
            elif any(line.formulas for line in same):
                message = "this is a formula: type the text itself, or paste it as a value"
                self.report("error", "formula", message, same[0])
            else:
                self._line(same[0])

    def _line(self, line: _Line) -> None:
        cell, made = line.cell, self.standing.get(line.cell)
        stood: Entry = (shown_entry(made), made["note"] if made else None)
        # One that BluBilling overtook is none: it may be made again as it was.
        now: Entry = (None, None) if cell in self.overtaken else stood
        kept = None if self.memory is None else self.memory.get(cell)
        before: Entry = (None, None) if kept is None else (kept.get("correction"), kept.get("note"))
        if kept is not None:
            self._edits(line, kept)
        entry: Entry = line.entry if "note" in line.texts else (line.entry[0], before[1])
        if now != stood and (entry if kept is None else before) == stood:
            # The sheet is from the days when it counted.
            if entry == stood:
                self.unchanged += 1
            else:
                self._take(line, entry, made, (kept or line.texts).get("value"))
        elif entry == now or entry[0] is None is now[0]:
            self.unchanged += 1
            if entry[1] and entry[1] != now[1]:
                message = "a note is kept with a correction only: there is none, so it was not read"
                self.report("info", "note_without_correction", message, line, "note", entry[1])
        elif kept is not None and entry == before:
            self.unchanged += 1
            message = f"it was corrected elsewhere since, to {now[0]!r}: that one stands"
            self.report("info", "newer_decision", message, line, value=entry[0])
        elif before != now:
            message = (
                f"it was corrected elsewhere since this workbook was written, to {now[0]!r} (note: "
                f"{now[1]!r}): not overwritten; write a new workbook and correct it there"
            )
            self.report("error", "conflict", message, line, value=entry[0])
        else:
            self._take(line, entry, made, (kept or line.texts).get("value"))

    def _edits(self, line: _Line, kept: Mapping[str, str | None]) -> None:
        """Report columns that are not read back and were edited all the same."""
        for name in CORRECTION_COLUMNS:
            if name not in (*KEY, *FILLED) and name in line.texts and line.texts[name] != kept.get(name):
                message = f"{name} was edited (it was {kept.get(name)!r}): only correction and note are read"
                self.report("info", "edited_column", message, line, value=line.texts[name])

    def _take(self, line: _Line, entry: Entry, made: Any, value: str | None) -> None:
        text, note = entry
        table, key, column = line.cell
        self.places[line.cell] = f"{self.name}!{TITLE}!R{line.number}"
        if text is None or (made is not None and text == self.source.text(line.cell)):
            row = {"table": table, "key": key, "column": column, "decision": None, "note": note}
            self.corrections.append(row)
            return
        correction, bad = judge_entry(line.cell, text, note, self.source)
        if bad is not None:
            self.report("error", bad.rule, f"{bad.message}: it was not read", line, value=text)
            return
        theirs = self.source.text(line.cell)
        if theirs != value:
            message = (
                f"BluBilling has {theirs!r} by now, and the correction was made for {value!r}: it was not "
                "read; write a new workbook"
            )
            self.report("error", "conflict", message, line, value=text)
        elif correction is not None:
            job = {"job": made["job"]} if made and made["job"] is not None else {}
            self.corrections.append({**correction, **job, "note": note})
        elif made is not None:
            row = {"table": table, "key": key, "column": column, "decision": None, "note": note}
            self.corrections.append(row)
        else:
            self.unchanged += 1
            message = f"BluBilling has {text!r} itself: there is nothing to correct"
            self.report("info", "nothing_to_correct", message, line, value=text)


def _header(sheet: Page) -> tuple[int, dict[str, int]] | None:
    """Return the header's row number, from 0, and the place of each known column."""
    for number, texts in enumerate(sheet.texts()[:_HEADER_ROWS]):
        counted = Counter(texts)
        if all(counted[name] == 1 for name in (*KEY, "correction")):
            return number, {name: texts.index(name) for name in CORRECTION_COLUMNS if counted[name] == 1}
    return None


def _lines(sheet: Page, header: int, places: Mapping[str, int]) -> Iterator[_Line]:
    for number, texts in enumerate(sheet.texts()[header + 1 :], header + 1):
        found = {name: texts[place] if place < len(texts) else None for name, place in places.items()}
        formulas = [name for name in (*KEY, *FILLED) if (number, places.get(name, -1)) in sheet.formulas]
        # The value tells what a correction was made for where the hidden sheet does not.
        broken = sheet.broken(number, places, (*KEY, *FILLED, "value"))
        if any(found[name] is not None for name in KEY) or formulas or broken:
            yield _Line(number + 1, found, formulas, broken)
