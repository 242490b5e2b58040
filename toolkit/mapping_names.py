"""What a name of BluBilling's means among the names that QuickBooks holds: the rules of all mappings.

Here stand the rules that charges, taxes, payment methods, terms and adjustments share; :mod:`toolkit.mapping`
lists the reasons. A name is looked for among equal full names first. Where none is equal, names alike as a
whole or by the last part are looked at, usable ones alone if there are any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from toolkit.likeness import best, caseless, collapsed, item_suggestions, last_part, likeness, skeleton
from toolkit.mapping_use import Use
from toolkit.tables import to_rows

__all__ = [
    "BY_HAND",
    "NEW",
    "NONE",
    "Catalogue",
    "Row",
    "decided_row",
    "finished",
    "found_row",
    "judge",
    "present",
    "refusal",
    "standing",
    "suggest",
    "usable",
]

NEW, NONE, BY_HAND = "(new)", "(none)", "(by hand)"
"""Decisions that choose no name: to be created; left out on purpose; posted in QuickBooks by a person."""

Row = Mapping[str, Any]
Types = frozenset[str] | None


def usable(row: Row, types: Types) -> bool:
    """Return whether a row is active and of one of the types; a null ``is_active`` counts as active."""
    return _fits(row, types) and row["is_active"] is not False


def _fits(row: Row, types: Types) -> bool:
    return types is None or row["item_type"] in types


class Catalogue:
    """The things that may be chosen, found by ListID, by full name and by what looks like it.

    Parameters
    ----------
    rows : iterable of mapping
        With ``list_id``, ``full_name``, ``is_active`` and, where types matter, ``item_type``.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """The rows by ListID; those entered by hand have none."""
        return {row["list_id"]: row for row in self.rows if row["list_id"] is not None}

    @cached_property
    def by_name(self) -> Mapping[str, list[Row]]:
        """The rows by full name."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row["full_name"]].append(row)
        return found

    @cached_property
    def alike(self) -> Mapping[str, list[Row]]:
        """The rows by what their full name, or its last part, looks like."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            for look in {skeleton(row["full_name"]), skeleton(last_part(row["full_name"]))}:
                found[look].append(row)
        return found

    def names(self, types: Types) -> list[str]:
        """Return the full names that may be chosen."""
        return sorted({row["full_name"] for row in self.rows if usable(row, types)})

    def decided(self, decision: Row, prefix: str) -> list[Row]:
        """Return what a decision means: its ListID decides, the name only where there is none."""
        list_id = decision[f"{prefix}_list_id"]
        if list_id is not None:
            return [self.by_id[list_id]] if list_id in self.by_id else []
        return self.by_name.get(decision[f"{prefix}_full_name"] or decision["decision"], [])

    def read(self, code: str | None, types: Types) -> tuple[str | None, Row | None]:
        """Return why ``code`` is no exact name (``None`` where it is), and the row it means, if one."""
        if code is None or not skeleton(code):
            return "blank", None
        if code in self.by_name:
            return refusal(self.by_name[code], types)
        alike = self.alike.get(skeleton(code), [])
        candidates = [row for row in alike if usable(row, types)]
        if not candidates:
            return refusal(alike, types) if alike else ("unknown", None)
        if len(candidates) > 1:
            return "ambiguous", min(candidates, key=lambda row: str(row["full_name"]))
        return _difference(code, candidates[0]["full_name"]), candidates[0]


def refusal(rows: list[Row], types: Types) -> tuple[str | None, Row | None]:
    """Return why none of the rows that a name equals can be taken, or the one that can."""
    fitting = [row for row in rows if _fits(row, types)]
    if not fitting:
        return "wrong_type", None
    active = [row for row in fitting if usable(row, types)]
    if not active:
        return "inactive", None
    return ("ambiguous", active[0]) if len(active) > 1 else (None, active[0])


def _difference(code: str, full_name: str) -> str:
    if skeleton(code) != skeleton(full_name):
        return "parent_missing"
    if collapsed(code) == collapsed(full_name):
        return "spaces"
    return "case" if caseless(code) == caseless(full_name) else "unicode"


def judge(
    code: str | None, decision: Row, prefix: str, use: Use, catalogue: Catalogue, types: Types
) -> tuple[str, str | None, Row | None, Row | None]:
    """Return status, reason, the row it goes to, and the row that its name means though it may not be it.

    Parameters
    ----------
    code : str or None
        BluBilling's name, as it stands.
    decision : mapping
        The decision that stands on it; empty where there is none.
    prefix : str
        Of the decision's columns: ``item``, ``terms``, ``payment_method``.
    use : Use
        What hangs on it.
    catalogue : Catalogue
        What may be chosen.
    types : frozenset of str or None
        The item types that fit; ``None`` where there are none.
    """
    reason, near = catalogue.read(code, types)
    if not decision:
        return ("exact", None, near, None) if reason is None else ("mismatch", reason, None, near)
    if decision["decision"] == NONE:
        return ("mismatch", "money_hangs_on_it", None, near) if use.money else ("none", None, None, None)
    rows = catalogue.decided(decision, prefix)
    refused, found = refusal(rows, types) if rows else ("item_gone", None)
    if refused is not None:
        return "mismatch", refused, None, near
    return ("exact" if reason is None and found is near else "mapped"), None, found, None


def found_row(prefix: str, status: str, reason: str | None, found: Row | None) -> dict[str, Any]:
    """Return the columns that tell what became of a name: status, reason, and what it goes to."""
    return {
        "status": status,
        "reason": reason,
        f"{prefix}_list_id": found and found["list_id"],
        f"{prefix}_full_name": found and found["full_name"],
    }


def suggest(rows: Iterable[dict[str, Any]], names: list[str]) -> None:
    """Put a suggestion beside every mismatch: what its name means, else the nearest of the names.

    A row's ``_near`` is what its name means, its ``_hints`` are the texts to go by, and its ``_score``, where
    it has one, is how near that is for another reason than its name; see :func:`finished`.
    """
    asked = [row for row in rows if row["status"] == "mismatch"]
    hints = {id(row): [text for text in row["_hints"] if text] for row in asked}
    found = item_suggestions(
        {text for row in asked if row["_near"] is None for text in hints[id(row)]}, names
    )
    for row in asked:
        if row["_near"] is not None:
            full_name = row["_near"]["full_name"]
            score = row.get("_score") or likeness(hints[id(row)][0], full_name)
            suggestion = None if score is None else (full_name, score)
        else:
            suggestion = best(*(found.get(text) for text in hints[id(row)]))
        if suggestion is not None:
            row["suggestion"], row["score"] = suggestion


def finished(row: Row) -> dict[str, Any]:
    """Return a row without what it carried for :func:`suggest`."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def present(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a ``quickbooks.*`` list that are still in QuickBooks and have a name."""
    return [row for row in to_rows(frame) if row["left_at"] is None and row.get("full_name", row["name"])]


def standing(decisions: pd.DataFrame, *key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the decisions by key; a row without a decision is a withdrawn one and left out."""
    return {
        tuple(row[name] for name in key): row for row in to_rows(decisions) if row["decision"] is not None
    }


def decided_row(decision: Row, use: Use) -> dict[str, Any]:
    """Return the columns that every match table ends with: the use, and the decision as it stands."""
    kept = ("decision", "note", "decided_by", "decided_at")
    used = {"lines": use.lines, "amount": use.amount, "money": use.money}
    return {**used, **{name: decision.get(name) for name in kept}}
