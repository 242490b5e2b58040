"""Rows of answers into tables: newer knowledge replaces older, children go with their parents.

An import that is filtered is a snapshot of its filter: a row that the filter covers and the answer lacks is
marked as having left it, never removed. What arrived later than an answer is not undone by landing it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from toolkit.columns import INTEGER, TIMESTAMP, Table
from toolkit.ledger import Query
from toolkit.tables import TABLES, finding, from_arrow, to_arrow
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

if TYPE_CHECKING:
    from toolkit.workspace import Workspace

__all__ = ["Coverage", "Landing", "Unit", "coverage", "land_units"]

COMPANY = "quickbooks.company"
CUSTOM_FIELDS = "quickbooks.custom_fields"
RECORDS = tuple(table for table in QUICKBOOKS_TABLES if "left_at" in table.names)
CHILDREN = tuple(table for table in QUICKBOOKS_TABLES if table.parent)

_QUERIED = {
    f"{ret.removesuffix('Ret')}Query": table.name
    for table in (*RECORDS, TABLES[COMPANY])
    for ret in table.rets
}
_QUERIED |= {"ItemQuery": "quickbooks.items", "TermsQuery": "quickbooks.terms"}

Units = dict[str, dict[str, int]]  # record table -> id -> the unit whose row was taken


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one response, by table.

    Parameters
    ----------
    rows : mapping of str to list of pyarrow.Table
        As :func:`toolkit.qbxml_io.parse` gives them.
    arrived : datetime
        When the answer came: what is known from later answers stands.
    loose : bool
        It came as a file that answers no import: nobody knows when QuickBooks gave it, and a record that
        is known to have been changed later stands.
    """

    rows: Mapping[str, Sequence[pa.Table]]
    arrived: dt.datetime
    loose: bool = False


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
    """

    table: str
    by: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    active_only: bool = False
    open_only: bool = False
    ids: frozenset[str] | None = None

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row, as it is known, would have been returned."""
        if self.ids is not None:
            return row[TABLES[self.table].key[0]] in self.ids
        if self.active_only and row.get("is_active") is False:
            return False
        if self.open_only and row.get("is_paid") is True:
            return False
        if self.start is None and self.end is None:
            return True
        if self.by == "time_modified" and self.end is not None:
            # Changed after the end, it is not returned and yet is there: nothing can be concluded.
            return False
        moment = row.get(self.by or "")
        if moment is None:
            return False
        day = moment.date() if isinstance(moment, dt.datetime) else moment
        return (self.start is None or day >= self.start) and (self.end is None or day <= self.end)


@dataclass(slots=True)
class Landing:
    """What landing did.

    Parameters
    ----------
    rows : dict of str to int
        Rows taken, by table.
    left : dict of str to int
        Rows newly marked as having left the filter, by table.
    findings : list of dict
        What was doubtful.
    """

    rows: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    findings: list[dict[str, str | None]] = field(default_factory=list)


def coverage(query: Query) -> Coverage | None:
    """Return what a query of an import covers; None where it is not a snapshot of anything."""
    table = query.table or _QUERIED.get(query.name)
    if table is None or table == COMPANY:
        return None
    asked = query.fields.get("ListID") or query.fields.get("TxnID")
    if asked:
        return Coverage(table, ids=frozenset([asked] if isinstance(asked, str) else asked))
    if not query.filter:
        return None
    start, end = (query.filter.get(name) for name in ("start", "end"))
    return Coverage(
        table,
        query.filter.get("by"),
        dt.date.fromisoformat(start) if start else None,
        dt.date.fromisoformat(end) if end else None,
        bool(query.filter.get("active_only")),
        bool(query.filter.get("open_only")),
    )


def land_units(
    ws: Workspace, units: Sequence[Unit], covered: Iterable[Coverage], job: int | None, as_of: dt.datetime
) -> Landing:
    """Merge the rows of answers into ``quickbooks/``; each table is written once.

    Parameters
    ----------
    ws : Workspace
        Where to; the caller holds its lock.
    units : sequence of Unit
        In the order in which they came.
    covered : iterable of Coverage
        What the queries covered, if all of them were answered.
    job : int or None
        The job that lands, for ``import_job``.
    as_of : datetime
        When the last answer came, for ``left_at``.
    """
    landing = Landing()
    moment = _Moment(job, as_of, ws.ledger.now())
    incoming = {table.name: _gather(table.name, units, job) for table in QUICKBOOKS_TABLES}
    by_table: dict[str, list[Coverage]] = {}
    for one in covered:
        by_table.setdefault(one.table, []).append(one)
    written: dict[str, pa.Table] = {}
    taken: Units = {}
    for table in RECORDS:
        rows, places = incoming[table.name]
        if len(rows) or table.name in by_table:
            old = to_arrow(ws.read(table.name), table.name)
            loose = [units[place].loose for place in places]
            merged = _records(table, old, rows, loose, by_table.get(table.name, []), moment, landing)
            written[table.name], winners = merged
            taken[table.name] = {key: places[index] for key, index in winners.items()}
    lines: Units = {}
    old_lines: dict[str, set[str]] = {}
    for table in CHILDREN:
        if any(taken.get(parent) for parent in table.parent.split("|")):
            old = to_arrow(ws.read(table.name), table.name)
            written[table.name] = _children(table, old, *incoming[table.name], taken, landing)
            if "txn_line_id" in table.names:
                lines[table.name], old_lines[table.name] = _line_ids(table, old, incoming[table.name], taken)
    company, _ = incoming[COMPANY]
    if len(company):
        written[COMPANY] = _company(to_arrow(ws.read(COMPANY), COMPANY), company)
        landing.rows[COMPANY] = 1
    if written:
        owners = taken | lines
        old = to_arrow(ws.read(CUSTOM_FIELDS), CUSTOM_FIELDS)
        fields = _custom_fields(old, *incoming[CUSTOM_FIELDS], owners, old_lines, landing)
        if fields is not None:
            written[CUSTOM_FIELDS] = fields
    for name, merged_rows in written.items():
        ws.write(name, from_arrow(merged_rows))
    return landing


