"""The gate of the carry-forward: settings, charges, customers, currencies, and what is said of a document.

It opens only when every customer with something open is matched and every charge of a living plan is mapped.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.checks_books import MATCHED, Books
from toolkit.checks_drafts import ZERO
from toolkit.tables import finding

__all__ = ["check_gate", "give_accounts", "notes"]

Row = dict[str, Any]

NUMBER_LENGTH = 10  # of BluBilling's invoice numbers; known of its sister product only


def check_gate(books: Books, cutover: dt.date) -> Iterator[Mapping[str, Any]]:
    """Yield what stands against the carry-forward whatever is open: settings, charges and customers."""
    yield from _check_settings(books, cutover)
    yield from _check_charges(books, cutover)
    yield from _check_decisions(books)


def _ended_plans(books: Books, cutover: dt.date) -> set[str]:
    return {
        row["contract_code"]
        for row in books.rows("billing.plans")
        if row["end_date"] is not None and row["end_date"] <= cutover
    }


def _check_settings(books: Books, cutover: dt.date) -> Iterator[Mapping[str, Any]]:
    plan = books.settings["carry_forward.plan"]
    code = books.settings["carry_forward.price_code"]
    for key in ("carry_forward.plan", "carry_forward.price_code"):
        if books.settings[key] is None:
            message = f"BluBilling needs a plan and a price code for carried invoices: toolkit set {key} ..."
            yield finding("error", "carry_forward_setting", message, key=key)
    if plan and code:
        if (plan, code) not in books.charge_matches:
            message = (
                f"BluBilling has no charge {code} in a plan {plan}: make it there and load plans and charges"
            )
            yield finding("error", "carry_forward_plan", message, table="billing.charges", key=(plan, code))
        elif plan in _ended_plans(books, cutover):
            message = f"plan {plan} has ended: BluBilling takes carried invoices on a living plan only"
            yield finding("error", "carry_forward_plan", message, table="billing.plans", key=plan)
        yield from _check_taxes(books, plan, code)


def _check_taxes(books: Books, plan: str, code: str) -> Iterator[Mapping[str, Any]]:
    """Yield what would make BluBilling tax an open balance, in which QuickBooks' tax is already."""
    for row in books.rows("billing.charges"):
        if row["contract_code"] != plan:
            continue
        mine = row["price_code"] == code
        if row["is_tax"] or (mine and row["external_tax_lookup"]):
            what = "is a tax" if row["is_tax"] else "looks up its tax"
            yield finding(
                "error",
                "carry_forward_taxed",
                f"charge {row['price_code']} of plan {plan} {what}: BluBilling would tax what is open a "
                "second time",
                table="billing.charges",
                key=(plan, row["price_code"] or ""),
                column="is_tax" if row["is_tax"] else "external_tax_lookup",
                value=True,
                suggestion="carry the invoices under a plan and a price code without tax",
                source=row["source"],
            )


def _check_charges(books: Books, cutover: dt.date) -> Iterator[Mapping[str, Any]]:
    ended = _ended_plans(books, cutover)
    for row in books.charge_matches.values():
        if row["status"] == "mismatch" and row["contract_code"] not in ended:
            yield finding(
                "error",
                "charge_unmapped",
                f"the price code matches no item ({row['reason']}): decide it in the sheet Charges",
                table="billing.charges",
                key=(row["contract_code"], row["price_code"] or ""),
                column="price_code",
                value=row["price_code"],
                suggestion=row["suggestion"],
                source=row["source"],
            )


def _check_decisions(books: Books) -> Iterator[Mapping[str, Any]]:
    for row in books.customer_matches.values():
        if row["status"] in ("undecided", "ambiguous"):
            yield finding(
                "error",
                "customer_undecided",
                f"{row['name']} is {row['status']}: decide it in the sheet Customers",
                table="billing.customers",
                key=row["account_number"],
                suggestion=row["suggestion"],
                source=row["source"],
            )


