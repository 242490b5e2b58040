"""Answers as they really come: their text, statuses, times and amounts, beyond what `test_qbxml_io` has."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.columns import Column
from toolkit.qbxml_io import Batch, LeftBehind, Status, parse
from toolkit.qbxml_text import AnswerText
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

TABLES = {table.name: table for table in QUICKBOOKS_TABLES}
ITEMS = TABLES["quickbooks.items"]


def read(document: bytes | str) -> tuple[dict[str, list[dict[str, Any]]], list[Status], list[dict[str, Any]]]:
    """Return rows by table, statuses and findings of a document."""
    data = document.encode() if isinstance(document, str) else document
    rows: dict[str, list[dict[str, Any]]] = {}
    statuses, findings = [], []
    for event in parse(BytesIO(data)):
        if isinstance(event, Batch):
            rows.setdefault(event.table, []).extend(event.rows.to_pylist())
        if isinstance(event, (Batch, LeftBehind)):
            findings += event.findings
        if isinstance(event, Status):
            statuses.append(event)
    return rows, statuses, findings


def answer(body: str, *, request: str = "CustomerQuery", attributes: str = 'statusCode="0"') -> str:
    return f"<QBXML><QBXMLMsgsRs><{request}Rs {attributes}>{body}</{request}Rs></QBXMLMsgsRs></QBXML>"


def notes(text: str, document: str = "{}") -> str | None:
    """Return what is read where a customer's notes are this text."""
    body = f"<CustomerRet><ListID>1</ListID><Notes>{text}</Notes></CustomerRet>"
    rows, _, _ = read(document.format(answer(body)))
    (row,) = rows["quickbooks.customers"]
    found: str | None = row["notes"]
    return found


# --- characters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", range(0x80, 0xA0))
def test_each_reference_from_128_to_159_is_a_character_of_windows_1252(code: int) -> None:
    meant = bytes([code]).decode("cp1252", "ignore")
    for reference in (f"&#{code};", f"&#{code:05};", f"&#x{code:x};", f"&#x{code:04X};"):
        body = f"<CustomerRet><ListID>1</ListID><Notes>a{reference}b</Notes></CustomerRet>"
        rows, _, findings = read(answer(body))
        assert rows["quickbooks.customers"][0]["notes"] == f"a{meant}b", reference
        # Five codes are no character: they are control characters after all.
        assert [one["rule"] for one in findings] == ([] if meant else ["control_characters"])


