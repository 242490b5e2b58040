"""Practice on a scratch copy: drafts are run, faults recovered, and the workspace is not touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import QUARTER, Toolkit, fingerprint

from toolkit.errors import UsageError
from toolkit.rehearsal import Company
from toolkit.rehearsal.faults import draw
from toolkit.rehearse import rehearse
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def draft(toolkit: Toolkit, workspace: Path) -> None:
    said = toolkit(
        *("-w", workspace, "export", *QUARTER, "--customers", "--invoices", "--payments", "--credits")
    )
    assert "a draft" in said.out


@pytest.mark.network
def test_drafts_are_run_and_the_workspace_stays_byte_for_byte(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    draft(toolkit, workspace)
    before = fingerprint(workspace)
    said = toolkit("-w", workspace, "rehearse", "--json")
    assert fingerprint(workspace) == before
    assert said.code == 0
    assert said.json["good"] is True
    (job,) = said.json["jobs"]
    assert job["status"] == "complete"
    assert job["applied"] == job["total"] > 100
    assert said.json["outcome"] == f"{job['total']} of {job['total']} operations were applied"
    assert toolkit("-w", workspace, "jobs", "--json").json["jobs"][0]["status"] == "draft"


@pytest.mark.network
@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_every_lost_answer_is_recovered_and_nothing_is_there_twice(
    toolkit: Toolkit, at: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    workspace = at("carried")
    toolkit("-w", workspace, "import", "lists")
    draft(toolkit, workspace)
    companies: list[Company] = []
    made = Company.__init__

    def keep(self: Company, *arguments: Any) -> None:
        made(self, *arguments)
        companies.append(self)

    monkeypatch.setattr(Company, "__init__", keep)
    with Workspace(workspace) as ws:
        ws.set("set_size", "25")
        before = len(ws.read("quickbooks.invoices"))
        report = rehearse(ws, faults=4, seed=seed)
        again = rehearse(ws, faults=4, seed=seed) if seed == 1 else report
        invoices = [row for row in to_rows(ws.ledger.operations(2)) if row["record_kind"] == "invoice"]
    assert report.good, report.outcome
    assert len(report.faults) == 4
    assert sum("server killed" in fault for fault in report.faults) == 1
    assert report.differences == []
    assert again.faults == report.faults
    assert len(companies[0].tables()["quickbooks.invoices"]) == before + len(invoices)


@pytest.mark.network
def test_what_quickbooks_would_reject_is_told(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    draft(toolkit, workspace)
    with Workspace(workspace) as ws:  # somebody enters the first new customer by hand meanwhile
        wanted = next(row for row in to_rows(ws.ledger.operations(1)) if row["record_kind"] == "customer")
        rows = to_rows(ws.read("quickbooks.customers"))
        name = {"name": wanted["customer_full_name"], "full_name": wanted["customer_full_name"]}
        taken = {**rows[0], **name, "list_id": "8000FFFF-1", "balance": None, "total_balance": None}
        ws.write("quickbooks.customers", from_rows("quickbooks.customers", [*rows, taken]))
    said = toolkit("-w", workspace, "rehearse")
    assert said.code == 1
    assert "REHEARSAL of" in said.out
    assert "Not applied" in said.out
    assert wanted["key"] in said.out
    assert "already in use" in " ".join(said.out.split())


@pytest.mark.network
def test_imports_alone_are_rehearsed_too(toolkit: Toolkit, at: Any) -> None:
    workspace = at("imported")
    toolkit("-w", workspace, "import", "all")
    seen: list[int] = []
    with Workspace(workspace) as ws:
        report = rehearse(ws, seen.append)
    assert (report.good, report.outcome) == (True, "4 of 4 imports completed")
    assert seen[-1] == 100


def test_without_lists_or_a_queue_there_is_nothing_to_rehearse(at: Any) -> None:
    with Workspace(at("fresh")) as ws, pytest.raises(UsageError, match="import lists and customers first"):
        rehearse(ws)
    with Workspace(at("imported")) as ws, pytest.raises(UsageError, match="nothing is queued"):
        rehearse(ws)


def test_the_same_seed_plants_the_same_faults() -> None:
    def planted(seed: int) -> list[str]:
        return [f"{fault.gap} {fault}" for fault in draw(seed, 3)]

    assert planted(1) == planted(1)
    assert len(planted(1)) == 3
    assert any(planted(1) != planted(seed) for seed in range(2, 6))
