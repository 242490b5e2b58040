"""Corrections before sending: what the gate stops and a value could cure, out to Excel and back.

A correction is judged before it is kept: it must fit, and the gate, run once more with it, must be content
with that very cell. What else still stops the row is said. The loaded tables stay as BluBilling gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import transform
from toolkit.corrections import CORRECTED, CORRECTIONS
from toolkit.corrections_barred import barred
from toolkit.corrections_checked import Cell, SourceRows, judge_entry
from toolkit.corrections_proposed import SUM_RULES, cured_elsewhere, propose
from toolkit.corrections_rows import with_row_was
from toolkit.corrections_sent import READ_LATER, came_late, corrections_sent, sent_record, sent_rows
from toolkit.cutover_corrections import corrected_tables
from toolkit.errors import InputFileError, UsageError
from toolkit.qbxml_versions import LATEST
from toolkit.source_places import CHILDREN
from toolkit.tables import TABLES, empty, finding, findings, from_rows, to_rows
from toolkit.workbook_corrections import (
    CORRECTIONS_FORMAT,
    KEPT_CORRECTIONS,
    TITLE,
    write_corrections,
)
from toolkit.workbook_corrections_reading import SheetRead, read_sheet
from toolkit.workbook_pages import open_pages
from toolkit.workbook_sheets import FINGERPRINT, HIDDEN
from toolkit.workspace import Workspace

__all__ = ["Corrected", "Proposed", "correct", "proposals", "read", "take", "write"]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the gate stops.

    Parameters
    ----------
    proposals : pandas.DataFrame
        ``corrections.proposals``: the cells that a value could cure, and the corrections that stand.
    elsewhere : pandas.DataFrame
        ``corrections.elsewhere``: what no value of a row cures, and where it is cured.
    kept : Path, optional
        Where :func:`write` found a file: the name under which that is kept.
    """

    proposals: pd.DataFrame
    elsewhere: pd.DataFrame
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of corrections.

    Parameters
    ----------
    corrected, withdrawn, unchanged : int
        Cells with a new correction, with one taken back, and those that say nothing new.
    findings : pandas.DataFrame
        What was not taken and why, and what still stops the rows that were corrected.
    """

    corrected: int
    withdrawn: int
    unchanged: int
    findings: pd.DataFrame


def proposals(ws: Workspace) -> Proposed:
    """Return what the gate stops in everything since the cutover that was not sent; nothing is written.

    Both are empty before the cutover date is set and BluBilling's tables are loaded.
    """
    tables = ws.tables()
    if ws.settings.cutover_date is None or not ws.has("billing.customers"):
        return Proposed(empty("corrections.proposals"), empty("corrections.elsewhere"))
    found = _gate(ws, tables[CORRECTIONS]).findings
    return Proposed(propose(found, tables, cutover=ws.settings.cutover_date), cured_elsewhere(found, tables))


def write(ws: Workspace, path: Path) -> Proposed:
    """Write the workbook of corrections and return what it shows.

    Raises
    ------
    UsageError
        No cutover date is set, or there is nothing to correct and no correction stands. No file is written.
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    if ws.settings.cutover_date is None:
        raise UsageError("the gate needs the cutover date: toolkit set cutover_date 2025-12-31")
    found = proposals(ws)
    if not len(found.proposals) and not len(found.elsewhere):
        raise UsageError("the gate has no error on a row of the source, so there is nothing to correct")
    kept = write_corrections(
        path,
        proposals=found.proposals,
        elsewhere=found.elsewhere,
        company=ws.company,
        workspace_id=ws.id,
        stamp=ws.ledger.decisions_stamp(),
    )
    return replace(found, kept=kept)


def read(ws: Workspace, path: Path, who: str) -> Corrected:
    """Keep the corrections of a workbook in the ledger; reading the same workbook twice changes nothing.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    path : Path
        The .xlsx or .ods file.
    who : str
        The person who corrected.

    Raises
    ------
    InputFileError
        The file is no workbook of corrections, or one of another workspace. Nothing is changed.
    """
    pages = open_pages(path)
    hidden, shown = pages.get(HIDDEN), pages.get(TITLE)
    pairs = {row[0]: row[1] for row in hidden.texts()[: len(FINGERPRINT)] if len(row) > 1} if hidden else {}
    workspace, _, version = (pairs.get(name) for name in FINGERPRINT)
    if version != CORRECTIONS_FORMAT or shown is None:
        hint = "write one with `toolkit correct --write FILE` and fill that"
        raise InputFileError(str(path), "is no workbook of corrections: its fingerprint is missing", hint)
    if workspace != ws.id:
        raise InputFileError(str(path), "was written from another workspace", "read it there")
    with ws.lock():
        tables = ws.tables()
        sheet = read_sheet(
            path.name,
            shown,
            pages.get(KEPT_CORRECTIONS),
            sources=tables,
            corrections=tables[CORRECTIONS],
        )
        return take(ws, sheet, who)


