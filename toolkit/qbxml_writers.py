"""The spec compiled into writers: one a request and version, which turns fields into the text of a document.

A writer knows the rows of names it has seen: for each it keeps the fields in the order of the schema with
what writes them, and the verdict on the row, so that an invoice like the one before costs a look-up a field.
It says no more than that something does not fit; what, says `toolkit.qbxml_problems`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from toolkit import qbxml_spec
from toolkit.qbxml_encoders import Encoder, encoder
from toolkit.qbxml_fields import Fields, absent, is_fields, is_pairs, occurrences, split, values_of
from toolkit.qbxml_spec import Particle, validate_content, version_key

__all__ = ["Unfit", "writer"]

INDENT = "  "
DEPTH = 2  # of a request in the document
REMEMBERED = 1 << 10  # rows of names of one aggregate
LONGEST_ROW = 1 << 6  # names of a row that is remembered: invoices of thousands of lines are seldom alike
REMEMBERED_REFERENCES = 1 << 14
LONGEST_REFERENCE = 1 << 9  # characters of a reference that is remembered
MOST_IN_A_REFERENCE = 2  # elements


class Unfit(ValueError):
    """Something in a request does not fit."""


UNFIT = (ValueError, TypeError)
"""What a writer raises: a value that cannot be looked up, such as a list, is a ``TypeError``."""


@dataclass(slots=True)
class _Plan:
    """How aggregates of one row of names are written.

    ``steps`` are the fields in the order of the schema; ``many`` those of them that may hold a list, and
    ``fitting`` how many of each have been found to fit.
    """

    steps: list[tuple[str, Encoder]]
    many: list[str]
    fitting: set[tuple[int, ...]] = field(default_factory=set)


class _Aggregate:
    """Writes one aggregate of the spec, as far as one version has it."""

    def __init__(self, particle: Particle, version: tuple[int, int], depth: int) -> None:
        blank = "\n" + INDENT * depth
        self.particle = particle
        self.before, self.after = f"{blank}<{particle.name}>", f"{blank}</{particle.name}>"
        self.empty = f"{blank}<{particle.name}/>"
        self.known = dict.fromkeys(str(child.name) for child in qbxml_spec.elements(particle))
        self.encoders = {
            str(child.name): _encoder(child, version, depth + 1)
            for child in qbxml_spec.elements(particle)
            if child.us and version_key(child.since) <= version
        }
        self.repeated = _repeated(particle)
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._verdicts: dict[tuple[str, ...], bool] = {}

    def element(self, fields: Any) -> str:
        """Return the element with all that is in it."""
        content = self.content(fields)
        if content:
            return f"{self.before}{content}{self.after}"
        if absent(fields):
            raise Unfit  # the aggregate above leaves it out
        return self.empty

    def content(self, fields: Fields) -> str:
        """Return what stands in the element.

        Raises
        ------
        ValueError, TypeError
            Something does not fit.
        """
        if fields.__class__ is dict:
            plan = self._plans.get(tuple(fields)) or self._plan(tuple(fields))
            if plan is not None:
                try:
                    if plan.many:
                        self._count(plan, fields)
                    return "".join([encode(fields[name]) for name, encode in plan.steps])
                except UNFIT:
                    pass  # a None, or a list where a value was looked for; or it does not fit indeed
        return self._exact(fields)

    def _exact(self, fields: Fields) -> str:
        """Write what is no plain dict of values: with None in it, or lists, or as pairs."""
        if isinstance(fields, Mapping):
            given = {name: value for name, value in fields.items() if not absent(value)}
            if not self.known.keys() >= fields.keys():
                raise Unfit
            if len(given) < len(fields) or fields.__class__ is not dict:
                return self.content(given)
        elif not is_pairs(fields) or not self.known.keys() >= {name for name, _ in fields}:
            raise Unfit
        found = [(name, one) for name, value in occurrences(fields, self.known) for one in values_of(value)]
        if not self._fits(tuple([name for name, _ in found])):
            raise Unfit
        return "".join([self._encoder(name)(one) for name, one in found])

    def _encoder(self, name: str) -> Encoder:
        if name not in self.encoders:
            raise Unfit  # the US edition or the version lacks it
        return self.encoders[name]

    def _plan(self, names: tuple[str, ...]) -> _Plan | None:
        """Return how a row of names is written; None where it cannot be, whatever the values."""
        if not self.encoders.keys() >= set(names):
            return None
        ordered = [name for name in self.encoders if name in names]
        many = [name for name in ordered if name in self.repeated]
        if not many and not self._fits(tuple(ordered)):
            return None
        steps = [
            (name, _each(self.encoders[name]) if name in self.repeated else self.encoders[name])
            for name in ordered
        ]
        if len(self._plans) >= REMEMBERED:
            self._plans.clear()
        plan = self._plans[names] = _Plan(steps, many)
        return plan

    def _count(self, plan: _Plan, fields: dict[str, Any]) -> None:
        """Raise where not so many of each may stand there."""
        counts = tuple([len(fields[name]) if fields[name].__class__ is list else 1 for name in plan.many])
        if counts in plan.fitting:
            return
        often = dict(zip(plan.many, counts, strict=True))
        if not self._fits(tuple([name for name, _ in plan.steps for _ in range(often.get(name, 1))])):
            raise Unfit
        if len(plan.fitting) >= REMEMBERED:
            plan.fitting.clear()
        plan.fitting.add(counts)

    def _fits(self, names: tuple[str, ...]) -> bool:
        verdict = self._verdicts.get(names)
        if verdict is None:
            verdict = validate_content(self.particle, names) is None
            if len(names) <= LONGEST_ROW:
                if len(self._verdicts) >= REMEMBERED:
                    self._verdicts.clear()
                self._verdicts[names] = verdict
        return verdict


class _Reference(_Aggregate):
    """Writes an aggregate of a few texts and remembers it: the same customers and items come again."""

    def __init__(self, particle: Particle, version: tuple[int, int], depth: int) -> None:
        super().__init__(particle, version, depth)
        self._written: dict[tuple[str, str], str] = {}

    def element(self, fields: Any) -> str:
        """Return the element with all that is in it."""
        if fields.__class__ is not dict or len(fields) != 1:
            return super().element(fields)
        (item,) = fields.items()
        if type(item[1]) is not str:  # a subclass may be equal and show otherwise
            return super().element(fields)
        try:
            return self._written[item]
        except KeyError:
            written = super().element(fields)
            if len(written) <= LONGEST_REFERENCE:
                if len(self._written) >= REMEMBERED_REFERENCES:
                    self._written.clear()
                self._written[item] = written
            return written

    @staticmethod
    def takes(particle: Particle) -> bool:
        """Return whether an aggregate is one of a few texts, which are short and come again."""
        below = particle.children
        return len(below) <= MOST_IN_A_REFERENCE and all(
            child.type in ("IDTYPE", "STRTYPE") for child in below
        )


def _encoder(particle: Particle, version: tuple[int, int], depth: int) -> Encoder:
    if particle.type == "aggregate":
        return (_Reference if _Reference.takes(particle) else _Aggregate)(particle, version, depth).element
    blank = "\n" + INDENT * depth
    return encoder(particle, f"{blank}<{particle.name}>", f"</{particle.name}>")


def _each(encode: Encoder) -> Encoder:
    def encode_each(value: Any) -> str:
        return "".join(map(encode, value)) if value.__class__ is list else encode(value)

    return encode_each


def _repeated(particle: Particle, *, within: bool = False) -> set[str]:
    """Return the names of the elements of an aggregate that may stand there more than once."""
    found: set[str] = set()
    for child in particle.children:
        often = within or child.max != 1
        if child.kind != "element":
            found |= _repeated(child, within=often)
        elif often:
            found.add(str(child.name))
    return found


class _RequestWriter:
    """Writes what stands in one request."""

    def __init__(self, name: str, version: tuple[int, int]) -> None:
        particle = qbxml_spec.request(name)
        self.tag, self.spoken = str(particle.name), version_key(particle.since) <= version
        self._outer = _Aggregate(particle, version, DEPTH)
        inner = {str(child.name): child for child in qbxml_spec.elements(particle)}.get(name)
        self._inner = _Aggregate(inner, version, DEPTH + 1) if inner else None
        self._beside = frozenset(self._outer.known) - frozenset(self._inner.known if self._inner else ())

    def content(self, fields: Fields) -> str:
        """Return what stands in the request.

        Raises
        ------
        ValueError, TypeError
            Something does not fit, or the version lacks the request.
        """
        if not self.spoken:
            raise Unfit
        if fields.__class__ is not dict:
            if not is_fields(fields):
                raise Unfit
            fields = fields or {}
        if self._inner is None:
            return self._outer.content(fields)
        if fields.__class__ is dict and self._beside.isdisjoint(fields):
            return self._inner.element(fields)
        within, beside = split(fields, self._outer.known, self._inner.known)
        rest = [
            self._outer._encoder(name)(one)
            for name, value in beside
            if not absent(value)
            for one in values_of(value)
        ]
        return "".join([self._inner.element(within), *rest])


writer = cache(_RequestWriter)
"""Return what writes a request of a name at a version, as `toolkit.qbxml_spec.version_key` gives it.

>>> print(writer("ListDel", (13, 0)).content({"ListID": "80-1", "ListDelType": "Customer"}))
<BLANKLINE>
      <ListDelType>Customer</ListDelType>
      <ListID>80-1</ListID>
"""
