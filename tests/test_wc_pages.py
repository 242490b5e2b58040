"""What people see in a browser, and who has to log in for it."""

from __future__ import annotations

import base64
import datetime as dt
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World, customer, invoice
from lxml import html as reading
from rehearsal_company import company
from web_connector_calls import Scripted, ask

from toolkit.company_guard import inspect
from toolkit.exchange import Exchange
from toolkit.quickbooks_codes import HRESULTS, explain_hresult
from toolkit.tables import from_rows
from toolkit.wc_attempts import CALLER, Attempts
from toolkit.wc_http import Front
from toolkit.wc_pages import Page, PageRequest, make_pages
from toolkit.wc_server import make_app
from toolkit.wc_support import Health, health_of, in_public, support_page
from toolkit.workspace import Workspace

NOW = dt.datetime(2026, 1, 15, 12, 0)
COMPANY, USER, PASSWORD = 'Zebedee & <Söhne> "Co"', "blubilling", "pässword: 1"
MESSAGE = "waits for <b>Zebedee</b> & Co"
JOBS, QWC = "/support/jobs", "/support/company.qwc"


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    place = tmp_path_factory.mktemp("pages") / "ws"
    with Workspace.create(place, company=COMPANY, password=PASSWORD) as workspace:
        yield workspace


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """Who opens pages of a workspace."""

    def __init__(self, ws: Workspace, health: Any = None) -> None:
        self.clock, self.checked = Clock(), 0
        self.pages = make_pages(health or health_of(ws), ws, Attempts(self.clock))

    def open(self, path: str, user: str = "", password: str = "", *, header: str = "", at: Any = NOW) -> Page:
        if user:
            header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.pages[path](PageRequest(at, header))


@pytest.fixture
def browser(ws: Workspace) -> Browser:
    return Browser(ws)


