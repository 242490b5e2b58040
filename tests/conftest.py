"""What every test lives under: no network unless marked, no settings of the machine, no skips in CI."""

from __future__ import annotations

import io
import ipaddress
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every run and machine, and no database of examples left in the tree.
hypothesis.settings.register_profile("toolkit", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("toolkit")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder `shared` beside the repository (schemas, corpus), or skip where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared beside the repository, which is not here")
    return folder


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's own TOOLKIT_* variables: no test may reach a real workspace."""
    for name in [name for name in os.environ if name.startswith("TOOLKIT_")]:
        monkeypatch.delenv(name)


# --- sockets ------------------------------------------------------------------------------------------------


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # a path: a Unix socket
        return True
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _guarded(original: Callable[..., Any], allowed: Callable[[Any], bool], advice: str) -> Callable[..., Any]:
    def call(self: socket.socket, address: Any) -> Any:
        if not allowed(address):
            # Not an Exception: code that catches OSError, or anything, must not hide it.
            pytest.fail(f"a socket was opened to {address!r}: {advice}")
        return original(self, address)

    return call


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Refuse sockets from a test's first fixture to its last; one marked `network` may reach this machine."""
    if item.get_closest_marker("network"):
        allowed, advice = _is_local, "a test may reach this machine only"
    else:
        allowed, advice = (lambda address: False), "mark the test with @pytest.mark.network"
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not allowed((host or "",)):
            pytest.fail(f"the host {host!r} was looked up: {advice}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        for name in ("bind", "connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), allowed, advice))
        return (yield)


# --- order --------------------------------------------------------------------------------------------------

LONGEST = (
    *("test_kills_more", "test_wc_soak", "test_kills", "test_grown_company", "test_exchange_faults"),
    *("test_qbxml_fuzz", "test_benchmarks", "test_wc_fuzz", "test_qbxml_differential", "test_requeue"),
    *("test_rehearse", "test_demo", "test_workbook_golden", "test_wc_load", "test_laws", "test_notebook_lab"),
)
"""Files that take longest: begun first, or one core ends alone with the last of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the Makefile asks pytest-xdist to keep that order."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


# --- skips --------------------------------------------------------------------------------------------------


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


class _Skips:
    """Collects skipped tests; with CI set, one is enough to fail the run."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        self.found.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.found:
            terminalreporter.section("skipped, which CI does not allow", red=True, bold=True)
            for line in self.found:
                terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Count skips as failures where CI is set."""
    if _in_ci():
        config.pluginmanager.register(_Skips(), "skips-fail-in-ci")


# --- the demo -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DemoRun:
    """One run of the demo, shared by every test that looks at it."""

    workspace: Path
    text: str
    document: dict[str, Any]
    requests: list[str]
    answers: list[str]
    seconds: float


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """Run the demo once, as `toolkit demo` does; a test that uses it is marked `network`."""
    from rich.console import Console

    from toolkit import demo
    from toolkit.cli.shared import WIDTH_OF_A_FILE

    workspace = tmp_path_factory.mktemp("demo") / "workspace"
    written = io.StringIO()
    # Of a core, not of the clock: what else the machine does is nothing to the demo.
    started = time.process_time()
    run = demo.run(workspace, Console(file=written, width=WIDTH_OF_A_FILE, highlight=False))
    return DemoRun(
        workspace=workspace,
        text=written.getvalue(),
        document=run.document(),
        requests=[text for session in run.sessions for text in session.requests],
        answers=[text for session in run.sessions for text in session.answers],
        seconds=time.process_time() - started,
    )


@pytest.fixture
def demo_workspace(demo_run: DemoRun, tmp_path: Path) -> Path:
    """Return a copy of the workspace that the demo left, free to be changed."""
    from toolkit.workspace_here import adopt

    copied = tmp_path / "demo"
    shutil.copytree(demo_run.workspace, copied)
    adopt(copied, "the test")
    return copied
