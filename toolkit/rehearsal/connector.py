"""A simulated Web Connector: a real SOAP client that carries qbXML between a server and a simulated company.

It keeps the order of calls and the meaning of every return value of the real one, and sends what the real one
sends: its User-Agent, the quoted SOAPAction, empty elements for empty strings.

Source: PROTOCOL 1.3 (return values), 1.4 (order of calls), 1.5 (failures), 1.8 (headers), 7.4 (codes).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import requests
import zeep
import zeep.exceptions
from lxml import etree
from zeep.wsdl.bindings.soap import Soap11Binding

from toolkit.errors import ProtocolError, RequestRefused
from toolkit.rehearsal.company import Company

USER_AGENT = "Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services Client Protocol 2.0.50727.1433)"
VERSION = "2.3.0.215"
PAUSE = 5.0
"""Seconds that the Web Connector waits after ``NoOp``."""
MOST_ATTEMPTS = 10
"""How often it tries to open a company file that connectionError names; the real one loops without end."""

# zeep declares few types: what it makes is called through here.
_zeep: Any = zeep

# What the log says when a call fails: fault, HTTP status, timeout, bad XML.
_FAILED = {
    "serverVersion": "QBWC1036",
    "clientVersion": "QBWC1036",
    "authenticate": "QBWC1012",
    "sendRequestXML": "QBWC1041",
    "receiveResponseXML": "QBWC1042",
    "getLastError": "QBWC1043",
    "closeConnection": "QBWC1044",
    "connectionError": "QBWC1045",
}
_APPLICATION = ("AppName", "AppID", "AppURL", "AppDescription", "AppSupport")
_REQUIRED = (*_APPLICATION, "UserName", "OwnerID", "FileID", "QBType")
_NOT_RUNNING = ("0x80040408", "Could not start QuickBooks.")
_OTHER_FILE = (
    "0x8004040A",
    "A QuickBooks company data file is already open and it is different from the one requested.",
)


@dataclass(slots=True)
class SessionReport:
    """What one update session did.

    Attributes
    ----------
    outcome
        What the status column of the Web Connector would show.
    code
        ``QBWC1012`` and the like where the session failed; None where it did not.
    rounds
        How many answers were delivered.
    last_error
        The last text of getLastError.
    requests, answers
        Every qbXML document received, and what the company answered (``""`` where it refused).
    calls
        The SOAP operations in order.
    percent
        What each receiveResponseXML returned.
    """

    outcome: str = ""
    code: str | None = None
    rounds: int = 0
    last_error: str = ""
    requests: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    percent: list[int] = field(default_factory=list)


class _Ended(Exception):
    """The session is over; nothing more is called."""


class WebConnector:
    """A Web Connector with one application added to it.

    Parameters
    ----------
    url
        AppURL: where the service is; ``?wsdl`` is added to read its description.
    user, password
        What the user typed.
    company
        The company file that is open in QuickBooks; None where QuickBooks cannot be started.
    owner_id, file_id
        Of the .qwc file; stamped into the company file at the first connection.
    on_call
        Called after each SOAP call with the operation and its result.
    on_round
        Called after each answer delivered, with the number of rounds and the percentage returned.
    sleep
        Waits after ``NoOp``, in seconds.
    timeout
        Seconds to wait for one answer of the service.
    verify
        Whether to check the server's certificate, or a file of certificates to trust.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        company: Company | None,
        *,
        owner_id: str = "{00000000-0000-0000-0000-000000000001}",
        file_id: str = "{00000000-0000-0000-0000-000000000002}",
        on_call: Callable[[str, Any], None] | None = None,
        on_round: Callable[[int, int], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = 100.0,
        verify: bool | str = True,
    ) -> None:
        self.url, self.user, self.company = url, user, company
        self.owner_id, self.file_id = owner_id, file_id
        self._password = password
        self._on_call, self._on_round, self._sleep = on_call, on_round, sleep
        self._timeout, self._verify = timeout, verify
        self._report = SessionReport()
        self._ticket = ""
        self._client: Any = None
        self._binding = ""
        self._service: Any = None
        self._operations: frozenset[str] = frozenset()

    @classmethod
    def from_qwc(cls, qwc: bytes, password: str, company: Company | None, **options: Any) -> WebConnector:
        """Return a Web Connector with the application that a .qwc file describes.

        Parameters
        ----------
        qwc
            Content of the .qwc file.
        password
            What the user types; it is never in the file.
        company
            The company file that is open.
        **options
            As for the class.

        Raises
        ------
        ProtocolError
            The file lacks a required element (QBWC1039).
        """
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(qwc, parser)
        values = {str(node.tag): (node.text or "").strip() for node in root.iterchildren("*")}
        lacking = [name for name in _REQUIRED if name not in values]
        if root.tag != "QBWCXML" or lacking:
            raise ProtocolError(f"QBWC1039: the .qwc file lacks {', '.join(lacking) or 'its root QBWCXML'}")
        options = {"owner_id": values["OwnerID"], "file_id": values["FileID"], **options}
        return cls(values["AppURL"], values["UserName"], password, company, **options)

    def run(self) -> SessionReport:
        """Run one update session, as pressing *Update selected* does.

        Raises
        ------
        ProtocolError
            The service's description cannot be read.
        """
        self._report, self._ticket = SessionReport(), ""
        self._connect()
        try:
            self._versions()
            wanted = self._authenticate()
            company = self._open(wanted)
            self._work(company)
        except _Ended:
            pass
        finally:
            if self.company is not None:
                self.company.end_session()
        return self._report

    # --- SOAP

    def _connect(self) -> None:
        session = requests.Session()
        session.trust_env = False  # a proxy of the machine is no way to reach localhost
        session.verify = self._verify
        transport = _zeep.Transport(session=session, timeout=self._timeout, operation_timeout=self._timeout)
        session.headers["User-Agent"] = USER_AGENT
        settings = zeep.Settings(xml_huge_tree=True)
        try:
            client = _zeep.Client(f"{self.url}?wsdl", transport=transport, settings=settings)
        except (requests.RequestException, zeep.exceptions.Error, etree.XMLSyntaxError) as error:
            raise ProtocolError(f"no service description at {self.url}?wsdl: {error}") from error
        bindings: list[Any] = [one for one in client.wsdl.bindings.values() if isinstance(one, Soap11Binding)]
        if not bindings:
            raise ProtocolError(f"{self.url}?wsdl describes no SOAP 1.1 service")
        self._operations = frozenset(str(name) for name in bindings[0].all())
        # The real one posts to AppURL, whatever address the description gives.
        self._client, self._binding = client, str(bindings[0].name)
        self._service = client.create_service(self._binding, self.url)

    def _call(self, name: str, **arguments: Any) -> Any:
        self._report.calls.append(name)
        try:
            result = getattr(self._service, name)(**arguments)
        except (requests.RequestException, zeep.exceptions.Error) as error:
            self._end(f"{_FAILED[name]}: {error}", _FAILED[name])
        if self._on_call is not None:
            self._on_call(name, result)
        return result

    def _end(self, outcome: str, code: str | None = None) -> NoReturn:
        self._report.outcome, self._report.code = outcome, code
        raise _Ended

    def _close(self, outcome: str, code: str | None = None) -> NoReturn:
        """End the session with closeConnection; what it returns is shown where nothing else is."""
        shown = self._call("closeConnection", ticket=self._ticket)
        self._end(outcome or str(shown or ""), code)

    def _last_error(self) -> str:
        self._report.last_error = str(self._call("getLastError", ticket=self._ticket) or "")
        return self._report.last_error

    # --- the steps of a session

    def _versions(self) -> None:
        if "serverVersion" in self._operations:
            self._call("serverVersion")
        if "clientVersion" not in self._operations:
            return
        said = str(self._call("clientVersion", strVersion=VERSION) or "")
        if said.startswith("E:"):
            self._end(said[2:], "QBWC1037")
        if said.startswith("O:"):
            self._end(f"The server wants version {said[2:]} of the Web Connector.", "QBWC1037")
        if said and not said.startswith("W:"):  # a warning: the user goes on
            self._end(f"The server's answer {said!r} to clientVersion cannot be understood.", "QBWC1046")

    def _authenticate(self) -> str:
        """Return the company file that the server wants, ``""`` for the one that is open."""
        result = self._call("authenticate", strUserName=self.user, strPassword=self._password)
        strings = [text or "" for text in (getattr(result, "string", result) or [])]
        if len(strings) < 2:
            self._end("The server's answer to authenticate has less than two strings.", "QBWC1012")
        self._ticket, wanted = strings[0], strings[1]
        match wanted.lower():
            case "nvu":
                self._close("Invalid password for username", "QBWC1040")
            case "none":
                self._close("No data exchange")
            case "busy":
                self._close("Application Busy")
        if len(strings) > 2 and strings[2].strip():
            self._close("Update postponed by application")
        return wanted

    def _open(self, wanted: str) -> Company:
        """Open the company file, asking the server again while it cannot be opened."""
        for _ in range(MOST_ATTEMPTS):
            company = self.company
            if company is not None and wanted.casefold() in ("", company.file_path.casefold()):
                company.begin_session()
                return company
            hresult, message = _NOT_RUNNING if company is None else _OTHER_FILE
            said = self._call("connectionError", ticket=self._ticket, hresult=hresult, message=message)
            if str(said or "").lower() == "done":
                self._end(f"{hresult}: {message}", "QBWC1013")
            wanted = str(said or "")
        self._end("QuickBooks could not be opened.", "QBWC1013")

    def _work(self, company: Company) -> None:
        hcp = company.hcp(self.owner_id, self.file_id)
        while True:
            request = self._call(
                "sendRequestXML",
                ticket=self._ticket,
                strHCPResponse=hcp,
                strCompanyFileName=company.file_path,
                qbXMLCountry="US",
                qbXMLMajorVers=13,
                qbXMLMinorVers=0,
            )
            hcp = ""
            if not request or request == "NoOp":
                self._pause_or_end()
                continue
            percent = self._carry(company, str(request))
            if percent < 0:
                self._close(self._last_error())
            if percent >= 100:
                self._close("")

    def _pause_or_end(self) -> None:
        said = self._last_error()
        if said != "NoOp":
            self._close(said)
        self._sleep(PAUSE)

    def _carry(self, company: Company, request: str) -> int:
        """Run one document in the company and deliver the answer; return the percentage."""
        self._report.requests.append(request)
        answer = hresult = message = ""
        try:
            answer = company.process(request)
        except RequestRefused as refusal:
            hresult, message = refusal.hresult, refusal.message
        self._report.answers.append(answer)
        result = self._call(
            "receiveResponseXML", ticket=self._ticket, response=answer, hresult=hresult, message=message
        )
        self._report.rounds += 1
        self._report.percent.append(int(result))
        if self._on_round is not None:
            self._on_round(self._report.rounds, int(result))
        return int(result)
