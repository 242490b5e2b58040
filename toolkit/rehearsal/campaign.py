"""A fault campaign: sessions of a Web Connector in which servers are killed and answers lost, to the end.

The company lives here; the server is a process of its own on the workspace's folder and dies for good when
it is killed. What must hold at the end is said by :mod:`toolkit.rehearsal.verdict`.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import ProtocolError, RequestRefused, ToolkitError
from toolkit.mortal_server import FULL as DISK_FULL
from toolkit.mortal_server import KILL
from toolkit.quickbooks_codes import PARSE_ERROR
from toolkit.rehearsal import faults as kinds
from toolkit.rehearsal.company import Company
from toolkit.rehearsal.connector import SessionReport, WebConnector
from toolkit.rehearsal.faults import Fault
from toolkit.rehearsal.server_process import ServerProcess, Start, start_python

QUICKBOOKS_DIED = "0x80010105"
TAKEOVER = 61.0
"""Seconds that pass before each session: one that died is no longer taken for a live one."""
SET_BACK = 2 * 3600.0
CANNOT_VOUCH = (600, 9001, 9002, 9005)
"""Status of a message set of which QuickBooks cannot say what became of it."""
LAST_SESSIONS = 25
"""Sessions without a planted fault after which a queue that is not empty is given up."""
Said = tuple[str, str, str]
"""The answer, or HRESULT and message."""
_SET = re.compile(r'newMessageSetID="(\w+)"')


class Campaign:
    """A server, a Web Connector and a QuickBooks that break as planned.

    Parameters
    ----------
    folder : Path
        The workspace, which nobody else may have open for writing.
    company : Company
        What QuickBooks holds.
    user, password, owner_id, file_id : str
        Of the workspace.
    planned : sequence of Fault
        From :func:`toolkit.rehearsal.faults.draw`.
    start : callable, optional
        Starts a server process.
    on_round : callable, optional
        Called with the percent after each answer that was delivered.

    Attributes
    ----------
    happened : list of str
        The faults that came to pass, in order.
    counts : Counter
        How many of each kind.
    finished : bool
        Whether the server said at last that nothing is left.
    """

    def __init__(
        self,
        folder: Path,
        company: Company,
        *,
        user: str,
        password: str,
        owner_id: str,
        file_id: str,
        planned: Sequence[Fault] = (),
        start: Start = start_python,
        on_round: Callable[[int], None] | None = None,
    ) -> None:
        self.folder, self.company = folder, company
        self.happened: list[str] = []
        self.counts: Counter[str] = Counter()
        self.reports: list[SessionReport] = []
        self.finished = False
        self._start, self._shift = start, 0.0
        self._server: ServerProcess | None = None
        self._planned = list(planned)
        self._gap = self._planned[0].gap if self._planned else 0
        self._armed: Fault | None = None
        self._connector = BreakingConnector(
            self,
            user,
            password,
            company,
            owner_id=owner_id,
            file_id=file_id,
            on_round=None if on_round is None else (lambda rounds, percent: on_round(percent)),
        )

    def run(self) -> list[SessionReport]:
        """Run sessions until nothing is left, or many in a row got nowhere; return their reports."""
        left = LAST_SESSIONS
        try:
            while not self.finished and left:
                planned = len(self._planned)
                self._session()
                left = LAST_SESSIONS if len(self._planned) < planned else left - 1
        finally:
            if self._server is not None:
                self._server.stop()
        return self.reports

    def next_fault(self) -> Fault | None:
        """Return the fault that is due at this document, if any."""
        if not self._planned:
            return None
        if self._gap > 0:
            self._gap -= 1
            return None
        fault = self._planned.pop(0)
        self._gap = self._planned[0].gap if self._planned else 0
        return fault

    def arm(self, fault: Fault) -> None:
        """Have the server die, or its disk be full, once it has passed the fault's place so often."""
        self._settle()
        if self._server is None or self._armed is not None:
            self._planned.insert(0, fault)  # one at a time
            return
        how = KILL if fault.kind == kinds.KILLED else DISK_FULL
        self._server.order(place=fault.place, passes=fault.passes, how=how)
        self._armed = fault

    def pass_time(self, seconds: float) -> None:
        """Move the server's clock."""
        self._shift += seconds
        if self._server is not None:
            self._server.order(clock=self._shift)

    def note(self, fault: Fault) -> None:
        """Keep that a fault came to pass."""
        self.happened.append(f"document {len(self._connector.seen)}: {fault}")
        self.counts[fault.kind] += 1

    # --- inside ---------------------------------------------------------------------------------------

    def _session(self) -> None:
        self._shift += TAKEOVER
        if self._server is None:
            self._server = ServerProcess(self.folder, self._shift, self._start)
        else:
            self._server.order(clock=self._shift)
        self._connector.url = self._server.url
        try:
            report = self._connector.run()
        except ProtocolError as error:  # it died while it described itself
            report = SessionReport(outcome=str(error))
        self._settle()
        self.reports.append(report)
        self.finished = report.outcome == "No data exchange"

    def _settle(self) -> None:
        """Note the armed fault where it came to pass."""
        if self._server is None:
            return
        alive, fault = self._server.order(), self._armed
        if not alive and (fault is None or fault.kind != kinds.KILLED):
            raise ToolkitError("the server of the rehearsal ended by itself, and nobody had told it to")
        if fault is not None and (not alive or self._server.struck):
            self.note(fault)
            self._armed = None
        if not alive:
            self._server = None


