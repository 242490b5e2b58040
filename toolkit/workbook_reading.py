"""Read the decisions out of a mapping workbook that came back from Excel, LibreOffice or pandas.

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

A file that lost its hidden sheet still has the column ``made_from`` on each row: it says whether the row was
edited and whether the ledger has a newer decision, so the outcome is the same; only edits of the columns that
are not read back go unnoticed. Without that column an edit is taken where nothing at all was decided since.

A sheet that was sorted in part is not read where what was written shows it: see :mod:`toolkit.workbook_torn`.
A column of new choices that was sorted by itself, with none among them that stood before, shows nothing: then
each is checked as a choice for the row that it now stands on, and nothing more can be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit.local_item_rules import ItemLists, item_findings, item_row
from toolkit.tables import finding, findings
from toolkit.workbook_choices import Choices
from toolkit.workbook_lines import Line, Read, Written, identify, is_copy, read_sheet
from toolkit.workbook_pages import Pages, open_pages
from toolkit.workbook_sheets import (
    CHANGES,
    ITEMS_BY_HAND,
    SHEETS,
    Entry,
    Frames,
    Row,
    Sheet,
    key_text,
    row_stamp,
    standing_entry,
)

__all__ = ["WorkbookRead", "read_workbook"]


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
    items : list of dict
        Items entered or changed by hand, parents first: rows for ``Ledger.add_item``. They are to be kept
        before the decisions.
    corrected : int
        Values corrected, or corrections taken back, on a sheet of corrections beside.
    """

    decisions: dict[str, list[dict[str, Any]]]
    findings: pd.DataFrame
    unchanged: int
    items: list[dict[str, Any]] = field(default_factory=list)
    corrected: int = 0

    @property
    def taken(self) -> int:
        """How many rows were taken: decisions, items and corrections."""
        return sum(map(len, self.decisions.values())) + len(self.items) + self.corrected


def read_workbook(path: str | Path, frames: Frames, *, workspace_id: str, stamp: str) -> WorkbookRead:
    """Return the decisions in a workbook that the ledger does not have yet. Reading changes nothing.

    Parameters
    ----------
    path : path
        The .xlsx or .ods file.
    frames : Frames
        The matches, made from the decisions that stand now, and what may be chosen now. Items that the
        workbook enters are added to what may be chosen.
    workspace_id, stamp : str
        The workspace, and the ledger's stamp of the decisions that stand now.

    Raises
    ------
    InputFileError
        No workbook, none of the toolkit's, or one of another workspace or version.
    """
    pages = open_pages(Path(path))
    written = identify(pages, Path(path), workspace_id)
    reading = _Reading(Path(path).name, frames, written, workspace_id, written.stamp == stamp)
    items = reading.enter_items(pages)
    frames.add_items([*items])
    for sheet in SHEETS:
        reading.decide(pages, sheet)
    reading.look_at(pages, CHANGES)
    reading.strangers(pages)
    return WorkbookRead(dict(reading.decisions), findings(reading.found), reading.unchanged, items)


