"""Real answers: every document of the shared corpus is read, and every record accounted for.

What goes in is counted by a plain walk over the document that knows nothing of the reader, only the
declarations. What comes out of each document stands in `corpus_table.tsv`: responses and records in it, rows
of each table, values that no column keeps, and findings. Where that changes on purpose, renew the table and
read its diff:

    python tests/test_corpus.py
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from toolkit.columns import Table
from toolkit.errors import QbxmlParseError
from toolkit.qbxml_io import Batch, LeftBehind, Status, parse
from toolkit.tables_left_out import left_out_reason
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

FOLDERS = (
    "items",
    "customers",
    "invoices",
    "payments",
    "credit_memos",
    "add_responses",
    "error_responses",
    "other_queries",
)
TABLE = Path(__file__).with_name("corpus_table.tsv")
NOT_IN_THE_SCHEMA = {"SalesTaxCodeRet/FullName"}  # a record that its owner cut down by hand
HEADER = ("file", "responses", "records", "rows", "left_behind", "findings")

CUSTOM_FIELDS = "quickbooks.custom_fields"
# Elements to tables, for the walk.
TABLE_OF: dict[str, Table] = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table.name != CUSTOM_FIELDS
    for tag in table.rets
}


@pytest.fixture(scope="session")
def corpus(shared: Path) -> Path:
    return shared / "corpus"


class Answer:
    """What one document gave."""

    def __init__(self, path: Path) -> None:
        self.rows: Counter[str] = Counter()
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.findings: list[dict[str, Any]] = []
        self.statuses: list[Status] = []
        self.left: dict[str, int] = {}
        with path.open("rb") as stream:
            for event in parse(stream):
                if isinstance(event, Batch):
                    name = event.table.removeprefix("quickbooks.")
                    self.tables.setdefault(name, []).extend(event.rows.to_pylist())
                    self.findings += event.findings
                elif isinstance(event, Status):
                    self.statuses.append(event)
                elif isinstance(event, LeftBehind):
                    self.left = event.counts
                    self.findings += event.findings
        self.rows.update({name: len(rows) for name, rows in self.tables.items() if rows})

    @property
    def wrong(self) -> list[tuple[str, ...]]:
        named = ("rule", "table", "column", "value")
        return [
            tuple(str(one[part] or "").removeprefix("quickbooks.") for part in named) for one in self.findings
        ]


def documents(corpus: Path) -> dict[str, Path]:
    """Return the answers by their place in the corpus."""
    paths = [path for folder in FOLDERS for path in sorted((corpus / folder).glob("*.xml"))]
    return {path.relative_to(corpus).as_posix(): path for path in paths}


def places(table: Table) -> dict[str, list[str]]:
    """Return where in a record of this table the rows of other tables stand, by their short names."""
    found: dict[str, list[str]] = {}
    for child in QUICKBOOKS_TABLES:
        if table.name in child.parent.split("|"):
            around = [""]
            for column in child.columns:
                around += [f"{one.split('/')[0]}/" for one in column.enclosing.split("|") if one]
            short = child.name.removeprefix("quickbooks.")
            found[short] = [f"{outer}{tag}" for outer in around for tag in child.rets if outer != f"{tag}/"]
    return found


def walked(path: Path) -> Counter[str]:
    """Count the records of a document, by table; one without its id counts as `no id`."""
    found: Counter[str] = Counter()
    for response in etree.parse(str(path)).getroot().iterfind("QBXMLMsgsRs/*"):
        for record in response:
            table = TABLE_OF.get(str(record.tag))
            if table is None:
                continue
            if table.key and record.find("ListID") is None and record.find("TxnID") is None:
                found["no id"] += 1
                continue
            found[table.name.removeprefix("quickbooks.")] += 1
            found["custom_fields"] += len(record.findall(".//DataExtRet"))
            for short, paths in places(table).items():
                found[short] += sum(len(record.findall(one)) for one in paths)
    return +found


def line_of(name: str, path: Path) -> str:
    """Return the line of the table for one document."""
    answer = Answer(path)
    rows = " ".join(f"{table}={count}" for table, count in sorted(answer.rows.items()))
    found = "; ".join(":".join(part.replace("\t", " ") for part in one) for one in answer.wrong)
    records = sum(status.records for status in answer.statuses)
    cells = (name, len(answer.statuses), records, rows, sum(answer.left.values()), found)
    return "\t".join(map(str, cells))


@cache
def committed() -> dict[str, str]:
    """Return the lines of the committed table by document."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "\t".join(HEADER)
    return {line.partition("\t")[0]: line for line in lines[1:]}


