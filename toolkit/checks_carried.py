"""Rules on what was carried forward: it never goes back, and nothing is exported until it ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from weakref import WeakKeyDictionary

from toolkit import checks_credits, checks_rows, checks_versions  # noqa: F401 - their rules hold here too
from toolkit.carried import POSTED, Carried, named_txn_ids
from toolkit.carried_credits import (
    CREDIT_USE,
    CreditUse,
    carried_credits,
    credit_document,
    otherwise_sent,
    overused,
)
from toolkit.carried_ties import tie_all
from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import RULES, Problem, rule

SHOWN = 3
_TIES: WeakKeyDictionary[Context, list[Carried]] = WeakKeyDictionary()
_CARRIED: WeakKeyDictionary[Context, dict[str, str]] = WeakKeyDictionary()


def unsigned(context: Context) -> list[Carried]:
    """Return the carried documents that do not tie to BluBilling's, and that nobody signed."""
    if context not in _TIES:
        _TIES[context] = [one for one in tie_all(context) if not one.ties and one.signature is None]
    return _TIES[context]


@rule(
    "carried_not_tied",
    "error",
    "After the upload BluBilling's tables tie to what was carried, or a person signs the difference.",
    on="invoice credit payment",
)
def _carried_not_tied(context: Context, _: Draft) -> Iterator[Problem]:
    open_ones = unsigned(context)
    if open_ones:
        what = "invoices" if all(one.row["record_kind"] == "invoice" for one in open_ones) else "documents"
        shown = [f"{one.row['key']} ({'; '.join(one.reasons)})" for one in open_ones[:SHOWN]]
        more = f" and {len(open_ones) - SHOWN} more" if len(open_ones) > SHOWN else ""
        yield Problem(
            f"{len(open_ones)} carried {what} do not tie to BluBilling: {', '.join(shown)}{more}",
            suggestion="upload them and load BluBilling again, or sign the difference: "
            'toolkit carry-forward --sign "why"',
            table="carry_forward.tie",
            key="all",
        )


@rule(
    "carried_copy",
    "left_out",
    "An invoice that names the TxnID of a carried one is QuickBooks' own, whatever its number; no waiver.",
    on="invoice",
)
def _carried_copy(context: Context, draft: Draft) -> Iterator[Problem]:
    row, carried = draft.row, _carried(context)
    for txn_id in dict.fromkeys([*named_txn_ids(row.get("notes")), row.get("erp_invoice_id")]):
        if txn_id in carried and row["status"] in POSTED:
            yield Problem(f"it is {txn_id} of QuickBooks, carried forward as {carried[txn_id]}")


def _carried(context: Context) -> dict[str, str]:
    """Return the carried invoices: TxnID to the number that each was given."""
    if context not in _CARRIED:
        _CARRIED[context] = {
            row["quickbooks_id"]: key
            for (kind, key), row in context.crosswalk.items()
            if kind == "invoice" and row["origin"] == "quickbooks"
        }
    return _CARRIED[context]


# --- carried credits ----------------------------------------------------------------------------------------

_AS_FOR_DOCUMENTS = (
    *("posting_overtaken", "posted_by_hand", "already_sent", "under_way", "cutover_side", "closed_period"),
    *("currency", "changed_after_sent"),
    *("customer_undecided", "customer_not_exported", "customer_shared", "customer_inactive", "ar_account"),
    *("characters", "field_limit", "qbxml_version", "carried_not_tied"),
)
"""Rules that hold for the use of a carried credit as for every document."""


@rule(
    "carried_credit",
    "left_out",
    "A carried credit is QuickBooks' own and never made anew: what BluBilling uses of it is applied there.",
    on="credit payment",
)
def _carried_credit(context: Context, draft: Draft) -> Iterator[Problem]:
    credit = carried_credits(context).get(draft.source_key)
    if credit:
        yield Problem(
            f"it is {credit['key']}, carried forward from QuickBooks ({credit['quickbooks_id']}): what is "
            "used of it is applied there"
        )


@rule(
    "credit_gone",
    "error",
    "A carried credit that BluBilling uses is still in QuickBooks.",
    on=CREDIT_USE,
)
def _credit_gone(context: Context, draft: CreditUse) -> Iterator[Problem]:
    credit = draft.credit or {}
    if credit_document(context, credit) is None:
        yield Problem(
            f"QuickBooks has no credit {credit['quickbooks_id']} ({credit['key']}) any more",
            "payment_number",
            credit["key"],
            "toolkit import receivables, then post it by hand",
        )


@rule(
    "credit_customer",
    "error",
    "A carried credit pays invoices of its own QuickBooks customer only.",
    on=CREDIT_USE,
)
def _credit_customer(context: Context, draft: CreditUse) -> Iterator[Problem]:
    there = credit_document(context, draft.credit or {})
    for application in draft.applications:
        target = application.target.list_id
        if there and not application.problem and there["customer_list_id"] != target:
            name = context.quickbooks_customers.get(there["customer_list_id"], {}).get("full_name")
            yield Problem(
                f"the credit is of {name or there['customer_list_id']}, invoice {application.invoice_number} "
                f"of {application.target.full_name or application.target.account}",
                "invoice_number",
                application.invoice_number,
                "transfer the credit in QuickBooks, and post it by hand",
            )


@rule(
    "credit_remaining",
    "error",
    "What is used of a carried credit is at most what is left of it.",
    on=CREDIT_USE,
)
def _credit_remaining(context: Context, draft: CreditUse) -> Iterator[Problem]:
    over = overused(context).get(draft.key)
    if over and credit_document(context, draft.credit or {}):
        yield Problem(
            over, "amount_applied", draft.amount, "import receivables again, or correct it in BluBilling"
        )


@rule(
    "credit_use_differs",
    "error",
    "Nothing more is used of a carried credit while what was sent of it is not what BluBilling has.",
    on=CREDIT_USE,
)
def _credit_use_differs(context: Context, draft: CreditUse) -> Iterator[Problem]:
    credit = draft.credit or {}
    differs = otherwise_sent(context, draft.row["payment_number"])
    if differs:
        yield Problem(
            f"{differs}: whether this is more of it nobody can tell",
            "amount_applied",
            draft.amount,
            "see what QuickBooks has applied of the credit; what it has there is entered by toolkit posted "
            f"'{draft.source_key}' --txn-id {credit.get('quickbooks_id')}",
        )


@rule(
    "credit_ar_account",
    "error",
    "A carried credit and the invoice that it pays stand on the same A/R account.",
    on=CREDIT_USE,
)
def _credit_ar_account(context: Context, draft: CreditUse) -> Iterator[Problem]:
    there, ours = credit_document(context, draft.credit or {}), context.ar_account
    if there and ours and there["ar_account_list_id"] not in (None, ours["list_id"]):
        yield Problem(
            f"the credit stands on {there['ar_account_full_name']}, payments on {ours['full_name']}",
            "payment_number",
            (draft.credit or {})["key"],
            "post it by hand",
        )


# They were registered by the rooms that are imported above.
for _name in _AS_FOR_DOCUMENTS:
    RULES[_name] = replace(RULES[_name], on=(*RULES[_name].on, CREDIT_USE))
