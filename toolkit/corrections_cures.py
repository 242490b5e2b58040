"""What could stand in an offending cell, and what QuickBooks takes there; never applied by itself."""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd

from toolkit.checks_rows import outside_windows_1252, proposed_spelling, shortened
from toolkit.corrections import CORRECTABLE, value_text
from toolkit.corrections_checked import Cell, SourceRows, misfit
from toolkit.source_places import column_limit
from toolkit.tables import TABLES, to_rows

__all__ = ["Limits", "cure", "split_address"]

Row = Mapping[str, Any]
CENT = Decimal("0.01")
_NOT_FREE = {"name_taken", "name_in_use"}

# As the postal service writes them (USPS publication 28, appendix C), so that a street fits its line.

_SHORTER = {
    "Avenue": "Ave", "Boulevard": "Blvd", "Building": "Bldg", "Court": "Ct", "Department": "Dept",
    "Drive": "Dr", "East": "E", "Floor": "Fl", "Highway": "Hwy", "Lane": "Ln", "North": "N",
    "Northeast": "NE", "Northwest": "NW", "Parkway": "Pkwy", "Place": "Pl", "Road": "Rd", "Room": "Rm",
    "South": "S", "Southeast": "SE", "Southwest": "SW", "Square": "Sq", "Street": "St", "Suite": "Ste",
    "West": "W",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """The days that limit dates.

    Parameters
    ----------
    cutover : datetime.date or None
        Documents dated on or before it belong to QuickBooks.
    closing : datetime.date or None
        QuickBooks' books are closed up to it.
    """

    cutover: dt.date | None
    closing: dt.date | None

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame], cutover: dt.date | None) -> Limits:
        """Return the limits of a company."""
        company = to_rows(tables["quickbooks.company"]) if "quickbooks.company" in tables else []
        return cls(cutover, company[0].get("closing_date") if company else None)

    def words(self, cell: Cell, rules: Sequence[str]) -> str | None:
        """Return what QuickBooks takes in a cell, in words."""
        table, _, column = cell
        said = []
        longest = column_limit(table, column)
        if longest is not None:
            said.append(f"at most {longest} characters")
        if "characters" in rules:
            said.append("Windows-1252 only")
        if "name_colon" in rules:
            said.append("no colon")
        if _NOT_FREE & set(rules):
            said.append("a name that nobody has")
        if "closed_period" in rules:
            said.append(f"after {self.closing}" if self.closing else "after the closing date")
        if "application_negative" in rules:
            said.append("above zero")
        return "; ".join(said) or None


def cure(cell: Cell, rules: Sequence[str], value: str | None, rows: SourceRows, limits: Limits) -> str | None:
    """Return a value that would cure a cell, as text; ``None`` where none can be said.

    Parameters
    ----------
    cell : (str, str, str)
        Table, key and column.
    rules : sequence of str
        What is wrong with it.
    value : str or None
        What stands there.
    rows : SourceRows
        The tables as they count.
    limits : Limits
        The days that limit dates.
    """
    table, key, column = cell
    row = rows.of(table)[key]
    if "closed_period" in rules and limits.closing:
        # What is QuickBooks' by its date stays so: it is carried forward.
        ours = limits.cutover is None or row[column] is None or row[column] > limits.cutover
        return str(limits.closing + dt.timedelta(days=1)) if ours else None
    if {"lines_sum", "payment_sum"} & set(rules):
        return _sum(cell, row, rows)
    if str(TABLES[table].column(column).type) != "string":
        return None
    if column == "check_number" and value is None:
        number: str = row["payment_number"]
        longest = column_limit(table, column) or len(number)
        return number[-longest:] if len(number) > longest else None
    if value is None:
        return None
    proposed = _text(cell, rules, value, row)
    return proposed if proposed != value and misfit(table, column, proposed) is None else None


def _text(cell: Cell, rules: Sequence[str], value: str, row: Row) -> str:
    """Return a text that fits: other spelling, no colon, a name of its own, words left away."""
    table, _, column = cell
    text = proposed_spelling(value) if outside_windows_1252(value) else value
    if "name_colon" in rules:
        text = text.replace(":", " -")
    longest = column_limit(table, column)
    if _NOT_FREE & set(rules) and row.get("account_number"):
        end = f" {row['account_number']}"
        return shortened(text, (longest or 41) - len(end)) + end
    if longest is None or len(text) <= longest:
        return text
    if "street" in column:
        # A cut address reaches nobody: only words that have a shorter form are put shorter.
        return _abbreviated(text)
    return shortened(text, longest)


def _abbreviated(text: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda found: _SHORTER.get(found[0], found[0]), text)


def split_address(row: Row, first: str, second: str) -> tuple[str, str] | None:
    """Return a street over both lines of an address, with every word of it; ``None`` where there is no room.

    >>> street = "Calibration Hall North, 1280 Harbour Promenade, Building Four"
    >>> split_address({"bill_street1": street, "bill_street2": "Suite 9"}, "bill_street1", "bill_street2")
    ('Calibration Hall North, 1280 Harbour', 'Promenade, Building Four, Suite 9')
    """
    street, below = row[first] or "", row[second] or ""
    if outside_windows_1252(street + below):
        street, below = proposed_spelling(street), proposed_spelling(below)
    room = column_limit(CORRECTABLE[0], first) or 41
    if len(street) <= room:
        return None
    for text in (street, _abbreviated(street)):
        if len(text) <= room:
            return text, below
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        rest = ", ".join(filter(None, [" ".join(lines[1:]), below]))
        if len(lines[0]) <= room and len(rest) <= room:
            return lines[0], rest
    return None


def _sum(cell: Cell, row: Row, rows: SourceRows) -> str | None:
    """Return the amount with which the sums tie, where one cell alone can be the wrong one."""
    table, key, column = cell
    shown = TABLES[table].column(column)
    if (table, column) == ("billing.invoices", "current_amount_due"):
        total = sum((line["amount"] for line in posted(rows, key)), Decimal(0))
        return value_text(shown, total.quantize(CENT))
    if (table, column) == ("billing.payments", "unapplied_balance"):
        applied = rows.below("billing.payment_applications", key)
        rest = row["amount"] - sum((each["amount_applied"] for each in applied), Decimal(0))
        return value_text(shown, rest.quantize(CENT)) if rest >= 0 and rest != row[column] else None
    if (table, column) == ("billing.invoice_lines", "amount"):
        header = rows.of("billing.invoices").get(row["invoice_number"])
        if header is None or row not in posted(rows, row["invoice_number"]):
            return None
        others = [line for line in posted(rows, row["invoice_number"]) if line is not row]
        wanted = header["current_amount_due"] - sum((line["amount"] for line in others), Decimal(0))
        priced = None
        if row["unit_price"] is not None and row["quantity"] is not None:
            priced = (row["unit_price"] * row["quantity"]).quantize(CENT, ROUND_HALF_UP)
        # Only where its own price says so too: which of several lines is wrong is not guessed.
        return value_text(shown, wanted.quantize(CENT)) if priced == wanted else None
    return None


def posted(rows: SourceRows, invoice: str) -> list[Row]:
    """Return the lines of an invoice that sum to its charges: usage subtotals do not count."""
    lines = rows.below("billing.invoice_lines", invoice)
    return [line for line in lines if line["line_type"] != "usage_subtotal"]
