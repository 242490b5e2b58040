"""BluBilling's upload files: two shapes, each summing to what is open, written and read back alike."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_carry_forward import (
    AFTER,
    APPLIED,
    INVOICES,
    LINKS,
    MEMOS,
    PAYMENTS,
    Rows,
    applied,
    balance,
    credit,
    invoice,
    link,
    open_amounts,
    payment,
    plan,
    rules,
    settings,
    world,
)

from toolkit.carry_forward_files import (
    GROUP,
    credits_file,
    guarded,
    is_formula,
    read_upload,
    require_upload,
    upload_columns,
    upload_frame,
    write_csv,
)
from toolkit.errors import ConformError
from toolkit.tables import to_rows

LINES = "quickbooks.invoice_lines"
CENTS = st.integers(-50_000, 50_000).map(lambda cents: Decimal(cents) / 100)


def line(txn_id: str, number: int, amount: str | None, **more: Any) -> dict[str, Any]:
    row = {"txn_id": txn_id, "line_number": number, "line_kind": "line", "item_full_name": "Hosting"}
    return (
        row | {"amount": None if amount is None else Decimal(amount), "description": f"Line {number}"} | more
    )


def by_lines(rows: Rows) -> list[tuple[str, str, str, str]]:
    """Return text, unit price, quantity and amount of the only invoice, carried line by line."""
    made = plan(rows, carry_forward__shape="lines")
    assert made.ready, to_rows(made.findings)
    [row] = to_rows(made.upload)
    places = range(1, 1 + sum(name.startswith("Amount_") for name in row))
    names = ("Invoice Text", "Unit Price", "Quantity", "Amount")
    return [tuple(row[f"{name}_{place}"] for name in names) for place in places]


# --- line by line -------------------------------------------------------------------------------------------


def test_an_unpaid_invoice_goes_with_its_own_lines_and_its_tax() -> None:
    rows = world()
    rows[INVOICES] = [
        invoice("INV1", "93.46", "100.00", sales_tax_total=Decimal("6.54"), item_sales_tax_full_name="State")
    ]
    rows[LINES] = [
        line("INV1", 2, "29.46", quantity=None),
        line("INV1", 1, "64.00", quantity=Decimal("2.00000"), rate=Decimal("32.00000")),
    ]
    assert by_lines(rows) == [
        ("Line 1", "32.00", "2", "64.00"),
        ("Line 2", "29.46", "1", "29.46"),
        ("Sales tax (State)", "6.54", "1", "6.54"),
    ]


def test_groups_descriptions_and_subtotals_carry_their_text_and_no_money() -> None:
    rows = world()
    rows["quickbooks.items"].append(
        {"list_id": "I-S", "item_type": "Subtotal", "name": "Sub", "full_name": "Sub", "is_active": True}
    )
    rows[LINES] = [
        line("INV1", 1, None, line_kind="group", group_total_amount=Decimal(110), description="Package"),
        line("INV1", 2, "110.00"),
        line("INV1", 3, "110.00", item_list_id="I-S", description="Subtotal"),
        line("INV1", 4, None, line_kind="description", item_full_name=None),
        line("INV1", 5, "-10.00", rate_percent=Decimal("-9.09"), description="Discount"),
    ]
    assert [(text, amount) for text, _, _, amount in by_lines(rows)] == [
        ("Package", "0.00"),
        ("Line 2", "110.00"),
        ("Subtotal", "0.00"),
        ("Line 4", "0.00"),
        ("Discount", "-10.00"),
    ]


def test_a_part_paid_invoice_has_one_line_more_that_takes_off_what_was_paid() -> None:
    rows = world()
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00")]
    rows[PAYMENTS] = [payment("P1", "40.00", "0.00")]
    rows[APPLIED], rows[LINKS] = [applied("P1", "INV1", "40.00")], [link("INV1", "P1", "-40.00")]
    rows[LINES] = [line("INV1", 1, "100.00")]
    balance(rows, "60.00")
    assert by_lines(rows)[-1] == (
        "Paid or credited in QuickBooks before the cutover",
        "-40.00",
        "1",
        "-40.00",
    )
    [row] = to_rows(plan(rows, carry_forward__shape="lines").upload)
    assert row["Current Amount Due"] == "60.00"


def test_a_rate_that_does_not_multiply_back_is_not_sent() -> None:
    rows = world()
    rows[LINES] = [line("INV1", 1, "100.00", quantity=Decimal(3), rate=Decimal("33.33000"))]
    assert by_lines(rows) == [("Line 1", "100.00", "1", "100.00")]


@pytest.mark.parametrize("lines", [[], [line("INV1", 1, "99.99")]])
def test_lines_that_do_not_sum_to_the_invoice_are_an_error_and_the_balance_still_goes(
    lines: list[dict[str, Any]],
) -> None:
    rows = world()
    rows[LINES] = lines
    made = plan(rows, carry_forward__shape="lines")
    assert rules(made, "error") == {"lines_sum": "INV1"} and not made.ready
    assert plan(rows).ready


@st.composite
def invoices_by_lines(draw: st.DrawFn) -> Rows:
    """Draw invoices of some lines each, of which a part was paid before the cutover."""
    rows = world()
    rows[INVOICES], rows[LINES], owed = [], [], Decimal(0)
    for place in range(draw(st.integers(1, 4))):
        txn_id = f"INV{place + 1}"
        amounts = draw(st.lists(CENTS, min_size=1, max_size=5))
        amounts.append(max(Decimal("0.01"), Decimal("0.01") - sum(amounts)))
        total = sum(amounts, Decimal(0))
        paid = min(draw(CENTS.map(abs)), total - Decimal("0.01"))
        for number, amount in enumerate(amounts, start=1):
            quantity = draw(st.sampled_from([None, Decimal(1), Decimal(3)]))
            rate = None if quantity is None else (amount / quantity).quantize(Decimal("0.00001"))
            rows[LINES].append(line(txn_id, number, str(amount), quantity=quantity, rate=rate))
        rows[INVOICES].append(invoice(txn_id, str(total), str(total - paid)))
        if paid:
            rows[PAYMENTS].append(payment(f"P{place}", str(paid), "0.00"))
            rows[APPLIED].append(applied(f"P{place}", txn_id, str(paid)))
            rows[LINKS].append(link(txn_id, f"P{place}", str(-paid)))
        owed += total - paid
    balance(rows, str(owed))
    return rows


@examples(max_examples=30, deadline=None)
@given(
    invoices_by_lines(),
    st.sampled_from(["balance", "lines"]),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    st.sampled_from(["true", "false"]),
)
def test_money_is_conserved_and_the_file_reads_back(
    rows: Rows, shape: str, encoding: str, header: str
) -> None:
    text = {
        "carry_forward__shape": shape,
        "carry_forward__encoding": encoding,
        "carry_forward__header": header,
    }
    made = plan(rows, **text)
    assert made.ready, to_rows(made.findings)
    owed, written = open_amounts(made), to_rows(made.upload)
    assert sum(Decimal(row["Current Amount Due"]) for row in written) == sum(owed.values())
    for row, (_, amount) in zip(written, owed.items(), strict=True):
        lines = [row[name] for name in row if name.startswith("Amount_") and row[name] is not None]
        assert sum(map(Decimal, lines)) == Decimal(row["Current Amount Due"]) == amount
        for place in range(1, len(lines) + 1):
            product = Decimal(row[f"Unit Price_{place}"]) * Decimal(row[f"Quantity_{place}"])
            assert abs(product - Decimal(row[f"Amount_{place}"])) <= Decimal("0.005")
    assert len({row["Invoice Number"] for row in written}) == len(written)
    back = read_upload(write_csv(made.upload, settings(**text)), settings(**text))
    assert to_rows(back) == written and list(back.columns) == list(made.upload.columns)


# --- what a spreadsheet would make of it --------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\t=1"])
def test_what_looks_like_a_formula_is_text(text: str) -> None:
    assert is_formula(text) and not is_formula(str(guarded(text)))


@pytest.mark.parametrize("text", ["-5.00", "+1 555-0100", "00123", "1E5", "3-4", "O'Brien", ""])
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert (guarded(text) or "") == text


def test_a_formula_for_a_number_gets_another_number_and_one_in_a_text_an_apostrophe() -> None:
    rows = world()
    rows[INVOICES][0]["ref_number"] = "=1+1"
    rows[LINES] = [line("INV1", 1, "100.00", description="=HYPERLINK(1)")]
    made = plan(rows, carry_forward__shape="lines")
    [row] = to_rows(made.upload)
    assert (row["Invoice Number"], row["Invoice Text_1"]) == ("QB-1", "'=HYPERLINK(1)")
    assert rules(made)["number_given"] == "INV1"


def test_leading_zeros_stay_in_the_file() -> None:
    rows = world()
    rows[INVOICES][0]["ref_number"] = "00123"
    content = write_csv(plan(rows).upload, settings())
    assert content.splitlines()[1].startswith(b"00123,")


@pytest.mark.parametrize("numbers", [("101", "101 "), ("A-1", "a-1")])
def test_numbers_that_a_reader_may_take_for_one_are_given_to_neither(numbers: tuple[str, str]) -> None:
    rows = world()
    rows[INVOICES] = [
        invoice(f"INV{place}", "50.00", "50.00", ref_number=number) for place, number in enumerate(numbers, 1)
    ]
    assert [row["Invoice Number"] for row in to_rows(plan(rows).upload)] == ["QB-1", "QB-2"]


# --- settings of the file -----------------------------------------------------------------------------------


def test_a_character_that_the_encoding_lacks_is_a_finding_and_nothing_is_written() -> None:
    rows = world()
    rows[LINES] = [line("INV1", 1, "100.00", description="Łódź")]
    shape = {"carry_forward__shape": "lines"}
    made = plan(rows, carry_forward__encoding="cp1252", **shape)
    [found] = [row for row in to_rows(made.findings) if row["rule"] == "upload_encoding"]
    assert (found["key"], found["column"], found["value"]) == ("INV1", "Invoice Text_1", "Łódź")
    assert not made.ready and not len(made.upload) and not len(made.credits)
    assert plan(rows, **shape).ready


def test_credits_are_in_a_file_of_their_own_under_the_key_of_the_crosswalk() -> None:
    rows = world()
    rows[MEMOS], rows[PAYMENTS] = [credit("CM1", "30.00", "30.00")], [payment("P1", "20.00", "20.00")]
    balance(rows, "50.00")
    made = plan(rows)
    file = credits_file(made.credits, settings())
    assert [(row["key"], row["open_amount"], row["txn_date"]) for row in to_rows(file)] == [
        ("QB-CM1", "30.00", "12/20/2025"),
        ("QB-P1", "20.00", "12/20/2025"),
    ]
    again = read_upload(write_csv(file, settings()), settings(), "carry_forward.credits")
    assert to_rows(again) == to_rows(file)


def test_the_plan_that_carries_may_not_tax_again() -> None:
    for change in ({"is_tax": True}, {"external_tax_lookup": True}):
        rows = world()
        rows["billing.charges"][1] |= change
        assert "carry_forward_taxed" in rules(plan(rows), "error")


# --- the form of the frame ----------------------------------------------------------------------------------


def filled(lines: int) -> dict[str, str | None]:
    row: dict[str, str | None] = dict.fromkeys(upload_columns(lines), "1")
    return row


def test_a_wider_upload_is_one_and_any_other_is_not() -> None:
    good = upload_frame([filled(3), filled(1)], 3)
    assert list(good.columns)[12:21] == [f"{name}_1" for name in GROUP]
    for bad in (
        good[list(reversed(good.columns))],
        good.drop(columns="PriceCode_2"),
        good.assign(Extra="1"),
    ):
        with pytest.raises(ConformError):
            require_upload(bad)


@pytest.mark.parametrize(
    "missing", [["Customer Ref"], ["PriceCode_1"], ["Amount_2"], [f"{name}_2" for name in GROUP]]
)
def test_a_gap_in_an_upload_is_seen(missing: list[str]) -> None:
    with pytest.raises(ConformError):
        upload_frame([filled(3) | dict.fromkeys(missing)], 3)


# --- one moment ---------------------------------------------------------------------------------------------

STARTED, ENDED = dt.datetime(2026, 1, 10, 9, 0), dt.datetime(2026, 1, 10, 9, 5)


def snapshot(rows: Rows) -> Rows:
    """Let the invoice be the first and a payment the last that one import read."""
    rows["ledger.jobs"] = [{"id": 3, "kind": "import:receivables", "status": "complete"}]
    rows[INVOICES][0] |= {"import_job": 3, "imported_at": STARTED, "time_modified": dt.datetime(2025, 12, 10)}
    rows[PAYMENTS] = [payment("P9", "5.00", "5.00", import_job=3, imported_at=ENDED)]
    balance(rows, "95.00")
    return rows


@pytest.mark.parametrize(("minute", "ready"), [(59, True), (2, False), (5, False), (6, True)])
def test_a_change_while_the_import_was_reading_is_refused(minute: int, ready: bool) -> None:
    rows = snapshot(world())
    rows[PAYMENTS][0]["time_modified"] = dt.datetime(2026, 1, 10, 8 if minute > 30 else 9, minute)
    made = plan(rows)
    assert made.ready is ready
    assert ("changed_meanwhile" in rules(made, "error")) is not ready


def test_a_payment_that_only_one_of_two_documents_knows_is_refused() -> None:
    rows = snapshot(world())
    # Entered between the page of the invoice and its own: the balances were read before, and tie.
    rows[PAYMENTS] = [payment("P9", "100.00", "0.00", import_job=3, imported_at=ENDED)]
    rows[APPLIED] = [applied("P9", "INV1", "100.00")]
    balance(rows, "100.00")
    assert rules(plan(rows), "error") == {"changed_meanwhile": "INV1"}


@pytest.mark.parametrize(("date", "ready"), [(AFTER, True), (dt.date(2025, 12, 20), False)])
def test_of_two_imports_only_what_counts_at_the_cutover_matters(date: dt.date, ready: bool) -> None:
    rows = snapshot(world())
    rows["ledger.jobs"].append({"id": 4, "kind": "import:payments", "status": "complete"})
    rows[PAYMENTS] = [payment("P9", "100.00", "0.00", import_job=4, imported_at=ENDED, txn_date=date)]
    rows[APPLIED] = [applied("P9", "INV1", "100.00")]
    balance(rows, "100.00")
    assert plan(rows).ready is ready


# --- the proof ----------------------------------------------------------------------------------------------


def test_the_proof_shows_customers_totals_and_accounts_before_and_at_the_cutover() -> None:
    rows = world()
    rows["quickbooks.accounts"] = [
        {"list_id": "A-1", "full_name": "AR", "account_type": "AccountsReceivable", "balance": Decimal(60)}
    ]
    rows[INVOICES] = [invoice("INV1", "100.00", "60.00", ar_account_full_name="AR")]
    rows[PAYMENTS] = [payment("P1", "40.00", "0.00", txn_date=AFTER, ar_account_full_name="AR")]
    rows[APPLIED] = [applied("P1", "INV1", "40.00")]
    rows[LINKS] = [link("INV1", "P1", "-40.00", txn_date=AFTER)]
    balance(rows, "60.00")
    names = ("documents_amount", "quickbooks_balance", "difference", "rolled_back", "open_at_cutover")
    shown = {
        (row["scope"], row["key"]): tuple(map(str, (row[n] for n in names)))
        for row in to_rows(plan(rows).proof)
    }
    assert shown == dict.fromkeys(
        [("customer", "C-1"), ("currency", "USD"), ("ar_account", "AR")],
        ("60.00", "60.00", "0.00", "40.00", "100.00"),
    )


def test_an_account_that_shows_more_is_told_and_a_total_that_does_not_tie_is_refused() -> None:
    rows = world()
    rows["quickbooks.accounts"] = [
        {"list_id": "A-1", "full_name": "AR", "account_type": "AccountsReceivable", "balance": Decimal(107)}
    ]
    rows[INVOICES][0]["ar_account_full_name"] = "AR"
    assert rules(plan(rows)) == {"account_proof": "AR"} and plan(rows).ready
    [told] = [row["message"] for row in to_rows(plan(rows).findings) if row["rule"] == "account_proof"]
    assert "import lists and receivables again" in told
    rows["quickbooks.customers"][0]["currency_full_name"] = "Euro"
    assert rules(plan(rows), "error")["total_proof"] in ("Euro", "USD")
