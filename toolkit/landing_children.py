"""Rows that go with their owners: lines, links, contacts, and the custom fields of whatever has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import Table
from toolkit.counted import counted
from toolkit.landing_keys import (
    NEVER,
    Flags,
    Incoming,
    Numbers,
    Owners,
    Taken,
    codes,
    groups,
    last_rows,
    millis,
    ranks,
    row_keys,
)
from toolkit.landing_merge import Landing, Merged
from toolkit.tables import TABLES, finding
from toolkit.workspace_tables import StoredTable

__all__ = [
    "APPLICATIONS",
    "COMPANY",
    "CUSTOM_FIELDS",
    "Lines",
    "merge_children",
    "merge_custom_fields",
    "owner_tables",
    "units_that_ask",
]

COMPANY = "quickbooks.company"
CUSTOM_FIELDS = "quickbooks.custom_fields"
LINKS = "quickbooks.linked_transactions"
APPLICATIONS = "quickbooks.payment_applications"

_TOLD_APART_BY = {  # those that have no key
    LINKS: ("owner_table", "owner_txn_id", "applied_to_txn_id", "txn_id", "link_type"),
    CUSTOM_FIELDS: ("owner_table", "owner_key", "owner_id", "name"),
}

_CALLED = {APPLICATIONS: ("applications", "applications"), LINKS: ("linked transactions", "links")}

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
    asked: Mapping[str, Flags],
) -> tuple[Merged, tuple[Taken, Taken] | None]:
    """Return the rows of parents that were not landed, and the rows that the landed ones came with.

    Parameters
    ----------
    owners : Owners
        The records that were taken.
    with_ids : bool
        Whether the ids of the lines are wanted, too: of those that came, and of those that went.
    asked : mapping of str to numpy array
        By table of the owners of each unit whether it shows that such rows were asked for.
    """
    names = [name for name in ("owner_table", table.parent_key) if name in table.names]
    before = owners.of(table, stored.columns(names), table.parent_key)
    came = owners.of(table, incoming.columns(names), table.parent_key)
    comes = owners.same_unit(came, incoming.places)
    takes = comes & ~_of_others(table, incoming, came, comes, owners, landing)
    goes = before >= 0
    if "txn_line_id" in table.names or table.name in (APPLICATIONS, LINKS):
        told = owners.in_units(asked)
        goes &= ~_without(table, before, came, owners, told, landing)[before]
    landing.rows[table.name] = int(takes.sum())
    merged = Merged(table, ~goes, incoming, takes)
    if "txn_line_id" not in table.names:
        return merged, None
    if not with_ids:
        return merged, None
    fresh = _ids(incoming.columns(["txn_line_id"]), takes, came, owners)
    return merged, (fresh, _ids(stored.columns(["txn_line_id"]), goes, before, owners))


def _of_others(
    table: Table, incoming: Incoming, came: Numbers, comes: Flags, owners: Owners, landing: Landing
) -> Flags:
    """Tell of rows whether they belong to another occurrence of their owner than the one that counts.

    A record may stand several times in one response, whose rows come one after another without saying of
    which it is. The next begins where a row comes again: a line with its number, another with what it is
    told apart by. That is exact where every occurrence has lines. Otherwise rows that are the same are
    there once, and it is said where the occurrences differ.
    """
    others = np.zeros_like(comes)
    rows = np.flatnonzero(comes)
    rows = rows[owners.times[came[rows]] > 1]
    if not len(rows):
        return others
    names = _TOLD_APART_BY.get(table.name, table.key)
    keys = pa.concat_tables([table.schema.empty_table().select(names), *incoming.columns(names)])
    same, _ = ranks(codes(row_keys(keys.take(pa.array(rows)), names)))
    order, starts = groups(came[rows])
    group = np.cumsum(starts) - 1
    most = int(same.max()) + 1
    run = np.maximum.accumulate(same[order] + group * most) - group * most
    runs = run[np.append(np.flatnonzero(starts)[1:], len(rows)) - 1] + 1
    of = came[rows[order[starts]]]
    times, nth = owners.times[of], owners.nth[of]
    each = np.maximum(1, runs // times)
    first = np.where(nth == times - 1, runs - each, np.minimum(nth * each, runs - 1))
    others[rows[order]] = (run < first[group]) | (run >= (first + each)[group])
    told = (runs == times) if "line_number" in table.names else np.zeros_like(runs, dtype=np.bool_)
    doubtful = np.zeros(len(owners.places), dtype=np.bool_)
    doubtful[of[owners.differs[of] & ~told]] = True
    if doubtful.any():
        message = (
            f"{_records(int(doubtful.sum()))} stood in one answer more than once, in different states, and"
            " which rows are of which is not told: import them again, with toolkit import."
        )
        key = owners.least(doubtful)
        landing.findings.append(finding("warning", "more_than_once", message, table=table.name, key=key))
    return others


def _records(count: int) -> str:
    return counted(count, "record")


def _ids(parts: Iterable[pa.Table], which: Flags, of: Numbers, owners: Owners) -> Taken:
    """Return the ids of some lines, the last first, each as often in its unit as its owner."""
    columns = [chunk for rows in parts for chunk in rows.column(0).chunks]
    ids = pa.chunked_array(columns, type=pa.string()).combine_chunks()
    chosen = np.flatnonzero(which & ids.is_valid().to_numpy(zero_copy_only=False))[::-1]
    own = of[chosen]
    repeated = owners.nth[own], owners.times[own], owners.differs[own]
    return Taken(ids.take(pa.array(chosen)), owners.places[own], None, *repeated)


def units_that_ask(
    table: Table, parents: Iterable[str], incoming: Incoming, applied: Incoming, count: int
) -> dict[str, Flags]:
    """Return by parent which units show that applications or links were asked for: others have them.

    Parameters
    ----------
    applied : Incoming
        The applications of payments: the links of payments come in them.
    count : int
        How many units there are.
    """
    found = {name: np.zeros(count, dtype=np.bool_) for name in parents}
    if table.name == APPLICATIONS:
        found["quickbooks.payments"][incoming.places] = True
    elif table.name == LINKS:
        names = pa.chunked_array(
            [chunk for rows in incoming.columns(["owner_table"]) for chunk in rows.column(0).chunks],
            type=pa.string(),
        )
        for name, units in found.items():
            units[incoming.places[pc.equal(names, name).to_numpy().astype(np.bool_)]] = True
            if name == "quickbooks.payments":
                units[applied.places] = True
    return found


def _without(
    table: Table, before: Numbers, came: Numbers, owners: Owners, told: Flags, landing: Landing
) -> Flags:
    """Tell of the owners, and of none at the end, which came without rows that they still have.

    QuickBooks leaves lines, applications and links out unless it is asked for them. Where the same response
    has links or applications of other records, it was asked, and a record without them has none. Otherwise
    a record that was not changed since has those that are known; of one that was, nobody knows: what is
    said is that they are gone. Links may change with the other transaction alone, so that keeping them is
    said, too.
    """
    lost = np.zeros(len(owners.places), dtype=np.bool_)
    lost[before[before >= 0]] = True
    lost[came[came >= 0]] = False
    keeps = lost & owners.unchanged & ~told
    what, rule = _CALLED.get(table.name, ("lines", "lines"))
    for which, severity, name, message in (
        (
            lost & ~owners.unchanged & ~told,
            "warning",
            f"without_{rule}",
            f"{{}} changed and came without {what}, and the {what} known before were dropped: import"
            f" again, with toolkit import, which asks for the {what}.",
        ),
        (
            lost & told,
            "info",
            f"{rule}_gone",
            f"{{}} came without {what} in an answer that tells {what}: those known before were dropped.",
        ),
        (
            keeps & (table.name == LINKS),
            "info",
            f"{rule}_kept",
            f"{{}} came without {what}, in the state that is known: the {what} known before are kept.",
        ),
    ):
        if which.any():
            said = message.format(_records(int(which.sum())))
            key = owners.least(which)
            landing.findings.append(finding(severity, name, said, table=table.name, key=key))
    return np.append(keeps, False)


def owner_tables(stored: StoredTable, incoming: Incoming) -> set[str]:
    """Return the tables whose rows have custom fields, stored or coming."""
    found: set[str] = set()
    for parts in (stored.columns(["owner_table"]), incoming.columns(["owner_table"])):
        for rows in parts:
            found.update(pc.unique(rows["owner_table"]).to_pylist())
    return found


def merge_custom_fields(
    stored: StoredTable,
    incoming: Incoming,
    arrivals: Numbers,
    taken: Mapping[str, Taken],
    lines: Lines,
    landing: Landing,
) -> Merged | None:
    """Return the merged custom fields of records, lines and the company; None where nothing changes."""
    table = TABLES[CUSTOM_FIELDS]
    names = ["owner_table", "owner_key"]
    owners = Owners({**taken, **{name: fresh for name, (fresh, _) in lines.items()}})
    gone = Owners({name: before for name, (_, before) in lines.items()})
    of_company = _latest_of_company(stored, incoming, arrivals)
    came = owners.of(table, incoming.columns(names), "owner_key")
    comes = owners.same_unit(came, incoming.places)
    takes = of_company | (comes & ~_of_others(table, incoming, came, comes, owners, landing))
    goes = owners.of(table, stored.columns(names), "owner_key") >= 0
    goes |= gone.of(table, stored.columns(names), "owner_key") >= 0
    if of_company.any():
        goes |= _of_company(stored.columns(names))
    if not goes.any() and not takes.any():
        return None
    landing.rows[CUSTOM_FIELDS] = int(takes.sum())
    return Merged(table, ~goes, incoming, takes)


def _latest_of_company(stored: StoredTable, incoming: Incoming, arrivals: Numbers) -> Flags:
    """Tell which incoming fields are the company's: those that came last, if nothing later is known."""
    of_company = _of_company(incoming.columns(["owner_table"]))
    if not of_company.any():
        return of_company
    names = ["owner_table", "owner_id", "name", "imported_at"]
    known = pa.concat_tables([_no_fields(names), *stored.columns(names)])
    before = millis(known, "imported_at")[_of_company([known])]
    places = incoming.places
    units = np.unique(places[of_company])
    last = units[len(units) - 1 - int(np.argmax(arrivals[units][::-1]))]
    if arrivals[last] < before.max(initial=NEVER):
        return np.zeros_like(of_company)
    rows = np.flatnonzero(of_company & (places == last))
    told = pa.concat_tables([_no_fields(names[1:3]), *incoming.columns(names[1:3])]).take(pa.array(rows))
    latest = np.zeros_like(of_company)  # a company that stands there twice has each field once
    latest[rows[last_rows(codes(row_keys(told, names[1:3])))]] = True
    return latest


def _no_fields(names: list[str]) -> pa.Table:
    return TABLES[CUSTOM_FIELDS].schema.empty_table().select(names)


def _of_company(parts: Iterable[pa.Table]) -> Flags:
    found = [pc.equal(rows["owner_table"], COMPANY).to_numpy().astype(np.bool_) for rows in parts]
    return np.concatenate([np.zeros(0, dtype=np.bool_), *found])
