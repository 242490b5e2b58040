"""Which company file is open: fail closed before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from rehearsal_company import company

from toolkit.company_guard import Verdict, agree_version, inspect, too_old

OWNER = "{0A1B2C3D-0000-4000-8000-00000000000A}"
FILE = "{11111111-2222-3333-4444-555555555555}"
OTHER_FILE = "{99999999-2222-3333-4444-555555555555}"
PATH = r"C:\Books\Acme.qbw"
LEARNED = {"company_name": "Test Works", "company_file": PATH, "file_id": FILE}


def hcp(file_id: str = FILE, owner_id: str = OWNER) -> str:
    return company().hcp(owner_id, file_id)


def told(*fields: str, name: str = "Test Works", sample: bool = False) -> str:
    """Return a strHCPResponse by hand: each field is (OwnerID, name, value) as XML."""
    return (
        '<?xml version="1.0" ?><QBXML><QBXMLMsgsRs><CompanyQueryRs requestID="1" statusCode="0" '
        f'statusSeverity="Info" statusMessage="Status OK"><CompanyRet><IsSampleCompany>{str(sample).lower()}'
        f"</IsSampleCompany><CompanyName>{name}</CompanyName>{''.join(fields)}</CompanyRet>"
        "</CompanyQueryRs></QBXMLMsgsRs></QBXML>"
    )


def stamp(value: str = FILE, name: str = "FileID", owner: str = OWNER) -> str:
    return (
        f"<DataExtRet><OwnerID>{owner}</OwnerID><DataExtName>{name}</DataExtName>"
        f"<DataExtType>STR255TYPE</DataExtType><DataExtValue>{value}</DataExtValue></DataExtRet>"
    )


def look(document: str, path: str = PATH, **more: Any) -> Verdict:
    facts: dict[str, Any] = {"owner_id": OWNER, "file_id": FILE, "expected_file": None, "learned": LEARNED}
    return inspect(document, path, **{**facts, "rehearsal": False, **more})


def test_the_first_session_learns_company_file_and_file_id() -> None:
    verdict = look(hcp(), learned={})
    assert verdict.problem is None
    assert verdict.facts == LEARNED


def test_the_same_company_passes_again() -> None:
    assert look(hcp()).problem is None


def test_braces_and_case_of_a_guid_mean_nothing() -> None:
    document = told(stamp(FILE.strip("{}").lower(), owner=OWNER.lower().strip("{}")))
    assert look(document, file_id=FILE.upper()).problem is None


def test_case_of_the_path_means_nothing() -> None:
    assert look(hcp(), PATH.upper()).problem is None


def test_other_fields_of_ours_and_file_ids_of_others_are_passed_over() -> None:
    lock = stamp("LOCKED:PC:1", "AppLock")
    foreign = stamp(OTHER_FILE, owner="{00000000-0000-4000-8000-000000000009}")
    assert look(told(lock, foreign, stamp())).problem is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "did not tell which company"),
        ("  \n", "did not tell which company"),
        ("<html>Proxy error</html>", "could not be read"),
        ("<QBXML><QBXMLMsgsRs/></QBXML>", "did not tell which company"),
        (told(stamp(), name=""), "did not tell which company"),
        (told(stamp(OTHER_FILE)), "bound to another workspace"),
        (told(stamp(), stamp(OTHER_FILE)), "bound to another workspace"),
        (told(), "does not carry our FileID"),
        (told(stamp("")), "does not carry our FileID"),
        (told(stamp(), name="Somebody Else"), "Another company is open: Somebody Else, not Test Works"),
        (told(stamp(), sample=True), "sample company"),
    ],
)
def test_what_cannot_be_told_or_is_another_company_stops_everything(document: str, words: str) -> None:
    verdict = look(document)
    assert words in (verdict.problem or "")
    assert verdict.facts == {}


def test_only_the_very_first_session_may_go_without_a_file_id() -> None:
    verdict = look(told(), learned={})
    assert verdict.problem is None
    assert "file_id" not in verdict.facts
    assert look(told(), learned=verdict.facts).problem is not None


@pytest.mark.parametrize("path", [r"C:\Backup\Acme.qbw", "", "  "])
def test_a_copy_of_the_file_shows_in_its_path_alone(path: str) -> None:
    assert "company file" in (look(hcp(), path).problem or "")
    assert "as set in company_file" in (look(hcp(), path, learned={}, expected_file=PATH).problem or "")


def test_the_sample_company_is_for_rehearsals() -> None:
    document = told(stamp(), sample=True)
    assert look(document, rehearsal=True).problem is None


def test_a_rehearsal_is_bound_to_its_own_file_too() -> None:
    assert look(told(stamp(OTHER_FILE)), rehearsal=True).problem is not None


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ((13, 0), "13.0"),
        ((16, 0), "13.0"),
        ((12, 0), "12.0"),
        ((8, 0), "8.0"),
        ((0, 0), "13.0"),
        ((7, 0), None),
    ],
)
def test_the_version_is_the_highest_that_both_know(offered: tuple[int, int], agreed: str | None) -> None:
    assert agree_version(*offered) == agreed


@pytest.mark.parametrize(
    ("offered", "listed", "agreed"),
    [
        ((13, 0), ["1.0", "8.0", "12.0", "13.0"], "13.0"),
        ((16, 0), ["12.0", "13.0", "14.0", "16.0"], "13.0"),
        ((16, 0), ["13.0", "2.1", "12.0"], "13.0"),
        ((13, 0), ["11.0", "12.0"], "12.0"),
        ((11, 0), ["10.0", "11.0", "12.0", "13.0"], "11.0"),
        ((11, 5), ["10.0", "11.0", "12.0"], "11.0"),
        ((0, 0), ["9.0", "10.0"], "10.0"),
        ((13, 0), ["6.0", "7.0"], None),
        ((7, 0), ["7.0", "8.0"], None),
        ((13, 0), ["14.0"], None),
        ((13, 0), ["CA3.0", "", "x"], "13.0"),
        ((10, 0), ["CA12.0"], "10.0"),
        ((13, 0), ["CA13.0", " 12.0 "], "12.0"),
    ],
)
def test_the_version_is_one_that_host_and_call_both_offer(
    offered: tuple[int, int], listed: list[str], agreed: str | None
) -> None:
    versions = "".join(f"<SupportedQBXMLVersion>{one}</SupportedQBXMLVersion>" for one in listed)
    host = f'<HostQueryRs statusCode="0"><HostRet>{versions}</HostRet></HostQueryRs>'
    verdict = look(told(stamp()).replace("<CompanyQueryRs", f"{host}<CompanyQueryRs", 1))
    assert verdict.problem is None
    assert agree_version(*offered, verdict.versions) == agreed


@pytest.mark.parametrize(
    ("offered", "listed", "spoken"),
    [
        ((7, 0), (), "7.0"),
        ((13, 0), ((6, 0), (7, 0)), "7.0"),
        ((0, 0), ((6, 0),), "6.0"),
        ((7, 0), ((8, 0),), "7.0"),
    ],
)
def test_what_is_too_old_is_told(
    offered: tuple[int, int], listed: tuple[tuple[int, int], ...], spoken: str
) -> None:
    assert agree_version(*offered, listed) is None
    said = too_old(*offered, listed)
    assert f"speaks qbXML {spoken}; 8.0 (QuickBooks 2009) or later" in said
    assert "update QuickBooks" in said


def test_what_is_too_new_is_not_called_old() -> None:
    assert agree_version(16, 0, [(16, 0)]) is None
    said = too_old(16, 0, [(16, 0)])
    assert "lists 16.0 and later" in said
    assert "update QuickBooks" not in said
