"""BluBilling's spreadsheets: what is kept character for character, what is refused, and what is said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import extract
from toolkit.billing_tables import ALIASES, header_key
from toolkit.errors import InputFileError
from toolkit.tables import TABLES, to_rows
from toolkit.tables_billing import BILLING_TABLES
from toolkit.workspace import Workspace

CUSTOMERS = "account_number,name,last_payment_date,outstanding_balance,is_business,terms_value\n"
INVOICES = "Invoice Number,Customer Ref,Invoice Date,Due Date,Status,Current Amount Due\n"
NOON = dt.datetime(2026, 4, 1, 12)


def csv_file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def book(folder: Path, name: str, **sheets: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title.replace("_", " "))
        for row in rows:
            sheet.append(row)
    made.save(folder / name)
    return folder / name


def rules(findings: pd.DataFrame, severity: str | None = None) -> list[str]:
    rows = to_rows(findings)
    return [row["rule"] for row in rows if severity in (None, row["severity"])]


def customers(folder: Path, rows: str) -> extract.Loaded:
    return extract.read_billing([csv_file(folder, "customers.csv", CUSTOMERS + rows)])


def only(loaded: extract.Loaded, rule: str) -> dict[str, Any]:
    (row,) = [row for row in to_rows(loaded.findings) if row["rule"] == rule]
    return row


# --- values


def test_text_is_kept_character_for_character(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "00123,Acme  ,,,,\n1E5, Bolt,,,,\n=1+1,NULL,,,,\n007 ,NA,,,,\n")
    frame = loaded.tables["billing.customers"]
    assert list(frame["account_number"]) == ["00123", "1E5", "=1+1", "007 "]
    assert list(frame["name"]) == ["Acme  ", " Bolt", "NULL", "NA"]
    assert frame["outstanding_balance"].isna().all()
    assert loaded.findings.empty


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1234.5", "1234.50"),
        ('"1,234.50"', "1234.50"),
        ("-3", "-3.00"),
        ('"(1,000.00)"', "-1000.00"),
        ("2.500", "2.50"),
        (".50", "0.50"),
        (" 7 ", "7.00"),
        ("9999999999999.99", "9999999999999.99"),
    ],
)
def test_a_plain_amount(tmp_path: Path, text: str, amount: str) -> None:
    loaded = customers(tmp_path, f"1,Acme,,{text},,\n")
    assert str(loaded.tables["billing.customers"]["outstanding_balance"][0]) == amount


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("1E5", "bad_number"),
        ("$5", "bad_number"),
        ('"12,50"', "bad_number"),
        ('"1.234,50"', "bad_number"),
        ("5-", "bad_number"),
        ("(-5)", "bad_number"),
        (".", "bad_number"),
        ("١٢", "bad_number"),
        ("NaN", "bad_number"),
        ("10000000000000", "bad_number"),
        ("1.005", "too_many_decimals"),
        ("1." + "0" * 40 + "1", "bad_number"),
        ("#N/A", "broken_cell"),
    ],
)
def test_no_amount(tmp_path: Path, text: str, rule: str) -> None:
    loaded = customers(tmp_path, f"1,Acme,,1,,\n2,Bolt,,{text},,\n")
    found = only(loaded, rule)
    assert not loaded.tables, "a table with an error is not loaded at all"
    assert (found["severity"], found["key"], found["column"]) == ("error", "2", "outstanding_balance")
    assert (found["value"], found["source"]) == (text.strip('"'), "customers.csv!R3")


def test_a_comma_in_a_semicolon_file_is_not_read(tmp_path: Path) -> None:
    text = CUSTOMERS.replace(",", ";") + "1;Acme;;1,234;;\n"
    assert rules(extract.read_billing([csv_file(tmp_path, "customers.csv", text)]).findings) == [
        "ambiguous_number"
    ]


def test_switches_and_whole_numbers(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "1,A,,,Y,30\n2,B,,,FALSE,\n3,C,,,0,-1\n")
    frame = loaded.tables["billing.customers"]
    assert list(frame["is_business"]) == [True, False, False]
    assert [frame["terms_value"][0], frame["terms_value"][2]] == [30, -1]
    assert rules(customers(tmp_path, "1,A,,,perhaps,2.5\n").findings, "error") == [
        "bad_boolean",
        "bad_number",
    ]


# --- dates


def test_a_date_that_can_be_read_two_ways_is_refused(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "1,A,03/04/2026,,,\n2,B,05/05/2026,,,\n3,C,2026-01-31,,,\n")
    assert only(loaded, "ambiguous_date")["source"] == "customers.csv!R2"
    assert not loaded.tables


@pytest.mark.parametrize(
    ("proof", "day", "order"),
    [("13/01/2026", dt.date(2026, 4, 3), "dd/mm/yyyy"), ("01/13/2026", dt.date(2026, 3, 4), "mm/dd/yyyy")],
)
def test_the_column_itself_decides(tmp_path: Path, proof: str, day: dt.date, order: str) -> None:
    loaded = customers(tmp_path, f"1,A,03/04/2026,,,\n2,B,{proof},,,\n")
    assert loaded.tables["billing.customers"]["last_payment_date"][0] == day
    found = only(loaded, "date_format")
    assert (found["severity"], found["source"]) == ("info", "customers.csv")
    assert order in found["message"]


def test_both_orders_in_one_column_decide_nothing(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "1,A,13/01/2026,,,\n2,B,01/13/2026,,,\n")
    assert rules(loaded.findings) == ["ambiguous_date", "ambiguous_date"]


@pytest.mark.parametrize("text", ["2026-02-30", "46000", "31/02/2026", "1/2/26", "soon", "2026-01-31T00:00Z"])
def test_no_date(tmp_path: Path, text: str) -> None:
    assert rules(customers(tmp_path, f"1,A,{text},,,\n").findings, "error") == ["bad_date"]


def test_a_time_of_day_is_left_out_and_said(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "1,A,2026-01-31 00:00:00,,,\n2,B,2026-02-01T23:59,,,\n")
    assert list(loaded.tables["billing.customers"]["last_payment_date"]) == [
        dt.date(2026, 1, 31),
        dt.date(2026, 2, 1),
    ]
    assert only(loaded, "time_left_out")["message"].startswith("1 values")


# --- workbook cells


def test_cells_of_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "Customers export 2026.xlsx"
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.append(
        ["Account Number", "Customer Name", "Last Payment Date", "Outstanding Balance", "Tax Exempt"]
    )
    sheet.append([123, "Acme ", dt.date(2026, 1, 31), 0.1 + 0.2, True])
    sheet.append([123, "1E5", dt.datetime(2026, 2, 1), 1e5, False])
    sheet["A3"].number_format = "00000"
    sheet.append(["00123x", "007", None, 12.5, None])
    sheet.append([7, "Bolt"])
    sheet["A5"].number_format = '"C-"0000'
    made.save(path)
    loaded = extract.read_billing([path])
    frame = loaded.tables["billing.customers"]
    assert list(frame["account_number"]) == ["123", "00123", "00123x", "C-0007"]
    assert list(frame["name"]) == ["Acme ", "1E5", "007", "Bolt"]
    assert list(frame["last_payment_date"][:2]) == [dt.date(2026, 1, 31), dt.date(2026, 2, 1)]
    assert list(frame["outstanding_balance"][:3]) == [Decimal("0.30"), Decimal("100000.00"), Decimal("12.50")]
    assert list(frame["tax_exempt"][:2]) == [True, False]
    assert list(frame["source"])[1] == "Customers export 2026.xlsx!Sheet!R3"
    assert loaded.findings.empty


@pytest.mark.parametrize(
    ("cell", "format_", "rule", "severity"),
    [
        (12.5, "General", "number_in_text", "error"),
        (1234567890123456, "General", "digits_lost", "error"),
        (dt.date(2026, 3, 4), "yyyy-mm-dd", "date_in_text", "error"),
        (12, "0.00E+00", "number_in_text", "warning"),
    ],
)
def test_a_key_that_excel_changed(tmp_path: Path, cell: Any, format_: str, rule: str, severity: str) -> None:
    path = tmp_path / "customers.xlsx"
    made = openpyxl.Workbook()
    made.active.append(["Account Number", "Customer Name"])
    made.active.append([cell, "Acme"])
    made.active["A2"].number_format = format_
    made.save(path)
    found = only(extract.read_billing([path]), rule)
    assert (found["severity"], found["source"]) == (severity, "customers.xlsx!Sheet!R2")


def test_error_cells_and_formulas(tmp_path: Path) -> None:
    path = book(
        tmp_path,
        "customers.xlsx",
        Sheet1=[["Account Number", "Name", "Outstanding Balance"], ["1", "A", "#N/A"], ["2", "B", "=1+1"]],
    )
    loaded = extract.read_billing([path])
    found = {row["source"]: row["message"] for row in to_rows(loaded.findings)}
    assert found == {
        "customers.xlsx!Sheet1!R2": "outstanding_balance: the cell shows an error",
        "customers.xlsx!Sheet1!R3": "outstanding_balance: the formula has no stored result:"
        " open the file in Excel and save it",
    }
    assert rules(loaded.findings, "error") == ["broken_cell", "broken_cell"]


# --- which table


def test_tables_are_known_by_sheet_file_or_columns(tmp_path: Path) -> None:
    plans = book(
        tmp_path,
        "catalog.xlsx",
        Our_Plans=[["Contract Code", "Plan Name"], ["P1", "Basic"]],
        Sheet2=[["Plan Code", "Price Code", "Charge Type"], ["P1", "Hosting", "recurring"]],
        Notes=[["Written by Ann"]],
    )
    lines = csv_file(
        tmp_path,
        "InvoiceLines_2026-03.csv",
        "invoice no;line position;charge_position;PLAN-CODE;line amount\nI1;1;1;P1;5.00\n",
    )
    loaded = extract.read_billing([plans, lines])
    assert loaded.rows == {"billing.plans": 1, "billing.charges": 1, "billing.invoice_lines": 1}
    assert only(loaded, "sheet_left_out")["source"] == "catalog.xlsx!Notes"


def test_a_sheet_that_may_be_two_tables_names_both(tmp_path: Path) -> None:
    header = "account_number,name,contract_code\n"
    loaded = extract.read_billing([csv_file(tmp_path, "export.csv", header + "1,Acme,P1\n")])
    found = only(loaded, "ambiguous_table")
    assert found["severity"] == "error"
    assert "billing.customers or billing.plans" in found["message"]


def test_a_table_given_twice_is_not_loaded(tmp_path: Path) -> None:
    one = csv_file(tmp_path, "customers.csv", "account_number,name\n1,Acme\n")
    two = csv_file(tmp_path, "customers2.csv", "account_number,name\n2,Bolt\n")
    loaded = extract.read_billing([one, two])
    assert not loaded.tables
    assert "customers.csv and customers2.csv" in only(loaded, "table_twice")["message"]


@pytest.mark.parametrize("table", BILLING_TABLES, ids=lambda table: table.name)
def test_no_header_means_two_columns(table: Any) -> None:
    seen: dict[str, str] = {}
    for column in table.columns:
        if column.name in ("source", "imported_at"):
            continue
        for name in (column.name, *filter(None, column.source.split("|"))):
            assert seen.setdefault(header_key(name), column.name) == column.name, name
    assert len(ALIASES[table.name]) == len(seen)


# --- rows


def test_missing_unknown_and_double_columns(tmp_path: Path) -> None:
    text = "Account Number,Customer Ref,Colour\n1,1,red\n"
    loaded = extract.read_billing([csv_file(tmp_path, "customers.csv", text)])
    assert rules(loaded.findings, "error") == ["column_twice", "missing_column"]
    assert only(loaded, "missing_column")["column"] == "name"
    assert only(loaded, "unknown_column")["value"] == "Colour"
    assert only(loaded, "unknown_column")["severity"] == "info"


@pytest.mark.parametrize("row", ["Total,,,,,9.00", "Grand total:,,,,,9.00", ",,,,,9.00"])
def test_a_total_row_is_refused(tmp_path: Path, row: str) -> None:
    text = INVOICES + f"I1,1,2026-01-31,2026-02-28,Paid,9.00\n{row}\n\n"
    loaded = extract.read_billing([csv_file(tmp_path, "invoices.csv", text)])
    assert rules(loaded.findings) == ["total_row"]
    assert only(loaded, "total_row")["source"] == "invoices.csv!R3"


def test_a_customer_called_total_is_a_customer(tmp_path: Path) -> None:
    assert customers(tmp_path, "Total,Total,,,,\n").rows == {"billing.customers": 1}


def test_rows_without_key_or_with_the_same_one(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "1,A,,,,\n,B,,,,\n1,C,,,,\n  ,D,,,,\n1,E,,,,\n")
    assert rules(loaded.findings) == ["missing_value", "missing_value", "repeated_key", "repeated_key"]
    assert list(loaded.findings["source"]) == [f"customers.csv!R{row}" for row in (3, 5, 4, 6)]


def test_blank_price_codes_do_not_stop_a_plan(tmp_path: Path) -> None:
    text = "contract_code,price_code,charge_type\nP1,,recurring\nP1,,usage\n"
    loaded = extract.read_billing([csv_file(tmp_path, "charges.csv", text)])
    assert loaded.rows == {"billing.charges": 2}
    assert rules(loaded.findings, "warning") == ["repeated_key"]


def test_ragged_rows_and_quoted_newlines(tmp_path: Path) -> None:
    text = 'account_number,name\n1,"Acme\nInc"\n\n2\n3,Bolt,,\n4,Cog,extra\n'
    loaded = extract.read_billing([csv_file(tmp_path, "customers.csv", text)])
    ragged = [row["source"] for row in to_rows(loaded.findings) if row["rule"] == "ragged_row"]
    assert ragged == ["customers.csv!R4", "customers.csv!R6"]
    assert extract.read_billing(
        [csv_file(tmp_path, "customers.csv", 'account_number,name\n1,"Acme\nInc"\n')]
    ).tables["billing.customers"]["name"][0] == ("Acme\nInc")


def test_many_bad_rows_are_counted_not_listed(tmp_path: Path) -> None:
    loaded = customers(tmp_path, "".join(f"{n},A,soon,,,\n" for n in range(250)))
    bad = [row for row in to_rows(loaded.findings) if row["rule"] == "bad_date"]
    assert len(bad) == 101
    assert bad[-1]["message"] == "150 more rows have the same problem."


# --- files


def test_encodings_and_delimiters(tmp_path: Path) -> None:
    text = "account_number\tname\n1\tSøn\n"
    assert rules(extract.read_billing([csv_file(tmp_path, "customers.tsv", text)]).findings) == []
    for encoding, expected in (("utf-8-sig", []), ("utf-16", []), ("cp1252", ["encoding"])):
        loaded = extract.read_billing([csv_file(tmp_path, "customers.csv", text.encode(encoding))])
        assert loaded.tables["billing.customers"]["name"][0] == "Søn"
        assert rules(loaded.findings) == expected
    declared = csv_file(tmp_path, "customers.csv", "sep=;\naccount_number;name\n1;A,B\n")
    assert extract.read_billing([declared]).tables["billing.customers"]["name"][0] == "A,B"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("customers.csv", b"", "empty"),
        ("customers.csv", b"\n\n  \n", "no rows"),
        ("customers.xls", b"\xd0\xcf\x11\xe0", "no spreadsheet"),
        ("customers.xlsx", b"\xd0\xcf\x11\xe0", "not a workbook"),
        ("customers.csv", b"PK\x03\x04\x00\x00", "not a text file"),
        ("customers.csv", b"account_number,name\n1,\x81\n", "neither UTF-8 nor"),
        ("customers.csv", b'account_number,name\n1,"Acme\n', "line 2"),
        ("holiday.csv", b"Day,Where\n1,Rome\n", "its first row says: Day, Where"),
        ("customers.csv", b"Day,Where\n1,Rome\n", "none of BluBilling's tables"),
    ],
)
def test_a_foreign_file_raises(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        extract.read_billing([csv_file(tmp_path, name, data)])


def test_an_absent_file_raises(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        extract.read_billing([tmp_path / "customers.csv"])


# --- across tables


def test_references_and_sums_are_warnings(tmp_path: Path) -> None:
    files = {
        "customers.csv": "account_number,name\n1,Acme\n",
        "invoices.csv": INVOICES.replace("\n", ",Outstanding Balance\n")
        + "I1,1,2026-01-31,2026-02-28,Outstanding,9.00,4.00\nI2,99,2026-01-31,2026-02-28,Paid,5.00,5.00\n",
        "invoice_lines.csv": "invoice_number,line_position,charge_position,contract_code,amount,line_type\n"
        "I1,1,1,P,6.00,charge\nI1,1,2,P,3.00,tax\nI1,1,3,P,9.00,usage_subtotal\nI3,1,1,P,1,charge\n",
        "payments.csv": "payment_number,account_number,payment_type,method,amount,unapplied_balance,"
        "effective_date,status\nP1,1,Payment,ACH,6.00,0.00,2026-02-01,Paid\n"
        "R1,1,Refund,ACH,-6.00,0.00,2026-02-01,Paid\n",
        "payment_applications.csv": "payment_number,invoice_number,seq,amount_applied\nP1,I1,1,5.00\n",
    }
    loaded = extract.read_billing([csv_file(tmp_path, name, text) for name, text in files.items()])
    assert len(loaded.tables) == 5
    found = {(row["rule"], row["key"]): row["severity"] for row in to_rows(loaded.findings)}
    assert found == dict.fromkeys(
        [
            ("not_found", "99"),
            ("not_found", "I3"),
            ("lines_total", "I2"),
            ("payment_total", "P1"),
            ("open_amount", "I2"),
        ],
        "warning",
    )


# --- into a workspace


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(
        tmp_path / "ws", company="Acme", password="s3cret-word", clock=lambda: NOON
    ) as made:
        yield made


def test_load_replaces_and_lists_what_is_gone(ws: Workspace, tmp_path: Path) -> None:
    first = extract.load(ws, [csv_file(tmp_path, "customers.csv", "account_number,name\n1,A\n2,B\n3,C\n")])
    assert (first.rows, first.gone) == ({"billing.customers": 3}, {})
    second = extract.load(ws, [csv_file(tmp_path, "customers.csv", "account_number,name\n2,B\n4,D\n")])
    assert second.gone == {"billing.customers": ["1", "3"]}
    frame = ws.read("billing.customers")
    assert list(frame["account_number"]) == ["2", "4"]
    assert set(frame["imported_at"]) == {pd.Timestamp(NOON)}
    assert list(frame["source"]) == ["customers.csv!R2", "customers.csv!R3"]


def test_a_bad_table_leaves_the_old_one_and_the_others_load(ws: Workspace, tmp_path: Path) -> None:
    extract.load(ws, [csv_file(tmp_path, "customers.csv", "account_number,name\n1,A\n")])
    bad = csv_file(tmp_path, "customers.csv", "account_number,name\n1,A\n1,B\n")
    plans = csv_file(tmp_path, "plans.csv", "contract_code,name\nP,Basic\n")
    loaded = extract.load(ws, [bad, plans])
    assert loaded.rows == {"billing.plans": 1}
    assert list(ws.read("billing.customers")["name"]) == ["A"]
    assert rules(loaded.findings, "error") == ["repeated_key"]


def test_a_foreign_file_changes_nothing(ws: Workspace, tmp_path: Path) -> None:
    good = csv_file(tmp_path, "customers.csv", "account_number,name\n1,A\n")
    with pytest.raises(InputFileError):
        extract.load(ws, [good, csv_file(tmp_path, "x.csv", "a,b\n1,2\n")])
    assert not ws.has("billing.customers")


def test_references_look_into_the_workspace(ws: Workspace, tmp_path: Path) -> None:
    extract.load(ws, [csv_file(tmp_path, "customers.csv", "account_number,name\n1,A\n")])
    row = "I1,{},2026-01-31,2026-02-28,Outstanding,5.00\n"
    good = extract.load(ws, [csv_file(tmp_path, "invoices.csv", INVOICES + row.format(1))])
    assert good.findings.empty
    bad = extract.load(ws, [csv_file(tmp_path, "invoices.csv", INVOICES + row.format(2))])
    assert rules(bad.findings, "warning") == ["not_found"]


# --- laws


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
            ),
            st.decimals(min_value=-(10**10), max_value=10**10, places=2),
        ).filter(lambda row: row[0].strip() and not row[0].startswith("#")),
        min_size=1,
        unique_by=lambda row: row[0],
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, Decimal]]
) -> None:
    text = "account_number,name,outstanding_balance\n"
    for account, balance in rows:
        quoted = account.replace('"', '""')
        text += f'"{quoted}",x,{balance:,}\n'.replace(f"{balance:,}", f'"{balance:,}"')
    path = csv_file(tmp_path_factory.mktemp("load"), "customers.csv", text)
    loaded = extract.read_billing([path])
    frame = loaded.tables["billing.customers"]
    assert list(frame["account_number"]) == [account for account, _ in rows]
    assert sum(frame["outstanding_balance"]) == sum(balance for _, balance in rows)


@pytest.mark.slow
def test_a_hundred_thousand_lines(tmp_path: Path) -> None:
    header = "invoice_number,line_position,charge_position,contract_code,amount,service_start\n"
    lines = "".join(f"I{n // 4},{n % 4},1,P,{n % 997}.25,2026-01-01\n" for n in range(100_000))
    loaded = extract.read_billing([csv_file(tmp_path, "invoice_lines.csv", header + lines)])
    frame = loaded.tables["billing.invoice_lines"]
    assert sum(frame["amount"]) == sum(Decimal(n % 997) + Decimal("0.25") for n in range(100_000))
    assert set(TABLES["billing.invoice_lines"].names) == set(frame.columns)
