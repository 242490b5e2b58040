"""Laws of writing: whatever the spec allows is written, valid, and read back as it was; nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree
from qbxml_draws import form, leaves, requests

from toolkit import qbxml_spec
from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_io import Request, build, field_problems, parse_requests
from toolkit.qbxml_spec import Particle

steady = settings(
    derandomize=True,
    deadline=None,
    max_examples=10,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(scope="session")
def schema(shared: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(shared / "qbxml-schema" / "qbxmlops130.xsd")))


# --- drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", qbxml_spec.REQUESTS)
@given(data=st.data())
@steady
def test_whatever_is_drawn_is_written_valid_and_read_back(
    schema: etree.XMLSchema, name: str, data: st.DataObject
) -> None:
    drawn = data.draw(requests(name))
    document = build([drawn])
    assert document.isascii()
    assert schema.validate(etree.fromstring(document)), schema.error_log.last_error
    read = parse_requests(document)
    assert read.requests == [drawn]
    assert build(read.requests, version=read.version, on_error=read.on_error) == document
    assert field_problems(name, drawn.fields) == []
    # Tags, references and layout are those of libxml2, but for an empty text, which has two tags here.
    root = etree.fromstring(document)
    again: bytes = etree.tostring(root, encoding="ascii", xml_declaration=False)
    assert re.sub(rb"<(\w+)></\1>", rb"<\1/>", document.split(b"\n", 2)[2]) == again + b"\n"


def broken(particle: Particle) -> list[Any]:
    """Return values that an element does not take, whatever else stands in the request."""
    bad: list[Any] = [b"bytes", object()]
    if particle.enum:
        return [*bad, "no such word", "x" * 400]
    if particle.max_length is not None:
        bad += ["x" * (particle.max_length + 1), "é" * (particle.max_length + 1)]
    places = {"AMTTYPE": 2, "PRICETYPE": 5, "QUANTYPE": 5, "PERCENTTYPE": 5, "FLOATTYPE": 12}
    kind = str(particle.type)
    if kind in places:
        bad += [Decimal(1).scaleb(-places[kind] - 1), 1.5, "1,000", "1e3", True, Decimal("NaN")]
        return bad if kind == "FLOATTYPE" else [*bad, Decimal(10) ** 13]
    typed: dict[str, list[Any]] = {
        "INTTYPE": ["one", 1.0, True, *([] if particle.high is None else [particle.high + 1])],
        "BOOLTYPE": ["yes", 1, 0],
        "DATETYPE": [
            *("2026-02-30", "1/31/2026", date(2026, 1, 1).toordinal()),
            *("2026-01-31+14:01", "2026-01-31-10:60", "2026-01-31+99:99"),
        ],
        "DATETIMETYPE": ["yesterday", "2026-01-02T03:04:05Z", "2026-13-45T99:99:99"],
        "GUIDTYPE": ["", "5e0ca24b-2a9f-5b3c-8a6e-0d1c6a2f9b11"],
        "TIMEINTERVALTYPE": ["an hour"],
    }
    return [*bad, *typed.get(kind, ["Łódź", "bell\x07", "caf\x85"])]


def young(model: qbxml_spec.Model, element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each element below one, with the first version that has it."""
    seen: dict[str, int] = {}
    counts = [str(child.tag) for child in element]
    for child in element:
        name = str(child.tag)
        seen[name] = seen.get(name, 0) + 1
        particle, below = model.members[name]
        here = f"{path}{name}"
        yield here, particle.since
        if below is not None:
            number = f"[{seen[name]}]" if counts.count(name) > 1 else ""
            yield from young(below, child, f"{here}{number}/")


@pytest.mark.parametrize("name", qbxml_spec.REQUESTS)
@given(data=st.data(), version=st.sampled_from(["2.0", "3.0", "5.0", "7.0", "8.0", "9.0", "11.0", "12.0"]))
@settings(steady, max_examples=4)
def test_a_version_takes_what_is_no_younger_and_nothing_else(
    name: str, data: st.DataObject, version: str
) -> None:
    """Each element that stands in the newest document is held against the version that it came with."""
    drawn = data.draw(requests(name))
    model, message = qbxml_spec.model(name), etree.fromstring(build([drawn]))[0][0]
    every = {path.removeprefix(f"{name}/"): since for path, since in young(model, message, "")}
    key = qbxml_spec.version_key(version)
    expected = {path for path, since in every.items() if qbxml_spec.version_key(since) > key}
    expected |= {""} if qbxml_spec.version_key(model.particle.since) > key else set()
    found = field_problems(name, drawn.fields, version=version)
    assert {problem.field for problem in found} == expected - {name}
    for problem in found:
        since = every[problem.field] if problem.field else model.particle.since
        assert problem.limit == f"needs qbXML {since}, and {version} is spoken"
    attributes = {each.name: each.since for each in qbxml_spec.request(name).attributes}
    late = [one for one in message.keys() if qbxml_spec.version_key(attributes[one]) > key]  # noqa: SIM118
    if expected or late:
        with pytest.raises(QbxmlBuildError, match=f"and {version} is spoken"):
            build([drawn], version=version)
    else:
        said, old = build([drawn], version=version).split(b"\n", 2)[1:]
        assert said == f'<?qbxml version="{version}"?>'.encode()
        assert old == build([drawn]).split(b"\n", 2)[2], "the version alone differs"


