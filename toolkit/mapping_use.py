"""What hangs on a charge, a customer or a payment method: lines and money of the last twelve months.

The twelve months end on the newest date in the data, not today: the same tables give the same numbers on
any day. Amounts are summed as they stand, whatever their currency: they rank what matters and post nothing.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.tables import to_rows

__all__ = ["Use", "use_of_charges", "use_of_customers", "use_of_methods"]

_VOID = frozenset({"Cancelled", "Canceled", "Error"})


@dataclass(slots=True)
class Use:
    """Lines and money of the last twelve months.

    Parameters
    ----------
    lines : int
        Invoice lines (charges), invoices (customers) or payments (payment methods).
    amount : decimal.Decimal
        Their sum, signed.
    money : bool
        Whether any of them is not zero: a sum of zero may hide an invoice and its credit.
    """

    lines: int = 0
    amount: Decimal = Decimal("0.00")
    money: bool = False

    def add(self, amount: Decimal | None) -> None:
        """Count one more line."""
        self.lines += 1
        self.amount += amount or Decimal(0)
        self.money = self.money or bool(amount)


def use_of_charges(
    invoice_lines: pd.DataFrame | None, invoices: pd.DataFrame | None
) -> dict[tuple[str, str | None], Use]:
    """Return the use of each charge by (contract code, price code), from ``billing.invoice_lines``.

    Lines of cancelled and failed invoices, and subtotals of usage, carry no money and do not count. Without
    ``billing.invoices`` there are no dates, and every line counts.
    """
    dated = None if invoices is None else _invoice_dates(to_rows(invoices))
    found: dict[tuple[str, str | None], Use] = {}
    for line in [] if invoice_lines is None else to_rows(invoice_lines):
        if line["line_type"] == "usage_subtotal" or (
            dated is not None and line["invoice_number"] not in dated
        ):
            continue
        found.setdefault((line["contract_code"], line["price_code"]), Use()).add(line["amount"])
    return found


def use_of_customers(invoices: pd.DataFrame | None) -> dict[str, Use]:
    """Return the use of each customer by account number: invoices and their current charges."""
    rows = [] if invoices is None else to_rows(invoices)
    recent = _invoice_dates(rows)
    found: dict[str, Use] = {}
    for row in rows:
        if row["invoice_number"] in recent:
            found.setdefault(row["account_number"], Use()).add(row["current_amount_due"])
    return found


def use_of_methods(payments: pd.DataFrame | None) -> dict[str, Use]:
    """Return the use of each payment method by its name: payments and refunds, signed.

    A method that was last used longer ago has a use of no lines.
    """
    rows = [] if payments is None else to_rows(payments)
    after = _year_before(row["effective_date"] for row in rows)
    found: dict[str, Use] = {}
    for row in rows:
        use = found.setdefault(row["method"], Use())
        if after is None or (row["effective_date"] is not None and row["effective_date"] > after):
            use.add(row["amount"])
    return found


def _invoice_dates(invoices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the numbers of the invoices of the last twelve months that count."""
    counted = [row for row in invoices if row["status"] not in _VOID and row["invoice_date"] is not None]
    after = _year_before(row["invoice_date"] for row in counted)
    return {row["invoice_number"] for row in counted if after is not None and row["invoice_date"] > after}


def _year_before(dates: Iterable[dt.date | None]) -> dt.date | None:
    newest = max((date for date in dates if date is not None), default=None)
    if newest is None:
        return None
    year = newest.year - 1
    return newest.replace(year=year, day=min(newest.day, calendar.monthrange(year, newest.month)[1]))
