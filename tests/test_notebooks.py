"""Notebooks: as the house style has them, committed without outputs, executed on the demo's workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

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
