"""The declared qbXML, held against documents made by hand, against real ones and against the schema."""

from __future__ import annotations

import json
import random
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from lxml import etree

from toolkit import qbxml_spec
from toolkit.qbxml_spec import (
    REQUESTS,
    Particle,
    attributes,
    elements,
    introduced,
    problems,
    request,
    response,
    ret,
    supports_iterator,
    validate_content,
    value_problem,
    version_key,
)
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

ROOT = Path(__file__).resolve().parents[1]

INVOICE = """
<InvoiceAddRq requestID="7">
  <InvoiceAdd defMacro="TxnID:A17">
    <CustomerRef><FullName>Hartwell, Dora</FullName></CustomerRef>
    <TxnDate>2026-09-01</TxnDate>
    <RefNumber>10071</RefNumber>
    <TermsRef><ListID>80000004-1234567890</ListID></TermsRef>
    <IsToBePrinted>true</IsToBePrinted>
    <ExternalGUID>{3F2504E0-4F89-11D3-9A0C-0305E82C3301}</ExternalGUID>
    <InvoiceLineAdd>
      <ItemRef><FullName>RENT</FullName></ItemRef>
      <Quantity>1</Quantity>
      <Rate>950.125</Rate>
      <Amount>950.13</Amount>
    </InvoiceLineAdd>
    <InvoiceLineAdd>
      <ItemRef><FullName>Late fee</FullName></ItemRef>
      <RatePercent>5</RatePercent>
      <Amount>47.51</Amount>
    </InvoiceLineAdd>
  </InvoiceAdd>
  <IncludeRetElement>TxnID</IncludeRetElement>
</InvoiceAddRq>
"""


def named(particle: Particle, path: str) -> Particle:
    for name in path.split("/"):
        particle = next(child for child in elements(particle) if child.name == name)
    return particle


def found(name: str, document: str, version: str = "13.0") -> list[tuple[str, str]]:
    return list(problems(request(name), ElementTree.fromstring(document.strip()), version=version))


# --- by hand ------------------------------------------------------------------------------------------------


def test_a_good_invoice_has_no_problems() -> None:
    assert found("InvoiceAdd", INVOICE) == []


