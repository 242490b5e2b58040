"""Operations as they are read: how one stands each time, what it says only once.

An operation is read four times on its way: to be checked, to be judged, to be sent, to be answered. What it
is and what it says never changes, and is by far the longest part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Integer, ScalarSelect, bindparam, func, select

from toolkit.ledger_moves import is_sendable
from toolkit.ledger_records import Operation
from toolkit.ledger_schema import message_sets, operation_texts, operations, set_members, word
from toolkit.ledger_statements import Handle, Statement
from toolkit.ledger_store import Store, from_json

_REMEMBERED = 2_000
"""Operations: those of the sets that are on their way, several times over."""
_AT_ONCE = 500  # in one statement


class Reading(Store):
    """Reads operations."""

    def _read(self, handle: Handle, chosen: Statement, **given: Any) -> list[Operation]:
        """Return operations; ``chosen`` is :data:`STANDING`, narrowed down."""
        rows = chosen.rows(handle, **given)
        known = handle.remembered  # of the file that it has open: another may take its place
        missing = [row.id for row in rows if row.id not in known]
        if missing:
            if len(known) + len(missing) > _REMEMBERED:
                known = {row.id: known[row.id] for row in rows if row.id in known}
            known = handle.remembered = {**known, **_texts(handle, missing)}
        return [known[row.id].standing(row) for row in rows]


class _Known:
    """What an operation is, and how it stood last."""

    __slots__ = ("_fixed", "_last")

    def __init__(self, fixed: tuple[Any, ...]) -> None:
        self._fixed = fixed
        self._last: tuple[Any, Operation] | None = None

    def standing(self, row: Any) -> Operation:
        """Return the operation as a row of :data:`STANDING` has it."""
        last = self._last
        if last is None or last[0] != row:
            self._last = last = row, Operation(*_in_order(self._fixed + row))
        return last[1]


def _texts(handle: Handle, ids: Sequence[int]) -> dict[int, _Known]:
    found = {}
    for start in range(0, len(ids), _AT_ONCE):
        for row in _FIXED.rows(handle, ids=list(ids[start : start + _AT_ONCE])):
            values = row._asdict()
            values["fields"] = from_json(row.fields)
            values["expected"] = from_json(row.expected) or {}
            values["depends_on"] = tuple(from_json(row.depends_on))
            number = values.pop("own_id")
            found[number] = _Known(tuple(values.values()))
    return found


def _attempts() -> ScalarSelect[Any]:
    """Return how many sets that write an operation was in."""
    wrote = (
        select(func.count())
        .select_from(set_members)
        .join(message_sets, message_sets.c.id == set_members.c.message_set)
        .where(set_members.c.operation == operations.c.id, message_sets.c.kind == word("write"))
    )
    return wrote.correlate(operations).scalar_subquery()


_FIELDS = tuple(Operation.__dataclass_fields__)
_CHANGE = ("status", "status_code", "status_message", "list_id", "txn_id", "edit_sequence")
_STAY = tuple(name for name in _FIELDS if name not in (*_CHANGE, "attempts"))
_in_order = itemgetter(*((*_STAY, "id", *_CHANGE, "attempts").index(name) for name in _FIELDS))
STANDING = select(operations.c.id, *(operations.c[name] for name in _CHANGE), _attempts().label("attempts"))
"""Selects how operations stand."""
_columns = {**operations.c, "fields": operation_texts.c.fields, "expected": operation_texts.c.expected}
_FIXED = Statement(
    select(operations.c.id.label("own_id"), *(_columns[name] for name in _STAY))
    .join(operation_texts, operation_texts.c.operation == operations.c.id)
    .where(operations.c.id.in_(bindparam("ids", expanding=True)))
)
OF_KEYS = Statement(
    STANDING.where(operations.c.current, operations.c.key.in_(bindparam("keys", expanding=True)))
)
"""Selects the newest attempts at the keys that are given with it."""
OF_SET = Statement(
    STANDING.join(set_members, set_members.c.operation == operations.c.id)
    .where(set_members.c.message_set == bindparam("number"))
    .order_by(set_members.c.position)
)
"""Selects the members of a message set, in its order."""
_sendable = STANDING.where(is_sendable()).order_by(operations.c.job, operations.c.position)
_sendable = _sendable.limit(bindparam("most", type_=Integer))
SENDABLE = Statement(_sendable)
SENDABLE_OF_JOB = Statement(_sendable.where(operations.c.job == bindparam("job", type_=Integer)))
