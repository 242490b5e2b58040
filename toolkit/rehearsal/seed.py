"""From declared tables to a company's books, and whether the tables add up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import tables
from toolkit.errors import SeedError
from toolkit.rehearsal.books import REFERENCES, ZERO, Books, Record, remaining, total
from toolkit.rehearsal.frames import DOCUMENTS, LISTS, PARTS, Row, enclosed_by, nested, reaches
from toolkit.rehearsal.reading import VERSIONS

# Lists that no declared table holds: their elements are known from the references to them.
_UNDECLARED = ("Template", "SalesRep", "CustomerType", "Vendor")
_ACCOUNT_TYPES = {
    "ARAccountRef": "AccountsReceivable",
    "DepositToAccountRef": "Bank",
    "DiscountAccountRef": "Expense",
    "ExpenseAccountRef": "Expense",
    "COGSAccountRef": "CostOfGoodsSold",
}
_HOST = {
    "ProductName": "QuickBooks Rehearsal Company",
    "MajorVersion": "24",
    "MinorVersion": "0",
    "Country": "US",
    "SupportedQBXMLVersion": list(VERSIONS),
    "IsAutomaticLogin": False,
    "QBFileMode": "SingleUser",
}
_PREFERENCES: dict[str, dict[str, Any]] = {
    "AccountingPreferences": {
        "IsUsingAccountNumbers": False,
        "IsRequiringAccounts": True,
        "IsUsingClassTracking": False,
        "IsUsingAuditTrail": True,
        "IsAssigningJournalEntryNumbers": True,
    },
    "SalesAndCustomersPreferences": {
        "IsTrackingReimbursedExpensesAsIncome": False,
        "IsAutoApplyingPayments": False,
    },
}


def books_from_tables(
    frames: Mapping[str, pd.DataFrame],
    clock: Callable[[], datetime],
    extra_names: Sequence[str],
    strict: bool,
    utc_offset: timedelta,
) -> Books:
    """Return the books that the ``quickbooks.*`` tables describe; see ``Company.from_tables``.

    Raises
    ------
    SeedError
        The tables do not add up.
    """
    rows: dict[str, list[Row]] = {
        name: [row for row in tables.to_rows(frame) if row.get("left_at") is None]
        for name, frame in frames.items()
        if name.startswith("quickbooks.")
    }
    books = Books(clock, utc_offset)
    books.extra_names = {name.casefold() for name in extra_names}
    _about(books, next(iter(rows.get("quickbooks.company", ())), {}))
    for name, (where, tag) in LISTS.items():
        for row in rows.get(name, ()):
            books.put(where, _element(books, name, tag, row))
    _put_parts(books, rows)
    for name, (tag, lines) in DOCUMENTS.items():
        members = _grouped(rows.get(lines, ()), "txn_id")
        for row in rows.get(name, ()):
            books.post(_document(books, name, tag, row, members.get(row["txn_id"], [])))
    for record in sorted(books.transactions.values(), key=lambda one: (one.fields["TimeCreated"], one.id)):
        record.fields.setdefault("TxnNumber", books.txn_number())
    differences = list(_complete_references(books, strict))
    _link(books, rows)
    _custom_fields(books, rows.get("quickbooks.custom_fields", ()))
    _complete_about(books)
    differences += _differences(books, rows, strict)
    if strict and differences:
        raise SeedError(differences)
    return books


def _grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


# --- in


def _about(books: Books, row: Row) -> None:
    about = books.about
    about.host = _HOST | nested("quickbooks.company", "HostRet", row)
    about.company = {"IsSampleCompany": False, "CompanyName": "Rehearsal company"}
    about.company |= nested("quickbooks.company", "CompanyRet", row)
    about.preferences = nested("quickbooks.company", "PreferencesRet", row)
    for group, defaults in _PREFERENCES.items():
        about.preferences[group] = defaults | about.preferences.get(group, {})


def _complete_about(books: Books) -> None:
    """Complete the sales tax preferences; without a default item sales tax is off, and they are absent."""
    group = books.about.preferences.pop("SalesTaxPreferences", {})
    if not group.get("DefaultItemSalesTaxRef"):
        return
    group.setdefault("PaySalesTax", "Monthly")
    for key, taxable in (
        ("DefaultTaxableSalesTaxCodeRef", True),
        ("DefaultNonTaxableSalesTaxCodeRef", False),
    ):
        codes = books.lists["SalesTaxCode"].values()
        found = [code for code in codes if bool(code.fields.get("IsTaxable")) is taxable]
        if not group.get(key) and found:
            group[key] = {"ListID": found[0].id, "FullName": found[0].name}
    if group.keys() >= {"DefaultTaxableSalesTaxCodeRef", "DefaultNonTaxableSalesTaxCodeRef"}:
        books.about.preferences["SalesTaxPreferences"] = group


def _times(books: Books, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the times and the edit sequence that every record has."""
    modified = fields.get("TimeModified") or fields.get("TimeCreated") or books.clock().replace(microsecond=0)
    fields.setdefault("TimeCreated", modified)
    fields.setdefault("TimeModified", modified)
    fields.setdefault("EditSequence", str(books.unix(modified)))
    return fields


