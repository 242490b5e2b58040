"""BluBilling's own rows of carried credits: which are one, and which only name one.

A carried credit is known by its key in the crosswalk or by its TxnID, wherever in a text they stand. A row
is a credit of QuickBooks only where it names one and no other, in a column that names documents, and where
customer and amount agree. What names one otherwise may be a document of its own: a person decides.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from toolkit.carried_names import CREDIT_COLUMNS, CREDIT_KINDS, Names, Told
from toolkit.checks_context import Context, debit_key
from toolkit.checks_drafts import ZERO, Row
from toolkit.checks_waivers import stands
from toolkit.tables import finding

__all__ = ["UNCLEAR", "Naming", "bound_credits", "credit_document", "named_credits", "use_key"]

UNCLEAR = "carried_credit_unclear"
"""The rule of a row of which a person has to say what it is; a waiver says that it is none of QuickBooks'."""

_DOCUMENTS = {
    "credit_memo": ("quickbooks.credit_memos", "credit_remaining"),
    "payment": ("quickbooks.payments", "unused_payment"),
}
_HELD = ("Draft", "Error", "Cancelled", "CarriedOver")


@dataclass(frozen=True, slots=True)
class Naming:
    """One row of BluBilling that names a carried credit.

    Parameters
    ----------
    table, number : str
        Of the row.
    row : mapping
        The row.
    credit : mapping
        The credit, or the first of them: a row of the crosswalk.
    column, value : str
        Where it is named.
    problem : str or None
        Why nobody can tell whether it is the credit; ``None`` where it is.
    """

    table: str
    number: str
    row: Row
    credit: Row
    column: str
    value: str
    problem: str | None = None

    @property
    def by_number(self) -> bool:
        """Whether it has the credit's name as its own number, so that it cannot be a document of its own."""
        return self.column == CREDIT_COLUMNS[self.table][0]

    @property
    def status(self) -> str:
        """``Paid`` where it counts in BluBilling, else its status."""
        status = self.row["status"]
        if self.table == "billing.payments":
            return str(status)
        return str(status) if status in _HELD else "Paid"


def use_key(row: Row) -> str:
    """Return the key of one application: credit, invoice, and its place among those of the two."""
    return f"payment:{row['payment_number']}/{row['invoice_number']}/{row['seq']}"


def bound_credits(context: Context) -> dict[str, Row]:
    """Return the carried credits by their key: rows of the crosswalk."""
    return {
        key: row
        for (kind, key), row in context.crosswalk.items()
        if kind in CREDIT_KINDS and row["origin"] == "quickbooks"
    }


_FOUND: WeakKeyDictionary[Context, dict[str, Row]] = WeakKeyDictionary()


def credit_document(context: Context, credit: Row) -> Row | None:
    """Return QuickBooks' own credit: customer, A/R account, ``remaining``; ``None`` where it is gone."""
    if context not in _FOUND:
        names = ("txn_id", "customer_list_id", "ar_account_list_id", "ar_account_full_name", "imported_at")
        _FOUND[context] = {
            row["txn_id"]: {**row, "remaining": row[left] or ZERO}
            for table, left in _DOCUMENTS.values()
            for row in context.rows(table, *names, left)
        }
    return _FOUND[context].get(credit["quickbooks_id"])


# --- the rows that name one ---------------------------------------------------------------------------------

_NAMED: WeakKeyDictionary[Context, dict[tuple[str, str], Naming]] = WeakKeyDictionary()


def named_credits(context: Context) -> dict[tuple[str, str], Naming]:
    """Return the rows that name a carried credit, by table and number; what was sent as it is apart."""
    if context not in _NAMED:
        bound = bound_credits(context)
        found: dict[tuple[str, str], Naming] = {}
        if bound:
            names, gone = Names(bound), _gone_by_themselves(context)
            for table, (number, naming, telling) in CREDIT_COLUMNS.items():
                for row in context.rows(table):
                    told = names.told(row, (number, *naming, *telling))
                    if told and (table, row[number]) not in gone:
                        found[table, row[number]] = _judged(context, table, row, told)
        _NAMED[context] = _each_once(context, found)
    return _NAMED[context]


def _gone_by_themselves(context: Context) -> set[tuple[str, str]]:
    """Return the rows that went to QuickBooks as documents of their own, or are on their way: they are none.

    What applies a carried credit is a payment of nothing, and no document of its own.
    """
    sent = [
        (f"{kind}:{key}", row)
        for (kind, key), row in context.crosswalk.items()
        if row["origin"] == "billing" and kind in ("credit_memo", "invoice", "payment")
    ]
    gone = set()
    for key, row in [*sent, *context.in_flight.items()]:
        kind, _, number = key.partition(":")
        amount = row["amount"] if row.get("amount") is not None else context.queued.get(key, {}).get("amount")
        if kind == "payment" and amount != 0:
            starts = {number, *(number[: m.start()] for m in re.finditer("/", number))}
            gone |= {(table, start) for table in CREDIT_COLUMNS for start in starts}
        elif kind == "credit_memo":
            gone.add(("billing.adjustments", number))
        elif key.startswith(debit_key("")):
            gone.add(("billing.adjustments", key.removeprefix(debit_key(""))))
    return gone


