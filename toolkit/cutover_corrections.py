"""The workspace's tables as they count: with the corrections that people made."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from toolkit.corrections import CORRECTIONS
from toolkit.corrections_effective import effective_tables
from toolkit.workspace import Workspace

__all__ = ["corrected_tables"]


def corrected_tables(
    ws: Workspace,
    corrections: pd.DataFrame | None = None,
    *,
    operations: pd.DataFrame | None = None,
) -> tuple[Mapping[str, pd.DataFrame], pd.DataFrame]:
    """Return the workspace's tables with the corrections that stand, and the findings on those.

    A correction that was made after its row had been sent has no effect: it is in nothing that was sent.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    corrections : pandas.DataFrame, optional
        ``mapping.corrections`` to count in place of those that stand: what would be, if they did.
    operations : pandas.DataFrame, optional
        ``ledger.operations`` to count in place of those that stand.
    """
    given = {CORRECTIONS: corrections, "ledger.operations": operations}
    return effective_tables(ws.tables(), {name: frame for name, frame in given.items() if frame is not None})
