"""What commands say: a proposed command can be typed as it stands, and one of a thing is told as one."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cli_world
import pandas as pd
import pytest
from cli_world import QUARTER, Toolkit

from toolkit import rehearse
from toolkit.cli.shared import quoted
from toolkit.errors import SettingError
from toolkit.rehearse import RehearsalReport
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_queue import require_movable_cutover


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives a copy of the workspace as it is at a stage."""
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def test_a_rehearsal_that_differs_says_how_to_see_it_again(
    toolkit: Toolkit, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at("fresh")
    jobs = pd.DataFrame(
        columns=["id", "kind", "status", "total", "applied", "rejected", "unknown", "skipped"]
    )
    report = RehearsalReport("it differs", False, jobs, jobs, ["a kill"], ["one invoice twice"])
    monkeypatch.setattr(rehearse, "rehearse", lambda *arguments, **options: report)
    said = toolkit("-w", workspace, "rehearse", "--faults", "3", "--seed", "7")
    assert said.code == 1
    assert f"Again: toolkit -w {workspace} rehearse --faults 3 --seed 7\n" in said.out


def test_a_copy_is_told_what_to_say(toolkit: Toolkit, at: Any, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(at("fresh"), copied)
    said = toolkit("here", "-w", copied)
    assert f"Say which it is: toolkit -w {copied} here --moved, --copy or --restored\n" in said.out


def test_an_export_to_no_file_in_particular_says_how_to_name_one(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    toolkit("-w", workspace, "set", "company_file", "-")
    toolkit("-w", workspace, "export", *QUARTER, "--invoices", "--limit", "5")
    fix = f"(fix it: toolkit -w {workspace} set company_file)\n"
    for verb in ("show", "approve"):
        assert fix in toolkit("-w", workspace, verb, "1").out


def test_refusals_propose_commands_of_this_workspace(toolkit: Toolkit, at: Any) -> None:
    workspace = at("fresh")
    assert f"(toolkit -w {workspace} show 5 lists them)" in toolkit("-w", workspace, "undo", "5").err
    said = toolkit("-w", workspace, "cert")
    assert said.code == 2
    assert f": toolkit -w {workspace} qwc --url https://NAME:8085/\n" in said.err


def test_what_the_doctor_prescribes_can_be_typed(
    toolkit: Toolkit, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at("fresh")
    monkeypatch.setattr("toolkit.doctor.probe", lambda url: None)
    said = toolkit("-w", workspace, "doctor").out.replace("\n", " ")
    assert said.count("`toolkit ") == said.count("`toolkit -w ") >= 2
    monkeypatch.setenv("TOOLKIT_WORKSPACE", str(workspace))
    assert "`toolkit -w" not in toolkit("doctor").out


def test_a_folder_or_file_with_a_blank_in_its_name_can_be_typed(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    place = tmp_path / "my books"
    at("imported").rename(place)
    toolkit("-w", place, "here", "--moved")
    book = place / "reports" / "my map.xlsx"
    said = toolkit("-w", place, "map", "--write", book).out
    assert f'then: toolkit -w "{place}" map --read "{book}"\n' in said
    with Workspace(place) as ws:
        assert quoted(ws.path) == f'"{place}"'


def test_one_of_a_thing_is_told_as_one(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    with Workspace(workspace) as ws:
        bound = to_rows(ws.read("ledger.crosswalk"))
        rows = to_rows(ws.read("billing.invoices"))
        lost = min(
            row["invoice_number"] for row in rows if row["invoice_number"] in {b["key"] for b in bound}
        )
        kept = [row for row in rows if row["invoice_number"] != lost]
        ws.write("billing.invoices", from_rows("billing.invoices", kept))
    toolkit("-w", workspace, "carry-forward", "--sign", "entered by hand")
    said = toolkit("-w", workspace, "carry-forward", "--unsign").out
    assert said.startswith("1 signature taken back: ")
    one = from_rows("ledger.crosswalk", [row for row in bound if row["origin"] == "quickbooks"][:1])
    sent = pd.DataFrame({"status": ["applied"]})
    ledger: Any = SimpleNamespace(crosswalk=lambda: one, operations=lambda: sent)
    with pytest.raises(SettingError, match="1 document was carried forward and 1 operation sent by"):
        require_movable_cutover(ledger)
