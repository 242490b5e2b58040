"""What the mapping asks of BluBilling: price codes to correct at the source, and decisions that are done.

A charge whose price code equals its item's full name needs no decision. So each decision that holds is also a
correction that could be made in BluBilling; after the next load the charge is exact and the decision retires.
What is loaded then does not tell a code that was corrected from a charge that is missing beside one that was
exact all along: so what was to be corrected is kept from look to look.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from toolkit.settings import Settings
from toolkit.tables import from_rows, to_rows

__all__ = ["LONGEST_PRICE_CODE", "changes_in_blubilling", "changes_to_keep", "retired"]

LONGEST_PRICE_CODE = 50
"""Characters that BluBilling's price code holds. Source: BluBilling page API Field Limits."""


def changes_in_blubilling(match_charges: pd.DataFrame, *, settings: Settings | None = None) -> pd.DataFrame:
    """Return the price codes to correct in BluBilling so that they equal their items' full names.

    Parameters
    ----------
    match_charges : pandas.DataFrame
        ``match.charges``.
    settings : Settings, optional
        For ``carry_forward.plan`` and ``carry_forward.price_code``: the charge that carried invoices stand on
        keeps its code, for the upload names it.

    Returns
    -------
    pandas.DataFrame
        ``match.changes``: a row for every charge that is mapped by a decision, those with the most money
        first. ``problem`` tells where BluBilling cannot take the code: ``too_long``, or ``taken`` by another
        charge of the plan, which has it already or is to get it too.
    """
    rows = to_rows(match_charges)
    carrying = settings and (settings["carry_forward.plan"], settings["carry_forward.price_code"])
    mapped = [row for row in rows if row["status"] == "mapped" and _key(row) != carrying]
    changed = {id(row) for row in mapped}
    held = Counter((row["contract_code"], row["price_code"]) for row in rows if id(row) not in changed)
    held.update((row["contract_code"], row["item_full_name"]) for row in mapped)
    made = []
    for row in sorted(mapped, key=lambda row: -abs(row["amount"])):
        wanted = row["item_full_name"]
        taken = held[row["contract_code"], wanted] > 1
        problem = "too_long" if len(wanted) > LONGEST_PRICE_CODE else "taken" if taken else None
        made.append({**{name: row[name] for name in _KEPT}, "price_code_wanted": wanted, "problem": problem})
    return from_rows("match.changes", made)


_KEPT = (
    "contract_code",
    "price_code",
    "item_list_id",
    "item_full_name",
    "lines",
    "amount",
    "decided_by",
    "decided_at",
    "note",
)


def retired(
    charges: pd.DataFrame,
    invoice_lines: pd.DataFrame,
    match_charges: pd.DataFrame,
    decisions: pd.DataFrame,
    asked: pd.DataFrame,
) -> list[dict[str, Any]]:
    """Return the decisions on charges that are done, as rows that withdraw them with a note why.

    Parameters
    ----------
    charges, invoice_lines : pandas.DataFrame
        ``billing.charges`` and ``billing.invoice_lines`` as they are loaded.
    match_charges : pandas.DataFrame
        ``match.charges`` of those charges with those decisions.
    decisions : pandas.DataFrame
        ``mapping.charge_items``.
    asked : pandas.DataFrame
        ``match.changes`` of an earlier look: see :func:`changes_to_keep`.

    Returns
    -------
    list of dict
        Rows for the ledger's ``decide("charge_items", ...)``. A decision retires when its charge is exact
        without it, or when its price code was corrected: its plan lacked the code that was asked for after
        this decision, no charge and no invoice line has the old one any more, and another charge of the plan
        is exactly the item decided on. A charge that is merely gone, as from a file of some charges only,
        keeps its decision.
    """
    exact = {_key(row): row for row in to_rows(match_charges) if row["status"] == "exact"}
    corrected = {(plan, row[name]) for (plan, _), row in exact.items() for name in _ITEM if row[name]}
    used = {_key(row) for frame in (charges, invoice_lines) for row in _keys(frame)}
    could = {(_key(row), row["decided_at"]) for row in to_rows(asked) if row["problem"] is None}
    rows = []
    for decision in to_rows(decisions):
        key = _key(decision)
        free = key not in used and (key, decision["decided_at"]) in could
        if decision["decision"] is None:
            continue
        if key in exact:
            why = f"the price code equals the full name of {exact[key]['item_full_name']}"
        elif free and any((key[0], decision[name]) in corrected for name in _ITEM):
            why = "no charge has this price code any more, and another of the plan is the item itself"
        else:
            continue
        rows.append({**dict(zip(_KEY, key, strict=True)), "decision": None, "note": f"retired: {why}"})
    return rows


def changes_to_keep(
    changes: pd.DataFrame, asked: pd.DataFrame, match_charges: pd.DataFrame, decisions: pd.DataFrame
) -> pd.DataFrame:
    """Return what is asked of BluBilling now, and what was asked for charges that are missing by now.

    Parameters
    ----------
    changes, asked : pandas.DataFrame
        ``match.changes`` now, and as this function returned it at the last look.
    match_charges, decisions : pandas.DataFrame
        ``match.charges`` and ``mapping.charge_items`` now: a change is kept while its decision stands.
    """
    there = {_key(row) for row in to_rows(match_charges)}
    standing = {_key(row) for row in to_rows(decisions) if row["decision"] is not None}
    missing = [row for row in to_rows(asked) if _key(row) in standing - there]
    return from_rows("match.changes", [*to_rows(changes), *missing])


_KEY = ("contract_code", "price_code")
_ITEM = ("item_list_id", "item_full_name")


def _keys(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return to_rows(frame[list(_KEY)].drop_duplicates())


def _key(row: Any) -> tuple[str, str | None]:
    return row["contract_code"], row["price_code"]
