"""The mapping workbook: what goes out comes back, and what an analyst does to it on the way."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from toolkit import mapping
from toolkit.errors import InputFileError
from toolkit.tables import from_rows, to_rows
from toolkit.workbook import Frames, WorkbookRead, read_workbook, write_workbook
from toolkit.workbook_sheets import from_cell, to_cell

ODD = [
    "00123",
    "1E5",
    "=x",
    "=1+1",
    "+1",
    "-1",
    "@x",
    "'q",
    " lead",
    "trail ",
    "TRUE",
    "#N/A",
    "1.50",
    "2026-01-31",
]
ODD += ["a\nb", "_x0041_", "Søn", "a\u00a0b", "=", "\u0410BC", "a\tb", "_x005F"]


@dataclass
class Cutover:
    """A small cutover in memory: the tables, and the decisions as a ledger would hold them."""

    more_lines: list[dict[str, Any]] = field(default_factory=list)
    codes: list[str | None] = field(default_factory=lambda: ["HOST", "SETUP", "DISC", "Support"])
    held: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"charge_items": [], "customers": [], "payment_methods": []}
    )
    item_names: dict[str, str] = field(
        default_factory=lambda: {"I1": "Web:Hosting", "I2": "Setup Fee", "I3": "Support", "I4": "00123"}
    )
    stamp: str = "s1"

    def frames(self) -> Frames:
        """Return what both directions take."""
        lists = {
            "items": "items",
            "quickbooks_customers": "customers",
            "quickbooks_methods": "payment_methods",
        }
        tables = self.tables()
        named = {f"quickbooks.{name}": tables[of] for of, name in lists.items()}
        for name in ("charges", "customers", "taxes", "payment_methods"):
            named[f"match.{name}"] = tables[name]
        return Frames(named)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the matches, and what may be chosen."""
        items = [
            {"list_id": key, "full_name": name, "item_type": "Service"}
            for key, name in self.item_names.items()
        ]
        items += [
            {"list_id": "D1", "full_name": "Rebate", "item_type": "Discount"},
            {"list_id": "G1", "full_name": "Bundle", "item_type": "Group"},
            {"list_id": "O1", "full_name": "Old", "item_type": "Service", "is_active": False},
            {"list_id": "T1", "full_name": "State Tax", "item_type": "SalesTax"},
        ]
        charges = [{"price_code": code} for code in self.codes]
        charges[2:3] = [{"price_code": code, "is_discount": True} for code in self.codes[2:3]]
        charges.append({"price_code": "TAX", "is_tax": True})
        common = {"contract_code": "P1", "charge_type": "recurring"}
        customers = [
            {"account_number": "007", "name": "Acme Inc"},
            {"account_number": "008", "name": "Smith, John"},
        ]
        theirs = [{"list_id": "C1", "full_name": "Acme, Inc."}, {"list_id": "C2", "full_name": "John Smith"}]
        methods = [{"list_id": "M1", "name": "Visa"}, {"list_id": "M2", "name": "Old", "is_active": False}]
        paid = {
            "payment_number": "Y1",
            "account_number": "007",
            "payment_type": "Payment",
            "method": "CreditCard",
        }
        paid |= {"amount": Decimal(5), "effective_date": dt.date(2026, 1, 31), "status": "Paid"}
        line: dict[str, Any] = {"invoice_number": "N1", "line_position": 1, "contract_code": "P1"}
        bill = {"invoice_number": "N1", "account_number": "007", "status": "Paid"}
        day = dt.date(2026, 1, 31)
        lines: list[dict[str, Any]] = [
            {**line, "charge_position": 1, "price_code": "SETUP", "amount": Decimal("9.50")},
            {**line, "charge_position": 2, "price_code": "HOST", "amount": Decimal("1.00")},
        ]
        lines += [{**line, **more} for more in self.more_lines]
        bill |= {"invoice_date": day, "due_date": day, "current_amount_due": Decimal("10.50")}
        frames = {
            "items": from_rows("quickbooks.items", items),
            "quickbooks_customers": from_rows("quickbooks.customers", theirs),
            "quickbooks_methods": from_rows("quickbooks.payment_methods", methods),
        }
        invoices = from_rows("billing.invoices", [bill])
        return {
            **frames,
            "taxes": mapping.match_taxes(
                from_rows("billing.charges", [{**common, **row} for row in charges]),
                frames["items"],
                from_rows("mapping.taxes", []),
                charge_decisions=from_rows("mapping.charge_items", self.held["charge_items"]),
            ),
            "charges": mapping.match_charges(
                from_rows("billing.charges", [{**common, **row} for row in charges]),
                frames["items"],
                from_rows("mapping.charge_items", self.held["charge_items"]),
                invoice_lines=from_rows("billing.invoice_lines", lines),
                invoices=invoices,
            ),
            "customers": mapping.match_customers(
                from_rows("billing.customers", customers),
                frames["quickbooks_customers"],
                from_rows("mapping.customers", self.held["customers"]),
                invoices=invoices,
            ),
            "payment_methods": mapping.match_payment_methods(
                from_rows("billing.payments", [paid]),
                frames["quickbooks_methods"],
                from_rows("mapping.payment_methods", self.held["payment_methods"]),
            ),
        }

    def write(self, path: Path) -> Path:
        write_workbook(path, self.frames(), company="Acme & Co", workspace_id="w1", stamp=self.stamp)
        return path

    def read(self, path: Path, workspace_id: str = "w1") -> WorkbookRead:
        return read_workbook(path, self.frames(), workspace_id=workspace_id, stamp=self.stamp)

    def decide(self, table: str, *rows: dict[str, Any]) -> None:
        """Keep decisions as the ledger does: the newest of a key stands, one without a decision withdraws."""
        key = {"charge_items": "price_code", "customers": "account_number", "payment_methods": "method"}[
            table
        ]
        for row in rows:
            self.held[table] = [old for old in self.held[table] if old[key] != row[key]]
            if row["decision"] is not None:
                self.held[table].append(row)
        self.stamp += "+"

    def take(self, read: WorkbookRead) -> None:
        for table, rows in read.decisions.items():
            self.decide(table, *rows)


