"""The tie-out of what was carried: open invoices against BluBilling's, used credits against QuickBooks'."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from toolkit.carried import Carried, tie_carried
from toolkit.carried_ties import tie_credits
from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO
from toolkit.reconcile_records import Row, by_outcome, difference, withdrawn
from toolkit.reconcile_source import CREDITS, ENDED, Source, credit_applied

__all__ = [
    "CARRIED",
    "CREDITS",
    "HELD_CREDITS",
    "applied_of_credits",
    "carried_differences",
    "carried_totals",
    "held_differences",
    "held_totals",
    "set_credits",
]

CARRIED = "carried invoice"
HELD_CREDITS = "carried credit held"
"""The kind of record that BluBilling's own copy of a carried credit is: its uses are another."""


def carried_differences(books: Books) -> Iterator[Row]:
    """Yield carried invoices that BluBilling has not, or otherwise; ``meant`` is what BluBilling has.

    And uses of carried credits of which QuickBooks shows another application than was sent, or none.

    A difference that a person signed is explained, and says who signed it and why.
    """
    yield from _credit_differences(books)
    for one in tie_carried(books):
        if one.ties:
            continue
        yield _difference(CARRIED, one, one.row["amount"] or ZERO)


def _difference(kind: str, one: Carried, found: Decimal | None) -> Row:
    back, signed = one.back, one.signature
    why = "; ".join(one.reasons)
    if signed:
        why += f"; signed by {signed['decided_by']}: {signed['note']}"
    there = {name: back[name] for name in ("account_number", "source")} if back else {}
    meant = back["current_amount_due"] if back else None
    return difference(kind, {**one.row, **there}, meant, found, signed is not None, why)


def held_differences(context: Context) -> Iterator[Row]:
    """Yield carried credits that BluBilling holds otherwise than QuickBooks had them at the cutover.

    One that BluBilling does not hold is no difference: it stays in QuickBooks.
    """
    for one in tie_credits(context):
        if not one.ties:
            yield _difference(HELD_CREDITS, one, one.row["at_cutover"])


def held_totals(context: Context) -> Iterator[Row]:
    """Yield one total a currency of the carried credits that BluBilling holds."""
    groups: dict[str, list[Carried]] = defaultdict(list)
    for one in tie_credits(context):
        if one.back:
            groups[one.row["currency"]].append(one)
    for currency in sorted(groups):
        ties = groups[currency]
        there = [one.row["at_cutover"] for one in ties if one.row["at_cutover"] is not None]
        yield _total(HELD_CREDITS, currency, ties, len(there), sum(there, ZERO))


def carried_totals(books: Books, uses: Sequence[Source] = ()) -> Iterator[Row]:
    """Yield one total a currency: BluBilling's amounts as the source, what was open as QuickBooks' own.

    And one of the carried credits that are used.

    Parameters
    ----------
    books : Books
        As :func:`toolkit.reconcile.tie_out` has them.
    uses : sequence of Source
        Those of carried credits: what became of each.
    """
    yield from _invoice_totals(books)
    yield from _credit_totals(books, uses)


def _invoice_totals(books: Books) -> Iterator[Row]:
    groups: dict[str, list[Carried]] = defaultdict(list)
    for one in tie_carried(books):
        groups[one.row["currency"]].append(one)
    for currency in sorted(groups):
        ties = groups[currency]
        found = sum((one.row["amount"] or ZERO for one in ties), ZERO)
        yield _total(CARRIED, currency, ties, len(ties), found)


def _total(kind: str, currency: str, ties: Sequence[Carried], count: int, found: Decimal) -> Row:
    backs = [one.back for one in ties if one.back]
    meant = sum((back["current_amount_due"] for back in backs), ZERO)
    return {
        "record_kind": kind,
        "currency": currency,
        "source_count": len(backs),
        "source_amount": meant,
        "queued_count": 0,
        "queued_amount": ZERO,
        "quickbooks_count": count,
        "quickbooks_amount": found,
        "difference": meant - found,
    }


# --- carried credits ----------------------------------------------------------------------------------------


def _credit_totals(books: Books, uses: Sequence[Source]) -> Iterator[Row]:
    operations, found = _operations(books), _uses(books)
    currencies = {row["currency"] for row in operations} | {use.row["currency"] for use in uses}
    for currency in sorted(currencies, key=str):
        given = [use for use in uses if use.row["currency"] == currency]
        left = [use for use in given if not use.queued]
        sent = [row for row in operations if row["currency"] == currency]
        there = [use for use in found if use.row["currency"] == currency]
        total = {
            "record_kind": CREDITS,
            "currency": currency,
            "source_count": len(given),
            "source_amount": sum((use.amount or ZERO for use in given), ZERO),
            "left_out_count": len(left),
            "left_out_amount": sum((use.amount or ZERO for use in left), ZERO),
            **by_outcome(sent, credit_applied),
            "quickbooks_count": sum(bool(use.found) for use in there),
            "quickbooks_amount": sum((use.found for use in there), ZERO),
        }
        yield total | {"difference": total["queued_amount"] - total["quickbooks_amount"]}


