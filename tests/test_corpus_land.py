"""Real answers, each into a fresh workspace: every record of the kinds we keep becomes a row."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from toolkit import extract
from toolkit.tables import to_rows
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES
from toolkit.workspace import Workspace

KINDS = ("items", "customers", "invoices", "payments", "credit_memos", "add_responses")
FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus"
DOCUMENTS = sorted(path for kind in KINDS for path in (FOLDER / kind).glob("*.xml"))

CUSTOM_FIELDS = "quickbooks.custom_fields"
RECORDS = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table.name != CUSTOM_FIELDS
    for tag in table.rets
}

# Values that do not fit their column: findings and nulls. Prices such as "18.0%".
BAD_VALUES = {"apotema_items_service.xml": 1, "qbxmlgem_04.xml": 1}
# Records cut down to a name by whoever pasted them: without a ListID they cannot be told apart.
WITHOUT_KEY = {"intuit_mcinvoice_comment_4.xml": {"quickbooks.customers": 1}}


def count(path: Path) -> Counter[str]:
    """Count the records by an own walk: those right below a response, and the rows that stand inside them."""
    found: Counter[str] = Counter()
    root = etree.fromstring(path.read_bytes().lstrip())
    for record in root.iterfind("QBXMLMsgsRs/*/*"):
        table = RECORDS.get(record.tag)
        if table is None:
            continue
        found[table.name] += 1
        found[CUSTOM_FIELDS] += sum(1 for _ in record.iter("DataExtRet"))
        for child in QUICKBOOKS_TABLES:
            if table.name in child.parent.split("|"):
                around = {
                    one.split("/")[0] for column in child.columns for one in column.enclosing.split("|")
                }
                for inside in record.iter(*child.rets):
                    above = inside.getparent()
                    found[child.name] += above is record or (above is not None and above.tag in around)
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ws"
    Workspace.create(path, company="Acme", password="s3cret-word").close()
    return path


@pytest.fixture
def ws(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    """Return a fresh workspace: a copy of one, because hashing a password takes its time."""
    shutil.copytree(template, tmp_path / "ws")
    with Workspace(tmp_path / "ws") as copied:
        yield copied


@pytest.mark.usefixtures("shared")
def test_the_corpus_is_there() -> None:
    assert len(DOCUMENTS) == 45


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_record_becomes_a_row(path: Path, ws: Workspace) -> None:
    landed = extract.land(ws, [path])
    expected = count(path)
    expected.subtract(WITHOUT_KEY.get(path.name, {}))
    # The company's three Rets are merged into one row.
    names = [table.name for table in QUICKBOOKS_TABLES if table.name != "quickbooks.company"]
    rows = {name: len(ws.read(name)) for name in names}
    assert rows == {name: expected[name] for name in names}
    found = Counter(row["rule"] for row in to_rows(landed.findings))
    assert found["bad_value"] == BAD_VALUES.get(path.name, 0)
    assert found["missing_key"] == sum(WITHOUT_KEY.get(path.name, {}).values())
    assert ws.ledger.job(landed.job or 0).status == "complete"


def test_a_whole_customer_list(shared: Path, ws: Workspace) -> None:
    """The index counts 350 records there: 146 customers, and inside them 184 contacts and 20 notes."""
    path = shared / "corpus" / "customers" / "billash_rockcastle_customers.xml"
    kinds = Counter(element.tag for element in etree.parse(path).iter("{*}*") if element.tag.endswith("Ret"))
    assert kinds == {"CustomerRet": 146, "ContactsRet": 184, "AdditionalNotesRet": 20}
    landed = extract.land(ws, [path])
    frame = ws.read("quickbooks.customers")
    assert len(frame) == landed.records == 146
    assert frame["list_id"].is_unique
    names = ("customers", "customer_contacts", "customer_notes")
    frames = [ws.read(f"quickbooks.{name}") for name in names]
    assert [len(one) for one in frames] == [146, 184, 20]
    assert sum(landed.tables[f"quickbooks.{name}"] for name in names) == sum(kinds.values()) == 350
    assert not [left for left in landed.left_behind if "ContactsRet" in left or "NotesRet" in left]
    for one in frames:
        assert (one["import_job"] == landed.job).all()
        assert one["imported_at"].notna().all()
        assert set(one.get("customer_list_id", frame["list_id"])) <= set(frame["list_id"])
