"""Requests to a qbXML document: order, form and limits of every value, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import NoReturn

from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_encoders import escaped
from toolkit.qbxml_fields import FieldProblem, Fields, Request, text_of
from toolkit.qbxml_problems import (
    attribute_problems,
    request_problems,
    set_attributes,
    set_problem,
    spoken,
)
from toolkit.qbxml_writers import UNFIT, writer

__all__ = ["FieldProblem", "Request", "build", "field_problems"]

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
        ``version`` is not a version, or is one that we do not speak: 2.0 is the oldest, 13.0 the newest.

    Notes
    -----
    Source: qbXML 13.0 schema; QBSDK, error recovery (24 characters, 9004).

    Examples
    --------
    >>> customer = Request("CustomerAdd", {"IsActive": True, "Name": "Søn"}, request_id="1")
    >>> print(build([customer]).decode().splitlines()[6])
            <Name>S&#248;n</Name>
    """
    key = major, minor = spoken(version)
    ids = {"newMessageSetID": new_message_set_id, "oldMessageSetID": old_message_set_id}
    if found := set_problem(requests, on_error, ids):
        raise QbxmlBuildError(found[0], found[1].field, found[1].value, found[1].limit)
    given = {"onError": on_error} | {name: value for name, value in ids.items() if value is not None}
    attributes = "".join(f' {name}="{str.__str__(value)}"' for name, value in given.items())
    document = BytesIO()  # gives its bytes away without a copy
    document.write(
        f'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="{major}.{minor}"?>\n'
        f"<QBXML>\n  <QBXMLMsgsRq{attributes}{'' if requests else '/'}>".encode("ascii")
    )
    for request in requests:
        document.write(_request(request, version, key).encode("ascii", "xmlcharrefreplace"))
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

    Raises
    ------
    ValueError
        ``version`` is not one that we speak.

    Examples
    --------
    >>> field_problems("CustomerAdd", {"Name": "x" * 42})
    [FieldProblem(field='Name', value='xxx...', limit='longer than 41 characters: 42')]
    """
    key = spoken(version)
    name = text_of(name)
    try:
        writer(name, key).content(fields)
    except (*UNFIT, KeyError):
        return request_problems(name, fields, version)
    return []


def _request(request: Request, version: str, key: tuple[int, int]) -> str:
    """Return one request as it stands in the document."""
    if type(request.name) is not str:  # a member of an enumeration
        request = replace(request, name=text_of(request.name))
    try:
        writes = writer(request.name, key)
        content = writes.content(request.fields)
    except (*UNFIT, KeyError):
        _refuse(request, version)
    tag = writes.tag
    head = f"\n    <{tag}{_attributes(request, version)}"
    return f"{head}>{content}\n    </{tag}>" if content else f"{head}/>"


def _attributes(request: Request, version: str) -> str:
    if request.iterator is request.iterator_id is request.metadata is None:
        if not request.request_id:
            return ""
        if type(request.request_id) is str and _PLAIN_ID.fullmatch(request.request_id):
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
