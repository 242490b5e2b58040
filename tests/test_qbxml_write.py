"""Writing qbXML: the documents themselves, the schema, and every way a value can fail to fit."""

from __future__ import annotations

import enum
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from toolkit import qbxml_encoders, qbxml_spec
from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_io import FieldProblem, Request, build, field_problems
from toolkit.qbxml_spec import Particle
from toolkit.qbxml_writers import LONGEST_REFERENCE, LONGEST_ROW, writer

GOLDEN = Path(__file__).parent / "golden_qbxml"

CUSTOMER = Request(
    "CustomerAdd",
    {
        "ExternalGUID": "{5e0ca24b-2a9f-5b3c-8a6e-0d1c6a2f9b11}",
        "Notes": "first line\nsecond line",
        "CreditLimit": 1500,
        "BillAddress": {"City": "Cork", "Addr1": '1 "High" Street', "Addr2": None},
        "ShipAddress": {"Addr1": None, "City": None},
        "Phone": "021 555 01 00",
        "CompanyName": "O'Brien <Holding>",
        "ParentRef": {"ListID": "80000001-1408037988"},
        "IsActive": True,
        "Name": "O'Brien & Søn – 5 €",
        "JobDesc": None,
    },
    request_id="customer:00123",
)
INVOICE = Request(
    "InvoiceAdd",
    {
        "InvoiceLineAdd": [
            {
                "Amount": Decimal("0.83"),
                "Rate": Decimal("0.33333"),
                "Quantity": Decimal("2.50000"),
                "Desc": "January",
                "ItemRef": {"FullName": "Hosting:Basic"},
            },
            {
                "ItemRef": {"FullName": "Discount"},
                "ServiceDate": date(2026, 1, 15),
                "Amount": Decimal("-1E+3"),
            },
        ],
        "IncludeRetElement": ["TxnID", "EditSequence"],
        "CustomerRef": {"FullName": "Acme, Inc.:Roof"},
        "ARAccountRef": {"FullName": "Accounts Receivable"},
        "TxnDate": date(2026, 1, 31),
        "DueDate": "2026-03-02",
        "RefNumber": "2026-000123",
        "IsPending": False,
        "IsToBePrinted": False,
        "IsToBeEmailed": "false",
        "ItemSalesTaxRef": {"FullName": "No tax"},
        "CustomerSalesTaxCodeRef": {"FullName": "Non"},
        "ExchangeRate": Decimal("1.083700000000"),
        "Memo": "INV-2026-000123 [bb:invoice:INV-2026-000123]",
    },
    request_id="invoice:INV-2026-000123",
)
PAYMENT = Request(
    "ReceivePaymentAdd",
    {
        "AppliedToTxnAdd": {"PaymentAmount": "12.30", "TxnID": "1A2B-1408037988"},
        "TotalAmount": Decimal("12.3"),
        "TxnDate": date(2026, 2, 3),
        "CustomerRef": {"ListID": "80000001-1408037988"},
    },
    request_id="payment:P-7",
)
DELETE = Request("TxnDel", {"TxnID": "1A2B-1408037989", "TxnDelType": "ReceivePayment"}, request_id="3")
QUERIES = [
    Request(
        "InvoiceQuery",
        {
            "OwnerID": "0",
            "IncludeLineItems": True,
            "IncludeLinkedTxns": True,
            "PaidStatus": "NotPaidOnly",
            "TxnDateRangeFilter": {"FromTxnDate": date(2000, 1, 1), "ToTxnDate": date(2026, 1, 31)},
            "MaxReturned": 100,
        },
        request_id="J1Q2P1",
        iterator="Start",
        metadata="MetaDataAndResponseData",
    ),
    Request(
        "CustomerQuery",
        {
            "MaxReturned": 50,
            "ActiveStatus": "All",
            "FromModifiedDate": datetime(2026, 1, 5, 9, 30),
            "ToModifiedDate": date(2026, 2, 1),
        },
        request_id="J1Q3P2",
        iterator="Continue",
        iterator_id="{10c05cbd-b25b-4a85-8aa0-8bce89e6e900}",
    ),
    Request("AccountQuery", {"ListID": ["80-1", "80-2"]}),
    Request("HostQuery", {}, request_id="5"),
]


def normal(document: bytes) -> bytes:
    """Return a document without its layout: blanks between elements do not count, all else does."""
    parser = etree.XMLParser(remove_blank_text=True)
    return etree.tostring(
        etree.fromstring(document, parser).getroottree(), method="c14n2", with_comments=True
    )


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("customer_add", build([CUSTOMER], new_message_set_id="A1B2C3D4E5F6A7B8C9D0")),
        (
            "invoice_and_payment",
            build(
                [INVOICE, PAYMENT, DELETE],
                on_error="stopOnError",
                new_message_set_id="B0000000000000000002",
                old_message_set_id="A1B2C3D4E5F6A7B8C9D0",
            ),
        ),
        ("queries", build(QUERIES, version="8.0")),
    ],
)
def test_a_document_is_the_golden_one(name: str, document: bytes) -> None:
    assert normal(document) == normal((GOLDEN / f"{name}.xml").read_bytes())


