"""What an answer says about each operation: doubt is unknown, never rejected."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from toolkit import qbxml_io
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.outcomes import DIFFERS, MOST_TRIES, differences, noted, outcomes, requests
from toolkit.transform_fields import external_guid

INVOICE = Operation(
    key="invoice:INV-1",
    job=7,
    request="InvoiceAdd",
    record_kind="invoice",
    position=1,
    status="sent",
    fields={"ExternalGUID": external_guid("invoice:INV-1")},
    expected={"subtotal": "100.00", "tax": "6.00", "total": "106.00", "due_date": "2026-02-01"},
    depends_on=(),
    status_code=None,
    status_message=None,
    list_id=None,
    txn_id=None,
    edit_sequence=None,
    source_table="billing.invoices",
    source_key="INV-1",
    account_number="A1",
    customer_full_name="Acme",
    txn_date=None,
    ref_number="1",
    amount=Decimal("106.00"),
    currency=None,
    attempts=1,
)
PAYMENT = dataclasses.replace(
    INVOICE,
    key="payment:P-1",
    request="ReceivePaymentAdd",
    record_kind="payment",
    fields={},
    expected={
        "total_amount": "60.00",
        "unapplied": "0.00",
        "applied": [{"invoice_number": "INV-1", "txn_id": {"operation": "invoice:INV-1"}, "amount": "60.00"}],
    },
)
GOOD = (
    "<TxnID>9A-1</TxnID><EditSequence>17</EditSequence><CustomerRef><ListID>C-1</ListID></CustomerRef>"
    "<DueDate>2026-02-01</DueDate><Subtotal>100.00</Subtotal><SalesTaxTotal>6.00</SalesTaxTotal>"
)
IDS = {"invoice:INV-1": "9A-1"}


def response(
    content: str = "",
    *,
    code: int | None = 0,
    request: str = "InvoiceAdd",
    number: str = "1",
    text: str = "T",
) -> str:
    status = "" if code is None else f' statusCode="{code}"'
    return f'<{request}Rs requestID="{number}"{status} statusMessage="{text}">{content}</{request}Rs>'


def invoice_ret(content: str = GOOD) -> str:
    return f"<InvoiceRet>{content}</InvoiceRet>"


def read(body: str, *operations: Operation, attributes: str = "") -> list[Outcome]:
    document = f"<QBXML><QBXMLMsgsRs{attributes}>{body}</QBXMLMsgsRs></QBXML>".encode()
    events = list(qbxml_io.parse(io.BytesIO(document)))
    return outcomes(operations or (INVOICE,), events, IDS.get)


def one(body: str, operation: Operation = INVOICE) -> Outcome:
    (found,) = read(body, operation)
    return found


# --- what is sent


def test_references_to_operations_become_ids_and_places_become_request_ids() -> None:
    fields = {"CustomerRef": {"ListID": {"operation": "customer:A1"}}, "Line": [{"TxnID": "1"}]}
    first = dataclasses.replace(INVOICE, fields=fields)
    made = requests([first, PAYMENT], lambda key: {"customer:A1": "80-1"}[key])
    assert [request.request_id for request in made] == ["1", "2"]
    assert made[0].fields == {"CustomerRef": {"ListID": "80-1"}, "Line": [{"TxnID": "1"}]}


def test_nothing_may_refer_to_what_was_not_applied() -> None:
    first = dataclasses.replace(INVOICE, fields={"CustomerRef": {"ListID": {"operation": "customer:A1"}}})
    with pytest.raises(ProtocolError, match="customer:A1 has no QuickBooks id yet"):
        requests([first], lambda _: None)


@pytest.mark.parametrize(("version", "kept"), [("13.0", True), ("9.0", True), ("8.0", False)])
def test_a_version_without_external_guid_gets_none(version: str, kept: bool) -> None:
    marked = dataclasses.replace(INVOICE, fields={**INVOICE.fields, "Memo": "July [bb:invoice:INV-1]"})
    assert ("ExternalGUID" in requests([marked], lambda _: None, version)[0].fields) is kept
    applied = Outcome(marked.key, "applied")
    (said,) = noted([applied], [marked], version)
    assert said == applied if kept else "went without ExternalGUID" in str(said.message)
    (refused,) = noted([Outcome(marked.key, "rejected", message="no")], [marked], version)
    assert refused.message == "no"


# --- what came back


def test_a_saved_record_is_applied_and_bound() -> None:
    found = one(response(invoice_ret()))
    assert (found.status, found.message) == ("applied", None)
    assert (found.quickbooks_id, found.edit_sequence) == ("9A-1", "17")
    assert found.bind is not None
    assert found.bind["key"] == "INV-1"
    assert found.bind["customer_list_id"] == "C-1"
    assert found.bind["amount"] == Decimal("106.00")


def test_a_warning_with_a_record_is_applied_with_its_text() -> None:
    found = one(response(invoice_ret(), code=530, text="field left out"))
    assert (found.status, found.status_code, found.message) == ("applied", 530, "field left out")


@pytest.mark.parametrize("code", [0, 1, 530, 570, 999])
def test_a_success_without_a_record_is_unknown(code: int) -> None:
    found = one(response(code=code))
    assert (found.status, found.status_code) == ("unknown", code)


def test_no_status_and_no_record_is_unknown() -> None:
    assert one(response(code=None)).status == "unknown"


def test_an_error_is_rejected_in_plain_words() -> None:
    found = one(response(code=3140, text="There is an invalid reference."))
    assert found.status == "rejected"
    assert (found.message or "").startswith("There is an invalid reference. The request refers to a record")


def test_an_internal_error_of_quickbooks_is_unknown() -> None:
    assert one(response(code=1000)).status == "unknown"


def test_an_error_that_names_a_record_is_unknown() -> None:
    found = one(response(invoice_ret(), code=3180))
    assert found.status == "unknown"
    assert "9A-1" in (found.message or "")


def test_a_record_with_another_marker_is_unknown() -> None:
    other = GOOD + f"<ExternalGUID>{external_guid('invoice:INV-2')}</ExternalGUID>"
    assert one(response(invoice_ret(other))).status == "unknown"
    mine = GOOD + f"<ExternalGUID>{external_guid('invoice:INV-1').strip('{}').upper()}</ExternalGUID>"
    assert one(response(invoice_ret(mine))).status == "applied"


def test_what_the_answer_does_not_mention_is_unknown() -> None:
    body = response(invoice_ret(), number="2") + response("", request="CustomerAdd", number="1", code=3100)
    found = read(body, INVOICE, dataclasses.replace(INVOICE, key="invoice:INV-2", fields={}))
    assert [outcome.status for outcome in found] == ["unknown", "applied"]


def test_order_in_the_answer_means_nothing() -> None:
    second = dataclasses.replace(INVOICE, key="invoice:INV-2", fields={})
    body = response(code=3140, number="2") + response(invoice_ret(), number="1")
    assert [(o.key, o.status) for o in read(body, INVOICE, second)] == [
        ("invoice:INV-1", "applied"),
        ("invoice:INV-2", "rejected"),
    ]


@pytest.mark.parametrize("status", [600, 9001, 9002, 9004, 9005])
def test_a_set_that_quickbooks_cannot_vouch_for_is_unknown(status: int) -> None:
    body = response(invoice_ret())
    (found,) = read(body, INVOICE, attributes=f' newMessageSetID="X" messageSetStatusCode="{status}"')
    assert (found.status, found.status_code) == ("unknown", status)


def test_what_was_not_processed_waits_and_not_for_ever() -> None:
    body = response(code=3231)
    assert one(body).status == "pending"
    last = one(body, dataclasses.replace(INVOICE, attempts=MOST_TRIES))
    assert last.status == "rejected"
    assert "3 times" in (last.message or "")


# --- differences


@pytest.mark.parametrize(
    ("sent", "got", "clause"),
    [
        ("<Subtotal>100.00<", "<Subtotal>99.99<", "subtotal is 99.99, meant 100.00"),
        ("<SalesTaxTotal>6.00<", "<SalesTaxTotal>6.01<", "tax is 6.01, meant 6.00"),
        ("<SalesTaxTotal>6.00</SalesTaxTotal>", "", "tax is 0, meant 6.00"),
        ("<DueDate>2026-02-01<", "<DueDate>2026-03-01<", "due_date is 2026-03-01, meant 2026-02-01"),
        ("<DueDate>2026-02-01</DueDate>", "", "due_date is missing, meant 2026-02-01"),
    ],
)
def test_what_quickbooks_made_otherwise_is_told(sent: str, got: str, clause: str) -> None:
    assert sent in GOOD
    found = one(response(invoice_ret(GOOD.replace(sent, got))))
    assert found.status == "applied"
    assert (found.message or "").startswith(DIFFERS)
    assert clause in (found.message or "")


def test_an_amount_that_the_answer_leaves_out_is_zero() -> None:
    untaxed = dataclasses.replace(INVOICE, expected={"tax": "0.00", "total": "100.00"})
    found = one(response(invoice_ret(GOOD.replace("<SalesTaxTotal>6.00</SalesTaxTotal>", ""))), untaxed)
    assert found.message is None


def test_a_column_that_the_answer_has_not_is_a_difference() -> None:
    strange = dataclasses.replace(INVOICE, expected={"no_such_column": "1"})
    assert "no_such_column is missing" in (one(response(invoice_ret()), strange).message or "")


def paid(*applied: tuple[str, str], unused: str = "") -> Outcome:
    rows = "".join(
        f"<AppliedToTxnRet><TxnID>{to}</TxnID><TxnType>Invoice</TxnType><Amount>{amount}</Amount></AppliedToTxnRet>"
        for to, amount in applied
    )
    left = f"<UnusedPayment>{unused}</UnusedPayment>" if unused else ""
    ret = f"<TxnID>9B-1</TxnID><TotalAmount>60.00</TotalAmount>{left}{rows}"
    body = response(f"<ReceivePaymentRet>{ret}</ReceivePaymentRet>", request="ReceivePaymentAdd")
    return one(body, PAYMENT)


def test_a_payment_applied_as_meant_is_fine() -> None:
    assert paid(("9A-1", "60.00"), unused="0.00").message is None


def test_an_invoice_of_another_customer_than_the_one_that_was_added_is_a_difference() -> None:
    meant = dataclasses.replace(
        INVOICE, fields={**INVOICE.fields, "CustomerRef": {"ListID": {"operation": "customer:A1"}}}
    )
    row = {"customer_list_id": "C-2", "subtotal": Decimal(100), "sales_tax_total": Decimal(6)}
    row["due_date"] = "2026-02-01"
    assert differences(meant, row, [], {"customer:A1": "C-2"}.get) == []
    (said,) = differences(meant, row, [], {"customer:A1": "C-1"}.get)
    assert said == "customer_list_id is C-2, meant C-1"


def test_a_payment_applied_otherwise_is_a_difference() -> None:
    short = paid(("9A-1", "50.00"), unused="10.00").message or ""
    assert "unapplied is 10.00, meant 0.00" in short
    assert "applied to INV-1 is 50.00, meant 60.00" in short
    # The sum is right and the invoice is another one.
    astray = paid(("FF-1", "60.00")).message or ""
    assert "applied to INV-1 is 0, meant 60.00" in astray
    assert "applied to FF-1 is 60.00, meant nothing" in astray


def test_a_record_without_a_row_cannot_be_compared() -> None:
    row: Mapping[str, Any] = {}
    assert differences(INVOICE, row, [], IDS.get) == []
