"""What keeps a request from being written: every value, name, place and version that does not fit.

Asked where `toolkit.qbxml_writers` finds that something does not fit; it alone says what and why.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from toolkit import qbxml_spec
from toolkit.qbxml_fields import (
    FieldProblem,
    Fields,
    Request,
    absent,
    is_fields,
    is_pairs,
    occurrences,
    split,
    text_of,
    values_of,
)
from toolkit.qbxml_spec import Model
from toolkit.qbxml_text import text_problem
from toolkit.qbxml_values import write_value

__all__ = [
    "attribute_problems",
    "is_no_request",
    "request_problems",
    "set_attributes",
    "set_problem",
    "spoken",
]

OLDEST, NEWEST = (2, 0), (13, 0)
"""Versions of qbXML that the spec knows: before the first there is no requestID."""

LONGEST_REQUEST_ID = 50
ON_ERROR = ("continueOnError", "stopOnError")  # QuickBooks desktop refuses the schema's rollbackOnError
CLEAR_ALL = "CLR-ALL-MSG-SETS"


@cache
def spoken(version: str) -> tuple[int, int]:
    """Return a version that we speak as numbers.

    Raises
    ------
    ValueError
        It is not a version, or one that the spec does not know.

    Examples
    --------
    >>> spoken("8.0")
    (8, 0)
    """
    key = qbxml_spec.version_key(version)
    if key > NEWEST:
        raise ValueError(f"qbXML {version}: 13.0 is the newest that is spoken")
    if key < OLDEST:
        raise ValueError(f"qbXML {version} is not spoken: that needs qbXML 2.0 at least")
    return key


_version_key = cache(qbxml_spec.version_key)


def _too_young(since: str, version: str) -> str | None:
    """Return what is said of a thing that the version lacks."""
    younger = _version_key(since) > _version_key(version)
    return f"needs qbXML {since}, and {version} is spoken" if younger else None


def is_no_request(name: object) -> str:
    """Return what is said of a request that the spec lacks, with the one that may be meant.

    >>> is_no_request("CustomerAd"), is_no_request("Zebra")
    ('is not a request we speak; did you mean CustomerAdd?', 'is not a request we speak')
    """
    near = difflib.get_close_matches(str(name), qbxml_spec.REQUESTS, 1, 0.8)
    return "is not a request we speak" + (f"; did you mean {near[0]}?" if near else "")


def request_problems(name: str, fields: Fields, version: str) -> list[FieldProblem]:
    """Return everything that is wrong with the fields of a request, in the order of the schema.

    >>> request_problems("ListDel", {"ListDelType": "Customer"}, "13.0")
    [FieldProblem(field='', value='', limit='missing at the end: expected ListID')]
    """
    if name not in qbxml_spec.REQUESTS:
        return [FieldProblem("", _shown(name), is_no_request(name))]
    problems: list[FieldProblem] = []
    model = qbxml_spec.model(name)
    if limit := _too_young(model.particle.since, version):
        problems.append(FieldProblem("", _shown(name), limit))
    if not is_fields(fields):
        return [*problems, FieldProblem("", _shown(fields), "takes a mapping, or pairs of name and value")]
    inner = model.members.get(name)
    if inner is None or inner[1] is None:
        _content(model, fields, "", version, problems)
        return problems
    within, beside = split(fields, model.members, inner[1].members)
    _content(inner[1], within, "", version, problems)
    for key, value in beside:
        if not absent(value):
            _member(model, key, value, "", version, problems)
    return problems


def _content(model: Model, fields: Fields, path: str, version: str, problems: list[FieldProblem]) -> None:
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        if name not in model.members:
            limit = f"is unknown in {model.particle.name}"
            problems.append(FieldProblem(path + str(name), _shown(value), limit))
    found = list(occurrences(fields, model.members))
    names = [name for name, value in found for _ in values_of(value)]
    counts, seen = Counter(names), Counter[str]()
    for name, value in found:
        _member(model, name, value, path, version, problems, seen[name], counts[name])
        seen[name] += len(values_of(value))
    reason = qbxml_spec.validate_content(model.particle, names)
    if reason:
        problems.append(FieldProblem(path.removesuffix("/"), "", reason))


def _member(
    model: Model,
    name: str,
    value: Any,
    path: str,
    version: str,
    problems: list[FieldProblem],
    before: int = 0,
    count: int = 0,
) -> None:
    """Judge what one field holds; its name stands ``count`` times in the aggregate, some before this."""
    particle, below = model.members[name]
    values = values_of(value)
    count = count or len(values)
    if values and not particle.us:
        limit = "is not in the US edition of QuickBooks"
        problems.append(FieldProblem(path + name, _shown(value), limit))
    elif values and (younger := _too_young(particle.since, version)):
        problems.append(FieldProblem(path + name, _shown(value), younger))
    for number, one in enumerate(values, before + 1):
        here = f"{path}{name}[{number}]" if count > 1 else path + name
        if below is None:
            try:
                write_value(particle, one)
            except ValueError as error:
                problems.append(FieldProblem(here, _shown(one), str(error)))
        elif isinstance(one, Mapping) or is_pairs(one):
            _content(below, one, f"{here}/", version, problems)
        else:
            problems.append(FieldProblem(here, _shown(one), "takes elements, not a value"))


def _shown(value: Any) -> str:
    return "..." if isinstance(value, (Mapping, list, tuple)) else str(text_of(value))


# --- attributes ---------------------------------------------------------------------------------------------


def set_attributes(request: Request) -> dict[str, Any]:
    """Return the attributes of a request that are given, by their name in qbXML; a text as such."""
    given = {
        "requestID": request.request_id or None,
        "metaData": request.metadata,
        "iterator": request.iterator,
        "iteratorID": request.iterator_id,
    }
    return {name: text_of(value) for name, value in given.items() if value is not None}


def attribute_problems(request: Request, version: str) -> list[FieldProblem]:
    """Return what is wrong with the attributes of a request.

    >>> attribute_problems(Request("AccountQuery", {}, iterator="Start"), "13.0")[0].limit
    'is not an attribute of this request'
    """
    if request.name not in qbxml_spec.REQUESTS:
        return []
    known = {attribute.name: attribute for attribute in qbxml_spec.request(request.name).attributes}
    problems = []
    for name, value in set_attributes(request).items():
        if not isinstance(value, str):
            kind = f"takes a text, not {type(value).__name__}"
            problems.append(FieldProblem(f"@{name}", _shown(value), kind))
            continue
        attribute = known.get(name)
        limit = text_problem(value)
        if attribute is None:
            limit = "is not an attribute of this request"
        elif attribute.enum and value not in attribute.enum:
            limit = f"one of {', '.join(attribute.enum)}"
        elif younger := _too_young(attribute.since, version):
            limit = younger
        elif name == "requestID" and len(value) > LONGEST_REQUEST_ID:
            limit = f"longer than {LONGEST_REQUEST_ID} characters: {len(value)}"
        if limit:
            problems.append(FieldProblem(f"@{name}", value, limit))
    return problems + _iterator_problems(request)


def _iterator_problems(request: Request) -> list[FieldProblem]:
    """Return what is wrong with an iterator and what belongs to it."""
    problems = []
    iterator, iterator_id = request.iterator, request.iterator_id
    if iterator_id is not None and iterator not in ("Continue", "Stop"):
        problems.append(FieldProblem("@iteratorID", _shown(iterator_id), "belongs to Continue and Stop"))
    if iterator in ("Continue", "Stop") and not iterator_id:
        problems.append(FieldProblem("@iteratorID", "", f"is needed to {_shown(iterator)}"))
    if iterator in ("Start", "Continue") and not _has(request.fields, "MaxReturned"):
        problems.append(FieldProblem("MaxReturned", "", "is needed with an iterator"))
    return problems


def _has(fields: Fields, name: str) -> bool:
    """Return whether an element is there, and not left out by a None."""
    if not is_fields(fields):
        return False
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return any(key == name and not absent(one) for key, value in pairs for one in values_of(value))


# --- the set ------------------------------------------------------------------------------------------------


def set_problem(
    requests: Sequence[Request], on_error: str, ids: Mapping[str, Any]
) -> tuple[str, FieldProblem] | None:
    """Return why QuickBooks does not take a message set as a whole, with the element; None where it does.

    Parameters
    ----------
    requests : sequence of Request
        All of it.
    on_error : str
        The attribute ``onError``.
    ids : mapping
        The attributes ``newMessageSetID`` and ``oldMessageSetID``.

    Notes
    -----
    Source: QBSDK, error recovery (24 characters, 9004).

    Examples
    --------
    >>> set_problem([], "rollbackOnError", {})[1].limit
    'one of continueOnError, stopOnError'
    """
    if on_error not in ON_ERROR:
        limit = f"one of {', '.join(ON_ERROR)}"
        return "QBXMLMsgsRq", FieldProblem("@onError", _shown(on_error), limit)
    for name, given in ids.items():
        fits = given is None or (isinstance(given, str) and re.fullmatch("[A-Za-z0-9]{1,24}", given))
        if not fits and (name, given) != ("oldMessageSetID", CLEAR_ALL):
            limit = "takes 1 to 24 letters and digits"
            return "QBXMLMsgsRq", FieldProblem(f"@{name}", _shown(given), limit)
    seen: set[Any] = set()
    for request in requests:
        request_id: Any = request.request_id
        if request_id and isinstance(request_id, str):
            if request_id in seen:
                limit = "is given twice in one document"
                return request.name, FieldProblem("@requestID", _shown(request_id), limit)
            seen.add(request_id)
    return None
