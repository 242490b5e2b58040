"""What somebody entered in QuickBooks by hand, and BluBilling has too: the same money is not sent again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from toolkit.checks_books import Books
from toolkit.checks_drafts import Part, Payment, Row

MARKER = " [bb:"
Applied = frozenset[tuple[str, Decimal]]


class Strangers:
    """The payments after the cutover that QuickBooks has and the crosswalk does not, found by what they are.

    Parameters
    ----------
    books : Books
        The tables; deleted and voided payments do not count.
    cutover : datetime.date
        What is dated on or before it is QuickBooks' own past.
    """

    def __init__(self, books: Books, cutover: dt.date) -> None:
        self._by_day: dict[object, list[Row]] = defaultdict(list)
        self._by_number: dict[object, list[Row]] = defaultdict(list)
        self._by_applied: dict[Applied, list[Row]] = defaultdict(list)
        self._by_key: dict[str, list[Row]] = defaultdict(list)
        applied: dict[str, set[tuple[str, Decimal]]] = defaultdict(set)
        for row in books.rows("quickbooks.payment_applications", "payment_txn_id", "txn_id", "amount"):
            if row["amount"] is not None:
                applied[row["payment_txn_id"]].add((row["txn_id"], abs(row["amount"])))
        columns = ("txn_id", "customer_list_id", "txn_date", "ref_number", "total_amount", "memo", "left_at")
        for row in books.rows("quickbooks.payments", *columns):
            if row["txn_id"] in books.bound_ids or not row["total_amount"]:
                continue
            memo = row["memo"] or ""
            if MARKER in memo:
                self._by_key[memo.rpartition(MARKER)[2].removesuffix("]")].append(row)
            elif row["txn_date"] is None or row["txn_date"] > cutover:
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
        yield from self._by_key.get(part.key, [])
        for amount in {part.amount, draft.amount}:
            customer = part.target.list_id
            if customer:
                yield from self._by_day.get((customer, amount, draft.date), [])
                yield from self._by_number.get((customer, amount, draft.ref_number), [])
        for applications in (part.applications, draft.applications):
            pays = frozenset((a.txn_id, a.amount) for a in applications if a.txn_id)
            if pays and len(pays) == len(applications):
                yield from self._by_applied.get(pays, [])