ADD = "InvoiceAddRq/InvoiceAdd"
BROKEN = {
    "order swapped": (
        ("<Quantity>1</Quantity>\n      <Rate>950.125</Rate>", "<Rate>950.125</Rate><Quantity>1</Quantity>"),
        f"{ADD}/InvoiceLineAdd[1]",
        "Quantity is out of place: expected ClassRef, Amount, ",
    ),
    "too long": (
        ("<RefNumber>10071", "<RefNumber>123456789012"),
        f"{ADD}/RefNumber",
        "longer than 11 characters: 12",
    ),
    "one decimal": (("47.51", "12.3"), f"{ADD}/InvoiceLineAdd[2]/Amount", "not an amount: 12.3"),
    "thousands": (("47.51", "1,047.51"), f"{ADD}/InvoiceLineAdd[2]/Amount", "not an amount: 1,047.51"),
    "six decimals": (("950.125", "0.333333"), f"{ADD}/InvoiceLineAdd[1]/Rate", "not a price: 0.333333"),
    "no such day": (("2026-09-01", "2026-02-30"), f"{ADD}/TxnDate", "not a date: 2026-02-30"),
    "American date": (("2026-09-01", "9/1/2026"), f"{ADD}/TxnDate", "not a date: 9/1/2026"),
    "GUID without braces": (
        ("{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "3F2504E0-4F89-11D3-9A0C-0305E82C3301"),
        f"{ADD}/ExternalGUID",
        "not 0 or a GUID in braces: 3F2504E0-4F89-11D3-9A0C-0305E82C3301",
    ),
    "capital TRUE": ((">true<", ">TRUE<"), f"{ADD}/IsToBePrinted", "not true or false: TRUE"),
    "unknown element": (
        ("<TxnDate>2026-09-01</TxnDate>", "<InvoiceDate>2026-09-01</InvoiceDate>"),
        ADD,
        "InvoiceDate is unknown here: expected ClassRef, ARAccountRef, TemplateRef, TxnDate",
    ),
    "missing": (
        ("<CustomerRef><FullName>Hartwell, Dora</FullName></CustomerRef>", ""),
        ADD,
        "TxnDate is out of place: expected CustomerRef",
    ),
    "two arms of a choice": (
        ("<RatePercent>5</RatePercent>", "<Rate>1</Rate><RatePercent>5</RatePercent>"),
        f"{ADD}/InvoiceLineAdd[2]",
        "RatePercent is out of place: expected ClassRef, Amount, ",
    ),
    "nothing in it": (
        ("<TxnDate>2026-09-01</TxnDate>", "<CustomerRef/>"),
        ADD,
        "CustomerRef is out of place",
    ),
    "text between": (("<TermsRef>", "<TermsRef>Net 30"), f"{ADD}/TermsRef", "has text between its elements"),
    "below a value": (("10071", "<b>10071</b>"), f"{ADD}/RefNumber", "has elements below it: b"),
    "unknown attribute": (('requestID="7"', 'iterator="Start"'), "InvoiceAddRq/@iterator", "is unknown here"),
    "second invoice": (
        ("<IncludeRetElement>", "<InvoiceAdd><CustomerRef/></InvoiceAdd><IncludeRetElement>"),
        "InvoiceAddRq",
        "InvoiceAdd is out of place: expected IncludeRetElement",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_invoice_has_one_problem_in_its_place(name: str) -> None:
    (old, new), path, reason = BROKEN[name]
    assert INVOICE.count(old) == 1
    ((found_path, found_reason),) = found("InvoiceAdd", INVOICE.replace(old, new))
    assert (found_path, found_reason[: len(reason)]) == (path, reason)


def test_what_the_us_product_lacks_is_not_advised() -> None:
    line = named(request("InvoiceAdd"), "InvoiceAdd/InvoiceLineAdd")
    assert validate_content(line, ["ItemRef", "Amount", "TaxAmount", "SalesTaxCodeRef"]) is None
    assert validate_content(line, ["ItemRef", "Amount", "Desc", "SalesTaxCodeRef"]) == (
        "Desc is out of place: expected OptionForPriceRuleConflict, InventorySiteRef, "
        "InventorySiteLocationRef, SerialNumber, LotNumber, ServiceDate, SalesTaxCodeRef, ... (12 in all)"
    )


def test_what_is_missing_at_the_end_is_named() -> None:
    assert found("InvoiceAdd", "<InvoiceAddRq/>") == [
        ("InvoiceAddRq", "missing at the end: expected InvoiceAdd")
    ]
    assert validate_content(request("TxnVoid"), []) == "missing at the end: expected TxnVoidType"
    assert validate_content(request("TxnVoid"), ["TxnVoidType"]) == "missing at the end: expected TxnID"


def test_another_request_is_a_problem_of_the_root() -> None:
    assert found("InvoiceMod", "<InvoiceAddRq/>") == [("InvoiceAddRq", "expected InvoiceModRq")]


def test_comments_and_instructions_are_passed_over() -> None:
    commented = INVOICE.replace("<Quantity>", "<!-- one --><?month?><Quantity>").replace(
        "10071", "100<!-- 7 -->71"
    )
    assert list(problems(request("InvoiceAdd"), etree.fromstring(commented.strip()))) == []
    too_long = commented.replace("<!-- 7 -->71", "<!-- 7 -->711111111")
    assert [path for path, _ in problems(request("InvoiceAdd"), etree.fromstring(too_long.strip()))] == [
        f"{ADD}/RefNumber"
    ]


def test_what_is_younger_than_the_document_is_a_problem() -> None:
    assert found("InvoiceAdd", INVOICE, "9.0") == []
    assert found("InvoiceAdd", INVOICE, "8.0") == [(f"{ADD}/ExternalGUID", "needs qbXML 9.0")]
    query = '<CustomerQueryRq iterator="Start"><MaxReturned>10</MaxReturned></CustomerQueryRq>'
    assert found("CustomerQuery", query, "5.0") == []
    assert found("CustomerQuery", query, "4.0") == [("CustomerQueryRq/@iterator", "needs qbXML 5.0")]
    assert ("ReceivePaymentModRq", "needs qbXML 6.0") in found(
        "ReceivePaymentMod", "<ReceivePaymentModRq/>", "5.0"
    )


def test_attributes_have_values_too() -> None:
    query = '<CustomerQueryRq iterator="start"/>'
    assert found("CustomerQuery", query) == [
        ("CustomerQueryRq/@iterator", "not one of Start, Continue, Stop: start")
    ]
    answer = ElementTree.fromstring('<CustomerAddRs statusCode="none" statusSeverity="Info"/>')
    assert list(problems(response("CustomerAdd"), answer)) == [
        ("CustomerAddRs/@statusCode", "not a whole number: none")
    ]
    assert ("CustomerAddRs/@statusCode", "missing") in list(
        problems(response("CustomerAdd"), ElementTree.fromstring("<CustomerAddRs/>"))
    )


def test_an_iterator_is_refused_where_the_schema_has_none() -> None:
    assert found("AccountQuery", '<AccountQueryRq iterator="Start"/>') == [
        ("AccountQueryRq/@iterator", "is unknown here: expected requestID, metaData")
    ]
    assert supports_iterator("InvoiceQuery")
    assert not supports_iterator("TermsQuery")
    assert attributes("InvoiceQuery") == ("requestID", "metaData", "iterator", "iteratorID")
    assert attributes("InvoiceAdd") == ("requestID",)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("InvoiceAdd", "2.0"),
        ("ReceivePaymentAdd", "1.1"),
        ("InvoiceMod", "2.1"),
        ("CreditMemoMod", "3.0"),
        ("TransactionQuery", "4.0"),
        ("SalesReceiptMod", "5.0"),
        ("ReceivePaymentMod", "6.0"),
    ],
)
def test_a_request_has_a_first_version(name: str, version: str) -> None:
    assert introduced(name) == version


def test_a_request_that_does_not_exist_is_named() -> None:
    for look_up in (request, response, attributes, introduced):
        with pytest.raises(KeyError, match=r"'BillAdd'.*InvoiceAdd"):
            look_up("BillAdd")
    with pytest.raises(KeyError, match=r"'BillRet'.*InvoiceRet"):
        ret("BillRet")
    with pytest.raises(KeyError, match="InvoiceAddRq"):
        ret("InvoiceAddRq")


def test_a_ret_is_the_same_alone_and_in_its_response() -> None:
    for name in ("InvoiceAdd", "InvoiceMod", "InvoiceQuery"):
        assert named(response(name), "InvoiceRet").children == ret("InvoiceRet").children
    kinds = {child.name for child in elements(response("TermsQuery"))}
    assert kinds == {"StandardTermsRet", "DateDrivenTermsRet"}
    items = {child.name for child in elements(response("ItemQuery"))}
    assert {"ItemServiceRet", "ItemDiscountRet", "ItemSalesTaxRet", "ItemGroupRet"} <= items
    assert all(ret(str(tag)).children for tag in kinds | items)


def test_lengths_are_those_of_the_us_product() -> None:
    line = "InvoiceAdd/InvoiceLineAdd"
    for path, length in {"InvoiceAdd/RefNumber": 11, "InvoiceAdd/Memo": 4095, f"{line}/Desc": 4095}.items():
        assert named(request("InvoiceAdd"), path).max_length == length
    assert named(request("CustomerAdd"), "CustomerAdd/Name").max_length == 41
    assert named(request("ReceivePaymentAdd"), "ReceivePaymentAdd/RefNumber").max_length == 20
    assert named(request("ItemServiceAdd"), "ItemServiceAdd/Name").max_length == 31


def test_what_the_us_product_lacks_is_marked() -> None:
    assert not named(request("CustomerAdd"), "CustomerAdd/Mobile").us
    assert named(request("CustomerAdd"), "CustomerAdd/Phone").us
    assert not named(request("InvoiceAdd"), "InvoiceAdd/ShippingLineAdd/AccountRef").us


def test_versions_sort_as_numbers() -> None:
    assert sorted(["13.0", "2.1", "2", "10.0"], key=version_key) == ["2", "2.1", "10.0", "13.0"]
    with pytest.raises(ValueError, match=r"'CA3\.0'"):
        version_key("CA3.0")


def value_of(type_: str, **more: Any) -> Particle:
    defaults: dict[str, Any] = {"max_length": None, "enum": ()}
    return Particle("element", "X", type_, 1, 1, since="2.0", us=True, children=(), **defaults | more)


GOOD: dict[str, tuple[str, ...]] = {
    "STRTYPE": ("", "x", " ä € ", "x" * 5000),
    "IDTYPE": ("", "80000004-1234567890", "-1"),
    "AMTTYPE": ("", "0.00", "12", "-12.30", "+1.00", "9999999999999.99"),
    "PRICETYPE": ("", "12.3", "0.33333", "-1"),
    "QUANTYPE": ("", "1.5", "12"),
    "PERCENTTYPE": ("", "7.25"),
    "FLOATTYPE": ("", "1.123456789", "-1.", ".5", " 1 "),
    "INTTYPE": ("0", "-12", "+5", " 7 ", "007"),
    "BOOLTYPE": ("", "true", "false", "1", "0", " true "),
    "DATETYPE": ("", "2026-02-28", "2024-02-29", "2026-02-28Z", "2026-02-28-08:00", "2026-02-28+14:00"),
    "DATETIMETYPE": ("", "2026-1-2", "2026-09-01T18:24:42-08:00", "2026-09-01T18", "2026-09-01T18:24"),
    "TIMEINTERVALTYPE": ("", "PT8H30M", "PT0S", "-PT5M"),
    "GUIDTYPE": ("0", "{3f2504e0-4F89-11D3-9A0C-0305E82C3301}"),
}
BAD: dict[str, tuple[str, ...]] = {
    "AMTTYPE": ("12.3", "1,000.00", "$5", "12.345", "12345678901234", ".50", " 12", "1e3", "١٢", "-", "1\n"),
    "PRICETYPE": ("0.333333", "12345678901", ".5", "1."),
    "QUANTYPE": ("1,5", "one"),
    "PERCENTTYPE": ("7%",),
    "FLOATTYPE": ("1e3", "NaN", "."),
    "INTTYPE": ("", "1.0", "one", "1_000", "٣"),
    "BOOLTYPE": ("True", "yes", "2", "Y"),
    "DATETYPE": (
        *("2026-02-29", "2026-2-1", "20260201", "2026-09-01T00:00:00", "0000-01-01", "2026-W01-1"),
        *("2026-02-28+99:99", "2026-02-28+14:01", "2026-02-28+10:60", "2026-02-28-15:00"),
    ),
    "DATETIMETYPE": ("2026-09-01T18:24:42Z", "2026-09-01T18:24:42.5", "2026-09-01 18:24", "18:24"),
    "TIMEINTERVALTYPE": ("PT", "P1D", "8:30", "PT1.5H"),
    "GUIDTYPE": ("", "1", "3F2504E0-4F89-11D3-9A0C-0305E82C3301", "{3F2504E0}"),
}


@pytest.mark.parametrize("type_", GOOD)
def test_a_value_fits_its_type_or_does_not(type_: str) -> None:
    assert [text for text in GOOD[type_] if value_problem(value_of(type_), text)] == []
    assert [text for text in BAD.get(type_, ()) if not value_problem(value_of(type_), text)] == []


def test_a_value_has_a_length_in_characters_a_range_and_words() -> None:
    assert value_problem(value_of("STRTYPE", max_length=3), "äöü") is None
    assert value_problem(value_of("STRTYPE", max_length=3), "äöü€") == "longer than 3 characters: 4"
    most = named(request("InvoiceQuery"), "MaxReturned")
    assert value_problem(most, "1") is None
    assert value_problem(most, "0") == "less than 1: 0"
    month = named(request("CustomerAdd"), "CustomerAdd/CreditCardInfo/ExpirationMonth")
    assert value_problem(month, "12") is None
    assert value_problem(month, "13") == "more than 12: 13"
    status = named(request("InvoiceQuery"), "PaidStatus")
    assert value_problem(status, "PaidOnly") is None
    assert value_problem(status, "paidonly") == "not one of All, PaidOnly, NotPaidOnly: paidonly"
    assert value_problem(status, "") is None  # stands for its default


def test_a_content_model_is_walked_through_choices_and_repetitions() -> None:
    lines = ["InvoiceLineAdd", "InvoiceLineGroupAdd", "InvoiceLineAdd"]
    add = named(request("InvoiceAdd"), "InvoiceAdd")
    assert validate_content(add, ["CustomerRef", *lines, "DiscountLineAdd"]) is None
    assert validate_content(add, ["CustomerRef", "DiscountLineAdd", *lines]) is not None
    assert validate_content(add, ["CustomerRef", "CustomerRef"]) is not None
    query = request("InvoiceQuery")
    assert validate_content(query, []) is None
    assert validate_content(query, ["TxnID", "TxnID", "IncludeLineItems"]) is None
    assert validate_content(query, ["TxnID", "RefNumber"]) is not None
    assert validate_content(query, ["MaxReturned", "PaidStatus", "IncludeLineItems"]) is None
    address = named(request("CustomerAdd"), "CustomerAdd")
    assert validate_content(address, ["Name", *["ShipToAddress"] * 50]) is None
    reason = validate_content(address, ["Name", *["ShipToAddress"] * 51])
    assert reason is not None and reason.startswith("ShipToAddress is out of place")


# --- against the schema and the notes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(shared: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(shared / "qbxml-schema" / "qbxmlops130.xsd")))


@pytest.fixture(scope="module")
def notes(shared: Path) -> dict[str, Any]:
    text = (shared / "reference" / "qbxml_fields.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_the_table_is_what_the_script_makes(shared: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_qbxml_spec.py"))
    made = script["make"](shared / "qbxml-schema", shared / "reference" / "qbxml_fields.json")
    table = Path(str(qbxml_spec.__file__)).with_name("qbxml_spec.tsv").read_text(encoding="utf-8")
    assert table == made, "run scripts/make_qbxml_spec.py"


