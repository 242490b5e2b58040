"""Settings: each checked, none guessed."""

from __future__ import annotations

import datetime as dt

import pytest

from toolkit.errors import SettingError
from toolkit.settings import SETTINGS, Settings


@pytest.mark.parametrize("key", SETTINGS)
def test_every_example_fits_its_setting(key: str) -> None:
    setting = SETTINGS[key]
    settings = Settings().with_text(key, setting.example)
    assert settings[key] is not None
    assert setting.help.endswith(".")


def test_a_setting_that_was_not_set_has_its_default() -> None:
    settings = Settings()
    assert settings.cutover_date is None
    assert settings["set_size"] == 50
    assert settings["pilot"] is True
    assert settings.deposit_account("Cash") == "Undeposited Funds"
    assert settings.deposit_account("CreditCard") is None
    assert settings.deposit_account("Barter") is None
    assert settings.explicit() == {}


def test_setting_one_leaves_the_old_settings_as_they_were() -> None:
    before = Settings()
    after = before.with_text("cutover_date", "2025-12-31")
    assert before.cutover_date is None
    assert after.cutover_date == dt.date(2025, 12, 31)


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("cutover_date", "31.12.2025", "not a date like"),
        ("cutover_date", "2025-02-30", "not a date of the calendar"),
        ("set_size", "0", "from 1 to 500"),
        ("set_size", "5.5", "from 1 to 500"),
        ("tax_mode", "both", "none of lines, quickbooks"),
        ("pilot", "yes", "neither true nor false"),
        ("ar_account", "  ", "blank"),
        ("number_rule", "pattern:INV-[0-9]+", "exactly one group"),
        ("number_rule", "pattern:(", "does not compile"),
        ("number_rule", "strip:", "counter:START"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_an_example(key: str, text: str, says: str) -> None:
    with pytest.raises(SettingError, match=says) as caught:
        Settings().with_text(key, text)
    assert "for example" in str(caught.value)


def test_a_dash_takes_back_what_was_set() -> None:
    settings = Settings({"company_file": r"C:\Books\Acme.qbw", "set_size": 10})
    assert settings.with_text("company_file", "-").explicit() == {"set_size": 10}
    assert settings.with_text("cutover_date", "-").explicit() == settings.explicit()


def test_an_unknown_setting_is_refused_and_the_near_one_named() -> None:
    with pytest.raises(SettingError, match="did you mean cutover_date"):
        Settings().with_text("cut_over_date", "2025-12-31")
    with pytest.raises(SettingError, match="no such setting"):
        Settings({"colour": "blue"})
