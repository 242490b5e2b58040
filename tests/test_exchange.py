"""Whole sessions against the simulated company: nothing lost, nothing twice, whatever breaks."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exchange_world import (
    PASSWORD,
    QUICKBOOKS_DIED,
    World,
    create_template,
    customer,
    invoice,
    payment,
    saying,
    set_ids,
)
from rehearsal_company import ACME

from toolkit import doctor_tables, extract, set_answers, workspace_config
from toolkit import exchange as exchange_module
from toolkit.errors import LedgerError, ProtocolError, RequestRefused, ToolkitError, WorkspaceLocked
from toolkit.exchange import ENDED, FAILED, NOTHING, TICKET_HOURS, Exchange, number_of
from toolkit.exchange_owed import OWED
from toolkit.ledger_sessions import TAKEN_OVER
from toolkit.quickbooks_codes import PARSE_ERROR
from toolkit.tables import to_rows

KEYS = ["invoice:A1", "invoice:A2", "invoice:A3"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory, set_size="3", page_size="1")


@pytest.fixture
def world(tmp_path: Path, template: Path) -> World:
    return World.make(tmp_path, template)


def three(world: World) -> int:
    """Queue three invoices: one message set."""
    return world.export(*(invoice(f"A{n}", f"{n}0.00") for n in (1, 2, 3)))


def job(world: World, number: int) -> tuple[str, str]:
    found = world.ws.ledger.job(number)
    return found.status, found.message or ""


# --- a session without trouble


def test_customers_invoices_and_payments_go_in_order_and_land(world: World) -> None:
    (imported,) = world.ws.queue_import("customers")
    exported = world.export(
        customer("N1", "Nova"),
        invoice("A1", "10.00"),
        invoice("A2", "20.00", of="customer:N1"),
        payment("P1", "10.00", ACME, "A1"),
        payment("P2", "5.00", "customer:N1", "A2"),
    )
    assert world.run() == "OK"
    assert set(world.statuses().values()) == {"applied"}
    assert world.holds() == ["invoice:A1", "invoice:A2"]
    assert world.holds("payments") == ["payment:P1", "payment:P2"]
    assert [world.ws.ledger.job(number).status for number in (imported, exported)] == ["complete"] * 2
    assert {row["full_name"] for row in to_rows(world.ws.read("quickbooks.customers"))} == set(world.names())
    assert len(world.ws.read("quickbooks.invoices")) == 2
    assert len(world.ws.read("quickbooks.payment_applications")) == 2
    bound = {row["key"]: row["quickbooks_id"] for row in to_rows(world.ws.read("ledger.crosswalk"))}
    assert bound == {
        key.partition(":")[2]: world.ws.ledger.operation(key).quickbooks_id for key in world.statuses()
    }


def test_percent_rises_and_is_100_only_at_the_end(world: World) -> None:
    world.ws.queue_import("customers")
    world.export(*(invoice(f"A{n}", "1.00") for n in range(10)))
    world.run()
    assert world.percent == sorted(world.percent)
    assert world.percent[-1] == 100
    assert max(world.percent[:-1]) < 100
    assert len(world.percent) == 3 + 2 * 4, "each set that writes has a check before it"


def test_no_set_leaves_without_its_text_committed(world: World) -> None:
    three(world)
    text = world.ask(world.open(), first=True)
    kept = world.ws.ledger.unanswered()
    assert kept is not None
    assert kept.text.decode() == text
    assert list(kept.members) == KEYS
    assert kept.set_id == set_ids([text])[0]
    assert re.fullmatch("[A-Z0-9]{20}", kept.set_id or "")
    assert set(world.statuses().values()) == {"sent"}


def test_ids_are_fresh_and_cleared_on_a_later_set(world: World) -> None:
    world.export(*(invoice(f"A{n}", "1.00") for n in range(7)))
    world.run()
    ids = set_ids(world.requests)
    assert len(set(ids)) == 3
    cleared = [re.findall(r'oldMessageSetID="(\w+)"', text) for text in world.requests]
    assert cleared == [[], [ids[0]], [ids[1]]]


def test_amounts_and_records_in_the_company_are_those_that_were_meant(world: World) -> None:
    three(world)
    world.run()
    found = [
        row for row in to_rows(world.company.tables()["quickbooks.invoices"]) if "[bb:" in (row["memo"] or "")
    ]
    assert [row["subtotal"] for row in found] == [Decimal("10.00"), Decimal("20.00"), Decimal("30.00")]
    assert [row["txn_id"] for row in found] == [world.ws.ledger.operation(key).txn_id for key in KEYS]


# --- who may talk


def test_a_wrong_password_a_second_connector_and_an_empty_queue(world: World) -> None:
    assert world.exchange.authenticate(world.ws.user, "wrong") == ("", "nvu")
    assert world.exchange.authenticate("someone", "wrong") == ("", "nvu")
    assert world.authenticate() == ("", "none")
    three(world)
    ticket, word = world.authenticate()
    assert ticket
    assert word == ""
    assert world.authenticate() == ("", "busy")
    world.exchange.close(ticket)
    assert world.authenticate()[0]


def test_where_nothing_is_queued_no_table_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ws.queue_import("customers")
    three(world)
    assert world.run() == "OK"

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("a table was read")

    for name in ("ParquetFile", "read_table"):  # by which every table is read
        monkeypatch.setattr(f"pyarrow.parquet.{name}", read)
    with pytest.raises(AssertionError, match="a table was read"):
        world.ws.read("quickbooks.customers")
    assert world.authenticate() == ("", "none")


def test_the_company_file_of_the_settings_is_asked_for(world: World) -> None:
    world.ws.set("company_file", r"C:\Rehearsal\company.qbw")
    three(world)
    assert world.authenticate()[1] == r"C:\Rehearsal\company.qbw"


def test_a_poll_is_noted_whatever_comes_of_it(world: World) -> None:
    exchange, clock = world.exchange, world.clock
    assert exchange.authenticate(world.ws.user, "another password") == ("", "nvu")
    assert exchange.last_error("made up")
    assert exchange.close("made up") == "OK"
    assert exchange.last_poll is None
    for word in ("none", "", "busy"):
        clock.wait(30)
        assert world.authenticate()[1] == word
        assert exchange.last_poll is not None
        assert (clock.now - exchange.last_poll).total_seconds() < 1
        if word == "none":
            three(world)


def test_a_session_that_is_silent_is_taken_over_and_told_so(world: World) -> None:
    three(world)
    old = world.open()
    world.clock.wait(59)
    assert world.authenticate() == ("", "busy")
    world.clock.wait(2)
    assert world.run() == "OK"
    assert world.ask(old) == ""
    assert "has ended" in world.exchange.last_error(old)
    assert world.exchange.close(old) == TAKEN_OVER


def test_a_clock_that_was_set_back_keeps_nobody_out(world: World) -> None:
    three(world)
    world.open()
    world.clock.wait(-86_400)
    assert world.ws.ledger.live_session(60) is None  # nobody else waits for it either
    assert world.authenticate()[0]


def test_each_call_keeps_a_session_alive(world: World) -> None:
    world.ws.queue_import("customers")
    ticket = world.open()
    world.clock.wait(50)
    text = world.ask(ticket, first=True)
    world.clock.wait(50)
    assert world.authenticate() == ("", "busy")
    assert world.carry(ticket, text) in range(100)
    world.clock.wait(50)
    assert world.authenticate() == ("", "busy")


def test_a_session_lives_while_its_call_is_worked_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ws.queue_import("customers")
    ticket = world.open()
    text = world.ask(ticket, first=True)
    receive = extract.receive

    def slowly(*given: Any, **named: Any) -> Any:
        world.clock.wait(75)
        return receive(*given, **named)

    monkeypatch.setattr(extract, "receive", slowly)
    assert world.carry(ticket, text) in range(100)
    assert world.authenticate() == ("", "busy")
    monkeypatch.undo()
    assert world.work(ticket, first=False) == "OK"


def test_a_call_that_failed_late_keeps_its_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ws.queue_import("customers")
    ticket = world.open()
    text = world.ask(ticket, first=True)

    def fails(*_: Any, **__: Any) -> None:
        world.clock.wait(75)
        raise LedgerError("ledger.sqlite is busy")

    monkeypatch.setattr(extract, "receive", fails)
    assert world.carry(ticket, text) == FAILED
    assert world.authenticate() == ("", "busy")


def test_a_session_lives_while_its_answer_arrives(world: World) -> None:
    three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    for _ in range(4):
        world.clock.wait(50)
        world.exchange.receiving(ticket)
    assert world.authenticate() == ("", "busy")
    assert world.carry(ticket, text) == 100
    world.exchange.close(ticket)
    seen = world.ws.ledger.session(ticket)
    world.clock.wait(50)
    for other in (ticket, "nobody", ""):
        world.exchange.receiving(other)
    assert world.ws.ledger.session(ticket) == seen


def test_what_arrives_never_raises(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three(world)
    ticket = world.open()
    for name in ("session", "touch"):
        with monkeypatch.context() as patch:
            asked: list[str] = []

            def fail(*given: Any, asked: list[str] = asked) -> None:
                asked.append(given[0])
                raise LedgerError("ledger.sqlite is busy")

            patch.setattr(world.ws.ledger, name, fail)
            world.exchange.receiving(ticket)
            assert asked == [ticket]


def test_who_authenticates_waits_for_no_landing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ws.queue_import("customers")
    ticket = world.open()
    text = world.ask(ticket, first=True)
    monkeypatch.setattr(exchange_module, "CALL_WAIT", 0.05)
    landing, over = threading.Event(), threading.Event()
    receive = extract.receive

    def slowly(*given: Any, **named: Any) -> Any:
        landing.set()
        assert over.wait(30)
        return receive(*given, **named)

    monkeypatch.setattr(extract, "receive", slowly)
    with ThreadPoolExecutor(1) as pool:
        percent = pool.submit(world.carry, ticket, text)
        try:
            assert landing.wait(30)
            world.clock.wait(75)
            assert world.authenticate() == ("", "busy")
            world.exchange.receiving(ticket)  # no more does another upload
        finally:
            over.set()
        assert percent.result(30) in range(100)
    monkeypatch.undo()
    assert world.work(ticket, first=False) == "OK"


def test_a_ticket_that_is_none_waits_for_no_landing(world: World) -> None:
    three(world)
    old = world.open()
    world.clock.wait(61)
    ticket = world.open()
    locked, over = threading.Event(), threading.Event()

    def land() -> None:
        with world.exchange._calls:
            locked.set()
            assert over.wait(30)

    def strangers() -> list[Any]:
        said: list[Any] = []
        for other in ("", "made up", old):
            said += [
                world.ask(other),
                world.exchange.connection_error(other, "", ""),
                world.exchange.close(other),
            ]
        return [*said, world.answer("made up", "<QBXML/>"), world.exchange.last_error("made up")]

    with ThreadPoolExecutor(3) as pool:
        landing = pool.submit(land)
        assert locked.wait(30)
        waiting = pool.submit(world.ask, ticket, first=True)
        try:
            said = pool.submit(strangers).result(10)
            assert not waiting.done()
        finally:
            over.set()
        assert waiting.result(30)
        landing.result(30)
    assert said == ["", "done", "OK"] * 2 + ["", "done", TAKEN_OVER, FAILED, ENDED]


def test_a_session_that_ends_while_a_call_waits_takes_it_no_more(world: World) -> None:
    three(world)
    ticket = world.open()
    with ThreadPoolExecutor(1) as pool:
        looked = threading.Event()
        session = world.ws.ledger.session

        def look(ticket: str) -> Any:
            found = session(ticket)
            looked.set()
            return found

        with world.exchange._calls, pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.ws.ledger, "session", look)
            asked = pool.submit(world.ask, ticket, first=True)
            assert looked.wait(30)
            world.ws.ledger.close_session(ticket, "OK")
        assert asked.result(30) == ""
    assert set(world.statuses().values()) == {"pending"}


# --- whose ticket it is, and for how long


def changed_user(world: World) -> None:
    made = workspace_config.load(world.ws.path)
    workspace_config.save(world.ws.path, replace(made, user="another"))


@pytest.mark.parametrize("how", ["expired", "another user"])
def test_a_ticket_that_is_worth_nothing_any_more(world: World, how: str) -> None:
    """It has ended: nothing is sent in it, and what it had been given is recorded all the same."""
    three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    answer = world.company.process(text)
    if how == "expired":
        world.clock.wait(TICKET_HOURS * 3600)
    else:
        changed_user(world)
    assert "has ended" in world.exchange.last_error(ticket)
    world.exchange.receiving(ticket)
    assert world.ask(ticket) == ""
    session = world.ws.ledger.session(ticket)
    assert session is not None
    assert session.outcome is not None
    assert ("expired" if how == "expired" else "user was changed") in session.outcome
    assert world.answer(ticket, answer) == FAILED
    assert set(world.statuses().values()) == {"applied"}
    assert "has ended" in world.exchange.last_error(ticket)
    assert world.exchange.connection_error(ticket, "0x80040408", "no") == "done"
    assert world.exchange.close(ticket) == session.outcome


@pytest.mark.parametrize("how", ["expired", "another user"])
def test_a_late_answer_ends_such_a_session_itself(world: World, how: str) -> None:
    three(world)
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    if how == "expired":
        world.clock.wait(TICKET_HOURS * 3600)
    else:
        changed_user(world)
    assert world.answer(ticket, answer) == FAILED
    assert set(world.statuses().values()) == {"applied"}
    assert world.ws.ledger.session(ticket).closed_at is not None


def test_how_sessions_end_by_themselves_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "toolkit.events")
    three(world)
    first = world.open()
    world.clock.wait(100)
    second = world.open()
    world.clock.wait(TICKET_HOURS * 3600)
    assert world.ask(second) == ""
    third = world.open()
    changed_user(world)
    assert world.answer(third, "<QBXML/>") == FAILED
    told = [(record.event, record.fields) for record in caplog.records if hasattr(record, "event")]
    assert [name for name, _ in told] == ["session_taken_over", "session_voided", "session_voided"]
    assert [fields["session"] for _, fields in told] == [number_of(one) for one in (first, second, third)]
    assert 100 <= told[0][1]["seconds"] < 101
    assert [fields["reason"][:7] for _, fields in told[1:]] == ["expired", "the Web"]


@pytest.mark.parametrize(
    ("error", "level"), [(ProtocolError("of Acme"), "WARNING"), (LedgerError("of Acme"), "ERROR")]
)
def test_a_call_that_fails_is_told_without_its_text(
    world: World,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    level: str,
) -> None:
    three(world)
    ticket = world.open()

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(world.ws.ledger, "learned", fail)
    assert world.ask(ticket, first=True) == ""
    assert world.exchange.last_error(ticket) == "of Acme"
    (record,) = [record for record in caplog.records if hasattr(record, "event")]
    assert (record.levelname, record.event) == (level, "call_failed")
    assert record.fields == {"session": number_of(ticket), "error": type(error).__name__}
    assert ticket not in caplog.text
    assert "Acme" not in caplog.text


def test_a_ticket_holds_until_it_expires(world: World) -> None:
    three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    world.clock.wait(TICKET_HOURS * 3600 - 1)
    assert world.carry(ticket, text) == 100


def test_the_session_of_a_former_user_keeps_nobody_out(world: World) -> None:
    three(world)
    old = world.open()
    changed_user(world)
    assert world.exchange.authenticate("blubilling", PASSWORD) == ("", "nvu")
    assert world.run() == "OK"
    assert world.ask(old) == ""


def test_an_unknown_ticket_is_never_an_exception(world: World) -> None:
    assert world.ask("nobody", first=True) == ""
    assert world.answer("nobody", "<QBXML/>") == FAILED
    assert world.answer("nobody", "", PARSE_ERROR) == FAILED
    assert world.exchange.connection_error("nobody", "0x80040408", "no") == "done"
    assert "has ended" in world.exchange.last_error("nobody")
    assert world.exchange.close("nobody") == "OK"


def test_a_connection_error_is_tried_once_more(world: World) -> None:
    three(world)
    ticket, _ = world.authenticate()
    assert world.exchange.connection_error(ticket, "0x80040408", "Could not start QuickBooks.") == ""
    assert world.exchange.connection_error(ticket, "0x80040408", "Could not start QuickBooks.") == "done"
    assert "could not be started" in world.exchange.last_error(ticket)
    assert "could not be started" in world.exchange.close(ticket)  # what the status column shows in the end
    assert world.run() == "OK"  # the session was closed: nobody waits for its timeout


@pytest.mark.parametrize(
    ("first", "words"),
    [(("0x80040408", "no"), "could not be started"), (("", ""), "could not reach QuickBooks")],
)
def test_a_connection_error_without_a_word_keeps_the_reason(
    world: World, first: tuple[str, str], words: str
) -> None:
    three(world)
    ticket, _ = world.authenticate()
    assert world.exchange.connection_error(ticket, *first) == ""
    assert world.exchange.connection_error(ticket, " ", "") == "done"
    assert words in world.exchange.last_error(ticket)
    assert words in world.exchange.close(ticket)


def test_a_message_without_an_answer_and_a_code_is_told(world: World) -> None:
    three(world)
    ticket = world.open()
    world.company.process(world.ask(ticket, first=True))
    assert world.answer(ticket, "", "", "QuickBooks went away.") == FAILED
    assert world.exchange.last_error(ticket) == "QuickBooks went away."
    assert world.exchange.close(ticket) == "QuickBooks went away."
    assert world.run() == "OK"
    assert world.holds() == KEYS


def test_a_code_of_success_beside_an_answer_is_no_failure(world: World) -> None:
    three(world)
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    assert world.answer(ticket, "", "0x00000000") == FAILED
    assert "gave no answer" in world.exchange.last_error(ticket)
    ticket = world.exchange.close(ticket) and world.open()
    assert world.ask(ticket, first=True)
    assert world.answer(ticket, answer, "0x00000000") == 100
    assert world.exchange.close(ticket) == "OK"
    assert set(world.statuses().values()) == {"applied"}


def test_a_connection_error_is_forgotten_once_the_second_try_goes_well(world: World) -> None:
    three(world)
    ticket, _ = world.authenticate()
    assert world.exchange.connection_error(ticket, "0x80040408", "Could not start QuickBooks.") == ""
    assert "could not be started" in world.exchange.last_error(ticket)
    world.company.begin_session()
    assert world.work(ticket) == "OK"
    assert not world.ws.ledger.session(ticket).error


def test_when_nothing_is_left_it_says_so(world: World) -> None:
    number = three(world)
    ticket = world.open()
    world.ws.ledger.cancel(number, "tester")
    assert world.ask(ticket, first=True) == ""
    assert world.exchange.last_error(ticket) == NOTHING


def test_a_ledger_that_is_busy_is_busy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three(world)

    def fail(*_: Any) -> None:
        raise LedgerError("ledger.sqlite is busy")

    with monkeypatch.context() as patch:
        patch.setattr(world.ws.ledger, "next_job", fail)
        assert world.authenticate() == ("", "busy")
    assert world.run() == "OK"


# --- the company guard


def sent_nothing(world: World, ticket: str, words: str) -> None:
    assert words in world.exchange.last_error(ticket)
    assert world.requests == []
    assert set(world.statuses().values()) == {"pending"}
    assert words in world.exchange.close(ticket)


def test_another_company_file_gets_nothing(world: World) -> None:
    three(world)
    world.company.stamp(world.ws.owner_id, "{99999999-0000-4000-8000-000000000000}")
    ticket = world.open()
    assert world.ask(ticket, first=True) == ""
    sent_nothing(world, ticket, "bound to another workspace")
    assert world.ws.ledger.learned() == {}


def test_without_strhcpresponse_nothing_is_sent(world: World) -> None:
    three(world)
    ticket = world.open()
    assert world.ask(ticket, first=False) == ""
    sent_nothing(world, ticket, "did not tell which company")


def test_an_import_is_guarded_as_well(world: World) -> None:
    world.ws.queue_import("customers")
    world.company.stamp(world.ws.owner_id, "{99999999-0000-4000-8000-000000000000}")
    assert "bound to another workspace" in world.run()
    assert world.requests == []


def test_a_lost_set_is_not_sent_again_to_another_company(world: World) -> None:
    three(world)
    world.ask(world.open(), first=True)
    world.clock.wait(61)
    world.company.file_path = r"C:\Backup\company.qbw"
    assert "Another company file is open" in world.run()
    assert world.holds() == []
    assert len(world.requests) == 1


def test_a_company_file_that_changes_in_mid_session_ends_it(world: World) -> None:
    world.export(*(invoice(f"A{n}", "1.00") for n in range(4)))
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.company.file_path = r"C:\Other\company.qbw"
    assert world.ask(ticket) == ""
    assert "Another company file was opened meanwhile" in world.exchange.last_error(ticket)
    assert list(world.statuses().values()).count("pending") == 1


@pytest.mark.parametrize(("country", "major", "words"), [("CA", 13, "CA edition"), ("US", 7, "8.0")])
def test_another_edition_or_an_old_version_gets_nothing(
    world: World, country: str, major: int, words: str
) -> None:
    three(world)
    ticket = world.open()
    text = world.exchange.next_request(ticket, world.hcp(), world.company.file_path, country, major, 0)
    assert text == ""
    sent_nothing(world, ticket, words)
    assert world.ws.ledger.learned() == {}


@pytest.mark.parametrize(("listed", "spoken"), [("11.0", "11.0"), ("7.0", None)])
def test_the_version_is_none_that_the_host_does_not_list(
    world: World, listed: str, spoken: str | None
) -> None:
    """Whatever the call says: a version that QuickBooks does not know, it cannot parse."""
    three(world)
    ticket = world.open()
    above = [f"{number}.0" for number in range(int(listed[:-2]) + 1, 17)]
    hcp = re.sub(f"<SupportedQBXMLVersion>({'|'.join(above)})<.*?>", "", world.hcp())
    text = world.exchange.next_request(ticket, hcp, world.company.file_path, "US", 13, 0)
    if spoken is None:
        assert text == ""
        sent_nothing(world, ticket, "speaks qbXML 7.0; 8.0")
    else:
        assert f'<?qbxml version="{spoken}"?>' in text
        assert world.ws.ledger.agreed_version() == spoken


def test_an_older_quickbooks_is_spoken_to_in_its_version(world: World) -> None:
    three(world)
    ticket = world.open()
    check = world.exchange.next_request(ticket, world.hcp(), world.company.file_path, "US", 8, 0)
    assert '<?qbxml version="8.0"?>' in check
    assert world.carry(ticket, check) == 0
    text = world.exchange.next_request(ticket, "", world.company.file_path, "US", 8, 0)
    assert '<?qbxml version="8.0"?>' in text
    assert "ExternalGUID" not in text
    assert world.carry(ticket, text) == 100
    assert world.holds() == KEYS


# --- lost, doubled and late answers


def test_a_request_that_never_reached_quickbooks_is_sent_again_identical(world: World) -> None:
    three(world)
    world.ask(world.open(), first=True)
    world.clock.wait(61)
    assert world.run() == "OK"
    assert world.requests[0] == world.requests[1]
    assert world.holds() == KEYS


def test_an_answer_that_was_lost_is_fetched_under_the_same_id(world: World) -> None:
    three(world)
    world.company.process(world.ask(world.open(), first=True))
    world.clock.wait(61)
    assert world.run() == "OK"
    assert world.requests[0] == world.requests[1]
    assert world.holds() == KEYS
    assert set(world.statuses().values()) == {"applied"}


def test_a_second_request_in_one_session_means_a_lost_answer(world: World) -> None:
    three(world)
    ticket = world.open()
    assert world.ask(ticket, first=True) == world.ask(ticket)
    assert world.carry(ticket, world.requests[0]) == 100
    assert world.holds() == KEYS


@pytest.mark.parametrize("ran", [False, True])
def test_quickbooks_that_dies_leaves_the_set_to_be_recovered(world: World, ran: bool) -> None:
    number = three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    if ran:
        world.company.process(text)
    assert world.answer(ticket, "", QUICKBOOKS_DIED, "The server threw an exception.") == FAILED
    assert "failed in mid-request" in world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"sent"}
    assert world.run() == "OK"
    assert world.requests == [text, text]
    assert world.holds() == KEYS
    assert job(world, number)[0] == "complete"


def test_an_answer_delivered_twice_changes_nothing(world: World) -> None:
    world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 5)))
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    first = world.answer(ticket, answer)
    before = to_rows(world.ws.read("ledger.operations"))
    assert world.answer(ticket, answer) == first
    assert to_rows(world.ws.read("ledger.operations")) == before
    # Again, while the next set waits for its own answer: it must not be taken for it.
    text = world.ask(ticket)
    assert world.answer(ticket, answer) in range(100)
    assert world.statuses()["invoice:A4"] == "sent"
    assert world.carry(ticket, text) == 100
    assert str(world.ws.ledger.operation("invoice:A4").txn_id) not in answer
    assert world.answer(ticket, answer) == 100
    assert world.holds() == [*KEYS, "invoice:A4"]


def test_answers_to_other_sets_without_end_stop_the_session(world: World) -> None:
    three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)
    other = world.company.process(text).replace(set_ids([text])[0], "Z" * 20)
    for _ in range(20):
        if world.answer(ticket, other) == FAILED:
            break
        assert world.ask(ticket) == text
    else:
        pytest.fail("the same set was handed out without end")
    assert "another message set" in world.exchange.close(ticket)
    assert world.run() == "OK"
    assert world.holds() == KEYS


@pytest.mark.parametrize("moment", ["before", "asked", "after"])
def test_a_late_answer_of_a_session_taken_over_is_recorded(world: World, moment: str) -> None:
    three(world)
    old = world.open()
    answer = world.company.process(world.ask(old, first=True))
    world.clock.wait(61)
    new, _ = world.authenticate()
    world.company.begin_session()
    text = world.ask(new, first=True) if moment != "before" else ""
    if moment == "after":
        assert world.carry(new, text) == 100
    assert world.answer(old, answer) == FAILED
    assert set(world.statuses().values()) == {"applied"}
    if moment == "asked":
        assert world.carry(new, text) == 100
    elif moment == "before":
        assert world.ask(new, first=True) == ""
    assert "has ended" in world.exchange.last_error(old)
    assert world.holds() == KEYS
    assert world.authenticate()[1] in ("busy", "none")


def test_a_late_answer_of_a_query_is_asked_for_again(world: World) -> None:
    world.ws.queue_import("customers")
    old = world.open()
    answer = world.company.process(world.ask(old, first=True))
    world.clock.wait(61)
    new = world.open()
    text = world.ask(new, first=True)
    assert world.answer(old, answer) == FAILED
    world.carry(new, text)
    assert world.work(new, first=False) == "OK"
    assert len(world.ws.read("quickbooks.customers")) == 3


def test_half_an_answer_is_fetched_again(world: World) -> None:
    three(world)
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    assert world.answer(ticket, answer[: len(answer) // 2]) == FAILED
    assert "QuickBooks still has its answer" in world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"sent"}
    assert world.run() == "OK"
    assert world.holds() == KEYS


def test_an_answer_that_stays_unreadable_is_unknown_and_never_sent_blindly(world: World) -> None:
    number = three(world)
    for _ in range(set_answers.MOST_READS):
        ticket = world.open()
        world.company.process(world.ask(ticket, first=True))
        world.answer(ticket, "<html>502 Bad Gateway</html>")
        world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"unknown"}
    world.finish()  # the lookup finds what was applied
    assert set(world.statuses().values()) == {"applied"}
    assert job(world, number)[0] == "complete"
    assert world.authenticate() == ("", "none")
    assert len({text for text in world.requests if "InvoiceAddRq" in text}) == 1
    assert world.holds() == KEYS


@pytest.mark.parametrize("status", [600, 9001, 9002, 9005])
def test_what_quickbooks_cannot_vouch_for_is_unknown(world: World, status: int) -> None:
    world.export(invoice("A1", "10.00"), payment("P1", "10.00", ACME, "A1"))
    ticket = world.open()
    found = set_ids([world.ask(ticket, first=True)])[0]
    body = f'newMessageSetID="{found}" messageSetStatusCode="{status}"'
    assert 0 <= world.answer(ticket, f"<QBXML><QBXMLMsgsRs {body}/></QBXML>") < 100
    assert world.statuses() == {"invoice:A1": "unknown", "payment:P1": "pending"}
    world.ws.ledger.leave_to_person("invoice:A1", "two may be it")
    assert world.ask(ticket) == ""
    world.exchange.close(ticket)
    assert world.statuses() == {"invoice:A1": "unknown", "payment:P1": "skipped"}
    assert "whose outcome is unknown" in world.message("payment:P1")
    assert world.authenticate() == ("", "none")


# --- refusals


def refusing(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Let QuickBooks fail to parse every document with one of these words in it."""
    process = world.company.process

    def strict(text: str) -> str:
        if any(word in text for word in words):
            raise RequestRefused(PARSE_ERROR, "QuickBooks found an error when parsing.")
        return process(text)

    monkeypatch.setattr(world.company, "process", strict)


