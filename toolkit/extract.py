"""What comes in: QuickBooks' answers through one door, and BluBilling's spreadsheets.

Every answer is kept in ``inbox/`` as it came before anything else is done with it. The answers of an import
wait there until its last query is answered; then all of them become tables at once.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from toolkit.answers import (
    UNREADABLE,
    Answer,
    arrival,
    is_error,
    is_off,
    page_of,
    read_answer,
    read_kept,
    units_of,
)
from toolkit.billing_load import Loaded, load, read_billing
from toolkit.errors import InputFileError, QbxmlParseError, UsageError
from toolkit.import_progress import Progress, Step, failures
from toolkit.landing import Landing, Unit, coverage, land_units
from toolkit.local_items import add_local_item
from toolkit.qbxml_io import Status
from toolkit.quickbooks_codes import explain_status
from toolkit.tables import finding, findings

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of answers.

    Parameters
    ----------
    tables : dict of str to int
        Rows that were written, by table; empty while a job waits for more answers.
    records : int
        Records in the answers, without their lines and links.
    statuses : list of Status
        How each request went.
    findings : pandas.DataFrame
        ``findings``.
    left_behind : dict of str to int
        Elements in the answers that no column keeps, and how often they had a value.
    job : int or None
        The job that they belong to.
    complete : bool
        Whether every query of the job is answered and its tables are written.
    """

    tables: dict[str, int]
    records: int
    statuses: list[Status]
    findings: pd.DataFrame
    left_behind: dict[str, int]
    job: int | None
    complete: bool


@dataclass(slots=True)
class _Document:
    """One answer on its way in; ``path`` is its file in the inbox, where it is there already."""

    name: str
    answer: Answer
    data: bytes = b""
    path: str = ""
    again: bool = False  # it is landed from the inbox: no import goes on with it


@dataclass(slots=True)
class _Tally:
    """What several landings did together."""

    tables: Counter[str] = field(default_factory=Counter)
    records: int = 0
    statuses: list[Status] = field(default_factory=list)
    findings: list[dict[str, str | None]] = field(default_factory=list)
    left_behind: Counter[str] = field(default_factory=Counter)
    job: int | None = None
    complete: bool = True

    def add_answer(self, answer: Answer, *, again: bool = False) -> None:
        self.records += answer.records
        self.statuses += answer.statuses
        # What QuickBooks refused then is no error of landing its answer again.
        self.findings += [
            {**row, "severity": "info"} if again and row["rule"] == "quickbooks_error" else row
            for row in answer.findings
        ]
        self.left_behind.update(answer.left_behind)

    def landed(self) -> Landed:
        tables = dict(sorted(self.tables.items()))
        left = dict(self.left_behind)
        shown = findings(self.findings)
        return Landed(tables, self.records, self.statuses, shown, left, self.job, self.complete)


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
    with ws.lock():
        path = ws.inbox_name(ws.save_answer(data, name=name))
        try:
            answer = read_answer(io.BytesIO(data), path)
            return _take(ws, [_Document(name, answer, path=path)], job)
        except (QbxmlParseError, UsageError) as error:
            if job is None or not ws.ledger.job(job).is_import:
                raise
            return _useless(ws, job, path, str(error))


def land(ws: Workspace, paths: Iterable[str | Path], *, job: int | None = None) -> Landed:
    """Land saved answers, through the same door as the Web Connector's.

    Parameters
    ----------
    ws : Workspace
        Where to.
    paths : iterable of path
        ``.xml``, ``.gz`` or ``.zst``. Those of the workspace's own inbox are landed again, with their job.
    job : int, optional
        The import they answer.

    Raises
    ------
    InputFileError
        A file is absent or no answer, or answers nothing that the job asks. Nothing was changed. Of the
        own inbox, where useless answers are kept too, those that cannot be read are findings.
    """
    documents, doubtful = _opened_all(ws, [Path(path) for path in paths])
    with ws.lock():
        known = _known_pages(ws) if job is None and any(one.again for one in documents) else {}
        fresh = [one for one in documents if one.path not in known]
        fresh.sort(key=lambda one: [page for status in one.answer.statuses if (page := page_of(status))])
        tally = _Tally(findings=doubtful)
        for number in dict.fromkeys(known[one.path] for one in documents if one.path in known):
            if ws.ledger.job(number).status == "complete":
                _land_job(ws, number, tally, again=True)
            else:
                message = f"Job {number} is not complete: its answers are not in the tables."
                tally.findings.append(finding("info", "job_not_complete", message, key=f"job {number}"))
        return _take(ws, fresh, job, tally) if fresh else tally.landed()


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
    with ws.lock():
        tally = _Tally()
        _land_job(ws, job, tally)
        return tally.landed()


# ---- inside the door


def _opened_all(ws: Workspace, paths: Sequence[Path]) -> tuple[list[_Document], list[dict[str, str | None]]]:
    """Return the documents, and findings for those of the inbox that cannot be read beside others."""
    documents: list[_Document] = []
    useless: dict[str, InputFileError] = {}
    for path in paths:
        try:
            documents.append(_opened(ws, path))
        except InputFileError as error:
            if not path.exists() or not _is_kept(ws, path):
                raise
            useless[ws.inbox_name(path.resolve())] = error
    if useless and not documents:
        raise next(iter(useless.values()))
    return documents, [_passed_over(*one) for one in useless.items()]


def _passed_over(path: str, error: InputFileError) -> dict[str, str | None]:
    message = f"{path} was passed over: {error.problem}."
    return finding("warning", "unreadable_answer", message, key=path, source=path)


def _is_kept(ws: Workspace, path: Path) -> bool:
    return path.resolve().parent == (ws.path / "inbox").resolve()


