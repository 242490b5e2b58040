"""A certificate of our own for the endpoint, and what one says: names, dates, who signed it.

No authority signs it, so Windows trusts it where somebody has said so. RSA with 2048 bits, SHA-256 and a
purpose are what every .NET that a Web Connector runs on takes. Source: reference/PROTOCOL.md 1.7.
"""

from __future__ import annotations

import binascii
import datetime as dt
import ipaddress
import itertools
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UsageError
from toolkit.late import late
from toolkit.workspace_files import put_in_place, sync_folder

if TYPE_CHECKING:
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
else:  # whoever serves makes none
    exceptions, x509 = late("cryptography.exceptions"), late("cryptography.x509")
    hashes, serialization, rsa = (
        late(f"cryptography.hazmat.primitives.{name}")
        for name in ("hashes", "serialization", "asymmetric.rsa")
    )

__all__ = ["CERTIFICATE", "FOLDER", "KEY", "Certificate", "Made", "inspect", "make", "read"]

FOLDER = "tls"
"""Where in a workspace both files are; neither a copy nor a backup of it takes the folder."""
CERTIFICATE, KEY = "toolkit.cer", "toolkit.key"
DAYS = 825
"""How long one is good: the longest that all systems take."""
_YESTERDAY = dt.timedelta(days=1)
"""It is good from then on, for the clock of the other machine may be behind ours."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")  # Windows takes _ in a machine's name


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Parameters
    ----------
    names : tuple of str
        Hosts and addresses that it is good for.
    not_before, not_after : datetime
        In UTC.
    self_signed : bool
        Whether nobody else signed it: it is trusted where it was imported, and nowhere else.
    """

    names: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime
    self_signed: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate that was made.

    Parameters
    ----------
    certificate, key : Path
        In PEM; the former is what goes to the other machine, the latter never leaves this one.
    says : Certificate
        What it says.
    kept : tuple of Path
        What stood there before, under its new names.
    """

    certificate: Path
    key: Path
    says: Certificate
    kept: tuple[Path, ...] = ()


def make(folder: Path, names: Sequence[str], *, now: dt.datetime | None = None, renew: bool = False) -> Made:
    """Make a certificate and its key, good for 825 days.

    Parameters
    ----------
    folder : Path
        Where both go; it is made where it is absent, for its owner only.
    names : sequence of str
        Hosts or addresses, the most important first.
    now : datetime, optional
        With its zone.
    renew : bool
        Whether to take the place of what stands there, which is kept beside.

    Raises
    ------
    UsageError
        A name that is none, or something stands there.
    """
    chosen = _names(names)
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)
    certificate, key = folder / CERTIFICATE, folder / KEY
    standing = [path for path in (certificate, key) if path.exists()]
    if standing and not renew:
        raise UsageError(
            f"{standing[0]} is there already: keep it, or make another with --renew (Windows is then to be"
            " told to trust that one)"
        )
    data, secret = _signed(chosen, moment)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = _put({key: (secret, 0o600), certificate: (data, 0o644)}, standing, f"{moment:%Y%m%dT%H%M%SZ}")
    return Made(certificate, key, inspect(_der(data)), kept)


def read(path: Path) -> Certificate:
    """Return what the first certificate in a PEM file says.

    Raises
    ------
    UsageError
        There is none.
    """
    try:
        return inspect(_der(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no certificate in PEM") from error


def inspect(der: bytes) -> Certificate:
    """Return what a certificate says.

    Parameters
    ----------
    der : bytes
        As :meth:`ssl.SSLSocket.getpeercert` gives it.

    Raises
    ------
    ValueError
        It is none.
    """
    found = x509.load_der_x509_certificate(der)
    return Certificate(
        names=_names_of(found),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        self_signed=_signs_itself(found),
    )


# --- making one ---------------------------------------------------------------------------------------------


def _names(names: Sequence[str]) -> list[str]:
    """Return names as a certificate has them, each once; ``UsageError`` for one that is none."""
    chosen: list[str] = []
    for name in names:
        try:
            wanted = str(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            wanted = _host(name)
        if wanted not in chosen:
            chosen.append(wanted)
    if not chosen:
        raise UsageError("a certificate needs the name of the machine that it is for")
    return chosen


def _host(name: str) -> str:
    try:
        wanted = name.strip().rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        wanted = ""
    labels = wanted.split(".")
    if len(wanted) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UsageError(f"{name!r} is no name of a machine, like books.example.com")
    return wanted


def _signed(names: Sequence[str], moment: dt.datetime) -> tuple[bytes, bytes]:
    """Return a certificate and its key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    oid = x509.NameOID
    who = x509.Name(
        [
            x509.NameAttribute(oid.ORGANIZATION_NAME, "BluBilling toolkit"),
            x509.NameAttribute(oid.COMMON_NAME, names[0][:64]),
        ]
    )
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    purpose = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(moment - _YESTERDAY)
        .not_valid_after(moment - _YESTERDAY + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(purpose, critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identity, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()  # a server starts with nobody there to type
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(pem, form, plain)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


# --- reading one --------------------------------------------------------------------------------------------


def _der(data: bytes) -> bytes:
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    start, stop = data.find(begin), data.find(end)
    if not 0 <= start < stop:
        raise ValueError("there is no certificate in it")
    return binascii.a2b_base64(data[start + len(begin) : stop])


def _names_of(found: x509.Certificate) -> tuple[str, ...]:
    try:
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(one.value) for one in common)
    return (
        *named.get_values_for_type(x509.DNSName),
        *map(str, named.get_values_for_type(x509.IPAddress)),
    )


def _signs_itself(found: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(found)
    except (ValueError, TypeError, exceptions.InvalidSignature):
        return False
    except exceptions.UnsupportedAlgorithm:
        return found.issuer == found.subject
    return True


# --- files --------------------------------------------------------------------------------------------------


def _put(files: Mapping[Path, tuple[bytes, int]], standing: Sequence[Path], stamp: str) -> tuple[Path, ...]:
    """Write files and set aside what stood there, or leave everything as it was."""
    ready: dict[Path, Path] = {}
    aside: dict[Path, Path] = {}
    try:
        for path, (data, mode) in files.items():
            ready[path] = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            _write(ready[path], data, mode)
        for path in standing:
            aside[path] = _free(path, stamp)
            put_in_place(path, aside[path])
        for path, written in ready.items():
            put_in_place(written, path)
    except BaseException:
        for path, kept in aside.items():
            if kept.exists():
                kept.replace(path)
        for path, written in ready.items():
            written.unlink(missing_ok=True)
            if path not in standing:
                path.unlink(missing_ok=True)
        raise
    sync_folder(next(iter(files)).parent)
    return tuple(aside.values())


def _free(path: Path, stamp: str) -> Path:
    """Return a name beside a file that nothing has yet."""
    for number in itertools.count():
        free = path.with_name(f"{path.stem}-before-{stamp}{f'-{number}' if number else ''}{path.suffix}")
        if not free.exists():
            break
    return free


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that nobody else may read at any moment, where the mode says so."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