def test_a_refused_set_is_split_once_and_the_bad_one_is_rejected(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = world.export(*(invoice(f"A{n}", f"{n}0.00") for n in (1, 2, 3, 4)))
    refusing(world, monkeypatch, "[bb:invoice:A2]")
    said = world.run()
    assert world.statuses() == {f"invoice:A{n}": "rejected" if n == 2 else "applied" for n in (1, 2, 3, 4)}
    assert world.holds() == ["invoice:A1", "invoice:A3", "invoice:A4"]
    assert "defect of the toolkit" in world.message("invoice:A2")
    sizes = [text.count("<InvoiceAddRq") for text in world.requests]
    assert sizes == [3, 1, 1, 1, 1]
    assert len(set(set_ids(world.requests))) == 5
    assert job(world, number)[0] == "complete"
    assert "could not parse" in said


def test_a_set_of_one_that_is_refused_shows_its_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.export(invoice("A1", "10.00"), payment("P1", "10.00", ACME, "A1"))
    refusing(world, monkeypatch, "<InvoiceAddRq")
    assert "could not parse" in world.run()
    assert world.percent == [0, FAILED]
    assert world.statuses() == {"invoice:A1": "rejected", "payment:P1": "skipped"}
    assert world.authenticate() == ("", "none")


def test_a_version_that_quickbooks_does_not_know_is_no_rejection(world: World) -> None:
    three(world)
    ticket = world.open()
    world.ask(ticket, first=True)
    assert world.answer(ticket, "", "0x80040423", "version") == FAILED
    world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"pending"}
    assert world.run() == "OK"
    assert world.holds() == KEYS


