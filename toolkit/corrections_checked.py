"""Whether a value can stand in a cell of BluBilling's rows: its form, its length, its characters.

Shared by the proposals, the workbook and the one-line decisions, so that all of them say the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.checks_rows import outside_windows_1252
from toolkit.corrections import (
    CORRECTABLE,
    CORRECTED,
    columns_to_correct,
    other_sign,
    read_value,
    row_key,
    value_text,
)
from toolkit.source_places import column_limit
from toolkit.tables import TABLES, to_rows

__all__ = ["EMPTY", "NOTE_MISSING", "SourceRows", "Unfit", "judge_entry", "misfit", "shown_entry"]

EMPTY = "(empty)"
"""The correction that leaves a cell without a value."""

NOTE_MISSING = "a correction needs its reason: say why in note"

Row = Mapping[str, Any]
Cell = tuple[str, str, str]
"""Table, key and column."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a correction cannot be taken.

    Parameters
    ----------
    rule : str
        What its finding carries.
    message : str
        For people.
    """

    rule: str
    message: str


class SourceRows:
    """The rows of the tables that can be corrected, by key; a table is read when it is first asked for."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables
        self._rows: dict[str, dict[str, Row]] = {}
        self._below: dict[str, dict[str, list[Row]]] = {}

    def of(self, table: str) -> dict[str, Row]:
        """Return the rows of a table by key."""
        if table not in self._rows:
            listed = to_rows(self._tables[table]) if table in self._tables else []
            self._rows[table] = {row_key(table, row): row for row in listed}
        return self._rows[table]

    def row(self, table: str, key: str) -> Row | None:
        """Return one row; ``None`` where there is none."""
        return self.of(table).get(key)

    def below(self, table: str, parent: str) -> list[Row]:
        """Return the rows of a table of lines that belong to one parent."""
        if table not in self._below:
            found: dict[str, list[Row]] = {}
            for row in self.of(table).values():
                found.setdefault(row[TABLES[table].parent_key], []).append(row)
            self._below[table] = found
        return self._below[table].get(parent, [])

    def text(self, cell: Cell) -> str | None:
        """Return the value of a cell as text; ``None`` for none, or where there is no such row."""
        table, key, column = cell
        return value_text(TABLES[table].column(column), self.of(table).get(key, {}).get(column))


def misfit(table: str, column: str, value: object) -> str | None:
    """Return why QuickBooks cannot hold a value of a column, in words; ``None`` where it can.

    >>> misfit("billing.customers", "bill_zip", "12345-6789-0001")
    'it has 15 characters, QuickBooks takes 13'
    """
    if not isinstance(value, str):
        return None
    longest, length = column_limit(table, column), len(unicodedata.normalize("NFC", value))
    if longest is not None and length > longest:
        return f"it has {length} characters, QuickBooks takes {longest}"
    bad = outside_windows_1252(value)
    return f"QuickBooks cannot hold {' '.join(bad)} (Windows-1252 only)" if bad else None


def shown_entry(row: Row | None) -> str | None:
    """Return what a standing correction (``mapping.corrections``) shows: its value, or :data:`EMPTY`."""
    if row is None or row["decision"] is None:
        return None
    return EMPTY if row["value"] is None else str(row["value"])


def judge_entry(
    cell: Sequence[str], text: str, note: str | None, source: SourceRows
) -> tuple[dict[str, Any] | None, Unfit | None]:
    """Return a correction for the ledger, or why a text cannot be one.

    Parameters
    ----------
    cell : (str, str, str)
        Table, key and column.
    text : str
        What is to stand there; :data:`EMPTY` for no value.
    note : str or None
        Why; required.
    source : SourceRows
        The tables as BluBilling gave them.

    Returns
    -------
    tuple
        The row for ``Ledger.decide("corrections", ...)`` without its note, and ``None``; or ``None`` and the
        problem. Both are ``None`` where the text says what BluBilling has.
    """
    table, key, name = cell
    if table not in CORRECTABLE:
        return None, Unfit("unknown_table", f"no such table to correct: {', '.join(CORRECTABLE)}")
    columns = {column.name: column for column in columns_to_correct(table)}
    if name in TABLES[table].key:
        where = "the sheet Numbers gives it another number in QuickBooks" if _is_number(name) else "it stays"
        return None, Unfit("key_column", f"{name} tells the row apart and cannot be corrected: {where}")
    if name not in columns and name in TABLES[table].names:
        why = "decides whether the row is sent and as what: only BluBilling can change it"
        return None, Unfit("not_correctable", f"{name} {why}")
    if name not in columns:
        return None, Unfit("unknown_column", f"{table} has no column {name!r} that can be corrected")
    row = source.of(table).get(key)
    if row is None:
        return None, Unfit("unknown_key", f"BluBilling's table has no row {key!r} (any more)")
    try:
        value = read_value(columns[name], None if text == EMPTY else text)
    except ValueError as error:
        return None, Unfit("not_a_value", f"{name}: {error}")
    unfit = misfit(table, name, value)
    if unfit:
        return None, Unfit("does_not_fit", f"{name}: {unfit}")
    old, new = value_text(columns[name], row[name]), value_text(columns[name], value)
    if new == old:
        return None, None
    if other_sign(table, name, row[name], value):
        return None, Unfit("other_sign", f"{name}: {new!r} would make another document of it than {old!r}")
    if not (note or "").strip():
        return None, Unfit("note_missing", NOTE_MISSING)
    made = {"table": table, "key": key, "column": name, "value": new, "old_value": old}
    return {**made, "decision": CORRECTED}, None


def _is_number(column: str) -> bool:
    return column in ("invoice_number", "adjustment_id", "payment_number")