@pytest.fixture
def cutover() -> Cutover:
    return Cutover()


@pytest.fixture
def path(tmp_path: Path, cutover: Cutover) -> Path:
    return cutover.write(tmp_path / "mappings.xlsx")


def columns(page: Worksheet) -> dict[str, int]:
    return {str(cell.value): cell.column for cell in page[1] if cell.value is not None}


def edit(path: Path, title: str, key: str, **cells: Any) -> None:
    """Fill cells of the row that holds ``key`` in its last key column."""
    book = load_workbook(path)
    page = book[title]
    places = columns(page)
    key_column = next(places[name] for name in ("price_code", "account_number", "method") if name in places)
    rows = [row for row in range(2, page.max_row + 1) if page.cell(row, key_column).value == key]
    assert rows, f"no row {key} on {title}"
    for row in rows:
        for name, value in cells.items():
            page.cell(row, places[name]).value = value
    book.save(path)


def change(path: Path, what: Callable[[Workbook], None]) -> None:
    book = load_workbook(path)
    what(book)
    book.save(path)


def rules(read: WorkbookRead) -> list[tuple[str, str]]:
    return [(row["severity"], row["rule"]) for row in to_rows(read.findings)]


def decided(read: WorkbookRead, table: str = "charge_items") -> list[tuple[Any, ...]]:
    prefix = {"charge_items": "item", "customers": "customer", "payment_methods": "payment_method"}[table]
    key = {"charge_items": "price_code", "customers": "account_number", "payment_methods": "method"}[table]
    return [
        (row[key], row["decision"], row[f"{prefix}_list_id"], row["note"])
        for row in read.decisions.get(table, [])
    ]


# --- what is written ----------------------------------------------------------------------------------------


def test_the_sheets_show_problems_first_and_most_money_first(path: Path) -> None:
    book = load_workbook(path)
    assert book.sheetnames == [
        "Read me",
        "Charges",
        "Customers",
        "Taxes",
        "Payment methods",
        "Terms",
        "Adjustments",
        "Items by hand",
        "Numbers",
        "Change in BluBilling",
        "Items",
        "_names",
        "_toolkit",
    ]
    assert [page.title for page in book if page.sheet_state == "hidden"] == ["_names", "_toolkit"]
    page = book["Charges"]
    place = columns(page)["price_code"]
    assert [page.cell(row, place).value for row in range(2, 6)] == ["SETUP", "HOST", "DISC", "Support"]
    assert (page.freeze_panes, page.auto_filter.ref) == ("C2", "A1:V5")
    assert not page.protection.sheet
    place = columns(page)["decision"]
    assert {page.cell(row, place).fill.fgColor.rgb for row in (2, 5)} == {"00FFF6D6"}
    assert page.cell(2, columns(page)["amount"]).value == 9.5
    assert [book["Taxes"].cell(2, 2).value, book["Taxes"].max_row] == ["TAX", 2]


