"""The crosswalk inside a transaction: our key of one record, and the QuickBooks record it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from toolkit.errors import LedgerError
from toolkit.ledger_schema import crosswalk

_KEY = ("record_kind", "key", "quickbooks_id")


def bind_rows(connection: Connection, rows: Iterable[Mapping[str, Any]], now: dt.datetime) -> int:
    """Bind records; return how many bindings are new or changed.

    A record that is bound already takes the new values given. What came from QuickBooks stays so: a carried
    document never turns into one of ours.
    """
    changed = 0
    for row in rows:
        unknown = row.keys() - set(crosswalk.c.keys())
        missing = [name for name in _KEY if not row.get(name)]
        if unknown or missing:
            problem = f"no column {sorted(unknown)[0]}" if unknown else f"no {missing[0]}"
            raise LedgerError(f"the crosswalk cannot keep {row.get('key')!r}: {problem}")
        given = {name: value for name, value in row.items() if value is not None and name != "bound_at"}
        given.setdefault("origin", "billing")
        same = [crosswalk.c[name] == row[name] for name in _KEY]
        before = connection.execute(select(crosswalk).where(*same)).mappings().first()
        if before is None:
            connection.execute(insert(crosswalk).values(**given, bound_at=now))
            changed += 1
            continue
        if before["origin"] == "quickbooks":
            given["origin"] = "quickbooks"
        news = {name: value for name, value in given.items() if before[name] != value}
        if news:
            connection.execute(update(crosswalk).where(*same).values(**news))
            changed += 1
    return changed
