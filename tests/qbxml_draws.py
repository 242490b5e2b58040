"""Requests drawn from the spec: every optional field on and off, every arm of a choice, values at the limits.

Not from the writer: what is drawn is a walk through the content models of `toolkit.qbxml_spec`, so that a
request which the writer refuses, or the schema does not take, is a fault of ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from toolkit import qbxml_spec
from toolkit.qbxml_io import Request
from toolkit.qbxml_spec import Particle

WINDOWS_1252 = "".join(
    letter
    for code in range(0x20, 0x100)
    if (letter := bytes([code]).decode("cp1252", "replace")) != "\ufffd"
    and not re.match("[\x7f-\x9f]", letter)
)
Pairs = list[tuple[str, Any]]


def _decimals(digits: int, places: int) -> st.SearchStrategy[Decimal]:
    most = Decimal(10) ** digits - Decimal(1).scaleb(-places)
    edges = [
        most,
        -most,
        Decimal(0),
        Decimal(1).scaleb(-places),
        -Decimal(1).scaleb(-places),
        Decimal("1E+2"),
    ]
    every = st.integers(-(10 ** (digits + places)) + 1, 10 ** (digits + places) - 1)
    return st.sampled_from(edges) | every.map(lambda units: Decimal(units).scaleb(-places))


_OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_MOMENTS = st.datetimes(timezones=st.none() | _OFFSETS).map(lambda moment: moment.replace(microsecond=0))
_EMPTY = st.just("")
_DAYS_WITH_OFFSET = st.tuples(
    st.dates(), st.sampled_from(["Z", "+00:00", "-13:59", "+14:00", "-14:00", "+05:30", "-08:00"])
).map("{0[0]}{0[1]}".format)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "AMTTYPE": _decimals(13, 2) | _EMPTY,
    "PRICETYPE": _decimals(10, 5) | _EMPTY,
    "QUANTYPE": _decimals(10, 5) | _EMPTY,
    "PERCENTTYPE": _decimals(10, 5) | _EMPTY,
    "FLOATTYPE": _decimals(12, 12) | _EMPTY,
    "BOOLTYPE": st.booleans() | _EMPTY,
    "DATETYPE": st.dates() | st.sampled_from([date.min, date.max]) | _DAYS_WITH_OFFSET | _EMPTY,
    "DATETIMETYPE": _MOMENTS | st.dates() | st.just(datetime(2024, 2, 29, 23, 59, 59)) | _EMPTY,
    "TIMEINTERVALTYPE": st.sampled_from(["PT8H30M", "PT0S", ""]),
    "GUIDTYPE": st.just("0") | st.uuids().map(lambda guid: f"{{{guid}}}"),
}


def value(particle: Particle) -> st.SearchStrategy[Any]:
    """Return values that an element takes, those at its limits among them."""
    if particle.enum:
        return st.sampled_from([*particle.enum, *([""] if particle.default is not None else [])])
    if particle.type == "INTTYPE":
        low, high = particle.low or 0, particle.high or 2**31
        return st.sampled_from([low, high]) | st.integers(low, high)
    if particle.type in VALUES:
        return VALUES[str(particle.type)]
    most = particle.max_length or 60
    texts = st.text(WINDOWS_1252 + "\t\n\r", max_size=min(most, 12))
    if particle.min and (particle.type == "IDTYPE" or particle.name == "Name"):  # a key, which is never empty
        texts = texts.filter(str.strip)
    return texts | st.sampled_from(["x" * most, "é" * most, "&" * most, "€" * most])


@st.composite
def pairs(draw: st.DrawFn, particle: Particle, *, rich: bool | None = None) -> Pairs:
    """Return the elements of an aggregate with their values, in the order of the document."""
    found: Pairs = []

    def walk(node: Particle) -> None:
        if not node.us:
            return
        most = min(3, node.max or 3)
        often = draw(st.integers(node.min, most)) if rich is None else most if rich else node.min
        for _ in range(often):
            if node.kind == "element" and node.type == "aggregate":
                below = form(node, draw(pairs(node, rich=rich)))
                found.append((str(node.name), below))
            elif node.kind == "element":
                found.append((str(node.name), draw(value(node))))
            elif node.kind == "choice":
                walk_once(draw(st.sampled_from([arm for arm in node.children if arm.us])))
            else:
                for child in node.children:
                    walk(child)

    def walk_once(arm: Particle) -> None:
        before = len(found)
        walk(arm)
        if len(found) == before and arm.kind == "element":  # an arm that was chosen stands there
            found.append((str(arm.name), form(arm, []) if arm.type == "aggregate" else draw(value(arm))))

    for child in particle.children:
        walk(child)
    return found


def form(particle: Particle, found: Pairs) -> dict[str, Any] | Pairs:
    """Return elements as a caller gives them: a mapping, or pairs where their order is not the schema's."""
    order = list(dict.fromkeys(str(child.name) for child in qbxml_spec.elements(particle)))
    counts = Counter(name for name, _ in found)
    if [name for name, _ in found] != [name for name in order for _ in range(counts[name])]:
        return found
    lists: dict[str, list[Any]] = {}
    for name, one in found:
        lists.setdefault(name, []).append(one)
    return {name: many[0] if len(many) == 1 else many for name, many in lists.items()}


@st.composite
def requests(draw: st.DrawFn, name: str, *, least: bool = True) -> Request:
    """Return a request of a name as :func:`toolkit.qbxml_io.parse_requests` gives it back.

    Parameters
    ----------
    least : bool
        Whether it may be without a field.
    """
    outer = qbxml_spec.request(name)
    rich = draw(st.sampled_from([None, None, True, False] if least else [None, True, True]))
    found = draw(pairs(outer, rich=rich))
    inner = next((child for child in outer.children if child.name == name), None)
    fields: Any
    if inner is None:
        fields = form(outer, found)
    else:
        (_, fields), *beside = found
        rest = form(outer, beside)
        assert isinstance(rest, dict)
        fields = fields | rest if isinstance(fields, dict) else [*fields, *beside]
    return Request(name, fields, **draw(_attributes(name, "MaxReturned" in dict(found))))


@st.composite
def _attributes(draw: st.DrawFn, name: str, limited: bool) -> dict[str, str]:
    known = {attribute.name: attribute for attribute in qbxml_spec.request(name).attributes}
    given: dict[str, str] = {"request_id": draw(st.text(WINDOWS_1252 + '"\n', max_size=50))}
    if "metaData" in known and draw(st.booleans()):
        given["metadata"] = draw(st.sampled_from(known["metaData"].enum))
    if "iterator" in known and limited and draw(st.booleans()):
        given["iterator"] = draw(st.sampled_from(known["iterator"].enum))
        if given["iterator"] != "Start":
            given["iterator_id"] = "{10c05cbd-b25b-4a85-8aa0-8bce89e6e900}"
    return given


def leaves(particle: Particle, fields: Any, path: str = "") -> Iterator[tuple[str, Particle, Any, Any]]:
    """Yield every value of mapping fields: its path, its element, where it stands, and under what key."""
    children = {str(child.name): child for child in qbxml_spec.elements(particle)}
    for name, one in fields.items():
        places = [(one, number) for number in range(len(one))] if isinstance(one, list) else [(fields, name)]
        for number, (where, key) in enumerate(places, 1):
            here = f"{path}{name}[{number}]" if len(places) > 1 else f"{path}{name}"
            if isinstance(where[key], dict):
                yield from leaves(children[name], where[key], f"{here}/")
            elif not isinstance(where[key], (list, tuple)):
                yield here, children[name], where, key
