"""The ``.qwc`` file that the user adds to the Web Connector.

Source: Web Connector guide, chapter 4, table 4-1.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from toolkit.late import late

if TYPE_CHECKING:
    from xml.etree import ElementTree
else:  # a server writes no such file
    ElementTree = late("xml.etree.ElementTree")

OWNER_ID = "{7c1d7a52-0f3e-4c1b-9a6e-3b0f8a5d2e61}"
"""OwnerID of the toolkit, one per application: under it the Web Connector keeps the FileID in the books."""

RUN_EVERY_MINUTES = 5


def new_file_id() -> str:
    """Return a fresh FileID: a GUID in braces, one per workspace."""
    return f"{{{uuid.uuid4()}}}"


def build_qwc(*, company: str, user: str, url: str, owner_id: str, file_id: str, rehearsal: bool) -> bytes:
    """Return the ``.qwc`` file of a workspace; the password is not in it.

    Parameters
    ----------
    company : str
        Our label of the company.
    url : str
        The endpoint, ending in ``/``.
    """
    mark = " (REHEARSAL)" if rehearsal else ""
    about = f"Moves billing between BluBilling and QuickBooks: {company}"
    elements = {
        "AppName": f"BluBilling toolkit: {company}{mark}",
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
    }
    root = ElementTree.Element("QBWCXML")
    for name, text in elements.items():
        ElementTree.SubElement(root, name).text = text
        if name == "QBType":
            scheduler = ElementTree.SubElement(root, "Scheduler")
            ElementTree.SubElement(scheduler, "RunEveryNMinutes").text = str(RUN_EVERY_MINUTES)
    ElementTree.indent(root)
    # ASCII with numeric references: right whatever reads it.
    body: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body + b"\n"
