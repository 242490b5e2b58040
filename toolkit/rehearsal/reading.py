"""Read a qbXML document as QuickBooks does: strictly, and refuse it whole where one thing is wrong.

This is a second reading, independent of the code that builds our documents: it shares nothing with it but
the declarations of ``qbxml_spec``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from toolkit import qbxml_spec
from toolkit.errors import RequestRefused
from toolkit.qbxml_spec import Particle

PARSE_ERROR = "0x80040400"
PARSE_MESSAGE = "QuickBooks found an error when parsing the provided XML text stream."
VERSION_ERROR = "0x80040423"
VERSION_MESSAGE = "The version of qbXML that was requested is not supported or is unknown."
ROLLBACK_ERROR = "0x80040413"
ROLLBACK_MESSAGE = 'QuickBooks does not support the "rollbackOnError" value of the onError attribute.'

_OLD_VERSIONS = ("1.0", "1.1", "2.0", "2.1", "3.0", "4.0", "4.1")
VERSIONS = (*_OLD_VERSIONS, *(f"{major}.0" for major in range(5, 14)))
"""The qbXML versions that the simulated QuickBooks supports."""

_SET_ATTRIBUTES = {
    "onError": ("stopOnError", "continueOnError", "rollbackOnError"),
    "responseData": ("includeAll", "includeNone"),
    "newMessageSetID": (),
    "oldMessageSetID": (),
}
_BLANKS = " \t\r\n"
# qbxml_spec.value_problem words a too long string so: the one problem that is a status (3070), not a refusal.
_TOO_LONG = "longer than "


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request of a message set.

    Attributes
    ----------
    name
        Without ``Rq``: ``"InvoiceAdd"``.
    attributes
        ``requestID``, ``iterator``, ...
    values
        The content as typed values by element name; a list where an element may repeat; None where an
        element is present but empty. ``"*"`` holds the elements of a repeated choice in document order.
    too_long
        Path of the first string that is too long, or None.
    """

    name: str
    attributes: dict[str, str]
    values: dict[str, Any]
    too_long: str | None = None
    macro: bool = False


@dataclass(frozen=True, slots=True)
class MessageSet:
    """One document: its requests and how to run them."""

    version: str
    stop_on_error: bool
    include_data: bool
    new_id: str | None
    old_id: str | None
    requests: list[Incoming] = field(default_factory=list)


def refused(reason: str) -> RequestRefused:
    """Return the refusal of a document that breaks the schema; ``reason`` is for people."""
    return RequestRefused(PARSE_ERROR, PARSE_MESSAGE, reason)


def read(document: str) -> MessageSet:
    """Return the message set that a document holds.

    Parameters
    ----------
    document
        The text as the Web Connector hands it over: the encoding it declares means nothing.

    Raises
    ------
    RequestRefused
        Anything that is not a valid message set of a supported version.

    Notes
    -----
    Source: qbXML 13.0 schema; Web Connector guide; tests of the code page by users of other connectors.
    """
    _check_characters(document)
    root = _parse(document)
    version = _version(root)
    if root.tag != "QBXML" or root.attrib:
        raise refused(f"the root is {root.tag}, not a bare QBXML")
    children = _children(root)
    if len(children) != 1 or children[0].tag != "QBXMLMsgsRq":
        raise refused("QBXML must hold one QBXMLMsgsRq and nothing else")
    envelope = children[0]
    attributes = _set_attributes(envelope)
    requests = [_request(element, version) for element in _children(envelope)]
    return MessageSet(
        version,
        attributes["onError"] == "stopOnError",
        attributes.get("responseData") != "includeNone",
        attributes.get("newMessageSetID"),
        attributes.get("oldMessageSetID"),
        requests,
    )


def _check_characters(document: str) -> None:
    """Refuse raw characters that QuickBooks' code page lacks; as references they pass, and become ``?``."""
    try:
        document.encode("cp1252")
    except UnicodeEncodeError as error:
        raise refused(f"raw character U+{ord(document[error.start]):04X} is not in Windows-1252") from error


