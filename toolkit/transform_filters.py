"""Choosing rows of a plan by any column, and what else stays behind with those that a person holds.

A filter is a text such as ``account_number=BW-1001 and amount>=500``, a callable that takes the frame, or one
truth a row. Nothing here is evaluated as code.
"""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from toolkit.errors import UsageError
from toolkit.tables import to_rows

__all__ = ["Filter", "Place", "chosen", "needed_by", "staying", "unknown_values"]

Filter = str | Callable[[pd.DataFrame], Any] | Sequence[bool] | pd.Series
Place = tuple[str, str]
"""A source row: its table and its key."""

# A quoted value is one piece; between conditions, "and" stands before the next column and its sign.
_QUOTED = re.compile(r"""(?<=[=<>~|])\s*("[^"]*"|'[^']*')(?=\s*(?:\||$|\s+and\s))""")
_AND, _OR = re.compile(r"\s+and\s+(?=\w+\s*(?:!=|[=<>~]))"), re.compile(r"\|")
_CONDITION = re.compile(r"\s*(\w+)\s*(!=|>=|<=|==|=|>|<|~)\s*(.*?)\s*", re.DOTALL)
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: bool(a >= b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    "<": lambda a, b: bool(a < b),
}


def chosen(frame: pd.DataFrame, which: Filter) -> list[dict[str, Any]]:
    """Return the rows of a frame that a filter chooses.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``plan.operations``, or any other.
    which : str, callable or sequence of bool
        ``column=value``, also with ``!=``, ``>``, ``>=``, ``<``, ``<=`` and ``~`` (contains, in any case;
        all others as written); several joined by ``and``; ``|`` between values that are as good. A value in
        quotes is taken as it is, and none at all stands for null. Or one truth a row, or a callable that
        returns these.

    Raises
    ------
    UsageError
        A text that is no filter, a column that is not there, a value that the column cannot hold, or another
        number of truths than rows.
    """
    rows = to_rows(frame)
    if isinstance(which, str):
        tests = [_condition(frame, part) for part in _apart(_AND, which.strip())]
        return [row for row in rows if all(test(row) for test in tests)]
    truths = list(which(frame)) if callable(which) else list(which)
    if len(truths) != len(rows):
        raise UsageError(f"a filter of {len(truths)} truths does not fit {len(rows)} rows")
    return [row for row, truth in zip(rows, truths, strict=True) if truth is True or truth == True]  # noqa: E712


def _condition(frame: pd.DataFrame, text: str) -> Callable[[Mapping[str, Any]], bool]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no filter: write column=value, for example account_number=BW-1001")
    column, sign, value = found.groups()
    if column not in frame.columns:
        near = difflib.get_close_matches(column, frame.columns, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(map(str, frame.columns))}"
        raise UsageError(f"a plan has no column {column}: {hint}")
    if sign == "~":
        parts = [_text(part).casefold() for part in _parts(value)]
        if not all(parts):
            raise UsageError(f"{text!r} contains nothing to look for: write {column}~part")
        return lambda row: any(part in str(row[column] or "").casefold() for part in parts)
    wanted = [_typed(frame, column, part) for part in _parts(value)]
    if sign in ("=", "=="):
        return lambda row: any(_same(row[column], one) for one in wanted)
    if sign == "!=":
        return lambda row: not any(_same(row[column], one) for one in wanted)
    return lambda row: (
        row[column] is not None
        and any(one is not None and _ORDERED[sign](row[column], one) for one in wanted)
    )


def unknown_values(
    frame: pd.DataFrame, text: str, others: Callable[[str], Iterable[Any]]
) -> Iterator[tuple[str, str, str | None]]:
    """Yield each value of a filter that stands nowhere, with its column and the nearest value that there is.

    Of what is to be equal every alternative is judged: one that was mistyped chooses nothing beside another
    that chooses. Of what is to be contained, one is enough. That nothing is above a bound, or other than
    something, is no mistake.

    Parameters
    ----------
    frame : pandas.DataFrame
        What the filter chooses of.
    text : str
        The filter.
    others : callable
        Returns what a column may hold besides, by its name; asked only where the frame lacks a value.
    """
    for part in _apart(_AND, text.strip()):
        found = _CONDITION.fullmatch(part)
        if found is None or found.group(2) not in ("=", "==", "~"):
            continue
        column, sign, value = found.groups()
        there = [row[column] for row in to_rows(frame[[column]])]
        if sign == "~":
            parts = [_text(each).casefold() for each in _parts(value)]
            values = itertools.chain(there, others(column))
            if not any(each in str(one or "").casefold() for one in values for each in parts):
                yield column, value, None
            continue
        for each in _parts(value):
            wanted = _typed(frame, column, each)
            if wanted is None or any(_same(one, wanted) for one in itertools.chain(there, others(column))):
                continue
            folded = {str(one).casefold(): str(one) for one in [*others(column), *there] if one is not None}
            near = difflib.get_close_matches(_text(each).casefold(), folded, n=1)
            yield column, _text(each), folded[near[0]] if near else None


