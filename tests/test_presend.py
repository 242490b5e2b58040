"""The look right before something is sent: what drifted, what is paid, what is there already."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World, create_template, customer, invoice, operation, payment, saying
from rehearsal_company import ACME, HOSTING, JOB, OPEN, PAID, RECEIPT

from toolkit.errors import RequestRefused
from toolkit.ledger_records import FOR_A_PERSON
from toolkit.lookups import MOST_CHECKS
from toolkit.outcomes import MOST_ROUNDS
from toolkit.presend import HELD_BACK
from toolkit.quickbooks_codes import PARSE_ERROR
from toolkit.refresh import queue_refresh
from toolkit.rehearsal.books import Record
from toolkit.tables import to_rows

KEY = "invoice:A1"
NAMES = {ACME: "Acme", HOSTING: "Hosting"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory, set_size="3")


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World.make(tmp_path, template)


def listed(world: World, kind: str, list_id: str) -> Record:
    return world.company.books.lists[kind][list_id]


def documents(world: World, number: str) -> list[Record]:
    found = world.company.books.transactions.values()
    return [record for record in found if record.fields.get("RefNumber") == number]


def planned(number: str = "A1", **more: Any) -> dict[str, Any]:
    """Return an invoice that knows what its customer and its item were called."""
    return invoice(number, "10.00", **{"refers_to": NAMES, **more})


def paying(key: str, *parts: tuple[str, str], number: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a payment of Acme on invoices that QuickBooks has: TxnID and amount of each."""
    made = payment(key, "60.00", ACME, "101")
    fields, expected = json.loads(made["fields"]), json.loads(made["expected"])
    fields["AppliedToTxnAdd"] = [{"TxnID": txn_id, "PaymentAmount": amount} for txn_id, amount in parts]
    fields["RefNumber"] = number or key
    if number == "":
        del fields["RefNumber"]
    expected["applied"] = [
        {"invoice_number": "101", "txn_id": txn_id, "amount": amount} for txn_id, amount in parts
    ]
    return operation(made["key"], made["request"], fields | more, expected=expected)


# --- drift --------------------------------------------------------------------------------------------------


def rename(record: Record) -> None:
    record.fields.update(Name="Another", FullName="Another")


def retire(record: Record) -> None:
    record.fields["IsActive"] = False


@pytest.mark.parametrize(("kind", "list_id"), [("Customer", ACME), ("Item", HOSTING)])
@pytest.mark.parametrize(
    ("change", "says"), [(rename, "is called Another now"), (retire, "was made inactive"), (None, "any more")]
)
def test_what_drifted_holds_back_what_refers_to_it_and_nothing_else(
    world: World, kind: str, list_id: str, change: Callable[[Record], None] | None, says: str
) -> None:
    world.export(
        customer("N1", "Nova"),
        planned(),
        payment("P1", "10.00", ACME, "A1"),
        *([invoice("A2", "20.00", of="customer:N1")] if kind == "Customer" else []),
    )
    if change is None:
        del world.company.books.lists[kind][list_id]
    else:
        change(listed(world, kind, list_id))
    assert world.run() == "OK"
    states = world.statuses()
    assert states.pop(KEY) == "skipped"
    assert states.pop("payment:P1") == "skipped"
    assert set(states.values()) == {"applied"}, "the rest goes"
    assert world.message(KEY).startswith(HELD_BACK)
    assert says in world.message(KEY)
    assert documents(world, "A1") == []
    assert world.authenticate() == ("", "none")


def test_what_was_cured_goes_when_it_is_exported_again(world: World) -> None:
    world.export(planned())
    retire(listed(world, "Item", HOSTING))
    world.run()
    listed(world, "Item", HOSTING).fields["IsActive"] = True
    world.export(planned())
    assert world.run() == "OK"
    assert world.holds() == [KEY]


def test_the_parent_of_a_new_job_is_looked_at_too(world: World) -> None:
    fields = {"Name": "Attic", "ParentRef": {"ListID": ACME}}
    world.export(operation("customer:N1", "CustomerAdd", fields, expected={"refers_to": NAMES}))
    retire(listed(world, "Customer", ACME))
    world.run()
    assert "customer Acme was made inactive" in world.message("customer:N1")


