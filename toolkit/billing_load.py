"""Load BluBilling's spreadsheets: each table whole or not at all, and what is gone since the last load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from toolkit.billing_crosschecks import crosscheck
from toolkit.billing_files import Sheet, is_blank, read_sheets
from toolkit.billing_tables import Reading, read_table, recognise
from toolkit.columns import TIMESTAMP
from toolkit.errors import InputFileError
from toolkit.tables import TABLES, finding, findings, from_arrow, to_arrow
from toolkit.tables_billing import BILLING_TABLES

if TYPE_CHECKING:
    from toolkit.workspace import Workspace

__all__ = ["Loaded", "load", "read_billing"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What spreadsheets held.

    Parameters
    ----------
    tables : dict of str to DataFrame
        The tables without an error finding, each conforming to its declaration.
    findings : pandas.DataFrame
        ``findings``: what is wrong or doubtful, with file, sheet and row.
    gone : dict of str to list of str
        Per table, the keys that the last load had and this one lacks.
    """

    tables: dict[str, pd.DataFrame]
    findings: pd.DataFrame
    gone: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """Rows per table."""
        return {name: len(frame) for name, frame in self.tables.items()}


def read_billing(paths: Iterable[str | Path]) -> Loaded:
    """Return what spreadsheets hold, without a workspace: one sheet or file a table.

    Parameters
    ----------
    paths : iterable of path
        .xlsx and .csv files. A table is known from the name of its sheet or file, or else from its columns.

    Raises
    ------
    InputFileError
        A file cannot be read, or no sheet of it is one of BluBilling's tables.
    """
    tables, found = _read(paths)
    return Loaded(tables, findings([*found, *crosscheck(tables, set(tables))]))


def load(ws: Workspace, paths: Iterable[str | Path]) -> Loaded:
    """Load spreadsheets into ``billing/``; a table with an error finding is left as it was.

    Parameters
    ----------
    ws : Workspace
        Where to.
    paths : iterable of path
        As for :func:`read_billing`.

    Raises
    ------
    InputFileError
        As :func:`read_billing`; then nothing was written, of no file.
    """
    tables, found = _read(paths)
    gone: dict[str, list[str]] = {}
    with ws.lock():
        now = ws.ledger.now()
        for name, frame in tables.items():
            lost = _gone(name, ws.read(name), frame)
            if lost:
                gone[name] = lost
            tables[name] = _stamped(name, frame, now)
            ws.write(name, tables[name])
        others = (table.name for table in BILLING_TABLES if table.name not in tables)
        known = tables | {name: ws.read(name) for name in others if ws.has(name)}
    return Loaded(tables, findings([*found, *crosscheck(known, set(tables))]), gone)


def _read(paths: Iterable[str | Path]) -> tuple[dict[str, pd.DataFrame], list[dict[str, str | None]]]:
    readings: dict[str, list[Reading]] = defaultdict(list)
    found: list[dict[str, str | None]] = []
    for path in map(Path, paths):
        for reading in _read_file(path, found):
            readings[reading.table.name].append(reading)
    tables = {}
    for name, several in readings.items():
        for reading in several:
            found += reading.findings
        if len(several) > 1:
            places = " and ".join(reading.sheet.place for reading in several)
            message = f"{name} stands in {places}: give each table once."
            found.append(finding("error", "table_twice", message, table=name, value=places))
        elif several[0].frame is not None:
            tables[name] = several[0].frame
    return tables, found


def _read_file(path: Path, found: list[dict[str, str | None]]) -> list[Reading]:
    sheets = read_sheets(path)
    readings = []
    left: list[tuple[Sheet, list[str]]] = []
    for sheet in sheets:
        # A file's name speaks for its sheet only where there is but one.
        names = [sheet.name, *([path.stem] if len(sheets) == 1 else [])]
        tables = recognise(sheet, names)
        if len(tables) == 1:
            readings.append(read_table(tables[0], sheet))
        else:
            left.append((sheet, tables))
    unclear = [(sheet, tables) for sheet, tables in left if tables]
    for sheet, tables in unclear:
        message = f"{sheet.place} may be {' or '.join(tables)}: name the sheet or file after its table."
        found.append(finding("error", "ambiguous_table", message, value=sheet.place, source=sheet.place))
    if not readings and not unclear:
        raise InputFileError(str(path), _foreign(sheets[0]), _expected())
    for sheet, tables in left:
        if not tables:
            message = f"{sheet.place} is none of BluBilling's tables and was left out."
            found.append(finding("warning", "sheet_left_out", message, value=sheet.place, source=sheet.place))
    return readings


def _stamped(name: str, frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    data = to_arrow(frame, name)
    times = pa.array([now] * len(frame), type=TIMESTAMP.arrow)
    return from_arrow(data.set_column(data.schema.get_field_index("imported_at"), "imported_at", times))


def _foreign(sheet: Sheet) -> str:
    header = [str(cell) for cell in sheet.rows[0][1] if not is_blank(cell)][:8]
    shown = ", ".join(name if len(name) <= 40 else name[:39] + "…" for name in header)
    return f"none of BluBilling's tables; its first row says: {shown}"


def _expected() -> str:
    names = ", ".join(table.name.split(".")[1] for table in BILLING_TABLES)
    return f"name the file or sheet after its table: {names}"


def _gone(name: str, before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Return the keys of ``before`` that ``after`` lacks, in their order, parts joined with `` / ``."""
    key = list(TABLES[name].key)

    def keys(frame: pd.DataFrame) -> list[tuple[object, ...]]:
        columns = [pa.array(frame[column]).to_pylist() for column in key]
        return list(zip(*columns, strict=True))

    there = set(keys(after))
    lost = dict.fromkeys(row for row in keys(before) if row not in there)
    return [" / ".join("" if part is None else str(part) for part in row) for row in lost]