def _parse(document: str) -> etree._Element:
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(document.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise refused(f"not well-formed: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise refused("a DTD is not allowed")
    return root


def _version(root: etree._Element) -> str:
    for node in root.itersiblings(preceding=True):
        if isinstance(node, etree._ProcessingInstruction) and node.target == "qbxml":
            match = re.fullmatch(r"""\s*version\s*=\s*(["'])(.*)\1\s*""", node.text or "")
            if match is None:
                raise refused("the qbxml instruction has no version")
            if match[2] not in VERSIONS:
                raise RequestRefused(VERSION_ERROR, VERSION_MESSAGE, f"version {match[2]}")
            return match[2]
    raise refused('no <?qbxml version="..."?> before the root')


def _children(element: etree._Element) -> list[etree._Element]:
    """Return the child elements, and refuse text beside them."""
    nodes = list(element)
    text = (element.text or "") + "".join(node.tail or "" for node in nodes)
    if text.strip(_BLANKS):
        raise refused(f"text between the elements of {element.tag}")
    return list(element.iterchildren("*"))


def _set_attributes(envelope: etree._Element) -> dict[str, str]:
    attributes = {str(name): str(value) for name, value in envelope.attrib.items()}
    for name, value in attributes.items():
        if name not in _SET_ATTRIBUTES or (_SET_ATTRIBUTES[name] and value not in _SET_ATTRIBUTES[name]):
            raise refused(f"QBXMLMsgsRq/@{name} = {value!r}")
    if "onError" not in attributes:
        raise refused("QBXMLMsgsRq/@onError is missing")
    if attributes["onError"] == "rollbackOnError":
        raise RequestRefused(ROLLBACK_ERROR, ROLLBACK_MESSAGE)
    return attributes


def _request(element: etree._Element, version: str) -> Incoming:
    name = str(element.tag).removesuffix("Rq")
    if element.tag == name or name not in qbxml_spec.REQUESTS:
        raise refused(f"unknown request {element.tag}")
    particle = qbxml_spec.request(name)
    too_long = None
    for path, reason in qbxml_spec.problems(particle, element, version=version):
        if not reason.startswith(_TOO_LONG):
            raise refused(f"{path} {reason}")
        too_long = too_long or path
    macro = any("defMacro" in node.attrib or "useMacro" in node.attrib for node in element.iter())
    attributes = {str(key): str(value) for key, value in element.attrib.items()}
    return Incoming(name, attributes, _values(particle, element), too_long, macro)


def _repeatable(particle: Particle) -> Iterator[str]:
    """Yield the names below an aggregate that may stand more than once."""
    for child in particle.children:
        many = child.max is None or child.max > 1
        if child.kind == "element":
            if many and child.name:
                yield child.name
        elif many:
            yield from (below.name for below in qbxml_spec.elements(child) if below.name)
        else:
            yield from _repeatable(child)


def _values(particle: Particle, element: etree._Element) -> dict[str, Any]:
    known = {child.name: child for child in qbxml_spec.elements(particle)}
    repeated = set(_repeatable(particle))
    found: dict[str, Any] = {}
    for node in element.iterchildren("*"):
        name = str(node.tag)
        value = _value(known[name], node)
        if name in repeated:
            found.setdefault(name, []).append(value)
            found.setdefault("*", []).append((name, value))
        else:
            found[name] = value
    return found


def _value(particle: Particle, element: etree._Element) -> Any:
    if particle.type == "aggregate":
        return _values(particle, element)
    text = (element.text or "") + "".join(node.tail or "" for node in element)
    match particle.type:
        case "AMTTYPE" | "PRICETYPE" | "QUANTYPE" | "PERCENTTYPE" | "FLOATTYPE":
            return Decimal(text.strip()) if text.strip() else None
        case "BOOLTYPE":
            return text.strip() in ("true", "1") if text.strip() else None
        case "INTTYPE":
            return int(text)
        case "DATETYPE":
            return date.fromisoformat(text.strip()[:10]) if text.strip() else None
        case "DATETIMETYPE":
            return wall_clock(text) if text.strip() else None
        case _:
            # QuickBooks stores one byte a character: what its code page lacks becomes a question mark.
            return text.encode("cp1252", "replace").decode("cp1252") or None


def wall_clock(text: str) -> datetime | date:
    """Return a qbXML date and time without its offset; a date where it has no time.

    Raises
    ------
    RequestRefused
        A day or an hour that does not exist.
    """
    match = re.match(r"(\d+)-(\d+)-(\d+)(?:T(\d+)(?::(\d+))?(?::(\d+))?)?", text.strip())
    if match is None:
        raise refused(f"no date and time: {text}")
    numbers = [int(part or 0) for part in match.groups()]
    try:
        return date(*numbers[:3]) if match[4] is None else datetime(*numbers)  # type: ignore[arg-type]
    except ValueError as error:
        raise refused(f"no date and time: {text}") from error
