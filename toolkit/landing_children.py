"""Rows that go with their owners: lines, links, contacts, and the custom fields of whatever has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import Table
from toolkit.landing_keys import Flags, Incoming, Numbers, Owners, Taken, last_rows
from toolkit.landing_merge import Landing, Merged
from toolkit.tables import TABLES, finding
from toolkit.workspace_tables import StoredTable

__all__ = ["COMPANY", "CUSTOM_FIELDS", "Lines", "merge_children", "merge_custom_fields", "owner_tables"]

COMPANY = "quickbooks.company"
CUSTOM_FIELDS = "quickbooks.custom_fields"

Lines = dict[str, tuple[Taken, Taken]]
"""By line table the incoming lines, and the stored ones whose document was landed."""


def merge_children(
    table: Table,
    stored: StoredTable,
    incoming: Incoming,
    owners: Owners,
    landing: Landing,
    *,
    with_ids: bool,
) -> tuple[Merged, tuple[Taken, Taken] | None]:
    """Return the rows of parents that were not landed, and the rows that the landed ones came with.

    Parameters
    ----------
    owners : Owners
        The records that were taken.
    with_ids : bool
        Whether the ids of the lines are wanted, too: of those that came, and of those that went.
    """
    names = [name for name in ("owner_table", table.parent_key) if name in table.names]
    before = owners.of(table, stored.columns(names), table.parent_key)
    came = owners.of(table, incoming.columns(names), table.parent_key)
    places = incoming.places
    comes = owners.same_unit(came, places)
    takes = comes.copy()
    if "line_number" in table.names:
        # A record that stands twice in one response: its later lines count, as its later row does.
        lines = _numbers(incoming.columns(["line_number"]))
        size = int(lines.max(initial=0)) + 1
        takes[comes] = last_rows((came * size + lines)[comes])
    goes = before >= 0
    if "txn_line_id" in table.names:
        goes &= ~_without_lines(table, before, came, owners, landing)[before]
    landing.rows[table.name] = int(takes.sum())
    merged = Merged(table, ~goes, incoming, takes)
    if "txn_line_id" not in table.names:
        return merged, None
    if not with_ids:
        return merged, None
    fresh = _ids(incoming.columns(["txn_line_id"]), comes, places)
    return merged, (fresh, _ids(stored.columns(["txn_line_id"]), goes, np.zeros_like(before)))


def _numbers(parts: Iterable[pa.Table]) -> Numbers:
    """Return a column of numbers as an array."""
    found = [rows.column(0).to_numpy() for rows in parts]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _ids(parts: Iterable[pa.Table], which: Flags, places: Numbers) -> Taken:
    """Return the ids of some lines, the last first."""
    columns = [chunk for rows in parts for chunk in rows.column(0).chunks]
    ids = pa.chunked_array(columns, type=pa.string()).combine_chunks()
    chosen = np.flatnonzero(which & ids.is_valid().to_numpy(zero_copy_only=False))[::-1]
    return Taken(ids.take(pa.array(chosen)), places[chosen])


def _without_lines(table: Table, before: Numbers, came: Numbers, owners: Owners, landing: Landing) -> Flags:
    """Tell of the owners, and of none at the end, which came without the lines that they still have.

    QuickBooks leaves lines out unless it is asked for them. A record that was not changed since has those
    that are known; of one that was, nobody knows: what is said is that its lines are gone.
    """
    lost = np.zeros(len(owners.places), dtype=np.bool_)
    lost[before[before >= 0]] = True
    lost[came[came >= 0]] = False
    gone = lost & ~owners.unchanged
    count = int(gone.sum())
    if count:
        message = (
            f"{count:,} changed record{'' if count == 1 else 's'} came without lines, and the lines known"
            " before were dropped: import them again, with toolkit import, which asks for the lines."
        )
        key = owners.least(gone)
        landing.findings.append(finding("warning", "without_lines", message, table=table.name, key=key))
    return np.append(lost & owners.unchanged, False)


def owner_tables(stored: StoredTable, incoming: Incoming) -> set[str]:
    """Return the tables whose rows have custom fields, stored or coming."""
    found: set[str] = set()
    for parts in (stored.columns(["owner_table"]), incoming.columns(["owner_table"])):
        for rows in parts:
            found.update(pc.unique(rows["owner_table"]).to_pylist())
    return found


def merge_custom_fields(
    stored: StoredTable, incoming: Incoming, taken: Mapping[str, Taken], lines: Lines, landing: Landing
) -> Merged | None:
    """Return the merged custom fields of records, lines and the company; None where nothing changes."""
    table = TABLES[CUSTOM_FIELDS]
    names = ["owner_table", "owner_key"]
    owners = Owners({**taken, **{name: fresh for name, (fresh, _) in lines.items()}})
    gone = Owners({name: before for name, (_, before) in lines.items()})
    of_company = _of_company(incoming.columns(names))
    came = owners.of(table, incoming.columns(names), "owner_key")
    takes = of_company | owners.same_unit(came, incoming.places)
    goes = owners.of(table, stored.columns(names), "owner_key") >= 0
    goes |= gone.of(table, stored.columns(names), "owner_key") >= 0
    if of_company.any():
        goes |= _of_company(stored.columns(names))
    if not goes.any() and not takes.any():
        return None
    landing.rows[CUSTOM_FIELDS] = int(takes.sum())
    return Merged(table, ~goes, incoming, takes)


def _of_company(parts: Iterable[pa.Table]) -> Flags:
    found = [pc.equal(rows["owner_table"], COMPANY).to_numpy().astype(np.bool_) for rows in parts]
    return np.concatenate([np.zeros(0, dtype=np.bool_), *found])
