"""The gate: every rule that a row passes before it becomes an operation.

The rules stand in the rooms ``checks_*``, one registered function a rule; :data:`RULES` holds them in the
order in which they are asked, and the docs page of rules is made from it.

>>> RULES["origin"].severity, RULES["origin"].waivable
('left_out', False)
"""

from __future__ import annotations

# In this order their rules are asked: what stays behind whatever else is wrong with it comes first.
from toolkit import checks_rows  # isort: skip
from toolkit import checks_changed, checks_customers, checks_names, checks_documents  # isort: skip
from toolkit import checks_credits, checks_taxes, checks_known  # isort: skip
from toolkit import checks_items, checks_payments, checks_lists  # isort: skip
from toolkit import checks_carried, checks_corrections  # isort: skip
from toolkit import checks_versions  # isort: skip
from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import RULES, Rule, problems
from toolkit.checks_waivers import is_waived, judged

__all__ = [
    "OUTCOMES",
    "ROOMS",
    "RULES",
    "Rule",
    "check_left_out",
    "check_request",
    "check_row",
    "check_sent",
    "check_side",
    "reason_to_leave_out",
]

ROOMS = (
    checks_rows,
    checks_changed,
    checks_customers,
    checks_names,
    checks_documents,
    checks_credits,
    checks_taxes,
    checks_known,
    checks_payments,
    checks_carried,
    checks_corrections,
    checks_items,
    checks_lists,
    checks_versions,
)
"""The modules that hold rules."""


OUTCOMES = {
    "blocked": "An error finding on the row itself; the reason names its rules.",
    "depends_on_blocked": "What the row depends on (customer, item, invoice) stays behind.",
    "held": "A person held the row back, or what it depends on: --hold, --only.",
    "pilot": "A pilot has few documents: the row waits until it is approved and tied out.",
}
"""Further rules of ``plan.left_out``: what becomes of a row by what the rules found on it and on others."""


def reason_to_leave_out(context: Context, draft: Draft) -> tuple[str, str] | None:
    """Return rule and reason why a row stays behind without being at fault, or ``None``.

    What a person waived is no reason.
    """
    for found, problem in problems(context, draft, "left_out"):
        if not is_waived(context, found, problem, draft):
            return found.name, problem.message
    return None


def check_left_out(context: Context, draft: Draft) -> list[dict[str, str | None]]:
    """Return findings on a row that waits for a choice, or of which somebody chose already.

    What was posted by hand and changed since waits for one too.

    Of other rules without a waiver nothing is said here: ``plan.left_out`` has its reason.
    """
    if draft.left_out and draft.left_out[0] == "posting_overtaken":
        found = RULES[draft.left_out[0]]
        return judged(context, ((found, problem) for problem in found.check(context, draft)), draft)
    if draft.left_out and not RULES[draft.left_out[0]].waivable:
        return []  # another rule keeps it behind, whatever a person chooses
    chosen = (each for each in problems(context, draft, "left_out") if each[0].waivable)
    return judged(context, chosen, draft)


def check_row(context: Context, draft: Draft) -> list[dict[str, str | None]]:
    """Return findings on one source row: every error and warning at once."""
    return judged(context, problems(context, draft, "error", "warning"), draft)


def check_request(context: Context, draft: Draft) -> list[dict[str, str | None]]:
    """Return findings on the requests made from one row: lengths and characters."""
    return judged(context, problems(context, draft, "error", "warning", stage="request"), draft)


def check_sent(context: Context, draft: Draft) -> list[dict[str, str | None]]:
    """Return findings on a row that was queued or sent before: what changed in it since."""
    return judged(context, problems(context, draft, "warning", stage="sent"), draft)


def check_side(context: Context, draft: Draft) -> list[dict[str, str | None]]:
    """Return the finding on a row of the wrong side of the cutover: it is asked whatever the range."""
    found = RULES["cutover_side"]
    return judged(context, ((found, problem) for problem in found.check(context, draft)), draft)