def _element(books: Books, table: str, tag: str, row: Row) -> Record:
    if table == "quickbooks.items":
        tag = f"Item{row['item_type']}Ret"
    elif table == "quickbooks.terms":
        tag = f"{row.get('terms_type') or 'Standard'}TermsRet"
    elif table == "quickbooks.other_names":
        tag = f"{row['kind']}Ret"
    fields = _times(books, nested(table, tag, row))
    fields.setdefault("IsActive", True)
    if reaches(tag, tag, "FullName"):
        fields.setdefault("FullName", fields.get("Name"))
        fields.setdefault("Sublevel", str(fields["FullName"]).count(":"))
    return Record(tag, fields)


def _put_parts(books: Books, rows: dict[str, list[Row]]) -> None:
    """Put contacts and notes into the customers that they belong to, and their items into groups."""
    for name, tag in PARTS.items():
        table = tables.TABLES[name]
        where, _ = LISTS[table.parent]
        for row in sorted(rows.get(name, ()), key=lambda one: one.get("line_number") or 0):
            record = books.lists[where].get(row[table.parent_key])
            into = _holder(name, record, row) if record is not None else None
            if record is not None and into is not None:
                fields = nested(name, tag, row, record.tag)
                dated = reaches(tag, record.tag, "TimeModified")
                into.setdefault(tag, []).append(_times(books, fields) if dated else fields)


def _holder(name: str, record: Record, row: Row) -> dict[str, Any] | None:
    """Return what a part stands in: the record, or a part of it; None where that is not there."""
    column, element, identifier = enclosed_by(name) or ("", "", "")
    if row.get(column) is None:
        return record.fields
    parts = record.fields.get(element, ())
    return next((part for part in parts if part.get(identifier) == row[column]), None)


def _document(books: Books, table: str, tag: str, row: Row, lines: list[Row]) -> Record:
    fields = _times(books, nested(table, tag, row))
    if tag == "ReceivePaymentRet":
        fields["AppliedToTxnRet"] = []
        fields.setdefault("TotalAmount", ZERO)
        fields.setdefault("UnusedPayment", ZERO)
        return Record(tag, fields)
    kind = tag.removesuffix("Ret")
    fields["*"] = _lines(books, kind, sorted(lines, key=lambda line: int(line["line_number"])))
    record = Record(tag, fields)
    added_up = sum((line.get("Amount") or ZERO for line in record.flat_lines()), ZERO)
    fields.setdefault("Subtotal", added_up)
    fields.setdefault("SalesTaxTotal", ZERO)
    if tag == "InvoiceRet":
        fields.setdefault("AppliedAmount", ZERO)
    else:
        fields.setdefault("TotalAmount", total(record))
        fields.setdefault("CreditRemaining", fields["TotalAmount"])
    return record