def test_iterators_are_supported_where_the_notes_say(notes: dict[str, Any]) -> None:
    ours = {f"{name}Rq" for name in REQUESTS if supports_iterator(name)}
    assert ours == set(notes["iterators"]["supported"]) & {f"{name}Rq" for name in REQUESTS}
    with_metadata = {f"{name}Rq" for name in REQUESTS if "metaData" in attributes(name)}
    assert with_metadata == set(notes["iterators"]["metaData"]) & {f"{name}Rq" for name in REQUESTS}


def test_every_field_of_the_notes_is_declared_as_they_say(notes: dict[str, Any]) -> None:
    differences = []
    for name in sorted(set(REQUESTS) & set(notes["requests"])):
        for row in notes["requests"][name]["rqFields"]:
            particle = named(request(name), row["path"].partition("/")[2])
            expected = (row["type"], row["us"], row.get("maxLengthUS", row.get("maxLength")), row.get("enum"))
            if (particle.type, particle.us, particle.max_length, list(particle.enum) or None) != expected:
                differences.append((row["path"], expected, particle))
            since = row.get("since", "2.0")
            if not since.endswith("?") and version_key(particle.since) < version_key(since):
                differences.append((row["path"], since, particle))
    assert differences == []


@pytest.mark.parametrize("type_", GOOD)
def test_a_type_agrees_with_the_schema(type_: str, shared: Path) -> None:
    types = (shared / "qbxml-schema" / "qbxmltypes130.xsd").resolve().as_uri()
    one = etree.XMLSchema(
        etree.fromstring(
            f'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
            f'<xsd:include schemaLocation="{types}"/><xsd:element name="X" type="{type_}"/></xsd:schema>'
        )
    )
    every = sorted({text for texts in [*GOOD.values(), *BAD.values()] for text in texts})
    length = 36 if type_ == "IDTYPE" else None
    for text in every:
        element = etree.Element("X")
        element.text = text
        ours = value_problem(value_of(type_, max_length=length), text) is None
        assert ours == one.validate(etree.ElementTree(element)), text


