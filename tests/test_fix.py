"""Fix and resubmit: what QuickBooks rejected goes out with its reason, comes back, and goes again."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pandas as pd
import pytest
from exchange_world import PASSWORD, Clock, World, set_by_hand
from export_world import Rows, customer, day, frames, invoice, line, world
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from workbook_rendering import squeezed

from toolkit import cutover, cutover_export
from toolkit.corrections import (
    CORRECTABLE,
    apply_corrections,
    columns_to_correct,
    read_value,
    row_key,
    value_text,
)
from toolkit.errors import InputFileError, UsageError
from toolkit.rehearsal import Company
from toolkit.rejections import Rejection, rejections
from toolkit.resubmit import Fixed, read_fix, write_fix
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt

ODD = ("00123", "1E5", "=1+1", "+x", "-x", "@x", "'q", " lead", "TRUE", "#N/A", "a\nb", "_x0041_", "Søn")


def books() -> Rows:
    """Return a company with a new customer who has an invoice, and a second invoice of the first customer."""
    rows = world()
    rows["billing.customers"].append(customer("A3", "Crane", email="post@crane.example", phone="00123"))
    rows["billing.invoices"] += [
        invoice("INV-2", "40.00"),
        invoice("INV-3", "15.00", account_number="A3", notes="=1+1"),
    ]
    rows["billing.invoice_lines"] += [line("INV-2", "40.00"), line("INV-3", "15.00")]
    return rows


def in_company(rows: Rows) -> Rows:
    """Return what QuickBooks has and the toolkit was not told: the name, and a closing date."""
    theirs = copy.deepcopy({name: listed for name, listed in rows.items() if name.startswith("quickbooks.")})
    theirs["quickbooks.customers"].append(
        {"list_id": "C-9", "name": "Crane", "full_name": "Crane", "is_active": True}
    )
    theirs["quickbooks.company"][0]["closing_date"] = day(9)
    return theirs


@dataclass
class Books:
    """A workspace, and the company that rejects some of what it sends."""

    ws: Workspace
    world: World
    path: Path

    def export(self, **switches: Any) -> int:
        """Export everything, approved, and run it."""
        chosen = switches or {"customers": True, "invoices": True, "payments": True}
        result = self.ws.queue(cutover.plan_export(self.ws, new=True, **chosen), approved_by="tester")
        assert result.job is not None
        self.world.finish()
        return result.job

    def send(self, job: int | None) -> None:
        assert job is not None
        self.ws.approve(job, "tester")
        self.world.finish()

    def write(self) -> Path:
        write_fix(self.ws, self.path)
        return self.path

    def read(self, path: Path | None = None, who: str = "analyst") -> Fixed:
        return read_fix(self.ws, path or self.path, who)

    def statuses(self) -> dict[str, str]:
        return self.world.statuses()

    def corrections(self) -> list[dict[str, Any]]:
        return to_rows(self.ws.read("mapping.corrections"))


def make(folder: Path, rows: Rows, theirs: Rows) -> Books:
    clock = Clock()
    ws = Workspace.create(folder / "ws", company="Fabrikam", password=PASSWORD, clock=clock)
    for key, value in {
        "cutover_date": "2025-12-31",
        "pilot": "false",
        "deposit_accounts.ACH": "Card Clearing",
    }.items():
        ws.set(key, value)
    for name, frame in frames(rows).items():
        ws.write(name, frame)
    ws.ledger.decide(
        "customers", [{"account_number": "A3", "decision": "(new)", "new_name": "Crane"}], "analyst"
    )
    company = Company.from_tables(frames(theirs), clock=clock, file_path=r"C:\Books\fabrikam.qbw")
    return Books(ws, World.around(ws, company, clock), folder / "rejected.xlsx")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Company]:
    """A workspace after an export in which the new customer's name was taken, so that INV-3 was skipped."""
    made = make(tmp_path_factory.mktemp("fix"), books(), in_company(books()))
    made.export()
    assert made.statuses() == {
        "customer:A3": "rejected",
        "invoice:INV-1": "applied",
        "invoice:INV-2": "applied",
        "invoice:INV-3": "skipped",
        "payment:P-1": "applied",
    }
    made.ws.close()
    return made.ws.path, made.world.company


