"""QuickBooks restored from a backup: what it lost is proved, released by a person, and stands once again."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from exchange_world import World
from export_world import application, day, invoice, line, payment
from lost_world import ALL, JANUARY, NOTE, Lost, books

from toolkit.errors import IllegalTransition, LedgerError, UsageError, WorkspaceMoved
from toolkit.rehearsal import Company
from toolkit.requeue import choose, release
from toolkit.tables import from_rows, to_rows
from toolkit.tie_outs import keep_tie_out
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt

QUERY = "InvoiceQuery"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Company, Company]:
    """A workspace whose January went across, with the company, and a backup of it from before."""
    made = Lost.make(tmp_path_factory.mktemp("lost"))
    before = made.backed_up()
    before.stamp(made.ws.owner_id, made.ws.file_id)
    made.export()
    assert set(made.world.statuses().values()) == {"applied"}
    made.proved_to_the_cent()
    made.ws.close()
    return made.ws.path, made.world.company, before


def opened(folder: Path, company: Company, place: Path, at: dt.datetime | None = None) -> Lost:
    """Return a copy of a workspace, and of its company, a day later, or at some time."""
    shutil.copytree(folder, place)
    adopt(place, "tester", "a copy for a test")
    clock: Any = company.books.clock
    clock.now = at or clock.now + dt.timedelta(days=1)
    ws = Workspace(place, clock=clock)
    return Lost(ws, World.around(ws, copy.deepcopy(company), clock))


@pytest.fixture
def made(template: tuple[Path, Company, Company], tmp_path: Path) -> Lost:
    """A copy of that workspace and of its company."""
    return opened(template[0], template[1], tmp_path / "ws")


@pytest.fixture(scope="module")
def restored_template(
    template: tuple[Path, Company, Company], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Company, dt.datetime]:
    """The books were restored from before the export, and read again; and an hour after that."""
    found = opened(template[0], template[2], tmp_path_factory.mktemp("restored") / "ws")
    found.read_back()
    found.ws.close()
    return found.ws.path, found.world.company, found.world.clock.now + dt.timedelta(hours=1)


@pytest.fixture
def restored(restored_template: tuple[Path, Company, dt.datetime], tmp_path: Path) -> Lost:
    """A copy of that workspace and of its company."""
    folder, company, at = restored_template
    return opened(folder, company, tmp_path / "ws", at)


# --- the whole story ----------------------------------------------------------------------------------------


def test_everything_that_was_lost_is_exported_once_more(restored: Lost) -> None:
    result = restored.tie()
    assert not result.ties
    assert {row["reason"] for row in to_rows(result.differences)} == {"applied here, absent in QuickBooks"}
    rows = to_rows(restored.absent().records)
    assert [row["key"] for row in rows] == JANUARY, "what others hang on comes first"
    assert all(row["proved"] for row in rows)
    by_key = {row["key"]: row for row in rows}
    paid = by_key["payment:P-1"]
    assert paid["amount"] == Decimal("60.00")
    assert paid["needs"] == ["invoice:INV-1"]
    assert by_key["invoice:INV-3"]["needs"] == ["customer:A3"]
    assert paid["quickbooks_id"] == restored.ws.ledger.operation("payment:P-1").txn_id
    assert paid["applied_at"] is not None
    assert paid["job"] == 1
    assert paid["reason"].startswith("job 3 asked for it on 2026-")

    # Before anybody released it: nothing is planned again.
    assert len(restored.plan().operations) == 0
    assert restored.release() == []
    assert set(restored.world.statuses().values()) == {"undone"}
    assert restored.ws.ledger.crosswalk().empty
    assert restored.ws.ledger.next_job() is None, "nothing is queued by a release"
    waits = restored.tie()
    assert not waits.ties
    assert {row["reason"] for row in to_rows(waits.differences)} == {
        f"released by ann: {NOTE}; export it again"
    }

    planned = restored.ws.queue(restored.plan())
    assert planned.job is not None
    assert restored.ws.ledger.job(planned.job).status == "draft"
    assert restored.standing().total() == 0
    restored.ws.approve(planned.job, "ann", NOTE)
    restored.world.finish()
    assert set(restored.world.statuses(planned.job)) == set(JANUARY)
    assert set(restored.world.statuses().values()) == {"applied"}
    restored.proved_to_the_cent()
    # The first attempts stay as they ended, with the ids that they had.
    first = to_rows(restored.ws.ledger.operations(1))
    assert {row["status"] for row in first} == {"undone"}
    now = {row["key"]: row["txn_id"] or row["list_id"] for row in to_rows(restored.ws.ledger.operations())}
    assert all((row["txn_id"] or row["list_id"]) != now[row["key"]] for row in first)
    moves = [
        (step["before"], step["after"], step["job"]) for step in restored.ws.ledger.history("invoice:INV-1")
    ]
    assert moves[:4] == [
        (None, "pending", 1),
        ("pending", "sent", 1),
        ("sent", "applied", 1),
        ("applied", "undone", 1),
    ]
    assert moves[-1][1:] == ("applied", planned.job)
    assert len(restored.plan().operations) == 0


def test_only_the_later_documents_were_lost(tmp_path: Path) -> None:
    """The backup is of after the invoices: they stand, and the payments that came later go again."""
    made = Lost.make(tmp_path)
    made.export(new=False, start="2026-01-01", end="2026-01-15")
    backup = made.backed_up()
    later = made.export()
    assert set(made.world.statuses(later)) == {"payment:P-1", "payment:P-2"}
    made.proved_to_the_cent()
    made.restore(backup)
    made.read_back()
    assert made.lost() == ["payment:P-1", "payment:P-2"]
    assert [row["needs"] for row in to_rows(made.absent().records)] == [[], []]
    made.release()
    assert set(made.world.statuses(made.export())) == {"payment:P-1", "payment:P-2"}
    made.proved_to_the_cent()


def test_a_document_deleted_by_hand_says_so(made: Lost) -> None:
    made.delete("payment:P-2")
    made.delete("invoice:INV-3")
    made.read_back()
    rows = to_rows(made.absent().records)
    assert [row["key"] for row in rows] == ["invoice:INV-3", "payment:P-2"]
    assert all(row["reason"].startswith("deleted in QuickBooks on 2026-") for row in rows)
    assert all(row["deleted_at"] is not None for row in rows)
    made.release("payment:P-2")
    assert made.lost() == ["invoice:INV-3"], "what was not released waits"
    job = made.export()
    assert made.world.statuses(job) == {"payment:P-2": "applied"}
    made.read_back()
    made.release()
    assert set(made.world.statuses(made.export())) == {"invoice:INV-3"}
    made.proved_to_the_cent()


@pytest.mark.parametrize("together", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_payment_outlives_the_invoice_that_it_paid(tmp_path: Path, together: bool) -> None:
    """Somebody deleted the invoice: its payment is told, and is right again once it is applied by hand."""
    made = Lost.make(tmp_path)
    if not together:  # then the payment names the invoice by its TxnID
        made.export("customers", "invoices", "credits")
    made.export()
    dead = made.ws.ledger.operation("invoice:INV-1").txn_id
    made.delete("invoice:INV-1")
    made.read_back()
    absent = made.absent()
    assert list(absent.records["key"]) == ["invoice:INV-1"]
    [hangs] = to_rows(absent.hanging)
    assert (hangs["key"], hangs["status"], hangs["needs"]) == ("payment:P-1", "applied", ["invoice:INV-1"])
    assert "apply it there by hand" in hangs["reason"]
    made.release()
    made.export()
    made.read_back()
    result = made.tie()
    [row] = to_rows(result.differences)
    assert row["reason"] == "0.00 are applied to INV-1, sent as 60.00"
    assert made.ws.ledger.operation("invoice:INV-1").txn_id != dead
    made.apply_by_hand("payment:P-1", "invoice:INV-1", "60.00")
    made.proved_to_the_cent()


def test_what_waits_for_a_lost_invoice_is_planned_anew(tmp_path: Path) -> None:
    """A draft names the invoice by a TxnID that is no longer: it must not go out like that."""
    made = Lost.make(tmp_path)
    made.export("customers", "invoices", "credits")
    draft = made.ws.queue(made.plan()).job
    made.delete("invoice:INV-1")
    made.read_back()
    [hangs] = to_rows(made.absent().hanging)
    assert (hangs["key"], hangs["status"]) == ("payment:P-1", "pending")
    assert made.release() == ["payment:P-1"]
    assert made.world.statuses(draft) == {"payment:P-1": "skipped", "payment:P-2": "pending"}
    assert "refers to what QuickBooks lost" in made.world.message("payment:P-1")
    again = made.ws.queue(made.plan()).job
    assert again is not None
    assert set(made.world.statuses(again)) == {"invoice:INV-1", "payment:P-1"}
    assert draft is not None
    made.ws.approve([draft, again], "ann")
    made.world.finish()
    made.proved_to_the_cent()


def test_one_part_of_a_receipt_is_lost(tmp_path: Path) -> None:
    """P-9 pays invoices of two customers, as two payments: only the part that is gone goes again."""
    rows = books()
    rows["billing.payments"].append(payment("P-9", "30.00", effective_date=day(26)))
    rows["billing.payment_applications"] += [
        application("P-9", "INV-1", "20.00"),
        application("P-9", "INV-3", "10.00", seq=2),
    ]
    made = Lost.make(tmp_path, rows)
    made.export()
    parts = [key for key in made.world.statuses() if key.startswith("payment:P-9")]
    assert parts == ["payment:P-9/A1", "payment:P-9/A3"]
    made.delete(parts[1])
    made.read_back()
    made.release()
    assert set(made.world.statuses(made.export())) == {parts[1]}
    made.read_back()
    assert made.tie().ties
    assert made.standing() == Counter([*(key for key in JANUARY if key != "customer:A3"), *parts])


def test_an_item_that_was_lost_is_made_again(tmp_path: Path) -> None:
    rows = books()
    rows["quickbooks.items"] = [row for row in rows["quickbooks.items"] if row["name"] != "Hosting"]
    made = Lost.make(tmp_path, rows)
    item = {"name": "Hosting", "item_type": "Service", "income_account_full_name": "Sales"}
    made.ws.ledger.add_item({**item, "sales_tax_code_full_name": "Non"}, "ann")
    before = made.backed_up()
    before.stamp(made.ws.owner_id, made.ws.file_id)
    made.export()
    assert made.world.statuses()["item:Hosting"] == "applied"
    made.restore(before)
    made.read_back()
    assert made.lost() == ["item:Hosting", *JANUARY]
    made.release()
    assert set(made.world.statuses(made.export())) == {"item:Hosting", *JANUARY}
    made.proved_to_the_cent()
    items = [row["full_name"] for row in to_rows(made.world.company.tables()["quickbooks.items"])]
    assert items.count("Hosting") == 1


def test_a_number_stays_with_its_invoice(tmp_path: Path) -> None:
    made = Lost.make(tmp_path)
    made.ws.set("number_rule", "counter:501")
    before = made.backed_up()
    made.export(new=False, start="2026-01-01", end="2026-01-31")
    numbers = {row["key"]: row["ref_number"] for row in to_rows(made.ws.ledger.operations())}
    assert numbers["invoice:INV-2"] == "502"
    made.restore(before)
    made.read_back()
    made.release("invoice:INV-2", "payment:P-2")
    planned = {row["key"]: row["ref_number"] for row in to_rows(made.plan().operations)}
    assert planned == {"invoice:INV-2": "502", "payment:P-2": numbers["payment:P-2"]}
    for name, row in (("invoices", invoice("INV-9", "33.00")), ("invoice_lines", line("INV-9", "33.00"))):
        rows = to_rows(made.ws.read(f"billing.{name}"))
        made.ws.write(f"billing.{name}", from_rows(f"billing.{name}", [*rows, row]))
    planned = {row["key"]: row["ref_number"] for row in to_rows(made.plan("invoices").operations)}
    assert planned == {"invoice:INV-2": "502", "invoice:INV-9": "505"}, "nobody else gets its number"
    numbers["invoice:INV-9"] = "505"
    made.release()
    planned = {row["key"]: row["ref_number"] for row in to_rows(made.plan().operations)}
    assert planned == numbers
    draft = made.ws.queue(made.plan()).job
    assert draft is not None and made.ws.changed_since(draft) == []
    made.ws.set("number_rule", "counter:901")  # what QuickBooks had is numbered as it was, under any rule
    assert made.ws.changed_since(draft) == ["invoice:INV-9: RefNumber 505 is 901 now"]


def released_again(made: Lost, restored: Company) -> int:
    """Return the draft of all that was released, because an older file was opened."""
    made.restore(restored)
    made.restore(made.backed_up())
    made.read_back()
    made.release()
    draft = made.ws.queue(made.plan()).job
    assert draft is not None
    return draft


def opened_again(made: Lost, newer: Company) -> None:
    """Open the newer file: the older one was a mistake."""
    made.restore(newer)
    made.read_back()
    told = {row["key"]: row["reason"] for row in to_rows(made.tie().differences)}
    assert "QuickBooks holds it as TxnID" in told["invoice:INV-1"]


def test_books_that_come_back_after_the_release_hold_nothing_twice(
    made: Lost, template: tuple[Path, Company, Company]
) -> None:
    """The restored file was a mistake: the newer one is opened again, when all was released already."""
    newer = made.world.company
    draft = released_again(made, template[2])
    made.ws.approve(draft, "ann")
    made.ws.ledger.hold(draft, "ann")
    opened_again(made, newer)
    made.ws.ledger.release(draft, "ann")
    made.world.finish()
    assert set(made.world.statuses().values()) == {"applied"}
    made.proved_to_the_cent()


def test_a_draft_from_before_the_books_came_back_is_planned_anew(
    made: Lost, template: tuple[Path, Company, Company]
) -> None:
    newer = made.world.company
    draft = released_again(made, template[2])
    opened_again(made, newer)
    with pytest.raises(UsageError, match="customer:A3: BluBilling has no such row"):
        made.ws.approve(draft, "ann")
    made.ws.ledger.cancel(draft, "ann")
    again = made.ws.queue(made.plan()).job
    assert again is not None
    made.ws.approve(again, "ann")
    made.world.finish()
    made.read_back()
    tie = made.tie()
    assert tie.ties
    assert list(tie.differences["reason"]) == [f"not sent: job {draft} was cancelled"]
    assert made.standing() == Counter(key for key in JANUARY if not key.startswith("customer:"))


DAYS = (9, 12, 17, 22, 31)
HANGS = {"invoice:INV-1": "payment:P-1", "invoice:INV-2": "payment:P-2"}


def fate(made: Lost, random: Random) -> None:
    """Let exports, backups, restored books and somebody who deletes follow each other as they come."""
    files = [made.backed_up()]
    for _ in range(7):
        happens = random.choice(("export", "export", "back up", "restore", "delete", "release"))
        if happens == "export":
            plan = made.plan(new=False, start="2026-01-01", end=f"2026-01-{random.choice(DAYS):02}")
            if len(plan.operations):
                made.ws.queue(plan, approved_by="ann")
                made.world.finish()
        elif happens == "back up":
            files.append(made.backed_up())
        elif happens == "restore":
            files.append(made.backed_up())  # a newer file may be found again
            made.restore(copy.deepcopy(random.choice(files)))
        elif happens == "delete" and (there := sorted(made.standing())):
            gone = random.choice(there)
            for key in (HANGS.get(gone), gone):
                if key in there:
                    made.delete_marked(key)
        else:
            let_go(made)


def let_go(made: Lost) -> None:
    """Read all of it again and release what is lost, as an analyst does."""
    if any(status == "applied" for status in made.world.statuses().values()):
        made.read_back()
        if made.lost():
            made.release()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 11))])
def test_whatever_becomes_of_the_books_each_document_stands_once_in_the_end(
    tmp_path: Path, seed: int
) -> None:
    made = Lost.make(tmp_path)
    made.world.company.stamp(made.ws.owner_id, made.ws.file_id)
    fate(made, Random(seed))
    for _ in range(3):
        let_go(made)
        plan = made.plan()
        if not len(plan.operations):
            break
        made.ws.queue(plan, approved_by="ann")
        made.world.finish()
    assert set(made.world.statuses().values()) == {"applied"}, made.ws.ledger.operations()
    made.proved_to_the_cent()


# --- what proves nothing ------------------------------------------------------------------------------------


def reasons(made: Lost) -> dict[str, str]:
    rows = to_rows(made.absent().records)
    assert not any(row["proved"] for row in rows)
    return {row["key"]: row["reason"] for row in rows}


def hide(made: Lost, kind: str) -> None:
    """Lose a table on this machine; QuickBooks holds all of it."""
    (made.ws.path / "quickbooks" / f"{kind}.parquet").unlink()


def test_a_table_that_was_lost_here_proves_nothing(made: Lost) -> None:
    hide(made, "invoices")
    assert set(reasons(made)) == {"invoice:INV-1", "invoice:INV-2", "invoice:INV-3"}
    assert "job 2 returned it" in reasons(made)["invoice:INV-1"]
    with pytest.raises(UsageError, match="invoice:INV-1: not proved: job 2 returned it"):
        made.release("invoice:INV-1")
    choice = choose(made.absent(), None)
    assert (choice.rows, len(choice.stay)) == ([], 3)
    with pytest.raises(LedgerError, match="nothing is named"):
        made.release()
    assert set(made.world.statuses().values()) == {"applied"}


def test_before_a_re_read_nothing_is_proved(tmp_path: Path) -> None:
    made = Lost.make(tmp_path)
    made.export("customers", "invoices")
    hide(made, "invoices")
    assert "nothing was read again since" in reasons(made)["invoice:INV-1"]
    assert "toolkit reconcile --refresh" in reasons(made)["invoice:INV-1"]


def test_what_was_sent_after_the_re_read_is_not_proved(tmp_path: Path) -> None:
    made = Lost.make(tmp_path)
    made.export("customers", "invoices", "credits")
    made.read_back()
    made.export()
    hide(made, "payments")
    assert "applied after job 2 asked for all there was" in reasons(made)["payment:P-1"]


def test_a_re_read_that_is_not_through_comes_first(restored: Lost) -> None:
    assert restored.lost() == JANUARY
    job = restored.ws.ledger.add_import("refresh", [{"name": "ItemQuery"}])
    assert f"job {job} is to read it again" in reasons(restored)["invoice:INV-1"]
    restored.ws.ledger.cancel(job, "ann")
    assert restored.lost() == JANUARY
    failed = restored.ws.ledger.add_import("refresh", [{"name": "ItemQuery"}])
    restored.ws.ledger.set_job(failed, "failed", "QuickBooks said no")
    assert restored.lost() == JANUARY


@pytest.mark.parametrize(("code", "proved"), [(0, True), (1, True), (500, True), (501, False), (510, False)])
def test_an_answer_that_hides_records_proves_nothing(
    restored: Lost, monkeypatch: pytest.MonkeyPatch, code: int, proved: bool
) -> None:
    """510: the object cannot be returned; 501: not in this qbXML version. It is there all the same."""
    whole = Workspace.open_answer
    codes = re.compile(rb'statusCode="(?:0|1|500)"')

    def other(ws: Workspace, path: str) -> io.BytesIO:
        with whole(ws, path) as stream:
            return io.BytesIO(codes.sub(b'statusCode="%d"' % code, stream.read()))

    monkeypatch.setattr(Workspace, "open_answer", other)
    if proved:
        assert restored.lost() == JANUARY
    else:
        assert f"job 3 with status {code}" in reasons(restored)["payment:P-1"]


def test_an_answer_that_is_gone_proves_nothing(restored: Lost) -> None:
    [page] = [
        page
        for page in restored.ws.ledger.pages(3)
        if restored.ws.ledger.query(page.query or 0).name == QUERY
    ][:1]
    (restored.ws.path / page.path).write_bytes(b"no answer at all")
    told = {row["key"]: row for row in to_rows(restored.absent().records)}
    assert not told["invoice:INV-1"]["proved"]
    assert "cannot be read" in told["invoice:INV-1"]["reason"]
    assert told["payment:P-1"]["proved"]
    choice = choose(restored.absent(), None)
    # A payment is not released without the invoice that it hangs on.
    assert [row["key"] for row in choice.rows] == ["customer:A3", "credit_memo:ADJ-1"]
    assert {row["key"]: row["reason"] for row in choice.stay}[
        "payment:P-1"
    ] == "it hangs on invoice:INV-1, which stays"


def test_a_proof_expires(restored: Lost) -> None:
    restored.world.clock.wait(22 * 3_600)
    assert restored.lost() == JANUARY, "an hour short of a day"
    choice = choose(restored.absent(), None)
    restored.world.clock.wait(3_600)
    told = reasons(restored)["invoice:INV-1"]
    assert "not proved any more: job 3 is more than a day old: toolkit reconcile --refresh" in told
    restored.read_back()
    assert restored.lost() == JANUARY
    with pytest.raises(LedgerError, match="job 4 reads again what job 3 read"):
        release(restored.ws, choice, "ann", NOTE)


def test_another_session_takes_the_proof_away(made: Lost, template: tuple[Path, Company, Company]) -> None:
    """The restored file was a mistake: the newer one is open again when the release is made."""
    newer = made.world.company
    made.restore(copy.deepcopy(template[2]))
    job = made.read_back()
    choice = choose(made.absent(), None)
    assert [row["key"] for row in choice.rows] == JANUARY
    made.restore(newer)
    made.world.finish()
    assert made.lost() == JANUARY, "a session in which nothing happened tells nothing"
    made.ws.ledger.add_import("customers", [{"name": "CustomerQuery", "fields": {}}])
    made.world.finish()
    told = reasons(made)["invoice:INV-1"]
    assert "another session of the Web Connector, on 2026-02-" in told
    assert told.endswith("toolkit reconcile --refresh, run the Web Connector, then again")
    with pytest.raises(LedgerError, match=f"another session of the Web Connector, .* followed job {job}"):
        release(made.ws, choice, "ann", NOTE)
    assert set(made.world.statuses().values()) == {"applied"}
    made.read_back()
    assert made.lost() == []


def test_another_import_takes_the_proof_away(restored: Lost) -> None:
    choice = choose(restored.absent(), None)
    ledger = restored.ws.ledger
    job = ledger.add_import("customers", [], started=True)
    ledger.add_page(job, None, "inbox/by-hand.xml", 0)
    assert f"another import, job {job}, followed job 3" in reasons(restored)["invoice:INV-1"]
    with pytest.raises(LedgerError, match=f"another import, job {job}, followed job 3"):
        release(restored.ws, choice, "ann", NOTE)


def come_back(made: Lost, backup: Company) -> int:
    """Release what a restored file lost, and find it, by its ids, in the newer one; return the re-read."""
    newer = made.world.company
    made.restore(copy.deepcopy(backup))
    job = made.read_back()
    made.release()
    draft = made.ws.queue(made.plan()).job
    assert draft is not None
    made.restore(newer)
    made.ws.approve(draft, "ann")
    made.world.finish()
    assert set(made.world.statuses().values()) == {"applied"}
    return job


def test_an_id_that_comes_back_was_not_read_since(
    made: Lost, template: tuple[Path, Company, Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The re-read of the restored file asked for these very ids, before they were applied once more."""
    before = {key: made.ws.ledger.operation(key).quickbooks_id for key in JANUARY}
    job = come_back(made, template[2])
    same = [key for key in JANUARY if made.ws.ledger.operation(key).quickbooks_id == before[key]]
    assert "invoice:INV-1" in same
    hide(made, "invoices")
    monkeypatch.setattr("toolkit.refresh._stale", lambda ws, job: "")  # not for the session that followed
    told = reasons(made)["invoice:INV-1"]
    assert f"it was applied after job {job} asked for all there was" in told


