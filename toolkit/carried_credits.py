"""Carried credits that BluBilling uses: QuickBooks' own credit is applied, never a new document made.

BluBilling knows a carried credit by its key in the crosswalk or by its TxnID: as its number, or in its text.
What it applies of it to an invoice becomes an application of that credit (SetCredit) inside a payment of
0.00, one for each application, so that each is told apart and sent once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from toolkit.carried_copies import Naming, bound_credits, credit_document, named_credits, use_key
from toolkit.carried_sent import sent_uses
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Application, Draft, Part, Row

__all__ = [
    "CREDIT_USE",
    "NO_INVOICE",
    "CreditUse",
    "carried_credits",
    "credit_document",
    "is_there",
    "otherwise_sent",
    "overused",
    "posted_use",
    "source_key",
    "use_key",
    "used_rows",
]

CREDIT_USE = "credit_use"
"""The kind of draft that an application of a carried credit is."""

TABLE = "billing.payment_applications"
NO_INVOICE = "(no invoice)"
"""What stands for the invoice of a use of which BluBilling does not say what it pays."""


@dataclass(slots=True)
class CreditUse(Draft):
    """One application of a carried credit to one invoice.

    ``credit`` is its row of the crosswalk; the ``status`` of its row is that of BluBilling's copy of it.
    """

    credit: Row | None = None
    application: Application | None = None
    overpaid: Iterable[str] = ()

    @property
    def number(self) -> str:
        """The key of its operation, without the kind."""
        return self.key.removeprefix("payment:")

    @property
    def applications(self) -> list[Application]:
        """Its one application."""
        return [self.application] if self.application else []

    @property
    def parts(self) -> list[Part]:
        """Its one part, as a payment has them."""
        return [Part(self.key, each.target, self.amount or ZERO, (each,)) for each in self.applications]


_CREDITS: WeakKeyDictionary[Context, dict[str, Row]] = WeakKeyDictionary()


def carried_credits(context: Context) -> dict[str, Row]:
    """Return the carried credits by the number that BluBilling has each under: rows of the crosswalk.

    A number is theirs that is a key of the crosswalk; or of an adjustment or payment that is one.
    """
    if context not in _CREDITS:
        bound, named = bound_credits(context), named_credits(context).values()
        unclear = {one.number for one in named if one.problem}
        copies = {one.number: one.credit for one in named if not one.problem}
        _CREDITS[context] = {**{key: bound[key] for key in bound.keys() - unclear}, **copies}
    return _CREDITS[context]


_USES: WeakKeyDictionary[Context, dict[str, list[Row]]] = WeakKeyDictionary()


def used_rows(context: Context) -> dict[str, list[Row]]:
    """Return what BluBilling uses of carried credits, by number: rows of ``billing.payment_applications``.

    Each with the ``status`` and account of the copy. Where no application is given, what is used of a copy
    is applied to the invoice that it names.
    """
    if context not in _USES:
        copies = {one.number: one for one in named_credits(context).values() if not one.problem}
        uses: dict[str, list[Row]] = {}
        for number in carried_credits(context):
            copy = copies.get(number)
            # House credits that go as payments have applications there that name no day.
            rows = [row for row in context.applied.get(number, []) if "applied_date" in row]
            rows = rows or (_by_the_copy(context, copy) if copy else [])
            own = {"status": copy.status, "account_number": copy.row["account_number"]} if copy else {}
            uses[number] = [{"status": "Paid", "account_number": None, **row, **own} for row in rows]
        _USES[context] = uses
    return _USES[context]


def _by_the_copy(context: Context, copy: Naming) -> list[Row]:
    """Return the one use that a copy without applications tells of by its own amounts, if any."""
    row, number = copy.row, copy.row.get("invoice_number")
    used = row["amount"] - (row["unapplied_balance"] or ZERO)
    if not used or (row["unapplied_balance"] is None and not number):
        return []
    # A credit cannot pay an invoice before either of them is there.
    days = (row["effective_date"], context.invoices.get(number or "", {}).get("invoice_date"))
    return [
        {
            "payment_number": copy.number,
            "invoice_number": number or NO_INVOICE,
            "seq": 1,
            "amount_applied": used,
            "balance_after": row["unapplied_balance"],
            "applied_date": max((day for day in days if day), default=None),
            "source": row["source"],
        }
    ]


def is_there(context: Context, key: str) -> bool:
    """Return whether QuickBooks has an application from us, or will have it by another job."""
    return context.has_part(key) or key in context.in_flight


def otherwise_sent(context: Context, number: str) -> str | None:
    """Return what was sent of a credit under a number and is not what BluBilling has of it, in words."""
    now = {use_key(row): row["amount_applied"] for row in used_rows(context).get(number, [])}
    for key, use in sent_uses(context).items():
        if use.number == number and now.get(key) != use.amount:
            has = f"has {now[key]} there now" if key in now else "no longer has that use"
            return f"{use.amount} of {number} went as {key.removeprefix('payment:')}, and BluBilling {has}"
    return None


def posted_use(context: Context, key: str) -> Row | None:
    """Return what a person entered of a use that was applied in QuickBooks by hand, by its source key."""
    return context.postings.get((TABLE, key))


_OVERUSED: WeakKeyDictionary[Context, dict[str, str]] = WeakKeyDictionary()


def overused(context: Context) -> dict[str, str]:
    """Return what of the plan would use more of a credit than is left of it: key to message.

    What is left is what was open when it was carried, less all that was sent; and no more than QuickBooks
    itself had left, less what was sent since that was read. Uses count in order of their date. All drafts
    must have been entered before.
    """
    if context not in _OVERUSED:
        uses = [each for each in context.drafts.values() if isinstance(each, CreditUse) and not each.stays]
        left: dict[str, Decimal] = {}
        over: dict[str, str] = {}
        for use in sorted(uses, key=lambda each: (each.date or context.cutover, each.key)):
            credit, amount = use.credit or {}, use.amount or ZERO
            txn_id = credit["quickbooks_id"]
            still = left.setdefault(txn_id, _left(context, credit))
            if amount > still:
                over[use.key] = f"it uses {amount} of a credit of which {max(still, ZERO)} are left"
            else:
                left[txn_id] -= amount
        _OVERUSED[context] = over
    return _OVERUSED[context]


def _left(context: Context, credit: Row) -> Decimal:
    there = credit_document(context, credit) or {}
    read, sent, since = there.get("imported_at"), ZERO, ZERO
    uses = sent_uses(context)
    amounts = {key: use.amounts.get(credit["quickbooks_id"], ZERO) for key, use in uses.items()}
    for number, row in carried_credits(context).items():
        if row["quickbooks_id"] != credit["quickbooks_id"]:
            continue
        for applied in used_rows(context).get(number, []):
            key = use_key(applied)
            if is_there(context, key):
                amounts.setdefault(key, applied["amount_applied"])  # the ledger has no operation of it
            elif posted_use(context, source_key(applied)):
                sent += applied["amount_applied"]  # and QuickBooks shows it: that was looked at
    for key, amount in amounts.items():
        bound_at = context.crosswalk.get(("payment", key.removeprefix("payment:")), {}).get("bound_at")
        sent += amount
        since += amount if read is None or bound_at is None or bound_at >= read else ZERO
    carried: Decimal = credit["amount"] or ZERO
    remaining: Decimal = there.get("remaining", ZERO)
    return min(carried - sent, remaining - since)


def source_key(row: Row) -> str:
    """Return the key of the source row as findings have it; a slash inside a part is doubled."""
    parts: list[Any] = [row["payment_number"], row["invoice_number"], row["seq"]]
    return " / ".join(str(part).replace("/", "//") for part in parts)