@pytest.mark.parametrize("code", [0, *range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
def test_each_control_character_goes_raw_and_as_a_reference(code: int) -> None:
    for written in (chr(code), f"&#{code};", f"&#x{code:X};"):
        body = f"<CustomerRet><ListID>1</ListID>\n<Notes>R&amp;D {written}done</Notes></CustomerRet>"
        rows, _, findings = read(answer(body))
        assert rows["quickbooks.customers"][0]["notes"] == "R&D done"
        (finding,) = findings
        assert (finding["rule"], finding["severity"]) == ("control_characters", "info")
        assert finding["message"].startswith("1 control characters")
        assert finding["message"].endswith("line 2")


@pytest.mark.parametrize("reference", ["&#9;", "&#10;", "&#13;", "&#x9;", "&#xA;", "&#xD;"])
def test_tab_line_feed_and_return_are_kept_as_references(reference: str) -> None:
    code = int(reference[3:-1], 16) if "x" in reference else int(reference[2:-1])
    assert notes(f"a{reference}b") == f"a{chr(code)}b"


def test_control_characters_go_from_everything() -> None:
    """They are in attributes, in tags and between elements too; each is counted."""
    body = "<Custo\x02merRet>\x03<ListID>1</ListID>&#4;<Notes><![CDATA[a\x05b]]></Notes></CustomerRet>"
    body += "<!-- \x06 -->"
    rows, (status,), findings = read(answer(body, attributes='statusCode="0" statusMessage="no&#1;ne\x01"'))
    assert rows["quickbooks.customers"][0]["notes"] == "ab"
    assert status.message == "none"
    assert [one["message"].split()[0] for one in findings] == ["7"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&lt;b&gt; &amp;amp; &quot;&apos;", "<b> &amp; \"'"),
        ("a > b", "a > b"),
        ("&#38;#65;", "&#65;"),
        ("&#38;lt;", "&lt;"),
        ("&#60;Name&#62;", "<Name>"),
        ("&#x41;&#65;&#0065;", "AAA"),
        ("&#8217;&#x2019;’", "’’’"),
        ("&#128512;😀", "😀😀"),
        ("a<!-- no -->b<?no?>c", "abc"),
        ("a<![CDATA[ <&>&amp; ]]>b<![CDATA[]]>c", "a <&>&amp; bc"),
        ("<![CDATA[]]]]><![CDATA[>]]>", "]]>"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("a\r\n\r\nb", "a\n\nb"),
        (" \u00a0 x \t", " \u00a0 x \t"),
        ("&#32;&#10;", None),
        ("<![CDATA[ ]]>", None),
        ("<!-- only a comment -->", None),
        ("\u00a0", None),
        ("x" * 100_000 + "é" * 100_000, "x" * 100_000 + "é" * 100_000),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_text_is_what_xml_says_it_is(written: str, meant: str | None) -> None:
    assert notes(written) == meant


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "\n{}",
        " \n\n{}\n\n",
        '<?xml version="1.0"?>{}',
        '<?xml version="1.0" encoding="utf-16"?>\n{}',  # a string, out of a program that thinks in UTF-16
        '\n<?xml version="1.0" encoding="windows-1252" ?>\n<?qbxml version="13.0"?>\n{}',
        '\ufeff<?xml version="1.0" encoding="us-ascii"?>\n{}',
        "\ufeff\n{}",
        "<!-- by hand -->\n{}<!-- end -->",
        '<?xml version="1.0"?>\n<?xml-stylesheet href="x"?>{}',
    ],
    ids=ascii,
)
def test_however_it_begins_it_is_read(document: str, end: str) -> None:
    assert notes("Søn – 5 €", document.replace("\n", end)) == "Søn – 5 €"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_text_that_lxml_writes_is_read_back(text: str) -> None:
    from lxml import etree

    try:
        element = etree.Element("Notes")
        element.text = text
    except ValueError:  # not allowed in XML
        return
    root = etree.fromstring(answer("<CustomerRet><ListID>1</ListID></CustomerRet>"))
    root[0][0][0].append(element)
    # C1 controls that lxml writes as references mean Windows-1252 in our world.
    if any("\x7f" <= letter < "\xa0" for letter in text):
        data = etree.tostring(root, encoding="utf-8")
    else:
        data = etree.tostring(root)
    rows, _, findings = read(data)
    wanted = text.replace("\r\n", "\n") if b"\r" in data else text
    assert rows["quickbooks.customers"][0]["notes"] == (wanted if text.strip() else None)
    assert findings == []


# --- statuses -----------------------------------------------------------------------------------------------

RECORD = "<CustomerRet><ListID>1</ListID></CustomerRet>"


@pytest.mark.parametrize("severity", ["Info", "Warn", "Error", "", "Nonsense"])
@pytest.mark.parametrize("code", [0, 1, 500, 530, 1000, 3100, 3120, 3200, 9001])
@pytest.mark.parametrize("body", ["", RECORD])
def test_the_code_tells_how_it_went_whatever_else_is_said(code: int, severity: str, body: str) -> None:
    attributes = f'statusCode="{code}" statusSeverity="{severity}" statusMessage="Status OK"'
    for request in ("CustomerQuery", "CustomerAdd", "CustomerMod"):
        rows, (status,), findings = read(answer(body, request=request, attributes=attributes))
        assert (status.code, status.severity, status.message) == (code, severity, "Status OK")
        assert status.records == len(rows.get("quickbooks.customers", [])) == (1 if body else 0)
        assert findings == []


def test_several_responses_without_ids_come_in_order() -> None:
    parts = [
        f'<CustomerQueryRs statusCode="0">{RECORD}</CustomerQueryRs>',
        '<InvoiceQueryRs statusCode="1" statusSeverity="Info" statusMessage="none"/>',
        f'<CustomerQueryRs statusCode="500" statusSeverity="Warn">{RECORD}{RECORD}</CustomerQueryRs>',
        '<InvoiceAddRs statusCode="3140" statusSeverity="Error"></InvoiceAddRs>',
    ]
    rows, statuses, findings = read(f"<QBXML><QBXMLMsgsRs>{''.join(parts)}</QBXMLMsgsRs></QBXML>")
    assert [(one.request, one.request_id, one.code, one.records) for one in statuses] == [
        ("CustomerQuery", None, 0, 1),
        ("InvoiceQuery", None, 1, 0),
        ("CustomerQuery", None, 500, 2),
        ("InvoiceAdd", None, 3140, 0),
    ]
    assert len(rows["quickbooks.customers"]) == 3
    assert findings == []


@pytest.mark.parametrize(
    ("request_", "body", "fields"),
    [
        (
            "ListDel",
            "<ListDelType>Customer</ListDelType><ListID>1</ListID><TimeDeleted>2026-01-31T10:00:00</TimeDeleted>"
            "<FullName>A:B</FullName>",
            {
                "ListDelType": "Customer",
                "ListID": "1",
                "TimeDeleted": "2026-01-31T10:00:00",
                "FullName": "A:B",
            },
        ),
        (
            "TxnVoid",
            "<TxnVoidType>Invoice</TxnVoidType><TxnID>1-1</TxnID>",
            {"TxnVoidType": "Invoice", "TxnID": "1-1"},
        ),
        ("TxnDel", "", {}),
        (
            "InvoiceAdd",
            "<ErrorRecovery><TxnID>1-1</TxnID></ErrorRecovery><ErrorRecovery><TxnID>2-2</TxnID></ErrorRecovery>",
            {"ErrorRecovery/TxnID": "1-1"},
        ),
    ],
)
def test_what_stands_beside_records_is_told_with_the_status(
    request_: str, body: str, fields: dict[str, str]
) -> None:
    rows, (status,), _ = read(answer(body, request=request_))
    assert (rows, status.fields, status.records, status.objects) == ({}, fields, 0, ())


def test_marks_and_quotes_in_attributes_are_no_tags() -> None:
    attributes = """statusMessage = 'a > "b" /> &lt;CustomerRet&gt; &#8217;&#146;
    c' statusCode
    = "0" requestID='it&apos;s 7'"""
    rows, (status,), findings = read(answer(RECORD, attributes=attributes))
    assert status.message == 'a > "b" /> <CustomerRet> ’’     c'
    assert (status.code, status.request_id, status.records, findings) == (0, "it's 7", 1, [])
    assert len(rows["quickbooks.customers"]) == 1


# --- times and amounts --------------------------------------------------------------------------------------


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)),
    st.none() | st.integers(-12 * 60, 14 * 60),
)
def test_the_wall_clock_is_kept_and_the_offset_dropped(moment: datetime, minutes: int | None) -> None:
    moment = moment.replace(microsecond=0)
    offset = ""
    if minutes is not None:
        whole = timedelta(minutes=abs(minutes))
        offset = f"{'-' if minutes < 0 else '+'}{str(whole).zfill(8)[:5]}"
    written = f"<TimeModified>{moment.isoformat()}{offset}</TimeModified>"
    body = f"<CustomerRet><ListID>1</ListID>{written}</CustomerRet>"
    rows, _, findings = read(answer(body))
    assert rows["quickbooks.customers"][0]["time_modified"] == moment
    assert findings == []


