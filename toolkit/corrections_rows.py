"""What a row said when one of its cells was corrected: where it says something else, it is another row.

A correction is made for a row as it was. Where BluBilling gives an invoice to another customer, a correction
of its due date is not meant for that. Each cell has its own hash, so that what changed can be named, and
another cell that was corrected too may be put right in BluBilling without harm.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.tables import TABLES, to_rows

__all__ = ["OWNER", "changed_cells", "other_rows", "row_key", "row_was", "with_row_was"]

Row = Mapping[str, Any]

OWNER = "account_number"
"""Of the record that a line belongs to: a line on another customer's invoice is another line."""

_TELLING: Mapping[str, tuple[str, ...]] = {
    "billing.customers": ("name",),
    "billing.invoices": ("account_number", "invoice_date", "current_amount_due", "currency"),
    "billing.invoice_lines": (
        *("contract_code", "price_code", "tax_name", "unit_price", "quantity", "amount"),
    ),
    "billing.payments": ("account_number", "effective_date", "amount", "currency", "method"),
    "billing.payment_applications": ("amount_applied", "applied_date"),
    "billing.adjustments": ("account_number", "effective_date", "amount", "currency"),
}
"""What tells what a row is. All else may change any day: a phone, a note, on what a credit is used."""

_ADDRESS = ("street1", "street2", "city", "state", "zip", "country", "country_code")
_TOGETHER = (
    tuple(f"bill_{part}" for part in _ADDRESS),
    tuple(f"ship_{part}" for part in _ADDRESS),
    ("terms_value", "terms_units"),
    ("first_name", "last_name"),
)
"""Cells that say one thing together: a street of another town is another street."""


def row_key(table: str, row: Row) -> str:
    """Return the key of a row as one text; a slash inside a part of several is doubled.

    >>> row_key("billing.invoice_lines", {"invoice_number": "A/1", "line_position": 2, "charge_position": 1})
    'A//1 / 2 / 1'
    """
    names = TABLES[table].key
    if len(names) == 1:
        return str(row[names[0]])
    parts = ["" if row[name] is None else str(row[name]) for name in names]
    return " / ".join(part.replace("/", "//") for part in parts)


def row_was(table: str, row: Row, parent: Row | None = None) -> str:
    """Return a hash of each cell that tells what a row is, and of those that say one thing together.

    >>> row_was("billing.payment_applications", {"amount_applied": None, "applied_date": None})
    '{"amount_applied": "dc937b59", "applied_date": "dc937b59"}'
    """
    kept = {*_TELLING[table], *(name for names in _TOGETHER for name in names)}
    cells = {name: row[name] for name in TABLES[table].names if name in kept}
    if parent is not None:
        cells[f"{TABLES[table].parent}.{OWNER}"] = parent[OWNER]
    return json.dumps({name: _hash(value) for name, value in cells.items()})


def changed_cells(
    made: Row, row: Row, parent: Row | None = None, corrected: Collection[str] = ()
) -> list[str]:
    """Return the cells by which a row is another one than when one of its cells was corrected.

    Parameters
    ----------
    made : mapping
        The correction (``mapping.corrections``); one made before rows were remembered has nothing to compare.
    row, parent : mapping
        The row as BluBilling has it now, and the record that it belongs to.
    corrected : collection of str
        The columns of the row that are corrected too: BluBilling may have put them right.
    """
    if not made.get("row_was"):
        return []
    before, now = json.loads(made["row_was"]), json.loads(row_was(made["table"], row, parent))
    beside = next((names for names in _TOGETHER if made["column"] in names), ())
    apart = {made["column"], *corrected}
    counts = {*_TELLING[made["table"]], *beside, f"{TABLES[made['table']].parent}.{OWNER}"} - apart
    return [name for name, mark in before.items() if name in counts and now.get(name, mark) != mark]


def other_rows(
    table: str,
    rows: Mapping[str, Sequence[Row]],
    tables: Mapping[str, pd.DataFrame],
    wanted: Sequence[Row],
) -> dict[tuple[str, str], list[str]]:
    """Return the corrections whose row is another one by now: key and column to the cells that say so.

    Parameters
    ----------
    table : str
        Of the corrections.
    rows : mapping
        By key, as BluBilling has them.
    tables : mapping
        The records that its lines belong to, and ``ledger.decisions``.
    wanted : sequence of mapping
        The corrections of the table that stand.
    """
    remembered = [made for made in wanted if made.get("row_was") and made["key"] in rows]
    parent, name = TABLES[table].parent, TABLES[table].parent_key
    owned = to_rows(tables[parent]) if remembered and parent and parent in tables else []
    owners = {row_key(parent, row): row for row in owned} if parent else {}
    once: Mapping[str, set[str | None]] | None = None
    found: dict[tuple[str, str], list[str]] = {}
    for made in remembered:
        corrected = {each["column"] for each in wanted if each["key"] == made["key"]}
        for row in rows[made["key"]]:
            above = owners.get(str(row[name])) if name else None
            cells = changed_cells(made, row, above, corrected)
            if cells and once is None:
                once = _once_corrected(tables)
            cells = [cell for cell in cells if not _mended(once or {}, made, row, cell)]
            if cells:
                found[made["key"], made["column"]] = cells
    return found


def _once_corrected(tables: Mapping[str, pd.DataFrame]) -> Mapping[str, set[str | None]]:
    """Return what each cell was ever corrected to, by its key as the ledger writes it.

    Where BluBilling has put it right, its correction may have been taken back for that.
    """
    found: dict[str, set[str | None]] = defaultdict(set)
    for row in to_rows(tables["ledger.decisions"]) if "ledger.decisions" in tables else []:
        if row["table"] == "mapping.corrections" and row["decision"] is not None:
            found[row["key"]].add(json.loads(row["facts"] or "{}").get("value"))
    return found


def _mended(once: Mapping[str, set[str | None]], made: Row, row: Row, cell: str) -> bool:
    """Return whether BluBilling has a cell as it was once corrected."""
    texts = once.get(f"{made['table']} / {made['key']} / {cell}", ())
    return any(_says(row.get(cell), text) for text in texts)


def _says(value: object, text: str | None) -> bool:
    if isinstance(value, Decimal) and text is not None:
        return Decimal(text) == value
    return text == (None if value is None else str(value))


def with_row_was(
    corrections: Iterable[Row], row_of: Callable[[str, str], Row | None]
) -> list[dict[str, Any]]:
    """Return corrections that are to be kept, each with what its row says now.

    Parameters
    ----------
    corrections : iterable of mapping
        Rows of ``mapping.corrections``; one that withdraws stays as it is.
    row_of : callable
        By table and key the row as BluBilling has it.
    """
    kept = []
    for made in corrections:
        row = row_of(made["table"], made["key"]) if made["decision"] is not None else None
        if row is not None:
            declared = TABLES[made["table"]]
            above = row_of(declared.parent, str(row[declared.parent_key])) if declared.parent else None
            kept.append({**made, "row_was": row_was(made["table"], row, above)})
        else:
            kept.append(dict(made))
    return kept


def _hash(value: object) -> str:
    # An amount is the same with two decimals or four.
    text = f"{value.normalize():f}" if hasattr(value, "normalize") else repr(value)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]
