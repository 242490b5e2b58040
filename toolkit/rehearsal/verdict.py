"""Whether a company and a ledger tell the same story: row by row, and in total."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.ledger import Operation
from toolkit.rehearsal.company import Company
from toolkit.tables import to_rows

_MARKER = re.compile(r"\[bb:(.*)\]$")
_DOCUMENTS = {
    "quickbooks.invoices": ("subtotal", "sales_tax_total"),
    "quickbooks.credit_memos": ("total_amount",),
    "quickbooks.payments": ("total_amount",),
}
_MEANT = {
    "invoice": ("subtotal", "tax"),
    "credit_memo": ("total",),
    "payment": ("total_amount",),
}
_NAMES = {"customer": "quickbooks.customers", "item": "quickbooks.items"}
_WAITING = ("pending", "sent")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison of company and ledger found.

    Attributes
    ----------
    differences
        Each in one sentence; none where all is well.
    statuses
        How many operations ended in which state.
    """

    differences: tuple[str, ...]
    statuses: Mapping[str, int]

    @property
    def good(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(
    operations: Sequence[Operation],
    company: Company,
    tables: Mapping[str, pd.DataFrame] | None = None,
    others: Collection[str] = (),
) -> Verdict:
    """Compare the ledger's operations with what a company holds.

    Parameters
    ----------
    operations
        One per key. Applied means that its record is there exactly once and has the id that the ledger
        knows; rejected and skipped, that it is not there and a reason is; unknown, that it is there at most
        once. Nothing waits.
    company
        The simulated company.
    tables
        Declared ``quickbooks.*`` tables of the workspace, which must have every applied document.
    others
        Keys of operations that are not judged, and whose documents may be there.
    """
    held = _held(company)
    landed = {} if tables is None else tables
    found = [text for one in operations for text in _judge(one, held.get(one.key, []))]
    known = {one.key for one in operations} | set(others)
    found += [f"{key}: it is in the company, and nobody meant it" for key in held if key not in known]
    found += _lists(operations, company)
    found += _landing(operations, landed)
    found += _totals(operations, held)
    return Verdict(tuple(found), Counter(one.status for one in operations))


def _held(company: Company) -> dict[str, list[dict[str, Any]]]:
    """Return the documents with a marker of ours, by key."""
    held: dict[str, list[dict[str, Any]]] = {}
    now = company.tables(*_DOCUMENTS)
    for name, amounts in _DOCUMENTS.items():
        for row in to_rows(now[name]):
            marked = _MARKER.search(str(row.get("memo") or ""))
            if marked:
                total = sum((row[amount] or Decimal(0) for amount in amounts), Decimal(0))
                held.setdefault(marked[1], []).append({**row, "total": total})
    return held


def _judge(one: Operation, there: list[dict[str, Any]]) -> Iterator[str]:
    if one.status in _WAITING:
        yield f"{one.key}: it is still {one.status}"
    if one.status in ("rejected", "skipped", "unknown") and not (one.status_message or one.status_code):
        yield f"{one.key}: it is {one.status}, and nothing says why"
    if one.record_kind not in _MEANT:
        return
    if len(there) > 1:
        yield f"{one.key}: it is in the company {len(there)} times"
    elif one.status == "applied" and not there:
        yield f"{one.key}: the ledger says applied, and it is not in the company"
    elif one.status == "applied" and there[0]["txn_id"] != one.txn_id:
        yield f"{one.key}: the ledger knows {one.txn_id}, the company {there[0]['txn_id']}"
    elif one.status not in ("applied", "unknown") and there:
        yield f"{one.key}: the ledger says {one.status}, and it is in the company"


def _lists(operations: Sequence[Operation], company: Company) -> Iterator[str]:
    """Compare what was to be added to lists; a list has no marker, but names each record once."""
    now = company.tables(*_NAMES.values())
    for kind, table in _NAMES.items():
        ids = {row["list_id"] for row in to_rows(now[table])}
        names = Counter(row["full_name"] for row in to_rows(now[table]))
        for one in operations:
            if one.record_kind != kind or one.status != "applied" or not one.request.endswith("Add"):
                continue
            name = one.expected.get("full_name") or one.fields.get("Name")
            if one.list_id not in ids:
                yield f"{one.key}: the ledger says applied, and {one.list_id} is not in the company"
            elif names[name] != 1:
                yield f"{one.key}: {name} is in the company {names[name]} times"


def _landing(operations: Sequence[Operation], tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    kinds = {"invoice": "invoices", "credit_memo": "credit_memos", "payment": "payments"}
    for kind, name in kinds.items():
        if f"quickbooks.{name}" not in tables:
            continue
        landed = set(tables[f"quickbooks.{name}"]["txn_id"])
        for one in operations:
            if one.record_kind == kind and one.status == "applied" and one.txn_id not in landed:
                yield f"{one.key}: {one.txn_id} is not in the table quickbooks.{name}"


def _totals(operations: Sequence[Operation], held: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Compare totals by kind and currency: what was meant by what is applied, and what the company holds."""
    meant: dict[tuple[str, str], Decimal] = {}
    there: dict[tuple[str, str], Decimal] = {}
    for one in operations:
        if one.status != "applied" or one.record_kind not in _MEANT:
            continue
        place = (one.record_kind, one.currency or "USD")
        amounts = [Decimal(str(one.expected.get(name) or 0)) for name in _MEANT[one.record_kind]]
        meant[place] = meant.get(place, Decimal(0)) + sum(amounts, Decimal(0))
        found = sum((row["total"] for row in held.get(one.key, [])), Decimal(0))
        there[place] = there.get(place, Decimal(0)) + found
    for (kind, currency), total in meant.items():
        if there[kind, currency] != total:
            yield f"{kind}s in {currency}: meant {total}, the company holds {there[kind, currency]}"
