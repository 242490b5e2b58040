"""How complete and how old a table is: the last import that is whole, and newer ones that are not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import cli_world
import pytest
from exchange_world import Clock, World, invoice
from hypothesis import given
from hypothesis import strategies as st

from toolkit import cutover
from toolkit.freshness import ImportSeen, freshness, freshness_findings
from toolkit.import_age import USED_BY, import_findings, imports_of
from toolkit.tables import TABLES, to_rows

ITEMS = "quickbooks.items"
DAY = dt.datetime(2026, 1, 5, 9, 0)


def seen(job: int, status: str = "complete", *, done: bool = True, started: bool = True) -> ImportSeen:
    return ImportSeen(ITEMS, job, status, done, started, DAY + dt.timedelta(days=job))


@pytest.mark.parametrize(
    ("jobs", "whole", "partial"),
    [
        ([seen(1)], 1, None),
        ([seen(1), seen(2)], 2, None),
        ([seen(1), seen(2, "running", done=False)], 1, "job 2 is not finished"),
        ([seen(1), seen(2, "running", done=True)], 1, "job 2 is not finished"),
        ([seen(1), seen(2, "queued", done=False, started=False)], 1, None),
        ([seen(1), seen(2, "failed", done=False, started=False)], 1, "job 2 failed"),
        ([seen(1), seen(2, "cancelled", done=False, started=False)], 1, None),
        ([seen(1), seen(2, "cancelled", done=False)], 1, "job 2 was cancelled before it was complete"),
        ([seen(1, "failed"), seen(2)], 2, None),
        ([seen(1, "failed", done=False)], None, "job 1 failed"),
        ([seen(2), seen(2, "complete", done=False)], None, None),
    ],
)
def test_what_is_whole_and_what_is_not(
    jobs: list[ImportSeen], whole: int | None, partial: str | None
) -> None:
    for order in (jobs, jobs[::-1]):
        one = freshness(order, DAY + dt.timedelta(days=30))[ITEMS]
        assert (one.job, one.partial) == (whole, partial)
        assert one.age_days == (None if whole is None else 30 - whole)


@given(days=st.integers(0, 400), limit=st.integers(1, 400))
def test_old_is_older_than_the_setting(days: int, limit: int) -> None:
    fresh = freshness([seen(0)], DAY + dt.timedelta(days=days, hours=1))
    found = to_rows(freshness_findings(fresh, [ITEMS, "quickbooks.customers"], limit))
    assert [row["rule"] for row in found] == ["stale_table"] * (days > limit)


def test_a_clock_set_back_makes_nothing_old() -> None:
    assert freshness([seen(9)], DAY)[ITEMS].age_days == 0


def test_every_step_names_tables_that_there_are() -> None:
    assert {name for names in USED_BY.values() for name in names} <= set(TABLES)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.make(tmp_path, page_size="1")
    yield made
    made.ws.close()


def rules(world: World, step: str = "export") -> list[tuple[str | None, str | None]]:
    return [(row["rule"], row["table"]) for row in to_rows(import_findings(world.ws, step))]


def test_an_import_that_breaks_off_is_partial_until_it_is_whole(world: World) -> None:
    assert imports_of(world.ws) == {}
    world.ws.queue_import("items")
    assert rules(world) == []  # queued: nothing of it stands in the table
    ticket = world.open()
    assert world.carry(ticket, world.ask(ticket, first=True)) < 100
    assert rules(world) == [("partial_import", ITEMS)]
    (step,) = [one for one in cutover.steps(world.ws) if one.name == "Import from QuickBooks"]
    assert "items: job 1 is not finished" in step.detail
    assert ("partial_import", ITEMS) in [
        (row["rule"], row["table"]) for row in to_rows(cutover.match(world.ws).findings)
    ]
    world.finish()
    assert rules(world) == []
    assert imports_of(world.ws)[ITEMS].covers == "everything"


def test_an_old_import_is_stale_and_a_new_one_cures_it(world: World) -> None:
    world.ws.queue_import("items", active_only=True)
    world.finish()
    clock: Clock = world.clock
    clock.wait(8 * 86400)
    assert rules(world) == [("stale_table", ITEMS)]
    assert imports_of(world.ws)[ITEMS].covers == "active ones only"
    world.ws.set("cutover_date", "2025-12-31")
    plan = cutover.plan_export(world.ws, new=True, invoices=True)
    assert "stale_table" in set(plan.findings["rule"])
    assert "warning" in set(plan.findings["severity"])
    world.ws.set("stale_after_days", "8")
    assert rules(world) == []
    clock.wait(86400)
    assert rules(world) == [("stale_table", ITEMS)]
    world.ws.queue_import("items")
    world.finish()
    assert rules(world) == []


def test_an_export_says_nothing_of_a_table(world: World) -> None:
    world.export(invoice("1", "12.00"))
    world.finish()
    assert imports_of(world.ws) == {}


def test_the_commands_say_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ws.queue_import("items")
    world.ws.queue_import("customers")
    world.finish()
    run, folder = cli_world.runner(monkeypatch, capsys), ("-w", world.ws.path)
    shown = run("table", ITEMS, "--json", *folder).json["import"]
    assert (shown["job"], shown["covers"], shown["partial"]) == (1, "everything", None)
    assert "last complete import: job 1, 2026-01-05" in run("table", ITEMS, *folder).out
    assert "as of 2026-01-05" in run(*folder).out
    # The command's own clock is today's, long after.
    found = run("reconcile", "--json", *folder).json["findings"]
    assert [(row["rule"], row["table"]) for row in found] == [("stale_table", "quickbooks.customers")]
