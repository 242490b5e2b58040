"""What QuickBooks and BluBilling hold, indexed once: customers, items, lines, lists, settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from toolkit import mapping
from toolkit.checks_drafts import Line, Row, Target
from toolkit.settings import Settings
from toolkit.tables import TABLES, empty, to_rows

MATCHED = ("mapped", "account_number", "exact")


class Books:
    """The lists of one workspace, indexed when they are first asked for.

    Parameters
    ----------
    tables : mapping
        Declared name to frame; an absent table counts as empty.
    settings : Settings
        Of the workspace.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], settings: Settings) -> None:
        self._tables, self.settings = tables, settings
        self._targets: dict[str, Target] = {}

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

    # --- customers ------------------------------------------------------------------------------------------

    @cached_property
    def billing_customers(self) -> dict[str, Row]:
        """``billing.customers`` by account number."""
        return {row["account_number"]: row for row in self.rows("billing.customers")}

    @cached_property
    def quickbooks_customers(self) -> dict[str, Row]:
        """``quickbooks.customers`` by ListID."""
        return {row["list_id"]: row for row in self.rows("quickbooks.customers")}

    @cached_property
    def customer_matches(self) -> dict[str, Row]:
        """``match.customers`` by account number."""
        matched = mapping.match_customers(
            self.frame("billing.customers"),
            self.frame("quickbooks.customers"),
            self.frame("mapping.customers"),
            invoices=self.frame("billing.invoices"),
        )
        return {row["account_number"]: row for row in to_rows(matched)}

    def target(self, account: str) -> Target:
        """Return the QuickBooks customer of an account, known or not."""
        if account not in self._targets:
            self._targets[account] = self._find_target(account)
        return self._targets[account]

    def target_of(self, list_id: str, account: str) -> Target:
        """Return the QuickBooks customer of that ListID, whatever the account is matched to."""
        row = self.quickbooks_customers.get(list_id, {})
        return Target(
            account=account,
            status="mapped",
            list_id=list_id,
            full_name=row.get("full_name"),
            is_active=row.get("is_active") is not False,
            currency=row.get("currency_full_name"),
        )

    def _find_target(self, account: str) -> Target:
        match = self.customer_matches.get(account)
        if match is None:
            return Target(account, "missing", "the account is not in billing.customers")
        if match["status"] in MATCHED and match["customer_list_id"]:
            return self.target_of(match["customer_list_id"], account)
        bound = self.crosswalk.get(("customer", account))
        if bound:
            return self.target_of(bound["quickbooks_id"], account)
        if match["status"] != "new":
            return Target(account, match["status"], match["reason"] or "")
        return Target(account, "new", full_name=self._new_full_name(account), operation=f"customer:{account}")

    def new_name(self, account: str) -> str:
        """Return the name of the QuickBooks customer to create: as decided, else BluBilling's."""
        name: str = (
            self._decided_names.get(account) or self.billing_customers.get(account, {}).get("name") or ""
        )
        return name

    @cached_property
    def _decided_names(self) -> dict[str, str | None]:
        return {row["account_number"]: row["new_name"] for row in self.rows("mapping.customers")}

    @cached_property
    def new_customer_names(self) -> dict[tuple[str, str], list[str]]:
        """Accounts by the name they are to be created with: (parent, name without regard to case)."""
        names: dict[tuple[str, str], list[str]] = defaultdict(list)
        for account, match in self.customer_matches.items():
            if match["status"] == "new" and not self.target(account).list_id:
                names[self.parent_identity(account), self.new_name(account).casefold()].append(account)
        return names

    def parent_identity(self, account: str) -> str:
        """Return the identity of the QuickBooks customer above an account; "" at the top."""
        parent = self.billing_customers[account]["parent_account_number"]
        return self.target(parent).identity if parent else ""

    @cached_property
    def shared_accounts(self) -> dict[str, list[str]]:
        """Accounts that are one QuickBooks customer with others, though nobody decided so, and the others."""
        groups: dict[str, list[Row]] = defaultdict(list)
        for match in self.customer_matches.values():
            if match["customer_list_id"]:
                groups[match["customer_list_id"]].append(match)
        return {
            row["account_number"]: sorted(
                {other["account_number"] for other in group} - {row["account_number"]}
            )
            for group in groups.values()
            for row in group
            if len(group) > 1 and row["status"] != "mapped"
        }

    def parents(self, account: str) -> list[str]:
        """Return the accounts above an account, nearest first; ends where the chain turns in a circle."""
        chain: list[str] = []
        above = self.billing_customers.get(account, {}).get("parent_account_number")
        while above and above not in chain and above != account:
            chain.append(above)
            above = self.billing_customers.get(above, {}).get("parent_account_number")
        return chain

    def _new_full_name(self, account: str) -> str:
        names = [self.new_name(account)]
        for above in self.parents(account):
            match = self.customer_matches.get(above, {})
            if match.get("status") != "new":
                return ":".join([self.target(above).full_name or self.new_name(above), *names])
            names.insert(0, self.new_name(above))
        return ":".join(names)

    @cached_property
    def customer_names(self) -> dict[tuple[str, str], str]:
        """Who holds a name: (parent, name without regard to case) to the full name that exists."""
        return {
            (row["parent_list_id"] or "", (row["name"] or "").casefold()): row["full_name"] or row["name"]
            for row in self.quickbooks_customers.values()
        }

    # --- items and lines ------------------------------------------------------------------------------------

    @cached_property
    def items(self) -> dict[str, Row]:
        """``quickbooks.items`` by ListID."""
        return {row["list_id"]: row for row in self.rows("quickbooks.items")}

    @cached_property
    def item_names(self) -> dict[str, Row]:
        """``quickbooks.items`` by full name."""
        return {row["full_name"]: row for row in self.items.values()}

    @cached_property
    def local_items(self) -> dict[str, Row]:
        """``mapping.local_items`` by full name."""
        return {row["name"]: row for row in self.rows("mapping.local_items")}

    @cached_property
    def charge_matches(self) -> dict[tuple[str, str | None], Row]:
        """``match.charges`` by contract code and price code."""
        matched = mapping.match_charges(
            self.frame("billing.charges"),
            self.frame("quickbooks.items"),
            self.frame("mapping.charge_items"),
            invoice_lines=self.frame("billing.invoice_lines"),
            invoices=self.frame("billing.invoices"),
            local_items=self.frame("mapping.local_items"),
        )
        return {(row["contract_code"], row["price_code"]): row for row in to_rows(matched)}

    @cached_property
    def taxes(self) -> dict[str, Row]:
        """``mapping.taxes`` by name of the tax."""
        return {row["tax_name"]: row for row in self.rows("mapping.taxes")}

    @cached_property
    def _lines(self) -> dict[str, list[Row]]:
        lines: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows("billing.invoice_lines"):
            lines[row["invoice_number"]].append(row)
        return lines

    def lines(self, invoice_number: str) -> list[Line]:
        """Return the lines of an invoice that carry its charges, in order; usage subtotals are left away."""
        rows = [row for row in self._lines.get(invoice_number, []) if row["line_type"] != "usage_subtotal"]
        return [
            self._line(row) for row in sorted(rows, key=lambda r: (r["line_position"], r["charge_position"]))
        ]

    def _line(self, row: Row) -> Line:
        match = self.charge_matches.get((row["contract_code"], row["price_code"]), {})
        is_tax = row["line_type"] == "tax" or bool(match.get("is_tax"))
        status, reason = match.get("status") or "mismatch", match.get("reason") or "unknown"
        found = match if status in ("exact", "mapped") else {}
        if not found and is_tax and row["tax_name"] in self.taxes:
            found, status = self.taxes[row["tax_name"]], "mapped"
        name = found.get("item_full_name")
        item = self.find_item(found.get("item_list_id"), name)
        local = name in self.local_items and item is None
        discount = row["line_type"] == "discount" or bool(match.get("is_discount"))
        return Line(
            row=row,
            status=status,
            reason=reason,
            item=item,
            item_name=item["full_name"] if item else name,
            operation=f"item:{name}" if local else None,
            is_tax=is_tax,
            is_discount=discount or (item or {}).get("item_type") == "Discount",
        )

    def find_item(self, list_id: str | None, full_name: str | None) -> Row | None:
        """Return a QuickBooks item by ListID, or by full name where no ListID is known."""
        if list_id:
            return self.items.get(list_id)
        bound = self.crosswalk.get(("item", full_name or ""))
        if bound:
            return self.items.get(bound["quickbooks_id"]) or {
                "list_id": bound["quickbooks_id"],
                "full_name": full_name,
                "item_type": self.local_items.get(full_name or "", {}).get("item_type"),
                "is_active": True,
            }
        return self.item_names.get(full_name or "")

    # --- lists of QuickBooks --------------------------------------------------------------------------------

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
    def zero_tax_item(self) -> Row | None:
        """The sales tax item of rate 0: the one of the setting, else the only active one."""
        wanted = self.settings["zero_tax_item"]
        found = [
            row
            for row in self.items.values()
            if row["item_type"] == "SalesTax" and row["tax_rate"] == 0 and row["is_active"] is not False
        ]
        if wanted:
            found = [row for row in found if row["full_name"] == wanted]
        return found[0] if len(found) == 1 else None

    @cached_property
    def payment_methods(self) -> dict[str, Row]:
        """``match.payment_methods`` by BluBilling method."""
        matched = mapping.match_payment_methods(
            self.frame("billing.payments"),
            self.frame("quickbooks.payment_methods"),
            self.frame("mapping.payment_methods"),
            settings=self.settings,
        )
        return {row["method"]: row for row in to_rows(matched)}

    @cached_property
    def active_methods(self) -> set[str]:
        """ListIDs of the active payment methods of QuickBooks."""
        rows = self.rows("quickbooks.payment_methods")
        return {row["list_id"] for row in rows if row["is_active"] is not False}

    @cached_property
    def crosswalk(self) -> dict[tuple[str, str], Row]:
        """``ledger.crosswalk`` by kind of record and key."""
        return {(row["record_kind"], row["key"]): row for row in self.rows("ledger.crosswalk")}

    @cached_property
    def bound_ids(self) -> set[str]:
        """ListIDs and TxnIDs that the crosswalk knows."""
        return {row["quickbooks_id"] for row in self.crosswalk.values()}
