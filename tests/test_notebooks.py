"""Notebooks: as the house style has them, committed without outputs, executed on the demo's workspace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 10


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_the_four_notebooks_are_there() -> None:
    names = [path.stem for path in NOTEBOOKS]
    assert names[:4] == ["01_import", "02_map", "03_carry_forward", "04_export"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_house_style(path: Path) -> None:
    notebook = read(path)
    first, second, *_ = notebook.cells
    assert first.cell_type == "markdown"
    assert "**In:**" in first.source
    assert "**Out:**" in first.source
    assert "parameters" in second.metadata.get("tags", [])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "assert " in code[-1].source, "the last cell asserts totals and counts"
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
        lines = cell.source.splitlines()
        assert len(lines) <= MOST_LINES
        assert not any(line.startswith(("def ", "class ")) for line in lines)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_demo(path: Path, demo_workspace: Path) -> None:
    notebook = read(path)
    first_line, *others = notebook.cells[1].source.splitlines()
    assert first_line.startswith("workspace = ")
    notebook.cells[1].source = "\n".join([f"workspace = {str(demo_workspace)!r}", *others])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    errors = [
        out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "stream"
    ]
    assert errors == [], "a notebook shows tables and prints nothing"


@pytest.mark.slow
@pytest.mark.network
def test_a_saved_notebook_is_searched_in_a_browser(demo_workspace: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    path = ROOT / "notebooks" / "02_map.ipynb"
    notebook = read(path)
    notebook.cells[1].source = (
        f"workspace = {str(demo_workspace)!r}\n" + notebook.cells[1].source.partition("\n")[2]
    )
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    page_file = tmp_path / "02_map.html"
    page_file.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.goto(page_file.as_uri(), wait_until="domcontentloaded")
        charges = page.locator(".toolkit-table").first
        charges.locator(".dt-info").wait_for()
        assert charges.locator(".toolkit-caption").inner_text().startswith("Charges: 25 rows")
        charges.locator("input[type=search]").fill("Hosting:Enterprise")
        rows = charges.locator("table.dataTable tbody tr")
        assert rows.count() == 1
        assert "mapped" in rows.first.inner_text()
        charges.locator("input[type=search]").fill("")
        charges.locator(".dt-scroll-head input[placeholder=status]").press_sequentially("mapped")
        assert "of 11 entries" in charges.locator(".dt-info").inner_text()
        page.screenshot(path=str(tmp_path / "02_map.png"))
        browser.close()
