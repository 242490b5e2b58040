"""Approving a draft: it goes only as long as it says what would be planned today."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_world import Toolkit, runner
from export_world import ALL, Rows, customer, day, frames, invoice, line
from test_fix import Books, books, in_company, make

from toolkit import correcting, cutover, cutover_export, transform
from toolkit.errors import UsageError
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

EVERYTHING = {**ALL, "new": True}


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    """Return `toolkit(*arguments)`."""
    return runner(monkeypatch, capsys)


def company() -> Rows:
    """Return a company with an invoice that is too high by ten, and one rolled into another."""
    rows = books()
    rows["billing.invoices"] += [
        invoice("INV-4", "30.00"),
        invoice("INV-5", "20.00", status="CarriedOver", delegated_to_invoice="INV-1"),
    ]
    rows["billing.invoice_lines"] += [line("INV-4", "20.00"), line("INV-5", "20.00")]
    return rows


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Books]:
    """A workspace of that company; its QuickBooks takes everything."""
    rows = company()
    theirs = copy.deepcopy({name: listed for name, listed in rows.items() if name.startswith("quickbooks.")})
    books_ = make(tmp_path, rows, theirs)
    with books_.ws:
        yield books_


def draft(ws: Workspace, **options: Any) -> int:
    queued = ws.queue(cutover.plan_export(ws, **(options or EVERYTHING)))
    assert queued.job is not None
    assert not queued.approved
    return queued.job


def load(ws: Workspace, change: Callable[[Rows], Any]) -> None:
    """Load BluBilling's tables again with a change."""
    rows = company()
    change(rows)
    for name, frame in frames(rows).items():
        if name.startswith("billing."):
            ws.write(name, frame)


def correct(ws: Workspace) -> None:
    cell = ("billing.invoices", "INV-4", "current_amount_due")
    assert correcting.correct(ws, [(cell, "20.00")], "ann", "a typo").corrected == 1


def carried_over(ws: Workspace) -> str:
    """Return the finding on the invoice that was carried over."""
    rows = to_rows(cutover.plan_export(ws, **EVERYTHING).findings)
    (found,) = [row for row in rows if row["key"] == "INV-5" and row["rule"] == "carried_over"]
    return str(found["finding_id"])


def test_a_draft_of_which_nothing_changed_is_approved(made: Books) -> None:
    correct(made.ws)
    job = draft(made.ws)
    load(made.ws, lambda _: None)
    made.ws.approve(job, "ann", "backup.qbb")
    assert made.ws.ledger.job(job).status == "queued"
    assert made.ws.ledger.job_history(job)[-1]["note"] == "backup.qbb"


def test_newer_data_than_the_correction_in_a_draft_refuses_it(made: Books) -> None:
    correct(made.ws)
    job = draft(made.ws)
    load(made.ws, lambda rows: rows["billing.invoices"][3].update(current_amount_due=Decimal("20.00")))
    assert made.ws.changed_since(job) == []  # BluBilling says the same itself now

    def lower(rows: Rows) -> None:
        for table, name in (("invoices", "current_amount_due"), ("invoice_lines", "amount")):
            rows[f"billing.{table}"][3][name] = Decimal("12.00")

    load(made.ws, lower)
    with pytest.raises(
        UsageError, match=r"1 of its rows changed since: invoice:INV-4: stays behind now, .*correction_void"
    ) as said:
        made.ws.approve(job, "ann")
    assert f"toolkit cancel {job}" in str(said.value)
    assert "BluBilling has '12.00' now: that counts" in str(said.value)
    assert made.ws.ledger.job(job).status == "draft"


