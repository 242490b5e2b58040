"""The drafts of one plan: source rows on their way to becoming operations, or to staying behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from toolkit.carried_credits import CreditUse
from toolkit.checks import (
    check_left_out,
    check_request,
    check_row,
    check_sent,
    check_side,
    reason_to_leave_out,
)
from toolkit.checks_context import Context
from toolkit.checks_credits import item_name
from toolkit.checks_drafts import Document, Draft, Operation, Payment
from toolkit.checks_versions import assumed_version, left_out_by_version
from toolkit.references import KNOWN_AS, REFERS_TO, references
from toolkit.tables import findings
from toolkit.transform_credits import adjustment_operation, credit_payment_draft, credits
from toolkit.transform_customers import customer_drafts, customer_operation, item_draft, item_operation
from toolkit.transform_fields import dated, day
from toolkit.transform_invoices import invoice_draft, invoice_operation
from toolkit.transform_numbers import assign_numbers, decided_number
from toolkit.transform_payments import (
    UNDER_WAY,
    credit_uses,
    find_overpaid,
    payment_draft,
    payment_operations,
)
from toolkit.transform_result import OutOfRange

__all__ = ["Planner"]


class Planner:
    """The drafts of one plan, from source rows to operations."""

    def __init__(self, context: Context, first: dt.date, last: dt.date | None, new: bool) -> None:
        self.context, self.first, self.last, self.new = context, first, last, new
        self.out_of_range: OutOfRange = {}
        self.noted: list[dict[str, str | None]] = []
        self.items: dict[str, Draft] = {}
        self.customers: list[Draft] = []
        self.documents: list[Document] = []
        self.payments: list[Payment | CreditUse] = []

    @property
    def drafts(self) -> list[Draft]:
        """All drafts, in the order of sending."""
        return [*self.items.values(), *self.customers, *self.documents, *self.payments]

    def plan(self, *, invoices: bool, payments: bool, credits_: bool) -> None:
        """Make the drafts, judge them and build the requests of those that pass."""
        context = self.context
        if context.customers:
            self.customers = [self._enter(draft) for draft in customer_drafts(context)]
            self._build(self.customers, lambda draft: [customer_operation(context, draft)])
        adjustments, as_payments = credits(context) if credits_ else ([], [])
        self._plan_documents(
            [invoice_draft(context, row) for row in context.invoices.values()] if invoices else [],
            adjustments,
        )
        if payments or as_payments:
            self._plan_payments(
                [payment_draft(context, row) for row in context.payments.values()] if payments else [],
                [credit_payment_draft(context, row) for row in as_payments],
                credit_uses(context) if payments else [],
            )

    def _enter(self, draft: Any) -> Any:
        draft.left_out = reason_to_leave_out(self.context, draft)
        self.noted += check_left_out(self.context, draft)
        if draft.left_out and draft.left_out[0] in UNDER_WAY:
            self.noted += check_sent(self.context, draft)
        self.context.drafts[draft.key] = draft
        return draft

    def _plan_documents(self, invoices: list[Document], adjustments: list[Document]) -> None:
        context = self.context
        entered = [self._enter(draft) for draft in self._in_range([*invoices, *adjustments])]
        self.documents = sorted(self._not_sent(entered), key=lambda d: (d.date, d.key))
        assign_numbers(context, [draft for draft in self.documents if not draft.stays])
        for draft in self.documents:
            if not draft.stays:
                self._enter_items(line.operation for line in draft.lines if line.known)
        for draft in adjustments:
            name = None if draft.stays else item_name(context, draft.row)
            if name in context.local_items and not context.find_item(None, name):
                self._enter_items([f"item:{name}"])
        self._build(self.documents, self._document_operations)

    def _document_operations(self, draft: Document) -> list[Operation]:
        make = invoice_operation if draft.kind == "invoice" else adjustment_operation
        return [make(self.context, draft)]

    def _enter_items(self, keys: Iterable[str | None]) -> None:
        for key in keys:
            if key is None or key in self.items or key in self.context.in_flight:
                continue
            draft = item_draft(self.context, key)
            parent = draft.source_key.rpartition(":")[0]
            if parent in self.context.local_items and not self.context.find_item(None, parent):
                self._enter_items([f"item:{parent}"])
            self.items[key] = self.context.drafts[key] = draft
            self._build([draft], lambda item: [item_operation(self.context, item)])

    def _plan_payments(
        self, payments: list[Payment], house_credits: list[Payment], uses: list[CreditUse]
    ) -> None:
        context = self.context
        entered = [self._enter(draft) for draft in self._in_range([*payments, *house_credits, *uses])]
        self.payments = sorted(self._not_sent(entered), key=lambda d: (d.date, d.key))
        overpaid = find_overpaid(context, [draft for draft in self.payments if not draft.stays])
        for draft in self.payments:
            if isinstance(draft, Payment):
                draft.decided_number = decided_number(context, draft)
            draft.overpaid = overpaid.get(draft.source_key, ())
        self._build(self.payments, lambda draft: payment_operations(context, draft))

    def _in_range(self, drafts: Iterable[Any]) -> list[Any]:
        kept = []
        for draft in drafts:
            if not self._within(draft.date):
                self._count_out(draft)
                self._note_out(draft)
            else:
                kept.append(draft)
        return kept

    def _within(self, date: dt.date) -> bool:
        return self.first <= date and (self.last is None or date <= self.last)

    def _note_out(self, draft: Draft) -> None:
        """Say what is wrong with a row whatever the range.

        A row that was sent may have left the range by its new date; one on QuickBooks' side of the cutover
        that QuickBooks does not have would be in neither system's books, for no range ever takes it.
        """
        context = self.context
        if any(row["txn_date"] and self._within(row["txn_date"]) for row in context.operations_of(draft)):
            self.noted += check_sent(context, draft)
        elif not reason_to_leave_out(context, draft):
            self.noted += check_side(context, draft)

    def _not_sent(self, drafts: list[Any]) -> list[Any]:
        """With ``new``, leave away what was sent: it is not in question any more."""
        if not self.new:
            return drafts
        for draft in drafts:
            if draft.left_out and draft.left_out[0] in UNDER_WAY:
                self._count_out(draft)
        return [draft for draft in drafts if not (draft.left_out and draft.left_out[0] in UNDER_WAY)]

    def _count_out(self, draft: Draft) -> None:
        place = (draft.table, draft.currency)
        count, amount = self.out_of_range.get(place, (0, 0))
        self.out_of_range[place] = (count + 1, amount + (draft.amount or 0))

    def _build(self, drafts: Iterable[Any], make: Callable[[Any], list[Operation]]) -> None:
        """Judge each draft and make its requests; one with an error finding is blocked."""
        for draft in drafts:
            if draft.stays:
                continue
            draft.findings = check_row(self.context, draft)
            if not _errors(draft):
                draft.operations = make(draft)
                for operation in draft.operations:
                    _post_on_open_day(self.context, draft, operation)
                    _name_references(self.context, operation)
                    if known := self.context.known_as(operation.key, operation.amount):
                        operation.expected[KNOWN_AS] = known
                draft.findings += check_request(self.context, draft)
            errors = _errors(draft)
            if errors:
                rules = list(dict.fromkeys(str(row["rule"]) for row in errors))
                draft.left_out = ("blocked", f"{', '.join(rules)}: {errors[0]['message']}")

    def hold_back_dependents(self) -> None:
        """Leave out what depends on a row that stays behind, down the chain."""
        settled: set[str] = set()
        for draft in self.drafts:
            self._settle(draft, settled)
        self._drop_idle_items()

    def _settle(self, draft: Draft, settled: set[str]) -> None:
        if draft.key in settled:
            return
        settled.add(draft.key)
        for operation in draft.operations if not draft.stays else ():
            for key in sorted(operation.depends_on):
                other = self.context.drafts.get(key)
                if other is None or key in self.context.in_flight:
                    continue
                self._settle(other, settled)
                if other.left_out:
                    rule = "pilot" if other.left_out[0] == "pilot" else "depends_on_blocked"
                    draft.left_out = (rule, f"depends on {key}, which stays behind: {other.left_out[1]}")
                    return

    def _drop_idle_items(self) -> None:
        """Drop items entered by hand that no exported document needs, itself or for its parent: they wait."""
        needed = _needed((d for d in self.exported() if d.kind != "item"), self.context)
        self.items = {key: draft for key, draft in self.items.items() if key in needed or draft.stays}

    def limit(self, most: int, *, documents: bool) -> None:
        """Keep the first documents by date, each with what it needs; the rest waits for after the pilot."""
        self.hold_back_dependents()
        every = [*self.documents, *self.payments] if documents else self.customers
        ordered = sorted(
            (d for d in every if not d.stays), key=lambda d: (d.date or self.first, d.kind, d.key)
        )
        chosen: dict[str, Draft] = {}
        flying = set(self.context.in_flight)
        for draft in ordered:
            needs = {key for operation in draft.operations for key in operation.depends_on}
            drafted = {key for key in needs if key.startswith(("invoice:", "credit_memo:"))}
            waits = any(key in self.context.drafts and key not in chosen for key in drafted - flying)
            if len(chosen) < most and not waits:
                chosen[draft.key] = draft
        needed = _needed(list(chosen.values()), self.context)
        for draft in [*self.customers, *self.documents, *self.payments]:
            if not draft.stays and draft.key not in chosen and draft.key not in needed:
                draft.left_out = (
                    "pilot",
                    f"a pilot of {most}: it waits until the pilot is approved and tied out",
                )

    def findings(self, *, assumed: bool) -> pd.DataFrame:
        """Return ``findings``: on the rows, and on what the exported ones lose by the version."""
        exported, version = self.exported(), self.context.version
        lost = [*left_out_by_version(exported, version)]
        lost += assumed_version(exported, version) if assumed else []
        return findings([*self.noted, *(row for draft in self.drafts for row in draft.findings), *lost])

    def exported(self) -> list[Draft]:
        """Return the drafts that become operations, in the order of sending."""
        customers = sorted(self.customers, key=_depth(self.context))
        drafts = [*self.items.values(), *customers, *self.documents, *self.payments]
        return [draft for draft in drafts if not draft.stays]


def _post_on_open_day(context: Context, draft: Draft, operation: Operation) -> None:
    """Move a document of a closed period to the first open day, its true date in the memo."""
    posted = context.posting_date(draft.date) if draft.date else draft.date
    if posted and draft.date and posted != draft.date and "TxnDate" in operation.fields:
        operation.fields["TxnDate"] = operation.expected["txn_date"] = day(posted)
        operation.fields["Memo"] = dated(operation.fields["Memo"], draft.date)


def _name_references(context: Context, operation: Operation) -> None:
    """Keep what the items and customers are called that an operation refers to: they may be renamed."""
    rows = {"item": context.items, "customer": context.quickbooks_customers}
    meant = references(operation.record_kind, operation.fields)
    named = {list_id: rows[kind].get(list_id, {}).get("full_name") for kind, list_id in meant}
    if names := {list_id: name for list_id, name in named.items() if name}:
        operation.expected[REFERS_TO] = names


def _depth(context: Context) -> Callable[[Draft], tuple[int, str]]:
    def depth(draft: Draft) -> tuple[int, str]:
        return len(context.parents(draft.source_key)), draft.key

    return depth


def _errors(draft: Draft) -> list[dict[str, str | None]]:
    return [row for row in draft.findings if row["severity"] == "error"]


def _needed(drafts: Iterable[Draft], context: Context) -> set[str]:
    """Return the keys that drafts depend on, directly or further down."""
    needed: set[str] = set()
    ahead = list(drafts)
    while ahead:
        for operation in ahead.pop().operations:
            for key in operation.depends_on - needed:
                needed.add(key)
                if key in context.drafts:
                    ahead.append(context.drafts[key])
    return needed
