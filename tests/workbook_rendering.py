"""A workbook as text, cell by cell, to be held equal to a golden file; and what Excel demands of its XML.

Make the golden files again, then look at what changed: ``python tests/workbook_rendering.py``.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries
from openpyxl.worksheet.worksheet import Worksheet

GOLDEN = Path(__file__).parent / "golden_workbooks"

# --- as text ------------------------------------------------------------------------------------------------


def rendered(path: Path) -> dict[str, str]:
    """Return by sheet: how it is laid out, its drop-downs, and each cell's place, type, value and look."""
    return {page.title: "\n".join(_lines(page)) + "\n" for page in load_workbook(path)}


def _lines(page: Worksheet) -> Iterator[str]:
    yield f"state\t{page.sheet_state}"
    yield f"frozen\t{page.freeze_panes}\tfilter\t{page.auto_filter.ref}"
    for letter, column in sorted(page.column_dimensions.items()):
        yield f"width\t{letter}\t{column.width:g}"
    for one in page.data_validations.dataValidation:
        yield f"list\t{one.sqref}\t{one.formula1}\t{one.errorStyle}\t{one.error}"
    blank: dict[tuple[int, str], list[int]] = {}
    for row in page.iter_rows():
        for cell in row:
            if cell.value is not None:
                yield _cell(cell)
            elif cell.has_style:
                blank.setdefault((cell.column, _look(cell)), []).append(cell.row)
    for (column, look), rows in sorted(blank.items()):
        yield f"blank\t{get_column_letter(column)}\t{_runs(rows)}\t{look}"


def _cell(cell: Any) -> str:
    value = json.dumps(cell.value, ensure_ascii=False) if isinstance(cell.value, str) else str(cell.value)
    return f"{cell.coordinate}\t{cell.data_type}\t{value}\t{_look(cell)}"


def _look(cell: Any) -> str:
    fill = cell.fill.fgColor.rgb if cell.fill.fill_type else "-"
    flags = [name for name, on in (("bold", cell.font.b), ("underlined", cell.font.u)) if on]
    flags += ["quoted"] if cell.quotePrefix else []
    return f"{cell.number_format}\t{fill}\t{' '.join(flags) or '-'}"


def _runs(rows: list[int]) -> str:
    runs: list[list[int]] = []
    for row in rows:
        if runs and runs[-1][1] == row - 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    return " ".join(f"{first}-{last}" for first, last in runs)


def squeezed(path: Path) -> list[str]:
    """Return the cells that do not show all of their text: too narrow, or wrapped in too low a row.

    A letter is taken as 0.8 digits wide, as ordinary texts have it at least.
    """
    return [f"{page.title}!{cell}" for page in load_workbook(path) for cell in _squeezed(page)]


def _squeezed(page: Worksheet) -> Iterator[str]:
    for row in page.iter_rows(min_row=2) if page.title != "Read me" else ():
        for cell in row:
            if not isinstance(cell.value, str) or page.sheet_state != "visible":
                if page.sheet_state != "visible" and cell.alignment.wrap_text:
                    yield f"{cell.coordinate} has the style of another"
                continue
            width = page.column_dimensions[cell.column_letter].width
            height = page.row_dimensions[cell.row].height
            lines = [max(1, math.ceil(0.8 * len(line) / width)) for line in cell.value.split("\n")]
            if cell.alignment.wrap_text:
                if height is None or height < min(409, 15 * sum(lines)):
                    yield f"{cell.coordinate} needs {sum(lines)} lines, and its row has {height}"
            elif sum(lines) > 1:
                yield f"{cell.coordinate} is cut at {width}"


# --- what Excel demands -------------------------------------------------------------------------------------
# Excel opens a file that breaks one of these with a repair prompt, or drops what is wrong without a word.
# Source: ECMA-376 part 1, 18.3 (worksheets), 18.18; Excel specifications and limits.

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ORDER = (
    *("sheetPr", "dimension", "sheetViews", "sheetFormatPr", "cols", "sheetData", "sheetCalcPr"),
    *("sheetProtection", "protectedRanges", "scenarios", "autoFilter", "sortState", "dataConsolidate"),
    *("customSheetViews", "mergeCells", "phoneticPr", "conditionalFormatting", "dataValidations"),
    *("hyperlinks", "printOptions", "pageMargins", "pageSetup", "headerFooter", "rowBreaks", "colBreaks"),
    *("customProperties", "cellWatches", "ignoredErrors", "smartTags", "drawing", "legacyDrawing"),
    *("legacyDrawingHF", "picture", "oleObjects", "controls", "webPublishItems", "tableParts", "extLst"),
)
_FORBIDDEN = re.compile(r"[\[\]:*?/\\]|^'|'$")
_HELD_ELSEWHERE = re.compile(r"'([^']+)'!")


def excel_problems(path: Path) -> list[str]:
    """Return what Excel would not take of a workbook, one text a fault."""
    with zipfile.ZipFile(path) as parts:
        return list(_problems(parts))


