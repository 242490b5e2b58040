"""Write answers as QuickBooks writes them: Ret elements in schema order, ASCII with numeric references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from lxml import etree

from toolkit import qbxml_spec
from toolkit.qbxml_spec import Particle
from toolkit.rehearsal.books import Books, Record, cents, remaining

PROLOG = '<?xml version="1.0" ?>\n'
_BLOCKS = {"BillAddressBlock": "BillAddress", "ShipAddressBlock": "ShipAddress", "AddressBlock": "Address"}


@dataclass(frozen=True, slots=True)
class Show:
    """Which parts of a Ret a request asks for.

    Source: PROTOCOL 5 and 8.4: line items, links and custom fields only when asked for.
    """

    lines: bool = True
    links: bool = False
    owners: frozenset[str] = frozenset()
    elements: frozenset[str] = frozenset()
    version: tuple[int, int] = (13, 0)


@dataclass(slots=True)
class Outcome:
    """What became of one request.

    Attributes
    ----------
    records
        What to return, in order.
    fields
        Simple elements of the answer itself (``TxnVoid``, ``TxnDel``, ``ListDel``).
    show
        Which parts of the records to return.
    """

    code: int = 0
    severity: str = "Info"
    message: str = "Status OK"
    records: Sequence[Record] = ()
    fields: dict[str, Any] | None = None
    show: Show = field(default_factory=Show)
    ret_count: int | None = None
    iterator_remaining: int | None = None
    iterator_id: str | None = None


class Writer:
    """Render the records of some books."""

    def __init__(self, books: Books) -> None:
        self.books = books

    def answer(self, name: str, request_id: str | None, outcome: Outcome, *, data: bool) -> etree._Element:
        """Return the ``Rs`` of one request; without ``data`` only its status."""
        element = etree.Element(f"{name}Rs")
        counts = {
            "retCount": outcome.ret_count,
            "iteratorRemainingCount": outcome.iterator_remaining,
            "iteratorID": outcome.iterator_id,
        }
        if request_id is not None:
            element.set("requestID", request_id)
        element.set("statusCode", str(outcome.code))
        element.set("statusSeverity", outcome.severity)
        element.set("statusMessage", outcome.message)
        allowed = {attribute.name for attribute in qbxml_spec.response(name).attributes}
        for key, value in counts.items():
            if value is not None and key in allowed:
                element.set(key, str(value))
        if data and outcome.fields:
            self._aggregate(element, qbxml_spec.response(name), outcome.fields, outcome.show, "")
        for record in outcome.records if data else ():
            element.append(self.ret(record, outcome.show))
        return element

    def ret(self, record: Record, show: Show) -> etree._Element:
        """Return the Ret of one record."""
        element = etree.Element(record.tag)
        particle = qbxml_spec.ret(record.tag)
        fields = {**record.fields, **self.worked_out(record, show)}
        if not show.lines:
            fields = {key: value for key, value in fields.items() if key not in ("*", "AppliedToTxnRet")}
        if not show.links:
            fields.pop("LinkedTxn", None)
        if show.elements:
            fields = {key: value for key, value in fields.items() if key == "*" or key in show.elements}
            fields["*"] = [line for line in fields.get("*", []) if line[0] in show.elements]
        self._aggregate(element, particle, fields, show, _own_list(record))
        return element

    def worked_out(self, record: Record, show: Show) -> dict[str, Any]:
        """Return the fields that follow from others: balances, printed addresses, balances of targets."""
        found: dict[str, Any] = {
            block: {f"Addr{number}": line for number, line in enumerate(_printed(record.fields[source]), 1)}
            for block, source in _BLOCKS.items()
            if record.fields.get(source)
        }
        match record.kind:
            case "Customer":
                found["Balance"] = self.books.balance(record)
                found["TotalBalance"] = self.books.total_balance(record)
            case "Invoice":
                found["BalanceRemaining"] = remaining(record)
                found["IsPaid"] = remaining(record) == 0 and not record.fields.get("IsPending")
                if rate := record.fields.get("ExchangeRate"):
                    found["BalanceRemainingInHomeCurrency"] = _home(remaining(record), rate)
            case "CreditMemo" if rate := record.fields.get("ExchangeRate"):
                found["CreditRemainingInHomeCurrency"] = _home(remaining(record), rate)
            case "ReceivePayment":
                found["AppliedToTxnRet"] = [self._applied(row) for row in record.fields["AppliedToTxnRet"]]
                if rate := record.fields.get("ExchangeRate"):
                    found["TotalAmountInHomeCurrency"] = _home(record.fields["TotalAmount"], rate)
        return found

    def _applied(self, row: dict[str, Any]) -> dict[str, Any]:
        target = self.books.transactions.get(row["TxnID"])
        if target is None:
            return row
        shown = {key: target.fields.get(key) for key in ("TxnDate", "RefNumber")}
        return {**row, **shown, "BalanceRemaining": remaining(target)}

    def _aggregate(
        self, element: etree._Element, particle: Particle, fields: dict[str, Any], show: Show, where: str
    ) -> None:
        for child in particle.children:
            if child.kind == "element":
                value = fields.get(child.name or "")
                if value is None:  # as most are: the schema has far more than anybody fills in
                    continue
                for one in value if isinstance(value, list) else (value,):
                    self._element(element, child, one, show, where)
            elif child.max is None:  # a row of lines: their order is the document's, not the schema's
                known = {below.name: below for below in qbxml_spec.elements(child)}
                for name, value in fields.get("*", ()):
                    if name in known:
                        self._element(element, known[name], value, show, where)
            else:
                self._aggregate(element, child, fields, show, where)

    def _element(
        self, parent: etree._Element, particle: Particle, value: Any, show: Show, where: str
    ) -> None:
        name = str(particle.name)
        if not particle.us or qbxml_spec.version_key(particle.since) > show.version:
            return
        if name == "DataExtRet" and str(value.get("OwnerID")).casefold() not in show.owners:
            return
        if particle.type != "aggregate":
            etree.SubElement(parent, name).text = text(value, particle.type or "", self.books.utc_offset)
            return
        if name.endswith("Ref"):
            now = self.books.full_name(name, value.get("ListID"), where)
            value = {**value, "FullName": now or value.get("FullName")}
        below = etree.Element(name)
        self._aggregate(below, particle, value, show, where)
        if len(below):
            parent.append(below)


def _own_list(record: Record) -> str:
    """Return the list that a record's ParentRef points into."""
    return "Item" if record.kind.startswith("Item") else record.kind


