"""Where a cutover stands: its steps on one workspace, done, open or blocked, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import pandas as pd

from toolkit.carried import tie_carried
from toolkit.carry_forward import plan_carry_forward
from toolkit.checks_books import Books
from toolkit.corrections import CORRECTIONS
from toolkit.corrections_proposed import propose
from toolkit.counted import counted
from toolkit.cutover_corrections import corrected_tables
from toolkit.cutover_export import by_hand, plan_export, tie_out
from toolkit.cutover_mapping import Matches, match
from toolkit.freshness import Freshness
from toolkit.import_age import imports_of
from toolkit.rejections import rejections
from toolkit.tables import to_rows
from toolkit.transform import Plan
from toolkit.transform_result import BLOCKED
from toolkit.workspace import PILOT_DOCUMENTS, Workspace

__all__ = ["EXPORT", "Step", "steps"]


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
    items, customers = len(ws.read("quickbooks.items")), len(ws.read("quickbooks.customers"))
    detail = f"{counted(items, 'item')}, {counted(customers, 'customer')}"
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
    undecided, optional = _undecided(ws, matches), _optional(matches)
    settled = f"nothing that stops; may be decided: {optional}" if optional else "nothing to decide"
    yield Step(
        "Map charges and customers",
        "open" if undecided else "done",
        f"{undecided} to decide" if undecided else settled,
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
    unset = [key for key in ("carry_forward.plan", "carry_forward.price_code") if ws.settings[key] is None]
    told = f"{errors} findings in the way{f', {unset[0]} is not set' if unset else ''}"
    yield Step(
        "Carry open invoices forward",
        "open" if plan.ready else "blocked",
        "the gate is open" if plan.ready else told,
        f"toolkit set {unset[0]} ..." if unset else "toolkit carry-forward",
    )


def _optional(matches: Matches) -> str:
    """Return what may be decided and stops nothing, in words."""
    adjustments = matches.adjustments[matches.adjustments["lines"].fillna(0) > 0]
    waiting = {"terms": matches.terms, "adjustments": adjustments}
    counts = {
        name: int(((frame["status"] == "mismatch") | (frame["reason"] == "undecided").fillna(False)).sum())
        for name, frame in waiting.items()
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _undecided(ws: Workspace, matches: Matches) -> str:
    """Return what waits for a decision, in words; a plan that has ended is nobody's business any more."""
    plans, cutover = to_rows(ws.read("billing.plans")), ws.settings.cutover_date
    ended = {
        row["contract_code"] for row in plans if cutover and row["end_date"] and row["end_date"] <= cutover
    }
    charges = matches.charges[matches.charges["status"] == "mismatch"]
    living = int((~charges["contract_code"].isin(ended)).sum())
    customers = int(matches.customers["status"].isin(["undecided", "ambiguous"]).sum())
    outside = matches.taxes[matches.taxes["contract_code"].isna()]
    more = {
        "taxes": int((outside["status"] == "mismatch").sum()),
        "payment methods": int((matches.payment_methods["status"] == "mismatch").sum()),
        "numbers": int((matches.numbers["status"] == "problem").sum()),
    }
    if not living and not customers and not any(more.values()):
        return ""
    return ", ".join(
        [f"{living} charges and {customers} customers", *(f"{n} {name}" for name, n in more.items() if n)]
    )


EXPORT = "toolkit export --start 2026-01-01 --end 2026-01-31 --customers --invoices --payments"


