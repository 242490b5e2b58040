"""The tie-out's first half: every source row of the exported ranges, and what became of it."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import transform
from toolkit.carried_credits import TABLE as USES
from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.receivables import ZERO
from toolkit.reconcile_ranges import HELD, Exports, Range, why_waiting
from toolkit.reconcile_records import Row, difference, withdrawn
from toolkit.settings import Settings
from toolkit.tables import to_rows
from toolkit.tables_plans import was_cancelled
from toolkit.transform_payments import credit_uses
from toolkit.transform_schedule import POSTED_BY_HAND as POSTED

__all__ = [
    "CREDITS",
    "Source",
    "Sources",
    "credit_applied",
    "read_source",
    "source_differences",
    "unsent_differences",
]

CREDITS = "carried credit"
"""The kind of record that a use of a carried credit is: a payment of nothing has no money of its own."""

# Source tables: switch of the export, key, date and amount columns.
_TABLES = {
    "billing.invoices": ("invoices", "invoice_number", "invoice_date", "current_amount_due"),
    "billing.adjustments": ("credits", "adjustment_id", "effective_date", "amount"),
    "billing.payments": ("payments", "payment_number", "effective_date", "amount"),
    USES: ("payments", "source_key", "date", "amount"),  # of carried credits only, see _rows
}
_LISTS = {"billing.customers": "customer", "mapping.local_items": "item"}
_SWITCHES = {table: values[0] for table, values in _TABLES.items()}
_LIST_SWITCHES = {"billing.customers": "customers"}
SWITCHES = ("customers", "invoices", "payments", "credits")
ENDED = ("rejected", "skipped", "undone")

CANCELLED = "cancelled"
"""The rule of a row that is to be sent and whose operations were cancelled before they left."""
WITHDRAWN = "withdrawn"
"""The rule of a list's record that was cancelled before it left, and that no export would make any more."""
_SENT = "already_sent"
_NOT_SENT = "not sent: job {job} was cancelled"
_AGAIN = f"{_NOT_SENT}: export it again"

# Left out by design and tied elsewhere: a carried document is the row "carried invoice" of the totals.
TIED_ELSEWHERE = "origin"

Key = tuple[str, str]  # source table and key
Place = tuple[str, str | None]  # kind of record and currency


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


