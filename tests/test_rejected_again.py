"""What QuickBooks rejected is not sent again as it was, and a cancelled draft hides no rejection."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from export_world import Rows, day, frames, invoice, item, line, settings, world
from lost_world import Lost
from test_checks import local_item
from test_fix import Books, books, edit, in_company, make

from toolkit import cutover, cutover_export, outcomes
from toolkit.errors import UsageError
from toolkit.ledger import Operation, Outcome
from toolkit.quickbooks_codes import explain_status
from toolkit.resubmit import list_rejected, write_fix
from toolkit.tables import TABLES, to_rows
from toolkit.transform import Plan, plan_export
from toolkit.workspace import Workspace

ALL = {"customers": True, "invoices": True, "payments": True}


@pytest.fixture
def made(tmp_path: Path) -> Books:
    """A workspace after an export in which the new customer's name was taken, which only QuickBooks knows."""
    found = make(tmp_path, books(), in_company(books()))
    found.export()
    assert [one.operation for one in list_rejected(found.ws).rejections] == ["customer:A3"]
    forget_the_holder(found.ws)
    return found


def forget_the_holder(ws: Workspace) -> None:
    """Take back that QuickBooks was asked who has the name: the gate would speak of that."""
    rows = ws.read("quickbooks.customers")
    with ws.lock():
        ws.write("quickbooks.customers", rows[rows["list_id"] != "C-9"])


def following(made: Books) -> str:
    """Return the command that the toolkit says to run for the export."""
    return next(step.command for step in cutover.steps(made.ws) if step.name == "Export to QuickBooks")


def blocking(plan: Plan) -> list[dict[str, Any]]:
    return [row for row in to_rows(plan.findings) if row["rule"] == "rejected_before"]


def test_a_rejected_row_goes_again_only_when_it_was_corrected(made: Books) -> None:
    plan = cutover.plan_export(made.ws, new=True, **ALL)
    assert set(plan.left_out["rule"]) == {"blocked", "depends_on_blocked"} and not len(plan.operations)
    [found] = blocking(plan)
    assert found["message"].startswith("QuickBooks rejected it (3100) in job 1") and "fix" in found["message"]
    assert following(made) == "toolkit fix --write rejected.xlsx"
    edit(made.write(), "Customers", "A3", name="Crane Works")
    made.send(made.read().queued.job)
    assert set(made.statuses().values()) == {"applied"}
    assert following(made) != "toolkit fix --write rejected.xlsx"


def test_what_was_mended_in_quickbooks_is_waived_and_rejected_anew_is_another_finding(made: Books) -> None:
    [finding] = blocking(cutover.plan_export(made.ws, new=True, **ALL))
    assert cutover_export.waive(made.ws, finding, "ann", "the other one was renamed")
    made.export()
    assert made.statuses()["customer:A3"] == "rejected", "it was not"
    assert made.ws.ledger.operation("customer:A3").job == 2
    forget_the_holder(made.ws)
    [again] = blocking(cutover.plan_export(made.ws, new=True, **ALL))
    assert again["severity"] == "error" and again["finding_id"] != finding["finding_id"]


def test_a_cancelled_draft_hides_no_rejection(made: Books) -> None:
    edit(made.write(), "Customers", "A3", name="Crane Works")
    for number in (2, 3):
        assert made.read().queued.job == number
        assert not list_rejected(made.ws).rejections
        made.ws.ledger.cancel(number, "ann")
        assert [(one.operation, one.job) for one in list_rejected(made.ws).rejections] == [("customer:A3", 1)]
    tie = cutover.tie_out(made.ws)
    told = {row["key"]: (row["explained"], row["reason"]) for row in to_rows(tie.differences)}
    assert told["customer:A3"][0] and told["customer:A3"][1].startswith("rejected by QuickBooks")
    # It is corrected and can go; its invoice was never sent, and is meant.
    assert told["INV-3"] == (False, "not sent: job 3 was cancelled: export it again")
    made.send(made.read().queued.job)
    assert set(made.statuses().values()) == {"applied"}


def test_an_export_that_was_cancelled_whole_does_not_tie(tmp_path: Path) -> None:
    made = make(tmp_path, books(), in_company(books()))
    job = made.ws.queue(cutover.plan_export(made.ws, new=True, **ALL)).job
    assert job is not None
    made.ws.ledger.cancel(job, "ann")
    tie = cutover.tie_out(made.ws)
    told = {row["key"]: row["explained"] for row in to_rows(tie.differences)}
    assert not tie.ties and set(told) >= {"A3", "INV-1", "INV-2", "INV-3", "P-1"} and not any(told.values())


