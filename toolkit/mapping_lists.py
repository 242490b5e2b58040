"""Match taxes, payment methods and terms; :mod:`toolkit.mapping` shows it to callers.

They follow the rules of charges. What is their own:

- A *tax* is a tax charge of a plan, or a tax from outside that the invoice lines name (Avalara); it goes to
  a sales tax item.
- A *payment method* has a deposit account: the one decided on (by ListID), else that of the setting
  ``deposit_accounts.<Method>``. An account that cannot be used is told as the reason of the method, whose
  own status stays.
- *Terms* are compared by their days where their names differ: ``30 Days`` is near ``Net 30``. Terms that were
  left out stay so whatever is invoiced with them later, since documents carry their due date.

======================  ===============================================================================
reason                  what it means
======================  ===============================================================================
``account_not_chosen``  the method has no deposit account, neither decided nor by the setting
``account_gone``        its deposit account is not in QuickBooks
``account_inactive``    its deposit account was made inactive
``account_wrong_type``  its deposit account is neither a bank account nor another current asset
``account_renamed``     its deposit account was called otherwise when it was decided on; it is kept
======================  ===============================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.mapping_charges import match_charges
from toolkit.mapping_items import ITEM_SHOWN, RIGHT_TYPES, Items
from toolkit.mapping_names import (
    Catalogue,
    Row,
    decided_row,
    finished,
    found_row,
    judge,
    present,
    standing,
    suggest,
    usable,
)
from toolkit.mapping_use import (
    Use,
    counted_lines,
    use_of_customers,
    use_of_methods,
)
from toolkit.settings import Settings
from toolkit.tables import finding, from_rows, to_arrow, to_rows

__all__ = [
    "match_payment_methods",
    "match_taxes",
    "match_terms",
    "method_findings",
    "terms_name",
]

_SALES_TAX = sorted(RIGHT_TYPES["tax"])

# --- taxes --------------------------------------------------------------------------------------------------


def match_taxes(
    charges: pd.DataFrame,
    items: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    charge_decisions: pd.DataFrame | None = None,
    invoice_lines: pd.DataFrame | None = None,
    invoices: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each tax with the sales tax item it goes to, or the reason why it goes to none.

    Parameters
    ----------
    charges : pandas.DataFrame
        ``billing.charges``; its tax charges are taxes, and are rows of ``match.charges`` too.
    items : pandas.DataFrame
        ``quickbooks.items``.
    decisions : pandas.DataFrame
        ``mapping.taxes``. Give it to :func:`match_charges` as ``tax_decisions`` too: then both tables say
        the same of a tax charge.
    charge_decisions : pandas.DataFrame, optional
        ``mapping.charge_items``: a decision on a tax charge there holds here, unless a later one is in
        ``decisions``.
    invoice_lines, invoices : pandas.DataFrame, optional
        ``billing.invoice_lines`` and ``billing.invoices``: the taxes from outside, and what hangs on each.

    Returns
    -------
    pandas.DataFrame
        ``match.taxes``: the tax charges in the order given, then the taxes from outside by name.
    """
    is_tax = charges["is_tax"].fillna(False).astype(bool)
    of_plans = match_charges(
        charges[is_tax],
        items,
        from_rows("mapping.charge_items", ()) if charge_decisions is None else charge_decisions,
        invoice_lines=invoice_lines,
        invoices=invoices,
        tax_decisions=decisions,
    )
    from_outside = _taxes_from_outside(charges[is_tax], Items(items), decisions, invoice_lines, invoices)
    sales_taxes = to_arrow(items, "quickbooks.items", ("list_id", "item_type", "tax_rate"))
    sales_taxes = sales_taxes.filter(pc.is_in(sales_taxes["item_type"], value_set=pa.array(_SALES_TAX)))
    rates = dict(zip(*(sales_taxes[name].to_pylist() for name in ("list_id", "tax_rate")), strict=True))
    rows = [
        {**row, "tax_rate": rates.get(row["item_list_id"])} for row in [*to_rows(of_plans), *from_outside]
    ]
    return from_rows("match.taxes", rows)


def _taxes_from_outside(
    tax_charges: pd.DataFrame,
    items: Items,
    decisions: pd.DataFrame,
    invoice_lines: pd.DataFrame | None,
    invoices: pd.DataFrame | None,
) -> list[dict[str, Any]]:
    named, recent = _outside_uses(tax_charges, invoice_lines, invoices)
    types = RIGHT_TYPES["tax"]
    decided = standing(decisions, "contract_code", "price_code", "tax_name")
    catalogue = items.catalogue(named, decided.values())
    rows = []
    for name in sorted(named, key=lambda name: (name is None, name or "")):
        decision, use = decided.get((None, None, name), {}), recent.get(name, Use())
        status, reason, found, near = judge(name, decision, "item", use, catalogue, types)
        rows.append(
            {
                "tax_name": name,
                "is_tax": True,
                **found_row("item", status, reason, found),
                **{shown: found and found[shown] for shown in ITEM_SHOWN},
                **decided_row(decision, use),
                "_near": near,
                "_hints": [name],
            }
        )
    suggest(rows, items.names(types))
    return [finished(row) for row in rows]


