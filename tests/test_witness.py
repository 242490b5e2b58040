"""The second witness: whatever made an outcome unknown, the books are asked; each document is there once."""

from __future__ import annotations

import copy
import errno
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from exchange_world import World, create_template, customer, invoice, payment, set_ids
from rehearsal_company import ACME, JOB

from toolkit import outcomes, set_answers, witness
from toolkit.cli.shared import person
from toolkit.errors import IllegalTransition, LedgerError
from toolkit.exchange import FAILED
from toolkit.ledger import Outcome
from toolkit.ledger_records import FOR_A_PERSON, MOST_LOOKUPS
from toolkit.quickbooks_codes import PARSE_ERROR, may_go_again
from toolkit.rehearsal.books import Record
from toolkit.tables import to_rows

Cause = Callable[[World, bool], None]
KEY = "invoice:A1"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory, set_size="3", page_size="1")


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World.make(tmp_path, template)


# --- what makes an outcome unknown: the set is with QuickBooks, which ran it or did not ---------------------


def _answer(world: World, body: Callable[[str], str], ran: bool) -> None:
    ticket = world.open()
    text = world.ask(ticket, first=True)
    if ran:
        world.company.process(text)
    world.answer(ticket, body(set_ids([text])[0]))
    world.exchange.close(ticket)


def _without_vouching(status: int) -> Cause:
    def cause(world: World, ran: bool) -> None:
        attributes = f'messageSetStatusCode="{status}"'
        _answer(world, lambda i: f'<QBXML><QBXMLMsgsRs newMessageSetID="{i}" {attributes}/></QBXML>', ran)

    return cause


def _with(inner: str) -> Cause:
    def cause(world: World, ran: bool) -> None:
        def body(i: str) -> str:
            head = f'newMessageSetID="{i}" messageSetStatusCode="0"'
            return f"<QBXML><QBXMLMsgsRs {head}>{inner}</QBXMLMsgsRs></QBXML>"

        _answer(world, body, ran)

    return cause


def _unreadable(world: World, ran: bool) -> None:
    for _ in range(set_answers.MOST_READS):
        _answer(world, lambda _: "<html>502 Bad Gateway</html>", ran)


def _refused_again(world: World, ran: bool) -> None:
    text = world.ask(world.open(), first=True)
    if ran:
        world.company.process(text)
    world.clock.wait(61)
    ticket = world.open()
    world.ask(ticket, first=True)
    assert world.answer(ticket, "", PARSE_ERROR, "parsing") == FAILED
    world.exchange.close(ticket)


def _status(code: int, severity: str) -> str:
    attributes = f'statusCode="{code}" statusSeverity="{severity}" statusMessage="So it is."'
    return f'<InvoiceAddRs requestID="1" {attributes}/>'


CAUSES: dict[str, Cause] = {
    **{str(status): _without_vouching(status) for status in (600, 9001, 9002, 9005)},
    "not mentioned": _with(""),
    "internal error": _with(_status(1000, "Error")),
    "no record named": _with(_status(0, "Info")),
    "no status": _with('<InvoiceAddRs requestID="1"/>'),
    "unreadable": _unreadable,
    "refused again": _refused_again,
}
every_cause = pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)


# --- the company's books, as a person edits them ------------------------------------------------------------


def records(world: World, number: str = "A1") -> list[Record]:
    found = world.company.books.transactions.values()
    return [record for record in found if record.fields.get("RefNumber") == number]


def strip(record: Record, **changes: Any) -> None:
    """Take our marker from a record: its memo is edited, and a version before 11.0 showed no GUID."""
    record.fields.pop("ExternalGUID", None)
    record.fields["Memo"] = "July"
    record.fields.update(changes)


def double(world: World, number: str = "A1", **changes: Any) -> Record:
    """Make a copy of a record, as "Make a copy" in QuickBooks does."""
    (record,) = records(world, number)
    made = copy.deepcopy(record)
    made.fields.update({"TxnID": "FFFF-1767600000", **changes})
    world.company.books.transactions[made.id] = made
    return made


def both(world: World) -> int:
    """Queue an invoice and the payment of it."""
    return world.export(invoice("A1", "10.00"), payment("P1", "10.00", ACME, "A1"))


def lookups(world: World) -> list[str]:
    return [text for text in world.requests if "QueryRq" in text]


