"""A small company file for the tests of the rehearsal, and short ways to ask it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pandas as pd
from lxml import etree

from toolkit import tables
from toolkit.rehearsal import Company

NOW = datetime(2026, 1, 5, 9, 0, 0)
MADE = datetime(2025, 6, 1, 8, 0, 0)
AR, BANK, INCOME, FUNDS = "80000001-1", "80000002-1", "80000003-1", "80000004-1"
ACME, JOB, OLD = "80000010-1", "80000011-1", "80000012-1"
HOSTING, RETIRED, GROUP, DISCOUNT, TAX, SUBTOTAL = (f"8000002{number}-1" for number in range(6))
TAXABLE, FREE = "80000030-1", "80000031-1"
NET30, CHECK = "80000040-1", "80000050-1"
OPEN, PAID, CREDIT, RECEIPT = "A1-1", "A2-1", "A3-1", "A4-1"


def _element(list_id: str, name: str, **more: Any) -> dict[str, Any]:
    head = {"list_id": list_id, "name": name, "is_active": True, "edit_sequence": "1748764800"}
    return head | {"time_created": MADE, "time_modified": MADE} | more


def _named(list_id: str, full_name: str, **more: Any) -> dict[str, Any]:
    name = full_name.rpartition(":")[2]
    return _element(list_id, name, full_name=full_name, sublevel=full_name.count(":")) | more


def _document(txn_id: str, number: str, day: date, **more: Any) -> dict[str, Any]:
    head = {"txn_id": txn_id, "ref_number": number, "txn_date": day, "edit_sequence": "1748764800"}
    head |= {"time_created": MADE, "time_modified": MADE, "customer_list_id": ACME, "ar_account_list_id": AR}
    return head | {"customer_full_name": "Acme", "ar_account_full_name": "Accounts Receivable"} | more


def _line(txn_id: str, amount: str) -> dict[str, Any]:
    own = {"txn_id": txn_id, "line_number": 1, "line_kind": "line", "txn_line_id": f"F{txn_id}"}
    return own | {"item_list_id": HOSTING, "item_full_name": "Hosting", "amount": Decimal(amount)}


ROWS: dict[str, list[dict[str, Any]]] = {
    "quickbooks.accounts": [
        _named(AR, "Accounts Receivable", account_type="AccountsReceivable"),
        _named(BANK, "Checking", account_type="Bank"),
        _named(INCOME, "Sales", account_type="Income"),
        _named(
            FUNDS,
            "Undeposited Funds",
            account_type="OtherCurrentAsset",
            special_account_type="UndepositedFunds",
        ),
    ],
    "quickbooks.sales_tax_codes": [
        _element(TAXABLE, "Tax", is_taxable=True),
        _element(FREE, "Non", is_taxable=False),
    ],
    "quickbooks.terms": [_element(NET30, "Net 30", terms_type="Standard", std_due_days=30)],
    "quickbooks.payment_methods": [_element(CHECK, "Check", payment_method_type="Check")],
    "quickbooks.items": [
        _named(
            HOSTING,
            "Hosting",
            item_type="Service",
            price=Decimal("12.50"),
            income_account_list_id=INCOME,
            income_account_full_name="Sales",
        ),
        _named(RETIRED, "Retired", item_type="Service", is_active=False),
        _element(GROUP, "Bundle", full_name="Bundle", item_type="Group"),
        _named(DISCOUNT, "Discount", item_type="Discount"),
        _element(TAX, "State", full_name="State", item_type="SalesTax", tax_rate=Decimal("6")),
        _element(SUBTOTAL, "Subtotal", full_name="Subtotal", item_type="Subtotal"),
    ],
    "quickbooks.customers": [
        _named(
            ACME,
            "Acme",
            terms_list_id=NET30,
            terms_full_name="Net 30",
            balance=Decimal("45.00"),
            total_balance=Decimal("45.00"),
            account_number="1001",
        ),
        _named(
            JOB,
            "Acme:Roof",
            parent_list_id=ACME,
            parent_full_name="Acme",
            balance=Decimal("0.00"),
            total_balance=Decimal("0.00"),
        ),
        _named(OLD, "Gone", is_active=False, balance=Decimal("0.00")),
    ],
    "quickbooks.customer_contacts": [
        {
            "customer_list_id": ACME,
            "list_id": "0000000000000b01",
            "time_created": MADE,
            "time_modified": MADE,
            "edit_sequence": "1748764800",
            "contact": "Zoë Hall",
            "first_name": "Zoë",
            "last_name": "Hall",
            "job_title": "Buyer",
        },
        {"customer_list_id": ACME, "list_id": "0000000000000b02", "first_name": "Ian Moss"},
        {"customer_list_id": JOB, "list_id": "0000000000000b03", "first_name": "Uma"},
    ],
    "quickbooks.customer_notes": [
        {"customer_list_id": ACME, "note_id": 0, "date": date(2025, 6, 2), "note": "Called.\nTwice."},
        {"customer_list_id": ACME, "note_id": 1, "date": date(2025, 6, 3), "note": "Paid."},
    ],
    "quickbooks.invoices": [
        _document(
            OPEN,
            "101",
            date(2025, 11, 3),
            subtotal=Decimal("100.00"),
            sales_tax_total=Decimal("0.00"),
            applied_amount=Decimal("0.00"),
            balance_remaining=Decimal("100.00"),
            is_paid=False,
            memo="Première facture",
        ),
        _document(
            PAID,
            "102",
            date(2025, 12, 3),
            subtotal=Decimal("80.00"),
            sales_tax_total=Decimal("0.00"),
            applied_amount=Decimal("-80.00"),
            balance_remaining=Decimal("0.00"),
            is_paid=True,
        ),
    ],
    "quickbooks.invoice_lines": [_line(OPEN, "100.00"), _line(PAID, "80.00")],
    "quickbooks.credit_memos": [
        _document(
            CREDIT,
            "C1",
            date(2025, 12, 10),
            subtotal=Decimal("25.00"),
            total_amount=Decimal("25.00"),
            credit_remaining=Decimal("25.00"),
        ),
    ],
    "quickbooks.credit_memo_lines": [_line(CREDIT, "25.00")],
    "quickbooks.payments": [
        _document(
            RECEIPT,
            "5501",
            date(2025, 12, 20),
            total_amount=Decimal("110.00"),
            unused_payment=Decimal("30.00"),
        )
    ],
    "quickbooks.payment_applications": [
        {"payment_txn_id": RECEIPT, "txn_id": PAID, "txn_type": "Invoice", "amount": Decimal("80.00")}
    ],
    "quickbooks.custom_fields": [
        {
            "owner_table": "quickbooks.customers",
            "owner_key": ACME,
            "owner_id": "0",
            "name": "Region",
            "type": "STR255TYPE",
            "value": "North",
        }
    ],
    "quickbooks.company": [
        {
            "company_name": "Test Works",
            "default_item_sales_tax_list_id": TAX,
            "default_item_sales_tax_full_name": "State",
            "closing_date": date(2024, 12, 31),
        }
    ],
}


def frames(**changes: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the tables; a keyword replaces one (``invoices=[...]``)."""
    rows = ROWS | {f"quickbooks.{name}": value for name, value in changes.items()}
    return {name: tables.from_rows(name, listed) for name, listed in rows.items()}


