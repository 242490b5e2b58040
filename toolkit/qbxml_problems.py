"""What keeps a request from being written: every value, name, place and version that does not fit.

Asked where `toolkit.qbxml_writers` finds that something does not fit; it alone says what and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from toolkit import qbxml_spec
from toolkit.qbxml_fields import (
    FieldProblem,
    Fields,
    Request,
    absent,
    is_pairs,
    occurrences,
    split,
    values_of,
)
from toolkit.qbxml_spec import Model
from toolkit.qbxml_text import text_problem
from toolkit.qbxml_values import write_value

__all__ = ["attribute_problems", "request_problems", "set_attributes"]

LONGEST_REQUEST_ID = 50


_version_key = cache(qbxml_spec.version_key)


def _younger(since: str, version: str) -> bool:
    return _version_key(since) > _version_key(version)


def request_problems(name: str, fields: Fields, version: str) -> list[FieldProblem]:
    """Return everything that is wrong with the fields of a request, in the order of the schema.

    >>> request_problems("ListDel", {"ListDelType": "Customer"}, "13.0")
    [FieldProblem(field='', value='', limit='missing at the end: expected ListID')]
    """
    if name not in qbxml_spec.REQUESTS:
        return [FieldProblem("", name, "is not a request we speak")]
    problems: list[FieldProblem] = []
    model = qbxml_spec.model(name)
    if _younger(model.particle.since, version):
        limit = f"needs qbXML {model.particle.since}, and {version} is spoken"
        problems.append(FieldProblem("", name, limit))
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
    elif values and _younger(particle.since, version):
        limit = f"needs qbXML {particle.since}, and {version} is spoken"
        problems.append(FieldProblem(path + name, _shown(value), limit))
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
    return "..." if isinstance(value, (Mapping, list, tuple)) else str(value)


# --- attributes ---------------------------------------------------------------------------------------------


def set_attributes(request: Request) -> dict[str, str]:
    """Return the attributes of a request that are given, by their name in qbXML."""
    given = {
        "requestID": request.request_id or None,
        "metaData": request.metadata,
        "iterator": request.iterator,
        "iteratorID": request.iterator_id,
    }
    return {name: value for name, value in given.items() if value is not None}


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
        attribute, limit = known.get(name), text_problem(value)
        if attribute is None:
            limit = "is not an attribute of this request"
        elif attribute.enum and value not in attribute.enum:
            limit = f"one of {', '.join(attribute.enum)}"
        elif _younger(attribute.since, version):
            limit = f"needs qbXML {attribute.since}, and {version} is spoken"
        elif name == "requestID" and len(value) > LONGEST_REQUEST_ID:
            limit = f"longer than {LONGEST_REQUEST_ID} characters: {len(value)}"
        if limit:
            problems.append(FieldProblem(f"@{name}", value, limit))
    fields = request.fields if isinstance(request.fields, Mapping) else dict(request.fields)
    if request.iterator_id and request.iterator not in ("Continue", "Stop"):
        problems.append(FieldProblem("@iteratorID", request.iterator_id, "belongs to Continue and Stop"))
    if request.iterator in ("Continue", "Stop") and not request.iterator_id:
        problems.append(FieldProblem("@iteratorID", "", f"is needed to {request.iterator}"))
    if request.iterator in ("Start", "Continue") and "MaxReturned" not in fields:
        problems.append(FieldProblem("MaxReturned", "", "is needed with an iterator"))
    return problems
