"""A generated company goes through the whole of a cutover; an independent oracle says what must come out.

900 customers and 12,000 invoices in the slow run, a small company of the same make in the fast one. The
exchange, the ledger and the qbXML are the true ones; only HTTP is left away.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_world import PASSWORD, Clock, World
from grown_billing import PLANS, SENT, USED, WAITS, Year, later_decisions, planted
from grown_books import AMBIGUOUS, CUTOVER, DECIDED, EXACT, IMPORTED, NEW, NUMBER, ZERO
from grown_company import COMPANY_FILE, SETTINGS, GrownCompany, Size, totals

from toolkit import cutover, extract
from toolkit.carried import tie_carried
from toolkit.carry_forward import CarryForward
from toolkit.checks_books import Books
from toolkit.cutover import Matches
from toolkit.reconcile import TieOut
from toolkit.rehearsal import Company
from toolkit.tables import to_rows
from toolkit.transform import Plan
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace import Workspace

SMALL = Size(customers=75, open_invoices=60, months=1, one_offs=16, each=1)
LARGE = Size()
EVERYTHING: dict[str, Any] = {
    "start": dt.date(2025, 8, 1),  # reaches back over the carried invoices: they must stay where they are
    "end": dt.date(2026, 12, 31),
    **dict.fromkeys(("customers", "invoices", "payments", "credits"), True),
}
IMPORTED_TABLES = ("items", "customers", "invoices", "credit_memos", "accounts", "terms", "payment_methods")
MOST_ROUNDS = 100_000


@dataclass
class Run:
    """A cutover from its first import to its last tie-out, and what was seen on the way."""

    grown: GrownCompany
    company: Company
    ws: Workspace
    imported: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    first: Matches = None  # type: ignore[assignment]
    decided: Matches = None  # type: ignore[assignment]
    refused: CarryForward = None  # type: ignore[assignment]
    carried: CarryForward = None  # type: ignore[assignment]
    uploaded: list[dict[str, str]] = field(default_factory=list)
    read_again: int = -1
    year: Year = None  # type: ignore[assignment]
    pilot: Plan = None  # type: ignore[assignment]
    plan: Plan = None  # type: ignore[assignment]
    rest: Plan = None  # type: ignore[assignment]
    again: Plan = None  # type: ignore[assignment]
    requests: list[str] = field(default_factory=list)
    tied: TieOut = None  # type: ignore[assignment]
    held: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@pytest.fixture(
    scope="module",
    params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)],
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a company after its whole cutover."""
    folder = tmp_path_factory.mktemp("grown")
    clock = Clock()
    clock.now = IMPORTED
    grown = GrownCompany(request.param)
    ws = Workspace.create(
        folder / "workspace",
        company="Grown Company Ltd",
        password=PASSWORD,
        rehearsal=True,
        clock=clock,
        company_file=COMPANY_FILE,
    )
    for key, value in SETTINGS.items():
        ws.set(key, value)
    world = World.around(ws, grown.quickbooks(clock), clock)
    made = Run(grown, world.company, ws)
    _before(made, world, folder)
    clock.now = dt.datetime(2027, 1, 4, 9)
    _after(made, world, folder)
    return made


def _before(run: Run, world: World, folder: Path) -> None:
    """Import, load, map through the workbook, carry forward."""
    ws = run.ws
    ws.queue_import("all")
    _session(world)
    run.imported = {name: to_rows(ws.read(f"quickbooks.{name}")) for name in IMPORTED_TABLES}
    extract.load(ws, run.grown.before(folder / "before"))
    run.first = cutover.match(ws)
    run.refused, path = cutover.carry_forward(ws)
    assert path is None
    workbook = folder / "mapping.xlsx"
    _decide(ws, workbook, run.grown.decisions)
    run.read_again = sum(map(len, cutover.read_mapping(ws, workbook, "analyst").decisions.values()))
    run.decided = cutover.match(ws)
    run.carried, path = cutover.carry_forward(ws)
    assert path is not None, to_rows(run.carried.findings)[:3]
    with path.open(encoding=ws.settings["carry_forward.encoding"], newline="") as file:
        run.uploaded = list(csv.DictReader(file))


