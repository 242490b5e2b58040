"""Rules on items entered by hand, which go to QuickBooks with the first invoice that needs them."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import Problem, rule

TYPES = ("Service", "NonInventory", "OtherCharge")


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
    "The income account of an item entered by hand exists and is active.",
    on="item",
)
def _income_account(context: Context, draft: Draft) -> Iterator[Problem]:
    name = draft.row["income_account_full_name"]
    if name not in context.accounts:
        yield Problem(f"QuickBooks has no active account {name}", "income_account_full_name", name)


@rule("item_parent", "error", "The parent of an item entered by hand exists, or is entered too.", on="item")
def _item_parent(context: Context, draft: Draft) -> Iterator[Problem]:
    parent = draft.source_key.rpartition(":")[0]
    if parent and parent not in context.item_names and parent not in context.local_items:
        yield Problem(f"QuickBooks has no item {parent}", "name", draft.source_key)


@rule("item_tax_code", "error", "The sales tax code of an item entered by hand exists.", on="item")
def _item_tax_code(context: Context, draft: Draft) -> Iterator[Problem]:
    code = draft.row["sales_tax_code_full_name"]
    if code and code not in context.tax_codes:
        yield Problem(f"QuickBooks has no active sales tax code {code}", "sales_tax_code_full_name", code)
