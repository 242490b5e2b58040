"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import cli_world
import pytest
from cli_world import Toolkit
from exchange_world import World

from toolkit import doctor, doctor_disk, workspace_config
from toolkit.cli import shared
from toolkit.doctor import Reply, examine
from toolkit.exchange_next import NOTHING
from toolkit.workspace import Workspace

START = dt.datetime(2026, 1, 15, 12, 0)


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ws(tmp_path: Path, clock: Clock) -> Iterator[Workspace]:
    with Workspace.create(
        tmp_path / "acme", company="Acme", password="pw", cutover_date="2025-12-31", clock=clock
    ) as made:
        yield made


@pytest.fixture
def look(ws: Workspace, clock: Clock) -> Callable[..., tuple[bool, str]]:
    """Return a function that gives one check by its name."""

    def one(name: str, reply: Reply | None = None) -> tuple[bool, str]:
        checks = {check.name: check for check in examine(ws, knock=lambda url: reply, clock=clock)}
        return checks[name].good, checks[name].message

    return one


Look = Callable[..., tuple[bool, str]]


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


def test_a_workspace_in_use_is_all_good(ws: Workspace, clock: Clock) -> None:
    ticket = ws.ledger.open_session("blubilling")
    ws.ledger.learn("company_name", "Acme Inc")
    ws.ledger.close_session(ticket, "OK")
    checks = examine(ws, knock=lambda url: Reply(ws.id, root=200, support=200), clock=clock)
    assert [check for check in checks if not check.good] == []
    assert len({check.name for check in checks}) == len(checks) == 16


def test_a_fresh_one_needs_the_web_connector_and_nothing_else(ws: Workspace, clock: Clock) -> None:
    checks = examine(ws, knock=lambda url: None, clock=clock)
    assert [check.name for check in checks if not check.good] == ["company", "last call"]
    assert all("Update Selected" in check.message for check in checks if not check.good)


def test_no_qwc_file(ws: Workspace, look: Look) -> None:
    (qwc,) = ws.path.glob("*.qwc")
    qwc.unlink()
    good, message = look("qwc file")
    assert not good
    assert "`toolkit qwc`" in message
    ws.write_qwc()
    assert look("qwc file")[0]


@pytest.mark.parametrize("element", ["FileID", "OwnerID", "AppURL", "UserName"])
def test_a_qwc_file_of_another_identity(ws: Workspace, look: Look, element: str) -> None:
    (qwc,) = ws.path.glob("*.qwc")
    text = qwc.read_text(encoding="utf-8")
    before, _, after = text.partition(f"<{element}>")
    qwc.write_text(f"{before}<{element}>x{after}", encoding="utf-8")
    good, message = look("qwc file")
    assert not good
    assert element in message


def test_a_qwc_file_whose_support_page_is_elsewhere_or_that_is_none(ws: Workspace, look: Look) -> None:
    (qwc,) = ws.path.glob("*.qwc")
    text = qwc.read_text(encoding="utf-8")
    assert "<AppSupport>http://localhost" in text
    qwc.write_text(text.replace("<AppSupport>http://localhost", "<AppSupport>http://other"), encoding="utf-8")
    assert "QBWC1000" in look("qwc file")[1]
    qwc.write_text("<QBWCXML>", encoding="utf-8")
    assert look("qwc file") == (False, f"{qwc.name} cannot be read: {doctor._WRITE_QWC}")


def test_a_server_elsewhere_that_nobody_answers_for(tmp_path: Path, clock: Clock) -> None:
    with Workspace.create(
        tmp_path / "far", company="Far", password="pw", url="https://qb.example.com/", clock=clock
    ) as far:
        checks = {check.name: check for check in examine(far, knock=lambda url: None, clock=clock)}
    assert not checks["server"].good
    assert not checks["cutover date"].good
    assert "toolkit set cutover_date" in checks["cutover date"].message


