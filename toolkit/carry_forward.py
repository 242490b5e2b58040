"""Open receivables at the cutover date as BluBilling's invoice upload file, behind a gate.

The gate opens only when every customer with an open item is matched, every charge of a living plan is
mapped, and the documents add up to QuickBooks' own balance of each customer. Documents dated after the
cutover date stay out, one finding each. Credit memos and unapplied payments are never netted: they are
bound to their QuickBooks records and listed. Source: BluBilling page "upload outstanding and paid
invoices", fields 1-21.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit import mapping
from toolkit.errors import SettingError
from toolkit.settings import Settings
from toolkit.tables import finding, findings, from_rows, to_rows

ZERO = Decimal("0.00")
Row = dict[str, Any]
Tables = Mapping[str, pd.DataFrame]

# What changes an invoice's balance later; other links (estimates, sales orders) do not.
SETTLING = frozenset({"ReceivePayment", "CreditMemo", "Discount", "JournalEntry", "ARRefundCreditCard"})


@dataclass(frozen=True, slots=True)
class CarryForward:
    """What is carried forward, or why not.

    Parameters
    ----------
    ready : bool
        Whether the gate is open: no finding is an error.
    upload : pandas.DataFrame
        ``carry_forward.upload``, one row an open invoice, in BluBilling's order.
    documents : pandas.DataFrame
        ``carry_forward.documents``, one row an open invoice, credit memo or unapplied payment.
    findings : pandas.DataFrame
        ``findings``.
    """

    ready: bool
    upload: pd.DataFrame
    documents: pd.DataFrame
    findings: pd.DataFrame


def plan_carry_forward(tables: Tables, settings: Settings) -> CarryForward:
    """Return what is open at the cutover date as BluBilling's upload, with everything in the way of it.

    Parameters
    ----------
    tables : mapping
        Declared names to frames: ``quickbooks.*``, ``billing.*``, ``mapping.*`` and ``ledger.crosswalk``.
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
    rows: list[Row] = [*_check_settings(tables, settings), *_check_charges(tables, cutover)]
    accounts, doubts = _accounts(tables)
    rows += doubts
    documents = _number(_open_documents(tables, cutover), tables)
    rows += _check_customers(documents, accounts, tables)
    rows += _check_cutover_side(tables, cutover)
    rows += _prove_balances(tables)
    rows += _note_numbers(documents)
    for document in documents:
        owners = accounts.get(document["customer_list_id"] or "", [])
        document["account_number"] = owners[0] if len(owners) == 1 else None
    listed = findings(rows)
    ready = not (listed["severity"] == "error").any()
    kept = [{name: row.get(name) for name in _DOCUMENT_COLUMNS} for row in documents]
    upload = [_upload_row(row, settings) for row in kept if row["record_kind"] == "invoice"] if ready else []
    return CarryForward(
        bool(ready),
        from_rows("carry_forward.upload", upload),
        from_rows("carry_forward.documents", kept),
        listed,
    )


_DOCUMENT_COLUMNS = (
    "record_kind",
    "key",
    "txn_id",
    "ref_number",
    "account_number",
    "customer_list_id",
    "customer_full_name",
    "txn_date",
    "due_date",
    "amount",
    "open_amount",
    "currency",
)


def _live(frame: pd.DataFrame) -> list[Row]:
    return [row for row in to_rows(frame) if row["left_at"] is None]


