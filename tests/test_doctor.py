"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import datetime as dt
import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from web_connector_calls import Scripted

from toolkit import doctor
from toolkit.doctor import Reply, examine, probe
from toolkit.tables import from_rows
from toolkit.wc_http import Server
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


def test_a_workspace_in_use_is_all_good(ws: Workspace, clock: Clock) -> None:
    ticket = ws.ledger.open_session("blubilling")
    ws.ledger.learn("company_name", "Acme Inc")
    ws.ledger.close_session(ticket, "OK")
    checks = examine(ws, knock=lambda url: Reply(ws.id), clock=clock)
    assert [check for check in checks if not check.good] == []
    assert len({check.name for check in checks}) == len(checks) == 11


def test_a_fresh_one_needs_the_web_connector_and_nothing_else(ws: Workspace, clock: Clock) -> None:
    checks = examine(ws, knock=lambda url: None, clock=clock)
    assert [check.name for check in checks if not check.good] == ["company", "last call"]
    assert all("Update Selected" in check.message for check in checks if not check.good)


@pytest.mark.parametrize(
    ("url", "good", "code"),
    [
        ("http://localhost:8085/", True, ""),
        ("https://qb.example.com/", True, ""),
        ("http://qb.example.com/", False, "QBWC1010"),
        ("https://192.0.2.1/", False, "QBWC1001"),
        ("http://127.0.0.1:8085/", False, "QBWC1001"),
        ("https://[2001:db8::1]/", False, "QBWC1001"),
    ],
)
def test_url(url: str, good: bool, code: str) -> None:
    found, message = doctor._url(url)
    assert found is good
    assert code in message


def test_no_qwc_file(ws: Workspace, look: Look) -> None:
    (qwc,) = ws.path.glob("*.qwc")
    qwc.unlink()
    good, message = look("qwc file")
    assert not good
    assert "write_qwc" in message
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


@pytest.mark.parametrize(
    ("reply", "good", "says"),
    [
        (None, True, "toolkit serve"),
        (Reply(None), False, "another program"),
        (Reply("other"), False, "another workspace"),
    ],
)
def test_server(look: Look, reply: Reply | None, good: bool, says: str) -> None:
    found, message = look("server", reply)
    assert found is good
    assert says in message


def test_a_server_elsewhere_that_nobody_answers_for(tmp_path: Path, clock: Clock) -> None:
    with Workspace.create(
        tmp_path / "far", company="Far", password="pw", url="https://qb.example.com/", clock=clock
    ) as far:
        checks = {check.name: check for check in examine(far, knock=lambda url: None, clock=clock)}
    assert not checks["server"].good
    assert not checks["cutover date"].good
    assert "toolkit set cutover_date" in checks["cutover date"].message


def test_a_damaged_table_is_named_with_its_remedy(ws: Workspace, look: Look) -> None:
    ws.write("billing.plans", from_rows("billing.plans", []))
    assert look("tables") == (True, "1 tables, all readable")
    path = ws.path / "billing" / "plans.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    good, message = look("tables")
    assert not good
    assert "billing.plans" in message
    assert "toolkit" in message
    assert "load" in message


def test_disk_space(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**8))
    assert look("disk space") == (False, "only 0.1 GB free: make room before the next import")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**10))
    assert look("disk space") == (True, "10.0 GB free")


def test_a_synchronised_folder(tmp_path: Path) -> None:
    for name in ("OneDrive - Acme", "Dropbox"):
        (tmp_path / name).mkdir()
        good, message = doctor._folder(tmp_path / name)
        assert not good
        assert name in message
    assert doctor._folder(tmp_path)[0]


def test_a_network_drive() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\nserver:/x /mnt/the\\040books nfs4 rw 0 0\n"
        "host:/y /home/u fuse.sshfs rw 0 0\nbroken\n"
    )
    assert doctor._network_mount(PurePosixPath("/mnt/the books/acme"), mounts)
    assert doctor._network_mount(PurePosixPath("/home/u/acme"), mounts)
    assert not doctor._network_mount(PurePosixPath("/mnt/other"), mounts)
    assert not doctor._network_mount(PurePosixPath("/mnt/other"), "")
    assert doctor._on_network(PureWindowsPath(r"\\server\share\acme"))  # type: ignore[arg-type]


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


# --- who answers --------------------------------------------------------------------------------------------


@pytest.mark.network
def test_probe_knows_our_server_from_others_and_from_nobody(ws: Workspace) -> None:
    server = Server(ws, port=0, exchange=Scripted())
    server.start()
    try:
        assert probe(server.url) == Reply(ws.id)
    finally:
        server.stop()
    assert probe(server.url) is None


@pytest.mark.network
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_probe_of_something_else(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n[]")

        thread = threading.Thread(target=answer)
        thread.start()
        assert probe(f"{scheme}://127.0.0.1:{port}/") == Reply(None)
        thread.join()
