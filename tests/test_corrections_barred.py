"""Corrections that would make another document of a row, QuickBooks' own or one to be sent: none is kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from export_world import ALL, Rows, adjustment, bound, day, invoice, line, payment, world
from test_corrections import rules, workspace

from toolkit import correcting, cutover
from toolkit.carried_names import CarriedNames
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

REASON = ("billing.adjustments", "X-1", "reason_text")
NAMED, OTHER = "CM 1 carried, QB-5-17", "Goodwill credit"


def carried(reason: str) -> Rows:
    """Return a company with a credit memo of 50.00 that is carried forward, and an adjustment of 50.00."""
    rows = world()
    memo = {
        "txn_id": "5-17",
        "customer_list_id": "C-1",
        "credit_remaining": Decimal(50),
        "ref_number": "CM 1",
    }
    memo |= {"ar_account_list_id": rows["quickbooks.accounts"][0]["list_id"]}
    rows["quickbooks.credit_memos"] = [memo]
    rows["billing.adjustments"] = [adjustment("X-1", "50.00", reason_text=reason)]
    item = {"decision": "House Credit", "item_list_id": "I-5", "item_full_name": "House Credit"}
    rows["mapping.adjustments"] = [{"kind": "house_credit", **item}]
    return rows


def carry(ws: Workspace) -> None:
    facts = {"amount": Decimal(50), "customer_list_id": "C-1"}
    ws.ledger.bind([bound("credit_memo", "QB-5-17", "5-17", "quickbooks", **facts)])


def sent(ws: Workspace) -> set[str]:
    plan = cutover.plan_export(ws, new=True, qbxml=False, **ALL)
    return set(plan.operations["key"])


def blocked(ws: Workspace) -> dict[str, str]:
    left = to_rows(cutover.plan_export(ws, new=True, qbxml=False, **ALL).left_out)
    return {row["source_key"]: row["reason"].partition(":")[0] for row in left if row["rule"] == "blocked"}


# --- carried credits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(NAMED, OTHER), (OTHER, NAMED), (NAMED, "CM 1 carried, QB 5 17")])
def test_what_a_row_names_of_quickbooks_is_not_corrected(tmp_path: Path, old: str, new: str) -> None:
    with workspace(tmp_path / "ws", carried(old)) as ws:
        carry(ws)
        before = sent(ws)
        assert ("credit_memo:X-1" in before) == (old == OTHER)
        done = correcting.correct(ws, [(REASON, new)], "ann", "a nicer text")
        assert (done.corrected, rules(done), sent(ws)) == (0, ["other_carried"], before)
        assert correcting.correct(ws, [(REASON, f"{old} (kept)")], "ann", "a nicer text").corrected == 1


@pytest.mark.parametrize(("old", "new"), [(NAMED, OTHER), (OTHER, NAMED)])
def test_one_made_before_the_carry_forward_counts_no_more(tmp_path: Path, old: str, new: str) -> None:
    with workspace(tmp_path / "ws", carried(old)) as ws:
        assert correcting.correct(ws, [(REASON, new)], "ann", "a nicer text").corrected == 1
        carry(ws)
        assert "credit_memo:X-1" not in sent(ws)
        tables, found = cutover.corrected_tables(ws)
        assert (list(tables["billing.adjustments"]["reason_text"]), list(found["rule"])) == (
            [old],
            ["correction_unusable"],
        )
        assert correcting.correct(ws, [(REASON, None)], "ann").withdrawn == 1
        assert ("credit_memo:X-1" in sent(ws)) == (old == OTHER)


def test_which_columns_may_name_what_was_carried() -> None:
    crosswalk = [
        bound("credit_memo", "QB-5-17", "5-17", "quickbooks"),
        bound("invoice", "QB-7", "7-1", "quickbooks"),
        bound("credit_memo", "OURS-1", "8-1", "billing"),
    ]
    names = CarriedNames({"ledger.crosswalk": from_rows("ledger.crosswalk", crosswalk)})
    for table, columns in {
        "billing.adjustments": ("reason_text", "qb_method_or_item"),
        "billing.payments": ("check_number", "transaction_id", "notes"),
    }.items():
        for column in columns:
            assert names.differ(table, column, None, "5-17")
            assert not names.differ(table, column, "a", "OURS-1")
    assert names.differ("billing.invoices", "notes", "QuickBooks invoice 7, TxnID 7-1", "none")
    assert not names.differ("billing.invoices", "notes", "7-1", "TxnID 9-9")
    assert names.differ("billing.invoices", "erp_invoice_id", "7-1", None)
    assert not names.differ("billing.invoices", "due_date", "7-1", None)
    assert not CarriedNames({}).differ("billing.payments", "notes", "5-17", None)


# --- the cutover date ---------------------------------------------------------------------------------------

BEFORE = day(20, 12, 2025)


def around() -> Rows:
    """Return a company with documents on both sides of the cutover date 2025-12-31."""
    rows = carried("Goodwill")
    rows["billing.adjustments"].append(adjustment("OLD-A", "5.00", effective_date=BEFORE))
    rows["billing.invoices"].append(invoice("OLD-1", "70.00", invoice_date=BEFORE))
    rows["billing.invoice_lines"].append(line("OLD-1", "70.00"))
    rows["billing.payments"].append(payment("OLD-P", "10.00", effective_date=BEFORE))
    rows["billing.payment_applications"][0]["applied_date"] = BEFORE
    return rows


DATED = {
    ("billing.invoices", "OLD-1", "invoice_date"): "2026-01-02",
    ("billing.payments", "OLD-P", "effective_date"): "2026-01-02",
    ("billing.adjustments", "OLD-A", "effective_date"): "2026-01-02",
    ("billing.payment_applications", "P-1 / INV-1 / 1", "applied_date"): "2026-01-02",
    ("billing.invoices", "INV-1", "invoice_date"): "2025-12-31",
}


def test_no_date_is_corrected_across_the_cutover(tmp_path: Path) -> None:
    with workspace(tmp_path / "ws", around()) as ws:
        before = sent(ws)
        done = correcting.correct(ws, DATED.items(), "ann", "a typo")
        assert (done.corrected, rules(done)) == (0, ["other_side"] * len(DATED))
        assert sent(ws) == before
        on_its_side = [(("billing.invoices", "INV-1", "invoice_date"), "2026-01-01")]
        assert correcting.correct(ws, on_its_side, "ann", "a typo").corrected == 1
        shown = to_rows(correcting.proposals(ws).proposals)
        assert not {row["key"] for row in shown} & {"OLD-1", "OLD-P", "OLD-A"}
        elsewhere = {row["rule"]: row["where"] for row in to_rows(correcting.proposals(ws).elsewhere)}
        assert "arry it forward" in elsewhere["cutover_side"]


def test_one_made_before_the_cutover_was_set_stops_its_row(tmp_path: Path) -> None:
    with workspace(tmp_path / "ws", around()) as ws:
        ws.set("cutover_date", "-")
        assert correcting.correct(ws, DATED.items(), "ann", "a typo").corrected == len(DATED)
        ws.set("cutover_date", "2025-12-31")
        assert sent(ws) == {"credit_memo:X-1"}
        found = blocked(ws)
        assert found.keys() == {"OLD-1", "OLD-P", "OLD-A", "P-1"}
        assert all("correction_side" in why for why in found.values())
        shown = {row["key"]: row["status"] for row in to_rows(correcting.proposals(ws).proposals)}
        assert shown["OLD-1"] == "still wrong"
        withdrawn = correcting.correct(ws, dict.fromkeys(DATED).items(), "ann").withdrawn
        assert (withdrawn, "payment:P-1" in sent(ws)) == (len(DATED), True)


# --- blanks -------------------------------------------------------------------------------------------------


def test_a_blank_more_is_no_correction(tmp_path: Path) -> None:
    cell, other = ("billing.customers", "A1", "name"), ("billing.customers", "A1", "bill_street1")
    rows = world()
    rows["billing.customers"][0] |= {"bill_street1": "1 Quay "}
    with workspace(tmp_path / "ws", rows) as ws:
        done = correcting.correct(ws, [(cell, " Acme"), (other, "1 Quay  ")], "ann", "typo")
        assert (done.corrected, rules(done)) == (0, ["only_blanks"] * 2)
        assert "drops" in done.findings["message"][0]
        # One less may be what makes it fit.
        assert correcting.correct(ws, [(other, "1 Quay")], "ann", "typo").corrected == 1
