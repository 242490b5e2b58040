"""Matching and suggesting row by row and pair by pair, as the rules read: what the fast way is held to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process

from toolkit.likeness import best, caseless, collapsed, last_part, skeleton
from toolkit.mapping_names import NONE, decided_row, present, standing
from toolkit.mapping_use import Use
from toolkit.tables import from_rows, to_rows

Row = Mapping[str, Any]
Suggestion = tuple[str, Decimal]
CUTOFF = 50.0

_SOLD = frozenset({"Service", "NonInventory", "OtherCharge"})
RIGHT_TYPES: Mapping[str, frozenset[str]] = {
    "charge": _SOLD,
    "discount": _SOLD | {"Discount"},
    "tax": frozenset({"SalesTax"}),
}


def charge_kind(charge: Row) -> str:
    """Return ``tax``, ``discount`` or ``charge``: what a charge is, as far as item types go."""
    return "tax" if charge["is_tax"] else "discount" if charge["is_discount"] else "charge"


def match_charges(
    charges: pd.DataFrame,
    items: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    used: Mapping[tuple[str, str | None], Use] | None = None,
    local_items: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return ``match.charges``, judged one charge after the other."""
    catalogue = _Catalogue(choosable_items(items, local_items))
    decided = standing(decisions, "contract_code", "price_code")
    rows = []
    for charge in to_rows(charges):
        key = (charge["contract_code"], charge["price_code"])
        rows.append(_charge_row(charge, decided.get(key, {}), (used or {}).get(key, Use()), catalogue))
    for kind, types in RIGHT_TYPES.items():
        _suggest([row for row in rows if charge_kind(row) == kind], catalogue.names(types))
    return from_rows("match.charges", [_without_hints(row) for row in rows])


def usable(item: Row, types: frozenset[str] | None) -> bool:
    return _fits(item, types) and item["is_active"] is not False


