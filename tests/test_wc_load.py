"""30 clients at once on one workspace: one session at a time, each document once, and /healthz in between."""

from __future__ import annotations

import http.client
import random
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from exchange_world import invoice
from rehearsal_company import company
from wc_raw import NEEDS_PROC, PROC, Client, Watched

from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(not PROC.is_dir(), reason=NEEDS_PROC),
]

CLIENTS, SET_SIZE, ROUNDS = 30, 4, 5
NUMBERS = range(1001, 1161)  # the company has some below already
LONGEST = 240.0
PASSWORD = "a long password"
_SET = re.compile(r'newMessageSetID="(\w+)"')


class Load:
    """What 30 clients do until there is nothing left, and what was seen of it."""

    def __init__(self, server: Watched, ws: Workspace) -> None:
        self.server, self.user, self.ids = server, ws.user, (ws.owner_id, ws.file_id)
        self.company = company()
        self.live = 0
        self.most = 0
        self.words: Counter[str] = Counter()
        self.sets: Counter[str] = Counter()
        self.ends: list[str] = []
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._until = time.monotonic() + LONGEST

    def client(self, number: int) -> int:
        """Poll until the queue is empty; return how many sessions it got."""
        dice = random.Random(number)
        sessions = 0
        while time.monotonic() < self._until:
            with Client(self.server.port, self.user, PASSWORD) as client:
                word = client.authenticate()
                with self._lock:
                    self.words[word] += 1
                    self.live += not word
                    self.most = max(self.most, self.live)
                if word == "none":
                    return sessions
                if word == "":
                    self._session(client)
                    sessions += 1
            time.sleep(dice.uniform(0.05, 0.3))
        raise AssertionError(f"the queue was not empty after {LONGEST:.0f} s: {self.words}")

    def _session(self, client: Client) -> None:
        """Work for some rounds, and leave the rest to the next."""
        self.company.begin_session()
        hcp = self.company.hcp(*self.ids)
        percent = 0
        for _ in range(ROUNDS):
            request = client.ask(self.company, hcp)
            assert request, client.of_session("getLastError")
            self.sets.update(_SET.findall(request))
            percent = client.tell(self.company.process(request))
            assert percent >= 0, client.of_session("getLastError")
            hcp = ""
            if percent == 100:
                break
        with self._lock:
            self.live -= 1
        self.ends.append(client.of_session("closeConnection"))

    def look(self) -> list[float]:
        """Ask for /healthz four times a second until all is done; return how long each took."""
        taken = []
        while not self.done.wait(0.25):
            began = time.monotonic()
            line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            line.request("GET", "/healthz")
            reply = line.getresponse()
            assert (reply.status, b'"ok"' in reply.read()) == (200, True)
            line.close()
            taken.append(time.monotonic() - began)
        return taken


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    place = tmp_path / "workspace"
    with Workspace.create(place, company="Acme", password=PASSWORD, rehearsal=True) as workspace:
        workspace.set("set_size", str(SET_SIZE))
        invoices = [invoice(str(number), f"{number}.25") for number in NUMBERS]
        rows = [{"position": place, **row} for place, row in enumerate(invoices, start=1)]
        workspace.ledger.add_export(from_rows("plan.operations", rows), approved_by="tester")
        yield workspace


@pytest.fixture
def load(ws: Workspace) -> Iterator[Load]:
    server = Watched(ws.path)
    try:
        yield Load(server, ws)
    finally:
        server.stop()


def test_many_clients_at_once(load: Load, ws: Workspace) -> None:
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        watch = pool.submit(load.look)
        try:
            sessions = list(pool.map(load.client, range(CLIENTS)))
        finally:
            load.done.set()
        healthy = sorted(watch.result())

    assert load.most == 1, "sessions at once"
    assert load.words["none"] == CLIENTS
    assert sum(sessions) == load.words[""] == len(load.ends) > len(NUMBERS) / SET_SIZE / ROUNDS
    assert sum(count > 0 for count in sessions) > 3, "it was always the same one"
    assert load.words["busy"] > CLIENTS, "they were not there at once"
    assert set(load.words) == {"", "none", "busy"}
    assert set(load.ends) == {"OK"}

    assert set(load.sets.values()) == {1}, "a set was handed out twice"
    memos = [str(row["memo"]) for row in to_rows(load.company.tables()["quickbooks.invoices"])]
    keys = Counter(found[1] for memo in memos if (found := re.search(r"\[bb:(.*)\]$", memo)))
    assert {key: count for key, count in keys.items() if len(key) == len("invoice:1001")} == {
        f"invoice:{number}": 1 for number in NUMBERS
    }
    assert {row["status"] for row in to_rows(ws.ledger.operations())} == {"applied"}
    assert [job["status"] for job in to_rows(ws.ledger.jobs())] == ["complete"]

    # Loosely: the machine does other things, too.
    assert len(healthy) > 5
    assert statistics.median(healthy) < 0.5, healthy[-5:]
    assert healthy[int(len(healthy) * 0.95)] < 1.0, healthy[-5:]
