"""Open a workbook that came back, .xlsx or .ods: its sheets as rows of values, and where formulas stand.

The values are read by calamine, which is fast and keeps texts as texts. It does not tell a formula from its
result, and an error or a merged cell from a blank one, so those are looked for in the file's own XML.
"""

from __future__ import annotations

import io
import posixpath
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree
from openpyxl import load_workbook
from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries
from openpyxl.workbook import Workbook
from python_calamine import CalamineWorkbook

from toolkit.errors import InputFileError
from toolkit.workbook_cells import cell_text, from_cell

__all__ = ["Page", "Pages", "broken_cell", "is_formula", "open_book", "open_pages", "text_of"]

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_META = "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}"
_NONCHARACTER = re.compile(r"_x(FFF[EF])_", re.IGNORECASE)
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_ANY_ODD = re.compile(rb"<(?:\w+:)?(?:f|mergeCell)[ >/]|\st=[\"']e[\"']")
_MOST_MERGED = 1_000_000  # cells; openpyxl makes one of each, and no person merges so many
_ERROR = (
    "error_value",
    "this is an error value: type the text itself, or empty the cell; the row was not read",
)
_MERGED = (
    "merged_cells",
    "this cell is merged with others: split them, for each row has its own; it was not read",
)

Formulas = dict[tuple[int, int], str]


@dataclass(slots=True)
class Oddities:
    """What calamine does not tell of a sheet, by place: row and column from 0."""

    formulas: Formulas = field(default_factory=dict)
    errors: set[tuple[int, int]] = field(default_factory=set)
    merged: list[tuple[range, range]] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """One sheet: its rows from the first on; by place (row and column from 0) what is no plain value.

    Parameters
    ----------
    title : str
        Its name.
    rows : list of list
        The values.
    formulas : dict
        Formulas by place.
    errors, merged : set
        Places of error values such as ``#N/A``, and of all cells that are merged with others.
    """

    title: str
    rows: list[list[Any]]
    formulas: Formulas
    errors: set[tuple[int, int]] = field(default_factory=set)
    merged: set[tuple[int, int]] = field(default_factory=set)

    def texts(self) -> list[list[str | None]]:
        """Return the rows, each value as the text to compare it by."""
        return [[cell_text(value) for value in row] for row in self.rows]

    def broken(
        self, number: int, places: Mapping[str, int], names: Iterable[str]
    ) -> tuple[str, str, str] | None:
        """Return rule, message and column where a cell to be read says nothing that can be relied on.

        Parameters
        ----------
        number : int
            The row, from 0.
        places : mapping of str to int
            The place of each column that is there.
        names : iterable of str
            The columns that are read.
        """
        for name in names:
            place = (number, places.get(name, -1))
            if place in self.errors:
                return (*_ERROR, name)
            if place in self.merged:
                return (*_MERGED, name)
        return None


@dataclass(slots=True)
class Pages:
    """The sheets of a workbook, read when they are asked for.

    Parameters
    ----------
    titles : list of str
        The sheets, hidden ones too.
    properties : dict of str to str
        The file's custom properties.
    """

    titles: list[str]
    properties: dict[str, str]
    _book: CalamineWorkbook
    _odd: dict[str, Oddities]
    _read: dict[str, Page] = field(default_factory=dict)

    def __getitem__(self, title: str) -> Page:
        if title not in self._read:
            rows = self._book.get_sheet_by_name(title).to_python(skip_empty_area=False)
            whole = [[_whole(value) for value in row] for row in rows]
            odd = self._odd.get(title, Oddities())
            self._read[title] = Page(title, whole, odd.formulas, odd.errors, _merged_cells(odd, whole))
        return self._read[title]

    def get(self, title: str) -> Page | None:
        """Return a sheet; ``None`` where the workbook has none of that name."""
        return self[title] if title in self.titles else None


def _whole(value: Any) -> Any:
    """Return a value as it was written: calamine leaves the escape of two characters as it is."""
    if isinstance(value, str) and "_x" in value:
        return _NONCHARACTER.sub(lambda found: chr(int(found[1], 16)), value)
    return value


