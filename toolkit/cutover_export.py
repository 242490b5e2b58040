"""The export on one workspace: its plan, and its tie-out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import reconcile, transform
from toolkit.checks_books import Books
from toolkit.checks_waivers import given_for
from toolkit.corrections import row_key
from toolkit.cutover_corrections import corrected_tables
from toolkit.errors import UsageError
from toolkit.import_age import import_findings
from toolkit.qbxml_versions import LATEST
from toolkit.tables import findings, to_rows
from toolkit.transform_filters import chosen, unknown_values
from toolkit.transform_numbers import preview_numbers
from toolkit.workspace import Workspace

__all__ = ["amounts", "by_hand", "filtered", "matched", "plan_export", "tie_out", "waive", "waive_all"]

_DOCUMENTS = ("billing.invoices", "billing.payments", "billing.adjustments")
_MONEY = dict(zip(_DOCUMENTS, ("current_amount_due", "amount", "amount"), strict=True))
_KEYED = ("billing.customers", *_DOCUMENTS, "billing.payment_applications", "mapping.local_items")
_WORDS: Mapping[str, Sequence[str]] = {
    "record_kind": ("item", "customer", "invoice", "credit_memo", "payment"),
    "request": (
        *("ItemServiceAdd", "ItemNonInventoryAdd", "ItemOtherChargeAdd", "CustomerAdd"),
        *("InvoiceAdd", "CreditMemoAdd", "ReceivePaymentAdd", "ReceivePaymentMod"),
    ),
    "source_table": _KEYED,
}
# By column of a plan, where its values come from.
_SOURCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "account_number": (("billing.customers", "account_number"), *((t, "account_number") for t in _DOCUMENTS)),
    "customer_full_name": (
        ("quickbooks.customers", "full_name"),
        ("billing.customers", "name"),
        ("mapping.customers", "customer_full_name"),
    ),
    "ref_number": (
        ("billing.invoices", "invoice_number"),
        ("billing.payments", "payment_number"),
        ("billing.payments", "check_number"),
        ("billing.adjustments", "adjustment_id"),
        ("ledger.crosswalk", "ref_number"),
    ),
    "txn_date": tuple(zip(_DOCUMENTS, ("invoice_date", "effective_date", "effective_date"), strict=True)),
    "amount": tuple(zip(_DOCUMENTS, ("current_amount_due", "amount", "amount"), strict=True)),
    "currency": tuple((t, "currency") for t in ("billing.customers", "billing.invoices", "billing.payments")),
    "key": (("ledger.operations", "key"),),
    "depends_on": (("ledger.operations", "key"),),
}


def plan_export(ws: Workspace, **options: Any) -> transform.Plan:
    """Return the plan of an export; ``options`` as :func:`toolkit.transform.plan_export` takes them.

    It is made for the qbXML version of the newest session; before the first one, for the latest, and says
    so. Values that were corrected count as corrected, with a finding on each.
    """
    if "version" not in options:
        agreed = ws.ledger.agreed_version()
        options = {**options, "version": agreed or LATEST, "assumed": agreed is None}
    tables, corrected = corrected_tables(ws)
    plan = transform.plan_export(tables, ws.settings, **options)
    aged = to_rows(import_findings(ws, "export"))
    return replace(plan, findings=findings([*to_rows(plan.findings), *to_rows(corrected), *aged]))


def filtered(
    plan: transform.Plan, hold: Sequence[str] = (), only: Sequence[str] = (), ws: Workspace | None = None
) -> transform.Plan:
    """Return a plan with rows held back by filters, as people type them.

    Parameters
    ----------
    plan : Plan
        Of an export.
    hold : sequence of str
        Rows that one of these filters chooses are held.
    only : sequence of str
        What none of these chooses is held, but for what the chosen need. Of several, any one counts.
    ws : Workspace, optional
        Whose rows a filter may name though this export does not have them.

    Raises
    ------
    UsageError
        A text that is no filter, a column that a plan does not have, or a value that no row has, sent or
        not: one that was mistyped would hold nothing, and send everything.
    """
    texts = [*only, *hold]
    matched(plan, texts)
    for text in texts:
        _require_known(plan, text, ws)
    if only:
        rows = to_rows(plan.operations)
        keys = {row["key"] for text in only for row in chosen(plan.operations, text)}
        plan = plan.only([row["key"] in keys for row in rows], why=f"not among --only {' or '.join(only)}")
    # A row may be gone already with what it depends on: each filter sees the plan as it was.
    full = plan.full or plan
    for text in hold:
        keys = {row["key"] for row in chosen(full.operations, text)}
        plan = plan.hold([key in keys for key in plan.operations["key"]], why=f"--hold {text}")
    return plan


def matched(plan: transform.Plan, filters: Sequence[str]) -> dict[str, int]:
    """Return how many operations of a plan, as it was before anything was held, each filter chooses."""
    planned = (plan.full or plan).operations
    return {text: len(chosen(planned, text)) for text in filters}


def _require_known(plan: transform.Plan, text: str, ws: Workspace | None) -> None:
    """Raise where a filter asks for a value that stands nowhere, though there is something to choose of."""
    full = plan.full or plan
    if not len(full.operations):
        return
    for column, value, near in unknown_values(full.operations, text, lambda name: _known(full, ws, name)):
        told = f"no row has {column} {value}"
        if not len(chosen(full.operations, text)):
            told += ", and it chooses no row of this export"
        hint = (
            f"did you mean {column}={near}?" if near else "`toolkit export` without it shows what there is."
        )
        raise UsageError(f"{text!r}: {told}: {hint} Nothing was queued")


def _known(plan: transform.Plan, ws: Workspace | None, column: str) -> Iterator[Any]:
    """Yield what a column of a plan may hold: by what it leaves out, and by all rows of a workspace."""
    yield from _WORDS.get(column, ())
    if column in plan.left_out.columns:
        yield from (row[column] for row in to_rows(plan.left_out[[column]]))
    if column == "ref_number":  # of a row that stays there is only its own number
        yield from plan.left_out["source_key"]
    if ws:
        yield from _in_workspace(ws, column)
    if column in ("key", "depends_on"):
        keys = list(_known(plan, ws, "source_key"))
        yield from (f"{kind}:{key}" for kind in _WORDS["record_kind"] for key in keys)


def _in_workspace(ws: Workspace, column: str) -> Iterator[Any]:
    """Yield what a column of a plan may hold by all rows of a workspace, whether they go or not."""
    tables = corrected_tables(ws)[0]
    for table, name in _SOURCES.get(column, ()):
        for row in to_rows(tables[table][[name]]):
            yield row[name]
            if isinstance(row[name], Decimal):  # of a negative invoice, the credit memo's
                yield abs(row[name])
    if column == "source_key":
        yield from (row_key(table, row) for table in _KEYED for row in to_rows(tables[table]))
    if column == "ref_number":
        yield from preview_numbers(tables, ws.settings)["ref_number"]


def waive(ws: Workspace, found: Mapping[str, Any], who: str, note: str) -> bool:
    """Waive a finding of the gate for its row as it is now; ``False`` where just this is waived already.

    Parameters
    ----------
    ws : Workspace
        Where it is kept.
    found : mapping
        A row of ``findings`` of :func:`plan_export`.
    who, note : str
        The person, and why.
    """
    books = Books(corrected_tables(ws)[0], ws.settings)
    meant = given_for(books, found["table"], found["key"])
    return ws.ledger.waive(found["finding_id"], who, note, meant)


def waive_all(ws: Workspace, found: pd.DataFrame, who: str, note: str) -> int:
    """Waive findings of the gate together, each for its row as it is now; return how many were not yet.

    Parameters
    ----------
    ws : Workspace
        Where they are kept: all of them, or none.
    found : pandas.DataFrame
        Rows of ``findings`` of :func:`plan_export`.
    who, note : str
        The person, and why.
    """
    books = Books(corrected_tables(ws)[0], ws.settings)
    rows = to_rows(found)
    meant = {place: given_for(books, *place) for place in {(row["table"], row["key"]) for row in rows}}
    given = {row["finding_id"]: meant[row["table"], row["key"]] for row in rows}
    return ws.ledger.waive_all(given, who, note)


def amounts(ws: Workspace, found: pd.DataFrame) -> dict[str, Decimal]:
    """Return the money of the documents that findings are on, by currency, each once.

    What has no amount, such as a customer, adds none; what has no currency is in that of the company.
    """
    books = Books(corrected_tables(ws)[0], ws.settings)
    places = set(zip(found["table"], found["key"], strict=True))
    sums: dict[str, Decimal] = {}
    for table, column in _MONEY.items():
        for row in books.rows(table) if table in set(found["table"]) else ():
            if (table, row_key(table, row)) in places and row[column] is not None:
                currency = row["currency"] or books.home_currency
                sums[currency] = sums.get(currency, Decimal(0)) + row[column]
    return sums


def by_hand(ws: Workspace) -> pd.DataFrame:
    """Return what is posted by hand since the cutover (``plan.post_by_hand``), open and done."""
    switches = {"customers": True, "invoices": True, "payments": True, "credits": True}
    return plan_export(ws, new=True, qbxml=False, **switches).post_by_hand


def tie_out(ws: Workspace) -> reconcile.TieOut:
    """Tie out what QuickBooks holds to what was sent."""
    return reconcile.tie_out(corrected_tables(ws)[0], ws.settings)
