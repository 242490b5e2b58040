"""One Web Connector conversation: what to send next, and what an answer means.

Knows neither SOAP nor HTTP: ``wc_server.py`` calls one method for each call of the Web Connector. Whatever
must survive a crash is in the ledger or in ``inbox/`` before a method returns. Source: Web Connector
Programmer's Guide chapters 2, 5 and 10; qbXML error recovery.
"""

from __future__ import annotations

import io
import logging
import secrets
import string
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from toolkit import extract, outcomes, qbxml_io
from toolkit.company_guard import agree_version, inspect
from toolkit.errors import QbxmlError, ToolkitError
from toolkit.ledger import REFUSED, Job, MessageSet, Operation, Outcome, Query, Session
from toolkit.quickbooks_codes import (
    NOTHING_RAN,
    PARSE_ERROR,
    SET_NOT_VOUCHED,
    explain_hresult,
    explain_status,
)
from toolkit.workspace import Workspace

NVU, NONE, BUSY = "nvu", "none", "busy"
FINISHED, FAILED = 100, -1
CONNECTION_TRIES = 2
SET_ID_CHARACTERS = string.ascii_uppercase + string.digits
SET_ID_LENGTH = 20
UNKNOWN_TICKET = "This session has ended. Run the Web Connector again."
REFUSED_TOGETHER = "refused together with others; sent alone next"

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Exchange:
    """The conversation of one workspace with the Web Connector.

    Parameters
    ----------
    workspace : Workspace
        Open for writing.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._ledger = workspace.ledger
        self._calls = threading.RLock()  # one conversation: calls never overlap, whatever the client does

    # --- the calls ------------------------------------------------------------------------------------

    def authenticate(self, user: str, password: str) -> tuple[str, str]:
        """Return the ticket, and ``""``, the company file, ``none``, ``nvu`` or ``busy``."""
        if not self._ws.verify_password(user, password):
            return "", NVU
        with self._calls:
            if self._ledger.live_session(self._ws.settings["session_timeout"]) is not None:
                return "", BUSY
            if not self._has_work():
                return "", NONE
            ticket = self._ledger.open_session(user)
            return ticket, self._ws.settings["company_file"] or ""

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        """Return the next qbXML document, or ``""`` where ``last_error`` says why there is none."""

        def choose(session: Session) -> str:
            if not session.facts.get("version"):
                problem = self._meet(session, hcp, company_file, country, major, minor)
                if problem:
                    self._ledger.set_session_error(ticket, problem)
                    return ""
            return self._choose(ticket)

        return self._in_session(ticket, choose, "")

    def take_answer(self, ticket: str, response: str, hresult: str, message: str) -> int:
        """Keep and read an answer; return the percent done, or a negative number on an error.

        100 is returned only when nothing is left to send.
        """

        def take(session: Session) -> int:
            open_set = self._ledger.unanswered()
            if open_set is None or open_set.session != ticket:
                raise ToolkitError("an answer came for which nothing was asked")
            if hresult.strip():
                return self._take_failure(session, open_set, hresult.strip(), message)
            if open_set.kind == "write":
                self._take_write(open_set, response.encode("utf-8"))
            elif not self._take_read(ticket, open_set, response.encode("utf-8")):
                return FAILED
            return self._progress(session)

        return self._in_session(ticket, take, FAILED)

    def last_error(self, ticket: str) -> str:
        """Return why the last call gave nothing, in plain words."""
        session = self._ledger.session(ticket)
        if session is None:
            return UNKNOWN_TICKET
        return session.error or "There is nothing to send."

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        """Return ``done``, or ``""`` to let the Web Connector try once more with the file that is open."""

        def note(session: Session) -> str:
            tries = int(session.facts.get("connection_errors", 0)) + 1
            self._ledger.update_session(ticket, connection_errors=tries)
            self._ledger.set_session_error(ticket, explain_hresult(hresult.strip(), message))
            if tries < CONNECTION_TRIES:
                return ""
            self._ledger.close_session(ticket, explain_hresult(hresult.strip(), message))
            return "done"

        return self._in_session(ticket, note, "done")

    def close(self, ticket: str) -> str:
        """End the session and return the text of the status column."""
        with self._calls:
            session = self._ledger.session(ticket)
            if session is None:
                return "OK"
            outcome = session.error or "OK"
            self._ledger.close_session(ticket, outcome)
            return outcome

    # --- what to send ---------------------------------------------------------------------------------

    def _in_session(self, ticket: str, call: Callable[[Session], _Result], failed: _Result) -> _Result:
        """Run a call in its session; what the toolkit itself refuses becomes the session's last error."""
        with self._calls:
            session = self._ledger.session(ticket)
            if session is None or session.closed_at is not None:
                return failed
            self._ledger.touch(ticket)
            try:
                return call(session)
            except ToolkitError as error:
                _log.error("session stopped: %s", type(error).__name__)
                self._ledger.set_session_error(ticket, str(error))
                return failed

    def _meet(
        self, session: Session, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str | None:
        """Check company file and version in the first call of a session; return what is wrong."""
        if not hcp.strip():
            return "QuickBooks did not tell which company is open. Run the Web Connector again."
        verdict = inspect(
            hcp,
            company_file,
            owner_id=self._ws.owner_id,
            file_id=self._ws.file_id,
            expected_file=self._ws.settings["company_file"],
            learned=self._ledger.learned(),
            rehearsal=self._ws.rehearsal,
        )
        if verdict.problem:
            return verdict.problem
        if country.strip().upper() not in ("", "US"):
            return f"This is the {country} edition of QuickBooks; the toolkit speaks to the US edition only."
        version = agree_version(major, minor)
        if version is None:
            return f"This QuickBooks speaks qbXML {major}.{minor}; 8.0 (QuickBooks 2009) or later is needed."
        for key, value in verdict.facts.items():
            self._ledger.learn(key, value)
        self._ledger.update_session(session.ticket, version=version, company_file=company_file)
        return None

    def _has_work(self) -> bool:
        self._ledger.skip_blocked()
        return self._ledger.unanswered() is not None or self._settle() is not None

    def _settle(self) -> Job | None:
        """Finish the jobs for which nothing is left to do, and return the next one that needs QuickBooks."""
        while (job := self._ledger.next_job()) is not None:
            if job.is_import:
                if any(query.status != "done" for query in self._ledger.queries(job.id)):
                    return job
                extract.land_job(self._ws, job.id)
                if not self._ledger.job(job.id).ended:
                    raise ToolkitError(f"job {job.id} has all its answers and could not be landed")
                continue
            self._ledger.skip_blocked()
            if self._ledger.sendable(1, job.id):
                return job
            self._finish_export(job)
        return None

    def _finish_export(self, job: Job) -> None:
        if job.status == "queued":
            self._ledger.set_job(job.id, "running")
        self._ledger.set_job(job.id, "complete")

    def _choose(self, ticket: str) -> str:
        lost = self._ledger.unanswered()
        if lost is not None and lost.kind == "write":
            # Identical text under the same id: QuickBooks runs it at most once.
            return self._ledger.resend(lost.id, ticket).text.decode("ascii")
        if lost is not None:
            self._ledger.abandon_set(lost.id)
            for number in lost.queries:
                self._ledger.restart_query(number)
        job = self._settle()
        if job is None:
            self._ledger.set_session_error(ticket, "There is nothing to send.")
            return ""
        session = self._ledger.session(ticket)
        version = str(session.facts["version"]) if session else "13.0"
        if job.is_import:
            query = next(query for query in self._ledger.queries(job.id) if query.status != "done")
            return self._send_query(ticket, query, version)
        return self._send_operations(ticket, self._batch(job), version)

    def _send_query(self, ticket: str, query: Query, version: str) -> str:
        fields = dict(query.fields)
        iterator = iterator_id = None
        if query.iterate:
            fields["MaxReturned"] = self._ws.settings["page_size"]
            iterator, iterator_id = ("Continue", query.iterator_id) if query.iterator_id else ("Start", None)
        request = qbxml_io.Request(
            query.name,
            fields,
            request_id=f"J{query.job}Q{query.id}P{query.pages + 1}",
            iterator=iterator,
            iterator_id=iterator_id,
        )
        text = qbxml_io.build([request], version=version)
        self._ledger.open_set(ticket, "read", None, text, [query.id])
        return text.decode("ascii")

    def _batch(self, job: Job) -> list[Operation]:
        """Return the next operations; one that was refused together with others goes alone."""
        ready = self._ledger.sendable(self._ws.settings["set_size"], job.id)
        alone = [operation for operation in ready if operation.status_message == REFUSED_TOGETHER]
        return alone[:1] or ready

    def _send_operations(self, ticket: str, operations: Sequence[Operation], version: str) -> str:
        set_id = "".join(secrets.choice(SET_ID_CHARACTERS) for _ in range(SET_ID_LENGTH))
        clears = self._ledger.uncleared()
        text = qbxml_io.build(
            outcomes.requests(operations, self._quickbooks_id),
            version=version,
            new_message_set_id=set_id,
            old_message_set_id=clears,
        )
        self._ledger.open_set(ticket, "write", set_id, text, [o.key for o in operations], clears)
        return text.decode("ascii")

    def _quickbooks_id(self, key: str) -> str | None:
        return self._ledger.operation(key).quickbooks_id

    # --- what an answer means -------------------------------------------------------------------------

    def _take_read(self, ticket: str, open_set: MessageSet, data: bytes) -> bool:
        query = self._ledger.query(open_set.queries[0])
        landed = extract.receive(self._ws, data, job=query.job, name=query.name)
        self._ledger.record_answer(open_set.id)
        if self._ledger.job(query.job).status != "failed":
            return True
        errors = [status for status in landed.statuses if status.code not in (0, 1) and status.code >= 1000]
        said = explain_status(errors[0].code, errors[0].message) if errors else "the answer could not be read"
        self._ledger.set_session_error(ticket, f"{query.name}: {said}")
        return self._has_work()

    def _take_write(self, open_set: MessageSet, data: bytes) -> None:
        path = self._ws.save_answer(data, name=open_set.set_id or "write")
        relative = path.relative_to(self._ws.path).as_posix()
        operations = [self._ledger.operation(key) for key in open_set.members]
        try:
            events = list(qbxml_io.parse(io.BytesIO(data)))
        except QbxmlError as error:
            found = [
                Outcome(o.key, "unknown", message=f"the answer could not be read: {error}")
                for o in operations
            ]
            self._ledger.record_answer(open_set.id, inbox_path=relative, outcomes=found)
            return
        envelope = next((event for event in events if isinstance(event, qbxml_io.Envelope)), None)
        status = envelope.message_set_status if envelope else None
        if status in SET_NOT_VOUCHED:
            why = f"QuickBooks cannot say what became of the set (status {status})"
            found = [Outcome(o.key, "unknown", status, why) for o in operations]
        else:
            found = outcomes.outcomes(operations, events)
        # Rows first: were we to die in between, the resent set would bring the same rows again.
        batches = [event for event in events if isinstance(event, qbxml_io.Batch)]
        extract.land_rows(self._ws, batches, job=operations[0].job if operations else None)
        self._ledger.record_answer(open_set.id, inbox_path=relative, outcomes=found, set_status=status)

    def _take_failure(self, session: Session, open_set: MessageSet, hresult: str, message: str) -> int:
        """Record that QuickBooks could not run a document; return the progress, or a negative number."""
        said = explain_hresult(hresult, message)
        nothing_ran = hresult.lower() in NOTHING_RAN
        if open_set.kind != "write":
            self._ledger.abandon_set(open_set.id)
            for number in open_set.queries:
                self._ledger.restart_query(number)
                if nothing_ran:
                    self._ledger.set_job(self._ledger.query(number).job, "failed", said)
        elif nothing_ran:
            self._ledger.record_answer(
                open_set.id, outcomes=_refused(open_set.members, hresult, said), set_status=REFUSED
            )
            if hresult.lower() == PARSE_ERROR.lower():
                return self._progress(session)
        # After any other failure a write's outcome is unknown: the set stays open and is recovered first.
        self._ledger.set_session_error(session.ticket, said)
        return FAILED

    def _progress(self, session: Session) -> int:
        if not self._has_work():
            return FINISHED
        return min(FINISHED - 1, int(self._ledger.progress(session.opened_at) * FINISHED))


def _refused(members: Sequence[str], hresult: str, said: str) -> list[Outcome]:
    """Return the outcomes of a set that was refused whole: alone rejected, together sent one by one."""
    if hresult.lower() != PARSE_ERROR.lower():
        return [Outcome(key, "pending", message=said) for key in members]
    if len(members) == 1:
        return [Outcome(key, "rejected", message=said) for key in members]
    return [Outcome(key, "pending", message=REFUSED_TOGETHER) for key in members]


def describe(workspace: Workspace) -> dict[str, Any]:
    """Return what the support page may show: the last poll and counts, no data and no secrets.

    Returns
    -------
    dict
        ``last_poll`` (datetime or None), ``session`` (whether one is open), ``jobs`` (status to count).
    """
    last = workspace.ledger.last_session()
    return {
        "last_poll": last.seen_at if last else None,
        "session": bool(last and last.closed_at is None),
        "jobs": workspace.ledger.job_counts(),
    }