@pytest.fixture
def books_rejected(template: tuple[Path, Company], tmp_path: Path) -> Books:
    """A copy of that workspace and of its company."""
    folder, company = template
    shutil.copytree(folder, tmp_path / "ws")
    adopt(tmp_path / "ws", "tester", "a copy for a test")
    clock = Clock()
    clock.wait(3600)
    ws = Workspace(tmp_path / "ws", clock=clock)
    return Books(ws, World.around(ws, copy.deepcopy(company), clock), tmp_path / "rejected.xlsx")


def cells(path: Path, sheet: str, number: int = 2) -> dict[str, Any]:
    """Return the cells of one row by their heading."""
    page = load_workbook(path)[sheet]
    return {str(head.value): page.cell(number, head.column) for head in page[1]}


def edit(path: Path, sheet: str, key: str, **values: Any) -> None:
    """Do what an analyst does: change cells of one row, found by its key, and say why."""
    values = {"note": "a typo", **values}
    book = load_workbook(path)
    page = book[sheet]
    places = {cell.value: cell.column for cell in page[1]}
    (number,) = [row for row in range(2, page.max_row + 1) if page.cell(row, 1).value == key]
    for name, value in values.items():
        page.cell(number, places[name]).value = value
    book.save(path)


def rules(fixed: Fixed) -> list[str]:
    return sorted(fixed.findings["rule"])


# --- the workbook -------------------------------------------------------------------------------------------


def test_the_offending_cell_is_marked_and_said_in_words(books_rejected: Books) -> None:
    path = books_rejected.write()
    assert load_workbook(path).sheetnames == ["Read me", "Customers", "_toolkit"]
    row = cells(path, "Customers")
    assert row["account_number"].value == "A3"
    assert "name is already taken" in row["problem"].value
    assert row["problem"].value.startswith("name: ")
    assert row["limit"].value == "at most 41 characters"
    assert row["proposal"].value == "Crane A3"
    assert row["status_code"].value == "3100"
    assert 'The name "Crane" of the list element is already in use.' in row["reason"].value
    assert row["operation"].value == "customer:A3"
    marked = [name for name, cell in row.items() if cell.comment]
    assert marked == ["name"]
    assert "Proposal: Crane A3" in row["name"].comment.text
    assert row["name"].fill.fgColor.rgb not in {row["email"].fill.fgColor.rgb, row["note"].fill.fgColor.rgb}


def test_what_is_to_be_done_stands_first_and_is_all_that_is_printed(books_rejected: Books) -> None:
    page = load_workbook(books_rejected.write())["Customers"]
    first = [cell.value for cell in page[1]][:7]
    assert first == ["account_number", "problem", "reason", "name", "note", "limit", "proposal"]
    assert page.print_area == "'Customers'!$A$1:$G$2"


def test_all_that_is_said_is_in_sight(books_rejected: Books) -> None:
    path = books_rejected.write()
    assert squeezed(path) == []
    page = load_workbook(path)["Customers"]
    columns = {cell.value: cell.column_letter for cell in page[1]}
    reason = page[f"{columns['reason']}2"]
    per_line = len(reason.value) / (page.row_dimensions[2].height / 15)
    assert len(reason.value) > 100 and per_line <= page.column_dimensions[columns["reason"]].width


def test_texts_stay_texts(books_rejected: Books) -> None:
    cell = cells(books_rejected.write(), "Customers")["phone"]
    assert (cell.value, cell.data_type, cell.number_format) == ("00123", "s", "@")


