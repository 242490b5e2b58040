"""Reading qbXML: rows, statuses, what is left behind, documents as bad as real ones; laws of both ways."""

from __future__ import annotations

import contextlib
import gc
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from toolkit import qbxml_read, qbxml_rows, tables
from toolkit.errors import QbxmlParseError
from toolkit.qbxml_io import (
    NO_STATUS,
    Batch,
    Bound,
    Envelope,
    LeftBehind,
    Request,
    Status,
    build,
    parse,
)


@dataclass
class Read:
    """All events of one document, for a look at once."""

    envelope: Envelope
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


def read(document: bytes | str, *, batch_rows: int = 10_000) -> Read:
    data = document.encode() if isinstance(document, str) else document
    events = list(parse(BytesIO(data), batch_rows=batch_rows))
    first, last = events[0], events[-1]
    assert isinstance(first, Envelope)
    assert isinstance(last, LeftBehind)
    found = Read(first, findings=list(last.findings), left=last.counts)
    for event in events[1:-1]:
        if isinstance(event, Batch):
            assert event.rows.schema == tables.TABLES[event.table].schema
            found.rows.setdefault(event.table, []).extend(event.rows.to_pylist())
            found.findings += event.findings
        else:
            assert isinstance(event, Status)
            found.statuses.append(event)
    found.findings = tables.to_rows(tables.findings(found.findings))
    return found


def answer(body: str, *, request: str = "InvoiceQuery", attributes: str = 'statusCode="0"') -> str:
    return f"<QBXML><QBXMLMsgsRs><{request}Rs {attributes}>{body}</{request}Rs></QBXMLMsgsRs></QBXML>"


def customer(inner: str) -> dict[str, Any]:
    """Return the one row that a customer with these elements gives."""
    found = read(answer(f"<CustomerRet><ListID>80-1</ListID>{inner}</CustomerRet>"))
    (row,) = found.rows["quickbooks.customers"]
    return row


