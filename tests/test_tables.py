"""Declared tables: frames conform or raise, and findings keep their identity."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import columns, qbxml_spec, tables
from toolkit.columns import Table
from toolkit.errors import ConformError
from toolkit.qbxml_spec import Particle
from toolkit.tables import TABLES
from toolkit.tables_left_out import LEFT_OUT, left_out_reason
from toolkit.tables_quickbooks import CUSTOM_FIELDS, QUICKBOOKS_TABLES

MONEY = st.decimals(min_value=Decimal("-9999999999999.99"), max_value=Decimal("9999999999999.99"), places=2)


@pytest.mark.parametrize("name", TABLES)
def test_every_declaration_is_sound(name: str) -> None:
    table = TABLES[name]
    assert len(set(table.names)) == len(table.names), "a column stands twice"
    assert set(table.key) <= set(table.names), "the key names a column that is not there"
    for parent in filter(None, table.parent.split("|")):
        assert parent in TABLES
        assert table.parent_key in table.names
    frame = tables.empty(name)
    assert list(frame.columns) == table.names
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes)


@pytest.mark.parametrize("name", [name for name in TABLES if name.startswith("quickbooks.")])
def test_every_quickbooks_column_has_a_source_or_says_what_it_is(name: str) -> None:
    without = [c.name for c in TABLES[name].columns if not c.source and not c.help and not c.required]
    assert not without


def test_a_row_keeps_its_values_and_lacks_nothing() -> None:
    row = {"txn_id": "1-1", "subtotal": Decimal("10.10"), "txn_date": dt.date(2026, 1, 31), "is_paid": False}
    (back,) = tables.to_rows(tables.from_rows("quickbooks.invoices", [row]))
    assert {name: back[name] for name in row} == row
    assert back["memo"] is None


@pytest.mark.parametrize("kind", sorted({str(c.type) for t in TABLES.values() for c in t.columns}))
def test_rows_are_what_arrow_says_of_every_type(kind: str) -> None:
    """Every declared type, with nulls, its ends and more pieces than one: value, class and spelling."""
    (declared, *_) = (c.type for t in TABLES.values() for c in t.columns if str(c.type) == kind)
    days = [dt.date.min, dt.date(1969, 12, 31), dt.date(2026, 2, 28), dt.date.max]
    if pa.types.is_decimal(declared):
        most = Decimal(10**declared.precision - 1).scaleb(-declared.scale)
        values: list[object] = [most, -most, Decimal(0), Decimal("12.50")]
    elif pa.types.is_timestamp(declared):
        values = [dt.datetime.combine(day, dt.time(23, 59, 59, 999000)) for day in days]
    elif pa.types.is_date(declared):
        values = [*days]
    else:
        of_kind = {pa.string(): ["", "ä\n"], pa.bool_(): [True, False], pa.int64(): [-(2**63), 2**63 - 1]}
        values = list(of_kind.get(declared, [[], ["a", "b"]]))
    array = pa.array([None, *values, None], type=declared)
    column = pa.chunked_array([array, array[:2], array[:0]])
    data = pa.table({"value": column, "nothing": pa.nulls(len(column), declared)})
    assert repr(tables.arrow_rows(data)) == repr(data.to_pylist())
    assert tables.arrow_rows(data[:0]) == []
    assert tables.arrow_rows(data.select([])) == data.select([]).to_pylist()


def test_an_unknown_column_is_refused_by_name() -> None:
    with pytest.raises(ConformError, match=r"quickbooks\.invoices\.total: not a column"):
        tables.from_rows("quickbooks.invoices", [{"txn_id": "1", "total": Decimal(1)}])
    with pytest.raises(ConformError, match=r"quickbooks\.invoices\.total: not a column"):
        tables.conform(pd.DataFrame({"total": ["1"]}), "quickbooks.invoices")


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(ConformError, match="1 of 2 rows have no value"):
        tables.from_rows("quickbooks.invoices", [{"txn_id": "1"}, {}])


def test_money_is_never_rounded_and_never_a_float() -> None:
    with pytest.raises(ConformError, match="subtotal"):
        tables.from_rows("quickbooks.invoices", [{"txn_id": "1", "subtotal": Decimal("1.005")}])
    with pytest.raises(ConformError, match="float is never money"):
        tables.conform(pd.DataFrame({"txn_id": ["1"], "subtotal": [0.1]}), "quickbooks.invoices")


def test_a_widened_sum_conforms_again() -> None:
    frame = tables.from_rows("quickbooks.invoices", [{"txn_id": "1", "subtotal": Decimal("9.99")}] * 3)
    summed = frame.groupby("txn_id", as_index=False)[["subtotal"]].sum()
    assert list(tables.conform(summed, "quickbooks.invoices")["subtotal"]) == [Decimal("29.97")]


@given(st.lists(MONEY, max_size=5))
def test_conforming_twice_is_conforming_once(amounts: list[Decimal]) -> None:
    rows = [{"txn_id": str(i), "subtotal": amount} for i, amount in enumerate(amounts)]
    once = tables.from_rows("quickbooks.invoices", rows)
    pd.testing.assert_frame_equal(tables.conform(once, "quickbooks.invoices"), once)
    assert [row["subtotal"] for row in tables.to_rows(once)] == amounts


def test_findings_come_once_errors_first() -> None:
    warning = tables.finding("warning", "b_rule", "doubtful", table="billing.invoices", key="1")
    error = tables.finding("error", "a_rule", "wrong", table="billing.invoices", key=("1", "2"), value=3)
    frame = tables.findings([warning, error, warning])
    assert list(frame["severity"]) == ["error", "warning"]
    assert list(frame["key"]) == ["1 / 2", "1"]


def test_a_finding_keeps_its_id_when_only_its_wording_changes() -> None:
    first = tables.finding("error", "rule", "old words", table="t", key="1", column="c", value="v")
    second = tables.finding("warning", "rule", "new words", table="t", key="1", column="c", value="v")
    other = tables.finding("error", "rule", "old words", table="t", key="1", column="c", value="w")
    assert first["finding_id"] == second["finding_id"] != other["finding_id"]


def test_a_severity_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="fatal"):
        tables.finding("fatal", "rule", "message")


# --- the declarations against the schema --------------------------------------------------------------------

RETS = sorted(
    line.split("\t")[0]
    for line in Path(qbxml_spec.__file__).with_name("qbxml_spec.tsv").read_text(encoding="utf-8").splitlines()
    if re.match(r"\w+Ret\t0\t", line)
)
KEPT = {
    ret: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table is not CUSTOM_FIELDS
    for ret in table.rets
}
TYPES: dict[str, columns.Kind] = {
    "AMTTYPE": columns.MONEY,
    "PRICETYPE": columns.RATE,
    "PERCENTTYPE": columns.RATE,
    "QUANTYPE": columns.RATE,
    "FLOATTYPE": columns.EXCHANGE_RATE,
    "INTTYPE": columns.INTEGER,
    "BOOLTYPE": columns.BOOLEAN,
    "DATETYPE": columns.DATE,
    "DATETIMETYPE": columns.TIMESTAMP,
}


def children_of(owner: Table, table: Table, tag: str) -> dict[str | None, Table]:
    """Return what may stand inside an element of a table, by tag: as the declarations alone say."""
    inside: dict[str | None, Table] = {}
    for child in QUICKBOOKS_TABLES:
        if child.parent and owner.name in child.parent.split("|"):
            around = {
                path.partition("/")[0]
                for column in child.columns
                for path in column.enclosing.split("|")
                if path
            }
            if table is owner or tag in around:
                inside |= dict.fromkeys(child.rets, child)
    if table is owner or "txn_line_id" in table.names:
        inside["DataExtRet"] = CUSTOM_FIELDS
    return inside


class Leaf(NamedTuple):
    """A value of the schema, as the declarations see it."""

    table: Table
    row: str  # where the row stands: InvoiceRet/InvoiceLineRet
    path: str  # from there: ItemRef/ListID
    element: Particle
    us: bool

    @property
    def full(self) -> str:
        return f"{self.row}/{self.path}"


def leaves_of(owner: Table, table: Table, row: str, element: Particle, us: bool) -> Iterator[Leaf]:
    inside = children_of(owner, table, row.rpartition("/")[2])

    def below(parent: Particle, where: str, us: bool) -> Iterator[Leaf]:
        for child in qbxml_spec.elements(parent):
            here, both = f"{where}{child.name}", us and child.us
            if not where and child.name in inside:
                yield from leaves_of(owner, inside[child.name], f"{row}/{here}", child, both)
            elif child.type == "aggregate":
                yield from below(child, f"{here}/", both)
            else:
                yield Leaf(table, row, here, child, both)

    yield from below(element, "", us)


def leaves(ret: str) -> list[Leaf]:
    return list(leaves_of(KEPT[ret], KEPT[ret], ret, qbxml_spec.ret(ret), us=True))


def sources(table: Table) -> set[str]:
    return {path for column in table.columns if column.source for path in column.source.split("|")}


@pytest.mark.parametrize("ret", RETS)
def test_every_record_of_the_schema_has_a_table_or_a_reason(ret: str) -> None:
    assert (ret in KEPT) != (ret in LEFT_OUT)


@pytest.mark.parametrize("ret", KEPT)
def test_every_us_field_has_a_column_or_a_reason(ret: str) -> None:
    unsaid, twice = [], []
    for leaf in leaves(ret):
        if leaf.path in sources(leaf.table):
            twice += [leaf.full] if left_out_reason(leaf.full) else []
        elif leaf.us and not left_out_reason(leaf.full):
            unsaid.append(leaf.full)
    assert not unsaid, "neither a column nor an entry of tables_left_out.LEFT_OUT"
    assert not twice, "both a column and an entry of tables_left_out.LEFT_OUT"


@pytest.mark.parametrize("ret", KEPT)
def test_what_stands_more_than_once_has_rows_of_its_own(ret: str) -> None:
    def repeated(table: Table, element: Particle, tag: str, where: str) -> Iterator[str]:
        inside = children_of(KEPT[ret], table, tag)
        for child in qbxml_spec.elements(element):
            here = f"{where}{child.name}"
            if not where and child.name in inside:
                yield from repeated(inside[child.name], child, str(child.name), "")
            elif child.max != 1 and any(f"{path}/".startswith(f"{here}/") for path in sources(table)):
                yield here
            else:
                yield from repeated(table, child, tag, f"{here}/")

    assert not list(repeated(KEPT[ret], qbxml_spec.ret(ret), ret, ""))


def test_every_source_is_a_place_of_the_schema_and_every_column_has_its_type() -> None:
    known: dict[tuple[str, str], set[pa.DataType]] = defaultdict(set)
    for ret in KEPT:
        for leaf in leaves(ret):
            known[leaf.table.name, leaf.path].add(TYPES.get(str(leaf.element.type), columns.TEXT))
    for table in QUICKBOOKS_TABLES:
        for column in table.columns:
            for path in column.source.split("|") if column.source else ():
                assert known[table.name, path] == {column.kind}, f"{table.name}.{column.name}: {path}"


def test_an_enclosing_element_makes_rows_of_the_same_record() -> None:
    told = [(table, column) for table in QUICKBOOKS_TABLES for column in table.columns if column.enclosing]
    assert {f"{table.name}.{column.name}" for table, column in told} == {
        "quickbooks.invoice_lines.group_line_id",
        "quickbooks.credit_memo_lines.group_line_id",
        "quickbooks.sales_receipt_lines.group_line_id",
        "quickbooks.linked_transactions.applied_to_txn_id",
        "quickbooks.customer_contact_details.contact_list_id",
    }
    for table, column in told:
        tag, _, path = column.enclosing.partition("/")
        (around,) = [other for other in QUICKBOOKS_TABLES if other.parent and tag in other.rets]
        assert set(around.parent.split("|")) & set(table.parent.split("|"))
        assert path in sources(around)
        assert not column.source and not column.required


@pytest.mark.parametrize("name", [name for name in TABLES if name.startswith("quickbooks.")])
def test_a_tag_means_one_table_under_one_parent(name: str) -> None:
    tags = [tag for child in QUICKBOOKS_TABLES if name in child.parent.split("|") for tag in child.rets]
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("path", LEFT_OUT)
def test_what_is_left_out_is_there_to_be_left_out(path: str) -> None:
    ret, *steps = path.split("/")
    element = qbxml_spec.ret(ret)
    for step in steps:
        element = next(child for child in qbxml_spec.elements(element) if child.name == step)
    assert LEFT_OUT[path]


def test_nothing_about_a_card_its_holder_or_a_tax_number_is_kept() -> None:
    told = {path for table in QUICKBOOKS_TABLES for path in sources(table)}
    assert not [
        path
        for path in told
        if re.search(r"CreditCard(Number|Address|Postal)|Expiration|SSN|EIN|BankN", path)
    ]


def test_a_reason_goes_for_all_below_an_element() -> None:
    assert (
        left_out_reason("HostRet/ListMetaData/ItemMetaData/MaxCapacity") == LEFT_OUT["HostRet/ListMetaData"]
    )
    assert left_out_reason("HostRet/ListMetaDataToo") is None
    assert left_out_reason("VendorRet") is None
