"""Statements that are worked out once: SQLAlchemy says what they are, the driver runs them as they stand.

The two calls for one message set ask the ledger some thirty questions. SQLAlchemy takes longer to hand a
statement over than SQLite to answer it; so its work (the text for the database, the order of the parameters,
how values are stored) is done once, and kept.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

_DIALECT = sqlite.dialect()
_named: Any = namedtuple  # by names that are known only when a statement is

Handle = Any
"""A connection of the database's driver, in a transaction."""


def handle_of(connection: Connection) -> Handle:
    """Return the driver's connection behind one of SQLAlchemy, to run statements in its transaction."""
    return connection.connection.driver_connection


class Statement:
    """A statement with named parameters.

    Parameters
    ----------
    meaning : executable
        Of SQLAlchemy Core. One of its parameters may be a list (``expanding``).
    """

    def __init__(self, meaning: Any) -> None:
        self.meaning = meaning
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def rows(self, handle: Handle, **given: Any) -> list[Any]:
        """Return the rows, their values named as the columns."""
        plan = self._plan(given)
        return plan.read(handle.execute(plan.text, plan.values(given)).fetchall())

    def row(self, handle: Handle, **given: Any) -> Any:
        """Return the first row, or ``None``."""
        plan = self._plan(given)
        found = plan.read(handle.execute(plan.text, plan.values(given)).fetchmany(1))
        return found[0] if found else None

    def value(self, handle: Handle, **given: Any) -> Any:
        """Return the first value of the first row, or ``None``."""
        found = self.row(handle, **given)
        return None if found is None else found[0]

    def run(self, handle: Handle, **given: Any) -> int:
        """Run it for its effect; return the number of the row that it inserted."""
        plan = self._plan(given)
        return int(handle.execute(plan.text, plan.values(given)).lastrowid or 0)

    def run_many(self, handle: Handle, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of some rows of parameters, all of which have the same names."""
        if rows:
            plan = self._plan(rows[0])
            handle.executemany(plan.text, [plan.values(row) for row in rows])

    def _plan(self, given: Mapping[str, Any]) -> _Plan:
        shape = tuple(
            len(value) if isinstance(value, (list, tuple)) else name for name, value in given.items()
        )
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._plans[shape] = _Plan(self.meaning, given)
        return plan


class _Plan:
    """What SQLAlchemy makes of a statement for parameters of some names, and a list of some length."""

    def __init__(self, meaning: Any, given: Mapping[str, Any]) -> None:
        written = None if meaning.is_select else [name for name in given if name in meaning.table.c]
        compiled: Any = meaning.compile(dialect=_DIALECT, column_keys=written or None)
        state = compiled.construct_expanded_state(dict(given))
        listed = state.parameter_expansion.items()
        parts = {part: (name, place) for name, many in listed for place, part in enumerate(many)}
        fixed = compiled.construct_params(dict(given))
        self.text = str(state.statement)
        sources: list[tuple[str, int | None, Callable[[Any], Any] | None, Any]] = []
        for name in state.positiontup or ():
            own, place = parts.get(name, (name, None))
            kind: TypeEngine[Any] = compiled.binds[own].type
            process = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            sources.append((own, place, process, None if own in given else fixed[own]))
        self._sources = sources
        # The parameters of most statements are values that stand in a row by their names.
        plain = len(sources) > 1 and all(one[1] is None and one[0] in given for one in sources)
        self._pick = itemgetter(*(one[0] for one in sources)) if plain else None
        self._stored = [(at, process) for at, (_, _, process, _) in enumerate(sources) if process]
        self._make: Any = None
        if meaning.is_select:
            columns = list(meaning.selected_columns)
            self._make = _named("Row", [str(one.key) for one in columns], rename=True)._make
            kinds = [one.type.dialect_impl(_DIALECT) for one in columns]
            found = [kind.result_processor(_DIALECT, None) for kind in kinds]
            self._processes = [(place, process) for place, process in enumerate(found) if process]

    def values(self, given: Mapping[str, Any]) -> Sequence[Any]:
        """Return the parameters as the database takes them, in the order of the text."""
        if self._pick is not None:
            picked: Sequence[Any] = self._pick(given)
            if self._stored:
                picked = list(picked)
                for place, process in self._stored:
                    picked[place] = process(picked[place])
            return picked
        values = []
        for name, at, stored, fixed in self._sources:
            value = given.get(name, fixed)
            if at is not None:
                value = value[at]
            values.append(value if stored is None else stored(value))
        return values

    def read(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """Return rows as they are meant."""
        if not self._processes:
            return [self._make(row) for row in found]
        rows = []
        for row in found:
            values = list(row)
            for place, process in self._processes:
                values[place] = process(values[place])
            rows.append(self._make(values))
        return rows