def give_accounts(documents: Sequence[Row], books: Books) -> Iterator[Mapping[str, Any]]:
    """Put the BluBilling account on each document; yield findings on customers that have not exactly one."""
    accounts: dict[str, list[str]] = defaultdict(list)
    for row in books.customer_matches.values():
        if row["status"] in MATCHED and row["customer_list_id"]:
            accounts[row["customer_list_id"]].append(row["account_number"])
    by_customer: dict[str, list[Row]] = defaultdict(list)
    for document in documents:
        by_customer[document["customer_list_id"] or ""].append(document)
    for list_id, group in by_customer.items():
        account, found = _account(list_id, accounts.get(list_id, []), group, books)
        for document in group:
            document["account_number"] = account
        if found:
            yield found
        customer = books.quickbooks_customers.get(list_id, {})
        if customer.get("is_active") is False:
            name = group[0]["customer_full_name"]
            message = (
                f"{name} is inactive in QuickBooks and has open documents: no payment can be posted there"
            )
            yield _on_customer("warning", "customer_inactive", message, list_id, name)


def _account(
    list_id: str, owners: Sequence[str], group: Sequence[Row], books: Books
) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return the account that a customer's open documents go to, and what there is to say about it."""
    if len(owners) == 1:
        return owners[0], None
    name = group[0]["customer_full_name"]
    has = f"which has {_open_items(group)}"
    if not owners:
        message = (
            f"no BluBilling account is matched to {name}, {has}: match one in the sheet Customers, or where "
            "BluBilling lacks it: toolkit carry-forward --customers"
        )
        return None, _on_customer("error", "customer_unmatched", message, list_id, name)
    shared = f"the accounts {', '.join(owners)} are matched to {name}, {has}"
    declared = not any(account in books.shared_accounts for account in owners)
    number = books.quickbooks_customers.get(list_id, {}).get("account_number")
    if declared and number in owners:
        message = f"{shared}: they go to {number}, the account number in QuickBooks"
        return number, _on_customer("info", "customer_two_accounts", message, list_id, name)
    message = f"{shared}: leave one of them on it, or write the account number of one into QuickBooks"
    return None, _on_customer("error", "customer_two_accounts", message, list_id, name)


def _open_items(group: Sequence[Row]) -> str:
    """Return what of a customer is open: its invoices and its credits, never netted nor added up."""
    said = []
    for what, wanted in (("invoices", True), ("credits", False)):
        mine = [row for row in group if (row["record_kind"] == "invoice") is wanted]
        sums: dict[str, Any] = defaultdict(lambda: ZERO)
        for row in mine:
            sums[row["currency"]] += row["open_amount"]
        money = ", ".join(f"{amount:,.2f} {code}" for code, amount in sums.items())
        said += [f"{len(mine)} open {what if len(mine) > 1 else what[:-1]} of {money}"] if mine else []
    return " and ".join(said)


def _on_customer(severity: str, rule: str, message: str, list_id: str, name: str | None) -> Mapping[str, Any]:
    table = "quickbooks.customers"
    return finding(severity, rule, message, table=table, key=list_id, column="full_name", value=name)


def check_currencies(documents: Sequence[Row], books: Books) -> Iterator[Mapping[str, Any]]:
    """Yield invoices in another currency than their account's: the upload file has no currency of its own."""
    for row in documents:
        account = books.billing_customers.get(row["account_number"] or "")
        if account is None or row["record_kind"] != "invoice":
            continue
        theirs = account["currency"] or books.home_currency
        if row["currency"] != theirs:
            yield finding(
                "error",
                "currency",
                f"it is in {row['currency']}, account {row['account_number']} in {theirs}: BluBilling would "
                "take the amount for its own currency",
                table="quickbooks.invoices",
                key=row["txn_id"],
                column="currency_full_name",
                value=row["currency_full_name"],
            )


def notes(documents: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    """Yield what there is to say of single documents: credits that stay, numbers that are given or long."""
    for row in documents:
        if row["record_kind"] != "invoice":
            message = (
                f"{row['open_amount']:,.2f} of {row['customer_full_name']} stay in QuickBooks, not netted"
            )
            table = f"quickbooks.{row['record_kind']}s"
            yield finding("info", "credit_not_netted", message, table=table, key=row["txn_id"])
            continue
        where = {"table": "quickbooks.invoices", "key": row["txn_id"], "column": "ref_number"}
        number = row["ref_number"]
        if row["key"] != number:
            message = (
                f"the invoice has {number or 'no number'} in QuickBooks, blank, repeated or none for a file: "
                f"in BluBilling it is {row['key']}"
            )
            yield finding("info", "number_given", message, value=number, **where)
        if len(row["key"]) > NUMBER_LENGTH:
            message = (
                f"number {row['key']} has more than {NUMBER_LENGTH} characters: ask BluBilling if it fits"
            )
            yield finding("warning", "number_length", message, value=row["key"], **where)
