"""The workspace: whose it is, what it holds, and what it says when something is wrong with it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import pytest
from exchange_world import set_by_hand

from toolkit import qbxml_spec, workspace_files
from toolkit.errors import (
    ConformError,
    DamagedTable,
    IllegalTransition,
    SettingError,
    UsageError,
    WorkspaceError,
    WorkspaceLocked,
)
from toolkit.import_plan import import_jobs, scope
from toolkit.ledger import Outcome
from toolkit.tables import TABLES, empty, findings, from_rows
from toolkit.workspace import Workspace
from toolkit.workspace_config import endpoint
from toolkit.workspace_files import file_name
from toolkit.workspace_lock import writer_lock

NOW = dt.datetime(2026, 1, 31, 9, 30)
PASSWORD = "correct horse"


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(
        tmp_path / "acme", company="Acme & Søn", password=PASSWORD, clock=lambda: NOW
    ) as made:
        yield made


def items(*names: str) -> pd.DataFrame:
    rows = [{"list_id": f"80-{name}", "name": name, "price": Decimal("1.50000")} for name in names]
    return from_rows("quickbooks.items", rows)


def a_plan(*keys: str) -> Any:
    rows = [
        {
            "key": key,
            "request": "InvoiceAdd",
            "record_kind": key.split(":")[0],
            "position": position,
            "fields": "{}",
            "amount": Decimal("10.10"),
            "currency": "USD",
        }
        for position, key in enumerate(keys, start=1)
    ]
    return SimpleNamespace(
        operations=from_rows("plan.operations", rows),
        findings=findings([]),
        left_out=empty("plan.left_out"),
        start=dt.date(2026, 1, 1),
        end=dt.date(2026, 1, 31),
        switches=("invoices",),
    )


def invoices(count: int, first: int = 1) -> list[str]:
    return [f"invoice:{number}" for number in range(first, first + count)]


def complete(ws: Workspace, job: int, *keys: str) -> None:
    number = ws.ledger.open_set(ws.ledger.open_session("wc"), "write", f"SET{job}", b"", keys)
    told = [Outcome(key, "applied", quickbooks_id=f"5-{key}") for key in keys]
    ws.ledger.record_answer(number, outcomes=told, set_status=0)
    ws.ledger.set_job(job, "complete")


# --- making and opening -------------------------------------------------------------------------------------


def test_a_new_workspace_has_everything_of_its_own(ws: Workspace) -> None:
    assert {"workspace.toml", "ledger.sqlite", "inbox", "quickbooks", "billing", "mapping", "reports"} <= {
        path.name for path in ws.path.iterdir()
    }
    again = Workspace(ws.path)
    assert (again.company, again.user, again.url) == ("Acme & Søn", "blubilling", "http://localhost:8085/")
    assert again.id == ws.ledger.workspace_id
    assert not again.rehearsal
    assert sorted(path.stem for path in (ws.path / "mapping").iterdir()) == sorted(
        name.removeprefix("mapping.") for name in TABLES if name.startswith("mapping.")
    )
    assert PASSWORD not in (ws.path / "workspace.toml").read_text(encoding="utf-8")


def test_only_the_right_user_with_the_right_password_gets_in(ws: Workspace) -> None:
    assert ws.verify_password("blubilling", PASSWORD)
    assert not ws.verify_password("blubilling", PASSWORD + "!")
    assert not ws.verify_password("BluBilling", PASSWORD)
    assert not ws.verify_password("", "")
    toml = (ws.path / "workspace.toml").read_text(encoding="utf-8")
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in toml


def test_no_workspace_there(tmp_path: Path) -> None:
    with pytest.raises(
        WorkspaceError, match=r"there is no workspace at .*nowhere: make one with `toolkit init"
    ):
        Workspace(tmp_path / "nowhere")
    with pytest.raises(
        WorkspaceError, match=r"is no workspace \(it has no workspace.toml\): .* name another with -w"
    ):
        Workspace(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "of version 2; this toolkit works with version 1: update the toolkit"),
        ("version = 1", "version = 0", "of version 0; .*: open it with the toolkit that made it"),
        ("version = 1", "", "has no version: it was not made by this toolkit"),
        ("[workspace]", "[workspace", "is damaged .*: correct it or restore it"),
        ("file_id", "file", r"is damaged \(workspace.file is nothing we know\)"),
    ],
)
def test_a_workspace_of_another_kind_is_refused(ws: Workspace, old: str, new: str, said: str) -> None:
    path = ws.path / "workspace.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(WorkspaceError, match=said):
        Workspace(ws.path)


def test_a_workspace_is_never_made_over_another(ws: Workspace, tmp_path: Path) -> None:
    before = (ws.path / "workspace.toml").read_bytes()
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        Workspace.create(ws.path, company="Other", password="x")
    assert (ws.path / "workspace.toml").read_bytes() == before
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="is a file"):
        Workspace.create(tmp_path / "file", company="Other", password="x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"company": " "},
        {"user": ""},
        {"password": ""},
        {"url": "billing.example.com"},
        {"url": "http://billing.example.com/"},
        {"url": "https://192.168.1.10/"},
        {"url": "https://user@example.com/"},
        {"cutover_date": "31.12.2025"},
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_made(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Workspace.create(tmp_path / "new", **{"company": "Acme", "password": "x"} | wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://localhost:8085", "http://localhost:8085/"),
        ("http://127.0.0.1:8085/", "http://localhost:8085/"),
        ("https://Billing.Example.com/qb//", "https://billing.example.com/qb/"),
    ],
)
def test_the_endpoint_takes_the_form_the_web_connector_wants(given: str, taken: str) -> None:
    assert endpoint(given) == taken


def test_a_lost_or_swapped_ledger_is_noticed(ws: Workspace, tmp_path: Path) -> None:
    other = Workspace.create(tmp_path / "other", company="Other", password="x")
    other.close()
    ws.close()
    for path in ws.path.glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(WorkspaceError, match=r"ledger.sqlite is missing: restore it"):
        Workspace(ws.path).read("ledger.jobs")
    assert not (ws.path / "ledger.sqlite").exists(), "an empty ledger would send everything again"
    (other.path / "ledger.sqlite").replace(ws.path / "ledger.sqlite")
    with pytest.raises(WorkspaceError, match="belongs to another workspace"):
        Workspace(ws.path).read("ledger.jobs")


def test_a_live_workspace_takes_decisions_and_settings_from_the_rehearsal(tmp_path: Path) -> None:
    practice = Workspace.create(
        tmp_path / "practice", company="Acme", password="x", rehearsal=True, company_file="C:\\Copy.qbw"
    )
    practice.set("cutover_date", "2025-12-31")
    practice.set("pilot", "false")
    decision = {"contract_code": "GOLD", "price_code": "A", "decision": "Fee"}
    practice.ledger.decide("charge_items", [decision], "ann")
    practice.ledger.bind([{"record_kind": "invoice", "key": "1", "quickbooks_id": "5-1"}])
    live = Workspace.create(tmp_path / "live", company="Acme", password="y", from_workspace=practice.path)
    assert live.settings.cutover_date == dt.date(2025, 12, 31)
    assert live.settings["company_file"] is None, "the rehearsal's file is a copy"
    assert live.settings["pilot"], "the live company has its own pilot"
    assert list(live.read("mapping.charge_items")["decision"]) == ["Fee"]
    assert len(pq.read_table(live.path / "mapping" / "charge_items.parquet")) == 1
    assert live.read("ledger.crosswalk").empty
    assert not live.rehearsal
    assert live.file_id != practice.file_id
    practice.close()
    live.close()


def test_a_copy_to_try_things_on_leaves_the_original_alone(ws: Workspace, tmp_path: Path) -> None:
    ws.write("quickbooks.items", items("A"))
    ws.ledger.learn("company_name", "Acme")
    job = ws.queue(a_plan("invoice:1")).job
    assert job is not None
    with ws.copy_to(tmp_path / "scratch") as copy:
        assert copy.rehearsal
        assert copy.file_id == ws.file_id
        assert copy.ledger.learned() == {}
        copy.approve(job, "ann")
        copy.write("quickbooks.items", items("B"))
    assert ws.ledger.job(job).status == "draft"
    assert list(ws.read("quickbooks.items")["name"]) == ["A"]
    with pytest.raises(WorkspaceError, match="already"):
        ws.copy_to(tmp_path / "scratch")


def test_what_is_opened_for_reading_changes_nothing(ws: Workspace) -> None:
    ws.write("quickbooks.items", items("A"))
    reader = Workspace(ws.path, read_only=True)
    changes = [
        lambda: reader.write("quickbooks.items", items("B")),
        lambda: reader.set("pilot", "false"),
        lambda: reader.queue_import("items"),
        lambda: reader.queue(a_plan("invoice:1")),
        lambda: reader.save_answer(b"<QBXML/>"),
        reader.write_qwc,
    ]
    for change in changes:
        with pytest.raises(WorkspaceError, match="for reading only"):
            change()
    assert list(reader.read("quickbooks.items")["name"]) == ["A"]
    reader.close()


# --- settings -----------------------------------------------------------------------------------------------


def test_a_setting_is_seen_at_once_by_whoever_has_the_workspace_open(ws: Workspace) -> None:
    server = Workspace(ws.path)
    assert server.settings["set_size"] == 50
    ws.set("set_size", "7")
    ws.set("deposit_accounts.CreditCard", "Card Clearing")
    ws.set("cutover_date", "2025-12-31")
    assert server.settings["set_size"] == 7
    assert server.settings.deposit_account("CreditCard") == "Card Clearing"
    assert server.settings.explicit() == ws.settings.explicit()


def test_a_setting_that_does_not_fit_changes_nothing(ws: Workspace) -> None:
    before = (ws.path / "workspace.toml").read_bytes()
    for key, text in (("set_size", "many"), ("set_sise", "5")):
        with pytest.raises(SettingError):
            ws.set(key, text)
    assert (ws.path / "workspace.toml").read_bytes() == before


def test_the_cutover_date_moves_until_something_was_sent(ws: Workspace) -> None:
    ws.set("cutover_date", "2025-11-30")
    job = ws.queue(a_plan("invoice:1"), approved_by="ann").job
    assert job is not None
    ws.set("cutover_date", "2025-12-31")
    complete(ws, job, "invoice:1")
    with pytest.raises(SettingError, match="1 operation sent"):
        ws.set("cutover_date", "2026-01-31")
    ws.set("set_size", "7")
    assert ws.settings.cutover_date == dt.date(2025, 12, 31)


def test_a_setting_edited_by_hand_is_checked(ws: Workspace) -> None:
    path = ws.path / "workspace.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\nset_size = 5\npilot = false\ncutover_date = 2025-12-31\n", encoding="utf-8")
    settings = Workspace(ws.path).settings
    assert (settings["set_size"], settings["pilot"]) == (5, False)
    assert settings.cutover_date == dt.date(2025, 12, 31)
    path.write_text(text + "\nset_size = 5000\n", encoding="utf-8")
    with pytest.raises(SettingError, match="set_size"):
        Workspace(ws.path)


# --- tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(name for name in TABLES if "." in name))
def test_a_table_that_never_landed_is_empty_and_conforms(ws: Workspace, name: str) -> None:
    frame = ws.read(name)
    pd.testing.assert_frame_equal(frame, empty(name))
    assert not ws.has(name)


def test_a_table_comes_back_as_it_was_written(ws: Workspace) -> None:
    frame = items("A", "B")
    ws.write("quickbooks.items", frame)
    pd.testing.assert_frame_equal(ws.read("quickbooks.items"), frame)
    assert ws.has("quickbooks.items")
    stored = pq.ParquetFile(ws.path / "quickbooks" / "items.parquet")
    assert stored.metadata.row_group(0).column(0).compression == "ZSTD"
    assert stored.schema_arrow.equals(TABLES["quickbooks.items"].schema, check_metadata=False)


def test_a_frame_that_does_not_fit_leaves_the_table_as_it_was(ws: Workspace) -> None:
    ws.write("quickbooks.items", items("A"))
    with pytest.raises(ConformError):
        ws.write("quickbooks.items", items("B").assign(colour="red"))
    assert list(ws.read("quickbooks.items")["name"]) == ["A"]


def test_the_ledgers_tables_are_read_and_not_written(ws: Workspace) -> None:
    ws.queue_import("items")
    assert list(ws.read("ledger.jobs")["kind"]) == ["import:items"]
    assert ws.has("ledger.jobs")
    ws.ledger.decide("taxes", [{"tax_name": "VAT", "decision": "Sales Tax"}], "ann")
    assert list(ws.read("mapping.taxes")["decision"]) == ["Sales Tax"]
    assert pq.read_table(ws.path / "mapping" / "taxes.parquet").column("decision").to_pylist() == [
        "Sales Tax"
    ]
    with pytest.raises(UsageError, match="view of the ledger"):
        ws.write("mapping.taxes", empty("mapping.taxes"))


def test_a_table_there_is_not(ws: Workspace) -> None:
    with pytest.raises(UsageError, match=r"no table quickbooks.item: did you mean quickbooks.items\?"):
        ws.read("quickbooks.item")
    with pytest.raises(KeyError):
        ws.tables()["quickbooks.item"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("quickbooks.items", r"toolkit -w \S+ land \S+inbox\S+\.zst"),
        ("billing.customers", r"toolkit -w \S+ load FILE\.\.\., with BluBilling's spreadsheet of customers"),
    ],
)
def test_a_damaged_table_is_named_with_how_to_make_it_again(ws: Workspace, name: str, remedy: str) -> None:
    ws.save_answer(b"<QBXML/>")
    ws.write(name, empty(name))
    path = ws.path / name.split(".", maxsplit=1)[0] / f"{name.split('.')[1]}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedTable, match=remedy) as caught:
        ws.read(name)
    assert (caught.value.table, caught.value.path) == (name, str(path))
    path.unlink()
    assert ws.read(name).empty, "what the message asks for is enough"


def test_a_remedy_quotes_a_folder_with_blanks(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "my books"
    shutil.copytree(ws.path, folder)
    with Workspace(folder) as other:
        other.save_answer(b"<QBXML/>")
        (folder / "quickbooks" / "items.parquet").write_bytes(b"x")
        with pytest.raises(DamagedTable) as caught:
            other.read("quickbooks.items")
    # Quotes would keep the star from the shell.
    expected = f'toolkit -w "{folder}" land "{folder / "inbox"}"{os.sep}*.zst ('
    assert caught.value.remedy.startswith(expected)


def test_a_parquet_file_of_something_else_is_damaged_too(ws: Workspace) -> None:
    pd.DataFrame({"song": ["la"]}).to_parquet(ws.path / "quickbooks" / "items.parquet")
    with pytest.raises(DamagedTable, match="song"):
        ws.read("quickbooks.items")


def test_tables_are_read_on_first_use_and_then_kept(ws: Workspace) -> None:
    ws.write("quickbooks.items", items("A"))
    tables = ws.tables()
    assert "quickbooks.items" in tables
    assert "findings" not in tables
    assert len(tables) == len(list(tables))
    before = tables["quickbooks.items"]
    ws.write("quickbooks.items", items("B"))
    assert tables["quickbooks.items"] is before
    assert list(ws.tables()["quickbooks.items"]["name"]) == ["B"]


# --- files written whole ------------------------------------------------------------------------------------


def test_a_write_that_breaks_off_leaves_the_old_table_and_no_litter(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.write("quickbooks.items", items("A"))

    def pull_the_plug(descriptor: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(workspace_files.os, "fsync", pull_the_plug)
        ws.write("quickbooks.items", items("B"))
    assert list(ws.read("quickbooks.items")["name"]) == ["A"]
    assert [path.name for path in (ws.path / "quickbooks").iterdir()] == ["items.parquet"]


@pytest.mark.parametrize("times", [3, 10_000])
def test_a_file_that_somebody_reads_just_now_is_replaced_a_little_later(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    replace, refusals, pauses = Path.replace, list(range(times)), []

    def refuse_at_first(self: Path, target: Path) -> Path:
        if refusals:
            refusals.pop()
            raise PermissionError("in use")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_at_first)
    monkeypatch.setattr(workspace_files.time, "sleep", pauses.append)
    if times > 100:
        with pytest.raises(PermissionError):
            ws.write("quickbooks.items", items("A"))
        assert ws.read("quickbooks.items").empty
    else:
        ws.write("quickbooks.items", items("A"))
        assert list(ws.read("quickbooks.items")["name"]) == ["A"]
        assert len(pauses) == times


def test_an_answer_is_kept_as_it_arrived(ws: Workspace) -> None:
    data = b"\xef\xbb\xbf<?xml version='1.0'?>\r\n<QBXML>\x01 &#150;</QBXML>" * 1000
    paths = [ws.save_answer(data, name="job 3/ItemQuery"), ws.save_answer(b"", name="empty")]
    paths.append(ws.save_answer(data, name="job 3/ItemQuery"))
    assert len(set(paths)) == 3, "one moment, one name, two files"
    assert all(path.parent == ws.path / "inbox" for path in paths)
    assert paths[0].stat().st_size < len(data) / 10
    for path, expected in zip(paths, [data, b"", data], strict=True):
        with ws.open_answer(path) as stream:
            assert stream.read() == expected
        with ws.open_answer(ws.inbox_name(path)) as stream:
            assert stream.read() == expected
    assert ws.inbox_name(paths[0]).startswith("inbox/2026")


def test_answers_of_two_threads_in_one_moment_are_both_kept(ws: Workspace) -> None:
    threads = [threading.Thread(target=ws.save_answer, args=(b"%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [ws.open_answer(path) for path in (ws.path / "inbox").iterdir()]
    assert sorted(stream.read() for stream in kept) == [b"%d" % number for number in range(8)]
    for stream in kept:
        stream.close()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Acme & Søn", "Acme & Søn"),
        ('A/B: "C"?', "A-B- -C-"),
        ("con", "con-"),
        ("...", "company"),
        ("", "company"),
    ],
)
def test_a_company_gives_a_file_name_that_every_system_takes(text: str, name: str) -> None:
    assert file_name(text, "company") == name


# --- one writer ---------------------------------------------------------------------------------------------

HOLD = """
import sys
from toolkit.workspace import Workspace
with Workspace(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_that_writes_is_named(ws: Workspace) -> None:
    arguments = [sys.executable, "-c", HOLD, str(ws.path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(WorkspaceLocked, match=f"in use by process {other.pid}: wait"),
            ws.lock(timeout=0.05),
        ):
            pass
        ws.read("quickbooks.items")  # reading needs no lock
        other.communicate("\n")
    with ws.lock(timeout=5):
        pass


def test_a_thread_that_writes_goes_on_and_another_waits(ws: Workspace) -> None:
    seen: list[str] = []

    def other() -> None:
        try:
            with Workspace(ws.path).lock(timeout=0.05):
                seen.append("in")
        except WorkspaceLocked as error:
            seen.append(error.holder)

    with ws.lock(), Workspace(ws.path).lock():
        ws.write("quickbooks.items", items("A"))
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        holder = (ws.path / "workspace.holder").read_text(encoding="utf-8")
    other()
    assert seen == ["another thread of this process", "in"]
    assert holder == str(os.getpid())
    assert not (ws.path / "workspace.holder").exists()


# --- the Web Connector's file -------------------------------------------------------------------------------


def test_the_qwc_file_says_what_the_web_connector_asks_for(tmp_path: Path) -> None:
    ws = Workspace.create(
        tmp_path / "acme",
        company="Acme & Søn <1>",
        password="x",
        url="https://billing.example.com/qb",
        rehearsal=True,
    )
    path = ws.write_qwc()
    assert path.name == "Acme & Søn -1-.qwc"
    assert path.read_bytes() == ws.qwc()
    assert ws.qwc().isascii()
    root = ElementTree.fromstring(ws.qwc())
    found = {element.tag: element.text for element in root}
    assert root.tag == "QBWCXML"
    assert found["AppName"] == "BluBilling toolkit: Acme & Søn <1> (REHEARSAL)"
    assert "AppID" in found
    assert (found["AppURL"], found["AppSupport"]) == (
        "https://billing.example.com/qb/",
        "https://billing.example.com/qb/support",
    )
    assert len(found["AppDescription"] or "") <= 80
    assert (found["UserName"], found["OwnerID"], found["FileID"]) == ("blubilling", ws.owner_id, ws.file_id)
    fixed = ("QBType", "IsReadOnly", "Style", "UnattendedModePref", "PersonalDataPref", "AuthFlags")
    assert [found[name] for name in fixed] == [
        "QBFS",
        "false",
        "Document",
        "umpOptional",
        "pdpNotNeeded",
        "0xF",
    ]
    assert int(root.findtext("Scheduler/RunEveryNMinutes") or 0) >= 1
    assert root.findtext("Password") != "x"
    ws.close()


# --- imports ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["items", "customers", "invoices", "payments", "sales_receipts", "receivables", "lists", "all"],
)
@pytest.mark.parametrize("dated", [True, False])
def test_every_query_of_an_import_is_one_that_the_schema_has(kind: str, dated: bool) -> None:
    covered = (
        scope("2026-01-01", "2026-01-31", active_only=True, open_only=True) if dated else scope(None, None)
    )
    for _, queries in import_jobs(kind, covered):
        for query in queries:
            names = {particle.name for particle in qbxml_spec.elements(qbxml_spec.request(query["name"]))}
            assert set(query["fields"]) <= names, query["name"]
            assert query["iterate"] <= qbxml_spec.supports_iterator(query["name"])
            assert query["table"] in TABLES


def test_a_date_range_means_modified_for_lists_and_the_date_for_transactions(ws: Workspace) -> None:
    [job] = ws.queue_import("items", start="2026-01-01", end=dt.date(2026, 1, 31))
    [query] = ws.ledger.queries(job)
    assert query.fields == {
        "ActiveStatus": "All",
        "FromModifiedDate": "2026-01-01T00:00:00",
        "ToModifiedDate": "2026-01-31T23:59:59",
        "OwnerID": "0",
    }
    assert query.iterate
    [job] = ws.queue_import("invoices", start="2026-01-01", open_only=True)
    [query] = ws.ledger.queries(job)
    assert query.fields == {
        "TxnDateRangeFilter": {"FromTxnDate": "2026-01-01"},
        "PaidStatus": "NotPaidOnly",
        "IncludeLineItems": True,
        "IncludeLinkedTxns": True,
        "OwnerID": "0",
    }
    assert query.filter == {
        "by": "txn_date",
        "start": "2026-01-01",
        "end": None,
        "active_only": False,
        "open_only": True,
    }


def test_receivables_are_one_job_and_all_are_four(ws: Workspace) -> None:
    [job] = ws.queue_import("receivables")
    names = [query.name for query in ws.ledger.queries(job)]
    assert names == ["InvoiceQuery", "CreditMemoQuery", "ReceivePaymentQuery"]
    assert ws.ledger.queries(job)[0].fields["PaidStatus"] == "NotPaidOnly"
    jobs = ws.queue_import("all")
    kinds = [ws.ledger.job(job).kind for job in jobs]
    assert kinds == ["import:items", "import:customers", "import:receivables", "import:lists"]
    lists = {query.name: query for query in ws.ledger.queries(jobs[-1])}
    assert not any(query.iterate for query in lists.values())
    assert lists["CurrencyQuery"].since == "8.0"
    assert {"HostQuery", "CompanyQuery", "PreferencesQuery"} <= set(lists)


@pytest.mark.parametrize(
    ("kind", "start", "end", "said"),
    [
        ("item", None, None, "'item' is no kind of import: it is one of items, .* or all"),
        ("items", "2026-02-01", "2026-01-31", "start 2026-02-01 is after end 2026-01-31"),
        ("items", "31.1.2026", None, "start: '31.1.2026' is not a date like"),
        ("items", None, "2026-02-30", "end: '2026-02-30' is not a date like"),
    ],
)
def test_an_import_that_makes_no_sense_queues_nothing(
    ws: Workspace, kind: str, start: str | None, end: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ws.queue_import(kind, start=start, end=end)
    assert ws.read("ledger.jobs").empty


# --- exports and the pilot ----------------------------------------------------------------------------------


def test_a_plan_becomes_a_draft_that_tells_what_it_is(ws: Workspace) -> None:
    result = ws.queue(a_plan("customer:1", *invoices(2)))
    assert (result.job, result.operations, len(result.left_out)) == (1, 3, 0)
    job = ws.ledger.job(1)
    assert job.status == "draft"
    assert job.meta["start"] == "2026-01-01"
    assert job.meta["totals"]["invoice USD"] == {"count": 2, "amount": "20.20"}
    again = ws.queue(a_plan("customer:1", *invoices(2)))
    assert (again.job, again.operations) == (None, 0)
    assert list(again.left_out["rule"]) == ["already_queued"] * 3


def test_what_the_plan_left_out_is_left_out_in_the_result(ws: Workspace) -> None:
    ws.queue(a_plan("invoice:1"))
    plan = a_plan("invoice:1", "invoice:2")
    plan.left_out = from_rows(
        "plan.left_out",
        [{"source_table": "billing.invoices", "source_key": "9", "rule": "draft", "reason": "it is a draft"}],
    )
    result = ws.queue(plan)
    assert (result.operations, list(result.left_out["rule"])) == (1, ["draft", "already_queued"])


def test_the_first_export_is_a_pilot(ws: Workspace) -> None:
    big = ws.queue(a_plan("customer:1", *invoices(6))).job
    assert big is not None
    with pytest.raises(
        UsageError, match=r"job 1 has 6 documents, .* at most 5: .* `toolkit set pilot false`"
    ):
        ws.approve(big, "ann")
    with pytest.raises(UsageError, match="the plan has 6 documents"):
        ws.queue(a_plan(*invoices(6, first=10)), approved_by="ann")
    assert len(ws.read("ledger.jobs")) == 1
    small = ws.queue(a_plan(*invoices(5, first=20)), approved_by="ann").job
    assert small is not None
    with pytest.raises(UsageError):
        ws.approve(big, "ann")  # the pilot is queued, not complete
    complete(ws, small, *invoices(5, first=20))
    ws.approve(big, "ann")
    assert ws.ledger.job(big).status == "queued"
    with pytest.raises(IllegalTransition):
        ws.approve(big, "ann")


def test_a_second_export_waits_until_the_pilot_is_complete(ws: Workspace) -> None:
    first = ws.queue(a_plan(*invoices(2))).job
    second = ws.queue(a_plan(*invoices(2, first=10))).job
    assert first is not None
    assert second is not None
    ws.approve(first, "ann")
    with pytest.raises(UsageError, match="job 1 is the pilot and not complete"):
        ws.approve(second, "ann")
    with pytest.raises(UsageError, match="job 1 is the pilot"):
        ws.queue(a_plan(*invoices(2, first=20)), approved_by="ann")
    complete(ws, first, *invoices(2))
    ws.approve(second, "ann")
    assert ws.ledger.job(second).status == "queued"


def test_customers_are_no_documents_and_what_is_left_out_does_not_count(ws: Workspace) -> None:
    ws.queue(a_plan(*invoices(4)))
    result = ws.queue(a_plan(*(f"customer:{number}" for number in range(9)), *invoices(6)), approved_by="ann")
    assert result.operations == 9 + 2


def test_without_a_pilot_everything_goes_at_once(ws: Workspace) -> None:
    ws.set("pilot", "false")
    job = ws.queue(a_plan(*invoices(6)), approved_by="ann").job
    assert job is not None
    assert ws.ledger.job(job).status == "queued"


def test_auto_approve_works_only_after_a_persons_run(ws: Workspace) -> None:
    set_by_hand(ws, "auto_approve", "true")
    first = ws.queue(a_plan("invoice:1")).job
    assert first is not None
    assert ws.ledger.job(first).status == "draft"
    ws.approve(first, "ann")
    complete(ws, first, "invoice:1")
    ws.ledger.keep_tie_out(True, "ann", {"jobs": [first]})
    second = ws.queue(a_plan("invoice:2")).job
    assert second is not None
    found = ws.ledger.job(second)
    assert (found.status, found.approved_by) == ("queued", "auto_approve")


def test_an_init_that_broke_off_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(WorkspaceError, match=r"without its workspace\.toml.*name another folder"):
        Workspace.create(tmp_path, company="Acme", password="a password")


def test_a_lock_whose_holder_cannot_be_named_is_let_go_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "workspace.holder").mkdir()  # a folder of that name: the file cannot be written
    with writer_lock(tmp_path):
        pass
    code = "import sys, filelock; filelock.FileLock(sys.argv[1]).acquire(timeout=2)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "workspace.lock")], check=True)
