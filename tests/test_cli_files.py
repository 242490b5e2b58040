"""Files that commands write: whatever a person filled is kept, and what cannot be written changes nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import cli_world
import openpyxl
import pytest
from cli_world import QUARTER, Toolkit

from toolkit.errors import InputFileError
from toolkit.workbook_frame import save_book
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace_files import write_atomically

KEYS = {"contract_code": "WEB-HOSTING", "price_code": "hosting:enterprise"}
WRITERS = (
    (("table", "quickbooks.items", "--to"), "kept"),
    (("export", *QUARTER, "--invoices", "--to"), "kept"),
    (("reconcile", "--to"), "file_kept"),
)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def book_of(text: str) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = text
    return book


def text_of(path: Path) -> Any:
    return openpyxl.load_workbook(path).worksheets[0]["A1"].value


@pytest.mark.parametrize(("command", "key"), WRITERS, ids=lambda value: str(value[0]))
def test_a_filled_workbook_is_kept_whatever_is_written_in_its_place(
    toolkit: Toolkit, at: Any, tmp_path: Path, command: tuple[str, ...], key: str
) -> None:
    workspace, book = at("imported"), tmp_path / "m.xlsx"
    toolkit("-w", workspace, "map", "--write", book)
    fill_decisions(book, [{"sheet": "Charges", **KEYS, "decision": "Hosting:Enterprise"}])
    filled, first = book.read_bytes(), tmp_path / "m.1.xlsx"
    said = toolkit("-w", workspace, *command, book)
    assert f"{book} was there already: kept as {first}\n" in said.out
    assert (first.read_bytes() == filled, book.read_bytes() == filled) == (True, False)
    again = toolkit("-w", workspace, *command, book, "--json").json
    assert (again[key], names(tmp_path)) == (None, ["m.1.xlsx", "m.xlsx"]), "the same, and nobody edited it"
    edited = openpyxl.load_workbook(book)
    edited.worksheets[0]["Z1"] = "a note of mine"
    edited.save(book)
    mine = book.read_bytes()
    third = tmp_path / "m.2.xlsx"
    assert toolkit("-w", workspace, *command, book, "--json").json[key] == str(third)
    assert third.read_bytes() == mine
    assert toolkit("-w", workspace, "map", "--read", first, "--json").json["decided"] == 1


def test_a_table_of_other_rows_is_kept_and_so_is_what_is_no_workbook(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace, book = at("imported"), tmp_path / "t.xlsx"
    book.write_bytes(b"not a workbook at all")
    asked = ("-w", workspace, "table", "quickbooks.items", "--to", book, "--json")
    assert toolkit(*asked).json["kept"] == str(tmp_path / "t.1.xlsx")
    assert (tmp_path / "t.1.xlsx").read_bytes() == b"not a workbook at all"
    other = toolkit("-w", workspace, "table", "quickbooks.customers", "--to", book, "--json").json
    assert other["kept"] == str(tmp_path / "t.2.xlsx")
    assert openpyxl.load_workbook(tmp_path / "t.2.xlsx").sheetnames == ["quickbooks.items"]


def test_where_a_file_cannot_take_its_place_the_older_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.xlsx"
    save_book(book_of("filled by hand"), path)
    filled = path.read_bytes()

    def denied(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Access is denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", denied)
        with pytest.raises(InputFileError, match="cannot be written: Access is denied"):
            save_book(book_of("new"), path, keep=True)
    assert (names(tmp_path), path.read_bytes()) == (["m.xlsx"], filled)


@pytest.mark.parametrize("linked", [True, False])
def test_what_is_kept_has_a_name_that_nothing_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    if not linked:  # a memory stick, or a folder of another machine
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "m.xlsx"
    (tmp_path / "m.2.xlsx").write_bytes(b"mine")
    kept = [save_book(book_of(str(number)), path, keep=True) for number in range(4)]
    assert kept == [None, *(tmp_path / f"m.{number}.xlsx" for number in (1, 3, 4))]
    assert [text_of(tmp_path / f"m.{number}.xlsx") for number in (1, 3, 4)] == ["0", "1", "2"]
    assert (text_of(path), (tmp_path / "m.2.xlsx").read_bytes()) == ("3", b"mine")
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"a\r\n1\n")
    secret.chmod(0o600)
    copy = write_atomically(secret, lambda file: file.write(b"b"), keep=True)
    assert copy is not None and copy.read_bytes() == b"a\r\n1\n"
    if os.name != "nt":
        assert copy.stat().st_mode & 0o777 == 0o600


def test_a_table_to_write_needs_its_name(toolkit: Toolkit, at: Any, tmp_path: Path) -> None:
    for arguments in ((), ("-w", at("fresh")), ("-w", tmp_path / "none")):
        said = toolkit("table", "--to", tmp_path / "all.xlsx", *arguments)
        assert (said.code, said.out) == (2, "")
        assert re.fullmatch(r"toolkit: --to writes one table: name it, as in [^\n]+\n", said.err)
    assert not (tmp_path / "all.xlsx").exists()
    for before, after in (((), ("-w", tmp_path / "none")), (("-w", tmp_path / "none"), ())):
        said = toolkit(*before, "table", *after)
        assert (said.code, said.out) == (2, "")
        assert "there is no workspace at" in said.err
    assert toolkit("table", "-w", tmp_path / "fresh").code == 0
