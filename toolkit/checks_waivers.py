"""Waivers: what a person let through, with who and why; it stays in the findings, and is in nobody's way.

A waiver sticks to a finding's id, a hash of table, key, column, value and rule: where the value changes, the
waiver lapses. It was given for a row as it was, too: with it stands what that row said, and where the row
says something else, the waiver does not count, and a finding tells so. A rule that is not waivable asks
nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.checks_drafts import Document, Draft, Row
from toolkit.checks_registry import RULES, Problem, Rule, as_finding
from toolkit.corrections import row_key
from toolkit.source_places import CHILDREN
from toolkit.tables import TABLES, finding

Finding = dict[str, str | None]

_TOLD = {
    "billing.customers": ("name", "company_name", "email"),
    "billing.invoices": ("account_number", "invoice_date", "current_amount_due"),
    "billing.payments": ("account_number", "effective_date", "amount"),
    "billing.adjustments": ("account_number", "effective_date", "amount"),
    "billing.invoice_lines": ("price_code", "amount"),
    "billing.payment_applications": ("invoice_number", "amount_applied"),
}
"""What a row is to a person who waives something on it."""

_ALSO = {
    "billing.customers": ("first_name", "last_name", "parent_account_number", "currency"),
    "billing.invoices": ("currency", "due_date", "invoice_kind", "delegated_to_invoice"),
    "billing.payments": ("currency", "payment_type", "method", "reverses_payment_number"),
    "billing.adjustments": ("kind", "invoice_number"),
    "billing.invoice_lines": ("contract_code", "line_type", "tax_name", "unit_price", "quantity"),
}
"""What else a waiver was given for. What changes by itself, such as a balance or Paid, is no part of it."""


def given_for(books: Books, table: str | None, key: str | None) -> str:
    """Return what a row and its lines say, for people, and a hash of all of it that a waiver is given for.

    Parameters
    ----------
    books : Books
        With the tables, corrected as the gate sees them.
    table, key : str
        As a finding has them. What is no row of BluBilling's, such as a setting, is what it is called.
    """
    if table not in _TOLD or key is None:
        return f"{table} {key}"
    rows = _grouped(books, table, whole=True).get(key, [])
    below = CHILDREN.get(table)
    said = [*(_said(table, row) for row in rows)]
    if below:
        said += sorted(_said(below, row) for row in _grouped(books, below, whole=False).get(key, ()))
    told = "; ".join(", ".join(str(row[name]) for name in _TOLD[table] if row[name]) for row in rows)
    return f"{told} #{hashlib.sha256(chr(30).join(said).encode()).hexdigest()[:16]}"


_GROUPED: WeakKeyDictionary[Books, dict[tuple[str, bool], dict[str, list[Row]]]] = WeakKeyDictionary()


def _grouped(books: Books, table: str, *, whole: bool) -> Mapping[str, list[Row]]:
    """Return the rows of a table by their key, as findings have it, or by its first part: their record's.

    Made once: where thousands were waived together, each would search all rows.
    """
    known = _GROUPED.setdefault(books, {})
    if (table, whole) not in known:
        first, *others = TABLES[table].key
        groups = known[table, whole] = {}
        columns = dict.fromkeys((*TABLES[table].key, *_TOLD[table], *_ALSO.get(table, ())))
        for row in books.rows(table, *columns):
            key = row_key(table, row) if whole and others else row[first]
            groups.setdefault(key, []).append(row)
    return known[table, whole]


def _said(table: str, row: Row) -> str:
    return chr(31).join(str(row[name]) for name in (*_TOLD[table], *_ALSO.get(table, ())))


def stands(context: Context, row: Finding) -> bool:
    """Return whether a finding is waived, for the row as it is now."""
    waiver = context.waivers.get(row["finding_id"] or "")
    return waiver is not None and waiver.get("given_for") == given_for(context, row["table"], row["key"])


def is_waived(context: Context, found: Rule, problem: Problem, draft: Draft) -> bool:
    """Return whether a person let the row through in spite of one problem."""
    if not found.waivable or not context.waivers:
        return False
    return stands(context, as_finding(found, problem, draft))


def judged(context: Context, found: Iterable[tuple[Rule, Problem]], draft: Draft) -> list[Finding]:
    """Return problems on one draft as findings, those that were waived as ``info``.

    The source of what is wrong with a line is the line's own, though the finding is on the document.
    """
    rows = [as_finding(rule, problem, draft, _source(context, problem, draft)) for rule, problem in found]
    return apply(context, rows)


def _source(context: Context, problem: Problem, draft: Draft) -> str | None:
    """Return where the line stands that a problem is about, by its column and value; or the row itself."""
    below = CHILDREN.get(draft.table)
    if problem.source or below is None or problem.column in (None, *TABLES[draft.table].names):
        return problem.source or draft.source
    for row, others in _lines(context, draft):
        place = "/".join(str(row[name]) for name in TABLES[below].key[1:])
        own = row.get(problem.column or "")
        told = (own, *others, f"{row.get('contract_code')} / {own}")
        if own is not None and (problem.value in told or str(problem.value).startswith(f"{place}:")):
            source: str | None = row["source"]
            return source
    return draft.source


def _lines(context: Context, draft: Draft) -> Iterator[tuple[Row, tuple[str | None, ...]]]:
    """Yield the lines of a document, each with what else it may be called by."""
    if isinstance(draft, Document):
        yield from ((line.row, (line.item_name,)) for line in draft.lines)
    else:
        yield from ((row, ()) for row in context.applied.get(draft.source_key, []))


def apply(context: Context, rows: list[Finding]) -> list[Finding]:
    """Return findings with those that a person waived as ``info``, with who, when and why in front.

    Parameters
    ----------
    context : Context
        With the waivers that stand.
    rows : list of dict
        Findings of the gate; one whose rule has no waiver is left as it is.
    """
    if not context.waivers:
        return rows
    return [each for row in rows for each in _waived(context, row)]


def _waived(context: Context, row: Finding) -> Iterator[Finding]:
    """Yield a finding as it counts, and what is to be said of a waiver that no longer does."""
    rule, waiver = RULES.get(row["rule"] or ""), context.waivers.get(row["finding_id"] or "")
    if waiver is None or rule is None or not rule.waivable:
        yield row
        return
    said = f"waived by {waiver['waived_by']} on {waiver['waived_at']:%Y-%m-%d} ({waiver['note']})"
    if stands(context, row):
        yield {**row, "severity": "info", "message": f"{said}: {row['message']}"}
        return
    yield row
    then, now = waiver.get("given_for"), given_for(context, row["table"], row["key"])
    yield finding(
        "warning",
        "waiver_overtaken",
        f"{rule.name} was {said}, {_overtaken(then, now)}: the waiver does not count",
        table=row["table"],
        key=row["key"],
        column=row["column"],
        value=row["value"],
        suggestion=f'look at it; toolkit waive {row["finding_id"]} --note "why" lets it through as it is now',
        source=row["source"],
    )


def _overtaken(then: str | None, now: str) -> str:
    if then is None:
        return "and it was not kept for which row"
    before, after = (text.rpartition(" #")[0] for text in (then, now))
    if before == after:
        return f"and of {after} the lines or other columns changed since"
    return f"for {before}, and it is {after or 'gone'} now"
