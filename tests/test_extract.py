"""QuickBooks' answers through one door: kept, counted, landed whole, and landed again."""

from __future__ import annotations

import datetime as dt
import gzip
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from toolkit import extract
from toolkit.errors import InputFileError, QbxmlParseError, UsageError
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

MORE = {"iteratorRemainingCount": "1", "iteratorID": "{it}"}
LAST = {"iteratorRemainingCount": "0"}

# What may stand inside a record is known to be none: its table is written with it.
ITEM_PARTS = {
    "quickbooks.item_group_lines": 0,
    "quickbooks.item_assembly_lines": 0,
    "quickbooks.sales_tax_group_items": 0,
}
CUSTOMER_PARTS = {
    "quickbooks.customer_contact_details": 0,
    "quickbooks.customer_ship_to_addresses": 0,
}


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 4, 1, 12)

    def __call__(self) -> dt.datetime:
        return self.now

    def on(self, minutes: int = 1) -> dt.datetime:
        self.now += dt.timedelta(minutes=minutes)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ws"
    Workspace.create(path, company="Acme", password="s3cret-word").close()
    return path


@pytest.fixture
def ws(template: Path, tmp_path: Path, clock: Clock) -> Iterator[Workspace]:
    shutil.copytree(template, tmp_path / "ws")
    with Workspace(tmp_path / "ws", clock=clock) as copied:
        yield copied


def answer(*responses: str) -> bytes:
    body = "".join(responses)
    return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs>{body}</QBXMLMsgsRs></QBXML>'.encode()


def response(
    name: str, *rets: str, request_id: str = "", code: int = 0, message: str = "OK", **more: Any
) -> str:
    attributes = {
        "requestID": request_id,
        "statusCode": code,
        "statusSeverity": "Info",
        "statusMessage": message,
    }
    shown = " ".join(f'{key}="{value}"' for key, value in {**attributes, **more}.items() if value != "")
    return f"<{name}Rs {shown}>{''.join(rets)}</{name}Rs>"


def item(number: int, name: str = "", **more: str) -> str:
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in more.items())
    name = name or f"Item {number}"
    return (
        f"<ItemServiceRet><ListID>80-{number}</ListID><TimeModified>2026-01-{number:02}T08:00:00-08:00"
        f"</TimeModified><Name>{name}</Name><FullName>{name}</FullName>{inner}</ItemServiceRet>"
    )


CARD = "<CreditCardNumber>xxxxxxxxxxxx1111</CreditCardNumber>"  # nothing that we keep


def customer(number: int, **more: str) -> str:
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in more.items())
    return f"<CustomerRet><ListID>C-{number}</ListID><Name>Customer {number}</Name>{inner}</CustomerRet>"


def invoice(number: int, *lines: str, day: str = "2026-03-01", paid: bool = False, links: str = "") -> str:
    inner = "".join(
        f"<InvoiceLineRet><TxnLineID>{number}-{place}-{amount}</TxnLineID><Amount>{amount}</Amount>"
        f"<DataExtRet><OwnerID>0</OwnerID><DataExtName>Site</DataExtName><DataExtType>STR255TYPE</DataExtType>"
        f"<DataExtValue>{amount}</DataExtValue></DataExtRet></InvoiceLineRet>"
        for place, amount in enumerate(lines, 1)
    )
    return (
        f"<InvoiceRet><TxnID>T-{number}</TxnID><TxnDate>{day}</TxnDate><IsPaid>{str(paid).lower()}</IsPaid>"
        f"{links}{inner}</InvoiceRet>"
    )


def link(payment: str) -> str:
    inner = f"<TxnID>{payment}</TxnID><TxnType>ReceivePayment</TxnType><Amount>-1.00</Amount>"
    return f"<LinkedTxn>{inner}</LinkedTxn>"


def rules(landed: extract.Landed) -> list[str]:
    return list(landed.findings["rule"])


def ids(ws: Workspace, table: str, column: str = "list_id") -> list[str]:
    return sorted(ws.read(f"quickbooks.{table}")[column])


def left(ws: Workspace, table: str, column: str = "list_id") -> dict[str, dt.datetime]:
    return {row[column]: row["left_at"] for row in to_rows(ws.read(f"quickbooks.{table}")) if row["left_at"]}


# --- an import, page by page


