"""What is asked about message sets, and told: statements that are worked out once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, exists, insert, select, update

from toolkit.ledger_moves import SETTLED as _SETTLED_SETS
from toolkit.ledger_moves import is_sendable
from toolkit.ledger_records import REFUSED
from toolkit.ledger_schema import (
    crosswalk,
    message_sets,
    operations,
    sessions,
    set_members,
    set_texts,
    word,
)
from toolkit.ledger_statements import Statement

SESSION = Statement(select(sessions.c.id).where(sessions.c.ticket == bindparam("ticket")))
SET = Statement(select(message_sets).where(message_sets.c.id == bindparam("number")))
WITH_TEXT = select(message_sets, set_texts.c.text).join(
    set_texts, set_texts.c.message_set == message_sets.c.id
)
"""Selects whole message sets."""
WHOLE_SET = Statement(WITH_TEXT.where(message_sets.c.id == bindparam("number")))
_is_open = message_sets.c.answered_at.is_(None) & message_sets.c.abandoned_at.is_(None)
OPEN = Statement(select(message_sets.c.id, message_sets.c.kind, message_sets.c.set_id).where(_is_open))
UNANSWERED = Statement(WITH_TEXT.where(_is_open).order_by(message_sets.c.id.desc()).limit(1))
NEW_SET = Statement(insert(message_sets))
NEW_TEXT = Statement(insert(set_texts))
NEW_MEMBER = Statement(insert(set_members))
ANSWERED = Statement(update(message_sets).where(message_sets.c.id == bindparam("this_set")))
_in_set = set_members.c.message_set == bindparam("number")
MEMBERS = Statement(
    select(
        *(operations.c[name] for name in ("id", "key", "job", "status", "status_code", "status_message")),
        operations.c.record_kind,
    )
    .join(set_members, set_members.c.operation == operations.c.id)
    .where(_in_set)
    .order_by(set_members.c.position)
)
IN_SET = Statement(
    select(operations.c.key, set_members.c.query)
    .select_from(set_members)
    .outerjoin(operations, operations.c.id == set_members.c.operation)
    .where(_in_set)
    .order_by(set_members.c.position)
)
_keys = operations.c.key.in_(bindparam("keys", expanding=True))
TO_SEND = Statement(
    select(
        *(operations.c[name] for name in ("id", "key", "job", "status")), is_sendable().label("may_go")
    ).where(operations.c.current, _keys)
)
BOUND = Statement(
    select(crosswalk.c.quickbooks_id, crosswalk.c.record_kind, crosswalk.c.key).where(
        crosswalk.c.quickbooks_id.in_(bindparam("ids", expanding=True))
    )
)
# One that QuickBooks had locked when it was sent is sent in a later session, and checked again there.
CHECKED = Statement(
    select(operations.c.key)
    .join(set_members, set_members.c.operation == operations.c.id)
    .join(message_sets, message_sets.c.id == set_members.c.message_set)
    .where(
        operations.c.current,
        _keys,
        message_sets.c.session == bindparam("session"),
        message_sets.c.kind == word("check"),
    )
    .where(message_sets.c.answered_at.is_not(None), ~message_sets.c.set_status.is_not_distinct_from(REFUSED))
)


def _uncleared() -> Any:
    # An id of which QuickBooks could not say what became of it stays: a text under it that some Web
    # Connector still holds would run anew once its state is gone.
    def fine(table: Any) -> Any:
        return table.c.answered_at.is_not(None) & (
            table.c.set_status.is_(None) | (table.c.set_status == word("0"))
        )

    later = message_sets.alias("later")
    cleared = exists().where(later.c.clears == message_sets.c.set_id, fine(later))
    kept = select(message_sets.c.id, message_sets.c.set_id).where(
        message_sets.c.id > bindparam("after"), fine(message_sets)
    )
    return kept.where(message_sets.c.set_id.is_not(None), ~cleared).order_by(message_sets.c.id).limit(1)


UNCLEARED = Statement(_uncleared())
SETTLED = Statement(_SETTLED_SETS)
