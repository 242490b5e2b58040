"""The open receivables of the company file at the cutover date, consistent to the cent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from sample.basics import (
    CUTOVER,
    NO_TAX_ITEM,
    TAX_ITEM,
    TAX_PERCENT,
    ZERO,
    Ids,
    Row,
    cents,
    reference,
    tax_on,
    touch,
)
from sample.lists import Company

AFTER_CUTOVER = dt.date(2026, 1, 5)
_FIRST_DAY = dt.date(2025, 9, 3)
_COUNT = 41  # 40 stay open, one is paid

# Whose invoices they are, oldest first; a customer named twice has two.
_OWNERS = """
Alder & Finch Books
Lakeside Schools:High School:Library
Cobblestone Bakery
Northgate Properties:Tower A:Suite 100
Acme Inc
Foxglove Florists
Tidewater Municipal:Parks Department:Boathouse
Harborview Hotel
O'Brien & Søn
Juniper Street Clinic
Smith, John
Larkspur Design Studio
Redwood Franchise Co:Store 01
Nimbus Weather Systems
Westhaven Co-operative Grain Traders Ltd.
Pinecrest Dental
Summit Builders:Mill Lane Site:Phase 1
Riverbend Canoe Rental
Cedar Ridge Dental
Thornbury Tea Importers
Orchard Medical Group:North Clinic:Imaging
Velvet Lantern Cinema
Harvest Foods:Warehouse:Cold Store
Yarrow Hill Winery
Harbor Lights Co
Amberline Courier
Northgate Properties:Tower B:Suite 100
Copper Kettle Catering
Marigold Yoga
Elmsgate Tutoring
Tidewater Municipal:Water Department
Garcia, Elena
Redwood Franchise Co:Store 03
Harborview Hotel
Whitfield Plumbing LLC
Pinecrest Dental
Nguyen, Mai
Lakeside Schools:Elementary
Summit Builders:Ridge Road Site
Bluewater Marina
Lanternlight Theatre
""".strip().splitlines()

# Item and quantity, at the item's price; lines are dealt to the invoices in turn.
_LINES = (
    ("Hosting:Business", "3"),
    ("Support:Hourly", "2.5"),
    ("Domain Registration", "2"),
    ("Cloud Server", "2"),
    ("Hosting:Basic", "6"),
    ("Mailbox", "40"),
    ("Onsite Visit", "1"),
    ("Hosting:Setup", "1"),
    ("Snapshot Backup", "4"),
    ("Bandwidth", "2400"),
    ("Hosting:Enterprise", "1"),
    ("Support:Training", "1.5"),
    ("Cloud Storage", "850"),
    ("Patch Cable", "5"),
    ("Consulting:Design", "3"),
    ("SSL Certificate", "1"),
    ("Web Hosting Plus", "2"),
)
_LINE_COUNTS = (2, 1, 3, 2, 4, 1, 2, 3)

_PAID = 5  # place of the invoice that is paid
_BLANK_NUMBERS = (7, 23)  # two without a RefNumber
_REPEATED_NUMBERS = {15: 12, 30: 27}  # place of an invoice and of the one whose RefNumber it repeats
_DISCOUNTED, _DESCRIBED, _GROUPED = 4, 10, 16  # with a discount line, a text line, a group
# Place of a part-paid invoice, percent paid (in whole dollars), days later, method.
_PART_PAYMENTS = (
    (2, 50, 20, "Check"),
    (9, 40, 31, "CreditCard"),
    (13, 60, 25, "ACH"),
    (18, 30, 14, "Check"),
    (22, 50, 12, "Paypal"),
    (26, 25, 10, "Cash"),
    (31, 45, 9, "Token"),
)
_SHARED_PAYMENT = (
    33,
    7,
)  # one payment over both invoices of Harborview Hotel


@dataclass
class Receivables:
    """Rows of the document tables, by table."""

    invoices: list[Row] = field(default_factory=list)
    invoice_lines: list[Row] = field(default_factory=list)
    credit_memos: list[Row] = field(default_factory=list)
    credit_memo_lines: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)
    payment_applications: list[Row] = field(default_factory=list)
    linked_transactions: list[Row] = field(default_factory=list)

    def carried(self) -> list[tuple[str, Row]]:
        """Return the invoices open at the cutover date, each with the number it gets in BluBilling."""
        opened = [row for row in self.invoices if row["balance_remaining"] and row["txn_date"] <= CUTOVER]
        refs = [row["ref_number"] for row in opened]
        return [
            (row["ref_number"] if row["ref_number"] and refs.count(row["ref_number"]) == 1 else key, row)
            for row, key in ((row, f"QB-{row['txn_number']}") for row in opened)
        ]


class _Maker:
    """Writes documents into the tables, oldest first, and keeps balances and links in step."""

    def __init__(self, company: Company, ids: Ids) -> None:
        self.company = company
        self.ids = ids
        self.made = Receivables()
        self.dealt = 0
        self.numbers: dict[int, str | None] = {}

    # --- documents ------------------------------------------------------------------------------------------

    def _head(self, customer: str, day: dt.date) -> Row:
        # one document of a kind a day, so that its place in the day can be its hour
        made = self.made
        hour = 9 + (len(made.invoices) + len(made.payments) + len(made.credit_memos)) % 8
        created = dt.datetime.combine(day, dt.time(hour, 15))
        return {
            **self.ids.txn_head(created),
            **reference("customer", self.company.get("customers", customer)),
            **reference("ar_account", self.company.get("accounts", "Accounts Receivable")),
            "txn_date": day,
        }

    def _document(self, customer: str, day: dt.date) -> tuple[Row, bool]:
        owner = self.company.get("customers", customer)
        exempt = self.company.parties[customer].exempt
        row = self._head(customer, day)
        field_work = len(self.made.invoices) % 6 == 5
        row |= reference(
            "class", self.company.get("classes", "Field Services" if field_work else "Hosting Division")
        )
        address = [name for name in owner if name.startswith("bill_address_")]
        row |= {name: owner[name] for name in address}
        row["is_pending"] = False
        terms = self.company.get("terms", owner["terms_full_name"])
        row |= reference("terms", terms)
        row["due_date"] = _due(day, terms)
        row |= reference("item_sales_tax", self.company.get("items", NO_TAX_ITEM if exempt else TAX_ITEM))
        row["sales_tax_percentage"] = Decimal("0") if exempt else TAX_PERCENT
        row["is_to_be_printed"] = False
        row["is_to_be_emailed"] = False
        row |= reference(
            "customer_sales_tax_code", self.company.get("sales_tax_codes", "Non" if exempt else "Tax")
        )
        return row, exempt

    def _line(self, document: Row, number: int, item: str, quantity: str | None, exempt: bool) -> Row:
        record = self.company.get("items", item)
        code = "Non" if exempt else record["sales_tax_code_full_name"]
        row = {
            "txn_id": document["txn_id"],
            "line_number": number,
            "line_kind": "line",
            "txn_line_id": self.ids.line(document["time_created"]),
            **reference("item", record),
            "description": record["description"],
            **reference("sales_tax_code", self.company.get("sales_tax_codes", code)),
        }
        if quantity is not None:
            row["quantity"] = Decimal(quantity)
            row["rate"] = record["price"]
            row["amount"] = cents(row["quantity"] * row["rate"])
        return row

    def _totals(self, document: Row, lines: list[Row]) -> Decimal:
        priced = [line for line in lines if line.get("amount") is not None]
        document["subtotal"] = sum((line["amount"] for line in priced), ZERO)
        taxable = [line["amount"] for line in priced if line["sales_tax_code_full_name"] == "Tax"]
        document["sales_tax_total"] = (
            tax_on(sum(taxable, ZERO)) if document["item_sales_tax_full_name"] == TAX_ITEM else ZERO
        )
        total: Decimal = document["subtotal"] + document["sales_tax_total"]
        return total

    def invoice(self, place: int, customer: str, day: dt.date) -> None:
        """Write one invoice; its place decides its number, its lines and what is odd about it."""
        document, exempt = self._document(customer, day)
        if place in _REPEATED_NUMBERS:
            document["ref_number"] = self.numbers[_REPEATED_NUMBERS[place]]
        else:
            document["ref_number"] = None if place in _BLANK_NUMBERS else str(10400 + place)
        self.numbers[place] = document["ref_number"]
        lines = []
        for _ in range(_LINE_COUNTS[place % len(_LINE_COUNTS)]):
            item, quantity = _LINES[self.dealt % len(_LINES)]
            lines.append(self._line(document, len(lines) + 1, item, quantity, exempt))
            self.dealt += 1
        if place == _DISCOUNTED:
            lines.append(self._line(document, len(lines) + 1, "Loyalty Discount", None, exempt))
            lines[-1]["amount"] = Decimal("-15.00")
        if place == _DESCRIBED:
            lines.append(_description(document, len(lines) + 1, self.ids, "Thank you for your patience"))
        if place == _GROUPED:
            self._group(document, lines, exempt)
        total = self._totals(document, lines)
        document |= {"applied_amount": ZERO, "balance_remaining": total, "is_paid": False}
        self.made.invoices.append(document)
        self.made.invoice_lines += lines

    def _group(self, document: Row, lines: list[Row], exempt: bool) -> None:
        header = _description(document, len(lines) + 1, self.ids, "Hosting, domain and mailboxes")
        header |= reference("item", self.company.get("items", "Starter Bundle"))
        header |= {"line_kind": "group", "quantity": Decimal(1)}
        lines.append(header)
        for item, quantity in (("Hosting:Basic", "1"), ("Domain Registration", "1"), ("Mailbox", "6")):
            line = self._line(document, len(lines) + 1, item, quantity, exempt)
            line["group_line_id"] = header["txn_line_id"]
            lines.append(line)

    def credit_memo(self, number: str, customer: str, day: dt.date, item: str, quantity: str) -> Row:
        """Write one credit memo, wholly open."""
        document, exempt = self._document(customer, day)
        document["ref_number"] = number
        document["memo"] = "Service not delivered"
        lines = [self._line(document, 1, item, quantity, exempt)]
        total = self._totals(document, lines)
        document |= {"total_amount": total, "credit_remaining": total}
        self.made.credit_memos.append(document)
        self.made.credit_memo_lines += lines
        return document

    def payment(
        self, customer: str, day: dt.date, method: str, parts: list[tuple[Row, Decimal]], rest: Decimal
    ) -> None:
        """Write one payment over the parts it pays, with what is left unused."""
        account = {"Token": "Card Clearing", "CreditCard": "Card Clearing", "ACH": "ACH Clearing"}
        account |= {"Paypal": "PayPal Clearing"}
        row = self._head(customer, day)
        deposit = self.company.get("accounts", account.get(method, "Undeposited Funds"))
        row |= {
            "ref_number": str(5500 + len(self.made.payments)),
            "total_amount": sum((amount for _, amount in parts), ZERO) + rest,
            **reference("payment_method", self.company.get("payment_methods", method)),
            **reference("deposit_to_account", deposit),
            "unused_payment": rest,
            "unused_credits": ZERO,
        }
        self.made.payments.append(row)
        for invoice, amount in parts:
            self.apply(invoice, row, "ReceivePayment", amount)
            self.made.payment_applications.append(
                {
                    "payment_txn_id": row["txn_id"],
                    "txn_id": invoice["txn_id"],
                    "txn_type": "Invoice",
                    "txn_date": invoice["txn_date"],
                    "ref_number": invoice["ref_number"],
                    "balance_remaining": invoice["balance_remaining"],
                    "amount": amount,
                }
            )

    # --- links ----------------------------------------------------------------------------------------------

    def apply(self, invoice: Row, credit: Row, kind: str, amount: Decimal) -> None:
        """Apply part of a payment or credit memo to an invoice."""
        invoice["applied_amount"] -= amount
        invoice["balance_remaining"] -= amount
        invoice["is_paid"] = invoice["balance_remaining"] == 0
        touch(invoice, credit["time_created"])
        self.link("invoices", invoice, credit, kind, amount)

    def link(self, table: str, owner: Row, other: Row, kind: str, amount: Decimal) -> None:
        """Write the link of a document to another, as a negative amount: it lowers what is open."""
        self.made.linked_transactions.append(
            {
                "owner_table": f"quickbooks.{table}",
                "owner_txn_id": owner["txn_id"],
                "txn_id": other["txn_id"],
                "txn_type": kind,
                "txn_date": other["txn_date"],
                "ref_number": other["ref_number"],
                "link_type": "AMTTYPE",
                "amount": -amount,
            }
        )


def make_receivables(company: Company, ids: Ids) -> Receivables:
    """Return the company's receivables; the balances of customers and accounts are set to match."""
    maker = _Maker(company, ids)
    for place in range(_COUNT):
        maker.invoice(place, _OWNERS[place], _FIRST_DAY + dt.timedelta(days=place * 118 // (_COUNT - 1)))
    maker.invoice(_COUNT, "Dovetail Joinery", AFTER_CUTOVER)
    made = maker.made
    credit = maker.credit_memo(
        "CM-101", "Larkspur Design Studio", dt.date(2025, 11, 18), "Support:Hourly", "1"
    )
    partly = maker.credit_memo(
        "CM-102", "Copper Kettle Catering", dt.date(2025, 12, 12), "Cloud Server", "1.5"
    )
    assert credit["credit_remaining"] > 0
    _use_credit(maker, partly, made.invoices[27], Decimal("40.00"))
    _receive(maker)
    _set_balances(company, made)
    return made


def _receive(maker: _Maker) -> None:
    invoices = maker.made.invoices
    paid = invoices[_PAID]
    maker.payment(
        _OWNERS[_PAID],
        paid["txn_date"] + dt.timedelta(days=21),
        "Check",
        [(paid, paid["balance_remaining"])],
        ZERO,
    )
    for place, percent, days, method in _PART_PAYMENTS:
        invoice = invoices[place]
        part = (invoice["balance_remaining"] * percent / 100).quantize(Decimal(1)).quantize(ZERO)
        maker.payment(
            _OWNERS[place], invoice["txn_date"] + dt.timedelta(days=days), method, [(invoice, part)], ZERO
        )
    both = [(invoices[place], Decimal("30.00")) for place in _SHARED_PAYMENT]
    maker.payment("Harborview Hotel", dt.date(2025, 12, 22), "CreditCard", both, ZERO)
    # More than its invoice: the rest is unused. And one that is applied to nothing.
    last = invoices[39]
    maker.payment("Bluewater Marina", CUTOVER, "Check", [(last, Decimal("20.00"))], Decimal("35.50"))
    maker.payment("Kestrel Air Charter", dt.date(2025, 12, 29), "ACH", [], Decimal("250.00"))


def _use_credit(maker: _Maker, memo: Row, invoice: Row, amount: Decimal) -> None:
    maker.apply(invoice, memo, "CreditMemo", amount)
    memo["credit_remaining"] -= amount
    maker.link("credit_memos", memo, invoice, "Invoice", amount)


def _set_balances(company: Company, made: Receivables) -> None:
    own: dict[str, Decimal] = {}
    for rows, column, sign in (
        (made.invoices, "balance_remaining", 1),
        (made.credit_memos, "credit_remaining", -1),
        (made.payments, "unused_payment", -1),
    ):
        for row in rows:
            key = row["customer_full_name"]
            own[key] = own.get(key, ZERO) + sign * row[column]
    for customer in company.tables["customers"]:
        name = customer["full_name"]
        customer["balance"] = own.get(name, ZERO)
        jobs = [amount for key, amount in own.items() if key.startswith(f"{name}:")]
        customer["total_balance"] = sum(jobs, customer["balance"])
    receivable = company.get("accounts", "Accounts Receivable")
    receivable["balance"] = receivable["total_balance"] = sum(own.values(), ZERO)
    for payment in made.payments:
        account = company.get("accounts", payment["deposit_to_account_full_name"])
        account["balance"] = (account["balance"] or ZERO) + payment["total_amount"]
        account["total_balance"] = account["balance"]


def _due(day: dt.date, terms: Row) -> dt.date:
    if terms["terms_type"] == "Standard":
        return day + dt.timedelta(days=int(terms["std_due_days"]))
    first = day.replace(day=1) + dt.timedelta(days=32)  # somewhere in the next month
    return (first.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def _description(document: Row, number: int, ids: Ids, words: str) -> Row:
    return {
        "txn_id": document["txn_id"],
        "line_number": number,
        "line_kind": "description",
        "txn_line_id": ids.line(document["time_created"]),
        "description": words,
    }
