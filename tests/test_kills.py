"""The fault campaign: servers really killed, answers lost, doubled and refused, and nothing lost or twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exchange_world import PASSWORD
from kill_world import KILLS, MORE, Zygote, expect_good, problems, run, run_block, template, zygote
from rehearsal_company import company

from toolkit import crash_points
from toolkit.mortal_server import FULL as DISK_FULL
from toolkit.mortal_server import Doom
from toolkit.rehearsal.faults import FULL, KILLED, KINDS, OTHERS, Fault, draw
from toolkit.rehearsal.server_process import Process, ServerProcess, start_python
from toolkit.rehearsal.verdict import compare
from toolkit.tables import to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_files import write_atomically

__all__ = ["template", "zygote"]  # fixtures

pytestmark = pytest.mark.network


# --- one of each --------------------------------------------------------------------------------------------


def test_kills_and_lost_answers_lose_and_double_nothing(
    tmp_path: Path, template: Path, zygote: Zygote
) -> None:
    done = run(tmp_path / "w", template, zygote.start(), draw(1, MORE + KILLS, KILLS))
    expect_good(1, done)
    assert done.campaign.counts[KILLED] == KILLS
    assert done.campaign.counts.total() == KILLS + MORE


@pytest.mark.slow
@pytest.mark.parametrize("place", crash_points.PLACES)
def test_the_server_dies_at_each_place_and_nothing_is_lost(
    tmp_path: Path, template: Path, zygote: Zygote, place: str
) -> None:
    for passes in range(4):
        planned = [Fault(KILLED, gap, place, passes, 0.0) for gap in (1, 2)]
        done = run(tmp_path / str(passes), template, zygote.start(), planned)
        expect_good(passes, done)
        assert [text.partition(": ")[2] for text in done.campaign.happened] == [f"{KILLED} {place}"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
def test_each_fault_by_itself_loses_nothing(
    tmp_path: Path, template: Path, zygote: Zygote, kind: str
) -> None:
    places = (crash_points.BEFORE_COMMIT, crash_points.BEFORE_FILE)
    planned = [Fault(kind, 1, places[n % 2], n % 3, n / 5) for n in range(5)]
    done = run(tmp_path / "w", template, zygote.start(), planned)
    expect_good(0, done)
    assert done.campaign.counts.total() == len(planned)


@pytest.mark.slow
def test_a_server_of_the_command_line_is_killed_from_outside_and_starts_again(
    tmp_path: Path, template: Path
) -> None:
    with Workspace(template) as ws:
        ws.copy_to(tmp_path / "w", password=PASSWORD).close()
    started: list[Process] = []

    def start(folder: Path, port: int, shift: float) -> Process:
        started.append(start_python(folder, port, shift))
        return started[-1]

    server = ServerProcess(tmp_path / "w", start=start)
    assert server.order()
    started[0].kill()
    assert not server.order()
    server.kill()
    again = ServerProcess(tmp_path / "w", start=start)  # the lock of the dead is free
    assert again.order()
    again.stop()
    assert not again.order()
    codes = [process.wait() for process in started]
    assert codes[0] != 0
    assert codes[1] == 0


# --- many ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_300_kills_and_1700_other_faults_in_200_runs(
    tmp_path: Path, template: Path, zygote: Zygote, block: int
) -> None:
    run_block(tmp_path, template, zygote, block)  # the other half: test_kills_more.py, for the other core


@pytest.mark.slow
def test_a_seed_replays_exactly(tmp_path: Path, template: Path, zygote: Zygote) -> None:
    for seed in (3, 4):
        planned = draw(seed, KILLS + MORE, KILLS)
        first, second = (run(tmp_path / f"{seed}-{n}", template, zygote.start(), planned) for n in range(2))
        assert first.campaign.happened == second.campaign.happened
        assert [report.calls for report in first.campaign.reports] == [
            report.calls for report in second.campaign.reports
        ]


@pytest.mark.slow
def test_without_recovery_the_campaign_finds_what_is_there_twice(
    tmp_path: Path, template: Path, zygote: Zygote
) -> None:
    twice: list[str] = []
    for seed in range(4):
        planned = draw(seed, KILLS + MORE, KILLS)
        done = run(tmp_path / str(seed), template, zygote.start("careless"), planned)
        twice += [text for text in problems(done) if text.endswith("it is in the company 2 times")]
    assert twice


# --- plans and verdicts -------------------------------------------------------------------------------------


def test_a_seed_draws_the_same_faults_and_another_draws_others() -> None:
    assert draw(1, 30) == draw(1, 30)
    assert any(draw(1, 30) != draw(seed, 30) for seed in range(2, 5))
    kinds = Counter(fault.kind for fault in draw(5, 60))
    assert set(kinds) == set(KINDS)
    assert kinds[KILLED] == 10
    assert draw(5, 0) == []
    assert {fault.place for fault in draw(5, 60) if fault.kind == FULL} <= {
        crash_points.BEFORE_COMMIT,
        crash_points.BEFORE_FILE,
    }


def test_the_verdict_sees_what_is_missing_twice_or_otherwise(
    tmp_path: Path, template: Path, zygote: Zygote
) -> None:
    done = run(tmp_path / "w", template, zygote.start(), [])
    with Workspace(tmp_path / "w") as ws:
        good = [ws.ledger.operation(row["key"]) for row in to_rows(ws.ledger.operations())]
    assert compare(good, done.company).good
    first = next(one for one in good if one.key == "invoice:A1")
    rest = [one for one in good if one is not first]

    def said(**changes: Any) -> str:
        return "; ".join(compare([*rest, replace(first, **changes)], done.company).differences)

    assert said(txn_id="F00D-1") == f"invoice:A1: the ledger knows F00D-1, the company {first.txn_id}"
    assert said(status="pending").startswith("invoice:A1: it is still pending")
    assert "nothing says why" in said(status="rejected", status_message=None, status_code=None)
    assert "it is in the company" in said(status="skipped", status_message="why")
    assert said(status="unknown", status_message="why") == ""
    assert said(expected={**first.expected, "subtotal": "11.00"}).startswith("invoices in USD: meant ")
    assert compare(rest, done.company).differences == (
        "invoice:A1: it is in the company, and nobody meant it",
    )
    nothing = company()
    missing = compare([first], nothing).differences
    assert missing[0] == "invoice:A1: the ledger says applied, and it is not in the company"
    tables = {"quickbooks.invoices": nothing.tables()["quickbooks.invoices"]}
    assert "is not in the table quickbooks.invoices" in compare([first], done.company, tables).differences[-1]


def test_places_do_nothing_unless_a_rehearsal_says_so(tmp_path: Path) -> None:
    doom = Doom()
    crash_points.watch(doom)
    try:
        write_atomically(tmp_path / "a", lambda file: file.write(b"old"))
        doom.arm(crash_points.BEFORE_FILE, 1, DISK_FULL)
        write_atomically(tmp_path / "b", lambda file: file.write(b"passed"))
        assert not doom.struck
        with pytest.raises(OSError, match="No space left"):
            write_atomically(tmp_path / "a", lambda file: file.write(b"new"))
        assert doom.struck
    finally:
        crash_points.watch(None)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    write_atomically(tmp_path / "a", lambda file: file.write(b"new"))
    assert (tmp_path / "a").read_bytes() == b"new"
