"""Uses of carried credits that a person applied in QuickBooks by hand: entered, checked, and tied out."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_world import runner
from export_world import Rows, bound, day, frames, invoice, line, open_document
from test_carried_credits import CREDIT, application, used
from test_cutover_approval import EVERYTHING

from toolkit import cutover, cutover_posted
from toolkit.errors import UsageError
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

KEY = f"{CREDIT} / INV-1 / 1"
CALLED = f"use:{KEY}"
READ = dt.datetime(2026, 1, 20)


def company(applied: str = "30.00") -> Rows:
    """Return a company in which QuickBooks applied the credit itself, so that the use is blocked."""
    rows = used("30.00", imported_at=READ, credit_remaining=Decimal(50) - Decimal(applied))
    rows["billing.payments"], rows["billing.payment_applications"] = (
        [],
        rows["billing.payment_applications"][1:],
    )
    rows["quickbooks.invoices"] = [open_document("9-1", "100.00", txn_date=day(10), imported_at=READ)]
    rows["quickbooks.linked_transactions"] = [link("9-1", applied)] if Decimal(applied) else []
    return rows


def link(to: str, amount: str) -> dict[str, Any]:
    there = {"owner_table": "quickbooks.credit_memos", "owner_txn_id": "5-17", "txn_id": to}
    return there | {"amount": -Decimal(amount)}


def made_of(folder: Path, rows: Rows) -> Workspace:
    rows = copy.deepcopy(rows)
    ws = Workspace.create(folder / "ws", company="Fabrikam", password="a good password")
    for key, value in {"cutover_date": "2025-12-31", "pilot": "false"}.items():
        ws.set(key, value)
    ws.ledger.bind([*rows.pop("ledger.crosswalk"), bound("invoice", "INV-1", "9-1", amount=Decimal(100))])
    for name, frame in frames(rows).items():
        ws.write(name, frame)
    return ws


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with made_of(tmp_path, company()) as made:
        yield made


def left(ws: Workspace) -> dict[str, str]:
    rows = to_rows(cutover.plan_export(ws, **EVERYTHING).left_out)
    return {row["source_key"]: row["rule"] for row in rows if row["source_table"].endswith("applications")}


def enter(ws: Workspace, txn_id: str = "5-17", key: str = CALLED) -> cutover_posted.Posting:
    return cutover_posted.enter_posting(ws, key, txn_id, "ann")


def test_a_blocked_use_is_entered_with_the_txn_id_of_the_credit(ws: Workspace) -> None:
    assert left(ws) == {KEY: "blocked"}
    done = enter(ws)
    assert done.changed and done.row["amount"] == 30
    assert str(done.check) == "found in quickbooks.credit_memos: customer and amount agree"
    assert left(ws) == {KEY: "posted_by_hand"}
    plan = cutover.plan_export(ws, **EVERYTHING)
    [row] = to_rows(plan.post_by_hand)
    assert (row["kind"], row["source_key"], row["txn_id"], row["amount"]) == ("credit_use", KEY, "5-17", 30)
    assert not enter(ws).changed
    assert cutover_posted.take_back_posting(ws, CALLED, "ann").changed
    assert left(ws) == {KEY: "blocked"}


def test_the_command_enters_it(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toolkit = runner(monkeypatch, capsys)
    said = toolkit("-w", ws.path, "posted", KEY, "--txn-id", "5-17", "--json")
    assert said.code == 0 and said.json["source_table"] == "billing.payment_applications"
    assert left(ws) == {KEY: "posted_by_hand"}


def test_it_ties_out_without_a_difference_and_is_one_when_quickbooks_no_longer_shows_it(
    ws: Workspace,
) -> None:
    invoices = company()
    invoices["billing.invoices"].append(invoice("INV-2", "10.00"))
    invoices["billing.invoice_lines"].append(line("INV-2", "10.00"))
    for name in ("billing.invoices", "billing.invoice_lines"):
        ws.write(name, frames(invoices)[name])
    ws.queue(cutover.plan_export(ws, **EVERYTHING))

    def told() -> list[dict[str, Any]]:
        tie = cutover.tie_out(ws)
        [total] = [row for row in to_rows(tie.totals) if row["record_kind"] == "carried credit"]
        assert (total["source_amount"], total["left_out_amount"]) == (30, 30)
        return [row for row in to_rows(tie.differences) if row["key"] == KEY]

    [open_] = told()
    assert open_["explained"] and "credit_remaining" in open_["reason"]
    enter(ws)
    assert told() == []
    ws.write("quickbooks.linked_transactions", frames(company("0.01"))["quickbooks.linked_transactions"])
    [gone] = told()
    assert not gone["explained"] and "shows 0.01 of it applied on invoice INV-1, not 30.00" in gone["reason"]


REFUSED: dict[str, tuple[Rows, str, str]] = {
    "less is applied": (company("29.99"), "5-17", "29.99 of it applied on invoice INV-1, not 30.00"),
    "nothing is applied": (
        company("0.00"),
        "5-17",
        "0.00 of it applied on invoice INV-1.*import receivables",
    ),
    "to another invoice": (
        company() | {"quickbooks.linked_transactions": [link("9-2", "30.00")]},
        "5-17",
        "0.00 of it applied on invoice INV-1",
    ),
    "before it was carried": (
        company("0.00") | {"quickbooks.linked_transactions": [link("9-1", "30.00")]},
        "5-17",
        "0.00 of it were applied since it was carried, not 30.00",
    ),
    "the invoice": (company(), "9-1", "9-1 is invoice INV-1, which was not posted by hand"),
    "a payment of another customer": (
        company()
        | {
            "quickbooks.payments": [
                {"txn_id": "8-1", "customer_list_id": "C-2", "total_amount": Decimal(0)}
                | {"customer_full_name": "Bolt"}
            ]
        },
        "8-1",
        "it is of customer Bolt, not of Acme",
    ),
    "a payment of money": (
        company()
        | {
            "quickbooks.payments": [
                {"txn_id": "8-1", "customer_list_id": "C-1", "total_amount": Decimal(30)}
            ],
            "quickbooks.payment_applications": [
                {"payment_txn_id": "8-1", "txn_id": "9-1", "amount": Decimal("12.00")}
            ],
        },
        "8-1",
        "12.00 of it applied on invoice INV-1, not 30.00",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_quickbooks_does_not_show_is_refused(tmp_path: Path, name: str) -> None:
    rows, txn_id, told = REFUSED[name]
    if name in ("nothing is applied", "before it was carried"):  # block it otherwise
        rows = copy.deepcopy(rows)
        rows["quickbooks.credit_memos"][0]["ar_account_list_id"] = "A-9"
    with made_of(tmp_path, rows) as made:
        assert left(made) == {KEY: "blocked"}
        with pytest.raises(UsageError, match=told):
            enter(made, txn_id)
        assert left(made) == {KEY: "blocked"} and made.read("ledger.postings").empty


def test_the_payment_of_nothing_that_quickbooks_made_is_bound_once(tmp_path: Path) -> None:
    rows = company()
    paid = {"txn_id": "8-1", "customer_list_id": "C-1", "total_amount": Decimal(0)}
    rows["quickbooks.payments"] = [paid]
    rows["billing.payment_applications"].append(
        application(CREDIT, "INV-1", "5.00", seq=2, applied_date=day(13))
    )
    rows["quickbooks.credit_memos"][0]["credit_remaining"] = Decimal("15.00")
    rows["quickbooks.linked_transactions"] = [link("9-1", "35.00")]
    with made_of(tmp_path, rows) as made:
        assert enter(made, "8-1").check is not None
        rows["quickbooks.credit_memos"][0]["ar_account_list_id"] = "A-9"
        made.write("quickbooks.credit_memos", frames(rows)["quickbooks.credit_memos"])
        second = f"use:{CREDIT} / INV-1 / 2"
        with pytest.raises(UsageError, match=r"8-1 is entered for .*/ 1 already"):
            enter(made, "8-1", second)
        assert enter(made, "5-17", second).changed  # what is left of what is shown: 5.00
        cutover_posted.take_back_posting(made, second, "ann")
        assert list(made.read("ledger.postings")["source_key"]) == [KEY]


def test_two_uses_are_not_entered_for_one_application(tmp_path: Path) -> None:
    rows = company()
    rows["billing.payment_applications"].append(
        application(CREDIT, "INV-1", "30.00", seq=2, applied_date=day(13))
    )
    with made_of(tmp_path, rows) as made:
        assert set(left(made).values()) == {"blocked"}
        enter(made)
        with pytest.raises(UsageError, match=r"0.00 of it applied on invoice INV-1, not 30.00"):
            enter(made, "5-17", f"use:{CREDIT} / INV-1 / 2")
        assert left(made) == {KEY: "posted_by_hand", f"{CREDIT} / INV-1 / 2": "blocked"}


def test_one_that_changed_since_is_open_again(ws: Workspace) -> None:
    enter(ws)
    rows = company()
    rows["billing.payment_applications"][0]["amount_applied"] = Decimal("31.00")
    ws.write("billing.payment_applications", frames(rows)["billing.payment_applications"])
    assert left(ws) == {KEY: "posting_overtaken"}
    found = to_rows(cutover.plan_export(ws, **EVERYTHING).findings)
    [row] = [one for one in found if one["rule"] == "posting_overtaken"]
    assert row["column"] == "amount_applied" and "30.00 is now 31.00" in row["message"]
