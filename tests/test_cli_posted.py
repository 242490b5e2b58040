"""Commands of a plan: rows held back by filters, and what was posted by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pytest
from test_transform_sent import rehearsed

from toolkit import cutover_export, cutover_posted, cutover_steps
from toolkit.errors import UsageError
from toolkit.tables import from_rows, to_rows


def test_rows_are_held_and_postings_entered_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rehearsed(tmp_path)
    made.ws.close()
    toolkit = cli_world.runner(monkeypatch, capsys)
    at = ("-w", str(tmp_path / "workspace"))
    january = ("export", "--start", "2026-01-01", "--end", "2026-01-31", "--customers", "--invoices")
    wrong = toolkit(*january, "--hold", "acount_number=A9", *at)
    assert wrong.code == 2 and "did you mean account_number" in wrong.err
    book = tmp_path / "plan.xlsx"
    held = toolkit(*january, "--hold", "account_number=A9", "--to", str(book), "--json", *at)
    assert held.code == 0 and held.json["held"] == ["customer:A9"] and book.exists()
    assert [row["rule"] for row in held.json["left_out"]] == ["held"]
    assert held.json["filters"] == [{"option": "--hold", "filter": "account_number=A9", "operations": 1}]
    before = cli_world.fingerprint(tmp_path / "workspace")
    missed = toolkit(*january, "--hold", "account_number=A99", "--approve", *at)
    assert missed.code == 2 and "did you mean account_number=A9?" in missed.err
    assert cli_world.fingerprint(tmp_path / "workspace") == before
    told = toolkit(*january, "--hold", "account_number=A9", *at).out
    assert "--hold account_number=A9 chose 1 operation." in told and "1 operation is held" in told
    said = toolkit("posted", "B-1", "--txn-id", "AB-12", "--note", "cheque", "--json", *at)
    assert said.code == 0 and said.json["changed"] and "in no imported table" in said.json["check"]
    listed = toolkit("table", "plan.post_by_hand", "--json", *at).json["records"]
    assert [(row["source_key"], row["txn_id"]) for row in listed] == [("B-1", "AB-12")]
    shown = toolkit("table", "plan.post_by_hand", *at)
    assert shown.code == 0 and "AB-12" in shown.out
    assert toolkit("posted", "B-1", *at).code == 2
    assert toolkit("posted", "B-1", "--undo", *at).code == 0
    assert toolkit("posted", "B-1", "--undo", *at).code == 2


def test_each_entry_of_a_refund_can_have_its_own_document(tmp_path: Path) -> None:
    ws = rehearsed(tmp_path).ws
    paid = to_rows(ws.read("billing.payments"))
    original = next(row for row in paid if row["amount"] > 2)
    void = original | {"payment_type": "Refund", "reverses_payment_number": original["payment_number"]}
    void |= {"transaction_id": None, "check_number": None, "unapplied_balance": None}
    first = void | {"payment_number": "R-1", "amount": Decimal("-1.00")}
    second = void | {"payment_number": "R-2", "amount": 1 - original["amount"]}
    ws.write("billing.payments", from_rows("billing.payments", [*paid, first, second]))

    def listed() -> dict[str, tuple[Any, Any]]:
        rows = to_rows(cutover_export.by_hand(ws))
        return {r["source_key"]: (r["entries"], r["txn_id"]) for r in rows if r["source_key"][0] == "R"}

    assert listed() == {"R-1": (["R-1", "R-2"], None)}
    alone = cutover_posted.enter_posting(ws, "R-1", "AB-1", "ann", alone=True)
    assert alone.entries == ("R-1",) and alone.row["amount"] == Decimal("-1.00")
    assert listed() == {"R-1": (None, "AB-1"), "R-2": (None, None)}
    assert cutover_posted.enter_posting(ws, "R-2", "AB-2", "ann").entries == ("R-2",)
    assert listed() == {"R-1": (None, "AB-1"), "R-2": (None, "AB-2")}
    for number in ("R-1", "R-2"):
        cutover_posted.take_back_posting(ws, number, "ann")
    assert cutover_posted.enter_posting(ws, "R-1", "AB-3", "ann").entries == ("R-1", "R-2")
    with pytest.raises(UsageError, match="R-1 and R-2 are entered as AB-3"):
        cutover_posted.enter_posting(ws, "R-2", "AB-4", "ann")
    assert listed() == {"R-1": (["R-1", "R-2"], "AB-3")}
    cutover_posted.enter_posting(ws, "R-2", "AB-4", "ann", alone=True)
    assert listed() == {"R-1": (None, "AB-3"), "R-2": (None, "AB-4")}


def test_entries_of_one_refund_share_its_document_though_their_days_differ(tmp_path: Path) -> None:
    ws = rehearsed(tmp_path).ws
    paid = to_rows(ws.read("billing.payments"))
    original = next(row for row in paid if row["amount"] > 2)
    void = original | {"payment_type": "Refund", "reverses_payment_number": original["payment_number"]}
    void |= {"transaction_id": None, "check_number": None, "unapplied_balance": None}
    day, amount = original["effective_date"], original["amount"]
    entries = [
        void | {"payment_number": "R-1", "amount": Decimal("-1.00")},
        void | {"payment_number": "R-2", "amount": 1 - amount, "effective_date": day + dt.timedelta(days=1)},
        void | {"payment_number": "R-3", "amount": Decimal("-0.01"), "effective_date": day + dt.timedelta(2)},
        void | {"payment_number": "R-4", "amount": Decimal("-1.00"), "reverses_payment_number": None},
    ]
    ws.write("billing.payments", from_rows("billing.payments", [*paid, *entries]))
    for number in ("R-1", "R-2"):
        assert cutover_posted.enter_posting(ws, number, "AB-3", "ann").entries == (number,)
    with pytest.raises(UsageError, match=f"would be {amount + Decimal('0.01')} together.* was {amount};"):
        cutover_posted.enter_posting(ws, "R-3", "AB-3", "ann")
    with pytest.raises(UsageError, match="AB-3 is entered for R-1 already: one document, one row"):
        cutover_posted.enter_posting(ws, "R-4", "AB-3", "ann")
    assert set(ws.read("ledger.postings")["source_key"]) == {"R-1", "R-2"}
    cutover_posted.take_back_posting(ws, "R-2", "ann")
    assert ws.read("ledger.postings").empty
    customer = cutover_export.by_hand(ws)["customer_full_name"].iloc[0]
    [list_id] = [
        row["list_id"] for row in to_rows(ws.read("quickbooks.customers")) if row["full_name"] == customer
    ]
    document = {"txn_id": "AB-4", "customer_list_id": list_id, "txn_date": day, "total_amount": amount}
    memos = to_rows(ws.read("quickbooks.credit_memos"))
    ws.write("quickbooks.credit_memos", from_rows("quickbooks.credit_memos", [*memos, document]))
    with pytest.raises(UsageError, match=r"it is of 60\.00, not of 1\.00"):
        cutover_posted.enter_posting(ws, "R-1", "AB-4", "ann", alone=True)
    with pytest.raises(UsageError, match=r"it is of 60\.00, not of 1\.00"):
        cutover_posted.enter_posting(ws, "R-1", "AB-4", "ann")  # with it is 60.01
    ws.write("billing.payments", from_rows("billing.payments", [*paid, *entries[:2], entries[3]]))
    for number in ("R-1", "R-2"):
        assert cutover_posted.enter_posting(ws, number, "AB-4", "ann").entries == (number,)


@pytest.mark.parametrize("item", ["Credits", "-"])
def test_the_status_counts_what_the_table_lists(tmp_path: Path, item: str) -> None:
    ws = rehearsed(tmp_path).ws
    ws.set("credit_item", item)
    ws.set("credit_account", "-")
    waiting = cutover_export.by_hand(ws)
    assert len(waiting) and waiting["txn_id"].isna().all()
    step = next(one for one in cutover_steps.steps(ws) if one.name == "Post by hand")
    assert step.state == "open" and step.detail.startswith(f"{len(waiting)} document")