def test_an_id_that_comes_back_does_not_tie_by_an_older_re_read(
    made: Lost, template: tuple[Path, Company, Company]
) -> None:
    come_back(made, template[2])
    assert made.tie().ties
    kept = keep_tie_out(made.ws, made.tie(), "ann")
    assert (kept.state, kept.new) == ("open", False)
    assert "not all that was sent was read back since" in kept.why
    made.read_back()
    assert keep_tie_out(made.ws, made.tie(), "ann").state == "ties"


# --- what is refused ----------------------------------------------------------------------------------------


def test_what_stands_or_hangs_on_something_lost_is_not_released(restored: Lost) -> None:
    with pytest.raises(UsageError, match="payment:P-1 hangs on invoice:INV-1, which is absent too"):
        restored.release("payment:P-1")
    with pytest.raises(UsageError, match="customer:A1 is not absent"):
        restored.release("customer:A1")
    assert set(restored.world.statuses().values()) == {"applied"}
    assert restored.release("invoice:INV-1", "payment:P-1") == []
    with pytest.raises(UsageError, match="invoice:INV-1 is not absent"):
        restored.release("invoice:INV-1")


def test_the_ledger_releases_only_what_it_was_shown(restored: Lost) -> None:
    ledger = restored.ws.ledger
    ids = {row["key"]: row["txn_id"] for row in to_rows(ledger.operations())}
    one = {"invoice:INV-1": ids["invoice:INV-1"]}
    for who, note in (("", NOTE), ("ann", " ")):
        with pytest.raises(LedgerError, match="needs the name of a person and the reason"):
            ledger.release_lost(one, who, note=note, proof={}, refresh=3)
    with pytest.raises(LedgerError, match=r"invoice:INV-1 is .* by now, and not 1-1"):
        ledger.release_lost(one | {"invoice:INV-1": "1-1"}, "ann", note=NOTE, proof={}, refresh=3)
    with pytest.raises(LedgerError, match="there is no operation invoice:X"):
        ledger.release_lost(one | {"invoice:X": "1-1"}, "ann", note=NOTE, proof={}, refresh=3)
    assert set(restored.world.statuses().values()) == {"applied"}, "all of it or nothing"
    ledger.release_lost(one, "ann", note=NOTE, proof={"invoice:INV-1": "job 3 asked for it"}, refresh=3)
    with pytest.raises(IllegalTransition, match="only what is applied is lost"):
        ledger.release_lost(one, "ann", note=NOTE, proof={}, refresh=3)
    kept = to_rows(restored.ws.read("ledger.decisions"))[-1]
    assert (kept["table"], kept["key"], kept["decision"]) == ("releases", "invoice:INV-1", "released")
    assert (kept["note"], kept["decided_by"]) == (NOTE, "ann")
    assert json.loads(kept["facts"]) == {"quickbooks_id": one["invoice:INV-1"], "proof": "job 3 asked for it"}


