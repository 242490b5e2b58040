"""Rules on invoices: masters and children, lines, items, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from toolkit.checks_context import Context
from toolkit.checks_drafts import ZERO, Document, Draft, Line
from toolkit.checks_registry import Problem, rule

REF_NUMBER_LENGTH = 11
QUANTITY_PLACES = Decimal("0.00001")
CENT = Decimal("0.01")
SOLD = ("Service", "NonInventory", "OtherCharge", "Discount")


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


# --- dates --------------------------------------------------------------------------------------------------


@rule(
    "date_moved",
    "warning",
    "A document of a closed period is posted on the first open day, its true date in the memo.",
    on="invoice credit payment",
)
def _date_moved(context: Context, draft: Draft) -> Iterator[Problem]:
    posted = context.posting_date(draft.date) if draft.date else None
    if posted and posted != draft.date:
        yield Problem(
            f"dated {draft.date}, in a closed period: it is posted on {posted}, its memo has the true date",
            {"invoice": "invoice_date"}.get(draft.kind, "effective_date"),
            draft.date,
            "toolkit set closed_period block to keep it back instead",
        )
