"""The steps of a cutover on one workspace: what the commands, the demo and the notebooks call.

Each step reads tables from the workspace, lets a pure module think, and writes what came out.
"""

from __future__ import annotations

from toolkit.cutover_carry import (
    carry_forward,
    carry_forward_customers,
    sign_carried,
    undo_carry_forward,
    unsign_carried,
)
from toolkit.cutover_corrections import corrected_tables
from toolkit.cutover_export import plan_export, tie_out, waive, waive_all
from toolkit.cutover_mapping import Matches, match, read_mapping, retire_decisions, write_mapping
from toolkit.cutover_steps import EXPORT, Step, steps
from toolkit.refresh import queue_refresh

__all__ = [
    "EXPORT",
    "Matches",
    "Step",
    "carry_forward",
    "carry_forward_customers",
    "corrected_tables",
    "match",
    "plan_export",
    "queue_refresh",
    "read_mapping",
    "retire_decisions",
    "sign_carried",
    "steps",
    "tie_out",
    "undo_carry_forward",
    "unsign_carried",
    "waive",
    "waive_all",
    "write_mapping",
]
