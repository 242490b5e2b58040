"""Counts in words for people: one thing, or so many of them."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun, and its verb where one is given, in the number that fits.

    Parameters
    ----------
    count : int
        How many.
    one : str
        What follows the number 1.
    many : str, optional
        What follows any other number; `one` with an s unless given.

    >>> counted(1, "row"), counted(1200, "row"), counted(0, "row is", "rows are")
    ('1 row', '1,200 rows', '0 rows are')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
