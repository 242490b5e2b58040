"""How a value stands in a cell of a workbook, and how texts of cells are compared."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["cell_text", "from_cell", "plain", "to_cell", "to_the_second"]

# What XML or Excel cannot hold as it is. Excel writes it as _xHHHH_ (ECMA-376 part 1, 22.4.2.4, ST_Xstring),
# so a text that itself looks like that must have its underscore written that way.
_UNHELD = "\x00-\x08\x0b-\x1f\ufffe\uffff"
_ESCAPE = re.compile(f"[{_UNHELD}]|_(?=x[0-9A-Fa-f]{{4}}[_{_UNHELD}])")
# Only what to_cell writes is read back: openpyxl has already taken the escape off an underscore where another
# program saved the file, so that a text that merely looks like one must stand.
_ESCAPED = re.compile(r"_x(00(?:0[0-8B-F]|1[0-9A-F]|5F)|FFF[EF])_", re.IGNORECASE)
_ANY_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def to_cell(text: str) -> str:
    """Return text as Excel stores it."""
    return _ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_cell(text: str) -> str:
    """Return the text that a stored string means: the inverse of :func:`to_cell`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def plain(text: str | None) -> str | None:
    """Return what every spreadsheet program keeps of a text: no control character but the line break.

    LibreOffice makes one line break of a carriage return and line feed, and its .ods holds neither tabs nor
    other control characters; and where a program wrote ``_x0041_`` unescaped, another reads ``A``. Two texts
    that differ in nothing else are the same text that came through such a program.
    """
    if text is None or (text.isprintable() and "_x" not in text):
        return text
    whole = _ANY_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    lines = whole.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in ("Cc", "Cn", "Cs"))
    return kept or None


def to_the_second(value: Any) -> Any:
    """Return a time as people read it, in whole seconds; any other value as it is."""
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, dt.datetime) else value


def cell_text(value: object) -> str | None:
    """Return any value, of a table or a cell, as the text to compare it by; nothing and "" are ``None``."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return str(value)
        return "0" if number == 0 else f"{number.normalize():f}"
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)
