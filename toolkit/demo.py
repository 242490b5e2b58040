"""The whole cutover on the sample company, against the rehearsal QuickBooks, over real SOAP and HTTP.

Nothing here is special to the demo but the sample, its clock and the words: every step is a call that the
commands and the notebooks make too.
"""

from __future__ import annotations

import csv
import datetime as dt
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from tqdm import tqdm

from toolkit import cutover, extract, mapping
from toolkit.carried import tie_carried
from toolkit.checks_books import Books
from toolkit.counted import counted
from toolkit.demo_folder import leave_note, make_room
from toolkit.display import money, terminal_table, to_document
from toolkit.display_steps import show_matches, show_plan, show_tie_out
from toolkit.errors import ProtocolError
from toolkit.rehearsal import Company, SessionReport
from toolkit.rehearsal.sample import SAMPLE, SampleClock, sample_other_names, sample_tables
from toolkit.rehearse import run_queue, serving
from toolkit.tables import to_rows
from toolkit.transform import Plan
from toolkit.wc_http import Server
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace import Workspace

COMPANY = "Brightwater Hosting Ltd"
COMPANY_FILE = r"C:\Books\Brightwater Hosting.qbw"
ANALYST = "analyst"
PERIOD = (dt.date(2026, 1, 1), dt.date(2026, 3, 31))
TOO_WIDE = dt.date(2025, 9, 1)  # reaches back over the carried invoices: they stay where they are
AFTER_PERIOD = dt.datetime(2026, 4, 1, 9, 0)
PILOT_DOCUMENTS = 5