def test_each_thing_is_asked_for_once_a_set(world: World) -> None:
    world.export(*(planned(f"A{n}") for n in range(3)))
    world.run()
    (check,) = world.checks
    assert check.count(f"<ListID>{ACME}</ListID>") == 2, "as a customer, and whose invoices"
    assert [check.count(f"<{name}QueryRq") for name in ("Item", "Customer", "Invoice")] == [1, 1, 2]
    assert "newMessageSetID" not in check


# --- invoices that are paid already -------------------------------------------------------------------------


def test_a_payment_on_a_paid_invoice_is_held_back(world: World) -> None:
    world.export(paying("P1", (PAID, "60.00")))
    assert world.run() == "OK"
    assert world.statuses() == {"payment:P1": "unknown"}
    assert world.message("payment:P1").startswith(FOR_A_PERSON)
    assert "invoice 102 is paid already, and 60.00 was to be applied" in world.message("payment:P1")


def test_a_person_says_by_which_payment_it_was_paid(world: World) -> None:
    world.export(paying("P1", (PAID, "60.00")))
    world.run()
    assert world.ws.ledger.resolve("payment:P1", "ann", applied=RECEIPT).txn_id == RECEIPT
    assert world.authenticate() == ("", "none")


def test_payments_of_one_set_share_what_is_open(world: World) -> None:
    world.export(paying("P1", (OPEN, "60.00")), paying("P2", (OPEN, "60.00")), paying("P3", (OPEN, "40.00")))
    world.run()
    states = world.statuses()
    assert states == {"payment:P1": "applied", "payment:P2": "unknown", "payment:P3": "applied"}
    assert "invoice 101 has 40.00 open" in world.message("payment:P2")


def test_a_payment_on_an_invoice_that_is_gone_is_held_back(world: World) -> None:
    world.export(paying("P1", (OPEN, "60.00")))
    del world.company.books.transactions[OPEN]
    world.run()
    assert "invoice 101 is not in QuickBooks any more" in world.message("payment:P1")


# --- what is there already ----------------------------------------------------------------------------------


def by_hand(world: World, number: str = "A1", **changes: Any) -> Record:
    """Enter a document of that number by hand: a copy of invoice 101."""
    made = copy.deepcopy(world.company.books.transactions[OPEN])
    made.fields.update({"TxnID": "FFFF-1767600000", "RefNumber": number, **changes})
    world.company.books.transactions[made.id] = made
    return made


def test_what_somebody_entered_by_hand_is_for_a_person(world: World) -> None:
    world.export(planned(), payment("P1", "10.00", ACME, "A1"), planned("A2"))
    by_hand(world)
    assert world.run() == "OK"
    assert world.statuses() == {KEY: "unknown", "payment:P1": "skipped", "invoice:A2": "applied"}
    assert world.message(KEY).startswith(FOR_A_PERSON)
    assert "FFFF-1767600000" in world.message(KEY)
    assert world.holds() == ["invoice:A2"]
    assert world.ws.ledger.operation(KEY).attempts == 0


def test_a_person_says_that_it_is_the_one(world: World) -> None:
    world.export(planned())
    by_hand(world)
    world.run()
    done = world.ws.ledger.resolve(KEY, "ann", applied="FFFF-1767600000")
    assert (done.status, done.txn_id) == ("applied", "FFFF-1767600000")
    assert world.authenticate() == ("", "none")


def test_a_person_says_that_it_is_another_one_and_the_next_export_sends_ours(world: World) -> None:
    world.export(planned())
    by_hand(world)
    world.run()
    world.ws.ledger.resolve(KEY, "ann", note="a coincidence")
    world.export(planned())
    assert world.run() == "OK"
    assert world.statuses() == {KEY: "applied"}
    assert world.holds() == [KEY]
    assert len(documents(world, "A1")) == 2


def test_a_word_of_a_person_does_not_outlive_the_next_attempt(world: World) -> None:
    world.export(planned())
    made = by_hand(world)
    world.run()
    world.ws.ledger.resolve(KEY, "ann")
    retire(listed(world, "Item", HOSTING))
    world.export(planned())
    world.run()
    assert world.statuses() == {KEY: "skipped"}
    listed(world, "Item", HOSTING).fields["IsActive"] = True
    world.export(planned())
    world.run()
    assert world.statuses() == {KEY: "unknown"}
    assert made.id in world.message(KEY)


