"""Practice: the queue of a workspace against the simulated QuickBooks, over real HTTP on this machine."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from toolkit.errors import UsageError
from toolkit.ledger import local_now
from toolkit.rehearsal import Company, SessionReport, WebConnector
from toolkit.tables import TABLES, to_rows
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

MOST_SESSIONS = 5
WatchProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """How a rehearsal went.

    Parameters
    ----------
    outcome : str
        In one sentence.
    good : bool
        Whether every operation was applied.
    jobs : pandas.DataFrame
        ``ledger.jobs`` of the scratch copy.
    rejected : pandas.DataFrame
        ``ledger.operations`` of the scratch copy that were not applied.
    """

    outcome: str
    good: bool
    jobs: pd.DataFrame
    rejected: pd.DataFrame


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
    ws: Workspace, server: Server, company: Company, password: str, watch: WatchProgress | None = None
) -> list[SessionReport]:
    """Let the simulated Web Connector run update sessions until the queue is empty or one of them fails.

    Parameters
    ----------
    watch : callable, optional
        Called with the percent done after every round.
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
    while len(reports) < MOST_SESSIONS and ws.ledger.next_job() is not None:
        reports.append(connector.run())
        if reports[-1].last_error or reports[-1].code or not reports[-1].rounds:
            break
    return reports


def rehearse(ws: Workspace, watch: WatchProgress | None = None) -> RehearsalReport:
    """Run the queue, drafts included, on a scratch copy against a company made from its tables.

    The workspace itself is only read: its ledger and tables stay as they are.

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
    company = Company.from_tables(
        tables, clock=local_now, file_path=ws.settings["company_file"] or "", strict=False
    )
    password = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        scratch = ws.copy_to(Path(folder) / "workspace", password=password)
        try:
            for job in waiting:
                if job["status"] == "draft":
                    scratch.ledger.approve(job["id"], "rehearsal")
            with serving(scratch) as server:
                reports = run_queue(scratch, server, company, password, watch)
            jobs, operations = scratch.read("ledger.jobs"), scratch.read("ledger.operations")
        finally:
            scratch.close()
    mine = operations[operations["job"].isin([job["id"] for job in waiting])]
    rejected = mine[mine["status"] != "applied"]
    errors = [report.last_error for report in reports if report.last_error]
    good = rejected.empty and not errors
    outcome = (
        errors[0] if errors else f"{len(mine) - len(rejected):,} of {len(mine):,} operations were applied"
    )
    return RehearsalReport(outcome, good, jobs, rejected)
