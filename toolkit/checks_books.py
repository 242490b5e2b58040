"""What QuickBooks and BluBilling hold, indexed once: customers, items, lines, lists, settings."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import pandas as pd

from toolkit import mapping
from toolkit.checks_company import DECIDED, Company
from toolkit.checks_drafts import Line, Row, Target
from toolkit.quickbooks_codes import may_go_again
from toolkit.references import settled
from toolkit.settings import Settings
from toolkit.tables import to_rows

MATCHED = ("mapped", "account_number", "exact")


class Books(Company):
    """The lists of one workspace, indexed when they are first asked for.

    Parameters
    ----------
    tables : mapping
        Declared name to frame; an absent table counts as empty.
    settings : Settings
        Of the workspace.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], settings: Settings) -> None:
        super().__init__(tables, settings)
        self._targets: dict[str, Target] = {}

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
        """Return the name of the QuickBooks customer to create: as decided, else BluBilling's.

        Without blanks at its ends: QuickBooks drops them, and what it stores is compared with what was sent.
        """
        name: str = (
            self._decided_names.get(account) or self.billing_customers.get(account, {}).get("name") or ""
        )
        return name.strip()

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

    @cached_property
    def rejected(self) -> dict[str, Row]:
        """Operations that QuickBooks rejected for what they are, by key: the request as it was sent.

        Not those that it had no time for (somebody used the record, another request failed): they go again.
        What a request referred to by operation is the id that it had then; where that was lost and made
        anew since, it is none, so that the request is another one now.
        """
        columns = ("key", "job", "request", "status_code", "status_message", "fields")
        frame = self.frame("ledger.operations")
        rejected = frame["status"] == "rejected"
        found = self.rows("ledger.operations", *columns, where=rejected)
        if not found:  # as a rule
            return {}
        others = self.rows("ledger.operations", "key", "job", "status", "list_id", "txn_id", where=~rejected)
        ids = {job: _ids_in(others, job or 0) for job in {row["job"] for row in found}}
        return {
            row["key"]: row | {"fields": settled(json.loads(row["fields"]), ids[row["job"]])}
            for row in found
            if row["fields"] and not may_go_again(row["status_code"], row["status_message"])
        }

    @cached_property
    def rejected_alike(self) -> Counter[tuple[int | None, int | None]]:
        """How many of these there are, by status code and job."""
        return Counter((row["status_code"], row["job"]) for row in self.rejected.values())

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
    def tax_groups(self) -> dict[str, list[str]]:
        """ListIDs of the members of each sales tax group, by the ListID of the group."""
        groups: dict[str, list[str]] = {
            list_id: [] for list_id, row in self.items.items() if row["item_type"] == "SalesTaxGroup"
        }
        for row in self.rows("quickbooks.sales_tax_group_items"):
            if row["sales_tax_group_list_id"] in groups:
                groups[row["sales_tax_group_list_id"]].append(row["item_sales_tax_list_id"])
        return groups

    @cached_property
    def charges(self) -> dict[tuple[str, str | None], Row]:
        """``billing.charges`` by contract code and price code."""
        return {(row["contract_code"], row["price_code"]): row for row in self.rows("billing.charges")}

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
            tax_decisions=self.frame("mapping.taxes"),
        )
        return {(row["contract_code"], row["price_code"]): row for row in to_rows(matched)}

    @cached_property
    def taxes(self) -> dict[str | None, Row]:
        """``match.taxes`` from outside (of no charge of a plan) by name; a decision on a name counts."""
        matched = mapping.match_taxes(
            self.frame("billing.charges"),
            self.frame("quickbooks.items"),
            self.frame("mapping.taxes"),
            charge_decisions=self.frame("mapping.charge_items"),
            invoice_lines=self.frame("billing.invoice_lines"),
            invoices=self.frame("billing.invoices"),
        )
        decided = [row | {"status": "mapped", "reason": None} for row in self.rows("mapping.taxes")]
        rows = [*to_rows(matched), *(row for row in decided if row["item_list_id"])]
        return {row["tax_name"]: row for row in rows if row["contract_code"] is None}

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
            outside = self.taxes[row["tax_name"]]
            status, reason = outside["status"], outside["reason"] or "unknown"
            found = outside if status in DECIDED else {}
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

    # --- taxes and the crosswalk ---------------------------------------------------------------------------

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
    def crosswalk(self) -> dict[tuple[str, str], Row]:
        """``ledger.crosswalk`` by kind of record and key."""
        return {(row["record_kind"], row["key"]): row for row in self.rows("ledger.crosswalk")}

    @cached_property
    def bound_ids(self) -> set[str]:
        """ListIDs and TxnIDs that the crosswalk knows."""
        return {row["quickbooks_id"] for row in self.crosswalk.values()}


def _ids_in(operations: Iterable[Row], job: int) -> dict[str, str | None]:
    """Return what a request of a job was sent with for each operation that it refers to.

    None where that is not applied any more, or was applied by a later job: it had another id.
    """
    return {
        row["key"]: row["list_id"] or row["txn_id"]
        if row["status"] == "applied" and (row["job"] or 0) <= job
        else None
        for row in operations
    }