@dataclass(frozen=True, slots=True)
class Sources:
    """What became of the source rows.

    Parameters
    ----------
    rows : list of Source
        Each row that an export covered or queued.
    cancelled_parts : mapping
        Operation key to whether it is explained, and why, of cancelled parts of receipts that went otherwise,
        and that are still meant.
    """

    rows: list[Source]
    cancelled_parts: Mapping[str, tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class _Planned:
    """What would stay behind if all were planned now, and what would be sent, by source row and by key."""

    left: dict[Key, Row]
    ready: dict[Key, str | None]
    keys: frozenset[str]


def read_source(
    tables: Mapping[str, pd.DataFrame], settings: Settings, books: Books, operations: Sequence[Row]
) -> Sources:
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
    exports = Exports(books, operations, _SWITCHES)
    back = withdrawn(operations)
    sent = [row for row in operations if row["key"] not in back]
    queued = {(row["source_table"], row["source_key"]): row["record_kind"] for row in sent}
    gone = {(row["source_table"], row["source_key"]): row for row in operations if row["key"] in back}
    parts = [row for row in sent if was_cancelled(row)]
    planned = _plan(tables, settings, exports.ranges)
    left, ready, meant = planned.left, planned.ready, frozenset[str]()
    if gone or parts:
        since = _since_cutover(settings, [*gone.values(), *parts])
        again = _plan(tables, settings, [*exports.ranges, *since])
        _cancelled(again, gone, left, ready)
        meant = again.keys
    found = [
        source
        for table in _TABLES
        for row in _rows(tables, settings, books, table)
        if (source := _source(table, row, books, exports, queued, left, ready, gone)) is not None
    ]
    found = _with_held(found)
    for table, key in sorted(pair for pair in queued if pair[0] in _LISTS):
        found.append(Source(table, _LISTS[table], None, {"source_key": key}, True))
    for (table, key), row in left.items():
        if table in _LISTS and (table, key) not in queued:
            found.append(_unsent(table, _LISTS[table], None, row, row, exports))
    order = {place: number for number, place in enumerate(left)}
    found.sort(key=lambda one: order.get((one.table, one.row["source_key"]), len(order)))
    return Sources(found, {row["key"]: _part(row, exports) for row in parts if row["key"] in meant})


def _part(row: Row, exports: Exports) -> tuple[bool, str]:
    """Return whether a cancelled part of a receipt is explained: half a receipt is, only where it is held."""
    table, key = row["source_table"], row["source_key"]
    later = exports.since((table, key), row["job"], _SWITCHES.get(table), row["txn_date"])
    return (True, later[1]) if later and later[0] == HELD else (False, _AGAIN.format(**row))


def _cancelled(
    again: _Planned, gone: Mapping[Key, Row], left: dict[Key, Row], ready: dict[Key, str | None]
) -> None:
    """Tell of what was cancelled before it left why it was not sent: the plan's own reason, if it has one.

    What would go if it were exported now is meant, and not in QuickBooks.
    """
    for place, row in gone.items():
        ready.setdefault(place, row["record_kind"])
        if place in again.ready or (place not in again.left and place[0] in _TABLES):
            told = {"key": None, "rule": CANCELLED, "reason": _AGAIN.format(**row)}
            left[place] = row | told | {"behind": left.get(place)}
        elif place not in left:
            # Of a customer that is there by now, or an item that no document needs, nothing is meant.
            why = _NOT_SENT.format(**row)
            left[place] = again.left.get(place) or row | {"key": None, "rule": WITHDRAWN, "reason": why}


def _since_cutover(settings: Settings, gone: Sequence[Row]) -> list[Range]:
    """Return the range of what was cancelled; a document may be posted later than it is dated."""
    if settings.cutover_date is None:
        return []
    start = settings.cutover_date + dt.timedelta(days=1)
    end = max([start, *(row["txn_date"] for row in gone if row["txn_date"])])
    switches = _SWITCHES | _LIST_SWITCHES
    tables = {row["source_table"] for row in gone} & set(switches)
    return [Range(0, start, end, frozenset(switches[table] for table in tables))]


def _rows(tables: Mapping[str, pd.DataFrame], settings: Settings, books: Books, table: str) -> Sequence[Row]:
    """Return the rows of a source table; of applications those of carried credits: payments have theirs."""
    if table != USES:
        return books.rows(table)
    if settings.cutover_date is None:
        return []
    return [
        {
            "source_key": use.source_key,
            "account_number": use.account,
            "date": use.date,
            "amount": use.amount,
            "currency": use.currency,
            "source": use.source,
            "counts": use.row["status"] == "Paid",
        }
        for use in credit_uses(Context(tables, settings, customers=False))
    ]


def _plan(tables: Mapping[str, pd.DataFrame], settings: Settings, ranges: Sequence[Range]) -> _Planned:
    """Return what would become of all these ranges if they were planned now."""
    switches = frozenset().union(*(each.switches for each in ranges)) & set(SWITCHES)
    if not switches or settings.cutover_date is None:
        return _Planned({}, {}, frozenset())
    chosen: dict[str, Any] = dict.fromkeys(switches, True)
    plan = transform.plan_export(
        tables,
        settings,
        start=min(each.start for each in ranges),
        end=max(each.end for each in ranges),
        qbxml=False,
        **chosen,
    )
    left = {(row["source_table"], row["source_key"]): row for row in to_rows(plan.left_out)}
    names = ["key", "source_table", "source_key", "record_kind"]
    operations = to_rows(plan.operations[names])
    ready = {(row["source_table"], row["source_key"]): row["record_kind"] for row in operations}
    return _Planned(left, ready, frozenset(row["key"] for row in operations))


def _as_sent(table: str, amount: Decimal, record_kind: str | None) -> tuple[str, Decimal]:
    """Return the kind of record that a source row makes, and its amount as that has it."""
    if table == USES:
        return CREDITS, amount
    if table == "billing.payments":
        return "payment", amount
    if table == "billing.adjustments":
        # What becomes of an adjustment is decided by its kind: what raises a balance is an invoice.
        kind = record_kind or "credit_memo"
        return kind, -amount if kind == "invoice" else amount
    return ("credit_memo", -amount) if amount < 0 else ("invoice", amount)


def _with_held(sources: Sequence[Source]) -> list[Source]:
    """Tell with each row that a person held back how many there are of its kind, and their total."""
    counts: dict[Place, int] = defaultdict(int)
    sums: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for source in sources:
        if source.rule == HELD:
            counts[source.kind, source.row["currency"]] += 1
            sums[source.kind, source.row["currency"]] += source.amount or ZERO
    told = []
    for source in sources:
        place = source.kind, source.row.get("currency")
        if source.rule == HELD:
            kinds = f"{source.kind.replace('_', ' ')}s"
            whole = (
                f"one of {counts[place]:,} {kinds} held back, {sums[place]:,.2f} {place[1] or ''}".rstrip()
            )
            source = replace(source, reason=f"{source.reason} ({whole})")
        told.append(source)
    return told


def _source(
    table: str,
    row: Row,
    books: Books,
    exports: Exports,
    queued: Mapping[tuple[str, str], str | None],
    left: Mapping[tuple[str, str], Row],
    ready: Mapping[tuple[str, str], str | None],
    gone: Mapping[Key, Row],
) -> Source | None:
    """Return a row's source, or ``None`` where no export covered it or it was carried."""
    switch, key_column, date_column, amount_column = _TABLES[table]
    key, date, amount = row[key_column], row[date_column], row[amount_column]
    covering = [each for each in exports.ranges if each.covers(switch, date)]
    is_queued, stays = (table, key) in queued, left.get((table, key))
    cancelled = (table, key) in gone
    if not (covering or is_queued or cancelled):
        return None
    kind, amount = _as_sent(table, amount, queued.get((table, key)) or ready.get((table, key)))
    shown = {
        "source_key": key,
        "account_number": row["account_number"],
        "txn_date": date,
        "currency": row.get("currency") or books.home_currency,
        "source": row["source"],
    }
    if (is_queued or cancelled) and not row.get("counts", True):
        return None  # what BluBilling cancelled since is told as what it no longer has
    if is_queued:
        return Source(table, kind, amount, shown, True)
    if stays and stays["rule"] == TIED_ELSEWHERE:
        return None
    if stays:
        return _unsent(table, kind, amount, shown, stays, exports)
    waits = why_waiting(covering, (table, key)) if (table, key) in ready else None
    if waits:
        return Source(table, kind, amount, shown, False, True, *waits)
    why = "it can go" if (table, key) in ready else "no plan mentions it"
    reason = f"in the exported range and never queued, though {why}: export it"
    return Source(table, kind, amount, shown, False, False, "not_queued", reason)


def _unsent(
    table: str,
    kind: str,
    amount: Decimal | None,
    shown: Row,
    stays: Row,
    exports: Exports,
) -> Source:
    """Return a row that was not sent: as the plan leaves it behind, or as it was cancelled.

    Of what was cancelled and is still meant, a later choice decides: a pilot, a row held, days or switches
    that leave it away. It is explained by that as it would be if nothing had been cancelled before.
    """
    rule, reason = stays["rule"], _why_unsent(stays)
    if rule == CANCELLED:
        switch = (_SWITCHES | _LIST_SWITCHES).get(table)
        date = shown["txn_date"] if table in _TABLES else None
        behind = (stays["behind"]["rule"], _why_unsent(stays["behind"])) if stays["behind"] else None
        later = exports.since((table, shown["source_key"]), stays["job"], switch, date, behind)
        rule, reason = later or (rule, reason)
    return Source(table, kind, amount, shown, False, rule not in (CANCELLED, _SENT), rule, reason)


def _why_unsent(stays: Row) -> str:
    if stays["rule"] in (CANCELLED, WITHDRAWN):
        return str(stays["reason"])
    unknown = ", but the ledger has not sent it" if stays["rule"] == _SENT else ""
    return f"left out: {stays['reason']}{unknown}"


def credit_applied(operation: Row) -> Decimal:
    """Return what an operation applies of carried credits."""
    lines = json.loads(operation["fields"] or "{}").get("AppliedToTxnAdd", [])
    return sum((Decimal(c["AppliedAmount"]) for line in lines for c in line.get("SetCredit", [])), ZERO)


def unsent_differences(sources: Sequence[Source]) -> Iterator[Row]:
    """Yield a difference for each source row that was not queued, with the reason.

    What is to be posted by hand is one, a reconciling item, until its TxnID is entered.
    """
    for source in sources:
        if not source.queued and not (source.rule == POSTED and source.explained):
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
            kind, amount = row["record_kind"], row["amount"] or ZERO
            if row["source_table"] == USES:
                kind, amount = CREDITS, credit_applied(row)
            sent[place][kind, row["currency"]] += amount
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
