"""What was measured, as tables for people and as JSON."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cases import Case, Goal, Row
from benchmarks.measure import MB

PACKAGES = ("lxml", "pyarrow", "pandas", "numpy", "qbwc-kit", "xmltodict")
EXPLAINED = (
    "CPU s is user + system time of fresh processes, child processes included, the median of runs that take"
    " turns. Fixed s is the same process stopped before the work (Python, imports, reading the file, a first"
    " small document), and subtracted from it already. Peak MB is of the whole process."
)


@dataclass(frozen=True, slots=True)
class Result:
    """One case, measured."""

    case: Case
    runs: int
    rows: Mapping[str, Row]
    goals: Sequence[Goal]


def exit_code(results: Sequence[Result]) -> int:
    """Return 0 where every target is met, 1 where one is missed, 2 where one could not be measured."""
    verdicts = {goal.met for result in results for goal in result.goals}
    return 1 if False in verdicts else 2 if None in verdicts else 0


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, and nothing that names a machine or a person."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "packages": versions,
    }


def as_json(results: Sequence[Result], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "machine": machine(),
        "settings": dict(settings),
        "met": exit_code(results) == 0,
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "runs": result.runs,
                "baseline": result.case.baseline,
                "rows": [_row(row, result) for row in result.rows.values()],
                "goals": [_goal(goal) for goal in result.goals],
            }
            for result in results
        ],
    }


def _row(row: Row, result: Result) -> dict[str, Any]:
    return {
        "name": row.task.name,
        "note": row.task.note,
        "missing": row.missing,
        "bytes": row.size,
        "cpu_seconds": row.seconds,
        "fixed_seconds": row.fixed_seconds,
        "ratio": _against(row, result),
        "peak_mb": row.peak_mb,
        "facts": row.facts,
        "runs": {"cpu": row.cpu, "fixed": row.fixed, "peak_mb": [peak / MB for peak in row.peaks]},
    }


def _goal(goal: Goal) -> dict[str, Any]:
    return {
        "text": goal.text,
        "value": goal.value,
        "unit": goal.unit,
        "target": goal.limit,
        "sense": "at most" if goal.most else "at least",
        "aim": goal.aim,
        "met": goal.met,
    }


def _against(row: Row, result: Result) -> float | None:
    base = result.rows[result.case.baseline].seconds
    return None if row.seconds is None or base is None or base <= 0 else row.seconds / base


def show(console: Console, results: Sequence[Result], settings: Mapping[str, Any]) -> None:
    """Print a table a case, and how its targets stand."""
    facts = machine()
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items() if version)
    where = f"Python {facts['python']}, {facts['system']} {facts['architecture']}, {facts['cores']} cores"
    console.print(f"{where}; {packages}", highlight=False)
    if settings["scale"] != 1:
        console.print(f"At {settings['scale']:g} of the size that the targets are about: ratios are rougher.")
    for result in results:
        console.print()
        console.print(_table(result, float(settings["scale"])))
        for row in result.rows.values():
            if result.case.says and row.facts:
                said = f"  {row.task.name}: {result.case.says(row.facts)}"
                console.print(said, markup=False, highlight=False)
        for goal in result.goals:
            console.print(_sentence(goal), markup=False, highlight=False)
    console.print()
    console.print(EXPLAINED, highlight=False)


def _table(result: Result, scale: float) -> Table:
    runs = f"{result.runs} run{'s' if result.runs > 1 else ''} each"
    size = "" if scale == 1 else f", at {scale:g} of that size"
    table = Table(title=f"{result.case.title}{size} ({runs})", title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("CPU s", "fixed s", "MB/s", f"x {result.case.baseline}", "peak MB"):
        table.add_column(name, justify="right")
    table.add_column("gives")
    for name, row in result.rows.items():
        if row.missing:
            table.add_row(name, *[""] * 5, "not installed: make bench installs it")
            continue
        seconds, against = row.seconds, _against(row, result)
        table.add_row(
            name,
            _number(seconds, 2),
            _number(row.fixed_seconds, 2),
            _number(row.size / MB / seconds, 0) if seconds and seconds > 0 and row.size else "",
            _number(against, 2),
            _number(row.peak_mb, 0),
            row.task.note,
        )
    return table


def _sentence(goal: Goal) -> str:
    verdict = {True: "met", False: "MISSED", None: "not known"}[goal.met]
    shown = (
        "too little to tell, or not measured"
        if goal.value is None
        else f"{_number(goal.value, 2)} {goal.unit}"
    )
    aim = f", aim {goal.aim:g}" if goal.aim is not None else ""
    sense = "at most" if goal.most else "at least"
    return f"  {verdict:>9}  {goal.text}: {shown} (target {sense} {goal.limit:g}{aim})"


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"
