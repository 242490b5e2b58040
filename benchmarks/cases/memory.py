"""Peak memory of ``toolkit land`` for a large answer, less that for an empty one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Case, Goal, Row, Sizes
from benchmarks.cases.land import waiting_workspace
from benchmarks.documents import BYTES_PER_INVOICE, write_answer
from benchmarks.measure import MB, Task

EMPTY, LARGE = "empty answer", "large answer"
MOST_MB = 400


def workspace(folder: Path) -> None:
    waiting_workspace(folder / "ws").close()


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    return [
        _landing(EMPTY, folder / "empty.xml", 0),
        _landing(
            LARGE, folder / "large.xml", max(1, round(sizes.memory_mb * sizes.scale * MB / BYTES_PER_INVOICE))
        ),
    ]


def _landing(name: str, path: Path, invoices: int) -> Task:
    contents = write_answer(path, invoices)
    land = ("-m", "toolkit", "--workspace", "{folder}/ws", "land", str(path), "--job", "1", "--json")
    return Task(
        name,
        note=f"toolkit land, {contents.size / MB:,.0f} MB, {contents.invoices:,} invoices",
        command=land,
        setup="benchmarks.cases.memory:workspace",
        expected={"records": invoices, "complete": True},
        size=contents.size,
    )


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    large, empty = rows[LARGE].peak_mb, rows[EMPTY].peak_mb
    more = None if large is None or empty is None else large - empty
    return [Goal("peak memory, large - empty", more, MOST_MB, unit="MB")]


CASE = Case("memory", "Memory of landing one large answer", 1, EMPTY, _tasks, _goals)
