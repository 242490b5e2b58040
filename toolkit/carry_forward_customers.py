"""BluBilling's customer upload, fields 1-25, for QuickBooks customers with open items that it lacks.

Nothing is guessed: a name or an address that QuickBooks lacks is a finding, and the customer stays out. The
balances follow BluBilling's own equation, Outstanding = Previous + Current - Last Payment, where outstanding
is what is open on the invoices that are carried. Cards and bank accounts (field 26 on) are never written.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.carry_forward_files import guarded, is_formula
from toolkit.checks_books import Books
from toolkit.receivables import ZERO
from toolkit.tables import finding, from_rows

__all__ = ["LEFT_TO_PEOPLE", "plan_customers"]

Row = Mapping[str, Any]
REQUIRED = {"First Name": "first_name", "Last Name": "last_name", "Primary Email": "email"}
LEFT_TO_PEOPLE = ("Last Payment Date", "Last Invoiced Date")
"""Required by BluBilling, and blank where QuickBooks knows of no payment or no invoice."""
SHORTEST_LOGIN = 6
LONGEST_ACCOUNT = 50
"""Of BluBilling's account numbers; QuickBooks' own may have 99 characters."""


def plan_customers(
    documents: Sequence[Row], books: Books, cutover: dt.date
) -> tuple[pd.DataFrame, list[dict[str, str | None]]]:
    """Return ``carry_forward.customers`` without passwords, and what stands against single customers.

    Parameters
    ----------
    documents : sequence of mapping
        What was open at the cutover, with ``account_number``: null where no account is matched.
    books : Books
    cutover : datetime.date
        Payments after it are BluBilling's.
    """
    mine: dict[str, list[Row]] = defaultdict(list)
    matched = {row["customer_list_id"] for row in books.customer_matches.values()}
    for row in documents:
        list_id = row["customer_list_id"]
        if row["account_number"] is None and list_id in books.quickbooks_customers and list_id not in matched:
            mine[list_id].append(row)
    accounts = _accounts(sorted(mine), books)
    paid = _last_payments(books, cutover)
    rows, found = [], []
    for list_id in sorted(mine, key=lambda each: accounts[each]):
        customer = books.quickbooks_customers[list_id]
        stopped = [*_missing(customer), *_too_long(customer, accounts[list_id])]
        found += stopped
        row = _row(customer, accounts[list_id], mine[list_id], paid.get(list_id), books)
        found += [] if stopped else [*_blanks(customer, row), *_foreign(customer, mine[list_id], books)]
        rows += [] if stopped else [row]
    return from_rows("carry_forward.customers", rows), found


def _accounts(list_ids: Sequence[str], books: Books) -> dict[str, str]:
    """Return the account number of each customer: QuickBooks' own where that is one, else one that is made.

    It is made of the ListID, so that it is the same one next time.
    """
    own = {each: (books.quickbooks_customers[each]["account_number"] or "").strip() for each in list_ids}
    used = {number.strip().casefold() for number in books.billing_customers}
    every = [(row["account_number"] or "").strip().casefold() for row in books.quickbooks_customers.values()]
    return {
        list_id: number
        if number
        and not is_formula(number)
        and every.count(number.casefold()) == 1
        and number.casefold() not in used
        else f"QB-{list_id}"
        for list_id, number in own.items()
    }


def _last_payments(books: Books, cutover: dt.date) -> dict[str, Row]:
    last: dict[str, Row] = {}
    for row in sorted(
        books.rows("quickbooks.payments"), key=lambda each: (str(each["txn_date"]), each["txn_id"])
    ):
        if row["txn_date"] and row["txn_date"] <= cutover and row["total_amount"]:
            last[row["customer_list_id"]] = row
    return last


def _missing(customer: Row) -> Iterator[dict[str, str | None]]:
    for field, column in REQUIRED.items():
        if not (customer[column] or "").strip():
            yield finding(
                "error",
                "customer_field",
                f"BluBilling requires {field}, QuickBooks has none for {customer['full_name']}: enter it "
                "there and import customers again; until then it is not in the file",
                table="quickbooks.customers",
                key=customer["list_id"],
                column=column,
                suggestion="toolkit import customers",
            )


def _too_long(customer: Row, account: str) -> Iterator[dict[str, str | None]]:
    if len(account) > LONGEST_ACCOUNT:
        yield finding(
            "error",
            "customer_field",
            f"account number {account} has {len(account)} characters, BluBilling takes {LONGEST_ACCOUNT}: "
            "shorten it in QuickBooks and import customers again; until then it is not in the file",
            table="quickbooks.customers",
            key=customer["list_id"],
            column="account_number",
            value=account,
            suggestion="toolkit import customers",
        )


def _foreign(customer: Row, open_ones: Sequence[Row], books: Books) -> Iterator[dict[str, str | None]]:
    codes = sorted({row["currency"] for row in open_ones} - {books.home_currency})
    if codes:
        yield finding(
            "warning",
            "customer_currency",
            f"what is open of {customer['full_name']} is in {', '.join(codes)}, and BluBilling's file has no "
            f"currency: set it in BluBilling before the invoices are uploaded, or they count as "
            f"{books.home_currency}",
            table="quickbooks.customers",
            key=customer["list_id"],
            column="currency_full_name",
            value=customer["currency_full_name"],
        )


def _blanks(customer: Row, row: Row) -> Iterator[dict[str, str | None]]:
    for name in LEFT_TO_PEOPLE:
        if row[name] is None:
            yield finding(
                "warning",
                "customer_field",
                f"BluBilling requires {name}, and QuickBooks has nothing of {customer['full_name']} to "
                "take it from: it is blank",
                table="quickbooks.customers",
                key=customer["list_id"],
                column=name,
            )


def _row(
    customer: Row, account: str, open_ones: Sequence[Row], paid: Row | None, books: Books
) -> dict[str, Any]:
    invoices = sorted(
        (row for row in open_ones if row["record_kind"] == "invoice"),
        key=lambda row: (row["txn_date"], row["txn_id"]),
    )
    outstanding = sum((row["open_amount"] for row in invoices), ZERO)
    current = invoices[-1]["open_amount"] if invoices else ZERO
    payment: Decimal = paid["total_amount"] if paid else ZERO
    form = books.settings["carry_forward.date_format"]
    street, suite = _street(customer)
    text = {
        "First Name": customer["first_name"],
        "Last Name": customer["last_name"],
        "Company Name": customer["company_name"],
        "Account Number": account,
        "Primary Email": customer["email"],
        "Login": _login(account),
        "Street": street,
        "Suite/Dept": suite,
        "City": customer["bill_address_city"],
        "State": customer["bill_address_state"],
        "Zip": customer["bill_address_postal_code"],
        "Country": customer["bill_address_country"],
        "Primary Phone": customer["phone"],
    }
    money = {
        "Outstanding Balance": outstanding,
        "Previous Balance": outstanding - current + payment,
        "Current Balance": current,
        "Last Payment Amount": payment,
        "Last Invoice Amount": invoices[-1]["amount"] if invoices else ZERO,
        # Of the time before the first import nothing is known, and BluBilling asks for 0.00 then.
        "Lifetime Payments": ZERO,
        "Lifetime Value": ZERO,
    }
    dates = {
        "Last Payment Date": paid["txn_date"].strftime(form) if paid else None,
        "Last Invoiced Date": invoices[-1]["txn_date"].strftime(form) if invoices else None,
    }
    shown = {name: guarded((value or "").strip() or None) for name, value in text.items()}
    return {**shown, **{name: f"{value:.2f}" for name, value in money.items()}, **dates}


def _login(account: str) -> str:
    """Return a login that is as unique as the account number, and long enough.

    >>> _login("7"), _login("BW-1001")
    ('qbuser-7', 'qb-BW-1001')
    """
    login = f"qb-{account}"
    return login if len(login) >= SHORTEST_LOGIN else f"qbuser-{account}"


def _street(customer: Row) -> tuple[str | None, str | None]:
    """Return street and suite: the lines of the address without the names that QuickBooks puts above them."""
    names = {
        (customer[name] or "").strip().casefold() for name in ("name", "full_name", "company_name", "contact")
    }
    names.add(f"{customer['first_name'] or ''} {customer['last_name'] or ''}".strip().casefold())
    every = [(customer[f"bill_address_addr{place}"] or "").strip() for place in range(1, 6)]
    lines = [line for line in every if line and line.casefold() not in names]
    return (lines[0] if lines else None), (", ".join(lines[1:]) or None)
