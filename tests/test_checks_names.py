"""The names that customers share with vendors, employees and others: imported as names, nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import cli_world
import pytest

from toolkit import cutover
from toolkit.import_plan import Scope, import_jobs
from toolkit.rehearsal import Company, queries
from toolkit.rehearsal.sample import sample_tables
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

TABLE = "quickbooks.other_names"


@pytest.fixture
def ws(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = cli_world.workspace_at("mapped", tmp_path_factory.getbasetemp(), tmp_path / "mapped")
    with Workspace(folder) as opened:
        yield opened


def names(ws: Workspace, *, left: bool = False) -> set[tuple[str, str]]:
    rows = to_rows(ws.read(TABLE))
    return {(row["kind"], row["name"]) for row in rows if (row["left_at"] is not None) is left}


def known() -> set[tuple[str, str]]:
    return {(row["kind"], row["name"]) for row in to_rows(sample_tables()[TABLE])}


def test_of_vendors_and_employees_only_the_names_are_asked_for() -> None:
    ((_, queries),) = import_jobs("lists", Scope())
    asked = {query["name"]: query["fields"] for query in queries if query["table"] == TABLE}
    assert set(asked) == {"VendorQuery", "EmployeeQuery", "OtherNameQuery"}
    for fields in asked.values():
        wanted = {"ListID", "TimeCreated", "TimeModified", "EditSequence", "Name", "IsActive"}
        assert set(fields["IncludeRetElement"]) == wanted and fields["ActiveStatus"] == "All"


def test_an_import_knows_them_all_and_a_kind_that_is_asked_for_takes_none_of_the_others(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {kind for kind, _ in known()} == {"Vendor", "Employee", "OtherName"}
    assert names(ws) == known() and not names(ws, left=True)
    tables = sample_tables()
    gone = ("Vendor", "Coldspring Data Center")
    rows = [row for row in to_rows(tables[TABLE]) if (row["kind"], row["name"]) != gone]
    later = Company.from_tables(
        tables | {TABLE: from_rows(TABLE, rows)},
        clock=lambda: dt.datetime(2026, 4, 2, 9),
        file_path=cli_world.COMPANY_FILE,
        strict=False,
    )
    monkeypatch.setattr(cli_world, "rehearsal_company", lambda: later)
    ws.queue_import("lists")
    cli_world.talk(ws)
    assert names(ws, left=True) == {gone} and names(ws) == known() - {gone}


def test_who_may_not_see_the_employees_loses_none_of_those_known(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = ("MultiCurrencyPreferences", "IsMultiCurrencyOn")
    monkeypatch.setitem(queries.NEEDS, "EmployeeQuery", off)
    ws.queue_import("lists")
    cli_world.talk(ws)
    assert names(ws) == known() and not names(ws, left=True)


def test_a_new_customer_with_a_vendors_name_is_stopped_before_quickbooks_refuses_it(ws: Workspace) -> None:
    rows = to_rows(ws.read("billing.customers"))
    vendor = min(name for kind, name in known() if kind == "Vendor")
    new = next(row for row in to_rows(ws.read("mapping.customers")) if row["decision"] == "(new)")
    ws.ledger.decide("customers", [new | {"new_name": vendor.upper()}], "ann")
    options = {"start": "2026-01-01", "end": "2026-01-31", "customers": True}
    plan = cutover.plan_export(ws, **options)
    (found,) = [row for row in to_rows(plan.findings) if row["rule"] == "name_in_use"]
    assert found["key"] == new["account_number"] and "as a vendor" in found["message"]
    assert new["account_number"] not in {row["source_key"] for row in to_rows(plan.operations)}
    assert len(rows) > len(plan.operations) > 0
