"""The command line: which cases, how large, how often; tables on the screen, JSON into a file.

It ends with 0 where every target is met, 1 where one is missed, 2 where it could not be measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import report
from benchmarks.cases import (
    Case,
    Row,
    Sizes,
    land,
    ledger,
    linear,
    mapping,
    memory,
    serve,
    start,
    through,
    write,
)
from benchmarks.measure import BenchError, run

LISTED = (land, memory, linear, write, ledger, start, serve, through, mapping)
CASES = {module.CASE.name: module.CASE for module in LISTED}
QUICK = 0.1

Say = Callable[[str], None]


def measure(case: Case, sizes: Sizes, runs: int, say: Say) -> report.Result:
    """Measure one case: its tasks take turns, run by run.

    Parameters
    ----------
    case : Case
        What to measure.
    sizes : Sizes
        How much.
    runs : int
        How often.
    say : callable
        Is told what is being done.

    Raises
    ------
    BenchError
        A task failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        say("making documents")
        rows = {task.name: Row(task) for task in case.tasks(sizes, Path(folder))}
        for row in rows.values():
            row.missing = bool(row.task.package) and importlib.util.find_spec(row.task.package) is None
        there = [row for row in rows.values() if not row.missing]
        # Once each, not counted: it compiles modules and fills the system's cache.
        for task in {row.task.entry: row.task for row in there if row.task.entry}.values():
            say(f"{task.name}, once to warm up")
            run(task, work=False)
        for turn in range(1, runs + 1):
            for row in there:
                say(f"{row.task.name}, run {turn} of {runs}")
                if not row.task.command:
                    row.fixed.append(run(row.task, work=False)[0].cpu)
                usage, row.facts = run(row.task)
                row.cpu.append(usage.cpu)
                row.peaks.append(usage.peak)
    return report.Result(case, runs, rows, case.goals(rows))


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measure speed and memory of the toolkit."
    )
    listed = "; ".join(f"{name}: {case.title}" for name, case in CASES.items())
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which (default: all). {listed}")
    parser.add_argument("--runs", type=int, help="runs of each task (default: by case, 1 to 5)")
    parser.add_argument("--scale", type=float, help="how much of the full size (default: 1)")
    parser.add_argument("--quick", action="store_true", help=f"--scale {QUICK} --runs 1: two minutes, rough")
    parser.add_argument("--memory-mb", type=int, default=1000, help="size of the answer of the case memory")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything that was measured to a file"
    )
    chosen = parser.parse_args(given)
    unknown = [name for name in chosen.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {unknown[0]}; the cases are {', '.join(CASES)}")
    if chosen.scale is None:
        chosen.scale = QUICK if chosen.quick else 1.0
    if chosen.runs is None and chosen.quick:
        chosen.runs = 1
    if not 0 < chosen.scale <= 10:
        parser.error("--scale takes more than 0 and at most 10")
    if chosen.runs is not None and chosen.runs < 1:
        parser.error("--runs takes at least 1")
    if chosen.memory_mb < 1:
        parser.error("--memory-mb takes at least 1")
    if chosen.json and not chosen.json.resolve().parent.is_dir():
        parser.error(f"--json {chosen.json.as_posix()}: there is no such folder")
    return chosen


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    chosen = _arguments(given)
    sizes = Sizes(chosen.scale, chosen.memory_mb)
    settings = {"scale": chosen.scale, "runs": chosen.runs, "memory_mb": chosen.memory_mb}
    screen = Console(stderr=True)
    results = []
    bar = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*bar, console=screen, transient=True) as progress:
            cases = [CASES[name] for name in dict.fromkeys(chosen.cases or CASES)]
            line = progress.add_task("", total=len(cases))
            for case in cases:

                def say(text: str, name: str = case.name) -> None:
                    progress.update(line, description=f"{name}: {text}")
                    if not screen.is_terminal:
                        screen.print(f"{name}: {text}", markup=False, highlight=False)

                results.append(measure(case, sizes, chosen.runs or case.runs, say))
                progress.advance(line)
    except KeyboardInterrupt:
        screen.print("bench: stopped; nothing is kept")
        return 2
    except (BenchError, OSError) as error:
        screen.print(f"bench: {error}", style="bold red", markup=False, highlight=False)
        return 2
    report.show(Console(width=None if sys.stdout.isatty() else 120), results, settings)
    if chosen.json:
        document = report.as_json(results, settings)
        chosen.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        shown = chosen.json.name if chosen.json.is_absolute() else chosen.json.as_posix()
        print(f"The same as JSON: {shown}")
    return report.exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
