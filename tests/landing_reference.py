"""What landing means, written down row by row and without a thought for speed: what it is tested against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.landing_coverage import Coverage

Row = dict[str, Any]
COMPANY = "quickbooks.company"
FIELDS = "quickbooks.custom_fields"
RECORDS = {
    "quickbooks.invoices": ("txn_id",),
    "quickbooks.credit_memos": ("txn_id",),
    "quickbooks.deleted_list_records": ("list_del_type", "list_id"),
}
LINES = {"quickbooks.invoice_lines": "quickbooks.invoices"}
LINKS = "quickbooks.linked_transactions"
APART = {  # what tells two rows of one owner apart
    "quickbooks.invoice_lines": ("line_number",),
    LINKS: ("applied_to_txn_id", "txn_id", "link_type"),
    FIELDS: ("owner_id", "name"),
}
SNAPSHOTS = ("quickbooks.invoices", "quickbooks.credit_memos")  # the others have no left_at


@dataclass
class Unit:
    """The rows of one response."""

    rows: dict[str, list[Row]]
    arrived: dt.datetime
    loose: bool


@dataclass
class Books:
    """The tables, and what the last landing said of itself."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    said: set[tuple[str, str, str, str | None]] = field(default_factory=set)

    def land(
        self,
        units: Sequence[Unit],
        covered: Sequence[Coverage],
        job: int | None,
        as_of: dt.datetime,
        now: dt.datetime,
    ) -> None:
        """Land the rows of responses, in the order in which they came."""
        self.rows, self.left, self.said = {}, {}, set()
        self._unchanged: set[tuple[str, Any]] = set()
        self._stood: dict[Any, tuple[int, int, bool]] = {}
        self._moment = (job, as_of, now)
        taken: dict[str, dict[Any, int]] = {}
        for name, key in RECORDS.items():
            asked = [one for one in covered if one.table == name]
            if asked or any(unit.rows.get(name) for unit in units):
                taken[name] = self._records(name, key, units, asked)
        owners, gone = dict(taken), {}
        for name, parent in LINES.items():
            if taken.get(parent):
                owners[name], gone[name] = self._lines(name, parent, units, taken[parent])
        if taken.get("quickbooks.invoices") or taken.get("quickbooks.credit_memos"):
            self._links(units, taken)
        company = [row | self._stamp(unit) for unit in units for row in unit.rows.get(COMPANY, ())]
        if company:
            one: Row = {}
            rows = [*self.tables.get(COMPANY, []), *company]
            for row in sorted(rows, key=lambda row: row["imported_at"]):
                one |= {name: value for name, value in row.items() if value is not None}
            self.tables[COMPANY], self.rows[COMPANY] = [one], 1
        if taken or company:
            self._fields(units, owners, gone)

    def _stamp(self, unit: Unit) -> Row:
        return {"imported_at": unit.arrived, "import_job": self._moment[0]}

    def _is_newer(self, stamp: dt.datetime, job: int | None, arrived: dt.datetime) -> bool:
        mine, _, now = self._moment
        if max(stamp, arrived) > now and job is not None and mine is not None:
            return job <= mine
        return stamp <= arrived

    def _records(
        self, name: str, key: tuple[str, ...], units: Sequence[Unit], asked: list[Coverage]
    ) -> dict[Any, int]:
        def id_of(row: Row) -> Any:
            return row[key[0]] if len(key) == 1 else tuple(row[one] for one in key)

        known = {id_of(row): row for row in self.tables.get(name, [])}
        latest: dict[Any, tuple[int, Row]] = {}
        order: list[tuple[int, Row]] = []
        for place, unit in enumerate(units):
            for row in unit.rows.get(name, ()):
                order.append((place, row))
                before = latest.get(id_of(row))
                if before is None or not (unit.loose and _earlier(row, before[1])):
                    latest[id_of(row)] = order[-1]
        winners: dict[Any, int] = {}
        outdated, set_back = [], []
        for one, (place, row) in latest.items():
            old = known.get(one, {})
            then = max((at for at in (old.get("imported_at"), old.get("left_at")) if at), default=None)
            arrived = units[place].arrived
            if units[place].loose and _earlier(row, old):
                outdated.append(one)
            elif then is None or self._is_newer(then, old["import_job"], arrived):
                winners[one] = place
            elif max(then, arrived) > self._moment[2]:
                set_back.append(one)
        for rule, keys in (("older_file", outdated), ("clock_set_back", set_back)):
            if keys:
                first = min(keys) if len(key) == 1 else "\x1f".join(min(keys))
                self.said.add((rule, name, first, str(len(keys))))
        for one, (place, row) in latest.items():
            here = [other for at, other in order if at == place and id_of(other) == one]
            (nth,) = [number for number, other in enumerate(here) if other is row]
            differ = len({(other.get("time_modified"), other.get("edit_sequence")) for other in here}) > 1
            self._stood[name, one] = nth, len(here), differ
            state = row.get("edit_sequence")
            if state is not None and state == known.get(one, {}).get("edit_sequence"):
                self._unchanged.add((name, one))
        kept = [row for row in self.tables.get(name, []) if id_of(row) not in winners]
        if name in SNAPSHOTS:
            self._mark(name, kept, asked)
        came = [
            row | self._stamp(units[place])
            for place, row in order
            if id_of(row) in winners and latest[id_of(row)][1] is row
        ]
        self.tables[name], self.rows[name] = kept + came, len(winners)
        return winners

    def _mark(self, name: str, kept: list[Row], asked: list[Coverage]) -> None:
        _, as_of, _ = self._moment
        count = 0
        for row in kept:
            newer = row["imported_at"] is not None and not self._is_newer(
                row["imported_at"], row["import_job"], as_of
            )
            if row.get("left_at") is None and not newer and any(_covers(one, row) for one in asked):
                row["left_at"] = as_of
                count += 1
        if count:
            self.left[name] = count

    def _lines(
        self, name: str, parent: str, units: Sequence[Unit], taken: dict[Any, int]
    ) -> tuple[dict[str, int], dict[str, int]]:
        old = self.tables.get(name, [])
        came = [(place, row) for place, unit in enumerate(units) for row in unit.rows.get(name, ())]
        comes = [(place, row) for place, row in came if taken.get(row["txn_id"]) == place]
        new = self._chosen(name, comes, {id(row): (parent, row["txn_id"]) for _, row in comes})
        lost = {row["txn_id"] for row in old if row["txn_id"] in taken} - {row["txn_id"] for _, row in came}
        keeps = {txn for txn in lost if (parent, txn) in self._unchanged}
        lost -= keeps
        if lost:
            self.said.add(("without_lines", name, min(lost), None))
        self.tables[name] = [row for row in old if row["txn_id"] not in taken or row["txn_id"] in keeps]
        self.tables[name] += [row | self._stamp(units[place]) for place, row in new]
        self.rows[name] = len(new)
        fresh = {row["txn_line_id"]: place for place, row in new if row["txn_line_id"] is not None}
        for _, row in new:
            self._stood[name, row["txn_line_id"]] = self._stood[parent, row["txn_id"]]
        gone = {row["txn_line_id"]: 0 for row in old if row["txn_id"] in taken and row["txn_id"] not in keeps}
        return fresh, gone

    def _chosen(
        self, name: str, came: list[tuple[int, Row]], whose: dict[int, tuple[str, Any]]
    ) -> list[tuple[int, Row]]:
        """Return the rows of that occurrence of their owner which counts."""
        left_out: set[int] = set()
        doubtful: list[tuple[str, Any]] = []
        for owner in set(whose.values()):
            nth, times, differ = self._stood[owner]
            runs: list[list[int]] = [[]]
            seen: list[Any] = []
            for _, row in came:
                if whose[id(row)] == owner:
                    identity = tuple(row.get(one) for one in APART[name])
                    if seen.count(identity) == len(runs):
                        runs.append([])
                    seen.append(identity)
                    runs[-1].append(id(row))
            if times == 1:
                continue
            each = max(1, len(runs) // times)
            first = len(runs) - each if nth == times - 1 else min(nth * each, len(runs) - 1)
            for number, run in enumerate(runs):
                if not first <= number < first + each:
                    left_out.update(run)
            if differ and not (name in LINES and len(runs) == times):
                doubtful.append(owner)
        if doubtful:
            self.said.add(("more_than_once", name, min(doubtful)[1], None))
        return [(place, row) for place, row in came if id(row) not in left_out]

    def _links(self, units: Sequence[Unit], taken: dict[str, dict[Any, int]]) -> None:
        old = self.tables.get(LINKS, [])
        came = [
            (place, row)
            for place, unit in enumerate(units)
            for row in unit.rows.get(LINKS, ())
            if taken.get(row["owner_table"], {}).get(row["owner_txn_id"]) == place
        ]
        chosen = self._chosen(
            LINKS, came, {id(row): (row["owner_table"], row["owner_txn_id"]) for _, row in came}
        )
        new = [row | self._stamp(units[place]) for place, row in chosen]
        keeps = set()
        came_for = {(row["owner_table"], row["owner_txn_id"]) for _, row in came}
        for rule, table, txn in self._lost(old, taken, came_for, units):
            if rule == "links_kept":
                keeps.add((table, txn))
        stays = [
            row
            for row in old
            if row["owner_txn_id"] not in taken.get(row["owner_table"], {})
            or (row["owner_table"], row["owner_txn_id"]) in keeps
        ]
        self.tables[LINKS], self.rows[LINKS] = stays + new, len(new)

    def _lost(
        self,
        old: list[Row],
        taken: dict[str, dict[Any, int]],
        came: set[tuple[str, str]],
        units: Sequence[Unit],
    ) -> list[tuple[str, str, str]]:
        """Return what becomes of the links of records that came without them, and say it."""
        found = []
        for table, txn in sorted({(row["owner_table"], row["owner_txn_id"]) for row in old} - came):
            place = taken.get(table, {}).get(txn)
            if place is None:
                continue
            told = any(row["owner_table"] == table for row in units[place].rows.get(LINKS, ()))
            same = (table, txn) in self._unchanged
            found.append(("links_gone" if told else "links_kept" if same else "without_links", table, txn))
        for rule in {rule for rule, _, _ in found}:
            first = next(txn for one, _, txn in found if one == rule)
            self.said.add((rule, LINKS, first, None))
        return found

    def _fields(
        self, units: Sequence[Unit], owners: dict[str, dict[Any, int]], gone: dict[str, dict[str, int]]
    ) -> None:
        old = self.tables.get(FIELDS, [])
        came = [(place, row) for place, unit in enumerate(units) for row in unit.rows.get(FIELDS, ())]
        theirs = [(units[place].arrived, place, row) for place, row in came if row["owner_table"] == COMPANY]
        latest = max(((at, place) for at, place, _ in theirs), default=None)
        known = [row["imported_at"] for row in old if row["owner_table"] == COMPANY]
        if latest is not None and known and max(known) > latest[0]:
            latest = None
        of_company = latest is not None
        fields_of_company = {
            (row.get("owner_id"), row["name"]): id(row) for at, place, row in theirs if (at, place) == latest
        }
        owned = [
            (place, row)
            for place, row in came
            if owners.get(row["owner_table"], {}).get(row["owner_key"]) == place
        ]
        whose = {id(row): (row["owner_table"], row["owner_key"]) for _, row in owned}
        chosen = [id(row) for _, row in self._chosen(FIELDS, owned, whose)]
        new = [
            row | self._stamp(units[place])
            for place, row in came
            if id(row) in fields_of_company.values() or id(row) in chosen
        ]
        stays = [
            row
            for row in old
            if not (row["owner_table"] == COMPANY and of_company)
            and row["owner_key"] not in owners.get(row["owner_table"], {})
            and row["owner_key"] not in gone.get(row["owner_table"], {})
        ]
        if len(stays) < len(old) or new:
            self.tables[FIELDS], self.rows[FIELDS] = stays + new, len(new)


def _earlier(one: Row, other: Row) -> bool:
    first, second = one.get("time_modified"), other.get("time_modified")
    return first is not None and second is not None and first < second


def _covers(one: Coverage, row: Row) -> bool:
    if one.ids is not None:
        return row["txn_id"] in one.ids
    if one.open_only and row.get("is_paid") is True:
        return False
    if one.start is None and one.end is None:
        return True
    if one.by == "time_modified" and one.end is not None:
        return False
    moment = row.get(one.by or "")
    if moment is None:
        return False
    day = moment.date() if isinstance(moment, dt.datetime) else moment
    return (one.start is None or day >= one.start) and (one.end is None or day <= one.end)