def test_a_document_is_ascii_with_its_prolog() -> None:
    document = build([CUSTOMER])
    assert document.isascii()
    assert document.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="13.0"?>\n<QBXML>')


def test_the_same_requests_give_the_same_bytes() -> None:
    assert build([CUSTOMER, INVOICE, PAYMENT]) == build([CUSTOMER, INVOICE, PAYMENT])


def test_a_set_may_be_empty_to_ask_for_or_clear_a_state() -> None:
    document = etree.fromstring(build([], new_message_set_id="A1", old_message_set_id="A1"))
    assert dict(document[0].attrib) == {
        "onError": "continueOnError",
        "newMessageSetID": "A1",
        "oldMessageSetID": "A1",
    }
    assert b'oldMessageSetID="CLR-ALL-MSG-SETS"' in build([], old_message_set_id="CLR-ALL-MSG-SETS")


def test_none_leaves_out_and_an_empty_value_clears() -> None:
    fields = {"ListID": "80-1", "EditSequence": "1", "Phone": None, "Fax": "", "TermsRef": {}}
    document = etree.fromstring(build([Request("CustomerMod", fields | {"ClassRef": {"ListID": None}})]))
    assert [child.tag for child in document[0][0][0]] == ["ListID", "EditSequence", "Fax", "TermsRef"]


def test_lines_stand_before_groups() -> None:
    fields = {
        "CustomerRef": {"ListID": "80-1"},
        "InvoiceLineGroupAdd": {"ItemGroupRef": {"ListID": "80-9"}},
        "InvoiceLineAdd": [{"ItemRef": {"ListID": "80-2"}}, {"Desc": "a note"}],
    }
    document = etree.fromstring(build([Request("InvoiceAdd", fields)]))
    tags = [child.tag for child in document[0][0][0]]
    assert tags == ["CustomerRef", "InvoiceLineAdd", "InvoiceLineAdd", "InvoiceLineGroupAdd"]


# --- every request of the spec ------------------------------------------------------------------------------

SAMPLES: dict[str | None, Any] = {
    "AMTTYPE": Decimal("-1234567.89"),
    "PRICETYPE": Decimal("0.00001"),
    "QUANTYPE": Decimal("12345.5"),
    "PERCENTTYPE": Decimal("7.5"),
    "FLOATTYPE": Decimal("1.123456789012"),
    "INTTYPE": 3,
    "BOOLTYPE": True,
    "DATETYPE": date(2026, 2, 28),
    "DATETIMETYPE": datetime(2026, 2, 28, 23, 59, 59),
    "GUIDTYPE": "{5e0ca24b-2a9f-5b3c-8a6e-0d1c6a2f9b11}",
    "IDTYPE": "80000001-1408037988",
}


def sample(particle: Particle, arm: int) -> Any:
    """Return a value as long as its element takes."""
    if particle.enum:
        return particle.enum[arm % len(particle.enum)]
    if particle.type in SAMPLES:
        return SAMPLES[particle.type]
    return "é" * (particle.max_length or 60)


def variants(particle: Particle) -> int:
    """Return how many requests it takes to write every arm of every choice below a node once."""
    below = [variants(child) for child in particle.children if child.us]
    return (sum if particle.kind == "choice" else max)(
        [*below, 0 if particle.kind == "choice" and below else 1]
    )


def content(particle: Particle, arm: int, *, full: bool) -> dict[str, Any]:
    """Return the fields of an aggregate: all that may stand there (of a choice one arm), or the required."""
    fields: dict[str, Any] = {}
    for child in particle.children:
        if child.us and (child.min > 0 or full):
            fields |= node(child, arm % variants(child), full=full)
    return fields


def node(particle: Particle, arm: int, *, full: bool) -> dict[str, Any]:
    if particle.kind == "sequence":
        return content(particle, arm, full=full)
    if particle.kind == "choice":
        for child in (child for child in particle.children if child.us):
            if arm < variants(child):
                return node(child, arm, full=full)
            arm -= variants(child)
    assert particle.name is not None
    below = particle.type == "aggregate"
    value = content(particle, arm, full=full) if below else sample(particle, arm)
    return {particle.name: [value] * 2 if particle.max != 1 and full else value}


def request_of(name: str, arm: int, *, full: bool) -> Request:
    fields = content(qbxml_spec.request(name), arm, full=full)
    inner = fields.pop(name, None)
    return Request(name, fields if inner is None else {**inner, **fields}, request_id=f"{name} {arm}")


def requests_of(name: str, *, full: bool) -> list[Request]:
    arms = range(variants(qbxml_spec.request(name)))
    return [request_of(name, arm, full=full) for arm in arms]


