"""Every setting of a workspace: its type, its default where one is safe, and a sentence of help.

>>> settings = Settings().with_text("cutover_date", "2025-12-31")
>>> settings.cutover_date
datetime.date(2025, 12, 31)
>>> settings["set_size"]
50
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.errors import SettingError

UNSET = "-"
"""What stands for the default, or for nothing where there is none, when it is shown and when it is typed."""
METHODS = ("Token", "CreditCard", "ACH", "Paypal", "PaperCheck", "Cash")
"""BluBilling's payment methods. Source: BluBilling page "how to add a new payment method"."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Parameters
    ----------
    key : str
        Name, dotted where it belongs to a group.
    parse : callable
        Text to value; raises ``ValueError`` with a clause that says what is wrong.
    default : object
        ``None`` where no default is safe.
    help : str
        One sentence.
    example : str
        A value that fits.
    """

    key: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    example: str


def _date(text: str) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError(f"{text!r} is not a date like 2025-12-31")
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date of the calendar") from error


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it must not be blank")
    return text


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d+", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


def _number_rule(text: str) -> str:
    if text == "none" or re.fullmatch(r"strip:.+", text) or re.fullmatch(r"counter:[0-9]{1,11}", text):
        return text
    if text.startswith("pattern:"):
        try:
            groups = re.compile(text.removeprefix("pattern:")).groups
        except re.error as error:
            raise ValueError(f"the pattern does not compile: {error}") from error
        if groups == 1:
            return text
        raise ValueError("the pattern needs exactly one group: what it holds becomes the number")
    raise ValueError("it is none, strip:PREFIX, pattern:REGEX with one group, or counter:START")


_DEFAULT_DEPOSITS = {"PaperCheck": "Undeposited Funds", "Cash": "Undeposited Funds"}

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting(
            "cutover_date",
            _date,
            None,
            "Documents dated on or before it belong to QuickBooks, later ones to BluBilling.",
            "2025-12-31",
        ),
        Setting(
            "company_file",
            _text,
            None,
            "Full path of the company file on the QuickBooks machine; without it, the one open there.",
            r"C:\Books\Acme.qbw",
        ),
        Setting(
            "ar_account",
            _text,
            None,
            "Full name of the A/R account; the only one if there is one.",
            "Accounts Receivable",
        ),
        *(
            Setting(
                f"deposit_accounts.{method}",
                _text,
                _DEFAULT_DEPOSITS.get(method),
                f"Full name of the account that {method} payments are deposited to.",
                "Undeposited Funds" if method in _DEFAULT_DEPOSITS else "Card Clearing",
            )
            for method in METHODS
        ),
        Setting(
            "tax_mode",
            _choice("lines", "quickbooks"),
            "lines",
            "lines: BluBilling's tax goes as lines of sales-tax items; quickbooks: QuickBooks computes it.",
            "lines",
        ),
        Setting(
            "zero_tax_item",
            _text,
            None,
            "Full name of the sales-tax item of rate 0 on every header; the only one if there is one.",
            "No Tax",
        ),
        Setting(
            "non_taxable_code",
            _text,
            None,
            "The non-taxable sales-tax code on headers and lines; without it, the company's own default.",
            "Non",
        ),
        Setting(
            "number_rule",
            _number_rule,
            "none",
            "How a number longer than QuickBooks' 11 characters becomes one that fits: "
            "none (an error), strip:PREFIX, pattern:REGEX with one group, counter:START.",
            "strip:INV-",
        ),
        Setting(
            "credit_mode",
            _choice("credit_memo", "payment"),
            "credit_memo",
            "House credits go as credit memos on credit_item, or as payments on credit_account.",
            "credit_memo",
        ),
        Setting("credit_item", _text, None, "Full name of the item on house-credit memos.", "House Credit"),
        Setting(
            "credit_account",
            _text,
            None,
            "Clearing account of house credits that go as payments.",
            "Credit Clearing",
        ),
        Setting(
            "closed_period",
            _choice("block", "first_open_day"),
            "block",
            "Documents of a closed period: block, or first_open_day with the true date in the memo.",
            "block",
        ),
        Setting("pilot", _boolean, True, "The first approved job carries at most five documents.", "true"),
        Setting(
            "auto_approve",
            _boolean,
            False,
            "Export jobs need no approval while the newest tie-out ties: for unattended runs.",
            "false",
        ),
        Setting(
            "stale_after_days",
            _integer(1, 3650),
            7,
            "Days after which an import counts as old: steps that use its table warn.",
            "7",
        ),
        Setting("page_size", _integer(1, 10000), 500, "Records a page of an import with iterators.", "500"),
        Setting("set_size", _integer(1, 500), 50, "Operations a message set of an export.", "50"),
        Setting(
            "session_timeout",
            _integer(5, 3600),
            60,
            "Seconds without a call after which a Web Connector session may be taken over.",
            "60",
        ),
        Setting(
            "poll_minutes",
            _integer(1, 1440),
            5,
            "Minutes between two runs of the Web Connector's Auto-Run; `toolkit qwc` writes it down.",
            "5",
        ),
        Setting(
            "max_envelope_mb",
            _integer(1, 2048),
            256,
            "Longest call of the Web Connector that is read, in MB (2**20 bytes).",
            "256",
        ),
        Setting(
            "carry_forward.plan",
            _text,
            None,
            "Contract code of the plan that carried invoices stand on.",
            "QB-CARRY",
        ),
        Setting("carry_forward.price_code", _text, None, "Price code of that plan's charge.", "BALANCE"),
        Setting(
            "carry_forward.shape",
            _choice("balance", "lines"),
            "balance",
            "balance: one line with what is open on an invoice; lines: the invoice's own lines.",
            "balance",
        ),
        Setting(
            "carry_forward.date_format",
            _choice("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y"),
            "%m/%d/%Y",
            "Date format of BluBilling's upload file (unconfirmed by the vendor).",
            "%m/%d/%Y",
        ),
        Setting(
            "carry_forward.header",
            _boolean,
            True,
            "Whether BluBilling's upload files begin with a row of column names (unconfirmed by the vendor).",
            "true",
        ),
        Setting(
            "carry_forward.encoding",
            _choice("utf-8", "utf-8-sig", "cp1252"),
            "utf-8",
            "Encoding of BluBilling's upload files (unconfirmed by the vendor).",
            "utf-8",
        ),
    )
}


class Settings(Mapping[str, Any]):
    """The settings of one workspace, read only; a key that was not set has its default.

    Parameters
    ----------
    values : mapping, optional
        Key to value, as :meth:`explicit` gives them.

    Raises
    ------
    SettingError
        A key that is no setting.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})
        for key in self._values:
            _require_known(key)

    def __getitem__(self, key: str) -> Any:
        return self._values.get(key, _require_known(key).default)

    def __iter__(self) -> Iterator[str]:
        return iter(SETTINGS)

    def __len__(self) -> int:
        return len(SETTINGS)

    @property
    def cutover_date(self) -> dt.date | None:
        """The cutover date, or ``None`` while it is not set."""
        value: dt.date | None = self["cutover_date"]
        return value

    def explicit(self) -> dict[str, Any]:
        """Return what was set on purpose, without the defaults."""
        return dict(self._values)

    def with_text(self, key: str, text: str) -> Settings:
        """Return new settings with ``key`` set from text; a dash is what they show of one that is not set.

        Examples
        --------
        >>> Settings({"set_size": 10}).with_text("set_size", "-")["set_size"]
        50

        Raises
        ------
        SettingError
            No such key, or a value that does not fit it.
        """
        setting = _require_known(key)
        if text.strip() == UNSET:
            return Settings({other: value for other, value in self._values.items() if other != key})
        try:
            value = setting.parse(text)
        except ValueError as error:
            raise SettingError(key, str(error), f"for example {setting.example}") from error
        return Settings({**self._values, key: value})

    def deposit_account(self, method: str) -> str | None:
        """Return the deposit account of a BluBilling payment method, or ``None``."""
        key = f"deposit_accounts.{method}"
        account: str | None = self[key] if key in SETTINGS else None
        return account


def _require_known(key: str) -> Setting:
    if key not in SETTINGS:
        near = difflib.get_close_matches(key, SETTINGS, n=1)
        hint = f"did you mean {near[0]}?" if near else "`toolkit set` lists them"
        raise SettingError(key, "there is no such setting", hint)
    return SETTINGS[key]
