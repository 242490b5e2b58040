"""What BluBilling's tables say about each other: rows without their other half, sums that do not add up.

All of it is a warning while loading: the tables arrive one by one. The gate before an export
makes errors of what would reach the books. Source: BluBilling reference, section 6, checks 1 and 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.counted import counted
from toolkit.tables import finding, to_rows

__all__ = ["crosscheck"]

Findings = list[dict[str, str | None]]
Rows = list[dict[str, Any]]

ZERO = Decimal(0)
OPEN_OR_PAID = ("Outstanding", "Paid")

# table, column, the tables one of which must have it as its key, and that key
REFERENCES = (
    ("billing.customers", "parent_account_number", {"billing.customers": "account_number"}),
    ("billing.charges", "contract_code", {"billing.plans": "contract_code"}),
    ("billing.invoices", "account_number", {"billing.customers": "account_number"}),
    ("billing.invoice_lines", "invoice_number", {"billing.invoices": "invoice_number"}),
    ("billing.payments", "account_number", {"billing.customers": "account_number"}),
    ("billing.payment_applications", "invoice_number", {"billing.invoices": "invoice_number"}),
    # A credit is applied under its adjustment's id.
    (
        "billing.payment_applications",
        "payment_number",
        {"billing.payments": "payment_number", "billing.adjustments": "adjustment_id"},
    ),
    ("billing.adjustments", "account_number", {"billing.customers": "account_number"}),
)
SHOWN = 100


def crosscheck(tables: Mapping[str, pd.DataFrame], changed: set[str]) -> Findings:
    """Return warnings about rows that point nowhere and sums that do not add up.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``billing.*`` tables; what is absent is not checked against.
    changed : set of str
        Tables just read: a check that none of them takes part in is left out.
    """
    names = {table for table, _, _ in REFERENCES} | {name for *_, keys in REFERENCES for name in keys}
    rows = {name: to_rows(tables[name]) for name in names if name in tables}
    found: Findings = []
    for table, column, keys in REFERENCES:
        if table in rows and keys.keys() & rows.keys() and changed & {table, *keys}:
            found += _short(_without(rows, table, column, keys))
    if "billing.invoices" in rows and changed & {"billing.invoices", "billing.invoice_lines"}:
        found += _short(_headers(rows["billing.invoices"]))
        if "billing.invoice_lines" in rows:
            found += _short(_lines(rows["billing.invoices"], rows["billing.invoice_lines"]))
    if "billing.payment_applications" in rows:
        applied = rows["billing.payment_applications"]
        if changed & {"billing.payments", "billing.payment_applications"}:
            found += _short(_payments(rows.get("billing.payments", []), applied))
        if changed & {"billing.invoices", "billing.payment_applications"}:
            found += _short(_open_amounts(rows.get("billing.invoices", []), applied))
    return found


def _without(rows: dict[str, Rows], table: str, column: str, keys: dict[str, str]) -> Findings:
    there = {row[key] for name, key in keys.items() for row in rows.get(name, [])}
    lost: dict[str, list[str]] = defaultdict(list)
    for row in rows[table]:
        if row[column] is not None and row[column] not in there:
            lost[row[column]].append(row["source"])
    where = " or ".join(keys)
    found = []
    for value, sources in lost.items():
        message = f"{column} {value!r} is not in {where} ({counted(len(sources), 'row')})."
        args = {"table": table, "key": value, "column": column, "value": value, "source": sources[0]}
        found.append(finding("warning", "not_found", message, **args))
    return found


def _short(found: Findings) -> Findings:
    """Return the first findings of one check, and for the rest their number."""
    if len(found) <= SHOWN:
        return found
    left, last = f"{len(found) - SHOWN:,} more", found[SHOWN]
    rule, table, column = str(last["rule"]), last["table"], last["column"]
    message = f"{left} rows have the same problem."
    return [*found[:SHOWN], finding("warning", rule, message, table=table, column=column, value=left)]


def _sums(rows: Rows, key: str, amount: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row[key]] += row[amount]
    return sums


def _doubt(rule: str, table: str, key: str, column: str, row: dict[str, Any], message: str) -> Findings:
    args = {"table": table, "key": row[key], "column": column, "source": row["source"]}
    return [finding("warning", rule, message, value=row[column], **args)]


def _headers(invoices: Rows) -> Findings:
    """``total_due`` = previous + current - payments and adjustments, where the header says all four."""
    found: Findings = []
    for row in invoices:
        parts = [row[name] for name in ("previous_balance", "payments_and_adjustments", "total_due")]
        if None in parts:
            continue
        due = parts[0] + row["current_amount_due"] - parts[1]
        if due != parts[2]:
            message = f"The header's parts make {due}, its total due says {parts[2]}."
            found += _doubt("total_due", "billing.invoices", "invoice_number", "total_due", row, message)
    return found


def _lines(invoices: Rows, lines: Rows) -> Findings:
    counted = [row for row in lines if row["line_type"] != "usage_subtotal"]
    sums = _sums(counted, "invoice_number", "amount")
    found: Findings = []
    for row in invoices:
        total = sums.get(row["invoice_number"], ZERO)
        if total != row["current_amount_due"]:
            message = f"The lines make {total}, the invoice says {row['current_amount_due']}."
            column = "current_amount_due"
            found += _doubt("lines_total", "billing.invoices", "invoice_number", column, row, message)
    return found


def _payments(payments: Rows, applied: Rows) -> Findings:
    sums = _sums(applied, "payment_number", "amount_applied")
    found: Findings = []
    for row in payments:
        # Refunds and cancelled payments are negative and apply to nothing.
        if row["unapplied_balance"] is None or row["amount"] < ZERO:
            continue
        total = sums.get(row["payment_number"], ZERO) + row["unapplied_balance"]
        if total != row["amount"]:
            message = f"Applied and unapplied make {total}, the payment says {row['amount']}."
            found += _doubt("payment_total", "billing.payments", "payment_number", "amount", row, message)
    return found


def _open_amounts(invoices: Rows, applied: Rows) -> Findings:
    sums = _sums(applied, "invoice_number", "amount_applied")
    found: Findings = []
    for row in invoices:
        if row["status"] not in OPEN_OR_PAID or row["outstanding_balance"] is None:
            continue
        rest = row["current_amount_due"] - sums.get(row["invoice_number"], ZERO)
        if rest != row["outstanding_balance"]:
            message = f"Less what is applied {rest} is open, the invoice says {row['outstanding_balance']}."
        elif row["status"] == "Paid" and rest != ZERO:
            message = f"The invoice is Paid and {rest} is open."
        else:
            continue
        column = "outstanding_balance"
        found += _doubt("open_amount", "billing.invoices", "invoice_number", column, row, message)
    return found
