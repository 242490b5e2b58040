"""The tie-out: what was meant, what the ledger says was applied, and what QuickBooks holds, to the cent.

Three witnesses are compared: the source (BluBilling's rows of the exported range, planned once more), the
ledger's operations, and the ``quickbooks.*`` tables as they were read back. What does not tie is listed
once, with the reason where the ledger or the plan knows it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import transform
from toolkit.settings import Settings
from toolkit.tables import from_rows, to_rows

ZERO = Decimal("0.00")
Row = dict[str, Any]
Tables = Mapping[str, pd.DataFrame]

DOCUMENTS = {
    "invoice": "quickbooks.invoices",
    "credit_memo": "quickbooks.credit_memos",
    "payment": "quickbooks.payments",
}
SOURCE_KINDS = {
    "billing.invoices": "invoice",
    "billing.payments": "payment",
    "billing.adjustments": "credit_memo",
}
MARKER = re.compile(r" \[bb:(?P<key>[^\]]+)\]$")

# Left out by design and tied elsewhere: a carried document is the row "carried invoice" of the totals.
NOT_A_DIFFERENCE = frozenset({"origin"})


@dataclass(frozen=True, slots=True)
class TieOut:
    """A tie-out.

    Parameters
    ----------
    ties : bool
        Whether every difference has its reason.
    totals : pandas.DataFrame
        ``tie_out.totals``, one row a kind of record and currency.
    differences : pandas.DataFrame
        ``tie_out.differences``, one row a record that does not tie.
    read_at : datetime.datetime or None
        When the newest of the QuickBooks records compared was read; ``None`` where none was.
    """

    ties: bool
    totals: pd.DataFrame
    differences: pd.DataFrame
    read_at: dt.datetime | None


def tie_out(tables: Tables, settings: Settings) -> TieOut:
    """Return the tie-out of everything that was queued for export.

    Parameters
    ----------
    tables : mapping
        Declared names to frames: ``quickbooks.*``, ``billing.*``, ``mapping.*``, ``ledger.operations`` and
        ``ledger.crosswalk``.
    settings : Settings
        As the export took them.
    """
    operations = to_rows(tables["ledger.operations"])
    held = _held(tables)
    plan = _source_plan(tables, settings, operations)
    differences = [
        *_operation_differences(operations, held),
        *_foreign_documents(operations, held),
        *_left_out_differences(plan, operations),
    ]
    totals = [*_totals(operations, held, plan), *_carried_totals(tables)]
    listed = from_rows("tie_out.differences", differences)
    ties = all(row["explained"] for row in differences) and all(
        row["difference"] == _explained(differences, row) for row in totals
    )
    read = [row["imported_at"] for records in held.values() for row in records.values() if row["imported_at"]]
    return TieOut(ties, from_rows("tie_out.totals", totals), listed, max(read) if read else None)


def _held(tables: Tables) -> dict[str, dict[str, Row]]:
    """Return what QuickBooks holds: kind to ListID or TxnID to row, with its total."""
    held: dict[str, dict[str, Row]] = {}
    for kind, name in DOCUMENTS.items():
        held[kind] = {}
        for row in to_rows(tables[name]):
            if row["left_at"] is None:
                total = row["total_amount"] if kind != "invoice" else _invoice_total(row)
                held[kind][row["txn_id"]] = row | {"total": total or ZERO}
    for kind, name in (("customer", "quickbooks.customers"), ("item", "quickbooks.items")):
        held[kind] = {row["list_id"]: row for row in to_rows(tables[name]) if row["left_at"] is None}
    return held


def _invoice_total(row: Row) -> Decimal:
    total: Decimal = (row["subtotal"] or ZERO) + (row["sales_tax_total"] or ZERO)
    return total


def _source_plan(tables: Tables, settings: Settings, operations: list[Row]) -> transform.Plan | None:
    """Plan the exported range once more, so that rows that were never queued are told with their reason."""
    dates = [row["txn_date"] for row in operations if row["txn_date"]]
    if not dates or settings.cutover_date is None:
        return None
    kinds = {row["record_kind"] for row in operations}
    first = max(min(dates).replace(day=1), settings.cutover_date + dt.timedelta(days=1))
    return transform.plan_export(
        tables,
        settings,
        start=first,
        end=_end_of_month(max(dates)),
        invoices="invoice" in kinds or "credit_memo" in kinds,
        payments="payment" in kinds,
        credits=any(row["source_table"] == "billing.adjustments" for row in operations),
    )


def _end_of_month(day: dt.date) -> dt.date:
    following = day.replace(day=28) + dt.timedelta(days=4)
    return following - dt.timedelta(days=following.day)


def _difference(
    kind: str, row: Row, meant: Decimal | None, found: Decimal | None, explained: bool, why: str
) -> Row:
    return {
        "record_kind": kind,
        "key": row.get("key") or row.get("source_key"),
        "account_number": row.get("account_number"),
        "ref_number": row.get("ref_number"),
        "txn_date": row.get("txn_date"),
        "currency": row.get("currency"),
        "meant": meant,
        "in_quickbooks": found,
        "difference": None if meant is None and found is None else (meant or ZERO) - (found or ZERO),
        "explained": explained,
        "reason": why,
        "source": row.get("source"),
    }


_NOT_APPLIED = {
    "rejected": (True, "rejected by QuickBooks"),
    "skipped": (True, "skipped"),
    "pending": (False, "not sent yet"),
    "sent": (False, "sent, and no answer came yet"),
    "unknown": (False, "outcome unknown"),
}


def _operation_differences(operations: list[Row], held: Mapping[str, Mapping[str, Row]]) -> Iterator[Row]:
    for row in operations:
        kind, status = row["record_kind"], row["status"]
        if status == "undone":
            continue
        if status != "applied":
            explained, what = _NOT_APPLIED[status]
            said = f": {row['status_message']}" if row["status_message"] else ""
            yield _difference(kind, row, row["amount"], None, explained, what + said)
            continue
        found = held[kind].get(row["txn_id"] or row["list_id"])
        if found is None:
            yield _difference(kind, row, row["amount"], None, False, "applied here, absent in QuickBooks")
        elif kind in DOCUMENTS and found["total"] != row["amount"]:
            yield _difference(kind, row, row["amount"], found["total"], False, "the amounts differ")


def _foreign_documents(operations: list[Row], held: Mapping[str, Mapping[str, Row]]) -> Iterator[Row]:
    """Yield documents in QuickBooks that carry our marker and that the ledger did not apply under that id."""
    ours = {row["txn_id"] for row in operations if row["status"] == "applied"}
    for kind in DOCUMENTS:
        for txn_id, row in held[kind].items():
            marked = MARKER.search(row["memo"] or "")
            if marked and txn_id not in ours:
                known = row | {"key": marked["key"], "currency": row["currency_full_name"]}
                why = f"TxnID {txn_id} carries our marker, but the ledger did not apply it: a second one?"
                yield _difference(kind, known, None, row["total"], False, why)


def _left_out_differences(plan: transform.Plan | None, operations: list[Row]) -> Iterator[Row]:
    if plan is None:
        return
    queued = {(row["source_table"], row["source_key"]) for row in operations}
    for row in to_rows(plan.left_out):
        if row["rule"] in NOT_A_DIFFERENCE or (row["source_table"], row["source_key"]) in queued:
            continue
        kind = SOURCE_KINDS.get(row["source_table"], row["source_table"])
        yield _difference(kind, row, row["amount"], None, True, f"left out: {row['reason']}")


def _totals(
    operations: list[Row], held: Mapping[str, Mapping[str, Row]], plan: transform.Plan | None
) -> Iterator[Row]:
    sent: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in operations:
        if row["status"] != "undone":
            sent[row["record_kind"], row["currency"]].append(row)
    left_out: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in to_rows(plan.left_out) if plan is not None else []:
        kind: str = row["source_table"]
        left_out[SOURCE_KINDS.get(kind, kind), row["currency"]].append(row)
    for kind, currency in sorted(sent, key=lambda pair: (list(held).index(pair[0]), pair[1] or "")):
        rows, out = sent[kind, currency], left_out[kind, currency]
        applied = [row for row in rows if row["status"] == "applied"]
        there = [held[kind][i] for i in ((r["txn_id"] or r["list_id"]) for r in applied) if i in held[kind]]
        document = kind in DOCUMENTS
        meant = _sum(row["amount"] for row in rows) if document else None
        found = _sum(row["total"] for row in there) if document else None
        yield {
            "record_kind": kind,
            "currency": currency,
            "source_count": len(rows) + len(out),
            "source_amount": meant + _sum(row["amount"] for row in out) if meant is not None else None,
            "left_out_count": len(out),
            "left_out_amount": _sum(row["amount"] for row in out) if document else None,
            "sent_count": len(rows),
            "sent_amount": meant,
            "applied_count": len(applied),
            "applied_amount": _sum(row["amount"] for row in applied) if document else None,
            "quickbooks_count": len(there),
            "quickbooks_amount": found,
            "difference": meant - found if meant is not None and found is not None else None,
        }


def _carried_totals(tables: Tables) -> Iterator[Row]:
    """Yield the carried invoices: what was open when they were carried, and what BluBilling has of them."""
    carried = {
        row["key"]: row
        for row in to_rows(tables["ledger.crosswalk"])
        if row["origin"] == "quickbooks" and row["record_kind"] == "invoice"
    }
    returned = [row for row in to_rows(tables["billing.invoices"]) if row["invoice_number"] in carried]
    if not returned:
        return
    meant, found = (
        _sum(row["amount"] for row in carried.values()),
        _sum(row["current_amount_due"] for row in returned),
    )
    yield {
        "record_kind": "carried invoice",
        "currency": returned[0]["currency"],
        "source_count": len(returned),
        "source_amount": found,
        "sent_count": 0,
        "sent_amount": ZERO,
        "quickbooks_count": len(carried),
        "quickbooks_amount": meant,
        "difference": found - meant,
    }


def _sum(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), ZERO)


def _explained(differences: list[Row], total: Row) -> Decimal | None:
    """Return the part of a total's difference that the list of differences explains."""
    if total["difference"] is None:
        return None
    return _sum(
        row["difference"]
        for row in differences
        if row["record_kind"] == total["record_kind"]
        and row["currency"] == total["currency"]
        and not row["reason"].startswith("left out")
    )