def test_the_number_of_another_customer_is_no_obstacle(world: World) -> None:
    world.export(planned())
    by_hand(world, CustomerRef={"ListID": JOB, "FullName": "Acme:Roof"})
    world.run()
    assert world.statuses() == {KEY: "applied"}


def test_what_bears_our_marker_is_taken_over_though_the_ledger_never_sent_it(
    world: World, tmp_path: Path, template: Path
) -> None:
    world.export(planned(), payment("P1", "10.00", ACME, "A1"))
    world.run()
    (sent,) = documents(world, "A1")
    # A ledger that knows nothing of it: made from an older backup, or anew.
    other = World.make(tmp_path / "other", template)
    other.company = world.company
    other.export(planned(), payment("P1", "10.00", ACME, "A1"))
    assert other.run() == "OK"
    assert other.statuses() == {KEY: "applied", "payment:P1": "applied"}
    assert other.ws.ledger.operation(KEY).txn_id == sent.id
    assert other.holds() == [KEY]
    assert other.holds("payments") == ["payment:P1"]
    assert not any("AddRq" in text for text in other.requests), "nothing was sent"
    assert sent.id in {row["txn_id"] for row in to_rows(other.ws.read("quickbooks.invoices"))}


@pytest.mark.parametrize(
    ("number", "changes", "state"),
    [
        ("77", {}, "applied"),  # the cheque number alone says nothing
        ("77", {"TotalAmount": "60.00"}, "unknown"),
        ("", {"TotalAmount": "60.00", "TxnDate": "2026-01-03"}, "unknown"),
        ("", {"TotalAmount": "60.00"}, "applied"),
        ("", {"TxnDate": "2026-01-03"}, "applied"),
        ("88", {"TotalAmount": "60.00", "TxnDate": "2026-01-03"}, "unknown"),
        ("ACH", {"TotalAmount": "60.00", "TxnDate": "2026-01-02"}, "applied"),
    ],
)
def test_a_payment_is_there_by_number_or_day_and_total(
    world: World, number: str, changes: dict[str, str], state: str
) -> None:
    fields = {"CustomerRef": {"ListID": ACME}, "RefNumber": "77", "IsAutoApply": False}
    fields |= {"TxnDate": "2026-01-01", "TotalAmount": "61.00", **changes}
    other = World.around(world.ws, world.company, world.clock)
    other.export(operation("payment:X", "ReceivePaymentAdd", fields))
    other.run()
    (entered,) = documents(world, "77")
    entered.fields.pop("ExternalGUID")
    entered.fields.pop("Memo", None)
    with world.ws.ledger.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER crosswalk_kept")
        connection.exec_driver_sql("DELETE FROM crosswalk")  # nobody knows whose it is
    world.export(paying("P1", (OPEN, "60.00"), number=number))
    world.run()
    assert world.statuses()["payment:P1"] == state


def test_a_payment_up_to_the_cutover_is_quickbooks_own_past(world: World) -> None:
    world.ws.set("cutover_date", "2026-01-03")
    world.export(paying("P1", (OPEN, "60.00")))
    entered = copy.deepcopy(world.company.books.transactions[RECEIPT])
    entered.fields.update(
        TxnID="FFFF-1", RefNumber="P1", TotalAmount=Decimal("60.00"), TxnDate=dt.date(2026, 1, 3)
    )
    world.company.books.transactions["FFFF-1"] = entered
    world.run()
    assert world.statuses() == {"payment:P1": "applied"}


def test_a_number_that_was_voided_is_free(world: World) -> None:
    world.export(planned())
    by_hand(world, Subtotal=Decimal(0), SalesTaxTotal=Decimal(0), Memo="VOID: July")
    world.run()
    assert world.statuses() == {KEY: "applied"}


