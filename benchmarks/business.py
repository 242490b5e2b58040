"""A company that bills and is paid: its lists as QuickBooks has them, and an export of documents to add."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

PASSWORD = "for-the-bench"
START = dt.datetime(2026, 1, 5, 9, 0)
CUSTOMERS = 500
LINES = 3
SET_SIZE = 50
_AR, _BANK, _INCOME, _ITEM, _FREE = (f"8000000{number}-1767603600" for number in range(1, 6))


def company() -> Any:
    """Return a simulated QuickBooks with customers, an item and accounts, and no document yet."""
    from toolkit.rehearsal import Company
    from toolkit.tables import from_rows

    def element(list_id: str, name: str, **more: Any) -> dict[str, Any]:
        stamps = {"edit_sequence": "1767603600", "time_created": START, "time_modified": START}
        return {"list_id": list_id, "name": name, "full_name": name, "is_active": True, **stamps, **more}

    income = {"income_account_list_id": _INCOME, "income_account_full_name": "Sales"}
    rows = {
        "quickbooks.accounts": [
            element(_AR, "Accounts Receivable", account_type="AccountsReceivable"),
            element(_BANK, "Checking", account_type="Bank"),
            element(_INCOME, "Sales", account_type="Income"),
        ],
        "quickbooks.sales_tax_codes": [element(_FREE, "Non", is_taxable=False)],
        "quickbooks.items": [element(_ITEM, "Hosting", item_type="Service", **income)],
        "quickbooks.customers": [
            element(_customer(number), f"Customer {number:04}", balance=Decimal("0.00"))
            for number in range(CUSTOMERS)
        ],
    }
    for row in rows["quickbooks.sales_tax_codes"]:
        del row["full_name"]
    frames = {name: from_rows(name, listed) for name, listed in rows.items()}
    return Company.from_tables(frames, clock=lambda: START)


def _customer(number: int) -> str:
    return f"{0x80001000 + number % CUSTOMERS:08X}-1767603600"


def invoices(count: int) -> Iterator[dict[str, Any]]:
    """Yield invoices of three lines as an export plans them (rows of ``plan.operations``)."""
    for number in range(1, count + 1):
        name = f"INV-2026-{number:06}"
        lines = [f"{10 + number % 90 + place}.25" for place in range(LINES)]
        total = str(sum(map(Decimal, lines)))
        fields = {
            "CustomerRef": {"ListID": _customer(number)},
            "ARAccountRef": {"ListID": _AR},
            "TxnDate": "2026-01-02",
            "RefNumber": name[-11:],
            "DueDate": "2026-02-01",
            "Memo": f"{name} [bb:invoice:{name}]",
            "InvoiceLineAdd": [
                {
                    "ItemRef": {"ListID": _ITEM},
                    "Desc": f"Hosting, server {number % 40} of {place + 1}",
                    "Quantity": "1",
                    "Amount": amount,
                    "SalesTaxCodeRef": {"ListID": _FREE},
                }
                for place, amount in enumerate(lines)
            ],
        }
        meant = {"subtotal": total, "tax": "0.00", "total": total, "due_date": "2026-02-01"}
        yield _row("invoice", name, "InvoiceAdd", fields, meant, total)


def payments(count: int) -> Iterator[dict[str, Any]]:
    """Yield the payments of those invoices, each in full."""
    for number, invoice in enumerate(invoices(count), 1):
        name, amount, first = f"PAY-2026-{number:06}", str(invoice["amount"]), invoice["key"]
        fields = {
            "CustomerRef": {"ListID": _customer(number)},
            "ARAccountRef": {"ListID": _AR},
            "TxnDate": "2026-01-03",
            "RefNumber": name[-11:],
            "TotalAmount": amount,
            "Memo": f"{name} [bb:payment:{name}]",
            "DepositToAccountRef": {"ListID": _BANK},
            "AppliedToTxnAdd": [{"TxnID": {"operation": first}, "PaymentAmount": amount}],
        }
        applied = [
            {"invoice_number": invoice["ref_number"], "txn_id": {"operation": first}, "amount": amount}
        ]
        meant = {"total_amount": amount, "unapplied": "0.00", "applied": applied}
        yield _row("payment", name, "ReceivePaymentAdd", fields, meant, amount, first)


def _row(
    kind: str,
    name: str,
    request: str,
    fields: dict[str, Any],
    meant: dict[str, Any],
    amount: str,
    *depends_on: str,
) -> dict[str, Any]:
    return {
        "key": f"{kind}:{name}",
        "request": request,
        "record_kind": kind,
        "depends_on": list(depends_on),
        "fields": json.dumps(fields),
        "expected": json.dumps(meant),
        "ref_number": fields["RefNumber"],
        "amount": Decimal(amount),
        "currency": "USD",
    }


def workspace(folder: Path, count: int, paid: int = 0) -> Any:
    """Return a workspace with an approved export: so many invoices, and payments of the first of them."""
    from toolkit import Workspace
    from toolkit.tables import from_rows

    ws = Workspace.create(folder, company="Acme", password=PASSWORD, rehearsal=True)
    rows = [*invoices(count), *payments(paid)]
    plan = [{"position": place, **row} for place, row in enumerate(rows, 1)]
    ws.ledger.add_export(from_rows("plan.operations", plan), approved_by="bench")
    return ws
