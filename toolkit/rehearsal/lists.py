"""Changes of lists: customers, items, terms, payment methods, and deleting from a list.

Source: PROTOCOL 8.1 (names, levels, references), 8.2 (edit sequences).
"""

from __future__ import annotations

from typing import Any

from toolkit.rehearsal.answers import Outcome
from toolkit.rehearsal.books import (
    REFERENCES,
    Books,
    Record,
    Rejected,
    cannot_save,
    missing_reference,
    not_available,
    not_found,
)
from toolkit.rehearsal.reading import Incoming

LEVELS = 5
FULL_NAME = {"Customer": 209, "Item": 159}
# Posting accounts that an item cannot stand for.
_NO_ITEM_ACCOUNT = ("AccountsReceivable", "AccountsPayable", "NonPosting")
# Elements that exist in QuickBooks and not in the simulated company. OpenBalance is one on purpose: it makes
# an invoice that nobody asked for, and the toolkit never sends it.
_NOT_SIMULATED = (
    "OpenBalance",
    "OpenBalanceDate",
    "BarCode",
    "UnitOfMeasureSetRef",
    "AdditionalNotes",
    "AdditionalNotesMod",
    "Contacts",
    "ContactsMod",
    "CreditCardInfo",
)


def customer_add(books: Books, request: Incoming) -> Outcome:
    """Add a customer or job."""
    values = request.values["CustomerAdd"]
    _refuse_unknown(values)
    fields = _new_element(books, "Customer", "Customer", values, tree=True)
    set_references(books, values, "Customer")
    _check_currency(books, values)
    _default_tax(books, values, "ItemSalesTaxRef", "DefaultItemSalesTaxRef")
    _default_tax(books, values, "SalesTaxCodeRef", "DefaultTaxableSalesTaxCodeRef")
    fields = _with(fields, values)
    fields.setdefault("JobStatus", "None")
    return _added(books, "Customer", Record("CustomerRet", fields))


def customer_mod(books: Books, request: Incoming) -> Outcome:
    """Change a customer; an element that is present but empty clears its field."""
    values = dict(request.values["CustomerMod"])
    record = books.lists["Customer"].get(values.pop("ListID"))
    if record is None:
        raise not_found(request.values["CustomerMod"]["ListID"])
    check_sequence(record, values.pop("EditSequence"))
    _refuse_unknown(values)
    set_references(books, values, "Customer")
    name = (values.pop("Name", record.fields["Name"]) or "").strip()
    parent_ref = values.pop("ParentRef", record.fields.get("ParentRef"))
    parent = _parent(books, "Customer", parent_ref, "Customer")
    if name != record.fields["Name"] or (parent.id if parent else None) != record.ref("ParentRef"):
        full = _checked_name(books, "Customer", "Customer", name, parent)
        if parent is not None and f"{parent.name}:".startswith(f"{record.name}:"):
            raise cannot_save("Customer", "A customer cannot be below itself.")
        if full.casefold() != record.name.casefold() and books.is_taken("Customer", full):
            raise Rejected(3170, "There was an error when modifying a Customer.  Cannot merge list elements.")
        books.rename("Customer", record, name, parent)
    for key, value in values.items():
        if key != "*":
            record.fields[key] = value
    books.touch(record, books.tick())
    return Outcome(records=[record])


def check_sequence(record: Record, sequence: str | None) -> None:
    """Reject a change that was made from an old state (3200)."""
    if sequence != record.fields["EditSequence"]:
        raise Rejected(3200, f'The provided edit sequence "{sequence}" is out-of-date.')


def item_add(books: Books, request: Incoming) -> Outcome:
    """Add a service, non-inventory, other charge or discount item."""
    kind = request.name.removesuffix("Add")
    values = request.values[request.name]
    _refuse_unknown(values)
    fields = _new_element(books, "Item", kind, values, tree=True)
    set_references(books, values, kind)
    for group, tags in (
        ("SalesOrPurchase", ("AccountRef",)),
        ("SalesAndPurchase", ("IncomeAccountRef", "ExpenseAccountRef")),
    ):
        if group in values:
            for tag in tags:
                _check_account(books, values[group].get(tag), tag, kind)
    if kind == "ItemDiscount":
        _check_account(books, values.get("AccountRef"), "AccountRef", kind)
    _default_tax(books, values, "SalesTaxCodeRef", "DefaultTaxableSalesTaxCodeRef")
    return _added(books, "Item", Record(f"{kind}Ret", _with(fields, values)))


def _check_account(books: Books, ref: dict[str, Any] | None, tag: str, kind: str) -> None:
    """Reject an item without its account, or with one that cannot be: QuickBooks asks for it in practice."""
    if not ref:
        raise cannot_save(kind, f"You must specify an account ({tag}).")
    account = books.need(tag, ref, kind)
    if account.fields.get("AccountType") in _NO_ITEM_ACCOUNT:
        raise cannot_save(kind, f"The account {account.name} is of the wrong type.")


def terms_add(books: Books, request: Incoming) -> Outcome:
    """Add standard terms."""
    values = request.values["StandardTermsAdd"]
    fields = _with(_new_element(books, "Terms", "StandardTerms", values, tree=False), values)
    fields.setdefault("StdDueDays", 0)
    return _added(books, "Terms", Record("StandardTermsRet", fields))


def payment_method_add(books: Books, request: Incoming) -> Outcome:
    """Add a payment method."""
    values = request.values["PaymentMethodAdd"]
    fields = _new_element(books, "PaymentMethod", "PaymentMethod", values, tree=False)
    return _added(books, "PaymentMethod", Record("PaymentMethodRet", _with(fields, values)))


