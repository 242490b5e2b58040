"""The request of an operation as it will be sent, for people; ids not known yet stand as words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from toolkit.errors import QbxmlBuildError
from toolkit.qbxml_io import Request, build
from toolkit.qbxml_versions import LATEST, fit

__all__ = ["request_text"]

_MARGIN = "    "


def request_text(name: str, fields: Mapping[str, Any], version: str = LATEST) -> str | None:
    """Return a request's qbXML, indented; ``None`` where it cannot be written.

    Parameters
    ----------
    name : str
        ``InvoiceAdd``, ...
    fields : mapping
        As an operation has them: ``{"operation": key}`` stands for an id that is not known yet.
    version : str
        qbXML version to be spoken.

    Examples
    --------
    >>> print(
    ...     request_text("CustomerAdd", {"Name": "B", "ParentRef": {"ListID": {"operation": "customer:A"}}})
    ... )
    <CustomerAddRq>
      <CustomerAdd>
        <Name>B</Name>
        <ParentRef>
          <ListID>{ListID of customer:A}</ListID>
        </ParentRef>
      </CustomerAdd>
    </CustomerAddRq>
    """
    waiting: list[str] = []
    request = Request(name, {part: _stood_in(value, part, waiting) for part, value in fields.items()})
    try:
        document = build([fit(request, version).request], version=version).decode("ascii")
    except QbxmlBuildError:
        return None
    start, end = document.index(f"{_MARGIN}<{name}Rq"), document.rindex("\n  </QBXMLMsgsRq>")
    text = _flush_left(document[start:end])
    for number, words in enumerate(waiting):
        text = text.replace(f">{_token(number)}<", f">{escape(words)}<")
    return text


def _flush_left(text: str) -> str:
    """Return a request of a document with its own first line at the margin."""
    # A value may have lines of its own: those begin anywhere, or hold blanks alone, but end in no tag.
    if text.count("\n") == text.count(">\n") == text.count(f"\n{_MARGIN}"):
        return text.removeprefix(_MARGIN).replace(f"\n{_MARGIN}", "\n")
    return textwrap.dedent(text)


def _stood_in(value: Any, name: str, waiting: list[str]) -> Any:
    if isinstance(value, str):  # as most are
        return value
    if isinstance(value, Mapping):
        if set(value) == {"operation"}:
            waiting.append(f"{{{name} of {value['operation']}}}")
            return _token(len(waiting) - 1)
        return {part: _stood_in(inner, part, waiting) for part, inner in value.items()}
    return [_stood_in(inner, name, waiting) for inner in value] if isinstance(value, list) else value


def _token(number: int) -> str:
    return f"not-known-yet-{number}"