def test_pages_wait_in_the_inbox_until_the_last_one(ws: Workspace, clock: Clock) -> None:
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    start = response("ItemQuery", item(1), item(2), request_id=f"J{job}Q{query.id}P1", **MORE)
    first = extract.receive(ws, answer(start), job=job, name="ItemQuery")
    assert (first.complete, first.tables, first.records, first.job) == (False, {}, 2, job)
    assert not ws.has("quickbooks.items")
    (query,) = ws.ledger.queries(job)
    assert (query.status, query.pages, query.records, query.remaining) == ("running", 1, 2, 1)
    assert query.iterator_id == "{it}"
    then = clock.on()
    end = response("ItemQuery", item(3), request_id=f"J{job}Q{query.id}P2", **LAST)
    last = extract.receive(ws, answer(end), job=job, name="ItemQuery")
    assert (last.complete, last.tables, last.records) == (True, {"quickbooks.items": 3} | ITEM_PARTS, 3)
    rows = to_rows(ws.read("quickbooks.items"))
    assert [row["list_id"] for row in rows] == ["80-1", "80-2", "80-3"]
    assert [row["imported_at"] for row in rows] == [then - dt.timedelta(minutes=1)] * 2 + [then]
    assert {row["import_job"] for row in rows} == {job}
    assert ws.ledger.job(job).status == "complete"
    assert len(list((ws.path / "inbox").iterdir())) == 2


def test_a_job_is_finished_half_by_receive_and_half_by_land(ws: Workspace, tmp_path: Path) -> None:
    (job,) = ws.queue_import("receivables")
    invoices, credits_, payments = ws.ledger.queries(job)
    data = answer(response("InvoiceQuery", invoice(1, "5.00"), request_id=f"J{job}Q{invoices.id}P1"))
    assert not extract.receive(ws, data, job=job).complete
    named = tmp_path / "payments.xml.gz"
    named.write_bytes(
        gzip.compress(answer(response("ReceivePaymentQuery", request_id=f"J{job}Q{payments.id}P1", code=1)))
    )
    waiting = extract.land(ws, [named])
    assert (waiting.job, waiting.complete) == (job, False)
    plain = tmp_path / "credits.xml"
    plain.write_bytes(answer(response("CreditMemoQuery", code=1)))
    done = extract.land(ws, [plain], job=job)
    assert done.complete
    assert done.tables == {
        "quickbooks.invoices": 1,
        "quickbooks.invoice_lines": 1,
        "quickbooks.linked_transactions": 0,
        "quickbooks.credit_memos": 0,
        "quickbooks.payments": 0,
        "quickbooks.custom_fields": 1,
    }
    assert ws.has("quickbooks.payments"), "imported, and there are none: not the same as never imported"
    assert credits_.name == "CreditMemoQuery"
    assert ws.ledger.job(job).status == "complete"


def test_one_file_answers_a_whole_job(ws: Workspace, tmp_path: Path) -> None:
    (job,) = ws.queue_import("lists")
    names = [query.name for query in ws.ledger.queries(job)]
    rets = {"CompanyQuery": "<CompanyRet><CompanyName>Acme</CompanyName></CompanyRet>"}
    rets["HostQuery"] = "<HostRet><ProductName>QuickBooks</ProductName></HostRet>"
    path = tmp_path / "lists.xml"
    path.write_bytes(
        answer(*(response(name, rets.get(name, ""), code=0 if name in rets else 1) for name in names))
    )
    landed = extract.land(ws, [path], job=job)
    assert landed.complete
    (company,) = to_rows(ws.read("quickbooks.company"))
    assert (company["company_name"], company["product_name"]) == ("Acme", "QuickBooks")


def test_files_are_landed_in_the_order_of_their_pages(ws: Workspace, tmp_path: Path) -> None:
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    for page, more in (
        (1, 'iteratorRemainingCount="1" iteratorID="{it}"'),
        (2, 'iteratorRemainingCount="0"'),
    ):
        text = response("ItemQuery", item(page), request_id=f"J{job}Q{query.id}P{page}")
        (tmp_path / f"{9 - page}.xml").write_bytes(answer(text.replace("requestID", f"{more} requestID")))
    with pytest.raises(InputFileError):
        extract.land(ws, [tmp_path / "7.xml", tmp_path / "absent.xml"])
    with pytest.raises(UsageError, match="page 2 of ItemQuery and page 1 has not come"):
        extract.land(ws, [tmp_path / "7.xml"])
    assert not list((ws.path / "inbox").iterdir()), "nothing changed"
    assert (
        extract.land(ws, [tmp_path / "7.xml", tmp_path / "8.xml"]).tables
        == {"quickbooks.items": 2} | ITEM_PARTS
    )
    assert ids(ws, "items") == ["80-1", "80-2"]


def test_a_repeated_page_changes_nothing(ws: Workspace) -> None:
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    data = answer(response("ItemQuery", item(1), request_id=f"J{job}Q{query.id}P1", **MORE))
    extract.receive(ws, data, job=job)
    again = extract.receive(ws, data, job=job)
    assert not again.complete
    assert ws.ledger.queries(job)[0].pages == 1
    assert len(ws.ledger.pages(job)) == 1


def test_an_answer_of_another_workspace_is_landed_by_itself(ws: Workspace) -> None:
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    data = answer(response("CustomerQuery", customer(1), request_id=f"J{job}Q{query.id}P1"))
    landed = extract.receive(ws, data)
    assert landed.job != job
    assert ws.ledger.job(job).status == "queued"


