"""Rules on invoices and house credits: masters, lines, items, taxes, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Document, Line
from toolkit.checks_registry import Problem, rule

REF_NUMBER_LENGTH = 11
QUANTITY_PLACES = Decimal("0.00001")
CENT = Decimal("0.01")
SOLD = ("Service", "NonInventory", "OtherCharge", "Discount")
BY_HAND = "is not sent: post it by hand (`toolkit table plan.left_out` lists them)"


def cents(amount: Decimal) -> Decimal:
    """Return an amount rounded to cents, half away from zero, as QuickBooks rounds."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def posted_lines(context: Context, draft: Document) -> list[Line]:
    """Return the lines that are sent: none that was left out on purpose, none that QuickBooks computes."""
    computed = context.settings["tax_mode"] == "quickbooks"
    return [
        line
        for line in draft.lines
        if not (line.is_tax and computed) and not (line.status == "none" and line.amount == 0)
    ]


def tax_item_type(context: Context) -> tuple[str, ...]:
    """Return the types of item a tax may go to: a group cannot stand on a line."""
    return ("SalesTax",) if context.settings["tax_mode"] == "lines" else ("SalesTax", "SalesTaxGroup")


# --- rows that stay behind ----------------------------------------------------------------------------------


@rule(
    "master_and_children",
    "left_out",
    "A master invoice stays behind where the invoices of its children are there: never both.",
    on="invoice",
)
def _master_and_children(context: Context, draft: Document) -> Iterator[Problem]:
    children = context.children(draft.row)
    if children and not context.unlike_children(draft.row):
        yield Problem(f"a master invoice: its children are posted instead ({_shown(children)})")


@rule(
    "master_children_differ",
    "error",
    "A master stays behind for its children only where they can be posted and sum to it: else a person says.",
    on="invoice",
)
def _master_children_differ(context: Context, draft: Document) -> Iterator[Problem]:
    why = context.unlike_children(draft.row)
    if why:
        yield Problem(
            f"a master invoice, and {why} (children: {_shown(context.children(draft.row))})",
            "current_amount_due",
            draft.amount,
            "load all its children, correct their status or amounts in BluBilling, or post it by hand",
        )


def _shown(numbers: list[str]) -> str:
    return ", ".join(numbers[:3]) + (f" and {len(numbers) - 3} more" if len(numbers) > 3 else "")


@rule(
    "post_by_hand",
    "left_out",
    "What has no rule is posted by hand: refunds, debits, write-offs.",
    on="credit payment",
)
def _post_by_hand(_: Context, draft: Document) -> Iterator[Problem]:
    row, amount = draft.row, draft.amount or ZERO
    if draft.kind == "credit":
        if row["kind"] != "house_credit" or amount <= 0:
            yield Problem(f"{row['kind']} of {amount} {BY_HAND}")
    elif row["payment_type"] != "Payment":
        yield Problem(f"{row['payment_type']} of {amount} {BY_HAND}")
    elif amount <= 0:
        reverses = (
            f" that takes back {row['reverses_payment_number']}" if row["reverses_payment_number"] else ""
        )
        yield Problem(f"a payment of {amount}{reverses} {BY_HAND}")


# --- lines --------------------------------------------------------------------------------------------------


@rule("lines_sum", "error", "The lines, without usage subtotals, sum to the current charges.", on="invoice")
def _lines_sum(_: Context, draft: Document) -> Iterator[Problem]:
    total = sum((line.amount for line in draft.lines), ZERO)
    if total != draft.amount:
        yield Problem(
            f"its lines sum to {total}, its current charges are {draft.amount}",
            "current_amount_due",
            draft.amount,
            "load invoices and lines of one export of BluBilling",
        )


@rule("no_lines", "error", "An invoice has at least one line.", on="invoice")
def _no_lines(context: Context, draft: Document) -> Iterator[Problem]:
    if not posted_lines(context, draft):
        yield Problem("it has no line to post", "current_amount_due", draft.amount)


