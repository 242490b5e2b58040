"""Every sheet of the mapping workbook: each kind is decided, checked, and read twice without change."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mapping_world import WORKSPACE, World, change, columns, edit, enter, rules, taken
from openpyxl import load_workbook

from toolkit.tables import to_rows
from toolkit.workbook_sheets import STAMP

ALL = 31
"""Rows that are decided on."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    return world.write(tmp_path / "mapping.xlsx")


def test_every_kind_is_decided_in_one_workbook_and_reading_it_twice_changes_nothing(
    path: Path, world: World
) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting", note="as agreed")
    edit(path, "Customers", "008", decision="(new)", new_name="John Smith (Boston)")
    edit(path, "Taxes", "TAX", decision="State Tax")
    edit(path, "Taxes", "CA County", decision="State Tax", note="Avalara")
    edit(path, "Payment methods", "CreditCard", decision="Visa", deposit_account="Checking")
    edit(path, "Terms", "30 Days", decision="Net 30")
    edit(path, "Adjustments", "write_off", decision="Credit given")
    edit(path, "Adjustments", "refund", decision="(by hand)")
    edit(path, "Numbers", "2026-0000012", decision="26-12", note="by phone")
    read = world.read(path)
    assert rules(read) == []
    assert taken(read) == {
        "charge_items": [("P1", "HOST", "Web:Hosting", "as agreed"), ("P1", "TAX", "State Tax", None)],
        "customers": [("008", "(new)", None)],
        "taxes": [(None, None, "CA County", "State Tax", "Avalara")],
        "payment_methods": [("CreditCard", "Visa", None)],
        "terms": [("30 Days", "Net 30", None)],
        "adjustments": [("write_off", "Credit given", None), ("refund", "(by hand)", None)],
        "numbers": [("invoice", "2026-0000012", "26-12", "by phone")],
    }
    [method] = read.decisions["payment_methods"]
    assert (method["payment_method_list_id"], method["deposit_account_list_id"]) == ("M1", "A1")
    assert [row["item_list_id"] for row in read.decisions["adjustments"]] == ["I5", None]
    assert read.decisions["terms"][0]["terms_list_id"] == "T1"
    assert read.decisions["numbers"][0]["ref_number"] == "26-12"
    world.take(read)
    again = world.read(path)
    assert (again.decisions, again.items, rules(again), again.unchanged) == ({}, [], [], ALL)
    fresh = world.read(world.write(path))
    assert (fresh.decisions, rules(fresh), fresh.unchanged) == ({}, [], ALL)


@pytest.mark.parametrize(
    ("title", "key", "cells", "rule", "suggestion"),
    [
        ("Taxes", "CA County", {"decision": "Setup Fee"}, "wrong_type", None),
        ("Payment methods", "Cash", {"deposit_account": "Chequing"}, "unknown_choice", "Checking"),
        ("Payment methods", "Cash", {"deposit_account": "Old Bank"}, "inactive", None),
        ("Payment methods", "Cash", {"deposit_account": "Web Income"}, "wrong_type", None),
        ("Payment methods", "CreditCard", {"deposit_account": "Checking"}, "decision_missing", None),
        ("Terms", "30 Days", {"decision": "net 30"}, "unknown_choice", "Net 30"),
        ("Adjustments", "write_off", {"decision": "(none)"}, "money_hangs_on_it", "(by hand)"),
        ("Adjustments", "write_off", {"decision": "Rebate"}, "wrong_type", None),
        ("Adjustments", "chargeback", {"decision": "Setup Fee"}, "only_by_hand", "(by hand)"),
        ("Charges", "HOST", {"decision": "(by hand)"}, "unknown_choice", None),
        ("Numbers", "2026-0000012", {"decision": "2026-0000012"}, "too_long", None),
        ("Numbers", "2026-0000012", {"decision": "1001"}, "number_taken", None),
        ("Numbers", "2026-0000012", {"decision": "1 "}, "no_number", None),
        ("Numbers", "2026-0000012", {"decision": "\u0416-1"}, "not_windows_1252", None),
        ("Numbers", "1002", {"decision": "1003"}, "already_sent", None),
    ],
)
def test_what_cannot_be_is_an_error_and_not_decided(
    path: Path, world: World, title: str, key: str, cells: dict[str, Any], rule: str, suggestion: str | None
) -> None:
    edit(path, title, key, **cells)
    read = world.read(path)
    [found] = to_rows(read.findings)
    assert (found["severity"], found["rule"], found["suggestion"]) == ("error", rule, suggestion)
    assert found["source"].startswith(f"mapping.xlsx!{title}!R") and key in found["key"]
    assert read.decisions == {}


