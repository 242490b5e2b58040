"""Requests to a qbXML document: order, form and limits of every value, checked before anything is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from toolkit import qbxml_spec
from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_spec import Particle
from toolkit.qbxml_text import text_problem
from toolkit.qbxml_values import write_value

__all__ = ["FieldProblem", "Request", "build", "field_problems"]

ON_ERROR = ("continueOnError", "stopOnError")  # QuickBooks desktop refuses the schema's rollbackOnError
CLEAR_ALL = "CLR-ALL-MSG-SETS"
LONGEST_REQUEST_ID = 50


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a message set.

    Parameters
    ----------
    name : str
        Without ``Rq``: ``InvoiceAdd``, ``CustomerQuery``.
    fields : mapping
        For an Add or Mod what stands in ``<InvoiceAdd>``, otherwise what stands in the request itself. An
        aggregate is a mapping, an element that repeats a list; values are ``str``, ``int``, ``bool``,
        ``Decimal``, ``date`` or ``datetime``. ``None`` leaves an element out, and so does a mapping of
        nothing but ``None``; ``""`` and ``{}`` write it empty (which clears a field in a Mod). The order does
        not matter.
    request_id : str
        Comes back with the answer; at most 50 characters, each once in a document.
    iterator : {"Start", "Continue", "Stop"}, optional
        For queries that :func:`toolkit.qbxml_spec.supports_iterator` names.
    iterator_id : str, optional
        As QuickBooks gave it; needed by Continue and Stop.
    metadata : str, optional
        The attribute ``metaData``, for example ``MetaDataAndResponseData``.
    """

    name: str
    fields: Mapping[str, Any]
    request_id: str = ""
    iterator: str | None = None
    iterator_id: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One value that does not fit its element.

    Parameters
    ----------
    field : str
        Path below the request, such as ``InvoiceLineAdd[2]/Amount``; empty for the request as a whole, and
        with an ``@`` for an attribute.
    value : str
        The value as given; empty where an element is missing or out of place.
    limit : str
        What is wrong with it, in terms of what the element takes.
    """

    field: str
    value: str
    limit: str


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
    major, minor = qbxml_spec.version_key(version)
    root = etree.Element("QBXML")
    ids = {"newMessageSetID": new_message_set_id, "oldMessageSetID": old_message_set_id}
    _require_set(requests, on_error, ids)
    given = {name: value for name, value in ids.items() if value is not None}
    messages = etree.SubElement(root, "QBXMLMsgsRq", {"onError": on_error, **given})
    for request in requests:
        _append_request(messages, request, version)
    prolog = f'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="{major}.{minor}"?>\n'
    body: bytes = etree.tostring(root, encoding="ascii", pretty_print=True, xml_declaration=False)
    return prolog.encode("ascii") + body


def field_problems(name: str, fields: Mapping[str, Any], *, version: str = "13.0") -> list[FieldProblem]:
    """Return everything that keeps a request from being written, in the order of the schema.

    Parameters
    ----------
    name : str
        Of the request, without ``Rq``.
    fields : mapping
        As in :class:`Request`.
    version : str
        qbXML version to speak.

    Examples
    --------
    >>> field_problems("CustomerAdd", {"Name": "x" * 42})
    [FieldProblem(field='Name', value='xxx...', limit='longer than 41 characters: 42')]
    """
    problems: list[FieldProblem] = []
    _request_content(name, fields, version, problems)
    return problems


# --- what an element takes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Model:
    """The elements of one aggregate by name, in the order of the schema."""

    particle: Particle
    members: dict[str, tuple[Particle, _Model | None]]
    judged: dict[
        tuple[str, ...], str | None
    ]  # rows of names seen before: judging one costs more than the rest

    def order_problem(self, names: tuple[str, ...]) -> str | None:
        """Return why these elements are not the content of the aggregate, or None."""
        if names not in self.judged:
            self.judged[names] = qbxml_spec.validate_content(self.particle, names)
        return self.judged[names]


def _model(particle: Particle) -> _Model:
    members = {
        str(child.name): (child, _model(child) if child.type == "aggregate" else None)
        for child in qbxml_spec.elements(particle)
    }
    return _Model(particle, members, {})


@cache
def _request_model(name: str) -> _Model:
    return _model(qbxml_spec.request(name))


# An element with its text, or with the elements below it.
_Content = list[tuple[str, Any]]


def _request_content(
    name: str, fields: Mapping[str, Any], version: str, problems: list[FieldProblem]
) -> _Content:
    """Return what stands in a request; what is wrong with it goes to ``problems``."""
    if name not in qbxml_spec.REQUESTS:
        problems.append(FieldProblem("", name, "is not a request we speak"))
        return []
    model = _request_model(name)
    if _younger(model.particle, version):
        problems.append(
            FieldProblem("", name, f"needs qbXML {model.particle.since}, and {version} is spoken")
        )
    inner = model.members.get(name)
    if inner is None or inner[1] is None:
        return _content(model, fields, "", version, problems)
    beside = {key: fields[key] for key in fields if key in model.members and key not in inner[1].members}
    within = {key: value for key, value in fields.items() if key not in beside}
    content: _Content = [(name, _content(inner[1], within, "", version, problems))]
    for key, value in beside.items():
        content += [] if _absent(value) else _member(model, key, value, "", version, problems)
    return content


def _younger(particle: Particle, version: str) -> bool:
    return _version_key(particle.since) > _version_key(version)


_version_key = cache(qbxml_spec.version_key)


def _content(
    model: _Model, fields: Mapping[str, Any], path: str, version: str, problems: list[FieldProblem]
) -> _Content:
    for name in fields:
        if name not in model.members:
            problems.append(
                FieldProblem(path + str(name), _shown(fields[name]), f"is unknown in {model.particle.name}")
            )
    content: _Content = []
    for name in model.members:
        if not _absent(fields.get(name)):
            content += _member(model, name, fields[name], path, version, problems)
    reason = model.order_problem(tuple(name for name, _ in content))
    if reason:
        problems.append(FieldProblem(path.removesuffix("/"), "", reason))
    return content


def _member(
    model: _Model, name: str, value: Any, path: str, version: str, problems: list[FieldProblem]
) -> _Content:
    """Return the elements that one field makes."""
    particle, below = model.members[name]
    if not particle.us:
        problems.append(FieldProblem(path + name, _shown(value), "is not in the US edition of QuickBooks"))
    elif _younger(particle, version):
        limit = f"needs qbXML {particle.since}, and {version} is spoken"
        problems.append(FieldProblem(path + name, _shown(value), limit))
    values = [one for one in value if not _absent(one)] if isinstance(value, (list, tuple)) else [value]
    content: _Content = []
    for number, one in enumerate(values, 1):
        here = f"{path}{name}[{number}]" if len(values) > 1 else path + name
        if below is not None:
            if isinstance(one, Mapping):
                content.append((name, _content(below, one, f"{here}/", version, problems)))
            else:
                problems.append(FieldProblem(here, _shown(one), "takes elements, not a value"))
                content.append((name, []))
            continue
        try:
            text = write_value(particle, one)
        except ValueError as error:
            problems.append(FieldProblem(here, _shown(one), str(error)))
            text = ""
        content.append((name, text))
    return content


def _absent(value: Any) -> bool:
    """Return whether a field is left out; an aggregate of nothing but None must not clear what is there."""
    if isinstance(value, Mapping):
        return bool(value) and all(_absent(one) for one in value.values())
    return value is None


def _shown(value: Any) -> str:
    return "..." if isinstance(value, (Mapping, list, tuple)) else str(value)


# --- the document -------------------------------------------------------------------------------------------


def _require_set(requests: Sequence[Request], on_error: str, ids: Mapping[str, str | None]) -> None:
    """Raise where the message set as a whole is not one that QuickBooks takes."""
    if on_error not in ON_ERROR:
        raise QbxmlBuildError("QBXMLMsgsRq", "@onError", on_error, f"one of {', '.join(ON_ERROR)}")
    for name, given in ids.items():
        fits = given is None or re.fullmatch("[A-Za-z0-9]{1,24}", given)
        if not fits and (name, given) != ("oldMessageSetID", CLEAR_ALL):
            raise QbxmlBuildError("QBXMLMsgsRq", f"@{name}", str(given), "takes 1 to 24 letters and digits")
    named = Counter(request.request_id for request in requests if request.request_id)
    for request in requests:
        if named[request.request_id] > 1:
            limit = "is given twice in one document"
            raise QbxmlBuildError(request.name, "@requestID", request.request_id, limit)


def _append_request(messages: etree._Element, request: Request, version: str) -> None:
    problems: list[FieldProblem] = []
    content = _request_content(request.name, request.fields, version, problems)
    given = {
        "requestID": request.request_id or None,
        "metaData": request.metadata,
        "iterator": request.iterator,
        "iteratorID": request.iterator_id,
    }
    attributes = {name: value for name, value in given.items() if value is not None}
    problems += _attribute_problems(request, attributes, version)
    if problems:
        first = problems[0]
        raise QbxmlBuildError(request.name, first.field, first.value, first.limit)
    _append(etree.SubElement(messages, f"{request.name}Rq", attributes), content)


def _attribute_problems(request: Request, given: Mapping[str, str], version: str) -> list[FieldProblem]:
    if request.name not in qbxml_spec.REQUESTS:
        return []
    known = {attribute.name: attribute for attribute in qbxml_spec.request(request.name).attributes}
    problems = []
    for name, value in given.items():
        attribute, limit = known.get(name), text_problem(value)
        if attribute is None:
            limit = "is not an attribute of this request"
        elif attribute.enum and value not in attribute.enum:
            limit = f"one of {', '.join(attribute.enum)}"
        elif _version_key(attribute.since) > _version_key(version):
            limit = f"needs qbXML {attribute.since}, and {version} is spoken"
        elif name == "requestID" and len(value) > LONGEST_REQUEST_ID:
            limit = f"longer than {LONGEST_REQUEST_ID} characters: {len(value)}"
        if limit:
            problems.append(FieldProblem(f"@{name}", value, limit))
    if request.iterator_id and request.iterator not in ("Continue", "Stop"):
        problems.append(FieldProblem("@iteratorID", request.iterator_id, "belongs to Continue and Stop"))
    if request.iterator in ("Continue", "Stop") and not request.iterator_id:
        problems.append(FieldProblem("@iteratorID", "", f"is needed to {request.iterator}"))
    if request.iterator in ("Start", "Continue") and "MaxReturned" not in request.fields:
        problems.append(FieldProblem("MaxReturned", "", "is needed with an iterator"))
    return problems


def _append(parent: etree._Element, content: _Content) -> None:
    for name, value in content:
        element = etree.SubElement(parent, name)
        if isinstance(value, str):
            element.text = value
        else:
            _append(element, value)
