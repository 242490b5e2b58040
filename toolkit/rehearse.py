"""Practice: the queue of a workspace against the simulated QuickBooks, over real HTTP on this machine."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.errors import UsageError
from toolkit.ledger import local_now
from toolkit.rehearsal import Company, SessionReport, WebConnector
from toolkit.rehearsal.campaign import Campaign
from toolkit.rehearsal.faults import Fault, draw
from toolkit.rehearsal.verdict import compare
from toolkit.tables import TABLES, to_rows
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

FILE = r"C:\Rehearsal\company.qbw"
MOST_SESSIONS = 5
SETS_A_FAULT = 2
"""Message sets for each planted fault, so that all of them find one."""
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
    differences : list of str
        What the simulated company and the ledger do not agree on at the end, each in one sentence.
    """

    outcome: str
    good: bool
    jobs: pd.DataFrame
    rejected: pd.DataFrame
    faults: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


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
    ws: Workspace,
    watch: WatchProgress | None = None,
    *,
    faults: int = 0,
    seed: int = 0,
    kills: int | None = None,
) -> RehearsalReport:
    """Run the queue, drafts included, on a scratch copy against a company made from its tables.

    The workspace itself is only read: its ledger and tables stay as they are.

    Parameters
    ----------
    watch : callable, optional
        Called with the percent done after every round.
    faults : int
        How many faults are planted: the server, in a process of its own, is killed; answers are lost,
        doubled, refused; see :mod:`toolkit.rehearsal.faults`. Each has to be recovered. Message sets are
        made smaller where there would be less of them than faults.
    seed : int
        Which ones: the same seed, the same faults.
    kills : int, optional
        How many of them kill the server; about one in six by default.

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
    company = _company(ws)
    password = secrets.token_urlsafe(16)
    happened: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        scratch = ws.copy_to(Path(folder) / "workspace", password=password)
        try:
            for job in waiting:
                if job["status"] == "draft":
                    scratch.ledger.approve(job["id"], "rehearsal")
            if faults:
                happened, reports = _run_faulty(scratch, company, password, watch, draw(seed, faults, kills))
            else:
                with serving(scratch) as server:
                    reports = run_queue(scratch, server, company, password, watch)
            return _report({job["id"] for job in waiting}, scratch, company, reports, happened)
        finally:
            scratch.close()


def _company(ws: Workspace) -> Company:
    tables = {name: ws.read(name) for name in TABLES if name.startswith("quickbooks.")}
    file_path = ws.settings["company_file"] or FILE
    return Company.from_tables(tables, clock=local_now, file_path=file_path, strict=False)


def _run_faulty(
    scratch: Workspace,
    company: Company,
    password: str,
    watch: WatchProgress | None,
    planned: Sequence[Fault],
) -> tuple[list[str], list[SessionReport]]:
    """Run the queue in a fault campaign; return what came to pass, and the sessions."""
    operations = scratch.read("ledger.operations")
    documents = int((operations["status"] == "pending").sum())
    if documents:
        room = max(1, documents // (len(planned) * SETS_A_FAULT))
        scratch.set("set_size", str(min(room, scratch.settings["set_size"])))
    scratch.close()
    names = {name: getattr(scratch, name) for name in ("user", "owner_id", "file_id")}
    campaign = Campaign(scratch.path, company, password=password, planned=planned, on_round=watch, **names)
    return campaign.happened, campaign.run()


def _report(
    waiting: set[int],
    scratch: Workspace,
    company: Company,
    reports: Sequence[SessionReport],
    happened: list[str],
) -> RehearsalReport:
    jobs, operations = scratch.read("ledger.jobs"), scratch.read("ledger.operations")
    mine = operations[operations["job"].isin(waiting)]
    rejected = mine[mine["status"] != "applied"]
    verdict = compare(
        [scratch.ledger.operation(key) for key in mine["key"]],
        company,
        scratch.tables(),
        others=set(operations["key"]),
    )
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
    if not verdict.good:
        parts.append(f"company and ledger differ in {len(verdict.differences)}")
    good = rejected.empty and not unfinished and verdict.good
    return RehearsalReport("; ".join(parts), good, jobs, rejected, happened, list(verdict.differences))
