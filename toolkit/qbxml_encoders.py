"""Values to whole elements, fast: one function an element of the spec.

What is plainly fine is known by one look at a pattern; all else goes to
`toolkit.qbxml_values.write_value`, which judges it exactly. The text is the same either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from toolkit.qbxml_spec import Particle
from toolkit.qbxml_values import is_key, write_value

__all__ = ["Encoder", "encoder", "escaped"]

Encoder = Callable[[Any], str]

REMEMBERED = 1 << 10  # values of one element: the same words and days come again and again

# Texts that are written as they stand but for what XML escapes: what Windows-1252 has. Each is in composed
# form by itself, and nothing here is composed with what stands before it.
_PLAIN = "[\\t\\n\\r -~\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_PLAIN_TEXTS = {
    "STRTYPE": _PLAIN + "{0,%s}",
    "IDTYPE": _PLAIN + "{0,%s}",
    "GUIDTYPE": r"\{[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}",
}
# Numbers that are written as they stand. Below zero and above minus one, the exact way looks for -0.
_PLAIN_NUMBERS = {
    "AMTTYPE": re.compile(r"(?:-?[1-9][0-9]{0,12}|0)\.[0-9]{2}"),
    "PRICETYPE": re.compile(r"(?:-?[1-9][0-9]{0,9}|0)(?:\.[0-9]{0,4}[1-9])?"),
    "QUANTYPE": re.compile(r"(?:-?[1-9][0-9]{0,9}|0)(?:\.[0-9]{0,4}[1-9])?"),
    "PERCENTTYPE": re.compile(r"(?:-?[1-9][0-9]{0,9}|0)(?:\.[0-9]{0,4}[1-9])?"),
    "FLOATTYPE": re.compile(r"(?:-?[1-9][0-9]{0,9}|0)(?:\.[0-9]{0,11}[1-9])?"),
}
_ESCAPED = re.compile("[&<>\r]")


def escaped(text: str) -> str:
    r"""Return a text as it stands between tags; what is not ASCII is left to the encoding.

    >>> escaped("a < b & c\r")
    'a &lt; b &amp; c&#13;'
    """
    if _ESCAPED.search(text) is None:
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def encoder(particle: Particle, before: str, after: str) -> Encoder:
    """Return what writes a value as its whole element.

    That raises ``ValueError`` for a value that does not fit, and ``TypeError`` for one that cannot even be
    looked up, such as a list.

    Parameters
    ----------
    particle : Particle
        An element that is no aggregate.
    before, after : str
        What stands around the text: the tags, and the white space before them.

    Examples
    --------
    >>> from toolkit.qbxml_spec import elements, request
    >>> list_id = list(elements(request("ListDel")))[1]
    >>> encoder(list_id, "<ListID>", "</ListID>")("80-1")
    '<ListID>80-1</ListID>'
    """

    def exact(value: Any) -> str:
        return f"{before}{escaped(write_value(particle, value))}{after}"

    kind = str(particle.type)
    if kind == "BOOLTYPE":
        return _boolean(exact, f"{before}true{after}", f"{before}false{after}")
    if kind == "DATETYPE" or particle.enum:
        return _remembered(exact)
    if kind in _PLAIN_NUMBERS and particle.max_length is None:
        return _number(exact, _PLAIN_NUMBERS[kind], before, after)
    if kind in _PLAIN_TEXTS:
        return _text(exact, _pattern(particle), before, after)
    return exact


def _pattern(particle: Particle) -> re.Pattern[str]:
    """Return what matches the texts that fit for certain."""
    plain = _PLAIN_TEXTS[str(particle.type)].replace("%s", str(particle.max_length or ""))
    # What begins with a blank may hold nothing else, which the exact way finds out.
    return re.compile(rf"(?!\s|\Z)(?:{plain})" if is_key(particle) else plain)


def _remembered(exact: Encoder) -> Encoder:
    """Return what remembers words and days, but none of a subclass: that may be equal, and show otherwise."""
    remembered = lru_cache(REMEMBERED)(exact)

    def encode(value: Any) -> str:
        kind = type(value)
        return remembered(value) if kind is str or kind is date else exact(value)

    return encode


def _boolean(exact: Encoder, true: str, false: str) -> Encoder:
    def encode(value: Any) -> str:
        if value is True:
            return true
        return false if value is False else exact(value)

    return encode


def _number(exact: Encoder, plain: re.Pattern[str], before: str, after: str) -> Encoder:
    fits = plain.fullmatch

    def encode(value: Any) -> str:
        kind = value.__class__
        if kind is Decimal:
            text = str(value)
        elif kind is str:
            text = value
        else:
            return exact(value)
        return f"{before}{text}{after}" if fits(text) else exact(value)

    return encode


def _text(exact: Encoder, plain: re.Pattern[str], before: str, after: str) -> Encoder:
    fits, found = plain.fullmatch, _ESCAPED.search

    def encode(value: Any) -> str:
        if value.__class__ is str and fits(value):
            return f"{before}{value if found(value) is None else escaped(value)}{after}"
        return exact(value)

    return encode