# --- what each of them is -----------------------------------------------------------------------------------


def _judged(context: Context, table: str, row: Row, told: Told) -> Naming:
    number, naming, _ = CREDIT_COLUMNS[table]
    # By its own number before all, then to the letter.
    order = (number, *naming)
    column, credit, _ = min(told, key=lambda each: (each[0] not in order, not each[2], each[0] != number))
    one = Naming(table, row[number], row, credit, column, row[column])
    names = {each["quickbooks_id"]: each["key"] for _, each, _ in told}
    if len(names) > 1:
        problem: str | None = f"it names {' and '.join(names.values())}, carried forward from QuickBooks"
    elif own := _said_own(context, one):
        problem = f"it names {credit['key']}, and {own}"
    elif _is_used(context, one):
        problem = None
    elif not any(exact for where, _, exact in told if where in order):
        said = "only speaks of" if any(exact for _, _, exact in told) else "has something much like"
        problem = f"its {column} {said} {credit['key']}, carried forward from QuickBooks"
    else:
        problem = _unlike(context, one)
    return replace(one, problem=problem)


def _unlike(context: Context, one: Naming) -> str | None:
    """Return what of a row is not the credit's, or ``None``."""
    credit, there = one.credit, credit_document(context, one.credit) or {}
    target = context.target(one.row["account_number"] or "")
    if target.list_id not in _known(credit["customer_list_id"], there.get("customer_list_id")):
        return f"it names {credit['key']}, a credit of another customer in QuickBooks"
    amounts = _known(credit["amount"], there.get("remaining"))
    if one.row["amount"] not in amounts:
        shown = " or ".join(str(amount) for amount in amounts)
        return f"it names {credit['key']} and is of {one.row['amount']}, the credit of {shown}"
    if one.number in context.payments and one.number in _adjustments(context):
        return f"it names {credit['key']}, and an adjustment and a payment have the number {one.number}"
    return None


def _known(*values: object) -> list[object]:
    return [value for value in dict.fromkeys(values) if value is not None]


_ADJUSTMENTS: WeakKeyDictionary[Context, set[str]] = WeakKeyDictionary()


def _adjustments(context: Context) -> set[str]:
    if context not in _ADJUSTMENTS:
        rows = context.rows("billing.adjustments", "adjustment_id")
        _ADJUSTMENTS[context] = {row["adjustment_id"] for row in rows}
    return _ADJUSTMENTS[context]


def _said_own(context: Context, one: Naming) -> str | None:
    """Return that a person said that it is a document of its own, of the row as it is or as it was.

    Said of it as it was, that lets nothing go; but it is not plainly the credit either, and goes nowhere.
    """
    if one.by_number or not context.waivers:
        return None
    said = finding(
        "error",
        "carried_credit_unclear",
        "",
        table=one.table,
        key=one.number,
        column=one.column,
        value=one.value,
    )
    if stands(context, said):
        return "is a document of its own"
    if said["finding_id"] not in context.waivers:
        return None
    undo = f"toolkit waive {said['finding_id']} --undo takes that back"
    return f"a person said that it is a document of its own, when it said something else ({undo})"


def _is_used(context: Context, one: Naming) -> bool:
    """Return whether something of it went to QuickBooks as a use of the credit."""
    by_itself = {"payment_number": one.number, "invoice_number": one.row.get("invoice_number"), "seq": 1}
    keys = (use_key(row) for row in [*context.applied.get(one.number, []), by_itself])
    return any(context.has_part(key) or key in context.in_flight for key in keys)


def _each_once(context: Context, found: dict[tuple[str, str], Naming]) -> dict[tuple[str, str], Naming]:
    """Return the rows with those in doubt that are all the same credit: it is one of them at most."""
    copies: dict[str, list[Naming]] = defaultdict(list)
    for one in found.values():
        if one.problem is None and one.status == "Paid":
            copies[one.credit["quickbooks_id"]].append(one)
    for same in copies.values():
        listed = " and ".join(one.number for one in same)
        for one in same if len(same) > 1 else ():
            if not _is_used(context, one):
                problem = (
                    f"{listed} name {one.credit['key']}, carried forward from QuickBooks: it is one of them"
                )
                found[one.table, one.number] = replace(one, problem=problem)
    return found
