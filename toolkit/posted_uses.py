"""What the imported tables say of a use of a carried credit that a person applied in QuickBooks by hand.

The person names the document that gave it: the credit itself, the payment of 0.00 that QuickBooks made of it,
or another one, a transfer from another customer's credit say. The amount is no document's: it is what
QuickBooks shows as applied of the credit to the invoice, less what other uses of it stand for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.carried_credits import NO_INVOICE, TABLE, CreditUse, credit_document, is_there
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Row
from toolkit.posted import Check, posted_document
from toolkit.transform_payments import credit_uses

__all__ = ["check_use", "is_of_credit", "uses_of"]

_IMPORT = "toolkit import receivables, if it was applied since they were read"


def uses_of(context: Context) -> dict[str, CreditUse]:
    """Return the uses of carried credits by their source key."""
    return {use.source_key: use for use in credit_uses(context)}


def is_of_credit(use: CreditUse | None, txn_id: str) -> bool:
    """Return whether a TxnID is that of the very credit that is used: its uses may share it."""
    return use is not None and (use.credit or {}).get("quickbooks_id") == txn_id


def check_use(
    context: Context, tables: Mapping[str, pd.DataFrame], key: str, txn_id: str, uses: Mapping[str, CreditUse]
) -> Check:
    """Compare what QuickBooks shows of a credit with a use of it that was applied by hand.

    Parameters
    ----------
    context : Context
        Of the tables.
    tables : mapping
        Declared name to frame.
    key : str
        Source key of the use.
    txn_id : str
        Of the document that the person named.
    uses : mapping
        As :func:`uses_of` returns them.
    """
    use = uses.get(key)
    if use is None:
        return Check(None, "BluBilling no longer has this use")
    found = posted_document(tables, txn_id)
    if found is None:
        return Check(None)
    name, document = found
    giver = txn_id
    if name == "quickbooks.payments" and not document.get("total_amount"):
        giver = (use.credit or {})["quickbooks_id"]
    said = [*_gone(document), *_customer(context, use, document), *_amount(context, use, giver, uses)]
    return Check(name, "; ".join(said) or None)


def _gone(document: Row) -> Iterator[str]:
    if document.get("left_at") is not None:
        yield "QuickBooks has it no more"


def _customer(context: Context, use: CreditUse, document: Row) -> Iterator[str]:
    for application in use.applications:
        target, theirs = application.target, document.get("customer_list_id")
        if theirs and target.list_id and theirs != target.list_id:
            yield f"it is of customer {document.get('customer_full_name')}, not of {target.full_name}"


def _amount(context: Context, use: CreditUse, giver: str, uses: Mapping[str, CreditUse]) -> Iterator[str]:
    """Say where QuickBooks shows less than the use, of the credit on the invoice or of the credit at all."""
    amount, number = use.amount or ZERO, use.applications[0].invoice_number
    invoice = use.applications[0].txn_id
    if number != NO_INVOICE and invoice is None:
        yield f"QuickBooks has no invoice {number} that is known here: export it, or enter it too"
        return
    others = [other for other in uses.values() if other is not use and _stands_for(context, other, giver)]
    on_it = [one for one in others if one.applications[0].txn_id == invoice]
    shown = sum(_applied(context, giver, invoice), ZERO)
    left = shown - sum((one.amount or ZERO for one in (on_it if invoice else others)), ZERO)
    if left < amount:
        where = f" on invoice {number}" if invoice else ""
        yield f"QuickBooks shows {max(left, ZERO):,.2f} of it applied{where}, not {amount:,.2f}: {_IMPORT}"
        return
    credit = use.credit or {}
    there = credit_document(context, credit) if giver == credit["quickbooks_id"] else None
    if there:
        # What QuickBooks had applied of it before it was carried is no use of BluBilling's.
        since = (credit["amount"] or ZERO) - there["remaining"]
        left = since - sum((one.amount or ZERO for one in others), ZERO)
        if left < amount:
            shown_since = f"{max(left, ZERO):,.2f} of it were applied since it was carried"
            yield f"{shown_since}, not {amount:,.2f}: {_IMPORT}"


def _stands_for(context: Context, use: CreditUse, giver: str) -> bool:
    """Return whether a use was applied already, of this credit or document: by us, or by hand."""
    posting: Mapping[str, Any] = context.postings.get((TABLE, use.source_key)) or {}
    of_it = is_of_credit(use, giver) or posting.get("txn_id") == giver
    return of_it and (bool(posting) or is_there(context, use.key))


def _applied(context: Context, giver: str, invoice: str | None) -> Iterator[Decimal]:
    """Yield what QuickBooks shows as applied of a document: to an invoice, or to anything."""
    for row in context.rows("quickbooks.linked_transactions"):
        is_given = row["owner_txn_id"] == giver and row["owner_table"] == "quickbooks.credit_memos"
        if is_given and invoice in (None, row["txn_id"]):
            yield abs(row["amount"] or ZERO)
    for row in context.rows("quickbooks.payment_applications"):
        if row["payment_txn_id"] == giver and invoice in (None, row["txn_id"]):
            yield row["amount"] or ZERO
