"""Which queries an import asks, by its kind.

Source: qbXML 13.0 schema, the query requests; which of them have iterators: the attribute ``iterator`` there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.errors import UsageError

OPTIONAL = frozenset({"CurrencyQuery", "ClassQuery", "VendorQuery", "EmployeeQuery", "OtherNameQuery"})
"""Queries about what a company may have switched off: an import is whole without their answer."""

FEATURE_OFF = 3250
"""How QuickBooks answers them then: "not enabled or not available" (which code it is, is unconfirmed)."""

_CUSTOM_FIELDS = {"OwnerID": "0"}  # 0: the custom fields a user sees
_OF_A_NAME = ("ListID", "TimeCreated", "TimeModified", "EditSequence", "Name", "IsActive")
_LINES = {"IncludeLineItems": True}
_LINKS = {"IncludeLinkedTxns": True}


@dataclass(frozen=True, slots=True)
class Scope:
    """What an import is to cover.

    Parameters
    ----------
    start, end : date, optional
        Inclusive; for lists the day of the last change, for transactions the transaction date.
    active_only, open_only : bool
        Leave out inactive records of lists; leave out paid invoices.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    active_only: bool = False
    open_only: bool = False


def as_date(value: str | dt.date | None, what: str) -> dt.date | None:
    """Return a date given as such or as ``2025-12-31``; ``UsageError`` where it is none."""
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    try:
        if isinstance(value, str) and len(value) == 10:
            return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise UsageError(f"{what}: {str(value)!r} is not a date like 2025-12-31")


def scope(
    start: str | dt.date | None,
    end: str | dt.date | None,
    *,
    active_only: bool = False,
    open_only: bool = False,
) -> Scope:
    """Return what an import covers; ``UsageError`` for dates that are none, or the wrong way round."""
    first, last = as_date(start, "start"), as_date(end, "end")
    if first and last and first > last:
        raise UsageError(f"start {first} is after end {last}: give them the other way round")
    return Scope(first, last, active_only, open_only)


def import_jobs(kind: str, scope: Scope) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the jobs of an import: each its kind and its queries, as ``Ledger.add_import`` takes them.

    Parameters
    ----------
    kind : str
        ``items``, ``customers``, ``invoices``, ``payments``, ``sales_receipts``, ``receivables``, ``lists``,
        or ``all`` (items, customers, receivables and lists, a job each: what a cutover reads; of a sales
        receipt nothing is ever open).
    scope : Scope
        What it covers; ``lists`` are short and always read whole.

    Raises
    ------
    UsageError
        No such kind.
    """
    kinds = ("items", "customers", "receivables", "lists") if kind == "all" else (kind,)
    if any(name not in _KINDS for name in kinds):
        raise UsageError(f"{kind!r} is no kind of import: it is one of {', '.join(_KINDS)} or all")
    return [(name, _KINDS[name](scope)) for name in kinds]


def _of_list(name: str, table: str, scope: Scope) -> dict[str, Any]:
    fields: dict[str, Any] = {"ActiveStatus": "ActiveOnly" if scope.active_only else "All"}
    # The wall clock of the QuickBooks machine, without an offset: QuickBooks' own is wrong in summer.
    if scope.start:
        fields["FromModifiedDate"] = f"{scope.start}T00:00:00"
    if scope.end:
        fields["ToModifiedDate"] = f"{scope.end}T23:59:59"
    covers = _covers(scope, "time_modified", active_only=scope.active_only)
    return _query(name, table, {**fields, **_CUSTOM_FIELDS}, covers, iterate=True)


def _of_transactions(
    name: str, table: str, scope: Scope, extra: Mapping[str, Any], *, open_only: bool = False
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    limits = {"FromTxnDate": scope.start, "ToTxnDate": scope.end}
    dates = {element: str(date) for element, date in limits.items() if date}
    if dates:
        fields["TxnDateRangeFilter"] = dates
    if open_only:
        fields["PaidStatus"] = "NotPaidOnly"
    covers = _covers(scope, "txn_date", open_only=open_only)
    return _query(name, table, {**fields, **extra, **_CUSTOM_FIELDS}, covers, iterate=True)


def _covers(scope: Scope, by: str, *, active_only: bool = False, open_only: bool = False) -> dict[str, Any]:
    """Return what a query covers: rows of the table that it does and the answer lacks have left."""
    start = scope.start.isoformat() if scope.start else None
    end = scope.end.isoformat() if scope.end else None
    return {"by": by, "start": start, "end": end, "active_only": active_only, "open_only": open_only}


def _query(
    name: str, table: str, fields: Mapping[str, Any], covers: Mapping[str, Any], *, iterate: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "table": table,
        "fields": dict(fields),
        "filter": dict(covers),
        "iterate": iterate,
    }


def _items(scope: Scope) -> list[dict[str, Any]]:
    return [_of_list("ItemQuery", "quickbooks.items", scope)]


def _customers(scope: Scope) -> list[dict[str, Any]]:
    return [_of_list("CustomerQuery", "quickbooks.customers", scope)]


def _invoices(scope: Scope) -> list[dict[str, Any]]:
    extra = {**_LINES, **_LINKS}
    name, table = "InvoiceQuery", "quickbooks.invoices"
    return [_of_transactions(name, table, scope, extra, open_only=scope.open_only)]


def _payments(scope: Scope) -> list[dict[str, Any]]:
    return [_of_transactions("ReceivePaymentQuery", "quickbooks.payments", scope, _LINES)]


def _sales_receipts(scope: Scope) -> list[dict[str, Any]]:
    return [_of_transactions("SalesReceiptQuery", "quickbooks.sales_receipts", scope, _LINES)]


def _receivables(scope: Scope) -> list[dict[str, Any]]:
    """Everything that is open; credit memos and receipts cannot be asked for by what is open on them."""
    extra = {**_LINES, **_LINKS}
    return [
        _of_transactions("InvoiceQuery", "quickbooks.invoices", scope, extra, open_only=True),
        _of_transactions("CreditMemoQuery", "quickbooks.credit_memos", scope, extra),
        *_payments(scope),
    ]


def _lists(scope: Scope) -> list[dict[str, Any]]:
    everything = {"by": None, "start": None, "end": None, "active_only": False, "open_only": False}
    tables = {
        "AccountQuery": "quickbooks.accounts",
        "TermsQuery": "quickbooks.terms",
        "ClassQuery": "quickbooks.classes",
        "SalesTaxCodeQuery": "quickbooks.sales_tax_codes",
        "PaymentMethodQuery": "quickbooks.payment_methods",
        "CurrencyQuery": "quickbooks.currencies",
    }
    listed = [_query(name, table, {"ActiveStatus": "All"}, everything) for name, table in tables.items()]
    # Names only: what else is kept of vendors and employees is none of our business.
    only = {"ActiveStatus": "All", "IncludeRetElement": list(_OF_A_NAME)}
    listed += [
        _query(f"{kind}Query", "quickbooks.other_names", only, everything | {"kind": kind})
        for kind in ("Vendor", "Employee", "OtherName")
    ]
    about = ("CompanyQuery", "HostQuery", "PreferencesQuery")
    listed += [_query(name, "quickbooks.company", {}, everything) for name in about]
    for query in listed:
        if query["name"] == "CurrencyQuery":
            query["since"] = "8.0"  # an older QuickBooks refuses the whole set
    return listed


_KINDS: dict[str, Callable[[Scope], list[dict[str, Any]]]] = {
    "items": _items,
    "customers": _customers,
    "invoices": _invoices,
    "payments": _payments,
    "sales_receipts": _sales_receipts,
    "receivables": _receivables,
    "lists": _lists,
}
