"""The sample company: made again byte for byte, consistent to the cent, and with every planted problem."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from toolkit import mapping, qbxml_spec, tables
from toolkit.errors import InputFileError
from toolkit.rehearsal.sample import (
    SAMPLE,
    SAMPLE_CLOCK_START,
    parse_value,
    sample_other_names,
    sample_tables,
)
from toolkit.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "make_sample.py"
CENT = Decimal("0.01")
Row = dict[str, Any]


# --- what the tests read ------------------------------------------------------------------------------------


def _billing(folder: str, name: str) -> list[Row]:
    """Read one of BluBilling's files by the declared names of its columns; a test of its own beside load."""
    declared = tables.TABLES[f"billing.{name}"]
    names = {
        header: column.name
        for column in declared.columns
        for header in [column.name, *column.source.split("|")]
    }
    with (SAMPLE / "billing" / folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [{names[header]: text or None for header, text in row.items()} for row in csv.DictReader(file)]
    typed = [
        {key: parse_value(declared.column(key), text or "") for key, text in row.items()} for row in rows
    ]
    return tables.to_rows(tables.from_rows(declared.name, typed))


@pytest.fixture(scope="module")
def books() -> dict[str, list[Row]]:
    return {
        name.removeprefix("quickbooks."): tables.to_rows(frame) for name, frame in sample_tables().items()
    }


@pytest.fixture(scope="module")
def after() -> dict[str, list[Row]]:
    names = [name.removeprefix("billing.") for name in tables.TABLES if name.startswith("billing.")]
    return {name: _billing("after", name) for name in names}


@pytest.fixture(scope="module")
def decisions() -> list[dict[str, str]]:
    with (SAMPLE / "decisions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def settings() -> Settings:
    found = Settings()
    for key, text in tomllib.loads((SAMPLE / "settings.toml").read_text(encoding="utf-8")).items():
        found = found.with_text(key, text)
    return found


@pytest.fixture(scope="module")
def new_invoices(after: dict[str, list[Row]]) -> list[Row]:
    return [row for row in after["invoices"] if row["invoice_number"].startswith("INV-")]


@pytest.fixture(scope="module")
def carried(books: dict[str, list[Row]]) -> dict[str, Row]:
    """The open QuickBooks invoices at the cutover date, by the number that BluBilling has for them."""
    cutover = Settings().with_text("cutover_date", "2025-12-31").cutover_date
    opened = [
        row
        for row in books["invoices"]
        if row["balance_remaining"] and cutover is not None and row["txn_date"] <= cutover
    ]
    counts = Counter(row["ref_number"] for row in opened)
    return {
        row["ref_number"]
        if row["ref_number"] and counts[row["ref_number"]] == 1
        else f"QB-{row['txn_number']}": row
        for row in opened
    }


def _frame(name: str, rows: list[Row]) -> pd.DataFrame:
    return tables.from_rows(name, rows)


def _matched_charges(
    books: dict[str, list[Row]], charges: list[Row], decided: list[Row], **more: pd.DataFrame
) -> list[Row]:
    matched = mapping.match_charges(
        _frame("billing.charges", charges),
        _frame("quickbooks.items", books["items"]),
        _frame("mapping.charge_items", decided),
        **more,
    )
    return tables.to_rows(matched)


def _matched_customers(books: dict[str, list[Row]], customers: list[Row], decided: list[Row]) -> list[Row]:
    matched = mapping.match_customers(
        _frame("billing.customers", customers),
        _frame("quickbooks.customers", books["customers"]),
        _frame("mapping.customers", decided),
    )
    return tables.to_rows(matched)


@pytest.fixture(scope="module")
def decided_charges(books: dict[str, list[Row]], decisions: list[dict[str, str]]) -> list[Row]:
    ids = {row["full_name"]: row["list_id"] for row in books["items"]}
    return [
        {
            "contract_code": row["contract_code"],
            "price_code": row["price_code"] or None,
            "decision": row["decision"],
            "item_list_id": None if row["decision"] == "(none)" else ids[row["decision"]],
            "item_full_name": None if row["decision"] == "(none)" else row["decision"],
            "note": row["note"],
        }
        for row in decisions
        if row["sheet"] == "Charges"
    ]


@pytest.fixture(scope="module")
def decided_customers(books: dict[str, list[Row]], decisions: list[dict[str, str]]) -> list[Row]:
    ids = {row["full_name"]: row["list_id"] for row in books["customers"]}
    return [
        {
            "account_number": row["account_number"],
            "decision": row["decision"],
            "customer_list_id": ids.get(row["decision"]),
            "customer_full_name": row["decision"] if row["decision"] in ids else None,
            "new_name": row["new_name"] or None,
            "note": row["note"],
        }
        for row in decisions
        if row["sheet"] == "Customers"
    ]


# --- the files ----------------------------------------------------------------------------------------------


def _files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != "README.md")
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def test_the_script_makes_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True)
    made, committed = _files(tmp_path), _files(SAMPLE)
    assert sorted(made) == sorted(committed)
    different = [name for name in made if made[name] != committed[name]]
    assert not different, f"run `python scripts/make_sample.py`: it makes other {', '.join(different)}"


