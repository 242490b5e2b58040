"""Rows of a sheet that fell apart: sorted in part, so that decisions stand beside the keys of others."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.workbook_cells import plain
from toolkit.workbook_sheets import Entry, Row, Sheet, key_stamp, key_text

__all__ = ["Line", "Written", "find_strays", "moved_decisions", "other_columns", "tear"]

_MANY = 3  # entries that nobody moves to other rows by hand


@dataclass(slots=True)
class Written:
    """What a workbook said when it was written: the ledger's stamp then, and the texts of each row by key."""

    stamp: str | None
    rows: dict[str, list[str | None]]

    def entry(self, sheet: Sheet, key: Row) -> Entry | None:
        """Return the fill columns of a row as they were written; ``None`` where that is not known."""
        texts = self.rows.get(key_text(sheet, key))
        return None if texts is None else dict(zip(sheet.fill, texts, strict=False))

    def others(self, sheet: Sheet, key: Row) -> dict[str, str | None] | None:
        """Return the columns that are not read back as they were written."""
        texts = self.rows.get(key_text(sheet, key))
        if texts is None:
            return None
        names = other_columns(sheet)
        return dict(zip(names, [*texts[len(sheet.fill) :], *[None] * len(names)], strict=False))


@dataclass(slots=True)
class Line:
    """One row of a sheet: where it stands, its key, what it says, whose it was, what was edited besides."""

    number: int
    key: dict[str, str | None]
    entry: dict[str, str | None]
    stamp: str | None = None
    mark: str | None = None
    edits: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    torn: str | None = None


def other_columns(sheet: Sheet) -> list[str]:
    """Return the columns of a sheet that are not read back."""
    return [name for name in sheet.columns if name not in (*sheet.key, *sheet.fill)]


def moved_decisions(sheet: Sheet, entries: Sequence[tuple[Entry | None, Entry]]) -> str | None:
    """Return why a sheet is not read: its decisions stand, as they were written, beside other rows' keys.

    That is what a sort leaves that took all but the decisions along, whatever column it began with, or that
    took the decisions alone; their notes may have gone with them or not. Who moves some by hand moves one or
    two, or fewer than stay, or says why in their notes. Only decisions that stood when the workbook was
    written tell it: of choices typed since, and then sorted by themselves, the file keeps no trace.
    """
    if "decision" not in sheet.fill:
        return None
    known = [(old, new) for old, new in entries if old is not None]
    stood = {(old["decision"], old["note"]) for old, _ in known}
    silent = [(old, new) for old, new in known if not _explained(old, new, stood)]
    for name in sheet.fill:
        found = None if name == "note" else _moved([(old[name], new[name]) for old, new in silent])
        if found is not None:
            return (
                f"{found[0]} entries of {name} stand on other rows than when the workbook was written, "
                f"{found[1]} where they stood: the sheet was sorted without that column, or it without the "
                "sheet, so nothing of it was read; undo the sort or write a new workbook (where you moved "
                "them on purpose, say why in the note of each)"
            )
    return None


def _explained(old: Entry, new: Entry, stood: Collection[tuple[str | None, str | None]]) -> bool:
    """Return whether a note was typed on the row: a note that another's decision brought along is none."""
    typed = new["note"] is not None and new["note"] != old["note"]
    return typed and (new["decision"], new["note"]) not in stood


def _moved(pairs: Sequence[tuple[str | None, str | None]]) -> tuple[int, int] | None:
    """Return how many texts moved and how many stayed, where that is no work of hands."""
    decided = Counter(old for old, _ in pairs if old is not None)
    stayed = sum(old == new for old, new in pairs if old is not None)
    changed = [(old, new) for old, new in pairs if old != new]
    given = Counter(new for _, new in changed)
    emptied = Counter(old for old, new in changed if new is None)
    moved = {}
    for text, lost in Counter(old for old, _ in changed if old is not None).items():
        # A sort gives no more of a text than it takes: of one chosen anew besides, only what left a gap.
        moved[text] = min(given[text], lost if given[text] <= lost else emptied[text])
    total = sum(moved.values())
    alone = sum(decided[text] == 1 for text, count in moved.items() if count)
    return (total, stayed) if total >= _MANY and (total > stayed or alone >= _MANY) else None


