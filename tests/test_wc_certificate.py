"""A certificate of our own: what it says, that who imported it trusts it, and where its key stays."""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit, fingerprint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from toolkit import wc_certificate
from toolkit.errors import UsageError
from toolkit.wc_certificate import CERTIFICATE, DAYS, FOLDER, KEY, inspect, make, read
from toolkit.wc_http import Server
from toolkit.workspace import Workspace
from toolkit.workspace_backup import backup, open_backup
from toolkit.workspace_files import put_in_place

NOW = dt.datetime(2026, 4, 1, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
HOST = "books.example.com"


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cli_world.workspace_at("fresh", tmp_path_factory.getbasetemp(), tmp_path / "fresh")


# --- what it says -------------------------------------------------------------------------------------------


def test_old_dotnet_and_new_browsers_take_what_it_is(tmp_path: Path) -> None:
    made = make(tmp_path / "tls", [HOST, "localhost", "127.0.0.1", "[::1]", HOST], now=NOW)
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert key.public_key() == found.public_key()
    assert isinstance(found.signature_hash_algorithm, hashes.SHA256)
    assert found.version is x509.Version.v3
    said = {type(one.value): one for one in found.extensions}
    assert list(said[x509.ExtendedKeyUsage].value) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert said[x509.BasicConstraints].value == x509.BasicConstraints(ca=False, path_length=None)
    usage = said[x509.KeyUsage].value
    assert isinstance(usage, x509.KeyUsage)
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    assert said[x509.BasicConstraints].critical
    assert found.subject == found.issuer
    assert HOST in found.subject.rfc4514_string()
    assert made.says == wc_certificate.Certificate(
        names=(HOST, "localhost", "127.0.0.1", "::1"),
        not_before=dt.datetime(2026, 3, 31, 17, 30, 15, tzinfo=dt.UTC),
        not_after=dt.datetime(2026, 3, 31, 17, 30, 15, tzinfo=dt.UTC) + dt.timedelta(days=DAYS),
        self_signed=True,
    )
    assert DAYS <= 825
    assert read(made.certificate) == made.says
    assert inspect(ssl.PEM_cert_to_DER_cert(made.certificate.read_text())) == made.says


def test_two_are_never_the_same(tmp_path: Path) -> None:
    one, other = (make(tmp_path / name, [HOST], now=NOW) for name in "ab")
    assert one.certificate.read_bytes() != other.certificate.read_bytes()
    assert one.key.read_bytes() != other.key.read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("BOOKS.example.com.", HOST),
        ("büro.example", "xn--bro-hoa.example"),
        ("PC_7", "pc_7"),
        ("0:0::1", "::1"),
        ("a" * 63 + "." + "b" * 63 + ".example", "a" * 63 + "." + "b" * 63 + ".example"),
    ],
)
def test_names_are_written_as_clients_compare_them(tmp_path: Path, name: str, said: str) -> None:
    assert make(tmp_path / "tls", [name]).says.names == (said,)


@pytest.mark.parametrize(
    "name", ["", " ", "a..b", "*.example.com", "http://a", "a b", "-a", "a" * 64, "ab." * 90, "a,DNS:b"]
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a machine"):
        make(tmp_path / "tls", [HOST, name])
    with pytest.raises(UsageError, match="needs the name"):
        make(tmp_path / "tls", [])
    assert not (tmp_path / "tls").exists()


def test_what_others_sign_is_told_apart(tmp_path: Path) -> None:
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "One & the same")])
    for issuer in (name, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An authority")])):
        found = (
            x509.CertificateBuilder(issuer, name, own.public_key(), x509.random_serial_number())
            .not_valid_before(dt.datetime(2026, 1, 1))
            .not_valid_after(dt.datetime(2026, 2, 1))
            .sign(authority, hashes.SHA256())
        )
        says = inspect(found.public_bytes(serialization.Encoding.DER))
        assert says.names == ("One & the same",)
        assert not says.self_signed
        assert says.not_after == dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.cer"
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    for text in ("", "nothing", f"{end}{begin}", f"{begin}\n!!!\n{end}", f"{begin}\nYWJj\n{end}"):
        path.write_text(text)
        with pytest.raises(UsageError, match="no certificate in PEM"):
            read(path)
    with pytest.raises(UsageError):
        read(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"parsing|ASN|DER"):
        inspect(b"abc")


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="files of Windows have no mode")
def test_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = make(tmp_path / "tls", [HOST])
    finally:
        os.umask(before)
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert made.key.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_replaced_unless_that_is_said_and_then_it_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    first = make(folder, [HOST], now=NOW)
    before = fingerprint(folder)
    with pytest.raises(UsageError, match="--renew"):
        make(folder, [HOST], now=NOW)
    assert fingerprint(folder) == before
    for number in range(2):
        again = make(folder, ["other"], now=NOW, renew=True)
        assert [path.suffix for path in again.kept] == [".cer", ".key"]
        assert len(list(folder.iterdir())) == 4 + 2 * number
    oldest = [folder / f"toolkit-before-20260401T173015Z.{kind}" for kind in ("cer", "key")]
    for kept, path in zip(oldest, (first.certificate, first.key), strict=True):
        kept.replace(path)
    assert {name: fingerprint(folder)[name] for name in before} == before


