"""Rules on payments: method, deposit account, applications, and that nothing is paid twice over."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Payment
from toolkit.checks_registry import Problem, rule


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
    wanted = context.settings.deposit_account(method)
    if not wanted or wanted not in context.accounts:
        state = "is not set" if not wanted else f"names no active account ({wanted})"
        yield Problem(
            f"the deposit account of {method} {state}",
            f"deposit_accounts.{method}",
            wanted,
            f"toolkit set deposit_accounts.{method} NAME",
            table="settings",
            key=f"deposit_accounts.{method}",
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


@rule("application_negative", "error", "What is applied to an invoice is above zero.", on="payment")
def _application_negative(_: Context, draft: Payment) -> Iterator[Problem]:
    for application in draft.applications:
        if application.amount < 0:
            number = application.invoice_number
            yield Problem(f"{application.amount} is applied to {number}", "amount", application.amount)


@rule(
    "application_target",
    "error",
    "What a payment pays is in QuickBooks or in this plan: it is never left unapplied in silence.",
    on="payment",
)
def _application_target(_: Context, draft: Payment) -> Iterator[Problem]:
    for application in draft.applications:
        if application.problem:
            yield Problem(
                f"it pays {application.amount} on {application.invoice_number}: {application.problem}",
                "invoice_number",
                application.invoice_number,
            )


@rule("overpaid", "error", "What is applied to an invoice is at most what is open on it.", on="payment")
def _overpaid(_: Context, draft: Payment) -> Iterator[Problem]:
    for message in draft.overpaid:
        yield Problem(
            message,
            "amount",
            draft.amount,
            "if something else pays it in QuickBooks, take that off there and import receivables again; "
            "else correct it in BluBilling",
        )


@rule("ar_account_differs", "error", "A payment stands on the A/R account of what it pays.", on="payment")
def _ar_account_differs(context: Context, draft: Payment) -> Iterator[Problem]:
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
