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

from toolkit.qbxml_events import NO_STATUS, Batch, Bound, Envelope, Event, LeftBehind, Status
from toolkit.qbxml_fields import FieldProblem, Request
from toolkit.qbxml_read import parse
from toolkit.qbxml_requests import RequestSet, parse_requests
from toolkit.qbxml_write import build, field_problems

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
