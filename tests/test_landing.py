"""Landing as a stream: the same as row by row, in little memory, and all tables or none."""

from __future__ import annotations

import datetime as dt
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import landing_reference as reference
from toolkit import (
    answers,
    extract,
    landing_keys,
    landing_write,
    staging,
    workspace_files,
    workspace_tables,
)
from toolkit.errors import ConformError, DamagedTable, InputFileError, QbxmlParseError, UsageError
from toolkit.landing import Unit, land_units
from toolkit.landing_coverage import Coverage
from toolkit.landing_merge import Landing, Moment, merge_records
from toolkit.qbxml_io import Batch, Envelope, LeftBehind, Status
from toolkit.staging import FOLDER, Staging
from toolkit.tables import TABLES, from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_tables import StoredTable, TableFile

NOON = dt.datetime(2026, 3, 1, 12)
INVOICES, CREDITS, LINES = "quickbooks.invoices", "quickbooks.credit_memos", "quickbooks.invoice_lines"
DELETED = "quickbooks.deleted_list_records"


def at(minutes: int) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


# --- the same as row by row

TIMES = st.integers(0, 4).map(at)
MAYBE = st.one_of(TIMES, TIMES, TIMES, st.none())
IDS = st.sampled_from(["A", "B", "C"])
DAYS = st.none() | st.sampled_from([dt.date(2026, 2, day) for day in (1, 2, 3)])


