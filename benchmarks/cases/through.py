"""All the way: invoices and payments through a real server over HTTP into a simulated QuickBooks."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import business
from benchmarks.cases import Case, Goal, Row, Sizes
from benchmarks.cases.land import Prepared
from benchmarks.measure import MB, Task

DOCUMENTS, FACTOR = 10_000, 10
MOST_GROWTH, MOST_MEMORY = 1.2, 1.2
MOST_SESSIONS = 3
FEW, MANY = "a tenth of them", "invoices and payments"


def through(folder: Path, invoices: int) -> Prepared:
    """Prepare an approved export; the work sends all of it from a server process into the company."""
    from toolkit.rehearsal.connector import WebConnector
    from toolkit.rehearsal.server_process import ServerProcess

    ws = business.workspace(folder / "ws", invoices, invoices)
    names = {name: getattr(ws, name) for name in ("owner_id", "file_id")}
    user = ws.user
    ws.close()
    company = business.company()

    def work() -> dict[str, Any]:
        began, cpu = time.perf_counter(), time.process_time()
        server = ServerProcess(folder / "ws")
        told: dict[str, Any] = {"outcome": "", "sets": 0}
        try:
            connector = WebConnector(server.url, user, business.PASSWORD, company, **names)
            for _ in range(MOST_SESSIONS):
                report = connector.run()
                told["sets"] += report.rounds
                told["outcome"] = report.outcome
                if report.outcome != "OK":
                    break
        finally:
            server.stop()
        told["seconds"] = time.perf_counter() - began
        told["quickbooks_cpu"] = time.process_time() - cpu
        return told

    return work, lambda told: {**told, **server_used(), **_facts(folder / "ws", company, invoices)}


def server_used() -> dict[str, Any]:
    """Return what the server used, which is the only process that this one started and waited for."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"server_cpu": used.ru_utime + used.ru_stime, "server_peak": used.ru_maxrss * unit}


def _facts(folder: Path, company: Any, invoices: int) -> dict[str, Any]:
    """Return how the operations stand, and what the company holds: each document once, all of them paid."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        statuses = dict(connection.execute("SELECT status, count(*) FROM operations GROUP BY status"))
        jobs = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
    records = company.books.transactions.values()
    memos = {record.fields["Memo"] for record in records}
    unpaid = sum(company.books.balance(one) for one in company.books.lists["Customer"].values())
    return {
        "statuses": statuses,
        "jobs": jobs,
        "held": len(records),
        "different": len(memos),
        "unpaid": str(unpaid),
        "operations": 2 * invoices,
    }


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    many = max(business.SET_SIZE, sizes.of(DOCUMENTS))
    few = max(1, many // FACTOR)
    tasks = []
    for name, count in ((FEW, few), (MANY, many)):
        expected = {
            "outcome": "No data exchange",
            "statuses": {"applied": 2 * count},
            "jobs": {"complete": 1},
            "held": 2 * count,
            "different": 2 * count,
            "unpaid": "0.00",
        }
        note = f"{count:,} of each, sent over HTTP, answered, landed"
        arguments = {"invoices": count}
        entry = "benchmarks.cases.through:through"
        tasks.append(Task(name, entry, arguments, note, expected=expected))
    return tasks


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    few, many = rows[FEW].facts, rows[MANY].facts
    growth = memory = None
    if few and many:
        times = many["operations"] / few["operations"]
        growth = many["server_cpu"] / few["server_cpu"] / times
        memory = many["server_peak"] / few["server_peak"] / times
    return [
        Goal("10 times the documents: CPU time of the server / 10", growth, MOST_GROWTH),
        Goal("10 times the documents: memory of the server / 10", memory, MOST_MEMORY),
    ]


def told(facts: Mapping[str, Any]) -> str:
    """Return what one run came to, in a line."""
    return (
        f"{facts['operations']:,} operations in {facts['sets']:,} message sets and {facts['seconds']:,.0f} s:"
        f" {facts['operations'] / facts['seconds']:,.0f} a second; CPU of the server"
        f" {facts['server_cpu']:,.0f} s, of QuickBooks {facts['quickbooks_cpu']:,.0f} s; memory of the server"
        f" {facts['server_peak'] / MB:,.0f} MB"
    )


CASE = Case(
    "through",
    "10,000 invoices and 10,000 payments through the rehearsal over HTTP",
    1,
    FEW,
    _tasks,
    _goals,
    told,
)
