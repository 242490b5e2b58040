"""Message sets that only ask about operations: cut, handed out, and their answers recorded.

A *lookup* asks what became of unknown operations, before anything new is sent; a *check* asks right before
operations are sent whether they still may be. Neither changes QuickBooks, so that they carry no set id: one
without an answer is given up and asked anew. What an answer means is for ``witness.py`` and ``presend.py``.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolkit import outcomes, presend, qbxml_io, witness
from toolkit.errors import ProtocolError, QbxmlError
from toolkit.ledger import REFUSED, Ledger, MessageSet, Operation, Outcome
from toolkit.quickbooks_codes import INTERNAL_ERROR, is_busy
from toolkit.transform_fields import marked_key

NOT_CHECKED = "it could not be checked"
MOST_CHECKS = 3
"""How many checks of an operation may fail, each in a session of its own, before it is held back."""

LOOKUP_SIZE = 20
"""Operations in one set; each has two queries at most."""

REQUEST_ID = re.compile(rb'requestID\s*=\s*["\'](L[A-Z0-9]{12})-\d+-\d+["\']')
"""The requestID of a query; what it begins with is one set's alone."""

_ASKED = re.compile(r"L[A-Z0-9]{12}-(\d+)-(\d+)")
_CHARACTERS = string.ascii_uppercase + string.digits


def next_set(ledger: Ledger, ticket: str, version: str) -> bytes:
    """Return the next document that asks for unknown operations, kept in the ledger; ``b""`` for none.

    What cannot be asked for is left to a person, with the reason.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    ticket : str
        Of the session that takes it.
    version : str
        qbXML version that is spoken.
    """
    while due := _batch(ledger):
        mark = _mark()
        chosen: list[Operation] = []
        asked: list[qbxml_io.Request] = []
        known = Known(ledger, due)
        for operation in due:
            try:
                mine = _queries(operation, known, f"{mark}-{len(chosen) + 1}")
                qbxml_io.build(mine, version=version)
            except (ProtocolError, QbxmlError) as error:
                ledger.leave_to_person(operation.key, f"it cannot be looked up: {error}")
                continue
            chosen.append(operation)
            asked += mine
        if chosen:
            text = qbxml_io.build(asked, version=version)
            ledger.open_set(ticket, "lookup", None, text, [one.key for one in chosen])
            return text
    return b""


def _batch(ledger: Ledger) -> list[Operation]:
    """Return the next operations to ask for; one whose query failed goes alone, so that it fails alone."""
    due = ledger.lookups_due(LOOKUP_SIZE)
    fresh = [one for one in due if not (one.status_message or "").startswith(witness.FAILED)]
    return fresh or due[:1]


def _queries(operation: Operation, known: Known, mark: str) -> list[qbxml_io.Request]:
    asked = witness.queries(operation, known)
    return [
        qbxml_io.Request(query.name, query.fields, request_id=f"{mark}-{number}")
        for number, query in enumerate(asked, start=1)
    ]


def record(ledger: Ledger, open_set: MessageSet, data: bytes, inbox_path: str) -> None:
    """Record what the answer to a lookup says of each operation.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    open_set : MessageSet
        The lookup.
    data : bytes
        The answer, which is kept already.
    inbox_path : str
        Where.
    """
    members = ledger.operations_by_keys(open_set.members)
    try:
        events = list(qbxml_io.parse(io.BytesIO(data)))
        found = witness.gather(events, _asked(open_set, members))
    except QbxmlError as error:
        told = _failed(open_set.members, f"the answer could not be read: {error}")
        ledger.record_answer(open_set.id, inbox_path=inbox_path, outcomes=told)
        return
    ids = [quickbooks_id for one in found.values() for quickbooks_id in one.rows]
    known = Known(ledger, members)
    ours = _ours(ledger, (row for one in found.values() for row in one.rows.values()))
    still = [one for one in members if one.status == "unknown"]
    told = witness.verdicts(still, found, known, ledger.bound(ids), ours)
    ledger.record_answer(open_set.id, inbox_path=inbox_path, outcomes=told)


def _asked(open_set: MessageSet, members: Sequence[Operation]) -> Mapping[str, tuple[str, qbxml_io.Request]]:
    """Return the queries that were handed out by requestID, each with the key of its operation."""
    asked = {}
    for query in qbxml_io.parse_requests(open_set.text).requests:
        place = _ASKED.fullmatch(query.request_id or "")
        if place is not None:
            asked[str(query.request_id)] = (members[int(place[1]) - 1].key, query)
    return asked


def record_refused(ledger: Ledger, open_set: MessageSet, said: str) -> None:
    """Record that QuickBooks cannot parse a set: each operation is asked for alone, and not for ever."""
    if open_set.kind == "lookup":
        ledger.record_answer(open_set.id, outcomes=_failed(open_set.members, said))
    else:
        _record_failed_check(ledger, open_set, said, later=False)


def _failed(members: Sequence[str], why: str) -> list[Outcome]:
    return [Outcome(key, "unknown", message=witness.FAILED + why) for key in members]


# --- checks -------------------------------------------------------------------------------------------------


def needs_check(operation: Operation, known: Known) -> bool:
    """Return whether there is anything to ask before an operation is sent."""
    try:
        return bool(presend.questions([operation], known))
    except ProtocolError:
        return True  # it refers to nothing that is there: next_check says so


