"""3,000 sessions one after the other: memory, threads and open files of the server stay what they were."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exchange_world import customer, invoice
from rehearsal_company import company
from wc_raw import MB, NEEDS_PROC, PROC, Client, Held, Watched

from toolkit.rehearsal import Company
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(not PROC.is_dir(), reason=NEEDS_PROC),
]

SESSIONS, WARM = 3_000, 300
MOST_GROWTH = 10 * MB
PASSWORD = "a long password"
QUICKBOOKS_DIED = ("0x80010105", "The server threw an exception.")
TIMEOUT = 60
"""Seconds after which a session is given up (the setting ``session_timeout``)."""


class Soak:
    """A server, a QuickBooks, and sessions of each kind between them, round by round."""

    def __init__(self, server: Watched, ws: Workspace) -> None:
        self.server, self.ws = server, ws
        self.company: Company = company()
        self._shift = 0.0
        self._numbers = itertools.count(1)
        self.sessions = 0
        self.kinds: list[Callable[[Client], None]] = [
            self.quickbooks_dies,
            self.line_goes_dead,
            self.quickbooks_stays_closed,
            self.imports,
            self.nothing_to_do,
            self.wrong_password,
            self.exports,
            self.strange_tickets,
            self.exports_and_is_told_twice,
            self.nothing_to_do,
        ]

    def run(self, count: int) -> None:
        """Run so many sessions more, each over a connection of its own."""
        for _ in range(count):
            kind = self.kinds[self.sessions % len(self.kinds)]
            with Client(self.server.port, self.ws.user, PASSWORD) as client:
                kind(client)
            self.sessions += 1

    # --- the sessions ---------------------------------------------------------------------------------

    def quickbooks_dies(self, client: Client) -> None:
        self.ws.queue_import("items")
        assert self._ask_first(client)
        assert client.tell("", *QUICKBOOKS_DIED) < 0
        assert "0x80010105" in client.of_session("getLastError")
        client.of_session("closeConnection")

    def line_goes_dead(self, client: Client) -> None:
        assert self._ask_first(client)
        with Client(self.server.port, self.ws.user, PASSWORD) as another:
            assert another.authenticate() == "busy"
        self._shift += TIMEOUT + 1
        assert self.server.order(clock=self._shift)

    def quickbooks_stays_closed(self, client: Client) -> None:
        assert client.authenticate() == ""
        failed = {"hresult": "0x80040408", "message": "Could not start QuickBooks."}
        assert client.of_session("connectionError", **failed) == ""
        assert client.of_session("connectionError", **failed) == "done"

    def imports(self, client: Client) -> None:
        self._work(client, self._ask_first(client))

    def nothing_to_do(self, client: Client) -> None:
        assert client.call("serverVersion", strVersion="2.3")[0].startswith("BluBilling")
        assert client.call("clientVersion", strVersion="2.3.0.215") == [""]
        assert client.authenticate() == "none"

    def wrong_password(self, client: Client) -> None:
        told = client.call("authenticate", strUserName=self.ws.user, strPassword="wrong")
        assert told[:2] == ["", "nvu"]
        assert client.of_session("closeConnection") == "OK"

    def strange_tickets(self, client: Client) -> None:
        client.ticket = f"{self.sessions:032x}"
        assert client.ask(self.company) == ""
        assert client.tell("<QBXML/>") < 0
        assert "ended" in client.of_session("getLastError")
        assert client.of_session("closeConnection") == "OK"

    def exports(self, client: Client) -> None:
        self._queue()
        self._work(client, self._ask_first(client))

    def exports_and_is_told_twice(self, client: Client) -> None:
        self._queue()
        self._work(client, self._ask_first(client), times=2)

    # --- their parts ----------------------------------------------------------------------------------

    def _queue(self) -> None:
        number = str(next(self._numbers))
        rows = [customer(number, f"Customer {number}"), invoice(number, "12.50", of=f"customer:{number}")]
        listed = [{"position": place, **row} for place, row in enumerate(rows, start=1)]
        self.ws.ledger.add_export(from_rows("plan.operations", listed), approved_by="tester")

    def _ask_first(self, client: Client) -> str:
        assert client.authenticate() == "", f"session {self.sessions}"
        self.company.begin_session()
        return client.ask(self.company, self.company.hcp(self.ws.owner_id, self.ws.file_id))

    def _work(self, client: Client, request: str, times: int = 1) -> None:
        for _ in range(100):
            answer = self.company.process(request)
            percents = [client.tell(answer) for _ in range(times)]
            assert percents[0] in range(101), (percents, client.of_session("getLastError"))
            if percents[0] == 100:
                break
            request = client.ask(self.company)
        assert percents[0] == 100
        assert client.of_session("closeConnection") == "OK"


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Soak]:
    place = tmp_path / "workspace"
    with Workspace.create(place, company="Acme", password=PASSWORD, rehearsal=True) as ws:
        ws.set("session_timeout", str(TIMEOUT))
        server = Watched(place)
        try:
            yield Soak(server, ws)
        finally:
            server.stop()


def check_flat(before: Held, after: Held) -> None:
    assert after.memory - before.memory < MOST_GROWTH, f"{before}, then {after}"
    assert after.threads <= before.threads + 1, f"{before}, then {after}"  # those of libraries come late
    assert after.files <= before.files + 1, f"{before}, then {after}"  # of a connection that is being closed


def test_sessions_leave_nothing_behind(soak: Soak) -> None:
    soak.run(WARM)
    before = soak.server.held()
    soak.run(SESSIONS - WARM)
    check_flat(before, soak.server.held())
    # And they did what they were for.
    rounds = SESSIONS // len(soak.kinds)
    jobs = to_rows(soak.ws.ledger.jobs())
    assert [job["status"] for job in jobs] == ["complete"] * rounds * 3
    made = to_rows(soak.company.tables()["quickbooks.customers"])
    assert sum(row["full_name"].startswith("Customer ") for row in made) == 2 * rounds
