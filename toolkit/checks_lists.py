"""Rules on what a document refers to in QuickBooks' lists: it exists, is active, and of the right kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from weakref import WeakKeyDictionary

from toolkit import mapping
from toolkit.checks_context import Context
from toolkit.checks_documents import cents
from toolkit.checks_drafts import ZERO, Document, Draft, Line, Payment
from toolkit.checks_registry import Problem, rule
from toolkit.tables import TABLES

DOCUMENTS = "invoice credit payment"
_DECIDED_TERMS: WeakKeyDictionary[Context, dict[str, str]] = WeakKeyDictionary()
DEPOSITED_TO = ("Bank", "OtherCurrentAsset")
"""Types of account that take a deposit. Source: QuickBooks' own choice on Receive Payments."""


@rule(
    "required_field",
    "error",
    "What a row must have is there, and is not blank.",
    on=f"item customer {DOCUMENTS}",
)
def _required_field(_: Context, draft: Draft) -> Iterator[Problem]:
    for name in required(draft.table):
        value = draft.row[name]
        # Of a name without a letter another rule speaks, which knows the new name as well.
        if value is None or (isinstance(value, str) and not value.strip() and name != "name"):
            yield Problem(f"it has no {name.replace('_', ' ')}", name, value, "fill it in, and load again")


@cache
def required(table: str) -> tuple[str, ...]:
    """Return the columns that a row must have to be posted."""
    names = [column.name for column in TABLES[table].columns if column.required]
    return tuple(dict.fromkeys([*names, *(["method"] if table == "billing.payments" else [])]))


@rule(
    "deposit_account_type",
    "error",
    "A payment is deposited to a bank account or another current asset.",
    on="payment",
)
def _deposit_account_type(context: Context, draft: Payment) -> Iterator[Problem]:
    method = draft.row["method"]
    account = context.payment_account(method)
    if account and account["account_type"] not in DEPOSITED_TO:
        yield Problem(
            f"{method} is deposited to {account['full_name']}, which is of type {account['account_type']}: "
            f"right are {' and '.join(DEPOSITED_TO)}",
            "deposit_account_full_name",
            account["full_name"],
            "decide on another in the sheet Payment methods",
            table="match.payment_methods",
            key=method,
        )


@rule(
    "ar_account_currency",
    "error",
    "The A/R account is kept in the document's currency.",
    on=DOCUMENTS,
)
def _ar_account_currency(context: Context, draft: Draft) -> Iterator[Problem]:
    account = context.ar_account or {}
    theirs = context.currency_codes.get(account.get("currency_full_name") or "")
    if theirs and draft.currency and draft.currency != theirs:
        yield Problem(
            f"it is in {draft.currency}, the A/R account {account['full_name']} in {theirs}",
            "currency",
            draft.currency,
            "toolkit set ar_account NAME, an A/R account in its currency",
        )


# --- terms and classes --------------------------------------------------------------------------------------


@rule(
    "terms_unmapped",
    "warning",
    "A customer's terms are terms of QuickBooks; without them a document has its due date all the same.",
    on="customer invoice",
)
def _terms_unmapped(context: Context, draft: Draft) -> Iterator[Problem]:
    row = context.billing_customers.get(draft.account or "")
    name = mapping.terms_name(row) if row else None
    if row and name and not context.terms_of(row) and not decided_terms(context, name):
        yield Problem(
            f"the terms {name} are matched to none of QuickBooks: its customers and invoices are sent "
            "without terms, each invoice with its due date all the same; decide in the sheet Terms "
            "(`toolkit map --write mapping.xlsx`)",
            "terms_value",
            name,
            "decide in the sheet Terms",
            table="match.terms",
            key=name,
        )


@rule("terms_unusable", "error", "Terms that were decided on are there, and active.", on="customer invoice")
def _terms_unusable(context: Context, draft: Draft) -> Iterator[Problem]:
    row = context.billing_customers.get(draft.account or "")
    name = mapping.terms_name(row) if row else None
    if row and name and not context.terms_of(row):
        decided = decided_terms(context, name)
        if decided:
            yield Problem(
                f"terms {name} were decided to be {decided}, which QuickBooks has no more, or inactive",
                "terms_value",
                name,
                "make them active in QuickBooks and import lists, or decide again in the sheet Terms",
                table="match.terms",
                key=name,
            )


def decided_terms(context: Context, name: str) -> str | None:
    """Return the terms that a person decided on for terms of BluBilling, usable or not."""
    if context not in _DECIDED_TERMS:
        rows = context.rows("mapping.terms")
        _DECIDED_TERMS[context] = {
            row["terms_name"]: row["decision"] for row in rows if row["decision"] not in (None, mapping.NONE)
        }
    return _DECIDED_TERMS[context].get(name)


@rule(
    "class_missing",
    "warning",
    "A company that tracks classes is told that lines go without one.",
    on="invoice credit",
    stage="request",
)
def _class_missing(context: Context, draft: Document) -> Iterator[Problem]:
    assigned = context.classes_are_assigned_to
    if assigned and not all("ClassRef" in str(operation.fields) for operation in draft.operations):
        where = "to nothing in particular" if assigned == "None" else f"to {assigned}"
        yield Problem(
            f"the company tracks classes (assigned {where}), and documents go without: profit and loss "
            "by class shows them as unclassified",
            suggestion="assign them in QuickBooks afterwards, or waive this",
            table="quickbooks.company",
            key="",
        )


# --- taxes --------------------------------------------------------------------------------------------------


@rule(
    "tax_against_rate",
    "warning",
    "A tax line is its item's rate of what is taxed, to the cent (tax_mode lines).",
    on="invoice",
)
def _tax_against_rate(context: Context, draft: Document) -> Iterator[Problem]:
    if context.settings["tax_mode"] != "lines":
        return
    plain = [line for line in draft.lines if not line.is_tax]
    whole = sum((line.amount for line in plain), ZERO)
    marked = sum((line.amount for line in plain if _is_taxable(context, line)), ZERO)
    for name, lines in _taxes(draft).items():
        billed, rate = sum((line.amount for line in lines), ZERO), _rate(lines[0])
        due = [cents(base * rate / 100) for base in (marked, whole)]
        if billed not in due:
            yield Problem(
                f"tax {name} is {billed}; {rate.normalize():f} % of {whole} would be {due[1]}"
                + (f", of the taxable {marked} {due[0]}" if marked != whole else ""),
                "amount",
                f"{name}: {billed}",
                "the amount is sent as billed: correct rate or amount where it is wrong",
                source=lines[0].row["source"],
            )


def _taxes(draft: Document) -> dict[str, list[Line]]:
    """Return the tax lines of an invoice whose rate is known, by the name of their item."""
    taxes: dict[str, list[Line]] = defaultdict(list)
    for line in draft.lines:
        if line.is_tax and line.item_name and (line.item or {}).get("tax_rate") is not None:
            taxes[line.item_name].append(line)
    return taxes


def _rate(line: Line) -> Decimal:
    rate: Decimal = (line.item or {})["tax_rate"]
    return rate


def _is_taxable(context: Context, line: Line) -> bool:
    code = context.tax_codes.get((line.item or {}).get("sales_tax_code_full_name") or "")
    return bool(code and code["is_taxable"])
