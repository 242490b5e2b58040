"""Match BluBilling's customers to QuickBooks customers and jobs; :mod:`toolkit.mapping` shows it to callers.

The first of these decides: an earlier decision; an ``AccountNumber`` equal to our account number; a full name
equal to our name or company name. Two candidates are ``ambiguous``; no candidate is ``undecided``, and never
silently new. What is merely near is a suggestion, with the evidence as the reason:

=====================  ================================================================================
reason                 what it means
=====================  ================================================================================
``account_number``     ambiguous: two customers carry our account number
``name``               ambiguous: our name and our company name are two customers
``money_hangs_on_it``  decided ``(none)``, but invoices or an outstanding balance hang on the account
``customer_gone``      decided, and the customer (by its ListID) is no longer in QuickBooks
``name_taken``         decided ``(new)`` under a name that QuickBooks already has
``near_name``          near: equal but for legal form, punctuation, case and order of words
``job_name``           near: our name is the last part of a job's full name
``email``, ``phone``   near: the same e-mail address or phone number
``similar_name``       near: likeness of the names alone
``unknown``            nothing near
=====================  ================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.likeness import caseless, last_part, name_words, nearest, phone_digits
from toolkit.mapping_names import BY_HAND, NEW, NONE, Row, decided_row, present, standing
from toolkit.mapping_use import Use, use_of_customers
from toolkit.tables import finding, from_rows, to_rows

__all__ = [
    "BY_HAND",
    "NEW",
    "NONE",
    "customer_findings",
    "decided_row",
    "match_customers",
    "present",
    "standing",
]

_SURE, _EMAIL, _PHONE = Decimal("100.00"), Decimal("95.00"), Decimal("90.00")


def match_customers(
    customers: pd.DataFrame,
    quickbooks_customers: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    invoices: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each BluBilling customer with the QuickBooks customer or job it is, or what is near it.

    Parameters
    ----------
    customers : pandas.DataFrame
        ``billing.customers``.
    quickbooks_customers : pandas.DataFrame
        ``quickbooks.customers``, jobs included. Inactive ones match too and are marked.
    decisions : pandas.DataFrame
        ``mapping.customers``. ``(new)`` counts until a QuickBooks customer carries the account number;
        its ``new_name`` is shown either way, our own name where none was given.
    invoices : pandas.DataFrame, optional
        ``billing.invoices``, for the invoices and money of the last twelve months.

    Returns
    -------
    pandas.DataFrame
        ``match.customers``, one row per BluBilling customer, in the order given; ``lines`` are invoices.
    """
    book = _Book(present(quickbooks_customers))
    decided = standing(decisions, "account_number")
    used = use_of_customers(invoices)
    rows = []
    for customer in to_rows(customers):
        account = customer["account_number"]
        decision, use = decided.get((account,), {}), used.get(account, Use())
        status, reason, found = _judge(customer, decision, use, book)
        rows.append(
            {
                "account_number": account,
                "name": customer["name"],
                "status": status,
                "reason": reason,
                "customer_list_id": found and found["list_id"],
                "customer_full_name": found and found["full_name"],
                "new_name": _new_name(customer, decision) if decision.get("decision") == NEW else None,
                "is_active": found and found["is_active"] is not False,
                "source": customer["source"],
                **decided_row(decision, use),
                "money": _has_money(customer, use),
                "_customer": customer,
            }
        )
    _suggest([row for row in rows if row["status"] in ("undecided", "ambiguous")], book)
    return from_rows(
        "match.customers",
        [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows],
    )


def customer_findings(matched: Iterable[Row]) -> list[dict[str, str | None]]:
    """Return the findings on rows of ``match.customers``; see :func:`toolkit.mapping.mapping_findings`."""
    by_customer: defaultdict[str, list[Row]] = defaultdict(list)
    by_new_name: defaultdict[str, list[Row]] = defaultdict(list)
    found = []
    for row in matched:
        if row["customer_list_id"] is not None:
            by_customer[row["customer_list_id"]].append(row)
        if row["status"] == "new":
            by_new_name[caseless(row["new_name"])].append(row)
        if row["is_active"] is False:
            message = (
                f"{row['customer_full_name']} is inactive in QuickBooks: make it active, or decide on another"
            )
            found.append(_on(row, "warning", "inactive_customer", message, row["customer_full_name"]))
    for group in by_customer.values():
        undeclared = [row for row in group if row["status"] != "mapped"]
        if len(group) > 1 and undeclared:
            accounts = ", ".join(sorted(row["account_number"] for row in group))
            shared = group[0]["customer_full_name"]
            message = f"accounts {accounts} are all {shared}: decide on each of them if that is meant"
            found += [_on(row, "error", "shared_customer", message, shared) for row in undeclared]
    for group in by_new_name.values():
        if len(group) > 1:
            accounts = ", ".join(sorted(row["account_number"] for row in group))
            message = f"accounts {accounts} are all to be created under one name: give each its own new_name"
            found += [_on(row, "error", "new_name_twice", message, row["new_name"]) for row in group]
    return found