# --- what fails


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (answer(response("ItemQuery", code=3120, message="Gone.")), "Gone. A record that the request names"),
        (answer(response("ItemQuery", item(1)))[:-30], "broken off"),
        (b"<html><body>Proxy error</body></html>", "Not a qbXML answer"),
        (b"", "Not a qbXML answer"),
        (answer(), "answers nothing; job 1 waits for ItemQuery"),
        (
            answer(response("ItemQuery", item(1), iteratorRemainingCount=5)),
            "QuickBooks has 5 more and gives no iteratorID",
        ),
    ],
)
def test_a_useless_answer_fails_its_job_and_is_kept(ws: Workspace, data: bytes, said: str) -> None:
    (job,) = ws.queue_import("items")
    landed = extract.receive(ws, data, job=job, name="ItemQuery")
    failed = ws.ledger.job(job)
    assert failed.status == "failed"
    assert said in str(failed.message)
    assert not landed.complete
    assert not ws.has("quickbooks.items")
    (kept,) = (ws.path / "inbox").iterdir()
    with ws.open_answer(kept) as stream:
        assert stream.read() == data


def test_nothing_found_is_fine_and_a_warning_is_said(ws: Workspace) -> None:
    (job,) = ws.queue_import("items")
    data = answer(response("ItemQuery", item(1), code=530, message="An unsupported field."))
    landed = extract.receive(ws, data, job=job)
    assert landed.complete
    assert [(row["severity"], row["rule"]) for row in to_rows(landed.findings)] == [
        ("warning", "quickbooks_warning")
    ]
    assert ids(ws, "items") == ["80-1"]


def test_a_full_page_without_a_count_may_be_cut_off(ws: Workspace) -> None:
    ws.set("page_size", "2")
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    name = f"J{job}Q{query.id}P1"
    extract.receive(ws, answer(response("ItemQuery", item(1), item(2), request_id=name)), job=job)
    failed = ws.ledger.job(job)
    assert failed.status == "failed"
    assert "ItemQuery: QuickBooks does not say how many more there are" in str(failed.message)
    assert not ws.has("quickbooks.items")


def test_a_page_that_is_not_full_needs_no_count(ws: Workspace) -> None:
    ws.set("page_size", "2")
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    name = f"J{job}Q{query.id}P1"
    assert extract.receive(ws, answer(response("ItemQuery", item(1), request_id=name)), job=job).complete


def test_a_list_saved_whole_is_not_a_page(ws: Workspace) -> None:
    ws.set("page_size", "2")
    (job,) = ws.queue_import("items")
    saved = answer(response("ItemQuery", item(1), item(2), item(3)))
    assert extract.receive(ws, saved, job=job).complete


def test_what_is_switched_off_is_said_and_what_was_known_of_it_stands(ws: Workspace, clock: Clock) -> None:
    one = "<CurrencyRet><ListID>Y-1</ListID><Name>Euro</Name></CurrencyRet>"
    lists = ("Account", "Terms", "Class", "SalesTaxCode", "PaymentMethod", "Company", "Host", "Preferences")
    rest = [response(f"{name}Query", code=1) for name in (*lists, "Vendor", "Employee", "OtherName")]
    land_import(ws, "lists", response("CurrencyQuery", one), *rest)
    clock.on()
    landed = land_import(ws, "lists", response("CurrencyQuery", code=3250), *rest)
    assert landed.complete
    said = [(row["severity"], row["rule"], row["column"]) for row in to_rows(landed.findings)]
    assert said == [("info", "feature_off", "CurrencyQuery")]
    assert ids(ws, "currencies") == ["Y-1"]
    assert left(ws, "currencies") == {}