def whole(name: str) -> Particle:
    """Return what may stand in the fields of a request, as if it were one aggregate."""
    outer = qbxml_spec.request(name)
    inner = [child for child in outer.children if child.name == name]
    return inner[0] if inner else outer


@pytest.mark.parametrize("name", qbxml_spec.REQUESTS)
@given(data=st.data())
@steady
def test_one_broken_value_is_named(name: str, data: st.DataObject) -> None:
    drawn = data.draw(requests(name, least=False))
    assume(isinstance(drawn.fields, dict))
    beside = {child.name for child in qbxml_spec.elements(qbxml_spec.request(name))} - {name}
    fields = {
        key: one for key, one in dict(drawn.fields).items() if key not in beside or whole(name).name != name
    }
    places = list(leaves(whole(name), fields))
    assume(places)
    path, particle, where, key = data.draw(st.sampled_from(places))
    bad = data.draw(st.sampled_from(broken(particle)))
    where[key] = bad
    (problem,) = field_problems(name, fields)
    assert (problem.field, problem.value) == (path, str(bad))
    with pytest.raises(QbxmlBuildError) as caught:
        build([Request(name, fields)])
    error = caught.value
    assert (error.request, error.field, error.value, error.limit) == (name, path, str(bad), problem.limit)
    assert problem.limit


# --- one by one ---------------------------------------------------------------------------------------------


def sample(particle: Particle) -> Any:
    """Return a value of an element, its longest where it is a text."""
    if particle.enum:
        return particle.enum[-1]
    samples = {
        "AMTTYPE": Decimal("-1234567.89"),
        "PRICETYPE": Decimal("0.00001"),
        "QUANTYPE": Decimal("12345.5"),
        "PERCENTTYPE": Decimal("7.5"),
        "FLOATTYPE": Decimal("1.123456789012"),
        "INTTYPE": particle.high or 3,
        "BOOLTYPE": False,
        "DATETYPE": date(2024, 2, 29),
        "DATETIMETYPE": datetime(2026, 2, 28, 23, 59, 59),
        "GUIDTYPE": "{5e0ca24b-2a9f-5b3c-8a6e-0d1c6a2f9b11}",
    }
    return samples.get(str(particle.type), "ü" * (particle.max_length or 60))


Path_ = tuple[Particle, ...]


def nodes(particle: Particle) -> Iterator[Path_]:
    """Yield the way to each element below an aggregate, through its choices and sequences."""
    for child in particle.children:
        if child.us:
            if child.kind == "element":
                yield (child,)
            for below in nodes(child):
                yield (child, *below)


def alone(particle: Particle, way: Path_) -> list[tuple[str, Any]]:
    """Return the elements of an aggregate: the required ones, and the one at the end of the way."""
    found: list[tuple[str, Any]] = []
    for child in particle.children:
        on_the_way = bool(way) and child is way[0]
        if on_the_way or (child.min > 0 and child.us):
            found += once(child, way[1:] if on_the_way else ())
    return found


def once(node: Particle, way: Path_) -> list[tuple[str, Any]]:
    if node.kind == "choice":
        arm = way[0] if way else next(child for child in node.children if child.us)
        return once(arm, way[1:])
    if node.kind == "sequence":
        return alone(node, way)
    below = form(node, alone(node, way)) if node.type == "aggregate" else sample(node)
    return [(str(node.name), below)]


def of_pairs(name: str, found: list[tuple[str, Any]]) -> Any:
    """Return the fields of a request whose elements are these."""
    if whole(name).name != name:
        return form(qbxml_spec.request(name), found)
    (_, fields), *beside = found
    return fields | dict(beside)


@pytest.mark.parametrize("name", qbxml_spec.REQUESTS)
def test_each_field_alone_is_written_valid_and_read_back(schema: etree.XMLSchema, name: str) -> None:
    outer = qbxml_spec.request(name)
    ways: list[Path_] = [(), *nodes(outer)]
    written = [
        Request(name, of_pairs(name, alone(outer, way)), request_id=str(number))
        for number, way in enumerate(ways)
    ]
    document = build(written)
    assert schema.validate(etree.fromstring(document)), schema.error_log.last_error
    assert parse_requests(document).requests == written
    for request, way in zip(written[1:], ways[1:], strict=True):
        tags = "/".join(str(node.name) for node in way if node.kind == "element")
        found = etree.fromstring(build([request]))[0][0]
        assert found.find(tags) is not None, tags
    # What goes without any optional field is the least: nothing can be taken from it.
    for key in dict(written[0].fields):
        assert field_problems(name, {k: v for k, v in dict(written[0].fields).items() if k != key}), key