def list_del(books: Books, request: Incoming) -> Outcome:
    """Delete a list element that nothing refers to."""
    kind, identifier = request.values["ListDelType"], request.values["ListID"]
    where = _list_of(kind)
    record = books.lists.get(where, {}).get(identifier)
    if record is None or record.kind != kind:
        raise not_found(identifier)
    if is_used(books, where, identifier):
        raise Rejected(
            3160, f'Object "{identifier}" specified in the request cannot be deleted.  It is being used.'
        )
    moment = books.tick()
    books.take(where, record)
    fields = {
        "ListDelType": kind,
        "ListID": identifier,
        "TimeDeleted": moment,
        "FullName": record.name,
    }
    created = {"TimeCreated": record.fields.get("TimeCreated")}
    books.deleted_lists.append(Record("ListDeletedRet", fields | created))
    return Outcome(fields=fields)


def _list_of(kind: str) -> str:
    if kind.startswith("Item"):
        return "Item"
    return "Terms" if kind in ("StandardTerms", "DateDrivenTerms") else kind


def is_used(books: Books, where: str, identifier: str) -> bool:
    """Return whether a list element is referred to by a transaction or another element."""
    if where == "Customer" and any(books.of_customer(identifier)):
        return True
    tags = {tag for tag, into in REFERENCES.items() if into == where}
    for name, elements in books.lists.items():
        own = tags | {"ParentRef"} if name == where else tags
        if any(_mentions(record.fields, own, identifier) for record in elements.values()):
            return True
    return any(_mentions(record.fields, tags, identifier) for record in books.transactions.values())


def _mentions(value: Any, tags: set[str], identifier: str) -> bool:
    if isinstance(value, dict):
        return any(
            (key in tags and isinstance(below, dict) and below.get("ListID") == identifier)
            or _mentions(below, tags, identifier)
            for key, below in value.items()
        )
    if isinstance(value, (list, tuple)):
        return any(_mentions(below, tags, identifier) for below in value)
    return False


# --- what all additions share


def _refuse_unknown(values: dict[str, Any]) -> None:
    if any(key in values for key in _NOT_SIMULATED):
        raise not_available()


def _new_element(
    books: Books, where: str, kind: str, values: dict[str, Any], *, tree: bool
) -> dict[str, Any]:
    """Return the head of a new element, its name checked; changes nothing yet."""
    parent = _parent(books, where, values.get("ParentRef"), kind)
    name = (values.get("Name") or "").strip()
    full = _checked_name(books, where, kind, name, parent)
    if books.is_taken(where, full):
        raise Rejected(3100, f'The name "{name}" of the list element is already in use.')
    fields: dict[str, Any] = {"Name": name, "IsActive": True}
    if tree:
        fields["FullName"] = full
        fields["Sublevel"] = full.count(":")
        fields["ParentRef"] = {"ListID": parent.id} if parent else None
    return fields


def _checked_name(books: Books, where: str, kind: str, name: str, parent: Record | None) -> str:
    """Return the full name that a name would make."""
    if not name:
        raise Rejected(3150, "There is a missing element: Name.")
    if ":" in name:
        raise Rejected(3090, f'The object name "{name}" in the field "Name" is invalid.')
    full = f"{parent.name}:{name}" if parent else name
    if full.count(":") >= LEVELS or len(full) > FULL_NAME.get(where, 159):
        raise cannot_save(kind, f"There are at most {LEVELS} levels.")
    return full


def _parent(books: Books, where: str, ref: dict[str, Any] | None, kind: str) -> Record | None:
    """Return the parent that a reference means; an item's must be of its own kind (unconfirmed)."""
    if not ref or not (ref.get("ListID") or ref.get("FullName")):
        return None
    parent = books.need("ParentRef", ref, kind, where)
    if where == "Item" and parent.kind != kind:
        raise cannot_save(kind, "A subitem must be of the same type as its parent.")
    return parent


def set_references(books: Books, values: dict[str, Any], owner: str) -> None:
    """Check every reference of a request and put the ListID in its place."""
    for tag, ref in list(values.items()):
        if tag in ("ParentRef", "AdditionalContactRef"):
            continue
        if tag.endswith("Ref") and isinstance(ref, dict):
            if not (ref.get("ListID") or ref.get("FullName")):
                values[tag] = None
                continue
            found = books.need(tag, ref, owner)
            if tag == "ItemSalesTaxRef" and found.kind not in ("ItemSalesTax", "ItemSalesTaxGroup"):
                raise missing_reference("ItemSalesTax", found.name, owner)
            values[tag] = {"ListID": found.id, "FullName": found.name}
        elif isinstance(ref, dict):
            set_references(books, ref, owner)


def _default_tax(books: Books, values: dict[str, Any], tag: str, preference: str) -> None:
    """Fill in the company's tax item or code, as QuickBooks does where sales tax is on."""
    default = books.about.get("SalesTaxPreferences", preference)
    if default and not values.get(tag):
        values[tag] = default


def _check_currency(books: Books, values: dict[str, Any]) -> None:
    multi = books.about.get("MultiCurrencyPreferences", "IsMultiCurrencyOn")
    if values.get("CurrencyRef") and not multi:
        raise not_available()
    if multi and not values.get("CurrencyRef"):
        values["CurrencyRef"] = books.about.get("MultiCurrencyPreferences", "HomeCurrencyRef")


def _with(fields: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the head with what else was sent; empty elements are absent in an addition."""
    sent = {key: value for key, value in values.items() if value is not None}
    return {**sent, **fields, "IsActive": values.get("IsActive") is not False}


def _added(books: Books, where: str, record: Record) -> Outcome:
    moment = books.tick()
    record.fields = {**books.head("ListID", books.list_id(moment), moment), **record.fields}
    record.fields.pop("*", None)
    books.put(where, record)
    return Outcome(records=[record])