def test_an_unknown_version_on_the_second_try_says_nothing_about_the_first(world: World) -> None:
    three(world)
    world.company.process(world.ask(world.open(), first=True))
    world.clock.wait(61)
    ticket = world.open()
    world.ask(ticket, first=True)
    assert world.answer(ticket, "", "0x80040423", "version") == FAILED
    world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"sent"}
    assert world.run() == "OK"
    assert world.holds() == KEYS


def test_a_refusal_of_what_may_have_run_before_is_unknown(world: World) -> None:
    three(world)
    world.company.process(world.ask(world.open(), first=True))
    world.clock.wait(61)
    ticket = world.open()
    world.ask(ticket, first=True)
    assert world.answer(ticket, "", PARSE_ERROR, "parsing") == FAILED
    assert set(world.statuses().values()) == {"unknown"}
    assert "refused when it was sent again" in world.message("invoice:A1")
    world.exchange.close(ticket)
    world.finish()
    assert set(world.statuses().values()) == {"applied"}
    assert len({text for text in world.requests if "InvoiceAddRq" in text}) == 1
    assert world.holds() == KEYS
    assert world.authenticate() == ("", "none")


def test_one_bad_row_does_not_stop_the_rest(world: World) -> None:
    number = world.export(
        customer("N1", "Power & Light Co"),  # a vendor has the name
        invoice("A1", "10.00", of="customer:N1"),
        invoice("A2", "20.00"),
        payment("P1", "10.00", "customer:N1", "A1"),
        payment("P2", "20.00", ACME, "A2"),
    )
    assert world.run() == "OK"
    assert world.statuses() == {
        "customer:N1": "rejected",
        "invoice:A1": "skipped",
        "invoice:A2": "applied",
        "payment:P1": "skipped",
        "payment:P2": "applied",
    }
    assert "already in use" in world.message("customer:N1")
    assert job(world, number)[0] == "complete"


