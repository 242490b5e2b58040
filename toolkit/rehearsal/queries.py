"""Answer queries: which records, in which parts.

Source: PROTOCOL 5 (iterators), 8.1 and 8.4 (what a query returns).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from toolkit.qbxml_spec import version_key
from toolkit.rehearsal.answers import Outcome, Show
from toolkit.rehearsal.books import Books, Record, Rejected, not_available, remaining
from toolkit.rehearsal.filters import document_tests, list_tests, time_range
from toolkit.rehearsal.reading import Incoming

NO_MATCH = "A query request did not find a matching object in QuickBooks"
# What QuickBooks answers to an iterator it does not know is not documented (PROTOCOL 5); it is an Error.
ITERATOR_UNKNOWN = 3120
DELETED_DAYS = 90

_LISTS: dict[str, tuple[str, str | None]] = {
    "CustomerQuery": ("Customer", None),
    "ItemQuery": ("Item", None),
    "ItemServiceQuery": ("Item", "ItemServiceRet"),
    "ItemSalesTaxQuery": ("Item", "ItemSalesTaxRet"),
    "AccountQuery": ("Account", None),
    "TermsQuery": ("Terms", None),
    "StandardTermsQuery": ("Terms", "StandardTermsRet"),
    "DateDrivenTermsQuery": ("Terms", "DateDrivenTermsRet"),
    "SalesTaxCodeQuery": ("SalesTaxCode", None),
    "PaymentMethodQuery": ("PaymentMethod", None),
    "ClassQuery": ("Class", None),
    "CurrencyQuery": ("Currency", None),
    "VendorQuery": ("Vendor", "VendorRet"),
    "EmployeeQuery": ("Vendor", "EmployeeRet"),
    "OtherNameQuery": ("Vendor", "OtherNameRet"),
}
_DOCUMENTS = {
    "InvoiceQuery": "Invoice",
    "CreditMemoQuery": "CreditMemo",
    "ReceivePaymentQuery": "ReceivePayment",
}
NEEDS = {"CurrencyQuery": ("MultiCurrencyPreferences", "IsMultiCurrencyOn")}
"""The preference without which a query is answered with 3250.