def filled(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


INVOICE = """
<InvoiceRet>
  <TxnID>1A-1</TxnID>
  <TimeCreated>2015-06-30T18:24:42-08:00</TimeCreated>
  <TimeModified>2015-07-01T08:00</TimeModified>
  <EditSequence>1435717482</EditSequence>
  <TxnNumber>17</TxnNumber>
  <CustomerRef><ListID>80-1</ListID><FullName>Acme, Inc.:Roof</FullName></CustomerRef>
  <TxnDate>2015-06-30</TxnDate>
  <RefNumber>00123</RefNumber>
  <BillAddress><Addr1> 1 High Street </Addr1><City>Cork</City></BillAddress>
  <ShipAddress><Addr1>2 Low Street</Addr1><Addr2/></ShipAddress>
  <IsPending>false</IsPending>
  <Subtotal>183.00</Subtotal>
  <SalesTaxPercentage>6.00</SalesTaxPercentage>
  <AppliedAmount>-55.00</AppliedAmount>
  <BalanceRemaining>128</BalanceRemaining>
  <ExchangeRate>1.0837</ExchangeRate>
  <Memo></Memo>
  <IsPaid>true</IsPaid>
  <LinkedTxn><TxnID>9-9</TxnID><TxnType>ReceivePayment</TxnType><TxnDate>2015-07-01</TxnDate>
    <LinkType>AMTTYPE</LinkType><Amount>-55.00</Amount></LinkedTxn>
  <InvoiceLineRet><TxnLineID>1A-2</TxnLineID><ItemRef><ListID>80-2</ListID><FullName>Hosting</FullName></ItemRef>
    <Quantity>2.5</Quantity><Rate>0.33333</Rate><Amount>0.83</Amount>
    <DataExtRet><OwnerID>0</OwnerID><DataExtName>Site</DataExtName><DataExtType>STR255TYPE</DataExtType>
      <DataExtValue>North</DataExtValue></DataExtRet></InvoiceLineRet>
  <InvoiceLineRet><TxnLineID>1A-3</TxnLineID><Desc>just a note</Desc></InvoiceLineRet>
  <InvoiceLineGroupRet><TxnLineID>1A-4</TxnLineID>
    <ItemGroupRef><ListID>80-9</ListID><FullName>Bundle</FullName></ItemGroupRef><Desc>All of it</Desc>
    <Quantity>1</Quantity><IsPrintItemsInGroup>true</IsPrintItemsInGroup><TotalAmount>182.17</TotalAmount>
    <InvoiceLineRet><TxnLineID>1A-5</TxnLineID><ItemRef><ListID>80-3</ListID></ItemRef>
      <Amount>100.00</Amount></InvoiceLineRet>
    <InvoiceLineRet><TxnLineID>1A-6</TxnLineID><Amount>82.17</Amount></InvoiceLineRet>
  </InvoiceLineGroupRet>
  <InvoiceLineRet><TxnLineID>1A-7</TxnLineID><ItemRef><FullName>Subtotal</FullName></ItemRef></InvoiceLineRet>
  <DataExtRet><OwnerID>0</OwnerID><DataExtName>Region</DataExtName><DataExtType>STR255TYPE</DataExtType>
    <DataExtValue>West</DataExtValue></DataExtRet>
</InvoiceRet>
"""


# --- rows ---------------------------------------------------------------------------------------------------


def test_an_invoice_becomes_a_row_with_every_declared_column() -> None:
    (row,) = read(answer(INVOICE)).rows["quickbooks.invoices"]
    assert filled(row) == {
        "txn_id": "1A-1",
        "time_created": datetime(2015, 6, 30, 18, 24, 42),
        "time_modified": datetime(2015, 7, 1, 8, 0),
        "edit_sequence": "1435717482",
        "txn_number": 17,
        "customer_list_id": "80-1",
        "customer_full_name": "Acme, Inc.:Roof",
        "txn_date": date(2015, 6, 30),
        "ref_number": "00123",
        "bill_address_addr1": " 1 High Street ",
        "bill_address_city": "Cork",
        "ship_address_addr1": "2 Low Street",
        "is_pending": False,
        "subtotal": Decimal("183.00"),
        "sales_tax_percentage": Decimal("6.00000"),
        "applied_amount": Decimal("-55.00"),
        "balance_remaining": Decimal("128.00"),
        "exchange_rate": Decimal("1.083700000000"),
        "is_paid": True,
    }


def test_lines_are_numbered_in_the_order_of_the_document_group_headers_too() -> None:
    lines = read(answer(INVOICE)).rows["quickbooks.invoice_lines"]
    columns = ("line_number", "line_kind", "txn_line_id", "group_line_id", "item_list_id", "amount")
    assert [tuple(line[column] for column in columns) for line in lines] == [
        (1, "line", "1A-2", None, "80-2", Decimal("0.83")),
        (2, "description", "1A-3", None, None, None),
        (3, "group", "1A-4", None, "80-9", None),
        (4, "line", "1A-5", "1A-4", "80-3", Decimal("100.00")),
        (5, "line", "1A-6", "1A-4", None, Decimal("82.17")),
        (6, "line", "1A-7", None, None, None),
    ]
    assert {line["txn_id"] for line in lines} == {"1A-1"}
    assert lines[0]["rate"] == Decimal("0.33333")
    assert sum(line["amount"] for line in lines if line["amount"] is not None) == Decimal("183.00")


def test_links_and_custom_fields_name_their_owner() -> None:
    found = read(answer(INVOICE))
    (link,) = found.rows["quickbooks.linked_transactions"]
    assert filled(link) == {
        "owner_table": "quickbooks.invoices",
        "owner_txn_id": "1A-1",
        "txn_id": "9-9",
        "txn_type": "ReceivePayment",
        "txn_date": date(2015, 7, 1),
        "link_type": "AMTTYPE",
        "amount": Decimal("-55.00"),
    }
    fields = found.rows["quickbooks.custom_fields"]
    assert [(one["owner_table"], one["owner_key"], one["name"], one["value"]) for one in fields] == [
        ("quickbooks.invoice_lines", "1A-2", "Site", "North"),
        ("quickbooks.invoices", "1A-1", "Region", "West"),
    ]


def test_contacts_and_notes_become_rows_of_their_customer() -> None:
    body = """<CustomerRet><ListID>80-1</ListID><Name>Acme</Name>
      <ContactsRet><ListID>0owb</ListID><TimeCreated>2012-07-26T08:46:23-05:00</TimeCreated>
        <TimeModified>2012-07-27T08:46:23-05:00</TimeModified><EditSequence>1343306783</EditSequence>
        <Contact>Ann B. Cole</Contact><Salutation>Ms.</Salutation><FirstName>Ann</FirstName>
        <MiddleName>B.</MiddleName><LastName>Cole</LastName><JobTitle>Buyer</JobTitle>
        <AdditionalContactRef><ContactName>Main Phone</ContactName><ContactValue>555</ContactValue>
        </AdditionalContactRef></ContactsRet>
      <ContactsRet><FirstName>Dan Eck</FirstName></ContactsRet>
      <AdditionalNotesRet><NoteID>0</NoteID><Date>2011-07-27</Date><Note>Called.\nAgain.</Note>
      </AdditionalNotesRet>
      <AdditionalNotesRet><NoteID>1</NoteID><Date>yesterday</Date><Note>Paid.</Note></AdditionalNotesRet>
      </CustomerRet><CustomerRet><ListID>80-2</ListID></CustomerRet>"""
    found = read(answer(body, request="CustomerQuery"))
    assert [filled(row) for row in found.rows["quickbooks.customer_contacts"]] == [
        {
            "customer_list_id": "80-1",
            "list_id": "0owb",
            "time_created": datetime(2012, 7, 26, 8, 46, 23),
            "time_modified": datetime(2012, 7, 27, 8, 46, 23),
            "edit_sequence": "1343306783",
            "contact": "Ann B. Cole",
            "salutation": "Ms.",
            "first_name": "Ann",
            "middle_name": "B.",
            "last_name": "Cole",
            "job_title": "Buyer",
        },
        {"customer_list_id": "80-1", "first_name": "Dan Eck"},
    ]
    assert [filled(row) for row in found.rows["quickbooks.customer_notes"]] == [
        {"customer_list_id": "80-1", "note_id": 0, "date": date(2011, 7, 27), "note": "Called.\nAgain."},
        {"customer_list_id": "80-1", "note_id": 1, "note": "Paid."},
    ]
    (bad,) = found.findings
    assert [bad[name] for name in ("rule", "table", "key", "column", "value")] == [
        "bad_value",
        "quickbooks.customer_notes",
        "80-1 / 1",
        "date",
        "yesterday",
    ]
    assert [row["list_id"] for row in found.rows["quickbooks.customers"]] == ["80-1", "80-2"]
    assert found.rows["quickbooks.customers"][0]["first_name"] is None, (
        "a contact's name is not the customer's"
    )
    assert [filled(row) for row in found.rows["quickbooks.customer_contact_details"]] == [
        {
            "customer_list_id": "80-1",
            "contact_list_id": "0owb",
            "contact_name": "Main Phone",
            "contact_value": "555",
        },
    ]
    assert not found.left


def test_a_custom_field_is_kept_only_where_it_can_name_its_owner() -> None:
    extra = "<DataExtRet><OwnerID>0</OwnerID><DataExtName>A</DataExtName></DataExtRet>"
    body = f"<CustomerRet><ListID>1</ListID><ContactsRet>{extra}</ContactsRet>{extra}</CustomerRet>"
    found = read(answer(body, request="CustomerQuery"))
    (row,) = found.rows["quickbooks.custom_fields"]
    assert (row["owner_table"], row["owner_key"]) == ("quickbooks.customers", "1")
    assert found.left == {
        f"CustomerRet/ContactsRet/DataExtRet/{name}": 1 for name in ("OwnerID", "DataExtName")
    }
    assert not found.findings


def test_what_no_column_keeps_is_counted_unless_it_is_empty() -> None:
    assert not read(answer(INVOICE)).left
    more = "<BillAddressBlock><Addr1>1</Addr1><Addr2/></BillAddressBlock><New><Er> </Er><Est>1</Est></New>"
    assert read(answer(INVOICE.replace("<IsPaid>", f"{more}<IsPaid>"))).left == {
        "InvoiceRet/BillAddressBlock/Addr1": 1,
        "InvoiceRet/New/Est": 1,
    }
    body = "<VehicleRet><ListID>1</ListID><Name>V</Name></VehicleRet>" * 3
    assert read(answer(body, request="VehicleQuery")).left == {"VehicleRet": 3}


def test_a_credit_memo_and_its_lines() -> None:
    body = INVOICE.replace("Invoice", "CreditMemo").replace("BalanceRemaining", "CreditRemaining")
    found = read(answer(body, request="CreditMemoQuery"))
    (row,) = found.rows["quickbooks.credit_memos"]
    assert row["credit_remaining"] == Decimal("128.00")
    assert len(found.rows["quickbooks.credit_memo_lines"]) == 6
    assert found.rows["quickbooks.linked_transactions"][0]["owner_table"] == "quickbooks.credit_memos"


def test_a_payment_and_what_it_was_applied_to() -> None:
    applied = (
        "<AppliedToTxnRet><TxnID>{}</TxnID><TxnType>Invoice</TxnType><Amount>10.00</Amount></AppliedToTxnRet>"
    )
    body = (
        "<ReceivePaymentRet><TxnID>7-7</TxnID><TotalAmount>25.00</TotalAmount>"
        + applied.format("1-1")
        + applied.format("1-2")
        + "<UnusedPayment>5.00</UnusedPayment></ReceivePaymentRet>"
    )
    found = read(answer(body, request="ReceivePaymentQuery"))
    assert found.rows["quickbooks.payments"][0]["unused_payment"] == Decimal("5.00")
    applications = found.rows["quickbooks.payment_applications"]
    assert [(one["payment_txn_id"], one["txn_id"], one["amount"]) for one in applications] == [
        ("7-7", "1-1", Decimal("10.00")),
        ("7-7", "1-2", Decimal("10.00")),
    ]


@pytest.mark.parametrize(
    ("tag", "item_type"),
    [
        ("ItemServiceRet", "Service"),
        ("ItemNonInventoryRet", "NonInventory"),
        ("ItemInventoryAssemblyRet", "InventoryAssembly"),
        ("ItemSalesTaxRet", "SalesTax"),
        ("ItemSalesTaxGroupRet", "SalesTaxGroup"),
        ("ItemDiscountRet", "Discount"),
        ("ItemGroupRet", "Group"),
    ],
)
def test_an_item_is_of_the_kind_its_tag_says(tag: str, item_type: str) -> None:
    found = read(answer(f"<{tag}><ListID>80-1</ListID><Name>A</Name></{tag}>"))
    (row,) = found.rows["quickbooks.items"]
    assert filled(row) == {"list_id": "80-1", "item_type": item_type, "name": "A", "full_name": "A"}


def test_of_alternative_places_the_first_filled_one_counts() -> None:
    def item(tag: str, inner: str) -> dict[str, Any]:
        body = f"<{tag}><ListID>1</ListID><Name>B</Name><FullName>A:B</FullName>{inner}</{tag}>"
        (row,) = read(answer(body)).rows["quickbooks.items"]
        return row

    row = item(
        "ItemServiceRet",
        "<SalesAndPurchase><SalesDesc>d</SalesDesc><SalesPrice>3</SalesPrice></SalesAndPurchase>",
    )
    assert (row["full_name"], row["description"], row["price"]) == ("A:B", "d", Decimal("3.00000"))
    row = item(
        "ItemInventoryRet",
        "<SalesPrice>4.5</SalesPrice><IncomeAccountRef><FullName>I</FullName></IncomeAccountRef>",
    )
    assert (row["price"], row["income_account_full_name"]) == (Decimal("4.50000"), "I")
    row = item("ItemDiscountRet", "<ItemDesc>d</ItemDesc><AccountRef><ListID>7</ListID></AccountRef>")
    assert (row["description"], row["income_account_list_id"]) == ("d", "7")


def test_terms_are_of_the_kind_their_tag_says() -> None:
    body = "".join(
        f"<{kind}TermsRet><ListID>1</ListID></{kind}TermsRet>" for kind in ("Standard", "DateDriven")
    )
    rows = read(answer(body, request="TermsQuery")).rows["quickbooks.terms"]
    assert [row["terms_type"] for row in rows] == ["Standard", "DateDriven"]


def test_the_company_comes_in_parts_and_keeps_its_private_fields() -> None:
    document = """<QBXML><QBXMLMsgsRs>
    <HostQueryRs requestID="0" statusCode="0"><HostRet><ProductName>QuickBooks Pro 2014</ProductName>
      <MajorVersion>24</MajorVersion><Country>US</Country></HostRet></HostQueryRs>
    <CompanyQueryRs requestID="1" statusCode="0"><CompanyRet><CompanyName>Acme</CompanyName>
      <DataExtRet><OwnerID>{1}</OwnerID><DataExtName>FileID</DataExtName><DataExtType>STR255TYPE</DataExtType>
      <DataExtValue>{2}</DataExtValue></DataExtRet></CompanyRet></CompanyQueryRs>
    <PreferencesQueryRs requestID="2" statusCode="0"><PreferencesRet><AccountingPreferences>
      <ClosingDate>2025-12-31</ClosingDate></AccountingPreferences></PreferencesRet></PreferencesQueryRs>
    </QBXMLMsgsRs></QBXML>"""
    found = read(document)
    assert [filled(row) for row in found.rows["quickbooks.company"]] == [
        {"product_name": "QuickBooks Pro 2014", "major_version": "24", "country": "US"},
        {"company_name": "Acme"},
        {"closing_date": date(2025, 12, 31)},
    ]
    (private,) = found.rows["quickbooks.custom_fields"]
    assert (private["owner_table"], private["owner_key"], private["name"], private["value"]) == (
        "quickbooks.company",
        "company",
        "FileID",
        "{2}",
    )
    assert (found.statuses[1].records, found.statuses[1].objects) == (1, ())


def test_text_keeps_its_blanks_and_empty_is_missing() -> None:
    row = customer("<Name> Acme  Inc </Name><Notes>a\r\nb</Notes><Phone></Phone><Fax/><Email> \n </Email>")
    assert (row["name"], row["notes"]) == (" Acme  Inc ", "a\nb")
    assert [row[column] for column in ("phone", "fax", "email", "import_job", "left_at")] == [None] * 5


@pytest.mark.parametrize(
    ("element", "text", "column", "value"),
    [
        ("Balance", "-0.5", "balance", Decimal("-0.50")),
        ("Balance", "1.500", "balance", Decimal("1.50")),
        ("Balance", "9999999999999.99", "balance", Decimal("9999999999999.99")),
        ("Balance", " 7 ", "balance", Decimal("7.00")),
        ("IsActive", "1", "is_active", True),
        ("IsActive", " false\n", "is_active", False),
        ("TimeCreated", "2015-01-30", "time_created", datetime(2015, 1, 30)),
        ("TimeCreated", "2015-1-3T4:5:6+01:00", "time_created", datetime(2015, 1, 3, 4, 5, 6)),
        ("Sublevel", "2", "sublevel", 2),
    ],
)
def test_a_value_is_read_as_its_column_wants_it(element: str, text: str, column: str, value: object) -> None:
    assert customer(f"<{element}>{text}</{element}>")[column] == value


@pytest.mark.parametrize(
    ("element", "text", "column", "what"),
    [
        ("Balance", "abc", "balance", "a number of at most 2 decimals"),
        ("Balance", "1.005", "balance", "a number of at most 2 decimals"),
        ("Balance", "1,000.00", "balance", "a number of at most 2 decimals"),
        ("Balance", "1E5", "balance", "a number of at most 2 decimals"),
        ("Balance", "NaN", "balance", "a number of at most 2 decimals"),
        ("Balance", "10000000000000.00", "balance", "a number of at most 2 decimals"),
        ("Balance", "1_000", "balance", "a number of at most 2 decimals"),
        ("Balance", "٣", "balance", "a number of at most 2 decimals"),
        ("IsActive", "yes", "is_active", "true or false"),
        ("TimeCreated", "2015-02-30T00:00:00", "time_created", "a date and time"),
        ("TimeCreated", "yesterday", "time_created", "a date and time"),
        ("Sublevel", "99999999999999999999", "sublevel", "a whole number"),
        ("Sublevel", "1.0", "sublevel", "a whole number"),
    ],
)
def test_a_bad_value_is_a_finding_and_a_null(element: str, text: str, column: str, what: str) -> None:
    body = f"<CustomerRet><ListID>80-1</ListID><Name>A</Name><{element}>{text}</{element}></CustomerRet>"
    found = read(answer(body))
    (row,) = found.rows["quickbooks.customers"]
    assert (row["name"], row[column]) == ("A", None)
    (finding,) = found.findings
    assert (finding["severity"], finding["rule"], finding["table"]) == (
        "error" if column == "balance" else "warning",  # without an amount nothing ties out
        "bad_value",
        "quickbooks.customers",
    )
    assert (finding["key"], finding["column"], finding["value"]) == ("80-1", column, text)
    assert finding["message"] == f'{element} is "{text}", not {what}: the column is left empty'


def test_a_bad_value_of_a_line_is_found_by_document_and_line() -> None:
    body = "<InvoiceRet><TxnID>1</TxnID><InvoiceLineRet><Amount>x</Amount></InvoiceLineRet></InvoiceRet>"
    (finding,) = read(answer(body)).findings
    assert (finding["table"], finding["key"], finding["column"]) == (
        "quickbooks.invoice_lines",
        "1 / 1",
        "amount",
    )


def test_a_record_without_its_key_is_a_finding_and_no_row() -> None:
    found = read(
        answer(
            "<CustomerRet><FullName>Acme</FullName></CustomerRet><CustomerRet><ListID>1</ListID></CustomerRet>"
        )
    )
    assert [row["list_id"] for row in found.rows["quickbooks.customers"]] == ["1"]
    (finding,) = found.findings
    assert (finding["severity"], finding["rule"], finding["key"]) == ("error", "missing_key", "Acme")
    assert found.statuses[0].records == 2


def test_an_element_given_twice_keeps_the_first_and_counts_the_other() -> None:
    found = read(answer("<CustomerRet><ListID>1</ListID><Name>A</Name><Name>B</Name></CustomerRet>"))
    assert found.rows["quickbooks.customers"][0]["name"] == "A"
    assert found.left == {"CustomerRet/Name": 1}


def test_an_aggregate_in_place_of_a_value_is_left_behind() -> None:
    found = read(answer("<CustomerRet><ListID>1</ListID><Name><First>A</First></Name></CustomerRet>"))
    assert found.rows["quickbooks.customers"][0]["name"] is None
    assert found.left == {"CustomerRet/Name/First": 1}
    body = "<CustomerRet><ListID>1</ListID><Name>A<First>B</First></Name><Fax> <X/></Fax></CustomerRet>"
    found = read(answer(body))
    assert found.rows["quickbooks.customers"][0]["name"] is None
    assert found.left == {"CustomerRet/Name": 1, "CustomerRet/Name/First": 1}, (
        "what cannot be read is counted"
    )


# --- envelope and status ------------------------------------------------------------------------------------


def test_the_envelope_comes_first() -> None:
    document = '<QBXML><QBXMLMsgsRs newMessageSetID="A1" messageSetStatusCode="9001"/></QBXML>'
    assert list(parse(BytesIO(document.encode()))) == [Envelope("A1", 9001), LeftBehind({})]
    assert read(answer("")).envelope == Envelope(None, None)


def test_a_status_tells_how_the_request_went() -> None:
    attributes = (
        'requestID="J1Q2P3" statusCode="0" statusSeverity="Info" statusMessage="Status &quot;OK&quot;" '
        'retCount="7" iteratorRemainingCount="5" iteratorID="{1}"'
    )
    (status,) = read(answer(INVOICE, attributes=attributes)).statuses
    assert status == Status(
        request="InvoiceQuery",
        request_id="J1Q2P3",
        code=0,
        severity="Info",
        message='Status "OK"',
        ret_count=7,
        iterator_remaining=5,
        iterator_id="{1}",
        records=1,
        objects=(),  # of a query they are its rows
        fields={},
    )
    (made,) = read(answer(INVOICE, request="InvoiceAdd")).statuses
    assert (made.records, made.objects) == (1, (Bound("InvoiceRet", "1A-1", "1435717482", "00123"),))


def test_a_failed_request_has_no_objects_but_may_say_what_was_made() -> None:
    body = "<ErrorRecovery><TxnID>1A-1</TxnID><EditSequence>5</EditSequence></ErrorRecovery>"
    (status,) = read(answer(body, request="InvoiceAdd", attributes='statusCode="3180" requestID=""')).statuses
    assert (status.code, status.request_id, status.records, status.objects) == (3180, None, 0, ())
    assert status.fields == {"ErrorRecovery/TxnID": "1A-1", "ErrorRecovery/EditSequence": "5"}


def test_a_deletion_tells_what_was_deleted() -> None:
    body = "<TxnDelType>Invoice</TxnDelType><TxnID>1A-1</TxnID><RefNumber/>"
    (status,) = read(answer(body, request="TxnDel")).statuses
    assert status.fields == {"TxnDelType": "Invoice", "TxnID": "1A-1"}


def test_a_ret_of_no_table_is_bound_all_the_same() -> None:
    body = "<VehicleRet><ListID>80-7</ListID><EditSequence>3</EditSequence><Name>V</Name></VehicleRet>"
    (status,) = read(answer(body, request="VehicleAdd")).statuses
    assert status.objects == (Bound("VehicleRet", "80-7", "3", "V"),)


def test_each_response_gives_its_batches_before_its_status() -> None:
    document = f"""<QBXML><QBXMLMsgsRs>
      <CustomerAddRs requestID="1" statusCode="3100"/>
      <InvoiceAddRs requestID="2" statusCode="0">{INVOICE}</InvoiceAddRs>
      <VehicleAddRs requestID="3" statusCode="0"><VehicleRet><ListID>1</ListID></VehicleRet></VehicleAddRs>
      <ItemQueryRs requestID="4" statusCode="0"><ItemGroupRet><ListID>9</ListID></ItemGroupRet></ItemQueryRs>
      <TxnVoidRs requestID="5" statusCode="0"/>
    </QBXMLMsgsRs></QBXML>"""
    events = []
    for event in parse(BytesIO(document.encode())):
        if isinstance(event, Batch):
            events.append((event.request_id, event.table.removeprefix("quickbooks.")))
        elif isinstance(event, Status):
            events.append((event.request_id, event.code))
    assert events == [
        ("1", 3100),
        ("2", "invoices"),
        ("2", "invoice_lines"),
        ("2", "linked_transactions"),
        ("2", "custom_fields"),
        ("2", 0),
        ("3", 0),
        ("4", "items"),
        ("4", 0),
        ("5", 0),
    ]


def test_a_response_without_a_status_code_is_fine_only_with_objects() -> None:
    found = read(answer("<CustomerRet><ListID>1</ListID></CustomerRet>", attributes=""))
    assert found.statuses[0].code == 0
    assert [(one["rule"], one["severity"]) for one in found.findings] == [("missing_status_code", "warning")]
    found = read(answer("", attributes='statusCode="?"'))
    assert found.statuses[0].code == NO_STATUS
    assert [one["rule"] for one in found.findings] == ["missing_status_code"]


def test_batches_are_handed_over_as_they_fill() -> None:
    body = "".join(f"<CustomerRet><ListID>{number}</ListID></CustomerRet>" for number in range(25))
    events = list(parse(BytesIO(answer(body).encode()), batch_rows=10))
    assert [event.rows.num_rows for event in events if isinstance(event, Batch)] == [10, 10, 5]
    (status,) = [event for event in events if isinstance(event, Status)]
    assert status.records == 25


def test_each_finding_is_handed_over_once_with_the_batch_it_belongs_to() -> None:
    body = "".join(f"<CustomerRet><ListID>{n}</ListID><Balance>x</Balance></CustomerRet>" for n in (1, 2))
    found: list[Any] = []
    for event in parse(BytesIO(answer(body + "\x01", attributes='requestID=""').encode()), batch_rows=1):
        if isinstance(event, Batch):
            assert event.request_id is None
            found.append([(one["rule"], one["key"]) for one in event.findings])
        elif isinstance(event, LeftBehind):
            found.append([one["rule"] for one in event.findings])
    assert found == [
        [("bad_value", "1"), ("control_characters", None)],
        [("bad_value", "2")],
        ["missing_status_code"],
    ]


def test_records_are_forgotten_once_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    tokenize = qbxml_read.tokenize

    def measured(data: bytes, *told: Any) -> Any:
        sizes.append(len(data))
        return tokenize(data, *told)

    monkeypatch.setattr(qbxml_read, "tokenize", measured)
    monkeypatch.setattr(qbxml_read, "CHUNK", 10_000)
    document = BytesIO(answer(INVOICE * 500).encode())
    most = 0
    for event in parse(_Short(document, 1000)):
        most = max(most, len(event.rows) if isinstance(event, Batch) else 0)
    assert len(sizes) > 20
    assert max(sizes) < 10_000 + 1000 + len(INVOICE)
    assert most < 100


class _Short:
    """A stream that gives little at a time."""

    def __init__(self, stream: BytesIO, most: int) -> None:
        self.stream, self.most = stream, most

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(min(size, self.most))


# --- the text of real answers -------------------------------------------------------------------------------

NAMED = "<CustomerRet><ListID>1</ListID><Name>{}</Name></CustomerRet>"


def name_in(document: bytes) -> str | None:
    (row,) = read(document).rows["quickbooks.customers"]
    name: str | None = row["name"]
    return name


@pytest.mark.parametrize(
    "before",
    [
        "",
        '<?xml version="1.0"?>',
        "\ufeff",
        "\r\n\r\n<?xml version='1.0' ?>\r\n",
        '\n\ufeff<?xml version="1.0" encoding="utf-16"?>',
        '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?><?qbxml version="13.0"?>',
        '<?xml version="1.1" encoding="no-such-encoding"?><!-- a <!DOCTYPE in a comment -->',
    ],
)
def test_what_stands_before_the_root_does_not_matter(before: str) -> None:
    assert name_in((before + answer(NAMED.format("Søn – 5 €"))).encode()) == "Søn – 5 €"


def test_encodings_are_recognised_and_not_believed() -> None:
    document = '<?xml version="1.0" encoding="utf-8"?>' + answer(NAMED.format("Søn"))
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "ascii"):
        assert name_in(document.encode(encoding, "xmlcharrefreplace")) == "Søn", encoding


