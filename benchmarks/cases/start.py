"""Starting ``toolkit serve``: until its first call is answered, beside what it cannot do without.

Measured is the whole process. Whether Python may keep what it compiled is nothing to do with the toolkit, so
every task has it in a folder of the case, and runs once before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.first_call import PASSWORD
from benchmarks.measure import Task, run

PYTHON, LIBRARIES, TABLES, SERVE = "python", "its libraries", "and those of tables", "toolkit serve"
MOST = 1.5
"""How much more than its libraries a start may take: the toolkit itself, the ledger, a password, a call."""
MOST_BESIDE_TABLES = 1.0

NEEDED = (
    *("typer", "lxml.etree", "sqlalchemy.dialects.sqlite", "cheroot.wsgi", "cheroot.ssl.builtin"),
    *("argon2", "filelock", "tomllib", "sqlite3", "toolkit.wc_server"),  # the last one brings spyne
)
OF_TABLES = ("pandas", "pyarrow.parquet")


def make(folder: Path) -> None:
    """Make a workspace with nothing to do."""
    from toolkit import Workspace

    Workspace.create(folder / "ws", company="Acme", password=PASSWORD).close()


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    compiled = ("-E", "-X", f"pycache_prefix={folder / 'compiled'}")

    def importing(names: Sequence[str]) -> list[str]:
        code = "".join(f"import {name}\n" for name in names)
        return [*compiled, "-W", "ignore", "-c", f"{code}print('{json.dumps({'imported': len(names)})}')"]

    tasks = [
        Task(PYTHON, note="nothing", command=importing(())),
        Task(LIBRARIES, note="imported", command=importing(NEEDED)),
        Task(TABLES, note="imported", command=importing((*NEEDED, *OF_TABLES))),
        Task(
            SERVE,
            note="until authenticate is answered",
            command=[*compiled, "-m", "benchmarks.first_call", "{folder}/ws"],
            setup="benchmarks.cases.start:make",
            expected={"answer": ["", "none"], "code": 0, "loaded": []},
        ),
    ]
    for task in tasks:
        run(task)
    return tasks


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    return [
        Goal("toolkit serve, first call / its libraries alone", ratio(rows, SERVE, LIBRARIES), MOST),
        Goal(
            "toolkit serve, first call / with pandas and pyarrow",
            ratio(rows, SERVE, TABLES),
            MOST_BESIDE_TABLES,
        ),
    ]


CASE = Case("start", "Starting the server", 7, LIBRARIES, _tasks, _goals)
