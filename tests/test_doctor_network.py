"""What the doctor finds at the workspace's URL: real servers, real certificates, and what is no server."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import errno
import hashlib
import http.server
import json
import socket
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from web_connector_calls import Scripted, document

from toolkit import doctor_network, wc_certificate, workspace_config
from toolkit.doctor import Check, examine
from toolkit.doctor_certificate import certificate
from toolkit.doctor_network import Reply, pages, probe, server, url_form
from toolkit.wc_http import Server
from toolkit.workspace import Workspace

URL = "https://localhost:8443/"
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(
        tmp_path / "acme", company="Acme", password="pw", cutover_date="2025-12-31"
    ) as made:
        yield made


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


def said_of(ws: Workspace, name: str, url: str) -> tuple[bool, str]:
    """Return one check of a workspace whose URL it is, looked at over the network."""
    workspace_config.change(ws.path, url=url)
    (found,) = [check for check in examine(ws) if check.name == name]
    return found.good, found.message


# --- the form of the URL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "good", "code"),
    [
        ("http://localhost:8085/", True, ""),
        ("https://qb.example.com/", True, ""),
        ("http://qb.example.com/", False, "QBWC1010"),
        ("https://192.0.2.1/", False, "QBWC1001"),
        ("http://127.0.0.1:8085/", False, "QBWC1001"),
        ("https://[2001:db8::1]/", False, "QBWC1001"),
        ("https://[/", False, "is no URL"),
        ("https://localhost:99999/", False, "is no URL"),
        ("ftp://localhost/", False, "is no URL"),
        ("https://localhost:8443", False, "`toolkit qwc --url https://localhost:8443/`"),
    ],
)
def test_url(url: str, good: bool, code: str) -> None:
    found, message = url_form(url)
    assert found is good
    assert code in message


@pytest.mark.network
@pytest.mark.parametrize("url", ["https://[/", "https://localhost:99999/"])
def test_a_url_that_somebody_spoiled_with_an_editor(ws: Workspace, url: str) -> None:
    assert not said_of(ws, "url", url)[0]
    good, message = said_of(ws, "server", url)
    assert not good
    assert "correct it" in message or "hosts file" in message


# --- who answers --------------------------------------------------------------------------------------------


@dataclass
class Other:
    """A server that is not ours, or says that it is.

    Parameters
    ----------
    answers : dict
        Path to status, body and headers; all else is not found.
    """

    answers: dict[str, tuple[int, bytes, dict[str, str]]]
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def serving(self, *, cert: tuple[Path, Path] | None = None) -> Iterator[str]:
        """Serve on this machine, and yield the URL."""
        made = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                made.asked.append(self.path)
                status, body, headers = made.answers.get(self.path, (404, b"", {}))
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cert)
            served.socket = context.wrap_socket(served.socket, server_side=True)
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'https' if cert else 'http'}://localhost:{served.server_address[1]}/"
        finally:
            served.shutdown()
            thread.join()
            served.server_close()


def like_ours(
    ws: Workspace, *, support: int = 200, root: int = 200, under: str = "/", **headers: str
) -> Other:
    """Return a server in front of this workspace's."""
    health = json.dumps({"status": "ok", "workspace": ws.id, "last_poll": None}).encode()
    return Other(
        {
            f"{under}healthz": (200, health, headers),
            under: (root, b"", {}),
            f"{under}support": (support, b"", {}),
        }
    )


@contextmanager
def running(ws: Workspace, *cert: Path) -> Iterator[Server]:
    """Run the workspace's own server."""
    made = Server(ws, "localhost", 0, *cert, exchange=Scripted())
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.network
def test_our_server_is_known_from_another_workspaces_and_from_nobody(ws: Workspace, tmp_path: Path) -> None:
    with running(ws) as made:
        url = made.url
        assert said_of(ws, "server", url) == (True, f"the server of this workspace answers at {url}")
        assert said_of(ws, "support page", url)[0]
        assert said_of(ws, "clock", url)[0]
        reply = probe(url)
        assert reply is not None
        assert (reply.workspace, reply.last_poll, reply.root, reply.support) == (ws.id, None, 200, 200)
        with Workspace.create(tmp_path / "other", company="Other", password="pw") as other:
            good, message = said_of(other, "server", url)
        assert not good
        assert "another workspace's" in message
    assert probe(url) is None
    assert said_of(ws, "server", url) == (
        True,
        f"it does not run, and {url} is free: `toolkit serve` starts it",
    )
    assert server("https://qb.example.com/", ws.id, None)[1].startswith("nobody answers at https://qb")