def test_the_files_are_utf_8_text_with_line_feeds() -> None:
    for name, data in _files(SAMPLE).items():
        data.decode("utf-8")
        assert b"\r" not in data and not data.startswith(b"\xef\xbb\xbf"), name
        assert data.endswith(b"\n"), name


def test_no_address_leads_anywhere() -> None:
    for row in [*_billing("after", "customers"), *tables.to_rows(sample_tables()["quickbooks.customers"])]:
        assert row["email"].endswith(".test")
        assert row["phone"].startswith("512-555-01")


# --- the reader ---------------------------------------------------------------------------------------------


def test_the_reader_gives_every_declared_table_conforming() -> None:
    found = sample_tables()
    assert sorted(found) == sorted(name for name in tables.TABLES if name.startswith("quickbooks."))
    for name, frame in found.items():
        pd.testing.assert_frame_equal(frame, tables.conform(frame, name))


def test_the_reader_says_where_the_sample_should_be(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"\.csv: there is no such file .*clone of the repository"):
        sample_tables(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("list_id,shoe_size\n1,44\n", "no column shoe_size"), ("list_id,price\n1,abc\n", "'abc' does not fit")],
)
def test_the_reader_refuses_what_does_not_fit(tmp_path: Path, text: str, problem: str) -> None:
    shutil.copytree(SAMPLE / "quickbooks", tmp_path, dirs_exist_ok=True)
    (tmp_path / "items.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputFileError, match=problem):
        sample_tables(tmp_path)


def test_the_clock_starts_after_every_record(books: dict[str, list[Row]]) -> None:
    moments = [row["time_modified"] for rows in books.values() for row in rows if "time_modified" in row]
    assert max(moments) < SAMPLE_CLOCK_START


# --- the lists ----------------------------------------------------------------------------------------------


def test_customers_go_down_to_the_third_level(books: dict[str, list[Row]]) -> None:
    levels = Counter(row["sublevel"] for row in books["customers"])
    assert sum(levels.values()) == 90
    assert set(levels) == {0, 1, 2} and levels[2] >= 5


def test_names_of_every_kind_are_there(books: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    ours = {row["full_name"] for row in books["customers"]}
    theirs = {row["name"] for row in after["customers"]}
    assert "Acme Inc" in ours and "Acme, Inc." in theirs - ours
    assert "Smith, John" in ours and "John Smith" in theirs - ours
    assert "O'Brien & Søn" in ours & theirs
    assert any(len(name) == 41 and ":" not in name for name in ours & theirs)
    assert [len(name) for name in theirs - ours if len(name) > 41 and " - " not in name] == [42]
    assert len([name for name in theirs if not _fits_cp1252(name)]) == 1


def test_some_customers_are_inactive(books: dict[str, list[Row]]) -> None:
    assert sum(row["is_active"] is False for row in books["customers"]) == 3


def test_a_handful_of_customers_have_contacts_and_notes(books: dict[str, list[Row]]) -> None:
    customers = {row["list_id"]: row for row in books["customers"]}
    contacts, notes = books["customer_contacts"], books["customer_notes"]
    assert (len(contacts), len({row["customer_list_id"] for row in contacts})) == (8, 7)
    assert (len(notes), len({row["customer_list_id"] for row in notes})) == (4, 3)
    assert {row["customer_list_id"] for row in [*contacts, *notes]} <= customers.keys()
    assert len({row["list_id"] for row in contacts}) == 8
    assert not {row["list_id"] for row in contacts} & customers.keys()
    assert sum(" " in row["first_name"] and not row["last_name"] for row in contacts) == 3
    for row in contacts:
        customer = customers[row["customer_list_id"]]
        assert customer["time_created"] <= row["time_created"] <= row["time_modified"]
    for listed in _by(notes, "customer_list_id").values():
        assert [row["note_id"] for row in listed] == list(range(len(listed)))
        assert [row["date"] for row in listed] == sorted(row["date"] for row in listed)
    assert sum("\n" in row["note"] for row in notes) == 1
    marina = next(row["list_id"] for row in books["customers"] if row["full_name"] == "Bluewater Marina")
    assert [len(_by(rows, "customer_list_id")[marina]) for rows in (contacts, notes)] == [2, 2]


def test_names_are_unique_at_their_level(books: dict[str, list[Row]]) -> None:
    for table in ("customers", "items", "accounts"):
        names = [row["full_name"].casefold() for row in books[table]]
        assert len(names) == len(set(names)), table


def test_parents_are_in_their_list(books: dict[str, list[Row]]) -> None:
    for table in ("customers", "items", "accounts"):
        by_id = {row["list_id"]: row for row in books[table]}
        for row in books[table]:
            parent = row["full_name"].rpartition(":")[0]
            assert (by_id[row["parent_list_id"]]["full_name"] if row["parent_list_id"] else "") == parent


def test_items_of_every_kind(books: dict[str, list[Row]]) -> None:
    kinds = {row["item_type"] for row in books["items"]}
    assert kinds >= {"Service", "NonInventory", "OtherCharge", "Inventory", "Discount", "Subtotal", "Payment"}
    assert kinds >= {"SalesTax", "SalesTaxGroup", "Group"}
    assert 55 <= len(books["items"]) <= 65
    names = {row["full_name"] for row in books["items"]}
    assert {"Hosting:Setup", "Support:Setup"} <= names
    assert any(row["is_active"] is False for row in books["items"])
    rates = {row["full_name"]: row["tax_rate"] for row in books["items"] if row["item_type"] == "SalesTax"}
    assert rates["State Sales Tax"] == Decimal("8.25") and rates["No Tax"] == 0


def test_accounts_terms_codes_and_methods(books: dict[str, list[Row]], settings: Settings) -> None:
    kinds = Counter(row["account_type"] for row in books["accounts"])
    assert kinds["AccountsReceivable"] == 1 and kinds["Bank"] and kinds["Income"] and kinds["Expense"]
    names = {row["full_name"] for row in books["accounts"]}
    methods = ("Token", "CreditCard", "ACH", "Paypal", "PaperCheck", "Cash")
    assert {settings.deposit_account(method) for method in methods} <= names
    assert settings["ar_account"] in names
    assert {row["terms_type"] for row in books["terms"]} == {"Standard", "DateDriven"}
    assert {row["name"] for row in books["terms"]} >= {"Net 15", "Net 30"}
    assert [row["name"] for row in books["sales_tax_codes"]] == ["Tax", "Non"]
    assert {row["name"] for row in books["payment_methods"]} >= {*methods, "Credit", "Check"}
    assert len(books["classes"]) == 2 and books["currencies"] == []


def test_the_company_is_a_us_file_closed_until_november(books: dict[str, list[Row]]) -> None:
    (company,) = books["company"]
    assert (company["company_name"], company["country"]) == ("Brightwater Hosting Ltd", "US")
    assert company["closing_date"].isoformat() == "2025-11-30"


def test_other_names_do_not_clash_with_customers(books: dict[str, list[Row]]) -> None:
    tops = {row["name"].casefold() for row in books["customers"] if not row["sublevel"]}
    assert not tops & {name.casefold() for name in sample_other_names()}


def test_every_reference_names_the_record_it_points_to(books: dict[str, list[Row]]) -> None:
    vendors = _other_name_ids()
    names = {
        row["list_id"]: row.get("full_name") or row["name"]
        for rows in books.values()
        for row in rows
        if "list_id" in row and "name" in row
    } | vendors
    pointed = 0
    for table, rows in books.items():
        parent_key = tables.TABLES[f"quickbooks.{table}"].parent_key  # no reference: it has no full name
        for row in rows:
            for key, list_id in row.items():
                if key.endswith("_list_id") and list_id is not None and key != parent_key:
                    assert names[list_id] == row[key.removesuffix("list_id") + "full_name"]
                    pointed += 1
    assert pointed > 500


def _other_name_ids() -> dict[str, str]:
    with (SAMPLE / "quickbooks" / "other_names.csv").open(encoding="utf-8", newline="") as file:
        return {row["list_id"]: row["name"] for row in csv.DictReader(file)}


# --- the receivables ----------------------------------------------------------------------------------------


def test_every_value_of_the_company_file_fits_its_element(books: dict[str, list[Row]]) -> None:
    checked = 0
    for name, ret, below in (
        ("customers", "CustomerRet", ""),
        ("customer_contacts", "CustomerRet", "ContactsRet/"),
        ("customer_notes", "CustomerRet", "AdditionalNotesRet/"),
        ("invoices", "InvoiceRet", ""),
        ("payments", "ReceivePaymentRet", ""),
    ):
        limits = dict(_lengths(qbxml_spec.ret(ret)))
        for column in tables.TABLES[f"quickbooks.{name}"].columns:
            limit = limits.get(f"{below}{column.source}")
            for row in books[name] if limit else []:
                assert len(row[column.name] or "") <= (limit or 0), (name, column.name)
                checked += 1
    assert checked > 1000


def _lengths(particle: qbxml_spec.Particle, path: str = "") -> Iterator[tuple[str, int]]:
    for child in qbxml_spec.elements(particle):
        here = f"{path}/{child.name}" if path else child.name
        if child.max_length:
            yield here, child.max_length
        yield from _lengths(child, here)


def test_forty_invoices_are_open_at_the_cutover_date(
    carried: dict[str, Row], books: dict[str, list[Row]]
) -> None:
    assert len(carried) == 40
    assert min(row["txn_date"] for row in carried.values()).isoformat() >= "2025-09-01"
    assert sum(row["is_paid"] for row in books["invoices"]) == 1
    assert [row["txn_date"].isoformat() for row in books["invoices"] if row["txn_date"].year == 2026] == [
        "2026-01-05"
    ]


def test_numbers_are_blank_and_repeated(carried: dict[str, Row]) -> None:
    numbers = Counter(row["ref_number"] for row in carried.values())
    assert numbers[None] == 2
    assert sorted(count for number, count in numbers.items() if number and count > 1) == [2, 2]
    assert sum(key.startswith("QB-") for key in carried) == 6


def test_invoices_add_up(books: dict[str, list[Row]]) -> None:
    lines = _by(books["invoice_lines"], "txn_id")
    links = _by(books["linked_transactions"], "owner_txn_id")
    for row in books["invoices"]:
        own = lines[row["txn_id"]]
        assert [line["line_number"] for line in own] == list(range(1, len(own) + 1))
        assert row["subtotal"] == sum(line["amount"] or 0 for line in own)
        taxable = sum(line["amount"] or 0 for line in own if line["sales_tax_code_full_name"] == "Tax")
        assert row["sales_tax_total"] == (taxable * row["sales_tax_percentage"] / 100).quantize(
            CENT, "ROUND_HALF_UP"
        )
        assert row["applied_amount"] == sum(link["amount"] for link in links[row["txn_id"]])
        assert (
            row["balance_remaining"] == row["subtotal"] + row["sales_tax_total"] + row["applied_amount"] >= 0
        )
        assert row["is_paid"] == (row["balance_remaining"] == 0)
    assert {row["sales_tax_percentage"] for row in books["invoices"]} == {Decimal("8.25"), Decimal(0)}


def test_lines_multiply_and_groups_carry_no_amount(books: dict[str, list[Row]]) -> None:
    kinds = Counter(line["line_kind"] for line in books["invoice_lines"])
    assert kinds["group"] == kinds["description"] == 1
    groups = {line["txn_line_id"] for line in books["invoice_lines"] if line["line_kind"] == "group"}
    assert {line["group_line_id"] for line in books["invoice_lines"]} == {None, *groups}
    for line in [*books["invoice_lines"], *books["credit_memo_lines"]]:
        if line["line_kind"] != "line":
            assert line["amount"] is None
        elif line["quantity"] is not None:
            assert line["amount"] == (line["quantity"] * line["rate"]).quantize(CENT, "ROUND_HALF_UP")


def test_part_paid_invoices_have_payments_and_links(
    books: dict[str, list[Row]], carried: dict[str, Row]
) -> None:
    assert sum(row["applied_amount"] < 0 for row in carried.values()) == 11
    applied = {(row["txn_id"], row["payment_txn_id"]): row["amount"] for row in books["payment_applications"]}
    linked = {
        (row["owner_txn_id"], row["txn_id"]): -row["amount"]
        for row in books["linked_transactions"]
        if row["txn_type"] == "ReceivePayment"
    }
    assert applied == linked
    balances = {row["txn_id"]: row["balance_remaining"] for row in books["invoices"]}
    assert all(row["balance_remaining"] == balances[row["txn_id"]] for row in books["payment_applications"])


def test_payments_add_up(books: dict[str, list[Row]]) -> None:
    applied = _by(books["payment_applications"], "payment_txn_id")
    owners = {row["txn_id"]: row["customer_list_id"] for row in books["invoices"]}
    for row in books["payments"]:
        parts = applied[row["txn_id"]]
        assert row["total_amount"] == row["unused_payment"] + sum(part["amount"] for part in parts)
        assert {owners[part["txn_id"]] for part in parts} <= {row["customer_list_id"]}
    unused = [row for row in books["payments"] if row["unused_payment"]]
    assert sorted(bool(applied[row["txn_id"]]) for row in unused) == [False, True]


def test_credit_memos_add_up(books: dict[str, list[Row]]) -> None:
    links = _by(books["linked_transactions"], "owner_txn_id")
    lines = _by(books["credit_memo_lines"], "txn_id")
    partly = []
    for row in books["credit_memos"]:
        assert row["subtotal"] == sum(line["amount"] for line in lines[row["txn_id"]])
        assert row["total_amount"] == row["subtotal"] + row["sales_tax_total"]
        used = sum(link["amount"] for link in links[row["txn_id"]])
        assert row["credit_remaining"] == row["total_amount"] + used > 0
        partly.append(bool(used))
    assert sorted(partly) == [False, True]


def test_balances_are_the_open_documents_of_each_customer(books: dict[str, list[Row]]) -> None:
    own: dict[str, Decimal] = defaultdict(Decimal)
    for table, column, sign in (
        ("invoices", "balance_remaining", 1),
        ("credit_memos", "credit_remaining", -1),
        ("payments", "unused_payment", -1),
    ):
        for row in books[table]:
            own[row["customer_full_name"]] += sign * row[column]
    for row in books["customers"]:
        name = row["full_name"]
        assert row["balance"] == own[name]
        assert row["total_balance"] == sum(own[key] for key in list(own) if f"{key}:".startswith(f"{name}:"))
    assert any(row["total_balance"] != row["balance"] for row in books["customers"])
    (receivable,) = [row for row in books["accounts"] if row["account_type"] == "AccountsReceivable"]
    assert receivable["balance"] == sum(row["balance"] for row in books["customers"])


# --- the catalog --------------------------------------------------------------------------------------------


def test_five_plans_and_twenty_five_charges() -> None:
    plans = [row["contract_code"] for row in _billing("before", "plans")]
    charges = _billing("before", "charges")
    assert len(plans) == 5 and {row["contract_code"] for row in charges} == set(plans)
    assert len(charges) == len({(row["contract_code"], row["price_code"]) for row in charges}) == 25
    assert [row["price_code"] for row in charges if row["contract_code"] == "QB-CARRY"] == ["BALANCE"]


def test_charges_go_wrong_in_each_way(books: dict[str, list[Row]]) -> None:
    matched = _matched_charges(books, _billing("before", "charges"), [])
    assert Counter(row["reason"] or "exact" for row in matched) == {
        "exact": 13,
        "blank": 1,
        "wrong_type": 1,
        "inactive": 1,
        "ambiguous": 1,
        "parent_missing": 1,
        "spaces": 2,
        "case": 1,
        "unicode": 2,
        "unknown": 2,
    }
    exact = {row["price_code"]: row["item_type"] for row in matched if row["status"] == "exact"}
    assert exact["Hosting:Setup"] == "Service"
    assert exact["State Sales Tax"] == "SalesTax"
    assert exact["Loyalty Discount"] == "Discount"
    near = {row["price_code"]: row["suggestion"] for row in matched if row["reason"] == "unknown"}
    assert near["Migration Assistence"] == "Migration Assistance"


def test_the_decisions_settle_every_charge(
    books: dict[str, list[Row]], after: dict[str, list[Row]], decided_charges: list[Row]
) -> None:
    matched = _matched_charges(
        books,
        after["charges"],
        decided_charges,
        invoice_lines=_frame("billing.invoice_lines", after["invoice_lines"]),
        invoices=_frame("billing.invoices", after["invoices"]),
    )
    assert Counter(row["status"] for row in matched) == {"exact": 13, "mapped": 11, "none": 1}


# --- the customers ------------------------------------------------------------------------------------------


def test_most_customers_match_and_some_need_a_decision(books: dict[str, list[Row]]) -> None:
    matched = _matched_customers(books, _billing("before", "customers"), [])
    assert Counter(row["status"] for row in matched) == {
        "account_number": 56,
        "exact": 16,
        "undecided": 11,
        "ambiguous": 1,
    }
    suggested = {row["name"]: row["suggestion"] for row in matched if row["status"] == "undecided"}
    assert suggested["Acme, Inc."] == "Acme Inc"
    assert suggested["John Smith"] == "Smith, John"


def test_the_decisions_settle_every_customer(
    books: dict[str, list[Row]], after: dict[str, list[Row]], decided_customers: list[Row]
) -> None:
    matched = _matched_customers(books, after["customers"], decided_customers)
    assert Counter(row["status"] for row in matched) == {
        "account_number": 56,
        "exact": 16,
        "mapped": 6,
        "new": 6,
    }
    targets = [row["customer_list_id"] for row in matched if row["customer_list_id"]]
    assert len(targets) == len(set(targets))
    owners = {
        row["customer_list_id"] for name in ("invoices", "credit_memos", "payments") for row in books[name]
    }
    assert owners <= set(targets)


def test_new_names_are_names_that_quickbooks_takes(
    books: dict[str, list[Row]], decisions: list[dict[str, str]]
) -> None:
    taken = {row["full_name"].casefold() for row in books["customers"]}
    new = [row["new_name"] for row in decisions if row["decision"] == "(new)"]
    for name in new:
        assert 0 < len(name) <= 41 and ":" not in name and _fits_cp1252(name) and name.casefold() not in taken
    assert len(new) == len(set(new)) == 6


def test_a_new_customer_fits_quickbooks(after: dict[str, list[Row]], decisions: list[dict[str, str]]) -> None:
    new = {row["account_number"] for row in decisions if row["decision"] == "(new)"}
    limits = {"company_name": 41, "first_name": 25, "last_name": 25, "phone": 21, "bill_street1": 41}
    limits |= {"bill_street2": 41, "bill_city": 31, "bill_state": 21, "bill_zip": 13, "bill_country": 31}
    for row in after["customers"]:
        for column, limit in limits.items():
            if row["account_number"] in new or column.startswith("bill_"):
                text = row[column] or ""
                assert len(text) <= limit and _fits_cp1252(text), (row["account_number"], column)


def test_one_new_customer_has_a_vendors_name(
    after: dict[str, list[Row]], decisions: list[dict[str, str]]
) -> None:
    vendors = set(sample_other_names())
    (planted,) = [row for row in decisions if row["new_name"] in vendors]
    account = planted["account_number"]
    invoices = [row for row in after["invoices"] if row["account_number"] == account]
    payments = [row for row in after["payments"] if row["account_number"] == account]
    assert len(invoices) == len(payments) == 1
    paid = [
        row for row in after["payment_applications"] if row["payment_number"] == payments[0]["payment_number"]
    ]
    assert [row["invoice_number"] for row in paid] == [invoices[0]["invoice_number"]]
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert all(f"`{row}`" in readme for row in (invoices[0]["invoice_number"], payments[0]["payment_number"]))


# --- BluBilling's quarter -----------------------------------------------------------------------------------


def test_250_invoices_over_three_months(new_invoices: list[Row], settings: Settings) -> None:
    assert len(new_invoices) == 250
    assert {(row["invoice_date"].year, row["invoice_date"].month) for row in new_invoices} == {
        (2026, 1),
        (2026, 2),
        (2026, 3),
    }
    assert 58 <= len({row["account_number"] for row in new_invoices}) <= 62
    prefix = settings["number_rule"].removeprefix("strip:")
    stripped = {row["invoice_number"].removeprefix(prefix) for row in new_invoices}
    assert {len(number) for number in stripped} == {11} and len(stripped) == 250


def test_carried_invoices_come_back_as_they_are_open(
    after: dict[str, list[Row]],
    carried: dict[str, Row],
    decided_customers: list[Row],
    books: dict[str, list[Row]],
) -> None:
    accounts = {
        row["customer_list_id"]: row["account_number"]
        for row in _matched_customers(books, after["customers"], decided_customers)
    }
    back = {row["invoice_number"]: row for row in after["invoices"] if row["invoice_number"] in carried}
    assert set(back) == set(carried)
    assert len(back) + 250 == len(after["invoices"])
    for number, row in back.items():
        theirs = carried[number]
        assert row["current_amount_due"] == theirs["balance_remaining"]
        assert (row["invoice_date"], row["due_date"]) == (theirs["txn_date"], theirs["due_date"])
        assert row["account_number"] == accounts[theirs["customer_list_id"]]
    assert Counter(row["status"] for row in back.values()) == {"Outstanding": 39, "Paid": 1}
    lines = [row for row in after["invoice_lines"] if row["invoice_number"] in carried]
    assert {(row["contract_code"], row["price_code"]) for row in lines} == {("QB-CARRY", "BALANCE")}


def test_every_status_and_kind_of_invoice(new_invoices: list[Row]) -> None:
    statuses = Counter(row["status"] for row in new_invoices)
    assert {statuses[name] for name in ("Draft", "Cancelled", "Error", "CarriedOver")} == {1}
    assert statuses["Paid"] > 100 and statuses["Outstanding"] > 60
    kinds = Counter(row["invoice_kind"] for row in new_invoices)
    assert (kinds["master"], kinds["child"]) == (1, 2)
    (master,) = [row for row in new_invoices if row["invoice_kind"] == "master"]
    children = [row for row in new_invoices if row["invoice_kind"] == "child"]
    assert {row["delegated_to_invoice"] for row in children} == {master["invoice_number"]}
    assert sum(row["current_amount_due"] for row in children) == master["current_amount_due"]
    assert sorted(row["current_amount_due"] for row in new_invoices)[:2] == [
        Decimal("-45.00"),
        Decimal("0.00"),
    ]


@pytest.mark.parametrize(
    ("number", "column", "value"),
    [
        ("058", "status", "CarriedOver"),
        ("123", "status", "Cancelled"),
        ("142", "current_amount_due", Decimal("-45.00")),
        ("179", "status", "Error"),
        ("205", "invoice_kind", "master"),
        ("210", "current_amount_due", Decimal("0.00")),
        ("248", "status", "Draft"),
    ],
)
def test_the_readme_names_the_planted_invoices(
    new_invoices: list[Row], number: str, column: str, value: object
) -> None:
    assert f"`...{number}`" in (SAMPLE / "README.md").read_text(encoding="utf-8")
    (found,) = [row for row in new_invoices if row["invoice_number"] == f"INV-2026-000{number}"]
    assert found[column] == value


def test_billing_lines_multiply_and_add_up(after: dict[str, list[Row]]) -> None:
    lines = _by(after["invoice_lines"], "invoice_number")
    known = {(row["contract_code"], row["price_code"]) for row in after["charges"]}
    for row in after["invoices"]:
        own = lines[row["invoice_number"]]
        assert row["current_amount_due"] == sum(line["amount"] for line in own)
        places = [(line["line_position"], line["charge_position"]) for line in own]
        assert len(places) == len(set(places)) > 0
        for line in own:
            assert (line["contract_code"], line["price_code"]) in known
            assert line["amount"] == (line["unit_price"] * line["quantity"]).quantize(CENT, "ROUND_HALF_UP")
    kinds = Counter(line["line_type"] for line in after["invoice_lines"])
    assert kinds["tax"] > 50 and kinds["discount"] > 10
    assert any(line["unit_price"] % Decimal("0.00001") for line in after["invoice_lines"])
    assert not any(line["quantity"] % Decimal("0.00001") for line in after["invoice_lines"])


def test_every_charge_but_the_one_left_out_is_billed(after: dict[str, list[Row]]) -> None:
    billed = {(row["contract_code"], row["price_code"]) for row in after["invoice_lines"]}
    unbilled = {(row["contract_code"], row["price_code"]) for row in after["charges"]} - billed
    assert unbilled == {("SUPPORT", None)}


def test_billing_tax_is_the_tax_of_the_hosting_lines(after: dict[str, list[Row]]) -> None:
    exempt = {row["account_number"] for row in after["customers"] if row["tax_exempt"]}
    owners = {row["invoice_number"]: row["account_number"] for row in after["invoices"]}
    for number, own in _by(after["invoice_lines"], "invoice_number").items():
        hosting = sum(
            line["amount"]
            for line in own
            if line["contract_code"] == "WEB-HOSTING" and line["line_type"] != "tax"
        )
        tax = sum(line["amount"] for line in own if line["line_type"] == "tax")
        due = (hosting * Decimal("0.0825")).quantize(CENT, "ROUND_HALF_UP") if hosting else 0
        assert tax == (0 if owners[number] in exempt else due)


def test_150_payments_of_all_kinds(after: dict[str, list[Row]]) -> None:
    assert len(after["payments"]) == len({row["payment_number"] for row in after["payments"]}) == 150
    assert {row["method"] for row in after["payments"]} == {
        "Token",
        "CreditCard",
        "ACH",
        "Paypal",
        "PaperCheck",
        "Cash",
    }
    assert Counter(row["status"] for row in after["payments"]) == {"Paid": 149, "Failed": 1}
    assert all(row["effective_date"].isoformat() <= "2026-03-31" for row in after["payments"])


def test_applications_add_up(after: dict[str, list[Row]]) -> None:
    applied = _by(after["payment_applications"], "payment_number")
    assert set(applied) <= {row["payment_number"] for row in after["payments"]}
    for row in after["payments"]:
        parts = applied[row["payment_number"]]
        if row["status"] != "Paid":
            assert parts == []
            continue
        assert row["amount"] == row["unapplied_balance"] + sum(part["amount_applied"] for part in parts)
        left = row["amount"]
        for part in sorted(parts, key=lambda part: part["seq"]):
            left -= part["amount_applied"]
            assert part["amount_applied"] > 0 and part["balance_after"] == left


def test_invoices_are_paid_when_nothing_is_open(after: dict[str, list[Row]]) -> None:
    applied = _by(after["payment_applications"], "invoice_number")
    partly = 0
    for row in after["invoices"]:
        paid = sum(part["amount_applied"] for part in applied[row["invoice_number"]])
        assert row["outstanding_balance"] == row["current_amount_due"] - paid
        assert (
            row["total_due"]
            == row["previous_balance"] + row["current_amount_due"] - row["payments_and_adjustments"]
        )
        if row["status"] in ("Paid", "Outstanding"):
            assert (row["status"] == "Paid") == (row["outstanding_balance"] == 0)
            assert all(part["applied_date"] >= row["invoice_date"] for part in applied[row["invoice_number"]])
        else:
            assert not paid
        partly += bool(paid and row["status"] == "Outstanding")
    assert partly >= 5
    assert any(row["previous_balance"] for row in after["invoices"])


def test_some_payments_are_late(after: dict[str, list[Row]]) -> None:
    due = {row["invoice_number"]: row["due_date"] for row in after["invoices"]}
    late = [(row["applied_date"] - due[row["invoice_number"]]).days for row in after["payment_applications"]]
    assert sum(days >= 14 for days in late) >= 5


def test_one_payment_covers_three_jobs_of_one_customer(after: dict[str, list[Row]]) -> None:
    owners = {row["invoice_number"]: row["account_number"] for row in after["invoices"]}
    parents = {row["account_number"]: row["parent_account_number"] for row in after["customers"]}
    payers = {row["payment_number"]: row["account_number"] for row in after["payments"]}
    spread = {
        number: {owners[part["invoice_number"]] for part in parts}
        for number, parts in _by(after["payment_applications"], "payment_number").items()
    }
    (wide,) = [number for number, accounts in spread.items() if len(accounts) == 3]
    assert {parents[account] for account in spread[wide]} == {payers[wide]}
    assert all(accounts == {payers[number]} for number, accounts in spread.items() if number != wide)


def test_one_payment_pays_a_carried_invoice(after: dict[str, list[Row]], carried: dict[str, Row]) -> None:
    (part,) = [row for row in after["payment_applications"] if row["invoice_number"] in carried]
    theirs = carried[part["invoice_number"]]
    assert (
        part["amount_applied"] == theirs["balance_remaining"] < theirs["subtotal"] + theirs["sales_tax_total"]
    )


def test_an_unapplied_rest_and_a_refund(after: dict[str, list[Row]]) -> None:
    by_number = {row["payment_number"]: row for row in after["payments"]}
    (refund,) = [row for row in after["payments"] if row["payment_type"] == "Refund"]
    original = by_number[refund["reverses_payment_number"]]
    assert refund["amount"] == -original["amount"] < 0
    assert original["method"] in ("CreditCard", "ACH")
    applied = _by(after["payment_applications"], "payment_number")
    rests = [row for row in after["payments"] if row["unapplied_balance"] and applied[row["payment_number"]]]
    assert len(rests) == 1


def test_one_house_credit_and_one_write_off(after: dict[str, list[Row]], settings: Settings) -> None:
    assert sorted(row["kind"] for row in after["adjustments"]) == ["house_credit", "write_off"]
    assert all(row["amount"] == row["unapplied_balance"] > 0 for row in after["adjustments"])
    items = tables.to_rows(sample_tables()["quickbooks.items"])
    assert settings["credit_item"] in {row["full_name"] for row in items if row["is_active"]}


def test_what_a_customer_owes_is_what_is_open(after: dict[str, list[Row]]) -> None:
    owed: dict[str, Decimal] = defaultdict(Decimal)
    for row in after["invoices"]:
        if row["status"] in ("Paid", "Outstanding") and row["invoice_kind"] != "master":
            owed[row["account_number"]] += row["outstanding_balance"]
    for row in [*after["payments"], *after["adjustments"]]:
        owed[row["account_number"]] -= row["unapplied_balance"] or 0
    for row in after["customers"]:
        assert row["outstanding_balance"] == owed[row["account_number"]]


def test_documents_name_active_customers_and_us_dollars(
    books: dict[str, list[Row]], after: dict[str, list[Row]], decided_customers: list[Row]
) -> None:
    matched = {
        row["account_number"]: row for row in _matched_customers(books, after["customers"], decided_customers)
    }
    for table in ("invoices", "payments", "adjustments"):
        for row in after[table]:
            assert matched[row["account_number"]]["is_active"] is not False
            assert row.get("currency", "USD") == "USD"


def test_words_that_quickbooks_gets_fit_it(after: dict[str, list[Row]]) -> None:
    for row in after["invoice_lines"]:
        assert _fits_cp1252(row["description"])
    for table in ("invoices", "payments"):
        assert all(_fits_cp1252(row["notes"] or "") for row in after[table])


def _fits_cp1252(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _by(rows: list[Row], key: str) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return grouped
