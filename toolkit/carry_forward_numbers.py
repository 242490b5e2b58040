"""The numbers that carried documents get in BluBilling: their own where that is one, else one that is made.

A number that is in the crosswalk already stays, so that carrying forward twice changes nothing. Credits are
not uploaded: their key only tells them apart, and must not look like a number of BluBilling's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from toolkit.carry_forward_files import is_formula
from toolkit.checks_books import Books

__all__ = ["number_documents"]

Row = dict[str, Any]


def number_documents(documents: Sequence[Row], books: Books) -> list[Row]:
    """Return the documents, each with its ``key``: the number of an invoice, the name of a credit.

    An invoice keeps its own number unless it has none, shares it with another (spaces and case apart: who
    reads a file may drop them), BluBilling has it, or a spreadsheet would take it for a formula.
    """
    bound = {
        (row["record_kind"], row["quickbooks_id"]): row["key"]
        for row in books.rows("ledger.crosswalk")
        if row["origin"] == "quickbooks"
    }
    numbers = {row["invoice_number"] for row in books.rows("billing.invoices", "invoice_number")}
    carried = {key for (kind, _), key in bound.items() if kind == "invoice"}
    own = Counter(_bare(row["ref_number"]) for row in documents if row["record_kind"] == "invoice")
    taken = {_bare(number) for number in numbers | carried}
    numbered = []
    for row in documents:
        kind, number, txn_id = row["record_kind"], row["ref_number"], row["txn_id"]
        key = bound.get((kind, txn_id))
        if key is None and kind != "invoice":
            key = f"QB-{txn_id}"
        if key is None and _is_usable(number) and own[_bare(number)] == 1 and _bare(number) not in taken:
            key = number
        if key is None:
            made = f"QB-{row['txn_number']}"
            usable = row["txn_number"] is not None and _bare(made) not in taken and not own[_bare(made)]
            key = made if usable else f"QB-{txn_id}"
        if kind == "invoice":
            taken.add(_bare(key))
        numbered.append({**row, "key": key})
    return numbered


def _bare(number: str | None) -> str:
    return (number or "").strip().casefold()


def _is_usable(number: str | None) -> bool:
    return bool(number and number == number.strip() and number.isprintable() and not is_formula(number))