def test_what_quickbooks_did_not_process_is_sent_again_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.export(invoice("A1", "10.00"), invoice("A2", "20.00"))
    saying(world, monkeypatch, "InvoiceAddRq", 'statusCode="3231" statusMessage="not processed"')
    assert world.run() == "OK"
    assert set(world.statuses().values()) == {"rejected"}
    assert "did not process it, 3 times" in world.message("invoice:A1")
    assert len(set(set_ids(world.requests))) == 3
    assert world.holds() == []


def test_what_cannot_be_written_is_skipped_and_the_rest_goes(world: World) -> None:
    number = world.export(
        invoice("A1", "10.00"), invoice("A2", "no amount"), payment("P2", "5.00", ACME, "A2")
    )
    assert world.run() == "OK"
    assert world.statuses() == {"invoice:A1": "applied", "invoice:A2": "skipped", "payment:P2": "skipped"}
    assert "cannot be written as qbXML" in world.message("invoice:A2")
    assert job(world, number)[0] == "complete"


# --- differences


def test_a_difference_shows_and_holds_the_payment_behind_it(world: World) -> None:
    first = world.export(
        invoice("A1", "10.00", due_date="2026-03-31"),
        invoice("A2", "20.00"),
        payment("P1", "10.00", ACME, "A1"),
        payment("P2", "20.00", ACME, "A2"),
    )
    assert world.run() == "OK"
    assert world.message("invoice:A1") == (
        "differs from what was meant: due_date is 2026-02-01, meant 2026-03-31"
    )
    assert world.statuses() == {
        "invoice:A1": "applied",
        "invoice:A2": "applied",
        "payment:P1": "skipped",
        "payment:P2": "applied",
    }
    assert "waits for a person to look at invoice:A1" in world.message("payment:P1")
    assert job(world, first)[0] == "complete"
    # Whoever queues it again has seen it.
    world.export(payment("P1", "10.00", ACME, "A1"))
    world.run()
    assert world.statuses()["payment:P1"] == "applied"


