"""Each new kind of request: golden, valid by Intuit's schema, taken by the rehearsal company and tied out."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World
from export_world import (
    ALL,
    JANUARY,
    Rows,
    adjustment,
    application,
    customer,
    day,
    frames,
    item,
    line,
    settings,
    world,
)
from lxml import etree

from toolkit import cutover, cutover_posted, qbxml_io
from toolkit.errors import UsageError
from toolkit.outcomes import resolve
from toolkit.rehearsal import Company
from toolkit.tables import from_rows, to_rows
from toolkit.transform import plan_export

GOLDEN = Path(__file__).parent / "golden_qbxml"
CHOSEN = {"credit_mode": "payment", "credit_account": "Card Clearing", "closed_period": "first_open_day"}


def company_rows(*, computed: bool = False) -> Rows:
    """Return a company that keeps terms and classes, with adjustments of three kinds in a closed month."""
    rows = world()
    rows["quickbooks.company"][0] |= {
        "company_name": "Fabrikam",
        "closing_date": day(12),
        "is_using_class_tracking": True,
        "assign_classes_to": "Items",
        "default_item_sales_tax_list_id": "I-4",
        "default_item_sales_tax_full_name": "No Tax",
    }
    rows["quickbooks.classes"] = [
        {"list_id": "K-1", "name": "Web", "full_name": "Web", "is_active": True, "sublevel": 0}
    ]
    rows["quickbooks.terms"] = [
        {"list_id": "N-1", "name": "Net 30", "terms_type": "Standard", "std_due_days": 30, "is_active": True}
    ]
    rows["quickbooks.payment_methods"].append({"list_id": "M-7", "name": "Credit", "is_active": True})
    rows["quickbooks.items"][0] |= {"class_list_id": "K-1", "class_full_name": "Web"}
    rows["quickbooks.items"] += [
        item("I-20", "State", "SalesTax", tax_rate=Decimal(6)),
        item("I-21", "County", "SalesTax", tax_rate=Decimal("2.25")),
        item("I-22", "Both", "SalesTaxGroup"),
    ]
    rows["quickbooks.sales_tax_group_items"] = [
        {"sales_tax_group_list_id": "I-22", "line_number": n, "item_sales_tax_list_id": part}
        for n, part in enumerate(("I-20", "I-21"), start=1)
    ]
    rows["billing.charges"] += [
        {"contract_code": "P1", "price_code": name, "charge_type": "recurring", "is_tax": True}
        for name in ("State", "County")
    ]
    rows["billing.invoices"][0]["current_amount_due"] = Decimal("108.25")
    rows["billing.invoice_lines"] += [
        line("INV-1", "6.00", "State", charge_position=2, line_type="tax"),
        line("INV-1", "2.25", "County", charge_position=3, line_type="tax"),
    ]
    rows["billing.customers"] = [
        customer("A1", "Acme", terms_value=30, terms_units="Days"),
        customer("A2", "Bolt"),
        customer("A9", "New One", terms_value=30, terms_units="Days"),
    ]
    rows["mapping.customers"] = [{"account_number": "A9", "decision": "(new)"}]
    rows["mapping.terms"] = [
        {"terms_name": "30 Days", "terms_list_id": "N-1", "terms_full_name": "Net 30", "decision": "Net 30"}
    ]
    rows["billing.adjustments"] = [
        adjustment("HC-1", "5.00", reason_text="Sorry"),
        adjustment("W-1", "7.00", kind="write_off", reason_text="Bad debt"),
        adjustment("D-1", "-4.00", kind="house_debit", reason_text="Late fee"),
        adjustment("B-1", "1.00", kind="balance_adjustment"),
    ]
    rows["mapping.adjustments"] = [
        {
            "kind": kind,
            "decision": "House Credit",
            "item_list_id": "I-5",
            "item_full_name": "House Credit",
        }
        for kind in ("write_off", "house_debit")
    ]
    rows["billing.payment_applications"].append(application("HC-1", "INV-1", "5.00"))
    rows["mapping.numbers"] = [
        {"record_kind": "invoice", "number": "INV-1", "ref_number": "7001", "decision": "7001"}
    ]
    return rows


def requests(**text: str) -> dict[str, qbxml_io.Request]:
    plan = plan_export(frames(company_rows()), settings(**CHOSEN, **text), **JANUARY, **ALL)
    return {
        row["key"]: qbxml_io.Request(
            row["request"], resolve(json.loads(row["fields"]), lambda key: "9-1"), request_id="1"
        )
        for row in to_rows(plan.operations)
    }


@pytest.mark.parametrize(
    ("name", "key", "text"),
    [
        ("credit_payment", "payment:HC-1", {}),
        ("adjustment_credit_memo", "credit_memo:W-1", {}),
        ("adjustment_invoice", "invoice:debit:D-1", {}),
        ("invoice_tax_lines", "invoice:INV-1", {}),
        ("invoice_tax_group", "invoice:INV-1", {"tax_mode": "quickbooks"}),
        ("customer_terms", "customer:A9", {}),
    ],
)
def test_the_request_is_golden_and_valid_by_the_schema(
    shared: Path, name: str, key: str, text: dict[str, str]
) -> None:
    content = qbxml_io.build([requests(**text)[key]])
    schema = etree.XMLSchema(etree.parse(str(shared / "qbxml-schema" / "qbxmlops130.xsd")))
    schema.assertValid(etree.fromstring(content))
    golden = (GOLDEN / f"{name}.xml").read_text(encoding="utf-8")
    assert etree.canonicalize(content.decode(), strip_text=True) == etree.canonicalize(
        golden, strip_text=True
    )


# --- the exchange -------------------------------------------------------------------------------------------


def rehearsed(tmp_path: Path, **text: str) -> World:
    """Return a workspace with these tables, and the company that they describe."""
    made = World.make(tmp_path, pilot="false", cutover_date="2025-12-31")
    tables = frames(company_rows())
    for key, value in {"deposit_accounts.ACH": "Card Clearing", **CHOSEN, **text}.items():
        made.ws.set(key, value)
    quickbooks = {name: frame for name, frame in tables.items() if name.startswith("quickbooks.")}
    for name, frame in tables.items():
        if name.startswith("mapping."):
            made.ws.ledger.decide(name, [_given(row) for row in to_rows(frame)], "ann")
        else:
            made.ws.write(name, frame)
    company = Company.from_tables(quickbooks, clock=lambda: dt.datetime(2026, 2, 5, 9), strict=False)
    for name, frame in company.tables().items():
        made.ws.write(name, frame)
    return World.around(made.ws, company, made.clock)


def _given(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("tax_mode", ["lines", "quickbooks"])
def test_the_company_takes_all_of_it_and_holds_what_was_meant(tmp_path: Path, tax_mode: str) -> None:
    made = rehearsed(tmp_path, tax_mode=tax_mode)
    plan = cutover.plan_export(made.ws, **JANUARY, **ALL)
    queued = made.ws.queue(plan, approved_by="ann")
    assert queued.operations == 6, plan.findings[["rule", "message"]].to_dict("records")
    made.run()
    made.finish()
    listed = to_rows(made.ws.ledger.operations())
    assert {row["key"] for row in listed} == {
        *("customer:A9", "invoice:INV-1", "invoice:debit:D-1", "credit_memo:W-1"),
        *("payment:P-1", "payment:HC-1"),
    }
    assert {(row["status"], row["status_message"]) for row in listed} == {("applied", None)}
    for name, frame in made.company.tables().items():
        made.ws.write(name, frame)
    invoices = {row["ref_number"]: row for row in to_rows(made.ws.read("quickbooks.invoices"))}
    assert invoices["7001"]["balance_remaining"] == Decimal("43.25")  # 108.25 less 60.00 and 5.00
    assert invoices["7001"]["txn_date"] == dt.date(2026, 1, 13)
    assert invoices["7001"]["terms_full_name"] == "Net 30"
    # Nothing is sent twice, and what is posted by hand is the only thing between the two books.
    again = cutover.plan_export(made.ws, **JANUARY, **ALL)
    assert not len(again.operations)
    result = cutover.tie_out(made.ws)
    assert result.ties and [row["key"] for row in to_rows(result.differences)] == ["B-1"]


def test_what_is_posted_by_hand_stays_a_reconciling_item_until_its_txn_id_is_entered(tmp_path: Path) -> None:
    made = rehearsed(tmp_path)
    ws = made.ws
    ws.queue(cutover.plan_export(ws, **JANUARY, **ALL), approved_by="ann")
    made.run()
    made.finish()
    tables = made.company.tables()
    memo = {"txn_id": "BB-77", "customer_list_id": "C-1", "customer_full_name": "Acme", "txn_date": day(20)}
    memo |= {"total_amount": Decimal("1.00"), "ref_number": "H1", "credit_remaining": Decimal("1.00")}

    def entered(**more: Any) -> None:
        rows = [*to_rows(tables["quickbooks.credit_memos"]), memo | more]
        for name, frame in tables.items():
            ws.write(name, frame)
        ws.write("quickbooks.credit_memos", from_rows("quickbooks.credit_memos", rows))

    def open_items() -> list[str]:
        return [row["key"] for row in to_rows(cutover.tie_out(ws).differences)]

    entered(total_amount=Decimal("1.50"))
    assert open_items() == ["B-1"]
    with pytest.raises(UsageError, match=r"it is of 1.50, not of 1.00; nothing was kept"):
        cutover_posted.enter_posting(ws, "B-1", "BB-77", "ann")
    entered(customer_list_id="C-2", customer_full_name="Bolt")
    with pytest.raises(UsageError, match="it is of customer Bolt, not of Acme"):
        cutover_posted.enter_posting(ws, "B-1", "BB-77", "ann")
    with pytest.raises(UsageError, match="is not posted by hand"):
        cutover_posted.enter_posting(ws, "INV-1", "BB-77", "ann")
    with pytest.raises(UsageError, match="is no TxnID"):
        cutover_posted.enter_posting(ws, "B-1", "paid", "ann")
    entered()
    done = cutover_posted.enter_posting(ws, "adjustment:B-1", "BB-77", "ann", "by cheque")
    assert done.changed and str(done.check).endswith("customer and amount agree")
    assert not cutover_posted.enter_posting(ws, "B-1", "BB-77", "ann", "by cheque").changed
    assert open_items() == [] and cutover.tie_out(ws).ties
    entered(total_amount=Decimal("1.50"))  # somebody changed it since
    result = cutover.tie_out(ws)
    assert not result.ties and "but it is of 1.50, not of 1.00" in result.differences["reason"][0]
    entered()
    adjustments = to_rows(ws.read("billing.adjustments"))
    moved = [row | {"effective_date": row["effective_date"] + dt.timedelta(days=1)} for row in adjustments]
    ws.write("billing.adjustments", from_rows("billing.adjustments", moved))
    assert open_items() == ["B-1"]  # it changed since it was posted
    ws.write("billing.adjustments", from_rows("billing.adjustments", adjustments))
    assert open_items() == []
    cutover_posted.take_back_posting(ws, "B-1", "bob", "wrong one")
    assert open_items() == ["B-1"]
    kept = [row for row in to_rows(ws.read("ledger.decisions")) if row["table"] == "postings"]
    assert [(row["decision"], row["note"], row["decided_by"]) for row in kept] == [
        ("BB-77", "by cheque", "ann"),
        (None, "wrong one", "bob"),
    ]
    with pytest.raises(UsageError, match="no TxnID is entered for B-1"):
        cutover_posted.take_back_posting(ws, "B-1", "bob")
