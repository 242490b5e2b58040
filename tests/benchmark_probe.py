"""A task for tests/test_benchmarks.py that a measured process can import quickly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare(folder: Path, loops: int) -> tuple[Callable[[], int], Callable[[int], dict[str, Any]]]:
    """Prepare counting, with 90 MB of memory in hand."""
    assert folder.is_dir()
    return lambda: len(b"x" * 90_000_000) + sum(range(loops)), lambda total: {"total": total}
