"""The tie-out: what was meant, what the ledger says was applied, and what QuickBooks holds, to the cent.

Three witnesses are compared: the source (BluBilling's rows of the exported ranges, planned once more), the
ledger's operations, and the ``quickbooks.*`` tables as they were read back. What does not tie is listed
once, with the reason where the ledger or the plan knows it. By kind of record and currency:

- source = left out + queued, but for rows that BluBilling changed or lost since they were queued;
- queued = applied + waiting + failed: sent and answered; still to be sent or answered; without effect;
- queued = in QuickBooks, but for operations without effect and records that should not be there.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.receivables import KINDS, ZERO
from toolkit.reconcile_carried import carried_differences, carried_totals, held_differences, held_totals
from toolkit.reconcile_posted import gone_postings, with_postings
from toolkit.reconcile_records import Records, by_outcome, withdrawn
from toolkit.reconcile_restated import restated_uses, with_restated
from toolkit.reconcile_source import (
    CREDITS,
    Source,
    read_source,
    source_differences,
    unsent_differences,
)
from toolkit.settings import Settings
from toolkit.tables import from_rows

__all__ = ["TieOut", "tie_out"]

Row = dict[str, Any]
Place = tuple[str, str | None]  # kind of record and currency

ORDER = (*KINDS, "customer", "item")


@dataclass(frozen=True, slots=True)
class TieOut:
    """A tie-out.

    Parameters
    ----------
    ties : bool
        Whether every difference has its reason, and the differences add up to those of the totals.
    totals : pandas.DataFrame
        ``tie_out.totals``, one row a kind of record and currency.
    differences : pandas.DataFrame
        ``tie_out.differences``, one row a record that does not tie.
    read_at : datetime.datetime or None
        When the oldest of the QuickBooks records compared was read: nothing here is known to hold later.
        ``None`` where none was.
    """

    ties: bool
    totals: pd.DataFrame
    differences: pd.DataFrame
    read_at: dt.datetime | None


def tie_out(tables: Mapping[str, pd.DataFrame], settings: Settings) -> TieOut:
    """Return the tie-out of everything that was queued for export, and of what was carried forward.

    Parameters
    ----------
    tables : mapping
        Declared names to frames: ``quickbooks.*``, ``billing.*``, ``mapping.*``, ``ledger.operations``,
        ``ledger.jobs`` and ``ledger.crosswalk``. An absent table counts as empty.
    settings : Settings
        As the export took them.
    """
    books = Books(tables, settings)
    operations = books.rows("ledger.operations")
    # Before the cutover date is set nothing is carried, and nothing posted by hand.
    dated = None if settings.cutover_date is None else Context(tables, settings, customers=False)
    read = read_source(tables, settings, books, operations)
    records = Records(books, operations, read.cancelled_parts)
    held, sources = records.differences(), read.rows
    if dated:
        sources = with_postings(sources, dated, tables, settings)
    back = withdrawn(operations)
    operations = [row for row in operations if row["key"] not in back]
    changed = list(source_differences(sources, operations))
    uses = [source for source in sources if source.kind == CREDITS]
    used = list(carried_differences(books))
    if dated and (restated := restated_uses(dated, tables, books, uses, operations)):
        changed, used = (with_restated(rows, restated) for rows in (changed, used))
    carried = [*used, *(held_differences(dated) if dated else ())]
    carried_sums = [*carried_totals(books, uses), *(held_totals(dated) if dated else ())]
    used_sums = [total for total in carried_sums if total["record_kind"] == CREDITS]
    unsent = [*unsent_differences(sources), *(gone_postings(dated) if dated else ())]
    differences = [*held, *changed, *carried, *unsent]
    totals = list(_totals(operations, records, [source for source in sources if source.kind != CREDITS]))
    adds_up = (
        _adds_up(totals, held, lambda row: row["difference"])
        and _adds_up([*totals, *used_sums], changed, _source_gap)
        and _adds_up(carried_sums, carried, lambda row: row["difference"])
    )
    read_at = [row["imported_at"] for kind in ORDER for row in records.found[kind].values()]
    return TieOut(
        adds_up and all(row["explained"] for row in differences),
        from_rows("tie_out.totals", [*totals, *carried_sums]),
        from_rows("tie_out.differences", differences),
        min((at for at in read_at if at is not None), default=None),
    )


def _totals(operations: Sequence[Row], records: Records, sources: Sequence[Source]) -> Iterator[Row]:
    sent: dict[Place, list[Row]] = defaultdict(list)
    for row in operations:
        sent[row["record_kind"], row["currency"]].append(row)
    there: dict[Place, list[Row]] = defaultdict(list)
    for kind, found in records.found.items():
        for row in found.values():
            there[kind, row["currency"] if kind in KINDS else None].append(row)
    given: dict[Place, list[Source]] = defaultdict(list)
    for source in sources:
        given[source.kind, source.row.get("currency")].append(source)
    places = {*sent, *there, *given}
    for place in sorted(places, key=lambda place: (ORDER.index(place[0]), place[1] or "")):
        yield _total(place, given[place], sent[place], there[place])


def _total(place: Place, given: Sequence[Source], queued: Sequence[Row], there: Sequence[Row]) -> Row:
    left = [source for source in given if not source.queued]
    total: Row = {
        "record_kind": place[0],
        "currency": place[1],
        "source_count": len(given),
        "left_out_count": len(left),
        "quickbooks_count": len(there),
    }
    if place[0] in KINDS:
        total |= {
            "source_amount": _sum(source.amount for source in given),
            "left_out_amount": _sum(source.amount for source in left),
            "quickbooks_amount": _sum(row["total"] for row in there),
        }
    total |= by_outcome(queued, (lambda row: row["amount"] or ZERO) if place[0] in KINDS else None)
    if place[0] in KINDS:
        total["difference"] = total["queued_amount"] - total["quickbooks_amount"]
    return total


def _sum(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), ZERO)


def _source_gap(total: Row) -> Decimal | None:
    if total.get("source_amount") is None:
        return None
    gap: Decimal = total["source_amount"] - total["left_out_amount"] - total["queued_amount"]
    return gap


def _adds_up(totals: Sequence[Row], differences: Sequence[Row], gap: Any) -> bool:
    """Return whether the listed differences are those of the totals, by kind and currency."""
    sums: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for row in differences:
        sums[row["record_kind"], row["currency"]] += row["difference"] or ZERO
    for total in totals:
        shown = gap(total) if "difference" in total else None
        if shown is not None and shown != sums.pop((total["record_kind"], total["currency"]), ZERO):
            return False
    return not any(sums.values())