@cache
def _template() -> Company:
    return Company.from_tables(frames(), clock=lambda: NOW, extra_names=["Power & Light Co"])


def company() -> Company:
    """Return the company, new for every test (a copy: tables take their time)."""
    return copy.deepcopy(_template())


class Desk:
    """Someone who sends qbXML to the company and reads the answers."""

    def __init__(self, company: Company, check: Callable[[etree._Element], None] | None = None) -> None:
        self.company = company
        self.check = check
        self.last = ""

    def send(self, body: str, *, on_error: str = "continueOnError", attributes: str = "") -> etree._Element:
        """Return QBXMLMsgsRs."""
        self.last = self.company.process(document(body, on_error=on_error, attributes=attributes))
        root = etree.fromstring(self.last.encode("ascii"))
        if self.check is not None:
            self.check(root)
        return root[0]

    def ask(self, body: str) -> etree._Element:
        """Return the answer to one request."""
        (answer,) = self.send(body)
        return answer

    def code(self, body: str) -> int:
        """Return the status code of one request."""
        return int(self.ask(body).get("statusCode", ""))

    def total(self, list_id: str = ACME) -> Decimal:
        """Return a customer's own balance."""
        answer = self.ask(f"<CustomerQueryRq><ListID>{list_id}</ListID></CustomerQueryRq>")
        return Decimal(answer.findtext("CustomerRet/Balance") or "")

    def invoice(self, txn_id: str, *, links: bool = False) -> etree._Element:
        """Return one InvoiceRet."""
        wish = "<IncludeLinkedTxns>true</IncludeLinkedTxns>" if links else ""
        return self.ask(f"<InvoiceQueryRq><TxnID>{txn_id}</TxnID>{wish}</InvoiceQueryRq>")[0]


def document(
    body: str, *, on_error: str = "continueOnError", attributes: str = "", version: str = "13.0"
) -> str:
    """Return a qbXML document."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="{version}"?>\n'
        f'<QBXML><QBXMLMsgsRq onError="{on_error}"{attributes}>{body}</QBXMLMsgsRq></QBXML>'
    )


def ref(tag: str, list_id: str) -> str:
    """Return a reference."""
    return f"<{tag}><ListID>{list_id}</ListID></{tag}>"


def customer(name: str, more: str = "") -> str:
    """Return a CustomerAdd."""
    return f"<CustomerAddRq><CustomerAdd><Name>{name}</Name>{more}</CustomerAdd></CustomerAddRq>"


def invoice(
    lines: str, *, list_id: str = ACME, head: str = "", account: str = AR, day: str = "2026-01-02"
) -> str:
    """Return an InvoiceAdd."""
    return (
        f"<InvoiceAddRq><InvoiceAdd>{ref('CustomerRef', list_id)}{ref('ARAccountRef', account)}"
        f"<TxnDate>{day}</TxnDate>{head}{lines}</InvoiceAdd></InvoiceAddRq>"
    )


def line(more: str, item: str = HOSTING) -> str:
    """Return an InvoiceLineAdd."""
    return f"<InvoiceLineAdd>{ref('ItemRef', item)}{more}</InvoiceLineAdd>"


def payment(total: str, *applied: tuple[str, str], list_id: str = ACME, head: str = "") -> str:
    """Return a ReceivePaymentAdd; ``applied`` are pairs of TxnID and amount."""
    rows = "".join(
        f"<AppliedToTxnAdd><TxnID>{txn_id}</TxnID><PaymentAmount>{amount}</PaymentAmount></AppliedToTxnAdd>"
        for txn_id, amount in applied
    )
    customer_ref = ref("CustomerRef", list_id)
    return (
        f"<ReceivePaymentAddRq><ReceivePaymentAdd>{customer_ref}<TotalAmount>{total}</TotalAmount>"
        f"{head}{rows or '<IsAutoApply>false</IsAutoApply>'}</ReceivePaymentAdd></ReceivePaymentAddRq>"
    )