def test_a_payment_that_was_queued_before_the_difference_came_waits_too(world: World) -> None:
    world.export(invoice("A1", "10.00", due_date="2026-03-31"))
    world.export(payment("P1", "10.00", ACME, "A1"))
    world.run()
    assert world.statuses()["payment:P1"] == "skipped"
    assert world.holds("payments") == []


# --- imports


def imported(world: World, number: int) -> int:
    assert job(world, number)[0] == "complete"
    return len(world.ws.read("quickbooks.customers"))


def test_an_answer_that_is_no_qbxml_fails_its_job_and_lands_nothing(world: World) -> None:
    (number,) = world.ws.queue_import("customers")
    ticket = world.open()
    world.ask(ticket, first=True)
    assert world.answer(ticket, "<html><body>Sign in</body></html>") == FAILED
    status, message = job(world, number)
    assert status == "failed"
    assert "it is an HTML page" in message
    assert "inbox/" in message
    assert message in world.exchange.close(ticket)
    assert len(world.ws.read("quickbooks.customers")) == 0
    assert world.authenticate() == ("", "none")


def test_a_query_that_fails_ends_its_job_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, customers = world.ws.queue_import("items") + world.ws.queue_import("customers")
    said = 'statusCode="3260" statusSeverity="Error" statusMessage="Insufficient permission level."'
    saying(world, monkeypatch, "ItemQueryRq", said)
    assert "Insufficient permission" in world.run()
    assert job(world, items)[0] == "failed"
    assert imported(world, customers) == 3
    assert world.percent[-1] == 100


