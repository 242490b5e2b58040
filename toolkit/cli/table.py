"""The command ``table``: any table, plan or list of findings, in the terminal or in Excel."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, named_workspace, opened, show_kept
from toolkit.counted import counted
from toolkit.display import columns_for_people, show_findings, terminal_table
from toolkit.errors import UsageError
from toolkit.import_age import imports_of
from toolkit.late import late, pd
from toolkit.tables import TABLES, conform, to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import carry_forward, cutover, requeue, workbook_tables
else:
    carry_forward, cutover = late("toolkit.carry_forward"), late("toolkit.cutover")
    requeue, workbook_tables = late("toolkit.requeue"), late("toolkit.workbook_tables")

EVERYTHING = {"new": True, "customers": True, "invoices": True, "payments": True, "credits": True}
WIDEST_CELL = 40
MACHINE_MADE = ("list_id", "txn_id", "fields", "expected", "qbxml")  # they say little to people
_MATCHED = ("status", "reason", "suggestion", "score")
FIRST = {
    "quickbooks.invoices": (
        *("ref_number", "txn_date", "customer_full_name", "due_date", "subtotal", "sales_tax_total"),
        *("balance_remaining", "is_paid"),
    ),
    "quickbooks.credit_memos": (
        *("ref_number", "txn_date", "customer_full_name", "total_amount", "credit_remaining"),
    ),
    "quickbooks.payments": (
        *("ref_number", "txn_date", "customer_full_name", "total_amount", "payment_method_full_name"),
        "unused_payment",
    ),
    "quickbooks.sales_receipts": ("ref_number", "txn_date", "customer_full_name", "total_amount"),
    "quickbooks.items": (
        *("full_name", "item_type", "price", "income_account_full_name", "sales_tax_code_full_name"),
        "is_active",
    ),
    "quickbooks.customers": ("full_name", "account_number", "balance", "terms_full_name", "is_active"),
    "match.charges": ("contract_code", "price_code", "item_full_name", *_MATCHED),
    "match.customers": ("account_number", "name", "customer_full_name", *_MATCHED),
    "match.payment_methods": ("method", "payment_method_full_name", *_MATCHED),
    "plan.operations": ("key", "request", "txn_date", "ref_number", "amount", "customer_full_name"),
    "plan.post_by_hand": ("source_key", "kind", "date", "amount", "customer_full_name", "txn_id", "why"),
    "plan.left_out": ("source_table", "source_key", "amount", "rule", "reason"),
}
"""Columns of a table to show before its others."""
_OF_IMPORT = ("complete_at", "job", "covers", "age_days", "partial")
GAP = 3  # blanks between the columns of a terminal table


def table(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="For example quickbooks.items; without one all are listed.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to a workbook.", show_default=False)
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to show.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a table, a plan or the findings, or write it to Excel.

    Tables: quickbooks.*, billing.*, mapping.* and ledger.*. Worked out anew: match.*, carry_forward.*,
    tie_out.*, plan.* (everything since the cutover that was not sent) and findings.

    Example: toolkit table quickbooks.items --to items.xlsx
    """
    if name is None:
        _list_all(ctx, workspace, to, as_json)
        return
    _require_known(name)
    with opened(ctx, workspace) as ws:
        frame = frame_of(ws, name)
        kept = None if to is None else workbook_tables.write_table(to, name, frame)
        document: dict[str, Any] = {"table": name, "rows": len(frame), "file": str(to) if to else None}
        document["kept"] = str(kept) if kept else None
        aged = imports_of(ws).get(name) if name.startswith("quickbooks.") else None
        if aged is not None:
            document["import"] = {fact: getattr(aged, fact) for fact in _OF_IMPORT}
        if to is None:
            document["records"] = frame

        def show(console: Console) -> None:
            if to is not None:
                console.print(f"{counted(len(frame), 'row')} written to {to}", markup=False, soft_wrap=True)
                show_kept(console, to, kept)
                return
            console.print(f"{name}: {counted(len(frame), 'row')}{f' ({aged})' if aged else ''}", markup=False)
            if name == "findings":
                show_findings(console, frame, limit=rows)
            elif len(frame):
                columns = fitting_columns(name, frame.head(rows), console.width)
                console.print(terminal_table(frame, columns, limit=rows))
                more = len(columns_for_people(name, frame, most=len(frame.columns))) - len(columns)
                if more > 0:
                    words = "1 more column has" if more == 1 else f"{more} more columns have"
                    console.print(f"{words} values: --to FILE.xlsx or --json shows everything")

        emit(ctx, as_json, document, show)


