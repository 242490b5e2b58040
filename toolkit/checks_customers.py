"""Rules on customers to create in QuickBooks."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import Problem, rule

NAME_LENGTH = 41
LEVELS = 5


@rule(
    "customer_left_out",
    "left_out",
    "A customer marked (none), or not decided, is not created.",
    on="customer",
)
def _customer_left_out(context: Context, draft: Draft) -> Iterator[Problem]:
    match = context.customer_matches[draft.source_key]
    # A name that is taken is the error below, which says what to do about it.
    if match["status"] != "new" and match["reason"] != "name_taken":
        why = f" ({match['reason']})" if match["reason"] else ""
        yield Problem(f"its match is {match['status']}{why}: only a customer decided to be (new) is created")


@rule("name_length", "error", "A QuickBooks customer name has 1 to 41 characters.", on="customer")
def _name_length(context: Context, draft: Draft) -> Iterator[Problem]:
    name = context.new_name(draft.source_key)
    if not name.strip():
        yield Problem("it has no name", "name", name, "give it a new_name with the decision")
    elif len(name) > NAME_LENGTH:
        yield Problem(
            f"its name has {len(name)} characters, QuickBooks takes {NAME_LENGTH}: choose a new_name",
            "name",
            name,
            name[:NAME_LENGTH].rstrip(),
        )


@rule("name_colon", "error", "A colon parts customer and job, so no name may hold one.", on="customer")
def _name_colon(context: Context, draft: Draft) -> Iterator[Problem]:
    name = context.new_name(draft.source_key)
    if ":" in name:
        yield Problem(
            "a name must not hold a colon: choose a new_name", "name", name, name.replace(":", " -")
        )


@rule("name_taken", "error", "Names are unique at their level, whatever the case.", on="customer")
def _name_taken(context: Context, draft: Draft) -> Iterator[Problem]:
    name = context.new_name(draft.source_key)
    level = context.parent_identity(draft.source_key)
    holder = context.customer_names.get((level, name.casefold()))
    if holder is not None:
        yield Problem(
            f"QuickBooks already has {holder}: match it to that customer, or choose another new_name",
            "name",
            name,
            holder,
        )
    twins = context.new_customer_names.get((level, name.casefold()), [])
    if len(twins) > 1:
        others = ", ".join(account for account in twins if account != draft.source_key)
        yield Problem(f"customer {others} would get the same name: choose another new_name", "name", name)


@rule("parent_undecided", "error", "A job's parent is matched, or created before it.", on="customer")
def _parent_undecided(context: Context, draft: Draft) -> Iterator[Problem]:
    parent = draft.row["parent_account_number"]
    if not parent:
        return
    chain = context.parents(draft.source_key)
    highest = chain[-1] if chain else draft.source_key
    if context.billing_customers.get(highest, {}).get("parent_account_number"):
        yield Problem(
            f"its parents turn in a circle: {' > '.join([draft.source_key, *chain])}",
            "parent_account_number",
            parent,
        )
        return
    target = context.target(parent)
    if not target.known:
        why = f" ({target.reason})" if target.reason else ""
        yield Problem(f"its parent {parent} is {target.status}{why}", "parent_account_number", parent)
    elif not target.is_active:
        yield Problem(f"its parent {target.full_name} is inactive", "parent_account_number", parent)


@rule("too_deep", "error", "QuickBooks has five levels of customers and jobs.", on="customer")
def _too_deep(context: Context, draft: Draft) -> Iterator[Problem]:
    full_name = context.target(draft.source_key).full_name or ""
    if full_name.count(":") >= LEVELS:
        levels = full_name.count(":") + 1
        yield Problem(
            f"{full_name} would stand on level {levels} of {LEVELS}: give it a parent further up",
            "parent_account_number",
            draft.row["parent_account_number"],
        )
