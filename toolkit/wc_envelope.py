"""The SOAP envelope that a Web Connector posts: parsed with care, and made plain.

Whether an element is missing, empty or ``xsi:nil``, and whether the body is of document or RPC style,
makes no difference to what a call says: what is left here has names and texts only. A stranger's body, too,
is parsed before a password is looked at: what would take far more memory than it is long is refused first.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

from lxml import etree

from toolkit.errors import ProtocolError

__all__ = ["legal_text", "parse_call", "take_text"]

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_NUMBERS = ("qbXMLMajorVers", "qbXMLMinorVers")

_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s++|<\?(?>.*?\?>)|<!--(?>.*?-->))*+", re.DOTALL)
# XML 1.0 cannot hold these at all, escaped or not; .NET clients write them as references all the same.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCE = re.compile(rb"&#(?:x[0-9a-fA-F]{1,8}|[0-9]{1,10});")

_SILENT = re.compile(rb"<(?:!--|\?|!\[CDATA\[)")
_END = {b"<!--": b"-->", b"<?": b"?>", b"<![CDATA[": b"]]>"}
_TAG = re.compile(rb"""<[^<>"']*+(?:"[^"<]*+"[^<>"']*+|'[^'<]*+'[^<>"']*+)*+>""")

_FEW = 1_000
"""No call has so many elements and attributes, and no short text so many forbidden characters."""
_MOST = 1 << 16
_MOSTLY = 16
"""A text is mostly of others: one byte in so many may stand for a forbidden character."""
_strange = threading.Lock()


def legal_text(text: str) -> str:
    r"""Return a text with U+FFFD for each character that XML cannot hold.

    >>> legal_text("no\x01body")
    'no\ufffdbody'
    """
    return _FORBIDDEN.sub("\ufffd", text)


def parse_call(body: bytes) -> Any:
    """Return the element of the call in a SOAP 1.1 envelope, without what says nothing.

    Parameters
    ----------
    body : bytes
        The whole envelope, in UTF-8.

    Returns
    -------
    lxml element
        Its children have a text each and no attributes; empty and ``xsi:nil`` ones are gone, and so is a
        qbXML version that is no number.

    Raises
    ------
    ProtocolError
        No XML, not UTF-8, a document type declaration, no envelope, none with a call in it, or far more
        elements or forbidden characters than a call has. The message quotes nothing of the body.

    Notes
    -----
    Source: reference/PROTOCOL.md 1.8.
    """
    _require_start(body)
    # What is none of the Web Connector's calls is in memory one at a time, until it is made small.
    with _strange if _nodes(body) > _FEW else contextlib.nullcontext():
        return _plain(_parse(body))


def _plain(root: Any) -> Any:
    envelope = root.find(f"{_SOAP}Body") if root.tag == f"{_SOAP}Envelope" else None
    if envelope is None or not len(envelope):
        raise ProtocolError("not a SOAP 1.1 envelope with a call in its body")
    call = envelope[0]
    del envelope[1:], call[_FEW:]
    root[:] = [envelope]
    call.attrib.clear()
    for child in list(call):
        number = etree.QName(child).localname in _NUMBERS
        if not (_is_number(child) if number else _has_text(child)):
            call.remove(child)
            continue
        child[:] = []
        child.attrib.clear()  # RPC style: xsi:type, of types that spyne need not know
        if number:
            child.text = child.text.strip()
    return call


def take_text(call: Any, name: str) -> bytes:
    """Take a parameter out of a call, and return its text in UTF-8; the last where it stands twice.

    An answer of 100 MB is 400 MB as a ``str`` that holds a single character beyond the first plane.

    Parameters
    ----------
    call : lxml element
        As :func:`parse_call` returns it.
    name : str
        The parameter, of whatever namespace.

    Examples
    --------
    >>> call = etree.fromstring("<receiveResponseXML><response>a &lt; b</response></receiveResponseXML>")
    >>> take_text(call, "response")
    b'a < b'
    >>> len(call)
    0
    """
    text = b""
    for child in call.findall(f"{{*}}{name}"):
        call.remove(child)
        child[:] = []
        text = etree.tostring(child, method="text", encoding="utf-8", with_tail=False)
    return text


# Tells without making a str of it.
_has_text = etree.XPath("boolean(text())")


def _is_number(child: Any) -> bool:
    return re.fullmatch(r"\s*[0-9]{1,9}\s*", child.text or "", re.ASCII) is not None


def _require_start(body: bytes) -> None:
    """Refuse what is no XML, or has a DTD.

    Without one there is no entity to expand, so that the size limits of libxml2 can be off: QuickBooks'
    answers exceed them.
    """
    prolog = _PROLOG.match(body)
    start = prolog.end() if prolog else 0
    if body[start : start + 9].upper() == b"<!DOCTYPE":
        raise ProtocolError("a document type declaration is not allowed here")
    if not re.match(rb"<[A-Za-z_]", body[start : start + 2]):
        raise ProtocolError("not an XML document")


def _parse(body: bytes) -> Any:
    try:
        return etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as error:
        line = error.lineno or 1
    mended = _mended(body)
    if mended != body:
        try:
            return etree.fromstring(mended, _parser())
        except etree.XMLSyntaxError as error:
            line = error.lineno or 1
    raise _malformed(line)


def _malformed(line: int) -> ProtocolError:
    return ProtocolError(f"not well-formed XML in UTF-8 (line {line})")


def _nodes(body: bytes) -> int:
    """Return how many elements and attributes a document has, and comments; too many are refused.

    The parser makes a hundred bytes and more of an element of four.
    """
    nodes = place = 0
    while (place := body.find(b"<", place)) >= 0:
        if nodes > _MOST:
            raise ProtocolError("not well-formed, or of far more elements than a call has")
        if begin := _SILENT.match(body, place):
            nodes += begin[0] != b"<![CDATA["
            place = body.find(_END[begin[0]], begin.end())
            if place < 0:
                break  # as the parser will tell
            continue
        tag = _TAG.match(body, place)
        if tag is None:
            raise _malformed(body.count(b"\n", 0, place) + 1)
        if body[place + 1] != ord("/"):
            nodes += 1 + body.count(b"=", place, tag.end())
        place = tag.end()
    return nodes


def _parser() -> Any:
    return etree.XMLParser(
        encoding="utf-8",
        huge_tree=True,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
    )


def _mended(body: bytes) -> bytes:
    """Return a body with each forbidden character escaped once more, as the inner qbXML's own reference.

    So the reader of the answer meets it, takes it out, and says so; here nothing is lost in silence.
    """
    most = _FEW + len(body) // _MOSTLY
    for found in (_REFERENCE, _FORBIDDEN_BYTE):
        mended, done = bytearray(), 0  # not a list, with an object for each of them
        for number, (start, code) in enumerate(_forbidden(found, body)):
            if number == most:
                raise ProtocolError("too many of its characters are such as XML cannot hold")
            mended += memoryview(body)[done:start]
            # Of a reference all but the & stays as it is.
            mended += b"&amp;" if body[start] == ord("&") else b"&amp;#%d;" % code
            done = start + 1
        if done:
            mended += memoryview(body)[done:]
            body = bytes(mended)
    return body


def _forbidden(found: re.Pattern[bytes], body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each character stands that XML cannot hold, and its code."""
    for match in found.finditer(body):
        digits = match[0][2:-1]
        if not digits:
            yield match.start(), match[0][0]
            continue
        code = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
        legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
        if not (legal or 0x10000 <= code <= 0x10FFFF):
            yield match.start(), code
