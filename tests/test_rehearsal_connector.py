"""The simulated Web Connector, against a small strict SOAP service that is not ours.

The service is made from the Web Connector's own WSDL: it knows the operations and parameters that stand
there, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cheroot import wsgi
from lxml import etree
from rehearsal_company import company, customer, document

from toolkit.errors import ProtocolError
from toolkit.rehearsal import Company, WebConnector

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
INTUIT = "{http://developer.intuit.com/}"
OWNER, FILE = "{90A44FB7-33D9-4815-AC85-AC86A7E7D1EB}", "{57F3B9B6-86F1-4FCC-B1FF-966DE1813D20}"


@dataclass
class Service:
    """A scripted service: what each operation returns, and every call it got."""

    wsdl: bytes
    script: dict[str, list[Any]]
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: str = "200 OK"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        headers = [("Content-Type", "text/xml; charset=utf-8")]
        if environ["REQUEST_METHOD"] == "GET":
            start("200 OK", headers)
            return [self.wsdl]
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        name, arguments = self._read(body)
        assert environ["HTTP_SOAPACTION"] == f'"{INTUIT.strip("{}")}{name}"'
        self.headers.append({key: value for key, value in environ.items() if key.startswith("HTTP_")})
        self.calls.append((name, arguments))
        start(self.status, headers)
        return [self._answer(name)] if self.status.startswith("200") else [b"<html/>"]

    def _read(self, body: bytes) -> tuple[str, dict[str, str]]:
        """Read a call, as strictly as the WSDL has it."""
        (call,) = etree.fromstring(body).find(f"{SOAP}Body")  # type: ignore[union-attr]
        name = etree.QName(call).localname
        declared = self.parameters(name)
        assert [etree.QName(child).localname for child in call] == declared, (
            f"{name}: {etree.tostring(call)!r}"
        )
        assert all(child.tag.startswith(INTUIT) for child in call.iter())
        return name, {etree.QName(child).localname: child.text or "" for child in call}

    def parameters(self, name: str) -> list[str]:
        """Return the parameters that are sent for an operation, in the order of the WSDL."""
        if name == "serverVersion":  # its one parameter stands in this WSDL only
            return []
        root = etree.fromstring(self.wsdl)
        found = root.find(f".//{XSD}element[@name='{name}']/{XSD}complexType/{XSD}sequence")
        assert found is not None, f"the WSDL has no operation {name}"
        return [str(child.get("name")) for child in found]

    def _answer(self, name: str) -> bytes:
        results = self.script[name]
        value = results.pop(0) if len(results) > 1 else results[0]
        envelope = etree.Element(f"{SOAP}Envelope", nsmap={"soap": SOAP.strip("{}")})
        response = etree.SubElement(etree.SubElement(envelope, f"{SOAP}Body"), f"{INTUIT}{name}Response")
        result = etree.SubElement(response, f"{INTUIT}{name}Result")
        if isinstance(value, list):
            for text in value:
                etree.SubElement(result, f"{INTUIT}string").text = text
        else:
            result.text = str(value)
        return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")

    @property
    def names(self) -> list[str]:
        """The operations called, in order."""
        return [name for name, _ in self.calls]

    def sent(self, name: str) -> list[dict[str, str]]:
        """What one operation was called with."""
        return [arguments for called, arguments in self.calls if called == name]


NOTHING = ["sendRequestXML", "getLastError", "closeConnection"]
FAILED = ["sendRequestXML", "receiveResponseXML", "getLastError", "closeConnection"]
START = ["serverVersion", "clientVersion", "authenticate"]
USUAL: dict[str, list[Any]] = {
    "serverVersion": ["1.0"],
    "clientVersion": [""],
    "authenticate": [["ticket-1", ""]],
    "sendRequestXML": [document('<CustomerQueryRq requestID="7"/>')],
    "receiveResponseXML": [100],
    "getLastError": ["all is lost"],
    "connectionError": ["done"],
    "closeConnection": ["OK"],
}


@contextmanager
def serving(shared: Path, **script: list[Any]) -> Iterator[tuple[Service, str]]:
    wsdl = (shared / "qbxml-schema" / "QBWebConnectorSvc.wsdl").read_bytes()
    service = Service(wsdl, {name: list(results) for name, results in (USUAL | script).items()})
    server = wsgi.Server(("127.0.0.1", 0), service, numthreads=1)
    server.expiration_interval = 0.01  # how long it takes to notice that it is to stop
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield service, f"http://127.0.0.1:{server.bind_addr[1]}/"
    finally:
        server.stop()
        thread.join()


def connector(url: str, opened: Company | None = None, **options: Any) -> WebConnector:
    options = {"owner_id": OWNER, "file_id": FILE, "sleep": lambda seconds: None} | options
    return WebConnector(url, "blubilling", "secret", opened or company(), **options)


@pytest.mark.network
def test_a_session_in_the_right_order(shared: Path) -> None:
    opened, rounds, seen = company(), [], []
    requests = [document(customer("One")), document("<CustomerQueryRq/>")]
    with serving(shared, sendRequestXML=requests, receiveResponseXML=[50, 100]) as (service, url):
        report = connector(
            url,
            opened,
            on_round=lambda number, percent: rounds.append((number, percent)),
            on_call=lambda name, result: seen.append(name),
        ).run()
    assert service.names == [*START, *["sendRequestXML", "receiveResponseXML"] * 2, "closeConnection"]
    assert (report.outcome, report.code, report.rounds, report.last_error) == ("OK", None, 2, "")
    assert report.requests == requests
    assert report.calls == service.names == seen
    assert rounds == [(1, 50), (2, 100)]
    answers = [call["response"] for call in service.sent("receiveResponseXML")]
    assert answers == report.answers
    assert 'CustomerAddRs statusCode="0"' in answers[0]
    assert "<Name>One</Name>" in answers[1]
    assert {call["ticket"] for call in service.sent("receiveResponseXML")} == {"ticket-1"}
    assert service.sent("authenticate") == [{"strUserName": "blubilling", "strPassword": "secret"}]
    assert all(
        header["HTTP_USER_AGENT"].startswith("Mozilla/4.0 (compatible; MSIE 6.0")
        for header in service.headers
    )


@pytest.mark.network
def test_the_first_request_tells_the_company_and_only_the_first(shared: Path) -> None:
    opened = company()
    with serving(shared, receiveResponseXML=[10, 100]) as (service, url):
        connector(url, opened).run()
    first, second = service.sent("sendRequestXML")
    assert first["strCompanyFileName"] == opened.file_path
    assert (first["qbXMLCountry"], first["qbXMLMajorVers"], first["qbXMLMinorVers"]) == ("US", "13", "0")
    hcp = etree.fromstring(first["strHCPResponse"].encode())
    assert hcp.findtext(".//CompanyRet/DataExtRet/DataExtValue") == FILE
    assert second["strHCPResponse"] == ""


@pytest.mark.network
@pytest.mark.parametrize(
    ("script", "calls", "outcome", "code"),
    [
        ({"authenticate": [["", "nvu"]]}, ["closeConnection"], "Invalid password for username", "QBWC1040"),
        ({"authenticate": [["t", "NONE"]]}, ["closeConnection"], "No data exchange", None),
        ({"authenticate": [["t", "busy"]]}, ["closeConnection"], "Application Busy", None),
        ({"authenticate": [["t", "", "60"]]}, ["closeConnection"], "Update postponed by application", None),
        ({"authenticate": [["t"]]}, [], "less than two strings", "QBWC1012"),
        ({"authenticate": [["t", r"C:\Other.qbw"]]}, ["connectionError"], "0x8004040A", "QBWC1013"),
        ({"sendRequestXML": [""]}, NOTHING, "all is lost", None),
        ({"receiveResponseXML": [-1]}, FAILED, "all is lost", None),
    ],
)
def test_every_way_a_session_ends(
    shared: Path, script: dict[str, list[Any]], calls: list[str], outcome: str, code: str | None
) -> None:
    with serving(shared, **script) as (service, url):
        report = connector(url).run()
    assert service.names == START + calls
    assert outcome in report.outcome
    assert report.code == code


@pytest.mark.network
@pytest.mark.parametrize(
    ("said", "calls", "code"),
    [
        ("W:old", [*START, "sendRequestXML", "receiveResponseXML", "closeConnection"], None),
        ("E:too old", START[:2], "QBWC1037"),
        ("O:2.3.0.198", START[:2], "QBWC1037"),
        ("ok", START[:2], "QBWC1046"),
    ],
)
def test_client_version_can_stop_the_session(
    shared: Path, said: str, calls: list[str], code: str | None
) -> None:
    with serving(shared, clientVersion=[said]) as (service, url):
        report = connector(url).run()
    assert service.names == calls
    assert report.code == code


@pytest.mark.network
def test_no_op_waits_five_seconds_and_asks_again(shared: Path) -> None:
    slept: list[float] = []
    script = {"sendRequestXML": ["NoOp", "", document("<CustomerQueryRq/>")], "getLastError": ["NoOp"]}
    with serving(shared, **script) as (service, url):
        report = connector(url, sleep=slept.append).run()
    assert slept == [5.0, 5.0]
    assert service.names[3:] == [
        *["sendRequestXML", "getLastError"] * 2,
        "sendRequestXML",
        "receiveResponseXML",
        "closeConnection",
    ]
    first, second, third = service.sent("sendRequestXML")
    assert first["strHCPResponse"] and not second["strHCPResponse"] and not third["strHCPResponse"]
    assert report.outcome == "OK"


@pytest.mark.network
def test_a_document_refused_whole_comes_back_as_an_hresult(shared: Path) -> None:
    bad = document("<NoSuchRq/>")
    with serving(shared, sendRequestXML=[bad], receiveResponseXML=[-1]) as (service, url):
        report = connector(url).run()
    (delivered,) = service.sent("receiveResponseXML")
    assert delivered == {
        "ticket": "ticket-1",
        "response": "",
        "hresult": "0x80040400",
        "message": "QuickBooks found an error when parsing the provided XML text stream.",
    }
    assert report.requests == [bad]
    assert report.answers == [""]
    assert report.last_error == "all is lost"


@pytest.mark.network
def test_the_file_asked_for_is_opened_whatever_its_case(shared: Path) -> None:
    opened = company()
    with serving(shared, authenticate=[["t", opened.file_path.upper()]]) as (service, url):
        assert connector(url, opened).run().outcome == "OK"
    assert "connectionError" not in service.names


@pytest.mark.network
def test_connection_error_may_ask_for_the_open_file(shared: Path) -> None:
    script = {"authenticate": [["t", r"C:\Other.qbw"]], "connectionError": [r"C:\Third.qbw", ""]}
    with serving(shared, **script) as (service, url):
        assert connector(url).run().outcome == "OK"
    assert service.names.count("connectionError") == 2


@pytest.mark.network
def test_quickbooks_that_cannot_be_started_is_given_up(shared: Path) -> None:
    with serving(shared, connectionError=["again"]) as (service, url):
        report = WebConnector(url, "blubilling", "secret", None).run()
    assert service.names.count("connectionError") == 10
    assert service.sent("connectionError")[0]["hresult"] == "0x80040408"
    assert report.code == "QBWC1013"


@pytest.mark.network
def test_a_failing_call_ends_the_session_at_once(shared: Path) -> None:
    with serving(shared) as (service, url):
        client = connector(url, on_call=lambda name, result: setattr(service, "status", "500 Oops"))
        report = client.run()
    assert service.names == ["serverVersion", "clientVersion"]
    assert report.code == "QBWC1036"


@pytest.mark.network
def test_a_session_ends_its_iterators(shared: Path) -> None:
    opened = company()
    start = document('<CustomerQueryRq iterator="Start"><MaxReturned>1</MaxReturned></CustomerQueryRq>')
    with serving(shared, sendRequestXML=[start]) as (_, url):
        report = connector(url, opened).run()
    identifier = etree.fromstring(report.answers[0].encode())[0][0].get("iteratorID")
    assert identifier
    again = start.replace('"Start"', f'"Continue" iteratorID="{identifier}"')
    assert 'statusSeverity="Error"' in opened.process(again)


@pytest.mark.network
def test_no_service_is_a_clear_error(shared: Path) -> None:
    with serving(shared) as (_, url):
        pass
    with pytest.raises(ProtocolError, match=r"no service description at http://127\.0\.0\.1"):
        connector(url).run()


QWC = f"""<?xml version="1.0"?>
<QBWCXML><AppName>Toolkit</AppName><AppID/><AppURL>http://localhost:1/</AppURL><AppDescription>d</AppDescription>
<AppSupport>http://localhost:1/support</AppSupport><UserName>blubilling</UserName><OwnerID>{OWNER}</OwnerID>
<FileID>{FILE}</FileID><QBType>QBFS</QBType></QBWCXML>"""


def test_a_qwc_file_sets_the_web_connector_up() -> None:
    client = WebConnector.from_qwc(QWC.encode(), "secret", company())
    assert (client.url, client.user) == ("http://localhost:1/", "blubilling")
    assert (client.owner_id, client.file_id) == (OWNER, FILE)


def test_a_qwc_file_without_an_owner_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"QBWC1039.*OwnerID"):
        WebConnector.from_qwc(QWC.replace("OwnerID", "Owner").encode(), "secret", company())
