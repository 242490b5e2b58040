"""What a content model is, and what fits it: row of elements, value, attribute, version.

The rules alone, without the models: those are in `toolkit.qbxml_spec`, which passes these names on.

Source: XML Schema 1.0 as far as the qbXML 13.0 schema uses it; types from ``qbxmltypes130.xsd``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

__all__ = [
    "Attribute",
    "ElementLike",
    "Particle",
    "elements",
    "problems",
    "validate_content",
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


class ElementLike(Protocol):
    """What is asked of an element: what the elements of lxml and of the standard library have in common."""

    @property
    def tag(self) -> Any:
        """Name; not a string for a comment or processing instruction."""

    @property
    def text(self) -> str | None:
        """Text before the first child."""

    @property
    def tail(self) -> str | None:
        """Text after the element."""

    def keys(self) -> Iterable[Any]:
        """Names of the attributes."""

    def get(self, key: str, /) -> str | None:
        """Value of an attribute."""

    def __iter__(self) -> Iterator[Any]:
        """Children."""


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
    "DATETYPE": (re.compile(r"(([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+\-][0-9]{2}:[0-9]{2})?)?"), True, "a date"),
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
        return None if text in particle.enum else f"not one of {_listed(particle.enum)}: {_short(text)}"
    return _type_problem(particle, text)


def _type_problem(particle: Particle, text: str) -> str | None:
    if particle.type not in _TYPES:
        return None
    pattern, blanks, what = _TYPES[particle.type]
    if blanks:
        text = text.strip(" \t\r\n")
    fits = pattern.fullmatch(text)
    if not fits or (particle.type == "DATETYPE" and not _is_date(fits[2])):
        return f"not {what}: {_short(text)}"
    if particle.low is not None and int(text) < particle.low:
        return f"less than {particle.low}: {_short(text)}"
    if particle.high is not None and int(text) > particle.high:
        return f"more than {particle.high}: {_short(text)}"
    return None


def _is_date(day: str | None) -> bool:
    if day is None:
        return True
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _listed(names: Iterable[str], most: int = 7) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names if len(names) <= most else [*names[:most], f"... ({len(names)} in all)"])


def validate_content(particle: Particle, names: Sequence[str]) -> str | None:
    """Return why a row of elements is not the content of an aggregate, or None when it is.

    Parameters
    ----------
    particle
        An aggregate.
    names
        The names of its child elements, in document order.

    Returns
    -------
    str or None
        A reason that names the first unexpected or missing element and what was expected.

    Examples
    --------
    >>> from toolkit.qbxml_spec import request
    >>> validate_content(request("ListDel"), ["ListID", "ListDelType"])
    'ListID is out of place: expected ListDelType'

    Notes
    -----
    The schema is deterministic (the name of the next element alone decides where it belongs), so one pass
    without going back is exact.

    Source: qbXML 13.0 schema; XML Schema 1.0, "Unique Particle Attribution".
    """
    matcher = _Matcher(names)
    if matcher.all_of(particle.children) and matcher.at == len(names):
        return None
    # What the US product lacks is allowed by the schema, but no advice.
    expected = _listed(str(start.name) for start in matcher.expected if start.us) or "nothing more"
    if matcher.at == len(names):
        return f"missing at the end: expected {expected}"
    name = names[matcher.at]
    if all(child.name != name for child in elements(particle)):
        return f"{name} is unknown here: expected {expected}"
    return f"{name} is out of place: expected {expected}"


class _Matcher:
    """Walk a content model along a row of names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.at = 0
        self.expected: list[Particle] = []  # what could have stood at `at`

    def all_of(self, particles: Iterable[Particle]) -> bool:
        return all(self.repeat(particle) for particle in particles)

    def repeat(self, particle: Particle) -> bool:
        """Match a node as often as it goes; False when too seldom or broken off in the middle."""
        times = 0
        while particle.max is None or times < particle.max:
            if self.at == len(self.names) or not _can_start(particle, self.names[self.at]):
                self.expected += _starts(particle)
                break
            if not self.once(particle):
                return False
            times += 1
        return times >= particle.min or _can_be_empty(particle)

    def once(self, particle: Particle) -> bool:
        if particle.kind == "element":
            self.at += 1
            self.expected = []
            return True
        if particle.kind == "sequence":
            return self.all_of(particle.children)
        name = self.names[self.at]
        return self.repeat(next(child for child in particle.children if _can_start(child, name)))


