"""Practice: the queue of a workspace against the simulated QuickBooks, over real HTTP on this machine."""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.errors import RequestRefused, UsageError
from toolkit.ledger import local_now
from toolkit.rehearsal import Company, SessionReport, WebConnector
from toolkit.tables import TABLES, to_rows
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

FILE = r"C:\Rehearsal\company.qbw"
MOST_SESSIONS = 5
MOST_BETWEEN = 2
"""Documents that pass untouched between two planted faults, at most."""
WatchProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """How a rehearsal went.

    Parameters
    ----------
    outcome : str
        In one sentence.
    good : bool
        Whether every operation was applied and every import completed.
    jobs : pandas.DataFrame
        ``ledger.jobs`` of the scratch copy.
    rejected : pandas.DataFrame
        ``ledger.operations`` of the scratch copy that were not applied.
    faults : list of str
        The planted faults that came to pass, each in one sentence.
    """

    outcome: str
    good: bool
    jobs: pd.DataFrame
    rejected: pd.DataFrame
    faults: list[str] = field(default_factory=list)


class FaultyCompany(Company):
    """A simulated company whose answers get lost, as they do when QuickBooks or the line goes down.

    Before or after it ran the document: whoever sent it cannot tell which, and must find out.

    Parameters
    ----------
    company : Company
        The company that it is, but for the faults.
    faults : int
        How many answers get lost.
    seed : int
        Which ones: the same seed, the same faults.
    """

    def __init__(self, company: Company, faults: int, seed: int) -> None:
        super().__init__(company.books, company.file_path)
        self._random = random.Random(seed)
        self._gaps = [self._random.randint(0, MOST_BETWEEN) for _ in range(faults)]
        self._documents = 0
        self.happened: list[str] = []

    def process(self, qbxml: str) -> str:
        """Run a document, and perhaps lose its answer.

        Raises
        ------
        RequestRefused
            QuickBooks would refuse the document, or a planted fault.
        """
        self._documents += 1
        if not self._gaps or self._gaps[0] > 0:
            self._gaps[:1] = [gap - 1 for gap in self._gaps[:1]]
            return super().process(qbxml)
        del self._gaps[0]
        ran = self._random.random() < 0.5
        if ran:
            super().process(qbxml)
        when = "after it ran" if ran else "before it ran"
        self.happened.append(f"the answer to document {self._documents} was lost, {when}")
        raise RequestRefused("0x80040402", "There was an unexpected error.", "planted by the rehearsal")


@contextmanager
def serving(ws: Workspace) -> Iterator[Server]:
    """Serve a workspace on a free port of this machine."""
    server = Server(ws, host="localhost", port=0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def run_queue(
    ws: Workspace,
    server: Server,
    company: Company,
    password: str,
    watch: WatchProgress | None = None,
    *,
    spare: int = 0,
) -> list[SessionReport]:
    """Let the simulated Web Connector run update sessions until the queue is empty or one of them fails.

    Parameters
    ----------
    watch : callable, optional
        Called with the percent done after every round.
    spare : int
        Sessions that may fail before it gives up: an analyst presses *Update Selected* again.
    """
    connector = WebConnector(
        server.url,
        ws.user,
        password,
        company,
        owner_id=ws.owner_id,
        file_id=ws.file_id,
        on_round=lambda rounds, percent: watch(percent) if watch else None,
    )
    reports: list[SessionReport] = []
    allowed = MOST_SESSIONS + spare
    while len(reports) < allowed and ws.ledger.next_job() is not None:
        reports.append(connector.run())
        if reports[-1].last_error or reports[-1].code or not reports[-1].rounds:
            spare -= 1
            if spare < 0:
                break
    return reports


def rehearse(
    ws: Workspace, watch: WatchProgress | None = None, *, faults: int = 0, seed: int = 0
) -> RehearsalReport:
    """Run the queue, drafts included, on a scratch copy against a company made from its tables.

    The workspace itself is only read: its ledger and tables stay as they are.

    Parameters
    ----------
    watch : callable, optional
        Called with the percent done after every round.
    faults : int
        How many answers get lost on the way; every lost one has to be recovered.
    seed : int
        Which ones.

    Raises
    ------
    UsageError
        Nothing is queued, or nothing was imported that a company could be made of.
    """
    if not ws.has("quickbooks.customers") or not ws.has("quickbooks.accounts"):
        raise UsageError("import lists and customers first: the simulated company is made of them")
    waiting = [
        job for job in to_rows(ws.read("ledger.jobs")) if job["status"] in ("draft", "queued", "running")
    ]
    if not waiting:
        raise UsageError("nothing is queued: `toolkit export` or `toolkit import` makes a job")
    tables = {name: ws.read(name) for name in TABLES if name.startswith("quickbooks.")}
    file_path = ws.settings["company_file"] or FILE
    company = FaultyCompany(
        Company.from_tables(tables, clock=local_now, file_path=file_path, strict=False), faults, seed
    )
    password = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        scratch = ws.copy_to(Path(folder) / "workspace", password=password)
        try:
            for job in waiting:
                if job["status"] == "draft":
                    scratch.ledger.approve(job["id"], "rehearsal")
            with serving(scratch) as server:
                reports = run_queue(scratch, server, company, password, watch, spare=faults)
            jobs, operations = scratch.read("ledger.jobs"), scratch.read("ledger.operations")
        finally:
            scratch.close()
    return _report({job["id"] for job in waiting}, jobs, operations, reports, company.happened)


def _report(
    waiting: set[int],
    jobs: pd.DataFrame,
    operations: pd.DataFrame,
    reports: Sequence[SessionReport],
    happened: list[str],
) -> RehearsalReport:
    mine = operations[operations["job"].isin(waiting)]
    rejected = mine[mine["status"] != "applied"]
    mine_jobs = [job for job in to_rows(jobs) if job["id"] in waiting]
    imports = [job for job in mine_jobs if job["kind"] != "export"]
    unfinished = [job["id"] for job in mine_jobs if job["status"] != "complete"]
    parts = []
    if len(mine):
        parts.append(f"{len(mine) - len(rejected):,} of {len(mine):,} operations were applied")
    if imports:
        done = sum(job["status"] == "complete" for job in imports)
        parts.append(f"{done} of {len(imports)} imports completed")
    if unfinished:
        parts.append(f"not finished: job {', '.join(map(str, unfinished))}")
        parts.extend(report.last_error or report.outcome for report in reports[-1:])
    return RehearsalReport("; ".join(parts), rejected.empty and not unfinished, jobs, rejected, happened)
