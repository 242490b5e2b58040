"""The steps of a cutover on one workspace: what the commands, the demo and the notebooks call.

Each step reads tables from the workspace, lets a pure module think, and writes what came out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from toolkit import mapping, reconcile, transform, workbook
from toolkit.carry_forward import CarryForward, plan_carry_forward
from toolkit.corrections import CORRECTIONS, apply_corrections
from toolkit.errors import InputFileError
from toolkit.freshness import Freshness
from toolkit.import_age import import_findings, imports_of
from toolkit.qbxml_versions import LATEST
from toolkit.refresh import queue_refresh
from toolkit.tables import finding, findings, to_rows
from toolkit.transform_result import BLOCKED
from toolkit.workspace import PILOT_DOCUMENTS, Workspace
from toolkit.workspace_files import write_atomically

__all__ = [
    "EXPORT",
    "Matches",
    "Step",
    "carry_forward",
    "corrected_tables",
    "match",
    "plan_export",
    "queue_refresh",
    "read_mapping",
    "steps",
    "tie_out",
    "write_mapping",
]


@dataclass(frozen=True, slots=True)
class Matches:
    """What charges, customers and payment methods are matched to.

    Parameters
    ----------
    charges, customers, payment_methods : pandas.DataFrame
        ``match.charges``, ``match.customers``, ``match.payment_methods``.
    findings : pandas.DataFrame
        Doubts about decisions: renamed items, two accounts on one customer, ...
    """

    charges: pd.DataFrame
    customers: pd.DataFrame
    payment_methods: pd.DataFrame
    findings: pd.DataFrame


def match(ws: Workspace) -> Matches:
    """Match all there is with the decisions that stand; a side that is not there yet is a warning."""
    tables, _ = corrected_tables(ws)
    charges = mapping.match_charges(
        tables["billing.charges"],
        tables["quickbooks.items"],
        tables["mapping.charge_items"],
        invoice_lines=tables["billing.invoice_lines"],
        invoices=tables["billing.invoices"],
        local_items=tables["mapping.local_items"],
    )
    customers = mapping.match_customers(
        tables["billing.customers"],
        tables["quickbooks.customers"],
        tables["mapping.customers"],
        invoices=tables["billing.invoices"],
    )
    methods = mapping.match_payment_methods(
        tables["billing.payments"],
        tables["quickbooks.payment_methods"],
        tables["mapping.payment_methods"],
        settings=ws.settings,
    )
    doubts = [*to_rows(mapping.mapping_findings(charges, customers, methods)), *_missing_sides(ws)]
    aged = to_rows(import_findings(ws, "map"))
    return Matches(charges, customers, methods, findings([*doubts, *aged]))


def _missing_sides(ws: Workspace) -> Iterator[dict[str, str | None]]:
    sides = {
        "quickbooks.items": "toolkit import items",
        "quickbooks.customers": "toolkit import customers",
        "billing.charges": "toolkit load charges.csv",
        "billing.customers": "toolkit load customers.csv",
    }
    for name, command in sides.items():
        if not ws.has(name):
            message = f"{name} is not there yet, so nothing can match it: {command}"
            yield finding("warning", "missing_side", message, table=name)


def write_mapping(ws: Workspace, path: Path) -> Matches:
    """Write the mapping workbook and return what it shows."""
    matches = match(ws)
    workbook.write_workbook(path, **_workbook_arguments(ws, matches), company=ws.company)
    return matches


def read_mapping(ws: Workspace, path: Path, who: str) -> workbook.WorkbookRead:
    """Read the decisions of a mapping workbook into the ledger.

    Rows with an error finding are not decided; reading the same workbook twice changes nothing.
    """
    with ws.lock():
        read = workbook.read_workbook(path, **_workbook_arguments(ws, match(ws)))
        for table, rows in read.decisions.items():
            ws.ledger.decide(table, rows, who)
    return read


def _workbook_arguments(ws: Workspace, matches: Matches) -> dict[str, Any]:
    return {
        "charges": matches.charges,
        "customers": matches.customers,
        "payment_methods": matches.payment_methods,
        "items": ws.read("quickbooks.items"),
        "quickbooks_customers": ws.read("quickbooks.customers"),
        "quickbooks_methods": ws.read("quickbooks.payment_methods"),
        "local_items": ws.read("mapping.local_items"),
        "workspace_id": ws.id,
        "stamp": ws.ledger.decisions_stamp(),
    }


def carry_forward(ws: Workspace, out: Path | None = None) -> tuple[CarryForward, Path | None]:
    """Write BluBilling's upload file and bind the carried documents, or refuse with findings.

    Returns
    -------
    tuple
        The plan, and the file written; ``None`` where the gate refused and nothing changed, or where
        BluBilling has all of them already.

    Raises
    ------
    InputFileError
        ``out`` is a folder.
    """
    plan = plan_carry_forward(corrected_tables(ws)[0], ws.settings)
    aged = to_rows(import_findings(ws, "carry_forward"))
    plan = replace(plan, findings=findings([*to_rows(plan.findings), *aged]))
    if not plan.ready:
        return plan, None
    bindings = [
        {
            "record_kind": row["record_kind"],
            "key": row["key"],
            "origin": "quickbooks",
            "quickbooks_id": row["txn_id"],
            "ref_number": row["ref_number"],
            "customer_list_id": row["customer_list_id"],
            "amount": row["open_amount"],
        }
        for row in to_rows(plan.documents)
    ]
    path = out or ws.path / "reports" / "carry_forward.csv"
    if path.is_dir():
        raise InputFileError(str(path), "it is a folder: name the file to write")
    text = plan.unwritten.to_csv(index=False, lineterminator="\r\n")

    def write(file: BinaryIO) -> None:
        file.write(text.encode())
        # Before the file has its name: an invoice that can be uploaded and is not bound would go back.
        ws.ledger.bind(bindings)

    with ws.lock():
        if not len(plan.unwritten):
            ws.ledger.bind(bindings)
            return plan, None
        write_atomically(path, write)
    return plan, path


def plan_export(ws: Workspace, **options: Any) -> transform.Plan:
    """Return the plan of an export; ``options`` as :func:`toolkit.transform.plan_export` takes them.

    It is made for the qbXML version of the newest session; before the first one, for the latest, and says
    so. Values that were corrected count as corrected, with a finding on each.
    """
    if "version" not in options:
        agreed = ws.ledger.agreed_version()
        options = {**options, "version": agreed or LATEST, "assumed": agreed is None}
    tables, corrected = corrected_tables(ws)
    plan = transform.plan_export(tables, ws.settings, **options)
    aged = to_rows(import_findings(ws, "export"))
    return replace(plan, findings=findings([*to_rows(plan.findings), *to_rows(corrected), *aged]))


def corrected_tables(ws: Workspace) -> tuple[Mapping[str, pd.DataFrame], pd.DataFrame]:
    """Return the workspace's tables with the corrections that stand, and the findings on those."""
    tables = ws.tables()
    return apply_corrections(tables, tables[CORRECTIONS])


