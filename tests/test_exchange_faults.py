"""Random faults, seeded: at the end every intended document is in the company once and the ledger agrees."""

from __future__ import annotations

import csv
import errno
import random
import tomllib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from exchange_world import (
    PASSWORD,
    QUICKBOOKS_DIED,
    Clock,
    World,
    create_template,
    customer,
    invoice,
    payment,
    without_recovery,
)
from rehearsal_company import ACME

from toolkit import cutover, extract, set_answers
from toolkit.exchange import FAILED, Exchange
from toolkit.quickbooks_codes import PARSE_ERROR
from toolkit.rehearsal import Company
from toolkit.rehearsal.sample import SAMPLE, sample_other_names, sample_tables
from toolkit.tables import to_rows
from toolkit.workbook_tables import fill_decisions
from toolkit.workspace import Workspace

DOCUMENTS = ("invoices", "credit_memos", "payments")
COMMITS = ("record_answer", "add_page", "update_query", "set_job", "set_session_error", "update_session")


_Result = TypeVar("_Result")


class Crash(BaseException):
    """Our process dies: nothing of ours catches it."""


class Campaign:
    """A Web Connector, a QuickBooks and a server of which each breaks at any moment."""

    def __init__(self, world: World, seed: int, rate: float = 0.5) -> None:
        self.world, self.rate = world, rate
        self.random = random.Random(seed)
        self.ticket = ""
        self.first = True
        self.ghosts: list[tuple[str, str]] = []  # answers that somebody delivers again later
        self.garbled: set[str] = set()
        self.happened: Counter[str] = Counter()
        self.faults: dict[str, Callable[[str], int | None]] = {
            "request lost": self.request_lost,
            "answer lost": self.answer_lost,
            "QuickBooks died": self.died,
            "set refused": self.refused,
            "answer cut": self.cut,
            "our crash": self.crash,
            "answer doubled": self.doubled,
            "taken over": self.taken_over,
        }

    def run(self, sessions: int = 40) -> None:
        """Run faulty sessions, then good ones until nothing is left."""
        for _ in range(sessions):
            if not self.session():
                break
        self.world.finish()

    def session(self) -> bool:
        """Run one session to its end, good or bad; return whether there may be more to do."""
        self.ticket, word = self.world.authenticate()
        if word == "none":
            return False
        if word == "busy":
            self.world.clock.wait(61)
            return True
        self.first = True
        self.world.company.begin_session()
        while True:
            text = self.request()
            if text is None:
                return True
            percent = self.carry(text) if text else FAILED
            if percent is None:  # the Web Connector is gone, it calls no more
                return True
            if not 0 <= percent < 100:
                self.world.exchange.last_error(self.ticket)
                self.world.exchange.close(self.ticket)
                return True
            self.haunt()

    def request(self) -> str | None:
        if self.random.random() < self.rate / 8:
            name = self.random.choice(("open_set", "resend", "learn"))
            return self.dying(self.world.ws.ledger, name, self.ask)
        return self.ask()

    def ask(self) -> str:
        first, self.first = self.first, False
        return self.world.ask(self.ticket, first=first, checks=True)

    def carry(self, text: str) -> int | None:
        if self.random.random() > self.rate:
            return self.world.carry(self.ticket, text)
        name = self.random.choice(sorted(self.faults))
        self.happened[name] += 1
        return self.faults[name](text)

    # --- faults; each returns what the Web Connector was told, None where it is gone

    def request_lost(self, text: str) -> None:
        if self.random.random() < 0.5:
            self.world.exchange.close(self.ticket)

    def answer_lost(self, text: str) -> None:
        self.world.company.process(text)
        if self.random.random() < 0.5:
            self.world.exchange.close(self.ticket)

    def died(self, text: str) -> int:
        if self.random.random() < 0.5:
            self.world.company.process(text)
        return self.world.answer(self.ticket, "", QUICKBOOKS_DIED, "The server threw an exception.")

    def refused(self, text: str) -> int:
        # Alone it would rightly be rejected; handed out twice, it may have been run and would be unknown.
        handed_out = self.world.ws.ledger.unanswered()
        if handed_out is None or len(handed_out.members) < 2 or handed_out.tries > 1:
            return self.world.carry(self.ticket, text)
        return self.world.answer(self.ticket, "", PARSE_ERROR, "Error when parsing.")

    def cut(self, text: str) -> int:
        if "newMessageSetID" not in text or text in self.garbled:
            return self.world.carry(self.ticket, text)
        self.garbled.add(text)
        answer = self.world.company.process(text)
        return self.world.answer(self.ticket, answer[: self.random.randrange(len(answer) - 12)])

    def crash(self, text: str) -> int | None:
        owner: Any = self.world.ws.ledger
        name = self.random.choice((*COMMITS, "save_answer"))
        if name == "save_answer":
            owner = self.world.ws
        return self.dying(owner, name, lambda: self.world.carry(self.ticket, text))

    def doubled(self, text: str) -> int:
        answer = self.world.company.process(text)
        percent = self.world.answer(self.ticket, answer)
        self.ghosts.append((self.ticket, answer))
        if self.random.random() < 0.5:
            self.haunt(1)
        return percent

    def taken_over(self, text: str) -> int | None:
        """Let a second connector go on; the answer of the first comes late, at any moment."""
        answer = self.world.company.process(text)
        old, moment = self.ticket, self.random.choice(("at once", "asked", "later"))
        assert self.world.authenticate() == ("", "busy")
        self.world.clock.wait(61)
        if moment == "at once":
            self.world.answer(old, answer)
        self.ticket, word = self.world.authenticate()
        if word in ("none", "busy"):
            return None
        self.first = True
        self.world.company.begin_session()
        text = self.ask()
        if moment == "asked":
            assert self.world.answer(old, answer) == FAILED
        elif moment == "later":
            self.ghosts.append((old, answer))
        return self.world.carry(self.ticket, text) if text else FAILED

    def haunt(self, chance: float = 0.3) -> None:
        """Deliver an old answer once more."""
        if self.ghosts and self.random.random() < chance:
            self.world.answer(*self.random.choice(self.ghosts))

    def dying(self, owner: Any, name: str, call: Callable[[], _Result]) -> _Result | None:
        """Let our process die before or after it does something, if it comes to that."""
        original, after = getattr(owner, name), self.random.random() < 0.5

        def die(*arguments: Any, **named: Any) -> Any:
            if after:
                original(*arguments, **named)
            raise Crash

        setattr(owner, name, die)
        try:
            return call()
        except Crash:
            self.happened["our crash"] += 1
            return None
        finally:
            delattr(owner, name)
            self.revive()

    def revive(self) -> None:
        self.world.ws.close()
        self.world.exchange = Exchange(self.world.ws)


