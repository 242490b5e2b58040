"""The command that carries open invoices forward, and what is said of it afterwards: carry-forward."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, finish, opened, person, show_kept, typed
from toolkit.counted import counted
from toolkit.display import money, show_findings, terminal_table
from toolkit.errors import UsageError
from toolkit.late import late
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import cutover
    from toolkit.carry_forward import CarryForward
else:
    cutover = late("toolkit.cutover")

SIGNED = {
    **{"key": "number", "customer": "customer", "carried": "carried", "in_billing": "in BluBilling"},
    "reason": "why it differs",
}


def carry_forward(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="The upload file.", show_default=False)] = None,
    customers: Annotated[bool, typer.Option("--customers", help="Write the customers it lacks.")] = False,
    sign: Annotated[
        str | None,
        typer.Option("--sign", help="Sign what does not tie: why.", show_default=False),
    ] = None,
    unsign: Annotated[bool, typer.Option("--unsign", help="Take signatures back.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Nothing was uploaded: take it back.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the open invoices for BluBilling, or say why not.

    It refuses, with the reasons, until every customer is matched and every plan's charges are mapped.
    Invoices that were carried before and are in BluBilling are not written again.

    After the upload, load BluBilling's tables again: an export refuses until they tie to what was carried,
    or a person signs the difference. A new difference needs a new signature.

    Example: toolkit carry-forward --out carry_forward.csv
             toolkit carry-forward --sign "written off, see ticket 12"
    """
    chosen = [name for name, on in _switches(customers, sign, unsign, undo) if on]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: give one of them")
    if out is not None and chosen and chosen != ["--customers"]:
        raise UsageError(f"--out names a file to write, and {chosen[0]} writes none")
    with opened(ctx, workspace) as ws:
        if customers:
            _customers(ctx, as_json, ws, out)
        if sign is not None:
            _sign(ctx, as_json, ws, sign)
        if unsign:
            taken = cutover.unsign_carried(ws, person())
            said = f"{counted(taken, 'signature')} taken back: an export refuses what does not tie."
            _said(ctx, as_json, {"unsigned": taken, "who": person()}, said)
        if undo:
            ended, files = cutover.undo_carry_forward(ws, person())
            gone = counted(ended, "document is", "documents are")
            said = f"{gone} no longer carried forward. Do not upload a file of them."
            shown = {"undone": ended, "files": [str(file) for file in files], "who": person()}
            _said(ctx, as_json, shown, "\n".join([said, *(f"Put aside: {file}" for file in files)]))
        _write(ctx, as_json, ws, out)


def _switches(customers: bool, sign: str | None, unsign: bool, undo: bool) -> list[tuple[str, bool]]:
    on = (customers, sign is not None, unsign, undo)
    return list(zip(("--customers", "--sign", "--unsign", "--undo"), on, strict=True))


def _said(ctx: typer.Context, as_json: bool, document: dict[str, Any], text: str) -> None:
    def show(console: Console) -> None:
        console.print(text, markup=False, soft_wrap=True)

    emit(ctx, as_json, document, show)
    finish()


def _sign(ctx: typer.Context, as_json: bool, ws: Workspace, note: str) -> None:
    """Sign, and list every difference that was: who signs answers for each of them."""
    signed, who = cutover.sign_carried(ws, person(), note), person()
    document = {"signed": len(signed), "who": who, "note": note, "differences": signed}

    def show(console: Console) -> None:
        names = {row["list_id"]: row["full_name"] for row in to_rows(ws.read("quickbooks.customers"))}
        shown = signed.assign(customer=signed["customer_list_id"].map(names))
        console.print(terminal_table(shown, SIGNED, title="Signed", limit=len(shown)))
        for currency in sorted(set(signed["currency"].dropna())):
            mine = [row for row in to_rows(signed) if row["currency"] == currency]
            carried, there = (
                sum((row[name] or Decimal(0) for row in mine), Decimal(0))
                for name in ("carried", "in_billing")
            )
            said = f"{money(carried)} {currency} carried, {money(there)} in BluBilling"
            console.print(f"{said}: {money(there - carried)} apart.", soft_wrap=True)
        said = f"{counted(len(signed), 'difference')} signed by {who}: an export may go."
        console.print(said, markup=False, soft_wrap=True)

    emit(ctx, as_json, document, show)
    finish()


