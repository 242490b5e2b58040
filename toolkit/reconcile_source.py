"""The tie-out's first half: every source row of the exported ranges, and what became of it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import transform
from toolkit.checks_books import Books
from toolkit.receivables import ZERO
from toolkit.reconcile_records import Row, difference
from toolkit.settings import Settings
from toolkit.tables import to_rows

__all__ = ["Source", "read_source", "source_differences", "unsent_differences"]

# Source tables: switch of the export, key, date and amount columns.
_TABLES = {
    "billing.invoices": ("invoices", "invoice_number", "invoice_date", "current_amount_due"),
    "billing.adjustments": ("credits", "adjustment_id", "effective_date", "amount"),
    "billing.payments": ("payments", "payment_number", "effective_date", "amount"),
}
_LISTS = {"billing.customers": "customer", "mapping.local_items": "item"}
SWITCHES = ("customers", "invoices", "payments", "credits")
ENDED = ("rejected", "skipped", "undone")

# Left out by design and tied elsewhere: a carried document is the row "carried invoice" of the totals.
TIED_ELSEWHERE = "origin"

Place = tuple[str, str | None]  # kind of record and currency


@dataclass(frozen=True, slots=True)
class _Range:
    """What one export covered."""

    start: dt.date
    end: dt.date
    switches: frozenset[str]
    pilot: bool

    def covers(self, switch: str, date: dt.date) -> bool:
        return switch in self.switches and self.start <= date <= self.end


@dataclass(frozen=True, slots=True)
class Source:
    """One source row and what became of it.

    Parameters
    ----------
    kind : str
        Of the record it makes in QuickBooks.
    amount : Decimal or None
        As it is sent: a credit memo is positive.
    row : dict
        ``source_key, account_number, txn_date, currency, source``.
    queued : bool
        Whether the ledger has an operation of it; else ``rule`` and ``reason`` say why not.
    explained : bool
        Whether that is a reason to leave it.
    """

    table: str
    kind: str
    amount: Decimal | None
    row: Row
    queued: bool
    explained: bool = True
    rule: str = ""
    reason: str = ""


def read_source(
    tables: Mapping[str, pd.DataFrame], settings: Settings, books: Books, operations: Sequence[Row]
) -> list[Source]:
    """Return every source row that an export covered or queued, carried invoices apart.

    The ranges are planned once more, so that a row that was never queued is told with its reason as of now.

    Parameters
    ----------
    tables, settings
        As :func:`toolkit.transform.plan_export` takes them.
    books : Books
        The same tables.
    operations : sequence of dict
        Rows of ``ledger.operations``.
    """
    ranges = _ranges(books, operations)
    queued = {(row["source_table"], row["source_key"]) for row in operations}
    left, ready = _plan(tables, settings, ranges)
    found = [
        source
        for table in _TABLES
        for row in books.rows(table)
        if (source := _source(table, row, books, ranges, queued, left, ready)) is not None
    ]
    for table, key in sorted(pair for pair in queued if pair[0] in _LISTS):
        found.append(Source(table, _LISTS[table], None, {"source_key": key}, True))
    for (table, key), row in left.items():
        if table in _LISTS and (table, key) not in queued:
            reason = f"left out: {row['reason']}"
            found.append(Source(table, _LISTS[table], None, row, False, rule=row["rule"], reason=reason))
    order = {place: number for number, place in enumerate(left)}
    return sorted(found, key=lambda one: order.get((one.table, one.row["source_key"]), len(order)))


def _ranges(books: Books, operations: Sequence[Row]) -> list[_Range]:
    """Return what was exported: as the jobs say, else the days of a job's own operations."""
    ranges, told = [], set()
    for job in books.rows("ledger.jobs"):
        if job["kind"] == "export" and job["range_start"] is not None:
            told.add(job["id"])
            end = job["range_end"] or (job["created_at"] or dt.datetime.max).date()
            if job["status"] != "cancelled":
                ranges.append(
                    _Range(job["range_start"], end, frozenset(job["switches"] or ()), bool(job["pilot"]))
                )
    switches = {table: values[0] for table, values in _TABLES.items()}
    dates: dict[tuple[int, str], list[dt.date]] = defaultdict(list)
    for row in operations:
        if row["job"] not in told and row["txn_date"] and row["source_table"] in switches:
            dates[row["job"], switches[row["source_table"]]].append(row["txn_date"])
    ranges += [_Range(min(d), max(d), frozenset({switch}), False) for (_, switch), d in dates.items()]
    return [each for each in ranges if each.start <= each.end]


