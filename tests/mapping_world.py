"""A small company with every kind of thing to map, in memory: what the mapping workbook is made from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from toolkit import mapping
from toolkit.tables import TABLES, from_rows, to_rows
from toolkit.workbook import Frames, WorkbookRead, read_workbook, write_workbook

DAY = dt.date(2026, 1, 31)
WORKSPACE = "3f9d1c5e-world"
ITEMS = (
    ("I1", "Web", "Service", "Web Income", "Tax"),
    ("I2", "Web:Hosting", "Service", "Web Income", "Tax"),
    ("I3", "Setup Fee", "Service", "Setup Income", "Non"),
    ("I4", "00123", "NonInventory", "Parts Income", "Tax"),
    ("I5", "Credit given", "OtherCharge", "Discounts", "Non"),
    ("I6", "Rebate", "Discount", "Discounts", None),
    ("I7", "State Tax", "SalesTax", None, None),
    ("I8", "Old", "Service", "Web Income", "Tax"),
)
LISTS: dict[str, list[dict[str, Any]]] = {
    "quickbooks.items": [
        {
            **dict(zip(("list_id", "full_name", "item_type"), item[:3], strict=True)),
            **{"income_account_full_name": item[3], "sales_tax_code_full_name": item[4]},
            "is_active": item[1] != "Old",
        }
        for item in ITEMS
    ],
    "quickbooks.customers": [
        {"list_id": "C1", "full_name": "Acme, Inc."},
        {"list_id": "C2", "full_name": "John Smith"},
    ],
    "quickbooks.payment_methods": [
        {"list_id": "M1", "name": "Visa"},
        {"list_id": "M2", "name": "Cash"},
    ],
    "quickbooks.accounts": [
        {"list_id": "A1", "full_name": "Checking", "account_type": "Bank"},
        {"list_id": "A2", "full_name": "Undeposited Funds", "account_type": "OtherCurrentAsset"},
        {"list_id": "A3", "full_name": "Old Bank", "account_type": "Bank", "is_active": False},
        {"list_id": "A4", "full_name": "Web Income", "account_type": "Income"},
    ],
    "quickbooks.terms": [
        {"list_id": "T1", "name": "Net 30", "terms_type": "Standard", "std_due_days": 30},
        {"list_id": "T2", "name": "Net 60", "terms_type": "Standard", "std_due_days": 60},
    ],
    "quickbooks.sales_tax_codes": [{"list_id": "S1", "name": "Tax"}, {"list_id": "S2", "name": "Non"}],
}
CODES = (
    "HOST",
    "Setup Fee",
    "00123",
    "3-4",
    "1E5",
    "=x",
    "+1",
    "-1",
    "@x",
    " lead",
    "trail ",
    "\u0410cme",
    "a\nb",
)
NUMBERS: list[dict[str, Any]] = [
    {"number": "2026-0000012", "status": "problem", "reason": "12 characters; 11 fit", "ref_number": None},
    {"number": "1001", "status": "fits", "ref_number": "1001"},
    {"number": "1002", "status": "sent", "ref_number": "1002"},
]


@dataclass
class World:
    """The tables, and the decisions as a ledger would hold them."""

    held: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    codes: tuple[str, ...] = CODES
    stamp: str = "s1"

    def decided(self, table: str) -> pd.DataFrame:
        rows = self.held.get(table, {}).values()
        if table == "local_items":
            return from_rows("mapping.local_items", self.items)
        return from_rows(f"mapping.{table}", list(rows))

    def frames(self) -> Frames:
        """Return what both directions take."""
        lists = {name: from_rows(name, _fitting(name, rows)) for name, rows in LISTS.items()}
        items, local = lists["quickbooks.items"], self.decided("local_items")
        charges, lines = _charges(self.codes)
        bills = from_rows("billing.invoices", [_bill()])
        used = {"invoice_lines": from_rows("billing.invoice_lines", lines), "invoices": bills}
        billed = from_rows("billing.customers", _customers())
        paid = from_rows("billing.payments", [_payment("Y1", "CreditCard"), _payment("Y2", "Cash")])
        decided = self.decided("charge_items")
        matched = mapping.match_charges(
            charges, items, decided, local_items=local, tax_decisions=self.decided("taxes"), **used
        )
        adjusted = {"adjustment_id": "J1", "account_number": "007", "kind": "write_off", "amount": Decimal(9)}
        tables = {
            "match.charges": matched,
            "match.customers": mapping.match_customers(
                billed, lists["quickbooks.customers"], self.decided("customers"), invoices=bills
            ),
            "match.taxes": mapping.match_taxes(
                charges, items, self.decided("taxes"), charge_decisions=decided, **used
            ),
            "match.payment_methods": mapping.match_payment_methods(
                paid,
                lists["quickbooks.payment_methods"],
                self.decided("payment_methods"),
                accounts=lists["quickbooks.accounts"],
            ),
            "match.terms": mapping.match_terms(
                billed, lists["quickbooks.terms"], self.decided("terms"), invoices=bills
            ),
            "match.adjustments": mapping.match_adjustments(
                from_rows("billing.adjustments", [{**adjusted, "effective_date": DAY}]),
                items,
                self.decided("adjustments"),
                payments=paid,
                local_items=local,
            ),
            "match.numbers": from_rows("match.numbers", [self._number(row) for row in NUMBERS]),
            "match.changes": mapping.changes_in_blubilling(matched),
        }
        kept = {"mapping.local_items": local, "mapping.payment_methods": self.decided("payment_methods")}
        return Frames({**tables, **lists, **kept})

    def _number(self, row: dict[str, Any]) -> dict[str, Any]:
        key = ("invoice", row["number"])
        shown = {
            "record_kind": "invoice",
            "account_number": "007",
            "txn_date": DAY,
            "amount": Decimal("10.50"),
        }
        standing = self.held.get("numbers", {}).get(key)
        return {**shown, **row, **({**standing, "status": "decided"} if standing else {})}

    def write(self, path: Path) -> Path:
        write_workbook(path, self.frames(), company="Acme & Co", workspace_id=WORKSPACE, stamp=self.stamp)
        return path

    def read(self, path: Path, workspace_id: str = WORKSPACE) -> WorkbookRead:
        return read_workbook(path, self.frames(), workspace_id=workspace_id, stamp=self.stamp)

    def decide(self, table: str, *rows: dict[str, Any]) -> None:
        """Keep decisions as the ledger does: the newest of a key stands, one without a decision withdraws."""
        key = TABLES[f"mapping.{table}"].key
        for row in rows:
            held = self.held.setdefault(table, {})
            held.pop(tuple(row[name] for name in key), None)
            if row["decision"] is not None:
                held[tuple(row[name] for name in key)] = row
        self.stamp += "+"

    def take(self, read: WorkbookRead) -> None:
        """Do what the ledger does with what was read."""
        for item in read.items:
            self.items = [*(row for row in self.items if row["name"] != item["name"]), item]
        for table, rows in read.decisions.items():
            self.decide(table, *rows)


def _fitting(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = TABLES[name].names
    return [{column: value for column, value in row.items() if column in names} for row in rows]


def _charges(codes: tuple[str, ...]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    common = {"contract_code": "P1", "charge_type": "recurring"}
    rows = [{**common, "price_code": code, "invoice_text": f"text of {code!r}"} for code in codes]
    rows.append({**common, "price_code": "TAX", "is_tax": True, "invoice_text": "sales tax"})
    line: dict[str, Any] = {"invoice_number": "N1", "line_position": 1, "contract_code": "P1"}
    lines = [
        {**line, "charge_position": place, "price_code": code, "amount": Decimal(f"{place}.50")}
        for place, code in enumerate(codes, 1)
    ]
    outside = {"charge_position": 90, "price_code": "AVA", "line_type": "tax", "tax_name": "CA County"}
    return from_rows("billing.charges", rows), [*lines, {**line, **outside, "amount": Decimal("0.50")}]


def _bill() -> dict[str, Any]:
    bill = {"invoice_number": "N1", "account_number": "007", "status": "Paid", "invoice_date": DAY}
    return {**bill, "due_date": DAY, "current_amount_due": Decimal("100.00")}


def _customers() -> list[dict[str, Any]]:
    terms = {"terms_value": 30, "terms_units": "Days"}
    return [
        {"account_number": "007", "name": "Acme Inc", **terms},
        {"account_number": "008", "name": "Smith, John", **terms},
    ]


def _payment(number: str, method: str) -> dict[str, Any]:
    paid = {"payment_number": number, "account_number": "007", "payment_type": "Payment", "status": "Paid"}
    return {**paid, "method": method, "amount": Decimal(5), "effective_date": DAY}


# --- what an analyst does to a file -------------------------------------------------------------------------


def columns(page: Worksheet) -> dict[str, int]:
    return {str(cell.value): cell.column for cell in page[1] if cell.value is not None}


def edit(path: Path, title: str, key: str, **cells: Any) -> None:
    """Fill cells of the row that holds ``key`` anywhere among its first columns."""
    book = load_workbook(path)
    page = book[title]
    places = columns(page)
    rows = [row for row in range(2, page.max_row + 1) if key in [page.cell(row, c).value for c in (1, 2, 3)]]
    assert rows, f"no row {key} on {title}"
    for name, value in cells.items():
        page.cell(rows[0], places[name]).value = value
    book.save(path)


def enter(path: Path, **cells: Any) -> None:
    """Fill the first blank row of the sheet of items by hand."""
    book = load_workbook(path)
    page = book["Items by hand"]
    places = columns(page)
    row = next(row for row in range(2, page.max_row + 1) if page.cell(row, 1).value is None)
    for name, value in cells.items():
        page.cell(row, places[name]).value = value
    book.save(path)


def change(path: Path, what: Callable[[Workbook], None]) -> None:
    book = load_workbook(path)
    what(book)
    book.save(path)


def rules(read: WorkbookRead) -> list[tuple[str, str]]:
    return [(row["severity"], row["rule"]) for row in to_rows(read.findings)]


def taken(read: WorkbookRead) -> dict[str, list[tuple[Any, ...]]]:
    """Return by table the decisions that were read: what follows the key, decision first."""
    found = {}
    for table, rows in read.decisions.items():
        key = TABLES[f"mapping.{table}"].key
        found[table] = [(*(row.get(name) for name in key), row["decision"], row["note"]) for row in rows]
    return found
