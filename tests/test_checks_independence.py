"""An error blocks its row and what depends on it, and nothing else: without the row all else is the same."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

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
    line,
    payment,
    settings,
    world,
)
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

Place = tuple[str, str]
ACCOUNTS = ["A1", "A2", "A3", "A4"]  # two that QuickBooks has, and two to be made
KEYS = {
    "billing.customers": "account_number",
    "billing.invoices": "invoice_number",
    "billing.payments": "payment_number",
    "billing.adjustments": "adjustment_id",
}
OWNED = {
    "billing.invoices": ("billing.invoice_lines", "invoice_number"),
    "billing.payments": ("billing.payment_applications", "payment_number"),
}
WRONG_INVOICES = [
    {},
    {"current_amount_due": 1},
    {"currency": "EUR"},
    {"invoice_date": day(31, 12, 2025)},
    {"code": "Unheard"},
    {"description": "Łódź"},
    {"number": "INV-2026-{:06}"},
]
WRONG_PAYMENTS: list[dict[str, Any]] = [{}, {"method": "Paypal"}, {"unapplied_balance": 1}]


@st.composite
def companies(draw: st.DrawFn) -> Rows:
    """Draw a company with right rows and with rows that are wrong, each in its own way."""
    rows = world()
    names = {"A3": draw(st.sampled_from(["Crane", "C" * 42])), "A4": draw(st.sampled_from(["Dale", "D:E"]))}
    above = draw(st.sampled_from([None, "A1", "A3"]))
    for account, name in names.items():
        parent = above if account == "A4" else None
        rows["billing.customers"].append(customer(account, name, parent_account_number=parent))
        rows.setdefault("mapping.customers", []).append({"account_number": account, "decision": "(new)"})
    for name in ("invoices", "invoice_lines", "payments", "payment_applications", "adjustments"):
        rows[f"billing.{name}"] = []
    for place in range(draw(st.integers(2, 5))):
        wrong = dict(draw(st.sampled_from(WRONG_INVOICES)))
        number = wrong.pop("number", "I-{}").format(place)
        code, text = wrong.pop("code", "Hosting"), wrong.pop("description", "Hosting")
        more = {"account_number": draw(st.sampled_from(ACCOUNTS)), **wrong}
        rows["billing.invoices"].append(invoice(number, "50.00", **more))
        rows["billing.invoice_lines"].append(line(number, "50.00", code, description=text))
        if draw(st.booleans()):
            wrong = draw(st.sampled_from(WRONG_PAYMENTS))
            key = f"P-{place}"
            paid = payment(key, "20.00", account_number=more["account_number"], **wrong)
            rows["billing.payments"].append(paid)
            rows["billing.payment_applications"].append(application(key, number, "20.00"))
    for place in range(draw(st.integers(0, 2))):
        more = {"account_number": draw(st.sampled_from(ACCOUNTS))}
        rows["billing.adjustments"].append(adjustment(f"C-{place}", "5.00", **more))
    return rows


def planned(rows: Rows) -> Plan:
    return plan_export(frames(rows), settings(credit_item="House Credit"), **JANUARY, **ALL)


def dependents(rows: Rows, place: Place) -> set[Place]:
    """Return a row and all that hangs on it: what names the customer, what pays the invoice."""
    found, ahead = set(), [place]
    while ahead:
        table, key = ahead.pop()
        if (table, key) in found:
            continue
        found.add((table, key))
        if table == "billing.customers":
            ahead += [
                (other, row[name])
                for other, name in KEYS.items()
                for row in rows[other]
                if row.get("parent_account_number" if other == table else "account_number") == key
            ]
        elif table == "billing.invoices":
            paid = rows["billing.payment_applications"]
            ahead += [
                ("billing.payments", row["payment_number"]) for row in paid if row["invoice_number"] == key
            ]
    return found


def without(rows: Rows, place: Place) -> Rows:
    """Return the company without a row and its lines."""
    table, key = place
    left = {name: list(listed) for name, listed in rows.items()}
    left[table] = [row for row in rows[table] if row[KEYS[table]] != key]
    if table in OWNED:
        lines, name = OWNED[table]
        left[lines] = [row for row in rows[lines] if row[name] != key]
    return left


def told(plan: Plan, but: set[Place]) -> dict[Place, Any]:
    """Return of each row what becomes of it: its requests, or why it stays, and what was found on it."""
    said: defaultdict[Place, list[Any]] = defaultdict(list)
    for row in to_rows(plan.operations):
        said[row["source_table"], row["source_key"]].append((row["key"], row["fields"], row["depends_on"]))
    for row in to_rows(plan.left_out):
        said[row["source_table"], row["source_key"]].append((row["rule"], row["reason"]))
    for row in to_rows(plan.findings):
        key = (row["key"] or "").partition(" / ")[0]
        table = "billing.invoices" if row["table"] == "billing.invoice_lines" else row["table"]
        if table in KEYS:
            said[table, key].append((row["finding_id"], row["severity"], row["message"]))
    return {place: sorted(map(str, what)) for place, what in said.items() if place not in but}


def blocked(plan: Plan) -> list[Place]:
    rows = to_rows(plan.left_out)
    return [(row["source_table"], row["source_key"]) for row in rows if row["rule"] == "blocked"]


@examples(max_examples=12)
@given(rows=companies())
def test_what_is_blocked_changes_nothing_for_what_does_not_depend_on_it(rows: Rows) -> None:
    plan = planned(rows)
    sent = {(row["source_table"], row["source_key"]) for row in to_rows(plan.operations)}
    for place in blocked(plan)[:4]:
        hanging = dependents(rows, place)
        assert told(planned(without(rows, place)), hanging) == told(plan, hanging)
        assert not hanging & sent  # and what hangs on it stays behind with it


def test_the_drawn_companies_have_rows_of_every_fate() -> None:
    rows = world()
    rows["billing.invoices"] = [invoice("I-1", "50.00"), invoice("I-2", "50.00", currency="EUR")]
    rows["billing.invoice_lines"] = [line("I-1", "50.00"), line("I-2", "50.00")]
    rows["billing.payments"] = [payment("P-1", "20.00"), payment("P-2", "20.00")]
    applied = [application("P-1", "I-1", "20.00"), application("P-2", "I-2", "20.00")]
    rows["billing.payment_applications"] = applied
    rows["billing.adjustments"] = []
    plan = planned(rows)
    assert blocked(plan) == [("billing.invoices", "I-2")]
    stays = {(row["source_key"], row["rule"]) for row in to_rows(plan.left_out)}
    assert stays == {("I-2", "blocked"), ("P-2", "depends_on_blocked")}
    assert {key for _, key in dependents(rows, blocked(plan)[0])} == {"I-2", "P-2"}
    assert set(plan.operations["source_key"]) == {"I-1", "P-1"}
