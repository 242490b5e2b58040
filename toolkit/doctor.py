"""What goes wrong in practice, looked for: one line each, good, or what to do.

Source: reference/PROTOCOL.md 2 (the .qwc file) and 7.4 (the Web Connector's codes).
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from toolkit import doctor_disk as disk
from toolkit import doctor_log as log
from toolkit import doctor_network as network
from toolkit import doctor_tables as tables
from toolkit import workspace_config as config
from toolkit.counted import counted
from toolkit.doctor_certificate import certificate
from toolkit.doctor_network import Reply, probe
from toolkit.errors import ToolkitError, WorkspaceMoved
from toolkit.ledger_records import Session
from toolkit.tables import to_rows
from toolkit.wc_support import ago, error_of
from toolkit.workspace import Workspace, local_now
from toolkit.workspace_place import elsewhere
from toolkit.workspace_queue import why_not_unattended

__all__ = ["Check", "Reply", "examine", "probe"]

LONG_AGO = dt.timedelta(days=1)
"""Without a call for so long, jobs that wait are waiting for a Web Connector that does not run."""
POLLS_MISSED = 3
"""So many runs of Auto-Run that did not come while something waits are no accident."""
CLOCK_OFF = dt.timedelta(minutes=2)
"""More than that is no delay, but a clock that is wrong."""

_MINUTE = "%Y-%m-%d %H:%M"
_WRITE_QWC = "`toolkit qwc` writes it again with the same identity"
_IDENTITY = ("OwnerID", "FileID", "AppURL", "UserName")
_REQUIRED = ("AppName", "AppID", "AppDescription", "AppSupport", "QBType", *_IDENTITY)
_EFFECTIVE = ("AppSupport", "QBType", "Style", "AuthFlags", "IsReadOnly", "RunEveryNMinutes")


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
    reply, now = (knock or probe)(ws.url), clock()
    ours = reply if reply is not None and reply.workspace == ws.id else None
    checks = [
        Check("url", *network.url_form(ws.url)),
        Check("qwc file", *_qwc(ws)),
        Check("password", *_password(ws, now)),
        Check("server", *network.server(ws.url, ws.id, reply)),
        *_of_server(ws, reply, ours, now),
        Check("log", *log.errors(ws.path, now.astimezone())),
        Check("folder", *disk.place(ws.path)),
        Check("disk space", *disk.space(ws.path)),
        Check("tables", *tables.readable(ws)),
        Check("cutover date", *_cutover(ws)),
    ]
    try:
        checks += _of_ledger(ws, ours, now)
    except ToolkitError as error:
        checks.append(Check("ledger", False, f"it cannot be used: {error}"))
    return checks


def _of_server(ws: Workspace, reply: Reply | None, ours: Reply | None, now: dt.datetime) -> Iterator[Check]:
    """Yield what can be said only where somebody answers at the workspace's URL."""
    if reply is not None and (reply.certificate is not None or reply.distrust):
        # Anyone may call; whoever opened a session had the password, and came over what Windows trusts.
        session = _last_session(ws) if ours else None
        called = session.opened_at.astimezone() if session else None
        told = certificate(network.host_of(ws.url), reply, now.astimezone(), called)
        yield Check("certificate", *told)
    if ours is not None and ours.support is not None:
        yield Check("support page", *network.pages(ws.url, ours))


def _of_ledger(ws: Workspace, ours: Reply | None, now: dt.datetime) -> list[Check]:
    """Return what the ledger tells.

    Raises
    ------
    ToolkitError
        It cannot be read.
    """
    jobs = to_rows(ws.ledger.jobs())
    taken_at = ws.ledger.restored()
    since = f", restored from a backup of {taken_at}" if taken_at else ""
    checks = [Check("ledger", True, f"readable, with {counted(len(jobs), 'job')}{since}")]
    if other := elsewhere(ws.path, ws.ledger):
        checks.append(Check("place", False, str(WorkspaceMoved(str(ws.path), other))))
    waiting = [row["created_at"] for row in jobs if row["status"] in ("queued", "running")]
    checks += [
        Check("clock", *_clock(ws, ours, now)),
        Check("landing", *tables.landed(ws, served=ours is not None)),
        Check("company", *_company(ws)),
        Check("last call", *_last_call(ws, ours, waiting, now)),
        Check("session", *_session(ws)),
    ]
    if ws.settings["auto_approve"]:
        waits = why_not_unattended(ws.ledger)
        said = f"auto_approve is on, and waits: {waits}" if waits else "exports need no approval"
        checks.append(Check("unattended", not waits, said))
    return checks


# --- the checks: each returns whether it is good, and a message --------------------------------------------


def _qwc(ws: Workspace) -> tuple[bool, str]:
    found = sorted(ws.path.glob("*.qwc"))
    if not found:
        return False, f"there is no .qwc file in {ws.path}: {_WRITE_QWC}"
    for path in found:
        try:
            written = _elements(path.read_bytes())
        except (etree.XMLSyntaxError, OSError):
            return False, f"{path.name} cannot be read: {_WRITE_QWC}"
        if problem := _differs(written, _elements(ws.qwc())):
            return False, f"{path.name} {problem}: {_WRITE_QWC}; then add it to the Web Connector again"
    return True, f"{found[0].name} is this workspace's"


