"""A correction is made for a row as it was: where BluBilling changes the row, it does not count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from export_world import ALL, Rows, adjustment, day, frames
from test_corrections import edit, rules, stopped, workspace

from toolkit import correcting, cutover
from toolkit.corrections_rows import row_was
from toolkit.tables import TABLES, to_rows
from toolkit.workspace import Workspace

DUE = ("billing.invoices", "INV-2", "current_amount_due")
LINE = ("billing.invoice_lines", "INV-2 / 1 / 1", "description")
STREET = ("billing.customers", "A3", "bill_street1")
CITY = ("billing.customers", "A3", "bill_city")


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with a correction on an invoice, on its line, and two on a customer."""
    with workspace(tmp_path / "ws") as made:
        entries = [(DUE, "45.00"), (LINE, "Hosting"), (STREET, "1 Quay"), (CITY, "Lodz")]
        assert correcting.correct(made, entries, "ann", "asked them").corrected == 4
        yield made


def load(ws: Workspace, change: Callable[[Rows], Any]) -> None:
    rows = stopped()
    change(rows)
    for name, frame in frames(rows).items():
        if name.startswith("billing."):
            ws.write(name, frame)


def overtaken(ws: Workspace) -> dict[str, str]:
    """Return the columns whose corrections do not count any more, with what is told."""
    _, found = cutover.corrected_tables(ws)
    said = {row["column"]: row for row in to_rows(found)}
    assert {row["rule"] for row in said.values()} <= {"corrected", "correction_done", "correction_overtaken"}
    late = {name: row for name, row in said.items() if row["rule"] == "correction_overtaken"}
    assert {row["severity"] for row in late.values()} <= {"warning"}
    return {name: str(row["message"]) for name, row in late.items()}


def test_the_same_row_loaded_again_keeps_its_corrections(ws: Workspace) -> None:
    load(ws, lambda rows: rows["billing.invoices"].reverse())
    assert overtaken(ws) == {}


def test_an_invoice_reissued_for_another_customer_is_another_invoice(ws: Workspace) -> None:
    def reissue(rows: Rows) -> None:
        rows["billing.invoices"][1] |= {"account_number": "A2", "invoice_date": day(20)}

    load(ws, reissue)
    found = overtaken(ws)
    assert found.keys() == {"current_amount_due", "description"}
    assert "a row with another account_number, invoice_date" in found["current_amount_due"]
    assert "another billing.invoices.account_number" in found["description"]
    tables, _ = cutover.corrected_tables(ws)
    assert tables["billing.invoices"]["current_amount_due"][1] == Decimal("40.00")
    shown = {(r["key"], r["column"]): r["status"] for r in to_rows(correcting.proposals(ws).proposals)}
    assert shown["INV-2", "current_amount_due"] == shown["INV-2 / 1 / 1", "description"] == "overtaken"
    # Made again, it counts for the row as it is now.
    again = correcting.correct(ws, [(DUE, "45.00"), (LINE, "Hosting")], "ann")
    assert (again.corrected, overtaken(ws)) == (2, {})
    assert correcting.correct(ws, [(DUE, "45.00")], "ann").unchanged == 1


def test_balances_and_cells_corrected_beside_it_may_change(ws: Workspace) -> None:
    def live_on(rows: Rows) -> None:
        rows["billing.invoices"][1] |= {"status": "Paid", "outstanding_balance": Decimal("0.00")}
        rows["billing.customers"][2] |= {"bill_city": "Lodz", "current_balance": Decimal("7.00")}

    load(ws, live_on)
    assert overtaken(ws) == {}
    load(ws, lambda rows: rows["billing.customers"][2].update(bill_zip="90-001"))
    assert overtaken(ws).keys() == {"bill_street1", "bill_city"}


def test_one_from_before_rows_were_remembered_goes_by_its_old_value(ws: Workspace) -> None:
    (made,) = [row for row in to_rows(ws.read("mapping.corrections")) if row["column"] == DUE[2]]
    names = ("table", "key", "column", "value", "old_value", "decision", "note")
    ws.ledger.decide("corrections", [{name: made[name] for name in names}], "ann")
    load(ws, lambda rows: rows["billing.invoices"][1].update(due_date=day(28)))
    assert "current_amount_due" not in overtaken(ws)
    load(ws, lambda rows: rows["billing.invoices"][1].update(current_amount_due=Decimal("41.00")))
    assert "was made for '40.00'" in overtaken(ws)["current_amount_due"]