def test_a_draft_whose_waiver_was_withdrawn_is_not_approved(made: Books) -> None:
    [finding] = blocking(cutover.plan_export(made.ws, new=True, **ALL))
    cutover_export.waive(made.ws, finding, "ann", "the other one was renamed")
    job = made.ws.queue(cutover.plan_export(made.ws, new=True, **ALL)).job
    assert job is not None
    made.ws.ledger.withdraw_waiver(finding["finding_id"], "ann")
    with pytest.raises(UsageError, match="customer:A3: stays behind now, blocked: rejected_before"):
        made.ws.approve(job, "bob")
    assert made.ws.ledger.job(job).status == "draft"
    cutover_export.waive(made.ws, finding, "ann", "it was renamed after all")
    made.ws.approve(job, "bob")


def test_an_attempt_that_was_held_back_hides_no_rejection(made: Books) -> None:
    [finding] = blocking(cutover.plan_export(made.ws, new=True, **ALL))
    cutover_export.waive(made.ws, finding, "ann", "the other one was renamed")
    job = made.ws.queue(cutover.plan_export(made.ws, new=True, **ALL)).job
    assert job is not None
    made.ws.approve(job, "bob")
    made.ws.ledger.skip("customer:A3", "held back: terms Net 30 was made inactive in QuickBooks")
    assert made.ws.ledger.operation("customer:A3").status == "skipped"
    assert [row["severity"] for row in blocking(cutover.plan_export(made.ws, new=True, **ALL))] == ["info"]
    made.ws.ledger.withdraw_waiver(finding["finding_id"], "ann")
    plan = cutover.plan_export(made.ws, new=True, **ALL)
    assert [row["finding_id"] for row in blocking(plan)] == [finding["finding_id"]]
    assert not len(plan.operations)
    assert [(one.operation, one.job) for one in list_rejected(made.ws).rejections] == [("customer:A3", 1)]


def with_item(folder: Path) -> Books:
    """Return a workspace after an export whose item by hand was there already: only QuickBooks knows."""
    rows = world()
    local_item("Setup")(rows)
    theirs = copy.deepcopy({name: rows[name] for name in rows if name.startswith("quickbooks.")})
    theirs["quickbooks.items"].append(item("I-99", "Setup"))
    made = make(folder, {name: rows[name] for name in rows if not name.startswith("mapping.")}, theirs)
    for row in rows["mapping.local_items"]:
        made.ws.ledger.add_item(row, "ann")
    made.ws.ledger.decide("charge_items", rows["mapping.charge_items"], "ann")
    made.export()
    assert made.statuses()["item:Setup"] == "rejected"
    listed = made.ws.read("quickbooks.items")
    with made.ws.lock():
        made.ws.write("quickbooks.items", listed[listed["list_id"] != "I-99"])
    return made


def test_an_item_by_hand_is_not_sent_to_the_workbook_of_rejected_rows(tmp_path: Path) -> None:
    made = with_item(tmp_path)
    assert not list_rejected(made.ws).rejections, "it is no row of BluBilling's"
    [finding] = blocking(cutover.plan_export(made.ws, new=True, **ALL))
    for text in (finding["message"], finding["suggestion"]):
        assert "toolkit fix" not in text and "sheet Items by hand" in text and "import" in text
    with pytest.raises(UsageError, match=r"nothing to fix; of the items by hand Setup is rejected: .* sheet"):
        write_fix(made.ws, made.path)
    [standing] = to_rows(made.ws.ledger.local_items())
    entered = {name: value for name, value in standing.items() if not name.startswith("entered_")}
    made.ws.ledger.add_item(entered | {"description": "Set up once"}, "ann")
    assert "item:Setup" in set(cutover.plan_export(made.ws, new=True, **ALL).operations["key"])


def test_an_item_that_is_in_quickbooks_is_cured_by_an_import(tmp_path: Path) -> None:
    made = with_item(tmp_path)
    step = next(one for one in cutover.steps(made.ws) if one.name == "Export to QuickBooks")
    assert step.command == "toolkit import items" and "Setup is rejected: it may be in" in step.detail
    made.ws.queue_import("items")
    made.world.finish()
    assert following(made).startswith("toolkit export --new")
    plan = cutover.plan_export(made.ws, new=True, **ALL)
    assert [row["key"] for row in to_rows(plan.operations)] == ["invoice:INV-2"] and not blocking(plan)


# --- what counts as unchanged -------------------------------------------------------------------------------


def refuse(monkeypatch: pytest.MonkeyPatch, code: int, *keys: str) -> None:
    """Let QuickBooks answer these adds, or all, with a code."""

    def answered(operation: Operation, status: Any, answer: Any, known: Any) -> Outcome:
        if keys and operation.key not in keys:
            return as_it_is(operation, status, answer, known)
        return Outcome(operation.key, "rejected", code, explain_status(code))

    as_it_is = outcomes._outcome
    monkeypatch.setattr(outcomes, "_outcome", answered)


