"""Decisions by one line: judged as the workbook's are, kept with who and why, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from export_world import Rows, customer, frames, item, world

from toolkit import correcting, cutover, deciding
from toolkit.deciding import accept, correct, decide, decide_new, decide_rows, history, undo
from toolkit.errors import UsageError
from toolkit.tables import to_rows
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace import Workspace

WEB = ("P1", "web")


def undecided() -> Rows:
    rows = world()
    rows["billing.charges"].append({"contract_code": "P1", "price_code": "web", "charge_type": "recurring"})
    rows["quickbooks.items"] += [item("I-9", "Web"), item("I-8", "Old", is_active=False)]
    rows["billing.customers"] += [
        customer("A3", "Crane Works"),
        customer("A4", "Dove Mill"),
        customer("A5", "acme"),
    ]
    return rows


@pytest.fixture
def ws(tmp_path: Path) -> Any:
    made = Workspace.create(tmp_path / "ws", company="Fabrikam", password="not a secret")
    made.set("cutover_date", "2025-12-31")
    for name, frame in frames(undecided()).items():
        made.write(name, frame)
    with made:
        yield made


def row(ws: Workspace, what: str, **key: str) -> dict[str, Any]:
    frame: pd.DataFrame = getattr(cutover.match(ws), what)
    (found,) = [row for row in to_rows(frame) if all(row[name] == text for name, text in key.items())]
    return found


def test_one_line_decides_and_shows_the_row_as_it_is_then(ws: Workspace) -> None:
    (made,) = to_rows(decide(ws, "charges", WEB, "Web", "agreed with Ann", who="bob"))
    assert (made["status"], made["item_list_id"], made["decided_by"], made["note"]) == (
        "mapped",
        "I-9",
        "bob",
        "agreed with Ann",
    )
    assert row(ws, "charges", price_code="web")["status"] == "mapped"


def test_the_person_at_the_keyboard_decides(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "carla")
    (made,) = to_rows(decide(ws, "charges", WEB, "Web"))
    assert made["decided_by"] == "carla"


def test_it_is_kept_exactly_as_the_workbook_keeps_it(ws: Workspace, tmp_path: Path) -> None:
    decide(ws, "charges", WEB, "Web", "why", who="bob")
    decide(ws, "customers", "A3", "(new)", "why", who="bob")
    ours = {name: to_rows(ws.read(name)) for name in ("mapping.charge_items", "mapping.customers")}
    undo(ws, "charges", WEB)
    undo(ws, "customers", "A3")
    path = tmp_path / "m.xlsx"
    cutover.write_mapping(ws, path)
    filled = [
        {"sheet": "Charges", "contract_code": "P1", "price_code": "web", "decision": "Web", "note": "why"},
        {"sheet": "Customers", "account_number": "A3", "decision": "(new)", "note": "why"},
    ]
    fill_decisions(path, filled)
    cutover.read_mapping(ws, path, "bob")
    theirs = {name: to_rows(ws.read(name)) for name in ours}
    for rows in (*ours.values(), *theirs.values()):
        for each in rows:
            each.pop("decided_at")
    assert ours == theirs


def test_undoing_brings_the_candidates_back_and_keeps_the_history(ws: Workspace) -> None:
    before = row(ws, "charges", price_code="web")
    assert before["suggestion"] == "Web"
    decide(ws, "charges", WEB, "Hosting", "first thought", who="bob")
    decide(ws, "charges", WEB, "Web", "second", who="ann")
    (again,) = to_rows(undo(ws, "charges", WEB, "not sure", who="ann"))
    assert again == before
    past = history(ws, "charges", WEB)
    assert list(past["decision"].fillna("-")) == ["Hosting", "Web", "-"]
    assert list(past["decided_by"]) == ["bob", "ann", "ann"]
    assert list(past["note"]) == ["first thought", "second", "not sure"]
    assert len(history(ws, "charges", ("P1", "Hosting"))) == 0
    assert len(history(ws, "charges")) == 3
    with pytest.raises(UsageError, match="no decision stands on it"):
        undo(ws, "charges", WEB)


BAD = [
    (("charges", WEB, "Wb"), r"no item of exactly this full name: 'Wb' \(did you mean 'Web'\?\)"),
    (("charges", WEB, "Old"), "inactive"),
    (("charges", WEB, "Sales Tax"), "type SalesTax; right here"),
    (("charges", ("P1", "wab"), "Web"), r"charges has no \('P1', 'wab'\).*did you mean \('P1', 'web'\)"),
    (("charges", "web", "Web"), r"the key of charges is \(contract_code, price_code\)"),
    (("charges", WEB, ""), "to take a decision back: undo"),
    (("charge", WEB, "Web"), "nothing called 'charge' to decide on: charges, customers"),
    (("customers", "A3", "Nobody Inc"), "no customer of exactly this full name"),
    (("customers", "A5", "(new)"), "a customer of that name already"),
    (("charges", ("P1", "Hosting"), "(none)"), "money hangs on it"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_what_cannot_be_taken_says_what_to_do_and_changes_nothing(
    ws: Workspace, arguments: tuple[Any, Any, str], says: str
) -> None:
    before = ws.ledger.decisions_stamp()
    with pytest.raises(UsageError, match=says):
        decide(ws, *arguments)
    assert ws.ledger.decisions_stamp() == before


def test_many_are_new_at_once_by_a_mask_or_by_number(ws: Workspace) -> None:
    customers = cutover.match(ws).customers
    made = decide_new(ws, customers["name"].isin(["Crane Works", "Dove Mill"]), "both signed up in May")
    assert [(each["account_number"], each["status"]) for each in to_rows(made)] == [
        ("A3", "new"),
        ("A4", "new"),
    ]
    undo(ws, "customers", "A4")
    decide_new(ws, ["A4"])
    assert row(ws, "customers", account_number="A4")["new_name"] == "Dove Mill"


def test_of_many_all_are_taken_or_none(ws: Workspace) -> None:
    with pytest.raises(UsageError, match="nothing was decided: 'A5'"):
        decide_new(ws, ["A3", "A5"])
    with pytest.raises(UsageError, match=r"this one 2 of bool"):
        decide_new(ws, pd.Series([True, False]))
    with pytest.raises(UsageError, match="no customer is chosen"):
        decide_new(ws, cutover.match(ws).customers["name"] == "Nobody")
    assert len(ws.read("mapping.customers")) == 0


def test_a_frame_of_decisions(ws: Workspace) -> None:
    wanted = cutover.match(ws).charges[["contract_code", "price_code", "suggestion"]]
    wanted = wanted[wanted["suggestion"].notna()].rename(columns={"suggestion": "decision"})
    made = decide_rows(ws, "charges", wanted.assign(note="as suggested, looked at"))
    assert set(made["status"]) == {"mapped"}
    with pytest.raises(UsageError, match="lacks the columns price_code"):
        decide_rows(ws, "charges", wanted[["contract_code", "decision"]])


def test_a_payment_method_with_its_deposit_account(ws: Workspace) -> None:
    (made,) = to_rows(decide(ws, "payment_methods", "ACH", "ACH", deposit_account="Card Clearing"))
    assert made["deposit_account_full_name"] == "Card Clearing"
    with pytest.raises(UsageError, match="type Income"):
        decide(ws, "payment_methods", "ACH", "ACH", deposit_account="Sales")
    with pytest.raises(UsageError, match="deposit_account is nothing to decide on charges"):
        decide(ws, "charges", WEB, "Web", deposit_account="Sales")


def test_one_value_is_corrected_and_taken_back(ws: Workspace) -> None:
    cell = ("billing.customers", "A3", "phone")
    (made,) = to_rows(correct(ws, cell, "555 0100", "called them", who="ann"))
    assert (made["value"], made["note"], made["decided_by"]) == ("555 0100", "called them", "ann")
    with pytest.raises(UsageError, match="it has 30 characters, QuickBooks takes 21"):
        correct(ws, cell, "5" * 30)
    (again,) = to_rows(correct(ws, cell, "555 0101"))
    assert (again["value"], again["note"]) == ("555 0101", "called them")
    with pytest.raises(UsageError, match="needs its reason: say why in note"):
        correct(ws, ("billing.customers", "A4", "phone"), "555 0100")
    assert len(undo(ws, "corrections", cell)) == 0
    past = list(history(ws, "corrections", cell)["decision"].fillna("-"))
    assert past == ["(corrected)", "(corrected)", "-"]
    with pytest.raises(UsageError, match="no correction stands"):
        undo(ws, "corrections", cell)


def test_proposals_are_accepted_in_bulk_each_judged_by_itself(ws: Workspace) -> None:
    rows = undecided()["billing.customers"]
    rows[2] |= {"bill_street1": "1280 Harbour Promenade, Calibration Hall North, Floor Four"}
    rows[3] |= {"bill_city": "Łódź"}
    ws.write("billing.customers", frames({"billing.customers": rows})["billing.customers"])
    decide_new(ws, ["A3", "A4"])
    proposals = correcting.proposals(ws).proposals
    assert len(accept(ws, proposals, "as proposed, looked at", who="ann")) == 0
    made = {row["column"]: row["value"] for row in to_rows(ws.read("mapping.corrections"))}
    assert made == {
        "bill_street1": "1280 Harbour Promenade, Calibration Hall",
        "bill_street2": "North, Floor Four",
        "bill_city": "Lódz",
    }
    sent = set(cutover.plan_export(ws, new=True, customers=True).operations["key"])
    assert {"customer:A3", "customer:A4"} <= sent
    with pytest.raises(UsageError, match="none of these cells has a proposal"):
        accept(ws, correcting.proposals(ws).proposals)


def test_the_package_hands_them_out() -> None:
    import toolkit

    assert toolkit.decide is deciding.decide
    assert toolkit.show.__module__ == "toolkit.notebook"
