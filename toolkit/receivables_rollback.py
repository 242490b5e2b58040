"""What was open on one document at the cutover date: today's balance, rolled back by what came later.

QuickBooks knows an application by its two documents only. It counts from the later of their dates, so what
was applied by (or to) a document dated after the cutover is given back to what was open at the cutover; and
so is what was sent of a carried credit, though both its documents are older.

Signs: a link's amount comes back negative, like ``AppliedAmount`` (``BalanceRemaining`` = subtotal + tax +
``AppliedAmount``), and every settling link lowers what is open on its owner; so magnitudes are taken, and the
links of a document must add up to what its totals say is applied. Source: qbXML 13.0 schema, ``InvoiceRet``,
``CreditMemoRet``, ``ReceivePaymentRet``; PROTOCOL 8.4.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from toolkit.checks_books import Books
from toolkit.tables import to_rows

__all__ = ["KINDS", "STILL_OPEN", "RollBack", "document_total"]

ZERO = Decimal("0.00")
Row = Mapping[str, Any]

KINDS = {
    "invoice": "quickbooks.invoices",
    "credit_memo": "quickbooks.credit_memos",
    "payment": "quickbooks.payments",
}
STILL_OPEN = {"invoice": "balance_remaining", "credit_memo": "credit_remaining", "payment": "unused_payment"}

# What settles a document. Other links (estimates, sales orders, costs passed on to the customer) do not.
SETTLING = {
    "quickbooks.invoices": frozenset({"ReceivePayment", "CreditMemo", "JournalEntry", "Deposit"}),
    "quickbooks.credit_memos": frozenset(
        {"Invoice", "Charge", "Check", "ARRefundCreditCard", "JournalEntry", "ReceivePayment"}
    ),
}


@dataclass(frozen=True, slots=True)
class _Settled:
    """What one document took off another: the other's TxnID, its date where known, the amount."""

    txn_id: str
    date: dt.date | None
    amount: Decimal


@dataclass(slots=True)
class Standing:
    """A document at the cutover: what was open, and what is doubtful about it."""

    open_amount: Decimal
    doubt: str | None = None


def document_total(kind: str, row: Row) -> Decimal:
    """Return the total of an invoice, credit memo or payment."""
    if kind != "invoice":
        return row["total_amount"] or ZERO
    total: Decimal = (row["subtotal"] or ZERO) + (row["sales_tax_total"] or ZERO)
    return total


