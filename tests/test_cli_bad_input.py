"""Bad input: one clear line on standard error, exit code 2, nothing on standard output, nothing changed."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import QUARTER, Toolkit, fingerprint

from toolkit.cli import serve
from toolkit.rehearsal.sample import SAMPLE
from toolkit.workspace import Workspace

HTML = "<!DOCTYPE html><html><body>Sign in</body></html>"
HALF = '<?xml version="1.0"?><QBXML><QBXMLMsgsRs><ItemQueryRs requestID="1" statusCode="0"><ItemServiceRet>'


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def refused(toolkit: Toolkit, workspace: Path, *arguments: object) -> str:
    """Run a command that must be refused, and return its line."""
    before = fingerprint(workspace)
    said = toolkit(*arguments)
    assert said.code == 2, said
    assert said.out == ""
    assert re.fullmatch(r"toolkit: [^\n]+\n", said.err), said.err
    assert fingerprint(workspace) == before
    return said.err


# --- which workspace ----------------------------------------------------------------------------------------

NEED_ONE = ("set", "doctor", "jobs", "map", "carry-forward", "reconcile", "rehearse", "serve")


@pytest.mark.parametrize("command", NEED_ONE)
def test_no_workspace_is_named(toolkit: Toolkit, tmp_path: Path, command: str) -> None:
    line = refused(toolkit, tmp_path, command)
    assert line.startswith("toolkit: no workspace is named: use -w DIR or set TOOLKIT_WORKSPACE")


def test_there_is_no_workspace(toolkit: Toolkit, tmp_path: Path) -> None:
    assert "there is no workspace at" in refused(toolkit, tmp_path, "-w", tmp_path / "none", "jobs")
    assert "is no workspace (it has no workspace.toml)" in refused(toolkit, tmp_path, "-w", tmp_path)


@pytest.mark.parametrize(
    ("version", "advice"), [(99, "update the toolkit"), (0, "with the toolkit that made it")]
)
def test_another_version_made_it(toolkit: Toolkit, at: Any, version: int, advice: str) -> None:
    workspace = at("fresh")
    config = workspace / "workspace.toml"
    text = config.read_text(encoding="utf-8").replace("version = 1", f"version = {version}")
    config.write_text(text, encoding="utf-8")
    line = refused(toolkit, workspace, "-w", workspace, "import", "items")
    assert f"is a workspace of version {version}" in line
    assert advice in line


def test_a_workspace_that_is_damaged(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    (workspace / "workspace.toml").write_text("version = = 1", encoding="utf-8")
    assert "is damaged" in refused(toolkit, workspace, "-w", workspace, "jobs")


def test_a_ledger_that_is_none(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    (workspace / "ledger.sqlite").write_bytes(b"this is no database, but it is long enough to be read" * 20)
    assert "is no ledger" in refused(toolkit, workspace, "-w", workspace, "jobs")


def test_init_where_something_is_asks_for_no_password(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    line = refused(toolkit, workspace, "init", workspace, "--company", "Other")
    assert "is a workspace already" in line
    assert "is a file" in refused(
        toolkit, workspace, "init", workspace / "ledger.sqlite", "--company", "Other"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--company", " "), "needs the company's name"),
        (("--company", "A", "--url", "http://books.example.com/"), "http for localhost only"),
        (("--company", "A", "--user", "acme:clerk"), "the user 'acme:clerk' has a colon"),
        (("--company", "A", "--cutover-date", "31.12.2025"), "--cutover-date 31.12.2025: not a date like"),
        (("--company", "A", "--from", "nowhere"), "there is no workspace at nowhere"),
        ((), "Missing option '--company'"),
    ],
)
def test_init_with_what_makes_no_sense(
    toolkit: Toolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "open sesame")
    assert said in refused(toolkit, tmp_path, "init", tmp_path / "new", *options)
    assert not (tmp_path / "new").exists()


def test_init_without_a_password_or_a_terminal(
    toolkit: Toolkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refused(toolkit, tmp_path, "init", tmp_path / "new", "--company", "A")
    assert "set TOOLKIT_WC_PASSWORD" in line
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "  ")
    assert "must not be blank" in refused(toolkit, tmp_path, "init", tmp_path / "new", "--company", "A")


def test_demo_takes_no_folder_of_somebody_else(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    assert "holds something else than a demo" in refused(toolkit, workspace, "demo", workspace)
    assert "is a file" in refused(toolkit, workspace, "demo", workspace / "workspace.toml")


# --- words that make no sense -------------------------------------------------------------------------------

NO_SENSE: dict[str, tuple[tuple[str, ...], str]] = {
    "backwards": (
        ("export", "--start", "2026-02-01", "--end", "2026-01-01", "--invoices"),
        "lies after --end",
    ),
    "import backwards": (
        ("import", "items", "--start", "2026-02-01", "--end", "2026-01-01"),
        "lies after --end",
    ),
    "no such day": (
        ("import", "items", "--start", "2026-02-30"),
        "--start 2026-02-30: not a date like 2026-01-31",
    ),
    "no date": (
        ("export", "--start", "soon", "--end", "2026-01-31", "--invoices"),
        "--start soon: not a date",
    ),
    "no range": (("export", "--invoices"), "a range is required: --start D --end D, or --new"),
    "half a range": (("export", "--start", "2026-01-01", "--invoices"), "a range is required"),
    "range and new": (("export", "--new", *QUARTER, "--invoices"), "leave --start and --end out"),
    "no switch": (("export", *QUARTER), "choose among --customers, --invoices, --payments, --credits"),
    "limit": (("export", *QUARTER, "--invoices", "--limit", "0"), "limit 0"),
    "kind": (("import", "vendors"), "vendors: there is no such import; choose one of items, customers"),
    "command": (("invoice",), "No such command 'invoice'. (help: toolkit --help)"),
    "option": (("jobs", "--all"), "No such option: --all"),
    "argument": (("show",), "Missing argument 'job'. (help: toolkit show --help)"),
    "number": (("show", "five"), "'job'"),
    "table": (("table", "items"), "items: no such table; did you mean quickbooks.items?"),
    "near table": (("table", "quickbooks.item"), "did you mean quickbooks.items"),
    "foreign table": (("table", "payroll"), "`toolkit table` lists them all"),
    "table of an area": (("table", "plan.sums"), "there are plan.by_customer, plan.by_day, plan.by_item"),
    "rows": (("table", "quickbooks.items", "--rows", "0"), "--rows"),
    "workbook's name": (
        ("table", "quickbooks.items", "--to", "items.csv"),
        "a workbook's name ends in .xlsx",
    ),
    "setting": (("set", "colour", "blue"), "setting colour: there is no such setting"),
    "date setting": (("set", "cutover_date", "soon"), "setting cutover_date: 'soon'"),
    "choice": (("set", "tax_mode", "none"), "setting tax_mode: 'none'"),
    "switch setting": (("set", "pilot", "perhaps"), "setting pilot: 'perhaps' is neither true nor false"),
    "number setting": (("set", "page_size", "many"), "setting page_size: 'many'"),
    "price": (("add-item", "X", "--type", "Service", "--income-account", "Y", "--price", "x"), "--price x"),
    "two steps": (("map", "--write", "x.xlsx", "--read", "y.xlsx"), "--write and --read are two steps"),
    "certificate": (("serve", "--tls-cert", "cert.pem"), "--tls-cert and --tls-key go together"),
    "key": (("serve", "--tls-key", "key.pem"), "--tls-cert and --tls-key go together"),
    "no certificate": (("serve", "--tls-cert", "no.pem", "--tls-key", "no.pem"), "no.pem"),
    "open to all": (("serve", "--host", "0.0.0.0"), "plain HTTP on 0.0.0.0"),
    "port": (("serve", "--port", "70000"), "port 70000"),
    "job": (("show", "99"), "there is no job 99: `toolkit jobs` lists them"),
    "approve nothing": (("approve", "99"), "there is no job 99"),
    "hold nothing": (("hold", "99"), "there is no job 99"),
    "cancel nothing": (("cancel", "99"), "there is no job 99"),
    "nothing sent": (("reconcile", "--refresh"), "nothing was sent to QuickBooks yet"),
    "nothing queued": (("rehearse",), "nothing is queued"),
    "faults": (("rehearse", "--faults", "-1"), "--faults"),
    "undo": (("undo", "1"), "undo is not there yet, job 1 is unchanged"),
}


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one workspace for all that must change nothing in it."""
    base = tmp_path_factory.getbasetemp()
    return cli_world.workspace_at("carried", base, tmp_path_factory.mktemp("bad") / "carried")