def writes(world: World) -> list[str]:
    return [text for text in world.requests if "AddRq" in text]


def check_once(world: World) -> None:
    """Each document is in the company once, and the ledger, crosswalk and tables agree."""
    assert world.statuses() == {KEY: "applied", "payment:P1": "applied"}
    assert [record.id for record in records(world)] == [world.ws.ledger.operation(KEY).txn_id]
    assert [record.id for record in records(world, "P1")] == [world.ws.ledger.operation("payment:P1").txn_id]
    bound = {row["operation_key"]: row["quickbooks_id"] for row in to_rows(world.ws.read("ledger.crosswalk"))}
    assert bound == {key: world.ws.ledger.operation(key).txn_id for key in (KEY, "payment:P1")}
    landed = [row["txn_id"] for row in to_rows(world.ws.read("quickbooks.invoices"))]
    assert bound[KEY] in landed
    assert len(landed) == len(set(landed))
    assert world.authenticate() == ("", "none")


# --- each cause, with each thing that the books may hold ----------------------------------------------------


@every_cause
def test_what_was_applied_is_taken_over_and_never_sent_again(world: World, cause: Cause) -> None:
    number = both(world)
    cause(world, True)
    assert world.statuses() == {KEY: "unknown", "payment:P1": "pending"}
    sent, sequence = len(set(writes(world))), records(world)[0].fields["EditSequence"]
    world.finish()
    check_once(world)
    assert len(set(writes(world))) == sent + 1, "the payment alone was new"
    assert len(lookups(world)) == 1
    found = world.ws.ledger.operation(KEY)
    assert found.edit_sequence == sequence
    assert found.status_message == "found in QuickBooks by its marker"
    assert world.ws.ledger.job(number).status == "complete"
    steps = [(step["before"], step["after"]) for step in world.ws.ledger.history(KEY)]
    assert steps[-2:] == [("sent", "unknown"), ("unknown", "applied")]


@every_cause
def test_what_was_not_applied_is_sent_again_under_a_fresh_id(world: World, cause: Cause) -> None:
    both(world)
    cause(world, False)
    assert world.statuses()[KEY] == "unknown"
    first = set(set_ids(writes(world)))
    asked = len(world.requests)
    world.finish()
    check_once(world)
    later = world.requests[asked:]
    assert "<InvoiceQueryRq" in later[0], "the lookup comes before anything new"
    assert "<InvoiceAddRq" in later[1]
    assert not first & set(set_ids(later))
    steps = [step["after"] for step in world.ws.ledger.history(KEY)]
    assert steps == ["pending", "sent", "unknown", "pending", "sent", "applied"]


@every_cause
def test_two_candidates_are_for_a_person_and_nothing_is_sent(world: World, cause: Cause) -> None:
    number = both(world)
    cause(world, True)
    double(world)
    sent = len(writes(world))
    world.finish()
    assert world.statuses() == {KEY: "unknown", "payment:P1": "skipped"}
    assert world.message(KEY).startswith(f"{FOR_A_PERSON}2 records bear its marker: ")
    assert all(record.id in world.message(KEY) for record in records(world))
    assert len(writes(world)) == sent
    assert len(lookups(world)) == 1, "a question that was answered is not asked again"
    assert world.ws.ledger.job(number).status == "complete"
    assert world.ws.ledger.history(KEY)[-1]["message"] == world.message(KEY)


@every_cause
def test_an_edited_memo_is_found_by_number_customer_date_and_total(world: World, cause: Cause) -> None:
    both(world)
    cause(world, True)
    strip(records(world)[0])
    world.finish()
    check_once(world)
    assert "without its marker" in world.message(KEY)


@every_cause
def test_what_matches_in_part_only_is_for_a_person(world: World, cause: Cause) -> None:
    both(world)
    cause(world, True)
    strip(records(world)[0], Subtotal=Decimal("11.00"))
    world.finish()
    assert world.statuses() == {KEY: "unknown", "payment:P1": "skipped"}
    assert "matches in part only" in world.message(KEY)
    assert len(records(world)) == 1


# --- what makes a record hard to find must not make it look absent ------------------------------------------