class BreakingConnector(WebConnector):
    """A Web Connector that carries out the faults of a campaign.

    Parameters
    ----------
    campaign : Campaign
        Says which fault is due, and holds the server and the clock.
    *arguments, **options
        As for :class:`toolkit.rehearsal.connector.WebConnector`, without the URL.
    """

    def __init__(self, campaign: Campaign, *arguments: Any, **options: Any) -> None:
        super().__init__("", *arguments, **options)
        self._campaign = campaign
        self._ghosts: list[tuple[str, Said]] = []
        self.seen: list[str] = []
        self._do: dict[str, Callable[[Company, str, Fault], int]] = {
            kinds.KILLED: self._armed,
            kinds.FULL: self._armed,
            kinds.LOST_REQUEST: self._lost,
            kinds.LOST_ANSWER: self._lost,
            kinds.DOUBLED: self._doubled,
            kinds.DIED_BEFORE: self._died,
            kinds.DIED_AFTER: self._died,
            kinds.REFUSED: self._refused,
            kinds.SECOND: self._second,
            kinds.CLOCK: self._set_back,
            kinds.UNVOUCHED: self._unvouched,
            kinds.RESTORED: self._restored,
        }

    def _connect(self) -> None:
        if self._client is None:
            super()._connect()
        else:  # the real one asks for no description at all
            self._service = self._client.create_service(self._binding, self.url)

    def _carry(self, company: Company, request: str) -> int:
        fault = self._campaign.next_fault()
        known = request in self.seen
        self.seen.append(request)
        if fault is None:
            return super()._carry(company, request)
        # What stands alone would rightly be rejected, and what may have been run cannot be refused.
        unfit = fault.kind == kinds.REFUSED and (known or request.count("requestID=") < 2)
        if fault.kind in kinds.ON_WRITES and (unfit or not _SET.search(request)):
            fault = Fault(kinds.DIED_BEFORE, 0, "", 0, fault.chance)
        if fault.kind not in (kinds.KILLED, kinds.FULL):
            self._campaign.note(fault)
        percent = self._do[fault.kind](company, request, fault)
        if self._ghosts and fault.chance > 0.6:
            self._deliver(*self._ghosts[int(fault.chance * 1000) % len(self._ghosts)])
        return percent

    def _deliver(self, ticket: str, said: Said) -> int:
        answer, hresult, message = said
        called = {"ticket": ticket, "response": answer, "hresult": hresult, "message": message}
        return int(self._call("receiveResponseXML", **called))

    # --- the faults; each returns the percentage, or ends the session ----------------------------------

    def _armed(self, company: Company, request: str, fault: Fault) -> int:
        self._campaign.arm(fault)
        return super()._carry(company, request)

    def _lost(self, company: Company, request: str, fault: Fault) -> int:
        if fault.kind == kinds.LOST_ANSWER:
            answer = _processed(company, request)
            if fault.chance < 0.3:
                self._ghosts.append((self._ticket, answer))  # it comes after all, much later
        if fault.chance < 0.5:
            self._close("the line went dead")
        self._end("the Web Connector was ended")

    def _doubled(self, company: Company, request: str, fault: Fault) -> int:
        answer = _processed(company, request)
        percent = self._deliver(self._ticket, answer)
        self._ghosts.append((self._ticket, answer))
        again = self._deliver(self._ticket, answer)
        return percent if percent >= 100 or percent < 0 else again

    def _died(self, company: Company, request: str, fault: Fault) -> int:
        if fault.kind == kinds.DIED_AFTER:
            _processed(company, request)
        return self._deliver(self._ticket, ("", QUICKBOOKS_DIED, "The server threw an exception."))

    def _unvouched(self, company: Company, request: str, fault: Fault) -> int:
        """Have QuickBooks not know what became of a set, which it ran or did not run."""
        if fault.chance < 0.5:
            _processed(company, request)
        status = CANNOT_VOUCH[int(fault.chance * 1000) % len(CANNOT_VOUCH)]
        found = _SET.search(request)
        head = f'newMessageSetID="{found[1] if found else ""}" messageSetStatusCode="{status}"'
        return self._deliver(self._ticket, (f"<QBXML><QBXMLMsgsRs {head}/></QBXML>", "", ""))

    def _restored(self, company: Company, request: str, fault: Fault) -> int:
        """Put the company file back to what it was before a set, whose answer is lost."""
        before = copy.deepcopy(company)
        _processed(company, request)
        vars(company).clear()
        vars(company).update(vars(before))
        self._end("the company file was restored")

    def _refused(self, company: Company, request: str, fault: Fault) -> int:
        return self._deliver(self._ticket, ("", PARSE_ERROR, "QuickBooks found an error when parsing."))

    def _second(self, company: Company, request: str, fault: Fault) -> int:
        """Let a second connector knock while this one works, and take over; this one's answer comes late."""
        answer = _processed(company, request)
        old = self._ticket
        strings = self._knock()
        if strings[1].lower() != "busy":
            raise ToolkitError(f"a second connector was let in while the first one works: {strings[1]!r}")
        self._campaign.pass_time(TAKEOVER)
        if fault.chance < 0.3:
            return self._deliver(old, answer)
        ticket, word = self._knock()
        if word.lower() in ("none", "busy", "nvu"):
            self._end(f"the second connector was told {word}")
        self._ticket = ticket
        company.begin_session()
        if fault.chance < 0.6:
            self._deliver(old, answer)
        else:
            self._ghosts.append((old, answer))
        self._work(company)
        self._end("the second connector is done")

    def _knock(self) -> tuple[str, str]:
        result = self._call("authenticate", strUserName=self.user, strPassword=self._password)
        strings = [text or "" for text in (getattr(result, "string", result) or [])]
        return strings[0], strings[1]

    def _set_back(self, company: Company, request: str, fault: Fault) -> int:
        self._campaign.pass_time(-SET_BACK)
        return super()._carry(company, request)


def _processed(company: Company, request: str) -> Said:
    try:
        return company.process(request), "", ""
    except RequestRefused as refusal:
        return "", refusal.hresult, refusal.message