def tie_out(ws: Workspace) -> reconcile.TieOut:
    """Tie out what QuickBooks holds to what was sent."""
    return reconcile.tie_out(corrected_tables(ws)[0], ws.settings)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the cutover.

    Parameters
    ----------
    name : str
        What it is.
    state : str
        ``done``, ``open`` or ``blocked``.
    detail : str
        What is there, or what blocks it.
    command : str
        What to run for it.
    """

    name: str
    state: str
    detail: str
    command: str


def steps(ws: Workspace) -> list[Step]:
    """Return the steps of the cutover in their order; the first one that is not done is the next one."""
    return [*_data_steps(ws), *_mapping_steps(ws), *_export_steps(ws)]


def _data_steps(ws: Workspace) -> Iterator[Step]:
    settings = ws.settings
    yield Step(
        "Set the cutover date",
        "done" if settings.cutover_date else "open",
        str(settings.cutover_date or "documents dated on or before it stay with QuickBooks"),
        "toolkit set cutover_date 2025-12-31",
    )
    aged = imports_of(ws)
    needed = ("quickbooks.items", "quickbooks.customers", "quickbooks.invoices", "quickbooks.accounts")
    missing = [name.removeprefix("quickbooks.") for name in needed if not ws.has(name)]
    jobs = to_rows(ws.read("ledger.jobs"))
    waiting = [
        job["id"] for job in jobs if job["kind"] != "export" and job["status"] in ("queued", "running")
    ]
    detail = f"{len(ws.read('quickbooks.items')):,} items, {len(ws.read('quickbooks.customers')):,} customers"
    if waiting:
        detail = f"waiting for the Web Connector: {_numbered(waiting)}"
    elif missing:
        detail = f"not imported yet: {', '.join(missing)}"
    doubtful = [f"{one.table.partition('.')[2]}: {one.partial}" for one in aged.values() if one.partial]
    detail = "; ".join([detail, *doubtful, *_oldest(aged)])
    command = "toolkit serve" if waiting else "toolkit import all"
    yield Step("Import from QuickBooks", "open" if missing or waiting else "done", detail, command)
    loaded = [name for name in ("customers", "plans", "charges") if ws.has(f"billing.{name}")]
    yield Step(
        "Load BluBilling's tables",
        "done" if len(loaded) == 3 else "open",
        f"loaded: {', '.join(loaded)}" if loaded else "customers, plans and charges are needed",
        "toolkit load customers.csv plans.csv charges.csv",
    )


def _oldest(aged: Mapping[str, Freshness]) -> list[str]:
    """Return when the oldest of the tables that imports filled was read whole, in words."""
    days = [one.complete_at for one in aged.values() if one.complete_at]
    return [f"as of {min(days):%Y-%m-%d %H:%M}"] if days else []


def _mapping_steps(ws: Workspace) -> Iterator[Step]:
    if not (ws.has("billing.charges") and ws.has("quickbooks.items")):
        yield Step("Map charges and customers", "blocked", "needs both sides", "toolkit map")
        yield Step("Carry open invoices forward", "blocked", "needs the mapping", "toolkit carry-forward")
        return
    matches = match(ws)
    charges = int((matches.charges["status"] == "mismatch").sum())
    customers = int(matches.customers["status"].isin(["undecided", "ambiguous"]).sum())
    yield Step(
        "Map charges and customers",
        "open" if charges or customers else "done",
        f"{charges} charges and {customers} customers to decide"
        if charges or customers
        else "nothing to decide",
        "toolkit map --write mapping.xlsx",
    )
    crosswalk = ws.read("ledger.crosswalk")
    carried = int((crosswalk["origin"] == "quickbooks").sum())
    if carried:
        yield Step(
            "Carry open invoices forward", "done", f"{carried} documents carried", "toolkit carry-forward"
        )
        return
    plan = plan_carry_forward(corrected_tables(ws)[0], ws.settings)
    errors = int((plan.findings["severity"] == "error").sum())
    yield Step(
        "Carry open invoices forward",
        "open" if plan.ready else "blocked",
        "the gate is open" if plan.ready else f"{errors} findings in the way",
        "toolkit carry-forward",
    )


EXPORT = "toolkit export --start 2026-01-01 --end 2026-01-31 --customers --invoices --payments"


def _export_state(ws: Workspace, exports: list[dict[str, Any]], applied: int) -> tuple[str, str, str]:
    """Return state, detail and command of the export: what waits comes first."""
    at = {
        state: [job["id"] for job in exports if job["status"] == state]
        for state in ("draft", "queued", "running", "held")
    }
    if at["draft"]:
        first = at["draft"][0]
        return "open", f"job {first} waits for approval: toolkit show {first}", f"toolkit approve {first}"
    if waiting := at["queued"] + at["running"]:
        return "open", f"waiting for the Web Connector: {_numbered(waiting)}", "toolkit serve"
    if at["held"]:
        return "open", f"held: {_numbered(at['held'])}", f"toolkit release {at['held'][0]}"
    if not applied:
        return "open", "nothing exported yet", EXPORT
    unsent, blocked, command = _unsent(ws)
    if not unsent and not blocked:
        return "done", f"{applied:,} operations applied", command
    operations = ws.read("ledger.operations")
    documents = int((~operations["record_kind"].isin(["item", "customer"])).sum())
    if ws.settings["pilot"] and len(exports) == 1 and documents <= PILOT_DOCUMENTS:
        return "open", f"{applied:,} operations applied, a pilot: look at them, then export the rest", EXPORT
    left = [f"{unsent:,} are not sent yet"] * bool(unsent) + [f"{blocked:,} rows are blocked"] * bool(blocked)
    return "open", f"{applied:,} operations applied; {', '.join(left)}", command


def _unsent(ws: Workspace) -> tuple[int, int, str]:
    """Return how many operations wait to be exported, how many rows are blocked, and what exports them."""
    switches = ["customers", "invoices", "payments"]
    if ws.settings["credit_item"] or ws.settings["credit_account"]:
        switches.append("credits")
    plan = plan_export(ws, new=True, **dict.fromkeys(switches, True))
    blocked = int(plan.left_out["rule"].isin(BLOCKED).sum())
    return (
        len(plan.operations),
        blocked,
        " ".join(["toolkit export --new", *(f"--{name}" for name in switches)]),
    )


def _numbered(jobs: list[int]) -> str:
    return f"job{'s' if len(jobs) > 1 else ''} {', '.join(map(str, jobs))}"


def _export_steps(ws: Workspace) -> Iterator[Step]:
    exports = [job for job in to_rows(ws.read("ledger.jobs")) if job["kind"] == "export"]
    applied = sum(job["applied"] or 0 for job in exports)
    if not ws.has("billing.invoices"):
        state, detail, command = "blocked", "needs BluBilling's invoices", "toolkit load invoices.csv ..."
    else:
        state, detail, command = _export_state(ws, exports, applied)
    yield Step("Export to QuickBooks", state, detail, command)
    if not applied:
        yield Step("Tie out", "blocked", "needs an export", "toolkit reconcile --refresh")
        return
    result = tie_out(ws)
    open_ends = int((~result.differences["explained"].astype(bool)).sum()) if len(result.differences) else 0
    yield Step(
        "Tie out",
        "done" if result.ties else "open",
        f"{len(result.differences)} differences, {open_ends} without a reason",
        "toolkit reconcile",
    )
