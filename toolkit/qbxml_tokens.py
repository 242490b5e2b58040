"""The tags of a piece of XML as arrays: where each begins and ends, what it is called, how deep it stands.

Whether the document is well formed, libxml2 decides (see `toolkit.qbxml_read`). What it has let pass is taken
apart here a few megabytes at a time and without an object for each element, which is what makes it fast. In
well-formed XML a ``<`` begins a tag, a comment, a processing instruction or a CDATA section and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_text import LONGEST

__all__ = ["Ints", "Names", "Tokens", "plain", "tokenize", "unescaped"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DEEPEST = 64  # elements within elements; qbXML's own deepest stand nine deep
MOST_NAMES = 20_000  # of elements in one document; the whole schema has some 4,000
LONGEST_NAME = 200  # characters

_STRINGS = 4  # a tag's name, ">", the text behind it, "<"
_MARKUP = re.compile(rb"<!--|<\?|<!\[CDATA\[")
_CLOSING = {b"<!--": b"-->", b"<?": b"?>", b"<![CDATA[": b"]]>"}
_TAG = re.compile(rb"</?[^\s<>/!?]+(?:\s+[^\s=<>]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*/?>")
_NAME = re.compile(r"[^\s/]*")
_ATTRIBUTE = re.compile(r"""\s([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_BLANK = re.compile(r"[\t\n]")


def plain(data: bytes) -> tuple[bytes, bytes]:
    """Return data without comments, processing instructions and the marks of CDATA, and what is not whole.

    Examples
    --------
    >>> plain(b"<a>1<!-- <b> -->2<![CDATA[<&]]></a><!-- ")
    (b'<a>12&lt;&amp;</a>', b'<!-- ')
    """
    buffer = np.frombuffer(data, np.uint8)
    behind = buffer[np.flatnonzero(buffer[:-1] == ord("<")) + 1]
    if not ((behind == ord("!")) | (behind == ord("?"))).any():
        return data, b""

    kept: list[bytes] = []
    at = 0
    for found in _MARKUP.finditer(data):
        if found.start() < at:
            continue  # it stands in the one before
        closing = _CLOSING[found[0]]
        end = data.find(closing, found.end())
        if end < 0:
            return b"".join([*kept, data[at : found.start()]]), data[found.start() :]
        kept.append(data[at : found.start()])
        if found[0] == b"<![CDATA[":
            kept.append(data[found.end() : end].replace(b"&", b"&amp;").replace(b"<", b"&lt;"))
        at = end + len(closing)
    kept.append(data[at:])
    return b"".join(kept), b""


class Names:
    """The names of the elements of one document, numbered as they are met."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, tag: str) -> int:
        """Return the number of a tag's name; ValueError, with the reason, where qbXML has no such name."""
        found = self._numbers.get(tag)
        if found is None:
            name = _NAME.match(tag)[0]  # type: ignore[index]  # it matches anything
            found = self._numbers.get(name)
            if found is None:
                if ":" in name:
                    raise ValueError(f"an element has a prefix, {name[:60]}, and qbXML knows none")
                if len(name) > LONGEST_NAME:
                    raise ValueError(f"the name of an element is longer than {LONGEST_NAME} characters")
                if len(self.known) == MOST_NAMES:
                    raise ValueError(f"its elements have more than {MOST_NAMES:,} names")
                found = self._numbers[name] = len(self.known)
                self.known.append(name)
        return found


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tags of one piece, and its elements: the tags that open one.

    Parameters
    ----------
    start, end : array of int
        Of each tag, where its ``<`` and its ``>`` stand.
    closes, empty : array of bool
        Of each tag, whether it is ``</Name>``, or ``<Name/>``.
    after : array of int
        Of each tag, how many elements are open behind it.
    strings : pyarrow.StringArray
        Four of each tag: name with attributes, ``>``, the text up to the next tag, ``<``.
    opens : array of int
        Of each element, the number of its tag.
    depth, name : array of int
        Of each element, its depth (1 for the root), and its number in :class:`Names`.
    written : array of bool
        Of each element, whether it has a text that is not blank, and nothing but a text.
    """

    data: bytes
    start: Ints
    end: Ints
    closes: Bools
    empty: Bools
    after: Ints
    strings: pa.StringArray
    opens: Ints
    depth: Ints
    name: Ints
    written: Bools

    def place_of_text(self, elements: Ints) -> Ints:
        """Return where in ``strings`` the texts of elements stand."""
        return self.opens[elements] * _STRINGS + 2

    def text(self, element: int) -> str:
        """Return the text of one element, references resolved."""
        return unescaped(str(self.strings[int(self.opens[element]) * _STRINGS + 2]))

    def mixed(self, elements: Ints) -> int:
        """Return how many elements have a text and elements behind it: the text is no value."""
        tags = self.opens[elements]
        tags = tags[~self.empty[tags] & (tags < len(self.start) - 1)]
        tags = tags[~self.closes[tags + 1] & (self.start[tags + 1] - self.end[tags] > 1)]
        texts = (unescaped(str(self.strings[int(tag) * _STRINGS + 2])) for tag in tags)
        return sum(not text.isspace() for text in texts)

    def attributes(self, tag: int) -> dict[str, str]:
        """Return the attributes of one tag."""
        raw = self.data[self.start[tag] : self.end[tag]].decode()
        found = {}
        for attribute in _ATTRIBUTE.finditer(raw):
            value = attribute[2] if attribute[2] is not None else attribute[3]
            found[attribute[1]] = unescaped(_BLANK.sub(" ", value))  # as XML has it, before references
        return found

    def line(self, tag: int) -> int:
        """Return the number of line feeds before a tag."""
        return self.data.count(b"\n", 0, int(self.start[tag]))


_REFERENCE = re.compile(r"&(?:#([0-9]+)|#x([0-9a-fA-F]+)|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def unescaped(text: str) -> str:
    """Return text with its references resolved.

    Examples
    --------
    >>> unescaped("R&amp;D &#8211; &#x41; &amp;lt;")
    'R&D – A &lt;'
    """

    def put(found: re.Match[str]) -> str:
        if found[3]:
            return _NAMED[found[3]]
        return chr(int(found[1]) if found[1] else int(found[2], 16))

    return _REFERENCE.sub(put, text) if "&" in text else text


def tokenize(data: bytes, depth: int, names: Names, line: int) -> tuple[Tokens | None, int]:
    """Return the tags of data up to the last one that stands outside of every record, and where they end.

    Parameters
    ----------
    data : bytes
        UTF-8 that :func:`plain` has gone over; it begins outside of every record.
    depth : int
        How many elements are open where it begins; 3 within a response.
    names : Names
        Of the document.
    line : int
        Of the first letter, for errors.

    Raises
    ------
    QbxmlParseError
        Elements deeper, or of more or longer names, than any qbXML has.
    """
    buffer = np.frombuffer(data, np.uint8)
    start, end = _tags(data, buffer)
    if not len(start):
        return None, 0
    closes = buffer[start + 1] == ord("/")
    empty = (buffer[end - 1] == ord("/")) & ~closes
    step = np.where(closes, -1, np.where(empty, 0, 1)).astype(np.int8)
    after = depth + np.cumsum(step, dtype=np.int64)
    if after.max() > DEEPEST:
        at = int(np.argmax(after > DEEPEST))
        raise QbxmlParseError(
            f"elements stand more than {DEEPEST} deep", line + data.count(b"\n", 0, int(start[at]))
        )
    outside = np.flatnonzero(after <= 3)
    if not len(outside):
        return None, 0
    count = int(outside[-1]) + 1
    whole = int(end[count - 1]) + 1
    start, end, after = start[:count], end[:count], after[:count]
    closes, empty = closes[:count], empty[:count]
    strings = _strings(data, start, end, whole)
    if strings is None:
        raise QbxmlParseError("a tag stands in a tag", line)
    opens = np.flatnonzero(~closes)
    try:
        name = _names(strings, opens, names)
    except ValueError as error:
        raise QbxmlParseError(str(error), line) from None
    if (start[1:] - end[:-1]).max(initial=0) > LONGEST:
        raise QbxmlParseError(f"a text of more than {LONGEST:,} characters", line)
    written = _written(buffer, strings, start, end, closes, empty, opens)
    found = Tokens(
        data, start, end, closes, empty, after, strings, opens, after[opens] + empty[opens], name, written
    )
    return found, whole


def _tags(data: bytes, buffer: npt.NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Return where the tags begin and end that are whole; a ``>`` may stand in texts and attributes too."""
    start, right = np.flatnonzero(buffer == ord("<")), np.flatnonzero(buffer == ord(">"))
    paired = len(start) == len(right) and bool((right > start).all() and (right[:-1] < start[1:]).all())
    doubtful: Any = [len(start) - 1] if len(start) else []
    end = right
    if not paired:
        nearest = np.searchsorted(right, start)
        count = int(np.searchsorted(nearest, len(right)))  # those with a ">" behind them
        start, end = start[:count], right[nearest[:count]]
        quotes = np.flatnonzero((buffer == ord('"')) | (buffer == ord("'")))
        of = np.searchsorted(start, quotes) - 1
        inside = (of >= 0) & (quotes < end[of]) if count else np.zeros(len(quotes), bool)
        doubtful = np.unique(np.append(of[inside], count - 1)) if count else []
        end = end.copy()
    for tag in doubtful:
        found = _TAG.match(data, int(start[tag]))
        if found:
            end[tag] = found.end() - 1
        elif tag == len(start) - 1:
            start, end = start[:-1], end[:-1]
    # What lies in an attribute is no tag; only data that is not well formed has a "<" there.
    return start, end


def _strings(data: bytes, start: Ints, end: Ints, whole: int) -> pa.StringArray | None:
    count = len(start)
    offsets = np.empty(_STRINGS * count + 1, np.int32)
    offsets[0:-1:4] = start + 1
    offsets[1::4] = end
    offsets[2::4] = end + 1
    offsets[3:-4:4] = start[1:]
    offsets[-2:] = whole
    if (offsets[1:] < offsets[:-1]).any():
        return None
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), _STRINGS * count, buffers)