@rule("charge_unmapped", "error", "Every charge is mapped; an invoice is never sent in part.", on="invoice")
def _charge_unmapped(_: Context, draft: Document) -> Iterator[Problem]:
    for line in draft.lines:
        if not line.known and not (line.status == "none" and line.amount == 0):
            code, plan = line.row["price_code"], line.row["contract_code"]
            doubted = line.status == "none" or line.reason == "money_hangs_on_it"
            why = "marked (none), but money hangs on it" if doubted else line.reason
            yield Problem(
                f"charge {code!r} of plan {plan} has no item ({why})", "price_code", f"{plan} / {code}"
            )


@rule(
    "item_usable", "error", "A line's item is active and of a kind that its charge can go to.", on="invoice"
)
def _item_usable(context: Context, draft: Document) -> Iterator[Problem]:
    for line in draft.lines:
        if line.item is None:
            continue
        right = tax_item_type(context) if line.is_tax else SOLD
        if line.item["is_active"] is False:
            yield Problem(f"item {line.item_name} is inactive in QuickBooks", "price_code", line.item_name)
        elif line.item["item_type"] not in right:
            yield Problem(
                f"item {line.item_name} is of type {line.item['item_type']}; it takes {' or '.join(right)}",
                "price_code",
                line.item_name,
            )


@rule(
    "rate_times_quantity",
    "warning",
    "Amount is the fact; a rate that does not multiply back is said.",
    on="invoice",
)
def _rate_times_quantity(_: Context, draft: Document) -> Iterator[Problem]:
    for line in draft.lines:
        rate, quantity = line.row["unit_price"], line.row["quantity"]
        if rate is None or quantity is None or line.row["is_percent"] or line.is_tax:
            continue
        if cents(rate * quantity) != line.amount:
            yield Problem(
                f"line {_place(line)}: {_plain(quantity)} x {_plain(rate)} is not {line.amount} (sent)",
                "amount",
                f"{_place(line)}: {line.amount}",
            )


@rule(
    "quantity_decimals",
    "warning",
    "QuickBooks' quantities have five decimals: a longer one goes as text.",
    on="invoice",
)
def _quantity_decimals(_: Context, draft: Document) -> Iterator[Problem]:
    for line in draft.lines:
        quantity = line.row["quantity"]
        if counted(line) and not fits(quantity):
            yield Problem(
                f"line {_place(line)}: quantity {_plain(quantity)} has six decimals, QuickBooks takes five: "
                "the amount is sent without it, and the description names it",
                "quantity",
                f"{_place(line)}: {_plain(quantity)}",
            )


def counted(line: Line) -> bool:
    """Return whether a line has a quantity to send: taxes, discounts and percentages have an amount only."""
    return bool(line.row["quantity"]) and not (line.is_tax or line.is_discount or line.row["is_percent"])


def fits(quantity: Decimal) -> bool:
    """Return whether QuickBooks can hold a quantity.

    >>> fits(Decimal("0.33333")), fits(Decimal("0.333333"))
    (True, False)
    """
    return quantity == quantity.quantize(QUANTITY_PLACES)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _place(line: Line) -> str:
    return f"{line.row['line_position']}/{line.row['charge_position']}"