class _Export:
    """What an export would do now: planned once, however many steps ask."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self.switches = ["customers", "invoices", "payments"]
        if ws.settings["credit_item"] or ws.settings["credit_account"]:
            self.switches.append("credits")

    @property
    def command(self) -> str:
        """What exports all of it."""
        return " ".join(["toolkit export --new", *(f"--{name}" for name in self.switches)])

    @cached_property
    def plan(self) -> Plan:
        """The plan of everything since the cutover that was not sent."""
        return plan_export(self.ws, new=True, qbxml=False, **dict.fromkeys(self.switches, True))

    @cached_property
    def by_hand(self) -> pd.DataFrame:
        """What is posted by hand, whether or not house credits are exported: as its table lists it."""
        return self.plan.post_by_hand if "credits" in self.switches else by_hand(self.ws)

    @property
    def blocked(self) -> int:
        """How many rows errors keep from going."""
        return int(self.plan.left_out["rule"].isin(BLOCKED).sum())

    @property
    def rejected(self) -> int:
        """How many rows QuickBooks rejected that nobody corrected: they would go again as they were."""
        behind = self.plan.left_out[self.plan.left_out["rule"].isin(BLOCKED)]
        places = set(zip(behind["source_table"], behind["source_key"], strict=True))
        return len(places & {each.rows[0] for each in rejections(corrected_tables(self.ws)[0])})

    @property
    def rejected_items(self) -> list[str]:
        """The items by hand that QuickBooks rejected: it may have them already."""
        found = self.plan.findings
        stops = (found["rule"] == "rejected_before") & (found["severity"] == "error")
        return sorted(found.loc[stops & (found["table"] == "mapping.local_items"), "key"])


def _export_state(export: _Export, exports: list[dict[str, Any]], applied: int) -> tuple[str, str, str]:
    """Return state, detail and command of the export: what waits comes first."""
    ws = export.ws
    at = {
        state: [job["id"] for job in exports if job["status"] == state]
        for state in ("draft", "queued", "running", "held")
    }
    pilot = ws.settings["pilot"] and not any(job["status"] == "complete" for job in exports)
    if at["draft"]:
        first = at["draft"][0]
        if pilot and (documents := _documents(ws.ledger.operations(first))) > PILOT_DOCUMENTS:
            told = f"job {first} has {documents} documents, and the first export is a pilot of"
            told = f"{told} {PILOT_DOCUMENTS}: cancel it, then export with --limit {PILOT_DOCUMENTS}"
            return "open", told, f"toolkit cancel {first}"
        return "open", f"job {first} waits for approval: toolkit show {first}", f"toolkit approve {first}"
    if waiting := at["queued"] + at["running"]:
        return "open", f"waiting for the Web Connector: {_numbered(waiting)}", "toolkit serve"
    if at["held"]:
        return "open", f"held: {_numbered(at['held'])}", f"toolkit release {at['held'][0]}"
    if exports and (rejected := _rejected_state(export, applied)):
        return rejected
    if not applied:
        return "open", "nothing exported yet", f"{EXPORT} --limit {PILOT_DOCUMENTS}" if pilot else EXPORT
    unsent, blocked, command = len(export.plan.operations), export.blocked, export.command
    if not unsent and not blocked:
        return "done", f"{counted(applied, 'operation')} applied", command
    sent = [job["id"] for job in exports if job["status"] != "cancelled"]
    alone = ws.settings["pilot"] and len(sent) == 1
    if alone and _documents(ws.ledger.operations(sent[0])) <= PILOT_DOCUMENTS:
        pilot = f"{counted(applied, 'operation')} applied, a pilot"
        return "open", f"{pilot}: look at them, then export the rest", EXPORT
    left = [f"{counted(unsent, 'is', 'are')} not sent yet"] * bool(unsent)
    left += [f"{counted(blocked, 'row is', 'rows are')} blocked"] * bool(blocked)
    return "open", f"{counted(applied, 'operation')} applied; {', '.join(left)}", command


def _rejected_state(export: _Export, applied: int) -> tuple[str, str, str] | None:
    """Return state, detail and command where something was rejected and would go again as it was."""
    sent = f"{counted(applied, 'operation')} applied"
    if rows := export.rejected:
        told = f"{sent}; {counted(rows, 'row')} rejected by QuickBooks"
        return "open", told, "toolkit fix --write rejected.xlsx"
    if items := export.rejected_items:
        verb = "is rejected: it" if len(items) == 1 else "are rejected: they"
        told = f"{sent}; of the items by hand {', '.join(items)} {verb} may be in QuickBooks already"
        return "open", told, "toolkit import items"
    return None


def _documents(operations: pd.DataFrame) -> int:
    return int((~operations["record_kind"].isin(["item", "customer"])).sum())


def _numbered(jobs: list[int]) -> str:
    return f"job{'s' if len(jobs) > 1 else ''} {', '.join(map(str, jobs))}"


def _export_steps(ws: Workspace) -> Iterator[Step]:
    exports = [job for job in to_rows(ws.read("ledger.jobs")) if job["kind"] == "export"]
    applied = sum(job["applied"] or 0 for job in exports)
    if not ws.has("billing.invoices") or ws.settings.cutover_date is None:
        for name in ("Tie what was carried", "Correct what the gate stops", "Export to QuickBooks"):
            yield Step(name, "blocked", "needs BluBilling's invoices", "toolkit load invoices.csv ...")
        yield Step("Post by hand", "blocked", "needs BluBilling's invoices", "toolkit load invoices.csv ...")
    else:
        export = _Export(ws)
        yield _carried_step(ws)
        yield _correct_step(export)
        state, detail, command = _export_state(export, exports, applied)
        yield Step("Export to QuickBooks", state, detail, command)
        yield _by_hand_step(export)
    if not applied:
        yield Step("Tie out", "blocked", "needs an export", "toolkit reconcile --refresh")
        return
    result = tie_out(ws)
    open_ends = int((~result.differences["explained"].astype(bool)).sum()) if len(result.differences) else 0
    yield Step(
        "Tie out",
        "done" if result.ties else "open",
        f"{counted(len(result.differences), 'difference')}, {open_ends} without a reason",
        "toolkit reconcile",
    )


def _carried_step(ws: Workspace) -> Step:
    """Return whether BluBilling has the carried invoices as QuickBooks does: nothing is exported before."""
    name, command = "Tie what was carried", 'toolkit carry-forward --sign "why it may differ"'
    ties = tie_carried(Books(corrected_tables(ws)[0], ws.settings))
    if not ties:
        return Step(name, "done", "nothing was carried forward", "toolkit carry-forward")
    signed = sum(not one.ties and one.signature is not None for one in ties)
    apart = sum(not one.ties and one.signature is None for one in ties)
    if apart:
        part = f"{apart} of {counted(len(ties), 'invoice')} do not tie"
        detail = f"{part}: upload them and load BluBilling again, or sign"
        return Step(name, "open", detail, command)
    told = f"{counted(len(ties), 'invoice ties', 'invoices tie')} by TxnID"
    told = f"{counted(len(ties), 'invoice')}, {signed} signed" if signed else told
    return Step(name, "done", told, "toolkit carry-forward")


def _correct_step(export: _Export) -> Step:
    """Return what the gate stops and a value could cure."""
    tables, cutover = export.ws.tables(), export.ws.settings.cutover_date
    cells = propose(export.plan.findings, tables, cutover=cutover)["status"]
    waiting, stand = int(cells.isin(["open", "still wrong"]).sum()), len(tables[CORRECTIONS])
    if waiting:
        blocked = counted(export.blocked, "row is", "rows are")
        detail = f"{counted(waiting, 'cell')} to correct; {blocked} blocked"
    else:
        detail = (
            counted(stand, "correction stands", "corrections stand")
            if stand
            else "no cell is to be corrected"
        )
    command = "toolkit correct --write corrections.xlsx"
    return Step("Correct what the gate stops", "open" if waiting else "done", detail, command)


def _by_hand_step(export: _Export) -> Step:
    """Return what no rule sends and nobody has entered the TxnID of."""
    schedule = export.by_hand
    waiting = schedule[schedule["txn_id"].isna()]
    if not len(waiting):
        detail = f"{len(schedule)} posted" if len(schedule) else "nothing is to be posted by hand"
        return Step("Post by hand", "done", detail, "toolkit table plan.post_by_hand")
    first = waiting["source_key"].iloc[0]
    total = sum((abs(amount) for amount in waiting["amount"].dropna()), Decimal("0.00"))
    verb = "waits for its" if len(waiting) == 1 else "wait for their"
    documents = f"{counted(len(waiting), 'document')} of {total:,.2f} {verb} TxnID"
    detail = f"{documents}: toolkit table plan.post_by_hand"
    return Step("Post by hand", "open", detail, f"toolkit posted {first} --txn-id TXNID")
