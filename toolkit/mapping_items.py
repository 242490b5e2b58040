"""The items that charges, taxes and adjustment kinds may go to: those of QuickBooks and those by hand.

They are kept as columns: a company may have very many, and few of them are ever looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.likeness import last_parts, skeleton, skeletons
from toolkit.mapping_names import Catalogue, Row, present
from toolkit.tables import to_arrow, to_rows

__all__ = ["ITEM_SHOWN", "RIGHT_TYPES", "Items", "choosable_items"]

_SOLD = frozenset({"Service", "NonInventory", "OtherCharge"})
RIGHT_TYPES: Mapping[str, frozenset[str]] = {
    "charge": _SOLD,
    "discount": _SOLD | {"Discount"},
    "tax": frozenset({"SalesTax"}),
}
"""Item types that each kind of charge may go to."""

ITEM_SHOWN = ("item_type", "income_account_full_name", "sales_tax_code_full_name")
"""What is shown of an item beside its name."""

_ITEM = ("list_id", "full_name", "is_active", *ITEM_SHOWN)


def choosable_items(items: pd.DataFrame, local_items: pd.DataFrame | None = None) -> list[Row]:
    """Return the items still in QuickBooks, whatever their type, and those entered by hand that it lacks."""
    rows: list[Row] = [*present(items)]
    known = {row["full_name"] for row in rows}
    for local in [] if local_items is None else to_rows(local_items):
        if local["name"] not in known:
            rows.append({**local, "list_id": None, "full_name": local["name"], "is_active": True})
    return rows


class Items:
    """The items that may be chosen, as :func:`choosable_items` gives them, as columns.

    Parameters
    ----------
    items : pandas.DataFrame
        ``quickbooks.items``.
    local_items : pandas.DataFrame, optional
        ``mapping.local_items``.
    """

    def __init__(self, items: pd.DataFrame, local_items: pd.DataFrame | None = None) -> None:
        self.table = _items(items, local_items)

    def names(self, types: frozenset[str]) -> list[str]:
        """Return the full names of the usable items of some types, in order."""
        names: list[str] = self._full_names.filter(self._usable(types)).unique().to_pylist()
        return sorted(names)

    def exact(self, codes: pa.ChunkedArray, types: frozenset[str]) -> pa.Array:
        """Return for each code the place of the one usable item of its very name; null for none or more."""
        names, places = self._single(types)
        return places.take(pc.index_in(_whole(codes), value_set=names))

    def catalogue(self, codes: Iterable[str | None], decisions: Iterable[Row]) -> Catalogue:
        """Return the items that codes can mean or that were decided on: all that judging needs."""
        asked = [code for code in codes if code is not None]
        chosen = [decision for decision in decisions if decision]
        names = {*asked, *(row["item_full_name"] or row["decision"] for row in chosen)}
        looks = _texts({skeleton(code) for code in asked})
        meant = pc.or_(
            pc.is_in(self._full_names, value_set=_texts(names)),
            pc.is_in(_whole(self.table["list_id"]), value_set=_texts(row["item_list_id"] for row in chosen)),
        )
        alike = pc.or_(*(pc.is_in(look, value_set=looks) for look in self._looks))
        return Catalogue(self.table.filter(pc.or_(meant, alike)).to_pylist())

    @cached_property
    def _full_names(self) -> pa.Array:
        return _whole(self.table["full_name"])

    @cached_property
    def _looks(self) -> tuple[pa.Array, pa.Array]:
        return skeletons(self._full_names), skeletons(last_parts(self._full_names))

    def _usable(self, types: frozenset[str]) -> pa.Array:
        active = _whole(pc.fill_null(self.table["is_active"], True))
        fitting = _whole(pc.is_in(self.table["item_type"], value_set=_texts(types)))
        return pc.and_(active, fitting)

    def _single(self, types: frozenset[str]) -> tuple[pa.Array, pa.Array]:
        """Return the names that exactly one usable item has, and the places of those items.

        A name of nothing but blanks is no name that a charge could equal.
        """
        places = pc.indices_nonzero(self._usable(types)).cast(pa.int64())
        names = self._full_names.take(places)
        plain = pc.match_substring_regex(names, "[0-9A-Za-z]")
        if not pc.all(plain).as_py():
            told = pa.array(
                [bool(skeleton(name)) for name in names.filter(pc.invert(plain)).to_pylist()], pa.bool_()
            )
            keep = pc.replace_with_mask(plain, pc.invert(plain), told)
            names, places = names.filter(keep), places.filter(keep)
        coded = names.dictionary_encode()
        if len(coded.dictionary) < len(names):
            indices = coded.indices.to_numpy()
            once = pa.array(np.bincount(indices)[indices] == 1)
            names, places = names.filter(once), places.filter(once)
        return names, places


def _items(items: pd.DataFrame, local_items: pd.DataFrame | None) -> pa.Table:
    """Return the items that may be chosen, as :func:`choosable_items` does, as columns."""
    held = to_arrow(items, "quickbooks.items", (*_ITEM, "left_at"))
    named = pc.greater(pc.fill_null(pc.binary_length(held["full_name"]), 0), 0)
    held = held.filter(pc.and_(pc.is_null(held["left_at"]), named)).select(list(_ITEM))
    if local_items is None or not len(local_items):
        return held.combine_chunks()
    names = [name if name != "full_name" else "name" for name in (*ITEM_SHOWN, "full_name")]
    local = to_arrow(local_items, "mapping.local_items", names).rename_columns({"name": "full_name"})
    local = local.filter(pc.invert(pc.is_in(local["full_name"], value_set=held["full_name"])))
    local = local.append_column("is_active", pa.array([True] * len(local), pa.bool_()))
    local = local.append_column("list_id", pa.nulls(len(local), pa.string()))
    return pa.concat_tables([held, local.select(list(_ITEM))]).combine_chunks()


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _texts(values: Iterable[str | None]) -> pa.Array:
    return pa.array(sorted({value for value in values if value is not None}), pa.string())