def test_nothing_is_released_under_what_is_on_its_way(tmp_path: Path) -> None:
    made = Lost.make(tmp_path)
    made.export("customers", "invoices", "credits")
    job = made.ws.queue(made.plan(), approved_by="ann").job
    ticket = made.world.open()
    for number in range(20):
        text = made.world.ask(ticket, first=number == 0)
        if "<ReceivePaymentAdd" in text:
            break
        made.world.carry(ticket, text)
    assert made.world.statuses(job)["payment:P-1"] == "sent"
    txn_id = made.ws.ledger.operation("invoice:INV-1").txn_id
    assert txn_id is not None
    with pytest.raises(LedgerError, match="payment:P-1 refers to it and is sent"):
        made.ws.ledger.release_lost({"invoice:INV-1": txn_id}, "ann", note=NOTE, proof={}, refresh=3)
    assert made.world.statuses()["invoice:INV-1"] == "applied"


def test_a_copy_of_the_workspace_releases_nothing(restored: Lost, tmp_path: Path) -> None:
    choice = choose(restored.absent(), None)
    restored.ws.close()
    shutil.copytree(restored.ws.path, tmp_path / "copy")
    with Workspace(tmp_path / "copy") as copied, pytest.raises(WorkspaceMoved):
        release(copied, choice, "ann", NOTE)


