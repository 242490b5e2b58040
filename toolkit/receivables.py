"""What customers owed at the cutover date, from QuickBooks' documents, and what is doubtful about it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any

from toolkit.checks_books import Books
from toolkit.receivables_rollback import KINDS, STILL_OPEN, ZERO, RollBack, Row, document_total
from toolkit.tables import finding, to_rows

__all__ = ["KINDS", "STILL_OPEN", "ZERO", "Receivables", "currency_code", "document_total"]


def currency_code(books: Books, row: Row) -> str:
    """Return the code of a document's currency; QuickBooks' own name of it where it has no code."""
    name = row["currency_full_name"]
    if not name or name == books.company.get("home_currency_full_name"):
        return books.home_currency
    return books.currency_codes.get(name) or name


class Receivables(RollBack):
    """The open documents at the cutover date, and what is doubtful about them.

    Parameters
    ----------
    books : Books
        ``quickbooks.*`` and ``ledger.crosswalk``. Documents that we sent are BluBilling's: never carried.
    cutover : datetime.date
        Documents dated on or before it count, with what was open on them at its end.
    """

    def __init__(self, books: Books, cutover: dt.date) -> None:
        super().__init__(books, cutover)
        self.findings: list[dict[str, str | None]] = []
        self.documents: list[dict[str, Any]] = []
        for kind in KINDS:
            for row in self.rows[kind]:
                self._judge(kind, row)
        self.findings += self._settled_unread()
        self.findings += self._left_unread()

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
        standing = self.roll_back(kind, row, today)
        total = document_total(kind, row)
        if standing.doubt:
            severity = "error" if kind == "invoice" else "warning"
            self._find(severity, "applied_unproved", standing.doubt, kind, row, STILL_OPEN[kind])
        elif not ZERO <= standing.open_amount <= total:
            message = f"{standing.open_amount:,.2f} of {total:,.2f} were open: import receivables again"
            self._find("error", "open_amount", message, kind, row, STILL_OPEN[kind])
        if standing.open_amount:
            kept = {"record_kind": kind, "amount": total, "open_amount": standing.open_amount}
            self.documents.append({**row, **kept, "currency": currency_code(self.books, row)})

    # --- what came later ------------------------------------------------------------------------------------

    def _after_cutover(self, kind: str, row: Row) -> dict[str, str | None]:
        message = (
            f"dated after the cutover date {self.cutover}, so it is not carried: it belongs in BluBilling"
        )
        paid = [
            link["ref_number"] or link["txn_id"]
            for link in self.pays(kind, row)
            if (date := self.date_of(link)) is not None and date <= self.cutover
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
                for link in self.pays(kind, row):
                    date = self.date_of(link)
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
                for link in self.pays(kind, row):
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
        gone = self.read_whole_since(row)
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
