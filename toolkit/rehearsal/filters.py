"""The filters of queries: each a test of one record.

A filter that is not simulated is answered with 3250, never passed over: an answer that ignored it would be
wrong in silence. Source: PROTOCOL 4.4 (times), 8.1 and 8.4 (what a query returns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from toolkit.rehearsal.books import REFERENCES, Books, Record, Rejected, not_available, remaining

SHOWN = {"IncludeRetElement", "OwnerID", "IncludeLineItems", "IncludeLinkedTxns", "MaxReturned", "*"}

Test = Callable[[Record], bool]


def list_tests(books: Books, values: dict[str, Any]) -> Iterator[Test]:
    """Yield the tests that a list query asks for.

    Raises
    ------
    Rejected
        3030 for a range the wrong way round, 3250 for a filter that is not simulated.
    """
    status = values.get("ActiveStatus") or "ActiveOnly"
    if status != "All":
        yield lambda record: record.active == (status == "ActiveOnly")
    handled = {"ActiveStatus", "FromModifiedDate", "ToModifiedDate", "NameFilter", "NameRangeFilter"}
    handled |= {"AccountType", "TotalBalanceFilter", "CurrencyFilter"} | SHOWN
    if values.keys() - handled:
        raise not_available()
    yield from time_range(values, "FromModifiedDate", "ToModifiedDate", "TimeModified")
    if "NameFilter" in values:
        yield _pattern(values["NameFilter"], "Name", lambda record: record.name)
    if "NameRangeFilter" in values:
        yield _between(values["NameRangeFilter"], "FromName", "ToName", lambda record: record.name.casefold())
    if "AccountType" in values:
        yield lambda record: record.fields.get("AccountType") in values["AccountType"]
    if "TotalBalanceFilter" in values:
        yield _balance(books, values["TotalBalanceFilter"])
    if "CurrencyFilter" in values:
        yield _refers(books, "CurrencyRef", values["CurrencyFilter"])


def _balance(books: Books, wanted: dict[str, Any]) -> Test:
    compare: dict[str, Callable[[Decimal, Decimal], bool]] = {
        "LessThan": lambda one, other: one < other,
        "LessThanEqual": lambda one, other: one <= other,
        "Equal": lambda one, other: one == other,
        "GreaterThan": lambda one, other: one > other,
        "GreaterThanEqual": lambda one, other: one >= other,
    }
    return lambda record: compare[wanted["Operator"]](books.total_balance(record), wanted["Amount"])


def document_tests(books: Books, values: dict[str, Any]) -> Iterator[Test]:
    """Yield the tests that a query of documents asks for; raises as `list_tests` does."""
    handled = {"ModifiedDateRangeFilter", "TxnDateRangeFilter", "EntityFilter", "AccountFilter"}
    handled |= {"RefNumberFilter", "RefNumberRangeFilter", "CurrencyFilter", "PaidStatus"} | SHOWN
    if values.keys() - handled:
        raise not_available()
    if "ModifiedDateRangeFilter" in values:
        yield from time_range(
            values["ModifiedDateRangeFilter"], "FromModifiedDate", "ToModifiedDate", "TimeModified"
        )
    if "TxnDateRangeFilter" in values:
        yield from _days(books, values["TxnDateRangeFilter"])
    if "EntityFilter" in values:
        yield _refers(books, "CustomerRef", values["EntityFilter"])
    if "AccountFilter" in values:
        yield _refers(books, "ARAccountRef", values["AccountFilter"])
    if "CurrencyFilter" in values:
        yield _refers(books, "CurrencyRef", values["CurrencyFilter"])
    yield from _number_tests(values)
    if values.get("PaidStatus", "All") != "All":
        paid = values["PaidStatus"] == "PaidOnly"
        yield lambda record: (remaining(record) == 0) == paid


def _number_tests(values: dict[str, Any]) -> Iterator[Test]:
    if "RefNumberFilter" in values:
        yield _pattern(
            values["RefNumberFilter"], "RefNumber", lambda record: str(record.fields.get("RefNumber") or "")
        )
    if "RefNumberRangeFilter" in values:
        ends = values["RefNumberRangeFilter"]
        # Numbers compare as numbers when all are digits (PROTOCOL 8.4).
        yield _between(
            {key: _number(value) for key, value in ends.items()},
            "FromRefNumber",
            "ToRefNumber",
            lambda record: _number(str(record.fields.get("RefNumber") or "")),
        )


def _number(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdigit() else (True, 0, text)


def _days(books: Books, values: dict[str, Any]) -> Iterator[Test]:
    macro = values.get("DateMacro", "")
    if macro not in ("", "All", "Today"):
        raise not_available()
    today = books.today()
    first, last = (today, today) if macro == "Today" else (values.get("FromTxnDate"), values.get("ToTxnDate"))
    if first and last and first > last:
        raise Rejected(3030, "The date range is invalid: the from date is after the to date.")
    low, high = first or date.min, last or date.max
    yield lambda record: low <= (record.fields.get("TxnDate") or date.min) <= high


def time_range(values: dict[str, Any], first: str, last: str, field: str) -> Iterator[Test]:
    """Yield a test of a time, ends included; a day alone is its start, or its end (PROTOCOL 4.4)."""
    start, end = _moment(values.get(first), time.min), _moment(values.get(last), time.max)
    if start and end and start > end:
        raise Rejected(3030, "The date range is invalid: the from date is after the to date.")
    if start or end:
        yield (
            lambda record: (
                (start or datetime.min) <= (record.fields.get(field) or datetime.min) <= (end or datetime.max)
            )
        )


def _moment(value: date | None, part: time) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, part)


def _pattern(values: dict[str, Any], key: str, of: Callable[[Record], str]) -> Test:
    wanted = str(values[key] or "").casefold()
    match values["MatchCriterion"]:
        case "StartsWith":
            return lambda record: of(record).casefold().startswith(wanted)
        case "EndsWith":
            return lambda record: of(record).casefold().endswith(wanted)
        case _:
            return lambda record: wanted in of(record).casefold()


def _between(values: dict[str, Any], first: str, last: str, of: Callable[[Record], Any]) -> Test:
    def fold(value: Any) -> Any:
        return value.casefold() if isinstance(value, str) else value

    low, high = fold(values.get(first)), fold(values.get(last))
    return lambda record: (low is None or low <= of(record)) and (high is None or of(record) <= high)


def _refers(books: Books, tag: str, values: dict[str, Any]) -> Test:
    """Return a test of a reference against ListIDs or full names, with what is below them if asked."""
    where = REFERENCES[tag]
    wanted: set[str] = set(values.get("ListID", ()))
    for name in values.get("FullName", ()):
        found = books.named(where, name)
        wanted |= {found.id} if found else set()
    for key, ref in (("ListIDWithChildren", "ListID"), ("FullNameWithChildren", "FullName")):
        top = books.find(where, {ref: values[key]}) if key in values else None
        if top is not None:
            prefix = f"{top.name}:".casefold()
            below = books.lists[where].values()
            wanted |= {top.id} | {one.id for one in below if one.name.casefold().startswith(prefix)}
    if not values.keys() <= {"ListID", "FullName", "ListIDWithChildren", "FullNameWithChildren", "*"}:
        raise not_available()
    return lambda record: record.ref(tag) in wanted