def correct(
    ws: Workspace, entries: Iterable[tuple[Sequence[str], str | None]], who: str, note: str | None = None
) -> Corrected:
    """Correct cells from Python, judged as the workbook's are.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    entries : iterable of ((table, key, column), text)
        The cell, and what counts there; ``(empty)`` for no value, ``None`` to withdraw.
    who : str
        The person who corrects.
    note : str, optional
        Why; nothing goes without but a withdrawal, and a cell that was corrected before: its note stays.
    """
    with ws.lock():
        source, found = SourceRows(ws.tables()), []
        rows: list[dict[str, Any]] = []
        unchanged = 0
        standing = {(r["table"], r["key"], r["column"]): r for r in to_rows(ws.read(CORRECTIONS))}
        for cell, text in entries:
            table, key, column = cell
            why = note or standing.get((table, key, column), {}).get("note")
            made, bad = (None, None) if text is None else judge_entry(cell, text, why, source)
            if bad is not None:
                named = {"table": table, "key": key, "column": column, "value": text}
                found.append(finding("error", bad.rule, f"{bad.message}: it was not kept", **named))
            elif made is not None:
                before = standing.get((table, key, column))
                (made,) = with_row_was([made], source.row)
                same = before is not None and all(
                    before[name] == made[name] for name in ("value", "old_value", "row_was")
                )
                if same and (note is None or (before or {})["note"] == note):
                    unchanged += 1
                else:
                    rows.append({**made, "note": why})
            elif (table, key, column) in standing:
                rows.append({"table": table, "key": key, "column": column, "decision": None, "note": note})
            else:
                unchanged += 1
        return take(ws, SheetRead(rows, {}, findings(found), unchanged), who)


def take(ws: Workspace, sheet: SheetRead, who: str) -> Corrected:
    """Run the gate with new corrections, keep those that cure their cell, and say what remains.

    The caller holds the workspace's lock.
    """
    rows, found = _allowed(ws, sheet)
    if rows and ws.settings.cutover_date is not None:
        tables = ws.tables()
        plan, still = _with(ws, tables, rows)
        vain = [row for row in rows if row["decision"] and _cell(row) in still]
        if vain:
            found += [_does_not_cure(row, still[_cell(row)], sheet) for row in vain]
            rows = [row for row in rows if row not in vain]
            plan, _ = _with(ws, tables, rows)
        found += _remaining(tables, plan, rows, sheet)
        found += _lost_words(tables, rows, sheet)
    ws.ledger.decide("corrections", rows, who)
    withdrawn = sum(row["decision"] is None for row in rows)
    return Corrected(len(rows) - withdrawn, withdrawn, sheet.unchanged, findings(found))


def _allowed(ws: Workspace, sheet: SheetRead) -> tuple[list[dict[str, Any]], list[dict[str, str | None]]]:
    """Return the corrections that may be kept, and the findings with those on the others.

    Of rows that are still to be sent, that is, and which make no other document of their row.

    One that came too late can be withdrawn; one that is in what was sent cannot, for that stays sent.
    """
    if not sheet.corrections:
        return [], to_rows(sheet.findings)
    tables = ws.tables()
    rows, found = with_row_was(sheet.corrections, SourceRows(tables).row), to_rows(sheet.findings)
    sent = sent_rows(tables)
    made = corrections_sent(tables, tables[CORRECTIONS])
    late = {_cell(row) for row, record in made if came_late(row, record)}
    for row in list(rows):
        later = (row["table"], row["column"]) in READ_LATER
        record = None if later else sent_record(sent, row["table"], row["key"])
        no = barred(row, tables, ws.settings.cutover_date) if row["decision"] is not None else None
        if no is not None:
            rows.remove(row)
            found.append(_told("error", no[0], f"{row['column']}: {no[1]}; it was not kept", row, sheet))
        elif record is not None and not (row["decision"] is None and _cell(row) in late):
            rows.remove(row)
            message = f"{row['column']}: {record.why}; it was not kept"
            found.append(_told("error", "already_sent", message, row, sheet))
    return rows, found