def find_strays(sheet: Sheet, lines: Sequence[Line], known: Collection[str]) -> None:
    """Find rows whose stamp is another row's: key and decision may not belong together.

    A row that was copied, over another or to enter another item, has the stamp of the first, which still
    stands on its own row.
    """
    stamped = [(line, key_text(sheet, line.key)) for line in lines]
    abroad = {line.mark for line, text in stamped if line.mark not in (None, key_stamp(text))}
    if not abroad:
        return
    owners = {key_stamp(text): text for text in known}
    there = {text for _, text in stamped}
    at_home = {text for line, text in stamped if line.mark == key_stamp(text)}
    for line, text in stamped:
        if line.mark is None:
            line.torn = "another row" if key_stamp(text) in abroad and text not in at_home else None
        elif line.mark != key_stamp(text):
            owner = owners.get(line.mark)
            if owner in at_home:
                line.stamp = str(line.stamp).rpartition(" ")[
                    0
                ]  # what the first said is not what this one did
            elif text in known or owner in there:
                line.torn = "another row" if owner is None else _shown_key(owner)


def _shown_key(text: str) -> str:
    return " / ".join(part or "" for part in json.loads(text)[1:])


def tear(sheet: Sheet, lines: Sequence[Line], written: Written) -> None:
    """Find what was edited besides, and rows beside whose key stands what was moved there from another's."""
    if not lines:
        return
    names = list(lines[0].edits)
    others: dict[str, dict[str, str | None]] = {}
    holders: defaultdict[tuple[str, str | None], set[str]] = defaultdict(set)
    title = json.dumps(sheet.title, ensure_ascii=False)
    for text in written.rows:
        if text.startswith(f"[{title}"):
            key = dict(zip(sheet.key, json.loads(text)[1:], strict=True))
            others[text] = written.others(sheet, key) or {}
            for name in names:
                holders[name, plain(others[text][name])].add(text)
    kept: defaultdict[str, set[str]] = defaultdict(
        set
    )  # the columns that still say beside a key what they did
    sayings = []
    for line in lines:
        text, said = key_text(sheet, line.key), {name: new for name, (_, new) in line.edits.items()}
        own = others.get(text, said)
        kept[text] |= {name for name in names if plain(said[name]) == plain(own[name])}
        line.edits = {
            name: (own[name], said[name]) for name in names if plain(said[name]) != plain(own[name])
        }
        sayings.append((line, said))
    for line, said in sayings:
        if line.edits and line.torn is None:
            owners = _owners(line, said, holders, decided=written.entry(sheet, line.key) != line.entry)
            # What still stands beside its own key too was filled down, copied or typed, and tears nothing.
            gone = [owner for owner in owners if not kept[owner] >= line.edits.keys()]
            line.torn = _shown_key(min(gone)) if gone else None


def _owners(
    line: Line,
    said: Mapping[str, str | None],
    holders: Mapping[tuple[str, str | None], set[str]],
    *,
    decided: bool,
) -> Collection[str]:
    """Return the rows that the columns beside a key were written for, where they are another's.

    All of them are one other row's; or the row was decided on, and what was edited besides is another's. One
    column alone must be of one row only: a status that many have may be typed.
    """
    owners = _holders(said, holders)
    strange = {name: new for name, (_, new) in line.edits.items() if new is not None}
    if len(owners) == 1:
        return owners
    if not (strange and decided):
        return set()
    owners = _holders(strange, holders)
    return owners if len(strange) > 1 or len(owners) == 1 else set()


def _holders(
    said: Mapping[str, str | None], holders: Mapping[tuple[str, str | None], set[str]]
) -> Collection[str]:
    """Return the rows for which all these columns were written as they are said."""
    found = sorted((holders.get((name, plain(text)), set()) for name, text in said.items()), key=len)
    return found[0].intersection(*found[1:]) if found else set()
