"""Corrections before sending: what the gate stops goes out with a proposal, comes back judged, and counts."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import libreoffice as calc
import pandas as pd
import pytest
from export_world import (
    ALL,
    Rows,
    adjustment,
    application,
    customer,
    day,
    frames,
    invoice,
    line,
    payment,
    settings,
    world,
)
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from toolkit import correcting, cutover, transform
from toolkit.checks import RULES
from toolkit.corrections_checked import EMPTY, SourceRows, misfit
from toolkit.corrections_cures import split_address
from toolkit.corrections_proposed import CURABLE, DECIDED_ELSEWHERE, cured_elsewhere, propose
from toolkit.cutover_corrections import corrected_tables
from toolkit.errors import InputFileError, UsageError
from toolkit.tables import empty, from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt

LONG_STREET = "Calibration Hall North, 1280 Harbour Promenade, Building Four"
LONG_NAME = "Crane and Daughters Precision Calibration Services"
PASSWORD = "not a secret"


def stopped() -> Rows:
    """Return a company of which every row with a number is stopped by a cell of its own."""
    rows = world()
    rows["billing.customers"] += [
        customer("A3", LONG_NAME, bill_street1=LONG_STREET, bill_city="Łódź"),
        customer("A4", "Dove: South"),
    ]
    rows["billing.invoices"] += [
        invoice("INV-2", "40.00"),
        invoice("INV-3", "15.00", account_number="A3"),
        invoice("INV-4", "9.00", invoice_date=day(3)),
        invoice("INV-2026-000005", "7.00"),
    ]
    rows["billing.invoice_lines"] += [
        line("INV-2", "45.00"),
        line("INV-3", "15.00"),
        line("INV-4", "9.00"),
        line("INV-2026-000005", "7.00"),
    ]
    rows["billing.payments"].append(payment("P-2", "30.00", unapplied_balance=Decimal("1.00")))
    rows["billing.payment_applications"].append(application("P-2", "INV-1", "20.00"))
    rows["quickbooks.company"][0]["closing_date"] = day(5)
    rows["mapping.customers"] = [
        {"account_number": account, "decision": "(new)", "new_name": name}
        for account, name in (("A3", LONG_NAME), ("A4", "Dove: South"))
    ]
    return rows


def gate(tables: Mapping[str, pd.DataFrame]) -> transform.Plan:
    return transform.plan_export(tables, settings(), new=True, **ALL)


def proposed(rows: Rows) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the proposals by key and column."""
    tables = {**frames(rows), "mapping.corrections": empty("mapping.corrections")}
    found = propose(gate(tables).findings, tables, cutover=dt.date(2025, 12, 31))
    return {(row["key"], row["column"]): row for row in to_rows(found)}


