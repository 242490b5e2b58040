"""Match the kinds of adjustment to the items they are posted on; :mod:`toolkit.mapping` shows it to callers.

A kind is posted on an item (a credit memo where the amount is above zero, an invoice where below), or by
hand. Kinds that nobody decided on are posted by hand, except house credits, which the setting ``credit_item``
decides. Refunds and chargebacks have no document that could be sent and can only be posted by hand.

================  =====================================================================================
reason            what it means
================  =====================================================================================
``undecided``     nobody decided on this kind of adjustment: it is posted by hand
``only_by_hand``  an item was decided on for refunds or chargebacks, which are posted by hand
================  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from toolkit.mapping_items import ITEM_SHOWN, RIGHT_TYPES, Items
from toolkit.mapping_names import (
    BY_HAND,
    NONE,
    Catalogue,
    Row,
    decided_row,
    finished,
    found_row,
    judge,
    standing,
    suggest,
)
from toolkit.mapping_use import Use, use_of_adjustments
from toolkit.settings import Settings
from toolkit.tables import finding, from_rows

__all__ = ["KINDS", "ONLY_BY_HAND", "adjustment_findings", "match_adjustments"]
ONLY_BY_HAND = ("refund", "chargeback")
KINDS = ("house_credit", "house_debit", "credit_memo", "debit_memo", "balance_adjustment", "write_off")
"""The kinds of adjustment that are known. Source: BluBilling pages EP, REF, BAT and ADJ."""


def match_adjustments(
    adjustments: pd.DataFrame,
    items: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    payments: pd.DataFrame | None = None,
    local_items: pd.DataFrame | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Return each kind of adjustment with the item that its documents are made of, or that it is by hand.

    Parameters
    ----------
    adjustments : pandas.DataFrame
        ``billing.adjustments``.
    items : pandas.DataFrame
        ``quickbooks.items``.
    decisions : pandas.DataFrame
        ``mapping.adjustments``; ``(by hand)`` is one of them.
    payments : pandas.DataFrame, optional
        ``billing.payments``, for the refunds and chargebacks (payments below zero).
    local_items : pandas.DataFrame, optional
        ``mapping.local_items``.
    settings : Settings, optional
        For ``credit_item``, which holds for house credits that nobody decided on.

    Returns
    -------
    pandas.DataFrame
        ``match.adjustments``: the known kinds, others that are there by name, refunds and chargebacks.
    """
    chosen = settings if settings is not None else Settings()
    held, decided = Items(items, local_items), standing(decisions, "kind")
    catalogue = held.catalogue([chosen["credit_item"]], decided.values())
    used = use_of_adjustments(adjustments, payments)
    kinds = [*KINDS, *sorted(set(used) - {*KINDS, *ONLY_BY_HAND}), *ONLY_BY_HAND]
    rows = []
    for kind in kinds:
        decision, use = decided.get((kind,), {}), used.get(kind, Use())
        status, reason, found, near = _judge_kind(kind, decision, use, catalogue, chosen["credit_item"])
        rows.append(
            {
                "kind": kind,
                **found_row("item", status, reason, found),
                **{shown: found and found[shown] for shown in ITEM_SHOWN},
                **decided_row(decision, use),
                "_near": near,
                "_hints": [kind.replace("_", " ")],
            }
        )
    suggest([row for row in rows if row["kind"] not in ONLY_BY_HAND], held.names(RIGHT_TYPES["charge"]))
    return from_rows("match.adjustments", [finished(row) for row in rows])


def _judge_kind(
    kind: str, decision: Row, use: Use, catalogue: Catalogue, credit_item: str | None
) -> tuple[str, str | None, Row | None, Row | None]:
    """Return status, reason and item of a kind, and the item that its name means."""
    choice = decision.get("decision")
    if choice == BY_HAND:
        return "by_hand", None, None, None
    if kind in ONLY_BY_HAND:
        none = choice == NONE and not use.money
        return (
            ("none", None, None, None)
            if none
            else (
                ("by_hand", None, None, None) if choice is None else ("mismatch", "only_by_hand", None, None)
            )
        )
    types = RIGHT_TYPES["charge"]
    if choice is None and kind == "house_credit" and credit_item:
        reason, found = catalogue.read(credit_item, types)
        return ("mapped", None, found, None) if reason is None else ("mismatch", reason, None, found)
    if choice is None:
        return "by_hand", "undecided", None, None
    status, reason, found, near = judge(None, decision, "item", use, catalogue, types)
    return status, reason, found, near


def adjustment_findings(matched: Iterable[Row]) -> list[dict[str, str | None]]:
    """Return a warning for each kind of adjustment in use that nobody decided on."""
    return [
        finding(
            "warning",
            "undecided_adjustment",
            f"nobody decided how {row['kind']} is posted: {row['lines']} of them would be posted by hand; "
            f"choose an item, or {BY_HAND}",
            table="mapping.adjustments",
            key=row["kind"],
            column="decision",
        )
        for row in matched
        if row["reason"] == "undecided" and row["lines"]
    ]