def test_every_element_of_the_spec_is_written_by_one_of_these_requests() -> None:
    def names(particle: Particle) -> set[str]:
        found = set()
        for child in qbxml_spec.elements(particle):
            if child.us:
                found |= {str(child.name)} | {f"{child.name}/{name}" for name in names(child)}
        return found

    def paths(element: Any) -> set[str]:
        return {
            path for child in element for path in ({child.tag} | {f"{child.tag}/{p}" for p in paths(child)})
        }

    for name in qbxml_spec.REQUESTS:
        document = etree.fromstring(build(requests_of(name, full=True)))
        written = set().union(*(paths(request) for request in document[0]))
        assert names(qbxml_spec.request(name)) == written, name


@pytest.mark.parametrize("name", qbxml_spec.REQUESTS)
def test_what_is_written_obeys_the_spec(name: str) -> None:
    for full in (True, False):
        for element in etree.fromstring(build(requests_of(name, full=full)))[0]:
            assert list(qbxml_spec.problems(qbxml_spec.request(name), element)) == []


@pytest.fixture(scope="session")
def schema(shared: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(shared / "qbxml-schema" / "qbxmlops130.xsd")))


@pytest.mark.parametrize("full", [True, False], ids=["all fields", "required fields"])
def test_what_is_written_is_valid(schema: etree.XMLSchema, full: bool) -> None:
    for name in qbxml_spec.REQUESTS:
        document = etree.fromstring(build(requests_of(name, full=full)))
        assert schema.validate(document), f"{name}: {schema.error_log.last_error}"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.xml")), ids=lambda path: path.stem)
def test_the_golden_documents_are_valid(schema: etree.XMLSchema, path: Path) -> None:
    assert schema.validate(etree.parse(str(path))), schema.error_log.last_error


# --- values that do not fit ---------------------------------------------------------------------------------

LINE = "InvoiceLineAdd/"


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("RefNumber", "INV-2026-000123", "longer than 11 characters: 15"),
        ("RefNumber", 123, "takes a text, not int"),
        ("Memo", "Łódź", "outside Windows-1252, which QuickBooks stores: Ł (U+0141), ź (U+017A)"),
        ("Memo", "\U0001f600", "outside Windows-1252, which QuickBooks stores: \U0001f600 (U+1F600)"),
        ("Memo", "a\x01b", "has a control character: U+0001 at character 2"),
        ("Memo", "\x00", "has a control character: U+0000 at character 1"),
        ("Memo", "caf\x85", "has a control character: U+0085 at character 4"),
        ("Memo", "\ud83d", "outside Windows-1252, which QuickBooks stores: \ud83d (U+D83D)"),
        ("TxnDate", "31/01/2026", "not a date: 31/01/2026"),
        ("TxnDate", "2026-02-30", "not a date: 2026-02-30"),
        ("TxnDate", datetime(2026, 1, 31), "takes a date, not datetime"),
        ("IsPending", "yes", "not true or false: yes"),
        ("IsPending", 1, "takes true or false, not int"),
        ("ExchangeRate", Decimal("1.0000000000001"), "takes 12 decimals, has 13"),
        ("ExternalGUID", "5e0ca24b", "not 0 or a GUID in braces: 5e0ca24b"),
        ("CustomerRef", "Acme", "takes elements, not a value"),
        (LINE + "Amount", Decimal("0.005"), "takes 2 decimals, has 3"),
        (LINE + "Amount", "1,000.00", "takes a decimal number"),
        (LINE + "Amount", "1E3", "takes a decimal number"),
        (LINE + "Amount", 1.1, "takes a Decimal, not float"),
        (LINE + "Amount", True, "takes a Decimal, not bool"),
        (LINE + "Amount", Decimal("NaN"), "takes a finite number"),
        (LINE + "Amount", Decimal("-Infinity"), "takes a finite number"),
        (LINE + "Amount", Decimal(10) ** 13, "not an amount: 10000000000000.00"),
        (LINE + "Amount", Decimal("10000000000000.00"), "not an amount: 10000000000000.00"),
        (LINE + "Amount", "10000000000000.00", "not an amount: 10000000000000.00"),
        (LINE + "Rate", Decimal("10000000000.5"), "not a price: 10000000000.5"),
        (LINE + "Rate", Decimal("0.000001"), "takes 5 decimals, has 6"),
        (LINE + "Quantity", Decimal(10) ** 10, "not a quantity: 10000000000"),
        (LINE + "Taxable", True, "is unknown in InvoiceLineAdd"),
        (LINE + "TaxAmount", Decimal(1), "is not in the US edition of QuickBooks"),
        (LINE + "ItemRef/ListID", "x" * 37, "longer than 36 characters: 37"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(field: str, value: object, limit: str) -> None:
    fields: dict[str, Any] = {"CustomerRef": {"ListID": "80-1"}, "InvoiceLineAdd": {}}
    *aggregates, leaf = field.split("/")
    below = fields
    for name in aggregates:
        below = below.setdefault(name, {})
    below[leaf] = value
    with pytest.raises(QbxmlBuildError) as caught:
        build([Request("InvoiceAdd", fields)])
    assert (caught.value.request, caught.value.field, caught.value.limit) == ("InvoiceAdd", field, limit)
    assert field_problems("InvoiceAdd", fields)[0].limit == limit


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("12", "12.00"),
        ("12.3", "12.30"),
        (Decimal("12.300000"), "12.30"),
        (Decimal("-0.00"), "0.00"),
        (Decimal("1E+2"), "100.00"),
        ("-007.50", "-7.50"),
        (0, "0.00"),
        ("", ""),
    ],
)
def test_an_amount_has_two_decimals(given: object, written: str) -> None:
    payment = Request("ReceivePaymentAdd", {**PAYMENT.fields, "TotalAmount": given})
    assert etree.fromstring(build([payment])).findtext(".//TotalAmount") == written


