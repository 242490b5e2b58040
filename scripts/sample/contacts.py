"""The contacts and dated notes of a handful of customers."""

from __future__ import annotations

import datetime as dt

from sample.basics import Ids, Row
from sample.lists import Company

# customer, salutation, first, middle and last name, job title; QuickBooks often has a whole name in the first
_CONTACTS = """
Bluewater Marina|Mr.|Bruno||Fenwick|Harbor Master
Bluewater Marina||Nadia|J.|Orlov|Accounts Payable
Lakeside Schools||Teodora Vance|||
Lakeside Schools:High School:Library|Ms.|Imke||Sandoval|Librarian
Summit Builders||Gordon Pell|||
Summit Builders:Mill Lane Site||Ansel||Brandt|Site Manager
O'Brien & Søn||Søren||O'Brien|Owner
Old Mill Textiles||Wilma Tanner|||
""".strip().splitlines()

# customer, date, note
_NOTES = (
    (
        "Bluewater Marina",
        "2025-06-12",
        "Moved to the business plan.\nInvoices go to Nadia Orlov from July on.",
    ),
    ("Bluewater Marina", "2025-11-03", "Called about the open balance: promised for January."),
    ("Kestrel Air Charter", "2025-12-18", "Paid in advance; to be applied to the next invoice."),
    ("Cedar Ridge Dental Group", "2024-12-31", "Closed. The practice goes on as Cedar Ridge Dental."),
)


def add_contacts_and_notes(company: Company, ids: Ids) -> None:
    """Add the tables of what stands inside customers."""
    company.tables["customer_contacts"] = [_contact(company, ids, line) for line in _CONTACTS]
    rows: list[Row] = []
    for customer, date, note in _NOTES:
        list_id = company.get("customers", customer)["list_id"]
        rows.append(
            {
                "customer_list_id": list_id,
                "note_id": sum(row["customer_list_id"] == list_id for row in rows),
                "date": dt.date.fromisoformat(date),
                "note": note,
            }
        )
    company.tables["customer_notes"] = rows


def _contact(company: Company, ids: Ids, line: str) -> Row:
    customer, salutation, first, middle, last, title = line.split("|")
    owner = company.get("customers", customer)
    return {
        "customer_list_id": owner["list_id"],
        **ids.contact_head(owner["time_created"]),
        "contact": " ".join(part for part in (first, middle, last) if part),
        "salutation": salutation or None,
        "first_name": first,
        "middle_name": middle or None,
        "last_name": last or None,
        "job_title": title or None,
    }
