"""A generated company of any size, both of its sides, and an oracle that says how much must go where.

Everything is seeded; nothing is read from a file. What a row's fate is, and what QuickBooks must hold of each
customer at the end, is worked out here from what was planted, without a call of the toolkit's thinking.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import grown_billing as billing
import pandas as pd
from grown_billing import Fate, Year
from grown_books import CUTOVER, IMPORTED, NEW, VENDOR, ZERO, Books, make_books

from toolkit.rehearsal import Company
from toolkit.tables import TABLES, from_rows

Row = dict[str, Any]
COMPANY_FILE = r"C:\Books\Grown Company.qbw"
SETTINGS = {
    "cutover_date": CUTOVER.isoformat(),
    "deposit_accounts.Token": "Card Clearing",
    "deposit_accounts.CreditCard": "Card Clearing",
    "deposit_accounts.ACH": "ACH Clearing",
    "deposit_accounts.Paypal": "PayPal Clearing",
    "zero_tax_item": "No Tax",
    "number_rule": "strip:INV-",
    "credit_item": "House Credit",
    "carry_forward.plan": billing.CARRY,
    "carry_forward.price_code": billing.BALANCE,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a company is; `each` is how many there are of every odd kind of row."""

    customers: int = 900
    open_invoices: int = 600
    months: int = 12
    one_offs: int = 600
    each: int = 10

    @property
    def invoices(self) -> int:
        """BluBilling's invoices: monthly ones, a master a parent and month, one-offs, carried ones."""
        return self.customers * self.months + self.one_offs + self.open_invoices


class GrownCompany:
    """Both sides of a company, and what must become of them.

    Parameters
    ----------
    size : Size
        How large it is.
    seed : int
        The same seed, the same company.
    """

    def __init__(self, size: Size, seed: int = 20261231) -> None:
        self.size = size
        self.chance = random.Random(seed)
        self.books: Books = make_books(self.chance, size.customers, size.open_invoices)
        self.parties = {party.number: party for party in self.books.parties}
        self.decisions = billing.decisions(self.books)

    def quickbooks(self, clock: Any) -> Company:
        """Return the rehearsal company of these books, strict: it refuses books that do not add up."""
        frames = {f"quickbooks.{name}": rows for name, rows in self.books.tables.items()}
        tables: dict[str, pd.DataFrame] = {name: from_rows(name, rows) for name, rows in frames.items()}
        return Company.from_tables(tables, clock=clock, extra_names=[VENDOR], file_path=COMPANY_FILE)

    def before(self, folder: Path) -> list[Path]:
        """Write BluBilling's tables as they are before the carry-forward."""
        tables = {
            "customers": billing.customer_rows(self.books.parties),
            "plans": billing.plan_rows(),
            "charges": list(billing.charge_rows()),
        }
        return [_write(folder, name, rows) for name, rows in tables.items()]

    # --- the oracle of the carry-forward

    def carried(self) -> dict[str, Decimal]:
        """Return what must be carried: BluBilling's number to what was open at the cutover date.

        A number that is blank or stands twice among the open ones is QuickBooks' own transaction number.
        """
        rows = [row for row in self.books.tables["invoices"] if row["txn_id"] in self.books.opened]
        times = Counter(row["ref_number"] for row in rows)
        return {
            row["ref_number"]
            if row["ref_number"] and times[row["ref_number"]] == 1
            else f"QB-{row['txn_number']}": self.books.opened[row["txn_id"]]
            for row in rows
        }

    def open_by_account(self) -> dict[str, Decimal]:
        """Return what must be carried, by BluBilling's account."""
        accounts = {party.customer: party.number for party in self.books.parties if party.customer}
        sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for row in self.books.tables["invoices"]:
            if row["txn_id"] in self.books.opened:
                sums[accounts[row["customer_full_name"]]] += self.books.opened[row["txn_id"]]
        return dict(sums)

    # --- the year after

    def year(self, uploaded: list[dict[str, str]], last: dt.date = dt.date(2026, 12, 31)) -> Year:
        """Return BluBilling's year: its own billing, and the carried invoices that it was given.

        Parameters
        ----------
        uploaded : list of dict
            The rows of the upload file as BluBilling read them, by heading.
        last : datetime.date
            The last day on which somebody pays.
        """
        size, year = self.size, Year(self.books, random.Random(1))
        year.bill(size.months)
        credits = 2 * size.each
        year.one_offs(size.one_offs - credits, size.each)
        year.pay(last)
        unpaid = [
            row["invoice_number"]
            for row in year.tables["invoices"]
            if year.fates["billing.invoices", row["invoice_number"]].goes == "invoice"
            and row["invoice_number"] not in year.paid
            and row["current_amount_due"] > 0
        ]
        year.use_credits(credits)
        year.carried([_back(row) for row in uploaded])
        year.pay_carried(self._untouched(uploaded))
        year.odd_payments(size.each, frozenset(unpaid))
        year.adjust(size.each)
        _settle(year)
        return year

    def _untouched(self, uploaded: list[dict[str, str]]) -> frozenset[str]:
        """Return the carried numbers on which QuickBooks was paid nothing after the cutover."""
        since = {
            row["owner_txn_id"]
            for row in self.books.tables["linked_transactions"]
            if row["txn_date"] > CUTOVER
        }
        return frozenset(
            row["Invoice Number"]
            for row in uploaded
            if not any(f"TxnID {txn_id}" in row["Note"] for txn_id in since)
        )

    def after(self, year: Year, folder: Path) -> list[Path]:
        """Write BluBilling's tables as they are at the end of the year."""
        written = self.before(folder)
        return written + [_write(folder, name, rows) for name, rows in year.tables.items()]

    # --- the oracle of the export

    def balances(self, year: Year) -> dict[str, Decimal]:
        """Return what every QuickBooks customer must owe at the end, by full name.

        What stood there, with the year's invoices that must arrive, less credit memos and payments. The
        customer with a vendor's name is refused, and with it all that is his.
        """
        sums = {row["full_name"]: row["balance"] for row in self.books.tables["customers"]}
        refused = self.refused().number
        invoices = {row["invoice_number"]: row for row in year.tables["invoices"]}
        for table, key, column in (
            ("invoices", "invoice_number", "current_amount_due"),
            ("adjustments", "adjustment_id", "amount"),
        ):
            for row in year.tables[table]:
                fate = year.fates[f"billing.{table}", row[key]]
                if fate.goes in ("invoice", "credit_memo") and row["account_number"] != refused:
                    sign = -1 if table == "adjustments" else 1
                    self._add(sums, row["account_number"], sign * row[column])
        applied: dict[str, list[Row]] = defaultdict(list)
        for row in year.tables["payment_applications"]:
            applied[row["payment_number"]].append(row)
        for row in year.tables["payments"]:
            fate = year.fates["billing.payments", row["payment_number"]]
            if fate.goes == "payment" and row["account_number"] != refused:
                rest = row["amount"]
                for part in applied[row["payment_number"]]:
                    owner = invoices[part["invoice_number"]]["account_number"]
                    self._add(sums, owner, -part["amount_applied"])
                    rest -= part["amount_applied"]
                self._add(sums, row["account_number"], -rest)
        return sums

    def _add(self, sums: dict[str, Decimal], account: str, amount: Decimal) -> None:
        party = self.parties[account]
        name = party.customer or party.name
        sums[name] = sums.get(name, ZERO) + amount

    def refused(self) -> Any:
        """Return the new customer that QuickBooks refuses: his name is a vendor's."""
        return [party for party in self.books.parties if party.match == NEW][-1]


