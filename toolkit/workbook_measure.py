"""How much room a text takes in a cell: openpyxl draws nothing, so that widths and heights are reckoned here.

Widths are in the unit of a column's width, one digit of Calibri 11, the font that a workbook has where nobody
chose another. Source: the advance widths of Carlito, which has the metrics of Calibri, rounded up to tenths.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

__all__ = ["LINE", "height_of", "lines_in", "width_of"]

LINE = 15.0
"""Height of one line, in points."""
_HIGHEST = 409.0  # points of a row. Source: Excel specifications and limits
_EDGES = 1.0  # what a cell keeps free at its edges
_GROUPS = {
    0.5: " ',.Iijl",
    0.6: "():;`",
    0.7: "!-J[]frt{}",
    0.8: '"/\\sz',
    0.9: "Lckvxy",
    1.0: "#$*+0123456789<=>?EFSTYZ^_aeg|~",
    1.1: "BCKPRXbdhnopqu",
    1.2: "AV",
    1.3: "DGHNU",
    1.4: "&OQ",
    1.5: "%w",
    1.6: "m",
    1.7: "M",
    1.8: "@W",
}
_KNOWN = {character: width for width, characters in _GROUPS.items() for character in characters}


@cache
def _width(character: str) -> float:
    """Return the width of a character: an accented letter has that of its letter, what is unknown is wide."""
    plain = unicodedata.normalize("NFD", character)[0]
    if plain in _KNOWN:
        return _KNOWN[plain]
    if unicodedata.combining(character):
        return 0.0
    return 2.2 if unicodedata.east_asian_width(character) in "WF" else 1.5


def width_of(text: str) -> float:
    """Return how wide a column must be for the widest line of a text to be in sight.

    Examples
    --------
    >>> width_of("1234")
    5.0
    >>> width_of("MMMM") > width_of("mmmm") > width_of("llll")
    True
    """
    return round(max(map(_of_line, text.split("\n"))) + _EDGES, 1)


def _of_line(line: str) -> float:
    return sum(map(_width, line))


def lines_in(text: str, width: float) -> int:
    """Return how many lines a text takes where a column of this width wraps it.

    Examples
    --------
    >>> lines_in("implementation administration", 16)
    2
    >>> lines_in("all on one", 16)
    1
    """
    return sum(1 for _ in _lines(text, max(2.0, width - _EDGES)))


def _lines(text: str, room: float) -> Iterator[None]:
    """Yield once a line: words stand together while there is room, and one that has none alone is broken."""
    for line in text.split("\n"):
        used = 0.0
        for word in line.split(" "):
            wide = _of_line(word)
            if used and used + wide > room:
                yield None
                used = 0.0
            while wide > room:
                yield None
                wide -= room - 1.8  # the widest character may not fit any more
            used += wide + _width(" ")
        yield None


def height_of(text: str, width: float) -> float:
    """Return the height in points of a row in which a column of this width shows all of a text.

    A program that does not measure texts itself would let them run into each other. A row is never higher
    than Excel lets it be.
    """
    return min(_HIGHEST, LINE * lines_in(text, width))
