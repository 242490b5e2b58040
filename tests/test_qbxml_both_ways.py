"""What we write as an Add comes back as a Ret: the values in the columns are those that were sent.

The Ret is made from the Add by the spec alone: the elements that both have, with their values, in the order
of the Ret; what only the Ret has is there where it is required.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from lxml import etree
from qbxml_draws import requests

from toolkit import qbxml_spec
from toolkit.qbxml_io import Batch, Request, parse
from toolkit.qbxml_spec import Particle
from toolkit.qbxml_values import write_value
from toolkit.tables import TABLES

KINDS = {
    "CustomerAdd": "quickbooks.customers",
    "ItemServiceAdd": "quickbooks.items",
    "ItemNonInventoryAdd": "quickbooks.items",
    "ItemOtherChargeAdd": "quickbooks.items",
    "ItemDiscountAdd": "quickbooks.items",
    "InvoiceAdd": "quickbooks.invoices",
    "CreditMemoAdd": "quickbooks.credit_memos",
    "SalesReceiptAdd": "quickbooks.sales_receipts",
    "ReceivePaymentAdd": "quickbooks.payments",
    "StandardTermsAdd": "quickbooks.terms",
    "PaymentMethodAdd": "quickbooks.payment_methods",
    "SalesTaxCodeAdd": "quickbooks.sales_tax_codes",
}
LINES = {
    "InvoiceAdd": ("InvoiceLineAdd", "quickbooks.invoice_lines"),
    "CreditMemoAdd": ("CreditMemoLineAdd", "quickbooks.credit_memo_lines"),
    "SalesReceiptAdd": ("SalesReceiptLineAdd", "quickbooks.sales_receipt_lines"),
}
KEYS = ("ListID", "TxnID", "TxnLineID")  # the schema can do without; QuickBooks always sends them
REQUIRED: dict[str, str] = {"BOOLTYPE": "false", "INTTYPE": "1", "AMTTYPE": "0.00", "DATETYPE": "2026-01-01"}


def pairs_of(fields: Any) -> list[tuple[str, Any]]:
    """Return the elements of an aggregate one by one, however it is given."""
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    found = []
    for name, value in pairs:
        many = value if isinstance(value, list) and not (value and isinstance(value[0], tuple)) else [value]
        found += [(name, one) for one in many]
    return found


def ret(particle: Particle, fields: Any, count: Iterator[int]) -> etree._Element:
    """Return the element of an answer that holds what was sent."""
    element = etree.Element(str(particle.name))
    given = pairs_of(fields)
    below = {str(child.name): child for child in qbxml_spec.elements(particle)}
    lines = [name for name in below if name.endswith(("LineRet", "LineGroupRet"))]
    keys = KEYS if str(particle.name).endswith("Ret") else ()
    for name, child in below.items():
        if name in lines[1:]:
            continue  # with the first of them, in the order of the document
        together = lines if name in lines else [name]
        sent = [(as_ret(key), value) for key, value in given if as_ret(key) in together]
        if not sent and name not in lines and (name in keys or (child in particle.children and child.min)):
            sent = [(name, None)]
        for key, value in sent:
            element.append(one(below[key], value, count))
    return element


def as_ret(name: str) -> str:
    return name.removesuffix("Add") + "Ret" if name.endswith(("LineAdd", "LineGroupAdd", "TxnAdd")) else name


def one(particle: Particle, value: Any, count: Iterator[int]) -> etree._Element:
    if particle.type == "aggregate":
        return ret(particle, value or {}, count)
    element = etree.Element(str(particle.name))
    if value is None:
        kind = str(particle.type)
        element.text = f"80-{next(count)}" if kind == "IDTYPE" else REQUIRED.get(kind, "2026-01-01T00:00:00")
    else:
        element.text = write_value(particle, value)
    return element


def at(fields: Any, path: str) -> list[Any]:
    """Return the values at the end of a path."""
    found = [fields]
    for name in path.split("/"):
        found = [value for each in found for key, value in pairs_of(each) if as_ret(key) == name]
    return found


def check(table: str, row: dict[str, Any], fields: Any) -> int:
    """Hold each column that was sent against its value; return how many there were."""
    seen = 0
    for column in TABLES[table].columns:
        sent = [value for path in column.source.split("|") if path for value in at(fields, path)]
        if sent:
            assert row[column.name] == kept(sent[0], column.type), (table, column.name)
            seen += 1
    return seen


def kept(value: Any, kind: Any) -> Any:
    """Return a value as a column has it."""
    if isinstance(value, str) and not value.strip():  # blanks are nothing
        return None
    if isinstance(value, str) and str(kind).startswith("date"):  # with an offset, which is dropped
        return date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date) and str(kind).startswith("timestamp"):
        return datetime(value.year, value.month, value.day)
    return value


def answer(request: Request, count: Iterator[int]) -> bytes:
    tag = request.name.removesuffix("Add")
    root = etree.Element("QBXML")
    messages = etree.SubElement(root, "QBXMLMsgsRs")
    response = etree.SubElement(messages, f"{request.name}Rs", statusCode="0", statusSeverity="Info")
    response.append(ret(qbxml_spec.ret(f"{tag}Ret"), request.fields, count))
    document: bytes = etree.tostring(root)
    return document


steady = settings(
    derandomize=True,
    deadline=None,
    max_examples=10,
    phases=[Phase.generate],  # to shrink documents of this size takes minutes
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("name", KINDS)
def test_what_was_sent_stands_in_the_columns(name: str) -> None:
    seen: list[int] = []

    @given(requests(name, least=False))
    @steady
    def hold(request: Request) -> None:
        rows: dict[str, list[dict[str, Any]]] = {}
        for event in parse(io.BytesIO(answer(request, iter(range(1, 10_000))))):
            if isinstance(event, Batch):
                rows.setdefault(event.table, []).extend(event.rows.to_pylist())
        (row,) = rows[KINDS[name]]
        seen.append(check(KINDS[name], row, request.fields))
        element, table = LINES.get(name, ("", ""))
        every = [each for each in rows.get(table, []) if each["line_kind"] != "group"]
        found = [each for each in every if not each["group_line_id"]]
        sent = [value for key, value in pairs_of(request.fields) if key == element]
        for line, fields in zip(found, sent, strict=True):
            seen.append(check(table, line, fields))

    hold()
    assert sum(seen) >= 20, "there must be something to compare"


def test_amounts_come_back_to_the_cent() -> None:
    line = {"ItemRef": {"ListID": "80-2"}, "Quantity": Decimal("2.5"), "Amount": Decimal("-9999999999999.99")}
    request = Request("InvoiceAdd", {"CustomerRef": {"FullName": "Søn"}, "InvoiceLineAdd": [line]})
    rows = [e.rows for e in parse(io.BytesIO(answer(request, iter(range(1, 99))))) if isinstance(e, Batch)]
    amounts = [row["amount"] for batch in rows for row in batch.to_pylist() if "amount" in row]
    assert amounts == [Decimal("-9999999999999.99")]
