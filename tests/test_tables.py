"""Declared tables: frames conform or raise, and findings keep their identity."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import tables
from toolkit.errors import ConformError
from toolkit.tables import TABLES

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