def test_the_drop_down_offers_every_usable_name_and_no_other(path: Path) -> None:
    book = load_workbook(path)
    offers = {
        title: [cell.value for cell in column[1:] if cell.value]
        for column in book["_names"].columns
        for title in [column[0].value]
    }
    assert offers["Charges"] == ["(none)", "00123", "Rebate", "Setup Fee", "Support", "Web:Hosting"]
    assert offers["Taxes"] == ["(none)", "State Tax"]
    assert offers["Customers"] == ["(new)", "(none)", "Acme, Inc.", "John Smith"]
    assert offers["Payment methods"] == ["(none)", "Visa"]
    [offer] = book["Customers"].data_validations.dataValidation
    assert offer.formula1 == "'_names'!$B$2:$B$5"
    assert str(offer.sqref) == "G2:G3"


def test_every_text_is_text(tmp_path: Path) -> None:
    cutover = Cutover(codes=list(ODD))
    page = load_workbook(cutover.write(tmp_path / "x.xlsx"))["Charges"]
    place = columns(page)["price_code"]
    cells = [page.cell(row, place) for row in range(2, page.max_row + 1)]
    assert {cell.data_type for cell in cells} == {"s"} and {cell.number_format for cell in cells} == {"@"}
    assert sorted(from_cell(str(cell.value)) for cell in cells) == sorted(ODD)
    read = cutover.read(tmp_path / "x.xlsx")
    assert (read.decisions, rules(read), read.unchanged) == ({}, [], len(ODD) + 4)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"(_x00[0-9A-F]{2}|_|\x01|\r){1,4}"))
def test_any_text_fits_a_cell_and_comes_back(text: str) -> None:
    stored = to_cell(text)
    assert from_cell(stored) == text
    assert not any(ord(c) < 32 and c not in "\t\n" for c in stored)


def test_any_text_survives_the_file(tmp_path: Path) -> None:
    codes: list[str | None] = [
        "\x00",
        "\r",
        "a\r\nb",
        "\x1f",
        "_x0041\x01",
        "\ufffe",
        " \n ",
        "\U0001f600",
        "_",
    ]
    cutover = Cutover(codes=codes)
    read = cutover.read(cutover.write(tmp_path / "x.xlsx"))
    assert (rules(read), read.unchanged) == ([], len(codes) + 4)


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path, cutover: Cutover) -> None:
    (tmp_path / "taken.xlsx").mkdir()
    with pytest.raises(InputFileError, match="close it"):
        cutover.write(tmp_path / "taken.xlsx")
    assert [found.name for found in tmp_path.iterdir()] == ["taken.xlsx"]
    with pytest.raises(InputFileError, match=r"ends in \.xlsx"):
        cutover.write(tmp_path / "mapping.ods")


def test_a_text_too_long_for_a_cell_is_never_cut(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="32767"):
        Cutover(codes=["x" * 32_768]).write(tmp_path / "x.xlsx")


# --- what is read -------------------------------------------------------------------------------------------


def test_an_untouched_workbook_decides_nothing(path: Path, cutover: Cutover) -> None:
    read = cutover.read(path)
    assert (read.decisions, rules(read), read.unchanged) == ({}, [], 8)


def test_decisions_of_every_sheet_are_read_and_reading_twice_changes_nothing(
    path: Path, cutover: Cutover
) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting", note="as agreed")
    edit(path, "Charges", "DISC", decision="Rebate")
    edit(path, "Taxes", "TAX", decision="State Tax")
    edit(path, "Customers", "007", decision="Acme, Inc.")
    edit(path, "Customers", "008", decision="(new)", new_name="John Smith (Boston)")
    edit(path, "Payment methods", "CreditCard", decision="Visa")
    read = cutover.read(path)
    assert rules(read) == []
    assert decided(read) == [
        ("HOST", "Web:Hosting", "I1", "as agreed"),
        ("DISC", "Rebate", "D1", None),
        ("TAX", "State Tax", "T1", None),
    ]
    assert read.decisions["customers"] == [
        {
            **{"account_number": "007", "decision": "Acme, Inc.", "note": None, "new_name": None},
            **{"customer_list_id": "C1", "customer_full_name": "Acme, Inc."},
        },
        {
            **{"account_number": "008", "decision": "(new)", "note": None, "new_name": "John Smith (Boston)"},
            **{"customer_list_id": None, "customer_full_name": None},
        },
    ]
    assert decided(read, "payment_methods") == [("CreditCard", "Visa", "M1", None)]
    cutover.take(read)
    counts = mapping.summary(cutover.tables()["charges"])
    assert counts == {"exact": 1, "mapped": 3, "none": 0, "mismatch": 1}
    again = cutover.read(path)
    assert (again.decisions, rules(again), again.unchanged) == ({}, [], 8)