def _list_all(ctx: typer.Context, workspace: Path | None, to: Path | None, as_json: bool) -> None:
    """Print every table with what one row of it is."""
    if to is not None:
        raise UsageError("--to writes one table: name it, as in toolkit table findings --to f.xlsx")
    if named_workspace(ctx, workspace) is not None:
        with opened(ctx, workspace):  # the list is the same everywhere; a wrong name is told all the same
            pass
    listed = [{"table": known, "row": each.doc} for known, each in TABLES.items()]

    def show(console: Console) -> None:
        frame = pd.DataFrame(listed)
        columns = {"table": "table", "row": "one row is"}
        console.print(terminal_table(frame, columns, limit=len(listed)))

    emit(ctx, as_json, {"tables": listed}, show)


def _require_known(name: str) -> None:
    if name in TABLES:
        return
    part = name.rpartition(".")[2]
    near = [known for known in TABLES if known.rpartition(".")[2] == part]
    near = near or difflib.get_close_matches(name, TABLES, n=2, cutoff=0.8)
    area = [known for known in TABLES if known.startswith(f"{name.partition('.')[0]}.")]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"there are {', '.join(sorted(area))}" if area else "`toolkit table` lists them all"
    raise UsageError(f"{name}: no such table; {hint}")


def frame_of(ws: Workspace, name: str) -> pd.DataFrame:
    """Return a table of the workspace, or work it out from the tables that are there.

    Parameters
    ----------
    ws : Workspace
        Where to read.
    name : str
        Any declared name.

    Raises
    ------
    SettingError
        A plan, and the cutover date is not set.
    """
    area, _, part = name.partition(".")
    frame: pd.DataFrame
    if name == "findings":
        return all_findings(ws)
    if area == "match":
        frame = getattr(cutover.match(ws), part)
    elif area == "plan":
        frame = getattr(cutover.plan_export(ws, qbxml=part == "operations", **EVERYTHING), part)
    elif area == "carry_forward":
        frame = getattr(carry_forward.plan_carry_forward(cutover.corrected_tables(ws)[0], ws.settings), part)
    elif name in ("tie_out.absent", "tie_out.hanging"):
        absent = requeue.list_absent(ws)
        frame = absent.records if part == "absent" else absent.hanging
    elif area == "tie_out":
        frame = getattr(cutover.tie_out(ws), part)
    else:
        frame = ws.read(name)
    return frame


def all_findings(ws: Workspace) -> pd.DataFrame:
    """Return what stands against the next steps: matching, carry-forward until it is done, and export.

    Returns
    -------
    pandas.DataFrame
        ``findings``, each once, errors first.
    """
    found = [cutover.match(ws).findings, cutover.plan_export(ws, qbxml=False, **EVERYTHING).findings]
    if not (ws.read("ledger.crosswalk")["origin"] == "quickbooks").any():
        found.append(carry_forward.plan_carry_forward(cutover.corrected_tables(ws)[0], ws.settings).findings)
    both = pd.concat(found).drop_duplicates("finding_id")
    rank = both["severity"].map({"error": 0, "warning": 1, "info": 2})
    return conform(both.iloc[rank.argsort(kind="stable")].reset_index(drop=True), "findings")


def fitting_columns(name: str, frame: pd.DataFrame, width: int) -> Sequence[str]:
    """Return the columns to show first of a table, as many as stand beside each other unbroken.

    Parameters
    ----------
    name : str
        Declared name.
    frame : pandas.DataFrame
        The rows that will be shown.
    width : int
        Characters of a line.
    """
    filled = columns_for_people(name, frame, most=len(frame.columns))
    first = [column for column in FIRST.get(name, ()) if column in filled]
    last = [column for column in filled if column in MACHINE_MADE]
    rest = [column for column in filled if column not in last]
    wanted = list(dict.fromkeys([*first, *rest, *last]))  # one may be among the first and the last
    rows = to_rows(frame[wanted])
    shown: list[str] = []
    left = width
    for column in wanted:
        cells = [cell_len(str(row[column])) for row in rows if row[column] is not None]
        width_of_it = max(len(column), min(WIDEST_CELL, max(cells, default=0))) + GAP
        if shown and width_of_it > left:
            continue
        shown.append(column)
        left -= width_of_it
    return shown
