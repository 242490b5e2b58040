"""What people see in a browser: the support page and what is behind its login, in a real Chromium."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World, customer
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from toolkit import Workspace
from toolkit.rehearse import serving

pytestmark = [pytest.mark.slow, pytest.mark.network]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PASSWORD = "not a secret"
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(OFFLINE))
        yield browser
        browser.close()


@contextlib.contextmanager
def window(
    browser: Browser, size: dict[str, int] = PHONE, **options: Any
) -> Iterator[tuple[Page, list[str]]]:
    """Open a window of a browser, and give its page and every address that it asks for."""
    asked: list[str] = []
    context: BrowserContext = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page, asked
    finally:
        context.close()


def fits(page: Page) -> bool:
    """Return whether nobody has to scroll sideways."""
    wide = page.locator("html").evaluate("page => [page.scrollWidth, page.clientWidth]")
    return bool(wide[0] <= wide[1])


def keep(page: Page, folder: Path, name: str) -> None:
    """Keep a screenshot; in CI also among what it keeps."""
    path = folder / f"{name}.png"
    page.screenshot(path=str(path), full_page=True)
    assert path.stat().st_size > 5_000
    if artifacts := os.environ.get("CI_ARTIFACTS"):
        Path(artifacts).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, artifacts)


@pytest.mark.parametrize("javascript", [True, False])
def test_it_is_read_on_a_phone_and_loads_nothing_else(
    tmp_path: Path, demo_workspace: Path, chromium: Browser, javascript: bool
) -> None:
    with (
        Workspace(demo_workspace) as ws,
        serving(ws) as server,
        window(chromium, java_script_enabled=javascript) as (page, asked),
    ):
        answer = page.goto(f"{server.url}support")
        text = page.inner_text("body")
        wide = page.locator("table").bounding_box()
        keep(page, tmp_path, f"support-{'with' if javascript else 'without'}-javascript")
        assert fits(page)
    assert answer is not None
    assert answer.status == 200
    assert re.search(r"Server\s+up", text)
    assert "2026-04-01" in text, "the last call of the Web Connector"
    right_edge = int(wide["x"] + wide["width"]) if wide else 0
    assert 0 < right_edge <= PHONE["width"]
    assert [url for url in asked if not url.endswith(("/support", "/favicon.ico"))] == []
    for secret in ("Brightwater", "blubilling", "INV-2026", "argon2"):
        assert secret not in text


@pytest.fixture
def copied(tmp_path: Path, demo_workspace: Path) -> Iterator[Workspace]:
    """Return a copy of the demo whose password is known."""
    with Workspace(demo_workspace) as ws, ws.copy_to(tmp_path / "copy", password=PASSWORD) as copy:
        yield copy


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_who_logs_in_reads_the_jobs_and_downloads_the_qwc_file(
    tmp_path: Path, copied: Workspace, chromium: Browser, size: dict[str, int], javascript: bool
) -> None:
    login = {"username": copied.user, "password": PASSWORD}
    options = {"http_credentials": login, "java_script_enabled": javascript, "accept_downloads": True}
    with serving(copied) as server, window(chromium, size, **options) as (page, asked):
        page.goto(f"{server.url}support")
        page.get_by_role("link", name="See all jobs").click()
        page.wait_for_url("**/support/jobs")
        assert (
            page.get_by_role("heading", level=1).inner_text() == "Jobs of Brightwater Hosting Ltd (REHEARSAL)"
        )
        rows = page.get_by_role("row")
        listed = {row.get_by_role("rowheader").inner_text(): row.inner_text() for row in rows.all()[-8:]}
        assert list(listed) == [str(number) for number in range(8, 0, -1)]
        assert "24,191.74 USD" in listed["7"]
        assert "394 applied, 1 rejected, 2 skipped" in listed["7"]
        assert fits(page)
        keep(page, tmp_path, f"jobs-{size['width']}-{javascript}")
        with page.expect_download() as started:
            page.get_by_role("link", name="download the .qwc file").click()
        download = started.value
        assert download.suggested_filename == "Brightwater Hosting Ltd.qwc"
        assert Path(download.path()).read_bytes() == copied.qwc()
        page.get_by_role("link", name="Back to the support page").click()
        page.wait_for_url("**/support")
    assert {url.removeprefix(server.url) for url in asked} <= {
        *("support", "support/jobs", "support/company.qwc", "favicon.ico")
    }


@pytest.mark.parametrize("password", [None, "wrong"])
def test_who_does_not_log_in_is_turned_away(
    copied: Workspace, chromium: Browser, password: str | None
) -> None:
    login = {"http_credentials": {"username": copied.user, "password": password}} if password else {}
    answers: list[int] = []
    with serving(copied) as server, window(chromium, **login) as (page, _):
        page.on("response", lambda response: answers.append(response.status))
        for path in ("jobs", "company.qwc"):
            with contextlib.suppress(Error):  # without a screen nobody can be asked for a password
                page.goto(f"{server.url}support/{path}")
    assert set(answers) == {401}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_session_shows_its_bar_and_its_error(tmp_path: Path, chromium: Browser, scheme: Any) -> None:
    world = World.make(tmp_path)
    world.export(*(customer(str(number), f"Newcomer {number}") for number in range(1, 4)))
    world.ws.queue_import("items")
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.ask(ticket)
    world.answer(ticket, "", "0x80040414", "Close the window of Zebedee Ltd.")
    with serving(world.ws) as server:
        for size in (DESK, PHONE):
            with window(chromium, size, color_scheme=scheme) as (page, _):
                page.goto(f"{server.url}support")
                bar = page.get_by_role("progressbar", name="Session in progress")
                value = bar.get_attribute("value") or ""
                assert 0 < int(value) < 100
                assert f"{value} percent done" in page.inner_text("body")
                assert "A dialog window is open in QuickBooks." in page.inner_text(".bad")
                assert "Zebedee" not in page.content()
                assert fits(page)
                for place in ("body", ".bad", ".soft", "th", "a"):
                    assert contrast(page, place) >= 4.5, place
                keep(page, tmp_path, f"session-{size['width']}-{scheme}")


def test_the_page_comes_anew_while_a_session_is_open(
    tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.wc_support.REFRESH_SECONDS", 1)
    world = World.make(tmp_path)
    world.ws.queue_import("items")
    ticket = world.open()
    with (
        serving(world.ws) as server,
        window(chromium, java_script_enabled=False) as (page, asked),
    ):
        page.goto(f"{server.url}support")
        assert page.get_by_role("progressbar").count() == 1
        world.work(ticket)
        page.get_by_text("none is open", exact=True).wait_for(timeout=10_000)
        assert page.get_by_role("progressbar").count() == 0
        assert len([url for url in asked if url.endswith("/support")]) >= 2


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of a text to what is behind it. Source: WCAG 2.2, 1.4.3."""
    ink, behind = page.locator(selector).first.evaluate(
        """node => {
            const ink = getComputedStyle(node).color
            let behind = 'rgba(0, 0, 0, 0)'
            for (let at = node; at && behind === 'rgba(0, 0, 0, 0)'; at = at.parentElement)
                behind = getComputedStyle(at).backgroundColor
            return [ink, behind]
        }"""
    )
    light, dark = sorted((luminance(ink), luminance(behind)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    assert color.startswith("rgb("), color
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