def _open_documents(tables: Tables, cutover: dt.date) -> list[Row]:
    """Return what was open at the end of the cutover date: today's balances, rolled back by later links."""
    later: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for link in to_rows(tables["quickbooks.linked_transactions"]):
        if link["txn_type"] in SETTLING and link["txn_date"] and link["txn_date"] > cutover:
            later[link["owner_txn_id"]] += abs(link["amount"] or ZERO)
    applied_later: dict[str, Decimal] = defaultdict(lambda: ZERO)
    invoice_dates = {row["txn_id"]: row["txn_date"] for row in _live(tables["quickbooks.invoices"])}
    for application in to_rows(tables["quickbooks.payment_applications"]):
        dated = application["txn_date"] or invoice_dates.get(application["txn_id"])
        if dated and dated > cutover:
            applied_later[application["payment_txn_id"]] += application["amount"] or ZERO
    found = []
    for kind, name, total, still_open in (
        ("invoice", "quickbooks.invoices", _invoice_total, "balance_remaining"),
        ("credit_memo", "quickbooks.credit_memos", lambda row: row["total_amount"], "credit_remaining"),
        ("payment", "quickbooks.payments", lambda row: row["total_amount"], "unused_payment"),
    ):
        for row in _live(tables[name]):
            if row["txn_date"] is None or row["txn_date"] > cutover or row.get("is_pending"):
                continue
            rolled_back = applied_later if kind == "payment" else later
            amount = (row[still_open] or ZERO) + rolled_back[row["txn_id"]]
            if amount:
                found.append(row | {"record_kind": kind, "amount": total(row), "open_amount": amount})
    return found


def _invoice_total(row: Row) -> Decimal:
    total: Decimal = (row["subtotal"] or ZERO) + (row["sales_tax_total"] or ZERO)
    return total


def _number(documents: list[Row], tables: Tables) -> list[Row]:
    """Give each document its key: its own number where that is one, else one made from TxnNumber.

    A key that is in the crosswalk already stays, so that carrying forward twice changes nothing.
    """
    bound = {
        (row["record_kind"], row["quickbooks_id"]): row["key"]
        for row in to_rows(tables["ledger.crosswalk"])
        if row["origin"] == "quickbooks"
    }
    foreign = set(tables["billing.invoices"]["invoice_number"].dropna()) - set(bound.values())
    counts = Counter((row["record_kind"], row["ref_number"]) for row in documents)
    numbered = []
    for row in documents:
        kind, own = row["record_kind"], row["ref_number"]
        given = f"QB-{row['txn_number']}" if row["txn_number"] is not None else f"QB-{row['txn_id']}"
        unusable = (
            not own or not own.strip() or counts[kind, own] > 1 or (kind == "invoice" and own in foreign)
        )
        key = bound.get((kind, row["txn_id"])) or (given if unusable else own)
        numbered.append(row | {"key": key, "currency": row["currency_full_name"] or "USD"})
    return numbered


def _accounts(tables: Tables) -> tuple[dict[str, list[str]], list[Row]]:
    """Return ListID to the BluBilling accounts matched to it, and findings on customers still undecided."""
    matched = mapping.match_customers(
        tables["billing.customers"], tables["quickbooks.customers"], tables["mapping.customers"]
    )
    accounts: dict[str, list[str]] = defaultdict(list)
    doubts = []
    for row in to_rows(matched):
        if row["customer_list_id"]:
            accounts[row["customer_list_id"]].append(row["account_number"])
        elif row["status"] in ("undecided", "ambiguous"):
            doubts.append(
                finding(
                    "warning",
                    "customer_undecided",
                    f"{row['name']} is {row['status']}: decide it in the sheet Customers",
                    table="billing.customers",
                    key=row["account_number"],
                    suggestion=row["suggestion"],
                    source=row["source"],
                )
            )
    return accounts, doubts


def _check_settings(tables: Tables, settings: Settings) -> Iterator[Row]:
    plan, code = settings["carry_forward.plan"], settings["carry_forward.price_code"]
    for key in ("carry_forward.plan", "carry_forward.price_code"):
        if settings[key] is None:
            message = f"BluBilling needs a plan and a price code for carried invoices: toolkit set {key} ..."
            yield finding("error", "carry_forward_setting", message, key=key)
    if plan and code:
        known = {(row["contract_code"], row["price_code"]) for row in to_rows(tables["billing.charges"])}
        if (plan, code) not in known:
            message = (
                f"BluBilling has no charge {code} in a plan {plan}: make it there and load plans and charges"
            )
            yield finding("error", "carry_forward_plan", message, table="billing.charges", key=(plan, code))