# --- taxes --------------------------------------------------------------------------------------------------


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

    With ``tax_mode`` lines it is the item of rate 0; with ``quickbooks`` the one that the tax lines go to.
    """
    taxes = {line.item["list_id"]: line.item for line in draft.lines if line.is_tax and line.item}
    if context.settings["tax_mode"] == "quickbooks" and taxes:
        item = next(iter(taxes.values()))
        return item["list_id"], item["tax_rate"] or Decimal(0)
    return (context.zero_tax_item["list_id"] if context.zero_tax_item else None), Decimal(0)


def line_tax_code(context: Context, line: Line) -> str | None:
    """Return the ListID of a line's sales tax code; the item's own where QuickBooks computes the tax."""
    if context.settings["tax_mode"] == "quickbooks" and line.item:
        code = context.tax_codes.get(line.item.get("sales_tax_code_full_name") or "")
        if code and code["is_taxable"]:
            return str(code["list_id"])
    return context.non_taxable_code["list_id"] if context.non_taxable_code else None


def computed_tax(context: Context, draft: Document) -> Decimal:
    """Return the tax QuickBooks will put on an invoice: rate times taxable lines, rounded once."""
    _, rate = header_tax_item(context, draft)
    plain = context.non_taxable_code["list_id"] if context.non_taxable_code else None
    taxable = [line.amount for line in posted_lines(context, draft) if line_tax_code(context, line) != plain]
    return cents(sum(taxable, ZERO) * rate / 100)


@rule(
    "tax_computed",
    "error",
    "QuickBooks' own tax equals BluBilling's to the cent (tax_mode quickbooks).",
    on="invoice",
)
def _tax_computed(context: Context, draft: Document) -> Iterator[Problem]:
    if context.settings["tax_mode"] != "quickbooks":
        return
    lines = [line for line in draft.lines if line.is_tax]
    names = {line.item_name for line in lines}
    billed, computed = sum((line.amount for line in lines), ZERO), computed_tax(context, draft)
    if len(names) > 1:
        yield Problem(f"its taxes go to several items ({', '.join(map(str, names))}): a header takes one")
    elif any(line.item and line.item["item_type"] == "SalesTaxGroup" for line in lines):
        yield Problem(f"the rate of the sales tax group {names.pop()} is not known here", "tax_name")
    elif lines and not context.uses_sales_tax:
        yield Problem("it has tax, and QuickBooks has no sales tax codes", "tax_name")
    elif billed != computed:
        yield Problem(f"BluBilling's tax is {billed}, QuickBooks would compute {computed}", "amount", billed)


# --- house credits ------------------------------------------------------------------------------------------


@rule("credit_item", "error", "House credits go on the named item of the setting credit_item.", on="credit")
def _credit_item(context: Context, _: Document) -> Iterator[Problem]:
    wanted = context.settings["credit_item"]
    item = context.find_item(None, wanted)
    usable = item and item["is_active"] is not False and item["item_type"] in SOLD
    if not wanted or not (usable or (item is None and wanted in context.local_items)):
        state = "is not set" if not wanted else "names no active item that can be sold"
        yield Problem(
            f"the setting credit_item {state}",
            "credit_item",
            wanted,
            "toolkit set credit_item NAME",
            table="settings",
            key="credit_item",
        )


@rule("credit_mode", "error", "House credits go as credit memos.", on="credit")
def _credit_mode(context: Context, _: Document) -> Iterator[Problem]:
    if context.settings["credit_mode"] != "credit_memo":
        yield Problem(
            "house credits are exported as credit memos only",
            "credit_mode",
            context.settings["credit_mode"],
            "toolkit set credit_mode credit_memo",
            table="settings",
            key="credit_mode",
        )


@rule(
    "credit_unapplied",
    "warning",
    "A credit memo arrives unapplied: QuickBooks shows it as open credit.",
    on="credit",
)
def _credit_unapplied(context: Context, draft: Document) -> Iterator[Problem]:
    uses = [row["invoice_number"] for row in context.applied.get(draft.source_key, [])]
    named = list(dict.fromkeys([*uses, *filter(None, [draft.row["invoice_number"]])]))
    if named:
        yield Problem(
            f"apply it to invoice {', '.join(named)} in QuickBooks by hand", "invoice_number", named[0]
        )


# --- numbers ------------------------------------------------------------------------------------------------


@rule(
    "number_length",
    "error",
    "A RefNumber holds 11 characters: a longer number needs a number_rule.",
    on="invoice credit",
)
def _number_length(context: Context, draft: Document) -> Iterator[Problem]:
    if draft.number_problem:
        yield Problem(draft.number_problem, draft.key_column, draft.source_key, "toolkit set number_rule ...")
    elif len(draft.ref_number) > REF_NUMBER_LENGTH:
        yield Problem(
            f"number {draft.ref_number} has {len(draft.ref_number)} characters, "
            f"QuickBooks takes {REF_NUMBER_LENGTH}: choose a number_rule",
            draft.key_column,
            draft.source_key,
            context.number_proposal,
        )