def _names(strings: pa.StringArray, opens: Ints, names: Names) -> Ints:
    """Return the number of each element's name."""
    coded = strings.take(pa.array(opens * _STRINGS)).dictionary_encode()
    numbers = [names.number(tag) for tag in coded.dictionary.to_pylist()]
    return np.array(numbers, np.int64)[coded.indices.to_numpy()] if numbers else np.empty(0, np.int64)


def _written(
    buffer: npt.NDArray[np.uint8],
    strings: pa.StringArray,
    start: Ints,
    end: Ints,
    closes: Bools,
    empty: Bools,
    opens: Ints,
) -> Bools:
    """Return which elements have a text and nothing else; most are seen by the text's first byte."""
    written = np.zeros(len(opens), bool)
    followed = np.flatnonzero(opens < len(start) - 1)
    tags = opens[followed]
    holds = ~empty[tags] & closes[tags + 1] & (start[tags + 1] - end[tags] > 1)
    holders, tags = followed[holds], tags[holds]
    written[holders] = True
    first = buffer[end[tags] + 1]
    # Blanks; letters that begin as the blanks beyond ASCII do; a reference to a blank.
    doubtful = (first <= 32) | np.isin(first, (0xC2, 0xE1, 0xE2, 0xE3)) | (first == ord("&"))
    for element, tag in zip(holders[doubtful], tags[doubtful], strict=True):
        written[element] = not unescaped(str(strings[int(tag) * _STRINGS + 2])).isspace()
    return written