def test_what_was_sent_under_another_number_is_found_by_its_day(
    world: World, tmp_path: Path, template: Path
) -> None:
    world.export(planned())
    world.run()
    other = World.make(tmp_path / "other", template)  # an older ledger, and another numbering rule
    other.company = world.company
    renumbered = planned()
    fields = json.loads(renumbered["fields"]) | {"RefNumber": "1005"}
    other.export(renumbered | {"fields": json.dumps(fields), "ref_number": "1005"})
    other.run()
    assert other.holds() == [KEY], "once"
    assert other.statuses() == {KEY: "applied"}


def test_what_was_seen_before_with_the_marker_is_found_by_its_id(
    world: World, tmp_path: Path, template: Path
) -> None:
    world.export(planned())
    world.run()
    (sent,) = documents(world, "A1")
    sent.fields.update(RefNumber="B9", TxnDate=dt.date(2025, 12, 1))
    other = World.make(tmp_path / "other", template)
    other.company = world.company
    other.export(planned(known_as=[sent.id]))
    other.run()
    assert other.holds() == [KEY], "once"
    assert other.ws.ledger.operation(KEY).txn_id == sent.id


@pytest.mark.parametrize(("marked", "state"), [(True, "applied"), (False, "unknown")])
def test_what_was_released_as_lost_and_came_back_is_found_by_its_id(
    world: World, marked: bool, state: str
) -> None:
    world.export(planned())
    world.run()
    (sent,) = documents(world, "A1")
    del world.company.books.transactions[sent.id]
    refresh = queue_refresh(world.ws)
    world.run()
    world.ws.ledger.release_lost({KEY: sent.id}, "ann", note="restored", proof={}, refresh=refresh)
    world.company.books.transactions[sent.id] = sent  # the newer books are opened again
    sent.fields.update(RefNumber="B9", TxnDate=dt.date(2025, 12, 1))
    if not marked:
        del sent.fields["ExternalGUID"]
        sent.fields["Memo"] = "July"
    world.export(planned())
    world.run()
    assert world.statuses() == {KEY: state}
    assert documents(world, "A1") == []
    assert sent.id in (world.message(KEY) + str(world.ws.ledger.operation(KEY).txn_id))


def test_part_of_a_receipt_that_was_posted_whole_is_for_a_person(
    world: World, tmp_path: Path, template: Path
) -> None:
    world.export(paying("P1", (OPEN, "60.00")))
    world.run()
    other = World.make(tmp_path / "other", template)  # an older ledger; the receipt was split since
    other.company = world.company
    part = paying("P1/A3", (OPEN, "15.00"), number="P1", TotalAmount="15.00")
    other.export(part | {"source_table": "billing.payments", "source_key": "P1"})
    other.run()
    assert other.statuses() == {"payment:P1/A3": "unknown"}
    assert len(documents(other, "P1")) == 1


def test_the_parts_of_a_receipt_do_not_stand_in_each_others_way(world: World) -> None:
    parts = [paying(f"P1/A{n}", (OPEN, "20.00"), number="P1", TotalAmount="20.00") for n in (1, 2)]
    world.export(*(part | {"source_table": "billing.payments", "source_key": "P1"} for part in parts))
    world.run()
    assert set(world.statuses().values()) == {"applied"}


# --- a check that fails -------------------------------------------------------------------------------------


def test_what_could_not_be_checked_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(planned())
    saying(world, monkeypatch, "<CustomerQueryRq", 'statusCode="3261" statusMessage="No access."')
    assert world.run() == "OK"
    assert world.statuses() == {KEY: "skipped"}
    assert "could not be checked" in world.message(KEY)
    assert "No access." in world.message(KEY)
    assert world.holds() == []


def test_a_warning_beside_what_was_found_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(planned())
    process = world.company.process

    def warns(text: str) -> str:
        withheld = r'\1 statusCode="530" statusSeverity="Warn" statusMessage="Some fields are withheld."'
        return re.sub(
            r'(<CustomerQueryRs requestID="[^"]+") statusCode="0"[^>]*?(?=>)', withheld, process(text)
        )

    monkeypatch.setattr(world.company, "process", warns)
    world.run()
    assert world.statuses() == {KEY: "applied"}


