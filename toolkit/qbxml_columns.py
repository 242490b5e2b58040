"""The declared ``quickbooks.*`` tables, compiled once: which column each element of a Ret fills, and how.

A column's ``source`` in the declaration is the only thing that says where its value stands in qbXML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from toolkit.columns import Column, Table
from toolkit.qbxml_values import Reader, reader
from toolkit.tables_quickbooks import CUSTOM_FIELDS, QUICKBOOKS_TABLES

__all__ = ["KEPT", "Layout", "Plan", "Step", "layout", "plan"]

Row = list[Any]
# --- rows ---------------------------------------------------------------------------------------------------


class Layout:
    """One table: a row in the making has a slot for every path, and a column is its first filled slot.

    Parameters
    ----------
    table : Table
        As declared.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.schema = table.schema
        self.paths: dict[str, tuple[int, Column]] = {}
        self.columns: dict[str, tuple[int, ...]] = {}
        self.width = 0
        for column in table.columns:
            slots = []
            for path in column.source.split("|") if column.source else [""]:
                if path not in self.paths:
                    if path:
                        self.paths[path] = (self.width, column)
                    slots.append(self.width)
                    self.width += 1
                else:
                    slots.append(self.paths[path][0])
            self.columns[column.name] = tuple(slots)
        self.required = [column.name for column in table.columns if column.required]

    def value(self, row: Row, column: str) -> Any:
        """Return what a row in the making has for a column, or None."""
        return next((row[slot] for slot in self.columns.get(column, ()) if row[slot] is not None), None)

    def put(self, row: Row, column: str, value: Any) -> None:
        """Fill a column that no element fills."""
        row[self.columns[column][0]] = value

    def key(self, row: Row) -> str | None:
        """Return the row's key as findings show it."""
        parts = [self.value(row, name) for name in self.table.key]
        return " / ".join("" if part is None else str(part) for part in parts) or None

    def arrow(self, rows: list[Row]) -> pa.Table:
        """Return finished rows as an Arrow table of the declared schema."""
        slots: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * self.width
        arrays = []
        for column, wanted in zip(self.schema, self.columns.values(), strict=True):
            if len(wanted) == 1:
                values = slots[wanted[0]]
            else:
                ranked = zip(*(slots[slot] for slot in wanted), strict=True)
                values = [next((one for one in found if one is not None), None) for found in ranked]
            arrays.append(pa.array(values, type=column.type))
        return pa.Table.from_arrays(arrays, schema=self.schema)


@dataclass(slots=True)
class Step:
    """What to do with one element: fill a slot, look below it, or make a row of another table."""

    path: str
    slot: int = -1
    read: Reader | None = None
    column: str = ""
    what: str = ""
    below: dict[str, Step] = field(default_factory=dict)
    plan: Plan | None = None


@dataclass(slots=True)
class Plan:
    """How one element becomes a row.

    Parameters
    ----------
    tag, path : str
        The element, and where it stands: ``InvoiceRet/InvoiceLineRet``.
    layout : Layout
        Of its table.
    steps : dict
        By the name of a child element.
    constants : dict
        Columns whose value the tag tells.
    """

    tag: str
    path: str
    layout: Layout
    steps: dict[str, Step]
    constants: dict[str, str]


@cache
def layout(name: str) -> Layout:
    """Return the layout of a declared table."""
    return Layout(next(table for table in QUICKBOOKS_TABLES if table.name == name))


@cache
def plan(tag: str) -> Plan:
    """Return the plan of a Ret that stands directly in a response; one of :data:`KEPT`."""
    return _plan(KEPT[tag], tag, tag)


def _plan(table: Table, tag: str, path: str) -> Plan:
    made = layout(table.name)
    steps: dict[str, Step] = {}
    for source, (slot, column) in made.paths.items():
        level, here = steps, path
        *aggregates, leaf = source.split("/")
        for name in aggregates:
            here = f"{here}/{name}"
            level = level.setdefault(name, Step(here)).below
        read, what = reader(column.type)
        level[leaf] = Step(f"{here}/{leaf}", slot, read, column.name, what)
    for owned in _owned(table, tag):
        for name in owned.rets:
            if name != tag:
                here = f"{path}/{name}"
                steps[name] = Step(here, plan=_plan(owned, name, here))
    return Plan(tag, path, made, steps, _constants(made, tag))


def _owned(table: Table, tag: str) -> list[Table]:
    """Return the tables of the rows that stand inside an element."""
    owned = [child for child in QUICKBOOKS_TABLES if child.parent and table.name in child.parent.split("|")]
    if tag.endswith("GroupRet") and table.parent:
        owned.append(table)  # the lines of a group
    if table is not CUSTOM_FIELDS and (not table.parent or "txn_line_id" in table.names):  # has an own id
        owned.append(CUSTOM_FIELDS)
    return owned


def _constants(made: Layout, tag: str) -> dict[str, str]:
    found = {}
    if "item_type" in made.columns:
        found["item_type"] = tag.removeprefix("Item").removesuffix("Ret")
    if "terms_type" in made.columns:
        found["terms_type"] = tag.removesuffix("TermsRet")
    return found


KEPT: dict[str, Table] = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table is not CUSTOM_FIELDS
    for tag in table.rets
}
"""The Rets that stand directly in a response and become rows, with their tables."""