def _gather(name: str, units: Sequence[Unit], job: int | None) -> tuple[pa.Table, list[int]]:
    """Return all rows of one table, stamped, and for each the unit it came in."""
    schema = TABLES[name].schema
    pieces: list[pa.Table] = []
    places: list[int] = []
    for place, unit in enumerate(units):
        for piece in unit.rows.get(name, ()):
            stamped = _set(piece, "import_job", [job] * len(piece), INTEGER)
            pieces.append(_set(stamped, "imported_at", [unit.arrived] * len(piece), TIMESTAMP))
            places += [place] * len(piece)
    return pa.concat_tables(pieces) if pieces else schema.empty_table(), places


def _set(rows: pa.Table, name: str, values: list[Any], kind: pa.DataType) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, type=kind))


def _where(rows: pa.Table, keep: list[bool]) -> pa.Table:
    return rows.filter(pa.array(keep, type=pa.bool_()))


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a landing is, and by which job."""

    job: int | None
    as_of: dt.datetime
    now: dt.datetime

    def is_newer(self, stamp: dt.datetime, job: int | None, arrived: dt.datetime) -> bool:
        """Tell whether an answer is newer than a row: by when they came, or else by their jobs.

        A time that has not come shows that the clock was set back in between.
        """
        if max(stamp, arrived) > self.now and job is not None and self.job is not None:
            return job <= self.job
        return stamp <= arrived


def _is_earlier(one: dt.datetime | None, other: dt.datetime | None) -> bool:
    return one is not None and other is not None and one < other


def _latest(key: str, new: pa.Table, loose: list[bool]) -> dict[str, int]:
    """Return the row that counts of each incoming record: the last, of loose files the last changed."""
    changed = new["time_modified"].to_pylist()
    last: dict[str, int] = {}
    for index, one in enumerate(new[key].to_pylist()):
        before = last.get(one)
        if before is None or not (loose[index] and _is_earlier(changed[index], changed[before])):
            last[one] = index
    return last


def _records(
    table: Table,
    old: pa.Table,
    new: pa.Table,
    loose: list[bool],
    covered: list[Coverage],
    moment: _Moment,
    landing: Landing,
) -> tuple[pa.Table, dict[str, int]]:
    """Return the merged table, and the id and place of every incoming row that was taken."""
    key = table.key[0]
    names = (key, "imported_at", "left_at", "time_modified", "import_job")
    known = {row[key]: row for row in old.select(names).to_pylist()}
    arrived, changed = new["imported_at"].to_pylist(), new["time_modified"].to_pylist()
    winners: dict[str, int] = {}
    outdated: list[str] = []
    set_back: list[str] = []
    for one, index in _latest(key, new, loose).items():
        row = known.get(one, {})
        then = max((at for at in (row.get("imported_at"), row.get("left_at")) if at), default=None)
        if loose[index] and _is_earlier(changed[index], row.get("time_modified")):
            outdated.append(one)
        elif then is None or moment.is_newer(then, row["import_job"], arrived[index]):
            winners[one] = index
        elif max(then, arrived[index]) > moment.now:
            set_back.append(one)
    if outdated:
        message = (
            f"{len(outdated):,} records of the file were changed later than it says, as an answer before"
            " showed: they are kept as they are known."
        )
        landing.findings.append(_about(table, "older_file", message, outdated))
    if set_back:
        message = (
            f"{len(set_back):,} records are kept as they are known: the clock was set back since they came,"
            " and what is known is of a later import. Check the clock, then import again."
        )
        landing.findings.append(_about(table, "clock_set_back", message, set_back))
    kept = _where(old, [one not in winners for one in old[key].to_pylist()])
    if covered:
        kept = _mark_left(table, kept, covered, moment, landing)
    landing.rows[table.name] = len(winners)
    return pa.concat_tables([kept, new.take(pa.array(list(winners.values()), type=pa.int64()))]), winners


def _about(table: Table, rule: str, message: str, keys: list[str]) -> dict[str, str | None]:
    return finding("warning", rule, message, table=table.name, key=min(keys), value=len(keys))


def _mark_left(
    table: Table, rows: pa.Table, covered: list[Coverage], moment: _Moment, landing: Landing
) -> pa.Table:
    wanted = [table.key[0], "time_modified", "txn_date", "is_active", "is_paid", "left_at"]
    names = [name for name in (*wanted, "imported_at", "import_job") if name in table.names]
    left_at = []
    count = 0
    for row in rows.select(names).to_pylist():
        left, at = row["left_at"], row["imported_at"]
        newer = at is not None and not moment.is_newer(at, row["import_job"], moment.as_of)
        if left is None and not newer and any(one.covers(row) for one in covered):
            left = moment.as_of
            count += 1
        left_at.append(left)
    if count:
        landing.left[table.name] = count
    return _set(rows, "left_at", left_at, TIMESTAMP)


def _owners(table: Table, rows: pa.Table) -> list[tuple[str, str]]:
    """Return the record that each child row belongs to: its table and its id."""
    keys = rows[table.parent_key].to_pylist()
    if "owner_table" in table.names:
        return list(zip(rows["owner_table"].to_pylist(), keys, strict=True))
    return [(table.parent, key) for key in keys]


def _children(
    table: Table, old: pa.Table, new: pa.Table, places: list[int], taken: Units, landing: Landing
) -> pa.Table:
    """Return the rows of parents that were not landed, and the rows that the landed ones came with."""
    before, owners = _owners(table, old), _owners(table, new)
    keep = [
        taken.get(parent, {}).get(key) == place for (parent, key), place in zip(owners, places, strict=True)
    ]
    if "line_number" in table.names:
        # A record that stands twice in one response: its later lines count, as its later row does.
        numbered = zip(new[table.parent_key].to_pylist(), new["line_number"].to_pylist(), strict=True)
        last = {line: index for index, line in enumerate(numbered) if keep[index]}
        final = set(last.values())
        keep = [kept and index in final for index, kept in enumerate(keep)]
        lost = {owner for owner in before if owner[1] in taken.get(owner[0], {})} - set(owners)
        if lost:
            message = (
                f"{len(lost):,} records came without lines, and the lines known before were dropped:"
                " ask QuickBooks with IncludeLineItems."
            )
            key = sorted(lost)[0][1]
            landing.findings.append(finding("warning", "without_lines", message, table=table.name, key=key))
    landing.rows[table.name] = sum(keep)
    stays = _where(old, [key not in taken.get(parent, {}) for parent, key in before])
    return pa.concat_tables([stays, _where(new, keep)])


def _line_ids(
    table: Table, old: pa.Table, incoming: tuple[pa.Table, list[int]], taken: Units
) -> tuple[dict[str, int], set[str]]:
    """Return the incoming lines by TxnLineID with their unit, and the old lines whose document was landed."""
    winners = taken.get(table.parent, {})
    new, places = incoming
    fresh = {
        line: place
        for line, owner, place in zip(
            new["txn_line_id"].to_pylist(), new[table.parent_key].to_pylist(), places, strict=True
        )
        if line is not None and winners.get(owner) == place
    }
    gone = {
        line
        for line, owner in zip(old["txn_line_id"].to_pylist(), old[table.parent_key].to_pylist(), strict=True)
        if line is not None and owner in winners
    }
    return fresh, gone


def _custom_fields(
    old: pa.Table,
    new: pa.Table,
    places: list[int],
    owners: Units,
    old_lines: dict[str, set[str]],
    landing: Landing,
) -> pa.Table | None:
    """Return the merged custom fields of records, lines and the company; None where nothing changes."""
    arriving = list(zip(new["owner_table"].to_pylist(), new["owner_key"].to_pylist(), places, strict=True))
    keep = [table == COMPANY or owners.get(table, {}).get(key) == place for table, key, place in arriving]
    of_company = any(table == COMPANY for table, _, _ in arriving)
    stays = [
        not (table == COMPANY and of_company)
        and key not in owners.get(table, {})
        and key not in old_lines.get(table, ())
        for table, key in zip(old["owner_table"].to_pylist(), old["owner_key"].to_pylist(), strict=True)
    ]
    if all(stays) and not any(keep):
        return None
    landing.rows[CUSTOM_FIELDS] = sum(keep)
    return pa.concat_tables([_where(old, stays), _where(new, keep)])


def _company(old: pa.Table, new: pa.Table) -> pa.Table:
    """Return the one row of the company: what came last of each fact."""
    row: dict[str, Any] = {}
    for one in [*old.to_pylist(), *new.to_pylist()]:
        row |= {name: value for name, value in one.items() if value is not None}
    return pa.Table.from_pylist([row], schema=TABLES[COMPANY].schema)