def _lines(books: Books, kind: str, rows: list[Row]) -> list[tuple[str, dict[str, Any]]]:
    table = "quickbooks.invoice_lines" if kind == "Invoice" else "quickbooks.credit_memo_lines"
    plain, group, owner = f"{kind}LineRet", f"{kind}LineGroupRet", f"{kind}Ret"
    found: list[tuple[str, dict[str, Any]]] = []
    headers: dict[str, dict[str, Any]] = {}
    for row in rows:
        tag = group if row["line_kind"] == "group" else plain
        fields = nested(table, tag, row, owner)
        fields.setdefault("TxnLineID", books.txn_id(books.clock().replace(microsecond=0)))
        header = headers.get(row.get("group_line_id") or "")
        if tag == group:
            fields |= {"IsPrintItemsInGroup": False, "TotalAmount": ZERO, plain: []}
            headers[fields["TxnLineID"]] = fields
        if header is not None and tag == plain:
            header[plain].append(fields)
            header["TotalAmount"] += fields.get("Amount") or ZERO
        else:
            found.append((tag, fields))
    return found


def _link(books: Books, rows: dict[str, list[Row]]) -> None:
    """Put applications and links on the transactions they belong to, on both sides."""
    for row in rows.get("quickbooks.payment_applications", ()):
        payment = books.transactions.get(row["payment_txn_id"])
        if payment is None:
            continue
        fields = nested("quickbooks.payment_applications", "AppliedToTxnRet", row, "ReceivePaymentRet")
        fields.setdefault("TxnType", "Invoice")
        payment.fields["AppliedToTxnRet"].append(fields)
    for row in rows.get("quickbooks.linked_transactions", ()):
        owner = books.transactions.get(row["owner_txn_id"])
        into = owner.fields if owner is not None else None
        if owner is not None and owner.kind == "ReceivePayment":
            told = owner.fields["AppliedToTxnRet"]
            into = next((one for one in told if one["TxnID"] == row["applied_to_txn_id"]), None)
        if into is not None:
            # A link is the same wherever it stands.
            fields = nested("quickbooks.linked_transactions", "LinkedTxn", row, "InvoiceRet")
            into.setdefault("LinkedTxn", []).append(fields)
    for record in list(books.transactions.values()):
        if record.kind == "ReceivePayment":
            for fields in record.fields["AppliedToTxnRet"]:
                amount = (fields.get("Amount") or ZERO) + (fields.get("DiscountAmount") or ZERO)
                _other_side(books, record, fields["TxnID"], amount)
        elif record.kind == "Invoice":
            for fields in record.fields.get("LinkedTxn", ()):
                if fields.get("TxnType") == "CreditMemo":
                    _other_side(books, record, fields["TxnID"], abs(fields.get("Amount") or ZERO))


def _other_side(books: Books, record: Record, identifier: str, amount: Decimal) -> None:
    """Add the link back to a record where the other transaction lacks it."""
    other = books.transactions.get(identifier)
    if other is None:
        return
    links = other.fields.setdefault("LinkedTxn", [])
    if not any(link["TxnID"] == record.id for link in links):
        shown = {key: record.fields.get(key) for key in ("TxnID", "TxnDate", "RefNumber")}
        links.append(shown | {"TxnType": record.kind, "LinkType": "AMTTYPE", "Amount": -amount})


def _custom_fields(books: Books, rows: Iterable[Row]) -> None:
    owners: dict[str, dict[str, Any]] = {}
    for elements in books.lists.values():
        owners |= {record.id: record.fields for record in elements.values()}
    for record in books.transactions.values():
        owners[record.id] = record.fields
        owners |= {line["TxnLineID"]: line for line in record.flat_lines()}
    for row in rows:
        owner = owners.get(row["owner_key"])
        if owner is not None:
            owner.setdefault("DataExtRet", []).append(
                {
                    "OwnerID": row.get("owner_id") or "0",
                    "DataExtName": row.get("name"),
                    "DataExtType": row.get("type") or "STR255TYPE",
                    "DataExtValue": row.get("value") or "",
                }
            )


def _complete_references(books: Books, strict: bool) -> Iterator[str]:
    """Give every reference its ListID; yield those into a declared list that lacks the element."""
    for where, elements in list(books.lists.items()):
        for record in list(elements.values()):
            yield from _completed(books, record, record.fields, where, strict)
    for record in list(books.transactions.values()):
        yield from _completed(books, record, record.fields, "", strict)
    yield from _completed(
        books, Record("PreferencesRet", {"ListID": "preferences"}), books.about.preferences, "", strict
    )