def totals(fates: dict[tuple[str, str], Fate], table: str) -> dict[str, tuple[int, Decimal]]:
    """Return rows and money of a table by where they go."""
    sums: dict[str, tuple[int, Decimal]] = {}
    for (name, _), fate in fates.items():
        if name == table:
            count, amount = sums.get(fate.goes, (0, ZERO))
            sums[fate.goes] = (count + 1, amount + fate.amount)
    return sums


def _back(row: dict[str, str]) -> Row:
    """Return an uploaded invoice as BluBilling shows it."""
    return {
        "invoice_number": row["Invoice Number"],
        "account_number": row["Customer Ref"],
        "invoice_date": _day(row["Invoice Date"]),
        "due_date": _day(row["Due Date"]),
        "billing_start": _day(row["Billing StartDate"]),
        "billing_end": _day(row["Billing EndDate"]),
        "status": row["Status"],
        "currency": "USD",
        "notes": row["Note"],
        "current_amount_due": Decimal(row["Current Amount Due"]),
        "invoice_kind": "normal",
    }


def _day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%m/%d/%Y").date() if "/" in text else dt.date.fromisoformat(text)


def _settle(year: Year) -> None:
    """Set the status of what is paid."""
    for row in year.tables["invoices"]:
        amount = row["current_amount_due"]
        if row["status"] == "Outstanding" and 0 < amount <= year.paid[row["invoice_number"]]:
            row["status"] = "Paid"


def _write(folder: Path, name: str, rows: list[Row]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    columns = [c for c in TABLES[f"billing.{name}"].names if any(row.get(c) is not None for row in rows)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_text(row.get(column)) for column in columns] for row in rows)
    return path


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


__all__ = ["IMPORTED", "GrownCompany", "Size", "totals"]