def rows_of(name: str) -> dict[str, int]:
    """Return the rows by table that the committed table has for a document."""
    cells = dict(zip(HEADER, committed()[name].split("\t"), strict=True))
    pairs = (one.partition("=") for one in cells["rows"].split())
    return {table: int(count) for table, _, count in pairs}


def test_every_document_gives_what_the_table_says(corpus: Path) -> None:
    found = {name: line_of(name, path) for name, path in documents(corpus).items()}
    assert found == committed(), "on purpose? python tests/test_corpus.py renews the table"
    assert len(found) == 75


def test_every_record_of_the_kinds_we_keep_is_a_row_or_a_finding(corpus: Path) -> None:
    for name, path in documents(corpus).items():
        records, answer = walked(path), Answer(path)
        without_id = [one for one in answer.wrong if one[0] == "missing_key"]
        assert answer.rows == records - Counter({"no id": records["no id"]}), name
        assert len(without_id) == records["no id"], name
        assert dict(answer.rows) == rows_of(name), name


def test_a_bad_value_in_a_good_document_is_a_finding_and_a_null(corpus: Path) -> None:
    bad = []
    for name, path in documents(corpus).items():
        answer = Answer(path)
        for rule, table, column, value in answer.wrong:
            if rule == "bad_value":
                bad.append((name, column, value))
                assert None in [row[column] for row in answer.tables[table]], name
    assert bad == [
        ("items/apotema_items_service.xml", "time_created", "2015-02-30T12:26:39+11:00"),
        ("items/qbxmlgem_04.xml", "price_percent", "18.0%"),
    ]


def test_what_is_left_behind_of_the_records_we_keep_is_so_on_purpose(corpus: Path) -> None:
    for name, path in documents(corpus).items():
        for place in Answer(path).left:
            tag, _, below = place.partition("/")
            if tag in TABLE_OF:
                assert below, place
                assert left_out_reason(place) is not None or place in NOT_IN_THE_SCHEMA, (name, place)


def test_every_response_has_its_status(corpus: Path) -> None:
    for name, path in documents(corpus).items():
        responses = etree.parse(str(path)).getroot().findall("QBXMLMsgsRs/*")
        answer = Answer(path)
        assert [f"{one.request}Rs" for one in answer.statuses] == [one.tag for one in responses], name
        for status, response in zip(answer.statuses, responses, strict=True):
            assert str(status.code) == response.get("statusCode", "0"), name
            assert status.message == response.get("statusMessage", ""), name
            rets = [one for one in response if str(one.tag).endswith("Ret")]
            assert status.records == len(rets), name


