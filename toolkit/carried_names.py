"""Where a text of BluBilling's names a document that was carried forward from QuickBooks.

What a row names decides whether it is QuickBooks' own document or one that is sent: that BluBilling says.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from toolkit.tables import to_rows

__all__ = ["CREDIT_COLUMNS", "CREDIT_KINDS", "CarriedNames", "Names", "named_txn_ids"]

Row = Mapping[str, Any]
Told = list[tuple[str, Row, bool]]
"""Column, credit, and whether it is named to the letter."""

CREDIT_KINDS = ("credit_memo", "payment")
"""What of the crosswalk is a credit, where QuickBooks is its origin."""

CREDIT_COLUMNS = {
    "billing.adjustments": ("adjustment_id", ("reason_text", "qb_method_or_item"), ()),
    "billing.payments": ("payment_number", ("check_number", "transaction_id"), ("notes",)),
}
"""Number, the columns that name documents, and those where one may be named that is another."""

_INVOICE_COLUMNS = ("notes", "erp_invoice_id")
_TOKEN = re.compile(r"[^\W_]+")
_GOES_ON_BEFORE, _GOES_ON = re.compile(r"[^\W_][-_]$"), re.compile(r"[-_.][^\W_]")
_TXN_ID = re.compile(r"TxnID ([^\s,;]+)")


def named_txn_ids(note: str | None) -> list[str]:
    """Return the TxnIDs that a note names."""
    return _TXN_ID.findall(note or "")


class Names:
    """The keys and TxnIDs of carried credits, to be found in texts whatever stands between their parts."""

    def __init__(self, bound: Mapping[str, Row]) -> None:
        self.by_letters: dict[str, list[tuple[str, Row]]] = defaultdict(list)
        self.longest = 0
        for key, row in bound.items():
            for name in {_plain(key), _plain(row["quickbooks_id"])}:
                parts = _TOKEN.findall(name)
                self.by_letters["".join(parts)].append((name, row))
                self.longest = max(self.longest, len(parts))

    def told(self, row: Row, columns: tuple[str, ...]) -> Told:
        """Return the credits that a row names."""
        return [
            (column, credit, exact) for column in columns for credit, exact in self.named(row[column] or "")
        ]

    def named(self, text: str) -> Iterator[tuple[Row, bool]]:
        """Yield the credits that a text names, and whether to the letter."""
        plain = _plain(text)
        spans = list(_TOKEN.finditer(plain))
        hits = []
        for place, first in enumerate(spans):
            letters = ""
            for last in spans[place : place + self.longest + 2]:
                letters += last.group()
                for name, credit in self.by_letters.get(letters, ()):
                    start, end = first.start(), last.end()
                    whole = not _GOES_ON_BEFORE.search(plain[:start]) and not _GOES_ON.match(plain, end)
                    hits.append((start, end, whole and plain[start:end] == name, credit))
        kept: list[tuple[int, int, bool, Row]] = []
        for hit in sorted(hits, key=lambda each: (each[0] - each[1], not each[2])):
            inside = (one for one in kept if one[0] <= hit[0] and hit[1] <= one[1])
            # A TxnID stands in the key that is made of it.
            if not any(one[2] or one[1] - one[0] > hit[1] - hit[0] for one in inside):
                kept.append(hit)
        yield from ((credit, exact) for _, _, exact, credit in kept)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


class CarriedNames:
    """Which carried documents a value of a column names.

    Parameters
    ----------
    tables : mapping
        ``ledger.crosswalk``, read when a column that may name one is first asked for.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables
        self._bound: tuple[Names, frozenset[str]] | None = None

    def differ(self, table: str, column: str, old: str | None, new: str | None) -> bool:
        """Return whether two values of a column name different carried documents, or one of them none."""
        return self._in(table, column, old) != self._in(table, column, new)

    def _in(self, table: str, column: str, text: str | None) -> set[tuple[str, bool]]:
        _, naming, telling = CREDIT_COLUMNS.get(table, ("", (), ()))
        if text and column in (*naming, *telling):
            return {(credit["key"], exact) for credit, exact in self._carried()[0].named(text)}
        if text and table == "billing.invoices" and column in _INVOICE_COLUMNS:
            named = named_txn_ids(text) if column == "notes" else [text]
            return {(txn_id, True) for txn_id in named if txn_id in self._carried()[1]}
        return set()

    def _carried(self) -> tuple[Names, frozenset[str]]:
        """Return the credits and the TxnIDs of the invoices that were carried forward."""
        if self._bound is None:
            names = ["record_kind", "key", "origin", "quickbooks_id"]
            listed = (
                to_rows(self._tables["ledger.crosswalk"][names]) if "ledger.crosswalk" in self._tables else []
            )
            rows = [row for row in listed if row["origin"] == "quickbooks"]
            credits = {row["key"]: row for row in rows if row["record_kind"] in CREDIT_KINDS}
            invoices = (row["quickbooks_id"] for row in rows if row["record_kind"] == "invoice")
            self._bound = Names(credits), frozenset(invoices)
        return self._bound
