"""Answers that are on the disk and in the ledger, and that are not in the tables yet.

A job lands its answers where it completes, and what came of it so far where a session closes. It may never
come to either: it is cancelled, and a session ends in other ways, too. So its job is noted before an answer
counts, and stays noted until it has landed. The note is a fact of the newest session, whichever session the
answer came in or its set was sent in: the next one takes it over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.late import late
from toolkit.ledger import Ledger, Session
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    from toolkit import set_answers
else:  # a call without work does not need it
    set_answers = late("toolkit.set_answers")

OWED = "owed"
"""Fact of a session: the jobs of which an answer may not have been landed."""


def owed_jobs(ledger: Ledger) -> list[int]:
    """Return the jobs that are noted, running ones too."""
    newest = ledger.last_session()
    return list(newest.facts.get(OWED, [])) if newest else []


def note_owed(ledger: Ledger, session: Session, set_number: int) -> None:
    """Note the jobs of a message set whose answer came in a session; call it before that is recorded."""
    jobs = {one.job for one in ledger.operations_of_set(set_number)}
    if session.closed_at is None and jobs <= set(session.facts.get(OWED, [])):
        return  # one that is open is the newest, and needs no look
    _keep(ledger, lambda before: before | jobs)


def drop_owed(ledger: Ledger, job: int) -> None:
    """Note that a job has been landed."""
    _keep(ledger, lambda before: before - {job})


def _keep(ledger: Ledger, change: Callable[[set[int]], set[int]]) -> None:
    """Change what is noted; each note waits for the disk, so that what stays is not written again."""
    newest = ledger.last_session()
    if newest is None:
        return
    before = set(newest.facts.get(OWED, []))
    after = change(before)
    if after != before:
        ledger.update_session(newest.ticket, **{OWED: sorted(after)})


def land_owed(ws: Workspace, *, ended: bool) -> None:
    """Land what is owed; where it raises, all of it stays noted for a later call.

    Parameters
    ----------
    ws : Workspace
        Whose tables they are.
    ended : bool
        Only that of jobs that have ended: nobody else will land it.

    Raises
    ------
    WorkspaceLocked
        Another process writes to the tables.
    """
    owed = owed_jobs(ws.ledger)
    due = {number for number in owed if not ended or ws.ledger.job(number).ended}
    for number in sorted(due):
        problem, job = set_answers.land_export(ws, number), ws.ledger.job(number)
        if problem and job.ended:
            ws.ledger.set_job(number, job.status, problem)
    if due:
        _keep(ws.ledger, lambda before: before - due)