def _problems(parts: zipfile.ZipFile) -> Iterator[str]:
    names = parts.namelist()
    if len(names) != len(set(names)):
        yield "a part is there twice"
    trees = {name: etree.fromstring(parts.read(name)) for name in names if name.endswith((".xml", ".rels"))}
    typed = {one.get("PartName", "").lstrip("/") for one in trees["[Content_Types].xml"]}
    defaults = {one.get("Extension") for one in trees["[Content_Types].xml"]}
    for name in names:
        if name not in typed and name.rpartition(".")[2] not in defaults:
            yield f"{name} has no content type"
    links = {one.get("Id"): one.get("Target") for one in trees["xl/_rels/workbook.xml.rels"]}
    sheets = {one.get("name"): one for one in trees["xl/workbook.xml"].iter(f"{_MAIN}sheet")}
    yield from _names(trees["xl/workbook.xml"])
    strings = list(trees["xl/sharedStrings.xml"]) if "xl/sharedStrings.xml" in trees else []
    for string in strings:
        if len("".join(string.itertext())) > 32_767:
            yield "a text has more than 32767 characters"
    styles = trees["xl/styles.xml"]
    looks = styles.find(f"{_MAIN}cellXfs")
    if len(looks) > 64_000 or len(styles.find(f"{_MAIN}fonts")) > 1_024:
        yield "too many styles"
    for title, sheet in sheets.items():
        part = posixpath.normpath(posixpath.join("/xl", links[sheet.get(_ID)])).lstrip("/")
        yield from (f"{title}: {one}" for one in _sheet(trees[part], len(strings), len(looks), set(sheets)))
    pids = [one.get("pid") for one in trees.get("docProps/custom.xml", ())]
    if len(pids) != len(set(pids)) or any(int(pid) < 2 for pid in pids):
        yield "the custom properties are not numbered from 2, each once"


def _names(book: Any) -> Iterator[str]:
    sheets = list(book.iter(f"{_MAIN}sheet"))
    titles = [sheet.get("name") for sheet in sheets]
    for title in titles:
        if not 0 < len(title) <= 31 or _FORBIDDEN.search(title):
            yield f"{title!r} cannot be the name of a sheet"
    if len({title.casefold() for title in titles}) != len(titles):
        yield "two sheets have one name"
    if len({sheet.get("sheetId") for sheet in sheets}) != len(sheets):
        yield "two sheets have one id"
    if all(sheet.get("state", "visible") != "visible" for sheet in sheets):
        yield "no sheet can be seen"
    for name in book.iter(f"{_MAIN}definedName"):
        if int(name.get("localSheetId", 0)) >= len(sheets):
            yield f"{name.get('name')} belongs to no sheet"


def _sheet(tree: Any, strings: int, looks: int, titles: set[str]) -> Iterator[str]:
    order = [_ORDER.index(etree.QName(one).localname) for one in tree]
    if order != sorted(order):
        yield "its elements are out of order"
    before = (0, 0)
    for cell in tree.iter(f"{_MAIN}c"):
        place = coordinate_to_tuple(cell.get("r"))
        if place <= before or place[0] > 1_048_576 or place[1] > 16_384:
            yield f"{cell.get('r')} is out of place"
        before = place
        if int(cell.get("s", 0)) >= looks:
            yield f"{cell.get('r')} has a style that is not there"
        if len("".join(cell.itertext())) > 32_767:
            yield f"{cell.get('r')} has more than 32767 characters"
        if cell.get("t") == "s" and int(cell.findtext(f"{_MAIN}v")) >= strings:
            yield f"{cell.get('r')} has a text that is not there"
    last = 0
    for column in tree.iter(f"{_MAIN}col"):
        if int(column.get("min")) <= last or float(column.get("width", 0)) > 255:
            yield f"column {column.get('min')} is out of order or too wide"
        last = int(column.get("max"))
    yield from _offers(tree, titles)


def _offers(tree: Any, titles: set[str]) -> Iterator[str]:
    listed = list(tree.iter(f"{_MAIN}dataValidation"))
    held = tree.find(f"{_MAIN}dataValidations")
    if held is not None and held.get("count") not in (None, str(len(listed))):
        yield "its drop-downs are miscounted"
    taken: set[tuple[int, int]] = set()
    for one in listed:
        formula = one.findtext(f"{_MAIN}formula1") or ""
        if len(formula) > 255:
            yield f"the list of {one.get('sqref')} is longer than 255 characters"
        for title in _HELD_ELSEWHERE.findall(formula):
            if title not in titles:
                yield f"the list of {one.get('sqref')} stands on no sheet"
        if len(one.get("error", "")) > 255 or len(one.get("errorTitle", "")) > 32:
            yield f"the message of {one.get('sqref')} is too long"
        for part in one.get("sqref").split():
            left, top, right, bottom = range_boundaries(part)
            places = {(c, r) for c in range(left, right + 1) for r in (top, bottom)}
            if places & taken:
                yield f"{part} has two drop-downs"
            taken |= places


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parent))
    from test_workbook_golden import golden_world

    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = rendered(golden_world().write(Path(folder) / "mapping.xlsx"))
    for old in GOLDEN.glob("*.tsv"):
        old.unlink()
    for title, text in made.items():
        (GOLDEN / f"{title}.tsv").write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(made)} sheets written to {GOLDEN}")
