"""A fault campaign for the tests: servers that start quickly and are really killed, a run, what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from exchange_world import PASSWORD, Clock, create, customer, invoice, payment
from rehearsal_company import ACME, company

from toolkit.rehearsal import Company
from toolkit.rehearsal.campaign import Campaign
from toolkit.rehearsal.faults import KILLED, KINDS, Fault, draw
from toolkit.rehearsal.server_process import Process, Start
from toolkit.rehearsal.verdict import Verdict, compare
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

ZYGOTE = Path(__file__).with_name("mortal_zygote.py")
KILLS, MORE = 2, 9
"""Planted in one run: deaths of the server, and other faults."""


# --- servers ------------------------------------------------------------------------------------------------


@dataclass
class Forked:
    """A process that the zygote started; the system buries it."""

    pid: int

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        end = time.monotonic() + (timeout or 60)
        while time.monotonic() < end:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.002)
        raise subprocess.TimeoutExpired("server", timeout or 60)


@dataclass
class Zygote:
    """Starts servers quickly where the system can fork, and otherwise as it can."""

    process: subprocess.Popen[str] | None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, variant: str = "") -> Start:
        def begin(folder: Path, port: int, shift: float) -> Process:
            if self.process is None:
                command = [sys.executable, str(ZYGOTE), str(folder), str(port), str(shift), variant]
                return subprocess.Popen(command, env=self.environment)
            order = {"folder": str(folder), "port": port, "shift": shift, "variant": variant}
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            return Forked(int(self.process.stdout.readline()))

        return begin


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if not hasattr(os, "fork"):
        yield Zygote(None, environment)
        return
    command = [sys.executable, str(ZYGOTE)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield Zygote(process)
        process.kill()


# --- a run --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a queue: an import and two exports, one of which waits for the other."""
    place = tmp_path_factory.mktemp("template") / "workspace"
    with create(place) as ws:
        for key, value in (("set_size", "2"), ("page_size", "2")):
            ws.set(key, value)
        ws.queue_import("customers")
        of = [f"customer:N{n % 2 + 1}" if n % 4 else ACME for n in range(1, 8)]
        bills = [invoice(f"A{n}", f"{n}0.25", of=who) for n, who in enumerate(of, 1)]
        paid = [payment(f"P{n}", f"{n}.10", who, f"A{n}") for n, who in enumerate(of, 1)]
        for rows in ([customer("N1", "Nova"), customer("N2", "Nimbus"), *bills], paid):
            plan = [{"position": place, **row} for place, row in enumerate(rows, start=1)]
            ws.ledger.add_export(from_rows("plan.operations", plan), approved_by="tester")
    return place


@dataclass
class Done:
    """A run, and what it left."""

    campaign: Campaign
    company: Company
    verdict: Verdict
    jobs: list[str]


def run(folder: Path, template: Path, start: Start, planned: list[Fault]) -> Done:
    """Run a campaign on a copy of the template."""
    with Workspace(template) as ws:
        assert ws.copy_to(folder, password=PASSWORD).close() is None
    held = company()
    with Workspace(folder) as ws:
        names = {name: getattr(ws, name) for name in ("user", "owner_id", "file_id")}
    campaign = Campaign(folder, held, password=PASSWORD, planned=planned, start=start, **names)
    campaign.run()
    with Workspace(folder, clock=Clock()) as ws:
        operations = [ws.ledger.operation(row["key"]) for row in to_rows(ws.ledger.operations())]
        verdict = compare(operations, held, ws.tables())
        jobs = [row["status"] for row in to_rows(ws.read("ledger.jobs"))]
    return Done(campaign, held, verdict, jobs)


def problems(done: Done) -> list[str]:
    """Return everything that is wrong after a run."""
    found = list(done.verdict.differences)
    found += [] if done.campaign.finished else ["the queue is not empty"]
    found += [f"a job is {status}" for status in done.jobs if status != "complete"]
    return found


def expect_good(seed: int, done: Done) -> None:
    found = problems(done)
    assert not found, f"seed {seed}: {found}; planted: {done.campaign.happened}"
    assert done.verdict.statuses == {"applied": 16}, f"seed {seed}"


def run_block(folder: Path, template: Path, zygote: Zygote, block: int) -> None:
    """Make 20 of the 200 runs: at least 30 of 300 kills, and 170 of 1,700 other faults."""
    counts: Counter[str] = Counter()
    for seed in range(100 + block * 20, 120 + block * 20):
        done = run(folder / str(seed), template, zygote.start(), draw(seed, KILLS + MORE, KILLS))
        expect_good(seed, done)
        counts += done.campaign.counts
    assert set(counts) == set(KINDS)
    assert counts[KILLED] >= 30
    assert counts.total() - counts[KILLED] >= 170
