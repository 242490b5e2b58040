"""What was carried forward, and what BluBilling has of it since: they tie by TxnID, or they do not.

The upload names the TxnID in the note of each invoice, so that BluBilling's own tables tell which of its
invoices is which of QuickBooks', whatever number it gave it. Where it kept no note, the number tells.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from toolkit.carried_names import named_txn_ids
from toolkit.checks_books import Books
from toolkit.checks_drafts import ZERO
from toolkit.receivables import currency_code
from toolkit.receivables_rollback import RollBack
from toolkit.tables import from_rows, to_rows

__all__ = [
    "SIGNATURES",
    "Carried",
    "carried_as",
    "carried_note",
    "carried_signatures",
    "named_txn_ids",
    "tie_carried",
    "tie_frame",
]

SIGNATURES = "carry_forward"
"""Under this name the ledger keeps the differences that a person signed, by their ``difference_id``."""

POSTED = ("Outstanding", "Paid")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Carried:
    """One carried document and BluBilling's that is it.

    Parameters
    ----------
    row : mapping
        Of ``ledger.crosswalk``, with ``currency``.
    back : mapping or None
        Of ``billing.invoices``, of a credit in its form; ``None`` where BluBilling has none.
    reasons : tuple of str
        Why the two do not tie; empty where they do.
    signature : mapping or None
        Of ``ledger.decisions``, where a person signed exactly this difference.
    """

    row: Row
    back: Row | None
    reasons: tuple[str, ...]
    signature: Row | None = None

    @property
    def ties(self) -> bool:
        """Whether BluBilling has it as QuickBooks does."""
        return not self.reasons

    @property
    def difference_id(self) -> str | None:
        """What a person signs: it is another one as soon as anything of the difference is another."""
        return _difference_id(self.row, self.back, self.reasons) if self.reasons else None


def carried_note(shown: str, txn_id: str) -> str:
    """Return the note of a carried invoice in the upload.

    >>> named_txn_ids(carried_note("1001", "1A2B-1765432100"))
    ['1A2B-1765432100']
    """
    return f"QuickBooks invoice {shown}, TxnID {txn_id}"


def tie_carried(books: Books) -> list[Carried]:
    """Return each carried invoice with BluBilling's invoice that is it, and why the two do not tie.

    QuickBooks' side is what was carried; and that is still what was open at the cutover by the documents
    that are imported now. One invoice of BluBilling is never two of QuickBooks.
    """
    carried = [
        row
        for row in books.rows("ledger.crosswalk")
        if row["origin"] == "quickbooks" and row["record_kind"] == "invoice"
    ]
    if not carried:
        return []
    by_number = {row["invoice_number"]: row for row in books.rows("billing.invoices")}
    named = _by_txn_id(by_number.values(), {row["quickbooks_id"] for row in carried})
    documents = _documents(books, {row["quickbooks_id"] for row in carried})
    cutover = books.settings.cutover_date
    rolled = RollBack(books, cutover) if cutover else None
    signed = carried_signatures(books)
    taken: set[str] = set()
    ties = []
    for row in carried:
        copies = _standing(named.get(row["quickbooks_id"], []))
        own = by_number.get(row["key"])
        back = own if own in copies or not copies else copies[0]
        if back and back["invoice_number"] in taken:
            back, again = None, True
        else:
            again = False
        if back:
            taken.add(back["invoice_number"])
        document = documents.get(row["quickbooks_id"])
        currency = currency_code(books, document) if document else (back or {}).get("currency")
        whole = {**row, "currency": currency or books.home_currency}
        reasons = tuple(_reasons(books, whole, back, copies, again))
        reasons += tuple(_since(rolled, whole, document) if rolled else ())
        one = Carried(whole, back, reasons)
        signature = signed.get(one.difference_id or "")
        ties.append(Carried(whole, back, reasons, signature))
    return ties


_COPIES: WeakKeyDictionary[Books, dict[str, Row]] = WeakKeyDictionary()


def carried_as(books: Books) -> dict[str, Row]:
    """Return the carried invoices by the numbers that BluBilling has them under: rows of the crosswalk.

    By the number that each was given; and by that of an invoice that names its TxnID, which BluBilling may
    have numbered anew.
    """
    if books not in _COPIES:
        bound = [
            row
            for row in books.rows("ledger.crosswalk")
            if row["origin"] == "quickbooks" and row["record_kind"] == "invoice"
        ]
        by_id = {row["quickbooks_id"]: row for row in bound}
        names = ("invoice_number", "notes", "erp_invoice_id")
        invoices = books.rows("billing.invoices", *names) if bound else []
        found = {
            row["invoice_number"]: by_id[txn_id]
            for txn_id, rows in _by_txn_id(invoices, set(by_id)).items()
            for row in rows
        }
        _COPIES[books] = {**found, **{row["key"]: row for row in bound}}
    return _COPIES[books]


def _standing(copies: list[Row]) -> list[Row]:
    """Return the copies without those that were cancelled, where another was uploaded in their place."""
    return [row for row in copies if row["status"] != "Cancelled"] or copies


def _by_txn_id(invoices: Any, carried: set[str]) -> dict[str, list[Row]]:
    """Return BluBilling's invoices by the TxnID of a carried one that they name."""
    named: dict[str, list[Row]] = defaultdict(list)
    for row in invoices:
        for txn_id in dict.fromkeys([*named_txn_ids(row["notes"]), row["erp_invoice_id"] or ""]):
            if txn_id in carried:
                named[txn_id].append(row)
    return named


