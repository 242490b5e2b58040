"""What a person holds back of a plan, its sums, and that rows and money add up whatever is in the tables."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from export_world import (
    ALL,
    JANUARY,
    Rows,
    adjustment,
    application,
    customer,
    day,
    frames,
    invoice,
    item,
    line,
    payment,
    settings,
    world,
)
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit.cutover_export import filtered
from toolkit.errors import InputFileError, UsageError
from toolkit.qbxml_io import Request, build
from toolkit.tables import TABLES, to_rows
from toolkit.transform import Plan, plan_export
from toolkit.transform_filters import chosen
from toolkit.transform_shown import request_text
from toolkit.workbook_plan import write_plan

TEXT = {"credit_item": "House Credit"}


def company() -> Rows:
    """Return two customers with invoices, a new one, a receipt over two of them, a credit."""
    rows = world()
    rows["billing.customers"] += [customer("A9", "New One")]
    rows["mapping.customers"] = [{"account_number": "A9", "decision": "(new)"}]
    for number, account, amount, on in (
        ("INV-2", "A2", "40.00", day(11)),
        ("INV-9", "A9", "9.00", day(12)),
        ("INV-X", "A1", "-3.00", day(12)),
    ):
        rows["billing.invoices"].append(invoice(number, amount, account_number=account, invoice_date=on))
        rows["billing.invoice_lines"].append(line(number, amount))
    rows["billing.payments"].append(payment("P-2", "50.00"))
    rows["billing.payment_applications"] += [
        application("P-2", "INV-1", "10.00"),
        application("P-2", "INV-2", "40.00", seq=2),
    ]
    rows["billing.adjustments"] = [adjustment("HC-1", "5.00"), adjustment("W-1", "2.00", kind="write_off")]
    return rows


def planned(rows: Rows | None = None, **options: Any) -> Plan:
    return plan_export(frames(rows or company()), settings(**TEXT), **(options or JANUARY | ALL))


def keys(plan: Plan) -> set[str]:
    return set(plan.operations["key"])


def held(plan: Plan) -> dict[str, str]:
    return {row["source_key"]: row["reason"] for row in to_rows(plan.left_out) if row["rule"] == "held"}


def test_a_plan_that_nobody_reads_is_the_same_without_its_requests_written_out() -> None:
    written, quick = planned(), planned(**JANUARY, **ALL, qbxml=False)
    assert written.operations["qbxml"].notna().all() and quick.operations["qbxml"].isna().all()
    others = [name for name in written.operations.columns if name != "qbxml"]
    assert list(quick.operations.columns) == list(written.operations.columns)
    assert to_rows(quick.operations[others]) == to_rows(written.operations[others])
    for name in ("findings", "left_out", "totals", "post_by_hand", "passed"):
        assert to_rows(getattr(quick, name)) == to_rows(getattr(written, name))
    assert (quick.start, quick.end, quick.switches) == (written.start, written.end, written.switches)


def test_what_holds_an_id_that_is_not_known_yet_waits_for_it() -> None:
    """So the gate may judge the fields of all others as they are."""
    rows = company()
    below = customer("A8", "Below", parent_account_number="A9")
    rows["billing.customers"].append(below)
    rows["mapping.customers"].append({"account_number": "A8", "decision": "(new)"})
    made = {"item_type": "Service", "income_account_full_name": "Sales", "sales_tax_code_full_name": "Non"}
    rows["mapping.local_items"] = [{"name": "Top"} | made, {"name": "Top:Extra"} | made]
    rows["billing.charges"].append({"contract_code": "P1", "price_code": "Top:Extra", "charge_type": "x"})
    rows["billing.invoices"].append(invoice("INV-8", "7.00", account_number="A8"))
    rows["billing.invoice_lines"].append(line("INV-8", "7.00", "Top:Extra"))
    operations = to_rows(planned(rows).operations)
    waiting = {row["key"] for row in operations if '{"operation": ' in row["fields"]}
    assert {"customer:A8", "item:Top:Extra", "invoice:INV-8", "invoice:INV-9", "payment:P-1"} <= waiting
    assert waiting == {row["key"] for row in operations if row["depends_on"]}


def adds_up(plan: Plan, out: Decimal | None = None) -> None:
    """Assert that every row of the range is in one place, and that rows and money sum to the source."""
    parts = ("exported", "blocked", "left_out", "held")
    for row in to_rows(plan.totals):
        assert row["source_count"] == sum(row[f"{part}_count"] for part in parts), row
        if row["source_amount"] is not None:
            assert row["source_amount"] == sum(row[f"{part}_amount"] for part in parts), row
    stays = [(row["source_table"], row["source_key"]) for row in to_rows(plan.left_out)]
    goes = {(row["source_table"], row["source_key"]) for row in to_rows(plan.operations)}
    assert not Counter(stays) - Counter(set(stays)) and not goes & set(stays)
    for table in {row["source_table"] for row in to_rows(plan.totals)}:
        counted = sum(row["source_count"] for row in to_rows(plan.totals) if row["source_table"] == table)
        assert counted == len({place for place in [*stays, *goes] if place[0] == table})
    assert list(plan.operations["position"]) == list(range(1, len(plan.operations) + 1))
    there = set(plan.operations["key"])
    planned_before = there | set(plan.held["key"])
    for row in to_rows(plan.operations):
        assert not (set(row["depends_on"]) & planned_before) - there, row


# --- holding ------------------------------------------------------------------------------------------------


def test_what_is_held_takes_what_depends_on_it() -> None:
    plan = planned()
    adds_up(plan)
    less = plan.hold("account_number=A2 and record_kind=invoice", why="asked by Ann")
    adds_up(less)
    assert held(less)["INV-2"] == "held: asked by Ann"
    assert held(less)["P-2"] == "held: depends on invoice:INV-2, which is held"
    assert set(held(less)) == {"INV-2", "P-2"}  # a receipt is never sent in part
    assert set(less.held["key"]) == {"invoice:INV-2", "payment:P-2/A1", "payment:P-2/A2"}
    assert keys(plan) - keys(less) == set(less.held["key"])


def test_a_customer_that_is_held_holds_its_documents() -> None:
    assert set(held(planned().hold("key=customer:A9"))) == {"A9", "INV-9"}


def test_releasing_puts_everything_back_as_it_was() -> None:
    plan = planned()
    less = plan.hold("amount>=10").hold("account_number=A9")
    back = less.release()
    for name in ("operations", "left_out", "totals", "findings", "post_by_hand"):
        assert getattr(back, name).equals(getattr(plan, name)), name
    part = less.release("account_number=A9")
    adds_up(part)
    assert "invoice:INV-9" in keys(part) and "invoice:INV-1" not in keys(part)


def test_only_keeps_what_the_chosen_need() -> None:
    one = planned().only("source_key=INV-9")
    adds_up(one)
    assert keys(one) == {"customer:A9", "invoice:INV-9"}
    two = planned().only("source_key=P-2")
    assert keys(two) == {"invoice:INV-1", "invoice:INV-2", "payment:P-2/A1", "payment:P-2/A2"}


def test_an_item_by_hand_waits_with_the_last_row_that_needs_it() -> None:
    rows = company()
    rows["mapping.local_items"] = [
        {"name": "Fresh", "item_type": "Service", "income_account_full_name": "Sales"}
    ]
    rows["billing.charges"].append({"contract_code": "P1", "price_code": "Fresh", "charge_type": "x"})
    rows["mapping.charge_items"] = [
        {"contract_code": "P1", "price_code": "Fresh", "item_full_name": "Fresh", "decision": "Fresh"}
    ]
    rows["billing.invoice_lines"][0] |= {"price_code": "Fresh"}
    plan = planned(rows)
    assert "item:Fresh" in keys(plan)
    assert "item:Fresh" not in keys(plan.hold("source_key=INV-1"))
    assert "item:Fresh" in keys(plan.hold("source_key=INV-1").release())


@pytest.mark.parametrize(
    ("which", "chosen"),
    [
        ("account_number=A2|A9", {"A9", "INV-2", "INV-9", "P-2"}),
        ("amount>40", {"INV-1", "P-1", "P-2"}),
        ("txn_date=2026-01-11", {"INV-2", "P-2"}),
        ("txn_date>2026-01-12 and record_kind=payment", {"P-1", "P-2"}),
        ("customer_full_name~bol", {"INV-2", "P-2"}),
        ("account_number!=A1", {"A9", "INV-2", "INV-9", "P-2"}),
        ("ref_number=", {"A9", "INV-9"}),
        ("depends_on=invoice:INV-2", {"P-2"}),
        (lambda frame: frame["request"] == "CreditMemoAdd", {"INV-X", "HC-1"}),
    ],
)
def test_any_column_chooses(which: str | Callable[[pd.DataFrame], Any], chosen: set[str]) -> None:
    assert set(held(planned().hold(which))) == chosen


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("acount_number=A1", "did you mean account_number"),
        ("A1", "is no filter"),
        ("amount=ten", "amount cannot be 'ten'"),
        ("txn_date>soon", "txn_date cannot be 'soon'"),
        ([True], "a filter of 1 truths does not fit"),
        ("__import__('os')", "is no filter"),
    ],
)
def test_a_filter_that_is_none_changes_nothing(which: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned().hold(which)


def test_filters_of_the_command_line_see_the_whole_plan() -> None:
    plan = filtered(planned(), hold=["source_key=INV-1", "source_key=P-1"])
    assert set(held(plan)) == {"INV-1", "P-1", "P-2"}
    both = filtered(planned(), hold=["source_key=P-2"], only=["account_number=A1", "account_number=A2"])
    adds_up(both)
    assert keys(both) == {
        "invoice:INV-1",
        "invoice:INV-2",
        "credit_memo:INV-X",
        "credit_memo:HC-1",
        "payment:P-1",
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"hold": ["account_number=A99"]}, "did you mean account_number=A9"),
        ({"hold": ["account_number=a1"]}, "did you mean account_number=A1"),
        ({"hold": ["source_key=INV-1", "customer_full_name~nobody|none"]}, "chooses no row of this export"),
        ({"only": ["account_number=A1", "source_key=INV-1000"]}, "did you mean source_key=INV-1"),
        ({"hold": ["customer_full_name~Bolt|"]}, "contains nothing to look for"),
    ],
)
def test_a_filter_that_chooses_nothing_is_refused(wrong: dict[str, list[str]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        filtered(planned(), **wrong)


def test_nothing_is_refused_where_nothing_is_left_to_hold() -> None:
    plan = planned(start="2027-01-01", end="2027-01-02", invoices=True)
    assert not len(plan.operations) and not len(filtered(plan, hold=["account_number=A1"]).operations)


@pytest.mark.parametrize(
    "which",
    [
        "customer_full_name=Smith and Sons",
        "customer_full_name='Smith and Sons' and amount=100",
        'customer_full_name="Smith and Sons"|"Bolt | and x=1" and record_kind=invoice and source_key=INV-1',
        "customer_full_name~smith AND sons|nobody and source_key=INV-1",
    ],
)
def test_a_value_may_hold_the_words_between_conditions(which: str) -> None:
    frame = planned().operations
    frame["customer_full_name"] = frame["customer_full_name"].replace("Acme", "Smith and Sons")
    assert "INV-1" in {row["source_key"] for row in chosen(frame, which)}
    frame["customer_full_name"] = frame["customer_full_name"].replace("Smith and Sons", "Smith")
    assert not chosen(frame, which)


# --- sums and qbXML -----------------------------------------------------------------------------------------


def test_the_sums_are_those_of_the_operations() -> None:
    plan = planned()
    for frame, name in (
        (plan.by_day, "by_day"),
        (plan.by_customer, "by_customer"),
        (plan.by_item, "by_item"),
    ):
        assert list(frame.columns) == TABLES[f"plan.{name}"].names
    assert [(row["txn_date"], row["receivable"]) for row in to_rows(plan.by_day)] == [
        (day(10), Decimal("100.00")),
        (day(11), Decimal("40.00")),
        (day(12), Decimal("6.00")),
        (day(15), Decimal("-5.00")),
        (day(20), Decimal("-110.00")),
    ]
    assert plan.by_customer["receivable"].sum() == plan.by_day["receivable"].sum() == Decimal("31.00")
    items = {row["item_full_name"]: row["amount"] for row in to_rows(plan.by_item)}
    assert items == {"Hosting": Decimal("146.00"), "House Credit": Decimal("-5.00")}
    less = plan.hold("record_kind=payment")
    assert less.by_day["payments"].sum() == 0 and less.by_item.equals(plan.by_item)


def test_each_operation_shows_its_qbxml() -> None:
    shown = {row["key"]: row["qbxml"] for row in to_rows(planned().operations)}
    assert shown["invoice:INV-9"].startswith("<InvoiceAddRq>\n  <InvoiceAdd>\n    <CustomerRef>")
    assert "<ListID>{ListID of customer:A9}</ListID>" in shown["invoice:INV-9"]
    assert "<TxnID>{TxnID of invoice:INV-2}</TxnID>" in shown["payment:P-2/A2"]
    assert all(text.endswith("Rq>") for text in shown.values())


# --- the law ------------------------------------------------------------------------------------------------

CODES = st.sampled_from(["Hosting", "Hosting", "Promo", "Unknown"])
DATES = st.dates(dt.date(2025, 12, 28), dt.date(2026, 2, 3))
AMOUNTS = st.decimals("-50", "200", places=2)
ACCOUNTS = st.sampled_from(["A1", "A2", "A9", "A7"])


@st.composite
def billings(draw: st.DrawFn) -> Rows:
    """Draw BluBilling's tables, with rows of every fate in them."""
    rows = world()
    rows["quickbooks.items"].append(item("I-9", "Sales Tax 2", "SalesTax", tax_rate=Decimal(1)))
    rows["billing.customers"] += [customer("A9", "New One"), customer("A7", "Undecided")]
    rows["mapping.customers"] = [{"account_number": "A9", "decision": "(new)"}]
    rows["billing.invoices"], rows["billing.invoice_lines"] = [], []
    for number in range(draw(st.integers(0, 6))):
        name, amount = f"INV-{number}", draw(AMOUNTS)
        made = invoice(name, "0.00", account_number=draw(ACCOUNTS), invoice_date=draw(DATES))
        made |= {"current_amount_due": amount, "currency": draw(st.sampled_from([None, "USD", "EUR"]))}
        statuses = ["Outstanding", "Paid", "Draft", "CarriedOver", "Cancelled"]
        rows["billing.invoices"].append(made | {"status": draw(st.sampled_from(statuses))})
        rows["billing.invoice_lines"].append(line(name, f"{amount}", draw(CODES)))
    rows["billing.payments"], rows["billing.payment_applications"] = [], []
    for number in range(draw(st.integers(0, 5))):
        name, amount = f"P-{number}", draw(AMOUNTS)
        kind = draw(st.sampled_from(["Payment", "Payment", "Refund"]))
        made = payment(name, f"{amount}", payment_type=kind, account_number=draw(ACCOUNTS))
        made |= {"effective_date": draw(DATES), "status": draw(st.sampled_from(["Paid", "Paid", "Declined"]))}
        rows["billing.payments"].append(made)
        if rows["billing.invoices"] and draw(st.booleans()):
            to = draw(st.sampled_from(rows["billing.invoices"]))["invoice_number"]
            rows["billing.payment_applications"].append(application(name, to, f"{amount}"))
    rows["billing.adjustments"] = [
        adjustment(f"HC-{number}", f"{draw(AMOUNTS)}", account_number=draw(ACCOUNTS))
        | {"effective_date": draw(DATES), "kind": draw(st.sampled_from(["house_credit", "write_off", "x"]))}
        for number in range(draw(st.integers(0, 4)))
    ]
    if draw(st.booleans()):
        rows["mapping.adjustments"] = [
            {"kind": "write_off", "decision": "House Credit", "item_list_id": "I-5"},
        ]
    return rows