# --- what must be true at the end ---------------------------------------------------------------------------


def check(world: World) -> None:
    """Compare company, ledger, crosswalk and tables, record by record."""
    held = Counter(key for kind in DOCUMENTS for key in world.holds(kind))
    assert [key for key, count in held.items() if count > 1] == []
    there = {kind: world.held(kind) for kind in DOCUMENTS}
    ids = {row["memo"]: row["txn_id"] for rows in there.values() for row in rows}
    by_key = {key: one for memo, one in ids.items() for key in held if str(memo).endswith(f"[bb:{key}]")}
    meant = to_rows(world.ws.read("ledger.operations"))
    applied = {row["key"]: row["txn_id"] for row in meant if row["status"] == "applied" and row["txn_id"]}
    assert by_key == applied
    assert [row["key"] for row in meant if row["status"] in ("pending", "sent", "unknown")] == []
    jobs = [row["status"] for row in to_rows(world.ws.read("ledger.jobs"))]
    assert set(jobs) == {"complete"}
    bound = Counter(
        row["operation_key"] for row in to_rows(world.ws.read("ledger.crosswalk")) if row["operation_key"]
    )
    assert bound == Counter(row["key"] for row in meant if row["status"] == "applied")
    for kind in DOCUMENTS:
        landed = {row["txn_id"] for row in to_rows(world.ws.read(f"quickbooks.{kind}"))}
        assert {row["txn_id"] for row in there[kind] if row["txn_id"] in applied.values()} <= landed


# --- the small world ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_template(tmp_path_factory, set_size="3", page_size="1")


def fill(world: World) -> None:
    """Queue an import and two exports, one of which waits for the other."""
    world.ws.queue_import("customers")
    numbers = range(1, 7)
    world.export(
        customer("N1", "Nova"),
        customer("N2", "Nimbus"),
        *(invoice(f"A{n}", f"{n}0.00", of=ACME if n % 2 else f"customer:N{n % 4 // 2 + 1}") for n in numbers),
    )
    world.export(
        *(
            payment(f"P{n}", f"{n}.00", ACME if n % 2 else f"customer:N{n % 4 // 2 + 1}", f"A{n}")
            for n in numbers
        )
    )


