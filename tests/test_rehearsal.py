"""The simulated QuickBooks company: what it refuses, rejects, accepts and works out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from rehearsal_company import (
    ACME,
    AR,
    BANK,
    CHECK,
    CREDIT,
    DISCOUNT,
    FREE,
    FUNDS,
    GROUP,
    HOSTING,
    INCOME,
    JOB,
    NET30,
    NOW,
    OLD,
    OPEN,
    PAID,
    RECEIPT,
    RETIRED,
    ROWS,
    SUBTOTAL,
    TAX,
    TAXABLE,
    Desk,
    company,
    customer,
    document,
    frames,
    invoice,
    line,
    payment,
    ref,
)

from toolkit import tables
from toolkit.errors import RequestRefused, SeedError
from toolkit.qbxml_io import Batch, parse
from toolkit.rehearsal import Company


def make(check: Callable[[etree._Element], None] | None = None) -> Desk:
    return Desk(company(), check)


@pytest.fixture
def desk() -> Desk:
    return make()


# --- the document as a whole


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<InvoiceAddRq><InvoiceAdd/></InvoiceAddRq>", "CustomerRef"),
        ("<TxnDelRq><TxnID>A1-1</TxnID><TxnDelType>Invoice</TxnDelType></TxnDelRq>", "out of place"),
        (invoice(line("<Amount>12.3</Amount>")), "not an amount"),
        (invoice("", day="2026-02-30"), "not a date"),
        ("<CustomerQueryRq><ActiveStatus>Some</ActiveStatus></CustomerQueryRq>", "not one of"),
        ("<CustomerQueryRq><MaxReturned>0</MaxReturned></CustomerQueryRq>", "less than"),
        ('<AccountQueryRq iterator="Start"><MaxReturned>5</MaxReturned></AccountQueryRq>', "iterator"),
        ("<InvoiceAdd/>", "unknown request"),
        ("<VehicleQueryRq/>", "unknown request"),
        (
            f"<TxnVoidRq><TxnVoidType>ReceivePayment</TxnVoidType><TxnID>{RECEIPT}</TxnID></TxnVoidRq>",
            "not one",
        ),
        ("text<CustomerQueryRq/>", "text between"),
        (customer("Нева"), "Windows-1252"),
        (customer("Bell&#7;"), "well-formed"),
        ("<CustomerQueryRq>", "well-formed"),
    ],
)
def test_a_document_that_breaks_the_schema_is_refused_whole(desk: Desk, body: str, why: str) -> None:
    before = desk.total()
    with pytest.raises(RequestRefused, match="error when parsing the provided XML text stream") as refusal:
        desk.company.process(document(payment("10.00") + body))
    assert refusal.value.hresult == "0x80040400"
    assert why in refusal.value.reason
    assert desk.total() == before  # the payment in front of it was not run either


@pytest.mark.parametrize(
    ("text", "hresult"),
    [
        (document("", version="14.0"), "0x80040423"),
        (document("", version="CA3.0"), "0x80040423"),
        (document("", on_error="rollbackOnError"), "0x80040413"),
        (document("", on_error="ignore"), "0x80040400"),
        (document("").replace('<?qbxml version="13.0"?>', ""), "0x80040400"),
        (document("").replace("<QBXML>", '<!DOCTYPE QBXML [<!ENTITY a "b">]><QBXML>'), "0x80040400"),
        (document("").replace("QBXML>", "QBXMLX>"), "0x80040400"),
        ("", "0x80040400"),
    ],
)
def test_the_envelope_is_read_strictly(desk: Desk, text: str, hresult: str) -> None:
    with pytest.raises(RequestRefused) as refusal:
        desk.company.process(text)
    assert refusal.value.hresult == hresult


def test_what_is_younger_than_the_version_is_refused(desk: Desk) -> None:
    add = customer("New", "<Cc>a@example.com</Cc>")  # Cc came with 12.0
    assert desk.code(add) == 0
    with pytest.raises(RequestRefused):
        desk.company.process(document(add.replace("New", "Newer"), version="11.0"))


def test_a_string_too_long_fails_its_request_only(desk: Desk) -> None:
    answers = desk.send(customer("x" * 42) + customer("y" * 41))
    assert [answer.get("statusCode") for answer in answers] == ["3070", "0"]


def test_a_reference_to_a_character_it_cannot_hold_becomes_a_question_mark(desk: Desk) -> None:
    answer = desk.ask(customer("K&#243;d &#1053;"))
    assert answer.findtext("CustomerRet/Name") == "Kód ?"
    assert "K&#243;d ?" in desk.last


def test_stop_on_error_leaves_the_rest_undone(desk: Desk) -> None:
    body = customer("One") + customer("one") + customer("Two")
    assert [answer.get("statusCode") for answer in desk.send(body, on_error="stopOnError")] == [
        "0",
        "3100",
        "3231",
    ]
    assert [answer.get("statusCode") for answer in desk.send(body)] == ["3100", "3100", "0"]


def test_answers_echo_the_request_id(desk: Desk) -> None:
    answer = desk.ask('<ClassQueryRq requestID="J1Q2P3"/>')
    assert answer.attrib == {
        "requestID": "J1Q2P3",
        "statusCode": "1",
        "statusSeverity": "Info",
        "statusMessage": "A query request did not find a matching object in QuickBooks",
    }
    assert desk.code(f'<ClassQueryRq requestID="{"x" * 51}"/>') == 1060
    assert desk.last.startswith('<?xml version="1.0" ?>\n<QBXML>')


def test_include_none_returns_statuses_only(desk: Desk) -> None:
    (answer,) = desk.send("<CustomerQueryRq/>", attributes=' responseData="includeNone"')
    assert answer.get("statusCode") == "0"
    assert len(answer) == 0


# --- message sets


def test_a_message_set_runs_once(desk: Desk) -> None:
    send = document(payment("10.00"), attributes=' newMessageSetID="SET1"')
    first = desk.company.process(send)
    after = desk.total()
    assert desk.company.process(send) == first
    assert desk.total() == after
    assert 'newMessageSetID="SET1" messageSetStatusCode="0"' in first


def test_another_text_under_a_known_id_is_9001_and_not_run(desk: Desk) -> None:
    desk.send(payment("10.00"), attributes=' newMessageSetID="SET1"')
    after = desk.total()
    answer = desk.send(payment("10.50"), attributes=' newMessageSetID="SET1"')
    assert answer.get("messageSetStatusCode") == "9001"
    assert len(answer) == 0
    assert desk.total() == after


def test_an_old_id_clears_and_an_unknown_one_is_600(desk: Desk) -> None:
    desk.send(payment("10.00"), attributes=' newMessageSetID="SET1"')
    cleared = desk.send("<ClassQueryRq/>", attributes=' oldMessageSetID="SET1"')
    assert cleared.get("messageSetStatusCode") == "0"
    assert desk.send("", attributes=' oldMessageSetID="SET1"').get("messageSetStatusCode") == "600"
    before = desk.total()
    desk.send(payment("10.00"), attributes=' newMessageSetID="SET1"')  # cleared, so it runs again
    assert desk.total() == before - 10


def test_a_new_set_clears_an_old_one(desk: Desk) -> None:
    desk.send(payment("10.00"), attributes=' newMessageSetID="SET1"')
    desk.send(payment("1.00"), attributes=' newMessageSetID="SET2" oldMessageSetID="SET1"')
    assert desk.send("", attributes=' oldMessageSetID="SET1"').get("messageSetStatusCode") == "600"


def test_a_status_check_runs_nothing(desk: Desk) -> None:
    check = ' newMessageSetID="SET1" oldMessageSetID="SET1"'
    assert desk.send("", attributes=check).get("messageSetStatusCode") == "600"
    desk.send(payment("10.00"), attributes=' newMessageSetID="SET1"')
    answer = desk.send("", attributes=check)
    assert answer.get("messageSetStatusCode") == "0"
    assert answer[0].tag == "ReceivePaymentAddRs"


def test_a_set_id_longer_than_24_is_9004(desk: Desk) -> None:
    before = desk.total()
    answer = desk.send(payment("10.00"), attributes=f' newMessageSetID="{"a" * 25}"')
    assert answer.get("messageSetStatusCode") == "9004"
    assert desk.total() == before


def test_all_sets_can_be_cleared(desk: Desk) -> None:
    desk.send("", attributes=' newMessageSetID="SET1"')
    desk.send("", attributes=' oldMessageSetID="CLR-ALL-MSG-SETS"')
    assert desk.send("", attributes=' oldMessageSetID="SET1"').get("messageSetStatusCode") == "600"


# --- queries


def names(answer: etree._Element) -> list[str]:
    return [str(found.findtext("FullName")) for found in answer]


def test_lists_return_active_records_unless_asked(desk: Desk) -> None:
    assert names(desk.ask("<CustomerQueryRq/>")) == ["Acme", "Acme:Roof"]
    everyone = desk.ask("<CustomerQueryRq><ActiveStatus>All</ActiveStatus></CustomerQueryRq>")
    assert names(everyone) == ["Acme", "Acme:Roof", "Gone"]
    gone = desk.ask("<CustomerQueryRq><ActiveStatus>InactiveOnly</ActiveStatus></CustomerQueryRq>")
    assert names(gone) == ["Gone"]
    assert names(desk.ask(f"<CustomerQueryRq><ListID>{OLD}</ListID></CustomerQueryRq>")) == ["Gone"]


def test_some_not_found_is_a_warning_with_the_others(desk: Desk) -> None:
    answer = desk.ask(
        "<CustomerQueryRq><FullName>acme</FullName><FullName>Nobody</FullName></CustomerQueryRq>"
    )
    assert (answer.get("statusCode"), answer.get("statusSeverity")) == ("500", "Warn")
    assert '("Nobody")' in str(answer.get("statusMessage"))
    assert names(answer) == ["Acme"]


def test_modified_dates_include_both_ends(desk: Desk) -> None:
    def between(first: str, last: str) -> int:
        return desk.code(
            f"<ItemQueryRq><FromModifiedDate>{first}</FromModifiedDate>"
            f"<ToModifiedDate>{last}</ToModifiedDate></ItemQueryRq>"
        )

    assert between("2025-06-01", "2025-06-01") == 0
    assert between("2025-06-01T08:00:00", "2025-06-01T08:00:00-08:00") == 0
    assert between("2025-06-01T08:00:01", "2025-07-01") == 1
    assert between("2025-07-01", "2025-06-01") == 3030


def test_items_of_every_kind_come_under_their_own_tag(desk: Desk) -> None:
    answer = desk.ask("<ItemQueryRq><ActiveStatus>All</ActiveStatus></ItemQueryRq>")
    assert {found.tag for found in answer} == {
        "ItemServiceRet",
        "ItemGroupRet",
        "ItemDiscountRet",
        "ItemSalesTaxRet",
        "ItemSubtotalRet",
    }
    assert [found.tag for found in desk.ask("<ItemSalesTaxQueryRq/>")] == ["ItemSalesTaxRet"]
    (hosting,) = desk.ask("<ItemServiceQueryRq/>")
    assert hosting.findtext("SalesOrPurchase/AccountRef/FullName") == "Sales"
    assert hosting.findtext("SalesOrPurchase/Price") == "12.50"


def test_lines_links_and_custom_fields_only_when_asked(desk: Desk) -> None:
    plain = desk.ask(f"<InvoiceQueryRq><TxnID>{PAID}</TxnID></InvoiceQueryRq>")[0]
    assert plain.find("InvoiceLineRet") is None
    assert plain.find("LinkedTxn") is None
    full = desk.ask(
        f"<InvoiceQueryRq><TxnID>{PAID}</TxnID><IncludeLineItems>true</IncludeLineItems>"
        "<IncludeLinkedTxns>true</IncludeLinkedTxns></InvoiceQueryRq>"
    )[0]
    assert full.findtext("InvoiceLineRet/Amount") == "80.00"
    assert full.findtext("LinkedTxn/TxnID") == RECEIPT
    assert full.findtext("LinkedTxn/Amount") == "-80.00"
    assert desk.ask("<CustomerQueryRq/>")[0].find("DataExtRet") is None
    extra = desk.ask("<CustomerQueryRq><OwnerID>0</OwnerID></CustomerQueryRq>")[0]
    assert extra.findtext("DataExtRet/DataExtValue") == "North"


def test_contacts_and_notes_come_with_their_customer_from_version_12(desk: Desk) -> None:
    acme = desk.ask(f"<CustomerQueryRq><ListID>{ACME}</ListID></CustomerQueryRq>")[0]
    assert [one.findtext("FirstName") for one in acme.iterfind("ContactsRet")] == ["Zoë", "Ian Moss"]
    assert [one.findtext("Note") for one in acme.iterfind("AdditionalNotesRet")] == [
        "Called.\nTwice.",
        "Paid.",
    ]
    for version, there in (("11.0", False), ("12.0", True), ("13.0", True)):
        text = desk.company.process(document("<CustomerQueryRq/>", version=version))
        assert ("<ContactsRet>" in text, "<AdditionalNotesRet>" in text) == (there, there), version


def test_contacts_and_notes_stay_when_their_customer_changes(desk: Desk) -> None:
    acme = desk.ask(f"<CustomerQueryRq><ListID>{ACME}</ListID></CustomerQueryRq>")[0]
    head = f"<ListID>{ACME}</ListID><EditSequence>{acme.findtext('EditSequence')}</EditSequence>"
    changed = desk.ask(f"<CustomerModRq><CustomerMod>{head}<Phone>555</Phone></CustomerMod></CustomerModRq>")[
        0
    ]
    assert changed.findtext("Phone") == "555"
    for tag in ("ContactsRet", "AdditionalNotesRet"):
        before, after = ([etree.tostring(one) for one in ret.iterfind(tag)] for ret in (acme, changed))
        assert len(before) == 2 and before == after


def test_customers_survive_the_answer_and_its_reader(desk: Desk) -> None:
    """From tables to the company, to its answer, to tables again."""
    desk.ask("<CustomerQueryRq><ActiveStatus>All</ActiveStatus><OwnerID>0</OwnerID></CustomerQueryRq>")
    held = desk.company.tables()
    found = {
        event.table: event.rows.to_pylist()
        for event in parse(BytesIO(desk.last.encode()))
        if isinstance(event, Batch)
    }
    names = ("customers", "customer_contacts", "customer_notes")
    for name in (f"quickbooks.{one}" for one in names):
        assert sorted(map(repr, found[name])) == sorted(map(repr, tables.to_rows(held[name]))), name
    assert [len(found[f"quickbooks.{name}"]) for name in names] == [3, 3, 2]


def test_a_paid_status_splits_the_invoices(desk: Desk) -> None:
    def numbers(status: str) -> list[str | None]:
        answer = desk.ask(f"<InvoiceQueryRq><PaidStatus>{status}</PaidStatus></InvoiceQueryRq>")
        return [found.findtext("RefNumber") for found in answer]

    assert numbers("NotPaidOnly") == ["101"]
    assert numbers("PaidOnly") == ["102"]
    assert numbers("All") == ["101", "102"]


ENDS_WITH_2 = (
    "<RefNumberFilter><MatchCriterion>EndsWith</MatchCriterion><RefNumber>2</RefNumber></RefNumberFilter>"
)
FROM_99_TO_101 = (
    "<RefNumberRangeFilter><FromRefNumber>99</FromRefNumber><ToRefNumber>101</ToRefNumber>"
    "</RefNumberRangeFilter>"
)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("<TxnDateRangeFilter><FromTxnDate>2025-11-03</FromTxnDate></TxnDateRangeFilter>", ["101", "102"]),
        ("<TxnDateRangeFilter><FromTxnDate>2025-11-04</FromTxnDate></TxnDateRangeFilter>", ["102"]),
        ("<TxnDateRangeFilter><ToTxnDate>2025-11-03</ToTxnDate></TxnDateRangeFilter>", ["101"]),
        ("<TxnDateRangeFilter><DateMacro>Today</DateMacro></TxnDateRangeFilter>", []),
        (f"<EntityFilter><ListID>{JOB}</ListID></EntityFilter>", []),
        ("<EntityFilter><FullNameWithChildren>Acme</FullNameWithChildren></EntityFilter>", ["101", "102"]),
        (ENDS_WITH_2, ["102"]),
        (FROM_99_TO_101, ["101"]),
        ("<MaxReturned>1</MaxReturned>", ["101"]),
    ],
)
def test_documents_are_filtered(desk: Desk, filters: str, found: list[str]) -> None:
    answer = desk.ask(f"<InvoiceQueryRq>{filters}</InvoiceQueryRq>")
    assert [one.findtext("RefNumber") for one in answer] == found
    assert answer.get("statusCode") == ("0" if found else "1")


def test_a_filter_that_is_not_simulated_is_not_passed_over(desk: Desk) -> None:
    macro = "<TxnDateRangeFilter><DateMacro>LastMonth</DateMacro></TxnDateRangeFilter>"
    assert desk.code(f"<InvoiceQueryRq>{macro}</InvoiceQueryRq>") == 3250


def test_currencies_are_not_available_while_multi_currency_is_off(desk: Desk) -> None:
    assert desk.code("<CurrencyQueryRq/>") == 3250
    desk.company.books.about.preferences["MultiCurrencyPreferences"] = {"IsMultiCurrencyOn": True}
    assert desk.code("<CurrencyQueryRq/>") in (0, 1)


def test_include_ret_element_trims(desk: Desk) -> None:
    answer = desk.ask(
        "<CustomerQueryRq><IncludeRetElement>ListID</IncludeRetElement>"
        "<IncludeRetElement>Balance</IncludeRetElement></CustomerQueryRq>"
    )
    assert [child.tag for child in answer[0]] == ["ListID", "Balance"]


def test_metadata_counts(desk: Desk) -> None:
    answer = desk.ask('<CustomerQueryRq metaData="MetaDataOnly"/>')
    assert answer.get("retCount") == "2"
    assert len(answer) == 0


def page(desk: Desk, how: str, most: int = 1) -> etree._Element:
    return desk.ask(f"<InvoiceQueryRq {how}><MaxReturned>{most}</MaxReturned></InvoiceQueryRq>")


def test_an_iterator_goes_to_the_end(desk: Desk) -> None:
    first = page(desk, 'iterator="Start"')
    identifier = first.get("iteratorID")
    assert (len(first), first.get("retCount"), first.get("iteratorRemainingCount")) == (1, "1", "1")
    second = page(desk, f'iterator="Continue" iteratorID="{identifier}"')
    assert second.get("iteratorRemainingCount") == "0"
    assert {first[0].findtext("TxnID"), second[0].findtext("TxnID")} == {OPEN, PAID}
    assert page(desk, f'iterator="Continue" iteratorID="{identifier}"').get("statusSeverity") == "Error"


def test_an_iterator_dies_with_its_session(desk: Desk) -> None:
    identifier = page(desk, 'iterator="Start"').get("iteratorID")
    desk.company.end_session()
    desk.company.begin_session()
    assert page(desk, f'iterator="Continue" iteratorID="{identifier}"').get("statusSeverity") == "Error"
    again = page(desk, 'iterator="Start"').get("iteratorID")
    assert again != identifier


def test_an_iterator_belongs_to_its_query(desk: Desk) -> None:
    identifier = page(desk, 'iterator="Start"').get("iteratorID")
    other = (
        f'<CustomerQueryRq iterator="Continue" iteratorID="{identifier}"><MaxReturned>1</MaxReturned>'
        "</CustomerQueryRq>"
    )
    assert desk.ask(other).get("statusSeverity") == "Error"
    stopped = desk.ask(f'<InvoiceQueryRq iterator="Stop" iteratorID="{identifier}"/>')
    assert stopped.get("statusCode") == "0"
    assert page(desk, f'iterator="Continue" iteratorID="{identifier}"').get("statusSeverity") == "Error"


def test_an_iterator_needs_max_returned(desk: Desk) -> None:
    assert desk.code('<InvoiceQueryRq iterator="Start"/>') == 3150


def test_transactions_of_every_kind_in_one_query(desk: Desk) -> None:
    answer = desk.ask(
        "<TransactionQueryRq><TransactionTypeFilter><TxnTypeFilter>Invoice</TxnTypeFilter>"
        "<TxnTypeFilter>ReceivePayment</TxnTypeFilter></TransactionTypeFilter></TransactionQueryRq>"
    )
    assert [(one.findtext("TxnType"), one.findtext("Amount")) for one in answer] == [
        ("Invoice", "100.00"),
        ("Invoice", "80.00"),
        ("ReceivePayment", "-110.00"),
    ]


# --- lists


def test_a_customer_is_added_with_new_identifiers(desk: Desk) -> None:
    found = desk.ask(customer("Bolt", ref("ParentRef", ACME)))[0]
    moment = "1767632400"  # 2026-01-05 09:00 at -08:00
    assert found.findtext("ListID") == f"80000051-{moment}"
    assert found.findtext("EditSequence") == moment
    assert found.findtext("TimeCreated") == "2026-01-05T09:00:00-08:00"
    assert found.findtext("FullName") == "Acme:Bolt"
    assert found.findtext("Sublevel") == "1"
    assert found.findtext("Balance") == "0.00"
    next_one = desk.ask(customer("Nut"))[0]
    assert next_one.findtext("EditSequence") == "1767632401"  # no two changes in one second


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (customer("ACME"), 3100),
        (customer("Gone"), 3100),  # inactive, but its name stays taken
        (customer("power &amp; light co"), 3100),  # a vendor
        (customer("roof"), 0),  # the same name on another level
        (customer("ROOF", ref("ParentRef", ACME)), 3100),
        (customer("Power &amp; Light Co", ref("ParentRef", ACME)), 0),
        (customer("A:B"), 3090),
        (customer(" "), 3150),
        (customer("X", ref("ParentRef", "80009999-1")), 3140),
        (customer("X", ref("ParentRef", OLD)), 3140),
        (customer("X", ref("TermsRef", "80009999-1")), 3140),
        (customer("X", ref("ItemSalesTaxRef", HOSTING)), 3140),
        (customer("X", "<OpenBalance>5.00</OpenBalance>"), 3250),
        (customer("X", ref("CurrencyRef", "80009999-1")), 3140),
    ],
)
def test_customer_names_and_references(desk: Desk, body: str, code: int) -> None:
    assert desk.code(body) == code


def test_there_are_five_levels(desk: Desk) -> None:
    parent = JOB
    for number in range(3):
        parent = str(desk.ask(customer(f"L{number}", ref("ParentRef", parent)))[0].findtext("ListID"))
    assert desk.code(customer("L5", ref("ParentRef", parent))) == 3180


def modify(list_id: str, sequence: str, more: str) -> str:
    return (
        f"<CustomerModRq><CustomerMod><ListID>{list_id}</ListID><EditSequence>{sequence}</EditSequence>"
        f"{more}</CustomerMod></CustomerModRq>"
    )


def test_a_modification_needs_the_current_edit_sequence(desk: Desk) -> None:
    assert desk.code(modify(ACME, "1", "<Phone>1</Phone>")) == 3200
    changed = desk.ask(modify(ACME, "1748764800", "<Phone>555</Phone>"))[0]
    assert changed.findtext("Phone") == "555"
    assert changed.findtext("EditSequence") != "1748764800"
    assert desk.code(modify(ACME, "1748764800", "<Phone>1</Phone>")) == 3200
    assert desk.code(modify("80009999-1", "1", "<Phone>1</Phone>")) == 3120


def test_an_empty_element_clears_and_an_absent_one_does_not(desk: Desk) -> None:
    changed = desk.ask(modify(ACME, "1748764800", "<AccountNumber/>"))[0]
    assert changed.find("AccountNumber") is None
    assert changed.findtext("TermsRef/FullName") == "Net 30"


def test_a_rename_reaches_the_jobs_and_the_documents(desk: Desk) -> None:
    assert desk.code(modify(ACME, "1748764800", "<Name>Zenith</Name>")) == 0
    assert names(desk.ask("<CustomerQueryRq/>")) == ["Zenith", "Zenith:Roof"]
    assert desk.invoice(OPEN).findtext("CustomerRef/FullName") == "Zenith"
    assert desk.code("<CustomerQueryRq><FullName>Acme:Roof</FullName></CustomerQueryRq>") == 500


def test_a_rename_to_an_existing_name_is_a_merge(desk: Desk) -> None:
    assert desk.code(modify(ACME, "1748764800", "<Name>Gone</Name>")) == 3170


def service(name: str, account: str, more: str = "", parent: str = "") -> str:
    return (
        f"<ItemServiceAddRq><ItemServiceAdd><Name>{name}</Name>{parent}<SalesOrPurchase>{more}{account}"
        "</SalesOrPurchase></ItemServiceAdd></ItemServiceAddRq>"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (service("New", ref("AccountRef", INCOME)), 0),
        (service("hosting", ref("AccountRef", INCOME)), 3100),
        (service("STATE", ref("AccountRef", INCOME)), 3100),  # all kinds share one list
        (service("New", ""), 3180),
        (service("New", ref("AccountRef", AR)), 3180),
        (service("New", ref("AccountRef", "80009999-1")), 3140),
        (service("New", ref("AccountRef", INCOME), parent=ref("ParentRef", HOSTING)), 0),
        (service("New", ref("AccountRef", INCOME), parent=ref("ParentRef", DISCOUNT)), 3180),
        (
            "<ItemNonInventoryAddRq><ItemNonInventoryAdd><Name>N</Name><SalesAndPurchase>"
            f"{ref('IncomeAccountRef', INCOME)}</SalesAndPurchase></ItemNonInventoryAdd>"
            "</ItemNonInventoryAddRq>",
            3180,
        ),
        (
            "<ItemOtherChargeAddRq><ItemOtherChargeAdd><Name>N</Name><SalesOrPurchase><Price>1.5</Price>"
            f"{ref('AccountRef', INCOME)}</SalesOrPurchase></ItemOtherChargeAdd></ItemOtherChargeAddRq>",
            0,
        ),
        (
            "<ItemDiscountAddRq><ItemDiscountAdd><Name>N</Name><DiscountRatePercent>5</DiscountRatePercent>"
            f"{ref('AccountRef', INCOME)}</ItemDiscountAdd></ItemDiscountAddRq>",
            0,
        ),
        (
            "<StandardTermsAddRq><StandardTermsAdd><Name>net 30</Name></StandardTermsAdd>"
            "</StandardTermsAddRq>",
            3100,
        ),
        (
            "<StandardTermsAddRq><StandardTermsAdd><Name>Net 7</Name><StdDueDays>7</StdDueDays>"
            "</StandardTermsAdd></StandardTermsAddRq>",
            0,
        ),
        (
            "<PaymentMethodAddRq><PaymentMethodAdd><Name>Card</Name></PaymentMethodAdd></PaymentMethodAddRq>",
            0,
        ),
        (
            "<SalesReceiptAddRq><SalesReceiptAdd><SalesReceiptLineAdd/></SalesReceiptAdd></SalesReceiptAddRq>",
            3250,
        ),
    ],
)
def test_items_terms_and_methods_are_added(desk: Desk, body: str, code: int) -> None:
    assert desk.code(body) == code


def delete(kind: str, list_id: str) -> str:
    return f"<ListDelRq><ListDelType>{kind}</ListDelType><ListID>{list_id}</ListID></ListDelRq>"


def test_only_what_is_not_used_can_be_deleted(desk: Desk) -> None:
    assert desk.code(delete("Customer", ACME)) == 3160
    assert desk.code(delete("ItemService", HOSTING)) == 3160
    assert desk.code(delete("StandardTerms", NET30)) == 3160
    assert desk.code(delete("Customer", HOSTING)) == 3120
    assert desk.code(delete("PaymentMethod", CHECK)) == 0
    assert desk.code(delete("Customer", JOB)) == 0
    assert desk.code(customer("Roof", ref("ParentRef", ACME))) == 0  # the name is free again
    deleted = desk.ask("<ListDeletedQueryRq><ListDelType>Customer</ListDelType></ListDeletedQueryRq>")
    assert [one.findtext("FullName") for one in deleted] == ["Acme:Roof"]


# --- invoices and credit memos


@pytest.mark.parametrize(
    ("sent", "quantity", "rate", "amount"),
    [
        ("<Amount>10.00</Amount>", None, "10.00", "10.00"),
        ("<Quantity>3</Quantity><Amount>10.00</Amount>", "3", "3.33333", "10.00"),
        ("<Quantity>3</Quantity><Rate>1.115</Rate>", "3", "1.115", "3.35"),
        ("<Quantity>1</Quantity><Rate>0.125</Rate>", "1", "0.125", "0.13"),  # half away from zero
        ("<Quantity>2</Quantity><Rate>9</Rate><Amount>10.00</Amount>", "2", "5.00", "10.00"),
        ("<Quantity>4</Quantity>", "4", "12.50", "50.00"),
        ("", "1", "12.50", "12.50"),
    ],
)
def test_amount_is_the_fact(desk: Desk, sent: str, quantity: str | None, rate: str, amount: str) -> None:
    found = desk.ask(invoice(line(sent)))[0].find("InvoiceLineRet")
    assert found is not None
    assert found.findtext("Quantity") == quantity
    assert found.findtext("Rate") == rate
    assert found.findtext("Amount") == amount


def test_an_invoice_adds_up_and_opens_a_balance(desk: Desk) -> None:
    before = desk.total()
    lines = line("<Quantity>2</Quantity><Amount>100.00</Amount>") + line("<Amount>-10.00</Amount>", DISCOUNT)
    found = desk.ask(invoice(lines, head="<RefNumber>200</RefNumber>"))[0]
    expected = {
        "TxnNumber": "5",
        "Subtotal": "90.00",
        "SalesTaxTotal": "0.00",
        "AppliedAmount": "0.00",
        "BalanceRemaining": "90.00",
        "IsPaid": "false",
        "DueDate": "2026-02-01",
        "RefNumber": "200",
    }
    assert {tag: found.findtext(tag) for tag in expected} == expected
    assert str(found.findtext("TxnID")).endswith("-1767632400")
    assert desk.total() == before + 90
    top = desk.ask(f"<CustomerQueryRq><ListID>{ACME}</ListID></CustomerQueryRq>")[0]
    assert top.findtext("TotalBalance") == top.findtext("Balance")


def test_a_jobs_invoice_counts_in_the_parents_total_only(desk: Desk) -> None:
    desk.ask(invoice(line("<Amount>7.00</Amount>"), list_id=JOB))
    top, job = desk.ask("<CustomerQueryRq/>")
    assert (top.findtext("Balance"), top.findtext("TotalBalance")) == ("45.00", "52.00")
    assert (job.findtext("Balance"), job.findtext("TotalBalance")) == ("7.00", "7.00")


@pytest.mark.parametrize(
    ("code", "header", "tax"),
    [
        (TAXABLE, "", "10.98"),
        (FREE, "", "0.00"),
        ("", TAXABLE, "10.98"),
        ("", FREE, "0.00"),
        ("", "", "0.00"),
    ],
)
def test_tax_is_worked_out_from_codes_and_the_header_rate(
    desk: Desk, code: str, header: str, tax: str
) -> None:
    head = ref("ItemSalesTaxRef", TAX) + (ref("CustomerSalesTaxCodeRef", header) if header else "")
    lines = line("<Amount>183.00</Amount>" + (ref("SalesTaxCodeRef", code) if code else ""))
    found = desk.ask(invoice(lines, head=head))[0]
    assert found.findtext("SalesTaxPercentage") == "6.00"
    assert found.findtext("SalesTaxTotal") == tax
    assert Decimal(found.findtext("BalanceRemaining") or "") == 183 + Decimal(tax)


def test_a_sales_tax_item_as_a_line_is_an_ordinary_line(desk: Desk) -> None:
    lines = line("<Amount>100.00</Amount>") + line("<Amount>6.00</Amount>", TAX)
    found = desk.ask(invoice(lines))[0]
    assert (found.findtext("Subtotal"), found.findtext("SalesTaxTotal")) == ("106.00", "0.00")


def test_a_subtotal_line_is_not_counted_twice(desk: Desk) -> None:
    lines = line("<Amount>60.00</Amount>") + line("<Amount>40.00</Amount>") + line("", SUBTOTAL)
    found = desk.ask(invoice(lines + line("<Amount>1.00</Amount>")))[0]
    assert [one.findtext("Amount") for one in found.findall("InvoiceLineRet")][2] == "100.00"
    assert found.findtext("Subtotal") == "101.00"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (invoice(line(""), list_id="80009999-1"), 3140),
        (invoice(line(""), list_id=OLD), 3140),
        (invoice(line("", RETIRED)), 3140),
        (invoice(line("", "80009999-1")), 3140),
        (invoice(line("", GROUP)), 3280),
        (invoice(line(""), account=BANK), 3180),
        (invoice(line(""), account="80009999-1"), 3140),
        (invoice(line("<Amount>-1.00</Amount>")), 3180),
        (invoice(line("<Quantity>9999999999</Quantity><Rate>9999999999</Rate>")), 3101),
        (invoice("<InvoiceLineAdd><Amount>5.00</Amount></InvoiceLineAdd>"), 3150),
        (invoice("<InvoiceLineAdd><Desc>only words</Desc></InvoiceLineAdd>"), 0),
        (invoice(line("<Quantity>1</Quantity>", DISCOUNT)), 3151),
        (invoice(line(""), day="2024-12-31"), 3171),
        (invoice(line(""), head="<ExchangeRate>1.1</ExchangeRate>"), 3250),
        (invoice(line(""), head="<LinkToTxnID>A1-1</LinkToTxnID>"), 3250),
        (invoice(line(""), head="<RefNumber>101</RefNumber>"), 0),  # numbers may repeat
        (invoice(line(""), head="<RefNumber>123456789012</RefNumber>"), 3070),
    ],
)
def test_invoices_that_the_books_do_not_admit(desk: Desk, body: str, code: int) -> None:
    before = desk.company.tables()["quickbooks.invoices"]
    assert desk.code(body) == code
    after = desk.company.tables()["quickbooks.invoices"]
    assert len(after) == len(before) + (code == 0)


def test_a_zero_invoice_is_paid_at_once(desk: Desk) -> None:
    found = desk.ask(invoice(line("<Amount>0.00</Amount>")))[0]
    assert found.findtext("IsPaid") == "true"


def test_a_missing_number_is_the_next_one(desk: Desk) -> None:
    assert desk.ask(invoice(line("")))[0].findtext("RefNumber") == "103"


def test_a_credit_memo_lowers_the_balance(desk: Desk) -> None:
    before = desk.total()
    body = invoice(line("<Amount>5.00</Amount>")).replace("Invoice", "CreditMemo")
    found = desk.ask(body)[0]
    assert (found.findtext("TotalAmount"), found.findtext("CreditRemaining")) == ("5.00", "5.00")
    assert desk.total() == before - 5


def test_set_credit_applies_a_credit_memo_on_both_sides(desk: Desk) -> None:
    credit = f"<SetCredit><CreditTxnID>{CREDIT}</CreditTxnID><AppliedAmount>{{}}</AppliedAmount></SetCredit>"
    assert desk.code(invoice(line("<Amount>50.00</Amount>"), head=credit.format("25.01"))) == 3210
    before = desk.total()
    found = desk.ask(invoice(line("<Amount>50.00</Amount>"), head=credit.format("20.00")))[0]
    assert (found.findtext("AppliedAmount"), found.findtext("BalanceRemaining")) == ("-20.00", "30.00")
    memo = desk.ask(
        f"<CreditMemoQueryRq><TxnID>{CREDIT}</TxnID><IncludeLinkedTxns>true</IncludeLinkedTxns></CreditMemoQueryRq>"
    )[0]
    assert memo.findtext("CreditRemaining") == "5.00"
    assert memo.findtext("LinkedTxn/TxnID") == found.findtext("TxnID")
    assert desk.total() == before + 50


def test_a_credit_cannot_be_used_twice(desk: Desk) -> None:
    credit = f"<SetCredit><CreditTxnID>{CREDIT}</CreditTxnID><AppliedAmount>20.00</AppliedAmount></SetCredit>"
    assert desk.code(invoice(line("<Amount>50.00</Amount>"), head=credit * 2)) == 3210
    applied = payment("5.00", (OPEN, "5.00")).replace("</AppliedToTxnAdd>", f"{credit}</AppliedToTxnAdd>")
    twice = applied.replace("</AppliedToTxnAdd>", f"{credit}</AppliedToTxnAdd>")
    assert desk.code(twice) == 3210
    assert desk.code(applied) == 0
    assert desk.invoice(OPEN).findtext("BalanceRemaining") == "75.00"


def test_a_pending_invoice_does_not_post(desk: Desk) -> None:
    before = desk.total()
    found = desk.ask(invoice(line("<Amount>50.00</Amount>"), head="<IsPending>true</IsPending>"))[0]
    assert desk.total() == before
    assert desk.code(payment("5.00", (str(found.findtext("TxnID")), "5.00"))) == 3120


def test_an_answer_has_nothing_younger_than_the_version_asked(desk: Desk) -> None:
    desk.ask(modify(ACME, "1748764800", "<BillAddress><Addr1>1 Quay</Addr1></BillAddress>"))
    desk.ask(invoice(line(""), head="<RefNumber>9</RefNumber>"))
    query = "<InvoiceQueryRq><RefNumber>9</RefNumber></InvoiceQueryRq>"
    assert "<BillAddressBlock>" in desk.company.process(document(query))
    old = desk.company.process(document(query, version="5.0"))
    assert "<BillAddress>" in old
    assert "<BillAddressBlock>" not in old


# --- payments


def test_a_payment_is_applied_on_both_sides(desk: Desk) -> None:
    before = desk.total()
    found = desk.ask(payment("60.00", (OPEN, "40.00")))[0]
    assert found.findtext("UnusedPayment") == "20.00"
    assert found.findtext("AppliedToTxnRet/BalanceRemaining") == "60.00"
    assert found.findtext("DepositToAccountRef/FullName") == "Undeposited Funds"
    target = desk.invoice(OPEN, links=True)
    assert (target.findtext("AppliedAmount"), target.findtext("BalanceRemaining")) == ("-40.00", "60.00")
    assert target.findtext("LinkedTxn/TxnID") == found.findtext("TxnID")
    assert target.findtext("EditSequence") != "1748764800"
    assert desk.total() == before - 60


def test_a_payment_in_full_pays_the_invoice(desk: Desk) -> None:
    desk.ask(payment("100.00", (OPEN, "100.00")))
    assert desk.invoice(OPEN).findtext("IsPaid") == "true"
    assert desk.code(payment("1.00", (OPEN, "1.00"))) == 3120  # a paid one cannot be found


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (payment("200.00", (OPEN, "100.01")), 3210),
        (payment("200.00", (OPEN, "60.00"), (OPEN, "60.00")), 3210),
        (payment("50.00", (OPEN, "60.00")), 3210),
        (payment("50.00", (OPEN, "-5.00")), 3210),
        (payment("50.00", (OPEN, "0.00")), 3150),
        (payment("50.00", (PAID, "5.00")), 3120),
        (payment("50.00", ("FFFF-1", "5.00")), 3120),
        (payment("50.00", (CREDIT, "5.00")), 3120),
        (payment("50.00", (OPEN, "5.00"), list_id=JOB), 3120),
        (payment("50.00", list_id=OLD), 3140),
        (payment("-1.00"), 3210),
        (payment("50.00", head=ref("PaymentMethodRef", "80009999-1")), 3140),
        (payment("50.00", head=ref("DepositToAccountRef", INCOME)), 3180),
        (payment("50.00", head=ref("DepositToAccountRef", FUNDS)), 0),
        (payment("50.00", head=ref("DepositToAccountRef", BANK)), 0),
        (
            payment("50.00", (OPEN, "5.00")).replace(
                "</AppliedToTxnAdd>", "<DiscountAmount>1.00</DiscountAmount></AppliedToTxnAdd>"
            ),
            3150,
        ),
    ],
)
def test_payments_that_the_books_do_not_admit(desk: Desk, body: str, code: int) -> None:
    before = desk.total()
    assert desk.code(body) == code
    assert (desk.total() == before) is (code != 0)


def test_a_discount_pays_without_money(desk: Desk) -> None:
    account = "".join(("<DiscountAmount>10.00</DiscountAmount>", ref("DiscountAccountRef", INCOME)))
    body = payment("90.00", (OPEN, "90.00")).replace("</AppliedToTxnAdd>", f"{account}</AppliedToTxnAdd>")
    found = desk.ask(body)[0]
    assert found.findtext("AppliedToTxnRet/DiscountAmount") == "10.00"
    assert desk.invoice(OPEN).findtext("BalanceRemaining") == "0.00"


def test_an_automatic_payment_takes_the_exact_match_then_the_oldest(desk: Desk) -> None:
    desk.ask(invoice(line("<Amount>30.00</Amount>")))

    def automatic(total: str) -> list[tuple[str | None, str | None]]:
        body = payment(total).replace("<IsAutoApply>false", "<IsAutoApply>true")
        applied = desk.ask(body)[0].findall("AppliedToTxnRet")
        return [(one.findtext("RefNumber"), one.findtext("Amount")) for one in applied]

    assert automatic("30.00") == [("103", "30.00")]
    assert automatic("120.00") == [("101", "100.00")]


@settings(max_examples=25)
@given(st.lists(st.decimals("0.01", "60", places=2), max_size=8))
def test_money_is_conserved_whatever_is_paid(amounts: list[Decimal]) -> None:
    desk = make()
    start = desk.total()
    received = Decimal(0)
    for amount in amounts:
        answer = desk.ask(payment(str(amount), (OPEN, str(amount))))
        received += amount if answer.get("statusCode") == "0" else 0
    left = Decimal(desk.invoice(OPEN).findtext("BalanceRemaining") or "")
    assert left == 100 - received
    assert left >= 0
    assert desk.total() == start - received
    Company.from_tables(desk.company.tables(), clock=lambda: NOW)  # and the books still add up


# --- voiding and deleting


def remove(what: str, kind: str, txn_id: str) -> str:
    return f"<{what}Rq><{what}Type>{kind}</{what}Type><TxnID>{txn_id}</TxnID></{what}Rq>"


def test_a_void_invoice_frees_its_payment(desk: Desk) -> None:
    before = desk.total()
    answer = desk.ask(remove("TxnVoid", "Invoice", PAID))
    assert answer.findtext("TxnID") == PAID
    found = desk.invoice(PAID, links=True)
    assert (found.findtext("Subtotal"), found.findtext("AppliedAmount")) == ("0.00", "0.00")
    assert str(found.findtext("Memo")).startswith("VOID:")
    assert found.find("LinkedTxn") is None
    receipt = desk.ask(f"<ReceivePaymentQueryRq><TxnID>{RECEIPT}</TxnID></ReceivePaymentQueryRq>")[0]
    assert receipt.findtext("UnusedPayment") == "110.00"
    assert desk.total() == before - 80


def test_a_deleted_payment_opens_its_invoice(desk: Desk) -> None:
    before = desk.total()
    assert desk.code(remove("TxnDel", "Invoice", RECEIPT)) == 3120  # of another kind
    answer = desk.ask(remove("TxnDel", "ReceivePayment", RECEIPT))
    assert answer.findtext("TimeDeleted") == "2026-01-05T09:00:00-08:00"
    assert desk.invoice(PAID).findtext("BalanceRemaining") == "80.00"
    assert desk.total() == before + 110
    deleted = desk.ask("<TxnDeletedQueryRq><TxnDelType>ReceivePayment</TxnDelType></TxnDeletedQueryRq>")
    assert [one.findtext("TxnID") for one in deleted] == [RECEIPT]


def test_a_deleted_credit_memo_takes_its_credit_back(desk: Desk) -> None:
    credit = f"<SetCredit><CreditTxnID>{CREDIT}</CreditTxnID><AppliedAmount>20.00</AppliedAmount></SetCredit>"
    added = desk.ask(invoice(line("<Amount>50.00</Amount>"), head=credit))[0]
    desk.ask(remove("TxnDel", "CreditMemo", CREDIT))
    assert desk.invoice(str(added.findtext("TxnID"))).findtext("BalanceRemaining") == "50.00"


# --- seed and state


def test_tables_survive_the_company() -> None:
    seed = frames()
    out = Company.from_tables(seed, clock=lambda: NOW).tables()
    for name, frame in seed.items():
        for before, after in zip(tables.to_rows(frame), tables.to_rows(out[name]), strict=True):
            kept = {key: value for key, value in before.items() if value is not None}
            assert {key: after[key] for key in kept} == kept, name
    again = Company.from_tables(out, clock=lambda: NOW).tables()
    assert all(again[name].equals(out[name]) for name in out)


def test_parts_survive_the_company_and_stand_in_its_answers() -> None:
    """What stands inside items, contacts and applications: each below its own owner, in its order."""
    state, city = ("80000060-1", "State 6%"), ("80000061-1", "City 1%")
    tax_group = {"list_id": "80000062-1", "name": "Both", "full_name": "Both", "item_type": "SalesTaxGroup"}
    taxes = [
        {"list_id": key, "name": name, "full_name": name, "item_type": "SalesTax"}
        for key, name in (state, city)
    ]
    group = {"item_group_list_id": GROUP}
    both = {"sales_tax_group_list_id": "80000062-1"}
    phone = {"contact_name": "Main Phone", "contact_value": "555"}
    parts: dict[str, list[dict[str, Any]]] = {
        "item_group_lines": [
            group | {"line_number": 2, "item_list_id": RETIRED, "item_full_name": "Retired"},
            group | {"line_number": 1, "item_list_id": HOSTING, "item_full_name": "Hosting"},
        ],
        "sales_tax_group_items": [
            both | {"line_number": at, "item_sales_tax_list_id": key, "item_sales_tax_full_name": name}
            for at, (key, name) in enumerate((state, city), 1)
        ],
        "customer_contact_details": [
            {"customer_list_id": ACME, "contact_list_id": None, **phone},
            {"customer_list_id": ACME, "contact_list_id": "0000000000000b02", **phone},
        ],
        "customer_ship_to_addresses": [{"customer_list_id": ACME, "name": "Yard", "default_ship_to": True}],
        "linked_transactions": [
            {
                "owner_table": "quickbooks.payments",
                "owner_txn_id": RECEIPT,
                "applied_to_txn_id": PAID,
                "txn_id": CREDIT,
                "txn_type": "CreditMemo",
                "amount": Decimal("-5.00"),
            }
        ],
    }
    items = [*ROWS["quickbooks.items"], *taxes, tax_group]
    desk = Desk(Company.from_tables(frames(items=items, **parts), clock=lambda: NOW))
    out = desk.company.tables()
    for name, rows in parts.items():
        found = [
            {key: row[key] for key in rows[0]}
            for row in tables.to_rows(out[f"quickbooks.{name}"])
            if row.get("owner_table") in (None, "quickbooks.payments")
        ]
        assert sorted(map(repr, found)) == sorted(map(repr, rows)), name
    (bundle,) = desk.ask(f"<ItemQueryRq><ListID>{GROUP}</ListID></ItemQueryRq>")
    assert [one.findtext("ItemRef/FullName") for one in bundle.iterfind("ItemGroupLine")] == [
        "Hosting",
        "Retired",
    ]
    (acme,) = desk.ask(f"<CustomerQueryRq><ListID>{ACME}</ListID></CustomerQueryRq>")
    assert [
        len(acme.findall(path)) for path in ("AdditionalContactRef", "ContactsRet/AdditionalContactRef")
    ] == [
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("table", "column", "wrong", "says"),
    [
        ("invoices", "balance_remaining", "99.00", "(101): balance_remaining is 99.00, should be 100.00"),
        ("invoices", "subtotal", "90.00", "its lines add up to 100.00"),
        ("payments", "unused_payment", "31.00", "unused_payment is 31.00, should be 30.00"),
        ("customers", "balance", "46.00", "Customer 80000010-1 (Acme): balance is 46.00, should be 45.00"),
        ("customers", "total_balance", "46.00", "total_balance is 46.00, should be 45.00"),
    ],
)  # fmt: skip
def test_a_seed_that_does_not_add_up_is_refused(table: str, column: str, wrong: str, says: str) -> None:
    rows = [dict(row) for row in ROWS[f"quickbooks.{table}"]]
    rows[0][column] = Decimal(wrong)
    with pytest.raises(SeedError) as error:
        Company.from_tables(frames(**{table: rows}), clock=lambda: NOW)
    assert any(says in difference for difference in error.value.differences)


def test_a_seed_that_refers_to_nothing_is_refused() -> None:
    with pytest.raises(SeedError, match="AccountRef Sales is not in its table"):
        Company.from_tables(frames(accounts=[]), clock=lambda: NOW)


def test_without_strictness_an_unexplained_balance_is_kept() -> None:
    rows = [dict(row) for row in ROWS["quickbooks.customers"]]
    rows[0]["balance"] = Decimal("145.00")
    desk = Desk(Company.from_tables(frames(customers=rows, accounts=[]), clock=lambda: NOW, strict=False))
    assert desk.total() == 145
    assert desk.code(payment("100.00", (OPEN, "100.00"))) == 0
    assert desk.total() == 45


def test_the_same_requests_give_the_same_answers() -> None:
    one, other = make(), make()
    body = customer("New") + invoice(line("")) + payment("10.00", (OPEN, "10.00"))
    one.send(body)
    other.send(body)
    assert one.last == other.last


def test_a_clock_that_stands_still_moves_a_second_a_change() -> None:
    desk = make()
    times = [desk.ask(customer(f"C{number}"))[0].findtext("TimeCreated") for number in range(3)]
    assert times == [f"2026-01-05T09:00:0{number}-08:00" for number in range(3)]


def test_hcp_tells_the_company_and_its_file_id(desk: Desk) -> None:
    root = etree.fromstring(desk.company.hcp("{OWNER}", "{FILE}").encode())
    answers = root[0]
    assert [(one.tag, one.get("requestID")) for one in answers] == [
        ("HostQueryRs", "0"),
        ("CompanyQueryRs", "1"),
        ("PreferencesQueryRs", "2"),
    ]
    assert answers[0].findall("HostRet/SupportedQBXMLVersion")[-1].text == "13.0"
    assert answers[1].findtext("CompanyRet/CompanyName") == "Test Works"
    assert answers[1].findtext("CompanyRet/DataExtRet/DataExtValue") == "{FILE}"
    assert (
        answers[2].findtext("PreferencesRet/SalesTaxPreferences/DefaultItemSalesTaxRef/FullName") == "State"
    )
    again = etree.fromstring(desk.company.hcp("{OWNER}", "{OTHER}").encode())
    assert [one.text for one in again.iter("DataExtValue")] == ["{FILE}"]  # the first one stays


# --- the schema


def test_every_answer_is_valid(shared: Path) -> None:
    schema = etree.XMLSchema(etree.parse(shared / "qbxml-schema" / "qbxmlops130.xsd"))
    desk = make(schema.assertValid)
    everything = "<IncludeLineItems>true</IncludeLineItems><IncludeLinkedTxns>true</IncludeLinkedTxns>"
    desk.send(customer("One", ref("ParentRef", ACME) + "<FirstName>A</FirstName>") + customer("one:"))
    desk.send(service("New", ref("AccountRef", INCOME), "<Desc>d</Desc><Price>1</Price>"))
    desk.send(invoice(line("") + line("<Amount>5.00</Amount>", TAX), head=ref("ItemSalesTaxRef", TAX)))
    desk.send(invoice(line("<Amount>5.00</Amount>")).replace("Invoice", "CreditMemo"))
    desk.send(payment("60.00", (OPEN, "40.00")), attributes=' newMessageSetID="SET1"')
    desk.send(payment("61.00"), attributes=' newMessageSetID="SET1"')
    desk.send(remove("TxnVoid", "Invoice", PAID) + remove("TxnDel", "ReceivePayment", RECEIPT))
    desk.send(delete("PaymentMethod", CHECK))
    for name in ("Customer", "Item", "ItemService", "ItemSalesTax", "Account"):
        desk.send(f"<{name}QueryRq><ActiveStatus>All</ActiveStatus><OwnerID>0</OwnerID></{name}QueryRq>")
    for name in (
        "Terms",
        "StandardTerms",
        "SalesTaxCode",
        "PaymentMethod",
        "Class",
        "Currency",
        "Host",
        "Company",
    ):
        desk.send(f"<{name}QueryRq/>")
    desk.send("<PreferencesQueryRq/><TransactionQueryRq/>")
    for name in ("Invoice", "CreditMemo"):
        desk.send(f"<{name}QueryRq>{everything}<OwnerID>0</OwnerID></{name}QueryRq>")
    desk.send("<ReceivePaymentQueryRq><IncludeLineItems>true</IncludeLineItems></ReceivePaymentQueryRq>")
    desk.send("<TxnDeletedQueryRq><TxnDelType>ReceivePayment</TxnDelType></TxnDeletedQueryRq>")
    desk.send("<ListDeletedQueryRq><ListDelType>PaymentMethod</ListDelType></ListDeletedQueryRq>")
    page(desk, 'iterator="Start"')
    schema.assertValid(
        etree.fromstring(desk.company.hcp("{90A44FB7-33D9-4815-AC85-AC86A7E7D1EB}", "x").encode())
    )