@pytest.mark.parametrize(
    ("given", "written"), [("1.50000", "1.5"), (Decimal("0E-5"), "0"), (Decimal("100"), "100"), (3, "3")]
)
def test_a_rate_has_no_zeros_behind_it(given: object, written: str) -> None:
    line = {"ItemRef": {"ListID": "1"}, "Rate": given}
    fields = {"CustomerRef": {"ListID": "80-1"}, "InvoiceLineAdd": line}
    assert etree.fromstring(build([Request("InvoiceAdd", fields)])).findtext(".//Rate") == written


def test_a_time_has_whole_seconds_and_an_offset_only_where_it_has_one() -> None:
    def moment(value: object) -> str | None:
        fields = {"FromModifiedDate": value}
        return etree.fromstring(build([Request("ItemQuery", fields)])).findtext(".//FromModifiedDate")

    assert moment(datetime(2026, 1, 2, 3, 4, 5)) == "2026-01-02T03:04:05"
    assert moment(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"
    assert moment("2015-01-30T18:24:42-08:00") == "2015-01-30T18:24:42-08:00"
    with pytest.raises(QbxmlBuildError, match="whole seconds"):
        moment(datetime(2026, 1, 2, 3, 4, 5, 6))
    with pytest.raises(QbxmlBuildError, match="not a date and time"):
        moment("2026-01-02T03:04:05Z")


def test_values_that_are_equal_are_not_taken_for_each_other() -> None:
    """One instant in two zones, and one number as four kinds: what is remembered must tell them apart."""

    def query(value: object) -> bytes:
        return build([Request("InvoiceQuery", {"ModifiedDateRangeFilter": {"FromModifiedDate": value}})])

    here, there = (
        datetime(2026, 1, 2, 12, tzinfo=UTC),
        datetime(2026, 1, 2, 14, tzinfo=timezone(timedelta(hours=2))),
    )
    assert here == there
    assert b"T12:00:00+00:00" in query(here) and b"T14:00:00+02:00" in query(there)
    assert b">1.00<" in build([Request("ReceivePaymentAdd", {**PAYMENT.fields, "TotalAmount": Decimal(1)})])
    for like_one in (True, 1.0):
        with pytest.raises(QbxmlBuildError, match="takes a Decimal"):
            build([Request("ReceivePaymentAdd", {**PAYMENT.fields, "TotalAmount": like_one})])
    build([Request("CustomerAdd", {"Name": "a", "IsActive": True})])
    with pytest.raises(QbxmlBuildError, match="takes true or false"):
        build([Request("CustomerAdd", {"Name": "a", "IsActive": 1})])
    build([Request("ItemQuery", {"MaxReturned": 1})])
    with pytest.raises(QbxmlBuildError, match="takes a whole number"):
        build([Request("ItemQuery", {"MaxReturned": True})])


def test_a_list_of_one_may_stand_anywhere() -> None:
    one = {
        "CustomerRef": [{"ListID": ["80-1"]}],
        "TxnDate": ["2026-01-31"],
        "InvoiceLineAdd": ({"Desc": None},),
    }
    plain = {"CustomerRef": {"ListID": "80-1"}, "TxnDate": "2026-01-31"}
    assert build([Request("InvoiceAdd", one)]) == build([Request("InvoiceAdd", plain)])


def introduced(name: str) -> tuple[int, int]:
    return qbxml_spec.version_key(qbxml_spec.introduced(name))


def test_every_request_has_a_request_id_from_the_start() -> None:
    for name in qbxml_spec.REQUESTS:
        (first,) = [each for each in qbxml_spec.request(name).attributes if each.name == "requestID"]
        assert qbxml_spec.version_key(first.since) <= max((2, 0), introduced(name))


def test_pairs_are_written_in_their_order_and_judged_so() -> None:
    customer, line = ("CustomerRef", {"ListID": "80-1"}), ("InvoiceLineAdd", [{"Desc": "a"}, {"Desc": None}])
    group = ("InvoiceLineGroupAdd", [("ItemGroupRef", {"ListID": "80-9"}), ("Quantity", 2)])
    document = etree.fromstring(
        build([Request("InvoiceAdd", [customer, ("Memo", None), group, line, group])])
    )
    tags = [child.tag for child in document[0][0][0]]
    assert tags == ["CustomerRef", "InvoiceLineGroupAdd", "InvoiceLineAdd", "InvoiceLineGroupAdd"]
    (problem,) = field_problems("InvoiceAdd", [group, customer])
    assert (problem.field, problem.limit[:33]) == ("", "InvoiceLineGroupAdd is out of pla")
    twice = [customer, line, group, ("InvoiceLineAdd", {"Amount": "1.001"}), ("Colour", 1)]
    assert [(each.field, each.limit) for each in field_problems("InvoiceAdd", twice)] == [
        ("Colour", "is unknown in InvoiceAdd"),
        ("InvoiceLineAdd[2]/Amount", "takes 2 decimals, has 3"),
    ]
    assert build([Request("ListDel", (("ListDelType", "Customer"), ("ListID", "1")))])


def test_field_problems_names_all_of_them_where_they_are() -> None:
    fields = {
        "CustomerRef": {"ListID": "80-1"},
        "RefNumber": "123456789012",
        "Colour": "red",
        "InvoiceLineAdd": [
            {"Amount": Decimal("1.00")},
            {"Amount": Decimal("1.001"), "Rate": Decimal(1), "RatePercent": Decimal(2)},
        ],
    }
    *values, order = field_problems("InvoiceAdd", fields)
    assert values == [
        FieldProblem("Colour", "red", "is unknown in InvoiceAdd"),
        FieldProblem("RefNumber", "123456789012", "longer than 11 characters: 12"),
        FieldProblem("InvoiceLineAdd[2]/Amount", "1.001", "takes 2 decimals, has 3"),
    ]
    assert (order.field, order.value) == ("InvoiceLineAdd[2]", "")
    assert order.limit.startswith("RatePercent is out of place: expected ClassRef, Amount")
    assert field_problems("InvoiceAdd", INVOICE.fields) == []


def test_an_element_that_is_missing_or_given_too_often_is_refused() -> None:
    (problem,) = field_problems("CustomerAdd", {"IsActive": True})
    assert (problem.field, problem.limit) == ("", "IsActive is out of place: expected Name")
    (problem,) = field_problems("CustomerAdd", {"Name": ["a", "b"]})
    assert "Name is out of place" in problem.limit
    (problem,) = field_problems("InvoiceAdd", {"RefNumber": "1"})
    assert "expected CustomerRef" in problem.limit
    with pytest.raises(QbxmlBuildError, match="expected CustomerRef"):
        build([Request("InvoiceAdd", {})])


def test_what_a_version_does_not_have_is_refused() -> None:
    assert field_problems("CustomerAdd", {"Name": "a", "JobTitle": "b"}, version="12.0") == []
    (problem,) = field_problems("CustomerAdd", {"Name": "a", "JobTitle": "b"}, version="11.0")
    assert problem == FieldProblem("JobTitle", "b", "needs qbXML 12.0, and 11.0 is spoken")
    (problem,) = field_problems("CurrencyQuery", {}, version="7.0")
    assert problem == FieldProblem("", "CurrencyQuery", "needs qbXML 8.0, and 7.0 is spoken")
    with pytest.raises(QbxmlBuildError, match=r"@iterator .*needs qbXML 5.0"):
        build([Request("ItemQuery", {"MaxReturned": 1}, iterator="Start")], version="4.0")
    with pytest.raises(ValueError, match="not a qbXML version"):
        build([], version="newest")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request("AccountQuery", {}, iterator="Start"), "@iterator"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator="Begin"), "@iterator"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator="Continue"), "@iteratorID"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator="Start", iterator_id="{1}"), "@iteratorID"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator_id="{1}"), "@iteratorID"),
        (Request("ItemQuery", {}, iterator="Start"), "MaxReturned"),
        (Request("ItemQuery", {"MaxReturned": None}, iterator="Start"), "MaxReturned"),
        (Request("ItemQuery", {"MaxReturned": []}, iterator="Start"), "MaxReturned"),
        (Request("ItemQuery", [("MaxReturned", None)], iterator="Start"), "MaxReturned"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator="Start", iterator_id=""), "@iteratorID"),
        (Request("ItemQuery", {"MaxReturned": 5}, iterator="Continue", iterator_id=""), "@iteratorID"),
        (Request("ItemQuery", {}, iterator_id=""), "@iteratorID"),
        (Request("ItemQuery", {}, metadata="All"), "@metaData"),
        (Request("InvoiceAdd", INVOICE.fields, metadata="MetaDataOnly"), "@metaData"),
        (Request("ItemQuery", {}, request_id="x" * 51), "@requestID"),
        (Request("ItemQuery", {}, request_id="Ł"), "@requestID"),
        (Request("TxnVoid", {"TxnVoidType": "ReceivePayment", "TxnID": "1"}), "TxnVoidType"),
        (Request("ItemQuery", {"MaxReturned": 0}), "MaxReturned"),
        (Request("VendorAdd", {"Name": "x"}), ""),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(request_: Request, field: str) -> None:
    with pytest.raises(QbxmlBuildError) as caught:
        build([request_])
    assert (caught.value.request, caught.value.field) == (request_.name, field)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"new_message_set_id": "x" * 25}, "@newMessageSetID"),
        ({"new_message_set_id": ""}, "@newMessageSetID"),
        ({"new_message_set_id": "{5e0ca24b}"}, "@newMessageSetID"),
        ({"new_message_set_id": "CLR-ALL-MSG-SETS"}, "@newMessageSetID"),
        ({"old_message_set_id": "a b"}, "@oldMessageSetID"),
        ({"on_error": "rollbackOnError"}, "@onError"),
    ],
)
def test_a_set_that_quickbooks_refuses_is_not_written(settings: dict[str, str], field: str) -> None:
    with pytest.raises(QbxmlBuildError) as caught:
        build([], **settings)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_two_requests_of_one_id_are_refused() -> None:
    with pytest.raises(QbxmlBuildError, match="given twice"):
        build([CUSTOMER, CUSTOMER])
    build([Request("HostQuery", {}), Request("CompanyQuery", {})])


