"""What goes wrong in practice, looked for: one line each, good, or what to do.

Source: reference/PROTOCOL.md 1.7 (transport) and 7.4 (the Web Connector's codes).
"""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import json
import shutil
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from lxml import etree

from toolkit.errors import DamagedTable, ToolkitError, WorkspaceMoved
from toolkit.tables import TABLES
from toolkit.wc_support import ago
from toolkit.workspace import Workspace, local_now
from toolkit.workspace_place import elsewhere
from toolkit.workspace_queue import why_not_unattended

__all__ = ["Check", "Reply", "examine", "probe"]

LEAST_SPACE = 1_000_000_000
"""Free bytes below which a large answer might not fit."""
LONG_AGO = dt.timedelta(days=1)
"""Without a call for so long, jobs that wait are waiting for a Web Connector that does not run."""
PROBE_SECONDS = 3

_MINUTE = "%Y-%m-%d %H:%M"
_WRITE_QWC = 'in Python, `Workspace("DIR").write_qwc()` writes it again with the same identity'

_SYNCED = ("onedrive", "dropbox", "google drive", "googledrive", "icloud", "mobile documents", "box sync")
_NETWORK = ("nfs", "cifs", "smb", "sshfs", "9p", "afs")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    name : str
        What was looked at.
    good : bool
        Nothing needs to be done.
    message : str
        How it is, or what is wrong and what to do.
    """

    name: str
    good: bool
    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What answered at the workspace's URL.

    ``workspace`` is the id that a server of this toolkit gives, or ``None`` for anything else.
    """

    workspace: str | None
    last_poll: dt.datetime | None = None


def examine(
    ws: Workspace,
    *,
    knock: Callable[[str], Reply | None] | None = None,
    clock: Callable[[], dt.datetime] = local_now,
) -> list[Check]:
    """Return what is good and what needs mending in the set-up of a workspace.

    Parameters
    ----------
    ws : Workspace
        It is only read; a server may run on it.
    knock : callable, optional
        Asks who answers at a URL, ``None`` for nobody; :func:`probe` by default.
    clock : callable, optional
        Gives the local time.
    """
    reply = (knock or probe)(ws.url)
    checks = [
        Check("url", *_url(ws.url)),
        Check("qwc file", *_qwc(ws)),
        Check("server", *_server(ws, reply)),
        Check("folder", *_folder(ws.path)),
        Check("disk space", *_space(ws.path)),
        Check("tables", *_tables(ws)),
        Check("cutover date", *_cutover(ws)),
    ]
    try:
        jobs = ws.ledger.jobs()["status"].value_counts().to_dict()
        taken_at = ws.ledger.restored()
        since = f", restored from a backup of {taken_at}" if taken_at else ""
        checks.append(Check("ledger", True, f"readable, with {sum(jobs.values())} jobs{since}"))
        if other := elsewhere(ws.path, ws.ledger):
            checks.append(Check("place", False, str(WorkspaceMoved(str(ws.path), other))))
        checks.append(Check("company", *_company(ws)))
        waiting = sum(int(jobs.get(state, 0)) for state in ("queued", "running"))
        checks.append(Check("last call", *_last_call(ws, reply, waiting, clock())))
        checks.append(Check("session", *_session(ws)))
        if ws.settings["auto_approve"]:
            waits = why_not_unattended(ws.ledger)
            said = f"auto_approve is on, and waits: {waits}" if waits else "exports need no approval"
            checks.append(Check("unattended", not waits, said))
    except ToolkitError as error:
        checks.append(Check("ledger", False, f"it cannot be used: {error}"))
    return checks