def messages(shared: Path) -> Iterator[tuple[str, etree._Element]]:
    """Yield every message we speak of the collected documents, with the name of its file."""
    for path in sorted((shared / "corpus").rglob("*.xml")):
        try:
            document = etree.parse(str(path))
        except etree.XMLSyntaxError:
            continue
        for message in document.iterfind("./*/*"):
            if str(message.tag)[:-2] in REQUESTS:
                yield path.name, message


def model(message: etree._Element) -> Particle:
    name = str(message.tag)
    return request(name[:-2]) if name.endswith("Rq") else response(name[:-2])


def accepts(schema: etree.XMLSchema, message: etree._Element) -> bool:
    envelope = etree.Element("QBXML")
    sort = str(message.tag)[-2:]
    body = etree.SubElement(envelope, f"QBXMLMsgs{sort}")
    if sort == "Rq":
        body.set("onError", "stopOnError")
    body.append(etree.fromstring(etree.tostring(message, with_tail=False)))
    return bool(schema.validate(etree.ElementTree(envelope)))


def test_real_documents_are_judged_as_the_schema_judges_them(shared: Path, schema: etree.XMLSchema) -> None:
    judged = {"Rq": 0, "Rs": 0}
    for name, message in messages(shared):
        ours = list(problems(model(message), message))
        assert (not ours) == accepts(schema, message), (name, ours, schema.error_log)
        judged[str(message.tag)[-2:]] += 1
    assert judged["Rq"] > 20
    assert judged["Rs"] > 30