def next_check(ledger: Ledger, ticket: str, version: str, operations: Sequence[Operation]) -> bytes:
    """Return the document that checks operations, kept in the ledger; ``b""`` where there is nothing to ask.

    What cannot be asked for is skipped, with the reason.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    ticket : str
        Of the session that will send them.
    version : str
        qbXML version that is spoken.
    operations : sequence of Operation
        That are to be sent together, in their order.
    """
    known, chosen = Known(ledger, operations), list(operations)
    former = ledger.former_ids([one.key for one in operations])
    try:
        text = _check(chosen, known, former, version)
    except (ProtocolError, QbxmlError):  # of one of them: each is looked at by itself
        chosen = []
        for operation in operations:
            try:
                _check([operation], known, former, version)
            except (ProtocolError, QbxmlError) as error:
                ledger.skip(operation.key, f"{presend.HELD_BACK}{NOT_CHECKED}: {error}")
                continue
            chosen.append(operation)
        text = _check(chosen, known, former, version)
    if text:
        ledger.open_set(ticket, "check", None, text, [one.key for one in chosen])
    return text


def _check(
    operations: Sequence[Operation], known: Known, former: Mapping[str, Sequence[str]], version: str
) -> bytes:
    """Return the document that checks operations; ``b""`` where there is nothing to ask."""
    mark = _mark()
    asked = [
        qbxml_io.Request(query.name, query.fields, request_id=f"{mark}-0-{number}")
        for number, query in enumerate(presend.questions(operations, known, former), start=1)
    ]
    return qbxml_io.build(asked, version=version) if asked else b""


def record_check(
    ledger: Ledger, open_set: MessageSet, data: bytes, inbox_path: str, since: dt.date | None
) -> str | None:
    """Record what the answer to a check says of each operation; return why it is asked again later.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    open_set : MessageSet
        The check.
    data : bytes
        The answer, which is kept already.
    inbox_path : str
        Where.
    since : datetime.date or None
        The cutover date.
    """
    asked = {str(query.request_id): query for query in qbxml_io.parse_requests(open_set.text).requests}
    try:
        seen = presend.gather(qbxml_io.parse(io.BytesIO(data)), asked)
    except QbxmlError as error:
        said = f"the answer could not be read: {error}"
        return _record_failed_check(ledger, open_set, said, later=True, inbox_path=inbox_path)
    if seen.problems:
        later = all(code in (None, INTERNAL_ERROR) or is_busy(code, said) for code, said in seen.problems)
        said = seen.problems[0][1]
        return _record_failed_check(ledger, open_set, said, later=later, inbox_path=inbox_path)
    members = ledger.operations_by_keys(open_set.members)
    rows = {quickbooks_id: row for found in seen.rows.values() for quickbooks_id, row in found.items()}
    memory = presend.Memory(
        Known(ledger, members),
        ledger.bound(rows),
        _ours(ledger, rows.values()),
        ledger.said_absent(open_set.members),
        since,
        ledger.former_ids(open_set.members),
    )
    told = presend.verdicts([one for one in members if one.status == "pending"], seen, memory)
    ledger.record_answer(open_set.id, inbox_path=inbox_path, outcomes=told)
    return None


def _record_failed_check(
    ledger: Ledger, open_set: MessageSet, said: str, *, later: bool, inbox_path: str | None = None
) -> str | None:
    """Record that a check failed: those that stood together are asked about alone, one alone is held back.

    Returns
    -------
    str or None
        Where it may succeed ``later``, why this session ends: the next one asks again, to a limit.
    """
    alone = len(open_set.members) == 1
    again = later and ledger.failed_checks(open_set.members[0]) + 1 < MOST_CHECKS
    if alone and not again:
        message = f"{presend.HELD_BACK}{NOT_CHECKED}: {said}; export it again"
        told = [Outcome(open_set.members[0], "skipped", message=message)]
    else:
        told = [Outcome(key, "pending", message=outcomes.REFUSED_TOGETHER) for key in open_set.members]
    ledger.record_answer(open_set.id, inbox_path=inbox_path, outcomes=told, set_status=REFUSED)
    return f"Nothing was sent, because {NOT_CHECKED} first: {said}" if alone and again else None


# --- both ---------------------------------------------------------------------------------------------------


def _mark() -> str:
    """Return what the requestIDs of one set begin with."""
    return "L" + "".join(secrets.choice(_CHARACTERS) for _ in range(12))


def _ours(ledger: Ledger, rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return which of the keys in the markers of records the ledger has as operations."""
    return ledger.known_keys([key for row in rows if (key := marked_key(row.get("memo")))])


class Known:
    """The ListID or TxnID of an applied operation, by its key.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    operations : sequence of Operation
        What they depend on is read at once, the rest when it is asked for.
    """

    def __init__(self, ledger: Ledger, operations: Sequence[Operation] = ()) -> None:
        self._ledger = ledger
        wanted = dict.fromkeys(key for one in operations for key in one.depends_on)
        self._ids: dict[str, str | None] = {**wanted, **ledger.quickbooks_ids(wanted)} if wanted else {}

    def __call__(self, key: str) -> str | None:
        """Return it; ``None`` where it is not applied, or there is none of that key."""
        if key not in self._ids:
            self._ids[key] = self._ledger.quickbooks_ids([key]).get(key)
        return self._ids[key]
