"""Tables in a real JupyterLab: run, saved, one cell run again, and the saved notebook opened anew."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import sync_playwright
from test_notebook import look_at_tables, outputs_of, saved_notebook

pytestmark = [pytest.mark.slow, pytest.mark.network]

SECONDS = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A notebook of four tables without its outputs."""
    made = saved_notebook(tmp_path)
    book = nbformat.read(made, as_version=4)
    for cell in book.cells:
        cell.outputs, cell.execution_count = [], None
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, made)
    return made


@pytest.fixture
def address(path: Path) -> Iterator[str]:
    """Where a JupyterLab of its own shows that notebook."""
    folder = path.parent
    homes = ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.token=test", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (folder / "lab.log").open("w") as log:
        settings = {**os.environ, **{name: str(folder / name.lower()) for name in homes}}
        lab = subprocess.Popen(command, env=settings, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token=test")
            yield f"http://127.0.0.1:{port}/lab/tree/{path.name}?token=test&reset"
        finally:
            lab.terminate()
            lab.wait(SECONDS)


def wait_for(address: str) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until, "JupyterLab did not start"
            time.sleep(0.5)
        else:
            return


def save(page: Any, path: Path) -> list[int]:
    """Save the notebook; return how large each of its outputs is."""
    before = path.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    until = time.monotonic() + SECONDS
    while path.stat().st_mtime_ns == before:
        assert time.monotonic() < until, "JupyterLab did not save"
        page.wait_for_timeout(200)
    page.wait_for_timeout(500)
    return [len(text) for text in outputs_of(path)]


def test_every_table_shows_when_run_when_run_again_and_when_opened_anew(path: Path, address: str) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1300, "height": 2400})
        page.set_default_timeout(SECONDS * 1000)
        page.goto(address)
        page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        look_at_tables(page)
        first, *others = save(page, path)
        assert first > 900_000
        assert max(others) < 20_000
        # The cell whose output holds the programs is run again.
        page.locator(".jp-Notebook .jp-Cell .cm-content").nth(2).click()
        page.keyboard.press("Control+Enter")
        page.wait_for_function("document.querySelectorAll('.jp-InputPrompt')[2].innerText === '[6]:'")
        first, *others = save(page, path)
        assert first > 900_000
        assert max(others) < 20_000
        page.goto(address)
        look_at_tables(page)
        browser.close()
