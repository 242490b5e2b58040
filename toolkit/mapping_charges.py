"""Match charges to items; :mod:`toolkit.mapping` shows it to callers and lists the reasons.

Exact names are found column by column, for all charges at once. What is left (decided on, or not exact) is
judged row by row against those items alone that its code, its look-alikes or its decision can mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.mapping_items import ITEM_SHOWN, RIGHT_TYPES, Items
from toolkit.mapping_names import Catalogue, Row, decided_row, finished, judge, standing, suggest
from toolkit.mapping_use import Use, charge_key, charge_keys, uses_of_charges
from toolkit.tables import TABLES, from_arrow, from_rows, to_arrow

__all__ = ["charge_decisions", "charge_kind", "match_charges"]

_KEPT = ("contract_code", "price_code", "invoice_text", "charge_type", "is_tax", "is_discount", "source")


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
    tax_decisions: pd.DataFrame | None = None,
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
    tax_decisions : pandas.DataFrame, optional
        ``mapping.taxes``: what was decided on the sheet of taxes holds for tax charges; where both tables
        have a decision, the later one.

    Returns
    -------
    pandas.DataFrame
        ``match.charges``, one row per charge, in the order given.
    """
    asked = to_arrow(charges, "billing.charges", (*_KEPT, "qb_item"))
    held = Items(items, local_items)
    decided = charge_decisions(decisions, tax_decisions)
    uses = uses_of_charges(invoice_lines, invoices)
    found = _exact(asked, held)
    keys = _keys(asked)
    if decided:
        wanted = pa.array([charge_key(*key) for key in decided], pa.string())
        found = pc.if_else(pc.is_in(keys, value_set=wanted), pa.scalar(None, pa.int64()), found)
    matched = _exact_rows(asked, held.table, found, uses.of(keys))
    left = pc.indices_nonzero(pc.is_null(found))
    if not len(left):
        return from_arrow(matched)
    rows = _judged(asked.take(left), held, decided, uses.of(keys.take(left)))
    judged = to_arrow(from_rows("match.charges", rows), "match.charges")
    return from_arrow(_in_order(matched, judged, left))


def charge_decisions(
    decisions: pd.DataFrame, tax_decisions: pd.DataFrame | None = None
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the decisions on charges by (contract code, price code), those on the sheet of taxes included.

    Where both tables have one on the same charge, the later one counts.
    """
    found = standing(decisions, "contract_code", "price_code")
    if tax_decisions is not None:
        for (plan, code, _), row in standing(
            tax_decisions, "contract_code", "price_code", "tax_name"
        ).items():
            before = found.get((plan, code))
            if plan is not None and (before is None or _when(before) <= _when(row)):
                found[plan, code] = row
    return found


def _when(decision: Row) -> str:
    return str(decision["decided_at"] or "")


# --- column by column ---------------------------------------------------------------------------------------


def _exact(asked: pa.Table, items: Items) -> pa.Array:
    """Return for each charge the place of the one usable item of exactly its name; null for none or more."""
    found = pa.nulls(len(asked), pa.int64())
    for kind, mask in _kinds(asked).items():
        if pc.any(mask).as_py():
            found = pc.if_else(mask, items.exact(asked["price_code"], RIGHT_TYPES[kind]), found)
    return found


def _kinds(asked: pa.Table) -> dict[str, pa.Array]:
    tax = pc.fill_null(asked["is_tax"], False)
    discount = pc.and_(pc.fill_null(asked["is_discount"], False), pc.invert(tax))
    return {"tax": tax, "discount": discount, "charge": pc.invert(pc.or_(tax, discount))}


def _keys(asked: pa.Table) -> pa.Array:
    """Return the key of each charge as one text, as :func:`toolkit.mapping_use.charge_key` makes it."""
    return charge_keys(asked["contract_code"], asked["price_code"])


def _exact_rows(asked: pa.Table, items: pa.Table, found: pa.Array, use: pa.Table) -> pa.Table:
    """Return the rows of all charges as if each were exact; those without a place are to be left out."""
    count = len(asked)
    columns = {name: asked[name] for name in _KEPT}
    columns["status"] = pa.repeat("exact", count)
    columns |= {f"item_{name}": items[name].take(found) for name in ("list_id", "full_name")}
    columns |= {name: items[name].take(found) for name in ITEM_SHOWN}
    columns |= {name: use[name] for name in use.column_names}
    schema = TABLES["match.charges"].schema
    return pa.table(
        [columns[f.name] if f.name in columns else pa.nulls(count, f.type) for f in schema], schema=schema
    )


def _in_order(matched: pa.Table, judged: pa.Table, left: pa.Array) -> pa.Table:
    """Return the matched rows with those at the places ``left`` replaced by the judged ones."""
    order = np.arange(len(matched))
    order[left.to_numpy()] = len(matched) + np.arange(len(judged))
    return pa.concat_tables([matched, judged]).combine_chunks().take(pa.array(order))


# --- row by row ---------------------------------------------------------------------------------------------


def _judged(
    asked: pa.Table, items: Items, decided: Mapping[tuple[Any, ...], Row], use: pa.Table
) -> list[dict[str, Any]]:
    """Return the rows of charges that are decided on, or not exact."""
    charges, uses = asked.to_pylist(), use.to_pylist()
    standing_on = [decided.get((row["contract_code"], row["price_code"]), {}) for row in charges]
    catalogue = items.catalogue(asked["price_code"].to_pylist(), standing_on)
    rows = [
        _charge_row(charge, decision, Use(**used), catalogue)
        for charge, decision, used in zip(charges, standing_on, uses, strict=True)
    ]
    for kind, types in RIGHT_TYPES.items():
        mismatched = [row for row in rows if row["status"] == "mismatch" and charge_kind(row) == kind]
        if mismatched:
            suggest(mismatched, items.names(types))
    return [finished(row) for row in rows]


def _charge_row(charge: Row, decision: Row, use: Use, catalogue: Catalogue) -> dict[str, Any]:
    types = RIGHT_TYPES[charge_kind(charge)]
    status, reason, found, near = judge(charge["price_code"], decision, "item", use, catalogue, types)
    return {
        **{name: charge[name] for name in _KEPT},
        "status": status,
        "reason": reason,
        "item_list_id": found and found["list_id"],
        "item_full_name": found and found["full_name"],
        **{name: found and found[name] for name in ITEM_SHOWN},
        **decided_row(decision, use),
        "_near": near,
        "_hints": [charge["price_code"], charge["qb_item"], charge["invoice_text"]],
    }