@dataclass
class Demo:
    """One run of the demo.

    Parameters
    ----------
    ws : Workspace
        The workspace that is left behind.
    company : Company
        The rehearsal QuickBooks.
    server : Server
        Our SOAP service, listening.
    password : str
        Of the Web Connector; made for this run.
    clock : SampleClock
        For workspace and company alike.
    console : Console or None
        Where people read; ``None`` when the document alone is wanted.
    """

    ws: Workspace
    company: Company
    server: Server
    password: str
    clock: SampleClock
    console: Console | None
    steps: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[SessionReport] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return everything as one document."""
        plain: dict[str, Any] = to_document(
            {
                "company": self.ws.company,
                "workspace": str(self.ws.path),
                "rehearsal": True,
                "steps": self.steps,
            }
        )
        return plain

    def note(self, name: str, document: dict[str, Any], show: Callable[[Console], None]) -> None:
        """Add a step to the document and show it to people."""
        self.steps.append({"step": len(self.steps) + 1, "name": name, **document})
        if self.console is not None:
            self.console.print(f"\n[bold]{len(self.steps)}  {name}[/bold]")
            show(self.console)

    def web_connector(self, what: str) -> None:
        """Press Update Selected: the rehearsal Web Connector runs the queue."""
        with tqdm(total=100, desc=what, unit="%", disable=self.console is None, leave=False) as bar:
            self.sessions += run_queue(
                self.ws, self.server, self.company, self.password, lambda percent: _advance(bar, percent)
            )
        last = self.sessions[-1]
        if last.last_error or last.code:
            raise ProtocolError(f"the rehearsal stopped: {last.last_error or last.outcome}")


def _advance(bar: Any, percent: int) -> None:
    bar.update(max(0, percent - bar.n))


def run(directory: Path, console: Console | None = None, *, force: bool = False) -> Demo:
    """Run the demo in a fresh workspace and return it; the workspace stays for commands and notebooks.

    Parameters
    ----------
    directory : Path
        The workspace to make; one that an earlier demo left, and in which nobody worked, is replaced.
    console : Console, optional
        Where to show each step.
    force : bool
        Replace a demo in which somebody worked, too.

    Raises
    ------
    UsageError
        The folder holds something else than a demo workspace, or somebody worked in it since.
    """
    tables = sample_tables()
    make_room(directory, COMPANY, force=force)
    clock = SampleClock()
    password = secrets.token_urlsafe(16)
    ws = Workspace.create(
        directory,
        company=COMPANY,
        password=password,
        company_file=COMPANY_FILE,
        rehearsal=True,
        clock=clock,
    )
    company = Company.from_tables(
        tables, clock=clock, extra_names=sample_other_names(), file_path=COMPANY_FILE
    )
    try:
        with ws.reserve(), serving(ws) as server:
            demo = Demo(ws, company, server, password, clock, console)
            for step in (
                _set_up,
                _import,
                _load,
                _match,
                _refuse,
                _decide,
                _carry,
                _load_again,
                _pilot,
                _export,
            ):
                step(demo)
            _tie_out(demo)
        leave_note(ws)
    finally:
        ws.close()
    return demo


def _listed(rows: Mapping[str, int]) -> str:
    """Return how many rows tables have, by the last part of their names, which is a plural."""
    words = {name.rpartition(".")[2].replace("_", " "): count for name, count in rows.items()}
    return ", ".join(counted(count, many.removesuffix("s"), many) for many, count in words.items())


def _set_up(demo: Demo) -> None:
    with (SAMPLE / "settings.toml").open("rb") as file:
        settings = tomllib.load(file)
    for key, value in settings.items():
        demo.ws.set(key, str(value))
    qwc = demo.ws.write_qwc()

    def show(console: Console) -> None:
        console.print(f"{demo.ws.company} (REHEARSAL), cutover date {demo.ws.settings.cutover_date}")
        console.print(f"The Web Connector is given {qwc.name}; our server listens on this machine.")

    demo.note("Make a workspace", {"cutover_date": demo.ws.settings.cutover_date, "settings": settings}, show)


def _import(demo: Demo) -> None:
    jobs = demo.ws.queue_import("all")
    demo.web_connector("importing")
    frame = demo.ws.read("ledger.jobs")
    names = ("items", "customers", "invoices", "invoice_lines", "credit_memos", "payments", "accounts")
    rows = {name: len(demo.ws.read(f"quickbooks.{name}")) for name in names}

    def show(console: Console) -> None:
        console.print(
            terminal_table(frame, {"id": "job", "kind": "kind", "status": "status", "total": "records"})
        )
        console.print(_listed(rows))

    demo.note("Import from QuickBooks", {"jobs": jobs, "rows": rows}, show)


def _load(demo: Demo) -> None:
    loaded = extract.load(demo.ws, sorted((SAMPLE / "billing" / "before").glob("*.csv")))

    def show(console: Console) -> None:
        console.print(_listed(loaded.rows))

    demo.note("Load BluBilling's customers, plans and charges", {"rows": loaded.rows}, show)


def _match(demo: Demo) -> None:
    matches = cutover.match(demo.ws)
    document = {
        "charges": mapping.summary(matches.charges),
        "customers": mapping.summary(matches.customers),
        "mismatches": matches.charges[matches.charges["status"] == "mismatch"],
    }
    demo.note("Match by exact price code", document, lambda console: show_matches(console, matches, limit=12))


def _refuse(demo: Demo) -> None:
    plan, path = cutover.carry_forward(demo.ws)
    if path is not None:
        raise ProtocolError("the gate opened although mappings are missing")
    rules = plan.findings[plan.findings["severity"] == "error"]["rule"].value_counts()

    def show(console: Console) -> None:
        for rule, count in rules.items():
            console.print(f"  {count:>3} x {rule}")
        console.print("Refused: nothing was written.")

    demo.note(
        "Carry forward, too early",
        {"ready": False, "errors": {str(r): int(n) for r, n in rules.items()}},
        show,
    )


def _decide(demo: Demo) -> None:
    path = demo.ws.path / "reports" / "mapping.xlsx"
    cutover.write_mapping(demo.ws, path)
    with (SAMPLE / "decisions.csv").open(encoding="utf-8", newline="") as file:
        decisions = list(csv.DictReader(file))
    fill_decisions(path, decisions)
    read = cutover.read_mapping(demo.ws, path, ANALYST)
    decided = sum(map(len, read.decisions.values()))
    matches = cutover.match(demo.ws)
    document = {
        "workbook": str(path),
        "decided": decided,
        "charges": mapping.summary(matches.charges),
        "customers": mapping.summary(matches.customers),
    }

    def show(console: Console) -> None:
        console.print(f"{counted(decided, 'decision')} read from {path.name}, kept with who, when and why.")
        show_matches(console, matches)

    demo.note("Decide in the workbook", document, show)


def _carry(demo: Demo) -> None:
    plan, path = cutover.carry_forward(demo.ws)
    if path is None:
        raise ProtocolError(f"the gate stays closed: {plan.findings['message'].iloc[0]}")
    carried = [row for row in to_rows(plan.documents) if row["record_kind"] == "invoice"]
    total = sum(row["open_amount"] for row in carried)
    notes = plan.findings["rule"].value_counts()

    def show(console: Console) -> None:
        many = counted(len(carried), "open invoice")
        console.print(f"{many}, {money(total)}, written to {path.name} for BluBilling.")
        console.print("Noted: " + ", ".join(f"{count} x {rule}" for rule, count in notes.items()))

    demo.note(
        "Carry forward",
        {"ready": True, "rows": len(plan.upload), "open_amount": total, "file": str(path)},
        show,
    )


def _load_again(demo: Demo) -> None:
    demo.clock.move_to(AFTER_PERIOD)
    loaded = extract.load(demo.ws, sorted((SAMPLE / "billing" / "after").glob("*.csv")))
    carried = demo.ws.read("ledger.crosswalk")
    back = demo.ws.read("billing.invoices")["invoice_number"].isin(carried["key"].tolist())
    tied = sum(one.ties for one in tie_carried(Books(demo.ws.tables(), demo.ws.settings)))

    def show(console: Console) -> None:
        console.print(_listed(loaded.rows))
        console.print(f"{int(back.sum())} of the invoices are the carried ones, back as BluBilling's own.")
        console.print(f"{tied} of them tie to QuickBooks by TxnID: until all do, nothing is exported.")

    document = {"rows": loaded.rows, "carried": int(back.sum()), "tied": tied}
    demo.note("Three months later: load BluBilling again", document, show)


def _send(demo: Demo, plan: Plan, note: str, what: str) -> int:
    job = demo.ws.queue(plan).job
    if job is None:
        raise ProtocolError("the sample has nothing to send")
    demo.ws.approve(job, ANALYST, note)
    demo.web_connector(what)
    return job


def _pilot(demo: Demo) -> None:
    plan = cutover.plan_export(
        demo.ws,
        start=PERIOD[0],
        end=PERIOD[1],
        customers=True,
        invoices=True,
        payments=True,
        limit=PILOT_DOCUMENTS,
    )
    job = _send(demo, plan, "pilot; backup brightwater-2026-04-01.qbb", "pilot")
    cutover.queue_refresh(demo.ws)
    demo.web_connector("reading back")
    result = cutover.tie_out(demo.ws)
    sent = demo.ws.ledger.operations(job)

    def show(console: Console) -> None:
        columns = {
            "key": "operation",
            "txn_date": "date",
            "ref_number": "number",
            "amount": "amount",
            "status": "outcome",
        }
        console.print(terminal_table(sent, columns))

    demo.note("Export a pilot of five documents", {"job": job, "operations": sent, "ties": result.ties}, show)


def _export(demo: Demo) -> None:
    plan = cutover.plan_export(
        demo.ws, start=TOO_WIDE, end=PERIOD[1], customers=True, invoices=True, payments=True, credits=True
    )
    number = _send(demo, plan, "reviewed; backup brightwater-2026-04-01.qbb", "exporting")
    job = next(row for row in to_rows(demo.ws.read("ledger.jobs")) if row["id"] == number)
    origin = plan.left_out[plan.left_out["rule"] == "origin"]
    carried = _payments_on_carried(demo)
    document = {
        "job": job,
        "findings": plan.findings,
        "left_out": plan.left_out,
        "carried_not_sent": len(origin),
        "payments_on_carried_invoices": carried,
    }

    def show(console: Console) -> None:
        show_plan(console, plan, plan.left_out, limit=6)
        console.print(
            f"Job {job['id']}, {job['status']}: {counted(job['total'], 'operation')}, "
            f"{job['applied']} applied, {job['rejected']} rejected, {job['skipped']} skipped."
        )

        for row in carried:
            console.print(
                f"Payment {row['payment']} went to carried invoice {row['ref_number']} by its original TxnID "
                f"{row['txn_id']}: {money(row['amount'])}."
            )

    demo.note("Export the quarter", document, show)


def _payments_on_carried(demo: Demo) -> list[dict[str, Any]]:
    """Return the payments of BluBilling that QuickBooks applied to invoices it held before the cutover."""
    crosswalk = to_rows(demo.ws.read("ledger.crosswalk"))
    carried = {row["quickbooks_id"] for row in crosswalk if row["origin"] == "quickbooks"}
    sent = {row["quickbooks_id"]: row["key"] for row in crosswalk if row["origin"] == "billing"}
    kept = ("txn_id", "ref_number", "amount")
    return [
        {"payment": sent[row["payment_txn_id"]], **{name: row[name] for name in kept}}
        for row in to_rows(demo.ws.read("quickbooks.payment_applications"))
        if row["payment_txn_id"] in sent and row["txn_id"] in carried
    ]


def _tie_out(demo: Demo) -> None:
    cutover.queue_refresh(demo.ws)
    demo.web_connector("reading back")
    result = cutover.tie_out(demo.ws)
    document = {
        "ties": result.ties,
        "totals": result.totals,
        "differences": result.differences,
        "read_at": result.read_at,
    }
    demo.note("Tie out, to the cent", document, lambda console: show_tie_out(console, result))
    if demo.console is not None:
        folder = f'"{demo.ws.path}"' if " " in str(demo.ws.path) else str(demo.ws.path)
        demo.console.print(f"\nThe workspace stays in {demo.ws.path}. Next: toolkit -w {folder}")
