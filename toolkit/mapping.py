"""Match BluBilling's names to what QuickBooks holds. Nothing is ever guessed.

Charges, taxes, payment methods, terms and adjustment kinds follow the rules below; :mod:`mapping_lists
<toolkit.mapping_lists>` and :mod:`mapping_adjustments <toolkit.mapping_adjustments>` tell what is their own,
:mod:`mapping_customers <toolkit.mapping_customers>` how customers are matched.

A charge goes to an item when its price code equals the item's full name character for character (``exact``)
or when an analyst decided so (``mapped``). Everything else is a ``mismatch`` with one reason, the first of
these that explains it:

=====================  ================================================================================
reason                 what it means
=====================  ================================================================================
``money_hangs_on_it``  decided ``(none)``, but lines of the last twelve months carry money
``item_gone``          decided, and the item (by its ListID) is no longer in QuickBooks
``blank``              the price code is missing or nothing but blanks
``wrong_type``         what the code names is an item, of a type that this charge cannot go to
``inactive``           what the code names is an item of the right type, made inactive
``ambiguous``          two or more usable items could be meant: alike as a whole or by their last part
``parent_missing``     the code is the last part of exactly one full name (``Hosting`` of ``Web:Hosting``)
``spaces``             equal but for blanks: at the ends, repeated, around a colon, tabs, line breaks
``case``               equal but for upper and lower case (and blanks)
``unicode``            equal but for characters that look alike (and case and blanks): Cyrillic ``А``, dashes,
                       curly quotes, non-breaking blanks, compatibility forms
``unknown``            none of these
=====================  ================================================================================

The first two concern a decision alone; a decided item may also be ``wrong_type`` or ``inactive``. Otherwise
what the code *names* is looked for among equal full names first. Where none is equal, items alike as a whole
or by the last part are looked at, usable ones alone if there are any; so an inactive item is the reason only
where no active one could be meant. An item that has left QuickBooks is never matched or suggested.

Types that fit: Service, NonInventory and OtherCharge, also Discount for a discount, only SalesTax for a tax.
A suggestion is the nearest usable full name with its likeness, 0 to 100; it is never applied by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from toolkit.mapping_adjustments import adjustment_findings, match_adjustments
from toolkit.mapping_changes import changes_in_blubilling, changes_to_keep, retired
from toolkit.mapping_charges import charge_kind, match_charges
from toolkit.mapping_customers import customer_findings, match_customers
from toolkit.mapping_items import RIGHT_TYPES, choosable_items
from toolkit.mapping_lists import (
    match_payment_methods,
    match_taxes,
    match_terms,
    method_findings,
    terms_name,
)
from toolkit.mapping_names import BY_HAND, NEW, NONE, usable
from toolkit.tables import finding, findings, to_rows

__all__ = [
    "BY_HAND",
    "NEW",
    "NONE",
    "RIGHT_TYPES",
    "changes_in_blubilling",
    "changes_to_keep",
    "charge_kind",
    "choosable_items",
    "mapping_findings",
    "match_adjustments",
    "match_charges",
    "match_customers",
    "match_payment_methods",
    "match_taxes",
    "match_terms",
    "retired",
    "summary",
    "terms_name",
    "usable",
]

Row = Mapping[str, Any]

_COUNTED = {
    "exact": "exact",
    "account_number": "exact",
    "mapped": "mapped",
    "new": "mapped",
    "none": "none",
    "by_hand": "none",
}


def summary(matched: pd.DataFrame) -> dict[str, int]:
    """Return how many rows of a match table are exact, mapped, left out on purpose (none) or mismatches.

    For ``match.customers``, an equal account number counts as exact, a customer to be created as mapped, and
    an undecided or ambiguous one as a mismatch.
    """
    counted = Counter(_COUNTED.get(status, "mismatch") for status in matched["status"])
    return {name: counted[name] for name in ("exact", "mapped", "none", "mismatch")}


def mapping_findings(
    charges: pd.DataFrame | None = None,
    customers: pd.DataFrame | None = None,
    payment_methods: pd.DataFrame | None = None,
    taxes: pd.DataFrame | None = None,
    terms: pd.DataFrame | None = None,
    adjustments: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what is doubtful about matches that stand; mismatches themselves are rows of the match tables.

    Parameters
    ----------
    charges, customers, payment_methods, taxes, terms, adjustments : pandas.DataFrame, optional
        ``match.charges``, ``match.customers`` and so on.

    Returns
    -------
    pandas.DataFrame
        ``findings``: something renamed since it was decided on (``renamed``), two accounts on one customer
        that nobody decided (``shared_customer``), a match to an inactive customer (``inactive_customer``),
        one name for two new customers (``new_name_twice``), a kind of adjustment that nobody decided on and
        that is posted by hand (``undecided_adjustment``), a method whose deposit account cannot be used
        (``method_account``).
    """
    given = {
        "charges": charges,
        "customers": customers,
        "payment_methods": payment_methods,
        "taxes": taxes,
        "terms": terms,
        "adjustments": adjustments,
    }
    listed = {name: to_rows(frame) for name, frame in given.items() if frame is not None}
    if "taxes" in listed:  # a tax charge is a row of both, and told of once
        listed["charges"] = [row for row in listed.get("charges", ()) if not row["is_tax"]]
    rows = []
    for name, (table, key, prefix) in _DECIDED.items():
        rows += _renamed(listed.get(name, ()), table, key, prefix)
    rows += customer_findings(listed.get("customers", ()))
    rows += method_findings(listed.get("payment_methods", ()))
    rows += adjustment_findings(listed.get("adjustments", ()))
    return findings(rows)


_DECIDED = {
    "charges": ("mapping.charge_items", ("contract_code", "price_code"), "item"),
    "taxes": ("mapping.taxes", ("contract_code", "price_code", "tax_name"), "item"),
    "payment_methods": ("mapping.payment_methods", ("method",), "payment_method"),
    "terms": ("mapping.terms", ("terms_name",), "terms"),
    "adjustments": ("mapping.adjustments", ("kind",), "item"),
    "customers": ("mapping.customers", ("account_number",), "customer"),
}
"""Each match table's decisions: their table, their key, and what their choice is called."""


def _renamed(
    rows: Iterable[Row], table: str, key: tuple[str, ...], prefix: str
) -> list[dict[str, str | None]]:
    found = []
    for row in rows:
        now = row[f"{prefix}_full_name"]
        if row["status"] == "mapped" and row["decision"] is not None and now != row["decision"]:
            message = (
                f"was called {row['decision']!r} when it was decided on and is {now!r} now: "
                "see that it is still what is meant"
            )
            place = [row[name] or "" for name in key]
            found.append(
                finding("warning", "renamed", message, table=table, key=place, column="decision", value=now)
            )
    return found
