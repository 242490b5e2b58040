"""A .NET client: the proxy that Mono's tool makes from our WSDL, compiled, and a whole session through it."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from exchange_world import customer, invoice, payment
from rehearsal_company import company

from toolkit import __version__
from toolkit.rehearsal import Company
from toolkit.tables import from_rows, to_rows
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.network]

PASSWORD = "a long pässword & more"
PROGRAM = Path(__file__).parent / "mono" / "session.cs"
SECONDS = 120.0
OPERATIONS = [
    customer("1", "Zoë & Söhne <GmbH>"),
    invoice("1", "12.50", of="customer:1"),
    payment("1", "12.50", of="customer:1", to="1"),
]


@pytest.fixture(scope="module")
def mono() -> None:
    missing = [tool for tool in ("mono", "mcs", "wsdl2") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs Mono (Debian's mono-devel), and {', '.join(missing)} is not here")


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    place = tmp_path / "workspace"
    with Workspace.create(place, company="Test Works", password=PASSWORD, rehearsal=True) as workspace:
        yield workspace


@pytest.fixture
def server(mono: None, ws: Workspace) -> Iterator[Server]:
    running = Server(ws, port=0)
    running.start()
    yield running
    running.stop()


def run(folder: Path, *command: str | Path) -> None:
    """Run one of Mono's tools in a folder, and let it say what is wrong."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which Mono keeps its settings to itself."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "LC_ALL": "C.UTF-8"}


def proxy(folder: Path, wsdl: str | Path, *options: str) -> list[str]:
    """Return the lines of the proxy that .NET makes of a WSDL, without comments and the address."""
    made = folder / "proxy.cs"
    run(folder, "wsdl2", *options, f"-o:{made.name}", str(wsdl))
    lines = made.read_text(encoding="utf-8-sig").splitlines()
    return [line for line in lines if not re.match(r"\s*(//|this\.Url = )", line) and line.strip()]


def queue(ws: Workspace, operations: list[dict[str, Any]]) -> None:
    rows = [{"position": place, **row} for place, row in enumerate(operations, start=1)]
    ws.ledger.add_export(from_rows("plan.operations", rows), approved_by="tester")


# --- the proxy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["-server"]], ids=["client", "server"])
def test_our_proxy_is_that_of_intuits_wsdl(
    server: Server, shared: Path, tmp_path: Path, options: list[str]
) -> None:
    ours = proxy(tmp_path, f"{server.url}?wsdl", *options)
    theirs = proxy(tmp_path, shared / "qbxml-schema" / "QBWebConnectorSvc.wsdl", *options)
    assert sum(" string[] authenticate(" in line for line in ours) == 1
    assert ours == theirs


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('name="parameters"', 'name="body"'),
        ('type="xs:int"', 'type="xs:integer"'),
        ("sendRequestXML", "sendXML"),
    ],
)
def test_another_wsdl_makes_another_proxy(server: Server, tmp_path: Path, was: str, becomes: str) -> None:
    text = requests.get(f"{server.url}?wsdl", timeout=30).text
    assert was in text
    (tmp_path / "ours.wsdl").write_text(text, encoding="utf-8")
    (tmp_path / "changed.wsdl").write_text(text.replace(was, becomes), encoding="utf-8")
    assert proxy(tmp_path, "ours.wsdl") != proxy(tmp_path, "changed.wsdl")


# --- a session ----------------------------------------------------------------------------------------------


