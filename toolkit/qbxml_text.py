"""The characters of qbXML: which may be sent, and how the text of a real answer becomes XML.

QuickBooks stores text in Windows-1252 and copies into its answers whatever users pasted. So nothing
leaves that QuickBooks would turn into ``?``, and an answer is put right before it is parsed: encoding,
byte order mark, blank first line, control characters, references written by Windows programs.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

from toolkit.errors import QbxmlParseError
from toolkit.late import np
from toolkit.tables import finding

__all__ = ["AnswerText", "line_feeds", "normal_text", "text_problem"]

BLOCK = 1 << 18  # bytes read at a time
LONGEST = 10_000_000  # libxml2's own limit for one text; what is longer is no answer
_PROLOG_LIMIT = 1 << 20
_SHORT = 1 << 14  # bytes that are counted in microseconds by either way

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What is in UTF-8 no character that XML takes. Bytes that are not UTF-8 come from the decoder as U+DC80 to
# U+DCFF.
_FOREIGN = re.compile("[\ufffe\uffff\ud800-\udfff]")
_NUMBER = re.compile(rb"(x?)([0-9a-fA-F]+);")
_PROLOG = re.compile(r"[\s\ufeff]*(?:(?:<\?.*?\?>|<!--.*?-->)[\s\ufeff]*)*", re.DOTALL)
_DECLARATION = re.compile(r"<\?xml\s.*?\?>|\ufeff", re.DOTALL)
_ROOT = re.compile(r"<([^\s<>/]{1,60})")
# The bytes of the control characters above; in UTF-8 no other character has them.
_CONTROL_BYTES = bytes(code for code in range(32) if code not in b"\t\n\r")
_CONTROL_BYTE = re.compile(b"[" + _CONTROL_BYTES + b"]")


def normal_text(text: str) -> str:
    r"""Return text as it is sent and counted: in Unicode's composed form (NFC).

    >>> len(normal_text("Jose\u0301"))
    4
    """
    return unicodedata.normalize("NFC", text)


def text_problem(text: str) -> str | None:
    """Return why QuickBooks cannot hold a text, or None when it can.

    Parameters
    ----------
    text : str
        In composed form, see :func:`normal_text`.

    Notes
    -----
    Source: tests on QuickBooks desktop: other characters are refused, or stored as ``?``; XML 1.0, ``Char``.

    Examples
    --------
    >>> text_problem("O’Brien & Søn – 5 €") is None
    True
    >>> text_problem("Łódź")
    'outside Windows-1252, which QuickBooks stores: Ł (U+0141), ź (U+017A)'
    """
    control = _CONTROL.search(text)
    if control:
        return f"has a control character: U+{ord(control[0]):04X} at character {control.start() + 1}"
    if text.isascii():
        return None
    foreign = list(dict.fromkeys(letter for letter in text if not _in_windows_1252(letter)))
    if not foreign:
        return None
    shown = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in foreign[:5])
    return f"outside Windows-1252, which QuickBooks stores: {shown}{', ...' if len(foreign) > 5 else ''}"


def _in_windows_1252(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


class AnswerText:
    """The text of one answer, put right, as UTF-8 in pieces that end between elements.

    Iterating reads the stream once. The encoding that the document declares is not believed: what passed
    through the Web Connector was a string, and its declaration says nothing of the bytes. UTF-8 and UTF-16
    are recognised; a byte that is not UTF-8 is read as Windows-1252. Lines end with
    a line feed, as in XML.

    Parameters
    ----------
    stream : binary file
        Anything with ``read(size)``.

    Raises
    ------
    QbxmlParseError
        While iterating: no XML, an HTML page, another document, or a document type declaration.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._line = 1  # line of the first character that is not cleaned yet
        self._removed = 0
        self._first_removed = 0
        self._foreign = 0
        self._reported = (0, 0)

    def __iter__(self) -> Iterator[bytes]:
        held, begun = b"", False
        for block in self._encoded():
            held += block
            if not begun:
                text = held.decode("utf-8", "surrogateescape")
                prolog = _PROLOG.match(text)
                end = prolog.end() if prolog else 0
                if len(text) - end < 80 and len(text) < _PROLOG_LIMIT:
                    continue  # the root's name may not be whole yet
                held, begun = self._begin(text, end), True
            cut = held.rfind(b">") + 1  # never inside a reference or a character
            if cut:
                yield self._cleaned(held[:cut])
                held = held[cut:]
            elif len(held) > LONGEST:
                raise QbxmlParseError(f"a text of more than {LONGEST:,} characters", self._line)
        if not begun:
            text = held.decode("utf-8", "surrogateescape")
            prolog = _PROLOG.match(text)
            held = self._begin(text, prolog.end() if prolog else 0)
        if held:
            yield self._cleaned(held)

    def findings(self) -> list[dict[str, str | None]]:
        """Return what was put right since the last call, one finding a kind with the count so far."""
        found = []
        if self._removed > self._reported[0]:
            message = (
                f"{self._removed} control characters, which XML does not allow, were left out of the answer; "
                f"the first stood in line {self._first_removed}"
            )
            found.append(finding("info", "control_characters", message))
        if self._foreign > self._reported[1]:
            message = f"{self._foreign} bytes of the answer are not UTF-8 and were read as Windows-1252"
            found.append(finding("info", "not_utf8", message))
        self._reported = (self._removed, self._foreign)
        return found

    def _encoded(self) -> Iterator[bytes]:
        """Yield the document as UTF-8, whichever encoding it came in."""
        head = b""
        while len(head) < 4 and (more := self._stream.read(BLOCK)):
            head += more
        name = ""
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            name = "utf-16"
        elif head[:2] in (b"<\0", b"\0<"):
            name = "utf-16-le" if head[0] else "utf-16-be"
        decoder = codecs.getincrementaldecoder(name)("replace") if name else None
        block = head
        while block:
            yield decoder.decode(block).encode() if decoder else block
            block = self._stream.read(BLOCK)
        if decoder:
            yield decoder.decode(b"", final=True).encode()

    def _begin(self, text: str, end: int) -> bytes:
        """Return the text from its first line without its declaration, once it is seen to be qbXML."""
        rest, line = text[end:], text.count("\n", 0, end) + 1
        if not rest.strip("\0"):
            raise QbxmlParseError(
                "it has no root element" if text.strip("\0\ufeff \t\r\n") else "it is empty", line
            )
        if rest[:9].upper() == "<!DOCTYPE" and "html" not in rest[9:20].lower():
            raise QbxmlParseError("it has a document type declaration, which qbXML never has", line)
        root = _ROOT.match(rest)
        if root is None and rest[:2] in ("\x1f\udc8b", "(\udcb5"):
            raise QbxmlParseError("it is compressed: name it .gz or .zst, as it is", line)
        if root is None:
            raise QbxmlParseError("it is not XML: text where <QBXML> should begin", line)
        name = root[1]
        if name != "QBXML":
            local = name.rpartition(":")[2].lower()
            known = {"html": "an HTML page", "!doctype": "an HTML page", "envelope": "a SOAP envelope"}
            raise QbxmlParseError(f"it is {known.get(local, f'a document <{name}>')}; expected <QBXML>", line)
        first = _DECLARATION.sub(lambda match: "\n" * match[0].count("\n"), text[:end])
        return (first + rest).encode("utf-8", "surrogateescape")

    def _cleaned(self, data: bytes) -> bytes:
        """Return a piece with everything put right; what needs nothing is not looked at letter by letter."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        feeds = line_feeds(data)
        if not _is_utf8(data):
            data = self._as_utf8(data)
        if b"&#" in data:
            data = self._resolved(data)
        clean = data.translate(None, _CONTROL_BYTES)
        if len(clean) < len(data):
            self._remove(len(data) - len(clean), _CONTROL_BYTE.split(data, 1)[0].count(b"\n"))
        self._line += feeds
        return clean

    def _remove(self, count: int, feeds: int) -> None:
        """Note characters that are left out, the first of them behind so many line feeds of the piece."""
        self._removed += count
        self._first_removed = self._first_removed or self._line + feeds

    def _as_utf8(self, data: bytes) -> bytes:
        text = data.decode("utf-8", "surrogateescape")

        def right(match: re.Match[str]) -> str:
            found = match[0]
            if "\udc80" <= found <= "\udcff":
                self._foreign += 1
                return bytes([ord(found) - 0xDC00]).decode("cp1252", "replace")
            self._remove(1, 0 if self._first_removed else text.count("\n", 0, match.start()))
            return ""

        return _FOREIGN.sub(right, text).encode()

    def _resolved(self, data: bytes) -> bytes:
        """Return a piece whose references XML takes, and takes as what was meant."""
        first, *others = data.split(b"&#")  # much faster than a pattern, where they are few
        put, halves = [first], False
        for part in others:
            found = _NUMBER.match(part)
            code = _code(found[1], found[2]) if found else None
            if code is None or _taken(code):  # as it is: in a CDATA section it is no reference
                put += (b"&#", part)
                continue
            letter = _letter(code)
            halves = halves or 0xD800 <= code <= 0xDFFF
            if not letter:
                self._remove(1, sum(piece.count(b"\n") for piece in put) if not self._first_removed else 0)
            put += (letter.encode("utf-8", "surrogatepass"), part.partition(b";")[2])
        clean = b"".join(put)
        if halves:  # of one character, written as a reference each
            text = clean.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
            clean = text.decode("utf-16-le", "replace").encode()
        return clean


def _code(mark: bytes, digits: bytes) -> int | None:
    """Return the number that a reference tells; None where it is none."""
    try:
        digits = digits.lstrip(b"0") or b"0"
        return int(digits, 16 if mark else 10) if len(digits) < 9 else 1 << 30
    except ValueError:
        return None


def _taken(code: int) -> bool:
    """Return whether XML takes a reference to a code, and it means that very character."""
    if code < 0x20:
        return code in (9, 10, 13)
    return code <= 0x7F or 0xA0 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def _letter(code: int) -> str:
    """Return the character that a reference to a code means; nothing where XML has none."""
    if 0x80 <= code <= 0x9F:  # Windows programs mean their own code page
        return bytes([code]).decode("cp1252", "ignore")
    return chr(code) if 0xD800 <= code <= 0xDFFF else ""


def line_feeds(data: bytes) -> int:
    """Return how many lines end in data; ``bytes.count`` is slow where they are short."""
    if len(data) < _SHORT:  # it needs no numpy
        return data.count(b"\n")
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))


def _is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8 without the two characters of its first plane that XML does not take."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\xef\xbf\xbe" not in data and b"\xef\xbf\xbf" not in data
