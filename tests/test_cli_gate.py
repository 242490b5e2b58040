"""``toolkit rules`` and ``toolkit waive``: the page of all rules, and the one way round some of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit

from toolkit.checks import RULES
from toolkit.checks_declared import DECLARED, REMEDIES
from toolkit.checks_page import rule_rows, rules_page
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

PAGE = Path(__file__).parents[1] / "docs" / "rules.md"


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def mapped(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which one invoice is CarriedOver."""
    folder = cli_world.workspace_at("carried", tmp_path_factory.getbasetemp(), tmp_path / "carried")
    with Workspace(folder) as ws:
        rows = to_rows(ws.read("billing.invoices"))
        for row in rows:
            if row["invoice_number"] == number(rows):
                row["status"] = "CarriedOver"
        ws.write("billing.invoices", from_rows("billing.invoices", rows))
    return folder


def number(rows: list[dict[str, Any]]) -> str:
    """Return an invoice of January that BluBilling made."""
    found = [row for row in rows if row["invoice_kind"] is None or row["invoice_kind"] == "normal"]
    wanted: str = max(row["invoice_number"] for row in found if row["status"] in ("Paid", "CarriedOver"))
    return wanted


# --- rules --------------------------------------------------------------------------------------------------


def test_the_page_in_the_docs_is_the_one_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "toolkit rules --markdown > docs/rules.md"


def test_the_page_has_every_rule_and_what_to_do_about_it() -> None:
    rows = list(rule_rows())
    assert {row["rule"] for row in rows} >= {*RULES, *(e.name for each in DECLARED.values() for e in each)}
    assert set(REMEDIES) == set(RULES), "say in checks_declared.tsv what to do about a rule of the gate"
    for row in rows:
        assert f"`{row['rule']}`" in rules_page() and str(row["meaning"]).endswith(".")
    assert len(rules_page().splitlines()) > len(rows)


def test_rules_are_listed_for_people_and_for_programs(toolkit: Toolkit) -> None:
    assert toolkit("rules", "--markdown").out == rules_page()
    listed = toolkit("rules", "--json").json["rules"]
    assert listed == list(rule_rows())
    assert "origin" in toolkit("rules").out


# --- waive --------------------------------------------------------------------------------------------------


def test_a_finding_is_waived_with_who_and_why_and_taken_back(
    toolkit: Toolkit, mapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    listed = toolkit("waive", "-w", mapped, "--json").json["waivable"]
    with Workspace(mapped) as ws:
        carried = number(to_rows(ws.read("billing.invoices")))
    (found,) = [row for row in listed if row["rule"] == "carried_over" and row["key"] == carried]
    said = toolkit("waive", found["finding_id"], "--note", "its own lines", "-w", mapped, "--json").json
    assert (said["waived"], said["new"], said["who"]) == (True, True, "ann")
    assert said["key"] == found["key"]
    listed = toolkit("waive", "-w", mapped, "--json").json
    assert [row["note"] for row in listed["waived"]] == ["its own lines"]
    assert [(row["rule"], row["key"]) for row in listed["waived"]] == [("carried_over", found["key"])]
    _, _, shown = toolkit("waive", "-w", mapped).out.partition("\nwaived\n")
    assert "rule" in shown.split() and "key" in shown.split()
    assert found["finding_id"] not in {row["finding_id"] for row in listed["waivable"]}
    with Workspace(mapped) as ws:
        rows = to_rows(ws.read("billing.invoices"))
        next(row for row in rows if row["invoice_number"] == carried)["due_date"] += dt.timedelta(days=1)
        ws.write("billing.invoices", from_rows("billing.invoices", rows))
    listed = toolkit("waive", "-w", mapped, "--json").json
    assert found["finding_id"] in {row["finding_id"] for row in listed["waivable"]}
    again = ("waive", found["finding_id"], "--note", "its own lines", "-w", mapped, "--json")
    assert toolkit(*again).json["new"] and not toolkit(*again).json["new"]
    export = ("export", "--start", "2026-01-01", "--end", "2026-01-31", "--invoices", "-w", mapped, "--json")
    assert found["key"] not in {row["source_key"] for row in toolkit(*export).json["left_out"]}
    assert toolkit("waive", found["finding_id"], "--undo", "-w", mapped).code == 0
    assert not toolkit("waive", "-w", mapped, "--json").json["waived"]
    with Workspace(mapped) as ws:
        kept = [row for row in to_rows(ws.read("ledger.decisions")) if row["table"] == "waivers"]
    assert [(row["decision"], row["note"]) for row in kept] == [
        ("waived", "its own lines"),
        ("waived", "its own lines"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("0123456789abcdef", "--note", "why"), "there is no finding 0123456789abcdef"),
        (("0123456789abcdef",), "needs its reason"),
        (("0123456789abcdef", "--undo"), "nothing to undo"),
        (("--note", "why"), "waive which finding?"),
    ],
)
def test_what_cannot_be_waived_is_said_in_one_line(
    toolkit: Toolkit, mapped: Path, arguments: tuple[str, ...], told: str
) -> None:
    before = cli_world.fingerprint(mapped)
    ran = toolkit("waive", *arguments, "-w", mapped)
    assert ran.code == 2 and told in ran.err and len(ran.err.splitlines()) == 1
    assert cli_world.fingerprint(mapped) == before


def test_a_rule_without_a_waiver_is_refused(toolkit: Toolkit, mapped: Path) -> None:
    with Workspace(mapped) as ws:
        rows = to_rows(ws.read("billing.invoices"))
        row = next(row for row in rows if row["invoice_number"] == number(rows))
        row |= {"status": "Paid", "current_amount_due": row["current_amount_due"] + 1}
        ws.write("billing.invoices", from_rows("billing.invoices", rows))
    export = ("export", "--start", "2026-01-01", "--end", "2026-01-31", "--invoices", "-w", mapped, "--json")
    (wrong,) = [row for row in toolkit(*export).json["findings"] if row["rule"] == "lines_sum"]
    ran = toolkit("waive", wrong["finding_id"], "--note", "no matter", "-w", mapped)
    assert ran.code == 2 and "lines_sum has no waiver" in ran.err
