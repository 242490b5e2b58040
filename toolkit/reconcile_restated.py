"""A use of a carried credit that was sent, and that BluBilling has otherwise since: entered by hand, it ties.

Nothing is sent for the other one: the credit is used up. A person applies it in QuickBooks as BluBilling has
it now, or finds that it is so already, and enters that. The use that was sent is explained by it, where
QuickBooks shows just what BluBilling has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from toolkit.carried_credits import TABLE as USES
from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.posted import posted_document
from toolkit.posted_uses import uses_of
from toolkit.receivables import ZERO
from toolkit.reconcile_carried import applied_of_credits, set_credits
from toolkit.reconcile_records import Row
from toolkit.reconcile_source import Source
from toolkit.transform_schedule import POSTED_BY_HAND as POSTED

__all__ = ["Restated", "restated_uses", "with_restated"]

Place = tuple[str, str]  # TxnID of the credit and of the invoice


@dataclass(frozen=True, slots=True)
class Restated:
    """A use that was sent, and that another one stands for by now.

    Parameters
    ----------
    keys : frozenset of str
        The operation's, and that of its source row.
    amount : Decimal
        What was applied.
    why : str
        What stands for it, as a clause.
    """

    keys: frozenset[str]
    amount: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class _Use:
    """One application of a carried credit: its source key, where, how much, and what else names it."""

    key: str
    place: Place
    amount: Decimal
    name: str  # the operation's key, or the TxnID that was entered


def restated_uses(
    context: Context,
    tables: Mapping[str, pd.DataFrame],
    books: Books,
    sources: Sequence[Source],
    operations: Sequence[Row],
) -> list[Restated]:
    """Return the uses that were sent, that BluBilling no longer has, and that one entered by hand stands for.

    That is one of the same credit and amount, entered with the TxnID of the credit or of a payment of 0.00;
    and on the invoices of both QuickBooks shows of the credit what BluBilling has, to the cent.

    Parameters
    ----------
    context : Context
        Of the tables.
    tables : mapping
        Declared name to frame.
    books : Books
        The same tables.
    sources : sequence of Source
        The uses of carried credits, those posted by hand judged.
    operations : sequence of dict
        Rows of ``ledger.operations``.
    """
    of_uses = [row for row in operations if row["source_table"] == USES and row["status"] == "applied"]
    posted = {source.row["source_key"] for source in sources if source.rule == POSTED and source.explained}
    if not of_uses or not posted:
        return []
    known = set(uses_of(context))
    sent = [use for row in of_uses for use in _sent(books, row)]
    entered = [use for use in _entered(context, tables) if use.key in posted]
    has: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for use in [*(use for use in sent if use.key in known), *entered]:
        has[use.place] += use.amount
    shown = applied_of_credits(books)
    found = []
    for use in (use for use in sent if use.key not in known):
        now = _instead(use, entered)
        if now and all(shown.get(place, ZERO) == has[place] for place in (use.place, now.place)):
            entered.remove(now)
            why = f"it is {now.key} now, posted by hand as {now.name}"
            found.append(Restated(frozenset({use.key, use.name}), use.amount, why))
    return found


def _sent(books: Books, row: Row) -> Iterator[_Use]:
    for invoice, credit, amount in set_credits(books, row):
        yield _Use(row["source_key"], (credit, invoice), amount, row["key"])


def _entered(context: Context, tables: Mapping[str, pd.DataFrame]) -> Iterator[_Use]:
    """Yield the uses that were entered by hand as an application of the credit itself."""
    for key, use in uses_of(context).items():
        posting = context.postings.get((USES, key))
        invoice = use.applications[0].txn_id if use.applications else None
        if posting is None or use.credit is None or invoice is None:
            continue
        credit, txn_id = use.credit["quickbooks_id"], posting["txn_id"]
        name, document = posted_document(tables, txn_id) or ("", {})
        if txn_id == credit or (name == "quickbooks.payments" and not document.get("total_amount")):
            yield _Use(key, (credit, invoice), use.amount or ZERO, txn_id)


def _instead(lost: _Use, entered: Sequence[_Use]) -> _Use | None:
    """Return what may stand for a use: the same amount of the same credit, on its invoice if there is one."""
    alike = [use for use in entered if (use.place[0], use.amount) == (lost.place[0], lost.amount)]
    return min(alike, key=lambda use: use.place != lost.place, default=None)


def with_restated(differences: Sequence[Row], restated: Sequence[Restated]) -> list[Row]:
    """Return differences, explained where they are those of restated uses, to the cent.

    Parameters
    ----------
    differences : sequence of dict
        Rows of ``tie_out.differences``.
    restated : sequence of Restated
        From :func:`restated_uses`.
    """
    told = []
    for row in differences:
        for one in restated:
            if row["key"] in one.keys and abs(row["difference"] or ZERO) == one.amount:
                row = row | {"explained": True, "reason": f"{row['reason']}; {one.why}"}
        told.append(row)
    return told
