"""What QuickBooks has already though the ledger does not know it: the same money is not sent again.

Two kinds: what somebody entered there by hand and BluBilling has too, and what bears our marker because it
was sent from here, before an older ledger was put back or the workspace was made anew.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from toolkit.checks_books import Books
from toolkit.checks_drafts import ZERO, Draft, Part, Payment, Row
from toolkit.transform_fields import MARKER, external_guid, marked_key

Applied = frozenset[tuple[str, Decimal]]
PostingDate = Callable[[dt.date], dt.date]
_TABLES = {
    "invoice": ("quickbooks.invoices", "subtotal", "sales_tax_total"),
    "credit_memo": ("quickbooks.credit_memos", "total_amount"),
    "payment": ("quickbooks.payments", "total_amount"),
}


class Marked:
    """The documents of QuickBooks that bear a marker of ours, and that the ledger does not know.

    Each is a row of ``key, record_kind, txn_id, ref_number, txn_date, total``; the key is ``None`` where only
    the GUID is left of the marker.

    Parameters
    ----------
    books : Books
        The tables; what the crosswalk binds is left away.
    """

    def __init__(self, books: Books) -> None:
        self.by_key: dict[str, list[Row]] = defaultdict(list)
        self._by_guid: dict[str, list[Row]] = defaultdict(list)
        for kind, (name, *amounts) in _TABLES.items():
            frame = books.frame(name)
            ours = frame["memo"].str.contains(MARKER, regex=False, na=False) | frame["external_guid"].notna()
            unknown = ours & ~frame["txn_id"].isin(books.bound_ids)
            if not unknown.any():  # as a rule: what was sent is known
                continue
            columns = ("txn_id", "ref_number", "txn_date", "memo", "external_guid", *amounts)
            for row in books.rows(name, *columns, where=unknown):
                self._enter(kind, row, sum((row[amount] or ZERO for amount in amounts), ZERO))

    def _enter(self, kind: str, row: Row, total: Decimal) -> None:
        key = marked_key(row["memo"])
        kept = {name: row[name] for name in ("txn_id", "ref_number", "txn_date")}
        kept |= {"key": key, "record_kind": kind, "total": total}
        if key:
            self.by_key[key].append(kept)
        if row["external_guid"]:
            self._by_guid[row["external_guid"].strip("{}").lower()].append(kept)

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.by_key or self._by_guid)

    def of(self, key: str) -> list[Row]:
        """Return the documents that bear an operation's marker, of its own kind, by TxnID."""
        named = self.by_key.get(key, [])
        if self._by_guid:
            named = named + self._by_guid.get(external_guid(key).strip("{}").lower(), [])
        kind = key.partition(":")[0]
        found = {row["txn_id"]: row for row in named if row["record_kind"] == kind}
        return [found[txn_id] for txn_id in sorted(found)]


class Strangers:
    """The payments after the cutover that QuickBooks has and the crosswalk does not, found by what they are.

    What bears a marker of ours is none: see :class:`Marked`.

    Parameters
    ----------
    books : Books
        The tables; deleted and voided payments do not count.
    cutover : datetime.date
        What is dated on or before it is QuickBooks' own past.
    posting_date : callable
        From a row's own date to the one that it is posted on: a person may have entered it under either.
    """

    def __init__(self, books: Books, cutover: dt.date, posting_date: PostingDate) -> None:
        self._posting_date, known = posting_date, _held(books)
        self._by_day: dict[object, list[Row]] = defaultdict(list)
        self._by_number: dict[object, list[Row]] = defaultdict(list)
        self._by_applied: dict[Applied, list[Row]] = defaultdict(list)
        applied: dict[str, set[tuple[str, Decimal]]] = defaultdict(set)
        for row in books.rows("quickbooks.payment_applications", "payment_txn_id", "txn_id", "amount"):
            if row["amount"] is not None:
                applied[row["payment_txn_id"]].add((row["txn_id"], abs(row["amount"])))
        columns = ("txn_id", "customer_list_id", "txn_date", "ref_number", "total_amount", "memo", "left_at")
        for row in books.rows("quickbooks.payments", *columns):
            if row["txn_id"] in known or not row["total_amount"] or marked_key(row["memo"]):
                continue
            if row["txn_date"] is None or row["txn_date"] > cutover:
                customer, amount = row["customer_list_id"], row["total_amount"]
                self._by_day[customer, amount, row["txn_date"]].append(row)
                self._by_number[customer, amount, row["ref_number"]].append(row)
                if applied[row["txn_id"]]:
                    self._by_applied[frozenset(applied[row["txn_id"]])].append(row)

    def like(self, draft: Payment, parts: Iterable[Part]) -> list[Row]:
        """Return the payments that are the same money as these parts of a receipt, or as the whole of it."""
        found = {row["txn_id"]: row for part in parts for row in self._like_part(draft, part)}
        return [found[txn_id] for txn_id in sorted(found)]

    def _like_part(self, draft: Payment, part: Part) -> Iterator[Row]:
        for amount in {part.amount, draft.amount}:
            customer = part.target.list_id
            if customer:
                for date in _days(draft, self._posting_date):
                    yield from self._by_day.get((customer, amount, date), [])
                yield from self._by_number.get((customer, amount, draft.ref_number), [])
        for applications in (part.applications, draft.applications):
            pays = frozenset((a.txn_id, a.amount) for a in applications if a.txn_id)
            if pays and len(pays) == len(applications):
                yield from self._by_applied.get(pays, [])


class Entered:
    """The invoices and credit memos after the cutover that somebody entered in QuickBooks by hand.

    Parameters
    ----------
    books, cutover, posting_date
        As :class:`Strangers` takes them; deleted and voided documents do not count.
    """

    def __init__(self, books: Books, cutover: dt.date, posting_date: PostingDate) -> None:
        self._posting_date = posting_date
        self._by_day: dict[object, list[Row]] = defaultdict(list)
        held = _held(books)
        for kind in ("invoice", "credit_memo"):
            name, *amounts = _TABLES[kind]
            frame = books.frame(name)
            # Most of what QuickBooks has is older than the cutover: no row is made of it.
            later = ~(frame["txn_date"] <= cutover).fillna(False) & ~frame["txn_id"].isin(held)
            columns = ("txn_id", "customer_list_id", "ref_number", "txn_date", "memo", *amounts)
            for row in books.rows(name, *columns, where=later) if later.any() else ():
                total = sum((row[amount] or ZERO for amount in amounts), ZERO)
                if total and not marked_key(row["memo"]):
                    found = {**row, "record_kind": kind, "total": total}
                    self._by_day[kind, row["customer_list_id"], total, row["txn_date"]].append(found)

    def like(self, draft: Draft, kind: str, customer: str | None) -> list[Row]:
        """Return the documents of a kind that are a row's own customer, amount and day, by TxnID."""
        if not customer or not draft.amount:
            return []
        days = _days(draft, self._posting_date)
        found = [r for day in days for r in self._by_day.get((kind, customer, abs(draft.amount), day), [])]
        return sorted(found, key=lambda row: str(row["txn_id"]))


def _held(books: Books) -> set[str]:
    """Return the TxnIDs that a row of BluBilling has already: by the crosswalk, or posted by hand."""
    return books.bound_ids | {row["txn_id"] for row in books.rows("ledger.postings", "txn_id")}


def _days(draft: Draft, posting_date: PostingDate) -> set[dt.date]:
    return {draft.date, posting_date(draft.date)} if draft.date else set()
