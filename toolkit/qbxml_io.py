"""qbXML in and out: requests to bytes, an answer's bytes to typed rows and statuses.

Knows XML, knows no job and no file. `build` writes nothing that QuickBooks would refuse for its form;
`parse` reads whatever QuickBooks and its users put into real answers.

>>> from io import BytesIO
>>> answer = b'''<QBXML><QBXMLMsgsRs><CustomerQueryRs requestID="7" statusCode="0" statusSeverity="Info"
... statusMessage="Status OK"><CustomerRet><ListID>80-1</ListID><Name>Acme</Name></CustomerRet>
... </CustomerQueryRs></QBXMLMsgsRs></QBXML>'''
>>> envelope, batch, status, left = parse(BytesIO(answer))
>>> batch.table, batch.rows["full_name"].to_pylist(), status.code
('quickbooks.customers', ['Acme'], 0)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from toolkit.late import late
from toolkit.qbxml_events import NO_STATUS, Batch, Bound, Envelope, Event, LeftBehind, Status
from toolkit.qbxml_fields import FieldProblem, Request
from toolkit.qbxml_requests import RequestSet, parse_requests
from toolkit.qbxml_write import build, field_problems

if TYPE_CHECKING:
    from toolkit import qbxml_read
else:
    qbxml_read = late("toolkit.qbxml_read")  # its arrays take pandas with them

__all__ = [
    "NO_STATUS",
    "Batch",
    "Bound",
    "Envelope",
    "Event",
    "FieldProblem",
    "LeftBehind",
    "Request",
    "RequestSet",
    "Status",
    "build",
    "field_problems",
    "parse",
    "parse_requests",
]


def parse(stream: BinaryIO, *, batch_rows: int = 10_000) -> Iterator[Event]:
    """Yield what a qbXML answer holds, as :func:`toolkit.qbxml_read.parse` does, which is loaded for it.

    Parameters
    ----------
    stream : binary file
        Anything with ``read(size)``; read once, from where it stands.
    batch_rows : int
        The most rows that a Batch holds.

    Raises
    ------
    QbxmlParseError
        The document is no qbXML answer, or only the first part of one.
    """
    return qbxml_read.parse(stream, batch_rows=batch_rows)
