"""What a person posted in QuickBooks by hand: entered by its TxnID, checked, kept, and taken back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolkit.carried_credits import TABLE as USES
from toolkit.carried_credits import CreditUse
from toolkit.checks_context import Context
from toolkit.cutover_export import plan_export
from toolkit.errors import UsageError
from toolkit.posted import Check, check_posting
from toolkit.posted_uses import check_use, is_of_credit, uses_of
from toolkit.settings import Settings
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Posting", "enter_posting", "take_back_posting"]

EVERYTHING = {"customers": True, "invoices": True, "payments": True, "credits": True}
TABLES_OF = {
    "payment": "billing.payments",
    "adjustment": "billing.adjustments",
    "invoice": "billing.invoices",
    "use": USES,  # of a carried credit
}


@dataclass(frozen=True, slots=True)
class Posting:
    """A row that was posted by hand.

    Parameters
    ----------
    row : mapping
        ``source_table, source_key, amount, ...``.
    entries : tuple of str
        The source keys that it stands for: the gateway entries of one refund.
    txn_id : str
        Of the document in QuickBooks.
    changed : bool
        Whether anything is new.
    check : Check or None
        What the imported tables say of the document; ``None`` where the posting is taken back.
    """

    row: Mapping[str, Any]
    entries: tuple[str, ...]
    txn_id: str
    changed: bool
    check: Check | None


def enter_posting(
    ws: Workspace, key: str, txn_id: str, who: str, note: str | None = None, *, alone: bool = False
) -> Posting:
    """Keep that a row was posted in QuickBooks by hand: from then on it is not sent, and tied out.

    Parameters
    ----------
    ws : Workspace
        Where it is kept.
    key : str
        The row's own key, as ``toolkit table plan.post_by_hand`` shows it; ``payment:R-1`` where another
        table has the same.
    txn_id : str
        Of the document in QuickBooks.
    who, note : str
        The person, and why.
    alone : bool
        Whether this is the TxnID of one gateway entry, and not of all of its refund.

    Raises
    ------
    UsageError
        No such row is posted by hand, the TxnID is none or is another row's, entries of a refund have another
        TxnID together or would take back more than was paid, or the imported document has another customer
        or amount, or QuickBooks does not show that so much of a carried credit is applied. Nothing is kept.
    """
    if not re.fullmatch(r"[0-9A-Za-z]+-[0-9]+", txn_id):
        raise UsageError(
            f"{txn_id!r} is no TxnID: it looks like 1A2B-1234567890, as QuickBooks' reports show it"
        )
    tables = ws.tables()
    row, entries, now = _scheduled(ws, key)
    postings = to_rows(tables["ledger.postings"])
    if alone and len(entries) > 1:
        row, entries = _entry(tables, row, _named(key)[1])
    _refuse_overwriting(postings, row, entries, txn_id)
    context = Context(tables, ws.settings, customers=False) if row["source_table"] == USES else None
    uses = uses_of(context) if context else {}
    # One refund may come as entries of several days: each is entered with its document.
    others, entered = _other_entries(tables, row, entries), {one["source_key"]: one for one in postings}
    beside = {key: n for key, n in others.items() if entered.get(key, {}).get("txn_id") == txn_id}
    still = {key: n for key, n in others.items() if key not in entered}
    _require_unused(tables, postings, row, (*entries, *beside), txn_id, uses)
    if beside:
        amount = sum(beside.values(), row["amount"])
        _require_no_more(tables, (*entries, *beside), amount, txn_id)
    check = (
        check_use(context, tables, row["source_key"], txn_id, uses)
        if context
        else _checked(tables, ws.settings, row, beside, {} if alone else still, txn_id)
    )
    if check.problem:
        raise UsageError(f"{txn_id} is not what {key} says: {check.problem}; nothing was kept")
    with ws.lock():
        kept = [
            ws.ledger.post_by_hand(now[entry] | _posting(row, entry) | {"txn_id": txn_id, "note": note}, who)
            for entry in entries
        ]
    return Posting(row, entries, txn_id, any(kept), check)


def take_back_posting(ws: Workspace, key: str, who: str, note: str | None = None) -> Posting:
    """Take a posting back: the row is open again. What was entered stays in the history.

    Raises
    ------
    UsageError
        Nothing was entered for that row.
    """
    table, bare = _named(key)
    found = [
        row
        for row in to_rows(ws.read("ledger.postings"))
        if row["source_key"] == bare and table in (None, row["source_table"])
    ]
    if len({row["source_table"] for row in found}) > 1:
        raise UsageError(f"{key} is a row of several tables: say payment:{bare} or adjustment:{bare}")
    if not found:
        raise UsageError(f"no TxnID is entered for {key}: toolkit table ledger.postings lists what is")
    same = [found[0]]
    if found[0]["source_table"] != USES:  # a credit's uses are one by one, though they share its TxnID
        same = [row for row in to_rows(ws.read("ledger.postings")) if row["txn_id"] == found[0]["txn_id"]]
    with ws.lock():
        done = [ws.ledger.withdraw_posting({**row, "note": note}, who) for row in same]
    return Posting(found[0], tuple(row["source_key"] for row in same), found[0]["txn_id"], any(done), None)


def _require_unused(
    tables: Mapping[str, pd.DataFrame],
    postings: Sequence[Mapping[str, Any]],
    row: Mapping[str, Any],
    entries: tuple[str, ...],
    txn_id: str,
    uses: Mapping[str, CreditUse],
) -> None:
    """Raise where a TxnID is another row's; a carried credit is that of each of its uses."""
    if is_of_credit(uses.get(row["source_key"]), txn_id):
        return
    mine = {(row["source_table"], entry) for entry in entries}
    for other in postings:
        if other["txn_id"] == txn_id and (other["source_table"], other["source_key"]) not in mine:
            raise UsageError(f"{txn_id} is entered for {other['source_key']} already: one document, one row")
    bound = next((one for one in to_rows(tables["ledger.crosswalk"]) if one["quickbooks_id"] == txn_id), None)
    if bound is not None:
        raise UsageError(f"{txn_id} is {bound['record_kind']} {bound['key']}, which was not posted by hand")


