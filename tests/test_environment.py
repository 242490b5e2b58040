"""pyproject.toml says what is needed; requirements.lock and environment.yml must say the same."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT_TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads(PYPROJECT_TEXT)
DEPENDENCIES_TEXT = PYPROJECT_TEXT.split("\ndependencies = [")[1].split("\n[project.scripts]")[0]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
BENCH_LOCK = (ROOT / "benchmarks" / "requirements.lock").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")

RUNTIME = PYPROJECT["project"]["dependencies"]
DEV = PYPROJECT["project"]["optional-dependencies"]["dev"]
BENCH = PYPROJECT["project"]["optional-dependencies"]["bench"]


def as_pins(lines: list[str]) -> set[tuple[str, str, str]]:
    """Return (name, version, marker) of each line, which must pin one version."""
    pins = set()
    for line in lines:
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{line} is not pinned"
        pins.add((canonicalize_name(requirement.name), specifier.version, str(requirement.marker or "")))
    return pins


DIRECT = as_pins(RUNTIME + DEV)


def locked_entries(lock: str) -> dict[tuple[str, str], str]:
    """Return the text of each entry of a lock, by name and version."""
    entries = {}
    for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]:
        name, version = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry).groups()
        entries[canonicalize_name(name), version] = entry
    return entries


LOCKED = locked_entries(LOCK)


def conda_lines() -> tuple[list[str], list[str]]:
    """Return what environment.yml takes from conda, and what from pip."""
    items = re.findall(r"^( +)- (.+)$", CONDA.split("\ndependencies:\n")[1], flags=re.MULTILINE)
    from_conda = [text for indent, text in items if len(indent) == 2 and text != "pip:"]
    from_pip = [text.strip("'") for indent, text in items if len(indent) == 6]
    return from_conda, from_pip


def test_conda_gets_what_pip_gets():
    _, from_pip = conda_lines()
    assert as_pins([line for line in from_pip if line != "-e ."]) == DIRECT
    assert from_pip[-1] == "-e ."


def test_conda_brings_a_python_that_is_supported():
    from_conda, _ = conda_lines()
    python, pip = from_conda
    assert pip == "pip"
    assert python == "python=3.11"
    assert PYPROJECT["project"]["requires-python"] == ">=3.11,<3.14"


@pytest.mark.parametrize(
    "line", [line for line in DEPENDENCIES_TEXT.splitlines() if re.match(r" {4}[\"'][\w-]+==", line)]
)
def test_every_dependency_says_why(line):
    assert re.search(r"[\"'],\s+# \w+", line)


def test_the_lines_with_a_reason_are_all_the_dependencies():
    lines = re.findall(r"^ {4}[\"']([\w-]+)==", DEPENDENCIES_TEXT, flags=re.MULTILINE)
    assert sorted(lines) == sorted(name for name, _, _ in DIRECT | as_pins(BENCH))


@pytest.mark.parametrize(("name", "version"), sorted((name, version) for name, version, _ in DIRECT))
def test_the_lock_holds_every_direct_dependency(name, version):
    assert (name, version) in LOCKED


def test_the_lock_keeps_to_the_constraints():
    for name, version, _ in as_pins(PYPROJECT["tool"]["uv"]["constraint-dependencies"]):
        assert (name, version) in LOCKED


def test_the_lock_of_the_benchmarks_holds_what_only_they_need():
    assert set(locked_entries(BENCH_LOCK)) == {(name, version) for name, version, _ in as_pins(BENCH)}
    assert not {name for name, _, _ in as_pins(BENCH)} & {name for name, _ in LOCKED}


@pytest.mark.parametrize("lock", [LOCK, BENCH_LOCK], ids=["all", "benchmarks"])
def test_every_entry_of_the_lock_has_a_hash(lock):
    assert [
        key
        for key, entry in locked_entries(lock).items()
        if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)
    ] == []


@pytest.mark.parametrize("lock", [LOCK, BENCH_LOCK], ids=["all", "benchmarks"])
def test_the_lock_names_no_index_no_address_and_no_path(lock):
    assert lock.isascii()
    options = set(re.findall(r"(?<!\S)-[\w-]+", re.sub(r"^ *#.*$", "", lock, flags=re.MULTILINE)))
    assert options == {"--hash"}
    assert "/" not in lock
    assert " @ " not in lock
    assert not re.search(r"\\(?!\n)", lock)


def test_the_build_tool_is_locked_too():
    assert as_pins(PYPROJECT["build-system"]["requires"]) <= DIRECT


@pytest.mark.parametrize("line", RUNTIME + DEV)
def test_what_is_installed_is_what_is_declared(line):
    requirement = Requirement(line)
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(importlib.metadata.version(requirement.name))