class _Catalogue:
    """The things that may be chosen, found by ListID, by full name and by what looks like it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.by_id = {row["list_id"]: row for row in self.rows if row["list_id"] is not None}
        self.by_name: defaultdict[str, list[Row]] = defaultdict(list)
        self.alike: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            self.by_name[row["full_name"]].append(row)
            for look in {skeleton(row["full_name"]), skeleton(last_part(row["full_name"]))}:
                self.alike[look].append(row)

    def names(self, types: frozenset[str] | None) -> list[str]:
        """Return the full names that may be chosen."""
        return sorted({row["full_name"] for row in self.rows if usable(row, types)})

    def decided(self, decision: Row, prefix: str) -> list[Row]:
        """Return what a decision means: its ListID decides, the name only where there is none."""
        list_id = decision[f"{prefix}_list_id"]
        if list_id is not None:
            return [self.by_id[list_id]] if list_id in self.by_id else []
        return self.by_name.get(decision[f"{prefix}_full_name"] or decision["decision"], [])

    def read(self, code: str | None, types: frozenset[str] | None) -> tuple[str | None, Row | None]:
        """Return why ``code`` is no exact name (``None`` where it is), and the row it means, if one."""
        if code is None or not skeleton(code):
            return "blank", None
        if code in self.by_name:
            return _refusal(self.by_name[code], types)
        alike = self.alike.get(skeleton(code), [])
        candidates = [row for row in alike if usable(row, types)]
        if not candidates:
            return _refusal(alike, types) if alike else ("unknown", None)
        if len(candidates) > 1:
            return "ambiguous", min(candidates, key=lambda row: str(row["full_name"]))
        return _difference(code, candidates[0]["full_name"]), candidates[0]


def _refusal(rows: list[Row], types: frozenset[str] | None) -> tuple[str | None, Row | None]:
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


def _fits(item: Row, types: frozenset[str] | None) -> bool:
    return types is None or item["item_type"] in types


def _judge(
    code: str | None,
    decision: Row,
    prefix: str,
    use: Use,
    catalogue: _Catalogue,
    types: frozenset[str] | None,
) -> tuple[str, str | None, Row | None, Row | None]:
    """Return status, reason, the row it goes to, and the row that its name means though it may not be it."""
    reason, near = catalogue.read(code, types)
    if not decision:
        return ("exact", None, near, None) if reason is None else ("mismatch", reason, None, near)
    if decision["decision"] == NONE:
        return ("mismatch", "money_hangs_on_it", None, near) if use.money else ("none", None, None, None)
    rows = catalogue.decided(decision, prefix)
    refused, found = _refusal(rows, types) if rows else ("item_gone", None)
    if refused is not None:
        return "mismatch", refused, None, near
    return ("exact" if reason is None and found is near else "mapped"), None, found, None


def choosable_items(items: pd.DataFrame, local_items: pd.DataFrame | None = None) -> list[Row]:
    """Return the items still in QuickBooks, whatever their type, and those entered by hand that it lacks."""
    rows: list[Row] = [*present(items)]
    known = {row["full_name"] for row in rows}
    for local in [] if local_items is None else to_rows(local_items):
        if local["name"] not in known:
            rows.append({**local, "list_id": None, "full_name": local["name"], "is_active": True})
    return rows


def _charge_row(charge: Row, decision: Row, use: Use, catalogue: _Catalogue) -> dict[str, Any]:
    types = RIGHT_TYPES[charge_kind(charge)]
    status, reason, found, near = _judge(charge["price_code"], decision, "item", use, catalogue, types)
    kept = ("contract_code", "price_code", "invoice_text", "charge_type", "is_tax", "is_discount", "source")
    shown = ("item_type", "income_account_full_name", "sales_tax_code_full_name")
    return {
        **{name: charge[name] for name in kept},
        "status": status,
        "reason": reason,
        "item_list_id": found and found["list_id"],
        "item_full_name": found and found["full_name"],
        **{name: found and found[name] for name in shown},
        **decided_row(decision, use),
        "_near": near,
        "_hints": [charge["price_code"], charge["qb_item"], charge["invoice_text"]],
    }


def _suggest(rows: Iterable[dict[str, Any]], names: list[str]) -> None:
    """Put a suggestion beside every mismatch: what its name means, else the nearest of the names."""
    asked = [row for row in rows if row["status"] == "mismatch"]
    hints = {id(row): [text for text in row["_hints"] if text] for row in asked}
    found = item_suggestions(
        {text for row in asked if row["_near"] is None for text in hints[id(row)]}, names
    )
    for row in asked:
        if row["_near"] is not None:
            full_name = row["_near"]["full_name"]
            suggestion = _likeness(hints[id(row)][0], full_name)
        else:
            suggestion = best(*(found.get(text) for text in hints[id(row)]))
        if suggestion is not None:
            row["suggestion"], row["score"] = suggestion


def _likeness(text: str, full_name: str) -> Suggestion | None:
    return item_suggestions([text], [full_name]).get(text)


def _without_hints(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def nearest(queries: Iterable[str], targets: Iterable[tuple[str, str]]) -> dict[str, Suggestion]:
    """Return for each query the target most like it; a query without one is absent.

    Parameters
    ----------
    queries : iterable of str
        Prepared texts, for example skeletons.
    targets : iterable of (str, str)
        Prepared text, and the name it stands for. Of equally likely names the first in the alphabet is
        given, so that the answer does not depend on the order of rows.
    """
    wanted = sorted({query for query in queries if query})
    by_text: dict[str, str] = {}
    for text, name in targets:
        if text:
            by_text[text] = min(name, by_text.get(text, name))
    if not wanted or not by_text:
        return {}
    texts = sorted(by_text, key=lambda text: (by_text[text], text))
    found: dict[str, Suggestion] = {}
    scores = process.cdist(wanted, texts, scorer=fuzz.ratio, score_cutoff=CUTOFF, dtype=np.float32)
    places = scores.argmax(axis=1)
    for row, query in enumerate(wanted):
        score = float(scores[row, places[row]])
        if score > 0:
            found[query] = (by_text[texts[int(places[row])]], Decimal(f"{score:.2f}"))
    return found


def item_suggestions(queries: Iterable[str], full_names: Sequence[str]) -> dict[str, Suggestion]:
    """Return for each query the full name most like it, also by its last part or in another order of words.

    Parameters
    ----------
    queries : iterable of str
        Price codes or texts as they stand.
    full_names : sequence of str
        The names that may be chosen.
    """
    wanted = {query: skeleton(query) for query in queries}
    views = [(skeleton(name), name) for name in full_names]
    views += [(skeleton(last_part(name)), name) for name in full_names if ":" in name]
    whole = nearest(wanted.values(), views)
    sorted_words = nearest(
        (_words(text) for text in wanted.values()),
        ((_words(skeleton(name)), name) for name in full_names),
    )
    return _present(
        {query: best(whole.get(text), sorted_words.get(_words(text))) for query, text in wanted.items()}
    )


def _words(text: str) -> str:
    plain = "".join(c if c.isalnum() else " " for c in text)
    return " ".join(sorted(plain.split()))


def _present(found: Mapping[str, Suggestion | None]) -> dict[str, Suggestion]:
    return {query: suggestion for query, suggestion in found.items() if suggestion is not None}
