"""What a content model is made of: elements, attributes, values and versions, and which value fits.

The rules alone, without the models: those are in `toolkit.qbxml_spec`, which passes these names on.

Source: XML Schema 1.0 as far as the qbXML 13.0 schema uses it; types from ``qbxmltypes130.xsd``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

__all__ = [
    "Attribute",
    "Particle",
    "elements",
    "is_whole_number",
    "listed",
    "short",
    "value_problem",
    "version_key",
]


@dataclass(frozen=True, slots=True)
class Attribute:
    """Describe one attribute of an element.

    Source: qbXML 13.0 schema.
    """

    name: str
    type: str
    required: bool
    enum: tuple[str, ...]
    since: str


@dataclass(frozen=True, slots=True)
class Particle:
    """Describe one node of a content model: an element, or a choice or sequence of nodes.

    The children of an element of type ``"aggregate"`` stand in sequence.

    Attributes
    ----------
    kind
        What the node is.
    name
        Name of the element; None for a choice or sequence.
    type
        ``"aggregate"``, or the qbXML type of the value (``"STRTYPE"``, ``"AMTTYPE"``, ...); None for a
        choice or sequence.
    min, max
        How often the node may occur in its place; a ``max`` of None is unbounded.
    max_length
        Longest value in characters, in the US desktop product; None where nothing is said.
    enum
        The words that the value may be; empty where any will do.
    since
        First qbXML version that has the element.
    us
        Whether the US desktop product has the element.
    children
        The nodes below.
    low, high
        Smallest and largest value of an integer.
    default
        What an empty element stands for, where it may be empty for that reason.
    attributes
        The attributes that the element may carry.

    Notes
    -----
    Source: qbXML 13.0 schema; ``since``, ``us`` and the US ``max_length`` from the op templates.
    """

    kind: Literal["element", "choice", "sequence"]
    name: str | None
    type: str | None
    min: int
    max: int | None
    max_length: int | None
    enum: tuple[str, ...]
    since: str
    us: bool
    children: tuple[Particle, ...]
    low: int | None = None
    high: int | None = None
    default: str | None = None
    attributes: tuple[Attribute, ...] = ()


@lru_cache(64)  # asked of every element that is written or read; there are some twenty versions
def version_key(version: str) -> tuple[int, int]:
    """Return a qbXML version as numbers, which sort as versions do.

    Raises
    ------
    ValueError
        When it is not a version such as ``"13.0"`` or ``"2"``.

    Examples
    --------
    >>> version_key("2.0") < version_key("13.0")
    True
    """
    match = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?", version.strip())
    if match is None:
        raise ValueError(f"not a qbXML version: {version!r}; expected one such as '13.0'")
    return int(match[1]), int(match[2] or 0)


def elements(particle: Particle) -> Iterator[Particle]:
    """Yield the elements directly below an aggregate in schema order, through choices and sequences.

    Examples
    --------
    >>> from toolkit.qbxml_spec import request
    >>> [child.name for child in elements(request("ListDel"))]
    ['ListDelType', 'ListID']
    """
    for child in particle.children:
        if child.kind == "element":
            yield child
        else:
            yield from elements(child)


_DECIMALS = r"([+\-]?[0-9]{1,10}(\.[0-9]{1,5})?)?"
_OFFSET = r"[+\-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)"  # of xsd:date
_TIME = r"T[0-9]{1,2}(:[0-9]{1,2}(:[0-9]{1,2}([+\-][0-9]{1,2}:[0-9]{1,2})?)?)?"
# Type: pattern, whether blanks around it are nothing, and the words for a value that does not fit.
_TYPES: dict[str, tuple[re.Pattern[str], bool, str]] = {
    "AMTTYPE": (re.compile(r"([+\-]?[0-9]{1,13}(\.[0-9]{2})?)?"), False, "an amount"),
    "PRICETYPE": (re.compile(_DECIMALS), False, "a price"),
    "QUANTYPE": (re.compile(_DECIMALS), False, "a quantity"),
    "PERCENTTYPE": (re.compile(_DECIMALS), False, "a percentage"),
    "FLOATTYPE": (re.compile(r"([+\-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))?"), True, "a number"),
    "INTTYPE": (re.compile(r"[+\-]?[0-9]+"), True, "a whole number"),
    "BOOLTYPE": (re.compile(r"(true|false|1|0)?"), True, "true or false"),
    "DATETYPE": (re.compile(rf"(([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(Z|{_OFFSET})?)?"), True, "a date"),
    "DATETIMETYPE": (
        re.compile(rf"([0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}({_TIME})?)?|[ \t\r\n]*"),
        False,
        "a date and time",
    ),
    "TIMEINTERVALTYPE": (
        re.compile(r"(-?PT(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"),
        True,
        "a length of time",
    ),
    "GUIDTYPE": (
        re.compile(r"0|\{[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}"),
        False,
        "0 or a GUID in braces",
    ),
}


def value_problem(particle: Particle, text: str) -> str | None:
    """Return why a text is not a value of an element, or None when it is.

    Parameters
    ----------
    particle
        An element that is no aggregate.
    text
        The value as it stands in the document, entities resolved.

    Returns
    -------
    str or None
        A short reason.

    Examples
    --------
    >>> from toolkit.qbxml_spec import request
    >>> name = next(elements(next(elements(request("CustomerAdd")))))
    >>> value_problem(name, "x" * 42)
    'longer than 41 characters: 42'
    >>> value_problem(name, "Hartwell, Dora") is None
    True

    Notes
    -----
    A length is the US one, which can be shorter than the schema's. Only dates of four-digit years are dates.

    Source: qbXML 13.0 schema, ``qbxmltypes130.xsd``.
    """
    if particle.default is not None and not text:
        return None
    if particle.max_length is not None and len(text) > particle.max_length:
        return f"longer than {particle.max_length} characters: {len(text)}"
    if particle.enum:
        return None if text in particle.enum else f"not one of {listed(particle.enum)}: {short(text)}"
    return _type_problem(particle, text)


def _type_problem(particle: Particle, text: str) -> str | None:
    if particle.type not in _TYPES:
        return None
    pattern, blanks, what = _TYPES[particle.type]
    if blanks:
        text = text.strip(" \t\r\n")
    fits = pattern.fullmatch(text)
    if not fits or (particle.type == "DATETYPE" and not _is_date(fits[2])):
        return f"not {what}: {short(text)}"
    if particle.low is not None and int(text) < particle.low:
        return f"less than {particle.low}: {short(text)}"
    if particle.high is not None and int(text) > particle.high:
        return f"more than {particle.high}: {short(text)}"
    return None


def is_whole_number(text: str) -> bool:
    """Return whether the value of an attribute is a whole number."""
    return _TYPES["INTTYPE"][0].fullmatch(text.strip()) is not None


def _is_date(day: str | None) -> bool:
    if day is None:
        return True
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def short(text: str, most: int = 40) -> str:
    """Return a value as it is shown in a reason."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def listed(names: Iterable[str], most: int = 7) -> str:
    """Return names as they are shown in a reason."""
    names = list(dict.fromkeys(names))
    return ", ".join(names if len(names) <= most else [*names[:most], f"... ({len(names)} in all)"])
