"""The measured process: prepares a task, does its work, tells the facts; or stops before the work.

It reads from standard input what to do, as JSON, and writes the facts to standard output, with the CPU time
that they took (``aside``): looking at a result is no part of the work.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resolve(entry: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def main() -> None:
    asked = json.loads(sys.stdin.read())
    folder = Path(asked["folder"])
    facts: dict[str, Any] = {}
    aside = 0.0
    if "setup" in asked:
        resolve(asked["setup"])(folder)
    else:
        work, tell = resolve(asked["entry"])(folder=folder, **asked["arguments"])
        if asked["work"]:
            result = work()
            before = time.process_time()
            facts = tell(result)
            aside = time.process_time() - before
    print(json.dumps({"facts": facts, "aside": aside}))


if __name__ == "__main__":
    main()
