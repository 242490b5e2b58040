"""The pages that people and monitors open: `/support`, what is behind its login, and `/healthz`."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import html
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from toolkit import workspace_config as config
from toolkit.errors import ToolkitError
from toolkit.event_log import event
from toolkit.ledger_records import REFRESHES
from toolkit.tables import to_rows
from toolkit.wc_attempts import CALLER, Attempts
from toolkit.wc_support import JOB_STATES, Health, ago, document, error_of, rows, support_page
from toolkit.workspace_files import file_name

if TYPE_CHECKING:
    from toolkit.workspace import Workspace

__all__ = ["Handler", "Page", "PageRequest", "make_pages"]

REALM = "BluBilling toolkit"

_TEXT, _HTML, _JSON = (f"{kind}; charset=utf-8" for kind in ("text/plain", "text/html", "application/json"))
_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
)
_ASK = ("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"')


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a page needs to know of a request.

    Parameters
    ----------
    now : datetime
        Local time.
    authorization : str, optional
        The header of that name.
    last_poll : datetime, optional
        When the Web Connector last called, as far as this server knows.
    """

    now: dt.datetime
    authorization: str = ""
    last_poll: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered: ``kind`` is its Content-Type, ``headers`` what else is to be said of it."""

    status: int
    body: bytes
    kind: str = _HTML
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[PageRequest], Page]


def make_pages(
    health: Callable[[], Health], workspace: Workspace | None = None, attempts: Attempts | None = None
) -> Mapping[str, Handler]:
    """Return what answers a GET of each path.

    Parameters
    ----------
    health : callable
        Gives the state of the workspace.
    workspace : Workspace, optional
        Whose jobs and ``.qwc`` are shown behind its password; without it there is no such page.
    attempts : Attempts, optional
        Shared with whatever else asks for that password.
    """
    pages: dict[str, Handler] = {"/support": partial(_support, health), "/healthz": partial(_healthz, health)}
    if workspace is not None:
        login = _Login(workspace, attempts or Attempts())
        pages["/support/jobs"] = partial(login.guarded, partial(_jobs, workspace))
        pages["/support/company.qwc"] = partial(login.guarded, partial(_qwc, workspace))
    return pages


# --- for everybody ------------------------------------------------------------------------------------------


def _support(health: Callable[[], Health], request: PageRequest) -> Page:
    page = support_page(health().polled(request.last_poll), now=request.now)
    return Page(200, page.encode(), headers=(_POLICY,))


def _healthz(health: Callable[[], Health], request: PageRequest) -> Page:
    state = health().polled(request.last_poll)
    document = {
        "status": "ok" if state.good else "failed",
        "workspace": state.workspace,
        "last_poll": state.last_poll.isoformat(timespec="seconds") if state.last_poll else None,
    }
    return Page(200 if state.good else 503, json.dumps(document).encode(), _JSON)


# --- behind the Web Connector's password --------------------------------------------------------------------


class _Login:
    """HTTP Basic: it works without a script, a form and a cookie.

    Source: RFC 7617. A server without TLS serves its own machine only, so that nobody reads along.
    """

    def __init__(self, workspace: Workspace, attempts: Attempts) -> None:
        self._workspace, self._attempts = workspace, attempts

    def guarded(self, page: Handler, request: PageRequest) -> Page:
        """Return a page, or what is to be said to whoever may not see it."""
        try:
            return self._refusal(request.authorization) or page(request)
        except (ToolkitError, OSError) as error:
            event("page_failed", level=logging.ERROR, error=type(error).__name__)
            return _plain(503, "The workspace cannot be read: run `toolkit doctor` on the server.")

    def _refusal(self, authorization: str) -> Page | None:
        given = _credentials(authorization)
        if given is None:
            return _plain(401, "Log in with the user and the password of the Web Connector.", _ASK)
        user, password = given
        known = config.load(self._workspace.path).password_hash
        verdict = self._attempts.verdict(user, password, known)
        if verdict.kind == "wait":
            wait = str(verdict.seconds)
            _tell("limited", verdict.news, seconds=verdict.seconds)
            words = f"Too many wrong passwords: try again in {wait} seconds."
            return _plain(429, words, ("Retry-After", wait))
        right: bool | None = verdict.kind == "known_right" or None
        if verdict.kind == "go":
            try:
                right = self._workspace.verify_password(user, password)
            finally:
                self._attempts.record(user, password, known, right)
        elif right:
            self._attempts.record(user, password, known, True)
        if right:
            return None
        _tell("refused", verdict.news, reason="wrong user or password")
        return _plain(
            401,
            "That is not the user and the password of the Web Connector. "
            "`toolkit password` on the server sets a new one.",
            _ASK,
        )


def _credentials(authorization: str) -> tuple[str, str] | None:
    """Return user and password of an Authorization header, or ``None`` where they are not in it."""
    scheme, _, coded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _plain(status: int, words: str, *headers: tuple[str, str]) -> Page:
    return Page(status, f"{words}\n".encode(), _TEXT, headers)


def _tell(name: str, news: bool, **fields: str | int) -> None:
    level = logging.WARNING if news else logging.DEBUG
    event(name, level=level, address=CALLER.get(), kind="page", **fields)


MOST_JOBS = 200
"""The newest jobs, which the page lists."""

_COLUMNS = ("Job", "What", "State", "Records", "Amounts", "Made", "Message")


def _jobs(workspace: Workspace, request: PageRequest) -> Page:
    ledger = workspace.ledger
    listed = to_rows(ledger.jobs())
    newest = listed[: -MOST_JOBS - 1 : -1]
    cells = [_cells(row, ledger.job(row["id"]).meta, request.now) for row in newest]
    body = "".join(f'<tr role="row">{"".join(map(_cell, _COLUMNS, row))}' for row in cells)
    head = "".join(f'<th scope="col" role="columnheader">{name}' for name in _COLUMNS)
    older = len(listed) - len(newest)
    mark = " (REHEARSAL)" if workspace.rehearsal else ""
    content = (
        f"<h1>Jobs of {html.escape(workspace.company)}{mark}</h1>"
        f"{_last_session(workspace, request.now)}<h2>Jobs, the newest first</h2>"
        + (
            f'<table class="jobs" role="table"><thead role="rowgroup"><tr role="row">{head}'
            f'<tbody role="rowgroup">{body}</table>'
            if cells
            else "<p>There is no job yet: <code>toolkit import items</code> queues one.</p>"
        )
        + (f'<p class="soft">{older:,} older ones: <code>toolkit jobs</code>.</p>' if older else "")
        + '<p><a href="../support">Back to the support page</a>, '
        '<a href="company.qwc">download the .qwc file</a></p>'
    )
    page = document(f"Jobs{mark}: BluBilling toolkit", content, wide=True)
    return Page(200, page.encode(), headers=(_POLICY,))


def _last_session(workspace: Workspace, now: dt.datetime) -> str:
    """Return what became of the newest session, its error whole."""
    session = workspace.ledger.last_session()
    if session is None:
        return "<p>The Web Connector has had nothing to do yet.</p>"
    ended = "not yet" if session.closed_at is None else _when(session.closed_at, now)
    facts = [("Opened", _when(session.opened_at, now)), ("Ended", ended)]
    wrong = error_of(session)
    if session.outcome and session.outcome != wrong:
        facts.append(("Outcome", session.outcome))
    error = f'<h2>Last error</h2><p class="bad">{html.escape(wrong)}</p>' if wrong else ""
    return f'<h2>Newest session</h2><table class="facts">{rows(facts)}</table>{error}'


def _cells(row: Mapping[str, Any], meta: Mapping[str, Any], now: dt.datetime) -> tuple[str, ...]:
    """Return what a job's row says, as text; some of it in lines."""
    states = ("applied", "rejected", "unknown", "skipped", "pending")
    counts = [f"{row[name]:,} {name}" for name in states if row[name]]
    total = f"{row['total']:,}"
    message = str(row["message"] or "")
    return (
        str(row["id"]),
        _what(row),
        JOB_STATES.get(row["status"], str(row["status"])),
        total + (f"\n({', '.join(counts)})" if counts else ""),
        "\n".join(_amount(name, about) for name, about in (meta.get("totals") or {}).items()),
        _when(row["created_at"], now).replace(", ", "\n"),
        "" if message == f"{total} records" else message,
    )


