"""``toolkit waive --rule``: what QuickBooks rejected for one cause is let through together."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit
from export_world import customer, invoice, line, world
from test_fix import Books, make
from test_rejected_again import ALL, blocking, refuse

from toolkit import cutover
from toolkit.checks_books import Books as Lists
from toolkit.checks_waivers import given_for
from toolkit.cli import gate
from toolkit.errors import LedgerError
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

PERMISSION = {f"INV-{number}" for number in range(1, 7)}
CLOSED = "INV-9"
WAIVE = ("waive", "--rule", "rejected_before")
MENDED = (*WAIVE, "--containing", "(3260) in job 1", "--note", "permission given")


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    monkeypatch.setenv("LOGNAME", "ann")
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    """A workspace after an export of which QuickBooks took no invoice: six for one cause, one for another."""
    rows = world()
    rows["billing.customers"].append(customer("A3", "Crane"))
    for number in [*sorted(PERMISSION - {"INV-1"}), CLOSED]:
        rows["billing.invoices"].append(invoice(number, "10.00"))
        rows["billing.invoice_lines"].append(line(number, "10.00"))
    made = make(tmp_path, rows, rows)
    with monkeypatch.context() as patched:
        refuse(patched, 3171, f"invoice:{CLOSED}")
        refuse(patched, 3260, *(f"invoice:{number}" for number in PERMISSION))
        made.export()
    assert {row["key"] for row in blocking(plan(made.ws))} == {*PERMISSION, CLOSED}
    return made


def plan(ws: Workspace) -> Any:
    return cutover.plan_export(ws, new=True, **ALL)


def sent(ws: Workspace) -> set[str]:
    return set(plan(ws).operations["source_key"])


def test_what_was_rejected_for_one_cause_is_waived_together(toolkit: Toolkit, refused: Books) -> None:
    folder = refused.ws.path
    said = toolkit(*MENDED, "-w", folder)
    assert said.code == 0
    assert said.out.splitlines()[0] == (
        "Waived 6 findings of rejected_before (6 of billing.invoices, 150.00 USD): permission given"
    )
    assert "Next: toolkit -w" in said.out and "export" in said.out
    assert sent(refused.ws) == {*PERMISSION, "P-1"}
    assert [row["key"] for row in blocking(plan(refused.ws)) if row["severity"] == "error"] == [CLOSED]
    refused.export()
    assert {key for key, status in refused.statuses().items() if status == "rejected"} == {
        f"invoice:{CLOSED}"
    }
    kept = to_rows(refused.ws.read("ledger.waivers"))
    assert {(row["waived_by"], row["note"]) for row in kept} == {("ann", "permission given")} and len(
        kept
    ) == 6


def test_programs_are_told_what_was_waived_and_it_is_taken_back(toolkit: Toolkit, refused: Books) -> None:
    folder = refused.ws.path
    told = toolkit(*MENDED, "-w", folder, "--json").json
    assert {row["key"] for row in told.pop("findings")} == PERMISSION
    assert {name: Decimal(amount) for name, amount in told.pop("amounts").items()} == {"USD": Decimal(150)}
    assert told == {
        **{"rule": "rejected_before", "containing": "(3260) in job 1", "waived": True, "who": "ann"},
        **{"note": "permission given", "count": 6, "changed": 6},
    }
    again = toolkit(*MENDED, "-w", folder)
    assert again.code == 2 and "can be waived now" in again.err, "all of them are"
    undo = (*WAIVE, "--containing", "(3260)", "--undo", "-w", folder)
    told = toolkit(*undo, "--json").json
    assert (told["waived"], told["count"], told["changed"], told["who"]) == (False, 6, 6, "ann")
    assert not len(refused.ws.read("ledger.waivers")) and not sent(refused.ws)
    assert toolkit(*undo).code == 2
    assert toolkit(*WAIVE, "--note", "both mended", "-w", folder).code == 0
    assert sent(refused.ws) == {*PERMISSION, CLOSED, "P-1"}
    assert toolkit(*WAIVE, "--undo", "-w", folder).out.startswith("7 findings of rejected_before")


def test_the_finding_names_the_command_where_several_stand(toolkit: Toolkit, refused: Books) -> None:
    told = {row["key"]: row["message"] for row in blocking(plan(refused.ws))}
    command = 'toolkit waive --rule rejected_before --containing "(3260) in job 1" --note "why"'
    assert {key for key, message in told.items() if command in message} == PERMISSION
    assert "--rule" not in told[CLOSED]
    assert "--rule" in toolkit("waive", "--help").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("0123456789abcdef", *WAIVE[1:], "--note", "why"), "either the id of a finding, or --rule"),
        (("--containing", "job 1", "--note", "why"), "--rule RULE"),
        ((*WAIVE[1:], "--containing", " ", "--note", "why"), "--containing needs a text"),
        (
            (*WAIVE[1:], "--containing", "job 11", "--note", "why"),
            "no finding of rejected_before with 'job 11'",
        ),
        ((*WAIVE[1:], "--containing", "(326", "--note", "why"), "no finding of rejected_before with '(326'"),
        (WAIVE[1:], "(7 of billing.invoices, 160.00 USD): a waiver needs its reason"),
        (("--rule", "rejected_befor", "--note", "why"), "did you mean rejected_before?"),
        (("--rule", "lines_sum", "--note", "why"), "rule lines_sum has no waiver"),
        (("--rule", "assumed_version", "--note", "why"), "rule assumed_version has no waiver"),
        ((*WAIVE[1:], "--undo"), "no finding of rejected_before is waived now"),
    ],
)
def test_what_cannot_be_waived_together_is_said_in_one_line(
    toolkit: Toolkit, refused: Books, arguments: tuple[str, ...], told: str
) -> None:
    before = cli_world.fingerprint(refused.ws.path)
    ran = toolkit("waive", *arguments, "-w", refused.ws.path)
    assert ran.code == 2 and told in ran.err and len(ran.err.splitlines()) == 1
    assert cli_world.fingerprint(refused.ws.path) == before


def test_each_is_waived_for_its_row_as_it_is(refused: Books) -> None:
    ws = refused.ws
    found = from_rows("findings", blocking(plan(ws)))
    assert cutover.waive_all(ws, found, "ann", "mended") == 7
    assert cutover.waive_all(ws, found, "ann", "mended") == 0
    books = Lists(ws.tables(), ws.settings)
    meant = {row["finding_id"]: given_for(books, row["table"], row["key"]) for row in to_rows(found)}
    assert {row["finding_id"]: row["given_for"] for row in to_rows(ws.read("ledger.waivers"))} == meant
    rows = to_rows(ws.read("billing.invoices"))
    for row in rows:
        row["due_date"] = row["invoice_date"] if row["invoice_number"] == "INV-3" else row["due_date"]
    with ws.lock():
        ws.write("billing.invoices", from_rows("billing.invoices", rows))
    assert "INV-2" in sent(ws)
    waiting = [row["key"] for row in blocking(plan(ws)) if row["severity"] == "error"]
    assert not waiting, "what was corrected needs no waiver"


def test_waivers_are_kept_all_or_none(refused: Books) -> None:
    ledger = refused.ws.ledger
    with pytest.raises(LedgerError, match="needs its reason"):
        ledger.waive_all({"a": None, "b": None}, "ann", " ")
    with pytest.raises(LedgerError, match="needs the name"):
        ledger.waive_all({"a": None}, " ", "why")
    assert not ledger.waivers()
    assert ledger.waive_all({"a": "x", "b": None}, "ann", "why") == 2
    times = {row["at"] for row in ledger.waivers().values()}
    assert len(times) == 1, "one transaction"
    assert ledger.withdraw_waivers(["a", "b", "c"], "ann") == 2 and not ledger.waivers()


def test_many_waivers_do_not_read_the_tables_many_times(
    refused: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = refused.ws
    read: list[str] = []
    found = from_rows("findings", blocking(plan(ws)))

    def counted(books: Lists, table: str, *columns: str, **more: Any) -> list[dict[str, Any]]:
        read.append(table)
        return as_it_is(books, table, *columns, **more)

    as_it_is = Lists.rows
    monkeypatch.setattr(Lists, "rows", counted)
    assert cutover.waive_all(ws, found, "ann", "mended") == 7
    assert sorted(read) == ["billing.invoice_lines", "billing.invoices"]


def test_a_list_that_is_cut_short_says_how_to_waive_together(
    toolkit: Toolkit, refused: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "All of a rule together" not in toolkit("waive", "-w", refused.ws.path).out
    monkeypatch.setattr(gate, "_SHOWN", 5)
    assert "All of a rule together: toolkit -w" in toolkit("waive", "-w", refused.ws.path).out
