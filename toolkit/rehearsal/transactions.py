"""Changes of transactions: invoices and credit memos; voiding and deleting.

Source: PROTOCOL 8.4. What it marks as unconfirmed is marked here too; it is kept in few places, to be changed
when a real company file tells more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from toolkit.rehearsal.answers import Outcome
from toolkit.rehearsal.books import (
    ZERO,
    Books,
    Record,
    Rejected,
    cannot_save,
    cents,
    not_available,
    not_found,
    remaining,
)
from toolkit.rehearsal.lists import set_references
from toolkit.rehearsal.posting import (
    apply,
    check_closed,
    check_free,
    checked_credits,
    pay_too_much,
    receivable,
    release,
    set_currency,
)
from toolkit.rehearsal.reading import Incoming

TAX_ITEM_LINE_COUNTS_AS_ORDINARY = True
"""Whether a line of a sales tax item with an amount is accepted and counts into the subtotal (unconfirmed).

The toolkit's default tax mode rests on it; False makes such a line a 3280.
"""

MOST = Decimal(10) ** 13
_NOT_SIMULATED = ("LinkToTxnID", "DiscountLineAdd", "SalesTaxLineAdd", "ShippingLineAdd", "IsTaxIncluded")
_NOT_ON_LINES = ("DataExt", "LinkToTxn", "PriceLevelRef", "InventorySiteRef", "InventorySiteLocationRef")
_NO_LINE_ITEMS = ("ItemGroup", "ItemSalesTaxGroup")


def document_add(books: Books, request: Incoming) -> Outcome:
    """Add an invoice or a credit memo."""
    kind = request.name.removesuffix("Add")
    values = request.values[request.name]
    credits = values.pop("SetCredit", [])
    lines = [pair for pair in values.pop("*", []) if pair[0].endswith(("LineAdd", "LineGroupAdd"))]
    values.pop(f"{kind}LineAdd", None)
    if any(key in values for key in _NOT_SIMULATED) or any(tag.endswith("GroupAdd") for tag, _ in lines):
        raise not_available()
    set_references(books, values, kind)
    customer = _customer(books, values, kind)
    fields: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    fields["ARAccountRef"] = receivable(books, fields.get("ARAccountRef"), kind, customer)
    _dates(books, fields, customer)
    _defaults(books, fields, customer, kind)
    fields["*"] = [(f"{kind}LineRet", line) for line in _lines(books, [line for _, line in lines], kind)]
    _totals(books, fields, customer, kind)
    return _posted(books, Record(f"{kind}Ret", fields), credits)


def _posted(books: Books, record: Record, credits: list[dict[str, Any]]) -> Outcome:
    wanted = checked_credits(books, record, credits, {})
    if sum((amount for _, amount in wanted), ZERO) > remaining(record):
        raise pay_too_much()
    moment = books.tick()
    record.fields = {**books.head("TxnID", books.txn_id(moment), moment), **record.fields}
    record.fields["TxnNumber"] = books.txn_number()
    for _, line in record.lines:
        line["TxnLineID"] = books.txn_id(moment)
    books.post(record)
    for source, amount in wanted:
        apply(books, source, record, amount, moment)
    return Outcome(records=[record])


def _customer(books: Books, values: dict[str, Any], kind: str) -> Record:
    if not values.get("CustomerRef"):
        raise Rejected(3150, "There is a missing element: CustomerRef.")
    return books.need("CustomerRef", values["CustomerRef"], kind)


def _dates(books: Books, fields: dict[str, Any], customer: Record) -> None:
    """Fill in date, terms and due date; reject a date in the closed period (3171)."""
    day = fields.setdefault("TxnDate", books.today())
    check_closed(books, day, 3171)
    if not fields.get("TermsRef") and customer.fields.get("TermsRef"):
        fields["TermsRef"] = customer.fields["TermsRef"]
    terms = books.find("Terms", fields.get("TermsRef"))
    days = int(terms.fields.get("StdDueDays") or 0) if terms else 0
    fields.setdefault("DueDate", day + timedelta(days=days))


def _defaults(books: Books, fields: dict[str, Any], customer: Record, kind: str) -> None:
    for key in ("BillAddress", "ShipAddress"):
        if not fields.get(key) and customer.fields.get(key):
            fields[key] = customer.fields[key]
    if "RefNumber" not in fields:
        fields["RefNumber"] = _next_number(books, kind)
    fields.setdefault("IsPending", False)
    fields.setdefault("IsToBePrinted", True)
    fields.setdefault("IsToBeEmailed", False)
    set_currency(books, fields, customer)


def _next_number(books: Books, kind: str) -> str:
    """Return the next free number: one more than the largest that is all digits."""
    numbers = [
        int(str(record.fields.get("RefNumber")))
        for record in books.transactions.values()
        if record.kind == kind and str(record.fields.get("RefNumber") or "").isdigit()
    ]
    return str(max(numbers, default=0) + 1)


# --- lines


def _lines(books: Books, sent: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for values in sent:
        if any(key in values for key in _NOT_ON_LINES):
            raise not_available()
        set_references(books, values, kind)
        values.pop("*", None)
        line = {key: value for key, value in values.items() if value is not None}
        item = books.find("Item", line.get("ItemRef"))
        if item is None:
            if line.keys() & {"Quantity", "Rate", "RatePercent", "Amount"}:
                raise Rejected(3150, "There is a missing element: ItemRef.")
        else:
            _check_item(item, line)
            _amount(books, item, line, lines)
        lines.append(line)
    return lines


def _check_item(item: Record, line: dict[str, Any]) -> None:
    if item.kind in _NO_LINE_ITEMS or (item.kind == "ItemSalesTax" and not TAX_ITEM_LINE_COUNTS_AS_ORDINARY):
        raise Rejected(3280, f'The item "{item.name}" is of a type that cannot be used here ({item.kind}).')
    if item.kind in ("ItemDiscount", "ItemSubtotal") and line.get("Quantity") is not None:
        raise Rejected(3151, f'The element "Quantity" is not allowed with the item "{item.name}".')


def _amount(books: Books, item: Record, line: dict[str, Any], above: list[dict[str, Any]]) -> None:
    """Work out amount and rate of a line from what was sent.

    Notes
    -----
    Amount is the fact: a rate beside it is ignored. Without both a quantity and a price stand in; a percent
    is of the line above. A discount's amount keeps the sign it was sent with (unconfirmed).
    """
    quantity, rate, amount = (line.get(key) for key in ("Quantity", "Rate", "Amount"))
    if item.kind == "ItemSubtotal":
        line["Amount"] = _subtotal(books, above)
        return
    percent = line.get("RatePercent")
    if amount is None and rate is None and percent is None:
        percent = _percent(item)
    if amount is None and percent is not None:
        line["RatePercent"] = percent
        amount = cents(Decimal(above[-1].get("Amount") or 0) * percent / 100 if above else ZERO)
        line["Amount"] = -abs(amount) if item.kind == "ItemDiscount" else amount
        return
    line.pop("RatePercent", None)
    if amount is not None:
        line["Amount"] = cents(amount)
        if quantity != 0:
            line["Rate"] = (amount / (quantity or 1)).quantize(Decimal("0.00001"))
        return
    if rate is None:
        rate = _price(item)
        if quantity is None and item.kind != "ItemDiscount":
            line["Quantity"] = Decimal(1)
    line["Rate"] = rate
    line["Amount"] = cents(rate * (1 if quantity is None else quantity))
    if abs(line["Amount"]) >= MOST:
        raise Rejected(3101, "The amount that results is too large.")


def _subtotal(books: Books, above: list[dict[str, Any]]) -> Decimal:
    """Return the sum of the lines above, back to the subtotal before (unconfirmed)."""
    found = ZERO
    for line in reversed(above):
        if _is_subtotal(books, line):
            break
        found += line.get("Amount") or ZERO
    return found


def _price(item: Record) -> Decimal:
    places = (("SalesOrPurchase", "Price"), ("SalesAndPurchase", "SalesPrice"))
    prices = [(item.fields.get(group) or {}).get(key) for group, key in places]
    prices += [item.fields.get("SalesPrice"), item.fields.get("DiscountRate")]
    return next((Decimal(price) for price in prices if price is not None), ZERO)


def _percent(item: Record) -> Decimal | None:
    percent: Decimal | None = (item.fields.get("SalesOrPurchase") or {}).get("PricePercent")
    return item.fields.get("DiscountRatePercent") if percent is None else percent


# --- totals and tax


def _totals(books: Books, fields: dict[str, Any], customer: Record, kind: str) -> None:
    """Work out subtotal, tax and what is open.

    Notes
    -----
    Tax is the rate of the header's tax item times the taxable lines, rounded once (unconfirmed). The code of
    a line counts, else the document's customer code, else the customer's own, else the item's.
    """
    counted = [line for _, line in fields["*"] if not _is_subtotal(books, line)]
    subtotal = sum((line.get("Amount") or ZERO for line in counted), ZERO)
    rate = _tax_rate(books, fields, customer)
    taxable = sum(
        (line.get("Amount") or ZERO for line in counted if _is_taxable(books, line, fields, customer)), ZERO
    )
    fields["Subtotal"] = subtotal
    fields["SalesTaxPercentage"] = rate
    fields["SalesTaxTotal"] = cents(taxable * rate / 100)
    whole = subtotal + fields["SalesTaxTotal"]
    if whole < 0:
        raise cannot_save(kind, "The total of the transaction cannot be negative.")
    if whole >= MOST:
        raise Rejected(3101, "The amount that results is too large.")
    if kind == "Invoice":
        fields["AppliedAmount"] = ZERO
    else:
        fields["TotalAmount"] = fields["CreditRemaining"] = whole


def _is_subtotal(books: Books, line: dict[str, Any]) -> bool:
    item = books.find("Item", line.get("ItemRef"))
    return item is not None and item.kind == "ItemSubtotal"


def _tax_rate(books: Books, fields: dict[str, Any], customer: Record) -> Decimal:
    if not books.about.preferences.get("SalesTaxPreferences"):
        fields.pop("ItemSalesTaxRef", None)
        return ZERO
    if not fields.get("ItemSalesTaxRef"):
        default = books.about.get("SalesTaxPreferences", "DefaultItemSalesTaxRef")
        fields["ItemSalesTaxRef"] = customer.fields.get("ItemSalesTaxRef") or default
    item = books.find("Item", fields["ItemSalesTaxRef"])
    return _rate_of(books, item) if item else ZERO


def _rate_of(books: Books, item: Record) -> Decimal:
    """Return the rate of a sales tax item, or of the members of a sales tax group together."""
    if item.kind != "ItemSalesTaxGroup":
        return Decimal(item.fields.get("TaxRate") or 0)
    members = (books.find("Item", part) for part in item.fields.get("ItemSalesTaxRef") or ())
    return sum((_rate_of(books, member) for member in members if member), Decimal(0))


def _is_taxable(books: Books, line: dict[str, Any], fields: dict[str, Any], customer: Record) -> bool:
    item = books.find("Item", line.get("ItemRef"))
    codes = (
        line.get("SalesTaxCodeRef"),
        fields.get("CustomerSalesTaxCodeRef"),
        customer.fields.get("SalesTaxCodeRef"),
        item.fields.get("SalesTaxCodeRef") if item else None,
    )
    code = books.find("SalesTaxCode", next((code for code in codes if code), None))
    return bool(code and code.fields.get("IsTaxable"))


# --- voiding and deleting


def txn_void(books: Books, request: Incoming) -> Outcome:
    """Set the amounts of an invoice or credit memo to zero; what was applied to it becomes unused again."""
    record = _existing(books, request.values["TxnVoidType"], request.values["TxnID"])
    check_closed(books, record.fields["TxnDate"], 3171)
    check_free(books, record, 3185)
    moment = books.tick()
    release(books, record, moment)
    for line in (*(line for _, line in record.lines), *record.flat_lines()):
        line |= {key: ZERO for key in ("Amount", "Rate", "TotalAmount") if line.get(key) is not None}
    zero = ("Subtotal", "SalesTaxTotal", "AppliedAmount", "TotalAmount", "CreditRemaining")
    record.fields |= {key: ZERO for key in zero if key in record.fields}
    record.fields["Memo"] = f"VOID: {record.fields.get('Memo') or ''}".strip()[:4095]
    books.touch(record, moment)
    shown = ("TxnID", "TimeCreated", "TimeModified", "RefNumber")
    return Outcome(fields={"TxnVoidType": record.kind} | {key: record.fields.get(key) for key in shown})


def txn_del(books: Books, request: Incoming) -> Outcome:
    """Delete a transaction; what it was applied to is open again."""
    record = _existing(books, request.values["TxnDelType"], request.values["TxnID"])
    check_closed(books, record.fields["TxnDate"], 3161)
    check_free(books, record, 3160)
    moment = books.tick()
    release(books, record, moment)
    books.remove(record)
    fields = {
        "TxnDelType": record.kind,
        "TxnID": record.id,
        "TimeDeleted": moment,
        "RefNumber": record.fields.get("RefNumber"),
    }
    created: dict[str, datetime | None] = {"TimeCreated": record.fields.get("TimeCreated")}
    books.deleted_transactions.append(Record("TxnDeletedRet", fields | created))
    return Outcome(fields=fields)


def _existing(books: Books, kind: str, identifier: str) -> Record:
    record = books.transactions.get(identifier)
    if record is None or record.kind != kind:
        raise not_found(identifier)
    return record
