"""A real spreadsheet program for the tests: headless LibreOffice converts, prints, and edits.

Every call runs in a profile of its own, so that tests may run side by side. What `edit` does is written as
steps, each a few lines of Basic that a real LibreOffice carries out; any Basic of the caller's own is a step.
Tests that call anything here are marked `slow`.
"""

from __future__ import annotations

import atexit
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

SECONDS = 240  # the machine may be busy with other tests
FILTERS = {".xlsx": "Calc MS Excel 2007 XML", ".ods": "calc8"}
MACRO = '"macro:///Standard.Module1.Main"'


class LibreOfficeFailed(AssertionError):
    """LibreOffice is not here, or could not do what it was asked."""


# --- what it can do -----------------------------------------------------------------------------------------


def convert(path: Path, kind: str) -> Path:
    """Return the file as LibreOffice writes it anew in another kind.

    Parameters
    ----------
    path : Path
        A workbook.
    kind : str
        ``xlsx``, ``ods``, ``pdf``, ``csv`` (of the first sheet) or ``png`` (likewise).

    Returns
    -------
    Path
        In a new folder beside `path`, under its name.

    Raises
    ------
    LibreOfficeFailed
        There is no LibreOffice, or it made no such file.
    """
    folder = _new_folder(path, kind)
    said = _run(["--convert-to", kind, "--outdir", str(folder), str(path)])
    made = folder / f"{path.stem}.{kind}"
    if not made.is_file():
        raise LibreOfficeFailed(f"{path.name} did not become .{kind}: {said}")
    return made


def edit(path: Path, *steps: str, kind: str = "xlsx") -> Path:
    """Return the file after LibreOffice opened it, carried out the steps and saved it.

    Parameters
    ----------
    path : Path
        A workbook; it stays as it is.
    *steps : str
        What the functions below return (``sort``, ``show_only``, ``hide_column``, ...), or Basic of your own,
        where ``book`` is the open document.
    kind : str
        ``xlsx`` or ``ods``: what it is saved as.

    Returns
    -------
    Path
        In a new folder beside `path`, under its name.

    Raises
    ------
    LibreOfficeFailed
        There is no LibreOffice, or a step failed; the message is Basic's own.
    """
    folder = _new_folder(path, f"edited_{kind}")
    made, told = folder / f"{path.stem}.{kind}", folder / "told.txt"
    opened = folder / f"opened{path.suffix}"  # a copy: a failed run leaves a lock beside what it opened
    shutil.copyfile(path, opened)
    macro = PROLOGUE + MAIN.format(
        told=_text(str(told)),
        source=_text(opened.resolve().as_uri()),
        target=_text(made.resolve().as_uri()),
        filter=_text(FILTERS[f".{kind}"]),
        steps="\n".join(steps),
    )
    said = _run([MACRO.strip('"')], macro)
    outcome = told.read_text(encoding="utf-8", errors="replace").strip() if told.is_file() else "no macro ran"
    told.unlink(missing_ok=True)
    opened.unlink()
    if outcome != "done" or not made.is_file():
        raise LibreOfficeFailed(f"{path.name}: {outcome}; {said}")
    return made


def pictures(path: Path, dots_per_inch: int = 60) -> list[Path]:
    """Return a picture (PNG) of each page that LibreOffice prints of the file, in their order.

    Raises
    ------
    LibreOfficeFailed
        LibreOffice or pdftoppm (Debian: poppler-utils) is missing, or failed.
    """
    program = shutil.which("pdftoppm")
    if program is None:
        raise LibreOfficeFailed("pdftoppm is not installed: install poppler-utils")
    printed = convert(path, "pdf")
    command = [program, "-png", "-r", str(dots_per_inch), str(printed), str(printed.parent / "page")]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    # pdftoppm pads the numbers only as far as the last page needs.
    return sorted(printed.parent.glob("page-*.png"), key=lambda page: int(page.stem.partition("-")[2]))


# --- steps of an edit ---------------------------------------------------------------------------------------
# Columns are named by their heading, which is looked for in the first rows of the sheet.


