"""Documents to measure with: answers full of invoices, and invoices to add; the same bytes every time.

The form is that of real answers (one element a line, not indented, no encoding named): every element that an
InvoiceRet of the US edition has stands in some invoice, those that are always there in every one. Names have
ampersands, accents and Windows-1252 references; companies, people and places are invented.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

SEED = 20260131
BYTES_PER_INVOICE = 2_800
"""About what one invoice of three lines takes."""

_EPOCH = 1_700_000_000
_HEAD = '<?xml version="1.0" ?>\n<QBXML>\n<QBXMLMsgsRs>\n'
_TAIL = "</InvoiceQueryRs>\n</QBXMLMsgsRs>\n</QBXML>\n"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Contents:
    """What a document holds: bytes, invoices, and the rows of the tables below them."""

    size: int
    invoices: int
    lines: int
    links: int
    custom_fields: int

    def rows(self) -> dict[str, int]:
        """Return how many rows of which table it must become; tables without any are left out."""
        counts = {
            "quickbooks.invoices": self.invoices,
            "quickbooks.invoice_lines": self.lines,
            "quickbooks.linked_transactions": self.links,
            "quickbooks.custom_fields": self.custom_fields,
        }
        return {name: rows for name, rows in counts.items() if rows}


# --- answers ------------------------------------------------------------------------------------------------


def write_answer(path: Path, invoices: int, *, first: int = 1, page: int = 1, remaining: int = 0) -> Contents:
    """Write the answer to an InvoiceQuery: the first query of the first job of a workspace.

    Parameters
    ----------
    path : Path
        The file.
    invoices : int
        How many; none is the answer that nothing was found.
    first : int
        Number of the first invoice.
    page : int
        Which page of the query it is.
    remaining : int
        How many invoices come on later pages.

    Returns
    -------
    Contents
        What was written.
    """
    code, said = (0, "Status OK") if invoices else (1, "A query request did not find a matching object")
    opening = (
        f'<InvoiceQueryRs requestID="J1Q1P{page}" statusCode="{code}" statusSeverity="Info"'
        f' statusMessage="{said}" iteratorRemainingCount="{remaining}" iteratorID="{{0a1b}}">\n'
    )
    with path.open("wb") as file:
        file.write((_HEAD + opening).encode())
        made = _Maker(first)
        for start in range(0, invoices, _AT_ONCE):
            count = min(_AT_ONCE, invoices - start)
            file.write("".join(made.invoice(first + start + place) for place in range(count)).encode())
        file.write(_TAIL.encode())
        return Contents(file.tell(), invoices, made.lines, made.links, made.custom_fields)


def write_pages(folder: Path, pages: int, invoices: int) -> list[Contents]:
    """Write the pages of one query, so many invoices each, as ``1.xml`` and so on."""
    folder.mkdir()
    return [
        write_answer(
            folder / f"{page}.xml",
            invoices,
            first=(page - 1) * invoices + 1,
            page=page,
            remaining=(pages - page) * invoices,
        )
        for page in range(1, pages + 1)
    ]


def _list_id(number: int) -> str:
    return f"{0x80000000 + number:X}-{_EPOCH + number * 977}"


def _reference(tag: str, number: int, name: str) -> str:
    shown = escape(name)
    return f"<{tag}>\n<ListID>{_list_id(number)}</ListID>\n<FullName>{shown}</FullName>\n</{tag}>\n"


def _address(tag: str, lines: list[str], city: str, state: str, code: str, *, full: bool) -> str:
    block = [*lines, f"{city}, {state} {code}"][:5]
    country = "<Country>Österreich</Country>\n<Note>Lieferung über Hof 2</Note>\n" if full else ""
    return (
        f"<{tag}>\n{_address_lines(lines)}<City>{escape(city)}</City>\n<State>{state}</State>\n"
        f"<PostalCode>{code}</PostalCode>\n{country}</{tag}>\n"
        f"<{tag}Block>\n{_address_lines(block)}</{tag}Block>\n"
    )


def _address_lines(lines: list[str]) -> str:
    return "".join(
        f"<Addr{place}>{escape(line)}</Addr{place}>\n" for place, line in enumerate(lines, start=1)
    )


_FIRST = ("Marta", "Jürgen", "Søren", "Ana", "Peter", "Zoë", "Li", "Owen", "Chloé", "Ruth", "Émile", "Tom")
_LAST = (
    "Aguilar",
    "Berg & Sons",
    "Castañeda",
    "Dubois",
    "Ellery",
    "Fjeld",
    "Gómez",
    "Holt",
    "Ibsen",
    "Łukasik",
)
_TRADES = (
    "Roofing",
    "Hosting",
    "Dental Care",
    "Legal",
    "Freight & Storage",
    "Bakery",
    "Optics",
    "Landscaping",
)
_STREETS = ("Cypress Hill Rd", "Main St", "Rua do Sol", "Lindenstraße", "Harbor Way", "King&#146;s Lane")
_CITIES = (
    ("Bayshore", "CA", "94326"),
    ("Middlefield", "CA", "94482"),
    ("Graz", "ST", "8010"),
    ("Reno", "NV", "89501"),
)
_ITEMS = (
    ("Hosting:Basic", "Hosting, monthly fee"),
    ("Hosting:Large & Backup", "Hosting with nightly backup, monthly fee"),
    ("Support", "Support by telephone & e-mail, per hour"),
    ("Licenses:Seat", "Seats of the licence, one year\nrenewed in January"),
    ("Traffic", "Traffic above the included volume, per GB"),
    ("Consulting", "Beratung vor Ort – Überstunden inbegriffen"),
    ("Discount", "Discount as agreed"),
    ("Setup", "Set-up of the customer&#146;s server"),
)
_TERMS = ("Net 30", "Net 15", "2% 10 Net 30", "Due on receipt")
_METHODS = ("Messenger", "UPS", "Pickup")
_MESSAGES = ("Thank you for your business.", "It's been a pleasure working with you!", "Grüße & Dank")
_MEMOS = (
    "Monthly invoice",
    "Opening balance",
    "As agreed by telephone – see order",
    "Q1 & Q2, façade & roof",
)


def _customers() -> list[tuple[str, str, str]]:
    """Return what an invoice says of its customer: reference, addresses, currency."""
    dice = random.Random(SEED)
    made = []
    for number in range(600):
        last, trade = dice.choice(_LAST), dice.choice(_TRADES)
        name = f"{last} {trade} {number}" + (f":Site {number % 7}" if number % 3 == 0 else "")
        street = f"{dice.randrange(1, 9000)} {dice.choice(_STREETS)}"
        lines = [name.partition(":")[0], f"{dice.choice(_FIRST)} {last}", street]
        if number % 20 == 0:
            lines += ["Building C & D", "Attn: Accounts Payable"]
        city, state, code = dice.choice(_CITIES)
        # The references to characters in the streets are markup already.
        bill = _address("BillAddress", lines, city, state, code, full=number % 20 == 0)
        ship = _address(
            "ShipAddress", lines if number % 40 == 0 else lines[:3], city, state, code, full=number % 40 == 0
        )
        both = ((bill if number % 4 != 1 else "") + (ship if number % 10 == 0 else "")).replace(
            "&amp;#146;", "&#146;"
        )
        currency = ""
        if number % 4 == 1:
            currency = _reference("CurrencyRef", 90, "Euro") + "<ExchangeRate>1.0837</ExchangeRate>\n"
        made.append((_reference("CustomerRef", 1000 + number, name), both, currency))
    return made


class _Maker:
    """Makes invoices and counts what stands in them."""

    customers: list[tuple[str, str, str]]

    def __init__(self, first: int) -> None:
        self._chance: Callable[[], float] = random.Random(SEED + first).random
        self.lines = self.links = self.custom_fields = 0
        self._customers = _customers()
        self._items = [
            (_reference("ItemRef", 300 + place, name), escape(text).replace("&amp;#146;", "&#146;"))
            for place, (name, text) in enumerate(_ITEMS)
        ]
        self._account = _reference("ARAccountRef", 24, "Accounts Receivable")
        self._template = _reference("TemplateRef", 1, "Intuit Service Invoice")
        self._terms = [_reference("TermsRef", 40 + place, name) for place, name in enumerate(_TERMS)]
        self._methods = [_reference("ShipMethodRef", 60 + place, name) for place, name in enumerate(_METHODS)]
        self._messages = [
            _reference("CustomerMsgRef", 70 + place, name) for place, name in enumerate(_MESSAGES)
        ]
        self._memos = [escape(memo) for memo in _MEMOS]
        self._codes = [_reference("SalesTaxCodeRef", 11, "Tax"), _reference("SalesTaxCodeRef", 12, "Non")]
        self._tax_item = _reference("ItemSalesTaxRef", 80, "San Domingo")
        self._customer_code = _reference("CustomerSalesTaxCodeRef", 12, "Non")
        self._rep = _reference("SalesRepRef", 50, "ANÖ")
        self._class = _reference("ClassRef", 55, "Overhead:West & North")

    def _pick(self, pool: list[Any]) -> Any:
        return pool[int(self._chance() * len(pool))]

    def invoice(self, number: int) -> str:
        """Return one InvoiceRet of three lines."""
        chance = self._chance
        customer, addresses, currency = self._customers[int(chance() ** 2 * len(self._customers))]
        created = _EPOCH + number * 733
        month, day = 1 + int(chance() * 12), 1 + int(chance() * 28)
        date = f"{2019 + number % 7}-{month:02}-{day:02}"
        stamp = f"T{int(chance() * 24):02}:{int(chance() * 60):02}:{number % 60:02}-0{5 + number % 4}:00"
        lines, cents = self._lines(number)
        tax = cents * 77 // 1000 if number % 5 == 0 else 0
        total = cents + tax
        paid = chance() < 0.6
        rare = number % 25
        return "".join(
            (
                f"<InvoiceRet>\n<TxnID>{number:X}-{created}</TxnID>\n<TimeCreated>{date}{stamp}</TimeCreated>\n"
                f"<TimeModified>{date}{stamp}</TimeModified>\n<EditSequence>{created + 86}</EditSequence>\n"
                f"<TxnNumber>{number + 7}</TxnNumber>\n",
                customer,
                self._class if rare < 3 else "",
                self._account,
                self._template,
                f"<TxnDate>{date}</TxnDate>\n<RefNumber>{number % 100}-{number}</RefNumber>\n",
                addresses,
                "<IsPending>false</IsPending>\n"
                f"<IsFinanceCharge>{'true' if rare == 7 else 'false'}</IsFinanceCharge>\n",
                f"<PONumber>PO {number * 3}</PONumber>\n" if rare < 8 else "",
                self._pick(self._terms) if rare < 17 else "",
                f"<DueDate>{2019 + number % 7}-{month:02}-28</DueDate>\n",
                self._rep if rare == 2 else "",
                "<FOB>Bayshore</FOB>\n" if rare == 3 else "",
                f"<ShipDate>{date}</ShipDate>\n",
                self._pick(self._methods) if rare == 4 else "",
                f"<Subtotal>{_money(cents)}</Subtotal>\n",
                self._tax_item if tax else "",
                f"<SalesTaxPercentage>{'7.70' if tax else '0.00'}</SalesTaxPercentage>\n"
                f"<SalesTaxTotal>{_money(tax)}</SalesTaxTotal>\n"
                f"<AppliedAmount>{_money(-total if paid else 0)}</AppliedAmount>\n"
                f"<BalanceRemaining>{_money(0 if paid else total)}</BalanceRemaining>\n",
                currency,
                f"<BalanceRemainingInHomeCurrency>{_money(0 if paid else total * 12 // 13)}"
                "</BalanceRemainingInHomeCurrency>\n"
                if currency
                else "",
                f"<Memo>{self._pick(self._memos)} {number}</Memo>\n" if rare < 18 else "",
                f"<IsPaid>{'true' if paid else 'false'}</IsPaid>\n",
                self._pick(self._messages) if rare < 6 else "",
                f"<IsToBePrinted>{'true' if rare == 1 else 'false'}</IsToBePrinted>\n"
                "<IsToBeEmailed>false</IsToBeEmailed>\n",
                self._customer_code if number % 3 == 0 else "",
                f"<SuggestedDiscountAmount>{_money(cents // 50)}</SuggestedDiscountAmount>\n"
                f"<SuggestedDiscountDate>{date}</SuggestedDiscountDate>\n"
                if rare == 9
                else "",
                f"<Other>Región {number % 9}</Other>\n" if rare == 10 else "",
                f"<ExternalGUID>{{{number:08X}-1AB2-4C3D-8E4F-{created:012X}}}</ExternalGUID>\n"
                if rare == 11
                else "",
                self._link(number, date, total) if paid else "",
                lines,
                self._custom_field("Contract", f"K-{number % 300} & Co") if rare < 4 else "",
                self._custom_field("Région", "Île-de-France") if rare == 5 else "",
                "</InvoiceRet>\n",
            )
        )

    def _lines(self, number: int) -> tuple[str, int]:
        """Return three lines, in one of forty invoices those of a group, and what they come to in cents."""
        self.lines += 3
        if number % 40:
            lines, amounts = zip(*(self._line(number, place) for place in range(3)), strict=True)
            return "".join(lines), sum(amounts)
        (one, first), (two, second) = self._line(number, 1), self._line(number, 2)
        head = _reference("ItemGroupRef", 390, "Bundle: Office & Home")
        return (
            f"<InvoiceLineGroupRet>\n<TxnLineID>{number:X}F-{_EPOCH}</TxnLineID>\n{head}<Desc>Bundle</Desc>\n"
            f"<Quantity>1</Quantity>\n<UnitOfMeasure>set</UnitOfMeasure>\n"
            "<IsPrintItemsInGroup>true</IsPrintItemsInGroup>\n"
            f"<TotalAmount>{_money(first + second)}</TotalAmount>\n{one}{two}</InvoiceLineGroupRet>\n"
        ), first + second

    def _line(self, number: int, place: int) -> tuple[str, int]:
        chance = self._chance
        item, text = self._pick(self._items)
        cents = 100 + int(chance() * 250_000)
        rare = (number * 3 + place) % 40
        quantity = 1 + int(chance() * 9)
        how_many = f"<Quantity>{quantity}</Quantity>\n" if rare > 3 else ""
        rate = f"<Rate>{cents / quantity / 100:.5f}</Rate>\n" if rare > 3 else ""
        more = ""
        if rare == 1:
            rate = "<RatePercent>12.5</RatePercent>\n"
        elif rare == 5:
            how_many += "<UnitOfMeasure>hour</UnitOfMeasure>\n" + _reference("OverrideUOMSetRef", 95, "Time")
        elif rare == 6:
            more = _reference("InventorySiteRef", 96, "Main") + _reference(
                "InventorySiteLocationRef", 97, "A-1"
            )
            more += f"<SerialNumber>SN{number}</SerialNumber>\n"
        elif rare == 7:
            more = f"<LotNumber>L{number}</LotNumber>\n"
        day = f"<ServiceDate>{2019 + number % 7}-0{1 + place}-15</ServiceDate>\n" if rare < 12 else ""
        kind = self._class if rare < 3 else ""
        code = self._codes[place % 2] if number % 5 == 0 else ""
        other = f"<Other1>{number % 77}</Other1>\n<Other2>Größe M</Other2>\n" if rare == 8 else ""
        custom = self._custom_field("Seats", str(quantity * 5)) if rare in (9, 10) else ""
        return (
            f"<InvoiceLineRet>\n<TxnLineID>{number:X}{place}-{_EPOCH + number * 733}</TxnLineID>\n{item}"
            f"<Desc>{text}</Desc>\n{how_many}{rate}{kind}"
            f"<Amount>{_money(cents)}</Amount>\n{more}{day}{code}{other}{custom}</InvoiceLineRet>\n"
        ), cents

    def _link(self, number: int, date: str, total: int) -> str:
        self.links += 1
        return (
            f"<LinkedTxn>\n<TxnID>{number:X}A-{_EPOCH}</TxnID>\n<TxnType>ReceivePayment</TxnType>\n"
            f"<TxnDate>{date}</TxnDate>\n<RefNumber>{number}</RefNumber>\n<LinkType>AMTTYPE</LinkType>\n"
            f"<Amount>{_money(-total)}</Amount>\n</LinkedTxn>\n"
        )

    def _custom_field(self, name: str, value: str) -> str:
        self.custom_fields += 1
        return (
            f"<DataExtRet>\n<OwnerID>0</OwnerID>\n<DataExtName>{name}</DataExtName>\n"
            f"<DataExtType>STR255TYPE</DataExtType>\n<DataExtValue>{escape(value)}</DataExtValue>\n</DataExtRet>\n"
        )


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


# --- requests -----------------------------------------------------------------------------------------------


def invoices_to_add(count: int) -> Iterator[dict[str, Any]]:
    """Return the fields of InvoiceAdds of three lines, as the transformation makes them.

    The elements stand in the order of the schema, so that a writer that knows no schema can write them too.
    """
    chance = random.Random(SEED).random
    accounts, tax = {"ListID": _list_id(24)}, {"ListID": _list_id(80)}
    for number in range(1, count + 1):
        date = f"2026-{1 + number % 12:02}-{1 + number % 28:02}"
        key = f"INV-2026-{number:06}"
        yield {
            "CustomerRef": {"ListID": _list_id(1000 + int(chance() * 600))},
            "ARAccountRef": accounts,
            "TxnDate": date,
            "RefNumber": f"{number:08}",
            "IsPending": False,
            "DueDate": f"2026-{1 + number % 12:02}-28",
            "ItemSalesTaxRef": tax,
            "Memo": f"{key}, {_MEMOS[number % len(_MEMOS)]} [bb:invoice:{key}]",
            "IsToBePrinted": False,
            "IsToBeEmailed": False,
            "CustomerSalesTaxCodeRef": {"ListID": _list_id(12)},
            "ExternalGUID": f"{{{number:08X}-1AB2-4C3D-8E4F-00005678ABCD}}",
            "InvoiceLineAdd": [
                {
                    "ItemRef": {"ListID": _list_id(300 + (number + place) % len(_ITEMS))},
                    "Desc": _DESCRIPTIONS[(number + place) % len(_ITEMS)],
                    "Quantity": str(1 + int(chance() * 40)),
                    "Amount": _money(100 + int(chance() * 250_000)),
                    "SalesTaxCodeRef": {"ListID": _list_id(12)},
                }
                for place in range(3)
            ],
        }


_DESCRIPTIONS = [text.replace("&#146;", "’").replace("\n", " ") for _, text in _ITEMS]