def counted(rows: Rows, **text: str) -> Plan:
    return plan_export(frames(rows), settings(**text), new=True, **ALL)


def test_a_number_that_a_counter_gave_is_no_correction() -> None:
    rows = world()
    rows["billing.invoices"].append(invoice("INV-2", "40.00", invoice_date=day(12)))
    rows["billing.invoice_lines"].append(line("INV-2", "40.00"))
    [sent] = [
        row
        for row in to_rows(counted(rows, number_rule="counter:1001").operations)
        if row["key"] == "invoice:INV-2"
    ]
    kept = {name: value for name, value in sent.items() if name in TABLES["ledger.operations"].names}
    assert kept["ref_number"] == "1002"
    rows["ledger.operations"] = [kept | {"job": 7, "status": "rejected", "status_code": 3140}]
    rows["billing.invoices"].append(invoice("INV-0", "5.00", invoice_date=day(2)))
    rows["billing.invoice_lines"].append(line("INV-0", "5.00"))
    plan = counted(rows, number_rule="counter:1001")
    assert {row["key"]: row["ref_number"] for row in to_rows(plan.operations)} == {
        "invoice:INV-0": "1001",
        "invoice:INV-1": "1002",
        "payment:P-1": "P-1",
    }
    assert [row["key"] for row in blocking(plan)] == ["INV-2"]
    # Who chose another number, by hand or by another rule, corrected it.
    for rule in ("counter:5001", "none"):
        assert not blocking(counted(rows, number_rule=rule))
    rows["mapping.numbers"] = [{"record_kind": "invoice", "number": "INV-2", "decision": "A-2"}]
    assert not blocking(counted(rows, number_rule="counter:1001"))


def test_what_was_mapped_to_another_customer_goes(made: Books, tmp_path: Path) -> None:
    mapped = {"account_number": "A3", "decision": "Crane", "customer_list_id": "C-9"}
    made.ws.queue_import("customers")
    made.world.finish()
    made.ws.ledger.decide("customers", [mapped], "ann")
    plan = cutover.plan_export(made.ws, new=True, **ALL)
    assert [row["key"] for row in to_rows(plan.operations)] == ["invoice:INV-3"] and not blocking(plan)


def test_a_document_that_was_refused_goes_when_its_customer_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = in_company(books())
    theirs["quickbooks.customers"][-1] |= {"name": "Crane & Sons", "full_name": "Crane & Sons"}
    made = make(tmp_path, books(), theirs)
    with monkeypatch.context() as patched:
        refuse(patched, 3140, "invoice:INV-3")
        made.export()
    assert made.statuses()["customer:A3"] == "applied"
    assert [row["key"] for row in blocking(cutover.plan_export(made.ws, new=True, **ALL))] == ["INV-3"]
    mapped = {"account_number": "A3", "decision": "Crane & Sons", "customer_list_id": "C-9"}
    made.ws.queue_import("customers")
    made.world.finish()
    made.ws.ledger.decide("customers", [mapped], "ann")
    plan = cutover.plan_export(made.ws, new=True, **ALL)
    assert [row["key"] for row in to_rows(plan.operations)] == ["invoice:INV-3"] and not blocking(plan)


def test_after_a_release_what_refers_to_something_lost_is_another_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Lost.make(tmp_path)
    backup = made.backed_up()
    backup.stamp(made.ws.owner_id, made.ws.file_id)
    with monkeypatch.context() as patched:
        refuse(patched, 3140, "invoice:INV-2", "invoice:INV-3")
        made.export()
    # Both were rejected; the customer of the second one is our own.
    assert {row["key"] for row in blocking(made.plan())} == {"INV-2", "INV-3"}
    made.restore(backup)
    made.read_back()
    made.world.clock.wait(3600)
    made.release()
    plan = made.plan()
    assert [row["key"] for row in blocking(plan)] == ["INV-2"]
    assert {row["key"] for row in to_rows(plan.operations)} == {
        *("customer:A3", "invoice:INV-1", "invoice:INV-3", "credit_memo:ADJ-1", "payment:P-1")
    }
    with monkeypatch.context() as patched:
        refuse(patched, 3260, "invoice:INV-3", "invoice:INV-1")
        made.export()
    told = {row["key"]: row["value"] for row in blocking(made.plan())}
    last = made.ws.ledger.operation("invoice:INV-1").job
    assert told == {
        "INV-1": f"invoice:INV-1 in job {last}",
        "INV-2": "invoice:INV-2 in job 1",
        "INV-3": f"invoice:INV-3 in job {last}",
    }