class Talk:
    """What the program was told, call by call; QuickBooks is here."""

    def __init__(self, ws: Workspace, company: Company) -> None:
        self.ws, self.company = ws, company
        self.calls: list[tuple[str, Any]] = []

    def run(self, program: Path, url: str) -> None:
        """Run the program to its end, or to that of its time."""
        command = ["mono", program.name, url, self.ws.user, PASSWORD, self.company.file_path]
        with (program.parent / "said.txt").open("w+", encoding="utf-8") as wrong:
            with subprocess.Popen(
                command,
                cwd=program.parent,
                env=environment(program.parent),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=wrong,
                encoding="utf-8",
            ) as process:
                watch = threading.Timer(SECONDS, process.kill)
                watch.start()
                try:
                    self._listen(process)
                    code = process.wait(SECONDS)
                finally:
                    watch.cancel()
                    process.kill()
            wrong.seek(0)
            assert code == 0, wrong.read()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if answer := self.hear(*line.split()):
                process.stdin.write(f"={base64.b64encode(answer.encode()).decode()}\n")
                process.stdin.flush()

    def hear(self, word: str, *rest: str) -> str:
        """Note a call, or answer a question."""
        if word != "ask":
            told = [decoded(one) for one in rest]
            self.calls.append((word, int(rest[0]) if rest[0].lstrip("-").isdigit() else told))
            return ""
        if rest[0] == "hcp":
            self.company.begin_session()
            return self.company.hcp(self.ws.owner_id, self.ws.file_id)
        if rest[0] == "queue":
            queue(self.ws, [invoice("2", "20.00")])
            return "done"
        return self.company.process(decoded(rest[1]) or "")

    def of(self, name: str) -> list[Any]:
        """Return what calls of a name gave: a number, or texts."""
        return [told for call, told in self.calls if call == name]


def decoded(word: str) -> str | None:
    return base64.b64decode(word[1:]).decode() if word.startswith("=") else None


def test_a_whole_session_through_a_dotnet_proxy(server: Server, ws: Workspace, tmp_path: Path) -> None:
    ws.set("set_size", "1")  # several rounds, so that the progress is seen to grow
    queue(ws, OPERATIONS)
    proxy(tmp_path, f"{server.url}?wsdl")
    run(tmp_path, "mcs", "-r:System.Web.Services", "-out:session.exe", "proxy.cs", PROGRAM)
    talk = Talk(ws, company())
    talk.run(tmp_path / "session.exe", server.url)

    rounds = ["sendRequestXML", "receiveResponseXML"]
    assert [name for name, _ in talk.calls] == [
        *("serverVersion", "clientVersion", "authenticate", "authenticate", "receiveResponseXML"),
        *(rounds * 5),  # three operations alone, and two checks before what could be there already
        *("sendRequestXML", "getLastError", "closeConnection"),
        *("authenticate", "connectionError", "connectionError", "getLastError", "closeConnection"),
        *("authenticate", *(rounds * 2), "closeConnection", "authenticate"),
    ]
    assert talk.of("serverVersion") == [[f"BluBilling QuickBooks toolkit {__version__}"]]
    assert talk.of("clientVersion") == [[""]]
    wrong, *sessions, last = talk.of("authenticate")
    assert (wrong, last) == (["", "nvu"], ["", "none"])
    assert {word for _, word in sessions} == {""}
    assert len({ticket for ticket, _ in sessions}) == 3
    assert talk.of("receiveResponseXML") == [-1, 33, 33, 66, 66, 100, 0, 100]
    assert talk.of("connectionError") == [[""], ["done"]]
    nothing, not_opened = talk.of("getLastError")
    assert nothing == ["There is nothing to send."]
    assert "Open QuickBooks and the company file" in not_opened[0]
    assert [said for (said,) in talk.of("closeConnection")] == [nothing[0], not_opened[0], "OK"]

    # What came of it: each document once in the company, and the ledger knows.
    statuses = {row["key"]: row["status"] for row in to_rows(ws.ledger.operations())}
    keys = ["customer:1", "invoice:1", "invoice:2", "payment:1"]
    assert statuses == dict.fromkeys(keys, "applied")
    customers = [row["full_name"] for row in to_rows(talk.company.tables()["quickbooks.customers"])]
    assert customers.count("Zoë & Söhne <GmbH>") == 1
    memos = [str(row["memo"]) for row in to_rows(talk.company.tables()["quickbooks.invoices"])]
    assert sum("[bb:invoice:2]" in memo for memo in memos) == 1
