"""The tie-out: what was meant, what the ledger says was applied, and what QuickBooks holds, to the cent.

Three witnesses are compared: the source (BluBilling's rows of the exported ranges, planned once more), the
ledger's operations, and the ``quickbooks.*`` tables as they were read back. What does not tie is listed
once, with the reason where the ledger or the plan knows it. By kind of record and currency:

- source = left out + sent, but for rows that BluBilling changed or lost since they were sent;
- sent = in QuickBooks, but for operations without effect and records that should not be there.
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
from toolkit.receivables import KINDS, ZERO
from toolkit.reconcile_carried import carried_differences, carried_totals
from toolkit.reconcile_records import Records
from toolkit.reconcile_source import Source, read_source, source_differences, unsent_differences
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
    records = Records(books, operations)
    held = records.differences()
    sources = read_source(tables, settings, books, operations)
    changed = list(source_differences(sources, operations))
    carried, carried_sums = list(carried_differences(books)), list(carried_totals(books))
    differences = [*held, *changed, *carried, *unsent_differences(sources)]
    totals = list(_totals(operations, records, sources))
    adds_up = (
        _adds_up(totals, held, lambda row: row["difference"])
        and _adds_up(totals, changed, _source_gap)
        and _adds_up(carried_sums, carried, lambda row: row["difference"])
    )
    read = [row["imported_at"] for kind in ORDER for row in records.found[kind].values()]
    return TieOut(
        adds_up and all(row["explained"] for row in differences),
        from_rows("tie_out.totals", [*totals, *carried_sums]),
        from_rows("tie_out.differences", differences),
        min((at for at in read if at is not None), default=None),
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


def _total(place: Place, given: Sequence[Source], sent: Sequence[Row], there: Sequence[Row]) -> Row:
    left = [source for source in given if not source.queued]
    applied = [row for row in sent if row["status"] == "applied"]
    total: Row = {
        "record_kind": place[0],
        "currency": place[1],
        "source_count": len(given),
        "left_out_count": len(left),
        "sent_count": len(sent),
        "applied_count": len(applied),
        "quickbooks_count": len(there),
    }
    if place[0] in KINDS:
        total |= {
            "source_amount": _sum(source.amount for source in given),
            "left_out_amount": _sum(source.amount for source in left),
            "sent_amount": _sum(row["amount"] for row in sent),
            "applied_amount": _sum(row["amount"] for row in applied),
            "quickbooks_amount": _sum(row["total"] for row in there),
        }
        total["difference"] = total["sent_amount"] - total["quickbooks_amount"]
    return total


def _sum(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), ZERO)


def _source_gap(total: Row) -> Decimal | None:
    if total.get("source_amount") is None:
        return None
    gap: Decimal = total["source_amount"] - total["left_out_amount"] - total["sent_amount"]
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