def _decide(ws: Workspace, workbook: Path, decisions: list[dict[str, str]]) -> None:
    """Decide through the mapping workbook, as an analyst does."""
    cutover.write_mapping(ws, workbook)
    fill_decisions(workbook, decisions)
    read = cutover.read_mapping(ws, workbook, "analyst")
    assert sum(map(len, read.decisions.values())) == len(decisions)


def _after(run: Run, world: World, folder: Path) -> None:
    """Load the year, export a pilot and all the rest, read back, tie out."""
    ws = run.ws
    run.year = run.grown.year(run.uploaded)
    extract.load(ws, run.grown.after(run.year, folder / "after"))
    _decide(ws, folder / "adjustments.xlsx", later_decisions())
    run.pilot = cutover.plan_export(ws, **EVERYTHING, limit=5)
    _send(world, run.pilot, "pilot")
    cutover.queue_refresh(ws)
    _session(world)
    run.plan = cutover.plan_export(ws, **EVERYTHING)
    _send(world, run.plan, "reviewed")
    run.requests = world.requests
    cutover.queue_refresh(ws)
    _session(world)
    run.tied = cutover.tie_out(ws)
    tables = run.company.tables()
    names = ("invoices", "payments", "credit_memos", "customers")
    run.held = {name: to_rows(tables[f"quickbooks.{name}"]) for name in names}
    new = {name: EVERYTHING[name] for name in ("customers", "invoices", "payments", "credits")}
    run.rest = cutover.plan_export(ws, new=True, **new)
    (found,) = _found(run.rest, "rejected_before")
    cutover.waive(ws, found, "analyst", "the vendor was renamed in QuickBooks")
    run.again = cutover.plan_export(ws, new=True, **new)


def _session(world: World) -> None:
    assert world.work(world.open(), most=MOST_ROUNDS) == "OK"


def _send(world: World, plan: Plan, note: str) -> None:
    job = world.ws.queue(plan).job
    assert job is not None
    world.ws.approve(job, "analyst", note)
    _session(world)


# --- before -------------------------------------------------------------------------------------------------


def test_it_is_as_large_as_it_says(run: Run) -> None:
    size = run.grown.size
    assert len(run.grown.books.parties) == size.customers
    assert len(run.year.tables["invoices"]) == size.invoices
    if size is LARGE:
        assert (size.customers, size.invoices) == (900, 12_000)
    kinds = {row["item_type"] for row in run.grown.books.tables["items"]}
    assert kinds >= {"Service", "NonInventory", "OtherCharge", "Inventory", "Discount", "Group", "Subtotal"}


def test_the_import_brings_every_row_and_every_cent(run: Run) -> None:
    books, there = run.grown.books.tables, run.imported
    for name in ("items", "customers", "accounts", "terms", "payment_methods"):
        assert {row["list_id"] for row in there[name]} == {row["list_id"] for row in books[name]}, name
    for name, column in (("invoices", "balance_remaining"), ("credit_memos", "credit_remaining")):
        left = {row["txn_id"]: row[column] for row in there[name] if row[column]}
        assert left == {row["txn_id"]: row[column] for row in books[name] if row[column]}, name


def test_each_planted_reason_is_found_and_nothing_else(run: Run) -> None:
    wrong = run.first.charges[run.first.charges["status"] == "mismatch"]
    expected = Counter(one.reason for plan in PLANS for one in planted(plan))
    expected["unknown"] += 2  # the carry-forward's own charge, and the one of the plan that has ended
    assert Counter(wrong["reason"]) == expected
    matches = Counter(party.match for party in run.grown.books.parties)
    assert run.first.customers["status"].value_counts().to_dict() == {
        "account_number": matches[NUMBER],
        "exact": matches[EXACT],
        "undecided": matches[DECIDED] + matches[NEW],
        "ambiguous": matches[AMBIGUOUS],
    }


