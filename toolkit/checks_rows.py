"""Rules for every kind of row: whose it is, whether it was sent, its side of the cutover, its text."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.checks_context import Context
from toolkit.checks_drafts import Document, Draft, Operation, Row, Target
from toolkit.checks_registry import Problem, rule
from toolkit.corrections import row_key
from toolkit.qbxml_io import field_problems
from toolkit.references import texts
from toolkit.source_places import source_place

POSTED = ("Outstanding", "Paid")
DOCUMENTS = "invoice credit payment"


# --- rows that stay behind ----------------------------------------------------------------------------------


@rule(
    "origin", "left_out", "A carried invoice is QuickBooks' own and never goes back; no waiver.", on="invoice"
)
def _origin(context: Context, draft: Draft) -> Iterator[Problem]:
    bound = context.crosswalk.get(("invoice", draft.source_key))
    if bound and bound["origin"] == "quickbooks":
        number = f" as {bound['ref_number']}" if bound["ref_number"] else ""
        yield Problem(f"carried forward from QuickBooks, which holds it{number} ({bound['quickbooks_id']})")


@rule(
    "already_sent", "left_out", "A row that QuickBooks already has from us is not sent twice.", on=DOCUMENTS
)
def _already_sent(context: Context, draft: Draft) -> Iterator[Problem]:
    bound = context.sent(draft)
    if bound:
        yield Problem(f"QuickBooks already has it ({', '.join(bound)})")


@rule(
    "under_way",
    "left_out",
    "A row that waits in another job is not queued twice.",
    on=f"customer {DOCUMENTS}",
)
def _under_way(context: Context, draft: Draft) -> Iterator[Problem]:
    for row in context.waiting(draft)[:1]:
        yield Problem(f"{row['key']} is {row['status']} in job {row['job']}")


@rule("status", "left_out", "Only Outstanding and Paid invoices and Paid payments are posted.", on=DOCUMENTS)
def _status(_: Context, draft: Draft) -> Iterator[Problem]:
    status = draft.row["status"]
    if draft.kind == "invoice" and status not in (*POSTED, "CarriedOver"):
        yield Problem(f"its status is {status}: only Outstanding and Paid invoices are posted")
    elif draft.kind == "credit" and status in ("Draft", "Error", "Cancelled"):
        yield Problem(f"its status is {status}")
    elif draft.kind == "payment" and status != "Paid" and not _waits_for_a_choice(draft):
        yield Problem(f"its status is {status}: only payments of status Paid are posted")


@rule(
    "carried_over",
    "left_out",
    "CarriedOver has several causes: the row waits for a choice, and a waiver posts it.",
    on=DOCUMENTS,
    waivable=True,
)
def _carried_over(_: Context, draft: Draft) -> Iterator[Problem]:
    if _waits_for_a_choice(draft):
        into = draft.row.get("delegated_to_invoice")
        carried = f"CarriedOver into {into}" if into else "CarriedOver"
        message = f"{carried}: needs a choice, its own lines may stand on another invoice"
        yield Problem(message, "status", carried, "waive this to post its own lines, once")


def _waits_for_a_choice(draft: Draft) -> bool:
    """Return whether a row is CarriedOver: an invoice, or a credit that goes as a memo or as a payment."""
    return draft.row["status"] == "CarriedOver" and draft.table != "billing.payments"


# --- dates and currencies -----------------------------------------------------------------------------------


@rule(
    "cutover_side",
    "error",
    "Documents dated on or before the cutover date belong to QuickBooks.",
    on=DOCUMENTS,
)
def _cutover_side(context: Context, draft: Draft) -> Iterator[Problem]:
    if draft.date and draft.date <= context.cutover:
        yield Problem(
            f"dated {draft.date}, on or before the cutover date {context.cutover}: it belongs to QuickBooks",
            {"invoice": "invoice_date", "credit_use": "applied_date"}.get(draft.kind, "effective_date"),
            draft.date,
            "carry it forward, or correct its date in BluBilling",
        )


@rule(
    "closed_period",
    "error",
    "QuickBooks' books are closed up to its closing date (closed_period block).",
    on=DOCUMENTS,
)
def _closed_period(context: Context, draft: Draft) -> Iterator[Problem]:
    closing = context.company.get("closing_date")
    if context.settings["closed_period"] != "block":
        return  # it goes on the first open day, and its memo has the true date
    if closing and draft.date and draft.date <= closing:
        yield Problem(
            f"dated {draft.date}, but the books are closed up to {closing}",
            {"invoice": "invoice_date"}.get(draft.kind, "effective_date"),
            draft.date,
            "move the closing date, toolkit set closed_period first_open_day, or post it by hand",
        )


@rule(
    "currency",
    "error",
    "A document's currency is its customer's and the company's: without a rate in the source none is sent.",
    on=DOCUMENTS,
)
def _currency(context: Context, draft: Draft) -> Iterator[Problem]:
    theirs = context.currency_codes.get(context.target(draft.account or "").currency or "")
    if theirs and draft.currency != theirs:
        yield Problem(f"it is in {draft.currency}, its customer in {theirs}", "currency", draft.currency)
    elif draft.currency != context.home_currency:
        yield Problem(
            f"it is in {draft.currency}, the books in {context.home_currency}, and BluBilling gives no rate",
            "currency",
            draft.currency,
            "post it by hand",
        )


# --- customers and the A/R account --------------------------------------------------------------------------


def customer_problems(context: Context, target: Target) -> Iterator[tuple[str, Problem]]:
    """Yield why a document cannot name a customer: the rule's name and the problem."""
    account = target.account
    if not target.known:
        why = f" ({target.reason})" if target.reason else ""
        yield (
            "customer_undecided",
            Problem(
                f"customer {account} is {target.status}{why}: decide who it is in QuickBooks, or (new)",
                "account_number",
                account,
            ),
        )
    elif not target.list_id and not context.customers and target.operation not in context.in_flight:
        yield (
            "customer_not_exported",
            Problem(
                f"customer {account} is new and not yet in QuickBooks: export customers too",
                "account_number",
                account,
                "--customers",
            ),
        )
    elif account in context.shared_accounts:
        others = ", ".join(context.shared_accounts[account])
        yield (
            "customer_shared",
            Problem(
                f"customer {account} is {target.full_name}, and so is {others}: decide on each of them",
                "account_number",
                account,
            ),
        )
    elif not target.is_active:
        yield (
            "customer_inactive",
            Problem(
                f"customer {account} is {target.full_name} in QuickBooks, which is inactive",
                "account_number",
                account,
                "make it active in QuickBooks and import customers again",
            ),
        )


