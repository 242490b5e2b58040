"""Everything that was carried forward against BluBilling: the open invoices, and the credits that it holds.

A credit that BluBilling does not hold is no difference: it stays in QuickBooks. One that it holds is it once,
for the amount that QuickBooks has of it at the cutover date, on an account of its customer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from toolkit.carried import Carried, carried_signatures, tie_carried
from toolkit.carried_copies import Naming, bound_credits, named_credits
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Row
from toolkit.receivables import currency_code
from toolkit.receivables_rollback import KINDS, STILL_OPEN, RollBack

__all__ = ["tie_all", "tie_credits"]


def tie_all(context: Context) -> list[Carried]:
    """Return all that was carried with what BluBilling has of it, and why the two do not tie."""
    return [*tie_carried(context), *tie_credits(context)]


def tie_credits(context: Context) -> list[Carried]:
    """Return each carried credit with BluBilling's copy of it, and why the two do not tie.

    Of a row that only may be a copy nothing is said here: it is not exported until a person says what it is.
    ``at_cutover`` of its row is what was left of it then, by QuickBooks' documents of today.
    """
    bound = bound_credits(context)
    if not bound or context.settings.cutover_date is None:
        return []
    copies: dict[str, list[Naming]] = defaultdict(list)
    for naming in named_credits(context).values():
        if naming.problem is None and naming.status == "Paid":
            copies[naming.credit["quickbooks_id"]].append(naming)
    documents = _documents(context)
    rolled, signed = RollBack(context, context.cutover), carried_signatures(context)
    ties = []
    for row in bound.values():
        document, held = (
            documents.get((row["record_kind"], row["quickbooks_id"])),
            copies[row["quickbooks_id"]],
        )
        currency = currency_code(context, document) if document else context.home_currency
        whole = {**row, "currency": currency, "at_cutover": _at_cutover(row, document, rolled)}
        reasons = tuple(_reasons(context, whole, document, held)) if held else ()
        one = Carried(whole, _back(held), reasons)
        ties.append(Carried(whole, one.back, reasons, signed.get(one.difference_id or "")))
    return ties


def _documents(context: Context) -> dict[tuple[str, str], Row]:
    return {
        (kind, row["txn_id"]): row for kind in ("credit_memo", "payment") for row in context.rows(KINDS[kind])
    }


def _back(held: Sequence[Naming]) -> Row | None:
    """Return BluBilling's side as that of an invoice is: its number, account and amount."""
    if not held:
        return None
    first = held[0].row
    return {
        "invoice_number": held[0].number,
        "account_number": first["account_number"],
        "current_amount_due": _sum(held),
        "source": first["source"],
    }


def _sum(held: Sequence[Naming]) -> Decimal:
    return sum((one.row["amount"] or ZERO for one in held), ZERO)


def _at_cutover(row: Row, document: Row | None, rolled: RollBack) -> Decimal | None:
    if document is None:
        return None
    left = document[STILL_OPEN[row["record_kind"]]] or ZERO
    return rolled.roll_back(row["record_kind"], document, left).open_amount


def _reasons(context: Context, row: Row, document: Row | None, held: Sequence[Naming]) -> Iterator[str]:
    listed = " and ".join(one.number for one in held)
    if len(held) > 1:
        yield f"BluBilling has it more than once: {listed}"
    if document is None:
        yield f"QuickBooks does not have it any more, BluBilling has it as {listed}"
    elif _sum(held) != row["at_cutover"]:
        yield (
            f"{row['amount'] or ZERO:,.2f} were carried, {row['at_cutover']:,.2f} were left of it at the "
            f"cutover by QuickBooks' documents of today, BluBilling has {_sum(held):,.2f}"
        )
    customer = (document or row)["customer_list_id"] or row["customer_list_id"]
    for one in held:
        if customer and context.target(one.row["account_number"] or "").list_id != customer:
            yield f"{one.number} stands on account {one.row['account_number']}, which is another customer"
