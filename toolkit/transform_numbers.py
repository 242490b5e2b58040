"""The RefNumber that QuickBooks will know a document by. Source: DESIGN rule 6c.9, ``number_rule``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from toolkit.checks import reason_to_leave_out
from toolkit.checks_context import Context
from toolkit.checks_documents import REF_NUMBER_LENGTH
from toolkit.checks_drafts import Document, Draft
from toolkit.checks_known import not_counted, sharing_number
from toolkit.settings import Settings
from toolkit.tables import empty, from_rows
from toolkit.transform_credits import credits
from toolkit.transform_invoices import invoice_draft
from toolkit.transform_payments import UNDER_WAY

__all__ = ["PAYMENT_NUMBER_LENGTH", "assign_numbers", "decided_number", "preview_numbers", "shorten"]

PAYMENT_NUMBER_LENGTH = 20


def assign_numbers(context: Context, drafts: Iterable[Document]) -> None:
    """Give each draft its RefNumber, in the order given, and enter it among the numbers held.

    A number once queued or sent is fixed: it is kept whatever the rule, or a person, says now. One that a
    person decided on goes before the rule.
    """
    rule: str = context.settings["number_rule"]
    fresh = []
    for draft in drafts:
        kept, decided = _kept(context, draft), decided_number(context, draft)
        if kept:
            draft.ref_number = kept
        elif decided:
            draft.ref_number = decided
            context.number_holders[decided].add(draft.key)
        else:
            fresh.append(draft)
    counter = _Counter(context, rule.removeprefix("counter:")) if rule.startswith("counter:") else None
    for draft in fresh:
        if counter:
            draft.ref_number = counter.next()
        else:
            draft.ref_number, draft.number_problem = shorten(draft.source_key, rule)
        context.number_holders[draft.ref_number].add(draft.key)


def decided_number(context: Context, draft: Draft) -> str | None:
    """Return the RefNumber that a person decided on for a document (``mapping.numbers``)."""
    return context.decided_numbers.get((draft.key.partition(":")[0], draft.source_key))


def shorten(number: str, rule: str) -> tuple[str, str | None]:
    r"""Return the RefNumber that a numbering rule makes of a number, and what is wrong with it, if anything.

    >>> shorten("INV-2026-000123", "strip:INV-")
    ('2026-000123', None)
    >>> shorten("INV-2026-000123", r"pattern:(\d+)$")
    ('000123', None)
    """
    if rule.startswith("strip:"):
        short = number.removeprefix(rule.removeprefix("strip:"))
        return short, None if short else f"nothing is left of number {number} by the rule {rule}"
    if rule.startswith("pattern:"):
        found = re.search(rule.removeprefix("pattern:"), number)
        if found and found.group(1):
            return found.group(1), None
        fits = len(number) <= REF_NUMBER_LENGTH
        return number, None if fits else f"the rule {rule} does not find itself in number {number}"
    return number, None


def _kept(context: Context, draft: Document) -> str | None:
    kind, _, name = draft.key.partition(":")
    bound = context.crosswalk.get((kind, name), {})
    before = context.in_flight.get(draft.key) or context.taken_back.get(draft.key) or {}
    # What was sent and the ledger does not know is taken over under the number that it has.
    unknown = next((row for row in context.marked.of(draft.key) if row["total"]), {})
    number: str | None = bound.get("ref_number") or before.get("ref_number") or unknown.get("ref_number")
    return number


class _Counter:
    """Numbers from a start on, as wide as the start was written, none that is held already."""

    def __init__(self, context: Context, start: str) -> None:
        self._held, self._width, self._last = context.number_holders, len(start), int(start) - 1

    def next(self) -> str:
        self._last += 1
        while str(self._last).zfill(self._width) in self._held:
            self._last += 1
        return str(self._last).zfill(self._width)


# --- the preview --------------------------------------------------------------------------------------------


def preview_numbers(tables: Mapping[str, pd.DataFrame], settings: Settings) -> pd.DataFrame:
    """Return the RefNumber that each document after the cutover will have, as an export of all gives it.

    Parameters
    ----------
    tables : mapping
        As :func:`toolkit.transform.plan_export` takes them.
    settings : Settings
        Of the workspace. Without a cutover date nothing is exported, and nothing is shown.

    Returns
    -------
    pandas.DataFrame
        ``match.numbers``, problems first, then by date. What never goes (a draft, a carried invoice, what is
        posted by hand) has no row; of payments, only those whose number does not fit or was decided on.
    """
    if settings.cutover_date is None:
        return empty("match.numbers")
    context = Context(tables, settings, customers=True)
    adjustments, _ = credits(context)
    every = [*(invoice_draft(context, row) for row in context.invoices.values()), *adjustments]
    documents = [draft for draft in every if draft.date and draft.date > context.cutover]
    for draft in documents:
        context.drafts[draft.key] = draft
        draft.left_out = reason_to_leave_out(context, draft)
    going = [d for d in documents if d.left_out is None or d.left_out[0] in UNDER_WAY]
    going.sort(key=lambda draft: (draft.date, draft.key))
    assign_numbers(context, going)
    shown = [_document_row(context, draft) for draft in going]
    of_payments = (_payment_row(context, row) for row in context.payments.values())
    shown += [row for row in of_payments if row]
    return from_rows("match.numbers", sorted(shown, key=lambda row: row["status"] != "problem"))


def _document_row(context: Context, draft: Document) -> dict[str, Any]:
    number, reason = draft.ref_number, draft.number_problem
    holders = context.number_holders[number] - {draft.key} - not_counted(context, draft) if number else set()
    if draft.left_out:
        status = "sent"
    elif reason or len(number) > REF_NUMBER_LENGTH:
        status = "problem"
        reason = reason or f"{len(number)} characters, QuickBooks takes {REF_NUMBER_LENGTH}"
    elif holders:
        status, reason = "problem", f"taken by {', '.join(sorted(holders)[:3])}"
    elif decided_number(context, draft) == number:
        status = "decided"
    else:
        status, reason = ("fits", None) if number == draft.source_key else ("ruled", _rule(context))
    return _row(context, draft.key.partition(":")[0], draft.source_key, number, status, reason) | {
        "account_number": draft.account,
        "txn_date": draft.date,
        "amount": draft.amount,
    }


def _rule(context: Context) -> str:
    return f"number_rule {context.settings['number_rule']}"


def _payment_row(context: Context, payment: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of a payment, or ``None`` where there is nothing to say about its number."""
    number = payment["payment_number"]
    decided = context.decided_numbers.get(("payment", number))
    shown = decided or payment["check_number"] or number
    fits = len(shown) <= PAYMENT_NUMBER_LENGTH
    goes = payment["effective_date"] and payment["effective_date"] > context.cutover
    if not goes or payment["status"] != "Paid" or (fits and not decided):
        return None
    reason = None if fits else f"{len(shown)} characters, QuickBooks takes {PAYMENT_NUMBER_LENGTH}"
    if fits and (others := sharing_number(context, number)):
        reason = f"decided on for {', '.join(others[:3])} too"
    status = "problem" if reason else "decided"
    return _row(context, "payment", number, shown, status, reason) | {
        "account_number": payment["account_number"],
        "txn_date": payment["effective_date"],
        "amount": payment["amount"],
    }


def _row(
    context: Context, kind: str, number: str, ref_number: str, status: str, reason: str | None
) -> dict[str, Any]:
    decision = context.number_decisions.get((kind, number), {})
    told = {name: decision.get(name) for name in ("decision", "note", "decided_by", "decided_at")}
    return {
        "record_kind": kind,
        "number": number,
        "ref_number": ref_number,
        "status": status,
        "reason": reason,
        **told,
    }