def test_bytes_of_windows_1252_are_read_as_that_and_reported() -> None:
    found = read(answer(NAMED.format("Søn – 5 €")).encode("cp1252"))
    assert found.rows["quickbooks.customers"][0]["name"] == "Søn – 5 €"
    (finding,) = found.findings
    assert (finding["severity"], finding["rule"]) == ("info", "not_utf8")
    assert finding["message"].startswith("3 bytes")


def test_references_of_windows_programs_are_read_as_windows_1252() -> None:
    found = read(answer(NAMED.format("&#146;&#x92;&#128;&#150;&#233;&#8217;&amp;#146;")))
    assert found.rows["quickbooks.customers"][0]["name"] == "’’€–é’&#146;"
    assert found.findings == []


def test_control_characters_are_left_out_and_reported() -> None:
    text = "\n\n" + answer(NAMED.format("A\x01&#1;&#x1F;&#0;\x0bB&#9;C\x1f&#55296;&#xFFFF;&#99999999999;"))
    found = read(text + "\0\0")
    name = found.rows["quickbooks.customers"][0]["name"]
    assert name.replace("\ufffd", "") == "AB\tC"
    (finding,) = found.findings
    assert (finding["severity"], finding["rule"]) == ("info", "control_characters")
    assert re.match(r"\d+ control characters", finding["message"])
    assert finding["message"].endswith("the first stood in line 3")


