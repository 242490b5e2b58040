"""A backup has all that cannot be made again, and one that is put back sends nothing by itself."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_world import Toolkit, fingerprint, runner
from exchange_world import PASSWORD, World, create, create_template, customer, invoice, payment, set_by_hand
from rehearsal_company import ACME

from toolkit import witness
from toolkit.errors import InputFileError, LedgerError, UsageError, WorkspaceError, WorkspaceLocked
from toolkit.exchange import Exchange
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_backup import backup, read_manifest
from toolkit.workspace_restore import restore


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World.make(tmp_path, template)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return runner(monkeypatch, capsys)


def members(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Return a copy of a backup with other members."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    other = file.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return other


def test_a_backup_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    world.ws.set("set_size", "7")
    world.ws.ledger.waive("f1", "ann", "known")
    job = world.export(invoice("1", "10.00"))
    world.run()
    manifest = backup(world.ws.path, tmp_path / "a.zip", clock=world.clock)
    assert (manifest.company, manifest.workspace_id) == ("Test Works", world.ws.id)
    assert read_manifest(tmp_path / "a.zip") == manifest
    done = restore(tmp_path / "a.zip", tmp_path / "new" / "home", "ann")
    assert (done.held, done.kept) == ([], None)
    with Workspace(tmp_path / "new" / "home") as ws:
        assert ws.settings["set_size"] == 7
        assert ws.verify_password(ws.user, PASSWORD), "the password is the backup's"
        assert ws.qwc() == next(ws.path.glob("*.qwc")).read_bytes() == world.ws.qwc()
        assert ws.ledger.waivers().keys() == {"f1"}
        assert to_rows(ws.ledger.operations(job)) == to_rows(world.ws.ledger.operations(job))
        assert ws.ledger.crosswalk().equals(world.ws.ledger.crosswalk())
        assert ws.ledger.learned() == world.ws.ledger.learned()
        event = ws.ledger.workspace_events()[-1]
        assert (event["event"], event["who"], event["facts"]["taken_at"]) == (
            "restored",
            "ann",
            manifest.created_at,
        )
        Exchange(ws)  # it lives here, on the word of whoever restored it
        ws.write("quickbooks.items", ws.read("quickbooks.items"))
    assert not list(tmp_path.glob("**/.toolkit-*")), "nothing is left over"


def test_answers_and_tables_are_in_it_on_request_only(world: World, tmp_path: Path) -> None:
    world.ws.save_answer(b"<QBXML/>")
    world.ws.write("quickbooks.items", world.ws.read("quickbooks.items"))
    (world.ws.path / "workspace.toml.tmp").write_text("x")
    backup(world.ws.path, tmp_path / "small.zip")
    small = members(tmp_path / "small.zip")
    assert {"manifest.json", "ledger.sqlite", "workspace.toml", "Test Works.qwc"} < small
    assert all(name.count("/") == 0 or name.startswith("mapping/") for name in small)
    assert not any(name.endswith((".tmp", ".lock", "-wal", "-shm")) for name in small)
    names = ("carry_forward_customers.csv", "carry_forward_customers.csv.undone")
    for name in (*names, "carry_forward_customers.1.csv"):
        (world.ws.path / "reports" / name).write_text("Password", encoding="utf-8")
    backup(world.ws.path, tmp_path / "whole.zip", whole=True)
    assert not [name for name in members(tmp_path / "whole.zip") if "customers.csv" in name]
    assert not [name for name in members(tmp_path / "whole.zip") if "carry_forward_customers" in name]
    more = members(tmp_path / "whole.zip") - small
    assert "quickbooks/items.parquet" in more
    assert any(name.startswith("inbox/") for name in more)
    done = restore(tmp_path / "whole.zip", tmp_path / "home", "ann")
    with Workspace(done.folder) as ws:
        assert ws.has("quickbooks.items")
        assert len(list((ws.path / "inbox").iterdir())) == 1


def test_a_backup_is_of_one_moment_while_the_ledger_is_written(world: World, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            world.ws.ledger.waive(f"f{number}", "ann", "known")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup(world.ws.path, tmp_path / f"{number}.zip")
    finally:
        stop.set()
        writer.join()
    done = restore(tmp_path / "4.zip", tmp_path / "home", "ann")
    with Workspace(done.folder) as ws:
        found = ws.ledger.waivers().keys()
        assert found == {f"f{number}" for number in range(1, len(found) + 1)}, "none is missing in between"


def test_a_file_that_is_there_is_never_written_over(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        backup(world.ws.path, tmp_path / "a.zip")
    with pytest.raises(UsageError, match="there is no folder"):
        backup(world.ws.path, tmp_path / "absent" / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "mine"


def test_a_damaged_ledger_is_not_backed_up(world: World, tmp_path: Path) -> None:
    for number in range(300):
        world.ws.ledger.waive(f"f{number}", "ann", "known" * 50)
    world.ws.close()
    path = world.ws.path / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[-40_000:-4_000] = b"\x55" * 36_000
    path.write_bytes(data)
    with pytest.raises(LedgerError, match=r"damaged|malformed|could not be copied"):
        backup(world.ws.path, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


# --- what is refused ----------------------------------------------------------------------------------------


def _flip(contents: dict[str, bytes]) -> None:
    data = bytearray(contents["ledger.sqlite"])
    data[-1] ^= 1
    contents["ledger.sqlite"] = bytes(data)


def _set(name: str, value: Any) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        contents["manifest.json"] = json.dumps(json.loads(contents["manifest.json"]) | {name: value}).encode()

    return change


def _add(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        contents[name] = b"x"
        manifest = json.loads(contents["manifest.json"])
        manifest["members"][name] = hashlib.sha256(b"x").hexdigest()
        contents["manifest.json"] = json.dumps(manifest).encode()

    return change


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a changed member": (_flip, "ledger.sqlite in it is not what it was"),
    "a missing member": (lambda all_: all_.__delitem__("workspace.toml"), "does not hold what its manifest"),
    "a member too many": (lambda all_: all_.__setitem__("x", b""), "does not hold what its manifest"),
    "no manifest": (lambda all_: all_.__delitem__("manifest.json"), "no backup of a workspace"),
    "another zip": (_set("format", "songs"), "no backup of a workspace"),
    "a newer one": (_set("version", 2), "of version 2, and this toolkit reads version 1.*update the toolkit"),
    "of another workspace": (_set("workspace_id", "0" * 32), "its manifest is of another workspace"),
    "a way out": (_add("../evil"), "which no workspace has"),
    "a way out of Windows": (_add("..\\evil"), "which no workspace has"),
    "an absolute path": (_add("/etc/evil"), "which no workspace has"),
    "a strange folder": (_add("bin/evil"), "which no workspace has"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_backup_that_is_not_whole_is_refused(world: World, tmp_path: Path, case: str) -> None:
    change, says = REFUSED[case]
    backup(world.ws.path, tmp_path / "a.zip")
    world.ws.close()
    other, before = rewritten(tmp_path / "a.zip", change), fingerprint(tmp_path)
    before |= fingerprint(tmp_path)
    for place in (tmp_path / "new", world.ws.path):
        with pytest.raises(InputFileError, match=says):
            restore(other, place, "ann", replace=True)
    assert fingerprint(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_bytes_that_are_damaged_are_refused(world: World, tmp_path: Path) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        # In the data of each: some bytes between them nobody reads, and all is as it was.
        ends = [member.header_offset for member in archive.infolist()[1:]] + [archive.start_dir]
        places = [
            end - member.compress_size // 2 for member, end in zip(archive.infolist(), ends, strict=True)
        ]
    for place in (0, *places, len(data) - 10):
        changed = bytearray(data)
        changed[place : place + 8] = b"\x00\xff" * 4
        (tmp_path / "b.zip").write_bytes(changed)
        with pytest.raises(InputFileError):
            restore(tmp_path / "b.zip", tmp_path / "new", "ann")
    for size in (0, 100, len(data) - 1):
        (tmp_path / "b.zip").write_bytes(data[:size])
        with pytest.raises(InputFileError):
            restore(tmp_path / "b.zip", tmp_path / "new", "ann")
    with pytest.raises(InputFileError, match="no such file"):
        restore(tmp_path / "absent.zip", tmp_path / "new", "ann")
    assert not (tmp_path / "new").exists()


def test_a_ledger_that_knows_more_gives_way_on_demand_only(world: World, tmp_path: Path) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    job = world.export(invoice("1", "10.00"))
    world.ws.close()
    before = fingerprint(world.ws.path)
    with pytest.raises(WorkspaceError, match=r"knows more than the backup .*1 row of operation_history"):
        restore(tmp_path / "a.zip", world.ws.path, "ann")
    assert fingerprint(world.ws.path) == before
    done = restore(tmp_path / "a.zip", world.ws.path, "ann", replace=True)
    assert done.kept == world.ws.path / "ledger.sqlite.before-restore.bak"
    assert not len(world.ws.ledger.operations())
    world.ws.close()
    done.kept.replace(world.ws.path / "ledger.sqlite")
    assert len(world.ws.ledger.operations(job)) == 1, "the ledger that was kept is whole"


def test_a_ledger_that_went_another_way_knows_more_though_it_is_shorter(world: World, tmp_path: Path) -> None:
    backup(world.ws.path, tmp_path / "first.zip")
    world.export(invoice("1", "10.00"), invoice("2", "10.00"))
    backup(world.ws.path, tmp_path / "second.zip")
    world.ws.close()
    restore(tmp_path / "first.zip", world.ws.path, "ann", replace=True)
    world.export(invoice("3", "10.00"))
    world.ws.close()
    with pytest.raises(WorkspaceError, match="knows more"):
        restore(tmp_path / "second.zip", world.ws.path, "ann")


def test_a_backup_of_a_state_that_is_still_there_goes_over_it(world: World, tmp_path: Path) -> None:
    world.export(invoice("1", "10.00"))
    backup(world.ws.path, tmp_path / "a.zip")
    world.ws.close()
    assert restore(tmp_path / "a.zip", world.ws.path, "ann").held == [1]


def test_another_workspace_is_never_written_over(world: World, tmp_path: Path) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    create(tmp_path / "other").close()
    before = fingerprint(tmp_path / "other")
    with pytest.raises(WorkspaceError, match="is another workspace than the backup's"):
        restore(tmp_path / "a.zip", tmp_path / "other", "ann", replace=True)
    assert fingerprint(tmp_path / "other") == before


@pytest.mark.parametrize("lost", ["ledger.sqlite", "workspace.toml"])
def test_a_workspace_that_lost_a_file_is_made_whole(world: World, tmp_path: Path, lost: str) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    world.ws.close()
    (world.ws.path / lost).unlink()
    restore(tmp_path / "a.zip", world.ws.path, "ann", replace=lost == "workspace.toml")
    with Workspace(world.ws.path) as ws:
        assert ws.ledger.workspace_id == ws.id


def test_a_workspace_in_use_is_left_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    monkeypatch.setattr("toolkit.workspace_restore.LOCK_SECONDS", 0.1)
    import filelock

    with filelock.FileLock(str(world.ws.path / "workspace.lock")), pytest.raises(WorkspaceLocked):
        restore(tmp_path / "a.zip", world.ws.path, "ann")


def test_a_disk_that_fails_half_way_leaves_the_workspace_as_it_was(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(world.ws.path, tmp_path / "a.zip")
    world.export(invoice("1", "10.00"))
    world.ws.close()
    before, real, calls = fingerprint(world.ws.path), Path.replace, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OSError(28, "No space left on device")
        return real(self, target)

    for fails_at in range(2, 9):  # the first is that of the settings in the scratch folder
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", failing)
            with pytest.raises(OSError, match="No space"):
                restore(tmp_path / "a.zip", world.ws.path, "ann", replace=True)
        assert fingerprint(world.ws.path) == before, fails_at
        assert not list(tmp_path.glob(".toolkit-*"))


# --- what was sent since ------------------------------------------------------------------------------------


def test_what_was_under_way_waits_for_a_person_and_nothing_is_sent_twice(
    world: World, tmp_path: Path
) -> None:
    """The backup is taken while a set is with QuickBooks; the answer and the rest come after it."""
    world.ws.set("set_size", "1")
    set_by_hand(world.ws, "auto_approve", "true")
    job = world.export(invoice("1", "10.00"), invoice("2", "20.00"))
    ticket = world.open()
    text = world.ask(ticket, first=True)
    taken = backup(world.ws.path, tmp_path / "a.zip").created_at
    world.carry(ticket, text)
    world.work(ticket, first=False)
    assert world.holds() == ["invoice:1", "invoice:2"]
    world.ws.close()

    done = restore(tmp_path / "a.zip", world.ws.path, "ann", replace=True)
    assert done.held == [job]
    again = World.around(Workspace(world.ws.path, clock=world.clock), world.company, world.clock)
    ledger = again.ws.ledger
    reason = f"restored from a backup of {taken}: reconcile first"
    assert (ledger.job(job).status, ledger.job(job).message) == ("held", reason)
    assert ledger.job_history(job)[-1]["note"] == reason
    assert ledger.job_history(job)[-1]["who"] == "ann"
    assert ledger.restored() == taken
    assert ledger.unanswered() is None, "the same text under an id that QuickBooks forgot would run again"
    assert again.statuses() == {"invoice:1": "unknown", "invoice:2": "unknown"}
    assert again.ws.settings["auto_approve"] is False
    again.finish()
    assert again.holds() == ["invoice:1", "invoice:2"]
    ledger.release(job, "ann")
    again.finish()
    assert again.holds() == ["invoice:1", "invoice:2"]
    assert set(again.statuses().values()) <= {"unknown", "applied"}
    again.ws.close()


@pytest.mark.parametrize("since", [True, False], ids=["sent since", "not sent since"])
def test_a_chain_is_never_sent_twice_nor_before_a_person_lets_it_go(
    world: World, tmp_path: Path, since: bool
) -> None:
    chain = [customer("7", "Newcomer"), invoice("1", "10.00", of="customer:7")]
    job = world.export(*chain, payment("1", "10.00", of="customer:7", to="1"), invoice("2", "20.00"))
    backup(world.ws.path, tmp_path / "a.zip")
    if since:
        world.finish()
    world.ws.close()
    restore(tmp_path / "a.zip", world.ws.path, "ann", replace=True)
    again = World.around(Workspace(world.ws.path, clock=world.clock), world.company, world.clock)
    assert set(again.statuses().values()) == {"unknown"}
    again.finish()
    assert again.holds() == (["invoice:1", "invoice:2"] if since else [])
    again.ws.ledger.release(job, "ann")
    again.finish()
    assert again.holds() == ["invoice:1", "invoice:2"]
    assert again.holds("payments") == ["payment:1"]
    assert again.names().count("Newcomer") == 1
    assert set(again.statuses().values()) == {"applied"}, (
        "each was looked up once what it refers to was known"
    )
    again.ws.close()


def test_what_is_found_without_what_it_pays_waits_for_a_person(world: World, tmp_path: Path) -> None:
    world.export(invoice("1", "10.00"), payment("1", "10.00", of=ACME, to="1"))
    backup(world.ws.path, tmp_path / "a.zip")
    restore(tmp_path / "a.zip", tmp_path / "home", "ann")
    with Workspace(tmp_path / "home") as ws:
        paid = ws.ledger.operation("payment:1")
        row = {"memo": paid.fields["Memo"], "txn_id": "9-1", "total_amount": Decimal("10.00")}
        found = {paid.key: witness.Found(rows={"9-1": row})}
        (told,) = witness.verdicts([paid], found, lambda key: None, {})
        assert told.status == "unknown"
        assert (told.message or "").startswith("a person decides: 9-1 may be it, and invoice:1 has no")


def test_a_draft_says_to_wait(world: World, tmp_path: Path) -> None:
    rows = [{"position": 1, **invoice("1", "10.00")}]
    job, _ = world.ws.ledger.add_export(from_rows("plan.operations", rows), approved_by=None)
    assert job is not None
    backup(world.ws.path, tmp_path / "a.zip")
    done = restore(tmp_path / "a.zip", tmp_path / "home", "ann")
    with Workspace(done.folder) as ws:
        assert done.held == []
        assert ws.ledger.job(job).status == "draft"
        assert "reconcile first" in (ws.ledger.job(job).message or "")


# --- the commands -------------------------------------------------------------------------------------------


def test_backup_and_restore_by_command(world: World, tmp_path: Path, toolkit: Toolkit) -> None:
    job = world.export(invoice("1", "10.00"))
    world.ws.close()
    said = toolkit("-w", world.ws.path, "backup", tmp_path / "a.zip")
    assert (said.code, said.err) == (0, "")
    assert "keep it where others cannot read it" in said.out
    said = toolkit("restore", tmp_path / "a.zip", tmp_path / "home", "--json")
    assert (said.code, said.json["held"]) == (0, [job])
    world.export(invoice("2", "10.00"))
    world.ws.close()
    said = toolkit("-w", world.ws.path, "restore", tmp_path / "a.zip")
    assert said.code == 2
    assert "knows more" in said.err
    said = toolkit("-w", world.ws.path, "restore", tmp_path / "a.zip", "--replace")
    assert said.code == 0
    assert "before-restore" in said.out
    assert f"On hold: job {job}" in said.out
    assert "password" in toolkit("backup", "--help").out
    assert "password" in toolkit("restore", "--help").out