def _outside_uses(
    tax_charges: pd.DataFrame, invoice_lines: pd.DataFrame | None, invoices: pd.DataFrame | None
) -> tuple[set[str | None], dict[str | None, Use]]:
    """Return the names of all taxes from outside, and the use of those of the last twelve months."""
    known = set(zip(tax_charges["contract_code"], tax_charges["price_code"].fillna(""), strict=True))
    columns = ("invoice_number", "contract_code", "price_code", "amount", "line_type", "tax_name")
    named: set[str | None] = set()
    recent: dict[str | None, Use] = {}
    for heads, dated in ((None, False), (invoices, True)):
        lines = counted_lines(invoice_lines, heads, columns)
        taxes = lines.filter(pc.fill_null(pc.equal(lines["line_type"], "tax"), False))
        for line in taxes.to_pylist():
            if (line["contract_code"], line["price_code"] or "") in known:
                continue
            named.add(line["tax_name"])
            if dated:
                recent.setdefault(line["tax_name"], Use()).add(line["amount"])
    return named, recent


# --- payment methods ----------------------------------------------------------------------------------------

_DEPOSITED_TO = frozenset({"Bank", "OtherCurrentAsset"})
"""Account types that a payment can be deposited to. Source: QuickBooks' own choice on Receive Payments."""


