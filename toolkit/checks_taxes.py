"""Rules on taxes: the codes that hold QuickBooks' own tax at zero, or that let it compute the right one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from toolkit.checks_context import Context
from toolkit.checks_documents import cents, posted_lines
from toolkit.checks_drafts import ZERO, Document, Line, Row
from toolkit.checks_registry import Problem, rule


@rule(
    "tax_codes_missing",
    "error",
    "Where there are sales tax items, the sales tax codes are known.",
    on="invoice credit",
)
def _tax_codes_missing(context: Context, _: Document) -> Iterator[Problem]:
    taxed = any(row["item_type"] == "SalesTax" for row in context.items.values())
    if taxed and not context.uses_sales_tax:
        yield Problem(
            "QuickBooks has sales tax items, but no sales tax codes were imported",
            suggestion="toolkit import lists",
            table="quickbooks.sales_tax_codes",
            key="",
        )


@rule("non_taxable_code", "error", "The non-taxable code on headers and lines is named.", on="invoice credit")
def _non_taxable_code(context: Context, _: Document) -> Iterator[Problem]:
    if context.uses_sales_tax and context.non_taxable_code is None:
        codes = [name for name, row in context.tax_codes.items() if not row["is_taxable"]]
        yield Problem(
            f"which is the non-taxable sales tax code? QuickBooks has {', '.join(codes) or 'none'}",
            "non_taxable_code",
            context.settings["non_taxable_code"],
            f"toolkit set non_taxable_code {codes[0] if codes else 'Non'}",
            table="settings",
            key="non_taxable_code",
        )


@rule(
    "zero_tax_item",
    "error",
    "The sales tax item of rate 0 that holds QuickBooks' own tax at zero is named.",
    on="invoice credit",
)
def _zero_tax_item(context: Context, _: Document) -> Iterator[Problem]:
    if context.uses_sales_tax and context.zero_tax_item is None:
        found = [
            n for n, r in context.item_names.items() if r["item_type"] == "SalesTax" and r["tax_rate"] == 0
        ]
        yield Problem(
            f"which sales tax item has rate 0? QuickBooks has {', '.join(found) or 'none: make one there'}",
            "zero_tax_item",
            context.settings["zero_tax_item"],
            f"toolkit set zero_tax_item {found[0] if found else 'NAME'!r}",
            table="settings",
            key="zero_tax_item",
        )


def header_tax_item(context: Context, draft: Document) -> tuple[str | None, Decimal]:
    """Return ListID and rate (percent) of the sales tax item on the header.

    With ``tax_mode`` lines it is the item of rate 0; with ``quickbooks`` the item that the tax lines go to,
    or the group whose members they go to.
    """
    if context.settings["tax_mode"] == "quickbooks":
        item = computing_item(context, draft)
        if item is not None:
            return item["list_id"], _rate(context, item)
    return (context.zero_tax_item["list_id"] if context.zero_tax_item else None), Decimal(0)


def untaxed(draft: Document) -> bool:
    """Return whether a document has no tax, or lines of tax of 0.00 only, as an exempt customer's has."""
    return not any(line.is_tax and line.amount for line in draft.lines)


def computing_item(context: Context, draft: Document) -> Row | None:
    """Return the one sales tax item or group that all taxes of a document are, or ``None``.

    Several items are one where an active group of QuickBooks has just these as its members: a header takes
    one item. Of several such groups none is meant. Where no tax was billed it is none, whatever its name; and
    a line of 0.00 beside others counts where the tax comes out right with it, as a rate that rounds to
    nothing, and else is none.
    """
    lines = [line for line in draft.lines if line.is_tax]
    billed = [line for line in lines if line.amount]
    found = [item for some in (lines, billed) if billed and (item := _one_of(context, some))]
    tax = sum((line.amount for line in billed), ZERO)
    right = (item for item in found if cents(taxable_sum(context, draft) * _rate(context, item) / 100) == tax)
    return next(right, found[0] if found else None)


def _one_of(context: Context, lines: Sequence[Line]) -> Row | None:
    """Return the item of lines of tax, or the group of their items."""
    taxes = {line.item["list_id"]: line.item for line in lines if line.item}
    if len(taxes) == 1:
        return next(iter(taxes.values()))
    members = frozenset(taxes)
    groups = [
        context.items[group]
        for group, parts in context.tax_groups.items()
        if parts and frozenset(parts) == members and context.items[group]["is_active"] is not False
    ]
    return groups[0] if len(groups) == 1 else None


def _rate(context: Context, item: Row) -> Decimal:
    return sum((rate for _, rate in tax_members(context, item)), Decimal(0))


def tax_members(context: Context, item: Row) -> list[tuple[str, Decimal]]:
    """Return name and rate (percent) of each sales tax item that a tax consists of: itself, or its members.

    Empty where a member of a group is not known, or has no rate.
    """
    if item["item_type"] != "SalesTaxGroup":
        return [(item["full_name"], item["tax_rate"] or Decimal(0))]
    rows = [context.items.get(part, {}) for part in context.tax_groups.get(item["list_id"], ())]
    if any(row.get("tax_rate") is None for row in rows):
        return []
    return [(row["full_name"], row["tax_rate"]) for row in rows]


