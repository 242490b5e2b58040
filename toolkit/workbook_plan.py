"""A plan, or a tie-out, as one workbook: a sheet a table, what is posted by hand among them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit.reconcile import TieOut
from toolkit.transform import Plan
from toolkit.workbook_tables import write_frames

__all__ = ["write_plan", "write_tie_out"]


def write_plan(path: Path, plan: Plan) -> Path | None:
    """Write a plan to a workbook: operations, what stays behind, sums, findings, what is posted by hand.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    frames = {
        "operations": plan.operations,
        "left_out": plan.left_out,
        "totals": plan.totals,
        "by_day": plan.by_day,
        "by_customer": plan.by_customer,
        "by_item": plan.by_item,
        "post_by_hand": plan.post_by_hand,
        "findings": plan.findings,
    }
    return write_frames(path, frames)


def write_tie_out(path: Path, result: TieOut, schedule: pd.DataFrame) -> Path | None:
    """Write a tie-out to a workbook, with ``plan.post_by_hand`` as a sheet of it.

    Returns
    -------
    Path or None
        The name under which the file that was there is kept.

    Raises
    ------
    InputFileError
        The file is no .xlsx or cannot be written.
    """
    frames = {"totals": result.totals, "differences": result.differences, "post_by_hand": schedule}
    return write_frames(path, frames)