@given(st.decimals("-9999999999999.99", "9999999999999.99", places=2), st.sampled_from(["", "0", "000"]))
def test_amounts_are_exact(amount: Decimal, zeros: str) -> None:
    body = f"<InvoiceRet><TxnID>1</TxnID><AppliedAmount>{amount:f}{zeros}</AppliedAmount></InvoiceRet>"
    rows, _, findings = read(answer(body))
    assert rows["quickbooks.invoices"][0]["applied_amount"] == amount
    assert findings == []


def test_the_applied_amount_stays_negative() -> None:
    body = "<InvoiceRet><TxnID>1</TxnID><Subtotal>100.00</Subtotal><AppliedAmount>-55.00</AppliedAmount>"
    body += "<BalanceRemaining>45.00</BalanceRemaining></InvoiceRet>"
    rows, _, _ = read(answer(body))
    (row,) = rows["quickbooks.invoices"]
    assert row["applied_amount"] == Decimal("-55.00")
    assert row["subtotal"] + row["applied_amount"] == row["balance_remaining"]


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if "exchange_rate" in table.names])
def test_what_is_told_in_another_currency_is_kept(name: str) -> None:
    """CurrencyRef, ExchangeRate and every amount in home currency have a column and land in it."""
    table = TABLES[name]
    if "CurrencyRef" not in {column.source.partition("/")[0] for column in table.columns}:
        assert name == "quickbooks.currencies"
        return
    home = [column for column in table.columns if column.source.endswith("InHomeCurrency")]
    assert home, f"{name} keeps no amount in home currency"
    inner = "<CurrencyRef><ListID>7</ListID><FullName>Euro</FullName></CurrencyRef>"
    inner += "<ExchangeRate>1.083700000001</ExchangeRate>"
    inner += "".join(f"<{column.source}>12.34</{column.source}>" for column in home)
    rows, _, findings = read(answer(f"<{table.rets[0]}><TxnID>1</TxnID>{inner}</{table.rets[0]}>"))
    (row,) = rows[name]
    assert (row["currency_list_id"], row["currency_full_name"]) == ("7", "Euro")
    assert row["exchange_rate"] == Decimal("1.083700000001")
    assert {row[column.name] for column in home} == {Decimal("12.34")}
    assert findings == []


