"""Answers that are on the disk and in the ledger, and that no job brings into the tables any more.

A job lands its answers where it ends. What comes after its end is noted in its session until it has landed:
the tables may be locked by another command just then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.late import late
from toolkit.ledger import Ledger, Session
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import set_answers
else:  # a call without work does not need it
    set_answers = late("toolkit.set_answers")

OWED = "owed"
"""Fact of a session: the jobs whose answers are still to be landed."""


def note_owed(ledger: Ledger, session: Session, *jobs: int) -> list[int]:
    """Note what is to be landed for a session, and return it: what was owed before, and those jobs."""
    before = session.facts.get(OWED, [])
    owed = sorted({*before, *jobs})
    if owed != before:
        ledger.update_session(session.ticket, **{OWED: owed})
    return owed


def exported_by(ledger: Ledger, session: Session, *, ended: bool = False) -> list[int]:
    """Return the exports of a session that are not complete: they go on later, or were cancelled in it.

    Parameters
    ----------
    ended : bool
        Only those that do not go on.
    """
    jobs = [ledger.job(number) for number in session.facts.get("exports", [])]
    return [job.id for job in jobs if job.status != "complete" and (job.ended or not ended)]


def land_owed(ws: Workspace, session: Session) -> None:
    """Land what a session still owes; where it raises, all of it stays noted for a later call.

    Raises
    ------
    WorkspaceLocked
        Another process writes to the tables.
    """
    known = ws.ledger.session(session.ticket)
    owed = known.facts.get(OWED, []) if known else []
    for number in owed:
        problem, job = set_answers.land_export(ws, number), ws.ledger.job(number)
        if problem and job.ended:
            ws.ledger.set_job(number, job.status, problem)
    if owed:
        ws.ledger.update_session(session.ticket, **{OWED: []})
