"""`toolkit serve` as a process of its own, as it runs beside QuickBooks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
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
def serving(workspace: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `toolkit serve` and give the process and its URL."""
    command = [sys.executable, "-m", "toolkit", "-w", str(workspace), "serve", "--port", "0", *options]
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, creationflags=flags
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(rf"Listening on (https?://\S+/) for {COMPANY}\n", line)
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


def stopped(process: subprocess.Popen[str]) -> str:
    """End a server as Ctrl-C does, and return what it said since it listened."""
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
    assert process.stdout is not None  # not `communicate`: it knows nothing of what was read ahead
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    assert (process.wait(60), err) == (0, "")
    return out


def test_what_happens_is_told_on_the_console_and_in_the_log(at: Any) -> None:
    workspace = at("fresh")
    with serving(workspace) as (process, url):
        get(f"{url}support")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{url}support/jobs")
        out = stopped(process)
    lines = (workspace / "logs" / "server.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert [line["event"] for line in told if not line["event"].startswith("log")] == [
        *("started", "request_served", "request_refused", "stopping", "stopped")
    ]
    assert (told[0]["url"], told[1]["kind"], told[2]["status"]) == (url, "GET /support", 401)
    support, refused, stopping, end = out.splitlines()
    assert support == f"Support page: {url}support  Stop with Ctrl-C."
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  request refused: .*GET /support/jobs.*", refused)
    assert stopping.endswith("  stopping")
    assert end == "Stopped."


def test_less_is_told_when_less_is_wanted(at: Any) -> None:
    workspace = at("fresh")
    with serving(workspace, "--log-level", "warning") as (process, url):
        get(f"{url}support")
        assert stopped(process).splitlines() == [
            f"Support page: {url}support  Stop with Ctrl-C.",
            "Stopped.",
        ]
    assert not (workspace / "logs").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--log-level", "loud"), "there is no log level 'loud': take debug, info, warning or error"),
        (("--behind-proxy",), "behind a proxy the Web Connector's URL begins with https://"),
        (
            ("--behind-proxy", "--tls-cert", "cert.pem", "--tls-key", "key.pem"),
            "--behind-proxy is for a server without TLS",
        ),
    ],
)
def test_options_that_make_no_sense_change_nothing(
    toolkit: Toolkit, at: Any, options: tuple[str, ...], said: str
) -> None:
    workspace = at("fresh")
    ran = toolkit("-w", workspace, "serve", "--port", "0", *options)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not (workspace / "logs").exists()


def test_behind_a_proxy_the_address_is_that_of_the_proxy(at: Any) -> None:
    workspace = at("fresh")
    text = (workspace / "workspace.toml").read_text(encoding="utf-8")
    changed = re.sub(r'(?m)^url = ".*"', 'url = "https://billing.example.com/qb/"', text)
    assert changed != text
    (workspace / "workspace.toml").write_text(changed, encoding="utf-8")
    with serving(workspace, "--behind-proxy") as (process, url):
        assert url == "https://billing.example.com/qb/"
        assert process.stdout is not None
        found = re.search(r"pass requests on to port (\d+) here", process.stdout.readline())
        assert found
        assert get(f"http://127.0.0.1:{found[1]}/healthz")[0] == 200
        assert (
            'address location="https://billing.example.com/qb/"'
            in get(f"http://127.0.0.1:{found[1]}/?wsdl")[1]
        )
        stopped(process)


def test_what_toolkit_cert_made_is_used_where_the_url_is_https(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    assert toolkit("-w", workspace, "qwc", "--url", "https://localhost:8085/").code == 0
    with serving(workspace) as (process, url):
        assert url.startswith("http://localhost:"), "there is no certificate yet"
        said = stopped(process)
    assert len(re.findall(r"(?m)^.* WARNING .*$", said)) == 1
    assert (
        f"WARNING the Web Connector looks for https://localhost:8085/, and this server is at {url}:" in said
    )
    assert f"make a certificate with `toolkit -w {workspace} cert`" in said
    (logged,) = (workspace / "logs" / "server.jsonl").read_text(encoding="utf-8").split("\n")[:1]
    assert (json.loads(logged)["level"], url in json.loads(logged)["text"]) == ("warning", True)
    made = toolkit("-w", workspace, "cert", "--json").json
    with serving(workspace) as (process, url):
        assert url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=made["certificate"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)
        )
        with opener.open(f"{url}healthz", timeout=10) as answer:
            assert answer.status == 200
        assert "WARNING" not in stopped(process)
    with serving(workspace, "--behind-proxy") as (process, _):
        assert "WARNING" not in stopped(process)
    Path(made["key"]).unlink()
    ran = toolkit("-w", workspace, "serve", "--port", "0")
    assert ran.code == 2
    assert "toolkit.key: there is no such file" in ran.err


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
