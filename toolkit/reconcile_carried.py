"""The tie-out of carried invoices: what was open when they were carried, and what BluBilling has of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from toolkit.checks_books import Books
from toolkit.receivables import ZERO, currency_code
from toolkit.reconcile_records import Row, difference

__all__ = ["CARRIED", "carried_differences", "carried_totals"]

CARRIED = "carried invoice"
POSTED = ("Outstanding", "Paid")


def _carried(books: Books) -> list[tuple[Row, Row | None]]:
    """Return each carried invoice, by currency and key, with BluBilling's invoice of that number."""
    billing = {row["invoice_number"]: row for row in books.rows("billing.invoices")}
    documents = {row["txn_id"]: row for row in books.rows("quickbooks.invoices")}
    pairs = []
    taken: set[str] = set()
    for row in books.rows("ledger.crosswalk"):
        if row["origin"] != "quickbooks" or row["record_kind"] != "invoice":
            continue
        # One invoice of BluBilling cannot be two of QuickBooks.
        back = billing.get(row["key"]) if row["key"] not in taken else None
        taken.add(row["key"])
        document = documents.get(row["quickbooks_id"])
        currency = currency_code(books, document) if document else (back or {}).get("currency")
        pairs.append((row | {"currency": currency or books.home_currency}, back))
    return pairs


def carried_differences(books: Books) -> Iterator[Row]:
    """Yield carried invoices that BluBilling has not, or otherwise; ``meant`` is what BluBilling has."""
    seen: set[str] = set()
    for row, back in _carried(books):
        opened, key = row["amount"] or ZERO, row["key"]
        if back is None:
            again = "; its number is carried twice" if key in seen else ""
            why = f"carried forward, and not in BluBilling: upload it, load BluBilling again{again}"
            yield difference(CARRIED, row, None, opened, False, why)
        else:
            shown = row | {"account_number": back["account_number"], "source": back["source"]}
            changes = list(_changes(books, row, back))
            if changes:
                meant = back["current_amount_due"]
                yield difference(CARRIED, shown, meant, opened, False, "; ".join(changes))
        seen.add(key)


def _changes(books: Books, row: Row, back: Row) -> Iterator[str]:
    opened = row["amount"] or ZERO
    if back["current_amount_due"] != opened:
        yield f"{opened:,.2f} were open when it was carried, BluBilling has another amount"
    if (back["currency"] or books.home_currency) != row["currency"]:
        yield f"it is in {row['currency']}, in BluBilling in {back['currency'] or books.home_currency}"
    if back["status"] not in POSTED:
        yield f"it is {back['status']} in BluBilling, and open in QuickBooks"
    customer = books.customer_matches.get(back["account_number"], {}).get("customer_list_id")
    if row["customer_list_id"] and customer != row["customer_list_id"]:
        yield f"it stands on account {back['account_number']}, which is another customer in QuickBooks"


def carried_totals(books: Books) -> Iterator[Row]:
    """Yield one total a currency: BluBilling's amounts as the source, what was open as QuickBooks' own."""
    groups: dict[str, list[tuple[Row, Row | None]]] = defaultdict(list)
    for row, back in _carried(books):
        groups[row["currency"]].append((row, back))
    for currency in sorted(groups):
        pairs = groups[currency]
        meant = sum((back["current_amount_due"] for _, back in pairs if back), Decimal(ZERO))
        found = sum((row["amount"] or ZERO for row, _ in pairs), Decimal(ZERO))
        yield {
            "record_kind": CARRIED,
            "currency": currency,
            "source_count": sum(back is not None for _, back in pairs),
            "source_amount": meant,
            "sent_count": 0,
            "sent_amount": ZERO,
            "quickbooks_count": len(pairs),
            "quickbooks_amount": found,
            "difference": meant - found,
        }