def test_the_gate_refuses_until_all_is_decided(run: Run) -> None:
    errors = run.refused.findings[run.refused.findings["severity"] == "error"]["rule"].value_counts()
    matches = Counter(party.match for party in run.grown.books.parties)
    assert errors["charge_unmapped"] == sum(len(planted(plan)) for plan in PLANS) + 1
    assert errors["customer_undecided"] == matches[DECIDED] + matches[NEW] + matches[AMBIGUOUS]
    assert not run.refused.ready
    assert run.refused.upload.empty


def test_what_was_decided_in_the_workbook_is_what_counts(run: Run) -> None:
    assert run.read_again == 0
    charges = {
        (row["contract_code"], row["price_code"]): row["item_full_name"]
        for row in to_rows(run.decided.charges)
    }
    for plan in PLANS:
        for one in planted(plan):
            wanted = None if one.decision == "(none)" else one.decision
            assert charges[plan, one.code] == wanted
    customers = {row["account_number"]: row for row in to_rows(run.decided.customers)}
    for party in run.grown.books.parties:
        assert customers[party.number]["customer_full_name"] == party.customer
        assert (customers[party.number]["status"] == "new") == (party.match == NEW)


def test_what_is_open_at_the_cutover_is_carried_to_the_cent(run: Run) -> None:
    uploaded = {row["Invoice Number"]: Decimal(row["Current Amount Due"]) for row in run.uploaded}
    assert uploaded == run.grown.carried()
    accounts: dict[str, Decimal] = {}
    for row in run.uploaded:
        amount = accounts.get(row["Customer Ref"], ZERO) + Decimal(row["Current Amount Due"])
        accounts[row["Customer Ref"]] = amount
    assert accounts == run.grown.open_by_account()
    documents = to_rows(run.carried.documents)
    credits = {row["txn_id"]: row["open_amount"] for row in documents if row["record_kind"] != "invoice"}
    assert {key: abs(amount) for key, amount in credits.items()} == run.grown.books.credits


# --- the plan -----------------------------------------------------------------------------------------------


def _went(plan: Plan) -> dict[tuple[str, str], tuple[str, int]]:
    """Return where every source row went: a kind of document and how many, or the rule that kept it."""
    rows = to_rows(plan.operations)
    count = Counter((row["source_table"], row["source_key"]) for row in rows)
    went = {}
    for row in rows:
        place = row["source_table"], row["source_key"]
        went[place] = (row["record_kind"], count[place])
    for row in to_rows(plan.left_out):
        rule = row["reason"].partition(":")[0] if row["rule"] == "blocked" else row["rule"]
        went[row["source_table"], row["source_key"]] = (rule, 1)
    return went


def test_every_row_has_the_fate_that_was_planted(run: Run) -> None:
    went = _went(run.plan)
    sent = {place: fate for place, fate in _went(run.pilot).items() if fate[0] in SENT}
    wrong = {}
    for place, fate in run.year.fates.items():
        got = went[place]
        if place in sent:  # with the pilot, before the rest
            assert got[0] == "already_sent", place
            got = sent[place]
        if got != (fate.goes, fate.operations):
            wrong[place] = (fate, got)
    assert wrong == {}
    fates = {fate.goes for fate in run.year.fates.values()}
    assert fates >= {*SENT, WAITS, "origin", "status", "carried_over", "post_by_hand", "lines_sum"}