def test_halves_of_a_character_are_put_together() -> None:
    assert name_in(answer(NAMED.format("&#55357;&#56832;!")).encode()) == "\U0001f600!"


def test_text_between_elements_and_comments_are_ignored() -> None:
    body = "- <CustomerRet>- <ListID>1</ListID>\n- <Name>A<!-- not me -->B</Name>- </CustomerRet>"
    assert name_in(answer(body).encode()) == "AB"


def test_cdata_is_text() -> None:
    assert name_in(answer(NAMED.format("<![CDATA[A & <b>]]>")).encode()) == "A & <b>"


# --- documents that are no answer ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "reason", "line"),
    [
        (b"", "it is empty", 1),
        (b" \r\n\t", "it is empty", 2),
        (b"\0\0", "it is empty", 1),
        (b'<?xml version="1.0"?>\n', "it has no root element", 2),
        (b"QBWC1013: error", "it is not XML", 1),
        (b'{"QBXML": 1}', "it is not XML", 1),
        (b"\x89PNG\r\n\x1a\n", "it is not XML", 1),
        (b"<html><body>Bad Gateway</body></html>", "an HTML page", 1),
        (b"\n<!DOCTYPE html>\n<html></html>", "an HTML page", 2),
        (b'<soap:Envelope xmlns:soap="x"/>', "a SOAP envelope", 1),
        (b"<QBPOSXML/>", "a document <QBPOSXML>", 1),
        (b"<qbxml/>", "a document <qbxml>", 1),
        (b"<QBXML/>", "it holds no QBXMLMsgsRs", 1),
        (b'<QBXML>\n<QBXMLMsgsRq onError="stopOnError"/></QBXML>', "it is a request", 2),
        (b"<?xml\nversion='1.0'\n?>\n<QBXML></A>", "it is broken off or not well formed", 4),
        (b"<QBXML>\n<QBXMLMsgsRs>\n<InvoiceQueryRs>", "it is broken off or not well formed", 3),
        (b"<QBXML><QBXMLMsgsRs></QBXMLMsgsRs></QBXML><QBXML/>", "it is broken off or not well formed", 1),
        (b"<QBXML><QBXMLMsgsRs>&nbsp;</QBXMLMsgsRs></QBXML>", "it is broken off or not well formed", 1),
        (b"<QBXML><QBXMLMsgsRs a='1' a='2'/></QBXML>", "it is broken off or not well formed", 1),
    ],
)
def test_a_document_that_is_no_answer_is_refused(document: bytes, reason: str, line: int) -> None:
    with pytest.raises(QbxmlParseError) as caught:
        list(parse(BytesIO(document)))
    assert reason in caught.value.reason
    assert caught.value.line == line


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE QBXML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE QBXML SYSTEM "file:///etc/passwd">',
        "<!doctype QBXML>",
    ],
)
def test_a_document_type_declaration_is_refused(doctype: str) -> None:
    body = answer(NAMED.format("&b;" if "ENTITY" in doctype else "x"))
    for before in ("", "\ufeff\n", '<?xml version="1.0"?><!-- c -->', " " * 100_000):
        with pytest.raises(QbxmlParseError, match="document type declaration"):
            list(parse(BytesIO((before + doctype + body).encode())))