# --- the commands -------------------------------------------------------------------------------------------


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    # Commands go by the wall clock, and the world here by its own.
    monkeypatch.setattr("toolkit.refresh._PROVES_FOR", dt.timedelta(days=36_500))
    return cli_world.runner(monkeypatch, capsys)


def merge(made: Lost, key: str, into: str) -> None:
    """Merge a customer into another by hand: its documents go along, and its ListID is gone."""
    held = made.world.company.books
    gone = held.lists["Customer"][str(made.ws.ledger.operation(key).list_id)]
    other = next(row for row in held.lists["Customer"].values() if row.fields["Name"] == into)
    for document in held.transactions.values():
        if document.ref("CustomerRef") == gone.id:
            document.fields["CustomerRef"] = {"ListID": other.id}
            held.touch(document, held.tick())
    held.take("Customer", gone)


def test_a_customer_that_was_merged_is_not_lost(made: Lost, toolkit: Toolkit) -> None:
    merge(made, "customer:A3", "Acme")
    made.read_back()
    assert made.lost() == ["customer:A3"]
    said = toolkit("-w", made.ws.path, "requeue", "--all-absent", "--note", NOTE, "--yes")
    assert said.code == 1
    assert "customer:A3 stays: not lost, but merged into another: invoice:INV-3 refers to it" in said.out
    assert said.out.endswith("\nNothing to release.\n")
    assert set(made.world.statuses().values()) == {"applied"}
    assert made.release("customer:A3") == []
    assert made.world.statuses()["customer:A3"] == "undone"