def test_a_query_that_the_answer_leaves_out_holds_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(planned())
    monkeypatch.setattr(world.company, "process", lambda text: "<QBXML><QBXMLMsgsRs/></QBXML>")
    for _ in range(MOST_CHECKS):
        assert world.statuses() == {KEY: "pending"}
        world.run()
    assert world.statuses() == {KEY: "skipped"}
    assert world.authenticate() == ("", "none")


def test_an_answer_that_cannot_be_read_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.export(planned(), planned("A2"))
    with monkeypatch.context() as patch:
        patch.setattr(world.company, "process", lambda text: "<html>502 Bad Gateway</html>")
        assert "Nothing was sent" in world.run()
    assert world.statuses() == {KEY: "pending", "invoice:A2": "pending"}
    assert world.run() == "OK"
    assert world.holds() == [KEY, "invoice:A2"]


@pytest.mark.parametrize(
    ("code", "sessions"), [(3175, MOST_CHECKS), (1000, MOST_CHECKS), (3000, 1), (510, 1), (530, 1)]
)
def test_a_query_that_fails_is_asked_again_alone_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int, sessions: int
) -> None:
    world.export(planned(), planned("A2"))
    process = world.company.process

    def fails(text: str) -> str:
        if "Query" not in text or "<RefNumber>A1<" not in text:
            return process(text)
        queries = re.findall(r'<(\w+)Rq requestID="([^"]+)"', text)
        status = f'statusCode="{code}" statusSeverity="Error" statusMessage="So it is."'
        answers = "".join(f'<{name}Rs requestID="{number}" {status}/>' for name, number in queries)
        return f"<QBXML><QBXMLMsgsRs>{answers}</QBXMLMsgsRs></QBXML>"

    monkeypatch.setattr(world.company, "process", fails)
    ran = 0
    while world.statuses()[KEY] == "pending":
        world.run()
        ran += 1
    world.finish()
    assert world.statuses() == {KEY: "skipped", "invoice:A2": "applied"}
    assert "So it is." in world.message(KEY)
    assert ran <= sessions


def test_a_check_counts_in_its_own_session_only(world: World) -> None:
    world.export(planned())
    ticket = world.open()
    assert 0 <= world.carry(ticket, world.ask(ticket, first=True, checks=True)) < 100
    world.clock.wait(61)
    retire(listed(world, "Item", HOSTING))
    assert world.run() == "OK"
    assert world.statuses() == {KEY: "skipped"}


def test_a_check_without_an_answer_is_made_anew(world: World) -> None:
    world.export(planned())
    lost = world.ask(world.open(), first=True, checks=True)
    world.clock.wait(61)
    ticket = world.open()
    anew = world.ask(ticket, first=True, checks=True)
    assert "<InvoiceQueryRq" in anew and anew != lost
    assert world.answer(ticket, world.company.process(lost)) < 100, "an old answer says nothing"
    assert world.ws.ledger.checked(ticket, [KEY]) == set()
    assert world.carry(ticket, anew) < 100
    assert world.ws.ledger.checked(ticket, [KEY]) == {KEY}


def test_a_check_that_quickbooks_cannot_parse_holds_back_the_one_it_is_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.export(*(planned(f"A{n}") for n in (1, 2, 3)))
    process = world.company.process

    def refuse(text: str) -> str:
        if "Query" in text and "<RefNumber>A2<" in text:
            raise RequestRefused(PARSE_ERROR, "Error when parsing.")
        return process(text)

    monkeypatch.setattr(world.company, "process", refuse)
    world.finish()
    assert world.statuses() == {"invoice:A1": "applied", "invoice:A2": "skipped", "invoice:A3": "applied"}
    assert "could not parse" in world.message("invoice:A2")


def test_a_decision_made_while_the_check_is_under_way_stands(world: World) -> None:
    number = world.export(planned())
    ticket = world.open()
    text = world.ask(ticket, first=True, checks=True)
    world.ws.ledger.skip(KEY, "a person withdrew it")
    assert world.answer(ticket, world.company.process(text)) == 100
    assert world.message(KEY) == "a person withdrew it"
    assert world.ws.ledger.job(number).status == "complete"


# --- what QuickBooks has locked, names that are taken, changes out of date ----------------------------------


