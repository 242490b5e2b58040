"""The carry-forward on a workspace: signed, undone, twice, with the customers that BluBilling lacks."""

from __future__ import annotations

import csv
import re
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import QUARTER, Toolkit, fingerprint, rehearsal_company, talk

from toolkit import cutover
from toolkit.carried import carried_note
from toolkit.errors import UsageError
from toolkit.tables import TABLES, from_rows, to_rows
from toolkit.workspace import Workspace

EXPORT = ("export", *QUARTER, "--invoices", "--payments", "--json")


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def at(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return lambda stage: cli_world.workspace_at(stage, tmp_path_factory.getbasetemp(), tmp_path / stage)


def lose(workspace: Path) -> str:
    """Take one carried invoice out of BluBilling's tables; return its number."""
    with Workspace(workspace) as ws:
        carried = {
            row["key"] for row in to_rows(ws.read("ledger.crosswalk")) if row["origin"] == "quickbooks"
        }
        rows = to_rows(ws.read("billing.invoices"))
        lost: str = min(row["invoice_number"] for row in rows if row["invoice_number"] in carried)
        kept = [row for row in rows if row["invoice_number"] != lost]
        ws.write("billing.invoices", from_rows("billing.invoices", kept))
    return lost


def not_tied(document: Any) -> list[Any]:
    return [row for row in document["findings"] if row["rule"] == "carried_not_tied"]


# --- signed -------------------------------------------------------------------------------------------------


def test_an_export_refuses_until_the_difference_is_signed_and_again_when_it_is_another(
    toolkit: Toolkit, at: Any
) -> None:
    workspace = at("carried")
    lost = lose(workspace)
    refused = toolkit("-w", workspace, *EXPORT).json
    assert refused["operations"] == 0 and lost in not_tied(refused)[0]["message"]
    signed = toolkit("-w", workspace, "carry-forward", "--sign", "entered by hand", "--json").json
    assert (signed["signed"], signed["note"]) == (1, "entered by hand")
    assert toolkit("-w", workspace, *EXPORT).json["operations"] > 0
    [row] = [
        row
        for row in toolkit("-w", workspace, "table", "carry_forward.tie", "--json").json["records"]
        if not row["ties"]
    ]
    assert (row["key"], row["note"], row["signed_by"]) == (lost, "entered by hand", signed["who"])
    lose(workspace)
    again = toolkit("-w", workspace, *EXPORT).json
    assert again["operations"] == 0 and not_tied(again)[0]["message"].startswith("1 carried invoices")


def test_a_signature_is_taken_back_and_kept_for_ever(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    lose(workspace)
    toolkit("-w", workspace, "carry-forward", "--sign", "entered by hand")
    assert toolkit("-w", workspace, "carry-forward", "--unsign", "--json").json["unsigned"] == 1
    assert not_tied(toolkit("-w", workspace, *EXPORT).json)
    with Workspace(workspace) as ws:
        kept = [row for row in to_rows(ws.read("ledger.decisions")) if row["table"] == "carry_forward"]
    assert [row["decision"] for row in kept] == ["signed", None]
    assert kept[0]["note"] == "entered by hand" and '"carried"' in kept[0]["facts"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sign", "why"), "nothing is to be signed"),
        (("--unsign",), "nothing of the carry-forward is signed"),
        (("--undo",), "stand in BluBilling"),
        (("--undo", "--unsign"), "exclude each other"),
        (("--undo", "--out", "F.csv"), "writes none"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line_and_changes_nothing(
    toolkit: Toolkit, at: Any, arguments: tuple[str, ...], said: str
) -> None:
    workspace = at("carried")
    before = fingerprint(workspace)
    ran = toolkit("-w", workspace, "carry-forward", *arguments)
    assert ran.code == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert fingerprint(workspace) == before


def test_a_signature_needs_a_reason(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    lose(workspace)
    ran = toolkit("-w", workspace, "carry-forward", "--sign", " ")
    assert ran.code == 2 and "reason" in ran.err


def test_signing_lists_every_difference_with_its_totals(toolkit: Toolkit, at: Any) -> None:
    workspace = at("carried")
    lost = {lose(workspace) for _ in range(3)}
    with Workspace(workspace) as ws:
        tie = [row for row in to_rows(cutover.carry_forward(ws)[0].tie) if not row["ties"]]
        names = {row["list_id"]: row["full_name"] for row in to_rows(ws.read("quickbooks.customers"))}
    said = toolkit("-w", workspace, "carry-forward", "--sign", "entered by hand").out
    assert {row["key"] for row in tie} == lost
    for row in tie:
        [line] = [line for line in said.splitlines() if row["key"] in line.split()]
        assert f"{row['carried']:,.2f}" in line and names[row["customer_list_id"]].split()[0] in line
    total = sum(row["carried"] for row in tie)
    assert f"{total:,.2f} USD carried, 0.00 in BluBilling: -{total:,.2f} apart" in said


def test_nothing_is_signed_before_blubillings_tables_have_any_carried_invoice(
    toolkit: Toolkit, at: Any
) -> None:
    workspace = at("mapped")
    assert toolkit("-w", workspace, "carry-forward").code == 0
    before = fingerprint(workspace)
    ran = toolkit("-w", workspace, "carry-forward", "--sign", "why")
    assert ran.code == 2 and "none of the 40 carried invoices" in ran.err and "load BluBilling" in ran.err
    assert fingerprint(workspace) == before


# --- undone -------------------------------------------------------------------------------------------------


def carried_keys(workspace: Path) -> dict[str, str]:
    with Workspace(workspace) as ws:
        return {row["quickbooks_id"]: row["key"] for row in to_rows(ws.read("ledger.crosswalk"))}


def test_before_the_upload_it_is_undone_and_carried_again_with_the_same_numbers(
    toolkit: Toolkit, at: Any
) -> None:
    workspace = at("mapped")
    assert toolkit("-w", workspace, "carry-forward").code == 0
    keys, file = carried_keys(workspace), workspace / "reports" / "carry_forward.csv"
    content = file.read_bytes()
    undone = toolkit("-w", workspace, "carry-forward", "--undo", "--json").json
    assert undone["undone"] == len(keys) == 44
    beside = file.with_name("carry_forward_credits.csv")
    assert sorted(undone["files"]) == [f"{file}.undone", f"{beside}.undone"]
    assert not file.exists() and not beside.exists()
    assert carried_keys(workspace) == {}
    with Workspace(workspace) as ws:
        kept = [row for row in to_rows(ws.read("ledger.decisions")) if row["table"] == "carry_forward.undone"]
    assert len(kept) == len(keys) and {row["decided_by"] for row in kept} == {undone["who"]}
    assert toolkit("-w", workspace, "carry-forward").code == 0
    assert carried_keys(workspace) == keys and file.read_bytes() == content
    assert toolkit("-w", workspace, "carry-forward", "--undo").code == 0
    nothing = toolkit("-w", workspace, "carry-forward", "--undo")
    assert nothing.code == 2 and "nothing was carried forward" in nothing.err


@pytest.mark.parametrize("how", ["copy", "perhaps", "used"])
def test_while_blubilling_has_or_uses_a_carried_credit_it_is_not_undone(
    toolkit: Toolkit, at: Any, how: str
) -> None:
    workspace = at("mapped")
    with Workspace(workspace) as ws:
        made, _ = cutover.carry_forward(ws, None, "ana")
        credit = to_rows(made.credits)[0]
        table = "billing.payment_applications" if how == "used" else "billing.adjustments"
        rows = to_rows(ws.read(table))
        if how == "used":
            there = {"payment_number": credit["key"], "invoice_number": "I-1", "seq": 1}
            rows.append(there | {"amount_applied": Decimal(1)})
        else:
            there = {"adjustment_id": "ADJ-9", "account_number": credit["account_number"]}
            there |= {"kind": "house_credit", "amount": credit["open_amount"] + (how == "perhaps")}
            rows.append(there | {"reason_text": credit["key"], "effective_date": credit["txn_date"]})
        ws.write(table, from_rows(table, rows))
    keys = carried_keys(workspace)
    refused = toolkit("-w", workspace, "carry-forward", "--undo")
    assert refused.code == 2 and ("ADJ-9" if how == "perhaps" else credit["key"]) in refused.err
    assert carried_keys(workspace) == keys


@pytest.mark.parametrize("how", ["copy", "used"])
def test_a_credit_that_was_cancelled_in_blubilling_is_taken_back(toolkit: Toolkit, at: Any, how: str) -> None:
    workspace = at("mapped")
    with Workspace(workspace) as ws:
        made, _ = cutover.carry_forward(ws, None, "ana")
        credit = to_rows(made.credits)[0]
        copy = {"adjustment_id": "ADJ-9", "account_number": credit["account_number"], "status": "Cancelled"}
        copy |= {
            "kind": "house_credit",
            "amount": credit["open_amount"],
            "effective_date": credit["txn_date"],
        }
        rows = [*to_rows(ws.read("billing.adjustments")), copy | {"reason_text": credit["key"]}]
        ws.write("billing.adjustments", from_rows("billing.adjustments", rows))
        if how == "used":
            use = {"payment_number": "ADJ-9", "invoice_number": "I-1", "seq": 1, "amount_applied": Decimal(1)}
            rows = [*to_rows(ws.read("billing.payment_applications")), use]
            ws.write("billing.payment_applications", from_rows("billing.payment_applications", rows))
    assert toolkit("-w", workspace, "carry-forward", "--undo").code == 0
    assert carried_keys(workspace) == {}


def test_an_upload_that_was_cancelled_is_undone_and_made_again_under_other_numbers(
    toolkit: Toolkit, at: Any
) -> None:
    workspace = at("carried")
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("billing.invoices"))
        bound = to_rows(ws.read("ledger.crosswalk"))
        first = {row["key"]: row for row in bound if row["record_kind"] == "invoice"}
        gone = [row | {"status": "Cancelled"} if row["invoice_number"] in first else row for row in rows]
        last = min(first)
        but_one = [
            row if row["invoice_number"] == last else each for row, each in zip(rows, gone, strict=True)
        ]
        ws.write("billing.invoices", from_rows("billing.invoices", but_one))
        with pytest.raises(UsageError, match=f"^{last} stand in BluBilling"):
            cutover.undo_carry_forward(ws, "ana")
        ws.write("billing.invoices", from_rows("billing.invoices", gone))
    assert toolkit("-w", workspace, "carry-forward", "--undo").code == 0
    with Workspace(workspace) as ws:
        for _ in range(2):  # the second time it is bound, and not there yet
            plan, path = cutover.carry_forward(ws, None, "ana")
            assert path is not None and not plan.standing
        again = {row["txn_id"]: row for row in to_rows(plan.documents) if row["record_kind"] == "invoice"}
        assert len(plan.unwritten) == len(first) == len(again)
        assert not {row["key"] for row in again.values()} & {row["invoice_number"] for row in rows}
        uploaded = [
            row | {"invoice_number": again[txn_id]["key"], "notes": carried_note("x", txn_id)}
            for row in rows
            if (txn_id := first.get(row["invoice_number"], {}).get("quickbooks_id"))
        ]
        ws.write("billing.invoices", from_rows("billing.invoices", [*gone, *uploaded]))
        plan, path = cutover.carry_forward(ws, None, "ana")
        assert path is None and len(plan.standing) == len(first)
        assert plan.tie["ties"].all()
    assert toolkit("-w", workspace, *EXPORT).json["operations"] > 0


def test_a_file_that_a_person_changed_is_not_put_aside(toolkit: Toolkit, at: Any) -> None:
    workspace = at("mapped")
    toolkit("-w", workspace, "carry-forward")
    file = workspace / "reports" / "carry_forward.csv"
    file.write_text("mine", encoding="utf-8")
    assert toolkit("-w", workspace, "carry-forward", "--undo", "--json").json["files"] == [
        f"{file.with_name('carry_forward_credits.csv')}.undone"
    ]
    assert file.read_text(encoding="utf-8") == "mine"


def test_an_upload_that_a_person_edited_is_kept_when_it_is_written_again(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace = at("mapped")
    assert toolkit("-w", workspace, "carry-forward", "--json").json["kept"] == []
    with Workspace(workspace) as ws:
        ws.set("carry_forward.header", "false")
    reports = workspace / "reports"
    there = sorted(path.name for path in reports.iterdir())
    assert toolkit("-w", workspace, "carry-forward", "--json").json["kept"] == [], "as it was written"
    assert sorted(path.name for path in reports.iterdir()) == there
    for name in ("carry_forward", "carry_forward_credits"):
        (reports / f"{name}.csv").write_text(f"{name}, by hand", encoding="utf-8")
    said = toolkit("-w", workspace, "carry-forward").out
    for name in ("carry_forward", "carry_forward_credits"):
        aside = reports / f"{name}.1.csv"
        assert f"{reports / name}.csv was there already: kept as {aside}\n" in said
        assert aside.read_text(encoding="utf-8") == f"{name}, by hand"
    other = tmp_path / "mine.csv"
    other.write_text("never written by us", encoding="utf-8")
    kept = toolkit("-w", workspace, "carry-forward", "--out", other, "--json").json["kept"]
    assert kept == [str(tmp_path / "mine.1.csv")] and Path(kept[0]).read_text("utf-8").startswith("never")


def test_carrying_forward_twice_changes_neither_the_files_nor_the_numbers(toolkit: Toolkit, at: Any) -> None:
    workspace = at("mapped")
    toolkit("-w", workspace, "carry-forward")
    names = ("carry_forward.csv", "carry_forward_credits.csv")
    first = [(workspace / "reports" / name).read_bytes() for name in names]
    keys = carried_keys(workspace)
    toolkit("-w", workspace, "carry-forward")
    assert [(workspace / "reports" / name).read_bytes() for name in names] == first
    assert carried_keys(workspace) == keys
    with (workspace / "reports" / names[1]).open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert {row["key"] for row in written} == {key for txn, key in keys.items() if key == f"QB-{txn}"}


def test_what_was_written_before_is_told_when_it_is_written_again(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace = at("mapped")
    assert "written before" not in toolkit("-w", workspace, "carry-forward").out
    first = workspace / "reports" / "carry_forward.csv"
    again = toolkit("-w", workspace, "carry-forward", "--out", tmp_path / "other.csv").out
    assert f"40 of them were written before to {first} (first on 20" in again
    assert "Never upload an invoice twice" in again
    assert toolkit("-w", workspace, "carry-forward", "--json").json["written_before"] == 40


def test_the_sample_goes_line_by_line_in_the_same_sum_and_every_table_can_be_looked_at(
    toolkit: Toolkit, at: Any, tmp_path: Path
) -> None:
    workspace = at("mapped")
    for key, value in (("shape", "lines"), ("header", "false"), ("encoding", "cp1252")):
        assert toolkit("-w", workspace, "set", f"carry_forward.{key}", value).code == 0
    shown = {}
    for name in ("upload", "credits", "customers", "proof", "tie"):
        book = tmp_path / f"{name}.xlsx"
        assert toolkit("-w", workspace, "table", f"carry_forward.{name}", "--to", book).code == 0
        assert book.exists()
        assert toolkit("-w", workspace, "table", f"carry_forward.{name}").code == 0
        shown[name] = toolkit("-w", workspace, "table", f"carry_forward.{name}", "--json").json["records"]
    assert len(shown["upload"]) == 40 and len(shown["credits"]) == 4
    said = toolkit("-w", workspace, "carry-forward")
    assert said.code == 0 and "40 invoices, 8,995.18 open" in said.out
    with (workspace / "reports" / "carry_forward.csv").open(encoding="cp1252", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 40 and len(rows[0]) > 21 and (len(rows[0]) - 12) % 9 == 0
    lines = sum(Decimal(row[place]) for row in rows for place in range(20, len(row), 9) if row[place])
    assert lines == sum(Decimal(row[7]) for row in rows) == Decimal("8995.18")
    total = next(row for row in shown["proof"] if row["scope"] == "currency")
    assert Decimal(total["open_at_cutover"]) == Decimal("8995.18") - sum(
        Decimal(row["open_amount"]) for row in shown["credits"]
    )


# --- customers that BluBilling lacks ------------------------------------------------------------------------


@pytest.fixture
def lacking(at: Any) -> tuple[Path, str]:
    """Return a workspace where BluBilling lacks a customer with open items, and that customer's ListID."""
    workspace: Path = at("mapped")
    with Workspace(workspace) as ws:
        matched = {
            row["customer_list_id"]: row["account_number"] for row in to_rows(cutover.match(ws).customers)
        }
        rows = to_rows(ws.read("quickbooks.customers"))
        owing = {row["customer_list_id"] for row in to_rows(ws.read("quickbooks.invoices"))}
        chosen = min(
            row["list_id"] for row in rows if row["balance"] and row["list_id"] in owing & matched.keys()
        )
        for row in rows:
            if row["list_id"] == chosen:
                row |= {"first_name": "=Ann", "last_name": "O'Neil", "email": "ann@example.com"}
        ws.write("quickbooks.customers", from_rows("quickbooks.customers", rows))
        ours = [r for r in to_rows(ws.read("billing.customers")) if r["account_number"] != matched[chosen]]
        ws.write("billing.customers", from_rows("billing.customers", ours))
    return workspace, chosen


def written(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


def test_a_customer_that_blubilling_lacks_is_uploaded_with_a_password_that_stands_nowhere_else(
    toolkit: Toolkit, lacking: tuple[Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    workspace, list_id = lacking
    refused = toolkit("-w", workspace, "carry-forward", "--json")
    assert refused.code == 1 and refused.json["customers_missing"] == 1
    ran = toolkit("-w", workspace, "carry-forward", "--customers", "--json")
    file = workspace / "reports" / "carry_forward_customers.csv"
    assert (ran.json["rows"], ran.json["file"]) == (1, str(file))
    [row] = written(file)
    assert list(row) == TABLES["carry_forward.customers"].names and len(row) == 25
    assert (row["First Name"], row["Last Name"]) == ("'=Ann", "O'Neil")
    money = {name: Decimal(row[name]) for name in row if "Balance" in name or name == "Last Payment Amount"}
    assert money["Outstanding Balance"] == (
        money["Previous Balance"] + money["Current Balance"] - money["Last Payment Amount"]
    )
    with Workspace(workspace) as ws:
        documents = to_rows(cutover.carry_forward(ws)[0].documents)
    owed = [
        d["open_amount"]
        for d in documents
        if d["customer_list_id"] == list_id and d["record_kind"] == "invoice"
    ]
    assert money["Outstanding Balance"] == sum(owed) > 0
    password = row["Password"]
    assert len(row["Login"]) >= 6 and len(password) >= 8
    assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    kept = [
        path for path in workspace.rglob("*") if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert kept == [file] and password not in ran.out and password not in caplog.text
    assert sys.platform == "win32" or file.stat().st_mode & 0o077 == 0
    assert toolkit("-w", workspace, "carry-forward", "--customers").code == 0
    assert written(file) == [row]  # the password that was given away stays


def test_a_customer_upload_that_a_person_edited_is_kept_with_its_passwords(
    toolkit: Toolkit, lacking: tuple[Path, str]
) -> None:
    workspace, _ = lacking
    file = workspace / "reports" / "carry_forward_customers.csv"
    again = ("-w", workspace, "carry-forward", "--customers", "--json")
    assert toolkit(*again).json["kept"] is None
    edited = file.read_bytes().replace(b"Last Name", b"Surname")
    file.write_bytes(edited)
    aside = file.with_name("carry_forward_customers.1.csv")
    assert toolkit(*again).json["kept"] == str(aside)
    assert aside.read_bytes() == edited and len(written(file)) == 1
    assert sys.platform == "win32" or aside.stat().st_mode & 0o077 == 0
    assert toolkit("-w", workspace, "backup", workspace.parent / "whole.zip", "--all").code == 0
    password = written(file)[0]["Password"].encode()
    with zipfile.ZipFile(workspace.parent / "whole.zip") as archive:
        assert not [name for name in archive.namelist() if "carry_forward_customers" in name]
        assert not any(password in archive.read(name) for name in archive.namelist())


def test_passwords_are_written_where_no_backup_takes_them_along(
    toolkit: Toolkit, lacking: tuple[Path, str], tmp_path: Path
) -> None:
    workspace, _ = lacking
    inside = workspace / "reports" / "ours.csv"
    refused = toolkit("-w", workspace, "carry-forward", "--customers", "--out", inside)
    assert refused.code == 2 and "a backup would take its passwords along" in refused.err
    assert not inside.exists()
    outside = tmp_path / "ours.csv"
    assert toolkit("-w", workspace, "carry-forward", "--customers", "--out", outside).code == 0
    assert len(written(outside)) == 1


def test_after_the_upload_the_customer_is_matched_by_the_number_that_was_made(
    toolkit: Toolkit, lacking: tuple[Path, str]
) -> None:
    workspace, list_id = lacking
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("quickbooks.customers"))
        for row in rows:
            row["account_number"] = None if row["list_id"] == list_id else row["account_number"]
        ws.write("quickbooks.customers", from_rows("quickbooks.customers", rows))
    toolkit("-w", workspace, "carry-forward", "--customers")
    [row] = written(workspace / "reports" / "carry_forward_customers.csv")
    assert row["Account Number"] == f"QB-{list_id}"
    with Workspace(workspace) as ws:
        uploaded = {"account_number": row["Account Number"], "name": "Whoever", "source": "customers.csv"}
        every = [*to_rows(ws.read("billing.customers")), uploaded]
        ws.write("billing.customers", from_rows("billing.customers", every))
        plan, path = cutover.carry_forward(ws)
    assert plan.ready and path is not None and not len(plan.customers)


def test_a_required_field_that_quickbooks_lacks_is_a_finding_and_the_customer_stays_out(
    toolkit: Toolkit, lacking: tuple[Path, str]
) -> None:
    workspace, list_id = lacking
    with Workspace(workspace) as ws:
        rows = to_rows(ws.read("quickbooks.customers"))
        for row in rows:
            if row["list_id"] == list_id:
                row["email"] = None
        ws.write("quickbooks.customers", from_rows("quickbooks.customers", rows))
    ran = toolkit("-w", workspace, "carry-forward", "--customers", "--json")
    assert ran.code == 1 and ran.json["file"] is None
    assert [(row["rule"], row["key"], row["column"]) for row in ran.json["findings"]] == [
        ("customer_field", list_id, "email")
    ]


# --- a carried credit is used -------------------------------------------------------------------------------


def test_the_rehearsal_company_applies_its_own_credit_and_makes_no_new_document(at: Any) -> None:
    with Workspace(at("carried")) as ws:
        documents = to_rows(cutover.carry_forward(ws)[0].documents)
        credit, invoice = next(
            (credit, invoice)
            for credit in documents
            for invoice in documents
            if credit["record_kind"] == "credit_memo" and invoice["record_kind"] == "invoice"
            if credit["customer_list_id"] == invoice["customer_list_id"]
        )
        amount = min(credit["open_amount"], invoice["open_amount"], Decimal(5))
        use = {"payment_number": credit["key"], "invoice_number": invoice["key"], "seq": 1}
        use |= {"amount_applied": amount, "applied_date": cli_world.dt.date(2026, 1, 20)}
        ws.write("billing.payments", from_rows("billing.payments", []))
        ws.write("billing.payment_applications", from_rows("billing.payment_applications", [use]))
        plan = cutover.plan_export(ws, start="2026-01-01", end="2026-01-31", payments=True)
        assert list(plan.operations["key"]) == [f"payment:{credit['key']}/{invoice['key']}/1"]
        ws.queue(plan, approved_by="analyst")
        company = rehearsal_company()
        before = {kind: len(rows) for kind, rows in held(company).items()}
        owed = balances(company, credit["txn_id"], invoice["txn_id"])
        talk(ws, company)
        [done] = to_rows(ws.read("ledger.operations"))
        assert (done["status"], done["status_message"]) == ("applied", None)
        left = balances(company, credit["txn_id"], invoice["txn_id"])
        assert (owed[0] - left[0], owed[1] - left[1]) == (amount, amount)
        after = {kind: len(rows) for kind, rows in held(company).items()}
        assert after["CreditMemo"] == before["CreditMemo"]
        [unread] = [
            r for r in to_rows(cutover.tie_out(ws).differences) if r["record_kind"] == "carried credit"
        ]
        assert unread["explained"] and unread["meant"] == amount
        ws.queue_import("receivables")
        talk(ws, company)
        tied = cutover.tie_out(ws)
        [total] = [row for row in to_rows(tied.totals) if row["record_kind"] == "carried credit"]
        assert (total["queued_amount"], total["quickbooks_amount"]) == (amount, amount)
        assert not [row for row in to_rows(tied.differences) if row["record_kind"] == "carried credit"]
        again = cutover.plan_export(ws, start="2026-01-01", end="2026-01-31", payments=True)
        assert not len(again.operations)


def held(company: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"CreditMemo": [], "ReceivePayment": []}
    for record in company.books.transactions.values():
        found.setdefault(record.kind, []).append(record)
    return found


def balances(company: Any, credit: str, invoice: str) -> tuple[Decimal, Decimal]:
    books = company.books
    fields = books.transactions[invoice].fields
    total = (
        (fields.get("Subtotal") or 0)
        + (fields.get("SalesTaxTotal") or 0)
        + (fields.get("AppliedAmount") or 0)
    )
    return books.transactions[credit].fields["CreditRemaining"], Decimal(total)