@dataclass(frozen=True, slots=True)
class _Use:
    """What was applied of one carried credit to one invoice: the operation, what was meant, what is there."""

    row: Row
    meant: Decimal
    found: Decimal
    is_read: bool


def _credit_differences(books: Books) -> Iterator[Row]:
    """Yield applications of carried credits that QuickBooks shows otherwise, or that were not read since.

    The answer to the payment that makes one says nothing of the credit. And those that had no effect: the
    payment of nothing itself, which is told apart, has no money.
    """
    for row in _operations(books):
        if row["status"] != "applied":
            why = f"{row['status']}: nothing of the credit was applied"
            yield difference(CREDITS, row, credit_applied(row), None, row["status"] in ENDED, why)
    for use in _uses(books):
        if use.found != use.meant:
            why = (
                f"QuickBooks shows {use.found:,.2f} of the credit there, {use.meant:,.2f} were applied"
                if use.is_read
                else "applied; the credit was not read since: toolkit import receivables"
            )
            yield difference(CREDITS, use.row, use.meant, use.found, not use.is_read, why)


def _operations(books: Books) -> list[Row]:
    """Return the operations that apply carried credits, but those that were cancelled before they left."""
    operations = books.rows("ledger.operations")
    back = withdrawn(operations)
    uses = (row for row in operations if row["key"] not in back)
    return [row for row in uses if '"SetCredit"' in (row["fields"] or "")]


def _uses(books: Books) -> list[_Use]:
    """Return what was applied of carried credits, by credit and invoice, with what QuickBooks shows of it."""
    sent: dict[tuple[str, str], list[tuple[Row, Decimal]]] = defaultdict(list)
    for row in _operations(books):
        if row["status"] == "applied":
            for invoice, credit, amount in set_credits(books, row):
                sent[credit, invoice].append((row, amount))
    if not sent:
        return []
    shown, read = applied_of_credits(books), _read(books)
    uses = []
    for (credit, invoice), pairs in sent.items():
        row = pairs[-1][0]
        bound_at = [books.crosswalk.get(("payment", _number(each)), {}).get("bound_at") for each, _ in pairs]
        at = read.get(credit)
        is_read = at is not None and all(when is None or when < at for when in bound_at)
        meant = sum((amount for _, amount in pairs), ZERO)
        # QuickBooks may have applied some of it there itself, before it was carried.
        uses.append(_Use(row, meant, min(meant, shown.get((credit, invoice), ZERO)), is_read))
    return uses


def set_credits(books: Books, row: Row) -> Iterator[tuple[str, str, Decimal]]:
    """Yield what an operation applies of carried credits: TxnIDs of invoice and credit, and the amount."""
    for line in json.loads(row["fields"])["AppliedToTxnAdd"]:
        invoice = line["TxnID"]
        if isinstance(invoice, dict):
            kind, _, number = invoice["operation"].partition(":")
            invoice = books.crosswalk.get((kind, number), {}).get("quickbooks_id") or invoice["operation"]
        for credit in line.get("SetCredit", []):
            yield invoice, credit["CreditTxnID"], Decimal(credit["AppliedAmount"])


def _number(row: Row) -> str:
    return str(row["key"]).removeprefix("payment:")


def applied_of_credits(books: Books) -> dict[tuple[str, str], Decimal]:
    """Return what QuickBooks shows as applied: credit and invoice to amount."""
    shown: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for row in books.rows("quickbooks.linked_transactions"):
        if row["owner_table"] == "quickbooks.credit_memos":
            shown[row["owner_txn_id"], row["txn_id"]] += abs(row["amount"] or ZERO)
    for row in books.rows("quickbooks.payment_applications"):
        shown[row["payment_txn_id"], row["txn_id"]] += row["amount"] or ZERO
    return shown


def _read(books: Books) -> dict[str, dt.datetime]:
    """Return when each credit was read."""
    return {
        row["txn_id"]: row["imported_at"]
        for name in ("quickbooks.credit_memos", "quickbooks.payments")
        for row in books.rows(name, "txn_id", "imported_at")
        if row["imported_at"]
    }