def test_a_text_without_end_is_refused_and_not_kept() -> None:
    class Endless:
        def __init__(self) -> None:
            self.given = 0

        def read(self, size: int = -1) -> bytes:
            assert self.given < 20_000_000, "read on and on"
            start, self.given = self.given, self.given + size
            return b"<QBXML><QBXMLMsgsRs><A>".ljust(size, b"x") if start == 0 else b"x" * size

    endless = Endless()
    with pytest.raises(QbxmlParseError, match="10,000,000 characters"):
        list(parse(endless))  # type: ignore[arg-type]
    assert endless.given < 11_000_000


def test_a_deep_document_is_refused() -> None:
    with pytest.raises(QbxmlParseError):
        list(
            parse(
                BytesIO(answer("<VehicleRet>" + "<a>" * 10_000 + "</a>" * 10_000 + "</VehicleRet>").encode())
            )
        )


@given(st.binary(max_size=200) | st.text("<>QBXMLsgR/&#;x12 \n\0", max_size=60).map(str.encode))
def test_whatever_comes_is_read_or_refused(document: bytes) -> None:
    with contextlib.suppress(QbxmlParseError):
        list(parse(BytesIO(document)))


@given(st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=4))
def test_a_damaged_answer_is_read_or_refused(place: int, length: int, put: bytes) -> None:
    whole = answer(INVOICE).encode()
    document = whole[:place] + put + whole[place + length :]
    try:
        list(parse(BytesIO(document)))
    except QbxmlParseError:
        assert document != whole


