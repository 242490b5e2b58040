"""The state of a workspace as the support page and the monitors show it: no data, no secrets."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from toolkit.errors import ToolkitError
from toolkit.exchange import ENDED
from toolkit.exchange_next import NOTHING
from toolkit.ledger_records import Session
from toolkit.quickbooks_codes import HRESULTS
from toolkit.workspace import Workspace

__all__ = [
    "JOB_STATES",
    "Health",
    "ago",
    "document",
    "error_of",
    "health_of",
    "in_public",
    "rows",
    "support_page",
]

JOB_STATES: Mapping[str, str] = {
    "draft": "waiting for approval",
    "queued": "waiting for the Web Connector",
    "running": "under way",
    "held": "on hold",
    "complete": "complete",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""States of a job in words, in the order in which a job goes through them."""

REFRESH_SECONDS = 5
"""How often the page comes anew while a session is open."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """What may be told to anyone about a workspace.

    Parameters
    ----------
    good : bool
        The ledger can be read.
    workspace : str
        Its id, a random text.
    rehearsal : bool
        It is bound to a copy of the company file.
    live : bool
        A session of the Web Connector is open.
    last_poll : datetime or None
        When the Web Connector last called, as far as the ledger knows.
    jobs : mapping
        State of a job to how many there are.
    percent : int or None
        How much of the open session is done, from 0 to 99.
    error : str
        What went wrong in the newest session, in words that quote nothing; ``""`` where nothing did.
    error_at : datetime or None
        When that session was last heard of.
    """

    good: bool
    workspace: str
    rehearsal: bool = False
    live: bool = False
    last_poll: dt.datetime | None = None
    jobs: Mapping[str, int] = field(default_factory=dict)
    percent: int | None = None
    error: str = ""
    error_at: dt.datetime | None = None

    def polled(self, at: dt.datetime | None) -> Health:
        """Return the same with a later call of the Web Connector, if it is later."""
        if at is None or (self.last_poll is not None and self.last_poll >= at):
            return self
        return dataclasses.replace(self, last_poll=at)


def health_of(ws: Workspace) -> Callable[[], Health]:
    """Return a function that gives the state of a workspace, and never raises for a ledger it cannot read."""

    def health() -> Health:
        try:
            ledger = ws.ledger
            session = ledger.last_session()
            wrong = error_of(session)
            open_one = ledger.live_session(ws.settings["session_timeout"])
            done = None if open_one is None else ledger.progress(open_one.opened_at)
            return Health(
                good=True,
                workspace=ws.id,
                rehearsal=ws.rehearsal,
                live=open_one is not None,
                last_poll=None if session is None else session.seen_at,
                jobs=ledger.job_states(),
                percent=None if done is None else min(99, int(done * 100)),
                error=in_public(wrong),
                error_at=session.seen_at if session and wrong else None,
            )
        except ToolkitError as error:
            _log.error("the ledger cannot be read: %s", type(error).__name__)
            return Health(good=False, workspace="")

    return health


def error_of(session: Session | None) -> str:
    """Return what went wrong in a session, whole; ``""`` where nothing did."""
    said = session.error if session else None
    return "" if said in (None, NOTHING) else said


# --- words --------------------------------------------------------------------------------------------------

_BEHIND_LOGIN = "The newest session ended with an error that is told behind the login only: see the jobs."

# What an error says, and how it is told to everybody: without the names, paths and ids that it quotes.
_IN_PUBLIC = (
    (
        r"^Another company( file)? (is|was) open",
        "Another company file was open in QuickBooks than the one of this workspace. "
        "Open the right one, then run the Web Connector again.",
    ),
    (
        r" is bound to another workspace \(",
        "The company file that was open belongs to another workspace. Open the right one.",
    ),
    (
        r" does not carry our FileID: ",
        "The company file that was open does not know this application. "
        "Add the .qwc file to the Web Connector again.",
    ),
    (
        r" is Intuit's sample company: ",
        "Intuit's sample company was open. Open the right company file, then run the Web Connector again.",
    ),
    (
        r"^QuickBooks did not tell which company is open",
        "QuickBooks did not tell which company is open. "
        "Open the company file, then run the Web Connector again.",
    ),
    (r"^This is the .* edition of QuickBooks; ", "The toolkit speaks to the US edition of QuickBooks only."),
    (
        r"^This QuickBooks speaks qbXML ",
        "This QuickBooks is too old for the toolkit: QuickBooks 2009 or later is needed.",
    ),
    (
        r"^QuickBooks gives the answer to another message set ",
        "QuickBooks gave answers to something that was not asked. Run the Web Connector again.",
    ),
)
_CODE = re.compile(r" \((0x[0-9A-Fa-f]{8})\)\.")


def in_public(error: str | None) -> str:
    """Return an error of a session in words of ours that quote nothing of it.

    >>> in_public("Acme does not carry our FileID: add the .qwc file to the Web Connector again.")[-45:]
    'Add the .qwc file to the Web Connector again.'
    """
    if not error or error in (NOTHING, ENDED):
        return error or ""
    code = _CODE.search(error)
    advice = HRESULTS.get(code[1]) if code else None
    if code and advice and error.startswith(str(advice)):
        return f"{advice} ({code[1]})"
    for pattern, words in _IN_PUBLIC:
        if re.search(pattern, error):
            return words
    return _BEHIND_LOGIN


def ago(then: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago something was, for people.

    >>> ago(dt.datetime(2026, 1, 1, 12), dt.datetime(2026, 1, 1, 13, 30))
    '1 hour ago'
    """
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


# --- the document -------------------------------------------------------------------------------------------

_STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0a58a6;
--bad:#8f1d14;--bad-page:#fff1f0}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--ink:#e6e8ea;--soft:#a3abb3;--line:#3a4149;
--link:#7ab8ff;--bad:#ffb4aa;--bad-page:#34191a}}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;background:var(--page);color:var(--ink);margin:0 auto;
max-width:46rem;padding:1.5rem 1rem 3rem;overflow-wrap:break-word}
body.wide{max-width:78rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1.5rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
a{color:var(--link)}
code{font:.95em ui-monospace,Consolas,monospace}
table{border-collapse:collapse;width:100%}
th,td{border-top:1px solid var(--line);padding:.45rem 1rem .45rem 0;text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:normal}
.facts{max-width:44rem;overflow-wrap:anywhere}
.facts th{width:50%}
progress{accent-color:var(--link);display:block;height:1.25rem;margin:.5rem 0;width:100%}
.bad{background:var(--bad-page);border-left:.25rem solid var(--bad);color:var(--bad);margin:0;
padding:.6rem .8rem}
.soft{color:var(--soft)}
.jobs thead th{border:0;padding-bottom:.2rem}
.jobs td{white-space:pre-line}
.jobs td:last-child{min-width:12rem;overflow-wrap:anywhere;padding-right:0}
.jobs tbody th{color:var(--ink);font-weight:bold}
@media(min-width:70rem){.jobs td:nth-child(5),.jobs td:nth-child(6){white-space:pre}}
@media(max-width:70rem){.jobs,.jobs tbody,.jobs tr,.jobs td,.jobs tbody th{display:block}
.jobs thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.jobs tr{border-top:1px solid var(--line);padding:.6rem 0}
.jobs td,.jobs tbody th{border:0;padding:.1rem 0 .1rem 6rem;position:relative;
overflow-wrap:anywhere}
.jobs td:empty{display:none}
.jobs td::before,.jobs tbody th::before{color:var(--soft);content:attr(data-name);font-weight:normal;
left:0;position:absolute}}
li{margin:.35rem 0}
"""


def document(title: str, content: str, *, refresh: int | None = None, wide: bool = False) -> str:
    """Return a page: one small HTML document that loads nothing.

    Parameters
    ----------
    title : str
        As text.
    content : str
        As HTML.
    refresh : int, optional
        Seconds after which the browser asks for it again.
    wide : bool, optional
        Whether it holds a table of many columns.
    """
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'{again}<link rel="icon" href="data:,"><style>{_STYLE}</style></head>'
        f"<body{' class=wide' if wide else ''}><main>{content}</main></body></html>\n"
    )


def rows(facts: Iterable[tuple[str, str]]) -> str:
    """Return names and values, both text, as the rows of a table."""
    return "".join(f"<tr><th>{html.escape(name)}<td>{html.escape(text)}" for name, text in facts)


_SET_UP = """<h2>How to set it up</h2><ol>
<li>On this server run <code>toolkit qwc</code>: it writes the .qwc file. Or
<a href="support/company.qwc">download the .qwc file</a>.
<li>On the computer with QuickBooks, open the company file as its administrator. Start the QuickBooks Web
Connector, choose <b>Add an application</b> and take the .qwc file. QuickBooks asks once whether to allow it.
<li>Enter the password in the column <b>Password</b> and let it be saved. It was chosen when the workspace was
made; <code>toolkit password</code> on this server sets a new one.
<li>Tick the box in front of the application.
<li>Choose <b>Update Selected</b>. To let it run by itself, tick <b>Auto-Run</b>.
</ol>"""


def support_page(health: Health, *, now: dt.datetime) -> str:
    """Return the support page, which tells nothing that not everybody may know."""
    mark = " (REHEARSAL)" if health.rehearsal else ""
    heading = f"<h1>BluBilling QuickBooks toolkit{mark}</h1>"
    behind = (
        '<p><a href="support/jobs">See all jobs</a>: that asks for the user and the password of the Web '
        "Connector. On this server <code>toolkit jobs</code> and <code>toolkit doctor</code> tell what went "
        "wrong and what to do about it.</p>"
    )
    if not health.good:
        sick = "The ledger cannot be read: run <code>toolkit doctor</code> on this server."
        return document(
            "Not well: BluBilling toolkit", f'{heading}<p class="bad">{sick}</p>{behind}{_SET_UP}'
        )
    return document(
        f"BluBilling toolkit{mark}",
        f"{heading}{_facts(health, now)}{_session(health)}{_error(health, now)}{behind}{_SET_UP}",
        refresh=REFRESH_SECONDS if health.live else None,
    )


def _facts(health: Health, now: dt.datetime) -> str:
    seen = health.last_poll
    poll = "never yet" if seen is None else f"{seen:%Y-%m-%d %H:%M}, {ago(seen, now)}"
    counts = [
        (f"Jobs {words}", f"{health.jobs[state]:,}")
        for state, words in JOB_STATES.items()
        if state in health.jobs
    ]
    facts = [
        ("Server", "up"),
        ("Last call of the Web Connector", poll),
        ("Session", "one is open" if health.live else "none is open"),
        *(counts or [("Jobs", "none yet")]),
    ]
    return f'<table class="facts">{rows(facts)}</table>'


def _session(health: Health) -> str:
    if not health.live or health.percent is None:
        return ""
    done = f"{health.percent} percent done"
    return (
        '<h2 id="session">Session in progress</h2>'
        f'<progress aria-labelledby="session" max="100" value="{health.percent}">{done}</progress>'
        f'<p class="soft">{done}. This page comes anew every {REFRESH_SECONDS} seconds meanwhile.</p>'
    )


def _error(health: Health, now: dt.datetime) -> str:
    if not health.error:
        return ""
    when = f', <span class="soft">{ago(health.error_at, now)}</span>' if health.error_at else ""
    return f'<h2>Last error{when}</h2><p class="bad">{html.escape(health.error)}</p>'