def _plan(
    tables: Mapping[str, pd.DataFrame], settings: Settings, ranges: Sequence[_Range]
) -> tuple[dict[tuple[str, str], Row], set[tuple[str, str]]]:
    """Return what would stay behind if all were planned now, and what would be sent, by source row."""
    switches = frozenset().union(*(each.switches for each in ranges)) & set(SWITCHES)
    if not switches or settings.cutover_date is None:
        return {}, set()
    chosen: dict[str, Any] = dict.fromkeys(switches, True)
    plan = transform.plan_export(
        tables,
        settings,
        start=min(each.start for each in ranges),
        end=max(each.end for each in ranges),
        **chosen,
    )
    left = {(row["source_table"], row["source_key"]): row for row in to_rows(plan.left_out)}
    return left, {(row["source_table"], row["source_key"]) for row in to_rows(plan.operations)}


def _source(
    table: str,
    row: Row,
    books: Books,
    ranges: Sequence[_Range],
    queued: set[tuple[str, str]],
    left: Mapping[tuple[str, str], Row],
    ready: set[tuple[str, str]],
) -> Source | None:
    """Return a row's source, or ``None`` where no export covered it or it was carried."""
    switch, key_column, date_column, amount_column = _TABLES[table]
    key, date, amount = row[key_column], row[date_column], row[amount_column]
    covering = [each for each in ranges if each.covers(switch, date)]
    is_queued, stays = (table, key) in queued, left.get((table, key))
    if not covering and not is_queued:
        return None
    kind = {"billing.payments": "payment", "billing.adjustments": "credit_memo"}.get(table, "invoice")
    if kind == "invoice" and amount < 0:
        kind, amount = "credit_memo", -amount
    shown = {
        "source_key": key,
        "account_number": row["account_number"],
        "txn_date": date,
        "currency": row.get("currency") or books.home_currency,
        "source": row["source"],
    }
    if is_queued:
        return Source(table, kind, amount, shown, True)
    if stays and stays["rule"] == TIED_ELSEWHERE:
        return None
    if stays:
        explained = stays["rule"] != "already_sent"
        reason = f"left out: {stays['reason']}" + ("" if explained else ", but the ledger has not sent it")
        return Source(table, kind, amount, shown, False, explained, stays["rule"], reason)
    if all(each.pilot for each in covering) and (table, key) in ready:
        return Source(table, kind, amount, shown, False, True, "pilot", "waits: only a pilot was exported")
    why = "it can go" if (table, key) in ready else "no plan mentions it"
    reason = f"in the exported range and never queued, though {why}: export it"
    return Source(table, kind, amount, shown, False, False, "not_queued", reason)


def unsent_differences(sources: Sequence[Source]) -> Iterator[Row]:
    """Yield a difference for each source row that was not queued, with the reason."""
    for source in sources:
        if not source.queued:
            yield difference(source.kind, source.row, source.amount, None, source.explained, source.reason)


def source_differences(sources: Sequence[Source], operations: Sequence[Row]) -> Iterator[Row]:
    """Yield queued rows that BluBilling has otherwise than they were sent; a split receipt counts as one."""
    meant: dict[tuple[str, str], dict[Place, Decimal]] = defaultdict(dict)
    rows: dict[tuple[str, str], Row] = {}
    for source in sources:
        if source.queued and source.amount is not None:
            place = (source.table, source.row["source_key"])
            meant[place][source.kind, source.row["currency"]] = source.amount
            rows[place] = source.row
    sent: dict[tuple[str, str], dict[Place, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    ended: dict[tuple[str, str], bool] = defaultdict(lambda: True)
    for row in operations:
        if row["source_table"] in _TABLES:
            place = (row["source_table"], row["source_key"])
            sent[place][row["record_kind"], row["currency"]] += row["amount"] or ZERO
            ended[place] &= row["status"] in ENDED
            rows.setdefault(place, row | {"key": None})
    for place, amounts in sent.items():
        for kind, currency in dict.fromkeys([*meant[place], *amounts]):
            now, then = meant[place].get((kind, currency)), amounts.get((kind, currency))
            if now != then:
                what = "BluBilling no longer has it" if now is None else "BluBilling changed it since"
                why = f"{what}; nothing of it stands in QuickBooks" if ended[place] else what
                shown = rows[place] | {"currency": currency}
                yield difference(kind, shown, now, then, ended[place], why)
