"""Rules on corrections: a row is not sent as it was corrected for another, nor by another system's date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft, Row
from toolkit.checks_registry import Problem, rule
from toolkit.corrections import CORRECTABLE, CORRECTIONS, columns_to_correct, row_key, value_text
from toolkit.corrections_barred import other_side
from toolkit.corrections_sent import READ_LATER, records

EVERY = "customer invoice credit payment credit_use"
DOCUMENTS = "invoice credit payment credit_use"

Place = tuple[str, str]
Made = tuple[Row, Row]
"""A correction, and its row as it counts."""

_MADE: WeakKeyDictionary[Context, dict[Place, list[Made]]] = WeakKeyDictionary()


@rule(
    "correction_void",
    "error",
    "A row of which a correction does not count any more waits until a person looked at it again.",
    on=EVERY,
)
def _correction_void(context: Context, draft: Draft) -> Iterator[Problem]:
    for made, row in _corrections(context, draft):
        column = {each.name: each for each in columns_to_correct(made["table"])}.get(made["column"])
        now = value_text(column, row[column.name]) if column else None
        if column is None or now != made["value"]:
            yield _problem(
                made,
                row,
                f"the correction to {made['value'] or 'empty'!r} does not count: BluBilling has changed the "
                "row, or decides by it what the row is",
                "correct it again, or take the correction back",
            )


@rule(
    "correction_side",
    "error",
    "No correction of a date carries a document across the cutover: it would be in both books or in neither.",
    on=DOCUMENTS,
)
def _correction_side(context: Context, draft: Draft) -> Iterator[Problem]:
    for made, row in _corrections(context, draft):
        if why := other_side(made, context.cutover):
            yield _problem(made, row, f"it was dated {made['old_value']}: {why}", "take the correction back")


def _problem(made: Row, row: Row, message: str, suggestion: str) -> Problem:
    return Problem(
        message,
        made["column"],
        made["value"] or "(empty)",
        suggestion,
        table=made["table"],
        key=made["key"],
        source=row.get("source"),
    )


def _corrections(context: Context, draft: Draft) -> Iterator[Made]:
    """Yield the corrections that stand on a row and its lines, and those that it reads of its customer."""
    if context not in _MADE:
        _MADE[context] = _by_record(context)
    made = _MADE[context]
    yield from made.get((draft.table, draft.source_key), ())
    if draft.table != CORRECTABLE[0]:
        yield from (one for one in made.get((CORRECTABLE[0], draft.account or ""), ()) if _is_read(one[0]))


def _is_read(made: Row) -> bool:
    return (made["table"], made["column"]) in READ_LATER


def _by_record(context: Context) -> dict[Place, list[Made]]:
    """Return the corrections whose row is there, by its own place and by that of its record."""
    wanted: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for made in context.rows(CORRECTIONS):
        if made["table"] in CORRECTABLE:
            wanted[made["table"]][made["key"]].append(made)
    found: dict[Place, list[Made]] = defaultdict(list)
    for table, by_key in wanted.items():
        for row in context.rows(table):
            key = row_key(table, row)
            for one in by_key.get(key, ()):
                for place in {(table, key), *records(table, key)}:
                    found[place].append((one, row))
    return found
