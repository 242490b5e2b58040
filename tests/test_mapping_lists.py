"""Taxes, payment methods, terms and adjustment kinds: every status and every reason, shown by a row."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from toolkit import mapping, mapping_adjustments, mapping_lists
from toolkit.settings import Settings
from toolkit.tables import empty, from_rows, to_rows

Row = dict[str, Any]
GONE = {"left_at": dt.datetime(2026, 1, 1)}
DAY = dt.date(2026, 1, 31)


def listed(table: str, *rows: Row) -> pd.DataFrame:
    """Return rows of a list of QuickBooks, numbered from ``80-1`` and active unless they say otherwise."""
    made = []
    for number, row in enumerate(rows, 1):
        name = {"name": row["full_name"].rpartition(":")[2]} if "full_name" in row else {}
        made.append({"list_id": f"80-{number}", "is_active": True, **name, **row})
    return from_rows(f"quickbooks.{table}", made)


def decided(table: str, *rows: Row) -> pd.DataFrame:
    return from_rows(f"mapping.{table}", rows)


def invoiced(*lines: Row, date: dt.date = DAY) -> dict[str, pd.DataFrame]:
    """Return one invoice with these lines."""
    head = {"invoice_number": "I1", "account_number": "A1", "status": "Paid", "invoice_date": date}
    plain = {"contract_code": "P1", "amount": Decimal("1.00"), "charge_position": 1, "invoice_number": "I1"}
    made = [{**plain, "line_position": number, **row} for number, row in enumerate(lines)]
    due = {"due_date": date, "current_amount_due": sum((row["amount"] for row in made), Decimal(0))}
    return {
        "invoices": from_rows("billing.invoices", [{**head, **due}]),
        "invoice_lines": from_rows("billing.invoice_lines", made),
    }


def outcome(row: Row, prefix: str) -> tuple[Any, ...]:
    return row["status"], row["reason"], row[f"{prefix}_list_id"], row["suggestion"]


# --- taxes --------------------------------------------------------------------------------------------------

TAX = {"item_type": "SalesTax", "tax_rate": Decimal("8.25")}
MAPPED = {"decision": "County", "item_list_id": "80-1"}


@pytest.mark.parametrize(
    ("name", "item", "decision", "expected"),
    [
        ("County", {"full_name": "County"}, {}, ("exact", None, "80-1", None)),
        (None, {"full_name": "County"}, {}, ("mismatch", "blank", None, None)),
        (
            "County",
            {"full_name": "County", "item_type": "Service"},
            {},
            ("mismatch", "wrong_type", None, None),
        ),
        (
            "County",
            {"full_name": "County", "item_type": "SalesTaxGroup"},
            {},
            ("mismatch", "wrong_type", None, None),
        ),
        ("County", {"full_name": "County", "is_active": False}, {}, ("mismatch", "inactive", None, None)),
        ("County", {"full_name": "State:County"}, {}, ("mismatch", "parent_missing", None, "State:County")),
        ("County ", {"full_name": "County"}, {}, ("mismatch", "spaces", None, "County")),
        ("county", {"full_name": "County"}, {}, ("mismatch", "case", None, "County")),
        ("C\u043eunty", {"full_name": "County"}, {}, ("mismatch", "unicode", None, "County")),
        ("Countty", {"full_name": "County"}, {}, ("mismatch", "unknown", None, "County")),
        ("QX", {"full_name": "County"}, MAPPED, ("mapped", None, "80-1", None)),
        ("County", {"full_name": "County"}, MAPPED, ("exact", None, "80-1", None)),
        ("QX", {"full_name": "County", **GONE}, MAPPED, ("mismatch", "item_gone", None, None)),
        (
            "QX",
            {"full_name": "County"},
            {"decision": "(none)"},
            ("mismatch", "money_hangs_on_it", None, None),
        ),
    ],
)
@pytest.mark.parametrize("of_plan", [True, False])
def test_every_reason_of_a_tax(
    name: str | None, item: Row, decision: Row, expected: tuple[Any, ...], of_plan: bool
) -> None:
    charge = {"contract_code": "P1", "price_code": name, "charge_type": "recurring", "is_tax": True}
    key = {"contract_code": "P1", "price_code": name} if of_plan else {"tax_name": name}
    line = {
        "line_type": "tax",
        **({"price_code": name} if of_plan else {"tax_name": name, "price_code": "?"}),
    }
    matched = mapping.match_taxes(
        from_rows("billing.charges", [charge] if of_plan else []),
        listed("items", {**TAX, **item}),
        decided("taxes", *([{**key, **decision}] if decision else [])),
        **invoiced(line),
    )
    (row,) = to_rows(matched)
    assert outcome(row, "item") == expected
    assert {part: row[part] for part in ("contract_code", "price_code", "tax_name")} == {
        **dict.fromkeys(("contract_code", "price_code", "tax_name")),
        **key,
    }
    assert (row["lines"], row["amount"]) == (1, Decimal("1.00"))
    assert row["tax_rate"] == (TAX["tax_rate"] if expected[2] else None)


def test_two_taxes_of_one_look_are_ambiguous() -> None:
    items = listed("items", {"full_name": "County", **TAX}, {"full_name": "COUNTY", **TAX})
    lines = invoiced({"line_type": "tax", "tax_name": "county"})
    (row,) = to_rows(mapping.match_taxes(empty("billing.charges"), items, empty("mapping.taxes"), **lines))
    assert outcome(row, "item") == ("mismatch", "ambiguous", None, "COUNTY")


def test_a_line_of_a_tax_charge_is_no_tax_from_outside_and_others_are() -> None:
    charges = from_rows(
        "billing.charges",
        [
            {"contract_code": "P1", "price_code": "VAT", "charge_type": "x", "is_tax": True},
            {"contract_code": "P1", "price_code": "HOST", "charge_type": "x"},
        ],
    )
    lines = [
        {"line_type": "tax", "price_code": "VAT", "tax_name": "VAT"},
        {"line_type": "tax", "price_code": "HOST", "tax_name": "CA STATE"},  # Avalara's, beside the charge
        {"line_type": "tax", "price_code": None, "tax_name": "CA CITY"},
        {"line_type": "charge", "price_code": "HOST", "tax_name": "not a tax"},
    ]
    used = invoiced(*lines)
    rows = to_rows(mapping.match_taxes(charges, empty("quickbooks.items"), empty("mapping.taxes"), **used))
    keys = [(row["contract_code"], row["price_code"], row["tax_name"]) for row in rows]
    assert keys == [("P1", "VAT", None), (None, None, "CA CITY"), (None, None, "CA STATE")]


def test_a_tax_of_years_ago_is_still_there_and_nothing_hangs_on_it() -> None:
    old, new = invoiced({"line_type": "tax", "tax_name": "Old"}, date=dt.date(2020, 1, 1)), invoiced({})
    heads = [*to_rows(old["invoices"]), {**to_rows(new["invoices"])[0], "invoice_number": "I2"}]
    matched = mapping.match_taxes(
        empty("billing.charges"),
        empty("quickbooks.items"),
        decided("taxes", {"tax_name": "Old", "decision": "(none)"}),
        invoice_lines=old["invoice_lines"],
        invoices=from_rows("billing.invoices", heads),
    )
    (row,) = to_rows(matched)
    assert (row["tax_name"], row["status"], row["lines"]) == ("Old", "none", 0)


def test_what_is_decided_on_a_tax_charge_holds_on_both_sheets_and_the_later_one_counts() -> None:
    charges = from_rows(
        "billing.charges",
        [{"contract_code": "P1", "price_code": "VAT", "charge_type": "x", "is_tax": True}],
    )
    items = listed("items", {"full_name": "State", **TAX}, {"full_name": "City", **TAX})
    key = {"contract_code": "P1", "price_code": "VAT"}
    early, late = dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 2)
    for on_charges, on_taxes, expected in (
        (late, early, "State"),
        (early, late, "City"),
        (None, early, "City"),
    ):
        state = {**key, "decision": "State", "item_list_id": "80-1", "decided_at": on_charges}
        city = {**key, "decision": "City", "item_list_id": "80-2", "decided_at": on_taxes}
        of_charges = decided("charge_items", *([state] if on_charges else []))
        of_taxes = decided("taxes", city)
        one = mapping.match_charges(charges, items, of_charges, tax_decisions=of_taxes)
        other = mapping.match_taxes(charges, items, of_taxes, charge_decisions=of_charges)
        assert list(one["item_full_name"]) == list(other["item_full_name"]) == [expected]


# --- payment methods ----------------------------------------------------------------------------------------


def paid(method: str, **more: Any) -> pd.DataFrame:
    row = {"payment_number": "Y1", "account_number": "A1", "payment_type": "Payment", "status": "Paid"}
    money = {"effective_date": DAY, "amount": Decimal("5.00")}
    return from_rows("billing.payments", [{**row, "method": method, **money, **more}])


CARD = {"decision": "Card", "payment_method_list_id": "80-1"}


@pytest.mark.parametrize(
    ("method", "held", "decision", "expected"),
    [
        ("Card", [{"name": "Card"}], {}, ("exact", None, "80-1", None)),
        (" ", [{"name": "Card"}], {}, ("mismatch", "blank", None, None)),
        ("Card", [{"name": "Card", "is_active": False}], {}, ("mismatch", "inactive", None, None)),
        ("card", [{"name": "Card"}, {"name": "CARD"}], {}, ("mismatch", "ambiguous", None, "CARD")),
        ("Credit Card ", [{"name": "Credit Card"}], {}, ("mismatch", "spaces", None, "Credit Card")),
        ("card", [{"name": "Card"}], {}, ("mismatch", "case", None, "Card")),
        ("C\u0430rd", [{"name": "Card"}], {}, ("mismatch", "unicode", None, "Card")),
        ("Cards", [{"name": "Card"}], {}, ("mismatch", "unknown", None, "Card")),
        ("Token", [{"name": "Card"}], CARD, ("mapped", None, "80-1", None)),
        ("Token", [{"name": "Visa"}], CARD, ("mapped", None, "80-1", None)),
        ("Token", [{"name": "Card", **GONE}], CARD, ("mismatch", "item_gone", None, None)),
        ("Token", [{"name": "Card", "is_active": False}], CARD, ("mismatch", "inactive", None, None)),
        ("Token", [{"name": "Card"}], {"decision": "(none)"}, ("mismatch", "money_hangs_on_it", None, None)),
    ],
)
def test_every_reason_of_a_payment_method(
    method: str, held: list[Row], decision: Row, expected: tuple[Any, ...]
) -> None:
    choice = decided("payment_methods", *([{"method": method, **decision}] if decision else []))
    (row,) = to_rows(mapping.match_payment_methods(paid(method), listed("payment_methods", *held), choice))
    assert outcome(row, "payment_method") == expected


BANK = {"full_name": "Clearing", "account_type": "OtherCurrentAsset"}


@pytest.mark.parametrize(
    ("account", "decision", "setting", "reason", "shown"),
    [
        (BANK, {}, "Clearing", None, ("80-1", "Clearing")),
        ({**BANK, "account_type": "Bank"}, {}, "Clearing", None, ("80-1", "Clearing")),
        (BANK, {"deposit_account_list_id": "80-1"}, "Elsewhere", None, ("80-1", "Clearing")),
        (BANK, {"deposit_account_full_name": "Clearing"}, None, None, ("80-1", "Clearing")),
        (BANK, {}, None, "account_not_chosen", (None, None)),
        (BANK, {}, "Elsewhere", "account_gone", (None, "Elsewhere")),
        ({**BANK, **GONE}, {}, "Clearing", "account_gone", (None, "Clearing")),
        (
            BANK,
            {"deposit_account_list_id": "80-9", "deposit_account_full_name": "Clearing"},
            "Clearing",
            "account_gone",
            (None, "Clearing"),
        ),
        ({**BANK, "is_active": False}, {}, "Clearing", "account_inactive", ("80-1", "Clearing")),
        ({**BANK, "account_type": "Income"}, {}, "Clearing", "account_wrong_type", ("80-1", "Clearing")),
        (
            BANK,
            {"deposit_account_list_id": "80-1", "deposit_account_full_name": "Old name"},
            None,
            "account_renamed",
            ("80-1", "Clearing"),
        ),
    ],
)
def test_every_reason_of_a_deposit_account(
    account: Row, decision: Row, setting: str | None, reason: str | None, shown: tuple[Any, ...]
) -> None:
    settings = Settings().with_text("deposit_accounts.Token", setting) if setting else Settings()
    choice = decided("payment_methods", {"method": "Token", **CARD, **decision})
    frame = mapping.match_payment_methods(
        paid("Token"),
        listed("payment_methods", {"name": "Card"}),
        choice,
        accounts=listed("accounts", account),
        settings=settings,
    )
    (row,) = to_rows(frame)
    assert (row["status"], row["reason"]) == ("mapped", reason)
    assert (row["deposit_account_list_id"], row["deposit_account_full_name"]) == shown
    found = to_rows(mapping.mapping_findings(payment_methods=frame))
    rule = "renamed" if reason == "account_renamed" else "method_account"
    assert [(one["rule"], one["key"]) for one in found] == ([(rule, "Token")] if reason else [])


# --- terms --------------------------------------------------------------------------------------------------


def ours(*terms: tuple[int | None, str | None]) -> pd.DataFrame:
    rows = [{"terms_value": value, "terms_units": units} for value, units in terms]
    made = [{"account_number": f"A{n}", "name": f"C{n}", **row} for n, row in enumerate(rows, 1)]
    return from_rows("billing.customers", made)


NET = {"decision": "Net 30", "terms_list_id": "80-1"}


@pytest.mark.parametrize(
    ("held", "decision", "expected"),
    [
        ([{"name": "30 Days"}], {}, ("exact", None, "80-1", None)),
        ([{"name": "30 Days", "is_active": False}], {}, ("mismatch", "inactive", None, None)),
        ([{"name": "30 days"}, {"name": "30 DAYS"}], {}, ("mismatch", "ambiguous", None, "30 DAYS")),
        ([{"name": "30  Days"}], {}, ("mismatch", "spaces", None, "30  Days")),
        ([{"name": "30 days"}], {}, ("mismatch", "case", None, "30 days")),
        ([{"name": "30\u00a0Days"}], {}, ("mismatch", "unicode", None, "30\u00a0Days")),
        ([{"name": "31 Days"}], {}, ("mismatch", "unknown", None, "31 Days")),
        # The same days until due come before the nearer name, and those without a discount first.
        (
            [{"name": "31 Days"}, {"name": "Net 30", "std_due_days": 30}],
            {},
            ("mismatch", "unknown", None, "Net 30"),
        ),
        (
            [
                {"name": "2% 10 Net 30", "std_due_days": 30, "discount_pct": Decimal(2)},
                {"name": "Net 30", "std_due_days": 30},
            ],
            {},
            ("mismatch", "unknown", None, "Net 30"),
        ),
        ([{"name": "Net 30", "std_due_days": 30}], NET, ("mapped", None, "80-1", None)),
        ([{"name": "Net 30", **GONE}], NET, ("mismatch", "item_gone", None, None)),
        ([{"name": "Net 30", "is_active": False}], NET, ("mismatch", "inactive", None, None)),
        # Terms carry no money: documents have their due date.
        ([{"name": "Net 30"}], {"decision": "(none)"}, ("none", None, None, None)),
    ],
)
def test_every_reason_of_terms(held: list[Row], decision: Row, expected: tuple[Any, ...]) -> None:
    choice = decided("terms", *([{"terms_name": "30 Days", **decision}] if decision else []))
    frame = mapping.match_terms(
        ours((30, "Days"), (None, None), (30, "Days")),
        listed("terms", *held),
        choice,
        invoices=invoiced({})["invoices"],
    )
    (row,) = to_rows(frame)
    assert outcome(row, "terms") == expected
    assert (row["customers"], row["lines"], row["amount"], row["money"]) == (2, 1, Decimal("1.00"), True)
    assert row["terms_due_days"] == (30 if decision.get("decision") == "Net 30" and expected[2] else None)


def test_weeks_are_days_and_the_terms_of_most_customers_come_first() -> None:
    held = listed(
        "terms",
        {"name": "Net 14", "std_due_days": 14},
        {"name": "Net 30", "std_due_days": 30},
        {"name": "QX"},
    )
    customers = ours((1, "Months"), (2, "Weeks"), (2, "Weeks"), (7, None))
    rows = to_rows(mapping.match_terms(customers, held, empty("mapping.terms")))
    assert [(row["terms_name"], row["customers"]) for row in rows] == [
        ("2 Weeks", 2),
        ("1 Months", 1),
        ("7", 1),
    ]
    assert (rows[0]["suggestion"], rows[0]["score"]) == ("Net 14", Decimal(100))
    assert (rows[1]["suggestion"], rows[1]["score"]) == ("Net 30", Decimal(90))
    assert (rows[2]["suggestion"], rows[2]["score"]) == (None, None)


# --- adjustment kinds ---------------------------------------------------------------------------------------


def adjusted(kind: str, amount: str = "-5.00") -> pd.DataFrame:
    row = {"adjustment_id": "J1", "account_number": "A1", "effective_date": DAY, "kind": kind}
    return from_rows("billing.adjustments", [{**row, "amount": Decimal(amount)}])


DEBT = {"decision": "Bad Debt", "item_list_id": "80-1"}
SOLD = {"full_name": "Bad Debt", "item_type": "OtherCharge"}


@pytest.mark.parametrize(
    ("kind", "item", "decision", "setting", "expected"),
    [
        ("write_off", SOLD, {}, None, ("by_hand", "undecided", None)),
        ("write_off", SOLD, {"decision": "(by hand)"}, None, ("by_hand", None, None)),
        ("write_off", SOLD, DEBT, None, ("mapped", None, "80-1")),
        ("write_off", {**SOLD, **GONE}, DEBT, None, ("mismatch", "item_gone", None)),
        ("write_off", {**SOLD, "is_active": False}, DEBT, None, ("mismatch", "inactive", None)),
        ("write_off", {**SOLD, "item_type": "Group"}, DEBT, None, ("mismatch", "wrong_type", None)),
        ("write_off", SOLD, {"decision": "(none)"}, None, ("mismatch", "money_hangs_on_it", None)),
        ("a kind of theirs", SOLD, DEBT, None, ("mapped", None, "80-1")),
        ("house_credit", SOLD, {}, None, ("by_hand", "undecided", None)),
        ("house_credit", SOLD, {}, "Bad Debt", ("mapped", None, "80-1")),
        ("house_credit", SOLD, {}, "bad debt", ("mismatch", "case", None)),
        ("house_credit", {**SOLD, "is_active": False}, {}, "Bad Debt", ("mismatch", "inactive", None)),
        ("house_credit", SOLD, {"decision": "(by hand)"}, "Bad Debt", ("by_hand", None, None)),
        ("write_off", SOLD, {}, "Bad Debt", ("by_hand", "undecided", None)),
        ("refund", SOLD, {}, None, ("by_hand", None, None)),
        ("refund", SOLD, {"decision": "(by hand)"}, None, ("by_hand", None, None)),
        ("refund", SOLD, DEBT, None, ("mismatch", "only_by_hand", None)),
        ("chargeback", SOLD, DEBT, None, ("mismatch", "only_by_hand", None)),
    ],
)
def test_every_reason_of_an_adjustment_kind(
    kind: str, item: Row, decision: Row, setting: str | None, expected: tuple[Any, ...]
) -> None:
    settings = Settings().with_text("credit_item", setting) if setting else Settings()
    frame = mapping.match_adjustments(
        adjusted(kind if kind not in mapping_adjustments.ONLY_BY_HAND else "write_off"),
        listed("items", item),
        decided("adjustments", *([{"kind": kind, **decision}] if decision else [])),
        settings=settings,
    )
    row = next(row for row in to_rows(frame) if row["kind"] == kind)
    assert (row["status"], row["reason"], row["item_list_id"]) == expected
    found = [one["key"] for one in to_rows(mapping.mapping_findings(adjustments=frame))]
    assert (kind in found) == (expected[1] == "undecided"), "only what is in use and undecided is a warning"


def test_all_kinds_are_listed_with_refunds_and_chargebacks() -> None:
    payments = pd.concat(
        [
            paid("Card", payment_number="Y1", amount=Decimal("-2.00"), payment_type="Refund"),
            paid("Card", payment_number="Y2", amount=Decimal("-3.00")),
            paid("Card", payment_number="Y3"),
        ]
    )
    frame = mapping.match_adjustments(
        adjusted("theirs"), empty("quickbooks.items"), empty("mapping.adjustments"), payments=payments
    )
    rows = {row["kind"]: row for row in to_rows(frame)}
    assert list(rows) == [*mapping_adjustments.KINDS, "theirs", "refund", "chargeback"]
    used = {kind: (row["lines"], row["amount"]) for kind, row in rows.items() if row["lines"]}
    assert used == {
        "theirs": (1, Decimal("-5.00")),
        "refund": (1, Decimal("-2.00")),
        "chargeback": (1, Decimal("-3.00")),
    }


def test_a_local_item_may_take_a_kind_before_it_is_in_quickbooks() -> None:
    local = [{"name": "Bad Debt", "item_type": "OtherCharge", "income_account_full_name": "Bad Debts"}]
    frame = mapping.match_adjustments(
        adjusted("write_off"),
        empty("quickbooks.items"),
        decided("adjustments", {"kind": "write_off", "decision": "Bad Debt"}),
        local_items=from_rows("mapping.local_items", local),
    )
    row = next(row for row in to_rows(frame) if row["kind"] == "write_off")
    assert (row["status"], row["item_full_name"], row["item_list_id"]) == ("mapped", "Bad Debt", None)


def test_every_reason_of_the_pages_is_shown_here_or_with_the_charges() -> None:
    """What the modules' tables of reasons name is shown by a row above, or in test_mapping.py."""
    import re
    from pathlib import Path

    here = "".join(
        (Path(__file__).parent / name).read_text(encoding="utf-8")
        for name in ("test_mapping_lists.py", "test_mapping.py")
    )
    pages = (mapping, mapping_lists, mapping_adjustments, mapping.match_customers.__globals__)
    for page in pages:
        text = page["__doc__"] if isinstance(page, dict) else page.__doc__
        named = re.findall(r"^``(\w+)``(?:, ``(\w+)``)?  ", text or "", re.MULTILINE)
        assert named
        for reason in (one for pair in named for one in pair if one):
            assert f'"{reason}"' in here, f"{reason} is shown by no row"