def _what(row: Mapping[str, Any]) -> str:
    kind = str(row["kind"])
    if kind == REFRESHES:
        return "import of what was sent"
    if kind.startswith("import:"):
        return f"import of {kind.removeprefix('import:').replace('_', ' ')}"
    first, last = row["range_start"], row["range_end"]
    return kind + (f"\n{first or 'the first'} to\n{last or 'the last'}" if first or last else "")


def _amount(name: str, about: Mapping[str, Any]) -> str:
    """Return one total of an export: of ``invoice USD``, say."""
    kind, _, currency = name.partition(" ")
    count = f"{about['count']:,} {kind.replace('_', ' ')}{'' if about['count'] == 1 else 's'}"
    amount = Decimal(str(about["amount"] or 0))
    return f"{count}, {amount:,.2f} {currency}".rstrip() if amount else count


def _cell(name: str, text: str) -> str:
    tag = '<th scope="row" role="rowheader"' if name == _COLUMNS[0] else '<td role="cell"'
    return f'{tag} data-name="{name}">{html.escape(text)}'


def _when(at: dt.datetime, now: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}, {ago(at, now)}"


def _qwc(workspace: Workspace, request: PageRequest) -> Page:
    name = f"{file_name(workspace.company, 'company')}.qwc"
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "-").replace('"', "-")
    disposition = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Page(200, workspace.qwc(), "application/x-qwc", (("Content-Disposition", disposition),))