def match_payment_methods(
    payments: pd.DataFrame,
    methods: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    accounts: pd.DataFrame | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Return each payment method in use with the QuickBooks method it is, and its deposit account.

    Parameters
    ----------
    payments : pandas.DataFrame
        ``billing.payments``.
    methods : pandas.DataFrame
        ``quickbooks.payment_methods``; inactive ones do not match.
    decisions : pandas.DataFrame
        ``mapping.payment_methods``; its deposit account, by ListID, goes before the setting.
    accounts : pandas.DataFrame, optional
        ``quickbooks.accounts``. Without it deposit accounts are shown as they are called and not judged.
    settings : Settings, optional
        For ``deposit_accounts.<Method>``.

    Returns
    -------
    pandas.DataFrame
        ``match.payment_methods``, one row per method of the payments, in alphabetical order. ``lines`` and
        ``amount`` are payments, refunds included.
    """
    chosen = settings if settings is not None else Settings()
    catalogue = Catalogue({**row, "full_name": row["name"]} for row in present(methods))
    chart = None if accounts is None else _Chart(present(accounts))
    decided = standing(decisions, "method")
    used = use_of_methods(payments)
    rows = []
    for method in sorted(used):
        decision, use = decided.get((method,), {}), used[method]
        status, reason, found, near = judge(method, decision, "payment_method", use, catalogue, None)
        account, doubt = _deposit_account(decision, chosen.deposit_account(method), chart)
        rows.append(
            {
                "method": method,
                **found_row("payment_method", status, reason or (doubt if found else None), found),
                **account,
                **decided_row(decision, use),
                "_near": near,
                "_hints": [method],
            }
        )
    suggest(rows, catalogue.names(None))
    return from_rows("match.payment_methods", [finished(row) for row in rows])


class _Chart:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.by_id = {row["list_id"]: row for row in rows}
        self.by_name = {row["full_name"]: row for row in rows}


def _deposit_account(
    decision: Row, by_setting: str | None, chart: _Chart | None
) -> tuple[dict[str, Any], str | None]:
    """Return the columns of the deposit account, and why it cannot be used."""
    list_id = decision.get("deposit_account_list_id")
    name = decision.get("deposit_account_full_name") or (None if list_id else by_setting)
    shown = {"deposit_account_list_id": list_id, "deposit_account_full_name": name}
    if chart is None:
        return shown, None
    if list_id is None and name is None:
        return shown, "account_not_chosen"
    row = chart.by_id.get(list_id) if list_id else chart.by_name.get(name or "")
    if row is None:
        return {**shown, "deposit_account_list_id": None}, "account_gone"
    shown = {"deposit_account_list_id": row["list_id"], "deposit_account_full_name": row["full_name"]}
    if row["account_type"] not in _DEPOSITED_TO:
        return shown, "account_wrong_type"
    if row["is_active"] is False:
        return shown, "account_inactive"
    decided_name = decision.get("deposit_account_full_name") if list_id else None
    return shown, "account_renamed" if decided_name not in (None, row["full_name"]) else None


_ACCOUNT_DOUBTS = {
    "account_not_chosen": "has no deposit account: choose one",
    "account_gone": "is deposited to an account that is not in QuickBooks: choose another",
    "account_inactive": "is deposited to an inactive account: make it active, or choose another",
    "account_wrong_type": "is deposited to what is neither a bank account nor another current asset",
    "account_renamed": "is deposited to an account that was called otherwise when it was decided on",
}


def method_findings(matched: Iterable[Row]) -> list[dict[str, str | None]]:
    """Return a warning for each payment method whose deposit account cannot be used, or was renamed."""
    return [
        finding(
            "warning",
            "renamed" if row["reason"] == "account_renamed" else "method_account",
            f"{row['method']} {_ACCOUNT_DOUBTS[row['reason']]}",
            table="mapping.payment_methods",
            key=row["method"],
            column="deposit_account_full_name",
            value=row["deposit_account_full_name"],
        )
        for row in matched
        if row["reason"] in _ACCOUNT_DOUBTS
    ]


# --- terms --------------------------------------------------------------------------------------------------

_DAYS = {"day": (1, Decimal(100)), "week": (7, Decimal(100)), "month": (30, Decimal(90))}
"""Days of a unit, and how sure it is: a month is nearly 30 days."""


def terms_name(customer: Row) -> str | None:
    """Return what a BluBilling customer's terms are called, or ``None`` where it has none.

    >>> terms_name({"terms_value": 30, "terms_units": "Days"})
    '30 Days'
    """
    parts = (customer["terms_value"], customer["terms_units"])
    return " ".join(str(part) for part in parts if part is not None) or None


def match_terms(
    customers: pd.DataFrame,
    terms: pd.DataFrame,
    decisions: pd.DataFrame,
    *,
    invoices: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each kind of terms that customers have with the QuickBooks terms it is.

    Parameters
    ----------
    customers : pandas.DataFrame
        ``billing.customers``.
    terms : pandas.DataFrame
        ``quickbooks.terms``; inactive ones do not match.
    decisions : pandas.DataFrame
        ``mapping.terms``.
    invoices : pandas.DataFrame, optional
        ``billing.invoices``: ``lines`` and ``amount`` are the invoices of these customers.

    Returns
    -------
    pandas.DataFrame
        ``match.terms``, one row per kind of terms, those of the most customers first. The suggestion is the
        terms with the same days until due, else the nearest name.
    """
    catalogue = Catalogue({**row, "full_name": row["name"]} for row in present(terms))
    decided = standing(decisions, "terms_name")
    counted, days, used = _terms_in_use(customers, use_of_customers(invoices))
    rows = []
    for name in sorted(counted, key=lambda name: (-counted[name], name)):
        decision, use = decided.get((name,), {}), used[name]
        # Whatever is invoiced with them: terms left out stay left out, for a document has its due date.
        status, reason, found, near = judge(name, decision, "terms", Use(), catalogue, None)
        due, sure = days[name]
        same = None if near else _same_days(due, catalogue)
        rows.append(
            {
                "terms_name": name,
                **found_row("terms", status, reason, found),
                "terms_due_days": found and found["std_due_days"],
                "customers": counted[name],
                **decided_row(decision, use),
                "_near": near or same,
                "_score": sure if same else None,
                "_hints": [name],
            }
        )
    suggest(rows, catalogue.names(None))
    return from_rows("match.terms", [finished(row) for row in rows])


def _terms_in_use(
    customers: pd.DataFrame, by_account: Mapping[str, Use]
) -> tuple[Counter[str], dict[str, tuple[int | None, Decimal | None]], dict[str, Use]]:
    """Return by name of the terms how many customers have them, the days until due, and their use."""
    counted: Counter[str] = Counter()
    days: dict[str, tuple[int | None, Decimal | None]] = {}
    used: dict[str, Use] = {}
    for customer in to_rows(customers[["account_number", "terms_value", "terms_units"]]):
        name = terms_name(customer)
        if name is not None:
            counted[name] += 1
            days[name] = _due_days(customer)
            use, more = used.setdefault(name, Use()), by_account.get(customer["account_number"], Use())
            use.lines, use.amount = use.lines + more.lines, use.amount + more.amount
            use.money = use.money or more.money
    return counted, days, used


def _due_days(customer: Row) -> tuple[int | None, Decimal | None]:
    """Return the days until due of a customer's terms, and how sure they are."""
    unit = (customer["terms_units"] or "").strip().casefold().removesuffix("s")
    value = customer["terms_value"]
    if value is None or unit not in _DAYS:
        return None, None
    days, sure = _DAYS[unit]
    return value * days, sure


def _same_days(days: int | None, catalogue: Catalogue) -> Row | None:
    """Return the active terms with as many days until due, those without a discount first."""
    found = [row for row in catalogue.rows if days is not None and row["std_due_days"] == days]
    active = [row for row in found if usable(row, None)]
    return min(active, key=lambda row: (bool(row["discount_pct"]), row["full_name"]), default=None)