def test_terms_are_left_out_whatever_is_invoiced_with_them(path: Path, world: World) -> None:
    """A document always carries its due date, so nothing is lost: the match takes it too."""
    edit(path, "Terms", "30 Days", decision="(none)")
    read = world.read(path)
    assert (rules(read), [row["decision"] for row in read.decisions["terms"]]) == ([], ["(none)"])


def test_a_charge_that_is_exact_needs_no_decision(path: Path, world: World) -> None:
    """A decision on it would retire with the next match, and be made again by the next reading."""
    edit(path, "Charges", "Setup Fee", decision="Setup Fee", note="sure")
    edit(path, "Charges", "00123", decision="Setup Fee", note="another item")
    read = world.read(path)
    assert taken(read) == {"charge_items": [("P1", "00123", "Setup Fee", "another item")]}
    assert rules(read) == [("warning", "exact_overridden"), ("info", "already_exact")]


def test_one_number_for_two_documents_is_taken_for_neither(path: Path, world: World) -> None:
    edit(path, "Numbers", "2026-0000012", decision="77")
    edit(path, "Numbers", "1001", decision="77")
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("error", "number_taken")] * 2)


def test_a_deposit_account_alone_stands_beside_the_method_that_is_exact(path: Path, world: World) -> None:
    edit(path, "Payment methods", "Cash", deposit_account="Checking")
    read = world.read(path)
    assert taken(read) == {"payment_methods": [("Cash", "Cash", None)]}
    assert read.decisions["payment_methods"][0]["deposit_account_full_name"] == "Checking"
    world.take(read)
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [])
    page = load_workbook(world.write(path))["Payment methods"]
    places = columns(page)
    shown = {page.cell(row, 1).value: page.cell(row, places["deposit_account"]).value for row in (2, 3)}
    assert shown == {"Cash": "Checking", "CreditCard": None}


def test_a_decision_on_a_tax_charge_is_taken_back_wherever_it_was_made(tmp_path: Path, world: World) -> None:
    key = {"contract_code": "P1", "price_code": "TAX", "tax_name": None}
    world.decide(
        "taxes", {**key, "decision": "State Tax", "item_list_id": "I7", "item_full_name": "State Tax"}
    )
    path = world.write(tmp_path / "x.xlsx")
    edit(path, "Taxes", "TAX", decision=None)
    read = world.read(path)
    assert sorted(taken(read)) == ["charge_items", "taxes"]
    world.take(read)
    assert world.held["taxes"] == {} and world.read(path).decisions == {}


def test_an_account_that_is_gone_must_be_chosen_anew(tmp_path: Path, world: World) -> None:
    method = {"method": "Cash", "decision": "Cash", "note": None, "payment_method_list_id": "M2"}
    account = {"deposit_account_list_id": "GONE", "deposit_account_full_name": "Checking"}
    world.decide("payment_methods", {**method, "payment_method_full_name": "Cash", **account})
    path = world.write(tmp_path / "x.xlsx")
    page = load_workbook(path)["Payment methods"]
    places = columns(page)
    assert (page.cell(2, places["reason"]).value, page.cell(2, places["deposit_account"]).value) == (
        "account_gone",
        None,
    )
    assert world.read(path).decisions == {}
    edit(path, "Payment methods", "Cash", deposit_account="Checking")
    [row] = world.read(path).decisions["payment_methods"]
    assert (row["decision"], row["deposit_account_list_id"]) == ("Cash", "A1")


# --- items by hand ------------------------------------------------------------------------------------------

ITEM = {"item_type": "Service", "income_account_full_name": "Web Income", "sales_tax_code_full_name": "Tax"}