def _can_start(particle: Particle, name: str) -> bool:
    return any(start.name == name for start in _starts(particle))


def _starts(particle: Particle) -> Iterator[Particle]:
    """Yield the elements that a node may begin with."""
    if particle.kind == "element":
        yield particle
        return
    for child in particle.children:
        yield from _starts(child)
        if particle.kind == "sequence" and not _can_be_empty(child):
            return


def _can_be_empty(particle: Particle) -> bool:
    if particle.min == 0:
        return True
    if particle.kind == "element":
        return False
    return (any if particle.kind == "choice" else all)(_can_be_empty(child) for child in particle.children)


def problems(root: Particle, element: ElementLike, *, version: str = "13.0") -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an element and all below it: content, values, attributes, versions.

    Parameters
    ----------
    root
        What the element should be, such as ``request("InvoiceAdd")``.
    element
        An element of lxml or ``xml.etree``; comments and processing instructions in it are passed over.
    version
        The qbXML version of the document; what is younger is a problem.

    Yields
    ------
    tuple of str
        Path (``InvoiceAddRq/InvoiceAdd/InvoiceLineAdd[2]/Amount``, with a number from 1 where the name
        repeats) and reason. A wrong row of elements is a problem of their parent.

    Examples
    --------
    >>> from xml.etree import ElementTree
    >>> from toolkit.qbxml_spec import request
    >>> document = ElementTree.fromstring("<ListDelRq><ListDelType>Customer</ListDelType></ListDelRq>")
    >>> list(problems(request("ListDel"), document))
    [('ListDelRq', 'missing at the end: expected ListID')]

    Notes
    -----
    Source: qbXML 13.0 schema; lengths are those of the US desktop product.
    """
    if element.tag != root.name:
        yield str(element.tag), f"expected {root.name}"
        return
    yield from _problems(root, element, str(element.tag), version_key(version))


def _problems(
    particle: Particle, element: ElementLike, path: str, version: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    if version_key(particle.since) > version:
        yield path, f"needs qbXML {particle.since}"
    yield from _attribute_problems(particle, element, path, version)
    children = [child for child in element if isinstance(child.tag, str)]
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if particle.type != "aggregate":
        if children:
            yield path, f"has elements below it: {children[0].tag}"
        elif reason := value_problem(particle, text):
            yield path, reason
        return
    if text.strip(" \t\r\n"):
        yield path, f"has text between its elements: {_short(text.strip())}"
    if reason := validate_content(particle, [child.tag for child in children]):
        yield path, reason
    known = {child.name: child for child in elements(particle)}
    counts, seen = Counter(child.tag for child in children), Counter[str]()
    for child in children:
        seen[child.tag] += 1
        number = f"[{seen[child.tag]}]" if counts[child.tag] > 1 else ""
        if child.tag in known:
            yield from _problems(known[child.tag], child, f"{path}/{child.tag}{number}", version)


def _attribute_problems(
    particle: Particle, element: ElementLike, path: str, version: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    known = {attribute.name: attribute for attribute in particle.attributes}
    names = [str(name) for name in element.keys()]  # noqa: SIM118 - an element iterates over its children
    for name in names:
        if name not in known:
            yield f"{path}/@{name}", f"is unknown here: expected {_listed(known) or 'no attributes'}"
            continue
        attribute, value = known[name], element.get(name) or ""
        if version_key(attribute.since) > version:
            yield f"{path}/@{name}", f"needs qbXML {attribute.since}"
        if attribute.enum and value not in attribute.enum:
            yield f"{path}/@{name}", f"not one of {_listed(attribute.enum)}: {_short(value)}"
        elif attribute.type == "INTTYPE" and not _TYPES["INTTYPE"][0].fullmatch(value.strip()):
            yield f"{path}/@{name}", f"not a whole number: {_short(value)}"
    for name in known.keys() - set(names):
        if known[name].required:
            yield f"{path}/@{name}", "missing"