def test_nothing_rejected_writes_no_file(tmp_path: Path) -> None:
    rows = books()
    made = make(tmp_path, rows, rows)
    made.export()
    with pytest.raises(UsageError, match="nothing of BluBilling's rows is rejected"):
        made.write()
    assert not made.path.exists()


# --- there and back -----------------------------------------------------------------------------------------


def test_only_what_was_corrected_goes_again_under_the_same_key(books_rejected: Books) -> None:
    made = books_rejected
    before = {name: (made.ws.path / f"{name}.parquet").read_bytes() for name in ["billing/customers"]}
    edit(made.write(), "Customers", "A3", name="Crane Works", note="their legal name")
    fixed = made.read()
    (row,) = made.corrections()
    assert (row["value"], row["old_value"], row["note"]) == ("Crane Works", "Crane", "their legal name")
    assert (row["decided_by"], row["job"]) == ("analyst", 1)
    assert row["decided_at"] is not None
    assert {name: (made.ws.path / f"{name}.parquet").read_bytes() for name in before} == before
    job = fixed.queued.job
    assert job is not None
    # What hung on it comes along; nothing else does.
    assert set(made.world.statuses(job)) == {"customer:A3", "invoice:INV-3"}
    assert made.ws.ledger.job(job).status == "draft"
    made.send(job)
    assert set(made.statuses().values()) == {"applied"}
    assert "Crane Works" in made.world.names()
    assert made.world.holds() == ["invoice:INV-1", "invoice:INV-2", "invoice:INV-3"]
    # The first attempt is kept as it was.
    assert made.world.statuses(1)["customer:A3"] == "rejected"


def test_a_draft_even_where_exports_approve_themselves(books_rejected: Books) -> None:
    set_by_hand(books_rejected.ws, "auto_approve", "true")
    edit(books_rejected.write(), "Customers", "A3", name="Crane Works")
    job = books_rejected.read().queued.job
    assert job is not None
    assert books_rejected.ws.ledger.job(job).status == "draft"


def test_reading_twice_changes_nothing(books_rejected: Books) -> None:
    edit(books_rejected.write(), "Customers", "A3", name="Crane Works")
    books_rejected.read()
    stamp = books_rejected.ws.ledger.decisions_stamp()
    jobs = books_rejected.ws.read("ledger.jobs")
    again = books_rejected.read()
    assert (again.kept, again.queued.job, again.read.corrections) == (0, None, [])
    assert rules(again) == []
    assert books_rejected.ws.ledger.decisions_stamp() == stamp
    assert books_rejected.ws.read("ledger.jobs").equals(jobs)


def test_the_gate_judges_a_corrected_row(books_rejected: Books) -> None:
    edit(books_rejected.write(), "Customers", "A3", name="Crane: Works")
    fixed = books_rejected.read()
    assert fixed.queued.job is None
    assert "name_colon" in rules(fixed)
    assert {row["rule"] for row in to_rows(fixed.queued.left_out)} == {"blocked", "depends_on_blocked"}
    # The same workbook, corrected once more by the same person, is read.
    edit(books_rejected.path, "Customers", "A3", name="Crane Works")
    assert books_rejected.read().queued.job is not None


def test_giving_the_source_value_again_withdraws(books_rejected: Books) -> None:
    for undone in ("Crane", None):
        edit(books_rejected.write(), "Customers", "A3", name="Crane: Works")
        books_rejected.read()
        assert len(books_rejected.corrections()) == 1
        edit(books_rejected.path, "Customers", "A3", name=undone)
        fixed = books_rejected.read()
        assert [row["decision"] for row in fixed.read.corrections] == [None]
        assert books_rejected.corrections() == []
    history = books_rejected.ws.ledger.decision_history("corrections", ["billing.customers", "A3", "name"])
    assert [row["decision"] for row in history] == ["(corrected)", None] * 2