def _gate(ws: Workspace, corrections: pd.DataFrame) -> transform.Plan:
    """Return the plan of everything that was not sent, as it would be with these corrections."""
    tables, told = corrected_tables(ws, corrections)
    agreed = ws.ledger.agreed_version()
    plan = transform.plan_export(
        tables,
        ws.settings,
        new=True,
        customers=True,
        invoices=True,
        payments=True,
        credits=True,
        version=agreed or LATEST,
        assumed=agreed is None,
        qbxml=False,  # nobody reads the requests of this plan
    )
    return replace(plan, findings=findings([*to_rows(plan.findings), *to_rows(told)]))


def _cell(row: Mapping[str, Any]) -> Cell:
    return row["table"], row["key"], row["column"]


def _with(
    ws: Workspace, tables: Mapping[str, pd.DataFrame], rows: Sequence[Mapping[str, Any]]
) -> tuple[transform.Plan, dict[Cell, str]]:
    """Return the plan with new corrections, and the cells that the gate still finds wrong in themselves."""
    standing = {_cell(row): row for row in to_rows(tables[CORRECTIONS])}
    for row in rows:
        standing.pop(_cell(row), None)
        if row["decision"] == CORRECTED:
            standing[_cell(row)] = dict(row)
    wanted = from_rows(CORRECTIONS, standing.values())
    plan = _gate(ws, wanted)
    after = propose(plan.findings, {**_of(tables), CORRECTIONS: wanted}, cutover=ws.settings.cutover_date)
    still = {
        _cell(row): row["message"]
        for row in to_rows(after)
        if row["status"] == "still wrong" and not set(str(row["rule"]).split(", ")) <= SUM_RULES
    }
    return plan, still


def _of(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    names = [*(name for name in TABLES if name.startswith(("billing.", "ledger."))), "quickbooks.company"]
    return {name: tables[name] for name in names if name in tables}


def _does_not_cure(row: Mapping[str, Any], why: str, sheet: SheetRead) -> dict[str, str | None]:
    message = f"{row['column']}: the gate does not take {row['value']!r} either ({why}): it was not kept"
    return _told("error", "does_not_cure", message, row, sheet)


def _told(
    severity: str, rule: str, message: str, row: Mapping[str, Any], sheet: SheetRead
) -> dict[str, str | None]:
    where = {name: row[name] for name in ("table", "key", "column")}
    value = row.get("value")
    return finding(severity, rule, message, **where, value=value, source=sheet.places.get(_cell(row)))


def _remaining(
    tables: Mapping[str, pd.DataFrame],
    plan: transform.Plan,
    rows: Sequence[Mapping[str, Any]],
    sheet: SheetRead,
) -> list[dict[str, str | None]]:
    """Return what still stops the rows that were corrected: errors of their own, or what they hang on."""
    source = SourceRows(tables)
    first: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        if row["decision"] is not None:
            for place in _documents(source, row):
                first.setdefault(place, row)
    said: dict[tuple[str, str], list[str]] = {}
    for error in to_rows(plan.findings):
        if error["severity"] == "error" and (error["table"], error["key"]) in first:
            text = f"{error['message']} ({error['rule']})"
            said.setdefault((error["table"], error["key"]), []).append(text)
    found = []
    for place, texts in said.items():
        message = f"corrected, and still not sent: {'; '.join(texts)}"
        found.append(_told("warning", "still_blocked", message, first[place], sheet))
    for left in to_rows(plan.left_out):
        place = (left["source_table"], left["source_key"])
        if left["rule"] == "depends_on_blocked" and place in first:
            message = f"corrected, and still waits: it {left['reason']}"
            found.append(_told("warning", "still_waits", message, first[place], sheet))
    return found


def _documents(source: SourceRows, row: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the row itself, its record and the lines of that: what an error may stand on."""
    table, key = row["table"], row["key"]
    found = {(table, key)}
    for parent, below in CHILDREN.items():
        if table == below:
            found.add((parent, str(source.of(below)[key][TABLES[below].parent_key])))
    return found


def _lost_words(
    tables: Mapping[str, pd.DataFrame], rows: Sequence[Mapping[str, Any]], sheet: SheetRead
) -> list[dict[str, str | None]]:
    """Warn of an address of which only the first part was taken over: the rest would stand nowhere."""
    source, new = SourceRows(tables), {_cell(row): row for row in rows}
    found = []
    for (table, key, column), row in new.items():
        if not column.endswith("_street1") or not row.get("value"):
            continue
        old, second = source.text((table, key, column)) or "", column.replace("street1", "street2")
        below = new.get((table, key, second), {}).get("value") or source.text((table, key, second)) or ""
        if old.startswith(row["value"]):
            lost = [word for word in old[len(row["value"]) :].split() if word.strip(",") not in below]
            if lost:
                message = f"of the street, {' '.join(lost)!r} stands nowhere now: correct {second} too"
                found.append(_told("warning", "words_left_out", message, row, sheet))
    return found