def probe(url: str) -> Reply | None:
    """Return who answers at a URL; ``None`` for nobody.

    The certificate is not judged here: whether Windows trusts it, only Windows can say.
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "localhost", f"{parts.path}healthz"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, parts.port, timeout=PROBE_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=PROBE_SECONDS)
    try:
        connection.connect()
    except ssl.SSLError:
        return Reply(None)
    except OSError:
        return None
    try:
        connection.request("GET", path)
        document = json.loads(connection.getresponse().read(10_000))
        poll = document["last_poll"]
        return Reply(str(document["workspace"]), dt.datetime.fromisoformat(poll) if poll else None)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return Reply(None)
    finally:
        connection.close()


# --- the checks: each returns whether it is good, and a message --------------------------------------------


def _url(url: str) -> tuple[bool, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_address(host):
        return False, (
            f"{url} has an IP address, which the Web Connector refuses (QBWC1001): "
            "put the machine's name there, or localhost"
        )
    if parts.scheme != "https" and host != "localhost":
        return False, (
            f"{url} is not https, which the Web Connector asks for (QBWC1010) unless the host is localhost: "
            "use https, with `toolkit serve --tls-cert --tls-key`"
        )
    return True, f"{url} is one that the Web Connector takes"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _qwc(ws: Workspace) -> tuple[bool, str]:
    found = sorted(ws.path.glob("*.qwc"))
    if not found:
        return (
            False,
            f"there is no .qwc file in {ws.path}: {_WRITE_QWC}",
        )
    for path in found:
        try:
            root = etree.fromstring(
                path.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True)
            )
        except (etree.XMLSyntaxError, OSError):
            return False, f"{path.name} cannot be read: {_WRITE_QWC}"
        is_ = {str(node.tag): (node.text or "").strip() for node in root.iterchildren("*")}
        should = {"OwnerID": ws.owner_id, "FileID": ws.file_id, "AppURL": ws.url, "UserName": ws.user}
        other = [name for name, value in should.items() if is_.get(name) != value]
        if other:
            return False, (
                f"{path.name} is not this workspace's ({', '.join(other)}): {_WRITE_QWC}; "
                "then add it to the Web Connector again"
            )
        if urlsplit(is_.get("AppSupport", "")).hostname != urlsplit(ws.url).hostname:
            return False, (
                f"{path.name}: AppSupport is on another host than AppURL, which the Web Connector refuses "
                f"(QBWC1000): {_WRITE_QWC}"
            )
    return True, f"{found[0].name} is this workspace's"


def _server(ws: Workspace, reply: Reply | None) -> tuple[bool, str]:
    if reply is not None and reply.workspace == ws.id:
        return True, f"the server of this workspace answers at {ws.url}"
    if reply is not None and reply.workspace is not None:
        return False, f"the server at {ws.url} is another workspace's: stop it, or give this one another port"
    if reply is not None:
        return False, f"another program answers at {ws.url}: stop it, or give this workspace another port"
    if urlsplit(ws.url).hostname == "localhost":
        return True, f"it does not run, and {ws.url} is free: `toolkit serve` starts it"
    return (
        False,
        f"nobody answers at {ws.url}: start `toolkit serve` there, and look at name, port and firewall",
    )


def _folder(path: Path) -> tuple[bool, str]:
    place = path.resolve()
    synced = [part for part in place.parts if any(word in part.lower() for word in _SYNCED)]
    if synced:
        return (
            False,
            f"{place} is synchronised ({synced[0]}), which damages the ledger: move it to a local folder",
        )
    if _on_network(place):
        return False, f"{place} is on a network drive, where the ledger is not safe: move it to a local disk"
    return True, "on a local disk"


def _on_network(path: Path) -> bool:
    if path.drive.startswith("\\\\"):
        return True
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - windll is there on Windows only

        return bool(ctypes.windll.kernel32.GetDriveTypeW(f"{path.drive}\\") == 4)  # DRIVE_REMOTE
    mounts = Path("/proc/mounts")  # macOS has none, and is not looked at
    return mounts.exists() and _network_mount(path, mounts.read_text(encoding="utf-8", errors="replace"))


def _network_mount(path: PurePath, mounts: str) -> bool:
    """Return whether the mount that a path is on, by a text like ``/proc/mounts``, is a network's."""
    fields = (line.split() for line in mounts.splitlines())
    kinds = {mount[1].replace("\\040", " "): mount[2] for mount in fields if len(mount) > 2}
    nearest = max((point for point in kinds if path.is_relative_to(point)), key=len, default="/")
    return kinds.get(nearest, "").removeprefix("fuse.").startswith(_NETWORK)


def _space(path: Path) -> tuple[bool, str]:
    free = shutil.disk_usage(path).free
    shown = f"{free / 1e9:,.1f} GB free"
    return (
        (True, shown) if free >= LEAST_SPACE else (False, f"only {shown}: make room before the next import")
    )


def _tables(ws: Workspace) -> tuple[bool, str]:
    damaged, good = [], 0
    for name in _stored():
        if not ws.has(name):
            continue
        try:
            ws.read(name)
            good += 1
        except DamagedTable as error:
            damaged.append(str(error))
    if damaged:
        return False, "; ".join(damaged)
    return True, f"{good} tables, all readable"


def _stored() -> Iterator[str]:
    return (name for name in TABLES if name.startswith(("quickbooks.", "billing.")))


def _cutover(ws: Workspace) -> tuple[bool, str]:
    date = ws.settings.cutover_date
    if date is None:
        return (
            False,
            "it is not set, and carry-forward and export need it: `toolkit set cutover_date 2025-12-31`",
        )
    return True, f"{date}: later documents belong to BluBilling"


def _company(ws: Workspace) -> tuple[bool, str]:
    learned = ws.ledger.learned()
    if not learned:
        return False, (
            "no company file is known yet: queue an import, start `toolkit serve`, and press Update Selected "
            "in the Web Connector with the right file open"
        )
    known = ", ".join(str(learned[key]) for key in ("company_name", "company_file") if learned.get(key))
    return True, f"bound to {known or 'the company file of the first session'}"


def _last_call(ws: Workspace, reply: Reply | None, waiting: int, now: dt.datetime) -> tuple[bool, str]:
    session = ws.ledger.last_session()
    calls = [session.seen_at] if session else []
    if reply is not None and reply.workspace == ws.id and reply.last_poll is not None:
        calls.append(reply.last_poll)
    if not calls:
        return (
            False,
            f"the Web Connector has never called: add {ws.path / '*.qwc'} to it and press Update Selected",
        )
    last = max(calls)
    if waiting and now - last > LONG_AGO:
        return False, (
            f"jobs that wait: {waiting}; the Web Connector last called {ago(last, now)} ({last:{_MINUTE}}): "
            "see that it runs, tick the application and press Update Selected, or turn Auto-Run on"
        )
    return True, f"the Web Connector last called {ago(last, now)} ({last:{_MINUTE}})"


def _session(ws: Workspace) -> tuple[bool, str]:
    ledger = ws.ledger
    if ledger.live_session(ws.settings["session_timeout"]) is not None:
        return True, "one is open and at work"
    session, lost = ledger.last_session(), ledger.unanswered()
    if lost is not None:
        return False, (
            f"the last one ended while QuickBooks had requests in hand, since {lost.opened_at:{_MINUTE}}: "
            "press Update Selected again, and the toolkit finds out first what became of them"
        )
    if session is not None and session.closed_at is None:
        return False, (
            f"one was left open at {session.seen_at:{_MINUTE}}: press Update Selected again. "
            "If the Web Connector does nothing then, close and start it again on the QuickBooks machine"
        )
    if session is not None and session.error:
        return False, f"the last one ended with: {session.error}"
    return True, "none is open"