@pytest.mark.parametrize("element", doctor._REQUIRED)
def test_a_qwc_file_that_lacks_an_element(ws: Workspace, look: Look, element: str) -> None:
    (qwc,) = ws.path.glob("*.qwc")
    text, count = re.subn(rf"\s*<{element}( />|>.*</{element}>)", "", qwc.read_text(encoding="utf-8"))
    assert count == 1
    qwc.write_text(text, encoding="utf-8")
    good, message = look("qwc file")
    assert not good
    assert element in message
    assert element in doctor._IDENTITY or "QBWC1039" in message


def test_a_qwc_file_that_was_made_before_a_setting_changed(ws: Workspace, look: Look) -> None:
    ws.set("poll_minutes", "7")
    good, message = look("qwc file")
    assert not good
    assert "says RunEveryNMinutes 5, and this workspace 7: `toolkit qwc`" in message
    ws.write_qwc()
    assert look("qwc file")[0]
    (qwc,) = ws.path.glob("*.qwc")
    text = qwc.read_text(encoding="utf-8")
    qwc.write_text(text.replace("<IsReadOnly>false", "<IsReadOnly>true"), encoding="utf-8")
    assert "says IsReadOnly true, and this workspace false" in look("qwc file")[1]
    words = text.replace("<AppDescription>", "<AppDescription>Ours: ")
    assert words != text
    qwc.write_text(words, encoding="utf-8")
    assert look("qwc file")[0], "words are everybody's own business"


def test_the_password(ws: Workspace, look: Look, toolkit: Toolkit, monkeypatch: pytest.MonkeyPatch) -> None:
    good, message = look("password")
    assert good
    assert "QBWC1030 or QBWC1040" in message
    whole = workspace_config.load(ws.path).password_hash
    for damaged, said in ((whole[:-30], "`toolkit password`"), ("", "none is set: `toolkit password` sets")):
        workspace_config.change(ws.path, password_hash=damaged)
        good, message = look("password")
        assert not good
        assert said in message
    monkeypatch.setenv("TOOLKIT_WC_PASSWORD", "another one")
    assert toolkit("-w", ws.path, "password").code == 0
    assert look("password")[0]


def test_disk_space(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**8))
    assert look("disk space") == (False, "only 0.1 GB free: make room before the next import")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**10))
    assert look("disk space") == (True, "10.0 GB free")


def test_disk_space_for_large_tables(ws: Workspace, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A landing writes them anew before the old ones go."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 4 * 10**9))
    assert look("disk space")[0]
    with (ws.path / "quickbooks" / "invoices.parquet").open("wb") as table:
        table.truncate(5 * 10**9)  # a hole, not five gigabytes
    assert doctor_disk.space(ws.path) == (False, "only 4.0 GB free: make room before the next import")


def test_a_synchronised_folder(tmp_path: Path) -> None:
    for name in ("OneDrive - Acme", "Dropbox"):
        (tmp_path / name).mkdir()
        good, message = doctor_disk.place(tmp_path / name)
        assert not good
        assert name in message
    assert doctor_disk.place(tmp_path)[0]


def test_a_network_drive() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\nserver:/x /mnt/the\\040books nfs4 rw 0 0\n"
        "host:/y /home/u fuse.sshfs rw 0 0\nbroken\n"
    )
    assert doctor_disk._network_mount(PurePosixPath("/mnt/the books/acme"), mounts)
    assert doctor_disk._network_mount(PurePosixPath("/home/u/acme"), mounts)
    assert not doctor_disk._network_mount(PurePosixPath("/mnt/other"), mounts)
    assert not doctor_disk._network_mount(PurePosixPath("/mnt/other"), "")
    assert doctor_disk._on_network(PureWindowsPath(r"\\server\share\acme"))  # type: ignore[arg-type]


def test_a_ledger_that_cannot_be_used(ws: Workspace, look: Look) -> None:
    ws.close()
    (ws.path / "ledger.sqlite").write_bytes(b"no database at all, and longer than a header of SQLite" * 30)
    for rest in ws.path.glob("ledger.sqlite-*"):
        rest.unlink()
    good, message = look("ledger")
    assert not good
    assert "ledger.sqlite" in message


