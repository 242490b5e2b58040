"""What the ledger hands out, and the only ways a job or an operation may change its state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

JOB_MOVES: Mapping[str, frozenset[str]] = {
    "draft": frozenset({"queued", "cancelled"}),
    "queued": frozenset({"running", "held", "cancelled", "failed"}),
    "running": frozenset({"complete", "failed", "held", "cancelled"}),
    "held": frozenset({"queued", "cancelled"}),
    "complete": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""From each state of a job to those that may follow. A draft cannot be held: release would approve it."""

ACTIVE_JOBS = ("queued", "running")
ENDED_JOBS = ("complete", "failed", "cancelled")

REFRESHES = "import:refresh"
"""Kind of the jobs that read again all that was sent."""

OPERATION_MOVES: Mapping[str, frozenset[str]] = {
    # To applied and unknown without being sent: QuickBooks holds it already, or something like it.
    "pending": frozenset({"sent", "skipped", "applied", "unknown"}),
    # Back to pending only where QuickBooks vouches that it ran nothing: a set refused whole, status 3231.
    "sent": frozenset({"applied", "rejected", "unknown", "pending"}),
    "unknown": frozenset({"applied", "rejected", "pending", "skipped"}),
    "applied": frozenset({"undone"}),
    # These end an attempt. Queuing the key again makes a new attempt and leaves the old one as it was.
    "rejected": frozenset(),
    "skipped": frozenset(),
    "undone": frozenset(),
}
"""From each state of an operation to the states that may follow."""

ENDED_ATTEMPTS = ("rejected", "skipped", "undone")

FOR_A_PERSON = "a person decides: "
"""How the message of an unknown operation begins that QuickBooks is not asked for any more."""

MOST_LOOKUPS = 3
"""How often QuickBooks is asked for an unknown operation whose query itself fails."""

REFUSED = "refused"
"""Status of a set that QuickBooks refused whole: nothing of it was run, nothing is stored under its id."""

QUERY_MOVES: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"running", "done"}),
    "running": frozenset({"pending", "done"}),
    "done": frozenset(),
}
"""From each state of a query to the states that may follow."""

LIST_KINDS = ("item", "customer")
"""Record kinds that live in a list and have a ListID; all others have a TxnID."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job: an import, or an export.

    Parameters
    ----------
    id : int
        Its number.
    kind : str
        ``import:items``, ``export``, ...
    status : str
        A key of ``JOB_MOVES``.
    message : str or None
        Why it is where it is, for people.
    meta : dict
        What whoever made it wants to remember: range, switches, totals.
    created_at, finished_at : datetime
        Local wall clock.
    approved_by : str or None
        Who let it go.
    """

    id: int
    kind: str
    status: str
    message: str | None
    meta: dict[str, Any]
    created_at: dt.datetime
    finished_at: dt.datetime | None
    approved_by: str | None

    @property
    def is_import(self) -> bool:
        """Whether it reads from QuickBooks."""
        return self.kind.startswith("import:")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED_JOBS


@dataclass(frozen=True, slots=True)
class Query:
    """One query of an import job, and how far it is.

    ``remaining`` is what the iterator says is still to come; ``filter`` is what the query covers.
    """

    id: int
    job: int
    position: int
    name: str
    fields: dict[str, Any]
    iterate: bool
    table: str | None
    filter: dict[str, Any]
    since: str | None
    status: str
    pages: int
    records: int
    iterator_id: str | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of an import: ``path`` is its file, relative to the workspace."""

    id: int
    job: int
    query: int | None
    path: str
    records: int
    at: dt.datetime


@dataclass(slots=True)
class Operation:
    """The newest attempt at one operation; ``attempts`` counts the message sets that sent it.

    It is shared by all who read it, with its ``fields`` and ``expected``: nobody changes it. Not frozen,
    because fifty are made for every message set, and Python takes three times as long for frozen ones.
    """

    key: str
    job: int
    request: str
    record_kind: str
    position: int
    status: str
    fields: dict[str, Any]
    expected: dict[str, Any]
    depends_on: tuple[str, ...]
    status_code: int | None
    status_message: str | None
    list_id: str | None
    txn_id: str | None
    edit_sequence: str | None
    source_table: str | None
    source_key: str | None
    account_number: str | None
    customer_full_name: str | None
    txn_date: dt.date | None
    ref_number: str | None
    amount: Decimal | None
    currency: str | None
    attempts: int

    @property
    def quickbooks_id(self) -> str | None:
        """Its ListID or TxnID."""
        return self.list_id or self.txn_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer says about one operation.

    Parameters
    ----------
    key : str
        The operation.
    status : {"applied", "rejected", "unknown", "pending", "skipped"}
        ``pending`` only where it is certain that QuickBooks did not run it, ``skipped`` only after a check.
    status_code, message : optional
        As QuickBooks gave them.
    quickbooks_id, edit_sequence : str, optional
        ListID or TxnID, and EditSequence, of what was made.
    bind : mapping, optional
        A row of ``ledger.crosswalk`` to keep in the same transaction.
    """

    key: str
    status: str
    status_code: int | None = None
    message: str | None = None
    quickbooks_id: str | None = None
    edit_sequence: str | None = None
    bind: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class MessageSet:
    """One qbXML document that was handed out.

    ``kind`` is ``write`` (changes QuickBooks), ``read`` (queries of an import), ``lookup`` (asks for the
    markers of unknown operations) or ``check`` (asks, before operations are sent, for what they refer to).
    ``members`` are operation keys, ``queries`` the ids of queries.
    """

    id: int
    session: str
    kind: str
    set_id: str | None
    text: bytes
    clears: str | None
    members: tuple[str, ...]
    queries: tuple[int, ...]
    opened_at: dt.datetime
    answered_at: dt.datetime | None
    set_status: str | None
    inbox_path: str | None
    tries: int


@dataclass(frozen=True, slots=True)
class Session:
    """One session of the Web Connector; ``facts`` is what :meth:`Ledger.update_session` kept."""

    ticket: str
    user: str
    opened_at: dt.datetime
    seen_at: dt.datetime
    closed_at: dt.datetime | None
    outcome: str | None
    error: str | None
    facts: dict[str, Any] = field(default_factory=dict)