def open_pages(path: Path) -> Pages:
    """Open an .xlsx or .ods workbook.

    Raises
    ------
    InputFileError
        There is no such file, or it is none of the two or damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputFileError(str(path), "there is no such file") from error
    except OSError as error:
        raise InputFileError(str(path), f"cannot be read: {error.strerror or error}") from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            open_document = "content.xml" in parts.namelist()
            found = _of_ods(parts) if open_document else _of_xlsx(parts)
            properties = dict(_properties(parts, open_document))
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        pages = Pages(list(book.sheet_names), properties, book, found)
        for title in pages.titles:
            pages[title]  # damage anywhere is told before anything is read
    except Exception as error:  # the zip, the XML and calamine each raise their own
        problem = "is no .xlsx or .ods workbook that can be read"
        raise InputFileError(str(path), problem, str(error)[:100]) from error
    return pages


def _parsed(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def _properties(parts: zipfile.ZipFile, open_document: bool) -> Iterator[tuple[str, str]]:
    name = "meta.xml" if open_document else "docProps/custom.xml"
    if name not in parts.namelist():
        return
    for element in _parsed(parts.read(name)).iter():
        key = element.get(f"{_META}name") if open_document else element.get("name")
        if key:
            yield key, "".join(element.itertext())


def _of_xlsx(parts: zipfile.ZipFile) -> dict[str, Oddities]:
    links = {
        one.get("Id"): one.get("Target") for one in _parsed(parts.read("xl/_rels/workbook.xml.rels")).iter()
    }
    found = {}
    for sheet in _parsed(parts.read("xl/workbook.xml")).iter(f"{_MAIN}sheet"):
        target = str(links[sheet.get(_ID)])
        data = parts.read(posixpath.normpath(posixpath.join("/xl", target)).lstrip("/"))
        odd = found[str(sheet.get("name"))] = Oddities()
        if not _ANY_ODD.search(data):
            continue
        tags = (f"{_MAIN}c", f"{_MAIN}mergeCell")
        for _, element in etree.iterparse(io.BytesIO(data), tag=tags, huge_tree=True):
            if element.tag == tags[1]:
                # The stubs allow for whole rows and columns, which nothing can merge.
                left, top, right, bottom = (int(edge or 0) for edge in range_boundaries(element.get("ref")))
                odd.merged.append((range(top - 1, bottom), range(left - 1, right)))
                continue
            formula = element.find(f"{_MAIN}f")
            if formula is not None or element.get("t") == "e":
                row, column = coordinate_to_tuple(element.get("r"))
                if formula is not None:
                    odd.formulas[row - 1, column - 1] = f"={formula.text or ''}"
                else:
                    odd.errors.add((row - 1, column - 1))
            element.clear()
    return found


def _of_ods(parts: zipfile.ZipFile) -> dict[str, Oddities]:
    data = parts.read("content.xml")
    found: dict[str, Oddities] = {}
    if not any(sign in data for sign in (b"table:formula", b"covered-table-cell", b'value-type="error"')):
        return found
    for table in _parsed(data).iter(f"{_TABLE}table"):
        odd = found.setdefault(str(table.get(f"{_TABLE}name")), Oddities())
        number = 0
        for row in table.iter(f"{_TABLE}table-row"):
            column, alike = 0, int(row.get(f"{_TABLE}number-rows-repeated", 1))
            for cell in row.iter(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                repeated = int(cell.get(f"{_TABLE}number-columns-repeated", 1))
                formula = cell.get(f"{_TABLE}formula")
                if formula is not None:
                    odd.formulas[number, column] = str(formula).partition(":")[2]  # "of:=..."
                elif cell.get(f"{_CALC}value-type") == "error":
                    odd.errors.add((number, column))
                if _is_merged(cell):
                    odd.merged.append((range(number, number + alike), range(column, column + repeated)))
                column += repeated
            number += alike
    return found


def _merged_cells(odd: Oddities, rows: list[list[Any]]) -> set[tuple[int, int]]:
    """Return the merged cells that a sheet has rows and columns for: a range may go on to the sheet's end."""
    height, width = len(rows), max(map(len, rows), default=0)
    return {
        (row, column)
        for down, across in odd.merged
        for row in range(down.start, min(down.stop, height))
        for column in range(across.start, min(across.stop, width))
    }


def _is_merged(cell: Any) -> bool:
    spans = (cell.get(f"{_TABLE}number-{way}-spanned", "1") for way in ("rows", "columns"))
    return cell.tag == f"{_TABLE}covered-table-cell" or any(span != "1" for span in spans)


# --- through openpyxl, for a workbook that is to be changed -------------------------------------------------


def open_book(path: Path) -> Workbook:
    """Open a workbook; ``InputFileError`` where it is none or cannot be read."""
    try:
        _require_few_merged(path)
        with warnings.catch_warnings():
            # Excel keeps drop-downs of other sheets in an extension: openpyxl leaves it out and warns.
            warnings.simplefilter("ignore")
            return load_workbook(path)
    except FileNotFoundError as error:
        raise InputFileError(str(path), "there is no such file") from error
    except InputFileError:
        raise
    except Exception as error:  # openpyxl raises whatever the zip, the XML or a missing part trips it over
        raise InputFileError(str(path), "is no .xlsx workbook that can be read", str(error)[:100]) from error


def _require_few_merged(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        found = _of_xlsx(parts)
    for title, odd in found.items():
        if sum(len(down) * len(across) for down, across in odd.merged) > _MOST_MERGED:
            problem = f"merges cells of the sheet {title} on to its end: split them"
            raise InputFileError(str(path), problem)


def text_of(cell: Any) -> str | None:
    """Return what a cell of openpyxl holds as the text to compare it by; ``None`` for nothing."""
    value = cell.value
    return cell_text(from_cell(value) if isinstance(value, str) else value)


def is_formula(cell: Any) -> bool:
    """Return whether a cell of openpyxl holds a formula."""
    return cell is not None and cell.data_type == "f"


def broken_cell(cell: Any) -> tuple[str, str] | None:
    """Return rule and message where a cell of openpyxl says nothing that can be relied on."""
    if cell.data_type == "e":
        return _ERROR
    merged = cell.parent.merged_cells.ranges
    return _MERGED if any(cell.coordinate in one for one in merged) else None