# --- texts that are more than texts -------------------------------------------------------------------------


class Id(str, enum.Enum):  # noqa: UP042 - what shows as "Id.A" is what is tried here
    """What is equal to a text and shows otherwise."""

    A = "80-A"
    NAME = "Name"
    KIND = "Customer"
    REQUEST = "ListDel"
    STOP = "stopOnError"
    START = "Start"
    DAY = "2026-01-31"
    AMOUNT = "5.00"


class Day(date):
    """A day that shows as another one."""

    def isoformat(self) -> str:
        return "1999-12-31"


def as_texts(value: Any) -> Any:
    """Return fields with each member of ``Id`` as the plain text that it is."""
    if isinstance(value, dict):
        return {as_texts(name): as_texts(one) for name, one in value.items()}
    return str.__str__(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("InvoiceAdd", {"CustomerRef": {"ListID": Id.A}, "TxnDate": Id.DAY}),
        ("InvoiceAdd", {"CustomerRef": {"FullName": Id.A}, "Memo": Id.A}),
        (
            "ReceivePaymentAdd",
            {"CustomerRef": {"ListID": Id.A}, "TotalAmount": Id.AMOUNT, "IsAutoApply": True},
        ),
        ("ListDel", {"ListDelType": Id.KIND, "ListID": Id.A}),
        ("ListDel", {Id.KIND: None, "ListDelType": Id.KIND, "ListID": Id.A}),
        ("CustomerAdd", {Id.NAME: Id.A}),
    ],
)
def test_the_text_of_a_member_of_an_enumeration_is_written(name: str, fields: dict[str, Any]) -> None:
    fields = {key: value for key, value in fields.items() if value is not None}
    plain = Request(name, as_texts(fields), "1")
    for first in (fields, as_texts(fields), fields):  # whichever is remembered
        writer.cache_clear()
        given = [Request(name, first, "1"), Request(name, fields, "2"), Request(name, plain.fields, "3")]
        assert build(given) == build([Request(name, plain.fields, number) for number in "123"])
        assert b"Id." not in build(given)