def test_an_item_is_entered_and_mapped_in_the_same_workbook(path: Path, world: World) -> None:
    enter(path, name="Web:Backup:Daily", **ITEM, price=19.9, description="every night", note="+asked for")
    enter(path, name="Web:Backup", **ITEM)
    edit(path, "Charges", "HOST", decision="Web:Backup:Daily")
    edit(path, "Adjustments", "write_off", decision="Web:Backup")
    read = world.read(path)
    assert rules(read) == []
    assert [(row["name"], row["price"], row["note"]) for row in read.items] == [
        ("Web:Backup", None, None),
        ("Web:Backup:Daily", Decimal("19.9"), "+asked for"),
    ]
    assert read.items[1] == {
        **{"name": "Web:Backup:Daily", **ITEM, "price": Decimal("19.9")},
        **{"description": "every night", "note": "+asked for"},
    }
    [charge] = read.decisions["charge_items"]
    assert (charge["decision"], charge["item_list_id"], charge["item_full_name"]) == (
        "Web:Backup:Daily",
        None,
        "Web:Backup:Daily",
    )
    world.take(read)
    again = world.read(path)
    assert (again.items, again.decisions, rules(again)) == ([], {}, [])
    matched = {row["price_code"]: row for row in world.frames().listed("match.charges")}
    assert (matched["HOST"]["status"], matched["HOST"]["income_account_full_name"]) == (
        "mapped",
        "Web Income",
    )


@pytest.mark.parametrize(
    ("cells", "rule", "column"),
    [
        ({"name": "web"}, "name_taken", "name"),
        ({"name": "x" * 32}, "name_length", "name"),
        ({"name": " x"}, "name_blank", "name"),
        ({"name": "None:x"}, "parent_missing", "name"),
        ({"name": "New", "item_type": "Inventory"}, "item_type", "item_type"),
        ({"name": "New", "item_type": None}, "item_type", "item_type"),
        ({"name": "New", "income_account_full_name": None}, "income_account", "income_account_full_name"),
        (
            {"name": "New", "income_account_full_name": "Old Bank"},
            "income_account",
            "income_account_full_name",
        ),
        ({"name": "New", "sales_tax_code_full_name": "GST"}, "sales_tax_code", "sales_tax_code_full_name"),
        # What the gate would stop later is told while it is entered.
        (
            {"name": "New", "income_account_full_name": "Checking"},
            "income_account",
            "income_account_full_name",
        ),
        (
            {"name": "New", "income_account_full_name": "web income"},
            "income_account",
            "income_account_full_name",
        ),
        ({"name": "New", "sales_tax_code_full_name": "TAX"}, "sales_tax_code", "sales_tax_code_full_name"),
        ({"name": "\u0414\u043e\u043c"}, "characters", "name"),
        ({"name": "New", "description": "\u0141\u00f3d\u017a"}, "characters", "description"),
        ({"name": "web:x"}, "parent_missing", "name"),
        ({"name": "Old:x"}, "item_parent", "name"),
        ({"name": "00123:x"}, "item_parent", "item_type"),
        ({"name": "State Tax:x"}, "item_parent", "item_type"),
        ({"name": "New", "price": "19,90"}, "price", "price"),
        ({"name": "New", "price": "0.1234567"}, "price", "price"),
        ({"name": None}, "name_blank", "name"),
    ],
)
def test_an_item_by_hand_is_checked_like_an_imported_one(
    path: Path, world: World, cells: dict[str, Any], rule: str, column: str
) -> None:
    enter(path, **{**ITEM, **cells})
    edit(path, "Charges", "HOST", decision="New")
    read = world.read(path)
    assert ("error", rule) in rules(read)
    assert column in [row["column"] for row in to_rows(read.findings) if row["rule"] == rule]
    assert not any("Rescaling" in row["message"] for row in to_rows(read.findings))
    # What is mapped to it waits with it.
    assert (read.items, read.decisions, ("error", "unknown_choice") in rules(read)) == ([], {}, True)


def test_one_name_for_two_items_is_entered_once_at_most(path: Path, world: World) -> None:
    enter(path, name="New", **ITEM)
    enter(path, name="NEW", **ITEM)
    read = world.read(path)
    assert ([row["name"] for row in read.items], rules(read)) == (["New"], [("error", "name_taken")])
    enter(path, name="New", **{**ITEM, "item_type": "OtherCharge"})
    assert world.read(path).items == [
        {"name": "NEW", **ITEM, "description": None, "price": None, "note": None}
    ]