def line_tax_code(context: Context, draft: Document, line: Line) -> str | None:
    """Return the ListID of a line's sales tax code.

    Where QuickBooks computes a tax it is the item's own; but what the charge says goes before it: one that
    BluBilling looks no tax up for is not taxed, and one that it does is.
    """
    plain = context.non_taxable_code["list_id"] if context.non_taxable_code else None
    if context.settings["tax_mode"] != "quickbooks" or line.is_tax or untaxed(draft):
        return plain
    code = _code_of(context, line)
    charge = context.charges.get((line.row["contract_code"], line.row["price_code"]), {})
    looked_up = charge.get("external_tax_lookup")
    if looked_up is None:
        return str(code["list_id"]) if code and code["is_taxable"] else plain
    if not looked_up:
        return plain
    code = code if code and code["is_taxable"] else context.taxable_code
    return str(code["list_id"]) if code else plain


def _code_of(context: Context, line: Line) -> Row | None:
    """Return the sales tax code of a line's item, also of one that was entered by hand."""
    item = line.item or context.local_items.get(line.item_name or "", {})
    return context.tax_codes.get(item.get("sales_tax_code_full_name") or "")


def taxable_sum(context: Context, draft: Document) -> Decimal:
    """Return the sum of the lines that QuickBooks will tax."""
    plain = context.non_taxable_code["list_id"] if context.non_taxable_code else None
    posted = posted_lines(context, draft)
    return sum((line.amount for line in posted if line_tax_code(context, draft, line) != plain), ZERO)


def computed_tax(context: Context, draft: Document) -> Decimal:
    """Return the tax QuickBooks will put on a document: its rate times the taxable lines, rounded once.

    A group's rate is that of its members together. Source: PROTOCOL 8.4, where the place of rounding is
    unconfirmed; what comes back is compared.
    """
    _, rate = header_tax_item(context, draft)
    return cents(taxable_sum(context, draft) * rate / 100)


@rule(
    "tax_computed",
    "error",
    "QuickBooks' own tax equals BluBilling's to the cent (tax_mode quickbooks).",
    on="invoice",
)
def _tax_computed(context: Context, draft: Document) -> Iterator[Problem]:
    lines = [line for line in draft.lines if line.is_tax and line.amount]
    if context.settings["tax_mode"] != "quickbooks" or untaxed(draft):
        return
    names = ", ".join(dict.fromkeys(str(line.item_name) for line in lines))
    item = computing_item(context, draft)
    if not context.uses_sales_tax:
        yield Problem("it has tax, and QuickBooks has no sales tax codes", "tax_name")
    elif any(line.item is None for line in lines):
        return  # said by the rule charge_unmapped
    elif item is None:
        yield Problem(
            f"its taxes go to several items ({names}): a header takes one, and there is no one sales tax "
            "group of just these",
            "tax_name",
            names,
            "make a sales tax group of them in QuickBooks and import items, or toolkit set tax_mode lines",
        )
    elif not tax_members(context, item):
        yield Problem(
            f"the rate of the sales tax group {item['full_name']} is not known here: its members are not",
            "tax_name",
            item["full_name"],
            "toolkit import items",
        )
    else:
        yield from _other_cents(context, draft, item)


def _other_cents(context: Context, draft: Document, item: Row) -> Iterator[Problem]:
    billed = sum((line.amount for line in draft.lines if line.is_tax), ZERO)
    computed = computed_tax(context, draft)
    if billed != computed:
        rates = ", ".join(f"{name} {rate.normalize():f} %" for name, rate in tax_members(context, item))
        yield Problem(
            f"BluBilling's tax is {billed}, QuickBooks would compute {computed}: {rates} of "
            f"{taxable_sum(context, draft)}, {billed - computed:+} apart",
            "amount",
            billed,
            "toolkit set tax_mode lines sends the tax as billed; or correct rate, tax codes or amounts",
        )


@rule(
    "tax_rounding",
    "warning",
    "The members of a sales tax group, each rounded, sum to the group's tax: else it may be a cent off.",
    on="invoice",
)
def _tax_rounding(context: Context, draft: Document) -> Iterator[Problem]:
    item = computing_item(context, draft) if context.settings["tax_mode"] == "quickbooks" else None
    members = tax_members(context, item) if item else []
    if len(members) > 1:
        base, computed = taxable_sum(context, draft), computed_tax(context, draft)
        apart = sum((cents(base * rate / 100) for _, rate in members), ZERO)
        if apart != computed:
            yield Problem(
                f"the tax of {base} is {computed} at the rate of the group, and {apart} where each member is "
                "rounded by itself: what QuickBooks answers is compared, and a difference holds its payments",
                "amount",
                computed,
            )