def _check_charges(tables: Tables, cutover: dt.date) -> Iterator[Row]:
    ended = {
        row["contract_code"]
        for row in to_rows(tables["billing.plans"])
        if row["end_date"] is not None and row["end_date"] <= cutover
    }
    matched = mapping.match_charges(
        tables["billing.charges"],
        tables["quickbooks.items"],
        tables["mapping.charge_items"],
        local_items=tables["mapping.local_items"],
    )
    for row in to_rows(matched):
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


def _check_customers(
    documents: list[Row], accounts: Mapping[str, list[str]], tables: Tables
) -> Iterator[Row]:
    by_customer: dict[str, list[Row]] = defaultdict(list)
    for row in documents:
        by_customer[row["customer_list_id"] or ""].append(row)
    for list_id, rows in by_customer.items():
        owners = accounts.get(list_id, [])
        if len(owners) == 1:
            continue
        name, open_amount = rows[0]["customer_full_name"], sum(row["open_amount"] for row in rows)
        if owners:
            rule, what = "customer_two_accounts", f"the accounts {', '.join(owners)} are matched to {name}"
            remedy = "leave one of them on it"
        else:
            rule, what = "customer_unmatched", f"no BluBilling account is matched to {name}"
            remedy = "match one in the sheet Customers"
        yield finding(
            "error",
            rule,
            f"{what}, which has {len(rows)} open documents of {open_amount:,.2f}: {remedy}",
            table="quickbooks.customers",
            key=list_id,
            column="full_name",
            value=name,
        )


def _check_cutover_side(tables: Tables, cutover: dt.date) -> Iterator[Row]:
    for name in ("quickbooks.invoices", "quickbooks.credit_memos", "quickbooks.payments"):
        for row in _live(tables[name]):
            if row["txn_date"] and row["txn_date"] > cutover:
                yield finding(
                    "warning",
                    "cutover_side",
                    f"dated after the cutover date {cutover}, so it is not carried: it belongs in BluBilling",
                    table=name,
                    key=row["txn_id"],
                    column="txn_date",
                    value=row["txn_date"],
                )


def _prove_balances(tables: Tables) -> Iterator[Row]:
    """Compare each customer's documents with QuickBooks' own ``Balance``, never with ``TotalBalance``."""
    open_now: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for name, column, sign in (
        ("quickbooks.invoices", "balance_remaining", 1),
        ("quickbooks.credit_memos", "credit_remaining", -1),
        ("quickbooks.payments", "unused_payment", -1),
    ):
        for row in _live(tables[name]):
            if not row.get("is_pending"):
                open_now[row["customer_list_id"] or ""] += sign * (row[column] or ZERO)
    for row in _live(tables["quickbooks.customers"]):
        balance, documents = row["balance"] or ZERO, open_now[row["list_id"]]
        if balance != documents:
            yield finding(
                "error",
                "balance_proof",
                f"QuickBooks' balance is {balance:,.2f}, the imported documents are {documents:,.2f}: import "
                "customers and receivables again, or look for journal entries and statement charges",
                table="quickbooks.customers",
                key=row["list_id"],
                column="balance",
                value=balance,
                suggestion=row["full_name"],
            )


def _note_numbers(documents: list[Row]) -> Iterator[Row]:
    for row in documents:
        if row["record_kind"] == "invoice" and row["key"] != row["ref_number"]:
            shown = row["ref_number"] or "no number"
            yield finding(
                "info",
                "number_given",
                f"the invoice has {shown} in QuickBooks, blank or repeated: in BluBilling it is {row['key']}",
                table="quickbooks.invoices",
                key=row["txn_id"],
                column="ref_number",
                value=row["ref_number"],
            )
        elif row["record_kind"] != "invoice":
            yield finding(
                "info",
                "credit_not_netted",
                f"{row['open_amount']:,.2f} of {row['customer_full_name']} stay in QuickBooks, not netted",
                table=f"quickbooks.{row['record_kind']}s",
                key=row["txn_id"],
            )


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
