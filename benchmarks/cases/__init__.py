"""The cases, a module each; here stands what they have in common."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import MB, Task

__all__ = ["Case", "Goal", "Row", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is to be done: ``scale`` of the full size, and megabytes for the case of memory."""

    scale: float = 1.0
    memory_mb: int = 1000

    def of(self, count: int) -> int:
        """Return a count at this scale, at least one."""
        return max(1, round(count * self.scale))


@dataclass(slots=True)
class Row:
    """All runs of one task.

    Parameters
    ----------
    task : Task
        What was run; left out where its package is ``missing``.
    cpu, fixed : list of float
        CPU seconds of each run, and of the runs that stopped before the work.
    peaks : list of int
        Peak memory of each run, bytes.
    facts : dict
        What the work told, the last time.
    """

    task: Task
    cpu: list[float] = field(default_factory=list)
    fixed: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    missing: bool = False

    @property
    def fixed_seconds(self) -> float | None:
        """CPU seconds of the fixed cost: the median; None where it is not measured."""
        return statistics.median(self.fixed) if self.fixed else None

    @property
    def size(self) -> int:
        """Bytes that were read or written; 0 where that is not known."""
        return self.task.size or int(self.facts.get("bytes", 0))

    @property
    def seconds(self) -> float | None:
        """CPU seconds of the work: the median of the runs, less that of the fixed cost."""
        if not self.cpu:
            return None
        return statistics.median(self.cpu) - (self.fixed_seconds or 0.0)

    @property
    def peak_mb(self) -> float | None:
        """Peak memory in MB, the median of the runs."""
        return statistics.median(self.peaks) / MB if self.peaks else None


@dataclass(frozen=True, slots=True)
class Goal:
    """A target, and what was measured.

    Parameters
    ----------
    text : str
        What is compared with what.
    value : float or None
        What was measured; None where it was not, or was too little to tell.
    limit : float
        The target.
    most : bool
        Whether the target is the most or the least.
    unit : str
        ``x`` or ``MB``.
    aim : float, optional
        What is hoped for beyond the target.
    """

    text: str
    value: float | None
    limit: float
    most: bool = True
    unit: str = "x"
    aim: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where that is not known."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Case:
    """Tasks that are measured together, turn by turn, so that what disturbs one disturbs all.

    Parameters
    ----------
    name, title : str
        On the command line; above its table.
    runs : int
        How often, where nothing else is said.
    baseline : str
        The task that the table compares with.
    tasks : callable
        Makes the documents in a folder and returns the tasks.
    goals : callable
        Returns the goals for the measured rows, by name.
    says : callable, optional
        Returns in a line what the facts of a row come to.
    """

    name: str
    title: str
    runs: int
    baseline: str
    tasks: Callable[[Sizes, Path], Sequence[Task]]
    goals: Callable[[Mapping[str, Row]], Sequence[Goal]]
    says: Callable[[Mapping[str, Any]], str] | None = None


def ratio(rows: Mapping[str, Row], one: str, other: str) -> float | None:
    """Return how many times the work of one task takes that of another; None where either is too little."""
    first, second = rows[one].seconds, rows[other].seconds
    if first is None or second is None or first <= 0 or second <= 0:
        return None
    return first / second