def test_foreign_files_change_nothing(ws: Workspace, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml.gz"
    good.write_bytes(answer(response("ItemQuery", item(1))))
    for data in (b"no gzip", gzip.compress(b"<QBXML>"), gzip.compress(good.read_bytes())[:-20]):
        bad.write_bytes(data)
        with pytest.raises(InputFileError, match=r"bad\.xml\.gz"):
            extract.land(ws, [good, bad])
    assert not list((ws.path / "inbox").iterdir())
    assert ws.ledger.jobs().empty


def test_an_answer_without_job_that_is_none_raises_and_is_kept(ws: Workspace) -> None:
    with pytest.raises(QbxmlParseError):
        extract.receive(ws, b"<html/>")
    assert len(list((ws.path / "inbox").iterdir())) == 1


def test_a_job_that_takes_no_answers_says_so(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "items.xml"
    path.write_bytes(answer(response("ItemQuery", item(1))))
    (job,) = ws.queue_import("items")
    extract.land(ws, [path], job=job)
    with pytest.raises(UsageError, match=f"job {job} is complete"):
        extract.land(ws, [path], job=job)
    (held,) = ws.queue_import("items")
    ws.ledger.hold(held, "Ann")
    with pytest.raises(UsageError, match="held"):
        extract.land(ws, [path], job=held)
    (other,) = ws.queue_import("customers")
    with pytest.raises(UsageError, match="answers ItemQuery; job 3 waits for CustomerQuery"):
        extract.land(ws, [path], job=other)
    with pytest.raises(UsageError, match="still waits for CustomerQuery"):
        extract.land_job(ws, other)


# --- snapshots


def land_import(ws: Workspace, kind: str, *responses: str, **options: Any) -> extract.Landed:
    (job,) = ws.queue_import(kind, **options)
    return extract.receive(ws, answer(*responses), job=job)


def test_what_a_full_import_lacks_has_left(ws: Workspace, clock: Clock) -> None:
    land_import(ws, "items", response("ItemQuery", item(1), item(2)))
    then = clock.on()
    landed = land_import(ws, "items", response("ItemQuery", item(2)))
    assert left(ws, "items") == {"80-1": then}
    assert rules(landed) == ["left_filter"]
    clock.on()
    land_import(ws, "items", response("ItemQuery", code=1))
    assert left(ws, "items") == {"80-1": then, "80-2": clock.now}, "the first time counts"
    land_import(ws, "items", response("ItemQuery", item(1)))
    assert left(ws, "items") == {"80-2": clock.now}, "it is back"


def test_a_filter_covers_only_what_it_would_return(ws: Workspace, clock: Clock) -> None:
    inactive = item(9, IsActive="false")
    land_import(ws, "items", response("ItemQuery", item(5), item(15), inactive))
    clock.on()
    land_import(ws, "items", response("ItemQuery", code=1), end="2026-01-31")
    assert not left(ws, "items"), "changed after the end, a record is not returned and yet is there"
    land_import(ws, "items", response("ItemQuery", code=1), start="2026-01-10")
    assert list(left(ws, "items")) == ["80-15"]
    land_import(ws, "items", response("ItemQuery", code=1), active_only=True)
    assert sorted(left(ws, "items")) == ["80-15", "80-5"]


def test_open_invoices_are_a_snapshot_of_receivables(ws: Workspace, clock: Clock) -> None:
    both = response("InvoiceQuery", invoice(1, "1.00"), invoice(2, "2.00", paid=True), invoice(3, "3.00"))
    land_import(ws, "invoices", both)
    clock.on()
    land_import(ws, "invoices", response("InvoiceQuery", invoice(3, "3.00")), open_only=True)
    assert list(left(ws, "invoices", "txn_id")) == ["T-1"], "a paid one was never expected"
    clock.on()
    march = {"start": "2026-03-02", "end": "2026-03-31"}
    land_import(ws, "invoices", response("InvoiceQuery", code=1), **march)
    assert list(left(ws, "invoices", "txn_id")) == ["T-1"], "dated before the range"


def test_records_asked_for_by_id_have_left_when_they_do_not_come(ws: Workspace, clock: Clock) -> None:
    three = (invoice(1, "1.00"), invoice(2, "1.00"), invoice(3, "1.00"))
    land_import(ws, "invoices", response("InvoiceQuery", *three))
    clock.on()
    query = {"name": "InvoiceQuery", "fields": {"TxnID": ["T-1", "T-2"]}, "iterate": False}
    job = ws.ledger.add_import("refresh", [query])
    data = answer(response("InvoiceQuery", invoice(2, "1.00"), code=500, message="T-1 was not found."))
    extract.receive(ws, data, job=job)
    assert list(left(ws, "invoices", "txn_id")) == ["T-1"]


def test_an_older_answer_does_not_undo_a_newer_one(ws: Workspace, clock: Clock) -> None:
    old = land_import(ws, "items", response("ItemQuery", item(1, "Old"), item(2)))
    clock.on()
    land_import(ws, "items", response("ItemQuery", item(1, "New"), item(3)))
    before = ws.read("quickbooks.items")
    clock.on()
    extract.land_job(ws, old.job or 0)
    key = "list_id"
    after = ws.read("quickbooks.items").sort_values(key, ignore_index=True)
    assert after.equals(before.sort_values(key, ignore_index=True))


def test_a_damaged_table_is_made_again_from_the_inbox(ws: Workspace, clock: Clock) -> None:
    land_import(ws, "items", response("ItemQuery", item(1, "Old"), item(2)))
    clock.on()
    extract.receive(ws, answer(response("ItemServiceMod", item(2, "By hand"))))
    clock.on()
    land_import(ws, "items", response("ItemQuery", item(1, "New"), item(2, "By hand")))
    before = to_rows(ws.read("quickbooks.items"))
    answers = sorted((ws.path / "inbox").iterdir())
    (ws.path / "quickbooks" / "items.parquet").unlink()
    clock.on()
    extract.land(ws, answers)
    after = to_rows(ws.read("quickbooks.items"))
    assert sorted(after, key=lambda row: row["list_id"]) == sorted(before, key=lambda row: row["list_id"])
    assert sorted((ws.path / "inbox").iterdir()) == answers, "the inbox is not filled with its own copies"


def test_an_old_file_does_not_undo_what_is_known_to_be_newer(
    ws: Workspace, clock: Clock, tmp_path: Path
) -> None:
    old, newer = item(1, "Old"), item(1, "New").replace("2026-01-01", "2026-02-01")
    land_import(ws, "items", response("ItemQuery", newer, item(2)))
    file = tmp_path / "saved.xml"
    file.write_bytes(answer(response("ItemQuery", old, item(2, "Same day"))))
    clock.on()
    landed = extract.land(ws, [file])

    def known() -> list[str]:
        return sorted(ws.read("quickbooks.items")["name"])

    assert known() == ["New", "Same day"]
    (found,) = to_rows(landed.findings)
    assert (found["severity"], found["rule"], found["table"]) == ("warning", "older_file", "quickbooks.items")
    assert (found["key"], found["value"]) == ("80-1", "1")
    clock.on()
    extract.land(ws, sorted((ws.path / "inbox").iterdir()))
    assert known() == ["New", "Same day"], "nor does it when it is landed again"


def test_of_two_files_the_record_that_changed_later_counts(
    ws: Workspace, clock: Clock, tmp_path: Path
) -> None:
    stamp = "</TxnID><TimeModified>2026-0{}-01T08:00:00-08:00</TimeModified>"
    for name, month, amount in (("a", 2, "7.00"), ("b", 1, "5.00")):
        text = response("InvoiceQuery", invoice(1, amount).replace("</TxnID>", stamp.format(month)))
        (tmp_path / f"{name}.xml").write_bytes(answer(text))
    extract.land(ws, [tmp_path / "a.xml", tmp_path / "b.xml"])
    assert list(ws.read("quickbooks.invoice_lines")["amount"]) == [Decimal("7.00")]


def test_after_the_clock_went_back_the_newer_job_counts(ws: Workspace, clock: Clock) -> None:
    first = land_import(ws, "items", response("ItemQuery", item(1, "Old"), item(2), item(3)))
    clock.on(-2 * 24 * 60)
    land_import(ws, "items", response("ItemQuery", item(1, "New"), item(2)))
    assert sorted(ws.read("quickbooks.items")["name"]) == ["Item 2", "Item 3", "New"]
    assert list(left(ws, "items")) == ["80-3"]
    assert first.complete
    for answers in (sorted((ws.path / "inbox").iterdir()), sorted((ws.path / "inbox").iterdir())[::-1]):
        (ws.path / "quickbooks" / "items.parquet").unlink()
        extract.land(ws, answers)
        assert sorted(ws.read("quickbooks.items")["name"]) == ["Item 2", "Item 3", "New"]


def test_what_bears_a_time_to_come_is_said(ws: Workspace, clock: Clock) -> None:
    (early,) = ws.queue_import("items")
    land_import(ws, "items", response("ItemQuery", item(1, "Old")))
    clock.on(-2 * 24 * 60)
    landed = extract.receive(ws, answer(response("ItemQuery", item(1, "New"))), job=early)
    (found,) = to_rows(landed.findings)
    assert (found["severity"], found["rule"], found["key"]) == ("warning", "clock_set_back", "80-1")


def test_what_is_useless_in_the_inbox_keeps_nothing_else_from_landing(ws: Workspace, clock: Clock) -> None:
    land_import(ws, "items", response("ItemQuery", item(1), item(2)))
    for data in (b"", b"<html/>", answer(response("ItemAdd", code=3100, message="Taken."))):
        clock.on()
        ws.save_answer(data, name="unasked")
    clock.on()
    garbage = ws.save_answer(answer(response("ItemQuery", item(3))), name="rotten")
    garbage.write_bytes(b"garbage")
    (ws.path / "quickbooks" / "items.parquet").unlink()
    landed = extract.land(ws, sorted((ws.path / "inbox").iterdir()))
    assert ids(ws, "items") == ["80-1", "80-2"]
    severities = sorted((row["rule"], row["severity"]) for row in to_rows(landed.findings))
    assert severities == [("quickbooks_error", "info"), *[("unreadable_answer", "warning")] * 3]
    assert ws.ledger.job(landed.job or 0).status == "complete"
    with pytest.raises(InputFileError, match="rotten"):
        extract.land(ws, [garbage])


def test_a_page_that_rotted_is_passed_over_and_nothing_is_concluded(ws: Workspace, clock: Clock) -> None:
    (job,) = ws.queue_import("items")
    (query,) = ws.ledger.queries(job)
    for page, more in enumerate((MORE, LAST), 1):
        name = f"J{job}Q{query.id}P{page}"
        extract.receive(ws, answer(response("ItemQuery", item(page), request_id=name, **more)), job=job)
        clock.on()
    answers = sorted((ws.path / "inbox").iterdir())
    answers[0].write_bytes(answers[0].read_bytes()[:30])
    with pytest.raises(InputFileError, match="inbox"):
        extract.land_job(ws, job)
    landed = extract.land(ws, answers)
    assert rules(landed) == ["unreadable_answer"]
    assert ids(ws, "items") == ["80-1", "80-2"]
    assert left(ws, "items") == {}
    (ws.path / "quickbooks" / "items.parquet").unlink()
    extract.land(ws, answers)
    assert ids(ws, "items") == ["80-2"]


# --- children


def test_a_landed_parent_replaces_all_its_child_rows(ws: Workspace) -> None:
    first = invoice(1, "1.00", "2.00", links=link("P-1") + link("P-2"))
    extract.receive(ws, answer(response("InvoiceQuery", first, invoice(2, "9.00", links=link("P-9")))))
    extract.receive(ws, answer(response("InvoiceQuery", invoice(1, "3.00", links=link("P-2")))))
    lines = {(row["txn_id"], row["amount"]) for row in to_rows(ws.read("quickbooks.invoice_lines"))}
    assert lines == {("T-1", Decimal("3.00")), ("T-2", Decimal("9.00"))}
    links = {
        (row["owner_txn_id"], row["txn_id"]) for row in to_rows(ws.read("quickbooks.linked_transactions"))
    }
    assert links == {("T-1", "P-2"), ("T-2", "P-9")}
    fields = {row["owner_key"] for row in to_rows(ws.read("quickbooks.custom_fields"))}
    assert fields == {"1-1-3.00", "2-1-9.00"}


def contact(name: str) -> str:
    return f"<ContactsRet><ListID>{name}</ListID><FirstName>{name}</FirstName></ContactsRet>"


def note(number: int, text: str) -> str:
    inner = f"<NoteID>{number}</NoteID><Date>2026-01-0{number + 1}</Date><Note>{text}</Note>"
    return f"<AdditionalNotesRet>{inner}</AdditionalNotesRet>"


def with_inside(number: int, *inside: str) -> str:
    return customer(number).replace("</CustomerRet>", f"{''.join(inside)}</CustomerRet>")


def test_a_landed_customer_replaces_its_contacts_and_notes(ws: Workspace, clock: Clock) -> None:
    first = with_inside(1, contact("Ann"), contact("Bo"), note(0, "Called."), note(1, "Paid."))
    second = with_inside(2, contact("Cy"), note(0, "Moved."))
    landed = extract.receive(ws, answer(response("CustomerQuery", first, second, customer(3))))
    assert landed.tables == {
        "quickbooks.customers": 3,
        "quickbooks.customer_contacts": 3,
        "quickbooks.customer_notes": 3,
        **CUSTOMER_PARTS,
    }
    assert landed.records == 3, "records are the customers; what stands inside them is counted as rows"
    (first_note, *_) = to_rows(ws.read("quickbooks.customer_notes"))
    assert (first_note["date"], first_note["import_job"]) == (dt.date(2026, 1, 1), landed.job)
    clock.on()
    changed = with_inside(1, contact("Dee"), note(1, "Owes."))
    extract.receive(ws, answer(response("CustomerMod", changed)))
    rows = to_rows(ws.read("quickbooks.customer_contacts"))
    assert {(row["customer_list_id"], row["first_name"]) for row in rows} == {("C-1", "Dee"), ("C-2", "Cy")}
    rows = to_rows(ws.read("quickbooks.customer_notes"))
    assert {(row["customer_list_id"], row["note"]) for row in rows} == {("C-1", "Owes."), ("C-2", "Moved.")}
    clock.on()
    extract.receive(ws, answer(response("CustomerQuery", customer(1), customer(2))))
    assert ws.read("quickbooks.customer_contacts").empty
    assert ws.read("quickbooks.customer_notes").empty


def test_contacts_of_an_older_answer_do_not_come_back(ws: Workspace, clock: Clock) -> None:
    extract.receive(ws, answer(response("CustomerQuery", with_inside(1, contact("Ann"), note(0, "Old.")))))
    (old,) = (ws.path / "inbox").iterdir()
    clock.on()
    extract.receive(ws, answer(response("CustomerQuery", with_inside(1, contact("Bo"), note(0, "New.")))))
    clock.on()
    extract.land(ws, [old])
    assert list(ws.read("quickbooks.customer_contacts")["first_name"]) == ["Bo"]
    assert list(ws.read("quickbooks.customer_notes")["note"]) == ["New."]


def test_lines_that_vanish_are_said(ws: Workspace) -> None:
    extract.receive(ws, answer(response("InvoiceQuery", invoice(1, "1.00"))))
    landed = extract.receive(ws, answer(response("InvoiceQuery", invoice(1))))
    assert rules(landed) == ["without_lines"]
    assert ws.read("quickbooks.invoice_lines").empty


def test_a_record_that_comes_twice_counts_once(ws: Workspace) -> None:
    (job,) = ws.queue_import("invoices")
    (query,) = ws.ledger.queries(job)
    pages = (invoice(1, "1.00", "2.00"), MORE), (invoice(1, "5.00"), LAST)
    for page, (ret, more) in enumerate(pages, 1):
        text = response("InvoiceQuery", ret, request_id=f"J{job}Q{query.id}P{page}", **more)
        extract.receive(ws, answer(text), job=job)
    assert ids(ws, "invoices", "txn_id") == ["T-1"]
    assert list(ws.read("quickbooks.invoice_lines")["amount"]) == [Decimal("5.00")]


def test_answers_to_changes_land_like_answers_to_queries(ws: Workspace) -> None:
    extract.receive(ws, answer(response("InvoiceQuery", invoice(1, "1.00"))))
    data = answer(
        response("InvoiceAdd", invoice(2, "2.00", "3.00"), request_id="1"),
        response("InvoiceMod", invoice(1, "4.00"), request_id="2"),
        response("CustomerAdd", customer(1, Balance="7.00"), request_id="3"),
    )
    rows = extract.receive(ws, data).tables
    assert rows["quickbooks.invoices"] == 2
    assert rows["quickbooks.customers"] == 1
    amounts = sorted(row["amount"] for row in to_rows(ws.read("quickbooks.invoice_lines")))
    assert amounts == [Decimal("2.00"), Decimal("3.00"), Decimal("4.00")]


def test_the_company_is_one_row(ws: Workspace) -> None:
    first = "<CompanyRet><CompanyName>Acme</CompanyName><DataExtRet><OwnerID>{o}</OwnerID><DataExtName>FileID"
    first += (
        "</DataExtName><DataExtType>STR255TYPE</DataExtType><DataExtValue>{f}</DataExtValue></DataExtRet>"
    )
    extract.receive(ws, answer(response("CompanyQuery", first + "</CompanyRet>")))
    second = "<HostRet><ProductName>QuickBooks</ProductName><MajorVersion>33</MajorVersion></HostRet>"
    extract.receive(ws, answer(response("HostQuery", second)))
    (row,) = to_rows(ws.read("quickbooks.company"))
    assert (row["company_name"], row["product_name"], row["major_version"]) == ("Acme", "QuickBooks", "33")
    (field,) = to_rows(ws.read("quickbooks.custom_fields"))
    assert (field["owner_table"], field["value"]) == ("quickbooks.company", "{f}")


def test_bad_values_and_what_is_left_behind_are_said(ws: Workspace) -> None:
    data = answer(response("CustomerQuery", customer(1, Balance="much", CreditCardInfo=CARD)))
    landed = extract.receive(ws, data)
    (bad,) = to_rows(landed.findings)
    assert (bad["rule"], bad["column"], bad["value"]) == ("bad_value", "balance", "much")
    assert str(bad["source"]).startswith("inbox/")
    assert ws.read("quickbooks.customers")["balance"].isna().all()
    assert landed.left_behind == {"CustomerRet/CreditCardInfo/CreditCardNumber": 1}


def test_what_every_page_of_a_job_left_behind_is_counted_together(ws: Workspace, tmp_path: Path) -> None:
    (job,) = ws.queue_import("customers")
    (query,) = ws.ledger.queries(job)
    pages = []
    for page, more in enumerate((MORE, MORE, LAST), 1):
        one = customer(page, CreditCardInfo=CARD, Surprise="yes")
        pages.append(answer(response("CustomerQuery", one, request_id=f"J{job}Q{query.id}P{page}", **more)))
    first = extract.receive(ws, pages[0], job=job)
    assert first.left_behind == {"CustomerRet/CreditCardInfo/CreditCardNumber": 1, "CustomerRet/Surprise": 1}
    for number, data in enumerate(pages[1:]):
        (tmp_path / f"{number}.xml").write_bytes(data)
    landed = extract.land(ws, [tmp_path / "0.xml", tmp_path / "1.xml"])
    assert landed.complete
    left = {"CustomerRet/CreditCardInfo/CreditCardNumber": 3, "CustomerRet/Surprise": 3}
    assert landed.left_behind == left
    assert extract.land_job(ws, job).left_behind == left, "as when they came"


# --- items entered by hand


ITEM = {"name": "Hosting", "item_type": "Service", "income_account_full_name": "Sales", "entered_by": "Ann"}


def account(name: str, active: str = "true") -> str:
    return (
        f"<AccountRet><ListID>A-{name}</ListID><Name>{name}</Name><FullName>{name}</FullName>"
        f"<IsActive>{active}</IsActive><Sublevel>0</Sublevel><AccountType>Income</AccountType></AccountRet>"
    )


def lists(ws: Workspace) -> None:
    code = "<SalesTaxCodeRet><ListID>S-1</ListID><Name>Non</Name><IsActive>true</IsActive></SalesTaxCodeRet>"
    extract.receive(
        ws,
        answer(
            response("AccountQuery", account("Sales"), account("Old", "false")),
            response("SalesTaxCodeQuery", code),
            response("ItemQuery", item(1, "Consulting")),
        ),
    )


def test_an_item_is_entered_by_hand(ws: Workspace) -> None:
    lists(ws)
    assert extract.add_local_item(ws, {**ITEM, "sales_tax_code_full_name": "Non"}).empty
    (row,) = to_rows(ws.read("mapping.local_items"))
    assert (row["name"], row["entered_by"]) == ("Hosting", "Ann")
    assert extract.add_local_item(ws, {**ITEM, "name": "Hosting:Backup", "price": Decimal("1.5")}).empty


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": " "}, "name_blank"),
        ({"name": "Hosting::Backup"}, "name_blank"),
        ({"name": "Hosting "}, "name_blank"),
        ({"name": "x" * 32}, "name_length"),
        ({"name": "CONSULTING"}, "name_taken"),
        ({"name": "Nowhere:Backup"}, "parent_missing"),
        ({"item_type": "Inventory"}, "item_type"),
        ({"income_account_full_name": ""}, "income_account"),
        ({"income_account_full_name": "Old"}, "income_account"),
        ({"sales_tax_code_full_name": "Tax"}, "sales_tax_code"),
        ({"price": Decimal("1.123456")}, "price"),
        ({"price": Decimal("NaN")}, "price"),
    ],
)
def test_an_item_that_quickbooks_would_not_take(ws: Workspace, changes: dict[str, Any], rule: str) -> None:
    lists(ws)
    (found,) = to_rows(extract.add_local_item(ws, {**ITEM, **changes}))
    assert (found["rule"], found["severity"]) == (rule, "error")
    assert ws.read("mapping.local_items").empty