def workspace(folder: Path, rows: Rows | None = None) -> Workspace:
    ws = Workspace.create(folder, company="Fabrikam", password=PASSWORD)
    ws.set("cutover_date", "2025-12-31")
    ws.set("deposit_accounts.ACH", "Card Clearing")
    for name, frame in frames(rows or stopped()).items():
        if name.startswith("mapping."):
            ws.ledger.decide(name, to_rows(frame), "analyst")
        else:
            ws.write(name, frame)
    return ws


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the workspace of the stopped company and its workbook of corrections."""
    folder = tmp_path_factory.mktemp("corrections")
    with workspace(folder / "ws") as made:
        correcting.write(made, folder / "corrections.xlsx")
    return folder


@pytest.fixture
def ws(template: Path, tmp_path: Path) -> Any:
    """A copy of that workspace."""
    shutil.copytree(template / "ws", tmp_path / "ws")
    adopt(tmp_path / "ws", "tester", "a copy for a test")
    with Workspace(tmp_path / "ws") as made:
        yield made


@pytest.fixture
def sheet(template: Path, tmp_path: Path) -> Path:
    """A copy of that workbook."""
    return Path(shutil.copy(template / "corrections.xlsx", tmp_path / "corrections.xlsx"))


def edit(path: Path, key: str, column: str, **values: Any) -> None:
    """Do what an analyst does: change cells of one row, found by its key, and say why."""
    if values.get("correction") is not None:
        values = {"note": "a typo", **values}
    book = load_workbook(path)
    page = book["Corrections"]
    places = {cell.value: cell.column for cell in page[1]}
    (number,) = [
        row
        for row in range(2, page.max_row + 1)
        if (page.cell(row, places["key"]).value, page.cell(row, places["column"]).value) == (key, column)
    ]
    for name, value in values.items():
        page.cell(number, places[name]).value = value
    book.save(path)


def kept(ws: Workspace) -> dict[tuple[str, str], Any]:
    return {(row["key"], row["column"]): row["value"] for row in to_rows(ws.read("mapping.corrections"))}


def rules(done: correcting.Corrected) -> list[str]:
    return sorted(done.findings["rule"])


# --- what is proposed ---------------------------------------------------------------------------------------


def test_every_cell_that_a_value_could_cure_is_there_with_its_limit_and_a_proposal() -> None:
    found = proposed(stopped())
    shown = {place: (row["limit"], row["proposal"]) for place, row in found.items()}
    assert shown == {
        ("A3", "name"): ("at most 41 characters", "Crane and Daughters Precision Calibration"),
        ("A3", "bill_street1"): ("at most 41 characters", "Calibration Hall North, 1280 Harbour"),
        ("A3", "bill_street2"): ("at most 41 characters", "Promenade, Building Four"),
        ("A3", "bill_city"): ("at most 31 characters; Windows-1252 only", "Lódz"),
        ("A4", "name"): ("at most 41 characters; no colon", "Dove - South"),
        ("INV-2", "current_amount_due"): (None, "45.00"),
        ("INV-2 / 1 / 1", "amount"): (None, None),
        ("INV-4", "invoice_date"): ("after 2026-01-05", "2026-01-06"),
        ("P-2", "unapplied_balance"): (None, "10.00"),
        ("P-2", "amount"): (None, None),
        ("P-2 / INV-1 / 1", "amount_applied"): (None, None),
    }
    assert {row["status"] for row in found.values()} == {"open"}
    assert found["A3", "bill_street1"]["value"] == LONG_STREET
    assert "lines sum to 45.00" in found["INV-2", "current_amount_due"]["message"]


def test_the_key_of_a_row_is_no_cell_to_correct_and_where_it_is_cured_is_said() -> None:
    tables = frames(stopped())
    assert not any(key == "INV-2026-000005" for key, _ in proposed(stopped()))
    found = {row["rule"]: row for row in to_rows(cured_elsewhere(gate(tables).findings, tables))}
    assert "Numbers" in found["number_length"]["where"]
    assert (found["number_length"]["count"], found["number_length"]["rows"]) == (1, "INV-2026-000005")


def test_the_rows_with_the_most_money_come_first_and_a_record_stands_together() -> None:
    keys = [key for key, _ in proposed(stopped())]
    assert keys[:2] == ["INV-2", "INV-2 / 1 / 1"]
    assert keys[2:5] == ["P-2", "P-2", "P-2 / INV-1 / 1"]
    assert keys[5:9] == ["A3"] * 4


def test_a_line_is_proposed_where_its_own_price_says_so_too() -> None:
    rows = world()
    rows["billing.invoice_lines"][0] |= {"amount": Decimal("10.00")}
    assert proposed(rows)["INV-1 / 1 / 1", "amount"]["proposal"] == "100.00"


def test_a_name_that_is_taken_gets_the_account_number() -> None:
    rows = world()
    rows["billing.customers"].append(customer("A3", "Bolt"))
    rows["mapping.customers"] = [{"account_number": "A3", "decision": "(new)", "new_name": "Bolt"}]
    assert proposed(rows)["A3", "name"]["proposal"] == "Bolt A3"


def test_a_payment_without_a_check_number_gets_one_that_fits() -> None:
    rows = world()
    number = "PAYMENT-2026-000000000017"
    rows["billing.payments"] = [payment(number, "60.00")]
    rows["billing.payment_applications"] = [application(number, "INV-1", "60.00")]
    row = proposed(rows)[number, "check_number"]
    assert (row["value"], row["limit"], row["proposal"]) == (
        None,
        "at most 20 characters",
        "ENT-2026-000000000017"[-20:],
    )


WORDS = st.text("abcé.-", min_size=1, max_size=12)


@given(
    st.lists(WORDS, min_size=4, max_size=12).map(" ".join),
    st.none() | st.lists(WORDS, min_size=1, max_size=3).map(" ".join),
)
def test_a_split_street_fits_and_loses_no_word(street: str, below: str | None) -> None:
    halves = split_address({"bill_street1": street, "bill_street2": below}, "bill_street1", "bill_street2")
    if halves is None:
        return
    assert all(misfit("billing.customers", "bill_street1", half) is None for half in halves)
    words = [word.strip(",") for word in f"{street} {below or ''}".split()]
    assert [word.strip(",") for word in " ".join(halves).split()] == words


def test_an_address_without_room_gets_no_proposal_that_cuts_it() -> None:
    rows = stopped()
    rows["billing.customers"][2]["bill_street2"] = "c/o the calibration department, third floor"
    found = proposed(rows)
    assert found["A3", "bill_street1"]["proposal"] is None
    assert ("A3", "bill_street2") in found  # itself too long


# --- the workbook: there and back ---------------------------------------------------------------------------


def test_a_correction_is_kept_with_who_and_why_counts_in_the_plan_and_the_source_stays(
    ws: Workspace, sheet: Path
) -> None:
    before = ws.read("billing.invoices")
    edit(sheet, "INV-2", "current_amount_due", correction="45.00", note="a typo of ours")
    done = correcting.read(ws, sheet, "ann")
    assert (done.corrected, done.withdrawn, rules(done)) == (1, 0, [])
    (row,) = to_rows(ws.read("mapping.corrections"))
    assert (row["value"], row["old_value"], row["decided_by"], row["note"]) == (
        "45.00",
        "40.00",
        "ann",
        "a typo of ours",
    )
    plan = cutover.plan_export(ws, new=True, invoices=True)
    operations = {row["key"]: row for row in to_rows(plan.operations)}
    assert operations["invoice:INV-2"]["amount"] == Decimal("45.00")
    assert "corrected" in set(plan.findings["rule"])
    pd.testing.assert_frame_equal(ws.read("billing.invoices"), before)


def test_the_same_workbook_twice_changes_nothing(ws: Workspace, sheet: Path) -> None:
    edit(sheet, "A4", "name", correction="Dove - South", note="no colons")
    edit(sheet, "A3", "name", correction="Crane")
    assert correcting.read(ws, sheet, "ann").corrected == 2
    history = ws.ledger.decision_rows()
    again = correcting.read(ws, sheet, "ann")
    assert (again.corrected, again.withdrawn, rules(again)) == (0, 0, [])
    pd.testing.assert_frame_equal(ws.ledger.decision_rows(), history)


def test_reading_an_untouched_workbook_changes_nothing(ws: Workspace, sheet: Path) -> None:
    done = correcting.read(ws, sheet, "ann")
    assert (done.corrected, done.withdrawn, kept(ws), rules(done)) == (0, 0, {}, [])


def test_what_remains_on_a_corrected_row_is_said(ws: Workspace, sheet: Path) -> None:
    edit(sheet, "A3", "name", correction="Crane")
    done = correcting.read(ws, sheet, "ann")
    assert done.corrected == 1
    (said,) = [row["message"] for row in to_rows(done.findings) if row["rule"] == "still_blocked"]
    assert "Windows-1252" in said
    assert "longer than 41 characters" in said
    for column, text in (("bill_street1", "1 Quay"), ("bill_city", "Lodz")):
        edit(sheet, "A3", column, correction=text)
    assert rules(correcting.read(ws, sheet, "ann")) == []
    assert "customer:A3" in set(cutover.plan_export(ws, new=True, customers=True).operations["key"])


BAD = [
    ("A3", "name", "x" * 42, "does_not_fit"),
    ("A3", "bill_city", "Łódź", "does_not_fit"),
    ("A3", "name", "Bolt", "does_not_cure"),
    ("A4", "name", "Dove: North", "does_not_cure"),
    ("INV-4", "invoice_date", "2026-01-04", "does_not_cure"),
    ("INV-4", "invoice_date", "2026-02-30", "not_a_value"),
    ("INV-2", "current_amount_due", "about 45", "not_a_value"),
    ("INV-2", "current_amount_due", "45.001", "not_a_value"),
    ("INV-2", "current_amount_due", EMPTY, "not_a_value"),
    ("INV-2", "current_amount_due", "=40+5", "formula"),
]


@pytest.mark.parametrize(("key", "column", "text", "rule"), BAD)
def test_what_does_not_fit_or_cure_is_refused_and_nothing_is_kept(
    ws: Workspace, sheet: Path, key: str, column: str, text: str, rule: str
) -> None:
    edit(sheet, key, column, correction=text)
    edit(sheet, "P-2", "unapplied_balance", correction="10.00")
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == ([rule], {("P-2", "unapplied_balance"): "10.00"})
    (row,) = to_rows(done.findings)
    assert row["severity"] == "error"
    assert (row["key"], row["column"]) == (key, column)
    assert row["source"].startswith("corrections.xlsx!Corrections!R")


def test_half_of_a_split_street_is_warned_of(ws: Workspace, sheet: Path) -> None:
    edit(sheet, "A3", "bill_street1", correction="Calibration Hall North, 1280 Harbour")
    assert "words_left_out" in rules(correcting.read(ws, sheet, "ann"))
    edit(sheet, "A3", "bill_street2", correction="Promenade, Building Four")
    assert "words_left_out" not in rules(correcting.read(ws, sheet, "ann"))


def test_an_emptied_correction_is_withdrawn(ws: Workspace, sheet: Path, tmp_path: Path) -> None:
    edit(sheet, "P-2", "unapplied_balance", correction=EMPTY, note="unknown")
    assert kept(ws) == {}
    correcting.read(ws, sheet, "ann")
    assert kept(ws) == {("P-2", "unapplied_balance"): None}
    second = tmp_path / "second.xlsx"
    correcting.write(ws, second)
    edit(second, "P-2", "unapplied_balance", correction=None)
    done = correcting.read(ws, second, "bob")
    assert (done.withdrawn, kept(ws)) == (1, {})
    history = ws.ledger.decision_history("corrections", ["billing.payments", "P-2", "unapplied_balance"])
    assert [(row["decision"], row["who"]) for row in history] == [("(corrected)", "ann"), (None, "bob")]


def test_a_correction_made_elsewhere_since_is_a_conflict(ws: Workspace, sheet: Path) -> None:
    correcting.correct(ws, [(("billing.customers", "A4", "name"), "Dove")], "bob", "asked them")
    edit(sheet, "A4", "name", correction="Dove - South")
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["conflict"], {("A4", "name"): "Dove"})
    assert "asked them" in done.findings["message"][0]


def test_a_workbook_that_says_nothing_of_it_leaves_a_later_correction_alone(
    ws: Workspace, sheet: Path
) -> None:
    correcting.correct(ws, [(("billing.customers", "A4", "name"), "Dove")], "bob", "a typo")
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["newer_decision"], {("A4", "name"): "Dove"})


def test_a_value_that_blubilling_changed_since_is_a_conflict(ws: Workspace, sheet: Path) -> None:
    rows = stopped()["billing.customers"]
    rows[3] |= {"name": "Dove: West"}
    ws.write("billing.customers", frames({"billing.customers": rows})["billing.customers"])
    edit(sheet, "A4", "name", correction="Dove - South")
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["conflict"], {})
    assert "'Dove: West'" in done.findings["message"][0]


def test_a_standing_correction_that_blubilling_overtook_is_shown(ws: Workspace) -> None:
    correcting.correct(ws, [(("billing.customers", "A4", "name"), "Dove")], "bob", "a typo")
    rows = stopped()["billing.customers"]
    rows[3] |= {"name": "Dove: West"}
    ws.write("billing.customers", frames({"billing.customers": rows})["billing.customers"])
    shown = {(row["key"], row["column"]): row for row in to_rows(correcting.proposals(ws).proposals)}
    assert shown["A4", "name"]["status"] == "overtaken"


def test_rows_sorted_and_deleted_and_columns_moved_say_the_same(ws: Workspace, sheet: Path) -> None:
    frame = pd.read_excel(sheet, sheet_name="Corrections", dtype=str, engine="openpyxl")
    memory = pd.read_excel(
        sheet, sheet_name=["_corrections", "_toolkit"], dtype=str, header=None, engine="openpyxl"
    )
    frame.loc[frame["key"] == "A4", ["correction", "note"]] = ["Dove - South", "a typo"]
    frame = frame[frame["key"].isin(["A4", "INV-2"])].sort_values("message")[
        ["note", "correction", "column", "key", "table", "status"]
    ]
    with pd.ExcelWriter(sheet) as book:
        frame.to_excel(book, sheet_name="Corrections", index=False)
        for title, each in memory.items():
            each.to_excel(book, sheet_name=title, index=False, header=False)
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == ([], {("A4", "name"): "Dove - South"})


def test_a_row_for_another_cell_can_be_added_by_hand(ws: Workspace, sheet: Path) -> None:
    book = load_workbook(sheet)
    page = book["Corrections"]
    typed = {"table": "billing.invoices", "key": "INV-1", "column": "due_date"}
    places = {cell.value: cell.column for cell in page[1]}
    for number, value in ((page.max_row + 1, "2026-02-09"), (page.max_row + 2, "2026-02-09")):
        for name, text in {**typed, "value": value, "correction": "2026-02-28", "note": "x"}.items():
            page.cell(number, places[name]).value = text
        typed = {**typed, "column": "invoice_number"}
    book.save(sheet)
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["key_column"], {("INV-1", "due_date"): "2026-02-28"})
    assert "Numbers" in done.findings["message"][0]


def test_the_same_cell_twice_with_different_values_is_not_read(ws: Workspace, sheet: Path) -> None:
    edit(sheet, "A4", "name", correction="Dove")
    book = load_workbook(sheet)
    page = book["Corrections"]
    places = {cell.value: cell.column for cell in page[1]}
    twin = {
        "table": "billing.customers",
        "key": "A4",
        "column": "name",
        "correction": "Dove Two",
        "note": "x",
    }
    for name, text in twin.items():
        page.cell(page.max_row + (name == "table"), places[name]).value = text
    book.save(sheet)
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["key_twice"], {})


def test_a_workbook_of_another_kind_or_company_is_refused(ws: Workspace, sheet: Path, tmp_path: Path) -> None:
    with workspace(tmp_path / "other") as other, pytest.raises(InputFileError, match="another workspace"):
        correcting.read(other, sheet, "ann")
    cutover.write_mapping(ws, tmp_path / "mapping.xlsx")
    with pytest.raises(InputFileError, match="no workbook of corrections"):
        correcting.read(ws, tmp_path / "mapping.xlsx", "ann")
    with pytest.raises(InputFileError, match="no such file"):
        correcting.read(ws, tmp_path / "none.ods", "ann")


def test_nothing_to_correct_writes_no_file(tmp_path: Path) -> None:
    with workspace(tmp_path / "ws", world()) as ws, pytest.raises(UsageError, match="nothing to correct"):
        correcting.write(ws, tmp_path / "none.xlsx")
    assert not (tmp_path / "none.xlsx").exists()


ODD = ("00123", "1E5", "=1+1 Road", "+x", "-x", "@x", "'q", "#N/A", "a\nb", "_x0041_", "Søn")


@pytest.mark.parametrize("text", ODD)
def test_texts_that_look_like_something_else_come_back_as_they_went_out(
    ws: Workspace, tmp_path: Path, text: str
) -> None:
    correcting.correct(ws, [(("billing.customers", "A4", "phone"), text)], "bob", "a typo")
    path = tmp_path / "odd.xlsx"
    correcting.write(ws, path)
    done = correcting.read(ws, path, "ann")
    assert (rules(done), kept(ws)) == ([], {("A4", "phone"): text})


def test_the_terminal_cuts_a_long_text_visibly_and_the_workbook_keeps_it(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = to_rows(ws.read("billing.customers"))
    next(row for row in rows if row["account_number"] == "A3")["name"] = "x" * 4100
    ws.write("billing.customers", from_rows("billing.customers", rows))
    run, path = cli_world.runner(monkeypatch, capsys), tmp_path / "c.xlsx"
    shown = "".join(run("correct", "--write", path, "-w", ws.path).out.split())
    assert "\u2026(4,100" in shown and shown.count("x") < 400
    listed = run("correct", "--json", "-w", ws.path).json["corrections"]
    assert "x" * 4100 in {row["value"] for row in listed}


def test_the_command_lists_writes_and_reads(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path, folder = cli_world.runner(monkeypatch, capsys), tmp_path / "c.xlsx", ("-w", ws.path)
    listed = run("correct", "--json", *folder).json
    assert {row["column"] for row in listed["corrections"]} >= {"name", "bill_street1", "invoice_date"}
    assert any("Numbers" in row["where"] for row in listed["elsewhere"])
    assert run("correct", "--write", path, "--read", path, *folder).code == 2
    assert run("correct", "--write", tmp_path / "c.csv", *folder).code == 2
    assert "Fill the column correction" in run("correct", "--write", path, *folder).out
    kept = run("correct", "--write", path, "--json", *folder).json["kept"]
    assert kept == str(tmp_path / "c.1.xlsx") and Path(kept).is_file()
    edit(path, "INV-2", "current_amount_due", correction="45.00", note="typo")
    edit(path, "A3", "name", correction="x" * 42)
    read = run("correct", "--read", path, "--json", *folder)
    assert (read.code, read.json["corrected"], read.json["findings"][0]["rule"]) == (1, 1, "does_not_fit")
    shown = run("reconcile", "--json", *folder).json["corrections"]
    assert [(row["rule"], row["key"], row["value"]) for row in shown] == [("corrected", "INV-2", "45.00")]
    assert "typo" in shown[0]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_libreoffice_saves_it_and_it_says_the_same(
    ws: Workspace, sheet: Path, tmp_path: Path, kind: str
) -> None:
    import subprocess

    soffice = shutil.which("soffice") or shutil.which("libreoffice")
    assert soffice, "LibreOffice is not installed: install libreoffice-calc"
    edit(sheet, "A4", "name", correction="Dove - South", note="00123")
    edit(sheet, "INV-4", "invoice_date", correction="2026-01-06")
    edit(sheet, "A3", "name", correction='="a"&"b"')
    saved = tmp_path / "saved"
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [soffice, profile, "--headless", "--convert-to", kind, "--outdir", str(saved), str(sheet)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    done = correcting.read(ws, saved / f"corrections.{kind}", "ann")
    assert kept(ws) == {("A4", "name"): "Dove - South", ("INV-4", "invoice_date"): "2026-01-06"}
    assert rules(done) == ["formula"]
    notes = {row["key"]: row["note"] for row in to_rows(ws.read("mapping.corrections"))}
    assert notes == {"A4": "00123", "INV-4": "a typo"}


def test_adjustments_are_corrected_too() -> None:
    rows = world()
    rows["billing.adjustments"] = [adjustment("C-1", "5.00", reason_text="Ł" * 3)]
    tables = {**frames(rows), "mapping.corrections": empty("mapping.corrections")}
    made = transform.plan_export(tables, settings(credit_item="House Credit"), new=True, **ALL)
    (row,) = to_rows(propose(made.findings, tables))
    assert (row["key"], row["column"], row["proposal"]) == ("C-1", "reason_text", "LLL")


def test_what_is_cured_here_are_rules_of_the_gate_that_block() -> None:
    """No rule that is cured by a value or a decision is spelled otherwise than the gate has it."""
    blocking = {rule.name for rule in RULES.values() if rule.severity == "error"}
    assert blocking >= CURABLE | set(DECIDED_ELSEWHERE)
    assert not CURABLE & set(DECIDED_ELSEWHERE)


def test_the_same_sheet_in_the_mapping_workbook_is_read_with_its_decisions(
    ws: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "mapping.xlsx"
    cutover.write_mapping(ws, path)
    edit(path, "INV-2", "current_amount_due", correction="45.00", note="typo")
    edit(path, "A4", "name", correction="x" * 50)
    read = cutover.read_mapping(ws, path, "ann")
    assert kept(ws) == {("INV-2", "current_amount_due"): "45.00"}
    assert "does_not_fit" in set(read.findings["rule"])
    again = cutover.read_mapping(ws, path, "ann")
    assert kept(ws) == {("INV-2", "current_amount_due"): "45.00"}
    assert list(again.findings["rule"]).count("does_not_fit") == 1


def test_the_sheet_says_it_in_words_beside_its_colours(ws: Workspace, tmp_path: Path) -> None:
    correcting.correct(ws, [(("billing.customers", "A4", "name"), "Dove")], "bob", "a typo")
    correcting.write(ws, tmp_path / "c.xlsx")
    page = load_workbook(tmp_path / "c.xlsx")["Corrections"]
    heads = [cell.value for cell in page[1]]
    assert page.freeze_panes == "D2"
    assert page.auto_filter.ref == f"A1:O{page.max_row}"
    colours: dict[str, set[str]] = {}
    for cells in page.iter_rows(min_row=2):
        status = cells[heads.index("status")]
        colours.setdefault(str(status.value), set()).add(status.fill.fgColor.rgb)
    assert set(colours) == {"open", "corrected"}
    assert colours["open"] != colours["corrected"]


# --- what no correction gets past ------------------------------------------------------------------------

NEVER = [
    ("billing.invoices", "INV-2", "status", "Paid"),
    ("billing.invoices", "INV-2", "invoice_kind", "master"),
    ("billing.invoices", "INV-2", "delegated_to_invoice", "INV-3"),
    ("billing.invoices", "INV-2", "account_number", "A3"),
    ("billing.invoice_lines", "INV-2 / 1 / 1", "line_type", "usage_subtotal"),
    ("billing.payments", "P-2", "status", "Failed"),
    ("billing.payments", "P-2", "payment_type", "Refund"),
    ("billing.payments", "P-2", "reverses_payment_number", "P-1"),
]


@pytest.mark.parametrize(("table", "key", "column", "text"), NEVER)
def test_what_decides_whether_a_row_goes_is_not_corrected(
    ws: Workspace, table: str, key: str, column: str, text: str
) -> None:
    done = correcting.correct(ws, [((table, key, column), text)], "ann", "let it go")
    assert (rules(done), kept(ws)) == (["not_correctable"], {})
    # One that was kept before this was refused has no effect any more, and is told.
    row = {"table": table, "key": key, "column": column, "value": text, "decision": "(corrected)"}
    source = SourceRows(ws.tables()).text((table, key, column))
    ws.ledger.decide("corrections", [{**row, "old_value": source}], "ann")
    tables, found = corrected_tables(ws)
    assert list(found["rule"]) == ["correction_unusable"]
    pd.testing.assert_frame_equal(tables[table], ws.read(table))


@pytest.mark.parametrize(("text", "taken"), [("-30.00", 0), ("0.00", 0), ("31.00", 1)])
def test_a_total_keeps_its_sign(ws: Workspace, text: str, taken: int) -> None:
    done = correcting.correct(ws, [(("billing.payments", "P-2", "amount"), text)], "ann", "a refund")
    assert done.corrected == taken
    assert ("other_sign" in rules(done)) is not bool(taken)


def test_a_correction_needs_its_reason(ws: Workspace, sheet: Path) -> None:
    done = correcting.correct(ws, [(("billing.customers", "A4", "name"), "Dove")], "ann", " ")
    assert (rules(done), kept(ws)) == (["note_missing"], {})
    edit(sheet, "A4", "name", correction="Dove", note=None)
    done = correcting.read(ws, sheet, "ann")
    assert (rules(done), kept(ws)) == (["note_missing"], {})


# --- cells that say nothing that can be relied on -----------------------------------------------------------


def standing(ws: Workspace, path: Path) -> None:
    """Correct two cells, and write the workbook that shows it."""
    cells = {("billing.customers", "A4", "name"): "Dove", ("billing.invoices", "INV-4", "invoice_date"): DAY}
    correcting.correct(ws, cells.items(), "bob", "a typo")
    correcting.write(ws, path)


DAY = "2026-01-06"


def places_of(page: Any) -> tuple[dict[str, int], list[int]]:
    """Return the places of the columns, and the rows that are corrected."""
    columns = {cell.value: cell.column for cell in page[1]}
    found = [n for n in range(2, page.max_row + 1) if page.cell(n, columns["correction"]).value]
    return columns, found


@pytest.mark.parametrize("column", ["key", "correction"])
def test_an_error_value_withdraws_no_correction(ws: Workspace, sheet: Path, column: str) -> None:
    standing(ws, sheet)
    book = load_workbook(sheet)
    columns, rows = places_of(book["Corrections"])
    cell = book["Corrections"].cell(rows[0], columns[column])
    cell.value, cell.data_type = "#N/A", "e"
    book.save(sheet)
    before = kept(ws)
    done = correcting.read(ws, sheet, "bob")
    assert (rules(done), kept(ws), done.withdrawn, len(before)) == (["error_value"], before, 0, 2)
    assert done.findings["source"][0].endswith(f"Corrections!R{rows[0]}")


@pytest.mark.parametrize("kind", ["xlsx", pytest.param("ods", marks=pytest.mark.slow)])
def test_merged_corrections_withdraw_none_of_those_below(ws: Workspace, sheet: Path, kind: str) -> None:
    standing(ws, sheet)
    book = load_workbook(sheet)
    columns, rows = places_of(book["Corrections"])
    place = columns["correction"]
    book["Corrections"].merge_cells(start_row=rows[0], end_row=rows[-1], start_column=place, end_column=place)
    book.save(sheet)
    before = kept(ws)
    done = correcting.read(ws, sheet if kind == "xlsx" else calc.convert(sheet, kind), "bob")
    told = ["merged_cells"] * (rows[-1] - rows[0] + 1)
    assert (rules(done), kept(ws), done.withdrawn, len(before)) == (told, before, 0, 2)


def test_a_formula_without_a_value_withdraws_no_correction(ws: Workspace, sheet: Path) -> None:
    standing(ws, sheet)
    edit(sheet, "A4", "name", correction='="a"&"b"')  # openpyxl writes no result
    before = kept(ws)
    done = correcting.read(ws, sheet, "bob")
    assert (rules(done), kept(ws), len(before)) == (["formula"], before, 2)
