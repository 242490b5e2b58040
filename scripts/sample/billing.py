"""BluBilling's tables as its spreadsheets: before the carry-forward, and after the first quarter."""

from __future__ import annotations

from pathlib import Path

from sample import names
from sample.basics import ZERO, Chance, Row, write_billing
from sample.catalog import charge_rows, plan_rows
from sample.invoicing import Quarter
from sample.names import Party
from sample.paying import Payments
from sample.receivables import Receivables
from toolkit.tables import TABLES


def write_tables(directory: Path, receivables: Receivables) -> None:
    """Write ``before/`` and ``after/`` below ``directory``."""
    chance = Chance()
    quarter = Quarter(chance, receivables)
    paid = Payments(chance, quarter)
    catalog = {"plans": plan_rows(), "charges": charge_rows()}
    before = {"customers": customer_rows(), **catalog}
    after = {
        "customers": [row | _figures(row["account_number"], quarter, paid) for row in customer_rows()],
        **catalog,
        "invoices": quarter.invoices,
        "invoice_lines": quarter.lines,
        "payments": paid.payments,
        "payment_applications": paid.applications,
        "adjustments": paid.adjustments,
    }
    for folder, tables in (("before", before), ("after", after)):
        for name, rows in tables.items():
            write_billing(directory / folder, TABLES[f"billing.{name}"], rows)


def customer_rows() -> list[Row]:
    """Return ``billing.customers`` without figures."""
    rows = []
    for index, party in enumerate(names.parties()):
        if not party.number:
            continue
        first, last = names.person(index)
        person = ", " in party.quickbooks
        if person:
            last, first = party.quickbooks.split(", ")
        rows.append(
            {
                "account_number": party.number,
                "blubilling_id": 20001 + index,
                "name": party.billing,
                "company_name": None if person else party.company or party.billing,
                "is_business": not person,
                "first_name": first,
                "last_name": last,
                "email": f"billing@{names.slug(party.quickbooks or party.new_name)}",
                "phone": f"512-555-{100 + index:04}",
                **_address(index, party),
                "terms_value": 15 if index % 5 == 2 else 30,
                "terms_units": "Days",
                "currency": "USD",
                "status": "Active" if party.active else "Inactive",
                "parent_account_number": party.parent or None,
                "tax_exempt": party.exempt,
            }
        )
    return rows


def _address(index: int, party: Party) -> Row:
    street, city, state, postal_code = names.address(index)
    if party.new_name == "Lodz Wegiel Logistyka":
        abroad = {"bill_street1": "ul. Klonowa 12", "bill_city": "Lodz", "bill_zip": "90-001"}
        return {**abroad, "bill_country": "Poland", "bill_country_code": "PL"}
    return {
        "bill_street1": street,
        "bill_street2": f"Suite {100 + index}" if index % 4 == 1 else None,
        "bill_city": city,
        "bill_state": state,
        "bill_zip": postal_code,
        "bill_country": "USA",
        "bill_country_code": "US",
    }


def _figures(account: str, quarter: Quarter, paid: Payments) -> Row:
    """Return the control totals of one account."""
    own = [row for row in quarter.invoices if row["account_number"] == account]
    posted = [row for row in own if row["status"] in ("Outstanding", "Paid")]
    payments = [row for row in paid.payments if row["account_number"] == account and row["status"] == "Paid"]
    received = [row for row in payments if row["payment_type"] == "Payment"]
    last_payment, last_invoice = (
        max(rows, key=lambda row: row[day], default=None)
        for rows, day in ((received, "effective_date"), (posted, "invoice_date"))
    )
    return {
        "outstanding_balance": paid.balance(account),
        "last_payment_amount": last_payment["amount"] if last_payment else ZERO,
        "last_payment_date": last_payment["effective_date"] if last_payment else None,
        "last_invoice_amount": last_invoice["current_amount_due"] if last_invoice else ZERO,
        "last_invoice_date": last_invoice["invoice_date"] if last_invoice else None,
        "lifetime_payments": sum((row["amount"] for row in received), ZERO),
    }
