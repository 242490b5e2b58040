"""The tests' own spreadsheet program: what each step of an edit does to a workbook, and what fails aloud."""

from __future__ import annotations

from pathlib import Path

import libreoffice
import pytest
from libreoffice import (
    LibreOfficeFailed,
    delete_column,
    delete_rows,
    delete_sheet,
    fill_down,
    hide_column,
    hide_rows,
    move_column,
    put,
    show_only,
    sort,
    type_in,
)
from openpyxl import Workbook, load_workbook
from openpyxl.styles import numbers

CODES = ["00123", "1E5", "3-4", "=1+1", "Ümlaut", "TRUE"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Return a workbook of one real sheet: a title, a header row, keys and places for decisions."""
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Charges"
    sheet.append(["What to decide"])
    sheet.append(["price_code", "rank", "decision", "note"])
    for rank, code in enumerate(CODES):
        sheet.append([code, (rank * 5) % 7, None, None])
        for cell in sheet[sheet.max_row]:
            if cell.column_letter != "B":
                cell.number_format = numbers.FORMAT_TEXT
                cell.data_type = "s" if cell.value else "n"
    made.create_sheet("Other")
    path = tmp_path / "book ü.xlsx"
    made.save(path)
    return path


def rows(path: Path) -> list[tuple[object, ...]]:
    sheet = load_workbook(path)["Charges"]
    return list(sheet.iter_rows(min_row=3, values_only=True))


@pytest.mark.slow
def test_an_edit_sorts_fills_types_moves_hides_and_deletes(book: Path) -> None:
    edited = libreoffice.edit(
        book,
        put("Charges", "price_code", "=1+1", "decision", 'A "quoted"\nline'),
        type_in("Charges", "price_code", "3-4", "note", "00099"),
        sort("Charges", "rank", descending=True),
        type_in("Charges", "rank", "6", "decision", "Web:Hosting 1"),
        fill_down("Charges", "decision", 1, 3),
        delete_rows("Charges", "price_code", "TRUE"),
        move_column("Charges", "decision", before="price_code"),
        hide_column("Charges", "note"),
        show_only("Charges", "price_code", "1E5"),
        hide_rows("Charges", "price_code", "1E5"),
        delete_column("Charges", "rank"),
        delete_sheet("Other"),
    )
    assert rows(edited) == [
        ("Web:Hosting 1", "Ümlaut", None),
        ("Web:Hosting 1", "1E5", None),
        (None, "3-4", "00099"),
        ('A "quoted"\nline', "=1+1", None),
        (None, "00123", None),
    ]
    workbook = load_workbook(edited)
    assert workbook.sheetnames == ["Charges"]
    assert workbook["Charges"].column_dimensions["C"].hidden
    assert all(workbook["Charges"].row_dimensions[row].hidden for row in range(3, 8))
    assert rows(book)[0] == ("00123", 0, None, None), "the workbook itself stays as it was"


@pytest.mark.slow
def test_it_saves_as_ods_and_prints_pictures(book: Path) -> None:
    as_ods = libreoffice.edit(book, put("Charges", "price_code", "1E5", "note", "kept"), kind="ods")
    assert as_ods.suffix == ".ods"
    back = rows(libreoffice.convert(as_ods, "xlsx"))
    assert [row[0] for row in back] == CODES
    assert back[1][3] == "kept"
    (page,) = libreoffice.pictures(book)
    assert page.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_step_that_fails_says_why(book: Path, tmp_path: Path) -> None:
    with pytest.raises(LibreOfficeFailed, match="no heading colour on sheet Charges"):
        libreoffice.edit(book, sort("Charges", "colour"))
    with pytest.raises(LibreOfficeFailed, match="no row with 77 under price_code"):
        libreoffice.edit(book, put("Charges", "price_code", "77", "note", "x"))
    (tmp_path / "none.xlsx").write_bytes(b"")
    with pytest.raises(LibreOfficeFailed):
        libreoffice.convert(tmp_path / "absent.xlsx", "ods")


def test_without_libreoffice_it_says_what_to_install(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice.shutil, "which", lambda name: None)
    # Not cache_clear: a profile that other tests share stays theirs.
    monkeypatch.setattr(libreoffice, "_warm_profile", libreoffice._warm_profile.__wrapped__)
    with pytest.raises(LibreOfficeFailed, match="install libreoffice-calc"):
        libreoffice.convert(book, "ods")
    with pytest.raises(LibreOfficeFailed, match="install poppler-utils"):
        libreoffice.pictures(book)