def test_a_new_customer_without_a_name_keeps_our_name_and_reads_twice(path: Path, cutover: Cutover) -> None:
    edit(path, "Customers", "007", decision="(new)")
    read = cutover.read(path)
    assert [row["new_name"] for row in read.decisions["customers"]] == ["Acme Inc"]
    cutover.take(read)
    assert (cutover.read(path).decisions, rules(cutover.read(path))) == ({}, [])


def test_rows_are_found_by_key_wherever_they_and_the_columns_stand(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")

    def disarrange(book: Workbook) -> None:
        page = book["Charges"]
        rows = [[cell.value for cell in row] for row in page.iter_rows()]
        order = list(range(len(rows[0])))[::-1]
        order.remove(rows[0].index("source"))
        page.delete_rows(1, page.max_row)
        page.append(["Acme: mappings, second round"])
        for row in [rows[0], *rows[:1:-1]]:  # upside down, without the first row
            page.append([row[place] for place in order])

    change(path, disarrange)
    read = cutover.read(path)
    assert (decided(read), rules(read), read.unchanged) == ([("HOST", "Web:Hosting", "I1", None)], [], 6)


@pytest.mark.parametrize(
    ("title", "key", "cells", "rule", "suggestion"),
    [
        ("Charges", "HOST", {"decision": "web:hosting"}, "unknown_choice", "Web:Hosting"),
        ("Charges", "HOST", {"decision": "Web:Hosting "}, "unknown_choice", "Web:Hosting"),
        ("Charges", "HOST", {"decision": "(new)"}, "unknown_choice", None),
        ("Charges", "HOST", {"decision": 123}, "unknown_choice", "00123"),
        ("Charges", "HOST", {"decision": "Bundle"}, "wrong_type", None),
        ("Charges", "HOST", {"decision": "Rebate"}, "wrong_type", None),
        ("Charges", "HOST", {"decision": "State Tax"}, "wrong_type", None),
        ("Charges", "HOST", {"decision": "Old"}, "inactive", None),
        ("Charges", "HOST", {"decision": "(none)"}, "money_hangs_on_it", None),
        ("Charges", "HOST", {"decision": "=H2"}, "formula", None),
        ("Taxes", "TAX", {"decision": "Support"}, "wrong_type", None),
        ("Customers", "007", {"decision": "(new)", "new_name": "JOHN SMITH"}, "name_taken", None),
        ("Customers", "007", {"decision": "(new)", "new_name": "x" * 42}, "too_long", None),
        ("Customers", "007", {"decision": "(new)", "new_name": "Acme:West"}, "name_colon", "Acme -West"),
        ("Customers", "007", {"decision": "(new)", "new_name": "Acme \u0141"}, "not_windows_1252", None),
        ("Customers", "007", {"decision": "(new)", "new_name": "\u00a0 "}, "no_name", None),
        ("Customers", "007", {"decision": "(none)"}, "money_hangs_on_it", None),
        ("Customers", "007", {"decision": "Jon Smith"}, "unknown_choice", "John Smith"),
        ("Payment methods", "CreditCard", {"decision": "Old"}, "inactive", None),
    ],
)
def test_a_choice_that_cannot_be_is_an_error_and_not_decided(
    path: Path,
    cutover: Cutover,
    title: str,
    key: str,
    cells: dict[str, Any],
    rule: str,
    suggestion: str | None,
) -> None:
    edit(path, title, key, **cells)
    read = cutover.read(path)
    [found] = to_rows(read.findings)
    assert (found["severity"], found["rule"], found["suggestion"]) == ("error", rule, suggestion)
    assert found["source"].startswith(f"mappings.xlsx!{title}!R") and key in found["key"]
    assert read.decisions == {} and read.unchanged == 7


def test_none_is_taken_where_no_money_hangs(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "DISC", decision="(none)")
    read = cutover.read(path)
    assert (decided(read), rules(read)) == ([("DISC", "(none)", None, None)], [])


def test_a_sum_of_zero_may_hide_money_and_an_account_may_owe(path: Path, cutover: Cutover) -> None:
    cutover.more_lines = [
        {"price_code": "DISC", "charge_position": 3 + n, "amount": Decimal(amount)}
        for n, amount in enumerate(("90", "-90"))
    ]
    edit(path, "Charges", "DISC", decision="(none)")
    read = cutover.read(path)
    assert read.decisions == {}
    assert ("error", "money_hangs_on_it") in rules(read)


def test_an_item_of_a_number_is_chosen_by_its_text(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", decision="00123")
    assert decided(cutover.read(path)) == [("HOST", "00123", "I4", None)]


def test_edits_of_other_columns_are_told_and_not_taken(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", status="mapped", amount=3, item_full_name="Support")
    read = cutover.read(path)
    assert rules(read) == [("info", "edited_column")] * 3
    assert (read.decisions, read.unchanged) == ({}, 8)


def test_a_row_with_another_key_is_not_taken(path: Path, cutover: Cutover) -> None:
    edit(path, "Customers", "007", decision="Acme, Inc.", account_number="7")
    read = cutover.read(path)
    assert (rules(read), read.decisions, read.unchanged) == ([("warning", "unknown_key")], {}, 7)


def test_one_key_decided_twice_is_an_error(path: Path, cutover: Cutover) -> None:
    def copy_row(book: Workbook) -> None:
        page = book["Customers"]
        page.append([cell.value for cell in page[2]])
        page.append([cell.value for cell in page[3]])
        page.cell(2, columns(page)["decision"]).value = "Acme, Inc."

    change(path, copy_row)
    read = cutover.read(path)
    assert (rules(read), read.decisions, read.unchanged) == ([("error", "key_twice")], {}, 7)


def test_a_missing_sheet_and_missing_columns_are_findings(path: Path, cutover: Cutover) -> None:
    def damage(book: Workbook) -> None:
        book.remove(book["Taxes"])
        book["Customers"].cell(1, 1).value = "Account"

    change(path, damage)
    read = cutover.read(path)
    assert rules(read) == [("error", "missing_column"), ("warning", "missing_sheet")]
    assert read.unchanged == 5


def test_a_note_alone_and_an_idle_new_name_are_told(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", note="ask Bob")
    edit(path, "Customers", "007", decision="Acme, Inc.", new_name="Acme")
    read = cutover.read(path)
    assert rules(read) == [("info", "note_without_decision"), ("info", "new_name_unused")]
    assert [row["new_name"] for row in read.decisions["customers"]] == [None]


# --- decisions that stand -----------------------------------------------------------------------------------


def hosting(decision: str | None, list_id: str | None, note: str | None = None) -> dict[str, Any]:
    row = {"contract_code": "P1", "price_code": "HOST", "decision": decision, "note": note}
    return {**row, "item_list_id": list_id, "item_full_name": decision}


def test_an_emptied_decision_withdraws(tmp_path: Path, cutover: Cutover) -> None:
    cutover.decide("charge_items", hosting("Support", "I3"))
    path = cutover.write(tmp_path / "x.xlsx")
    edit(path, "Charges", "HOST", decision=None)
    read = cutover.read(path)
    assert decided(read) == [("HOST", None, None, None)]
    cutover.take(read)
    assert cutover.held["charge_items"] == [] and cutover.read(path).decisions == {}


def test_a_decision_changed_elsewhere_since_is_a_conflict_row_by_row(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    edit(path, "Charges", "SETUP", decision="Setup Fee")
    cutover.decide("charge_items", hosting("Support", "I3"))
    read = cutover.read(path)
    assert rules(read) == [("error", "conflict")]
    assert decided(read) == [("SETUP", "Setup Fee", "I2", None)]


def test_the_same_decision_made_elsewhere_is_no_conflict(path: Path, cutover: Cutover) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    cutover.decide("charge_items", hosting("Web:Hosting", "I1"))
    read = cutover.read(path)
    assert (rules(read), read.decisions, read.unchanged) == ([], {}, 8)


def test_an_old_workbook_never_takes_back_a_newer_decision(path: Path, cutover: Cutover) -> None:
    cutover.decide("charge_items", hosting("Support", "I3"))
    read = cutover.read(path)
    assert (rules(read), read.decisions) == ([("info", "newer_decision")], {})


def test_without_its_hidden_sheet_a_workbook_counts_only_while_nothing_was_decided_since(
    path: Path, cutover: Cutover
) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    change(path, lambda book: book.remove(book["_toolkit"]))
    assert decided(cutover.read(path)) == [("HOST", "Web:Hosting", "I1", None)]
    cutover.decide("charge_items", hosting("Support", "I3"))
    read = cutover.read(path)
    assert (rules(read), read.decisions) == ([("error", "conflict")], {})


def test_a_note_on_a_renamed_item_keeps_the_item(tmp_path: Path, cutover: Cutover) -> None:
    cutover.decide("charge_items", hosting("Web:Hosting", "I1"))
    cutover.item_names["I1"] = "Web:Hosting 2026"
    path = cutover.write(tmp_path / "x.xlsx")
    edit(path, "Charges", "HOST", note="renamed")
    [row] = cutover.read(path).decisions["charge_items"]
    assert (row["item_list_id"], row["item_full_name"], row["note"]) == ("I1", "Web:Hosting 2026", "renamed")


def test_an_item_made_again_must_be_decided_on_again(tmp_path: Path, cutover: Cutover) -> None:
    cutover.decide("charge_items", hosting("Web:Hosting", "I1"))
    del cutover.item_names["I1"]
    cutover.item_names["I9"] = "Web:Hosting"
    path = cutover.write(tmp_path / "x.xlsx")
    read = cutover.read(path)
    assert (read.decisions, rules(read)) == ({}, [])
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    read = cutover.read(path)
    assert decided(read) == [("HOST", "Web:Hosting", "I9", None)]
    cutover.take(read)
    assert (cutover.read(path).decisions, rules(cutover.read(path))) == ({}, [])


# --- files that are not ours --------------------------------------------------------------------------------


def test_another_workspace_s_workbook_is_refused(path: Path, cutover: Cutover) -> None:
    with pytest.raises(InputFileError, match="another workspace"):
        cutover.read(path, workspace_id="w2")


def test_a_foreign_workbook_is_refused(tmp_path: Path, cutover: Cutover) -> None:
    Workbook().save(tmp_path / "x.xlsx")
    with pytest.raises(InputFileError, match="fingerprint"):
        cutover.read(tmp_path / "x.xlsx")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"account,decision\n1,x\n"])
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, cutover: Cutover, content: bytes) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(InputFileError, match=r"no \.xlsx"):
        cutover.read(tmp_path / "x.xlsx")


def test_a_missing_file_is_named(tmp_path: Path, cutover: Cutover) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        cutover.read(tmp_path / "x.xlsx")


# --- a real spreadsheet program -----------------------------------------------------------------------------


@pytest.mark.slow
def test_libreoffice_opens_saves_and_prints_it(tmp_path: Path) -> None:
    """LibreOffice saves the workbook anew: every key and decision must come back as it was."""
    soffice = shutil.which("soffice") or shutil.which("libreoffice")
    assert soffice, "LibreOffice is not installed: install libreoffice-calc"
    cutover = Cutover(codes=list(ODD))
    path = cutover.write(tmp_path / "out.xlsx")
    edit(path, "Charges", "00123", decision="Web:Hosting", note="+note")
    edit(path, "Customers", "007", decision="(new)", new_name="Acme 007")
    saved = tmp_path / "saved"
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    for kind in ("xlsx", "pdf"):
        command = [soffice, profile, "--headless", "--convert-to", kind, "--outdir", str(saved), str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
    assert (saved / "out.pdf").read_bytes().startswith(b"%PDF")
    read = cutover.read(saved / "out.xlsx")
    assert rules(read) == [("warning", "exact_overridden")]  # 00123 is an item by itself
    assert decided(read) == [("00123", "Web:Hosting", "I1", "+note")]
    assert [row["new_name"] for row in read.decisions["customers"]] == ["Acme 007"]
    assert read.unchanged == len(ODD) + 2
    page = load_workbook(saved / "out.xlsx")["Charges"]
    assert page.data_validations.count == 1
