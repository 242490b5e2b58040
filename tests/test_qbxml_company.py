"""What a company file says of itself: the same, whether it is read alone or landed as tables."""

from __future__ import annotations

import io
import re
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsal_company import company

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_company import About, Stamp, read_company
from toolkit.qbxml_io import Batch, parse

OWNER = "{0A1B2C3D-0000-4000-8000-00000000000A}"


def document(inside: str, around: str = "") -> bytes:
    ret = f"<CompanyRet>{inside}</CompanyRet>"
    answer = f'<CompanyQueryRs requestID="1" statusCode="0">{ret}</CompanyQueryRs>'
    return f"<QBXML><QBXMLMsgsRs>{around}{answer}</QBXMLMsgsRs></QBXML>".encode()


def stamp(name: str, value: str, owner: str = OWNER) -> str:
    told = f"<OwnerID>{owner}</OwnerID><DataExtName>{name}</DataExtName><DataExtType>STR255TYPE</DataExtType>"
    return f"<DataExtRet>{told}<DataExtValue>{value}</DataExtValue></DataExtRet>"


def as_tables(answer: bytes) -> About:
    """Return the same from the rows that would be landed."""
    told, stamps = {}, []
    for event in parse(io.BytesIO(answer)):
        if isinstance(event, Batch):
            for row in event.rows.to_pylist():
                if event.table == "quickbooks.company":
                    told |= {name: value for name, value in row.items() if value is not None}
                elif event.table == "quickbooks.custom_fields":
                    stamps.append(Stamp(*(row[name] or "" for name in ("owner_id", "name", "value"))))
    versions = [
        (int(a), int(b)) for a, b in re.findall(rb"QBXMLVersion>(\d+)\.(\d+)<", answer)
    ]  # in no table
    return About(
        told.get("company_name") or "", bool(told.get("is_sample_company")), tuple(stamps), tuple(versions)
    )


HOST = '<HostQueryRs statusCode="0"><HostRet><ProductName>QuickBooks</ProductName></HostRet></HostQueryRs>'
DOCUMENTS = {
    "rehearsal": company().hcp(OWNER, "{11111111-2222-3333-4444-555555555555}").encode(),
    "with_host": document("<CompanyName>Acme</CompanyName>", HOST),
    "sample": document("<IsSampleCompany>true</IsSampleCompany><CompanyName>Larry's</CompanyName>"),
    "sample_by_number": document("<IsSampleCompany> 1 </IsSampleCompany><CompanyName>Larry's</CompanyName>"),
    "no_sample": document("<IsSampleCompany>maybe</IsSampleCompany><CompanyName>Acme</CompanyName>"),
    "nothing": document(""),
    "blank_first": document("<CompanyName> </CompanyName><CompanyName>Acme</CompanyName>"),
    "twice": document("<CompanyName>Acme</CompanyName><CompanyName>Other</CompanyName>"),
    "two": document("<CompanyName>Acme</CompanyName></CompanyRet><CompanyRet><CompanyName>B</CompanyName>"),
    "comment": document("<CompanyName>Ac<!-- x -->me</CompanyName><?pi x?>"),
    "cdata": document("<CompanyName><![CDATA[A & B]]></CompanyName>"),
    "windows_bytes": document("<CompanyName>O\x92Brien</CompanyName>").replace(b"\xc2\x92", b"\x92"),
    "reference": document("<CompanyName>O&#146;Brien &#x26; S&#248;n&#1;</CompanyName>"),
    "utf_16": document("<CompanyName>Søn</CompanyName>").decode().encode("utf-16"),
    "prolog": b'\xef\xbb\xbf\n<?xml version="1.0" encoding="cp437"?>\n'
    + document("<CompanyName>A</CompanyName>"),
    "stamps": document(
        "<CompanyName>Acme</CompanyName>"
        + stamp("FileID", "{A}")
        + stamp("AppLock", "LOCKED")
        + stamp("FileID", "", "{0}")
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_is_what_the_tables_would_hold(name: str) -> None:
    assert read_company(DOCUMENTS[name]) == as_tables(DOCUMENTS[name])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@given(name=TEXT, sample=st.sampled_from(["true", "false", "1", "0", "", "yes"]), field=TEXT, value=TEXT)
def test_it_is_what_the_tables_would_hold_whatever_is_in_it(
    name: str, sample: str, field: str, value: str
) -> None:
    inside = f"<IsSampleCompany>{sample}</IsSampleCompany><CompanyName>{escape(name)}</CompanyName>"
    answer = document(inside + stamp(f"x{escape(field)}", f"x{escape(value)}"))
    assert read_company(answer) == as_tables(answer)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"<html>Proxy error</html>",
        b"<QBXML/>",
        b"<QBXML><QBXMLMsgsRq/></QBXML>",
        document("<CompanyName>Acme</CompanyName>")[:-9],
        document("<CompanyName>A & B</CompanyName>"),
        document("<CompanyName>&unknown;</CompanyName>"),
        b'<!DOCTYPE x [<!ENTITY y "z">]>' + document("<CompanyName>&y;</CompanyName>"),
    ],
)
def test_what_is_no_answer_is_none_either_way(broken: bytes) -> None:
    with pytest.raises(QbxmlParseError):
        list(parse(io.BytesIO(broken)))
    with pytest.raises(QbxmlParseError):
        read_company(broken)


def test_the_versions_are_those_of_the_host() -> None:
    assert read_company(DOCUMENTS["rehearsal"]).versions[-1] == (13, 0)
    assert read_company(DOCUMENTS["with_host"]).versions == ()


def test_a_company_that_is_once_called_the_sample_is_the_sample() -> None:
    sample = "<IsSampleCompany>true</IsSampleCompany></CompanyRet><CompanyRet><CompanyName>Acme</CompanyName>"
    found = read_company(document(f"{sample}<IsSampleCompany>false</IsSampleCompany>"))
    assert (found.name, found.is_sample) == ("Acme", True)
