"""What customers owed at the cutover date, from QuickBooks' documents: today's balances, rolled back.

QuickBooks knows an application by its two documents only. It counts from the later of their dates, so what
was applied by (or to) a document dated after the cutover is given back to what was open at the cutover.

Signs: a link's amount comes back negative, like ``AppliedAmount`` (``BalanceRemaining`` = subtotal + tax +
``AppliedAmount``), and every settling link lowers what is open on its owner; so magnitudes are taken, and the
links of a document must add up to what its totals say is applied. Source: qbXML 13.0 schema, ``InvoiceRet``,
``CreditMemoRet``, ``ReceivePaymentRet``; PROTOCOL 8.4.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from toolkit.checks_books import Books
from toolkit.tables import finding, to_rows

__all__ = ["KINDS", "Receivables", "currency_code", "document_total", "prove_balances"]

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
class _Standing:
    """A document at the cutover: what was open, and what was applied to it later."""

    open_amount: Decimal
    later: list[_Settled] = field(default_factory=list)
    doubt: str | None = None


def document_total(kind: str, row: Row) -> Decimal:
    """Return the total of an invoice, credit memo or payment."""
    if kind != "invoice":
        return row["total_amount"] or ZERO
    total: Decimal = (row["subtotal"] or ZERO) + (row["sales_tax_total"] or ZERO)
    return total


def currency_code(books: Books, row: Row) -> str:
    """Return the code of a document's currency; QuickBooks' own name of it where it has no code."""
    name = row["currency_full_name"]
    if not name or name == books.company.get("home_currency_full_name"):
        return books.home_currency
    return books.currency_codes.get(name) or name


class Receivables:
    """The open documents at the cutover date, and what is doubtful about them.

    Parameters
    ----------
    books : Books
        ``quickbooks.*`` and ``ledger.crosswalk``. Documents that we sent are BluBilling's: never carried.
    cutover : datetime.date
        Documents dated on or before it count, with what was open on them at its end.
    """

    def __init__(self, books: Books, cutover: dt.date) -> None:
        self.books, self.cutover = books, cutover
        self.findings: list[dict[str, str | None]] = []
        self.documents: list[dict[str, Any]] = []
        self._later: dict[tuple[str, str], list[_Settled]] = {}
        for kind in KINDS:
            for row in self.rows[kind]:
                self._judge(kind, row)
        self.findings += self._settled_unread()
        self.findings += self._left_unread()

    @cached_property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The documents that QuickBooks still has, by kind."""
        return {kind: self.books.rows(name) for kind, name in KINDS.items()}

    @cached_property
    def ours(self) -> set[str]:
        """TxnIDs of what was sent by us."""
        bound = self.books.rows("ledger.crosswalk")
        return {row["quickbooks_id"] for row in bound if row["origin"] != "quickbooks"}

    # --- one document ---------------------------------------------------------------------------------------

    def _judge(self, kind: str, row: Row) -> None:
        if row["txn_id"] in self.ours or (row["txn_date"] and row["txn_date"] > self.cutover):
            if row["txn_id"] not in self.ours:
                self.findings.append(self._after_cutover(kind, row))
            return
        if row.get("is_pending"):
            self._find("info", "pending", "a pending document does not post, so it is not carried", kind, row)
            return
        today = row[STILL_OPEN[kind]]
        missing = "txn_date" if row["txn_date"] is None else STILL_OPEN[kind] if today is None else None
        if missing:
            message = f"it has no {missing}, so what was open cannot be told: import receivables again"
            self._find("error", "open_unknown", message, kind, row, missing)
            return
        standing = self._roll_back(kind, row, today)
        total = document_total(kind, row)
        if standing.doubt:
            severity = "error" if kind == "invoice" else "warning"
            self._find(severity, "applied_unproved", standing.doubt, kind, row, STILL_OPEN[kind])
        elif not ZERO <= standing.open_amount <= total:
            message = f"{standing.open_amount:,.2f} of {total:,.2f} were open: import receivables again"
            self._find("error", "open_amount", message, kind, row, STILL_OPEN[kind])
        self._later[kind, row["txn_id"]] = standing.later
        if standing.open_amount:
            kept = {"record_kind": kind, "amount": total, "open_amount": standing.open_amount}
            self.documents.append({**row, **kept, "currency": currency_code(self.books, row)})

    def _roll_back(self, kind: str, row: Row, today: Decimal) -> _Standing:
        """Return what was open on a document, and whether what was applied to it is known in full."""
        settled = self._settled(kind, row)
        applied = document_total(kind, row) - today
        known = sum((each.amount for each in settled), ZERO)
        if kind == "invoice" and known != applied:
            # Some answers count a discount into the payment's link, some do not.
            settled = [self._with_discount(each, row["txn_id"]) for each in settled]
            known = sum((each.amount for each in settled), ZERO)
        later = [each for each in settled if each.date is not None and each.date > self.cutover]
        standing = _Standing(today + sum((each.amount for each in later), ZERO), later)
        undated = [each.txn_id for each in settled if each.date is None]
        if undated:
            standing.doubt = f"{undated[0]} was applied to it at an unknown date: import receivables again"
        elif known != applied:
            standing.doubt = (
                f"{applied:,.2f} are applied to it, its links tell of {known:,.2f}: what was open at the "
                "cutover cannot be proved; import receivables again, with linked transactions"
            )
        return standing

    def _settled(self, kind: str, row: Row) -> list[_Settled]:
        if kind == "payment":
            return [
                _Settled(each["txn_id"], self._date(each), each["amount"] or ZERO)
                for each in self._applications.get(row["txn_id"], [])
            ]
        name = KINDS[kind]
        return [
            _Settled(each["txn_id"], self._date(each), abs(each["amount"] or ZERO))
            for each in self._links.get((name, row["txn_id"]), [])
            if each["txn_type"] in SETTLING[name]
        ]

    def _with_discount(self, settled: _Settled, invoice: str) -> _Settled:
        given = [
            each["discount_amount"] or ZERO
            for each in self._applications.get(settled.txn_id, [])
            if each["txn_id"] == invoice
        ]
        return _Settled(settled.txn_id, settled.date, settled.amount + sum(given, ZERO))

    def _date(self, link: Row) -> dt.date | None:
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

    # --- what came later ------------------------------------------------------------------------------------

    def _pays(self, kind: str, row: Row) -> list[dict[str, Any]]:
        """Return the links from a payment or credit memo to invoices."""
        if kind == "payment":
            links = self._applications.get(row["txn_id"], [])
        else:
            links = self._links.get((KINDS["credit_memo"], row["txn_id"]), []) if kind != "invoice" else []
        return [link for link in links if link["txn_type"] in (None, "Invoice")]

    def _after_cutover(self, kind: str, row: Row) -> dict[str, str | None]:
        message = (
            f"dated after the cutover date {self.cutover}, so it is not carried: it belongs in BluBilling"
        )
        paid = [
            link["ref_number"] or link["txn_id"]
            for link in self._pays(kind, row)
            if (date := self._date(link)) is not None and date <= self.cutover
        ]
        rule = "cutover_side"
        if paid:
            rule = "paid_after_cutover"
            message = (
                f"dated after the cutover date {self.cutover}, and applied to {', '.join(paid)}, which were "
                "still open then and are carried so: enter it in BluBilling by hand, and never export it"
            )
        return self._on("warning", rule, message, kind, row, "txn_date")

    def _settled_unread(self) -> Iterator[dict[str, str | None]]:
        """Yield invoices that were open at the cutover, are paid since, and so were not imported.

        An import of open invoices does not return them; without them the carry-forward would lack them.
        """
        known = {row["txn_id"] for row in self.rows["invoice"]}
        for kind in ("payment", "credit_memo"):
            for row in self.rows[kind]:
                if row["txn_date"] is None or row["txn_date"] <= self.cutover:
                    continue
                for link in self._pays(kind, row):
                    date = self._date(link)
                    if link["txn_id"] in known or (date is not None and date > self.cutover):
                        continue
                    number = link["ref_number"] or "without a number"
                    yield finding(
                        "error",
                        "paid_since",
                        f"invoice {number} of {date or 'an unknown date'} was open at the cutover, and paid "
                        f"by {row['ref_number'] or row['txn_id']} on {row['txn_date']}; it was not imported",
                        table="quickbooks.invoices",
                        key=link["txn_id"],
                        column="balance_remaining",
                        suggestion=f"toolkit import invoices --start {date or '...'} --end {self.cutover}",
                    )

    def _left_unread(self) -> Iterator[dict[str, str | None]]:
        """Yield invoices that were open when they were read and that a later import no longer returned.

        Paid by the cutover, it is not carried; paid later, `paid_since` tells. Otherwise nobody knows what
        became of it (a journal entry pays without a word) until it is read again, paid ones included.
        """
        paid: dict[str, Decimal] = defaultdict(lambda: ZERO)
        since: set[str] = set()
        for kind in ("payment", "credit_memo"):
            for row in self.rows[kind]:
                for link in self._pays(kind, row):
                    if row["txn_date"] and row["txn_date"] > self.cutover:
                        since.add(link["txn_id"])
                    discount = link.get("discount_amount") or ZERO
                    paid[link["txn_id"]] += abs(link["amount"] or ZERO) + discount
        frame = self.books.frame("quickbooks.invoices")
        for row in to_rows(frame[frame["left_at"].notna()]):
            is_open = row["balance_remaining"] and row["txn_date"] and row["txn_date"] <= self.cutover
            known = row["txn_id"] in self.ours | since or paid[row["txn_id"]] >= document_total(
                "invoice", row
            )
            if is_open and not known:
                yield self._left(row)

    def _left(self, row: Row) -> dict[str, str | None]:
        gone = self._read_whole_since(row)
        was = f"{row['balance_remaining']:,.2f} were open when it was read; since {row['left_at']:%Y-%m-%d} "
        again = f"toolkit import invoices --start {row['txn_date']:%Y}-01-01 --end {self.cutover}"
        what = (
            "QuickBooks returns it no more, not even among the paid ones: deleted there, so not carried"
            if gone
            else f"it is not among the open ones, and nothing known paid it: read it again, {again}"
        )
        return finding(
            "warning" if gone else "error",
            "left_unread",
            was + what,
            table="quickbooks.invoices",
            key=row["txn_id"],
            column="left_at",
            value=row["left_at"],
            suggestion=None if gone else again,
        )

    def _read_whole_since(self, row: Row) -> bool:
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

    def _find(
        self, severity: str, rule: str, message: str, kind: str, row: Row, column: str | None = None
    ) -> None:
        self.findings.append(self._on(severity, rule, message, kind, row, column))

    def _on(
        self, severity: str, rule: str, message: str, kind: str, row: Row, column: str | None
    ) -> dict[str, str | None]:
        value = row[column] if column else None
        return finding(
            severity, rule, message, table=KINDS[kind], key=row["txn_id"], column=column, value=value
        )


