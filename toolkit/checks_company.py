"""The lists of QuickBooks as one plan needs them: accounts, codes, methods, terms, preferences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from toolkit import mapping
from toolkit.checks_drafts import Row
from toolkit.settings import Settings
from toolkit.tables import TABLES, empty, to_rows

CREDIT = "Credit"
"""The payment method of a house credit that goes as a payment. Source: BluBilling page on payment methods."""

_OF_CREDITS = "credit: "
DECIDED = ("exact", "mapped")


class Company:
    """The short lists of one workspace, indexed when they are first asked for.

    Parameters
    ----------
    tables : mapping
        Declared name to frame; an absent table counts as empty.
    settings : Settings
        Of the workspace.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], settings: Settings) -> None:
        self._tables, self.settings = tables, settings

    def frame(self, name: str) -> pd.DataFrame:
        """Return a table, empty where there is none."""
        frame = self._tables.get(name)
        return empty(name) if frame is None else frame

    def rows(self, name: str, *columns: str, where: pd.Series | None = None) -> list[dict[str, Any]]:
        """Return the rows of a table that QuickBooks or BluBilling still has; only some columns if named.

        ``where`` chooses rows of the table as it is.
        """
        frame = self.frame(name)
        if where is not None:
            frame = frame[where]
        if "left_at" in TABLES[name].names:
            frame = frame[frame["left_at"].isna()]
        # Half the tables of a workspace are empty, and rows of nothing take longer than one would think.
        return to_rows(frame[list(columns)] if columns else frame) if len(frame) else []

    @cached_property
    def accounts(self) -> dict[str, Row]:
        """Active ``quickbooks.accounts`` by full name."""
        rows = self.rows("quickbooks.accounts")
        return {row["full_name"]: row for row in rows if row["is_active"] is not False}

    @cached_property
    def tax_codes(self) -> dict[str, Row]:
        """Active ``quickbooks.sales_tax_codes`` by name."""
        rows = self.rows("quickbooks.sales_tax_codes")
        return {row["name"]: row for row in rows if row["is_active"] is not False}

    @cached_property
    def company(self) -> Row:
        """The row of ``quickbooks.company``; empty where it was not imported."""
        return next(iter(self.rows("quickbooks.company")), {})

    @cached_property
    def currency_codes(self) -> dict[str, str]:
        """Currency code by QuickBooks' name of the currency."""
        return {row["name"]: row["currency_code"] for row in self.rows("quickbooks.currencies")}

    @cached_property
    def home_currency(self) -> str:
        """Code of the company's currency; USD where the file does not say."""
        return self.currency_codes.get(self.company.get("home_currency_full_name") or "", "USD")

    @cached_property
    def ar_account(self) -> Row | None:
        """The A/R account: the one of the setting, else the only one there is."""
        wanted = self.settings["ar_account"]
        found = [row for row in self.accounts.values() if row["account_type"] == "AccountsReceivable"]
        if wanted:
            found = [row for row in found if row["full_name"] == wanted]
        return found[0] if len(found) == 1 else None

    @cached_property
    def uses_sales_tax(self) -> bool:
        """Whether the company has sales tax codes, so that none may be left to a default."""
        return bool(self.tax_codes)

    @cached_property
    def non_taxable_code(self) -> Row | None:
        """The non-taxable sales tax code: the one of the setting, else the company's own."""
        wanted = self.settings["non_taxable_code"] or self.company.get("default_non_taxable_code_full_name")
        found = self.tax_codes.get(wanted or "")
        return found if found and not found["is_taxable"] else None

    @cached_property
    def taxable_code(self) -> Row | None:
        """The taxable sales tax code: the company's own default, else the first that is there."""
        wanted = self.company.get("default_taxable_code_full_name")
        codes = [r for name, r in self.tax_codes.items() if r["is_taxable"] and wanted in (None, name)]
        return codes[0] if codes else None

    @cached_property
    def payment_methods(self) -> dict[str, Row]:
        """``match.payment_methods`` by BluBilling method; those of house credits too, where they go so."""
        frame = self.frame("billing.payments")
        matched = mapping.match_payment_methods(
            frame,
            self.frame("quickbooks.payment_methods"),
            self.frame("mapping.payment_methods"),
            accounts=self.frame("quickbooks.accounts"),
            settings=self.settings,
        )
        return {row["method"]: row for row in to_rows(matched)} | self._credit_methods

    @cached_property
    def _credit_methods(self) -> dict[str, Row]:
        """The method that each house credit has as a payment, as ``match.payment_methods`` would tell it."""
        if self.settings["credit_mode"] != "payment":
            return {}
        rows = self.rows("quickbooks.payment_methods")
        active = {row["name"]: row for row in rows if row["is_active"] is not False}
        account = self.accounts.get(self.settings["credit_account"] or "")
        found: dict[str, Row] = {}
        for row in self.rows("billing.adjustments", "kind", "amount", "reason_text", "qb_method_or_item"):
            method = credit_method(row, active)
            named = method.removeprefix(_OF_CREDITS)
            there = active.get(named)
            found[method] = {
                "method": method,
                "status": "exact" if there else "mismatch",
                "reason": None if there else "unknown",
                "suggestion": None,
                "payment_method_list_id": there["list_id"] if there else None,
                "payment_method_full_name": named,
                "deposit_account_list_id": account["list_id"] if account else None,
                "deposit_account_full_name": self.settings["credit_account"],
            }
        return found

    def credit_method(self, row: Row) -> str:
        """Return the method of a house credit as a payment, by which :attr:`payment_methods` knows it."""
        return credit_method(row, self._method_names)

    @cached_property
    def _method_names(self) -> set[str]:
        rows = self.rows("quickbooks.payment_methods")
        return {row["name"] for row in rows if row["is_active"] is not False}

    def payment_account(self, method: str) -> Row | None:
        """Return the account that payments of a BluBilling method are deposited to.

        The one decided on, by ListID; else that of the setting ``deposit_accounts.<Method>``; of house
        credits the setting ``credit_account``. ``None`` where none is chosen, or it is not active.
        """
        match = self.payment_methods.get(method, {})
        chosen = match.get("deposit_account_list_id")
        if chosen:
            return next((row for row in self.accounts.values() if row["list_id"] == chosen), None)
        named = match.get("deposit_account_full_name") or self.settings.deposit_account(method)
        return self.accounts.get(named or "")

    @cached_property
    def active_methods(self) -> set[str]:
        """ListIDs of the active payment methods of QuickBooks."""
        rows = self.rows("quickbooks.payment_methods")
        return {row["list_id"] for row in rows if row["is_active"] is not False}

    @cached_property
    def _terms(self) -> dict[str, Row]:
        """``match.terms`` by name of BluBilling's terms."""
        matched = mapping.match_terms(
            self.frame("billing.customers"), self.frame("quickbooks.terms"), self.frame("mapping.terms")
        )
        return {row["terms_name"]: row for row in to_rows(matched)}

    @cached_property
    def _active_terms(self) -> set[str]:
        return {row["list_id"] for row in self.rows("quickbooks.terms") if row["is_active"] is not False}

    def terms_of(self, customer: Row) -> Row | None:
        """Return the terms of QuickBooks that a BluBilling customer's are, as ``match.terms`` tells them."""
        match = self._terms.get(mapping.terms_name(customer) or "", {})
        known = match.get("status") in DECIDED and match.get("terms_list_id") in self._active_terms
        return match if known else None

    @cached_property
    def _adjustments(self) -> dict[str, Row]:
        """``match.adjustments`` by kind."""
        matched = mapping.match_adjustments(
            self.frame("billing.adjustments"),
            self.frame("quickbooks.items"),
            self.frame("mapping.adjustments"),
            payments=self.frame("billing.payments"),
            local_items=self.frame("mapping.local_items"),
            settings=self.settings,
        )
        return {row["kind"]: row for row in to_rows(matched)}

    def adjustment(self, kind: str) -> Row:
        """Return what becomes of a kind of adjustment, a row of ``match.adjustments``; empty if unknown."""
        return self._adjustments.get(kind, {})

    @cached_property
    def classes_are_assigned_to(self) -> str | None:
        """Where the company keeps its classes (``Names``, ``Items``, ...); ``None`` where it uses none."""
        if not self.company.get("is_using_class_tracking"):
            return None
        return self.company.get("assign_classes_to") or "None"


def credit_method(row: Row, active: Any) -> str:
    """Return the method of a house credit: one that it names and QuickBooks has, else ``Credit``.

    A prefix keeps it apart from the methods of payments, which have deposit accounts of their own.

    >>> credit_method({"qb_method_or_item": None, "reason_text": "Referral Credit"}, {"Referral Credit"})
    'credit: Referral Credit'
    """
    named = (name for name in (row["qb_method_or_item"], row["reason_text"]) if name in active)
    return _OF_CREDITS + next(named, CREDIT)
