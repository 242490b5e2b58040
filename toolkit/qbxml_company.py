"""What an open company file says of itself, read without the arrays that landing an answer takes.

It comes with the first call of each session, ahead of everything else, and is no more than a few kilobytes.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from lxml import etree

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_text import AnswerText

__all__ = ["About", "Stamp", "read_company"]

_VERSION = re.compile(r"\s*([0-9]{1,3})\.([0-9]{1,3})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One custom field of the company; each value may be blank.

    Parameters
    ----------
    owner_id : str
        The OwnerID that it belongs to, a GUID.
    name, value : str
        ``DataExtName`` and ``DataExtValue``.
    """

    owner_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class About:
    """A company file.

    Parameters
    ----------
    name : str
        ``CompanyName``; blank where it is not told.
    is_sample : bool
        It is Intuit's sample company.
    stamps : tuple of Stamp
        Its custom fields, whoever wrote them.
    versions : tuple of (int, int)
        The versions of qbXML that QuickBooks says it takes, in its own order; empty where it tells none.
    """

    name: str
    is_sample: bool
    stamps: tuple[Stamp, ...]
    versions: tuple[tuple[int, int], ...] = ()


def read_company(answer: bytes) -> About:
    """Return what the answers to a ``CompanyQuery`` and a ``HostQuery`` say, whatever else is answered.

    Parameters
    ----------
    answer : bytes
        The whole document, put right as any answer is: see :class:`toolkit.qbxml_text.AnswerText`.

    Raises
    ------
    QbxmlParseError
        The document is no qbXML answer, or only the first part of one.

    Examples
    --------
    >>> read_company(b'''<QBXML><QBXMLMsgsRs><CompanyQueryRs statusCode="0"><CompanyRet>
    ... <CompanyName>Acme</CompanyName></CompanyRet></CompanyQueryRs></QBXMLMsgsRs></QBXML>''').name
    'Acme'
    """
    text = b"".join(AnswerText(io.BytesIO(answer)))
    parser = etree.XMLParser(
        encoding="utf-8", no_network=True, resolve_entities=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        reason = str(error.msg).partition(", line ")[0].strip()
        line = max(error.lineno or 1, 1)
        raise QbxmlParseError(f"it is broken off or not well formed: {reason}", line) from None
    if root.find("QBXMLMsgsRs") is None:
        raise QbxmlParseError("it holds no QBXMLMsgsRs", 1)
    companies = root.findall("QBXMLMsgsRs/*/CompanyRet")
    names = [name for one in companies if (name := _text(one, "CompanyName"))]
    return About(
        name=names[-1] if names else "",
        is_sample=any(_text(one, "IsSampleCompany").strip() in ("true", "1") for one in companies),
        stamps=tuple(
            Stamp(*(_text(field, name) for name in ("OwnerID", "DataExtName", "DataExtValue")))
            for one in companies
            for field in one.findall("DataExtRet")
        ),
        versions=tuple(
            (int(found[1]), int(found[2]))
            for one in root.iterfind("QBXMLMsgsRs/*/HostRet/SupportedQBXMLVersion")
            if (found := _VERSION.fullmatch(one.text or ""))  # "CA3.0" is of another country's edition
        ),
    )


def _text(element: etree._Element, name: str) -> str:
    """Return the text of the first child of that name that is not blank."""
    return next((one.text for one in element.findall(name) if one.text and one.text.strip()), "")
