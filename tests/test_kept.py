"""What people decided, waived and approved is kept for ever, and can be read as tables and files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cli_world
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cli_world import Toolkit
from exchange_world import World, create, invoice

from toolkit.errors import UsageError
from toolkit.tables import from_arrow, from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_backup import backup
from toolkit.workspace_restore import restore

MADE = {"contract_code": "P1", "price_code": "Fee"}


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return create(tmp_path / "ws")


def on_disk(ws: Workspace, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table's file, and that the workspace reads the same."""
    area, _, table = name.partition(".")
    stored: pd.DataFrame = from_arrow(pq.read_table(ws.path / area / f"{table}.parquet"))
    assert to_rows(stored) == to_rows(ws.read(name))
    return to_rows(stored)


def test_a_new_workspace_has_the_files(ws: Workspace) -> None:
    for name in ("ledger.decisions", "ledger.waivers", "ledger.approvals", "mapping.charge_items"):
        assert on_disk(ws, name) == []


def test_every_decision_is_a_row_and_none_is_ever_gone(ws: Workspace) -> None:
    ws.ledger.decide("charge_items", [MADE | {"decision": "Fees", "note": "as before"}], "ann")
    ws.ledger.decide("charge_items", [MADE | {"decision": "Other"}], "bob")
    ws.ledger.decide("charge_items", [MADE | {"decision": None}], "cleo")
    assert on_disk(ws, "mapping.charge_items") == [], "none stands"
    rows = on_disk(ws, "ledger.decisions")
    assert [(row["decision"], row["note"], row["decided_by"]) for row in rows] == [
        ("Fees", "as before", "ann"),
        ("Other", None, "bob"),
        (None, None, "cleo"),
    ]
    assert {(row["table"], row["key"]) for row in rows} == {("mapping.charge_items", "P1 / Fee")}
    assert all(row["decided_at"] is not None for row in rows)


def test_a_waiver_has_a_view_while_it_stands_and_a_row_for_ever(ws: Workspace) -> None:
    ws.ledger.waive("f1", "ann", "asked by phone")
    ws.ledger.waive("f2", "bob", "rounding")
    assert [(row["finding_id"], row["note"], row["waived_by"]) for row in on_disk(ws, "ledger.waivers")] == [
        ("f1", "asked by phone", "ann"),
        ("f2", "rounding", "bob"),
    ]
    ws.ledger.withdraw_waiver("f1", "cleo")
    assert [row["finding_id"] for row in on_disk(ws, "ledger.waivers")] == ["f2"]
    rows = on_disk(ws, "ledger.decisions")
    assert [(row["table"], row["key"], row["decision"]) for row in rows] == [
        ("waivers", "f1", "waived"),
        ("waivers", "f2", "waived"),
        ("waivers", "f1", None),
    ]


def test_an_item_entered_by_hand_is_a_decision_too(ws: Workspace) -> None:
    item = {"name": "Backup", "item_type": "Service", "income_account_full_name": "Sales"}
    ws.ledger.add_item(item, "ann")
    [row] = on_disk(ws, "ledger.decisions")
    assert (row["table"], row["key"]) == ("mapping.local_items", "Backup")
    assert json.loads(row["facts"]) == {"income_account_full_name": "Sales", "item_type": "Service"}
    assert len(on_disk(ws, "mapping.local_items")) == 1


def test_who_approved_what_with_which_backup_is_kept_and_shown(tmp_path: Path, toolkit: Toolkit) -> None:
    world = World.make(tmp_path)
    ledger = world.ws.ledger
    rows = [{"position": 1, **invoice("A1", "10.00")}]
    job, _ = ledger.add_export(
        from_rows("plan.operations", rows), meta={"warnings": 2, "start": "2026-01-01"}
    )
    assert job is not None
    assert on_disk(world.ws, "ledger.approvals") == []
    unapproved = toolkit("-w", world.ws.path, "show", job)
    assert re.search(r"approved +not yet", unapproved.out)
    assert toolkit("-w", world.ws.path, "approve", job, "--note", "backup acme.qbb").code == 0
    [row] = on_disk(world.ws, "ledger.approvals")
    who = row["approved_by"]
    assert (row["job"], row["note"], row["warnings"]) == (job, "backup acme.qbb", 2)
    assert str(row["range_start"]) == "2026-01-01"
    toolkit("-w", world.ws.path, "hold", job)
    toolkit("-w", world.ws.path, "release", job)
    assert len(on_disk(world.ws, "ledger.approvals")) == 1, "what was held is released, not approved again"
    said = toolkit("-w", world.ws.path, "show", job, "--history")
    assert f"by {who} on {row['approved_at']:%Y-%m-%d %H:%M}: backup acme.qbb" in said.out
    for step in (
        f"draft -> queued; by {who}; backup acme.qbb",
        f"queued -> held; by {who}",
        "held -> queued",
    ):
        assert step in said.out
    shown = toolkit("-w", world.ws.path, "show", job, "--json").json["job"]["approval"]
    assert (shown["approved_by"], shown["note"]) == (who, "backup acme.qbb")
    assert shown["approved_at"].startswith(f"{row['approved_at']:%Y-%m-%dT%H:%M}")


@pytest.mark.parametrize("name", ["ledger.decisions", "ledger.waivers", "ledger.approvals"])
def test_they_are_tables_as_any_other(ws: Workspace, toolkit: Toolkit, name: str, tmp_path: Path) -> None:
    ws.ledger.waive("f1", "ann", "asked by phone")
    said = toolkit("-w", ws.path, "table", name, "--json")
    assert (said.code, said.json["rows"]) == (0, 0 if name == "ledger.approvals" else 1)
    assert toolkit("-w", ws.path, "table", name, "--to", tmp_path / "x.xlsx").code == 0
    with pytest.raises(UsageError, match="is a view of the ledger"):
        ws.write(name, ws.read(name))


def test_they_come_back_with_a_backup(ws: Workspace, tmp_path: Path) -> None:
    ws.ledger.waive("f1", "ann", "asked by phone")
    backup(ws.path, tmp_path / "a.zip")
    ws.ledger.waive("f2", "ann", "too late")
    ws.close()
    restore(tmp_path / "a.zip", ws.path, "bob", replace=True)
    again = Workspace(ws.path)
    assert [row["finding_id"] for row in on_disk(again, "ledger.waivers")] == ["f1"]
    rows = on_disk(again, "ledger.decisions")
    assert [(row["table"], row["decision"]) for row in rows] == [
        ("waivers", "waived"),
        ("workspace", "restored"),
    ]
    again.close()
