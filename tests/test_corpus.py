"""Real answers: every document of the shared corpus is read, and every record accounted for.

What goes in is counted by a plain walk over the document that knows nothing of the reader. What comes
out stands in `ROWS`, table by table.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_io import Batch, LeftBehind, Status, parse

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

# Elements to tables, for the walk.
TABLE_OF = {
    **{
        f"Item{kind}Ret": "items"
        for kind in (
            "Service",
            "NonInventory",
            "OtherCharge",
            "Inventory",
            "InventoryAssembly",
            "FixedAsset",
            "Subtotal",
            "Discount",
            "Payment",
            "SalesTax",
            "SalesTaxGroup",
            "Group",
        )
    },
    "CustomerRet": "customers",
    "InvoiceRet": "invoices",
    "CreditMemoRet": "credit_memos",
    "ReceivePaymentRet": "payments",
    "AccountRet": "accounts",
    "StandardTermsRet": "terms",
    "DateDrivenTermsRet": "terms",
    "ClassRet": "classes",
    "SalesTaxCodeRet": "sales_tax_codes",
    "PaymentMethodRet": "payment_methods",
    "CurrencyRet": "currencies",
    "HostRet": "company",
    "CompanyRet": "company",
    "PreferencesRet": "company",
}
BELOW = {
    "customers": {"ContactsRet": "customer_contacts", "AdditionalNotesRet": "customer_notes"},
    "invoices": {"InvoiceLineRet": "invoice_lines", "LinkedTxn": "linked_transactions"},
    "credit_memos": {"CreditMemoLineRet": "credit_memo_lines", "LinkedTxn": "linked_transactions"},
    "payments": {"AppliedToTxnRet": "payment_applications"},
}

# The documents that hold records of the kinds we keep, and the rows that they give.
ROWS: dict[str, dict[str, int]] = {
    "items/apotema_item.xml": {"items": 1},
    "items/apotema_items.xml": {"items": 9},
    "items/apotema_items_2.xml": {"items": 13},
    "items/apotema_items_service.xml": {"items": 3},
    "items/apotema_items_services_2.xml": {"items": 50},
    "items/flowlink_item_inventory_query_rs_raw_inner.xml": {"items": 16},
    "items/flowlink_item_query_rs_inner.xml": {"items": 4},
    "items/intuit_mcinvoice_comment_3.xml": {"items": 1},
    "items/mreiden_ItemSalesTaxGroupRet_wrapped.xml": {"items": 1},
    "items/mreiden_ItemServiceRet_wrapped.xml": {"items": 1},
    "items/qbxmlgem_04.xml": {"items": 1},
    "customers/apotema_customer.xml": {"customers": 1},
    "customers/apotema_customers_with_jobs.xml": {"customers": 3},
    "customers/apotema_customers_with_many_jobs.xml": {"customers": 5},
    "customers/billash_rockcastle_customers.xml": {
        "customers": 146,
        "customer_contacts": 184,
        "customer_notes": 20,
    },
    "customers/dockyard_customer_query_rs.xml": {"customers": 1},
    "customers/dockyard_customer_query_terator_rs.xml": {"customers": 1},
    "customers/jsgoupil_customer_ncr_1_wrapped.xml": {"customers": 1},
    "customers/jsgoupil_customer_ncr_5_wrapped.xml": {"customers": 1},
    "customers/mreiden_CustomerRet_wrapped.xml": {"customers": 1},
    "customers/qbxmlgem_03.xml": {"customers": 1},
    "invoices/apotema_invoices.xml": {"invoices": 3},
    "payments/dockyard_receive_payment_query_rs.xml": {"payments": 1, "payment_applications": 1},
    "credit_memos/mreiden_CreditMemoRet_wrapped.xml": {
        "credit_memos": 1,
        "credit_memo_lines": 1,
        "linked_transactions": 1,
    },
    "add_responses/apotema_customer_add.xml": {"customers": 1},
    "add_responses/apotema_invoice_add.xml": {"invoices": 1, "invoice_lines": 1},
    "add_responses/apotema_item_discount_add.xml": {"items": 1},
    "add_responses/apotema_item_group_add.xml": {"items": 1},
    "add_responses/apotema_item_non_inventory_add.xml": {"items": 1},
    "add_responses/apotema_item_other_charge_add.xml": {"items": 1},
    "add_responses/apotema_item_payment_add.xml": {"items": 1},
    "add_responses/apotema_item_service_add.xml": {"items": 1},
    "add_responses/apotema_item_subtotal_add.xml": {"items": 1},
    "add_responses/apotema_job_add.xml": {"customers": 1},
    "add_responses/dockyard_customer_add_rs.xml": {"customers": 1},
    "add_responses/dockyard_item_inventory_add_rs.xml": {"items": 1},
    "add_responses/flowlink_invoice_add_rs_inner.xml": {"invoices": 1, "invoice_lines": 1},
    "add_responses/flowlink_item_inventory_add_rs_inner.xml": {"items": 1},
    "add_responses/flowlink_receive_payment_add_rs_inner.xml": {"payments": 1},
    "other_queries/apotema_accounts.xml": {"accounts": 43},
    "other_queries/apotema_str_hcp_response.xml": {"company": 3, "custom_fields": 2},
    "other_queries/billash_rockcastle_accounts.xml": {"accounts": 116},
    "other_queries/billash_rockcastle_creditcards.xml": {"accounts": 2},
    "other_queries/dockyard_account_query_rs.xml": {"accounts": 2},
    "other_queries/effective_accounts.xml": {"accounts": 33},
    "other_queries/mreiden_ClassRet_wrapped.xml": {"classes": 1},
    "other_queries/pnwcs_terms_query.xml": {"terms": 7},
}

# What is wrong in them: rule, table, column, value.
FINDINGS: dict[str, list[tuple[str, ...]]] = {
    "items/apotema_items_service.xml": [("bad_value", "items", "time_created", "2015-02-30T12:26:39+11:00")],
    "items/qbxmlgem_04.xml": [("bad_value", "items", "price_percent", "18.0%")],
    "customers/intuit_mcinvoice_comment_4.xml": [("missing_key", "customers", "list_id", "")],
    "customers/qbxmlgem_03.xml": [("missing_status_code", "", "", "CustomerQueryRs")],
    "other_queries/intuit_mcinvoice_comment_1.xml": [("missing_key", "sales_tax_codes", "list_id", "")],
    "other_queries/intuit_mcinvoice_comment_2.xml": [("missing_key", "terms", "list_id", "")],
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


def walked(path: Path) -> Counter[str]:
    """Count the records of a document, by table; one without its id counts as `no id`."""
    found: Counter[str] = Counter()
    for response in etree.parse(str(path)).getroot().iterfind("QBXMLMsgsRs/*"):
        for record in response:
            table = TABLE_OF.get(str(record.tag))
            if table is None:
                continue
            if table != "company" and record.find("ListID") is None and record.find("TxnID") is None:
                found["no id"] += 1
                continue
            found[table] += 1
            found["custom_fields"] += len(record.findall(".//DataExtRet"))
            for tag, below in BELOW.get(table, {}).items():
                found[below] += len(record.findall(f".//{tag}"))
    return +found


def test_every_record_of_the_kinds_we_keep_is_a_row_or_a_finding(corpus: Path) -> None:
    for name, path in documents(corpus).items():
        records, answer = walked(path), Answer(path)
        without_id = [one for one in answer.wrong if one[0] == "missing_key"]
        assert answer.rows == records - Counter({"no id": records["no id"]}), name
        assert len(without_id) == records["no id"], name
        assert dict(answer.rows) == ROWS.get(name, {}), name


def test_the_table_names_no_document_that_is_not_there(corpus: Path) -> None:
    assert (ROWS.keys() | FINDINGS.keys()) - documents(corpus).keys() == set()
    assert len(documents(corpus)) == 75


def test_a_bad_value_in_a_good_document_is_a_finding_and_a_null(corpus: Path) -> None:
    for name, path in documents(corpus).items():
        answer = Answer(path)
        assert answer.wrong == FINDINGS.get(name, []), name
        for rule, table, column, _ in answer.wrong:
            if rule == "bad_value":
                assert None in [row[column] for row in answer.tables[table]], name


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
    assert kinds["VendorRet"] == 60


def test_the_customers_of_rock_castle(corpus: Path) -> None:
    path = corpus / "customers" / "billash_rockcastle_customers.xml"
    # INDEX.tsv counts 350 records: with the customers, the contacts and notes that stand inside them.
    tags = Counter(str(one.tag) for one in etree.parse(str(path)).iter() if str(one.tag).endswith("Ret"))
    assert tags == {"CustomerRet": 146, "ContactsRet": 184, "AdditionalNotesRet": 20}
    answer = Answer(path)
    assert answer.rows.total() == tags.total() == 350
    customers = answer.tables["customers"]
    assert len(customers) == len({one["list_id"] for one in customers}) == 146
    by_name = {one["full_name"]: one for one in etree_customers(path)}
    for row in customers:
        plain = by_name[row["full_name"]]
        assert row["balance"] == Decimal(plain["balance"])
        assert row["name"] == plain["name"]
        assert (row["parent_full_name"] or "") == row["full_name"].rpartition(":")[0]
    left = {
        path: count
        for path, count in answer.left.items()
        if "Ret/Additional" in path or "ContactsRet" in path
    }
    inside = "CustomerRet/AdditionalContactRef"
    assert left == {f"{inside}/ContactName": 380, f"{inside}/ContactValue": 380}


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
