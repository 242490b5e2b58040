"""What all workbooks of the toolkit share: how they begin, are signed, are printed and are saved."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.packaging.custom import StringProperty
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from toolkit.errors import InputFileError
from toolkit.workbook_ink import Ink, Style
from toolkit.workbook_sheets import FINGERPRINT, HIDDEN
from toolkit.workspace_files import kept_beside

__all__ = ["Lines", "check_name", "lay_out", "new_book", "save_book", "sign"]

Lines = Sequence[tuple[str, bool]]
"""What the first page says, line by line, and whether in bold."""

_READ_ME_WIDTH = 110
_SAVED_AT = "docProps/core.xml"


def new_book(path: str | Path, title: str, company: str, read_me: Lines, hint: str = "") -> Workbook:
    """Return a new workbook with its first page.

    Parameters
    ----------
    path : path
        Where it is to be saved.
    title, company : str
        What it is, and of whom: the file's title, and ``{company}`` in a line.
    read_me : sequence of (str, bool)
        The lines of the first page.
    hint : str
        What to do where the name is that of another kind of file.

    Raises
    ------
    InputFileError
        The file is no .xlsx.
    """
    check_name(path, hint)
    book = Workbook()
    book.remove(book.worksheets[0])
    book.properties.creator, book.properties.title = "toolkit", title
    page, ink = book.create_sheet("Read me"), Ink()
    page.column_dimensions["A"].width = _READ_ME_WIDTH
    for number, (text, bold) in enumerate(read_me, 1):
        ink.write(page, number, 1, text.format(company=company) or None, Style(bold=bold, wrapped=True))
    _on_paper(page)
    return book


def check_name(path: str | Path, hint: str = "") -> None:
    """Refuse a name that is not that of an Excel workbook: ``InputFileError``."""
    if Path(path).suffix.lower() != ".xlsx":
        raise InputFileError(str(path), "a workbook's name ends in .xlsx", hint)


def sign(
    book: Workbook, fingerprint: tuple[str, str, str], kept: Sequence[Sequence[str | None]] = ()
) -> None:
    """Add what the workbook must remember of its making, for when it comes back.

    Parameters
    ----------
    book : openpyxl.Workbook
        The workbook, with all its other sheets.
    fingerprint : (str, str, str)
        Workspace, stamp of the decisions that stand, and format: on the hidden sheet and as properties.
    kept : sequence of sequence of str or None
        Further rows of the hidden sheet.
    """
    pairs = list(zip(FINGERPRINT, fingerprint, strict=True))
    hidden, ink = book.create_sheet(HIDDEN), Ink()
    hidden.sheet_state = "hidden"
    for number, texts in enumerate([*pairs, *kept], 1):
        for place, text in enumerate(texts, 1):
            if text is not None:
                ink.write(hidden, number, place, text)
    properties: Any = book.custom_doc_props  # type: ignore[attr-defined]  # younger than the stubs
    for name, value in pairs:
        properties.append(StringProperty(name=name, value=value))


def lay_out(page: Worksheet, columns: int, rows: int, *, still: int = 0, printed: int | None = None) -> None:
    """Lay a sheet out: filter, what stays in sight, and on paper one page wide, each with the heading.

    Parameters
    ----------
    page : Worksheet
        A sheet with its heading in the first row.
    columns, rows : int
        How many it has, the heading among the rows.
    still : int
        Columns that stay in sight.
    printed : int, optional
        Columns to print, where these are fewer.
    """
    page.auto_filter.ref = f"A1:{get_column_letter(columns)}{rows}"
    page.freeze_panes = f"{get_column_letter(still + 1)}2"
    page.print_title_rows = "1:1"
    if printed is not None:
        page.print_area = f"A1:{get_column_letter(printed)}{rows}"
    _on_paper(page)


def _on_paper(page: Worksheet) -> None:
    """Let a sheet be printed one page wide, on as many pages as it takes, each with its name and number."""
    page.page_setup.orientation = "landscape"
    page.page_setup.fitToWidth, page.page_setup.fitToHeight = 1, 0
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    # A wide sheet is shrunk to the page: what the margins leave makes its letters larger.
    page.page_margins = PageMargins(left=0.25, right=0.25, top=0.4, bottom=0.5, header=0.2, footer=0.2)
    footer: Any = page.oddFooter
    footer.center.text = "&A, page &P of &N"


def save_book(book: Workbook, path: Path, *, keep: bool = False, same_goes: bool = False) -> Path | None:
    """Save a workbook whole or not at all; where it cannot be, the file that is there stays as it was.

    Parameters
    ----------
    book : openpyxl.Workbook
        The workbook.
    path : Path
        Where.
    keep : bool
        Keep a file that is there beside it, under a name of its own: it may be filled, and not read yet.
    same_goes : bool
        Not if it says what the new one says, to the letter: then nothing can be lost with it.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        It cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(temporary)
        with kept_beside(path, keep=keep and not (same_goes and _same(path, temporary))) as kept:
            temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        problem = f"cannot be written: {error.strerror or error}"
        raise InputFileError(str(path), problem, "close it if it is open in Excel") from error
    return kept


def _same(one: Path, other: Path) -> bool:
    """Return whether two workbooks are the same but for the time of saving: Excel writes every part anew."""
    try:
        with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
            names = first.namelist()
            return names == second.namelist() and all(
                first.read(name) == second.read(name) for name in names if name != _SAVED_AT
            )
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError):  # no workbook, or one with a password
        return False
