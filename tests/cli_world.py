"""The command line, run in this process, on small workspaces at each stage of a cutover."""

from __future__ import annotations

import csv
import datetime as dt
import functools
import hashlib
import json
import shutil
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

import toolkit.cli
from toolkit import cutover, extract
from toolkit.errors import RequestRefused
from toolkit.exchange import Exchange
from toolkit.rehearsal import Company
from toolkit.rehearsal.sample import SAMPLE, sample_tables
from toolkit.tables import from_rows, to_rows
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt

COMPANY = "Brightwater Hosting Ltd"
COMPANY_FILE = r"C:\Books\Brightwater Hosting.qbw"
PASSWORD = "not a secret"
QUARTER = ("--start", "2026-01-01", "--end", "2026-03-31")
_DOCUMENTS = ("invoices", "invoice_lines", "payments", "payment_applications")
STAGES = ("fresh", "imported", "mapped", "carried", "exported")
_PASSING = ("workspace.lock", "workspace.holder")  # whoever writes leaves them behind, empty of meaning


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output; amounts that are no text fail."""
        return json.loads(self.out, parse_float=_no_float)


Toolkit = Callable[..., Ran]


def _no_float(text: str) -> Any:
    raise AssertionError(f"{text}: an amount in JSON is text")


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    """Return a function that runs one command line in this process."""

    # Typer makes all commands anew at every call; tests make hundreds. A process of its own has the real one.
    monkeypatch.setattr(toolkit.cli, "app", _commands())

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["toolkit", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            toolkit.cli.main()
        said = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Ran(left.value.code, said.out, said.err)

    return run


@functools.cache
def _commands() -> Any:
    return typer.main.get_command(toolkit.cli.app)


def fingerprint(folder: Path) -> dict[str, str]:
    """Return every file below a folder with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _PASSING
    }


def workspace_at(stage: str, base: Path, folder: Path) -> Path:
    """Return a copy of the workspace as it is at a stage; each stage is made once a run.

    Parameters
    ----------
    stage : str
        One of ``STAGES``.
    base : Path
        Of the run: ``tmp_path_factory.getbasetemp()``.
    folder : Path
        Where to put the copy.
    """
    shutil.copytree(_made(stage, base), folder)
    adopt(folder, "the test")
    return folder


@functools.cache
def _made(stage: str, base: Path) -> Path:
    folder = base / "cli-stages" / stage
    earlier = STAGES.index(stage) - 1
    if earlier < 0:
        Workspace.create(folder, company=COMPANY, password=PASSWORD, company_file=COMPANY_FILE).close()
        return folder
    shutil.copytree(_made(STAGES[earlier], base), folder)
    adopt(folder, "the test")
    with Workspace(folder) as ws:
        _STEPS[stage](ws)
    return folder


def _import(ws: Workspace) -> None:
    for key, value in tomllib.loads((SAMPLE / "settings.toml").read_text(encoding="utf-8")).items():
        ws.set(key, str(value))
    for name, frame in sample_tables().items():
        ws.write(name, frame)
    extract.load(ws, sorted((SAMPLE / "billing" / "before").glob("*.csv")))


def _map(ws: Workspace) -> None:
    path = ws.path / "reports" / "mapping.xlsx"
    cutover.write_mapping(ws, path)
    with (SAMPLE / "decisions.csv").open(encoding="utf-8", newline="") as file:
        fill_decisions(path, csv.DictReader(file))
    cutover.read_mapping(ws, path, "analyst")


def _carry(ws: Workspace) -> None:
    cutover.carry_forward(ws)
    extract.load(ws, sorted((SAMPLE / "billing" / "after").glob("*.csv")))
    _keep_january(ws)


def _keep_january(ws: Workspace) -> None:
    """Leave out what is dated later: a month shows what a quarter shows, in less time."""
    tables = {name: to_rows(ws.read(f"billing.{name}")) for name in _DOCUMENTS}
    kept = {row["invoice_number"] for row in tables["invoices"] if row["invoice_date"] < dt.date(2026, 2, 1)}
    used = {
        row["payment_number"] for row in tables["payment_applications"] if row["invoice_number"] not in kept
    }
    for name, rows in tables.items():
        left = [
            row
            for row in rows
            if row.get("invoice_number", next(iter(kept))) in kept and row.get("payment_number") not in used
        ]
        ws.write(f"billing.{name}", from_rows(f"billing.{name}", left))


def _export(ws: Workspace) -> None:
    plan = cutover.plan_export(ws, start="2026-01-01", end="2026-01-31", invoices=True, limit=5)
    ws.queue(plan, approved_by="analyst")
    talk(ws)


_STEPS = {"imported": _import, "mapped": _map, "carried": _carry, "exported": _export}


def talk(ws: Workspace, company: Company | None = None) -> None:
    """Run update sessions without a network until the queue is empty."""
    company = company or rehearsal_company()
    exchange = Exchange(ws)
    while ws.ledger.next_job() is not None:
        ticket, _ = exchange.authenticate(ws.user, PASSWORD)
        hcp = company.hcp(ws.owner_id, ws.file_id)
        percent = 0
        while 0 <= percent < 100:
            request = exchange.next_request(ticket, hcp, company.file_path, "US", 13, 0)
            assert request, exchange.last_error(ticket)
            try:
                percent = exchange.take_answer(ticket, company.process(request), "", "")
            except RequestRefused as refusal:
                percent = exchange.take_answer(ticket, "", refusal.hresult, refusal.message)
            hcp = ""
        exchange.close(ticket)


def rehearsal_company() -> Company:
    """Return the sample company on the first of April."""
    return Company.from_tables(
        sample_tables(), clock=lambda: dt.datetime(2026, 4, 1, 9), file_path=COMPANY_FILE
    )