@pytest.mark.parametrize("name", ["CurrencyQuery", "ClassQuery"])
def test_what_is_switched_off_keeps_no_list_from_landing(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (number,) = world.ws.queue_import("lists")
    off = 'statusCode="3250" statusSeverity="Error" statusMessage="This feature is not enabled."'
    saying(world, monkeypatch, f"<{name}Rq", off)
    assert world.run() == "OK"
    assert job(world, number)[0] == "complete"
    assert len(world.ws.read("quickbooks.accounts")) > 0
    assert len(world.ws.read("quickbooks.terms")) > 0


def test_a_list_that_must_be_there_is_not_switched_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (number,) = world.ws.queue_import("lists")
    off = 'statusCode="3250" statusSeverity="Error" statusMessage="This feature is not enabled."'
    saying(world, monkeypatch, "<AccountQueryRq", off)
    world.run()
    assert job(world, number)[0] == "failed"


def test_a_query_that_quickbooks_refuses_ends_its_job_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, customers = world.ws.queue_import("items") + world.ws.queue_import("customers")
    refusing(world, monkeypatch, "ItemQueryRq")
    assert "could not parse" in world.run()
    assert job(world, items)[0] == "failed"
    assert imported(world, customers) == 3


def test_a_refused_query_that_was_the_last_work_shows_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ws.queue_import("items")
    refusing(world, monkeypatch, "ItemQueryRq")
    assert "could not parse" in world.run()
    assert world.percent == [FAILED]


def test_quickbooks_that_dies_in_a_query_lets_it_start_anew(world: World) -> None:
    (number,) = world.ws.queue_import("customers")
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.ask(ticket)
    assert world.answer(ticket, "", QUICKBOOKS_DIED, "died") == FAILED
    world.exchange.close(ticket)
    assert world.run() == "OK"
    assert 'iterator="Start"' in world.requests[2]
    assert imported(world, number) == 3


def test_an_import_that_broke_off_starts_its_iterator_again(world: World) -> None:
    (number,) = world.ws.queue_import("customers")
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.clock.wait(61)
    assert world.run() == "OK"
    assert imported(world, number) == 3
    assert sum('iterator="Start"' in text for text in world.requests) == 2


def test_an_iterator_that_quickbooks_forgot_is_started_again(world: World) -> None:
    (number,) = world.ws.queue_import("customers")
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.company.begin_session()  # its iterators are gone, ours is not
    assert world.work(ticket, first=False) == "OK"
    assert imported(world, number) == 3
    records = world.ws.ledger.queries(number)[0]
    assert (records.pages, records.records) == (3, 3)


def test_an_iterator_that_is_always_forgotten_fails_its_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = world.ws.queue_import("customers")
    process = world.company.process

    def forgetful(text: str) -> str:
        world.company.begin_session()
        return process(text)

    monkeypatch.setattr(world.company, "process", forgetful)
    assert "not known in this session" in world.run()
    assert job(world, number)[0] == "failed"
    assert len(world.requests) == 2 * (1 + exchange_module.MOST_RESTARTS)


def test_a_page_delivered_twice_counts_once(world: World) -> None:
    (number,) = world.ws.queue_import("customers")
    ticket = world.open()
    first = world.company.process(world.ask(ticket, first=True))
    world.answer(ticket, first)
    world.answer(ticket, first)
    text = world.ask(ticket)
    assert world.answer(ticket, first) in range(100)
    world.carry(ticket, text)
    assert world.work(ticket, first=False) == "OK"
    assert imported(world, number) == 3
    assert world.ws.ledger.queries(number)[0].records == 3


def test_a_damaged_table_fails_the_import_and_the_others_go_on(world: World) -> None:
    items, customers = world.ws.queue_import("items") + world.ws.queue_import("customers")
    (world.ws.path / "quickbooks" / "items.parquet").write_bytes(b"cut off")
    world.run()
    status, message = job(world, items)
    assert status == "failed"
    assert "quickbooks.items is damaged" in message
    assert imported(world, customers) == 3


def test_a_damaged_table_keeps_no_outcome_from_the_ledger(world: World) -> None:
    number = three(world)
    (world.ws.path / "quickbooks" / "invoices.parquet").write_bytes(b"cut off")
    assert world.run() == "OK"
    assert set(world.statuses().values()) == {"applied"}
    status, message = job(world, number)
    assert status == "complete"
    assert "not in the tables" in message


# --- crashes of our own


class Crash(BaseException):
    """The process dies here: nothing catches it."""


def crashing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """Let one call die, before or after it did its work."""
    original: Callable[..., Any] = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        if after:
            original(*arguments, **named)
        raise Crash

    monkeypatch.setattr(owner, name, call)


def revive(world: World) -> None:
    """Start our process again."""
    world.ws.close()
    world.exchange = Exchange(world.ws)
    world.clock.wait(61)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["open_set", "record_answer", "set_job"])