def test_what_stands_in_tags_and_attributes_is_the_text_too() -> None:
    fields = {"ListDelType": "Customer", "ListID": "1"}
    odd = build([Request(Id.REQUEST, fields, Id.A)], on_error=Id.STOP)
    assert odd == build([Request("ListDel", fields, "80-A")], on_error="stopOnError")
    odd = build([Request("ItemQuery", {"MaxReturned": 1}, iterator=Id.START)])
    assert odd == build([Request("ItemQuery", {"MaxReturned": 1}, iterator="Start")])
    with pytest.raises(QbxmlBuildError) as caught:
        build([Request("ListDel", fields, 7)])  # type: ignore[arg-type]
    assert (caught.value.field, caught.value.limit) == ("@requestID", "takes a text, not int")


def test_a_day_of_a_subclass_is_not_remembered() -> None:
    def query(day: date) -> bytes:
        return build([Request("InvoiceQuery", {"TxnDateRangeFilter": {"FromTxnDate": day}})])

    writer.cache_clear()
    assert Day(2026, 1, 31) == date(2026, 1, 31)
    query(Day(2026, 1, 31))
    assert b">2026-01-31<" in query(date(2026, 1, 31))


def test_nanoseconds_are_not_cut() -> None:
    def moment(value: object) -> bytes:
        return build([Request("ItemQuery", {"FromModifiedDate": value})])

    assert b">2026-01-02T03:04:05<" in moment(pd.Timestamp("2026-01-02T03:04:05"))
    for value in (pd.Timestamp("2026-01-02T03:04:05.000000001"), pd.NaT):
        with pytest.raises(QbxmlBuildError, match="whole seconds"):
            moment(value)


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("2026-1-2", True),
        ("2026-01-02T23:59:59+14:00", True),
        ("2026-01-02T03:04:05-8:0", True),
        ("2026-13-45T99:99:99", False),
        ("2026-02-29", False),
        ("2026-01-02T24", False),
        ("2026-01-02T03:60", False),
        ("2026-01-02T03:04:60", False),
        ("2026-01-02T03:04:05+14:01", False),
        ("2026-01-02T03:04:05+10:60", False),
        ("2026-01-02T03:04:05+99:99", False),
    ],
)
def test_a_time_that_is_none_is_refused(text: str, fits: bool) -> None:
    problems = field_problems("ItemQuery", {"FromModifiedDate": text})
    assert [each.limit for each in problems] == ([] if fits else [f"not a date and time: {text}"])