class _Book:
    """The QuickBooks customers, found by everything that may tell who they are."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.by_id = {row["list_id"]: row for row in rows}
        self.by_account: defaultdict[str, list[Row]] = defaultdict(list)
        self.by_name: defaultdict[str, list[Row]] = defaultdict(list)
        self.taken = {caseless(row["full_name"]) for row in rows}
        self.by_words: dict[str, str] = {}
        self.by_job: dict[str, str] = {}
        self.by_email: dict[str, str] = {}
        self.by_phone: dict[str, str] = {}
        for row in sorted(rows, key=lambda row: (row["is_active"] is False, str(row["full_name"]))):
            self._enter(row)

    def _enter(self, row: Row) -> None:
        # Of several that are alike, the first is suggested: active before inactive, then by the alphabet.
        full_name = row["full_name"]
        self.by_name[full_name].append(row)
        if row["account_number"]:
            self.by_account[row["account_number"]].append(row)
        for words in {name_words(text) for text in _texts(row, last_part(full_name)) if text}:
            self.by_words.setdefault(words, full_name)
        if ":" in full_name:
            self.by_job.setdefault(caseless(last_part(full_name)), full_name)
        if row["email"]:
            self.by_email.setdefault(caseless(row["email"]), full_name)
        for number in (row["phone"], row["alt_phone"]):
            if number and phone_digits(number):
                self.by_phone.setdefault(phone_digits(number), full_name)

    def decided(self, decision: Row) -> Row | None:
        """Return the customer decided on: by ListID, and by name only where there is none."""
        if decision["customer_list_id"] is not None:
            return self.by_id.get(decision["customer_list_id"])
        rows = self.by_name.get(decision["customer_full_name"] or decision["decision"], [])
        return rows[0] if len(rows) == 1 else None


def _has_money(customer: Row, use: Use) -> bool:
    return use.money or bool(customer["outstanding_balance"])


def _judge(customer: Row, decision: Row, use: Use, book: _Book) -> tuple[str, str | None, Row | None]:
    """Return status, reason and the QuickBooks customer of one BluBilling customer."""
    numbered = book.by_account.get(customer["account_number"], [])
    if decision and decision["decision"] == NONE:
        hangs = _has_money(customer, use)
        return ("undecided", "money_hangs_on_it", None) if hangs else ("none", None, None)
    if decision and decision["decision"] == NEW and not numbered:
        taken = caseless(_new_name(customer, decision)) in book.taken
        return ("undecided", "name_taken", None) if taken else ("new", None, None)
    if decision and decision["decision"] != NEW:
        found = book.decided(decision)
        return ("mapped", None, found) if found is not None else ("undecided", "customer_gone", None)
    if numbered:
        several = len(numbered) > 1
        return ("ambiguous", "account_number", None) if several else ("account_number", None, numbered[0])
    named = [row for text in dict.fromkeys(_own_names(customer)) for row in book.by_name.get(text, [])]
    if len(named) > 1:
        return "ambiguous", "name", None
    return ("exact", None, named[0]) if named else ("undecided", "unknown", None)


def _suggest(rows: list[dict[str, Any]], book: _Book) -> None:
    """Put the nearest QuickBooks customer beside each row, and the evidence into a reason still unknown."""
    asked = {id(row): [name_words(text) for text in _texts(row["_customer"])] for row in rows}
    similar = nearest({words for texts in asked.values() for words in texts}, book.by_words.items())
    for row in rows:
        near = _evidence(row["_customer"], asked[id(row)], similar, book)
        if near:
            reason, row["suggestion"], row["score"] = max(near, key=lambda entry: entry[2])
            row["reason"] = reason if row["reason"] == "unknown" else row["reason"]


def _evidence(
    customer: Row, words: list[str], similar: Mapping[str, tuple[str, Decimal]], book: _Book
) -> list[tuple[str, str, Decimal]]:
    """Return (reason, full name, score) of everything near a customer, the strongest kind first."""
    near = []
    for text in _own_names(customer):
        for exact in book.by_name.get(text, [])[:1]:
            near.append(("near_name", exact["full_name"], _SURE))
    for exact in book.by_account.get(customer["account_number"], [])[:1]:
        near.append(("near_name", exact["full_name"], _SURE))
    for text in _own_names(customer):
        if caseless(text) in book.by_job:
            near.append(("job_name", book.by_job[caseless(text)], _SURE))
    near += [("near_name", book.by_words[text], _SURE) for text in words if text in book.by_words]
    if customer["email"] and caseless(customer["email"]) in book.by_email:
        near.append(("email", book.by_email[caseless(customer["email"])], _EMAIL))
    for number in (customer["phone"], customer["cell_phone"]):
        if number and phone_digits(number) in book.by_phone:
            near.append(("phone", book.by_phone[phone_digits(number)], _PHONE))
    return near + [("similar_name", *similar[text]) for text in words if text in similar]


def _own_names(customer: Row) -> list[str]:
    return [text for text in (customer["name"], customer["company_name"]) if text]


def _texts(row: Row, *more: str) -> list[str]:
    """Return the names a customer goes by: of a company its own, not those of the person who answers."""
    names = [text for text in (*more, row["name"], row["company_name"]) if text]
    if not row["company_name"]:
        names.append(" ".join(part for part in (row["first_name"], row["last_name"]) if part))
    return [text for text in names if text]


def _new_name(customer: Row, decision: Row) -> str:
    return str(decision["new_name"] or customer["name"])


def _on(row: Row, severity: str, rule: str, message: str, value: str | None) -> dict[str, str | None]:
    return finding(
        severity,
        rule,
        message,
        table="billing.customers",
        key=row["account_number"],
        column="account_number",
        value=value,
        source=row["source"],
    )
