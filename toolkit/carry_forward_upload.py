"""The rows of BluBilling's invoice upload, in one of two shapes, each proved to sum to what is open.

``balance``: one line with what is open. ``lines``: the invoice's own lines, a line for its sales tax, and
where it was paid in part one more line that takes off what was paid; nothing is scaled, so that each line
says what QuickBooks says. Both stand under the one special price code, which BluBilling must not tax.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from toolkit.carried import carried_note
from toolkit.carry_forward_files import guarded, upload_frame
from toolkit.checks_books import Books
from toolkit.checks_drafts import ZERO
from toolkit.tables import finding

__all__ = ["UploadLine", "check_lines", "plan_upload"]

Row = dict[str, Any]
_CENT = Decimal("0.01")
_LINES: WeakKeyDictionary[Books, dict[str, list[Row]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One line of an uploaded invoice; unit price times quantity is the amount, to the cent."""

    text: str
    unit_price: Decimal
    quantity: Decimal
    amount: Decimal


def plan_upload(documents: Sequence[Row], books: Books) -> pd.DataFrame:
    """Return the upload, one row an open invoice, with as many groups of columns as lines are needed.

    Parameters
    ----------
    documents : sequence of dict
        Open invoices with ``key`` and ``account_number``; :func:`check_lines` found nothing against them.
    books : Books
        With the settings ``carry_forward.*``.
    """
    lines = [lines_of(row, books) for row in documents]
    rows = [_row(row, each, books) for row, each in zip(documents, lines, strict=True)]
    return upload_frame(rows, max(map(len, lines), default=1))


def check_lines(documents: Sequence[Row], books: Books) -> Iterator[dict[str, str | None]]:
    """Yield an error on each invoice whose lines do not sum to what is open on it."""
    for row in documents:
        total = sum((line.amount for line in lines_of(row, books)), ZERO)
        if total == row["open_amount"]:
            continue
        missing = not _lines_by_invoice(books).get(row["txn_id"])
        what = (
            "its lines were not imported"
            if missing
            else f"its lines and its tax sum to {total - row['open_amount'] + row['amount']:,.2f}, "
            f"it is an invoice of {row['amount']:,.2f}"
        )
        yield finding(
            "error",
            "lines_sum",
            f"{what}: it cannot be carried line by line",
            table="quickbooks.invoices",
            key=row["txn_id"],
            column="subtotal",
            value=row["amount"],
            suggestion="toolkit import receivables, or toolkit set carry_forward.shape balance",
        )


def lines_of(row: Row, books: Books) -> list[UploadLine]:
    """Return the lines of one open invoice in the shape of the settings."""
    shown = row["ref_number"] or row["key"]
    if books.settings["carry_forward.shape"] == "balance":
        return [_one(f"Open balance of invoice {shown}", row["open_amount"])]
    lines = [_own(line, books) for line in _lines_by_invoice(books).get(row["txn_id"], [])]
    tax = row.get("sales_tax_total") or ZERO
    if tax:
        name = row.get("item_sales_tax_full_name")
        lines.append(_one(f"Sales tax ({name})" if name else "Sales tax", tax))
    paid = row["amount"] - row["open_amount"]
    if paid:
        lines.append(_one("Paid or credited in QuickBooks before the cutover", -paid))
    return lines


def _one(text: str, amount: Decimal) -> UploadLine:
    return UploadLine(text, amount, Decimal(1), amount)


def _own(line: Row, books: Books) -> UploadLine:
    """Return a line of QuickBooks' invoice: headers of groups, descriptions and subtotals carry no amount."""
    text = line["description"] or line["item_full_name"] or "(no text)"
    item = books.items.get(line["item_list_id"] or "", {})
    amount = line["amount"]
    if line["line_kind"] != "line" or amount is None or item.get("item_type") == "Subtotal":
        return _one(text, ZERO)
    quantity, rate = line["quantity"], line["rate"]
    if quantity and rate is not None and _cents(quantity * rate) == amount:
        return UploadLine(text, rate, quantity, amount)
    return _one(text, amount)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def _lines_by_invoice(books: Books) -> dict[str, list[Row]]:
    """Return ``quickbooks.invoice_lines`` by TxnID, in the order of the document."""
    if books not in _LINES:
        found: dict[str, list[Row]] = defaultdict(list)
        for line in sorted(books.rows("quickbooks.invoice_lines"), key=lambda each: each["line_number"]):
            found[line["txn_id"]].append(line)
        _LINES[books] = found
    return _LINES[books]


def _row(row: Row, lines: Sequence[UploadLine], books: Books) -> dict[str, str | None]:
    settings = books.settings

    def day(value: dt.date | None) -> str:
        return (value or row["txn_date"]).strftime(settings["carry_forward.date_format"])

    shown = row["ref_number"] or row["key"]
    head = {
        "Invoice Number": row["key"],
        "Customer Id": None,
        "Customer Ref": row["account_number"],
        "Invoice Date": day(row["txn_date"]),
        "Due Date": day(row["due_date"]),
        "Status": "Outstanding",
        "Previous Balance": "0.00",
        "Current Amount Due": f"{row['open_amount']:.2f}",
        "Payments And Adjustments": "0.00",
        "Billing StartDate": day(row["txn_date"]),
        "Billing EndDate": day(row["txn_date"]),
        "Note": guarded(carried_note(shown, row["txn_id"])),
    }
    for place, line in enumerate(lines, start=1):
        group = {
            "ContractCode": settings["carry_forward.plan"],
            "Position": str(place),
            "PriceCode": settings["carry_forward.price_code"],
            "Invoice Text": guarded(line.text),
            "Unit Price": _plain(line.unit_price),
            "Quantity": _plain(line.quantity, places=0),
            "Amount": f"{line.amount:.2f}",
        }
        head |= {f"{name}_{place}": value for name, value in group.items()}
    return head


def _plain(value: Decimal, places: int = 2) -> str:
    """Return a number without an exponent and without zeros that say nothing.

    >>> _plain(Decimal("64.00000")), _plain(Decimal("1.50000"), 0), _plain(Decimal("0.12345"))
    ('64.00', '1.5', '0.12345')
    """
    whole, _, decimals = f"{value:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(places, "0")
    return f"{whole}.{decimals}" if decimals else whole
