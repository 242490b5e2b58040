"""Rows that go with their owners: lines, links, contacts, and the custom fields of whatever has them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import Table
from toolkit.landing_keys import (
    Flags,
    Incoming,
    Taken,
    codes,
    last_rows,
    owner_keys,
    where_taken,
)
from toolkit.landing_merge import Landing, Merged
from toolkit.tables import TABLES, finding
from toolkit.workspace_tables import StoredTable

__all__ = ["COMPANY", "CUSTOM_FIELDS", "Lines", "merge_children", "merge_custom_fields"]

COMPANY = "quickbooks.company"
CUSTOM_FIELDS = "quickbooks.custom_fields"

Lines = dict[str, tuple[Taken, Taken]]
"""By line table the incoming lines, and the stored ones whose document was landed."""


def merge_children(
    table: Table, stored: StoredTable, incoming: Incoming, taken: Mapping[str, Taken], landing: Landing
) -> tuple[Merged, tuple[Taken, Taken] | None]:
    """Return the rows of parents that were not landed, and the rows that the landed ones came with.

    Returns
    -------
    Merged, tuple
        And of lines their ids: of those taken, and of those that went.
    """
    names = {*table.key, table.parent_key, "owner_table", "txn_line_id"}
    before = stored.columns([name for name in table.names if name in names])
    goes = where_taken(table, before, table.parent_key, taken) >= 0
    comes = where_taken(table, incoming.keys, table.parent_key, taken) == incoming.places
    takes = comes.copy()
    if "line_number" in table.names:
        # A record that stands twice in one response: its later lines count, as its later row does.
        owners = codes(owner_keys(table, incoming.keys))
        lines = incoming.keys["line_number"].to_numpy()
        size = int(lines.max(initial=0)) + 1
        takes[comes] = last_rows((owners * size + lines)[comes])
    if "txn_line_id" in table.names:
        _without_lines(table, before, goes, incoming, landing)
    landing.rows[table.name] = int(takes.sum())
    merged = Merged(table, ~goes, incoming, takes)
    if "txn_line_id" not in table.names:
        return merged, None
    return merged, (_ids(incoming.keys, comes, incoming), _ids(before, goes, None))


def _ids(rows: pa.Table, which: Flags, incoming: Incoming | None) -> Taken:
    ids = rows["txn_line_id"].combine_chunks()
    which = which & ids.is_valid().to_numpy(zero_copy_only=False)
    places = np.zeros(int(which.sum()), dtype=np.int64) if incoming is None else incoming.places[which]
    return Taken(ids.filter(pa.array(which)), places)


def _without_lines(table: Table, before: pa.Table, goes: Flags, incoming: Incoming, landing: Landing) -> None:
    """Say which records had lines and came without any."""
    had = pc.unique(owner_keys(table, before).filter(pa.array(goes)))
    have = owner_keys(table, incoming.keys)
    lost = had.filter(pc.invert(pc.is_in(had, value_set=have)))
    if not len(lost):
        return
    message = (
        f"{len(lost):,} records came without lines, and the lines known before were dropped:"
        " ask QuickBooks with IncludeLineItems."
    )
    key = pc.min(lost).as_py().rpartition("\x1f")[2]
    landing.findings.append(finding("warning", "without_lines", message, table=table.name, key=key))


def merge_custom_fields(
    stored: StoredTable, incoming: Incoming, taken: Mapping[str, Taken], lines: Lines, landing: Landing
) -> Merged | None:
    """Return the merged custom fields of records, lines and the company; None where nothing changes."""
    table = TABLES[CUSTOM_FIELDS]
    owners = {**taken, **{name: fresh for name, (fresh, _) in lines.items()}}
    of_company = _of_company(incoming.keys)
    takes = of_company | (where_taken(table, incoming.keys, "owner_key", owners) == incoming.places)
    before = stored.columns(["owner_table", "owner_key"])
    goes = where_taken(table, before, "owner_key", owners) >= 0
    goes |= where_taken(table, before, "owner_key", {name: gone for name, (_, gone) in lines.items()}) >= 0
    if of_company.any():
        goes |= _of_company(before)
    if not goes.any() and not takes.any():
        return None
    landing.rows[CUSTOM_FIELDS] = int(takes.sum())
    return Merged(table, ~goes, incoming, takes)


def _of_company(rows: pa.Table) -> Flags:
    found: Flags = pc.equal(rows["owner_table"], COMPANY).to_numpy().astype(np.bool_)
    return found