def sort(sheet: str, heading: str, *, descending: bool = False) -> str:
    """Sort all rows below the header by one column."""
    return f"SortRows(book, {_text(sheet)}, {_text(heading)}, {_flag(not descending)})"


def show_only(sheet: str, heading: str, value: str) -> str:
    """Filter: only rows with this text in the column stay visible."""
    return f"FilterRows(book, {_text(sheet)}, {_text(heading)}, {_text(value)})"


def hide_column(sheet: str, heading: str) -> str:
    """Hide a column."""
    return f"HideColumn(book, {_text(sheet)}, {_text(heading)})"


def hide_rows(sheet: str, heading: str, *values: str) -> str:
    """Hide the rows that have one of these texts in the column."""
    return _each(f"HideRows(book, {_text(sheet)}, {_text(heading)}", values)


def move_column(sheet: str, heading: str, before: str) -> str:
    """Move a column in front of another one."""
    return f"MoveColumn(book, {_text(sheet)}, {_text(heading)}, {_text(before)})"


def delete_column(sheet: str, heading: str) -> str:
    """Delete a column."""
    return f"DeleteColumn(book, {_text(sheet)}, {_text(heading)})"


def delete_rows(sheet: str, heading: str, *values: str) -> str:
    """Delete the rows that have one of these texts in the column."""
    return _each(f"DeleteRows(book, {_text(sheet)}, {_text(heading)}", values)


def put(sheet: str, key_heading: str, key: str, heading: str, text: str) -> str:
    """Put a text into one column of every row with this key; it stays text whatever it looks like."""
    arguments = ", ".join(map(_text, (sheet, key_heading, key, heading, text)))
    return f"PutText(book, {arguments}, False)"


def type_in(sheet: str, key_heading: str, key: str, heading: str, text: str) -> str:
    """Do as `put`, but as by hand: what looks like a number or formula becomes one if the cell lets it."""
    arguments = ", ".join(map(_text, (sheet, key_heading, key, heading, text)))
    return f"PutText(book, {arguments}, True)"


def fill_down(sheet: str, heading: str, first: int, last: int) -> str:
    """Fill the column down (Ctrl+D) from one data row to another; the first row below the header is 1."""
    return f"FillDown(book, {_text(sheet)}, {_text(heading)}, {first}, {last})"


def delete_sheet(sheet: str) -> str:
    """Delete a sheet."""
    return f"book.Sheets.removeByName({_text(sheet)})"


# --- how ----------------------------------------------------------------------------------------------------


def _each(call: str, values: tuple[str, ...]) -> str:
    return "\n".join(f"{call}, {_text(value)})" for value in values)


def _flag(value: bool) -> str:
    return "True" if value else "False"


def _text(value: str) -> str:
    """Return a text as Basic writes it: quotes doubled, line ends by their number."""
    parts = re.split(r"([\r\n\t])", value)
    return " & ".join(
        f"Chr({ord(part)})" if part in ("\r", "\n", "\t") else '"{}"'.format(part.replace('"', '""'))
        for part in parts
    )


def _new_folder(path: Path, name: str) -> Path:
    for number in range(1, 1000):
        folder = path.resolve().parent / f"{path.stem}_{name}_{number}"
        if not folder.exists():
            folder.mkdir()
            return folder
    raise LibreOfficeFailed(f"{path.parent} is full of {name} of {path.name}")