def test_reconcile_lists_what_is_absent_apart(restored: Lost, toolkit: Toolkit) -> None:
    said = toolkit("-w", restored.ws.path, "reconcile")
    assert said.code == 1
    _, section, rest = said.out.partition("\nApplied here, absent in QuickBooks\n")
    assert section
    for word in ("payment:P-1", "P-1", "Acme", "60.00", restored.ws.ledger.operation("payment:P-1").txn_id):
        assert str(word) in rest
    assert "1 customer; 3 invoices, 155.00 USD; 1 credit_memo, 25.00 USD; 2 payments, 100.00 USD" in rest
    assert "7: job 3 asked for it on 2026-" in rest
    rows = toolkit("-w", restored.ws.path, "reconcile", "--json").json["absent"]
    assert [row["key"] for row in rows] == JANUARY
    assert rows[-1].keys() >= {"ref_number", "customer_full_name", "applied_at", "job", "quickbooks_id"}
    assert rows[-1]["amount"] == "40.00"
    table = toolkit("-w", restored.ws.path, "table", "tie_out.absent", "--json").json
    assert [row["key"] for row in table["records"]] == JANUARY
    assert toolkit("-w", restored.ws.path, "table", "tie_out.hanging", "--json").json["rows"] == 0


def test_where_nothing_is_absent_there_is_no_section(made: Lost, toolkit: Toolkit) -> None:
    said = toolkit("-w", made.ws.path, "reconcile")
    assert said.code == 0
    assert "absent" not in said.out
    assert toolkit("-w", made.ws.path, "reconcile", "--json").json["absent"] == []
    nothing = toolkit("-w", made.ws.path, "requeue", "--all-absent", "--yes", "--note", NOTE)
    assert (nothing.code, "nothing to release" in nothing.out) == (0, True)


