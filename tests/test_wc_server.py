"""The SOAP service: its description, its operations, and envelopes as real clients send them."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from web_connector_calls import NS, Reply, Scripted, ask, document, envelope, rpc

from toolkit.errors import ProtocolError
from toolkit.wc_body import OneShot
from toolkit.wc_envelope import parse_call
from toolkit.wc_server import incident, make_app

XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
WSDL_SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"


@pytest.fixture
def exchange() -> Scripted:
    return Scripted()


@pytest.fixture
def app(exchange: Scripted) -> Any:
    return make_app(exchange)


def call(app: Any, body: bytes) -> Reply:
    reply = ask(app, body=body)
    assert reply.status == 200, reply.body
    return reply


# --- the operations -----------------------------------------------------------------------------------------


def test_authenticate_answers_a_ticket_and_a_company_file(app: Any, exchange: Scripted) -> None:
    exchange.authenticated = ("0123456789abcdef", r"C:\Books\Søn & Co.qbw")
    reply = call(
        app, document("authenticate", "<strUserName>jo</strUserName><strPassword> p&amp;w </strPassword>")
    )
    assert reply.results == ["0123456789abcdef", r"C:\Books\Søn & Co.qbw"]
    assert exchange.calls == [("authenticate", "jo", " p&w ")]


def test_authenticate_answers_four_strings_only_when_meant(app: Any, exchange: Scripted) -> None:
    exchange.authenticated = ("", "none", "", "300")
    assert call(app, document("authenticate")).results == ["", "none", "", "300"]
    exchange.authenticated = ("", "nvu")
    assert call(app, document("authenticate")).results == ["", "nvu"]


def test_send_request_hands_all_six_over_and_the_document_back(app: Any, exchange: Scripted) -> None:
    exchange.request = '<?xml version="1.0"?>\n<?qbxml version="13.0"?><QBXML>]]> &amp; "x"</QBXML>'
    inner = (
        "<ticket>t</ticket><strHCPResponse>&lt;QBXML/&gt;</strHCPResponse>"
        "<strCompanyFileName>C:\\a.qbw</strCompanyFileName><qbXMLCountry>US</qbXMLCountry>"
        "<qbXMLMajorVers>13</qbXMLMajorVers><qbXMLMinorVers> 0 </qbXMLMinorVers>"
    )
    assert call(app, document("sendRequestXML", inner)).results == [exchange.request]
    assert exchange.calls == [("next_request", "t", "<QBXML/>", "C:\\a.qbw", "US", 13, 0)]


def test_receive_response_hands_the_answer_over_and_the_progress_back(app: Any, exchange: Scripted) -> None:
    exchange.percent = -1
    inner = "<ticket>t</ticket><response></response><hresult>0x80040400</hresult><message>bad</message>"
    assert call(app, document("receiveResponseXML", inner)).results == ["-1"]
    assert exchange.calls == [("take_answer", "t", "", "0x80040400", "bad")]


@pytest.mark.parametrize(
    ("operation", "inner", "result", "heard"),
    [
        ("getLastError", "<ticket>t</ticket>", "There is nothing to send.", ("last_error", "t")),
        ("closeConnection", "<ticket>t</ticket>", "OK", ("close", "t")),
        (
            "connectionError",
            "<ticket>t</ticket><hresult>0x80040408</hresult><message>no</message>",
            "done",
            ("connection_error", "t", "0x80040408", "no"),
        ),
        ("clientVersion", "<strVersion>2.3.0.215</strVersion>", "", None),
        ("getInteractiveURL", "<wcTicket>t</wcTicket><sessionID>s</sessionID>", "", None),
        ("interactiveRejected", "<wcTicket>t</wcTicket><reason>r</reason>", "no interactive mode", None),
        ("interactiveDone", "<wcTicket>t</wcTicket>", "Done", None),
        ("isInteractiveDone", "<wcTicket>t</wcTicket>", "Done", None),
    ],
)
def test_the_other_operations(
    app: Any, exchange: Scripted, operation: str, inner: str, result: str, heard: Any
) -> None:
    (answer,) = call(app, document(operation, inner)).results
    assert result in answer if operation == "interactiveRejected" else answer == result
    assert exchange.calls == ([heard] if heard else [])


@pytest.mark.parametrize("inner", ["", "<strVersion>2.3</strVersion>", "<ticket>t</ticket>"])
def test_server_version_takes_any_parameter_or_none(app: Any, inner: str) -> None:
    assert "toolkit" in call(app, document("serverVersion", inner)).results[0]


# --- envelopes as real clients send them --------------------------------------------------------------------


@pytest.mark.parametrize(
    "style", ["missing", "<{0}/>", "<{0}></{0}>", '<{0} xsi:nil="true"/>', '<{0} xsi:nil="1"/>']
)
def test_missing_empty_and_nil_are_alike(app: Any, exchange: Scripted, style: str) -> None:
    names = ("strHCPResponse", "strCompanyFileName", "qbXMLCountry", "qbXMLMajorVers", "qbXMLMinorVers")
    inner = "" if style == "missing" else "".join(style.format(name) for name in names)
    call(app, document("sendRequestXML", f"<ticket>t</ticket>{inner}"))
    assert exchange.calls == [("next_request", "t", "", "", "", 0, 0)]


def test_a_version_that_is_no_number_is_no_fault(app: Any, exchange: Scripted) -> None:
    inner = "<qbXMLMajorVers>x</qbXMLMajorVers><qbXMLMinorVers>99999999999</qbXMLMinorVers>"
    call(app, document("sendRequestXML", inner))
    assert exchange.calls == [("next_request", "", "", "", "", 0, 0)]


def test_an_answer_of_whatever_shape_is_its_text(app: Any, exchange: Scripted) -> None:
    for inner in (
        "<response>a</response><response>t</response>",
        '<response xmlns="urn:other">t</response>',
        "<response>t<b>c</b>d</response>tail",
        "<response><![CDATA[t]]></response>",
        '<response xsi:type="xsd:string">t</response>',
    ):
        call(app, document("receiveResponseXML", f"<ticket>k</ticket>{inner}<message>m</message>"))
    assert exchange.calls == [("take_answer", "k", "t", "", "m")] * 5
    exchange.calls.clear()
    call(app, document("receiveResponseXML", "<response><b>c</b></response>"))
    call(app, document("getLastError", "<response>t</response>"))
    assert exchange.calls == [("take_answer", "", "", "", ""), ("last_error", "")]


def test_parameters_in_another_order_and_unknown_ones(app: Any, exchange: Scripted) -> None:
    call(
        app,
        document("authenticate", "<other>x</other><strPassword>p</strPassword><strUserName>u</strUserName>"),
    )
    assert exchange.calls == [("authenticate", "u", "p")]


def test_rpc_style(app: Any, exchange: Scripted) -> None:
    typed = (
        '<strUserName xsi:type="xsd:string">u</strUserName><strPassword xsi:type="tns:Secret">p</strPassword>'
    )
    assert call(app, rpc("authenticate", typed)).results == ["ticket-1", ""]
    assert exchange.calls == [("authenticate", "u", "p")]
    call(
        app,
        rpc(
            "sendRequestXML",
            '<ticket xsi:type="xsd:string">t</ticket><qbXMLMajorVers xsi:type="xsd:int">13</qbXMLMajorVers>',
        ),
    )
    assert exchange.calls[1] == ("next_request", "t", "", "", "", 13, 0)


def test_the_answer_is_one_line_with_its_length(app: Any) -> None:
    reply = call(app, document("authenticate"))
    assert reply.body.startswith(b'<?xml version="1.0" encoding="utf-8"?><')
    assert b"\n" not in reply.body
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Content-Type"] == "text/xml; charset=utf-8"
    tags = [node.tag for node in etree.fromstring(reply.body).iter()]
    assert tags[2:] == [
        f"{{{NS}}}{name}" for name in ("authenticateResponse", "authenticateResult", *["string"] * 2)
    ]


def test_the_bytes_are_utf_8_whatever_the_declaration_says(app: Any, exchange: Scripted) -> None:
    body = document("getLastError", "<ticket>Søn</ticket>").replace(b"utf-8", b"iso-8859-1", 1)
    call(app, body)
    call(app, b"\xef\xbb\xbf" + document("getLastError", "<ticket>Søn</ticket>"))
    assert exchange.calls == [("last_error", "Søn")] * 2


def test_characters_survive_both_ways(app: Any, exchange: Scripted) -> None:
    text = "O'Brien & Søn <€ 5> \t\nŁódź 😀"
    exchange.request = text
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    reply = call(app, document("receiveResponseXML", f"<response>{escaped}</response>"))
    assert exchange.calls[0][2] == text
    assert call(app, document("sendRequestXML")).results == [text]
    assert reply.results == ["50"]


def test_characters_that_xml_cannot_hold_reach_the_reader_as_references(app: Any, exchange: Scripted) -> None:
    # .NET writes them like this; the reader of the qbXML takes them out and says so.
    body = document("receiveResponseXML", "<ticket>t</ticket><response>a&#xB;b&#1;&#65;X</response>")
    call(app, body.replace(b"X<", b"\x0b<"))
    assert exchange.calls == [("take_answer", "t", "a&#xB;b&#1;A&#11;", "", "")]


def test_what_we_say_never_breaks_the_envelope(app: Any, exchange: Scripted) -> None:
    exchange.error = "no\x00 \x0b\ud800\uffff end"
    assert call(app, document("getLastError")).results == ["no\ufffd \ufffd\ufffd\ufffd end"]


def test_answers_beyond_every_default_limit(app: Any, exchange: Scripted) -> None:
    large = "<row/>" + "Ł" * 6_000_000  # 12 MB: more than spyne takes, and a text longer than libxml2 takes
    exchange.request = large
    reply = call(app, document("receiveResponseXML", f"<response>{large.replace('<', '&lt;')}</response>"))
    assert reply.results == ["50"]
    assert exchange.calls[0][2] == large
    assert (
        etree.fromstring(
            call(app, document("sendRequestXML")).body, etree.XMLParser(huge_tree=True)
        ).findtext(f".//{{{NS}}}sendRequestXMLResult")
        == large
    )


@pytest.mark.parametrize("mark", ["", "€", "😀"])
def test_an_answer_is_in_memory_once_as_it_came(mark: str) -> None:
    """A str of it would be up to four times as long."""

    class Taking(Scripted):
        peak = 0

        def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
            assert response == answer  # without a copy
            self.peak = tracemalloc.get_traced_memory()[1]
            return 100

    answer = mark.encode() + b"<row/>" * 500_000
    body = document("receiveResponseXML", f"<response>{answer.decode().replace('<', '&lt;')}</response>")
    exchange = Taking()
    app = make_app(exchange)
    call(app, document("getLastError"))  # what is made once is made
    given = OneShot(body)
    size = len(body)
    del body
    tracemalloc.start()
    try:
        held = tracemalloc.get_traced_memory()[0]
        assert ask(app, **{"wsgi.input": given, "CONTENT_LENGTH": str(size)}).results == ["100"]
    finally:
        tracemalloc.stop()
    assert exchange.peak - held < 1.5 * len(answer)


# --- what is no call ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"hello", "not an XML document"),
        (b"", "not an XML document"),
        (b"   ", "not an XML document"),
        (b'{"a": 1}', "not an XML document"),
        (b"<a><b></a>", "not well-formed"),
        (document("getLastError", "<ticket>secret</wrong>"), "not well-formed"),
        (document("getLastError", "<ticket>t</ticket>")[:-9], "not well-formed"),
        (document("getLastError", "<ticket>S\xf8n</ticket>").decode().encode("latin-1"), "not well-formed"),
        (document("getLastError").decode().encode("utf-16"), "not an XML document"),
        (b"<html><body>x</body></html>", "not a SOAP 1.1 envelope"),
        (envelope(""), "not a SOAP 1.1 envelope"),
        (
            document("getLastError").replace(
                b"schemas.xmlsoap.org/soap/envelope/", b"www.w3.org/2003/05/soap-envelope"
            ),
            "not a SOAP 1.1 envelope",
        ),
    ],
)
def test_what_is_no_envelope_is_a_protocol_error(
    app: Any, exchange: Scripted, body: bytes, said: str
) -> None:
    with pytest.raises(ProtocolError, match=said) as caught:
        ask(app, body=body)
    assert "secret" not in str(caught.value)
    assert exchange.calls == []


@pytest.mark.parametrize("before", ["", "\n <!-- <a> -->", "<?pi?>"])
def test_a_dtd_is_refused_before_anything_expands(before: str) -> None:
    bomb = (
        '<?xml version="1.0"?>' + before + '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><x y="&b;">&b;</x></s:Body>'
        "</s:Envelope>"
    )
    with pytest.raises(ProtocolError, match="document type declaration"):
        parse_call(bomb.encode())


def test_an_entity_that_nobody_declared_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not well-formed"):
        parse_call(document("getLastError", "<ticket>&a;</ticket>"))


def test_an_unclosed_comment_takes_no_time() -> None:
    with pytest.raises(ProtocolError):
        parse_call(b"<!--" * 200_000)
    with pytest.raises(ProtocolError):
        parse_call(b"<?x ?>" * 200_000 + b"<?")


@pytest.mark.parametrize(
    "body",
    [
        document("dropTables", "<ticket>secret</ticket>"),
        document("getLastErrorResponse", "<ticket>secret</ticket>"),
        document("GetLastError", "<ticket>secret</ticket>"),
        document("getLastError.x", "<ticket>secret</ticket>"),
        envelope("<soap:Fault><faultstring>secret</faultstring></soap:Fault>"),
        envelope("<soap:Body><getLastError>secret</getLastError></soap:Body>"),
        document("a" * 1_000_000),
    ],
)
def test_an_unknown_operation_is_no_fault(app: Any, exchange: Scripted, body: bytes) -> None:
    """Whatever a client does is answered by plain HTTP: a fault is for a mistake of ours alone."""
    with pytest.raises(ProtocolError, match="no such operation: the WSDL") as caught:
        ask(app, body=body)
    assert len(str(caught.value)) < 100
    assert "secret" not in str(caught.value)
    assert exchange.calls == []


@pytest.mark.parametrize(
    ("inner", "ticket"),
    [
        ('<ticket xmlns="urn:other">t</ticket>', "t"),
        ("<ticket>t<b>c</b></ticket>", "t"),
        ("<ticket><b>c</b></ticket>", ""),
        ("<ticket><string>a</string><string>b</string></ticket>", ""),
        ("<ticket>a</ticket><ticket>t</ticket>", "t"),
        ('<ticket href="#1"/><multiRef id="1">t</multiRef>', ""),
        ('<ticket a="&#1;\x02">t</ticket>', "t"),
        ("<ticket>&#xD800;&#x110000;</ticket>", "&#xD800;&#x110000;"),
        ("<ticket>&#xFFFFFFFF;&#4294967297;</ticket>", "&#xFFFFFFFF;&#4294967297;"),
        ("<ticket>\x00\x1f</ticket>", "&#0;&#31;"),
        ("<ticket><![CDATA[<t>&]]></ticket>", "<t>&"),
        ("<?a b?><!-- a --><ticket>t<?x y?>u<!-- c -->v</ticket>", "tuv"),
        ("hello<ticket>t</ticket>hello", "t"),
        ("<ticket " + " ".join(f'a{n}="1"' for n in range(5_000)) + ">t</ticket>", "t"),
        ("<ticket>t</ticket>" + "<x>1</x>" * 50_000, "t"),
        ("<a>" * 200 + "</a>" * 200 + "<ticket>t</ticket>", "t"),
    ],
)
def test_what_no_client_should_write_is_no_fault(
    app: Any, exchange: Scripted, inner: str, ticket: str
) -> None:
    call(app, document("getLastError", inner))
    assert exchange.calls == [("last_error", ticket)]


@pytest.mark.parametrize(
    ("change", "to"),
    [
        (NS, "urn:other"),
        (f' xmlns="{NS}"', ""),
        ("</soap:Body>", f'<close xmlns="{NS}"/></soap:Body>'),
        ("</soap:Body>", "</soap:Body><soap:Body><close/></soap:Body>"),
        ("<soap:Body>", '<soap:Header><a soap:mustUnderstand="1">b</a></soap:Header><soap:Body>'),
        ("<soap:Body>", "<soap:Body>hello"),
        ("<soap:Body>", "<soap:Body><!-- -->"),
    ],
)
def test_whatever_stands_around_a_call_it_is_answered(
    app: Any, exchange: Scripted, change: str, to: str
) -> None:
    body = document("getLastError", "<ticket>t</ticket>").decode()
    assert change in body
    call(app, body.replace(change, to).encode())
    assert exchange.calls == [("last_error", "t")]


@pytest.mark.parametrize(
    "number",
    ["-3", "0x10", "13.0", "1e9", "\u0661\u0663", "9" * 1_000_000, "2147483648000", "<b>13</b>", "NaN"],
)
def test_whatever_stands_for_a_number_is_no_fault(app: Any, exchange: Scripted, number: str) -> None:
    call(app, document("sendRequestXML", f"<qbXMLMajorVers>{number}</qbXMLMajorVers>"))
    assert exchange.calls == [("next_request", "", "", "", "", 0, 0)]


@pytest.mark.parametrize(
    "inner",
    [
        "<ticket>t" + "<a>" * 200_000 + "</a>" * 200_000 + "</ticket>",
        "<a>" * 100_000,
        '<ticket a="1" a="2">t</ticket>',
        "<y:ticket>t</y:ticket>",
        "<tic\x01ket>t</tic\x01ket>",
        '<ticket xml:id="1 2">t</ticket>',
        "<ticket>&#99999999999999;</ticket>",
    ],
)
def test_what_no_parser_takes_is_refused(app: Any, exchange: Scripted, inner: str) -> None:
    with pytest.raises(ProtocolError, match="not well-formed"):
        ask(app, body=document("getLastError", inner))
    assert exchange.calls == []


def peak_of(parsed: Callable[[], Any]) -> int:
    """Return how much memory something takes for a while, that of libxml2 apart."""
    tracemalloc.start()
    try:
        parsed()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("<a/>", "far more elements"),
        ("<!---->", "far more elements"),
        ("<?a?>", "far more elements"),
        ("<a b='>' c=\"\"/>", "far more elements"),
        ("\x01", "too many of its characters"),
        ("&#1;", "too many of its characters"),
    ],
)
def test_what_would_take_far_more_memory_than_it_is_long_is_refused(part: str, said: str) -> None:
    body = document("authenticate", f"<strPassword>{part * (500_000 // len(part))}</strPassword>")

    def refused() -> None:
        with pytest.raises(ProtocolError, match=said):
            parse_call(body)

    refused()
    assert peak_of(refused) < len(body)


def test_so_many_attributes_are_refused() -> None:
    names = " ".join(f'a{number}="{number}"' for number in range(70_000))
    with pytest.raises(ProtocolError, match="far more elements"):
        parse_call(document("authenticate", f"<strPassword {names}/>"))


def test_only_what_a_call_says_stays_in_memory() -> None:
    body = document("getLastError", "<ticket>t<b>c</b>d</ticket>" + "<x>1</x>" * 50_000)
    others = b"<h>" + b"<x>1</x>" * 2_000 + b"</h>"
    for place in (b"<soap:Body>", b"</soap:Body>", b"</soap:Envelope>"):
        body = body.replace(place, others + place, 1)
    call = parse_call(body)
    (envelope,) = call.getroottree().getroot()
    assert [child.tag for child in envelope] == [call.tag]
    assert (call[0].text, len(call[0])) == ("t", 0)
    assert len(call) <= 1000


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ("twenty other letters\x0b", "twenty other letters&#11;"),
        ("twenty other letters&#xB;", "twenty other letters&#xB;"),
        ("twenty other letters&#x1F;\x1f", "twenty other letters&#x1F;&#31;"),
        ("&#xD;", "\r"),
        ("<![CDATA[a<b]]>", "a<b"),
    ],
)
def test_an_answer_may_hold_many_forbidden_characters(
    app: Any, exchange: Scripted, part: str, kept: str
) -> None:
    times = 20_000
    body = document("receiveResponseXML", f"<ticket>t</ticket><response>{part * times}\x01</response>")
    call(app, body)
    (heard,) = exchange.calls
    assert heard == ("take_answer", "t", kept * times + "&#1;", "", "")
    assert peak_of(lambda: parse_call(body)) < 5 * len(body), "there is an object for each of them"


# --- our own mistakes, and the log --------------------------------------------------------------------------


def test_a_bug_of_ours_is_a_fault_with_an_id_and_nothing_else(
    app: Any, exchange: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange.raising = ValueError("row of customer Acme, password hunter2")
    reply = ask(
        app, body=document("authenticate", "<strUserName>jo</strUserName><strPassword>hunter2</strPassword>")
    )
    assert reply.status == 500
    number = reply.fault.split()[2].rstrip(".")
    (record,) = [record for record in caplog.records if number in record.getMessage()]
    assert "authenticate" in record.getMessage()
    assert "ValueError" in record.getMessage()
    assert "web_connector_calls.py" in record.getMessage()
    for told in (reply.body.decode(), caplog.text):
        assert "hunter2" not in told
        assert "Acme" not in told
    assert "web_connector_calls" not in reply.body.decode()


def test_an_incident_names_the_cause_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise KeyError("secret")
        except KeyError as error:
            raise RuntimeError("secret") from error
    except RuntimeError as error:
        number = incident("a test", error)
    assert number in caplog.text
    assert "RuntimeError" in caplog.text
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        document("authenticate", "<strUserName>jo</strUserName><strPassword>hunter2</strPassword>"),
        document("authenticate", "<strUserName>jo</strUserName><strPassword>hunter2</wrong>"),
        document("nothing", "<strPassword>hunter2</strPassword>"),
    ],
)
def test_a_password_is_never_logged(app: Any, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    caplog.set_level(logging.DEBUG)
    try:
        ask(app, body=body)
    except ProtocolError as error:
        assert "hunter2" not in str(error)
    assert "hunter2" not in caplog.text


# --- the description ----------------------------------------------------------------------------------------


def described(wsdl: bytes) -> dict[str, Any]:
    """Return what a proxy is made from: operations with SOAPAction, style, messages, elements in order."""
    root = etree.fromstring(wsdl)
    elements = {node.get("name"): node for node in root.iterfind(f".//{XS}schema/{XS}element")}
    types = {node.get("name"): node for node in root.iterfind(f".//{XS}schema/{XS}complexType")}

    def local(name: str | None) -> str:
        return str(name).partition(":")[2]

    def fields(kind: Any) -> list[tuple[Any, ...]]:
        return [
            (
                node.get("name"),
                local(node.get("type")),
                node.get("minOccurs", "1"),
                node.get("maxOccurs", "1"),
                node.get("nillable", "false"),
            )
            for node in kind.iterfind(f"{XS}sequence/{XS}element")
        ]

    def message(name: str | None) -> tuple[Any, ...]:
        (parts,) = [node for node in root.iterfind(f"{WSDL}message") if node.get("name") == local(name)]
        (part,) = parts
        kind = elements[local(part.get("element"))].find(f"{XS}complexType")
        return local(name), part.get("name"), local(part.get("element")), fields(kind)

    port = root.find(f"{WSDL}portType")
    binding = root.find(f"{WSDL}binding")
    service = root.find(f"{WSDL}service")
    bound = {node.get("name"): node for node in binding.iterfind(f"{WSDL}operation")}
    return {
        "namespaces": (root.get("targetNamespace"), root.find(f".//{XS}schema").get("targetNamespace")),
        "form": root.find(f".//{XS}schema").get("elementFormDefault"),
        "names": (port.get("name"), binding.get("name"), local(binding.get("type")), service.get("name")),
        "port": (service[0].get("name"), local(service[0].get("binding"))),
        "transport": dict(binding.find(f"{WSDL_SOAP}binding").attrib),
        "parts": [(etree.QName(node).localname, node.get("name")) for node in root.iterchildren("*")],
        "schema": [
            (etree.QName(node).localname, node.get("name"))
            for node in root.find(f".//{XS}schema").iterchildren("*")
        ],
        "elements": list(elements),
        "types": {name: fields(kind) for name, kind in types.items()},
        "operations": [
            (
                node.get("name"),
                [
                    (etree.QName(part).localname, dict(part.attrib).keys(), message(part.get("message")))
                    for part in node
                ],
                dict(bound[node.get("name")].find(f"{WSDL_SOAP}operation").attrib),
                [dict(body.attrib) for body in bound[node.get("name")].iter(f"{WSDL_SOAP}body")],
            )
            for node in port.iterfind(f"{WSDL}operation")
        ],
        "bound": list(bound),
        "messages": [node.get("name") for node in root.iterfind(f"{WSDL}message")],
    }


def test_the_wsdl_describes_what_intuits_describes(app: Any, shared: Path) -> None:
    theirs = described((shared / "qbxml-schema" / "QBWebConnectorSvc.wsdl").read_bytes())
    ours = described(ask(app, "GET", "/?wsdl").body)
    for key, value in theirs.items():
        assert ours[key] == value, key
    assert ours.keys() == theirs.keys()


@pytest.mark.parametrize("whose", ["ours", "Intuit's"])
def test_answers_are_valid_by_either_schema(app: Any, exchange: Scripted, shared: Path, whose: str) -> None:
    theirs = (shared / "qbxml-schema" / "QBWebConnectorSvc.wsdl").read_bytes()
    wsdl = etree.fromstring(theirs if whose == "Intuit's" else ask(app, "GET", "/?wsdl").body)
    schema = etree.XMLSchema(etree.fromstring(etree.tostring(wsdl.find(f".//{XS}schema"))))
    names = [node.get("name") for node in wsdl.iterfind(f"{WSDL}portType/{WSDL}operation")]
    assert len(names) == 8
    for name in names:
        (answer,) = etree.fromstring(call(app, document(name)).body)[0]
        schema.assertValid(etree.fromstring(etree.tostring(answer)))


def test_the_wsdl_names_nothing_interactive_and_the_given_address() -> None:
    reply = ask(
        make_app(Scripted(), url="https://qb.example.com:444/"), "GET", "/?wsdl", HTTP_HOST="evil.example"
    )
    text = reply.body.decode()
    assert reply.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert "nteractive" not in text
    assert 'location="https://qb.example.com:444/"' in text
    assert "evil" not in text


def test_two_applications_answer_each_for_its_own_exchange() -> None:
    first, second = Scripted(error="first"), Scripted(error="second")
    apps = [make_app(first), make_app(second)]
    assert [call(app, document("getLastError")).results for app in apps] == [["first"], ["second"]]