def test_rows_and_money_of_the_plan_add_up_to_the_source(run: Run) -> None:
    for plan in (run.pilot, run.plan):
        for row in to_rows(plan.totals):
            ways = [name for name in ("exported", "blocked", "left_out", "held") if f"{name}_count" in row]
            assert row["source_count"] == sum(row[f"{way}_count"] for way in ways)
            if row["source_amount"] is not None:
                assert row["source_amount"] == sum(row[f"{way}_amount"] for way in ways)
    for name, column in (
        ("invoices", "current_amount_due"),
        ("payments", "amount"),
        ("adjustments", "amount"),
    ):
        mine = [row for row in to_rows(run.plan.totals) if row["source_table"] == f"billing.{name}"]
        rows = run.year.tables[name]
        assert sum(row["source_count"] for row in mine) == len(rows)
        assert sum(row["source_amount"] for row in mine) == sum(row[column] for row in rows)


def test_a_carried_invoice_is_in_no_request(run: Run) -> None:
    numbers = {row["Invoice Number"] for row in run.uploaded}
    added = [text for text in run.requests if "<InvoiceAdd>" in text]
    sent = {number for text in added for number in re.findall(r"<RefNumber>([^<]+)</RefNumber>", text)}
    assert sent
    assert not sent & numbers


def test_all_that_is_to_be_posted_by_hand_is_on_the_schedule_with_its_money(run: Run) -> None:
    meant = {place[1]: fate.amount for place, fate in run.year.fates.items() if fate.goes == "post_by_hand"}
    listed = to_rows(run.plan.post_by_hand)
    there = [key for row in listed for key in (row["entries"] or [row["source_key"]])]
    assert sorted(there) == sorted(meant)
    assert sum(row["amount"] for row in listed) == sum(meant.values())
    assert all(row["txn_id"] is None for row in listed)


def test_a_carried_credit_that_blubilling_uses_is_quickbooks_own(run: Run) -> None:
    """What is left of each credit, and what is open on each invoice, says QuickBooks itself."""
    assert len(run.year.credited) == 2 * run.grown.size.each
    used = Counter(run.year.credited.values())
    left = {
        row["txn_id"]: row["credit_remaining"] if "credit_remaining" in row else row["unused_payment"]
        for row in [*run.held["credit_memos"], *run.held["payments"]]
    }
    for txn_id, times in used.items():
        assert left[txn_id] == run.grown.books.credits[txn_id] - times * USED
    there = {row["ref_number"]: row["balance_remaining"] for row in run.held["invoices"]}
    for number in run.year.credited:
        assert there[number.removeprefix("INV-")] == Decimal("90.00") - USED


# --- at the end ---------------------------------------------------------------------------------------------


def test_only_the_vendors_name_is_refused_and_what_hangs_on_it_is_skipped(run: Run) -> None:
    operations = to_rows(run.ws.read("ledger.operations"))
    assert {row["status"] for row in operations} <= {"applied", "rejected", "skipped"}
    refused = run.grown.refused().number
    assert [row["key"] for row in operations if row["status"] == "rejected"] == [f"customer:{refused}"]
    skipped = {row["source_key"] for row in operations if row["status"] == "skipped"}
    his = _his(run.year, refused)
    assert skipped == {place[1] for place in his if run.year.fates[place].goes in SENT}


def _his(year: Year, account: str) -> set[tuple[str, str]]:
    """Return the documents of one account, by table and key."""
    keys = {"invoices": "invoice_number", "payments": "payment_number", "adjustments": "adjustment_id"}
    return {
        (f"billing.{name}", row[key])
        for name, key in keys.items()
        for row in year.tables[name]
        if row["account_number"] == account
    }


def test_quickbooks_holds_each_document_once(run: Run) -> None:
    operations = to_rows(run.ws.read("ledger.operations"))
    for kind, name in (("invoice", "invoices"), ("payment", "payments"), ("credit_memo", "credit_memos")):
        rows = run.held[name]
        marks = Counter(found[1] for row in rows if (found := re.search(r"\[bb:(.*)\]$", row["memo"] or "")))
        meant = {
            row["key"] for row in operations if row["record_kind"] == kind and row["status"] == "applied"
        }
        assert marks == Counter(meant), name


