"""Reading requests back: the corpus, the types of values, the order of what is mixed, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_io import Request, RequestSet, build, parse_requests

LINE = {"ItemRef": {"FullName": "Hosting"}, "Quantity": Decimal("2.5"), "Amount": Decimal("-10.00")}
CUSTOMER = "<CustomerAddRq><CustomerAdd><Name>x</Name>{}</CustomerAdd></CustomerAddRq>"
INVOICE = (
    "<InvoiceAddRq><InvoiceAdd><CustomerRef><ListID>1</ListID></CustomerRef>"
    "<ExchangeRate>{}</ExchangeRate></InvoiceAdd></InvoiceAddRq>"
)
GROUP = {"ItemGroupRef": {"ListID": "80-9"}}
MIXED = [
    ("CustomerRef", {"ListID": "80-1"}),
    ("TxnDate", date(2026, 1, 31)),
    ("InvoiceLineGroupAdd", GROUP),
    ("InvoiceLineAdd", LINE),
    ("InvoiceLineGroupAdd", GROUP),
    ("IncludeRetElement", "TxnID"),
]


def again(read: RequestSet) -> bytes:
    return build(
        read.requests,
        version=read.version,
        on_error=read.on_error,
        new_message_set_id=read.new_message_set_id,
        old_message_set_id=read.old_message_set_id,
    )


def of(
    body: str, *, prolog: str = '<?qbxml version="13.0"?>', attributes: str = 'onError="stopOnError"'
) -> bytes:
    return f"{prolog}<QBXML><QBXMLMsgsRq {attributes}>{body}</QBXMLMsgsRq></QBXML>".encode()


def test_a_document_comes_back_as_it_was_written() -> None:
    requests = [
        Request("InvoiceAdd", {"CustomerRef": {"FullName": "Søn & Co"}, "InvoiceLineAdd": [LINE, LINE]}, "7"),
        Request("CustomerMod", {"ListID": "80-1", "EditSequence": "1", "Fax": "", "TermsRef": {}}, "8"),
        Request(
            "InvoiceQuery",
            {"MaxReturned": 100, "PaidStatus": "NotPaidOnly", "IncludeLineItems": True, "OwnerID": "0"},
            "9",
            iterator="Continue",
            iterator_id="{1}",
            metadata="MetaDataAndResponseData",
        ),
        Request("HostQuery", {}),
    ]
    document = build(requests, version="12.0", on_error="stopOnError", new_message_set_id="A1")
    read = parse_requests(document)
    assert read == RequestSet("12.0", "stopOnError", requests, "A1", None)
    assert again(read) == document
    assert parse_requests(build([], old_message_set_id="A1")).requests == []


def test_what_stands_mixed_keeps_its_order() -> None:
    document = build([Request("InvoiceAdd", MIXED)])
    tags = re.findall(rb"\n        <(\w+)", document)
    assert tags == [
        b"CustomerRef",
        b"TxnDate",
        b"InvoiceLineGroupAdd",
        b"InvoiceLineAdd",
        b"InvoiceLineGroupAdd",
    ]
    assert parse_requests(document).requests == [Request("InvoiceAdd", MIXED)]
    in_order = [MIXED[0], MIXED[3], MIXED[2], MIXED[4]]
    (read,) = parse_requests(build([Request("InvoiceAdd", in_order)])).requests
    assert read.fields == {
        "CustomerRef": {"ListID": "80-1"},
        "InvoiceLineAdd": LINE,
        "InvoiceLineGroupAdd": [GROUP, GROUP],
    }


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("CreditLimit", "1500", Decimal(1500)),
        ("CreditLimit", "-0.10", Decimal("-0.10")),
        ("IsActive", "false", False),
        ("IsActive", "1", "1"),  # it is not how we write true
        ("JobStartDate", "2026-02-28", date(2026, 2, 28)),
        ("JobStartDate", "2026-02-28Z", "2026-02-28Z"),
        ("JobStartDate", "", ""),
        ("Notes", " \n", " \n"),
        ("Notes", "a&#13;b", "a\rb"),
        ("Notes", "100<!-- and -->71", "10071"),
    ],
)
def test_a_value_has_its_type(field: str, text: str, value: object) -> None:
    body = (
        f"<CustomerAddRq><CustomerAdd><Name>x</Name><{field}>{text}</{field}></CustomerAdd></CustomerAddRq>"
    )
    (read,) = parse_requests(of(body)).requests
    found = dict(read.fields)[field]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05+00:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02", date(2026, 1, 2)),
        ("2026-1-2", "2026-1-2"),
        ("2026-01-02T03", "2026-01-02T03"),
    ],
)
def test_a_moment_has_its_type(text: str, value: object) -> None:
    body = f"<ItemQueryRq><FromModifiedDate>{text}</FromModifiedDate></ItemQueryRq>"
    read = parse_requests(of(body))
    found: Any = dict(read.requests[0].fields)["FromModifiedDate"]
    assert (found, type(found)) == (value, type(value))
    assert f">{text}<".encode() in again(read)


@pytest.mark.parametrize("text", ["5", "+5.00", "005.00", "5.00"])
def test_numbers_are_written_again_in_our_form(text: str) -> None:
    read = parse_requests(of(CUSTOMER.format(f"<CreditLimit>{text}</CreditLimit>")))
    assert dict(read.requests[0].fields)["CreditLimit"] == Decimal(5)
    assert b"<CreditLimit>5.00</CreditLimit>" in again(read)
    assert again(parse_requests(again(read))) == again(read)


@given(st.sampled_from(["CreditLimit", "Notes", "JobStartDate", "IsActive"]), st.text(max_size=12))
@settings(derandomize=True, deadline=None, database=None, max_examples=300)
def test_what_is_read_can_be_written_again(field: str, text: str) -> None:
    shown = "".join(f"&#{ord(letter)};" for letter in text)
    try:
        read = parse_requests(of(CUSTOMER.format(f"<{field}>{shown}</{field}>")))
    except QbxmlParseError:
        return
    assert parse_requests(again(read)) == parse_requests(again(parse_requests(again(read))))


# --- the corpus ---------------------------------------------------------------------------------------------

READ = 38
# Why a request document of the corpus is not read, and how many are not.
REFUSED = {
    r"is not a request we speak": 26,
    r"InvoiceAdd has defMacro": 1,
    r"needs qbXML 2.0": 1,
    r"QBXMLMsgsRq has no onError": 2,
}


def test_the_requests_of_the_corpus_are_read_or_refused_for_a_reason(shared: Path) -> None:
    refused = dict.fromkeys(REFUSED, 0)
    read = 0
    for path in sorted((shared / "corpus" / "requests").glob("*.xml")):
        document = path.read_bytes()
        try:
            found = parse_requests(document)
        except QbxmlParseError as error:
            assert error.line is not None, path.name
            (reason,) = [each for each in REFUSED if re.search(each, error.reason)]
            refused[reason] += 1
            continue
        assert parse_requests(again(found)) == found, path.name
        read += 1
    assert (read, refused) == (READ, REFUSED)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "reason", "line"),
    [
        (b"", "empty", 1),
        (b"not XML", "Start tag expected", 1),
        (of("<CustomerAddRq>"), "mismatch", 1),
        (b"<!DOCTYPE QBXML><QBXML/>", "document type declaration", None),
        (
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'.encode(
                "utf-16"
            ),
            "document type declaration",
            None,
        ),
        (of(CUSTOMER.format("<Notes>&nbsp;</Notes>")), "nbsp", 1),
        (b"<html/>", "a document <html>", 1),
        (b'<?qbxml version="13.0"?>\n<QBXML/>', "nothing; expected one QBXMLMsgsRq", 2),
        (b'<?qbxml version="13.0"?><QBXML><SignonMsgsRq/></QBXML>', "SignonMsgsRq", 1),
        (b'<?qbxml version="13.0"?><QBXML><QBXMLMsgsRs/></QBXML>', "QBXMLMsgsRs", 1),
        (of("", prolog=""), "does not say its version", 1),
        (of("", attributes=""), "no onError", 1),
        (of("", attributes='onError="stopOnError" responseData="includeNone"'), "responseData", 1),
        (of("\n\n<VendorAddRq/>"), "VendorAddRq is not a request we speak", 3),
        (of("<CustomerAddRs/>"), "CustomerAddRs is not a request we speak", 1),
        (of(CUSTOMER.format("\n<Colour/>")), "CustomerAddRq/CustomerAdd: Colour is unknown", 1),
        (of(CUSTOMER.format("\n<JobStartDate>soon</JobStartDate>")), "JobStartDate: not a date: soon", 2),
        (of(CUSTOMER.format("<Name>y</Name>")), "Name is out of place", 1),
        (of(CUSTOMER.format("text")), "has text between its elements", 1),
        (of(CUSTOMER.format("<?pi?>")), "processing instruction", 1),
        (
            of(CUSTOMER.replace("<CustomerAdd>", '<CustomerAdd defMacro="ListID:1">').format("")),
            "defMacro",
            1,
        ),
        (
            of(CUSTOMER.format("<JobTitle>x</JobTitle>"), prolog='<?qbxml version="8.0"?>'),
            "needs qbXML 12.0",
            1,
        ),
        (of('<AccountQueryRq iterator="Start"/>'), "@iterator: is unknown here", 1),
        (of("<CustomerAdRq/>"), "CustomerAdRq is not a request we speak; did you mean CustomerAdd?", 1),
        (of(CUSTOMER.format("\n<FirstName>&#321;&#243;d&#378;</FirstName>")), "outside Windows-1252", 1),
        (of(CUSTOMER.format("<ShipDate/>")), "ShipDate is unknown", 1),
        (of(INVOICE.format("1.00000000000001")), "takes 12 decimals, has 14", 1),
        (of("", attributes='onError="rollbackOnError"'), "one of continueOnError, stopOnError", 1),
        (of("", attributes='onError="stopOnError" newMessageSetID=""'), "takes 1 to 24 letters", 1),
        (of("", attributes='onError="stopOnError" oldMessageSetID="a b"'), "takes 1 to 24 letters", 1),
        (of('<HostQueryRq requestID="1"/><HostQueryRq requestID="1"/>'), "is given twice", 1),
        (of("<HostQueryRq/>loose"), "QBXMLMsgsRq has text between its elements: loose", 1),
        (of("loose<HostQueryRq/>"), "QBXMLMsgsRq has text between its elements: loose", 1),
        (of("<HostQueryRq/><?pi?>"), "processing instruction", 1),
        (of("").replace(b"<QBXML>", b"<QBXML>loose"), "QBXML has text between its elements: loose", 1),
        (of("").replace(b"<QBXML>", b'<QBXML a="1">'), "QBXML has a, which is not read", 1),
        (of("<HostQueryRq/>", prolog='<?qbxml version="99.0"?>'), "13.0 is the newest", 1),
        (of("", prolog='<?qbxml version="1.0"?>'), "needs qbXML 2.0", 1),
        (of('<ItemQueryRq iterator="Start"/>'), "MaxReturned '': is needed with an iterator", 1),
        (of(CUSTOMER.replace("<Name>x</Name>", "<Name/>").format("")), "must not be empty", 1),
        (
            of("<ItemQueryRq><FromModifiedDate>2026-13-45T99:99:99</FromModifiedDate></ItemQueryRq>"),
            "not a date and time",
            1,
        ),
    ],
)
def test_what_is_no_document_of_requests_is_refused(document: bytes, reason: str, line: int | None) -> None:
    with pytest.raises(QbxmlParseError) as caught:
        parse_requests(document)
    assert reason in caught.value.reason
    assert caught.value.line == line
    assert "not a qbXML request" in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: of(CUSTOMER.format(text))))
@settings(derandomize=True, deadline=None, database=None, max_examples=200)
def test_nothing_else_is_raised(document: bytes) -> None:
    try:
        read = parse_requests(document)
    except QbxmlParseError:
        return
    assert read.requests[0].name == "CustomerAdd"


def test_a_bomb_does_not_go_off() -> None:
    deep = b"<a>" * 100_000
    for document in (deep, of((b"<CustomerAddRq>" * 5000).decode())):
        with pytest.raises(QbxmlParseError):
            parse_requests(document)