def _elements(document: bytes) -> dict[str, str]:
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
    return {str(node.tag): (node.text or "").strip() for node in root.iter("*")}


def _differs(written: dict[str, str], should: dict[str, str]) -> str:
    """Return how a .qwc file is not what this workspace would write, where the Web Connector cares."""
    other = [name for name in _IDENTITY if written.get(name) != should[name]]
    if other:
        return f"is not this workspace's ({', '.join(other)})"
    missing = [name for name in _REQUIRED if name not in written]
    if missing:
        return f"lacks {', '.join(missing)}, which the Web Connector asks for (QBWC1039)"
    if network.host_of(written["AppSupport"]) != network.host_of(should["AppURL"]):
        return "has AppSupport on another host than AppURL, which the Web Connector refuses (QBWC1000)"
    for name in _EFFECTIVE:
        if name in written and name in should and written[name] != should[name]:
            return f"says {name} {written[name] or 'nothing'}, and this workspace {should[name]}"
    return ""


def _password(ws: Workspace, now: dt.datetime) -> tuple[bool, str]:
    if not config.load(ws.path).password_hash:
        return False, "none is set: `toolkit password` sets one; then type it into the Web Connector"
    try:
        ws.verify_password(ws.user, secrets.token_hex())
    except ToolkitError as error:
        return False, f"nobody can log in: {error}"
    wrong = log.refused(ws.path, now.astimezone())
    if wrong is not None and not _has_called(ws, wrong.replace(tzinfo=None)):
        return False, (
            f"somebody gave a wrong user or password at {wrong:{_MINUTE}}, and nobody the right one since: "
            "was it the Web Connector (QBWC1040), type the right one there, or set one: `toolkit password`"
        )
    return True, "set; QBWC1030 or QBWC1040 there says that the Web Connector has none, or another one"


def _has_called(ws: Workspace, since: dt.datetime) -> bool:
    session = _last_session(ws)
    return session is not None and session.seen_at > since


def _last_session(ws: Workspace) -> Session | None:
    try:
        return ws.ledger.last_session()
    except ToolkitError:  # another check says so
        return None


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


def _clock(ws: Workspace, ours: Reply | None, now: dt.datetime) -> tuple[bool, str]:
    """Return whether the clock is right: nothing was ever noted later than now."""
    if ours is not None and ours.ahead is not None and abs(ours.ahead) > CLOCK_OFF:
        way = "ahead of" if ours.ahead > dt.timedelta(0) else "behind"
        return False, f"the server's clock is {_span(abs(ours.ahead))} {way} this machine's: set both right"
    ahead = max((moment - now for moment in _noted(ws)), default=dt.timedelta(0))
    if ahead > CLOCK_OFF + _set_back(now):
        return False, (
            f"the ledger knows something from {_span(ahead)} after this machine's time, {now:{_MINUTE}}: "
            "set the clock right, or new answers may count as older than what is known"
        )
    return True, f"{now:{_MINUTE}}, and nothing in the ledger is later"


def _noted(ws: Workspace) -> Iterator[dt.datetime]:
    """Yield moments of the ledger, with the last one among them."""
    if session := ws.ledger.last_session():
        yield from (moment for moment in (session.opened_at, session.seen_at, session.closed_at) if moment)
    rows = [*to_rows(ws.ledger.jobs()), *to_rows(ws.ledger.decision_rows())]
    for name in ("created_at", "finished_at", "decided_at"):
        yield from (row[name] for row in rows if row.get(name))


def _set_back(now: dt.datetime) -> dt.timedelta:
    """Return by how much the end of summer time has set clocks back in the last hours."""
    nothing = dt.timedelta(0)
    here = now.replace(fold=1).astimezone()  # of two hours that are called the same, the later one
    before = (here.astimezone(dt.UTC) - dt.timedelta(hours=3)).astimezone()
    return max(nothing, (before.utcoffset() or nothing) - (here.utcoffset() or nothing))


def _span(span: dt.timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return counted(minutes, "minute") if minutes < 180 else counted(round(minutes / 60), "hour")


def _last_call(
    ws: Workspace, ours: Reply | None, waiting: list[dt.datetime], now: dt.datetime
) -> tuple[bool, str]:
    session = ws.ledger.last_session()
    calls = [session.seen_at] if session else []
    if ours is not None and ours.last_poll is not None:
        calls.append(ours.last_poll)
    if not calls:
        return False, (
            f"the Web Connector has never called: add {ws.path / '*.qwc'} to it, type the password there and "
            "press Update Selected"
        )
    last = max(calls)
    called = f"the Web Connector last called {ago(last, now)} ({last:{_MINUTE}})"
    polls = POLLS_MISSED * dt.timedelta(minutes=ws.settings["poll_minutes"])
    if waiting and (now - last > LONG_AGO or now - max(last, min(waiting)) > polls):
        serve = "" if ours is not None else "start `toolkit serve`, "
        return False, (
            f"jobs that wait: {len(waiting)}; {called}: {serve}see that it runs, tick the application and "
            "press Update Selected, or turn Auto-Run on"
        )
    return True, called


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
    if wrong := error_of(session):
        return False, f"the last one ended with: {wrong}"
    return True, "none is open"