def test_what_is_kept_of_a_row_are_hashes(ws: Workspace) -> None:
    (made,) = [row for row in to_rows(ws.read("mapping.corrections")) if row["column"] == STREET[2]]
    (row,) = [row for row in to_rows(ws.read("billing.customers")) if row["account_number"] == "A3"]
    assert made["row_was"] == row_was("billing.customers", row)
    assert "Crane" not in made["row_was"]  # hashes, no copies of people's addresses
    assert rules(correcting.correct(ws, [(STREET, None)], "ann")) == []


def test_an_amount_is_the_same_however_it_is_written() -> None:
    names = dict.fromkeys(TABLES["billing.invoice_lines"].names)
    two, four = ({**names, "quantity": Decimal(text)} for text in ("1.50", "1.5000"))
    assert row_was("billing.invoice_lines", two) == row_was("billing.invoice_lines", four)
    assert row_was("billing.invoice_lines", {**two, "quantity": Decimal(2)}) != row_was(
        "billing.invoice_lines", four
    )


def test_a_correction_that_empties_a_cell_is_told_for_people(ws: Workspace) -> None:
    (made,) = [row for row in to_rows(ws.read("mapping.corrections")) if row["column"] == STREET[2]]
    names = ("table", "key", "column", "old_value", "decision", "note")
    ws.ledger.decide("corrections", [{name: made[name] for name in names} | {"value": None}], "ann")
    _, found = cutover.corrected_tables(ws)
    (said,) = [row["message"] for row in to_rows(found) if row["column"] == STREET[2]]
    assert said.startswith("bill_street1 counts as empty, BluBilling has '")


# --- what does not change a row, and what becomes of one that changed ---------------------------------------


@pytest.mark.parametrize(
    ("table", "place", "change"),
    [
        (
            "billing.invoices",
            1,
            {"notes": "paid by bank, thanks", "due_date": day(28), "billing_end": day(31)},
        ),
        ("billing.customers", 2, {"phone": "555 0199", "email": "new@crane.example", "ship_city": "Gdynia"}),
        ("billing.invoice_lines", 1, {"accounting_code": "4711", "service_end": day(31)}),
    ],
)
def test_what_changes_any_day_leaves_a_correction_as_it_is(
    ws: Workspace, table: str, place: int, change: dict[str, Any]
) -> None:
    load(ws, lambda rows: rows[table][place].update(change))
    assert overtaken(ws) == {}


def test_a_credit_that_is_used_is_the_same_credit(tmp_path: Path) -> None:
    rows = stopped()
    rows["billing.adjustments"] = [adjustment("ADJ-1", "18.40", reason_text="Goodwill")]
    house = {"decision": "House Credit", "item_list_id": "I-5", "item_full_name": "House Credit"}
    rows["mapping.adjustments"] = [{"kind": "house_credit", **house}]
    with workspace(tmp_path / "ws", rows) as ws:
        cell = ("billing.adjustments", "ADJ-1", "amount")
        assert correcting.correct(ws, [(cell, "18.00")], "ann", "agreed").corrected == 1
        rows["billing.adjustments"][0] |= {"invoice_number": "INV-1", "unapplied_balance": Decimal("0.40")}
        ws.write("billing.adjustments", frames(rows)["billing.adjustments"])
        assert overtaken(ws) == {}
        assert planned(ws)["ADJ-1"] == Decimal("18.00")


def planned(ws: Workspace) -> dict[str, Decimal]:
    plan = cutover.plan_export(ws, new=True, qbxml=False, **ALL)
    return {row["source_key"]: row["amount"] for row in to_rows(plan.operations)}


def stays(ws: Workspace) -> dict[str, str]:
    left = to_rows(cutover.plan_export(ws, new=True, qbxml=False, **ALL).left_out)
    return {row["source_key"]: row["reason"] for row in left}