def _run(arguments: list[str], macro: str | None = None) -> str:
    """Run LibreOffice in a profile of its own and return what it said."""
    with tempfile.TemporaryDirectory(prefix="soffice-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder) / "profile"
        shutil.copytree(_warm_profile(), profile)
        if macro is not None:
            module = profile / "user" / "basic" / "Standard" / "Module1.xba"
            module.write_text(MODULE.format(escape(macro)), encoding="utf-8")
        return _soffice(profile, arguments)


@functools.cache
def _warm_profile() -> Path:
    """Return a profile that LibreOffice has started in once: its first start overwrites every macro."""
    folder = Path(tempfile.mkdtemp(prefix="soffice-profile-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _soffice(folder, ["--terminate_after_init"])
    if not (folder / "user" / "basic" / "Standard").is_dir():
        raise LibreOfficeFailed("LibreOffice made no profile with a place for macros")
    return folder


def _soffice(profile: Path, arguments: list[str]) -> str:
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        raise LibreOfficeFailed("LibreOffice is not installed: install libreoffice-calc")
    where = f"-env:UserInstallation={profile.as_uri()}"
    command = [program, where, "--headless", "--norestore", "--nologo", *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise LibreOfficeFailed(f"LibreOffice took more than {SECONDS} seconds over {arguments}") from None
    said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    if done.returncode:
        raise LibreOfficeFailed(f"LibreOffice ended with code {done.returncode}: {said}")
    return said


MODULE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE script:module PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "module.dtd">
<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1" \
script:language="StarBasic">
{}
</script:module>
"""

MAIN = """
Sub Main
  Dim told As Integer
  Dim outcome As String
  outcome = "stopped"
  On Error Goto Failed
  Dim hidden(0) As New com.sun.star.beans.PropertyValue
  hidden(0).Name = "Hidden" : hidden(0).Value = True
  Dim book As Object
  book = StarDesktop.loadComponentFromURL({source}, "_blank", 0, hidden())
  If IsNull(book) Then Error 53
  Work(book)
  Dim saved(0) As New com.sun.star.beans.PropertyValue
  saved(0).Name = "FilterName" : saved(0).Value = {filter}
  book.storeToURL({target}, saved())
  book.close(True)
  outcome = "done"
  Goto Tell
Failed:
  outcome = "Basic error " & Err & " in line " & Erl & ": " & Error
  If problem <> "" Then outcome = problem
Tell:
  On Error Goto 0
  told = FreeFile
  Open {told} For Output As #told
  Print #told, outcome
  Close #told
  StarDesktop.terminate
End Sub

Sub Work(book As Object)
{steps}
End Sub
"""

PROLOGUE = """Option Explicit

Global problem As String

Sub Fail(what As String)
  problem = what
  Error 5
End Sub

Function LastRow(sheet As Object) As Long
  Dim cursor As Object
  cursor = sheet.createCursor()
  cursor.gotoEndOfUsedArea(False)
  LastRow = cursor.RangeAddress.EndRow
End Function

Function LastColumn(sheet As Object) As Long
  Dim cursor As Object
  cursor = sheet.createCursor()
  cursor.gotoEndOfUsedArea(False)
  LastColumn = cursor.RangeAddress.EndColumn
End Function

' The header row and the column that carry this heading.
Function Place(sheet As Object, heading As String) As Object
  Dim r As Long, c As Long
  For r = 0 To 30
    For c = 0 To LastColumn(sheet)
      If sheet.getCellByPosition(c, r).String = heading Then
        Place = sheet.getCellByPosition(c, r)
        Exit Function
      End If
    Next c
  Next r
  Fail("no heading " & heading & " on sheet " & sheet.Name)
End Function

Function Row0(sheet As Object, heading As String) As Long
  Row0 = Place(sheet, heading).CellAddress.Row + 1
End Function

Function Column(sheet As Object, heading As String) As Long
  Column = Place(sheet, heading).CellAddress.Column
End Function

Sub SortRows(book As Object, name As String, heading As String, ascending As Boolean)
  Dim sheet As Object, body As Object
  sheet = book.Sheets.getByName(name)
  body = sheet.getCellRangeByPosition(0, Row0(sheet, heading), LastColumn(sheet), LastRow(sheet))
  Dim fields(0) As New com.sun.star.table.TableSortField
  fields(0).Field = Column(sheet, heading)
  fields(0).IsAscending = ascending
  fields(0).FieldType = com.sun.star.table.TableSortFieldType.AUTOMATIC
  Dim how(1) As New com.sun.star.beans.PropertyValue
  how(0).Name = "SortFields" : how(0).Value = fields()
  how(1).Name = "ContainsHeader" : how(1).Value = False
  body.sort(how())
End Sub

Sub FilterRows(book As Object, name As String, heading As String, value As String)
  Dim sheet As Object, whole As Object, how As Object
  sheet = book.Sheets.getByName(name)
  whole = sheet.getCellRangeByPosition(0, Row0(sheet, heading) - 1, LastColumn(sheet), LastRow(sheet))
  how = whole.createFilterDescriptor(True)
  Dim fields(0) As New com.sun.star.sheet.TableFilterField
  fields(0).Field = Column(sheet, heading)
  fields(0).IsNumeric = False
  fields(0).StringValue = value
  fields(0).Operator = com.sun.star.sheet.FilterOperator.EQUAL
  how.setFilterFields(fields())
  how.ContainsHeader = True
  whole.filter(how)
End Sub

Sub HideColumn(book As Object, name As String, heading As String)
  Dim sheet As Object
  sheet = book.Sheets.getByName(name)
  sheet.Columns.getByIndex(Column(sheet, heading)).IsVisible = False
End Sub

Sub DeleteColumn(book As Object, name As String, heading As String)
  Dim sheet As Object
  sheet = book.Sheets.getByName(name)
  sheet.Columns.removeByIndex(Column(sheet, heading), 1)
End Sub

Sub HideRows(book As Object, name As String, heading As String, value As String)
  Dim sheet As Object, r As Long, c As Long
  sheet = book.Sheets.getByName(name)
  c = Column(sheet, heading)
  For r = Row0(sheet, heading) To LastRow(sheet)
    If sheet.getCellByPosition(c, r).String = value Then sheet.Rows.getByIndex(r).IsVisible = False
  Next r
End Sub

Sub DeleteRows(book As Object, name As String, heading As String, value As String)
  Dim sheet As Object, r As Long, c As Long, found As Long
  sheet = book.Sheets.getByName(name)
  c = Column(sheet, heading)
  For r = LastRow(sheet) To Row0(sheet, heading) Step -1
    If sheet.getCellByPosition(c, r).String = value Then
      sheet.Rows.removeByIndex(r, 1)
      found = found + 1
    End If
  Next r
  If found = 0 Then Fail("no row with " & value & " under " & heading)
End Sub

Sub MoveColumn(book As Object, name As String, heading As String, before As String)
  Dim sheet As Object, from As Object, c As Long
  sheet = book.Sheets.getByName(name)
  c = Column(sheet, before)
  sheet.Columns.insertByIndex(c, 1)
  Dim old As Long
  old = Column(sheet, heading)
  from = sheet.getCellRangeByPosition(old, 0, old, LastRow(sheet))
  sheet.moveRange(sheet.getCellByPosition(c, 0).CellAddress, from.RangeAddress)
  sheet.Columns.removeByIndex(old, 1)
End Sub

Sub PutText(book As Object, name As String, keyed As String, key As String, heading As String, _
            text As String, typed As Boolean)
  Dim sheet As Object, r As Long, k As Long, c As Long, found As Long
  sheet = book.Sheets.getByName(name)
  k = Column(sheet, keyed)
  c = Column(sheet, heading)
  For r = Row0(sheet, keyed) To LastRow(sheet)
    If sheet.getCellByPosition(k, r).String = key Then
      If typed Then
        sheet.getCellByPosition(c, r).FormulaLocal = text
      Else
        sheet.getCellByPosition(c, r).String = text
      End If
      found = found + 1
    End If
  Next r
  If found = 0 Then Fail("no row with " & key & " under " & keyed)
End Sub

Sub FillDown(book As Object, name As String, heading As String, first As Long, last As Long)
  Dim sheet As Object, c As Long, top As Long
  sheet = book.Sheets.getByName(name)
  c = Column(sheet, heading)
  top = Row0(sheet, heading) - 1
  sheet.getCellRangeByPosition(c, top + first, c, top + last).fillSeries( _
    com.sun.star.sheet.FillDirection.TO_BOTTOM, com.sun.star.sheet.FillMode.SIMPLE, _
    com.sun.star.sheet.FillDateMode.FILL_DATE_DAY, 0, 0)
End Sub
"""