@pytest.mark.parametrize("what", NO_SENSE)
def test_what_makes_no_sense_is_refused(toolkit: Toolkit, carried: Path, what: str) -> None:
    arguments, said = NO_SENSE[what]
    assert said in refused(toolkit, carried, "-w", carried, *arguments)
    assert said in refused(toolkit, carried, *arguments, "-w", carried, "--json") or arguments[0] == "serve"


@pytest.mark.parametrize("command", [("export", *QUARTER, "--invoices"), ("carry-forward",)])
def test_without_a_cutover_date(toolkit: Toolkit, at: Any, command: tuple[str, ...]) -> None:
    workspace = at("fresh")
    line = refused(toolkit, workspace, "-w", workspace, *command)
    assert "setting cutover_date" in line
    assert "toolkit set cutover_date 2025-12-31" in line


@pytest.mark.parametrize(
    ("verb", "good", "bad", "why"),
    [
        ("approve", 2, 1, "job 1 is queued: only a draft can be approved"),
        ("hold", 1, 2, "job 2 is draft: only a queued or running job can be held"),
        ("release", 3, 1, "job 1 is queued: only a held job can be released"),
        ("cancel", 1, 4, "job 4 is cancelled: it has ended already"),
    ],
)
def test_of_several_jobs_all_are_changed_or_none(
    toolkit: Toolkit, at: Any, verb: str, good: int, bad: int, why: str
) -> None:
    workspace = at("carried")
    toolkit("-w", workspace, "import", "items")
    toolkit("-w", workspace, "export", *QUARTER, "--invoices", "--limit", "2")
    toolkit("-w", workspace, "import", "items")
    toolkit("-w", workspace, "import", "items")
    toolkit("-w", workspace, "hold", 3)
    toolkit("-w", workspace, "cancel", 4)
    assert why in refused(toolkit, workspace, "-w", workspace, verb, good, bad)
    assert toolkit("-w", workspace, verb, good).code == 0


