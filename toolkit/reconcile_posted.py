"""The tie-out of what was posted by hand: each posting against BluBilling's row and QuickBooks' document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pandas as pd

from toolkit.carried_credits import TABLE as USES
from toolkit.checks_context import Context
from toolkit.posted import check_posting
from toolkit.posted_uses import check_use, uses_of
from toolkit.receivables import ZERO
from toolkit.reconcile_records import Row, difference
from toolkit.reconcile_source import CREDITS, Source
from toolkit.settings import Settings
from toolkit.tables import TABLES
from toolkit.transform_schedule import OVERTAKEN
from toolkit.transform_schedule import POSTED_BY_HAND as POSTED

__all__ = ["gone_postings", "with_postings"]

_KINDS = {"billing.invoices": "invoice", "billing.adjustments": "credit_memo", USES: CREDITS}


def with_postings(
    sources: Sequence[Source], context: Context, tables: Mapping[str, pd.DataFrame], settings: Settings
) -> list[Source]:
    """Judge the rows that were posted by hand by the document that QuickBooks has, where it was imported.

    Entries of one refund are one document there, so that their sum counts. A row that stays behind for any
    other reason, for it changed since or was cancelled, is not explained by that: its document stands.
    """
    posted = context.postings
    if not posted:
        return list(sources)
    uses = uses_of(context) if any(table == USES for table, _ in posted) else {}
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for source in sources:
        one = posted.get((source.table, source.row["source_key"]))
        # Of a use no document has the amount.
        if one and source.table != USES and source.rule in (POSTED, OVERTAKEN):
            sums[one["txn_id"]] += source.amount or ZERO
    judged = []
    for source in sources:
        one = posted.get((source.table, source.row["source_key"]))
        if one and not source.queued:
            if source.table == USES:
                check = check_use(context, tables, source.row["source_key"], one["txn_id"], uses)
            else:
                meant = {"account_number": source.row["account_number"], "amount": sums[one["txn_id"]]}
                check = check_posting(tables, settings, meant, one["txn_id"])
            source = _judged(source, one["txn_id"], check.problem)
        judged.append(source)
    return judged


def _judged(source: Source, txn_id: str, problem: str | None) -> Source:
    """Return a row that was posted by hand with what is wrong with its document."""
    if source.rule == POSTED:
        return (
            replace(source, explained=False, reason=f"{source.reason}, but {problem}") if problem else source
        )
    if source.rule == OVERTAKEN:
        told = problem or f"enter it again: toolkit posted {source.row['source_key']} --txn-id {txn_id}"
    else:
        told = f"it was posted by hand as {txn_id}: {_cure(source.row['source_key'])}"
    return replace(source, explained=False, reason=f"{source.reason}; {told}")


def _cure(key: str) -> str:
    return f"void it there, then toolkit posted {key} --undo"


def gone_postings(context: Context) -> Iterator[Row]:
    """Yield a difference for each posting of a row that BluBilling no longer has, whatever was exported."""
    known = {table: _keys(context, table) for table in sorted({table for table, _ in context.postings})}
    for (table, key), one in context.postings.items():
        if key not in known[table]:
            amount = one["amount"]
            kind = _KINDS.get(table, "payment")
            if kind == "invoice" and (amount or ZERO) < 0:
                kind, amount = "credit_memo", -amount
            shown = {"source_key": key, "account_number": one["account_number"], "txn_date": one["date"]}
            why = f"BluBilling no longer has it, and it was posted by hand as {one['txn_id']}: {_cure(key)}"
            shown["currency"] = context.home_currency
            yield difference(kind, shown, None, amount, False, why)


def _keys(context: Context, table: str) -> set[str]:
    if table == USES:
        return set(uses_of(context))
    (name,) = TABLES[table].key
    return {row[name] for row in context.rows(table, name)}
