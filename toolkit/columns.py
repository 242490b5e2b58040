"""The shape of a table declaration: columns, their types, and where each value comes from.

Declaring a table loads no pyarrow: the Arrow types are made when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from toolkit.late import pa

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"  # wall clock, without a zone: QuickBooks' offset is wrong in summer
    MONEY = "money"  # amounts, in the document's currency
    RATE = "rate"  # QuickBooks' rates, prices, percents and quantities
    QUANTITY = "quantity"  # BluBilling's rates and quantities: it has one decimal more
    EXCHANGE_RATE = "exchange_rate"
    TEXT_LIST = "text_list"

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of them, in memory and on disk."""
        return _arrow_types()[self]

    @property
    def is_exact(self) -> bool:
        """Whether they are decimals, with as many places as the type has."""
        return self in _EXACT


TEXT, INTEGER, BOOLEAN, DATE, TIMESTAMP = Kind.TEXT, Kind.INTEGER, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP
MONEY, RATE, QUANTITY, EXCHANGE_RATE = Kind.MONEY, Kind.RATE, Kind.QUANTITY, Kind.EXCHANGE_RATE
TEXT_LIST = Kind.TEXT_LIST

_EXACT = (MONEY, RATE, QUANTITY, EXCHANGE_RATE)


@cache
def _arrow_types() -> Mapping[Kind, pa.DataType]:
    return {
        TEXT: pa.string(),
        INTEGER: pa.int64(),
        BOOLEAN: pa.bool_(),
        DATE: pa.date32(),
        TIMESTAMP: pa.timestamp("ms"),
        MONEY: pa.decimal128(15, 2),
        RATE: pa.decimal128(20, 5),
        QUANTITY: pa.decimal128(20, 6),
        EXCHANGE_RATE: pa.decimal128(28, 12),
        TEXT_LIST: pa.list_(pa.string()),
    }


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a declared table.

    Parameters
    ----------
    name : str
        snake_case name.
    kind : Kind
        What the values are.
    source : str
        For ``quickbooks.*``: path below the Ret element; alternatives are joined with ``|`` and the first
        one present counts. For ``billing.*``: the names a header may carry beside the column's own,
        joined with ``|``. Empty where the toolkit itself makes the value.
    required : bool
        A row without it is a finding (``billing.*``) or a defect (all others).
    help : str
        One sentence for the docs.
    enclosing : str
        For a table whose rows may also stand inside another child row of the same record: the element of
        that row and the path of the value below it, ``InvoiceLineGroupRet/TxnLineID``; alternatives are
        joined with ``|``. Null for a row that stands right below the record.
    """

    name: str
    kind: Kind
    source: str = ""
    required: bool = False
    help: str = ""
    enclosing: str = ""

    @property
    def type(self) -> pa.DataType:
        """The Arrow type, in memory and on disk."""
        return self.kind.arrow


@dataclass(frozen=True, slots=True)
class Table:
    """One declared table.

    Parameters
    ----------
    name : str
        ``<area>.<table>``; the parquet file is ``<area>/<table>.parquet``.
    doc : str
        What one row is.
    columns : tuple of Column
        In the order of the file.
    key : tuple of str
        Columns that tell two rows apart; empty for a table without one.
    rets : tuple of str
        Elements that make a row of it (``quickbooks.*``): Rets that stand in a response; of a table with a
        parent, the elements below the parent's Ret, which need not end in Ret. The same element may make
        rows of different tables under different parents.
    parent : str
        The table whose rows own these rows: landing a parent replaces all its child rows. More than one is
        joined with ``|``; then ``owner_table`` says which.
    parent_key : str
        The column here that holds the parent's key.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rets: tuple[str, ...] = ()
    parent: str = ""
    parent_key: str = ""

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the column of that name; ``KeyError`` names the table where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def reference(name: str, element: str) -> tuple[Column, Column]:
    """Return the two columns a qbXML reference makes: ``<name>_list_id`` and ``<name>_full_name``.

    Parameters
    ----------
    name : str
        Prefix of both columns.
    element : str
        The Ref element; alternatives joined with ``|``.
    """
    paths = element.split("|")
    return (
        Column(f"{name}_list_id", TEXT, "|".join(f"{path}/ListID" for path in paths)),
        Column(f"{name}_full_name", TEXT, "|".join(f"{path}/FullName" for path in paths)),
    )


def list_head(*middle: Column) -> tuple[Column, ...]:
    """Return the columns that every list table begins with, then ``middle``."""
    return (
        Column("list_id", TEXT, "ListID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        *middle,
    )


def address(name: str, element: str) -> tuple[Column, ...]:
    """Return the columns of a qbXML address, prefixed with ``name``."""
    parts = {"addr1": "Addr1", "addr2": "Addr2", "addr3": "Addr3", "addr4": "Addr4", "addr5": "Addr5"}
    parts |= {"city": "City", "state": "State", "postal_code": "PostalCode", "country": "Country"}
    parts |= {"note": "Note"}
    return tuple(Column(f"{name}_{column}", TEXT, f"{element}/{tag}") for column, tag in parts.items())


IMPORTED = (
    Column("import_job", INTEGER, help="The job that landed the row."),
    Column("imported_at", TIMESTAMP, help="When the answer arrived."),
)
LEFT_AT = Column("left_at", TIMESTAMP, help="When an import that covers the row no longer returned it.")
NAME = Column("name", TEXT, "Name")
FULL_NAME = Column("full_name", TEXT, "FullName|Name")
IS_ACTIVE = Column("is_active", BOOLEAN, "IsActive")
