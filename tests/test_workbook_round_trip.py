"""The mapping workbook through other programs: LibreOffice and pandas, .xlsx and .ods; decided by key."""

from __future__ import annotations

from pathlib import Path

import libreoffice as calc
import pandas as pd
import pytest
from mapping_world import CODES, World, change, rules, taken
from openpyxl import load_workbook

ALL = 31
"""Rows that are decided on."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    return world.write(tmp_path / "mapping.xlsx")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_what_an_analyst_does_in_libreoffice_comes_back_by_key(path: Path, world: World, kind: str) -> None:
    saved = calc.edit(
        path,
        calc.put("Charges", "price_code", "HOST", "decision", "Web:Hosting"),
        calc.put("Charges", "price_code", "HOST", "note", "=as agreed"),
        calc.put("Charges", "price_code", "3-4", "decision", "00123"),
        calc.put("Charges", "price_code", "=x", "decision", "Setup Fee"),
        calc.sort("Charges", "price_code", descending=True),
        calc.move_column("Charges", "decision", "price_code"),
        calc.hide_column("Charges", "invoice_text"),
        calc.delete_column("Charges", "source"),
        calc.delete_rows("Charges", "price_code", "1E5", "Setup Fee"),
        calc.hide_rows("Charges", "price_code", "HOST"),
        calc.put("Customers", "account_number", "008", "decision", "John Smith"),
        calc.show_only("Customers", "account_number", "007"),
        calc.put("Payment methods", "method", "CreditCard", "decision", "Visa"),
        calc.put("Payment methods", "method", "CreditCard", "deposit_account", "Checking"),
        calc.put("Adjustments", "kind", "house_debit", "decision", "Setup Fee"),
        calc.put("Numbers", "number", "2026-0000012", "decision", "0012"),
        kind=kind,
    )
    read = world.read(saved)
    assert rules(read) == []
    found = {table: sorted(rows, key=repr) for table, rows in taken(read).items()}
    assert found == {
        "charge_items": [
            *(("P1", "3-4", "00123", None), ("P1", "=x", "Setup Fee", None)),
            ("P1", "HOST", "Web:Hosting", "=as agreed"),
        ],
        "customers": [("008", "John Smith", None)],
        "payment_methods": [("CreditCard", "Visa", None)],
        "adjustments": [("house_debit", "Setup Fee", None)],
        "numbers": [("invoice", "2026-0000012", "0012", None)],
    }
    assert read.unchanged == ALL - 7 - 2
    world.take(read)
    again = world.read(saved)
    assert (again.decisions, rules(again), again.unchanged) == ({}, [], ALL - 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_every_odd_text_comes_back_untouched(path: Path, world: World, kind: str) -> None:
    saved = calc.convert(path, kind)
    read = world.read(saved)
    assert (read.decisions, rules(read), read.unchanged) == ({}, [], ALL)
    # Decided on by its key, whatever the key looks like.
    steps = [calc.put("Charges", "price_code", code, "decision", "Web:Hosting") for code in CODES]
    decided = taken(world.read(calc.edit(path, *steps, kind=kind)))["charge_items"]
    assert sorted(row[1] for row in decided) == sorted(CODES)


@pytest.mark.slow
def test_a_column_filled_down_is_read_row_by_row(path: Path, world: World) -> None:
    saved = calc.edit(
        path,
        calc.put("Charges", "price_code", "\u0410cme", "decision", "Web:Hosting"),
        calc.fill_down("Charges", "decision", 2, 5),
        kind="ods",
    )
    page = pd.read_excel(saved, sheet_name="Charges", dtype=str, keep_default_na=False, engine="calamine")
    filled = set(page.loc[page["decision"] == "Web:Hosting", "price_code"])
    read = world.read(saved)
    assert rules(read) == [] and len(filled) == 4
    assert {row[1] for row in taken(read)["charge_items"]} == filled


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_a_formula_in_a_cell_to_fill_is_found_in_either_kind(path: Path, world: World, kind: str) -> None:
    cells = load_workbook(path)["Charges"][1]
    letter = next(cell.column_letter for cell in cells if cell.value == "decision")
    sheet = 'book.Sheets.getByName("Charges")'
    saved = calc.edit(path, f'{sheet}.getCellRangeByName("{letter}2").setFormula("=B2")', kind=kind)
    read = world.read(saved)
    assert (rules(read), read.decisions) == ([("error", "formula")], {})


@pytest.mark.slow
def test_a_choice_typed_as_by_hand_stays_text(path: Path, world: World) -> None:
    saved = calc.edit(path, calc.type_in("Charges", "price_code", "HOST", "decision", "00123"), kind="ods")
    assert taken(world.read(saved)) == {"charge_items": [("P1", "HOST", "00123", None)]}


@pytest.mark.slow
def test_libreoffice_keeps_drop_downs_and_filters(path: Path) -> None:
    book = load_workbook(calc.convert(path, "xlsx"))
    for title in ("Charges", "Customers", "Taxes", "Payment methods", "Terms", "Adjustments"):
        page = book[title]
        assert page.data_validations.count >= 1, title
        assert page.auto_filter.ref is not None, title
    lists = {str(one.sqref): one.formula1 for one in book["Items by hand"].data_validations.dataValidation}
    assert len(lists) == 3 and all("_names" in formula for formula in lists.values())


@pytest.mark.slow
def test_every_sheet_can_be_printed_and_seen(path: Path) -> None:
    pages = calc.pictures(path)
    shown = [title for title in load_workbook(path).sheetnames if not title.startswith("_")]
    assert len(pages) >= len(shown)
    assert all(page.read_bytes().startswith(b"\x89PNG") for page in pages)


# --- pandas -------------------------------------------------------------------------------------------------


def through_pandas(path: Path, **how: object) -> dict[str, pd.DataFrame]:
    sheets: dict[str, pd.DataFrame] = pd.read_excel(path, sheet_name=None, **how)  # type: ignore[call-overload]
    return sheets


def save(sheets: dict[str, pd.DataFrame], path: Path) -> Path:
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for title, frame in sheets.items():
            frame.to_excel(writer, sheet_name=title, index=False)
    return path


@pytest.mark.parametrize("engine", ["openpyxl", "calamine"])
def test_decided_in_pandas_with_texts_kept_as_texts(
    tmp_path: Path, path: Path, world: World, engine: str
) -> None:
    sheets = through_pandas(path, dtype=str, keep_default_na=False, engine=engine)
    charges = sheets["Charges"].sort_values("price_code", ascending=False)
    charges.loc[charges["price_code"] == "00123", "decision"] = "Web:Hosting"
    charges.loc[charges["price_code"] == " lead", "decision"] = "Setup Fee"
    sheets["Charges"] = pd.concat([charges, charges.head(3)])  # some rows doubled
    for hidden in (True, False):
        kept = {title: frame for title, frame in sheets.items() if hidden or title in ("Charges", "Terms")}
        read = world.read(save(kept, tmp_path / "by_pandas.xlsx"))
        # 'Setup Fee' goes before the exact match of ' lead', and the analyst is told.
        expected = {("warning", "exact_overridden")}
        assert set(rules(read)) == (expected if hidden else {*expected, ("warning", "missing_sheet")})
        assert sorted(taken(read)["charge_items"]) == [
            *(("P1", " lead", "Setup Fee", None), ("P1", "00123", "Web:Hosting", None)),
        ]


def test_numbers_made_of_texts_by_pandas_decide_on_nothing_else(
    tmp_path: Path, path: Path, world: World
) -> None:
    def only_digits(book: object) -> None:
        page = book["Customers"]  # type: ignore[index]
        names = [cell.value for cell in page[1]]
        page.cell(2, names.index("decision") + 1).value = "Acme, Inc."

    change(path, only_digits)
    key = load_workbook(path)["Customers"].cell(2, 1).value
    read = world.read(save(through_pandas(path, engine="openpyxl"), tmp_path / "by_pandas.xlsx"))
    decided = taken(read).get("customers", [])
    # pandas makes the account number 007 the number 7: its decision is told as lost, or it is 007's.
    assert decided == [(key, "Acme, Inc.", None)] or ("warning", "unknown_key") in rules(read)
    assert ("error", "conflict") not in rules(read)