@examples(max_examples=15, deadline=None)
@given(
    rows=billings(),
    credit_mode=st.sampled_from(["credit_memo", "payment"]),
    which=st.sampled_from(["account_number=A1", "amount>20", "record_kind=customer", "txn_date>2026-01-15"]),
    limit=st.sampled_from([None, None, 2]),
)
def test_rows_and_money_add_up_to_the_source(
    rows: Rows, credit_mode: str, which: str, limit: int | None
) -> None:
    """Every row of BluBilling's is exported, blocked, left out, held or out of range, once."""
    chosen = settings(**TEXT, credit_mode=credit_mode, credit_account="Card Clearing")
    rows["quickbooks.payment_methods"].append({"list_id": "M-7", "name": "Credit", "is_active": True})
    plan = plan_export(frames(rows), chosen, **JANUARY, **ALL, limit=limit)
    amounts = {
        "billing.invoices": ("current_amount_due", "invoice_date"),
        "billing.payments": ("amount", "effective_date"),
        "billing.adjustments": ("amount", "effective_date"),
    }
    for each in (plan, plan.hold(which), plan.only(which), plan.hold(which).release()):
        adds_up(each)
        for table, (amount, date) in amounts.items():
            total = [row for row in to_rows(each.totals) if row["source_table"] == table]
            for currency in {row.get("currency") or "USD" for row in rows[table]}:
                mine = [row for row in rows[table] if (row.get("currency") or "USD") == currency]
                inside = [row for row in mine if day(1) <= row[date] <= day(31)]
                [found] = [row for row in total if row["currency"] == currency]
                assert found["source_count"] == len(inside)
                assert found["source_amount"] == sum(row[amount] for row in inside)
                assert found["out_of_range_count"] == len(mine) - len(inside)


