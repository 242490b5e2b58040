"""Which query of which import an answer answers, and how far that brings it: decided before it is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.answers import Answer, is_error, page_of
from toolkit.errors import LedgerError, UsageError
from toolkit.ledger import Job, Query
from toolkit.qbxml_io import Status
from toolkit.quickbooks_codes import explain_status

if TYPE_CHECKING:
    from toolkit.workspace import Workspace

__all__ = ["Progress", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One response that brings a query further.

    Parameters
    ----------
    query : Query
        As it is afterwards.
    failure : str or None
        Why the import cannot go on, in plain words.
    """

    query: Query
    failure: str | None = None


class Progress:
    """How far imports are, with the answers counted that are on their way in.

    Parameters
    ----------
    ws : Workspace
        Its ledger is read, and not written.
    job : int or None
        The one import that is answered; None lets the requestIDs tell.

    Raises
    ------
    UsageError
        The job takes no answers.
    """

    def __init__(self, ws: Workspace, job: int | None) -> None:
        self._ledger = ws.ledger
        self._page_size = int(ws.settings["page_size"])
        self._job = job
        self._queries: dict[int, list[Query]] = {}
        if job is not None:
            wrong = _takes_none(self._ledger.job(job))
            if wrong:
                raise UsageError(wrong)

    def steps(self, answer: Answer, name: str) -> list[Step] | None:
        """Return what an answer brings; None where it belongs to no import, empty where it came before.

        Raises
        ------
        UsageError
            It answers nothing that the job asks, or a page before it is missing.
        """
        steps = []
        belongs = False
        for status in answer.statuses:
            query = self._asked(status)
            if query is None:
                continue
            belongs = True
            page = page_of(status)
            if page and page[:2] == (query.job, query.id):
                if page[2] <= query.pages:
                    continue
                if page[2] > query.pages + 1:
                    raise UsageError(
                        f"{name} is page {page[2]} of {query.name} and page {query.pages + 1} has not come:"
                        " land that first"
                    )
            steps.append(self._step(query, status))
        if self._job is not None and not belongs:
            answered = ", ".join(sorted({status.request for status in answer.statuses})) or "nothing"
            waits = ", ".join(query.name for query in self._of(self._job) if query.status != "done")
            raise UsageError(f"{name} answers {answered}; job {self._job} waits for {waits or 'nothing'}")
        return steps if belongs else None

    def done(self, job: int) -> bool:
        """Tell whether every query of a job is answered."""
        return all(query.status == "done" for query in self._of(job))

    def _asked(self, status: Status) -> Query | None:
        page = page_of(status)
        if page and self._job in (None, page[0]):
            for query in self._of(page[0]):
                # The name too: a file from another workspace may well say J1Q1P1.
                if query.id == page[1] and query.name == status.request:
                    return query if query.status != "done" else None
        if self._job is None:
            return None
        waiting = (query for query in self._of(self._job) if query.status != "done")
        return next((query for query in waiting if query.name == status.request), None)

    def _of(self, job: int) -> list[Query]:
        if job not in self._queries:
            try:
                takes = not _takes_none(self._ledger.job(job))
            except LedgerError:
                takes = False
            self._queries[job] = self._ledger.queries(job) if takes else []
        return self._queries[job]

    def _step(self, query: Query, status: Status) -> Step:
        more = bool(status.iterator_remaining)
        after = replace(
            query,
            status="running" if more else "done",
            pages=query.pages + 1,
            records=query.records + status.records,
            iterator_id=(status.iterator_id or "") if more else "",
            remaining=status.iterator_remaining or 0,
        )
        failure = None
        if is_error(status):
            failure = f"{query.name}: {explain_status(status.code, status.message)}"
        elif more and not status.iterator_id:
            failure = (
                f"{query.name}: QuickBooks has {status.iterator_remaining} more and gives no iteratorID."
            )
        elif self._may_be_cut_off(query, status):
            failure = (
                f"{query.name}: QuickBooks does not say how many more there are, and {status.records:,}"
                " is as many as were asked for, so the list may be cut off."
                " Set page_size higher than the list is long, and import again."
            )
        if failure:
            after = query
        else:
            places = self._of(query.job)
            places[places.index(query)] = after
        return Step(after, failure)

    def _may_be_cut_off(self, query: Query, status: Status) -> bool:
        """Tell whether a page is as full as it may be, without the count of what is left.

        A file that somebody saved without our requestID and without an iterator was asked for whole.
        """
        if not query.iterate or status.iterator_remaining is not None:
            return False
        asked_in_pages = page_of(status) is not None or bool(status.iterator_id)
        return asked_in_pages and status.records >= int(query.fields.get("MaxReturned", self._page_size))


def _takes_none(job: Job) -> str | None:
    if not job.is_import:
        return f"job {job.id} is an export: its answers come from the Web Connector only"
    if job.ended:
        return f"job {job.id} is {job.status}: land the file without naming a job"
    if job.status == "held":
        return f"job {job.id} is held: release it first"
    return None


def failures(steps: Iterable[Step]) -> dict[int, str]:
    """Return the first reason of each job that cannot go on."""
    found: dict[int, str] = {}
    for step in steps:
        if step.failure:
            found.setdefault(step.query.job, step.failure)
    return found
