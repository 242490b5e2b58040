"""The head of a request, read strictly.

What one reader takes for a header and another does not makes of one request two. cheroot folds lines, takes
spaces in names and the last of two lengths; nobody who calls us needs any of it. Source: RFC 9112, sections
5.1, 5.2, 6.1 and 6.3.
"""

from __future__ import annotations

import re
from typing import Any

from cheroot import errors
from cheroot.server import HTTPRequest

__all__ = ["Request", "read_headers"]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH, _ENCODING, _EXPECT = b"Content-Length", b"Transfer-Encoding", b"Expect"
_ONCE = {_LENGTH, _ENCODING, b"Host"}


def read_headers(stream: Any, into: dict[bytes, bytes], *, chunks: bool = True) -> dict[bytes, bytes]:
    """Read the headers of a request, each name in one spelling.

    Parameters
    ----------
    stream : file
        What follows the request line.
    into : dict
        Gets them, and is returned; of those that come twice, both with a comma between. One with a ``_``
        is left out: WSGI does not tell it from a ``-``.
    chunks : bool, optional
        Whether the client may send its body in chunks; HTTP/1.0 knows none.

    Raises
    ------
    ValueError
        It is no list of headers, or does not say beyond doubt where the body ends.
    """
    while (line := stream.readline()) != b"\r\n":
        name, colon, value = line.partition(b":")
        if not line.endswith(b"\r\n") or not colon or not _NAME.fullmatch(name):
            raise ValueError("A header is a name, a colon and a value, in one line.")
        value = value.strip(b" \t\r\n")
        if b"\r" in value or b"\0" in value:
            raise ValueError("A header has a character in it that none may have.")
        name = name.title()
        if name in _ONCE and name in into:
            raise ValueError(f"{name.decode()} is there twice.")
        if b"_" not in name:
            into[name] = into[name] + b", " + value if name in into else value
    _require_one_length(into, chunks)
    if into.get(_EXPECT, b"").lower() == b"100-continue":
        into[_EXPECT] = b"100-continue"  # the one spelling that cheroot knows
    return into


def _require_one_length(headers: dict[bytes, bytes], chunks: bool) -> None:
    length, encoding = headers.get(_LENGTH), headers.get(_ENCODING)
    if length is not None and not re.fullmatch(rb"[0-9]{1,18}", length):
        raise ValueError("Content-Length is no number.")
    if encoding is None:
        return
    if length is not None or not chunks:
        raise ValueError("A body in chunks has no Content-Length, and needs version 1.1.")
    names = [name.strip(b" \t").lower() for name in encoding.split(b",")]
    if not all(map(_NAME.fullmatch, names)) or names.count(b"chunked") > 1:  # cheroot refuses the others
        raise ValueError("Transfer-Encoding is no list of encodings, each of them once.")


class Request(HTTPRequest):
    """A request whose head means the same to everybody, or is answered with 400."""

    def header_reader(self, stream: Any, into: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Read the headers; called by cheroot."""
        return read_headers(stream, into, chunks=self.response_protocol == "HTTP/1.1")

    def parse_request(self) -> None:
        """Read the head; ``ready`` tells whether it is a request."""
        try:
            super().parse_request()
        except (OSError, errors.FatalSSLAlert, errors.NoSSLError):
            raise
        except Exception:  # cheroot expects that whatever has slashes can be split as a URL
            self.simple_response("400 Bad Request", "This is no request.")