def _opened(ws: Workspace, path: Path) -> _Document:
    full = path.resolve()
    kept = ws.inbox_name(full) if _is_kept(ws, path) else ""
    try:
        with ws.open_answer(full) as stream:
            data = stream.read()
        return _Document(path.name, read_answer(io.BytesIO(data), path.name), data, kept, again=bool(kept))
    except QbxmlParseError as error:
        raise InputFileError(str(path), str(error), "land the answer as QuickBooks gave it") from error
    except UNREADABLE as error:
        absent = isinstance(error, FileNotFoundError)
        problem = "there is no such file" if absent else f"it cannot be read ({error})"
        raise InputFileError(str(path), problem) from error


def _known_pages(ws: Workspace) -> dict[str, int]:
    """Return the inbox files that belong to an import, each with its job."""
    jobs = (int(job) for job in ws.ledger.jobs()["id"])
    return {page.path: job for job in jobs for page in ws.ledger.pages(job)}


def _useless(ws: Workspace, job: int, path: str, problem: str) -> Landed:
    """Let a job fail over an answer that brings nothing."""
    message = f"{problem[0].upper()}{problem[1:]}. The answer is kept as {path}."
    found = finding("error", "unreadable_answer", message, key=f"job {job}", source=path)
    if not ws.ledger.job(job).ended:
        ws.ledger.add_page(job, None, path, 0)
        _fail(ws, job, message)
    return _Tally(findings=[found], job=job, complete=False).landed()


def _fail(ws: Workspace, job: int, message: str) -> None:
    if ws.ledger.job(job).status in ("queued", "running"):
        ws.ledger.set_job(job, "failed", message)


def _take(
    ws: Workspace, documents: Sequence[_Document], job: int | None, tally: _Tally | None = None
) -> Landed:
    """Bring imports further, and land by itself what belongs to none; all is decided before it is done."""
    tally = tally or _Tally()
    progress = Progress(ws, job)
    plan = [(one, None if one.again else progress.steps(one.answer, one.name)) for one in documents]
    touched: dict[int, list[_Document]] = {}
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
            _land_job(ws, number, tally)
            continue
        tally.complete = False
        for document in several:
            tally.add_answer(document.answer)
        if number in failed:
            _fail(ws, number, failed[number])
    loose = [document for document, steps in plan if steps is None]
    if loose:
        _land_loose(ws, loose, tally)
    return tally.landed()


def _keep(ws: Workspace, document: _Document) -> str:
    """Return the document's file in the inbox, which it is written to once."""
    if not document.path:
        document.path = ws.inbox_name(ws.save_answer(document.data, name=Path(document.name).stem))
    return document.path


def _note(ws: Workspace, job: int, document: _Document, steps: Sequence[Step]) -> None:
    """Write down what an answer brought: its file first, so that no query is ahead of its pages."""
    if ws.ledger.job(job).status == "queued":
        ws.ledger.set_job(job, "running")
    query = steps[0].query.id if len(steps) == 1 else None
    ws.ledger.add_page(job, query, _keep(ws, document), document.answer.records)
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


def _land_job(ws: Workspace, number: int, tally: _Tally, *, again: bool = False) -> None:
    """Land a job; ``again`` passes over answers that cannot be read any more, and concludes nothing then."""
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
            answer = read_kept(ws, page.path)
        except InputFileError as error:
            if not again:
                raise
            whole = False
            if all(row["source"] != page.path for row in tally.findings):
                tally.findings.append(_passed_over(page.path, error))
            continue
        off.update(status.request for status in answer.statuses if is_off(status))
        tally.add_answer(answer, again=again)
        units += units_of(answer, arrival(page.path, page.at), loose=job.kind == "import:land")
    as_of = max((unit.arrived for unit in units), default=ws.ledger.now())
    # What is switched off is no empty list: what was known of it stands.
    asked = (query for query in queries if query.name not in off)
    covered = [found for query in asked if whole and (found := coverage(query)) is not None]
    landing = land_units(ws, units, covered, number, as_of)
    _count(landing, tally)
    tally.job = number
    if not job.ended:
        if job.status == "queued":
            ws.ledger.set_job(number, "running")
        records = sum(query.records for query in queries)
        ws.ledger.set_job(number, "complete", f"{records:,} records")


def _land_loose(ws: Workspace, documents: Sequence[_Document], tally: _Tally) -> None:
    """Land answers that belong to no import, as a job of their own; they are a snapshot of nothing."""
    number = ws.ledger.add_import("land", [], started=True)
    units: list[Unit] = []
    records = 0
    for document in documents:
        loose = not document.path  # a file from elsewhere, which may be as old as can be
        path = _keep(ws, document)
        ws.ledger.add_page(number, None, path, document.answer.records)
        units += units_of(document.answer, arrival(path, ws.ledger.now()), loose=loose)
        tally.add_answer(document.answer, again=document.again)
        records += document.answer.records
    units.sort(key=lambda unit: unit.arrived)
    _count(land_units(ws, units, (), number, ws.ledger.now()), tally)
    tally.job = number
    statuses = (status for one in documents if not one.again for status in one.answer.statuses)
    error = next((status for status in statuses if is_error(status)), None)
    if error is not None and not records:
        _fail(ws, number, f"{error.request}: {explain_status(error.code, error.message)}")
    else:
        ws.ledger.set_job(number, "complete", f"{records:,} records")


def _count(landing: Landing, tally: _Tally) -> None:
    tally.tables.update(landing.rows)
    tally.findings += landing.findings
    for table, rows in landing.left.items():
        message = f"{rows:,} rows were not returned any more; they are kept and marked in left_at."
        tally.findings.append(finding("info", "left_filter", message, table=table, value=rows))
