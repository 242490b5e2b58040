"""Whether a document obeys a content model: its rows of elements, its values, attributes and versions.

Source: XML Schema 1.0 as far as the qbXML 13.0 schema uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from toolkit.qbxml_particles import (
    Particle,
    elements,
    is_whole_number,
    listed,
    short,
    value_problem,
    version_key,
)

__all__ = ["ElementLike", "problems", "validate_content"]


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
    expected = listed(str(start.name) for start in matcher.expected if start.us) or "nothing more"
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
        yield path, f"has text between its elements: {short(text.strip())}"
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
            yield f"{path}/@{name}", f"is unknown here: expected {listed(known) or 'no attributes'}"
            continue
        attribute, value = known[name], element.get(name) or ""
        if version_key(attribute.since) > version:
            yield f"{path}/@{name}", f"needs qbXML {attribute.since}"
        if attribute.enum and value not in attribute.enum:
            yield f"{path}/@{name}", f"not one of {listed(attribute.enum)}: {short(value)}"
        elif attribute.type == "INTTYPE" and not is_whole_number(value):
            yield f"{path}/@{name}", f"not a whole number: {short(value)}"
    for name in known.keys() - set(names):
        if known[name].required:
            yield f"{path}/@{name}", "missing"
