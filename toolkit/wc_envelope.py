"""The SOAP envelope that a Web Connector posts: parsed with care, and made plain.

Whether an element is missing, empty or ``xsi:nil``, and whether the body is of document or RPC style,
makes no difference to what a call says: what is left here has names and texts only.
"""

from __future__ import annotations

import re
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
        No XML, not UTF-8, a document type declaration, no envelope, or none with a call in it. The message
        quotes nothing of the body.

    Notes
    -----
    Source: reference/PROTOCOL.md 1.8.
    """
    root = _parse(body)
    envelope = root.find(f"{_SOAP}Body") if root.tag == f"{_SOAP}Envelope" else None
    if envelope is None or not len(envelope):
        raise ProtocolError("not a SOAP 1.1 envelope with a call in its body")
    call = envelope[0]
    call.attrib.clear()
    for child in list(call):
        number = etree.QName(child).localname in _NUMBERS
        if not (_is_number(child) if number else _has_text(child)):
            call.remove(child)
            continue
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


def _parse(body: bytes) -> Any:
    """Return the root of a document that has no DTD.

    Without one there is no entity to expand, so that the size limits of libxml2 can be off: QuickBooks'
    answers exceed them.
    """
    prolog = _PROLOG.match(body)
    start = prolog.end() if prolog else 0
    if body[start : start + 9].upper() == b"<!DOCTYPE":
        raise ProtocolError("a document type declaration is not allowed here")
    if not re.match(rb"<[A-Za-z_]", body[start : start + 2]):
        raise ProtocolError("not an XML document")
    try:
        return etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as error:
        line = error.lineno
    mended = _mended(body)
    if mended != body:
        try:
            return etree.fromstring(mended, _parser())
        except etree.XMLSyntaxError as error:
            line = error.lineno
    raise ProtocolError(f"not well-formed XML in UTF-8 (line {line})")


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

    def escaped(match: re.Match[bytes]) -> bytes:
        digits = match[0][2:-1]
        code = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
        legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
        return match[0] if legal or 0x10000 <= code <= 0x10FFFF else b"&amp;" + match[0][1:]

    return _FORBIDDEN_BYTE.sub(lambda match: b"&amp;#%d;" % match[0][0], _REFERENCE.sub(escaped, body))
