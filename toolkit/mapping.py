"""Match charges, customers and payment methods to what QuickBooks holds. Nothing is ever guessed.

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

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from toolkit.likeness import Suggestion, best, caseless, collapsed, item_suggestions, last_part, skeleton
from toolkit.mapping_customers import NONE, customer_findings, decided_row, match_customers, present, standing
from toolkit.mapping_use import Use, use_of_charges, use_of_methods
from toolkit.settings import Settings
from toolkit.tables import finding, findings, from_rows, to_rows

__all__ = [
    "RIGHT_TYPES",
    "charge_kind",
    "choosable_items",
    "mapping_findings",
    "match_charges",
    "match_customers",
    "match_payment_methods",
    "summary",
    "usable",
]

Row = Mapping[str, Any]

_SOLD = frozenset({"Service", "NonInventory", "OtherCharge"})
RIGHT_TYPES: Mapping[str, frozenset[str]] = {
    "charge": _SOLD,
    "discount": _SOLD | {"Discount"},
    "tax": frozenset({"SalesTax"}),
}
"""Item types that each kind of charge may go to."""

_COUNTED = {
    "exact": "exact",
    "account_number": "exact",
    "mapped": "mapped",
    "new": "mapped",
    "none": "none",
}


def charge_kind(charge: Row) -> str:
    """Return ``tax``, ``discount`` or ``charge``: what a charge is, as far as item types go."""
    return "tax" if charge["is_tax"] else "discount" if charge["is_discount"] else "charge"


def match_charges(
    charges: pd.DataFrame,
    items: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    invoice_lines: pd.DataFrame | None = None,
    invoices: pd.DataFrame | None = None,
    local_items: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each charge with the item it goes to, or the reason why it goes to none.

    Parameters
    ----------
    charges : pandas.DataFrame
        ``billing.charges``, one row per charge of a plan.
    items : pandas.DataFrame
        ``quickbooks.items``.
    decisions : pandas.DataFrame
        ``mapping.charge_items``: the decision that stands on a charge. It decides by ListID, so a renamed
        item keeps it.
    invoice_lines, invoices : pandas.DataFrame, optional
        ``billing.invoice_lines`` and ``billing.invoices``, for the lines and money that hang on a charge.
    local_items : pandas.DataFrame, optional
        ``mapping.local_items``: items entered by hand, which have no ListID before they are exported.

    Returns
    -------
    pandas.DataFrame
        ``match.charges``, one row per charge, in the order given.
    """
    catalogue = _Catalogue(choosable_items(items, local_items))
    decided = standing(decisions, "contract_code", "price_code")
    used = use_of_charges(invoice_lines, invoices)
    rows = []
    for charge in to_rows(charges):
        key = (charge["contract_code"], charge["price_code"])
        rows.append(_charge_row(charge, decided.get(key, {}), used.get(key, Use()), catalogue))
    for kind, types in RIGHT_TYPES.items():
        _suggest([row for row in rows if charge_kind(row) == kind], catalogue.names(types))
    return from_rows("match.charges", [_without_hints(row) for row in rows])


def match_payment_methods(
    payments: pd.DataFrame,
    methods: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Return each payment method in use with the QuickBooks method it is, and its deposit account.

    Parameters
    ----------
    payments : pandas.DataFrame
        ``billing.payments``.
    methods : pandas.DataFrame
        ``quickbooks.payment_methods``; inactive ones do not match.
    decisions : pandas.DataFrame
        ``mapping.payment_methods``.
    settings : Settings, optional
        For ``deposit_accounts.<Method>``.

    Returns
    -------
    pandas.DataFrame
        ``match.payment_methods``, one row per method of the payments, in alphabetical order. ``lines`` and
        ``amount`` are payments, refunds included.
    """
    chosen = settings if settings is not None else Settings()
    catalogue = _Catalogue([{**row, "full_name": row["name"]} for row in present(methods)])
    decided = standing(decisions, "method")
    used = use_of_methods(payments)
    rows = []
    for method in sorted(used):
        decision, use = decided.get((method,), {}), used[method]
        status, reason, found, near = _judge(method, decision, "payment_method", use, catalogue, None)
        rows.append(
            {
                "method": method,
                "status": status,
                "reason": reason,
                "payment_method_list_id": found and found["list_id"],
                "payment_method_full_name": found and found["full_name"],
                "deposit_account_full_name": chosen.deposit_account(method),
                **decided_row(decision, use),
                "_near": near,
                "_hints": [method],
            }
        )
    _suggest(rows, catalogue.names(None))
    return from_rows("match.payment_methods", [_without_hints(row) for row in rows])


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
) -> pd.DataFrame:
    """Return what is doubtful about matches that stand; mismatches themselves are rows of the match tables.

    Parameters
    ----------
    charges, customers, payment_methods : pandas.DataFrame, optional
        ``match.charges``, ``match.customers`` and ``match.payment_methods``.

    Returns
    -------
    pandas.DataFrame
        ``findings``: a renamed item, customer or method (``renamed``), two accounts on one customer that
        nobody decided (``shared_customer``), a match to an inactive customer (``inactive_customer``), one
        name for two new customers (``new_name_twice``).
    """
    rows = []
    if charges is not None:
        listed = to_rows(charges)
        rows += _renamed(listed, "mapping.charge_items", ("contract_code", "price_code"), "item")
    if payment_methods is not None:
        rows += _renamed(to_rows(payment_methods), "mapping.payment_methods", ("method",), "payment_method")
    if customers is not None:
        listed = to_rows(customers)
        rows += _renamed(listed, "mapping.customers", ("account_number",), "customer")
        rows += customer_findings(listed)
    return findings(rows)


def usable(item: Row, types: frozenset[str] | None) -> bool:
    """Return whether an item is active and of one of the types; a null ``is_active`` counts as active."""
    return _fits(item, types) and item["is_active"] is not False


# --- what a name means --------------------------------------------------------------------------------------


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


# --- rows ---------------------------------------------------------------------------------------------------


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