def test_a_correction_is_a_finding_in_the_plan_and_ties_out(books_rejected: Books) -> None:
    edit(books_rejected.write(), "Customers", "A3", name="Crane Works", note="legal")
    books_rejected.send(books_rejected.read().queued.job)
    plan = cutover.plan_export(books_rejected.ws, new=True, customers=True)
    (row,) = [row for row in to_rows(plan.findings) if row["rule"] == "corrected"]
    assert (row["severity"], row["table"], row["key"], row["value"]) == (
        "info",
        "billing.customers",
        "A3",
        "Crane Works",
    )
    assert "BluBilling has 'Crane': corrected by analyst" in str(row["message"])
    assert "changed_since_sent" not in set(plan.findings["rule"])


# --- documents, lines and payments --------------------------------------------------------------------------


def test_a_date_in_the_closed_period(tmp_path: Path) -> None:
    rows = books()
    rows["billing.invoices"][1]["invoice_date"] = day(8)
    theirs = in_company(rows)
    made = make(tmp_path, rows, theirs)
    made.export(invoices=True)
    assert made.statuses() == {"invoice:INV-1": "applied", "invoice:INV-2": "rejected"}
    row = cells(made.write(), "Invoices")
    assert [name for name, cell in row.items() if cell.comment] == ["invoice_date"]
    assert row["limit"].value == "after the closing date"
    assert load_workbook(made.path).sheetnames == ["Read me", "Invoices", "Invoice lines", "_toolkit"]
    edit(made.path, "Invoices", "INV-2", invoice_date="2026-01-10")
    made.send(made.read().queued.job)
    assert set(made.statuses().values()) == {"applied"}
    assert made.world.holds() == ["invoice:INV-1", "invoice:INV-2"]
    tied = cutover.tie_out(made.ws)
    assert not any("BluBilling changed it since" in row["reason"] for row in to_rows(tied.differences))


def test_arithmetic_is_the_gates_to_judge(tmp_path: Path) -> None:
    rows = books()
    rows["billing.invoices"][1]["invoice_date"] = day(8)
    made = make(tmp_path, rows, in_company(rows))
    made.export(invoices=True)
    made.write()
    edit(made.path, "Invoices", "INV-2", invoice_date="2026-01-10", current_amount_due=41)
    fixed = made.read()
    assert {row["column"] for row in made.corrections()} == {"invoice_date", "current_amount_due"}
    assert fixed.queued.job is None
    assert "error" in set(fixed.findings["severity"])
    edit(made.path, "Invoice lines", "INV-2", amount=Decimal("41.00"), unit_price=41)
    assert made.read().queued.job is not None


def test_what_is_not_corrected_does_not_go_along(tmp_path: Path) -> None:
    rows = books()
    rows["billing.invoices"][1]["invoice_date"] = day(8)
    made = make(tmp_path, rows, in_company(rows))
    made.export(customers=True, invoices=True)
    edit(made.write(), "Invoices", "INV-2", invoice_date="2026-01-10")
    job = made.read().queued.job
    assert list(made.world.statuses(job)) == ["invoice:INV-2"]


# --- what is not taken --------------------------------------------------------------------------------------


def _two_keys(path: Path) -> None:
    book = load_workbook(path)
    page = book["Customers"]
    page.append([cell.value for cell in page[2]])
    page.cell(3, [cell.value for cell in page[1]].index("name") + 1).value = "Crane Works"
    book.save(path)


def _new_column(path: Path) -> None:
    book = load_workbook(path)
    page = book["Customers"]
    page.cell(1, page.max_column + 1).value = "favourite colour"
    book.save(path)


def _merged(path: Path) -> None:
    book = load_workbook(path)
    page = book["Customers"]
    place = [cell.value for cell in page[1]].index("phone") + 1
    assert page.cell(2, place).value == "00123"
    page.merge_cells(start_row=2, end_row=2, start_column=place - 1, end_column=place)
    book.save(path)