@pytest.mark.parametrize("change", ["RefNumber", "CustomerRef", "TxnDate", "Subtotal", "Memo"])
def test_an_edit_does_not_hide_a_record_that_bears_the_marker(world: World, change: str) -> None:
    world.export(invoice("A1", "10.00", txn_date="2026-01-02"))
    CAUSES["9002"](world, True)
    (record,) = records(world)
    values: dict[str, Any] = {
        "RefNumber": "other",
        "CustomerRef": {"ListID": JOB, "FullName": "Acme:Roof"},
        "TxnDate": record.fields["TxnDate"].replace(day=20),
        "Subtotal": Decimal("11.00"),
        "Memo": f"{record.fields['Memo']} and more",
    }
    record.fields[change] = values[change]
    world.finish()
    assert world.statuses() == {KEY: "applied"}
    assert world.ws.ledger.operation(KEY).txn_id == record.id
    differs = world.message(KEY).startswith(outcomes.DIFFERS)
    assert differs == (change in ("TxnDate", "Subtotal"))
    assert len(writes(world)) == 1


def test_the_payment_of_a_record_that_differs_waits(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    records(world)[0].fields["Subtotal"] = Decimal("11.00")
    world.finish()
    assert world.message(KEY).startswith(outcomes.DIFFERS)
    assert world.statuses() == {KEY: "applied", "payment:P1": "skipped"}
    assert "waits for a person" in world.message("payment:P1")


def test_a_number_that_somebody_else_has_is_for_a_person_on_an_invoice_and_nothing_on_a_payment(
    world: World,
) -> None:
    world.export(invoice("101", "10.00", of=JOB))
    CAUSES["9002"](world, False)
    world.finish()
    assert world.statuses() == {"invoice:101": "unknown"}
    assert "A1-1 matches in part only" in world.message("invoice:101")


@pytest.mark.parametrize("ran", [True, False])
def test_a_payment_is_looked_up_by_its_number_and_what_it_pays_is_compared(world: World, ran: bool) -> None:
    world.export(invoice("A1", "10.00"))
    world.run()
    other = payment("5501", "10.00", JOB, "A1")  # of another customer the books have a check of that number
    other["fields"] = other["fields"].replace(JOB, ACME)
    records(world, "5501")[0].fields["CustomerRef"] = {"ListID": JOB, "FullName": "Acme:Roof"}
    world.export(other)
    CAUSES["9001"](world, ran)
    assert world.statuses()["payment:5501"] == "unknown"
    world.finish()
    assert world.statuses()["payment:5501"] == "applied"
    assert not world.message("payment:5501").startswith(outcomes.DIFFERS)
    assert world.holds("payments") == ["payment:5501"]


def test_two_payments_alike_cannot_both_be_the_one_that_is_there(world: World) -> None:
    world.export(invoice("A1", "10.00"))
    world.run()
    twins = []
    for key in ("payment:P1", "payment:P2"):
        row = payment("77", "4.00", ACME, "A1")
        twins.append({**row, "key": key, "fields": row["fields"].replace("payment:77", key)})
    world.export(*twins)
    CAUSES["9002"](world, True)
    first, second = records(world, "77")
    strip(first)
    del world.company.books.transactions[second.id]
    world.finish()
    assert {world.statuses()[key] for key in ("payment:P1", "payment:P2")} == {"unknown"}
    assert "matches another operation as well" in world.message("payment:P1")


@pytest.mark.parametrize(("ran", "marked"), [(True, True), (True, False), (False, True)])
def test_a_customer_is_looked_up_by_name(world: World, ran: bool, marked: bool) -> None:
    world.export(customer("N1", "Nova"), invoice("A1", "10.00", of="customer:N1"))
    CAUSES["9002"](world, ran)
    assert world.statuses() == {"customer:N1": "unknown", KEY: "pending"}
    made = [one for one in world.company.books.lists["Customer"].values() if one.name == "Nova"]
    if not marked:
        made[0].fields.pop("ExternalGUID", None)
    world.finish()
    assert world.names().count("Nova") == 1
    if marked:
        assert world.statuses() == {"customer:N1": "applied", KEY: "applied"}
        assert world.holds() == [KEY]
    else:
        assert world.statuses() == {"customer:N1": "unknown", KEY: "skipped"}


def test_a_customer_without_marker_is_ours_by_name_and_account_number(world: World) -> None:
    row = customer("N1", "Nova")
    row["expected"] = '{"name": "Nova", "full_name": "Nova", "account_number": "N1"}'
    row["fields"] = row["fields"].replace('"Nova"', '"Nova", "AccountNumber": "N1"')
    world.export(row)
    CAUSES["9002"](world, True)
    (made,) = [one for one in world.company.books.lists["Customer"].values() if one.name == "Nova"]
    made.fields.pop("ExternalGUID", None)
    world.finish()
    assert world.statuses() == {"customer:N1": "applied"}
    assert world.ws.ledger.operation("customer:N1").list_id == made.id


# --- how often, and what comes between ----------------------------------------------------------------------


def test_what_is_never_there_is_not_sent_for_ever(world: World) -> None:
    number = both(world)
    for _ in range(witness.MOST_SENT):
        ticket = world.open()
        text = world.ask(ticket, first=True)
        if "InvoiceQueryRq" in text:
            world.carry(ticket, text)
            text = world.ask(ticket)
        found = set_ids([text])[0]
        body = f'newMessageSetID="{found}" messageSetStatusCode="9002"'
        world.answer(ticket, f"<QBXML><QBXMLMsgsRs {body}/></QBXML>")
        world.exchange.close(ticket)
    world.finish()
    assert world.statuses() == {KEY: "rejected", "payment:P1": "skipped"}
    assert "sent 3 times" in world.message(KEY)
    assert may_go_again(world.ws.ledger.operation(KEY).status_code, world.message(KEY))
    assert len(writes(world)) == witness.MOST_SENT
    assert records(world) == []
    assert world.ws.ledger.job(number).status == "complete"


def test_a_lookup_that_fails_is_asked_again_and_then_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(world)
    CAUSES["9002"](world, False)
    process = world.company.process

    def locked(text: str) -> str:
        said = process(text)
        return re.sub(r'(<InvoiceQueryRs[^>]*statusCode=)"\d+"', r'\1"3175"', said)

    monkeypatch.setattr(world.company, "process", locked)
    world.finish()
    assert world.statuses() == {KEY: "unknown", "payment:P1": "skipped"}
    assert world.message(KEY).startswith(witness.FAILED)
    assert len(lookups(world)) == MOST_LOOKUPS
    assert len(writes(world)) == 1


def test_a_query_that_quickbooks_cannot_parse_never_loops(world: World) -> None:
    both(world)
    CAUSES["9002"](world, False)
    for _ in range(MOST_LOOKUPS):
        ticket, word = world.authenticate()
        assert word == ""
        world.ask(ticket, first=True)
        world.answer(ticket, "", PARSE_ERROR, "parsing")
        world.exchange.close(ticket)
    assert world.authenticate() == ("", "none")
    assert world.statuses() == {KEY: "unknown", "payment:P1": "skipped"}


def test_a_lookup_without_an_answer_is_asked_anew(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    ticket = world.open()
    old = world.ask(ticket, first=True)
    assert world.answer(ticket, "", "0x80010105", "gone") == FAILED
    world.exchange.close(ticket)
    assert world.statuses()[KEY] == "unknown"
    world.finish()
    check_once(world)
    assert len(lookups(world)) == 2
    assert lookups(world)[1] != old


def test_the_answer_to_an_older_lookup_says_nothing(world: World) -> None:
    both(world)
    CAUSES["9002"](world, False)
    ticket = world.open()
    old = world.company.process(world.ask(ticket, first=True))  # "not there", and then it comes about
    world.company.process(world.requests[0])
    world.clock.wait(61)
    ticket = world.open()
    world.ask(ticket, first=True)
    world.answer(ticket, old)
    assert world.statuses()[KEY] == "unknown"
    world.work(ticket, first=False)
    world.finish()
    check_once(world)


def test_imports_wait_for_the_lookup_too(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    world.ws.queue_import("customers")
    world.run()
    kinds = [re.findall(r"<(\w+Query)Rq\b", text)[0] for text in lookups(world)]
    assert kinds[0] == "InvoiceQuery"
    assert "CustomerQuery" in kinds


def test_many_are_looked_up_in_few_sets(world: World) -> None:
    world.ws.set("set_size", "50")
    world.export(*(invoice(f"A{n}", "10.00") for n in range(45)))
    ticket = world.open()
    text = world.ask(ticket, first=True)
    world.company.process(text)
    body = f'newMessageSetID="{set_ids([text])[0]}" messageSetStatusCode="9002"'
    world.answer(ticket, f"<QBXML><QBXMLMsgsRs {body}/></QBXML>")
    world.work(ticket, first=False)
    assert set(world.statuses().values()) == {"applied"}
    assert len(lookups(world)) == 3
    assert len(world.holds()) == 45


def test_what_is_unknown_in_an_ended_job_is_found_too(world: World) -> None:
    number = both(world)
    CAUSES["9002"](world, True)
    world.ws.ledger.cancel(number, "tester")
    world.finish()
    assert world.statuses() == {KEY: "applied", "payment:P1": "skipped"}
    assert [row["ref_number"] for row in to_rows(world.ws.read("quickbooks.invoices"))] == ["A1"]


@pytest.mark.parametrize("died", [False, True])
def test_a_full_disk_after_the_job_ended_delays_its_rows_and_loses_none(
    world: World, monkeypatch: pytest.MonkeyPatch, died: bool
) -> None:
    number = both(world)
    CAUSES["9002"](world, True)
    world.ws.ledger.cancel(number, "tester")
    world.clock.wait(61)
    ticket = world.open()
    with monkeypatch.context() as patch:

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(set_answers, "land_units", full)
        assert world.carry(ticket, world.ask(ticket, first=True)) == FAILED
        assert world.statuses()[KEY] == "applied"
        if not died:
            world.exchange.close(ticket)
    assert not len(world.ws.read("quickbooks.invoices"))
    world.clock.wait(61)
    world.export(invoice("A2", "10.00"))
    world.run()
    assert sorted(row["ref_number"] for row in to_rows(world.ws.read("quickbooks.invoices"))) == ["A1", "A2"]


def test_a_file_restored_to_before_the_set_gets_it_once(world: World) -> None:
    both(world)
    before = copy.deepcopy(world.company)
    CAUSES["9002"](world, True)
    world.company = before
    world.finish()
    check_once(world)


def test_a_file_restored_while_the_set_is_in_flight_gets_it_once(world: World) -> None:
    both(world)
    before = copy.deepcopy(world.company)
    ticket = world.open()
    world.company.process(world.ask(ticket, first=True))
    world.company = before
    world.finish()
    check_once(world)


def test_the_id_of_a_set_that_nobody_vouches_for_is_never_cleared(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    doubtful = set_ids(world.requests)[0]
    world.export(invoice("A2", "10.00"), invoice("A3", "10.00"))
    world.finish()
    assert all(f'oldMessageSetID="{doubtful}"' not in text for text in world.requests)


def test_what_has_nothing_to_be_found_by_is_for_a_person(world: World) -> None:
    row = invoice("A1", "10.00")
    row["fields"] = re.sub(r'"(RefNumber|TxnDate)": "[^"]*", ', "", row["fields"])
    world.export({**row, "ref_number": None})
    CAUSES["9002"](world, True)
    world.finish()
    assert world.statuses() == {KEY: "unknown"}
    assert "neither a number nor a customer and a date" in world.message(KEY)


# --- a person decides ---------------------------------------------------------------------------------------


def doubtful(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    double(world)
    world.finish()
    assert world.statuses()[KEY] == "unknown"


def test_a_person_says_which_record_it_is(world: World) -> None:
    doubtful(world)
    done = world.ws.ledger.resolve(KEY, "Ann", applied="FFFF-1767600000", note="the other was deleted")
    assert (done.status, done.txn_id) == ("applied", "FFFF-1767600000")
    last = world.ws.ledger.history(KEY)[-1]
    assert (last["before"], last["after"]) == ("unknown", "applied")
    assert last["message"] == "Ann says that it is FFFF-1767600000: the other was deleted"
    bound = {row["key"]: row["quickbooks_id"] for row in to_rows(world.ws.read("ledger.crosswalk"))}
    assert bound == {"A1": "FFFF-1767600000"}
    assert world.export(payment("P1", "10.00", ACME, "A1"))
    world.finish()
    assert world.statuses()["payment:P1"] == "applied"


def test_a_person_says_that_it_is_not_there_and_only_a_new_export_sends_it(world: World) -> None:
    doubtful(world)
    for record in records(world):
        del world.company.books.transactions[record.id]
    sent = len(writes(world))
    assert world.ws.ledger.resolve(KEY, "Ann", note="I looked").status == "skipped"
    assert world.message(KEY) == "Ann says that it is not in QuickBooks: I looked; export it again"
    assert world.authenticate() == ("", "none")
    assert len(writes(world)) == sent
    both(world)
    world.finish()
    check_once(world)


def test_only_the_unknown_is_resolved_and_by_a_person(world: World) -> None:
    doubtful(world)
    with pytest.raises(LedgerError, match="name of the person"):
        world.ws.ledger.resolve(KEY, " ")
    with pytest.raises(LedgerError, match="no operation"):
        world.ws.ledger.resolve("invoice:none", "Ann")
    with pytest.raises(IllegalTransition, match="only what is unknown"):
        world.ws.ledger.resolve("payment:P1", "Ann")
    world.export(invoice("A2", "10.00"))
    world.finish()
    taken = world.ws.ledger.operation("invoice:A2").txn_id
    with pytest.raises(LedgerError, match="is invoice A2 already"):
        world.ws.ledger.resolve(KEY, "Ann", applied=taken)
    assert world.statuses()[KEY] == "unknown"


def test_a_decision_made_while_the_lookup_is_under_way_stands(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    world.ws.ledger.resolve(KEY, "Ann", applied=records(world)[0].id)
    world.carry(ticket, text)
    world.work(ticket, first=False)
    check_once(world)
    assert "Ann says" in world.message(KEY)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


def test_the_command_says_who_decided_and_what_hangs_on_it(world: World, toolkit: Toolkit) -> None:
    doubtful(world)
    quickbooks_id = records(world)[0].id
    said = toolkit(
        "resolve", KEY, "--applied", quickbooks_id, "--note", "seen", "-w", world.ws.path, "--json"
    )
    assert said.code == 0, said.err
    assert said.json["operation"]["status"] == "applied"
    assert said.json["operation"]["txn_id"] == quickbooks_id
    assert said.json["waiting"] == ["payment:P1"]
    assert said.json["history"][-1]["message"] == f"{person()} says that it is {quickbooks_id}: seen"
    assert world.ws.ledger.operation(KEY).txn_id == quickbooks_id


def test_the_command_lets_it_be_exported_again(world: World, toolkit: Toolkit) -> None:
    doubtful(world)
    said = toolkit("resolve", KEY, "--not-applied", "-w", world.ws.path)
    assert said.code == 0, said.err
    assert f"{KEY}: skipped ({person()} says that it is not in QuickBooks; export it again)" in said.out
    assert "1 hang on it: payment:P1" in said.out
    assert world.authenticate() == ("", "none"), "nothing is sent before a person approves a new export"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((KEY,), "say what became of it"),
        ((KEY, "--applied", "A1-1", "--not-applied"), "say what became of it"),
        ((KEY, "--applied", "INV-1"), "not a TxnID or ListID"),
        (("invoice:none", "--not-applied"), "there is no operation invoice:none"),
        (("payment:P1", "--not-applied"), "payment:P1 is skipped: only what is unknown is resolved"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    world: World, toolkit: Toolkit, arguments: tuple[str, ...], complaint: str
) -> None:
    doubtful(world)
    before = world.ws.ledger.history(KEY)
    said = toolkit("resolve", *arguments, "-w", world.ws.path)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert world.ws.ledger.history(KEY) == before


def test_the_ledger_keeps_a_decision_that_came_before_the_verdict(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    ticket = world.open()
    world.ask(ticket, first=True)
    asked = world.ws.ledger.unanswered()
    assert asked is not None
    world.ws.ledger.resolve(KEY, "Ann", applied=records(world)[0].id)
    assert world.ws.ledger.record_answer(asked.id, outcomes=[Outcome(KEY, "pending")])
    assert world.statuses()[KEY] == "applied"


def test_what_hangs_on_the_unknown_waits_until_it_was_looked_up(world: World) -> None:
    both(world)
    CAUSES["9002"](world, True)
    assert world.ws.ledger.skip_blocked() == 0
    world.ws.ledger.leave_to_person(KEY, "two may be it")
    assert world.ws.ledger.skip_blocked() == 1
    assert "whose outcome is unknown" in world.message("payment:P1")
