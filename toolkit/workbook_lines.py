"""The rows of a mapping workbook that came back: found by key, wherever they and their columns stand."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import InputFileError
from toolkit.workbook_cells import cell_text, plain
from toolkit.workbook_pages import Page, Pages
from toolkit.workbook_sheets import (
    FINGERPRINT,
    FORMAT,
    HIDDEN,
    STAMP,
    Entry,
    Row,
    Sheet,
    key_text,
    row_stamp,
    standing_entry,
)
from toolkit.workbook_torn import Line, Written, find_strays, moved_decisions, other_columns, tear

__all__ = ["Line", "Read", "Written", "identify", "is_copy", "read_sheet"]

_HEADER_ROWS = 10  # an analyst may put a title above the header
_STAMPED = re.compile(r"w-[0-9a-f]{8}(?: (k-[0-9a-f]{8}))? e-[0-9a-f]{8}")

Report = tuple[Any, ...]


@dataclass(slots=True)
class Read:
    """The rows of one sheet, each key once, and what could not be read (arguments of a report)."""

    lines: list[Line] = field(default_factory=list)
    problems: list[Report] = field(default_factory=list)
    unreadable: bool = False


def identify(pages: Pages, path: Path, workspace_id: str) -> Written:
    """Return what a workbook remembers of its making.

    Raises
    ------
    InputFileError
        It is none of the toolkit's, or one of another workspace or version: then nothing of it is read.
    """
    hidden = pages[HIDDEN].rows if HIDDEN in pages.titles else []
    rows = [[cell_text(value) for value in row] for row in hidden]
    pairs = {row[0]: row[1] for row in rows[: len(FINGERPRINT)] if len(row) > 1}
    workspace, stamp, version = (pairs.get(name) or pages.properties.get(name) for name in FINGERPRINT)
    if workspace is None:
        stamps = {text.split(" ")[0] for text in _stamps(pages)}
        if not stamps:
            hint = "write one with `toolkit map --write FILE` and fill that"
            raise InputFileError(str(path), "is no mapping workbook: it has no fingerprint", hint)
        ours = row_stamp(workspace_id, "", {}).split(" ")[0]
        workspace, version = workspace_id if ours in stamps else "another", FORMAT
    if workspace != workspace_id:
        raise InputFileError(str(path), "was written from another workspace", "read it there")
    if version != FORMAT:
        raise InputFileError(str(path), f"was written by another version ({version})", "write it again")
    kept = rows[len(FINGERPRINT) :]
    return Written(stamp, {str(row[0]): row[1:] for row in kept if row[0] is not None})


def _stamps(pages: Pages) -> Iterator[str]:
    for title in pages.titles:
        for row in pages[title].rows:
            for value in row:
                if isinstance(value, str) and _STAMPED.fullmatch(value):
                    yield value


def read_sheet(page: Page, sheet: Sheet, written: Written, known: Sequence[Row]) -> Read:
    """Return the rows of a sheet.

    Parameters
    ----------
    page : Page
        The sheet as it came back.
    sheet : Sheet
        What it is.
    written : Written
        What it said when it was written.
    known : sequence of Row
        The rows as they stand now: a key that lost no more than a spreadsheet program loses is still theirs.
    """
    found = Read()
    header = _header(page, sheet)
    if header is None:
        wanted = ", ".join((*sheet.key, *sheet.fill[:1]))
        message = f"no row has the headings {wanted}, once each: nothing of the sheet was read"
        return Read(problems=[("error", "missing_column", message, sheet)], unreadable=True)
    places = header[1]
    for name in sheet.fill:
        if name not in places:
            message = f"the column {name} is gone, or there twice: what it said when it was written stays"
            found.problems.append(("info", "missing_column", message, sheet, None, name))
    standing = {key_text(sheet, row): row for row in known}
    keys = _Keys([*written.rows, *standing])
    lines = list(_lines(page, sheet, header, keys, written, found))
    before = {}
    for line in lines:
        text = key_text(sheet, line.key)
        now = standing_entry(sheet, standing[text]) if text in standing else None
        as_written = written.entry(sheet, line.key)
        _fill_in(line, sheet, as_written, now)
        before[id(line)] = now if as_written is None else as_written
    moved = moved_decisions(sheet, [(before[id(line)], line.entry) for line in lines])
    if moved is not None:
        return Read(problems=[*found.problems, ("error", "decisions_moved", moved, sheet)], unreadable=True)
    find_strays(sheet, lines, keys.exact)
    tear(sheet, lines, written)
    found.lines = _once(sheet, lines, found)
    return found


def _header(page: Page, sheet: Sheet) -> tuple[int, dict[str, int]] | None:
    """Return the header's row number from 0 and the place of each known column, or ``None``."""
    for number, cells in enumerate(page.rows[:_HEADER_ROWS]):
        texts = [cell_text(cell) for cell in cells]
        counted = Counter(texts)
        if all(counted[name] == 1 for name in (*sheet.key, *sheet.fill[:1])):
            wanted = (*sheet.columns, STAMP)
            return number, {name: texts.index(name) for name in wanted if counted[name] == 1}
    return None


