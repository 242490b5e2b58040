"""What people see in a browser: the support page, read in a real Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from toolkit import Workspace
from toolkit.rehearse import serving

pytestmark = [pytest.mark.slow, pytest.mark.network]

PHONE = {"width": 390, "height": 844}
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def open_page(url: str, tmp_path: Path, javascript: bool) -> tuple[str, int, list[str]]:
    """Return the text of a page, its width and every address it asked for."""
    asked: list[str] = []
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(OFFLINE))
        page: Page = browser.new_page(viewport=PHONE, java_script_enabled=javascript)  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        text = page.inner_text("body")
        page.screenshot(path=str(tmp_path / "support.png"), full_page=True)
        wide = page.locator("table").bounding_box()
        browser.close()
    assert (tmp_path / "support.png").stat().st_size > 5_000
    return text, int(wide["x"] + wide["width"]) if wide else 0, asked


@pytest.mark.parametrize("javascript", [True, False])
def test_it_is_read_on_a_phone_and_loads_nothing_else(
    tmp_path: Path, demo_workspace: Path, javascript: bool
) -> None:
    with Workspace(demo_workspace) as ws, serving(ws) as server:
        text, right_edge, asked = open_page(f"{server.url}support", tmp_path, javascript)
    assert "good" in text
    assert "2026-04-01" in text, "the last call of the Web Connector"
    assert right_edge <= PHONE["width"]
    assert [url for url in asked if not url.endswith(("/support", "/favicon.ico"))] == []
    for secret in ("Brightwater", "blubilling", "INV-2026", "argon2"):
        assert secret not in text