def _customer_rule(name: str, doc: str) -> None:
    @rule(name, "error", doc, on=DOCUMENTS)
    def _check(context: Context, draft: Draft) -> Iterator[Problem]:
        for target in context.payers(draft):
            yield from (problem for found, problem in customer_problems(context, target) if found == name)


_customer_rule("customer_undecided", "A document's customer is matched, or decided to be new.")
_customer_rule("customer_not_exported", "A new customer is exported before or with its documents.")
_customer_rule("customer_shared", "Two accounts are one QuickBooks customer only where that was decided.")
_customer_rule("customer_inactive", "A document's customer is active in QuickBooks.")


@rule(
    "ar_account", "error", "The A/R account is named: the setting ar_account, or the only one.", on=DOCUMENTS
)
def _ar_account(context: Context, _: Draft) -> Iterator[Problem]:
    if context.ar_account is None:
        found = [n for n, row in context.accounts.items() if row["account_type"] == "AccountsReceivable"]
        wanted = context.accounts.get(context.settings["ar_account"] or "")
        other = f"{wanted['full_name']} is of type {wanted['account_type']}: " if wanted else ""
        yield Problem(
            f"{other}which A/R account? QuickBooks has {', '.join(found) or 'none (import lists first)'}",
            "ar_account",
            context.settings["ar_account"],
            f"toolkit set ar_account {found[0]!r}" if found else "toolkit import lists",
            table="settings",
            key="ar_account",
        )


# --- text ---------------------------------------------------------------------------------------------------


def outside_windows_1252(text: str) -> str:
    """Return the characters of a text that Windows-1252 cannot hold, each once.

    >>> outside_windows_1252("O'Brien & Søn, Łódź")
    'Łź'
    """
    if text.isascii() or _fits(text):
        return ""
    return "".join(dict.fromkeys(char for char in text if not _fits(char)))