def prove_balances(books: Books) -> Iterator[dict[str, str | None]]:
    """Compare each customer's documents with QuickBooks' own ``Balance``, never with ``TotalBalance``.

    Both sides are as of the import: what we sent after a customer was read is not in that balance yet.

    Yields
    ------
    dict
        One finding for each customer (by ListID) that does not prove, and for each that is not there.
    """
    customers = books.quickbooks_customers
    bound = [row for row in books.rows("ledger.crosswalk") if row["origin"] != "quickbooks"]
    sent = {row["quickbooks_id"]: row["bound_at"] for row in bound if row["bound_at"] is not None}
    open_now: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for kind, name in KINDS.items():
        pending = ["is_pending"] if kind != "payment" else []
        for row in books.rows(name, "txn_id", "customer_list_id", STILL_OPEN[kind], *pending):
            list_id = row["customer_list_id"] or ""
            read = customers.get(list_id, {}).get("imported_at")
            since = sent.get(row["txn_id"])
            if not row.get("is_pending") and not (since and read and read < since):
                sign = 1 if kind == "invoice" else -1
                open_now[list_id] += sign * (row[STILL_OPEN[kind]] or ZERO)
    for list_id in sorted({*open_now, *customers}):
        customer = customers.get(list_id)
        balance, documents = (customer or {}).get("balance") or ZERO, open_now[list_id]
        if customer is None and documents:
            what, value = (
                f"the imported documents of {documents:,.2f} name a customer that is not there",
                None,
            )
        elif balance != documents:
            what = f"QuickBooks' balance is {balance:,.2f}, the imported documents are {documents:,.2f}"
            value = balance
        else:
            continue
        yield finding(
            "error",
            "balance_proof",
            f"{what}: import customers and receivables again, or look for journal entries and statement "
            "charges",
            table="quickbooks.customers",
            key=list_id,
            column="balance",
            value=value,
            suggestion=(customer or {}).get("full_name"),
        )