@pytest.mark.parametrize("sign", "+-")
@pytest.mark.parametrize("hours", ["00", "09", "12", "13", "14", "15", "99"])
@pytest.mark.parametrize("minutes", ["00", "01", "59", "60", "99"])
def test_a_date_has_the_offsets_of_the_schema(
    schema: etree.XMLSchema, sign: str, hours: str, minutes: str
) -> None:
    day = f"2026-01-31{sign}{hours}:{minutes}"
    fields = {"TxnDateRangeFilter": {"FromTxnDate": day}}
    document = build([Request("InvoiceQuery", {"TxnDateRangeFilter": {"FromTxnDate": "2026-01-31"}})])
    valid = schema.validate(etree.fromstring(document.replace(b"2026-01-31", day.encode())))
    assert (not field_problems("InvoiceQuery", fields)) == valid


# --- what is empty, malformed or far too long ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields", "path"),
    [
        ("TxnDel", {"TxnDelType": "Invoice", "TxnID": ""}, "TxnID"),
        ("TxnVoid", {"TxnVoidType": "Invoice", "TxnID": " "}, "TxnID"),
        ("ListDel", {"ListDelType": "Customer", "ListID": ""}, "ListID"),
        ("CustomerAdd", {"Name": ""}, "Name"),
        ("CustomerAdd", {"Name": "\xa0 "}, "Name"),
        ("StandardTermsAdd", {"Name": "\t"}, "Name"),
        ("CustomerMod", {"ListID": "", "EditSequence": "1"}, "ListID"),
        ("InvoiceQuery", {"TxnID": ["1-1", ""]}, "TxnID[2]"),
        (
            "ReceivePaymentAdd",
            {**PAYMENT.fields, "AppliedToTxnAdd": {"TxnID": "", "PaymentAmount": "1.00"}},
            "AppliedToTxnAdd/TxnID",
        ),
    ],
)
def test_a_key_is_never_empty(name: str, fields: Any, path: str) -> None:
    (problem,) = field_problems(name, fields)
    assert (problem.field, problem.limit) == (path, "must not be empty")
    with pytest.raises(QbxmlBuildError, match="must not be empty"):
        build([Request(name, fields)])


def test_a_name_may_begin_with_a_blank() -> None:
    assert b"<Name> x</Name>" in build([Request("CustomerAdd", {"Name": " x"})])


def test_a_request_without_fields_may_be_given_in_any_form() -> None:
    for none in ({}, (), []):
        for name in ("HostQuery", "CustomerQuery"):
            assert build([Request(name, none)]) == build([Request(name, {})])
            assert field_problems(name, none) == []


@pytest.mark.parametrize(
    "fields",
    [
        None,
        "Name",
        7,
        [()],
        [("Name",)],
        [("Name", "x", "y")],
        ["Name"],
        [("Name", "x"), ("Notes",)],
        [(1, "x")],
    ],
)
def test_fields_of_no_form_are_refused(fields: Any) -> None:
    (problem,) = field_problems("CustomerAdd", fields)
    assert (problem.field, problem.limit) == ("", "takes a mapping, or pairs of name and value")
    for iterator in (None, "Start"):
        with pytest.raises(QbxmlBuildError) as caught:
            build([Request("CustomerQuery", fields, iterator=iterator)])
        assert caught.value.limit == problem.limit


