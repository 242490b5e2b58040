"""Two folders with one ledger never both send: a moved or copied workspace waits for a person's word."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from cli_world import Toolkit, runner
from exchange_world import PASSWORD, World, create_template, invoice

from toolkit import doctor
from toolkit.errors import UsageError, WorkspaceError, WorkspaceMoved
from toolkit.exchange import Exchange
from toolkit.tables import from_rows
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt, adopt_restored, make_copy
from toolkit.workspace_place import difference, place_of, require_here


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World.make(tmp_path, template)


@pytest.fixture
def copied(world: World, tmp_path: Path) -> Path:
    """Return a copy of a workspace with a job under way and a draft, made with the file manager."""
    world.export(invoice("1", "10.00"), invoice("2", "20.00"))
    rows = [{"position": 1, **invoice("3", "30.00")}]
    world.ws.ledger.add_export(from_rows("plan.operations", rows), approved_by=None)
    world.ask(world.open(), first=True)
    world.ws.close()
    return Path(shutil.copytree(world.ws.path, tmp_path / "copy of it"))


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return runner(monkeypatch, capsys)


def test_a_copy_does_not_send_and_the_original_does(world: World, copied: Path) -> None:
    with Workspace(copied) as ws:
        with pytest.raises(WorkspaceMoved, match=r"lived in .*workspace and is in .*copy of it now"):
            Exchange(ws)
        with pytest.raises(WorkspaceMoved):
            ws.approve(2, "ann")
        assert ws.ledger.job(2).status == "draft"
        assert len(ws.ledger.operations()) == 3, "it can be read"
    world.finish()
    assert world.holds() == ["invoice:1", "invoice:2"]


def test_the_error_says_exactly_what_to_type(world: World, copied: Path) -> None:
    with Workspace(copied) as ws, pytest.raises(WorkspaceMoved) as caught:
        require_here(ws.path, ws.ledger)
    for option in ("--moved", "--copy", "--restored"):
        assert f'toolkit -w "{copied}" here {option}' in str(caught.value)


def test_a_workspace_that_was_moved_goes_on_where_it_is(world: World, tmp_path: Path) -> None:
    world.export(invoice("1", "10.00"))
    world.ws.close()
    there = world.ws.path.rename(tmp_path / "elsewhere")
    with Workspace(there) as ws, pytest.raises(WorkspaceMoved):
        Exchange(ws)
    adopt(there, "ann", "a new name")
    moved = World.around(Workspace(there, clock=world.clock), world.company, world.clock)
    moved.finish()
    assert moved.holds() == ["invoice:1"]
    event = moved.ws.ledger.workspace_events()[-1]
    assert (event["event"], event["who"], event["note"]) == ("moved", "ann", "a new name")
    moved.ws.close()
    with pytest.raises(UsageError, match="needs a name"):
        adopt(there, " ")


def test_a_ledger_carried_back_to_the_folder_left_behind_is_noticed(world: World, copied: Path) -> None:
    """Who says "moved" of a copy has two that believe they live, until their ledgers are mixed."""
    adopt(copied, "ann")
    with Workspace(copied) as ws:
        Exchange(ws)
    (copied / "ledger.sqlite").replace(world.ws.path / "ledger.sqlite")
    with Workspace(world.ws.path) as ws, pytest.raises(WorkspaceMoved):
        Exchange(ws)


def test_a_ledger_put_in_place_of_another_is_noticed(world: World, tmp_path: Path) -> None:
    path = world.ws.path / "ledger.sqlite"
    world.ws.close()
    shutil.copy(path, tmp_path / "old.sqlite")
    world.export(invoice("1", "10.00"))
    world.ws.close()
    (tmp_path / "old.sqlite").replace(path)
    with Workspace(world.ws.path) as ws, pytest.raises(WorkspaceMoved, match="another file"):
        Exchange(ws)
    assert adopt_restored(world.ws.path, "ann") == []
    with Workspace(world.ws.path) as ws:
        Exchange(ws)


def test_files_out_of_a_backup_go_on_hold(world: World, copied: Path) -> None:
    assert adopt_restored(copied, "ann") == [1]
    with Workspace(copied) as ws:
        assert ws.ledger.job(1).status == "held"
        assert "reconcile first" in (ws.ledger.job(1).message or "")
        assert set(ws.ledger.operations()["status"]) == {"unknown"}, "each may have been sent since"
        Exchange(ws)


def test_a_copy_to_look_at_is_another_workspace_and_never_sends(world: World, copied: Path) -> None:
    make_copy(copied, "ann")
    with Workspace(copied, clock=world.clock) as ws:
        assert ws.rehearsal
        assert ws.id == ws.ledger.workspace_id != world.ws.id
        assert ws.file_id != world.ws.file_id
        assert ws.ledger.learned() == {}
        assert [ws.ledger.job(job).status for job in (1, 2)] == ["cancelled", "cancelled"]
        assert ws.ledger.unanswered() is None
        # The books carry the FileID of the original: even with work it stops at the company guard.
        ws.queue_import("items")
        ticket, _ = Exchange(ws).authenticate(ws.user, PASSWORD)
        exchange = Exchange(ws)
        hcp = world.company.hcp(world.ws.owner_id, world.ws.file_id)
        assert exchange.next_request(ticket, hcp, world.company.file_path, "US", 13, 0) == ""
        assert "bound to another workspace" in exchange.last_error(ticket)
        assert ws.ledger.workspace_events()[-1]["event"] == "copied"
    world.finish()
    assert world.holds() == ["invoice:1", "invoice:2"]


def test_making_a_copy_that_broke_off_is_finished_by_doing_it_again(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, made: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("toolkit.workspace_config.save", full)
        with pytest.raises(OSError, match="No space"):
            make_copy(copied, "ann")
    with Workspace(copied) as ws, pytest.raises(WorkspaceError, match="belongs to another workspace"):
        assert ws.ledger
    make_copy(copied, "ann")
    with Workspace(copied) as ws:
        assert ws.rehearsal
        assert ws.ledger.workspace_id == ws.id


def test_a_copy_made_to_try_things_on_lives_where_it_is(world: World, tmp_path: Path) -> None:
    with world.ws.copy_to(tmp_path / "scratch") as scratch:
        Exchange(scratch)
    Exchange(world.ws)


def test_a_workspace_from_before_places_lives_where_it_first_sends(world: World, tmp_path: Path) -> None:
    from sqlalchemy import text

    with world.ws.ledger.writing() as connection:
        connection.execute(text("DELETE FROM meta WHERE key = 'place'"))
    Exchange(world.ws)
    world.ws.close()
    with Workspace(shutil.copytree(world.ws.path, tmp_path / "copy")) as ws, pytest.raises(WorkspaceMoved):
        Exchange(ws)


def test_what_tells_one_place_from_another(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"x")
    now = place_of(tmp_path, tmp_path / "ledger.sqlite")
    assert now["path"] == os.path.normcase(str(tmp_path.resolve()))
    assert difference(now, now) is None
    assert "lived in" in (difference({**now, "path": "/elsewhere"}, now) or "")
    assert "another machine" in (difference({**now, "machine": "a"}, {**now, "machine": "b"}) or "")
    assert "another file" in (difference({**now, "file": "1"}, {**now, "file": "2"}) or "")
    for key in ("machine", "file"):
        assert difference({**now, key: ""}, {**now, key: "2"}) is None, (
            "what cannot be told is not held against"
        )


def test_a_link_to_the_folder_is_the_same_place(world: World, tmp_path: Path) -> None:
    link = tmp_path / "link"
    if sys.platform == "win32":  # where a link asks for a privilege, and a junction does not
        from _winapi import CreateJunction

        CreateJunction(str(world.ws.path), str(link))
    else:
        link.symlink_to(world.ws.path, target_is_directory=True)
    with Workspace(link) as ws:
        Exchange(ws)


# --- the commands -------------------------------------------------------------------------------------------


def test_commands_that_read_go_on_with_a_warning(copied: Path, world: World, toolkit: Toolkit) -> None:
    said = toolkit("-w", world.ws.path, "jobs")
    assert (said.code, said.err) == (0, "")
    said = toolkit("-w", copied, "jobs", "--json")
    assert (said.code, len(said.json["jobs"])) == (0, 2)
    assert "warning: nothing is sent: the workspace lived in" in said.err
    said = toolkit("-w", copied, "serve", "--port", "0")
    assert said.code == 2
    assert "here --moved" in said.err
    said = toolkit("-w", copied, "approve", 2)
    assert said.code == 2


def test_the_doctor_explains(copied: Path, world: World) -> None:
    found = []
    for place in (world.ws.path, copied):
        with Workspace(place) as ws:
            found.append({check.name: check for check in doctor.examine(ws, knock=lambda url: None)})
    assert "place" not in found[0], "nothing to mend"
    assert not found[1]["place"].good
    assert "here --moved" in found[1]["place"].message


def test_a_folder_is_not_moved_while_the_one_it_lived_in_is_there(
    world: World, copied: Path, toolkit: Toolkit
) -> None:
    world.ws.close()
    said = toolkit("-w", copied, "here", "--moved")
    assert said.code == 2
    assert "both would send" in said.err
    assert "lived in" in toolkit("-w", copied, "here").out, "nothing changed"
    shutil.rmtree(world.ws.path)
    assert toolkit("-w", copied, "here", "--moved").code == 0


def test_here_says_and_asks(copied: Path, toolkit: Toolkit) -> None:
    said = toolkit("-w", copied, "here")
    assert said.code == 0
    assert "lived in" in said.out
    assert toolkit("-w", copied, "here", "--moved", "--copy").code == 2
    said = toolkit("-w", copied, "here", "--copy", "--json")
    assert said.json["lives_here"]
    assert said.json["rehearsal"]
    with Workspace(copied) as ws:
        assert [path.read_bytes() for path in ws.path.glob("*.qwc")] == [ws.qwc()]
    said = toolkit("-w", copied, "here")
    assert "(REHEARSAL): it lives here" in said.out
    said = toolkit("-w", copied, "jobs")
    assert said.err == ""
