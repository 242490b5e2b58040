"""Open receivables at the cutover date as BluBilling's invoice upload file, behind a gate.

The gate opens only when every customer is matched, every charge of a living plan is mapped, and the
documents add up to QuickBooks' own balance of each customer. Documents dated after the cutover date stay
out, one finding each. Credit memos and unapplied payments are never netted: they are bound to their
QuickBooks records and listed. Source: BluBilling page "upload outstanding and paid invoices", fields 1-21.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.checks_books import MATCHED, Books
from toolkit.errors import SettingError
from toolkit.receivables import ZERO, Receivables, prove_balances
from toolkit.settings import Settings
from toolkit.tables import TABLES, finding, findings, from_rows

__all__ = ["CarryForward", "plan_carry_forward"]

Row = dict[str, Any]

NUMBER_LENGTH = 10  # of BluBilling's invoice numbers; known of its sister product only


@dataclass(frozen=True, slots=True)
class CarryForward:
    """What is carried forward, or why not.

    Parameters
    ----------
    ready : bool
        Whether the gate is open: no finding is an error.
    upload : pandas.DataFrame
        ``carry_forward.upload``, one row an open invoice, in BluBilling's order; empty unless ready.
    documents : pandas.DataFrame
        ``carry_forward.documents``, one row an open invoice, credit memo or unapplied payment.
    findings : pandas.DataFrame
        ``findings``.
    standing : frozenset of str
        Invoice numbers that were carried before and stand in BluBilling: never uploaded a second time.
    """

    ready: bool
    upload: pd.DataFrame
    documents: pd.DataFrame
    findings: pd.DataFrame
    standing: frozenset[str] = frozenset()

    @property
    def unwritten(self) -> pd.DataFrame:
        """The rows of the upload that BluBilling does not have yet: what a file is written of."""
        return self.upload[~self.upload["Invoice Number"].isin(self.standing)]


def plan_carry_forward(tables: Mapping[str, pd.DataFrame], settings: Settings) -> CarryForward:
    """Return what is open at the cutover date as BluBilling's upload, with everything in the way of it.

    Parameters
    ----------
    tables : mapping
        Declared names to frames: ``quickbooks.*``, ``billing.*``, ``mapping.*`` and ``ledger.crosswalk``. An
        absent table counts as empty.
    settings : Settings
        ``cutover_date`` is required; ``carry_forward.*`` are checked.

    Raises
    ------
    SettingError
        No cutover date is set.
    """
    cutover = settings.cutover_date
    if cutover is None:
        raise SettingError("cutover_date", "it is not set", "toolkit set cutover_date 2025-12-31")
    books = Books(tables, settings)
    receivables = Receivables(books, cutover)
    documents = _number(receivables.documents, books)
    found: list[Mapping[str, Any]] = [*_check_settings(books, cutover), *_check_charges(books, cutover)]
    found += _check_decisions(books)
    found += _give_accounts(documents, books)
    found += _check_currencies(documents, books)
    found += receivables.findings
    found += prove_balances(books)
    found += _notes(documents)
    standing = _standing(documents, books)
    if standing:
        message = (
            f"{len(standing)} invoices were carried before and are already in BluBilling: not written again"
        )
        found.append(finding("info", "already_carried", message, table="billing.invoices"))
    listed = findings(found)
    ready = not bool((listed["severity"] == "error").any())
    columns = TABLES["carry_forward.documents"].names
    invoices = [row for row in documents if row["record_kind"] == "invoice"] if ready else []
    return CarryForward(
        ready,
        from_rows("carry_forward.upload", [_upload_row(row, settings) for row in invoices]),
        from_rows(
            "carry_forward.documents", [{name: row.get(name) for name in columns} for row in documents]
        ),
        listed,
        standing,
    )


def _standing(documents: Sequence[Row], books: Books) -> frozenset[str]:
    bound = {row["quickbooks_id"] for row in books.rows("ledger.crosswalk") if row["origin"] == "quickbooks"}
    numbers = {row["invoice_number"] for row in books.rows("billing.invoices", "invoice_number")}
    invoices = (row for row in documents if row["record_kind"] == "invoice" and row["txn_id"] in bound)
    return frozenset(row["key"] for row in invoices if row["key"] in numbers)


# --- numbers ------------------------------------------------------------------------------------------------


def _number(documents: Sequence[Row], books: Books) -> list[Row]:
    """Give each document its key: an invoice its own number where that is one, else one that is made.

    A key that is in the crosswalk already stays, so that carrying forward twice changes nothing. Credits are
    not uploaded: their key only tells them apart, and must not look like a number of BluBilling's own.
    """
    bound = {
        (row["record_kind"], row["quickbooks_id"]): row["key"]
        for row in books.rows("ledger.crosswalk")
        if row["origin"] == "quickbooks"
    }
    numbers = {row["invoice_number"] for row in books.rows("billing.invoices", "invoice_number")}
    carried = {key for (kind, _), key in bound.items() if kind == "invoice"}
    own = Counter(row["ref_number"] for row in documents if row["record_kind"] == "invoice")
    taken = numbers | carried
    numbered = []
    for row in documents:
        kind, number, txn_id = row["record_kind"], row["ref_number"], row["txn_id"]
        key = bound.get((kind, txn_id))
        if key is None and kind != "invoice":
            key = f"QB-{txn_id}"
        if key is None and number and number.strip() and own[number] == 1 and number not in taken:
            key = number
        if key is None:
            made = f"QB-{row['txn_number']}"
            usable = row["txn_number"] is not None and made not in taken and not own[made]
            key = made if usable else f"QB-{txn_id}"
        if kind == "invoice":
            taken.add(key)
        numbered.append({**row, "key": key})
    return numbered


# --- the gate -----------------------------------------------------------------------------------------------


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


def _give_accounts(documents: Sequence[Row], books: Books) -> Iterator[Mapping[str, Any]]:
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
    sums: dict[str, Any] = defaultdict(lambda: ZERO)
    for row in group:
        sums[row["currency"]] += row["open_amount"]
    money = ", ".join(f"{amount:,.2f} {code}" for code, amount in sums.items())
    has = f"which has {len(group)} open documents of {money}"
    if not owners:
        message = f"no BluBilling account is matched to {name}, {has}: match one in the sheet Customers"
        return None, _on_customer("error", "customer_unmatched", message, list_id, name)
    shared = f"the accounts {', '.join(owners)} are matched to {name}, {has}"
    declared = not any(account in books.shared_accounts for account in owners)
    number = books.quickbooks_customers.get(list_id, {}).get("account_number")
    if declared and number in owners:
        message = f"{shared}: they go to {number}, the account number in QuickBooks"
        return number, _on_customer("info", "customer_two_accounts", message, list_id, name)
    message = f"{shared}: leave one of them on it, or write the account number of one into QuickBooks"
    return None, _on_customer("error", "customer_two_accounts", message, list_id, name)


def _on_customer(severity: str, rule: str, message: str, list_id: str, name: str | None) -> Mapping[str, Any]:
    table = "quickbooks.customers"
    return finding(severity, rule, message, table=table, key=list_id, column="full_name", value=name)


def _check_currencies(documents: Sequence[Row], books: Books) -> Iterator[Mapping[str, Any]]:
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


def _notes(documents: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
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
                f"the invoice has {number or 'no number'} in QuickBooks, blank or repeated: "
                f"in BluBilling it is {row['key']}"
            )
            yield finding("info", "number_given", message, value=number, **where)
        if len(row["key"]) > NUMBER_LENGTH:
            message = (
                f"number {row['key']} has more than {NUMBER_LENGTH} characters: ask BluBilling if it fits"
            )
            yield finding("warning", "number_length", message, value=row["key"], **where)


# --- the upload ---------------------------------------------------------------------------------------------


def _upload_row(row: Row, settings: Settings) -> dict[str, str | None]:
    def day(value: dt.date | None) -> str:
        return (value or row["txn_date"]).strftime(settings["carry_forward.date_format"])

    amount, shown = f"{row['open_amount']:.2f}", row["ref_number"] or row["key"]
    return {
        "Invoice Number": row["key"],
        "Customer Id": None,
        "Customer Ref": row["account_number"],
        "Invoice Date": day(row["txn_date"]),
        "Due Date": day(row["due_date"]),
        "Status": "Outstanding",
        "Previous Balance": "0.00",
        "Current Amount Due": amount,
        "Payments And Adjustments": "0.00",
        "Billing StartDate": day(row["txn_date"]),
        "Billing EndDate": day(row["txn_date"]),
        "Note": f"QuickBooks invoice {shown}, TxnID {row['txn_id']}",
        "SubscriptionOrderId_1": None,
        "ContractCode_1": settings["carry_forward.plan"],
        "Position_1": "1",
        "PriceCode_1": settings["carry_forward.price_code"],
        "Invoice Text_1": f"Open balance of invoice {shown}",
        "Accounting Code_1": None,
        "Unit Price_1": amount,
        "Quantity_1": "1",
        "Amount_1": amount,
    }
