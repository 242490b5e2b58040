"""A small company and its billing, as tables: every export test changes one thing in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.settings import Settings
from toolkit.tables import from_rows

Rows = dict[str, list[dict[str, Any]]]

JANUARY = {"start": dt.date(2026, 1, 1), "end": dt.date(2026, 1, 31)}
ALL = {"customers": True, "invoices": True, "payments": True, "credits": True}


def settings(**text: str) -> Settings:
    """Return settings with a cutover at the end of 2025; ``a__b`` stands for ``a.b``."""
    values = {"cutover_date": "2025-12-31", "deposit_accounts__ACH": "Card Clearing", **text}
    made = Settings()
    for key, value in values.items():
        made = made.with_text(key.replace("__", "."), value)
    return made


def day(number: int, month: int = 1, year: int = 2026) -> dt.date:
    return dt.date(year, month, number)


def item(list_id: str, name: str, kind: str = "Service", **more: Any) -> dict[str, Any]:
    row = {"list_id": list_id, "item_type": kind, "name": name, "full_name": name, "is_active": True}
    return row | more


def customer(account: str, name: str, **more: Any) -> dict[str, Any]:
    return {"account_number": account, "name": name, "status": "Active"} | more


def invoice(number: str, amount: str, **more: Any) -> dict[str, Any]:
    row = {
        "invoice_number": number,
        "account_number": "A1",
        "invoice_date": day(10),
        "due_date": day(9, 2),
        "status": "Outstanding",
        "current_amount_due": Decimal(amount),
    }
    return row | more


def line(number: str, amount: str, code: str = "Hosting", **more: Any) -> dict[str, Any]:
    row = {
        "invoice_number": number,
        "line_position": 1,
        "charge_position": 1,
        "contract_code": "P1",
        "price_code": code,
        "description": f"{code} January",
        "unit_price": Decimal(amount),
        "quantity": Decimal(1),
        "amount": Decimal(amount),
        "line_type": "charge",
    }
    return row | more


def payment(number: str, amount: str, **more: Any) -> dict[str, Any]:
    row = {
        "payment_number": number,
        "account_number": "A1",
        "payment_type": "Payment",
        "method": "ACH",
        "amount": Decimal(amount),
        "effective_date": day(20),
        "status": "Paid",
    }
    return row | more


def application(number: str, to: str, amount: str, seq: int = 1) -> dict[str, Any]:
    return {"payment_number": number, "invoice_number": to, "seq": seq, "amount_applied": Decimal(amount)}


def adjustment(number: str, amount: str, **more: Any) -> dict[str, Any]:
    row = {
        "adjustment_id": number,
        "account_number": "A1",
        "effective_date": day(15),
        "kind": "house_credit",
        "amount": Decimal(amount),
    }
    return row | more


def bound(kind: str, key: str, quickbooks_id: str, origin: str = "billing", **more: Any) -> dict[str, Any]:
    return {"record_kind": kind, "key": key, "origin": origin, "quickbooks_id": quickbooks_id} | more


def open_document(txn_id: str, amount: str, **more: Any) -> dict[str, Any]:
    """Return an invoice of QuickBooks of before the cutover, wholly open."""
    row = {"txn_id": txn_id, "customer_list_id": "C-1", "txn_date": day(20, 12, 2025)}
    return row | {"subtotal": Decimal(amount), "balance_remaining": Decimal(amount)} | more


def queued(key: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {"key": key, "job": 7, "request": "InvoiceAdd", "status": status} | more


def world() -> Rows:
    """Return a company where everything fits: one invoice, paid in part by one payment."""
    return {
        "quickbooks.company": [
            {
                "company_name": "Fabrikam",
                "default_taxable_code_full_name": "Tax",
                "default_non_taxable_code_full_name": "Non",
            }
        ],
        "quickbooks.accounts": [
            {"list_id": f"A-{n}", "name": name, "full_name": name, "account_type": kind, "is_active": True}
            for n, (name, kind) in enumerate(
                [
                    ("Accounts Receivable", "AccountsReceivable"),
                    ("Card Clearing", "OtherCurrentAsset"),
                    ("Undeposited Funds", "OtherCurrentAsset"),
                    ("Sales", "Income"),
                ]
            )
        ],
        "quickbooks.sales_tax_codes": [
            {"list_id": "T-1", "name": "Tax", "is_active": True, "is_taxable": True},
            {"list_id": "T-2", "name": "Non", "is_active": True, "is_taxable": False},
        ],
        "quickbooks.payment_methods": [
            {"list_id": "M-1", "name": "ACH", "is_active": True},
            {"list_id": "M-2", "name": "Cash", "is_active": True},
        ],
        "quickbooks.items": [
            item("I-1", "Hosting", sales_tax_code_full_name="Tax"),
            item("I-2", "Promo", "Discount"),
            item("I-3", "Sales Tax", "SalesTax", tax_rate=Decimal(10)),
            item("I-4", "No Tax", "SalesTax", tax_rate=Decimal(0)),
            item("I-5", "House Credit", "OtherCharge"),
        ],
        "quickbooks.customers": [
            {"list_id": "C-1", "name": "Acme", "full_name": "Acme", "is_active": True},
            {"list_id": "C-2", "name": "Bolt", "full_name": "Bolt", "is_active": True},
        ],
        "quickbooks.other_names": [{"list_id": "V-1", "kind": "Vendor", "name": "Paper Mill"}],
        "billing.customers": [customer("A1", "Acme"), customer("A2", "Bolt")],
        "billing.charges": [
            {"contract_code": "P1", "price_code": "Hosting", "charge_type": "recurring"},
            {"contract_code": "P1", "price_code": "Promo", "charge_type": "recurring", "is_discount": True},
            {"contract_code": "P1", "price_code": "Sales Tax", "charge_type": "recurring", "is_tax": True},
        ],
        "billing.invoices": [invoice("INV-1", "100.00")],
        "billing.invoice_lines": [line("INV-1", "100.00")],
        "billing.payments": [payment("P-1", "60.00")],
        "billing.payment_applications": [application("P-1", "INV-1", "60.00")],
    }


def frames(rows: Rows) -> Mapping[str, pd.DataFrame]:
    """Return rows as declared tables."""
    return {name: from_rows(name, listed) for name, listed in rows.items()}