def test_every_customer_owes_to_the_cent_what_the_oracle_says(run: Run) -> None:
    there = {row["full_name"]: row["balance"] for row in run.held["customers"]}
    meant = run.grown.balances(run.year)
    assert {name: (meant.get(name), there.get(name)) for name in meant.keys() ^ there.keys()} == {}
    assert {name: (meant[name], there[name]) for name in meant if meant[name] != there[name]} == {}


def test_the_tie_out_explains_all_but_what_quickbooks_was_paid_since(run: Run) -> None:
    since = {row["txn_id"] for row in run.grown.books.tables["payments"] if row["txn_date"] > CUTOVER}
    open_ends = [row for row in to_rows(run.tied.differences) if not row["explained"]]
    assert {row["key"].removeprefix("TxnID ") for row in open_ends} == since
    assert not run.tied.ties
    by_kind = {(row["record_kind"], row["currency"]): row for row in to_rows(run.tied.totals)}
    his = _his(run.year, run.grown.refused().number)
    for kind, table in (("invoice", "billing.invoices"), ("payment", "billing.payments")):
        goes = "invoice" if kind == "invoice" else "payment"
        amount = totals(run.year.fates, table)[goes][1]
        lost = [
            run.year.fates[place].amount
            for place in his
            if place[0] == table and run.year.fates[place].goes == goes
        ]
        total = by_kind[kind, "USD"]
        extra = Decimal("5.00") * len(since) if kind == "payment" else ZERO
        debits = totals(run.year.fates, "billing.adjustments")["invoice"][1] if kind == "invoice" else ZERO
        assert total["applied_amount"] == amount - sum(lost) - debits
        assert total["quickbooks_amount"] == amount - sum(lost) - debits + extra
        assert total["applied_count"] == _documents(run, kind, table) - len(lost)
    ties = tie_carried(Books(run.ws.tables(), run.ws.settings))
    assert len(ties) == run.grown.size.open_invoices
    assert all(one.ties for one in ties)
    carried = by_kind["carried invoice", "USD"]
    assert carried["quickbooks_amount"] == sum(run.grown.carried().values())
    assert carried["difference"] == 0


def _documents(run: Run, kind: str, table: str) -> int:
    """Return how many documents of a kind there must be: a receipt over three jobs is three."""
    fates = run.year.fates.items()
    count = sum(fate.operations for (name, _), fate in fates if name == table and fate.goes == kind)
    if kind == "payment":
        return count + len(run.year.credited)  # each use of a credit is a payment of 0.00
    return count + totals(run.year.fates, "billing.adjustments")["invoice"][0]


def _found(plan: Plan, rule: str) -> list[dict[str, Any]]:
    return [row for row in to_rows(plan.findings) if row["rule"] == rule]


def test_what_was_refused_waits_and_all_that_hangs_on_it(run: Run) -> None:
    refused = run.grown.refused().number
    assert run.rest.operations.empty
    assert [row["key"] for row in _found(run.rest, "rejected_before")] == [refused]
    left_out = {row["source_key"]: row for row in to_rows(run.rest.left_out)}
    assert left_out[refused]["reason"].startswith("rejected_before: QuickBooks rejected it (3100)")
    his = {place[1] for place in _his(run.year, refused) if run.year.fates[place].goes in SENT}
    assert {left_out[key]["rule"] for key in his} == {"depends_on_blocked"}
    assert all(f"customer:{refused}" in left_out[key]["reason"] for key in his)


def test_nothing_is_left_to_send_but_what_was_refused(run: Run) -> None:
    """Where the refusal was waived, because its cause is mended, just what was not applied goes again."""
    operations = to_rows(run.ws.read("ledger.operations"))
    not_applied = {row["key"] for row in operations if row["status"] != "applied"}
    assert {row["key"] for row in to_rows(run.again.operations)} == not_applied