def test_a_crash_of_ours_at_any_commit_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str, after: bool
) -> None:
    number = three(world)
    crashing(monkeypatch, world.ws.ledger, call, after=after)
    with pytest.raises(Crash):
        world.run()
    revive(world)
    world.finish()
    assert set(world.statuses().values()) == {"applied"}
    assert world.holds() == KEYS
    assert job(world, number)[0] == "complete"
    assert len(world.ws.read("quickbooks.invoices")) == 3


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["open_set", "add_page", "update_query", "record_answer", "set_job"])
def test_a_crash_of_ours_in_an_import_lands_each_record_once(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str, after: bool
) -> None:
    (number,) = world.ws.queue_import("customers")
    crashing(monkeypatch, world.ws.ledger, call, after=after)
    with pytest.raises(Crash):
        world.run()
    revive(world)
    world.finish()
    assert imported(world, number) == 3
    assert world.ws.ledger.queries(number)[0].records == 3


def rot(world: World, how: str) -> str:
    """Spoil the newest file of the inbox; return its name."""
    path = max((world.ws.path / "inbox").iterdir())
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(b"garbage" if how == "garbage" else path.read_bytes()[:40])
    return path.name


@pytest.mark.parametrize("how", ["absent", "garbage", "cut"])
def test_an_answer_that_rotted_fails_its_import_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    items, customers = world.ws.queue_import("items") + world.ws.queue_import("customers")
    with monkeypatch.context() as patch:
        crashing(patch, extract, "_land_job", after=False)
        with pytest.raises(Crash):
            world.run()
    name = rot(world, how)
    revive(world)
    world.finish()
    status, message = job(world, items)
    assert status == "failed"
    assert name in message
    assert imported(world, customers) == 3


@pytest.mark.parametrize("how", ["absent", "garbage"])
def test_an_answer_that_rotted_ends_its_export_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    number = world.export(customer("9", "New Co"))
    with monkeypatch.context() as patch:
        crashing(patch, set_answers, "land_export", after=False)
        with pytest.raises(Crash):
            world.run()
    name = rot(world, how)
    revive(world)
    (customers,) = world.ws.queue_import("customers")
    world.finish()
    status, message = job(world, number)
    assert status == "complete"
    assert name in message
    assert imported(world, customers) == 4


def test_a_full_disk_leaves_the_set_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three(world)
    ticket = world.open()
    text = world.ask(ticket, first=True)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(world.ws, "save_answer", full)
        assert world.carry(ticket, text) == FAILED
        assert "No space left" in world.exchange.last_error(ticket)
    world.exchange.close(ticket)
    assert set(world.statuses().values()) == {"sent"}
    assert world.run() == "OK"
    assert world.holds() == KEYS


def test_an_export_that_is_cancelled_in_mid_session_shows_what_it_did(world: World) -> None:
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 6)))
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.ws.ledger.cancel(number, "tester")
    assert world.ask(ticket) == ""
    world.exchange.close(ticket)
    assert len(world.ws.read("quickbooks.invoices")) == 3
    assert world.holds() == KEYS