class RollBack:
    """Documents as they stood at the end of the cutover date.

    Parameters
    ----------
    books : Books
        ``quickbooks.*`` and ``ledger.operations``.
    cutover : datetime.date
    """

    def __init__(self, books: Books, cutover: dt.date) -> None:
        self.books, self.cutover = books, cutover

    @cached_property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The documents that QuickBooks still has, by kind."""
        return {kind: self.books.rows(name) for kind, name in KINDS.items()}

    def roll_back(self, kind: str, row: Row, today: Decimal) -> Standing:
        """Return what was open on a document at the cutover, and whether all applied to it is known."""
        settled = self._settled(kind, row)
        applied = document_total(kind, row) - today
        known = sum((each.amount for each in settled), ZERO)
        if kind == "invoice" and known != applied:
            # Some answers count a discount into the payment's link, some do not.
            settled = [self._with_discount(each, row["txn_id"]) for each in settled]
            known = sum((each.amount for each in settled), ZERO)
        later = [each for each in settled if each.date is not None and each.date > self.cutover]
        standing = Standing(today + sum((each.amount for each in later), ZERO))
        undated = [each.txn_id for each in settled if each.date is None]
        if undated:
            standing.doubt = f"{undated[0]} was applied to it at an unknown date: import receivables again"
        elif known != applied:
            standing.doubt = (
                f"{applied:,.2f} are applied to it, its links tell of {known:,.2f}: what was open at the "
                "cutover cannot be proved; import receivables again, with linked transactions"
            )
        return standing

    def invoice_open(self, row: Row) -> tuple[Decimal | None, str | None]:
        """Return what was open on an invoice at the cutover, by what is imported now.

        ``None`` and the reason where that cannot be told, or where it does not count any more; a doubt
        beside an amount.
        """
        if row["txn_date"] is None or row["balance_remaining"] is None:
            return None, "its date or balance is not known: toolkit import receivables"
        if row["txn_date"] > self.cutover:
            return None, f"QuickBooks has it dated {row['txn_date']} now, after the cutover date"
        if row["is_pending"]:
            return None, "it is pending in QuickBooks now, and does not post"
        if row["left_at"] is not None:
            return self._left_open(row)
        standing = self.roll_back("invoice", row, row["balance_remaining"])
        return standing.open_amount, standing.doubt

    def _left_open(self, row: Row) -> tuple[Decimal | None, str | None]:
        """Return what was open on an invoice that the imports no longer return.

        It is as it was read, and what was applied to it since is known by the payments and credits.
        """
        deleted = {each["txn_id"] for each in self.books.rows("quickbooks.deleted_transactions", "txn_id")}
        if row["txn_id"] in deleted or self.read_whole_since(row):
            return None, "it was deleted in QuickBooks"
        total = document_total("invoice", row)
        read: dict[str, list[_Settled]] = defaultdict(list)
        for each in self._settled("invoice", row):
            read[each.txn_id].append(each)
        for other, links in self._payers.get(row["txn_id"], {}).items():
            amount = sum((abs(each["amount"] or ZERO) for each in links), ZERO)
            discount = sum((each.get("discount_amount") or ZERO for each in links), ZERO)
            if sum((each.amount for each in read[other]), ZERO) not in (amount, amount + discount):
                date = self._dates.get(other)
                read[other] = self._dated(row["txn_id"], [_Settled(other, date, amount + discount)])
        settled = [each for parts in read.values() for each in parts]
        if sum((each.amount for each in settled), ZERO) < total:
            again = f"toolkit import invoices --start {row['txn_date']:%Y}-01-01 --end {self.cutover}"
            return None, f"QuickBooks lists it as open no more, and nothing known paid it: {again}"
        before = (each.amount for each in settled if each.date is None or each.date <= self.cutover)
        return total - sum(before, ZERO), None

    def pays(self, kind: str, row: Row) -> list[dict[str, Any]]:
        """Return the links from a payment or credit memo to invoices."""
        if kind == "payment":
            links = self._applications.get(row["txn_id"], [])
        else:
            links = self._links.get((KINDS["credit_memo"], row["txn_id"]), []) if kind != "invoice" else []
        return [link for link in links if link["txn_type"] in (None, "Invoice")]

    @cached_property
    def _payers(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        payers: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for kind in ("payment", "credit_memo"):
            for row in self.rows[kind]:
                for link in self.pays(kind, row):
                    payers[link["txn_id"]][row["txn_id"]].append(link)
        return payers

    def _settled(self, kind: str, row: Row) -> list[_Settled]:
        if kind == "payment":
            return self._dated(
                row["txn_id"],
                [
                    _Settled(each["txn_id"], self.date_of(each), each["amount"] or ZERO)
                    for each in self._applications.get(row["txn_id"], [])
                ],
            )
        name = KINDS[kind]
        return self._dated(
            row["txn_id"],
            [
                _Settled(each["txn_id"], self.date_of(each), abs(each["amount"] or ZERO))
                for each in self._links.get((name, row["txn_id"]), [])
                if each["txn_type"] in SETTLING[name]
            ],
        )

    def _dated(self, txn_id: str, settled: list[_Settled]) -> list[_Settled]:
        """Return the same, what we applied of a carried credit as applied later.

        Both documents are older than the cutover, so that QuickBooks' dates do not tell.
        """
        dated = []
        for each in settled:
            ours = min(self._credits_used.get(frozenset((txn_id, each.txn_id)), ZERO), each.amount)
            if ours and (each.date is None or each.date <= self.cutover):
                dated.append(_Settled(each.txn_id, dt.date.max, ours))
                each = _Settled(each.txn_id, each.date, each.amount - ours)
            dated += [each] if each.amount or not ours else []
        return dated

    @cached_property
    def _credits_used(self) -> dict[frozenset[str], Decimal]:
        """What was sent and applied of QuickBooks' own credits: credit and invoice to amount."""
        used: dict[frozenset[str], Decimal] = defaultdict(lambda: ZERO)
        for row in self.books.rows("ledger.operations", "status", "fields"):
            if row["status"] != "applied" or '"SetCredit"' not in (row["fields"] or ""):
                continue
            for line in json.loads(row["fields"]).get("AppliedToTxnAdd", []):
                for credit in line.get("SetCredit", []) if isinstance(line["TxnID"], str) else []:
                    pair = frozenset((line["TxnID"], credit["CreditTxnID"]))
                    used[pair] += Decimal(credit["AppliedAmount"])
        return used

    def _with_discount(self, settled: _Settled, invoice: str) -> _Settled:
        given = [
            each["discount_amount"] or ZERO
            for each in self._applications.get(settled.txn_id, [])
            if each["txn_id"] == invoice
        ]
        return _Settled(settled.txn_id, settled.date, settled.amount + sum(given, ZERO))

    def date_of(self, link: Row) -> dt.date | None:
        """Return the date of the document that a link names, where it is known."""
        return link["txn_date"] or self._dates.get(link["txn_id"])

    @cached_property
    def _dates(self) -> dict[str, dt.date]:
        frames = [self.books.frame(name)[["txn_id", "txn_date"]] for name in KINDS.values()]
        return {row["txn_id"]: row["txn_date"] for frame in frames for row in to_rows(frame)}

    @cached_property
    def _links(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        links: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in self.books.rows("quickbooks.linked_transactions"):
            links[row["owner_table"], row["owner_txn_id"]].append(row)
        return links

    @cached_property
    def _applications(self) -> dict[str, list[dict[str, Any]]]:
        applications: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.books.rows("quickbooks.payment_applications"):
            applications[row["payment_txn_id"]].append(row)
        return applications

    def read_whole_since(self, row: Row) -> bool:
        """Return whether an import of invoices, the paid ones too, covered its date since it was missed."""
        return any(
            finished >= row["left_at"] and first <= row["txn_date"] <= last
            for finished, first, last in self._whole_imports
        )

    @cached_property
    def _whole_imports(self) -> list[tuple[dt.datetime, dt.date, dt.date]]:
        """When imports that returned paid invoices finished, and the first and last date they returned."""
        finished = {
            row["id"]: row["finished_at"]
            for row in self.books.rows("ledger.jobs")
            if row["kind"] == "import:invoices" and row["status"] == "complete" and row["finished_at"]
        }
        dates: dict[int, list[dt.date]] = defaultdict(list)
        whole: set[int] = set()
        for row in self.rows["invoice"]:
            if row["import_job"] in finished and row["txn_date"]:
                dates[row["import_job"]].append(row["txn_date"])
                whole |= {row["import_job"]} if row["is_paid"] else set()
        return [(finished[job], min(dates[job]), max(dates[job])) for job in whole]