# --- the workbook -------------------------------------------------------------------------------------------


def test_a_plan_is_a_workbook_with_what_is_posted_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    write_plan(path, planned().hold("source_key=INV-2"))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:3] == ["operations", "left_out", "totals"] and "by_item" in book.sheetnames
    head, row = ([cell.value for cell in line] for line in book["post_by_hand"].iter_rows(max_row=2))
    shown = dict(zip(head, row, strict=True))
    assert (shown["source_key"], shown["kind"], shown["amount"]) == ("W-1", "write_off", 2)
    assert {row[6].value for row in book["left_out"].iter_rows(min_row=2)} == {"held", "post_by_hand"}
    with pytest.raises(InputFileError):
        write_plan(tmp_path / "plan.txt", planned())


# --- the requests as people see them ------------------------------------------------------------------------


@pytest.mark.parametrize("note", ["July", "July\nAugust", "July\n      August", "July\n \n    August"])
def test_a_request_is_shown_from_the_margin_and_a_value_with_its_own_lines(note: str) -> None:
    """As the standard library takes the margin away, whatever lines a value has."""
    fields = {"CustomerRef": {"ListID": "80-1"}, "Memo": note}
    document = build([Request("InvoiceAdd", fields)]).decode("ascii")
    start, end = document.index("    <InvoiceAddRq>"), document.index("\n  </QBXMLMsgsRq>")
    assert request_text("InvoiceAdd", fields) == textwrap.dedent(document[start:end])
