"""What a landing compares rows by: their keys, whose they are and when they came, as arrays.

Of tables of any size only these columns are in memory, and nothing here goes through rows one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import TIMESTAMP, Table
from toolkit.staging import Piece, Unit

__all__ = [
    "NEVER",
    "Flags",
    "Incoming",
    "Numbers",
    "Owners",
    "Taken",
    "codes",
    "gather",
    "groups",
    "last_rows",
    "lookup",
    "millis",
    "moment_millis",
    "occurrences",
    "ranks",
    "record_keys",
    "row_keys",
    "together",
]

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]

NEVER = np.iinfo(np.int64).min
"""A time that there is none of, among milliseconds."""

_ROWS = 100_000
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Incoming:
    """All incoming rows of one table.

    Parameters
    ----------
    pieces : list of Piece
        They themselves, wherever they are.
    place : list of int
        Of each piece the unit that it came in.
    """

    pieces: list[Piece]
    place: list[int]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def places(self) -> Numbers:
        """Of all rows the unit."""
        counts = np.array([len(piece) for piece in self.pieces], dtype=np.int64)
        return np.repeat(np.array(self.place, dtype=np.int64), counts)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield some columns of the rows, piece by piece."""
        return (piece.load(names) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Taken:
    """The records of one table that were taken, and the unit whose row was.

    An id that is there twice counts where it is first.

    Parameters
    ----------
    unchanged : numpy array or None
        Of each whether it was known in this very state before; None where nobody asks.
    nth, times : numpy array or None
        Of each how often it stands in its unit, and which of these, from 0, was taken; None: once.
    differs : numpy array or None
        Of each whether it stands there in different states.
    """

    keys: pa.Array
    places: Numbers
    unchanged: Flags | None = None
    nth: Numbers | None = None
    times: Numbers | None = None
    differs: Flags | None = None


class Owners:
    """The records that child rows may belong to.

    Parameters
    ----------
    taken : mapping of str to Taken
        By table.

    Attributes
    ----------
    places : numpy array
        Of each owner the unit that it was taken from.
    unchanged : numpy array
        Of each owner whether it was known in this very state before.
    nth, times, differs : numpy array
        Of each owner what :class:`Taken` says.
    """

    def __init__(self, taken: Mapping[str, Taken]) -> None:
        self._first: dict[str, int] = {}
        self._taken = taken
        count = 0
        for name, one in taken.items():
            self._first[name] = count
            count += len(one.places)
        nothing = np.zeros(0, dtype=np.int64)
        self.places: Numbers = np.concatenate([nothing, *(one.places for one in taken.values())])

        def every(name: str, otherwise: bool | int) -> Any:
            told = [getattr(one, name) for one in taken.values()]
            counts = [len(one.places) for one in taken.values()]
            filled = (
                np.full(count, otherwise) if one is None else one
                for one, count in zip(told, counts, strict=True)
            )
            return np.concatenate([nothing.astype(type(otherwise)), *filled])

        self.unchanged: Flags = every("unchanged", False)
        self.nth: Numbers = every("nth", 0)
        self.times: Numbers = every("times", 1)
        self.differs: Flags = every("differs", False)

    def of(self, table: Table, parts: Iterable[pa.Table], key: str) -> Numbers:
        """Return of each child row the number of its owner; -1 where it is none of these.

        Parameters
        ----------
        table : Table
            The child table.
        parts : iterable of pyarrow.Table
            Its rows: the column with the owner's id, and ``owner_table`` if it has one.
        key : str
            That column. Whose id it is tells ``owner_table``, or else the declaration.
        """
        found = [np.zeros(0, dtype=np.int64)]
        # Every search costs as much as there are owners: few and large ones are linear.
        found += [self._of(table, rows, key) for rows in together(parts, max(_ROWS, len(self.places)))]
        return np.concatenate(found)

    def _of(self, table: Table, rows: pa.Table, key: str) -> Numbers:
        found = np.full(len(rows), -1, dtype=np.int64)
        for name, mask in _owners(table, rows):
            if name in self._taken and len(self._taken[name].places):
                keys = _whole(rows[key] if mask is None else rows[key].filter(pa.array(mask)))
                index = lookup(keys, self._taken[name].keys)
                index[index >= 0] += self._first[name]
                found[slice(None) if mask is None else mask] = index
        return found

    def least(self, which: Flags) -> str:
        """Return the id of the first of some owners, sorted by table and id."""
        for name in sorted(self._taken):
            start = self._first[name]
            chosen = self._taken[name].keys.filter(
                pa.array(which[start : start + len(self._taken[name].places)])
            )
            if len(chosen):
                return str(pc.min(chosen).as_py())
        raise ValueError("none of them")

    def in_units(self, units: Mapping[str, Flags]) -> Flags:
        """Tell of each owner whether the unit that it was taken from is one of some, by its table."""
        none = np.zeros(0, dtype=np.bool_)
        found: Flags = np.concatenate([none, *(units[name][one.places] for name, one in self._taken.items())])
        return found

    def same_unit(self, owners: Numbers, places: Numbers) -> Flags:
        """Tell of rows whether they came in the unit that their owner was taken from."""
        same = np.append(self.places, np.int64(-1))[owners] == places
        found: Flags = same & (owners >= 0)
        return found


def gather(table: Table, units: Sequence[Unit]) -> Incoming:
    """Return the incoming rows of a table, those of later units last."""
    found = [(piece, place) for place, unit in enumerate(units) for piece in unit.rows.get(table.name, ())]
    return Incoming([piece for piece, _ in found], [place for _, place in found])


def together(parts: Iterable[pa.Table], least: int) -> Iterator[pa.Table]:
    """Yield parts of a table as larger ones, of at least so many rows but for the last."""
    waiting: list[pa.Table] = []
    count = 0
    for rows in parts:
        waiting.append(rows)
        count += len(rows)
        if count >= least:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if count:
        yield pa.concat_tables(waiting)


def record_keys(table: Table, rows: pa.Table) -> pa.Array:
    """Return what tells the records of a table apart, as one text each."""
    return row_keys(rows, table.key)


def row_keys(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Return some columns of rows as one text each."""
    return _joined([rows[name] for name in names])


def _joined(columns: list[Any]) -> pa.Array:
    texts = [column.cast(pa.string()) for column in columns]
    if len(texts) > 1:
        texts = [pc.binary_join_element_wise(*texts, _BETWEEN, null_handling="replace")]
    return _whole(texts[0])


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def lookup(keys: pa.Array, among: pa.Array) -> Numbers:
    """Return of each key its first place among others; -1 where there is none."""
    found = pc.fill_null(pc.index_in(keys, value_set=among), -1).to_numpy(zero_copy_only=False)
    places: Numbers = found.astype(np.int64)
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
    found: Numbers = pa.array(cut, type=TIMESTAMP.arrow).cast(pa.int64()).to_numpy(zero_copy_only=False)
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


def ranks(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return of each row how many with its number stand before it, and how many there are."""
    order, starts = groups(numbers)
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1
    rank, count = np.empty_like(numbers), np.empty_like(numbers)
    rank[order] = np.arange(len(numbers)) - first[group]
    count[order] = np.diff(np.append(first, len(numbers)))[group]
    return rank, count


def occurrences(numbers: Numbers, places: Numbers, states: Numbers) -> tuple[Numbers, Numbers, Flags]:
    """Return of each record which occurrence in its unit it is, of how many, and whether they differ.

    Parameters
    ----------
    numbers, places, states : numpy array
        Of each the record, the unit that it came in, and its state.
    """
    in_unit = numbers * (int(places.max(initial=0)) + 1) + places
    nth, times = ranks(in_unit)
    _, alike = ranks(in_unit * (int(states.max(initial=0)) + 1) + states)
    return nth, times, alike < times


def _owners(table: Table, rows: pa.Table) -> Iterator[tuple[str, Flags | None]]:
    """Yield the tables that own rows, each with which; None for all of them."""
    if "owner_table" not in table.names:
        yield table.parent, None
        return
    names = pc.dictionary_encode(_whole(rows["owner_table"]))
    indices = names.indices.to_numpy(zero_copy_only=False)
    for number, name in enumerate(names.dictionary.to_pylist()):
        yield str(name), indices == number