def _completed(
    books: Books, owner: Record, fields: dict[str, Any], where: str, strict: bool
) -> Iterator[str]:
    for tag, value in fields.items():
        if tag == "*" or (isinstance(value, list) and tag.endswith("LineRet")):
            for line in [line for _, line in value] if tag == "*" else value:
                yield from _completed(books, owner, line, where, strict)
        elif isinstance(value, dict) and tag.endswith("Ref"):
            into = where if tag == "ParentRef" else REFERENCES.get(tag, "")
            found = books.find(into, value) if into else None
            if found is None and into:
                if strict and into not in _UNDECLARED:
                    named = value.get("FullName") or value.get("ListID")
                    yield f"{owner.kind} {owner.id}: {tag} {named} is not in its table"
                    continue
                found = _placeholder(books, into, tag, value)
            if found is not None:
                value |= {"ListID": found.id, "FullName": found.name}
        elif isinstance(value, dict):
            yield from _completed(books, owner, value, where, strict)


def _placeholder(books: Books, where: str, tag: str, ref: dict[str, Any]) -> Record:
    """Return an element known only from a reference to it."""
    name = str(ref.get("FullName") or ref["ListID"])
    moment = books.clock().replace(microsecond=0)
    fields = books.head("ListID", ref.get("ListID") or books.list_id(moment), moment)
    fields |= {"Name": name.rpartition(":")[2], "FullName": name, "IsActive": True, "Sublevel": 0}
    if where == "Account":
        fields["AccountType"] = _ACCOUNT_TYPES.get(tag, "Income")
    elif where == "SalesTaxCode":
        fields["IsTaxable"] = name == "Tax"
    tags = {"Item": "ItemServiceRet", "Terms": "StandardTermsRet"}
    record = Record(tags.get(where, f"{where}Ret"), fields)
    books.put(where, record)
    return record


# --- does it add up


def _differences(books: Books, rows: dict[str, list[Row]], strict: bool) -> Iterator[str]:
    """Yield where the tables contradict themselves; without ``strict`` keep unexplained balances."""
    for row in rows.get("quickbooks.invoices", ()):
        record = books.transactions[row["txn_id"]]
        yield from _differs(record, "balance_remaining", row, remaining(record))
        yield from _subtotal_differs(record)
    for row in rows.get("quickbooks.credit_memos", ()):
        record = books.transactions[row["txn_id"]]
        yield from _differs(record, "total_amount", row, total(record))
        yield from _subtotal_differs(record)
    for row in rows.get("quickbooks.payments", ()):
        record = books.transactions[row["txn_id"]]
        used = sum((one.get("Amount") or ZERO for one in record.fields["AppliedToTxnRet"]), ZERO)
        yield from _differs(record, "unused_payment", row, total(record) - used)
    for row in rows.get("quickbooks.customers", ()):
        record = books.lists["Customer"][row["list_id"]]
        yield from _differs(record, "balance", row, books.balance(record))
        if not strict and row.get("balance") is not None:
            record.opening = row["balance"] - books.balance(record)
    for row in rows.get("quickbooks.customers", ()):
        record = books.lists["Customer"][row["list_id"]]
        yield from _differs(record, "total_balance", row, books.total_balance(record))


def _differs(record: Record, column: str, row: Row, should: Decimal) -> Iterator[str]:
    says = row.get(column)
    if says is not None and says != should:
        known = record.fields.get("RefNumber") or record.fields.get("FullName") or ""
        yield f"{record.kind} {record.id} ({known}): {column} is {says}, should be {should}"


def _subtotal_differs(record: Record) -> Iterator[str]:
    added_up = sum((line.get("Amount") or ZERO for line in record.flat_lines()), ZERO)
    if record.lines and added_up != record.fields["Subtotal"]:
        yield (
            f"{record.kind} {record.id} ({record.fields.get('RefNumber') or ''}): "
            f"subtotal is {record.fields['Subtotal']}, its lines add up to {added_up}"
        )