def test_jobs_wait_and_nobody_has_called_for_long(ws: Workspace, look: Look, clock: Clock) -> None:
    ws.ledger.close_session(ws.ledger.open_session("blubilling"), "OK")
    clock.now += dt.timedelta(days=3)
    assert look("last call") == (True, "the Web Connector last called 3 days ago (2026-01-15 12:00)")
    ws.queue_import("items")
    good, message = look("last call")
    assert not good
    assert message.startswith("jobs that wait: 1; the Web Connector last called 3 days ago")
    recent = Reply(ws.id, last_poll=clock.now - dt.timedelta(minutes=5))
    assert look("last call", recent)[0]  # the server knows of a call that found nothing to do
    assert not look("last call", Reply("other", last_poll=clock.now))[0]


def test_the_setting_says_how_long_is_too_long(ws: Workspace, look: Look, clock: Clock) -> None:
    ws.set("poll_minutes", "10")
    ws.ledger.close_session(ws.ledger.open_session("blubilling"), "OK")
    clock.now += dt.timedelta(hours=2)
    ws.queue_import("items")
    assert look("last call")[0], "it waits since just now"
    clock.now += dt.timedelta(minutes=30)
    assert look("last call")[0]
    clock.now += dt.timedelta(minutes=1)
    good, message = look("last call")
    assert not good
    assert message.startswith(
        "jobs that wait: 1; the Web Connector last called 2 hours ago (2026-01-15 12:00)"
    )
    assert "start `toolkit serve`" in message
    assert "start `toolkit serve`" not in look("last call", Reply(ws.id))[1]
    assert look("last call", Reply(ws.id, last_poll=clock.now - dt.timedelta(minutes=29)))[0]


# --- the clock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["job", "session", "decision"])
def test_a_ledger_from_the_future(ws: Workspace, look: Look, clock: Clock, what: str) -> None:
    assert look("clock") == (True, "2026-01-15 12:00, and nothing in the ledger is later")
    clock.now += dt.timedelta(hours=5)
    if what == "job":
        ws.queue_import("items")
    elif what == "session":
        ws.ledger.open_session("blubilling")
    else:
        ws.ledger.decide("customers", [{"account_number": "A1", "decision": "(ignore)"}], "ann")
    clock.now = START + dt.timedelta(hours=5, minutes=-2)
    assert look("clock")[0], "two minutes are no error"
    clock.now = START
    good, message = look("clock")
    assert not good
    assert message.startswith(
        "the ledger knows something from 5 hours after this machine's time, 2026-01-15 12:00: set the clock"
    )


def test_the_clock_of_a_server_elsewhere(ws: Workspace, look: Look) -> None:
    for minutes, said in ((3, "3 minutes ahead of"), (-300, "5 hours behind")):
        good, message = look("clock", Reply(ws.id, ahead=dt.timedelta(minutes=minutes)))
        assert not good
        assert message == f"the server's clock is {said} this machine's: set both right"
    assert look("clock", Reply(ws.id, ahead=dt.timedelta(minutes=-2)))[0]
    assert look("clock", Reply("another's", ahead=dt.timedelta(hours=3)))[0]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can be set on Unix only")