JUNK = st.recursive(
    st.none() | st.text(max_size=3) | st.integers(0, 2) | st.sampled_from(["80-1", Decimal("1.00"), Id.A]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.tuples(st.sampled_from(["CustomerRef", "ListID", "Memo"]), below)
        | st.dictionaries(
            st.sampled_from(["CustomerRef", "ListID", "Memo", "InvoiceLineAdd", "Desc", "MaxReturned"]), below
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(["InvoiceAdd", "CustomerQuery", "HostQuery"]), JUNK, JUNK, JUNK)
@settings(derandomize=True, deadline=None, database=None, max_examples=300)
def test_whatever_is_given_is_written_valid_or_refused(
    schema: etree.XMLSchema, name: str, fields: Any, iterator: Any, number: Any
) -> None:
    try:
        document = build([Request(name, fields, number, iterator=iterator)])
    except QbxmlBuildError:
        return
    assert schema.validate(etree.fromstring(document)), schema.error_log.last_error


def test_only_what_is_spoken_is_a_version() -> None:
    for version, why in {
        "99.0": "13.0 is the newest",
        "13.1": "13.0 is the newest",
        "1.1": "needs qbXML 2.0",
    }.items():
        with pytest.raises(ValueError, match=why):
            build([], version=version)
        with pytest.raises(ValueError, match=why):
            field_problems("HostQuery", {}, version=version)
    assert build([], version="2.0") and build([], version="13")


def test_a_misspelt_request_is_told_its_name() -> None:
    (problem,) = field_problems("CustomerAd", {})
    assert problem.limit == "is not a request we speak; did you mean CustomerAdd?"
    assert field_problems("Zebra", {})[0].limit == "is not a request we speak"


def test_texts_are_written_as_libxml2_writes_them_without_a_second_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What XML escapes is as fast as all else: the exact way is not asked, and the bytes are lxml's."""
    exact: list[object] = []
    writer.cache_clear()
    real = qbxml_encoders.write_value
    monkeypatch.setattr(
        qbxml_encoders, "write_value", lambda node, value: (exact.append(value), real(node, value))[1]
    )
    for text in ("Søn & Co", "a < b > c", "a\rb\r\nc", "&amp;", "'\"", "]]>", "&" * 4095):
        element = etree.Element("Notes")
        element.text = text
        written = etree.tostring(element, encoding="ascii", xml_declaration=False)
        assert written in build([Request("CustomerAdd", {"Name": "x & y", "Notes": text})]), text
    writer.cache_clear()
    assert exact == []


def test_what_is_remembered_is_short() -> None:
    """Rows of thousands of lines, and names of thousands of letters, are not kept for the next one."""
    writer.cache_clear()
    line, long = ("InvoiceLineAdd", {"Desc": "x"}), "x" * 5 * LONGEST_REFERENCE
    for count in (3, 5_000):
        build([Request("InvoiceAdd", [("CustomerRef", {"ListID": "80-1"}), *[line] * count])])
    build([Request("CustomerMod", {"ListID": "1", "EditSequence": "1", "TermsRef": {"FullName": "short"}})])
    aggregate = writer("InvoiceAdd", (13, 0))._inner
    assert aggregate is not None
    assert 3 < max(map(len, aggregate._verdicts)) <= LONGEST_ROW
    assert field_problems("CustomerQuery", {"FullName": long}) == []


# --- laws ---------------------------------------------------------------------------------------------------

WINDOWS_1252 = "".join(
    letter
    for code in range(0x20, 0x100)
    if (letter := bytes([code]).decode("cp1252", "replace")) != "\ufffd"
    and not re.match("[\x7f-\x9f]", letter)
)


@given(st.text(WINDOWS_1252 + "\t\n\r", max_size=200))
def test_any_windows_1252_text_survives(text: str) -> None:
    document = build([Request("CustomerAdd", {"Name": "x", "Notes": text})])
    assert document.isascii()
    assert (etree.fromstring(document).findtext(".//Notes") or "") == text


def test_text_is_counted_and_sent_composed() -> None:
    decomposed = "e\u0301" * 25
    document = build([Request("CustomerAdd", {"Name": "x", "FirstName": decomposed})])
    assert etree.fromstring(document).findtext(".//FirstName") == "é" * 25


@given(st.text(max_size=20))
def test_any_text_is_written_whole_or_refused(text: str) -> None:
    fields = {"Name": "x", "Notes": text}
    problems = field_problems("CustomerAdd", fields)
    if problems:
        with pytest.raises(QbxmlBuildError):
            build([Request("CustomerAdd", fields)])
    else:
        found = etree.fromstring(build([Request("CustomerAdd", fields)])).findtext(".//Notes") or ""
        assert found == unicodedata.normalize("NFC", text)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_amount_is_written_exactly_or_refused(amount: Decimal) -> None:
    fields = {**PAYMENT.fields, "TotalAmount": amount}
    if not field_problems("ReceivePaymentAdd", fields):
        text = etree.fromstring(build([Request("ReceivePaymentAdd", fields)])).findtext(".//TotalAmount")
        assert text is not None
        assert Decimal(text) == amount
        assert re.fullmatch(r"-?[0-9]{1,13}\.[0-9]{2}", text)


@given(st.sampled_from(qbxml_spec.REQUESTS), st.integers(0, 50), st.randoms(use_true_random=False))
def test_the_order_of_the_fields_does_not_matter(name: str, arm: int, random: Any) -> None:
    request = request_of(name, arm, full=True)
    names = list(request.fields)
    random.shuffle(names)
    shuffled = Request(name, {field: request.fields[field] for field in names}, request.request_id)
    assert build([request]) == build([shuffled])