def _fits(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


_SPELLED = str.maketrans(
    {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i", "‐": "-", "−": "-", "\u202f": " "}
)


def proposed_spelling(text: str) -> str:
    """Return a text without what Windows-1252 cannot hold: a proposal for a person, never applied.

    >>> proposed_spelling("Łódź Søn")
    'Lódz Søn'
    """
    parts = []
    for char in unicodedata.normalize("NFC", text):
        plain = char if _fits(char) else unicodedata.normalize("NFKD", char.translate(_SPELLED))
        parts.append("".join(c for c in plain if _fits(c)) or "?")
    return "".join(parts)


@rule(
    "characters",
    "error",
    "QuickBooks holds Windows-1252 only; nothing is transliterated in silence.",
    on=f"item customer {DOCUMENTS}",
    stage="request",
)
def _characters(context: Context, draft: Draft) -> Iterator[Problem]:
    for operation in draft.operations:
        if json.dumps(operation.fields, ensure_ascii=False).isascii():
            continue  # as nearly all are: to walk through every text takes ten times as long
        for path, text in texts(known_fields(operation)):
            bad = outside_windows_1252(text)
            if bad:
                message = (
                    f"{operation.request} {path}: QuickBooks cannot hold {' '.join(bad)} (Windows-1252 only)"
                )
                yield at_cell(context, draft, operation, path, message, text, proposed_spelling(text))


def known_fields(operation: Operation) -> Mapping[str, Any]:
    """Return the fields of an operation with ids that are not known yet stood in for, if it waits for any."""
    return without_placeholders(operation.fields) if operation.depends_on else operation.fields


def without_placeholders(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with ids that are not known yet stood in for, so that the rest can be judged."""
    return {name: _stood_in(value) for name, value in fields.items()}


def _stood_in(value: Any) -> Any:
    if isinstance(value, str):  # as most are
        return value
    if isinstance(value, Mapping):
        return "0-0" if set(value) == {"operation"} else {n: _stood_in(each) for n, each in value.items()}
    return [_stood_in(each) for each in value] if isinstance(value, list) else value


@rule(
    "field_limit",
    "error",
    "Every value fits its qbXML element in length and form; nothing is cut.",
    on=f"item customer {DOCUMENTS}",
    stage="request",
)
def _field_limit(context: Context, draft: Draft) -> Iterator[Problem]:
    for operation in draft.operations:
        for found in field_problems(operation.request, known_fields(operation)):
            value = found.value
            if not outside_windows_1252(value):
                message = f"{operation.request} {found.field}: {found.limit}"
                shorter = _shorter(found.field, value, found.limit)
                yield at_cell(context, draft, operation, found.field, message, value, shorter)


def at_cell(
    context: Context,
    draft: Draft,
    operation: Operation,
    path: str,
    message: str,
    value: str,
    suggestion: str | None,
) -> Problem:
    """Return a problem with an element of a request as one with the cell that it was made from.

    The cell may be of a line of the row; where the toolkit made the value itself, the element is named.
    """
    below: list[Row] = []
    if isinstance(draft, Document):
        below = [line.row for line in draft.lines]
    elif draft.kind == "payment":
        below = context.applied.get(draft.source_key, [])
    applied = operation.expected.get("applied") or ()
    table, key, column = source_place(
        draft.table,
        path,
        key=draft.source_key,
        row=draft.row,
        fields=operation.fields,
        below=below,
        applied=applied,
    )
    if (table, key) == (draft.table, draft.source_key):
        return Problem(message, column or path, value, suggestion)
    source = next((row["source"] for row in below if row_key(table, row) == key), None)
    return Problem(message, column or path, value, suggestion, table, key, source)


def _shorter(path: str, value: str, limit: str) -> str | None:
    """Propose how a text that is too long could be put: address lines are split between words."""
    digits = re.search(r"\d+", limit)
    if not digits or len(value) <= int(digits.group()) or "character" not in limit:
        return None
    length = int(digits.group())
    if re.search(r"Address/Addr\d$", path):
        return "split it: " + " | ".join(textwrap.wrap(value, length))
    return shortened(value, length)


def shortened(value: str, length: int) -> str:
    """Propose a text of at most so many characters, with whole words where it has any.

    A proposal for a person, never applied by itself.

    >>> shortened("Bayshore Calibration Services", 20)
    'Bayshore Calibration'
    """
    return textwrap.shorten(value, length, placeholder="") or value[:length]
