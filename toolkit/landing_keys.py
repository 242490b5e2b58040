"""What a landing compares rows by: their keys, whose they are and when they came, as arrays.

Of tables of any size only these columns are in memory, and nothing here goes through rows one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import TIMESTAMP, Table
from toolkit.staging import Piece

__all__ = [
    "NEVER",
    "Flags",
    "Incoming",
    "Numbers",
    "Taken",
    "Unit",
    "codes",
    "gather",
    "groups",
    "last_rows",
    "lookup",
    "millis",
    "moment_millis",
    "owner_keys",
    "record_keys",
    "where_taken",
]

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]

NEVER = np.iinfo(np.int64).min
"""A time that there is none of, among milliseconds."""

_COMPARED = ("time_modified", "owner_table", "owner_key", "line_number", "txn_line_id")
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one response, by table.

    Parameters
    ----------
    rows : mapping of str to list of Piece
        As they were staged.
    arrived : datetime
        When the answer came: what is known from later answers stands.
    loose : bool
        It came as a file that answers no import: nobody knows when QuickBooks gave it, and a record that
        is known to have been changed later stands.
    """

    rows: Mapping[str, Sequence[Piece]]
    arrived: dt.datetime
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """All incoming rows of one table.

    Parameters
    ----------
    pieces : list of Piece
        They themselves, wherever they are.
    place : list of int
        Of each piece the unit that it came in.
    keys : pyarrow.Table
        Of all rows the columns to compare by.
    places : numpy array
        Of all rows the unit.
    """

    pieces: list[Piece]
    place: list[int]
    keys: pa.Table
    places: Numbers

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Taken:
    """The records of one table that were taken, and the unit whose row was."""

    keys: pa.Array
    places: Numbers


def gather(table: Table, units: Sequence[Unit]) -> Incoming:
    """Return the incoming rows of a table, those of later units last."""
    names = [name for name in table.names if name in {*table.key, table.parent_key, *_COMPARED}]
    pieces: list[Piece] = []
    place: list[int] = []
    keys = [table.schema.empty_table().select(names)]
    for number, unit in enumerate(units):
        for piece in unit.rows.get(table.name, ()):
            pieces.append(piece)
            place.append(number)
            keys.append(piece.load(names))
    counts = [len(piece) for piece in pieces]
    places = np.repeat(np.array(place, dtype=np.int64), np.array(counts, dtype=np.int64))
    return Incoming(pieces, place, pa.concat_tables(keys).combine_chunks(), places)


def record_keys(table: Table, rows: pa.Table) -> pa.Array:
    """Return what tells the records of a table apart, as one text each."""
    return _joined([rows[name] for name in table.key])


def owner_keys(table: Table, rows: pa.Table) -> pa.Array:
    """Return what tells the owners of child rows apart, as one text each; it ends with their id."""
    names = ("owner_table", table.parent_key) if "owner_table" in table.names else (table.parent_key,)
    return _joined([rows[name] for name in names])


def _joined(columns: list[Any]) -> pa.Array:
    texts = [column.cast(pa.string()) for column in columns]
    if len(texts) > 1:
        texts = [pc.binary_join_element_wise(*texts, _BETWEEN, null_handling="replace")]
    return _whole(texts[0])


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def lookup(keys: pa.Array, among: pa.Array) -> Numbers:
    """Return of each key its place among others, the last where there are several; -1 where there is none."""
    backwards = among.take(pa.array(np.arange(len(among) - 1, -1, -1)))
    found = pc.fill_null(pc.index_in(keys, value_set=backwards), len(among)).to_numpy(zero_copy_only=False)
    places: Numbers = len(among) - 1 - found.astype(np.int64)
    return places


def millis(rows: pa.Table, name: str) -> Numbers:
    """Return a column of times as milliseconds, :data:`NEVER` where it is null or there is no such column."""
    if name not in rows.schema.names:
        return np.full(len(rows), NEVER, dtype=np.int64)
    column = pc.fill_null(_whole(rows[name]).cast(pa.int64()), int(NEVER))
    found: Numbers = column.to_numpy(zero_copy_only=False)
    return found


def moment_millis(moments: Sequence[dt.datetime]) -> Numbers:
    """Return times as milliseconds."""
    cut = [one.replace(microsecond=one.microsecond // 1000 * 1000) for one in moments]
    found: Numbers = pa.array(cut, type=TIMESTAMP).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def codes(keys: pa.Array) -> Numbers:
    """Return a number for each key, the same for the same."""
    found: Numbers = pc.dictionary_encode(keys).indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def groups(numbers: Numbers) -> tuple[Numbers, Flags]:
    """Return the order that brings equal numbers together, and where in it a new number begins."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.ones(len(numbers), dtype=np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    return order, starts


def last_rows(numbers: Numbers) -> Flags:
    """Tell of each row whether it is the last with its number."""
    last = np.ones(len(numbers), dtype=np.bool_)
    if len(numbers) < 2 or bool((numbers[1:] > numbers[:-1]).all()):
        return last
    order, starts = groups(numbers)
    last[order[:-1]] = starts[1:]
    return last


def where_taken(table: Table, rows: pa.Table, key: str, taken: Mapping[str, Taken]) -> Numbers:
    """Return of each child row the unit that its owner was taken from; -1 where the owner was not taken.

    Parameters
    ----------
    key : str
        The column with the owner's id. Whose it is tells ``owner_table``, or else the declaration.
    """
    found = np.full(len(rows), -1, dtype=np.int64)
    for name, mask in _owners(table, rows):
        if name in taken and len(taken[name].places):
            keys = _whole(rows[key]) if mask is None else _whole(rows[key].filter(pa.array(mask)))
            index = lookup(keys, taken[name].keys)
            places = np.where(index >= 0, taken[name].places[index], -1)
            if mask is None:
                return places
            found[mask] = places
    return found


def _owners(table: Table, rows: pa.Table) -> Iterator[tuple[str, Flags | None]]:
    """Yield the tables that own rows, each with which; None for all of them."""
    if "owner_table" not in table.names:
        yield table.parent, None
        return
    names = pc.dictionary_encode(_whole(rows["owner_table"]))
    indices = names.indices.to_numpy(zero_copy_only=False)
    for number, name in enumerate(names.dictionary.to_pylist()):
        yield str(name), indices == number
