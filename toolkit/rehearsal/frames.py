"""Between rows of declared tables and nested qbXML fields, in both directions.

Where a column goes is what its declaration says of where it comes from: the path below the Ret element.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import pandas as pd

from toolkit import qbxml_spec, tables
from toolkit.qbxml_spec import Particle
from toolkit.rehearsal.answers import Show, Writer
from toolkit.rehearsal.books import Books, Record

LISTS = {
    "quickbooks.accounts": ("Account", "AccountRet"),
    "quickbooks.sales_tax_codes": ("SalesTaxCode", "SalesTaxCodeRet"),
    "quickbooks.payment_methods": ("PaymentMethod", "PaymentMethodRet"),
    "quickbooks.classes": ("Class", "ClassRet"),
    "quickbooks.currencies": ("Currency", "CurrencyRet"),
    "quickbooks.terms": ("Terms", ""),
    "quickbooks.items": ("Item", ""),
    "quickbooks.customers": ("Customer", "CustomerRet"),
    "quickbooks.other_names": ("Vendor", ""),
}
DOCUMENTS = {
    "quickbooks.invoices": ("InvoiceRet", "quickbooks.invoice_lines"),
    "quickbooks.credit_memos": ("CreditMemoRet", "quickbooks.credit_memo_lines"),
    "quickbooks.payments": ("ReceivePaymentRet", ""),
}
PARTS = {name: table.rets[0] for name, table in tables.TABLES.items() if table.parent in LISTS}
"""Tables of what stands inside a list element, with its element: a customer's contacts, a group's items."""

_PURCHASE = ("purchase_description", "purchase_cost", "expense_account_list_id")

Row = dict[str, Any]


@cache
def reaches(tag: str, owner: str, path: str) -> bool:
    """Return whether a path exists below a Ret, or below a line element of it."""
    particle: Particle = qbxml_spec.ret(owner)
    for step in ([] if tag == owner else [tag]) + path.split("/"):
        children = {child.name: child for child in qbxml_spec.elements(particle)}
        if step not in children:
            return False
        particle = children[step]
    return True


def nested(table: str, tag: str, row: Row, owner: str = "") -> dict[str, Any]:
    """Return a row as nested qbXML fields."""
    fields: dict[str, Any] = {}
    both_ways = any(row.get(column) is not None for column in _PURCHASE)
    for column in tables.TABLES[table].columns:
        value = row.get(column.name)
        if value is None or not column.source:
            continue
        paths = [path for path in column.source.split("|") if reaches(tag, owner or tag, path)]
        if both_ways:
            paths = [path for path in paths if not path.startswith("SalesOrPurchase/")]
        if paths:
            _place(fields, paths[0].split("/"), value)
    return fields


def _place(fields: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        fields = fields.setdefault(step, {})
    fields[path[-1]] = value


def _flat(books: Books, table: str, fields: dict[str, Any], where: str = "") -> Row:
    """Return nested qbXML fields as a row."""
    row: Row = {}
    for column in tables.TABLES[table].columns:
        for path in column.source.split("|") if column.source else ():
            value = _reached(books, fields, path.split("/"), where)
            if value is not None:
                row[column.name] = value
                break
    return row


def _reached(books: Books, fields: Any, path: list[str], where: str) -> Any:
    for step in path[:-1]:
        fields = fields.get(step) if isinstance(fields, dict) else None
    if not isinstance(fields, dict):
        return None
    if len(path) > 1 and path[-2].endswith("Ref") and path[-1] == "FullName":
        now = books.full_name(path[-2], fields.get("ListID"), where)
        return now or fields.get("FullName")
    return fields.get(path[-1])


def tables_from_books(books: Books, wanted: Collection[str] = ()) -> dict[str, pd.DataFrame]:
    """Return the books as the declared ``quickbooks.*`` tables, all of them or those named."""
    rows: dict[str, list[Row]] = defaultdict(list)
    writer = Writer(books)
    for name, (where, _) in LISTS.items():
        for record in books.lists[where].values():
            row = _flat(books, name, _all_fields(writer, record), where)
            if name == "quickbooks.items":
                row["item_type"] = record.kind.removeprefix("Item")
            elif name == "quickbooks.terms":
                row["terms_type"] = record.kind.removesuffix("Terms")
            elif name == "quickbooks.other_names":
                row["kind"] = record.kind
            rows[name].append(row)
            rows["quickbooks.custom_fields"] += _extras(books, name, record.id, record.fields)
            for part, parts in _part_rows(books, name, record):
                rows[part].append(parts)
    names = {tag: (name, lines) for name, (tag, lines) in DOCUMENTS.items()}
    for record in books.transactions.values():
        name, lines = names[record.tag]
        fields = _all_fields(writer, record)
        rows[name].append(_flat(books, name, fields))
        rows["quickbooks.custom_fields"] += _extras(books, name, record.id, record.fields)
        if lines:
            rows[lines] += _line_rows(books, lines, record)
        for link in record.fields.get("LinkedTxn", ()):
            row = _flat(books, "quickbooks.linked_transactions", link)
            rows["quickbooks.linked_transactions"].append(
                row | {"owner_table": name, "owner_txn_id": record.id}
            )
        for applied in fields.get("AppliedToTxnRet", ()):
            row = _flat(books, "quickbooks.payment_applications", applied)
            rows["quickbooks.payment_applications"].append(row | {"payment_txn_id": record.id})
            own = {"owner_table": name, "owner_txn_id": record.id, "applied_to_txn_id": applied["TxnID"]}
            for link in applied.get("LinkedTxn", ()):
                row = _flat(books, "quickbooks.linked_transactions", link)
                rows["quickbooks.linked_transactions"].append(row | own)
    about = books.about
    rows["quickbooks.company"] = [
        _flat(books, "quickbooks.company", about.host | about.company | about.preferences)
    ]
    declared = wanted or [name for name in tables.TABLES if name.startswith("quickbooks.")]
    return {name: tables.from_rows(name, rows[name]) for name in declared}


def _all_fields(writer: Writer, record: Record) -> dict[str, Any]:
    return {**record.fields, **writer.worked_out(record, Show())}


def _line_rows(books: Books, table: str, record: Record) -> Iterator[Row]:
    number = 0
    for tag, line in record.lines:
        number += 1
        kind = "group" if tag.endswith("GroupRet") else "line"
        if kind == "line" and not line.get("ItemRef") and line.get("Amount") is None:
            kind = "description"
        own = {"txn_id": record.id, "line_number": number, "line_kind": kind}
        yield _flat(books, table, line) | own
        for member in line.get(f"{record.kind}LineRet", ()):
            number += 1
            own = {"txn_id": record.id, "line_number": number, "line_kind": "line"}
            yield _flat(books, table, member) | own | {"group_line_id": line["TxnLineID"]}


def enclosed_by(part: str) -> tuple[str, str, str] | None:
    """Return what may stand around the rows of a part: the column that tells, the element, and its id."""
    for column in tables.TABLES[part].columns:
        if column.enclosing:
            element, _, identifier = column.enclosing.partition("/")
            return column.name, element, identifier
    return None


def _part_rows(books: Books, name: str, record: Record) -> Iterator[tuple[str, Row]]:
    for part, tag in PARTS.items():
        table = tables.TABLES[part]
        if table.parent != name:
            continue
        found: list[tuple[Row, Row]] = [(fields, {}) for fields in record.fields.get(tag, ())]
        if around := enclosed_by(part):
            column, element, identifier = around
            for outer in record.fields.get(element, ()):
                found += [(fields, {column: outer.get(identifier)}) for fields in outer.get(tag, ())]
        for number, (fields, within) in enumerate(found, 1):
            own = {table.parent_key: record.id, **within}
            if "line_number" in table.names:
                own["line_number"] = number
            yield part, _flat(books, part, fields) | own


def _extras(books: Books, table: str, key: str, fields: dict[str, Any]) -> Iterator[Row]:
    for extra in fields.get("DataExtRet", ()):
        row = _flat(books, "quickbooks.custom_fields", extra)
        yield row | {"owner_table": table, "owner_key": key}
