"""The events of a qbXML answer, in the order in which they are read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NO_STATUS", "Batch", "Bound", "Envelope", "Event", "LeftBehind", "Status"]

NO_STATUS = -1
"""``Status.code`` of a response that tells neither how it went nor what it did."""

Finding = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The first event: what the message set as a whole says of itself.

    Parameters
    ----------
    message_set_id : str or None
        The ``newMessageSetID`` that was sent.
    message_set_status : int or None
        ``messageSetStatusCode``; 0 is fine, 600 and 9001 to 9005 are about error recovery.
    """

    message_set_id: str | None
    message_set_status: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table out of one response.

    Parameters
    ----------
    table : str
        Declared name, ``quickbooks.invoices``.
    rows : pyarrow.Table
        Of the declared schema; ``import_job``, ``imported_at`` and ``left_at`` are null.
    request_id : str or None
        Of the response that the rows stand in.
    findings : tuple of dict
        What was wrong with these rows, and with the document so far.
    """

    table: str
    rows: pa.Table
    request_id: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """An object that a response carries: enough to bind our record to QuickBooks' own.

    Parameters
    ----------
    tag : str
        ``InvoiceRet``.
    id : str or None
        ListID or TxnID.
    edit_sequence : str or None
    name_or_number : str or None
        Full name, name or RefNumber, the first there is.
    """

    tag: str
    id: str | None
    edit_sequence: str | None
    name_or_number: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """The end of one response: how its request went.

    Parameters
    ----------
    request : str
        ``InvoiceAdd``.
    request_id : str or None
        As sent.
    code : int
        ``statusCode``: what to branch on; 0 and 1 (nothing found) are fine. A response without one is 0 when
        it carries objects and :data:`NO_STATUS` when it does not, with a finding.
    severity, message : str
        For people.
    ret_count, iterator_remaining : int or None
        Where metaData or an iterator was asked for.
    iterator_id : str or None
        To go on with.
    records : int
        How many Rets the response holds.
    objects : tuple of Bound
        Those Rets, of a response to a change; a query's are its rows, of which there may be a million.
    fields : dict
        Values beside them, by path: ``TxnID`` of a TxnDelRs, ``ErrorRecovery/TxnID``.
    """

    request: str
    request_id: str | None
    code: int
    severity: str
    message: str
    ret_count: int | None
    iterator_remaining: int | None
    iterator_id: str | None
    records: int
    objects: tuple[Bound, ...]
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """The last event: what stood in the document and is in no column.

    Parameters
    ----------
    counts : dict
        ``InvoiceRet/ShipAddress/Addr1`` to how often it had a value; a Ret of no table by its tag alone.
    findings : tuple of dict
        About the document, where no batch came to carry them.
    """

    counts: dict[str, int]
    findings: tuple[Finding, ...] = ()


Event = Envelope | Batch | Status | LeftBehind
