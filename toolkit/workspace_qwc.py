"""The ``.qwc`` file that the user adds to the Web Connector.

Source: Web Connector guide, chapter 4, table 4-1; reference/PROTOCOL.md section 2.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UsageError
from toolkit.late import late

if TYPE_CHECKING:
    from xml.etree import ElementTree
else:  # a server writes no such file
    ElementTree = late("xml.etree.ElementTree")

OWNER_ID = "{7c1d7a52-0f3e-4c1b-9a6e-3b0f8a5d2e61}"
"""OwnerID of the toolkit, one per application: under it the Web Connector keeps the FileID in the books."""

_TAG = re.compile(rb"<QBWCXML[\s>]")
_FILE_ID = re.compile(rb"<FileID>\s*(\{[0-9A-Fa-f-]{36}\})\s*</FileID>")
_READ = 65536  # bytes; a file that has nothing of it by then is none


def new_file_id() -> str:
    """Return a fresh FileID: a GUID in braces, one per workspace."""
    return f"{{{uuid.uuid4()}}}"


def build_qwc(
    *,
    company: str,
    user: str,
    url: str,
    owner_id: str,
    file_id: str,
    rehearsal: bool,
    poll_minutes: int,
) -> bytes:
    """Return the ``.qwc`` file of a workspace; the password is not in it.

    Parameters
    ----------
    company : str
        Our label of the company.
    url : str
        The endpoint, ending in ``/``.
    poll_minutes : int
        Minutes between two runs of Auto-Run, until the user sets others.
    """
    mark = " (REHEARSAL)" if rehearsal else ""
    about = f"Moves billing between BluBilling and QuickBooks: {company}"
    name = f"BluBilling toolkit: {company}{mark}"
    elements = {
        "AppName": name,
        "AppID": "",
        "AppURL": url,
        "AppDescription": about[: 80 - len(mark)] + mark,  # the guide: best at most 80 characters
        "AppSupport": f"{url}support",
        "UserName": user,
        "OwnerID": owner_id,
        "FileID": file_id,
        "QBType": "QBFS",
        "Style": "Document",
        "AuthFlags": "0xF",  # every edition
        "PersonalDataPref": "pdpNotNeeded",
        "UnattendedModePref": "umpOptional",
        "IsReadOnly": "false",  # we also write
        "AppDisplayName": name,
        # The file is added again after a change: with this the entry is replaced, without it there are two.
        "AppUniqueName": f"BluBilling toolkit {file_id.strip('{}')}",
    }
    root = ElementTree.Element("QBWCXML")
    for tag, text in elements.items():
        ElementTree.SubElement(root, tag).text = text
        if tag == "QBType":
            scheduler = ElementTree.SubElement(root, "Scheduler")
            ElementTree.SubElement(scheduler, "RunEveryNMinutes").text = str(poll_minutes)
    ElementTree.indent(root)
    # ASCII with numeric references: right whatever reads it.
    body: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body + b"\n"


def require_replaceable(path: Path, file_id: str) -> None:
    """Raise ``UsageError`` where writing a ``.qwc`` file would destroy something else.

    Parameters
    ----------
    path : Path
        Where it is to be written; nothing has to be there.
    file_id : str
        Of the workspace: a file with another is another workspace's.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{path} is no file: name another")
    with path.open("rb") as file:
        data = file.read(_READ)
    if not _TAG.search(data):
        raise UsageError(f"{path} is no .qwc file: name another, or replace it with --force")
    found = _FILE_ID.search(data)
    if found is not None and found[1].decode().lower() != file_id.lower():
        raise UsageError(f"{path} is another workspace's: name another, or replace it with --force")
