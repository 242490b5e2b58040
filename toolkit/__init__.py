"""Move billing between BluBilling and QuickBooks Desktop.

The steps of a cutover, each a module: :mod:`~toolkit.extract` (land, load), :mod:`~toolkit.mapping`,
:mod:`~toolkit.carry_forward`, :mod:`~toolkit.transform` (export), :mod:`~toolkit.reconcile` (tie-out);
:mod:`~toolkit.cutover` runs them on a :class:`Workspace`.
"""

__version__ = "0.1.0"

from toolkit import carry_forward, cutover, extract, mapping, reconcile, tables, transform
from toolkit.errors import ToolkitError
from toolkit.settings import Settings
from toolkit.workspace import Workspace

__all__ = [
    "Settings",
    "ToolkitError",
    "Workspace",
    "__version__",
    "carry_forward",
    "cutover",
    "extract",
    "mapping",
    "reconcile",
    "tables",
    "transform",
]