def test_a_release_takes_two_steps(restored: Lost, toolkit: Toolkit) -> None:
    before = cli_world.fingerprint(restored.ws.path)
    first = toolkit("-w", restored.ws.path, "requeue", "--all-absent")
    assert first.code == 0
    assert "3 invoices, 155.00 USD" in first.out
    assert "Nothing was changed." in first.out
    assert cli_world.fingerprint(restored.ws.path) == before
    second = toolkit("-w", restored.ws.path, "requeue", "--all-absent", "--note", NOTE, "--yes", "--json")
    assert second.code == 0
    assert (second.json["released"], second.json["note"]) == (True, NOTE)
    [payments] = [total for total in second.json["totals"] if total["record_kind"] == "payment"]
    assert (payments["count"], payments["amount"]) == (2, "100.00")
    assert set(restored.world.statuses().values()) == {"undone"}
    said = toolkit("-w", restored.ws.path, "export", "--new", *(f"--{name}" for name in ALL))
    assert "Job 4: 7 operations, a draft." in said.out
    assert restored.ws.ledger.job(4).status == "draft"


def test_what_follows_a_release_can_be_typed(restored: Lost, toolkit: Toolkit) -> None:
    at = f"toolkit -w {restored.ws.path}"
    said = toolkit("-w", restored.ws.path, "requeue", "--all-absent", "--note", NOTE, "--yes")
    assert said.out.endswith(f"\nNext: {at} export, review the draft, then {at} approve (or cancel) it\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to release: the keys of operations, or --all-absent"),
        (("--all-absent", "invoice:INV-1"), "say what to release"),
        (("--all-absent", "--yes"), "a release needs its reason: --note"),
        (("invoice:INV-1", "--yes", "--note", " "), "a release needs its reason: --note"),
        (("invoice:NONE",), "invoice:NONE is not absent in QuickBooks: toolkit reconcile lists what is"),
        (("payment:P-2", "--yes", "--note", "x"), "payment:P-2 hangs on invoice:INV-2, which is absent too"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    restored: Lost, toolkit: Toolkit, arguments: tuple[str, ...], said: str
) -> None:
    before = cli_world.fingerprint(restored.ws.path)
    refused = toolkit("-w", restored.ws.path, "requeue", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert refused.err.count("\n") == 1
    assert cli_world.fingerprint(restored.ws.path) == before


def test_what_is_not_proved_stays_and_says_why(made: Lost, toolkit: Toolkit) -> None:
    hide(made, "payments")
    said = toolkit("-w", made.ws.path, "requeue", "--all-absent", "--note", NOTE, "--yes")
    assert said.code == 1
    assert "payment:P-1 stays: not proved: job 2 returned it" in said.out
    assert set(made.world.statuses().values()) == {"applied"}
