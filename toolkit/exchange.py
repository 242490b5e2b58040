"""One Web Connector conversation: what to send next, and what to say to an answer.

Knows neither SOAP nor HTTP: ``wc_server.py`` calls one method for each call of the Web Connector. Whatever
must survive a crash is in the ledger or in ``inbox/`` before a method returns. Source: Web Connector
Programmer's Guide chapters 2, 5 and 10; qbXML error recovery.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from toolkit.company_guard import agree_version, inspect, same_file, too_old
from toolkit.errors import LedgerError, ProtocolError, ToolkitError
from toolkit.event_log import event
from toolkit.exchange_next import NOTHING, NextDocument
from toolkit.exchange_owed import OWED, land_owed, note_owed, owed_jobs
from toolkit.late import late
from toolkit.ledger import MessageSet, Session
from toolkit.ledger_sessions import TAKEN_OVER, is_recent
from toolkit.quickbooks_codes import NOT_REACHED, NOTHING_RAN, PARSE_ERROR, explain_hresult, is_failure
from toolkit.workspace import Workspace
from toolkit.workspace_place import require_here

if TYPE_CHECKING:
    from toolkit import lookups, set_answers
else:  # a call without work needs neither
    lookups, set_answers = late("toolkit.lookups"), late("toolkit.set_answers")

NVU, NONE, BUSY = "nvu", "none", "busy"
FINISHED, FAILED = 100, -1
CONNECTION_TRIES = 2
MOST_RESTARTS = 2
"""How often a query starts anew in one session because QuickBooks forgot its iterator."""
MOST_STRANGE = 5
"""How many answers in a session may be to other sets than the one that was handed out."""
ENDED = "This session has ended. Run the Web Connector again."
TICKET_HOURS = 12
"""Hours without a call after which a ticket is worth nothing any more."""
CALL_WAIT = 2.0
"""Seconds that ``authenticate`` waits for a call in progress, before it says ``busy``."""

_Result = TypeVar("_Result")


def number_of(ticket: str) -> str:
    """Return what the log calls a session by: made of its ticket, and nobody makes the ticket of it.

    >>> number_of("0123456789abcdef")
    '9f9f5111'
    """
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()[:8]


class Exchange:
    """The conversation of one workspace with the Web Connector.

    Parameters
    ----------
    workspace : Workspace
        Open for writing.

    Attributes
    ----------
    last_poll : datetime or None
        When somebody last authenticated with the right password, whatever came of it.

    Raises
    ------
    WorkspaceMoved
        The folder was moved or copied, and nobody said which.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._ledger = workspace.ledger
        require_here(workspace.path, self._ledger)  # a copied folder must not send too
        self._next = NextDocument(workspace)
        self.last_poll: dt.datetime | None = None
        self._calls = threading.RLock()  # one conversation: calls never overlap, whatever the client does

    # --- the calls ------------------------------------------------------------------------------------

    def authenticate(self, user: str, password: str) -> tuple[str, str]:
        """Return the ticket, and ``""``, the company file, ``none``, ``nvu`` or ``busy``."""
        try:
            if not self._ws.verify_password(user, password):
                return "", NVU
            self.last_poll = self._ledger.now()
            # A landing takes as long as it takes: its session lives, and no thread is kept waiting for it.
            if not self._calls.acquire(timeout=CALL_WAIT):
                return "", BUSY
            try:
                return self._admit(user)
            finally:
                self._calls.release()
        except (ToolkitError, OSError) as error:
            event("session_not_opened", level=logging.ERROR, error=type(error).__name__)
            return "", BUSY

    def _admit(self, user: str) -> tuple[str, str]:
        """Open a session, unless another one lives or there is nothing to do in it."""
        last = self._ledger.last_session()
        if last is not None and last.closed_at is None:
            if self._lives(last):
                return "", BUSY
            silent = round((self._ledger.now() - last.seen_at).total_seconds(), 3)
            event("session_taken_over", level=logging.WARNING, session=number_of(last.ticket), seconds=silent)
            # What QuickBooks had locked in a session that died waits no longer for the end of that one.
            self._ledger.end_sessions(TAKEN_OVER)
        land_owed(self._ws, ended=True)  # nobody else lands what came of a job that does not go on
        if not self._next.has_work():
            return "", NONE
        owed = owed_jobs(self._ledger)
        ticket = self._ledger.open_session(user, **({OWED: owed} if owed else {}))
        return ticket, self._ws.settings["company_file"] or ""

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        """Return the next qbXML document, or ``""`` where ``last_error`` says why there is none."""

        def choose(session: Session) -> str:
            version = session.facts.get("version")
            if hcp.strip() or not version:
                version = self._meet(ticket, hcp, company_file, country, major, minor)
                if "connection_errors" in session.facts:  # the second try went well
                    self._ledger.set_session_error(ticket, "")
            elif company_file and not same_file(company_file, session.facts["company_file"]):
                raise ProtocolError(f"Another company file was opened meanwhile: {company_file}.")
            return self._next.text(session, str(version))

        return self._in_session(ticket, choose, lambda *_: "")

    def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
        """Keep and read an answer; return the percent done, or a negative number on an error.

        100 is returned only when nothing is left to send. An answer that came before changes nothing; one
        that comes late, in a session that another has taken over, is recorded all the same.
        """

        def take(session: Session) -> int:
            open_set = self._ledger.unanswered()
            if is_failure(response, hresult, message):
                if open_set is None or open_set.session != ticket:
                    raise ProtocolError(explain_hresult(hresult.strip(), message))
                return self._take_failure(session, open_set, hresult.strip(), message)
            data = response.encode("utf-8", "replace") if isinstance(response, str) else response
            if open_set is None or not self._answers(session, open_set, data):
                self._ws.save_answer(data, name="unasked")
                strange = int(session.facts.get("strange", 0)) + (open_set is not None)
                self._ledger.update_session(ticket, strange=strange)
                if strange > MOST_STRANGE:
                    raise ProtocolError("QuickBooks gives the answer to another message set than was sent.")
                return self._progress(session)
            if open_set.kind == "read":
                return self._take_read(session, open_set, data)
            self._take_export(session, open_set, data)
            return self._progress(session)

        return self._in_session(ticket, take, lambda *_: FAILED, late=True)

    def last_error(self, ticket: str) -> str:
        """Return why the last call gave nothing, in plain words."""
        try:
            session = self._ledger.session(ticket)
            if session is None:
                return ENDED
            over = session.closed_at is not None or self._void(session)
            return session.error or (ENDED if over else NOTHING)
        except (ToolkitError, OSError) as error:
            return str(error)

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        """Return ``done``, or ``""`` to let the Web Connector try once more with the file that is open."""

        def note(session: Session) -> str:
            tries = int(session.facts.get("connection_errors", 0)) + 1
            # The second try may not say why any more, and the status column is not to be empty.
            said = explain_hresult(hresult.strip(), message) or session.error or str(NOT_REACHED)
            self._ledger.update_session(ticket, connection_errors=tries)
            self._ledger.set_session_error(ticket, said)
            if tries < CONNECTION_TRIES:
                return ""
            self._ledger.close_session(ticket, said)
            return "done"

        return self._in_session(ticket, note, lambda *_: "done")

    def close(self, ticket: str) -> str:
        """End the session and return the text of the status column."""

        def end(session: Session) -> str:
            outcome = session.error or "OK"
            self._ledger.close_session(ticket, outcome)
            land_owed(self._ws, ended=False)
            return outcome

        return self._in_session(ticket, end, _how_it_ended)

    def receiving(self, ticket: str) -> None:
        """Note that an answer is still on its way, so that its session is not taken over meanwhile.

        Any thread may call it, whatever else goes on; a ticket that is none changes nothing.
        """
        with contextlib.suppress(ToolkitError, OSError):
            session = self._ledger.session(ticket)
            if session is not None and session.closed_at is None and not self._void(session):
                self._ledger.touch(ticket, session.seen_at)

    def knows(self, ticket: str) -> bool:
        """Return whether a ticket is that of a session, open or not: an answer may come late.

        Any thread may call it, whatever else goes on.
        """
        try:
            return self._ledger.session(ticket) is not None
        except (ToolkitError, OSError):  # the call itself tells it, and loses nothing
            return True

    # --- a session ------------------------------------------------------------------------------------

    def _lives(self, session: Session) -> bool:
        """Return whether an open session is to be waited for."""
        timeout = self._ws.settings["session_timeout"]
        return is_recent(session, self._ledger.now(), timeout) and not self._void(session)

    def _void(self, session: Session) -> str | None:
        """Return why the ticket of an open session is worth nothing any more, or ``None``."""
        if self._ledger.now() - session.seen_at >= dt.timedelta(hours=TICKET_HOURS):
            return f"expired: no call came for {TICKET_HOURS} hours"
        if session.user != self._ws.user:
            return "the Web Connector's user was changed"
        return None

    def _in_session(
        self,
        ticket: str,
        call: Callable[[Session], _Result],
        failed: Callable[[Session | None, str], _Result],
        *,
        late: bool = False,
    ) -> _Result:
        """Run a call in its session; what goes wrong becomes the session's last error.

        Parameters
        ----------
        failed : callable
            Gives the answer to a call that came to nothing, of its session, if any, and the error, if any.
        late : bool
            Whether it counts in a session that has ended, too; the Web Connector is told that it failed.
        """
        try:  # whoever makes up a ticket waits for no landing, and takes no thread from the others
            session = self._ledger.session(ticket)
        except (ToolkitError, OSError) as error:
            return failed(None, self._note_failure(ticket, error))
        if session is None or (session.closed_at is not None and not late):
            return failed(session, "")
        with self._calls:
            began = self._ledger.now()
            try:
                session = self._found(ticket)  # it may have ended meanwhile
                if session is None or session.closed_at is not None:
                    if session is not None and late:
                        call(session)
                    return failed(session, "")
                self._ledger.touch(ticket, session.seen_at)
                result = call(session)
            except (ToolkitError, OSError) as error:
                result = failed(session, self._note_failure(ticket, error))
            with contextlib.suppress(LedgerError):
                self._ledger.touch(ticket, began)  # however long it took, its silence begins now
            return result

    def _note_failure(self, ticket: str, error: Exception) -> str:
        """Keep why a call failed for ``last_error``, tell the log of it, and return it."""
        expected = isinstance(error, ProtocolError)  # another company file, an answer to something else
        level = logging.WARNING if expected else logging.ERROR
        event("call_failed", level=level, session=number_of(ticket), error=type(error).__name__)
        with contextlib.suppress(LedgerError):
            self._ledger.set_session_error(ticket, str(error))
        return str(error)

    def _found(self, ticket: str) -> Session | None:
        """Return the session of a ticket; one that is worth nothing any more ends here."""
        session = self._ledger.session(ticket)
        if session is not None and session.closed_at is None and (why := self._void(session)):
            self._ledger.close_session(ticket, why)
            event("session_voided", level=logging.WARNING, session=number_of(ticket), reason=why)
            return self._ledger.session(ticket)
        return session

    def _meet(self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int) -> str:
        """Check company file and edition in a session's first call; return the qbXML version to speak."""
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
            raise ProtocolError(verdict.problem)
        if country.strip().upper() not in ("", "US"):
            raise ProtocolError(
                f"This is the {country[:9]} edition of QuickBooks; the toolkit speaks to the US edition only."
            )
        version = agree_version(major, minor, verdict.versions)
        if version is None:
            raise ProtocolError(too_old(major, minor, verdict.versions))
        for key, value in verdict.facts.items():
            self._ledger.learn(key, value)
        self._ledger.update_session(ticket, version=version, company_file=company_file)
        return version

    def _progress(self, session: Session) -> int:
        if session.closed_at is not None:
            return FAILED
        if not self._next.has_work():
            return FINISHED
        return min(FINISHED - 1, int(self._ledger.progress(session.opened_at) * FINISHED))

    def _go_on(self, session: Session) -> int:
        """Return how to go on after an error: with other work, or not at all, so that the error shows."""
        return self._progress(session) if self._next.has_work() else FAILED

    # --- what an answer means -------------------------------------------------------------------------

    def _answers(self, session: Session, open_set: MessageSet, data: bytes) -> bool:
        """Return whether an answer is one to the open set; the id in it counts more than who brings it."""
        told = set_answers.is_about(self._ws, open_set, data)
        mine = open_set.session == session.ticket and session.closed_at is None
        return told is True if open_set.kind == "write" and told is not None else mine and told is not False

    def _take_read(self, session: Session, open_set: MessageSet, data: bytes) -> int:
        query = self._ledger.query(open_set.queries[0])
        restarts = int(session.facts.get(f"restarts_{query.id}", 0))
        if restarts < MOST_RESTARTS and set_answers.lost_iterator(query, data):
            self._ws.save_answer(data, name=query.name)
            self._ledger.update_session(session.ticket, **{f"restarts_{query.id}": restarts + 1})
            self._next.give_up(open_set)
            return self._progress(session)
        problem = set_answers.record_read(self._ws, open_set, data)
        if problem is None:
            return self._progress(session)
        self._ledger.set_session_error(session.ticket, problem)
        return self._go_on(session)

    def _take_export(self, session: Session, open_set: MessageSet, data: bytes) -> None:
        """Record the answer to a set of an export; what is left to land is noted before: it comes once."""
        note_owed(self._ledger, session, open_set.id)
        if open_set.kind == "write":
            problem = set_answers.record_write(self._ws, open_set, data)
        else:
            path = self._ws.inbox_name(self._ws.save_answer(data, name=open_set.kind))
            problem = self._record_asked(open_set, data, path)
        if problem:
            raise ProtocolError(problem)
        if open_set.kind != "write":  # while one is with QuickBooks, its job cannot end
            land_owed(self._ws, ended=True)

    def _record_asked(self, open_set: MessageSet, data: bytes, path: str) -> str | None:
        """Record the answer to a lookup or a check; return why this session ends."""
        if open_set.kind == "lookup":
            lookups.record(self._ledger, open_set, data, path)
            return None
        since = self._ws.settings.cutover_date
        problem = lookups.record_check(self._ledger, open_set, data, path, since)
        return f"{problem.rstrip('.')}. Run the Web Connector again." if problem else None

    def _take_failure(self, session: Session, open_set: MessageSet, hresult: str, message: str) -> int:
        """Record that QuickBooks could not run a document; return the progress, or a negative number."""
        said = explain_hresult(hresult, message)
        unreadable = hresult.lower() == PARSE_ERROR
        self._ledger.set_session_error(session.ticket, said)
        if open_set.kind in ("lookup", "check") and unreadable:
            lookups.record_refused(self._ledger, open_set, said)
        elif open_set.kind != "write":
            self._next.give_up(open_set)
            if unreadable:
                for number in open_set.queries:
                    self._ledger.set_job(self._ledger.query(number).job, "failed", said)
        elif unreadable or (hresult.lower() in NOTHING_RAN and open_set.tries == 1):
            set_answers.record_refused(self._ws, open_set, said, our_fault=unreadable)
        # After any other failure a write's outcome is unknown: the set stays open and is recovered first.
        # So it is after a refusal of what may have run before: the error shows, the next session looks it up.
        return self._go_on(session) if unreadable and open_set.tries == 1 else FAILED


def _how_it_ended(session: Session | None, error: str) -> str:
    """Return the text of the status column where there was no session to end, or it could not be ended."""
    if error or session is None:
        return error or "OK"
    return session.error or session.outcome or ENDED
