"""What people and programs see of a frame."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
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


def test_one_thing_is_one_and_no_thing_is_many() -> None:
    console = Console(file=io.StringIO(), width=200)
    display.show_corrected(console, Path("c.xlsx"), 1, 0, 1)
    display.show_corrected(console, Path("c.xlsx"), 2, 1, 1200)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "1 value corrected and 0 corrections withdrawn by c.xlsx; 1 row says nothing new.",
        "2 values corrected and 1 correction withdrawn by c.xlsx; 1,200 rows say nothing new.",
    ]


WORDS = "a person approves what was tried before, for nobody knows what became of it in QuickBooks. "


@pytest.mark.parametrize("width", [60, 80, 100, 110])
@pytest.mark.parametrize("numbers", [3, 6, 9])
@pytest.mark.parametrize("texts", [0, 1, 3])
def test_no_number_date_or_key_is_broken_at_any_width(width: int, numbers: int, texts: int) -> None:
    row: dict[str, object] = {"key": "invoice:INV-2026-000101", "on": dt.date(2026, 1, 31)}
    row |= {f"amount {i}": Decimal("24510.68") + i for i in range(numbers)}
    row |= {f"text {i}": WORDS * 2 for i in range(texts)}
    console = Console(width=width, file=io.StringIO())
    console.print(display.terminal_table(pd.DataFrame([row]), list(row)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for whole in ("invoice:INV-2026-000101", "2026-01-31", *(f"{24510 + i:,}.68" for i in range(numbers))):
        assert whole in words
    assert words.count("approves") == words.count("QuickBooks.") == texts * 2


def test_a_table_that_fits_no_line_says_each_row_in_a_paragraph() -> None:
    row = {f"amount {i}": Decimal("24510.68") for i in range(9)}
    console = Console(width=60, file=io.StringIO())
    console.print(display.terminal_table(pd.DataFrame([row, row]), list(row)))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("amount 8: 24,510.68") == 2