def _other_entries(
    tables: Mapping[str, pd.DataFrame], row: Mapping[str, Any], entries: tuple[str, ...]
) -> dict[str, Decimal]:
    """Return the other gateway entries that take back the same payment, with their amounts."""
    if row["source_table"] != "billing.payments":
        return {}
    payments = to_rows(tables["billing.payments"])
    number = {each["payment_number"]: each["reverses_payment_number"] for each in payments}.get(entries[0])
    return {
        each["payment_number"]: each["amount"]
        for each in payments
        if number and each["reverses_payment_number"] == number and each["payment_number"] not in entries
    }


def _require_no_more(
    tables: Mapping[str, pd.DataFrame], entries: tuple[str, ...], amount: Decimal, txn_id: str
) -> None:
    """Raise where entries of one document take back more than was paid: a cheque is not imported to tell."""
    payments = {each["payment_number"]: each for each in to_rows(tables["billing.payments"])}
    number = payments[entries[0]]["reverses_payment_number"]
    paid = payments.get(number, {}).get("amount")
    if paid is not None and abs(amount) > paid:
        raise UsageError(
            f"as {txn_id}, {' and '.join(entries)} would be {abs(amount)} together, and {number}, which they "
            f"take back, was {paid}; nothing was kept"
        )


def _checked(
    tables: Mapping[str, pd.DataFrame],
    settings: Settings,
    row: Mapping[str, Any],
    beside: Mapping[str, Decimal],
    still: Mapping[str, Decimal],
    txn_id: str,
) -> Check:
    """Compare a document with a row and the entries that share it, or with those still to be entered too."""
    amount = sum(beside.values(), row["amount"])
    check = check_posting(tables, settings, {**row, "amount": amount}, txn_id)
    if check.problem and still:
        whole = {**row, "amount": sum(still.values(), amount)}
        with_all = check_posting(tables, settings, whole, txn_id)
        return check if with_all.problem else with_all
    return check


def _entry(
    tables: Mapping[str, pd.DataFrame], row: Mapping[str, Any], number: str
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return one gateway entry of a refund as a row that is posted by itself."""
    payments = tables["billing.payments"]
    [entry] = to_rows(payments[payments["payment_number"] == number])
    return {**row, "source_key": number, "amount": entry["amount"]}, (number,)


def _refuse_overwriting(
    postings: Sequence[Mapping[str, Any]], row: Mapping[str, Any], entries: tuple[str, ...], txn_id: str
) -> None:
    """Raise where several entries of a refund have another TxnID: whose it is nobody said."""
    theirs = {one["txn_id"] for one in postings if _is_of(one, row, entries)} - {txn_id}
    if theirs and len(entries) > 1:
        raise UsageError(
            f"{' and '.join(entries)} are entered as {' and '.join(sorted(theirs))}: toolkit posted"
            f" {entries[0]} --undo takes it back; --alone enters {txn_id} for one of them"
        )


def _is_of(posting: Mapping[str, Any], row: Mapping[str, Any], entries: tuple[str, ...]) -> bool:
    return posting["source_table"] == row["source_table"] and posting["source_key"] in entries


def _posting(row: Mapping[str, Any], entry: str) -> dict[str, Any]:
    return {"source_table": row["source_table"], "source_key": entry}


def _named(key: str) -> tuple[str | None, str]:
    kind, colon, rest = key.partition(":")
    return (TABLES_OF[kind], rest) if colon and kind in TABLES_OF else (None, key)


def _scheduled(
    ws: Workspace, key: str
) -> tuple[Mapping[str, Any], tuple[str, ...], dict[str, dict[str, Any]]]:
    """Return the row that is posted by hand, or blocked, the keys it stands for, and what these say."""
    table, bare = _named(key)
    plan = plan_export(ws, new=True, qbxml=False, **EVERYTHING)
    listed = [(row, tuple(row["entries"] or (row["source_key"],))) for row in to_rows(plan.post_by_hand)]
    on_schedule = {(row["source_table"], entry) for row, entries in listed for entry in entries}
    blocked = plan.left_out["rule"].isin(["blocked", "depends_on_blocked"])
    listed += [
        (row, (row["source_key"],))
        for row in to_rows(plan.left_out[blocked])
        if row["source_table"] in TABLES_OF.values()
        and (row["source_table"], row["source_key"]) not in on_schedule
    ]
    found = [
        (row, entries) for row, entries in listed if bare in entries and table in (None, row["source_table"])
    ]
    if len(found) > 1:
        raise UsageError(f"{key} is a row of several tables: say payment:{bare} or adjustment:{bare}")
    if not found:
        raise UsageError(
            f"{key} is not posted by hand: toolkit table plan.post_by_hand lists what is, and plan.left_out"
            " what is blocked"
        )
    row, entries = found[0]
    now = {
        one["source_key"]: {"account_number": one["account_number"], "date": one["txn_date"]}
        | {"amount": one["amount"]}
        for one in to_rows(plan.left_out)
        if one["source_table"] == row["source_table"] and one["source_key"] in entries
    }
    return row, entries, now
