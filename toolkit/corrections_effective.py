"""Tables as they count: with the corrections that people made, but for those that came too late."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

from toolkit.corrections import CORRECTIONS, apply_corrections
from toolkit.corrections_sent import Sent, came_late, corrections_sent
from toolkit.tables import finding, findings, from_rows, to_rows

__all__ = ["effective_tables", "void_corrections"]


def effective_tables(
    tables: Mapping[str, pd.DataFrame], instead: Mapping[str, pd.DataFrame] | None = None
) -> tuple[Mapping[str, pd.DataFrame], pd.DataFrame]:
    """Return tables with the corrections that stand, and the findings on those.

    A correction that was made after its row had been sent has no effect: it is in nothing that was sent. One
    that is in what was sent counts as long as BluBilling has the value that it was made for.

    Parameters
    ----------
    tables : mapping
        Declared name to frame, ``mapping.corrections`` among them.
    instead : mapping, optional
        Frames to count in place of these.
    """
    # Only looked up: the cast says so to the type checker, for a ChainMap could also be written to.
    both = ChainMap(dict(instead or {}), cast("Any", tables))
    standing = both[CORRECTIONS]
    known = {_cell(row): (row, sent) for row, sent in corrections_sent(both, standing)}
    if not known:
        return apply_corrections(both, standing)
    late = {cell: (row, sent) for cell, (row, sent) in known.items() if came_late(row, sent)}
    kept = [
        # What was sent was sent as corrected, whatever becomes of its row.
        {**row, "row_was": None} if _cell(row) in known else row
        for row in to_rows(standing)
        if _cell(row) not in late
    ]
    made, found = apply_corrections(both, from_rows(CORRECTIONS, kept))
    return made, findings([*to_rows(found), *(_told(row, sent) for row, sent in late.values())])


def void_corrections(told: pd.DataFrame | None) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Return the corrections that do not count, of the findings on all: cell to what is said of it."""
    rows = to_rows(told) if told is not None else []
    return {_cell(row): row for row in rows if row["rule"] not in ("corrected", "correction_done")}


def _cell(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["table"], row["key"], row["column"]


def _told(row: Mapping[str, Any], sent: Sent) -> dict[str, str | None]:
    message = f"the correction to {row['value']!r} came too late and has no effect: {sent.why}"
    table, key, column = _cell(row)
    return finding(
        "warning",
        "correction_too_late",
        message,
        table=table,
        key=key,
        column=column,
        value=row["value"],
    )
