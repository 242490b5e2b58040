"""Tables to a plan of operations: what an export will send to QuickBooks, what stays behind, and why.

Every row of the range ends in one of three ways: as an operation (a receipt over several customers as
several), blocked by an error finding (its own, or that of what it depends on), or left out with a reason.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pandas as pd

from toolkit.checks_context import Context
from toolkit.errors import SettingError, UsageError
from toolkit.qbxml_versions import LATEST
from toolkit.settings import Settings
from toolkit.transform_plan import Plan
from toolkit.transform_planner import Planner
from toolkit.transform_result import (
    left_out_frame,
    operations_frame,
    passed_frame,
    totals_frame,
)
from toolkit.transform_schedule import schedule

__all__ = ["Plan", "plan_export"]


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
    qbxml: bool = True,
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
    qbxml : bool
        Whether to write out each request for people; without it the column is empty, and planning faster.

    Raises
    ------
    UsageError
        No range, a range the wrong way round, no switch, a limit below 1, no cutover date.
    """
    switches = {"customers": customers, "invoices": invoices, "payments": payments, "credits": credits}
    first, last = _range(settings, start, end, new)
    _require_something(switches, limit)
    planner = Planner(Context(tables, settings, customers=customers, version=version), first, last, new)
    planner.plan(invoices=invoices, payments=payments, credits_=credits)
    if limit is not None:
        planner.limit(limit, documents=invoices or payments or credits)
    planner.hold_back_dependents()
    chosen = tuple(name for name, on in switches.items() if on)
    return _plan(planner, version if qbxml else None, assumed, chosen)


def _plan(planner: Planner, written_in: str | None, assumed: bool, chosen: tuple[str, ...]) -> Plan:
    """Return the plan that the drafts make."""
    return Plan(
        operations=operations_frame(planner.exported(), written_in),
        findings=planner.findings(assumed=assumed),
        left_out=left_out_frame(planner.drafts),
        totals=totals_frame(planner.drafts, planner.out_of_range),
        start=planner.first,
        end=planner.last,
        switches=chosen,
        post_by_hand=schedule(planner.context, planner.drafts),
        passed=passed_frame(planner.exported()),
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
