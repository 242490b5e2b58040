"""Rules on payments: method, deposit account, applications, and that nothing is paid twice over."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.carried_copies import UNCLEAR, named_credits
from toolkit.carried_credits import CREDIT_USE, CreditUse
from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Draft, Payment
from toolkit.checks_registry import Problem, rule
from toolkit.settings import SETTINGS


@rule(
    "payment_method_unmapped",
    "error",
    "A payment's method is an active payment method of QuickBooks.",
    on="payment",
)
def _payment_method_unmapped(context: Context, draft: Payment) -> Iterator[Problem]:
    method = draft.row["method"]
    match = context.payment_methods.get(method, {})
    if match.get("status") not in ("exact", "mapped"):
        yield Problem(
            f"QuickBooks has no payment method for {method} ({match.get('reason') or 'unknown'})",
            "method",
            method,
            match.get("suggestion"),
        )
    elif match["payment_method_list_id"] not in context.active_methods:
        yield Problem(f"payment method {match['payment_method_full_name']} is inactive", "method", method)


@rule("deposit_account", "error", "A payment's deposit account is chosen by its method.", on="payment")
def _deposit_account(context: Context, draft: Payment) -> Iterator[Problem]:
    method = draft.row["method"]
    chosen = context.payment_methods.get(method, {}).get("deposit_account_full_name")
    wanted = chosen or context.settings.deposit_account(method)
    # Of a house credit the rule credit_mode says it.
    if context.payment_account(method) is None and draft.table == "billing.payments":
        state = "is not set" if not wanted else f"names no active account ({wanted})"
        setting = f"deposit_accounts.{method}"
        has_one = setting in SETTINGS  # only methods that BluBilling always has
        yield Problem(
            f"the deposit account of {method} {state}",
            setting if has_one else "deposit_account_full_name",
            wanted,
            "choose it in the sheet Payment methods"
            + (f", or toolkit set {setting} NAME" if has_one else ""),
            table="settings" if has_one else "match.payment_methods",
            key=setting if has_one else method,
        )


@rule("payment_sum", "error", "What is applied and what is not add up to the payment.", on="payment")
def _payment_sum(context: Context, draft: Payment) -> Iterator[Problem]:
    amount, unapplied = draft.amount or ZERO, draft.row["unapplied_balance"]
    applied = sum((row["amount_applied"] for row in context.applied.get(draft.source_key, [])), ZERO)
    if unapplied is None and applied <= amount:
        return
    if applied + (unapplied or ZERO) != amount or (unapplied or ZERO) < 0:
        yield Problem(
            f"{applied} applied and {unapplied or ZERO} unapplied do not make {amount}",
            "amount",
            draft.amount,
        )


@rule(
    "application_negative",
    "error",
    "What is applied to an invoice is above zero.",
    on="payment credit_use",
)
def _application_negative(_: Context, draft: Payment | CreditUse) -> Iterator[Problem]:
    for application in draft.applications:
        if application.amount < 0:
            number = application.invoice_number
            yield Problem(f"{application.amount} is applied to {number}", "amount", application.amount)


@rule(
    "application_target",
    "error",
    "What a payment pays is in QuickBooks or in this plan: it is never left unapplied in silence.",
    on="payment credit_use",
)
def _application_target(_: Context, draft: Payment | CreditUse) -> Iterator[Problem]:
    for application in draft.applications:
        if application.problem:
            yield Problem(
                f"it pays {application.amount} on {application.invoice_number}: {application.problem}",
                "invoice_number",
                application.invoice_number,
            )


@rule(
    "overpaid",
    "error",
    "What is applied to an invoice is at most what is open on it.",
    on="payment credit_use",
)
def _overpaid(_: Context, draft: Payment | CreditUse) -> Iterator[Problem]:
    for message in draft.overpaid:
        yield Problem(
            message,
            "amount_applied" if isinstance(draft, CreditUse) else "amount",
            draft.amount,
            "if something else pays it in QuickBooks, take that off there and import receivables again; "
            "else correct it in BluBilling",
        )


@rule(
    "ar_account_differs",
    "error",
    "A payment stands on the A/R account of what it pays.",
    on="payment credit_use",
)
def _ar_account_differs(context: Context, draft: Payment | CreditUse) -> Iterator[Problem]:
    ours = context.ar_account
    for application in draft.applications:
        there = context.quickbooks_invoices.get(application.txn_id or "", {}).get("ar_account_list_id")
        if ours and there and there != ours["list_id"]:
            yield Problem(
                f"{application.invoice_number} stands on another A/R account than {ours['full_name']}",
                "invoice_number",
                application.invoice_number,
                "post it by hand",
            )


@rule("payment_number_length", "error", "A payment's RefNumber holds 20 characters.", on="payment")
def _payment_number_length(_: Context, draft: Payment) -> Iterator[Problem]:
    number = draft.ref_number
    if len(number) > 20:
        column = "check_number" if draft.row["check_number"] else "payment_number"
        yield Problem(f"number {number} has {len(number)} characters, QuickBooks takes 20", column, number)


# --- what names a carried credit ----------------------------------------------------------------------------


@rule(
    UNCLEAR,
    "error",
    "What names a carried credit and is not plainly it waits for a person: a waiver makes it a document.",
    on="credit payment",
    waivable=True,
)
def _carried_credit_unclear(context: Context, draft: Draft) -> Iterator[Problem]:
    one = named_credits(context).get((draft.table, draft.source_key))
    if one and one.problem and not one.by_number:
        yield Problem(
            f"{one.problem}: it is that credit, or a document of its own",
            one.column,
            one.value,
            "if it is the credit, correct its customer, amount or text in BluBilling; if it is a document "
            "of its own, waive this",
        )


@rule(
    "carried_credit_number",
    "error",
    "What has the key of a carried credit as its number has its customer and amount too.",
    on="credit payment",
)
def _carried_credit_number(context: Context, draft: Draft) -> Iterator[Problem]:
    one = named_credits(context).get((draft.table, draft.source_key))
    if one and one.problem and one.by_number:
        yield Problem(one.problem, one.column, one.value, "correct it in BluBilling, or number it otherwise")


@rule(
    "credit_use_status",
    "left_out",
    "A carried credit is used as long as BluBilling's copy of it counts.",
    on=CREDIT_USE,
)
def _credit_use_status(_: Context, draft: CreditUse) -> Iterator[Problem]:
    status = draft.row["status"]
    if status != "Paid":
        yield Problem(f"{draft.row['payment_number']}, the credit as BluBilling has it, is {status}")
