"""`toolkit serve` as a process of its own, as it runs beside QuickBooks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import COMPANY, PASSWORD, Toolkit

from toolkit.rehearsal import WebConnector
from toolkit.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.network]
WINDOWS = sys.platform == "win32"
SIGNALS = ["SIGBREAK"] if WINDOWS else ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.slow)]


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


@contextlib.contextmanager
def serving(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `toolkit serve` and give the process and its URL."""
    command = [sys.executable, "-m", "toolkit", "-w", str(workspace), "serve", "--port", "0"]
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, creationflags=flags
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(rf"Listening on (http://localhost:\d+/) for {COMPANY}\n", line)
            assert found, line + (process.stderr.read() if process.stderr and not line else "")
            yield process, found[1]
        finally:
            process.kill()


def get(url: str) -> tuple[int, str]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.status, answer.read().decode("utf-8")


@pytest.mark.parametrize("name", SIGNALS)
def test_it_answers_keeps_others_out_and_ends_cleanly(at: Any, name: str) -> None:
    workspace = at("fresh")
    with serving(workspace) as (process, url):
        assert get(f"{url}healthz")[0] == 200
        status, page = get(f"{url}support")
        assert status == 200
        assert "html" in page.lower()
        second = [sys.executable, "-m", "toolkit", "serve", "-w", str(workspace), "--port", "0"]
        ran = subprocess.run(second, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 2
        assert ran.stdout == ""
        assert f"is in use by process {process.pid}" in ran.stderr
        os.kill(process.pid, getattr(signal, "CTRL_BREAK_EVENT" if WINDOWS else name))
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out.endswith("Stopped.\n")
        assert err == ""
    with Workspace(workspace) as ws:
        ws.set("pilot", "false")  # nothing holds the lock


def test_a_web_connector_finishes_an_import_and_an_export_while_the_queue_is_worked_on(
    toolkit: Toolkit, at: Any
) -> None:
    workspace = at("carried")
    toolkit("-w", workspace, "import", "items")
    with serving(workspace) as (_, url), Workspace(workspace, read_only=True) as ws:
        connector = WebConnector(
            url, ws.user, PASSWORD, cli_world.rehearsal_company(), owner_id=ws.owner_id, file_id=ws.file_id
        )
        assert connector.run().last_error == ""
        queued = toolkit(
            *("-w", workspace, "export", *cli_world.QUARTER, "--customers", "--invoices"),
            *("--limit", "5", "--approve", "--json"),
        )
        assert connector.run().last_error == ""
    jobs = {job["id"]: job for job in toolkit("-w", workspace, "jobs", "--json").json["jobs"]}
    assert (jobs[1]["status"], jobs[1]["total"]) == ("complete", 60)
    export = jobs[queued.json["job"]]
    assert (export["status"], export["applied"]) == ("complete", 5)
