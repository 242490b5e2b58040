"""The README: short, and true. Its demo output is what the demo prints, its commands are commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import DemoRun

from toolkit import Workspace
from toolkit.cli import COMMANDS

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
LEFT_OUT = "..."


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert len(found) >= 1
    return str(found[0])


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.network
def test_the_output_it_shows_is_the_demos(demo_run: DemoRun) -> None:
    printed = lines(demo_run.text)
    place = 0
    chunks = "\n".join(lines(block("text"))).split(f"\n{LEFT_OUT}\n")
    assert len(chunks) > 3
    for chunk in chunks:
        wanted = chunk.splitlines()
        starts = [i for i in range(place, len(printed)) if printed[i : i + len(wanted)] == wanted]
        assert starts, f"the demo does not print, from here on:\n{chunk}"
        place = starts[0] + len(wanted)


@pytest.mark.network
def test_its_python_example_runs(demo_run: DemoRun) -> None:
    source = block("python").replace('"data/demo"', repr(str(demo_run.workspace)))
    names: dict[str, object] = {}
    exec(compile(source, "README.md", "exec"), names)
    assert isinstance(names["ws"], Workspace)
    assert len(names["plan"].left_out) > 0  # type: ignore[attr-defined]


def test_every_command_it_names_is_a_command() -> None:
    known = set(COMMANDS)
    named = set(re.findall(r"(?m)^(?:\S+\\)?toolkit (?:-w \S+ )?([a-z][a-z-]+)", "\n".join(pieces())))
    assert named <= known
    assert len(named) > 10


def pieces() -> list[str]:
    """Return what stands as code: blocks, and words between backticks."""
    found = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", README, re.DOTALL)
    return [block or inline for block, inline in found]
