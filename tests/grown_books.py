"""The QuickBooks side of the grown company: items of every type, customers and jobs, open receivables.

What the tables are made from is kept beside them, so that the oracle never asks the toolkit what it thinks.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
ZERO = Decimal("0.00")
CUTOVER = dt.date(2025, 12, 31)
IMPORTED = dt.datetime(2026, 1, 6, 9, 0)
FOUNDED = dt.datetime(2020, 1, 1, 9, 0)
VENDOR = "Ridgeline Office Supply"  # its name is taken: a customer cannot have it

_FIRST = (
    *("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ivy", "Juniper"),
    *("Kestrel", "Larch", "Maple", "Nettle", "Oak", "Poplar", "Quince", "Rowan", "Spruce", "Teak"),
    *("Umber", "Violet", "Willow", "Yarrow", "Zinnia", "Amber", "Basalt", "Copper", "Dune", "Ember"),
)
_SECOND = (
    *("Bakery", "Clinic", "Dairy", "Engines", "Farms", "Garage", "Hotel", "Imports", "Joinery", "Kennels"),
    *("Laundry", "Motors", "Nursery", "Optics", "Pottery", "Quarry", "Roofing", "Studios", "Travel"),
    *("Upholstery", "Vineyard", "Works", "Yachts", "Zoo", "Academy", "Brewing", "Catering", "Dental"),
    *("Electric", "Framing", "Gallery", "Hardware"),
)
_CATEGORIES = ("Hosting", "Cloud", "Support", "Domains", "Voice", "Training", "Design", "Security")
_PRODUCTS = ("Basic", "Plus", "Pro", "Elite", "Seat", "Hour", "Unit", "Pack", "Audit", "Backup", "Line")

NUMBER, EXACT, DECIDED, AMBIGUOUS, NEW = "number", "exact", "decided", "ambiguous", "new"


@dataclass(frozen=True, slots=True)
class Party:
    """One BluBilling account and its QuickBooks customer; `customer` is None where there is none yet."""

    index: int
    number: str
    name: str
    match: str
    customer: str | None
    parent: str | None = None


@dataclass
class Books:
    """The tables (without ``quickbooks.``), and what is needed of them again."""

    tables: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[tuple[str, str], Row] = field(default_factory=dict)
    parties: list[Party] = field(default_factory=list)
    opened: dict[str, Decimal] = field(default_factory=dict)
    """TxnID of an invoice open at the cutover date to what was open on it then."""
    credits: dict[str, Decimal] = field(default_factory=dict)
    """TxnID of a credit memo or payment to what was unapplied at the cutover date."""
    _lists: int = 0x80000000
    _transactions: int = 0x1000
    _lines: int = 0x9000

    def put(self, table: str, full_name: str, **fields: Any) -> Row:
        """Add a list element, below its parent if its name has one."""
        self._lists += 1
        parent, _, name = full_name.rpartition(":")
        row: Row = {"list_id": f"{self._lists:X}-1577869200", "name": name, "is_active": True}
        if table not in ("terms", "payment_methods", "sales_tax_codes"):
            row |= {"full_name": full_name, "sublevel": full_name.count(":")}
        if parent:
            row |= self.ref("parent", table, parent)
        row |= {"time_created": FOUNDED, "time_modified": FOUNDED, "edit_sequence": "1577869200", **fields}
        self.tables[table].append(row)
        self.by_name[table, full_name] = row
        return row

    def ref(self, prefix: str, table: str, full_name: str) -> Row:
        row = self.by_name[table, full_name]
        return {f"{prefix}_list_id": row["list_id"], f"{prefix}_full_name": full_name}

    def document(self, table: str, customer: str, day: dt.date, number: str | None, **fields: Any) -> Row:
        """Add a transaction."""
        self._transactions += 1
        made = dt.datetime.combine(day, dt.time(10))
        row: Row = {
            "txn_id": f"{self._transactions:X}-{made:%y%m%d}",
            "txn_number": self._transactions,
            **{"time_created": made, "time_modified": made, "edit_sequence": "1577869200"},
            **self.ref("customer", "customers", customer),
            **self.ref("ar_account", "accounts", "Accounts Receivable"),
            **{"txn_date": day, "ref_number": number},
            **fields,
        }
        self.tables[table].append(row)
        return row

    def line(self, txn_id: str, number: int, kind: str, **fields: Any) -> Row:
        self._lines += 1
        row = {"txn_id": txn_id, "line_number": number, "line_kind": kind, **fields}
        return {**row, "txn_line_id": f"{self._lines:X}-1577869200"}


def make_books(chance: random.Random, customers: int, open_invoices: int) -> Books:
    """Return the company file."""
    books = Books()
    _lists(books)
    _items(books, chance)
    _customers(books, customers)
    _receivables(books, chance, open_invoices)
    _balances(books)
    company = {"company_name": "Grown Company Ltd", "closing_date": dt.date(2025, 6, 30), "country": "US"}
    company |= books.ref("default_item_sales_tax", "items", "State Tax")
    company |= books.ref("default_taxable_code", "sales_tax_codes", "Tax")
    company |= books.ref("default_non_taxable_code", "sales_tax_codes", "Non")
    books.tables["company"].append(company)
    return books


def _lists(books: Books) -> None:
    for name, kind, special in (
        ("Accounts Receivable", "AccountsReceivable", None),
        ("Checking", "Bank", None),
        ("Undeposited Funds", "OtherCurrentAsset", "UndepositedFunds"),
        ("Card Clearing", "OtherCurrentAsset", None),
        ("ACH Clearing", "OtherCurrentAsset", None),
        ("PayPal Clearing", "OtherCurrentAsset", None),
        ("Inventory Asset", "OtherCurrentAsset", None),
        ("Equipment", "FixedAsset", None),
        ("Sales", "Income", None),
        ("Discounts Given", "Income", None),
        ("Cost of Goods Sold", "CostOfGoodsSold", None),
        ("Bad Debt", "Expense", None),
    ):
        books.put("accounts", name, account_type=kind, special_account_type=special)
    for name in _CATEGORIES:
        books.put("accounts", f"Sales:{name}", account_type="Income")
    books.put("sales_tax_codes", "Tax", is_taxable=True)
    books.put("sales_tax_codes", "Non", is_taxable=False)
    for name, days in (("Due on receipt", 0), ("Net 15", 15), ("Net 30", 30), ("Net 45", 45)):
        books.put("terms", name, terms_type="Standard", std_due_days=days)
    for name in ("Token", "CreditCard", "ACH", "Paypal", "PaperCheck", "Cash", "Credit"):
        books.put("payment_methods", name)
    books.put("payment_methods", "Barter", is_active=False)


def _items(books: Books, chance: random.Random) -> None:
    def item(kind: str, full_name: str, account: str | None = "Sales", **fields: Any) -> None:
        more = books.ref("income_account", "accounts", account) if account else {}
        taxed = kind in ("Service", "NonInventory", "OtherCharge", "Discount", "Inventory")
        if taxed:
            more |= books.ref("sales_tax_code", "sales_tax_codes", "Non")
        if kind in ("SalesTax", "SalesTaxGroup", "Group", "Subtotal", "Payment"):
            fields["sublevel"] = None
        books.put("items", full_name, item_type=kind, **more, **fields)

    for category in _CATEGORIES:
        item("Service", category, f"Sales:{category}", price=None)
        item("Service", f"{category}:Setup", f"Sales:{category}", price=Decimal("50.00"))
        for product in _PRODUCTS:
            price = Decimal(chance.randrange(500, 20000)) / 100
            item("Service", f"{category}:{category} {product}", f"Sales:{category}", price=price)
            item("Service", f"{category} {product} Yearly", f"Sales:{category}", price=price * 10)
            item("NonInventory", f"{category} {product} Kit", price=price)
        item("Service", f"{category}:{category} Basic:Emergency {category}", f"Sales:{category}")
        item("OtherCharge", f"{category} Fee", price=Decimal("12.00"))
        item("OtherCharge", f"{category} Shipping", price=Decimal("9.00"))
        item("Inventory", f"{category} Box", price=Decimal("250.00"), **_stock(books))
        item("Service", f"{category} Legacy", f"Sales:{category}", is_active=False)
        item("Group", f"{category} Bundle", None)
        item("Discount", f"{category} Discount", "Discounts Given")
    for number in range(1, 21):
        item("Service", f"Retired {number:02}", is_active=False)
        item("OtherCharge", f"Surcharge {number:02}", price=Decimal(number))
    item("OtherCharge", "House Credit", "Discounts Given")
    item("OtherCharge", "Balance Forward")
    item("Subtotal", "Subtotal", None)
    item("Payment", "Deposit Received", None)
    for name, rate in (("State Tax", "8.25"), ("County Tax", "1.5"), ("No Tax", "0")):
        item("SalesTax", name, None, tax_rate=Decimal(rate))
    item("SalesTaxGroup", "City and County", None)
    for category in _CATEGORIES:
        group = books.by_name["items", f"{category} Bundle"]["list_id"]
        for place, product in enumerate(("Basic", "Plus"), start=1):
            member = books.ref("item", "items", f"{category}:{category} {product}")
            row = {"item_group_list_id": group, "line_number": place, "quantity": Decimal(1)}
            books.tables["item_group_lines"].append(row | member)


def _stock(books: Books) -> Row:
    row = books.ref("asset_account", "accounts", "Inventory Asset")
    return row | books.ref("expense_account", "accounts", "Cost of Goods Sold")


def name_of(index: int) -> str:
    """Return a name that no other index has."""
    return f"{_FIRST[index % len(_FIRST)]} {_SECOND[index // len(_FIRST) % len(_SECOND)]}"


def _customers(books: Books, count: int) -> None:
    parents = count // 45  # each with three jobs
    plain = count - 4 * parents
    shares = {NEW: plain // 15, AMBIGUOUS: 6, DECIDED: plain // 20, EXACT: plain // 3}
    kinds = [kind for kind, share in shares.items() for _ in range(share)]
    kinds += [NUMBER] * (plain - len(kinds))
    for index in range(parents):
        number, name = f"BW-{index:05}", f"{name_of(index)} Group"
        books.parties.append(Party(index, number, name, NUMBER, name))
    for index in range(parents):
        above = books.parties[index]
        for site in ("North", "South", "West"):
            at = len(books.parties)
            customer = f"{above.name}:{site} Site"
            name = f"{above.name} {site}"
            books.parties.append(Party(at, f"BW-{at:05}", name, NUMBER, customer, above.number))
    for kind in kinds:
        at = len(books.parties)
        name = name_of(at)
        customer = {NEW: None, DECIDED: f"{name}, Inc."}.get(kind, name)
        books.parties.append(Party(at, f"BW-{at:05}", name, kind, customer))
    for party in books.parties:
        if party.customer:
            known = party.match in (NUMBER, AMBIGUOUS)
            _customer(books, party.customer, party.number if known else None)
        if party.match == AMBIGUOUS:
            _customer(books, f"{party.name} (old)", party.number)
    for index in range(30):
        _customer(books, f"Closed Account {index:02}", None, is_active=False)


def _customer(books: Books, full_name: str, number: str | None, **fields: Any) -> None:
    terms = books.ref("terms", "terms", "Net 30")
    code = books.ref("sales_tax_code", "sales_tax_codes", "Tax")
    tax = books.ref("item_sales_tax", "items", "State Tax")
    more = {"company_name": full_name.partition(":")[0], "account_number": number, "job_status": "None"}
    books.put("customers", full_name, **terms, **code, **tax, **more, **fields)


# --- receivables --------------------------------------------------------------------------------------------


def _receivables(books: Books, chance: random.Random, count: int) -> None:
    matched = [party.customer for party in books.parties if party.customer]
    services = [
        row["full_name"]
        for row in books.tables["items"]
        if row["item_type"] == "Service" and row["is_active"] and row.get("price")
    ]
    first = dt.date(2025, 8, 1)
    for index in range(count + count // 10 + 5):
        owner = str(matched[index * 7 % len(matched)])
        later = index >= count + count // 10  # dated after the cutover: stays out of the carry-forward
        day = CUTOVER + dt.timedelta(days=2) if later else first + dt.timedelta(days=index % 153)
        number = None if index % 75 == 7 else str(30000 + (index - 1 if index % 60 == 9 else index))
        invoice = _invoice(books, chance, owner, day, number, services)
        if later:
            continue
        books.opened[invoice["txn_id"]] = invoice["balance_remaining"]
        if index >= count:  # paid in full, long ago
            _pay(
                books, owner, CUTOVER - dt.timedelta(days=3), [(invoice, invoice["balance_remaining"])], ZERO
            )
        elif index % 8 == 3:
            part = (invoice["balance_remaining"] / 3).quantize(ZERO)
            rest = Decimal("25.00") if index % 40 == 3 else ZERO
            _pay(books, owner, CUTOVER, [(invoice, part)], rest)
        elif index % 120 == 50:  # after the cutover, before the import: to be rolled back
            _pay(books, owner, CUTOVER + dt.timedelta(days=3), [(invoice, Decimal("5.00"))], ZERO)
        elif index % 24 == 12:
            _credit(books, chance, owner, invoice if index % 48 == 12 else None, services)


def _invoice(
    books: Books, chance: random.Random, owner: str, day: dt.date, number: str | None, services: list[str]
) -> Row:
    terms = books.ref("terms", "terms", "Net 30") | {"due_date": day + dt.timedelta(days=30)}
    invoice = books.document("invoices", owner, day, number, **terms, is_paid=False, is_pending=False)
    lines: list[Row] = []
    if len(books.tables["invoices"]) % 50 == 17:
        header = books.line(invoice["txn_id"], 1, "group", **books.ref("item", "items", "Cloud Bundle"))
        lines.append(header | {"quantity": Decimal(1)})
    for _ in range(chance.randrange(1, 4)):
        item, quantity = chance.choice(services), Decimal(chance.randrange(1, 9))
        rate = books.by_name["items", item]["price"]
        line = books.line(invoice["txn_id"], len(lines) + 1, "line", **books.ref("item", "items", item))
        line |= {"quantity": quantity, "rate": rate, "amount": (quantity * rate).quantize(ZERO)}
        if lines and lines[0]["line_kind"] == "group":
            line["group_line_id"] = lines[0]["txn_line_id"]
        lines.append(line)
    total = sum((line.get("amount", ZERO) for line in lines), ZERO)
    books.tables["invoice_lines"] += lines
    invoice |= {"subtotal": total, "sales_tax_total": ZERO, "applied_amount": ZERO}
    invoice["balance_remaining"] = total
    return invoice


def _apply(books: Books, invoice: Row, other: Row, kind: str, amount: Decimal) -> None:
    invoice["applied_amount"] -= amount
    invoice["balance_remaining"] -= amount
    invoice["is_paid"] = invoice["balance_remaining"] == 0
    if other["txn_date"] <= CUTOVER and invoice["txn_id"] in books.opened:
        books.opened[invoice["txn_id"]] -= amount
        if not books.opened[invoice["txn_id"]]:
            del books.opened[invoice["txn_id"]]
    _link(books, "invoices", invoice, other, kind, amount)


def _link(books: Books, table: str, owner: Row, other: Row, kind: str, amount: Decimal) -> None:
    shown = {name: other[name] for name in ("txn_id", "txn_date", "ref_number")}
    row = {"owner_table": f"quickbooks.{table}", "owner_txn_id": owner["txn_id"], "txn_type": kind}
    books.tables["linked_transactions"].append(row | shown | {"link_type": "AMTTYPE", "amount": -amount})


def _pay(books: Books, owner: str, day: dt.date, parts: list[tuple[Row, Decimal]], rest: Decimal) -> None:
    total = sum((amount for _, amount in parts), rest)
    number = str(7000 + len(books.tables["payments"]))
    payment = books.document("payments", owner, day, number, total_amount=total, unused_payment=rest)
    payment |= {"unused_credits": ZERO, **books.ref("payment_method", "payment_methods", "PaperCheck")}
    payment |= books.ref("deposit_to_account", "accounts", "Undeposited Funds")
    if rest:
        books.credits[payment["txn_id"]] = rest
    for invoice, amount in parts:
        _apply(books, invoice, payment, "ReceivePayment", amount)
        row = {"payment_txn_id": payment["txn_id"], "txn_type": "Invoice", "amount": amount}
        row |= {name: invoice[name] for name in ("txn_id", "txn_date", "ref_number", "balance_remaining")}
        books.tables["payment_applications"].append(row)


def _credit(
    books: Books, chance: random.Random, owner: str, invoice: Row | None, services: list[str]
) -> None:
    number = f"CM-{len(books.tables['credit_memos']):03}"
    total = Decimal(chance.randrange(1000, 9000)) / 100
    memo = books.document("credit_memos", owner, dt.date(2025, 12, 15), number, is_pending=False)
    line = books.line(memo["txn_id"], 1, "line", **books.ref("item", "items", services[0]))
    books.tables["credit_memo_lines"].append(line | {"amount": total})
    memo |= {"subtotal": total, "sales_tax_total": ZERO, "total_amount": total, "credit_remaining": total}
    if invoice is not None and invoice["txn_date"] <= memo["txn_date"]:
        used = min(Decimal("6.00"), invoice["balance_remaining"] - 1)
        memo["credit_remaining"] -= used
        _apply(books, invoice, memo, "CreditMemo", used)
        _link(books, "credit_memos", memo, invoice, "Invoice", used)
    books.credits[memo["txn_id"]] = memo["credit_remaining"]


def _balances(books: Books) -> None:
    own: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for table, column, sign in (
        ("invoices", "balance_remaining", 1),
        ("credit_memos", "credit_remaining", -1),
        ("payments", "unused_payment", -1),
    ):
        for row in books.tables[table]:
            own[row["customer_full_name"]] += sign * row[column]
    below: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for name, amount in own.items():
        below[name.partition(":")[0]] += amount
    for row in books.tables["customers"]:
        name = row["full_name"]
        row["balance"] = own.get(name, ZERO)
        row["total_balance"] = row["balance"] if ":" in name else below.get(name, ZERO)
    receivable = books.by_name["accounts", "Accounts Receivable"]
    receivable["balance"] = receivable["total_balance"] = sum(own.values(), ZERO)