CHANGES: dict[str, tuple[Callable[[Rows], Any], str]] = {
    "another customer": (
        lambda rows: rows["billing.invoices"][1].update(account_number="A2"),
        "invoice:INV-2: CustomerRef",
    ),
    "cancelled": (
        lambda rows: rows["billing.invoices"][1].update(status="Cancelled"),
        "invoice:INV-2: stays behind now",
    ),
    "blocked": (
        lambda rows: rows["billing.invoice_lines"][1].update(amount=Decimal("41.00")),
        "invoice:INV-2: stays behind now, blocked: lines_sum",
    ),
    "gone": (lambda rows: rows["billing.invoices"].pop(1), "invoice:INV-2: BluBilling has no such row"),
    "a customer's street": (
        lambda rows: rows["billing.customers"][-1].update(bill_street1="1 Quay"),
        "customer:A3: BillAddress/Addr1 none is 1 Quay now",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_row_that_changed_refuses_the_draft(made: Books, name: str) -> None:
    change, told = CHANGES[name]
    job = draft(made.ws)
    load(made.ws, change)
    with pytest.raises(UsageError) as said:
        made.ws.approve(job, "ann")
    assert told in str(said.value)
    assert made.ws.ledger.job(job).status == "draft"


def test_what_is_sent_nowhere_refuses_nothing(made: Books) -> None:
    job = draft(made.ws)

    def aside(rows: Rows) -> None:
        rows["billing.invoices"][1] |= {"notes": "called them", "outstanding_balance": Decimal("1.00")}
        rows["billing.invoices"].append(invoice("INV-9", "7.00", invoice_date=day(2)))
        rows["billing.invoice_lines"].append(line("INV-9", "7.00"))
        rows["billing.customers"].append(customer("A9", "Egret"))

    load(made.ws, aside)
    assert made.ws.changed_since(job) == []


def test_a_waiver_that_was_withdrawn_refuses_the_draft(made: Books, toolkit: Toolkit) -> None:
    finding = carried_over(made.ws)
    assert toolkit("-w", made.ws.path, "waive", finding, "--note", "they want it posted").code == 0
    job = draft(made.ws)
    assert "invoice:INV-5" in set(made.ws.ledger.operations(job)["key"])
    assert made.ws.changed_since(job) == []
    assert toolkit("-w", made.ws.path, "waive", finding, "--undo").code == 0
    with pytest.raises(UsageError, match="invoice:INV-5: stays behind now, carried_over"):
        made.ws.approve(job, "ann")


def test_of_two_drafts_none_goes_where_one_changed(made: Books) -> None:
    first = draft(made.ws, start="2026-01-01", end="2026-01-31", customers=True)
    second = draft(made.ws, start="2026-01-01", end="2026-01-31", invoices=True)
    load(made.ws, lambda rows: rows["billing.invoices"].pop(1))
    with pytest.raises(UsageError, match=f"job {second} is not"):
        made.ws.approve([first, second], "ann")
    assert {made.ws.ledger.job(job).status for job in (first, second)} == {"draft"}


def test_what_was_sent_since_is_known_by_its_id_now_and_no_change(made: Books) -> None:
    first = draft(made.ws, new=True, customers=True)
    second = draft(made.ws, new=True, customers=True, invoices=True)
    third = draft(made.ws, new=True, invoices=True, payments=True)
    for job in (first, second, third):
        assert made.ws.changed_since(job) == []
        made.ws.approve(job, "ann")
        made.world.finish()
    assert set(made.statuses().values()) == {"applied"}
    assert {"customer:A3", "invoice:INV-3", "payment:P-1"} <= made.statuses().keys()


def test_a_pilot_and_numbers_that_were_counted(made: Books) -> None:
    made.ws.set("number_rule", "counter:1000")
    job = draft(made.ws, new=True, customers=True, invoices=True, payments=True, limit=2)

    def earlier(rows: Rows) -> None:
        rows["billing.invoices"].append(invoice("INV-0", "7.00", invoice_date=day(1)))
        rows["billing.invoice_lines"].append(line("INV-0", "7.00"))

    load(made.ws, earlier)
    assert made.ws.changed_since(job) == []
    (told, *_) = to_rows(made.ws.ledger.operations(job))[-1:]
    number = {"record_kind": "invoice", "number": told["source_key"], "ref_number": "77", "decision": "77"}
    made.ws.ledger.decide("numbers", [number], "ann")
    (changed,) = made.ws.changed_since(job)
    assert "is 77 now" in changed


NUMBER = {"record_kind": "invoice", "number": "INV-2", "ref_number": "77", "decision": "77"}


@pytest.mark.parametrize("rule", ["", "counter:1000"])
def test_a_number_whose_decision_was_withdrawn_is_not_sent(made: Books, rule: str) -> None:
    made.ws.set("number_rule", rule or "none")
    made.ws.ledger.decide("numbers", [NUMBER], "ann")
    job = draft(made.ws)
    assert made.ws.changed_since(job) == []
    made.ws.ledger.decide("numbers", [NUMBER | {"decision": None, "ref_number": None}], "ann")
    (changed,) = made.ws.changed_since(job)
    assert changed.startswith("invoice:INV-2: RefNumber 77 is ")
    with pytest.raises(UsageError, match="RefNumber 77 is"):
        made.ws.approve(job, "ann")
    made.ws.ledger.decide("numbers", [NUMBER], "ann")
    assert made.ws.changed_since(job) == []


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ("none", "strip:INV-", "RefNumber INV-2 is 2 now"),
        ("strip:INV-", "none", "RefNumber 2 is INV-2 now"),
        ("strip:INV-", "counter:5", "RefNumber 2 is 6 now"),
        ("counter:1000", "counter:2000", "is 200"),
        ("counter:1000", "none", "is INV-2 now"),
    ],
)
def test_another_numbering_rule_refuses_the_draft(made: Books, then: str, now: str, told: str) -> None:
    made.ws.set("number_rule", then)
    job = draft(made.ws)
    assert made.ws.changed_since(job) == []
    made.ws.set("number_rule", now)
    assert told in "; ".join(made.ws.changed_since(job))
    made.ws.set("number_rule", then)
    assert made.ws.changed_since(job) == []