@pytest.mark.parametrize(
    "status",
    [
        'statusCode="3175" statusMessage="The object is in use."',
        'statusCode="3176" statusMessage="A related object is in use."',
        'statusCode="3180" statusMessage="The list element could not be locked."',
    ],
)
def test_what_is_locked_waits_for_the_next_session(
    world: World, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    world.ws.set("set_size", "1")
    number = world.export(planned(), planned("A2"), payment("P1", "10.00", ACME, "A1"))
    with monkeypatch.context() as patch:
        saying(world, patch, "[bb:invoice:A1]", status)
        assert world.run() == "OK"
    assert world.statuses() == {KEY: "pending", "invoice:A2": "applied", "payment:P1": "pending"}
    assert sum("[bb:invoice:A1]" in text for text in world.requests) == 1, "not again in this session"
    assert world.ws.ledger.job(number).status == "running"
    assert world.run() == "OK"
    assert set(world.statuses().values()) == {"applied"}
    assert world.holds() == [KEY, "invoice:A2"]


def test_what_stays_locked_is_rejected_at_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(planned())
    saying(world, monkeypatch, "InvoiceAddRq", 'statusCode="3175" statusMessage="In use."')
    for _ in range(MOST_ROUNDS):
        assert world.statuses() == {KEY: "pending"}
        world.run()
    assert world.statuses() == {KEY: "rejected"}
    assert f"in {MOST_ROUNDS} sessions" in world.message(KEY)
    assert world.authenticate() == ("", "none")


def test_what_was_locked_in_a_session_that_died_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.export(planned())
    with monkeypatch.context() as patch:
        saying(world, patch, "InvoiceAddRq", 'statusCode="3175" statusMessage="In use."')
        ticket = world.open()
        assert world.carry(ticket, world.ask(ticket, first=True)) == 100
    world.clock.wait(61)  # closeConnection never came
    assert world.run() == "OK"
    assert world.holds() == [KEY]


def test_3180_for_another_reason_is_rejected_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(planned())
    saying(world, monkeypatch, "InvoiceAddRq", 'statusCode="3180" statusMessage="Over the credit limit."')
    world.run()
    assert world.statuses() == {KEY: "rejected"}


def new_customer(number: str, name: str, account: str) -> dict[str, Any]:
    made = customer(number, name)
    fields = json.loads(made["fields"]) | {"AccountNumber": account}
    return operation(
        made["key"], "CustomerAdd", fields, expected={"full_name": name, "account_number": account}
    )


def test_a_name_that_our_own_customer_has_is_taken_over(world: World) -> None:
    world.export(new_customer("N1", "Acme", "1001"), invoice("A1", "10.00", of="customer:N1"))
    assert world.run() == "OK"
    assert world.statuses() == {"customer:N1": "applied", KEY: "applied"}
    assert world.ws.ledger.operation("customer:N1").list_id == ACME
    assert world.names().count("Acme") == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [("Acme", f"{ACME} has it, and is not known as this one"), ("Power & Light Co", "no customer has it")],
)
def test_a_name_that_another_has_is_rejected_after_a_look(world: World, name: str, says: str) -> None:
    world.export(new_customer("N1", name, "9999"), invoice("A1", "10.00", of="customer:N1"))
    assert world.run() == "OK"
    assert world.statuses() == {"customer:N1": "rejected", KEY: "skipped"}
    assert "already in use" in world.message("customer:N1")
    assert says in world.message("customer:N1")
    assert world.ws.ledger.operation("customer:N1").status_code == 3100
    assert sum("CustomerAddRq" in text for text in world.requests) == 1


def test_a_change_that_is_out_of_date_is_read_again_and_never_forced(world: World) -> None:
    fields = {"ListID": ACME, "EditSequence": "1", "Phone": "555"}
    world.export(operation("customer:M1", "CustomerMod", {}) | {"fields": json.dumps(fields)})
    assert world.run() == "OK"
    assert world.statuses() == {"customer:M1": "rejected"}
    assert "read again" in world.message("customer:M1")
    assert listed(world, "Customer", ACME).fields.get("Phone") is None
    (read,) = [row for row in to_rows(world.ws.read("quickbooks.customers")) if row["list_id"] == ACME]
    assert read["edit_sequence"] == listed(world, "Customer", ACME).fields["EditSequence"]