def test_two_pilots_at_once_are_no_pilot(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    for _ in range(2):
        said = toolkit("-w", workspace, "export", *QUARTER, "--invoices", "--limit", "4")
    assert "Job 2: 4 operations" in said.out
    assert "jobs 1, 2 has 8 documents" in refused(toolkit, workspace, "-w", workspace, "approve", "1", "2")


def test_two_small_jobs_are_not_approved_in_part(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    for _ in range(2):
        toolkit("-w", workspace, "export", *QUARTER, "--invoices", "--limit", "2")
    assert "the first is a pilot" in refused(toolkit, workspace, "-w", workspace, "approve", "1", "2")
    assert toolkit("-w", workspace, "approve", "1").code == 0
    assert "job 1 is the pilot" in refused(toolkit, workspace, "-w", workspace, "approve", "2")


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["load", "land"])
def test_a_pattern_that_matches_nothing(toolkit: Toolkit, at: Any, tmp_path: Path, command: str) -> None:
    workspace, pattern = at("fresh"), tmp_path / "nothing" / "*.csv"
    assert f"{pattern}: no file matches" in refused(toolkit, workspace, "-w", workspace, command, pattern)


@pytest.mark.parametrize("command", [("load",), ("land",), ("map", "--read")])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent", None),
        ("page.html", HTML.encode()),
        ("page.xml", HTML.encode()),
        ("half.xml", HALF.encode()),
        ("broken.xml.gz", b"\x1f\x8b no gzip"),
        ("broken.zst", b"no zstandard"),
        ("broken.xlsx", b"PK no workbook"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe"),
        ("empty.xml", b""),
        ("empty.csv", b""),
    ],
)
def test_a_file_that_cannot_be_read(
    toolkit: Toolkit,
    carried: Path,
    tmp_path: Path,
    command: tuple[str, ...],
    name: str,
    content: bytes | None,
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    assert name in refused(toolkit, carried, "-w", carried, *command, file)


def test_one_bad_file_among_good_ones(toolkit: Toolkit, carried: Path) -> None:
    good = SAMPLE / "billing" / "before" / "plans.csv"
    assert "README.md" in refused(toolkit, carried, "-w", carried, "load", good, SAMPLE / "README.md")


def test_a_workbook_of_another_workspace(toolkit: Toolkit, carried: Path, tmp_path: Path) -> None:
    book, other = tmp_path / "mapping.xlsx", tmp_path / "other"
    Workspace.create(other, company="Other Inc", password=cli_world.PASSWORD).close()
    assert toolkit("-w", other, "map", "--write", book).code == 0
    line = refused(toolkit, carried, "-w", carried, "map", "--read", book)
    assert "mapping.xlsx" in line
    assert "another workspace" in line


def test_a_workbook_that_is_no_mapping(toolkit: Toolkit, carried: Path, tmp_path: Path) -> None:
    book = tmp_path / "items.xlsx"
    toolkit("-w", carried, "table", "quickbooks.items", "--to", book)
    assert "items.xlsx" in refused(toolkit, carried, "-w", carried, "map", "--read", book)


def test_a_place_that_cannot_be_written(toolkit: Toolkit, at: Any, tmp_path: Path) -> None:
    workspace = at("mapped")
    folder = tmp_path / "folder.xlsx"
    folder.mkdir()
    for command in (("table", "quickbooks.items", "--to"), ("map", "--write"), ("carry-forward", "--out")):
        assert "folder.xlsx" in refused(toolkit, workspace, "-w", workspace, *command, folder)


def test_a_damaged_table_is_named_with_its_remedy(toolkit: Toolkit, at: Any, tmp_path: Path) -> None:
    workspace, file = at("mapped"), tmp_path / "items.xml"
    query = (
        '<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">'
        "<ItemQueryRq><ActiveStatus>All</ActiveStatus></ItemQueryRq></QBXMLMsgsRq></QBXML>"
    )
    file.write_text(cli_world.rehearsal_company().process(query), encoding="utf-8")
    toolkit("-w", workspace, "land", file)
    table = workspace / "quickbooks" / "items.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    for command in (("table", "quickbooks.items"), ("map",), ("carry-forward",), ()):
        line = refused(toolkit, workspace, "-w", workspace, *command)
        assert "table quickbooks.items is damaged" in line
        assert f"toolkit -w {workspace} land {workspace / 'inbox'}" in line
    table.unlink()  # as the line says
    (answer,) = (workspace / "inbox").iterdir()
    assert toolkit("-w", workspace, "land", answer).code == 0
    assert toolkit("-w", workspace, "table", "quickbooks.items").code == 0


def test_a_damaged_billing_table_is_loaded_again(toolkit: Toolkit, at: Any) -> None:
    workspace = at("mapped")
    (workspace / "billing" / "plans.parquet").write_bytes(b"")
    line = refused(toolkit, workspace, "-w", workspace, "table", "billing.plans")
    assert f"toolkit -w {workspace} load FILE..., with BluBilling's spreadsheet of plans" in line


# --- others -------------------------------------------------------------------------------------------------

HOLD = """
import sys, os
from toolkit.workspace import Workspace
with Workspace(sys.argv[1]).lock():
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_another_process_writes(toolkit: Toolkit, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = at("carried")
    plans = SAMPLE / "billing" / "before" / "plans.csv"
    monkeypatch.setattr(Workspace.lock, "__defaults__", (0.2,))
    monkeypatch.setattr(serve, "SECONDS_FOR_OTHERS", 0.2)
    script = [sys.executable, "-c", HOLD, str(workspace)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        holder = other.stdout.readline().strip()
        for command in (
            ("load", plans),
            ("set", "pilot", "false"),
            ("carry-forward",),
            ("serve", "--port", "0"),
        ):
            line = refused(toolkit, workspace, "-w", workspace, *command)
            assert f"{workspace} is in use by process {holder}: wait for it to finish, or stop it" in line
        assert toolkit("-w", workspace, "jobs").code == 0  # whoever only reads is not kept waiting
        other.communicate("")
    assert toolkit("-w", workspace, "set", "pilot", "false").code == 0


@pytest.mark.network
def test_a_port_in_use(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(toolkit, workspace, "-w", workspace, "serve", "--port", port)
    assert f"port {port}" in line
    assert "in use" in line
