"""One run of a task: a process of its own, its CPU time and its peak memory as the system tells them.

What a task costs apart from its work (Python, imports, reading the file, a first small document) is measured
by the same process told to stop before the work, and subtracted. CPU time is user + system time, child
processes included: it is steadier than the clock on a machine that does other things too, and no work can
hide in another process.

Peak memory is what ``os.wait4`` reports. Linux counts the parent's memory in where a process starts, so
whoever measures must stay small itself: no document is ever read in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MB = 1_000_000
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class BenchError(Exception):
    """A task could not be run, or did not do its work."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be measured.

    Parameters
    ----------
    name : str
        How it is called in the table.
    entry : str
        ``module:function`` of what prepares it: called with ``arguments`` and a ``folder`` of its own, it
        returns the work (a callable without arguments) and what tells the facts about the work's result.
    arguments : mapping
        For the entry; must survive JSON.
    note : str
        What the work gives, for the reader of the table.
    package : str
        The module that must be there; where it is not, the task is left out.
    expected : mapping
        Facts that the work must tell: a task that skips its work is no measurement.
    size : int
        Bytes that it reads or writes; 0 where that says nothing.
    command : sequence of str
        Arguments of Python to be run instead of the entry; ``{folder}`` stands for the folder. No fixed cost
        is measured then.
    setup : str
        ``module:function`` to be called with the folder beforehand, in a process that is not measured.
    """

    name: str
    entry: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    package: str = ""
    expected: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0
    command: Sequence[str] = ()
    setup: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process used: CPU seconds, peak memory in bytes, and what it printed."""

    cpu: float
    peak: int
    output: str


def run(task: Task, *, work: bool = True) -> tuple[Usage, dict[str, Any]]:
    """Run a task once.

    Parameters
    ----------
    task : Task
        What to run.
    work : bool
        False stops before the work, for the fixed cost.

    Returns
    -------
    Usage, dict
        What it used, without what the facts cost; and the facts.

    Raises
    ------
    BenchError
        It failed, or the facts are not those expected.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if task.setup:
            _process(
                ["-m", "benchmarks.child"], {"setup": task.setup, "folder": folder}, f"{task.name}, set up"
            )
        if task.command:
            usage = _process([part.replace("{folder}", folder) for part in task.command], None, task.name)
            facts: dict[str, Any] = json.loads(usage.output)
        else:
            asked = {"entry": task.entry, "arguments": dict(task.arguments), "folder": folder, "work": work}
            usage = _process(["-m", "benchmarks.child"], asked, task.name)
            told = json.loads(usage.output.splitlines()[-1])
            facts = told["facts"]
            usage = Usage(usage.cpu - told["aside"], usage.peak, "")
    if work:
        wrong = {name: facts.get(name) for name, value in task.expected.items() if facts.get(name) != value}
        if wrong:
            raise BenchError(
                f"{task.name} gave {wrong} and not {dict(task.expected)}: that is no measurement"
            )
    return usage, facts


def _process(command: Sequence[str], asked: Mapping[str, Any] | None, name: str) -> Usage:
    if not hasattr(os, "wait4"):
        raise BenchError(
            "this system does not tell what a process used: run the benchmarks on Linux or macOS"
        )
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as wrong,
    ):
        given.write(json.dumps(asked).encode())
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0", "NO_COLOR": "1"},
            stdin=given,
            stdout=said,
            stderr=wrong,
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        wrong.seek(0)
        if process.returncode:
            why = wrong.read().decode("utf-8", "replace").strip().splitlines()
            raise BenchError(
                f"{name} ended with {process.returncode}: {why[-1] if why else 'it said nothing'}"
            )
        cpu = used.ru_utime + used.ru_stime
        return Usage(cpu, used.ru_maxrss * _RSS_UNIT, said.read().decode())
