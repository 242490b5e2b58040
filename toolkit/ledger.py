"""The ledger: jobs, operations, message sets with their text, sessions, decisions and the crosswalk, in SQL.

Nothing is lost and nothing is done twice: every change of state is one transaction with its history, a
transition that the graphs of :mod:`toolkit.ledger_records` do not have is refused by the code and by the
database, and nothing is ever deleted. Which database it is, only ``ledger*.py`` know.
"""

from __future__ import annotations

from toolkit.ledger_counts import Counts
from toolkit.ledger_decisions import Decisions
from toolkit.ledger_places import Places
from toolkit.ledger_records import (
    JOB_MOVES,
    OPERATION_MOVES,
    REFUSED,
    Job,
    MessageSet,
    Operation,
    Outcome,
    Page,
    Query,
    Session,
)
from toolkit.ledger_resolutions import Resolutions
from toolkit.ledger_sets import UNREADABLE
from toolkit.ledger_store import local_now

__all__ = [
    "JOB_MOVES",
    "OPERATION_MOVES",
    "REFUSED",
    "UNREADABLE",
    "Job",
    "Ledger",
    "MessageSet",
    "Operation",
    "Outcome",
    "Page",
    "Query",
    "Session",
    "local_now",
]


class Ledger(Resolutions, Places, Decisions, Counts):
    """The ledger of one workspace; any thread may use it, each call is one transaction.

    Parameters
    ----------
    path : Path
        ``ledger.sqlite``; made where it is absent.
    clock : callable, optional
        Gives the local time.
    on_decided : callable, optional
        Called with the name of a ``mapping.*`` table after decisions on it were committed.

    Raises
    ------
    LedgerError
        The file is no ledger, or another version of the toolkit made it.

    Notes
    -----
    ``workspace_id`` is the id that the ledger was born with; a workspace compares it with its own.
    """