@pytest.mark.network
def test_a_server_whose_ledger_is_broken(ws: Workspace) -> None:
    broken = like_ours(ws)
    broken.answers["/healthz"] = (503, b'{"status": "failed", "workspace": "", "last_poll": null}', {})
    with broken.serving() as url:
        good, message = said_of(ws, "server", url)
    assert not good
    assert "cannot read its ledger" in message


@pytest.mark.network
@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        (200, b"[]", {}, "another program answers at http://localhost:"),
        (200, b'{"workspace": 1}', {}, "another program"),
        (404, b"nothing", {}, "(status 404): stop it, or give this workspace another port"),
        (
            301,
            b"",
            {"Location": "https://b.example/"},
            "to https://b.example/, where the Web Connector does not",
        ),
        (401, b"", {}, "asks for a login (status 401)"),
        (301, b"", {"Location": "\x1b[2Jx"}, "sends callers on to ?[2Jx, where"),
        (200, b"[" * 9_000, {}, "another program"),
    ],
)
def test_another_program(ws: Workspace, status: int, body: bytes, headers: dict[str, str], says: str) -> None:
    other = Other({"/healthz": (status, body, headers)})
    with other.serving() as url:
        good, message = said_of(ws, "server", url)
        assert not good
        assert says in message
        assert {check.name for check in examine(ws)}.isdisjoint({"support page", "certificate"})
    assert set(other.asked) == {"/healthz"}


