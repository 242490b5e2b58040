"""The declared ``quickbooks.*`` tables, compiled once: which row and column each element of a Ret fills.

A column's ``source`` in the declaration is the only thing that says where its value stands in qbXML, and a
table's ``rets`` and ``parent`` the only thing that says which elements make its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from toolkit.columns import Column, Table
from toolkit.tables_quickbooks import CUSTOM_FIELDS, QUICKBOOKS_TABLES

__all__ = ["COMPANY_KEY", "KEPT", "ORDER", "Kind", "Layout", "Node", "root"]

COMPANY_KEY = "company"
"""``owner_key`` of the company's own custom fields: CompanyRet has no id."""


class Layout:
    """One table: the paths that its columns are filled from, numbered.

    Parameters
    ----------
    table : Table
        As declared.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.schema = table.schema
        self.paths: dict[str, int] = {}
        self.slots: dict[str, tuple[int, ...]] = {}
        for column in table.columns:
            sources = column.source.split("|") if column.source else []
            self.slots[column.name] = tuple(self.paths.setdefault(path, len(self.paths)) for path in sources)
        self.required = [column.name for column in table.columns if column.required]

    def has(self, column: str) -> bool:
        """Return whether the table has a column."""
        return column in self.slots

    @property
    def id(self) -> str:
        """The column that tells a row from others in findings and to the rows that it owns; may be ``""``."""
        if self.table.parent:
            return "txn_line_id" if self.has("txn_line_id") else ""
        return self.table.key[0] if self.table.key else ""


@dataclass(slots=True, eq=False)
class Kind:
    """How an element becomes a row.

    Parameters
    ----------
    tag, path : str
        The element, and where it stands: ``InvoiceRet/InvoiceLineRet``.
    layout : Layout
        Of its table.
    above : Kind or None
        The row that it stands in.
    owner : Kind or None
        The row that it belongs to: the record; of a custom field, what it stands in.
    """

    tag: str
    path: str
    layout: Layout
    above: Kind | None
    owner: Kind | None

    @property
    def is_group(self) -> bool:
        """Whether it is a line that holds lines."""
        return self.above is not None and self.tag.endswith("GroupRet")

    @property
    def constants(self) -> dict[str, str]:
        """The columns whose value the tag tells."""
        found = {}
        if self.layout.has("item_type"):
            found["item_type"] = self.tag.removeprefix("Item").removesuffix("Ret")
        if self.layout.has("terms_type"):
            found["terms_type"] = self.tag.removesuffix("TermsRet")
        if self.layout.has("kind"):
            found["kind"] = self.tag.removesuffix("Ret")
        return found

    @property
    def enclosing(self) -> dict[str, str]:
        """The columns that the row around it fills, each with the column of that row."""
        found = {}
        if self.above is not None and self.above is not self.owner:
            for column in self.layout.table.columns:
                place = _enclosing(column, self.above.tag)
                for other in self.above.layout.table.columns:
                    if place and place in other.source.split("|"):
                        found[column.name] = other.name
        return found


@dataclass(slots=True, eq=False)
class Node:
    """What an element is for.

    Parameters
    ----------
    path : str
        ``InvoiceRet/CustomerRef/ListID``.
    below : dict
        The elements in it that are for something.
    kind : Kind or None
        It is a row.
    slot : int
        It is the value of this path of its row's layout; -1 where it is none.
    """

    path: str
    below: dict[str, Node] = field(default_factory=dict)
    kind: Kind | None = None
    slot: int = -1


@cache
def root(tag: str) -> Node:
    """Return what a Ret that stands directly in a response is for; one of :data:`KEPT`."""
    return _row(KEPT[tag], Kind(tag, tag, _layout(KEPT[tag].name), None, None))


def _row(record: Table, kind: Kind) -> Node:
    node = Node(kind.path, kind=kind)
    for source, slot in kind.layout.paths.items():
        at = node
        for name in source.split("/"):
            at = at.below.setdefault(name, Node(f"{at.path}/{name}"))
        at.slot = slot
    top = kind
    while top.above is not None:
        top = top.above
    for owned in _owned(record, kind.layout.table, kind.tag):
        for tag in owned.rets:
            if tag != kind.tag:
                owner = top if owned.parent else kind
                below = Kind(tag, f"{kind.path}/{tag}", _layout(owned.name), kind, owner)
                node.below[tag] = _row(record, below)
    return node


@cache
def _layout(name: str) -> Layout:
    return Layout(next(table for table in QUICKBOOKS_TABLES if table.name == name))


def _owned(record: Table, table: Table, tag: str) -> list[Table]:
    """Return the tables of the rows that stand inside an element of a record.

    Those that belong to it; in a row inside the record, those of the record's others that say so.
    """
    owned = [
        child
        for child in QUICKBOOKS_TABLES
        if table.name in child.parent.split("|")
        or (
            record.name in child.parent.split("|")
            and any(_enclosing(column, tag) for column in child.columns)
        )
    ]
    if table is not CUSTOM_FIELDS and (not table.parent or "txn_line_id" in table.names):  # has an own id
        owned.append(CUSTOM_FIELDS)
    return owned


def _enclosing(column: Column, tag: str) -> str:
    """Return the path of a column's value below the element of that name around its row; may be ``""``."""
    places = (place.partition("/") for place in column.enclosing.split("|"))
    return next((path for element, _, path in places if element == tag), "")


KEPT: dict[str, Table] = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table is not CUSTOM_FIELDS
    for tag in table.rets
}
"""The Rets that stand directly in a response and become rows, with their tables."""

ORDER = {
    table.name: place
    for place, table in enumerate(
        sorted(
            QUICKBOOKS_TABLES,
            key=lambda table: (
                table is CUSTOM_FIELDS,
                bool(table.parent),
                any(column.enclosing for column in table.columns),
            ),
        )
    )
}
"""The tables in an order in which those whose rows hold or own others come before them."""
