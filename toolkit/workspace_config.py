"""``workspace.toml``: whose workspace it is, the Web Connector's user, and the settings."""

from __future__ import annotations

import datetime as dt
import hmac
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import argon2
import filelock
import tomli_w

from toolkit.errors import UsageError, WorkspaceError
from toolkit.settings import Settings
from toolkit.workspace_files import write_atomically

FILE = "workspace.toml"
LOCK_FILE = "workspace.toml.lock"
VERSION = 1
LONGEST_PASSWORD = 1000
"""In characters; nobody types more, and a stranger could send a hundred million."""

_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # KiB: 19 MiB
_CHECKS = ThreadPoolExecutor(2, thread_name_prefix="password")
"""At most two at once, whoever asks: each takes a core, and 19 MiB that its thread keeps for the next."""
_HASH = re.compile(
    r"\$argon2id\$v=\d+\$m=\d{1,7},t=\d{1,3},p=\d{1,2}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{43}"
)
_DAMAGED = (
    f"the hash of the Web Connector's password in {FILE} is damaged: set the password with `toolkit password`"
)
_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """What ``workspace.toml`` holds."""

    id: str
    company: str
    user: str
    password_hash: str
    url: str
    owner_id: str
    file_id: str
    rehearsal: bool
    created_at: dt.datetime
    settings: Settings


def load(folder: Path) -> Config:
    """Read ``workspace.toml``.

    Raises
    ------
    WorkspaceError
        There is none, it cannot be read, or another version made it; each says what to do.
    SettingError
        A setting in it does not fit.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise WorkspaceError(f"there is no workspace at {folder}: make one with `toolkit init {folder}`")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        problem = f"{folder} is no workspace (it has no {FILE})"
        raise WorkspaceError(f"{problem}: make one with `toolkit init`, or name another with -w") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} cannot be read ({error}): restore it from a backup") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(f"{path} is damaged ({error}): correct it or restore it") from error
    _require_version(path, data.get("version"))
    given = data.get("workspace")
    # A hash that is missing `toolkit password` sets.
    known = {"password_hash": "", **given} if isinstance(given, dict) else {}
    names = {field.name for field in fields(Config)} - {"settings"}
    if wrong := sorted(names ^ known.keys()):
        about = f"workspace.{wrong[0]} is {'missing' if wrong[0] in names else 'nothing we know'}"
        raise WorkspaceError(f"{path} is damaged ({about}): correct it or restore it")
    return Config(**known, settings=_settings(data.get("settings", {})))


def save(folder: Path, config: Config) -> None:
    """Write ``workspace.toml``, whole or not at all."""
    fields = {name: getattr(config, name) for name in Config.__dataclass_fields__ if name != "settings"}
    settings: dict[str, Any] = {}
    for key, value in sorted(config.settings.explicit().items()):
        group, _, name = key.rpartition(".")
        (settings.setdefault(group, {}) if group else settings)[name] = value
    text = tomli_w.dumps({"version": VERSION, "workspace": fields, "settings": settings})
    write_atomically(folder / FILE, lambda file: file.write(text.encode()))


def change(folder: Path, **fields: Any) -> Config:
    """Change some of what ``workspace.toml`` holds and return it all; a server sees it at once.

    Who changes something else at the same time, in whatever process, loses nothing by it.

    Parameters
    ----------
    **fields
        Of :class:`Config`.

    Raises
    ------
    WorkspaceError
        The file cannot be read, or another process holds it for longer than it takes to write one.
    """
    try:
        with filelock.FileLock(folder / LOCK_FILE, timeout=_LOCK_SECONDS):
            changed = replace(load(folder), **fields)
            save(folder, changed)
    except filelock.Timeout as error:
        raise WorkspaceError(f"another process changes {folder / FILE}: wait for it, or stop it") from error
    return changed


def hash_password(password: str) -> str:
    """Return the hash of a password (Argon2id, 19 MiB, two rounds).

    Raises
    ------
    UsageError
        It is blank, too long, or cannot be typed.
    """
    if not password.strip():
        raise UsageError("the Web Connector's password must not be blank")
    if len(password) > LONGEST_PASSWORD:
        raise UsageError(f"the Web Connector's password has at most {LONGEST_PASSWORD} characters")
    if not password.isprintable():
        raise UsageError("the Web Connector's password has a character that nobody can type there")
    return _HASHER.hash(password)


def require_password(config: Config) -> None:
    """Raise ``WorkspaceError`` where ``workspace.toml`` holds no hash of a password; it says what to do."""
    if not _HASH.fullmatch(str(config.password_hash)):  # a person may have edited the file
        raise WorkspaceError(_DAMAGED)


def verify(config: Config, user: str, password: str) -> bool:
    """Return whether user and password are those of the workspace; it takes as long either way.

    Raises
    ------
    WorkspaceError
        See :func:`require_password`.
    """
    require_password(config)
    try:
        _CHECKS.submit(_HASHER.verify, config.password_hash, password[: LONGEST_PASSWORD + 1]).result()
        right = len(password) <= LONGEST_PASSWORD
    except (argon2.exceptions.VerifyMismatchError, UnicodeEncodeError):
        right = False
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError) as error:
        raise WorkspaceError(_DAMAGED) from error
    given, known = (text.encode("utf-8", "surrogatepass") for text in (user, config.user))
    same = hmac.compare_digest(given, known)
    return right and same


def endpoint(url: str) -> str:
    """Return the Web Connector's URL in the form that it takes.

    Raises
    ------
    UsageError
        It is none, http to another machine, or has an IP address for a host.

    Notes
    -----
    Source: Web Connector guide, error codes QBWC1000 to 1002 and 1010. An address of this machine becomes
    ``localhost``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from error
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise UsageError(f"{url!r} is no URL like https://billing.example.com/ or http://localhost:8085/")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if not address.is_loopback:
            raise UsageError(f"{url!r}: the Web Connector takes the name of a machine, not its IP address")
        host = "localhost"
    if parts.scheme == "http" and host != "localhost":
        raise UsageError(f"{url!r}: the Web Connector takes http for localhost only; use https")
    where = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}/"


def _require_version(path: Path, version: object) -> None:
    if version == VERSION:
        return
    if not isinstance(version, int):
        raise WorkspaceError(f"{path} has no version: it was not made by this toolkit")
    newer = "update the toolkit" if version > VERSION else "open it with the toolkit that made it"
    raise WorkspaceError(
        f"{path.parent} is a workspace of version {version}; this toolkit works with version"
        f" {VERSION}: {newer}"
    )


def _settings(data: Mapping[str, Any]) -> Settings:
    settings = Settings()
    for key, value in _flat(data):
        # A person may have edited the file: each value passes the check that `toolkit set` makes.
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        settings = settings.with_text(key, shown)
    return settings


def _flat(data: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value