def test_a_certificate_without_its_key_is_not_replaced_either(tmp_path: Path) -> None:
    make(tmp_path, [HOST]).key.unlink()
    with pytest.raises(UsageError, match=CERTIFICATE):
        make(tmp_path, [HOST])
    assert len(make(tmp_path, [HOST], renew=True).kept) == 1


@pytest.mark.parametrize(("standing", "step"), [(False, 1), (False, 2), *((True, n) for n in range(1, 5))])
def test_what_fails_half_way_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standing: bool, step: int
) -> None:
    calls = itertools.count(1)

    def full(temporary: Path, path: Path) -> None:
        if next(calls) == step:
            raise OSError("the disk is full")
        put_in_place(temporary, path)

    if standing:
        make(tmp_path, [HOST])
    before = fingerprint(tmp_path)
    monkeypatch.setattr("toolkit.wc_certificate.put_in_place", full)
    with pytest.raises(OSError, match="disk is full"):
        make(tmp_path, ["other"], renew=True)
    assert fingerprint(tmp_path) == before


# --- served with it -----------------------------------------------------------------------------------------


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return what a machine has on which the certificate was imported, as strict as Python 3.13 is."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.network
def test_who_trusts_it_reaches_the_server_by_its_name(folder: Path, tmp_path: Path) -> None:
    made = make(folder / FOLDER, [HOST, "localhost"])
    other = make(tmp_path / "other", [HOST, "localhost"])
    with Workspace(folder) as ws:
        server = Server(ws, port=0, tls_cert=made.certificate, tls_key=made.key)
        server.start()
        try:
            port = int(server.url.rstrip("/").rpartition(":")[2])
            connection = http.client.HTTPSConnection(
                "localhost", port, timeout=10, context=trusting(made.certificate)
            )
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
            for context, name, said in (
                (trusting(made.certificate), "elsewhere.example.com", "match"),
                (trusting(other.certificate), "localhost", "verify failed"),
                (ssl.create_default_context(), "localhost", "self.signed"),
            ):
                with pytest.raises(ssl.SSLCertVerificationError, match=said):
                    _shake(context, port, name)
            assert _shake(trusting(made.certificate), port, HOST) in ("TLSv1.2", "TLSv1.3")
            der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=10))
            assert inspect(der) == made.says
            old = trusting(made.certificate)
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            assert _shake(old, port, HOST) == "TLSv1.2"
        finally:
            server.stop()


def _shake(context: ssl.SSLContext, port: int, name: str) -> str | None:
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=name) as wrapped:
        return wrapped.version()


# --- the command --------------------------------------------------------------------------------------------


def test_cert_is_for_the_host_of_the_url(toolkit: Toolkit, folder: Path) -> None:
    assert toolkit("-w", folder, "qwc", "--url", f"https://{HOST}:8085/").code == 0
    said = toolkit("-w", folder, "cert", "--name", "server-7", "--json")
    assert said.code == 0
    document: dict[str, Any] = said.json
    assert document["names"] == [HOST, "server-7", "localhost"]
    assert document["certificate"] == str(folder / "tls" / CERTIFICATE)
    assert document["key"] == str(folder / "tls" / KEY)
    assert document["kept"] == []
    assert dt.datetime.fromisoformat(document["not_before"]) < dt.datetime.now(dt.UTC)
    shown = toolkit("-w", folder, "cert", "--renew")
    assert "certutil -addstore -f Root toolkit.cer" in shown.out
    assert "Trusted Root Certification Authorities" in shown.out
    assert f'serve --host 0.0.0.0 --tls-cert "{folder / "tls" / CERTIFICATE}"' in shown.out
    assert shown.out.count("The one before is") == 2


def test_cert_refuses_what_makes_no_sense(toolkit: Toolkit, folder: Path) -> None:
    before = fingerprint(folder)
    plain = toolkit("-w", folder, "cert")
    assert (plain.code, plain.out) == (2, "")
    assert "needs no certificate" in plain.err
    assert f"toolkit -w {folder} qwc --url https://NAME:8085/" in plain.err
    assert toolkit("-w", folder, "cert", "--name", "a b").code == 2
    assert fingerprint(folder) == before
    assert toolkit("-w", folder, "cert", "--name", "server-7").code == 0
    again = toolkit("-w", folder, "cert", "--name", "server-7")
    assert again.code == 2
    assert "--renew" in again.err


def test_the_key_stays_where_it_is(toolkit: Toolkit, folder: Path, tmp_path: Path) -> None:
    toolkit("-w", folder, "cert", "--name", "server-7")
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "server.jsonl").write_text("{}")
    secret = (folder / FOLDER / KEY).read_bytes()
    with Workspace(folder) as ws:
        ws.copy_to(tmp_path / "copy").close()
    backup(folder, tmp_path / "a.zip", whole=True)
    with open_backup(tmp_path / "a.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith(("tls", "logs"))]
    assert not (tmp_path / "copy" / "tls").exists()
    assert not (tmp_path / "copy" / "logs").exists()
    for path in (tmp_path / "copy").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()
