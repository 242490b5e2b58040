"""The ledger: what one message set costs beside the bare minimum of SQLite and disk, and how it grows.

The cost of a set is what the real exchange spends in the ledger and on the file of the answer in the two
calls that hand the set out and take its answer: every question and every commit. Building and reading qbXML
is not in it, and the simulated QuickBooks neither. Before each set that writes goes one that checks what it
refers to; it is a message set too, and counts by itself.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import business
from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.cases.land import Prepared
from benchmarks.documents import invoices_to_add
from benchmarks.measure import Task

SETS, SET_SIZE, OPERATIONS, FACTOR = 100, business.SET_SIZE, 10_000, 10
NOT_ASKED = ("close", "now", "reading", "writing")
COST, MOST_GROWTH, MOST_MEMORY = 5.0, 1.2, 1.2
PER_SET, FEW, MANY = "message sets", "operations", "10 times as many operations"


class Books:
    """A workspace with one approved export, and what sends its sets and answers them."""

    def __init__(self, folder: Path, operations: int) -> None:
        from toolkit import Workspace
        from toolkit.ledger import Outcome

        self._outcome = Outcome
        self.ws = Workspace.create(folder, company="Acme", password="for-the-bench")
        self.ledger = self.ws.ledger
        self.count = operations
        self.job = 0
        self.sets = 0
        self.ticket = self.ledger.open_session("bench")

    def queue(self) -> None:
        """Queue and approve the operations."""
        from toolkit.tables import from_rows

        rows = [
            {
                "position": number,
                "key": f"invoice:{number}",
                "request": "InvoiceAdd",
                "record_kind": "invoice",
                "depends_on": [],
                "expected": json.dumps({"total": "1.00"}),
                "fields": json.dumps(fields),
                "ref_number": str(number),
            }
            for number, fields in enumerate(invoices_to_add(self.count), 1)
        ]
        job, _ = self.ledger.add_export(from_rows("plan.operations", rows), approved_by="bench")
        assert job is not None
        self.job = job

    def send(self, text: bytes) -> bool:
        """Hand out a set, keep its answer, record it; ``False`` where nothing is left."""
        ready = self.ledger.sendable(SET_SIZE, self.job)
        if not ready:
            return False
        self.sets += 1
        keys = [one.key for one in ready]
        clears = self.ledger.uncleared()
        number = self.ledger.open_set(self.ticket, "write", f"S{self.sets:019}", text, keys, clears)
        path = self.ws.inbox_name(self.ws.save_answer(text, name=str(number)))
        told = [
            self._outcome(one.key, "applied", 0, None, f"{one.position:X}-1", "1767603600") for one in ready
        ]
        self.ledger.record_answer(number, inbox_path=path, outcomes=told)
        return True

    def facts(self) -> dict[str, Any]:
        """Return how the operations stand, as another connection sees it."""
        return {"statuses": statuses(self.ws), "sets": self.sets}


def statuses(ws: Any) -> dict[str, int]:
    """Return how many operations are in which state, as another connection sees them."""
    with closing(sqlite3.connect(ws.path / "ledger.sqlite")) as connection:
        return dict(connection.execute("SELECT status, count(*) FROM operations GROUP BY status"))


def document() -> bytes:
    """Return the document of one set, which serves as its answer too."""
    from toolkit.qbxml_io import Request, build

    given = [
        Request("InvoiceAdd", fields, request_id=str(place))
        for place, fields in enumerate(invoices_to_add(SET_SIZE), 1)
    ]
    return build(given)


class Bare:
    """Two commits to SQLite as safe as the ledger's, and the file of the answer on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE sets (id INTEGER PRIMARY KEY, text BLOB, answered TEXT)")
        self._number = 0

    def send(self, text: bytes, answer: bytes) -> None:
        """Keep a document, the file of its answer, and that it is there."""
        self._number += 1
        self._database.execute("INSERT INTO sets VALUES (?, ?, NULL)", (self._number, text))
        with (self._folder / f"{self._number}.xml").open("xb") as file:
            file.write(answer)
            file.flush()
            os.fsync(file.fileno())
        self._database.execute("UPDATE sets SET answered = 'now' WHERE id = ?", (self._number,))


