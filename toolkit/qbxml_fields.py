"""What a caller hands over: requests, their fields, and what does not fit in them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FieldProblem",
    "Fields",
    "Request",
    "absent",
    "is_fields",
    "is_pairs",
    "occurrences",
    "split",
    "text_of",
    "values_of",
]

Fields = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a message set.

    Parameters
    ----------
    name : str
        Without ``Rq``: ``InvoiceAdd``, ``CustomerQuery``.
    fields : mapping or sequence of pairs
        For an Add or Mod what stands in ``<InvoiceAdd>``, otherwise what stands in the request itself. An
        aggregate is a mapping, an element that repeats a list; values are ``str``, ``int``, ``bool``,
        ``Decimal``, ``date`` or ``datetime``. ``None`` leaves an element out, and so does a mapping of
        nothing but ``None``; ``""`` and ``{}`` write it empty (which clears a field in a Mod). The order of
        a mapping does not matter: the schema's is written, all of one name together. Where elements of
        several names stand mixed, as invoice lines and groups do, an aggregate is a sequence of
        ``(name, value)`` tuples instead, which is written in the order given.
    request_id : str
        Comes back with the answer; at most 50 characters, each once in a document.
    iterator : {"Start", "Continue", "Stop"}, optional
        For queries that :func:`toolkit.qbxml_spec.supports_iterator` names.
    iterator_id : str, optional
        As QuickBooks gave it; needed by Continue and Stop.
    metadata : str, optional
        The attribute ``metaData``, for example ``MetaDataAndResponseData``.

    Examples
    --------
    >>> line = ("InvoiceLineAdd", {"Desc": "July"})
    >>> bundle = ("InvoiceLineGroupAdd", {"ItemGroupRef": {"FullName": "Bundle"}})
    >>> customer = ("CustomerRef", {"FullName": "Acme"})
    >>> mixed = Request("InvoiceAdd", [customer, line, bundle, line])
    """

    name: str
    fields: Fields
    request_id: str = ""
    iterator: str | None = None
    iterator_id: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One value that does not fit its element.

    Parameters
    ----------
    field : str
        Path below the request, such as ``InvoiceLineAdd[2]/Amount``; empty for the request as a whole, and
        with an ``@`` for an attribute.
    value : str
        The value as given; empty where an element is missing or out of place.
    limit : str
        What is wrong with it, in terms of what the element takes.
    """

    field: str
    value: str
    limit: str


def is_pairs(value: Any) -> bool:
    """Return whether a value is an aggregate given as pairs, and no list of what repeats.

    >>> is_pairs([("ListID", "80-1")]), is_pairs([{"ListID": "80-1"}]), is_pairs([])
    (True, False, False)
    """
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in value)


def is_fields(value: Any) -> bool:
    """Return whether a value can be the fields of a request: a mapping, or pairs, or none of them.

    >>> [is_fields(value) for value in ({}, (), [("ListID", "80-1")], [("ListID",)], None)]
    [True, True, True, False, False]
    """
    return isinstance(value, Mapping) or is_pairs(value) or (isinstance(value, (list, tuple)) and not value)


def absent(value: Any) -> bool:
    """Return whether a field is left out; an aggregate of nothing but None must not clear what is there.

    >>> absent(None), absent({"ListID": None}), absent(""), absent({})
    (True, True, False, False)
    """
    if isinstance(value, Mapping):
        return bool(value) and all(absent(one) for one in value.values())
    if is_pairs(value):
        return all(absent(pair[1]) for pair in value)
    return value is None


def text_of(value: Any) -> Any:
    """Return the text itself, whatever a subclass such as an enumeration shows; all else as it is."""
    return str.__str__(value) if isinstance(value, str) else value


def values_of(value: Any) -> list[Any]:
    """Return what one field holds: the values of a list, or the one value."""
    if isinstance(value, (list, tuple)) and not is_pairs(value):
        return [one for one in value if not absent(one)]
    return [value]


def occurrences(fields: Fields, order: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field that is there with its value: in the order of pairs, else in the schema's.

    Parameters
    ----------
    fields : mapping or sequence of pairs
        One aggregate; names that ``order`` lacks are passed over.
    order : mapping
        The names of the aggregate's elements, in the order of the schema.
    """
    if isinstance(fields, Mapping):
        fields = [(name, fields[name]) for name in order if name in fields]
    for name, value in fields:
        if name in order and not absent(value):
            yield name, value


def split(
    fields: Fields, outer: Container[str], inner: Container[str]
) -> tuple[Fields, list[tuple[str, Any]]]:
    """Return what stands in ``<InvoiceAdd>`` and what stands beside it, such as IncludeRetElement.

    Parameters
    ----------
    fields : mapping or sequence of pairs
        Of the request, both kinds together.
    outer, inner : container of str
        The names of the elements in ``<InvoiceAddRq>`` and in ``<InvoiceAdd>``.
    """
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    beside = [(name, value) for name, value in pairs if name in outer and name not in inner]
    within = [(name, value) for name, value in pairs if name not in outer or name in inner]
    return dict(within) if isinstance(fields, Mapping) else within, beside
