"""Requests to a qbXML document: order, form and limits of every value, checked before anything is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import NoReturn

from toolkit import qbxml_spec
from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_encoders import escaped
from toolkit.qbxml_fields import FieldProblem, Fields, Request
from toolkit.qbxml_problems import attribute_problems, request_problems, set_attributes
from toolkit.qbxml_writers import UNFIT, writer

__all__ = ["FieldProblem", "Request", "build", "field_problems"]

ON_ERROR = ("continueOnError", "stopOnError")  # QuickBooks desktop refuses the schema's rollbackOnError
CLEAR_ALL = "CLR-ALL-MSG-SETS"
FIRST = (2, 0)  # version of which every request has a requestID
# A requestID that is written as it stands.
_PLAIN_ID = re.compile("[ !#-%'-;=?-~]{1,50}")


def build(
    requests: Sequence[Request],
    *,
    version: str = "13.0",
    on_error: str = "continueOnError",
    new_message_set_id: str | None = None,
    old_message_set_id: str | None = None,
) -> bytes:
    """Return requests as one qbXML document in pure ASCII, elements in the order of the schema.

    Parameters
    ----------
    requests : sequence of Request
        In the order in which QuickBooks is to run them; none for a set that only asks for or clears a state.
    version : str
        qbXML version to speak; what is younger is refused.
    on_error : {"continueOnError", "stopOnError"}
        What QuickBooks does after a request that fails.
    new_message_set_id : str, optional
        Under which QuickBooks keeps the answer: up to 24 letters and digits.
    old_message_set_id : str, optional
        Whose kept answer is asked for or cleared.

    Raises
    ------
    QbxmlBuildError
        A value does not fit its element; nothing is cut, rounded or transliterated.
    ValueError
        ``version`` is not a version.

    Notes
    -----
    Source: qbXML 13.0 schema; QBSDK, error recovery (24 characters, 9004).

    Examples
    --------
    >>> customer = Request("CustomerAdd", {"IsActive": True, "Name": "Søn"}, request_id="1")
    >>> print(build([customer]).decode().splitlines()[6])
            <Name>S&#248;n</Name>
    """
    spoken = major, minor = qbxml_spec.version_key(version)
    ids = {"newMessageSetID": new_message_set_id, "oldMessageSetID": old_message_set_id}
    _require_set(requests, on_error, ids)
    given = "".join(f' {name}="{value}"' for name, value in ids.items() if value is not None)
    document = BytesIO()  # gives its bytes away without a copy
    document.write(
        f'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="{major}.{minor}"?>\n'
        f'<QBXML>\n  <QBXMLMsgsRq onError="{on_error}"{given}{"" if requests else "/"}>'.encode("ascii")
    )
    for request in requests:
        document.write(_request(request, version, spoken).encode("ascii", "xmlcharrefreplace"))
    document.write(b"\n  </QBXMLMsgsRq>\n</QBXML>\n" if requests else b"\n</QBXML>\n")
    return document.getvalue()


def field_problems(name: str, fields: Fields, *, version: str = "13.0") -> list[FieldProblem]:
    """Return everything that keeps a request from being written, in the order of the schema.

    Parameters
    ----------
    name : str
        Of the request, without ``Rq``.
    fields : mapping or sequence of pairs
        As in :class:`Request`.
    version : str
        qbXML version to speak.

    Examples
    --------
    >>> field_problems("CustomerAdd", {"Name": "x" * 42})
    [FieldProblem(field='Name', value='xxx...', limit='longer than 41 characters: 42')]
    """
    try:
        writer(name, qbxml_spec.version_key(version)).content(fields)
    except (*UNFIT, KeyError):
        return request_problems(name, fields, version)
    return []


def _require_set(requests: Sequence[Request], on_error: str, ids: Mapping[str, str | None]) -> None:
    """Raise where the message set as a whole is not one that QuickBooks takes."""
    if on_error not in ON_ERROR:
        raise QbxmlBuildError("QBXMLMsgsRq", "@onError", on_error, f"one of {', '.join(ON_ERROR)}")
    for name, given in ids.items():
        fits = given is None or re.fullmatch("[A-Za-z0-9]{1,24}", given)
        if not fits and (name, given) != ("oldMessageSetID", CLEAR_ALL):
            raise QbxmlBuildError("QBXMLMsgsRq", f"@{name}", str(given), "takes 1 to 24 letters and digits")
    named = [request.request_id for request in requests if request.request_id]
    if len(set(named)) < len(named):
        twice = {name for name, count in Counter(named).items() if count > 1}
        request = next(request for request in requests if request.request_id in twice)
        limit = "is given twice in one document"
        raise QbxmlBuildError(request.name, "@requestID", request.request_id, limit)


def _request(request: Request, version: str, spoken: tuple[int, int]) -> str:
    """Return one request as it stands in the document."""
    try:
        content = writer(request.name, spoken).content(request.fields)
    except (*UNFIT, KeyError):
        _refuse(request, version)
    tag = f"{request.name}Rq"
    head = f"\n    <{tag}{_attributes(request, version, spoken)}"
    return f"{head}>{content}\n    </{tag}>" if content else f"{head}/>"


def _attributes(request: Request, version: str, spoken: tuple[int, int]) -> str:
    if request.iterator is request.iterator_id is request.metadata is None:
        if not request.request_id:
            return ""
        if _PLAIN_ID.fullmatch(request.request_id) and spoken >= FIRST:
            return f' requestID="{request.request_id}"'
    if attribute_problems(request, version):
        _refuse(request, version)
    return "".join(f' {name}="{_quoted(value)}"' for name, value in set_attributes(request).items())


def _quoted(text: str) -> str:
    """Return a text as it stands in an attribute."""
    text = escaped(text).replace('"', "&quot;")
    return text.replace("\n", "&#10;").replace("\t", "&#9;")


def _refuse(request: Request, version: str) -> NoReturn:
    """Raise for the first thing that is wrong with a request."""
    problems = request_problems(request.name, request.fields, version)
    problems += attribute_problems(request, version)
    if not problems:
        raise AssertionError(f"{request.name} cannot be written, and nothing is wrong with it")
    first = problems[0]
    raise QbxmlBuildError(request.name, first.field, first.value, first.limit)