class Stopwatch:
    """Counts the time that is spent in the ledger and on the file of an answer."""

    def __init__(self, ws: Any) -> None:
        self._seconds, self._inside = 0.0, False
        for name in dir(type(ws.ledger)):
            if not name.startswith("_") and name not in NOT_ASKED and callable(getattr(ws.ledger, name)):
                self._count(ws.ledger, name)
        self._count(ws, "save_answer")

    def take(self) -> float:
        """Return the seconds since the last time, and begin anew."""
        taken, self._seconds = self._seconds, 0.0
        return taken

    def _count(self, owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return call(*arguments, **options)
            self._inside, before = True, time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self._seconds += time.perf_counter() - before
                self._inside = False

        setattr(owner, name, counted)


def per_set(folder: Path, sets: int) -> Prepared:
    """Prepare an export for the exchange, and the bare minimum for the same texts; they take turns."""
    from toolkit.exchange import Exchange

    ws, company = business.workspace(folder / "ws", sets * SET_SIZE), business.company()
    exchange, bare = Exchange(ws), Bare(folder)
    ticket, _ = exchange.authenticate(ws.user, business.PASSWORD)
    company.begin_session()
    stopwatch = Stopwatch(ws)

    def work() -> dict[str, Any]:
        taken: dict[str, list[float]] = {}
        hcp, percent = company.hcp(ws.owner_id, ws.file_id), 0
        while 0 <= percent < 100:
            text = exchange.next_request(ticket, hcp, company.file_path, "US", 13, 0)
            answer, hcp = company.process(text), ""
            percent = exchange.take_answer(ticket, answer, "", "")
            kind = "" if "newMessageSetID" in text else "check "
            taken.setdefault(f"{kind}ledger", []).append(stopwatch.take())
            before = time.perf_counter()
            bare.send(text.encode("ascii"), answer.encode())
            taken.setdefault(f"{kind}bare", []).append(time.perf_counter() - before)
        seconds = {name: statistics.median(each) for name, each in taken.items()}
        return {"seconds": seconds, "sets": len(taken["ledger"])}

    return work, lambda told: {**told, "statuses": statuses(ws)}


def all_of(folder: Path, operations: int) -> Prepared:
    """Prepare a ledger; the work queues the operations, sends them all and records each answer."""
    text = document()
    books = Books(folder / "ws", operations)

    def work() -> None:
        books.queue()
        while books.send(text):
            pass

    return work, lambda nothing: books.facts()


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    sets = sizes.of(SETS)
    few = max(SET_SIZE, sizes.of(OPERATIONS))
    tasks = [
        Task(
            PER_SET,
            "benchmarks.cases.ledger:per_set",
            {"sets": sets},
            f"{sets} of {SET_SIZE} operations",
            expected={"statuses": {"applied": sets * SET_SIZE}, "sets": sets},
        )
    ]
    for name, count in ((FEW, few), (MANY, few * FACTOR)):
        note = f"{count:,} queued, sent, answered"
        expected = {"statuses": {"applied": count}, "sets": -(-count // SET_SIZE)}
        arguments = {"operations": count}
        tasks.append(Task(name, "benchmarks.cases.ledger:all_of", arguments, note, expected=expected))
    return tasks


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    told = rows[PER_SET].facts.get("seconds")
    cost = told["ledger"] / told["bare"] if told else None
    growth = ratio(rows, MANY, FEW)
    few, many = rows[FEW].peak_mb, rows[MANY].peak_mb
    return [
        Goal("a set of 50 / (two bare commits + one fsynced file)", cost, COST),
        Goal("10 times the operations: time / 10", None if growth is None else growth / FACTOR, MOST_GROWTH),
        Goal(
            "10 times the operations: memory / 10",
            None if few is None or many is None else many / few / FACTOR,
            MOST_MEMORY,
        ),
    ]


def said(facts: Mapping[str, Any]) -> str:
    """Return in a line what was measured of the sets, and of the checks that go before them."""
    seconds = facts.get("seconds")
    if not seconds:
        return f"{facts['sets']:,} message sets"
    one, other = (
        f"{1000 * seconds[f'{kind}ledger']:.1f} ms beside {1000 * seconds[f'{kind}bare']:.1f} ms bare"
        for kind in ("", "check ")
    )
    return f"a set that writes {one}; a check before it {other}"


CASE = Case("ledger", "10,000 and 100,000 operations in the ledger", 1, FEW, _tasks, _goals, said)