SAMPLES = {
    "AMTTYPE": "12.30",
    "PRICETYPE": "1.5",
    "QUANTYPE": "2",
    "PERCENTTYPE": "7.25",
    "FLOATTYPE": "1.25",
    "INTTYPE": "3",
    "BOOLTYPE": "true",
    "DATETYPE": "2026-09-01",
    "DATETIMETYPE": "2026-09-01T12:00:00",
    "TIMEINTERVALTYPE": "PT1H",
    "GUIDTYPE": "0",
}


def grow(particle: Particle, dice: random.Random) -> etree._Element:
    """Return a random element that the model allows: about a third of what is optional, at most twice."""
    assert particle.name is not None
    element = etree.Element(particle.name)
    for attribute in particle.attributes:
        if attribute.required:
            element.set(attribute.name, "0")
    if particle.type != "aggregate":
        element.text = dice.choice(particle.enum) if particle.enum else SAMPLES.get(str(particle.type), "x")
        return element

    def fill(node: Particle) -> None:
        most = node.min + 2 if node.max is None else min(node.max, node.min + 2)
        for _ in range(max(node.min, dice.choice([0, 0, most]))):
            if node.kind == "element":
                element.append(grow(node, dice))
            else:
                for child in [dice.choice(node.children)] if node.kind == "choice" else node.children:
                    fill(child)

    for child in particle.children:
        fill(child)
    return element


