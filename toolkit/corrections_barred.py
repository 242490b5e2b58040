"""Corrections that make another document of a row: only BluBilling says which of the two systems has it.

One system's books would have it twice otherwise, or neither's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd

from toolkit.carried_names import CarriedNames
from toolkit.corrections import OTHER_CARRIED, other_carried, read_value
from toolkit.tables import TABLES

__all__ = ["DATES", "barred", "other_side"]

Row = Mapping[str, Any]

DATES = {
    "billing.invoices": "invoice_date",
    "billing.payments": "effective_date",
    "billing.payment_applications": "applied_date",
    "billing.adjustments": "effective_date",
}
"""The column of each table that says on which side of the cutover a row is."""


def other_side(made: Row, cutover: dt.date | None) -> str | None:
    """Return why a correction of a date carries its row across the cutover, in words; ``None`` where not.

    Parameters
    ----------
    made : mapping
        A row of ``mapping.corrections``.
    cutover : datetime.date or None
        Documents dated on or before it belong to QuickBooks.

    Examples
    --------
    >>> made = {"table": "billing.invoices", "column": "invoice_date"}
    >>> made |= {"old_value": "2025-12-20", "value": "2026-01-02"}
    >>> other_side(made, dt.date(2025, 12, 31))
    'it would carry the row across the cutover date 2025-12-31'
    """
    table, name = made["table"], made["column"]
    if cutover is None or DATES.get(table) != name:
        return None
    column = TABLES[table].column(name)
    try:
        old, new = (read_value(column, made[each]) for each in ("old_value", "value"))
    except ValueError:
        return None  # of no use anyhow
    if old is None or new is None or (old <= cutover) == (new <= cutover):
        return None
    return f"it would carry the row across the cutover date {cutover}"


def barred(made: Row, tables: Mapping[str, pd.DataFrame], cutover: dt.date | None) -> tuple[str, str] | None:
    """Return rule and reason why a correction cannot be kept, or ``None`` where it can.

    Parameters
    ----------
    made : mapping
        A row of ``mapping.corrections``, with the value that it takes the place of.
    tables : mapping
        ``ledger.crosswalk``.
    cutover : datetime.date or None
        The cutover date, where it is set.
    """
    if _only_blanks(made):
        return "only_blanks", "but for blanks it is what BluBilling has, and QuickBooks drops them: no cure"
    if why := other_side(made, cutover):
        return "other_side", f"{why}: carry it forward, or correct it in BluBilling"
    if other_carried(CarriedNames(tables), made):
        return "other_carried", f"{OTHER_CARRIED}: only BluBilling can change it"
    return None


def _only_blanks(made: Row) -> bool:
    """Return whether a correction only puts blanks at the ends; of a name, also whether it drops some."""
    old, new = made["old_value"] or "", made["value"] or ""
    # Elsewhere one less may be what lets a text fit; a name is sent without them anyhow.
    is_name = (made["table"], made["column"]) == ("billing.customers", "name")
    return bool(new) and new.strip() == old.strip() and (is_name or new != new.strip())
