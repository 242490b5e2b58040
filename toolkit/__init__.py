"""Move billing between BluBilling and QuickBooks Desktop.

The steps of a cutover, each a module: :mod:`~toolkit.extract` (land, load), :mod:`~toolkit.mapping`,
:mod:`~toolkit.carry_forward`, :mod:`~toolkit.transform` (export), :mod:`~toolkit.reconcile` (tie-out);
:mod:`~toolkit.cutover` runs them on a :class:`Workspace`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit import carry_forward, cutover, extract, mapping, reconcile, tables, transform
    from toolkit.deciding import accept, correct, decide, decide_new, decide_rows, history, undo
    from toolkit.errors import ToolkitError
    from toolkit.notebook import show
    from toolkit.settings import Settings
    from toolkit.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "Settings",
    "ToolkitError",
    "Workspace",
    "__version__",
    "accept",
    "carry_forward",
    "correct",
    "cutover",
    "decide",
    "decide_new",
    "decide_rows",
    "extract",
    "history",
    "mapping",
    "reconcile",
    "show",
    "tables",
    "transform",
    "undo",
]

_DECIDING = ("accept", "correct", "decide", "decide_new", "decide_rows", "history", "undo")
_HOMES = {
    "Settings": "settings",
    "ToolkitError": "errors",
    "Workspace": "workspace",
    "show": "notebook",
    **dict.fromkeys(
        ("accept", "correct", "decide", "decide_new", "decide_rows", "history", "undo"), "deciding"
    ),
}


def __getattr__(name: str) -> Any:
    # Each is loaded when it is first asked for: a server that starts again needs none of the steps.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: Any = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    if name in _HOMES:
        found = globals()[name] = getattr(found, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