def test_an_item_before_any_import_is_a_warning(ws: Workspace) -> None:
    (found,) = to_rows(extract.add_local_item(ws, ITEM))
    assert (found["rule"], found["severity"]) == ("income_account", "warning")
    (again,) = [row for row in to_rows(extract.add_local_item(ws, ITEM)) if row["severity"] == "error"]
    assert again["rule"] == "name_taken"


def _state(record: str, edit_sequence: str) -> str:
    return record.replace("</TxnID>", f"</TxnID><EditSequence>{edit_sequence}</EditSequence>")


def test_lines_stay_where_the_record_is_in_the_state_they_came_in(ws: Workspace, clock: Clock) -> None:
    with_lines = [_state(invoice(number, "1.00", "2.00"), "7") for number in (1, 2, 3)]
    extract.receive(ws, answer(response("InvoiceQuery", *with_lines)))
    clock.on()
    same, changed, told = _state(invoice(1), "7"), _state(invoice(2), "8"), _state(invoice(3, "9.00"), "7")
    landed = extract.receive(ws, answer(response("InvoiceQuery", same, changed, told)))
    lines = [(row["txn_id"], str(row["amount"])) for row in to_rows(ws.read("quickbooks.invoice_lines"))]
    assert sorted(lines) == [("T-1", "1.00"), ("T-1", "2.00"), ("T-3", "9.00")]
    fields = {row["owner_key"] for row in to_rows(ws.read("quickbooks.custom_fields"))}
    assert fields == {"1-1-1.00", "1-2-2.00", "3-1-9.00"}
    (finding,) = to_rows(landed.findings)
    assert (finding["rule"], finding["key"]) == ("without_lines", "T-2")