def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the passwords that are hashed from now on."""
    hashed: list[str] = []
    verify = Workspace.verify_password

    def noting(self: Workspace, user: str, password: str) -> bool:
        hashed.append(password)
        return verify(self, user, password)

    monkeypatch.setattr(Workspace, "verify_password", noting)
    return hashed


# --- the login ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [JOBS, QWC])
def test_who_says_nothing_is_asked(browser: Browser, path: str) -> None:
    page = browser.open(path)
    assert (page.status, page.kind) == (401, "text/plain; charset=utf-8")
    assert ("WWW-Authenticate", 'Basic realm="BluBilling toolkit", charset="UTF-8"') in page.headers
    assert b"user and the password" in page.body


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
        f"{USER}:{PASSWORD}",
        "Basic " + "A" * 30_000,
        "Basic *" + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
        "\x00",
    ],
)
def test_what_is_no_login_is_asked_for_and_not_hashed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    hashed = checks(monkeypatch)
    assert browser.open(JOBS, header=header).status == 401
    assert hashed == []


@pytest.mark.parametrize(
    ("user", "password"),
    [(USER, "wrong"), (USER, ""), ("other", PASSWORD), (USER, PASSWORD + " "), (USER.upper(), PASSWORD)],
)
def test_a_wrong_login_is_refused_and_told(
    browser: Browser, caplog: pytest.LogCaptureFixture, user: str, password: str
) -> None:
    caplog.set_level(logging.INFO, logger="toolkit")
    page = browser.open(JOBS, user, password)
    assert page.status == 401
    assert b"toolkit password" in page.body
    assert COMPANY.encode() not in page.body
    assert [record.__dict__["fields"]["reason"] for record in caplog.records] == ["wrong user or password"]
    assert PASSWORD not in caplog.text


def test_the_right_login_sees_the_pages_and_is_hashed_once(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = checks(monkeypatch)
    for path in (JOBS, QWC, JOBS):
        assert browser.open(path, USER, PASSWORD).status == 200
    assert hashed == [PASSWORD]
    token = CALLER.set("192.0.2.7")
    try:
        assert browser.open(JOBS, USER, PASSWORD).status == 200
    finally:
        CALLER.reset(token)
    assert hashed == [PASSWORD] * 2, "another client is looked at for itself"


def test_guessing_takes_longer_and_longer_and_the_right_one_is_not_locked_out(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = checks(monkeypatch)
    statuses = [browser.open(JOBS, USER, f"guess {number}").status for number in range(10)]
    assert statuses == [401] * 6 + [429] * 4
    assert len(hashed) == 6
    page = browser.open(JOBS, USER, PASSWORD)
    seconds = int(dict(page.headers)["Retry-After"])
    assert (page.status, 1 <= seconds <= 30) == (429, True)
    assert f"{seconds} second" in page.body.decode()
    browser.clock.now += seconds
    assert browser.open(JOBS, USER, PASSWORD).status == 200


def test_a_wrong_password_again_is_not_hashed_again(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = checks(monkeypatch)
    assert [browser.open(JOBS, USER, "wrong").status for _ in range(30)] == [401] * 30
    assert hashed == ["wrong"]


def test_a_workspace_that_cannot_be_read_is_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Workspace.create(tmp_path / "ws", company="Acme", password=PASSWORD) as ws:
        browser = Browser(ws, lambda: Health(good=True, workspace="x"))
        (ws.path / "workspace.toml").write_text("secret = nonsense", encoding="utf-8")
        page = browser.open(JOBS, USER, PASSWORD)
    assert (page.status, b"toolkit doctor" in page.body) == (503, True)
    assert "nonsense" not in caplog.text


def test_without_a_workspace_there_is_nothing_behind_a_login() -> None:
    assert set(make_pages(lambda: Health(good=True, workspace="x"))) == {"/support", "/healthz"}


def test_over_http_the_login_comes_with_the_request(ws: Workspace) -> None:
    front = Front(make_app(Scripted()), health_of(ws), pages=make_pages(health_of(ws), ws))
    refused = ask(front, "GET", JOBS)
    assert (refused.status, refused.headers["WWW-Authenticate"][:12]) == (401, "Basic realm=")
    header = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    seen = ask(front, "GET", JOBS, HTTP_AUTHORIZATION=header)
    assert (seen.status, seen.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert seen.headers["Cache-Control"] == "no-store"
    assert ask(front, "POST", JOBS, b"x", HTTP_AUTHORIZATION=header).status == 405
    assert ask(front, "GET", "/support").status == 200, "the Web Connector wants it without a login"


# --- the .qwc file ------------------------------------------------------------------------------------------


def test_the_qwc_file_is_the_one_that_the_command_writes(browser: Browser, ws: Workspace) -> None:
    page = browser.open(QWC, USER, PASSWORD)
    assert (page.status, page.kind) == (200, "application/x-qwc")
    assert page.body == ws.qwc() == ws.write_qwc().read_bytes()
    disposition = dict(page.headers)["Content-Disposition"]
    assert disposition == (
        'attachment; filename="Zebedee & -S-hne- -Co-.qwc"; '
        "filename*=UTF-8''Zebedee%20%26%20-S%C3%B6hne-%20-Co-.qwc"
    )
    assert PASSWORD.encode() not in page.body


# --- the jobs -----------------------------------------------------------------------------------------------


def cells(page: Page) -> list[dict[str, str]]:
    """Return the rows of the table of jobs, by the name that a phone shows."""
    found = reading.fromstring(page.body.decode()).xpath('//table[@class="jobs"]/tbody/tr')
    return [{cell.get("data-name"): cell.text_content() for cell in row} for row in found]


def test_the_jobs_are_listed_with_what_became_of_them(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(customer("1", "Newcomer Ltd"), customer("2", "Acme"), invoice("1", "10.00"))
    assert world.run() != ""
    world.ws.queue_import("items")
    browser = Browser(world.ws)
    page = browser.open(JOBS, world.ws.user, "a long password", at=world.clock.now)
    waiting, done = cells(page)
    assert (waiting["Job"], waiting["What"]) == ("2", "import of items")
    assert waiting["State"] == "waiting for the Web Connector"
    assert (waiting["Records"], waiting["Message"]) == ("0", "")
    assert (done["Job"], done["What"], done["State"]) == ("1", "export", "complete")
    assert done["Records"] == "3\n(2 applied, 1 rejected)"
    assert done["Made"].startswith("2026-01-05 09:00")
    tree = reading.fromstring(page.body.decode())
    assert tree.xpath('//thead//th[@scope="col"]/text()') == list(done)
    assert len(tree.xpath('//tbody/tr/th[@scope="row"]')) == 2
    assert "Newest session" in tree.text_content()


def test_an_export_is_listed_with_its_range_and_totals(ws: Workspace, browser: Browser) -> None:
    meta = {"start": "2026-01-01", "end": "2026-03-31", "switches": [], "pilot": False}
    totals = {"invoice USD": {"amount": "24191.5", "count": 239}, "customer": {"amount": 0, "count": 1}}
    rows = from_rows("plan.operations", [{"position": 1, **customer("9", "Newcomer Ltd")}])
    number, _ = ws.ledger.add_export(rows, meta={**meta, "totals": totals})
    ws.ledger.set_job(number, "draft", MESSAGE)
    page = browser.open(JOBS, USER, PASSWORD)
    (row,) = (row for row in cells(page) if row["Job"] == str(number))
    (title,) = reading.fromstring(page.body.decode()).xpath("//h1")
    assert (title.text_content(), len(title)) == (f"Jobs of {COMPANY}", 0)
    assert row["What"] == "export\n2026-01-01 to\n2026-03-31"
    assert row["State"] == "waiting for approval"
    assert row["Message"] == MESSAGE
    assert row["Amounts"] == "1 customer\n239 invoices, 24,191.50 USD"


def test_an_error_is_told_whole_behind_the_login_and_in_our_words_before(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(customer("1", "Newcomer Ltd"))
    ticket = world.open()
    world.ask(ticket, first=True)
    world.answer(ticket, "", "0x80040421", "Close <Zebedee> & Co first.")
    browser = Browser(world.ws)
    inside = reading.fromstring(
        browser.open(JOBS, world.ws.user, "a long password", at=world.clock.now).body.decode()
    )
    (whole,) = inside.xpath('//p[@class="bad"]')
    assert whole.text_content().endswith("QuickBooks said: Close <Zebedee> & Co first.")
    outside = browser.open("/support", at=world.clock.now).body.decode()
    assert str(HRESULTS["0x80040421"]).replace("'", "&#x27;") in outside
    assert "Zebedee" not in outside
    world.exchange.close(ticket)
    assert "Zebedee" not in browser.open("/support", at=world.clock.now).body.decode()


def test_only_so_many_jobs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.wc_pages.MOST_JOBS", 3)
    with Workspace.create(tmp_path / "ws", company="Acme", password=PASSWORD) as ws:
        browser = Browser(ws)
        assert "no job yet" in browser.open(JOBS, USER, PASSWORD).body.decode()
        for _ in range(5):
            ws.ledger.add_import("items", [{"name": "ItemQuery", "fields": {}, "iterate": False}])
        page = browser.open(JOBS, USER, PASSWORD)
    assert [row["Job"] for row in cells(page)] == ["5", "4", "3"]
    assert "2 older ones" in page.body.decode()


# --- the support page ---------------------------------------------------------------------------------------


def test_a_session_shows_how_far_it_is_and_the_page_comes_anew(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(*(customer(str(number), f"Newcomer {number}") for number in range(1, 4)))
    world.ws.queue_import("items")
    quiet = Browser(world.ws).open("/support", at=world.clock.now).body.decode()
    assert "<progress" not in quiet
    assert "http-equiv" not in quiet
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    page = reading.fromstring(Browser(world.ws).open("/support", at=world.clock.now).body.decode())
    (bar,) = page.xpath("//progress")
    assert 0 < int(bar.get("value")) < 100 == int(bar.get("max"))
    assert f"{bar.get('value')} percent done" in page.text_content()
    assert page.xpath(f'//*[@id="{bar.get("aria-labelledby")}"]/text()') == ["Session in progress"]
    assert page.xpath('//meta[@http-equiv="refresh"]/@content') == ["5"]
    assert "one is open" in page.text_content()


@pytest.mark.parametrize("code", HRESULTS)
def test_every_hresult_is_told_to_everybody_without_what_quickbooks_said(code: str) -> None:
    said = in_public(explain_hresult(code.lower(), "Zebedee Ltd (0x80040400)."))
    assert said == f"{HRESULTS[code]} ({code})"


def test_words_that_look_like_an_hresult_are_not_taken_for_one() -> None:
    said = in_public("The record Zebedee (0x80040400). is damaged")
    assert "Zebedee" not in said
    assert "parse" not in said
    assert "behind the login" in said


def guarded(hcp: str, path: str = r"C:\Books\Zebedee.qbw", **more: Any) -> str:
    about = {"owner_id": "{A}", "file_id": "{B}", "expected_file": None, "learned": {}, "rehearsal": False}
    return inspect(hcp, path, **{**about, **more}).problem or ""


HCP = company().hcp("{A}", "{B}")
PROBLEMS = {
    "nothing came": guarded(""),
    "another workspace": guarded(company().hcp("{A}", "{C}")),
    "no FileID": guarded(company().hcp("{X}", "{Y}"), learned={"company_name": "Zebedee"}),
    "another company": guarded(HCP, learned={"company_name": "Zebedee"}),
    "another file": guarded(HCP, learned={"company_file": "Zebedee"}),
    "another than set": guarded(HCP, expected_file="Zebedee.qbw"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_the_guard_says_is_told_without_names(name: str) -> None:
    problem = PROBLEMS[name]
    assert problem
    said = in_public(problem)
    assert "behind the login" not in said, problem
    for trace in ("Zebedee", ".qbw", "{"):
        assert trace not in said


def test_other_errors_are_told_of_but_not_quoted(tmp_path: Path) -> None:
    assert in_public("") == in_public(None) == ""
    assert in_public("Zebedee owes 5.00").endswith("see the jobs.")
    assert in_public("This is the UK edition of QuickBooks; the toolkit speaks to the US edition only.") == (
        "The toolkit speaks to the US edition of QuickBooks only."
    )
    world = World.make(tmp_path)
    world.export(customer("1", "Newcomer Ltd"))
    ticket = world.open()
    old = world.exchange.next_request(ticket, world.hcp(), world.company.file_path, "US", 5, 0)
    assert old == ""
    assert "too old" in in_public(world.exchange.last_error(ticket))


@pytest.mark.parametrize("health", [Health(good=False, workspace=""), Health(good=True, workspace="x")])
def test_the_page_says_how_to_set_up_in_steps_and_loads_nothing(health: Health) -> None:
    text = support_page(health, now=NOW)
    page = reading.fromstring(text)
    assert page.get("lang") == "en"
    steps = [step.text_content() for step in page.xpath("//ol/li")]
    for step, word in zip(
        steps, ("toolkit qwc", "Add an", "Password", "Tick", "Update Selected"), strict=True
    ):
        assert word in step
    assert page.xpath("//a/@href") == ["support/jobs", "support/company.qwc"]
    assert page.xpath("//script | //img | //iframe | //*[@src] | //*[@style] | //*[@onclick]") == []
    assert page.xpath("//link/@href") == ["data:,"]
    assert not re.search(r"url\(|@import|https?:", text)
    assert [heading.tag for heading in page.xpath("//h1 | //h2")][:2] == ["h1", "h2"]
    assert len(page.xpath("//h1")) == 1


def test_an_exchange_and_the_page_agree_on_how_far_it_is(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.ws.queue_import("items")
    world.ws.queue_import("customers")
    world.ws.queue_import("invoices")
    ticket = world.open()
    told = world.carry(ticket, world.ask(ticket, first=True))
    assert isinstance(world.exchange, Exchange)
    assert told not in (0, 50)
    assert health_of(world.ws)().percent == told


def test_a_session_that_had_nothing_to_send_is_no_error(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    job = world.export(customer("1", "Newcomer Ltd"))
    ticket = world.open()
    world.ws.ledger.hold(job, "tester")
    assert world.ask(ticket, first=True) == ""
    session = world.ws.ledger.last_session()
    assert session is not None
    assert session.error == "There is nothing to send."
    browser = Browser(world.ws)
    for path in ("/support", JOBS):
        page = browser.open(path, world.ws.user, "a long password", at=world.clock.now)
        assert (page.status, b"Last error" in page.body) == (200, False)
