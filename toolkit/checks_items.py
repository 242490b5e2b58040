"""Rules on items entered by hand, which go to QuickBooks with the first invoice that needs them."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import Problem, rule

TYPES = ("Service", "NonInventory", "OtherCharge")
INCOME = ("Income", "OtherIncome")


@rule(
    "local_item_type",
    "error",
    "An item entered by hand is a Service, NonInventory or OtherCharge item.",
    on="item",
)
def _local_item_type(_: Context, draft: Draft) -> Iterator[Problem]:
    kind = draft.row["item_type"]
    if kind not in TYPES:
        yield Problem(f"its type is {kind}: it takes {', '.join(TYPES)}", "item_type", kind)


@rule(
    "income_account",
    "error",
    "The income account of an item entered by hand exists, is active, and takes income.",
    on="item",
)
def _income_account(context: Context, draft: Draft) -> Iterator[Problem]:
    name = draft.row["income_account_full_name"]
    account = context.accounts.get(name)
    if account is None:
        yield Problem(f"QuickBooks has no active account {name}", "income_account_full_name", name)
    elif account["account_type"] not in INCOME:
        yield Problem(
            f"account {name} is of type {account['account_type']}; it takes {' or '.join(INCOME)}",
            "income_account_full_name",
            name,
        )


@rule(
    "item_parent",
    "error",
    "The parent of an item entered by hand exists, active and of its type, or is entered too.",
    on="item",
)
def _item_parent(context: Context, draft: Draft) -> Iterator[Problem]:
    parent = draft.source_key.rpartition(":")[0]
    if not parent:
        return
    there = context.item_names.get(parent)
    above = there or context.local_items.get(parent)
    if above is None:
        yield Problem(f"QuickBooks has no item {parent}", "name", draft.source_key)
    elif there and there["is_active"] is False:
        yield Problem(f"item {parent} is inactive in QuickBooks", "name", draft.source_key)
    elif above["item_type"] != draft.row["item_type"]:
        yield Problem(
            f"item {parent} is of type {above['item_type']}: what stands below it is of the same type",
            "name",
            draft.source_key,
        )


@rule("item_name_taken", "error", "Items have one name space, whatever their kind and case.", on="item")
def _item_name_taken(context: Context, draft: Draft) -> Iterator[Problem]:
    name = draft.source_key
    for holder in context.item_names:
        if holder and holder.casefold() == name.casefold():
            yield Problem(f"QuickBooks has an item {holder}: use that one", "name", name, holder)


@rule("item_tax_code", "error", "The sales tax code of an item entered by hand exists.", on="item")
def _item_tax_code(context: Context, draft: Draft) -> Iterator[Problem]:
    code = draft.row["sales_tax_code_full_name"]
    if code and code not in context.tax_codes:
        yield Problem(f"QuickBooks has no active sales tax code {code}", "sales_tax_code_full_name", code)