BAD_EDITS: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "a reason": (lambda path: edit(path, "Customers", "A3", reason="no", name="New"), "edited_column", 0),
    "the key": (
        lambda path: edit(path, "Customers", "A3", account_number="A4", name="New"),
        "unknown_key",
        0,
    ),
    "a status": (
        lambda path: edit(path, "Customers", "A3", status="Closed", name="New"),
        "edited_column",
        0,
    ),
    "a formula": (lambda path: edit(path, "Customers", "A3", name="=A1"), "formula", 0),
    "an error": (lambda path: edit(path, "Customers", "A3", email="#N/A", name="New"), "error_value", 0),
    "merged cells": (_merged, "merged_cells", 0),
    "no number": (
        lambda path: edit(path, "Customers", "A3", terms_value="soon", name="New"),
        "not_a_value",
        0,
    ),
    "too many digits": (
        lambda path: edit(path, "Customers", "A3", lifetime_value="1.005", name="New"),
        "not_a_value",
        0,
    ),
    "a blank behind": (lambda path: edit(path, "Customers", "A3", name="Crane "), "only_blanks", 0),
    "a required value": (lambda path: edit(path, "Customers", "A3", name=None), "not_a_value", 0),
    "twice": (_two_keys, "key_twice", 0),
    "a column": (_new_column, "unknown_column", 0),
}


@pytest.mark.parametrize("name", BAD_EDITS)
def test_an_edit_that_cannot_be_taken_is_a_finding(name: str, books_rejected: Books) -> None:
    bad, rule, kept = BAD_EDITS[name]
    bad(books_rejected.write())
    fixed = books_rejected.read()
    assert rules(fixed) == [rule]
    assert str(fixed.findings["source"][0]).startswith("rejected.xlsx!Customers")
    assert (len(books_rejected.corrections()), fixed.queued.job) == (kept, None)


def test_a_newer_attempt_refuses_what_was_written_before(books_rejected: Books) -> None:
    made = books_rejected
    old = made.path.with_name("old.xlsx")
    shutil.copy(made.write(), old)
    edit(made.path, "Customers", "A3", name="Crane Works", email="new@crane.example")
    job = made.read().queued.job
    edit(old, "Customers", "A3", name="Crane Other")
    assert rules(made.read(old)) == ["not_rejected"]
    assert job is not None
    assert len(made.corrections()) == 2


def test_tried_again_and_rejected_again(books_rejected: Books) -> None:
    made = books_rejected
    old = made.path.with_name("old.xlsx")
    shutil.copy(made.write(), old)
    # QuickBooks was asked who has the name, so that the gate would not let it pass again: take that back.
    found = made.ws.read("quickbooks.customers")
    assert "C-9" in set(found["list_id"])
    with made.ws.lock():
        made.ws.write("quickbooks.customers", found[found["list_id"] != "C-9"])
    plan = cutover.plan_export(made.ws, new=True, customers=True)
    [found] = [row for row in to_rows(plan.findings) if row["rule"] == "rejected_before"]
    cutover_export.waive(made.ws, found, "tester", "it was renamed there, they say")
    made.export()  # the same again, without a correction
    edit(old, "Customers", "A3", name="Crane Other")
    fixed = made.read(old)
    assert rules(fixed) == ["newer_attempt"]
    assert "customer:A3 in job 2" in str(fixed.findings["message"][0])
    assert made.corrections() == []
    edit(made.write(), "Customers", "A3", name="Crane Works")
    assert made.read().queued.job == 3


def test_anothers_correction_is_not_overwritten(books_rejected: Books) -> None:
    made = books_rejected
    other = made.path.with_name("other.xlsx")
    shutil.copy(made.write(), other)
    edit(made.path, "Customers", "A3", name="Crane: Works")
    made.read()
    edit(other, "Customers", "A3", name="Crane Other")
    assert "conflict" in rules(made.read(other, who="somebody else"))
    assert [row["value"] for row in made.corrections()] == ["Crane: Works"]