@dataclass(slots=True)
class _Reading:
    """One reading of one workbook: gathers decisions and findings sheet by sheet."""

    name: str
    frames: Frames
    written: Written
    workspace_id: str
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
        line: Line | None = None,
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

    def _lines(self, pages: Pages, sheet: Sheet) -> Read | None:
        """Return the rows of a sheet with their entries, each key once; ``None`` where it cannot be read."""
        if sheet.title not in pages.titles:
            message = (
                f"the workbook has no sheet {sheet.title} any more: nothing of it was read, what stands stays"
            )
            self.report("warning", "missing_sheet", message, sheet)
            return None
        read = read_sheet(pages[sheet.title], sheet, self.written, self.frames.rows(sheet))
        for problem in read.problems:
            self.report(*problem)
        return None if read.unreadable else read

    # --- the sheets that are decided on ---------------------------------------------------------------

    def decide(self, pages: Pages, sheet: Sheet) -> None:
        """Read one sheet of things to decide."""
        read = self._lines(pages, sheet)
        if read is None:
            return
        known = {key_text(sheet, row): row for row in self.frames.rows(sheet)}
        asked = [line.entry["decision"] for line in read.lines if line.entry["decision"] is not None]
        chosen = Choices(sheet, self.frames, asked)
        twice = _same_number(sheet, read.lines, known)
        for line in read.lines:
            row = known.get(key_text(sheet, line.key))
            if row is None:
                if line.entry["decision"] is not None:
                    message = (
                        "there is no such row any more (or its key was changed): its decision was not read"
                    )
                    decision = line.entry["decision"]
                    self.report("warning", "unknown_key", message, sheet, line, "decision", decision)
            elif self._ours(sheet, line):
                self._edits(sheet, line)
                self._row(sheet, line, row, chosen, key_text(sheet, line.key) in twice)

    def _row(self, sheet: Sheet, line: Line, row: Row, chosen: Choices, number_twice: bool) -> None:
        now = standing_entry(sheet, row)
        entry, idle = chosen.settled(line.entry, row)
        if idle is not None:
            self.report("info", idle.rule, idle.message, sheet, line, idle.column, line.entry[idle.column])
        if _needless(sheet, row, entry, now):
            self.unchanged += 1
            message = "its price code is this item's full name already: there is nothing to decide"
            self.report("info", "already_exact", message, sheet, line, "decision", entry["decision"])
            return
        if not self._edited(sheet, line, entry, now):
            return
        if entry["decision"] is not None:
            problem = None if _only_note(chosen, entry, now, row) else chosen.problem(entry, row)
            if problem is not None:
                rule, column, message, suggestion = problem
                self.report("error", rule, message, sheet, line, column, entry[column], suggestion)
                return
            if number_twice:
                message = "two rows of this sheet are given this number: neither was read"
                self.report("error", "number_taken", message, sheet, line, "decision", entry["decision"])
                return
            self._override(sheet, line, row, entry)
        for table, taken in chosen.kept(entry, row):
            self.decisions[table].append(taken)

    def _override(self, sheet: Sheet, line: Line, row: Row, entry: Entry) -> None:
        """Say where a decision goes before an exact match: a column filled down may have gone too far."""
        exact = row.get(f"{sheet.prefix}_full_name") if row["status"] == "exact" else None
        if exact not in (None, entry["decision"]):
            message = (
                f"it is {exact} by itself, exactly: this decision goes before that; empty the cell and read "
                "again where that is not meant"
            )
            self.report(
                "warning", "exact_overridden", message, sheet, line, "decision", entry["decision"], exact
            )

    def _edited(self, sheet: Sheet, line: Line, entry: Entry, now: Entry) -> bool:
        """Return whether a row was edited and may be taken; say what else it is."""
        blank = "decision" in entry and entry["decision"] is None is now["decision"]
        if entry == now or blank:
            self.unchanged += 1
            if blank:
                self._idle(sheet, line, entry, now)
            return False
        said = f"{now['decision']!r} (note: {now['note']!r})" if "decision" in now else "what it is now"
        if self._as_written(sheet, line, entry, now):
            self.unchanged += 1
            message = f"the decision was changed elsewhere since, to {said}: that one stands"
            self.report("info", "newer_decision", message, sheet, line, sheet.fill[0], entry[sheet.fill[0]])
            return False
        if not self._as_written(sheet, line, now, now):
            message = (
                f"the decision was changed elsewhere since this workbook was written, to {said}: "
                "not overwritten; write a new workbook and decide there"
            )
            self.report("error", "conflict", message, sheet, line, sheet.fill[0], entry[sheet.fill[0]])
            return False
        return True

    def _idle(self, sheet: Sheet, line: Line, entry: Entry, now: Entry) -> None:
        if entry["note"] is not None and entry["note"] != now["note"]:
            message = "a note is kept with a decision only: there is none, so it was not read"
            self.report("info", "note_without_decision", message, sheet, line, "note", entry["note"])
        deposit = entry.get("deposit_account")
        if deposit is not None:
            message = "a deposit account is kept with a decision only: choose the payment method too"
            self.report("error", "decision_missing", message, sheet, line, "deposit_account", deposit)

    def _as_written(self, sheet: Sheet, line: Line, entry: Entry, now: Entry) -> bool:
        """Return whether an entry is the one that stood when the workbook was written."""
        before = self.written.entry(sheet, line.key)
        if before is not None:
            return {**before} == {**entry}
        if line.stamp is not None:
            made = row_stamp(self.workspace_id, "", entry)
            return line.stamp.split(" ")[-1] == made.split(" ")[-1]
        return self.same_stamp and entry == now

    def _ours(self, sheet: Sheet, line: Line) -> bool:
        """Return whether a row is this workspace's and still whole; say where it is not."""
        ours = row_stamp(self.workspace_id, "", {}).split(" ")[0]
        if line.stamp is not None and line.stamp.split(" ")[0] != ours:
            message = "this row comes from the workbook of another workspace: it was not read"
            self.report("error", "other_workspace", message, sheet, line)
            return False
        if line.torn is not None:
            message = (
                f"what stands beside this key is what was written beside {line.torn}: the sheet was sorted "
                "in part, or cells were moved; this row was not read"
            )
            self.report("error", "torn_row", message, sheet, line, "decision", line.entry.get("decision"))
            return False
        return True

    def _edits(self, sheet: Sheet, line: Line) -> None:
        """Report columns that are not read back and were edited all the same."""
        for name, (old, new) in line.edits.items():
            message = f"{name} was edited (it was {old!r}): only {', '.join(sheet.fill)} are read back"
            if not sheet.fill:
                message = f"{name} was edited (it was {old!r}): this sheet is only shown"
            self.report("info", "edited_column", message, sheet, line, name, new)

    # --- the other sheets -----------------------------------------------------------------------------

    def enter_items(self, pages: Pages) -> list[dict[str, Any]]:
        """Return the items that the sheet of items by hand enters or changes, parents first."""
        sheet = ITEMS_BY_HAND
        read = self._lines(pages, sheet)
        lists = ItemLists.of_tables(self.frames.tables)
        known = {row["name"]: row for row in self.frames.rows(sheet)}
        taken = []
        depth = sorted(read.lines if read else [], key=lambda line: str(line.key["name"]).count(":"))
        for line in depth:
            row = known.get(line.key["name"])
            now = None if row is None else standing_entry(sheet, row)
            entered = {"name": line.key["name"], **line.entry}
            if not self._ours(sheet, line):
                continue
            self._edits(sheet, line)
            if now is not None and not self._edited(sheet, line, item_row(entered).entry, now):
                continue
            item = item_row(entered)
            problems = [*item.problems, *item_findings(item.row, lists, replaces=row)]
            for one in problems:
                told = (str(one["severity"]), str(one["rule"]), str(one["message"]))
                self.report(*told, sheet, line, one["column"], one["value"], one["suggestion"])
            if not any(one["severity"] == "error" for one in problems):
                taken.append(item.row)
                lists.enter(item.row)
        return taken

    def look_at(self, pages: Pages, sheet: Sheet) -> None:
        """Report edits of a sheet that is only shown; it may be deleted."""
        if sheet.title in pages.titles:
            read = read_sheet(pages[sheet.title], sheet, self.written, self.frames.rows(sheet))
            for line in read.lines:
                self._edits(sheet, line)

    def strangers(self, pages: Pages) -> None:
        """Say which sheets look like ours, by their name or their headings, and were not read."""
        filled = (*SHEETS, ITEMS_BY_HAND)
        for title in pages.titles:
            if title in {sheet.title for sheet in (*filled, CHANGES)}:
                continue
            named = [sheet for sheet in SHEETS if title.startswith(sheet.title)]
            alike = [sheet for sheet in filled if is_copy(pages[title], sheet)]
            for sheet in sorted(named or alike, key=lambda sheet: len(sheet.key))[-1:]:
                message = (
                    f"the sheet {title} was not read: only the one called {sheet.title} is; "
                    "copy what was decided there"
                )
                self.report("warning", "unknown_sheet", message, sheet, value=title)


def _only_note(chosen: Choices, entry: Entry, now: Entry, row: Row) -> bool:
    same = all(entry[name] == now[name] for name in entry if name != "note")
    return same and chosen.stays(entry, row)


def _needless(sheet: Sheet, row: Row, entry: Entry, now: Entry) -> bool:
    """Return whether a charge is exact without the decision: kept, it would retire at once, each time."""
    exact = sheet.table_of(row) == "charge_items" and row["status"] == "exact" and now["decision"] is None
    return exact and entry["decision"] is not None and entry["decision"] == row["item_full_name"]


def _same_number(sheet: Sheet, lines: Sequence[Line], known: dict[str, Row]) -> set[str]:
    """Return the keys of rows of the sheet of numbers that are given one number."""
    if sheet.prefix != "number":
        return set()
    given: defaultdict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for line in lines:
        if line.entry["decision"] is not None:
            given[line.key["record_kind"], line.entry["decision"]].append(key_text(sheet, line.key))
    return {key for keys in given.values() if len(keys) > 1 for key in keys if key in known}
