"""BluBilling's spreadsheets as they stand: .xlsx and .csv to rows of cells, nothing stripped or guessed.

A cell keeps what the file holds: text character for character, a number with the format Excel shows it in,
a date as a date. What a cell means is decided by the column it stands in (:mod:`toolkit.billing_values`).
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from toolkit.errors import InputFileError
from toolkit.tables import finding

__all__ = ["Broken", "Cell", "Number", "Sheet", "is_blank", "read_sheets"]

WORKBOOKS = (".xlsx", ".xlsm")
TEXTS = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t"
ERROR_CELLS = frozenset(
    {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number cell of a workbook.

    Parameters
    ----------
    value : int or float
        As stored.
    format : str
        Excel's number format, which decides how people see it: ``00000`` shows 123 as 00123.
    """

    value: int | float
    format: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell without a usable value.

    Parameters
    ----------
    text : str
        What stands there, for example ``#N/A``.
    reason : str
        Why it is no value, as a clause.
    """

    text: str
    reason: str


Cell = str | bool | Number | date | datetime | Broken | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook, or one text file.

    Parameters
    ----------
    file : str
        Name of the file, without its folder.
    name : str
        Name of the sheet; empty for a text file.
    rows : list of (int, list of cells)
        The rows that hold anything, each with its number in the file, from 1.
    decimal_comma : bool
        The file is separated by semicolons, as where 1,5 means one and a half.
    findings : list of dict
        What was odd about the file itself.
    """

    file: str
    name: str
    rows: list[tuple[int, list[Cell]]]
    decimal_comma: bool = False
    findings: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The file and sheet, as a finding's source begins."""
        return f"{self.file}!{self.name}" if self.name else self.file

    def source(self, row: int) -> str:
        """Return where a row stands: ``customers.xlsx!Sheet1!R17``."""
        return f"{self.place}!R{row}"


def is_blank(cell: Cell) -> bool:
    """Tell whether nothing stands in a cell, blanks aside."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def read_sheets(path: Path) -> list[Sheet]:
    """Return the sheets of one file that hold anything.

    Parameters
    ----------
    path : Path
        An .xlsx, .xlsm, .csv, .tsv or .txt file.

    Raises
    ------
    InputFileError
        The file is absent, empty, of another kind, encrypted, damaged or in an encoding that is not known.
    """
    suffix = path.suffix.lower()
    if suffix not in WORKBOOKS + TEXTS:
        raise InputFileError(
            str(path),
            f"{suffix or 'a file without an ending'} is no spreadsheet the toolkit reads",
            "save it as .xlsx or .csv",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise InputFileError(str(path), problem) from error
    if not data:
        raise InputFileError(str(path), "the file is empty")
    sheets = _workbook(path, data) if suffix in WORKBOOKS else [_text_file(path, data)]
    sheets = [sheet for sheet in sheets if sheet.rows]
    if not sheets:
        raise InputFileError(str(path), "the file holds no rows")
    return sheets


def _workbook(path: Path, data: bytes) -> list[Sheet]:
    try:
        with warnings.catch_warnings():
            # openpyxl warns about parts it does not keep (drop-downs, pictures): cells are not among them.
            warnings.simplefilter("ignore")
            values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            formulas = None
            if _has_formulas(data):
                formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
            try:
                return [_sheet(path, sheet, formulas) for sheet in values.worksheets]
            finally:
                values.close()
                if formulas is not None:
                    formulas.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, SyntaxError) as error:
        hint = "save it again from Excel as .xlsx, without a password"
        raise InputFileError(str(path), f"not a workbook that can be read ({error})", hint) from error


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and re.search(rb"<(\w+:)?f[ >/]", archive.read(name)):
                return True
    return False


def _sheet(path: Path, sheet: Any, formulas: Any) -> Sheet:
    # Some programs write a wrong extent into the sheet; without it openpyxl reads what is there.
    sheet.reset_dimensions()
    rows = [(number, [_cell(cell) for cell in cells]) for number, cells in enumerate(sheet.iter_rows(), 1)]
    if formulas is not None:
        _mark_uncalculated(rows, formulas[sheet.title])
    kept = [(number, cells) for number, cells in rows if not all(map(is_blank, cells))]
    return Sheet(path.name, sheet.title, kept)


def _mark_uncalculated(rows: list[tuple[int, list[Cell]]], formulas: Any) -> None:
    """Put :class:`Broken` where a formula has no stored result: else it would read as an empty cell."""
    formulas.reset_dimensions()
    for (_, cells), found in zip(rows, formulas.iter_rows(), strict=False):
        for place, cell in enumerate(found):
            if cell.data_type == "f" and cells[place] is None:
                reason = "the formula has no stored result: open the file in Excel and save it"
                cells[place] = Broken("formula", reason)


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return Broken(value, "the cell shows an error") if cell.data_type == "e" else value
    if isinstance(value, int | float):
        return Number(value, cell.number_format)
    if isinstance(value, date | datetime):
        return value
    if isinstance(value, time | timedelta):
        return str(value)
    return Broken(str(value), f"a {type(value).__name__} is no value")


def _text_file(path: Path, data: bytes) -> Sheet:
    notes: list[dict[str, str | None]] = []
    text = _decode(path, data, notes)
    delimiter, body = _delimiter(text)
    rows: list[tuple[int, list[Cell]]] = []
    for number, record in enumerate(_records(path, body, delimiter), 1):
        cells: list[Cell] = [_text_cell(value) for value in record]
        if not all(map(is_blank, cells)):
            rows.append((number, cells))
    return Sheet(path.name, "", rows, decimal_comma=delimiter == ";", findings=notes)


def _text_cell(value: str) -> Cell:
    # Excel writes its error cells into a .csv by name.
    return Broken(value, "the cell shows an error") if value in ERROR_CELLS else value or None


def _decode(path: Path, data: bytes, notes: list[dict[str, str | None]]) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputFileError(str(path), "the text is neither UTF-8 nor UTF-16") from error
    if b"\0" in data:
        raise InputFileError(str(path), "not a text file, though its name says so", "save it as .csv")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        hint = "save it as CSV UTF-8"
        raise InputFileError(str(path), "the text is neither UTF-8 nor Windows-1252", hint) from error
    message = "The file is not UTF-8; it was read as Windows-1252. Check names with accents."
    notes.append(finding("info", "encoding", message, source=path.name))
    return text


def _delimiter(text: str) -> tuple[str, str]:
    """Return the delimiter and the text behind a ``sep=;`` line, which Excel hides."""
    declared = re.match(r"sep=([,;\t])\r?\n", text)
    if declared:
        return declared[1], text[declared.end() :]
    header = next((line for line in text.splitlines() if line.strip()), "")
    outside = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=outside.count), text


def _records(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        where = f"line {reader.line_num}: {error}"
        raise InputFileError(str(path), f"the file cannot be split into cells ({where})") from error
