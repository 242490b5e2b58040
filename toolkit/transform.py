"""Tables to a plan of operations: what an export will send to QuickBooks, what stays behind, and why.

Every row of the range ends in one of three ways: as an operation (a receipt over several customers as
several), blocked by an error finding (its own, or that of what it depends on), or left out with a reason.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.checks import check_request, check_row, check_sent, check_side, reason_to_leave_out
from toolkit.checks_context import Context
from toolkit.checks_drafts import Document, Draft, Operation, Payment
from toolkit.checks_versions import assumed_version, left_out_by_version
from toolkit.errors import SettingError, UsageError
from toolkit.qbxml_versions import LATEST
from toolkit.references import KNOWN_AS, REFERS_TO, references
from toolkit.settings import Settings
from toolkit.tables import findings
from toolkit.transform_customers import customer_drafts, customer_operation, item_draft, item_operation
from toolkit.transform_invoices import credit_draft, credit_operation, invoice_draft, invoice_operation
from toolkit.transform_numbers import assign_numbers
from toolkit.transform_payments import UNDER_WAY, find_overpaid, payment_draft, payment_operations
from toolkit.transform_result import OutOfRange, left_out_frame, operations_frame, totals_frame

__all__ = ["Plan", "plan_export"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an export will do.

    Parameters
    ----------
    operations : pandas.DataFrame
        ``plan.operations``, in order of sending.
    findings : pandas.DataFrame
        ``findings``, errors first.
    left_out : pandas.DataFrame
        ``plan.left_out``: one row per source row of the range that is not exported, blocked ones included.
    totals : pandas.DataFrame
        ``plan.totals``: rows and money by source table and currency.
    start : datetime.date
        First day, inclusive.
    end : datetime.date or None
        Last day, inclusive; ``None`` for everything since ``start``.
    switches : tuple of str
        Of customers, invoices, payments, credits.
    """

    operations: pd.DataFrame
    findings: pd.DataFrame
    left_out: pd.DataFrame
    totals: pd.DataFrame
    start: dt.date
    end: dt.date | None
    switches: tuple[str, ...]


def plan_export(
    tables: Mapping[str, pd.DataFrame],
    settings: Settings,
    *,
    start: dt.date | str | None = None,
    end: dt.date | str | None = None,
    new: bool = False,
    customers: bool = False,
    invoices: bool = False,
    payments: bool = False,
    credits: bool = False,
    limit: int | None = None,
    version: str = LATEST,
    assumed: bool = False,
) -> Plan:
    """Plan the export of a date range, or of everything since the cutover that was not sent.

    Parameters
    ----------
    tables : mapping
        Declared name to frame: ``quickbooks.*``, ``billing.*``, ``mapping.*``, ``ledger.crosswalk`` and
        ``ledger.operations``. An absent table counts as empty.
    settings : Settings
        Of the workspace; ``cutover_date`` must be set.
    start, end : datetime.date or str
        Range of invoice dates and effective dates, inclusive.
    new : bool
        Instead of a range: everything after the cutover date that was not yet sent.
    customers, invoices, payments, credits : bool
        What to export; at least one. ``credits`` are house credits.
    limit : int, optional
        At most so many documents, for a pilot; the customers that they need come along.
    version : str
        That the company's QuickBooks speaks; what it lacks is a finding, an error where harm would be done.
    assumed : bool
        Whether no session has agreed on the version yet; the plan then says so.

    Raises
    ------
    UsageError
        No range, a range the wrong way round, no switch, a limit below 1, no cutover date.
    """
    switches = {"customers": customers, "invoices": invoices, "payments": payments, "credits": credits}
    first, last = _range(settings, start, end, new)
    _require_something(switches, limit)
    planner = _Planner(Context(tables, settings, customers=customers, version=version), first, last, new)
    planner.plan(invoices=invoices, payments=payments, credits_=credits)
    if limit is not None:
        planner.limit(limit, documents=invoices or payments or credits)
    planner.hold_back_dependents()
    return Plan(
        operations=operations_frame(planner.exported()),
        findings=planner.findings(assumed=assumed),
        left_out=left_out_frame(planner.drafts),
        totals=totals_frame(planner.drafts, planner.out_of_range),
        start=first,
        end=last,
        switches=tuple(name for name, on in switches.items() if on),
    )


def _require_something(switches: Mapping[str, bool], limit: int | None) -> None:
    if not any(switches.values()):
        raise UsageError("nothing to export: choose among --customers, --invoices, --payments, --credits")
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: a pilot has at least one document")


def _range(
    settings: Settings, start: dt.date | str | None, end: dt.date | str | None, new: bool
) -> tuple[dt.date, dt.date | None]:
    first, last = _date("start", start), _date("end", end)
    if settings.cutover_date is None:
        raise SettingError(
            "cutover_date", "an export needs it and it is not set", "toolkit set cutover_date 2025-12-31"
        )
    if new:
        if first or last:
            raise UsageError("a range and new exclude each other: new is everything since the cutover")
        return settings.cutover_date + dt.timedelta(days=1), None
    if first is None or last is None:
        raise UsageError("a range is required: give start and end, or new for everything not yet sent")
    if first > last:
        raise UsageError(f"start {first} is after end {last}")
    return first, last


def _date(name: str, value: dt.date | str | None) -> dt.date | None:
    if not isinstance(value, str):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise UsageError(f"{name} {value!r} is not a date like 2026-01-31") from error


class _Planner:
    """The drafts of one plan, from source rows to operations."""

    def __init__(self, context: Context, first: dt.date, last: dt.date | None, new: bool) -> None:
        self.context, self.first, self.last, self.new = context, first, last, new
        self.out_of_range: OutOfRange = {}
        self.noted: list[dict[str, str | None]] = []
        self.items: dict[str, Draft] = {}
        self.customers: list[Draft] = []
        self.documents: list[Document] = []
        self.payments: list[Payment] = []

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
        self._plan_documents(
            [invoice_draft(context, row) for row in context.invoices.values()] if invoices else [],
            [credit_draft(context, row) for row in context.rows("billing.adjustments")] if credits_ else [],
        )
        if payments:
            self._plan_payments()

    def _enter(self, draft: Any) -> Any:
        draft.left_out = reason_to_leave_out(self.context, draft)
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
        credit_item = context.settings["credit_item"]
        if adjustments and credit_item in context.local_items and not context.find_item(None, credit_item):
            self._enter_items([f"item:{credit_item}"])
        self._build(self.documents, self._document_operations)

    def _document_operations(self, draft: Document) -> list[Operation]:
        make = invoice_operation if draft.kind == "invoice" else credit_operation
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

    def _plan_payments(self) -> None:
        context = self.context
        drafts = [payment_draft(context, row) for row in context.rows("billing.payments")]
        entered = [self._enter(draft) for draft in self._in_range(drafts)]
        self.payments = sorted(self._not_sent(entered), key=lambda d: (d.date, d.key))
        overpaid = find_overpaid(context, [draft for draft in self.payments if not draft.stays])
        for draft in self.payments:
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
        """Drop items entered by hand that no exported invoice needs: they wait."""
        needed = _needed(self.exported(), self.context)
        self.items = {key: draft for key, draft in self.items.items() if key in needed or draft.findings}

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