def test_an_item_is_changed_until_quickbooks_has_it(tmp_path: Path, world: World) -> None:
    world.items = [{"name": "New", **ITEM, "price": Decimal("1.50")}]
    path = world.write(tmp_path / "x.xlsx")
    edit(path, "Items by hand", "New", price="2.50")
    read = world.read(path)
    assert [row["price"] for row in read.items] == [Decimal("2.50")]
    world.items = [{"name": "New", **ITEM, "price": Decimal("3")}]
    assert rules(world.read(path)) == [("error", "conflict")]
    world.items = [{"name": "Web", **ITEM, "price": Decimal("3")}]
    path = world.write(path)
    edit(path, "Items by hand", "Web", price="4")
    assert rules(world.read(path)) == [("error", "name_taken")]


# --- what is only shown -------------------------------------------------------------------------------------


def test_what_to_change_in_blubilling_is_shown_and_not_read(tmp_path: Path, world: World) -> None:
    key = {"contract_code": "P1", "price_code": "HOST", "note": "new list"}
    chosen = {"item_list_id": "I2", "item_full_name": "Web:Hosting"}
    world.decide("charge_items", {**key, "decision": "Web:Hosting", **chosen})
    path = world.write(tmp_path / "x.xlsx")
    page = load_workbook(path)["Change in BluBilling"]
    shown = {name: page.cell(2, place).value for name, place in columns(page).items()}
    assert [shown[name] for name in ("contract_code", "price_code", "price_code_wanted", "note")] == [
        *("P1", "HOST", "Web:Hosting", "new list"),
    ]
    assert page.max_row == 2
    edit(path, "Change in BluBilling", "HOST", price_code_wanted="Hosting")
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("info", "edited_column")])
    change(path, lambda book: book.remove(book["Change in BluBilling"]))
    assert rules(world.read(path)) == []


def test_type_account_tax_code_and_use_stand_beside_every_choice(tmp_path: Path, world: World) -> None:
    book = load_workbook(world.write(tmp_path / "x.xlsx"))
    items = [[cell.value for cell in row] for row in book["Items"].iter_rows(min_row=2)]
    assert ["00123", "NonInventory", "Parts Income", "Tax", 1, 3.5] in items
    assert ["Web:Hosting", "Service", "Web Income", "Tax", None, None] in items
    assert "Old" not in [row[0] for row in items]
    page = book["Charges"]
    places = columns(page)
    rows = {page.cell(n, 2).value: n for n in range(2, page.max_row + 1)}
    lead = (
        page.cell(rows["00123"], places["item_type"]).value,
        page.cell(rows["00123"], places["amount"]).value,
    )
    assert lead == ("NonInventory", 3.5)
    suggested = page.cell(rows[" lead"], places["suggestion"]).value
    about = page.cell(rows[" lead"], places["suggested_is"]).value
    assert (suggested is None) == (about is None)


# --- a file that lost something -----------------------------------------------------------------------------


def lose_memory(path: Path) -> None:
    """Save what a program keeps that knows nothing of hidden sheets and properties."""

    def drop(book: Any) -> None:
        for title in ("_toolkit", "_names", "Read me"):
            book.remove(book[title])
        book.custom_doc_props.props.clear()

    change(path, drop)


def hosting(decision: str | None, list_id: str | None) -> dict[str, Any]:
    row = {"contract_code": "P1", "price_code": "HOST", "decision": decision, "note": None}
    return {**row, "item_list_id": list_id, "item_full_name": decision}


def test_without_hidden_sheet_and_properties_each_row_still_says_what_it_was_made_from(
    path: Path, world: World
) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    edit(path, "Charges", "3-4", decision="Setup Fee")
    lose_memory(path)
    read = world.read(path)
    assert [row[1:3] for row in taken(read)["charge_items"]] == [
        ("3-4", "Setup Fee"),
        ("HOST", "Web:Hosting"),
    ]
    assert rules(read) == []
    # The ledger has a newer decision on one of them: that row alone is a conflict.
    world.decide("charge_items", hosting("Web", "I1"))
    read = world.read(path)
    assert taken(read) == {"charge_items": [("P1", "3-4", "Setup Fee", None)]}
    assert rules(read) == [("error", "conflict")]


def test_an_unedited_row_of_such_a_file_never_takes_back_a_newer_decision(path: Path, world: World) -> None:
    lose_memory(path)
    world.decide("charge_items", hosting("Web", "I1"))
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("info", "newer_decision")])


