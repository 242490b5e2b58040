"""What the ledger keeps, as tables of the workspace: read from it, and written as files for people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.late import pq
from toolkit.ledger import Ledger
from toolkit.ledger_views import APPROVED, HELD, KEPT, WAIVED
from toolkit.tables import to_arrow
from toolkit.workspace_files import write_atomically
from toolkit.workspace_tables import STORED, table_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["APPROVED", "KEPT", "WRITTEN", "ledger_table", "write_view", "write_views"]

WRITTEN = (*(name for name in STORED if name.startswith("mapping.")), KEPT, WAIVED, APPROVED)
"""The views that stand as files too: what people decided and approved."""


def ledger_table(ledger: Ledger, name: str) -> pd.DataFrame:
    """Return a table of the ledger by its declared name, ``mapping.*`` or ``ledger.*``."""
    if name.startswith("mapping."):
        return ledger.decisions(name)
    views: dict[str, Callable[[], pd.DataFrame]] = {
        "ledger.jobs": ledger.jobs,
        "ledger.operations": ledger.operations,
        "ledger.crosswalk": ledger.crosswalk,
        KEPT: ledger.decision_rows,
        WAIVED: ledger.waiver_rows,
        APPROVED: ledger.approvals,
        HELD: ledger.held,
        "ledger.postings": ledger.postings,
    }
    return views[name]()


def write_view(folder: Path, ledger: Ledger, name: str) -> None:
    """Write one view's file. The ledger is the truth and is what is read: the next decision renews it.

    A server may be landing tables meanwhile: the file takes its own place, and nothing else is touched.
    """
    rows = to_arrow(ledger_table(ledger, name), name)
    with suppress(OSError):
        write_atomically(
            table_path(folder, name), lambda file: pq.write_table(rows, file, compression="zstd")
        )


def write_views(folder: Path, ledger: Ledger) -> None:
    """Write the file of every view there is one of."""
    for name in WRITTEN:
        write_view(folder, ledger, name)