# --- every kind ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ITEMS.rets)
def test_every_kind_of_item_is_an_item_of_its_kind(tag: str) -> None:
    rows, (status,), _ = read(answer(f"<{tag}><ListID>1</ListID><Name>A</Name></{tag}>", request="ItemQuery"))
    (row,) = rows["quickbooks.items"]
    assert (row["list_id"], row["name"], row["full_name"]) == ("1", "A", "A")
    assert f"Item{row['item_type']}Ret" == tag
    assert status.records == 1


def _required(table_name: str) -> list[Column]:
    return [column for column in TABLES[table_name].columns if column.required and column.source]


@pytest.mark.parametrize(
    "name", [name for name, table in TABLES.items() if not table.parent and _required(name)]
)
def test_a_record_without_its_key_is_a_finding_in_every_table(name: str) -> None:
    for tag in TABLES[name].rets:
        rows, (status,), (finding,) = read(answer(f"<{tag}><EditSequence>1</EditSequence></{tag}>"))
        assert not rows.get(name)
        assert (finding["rule"], finding["table"]) == ("missing_key", name)
        assert finding["column"] == _required(name)[0].name
        assert status.records == 1


@pytest.mark.parametrize(
    "text",
    ["&#" + "0" * 200_000, "&#x" + "0" * 200_000, "\uffff" * 100_000, "&#1;" * 100_000, "&#" * 100_000],
)
def test_what_has_to_be_put_right_takes_time_in_proportion(text: str) -> None:
    """With a pattern that goes back and forth, or lines counted anew, this would take an hour."""
    document = f"<QBXML><QBXMLMsgsRs><A>\n{text}</A></QBXMLMsgsRs></QBXML>"
    pieces = list(AnswerText(BytesIO(document.encode())))
    assert sum(map(len, pieces)) <= len(document.encode())