def _reasons(books: Books, row: Row, back: Row | None, copies: list[Row], again: bool) -> Iterator[str]:
    opened = row["amount"] or ZERO
    if back is None:
        twice = "; its number is carried twice" if again else ""
        yield f"carried forward, and not in BluBilling: upload it, load BluBilling again{twice}"
        return
    if back["invoice_number"] != row["key"]:
        yield f"BluBilling has it as {back['invoice_number']}, it was carried as {row['key']}"
    others = [copy["invoice_number"] for copy in copies if copy is not back]
    if others:
        yield f"BluBilling has it more than once, also as {', '.join(others)}"
    if copies and back not in copies:
        yield f"BluBilling's invoice {back['invoice_number']} names another TxnID"
    foreign = [txn_id for txn_id in named_txn_ids(back["notes"]) if txn_id != row["quickbooks_id"]]
    if foreign and not copies:
        yield f"BluBilling's invoice {back['invoice_number']} is {foreign[0]} of QuickBooks by its note"
    if back["current_amount_due"] != opened:
        yield f"{opened:,.2f} were open when it was carried, BluBilling has another amount"
    if (back["currency"] or books.home_currency) != row["currency"]:
        yield f"it is in {row['currency']}, in BluBilling in {back['currency'] or books.home_currency}"
    if back["status"] not in POSTED:
        yield f"it is {back['status']} in BluBilling, and open in QuickBooks"
    customer = books.customer_matches.get(back["account_number"], {}).get("customer_list_id")
    if row["customer_list_id"] and customer != row["customer_list_id"]:
        yield f"it stands on account {back['account_number']}, which is another customer in QuickBooks"


def _since(rolled: RollBack, row: Row, document: Row | None) -> Iterator[str]:
    """Yield what became of a carried invoice in QuickBooks since: BluBilling still asks for what it was."""
    if document is None:
        yield "QuickBooks does not have it: deleted there, or not imported (toolkit import invoices)"
        return
    opened, now = row["amount"] or ZERO, rolled.invoice_open(document)
    if now[0] is None:
        yield now[1] or ""
    elif now[0] != opened:
        doubt = f"; {now[1]}" if now[1] else ""
        yield (
            f"{opened:,.2f} were carried, by QuickBooks' documents of today {now[0]:,.2f} were open at the "
            f"cutover: something was entered there before that date, or changed{doubt}"
        )
    if row["customer_list_id"] and document["customer_list_id"] != row["customer_list_id"]:
        yield f"it stands on {document['customer_full_name'] or 'another customer'} in QuickBooks now"


def _documents(books: Books, carried: set[str]) -> dict[str, Row]:
    """Return the carried invoices as they were read, also those that were not returned since."""
    frame = books.frame("quickbooks.invoices")
    return {row["txn_id"]: row for row in to_rows(frame[frame["txn_id"].isin(carried)])}


def _difference_id(row: Row, back: Row | None, reasons: tuple[str, ...]) -> str:
    there = back or {}
    facts = (
        *(row["quickbooks_id"], row["key"], _money(row["amount"]), row["currency"], row["customer_list_id"]),
        *(there.get("invoice_number"), _money(there.get("current_amount_due")), there.get("account_number")),
        *reasons,
    )
    joined = "\x1f".join("" if fact is None else str(fact) for fact in facts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def carried_signatures(books: Books) -> dict[str, Row]:
    """Return the signatures that stand, by the difference that was signed: the newest row of each counts."""
    newest = {row["key"]: row for row in books.rows("ledger.decisions") if row["table"] == SIGNATURES}
    return {key: row for key, row in newest.items() if row["decision"] is not None}


def tie_frame(ties: list[Carried]) -> Any:
    """Return ``carry_forward.tie``, one row a carried document."""
    rows = []
    for one in ties:
        row, back, signed = one.row, one.back or {}, one.signature or {}
        rows.append(
            {
                "difference_id": one.difference_id,
                "record_kind": row["record_kind"],
                "key": row["key"],
                "txn_id": row["quickbooks_id"],
                "invoice_number": back.get("invoice_number"),
                "account_number": back.get("account_number"),
                "customer_list_id": row["customer_list_id"],
                "currency": row["currency"],
                "carried": row["amount"],
                "in_billing": back.get("current_amount_due"),
                "ties": one.ties,
                "reason": "; ".join(one.reasons) or None,
                "signed_by": signed.get("decided_by"),
                "signed_at": signed.get("decided_at"),
                "note": signed.get("note"),
                "source": back.get("source"),
            }
        )
    return from_rows("carry_forward.tie", rows)
