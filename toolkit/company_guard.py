"""Which company file is open: the guard that fails closed before anything is sent.

The FileID that the Web Connector stamps into the company file under our OwnerID decides; the company's name
and the file's path are learned in the first session and compared from then on. Source: Web Connector
Programmer's Guide, FileID and strHCPResponse.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit import qbxml_io
from toolkit.errors import QbxmlParseError

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
    """

    problem: str | None
    facts: dict[str, str] = field(default_factory=dict)


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
    """Compare the company file that is open with the workspace's.

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
        Facts of earlier sessions; empty before the first.
    rehearsal : bool
        Whether the workspace is bound to a copy: only then the sample company may answer.
    """
    try:
        company, found_id = _read(hcp, owner_id)
    except QbxmlParseError as error:
        return Verdict(f"The answer about the company file could not be read: {error}")
    name = company.get("company_name")
    if not name:
        return Verdict(
            "QuickBooks did not tell which company is open. Open the company file and run it again."
        )
    if company.get("is_sample_company") and not rehearsal:
        return Verdict(f"{name} is Intuit's sample company: open the right company file and run it again.")
    if found_id is None and "file_id" in learned:
        return Verdict(f"{name} no longer carries our FileID: add the .qwc file to the Web Connector again.")
    if found_id is not None and found_id.strip("{}").lower() != file_id.strip("{}").lower():
        return Verdict(
            f"{name} is bound to another workspace (FileID {found_id}): open the right company file."
        )
    facts = {"company_name": str(name), "company_file": company_file}
    if found_id is not None:
        facts["file_id"] = found_id
    for key, what in (("company_name", "company"), ("company_file", "company file")):
        known = learned.get(key)
        if known and facts[key] and not _same(known, facts[key]):
            return Verdict(
                f"Another {what} is open: {facts[key]}, not {known}. Open the right one and run it again."
            )
    if expected_file and company_file and not _same(expected_file, company_file):
        return Verdict(
            f"Another company file is open: {company_file}, not {expected_file} as set in company_file."
        )
    return Verdict(None, {key: value for key, value in facts.items() if value})


def agree_version(major: int, minor: int) -> str | None:
    """Return the qbXML version both sides speak, or ``None`` where QuickBooks' is too old.

    Parameters
    ----------
    major, minor : int
        The highest version of the request processor, as the Web Connector sends it; 0 where unknown.
    """
    offered = (major, minor) if major else SUPPORTED
    agreed = min(offered, SUPPORTED)
    return f"{agreed[0]}.{agreed[1]}" if agreed >= NEEDED else None


def _same(left: str, right: str) -> bool:
    return left.strip().casefold() == right.strip().casefold()


def _read(hcp: str, owner_id: str) -> tuple[dict[str, Any], str | None]:
    company: dict[str, Any] = {}
    file_id = None
    for event in qbxml_io.parse(io.BytesIO(hcp.encode("utf-8"))):
        if not isinstance(event, qbxml_io.Batch):
            continue
        if event.table == "quickbooks.company":
            for row in event.rows.to_pylist():
                company |= {name: value for name, value in row.items() if value is not None}
        elif event.table == "quickbooks.custom_fields":
            for row in event.rows.to_pylist():
                if row["name"] == "FileID" and _same(row["owner_id"] or "", owner_id):
                    file_id = row["value"]
    return company, file_id