def campaign(folder: Path, template: Path, seed: int) -> Campaign:
    world = World.make(folder, template)
    fill(world)
    made = Campaign(world, seed)
    made.run()
    return made


def check_small(world: World) -> None:
    check(world)
    assert set(world.statuses().values()) == {"applied"}
    names = Counter(world.names())
    assert (names["Nova"], names["Nimbus"]) == (1, 1)
    assert {row["full_name"] for row in to_rows(world.ws.read("quickbooks.customers"))} == set(names)
    invoices = {row["ref_number"]: row for row in world.held("invoices")}
    for n in range(1, 7):
        left = invoices[f"A{n}"]["balance_remaining"]
        assert left == Decimal(f"{n}0.00") - Decimal(f"{n}.00")


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]
)
def test_faults_lose_and_double_nothing(tmp_path: Path, template: Path, seed: int) -> None:
    check_small(campaign(tmp_path, template, seed).world)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_faults_lose_and_double_nothing(tmp_path: Path, template: Path, block: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(1000 + block * 10, 1010 + block * 10):
        done = campaign(tmp_path / str(seed), template, seed)
        happened += done.happened
        try:
            check_small(done.world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        done.world.ws.close()
    assert set(happened) == set(done.faults)


@pytest.mark.slow
def test_the_campaign_finds_a_set_that_is_sent_anew_instead_of_again(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_recovery(monkeypatch.setattr)
    found = 0
    for seed in range(3):
        try:
            check_small(campaign(tmp_path / str(seed), template, seed).world)
        except AssertionError:
            found += 1
    assert found


@pytest.mark.slow
def test_the_look_before_the_first_add_alone_keeps_documents_from_doubling(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_recovery(monkeypatch.setattr, checks=True)
    for seed in range(3):
        world = campaign(tmp_path / str(seed), template, seed).world
        for kind in DOCUMENTS:
            assert len(set(world.holds(kind))) == len(world.holds(kind))


# --- the sample company -------------------------------------------------------------------------------------


def sample_world(folder: Path) -> World:
    """Return the sample, loaded, mapped and carried forward, and the export of its quarter queued."""
    clock = Clock()
    clock.wait(90 * 86_400)
    ws = Workspace.create(
        folder / "workspace", company="Brightwater", password=PASSWORD, rehearsal=True, clock=clock
    )
    settings = tomllib.loads((SAMPLE / "settings.toml").read_text(encoding="utf-8"))
    for key, value in {**settings, "pilot": "false", "set_size": "20"}.items():
        ws.set(key, str(value))
    tables = sample_tables()
    for name, frame in tables.items():
        ws.write(name, frame)
    extract.load(ws, sorted((SAMPLE / "billing" / "before").glob("*.csv")))
    workbook = ws.path / "reports" / "mapping.xlsx"
    cutover.write_mapping(ws, workbook)
    with (SAMPLE / "decisions.csv").open(encoding="utf-8", newline="") as file:
        fill_decisions(workbook, csv.DictReader(file))
    cutover.read_mapping(ws, workbook, "tester")
    assert cutover.carry_forward(ws)[0].ready
    extract.load(ws, sorted((SAMPLE / "billing" / "after").glob("*.csv")))
    plan = cutover.plan_export(
        ws, start="2026-01-01", end="2026-03-31", customers=True, invoices=True, payments=True, credits=True
    )
    ws.queue(plan, approved_by="tester")
    return World.around(ws, Company.from_tables(tables, clock=clock, extra_names=sample_other_names()), clock)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_quarter_of_the_sample_survives_faults(tmp_path: Path, seed: int) -> None:
    world = sample_world(tmp_path)
    Campaign(world, seed, rate=0.4).run()
    check(world)
    rows = to_rows(world.ws.read("ledger.operations"))
    assert Counter(row["status"] for row in rows if row["status"] != "skipped")["rejected"] == 1
    assert [
        row["status_message"] for row in rows if row["status"] == "applied" and row["status_message"]
    ] == []
    cutover.queue_refresh(world.ws)
    world.finish()
    assert cutover.tie_out(world.ws).ties


def test_a_disk_that_is_full_as_answers_land_keeps_the_job_open(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.make(tmp_path, template)
    job = world.export(invoice("A1", "10.00"))
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        patch.setattr(set_answers, "land_units", lambda *given: (_ for _ in ()).throw(full))
        world.run()
        assert world.statuses() == {"invoice:A1": "applied"}
        assert world.ws.ledger.job(job).status == "running"
    world.finish()
    assert world.ws.ledger.job(job).status == "complete"
    assert world.ws.ledger.job(job).message is None
    check(world)
