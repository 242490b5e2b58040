"""What hangs on a charge, a customer or a payment method: lines and money of the last twelve months.

The twelve months end on the newest date in the data, not today: the same tables give the same numbers on
any day. Amounts are summed as they stand, whatever their currency: they rank what matters and post nothing.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import BOOLEAN, INTEGER, MONEY
from toolkit.tables import empty, to_arrow, to_rows

__all__ = [
    "Use",
    "Uses",
    "charge_key",
    "charge_keys",
    "counted_lines",
    "grouped",
    "use_of_adjustments",
    "use_of_customers",
    "use_of_methods",
    "uses_of_charges",
]

_USE = {"lines": INTEGER.arrow, "amount": MONEY.arrow, "money": BOOLEAN.arrow}
_NOTHING = {"lines": 0, "amount": Decimal("0.00"), "money": False}
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


class Uses:
    """The use of many charges, as columns.

    Parameters
    ----------
    keys : pyarrow.Array
        The keys that have one, as :func:`charge_keys` makes them.
    columns : pyarrow.Table
        ``lines``, ``amount`` and ``money`` of each.
    """

    def __init__(self, keys: pa.Array, columns: pa.Table) -> None:
        self._keys, self._columns = keys, columns

    def of(self, keys: pa.Array) -> pa.Table:
        """Return ``lines``, ``amount`` and ``money`` for each of the keys; nothing hangs on one unknown."""
        nothing = {name: pa.scalar(value, _USE[name]) for name, value in _NOTHING.items()}
        if not len(self._keys):
            return pa.table({name: pa.repeat(value, len(keys)) for name, value in nothing.items()})
        found = self._columns.take(pc.index_in(keys, value_set=self._keys))
        return pa.table({name: pc.fill_null(found[name], value) for name, value in nothing.items()})


def uses_of_charges(invoice_lines: pd.DataFrame | None, invoices: pd.DataFrame | None) -> Uses:
    """Return the use of each charge by (contract code, price code), from ``billing.invoice_lines``.

    Lines of cancelled and failed invoices, and subtotals of usage, carry no money and do not count. Without
    ``billing.invoices`` there are no dates, and every line counts.
    """
    names = ("invoice_number", "contract_code", "price_code", "amount", "line_type")
    lines = counted_lines(invoice_lines, invoices, names)
    return grouped(charge_keys(lines["contract_code"], lines["price_code"]), lines["amount"])


def counted_lines(
    invoice_lines: pd.DataFrame | None, invoices: pd.DataFrame | None, names: Sequence[str]
) -> pa.Table:
    """Return those columns of the invoice lines of the last twelve months that carry money."""
    table = "billing.invoice_lines"
    lines = to_arrow(empty(table) if invoice_lines is None else invoice_lines, table, names)
    counts = pc.fill_null(pc.not_equal(lines["line_type"], "usage_subtotal"), True)
    if invoices is not None:
        heads = to_rows(invoices[["invoice_number", "status", "invoice_date"]])
        recent = pa.array(sorted(_invoice_dates(heads)), pa.string())
        counts = pc.and_(counts, pc.is_in(lines["invoice_number"], value_set=recent))
    return lines.filter(counts)


def grouped(keys: pa.Array, amounts: pa.ChunkedArray) -> Uses:
    """Return the use of each key: how many amounts, their sum, and whether any is not zero."""
    rows = pa.table(
        {
            "key": keys,
            "amount": amounts,
            "money": pc.fill_null(pc.not_equal(amounts, pa.scalar(Decimal(0), amounts.type)), False),
        }
    )
    sums = rows.group_by("key").aggregate([([], "count_all"), ("amount", "sum"), ("money", "any")])
    columns = {"lines": sums["count_all"], "amount": sums["amount_sum"], "money": sums["money_any"]}
    fitted = {name: pc.fill_null(columns[name].cast(_USE[name]), value) for name, value in _NOTHING.items()}
    return Uses(sums["key"].combine_chunks(), pa.table(fitted).combine_chunks())


def charge_key(contract_code: str | None, price_code: str | None) -> str:
    """Return the key of a charge as one text that no other key has.

    >>> charge_key("P:1", None), charge_key("P", "1:A")
    ('3:P:1', '1:P:1:A')
    """
    plan = contract_code or ""
    return f"{len(plan)}:{plan}" + ("" if price_code is None else f":{price_code}")


def charge_keys(contract_codes: pa.ChunkedArray, price_codes: pa.ChunkedArray) -> pa.Array:
    """Return the keys of many charges, as :func:`charge_key` makes them."""
    plans = pc.fill_null(contract_codes, "")
    lengths = pc.utf8_length(plans).cast(pa.string())
    codes = pc.fill_null(pc.binary_join_element_wise("", price_codes, ":"), "")
    keys = pc.binary_join_element_wise(lengths, plans, ":")
    return pc.binary_join_element_wise(keys, codes, "").combine_chunks()


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


def use_of_adjustments(adjustments: pd.DataFrame, payments: pd.DataFrame | None) -> dict[str, Use]:
    """Return the use of each kind of adjustment, and of refunds and chargebacks, by its name.

    A chargeback is a payment below zero that is no refund. Source: BluBilling page REF. A kind last used
    longer ago has a use of no lines.
    """
    rows = [(row["kind"], row["effective_date"], row["amount"]) for row in to_rows(adjustments)]
    for row in [] if payments is None else to_rows(payments):
        kind = "refund" if row["payment_type"] == "Refund" else "chargeback"
        if kind == "refund" or row["amount"] < 0:
            rows.append((kind, row["effective_date"], row["amount"]))
    after = _year_before(date for _, date, _ in rows)
    found: dict[str, Use] = {}
    for kind, date, amount in rows:
        use = found.setdefault(kind, Use())
        if after is None or (date is not None and date > after):
            use.add(amount)
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
