"""What is read of operations: what they say only once, how they stand each time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from toolkit import ledger_reading
from toolkit.errors import LedgerError
from toolkit.ledger import Ledger, Outcome
from toolkit.tables import from_rows


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def queue(ledger: Ledger, *numbers: int, amount: str = "1.00") -> int:
    rows = [
        {
            "position": number,
            "key": f"invoice:{number}",
            "request": "InvoiceAdd",
            "record_kind": "invoice",
            "depends_on": [],
            "fields": f'{{"RefNumber": "{number}", "Amount": "{amount}"}}',
            "expected": f'{{"total": "{amount}"}}',
        }
        for number in numbers
    ]
    job, _ = ledger.add_export(from_rows("plan.operations", rows), approved_by="ann")
    assert job is not None
    return job


def send(ledger: Ledger, key: str, number: int) -> int:
    ticket = ledger.open_session("wc")
    return ledger.open_set(ticket, "write", f"S{number:019}", b"<QBXML/>", [key])


def test_what_an_operation_says_is_read_once_and_how_it_stands_each_time(ledger: Ledger) -> None:
    queue(ledger, 1)
    pending = ledger.operation("invoice:1")
    assert ledger.sendable(9)[0] is pending, "nothing changed"
    number = send(ledger, "invoice:1", 1)
    sent = ledger.operation("invoice:1")
    assert (pending.status, pending.attempts, sent.status, sent.attempts) == ("pending", 0, "sent", 1)
    assert sent.fields is pending.fields
    assert ledger.operations_of_set(number) == [sent]
    ledger.record_answer(number, outcomes=[Outcome("invoice:1", "applied", 0, None, "5-1", "9")])
    applied = ledger.operation("invoice:1")
    assert (applied.status, applied.txn_id, applied.edit_sequence) == ("applied", "5-1", "9")
    ledger.close()
    again = ledger.operation("invoice:1")
    assert again == applied
    assert again.fields is not applied.fields, "a file that was let go of may be another one"


def test_the_newest_attempt_says_what_it_says_itself(ledger: Ledger) -> None:
    queue(ledger, 1)
    number = send(ledger, "invoice:1", 1)
    ledger.record_answer(number, outcomes=[Outcome("invoice:1", "rejected", 3140, "no such item")])
    assert ledger.operation("invoice:1").fields["Amount"] == "1.00"
    queue(ledger, 1, amount="2.00")
    assert ledger.operation("invoice:1").fields["Amount"] == "2.00"
    assert ledger.operation("invoice:1").expected == {"total": "2.00"}
    assert [one.fields["Amount"] for one in ledger.operations_of_set(number)] == ["1.00"]


def test_a_file_that_took_the_place_of_another_is_read_itself(ledger: Ledger, tmp_path: Path) -> None:
    queue(ledger, 1)
    assert ledger.operation("invoice:1").fields["Amount"] == "1.00"
    other = Ledger(tmp_path / "other.sqlite")
    queue(other, 2, amount="2.00")
    other.close()
    with closing(sqlite3.connect(ledger.path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "other.sqlite").replace(ledger.path)
    with ledger.looking():  # so that the next one to look opens the file anew
        assert ledger.operation("invoice:2").fields == {"RefNumber": "2", "Amount": "2.00"}


def test_what_is_only_said_of_an_operation_has_no_code_in_its_history(ledger: Ledger) -> None:
    queue(ledger, 1)
    number = send(ledger, "invoice:1", 1)
    ledger.record_answer(number, outcomes=[Outcome("invoice:1", "unknown", 3180, "it may be there")])
    ledger.leave_to_person("invoice:1", "two candidates")
    assert [step["status_code"] for step in ledger.history("invoice:1")] == [None, None, 3180, None]
    assert ledger.operation("invoice:1").status_code == 3180


@pytest.mark.parametrize("holders", [("1", "2"), ("2", "1")])
def test_nobody_takes_what_another_record_holds_whoever_was_bound_first(
    ledger: Ledger, holders: tuple[str, str]
) -> None:
    queue(ledger, 1)
    number = send(ledger, "invoice:1", 1)
    ledger.record_answer(number, outcomes=[Outcome("invoice:1", "unknown")])
    for key in holders:
        ledger.bind([{"record_kind": "invoice", "key": key, "quickbooks_id": "5-1"}])
    with pytest.raises(LedgerError, match="5-1 is invoice 2 already"):
        ledger.resolve("invoice:1", who="ann", applied="5-1")


def test_no_more_is_remembered_than_is_on_its_way(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_reading, "_REMEMBERED", 5)
    queue(ledger, *range(1, 13))
    for number in range(1, 13):
        assert ledger.operation(f"invoice:{number}").fields["RefNumber"] == str(number)
        with ledger.looking() as handle:
            assert len(handle.remembered) <= 5
    assert [one.key for one in ledger.sendable(12)] == [f"invoice:{number}" for number in range(1, 13)]


def test_no_thread_is_told_an_older_state_than_was_committed(ledger: Ledger) -> None:
    queue(ledger, 1)
    order = ["pending", "sent", "applied"]
    committed, wrong, ended = [0], [], threading.Event()

    def look() -> None:
        while not ended.is_set():
            least = committed[0]
            status = ledger.operation("invoice:1").status
            if order.index(status) < least:
                wrong.append((status, least))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    number = send(ledger, "invoice:1", 1)
    committed[0] = 1
    ledger.record_answer(number, outcomes=[Outcome("invoice:1", "applied", 0, None, "5-1", "9")])
    committed[0] = 2
    ended.wait(0.1)
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