def test_what_was_deleted_in_quickbooks_is_used_no_more(ws: Workspace, clock: Clock) -> None:
    extract.receive(ws, answer(response("InvoiceQuery", invoice(1, "1.00"), invoice(2, "1.00"))))
    extract.receive(ws, answer(response("CustomerQuery", customer(1), customer(2))))
    clock.on()
    gone = "<TxnDeletedRet><TxnDelType>{}</TxnDelType><TxnID>T-{}</TxnID></TxnDeletedRet>"
    body = gone.format("Invoice", 2) + gone.format("CreditMemo", 1) + gone.format("VehicleMileage", 1)
    listed = "<ListDeletedRet><ListDelType>Customer</ListDelType><ListID>C-1</ListID></ListDeletedRet>"
    landed = extract.receive(
        ws, answer(response("TxnDeletedQuery", body), response("ListDeletedQuery", listed))
    )
    left = {row["txn_id"]: row["left_at"] is not None for row in to_rows(ws.read("quickbooks.invoices"))}
    assert left == {"T-1": False, "T-2": True}
    left = {row["list_id"]: row["left_at"] is not None for row in to_rows(ws.read("quickbooks.customers"))}
    assert left == {"C-1": True, "C-2": False}
    assert rules(landed) == ["left_filter", "left_filter"]


def test_a_page_that_others_should_follow_says_so(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "page.xml"
    file.write_bytes(answer(response("CustomerQuery", customer(1, Balance="x"), **MORE)))
    landed = extract.land(ws, [file])
    found = {row["rule"]: row for row in to_rows(landed.findings)}
    assert found["partial_answer"]["value"] == "1"
    assert landed.job is not None
    assert ws.ledger.job(landed.job).message == "1 record, 1 error, 1 warning"
