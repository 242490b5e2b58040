"""A sheet that was sorted in part: decisions stand beside the keys of others, and none of them is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mapping_world import World, change, columns, edit, enter, rules, taken

from toolkit.tables import to_rows
from toolkit.workbook_sheets import SHEETS, STAMP, Sheet
from toolkit.workbook_torn import moved_decisions

ITEMS = ("Web:Hosting", "Setup Fee", "Credit given", "00123", "Web")
DECIDED = ("HOST", "3-4", "=x", "1E5", "00123")


def decided_world() -> World:
    """Return the world with five charges decided, each on its own item."""
    world = World()
    for code, item in zip(DECIDED, ITEMS, strict=True):
        row = {"contract_code": "P1", "price_code": code, "decision": item, "note": None}
        world.decide("charge_items", {**row, "item_list_id": None, "item_full_name": item})
    return world


@pytest.fixture
def world() -> World:
    return decided_world()


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    return world.write(tmp_path / "mapping.xlsx")


def sort_of(title: str, moves: Callable[[str, Sequence[str]], bool]) -> Callable[[Any], None]:
    """Return what turns the rows of some columns about, as a sort of those columns alone does."""

    def sort(book: Any) -> None:
        page = book[title]
        names = [str(cell.value) for cell in page[1]]
        last = max(row for row in range(2, page.max_row + 1) if page.cell(row, 1).value is not None)
        for place, name in enumerate(names, 1):
            if moves(name, names):
                texts = [page.cell(row, place).value for row in range(2, last + 1)]
                for row, text in enumerate(reversed(texts), 2):
                    page.cell(row, place).value = text

    return sort


def up_to(last: str) -> Callable[[str, Sequence[str]], bool]:
    return lambda name, names: names.index(name) <= names.index(last)


TORN = {"torn_row", "decisions_moved"}

PARTS = {
    "key only": up_to("price_code"),
    "to the text": up_to("invoice_text"),
    "to the suggestion": up_to("suggested_is"),
    "through the note": up_to("note"),
    "all but decision": lambda name, names: name != "decision",
    "all but decision and note": lambda name, names: name not in ("decision", "note"),
    "decision only": lambda name, names: name == "decision",
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("memory", ["whole", "no stamps", "no hidden sheet"])
def test_no_decision_follows_a_sort_of_some_columns(path: Path, world: World, part: str, memory: str) -> None:
    def lose(book: Any) -> None:
        if memory == "no stamps":
            book["Charges"].delete_cols(columns(book["Charges"])[STAMP])
        if memory == "no hidden sheet":
            book.remove(book["_toolkit"])

    change(path, sort_of("Charges", PARTS[part]))
    change(path, lose)
    read = world.read(path)
    assert read.decisions == {}, part
    if (part, memory) != ("through the note", "no stamps"):  # each decision is still beside its key
        assert {rule for severity, rule in rules(read) if severity == "error"} & TORN


@pytest.mark.parametrize("part", ["key only", "to the text", "to the suggestion", "through the note"])
@pytest.mark.parametrize("kept", ["whole", "no hidden sheet"])
def test_nor_what_was_filled_before_the_sort_where_nothing_was_decided(
    tmp_path: Path, part: str, kept: str
) -> None:
    world = World()
    path = world.write(tmp_path / "mapping.xlsx")
    for code in ("HOST", "3-4"):
        edit(path, "Charges", code, decision="Setup Fee" if code == "HOST" else "Web")
    change(path, sort_of("Charges", PARTS[part]))
    if kept != "whole":
        change(path, lambda book: book.remove(book["_toolkit"]))
    read = world.read(path)
    assert read.decisions == {} and ("error", "torn_row") in rules(read)


def noted(world: World) -> None:
    """Let each decision that stands have a reason of its own."""
    for row in world.held["charge_items"].values():
        row["note"] = f"because of {row['price_code']}"


def test_nor_does_a_decision_leave_its_note_behind(tmp_path: Path, world: World) -> None:
    noted(world)
    path = world.write(tmp_path / "noted.xlsx")
    change(path, sort_of("Charges", PARTS["decision only"]))
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [("error", "decisions_moved")])


@pytest.mark.parametrize("note", ["because of {}", "agreed"])
@pytest.mark.parametrize("part", ["all but decision", "all but decision and note"])
def test_nor_is_a_decision_left_behind_by_its_note(
    tmp_path: Path, world: World, part: str, note: str
) -> None:
    for row in world.held["charge_items"].values():
        row["note"] = note.format(row["price_code"])
    path = world.write(tmp_path / "noted.xlsx")
    change(path, sort_of("Charges", PARTS[part]))
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [("error", "decisions_moved")])


Said = tuple[str | None, ...]
CHARGES, CUSTOMERS, METHODS = (
    next(sheet for sheet in SHEETS if sheet.title == title)
    for title in ("Charges", "Customers", "Payment methods")
)


def moved(sheet: Sheet, *rows: tuple[Said, Said]) -> bool:
    """Return whether a sheet whose rows said this, and say this now, is refused."""
    pairs = [[dict(zip(sheet.fill, said, strict=True)) for said in row] for row in rows]
    return moved_decisions(sheet, [(old, new) for old, new in pairs]) is not None


def test_a_decision_is_known_again_without_what_is_filled_in_beside_it() -> None:
    names = ("Zeta", "Acme", "Mid", "Alpha")
    rows = [(("(new)", None, name), ("(new)", None, name)) for name in names]
    assert not moved(CUSTOMERS, *rows)
    sorted_names = [(old, ("(new)", None, name)) for (old, _), name in zip(rows, sorted(names), strict=True)]
    assert moved(CUSTOMERS, *sorted_names), "their new names alone"
    methods = [(("Visa", None, "A"), ("Cash", None, "A")), (("Cash", None, "B"), ("Wire", None, "B"))]
    assert moved(METHODS, *methods, (("Wire", None, "C"), ("Visa", None, "C"))), "all but their accounts"


def test_two_of_three_may_change_places() -> None:
    stays = (("Wire", None, "A"), ("Wire", None, "A"))
    swapped = [(("Visa", None, "A"), ("Cash", None, "B")), (("Cash", None, "B"), ("Visa", None, "A"))]
    assert not moved(METHODS, stays, *swapped)


def test_one_former_choice_that_is_given_elsewhere_refuses_nothing() -> None:
    fresh: list[tuple[Said, Said]] = [((None, None), (name, None)) for name in ("Web", "00123", "Setup Fee")]
    assert not moved(CHARGES, (("Setup Fee", None), ("Web:Hosting", None)), *fresh)
    # Three that were wrong are decided anew, and their former item is given to many that had none.
    wrong: list[tuple[Said, Said]] = [(("Web", None), (name, None)) for name in ("Mail", "Shop", "Host")]
    many: list[tuple[Said, Said]] = [((None, None), ("Web", None))] * 5
    assert not moved(CHARGES, *wrong, *many)
    # The same beside a gap that nobody filled is a sort, whatever was typed before it.
    assert moved(CHARGES, *[(("Web", None), (None, None))] * 3, *many)


def test_a_note_that_came_along_explains_no_move() -> None:
    notes = {"Web": "why w", "Mail": "why m", "Shop": "why s"}
    turned = [("Web", "Mail"), ("Mail", "Shop"), ("Shop", "Web")]
    along = [((old, notes[old]), (new, notes[new])) for old, new in turned]
    assert moved(CHARGES, *along)
    assert not moved(CHARGES, *[(old, (new, "mixed up")) for old, (new, _) in along])


def test_one_that_takes_another_s_former_choice_is_decided_anew(tmp_path: Path, world: World) -> None:
    noted(world)
    path = world.write(tmp_path / "noted.xlsx")
    edit(path, "Charges", "HOST", decision="Setup Fee")
    read = world.read(path)
    assert [row[1:3] for row in taken(read)["charge_items"]] == [("HOST", "Setup Fee")]


def test_a_sort_of_whole_rows_moves_nothing(path: Path, world: World) -> None:
    edit(path, "Charges", "HOST", decision="Credit given")
    change(path, sort_of("Charges", lambda name, names: True))
    assert (taken(world.read(path)), rules(world.read(path))) == (
        {"charge_items": [("P1", "HOST", "Credit given", None)]},
        [],
    )


def test_decisions_moved_on_purpose_are_read_with_a_note(path: Path, world: World) -> None:
    for code, item in zip(DECIDED, reversed(ITEMS), strict=True):
        edit(path, "Charges", code, decision=item)
    assert (world.read(path).decisions, rules(world.read(path))) == ({}, [("error", "decisions_moved")])
    for code in DECIDED:
        edit(path, "Charges", code, note="they were mixed up")
    assert len(taken(world.read(path))["charge_items"]) == len(DECIDED)


def test_two_of_many_may_change_places(path: Path, world: World) -> None:
    edit(path, "Charges", "HOST", decision="Setup Fee")
    edit(path, "Charges", "3-4", decision="Web:Hosting")
    read = world.read(path)
    assert sorted(row[1:3] for row in taken(read)["charge_items"]) == [
        *(("3-4", "Web:Hosting"), ("HOST", "Setup Fee")),
    ]


@pytest.mark.parametrize("left", ["nothing", "its own"])
def test_a_decision_beside_one_other_s_columns_is_torn_without_any_stamp(
    path: Path, world: World, left: str
) -> None:
    def tear(book: Any) -> None:
        page = book["Charges"]
        places = columns(page)
        page.cell(2, places["decision"]).value = "Web"
        here, there = (page.cell(row, places["invoice_text"]) for row in (2, 3))
        here.value, there.value = there.value, here.value if left == "its own" else None
        page.delete_cols(places[STAMP])

    change(path, tear)
    read = world.read(path)
    assert (read.decisions, rules(read)) == ({}, [("error", "torn_row"), ("info", "edited_column")])


def filled_down(source: str, targets: Sequence[str], first: str, last: str) -> Callable[[Any], None]:
    """Return what copies the cells of some columns of one row to others."""

    def fill(book: Any) -> None:
        page = book["Charges"]
        names = [str(cell.value) for cell in page[1]]
        rows = {str(row[1].value): row for row in page.iter_rows(min_row=2)}
        for target in targets:
            for place in range(names.index(first), names.index(last) + 1):
                rows[target][place].value = rows[source][place].value

    return fill


@pytest.mark.parametrize(
    ("first", "last"), [("decision", "income_account_full_name"), ("status", "note"), ("invoice_text", STAMP)]
)
def test_what_is_filled_down_from_a_row_that_keeps_it_is_read(tmp_path: Path, first: str, last: str) -> None:
    world = World()
    for code in ("HOST", "1E5"):
        item = {"item_list_id": "I2", "item_full_name": "Web:Hosting"}
        row = {"contract_code": "P1", "price_code": code, "decision": "Web:Hosting", "note": None}
        world.decide("charge_items", {**row, **item})
    path = world.write(tmp_path / "mapping.xlsx")
    change(path, filled_down("HOST", ("=x", "3-4"), first, last))
    read = world.read(path)
    assert {row[1:3] for row in taken(read)["charge_items"]} == {
        ("3-4", "Web:Hosting"),
        ("=x", "Web:Hosting"),
    }
    assert set(rules(read)) == {("info", "edited_column")}
    # Without its memory a file tells by the stamps what was edited: one that came along tells nothing.
    change(path, lambda book: book.remove(book["_toolkit"]))
    taken_then = taken(world.read(path)).get("charge_items", [])
    told = {row["rule"] for row in to_rows(world.read(path).findings) if row["severity"] == "error"}
    assert (len(taken_then), told) == ((2, set()) if last != STAMP else (0, {"conflict"}))


@pytest.mark.parametrize("typed", [{"status": "mapped"}, {"item_full_name": "Web:Hosting"}, {"score": None}])
def test_nor_does_it_matter_what_was_typed_beside(tmp_path: Path, typed: dict[str, Any]) -> None:
    world = World()
    item = {"item_list_id": "I2", "item_full_name": "Web:Hosting"}
    row = {"contract_code": "P1", "price_code": "HOST", "decision": "Web:Hosting", "note": None}
    world.decide("charge_items", {**row, **item})
    path = world.write(tmp_path / "mapping.xlsx")
    edit(path, "Charges", "=x", decision="Web:Hosting", **typed)
    assert taken(world.read(path)) == {"charge_items": [("P1", "=x", "Web:Hosting", None)]}


def test_an_item_may_be_copied_for_another_but_not_sorted_by_name_alone(tmp_path: Path) -> None:
    world = World()
    account = {"income_account_full_name": "Web Income", "sales_tax_code_full_name": "Tax"}
    for name in ("Mail", "Zone"):
        world.items.append({"name": name, "item_type": "Service", **account, "price": None})
    path = world.write(tmp_path / "mapping.xlsx")

    def copy(book: Any) -> None:
        page = book["Items by hand"]
        for place, cell in enumerate([cell.value for cell in page[2]], 1):
            page.cell(4, place).value = cell
        page.cell(4, 1).value = "Mail 2"

    change(path, copy)
    assert ([item["name"] for item in world.read(path).items], rules(world.read(path))) == (["Mail 2"], [])
    enter(path, name="Abacus", item_type="Service", income_account_full_name="Web Income")
    change(path, sort_of("Items by hand", lambda name, names: name == "name"))
    read = world.read(path)
    assert ("error", "torn_row") in rules(read)
    assert {"Mail", "Zone"}.isdisjoint(item["name"] for item in read.items)