def test_the_end_of_summer_time_is_no_fault(
    ws: Workspace, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    try:
        clock.now = dt.datetime(2026, 11, 1, 1, 55)  # summer time: five minutes later it is one o'clock again
        ws.queue_import("items")
        for hour, minute, good in ((1, 0, True), (0, 50, False)):
            clock.now = dt.datetime(2026, 11, 1, hour, minute)
            assert doctor._clock(ws, None, clock.now)[0] is good
        clock.now = dt.datetime(2026, 11, 2, 1, 55)
        ws.queue_import("items")
        assert not doctor._clock(ws, None, dt.datetime(2026, 11, 2, 1, 0))[0]
    finally:
        monkeypatch.undo()
        time.tzset()


# --- sessions -----------------------------------------------------------------------------------------------


def test_a_session(ws: Workspace, look: Look, clock: Clock) -> None:
    assert look("session") == (True, "none is open")
    ws.queue_import("items")
    ticket = ws.ledger.open_session("blubilling")
    assert look("session") == (True, "one is open and at work")
    clock.now += dt.timedelta(hours=1)
    good, message = look("session")
    assert not good
    assert "left open at 2026-01-15 12:00" in message
    (query,) = ws.ledger.queries(1)
    ws.ledger.open_set(ticket, "read", None, b"<QBXML/>", [query.id])
    clock.now += dt.timedelta(hours=1)
    good, message = look("session")
    assert not good
    assert "requests in hand, since 2026-01-15 13:00" in message


def test_a_session_that_ended_badly(ws: Workspace, look: Look) -> None:
    ticket = ws.ledger.open_session("blubilling")
    ws.ledger.set_session_error(ticket, "Another company is open.")
    ws.ledger.close_session(ticket, "Another company is open.")
    assert look("session") == (False, "the last one ended with: Another company is open.")


def test_a_session_that_found_nothing_to_send_ended_well(tmp_path: Path) -> None:
    """As when its only job is held between its first call and its second."""
    world = World.make(tmp_path)
    (job,) = world.ws.queue_import("items")
    ticket = world.open()
    world.ws.ledger.hold(job, "ann")
    assert world.ask(ticket, first=True) == ""
    assert world.exchange.last_error(ticket) == NOTHING
    world.exchange.close(ticket)
    (found,) = [check for check in examine(world.ws, knock=lambda url: None) if check.name == "session"]
    assert (found.good, found.message) == (True, "none is open")
    world.ws.close()


# --- the codes that people meet -----------------------------------------------------------------------------

SEEN_HERE = {
    "url": "1001 1002 1010 1051",
    "qwc file": "1000 1034 1039",
    "support page": "1003 1004",
    "certificate": "1048",
    "server": "1035",
    "password": "1030 1040",
    "log": "1012 1036 1041 1042 1043 1044 1045 1046",
    # What QuickBooks or the Web Connector said in a session is its error, in plain words.
    "session": "1007 1008 1009 1013 1014 1015 1021 1022 1023 1024 1031 1037",
}
"""Which check speaks of a code of the Web Connector, or of what leads to it."""
SEEN_THERE = "1005 1006 1011 1016 1017 1018 1019 1020 1025 1026 1027 1028 1029 1032 1033 1038 1085"
"""Its own log, registry and encryption, messages on selecting, a FileID in use: no server learns of them."""


def test_every_code_of_the_protocol_is_somebodys(ws: Workspace, shared: Path) -> None:
    text = (shared / "reference" / "PROTOCOL.md").read_text(encoding="utf-8")
    row = text.partition("### 7.4 ")[2].partition("Sources:")[0]
    listed = set()
    for first, more, last in re.findall(r"\b(1[0-9]{3})((?:/1[0-9]{3})*)(?:–(1[0-9]{3}))?", row):
        listed |= {str(code) for code in range(int(first), int(last or first) + 1)} | set(more.split("/")) - {
            ""
        }
    assert len(listed) > 45
    here = {code for codes in SEEN_HERE.values() for code in codes.split()}
    assert here | set(SEEN_THERE.split()) == listed
    reply = Reply(ws.id, root=200, support=200, distrust="x")
    names = {check.name for check in examine(ws, knock=lambda url: reply)}
    assert names >= SEEN_HERE.keys()


# --- for people ---------------------------------------------------------------------------------------------


@pytest.mark.network  # it looks whether a server runs
def test_it_reads_well_in_a_narrow_terminal(
    ws: Workspace, toolkit: Toolkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "WIDTH_OF_A_FILE", 80)
    ws.ledger.learn("company_name", "Fish & Chips [bold]Ltd[/bold]")
    said = toolkit("-w", ws.path, "doctor")
    lines = said.out.splitlines()
    assert said.code == 1
    assert max(map(len, lines)) <= 80
    assert all(re.match(r"(good|MEND)  [a-z]+( [a-z]+)?: |      \S", line) for line in lines)
    assert "company: bound to Fish & Chips [bold]Ltd[/bold]" in said.out