def _home(amount: Decimal, rate: Decimal) -> Decimal:
    return cents(amount * rate)


def _printed(address: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of an address as it is printed; there are five at most."""
    lines = [address.get(f"Addr{number}") for number in range(1, 6)]
    region = " ".join(part for part in (address.get("State"), address.get("PostalCode")) if part)
    lines.append(", ".join(part for part in (address.get("City"), region) if part))
    lines.append(address.get("Country"))
    yield from [line[:41] for line in lines if line][:5]


def text(value: Any, type_: str, utc_offset: timedelta) -> str:
    """Return a value as QuickBooks writes it.

    Source: fixtures: amounts, prices and percents with two decimals at least, quantities without trailing
    zeros, times with the PC's offset.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}{_offset(utc_offset)}"
        case date():
            return value.isoformat()
        case Decimal():
            return _decimal(value, type_)
        case _:
            return str(value)


def _decimal(value: Decimal, type_: str) -> str:
    if type_ == "AMTTYPE":
        return f"{value:.2f}"
    whole, _, part = f"{value:f}".partition(".")
    part = part.rstrip("0")
    if type_ in ("PRICETYPE", "PERCENTTYPE"):
        part = part.ljust(2, "0")
    return f"{whole}.{part}" if part else whole


def _offset(utc_offset: timedelta) -> str:
    minutes = int(utc_offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def document(answers: Sequence[etree._Element], set_id: str | None = None, code: int | None = None) -> str:
    """Return the answer to a message set.

    Parameters
    ----------
    answers
        One ``Rs`` a request.
    set_id, code
        ``newMessageSetID`` and ``messageSetStatusCode``; the code stands only where a set id was named.
    """
    root = etree.Element("QBXML")
    envelope = etree.SubElement(root, "QBXMLMsgsRs")
    if set_id is not None:
        envelope.set("newMessageSetID", set_id)
    if code is not None:
        envelope.set("messageSetStatusCode", str(code))
    envelope.extend(answers)
    return PROLOG + etree.tostring(root, encoding="us-ascii", pretty_print=True).decode("ascii")
