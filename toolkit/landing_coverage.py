"""What a query covers: the rows that its answer would have held, had they still been there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.landing_keys import NEVER, Flags, millis
from toolkit.tables import TABLES

__all__ = ["Coverage", "flags"]

_DAY = 86_400_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which rows of a table a query would have returned.

    Parameters
    ----------
    table : str
        Declared name.
    by : {"time_modified", "txn_date"} or None
        What ``start`` and ``end`` (inclusive) are about; None covers the whole table.
    active_only, open_only : bool
        Inactive records, paid invoices are not covered.
    ids : frozenset of str or None
        ListIDs or TxnIDs that were asked for one by one; nothing else is covered then.
    kind : str or None
        Of a table that several queries fill, the rows of one of them: only those are covered.
    """

    table: str
    by: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    active_only: bool = False
    open_only: bool = False
    ids: frozenset[str] | None = None
    kind: str | None = None

    def covers(self, rows: pa.Table) -> Flags:
        """Tell of each row, as it is known, whether it would have been returned."""
        if self.ids is not None:
            keys = rows[TABLES[self.table].key[0]]
            return flags(pc.is_in(keys, value_set=pa.array(sorted(self.ids), type=pa.string())))
        covered = np.ones(len(rows), dtype=np.bool_)
        if self.kind is not None:
            covered &= flags(pc.fill_null(pc.equal(rows["kind"], self.kind), False))
        if self.active_only and "is_active" in rows.schema.names:
            covered &= flags(pc.fill_null(rows["is_active"], True))
        if self.open_only and "is_paid" in rows.schema.names:
            covered &= ~flags(pc.fill_null(rows["is_paid"], False))
        if self.start is None and self.end is None:
            return covered
        if self.by is None or self.by not in rows.schema.names:
            return np.zeros_like(covered)
        if self.by == "time_modified" and self.end is not None:
            # Changed after the end, it is not returned and yet is there: nothing can be concluded.
            return np.zeros_like(covered)
        return covered & self._between(rows)

    def _between(self, rows: pa.Table) -> Flags:
        name = self.by or ""
        if pa.types.is_timestamp(rows.schema.field(name).type):
            times = millis(rows, name)
            days, known = times // _DAY, times != NEVER
        else:
            column = rows[name].cast(pa.int32())
            days = pc.fill_null(column, 0).to_numpy().astype(np.int64)
            known = flags(pc.is_valid(column))
        first = 0 if self.start is None else _day(self.start)
        last = 0 if self.end is None else _day(self.end)
        inside: Flags = ((days >= first) | (self.start is None)) & ((days <= last) | (self.end is None))
        covered: Flags = known & inside
        return covered


def flags(found: pa.Array | pa.ChunkedArray) -> Flags:
    """Return a column of truth values without nulls as an array."""
    whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    told: Flags = whole.to_numpy(zero_copy_only=False).astype(np.bool_)
    return told


def _day(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days