def test_such_a_file_of_another_company_is_refused_whole(path: Path, world: World) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")
    lose_memory(path)
    with pytest.raises(Exception, match="another workspace"):
        world.read(path, workspace_id="other")


def test_a_row_pasted_from_another_company_s_workbook_is_not_read(path: Path, world: World) -> None:
    edit(path, "Charges", "HOST", **{"decision": "Web:Hosting", STAMP: "w-00000000 e-00000000"})
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("error", "other_workspace")])


def test_without_any_of_it_an_edit_counts_only_while_nothing_was_decided_since(
    path: Path, world: World
) -> None:
    edit(path, "Charges", "HOST", decision="Web:Hosting")

    def drop(book: Any) -> None:
        book.remove(book["_toolkit"])
        for page in book:
            places = columns(page)
            if STAMP in places:
                page.delete_cols(places[STAMP])

    change(path, drop)
    assert [row[1:3] for row in taken(world.read(path))["charge_items"]] == [("HOST", "Web:Hosting")]
    world.decide("charge_items", hosting("Web", "I1"))
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [("error", "conflict")])


def test_a_sheet_sorted_in_part_is_told_and_not_read(path: Path, world: World) -> None:
    def tear(book: Any) -> None:
        page = book["Charges"]
        places = columns(page)
        page.cell(2, places["decision"]).value = "Setup Fee"
        page.cell(3, places["decision"]).value = "Web"
        codes = [page.cell(row, 2).value for row in (2, 3)]
        for row, code in zip((3, 2), codes, strict=True):
            page.cell(row, 2).value = code

    change(path, tear)
    read = world.read(path)
    torn = [row for row in to_rows(read.findings) if row["rule"] == "torn_row"]
    assert (read.decisions, [row["severity"] for row in torn]) == ({}, ["error"] * 2)


def test_a_renamed_heading_and_a_copied_sheet_are_told(path: Path, world: World) -> None:
    def rename(book: Any) -> None:
        book["Terms"].cell(1, columns(book["Terms"])["decision"]).value = "Decision!"
        book["Charges"].cell(1, columns(book["Charges"])["note"]).value = "my note"
        book.copy_worksheet(book["Charges"]).title = "Charges (2)"

    edit(path, "Charges", "HOST", decision="Web:Hosting")
    edit(path, "Terms", "30 Days", decision="Net 30")
    change(path, rename)
    read = world.read(path)
    assert rules(read) == [
        *(("error", "missing_column"), ("warning", "unknown_sheet"), ("info", "missing_column")),
    ]
    assert taken(read) == {"charge_items": [("P1", "HOST", "Web:Hosting", None)]}


def test_a_sheet_copied_under_any_name_is_told(path: Path, world: World) -> None:
    def work(book: Any) -> None:
        for title, name in (("Charges", "My work"), ("Taxes", "Mine"), ("Items by hand", "New ones")):
            book.copy_worksheet(book[title]).title = name

    change(path, work)
    edit(path, "My work", "HOST", decision="Web:Hosting")
    read = world.read(path)
    told = {row["source"].split("!")[1]: row["value"] for row in to_rows(read.findings)}
    assert (rules(read), read.decisions) == ([("warning", "unknown_sheet")] * 3, {})
    assert told == {"Charges": "My work", "Taxes": "Mine", "Items by hand": "New ones"}


def test_a_decision_that_goes_before_an_exact_match_is_told(path: Path, world: World) -> None:
    # Filled down too far: the last is the item Setup Fee already.
    for code in ("HOST", "3-4", "Setup Fee"):
        edit(path, "Charges", code, decision="Web:Hosting")
    read = world.read(path)
    assert rules(read) == [("warning", "exact_overridden")]
    (told,) = to_rows(read.findings)
    assert (told["key"], told["value"], told["suggestion"]) == ("P1 / Setup Fee", "Web:Hosting", "Setup Fee")
    assert len(taken(read)["charge_items"]) == 3
    world.take(read)
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [])


def test_the_fingerprint_is_the_world_s_own(world: World, path: Path) -> None:
    hidden = load_workbook(path)["_toolkit"]
    assert [hidden.cell(row, 2).value for row in (1, 2, 3)] == [WORKSPACE, world.stamp, "2"]