@pytest.mark.network
def test_what_speaks_another_language(ws: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            for _ in range(2):
                connection, _ = other.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        good, message = said_of(ws, "server", f"http://localhost:{port}/")
        thread.join()
    assert not good
    assert message.startswith(f"another program answers at http://localhost:{port}/ (220 mail")


@pytest.mark.network
def test_plain_http_where_tls_is_meant(ws: Workspace) -> None:
    with Other({}).serving() as url:
        good, message = said_of(ws, "server", url.replace("http:", "https:"))
    assert not good
    assert "does not speak TLS" in message
    assert "`toolkit cert` makes them" in message


@pytest.mark.network
def test_tls_where_plain_http_is_meant(ws: Workspace, own: Authority) -> None:
    with running(ws, *own.signed("localhost")) as made:
        good, message = said_of(ws, "server", made.url.replace("https:", "http:"))
    assert not good
    assert "another program answers" in message


@pytest.mark.network
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("drips", [False, True])
def test_a_port_that_is_open_and_silent(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, scheme: str, drips: bool
) -> None:
    monkeypatch.setattr(doctor_network, "SECONDS", 0.3)
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while drips and not done.wait(0.02):
                connection.sendall(b"H" if scheme == "http" else b"\x16")
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.05)
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    threads.append(threading.Thread(target=drip, args=(other.accept()[0],)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        started = time.monotonic()
        url = f"{scheme}://localhost:{other.getsockname()[1]}/"
        good, message = said_of(ws, "server", url)
        took = time.monotonic() - started
        done.set()
        for thread in (accepting, *threads):
            thread.join()
    assert not good
    if scheme == "https" and drips:
        assert "does not speak TLS" in message or "says nothing within 0.3 seconds" in message
    else:
        assert message.startswith(
            f"something listens at {url} and says nothing within 0.3 seconds: start it again"
        )
    assert took < 3


@pytest.mark.network
def test_a_port_that_swallows_connections(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_network, "SECONDS", 0.3)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        if sys.platform == "linux":  # which lets those wait for whom there is no place; others refuse them
            for _ in range(4):
                waits = stack.enter_context(socket.socket())
                waits.setblocking(False)
                waits.connect_ex(full.getsockname())
        else:
            monkeypatch.setattr(doctor_network, "_connect", _raising(TimeoutError("timed out")))
        url = f"http://localhost:{full.getsockname()[1]}/"
        good, message = said_of(ws, "server", url)
    assert not good
    assert message == (
        f"nothing answers at {url} within 0.3 seconds: look at firewalls, and whether it is on"
    )


def _raising(error: Exception) -> Callable[..., Any]:
    def raises(*args: Any, **options: Any) -> Any:
        raise error

    return raises


@pytest.mark.network
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://qb.example.com/", "the name qb.example.com is not found (no such host): correct it"),
        ("http://localhost:8085/", "`127.0.0.1 localhost` into the hosts file (QBWC1035)"),
    ],
)
def test_a_name_that_is_not_found(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    error = socket.gaierror(socket.EAI_NONAME, "no such host")
    monkeypatch.setattr(socket, "getaddrinfo", _raising(error))
    good, message = said_of(ws, "server", url)
    assert not good
    assert says in message


@pytest.mark.network
def test_a_name_server_that_does_not_answer(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(doctor_network, "SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: done.wait(10))
    started = time.monotonic()
    good, message = said_of(ws, "server", "https://qb.example.com/")
    done.set()
    assert time.monotonic() - started < 2
    assert not good
    assert "qb.example.com is not found (no answer within 0.1 seconds)" in message


@pytest.mark.network
def test_no_way_there(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.ENETUNREACH, "Network is unreachable")
    monkeypatch.setattr(doctor_network, "_connect", _raising(error))
    good, message = said_of(ws, "server", "http://localhost:8085/")
    assert not good
    assert (
        message
        == "there is no way to localhost (Network is unreachable): look at the network of this machine"
    )


# --- the pages and the clock --------------------------------------------------------------------------------


@pytest.mark.network
def test_only_the_workspaces_own_url_is_called(ws: Workspace) -> None:
    other = like_ours(ws, under="/qb/")
    with other.serving() as url:
        assert said_of(ws, "support page", f"{url}qb/")[0]
    assert sorted(other.asked) == ["/qb/", "/qb/healthz", "/qb/support"]


@pytest.mark.network
@pytest.mark.parametrize(
    ("status", "code"),
    [({"support": 401}, "QBWC1003"), ({"support": 302}, "QBWC1003"), ({"root": 403}, "QBWC1048")],
)
def test_pages_that_the_web_connector_does_not_get(ws: Workspace, status: dict[str, int], code: str) -> None:
    with like_ours(ws, **status).serving() as url:
        good, message = said_of(ws, "support page", url)
        assert said_of(ws, "server", url)[0]
    assert not good
    assert code in message
    assert f"status {next(iter(status.values()))}" in message


@pytest.mark.network
def test_only_whoever_has_the_password_counts_as_the_web_connector(ws: Workspace) -> None:
    served = Server(ws, "localhost", 0)
    served.start()
    try:
        stranger = document("getLastError", "<ticket>made up</ticket>")
        guess = document("authenticate", "<strUserName>blubilling</strUserName><strPassword>no</strPassword>")
        right = document("authenticate", "<strUserName>blubilling</strUserName><strPassword>pw</strPassword>")
        for call, good in ((stranger, False), (guess, False), (right, True)):
            headers = {"Content-Type": "text/xml; charset=utf-8"}
            with urllib.request.urlopen(urllib.request.Request(served.url, call, headers)) as answer:
                assert answer.status == 200
            assert said_of(ws, "last call", served.url)[0] is good
    finally:
        served.stop()


def test_a_support_page_that_is_accepted_is_enough() -> None:
    assert pages(URL, Reply("x", root=200, support=202))[0]


@pytest.mark.network
def test_a_server_whose_clock_is_wrong(ws: Workspace) -> None:
    for minutes, good in ((0, True), (-9, False), (9, False)):
        date = email.utils.format_datetime(
            dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes), usegmt=True
        )
        with like_ours(ws, Date=date).serving() as url:
            found, message = said_of(ws, "clock", url)
        assert found is good
        assert good or "the server's clock is 9 minutes" in message
    for date in ("yesterday", "Fri, 31 Dec 99999 23:59:59 GMT"):
        with like_ours(ws, Date=date).serving() as url:
            assert said_of(ws, "clock", url)[0]


# --- certificates -------------------------------------------------------------------------------------------


@dataclass
class Authority:
    """An authority that signs certificates for the tests."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        made = cls(
            folder, key, _certificate("Test CA", [], key, None, key, NOW, NOW + dt.timedelta(days=900))
        )
        made.pem.write_bytes(made.root.public_bytes(serialization.Encoding.PEM))
        return made

    @property
    def pem(self) -> Path:
        return self.folder / "ca.pem"

    def signed(
        self, *names: str, since: int = -1, until: int = 300, alone: bool = False
    ) -> tuple[Path, Path]:
        """Return certificate and key for some names, good from one day from now to another."""
        key = ec.generate_private_key(ec.SECP256R1())
        start, end = (NOW + dt.timedelta(days=days, hours=1) for days in (since, until))
        signer = (None, key) if alone else (self.root, self.key)
        made = _certificate(names[0], list(names), key, *signer, start, end)
        cert, secret = self.folder / "server.cer", self.folder / "server.key"
        cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
        return cert, secret


def _certificate(
    name: str,
    hosts: list[str],
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signs: ec.EllipticCurvePrivateKey,
    start: dt.datetime,
    end: dt.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(
        issuer.subject if issuer else subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        start,
        end,
    ).add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    if hosts:
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
    return made.sign(signs, hashes.SHA256())


@pytest.fixture
def own(tmp_path: Path) -> Authority:
    """Return an authority that this machine does not know."""
    return Authority.make(tmp_path)


@pytest.fixture
def known(own: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Return an authority that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(own.pem))
    return own


def looked_at(ws: Workspace, cert: tuple[Path, Path]) -> tuple[bool, str]:
    with running(ws, *cert) as made:
        url = made.url.replace("127.0.0.1", "localhost")
        assert said_of(ws, "server", url)[0], "who answers is known whatever its certificate"
        return said_of(ws, "certificate", url)


@pytest.mark.network
def test_a_certificate_that_an_authority_signed(ws: Workspace, known: Authority) -> None:
    good, message = looked_at(ws, known.signed("qb.example.com", "localhost"))
    assert good
    assert (
        message
        == f"trusted, for qb.example.com, localhost, until {NOW + dt.timedelta(days=300, hours=1):%Y-%m-%d}"
    )


@pytest.mark.network
def test_an_authority_that_nobody_knows(ws: Workspace, own: Authority) -> None:
    good, message = looked_at(ws, own.signed("localhost"))
    assert not good
    assert "does not know who signed it (unable to get local issuer certificate; QBWC1048)" in message
    assert "fullchain.pem" in message


@pytest.mark.network
@pytest.mark.parametrize("alone", [False, True])
def test_a_certificate_that_ended(ws: Workspace, known: Authority, alone: bool) -> None:
    good, message = looked_at(ws, known.signed("localhost", since=-90, until=-2, alone=alone))
    assert not good
    assert message.startswith(
        f"it ended on {NOW - dt.timedelta(days=2, hours=-1):%Y-%m-%d}, so that Windows refuses"
    )
    assert message.endswith("make a new one with `toolkit cert --renew`" if alone else "(QBWC1048): renew it")


@pytest.mark.network
def test_a_certificate_that_has_not_begun(ws: Workspace, known: Authority) -> None:
    good, message = looked_at(ws, known.signed("localhost", since=3))
    assert not good
    assert (
        f"it begins on {NOW + dt.timedelta(days=3, hours=1):%Y-%m-%d} only (QBWC1048): set the clock"
        in message
    )


@pytest.mark.network
def test_a_certificate_for_another_name(ws: Workspace, known: Authority) -> None:
    good, message = looked_at(ws, known.signed("qb.example.com", "*.example.org"))
    assert not good
    assert (
        "it is for qb.example.com, *.example.org and not for localhost, so that Windows refuses it" in message
    )
    assert message.endswith("get one for localhost")
    good, message = looked_at(ws, known.signed("qb.example.com", alone=True))
    assert not good
    assert message.endswith("make a new one with `toolkit cert --renew`")


@pytest.mark.network
@pytest.mark.parametrize(("days", "good"), [(29, False), (31, True)])
def test_a_certificate_that_ends_soon(ws: Workspace, known: Authority, days: int, good: bool) -> None:
    found, message = looked_at(ws, known.signed("localhost", until=days))
    assert found is good
    assert good or f"in {days} days: renew it, and start the server again" in message


@pytest.mark.network
def test_our_own_certificate_is_good_where_the_web_connector_has_called_over_it(
    ws: Workspace, tmp_path: Path
) -> None:
    made = wc_certificate.make(tmp_path / "tls", ["localhost"])
    good, message = looked_at(ws, (made.certificate, made.key))
    assert not good
    assert "it signed itself: Windows trusts it after `certutil -addstore -f Root toolkit.cer`" in message
    reply = Reply(ws.id, certificate=made.says, distrust="self-signed certificate")
    start = made.says.not_before
    for called, trusted in ((None, False), (start - dt.timedelta(days=1), False), (NOW, True)):
        assert certificate("localhost", reply, NOW, called)[0] is trusted


def test_only_a_session_proves_that_windows_trusts_our_own_certificate(ws: Workspace, tmp_path: Path) -> None:
    """Whatever else calls may not look at the certificate at all."""
    made = wc_certificate.make(tmp_path / "tls", ["localhost"])
    workspace_config.change(ws.path, url=URL)
    shown = Reply(ws.id, last_poll=dt.datetime.now(), certificate=made.says, distrust="self-signed")
    start = made.says.not_before.astimezone().replace(tzinfo=None)

    def trusted() -> bool:
        return next(
            check.good for check in examine(ws, knock=lambda url: shown) if check.name == "certificate"
        )

    assert not trusted(), "somebody called"
    for moment, proves in ((start - dt.timedelta(hours=1), False), (dt.datetime.now(), True)):
        with Workspace(ws.path, clock=lambda moment=moment: moment) as then:
            then.ledger.open_session("blubilling")
        assert trusted() is proves


@pytest.mark.network
def test_our_own_certificate_once_it_is_trusted(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = wc_certificate.make(tmp_path / "tls", ["localhost"])
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    good, message = looked_at(ws, (made.certificate, made.key))
    assert good
    assert message.startswith("trusted, for localhost, until ")


def test_a_certificate_that_cannot_be_read() -> None:
    good, message = certificate("localhost", Reply("x", distrust="it cannot be read (no DER)"), NOW)
    assert not good
    assert message == "it cannot be read (no DER): make another one with `toolkit cert`"


# --- all of it ----------------------------------------------------------------------------------------------


def state(folder: Path) -> dict[str, str]:
    """Return what is in a folder, without what SQLite keeps while a database is open."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.network
def test_a_workspace_that_is_served_is_looked_at_and_not_changed(
    ws: Workspace, tmp_path: Path, toolkit: Toolkit
) -> None:
    made = wc_certificate.make(tmp_path / "tls", ["localhost"])
    ws.queue_import("items")
    with running(ws, made.certificate, made.key) as served:
        url = served.url.replace("127.0.0.1", "localhost")
        workspace_config.change(ws.path, url=url)
        ws.write_qwc()
        before = state(ws.path)
        bad = [check for check in examine(ws) if not check.good]
        said = toolkit("-w", ws.path, "doctor")
        assert state(ws.path) == before
    assert [check.name for check in bad] == ["certificate", "company", "last call"]
    assert all(isinstance(check, Check) for check in bad)
    assert said.code == 1
    assert f"good  server: the server of this workspace answers at {url}" in said.out
