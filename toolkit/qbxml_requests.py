"""A document of requests read back: what `toolkit.qbxml_write.build` wrote, or what others did.

Strict, for it reads what is to be sent: what the spec does not allow, what a
:class:`~toolkit.qbxml_fields.Request` cannot hold, and what we would not write is an error and not passed
over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from toolkit import qbxml_spec
from toolkit.errors import QbxmlParseError
from toolkit.qbxml_fields import Fields, Request
from toolkit.qbxml_particles import short
from toolkit.qbxml_problems import attribute_problems, is_no_request, set_problem, spoken
from toolkit.qbxml_spec import Model, Particle
from toolkit.qbxml_values import write_value
from toolkit.qbxml_write import field_problems

__all__ = ["RequestSet", "parse_requests"]

ATTRIBUTES = {
    "requestID": "request_id",
    "metaData": "metadata",
    "iterator": "iterator",
    "iteratorID": "iterator_id",
}
_SET_ATTRIBUTES = {"onError", "newMessageSetID", "oldMessageSetID"}
_NUMBERS = frozenset({"AMTTYPE", "PRICETYPE", "QUANTYPE", "PERCENTTYPE", "FLOATTYPE"})


@dataclass(frozen=True, slots=True)
class RequestSet:
    """One document of requests.

    Parameters
    ----------
    version : str
        Of qbXML, as the document says.
    on_error : str
        What QuickBooks does after a request that fails.
    requests : list of Request
        In the order of the document; values are ``Decimal``, ``int``, ``bool``, ``date``, ``datetime`` or
        ``str`` by the type of their element.
    new_message_set_id, old_message_set_id : str, optional
        Of error recovery.
    """

    version: str
    on_error: str
    requests: list[Request]
    new_message_set_id: str | None = None
    old_message_set_id: str | None = None


def parse_requests(document: bytes) -> RequestSet:
    """Return the requests of a document, which can be written again and then say the same.

    What `build` wrote is written again byte for byte. In what others wrote, three things become ours: the
    layout, the form of numbers (``5``, ``+5.00`` and ``005.00`` are the amount ``5.00``), and that of letters
    with marks (composed). All other values are as they were: a value is a text where the typed one would be
    written otherwise (``1`` for true, a date with an offset), an aggregate a list of pairs where the schema's
    order would not give its elements back, else a dict.

    Parameters
    ----------
    document : bytes
        A whole document with ``<QBXMLMsgsRq>``.

    Raises
    ------
    QbxmlParseError
        It is no XML, declares a document type, is no document of requests, has a request that we do not
        speak, breaks the spec at the version it names, has what a Request does not hold (``defMacro``,
        ``responseData``), or is refused by `build`: a character that QuickBooks does not store, a number of
        too many decimals, one requestID twice, ``rollbackOnError``.

    Notes
    -----
    Source: qbXML 13.0 schema, ``QBXMLMsgsRq``.

    Examples
    --------
    >>> from toolkit.qbxml_write import build
    >>> written = [Request("ListDel", {"ListDelType": "Customer", "ListID": "80-1"}, request_id="1")]
    >>> parse_requests(build(written)).requests == written
    True
    """
    root = _root(document)
    version = _version(root)
    messages = _messages(root)
    unknown = set(messages.attrib) - _SET_ATTRIBUTES
    if unknown:
        raise _error(f"QBXMLMsgsRq has {min(map(str, unknown))}, which is not read", messages)
    if messages.get("onError") is None:
        raise _error("QBXMLMsgsRq has no onError", messages)
    requests = [_request(element, version) for element in messages.iterchildren("*")]
    read = RequestSet(
        version,
        str(messages.get("onError")),
        requests,
        messages.get("newMessageSetID"),
        messages.get("oldMessageSetID"),
    )
    ids = {"newMessageSetID": read.new_message_set_id, "oldMessageSetID": read.old_message_set_id}
    if found := set_problem(requests, read.on_error, ids):
        raise _error(f"{found[0]} {found[1].field} {found[1].value!r}: {found[1].limit}", messages)
    return read


# --- the document -------------------------------------------------------------------------------------------


def _root(document: bytes) -> etree._Element:
    if b"<!DOCTYPE" in document.replace(b"\0", b""):  # in UTF-16, too
        raise QbxmlParseError("it has a document type declaration, which qbXML never has", what="request")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise QbxmlParseError(str(error.msg), error.lineno, what="request") from error
    if root.tag != "QBXML":
        raise _error(f"it is a document <{root.tag}>; expected <QBXML>", root)
    return root


def _version(root: etree._Element) -> str:
    for node in root.itersiblings(preceding=True):
        if isinstance(node, etree._ProcessingInstruction) and node.target == "qbxml":
            found = re.search(r"""version\s*=\s*["']([0-9]+\.[0-9]+)["']""", node.text or "")
            if found:
                _require_spoken(found[1], root)
                return found[1]
    raise _error("it does not say its version: <?qbxml version=...?>", root)


def _require_spoken(version: str, root: etree._Element) -> None:
    try:
        spoken(version)
    except ValueError as error:
        raise _error(str(error), root) from None


def _require_no_text(element: etree._Element) -> None:
    """Raise for a text or an instruction that stands beside the elements below one."""
    for below in element:
        if not isinstance(below.tag, str):
            raise _error("a processing instruction stands beside the requests", below)
    text = (element.text or "") + "".join(below.tail or "" for below in element)
    if text.strip(" \t\r\n"):
        raise _error(f"{element.tag} has text between its elements: {short(text.strip())}", element)


def _messages(root: etree._Element) -> etree._Element:
    if root.attrib:
        raise _error(f"QBXML has {min(map(str, root.keys()))}, which is not read", root)
    _require_no_text(root)
    below = list(root.iterchildren("*"))
    if len(below) != 1 or below[0].tag != "QBXMLMsgsRq":
        shown = ", ".join(str(child.tag) for child in below) or "nothing"
        raise _error(f"QBXML has {shown}; expected one QBXMLMsgsRq", root)
    _require_no_text(below[0])
    return below[0]


def _error(reason: str, element: etree._Element) -> QbxmlParseError:
    line: Any = element.sourceline
    return QbxmlParseError(reason, line, what="request")


# --- a request ----------------------------------------------------------------------------------------------


def _request(element: etree._Element, version: str) -> Request:
    tag = str(element.tag)
    name = tag.removesuffix("Rq")
    if name == tag or name not in qbxml_spec.REQUESTS:
        raise _error(f"{tag} {is_no_request(name)}", element)
    for path, reason in qbxml_spec.problems(qbxml_spec.request(name), element, version=version):
        place = path.partition("/@")[0].removeprefix(tag).removeprefix("/")
        found = element.find(place) if place else element
        raise _error(f"{path}: {reason}", element if found is None else found)
    for below in element.iterdescendants():
        if not isinstance(below.tag, str):
            raise _error("a processing instruction stands in a request", below)
        if below.attrib:
            raise _error(f"{below.tag} has {min(map(str, below.keys()))}, which is not read", below)
    attributes = {ATTRIBUTES[str(name)]: str(value) for name, value in element.attrib.items()}
    request = Request(name, _fields(qbxml_spec.model(name), element), **attributes)
    refused = field_problems(name, request.fields, version=version) or attribute_problems(request, version)
    if refused:
        raise _error(f"{tag} {refused[0].field} {short(refused[0].value)!r}: {refused[0].limit}", element)
    return request


def _fields(model: Model, element: etree._Element) -> Fields:
    """Return what stands in a request; what stands in ``<InvoiceAdd>`` and beside it together."""
    name = str(element.tag).removesuffix("Rq")
    inner = model.members.get(name, (None, None))[1]
    if inner is None:
        return _aggregate(model, element)
    within = _aggregate(inner, element[0])
    beside = [child for child in element if child.tag != name]
    below = _pairs(model, beside)
    if isinstance(within, dict):
        return within | _grouped(below)
    return [*within, *below]


def _aggregate(model: Model, element: etree._Element) -> dict[str, Any] | list[tuple[str, Any]]:
    names = [str(child.tag) for child in element]
    counts = Counter(names)
    pairs = _pairs(model, list(element))
    as_mapping = [name for name in model.members for _ in range(counts[name])]
    return _grouped(pairs) if names == as_mapping else pairs


def _pairs(model: Model, elements: list[etree._Element]) -> list[tuple[str, Any]]:
    pairs = []
    for child in elements:
        particle, below = model.members[str(child.tag)]
        pairs.append(
            (
                str(child.tag),
                _value(particle, child.text or "") if below is None else _aggregate(below, child),
            )
        )
    return pairs


def _grouped(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a mapping: what repeats as a list."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


# --- a value ------------------------------------------------------------------------------------------------


def _moment(text: str) -> date:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


_READ: dict[str, Callable[[str], Any]] = {
    "INTTYPE": int,
    "BOOLTYPE": {"true": True, "false": False}.__getitem__,
    "DATETYPE": date.fromisoformat,
    "DATETIMETYPE": _moment,
}


def _value(particle: Particle, text: str) -> Any:
    """Return the value of an element; its text where the value would be written otherwise."""
    kind = str(particle.type)
    if not text:
        return text
    if kind in _NUMBERS:
        return Decimal(text.strip())
    if kind not in _READ:
        return text
    try:
        value = _READ[kind](text)
        return value if write_value(particle, value) == text else text
    except (ValueError, KeyError):
        return text
