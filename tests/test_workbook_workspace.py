"""The mapping workbook on a whole workspace: items, corrections, and decisions that retire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from mapping_world import columns, edit, enter
from openpyxl import load_workbook

from toolkit import Workspace, cutover, extract
from toolkit.tables import from_rows, to_rows

ITEM = {
    "item_type": "Service",
    "income_account_full_name": "Hosting Income",
    "sales_tax_code_full_name": "Non",
}
TAKEN = {"contract_code": "WEB-HOSTING", "price_code": "hosting:enterprise"}


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def test_items_and_decisions_of_one_workbook_are_kept_together(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace, book = at("carried"), tmp_path / "mapping.xlsx"
    toolkit("-w", workspace, "map", "--write", book)
    enter(book, name="Web Shop", **ITEM, price="12.50", note="asked for by sales")
    enter(book, name="Web Shop:Basic", **ITEM)
    edit(book, "Charges", "hosting:enterprise", decision="Web Shop:Basic", note="new item")
    edit(book, "Payment methods", "Cash", deposit_account="Checking")
    edit(book, "Adjustments", "write_off", decision="(by hand)", note="only a few")
    said = toolkit("-w", workspace, "map", "--read", book, "--json")
    assert (said.json["decided"], said.json["retired"]) == (5, 0)
    assert [row for row in said.json["findings"] if row["severity"] == "error"] == []
    with Workspace(workspace) as ws:
        items = {row["name"]: row for row in to_rows(ws.read("mapping.local_items"))}
        assert (
            items["Web Shop"]["note"] == "asked for by sales"
            and str(items["Web Shop"]["price"]) == "12.50000"
        )
        assert items["Web Shop:Basic"]["entered_by"] is not None
        [method] = [row for row in to_rows(ws.read("mapping.payment_methods")) if row["method"] == "Cash"]
        assert (method["decision"], method["deposit_account_full_name"]) == ("Cash", "Checking")
        stamp = ws.ledger.decisions_stamp()
    again = toolkit("-w", workspace, "map", "--read", book, "--json")
    assert again.json["decided"] == 0
    with Workspace(workspace) as ws:
        assert ws.ledger.decisions_stamp() == stamp


def test_what_an_item_is_put_under_is_checked_as_the_gate_will(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace, book = at("mapped"), tmp_path / "mapping.xlsx"
    toolkit("-w", workspace, "map", "--write", book)
    other = {**ITEM, "item_type": "OtherCharge"}
    enter(book, name="Web Shop", **ITEM)
    enter(book, name="Web Shop:Basic", **other)
    said = toolkit("-w", workspace, "map", "--read", book, "--json").json
    errors = [row for row in said["findings"] if row["severity"] == "error"]
    assert [(row["rule"], row["key"], row["suggestion"]) for row in errors] == [
        ("item_parent", "Web Shop:Basic", "Service")
    ]
    with Workspace(workspace) as ws:
        assert {row["name"] for row in to_rows(ws.read("mapping.local_items"))} == {"Web Shop"}
        # The one that was entered by hand, and is not in QuickBooks yet, counts as much as any there.
        for item, rules in ((other, ["item_parent"]), (ITEM, [])):
            found = extract.add_local_item(ws, {**item, "name": "Web Shop:Basic", "entered_by": "ann"})
            assert [row["rule"] for row in to_rows(found)] == rules


def test_what_is_decided_on_an_item_entered_beside_it_does_not_retire_at_once(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace, book = at("carried"), tmp_path / "mapping.xlsx"
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("billing.charges"))
        extra = {"contract_code": "WEB-HOSTING", "price_code": "Extra Shop", "charge_type": "recurring"}
        ws.write("billing.charges", from_rows("billing.charges", [*rows, extra]))
    toolkit("-w", workspace, "map", "--write", book)
    enter(book, name="Extra Shop", **ITEM)
    edit(book, "Charges", "Extra Shop", decision="Extra Shop")
    said = toolkit("-w", workspace, "map", "--read", book).out
    assert said.startswith(f"1 decision, 1 item entered by hand read from {book}\n")
    assert "retired" not in said


def test_customers_that_the_match_doubts_stand_among_the_problems(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace, book = at("mapped"), tmp_path / "mapping.xlsx"
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("billing.customers"))
        twin = {**rows[0], "account_number": "ZZ-TWIN"}
        ws.write("billing.customers", from_rows("billing.customers", [*rows, twin]))
        theirs = to_rows(ws.read("quickbooks.customers"))
        for row in theirs:
            row["account_number"] = None
        ws.write("quickbooks.customers", from_rows("quickbooks.customers", theirs))
        found = to_rows(cutover.match(ws).findings)
        doubted = {row["key"] for row in found if row["rule"] == "shared_customer"}
    assert "ZZ-TWIN" in doubted
    toolkit("-w", workspace, "map", "--write", book)
    sheet = load_workbook(book)["Customers"]
    place = columns(sheet)
    shown = [
        (str(row[place["account_number"] - 1].value), row[place["reason"] - 1].value)
        for row in sheet.iter_rows(min_row=2)
    ]
    problems = [number for number, (account, _) in enumerate(shown) if account in doubted]
    assert {shown[number][1] for number in problems} == {"shared_customer"}
    assert max(problems) < min(number for number, (_, reason) in enumerate(shown) if reason is None)
    assert toolkit("-w", workspace, "map", "--read", book, "--json").json["decided"] == 0


def test_an_item_renamed_in_quickbooks_is_doubted_where_it_is_decided(at: Any, tmp_path: Path) -> None:
    key = ("WEB-HOSTING", "hosting:enterprise")
    with Workspace(at("mapped")) as ws:
        cutover.write_mapping(ws, tmp_path / "before.xlsx")
        items = to_rows(ws.read("quickbooks.items"))
        for item in items:
            if item["full_name"] == "Hosting:Enterprise":
                item |= {"name": "Enterprise 2026", "full_name": "Hosting:Enterprise 2026"}
        ws.write("quickbooks.items", from_rows("quickbooks.items", items))
        # Its price code is asked for anew in BluBilling too: that sheet is only shown, and has no reasons.
        assert key in {
            (row["contract_code"], row["price_code"]) for row in to_rows(cutover.match(ws).changes)
        }
        cutover.write_mapping(ws, tmp_path / "after.xlsx")
        for name in ("before.xlsx", "after.xlsx"):
            read = cutover.read_mapping(ws, tmp_path / name, "ann")
            assert (read.taken, {row["severity"] for row in to_rows(read.findings)} & {"error"}) == (0, set())
    book = load_workbook(tmp_path / "after.xlsx")
    for title, reason in (("Charges", "renamed"), ("Change in BluBilling", None)):
        places = columns(book[title])
        [row] = [row for row in book[title].iter_rows(min_row=2, values_only=True) if row[:2] == key]
        assert ("reason" in places and row[places["reason"] - 1]) == (reason or False)


def test_map_shows_why_a_customer_is_suggested(toolkit: Toolkit, at: Any) -> None:
    workspace = at("imported")
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("quickbooks.customers"))
        twin = next(row for row in rows if row["phone"])
        other = {"account_number": "ZZ-1", "name": "Q", "phone": twin["phone"], "source": "c.csv"}
        ws.write("billing.customers", from_rows("billing.customers", [other]))
    _, _, said = toolkit("-w", workspace, "map").out.partition("Customers to decide")
    [row] = [line.split() for line in said.splitlines() if line.strip().startswith("ZZ-1")]
    assert row[:4] == ["ZZ-1", "Q", "undecided", "phone"]


def test_map_tells_of_every_kind(toolkit: Toolkit, at: Any) -> None:
    workspace = at("mapped")
    document = toolkit("-w", workspace, "map", "--json").json
    for kind in ("counts", "customers", "payment_methods", "taxes", "terms", "adjustments"):
        assert {"exact", "mapped", "none", "mismatch"} <= document[kind].keys(), kind
    assert document["changes"] == 10, "all that are mapped but the charge that carries the balances"
    said = toolkit("-w", workspace, "map").out
    for title in ("Charges:", "Customers:", "Taxes:", "Payment methods:", "Terms:", "Adjustments:"):
        assert title in said
    assert "Price codes to change in BluBilling" in said


def test_a_decision_retires_when_blubilling_has_the_right_price_code(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    """The sheet says what to correct in BluBilling; after the next load the charge is exact by itself."""
    workspace, book = at("mapped"), tmp_path / "mapping.xlsx"
    toolkit("-w", workspace, "map", "--write", book)
    page = load_workbook(book)["Change in BluBilling"]
    places = columns(page)
    wanted = {
        page.cell(row, places["price_code"]).value: page.cell(row, places["price_code_wanted"]).value
        for row in range(2, page.max_row + 1)
    }
    assert wanted["hosting:enterprise"] == "Hosting:Enterprise"
    assert "BALANCE" not in wanted
    before = cli_world.SAMPLE / "billing" / "before" / "charges.csv"
    text = before.read_text(encoding="utf-8-sig")
    assert text.count("hosting:enterprise") == 1
    corrected = tmp_path / "charges.csv"
    corrected.write_text(text.replace("hosting:enterprise", "Hosting:Enterprise"), encoding="utf-8")
    said = toolkit("-w", workspace, "load", corrected, "--json")
    assert (said.code, said.json["retired"]) == (0, 1)
    with Workspace(workspace) as ws:
        held = {(row["contract_code"], row["price_code"]) for row in to_rows(ws.read("mapping.charge_items"))}
        assert ("WEB-HOSTING", "hosting:enterprise") not in held and len(held) == 11
        history = ws.ledger.decision_history("charge_items", ("WEB-HOSTING", "hosting:enterprise"))
        assert [row["decision"] for row in history] == ["Hosting:Enterprise", None]
        assert (history[1]["who"], history[1]["note"].startswith("retired: ")) == ("toolkit", True)
    document = toolkit("-w", workspace, "map", "--json").json
    now = {row["price_code"]: row["status"] for row in document["charges"]}
    assert (now["Hosting:Enterprise"], document["retired"]) == ("exact", 0)
    assert toolkit("-w", workspace, "load", corrected, "--json").json["retired"] == 0


def test_corrections_stand_in_the_same_workbook(toolkit: Toolkit, at: Any, tmp_path: Path) -> None:
    workspace, book = at("carried"), tmp_path / "mapping.xlsx"
    with Workspace(workspace) as ws:
        street = {"BW-1079": "Building 7, second floor, beside the old water tower, 1200 Southmoor Road"}
        customers = [
            {**row, "bill_street1": street.get(row["account_number"], row["bill_street1"])}
            for row in to_rows(ws.read("billing.customers"))
        ]
        ws.write("billing.customers", from_rows("billing.customers", customers))
    toolkit("-w", workspace, "map", "--write", book)
    page = load_workbook(book)["Corrections"]
    places = columns(page)
    row = next(row for row in range(2, page.max_row + 1) if page.cell(row, places["proposal"]).value)
    key = page.cell(row, places["key"]).value
    edit(book, "Corrections", key, correction=page.cell(row, places["proposal"]).value, note="shorter")
    read = toolkit("-w", workspace, "map", "--read", book, "--json").json
    assert read["decided"] == 1, read["findings"]
    with Workspace(workspace) as ws:
        [kept] = to_rows(ws.read("mapping.corrections"))
        assert (kept["key"], kept["note"]) == (key, "shorter")
    assert toolkit("-w", workspace, "map", "--read", book, "--json").json["decided"] == 0