def _same(value: Any, wanted: Any) -> bool:
    return wanted in value if isinstance(value, list) else bool(value == wanted)


def _apart(joint: re.Pattern[str], text: str) -> list[str]:
    """Return a text in pieces, cut where a joint is that stands in no quotes.

    >>> _apart(_AND, "name=Smith and Sons and city='York and Hull'")
    ['name=Smith and Sons', "city='York and Hull'"]
    """
    hidden = _QUOTED.sub(lambda found: "x" * len(found.group()), text)
    cuts = [(0, 0), *(found.span() for found in joint.finditer(hidden)), (len(text), len(text))]
    return [text[before[1] : after[0]] for before, after in itertools.pairwise(cuts)]


def _parts(value: str) -> list[str]:
    return _apart(_OR, f"|{value}")[1:]


def _text(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _typed(frame: pd.DataFrame, column: str, value: str) -> Any:
    """Return a value as its column has it."""
    text, kind = _text(value), str(frame[column].dtype)
    if not value.strip():
        return None
    try:
        if kind.startswith("decimal"):
            return Decimal(text)
        if kind.startswith("date"):
            return dt.date.fromisoformat(text)
        if kind.startswith("int"):
            return int(text)
    except (ValueError, InvalidOperation) as error:
        raise UsageError(f"{column} cannot be {text!r}: it holds values such as {_example(kind)}") from error
    return text


def _example(kind: str) -> str:
    return "2026-01-31" if kind.startswith("date") else "12.50" if kind.startswith("decimal") else "3"


def staying(planned: Iterable[Mapping[str, Any]], held: Mapping[Place, str]) -> dict[Place, str]:
    """Return every source row that stays behind where some are held, with the reason.

    A row is held whole: a receipt in parts is never sent in part. What depends on a held row stays too, down
    the chain; and so does an item entered by hand that nothing needs any more.

    Parameters
    ----------
    planned : iterable of mapping
        Rows of ``plan.operations``, all of them.
    held : mapping
        Source rows that a person holds, and why.
    """
    rows = list(planned)
    stays = {place: why for place, why in held.items() if place in {_place(row) for row in rows}}
    while more := _depending(rows, stays):
        stays |= more
    going = [row for row in rows if _place(row) not in stays]
    needed = {key for row in rows for key in row["depends_on"] or ()}
    while idle := [
        row
        for row in going
        if row["record_kind"] == "item"
        and row["key"] in needed
        and not any(row["key"] in (other["depends_on"] or ()) for other in going)
    ]:
        stays |= {_place(row): "no row that goes needs it" for row in idle}
        going = [row for row in going if _place(row) not in stays]
    return stays


def _depending(rows: Sequence[Mapping[str, Any]], stays: Mapping[Place, str]) -> dict[Place, str]:
    keys = {row["key"] for row in rows if _place(row) in stays}
    return {
        _place(row): f"depends on {hit[0]}, which is held"
        for row in rows
        if _place(row) not in stays and (hit := [key for key in row["depends_on"] or () if key in keys])
    }


def needed_by(planned: Iterable[Mapping[str, Any]], wanted: set[Place]) -> set[Place]:
    """Return source rows with all that they depend on, directly or further down."""
    rows = list(planned)
    by_key = {row["key"]: row for row in rows}
    found, ahead = set(wanted), [row for row in rows if _place(row) in wanted]
    while ahead:
        for key in ahead.pop()["depends_on"] or ():
            if key in by_key and _place(by_key[key]) not in found:
                found.add(_place(by_key[key]))
                ahead.append(by_key[key])
    return found


def _place(row: Mapping[str, Any]) -> Place:
    return row["source_table"], row["source_key"]
