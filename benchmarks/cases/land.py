"""Landing one answer, from bytes to typed parquet, beside other ways to read the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.documents import Contents, write_answer
from benchmarks.measure import Task

INVOICES = 40_000
TOOLKIT, STREAM = "toolkit", "lxml iterparse"
OTHERS = ("qbwc-kit", "xmltodict", "pandas.read_xml")

Prepared = tuple[Callable[[], Any], Callable[[Any], dict[str, Any]]]


# --- what is measured: each reads the file and a first small document, then returns the work ---------------


def land(folder: Path, document: str, small: str) -> Prepared:
    """Prepare a workspace that waits for the answer; the work is the door of the Web Connector's answers."""
    from toolkit.extract import receive

    receive(waiting_workspace(folder / "small"), Path(small).read_bytes(), job=1)
    ws = waiting_workspace(folder / "ws")
    data = Path(document).read_bytes()
    return lambda: receive(ws, data, job=1), lambda landed: landed_facts(ws, landed)


def waiting_workspace(folder: Path) -> Any:
    """Return a new workspace whose first job is an import of invoices."""
    from toolkit import Workspace

    ws = Workspace.create(folder, company="Acme", password="for-the-bench")
    (job,) = ws.queue_import("invoices")
    (query,) = ws.ledger.queries(job)
    assert (job, query.id) == (1, 1), "documents.write_answer answers J1Q1"
    return ws


def landed_facts(ws: Any, landed: Any) -> dict[str, Any]:
    """Return the rows that were written, as the parquet files themselves tell."""
    import pyarrow.parquet as pq

    rows = {}
    for name, told in landed.tables.items():
        if told:
            rows[name] = sum(pq.read_metadata(file).num_rows for file in table_files(ws, name))
    return {"rows": rows, "complete": landed.complete, "left_behind": bool(landed.left_behind)}


def table_files(ws: Any, name: str) -> list[Path]:
    """Return the parquet files of a table."""
    short = name.partition(".")[2]
    return sorted(path for path in ws.path.rglob("*.parquet") if short in (path.stem, path.parent.name))


def stream(folder: Path, document: str, small: str) -> Prepared:
    from lxml import etree

    def read(data: bytes) -> int:
        found = 0
        for _, element in etree.iterparse(io.BytesIO(data), tag="InvoiceRet"):
            found += 1
            element.clear()
        return found

    return _prepared(read, lambda found: found, document, small)


def qbwc_kit(folder: Path, document: str, small: str) -> Prepared:
    from qbwc_kit.qbxml.parser import parse_response

    return _prepared(parse_response, lambda found: len(found.responses[0].records), document, small)


def with_xmltodict(folder: Path, document: str, small: str) -> Prepared:
    import xmltodict

    def count(found: Any) -> int:
        return len(found["QBXML"]["QBXMLMsgsRs"]["InvoiceQueryRs"]["InvoiceRet"])

    return _prepared(xmltodict.parse, count, document, small)


def with_pandas(folder: Path, document: str, small: str) -> Prepared:
    import pandas as pd

    def read(data: bytes) -> Any:
        return pd.read_xml(io.BytesIO(data), xpath="//InvoiceRet", parser="lxml")

    return _prepared(read, len, document, small)


def _prepared(
    read: Callable[[bytes], Any], count: Callable[[Any], int], document: str, small: str
) -> Prepared:
    read(Path(small).read_bytes())
    data = Path(document).read_bytes()
    return lambda: read(data), lambda found: {"invoices": count(found)}


# --- the case -----------------------------------------------------------------------------------------------


def landing(name: str, document: Path, small: Path, contents: Contents, note: str) -> Task:
    """Return the task of landing a document."""
    return Task(
        name,
        "benchmarks.cases.land:land",
        {"document": str(document), "small": str(small)},
        note,
        expected={"rows": contents.rows(), "complete": True},
        size=contents.size,
    )


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    document, small = folder / "answer.xml", folder / "small.xml"
    write_answer(small, 2)
    contents = write_answer(document, sizes.of(INVOICES))

    def other(name: str, function: str, package: str, note: str) -> Task:
        return Task(
            name,
            f"benchmarks.cases.land:{function}",
            {"document": str(document), "small": str(small)},
            note,
            package,
            expected={"invoices": contents.invoices},
            size=contents.size,
        )

    return (
        other(STREAM, "stream", "lxml", "nothing: every InvoiceRet is cleared; the baseline"),
        landing(
            TOOLKIT, document, small, contents, "typed parquet of every declared column, a copy of the answer"
        ),
        other("qbwc-kit", "qbwc_kit", "qbwc_kit", "dicts and lists of strings"),
        other("xmltodict", "with_xmltodict", "xmltodict", "dicts and lists of strings"),
        other(
            "pandas.read_xml", "with_pandas", "pandas", "flat fields of the header; no lines, no references"
        ),
    )


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    first = Goal("landing / streaming parse", ratio(rows, TOOLKIT, STREAM), 3.2, aim=2.2)
    return [first, *(Goal(f"landing / {name}", ratio(rows, TOOLKIT, name), 1.0) for name in OTHERS)]


CASE = Case("land", "Landing 40,000 invoices of 3 lines, about 110 MB", 5, STREAM, _tasks, _goals)
