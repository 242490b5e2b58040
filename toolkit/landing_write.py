"""The merged tables into their files: as they come, and all of them take their places at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit.columns import INTEGER, TIMESTAMP
from toolkit.landing_keys import NEVER, Flags, Numbers
from toolkit.landing_merge import Merged
from toolkit.staging import Piece
from toolkit.workspace_tables import StoredTable, TableFile, commit_together

__all__ = ["stamped", "write_tables"]

_ROWS = 50_000
_BYTES = 16 << 20


def write_tables(
    folder: Path,
    merged: Iterable[Merged],
    small: Iterable[tuple[str, pa.Table]],
    arrivals: Numbers,
    job: int | None,
) -> None:
    """Write tables, each whole; none of them where one cannot be written.

    Parameters
    ----------
    folder : Path
        The workspace.
    merged : iterable of Merged
        Those that are merged with what is stored.
    small : iterable of tuple
        Others: name and rows.
    arrivals : numpy array
        Of each unit when it came, in milliseconds.
    job : int or None
        The job that lands.
    """
    with ExitStack() as stack:
        files = []
        for one in merged:
            files.append(_opened(stack, folder, one.table.name))
            for rows in chain(_stored(folder, one), _incoming(one, arrivals, job)):
                files[-1].add(rows)
            files[-1].seal()
        for name, rows in small:
            files.append(_opened(stack, folder, name))
            files[-1].add(rows)
            files[-1].seal()
        commit_together(folder, files, listed=stack.pop_all)


def _opened(stack: ExitStack, folder: Path, name: str) -> TableFile:
    file = TableFile(folder, name)
    stack.callback(file.discard)
    return file


def _stored(folder: Path, merged: Merged) -> Iterator[pa.Table]:
    """Yield the stored rows that stay."""
    start = 0
    for rows in StoredTable(folder, merged.table.name).parts():
        end = start + len(rows)
        if merged.left_at is not None:
            rows = _set(rows, "left_at", merged.left_at.slice(start, len(rows)))
        yield _where(rows, merged.stays[start:end])
        start = end


def _incoming(merged: Merged, arrivals: Numbers, job: int | None) -> Iterator[pa.Table]:
    """Yield the incoming rows that are taken, stamped."""
    start = 0
    places = merged.incoming.places
    for pieces in _together(merged.incoming.pieces):
        end = start + sum(map(len, pieces))
        keep = merged.takes[start:end]
        if keep.any():
            rows = pa.concat_tables([piece.load() for piece in pieces]).combine_chunks()
            arrived = arrivals[places[start:end]][keep]
            rows = stamped(_where(rows, keep), arrived, job)
            if merged.came_left is not None:
                left = merged.came_left[start:end][keep]
                rows = _set(rows, "left_at", pa.array(left, mask=left == NEVER).cast(TIMESTAMP.arrow))
            yield rows
        start = end


def _together(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield pieces so many at a time that it is worth the while, and no more than fit in little memory."""
    chosen: list[Piece] = []
    rows = size = 0
    for piece in pieces:
        chosen.append(piece)
        rows += len(piece)
        size += piece.unpacked
        if rows >= _ROWS or size >= _BYTES:
            yield chosen
            chosen, rows, size = [], 0, 0
    if chosen:
        yield chosen


def stamped(rows: pa.Table, arrived: Numbers, job: int | None) -> pa.Table:
    """Return rows with the job that landed them, and when each came."""
    jobs = pa.nulls(len(rows), INTEGER.arrow) if job is None else pa.array(np.full(len(rows), job))
    return _set(_set(rows, "import_job", jobs), "imported_at", pa.array(arrived).cast(TIMESTAMP.arrow))


def _set(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def _where(rows: pa.Table, keep: Flags) -> pa.Table:
    return rows if keep.all() else rows.filter(pa.array(keep))