def _write(ctx: typer.Context, as_json: bool, ws: Workspace, out: Path | None) -> None:
    plan, path = cutover.carry_forward(ws, out, person())
    untied = plan.tie[~plan.tie["ties"] & plan.tie["signed_by"].isna()]
    document = {
        "ready": plan.ready,
        "rows": len(plan.unwritten),
        "file": str(path) if path else None,
        "kept": [str(kept) for kept in plan.kept.values()],
        "findings": plan.findings,
        "credits": len(plan.credits),
        "customers_missing": len(plan.customers),
        "carried": len(plan.tie),
        "written_before": len(plan.waiting),
        "not_tied": untied,
        "proof": plan.proof[plan.proof["scope"] != "customer"],
    }

    def show(console: Console) -> None:
        show_findings(console, plan.findings)
        if len(plan.customers):
            console.print(
                f"BluBilling lacks {counted(len(plan.customers), 'customer')} with open items: "
                + typed(ctx, "toolkit carry-forward --customers")
                + " writes the upload file.",
                markup=False,
                soft_wrap=True,
            )
        if not plan.ready:
            console.print("Refused: nothing was written. Mend the errors above, then run it again.")
            return
        _show_written(console, plan, path)
        for place, kept in plan.kept.items():
            show_kept(console, place, kept)
        if plan.waiting and path is not None:
            _show_again(console, plan, _other_files(ws, path))
        if len(untied) and path is None:
            apart = counted(len(untied), "carried document does", "carried documents do")
            listing = typed(ctx, "toolkit table carry_forward.tie")
            console.print(
                f"{apart} not tie to BluBilling: {listing} lists them.", markup=False, soft_wrap=True
            )

    emit(ctx, as_json, document, show)
    finish(plan.findings, failed=not plan.ready)


def _show_written(console: Console, plan: CarryForward, path: Path | None) -> None:
    if plan.standing:
        there = counted(len(plan.standing), "invoice is", "invoices are")
        console.print(f"{there} already in BluBilling: not written again.")
    if path is None:
        console.print("Nothing new to carry: no file was written. Do not upload an earlier one again.")
        return
    total = sum(map(Decimal, plan.unwritten["Current Amount Due"]), Decimal(0))
    console.print(
        f"{counted(len(plan.unwritten), 'invoice')}, {money(total)} open, written to {path}",
        markup=False,
        soft_wrap=True,
    )
    if len(plan.credits):
        stay = counted(len(plan.credits), "credit stays", "credits stay")
        console.print(f"{stay} in QuickBooks: what stays is in a file beside it.")
    console.print("Upload it to BluBilling, load its tables again, then export.")


def _other_files(ws: Workspace, path: Path) -> list[str]:
    """Return the files of invoices that were written before, elsewhere."""
    return [
        name for name, facts in ws.ledger.carried_files().items() if "amount" in facts and name != str(path)
    ]


def _show_again(console: Console, plan: CarryForward, others: list[str]) -> None:
    """Say that invoices of the file were written before: BluBilling must get each of them once."""
    since = min(plan.waiting.values())
    before = f" to {', '.join(others)}" if others else ""
    were = counted(len(plan.waiting), "of them was", "of them were")
    are = "is" if len(plan.waiting) == 1 else "are"
    console.print(
        f"{were} written before{before} (first on {since:%Y-%m-%d %H:%M}) and "
        f"{are} not in BluBilling's tables yet. Never upload an invoice twice: if that file was uploaded, do "
        "not upload this one, and load BluBilling's tables again.",
        markup=False,
        soft_wrap=True,
    )


def _customers(ctx: typer.Context, as_json: bool, ws: Workspace, out: Path | None) -> None:
    customers, found, path, kept = cutover.carry_forward_customers(ws, person(), out)
    file = str(path) if path else None
    aside = str(kept) if kept else None
    document = {"rows": len(customers), "file": file, "kept": aside, "findings": found}

    def show(console: Console) -> None:
        show_findings(console, found)
        if path is None:
            console.print("No file was written: BluBilling lacks nobody who could be uploaded.")
            return
        console.print(
            f"{counted(len(customers), 'customer')} written to {path}", markup=False, soft_wrap=True
        )
        show_kept(console, path, kept)
        console.print("Their passwords stand in that file only: upload it, hand them out, and delete it.")

    emit(ctx, as_json, document, show)
    finish(found)
