"""The qbXML we speak: every request, response and Ret, element by element, and whether a document obeys it.

The facts are in ``qbxml_spec.tsv`` beside this module, made by ``scripts/make_qbxml_spec.py`` from the
qbXML 13.0 schema; this module reads them, a tree when it is first asked for. What judges documents by them
is in `toolkit.qbxml_particles` and `toolkit.qbxml_content`, and to be had from here.

Source: qbXML 13.0 schema (``qbxmlops130.xsd``), and the op templates of versions 2.0 to 13.0 for first
versions, US lengths and US presence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from toolkit.qbxml_content import ElementLike, problems, validate_content
from toolkit.qbxml_particles import Attribute, Particle, elements, value_problem, version_key

__all__ = [
    "REQUESTS",
    "Attribute",
    "ElementLike",
    "Model",
    "Particle",
    "attributes",
    "elements",
    "introduced",
    "model",
    "problems",
    "request",
    "response",
    "ret",
    "supports_iterator",
    "validate_content",
    "value_problem",
    "version_key",
]


_KINDS: dict[str, Literal["element", "choice", "sequence"]] = {
    "element": "element",
    "choice": "choice",
    "sequence": "sequence",
}


@cache
def _index() -> dict[str, list[list[str]]]:
    """Return the rows of each root, in the order of the file."""
    lines = Path(__file__).with_name("qbxml_spec.tsv").read_text(encoding="utf-8").splitlines()
    index: dict[str, list[list[str]]] = {}
    for line in lines[1:]:
        cells = line.split("\t")
        index.setdefault(cells[0], []).append(cells)
    return index


@cache
def _tree(root: str) -> Particle:
    rows = _index()[root]
    tree, end = _read(rows, 0)
    if end != len(rows):
        raise ValueError(f"qbxml_spec.tsv: {root} has more than one tree")
    return tree


def _read(rows: list[list[str]], at: int) -> tuple[Particle, int]:
    """Read the node at a row and all below it; return it and the row after."""
    _, depth, kind, name, type_, least, most, length, low, high, enum, default, since, us = rows[at]
    children: list[Particle] = []
    attributes: list[Attribute] = []
    at += 1
    while at < len(rows) and int(rows[at][1]) > int(depth):
        if rows[at][2] == "attribute":
            attributes.append(_attribute(rows[at]))
            at += 1
        else:
            child, at = _read(rows, at)
            children.append(child)
    if type_ == "ret":
        children, type_ = list(_tree(name).children), "aggregate"
    particle = Particle(
        kind=_KINDS[kind],
        name=name or None,
        type=type_ or None,
        min=int(least),
        max=None if most == "*" else int(most),
        max_length=int(length) if length else None,
        enum=tuple(enum.split("|")) if enum else (),
        since=since or "2.0",
        us=us != "no",
        children=tuple(children),
        low=int(low) if low else None,
        high=int(high) if high else None,
        default=default or None,
        attributes=tuple(attributes),
    )
    return particle, at


def _attribute(row: list[str]) -> Attribute:
    _, _, _, name, type_, least, _, _, _, _, enum, _, since, _ = row
    return Attribute(name, type_, least == "1", tuple(enum.split("|")) if enum else (), since)


REQUESTS: tuple[str, ...] = tuple(root.removesuffix("Rq") for root in _index() if root.endswith("Rq"))
"""The requests we speak, without ``Rq``."""


def _find(root: str, what: str, name: str, known: Iterable[str]) -> Particle:
    if root not in _index():
        raise KeyError(f"no {what} {name!r} in qbxml_spec.tsv; there are {', '.join(known)}")
    return _tree(root)


def request(name: str) -> Particle:
    """Return the content model of a request.

    Parameters
    ----------
    name
        A name of `REQUESTS`, such as ``"InvoiceAdd"``.

    Raises
    ------
    KeyError
        When it is not a request we speak.

    Examples
    --------
    >>> [child.name for child in elements(request("InvoiceAdd"))]
    ['InvoiceAdd', 'IncludeRetElement']

    Notes
    -----
    Source: qbXML 13.0 schema, ``<name>RqType``.
    """
    return _find(f"{name}Rq", "request", name, REQUESTS)


@dataclass(frozen=True, slots=True)
class Model:
    """The elements of one aggregate by name, in the order of the schema.

    Parameters
    ----------
    particle : Particle
        The aggregate.
    members : dict
        Name to the element and, where that is an aggregate too, its model.
    """

    particle: Particle
    members: dict[str, tuple[Particle, Model | None]]


@cache
def model(name: str) -> Model:
    """Return the elements of a request by name.

    Raises
    ------
    KeyError
        When it is not a request we speak.

    Examples
    --------
    >>> list(model("ListDel").members)
    ['ListDelType', 'ListID']
    """
    return _model(request(name))


def _model(particle: Particle) -> Model:
    below = ((child, _model(child) if child.type == "aggregate" else None) for child in elements(particle))
    return Model(particle, {str(child.name): (child, under) for child, under in below})


def response(name: str) -> Particle:
    """Return the content model of the response to a request.

    Parameters
    ----------
    name
        A name of `REQUESTS`, such as ``"InvoiceAdd"``.

    Raises
    ------
    KeyError
        When it is not a request we speak.

    Notes
    -----
    Source: qbXML 13.0 schema, ``<name>RsType``.
    """
    return _find(f"{name}Rs", "response to", name, REQUESTS)


@cache
def ret(tag: str) -> Particle:
    """Return the content model of an object that a response carries.

    Parameters
    ----------
    tag
        Name of the element, such as ``"InvoiceRet"``.

    Raises
    ------
    KeyError
        When no response we speak carries it directly.

    Notes
    -----
    Source: qbXML 13.0 schema, element ``<tag>``.
    """
    rets = [root for root in _index() if root.endswith("Ret")]
    return _find(tag if tag in rets else "", "object", tag, rets)


def attributes(name: str) -> tuple[str, ...]:
    """Return the names of the attributes that a request may carry.

    Examples
    --------
    >>> attributes("CustomerQuery")
    ('requestID', 'metaData', 'iterator', 'iteratorID')

    Notes
    -----
    Source: qbXML 13.0 schema, attributes of ``<name>RqType``.
    """
    return tuple(attribute.name for attribute in request(name).attributes)


def supports_iterator(name: str) -> bool:
    """Return whether a query can be answered in parts, with ``iterator`` and ``iteratorID``.

    Examples
    --------
    >>> supports_iterator("InvoiceQuery"), supports_iterator("AccountQuery")
    (True, False)

    Notes
    -----
    Source: qbXML 13.0 schema, attributes of ``<name>RqType``.
    """
    return "iterator" in attributes(name)


def introduced(name: str) -> str:
    """Return the first qbXML version that has a request; ``"2.0"`` where it is not known to be younger.

    Examples
    --------
    >>> introduced("InvoiceAdd"), introduced("ReceivePaymentMod")
    ('2.0', '6.0')

    Notes
    -----
    Source: op templates of qbXML 2.0 to 13.0.
    """
    return request(name).since