def mutate(message: etree._Element, dice: random.Random) -> str:
    """Drop, double, move or rename one element below a message; return what was done."""
    below = list(message.iterdescendants("*"))
    if not below:
        etree.SubElement(message, "Name").text = "x"
        return "add Name"
    victim = dice.choice(below)
    parent = victim.getparent()
    assert parent is not None
    what = dice.choice(["drop", "double", "move", "rename"])
    if what == "drop":
        parent.remove(victim)
    elif what == "double":
        victim.addnext(etree.fromstring(etree.tostring(victim, with_tail=False)))
    elif what == "move":
        parent.remove(victim)
        parent.insert(dice.randint(0, len(parent)), victim)
    else:
        victim.tag = dice.choice(below).tag
    return f"{what} {victim.tag} in {parent.tag}"


CHANGES = {
    *("CustomerAdd", "CustomerMod", "ItemServiceAdd", "ItemNonInventoryAdd", "ItemOtherChargeAdd"),
    *("ItemDiscountAdd", "InvoiceAdd", "InvoiceMod", "CreditMemoAdd", "ReceivePaymentAdd"),
    *("ReceivePaymentMod", "StandardTermsAdd", "PaymentMethodAdd", "SalesTaxCodeAdd", "DataExtAdd"),
    *("TxnVoid", "TxnDel", "ListDel"),
}
"""The changes that a cutover makes in QuickBooks."""


def test_every_change_of_a_cutover_and_every_record_it_reads_is_there() -> None:
    assert set(REQUESTS) >= CHANGES
    kinds = {tag for name in REQUESTS for child in elements(response(name)) if (tag := child.name or "")}
    assert kinds >= {tag for table in QUICKBOOKS_TABLES if not table.parent for tag in table.rets}
    for table in QUICKBOOKS_TABLES:
        for tag in () if table.parent else table.rets:
            assert list(elements(ret(tag))), tag


def test_every_message_grown_from_its_model_is_valid(schema: etree.XMLSchema) -> None:
    dice = random.Random(13)
    for name in REQUESTS:
        for particle in (request(name), response(name)):
            for _ in range(3):
                message = grow(particle, dice)
                assert list(problems(particle, message)) == []
                assert accepts(schema, message), (etree.tostring(message), schema.error_log)


def test_broken_messages_are_judged_as_the_schema_judges_them(shared: Path, schema: etree.XMLSchema) -> None:
    dice = random.Random(20260901)
    grown = [grow(make(name), dice) for name in REQUESTS for make in (request, response)]
    small = [message for _, message in messages(shared) if sum(1 for _ in message.iter()) < 200]
    verdicts = {True: 0, False: 0}
    for original in [*small, *grown] * 3:
        message = etree.fromstring(etree.tostring(original, with_tail=False))
        done = [mutate(message, dice) for _ in range(dice.choice([1, 1, 2]))]
        ours = list(problems(model(message), message))
        assert (not ours) == accepts(schema, message), (done, ours, etree.tostring(message), schema.error_log)
        verdicts[not ours] += 1
    assert min(verdicts.values()) > 50, "both verdicts are needed to prove anything"
