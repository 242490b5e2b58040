"""A carried credit that BluBilling uses is QuickBooks' own: applied by SetCredit, never made anew."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from carried_world import signature
from export_world import (
    ALL,
    JANUARY,
    Rows,
    adjustment,
    bound,
    day,
    frames,
    open_document,
    payment,
    settings,
    world,
)
from lxml import etree

from toolkit import qbxml_io
from toolkit.carried import tie_frame
from toolkit.carried_ties import tie_credits
from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.checks_waivers import given_for
from toolkit.reconcile_carried import carried_differences, carried_totals
from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

GOLDEN = Path(__file__).parent / "golden_qbxml" / "set_credit.xml"
CREDIT = "QB-5-17"
USE = f"payment:{CREDIT}/INV-1/1"


def application(number: str, invoice: str, amount: str, seq: int = 1, **more: Any) -> dict[str, Any]:
    row = {"payment_number": number, "invoice_number": invoice, "amount_applied": Decimal(amount), "seq": seq}
    return row | more


def used(amount: str = "30.00", **more: Any) -> Rows:
    """Return the company with a carried credit of 50.00 that BluBilling uses on its invoice."""
    rows = world()
    memo = {"txn_id": "5-17", "customer_list_id": "C-1", "credit_remaining": Decimal(50)}
    memo |= {"ar_account_list_id": rows["quickbooks.accounts"][0]["list_id"], "ref_number": "CM 1"}
    rows["quickbooks.credit_memos"] = [memo | more]
    carried = bound("credit_memo", CREDIT, "5-17", "quickbooks", amount=Decimal(50), customer_list_id="C-1")
    rows.setdefault("ledger.crosswalk", []).append(carried)
    rows["billing.payment_applications"].append(application(CREDIT, "INV-1", amount, applied_date=day(12)))
    return rows


def planned(rows: Rows, **more: Any) -> Plan:
    chosen = settings(**more.pop("more", {}))
    return plan_export(frames(rows), chosen, **(JANUARY | ALL | more))


def operation(plan: Plan, key: str = USE) -> dict[str, Any]:
    [row] = [row for row in to_rows(plan.operations) if row["key"] == key]
    fields: dict[str, Any] = json.loads(row["fields"])
    return row | {"fields": fields, "expected": json.loads(row["expected"])}


def errors(plan: Plan) -> set[str]:
    return {row["rule"] for row in to_rows(plan.findings) if row["severity"] == "error"}


def stays(plan: Plan) -> dict[str, str]:
    return {row["source_key"]: row["rule"] for row in to_rows(plan.left_out)}


def test_the_credit_is_applied_in_a_payment_of_nothing_after_its_invoice() -> None:
    plan = planned(used())
    made = operation(plan)
    assert made["request"] == "ReceivePaymentAdd" and made["depends_on"] == ["invoice:INV-1"]
    assert made["fields"]["TotalAmount"] == "0.00"
    assert made["fields"]["AppliedToTxnAdd"] == [
        {
            "TxnID": {"operation": "invoice:INV-1"},
            "SetCredit": [{"CreditTxnID": "5-17", "AppliedAmount": "30.00"}],
        }
    ]
    assert not [row for row in to_rows(plan.operations) if row["request"] == "CreditMemoAdd"]
    assert made["txn_date"] == day(12) and made["amount"] == 0


def test_on_a_carried_invoice_it_names_the_txn_id_that_quickbooks_has() -> None:
    rows = used()
    rows["quickbooks.invoices"] = [open_document("9-1", "100.00")]
    carried = bound("invoice", "INV-1", "9-1", "quickbooks", amount=Decimal(100), customer_list_id="C-1")
    rows["ledger.crosswalk"].append(carried)
    made = operation(planned(rows))
    assert made["fields"]["AppliedToTxnAdd"][0]["TxnID"] == "9-1" and made["depends_on"] == []


def test_the_qbxml_is_golden_and_valid_by_the_schema(shared: Path) -> None:
    fields = operation(planned(used()))["fields"]
    fields["AppliedToTxnAdd"][0]["TxnID"] = "9-1"
    content = qbxml_io.build([qbxml_io.Request("ReceivePaymentAdd", fields, request_id="1")])
    schema = etree.XMLSchema(etree.parse(str(shared / "qbxml-schema" / "qbxmlops130.xsd")))
    schema.assertValid(etree.fromstring(content))
    assert etree.canonicalize(content.decode(), strip_text=True) == etree.canonicalize(
        GOLDEN.read_text(encoding="utf-8"), strip_text=True
    )


@pytest.mark.parametrize("table", ["billing.adjustments", "billing.payments"])
@pytest.mark.parametrize("named", [True, False])
def test_blubillings_own_copy_of_a_carried_credit_is_never_exported(table: str, named: bool) -> None:
    rows, number = used(), "X-1" if named else CREDIT
    text = f"Credit from QuickBooks ({CREDIT})."
    if table == "billing.adjustments":
        rows[table] = [adjustment(number, "50.00", reason_text=text if named else None)]
    else:
        rows[table].append(payment(number, "50.00", check_number=CREDIT if named else None, notes=text))
    rows["billing.payment_applications"][-1]["payment_number"] = number
    plan = planned(rows)
    assert stays(plan) == {number: "carried_credit"}
    made = operation(plan, f"payment:{number}/INV-1/1")
    assert made["fields"]["AppliedToTxnAdd"][0]["SetCredit"][0]["CreditTxnID"] == "5-17"


NAMES = ["{}", "Credit {}: opening", "'{}'", "Ref:{}", "{}/CM 1", "({}).", "use {}- then", "\n{},"]


@pytest.mark.parametrize("text", [*(t.format(CREDIT) for t in NAMES), "qb-5-17", "TxnID 5-17", "ＱＢ-5-17"])
def test_it_is_known_by_its_key_or_txn_id_wherever_they_stand(text: str) -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=text)]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    plan = planned(rows, more={"credit_item": "House Credit"})
    assert stays(plan) == {"X-1": "carried_credit"} and not errors(plan)
    assert operation(plan, "payment:X-1/INV-1/1")["amount"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "QB-5-17 and QB-5-18",  # several
        *(
            "QB 5-17",
            "QB_5_17",
            "qb517",
            "QB–5–17",
            "QB-5-17-2",
            "QB-5-17_a",
            "QB-5-17.2",
            "A-5-17",
            "XQB-5-17",
        ),  # near
    ],
)
def test_what_nobody_can_tell_is_an_error_and_no_new_document(text: str) -> None:
    rows = used()
    rows["ledger.crosswalk"].append(bound("credit_memo", "QB-5-18", "5-18", "quickbooks", amount=Decimal(50)))
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=text)]
    plan = planned(rows, more={"credit_item": "House Credit"})
    assert errors(plan) == {"carried_credit_unclear"} and stays(plan) == {"X-1": "blocked"}


@pytest.mark.parametrize("text", ["QB-15-17", "QB-5-170", "5 of 17", "CM 1", None])
def test_another_number_is_another_thing(text: str | None) -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=text)]
    assert "credit_memo:X-1" in set(planned(rows, more={"credit_item": "House Credit"}).operations["key"])


def a_payment(amount: str, **more: Any) -> Rows:
    """Return the company with a payment P-9 instead of its own, and the credit not used."""
    rows = used()
    rows["billing.payments"] = [payment("P-9", amount, **more)]
    rows["billing.payment_applications"] = [application("P-9", "INV-1", "40.00")]
    return rows


def waived(rows: Rows, found: dict[str, Any]) -> dict[str, Any]:
    """Return the waiver of a finding for its row as it is in these tables."""
    meant = given_for(Books(frames(rows), settings()), found["table"], found["key"])
    said = {"waived_by": "ann", "waived_at": dt.datetime(2026, 1, 31), "note": "her own money"}
    return {"finding_id": found["finding_id"], "given_for": meant} | said


def told_of(rows: Rows, waiver: dict[str, Any]) -> str:
    """Return what is said of the finding that is waived."""
    found = to_rows(planned({**rows, "ledger.waivers": [waiver]}).findings)
    [message] = [row["message"] for row in found if row["finding_id"] == waiver["finding_id"]]
    return str(message)


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        ("40.00", {"notes": "please also consider QB-5-17"}),
        ("50.00", {"notes": "please also consider QB-5-17"}),
        ("140.00", {"check_number": CREDIT}),
        ("50.00", {"check_number": CREDIT, "account_number": "A2"}),
        ("50.00", {"check_number": CREDIT, "notes": "and 5-18"}),
    ],
)
def test_a_real_payment_never_disappears_and_a_waiver_sends_it(amount: str, more: dict[str, Any]) -> None:
    rows = a_payment(amount, unapplied_balance=Decimal(amount) - 40, **more)
    rows["ledger.crosswalk"].append(bound("credit_memo", "QB-5-18", "5-18", "quickbooks", amount=Decimal(50)))
    plan = planned(rows)
    assert stays(plan) == {"P-9": "blocked"} and "carried_credit_unclear" in errors(plan)
    assert not [key for key in plan.operations["key"] if key.startswith("payment:")]
    [found] = [row for row in to_rows(plan.findings) if row["rule"] == "carried_credit_unclear"]
    rows["ledger.waivers"] = [waived(rows, found)]
    sent = [row for row in to_rows(planned(rows).operations) if row["source_key"] == "P-9"]
    assert sum(row["amount"] for row in sent) == Decimal(amount)
    assert not any("SetCredit" in row["fields"] for row in sent)


def test_what_was_waived_is_no_credit_when_its_amount_comes_to_be_that_of_it() -> None:
    rows = a_payment("140.00", check_number=CREDIT, unapplied_balance=Decimal(100))
    [found] = [r for r in to_rows(planned(rows).findings) if r["severity"] == "error"]
    rows["ledger.waivers"] = [waived(rows, found)]
    rows["billing.payments"][0] |= {"amount": Decimal(50), "unapplied_balance": Decimal(10)}
    plan = planned(rows)
    assert stays(plan) == {"P-9": "blocked"} and "waiver_overtaken" in set(plan.findings["rule"])
    [doubt] = [row["message"] for row in to_rows(plan.findings) if row["severity"] == "error"]
    assert "when it said something else" in doubt and f"waive {found['finding_id']} --undo" in doubt
    assert "when it said" not in told_of(rows, waived(rows, found))
    assert stays(planned({**rows, "ledger.waivers": []}))["P-9"] == "carried_credit"
    rows["ledger.waivers"] = [waived(rows, found)]  # its finding is the same, given for what it is now
    assert operation(planned(rows), "payment:P-9")["amount"] == 50


def test_the_key_as_its_number_with_another_amount_has_no_waiver() -> None:
    rows = used()
    rows["billing.payments"].append(payment(CREDIT, "90.00"))
    rows["billing.payment_applications"].pop()
    plan = planned(rows)
    assert errors(plan) == {"carried_credit_number"} and stays(plan) == {CREDIT: "blocked"}
    [found] = [row for row in to_rows(plan.findings) if row["severity"] == "error"]
    rows["ledger.waivers"] = [waived(rows, found)]
    assert stays(planned(rows)) == {CREDIT: "blocked"}


def test_the_rest_of_a_credit_is_the_credit_too() -> None:
    rows = used("10.00", credit_remaining=Decimal(20))
    rows["billing.adjustments"] = [adjustment("X-1", "20.00", reason_text=CREDIT)]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    assert stays(planned(rows)) == {"X-1": "carried_credit"}
    # Read again after it was used: the copy is of neither amount, and what was sent of it says what it is.
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(10)
    sent = bound("payment", "X-1/INV-1/1", "7-7", amount=Decimal(0))
    rows["ledger.crosswalk"].append(sent)
    link = {"owner_table": "quickbooks.credit_memos", "owner_txn_id": "5-17", "txn_id": "9-9"}
    link |= {"txn_type": "Invoice", "txn_date": day(12), "amount": Decimal(-10)}
    rows["quickbooks.linked_transactions"] = [link]
    assert stays(planned(rows)) == {"X-1": "carried_credit", "X-1 / INV-1 / 1": "already_sent"}


def test_of_two_rows_that_are_the_same_credit_neither_goes() -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment(f"X-{n}", "50.00", reason_text=CREDIT) for n in (1, 2)]
    plan = planned(rows)
    assert stays(plan) == {"X-1": "blocked", "X-2": "blocked"}
    rows["billing.adjustments"][1]["status"] = "Cancelled"
    assert stays(planned(rows)) == {"X-1": "carried_credit", "X-2": "status"}


def test_a_payment_with_the_number_of_a_copy_is_no_copy() -> None:
    rows = a_payment("40.00")
    rows["billing.adjustments"] = [adjustment("P-9", "50.00", reason_text=CREDIT)]
    plan = planned(rows)
    assert operation(plan, "payment:P-9")["amount"] == 40 and stays(plan) == {"P-9": "blocked"}


def test_what_went_as_a_document_of_its_own_is_not_used_beside() -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=CREDIT)]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    rows["ledger.crosswalk"].append(bound("credit_memo", "X-1", "8-8", amount=Decimal(50)))
    plan = planned(rows)
    assert stays(plan) == {"X-1": "already_sent"} and "payment:X-1/INV-1/1" not in set(plan.operations["key"])


@pytest.mark.parametrize("status", ["Cancelled", "Draft", "Error", "CarriedOver"])
def test_a_copy_that_does_not_count_is_not_used(status: str) -> None:
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=CREDIT, status=status)]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    plan = planned(rows)
    assert stays(plan)["X-1 / INV-1 / 1"] == "credit_use_status"
    assert not [key for key in plan.operations["key"] if key.startswith("payment:X-1")]


def test_a_payment_copy_that_failed_is_not_used() -> None:
    rows = used()
    rows["billing.payments"].append(payment("X-1", "50.00", check_number=CREDIT, status="Failed"))
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    plan = planned(rows)
    assert stays(plan) == {"X-1": "status", "X-1 / INV-1 / 1": "credit_use_status"}


def sent_before(rows: Rows, amount: str, key: str = f"{CREDIT}/INV-1/1", status: str = "applied") -> Rows:
    """Enter in the ledger that so much of the credit was applied to INV-1."""
    line = {"TxnID": "9-1", "SetCredit": [{"CreditTxnID": "5-17", "AppliedAmount": amount}]}
    rows.setdefault("ledger.operations", []).append(
        {"key": f"payment:{key}", "job": 1, "request": "ReceivePaymentAdd", "record_kind": "payment"}
        | {"status": status, "amount": Decimal(0), "fields": json.dumps({"AppliedToTxnAdd": [line]})}
        | {"source_table": "billing.payment_applications", "source_key": key.replace("/", " / ")}
    )
    if status == "applied":
        rows["ledger.crosswalk"].append(bound("payment", key, "7-7", amount=Decimal(0)))
    return rows


@pytest.mark.parametrize("status", ["applied", "pending", "unknown"])
@pytest.mark.parametrize(
    ("now", "told"),
    [
        ([("25.00", 1), ("5.00", 2)], "30.00 of QB-5-17 went as QB-5-17/INV-1/1, and BluBilling has 25.00"),
        ([("30.00", 2)], "BluBilling no longer has that use"),
    ],
)
def test_nothing_more_is_used_while_what_was_sent_is_another(
    now: list[tuple[str, int]], told: str, status: str
) -> None:
    rows = sent_before(used(), "30.00", status=status)
    rows["billing.payment_applications"].pop()
    for amount, seq in now:
        rows["billing.payment_applications"].append(
            application(CREDIT, "INV-1", amount, seq, applied_date=day(12))
        )
    plan = planned(rows)
    assert not [key for key in plan.operations["key"] if CREDIT in key]
    assert stays(plan)[f"{CREDIT} / INV-1 / 2"] == "blocked" and "credit_use_differs" in errors(plan)
    (said,) = [row for row in to_rows(plan.findings) if row["rule"] == "credit_use_differs"]
    assert told in said["message"] and "--txn-id 5-17" in said["suggestion"]


@pytest.mark.parametrize("status", ["rejected", "skipped", "undone"])
def test_what_was_not_applied_is_in_nobodys_way(status: str) -> None:
    rows = sent_before(used(), "30.00", f"{CREDIT}/INV-1/9", status)
    assert operation(planned(rows))["amount"] == 0


def test_a_use_that_changed_after_it_was_sent_is_told() -> None:
    rows = sent_before(used("35.00"), "30.00")
    plan = planned(rows)
    assert stays(plan) == {f"{CREDIT} / INV-1 / 1": "already_sent"} and not errors(plan)
    (said,) = [row for row in to_rows(plan.findings) if row["rule"] == "changed_after_sent"]
    assert "amount_applied changed after it was sent: QuickBooks was given 30.00" in said["message"]
    assert "35.00 now" in said["message"] and said["key"] == f"{CREDIT} / INV-1 / 1"
    rows["billing.payment_applications"][-1]["amount_applied"] = Decimal("30.00")
    assert "changed_after_sent" not in set(planned(rows).findings["rule"])


def test_what_was_sent_under_another_number_is_no_longer_left() -> None:
    rows = sent_before(used("25.00"), "30.00", "X-9/INV-1/1")
    assert errors(planned(rows)) == {"credit_remaining"}  # 20.00 are left


# --- a copy that is used without an application -------------------------------------------------------------


def by_itself(rest: str | None, to: str | None = "INV-1", **more: Any) -> Rows:
    rows = used()
    rows["billing.payment_applications"].pop()
    left = None if rest is None else Decimal(rest)
    more |= {"reason_text": CREDIT, "invoice_number": to, "unapplied_balance": left}
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", **more)]
    return rows


@pytest.mark.parametrize("mode", ["credit_memo", "payment"])
def test_what_is_used_by_the_copys_own_invoice_is_applied(mode: str) -> None:
    more = {"credit_mode": mode, "credit_account": "Card Clearing"}
    plan = planned(by_itself("20.00"), more=more)
    made = operation(plan, "payment:X-1/INV-1/1")
    line = made["fields"]["AppliedToTxnAdd"][0]
    assert line["SetCredit"] == [{"CreditTxnID": "5-17", "AppliedAmount": "30.00"}]
    assert made["txn_date"] == day(15)  # of the copy, which came after the invoice
    assert stays(plan) == {"X-1": "carried_credit"}


def test_nothing_is_applied_of_a_copy_that_is_not_used() -> None:
    assert stays(planned(by_itself("50.00"))) == {"X-1": "carried_credit"}
    assert stays(planned(by_itself(None, to=None))) == {"X-1": "carried_credit"}


@pytest.mark.parametrize(
    ("rest", "to", "rule"),
    [
        ("0.00", None, "application_target"),  # used, and nothing says on what
        ("0.00", "INV-9", "application_target"),
        ("60.00", "INV-1", "application_negative"),
        (None, "INV-1", "overpaid"),  # the whole of it, and only 40.00 are open
    ],
)
def test_a_use_that_cannot_be_applied_is_an_error(rest: str | None, to: str | None, rule: str) -> None:
    rows = by_itself(rest, to, effective_date=day(25))
    if rule != "overpaid":
        rows["billing.payments"], rows["billing.payment_applications"] = [], []
    plan = planned(rows)
    assert rule in errors(plan)
    assert not [row for row in to_rows(plan.operations) if "SetCredit" in row["fields"]]


def test_what_was_sent_by_the_copys_own_invoice_counts_and_is_not_sent_again() -> None:
    rows = by_itself("20.00")
    rows["ledger.crosswalk"].append(bound("payment", "X-1/INV-1/1", "7-7", amount=Decimal(0)))
    assert stays(planned(rows))["X-1 / INV-1 / 1"] == "already_sent"
    rows["billing.payment_applications"] = [application(CREDIT, "INV-1", "20.01", applied_date=day(20))]
    assert "credit_remaining" in errors(planned(rows))


def test_an_unapplied_payment_is_used_the_same_way() -> None:
    rows = used()
    [memo] = rows.pop("quickbooks.credit_memos")
    memo["unused_payment"] = memo.pop("credit_remaining")
    rows["quickbooks.payments"] = [memo]
    rows["ledger.crosswalk"][0]["record_kind"] = "payment"
    assert operation(planned(rows))["fields"]["AppliedToTxnAdd"][0]["SetCredit"][0]["CreditTxnID"] == "5-17"


@pytest.mark.parametrize(
    ("rule", "amount", "more"),
    [
        ("credit_customer", "30.00", {"customer_list_id": "C-2"}),
        ("credit_remaining", "50.01", {}),
        ("credit_remaining", "30.00", {"credit_remaining": Decimal("29.99")}),
        ("credit_ar_account", "30.00", {"ar_account_list_id": "A-other"}),
        ("credit_gone", "30.00", {"left_at": dt.datetime(2026, 1, 5)}),
        ("application_negative", "-1.00", {}),
    ],
)
def test_what_quickbooks_would_refuse_is_refused_before(rule: str, amount: str, more: dict[str, Any]) -> None:
    rows = used(amount, **more)
    rows["billing.payments"], rows["billing.payment_applications"] = (
        [],
        rows["billing.payment_applications"][1:],
    )
    plan = planned(rows)
    assert errors(plan) == {rule}
    assert stays(plan) == {f"{CREDIT} / INV-1 / 1": "blocked"}


def test_two_uses_may_not_take_more_than_is_left_and_the_later_one_is_named() -> None:
    rows = used()
    later = application(CREDIT, "INV-1", "30.00", seq=2, applied_date=day(20))
    rows["billing.payment_applications"].append(later)
    rows["billing.payments"], rows["billing.payment_applications"] = (
        [],
        rows["billing.payment_applications"][1:],
    )
    plan = planned(rows)
    assert errors(plan) == {"credit_remaining"} and stays(plan) == {f"{CREDIT} / INV-1 / 2": "blocked"}


def test_a_credit_and_a_payment_together_pay_no_more_than_the_invoice() -> None:
    plan = planned(used("45.00"))  # the payment of the world pays 60.00 of 100.00
    assert errors(plan) == {"overpaid"}


@pytest.mark.parametrize(
    "there",
    [
        {},
        # Read again since, and more is left of it than was carried: somebody took it off another invoice.
        {"imported_at": dt.datetime(2026, 1, 25), "credit_remaining": Decimal(70)},
        {"imported_at": dt.datetime(2026, 1, 25), "credit_remaining": Decimal(20)},
    ],
)
def test_what_was_sent_is_not_sent_again_and_counts(there: dict[str, Any]) -> None:
    rows = used(**there)
    sent = bound("payment", USE.removeprefix("payment:"), "7-7", amount=Decimal(0))
    rows["ledger.crosswalk"].append(sent | {"bound_at": dt.datetime(2026, 1, 13)})
    rows["billing.payment_applications"].append(
        application(CREDIT, "INV-1", "20.01", seq=2, applied_date=day(20))
    )
    plan = planned(rows)
    assert stays(plan)[f"{CREDIT} / INV-1 / 1"] == "already_sent"
    assert "credit_remaining" in errors(plan)


def test_a_use_on_the_wrong_side_of_the_cutover_is_refused() -> None:
    rows = used()
    rows["billing.payment_applications"][-1]["applied_date"] = day(30, 12, 2025)
    plan = planned(rows)
    assert errors(plan) == {"cutover_side"} and USE not in set(plan.operations["key"])


def test_rows_and_money_of_uses_add_up() -> None:
    plan = planned(used("50.01"))
    [total] = [row for row in to_rows(plan.totals) if row["source_table"] == "billing.payment_applications"]
    assert (total["source_amount"], total["blocked_amount"], total["exported_amount"]) == (
        Decimal("50.01"),
        Decimal("50.01"),
        0,
    )


# --- the tie-out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "read", "told"),
    [
        ("30.00", day(20), None),
        ("45.00", day(20), None),  # some of it was applied there before it was carried
        ("29.99", day(20), False),
        ("0.00", day(20), False),
        ("0.00", day(1), True),
    ],
)
def test_the_tie_out_looks_at_the_credit_itself(shown: str, read: dt.date, told: bool | None) -> None:
    made = operation(planned(used()))
    at = dt.datetime.combine(read, dt.time(9))
    rows = used(imported_at=at)
    rows["ledger.operations"] = [
        {"key": USE, "job": 1, "request": "ReceivePaymentAdd", "record_kind": "payment", "status": "applied"}
        | {"fields": json.dumps(made["fields"]), "currency": "USD"}
    ]
    number = USE.removeprefix("payment:")
    rows["ledger.crosswalk"] += [
        bound("invoice", "INV-1", "9-1"),
        bound("payment", number, "7-7", bound_at=dt.datetime(2026, 1, 13)),
    ]
    there = {"owner_table": "quickbooks.credit_memos", "owner_txn_id": "5-17", "txn_id": "9-1"}
    rows["quickbooks.linked_transactions"] = [there | {"amount": -Decimal(shown)}]
    books = Books(frames(rows), settings())
    found = list(carried_differences(books))
    assert [row["explained"] for row in found] == ([] if told is None else [told])
    [total] = carried_totals(books)
    assert total["difference"] == sum(row["difference"] for row in found)


# --- the tie of what BluBilling has of them -----------------------------------------------------------------


def held(amount: str = "50.00", **more: Any) -> Rows:
    """Return the company whose carried credit of 50.00 stands in BluBilling, and is used there."""
    rows = used()
    rows["billing.adjustments"] = [adjustment("X-1", amount, reason_text=CREDIT) | more]
    rows["billing.payment_applications"][-1]["payment_number"] = "X-1"
    return rows


def tied(rows: Rows) -> tuple[bool, str | None]:
    [row] = to_rows(tie_frame(tie_credits(Context(frames(rows), settings(), customers=False))))
    return row["ties"], row["reason"]


def test_a_credit_that_blubilling_holds_ties_and_one_that_it_does_not_hold_is_no_difference() -> None:
    assert tied(held()) == (True, None) and tied(used()) == (True, None)


def test_a_credit_that_quickbooks_used_itself_stops_the_export_until_it_is_signed() -> None:
    rows = held()
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal(45)
    ties, reason = tied(rows)
    assert not ties and "45.00 were left of it at the cutover" in (reason or "")
    plan = planned(rows)
    assert "carried_not_tied" in errors(plan) and not len(plan.operations)
    [one] = tie_credits(Context(frames(rows), settings(), customers=False))
    rows["ledger.decisions"] = [signature(1, one.difference_id)]
    assert "carried_not_tied" not in errors(planned(rows)) and len(planned(rows).operations)


def test_a_credit_that_quickbooks_has_no_more_does_not_tie_while_blubilling_holds_it() -> None:
    rows = held()
    rows["quickbooks.credit_memos"] = []
    assert "does not have it any more" in (tied(rows)[1] or "")


@pytest.mark.parametrize(
    ("more", "said"),
    [({"amount": Decimal(90)}, "BluBilling has 90.00"), ({"account_number": "A2"}, "another customer")],
)
def test_a_copy_that_was_used_and_changed_since_does_not_tie(more: dict[str, Any], said: str) -> None:
    rows = held(**more)
    rows["ledger.crosswalk"].append(bound("payment", "X-1/INV-1/1", "7-7", amount=Decimal(0)))
    assert said in (tied(rows)[1] or "")
