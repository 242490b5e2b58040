"""What stands in the fields of a request: the items and customers that it refers to, and every text.

Pure: the fields of a request in, ListIDs and texts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

REFERS_TO = "refers_to"
"""Key in an operation's ``expected``: what each ListID that it refers to was called when it was planned."""

KNOWN_AS = "known_as"
"""Key in an operation's ``expected``: the TxnIDs of what QuickBooks was seen to hold with its marker."""

_KINDS = {"ItemRef": "item", "ItemSalesTaxRef": "item", "CustomerRef": "customer"}


def references(record_kind: str, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the items and customers that a request refers to by ListID, each once, in its order.

    Parameters
    ----------
    record_kind : str
        ``item``, ``customer``, ``invoice``, ``credit_memo`` or ``payment``.
    fields : mapping
        Of the request. What refers to another operation, which has no ListID yet, is passed over.

    Returns
    -------
    list of tuple
        ``("item" or "customer", ListID)``.
    """
    return list(dict.fromkeys(_walk(record_kind, fields)))


def _walk(record_kind: str, content: Any) -> Iterator[tuple[str, str]]:
    if isinstance(content, list):
        for each in content:
            yield from _walk(record_kind, each)
    elif isinstance(content, Mapping):
        for name, value in content.items():
            # A parent is in the same list as its child.
            kind = record_kind if name == "ParentRef" else _KINDS.get(name)
            if kind is None:
                if not isinstance(value, str):  # as most are
                    yield from _walk(record_kind, value)
            elif isinstance(value, Mapping) and isinstance(value.get("ListID"), str):
                yield kind, value["ListID"]


def settled(value: Any, ids: Mapping[str, str | None]) -> Any:
    """Return fields in which a reference to an operation is its id, where ``ids`` has one by its key."""
    if isinstance(value, dict):
        if set(value) == {"operation"}:
            return ids.get(value["operation"], value)
        return {name: settled(one, ids) for name, one in value.items()}
    return [settled(one, ids) for one in value] if isinstance(value, list) else value


def texts(fields: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a request's fields with its path, for example ``BillAddress/City``."""
    if isinstance(fields, str):
        yield path, fields
    elif isinstance(fields, Mapping):
        for name, value in fields.items():
            yield from texts(value, f"{path}/{name}" if path else name)
    elif isinstance(fields, Sequence):
        for number, value in enumerate(fields, start=1):
            yield from texts(value, f"{path}[{number}]")
