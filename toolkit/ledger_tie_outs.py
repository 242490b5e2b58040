"""Tie-outs that a person made: append-only, because unattended exports rest on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from toolkit.errors import LedgerError
from toolkit.ledger_carried import CarriedForward
from toolkit.ledger_releases import RELEASES
from toolkit.ledger_schema import decisions
from toolkit.ledger_store import from_json, to_json

TIE_OUTS = "tie_outs"
"""Under this name the table of decisions keeps how tie-outs came out, by whom and when."""

TIES, DIFFERS = "ties", "differs"
_WORKSPACE = "workspace"  # as ledger_places: what was said about the workspace as a whole
_NEW_GROUND = ("restored", "copied")


@dataclass(frozen=True, slots=True)
class KeptTieOut:
    """How the newest tie-out came out.

    Parameters
    ----------
    ties : bool
        Whether it tied, with everything read back after it was sent.
    who : str
    at : datetime
        When it was made.
    facts : mapping
        ``jobs`` that it covers, ``refresh`` (the job that read it all back), ``totals``.
    stands : bool
        Whether nothing happened since that takes its ground away: a restored ledger, a released record.
    """

    ties: bool
    who: str
    at: dt.datetime
    facts: Mapping[str, Any]
    stands: bool


class TieOuts(CarriedForward):
    """How the books tied out, as a person found."""

    def keep_tie_out(self, ties: bool, who: str, facts: Mapping[str, Any]) -> bool:
        """Keep how a tie-out came out; ``False`` where exactly this stands already.

        Raises
        ------
        LedgerError
            No person is named.
        """
        if not who.strip():
            raise LedgerError("a tie-out needs the name of the person who made it")
        said, told = TIES if ties else DIFFERS, to_json(dict(facts))
        with self.writing() as connection:
            newest = _newest(connection)
            if newest and (newest.decision, newest.facts) == (said, told) and _stands(connection, newest.id):
                return False
            row = {"table": TIE_OUTS, "key": to_json([TIE_OUTS]), "decision": said, "values": told}
            connection.execute(insert(decisions).values(**row, who=who, at=self.now()))
        self._tell()
        return True

    def last_tie_out(self) -> KeptTieOut | None:
        """Return the newest tie-out; ``None`` where nobody made one."""
        with self.reading() as connection:
            row = _newest(connection)
            if row is None:
                return None
            stands = _stands(connection, row.id)
        return KeptTieOut(row.decision == TIES, row.who, row.at, from_json(row.facts), stands)


def _newest(connection: Connection) -> Any:
    # `values` is a method of a row.
    names = (decisions.c.id, decisions.c.decision, decisions.c.who, decisions.c.at)
    chosen = select(*names, decisions.c["values"].label("facts")).where(decisions.c.table == TIE_OUTS)
    return connection.execute(chosen.order_by(decisions.c.id.desc()).limit(1)).first()


def _stands(connection: Connection, made: int) -> bool:
    restored = (decisions.c.table == _WORKSPACE) & decisions.c.decision.in_(_NEW_GROUND)
    since = select(func.count()).where(decisions.c.id > made, restored | (decisions.c.table == RELEASES))
    return not connection.scalar(since)
