"""Four times the work: a larger answer, and more pages of one import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.cases.land import Prepared, landed_facts, landing, waiting_workspace
from benchmarks.documents import Contents, write_answer, write_pages
from benchmarks.measure import Task

INVOICES, PAGES, PAGE = 20_000, 100, 50
FACTOR, MOST = 4, 4.4
ONE, FOUR = "one answer", "one answer, 4 times as long"
FEW, MANY = "pages", "4 times as many pages"


def land_pages(folder: Path, pages: str, small: str) -> Prepared:
    """Prepare a workspace that waits for the pages; they are read from the disk as they are received."""
    from toolkit.extract import receive

    receive(waiting_workspace(folder / "small"), Path(small).read_bytes(), job=1)
    ws = waiting_workspace(folder / "ws")
    paths = sorted(Path(pages).iterdir(), key=lambda path: int(path.stem))
    return lambda: [receive(ws, path.read_bytes(), job=1) for path in paths][-1], lambda last: landed_facts(
        ws, last
    )


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    small = folder / "small.xml"
    write_answer(small, 2)
    tasks = []
    for name, factor in ((ONE, 1), (FOUR, FACTOR)):
        document = folder / f"{factor}.xml"
        contents = write_answer(document, factor * sizes.of(INVOICES))
        tasks.append(landing(name, document, small, contents, f"{contents.invoices:,} invoices"))
    for name, factor in ((FEW, 1), (MANY, FACTOR)):
        pages = folder / f"pages-{factor}"
        listed = write_pages(pages, factor * sizes.of(PAGES), PAGE)
        total = Contents(
            sum(one.size for one in listed),
            sum(one.invoices for one in listed),
            sum(one.lines for one in listed),
            sum(one.links for one in listed),
            sum(one.custom_fields for one in listed),
        )
        tasks.append(
            Task(
                name,
                "benchmarks.cases.linear:land_pages",
                {"pages": str(pages), "small": str(small)},
                f"{len(listed):,} pages of {PAGE} invoices, one import",
                expected={"rows": total.rows(), "complete": True},
                size=total.size,
            )
        )
    return tasks


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    return [
        Goal("4 times as long / once", ratio(rows, FOUR, ONE), MOST),
        Goal("4 times as many pages / once", ratio(rows, MANY, FEW), MOST),
    ]


CASE = Case("linear", "Four times the work", 3, ONE, _tasks, _goals)