def test_half_an_answer_is_refused_wherever_it_ends() -> None:
    whole = answer(INVOICE).encode()
    for end in range(0, len(whole), 7):
        with pytest.raises(QbxmlParseError):
            list(parse(BytesIO(whole[:end])))


# --- laws ---------------------------------------------------------------------------------------------------


class Dripping(BytesIO):
    """A stream that gives less than it is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.size)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_events_do_not_depend_on_how_the_stream_is_cut(size: int, encoding: str) -> None:
    document = answer(INVOICE.replace("note", "n\x02ote – &#146;&#55357;&#56832;")).encode(encoding)
    assert list(parse(Dripping(document, size))) == list(parse(BytesIO(document)))


@pytest.mark.parametrize("batch_rows", [1, 2, 5])
def test_the_rows_do_not_depend_on_the_size_of_a_batch(batch_rows: int) -> None:
    document = answer("".join(INVOICE.replace("1A-", f"{number}-") for number in range(4)))
    assert read(document, batch_rows=batch_rows) == read(document)


def echo(document: bytes) -> bytes:
    """Answer a document of Adds as QuickBooks would: each object as it was sent, with an id."""
    root = etree.fromstring(document)
    answers = etree.Element("QBXMLMsgsRs", newMessageSetID=root[0].get("newMessageSetID", ""))
    for number, request in enumerate(root[0], 1):
        name = str(request.tag).removesuffix("AddRq")
        response = etree.SubElement(
            answers, f"{name}AddRs", statusCode="0", requestID=request.get("requestID", "")
        )
        (added,) = request
        for element in added.iter():
            element.tag = re.sub("Add$", "Ret", str(element.tag))
        identity = etree.Element("ListID" if name == "Customer" or name.startswith("Item") else "TxnID")
        identity.text = f"{number}-1"
        added.insert(0, identity)
        response.append(added)
    echoed = etree.Element("QBXML")
    echoed.append(answers)
    return etree.tostring(echoed)


WINDOWS_1252 = "".join(
    bytes([code]).decode("cp1252", "ignore") for code in (*range(0x20, 0x7F), *range(0x80, 0x100))
)
TEXTS = st.text(WINDOWS_1252.replace("\x81", ""), min_size=1, max_size=41).filter(
    lambda text: not text.isspace()
)


@given(TEXTS, TEXTS)
def test_text_that_is_built_is_read_back(name: str, notes: str) -> None:
    found = read(echo(build([Request("CustomerAdd", {"Name": name, "Notes": notes})])))
    (row,) = found.rows["quickbooks.customers"]
    assert (row["name"], row["notes"], row["full_name"]) == (name, notes, name)
    assert found.findings == []


AMOUNTS = st.decimals("-9999999999999.99", "9999999999999.99", places=2)
RATES = st.decimals("-9999999999.99999", "9999999999.99999", places=5)
LINES = st.fixed_dictionaries(
    {"Amount": AMOUNTS, "Rate": RATES, "Quantity": RATES, "ServiceDate": st.dates(date(1902, 1, 1))}
)


@given(st.lists(LINES, max_size=5), st.dates(date(1902, 1, 1)), st.booleans())
def test_an_invoice_that_is_built_is_read_back(lines: list[dict[str, Any]], day: date, pending: bool) -> None:
    named = [{"ItemRef": {"ListID": f"80-{number}"}, **line} for number, line in enumerate(lines)]
    fields = {"CustomerRef": {"ListID": "1"}, "TxnDate": day, "IsPending": pending, "InvoiceLineAdd": named}
    found = read(echo(build([Request("InvoiceAdd", fields, request_id="R1")], new_message_set_id="A1")))
    (row,) = found.rows["quickbooks.invoices"]
    assert filled(row) == {"txn_id": "1-1", "customer_list_id": "1", "txn_date": day, "is_pending": pending}
    wanted = [
        {
            "txn_id": "1-1",
            "line_number": number,
            "line_kind": "line",
            "item_list_id": line["ItemRef"]["ListID"],
            "amount": line["Amount"],
            "rate": line["Rate"],
            "quantity": line["Quantity"],
            "service_date": line["ServiceDate"],
        }
        for number, line in enumerate(named, 1)
    ]
    assert [filled(line) for line in found.rows.get("quickbooks.invoice_lines", [])] == wanted
    assert (found.findings, found.left, found.envelope.message_set_id) == ([], {}, "A1")


@given(st.lists(st.sampled_from(["CustomerRet", "InvoiceRet", "VehicleRet", "ItemServiceRet"]), max_size=12))
def test_every_record_is_a_row_or_left_behind(tags: list[str]) -> None:
    body = "".join(f"<{tag}><ListID>{n}</ListID><TxnID>{n}</TxnID></{tag}>" for n, tag in enumerate(tags))
    found = read(answer(body, request="CustomerMod"))
    rows = Counter({name: len(rows) for name, rows in found.rows.items()})
    kept = {"CustomerRet": "customers", "InvoiceRet": "invoices", "ItemServiceRet": "items"}
    assert rows == Counter(f"quickbooks.{kept[tag]}" for tag in tags if tag in kept)
    assert found.left.get("VehicleRet", 0) == tags.count("VehicleRet")
    assert Counter(one.tag for one in found.statuses[0].objects) == Counter(tags)


def test_a_million_bad_values_are_told_in_short_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbxml_rows, "MOST_FINDINGS", 3)
    body = "".join(f"<CustomerRet><ListID>{n}</ListID><Balance>x</Balance></CustomerRet>" for n in range(10))
    found = read(answer(body + "<CustomerRet/>" * 5, request="CustomerQuery"))
    bad = [one for one in found.findings if one["rule"] == "bad_value"]
    assert [(one["key"], one["value"]) for one in bad] == [
        ("0", "x"),
        ("1", "x"),
        ("2", "x"),
        ("3", "7 more"),
    ]
    missing = [one for one in found.findings if one["rule"] == "missing_key"]
    assert [one["value"] for one in missing] == [None, "2 more"]
    assert len(found.rows["quickbooks.customers"]) == 10


def test_no_piece_waits_for_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbxml_read, "CHUNK", 2_000)

    def unreachable(records: int) -> int:
        document = answer(INVOICE * records).encode()
        gc.collect()
        gc.disable()
        try:
            for _ in parse(_Short(BytesIO(document), 500)):
                pass
            return gc.collect()
        finally:
            gc.enable()

    unreachable(2)  # whatever is made once
    assert unreachable(60) <= unreachable(6)
