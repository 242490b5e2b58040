"""What becomes of the answer to a message set: kept in ``inbox/``, then recorded in the ledger, then landed.

An answer is on the disk before the ledger speaks of it, and a set whose answer could not be recorded stays
open: it is handed out again, identical, and QuickBooks gives its stored answer. The tables come last: they
can be made again from ``inbox/``.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import re
from collections.abc import Sequence

from toolkit import extract, lookups, outcomes, qbxml_io
from toolkit.answers import arrival, is_error, read_kept, units_of
from toolkit.errors import (
    InputFileError,
    LedgerError,
    QbxmlError,
    QbxmlParseError,
    ToolkitError,
    WorkspaceLocked,
)
from toolkit.landing import Unit, land_units
from toolkit.ledger import REFUSED, UNREADABLE, MessageSet, Outcome, Query
from toolkit.staging import Rows, Staging
from toolkit.workspace import Workspace

DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
MOST_READS = 3
"""How many unreadable answers a set may get before its operations are unknown."""

_REQUEST_ID = re.compile(rb'requestID\s*=\s*["\'](J\d+Q\d+P\d+)["\']')
_SPOKEN = re.compile(rb'<\?qbxml version="([0-9.]+)"')
_log = logging.getLogger(__name__)


def request_id(query: Query) -> str:
    """Return the requestID of the next page of a query."""
    return f"J{query.job}Q{query.id}P{query.pages + 1}"


def is_about(ws: Workspace, open_set: MessageSet, data: bytes) -> bool | None:
    """Return whether an answer is one to this set; ``None`` where it does not tell."""
    looked, paged = lookups.REQUEST_ID.search(data), _REQUEST_ID.search(data)
    asks = open_set.kind in ("lookup", "check")
    if asks and looked is not None:
        return looked[1] in open_set.text
    if (looked, paged) != (None, None) and (open_set.kind != "read" or looked is not None):
        return False
    if asks:
        return False if b"newMessageSetID=" in data else None
    if open_set.kind == "write":
        try:
            envelope = next(iter(qbxml_io.parse(io.BytesIO(data))))
        except QbxmlParseError:
            return None
        told = envelope.message_set_id if isinstance(envelope, qbxml_io.Envelope) else None
        return None if told is None else told == open_set.set_id
    asked = request_id(ws.ledger.query(open_set.queries[0]))
    return None if paged is None else paged[1].decode() == asked


# --- changes ------------------------------------------------------------------------------------------------


def record_write(ws: Workspace, open_set: MessageSet, data: bytes) -> str | None:
    """Record the answer to a set that writes; return why it cannot be read and is asked for once more."""
    path = ws.inbox_name(ws.save_answer(data, name=open_set.set_id or "write"))
    try:
        events = list(qbxml_io.parse(io.BytesIO(data)))
    except QbxmlError as error:
        # Each answer to this set is kept under its id, and one that could be read would have closed it.
        if len(list((ws.path / "inbox").glob(f"*-{open_set.set_id}.xml.zst"))) < MOST_READS:
            return f"{error}. Run the Web Connector again: QuickBooks still has its answer."
        why = f"the answer could not be read: {error}"
        ws.ledger.record_answer(
            open_set.id,
            inbox_path=path,
            outcomes=_all(open_set.members, "unknown", why),
            set_status=UNREADABLE,
        )
        return None
    operations = ws.ledger.operations_of_set(open_set.id)
    found = outcomes.outcomes(operations, events, lookups.Known(ws.ledger, operations))
    spoken = _SPOKEN.search(open_set.text)
    if spoken:
        found = outcomes.noted(found, operations, spoken[1].decode())
    status = next((e.message_set_status for e in events if isinstance(e, qbxml_io.Envelope)), None)
    ws.ledger.record_answer(open_set.id, inbox_path=path, outcomes=found, set_status=status)
    return None


def record_refused(ws: Workspace, open_set: MessageSet, said: str, *, our_fault: bool) -> None:
    """Record that QuickBooks ran nothing of a set that writes.

    Parameters
    ----------
    our_fault : bool
        It cannot parse the document: those that stood together go out alone once, one that stood alone is
        rejected. Otherwise all wait for a later session.

    Notes
    -----
    A set that was handed out before may have been run then, by another QuickBooks or out of a text that
    came over whole: what became of it is unknown, and its id is kept.
    """
    if open_set.tries > 1:
        found = _all(open_set.members, "unknown", f"refused when it was sent again: {said}")
    elif not our_fault:
        found = _all(open_set.members, "pending", said)
    elif len(open_set.members) == 1:
        found = _all(open_set.members, "rejected", said)
    else:
        found = _all(open_set.members, "pending", outcomes.REFUSED_TOGETHER)
    ws.ledger.record_answer(open_set.id, outcomes=found, set_status=REFUSED)


def _all(members: Sequence[str], status: str, message: str) -> list[Outcome]:
    return [Outcome(key, status, message=message) for key in members]


def land_export(ws: Workspace, job: int) -> str | None:
    """Land the rows of all answers to an export, as of when they came; return what went wrong.

    Raises
    ------
    WorkspaceLocked
        Another process writes to the tables.
    """
    try:
        with ws.lock(), Staging(ws.path) as staging:
            now = ws.ledger.now()
            units: list[Unit] = []
            lost: list[str] = []
            for path in ws.ledger.answers(job):
                try:
                    units.append(_unit(ws, path, staging))
                except InputFileError as error:
                    if not isinstance(error.__cause__, QbxmlParseError):
                        lost.append(str(error))
                    # One that never was an answer: its operations are unknown.
            for path in ws.ledger.answers(job, "lookup") + ws.ledger.answers(job, "check"):
                with contextlib.suppress(InputFileError):  # it was asked for again
                    units += units_of(read_kept(ws, path, staging), arrival(path, now))
            land_units(ws, sorted(units, key=lambda unit: unit.arrived), (), job, now)
    except (WorkspaceLocked, LedgerError):
        raise  # for the moment only
    except (ToolkitError, OSError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise  # that too: somebody makes room, and the job ends with its tables whole
        _log.error("the answers of job %d could not be landed: %s", job, type(error).__name__)
        return f"its answers are not in the tables: {error}"
    return f"not every answer of it is in the tables: {'; '.join(lost)}" if lost else None


def _unit(ws: Workspace, path: str, staging: Staging) -> Unit:
    """Return the rows of one answer; each record stands in it once."""
    answer = read_kept(ws, path, staging)
    rows: Rows = {}
    for response in answer.responses:
        for table, pieces in response.items():
            rows.setdefault(table, []).extend(pieces)
    return Unit(rows, arrival(path, ws.ledger.now()))


# --- imports ------------------------------------------------------------------------------------------------


def lost_iterator(query: Query, data: bytes) -> bool:
    """Return whether QuickBooks no longer knows the iterator of a query.

    Which code it says so with is not documented: any error to a page after the first counts.
    """
    if not query.iterator_id or b"Ret>" in data:
        return False
    try:
        events = list(qbxml_io.parse(io.BytesIO(data)))
    except QbxmlParseError:
        return False
    return any(isinstance(event, qbxml_io.Status) and is_error(event) for event in events)


def record_read(ws: Workspace, open_set: MessageSet, data: bytes) -> str | None:
    """Record the answer to a query of an import; return why its job failed."""
    query = ws.ledger.query(open_set.queries[0])
    try:
        extract.receive(ws, data, job=query.job, name=query.name)
    except (WorkspaceLocked, LedgerError):
        raise  # for the moment only
    except ToolkitError as error:
        # A table that cannot be merged into, for example: it must not keep the other jobs from running.
        ws.ledger.set_job(query.job, "failed", f"its answers could not be landed: {error}")
    ws.ledger.record_answer(open_set.id)
    job = ws.ledger.job(query.job)
    return f"{query.name}: {job.message}" if job.status == "failed" else None