def is_copy(page: Page, sheet: Sheet) -> bool:
    """Return whether a page under another title has the headings of a sheet to fill, and its stamps."""
    header = _header(page, sheet)
    return header is not None and STAMP in header[1]


class _Keys:
    """The keys that a row can have, also as a spreadsheet program may have kept them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.exact = set(texts)
        self.alike: defaultdict[str, set[str]] | None = None

    def whole(self, sheet: Sheet, key: dict[str, str | None]) -> dict[str, str | None]:
        """Return the key as it was written, where it lost no more than such programs lose."""
        text = key_text(sheet, key)
        if text in self.exact:
            return key
        if self.alike is None:
            self.alike = defaultdict(set)
            for each in self.exact:
                self.alike[_plain_key(each)].add(each)
        found = self.alike.get(_plain_key(text), set())
        return dict(zip(sheet.key, json.loads(min(found))[1:], strict=True)) if len(found) == 1 else key


def _plain_key(text: str) -> str:
    return json.dumps([plain(part) for part in json.loads(text)], ensure_ascii=False)


def _lines(
    page: Page,
    sheet: Sheet,
    header: tuple[int, Mapping[str, int]],
    keys: _Keys,
    written: Written,
    found: Read,
) -> Iterator[Line]:
    start, places = header
    for number, cells in enumerate(page.rows[start + 1 :], start + 1):
        formulas = {name: page.formulas.get((number, place)) for name, place in places.items()}
        texts = {name: formulas[name] or cell_text(cells[place]) for name, place in places.items()}
        key = {name: texts[name] for name in sheet.key}
        line = Line(number + 1, key, {name: texts.get(name) for name in sheet.fill})
        if (broken := page.broken(number, places, (*sheet.key, *sheet.fill))) is not None:
            found.problems.append(("error", broken[0], broken[1], sheet, line, broken[2]))
            continue
        if all(part is None for part in key.values()):
            if sheet.match == "local_items" and any(line.entry.values()):
                found.problems.append(
                    ("error", "name_blank", "an item needs its name: it was not read", sheet, line, "name")
                )
            continue
        line.key = keys.whole(sheet, key)
        typed = _typed(sheet, line, formulas, keys, written)
        if typed is not None:
            message = "this is a formula: type the text itself, or paste it as a value"
            found.problems.append(("error", "formula", message, sheet, line, typed, texts[typed]))
            continue
        stamp = texts.get(STAMP)
        stamped = _STAMPED.fullmatch(stamp or "")
        line.stamp, line.mark = (stamp, stamped[1]) if stamped else (None, None)
        line.edits = {name: (None, texts[name]) for name in other_columns(sheet) if name in places}
        for name in sheet.fill:
            if name not in places:
                line.entry.pop(name)
        yield line


def _typed(
    sheet: Sheet, line: Line, formulas: Mapping[str, str | None], keys: _Keys, written: Written
) -> str | None:
    """Return the first column to be read that holds a formula.

    pandas makes a formula of a text that begins with ``=``: one that says what was written is that text.
    """
    before = written.entry(sheet, line.key) or {}
    for name in (*sheet.key, *sheet.fill):
        as_written = key_text(sheet, line.key) in keys.exact if name in sheet.key else False
        if formulas.get(name) and not as_written and before.get(name) != formulas[name]:
            return name
    return None


def _fill_in(line: Line, sheet: Sheet, before: Entry | None, now: Entry | None) -> None:
    """Let a row say what it said where its column was deleted, or a program lost what it cannot hold."""
    for name in sheet.fill:
        old = [texts[name] for texts in (before, now) if texts is not None and name in texts]
        if name not in line.entry:
            line.entry[name] = old[0] if old else None
            continue
        same = [text for text in old if plain(text) == plain(line.entry[name])]
        line.entry[name] = same[0] if same else line.entry[name]
    # In the order of the sheet, so that two entries compare.
    line.entry = {name: line.entry[name] for name in sheet.fill}


def _once(sheet: Sheet, lines: Sequence[Line], found: Read) -> list[Line]:
    """Return each key once; one key with two entries is an error."""
    entries: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        entries[key_text(sheet, line.key)].append(line)
    kept = []
    for same in entries.values():
        if len({tuple(line.entry.values()) for line in same}) > 1:
            rows = ", ".join(str(line.number) for line in same)
            message = f"rows {rows} decide on the same thing differently: none of them was read"
            found.problems.append(("error", "key_twice", message, sheet, same[0], sheet.fill[0]))
        else:
            kept.append(next((line for line in same if line.torn is None), same[0]))
    return kept