That QuickBooks does so while multi-currency is off, and with this code, is unconfirmed (PROTOCOL 7.2).
"""
# The simulated company holds none of these.
_EMPTY = ("SalesReceiptQuery", "ChargeQuery", "JournalEntryQuery", "DataExtDefQuery")


class Iterators:
    """The iterators of one session; an iterator of another session is unknown here.

    Source: PROTOCOL 5: an iterator lives until the session ends.
    """

    def __init__(self, session: int) -> None:
        self._session = session
        self._made = 0
        self._open: dict[str, tuple[str, list[Record]]] = {}

    def start(self, name: str, found: list[Record]) -> str:
        """Keep what a query found; return the iteratorID."""
        self._made += 1
        identifier = f"{{{uuid.uuid5(uuid.NAMESPACE_OID, f'{self._session}/{self._made}')}}}"
        self._open[identifier] = (name, found)
        return identifier

    def page(self, identifier: str, name: str, most: int) -> tuple[list[Record], int]:
        """Return the next records and how many are left after them."""
        known, left = self._open.get(identifier, ("", []))
        if known != name:
            raise Rejected(ITERATOR_UNKNOWN, f'The iterator "{identifier}" is not known in this session.')
        page = left[:most]
        del left[:most]
        if not left:
            del self._open[identifier]
        return page, len(left)

    def stop(self, identifier: str, name: str) -> None:
        """Forget an iterator."""
        self.page(identifier, name, 0)
        self._open.pop(identifier, None)


def run(books: Books, iterators: Iterators, request: Incoming, version: str) -> Outcome:
    """Return the outcome of a query.

    Raises
    ------
    Rejected
        3030 for a range the wrong way round, 3120 for an unknown iterator, 3150 for an iterator without
        MaxReturned, 3250 for a filter that is not simulated and for what is switched off.
    """
    values = request.values
    show = Show(
        lines=bool(values.get("IncludeLineItems")) or request.name not in _DOCUMENTS,
        links=bool(values.get("IncludeLinkedTxns")),
        owners=frozenset(str(owner).casefold() for owner in values.get("OwnerID", ())),
        elements=frozenset(values.get("IncludeRetElement", ())),
        version=version_key(version),
    )
    if request.attributes.get("iterator") in ("Continue", "Stop"):
        return _go_on(iterators, request, show)
    found, missing = _select(books, request)
    if missing:
        message = (
            "The query request has not been fully completed. There was a required element "
            f'("{missing[0]}") that could not be found in QuickBooks.'
        )
        return _counted(request, Outcome(500, "Warn", message, found, show=show), len(found))
    if not found:
        return Outcome(1, "Info", NO_MATCH)
    most = values.get("MaxReturned")
    if request.attributes.get("iterator") == "Start":
        if most is None:
            raise Rejected(3150, "There is a missing element: MaxReturned.")
        identifier = iterators.start(request.name, list(found))
        page, left = iterators.page(identifier, request.name, most)
        return Outcome(
            records=page, show=show, ret_count=len(page), iterator_remaining=left, iterator_id=identifier
        )
    return _counted(request, Outcome(records=found[:most], show=show), len(found))


def _go_on(iterators: Iterators, request: Incoming, show: Show) -> Outcome:
    identifier = request.attributes.get("iteratorID", "")
    if request.attributes["iterator"] == "Stop":
        iterators.stop(identifier, request.name)
        return Outcome(iterator_id=identifier)
    most = request.values.get("MaxReturned")
    if most is None:
        raise Rejected(3150, "There is a missing element: MaxReturned.")
    page, left = iterators.page(identifier, request.name, most)
    return Outcome(
        records=page, show=show, ret_count=len(page), iterator_remaining=left, iterator_id=identifier
    )


def _counted(request: Incoming, outcome: Outcome, count: int) -> Outcome:
    """Add what ``metaData`` asks for."""
    wish = request.attributes.get("metaData", "NoMetaData")
    if wish != "NoMetaData":
        outcome.ret_count = count
    if wish == "MetaDataOnly":
        outcome.records = ()
    return outcome


def _select(books: Books, request: Incoming) -> tuple[list[Record], list[str]]:
    """Return what a query finds, and the identifiers and names that it does not."""
    name, values = request.name, request.values
    if name in NEEDS and not books.about.get(*NEEDS[name]):
        raise not_available()
    if name in _LISTS:
        return _list_elements(books, name, values)
    if name in _DOCUMENTS:
        return _documents(books, _DOCUMENTS[name], values)
    if name == "TransactionQuery":
        found, missing = _transactions(books, values)
        return [_summary(record) for record in found], missing
    if name in ("TxnDeletedQuery", "ListDeletedQuery"):
        return _deleted(books, name, values), []
    if name in _EMPTY:
        return [], []
    about = {"HostQuery": "host", "CompanyQuery": "company", "PreferencesQuery": "preferences"}
    if name not in about or "IncludeListMetaData" in values:
        raise not_available()
    return [Record(f"{name.removesuffix('Query')}Ret", getattr(books.about, about[name]))], []


# --- lists


def _list_elements(books: Books, name: str, values: dict[str, Any]) -> tuple[list[Record], list[str]]:
    where, tag = _LISTS[name]
    missing: list[str] = []
    for key in ("ListID", "FullName"):
        if key in values:
            by_id: dict[str, Record] = {}
            for wanted in values[key]:
                record = books.find(where, {key: wanted})
                if record is None or (tag and record.tag != tag):
                    missing.append(wanted)
                else:
                    by_id[record.id] = record
            return list(by_id.values()), missing
    tests = list(list_tests(books, values))
    elements = (record for record in books.lists[where].values() if tag is None or record.tag == tag)
    found = [record for record in elements if all(test(record) for test in tests)]
    return sorted(found, key=lambda record: record.name.casefold()), []


# --- documents


def _documents(books: Books, kind: str, values: dict[str, Any]) -> tuple[list[Record], list[str]]:
    if "TxnID" in values:
        return _by_id(books, values["TxnID"], kind)
    for key in ("RefNumber", "RefNumberCaseSensitive"):
        if key in values:
            folded = dict.fromkeys(number.casefold() for number in values[key])
            numbered = [record for number in folded for record in books.transactions.numbered(kind, number)]
            return _by_number(numbered, values[key], exact=key != "RefNumber")
    tests = list(document_tests(books, values))
    found = books.transactions.of_kind(kind)
    for test in tests:
        found = [record for record in found if test(record)]
    return sorted(found, key=_by_day), []


def _by_day(record: Record) -> tuple[date, int]:
    return record.fields.get("TxnDate") or date.min, int(record.fields.get("TxnNumber") or 0)


def _by_id(books: Books, wanted: Iterable[str], kind: str) -> tuple[list[Record], list[str]]:
    found: list[Record] = []
    missing: list[str] = []
    for identifier in dict.fromkeys(wanted):
        record = books.transactions.get(identifier)
        if record is None or (kind and record.kind != kind):
            missing.append(identifier)
        else:
            found.append(record)
    return found, missing


def _by_number(records: list[Record], wanted: list[str], *, exact: bool) -> tuple[list[Record], list[str]]:
    def key(number: str) -> str:
        return number if exact else number.casefold()

    numbers = {key(number) for number in wanted}
    found = [record for record in records if key(str(record.fields.get("RefNumber") or "")) in numbers]
    present = {key(str(record.fields.get("RefNumber") or "")) for record in found}
    return sorted(found, key=_by_day), [number for number in wanted if key(number) not in present]


# --- transactions of every kind, and what was deleted


def _transactions(books: Books, values: dict[str, Any]) -> tuple[list[Record], list[str]]:
    if "TxnID" in values:
        return _by_id(books, values["TxnID"], "")
    found = sorted(books.transactions.values(), key=_by_day)
    for key in ("RefNumber", "RefNumberCaseSensitive"):
        if key in values:
            found = _by_number(found, values[key], exact=key != "RefNumber")[0]
    same = {
        "TransactionModifiedDateRangeFilter": "ModifiedDateRangeFilter",
        "TransactionDateRangeFilter": "TxnDateRangeFilter",
        "TransactionEntityFilter": "EntityFilter",
        "TransactionAccountFilter": "AccountFilter",
    }
    other = ("RefNumber", "RefNumberCaseSensitive", "TransactionTypeFilter", "TransactionPaidStatusFilter")
    # One row a transaction is what SummaryOnly asks for; the detail rows are not simulated.
    values = {key: value for key, value in values.items() if key != "TransactionDetailLevelFilter"}
    tests = list(
        document_tests(
            books, {same.get(key, key): value for key, value in values.items() if key not in other}
        )
    )
    types = (values.get("TransactionTypeFilter") or {}).get("TxnTypeFilter", ["All"])
    if "All" not in types:
        tests.append(lambda record: record.kind in types)
    status = values.get("TransactionPaidStatusFilter", "Either")
    if status != "Either":
        tests.append(lambda record: (remaining(record) == 0) == (status == "Closed"))
    return [record for record in found if all(test(record) for test in tests)], []


def _summary(record: Record) -> Record:
    """Return the one row that TransactionQuery has for a transaction."""
    fields = record.fields
    whole = {"Invoice": 1}.get(record.kind, -1)
    amount = fields.get("TotalAmount")
    if amount is None:
        amount = (fields.get("Subtotal") or Decimal(0)) + (fields.get("SalesTaxTotal") or Decimal(0))
    kept = ("TxnID", "TimeCreated", "TimeModified", "TxnDate", "RefNumber", "Memo", "CurrencyRef")
    summary = {key: fields.get(key) for key in kept}
    summary |= {"TxnType": record.kind, "EntityRef": fields.get("CustomerRef"), "Amount": whole * amount}
    return Record("TransactionRet", summary | {"AccountRef": fields.get("ARAccountRef")})


def _deleted(books: Books, name: str, values: dict[str, Any]) -> list[Record]:
    """Return what was deleted, by type and time; it reaches back 90 days (PROTOCOL 8.4)."""
    key = "TxnDelType" if name == "TxnDeletedQuery" else "ListDelType"
    records = books.deleted_transactions if name == "TxnDeletedQuery" else books.deleted_lists
    since = datetime.combine(books.today() - timedelta(days=DELETED_DAYS), time.min)
    tests = list(
        time_range(
            values.get("DeletedDateRangeFilter") or {}, "FromDeletedDate", "ToDeletedDate", "TimeDeleted"
        )
    )
    found = [
        record
        for record in records
        if record.fields[key] in values[key]
        and record.fields["TimeDeleted"] >= since
        and all(test(record) for test in tests)
    ]
    return sorted(found, key=lambda record: (record.fields[key], record.fields["TimeDeleted"]))
