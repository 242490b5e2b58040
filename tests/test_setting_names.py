"""Settings that name a record of QuickBooks: a name that is not there is told when it is typed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import cli_world
import pandas as pd
import pytest

from toolkit.setting_names import TABLES_NAMED, doubt
from toolkit.settings import SETTINGS, Settings
from toolkit.tables import from_rows
from toolkit.workspace import Workspace

LEFT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BY_HAND = {"name": "By Hand", "item_type": "Service", "income_account_full_name": "Sales"}
ROWS = {
    "quickbooks.accounts": [
        {"list_id": "A-1", "full_name": "Accounts Receivable", "account_type": "AccountsReceivable"},
        {"list_id": "A-2", "full_name": "Bank:Card Clearing", "account_type": "Bank"},
        {"list_id": "A-3", "full_name": "Old Bank", "account_type": "Bank", "is_active": False},
        {"list_id": "A-4", "full_name": "Left", "account_type": "Bank", "left_at": LEFT},
        {"list_id": "A-5", "full_name": "Sales", "account_type": "Income"},
        {"list_id": "A-6", "full_name": "Twice", "account_type": "Bank", "is_active": False},
        {"list_id": "A-7", "full_name": "Twice", "account_type": "OtherCurrentAsset"},
    ],
    "quickbooks.items": [
        {"list_id": "I-1", "full_name": "House Credit", "item_type": "Service"},
        {"list_id": "I-2", "full_name": "No Tax", "item_type": "SalesTax", "tax_rate": 0},
        {"list_id": "I-3", "full_name": "State", "item_type": "SalesTax", "tax_rate": 5},
    ],
    "quickbooks.sales_tax_codes": [
        {"list_id": "T-1", "name": "Tax", "is_taxable": True},
        {"list_id": "T-2", "name": "Non", "is_taxable": False},
    ],
    "mapping.local_items": [BY_HAND],
}


def frames() -> dict[str, pd.DataFrame]:
    made = {}
    for table, rows in ROWS.items():
        known = {"is_active": True} if table.startswith("quickbooks.") else {}
        named = table == "quickbooks.accounts"
        filled = [known | ({"name": row["full_name"]} if named else {}) | row for row in rows]
        made[table] = from_rows(table, filled)
    return made


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        ("ar_account", "Accounts Receivable", None),
        (
            "ar_account",
            "Bank:Card Clearing",
            "'Bank:Card Clearing' is no A/R account; there is 'Acc",
        ),
        ("deposit_accounts.CreditCard", "Bank:Card Clearing", None),
        ("deposit_accounts.CreditCard", "Card Clearing", "; did you mean 'Bank:Card Clearing'? (where it is"),
        ("deposit_accounts.Cash", "Sales", "'Sales' is no account of type Bank or OtherCurrentAsset"),
        ("deposit_accounts.Cash", "Accounts Receivable", "is no account of type Bank or OtherCurrentAsset"),
        ("deposit_accounts.ACH", "Old Bank", "'Old Bank' is not active in QuickBooks"),
        ("deposit_accounts.ACH", "Old Bankk", "; there is 'Bank:Card Clearing', 'Twice' (where it is new,"),
        ("deposit_accounts.ACH", "Twice", None),
        ("credit_account", "Left", "'Left' was imported as an account of type Bank or OtherCurrentAsset"),
        ("credit_account", "Sales", "is no account of type Bank"),
        ("credit_item", "House Credit", None),
        ("credit_item", "By Hand", None),
        (
            "credit_item",
            "Home Credit",
            "did you mean 'House Credit'? (where it is new, `toolkit import items`",
        ),
        ("credit_item", "State", "'State' is no item of type Service, NonInventory, OtherCharge or Discount"),
        ("credit_item", "Stat", "; there is 'House Credit' (where it is new"),
        ("zero_tax_item", "No Tax", None),
        ("zero_tax_item", "State", "'State' is no sales-tax item of rate 0; there is 'No Tax'"),
        ("non_taxable_code", "Non", None),
        ("non_taxable_code", "Tax", "'Tax' is no non-taxable sales-tax code"),
        ("carry_forward.plan", "Accounts", None),
    ],
)
def test_a_name_is_looked_up_among_what_was_imported(key: str, name: str, said: str | None) -> None:
    found = doubt(key, Settings().with_text(key, name), frames())
    assert found is None if said is None else said in str(found), found


def test_of_a_name_in_other_capitals_no_import_is_proposed() -> None:
    found = doubt("credit_item", Settings().with_text("credit_item", "house credit"), frames())
    assert found is not None and found.endswith("; did you mean 'House Credit'?")


def test_every_setting_that_names_a_record_is_looked_up() -> None:
    named = {"ar_account", "credit_account", "credit_item", "zero_tax_item", "non_taxable_code"}
    assert set(TABLES_NAMED) == named | {key for key in SETTINGS if key.startswith("deposit_accounts.")}
    for key in TABLES_NAMED:
        settings = Settings().with_text(key, "Whatever")
        assert doubt(key, settings, {}) is None, "nothing was imported, so that nothing is known"
        assert doubt(key, settings, frames()), key
    for key in named:
        assert doubt(key, Settings(), frames()) is None


def test_toolkit_set_warns_and_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ws"
    toolkit = cli_world.runner(monkeypatch, capsys)
    with Workspace.create(folder, company="Fabrikam", password="a good password") as ws, ws.lock():
        for table in ("quickbooks.accounts", "quickbooks.items"):
            ws.write(table, frames()[table])
    ran = toolkit("-w", folder, "set", "credit_item", "Home Credit", "--json")
    assert (ran.code, ran.json) == (0, {"credit_item": "Home Credit"})
    assert (
        "warning: nothing named 'Home Credit' was imported as an item of type Service, NonInventory"
        in ran.err
    )
    assert f"`toolkit -w {folder} import items` reads it" in ran.err
    assert toolkit("-w", folder, "set", "credit_item", "House Credit").err == ""
    assert toolkit("-w", folder, "set", "non_taxable_code", "Any").err == "", "no codes were imported"
    (folder / "quickbooks" / "items.parquet").write_bytes(b"torn")
    ran = toolkit("-w", folder, "set", "credit_item", "Home Credit", "--json")
    assert (ran.code, ran.json, ran.err) == (0, {"credit_item": "Home Credit"}, "")
