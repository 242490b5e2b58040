"""`toolkit qwc` and `toolkit password`: the two ends of a line to the Web Connector, made to fit again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cli_world
import pytest
import typer
from cli_world import PASSWORD, Toolkit, fingerprint

from toolkit import workspace_config
from toolkit.rehearsal import WebConnector
from toolkit.workspace import Workspace
from toolkit.workspace_qwc import build_qwc


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cli_world.workspace_at("fresh", tmp_path_factory.getbasetemp(), tmp_path / "fresh")


def refused(toolkit: Toolkit, folder: Path, *arguments: object) -> str:
    before = fingerprint(folder.parent)
    said = toolkit("-w", folder, *arguments)
    assert (said.code, said.out) == (2, "")
    assert fingerprint(folder.parent) == before
    return said.err


def elements(data: bytes) -> dict[str, str]:
    return {one.tag: one.text or "" for one in ElementTree.fromstring(data).iter()}


# --- qwc ----------------------------------------------------------------------------------------------------


def test_qwc_writes_the_same_file_again(toolkit: Toolkit, folder: Path) -> None:
    (path,) = folder.glob("*.qwc")
    before = path.read_bytes()
    path.unlink()
    said = toolkit("-w", folder, "qwc", "--json")
    assert said.code == 0
    assert path.read_bytes() == before
    found = elements(before)
    assert said.json == {
        "qwc": str(path),
        "url": found["AppURL"],
        "user": found["UserName"],
        "file_id": found["FileID"],
        "owner_id": found["OwnerID"],
        "poll_minutes": 5,
    }
    again = toolkit("-w", folder, "qwc")
    assert (again.code, path.read_bytes()) == (0, before)
    assert str(path) in again.out


def test_qwc_to_a_file_or_a_folder(toolkit: Toolkit, folder: Path, tmp_path: Path) -> None:
    with Workspace(folder) as ws:
        data, name = ws.qwc(), next(folder.glob("*.qwc")).name
    share = tmp_path / "share"
    share.mkdir()
    assert toolkit("-w", folder, "qwc", "--to", share / "acme.QWC").code == 0
    assert toolkit("-w", folder, "qwc", "--to", share).code == 0
    assert {path.name: path.read_bytes() for path in share.iterdir()} == {"acme.QWC": data, name: data}


def test_qwc_destroys_nothing_else(toolkit: Toolkit, folder: Path, tmp_path: Path) -> None:
    letter, theirs, taken = tmp_path / "letter.qwc", tmp_path / "theirs.qwc", tmp_path / "folder.qwc"
    letter.write_text("Dear FileID,", encoding="utf-8")
    with Workspace.create(tmp_path / "other", company="Other", password="x") as other:
        theirs.write_bytes(other.qwc())
    (taken / "in").mkdir(parents=True)
    assert "is no .qwc file" in refused(toolkit, folder, "qwc", "--to", letter)
    assert "another workspace's" in refused(toolkit, folder, "qwc", "--to", theirs)
    assert "ends in .qwc" in refused(toolkit, folder, "qwc", "--to", tmp_path / "acme.xml")
    assert "there is no folder" in refused(toolkit, folder, "qwc", "--to", tmp_path / "absent" / "a.qwc")
    assert "http for localhost only" in refused(toolkit, folder, "qwc", "--url", "http://books.example.com/")
    assert "is no .qwc" in refused(toolkit, folder, "qwc", "--to", letter, "--url", "https://b.example.com/")
    for path in (letter, theirs):
        assert toolkit("-w", folder, "qwc", "--to", path, "--force").code == 0
        assert path.read_bytes() == next(folder.glob("*.qwc")).read_bytes()


def test_qwc_mends_the_workspaces_own_file(toolkit: Toolkit, folder: Path) -> None:
    (path,) = folder.glob("*.qwc")
    before = path.read_bytes()
    path.write_text("<x")
    assert toolkit("-w", folder, "qwc").code == 0
    assert path.read_bytes() == before


def test_qwc_with_another_url_and_interval_keeps_the_identity(toolkit: Toolkit, folder: Path) -> None:
    (path,) = folder.glob("*.qwc")
    before = elements(path.read_bytes())
    assert toolkit("-w", folder, "set", "poll_minutes", "15").code == 0
    assert toolkit("-w", folder, "qwc", "--url", "https://books.example.com:8085").code == 0
    after = elements(path.read_bytes())
    changed = {tag: text for tag, text in after.items() if before[tag] != text}
    assert changed == {
        "AppURL": "https://books.example.com:8085/",
        "AppSupport": "https://books.example.com:8085/support",
        "RunEveryNMinutes": "15",
    }
    with Workspace(folder) as ws:
        assert ws.url == "https://books.example.com:8085/"
        assert ws.verify_password(ws.user, PASSWORD)


def test_the_web_connector_of_the_rehearsal_takes_it(toolkit: Toolkit, folder: Path) -> None:
    toolkit("-w", folder, "qwc")
    data = next(folder.glob("*.qwc")).read_bytes()
    client = WebConnector.from_qwc(data, PASSWORD, cli_world.rehearsal_company())
    assert client.user == "blubilling"


def test_an_entry_is_known_by_its_file_id_only() -> None:
    facts: dict[str, Any] = {
        "user": "u",
        "url": "http://localhost:8085/",
        "owner_id": "{7c1d7a52-0f3e-4c1b-9a6e-3b0f8a5d2e61}",
        "rehearsal": False,
        "poll_minutes": 5,
    }
    one = "{00000000-0000-4000-8000-000000000001}"
    named = elements(build_qwc(company="A", file_id=one, **facts))
    renamed = elements(build_qwc(company="B & C", file_id=one, **{**facts, "rehearsal": True}))
    other = elements(build_qwc(company="A", file_id=one.replace("1}", "2}"), **facts))
    assert named["AppUniqueName"] == renamed["AppUniqueName"] != other["AppUniqueName"]
    assert renamed["AppDisplayName"] == "BluBilling toolkit: B & C (REHEARSAL)"
    assert not {"CertURL", "Notify", "RunEveryNSeconds"} & named.keys()


def test_its_elements_stand_in_the_order_that_intuit_advises() -> None:
    data = build_qwc(
        company="A",
        user="u",
        url="http://localhost:8085/",
        owner_id="{o}",
        file_id="{f}",
        rehearsal=False,
        poll_minutes=1440,
    )
    root = ElementTree.fromstring(data)
    advised = "AppName AppID AppURL AppDescription AppSupport UserName OwnerID FileID QBType"
    assert [element.tag for element in root][:9] == advised.split()
    assert len({element.tag for element in root}) == len(root)
    assert [(one.tag, one.text) for one in root.findall("Scheduler/*")] == [("RunEveryNMinutes", "1440")]


# --- password -----------------------------------------------------------------------------------------------


def knows(folder: Path, password: str) -> bool:
    with Workspace(folder) as ws:
        return ws.verify_password(ws.user, password)


def test_password_from_the_environment_keeps_everything_else(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "another one")
    before = (folder / "workspace.toml").read_text(encoding="utf-8").splitlines()
    said = toolkit("-w", folder, "password", "--json")
    assert said.code == 0
    assert said.json == {"workspace": str(folder), "user": "blubilling", "source": "environment"}
    after = (folder / "workspace.toml").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line, old in zip(after, before, strict=True) if line != old] == [
        "password_hash"
    ]
    assert knows(folder, "another one")
    assert not knows(folder, PASSWORD)
    shown = toolkit("-w", folder, "password")
    assert "another one" not in shown.out + shown.err
    assert "TOOLKIT_WC_PASSWORD" in shown.out
    assert "Type the same into the Web Connector" in shown.out


def test_password_at_a_terminal_is_asked_for_twice_and_hidden(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **how: object) -> str:
        asked.append(how)
        return "typed twice"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", prompt)
    said = toolkit("-w", folder, "password", "--json")
    assert said.json["source"] == "typed"
    assert asked == [{"hide_input": True, "confirmation_prompt": True, "err": True}]
    assert knows(folder, "typed twice")


def test_password_generated_is_shown_once_and_is_hard_to_guess(toolkit: Toolkit, folder: Path) -> None:
    made = {toolkit("-w", folder, "password", "--generate", "--json").json["password"] for _ in range(3)}
    assert len(made) == 3
    for one in made:
        assert re.fullmatch(r"[a-hjkmnp-z2-9]{5}(-[a-hjkmnp-z2-9]{5}){3}", one)
    shown = toolkit("-w", folder, "password", "--generate").out
    found = re.search(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", shown)
    assert found is not None
    assert knows(folder, found[0])
    assert found[0] not in (folder / "workspace.toml").read_text(encoding="utf-8")


def test_password_that_makes_no_sense_changes_nothing(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "set TOOLKIT_WC_PASSWORD, or run it in a terminal" in refused(toolkit, folder, "password")
    for value, said in (("  ", "must not be blank"), ("x" * 1001, "at most 1000"), ("a\tb", "nobody can")):
        monkeypatch.setenv("TOOLKIT_WC_PASSWORD", value)
        line = refused(toolkit, folder, "password")
        assert said in line
        assert value.strip() == "" or value not in line
    assert knows(folder, PASSWORD)


def test_a_new_password_is_not_too_short(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(*texts: str, **options: object) -> str:
        return "typed 7"

    for value in ("seven 7", "7"):
        monkeypatch.setenv("TOOLKIT_WC_PASSWORD", value)
        for words in (("password",), ("init", str(folder / "new"), "--company", "A")):
            line = refused(toolkit, folder, *words)
            assert "at least 8 characters" in line
            assert value == "7" or value not in line
    monkeypatch.delenv("TOOLKIT_WC_PASSWORD")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", typed)
    assert "at least 8 characters" in refused(toolkit, folder, "password")
    assert knows(folder, PASSWORD)
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "eight 8!")
    assert toolkit("-w", folder, "password").code == 0
    assert knows(folder, "eight 8!")


def test_a_short_password_that_was_set_before_goes_on(folder: Path) -> None:
    workspace_config.change(folder, password_hash=workspace_config.hash_password("short"))
    assert knows(folder, "short")


def test_password_sets_one_that_is_missing(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "workspace.toml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "password_hash" not in line), encoding="utf-8")
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "a new password")
    assert toolkit("-w", folder, "password").code == 0
    assert knows(folder, "a new password")


def test_password_mends_a_damaged_hash(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workspace_config.load(folder)
    workspace_config.change(folder, password_hash=made.password_hash[:-3])
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "another one")
    assert toolkit("-w", folder, "password").code == 0
    assert knows(folder, "another one")


def test_password_and_qwc_while_another_process_serves(
    toolkit: Toolkit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys\n"
        "from toolkit.workspace import Workspace\n"
        "with Workspace(sys.argv[1]) as ws, ws.reserve():\n"
        "    ws.verify_password(ws.user, 'x')\n"
        "    print('ready', flush=True)\n"
        "    for line in sys.stdin:\n"
        "        print(ws.verify_password(ws.user, line.strip()), ws.url, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "another one")
        assert toolkit("-w", folder, "password").code == 0
        assert toolkit("-w", folder, "qwc", "--url", "https://books.example.com/").code == 0
        for given, right in ((PASSWORD, False), ("another one", True)):
            server.stdin.write(f"{given}\n")
            server.stdin.flush()
            assert server.stdout.readline() == f"{right} https://books.example.com/\n"
        server.stdin.close()
        assert server.wait(10) == 0
