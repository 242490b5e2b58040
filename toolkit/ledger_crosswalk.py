"""The crosswalk inside a transaction: our key of one record, and the QuickBooks record it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from toolkit.errors import LedgerError
from toolkit.ledger_schema import crosswalk
from toolkit.ledger_statements import Statement, handle_of

_KEY = ("record_kind", "key", "quickbooks_id")
_Bindings = dict[tuple[Any, ...], dict[str, Any]]


def bind_rows(connection: Connection, rows: Iterable[Mapping[str, Any]], now: dt.datetime) -> int:
    """Bind records; return how many bindings are new or changed.

    A record that is bound already takes the new values given. What came from QuickBooks stays so: a carried
    document never turns into one of ours.
    """
    given = list(rows)
    for row in given:
        named = row.get("record_kind") and row.get("key") and row.get("quickbooks_id")
        if not named or not row.keys() <= _COLUMNS:
            _refuse(row)
    if not given:
        return 0
    standing = _standing(connection, given)
    fresh: _Bindings = {}
    changed = 0
    for row in given:
        key = row["record_kind"], row["key"], row["quickbooks_id"]
        before = standing.get(key)
        if before is None:
            new = {**_BLANK, **row, "bound_at": now}
            if new["origin"] is None:
                new["origin"] = "billing"
            standing[key] = fresh[key] = new
            changed += 1
            continue
        news = _news(row, before)
        if news:
            if key not in fresh:
                same = [crosswalk.c[name] == row[name] for name in _KEY]
                connection.execute(update(crosswalk).where(*same).values(**news))
            before.update(news)
            changed += 1
    _NEW.run_many(handle_of(connection), list(fresh.values()))
    return changed


def _refuse(row: Mapping[str, Any]) -> None:
    unknown = sorted(row.keys() - _COLUMNS)
    missing = [name for name in _KEY if not row.get(name)]
    problem = f"no column {unknown[0]}" if unknown else f"no {missing[0]}"
    raise LedgerError(f"the crosswalk cannot keep {row.get('key')!r}: {problem}")


def _news(row: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row changes of the one that is bound."""
    given = {name: value for name, value in row.items() if value is not None and name != "bound_at"}
    given.setdefault("origin", "billing")
    if before["origin"] == "quickbooks":
        given["origin"] = "quickbooks"
    return {name: value for name, value in given.items() if before.get(name) != value}


def _standing(
    connection: Connection, given: Sequence[Mapping[str, Any]]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    by_kind: dict[str, list[str]] = {}
    for row in given:
        by_kind.setdefault(row["record_kind"], []).append(row["key"])
    for kind, keys in by_kind.items():
        for start in range(0, len(keys), _BATCH):
            batch = {"kind": kind, "keys": keys[start : start + _BATCH]}
            for bound in _BOUND.rows(handle_of(connection), **batch):
                found[tuple(getattr(bound, name) for name in _KEY)] = bound._asdict()
    return found


_BATCH = 500
_COLUMNS = set(crosswalk.c.keys())
_BLANK = {**dict.fromkeys(crosswalk.c.keys()), "origin": "billing"}
_NEW = Statement(insert(crosswalk))
_BOUND = Statement(
    select(crosswalk).where(
        crosswalk.c.record_kind == bindparam("kind"), crosswalk.c.key.in_(bindparam("keys", expanding=True))
    )
)
