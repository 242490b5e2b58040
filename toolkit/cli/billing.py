"""The command that loads BluBilling's spreadsheets: load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, expanded, finish, opened
from toolkit.counted import counted
from toolkit.display import show_findings
from toolkit.late import late

if TYPE_CHECKING:
    from toolkit import cutover, extract
else:
    cutover, extract = late("toolkit.cutover"), late("toolkit.extract")


def load(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Spreadsheets: .xlsx or .csv.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load BluBilling's spreadsheets as billing.* tables.

    A table is loaded whole or not at all; what is wrong with it is listed by file, sheet, row and column.

    Example: toolkit load customers.csv plans.csv charges.xlsx
    """
    with opened(ctx, workspace) as ws:
        loaded = extract.load(ws, expanded(files))
        retired = cutover.retire_decisions(ws)
        document = {
            **{"rows": loaded.rows, "gone": loaded.gone, "findings": loaded.findings},
            "retired": retired,
        }

        def show(console: Console) -> None:
            for name, count in loaded.rows.items():
                console.print(f"{name}: {counted(count, 'row')}")
            for name, keys in loaded.gone.items():
                rows = counted(len(keys), "row is", "rows are")
                console.print(
                    f"{name}: {rows} gone since the last load: {', '.join(keys[:5])}",
                    markup=False,
                )
            if retired:
                decisions = counted(retired, "decision")
                console.print(f"{decisions} retired: their charges need them no more.")
            show_findings(console, loaded.findings)

        emit(ctx, as_json, document, show)
    finish(loaded.findings)