def test_a_workbook_of_another_workspace_is_refused(books_rejected: Books, tmp_path: Path) -> None:
    path = books_rejected.write()
    with Workspace.create(tmp_path / "other", company="Other", password=PASSWORD) as other:
        with pytest.raises(InputFileError, match="another workspace"):
            read_fix(other, path, "analyst")
        cutover.write_mapping(other, tmp_path / "mapping.xlsx")
        with pytest.raises(InputFileError, match="no workbook of rejected rows"):
            read_fix(other, tmp_path / "mapping.xlsx", "analyst")
        with pytest.raises(InputFileError, match="no such file"):
            read_fix(other, tmp_path / "none.xlsx", "analyst")


# --- the pure part ------------------------------------------------------------------------------------------


def corrections(*rows: dict[str, Any]) -> pd.DataFrame:
    made = [{"table": "billing.customers", "key": "A1", "decision": "(corrected)", **row} for row in rows]
    return from_rows("mapping.corrections", made)


def test_a_correction_counts_only_while_blubilling_has_the_old_value() -> None:
    tables = frames({"billing.customers": [customer("A1", "Acme", phone="1")]})
    wanted = corrections(
        {"column": "name", "value": "Acme Inc", "old_value": "Acme"},
        {"column": "phone", "value": "3", "old_value": "2"},
        {"column": "email", "value": None, "old_value": None},
        {"column": "city", "value": "x"},
        {"column": "name", "value": "x", "old_value": "y", "key": "A9"},
        {"column": "name", "value": None, "old_value": "Acme"},
        {"column": "name", "value": "x", "table": "billing.plans"},
    )
    made, found = apply_corrections(tables, wanted)
    (row,) = to_rows(made["billing.customers"])
    assert (row["name"], row["phone"], row["email"]) == ("Acme Inc", "1", None)
    assert [row["rule"] for row in to_rows(found)] == [
        "correction_overtaken",
        "correction_unusable",
        "correction_without_row",
        "correction_unusable",
        "correction_unusable",
        "corrected",
        "correction_done",
    ]
    assert to_rows(tables["billing.customers"])[0]["name"] == "Acme"


def test_tables_without_a_correction_are_not_read() -> None:
    class Unread(dict[str, pd.DataFrame]):
        def __getitem__(self, name: str) -> pd.DataFrame:
            raise AssertionError(f"{name} was read")

    tables, found = apply_corrections(Unread({"billing.invoices": pd.DataFrame()}), corrections())
    assert not len(found)
    assert "billing.invoices" in tables


@given(st.data())
def test_a_value_as_text_and_back(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(CORRECTABLE))
    column = data.draw(st.sampled_from(columns_to_correct(table)))
    kind: Any = column.type
    values: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text(min_size=1) | st.sampled_from(ODD),
        "bool": st.booleans(),
        "date32[day]": st.dates(),
        "int64": st.integers(-(2**62), 2**62),
        "decimal128(15, 2)": st.decimals(-(10**12), 10**12, places=2),
        "decimal128(20, 6)": st.decimals(-(10**12), 10**12, places=6),
    }
    value = data.draw(values[str(kind)])
    assert read_value(column, value_text(column, value)) == value


def test_keys_of_rows_tell_them_apart() -> None:
    rows = [
        {"invoice_number": number, "line_position": 1, "charge_position": 1}
        for number in ("A / 1", "A", "A/")
    ]
    assert len({row_key("billing.invoice_lines", row) for row in rows}) == 3


def rejected(code: int, message: str, request: str, fields: dict[str, Any], **more: Any) -> list[Rejection]:
    """Return the rejection of one request made from the small company's rows."""
    kinds = {"CustomerAdd": ("customers", "A1"), "InvoiceAdd": ("invoices", "INV-1")}
    table, key = kinds.get(request, ("payments", "P-1"))
    row = {"key": f"x:{key}", "job": 1, "request": request, "status": "rejected", "status_code": code}
    row |= {"status_message": message, "fields": json.dumps(fields), "source_table": f"billing.{table}"}
    rows = world()
    rows["billing.invoice_lines"] += [line("INV-1", "7.00", description="x" * 5000, line_position=2)]
    rows["ledger.operations"] = [{**row, "source_key": key, **more}]
    return rejections(frames(rows))


