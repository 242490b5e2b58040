"""Read the decisions out of a mapping workbook that came back from Excel.

Rows are told apart by their key. Of each row three versions are compared: what the workbook says now, what
it said when it was written (kept on its hidden sheet), and what the ledger says now.

===================================  ==================================================================
workbook now                         outcome
===================================  ==================================================================
equal to the ledger                  unchanged
as it was written, ledger differs    unchanged; the newer decision is named as information
edited, ledger as it was written     decided, where the choice is valid
edited, ledger differs               conflict: an error, not decided
===================================  ==================================================================
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import load_workbook
from openpyxl.cell import Cell
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.errors import InputFileError
from toolkit.mapping_customers import NEW, NONE
from toolkit.tables import finding, findings
from toolkit.workbook_choices import Choices
from toolkit.workbook_sheets import (
    FINGERPRINT,
    FORMAT,
    HIDDEN,
    SHEETS,
    Entry,
    Frames,
    Row,
    Sheet,
    cell_text,
    from_cell,
    key_text,
    standing_entry,
)

__all__ = ["WorkbookRead", "is_formula", "open_book", "read_workbook", "text_of"]

_HEADER_ROWS = 10  # an analyst may put a title above the header


@dataclass(slots=True)
class WorkbookRead:
    """What a workbook says.

    Parameters
    ----------
    decisions : dict of str to list of dict
        Ledger table to rows for ``Ledger.decide``; only what is new. A row whose decision is ``None``
        withdraws.
    findings : pandas.DataFrame
        ``findings``: choices that are none, conflicts, edits of other columns.
    unchanged : int
        Rows that say what the ledger says.
    """

    decisions: dict[str, list[dict[str, Any]]]
    findings: pd.DataFrame
    unchanged: int


def read_workbook(
    path: str | Path,
    *,
    charges: pd.DataFrame,
    customers: pd.DataFrame,
    payment_methods: pd.DataFrame,
    items: pd.DataFrame,
    quickbooks_customers: pd.DataFrame,
    quickbooks_methods: pd.DataFrame,
    workspace_id: str,
    stamp: str,
    local_items: pd.DataFrame | None = None,
) -> WorkbookRead:
    """Return the decisions in a workbook that the ledger does not have yet. Reading changes nothing.

    Parameters
    ----------
    path : path
        The .xlsx file.
    charges, customers, payment_methods : pandas.DataFrame
        ``match.*``, made from the decisions that stand now.
    items, quickbooks_customers, quickbooks_methods, local_items : pandas.DataFrame
        What may be chosen now.
    workspace_id, stamp : str
        The workspace, and the ledger's stamp of the decisions that stand now.

    Raises
    ------
    InputFileError
        No workbook, none of the toolkit's, or one of another workspace or version.
    """
    frames = Frames(
        charges, customers, payment_methods, items, quickbooks_customers, quickbooks_methods, local_items
    )
    book = open_book(Path(path))
    written = _check_fingerprint(book, Path(path), workspace_id)
    reading = _Reading(Path(path).name, frames, written.rows, written.stamp == stamp)
    for sheet in SHEETS:
        if sheet.title in book.sheetnames:
            reading.read(book[sheet.title], sheet)
        else:
            message = f"the workbook has no sheet {sheet.title} any more: nothing of it was read"
            reading.report("warning", "missing_sheet", message, sheet)
    return WorkbookRead(dict(reading.decisions), findings(reading.found), reading.unchanged)


# --- the workbook -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    stamp: str | None
    rows: dict[str, list[str | None]]


def open_book(path: Path) -> Workbook:
    """Open a workbook; ``InputFileError`` where it is none or cannot be read."""
    try:
        with warnings.catch_warnings():
            # Excel keeps drop-downs of other sheets in an extension: openpyxl leaves it out and warns.
            warnings.simplefilter("ignore")
            return load_workbook(path)
    except FileNotFoundError as error:
        raise InputFileError(str(path), "there is no such file") from error
    except (
        Exception
    ) as error:  # openpyxl raises whatever the zip, the XML or a missing part makes it trip over
        raise InputFileError(str(path), "is no .xlsx workbook that can be read", str(error)[:100]) from error


def _check_fingerprint(book: Workbook, path: Path, workspace_id: str) -> _Written:
    rows: list[list[str | None]] = []
    if HIDDEN in book.sheetnames:
        rows = [[text_of(cell) for cell in cells] for cells in book[HIDDEN].iter_rows()]
    pairs = {row[0]: row[1] for row in rows[: len(FINGERPRINT)] if len(row) > 1}
    properties: Any = book.custom_doc_props  # type: ignore[attr-defined]  # younger than the stubs
    for prop in properties.props:
        pairs.setdefault(prop.name, str(prop.value))
    workspace, stamp, version = (pairs.get(name) for name in FINGERPRINT)
    if workspace is None:
        hint = "write one with `toolkit map --write FILE` and fill that"
        raise InputFileError(str(path), "is no mapping workbook: it has no fingerprint", hint)
    if workspace != workspace_id:
        raise InputFileError(str(path), "was written from another workspace", "read it there")
    if version != FORMAT:
        raise InputFileError(str(path), f"was written by another version ({version})", "write it again")
    return _Written(stamp, {str(row[0]): row[1:] for row in rows[len(FINGERPRINT) :] if row[0] is not None})


def text_of(cell: Any) -> str | None:
    """Return what a cell holds as the text to compare it by; ``None`` for nothing."""
    value = cell.value
    return cell_text(from_cell(value) if isinstance(value, str) else value)


# --- its rows -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Line:
    """One row of a sheet: where it stands, its key, and its cells by column name."""

    number: int
    key: Row
    cells: Mapping[str, Cell]
    entry: Entry = (None, None, None)


@dataclass(slots=True)
class _Reading:
    """One reading of one workbook: gathers decisions and findings sheet by sheet."""

    name: str
    frames: Frames
    written: dict[str, list[str | None]]
    same_stamp: bool
    decisions: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    found: list[dict[str, str | None]] = field(default_factory=list)
    unchanged: int = 0

    def report(
        self,
        severity: str,
        rule: str,
        message: str,
        sheet: Sheet,
        line: _Line | None = None,
        column: str | None = None,
        value: object = None,
        suggestion: str | None = None,
    ) -> None:
        """Add a finding, with its place in the workbook."""
        self.found.append(
            finding(
                severity,
                rule,
                message,
                table=sheet.declared,
                key=None if line is None else [str(part or "") for part in line.key.values()],
                column=column,
                value=value,
                suggestion=suggestion,
                source=f"{self.name}!{sheet.title}" + ("" if line is None else f"!R{line.number}"),
            )
        )

    def read(self, page: Worksheet, sheet: Sheet) -> None:
        """Read one sheet."""
        header = _header(page, sheet)
        if header is None:
            wanted = ", ".join((*sheet.key, "decision"))
            message = f"no row has the headings {wanted}, once each: nothing of the sheet was read"
            self.report("error", "missing_column", message, sheet)
            return
        known = {key_text(sheet, row): row for row in self.frames.rows(sheet)}
        lines = self._once(sheet, list(self._lines(page, sheet, *header)))
        chosen = Choices(sheet, self.frames, [line.entry[0] for line in lines if line.entry[0] is not None])
        for line in lines:
            row = known.get(key_text(sheet, line.key))
            if row is not None:
                self._edits(sheet, line)
                self._decide(sheet, line, row, chosen)
            elif line.entry[0] is not None:
                message = "there is no such row any more (or its key was changed): its decision was not read"
                self.report("warning", "unknown_key", message, sheet, line, "decision", line.entry[0])

    def _lines(
        self, page: Worksheet, sheet: Sheet, header_row: int, places: Mapping[str, int]
    ) -> Iterator[_Line]:
        for cells in page.iter_rows(min_row=header_row + 1):
            by_name: dict[str, Any] = {name: cells[place] for name, place in places.items()}
            key = {name: text_of(by_name[name]) for name in sheet.key}
            if all(part is None for part in key.values()):
                continue
            line = _Line(int(by_name["decision"].row), key, by_name)
            formulas = [name for name in (*sheet.key, *sheet.fill) if is_formula(by_name.get(name))]
            if formulas:
                message = "this is a formula: type the text itself, or paste it as a value"
                self.report("error", "formula", message, sheet, line, formulas[0], by_name[formulas[0]].value)
                continue
            yield line

    def _once(self, sheet: Sheet, lines: Sequence[_Line]) -> list[_Line]:
        """Return the lines with their entries, each key once; one key with two entries is an error."""
        entries: defaultdict[str, list[_Line]] = defaultdict(list)
        for line in lines:
            line.entry = self._entry(sheet, line)
            entries[key_text(sheet, line.key)].append(line)
        kept = []
        for same in entries.values():
            if len({line.entry for line in same}) > 1:
                rows = ", ".join(str(line.number) for line in same)
                message = f"rows {rows} decide on the same thing differently: none of them was read"
                self.report("error", "key_twice", message, sheet, same[0], "decision")
            else:
                kept.append(same[0])
        return kept

    def _before(self, sheet: Sheet, line: _Line) -> Entry | None:
        texts = self.written.get(key_text(sheet, line.key))
        return None if texts is None else (texts[0], texts[1], texts[2])

    def _entry(self, sheet: Sheet, line: _Line) -> Entry:
        """Return what the line says; a column that was deleted says what it said."""
        before = self._before(sheet, line) or (None, None, None)
        texts = [
            text_of(line.cells[name]) if name in line.cells else old
            for name, old in zip(("decision", "note", "new_name"), before, strict=True)
        ]
        return texts[0], texts[1], texts[2]

    def _edits(self, sheet: Sheet, line: _Line) -> None:
        """Report columns that are not read back and were edited all the same."""
        texts = self.written.get(key_text(sheet, line.key))
        if texts is None:
            return
        others = [name for name in sheet.columns if name not in (*sheet.key, *sheet.fill)]
        for name, old in zip(others, [*texts[3:], *[None] * len(others)], strict=False):
            if name in line.cells and text_of(line.cells[name]) != old:
                message = (
                    f"{name} was edited (it was {old!r}): only decision, note and new_name are read back"
                )
                self.report("info", "edited_column", message, sheet, line, name, text_of(line.cells[name]))

    def _decide(self, sheet: Sheet, line: _Line, row: Row, chosen: Choices) -> None:
        now = standing_entry({"new_name": None, **row})
        before = self._before(sheet, line)
        if before is None and self.same_stamp:
            before = now
        decision, note, new_name = line.entry
        if decision == NEW and sheet.prefix == "customer":
            new_name = new_name or row["name"]
        elif new_name is not None:
            message = f"new_name counts only where the decision is {NEW}: it was not read"
            self.report("info", "new_name_unused", message, sheet, line, "new_name", new_name)
            new_name = None
        entry = (decision, note, new_name)
        if entry == now or (decision is None and now[0] is None):
            self.unchanged += 1
            if note is not None and note != now[1]:
                message = "a note is kept with a decision only: there is none, so it was not read"
                self.report("info", "note_without_decision", message, sheet, line, "note", note)
        elif entry == before:
            self.unchanged += 1
            message = f"the decision was changed elsewhere since, to {now[0]!r}: that one stands"
            self.report("info", "newer_decision", message, sheet, line, "decision", decision)
        elif before != now:
            message = (
                f"the decision was changed elsewhere since this workbook was written, to {now[0]!r} "
                f"(note: {now[1]!r}): not overwritten; write a new workbook and decide there"
            )
            self.report("error", "conflict", message, sheet, line, "decision", decision)
        else:
            self._take(sheet, line, row, entry, chosen)

    def _take(self, sheet: Sheet, line: _Line, row: Row, entry: Entry, chosen: Choices) -> None:
        decision, note, new_name = entry
        list_id = full_name = None
        kept = decision not in (None, NEW, NONE) and decision == row["decision"]
        if kept and row[f"{sheet.prefix}_full_name"]:
            # Only the note is new: the record stays the one decided on, even if it has another name by now.
            list_id, full_name = row[f"{sheet.prefix}_list_id"], row[f"{sheet.prefix}_full_name"]
        elif decision is not None:
            problem = chosen.problem(entry, row)
            if problem is not None:
                rule, column, message, suggestion = problem
                value = new_name if column == "new_name" else decision
                self.report("error", rule, message, sheet, line, column, value, suggestion)
                return
            found = chosen.find(decision)
            list_id, full_name = (found["list_id"], found["full_name"]) if found else (None, None)
        taken = {**line.key, "decision": decision, "note": note}
        taken |= {f"{sheet.prefix}_list_id": list_id, f"{sheet.prefix}_full_name": full_name}
        self.decisions[sheet.table].append(
            {**taken, "new_name": new_name} if sheet.prefix == "customer" else taken
        )


def _header(page: Worksheet, sheet: Sheet) -> tuple[int, dict[str, int]] | None:
    """Return the header's row number and the place of each known column, or ``None``."""
    for number, cells in enumerate(page.iter_rows(max_row=_HEADER_ROWS), 1):
        texts = [text_of(cell) for cell in cells]
        counted = Counter(texts)
        if all(counted[name] == 1 for name in (*sheet.key, "decision")):
            return number, {name: texts.index(name) for name in sheet.columns if counted[name] == 1}
    return None


def is_formula(cell: Any) -> bool:
    """Return whether a cell holds a formula."""
    return cell is not None and cell.data_type == "f"
