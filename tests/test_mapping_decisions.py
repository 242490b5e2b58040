"""Decisions in a real ledger: what they were made against, renamed, undone, gone, and retired when done."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from toolkit import cutover, mapping
from toolkit.mapping_changes import LONGEST_PRICE_CODE
from toolkit.settings import Settings
from toolkit.tables import empty, from_rows, to_rows
from toolkit.workspace import Workspace

Row = dict[str, Any]
HOST = {"contract_code": "P1", "price_code": "HOST"}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "ws", company="Acme", password="a password of mine")


def charges(*rows: Row) -> pd.DataFrame:
    return from_rows("billing.charges", [{"charge_type": "recurring", **row} for row in rows])


def named(table: str, name: str, **more: Any) -> pd.DataFrame:
    """Return one row of a list of QuickBooks, ListID ``80-1``."""
    full = {} if table in ("terms", "payment_methods") else {"full_name": name}
    return from_rows(
        f"quickbooks.{table}", [{"list_id": "80-1", "name": name, "is_active": True, **full, **more}]
    )


def lines(*codes: str | None, contract: str = "P1") -> pd.DataFrame:
    plain = {"invoice_number": "I1", "charge_position": 1, "amount": Decimal(1), "contract_code": contract}
    return from_rows(
        "billing.invoice_lines",
        [{**plain, "line_position": n, "price_code": code} for n, code in enumerate(codes)],
    )


def match(ws: Workspace, kind: str, name: str, **more: Any) -> pd.DataFrame:
    """Match one thing of a kind against one thing of QuickBooks with the decisions of the ledger."""
    paid: Row = {"payment_number": "Y1", "account_number": "A1", "payment_type": "Payment", "status": "Paid"}
    day = {"effective_date": dt.date(2026, 1, 31), "amount": Decimal("-5.00")}
    known = ws.ledger.decisions(kind)
    if kind == "charge_items":
        return mapping.match_charges(charges(HOST), named("items", name, item_type="Service", **more), known)
    if kind == "taxes":
        tax = {**to_rows(lines("?"))[0], "line_type": "tax", "tax_name": "VAT"}
        held = named("items", name, item_type="SalesTax", **more)
        taxed = from_rows("billing.invoice_lines", [tax])
        return mapping.match_taxes(empty("billing.charges"), held, known, invoice_lines=taxed)
    if kind == "customers":
        ours = from_rows("billing.customers", [{"account_number": "A1", "name": "zz"}])
        return mapping.match_customers(ours, named("customers", name, **more), known)
    if kind == "terms":
        ours = from_rows("billing.customers", [{"account_number": "A1", "name": "z", "terms_value": 30}])
        return mapping.match_terms(ours, named("terms", name, **more), known)
    if kind == "payment_methods":
        money = from_rows("billing.payments", [{**paid, **day, "method": "Token"}])
        return mapping.match_payment_methods(money, named("payment_methods", name, **more), known)
    adjusted = from_rows(
        "billing.adjustments", [{**day, "adjustment_id": "J1", "account_number": "A1", "kind": "write_off"}]
    )
    return mapping.match_adjustments(adjusted, named("items", name, item_type="Service", **more), known)


KINDS: dict[str, tuple[str, str, Row]] = {
    "charge_items": ("charges", "item", HOST),
    "taxes": ("taxes", "item", {"tax_name": "VAT"}),
    "customers": ("customers", "customer", {"account_number": "A1"}),
    "terms": ("terms", "terms", {"terms_name": "30"}),
    "payment_methods": ("payment_methods", "payment_method", {"method": "Token"}),
    "adjustments": ("adjustments", "item", {"kind": "write_off"}),
}


def of_key(frame: pd.DataFrame, key: Row) -> Row:
    return next(row for row in to_rows(frame) if all(row[name] == value for name, value in key.items()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_renamed_stays_mapped_and_is_reported_whatever_it_is(ws: Workspace, kind: str) -> None:
    argument, prefix, key = KINDS[kind]
    choice = {"decision": "Old name", f"{prefix}_list_id": "80-1", f"{prefix}_full_name": "Old name"}
    ws.ledger.decide(kind, [{**key, **choice, "note": "as agreed"}], "ann")
    for name, rules in (("Old name", []), ("New name", ["renamed"])):
        frame = match(ws, kind, name)
        row = of_key(frame, key)
        assert (row["status"], row[f"{prefix}_list_id"], row[f"{prefix}_full_name"]) == (
            "mapped",
            "80-1",
            name,
        )
        assert (row["decided_by"], row["note"], row["decision"]) == ("ann", "as agreed", "Old name")
        assert row["decided_at"] is not None
        found = to_rows(mapping.mapping_findings(**{argument: frame}))
        assert [one["rule"] for one in found] == rules
        assert all(one["table"] == f"mapping.{kind}" and one["value"] == name for one in found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_gone_is_decided_anew_and_the_decision_is_shown(ws: Workspace, kind: str) -> None:
    _, prefix, key = KINDS[kind]
    ws.ledger.decide(kind, [{**key, "decision": "It", f"{prefix}_list_id": "80-1"}], "ann")
    row = of_key(match(ws, kind, "It", left_at=dt.datetime(2026, 1, 1)), key)
    expected = ("undecided", "customer_gone") if kind == "customers" else ("mismatch", "item_gone")
    assert (row["status"], row["reason"], row["decision"]) == (*expected, "It")
    assert row[f"{prefix}_list_id"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_undoing_a_decision_brings_back_what_was_there_and_keeps_the_history(
    ws: Workspace, kind: str
) -> None:
    _, prefix, key = KINDS[kind]
    before = match(ws, kind, "Something")
    for name in ("First", "Second"):
        ws.ledger.decide(kind, [{**key, "decision": name, f"{prefix}_list_id": "80-1"}], "ann")
    assert of_key(match(ws, kind, "Something"), key)["status"] == "mapped"
    assert ws.ledger.decide(kind, [{**key, "decision": None, "note": "wrong"}], "bob") == 1
    pd.testing.assert_frame_equal(match(ws, kind, "Something"), before)
    values = [key.get(column) for column in _key_columns(kind)]
    history = ws.ledger.decision_history(kind, values)
    assert [(one["decision"], one["who"], one["note"]) for one in history] == [
        ("First", "ann", None),
        ("Second", "ann", None),
        (None, "bob", "wrong"),
    ]
    assert history[0]["values"] == {f"{prefix}_list_id": "80-1"}


def _key_columns(kind: str) -> tuple[str, ...]:
    from toolkit.tables import TABLES

    return TABLES[f"mapping.{kind}"].key


def test_a_suggestion_comes_back_with_the_mismatch(ws: Workspace) -> None:
    held = named("items", "Host", item_type="Service")
    for decision, shown in ((None, "Host"), ("(none)", None), (None, "Host")):
        ws.ledger.decide("charge_items", [{**HOST, "decision": decision}], "ann")
        (row,) = to_rows(mapping.match_charges(charges(HOST), held, ws.ledger.decisions("charge_items")))
        assert row["suggestion"] == shown


def test_a_tax_of_the_time_when_its_name_alone_was_its_key_is_still_decided(ws: Workspace) -> None:
    from sqlalchemy import insert

    from toolkit.ledger_schema import decisions

    old = {"table": "mapping.taxes", "key": '["VAT"]', "decision": "It", "note": None}
    more = {"values": '{"item_list_id": "80-1"}', "who": "ann", "at": dt.datetime(2026, 1, 1)}
    with ws.ledger.writing() as connection:
        connection.execute(insert(decisions), [{**old, **more}])
    assert of_key(match(ws, "taxes", "It"), {"tax_name": "VAT"})["status"] == "mapped"
    ws.ledger.decide("taxes", [{"tax_name": "VAT", "decision": None}], "bob")
    assert ws.ledger.decisions("taxes").empty
    of_plan = {"contract_code": "P1", "price_code": "VAT"}
    ws.ledger.decide(
        "taxes", [{**of_plan, "decision": "It"}, {"tax_name": "VAT", "decision": "Other"}], "bob"
    )
    kept = {
        (row["contract_code"], row["price_code"], row["tax_name"]): row["decision"]
        for row in to_rows(ws.ledger.decisions("taxes"))
    }
    assert kept == {("P1", "VAT", None): "It", (None, None, "VAT"): "Other"}


# --- changes in BluBilling ----------------------------------------------------------------------------------


def test_price_codes_to_correct_until_they_are_and_the_decision_retires(ws: Workspace) -> None:
    held = named("items", "Web Hosting", item_type="Service")
    ws.ledger.decide(
        "charge_items", [{**HOST, "decision": "Web Hosting", "item_list_id": "80-1", "note": "why"}], "ann"
    )

    asked = empty("match.changes")

    def step(loaded: pd.DataFrame, billed: pd.DataFrame) -> tuple[list[Row], list[Row], pd.DataFrame]:
        nonlocal asked
        known = ws.ledger.decisions("charge_items")
        matched = mapping.match_charges(loaded, held, known, invoice_lines=billed)
        changes = mapping.changes_in_blubilling(matched)
        done = mapping.retired(loaded, billed, matched, known, asked)
        asked = mapping.changes_to_keep(changes, asked, matched, known)
        return to_rows(changes), done, matched

    changes, done, _ = step(charges(HOST), lines("HOST", "HOST"))
    (change,) = changes
    assert (change["price_code"], change["price_code_wanted"], change["problem"]) == (
        "HOST",
        "Web Hosting",
        None,
    )
    assert (change["item_list_id"], change["lines"], change["amount"]) == ("80-1", 2, Decimal(2))
    assert (change["decided_by"], change["note"]) == ("ann", "why")
    assert done == []

    # Corrected at the source: the new code is exact, and the old one stays while lines still carry it.
    corrected = charges({**HOST, "price_code": "Web Hosting"})
    changes, done, matched = step(corrected, lines("HOST"))
    assert (changes, done, list(matched["status"])) == ([], [], ["exact"])
    changes, done, matched = step(corrected, lines("Web Hosting"))
    assert [(row["price_code"], row["decision"]) for row in done] == [("HOST", None)]
    assert "price code any more" in done[0]["note"]
    # Of a file of other charges nothing follows, though it is of the same plan.
    for code in ("OTHER", "Web Hosting 2"):
        assert step(charges({**HOST, "price_code": code}), lines("OTHER"))[1] == []
    assert step(charges({"contract_code": "P2", "price_code": "Web Hosting"}), lines("OTHER"))[1] == []
    assert ws.ledger.decide("charge_items", done, "toolkit") == 1
    assert ws.ledger.decisions("charge_items").empty
    assert [one["who"] for one in ws.ledger.decision_history("charge_items", ["P1", "HOST"])] == [
        "ann",
        "toolkit",
    ]
    assert step(corrected, lines("Web Hosting"))[1] == []


def test_a_charge_missing_beside_one_that_was_exact_all_along_keeps_its_decision(ws: Workspace) -> None:
    now, old = {**HOST, "price_code": "Hosting"}, {**HOST, "price_code": "HOST-OLD"}
    ws.write("quickbooks.items", named("items", "Hosting", item_type="Service"))
    said = {"decision": "Hosting", "item_list_id": "80-1", "item_full_name": "Hosting"}
    ws.ledger.decide("charge_items", [{**old, **said, "note": "the old price"}], "ann")

    def load(*codes: Row) -> int:
        ws.write("billing.charges", charges(*codes))
        return cutover.retire_decisions(ws)

    def stands() -> bool:
        [row] = to_rows(ws.ledger.decisions("charge_items")) or [{}]
        return row.get("note") == "the old price"

    # Whether the whole plan was looked at before or not: the code that it goes to was there already.
    assert (load(now), stands()) == (0, True)
    assert (load(now, old), load(now), stands()) == (0, 0, True)
    # Nor does a file without either say anything of the next one.
    assert (load({**HOST, "price_code": "OTHER"}), load(now), stands()) == (0, 0, True)
    # Alone in its plan, it can be corrected there; then it retires. One made after that is another decision.
    assert (load(old), load(now), stands()) == (0, 1, False)
    ws.ledger.decide("charge_items", [{**old, **said, "note": "the old price"}], "ann")
    assert (load(now), stands()) == (0, True)
    ws.ledger.decide("charge_items", [{**old, "decision": None}], "ann")
    assert load(now, old) == 0


def test_a_decision_that_the_item_itself_made_needless_retires(ws: Workspace) -> None:
    ws.ledger.decide("charge_items", [{**HOST, "decision": "Web", "item_list_id": "80-1"}], "ann")
    known = ws.ledger.decisions("charge_items")
    for name, expected in (("HOST", [HOST]), ("Web", [])):
        matched = mapping.match_charges(charges(HOST), named("items", name, item_type="Service"), known)
        done = mapping.retired(charges(HOST), lines(), matched, known, empty("match.changes"))
        assert [{key: row[key] for key in HOST} for row in done] == expected


def test_a_decision_does_not_retire_where_nothing_is_known(ws: Workspace) -> None:
    none = {"contract_code": "P2", "price_code": None, "decision": "(none)"}
    ws.ledger.decide("charge_items", [{**HOST, "decision": "Web", "item_list_id": "80-1"}, none], "ann")
    known, held = ws.ledger.decisions("charge_items"), named("items", "Other", item_type="Service")
    for loaded in (empty("billing.charges"), charges({"contract_code": "P9", "price_code": "X"})):
        matched = mapping.match_charges(loaded, held, known)
        done = mapping.retired(loaded, lines(), matched, known, empty("match.changes"))
        assert done == [], "of these plans nothing is loaded"
    # One that goes elsewhere than its equal name is no exact one, and stays.
    both = from_rows(
        "quickbooks.items",
        [
            {"list_id": "80-1", "name": "Web", "full_name": "Web", "item_type": "Service"},
            {"list_id": "80-2", "name": "HOST", "full_name": "HOST", "item_type": "Service"},
        ],
    )
    matched = mapping.match_charges(charges(HOST), both, known)
    assert mapping.retired(charges(HOST), lines(), matched, known, empty("match.changes")) == []


def test_codes_that_blubilling_cannot_take_are_told(ws: Workspace) -> None:
    long = "W" * (LONGEST_PRICE_CODE + 1)
    names = ["Fits", long, "Held", "Twice"]
    held = from_rows(
        "quickbooks.items",
        [
            {"list_id": f"80-{n}", "name": name, "full_name": name, "item_type": "Service"}
            for n, name in enumerate(names)
        ],
    )
    wanted = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 3}
    ws.ledger.decide(
        "charge_items",
        [
            {"contract_code": "P1", "price_code": code, "decision": names[n], "item_list_id": f"80-{n}"}
            for code, n in wanted.items()
        ],
        "ann",
    )
    loaded = charges(
        *({"contract_code": "P1", "price_code": code} for code in [*wanted, "Held"]),
        {"contract_code": "P2", "price_code": "Fits"},
    )
    matched = mapping.match_charges(
        loaded, held, ws.ledger.decisions("charge_items"), invoice_lines=lines("c", "c", "e")
    )
    changes = to_rows(mapping.changes_in_blubilling(matched))
    assert {row["price_code"]: row["problem"] for row in changes} == {
        "a": None,
        "b": "too_long",
        "c": "taken",
        "d": "taken",
        "e": "taken",
    }
    assert [row["price_code"] for row in changes[:2]] == ["c", "e"], "the most money first"
    # The charge that carried invoices stand on is named in the upload: it keeps its code.
    carrying = Settings({"carry_forward.plan": "P1", "carry_forward.price_code": "c"})
    kept = to_rows(mapping.changes_in_blubilling(matched, settings=carrying))
    assert [row["price_code"] for row in kept] == [r["price_code"] for r in changes if r["price_code"] != "c"]