def late_lookup(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[int, str, str]:
    """Let a lookup tell of a job that was cancelled; return the job, the ticket and what ``close`` says.

    Landing fails with that error meanwhile.
    """
    number = world.export(invoice("A1", "10.00"))
    ticket = world.open()
    world.company.process(world.ask(ticket, first=True))
    for _ in range(set_answers.MOST_READS):
        world.answer(ticket, "garbage")
    world.exchange.close(ticket)
    assert world.statuses() == {"invoice:A1": "unknown"}
    world.ws.ledger.set_job(number, "cancelled")
    ticket = world.open()
    text = world.ask(ticket, first=True)

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(set_answers, "land_export", fail)
        assert world.carry(ticket, text) == FAILED
        said = world.exchange.close(ticket)
    assert world.statuses() == {"invoice:A1": "applied"}
    assert not world.ws.has("quickbooks.invoices")
    return number, ticket, said


def owed(world: World, ticket: str) -> list[int]:
    session = world.ws.ledger.session(ticket)
    assert session is not None
    return list(session.facts.get(OWED, []))


LOCKED = WorkspaceLocked("here", "process 7")


@pytest.mark.parametrize("error", [LOCKED, OSError(28, "No space left on device")])
def test_what_could_not_land_lands_with_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    number, ticket, said = late_lookup(world, monkeypatch, error)
    assert said == str(error)
    assert owed(world, ticket) == [number]
    assert world.authenticate() == ("", "none")
    assert len(world.ws.read("quickbooks.invoices")) == 1
    assert owed(world, ticket) == []


def test_a_session_with_other_work_leaves_nothing_owed_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ticket, _ = late_lookup(world, monkeypatch, LOCKED)
    world.export(invoice("A2", "20.00"))
    assert world.run() == "OK"
    assert len(world.ws.read("quickbooks.invoices")) == 2
    assert owed(world, ticket) == []


def test_while_it_cannot_land_the_next_poll_is_told_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, ticket, _ = late_lookup(world, monkeypatch, LOCKED)
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> None:
            raise LOCKED

        patch.setattr(set_answers, "land_export", fail)
        assert world.authenticate() == ("", "busy")
    assert owed(world, ticket) == [number]


def test_what_never_lands_is_told_of_its_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number, _, _ = late_lookup(world, monkeypatch, LOCKED)

    def damaged(*_: Any) -> None:
        raise ToolkitError("damaged")

    with monkeypatch.context() as patch:
        patch.setattr(set_answers, "land_units", damaged)
        assert world.authenticate() == ("", "none")
    assert job(world, number) == ("cancelled", "its answers are not in the tables: damaged")


@pytest.mark.parametrize("told", [True, False])
def test_a_close_that_failed_is_not_ok(world: World, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    three(world)
    ticket = world.open()
    world.ask(ticket, first=True)

    def fail(*_: Any) -> None:
        raise LOCKED

    def full(*_: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(set_answers, "land_export", fail)
        if not told:
            patch.setattr(world.ws.ledger, "set_session_error", full)
        assert world.exchange.close(ticket) == str(LOCKED)
    with monkeypatch.context() as patch:
        patch.setattr(world.ws.ledger, "session", full)
        assert world.exchange.close(ticket) == "the disk is full"


@pytest.mark.parametrize("how", ["close", "silence"])
def test_what_a_cancelled_export_did_lands_once_the_tables_are_free(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 6)))
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.ws.ledger.cancel(number, "tester")

    def fail(*_: Any) -> None:
        raise LOCKED

    if how == "close":
        with monkeypatch.context() as patch:
            patch.setattr(set_answers, "land_export", fail)
            assert world.exchange.close(ticket) == str(LOCKED)
    assert not world.ws.has("quickbooks.invoices")
    world.clock.wait(61)
    assert world.authenticate() == ("", "none")
    assert len(world.ws.read("quickbooks.invoices")) == 3
    assert owed(world, ticket) == []


# --- an answer counts, and its job ends before a session closed over it


def resent(world: World, number: int) -> None:
    """The session that sent the set closed without its answer; another one takes it."""
    ticket = world.open()
    world.company.process(world.ask(ticket, first=True))
    world.exchange.close(ticket)
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    world.ws.ledger.cancel(number, "tester")
    world.exchange.close(ticket)


def late_answer(world: World, number: int) -> None:
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    world.exchange.close(ticket)
    assert world.answer(ticket, answer) == FAILED
    world.ws.ledger.cancel(number, "tester")


def late_answer_beside_another(world: World, number: int) -> None:
    """It comes while another session is open, which owes it from then on."""
    ticket = world.open()
    answer = world.company.process(world.ask(ticket, first=True))
    world.clock.wait(61)
    later = world.open()
    assert world.answer(ticket, answer) == FAILED
    world.ws.ledger.cancel(number, "tester")
    assert owed(world, later) == [number]


def connection_lost(world: World, number: int) -> None:
    ticket = answered(world)
    world.ws.ledger.cancel(number, "tester")
    lose(world, ticket)


def connection_lost_before(world: World, number: int) -> None:
    lose(world, answered(world))
    world.ws.ledger.cancel(number, "tester")


def expired(world: World, number: int) -> None:
    ticket = answered(world)
    world.ws.ledger.cancel(number, "tester")
    world.clock.wait((TICKET_HOURS + 1) * 3600)
    assert "expired" in world.exchange.close(ticket)


def taken_over(world: World, number: int) -> None:
    """The session that took over sent nothing of the job."""
    world.ws.queue_import("items")
    answered(world)
    world.clock.wait(61)
    ticket = world.open()
    world.ws.ledger.cancel(number, "tester")
    world.exchange.close(ticket)
    world.finish()


def taken_over_twice(world: World, number: int) -> None:
    answered(world)
    for _ in range(2):
        world.clock.wait(61)
        world.open()
    world.ws.ledger.cancel(number, "tester")


def answered(world: World) -> str:
    """Open a session and let it take one answer; return its ticket."""
    ticket = world.open()
    world.carry(ticket, world.ask(ticket, first=True))
    return ticket


def lose(world: World, ticket: str) -> None:
    assert world.exchange.connection_error(ticket, "0x80040402", "gone") == ""
    assert world.exchange.connection_error(ticket, "0x80040402", "gone") == "done"
    world.exchange.close(ticket)


@pytest.mark.parametrize(
    "happens",
    [
        resent,
        late_answer,
        late_answer_beside_another,
        connection_lost,
        connection_lost_before,
        expired,
        taken_over,
        taken_over_twice,
    ],
)
def test_an_answer_that_counts_comes_to_the_tables_however_its_job_ends(
    world: World, happens: Callable[[World, int], None]
) -> None:
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 6)))
    happens(world, number)
    world.clock.wait(61)
    assert world.authenticate() == ("", "none")
    assert sorted(world.statuses().values()) == ["applied"] * 3 + ["skipped"] * 2
    assert len(world.ws.read("quickbooks.invoices")) == 3
    last = world.ws.ledger.last_session()
    assert last is not None
    assert owed(world, last.ticket) == []
    assert doctor_tables.landed(world.ws)[0]


def test_while_nothing_landed_the_doctor_tells_of_jobs_that_ended(world: World) -> None:
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 6)))
    ticket = answered(world)
    lose(world, ticket)
    assert owed(world, ticket) == [number]
    assert doctor_tables.landed(world.ws)[0], "it goes on"
    world.ws.ledger.cancel(number, "tester")
    good, said = doctor_tables.landed(world.ws)
    assert not good
    assert f"answers to job {number} came before the end of it, and the tables may not have them" in said


def test_a_job_that_is_held_back_waits_for_its_end_to_land(world: World) -> None:
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 6)))
    ticket = answered(world)
    world.ws.ledger.set_job(number, "held")
    lose(world, ticket)
    assert world.authenticate() == ("", "none")
    assert owed(world, ticket) == [number]
    world.ws.ledger.cancel(number, "tester")
    assert world.authenticate() == ("", "none")
    assert len(world.ws.read("quickbooks.invoices")) == 3


def test_a_job_is_noted_once_in_a_session_and_landed_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each note waits for the disk, and a landing writes every table anew."""
    number = world.export(*(invoice(f"A{n}", "1.00") for n in range(1, 8)))
    landed, noted = [], []
    land, update = set_answers.land_export, world.ws.ledger.update_session
    monkeypatch.setattr(set_answers, "land_export", lambda *given: (landed.append(given[1]), land(*given))[1])

    def note(ticket: str, **facts: Any) -> None:
        if OWED in facts:
            noted.append(facts[OWED])
        update(ticket, **facts)

    monkeypatch.setattr(world.ws.ledger, "update_session", note)
    assert world.run() == "OK"
    assert len(world.requests) == 3
    assert job(world, number)[0] == "complete"
    assert noted == [[number], []]
    assert landed == [number]
