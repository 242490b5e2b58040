"""Rows of answers into tables, all tables together: what :mod:`toolkit.landing` loads when it lands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.landing_children import (
    APPLICATIONS,
    COMPANY,
    CUSTOM_FIELDS,
    Lines,
    merge_children,
    merge_custom_fields,
    owner_tables,
    units_that_ask,
)
from toolkit.landing_coverage import Coverage
from toolkit.landing_keys import (
    Incoming,
    Numbers,
    Owners,
    Taken,
    codes,
    gather,
    last_rows,
    millis,
    moment_millis,
)
from toolkit.landing_merge import Deleted, Landing, Merged, Moment, merge_records
from toolkit.landing_write import stamped, write_tables
from toolkit.staging import RECORDS, Unit
from toolkit.tables import TABLES
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES
from toolkit.workspace_tables import StoredTable

if TYPE_CHECKING:
    from toolkit.workspace import Workspace

__all__ = ["land_units"]

CHILDREN = tuple(table for table in QUICKBOOKS_TABLES if table.parent)

_RECORD_OF = {ret: table.name for table in RECORDS for ret in table.rets}


def land_units(
    ws: Workspace, units: Sequence[Unit], covered: Iterable[Coverage], job: int | None, as_of: dt.datetime
) -> Landing:
    """Merge the rows of answers: see :func:`toolkit.landing.land_units`."""
    landing = Landing()
    moment = Moment(job, as_of, ws.ledger.now())
    arrivals = moment_millis([unit.arrived for unit in units])
    by_table: dict[str, list[Coverage]] = {}
    deleted = _deletions(ws, units, arrivals)
    for snapshot in covered:
        by_table.setdefault(snapshot.table, []).append(snapshot)
    loose = np.array([unit.loose for unit in units], dtype=np.bool_)
    merged: list[Merged] = []
    taken: dict[str, Taken] = {}
    for table in RECORDS:
        incoming, asked = gather(table, units), by_table.get(table.name, [])
        gone = deleted.get(table.name)
        if len(incoming) or asked or (gone is not None and gone.fresh.any()):
            stored = StoredTable(ws.path, table.name)
            one, taken[table.name] = merge_records(
                table, stored, incoming, (arrivals, loose), asked, moment, landing, gone
            )
            merged.append(one)
    merged += _children(ws, units, arrivals, taken, bool(merged), landing)
    company = _company(ws, gather(TABLES[COMPANY], units), arrivals, job, landing)
    write_tables(ws.path, merged, company, arrivals, job)
    return landing


def _deletions(ws: Workspace, units: Sequence[Unit], arrivals: Numbers) -> dict[str, Deleted]:
    """Return what was deleted in QuickBooks, by table: what is told now, and what was told before."""
    found: dict[str, Deleted] = {}
    for name, kind, key in (
        ("quickbooks.deleted_transactions", "txn_del_type", "txn_id"),
        ("quickbooks.deleted_list_records", "list_del_type", "list_id"),
    ):
        names = [kind, key, "time_deleted"]
        incoming, stored = gather(TABLES[name], units), StoredTable(ws.path, name)
        before = pa.concat_tables(
            [
                TABLES[name].schema.empty_table().select([*names, "imported_at"]),
                *stored.columns([*names, "imported_at"]),
            ]
        )
        rows = pa.concat_tables([before.select(names), *incoming.columns(names)])
        learned = np.concatenate([millis(before, "imported_at"), arrivals[incoming.places]])
        times, fresh = millis(rows, "time_deleted"), np.arange(len(rows)) >= len(before)
        for deleted in pc.unique(rows[kind]).to_pylist():
            table = TABLES.get(_RECORD_OF.get(f"{deleted}Ret", ""))
            if table is None or "left_at" not in table.names:
                continue
            chosen = np.flatnonzero(pc.equal(rows[kind], deleted).to_numpy().astype(np.bool_))
            chosen = chosen[np.argsort(learned[chosen], kind="stable")]
            keys = rows[key].combine_chunks()
            chosen = chosen[last_rows(codes(keys.take(pa.array(chosen))))]
            one = Deleted(keys.take(pa.array(chosen)), times[chosen], learned[chosen], fresh[chosen])
            found[table.name] = found[table.name].and_also(one) if table.name in found else one
    return found


def _children(
    ws: Workspace,
    units: Sequence[Unit],
    arrivals: Numbers,
    taken: dict[str, Taken],
    landed: bool,
    landing: Landing,
) -> list[Merged]:
    """Return the tables whose rows go with the records, and their custom fields."""
    merged: list[Merged] = []
    lines: Lines = {}
    fields, stored_fields = gather(TABLES[CUSTOM_FIELDS], units), StoredTable(ws.path, CUSTOM_FIELDS)
    applied = gather(TABLES[APPLICATIONS], units)
    with_fields = owner_tables(stored_fields, fields) if landed or len(fields) else set()
    for table in CHILDREN:
        parents = {name: taken[name] for name in table.parent.split("|") if name in taken}
        if any(len(one.places) for one in parents.values()):
            stored, incoming = StoredTable(ws.path, table.name), gather(table, units)
            wanted = table.name in with_fields
            asked = units_that_ask(table, parents, incoming, applied, len(units))
            owners = Owners(parents)
            one, ids = merge_children(table, stored, incoming, owners, landing, with_ids=wanted, asked=asked)
            merged.append(one)
            if ids is not None:
                lines[table.name] = ids
    if with_fields:
        custom = merge_custom_fields(stored_fields, fields, arrivals, taken, lines, landing)
        merged += [] if custom is None else [custom]
    return merged


def _company(
    ws: Workspace, incoming: Incoming, arrivals: Any, job: int | None, landing: Landing
) -> list[tuple[str, pa.Table]]:
    """Return the one row of the company: what came last of each fact."""
    if not len(incoming):
        return []
    landing.rows[COMPANY] = 1
    new = pa.concat_tables([piece.load() for piece in incoming.pieces])
    known = [*StoredTable(ws.path, COMPANY).parts(), stamped(new, arrivals[incoming.places], job)]
    rows = pa.concat_tables(known)
    row: dict[str, Any] = {}
    order = np.argsort(millis(rows, "imported_at"), kind="stable")  # an old answer may be landed again
    for one in rows.take(pa.array(order)).to_pylist():
        row |= {name: value for name, value in one.items() if value is not None}
    return [(COMPANY, pa.Table.from_pylist([row], schema=TABLES[COMPANY].schema))]
