"""What people and programs see of a frame."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal

from rich.console import Console

from toolkit import display, tables


def shown(renderable: object) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_json_keeps_amounts_as_text_and_nulls_as_null() -> None:
    frame = tables.from_rows("quickbooks.invoices", [{"txn_id": "1", "subtotal": Decimal("1.10")}])
    (row,) = json.loads(display.to_json(frame))
    assert row["subtotal"] == "1.10"
    assert row["memo"] is None


def test_a_terminal_table_says_how_many_rows_it_cut() -> None:
    frame = tables.from_rows("quickbooks.invoices", [{"txn_id": str(i)} for i in range(30)])
    assert "... and 10 more rows" in shown(display.terminal_table(frame, ["txn_id"], limit=20))


def test_amounts_have_two_decimals_and_markup_is_only_text() -> None:
    row = {"txn_id": "[red]1", "subtotal": Decimal("1234.5"), "txn_date": dt.date(2026, 1, 31)}
    text = shown(
        display.terminal_table(tables.from_rows("quickbooks.invoices", [row]), ["txn_id", "subtotal"])
    )
    assert "1,234.50" in text
    assert "[red]1" in text
