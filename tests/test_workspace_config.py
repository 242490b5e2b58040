"""``workspace.toml``: passwords that are checked two at a time, and changes that lose no other."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from toolkit import workspace_config as config
from toolkit.errors import UsageError, WorkspaceError
from toolkit.exchange import Exchange
from toolkit.settings import Settings
from toolkit.workspace import Workspace

PASSWORD = "one that nobody guesses"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Workspace.create(tmp_path / "acme", company="Acme", password=PASSWORD) as ws:
        return ws.path


# --- passwords ----------------------------------------------------------------------------------------------


def test_at_most_two_passwords_are_checked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config.load(folder)
    counting = threading.Lock()
    inside, most = 0, 0

    class Slow:
        def verify(self, known: str, password: str) -> bool:
            nonlocal inside, most
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with counting:
                inside -= 1
            return True

    monkeypatch.setattr(config, "_HASHER", Slow())
    right: list[bool] = []
    threads = [
        threading.Thread(target=lambda: right.append(config.verify(made, "blubilling", PASSWORD)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 8
    assert most == 2


def test_a_check_that_fails_gives_its_place_back(folder: Path) -> None:
    made = config.load(folder)
    for wrong in ("a", "b", "\ud800", "x" * (config.LONGEST_PASSWORD + 1), ""):
        assert not config.verify(made, "blubilling", wrong)
    broken = replace(made, password_hash=f"$argon2id$v=19$m=1,t=1,p=9${'c' * 22}${'d' * 43}")
    for _ in range(3):
        with pytest.raises(WorkspaceError):
            config.verify(broken, "blubilling", PASSWORD)
    assert config.verify(made, "blubilling", PASSWORD)


@pytest.mark.parametrize(
    "damage",
    [
        lambda known: "",
        lambda known: known[:-1],
        lambda known: known + "=",
        lambda known: known.replace("argon2id", "argon2"),
        lambda known: known.replace("$m=", "$m=9999"),
        lambda known: "é",
        lambda known: 5,
        lambda known: PASSWORD,
    ],
)
def test_a_damaged_hash_says_what_to_do_and_is_no_right_password(folder: Path, damage: object) -> None:
    made = config.load(folder)
    config.save(folder, replace(made, password_hash=damage(made.password_hash)))  # type: ignore[operator]
    with Workspace(folder) as ws:
        for password in (PASSWORD, "", "5"):
            with pytest.raises(
                WorkspaceError, match=r"damaged: set the password with `toolkit password`"
            ) as told:
                ws.verify_password(ws.user, password)
            assert PASSWORD not in str(told.value)
        assert Exchange(ws).authenticate(ws.user, PASSWORD) == ("", "busy"), "no fault of ours for the client"


def test_a_password_that_is_too_long_or_cannot_be_typed_is_refused() -> None:
    for password in ("", "  ", "x" * (config.LONGEST_PASSWORD + 1), "a\tb", "a\nb", "\udcff", "\x00"):
        with pytest.raises(UsageError, match="password") as told:
            config.hash_password(password)
        assert not password.strip() or password not in str(told.value)


def test_any_password_that_can_be_typed_is_taken(folder: Path) -> None:
    made = config.load(folder)
    for password in ("é ñ 漢 🎉", " leading and trailing ", "x" * config.LONGEST_PASSWORD):
        known = replace(made, password_hash=config.hash_password(password))
        assert config.verify(known, "blubilling", password)
        assert not config.verify(known, "blubilling", password + " ")


# --- changes ------------------------------------------------------------------------------------------------


def test_a_change_keeps_everything_else(folder: Path) -> None:
    with Workspace(folder) as ws:
        ws.set("page_size", "77")
    before = config.load(folder)
    hashed = config.hash_password("another")
    assert config.change(folder, password_hash=hashed) == replace(before, password_hash=hashed)
    assert config.load(folder) == replace(before, password_hash=hashed)


def test_a_server_sees_a_change_at_once(folder: Path) -> None:
    with Workspace(folder) as ws, ws.reserve():
        assert ws.verify_password(ws.user, PASSWORD)
        config.change(folder, password_hash=config.hash_password("another"))
        assert not ws.verify_password(ws.user, PASSWORD)
        assert ws.verify_password(ws.user, "another")


def _count(folder: str, name: str, times: int) -> None:
    for number in range(times):
        if name == "settings":
            Workspace(folder).set("page_size", str(number + 1))
        else:
            config.change(Path(folder), user=f"user {number}")


def test_two_processes_that_change_it_lose_nothing(folder: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=_count, args=(str(folder), "user", 30))
    other.start()
    for _ in range(2):
        _count(str(folder), "settings", 15)
    other.join()
    assert other.exitcode == 0
    found = config.load(folder)
    assert (found.user, found.settings["page_size"]) == ("user 29", 15)
    assert found.settings.explicit() == Settings({"page_size": 15}).explicit()


def test_a_setting_that_is_set_meanwhile_keeps_the_new_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_text = Settings.with_text
    hashed = config.hash_password("another")

    def slowly(settings: Settings, key: str, text: str) -> Settings:
        monkeypatch.undo()
        config.change(folder, password_hash=hashed)
        return with_text(settings, key, text)

    with Workspace(folder) as ws:
        monkeypatch.setattr(Settings, "with_text", slowly)
        ws.set("page_size", "7")
    found = config.load(folder)
    assert (found.password_hash, found.settings["page_size"]) == (hashed, 7)


def test_a_file_that_another_process_holds_is_not_waited_for_without_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "_LOCK_SECONDS", 0.05)
    before = (folder / config.FILE).read_bytes()
    with filelock.FileLock(folder / config.LOCK_FILE), pytest.raises(WorkspaceError, match="another process"):
        config.change(folder, user="x")
    assert (folder / config.FILE).read_bytes() == before
