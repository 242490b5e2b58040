"""What is loaded when it is first used: pandas, numpy and pyarrow take longer than all else together.

A server that is started again answers the Web Connector at once, and loads them when it has something to
land. A name from here stands for the module wherever it is used, as if it had been imported at the top:
``from toolkit.late import pa``. Modules that do nothing without them import them as ever.

>>> pa.array([1, 2]).type
DataType(int64)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["late", "np", "pa", "pd", "pq"]


_LOADED = "<loaded>"  # no name that a module may have


class _Late(ModuleType):
    """A module that is imported when something of it is asked for, each time as it is then."""

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__.get(_LOADED)
        if module is None or sys.modules.get(self.__name__) is not module:
            # Not out of sys.modules: what another thread imports stands there before it is whole.
            module = self.__dict__[_LOADED] = importlib.import_module(self.__name__)
        return getattr(module, name)


def late(name: str) -> Any:
    """Return what stands for a module, of whatever package, and imports it when it is first used.

    Parameters
    ----------
    name : str
        Full name of the module.

    Examples
    --------
    >>> late("toolkit.tables").TABLES["quickbooks.items"].key
    ('list_id',)
    """
    return _Late(name)


if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
else:
    np, pd = late("numpy"), late("pandas")
    pa, pq = late("pyarrow"), late("pyarrow.parquet")