def test_what_no_table_keeps_is_counted(corpus: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in documents(corpus).values():
        kinds.update({tag: count for tag, count in Answer(path).left.items() if "/" not in tag})
    unkept: Counter[str] = Counter()
    for path in documents(corpus).values():
        for response in etree.parse(str(path)).getroot().iterfind("QBXMLMsgsRs/*"):
            tags = [str(record.tag) for record in response]
            unkept.update(tag for tag in tags if tag.endswith("Ret") and tag not in TABLE_OF)
    assert kinds == unkept
    orders = {"PurchaseOrderRet": 5, "EstimateRet": 3, "SalesOrderRet": 1}
    assert kinds == {**orders, "BillRet": 4, "ReportRet": 2}


def test_the_customers_of_rock_castle(corpus: Path) -> None:
    path = corpus / "customers" / "billash_rockcastle_customers.xml"
    # INDEX.tsv counts 350 records: with the customers, the contacts and notes that stand inside them.
    tags = Counter(str(one.tag) for one in etree.parse(str(path)).iter() if str(one.tag).endswith("Ret"))
    assert tags == {"CustomerRet": 146, "ContactsRet": 184, "AdditionalNotesRet": 20}
    answer = Answer(path)
    of_rets = ("customers", "customer_contacts", "customer_notes")
    assert sum(answer.rows[name] for name in of_rets) == tags.total() == 350
    customers = answer.tables["customers"]
    assert len(customers) == len({one["list_id"] for one in customers}) == 146
    by_name = {one["full_name"]: one for one in etree_customers(path)}
    for row in customers:
        plain = by_name[row["full_name"]]
        assert row["balance"] == Decimal(plain["balance"])
        assert row["name"] == plain["name"]
        assert (row["parent_full_name"] or "") == row["full_name"].rpartition(":")[0]
    # Of the customers and of their contacts: phone numbers and the like, by name.
    details = list(etree.parse(str(path)).iter("AdditionalContactRef"))
    rows = answer.tables["customer_contact_details"]
    assert len(rows) == len(details) == 380
    plain_details = [tuple(texts(one, "ContactName", "ContactValue")) for one in details]
    assert [(row["contact_name"], row["contact_value"]) for row in rows] == plain_details
    assert not [place for place in answer.left if "Ret/Additional" in place or "ContactsRet" in place]


def test_the_contacts_and_notes_of_rock_castle(corpus: Path) -> None:
    path = corpus / "customers" / "billash_rockcastle_customers.xml"
    answer = Answer(path)
    records = etree.parse(str(path)).getroot().findall(".//CustomerRet")
    plain = [
        tuple(texts(record, "ListID") + texts(one, "ListID", "FirstName", "LastName", "EditSequence"))
        for record in records
        for one in record.iterfind("ContactsRet")
    ]
    columns = ("customer_list_id", "list_id", "first_name", "last_name", "edit_sequence")
    contacts = answer.tables["customer_contacts"]
    assert [tuple(row[column] for column in columns) for row in contacts] == plain
    assert len({row["list_id"] for row in contacts}) == 184
    notes = [
        (record.findtext("ListID"), int(one.findtext("NoteID") or ""), *texts(one, "Date", "Note"))
        for record in records
        for one in record.iterfind("AdditionalNotesRet")
    ]
    rows = answer.tables["customer_notes"]
    shown = [(row["customer_list_id"], row["note_id"], row["date"].isoformat(), row["note"]) for row in rows]
    assert shown == notes


def texts(element: etree._Element, *tags: str) -> list[str | None]:
    return [element.findtext(tag) for tag in tags]


def etree_customers(path: Path) -> list[dict[str, str]]:
    """Return name and balance of each customer of a document, by a plain walk."""
    found = []
    for record in etree.parse(str(path)).getroot().iterfind(".//CustomerRet"):
        texts = {tag: record.findtext(tag) or "" for tag in ("FullName", "Name", "Balance")}
        found.append({"full_name": texts["FullName"], "name": texts["Name"], "balance": texts["Balance"]})
    return found


def test_prices_are_read_to_their_last_decimal(corpus: Path) -> None:
    seen = []
    for name, path in documents(corpus).items():
        if not name.startswith("items/"):
            continue
        prices = {one["list_id"]: one["price"] for one in Answer(path).tables["items"]}
        for record in etree.parse(str(path)).getroot().iterfind("QBXMLMsgsRs/*/*"):
            plain = record.findtext("SalesOrPurchase/Price") or record.findtext("SalesPrice")
            plain = plain or record.findtext("SalesAndPurchase/SalesPrice")
            seen += [plain] if plain else []
            assert prices[record.findtext("ListID") or ""] == (Decimal(plain) if plain else None), name
    assert len(seen) > 50
    assert any(len(price.partition(".")[2]) > 2 for price in seen)


def test_pasted_and_escaped_text_is_read_clean(corpus: Path) -> None:
    pasted = Answer(corpus / "items" / "intuit_mcinvoice_comment_3.xml").tables["items"][0]
    assert (pasted["name"], pasted["price"]) == ("Installation", Decimal("35.00000"))
    assert pasted["income_account_full_name"] == "Construction Income:Labor Income"
    named = Answer(corpus / "customers" / "jsgoupil_customer_ncr_5_wrapped.xml").tables["customers"][0]
    assert (named["name"], named["preferred_delivery_method"]) == ("Jean-Sébastien Goupil", "Mail")


def test_the_company_is_known_from_the_first_request_of_a_session(corpus: Path) -> None:
    answer = Answer(corpus / "other_queries" / "apotema_str_hcp_response.xml")
    host, company, _ = answer.tables["company"]
    assert (host["product_name"], host["country"]) == ("QuickBooks Accountant 2013", "US")
    assert company["company_name"] == "Alexandre Test"
    fields = {one["name"] for one in answer.tables["custom_fields"]}
    assert fields == {"AppLock", "FileID"}


def test_a_request_is_no_answer(corpus: Path) -> None:
    requests = sorted((corpus / "requests").glob("*.xml"))
    assert len(requests) > 50
    for path in requests:
        with path.open("rb") as stream, pytest.raises(QbxmlParseError, match="it is a request"):
            list(parse(stream))


def renew(folder: Path) -> None:
    """Write the table anew."""
    lines = ["\t".join(HEADER), *(line_of(name, path) for name, path in documents(folder).items())]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    renew(Path(__file__).resolve().parents[2] / "shared" / "corpus")