def test_a_draft_of_corrected_rows(tmp_path: Path) -> None:
    made = make(tmp_path, books(), in_company(books()))
    made.export()
    cell = ("billing.customers", "A3", "name")
    made.ws.ledger.decide(
        "corrections",
        [
            dict(zip(("table", "key", "column"), cell, strict=True))
            | {"value": "Crane Works", "old_value": "Crane", "job": 1, "decision": "(corrected)"}
        ],
        "ann",
    )
    queued = made.read(made.write()).queued
    assert queued.job is not None
    assert made.ws.changed_since(queued.job) == []
    rows = books()
    rows["billing.customers"][-1]["name"] = "Crane East"
    made.ws.write("billing.customers", frames(rows)["billing.customers"])
    with pytest.raises(UsageError, match="customer:A3: stays behind now, blocked: name_taken"):
        made.ws.approve(queued.job, "ann")
    made.ws.close()


def test_a_plan_that_is_approved_at_once_is_planned_anew_too(made: Books) -> None:
    made.ws.set("pilot", "false")
    plan = cutover.plan_export(made.ws, **EVERYTHING)
    load(made.ws, lambda rows: rows["billing.invoices"].pop(1))
    with pytest.raises(UsageError, match=r"the plan is not what would be planned today.*invoice:INV-2: BluB"):
        made.ws.queue(plan, approved_by="ann")
    assert made.ws.read("ledger.jobs").empty
    load(made.ws, lambda _: None)
    queued = made.ws.queue(plan, approved_by="ann")
    assert queued.approved
    load(made.ws, lambda rows: rows["billing.invoices"].pop(1))
    again = made.ws.queue(plan, approved_by="ann")  # all of it is under way: of that nothing is asked
    assert (again.job, again.operations) == (None, 0)


@pytest.mark.parametrize(
    "options",
    [{"limit": 2}, {"start": "2026-01-01", "end": "2026-01-31", "new": False}, {"hold": "account_number=A1"}],
    ids=["a pilot", "a range", "held rows"],
)
def test_a_plan_of_now_is_approved_whatever_its_range(made: Books, options: dict[str, Any]) -> None:
    made.ws.set("pilot", "false")
    made.ws.set("number_rule", "counter:1000")
    hold = options.get("hold")
    chosen = {name: value for name, value in options.items() if name != "hold"}
    plan = cutover.plan_export(made.ws, **{**EVERYTHING, **chosen})
    plan = cutover_export.filtered(plan, [hold]) if hold else plan
    assert len(plan.operations)
    assert made.ws.queue(plan, approved_by="ann").approved


def test_what_approves_itself_is_planned_anew(made: Books) -> None:
    made.ws.approve(draft(made.ws, new=True, customers=True), "ann")
    made.world.finish()
    done = int(made.ws.read("ledger.jobs")["id"].max())
    made.ws.ledger.keep_tie_out(True, "ann", {"jobs": [done]})
    made.ws.set("auto_approve", "true")
    plan = cutover.plan_export(made.ws, new=True, invoices=True)
    load(made.ws, lambda rows: rows["billing.invoices"].pop(1))
    with pytest.raises(UsageError, match="invoice:INV-2: BluBilling has no such row"):
        made.ws.queue(plan)
    assert len(made.ws.read("ledger.jobs")) == done
    assert made.ws.queue(cutover.plan_export(made.ws, new=True, invoices=True)).approved


def test_only_the_workspace_lets_a_draft_go() -> None:
    package = Path(transform.__file__).parent
    found = {
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "approve"
        and "ledger" in ast.unparse(node.func.value)
    }
    assert found == {"workspace_queue.py", "rehearse.py"}  # the latter on a copy that it throws away


def test_the_command_refuses_with_the_rows(made: Books, toolkit: Toolkit) -> None:
    job = draft(made.ws)
    load(made.ws, lambda rows: rows["billing.invoices"].pop(1))
    said = toolkit("-w", made.ws.path, "approve", job)
    assert said.code == 2
    assert "invoice:INV-2" in said.err
    assert made.ws.ledger.job(job).status == "draft"
    load(made.ws, lambda _: None)
    assert toolkit("-w", made.ws.path, "approve", job).code == 0