@st.composite
def documents(draw: st.DrawFn, table: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one invoice or credit memo and of what stands in it."""
    txn = draw(IDS)
    head = {"txn_id": txn, "time_modified": draw(MAYBE), "txn_date": draw(DAYS)}
    head["edit_sequence"] = draw(st.sampled_from(["7", "8", None]))
    rows: dict[str, list[dict[str, Any]]] = {table: [head], reference.LINKS: [], reference.FIELDS: []}
    if table == INVOICES:
        head["is_paid"] = draw(st.none() | st.booleans())
        rows[LINES] = [
            {"txn_id": txn, "line_number": number, "line_kind": "line", "txn_line_id": line}
            for number, line in enumerate(draw(st.lists(st.none() | st.sampled_from("xyz"), max_size=3)), 1)
        ]
    for other in draw(st.lists(IDS, max_size=2)):
        rows[reference.LINKS].append({"owner_table": table, "owner_txn_id": txn, "txn_id": other})
    with_fields = [(table, txn)] + [(LINES, row["txn_line_id"]) for row in rows.get(LINES, ())]
    for owner, key in with_fields:
        if key is not None and draw(st.booleans()):
            rows[reference.FIELDS].append({"owner_table": owner, "owner_key": key, "name": draw(IDS)})
    return rows


@st.composite
def other_records(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Return a deleted record, or what is told of the company."""
    if draw(st.booleans()):
        return {
            DELETED: [{"list_del_type": draw(st.sampled_from(["Item", "Customer"])), "list_id": draw(IDS)}]
        }
    column = draw(st.sampled_from(["company_name", "product_name"]))
    rows: dict[str, list[dict[str, Any]]] = {reference.COMPANY: [{column: draw(IDS)}]}
    if draw(st.booleans()):
        field = {"owner_table": reference.COMPANY, "owner_key": "company", "name": draw(IDS)}
        rows[reference.FIELDS] = [field]
    return rows


@st.composite
def responses(draw: st.DrawFn) -> reference.Unit:
    rows: dict[str, list[dict[str, Any]]] = {}
    kinds = st.one_of(documents(INVOICES), documents(INVOICES), documents(CREDITS), other_records())
    for several in draw(st.lists(kinds, max_size=4)):
        for name, some in several.items():
            rows.setdefault(name, []).extend(some)
    return reference.Unit(rows, draw(TIMES), draw(st.booleans()))


SNAPSHOTS = st.one_of(
    st.builds(Coverage, st.sampled_from([INVOICES, CREDITS, DELETED])),
    st.builds(Coverage, st.just(INVOICES), ids=st.frozensets(IDS, max_size=2)),
    st.builds(
        Coverage,
        st.sampled_from([INVOICES, CREDITS]),
        st.sampled_from(["txn_date", "time_modified", None]),
        DAYS,
        DAYS | st.just(dt.date(2026, 3, 1)),
        open_only=st.booleans(),
    ),
)
LANDINGS = st.tuples(
    st.lists(responses(), max_size=4),
    st.lists(SNAPSHOTS, max_size=2),
    st.none() | st.integers(1, 4),
    TIMES,
    st.integers(0, 9).map(at),
)


def staged(units: list[reference.Unit], staging_: Staging) -> list[Unit]:
    """Return units as the reader stages them, in small pieces."""
    made = []
    for unit in units:
        rows: dict[str, list[staging.Piece]] = {}
        for name, some in unit.rows.items():
            for start in range(0, len(some), 2):
                table = pa.Table.from_pylist(some[start : start + 2], schema=TABLES[name].schema)
                rows.setdefault(name, []).append(staging_.put(name, table))
        made.append(Unit(rows, unit.arrived, unit.loose))
    return made


def stored(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every table, nulls left out."""
    found = {}
    for path in folder.glob("quickbooks/*.parquet"):
        rows = pq.read_table(path).to_pylist()
        found[f"quickbooks.{path.stem}"] = [_without_nulls(row) for row in rows]
    return found


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("landings")


@pytest.fixture(scope="module", autouse=True)
def small_groups() -> Iterator[None]:
    """Make every limit so small that few rows go over it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace_tables, "_ROW_GROUP", 3)
        patch.setattr(landing_write, "_ROWS", 3)
        patch.setattr(landing_keys, "_ROWS", 2)
        yield


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: thousands of files are written."""
    monkeypatch.setattr(workspace_files.os, "fsync", lambda _: None)


@pytest.mark.usefixtures("no_disk")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(landings=st.lists(LANDINGS, min_size=1, max_size=4), in_memory=st.sampled_from([0, 10_000, 1 << 30]))
def test_it_is_what_it_would_be_row_by_row(folders: Path, landings: list[Any], in_memory: int) -> None:
    folder = folders / "ws"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    books = reference.Books()
    for units, covered, job, as_of, now in landings:
        ws: Any = SimpleNamespace(path=folder, ledger=SimpleNamespace(now=lambda now=now: now))
        with Staging(folder, in_memory) as staging_:
            landed = land_units(ws, staged(units, staging_), covered, job, as_of)
        books.land(units, covered, job, as_of, now)
        expected = {name: [_without_nulls(row) for row in rows] for name, rows in books.tables.items()}
        found = stored(folder)
        empty = {name for name, rows in found.items() if not rows}
        assert {name: found[name] for name in found.keys() - empty} == {
            name: rows for name, rows in expected.items() if rows
        }
        counts = {name: count for name, count in landed.rows.items() if name in reference.RECORDS or count}
        assert counts == {n: count for n, count in books.rows.items() if n in reference.RECORDS or count}
        assert landed.left == books.left
        said = {
            (str(one["rule"]), str(one["table"]), str(one["key"]), one["value"]) for one in landed.findings
        }
        assert said == books.said
        assert not (folder / FOLDER).exists()


def test_a_line_that_changes_its_document_keeps_the_later_custom_fields(tmp_path: Path) -> None:
    ws: Any = SimpleNamespace(path=tmp_path, ledger=SimpleNamespace(now=lambda: at(9)))
    units = []
    for minute, txn in enumerate("AB"):
        line = {"txn_id": txn, "line_number": 1, "line_kind": "line", "txn_line_id": "x"}
        field = {"owner_table": LINES, "owner_key": "x", "name": txn}
        rows = {INVOICES: [{"txn_id": txn}], LINES: [line], reference.FIELDS: [field]}
        units.append(reference.Unit(rows, at(minute), False))
    with Staging(tmp_path) as staging_:
        land_units(ws, staged(units, staging_), (), 1, NOON)
    assert [row["name"] for row in stored(tmp_path)[reference.FIELDS]] == ["B"]


class InMemory:
    """A stored table without a file."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def columns(self, names: list[str]) -> Iterator[pa.Table]:
        yield self.rows.select(names)


HEADS = st.fixed_dictionaries(
    {"txn_id": st.sampled_from("AB"), "time_modified": MAYBE, "txn_date": DAYS, "is_paid": st.booleans()}
)
HEADS_ONLY = st.builds(
    reference.Unit, st.fixed_dictionaries({INVOICES: st.lists(HEADS, max_size=3)}), TIMES, st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(
    landings=st.lists(
        st.tuples(
            st.lists(HEADS_ONLY, max_size=4),
            st.lists(SNAPSHOTS.filter(lambda one: one.table == INVOICES), max_size=2),
            st.none() | st.integers(1, 3),
            TIMES,
            st.integers(0, 6).map(at),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_records_are_taken_as_row_by_row(landings: list[Any]) -> None:
    table = TABLES[INVOICES]
    books, rows = reference.Books(), table.schema.empty_table()
    for units, covered, job, as_of, now in landings:
        landed = Landing()
        came = landing_keys.gather(table, staged(units, Staging(Path("nowhere"))))
        arrivals = landing_keys.moment_millis([unit.arrived for unit in units])
        loose = np.array([unit.loose for unit in units], dtype=np.bool_)
        known: Any = InMemory(rows)
        merged, _ = merge_records(
            table, known, came, (arrivals, loose), covered, Moment(job, as_of, now), landed
        )
        if merged.left_at is not None:
            rows = rows.set_column(rows.schema.get_field_index("left_at"), "left_at", merged.left_at)
        new = pa.concat_tables([table.schema.empty_table(), *(piece.load() for piece in came.pieces)])
        new = landing_write.stamped(new, arrivals[came.places], job).filter(pa.array(merged.takes))
        rows = pa.concat_tables([rows.filter(pa.array(merged.stays)), new])
        books.land(units, covered, job, as_of, now)
        expected = books.tables.get(INVOICES, [])
        assert [_without_nulls(row) for row in rows.to_pylist()] == [_without_nulls(row) for row in expected]
        assert (landed.rows[INVOICES], landed.left) == (books.rows.get(INVOICES, 0), books.left)
        said = {
            (str(one["rule"]), str(one["table"]), str(one["key"]), one["value"]) for one in landed.findings
        }
        assert said == books.said


# --- a workspace

MORE = 'iteratorRemainingCount="1" iteratorID="{it}"'
LAST = 'iteratorRemainingCount="0"'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ws"
    Workspace.create(path, company="Acme", password="s3cret-word").close()
    return path


@pytest.fixture
def ws(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(template, tmp_path / "ws")
    with Workspace(tmp_path / "ws") as copied:
        yield copied


def invoices(*ids: str, more: str = "", request_id: str = "") -> bytes:
    rets = "".join(
        f"<InvoiceRet><TxnID>{one}</TxnID><Memo>Memo of {one}</Memo><InvoiceLineRet><TxnLineID>{one}-1"
        f"</TxnLineID><Desc>Line of {one}</Desc></InvoiceLineRet></InvoiceRet>"
        for one in ids
    )
    text = f'<InvoiceQueryRs requestID="{request_id}" {more} statusCode="0">{rets}</InvoiceQueryRs>'
    return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs>{text}</QBXMLMsgsRs></QBXML>'.encode()


def txns(ws: Workspace, table: str = "invoices") -> list[str]:
    return list(ws.read(f"quickbooks.{table}")["txn_id"])


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every document that is read."""
    calls: list[int] = []
    parse = answers.parse

    def counted(stream: Any) -> Any:
        calls.append(1)
        return parse(stream)

    monkeypatch.setattr(answers, "parse", counted)
    return calls


class Import:
    """An import of invoices of two pages."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        (self.job,) = ws.queue_import("invoices")
        (query,) = ws.ledger.queries(self.job)
        self.pages = [
            invoices(*ids, more=more, request_id=f"J{self.job}Q{query.id}P{page}")
            for page, (ids, more) in enumerate(((("A", "B"), MORE), (("C",), LAST)), 1)
        ]

    def receive(self, page: int) -> extract.Landed:
        return extract.receive(self.ws, self.pages[page - 1], job=self.job)

    def staged(self) -> Path:
        (path,) = (self.ws.path / FOLDER / "pages").iterdir()
        return path


def test_a_page_is_read_once(ws: Workspace, parsed: list[int]) -> None:
    one = Import(ws)
    one.receive(1)
    (answer,) = (ws.path / "inbox").iterdir()
    assert one.staged().name == f"{answer.name}.rows"
    assert one.receive(2).tables[INVOICES] == 3
    assert len(parsed) == 2
    assert txns(ws) == txns(ws, "invoice_lines") == ["A", "B", "C"]
    assert not (ws.path / FOLDER).exists(), "nothing waits any more"


def test_files_are_read_once(ws: Workspace, parsed: list[int], tmp_path: Path) -> None:
    one = Import(ws)
    for number, data in enumerate(one.pages):
        (tmp_path / f"{number}.xml").write_bytes(data)
    extract.land(ws, [tmp_path / "0.xml", tmp_path / "1.xml"])
    assert len(parsed) == 2
    kept = sorted((ws.path / "inbox").iterdir())
    assert [ws.open_answer(path).read() for path in kept] == one.pages
    extract.land(ws, kept)
    assert len(parsed) == 4
    assert not (ws.path / FOLDER).exists()


def _damage(one: Import, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    path = one.staged()
    data = bytearray(path.read_bytes())
    if how == "absent":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "changed":
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    elif how == "stale":
        monkeypatch.setattr(staging, "fingerprint", lambda: "of other tables")
    else:
        (answer,) = (one.ws.path / "inbox").iterdir()
        answer.write_bytes(one.ws.save_answer(invoices("A", "B", "Z")).read_bytes())


@pytest.mark.parametrize("how", ["absent", "empty", "cut", "changed", "stale", "answer"])
def test_what_cannot_be_used_of_a_staged_file_is_read_again(
    ws: Workspace, parsed: list[int], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    one = Import(ws)
    one.receive(1)
    _damage(one, monkeypatch, how)
    landed = one.receive(2)
    assert landed.complete
    assert len(parsed) == 3
    assert txns(ws) == (["A", "B", "Z", "C"] if how == "answer" else ["A", "B", "C"])
    assert not (ws.path / FOLDER).exists()


def test_a_staged_file_tells_what_its_answer_told(ws: Workspace, parsed: list[int]) -> None:
    (job,) = ws.queue_import("invoices")
    (query,) = ws.ledger.queries(job)
    first = invoices("A", more=MORE, request_id=f"J{job}Q{query.id}P1")
    first = first.replace(b"<Memo>", b"<Nothing>1</Nothing><TxnDate>soon</TxnDate><Memo>")
    again = first.replace(b"</QBXMLMsgsRs>", b'<ItemModRs statusCode="530"></ItemModRs></QBXMLMsgsRs>')
    waiting = extract.receive(ws, again, job=job)
    last = extract.receive(ws, invoices(more=LAST, request_id=f"J{job}Q{query.id}P2"), job=job)
    assert len(parsed) == 2
    assert (
        sorted(waiting.findings["rule"])
        == sorted(last.findings["rule"])
        == ["bad_value", "quickbooks_warning"]
    )
    assert list(waiting.findings["source"]) == list(last.findings["source"])
    assert last.left_behind == waiting.left_behind == {"InvoiceRet/Nothing": 1}
    assert last.statuses[: len(waiting.statuses)] == waiting.statuses


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("name", ["keep_rows", "_note", "_land_job"])
def test_a_crash_in_between_loses_nothing(ws: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    one = Import(ws)
    with monkeypatch.context() as patch:

        def crash(*_: Any, **__: Any) -> None:
            raise Crash

        patch.setattr(extract, name, crash)
        with pytest.raises(Crash):
            one.receive(1)
            one.receive(2)
    (ws.path / FOLDER).mkdir(exist_ok=True)
    for left in ("1.spill", ".answer.0.tmp"):
        (ws.path / FOLDER / left).write_bytes(b"of a process that is gone")
    if name == "_land_job":
        extract.land_job(ws, one.job)
    else:
        if name == "_note":
            one.receive(1)
        one.receive(2)
    assert txns(ws) == ["A", "B", "C"]
    assert not (ws.path / FOLDER).exists()


def test_the_rows_of_a_job_that_failed_are_forgotten(ws: Workspace) -> None:
    one, other = Import(ws), Import(ws)
    one.receive(1)
    other.receive(1)
    extract.receive(ws, b"<html/>", job=one.job)
    assert ws.ledger.job(one.job).status == "failed"
    assert one.staged().name == f"{Path(ws.ledger.pages(other.job)[0].path).name}.rows"
    ws.ledger.cancel(other.job, "Ann")
    extract.land(ws, sorted((ws.path / "inbox").glob("*.zst")))
    Import(ws).receive(1)
    third = Import(ws)
    third.receive(1)
    third.receive(2)
    assert len(list((ws.path / FOLDER / "pages").iterdir())) == 1, "of the one that still waits"


def test_an_answer_that_breaks_off_leaves_only_itself(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(stream: Any) -> Iterator[Any]:
        yield Envelope(None, None)
        for number in range(20):
            yield batch(number)
            assert (ws.path / FOLDER).exists() or number == 0
        raise QbxmlParseError("it is broken off", 7)

    monkeypatch.setattr(answers, "parse", broken)
    monkeypatch.setattr(Staging.__init__, "__defaults__", (0,))
    (job,) = ws.queue_import("invoices")
    landed = extract.receive(ws, b"the answer", job=job)
    assert "broken off" in str(ws.ledger.job(job).message)
    assert landed.tables == {}
    assert {path.name for path in (ws.path / "inbox").iterdir()} == {Path(ws.ledger.pages(job)[0].path).name}
    (tmp_path / "a.xml").write_bytes(b"the answer")
    with pytest.raises(InputFileError, match="broken off"):
        extract.land(ws, [tmp_path / "a.xml"])
    assert len(list((ws.path / "inbox").iterdir())) == 1
    assert not list((ws.path / "quickbooks").iterdir())
    assert not (ws.path / FOLDER).exists()


def test_files_that_are_not_taken_leave_nothing(ws: Workspace, tmp_path: Path) -> None:
    one = Import(ws)
    (tmp_path / "2.xml").write_bytes(one.pages[1])
    with pytest.raises(UsageError, match="page 1"):
        extract.land(ws, [tmp_path / "2.xml"])
    assert not list((ws.path / "inbox").iterdir())
    assert not (ws.path / FOLDER).exists()


# --- in little memory


def batch(number: int, rows: int = 50) -> Batch:
    made = [{"txn_id": f"{number}-{row}", "memo": "m" * 100} for row in range(rows)]
    return Batch(INVOICES, pa.Table.from_pylist(made, schema=TABLES[INVOICES].schema), None)


def answered(records: int) -> Status:
    return Status("InvoiceQuery", None, 0, "Info", "OK", None, None, None, records, (), {})


def test_rows_are_let_go_as_they_come(ws: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive: list[weakref.ref[pa.Table]] = []
    most = [0]
    reads: list[int] = []

    def lazy(stream: Any) -> Iterator[Any]:
        yield Envelope(None, None)
        for number in range(200):
            reads.append(len(stream.read(1000)))
            made = batch(number)
            alive.append(weakref.ref(made.rows))
            most[0] = max(most[0], sum(one() is not None for one in alive))
            yield made
            del made
        yield answered(200 * 50)
        yield LeftBehind({})

    def watched(self: TableFile, rows: pa.Table) -> None:
        held.append(len(rows))
        add(self, rows)

    held: list[int] = []
    add = TableFile.add
    size = batch(0).rows.nbytes
    monkeypatch.setattr(answers, "parse", lazy)
    monkeypatch.setattr(Staging.__init__, "__defaults__", (4 * size,))
    monkeypatch.setattr(TableFile, "add", watched)
    (tmp_path / "a.xml").write_bytes(b"x" * 10_000)
    landed = extract.land(ws, [tmp_path / "a.xml"])
    assert landed.tables[INVOICES] == 200 * 50
    assert most[0] <= 6, "four that fit in memory, the one that does not, and the one that is made"
    assert max(held) <= 50
    parts = [len(rows) for rows in StoredTable(ws.path, INVOICES).parts()]
    assert sum(parts) == 200 * 50
    assert max(parts) <= 53, "read a part at a time, too"
    assert reads[:11] == [1000] * 10 + [0], "the file is read as it is asked for"


@pytest.mark.parametrize("again", [False, True])
def test_the_work_grows_with_the_pages(ws: Workspace, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """What is looked up, and what is looked through, is four times as much for four times the pages."""

    def work(pages: int) -> int:
        done = [0]
        lookup = landing_keys.lookup

        def counted(keys: pa.Array, among: pa.Array) -> Any:
            done[0] += len(keys) + len(among)
            return lookup(keys, among)

        units = [
            reference.Unit(
                {
                    INVOICES: [{"txn_id": f"{page}-{row}"} for row in range(4)],
                    LINES: [
                        {"txn_id": f"{page}-{row}", "line_number": 1, "line_kind": "line"} for row in range(4)
                    ],
                },
                NOON,
                False,
            )
            for page in range(pages)
        ]
        with monkeypatch.context() as patch, Staging(ws.path) as staging_:
            patch.setattr(landing_keys, "lookup", counted)
            patch.setattr("toolkit.landing_merge.lookup", counted)
            for _ in range(1 + again):
                land_units(ws, staged(units, staging_), (), 1, NOON)
        shutil.rmtree(ws.path / "quickbooks")
        return done[0]

    few = work(25)
    assert few > 0
    assert work(100) <= 4.4 * few


# --- all tables or none


@pytest.mark.parametrize("renames", [0, 1, 2, 3])
@pytest.mark.parametrize("error", [Crash, PermissionError])
def test_what_ends_between_two_tables_is_taken_up_again(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, renames: int, error: type[BaseException], tmp_path: Path
) -> None:
    extract.receive(ws, invoices("A"))
    field = b"<DataExtRet><OwnerID>0</OwnerID><DataExtName>c</DataExtName></DataExtRet>"
    new = invoices("A").replace(b"Line of A", b"New").replace(b"</InvoiceRet>", field + b"</InvoiceRet>")
    new = new.replace(b"Memo of A", b"New")
    (tmp_path / "new.xml").write_bytes(new)
    replace, done = workspace_files.put_in_place, []

    def breaks(temporary: Path, path: Path) -> None:
        if path.suffix == ".parquet" or path.name == ".landing.json":
            if len(done) == renames:
                raise error
            done.append(path)
        replace(temporary, path)

    with monkeypatch.context() as patch:
        patch.setattr(workspace_files, "put_in_place", breaks)
        with pytest.raises(error):
            extract.land(ws, [tmp_path / "new.xml"])
    assert len(done) == renames
    landed = extract.land(ws, sorted((ws.path / "inbox").glob("*.zst")))
    assert (landed.complete, list(landed.findings["rule"])) == (True, [])
    assert set(ws.ledger.jobs()["status"]) == {"complete"}
    assert list(ws.read(INVOICES)["memo"]) == list(ws.read(LINES)["description"]) == ["New"]
    assert len(ws.read("quickbooks.custom_fields")) == 1
    assert not [path for path in ws.path.rglob(".*") if path.is_file() and path.suffix in (".tmp", ".json")]


@pytest.mark.parametrize("by", ["land", "write"])
def test_a_commit_that_was_broken_off_ends_before_anything_else(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    def breaks(_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(TableFile, "commit", breaks)
        with pytest.raises(Crash):
            extract.receive(ws, invoices("A"))
    assert txns(ws) == []
    if by == "land":
        extract.receive(ws, invoices("B"))
        assert txns(ws) == txns(ws, "invoice_lines") == ["A", "B"]
    else:
        ws.write(INVOICES, from_rows(INVOICES, [{"txn_id": "C"}]))
        extract.receive(ws, invoices("B"))
        assert (txns(ws), txns(ws, "invoice_lines")) == (["C", "B"], ["A", "B"])


def test_a_table_that_cannot_be_read_to_its_end_leaves_all_as_they_were(ws: Workspace) -> None:
    extract.receive(ws, invoices(*(f"A{number}" for number in range(50))))
    path = ws.path / "quickbooks" / "invoice_lines.parquet"
    meta = pq.ParquetFile(path).metadata.row_group(0)
    (column,) = [
        meta.column(place)
        for place in range(meta.num_columns)
        if meta.column(place).path_in_schema == "description"
    ]
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(data)
    before = {one.name: one.read_bytes() for one in (ws.path / "quickbooks").iterdir()}
    with pytest.raises(DamagedTable, match="invoice_lines"):
        extract.receive(ws, invoices("B"))
    assert {one.name: one.read_bytes() for one in (ws.path / "quickbooks").iterdir()} == before


def test_a_file_of_an_older_version_gets_the_new_columns(ws: Workspace) -> None:
    ws.write("quickbooks.items", from_rows("quickbooks.items", [{"list_id": "1", "name": "A"}]))
    path = ws.path / "quickbooks" / "items.parquet"
    pq.write_table(pq.read_table(path).select(["list_id", "name"]), path)
    (part,) = StoredTable(ws.path, "quickbooks.items").parts()
    assert part.schema.equals(TABLES["quickbooks.items"].schema)
    assert _without_nulls(part.to_pylist()[0]) == {"list_id": "1", "name": "A"}
    pq.write_table(pa.table({"list_id": ["1"], "colour": ["red"]}), path)
    with pytest.raises(DamagedTable, match="colour"):
        list(StoredTable(ws.path, "quickbooks.items").parts())
    pq.write_table(pa.table({"list_id": pa.nulls(2, pa.string())}), path)
    with pytest.raises(DamagedTable, match="2 of 2 rows"):
        list(StoredTable(ws.path, "quickbooks.items").parts())


def test_a_row_without_what_it_must_have_is_not_written(ws: Workspace) -> None:
    file = TableFile(ws.path, INVOICES)
    rows = pa.Table.from_pylist([{"memo": "nobody's"}], schema=TABLES[INVOICES].schema)
    with pytest.raises(ConformError, match="1 of 1 rows"):
        file.add(rows)
    file.discard()
    assert not list((ws.path / "quickbooks").iterdir())


def test_a_table_written_in_groups_is_read_whole(ws: Workspace) -> None:
    for start in range(0, 20, 5):
        extract.receive(ws, invoices(*(f"{number:02}" for number in range(start, start + 5))))
    path = ws.path / "quickbooks" / "invoices.parquet"
    assert pq.ParquetFile(path).metadata.num_row_groups == 4
    assert [row["txn_id"] for row in to_rows(ws.read(INVOICES))] == [f"{number:02}" for number in range(20)]


def test_what_left_is_marked_in_whatever_group_it_stands(ws: Workspace) -> None:
    groups = ("A", "B", "C"), ("D", "E", "F"), ("G", "H", "I")
    for ids in groups:
        extract.receive(ws, invoices(*ids))
    query = {"name": "InvoiceQuery", "fields": {"TxnID": ["A", "H"]}, "iterate": False}
    extract.receive(ws, invoices(), job=ws.ledger.add_import("refresh", [query]))
    assert [row["txn_id"] for row in to_rows(ws.read(INVOICES)) if row["left_at"] is not None] == ["A", "H"]


def test_the_last_of_several_is_found() -> None:
    numbers = np.array([5, 3, 5, 1, 3, 5])
    assert landing_keys.last_rows(numbers).tolist() == [False, False, False, True, True, True]
    assert landing_keys.last_rows(np.array([1, 2, 9])).all()


# --- a record that stands in one response more than once


def landed_once(tmp_path: Path, rows: dict[str, list[dict[str, Any]]], *, loose: bool = False) -> Landing:
    ws: Any = SimpleNamespace(path=tmp_path, ledger=SimpleNamespace(now=lambda: at(9)))
    with Staging(tmp_path) as staging_:
        return land_units(ws, staged([reference.Unit(rows, NOON, loose)], staging_), (), 1, NOON)


def some_lines(txn: str, *memos: str) -> list[dict[str, Any]]:
    return [
        {"txn_id": txn, "line_number": number, "line_kind": "line", "description": memo}
        for number, memo in enumerate(memos, 1)
    ]


@pytest.mark.parametrize(
    ("later", "loose", "expected"),
    [(2, False, ["x"]), (2, True, ["x"]), (1, False, ["x"]), (0, True, ["a", "b", "c"])],
)
def test_lines_are_of_the_occurrence_that_counts(
    tmp_path: Path, later: int, loose: bool, expected: list[str]
) -> None:
    heads = [{"txn_id": "A", "time_modified": at(1)}, {"txn_id": "A", "time_modified": at(later)}]
    lines = some_lines("A", "a", "b", "c") + some_lines("A", "x")
    landing = landed_once(tmp_path, {INVOICES: heads, LINES: lines}, loose=loose)
    found = stored(tmp_path)
    assert [row["time_modified"] for row in found[INVOICES]] == [at(later if expected == ["x"] else 1)]
    assert [row["description"] for row in found[LINES]] == expected
    assert landing.findings == []


@pytest.mark.parametrize("changed", [False, True])
def test_nothing_is_stored_twice_of_a_record_that_comes_twice(tmp_path: Path, changed: bool) -> None:
    payments, applied = "quickbooks.payments", "quickbooks.payment_applications"
    heads = [{"txn_id": "P", "edit_sequence": "7"}, {"txn_id": "P", "edit_sequence": "8" if changed else "7"}]
    rows = {
        payments: heads,
        applied: 2 * [{"payment_txn_id": "P", "txn_id": "A"}, {"payment_txn_id": "P", "txn_id": "B"}],
        reference.LINKS: 2 * [{"owner_table": payments, "owner_txn_id": "P", "txn_id": "A"}],
        reference.FIELDS: 2 * [{"owner_table": payments, "owner_key": "P", "name": "n"}],
    }
    landing = landed_once(tmp_path, rows)
    found = stored(tmp_path)
    assert [row["txn_id"] for row in found[applied]] == ["A", "B"]
    assert len(found[payments]) == len(found[reference.LINKS]) == len(found[reference.FIELDS]) == 1
    doubtful = {(row["rule"], row["table"], row["key"]) for row in landing.findings}
    tables = (applied, reference.LINKS, reference.FIELDS)
    assert doubtful == ({("more_than_once", table, "P") for table in tables} if changed else set())


def test_what_a_record_says_twice_of_itself_is_kept(tmp_path: Path) -> None:
    link = {"owner_table": INVOICES, "owner_txn_id": "A", "txn_id": "P"}
    landed_once(tmp_path, {INVOICES: [{"txn_id": "A"}], reference.LINKS: [link, link]})
    assert len(stored(tmp_path)[reference.LINKS]) == 2


# --- what QuickBooks leaves out unless it is asked

PAYMENTS, APPLIED = "quickbooks.payments", "quickbooks.payment_applications"


def paid(txn: str, edit_sequence: str, *applied: str) -> dict[str, list[dict[str, Any]]]:
    """Return a payment with what it is applied to, and with a link in each."""
    link = {"owner_table": PAYMENTS, "owner_txn_id": txn}
    return {
        PAYMENTS: [{"txn_id": txn, "edit_sequence": edit_sequence}],
        APPLIED: [{"payment_txn_id": txn, "txn_id": one} for one in applied],
        reference.LINKS: [link | {"applied_to_txn_id": one, "txn_id": "D"} for one in applied],
    }


@pytest.mark.parametrize(
    ("state", "others", "left", "rules"),
    [
        ("7", {}, 1, {"links_kept"}),
        ("8", {}, 0, {"without_applications", "without_links"}),
        ("7", paid("Q", "1", "B"), 0, {"applications_gone", "links_gone"}),
    ],
)
def test_applications_do_not_go_without_a_word(
    tmp_path: Path, state: str, others: dict[str, Any], left: int, rules: set[str]
) -> None:
    landed_once(tmp_path, paid("P", "7", "A"))
    bare = paid("P", state)
    landing = landed_once(tmp_path, {name: rows + others.get(name, []) for name, rows in bare.items()})
    found = stored(tmp_path)
    assert sum(row["payment_txn_id"] == "P" for row in found[APPLIED]) == left
    assert sum(row["owner_txn_id"] == "P" for row in found[reference.LINKS]) == left
    assert {row["rule"] for row in landing.findings} == rules
    assert {row["key"] for row in landing.findings} == {"P"}


# --- what was deleted


def deletion(txn: str, minutes: int = 5) -> bytes:
    time = at(minutes).isoformat()
    body = (
        f"<TxnDeletedRet><TxnDelType>Invoice</TxnDelType><TxnID>{txn}</TxnID>"
        f"<TimeDeleted>{time}</TimeDeleted></TxnDeletedRet>"
    )
    return (
        invoices()
        .replace(b"></InvoiceQueryRs>", f">{body}</InvoiceQueryRs>".encode())
        .replace(b"InvoiceQueryRs", b"TxnDeletedQueryRs")
    )


def changed_at(minutes: int) -> bytes:
    return invoices("A").replace(
        b"</TxnID>", f"</TxnID><TimeModified>{at(minutes).isoformat()}</TimeModified>".encode(), 1
    )


def land_files(ws: Workspace, *answers_: bytes) -> extract.Landed:
    paths = []
    for number, data in enumerate(answers_):
        paths.append(ws.path.parent / f"{number}.xml")
        paths[-1].write_bytes(data)
    return extract.land(ws, paths)


def left_of(ws: Workspace) -> list[bool]:
    return [row["left_at"] is not None for row in to_rows(ws.read(INVOICES))]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_deletion_counts_in_the_landing_that_brings_the_record(
    ws: Workspace, order: tuple[int, int]
) -> None:
    told = changed_at(1), deletion("A")
    landed = land_files(ws, *(told[one] for one in order))
    assert left_of(ws) == [True]
    assert list(landed.findings["rule"]) == ["left_filter"]


def test_an_old_file_brings_no_deleted_record_back(ws: Workspace) -> None:
    land_files(ws, changed_at(1))
    land_files(ws, deletion("A"))
    assert left_of(ws) == [True]
    assert list(land_files(ws, changed_at(1)).findings["rule"]) == ["left_filter"]
    assert left_of(ws) == [True]
    assert list(land_files(ws, changed_at(6)).findings["rule"]) == ["came_back"]
    assert left_of(ws) == [False]


def test_a_record_that_an_import_returns_after_its_deletion_is_back(ws: Workspace) -> None:
    land_files(ws, changed_at(1), deletion("A"))
    (job,) = ws.queue_import("invoices")
    landed = extract.receive(ws, changed_at(1), job=job)
    assert list(landed.findings["rule"]) == ["came_back"]
    assert left_of(ws) == [False]


# --- the company, and requests of any kind


def company(name: str) -> bytes:
    field = f"<DataExtRet><DataExtName>c</DataExtName><DataExtValue>{name}</DataExtValue></DataExtRet>"
    ret = f"<CompanyRet><CompanyName>{name}</CompanyName>{field}</CompanyRet>"
    return (
        invoices()
        .replace(b"></InvoiceQueryRs>", f">{ret}</InvoiceQueryRs>".encode())
        .replace(b"InvoiceQueryRs", b"CompanyQueryRs")
    )


def test_the_company_is_what_came_last(ws: Workspace) -> None:
    def told() -> tuple[list[str], list[str]]:
        fields = ws.read("quickbooks.custom_fields")
        return list(ws.read(reference.COMPANY)["company_name"]), list(fields["value"])

    land_files(ws, company("one"), company("two"))
    assert told() == (["two"], ["two"])
    land_files(ws, company("three"))
    assert told() == (["three"], ["three"])
    extract.land(ws, sorted((ws.path / "inbox").glob("*.zst"))[:1])
    assert told() == (["three"], ["three"]), "an old answer landed again"


def test_a_company_that_stands_in_an_answer_twice_has_its_fields_once(tmp_path: Path) -> None:
    field = {"owner_table": reference.COMPANY, "owner_key": "company", "name": "c"}
    rows = {reference.COMPANY: [{"company_name": "A"}] * 2, reference.FIELDS: [field, field]}
    landed_once(tmp_path, rows)
    assert len(stored(tmp_path)[reference.FIELDS]) == 1


@pytest.mark.parametrize(
    "request_id", ["J" + "1" * 5000 + "Q1P1", "J99999999999999999999Q1P1", "J" + "9" * 18 + "Q1P1"]
)
def test_a_request_id_of_any_length_is_none_of_ours(ws: Workspace, request_id: str) -> None:
    assert extract.receive(ws, invoices("A", request_id=request_id)).tables[INVOICES] == 1


def test_an_answer_to_two_imports_is_counted_once(ws: Workspace, tmp_path: Path) -> None:
    texts = []
    for kind, ret in (("invoices", "Invoice"), ("customers", "Customer")):
        (job,) = ws.queue_import(kind)
        (query,) = ws.ledger.queries(job)
        key = "TxnID" if ret == "Invoice" else "ListID"
        texts.append(
            f'<{ret}QueryRs requestID="J{job}Q{query.id}P1" statusCode="0" iteratorRemainingCount="0">'
            f"<{ret}Ret><{key}>A</{key}><Nothing>1</Nothing></{ret}Ret></{ret}QueryRs>"
        )
    text = f"<QBXML><QBXMLMsgsRs>{''.join(texts)}</QBXMLMsgsRs></QBXML>"
    landed = land_files(ws, text.encode())
    assert (landed.complete, landed.records, len(landed.statuses)) == (True, 2, 2)
    assert (landed.tables[INVOICES], landed.tables["quickbooks.customers"]) == (1, 1)
    assert landed.left_behind == {"InvoiceRet/Nothing": 1, "CustomerRet/Nothing": 1}


def changes(*told: tuple[str, str]) -> bytes:
    text = "".join(
        f'<InvoiceModRs statusCode="0"><InvoiceRet><TxnID>{txn}</TxnID><Memo>{memo}</Memo><InvoiceLineRet>'
        f"<Desc>{memo}</Desc></InvoiceLineRet></InvoiceRet></InvoiceModRs>"
        for txn, memo in told
    )
    return f"<QBXML><QBXMLMsgsRs>{text}</QBXMLMsgsRs></QBXML>".encode()


def test_small_responses_are_staged_together_and_a_record_stands_in_each_once(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts: list[str] = []
    put = Staging.put

    def counted(self: Staging, table: str, rows: pa.Table) -> staging.Piece:
        puts.append(table)
        return put(self, table, rows)

    monkeypatch.setattr(Staging, "put", counted)
    told = [(f"{number:03}", "old") for number in range(200)]
    extract.receive(ws, changes(*told, ("007", "new"), ("300", "new")))
    assert puts == [INVOICES, LINES] * 2
    memos = {row["txn_id"]: row["memo"] for row in to_rows(ws.read(INVOICES))}
    lines = {row["txn_id"]: row["description"] for row in to_rows(ws.read(LINES))}
    assert memos == lines == dict(told) | {"007": "new", "300": "new"}