LINES = [{"Desc": "Hosting January", "Amount": "100.00"}, {"Desc": "x" * 5000, "Amount": "7.00"}]
CASES = [
    (3070, 'The string in the field "Name" is too long.', "CustomerAdd", {"Name": "x" * 50}, "A1", "name"),
    (3090, 'The object name "a:b" in the field "Name" is invalid.', "CustomerAdd",
     {"Name": "a:b"}, "A1", "name"),
    (3070, "", "CustomerAdd", {"Name": "Acme", "Email": "e" * 1100}, "A1", "email"),
    (3070, 'The string in the field "Desc" is too long.', "InvoiceAdd", {"InvoiceLineAdd": LINES},
     "INV-1 / 2 / 1", "description"),
    (3140, 'There is an invalid reference to QuickBooks Item "I-1" in the InvoiceLine.', "InvoiceAdd",
     {"InvoiceLineAdd": [{"ItemRef": {"ListID": "I-1"}, **LINES[0]}]}, "INV-1 / 1 / 1", "price_code"),
    (3140, 'There is an invalid reference to QuickBooks Customer "C-1" in the Invoice.', "InvoiceAdd",
     {"CustomerRef": {"ListID": "C-1"}, "InvoiceLineAdd": LINES[:1]}, "INV-1", "account_number"),
    (3210, 'The "payment amount" field has an invalid value "60.00".', "ReceivePaymentAdd",
     {"AppliedToTxnAdd": [{"TxnID": "T", "PaymentAmount": "60.00"}]}, "P-1 / INV-1 / 1", "amount_applied"),
    (3260, "Insufficient permission.", "CustomerAdd", {"Name": "Acme"}, "A1", None),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message", "request_name", "fields", "key", "column"), CASES)
def test_which_cell_it_is(
    code: int, message: str, request_name: str, fields: dict[str, Any], key: str, column: str | None
) -> None:
    (one,) = rejected(code, message, request_name, fields)
    (flaw,) = one.flaws
    assert (flaw.key, flaw.column) == (key, column)
    assert one.reason.startswith(message)
    if code == 3070:
        assert "QuickBooks allows" in flaw.problem
        assert flaw.limit
        assert flaw.proposal is None or len(flaw.proposal) < 5000


def test_a_long_street_is_proposed_over_both_lines() -> None:
    street = "1280 Harbour Promenade, Calibration Hall North, Floor Four"
    rows = world()
    rows["billing.customers"][0] |= {"bill_street1": street, "bill_street2": "Suite 9"}
    row = {"key": "customer:A1", "job": 1, "request": "CustomerAdd", "status": "rejected"}
    row |= {"status_code": 3070, "status_message": 'The string in the field "Addr1" is too long.'}
    row |= {"fields": json.dumps({"Name": "Acme", "BillAddress": {"Addr1": street, "Addr2": "Suite 9"}})}
    rows["ledger.operations"] = [{**row, "source_table": "billing.customers", "source_key": "A1"}]
    (one,) = rejections(frames(rows))
    assert {flaw.column: flaw.proposal for flaw in one.flaws} == {
        "bill_street1": "1280 Harbour Promenade, Calibration Hall",
        "bill_street2": "North, Floor Four, Suite 9",
    }


# --- the command, and LibreOffice ---------------------------------------------------------------------------


def test_the_command(
    books_rejected: Books, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = cli_world.runner(monkeypatch, capsys), books_rejected.path
    folder = ("-w", books_rejected.ws.path)
    (one,) = run("fix", "--json", *folder).json["rejected"]
    assert (one["operation"], one["status_code"], one["cells"][0]["column"]) == ("customer:A3", 3100, "name")
    assert run("fix", "7", "--write", path, *folder).code == 2
    assert run("fix", "--write", path, "--read", path, *folder).code == 2
    assert run("fix", "--write", path.with_suffix(".csv"), *folder).code == 2
    written = run("fix", "1", "--write", path, *folder)
    assert (written.code, "Correct the red cells" in written.out) == (0, True)
    kept = run("fix", "1", "--write", path, "--json", *folder).json["kept"]
    assert Path(kept).is_file() and Path(kept) == path.with_name(f"{path.stem}.1.xlsx")
    edit(path, "Customers", "A3", name="Crane Works", note="legal")
    read = run("fix", "--read", path, "--json", *folder).json
    kept = ("corrected", "withdrawn", "job", "operations")
    assert [read[name] for name in kept] == [1, 0, 2, 2]
    again = run("fix", "--read", path, *folder)
    assert (again.code, "Nothing to send again." in again.out) == (0, True)
    (shown,) = run("reconcile", "--json", *folder).json["corrections"]
    assert (shown["rule"], shown["key"], shown["value"]) == ("corrected", "A3", "Crane Works")
    assert "The source counts with these corrections" in run("reconcile", *folder).out


@pytest.mark.slow
def test_libreoffice_opens_saves_and_prints_it(books_rejected: Books, tmp_path: Path) -> None:
    """LibreOffice saves the workbook anew: marks and texts stand, and an edit is read as one."""
    soffice = shutil.which("soffice") or shutil.which("libreoffice")
    assert soffice, "LibreOffice is not installed: install libreoffice-calc"
    edit(books_rejected.write(), "Customers", "A3", name="Crane Works", bill_street1="=1+1 Road", note="+why")
    book = load_workbook(books_rejected.path)
    for row in book["Customers"].iter_rows():
        for cell in row:
            cell.data_type = "s" if cell.data_type == "f" else cell.data_type
    book.save(books_rejected.path)
    saved = tmp_path / "saved"
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    for kind in ("xlsx", "pdf"):
        command = [soffice, profile, "--headless", "--convert-to", kind, "--outdir", str(saved)]
        subprocess.run([*command, str(books_rejected.path)], check=True, capture_output=True, timeout=180)
    assert (saved / "rejected.pdf").read_bytes().startswith(b"%PDF")
    row = cells(saved / "rejected.xlsx", "Customers")
    assert row["phone"].value == "00123"
    assert row["name"].comment is not None
    fixed = books_rejected.read(saved / "rejected.xlsx")
    taken = {row["column"]: (row["value"], row["note"]) for row in fixed.read.corrections}
    assert taken == {"name": ("Crane Works", "+why"), "bill_street1": ("=1+1 Road", "+why")}
    assert fixed.queued.job is not None


def test_a_correction_without_its_reason_is_not_read(books_rejected: Books) -> None:
    path = books_rejected.write()
    edit(path, "Customers", "A3", name="Crane Works", note=None)
    fixed = books_rejected.read(path)
    assert (fixed.kept, rules(fixed), books_rejected.corrections()) == (0, ["note_missing"], [])
    edit(path, "Customers", "A3", note=" ")
    assert rules(books_rejected.read(path)) == ["note_missing"]
    edit(path, "Customers", "A3", note="legal")
    assert books_rejected.read(path).kept == 1


def test_a_rejected_document_is_not_dated_across_the_cutover(tmp_path: Path) -> None:
    rows = books()
    rows["billing.invoices"][1]["invoice_date"] = day(8)
    made = make(tmp_path, rows, in_company(rows))
    made.export()
    assert made.statuses()["invoice:INV-2"] == "rejected"
    edit(made.write(), "Invoices", "INV-2", invoice_date="2025-12-30")
    fixed = made.read()
    assert (fixed.kept, rules(fixed)) == (0, ["other_side"])
    made.ws.close()
