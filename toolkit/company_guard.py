"""Which company file is open: the guard that fails closed before anything is sent.

The FileID that the Web Connector stamps into the company file under our OwnerID decides; the company's name
and the file's path are learned in the first session and compared from then on. Source: Web Connector
Programmer's Guide, FileID and strHCPResponse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.errors import QbxmlParseError
from toolkit.late import late

if TYPE_CHECKING:
    from toolkit import qbxml_company
else:
    qbxml_company = late("toolkit.qbxml_company")

SUPPORTED = (13, 0)
NEEDED = (8, 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard found.

    Parameters
    ----------
    problem : str or None
        Why nothing may be sent, with what to do; ``None`` when all is well.
    facts : dict
        ``company_name``, ``file_id`` and ``company_file``, to be learned when there is no problem.
    versions : tuple of (int, int)
        The versions of qbXML that QuickBooks says it takes.
    """

    problem: str | None
    facts: dict[str, str] = field(default_factory=dict)
    versions: tuple[tuple[int, int], ...] = ()


def inspect(
    hcp: str,
    company_file: str,
    *,
    owner_id: str,
    file_id: str,
    expected_file: str | None,
    learned: Mapping[str, str],
    rehearsal: bool,
) -> Verdict:
    """Compare the company file that is open with the workspace's; what cannot be told is a problem.

    Parameters
    ----------
    hcp : str
        strHCPResponse of the first ``sendRequestXML`` of a session.
    company_file : str
        strCompanyFileName: full path of the open file.
    owner_id, file_id : str
        The workspace's, as in the .qwc file.
    expected_file : str or None
        The setting ``company_file``.
    learned : mapping
        Facts of earlier sessions; empty before the first, which alone may go without a FileID.
    rehearsal : bool
        Whether the workspace is bound to a copy: only then the sample company may answer.
    """
    if not hcp.strip():
        return Verdict("QuickBooks did not tell which company is open. Run the Web Connector again.")
    try:
        company = qbxml_company.read_company(hcp.encode("utf-8", "replace"))
    except QbxmlParseError as error:
        return Verdict(f"The answer about the company file could not be read: {error}")
    name = company.name
    if not name:
        return Verdict(
            "QuickBooks did not tell which company is open. Open the company file and run it again."
        )
    if company.is_sample and not rehearsal:
        return Verdict(f"{name} is Intuit's sample company: open the right company file and run it again.")
    ours = [one for one in company.stamps if one.name == "FileID" and _bare(one.owner_id) == _bare(owner_id)]
    found_ids = [one.value for one in ours if one.value]
    facts = {"company_name": name, "company_file": company_file.strip(), "file_id": file_id}
    problem = _file_id_problem(name, found_ids, file_id, learned) or _learned_problem(facts, learned)
    if problem is None and expected_file and not same_file(expected_file, company_file):
        shown = company_file or "a file without a name"
        problem = f"Another company file is open: {shown}, not {expected_file} as set in company_file."
    if problem:
        return Verdict(problem)
    if not found_ids:
        del facts["file_id"]
    return Verdict(None, {key: value for key, value in facts.items() if value}, company.versions)


def _file_id_problem(name: str, found: Sequence[str], file_id: str, learned: Mapping[str, str]) -> str | None:
    """Return what is wrong with the FileID. Only before the first session may there be none."""
    strange = [one for one in found if _bare(one) != _bare(file_id)]
    if strange:
        return f"{name} is bound to another workspace (FileID {strange[0]}): open the right company file."
    if not found and learned:
        return f"{name} does not carry our FileID: add the .qwc file to the Web Connector again."
    return None


def _learned_problem(facts: Mapping[str, str], learned: Mapping[str, str]) -> str | None:
    """Return what was otherwise in the first session; a copy of the file shows in nothing but its path."""
    for key, what in (("company_name", "company"), ("company_file", "company file")):
        known = learned.get(key)
        if known and not same_file(known, facts[key]):
            shown = facts[key] or "one without a name"
            return f"Another {what} is open: {shown}, not {known}. Open the right one and run it again."
    return None


def agree_version(major: int, minor: int, versions: Collection[tuple[int, int]] = ()) -> str | None:
    """Return the highest qbXML version that both sides speak, or ``None`` where QuickBooks' are too old.

    Parameters
    ----------
    major, minor : int
        The highest version of the request processor, as the Web Connector sends it; 0 where unknown.
    versions : collection of (int, int), optional
        Those that ``HostRet`` lists; empty where it lists none.

    Notes
    -----
    The two may differ, and of both the lower counts: a version that QuickBooks does not know gives the
    HRESULT 0x80040423. Source: Web Connector guide, sendRequestXML; qbXML schema, ``HostRet``.

    Examples
    --------
    >>> agree_version(16, 0, [(12, 0), (13, 0), (14, 0)])
    '13.0'
    """
    highest = min(SUPPORTED, (major, minor)) if major else SUPPORTED
    agreed = max((one for one in versions if one <= highest), default=(0, 0)) if versions else highest
    return f"{agreed[0]}.{agreed[1]}" if agreed >= NEEDED else None


def too_old(major: int, minor: int, versions: Collection[tuple[int, int]] = ()) -> str:
    """Return what to tell where :func:`agree_version` finds none."""
    offered = [one for one in ((major, minor), max(versions, default=(0, 0))) if one > (0, 0)]
    spoken = min(offered, default=(0, 0))
    if spoken >= NEEDED:
        least = ".".join(map(str, min(versions)))
        return (
            f"No version of qbXML in common: this QuickBooks lists {least} and later, the toolkit up to "
            f"{SUPPORTED[0]}.{SUPPORTED[1]}: it needs to be taught the new one."
        )
    return (
        f"This QuickBooks speaks qbXML {spoken[0]}.{spoken[1]}; {NEEDED[0]}.{NEEDED[1]} (QuickBooks 2009) or "
        "later is needed: update QuickBooks, then run the Web Connector again."
    )


def same_file(left: str, right: str) -> bool:
    """Return whether two paths or names mean the same; Windows does not look at the case."""
    return left.strip().casefold() == right.strip().casefold()


def _bare(guid: str) -> str:
    return guid.strip().strip("{}").casefold()