def test_a_row_that_changed_waits_until_its_correction_is_made_again_or_taken_back(ws: Workspace) -> None:
    assert planned(ws)["INV-2"] == Decimal("45.00")
    load(ws, lambda rows: rows["billing.invoices"][1].update(currency="USD"))
    assert overtaken(ws).keys() == {"current_amount_due"}
    assert "correction_void" in stays(ws)["INV-2"]
    shown = {
        row["column"]: row for row in to_rows(correcting.proposals(ws).proposals) if row["key"] == "INV-2"
    }
    assert shown["current_amount_due"]["status"] == "overtaken"
    assert correcting.correct(ws, [(DUE, "45.00")], "ann").corrected == 1
    assert planned(ws)["INV-2"] == Decimal("45.00")
    load(ws, lambda rows: rows["billing.invoices"][1].update(current_amount_due=Decimal("45.00")))
    assert planned(ws)["INV-2"] == Decimal("45.00")  # BluBilling put it right
    load(ws, lambda rows: rows["billing.invoice_lines"][1].update(description="Server"))
    assert correcting.correct(ws, [(LINE, None), (DUE, "45.00")], "ann").withdrawn == 1
    assert planned(ws)["INV-2"] == Decimal("45.00")


def test_a_correction_of_a_line_that_changed_stops_its_invoice(ws: Workspace) -> None:
    load(ws, lambda rows: rows["billing.invoice_lines"][1].update(quantity=Decimal(2)))
    assert overtaken(ws).keys() == {"description"}
    assert "correction_void" in stays(ws)["INV-2"]


def test_a_correction_that_blubilling_made_true_is_taken_back_without_harm(ws: Workspace) -> None:
    load(ws, lambda rows: rows["billing.customers"][2].update(bill_city="Lodz"))
    assert correcting.correct(ws, [(CITY, None)], "ann", "BluBilling has it").withdrawn == 1
    assert overtaken(ws) == {}
    load(ws, lambda rows: rows["billing.customers"][2].update(bill_city="Warsaw"))
    assert overtaken(ws).keys() == {"bill_street1"}


# --- the sheet ----------------------------------------------------------------------------------------------


def test_a_correction_that_was_overtaken_is_made_again_or_taken_back_in_the_sheet(
    ws: Workspace, tmp_path: Path
) -> None:
    load(ws, lambda rows: rows["billing.customers"][2].update(bill_zip="90-001"))
    path = tmp_path / "corrections.xlsx"
    correcting.write(ws, path)
    shown = {row["column"]: row for row in to_rows(correcting.proposals(ws).proposals) if row["key"] == "A3"}
    street, city = shown["bill_street1"], shown["bill_city"]
    assert (street["status"], street["proposal"], street["correction"]) == ("overtaken", "1 Quay", None)
    unedited = correcting.read(ws, path, "ann")
    assert (unedited.corrected, unedited.withdrawn, rules(unedited)) == (0, 0, [])
    edit(path, "A3", "bill_street1", correction="1 Quay", note="asked them")
    edit(path, "A3", "bill_city", correction=city["value"])
    done = correcting.read(ws, path, "ann")
    assert (done.corrected, done.withdrawn, overtaken(ws)) == (1, 1, {})
    again = correcting.read(ws, path, "ann")
    assert (again.corrected, again.withdrawn) == (0, 0)


def test_a_sheet_of_the_days_when_it_counted_does_not_make_it_again(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "corrections.xlsx"
    correcting.write(ws, path)
    load(ws, lambda rows: rows["billing.customers"][2].update(bill_zip="90-001"))
    done = correcting.read(ws, path, "ann")
    assert (done.corrected, done.withdrawn, rules(done)) == (0, 0, [])
    assert overtaken(ws).keys() == {"bill_street1", "bill_city"}
    edit(path, "A3", "bill_street1", correction=None)
    edit(path, "A3", "bill_city", correction="Gdansk")
    done = correcting.read(ws, path, "ann")
    assert (done.corrected, done.withdrawn, overtaken(ws)) == (1, 1, {})
