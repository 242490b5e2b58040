"""What the Web Connector is given next: a set to recover, a question, a page of an import, a set that writes.

Whatever is handed out is in the ledger before it leaves.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit.errors import LedgerError, ProtocolError, QbxmlError, ToolkitError, WorkspaceLocked
from toolkit.exchange_owed import drop_owed
from toolkit.late import late
from toolkit.ledger import Job, MessageSet, Operation, Query, Session
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import extract, lookups, outcomes, qbxml_io, set_answers
else:  # while there is nothing to send, none of them is needed
    extract, lookups, outcomes = late("toolkit.extract"), late("toolkit.lookups"), late("toolkit.outcomes")
    qbxml_io, set_answers = late("toolkit.qbxml_io"), late("toolkit.set_answers")

SET_ID_CHARACTERS = string.ascii_uppercase + string.digits
SET_ID_LENGTH = 20
NOTHING = "There is nothing to send."


class NextDocument:
    """Chooses what is sent next.

    Parameters
    ----------
    workspace : Workspace
        Open for writing.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._ledger = workspace.ledger

    def has_work(self) -> bool:
        """Return whether anything is left to send; jobs for which there is nothing end here."""
        # What is unknown comes before the jobs are settled: one of which an operation may still be sent
        # again, or hangs on what may turn out to be applied, is not complete.
        return self._ledger.owes() or self._settle() is not None

    def _settle(self) -> Job | None:
        """Finish the jobs for which nothing is left to do, and return the next one that needs QuickBooks."""
        self._ledger.skip_blocked()
        while (job := self._ledger.next_job()) is not None:
            if job.is_import:
                if self._ledger.next_query(job.id) is not None:
                    return job
                self._finish_import(job)
            elif self._ledger.can_send(job.id):
                return job
            else:
                self._finish_export(job)
        return None

    def _finish_import(self, job: Job) -> None:
        """Land an import whose last answer came right before a crash."""
        try:
            extract.land_job(self._ws, job.id)
        except (WorkspaceLocked, LedgerError):
            raise  # for the moment only
        except ToolkitError as error:
            self._ledger.set_job(job.id, "failed", f"its answers could not be landed: {error}")

    def _finish_export(self, job: Job) -> None:
        problem = set_answers.land_export(self._ws, job.id)
        if job.status == "queued":
            self._ledger.set_job(job.id, "running")
        self._ledger.set_job(job.id, "complete", problem)
        drop_owed(self._ledger, job.id)

    def text(self, session: Session, version: str) -> str:
        """Return the next document, which the ledger keeps; ``""`` where nothing is left to send.

        Parameters
        ----------
        session : Session
            That takes it.
        version : str
            qbXML version that is spoken.
        """
        lost = self._ledger.unanswered()
        if lost is not None and lost.kind == "write":
            # Identical text under the same id: QuickBooks runs it at most once.
            return self._ledger.resend(lost.id, session.ticket).text.decode("ascii")
        if lost is not None:
            self.give_up(lost)
        if question := lookups.next_set(self._ledger, session.ticket, version):
            return question.decode("ascii")
        while (job := self._settle()) is not None:
            text = (self._next_query if job.is_import else self._next_set)(job, session, version)
            if text:
                return text
        if not session.error:
            self._ledger.set_session_error(session.ticket, NOTHING)
        return ""

    def give_up(self, lost: MessageSet) -> None:
        """Let go of a read without an answer: its queries start anew."""
        self._ledger.abandon_set(lost.id)
        for number in lost.queries:
            self._ledger.restart_query(number)

    def _next_query(self, job: Job, session: Session, version: str) -> str:
        """Return the text of the next page of an import; ``""`` where it cannot be asked for."""
        query = self._ledger.next_query(job.id)
        if query is None:  # only a job that waits for an answer is asked here
            raise LedgerError(f"every query of job {job.id} is answered")
        try:
            text = qbxml_io.build([self._request(query)], version=version)
        except QbxmlError as error:
            self._ledger.set_job(job.id, "failed", f"{query.name} cannot be asked: {error}")
            return ""
        self._ledger.open_set(session.ticket, "read", None, text, [query.id])
        return text.decode("ascii")

    def _request(self, query: Query) -> qbxml_io.Request:
        fields = dict(query.fields)
        iterator = None
        if query.iterate:
            fields["MaxReturned"] = self._ws.settings["page_size"]
            iterator = "Continue" if query.iterator_id else "Start"
        return qbxml_io.Request(
            query.name,
            fields,
            request_id=set_answers.request_id(query),
            iterator=iterator,
            iterator_id=query.iterator_id,
        )

    def _next_set(self, job: Job, session: Session, version: str) -> str:
        """Return the text of the next message set of an export; ``""`` where what was next is skipped."""
        chosen = self._without_held_back(self._batch(job), job)
        checked = self._ledger.checked(session.ticket, [one.key for one in chosen])
        known = lookups.Known(self._ledger, chosen)
        unchecked = [one for one in chosen if one.key not in checked and lookups.needs_check(one, known)]
        if unchecked and not checked:
            return lookups.next_check(self._ledger, session.ticket, version, unchecked).decode("ascii")
        chosen = [one for one in chosen if one not in unchecked]
        if not chosen:
            return ""
        set_id = "".join(secrets.choice(SET_ID_CHARACTERS) for _ in range(SET_ID_LENGTH))
        clears = self._ledger.uncleared()
        try:
            text = self._written(chosen, version, set_id, clears)
        except (QbxmlError, ProtocolError):
            if not self._skip_unwritable(chosen, version):
                raise
            return ""
        self._ledger.open_set(session.ticket, "write", set_id, text, [one.key for one in chosen], clears)
        return text.decode("ascii")

    def _batch(self, job: Job) -> list[Operation]:
        """Return the next operations; one that was refused together with others goes alone."""
        ready = self._ledger.sendable(self._ws.settings["set_size"], job.id)
        alone = [one for one in ready if one.status_message == outcomes.REFUSED_TOGETHER]
        return alone[:1] or ready

    def _without_held_back(self, ready: Sequence[Operation], job: Job) -> list[Operation]:
        """Return what may go; skip payments whose invoice came back otherwise than meant after the job began.

        A person looks at the invoice; a job that is queued after that sends the payment.
        """
        paid = dict.fromkeys(key for one in ready if one.record_kind == "payment" for key in one.depends_on)
        said = self._ledger.status_messages(paid) if paid else {}
        differs = {key: message for key, message in said.items() if message.startswith(outcomes.DIFFERS)}
        return [one for one in ready if not (differs and self._held_back(one, job, differs))]

    def _held_back(self, operation: Operation, job: Job, differs: Mapping[str, str]) -> bool:
        if operation.record_kind != "payment":
            return False
        for key in operation.depends_on:
            if key not in differs:
                continue
            applied = [step["at"] for step in self._ledger.history(key) if step["after"] == "applied"]
            if applied and applied[-1] >= job.created_at:
                why = f"waits for a person to look at {key}, which {differs[key]}; then export it again"
                self._ledger.skip(operation.key, why)
                return True
        return False

    def _written(
        self, chosen: Sequence[Operation], version: str, set_id: str | None = None, clears: str | None = None
    ) -> bytes:
        requests = outcomes.requests(chosen, lookups.Known(self._ledger, chosen), version)
        return qbxml_io.build(requests, version=version, new_message_set_id=set_id, old_message_set_id=clears)

    def _skip_unwritable(self, chosen: Sequence[Operation], version: str) -> int:
        """Skip what cannot be written as qbXML, so that the rest can go; return how many."""
        skipped = 0
        for operation in chosen:
            try:
                self._written([operation], version)
            except (QbxmlError, ProtocolError) as error:
                self._ledger.skip(operation.key, f"it cannot be written as qbXML: {error}")
                skipped += 1
        return skipped
