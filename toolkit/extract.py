"""What comes in: QuickBooks' answers through one door, and BluBilling's spreadsheets.

Every answer is kept in ``inbox/`` as it came before anything else is done with it. The answers of an import
wait there until its last query is answered; then all of them become tables at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.answer_files import Document, Landed, Tally, Told, keep, open_documents, passed_over
from toolkit.answers import (
    Answer,
    arrival,
    cut_off,
    is_error,
    is_off,
    keep_rows,
    page_of,
    read_answer,
    read_kept,
    units_of,
)
from toolkit.counted import counted
from toolkit.errors import InputFileError, QbxmlParseError, UsageError
from toolkit.import_progress import Progress, Step, failures
from toolkit.landing import Unit, coverage, land_units
from toolkit.late import late
from toolkit.ledger_records import ENDED_JOBS
from toolkit.local_items import add_local_item
from toolkit.quickbooks_codes import explain_status
from toolkit.staging import Staging
from toolkit.tables import finding

if TYPE_CHECKING:
    from toolkit.billing_load import Loaded, load, read_billing
    from toolkit.landing_merge import Landing
    from toolkit.workspace import Workspace

__all__ = [
    "Landed",
    "Loaded",
    "add_local_item",
    "land",
    "land_job",
    "load",
    "read_billing",
    "receive",
]

_billing = late("toolkit.billing_load")  # what reads spreadsheets, QuickBooks' answers do not wait for


def __getattr__(name: str) -> Any:
    if name in ("Loaded", "load", "read_billing"):
        return getattr(_billing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ---- the door


def receive(ws: Workspace, data: bytes, *, job: int | None = None, name: str = "answer") -> Landed:
    """Take one answer: keep it, note how far its job is, and land the job when this was its last answer.

    Parameters
    ----------
    ws : Workspace
        Where to.
    data : bytes
        The document as it came.
    job : int, optional
        The import it answers. Without it the requestIDs tell; where they do not, it is landed by itself.
    name : str
        What to call it in the inbox.

    Returns
    -------
    Landed
        An answer that cannot be read, or says that a query failed, makes its job fail.

    Raises
    ------
    QbxmlParseError, UsageError
        The document is no answer, or a page before it is missing, and no job is named that could fail. It
        is in the inbox all the same.
    """
    with ws.lock(), Staging(ws.path) as staging:
        path = ws.inbox_name(ws.save_answer(data, name=name))
        try:
            answer = read_answer(io.BytesIO(data), staging)
            return _take(ws, staging, [Document(name, answer, path)], job)
        except (QbxmlParseError, UsageError) as error:
            if job is None or not ws.ledger.job(job).is_import:
                raise
            return _useless(ws, staging, job, path, str(error))


def land(
    ws: Workspace, paths: Iterable[str | Path], *, job: int | None = None, told: Told | None = None
) -> Landed:
    """Land saved answers, through the same door as the Web Connector's.

    Parameters
    ----------
    ws : Workspace
        Where to.
    paths : iterable of path
        ``.xml``, ``.gz`` or ``.zst``. Those of the workspace's own inbox are landed again, with their job.
    job : int, optional
        The import they answer.
    told : callable, optional
        Takes the number of bytes whenever some of the documents are read, for a progress bar.

    Raises
    ------
    InputFileError
        A file is absent or no answer, or answers nothing that the job asks. Nothing was changed. Of the
        own inbox, where useless answers are kept too, those that cannot be read are findings.
    """
    with ws.lock(), Staging(ws.path) as staging:
        documents, doubtful = open_documents(ws, [Path(path) for path in paths], staging, told)
        known = _known_pages(ws) if job is None and any(one.again for one in documents) else {}
        fresh = [one for one in documents if one.path not in known]
        fresh.sort(key=lambda one: [page for status in one.answer.statuses if (page := page_of(status))])
        tally = Tally(findings=doubtful)
        at_hand = {one.path: one.answer for one in documents if one.path in known}
        for number in dict.fromkeys(known[path] for path in at_hand):
            if ws.ledger.job(number).status == "complete" or _was_broken_off(ws, number):
                _land_job(ws, staging, number, tally, at_hand, again=True)
            else:
                message = f"Job {number} is not complete: its answers are not in the tables."
                tally.findings.append(finding("info", "job_not_complete", message, key=f"job {number}"))
        return _take(ws, staging, fresh, job, tally) if fresh else tally.landed()


def land_job(ws: Workspace, job: int) -> Landed:
    """Land every answer of a job from the inbox, again if need be, and complete the job.

    Raises
    ------
    UsageError
        A query of it is not answered yet.
    InputFileError
        An answer of it cannot be read any more.
    DamagedTable
        A table that it would be merged into cannot be read.
    """
    with ws.lock(), Staging(ws.path) as staging:
        tally = Tally()
        _land_job(ws, staging, job, tally, {})
        return tally.landed()


# ---- inside the door


def _known_pages(ws: Workspace) -> dict[str, int]:
    """Return the inbox files that belong to an import, each with its job."""
    jobs = (int(job) for job in ws.ledger.jobs()["id"])
    return {page.path: job for job in jobs for page in ws.ledger.pages(job)}


def _was_broken_off(ws: Workspace, number: int) -> bool:
    """Tell whether every answer of a job came, and its process ended before they were landed."""
    job = ws.ledger.job(number)
    done = all(query.status == "done" for query in ws.ledger.queries(number))
    return job.is_import and job.status == "running" and done


def _useless(ws: Workspace, staging: Staging, job: int, path: str, problem: str) -> Landed:
    """Let a job fail over an answer that brings nothing."""
    message = f"{problem[0].upper()}{problem[1:]}. The answer is kept as {path}."
    found = finding("error", "unreadable_answer", message, key=f"job {job}", source=path)
    if not ws.ledger.job(job).ended:
        ws.ledger.add_page(job, None, path, 0)
        _fail(ws, staging, job, message)
    return Tally(findings=[found], job=job, complete=False).landed()


def _fail(ws: Workspace, staging: Staging, job: int, message: str) -> None:
    if ws.ledger.job(job).status in ("queued", "running"):
        ws.ledger.set_job(job, "failed", message)
    _tidy(ws, staging)


def _tidy(ws: Workspace, staging: Staging) -> None:
    """Forget the staged rows of every answer that no import waits with."""
    if staging.waits():
        jobs = ws.ledger.jobs()
        waiting = (int(job) for job in jobs["id"][~jobs["status"].isin(ENDED_JOBS)])
        staging.forget_all_but(page.path for job in waiting for page in ws.ledger.pages(job))


def _take(
    ws: Workspace,
    staging: Staging,
    documents: Sequence[Document],
    job: int | None,
    tally: Tally | None = None,
) -> Landed:
    """Bring imports further, and land by itself what belongs to none; all is decided before it is done."""
    tally = tally or Tally()
    progress = Progress(ws, job)
    plan = [(one, None if one.again else progress.steps(one.answer, one.name)) for one in documents]
    touched: dict[int, list[Document]] = {}
    for document, steps in plan:
        for number in dict.fromkeys(step.query.job for step in steps or ()):
            touched.setdefault(number, []).append(document)
            _note(ws, number, document, [step for step in steps or () if step.query.job == number])
        if steps == []:
            tally.complete = False
    failed = failures(step for _, steps in plan for step in steps or ())
    for number, several in touched.items():
        tally.job = number
        if number not in failed and progress.done(number):
            _land_job(ws, staging, number, tally, {one.path: one.answer for one in several})
            continue
        tally.complete = False
        for document in several:
            tally.add_answer(document.answer, document.source, document.path)
            if number not in failed:
                keep_rows(staging, document.path, document.answer)
        if number in failed:
            _fail(ws, staging, number, failed[number])
    loose = [document for document, steps in plan if steps is None]
    if loose:
        _land_loose(ws, staging, loose, tally)
    return tally.landed()


def _note(ws: Workspace, job: int, document: Document, steps: Sequence[Step]) -> None:
    """Write down what an answer brought: its file first, so that no query is ahead of its pages."""
    if ws.ledger.job(job).status == "queued":
        ws.ledger.set_job(job, "running")
    query = steps[0].query.id if len(steps) == 1 else None
    ws.ledger.add_page(job, query, keep(ws, document), document.answer.records)
    for step in steps:
        after = step.query
        if not step.failure:
            ws.ledger.update_query(
                after.id,
                status=after.status,
                pages=after.pages,
                records=after.records,
                iterator_id=after.iterator_id,
                remaining=after.remaining,
            )


def _land_job(
    ws: Workspace,
    staging: Staging,
    number: int,
    tally: Tally,
    at_hand: Mapping[str, Answer],
    *,
    again: bool = False,
) -> None:
    """Land a job.

    Parameters
    ----------
    at_hand : mapping of str to Answer
        Those of its answers that are read already.
    again : bool
        Whether to pass over answers that cannot be read any more; nothing is concluded then.
    """
    job = ws.ledger.job(number)
    if not job.is_import:
        raise UsageError(f"job {number} is an export: its answers are landed as they come")
    queries = ws.ledger.queries(number)
    waiting = [query.name for query in queries if query.status != "done"]
    if waiting:
        raise UsageError(f"job {number} still waits for {', '.join(waiting)}")
    units: list[Unit] = []
    off: set[str] = set()
    whole = True
    for page in ws.ledger.pages(number):
        try:
            answer = at_hand.get(page.path) or read_kept(ws, page.path, staging)
        except InputFileError as error:
            if not again:
                raise
            whole = False
            if all(row["source"] != page.path for row in tally.findings):
                tally.findings.append(passed_over(page.path, error))
            continue
        off.update(status.request for status in answer.statuses if is_off(status))
        tally.add_answer(answer, page.path, page.path, again=again)
        units += units_of(answer, arrival(page.path, page.at), loose=job.kind == "import:land")
    as_of = max((unit.arrived for unit in units), default=ws.ledger.now())
    # What is switched off is no empty list: what was known of it stands.
    asked = (query for query in queries if query.name not in off)
    covered = [found for query in asked if whole and (found := coverage(query)) is not None]
    landing = land_units(ws, units, covered, number, as_of)
    paths = {page.path for page in ws.ledger.pages(number)}
    if paths and paths <= tally.written:
        landing.rows.clear()  # an answer to several imports: its rows are counted
    tally.written |= paths
    _count(landing, tally)
    tally.job = number
    if not job.ended:
        if job.status == "queued":
            ws.ledger.set_job(number, "running")
        records = sum(query.records for query in queries)
        ws.ledger.set_job(number, "complete", _told(records, tally.findings))
    _tidy(ws, staging)


def _land_loose(ws: Workspace, staging: Staging, documents: Sequence[Document], tally: Tally) -> None:
    """Land answers that belong to no import, as a job of their own; they are a snapshot of nothing."""
    number = ws.ledger.add_import("land", [], started=True)
    units: list[Unit] = []
    records = 0
    for document in documents:
        loose = document.copy is not None  # a file from elsewhere, which may be as old as can be
        path = keep(ws, document)
        ws.ledger.add_page(number, None, path, document.answer.records)
        units += units_of(document.answer, arrival(path, ws.ledger.now()), loose=loose)
        tally.add_answer(document.answer, document.source, path, again=document.again)
        tally.findings += cut_off(document.answer, document.source)
        records += document.answer.records
    units.sort(key=lambda unit: unit.arrived)
    _count(land_units(ws, units, (), number, ws.ledger.now()), tally)
    tally.job = number
    statuses = (status for one in documents if not one.again for status in one.answer.statuses)
    error = next((status for status in statuses if is_error(status)), None)
    if error is not None and not records:
        _fail(ws, staging, number, f"{error.request}: {explain_status(error.code, error.message)}")
    else:
        ws.ledger.set_job(number, "complete", _told(records, tally.findings))


def _told(records: int, found: Sequence[Mapping[str, str | None]]) -> str:
    """Return what to say of a landed job; its findings are told again whenever its answers are landed."""
    said = "1 record" if records == 1 else f"{records:,} records"
    for severity in ("error", "warning"):
        count = sum(one["severity"] == severity for one in found)
        said += f", {count:,} {severity}{'s' if count != 1 else ''}" if count else ""
    return said


def _count(landing: Landing, tally: Tally) -> None:
    tally.tables.update(landing.rows)
    tally.findings += landing.findings
    for table, rows in landing.left.items():
        were = counted(rows, "row was", "rows were")
        message = (
            f"{were} deleted, or not returned any more: kept, with the time in left_at, and used no more."
        )
        tally.findings.append(finding("info", "left_filter", message, table=table, value=rows))
