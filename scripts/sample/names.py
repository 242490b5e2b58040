"""Who the customers are, in QuickBooks and in BluBilling. Every name is invented."""

from __future__ import annotations

from dataclasses import dataclass

# How one customer is found on the other side: by the AccountNumber in QuickBooks, by the exact name, only by
# an analyst, or not at all because QuickBooks does not have it.
NUMBER, NAME, DECISION, NEW, NONE = "number", "name", "decision", "new", "none"


@dataclass(frozen=True, slots=True)
class Party:
    """One customer or job, as each side has it.

    Parameters
    ----------
    quickbooks : str
        Full name in QuickBooks; empty where it is not there.
    billing : str
        Name in BluBilling; empty where it is not there.
    match : str
        How the two are matched: ``number``, ``name``, ``decision``, ``new`` or ``none``.
    number : str
        Account number in BluBilling, and in QuickBooks when the match is by number.
    active : bool
        Whether QuickBooks has it active.
    exempt : bool
        Whether it pays no sales tax.
    new_name : str
        Name that the analyst gives to a customer to be created.
    note : str
        What the analyst notes beside the decision.
    parent : str
        Account number of the parent in BluBilling.
    company : str
        Company name in BluBilling, where it is not the name.
    """

    quickbooks: str
    billing: str
    match: str
    number: str = ""
    active: bool = True
    exempt: bool = False
    new_name: str = ""
    note: str = ""
    parent: str = ""
    company: str = ""


_BY_NUMBER = """
Alder & Finch Books
Bluewater Marina
Cobblestone Bakery
Dovetail Joinery
Evergreen Lawn & Garden
Foxglove Florists
Granite Peak Climbing
Harborview Hotel
Ironbridge Machine Works
Juniper Street Clinic
Kestrel Air Charter
Larkspur Design Studio
Meadowlark Music School
Nimbus Weather Systems
Oakhurst Veterinary
Pinecrest Dental
Quarry Road Brewing
Riverbend Canoe Rental
Silverleaf Insurance
Thornbury Tea Importers
Umberfield Roofing
Velvet Lantern Cinema
Willowbrook Pharmacy
Yarrow Hill Winery
Zephyr Bicycle Works
Amberline Courier
Brookside Legal Aid
Copper Kettle Catering
Driftwood Gallery
Elmsgate Tutoring
""".strip().splitlines()

# A job's line ends with how it is matched; a job without one is in QuickBooks only.
_FAMILIES = """
Lakeside Schools = number
Lakeside Schools:Elementary = number
Lakeside Schools:Middle School = number
Lakeside Schools:High School = number
Lakeside Schools:High School:Library = number
Northgate Properties = number
Northgate Properties:Tower A
Northgate Properties:Tower A:Suite 100 = name
Northgate Properties:Tower A:Suite 200 = name
Northgate Properties:Tower A:Suite 310 = name
Northgate Properties:Tower B
Northgate Properties:Tower B:Suite 100 = name
Northgate Properties:Tower B:Suite 220 = name
Tidewater Municipal = number
Tidewater Municipal:Water Department = number
Tidewater Municipal:Parks Department = number
Tidewater Municipal:Parks Department:Boathouse = number
Tidewater Municipal:Public Library = number
Summit Builders = number
Summit Builders:Ridge Road Site = name
Summit Builders:Mill Lane Site
Summit Builders:Mill Lane Site:Phase 1 = name
Summit Builders:Mill Lane Site:Phase 2 = name
Orchard Medical Group = number
Orchard Medical Group:North Clinic = number
Orchard Medical Group:North Clinic:Imaging = number
Orchard Medical Group:South Clinic = number
Redwood Franchise Co = number
Redwood Franchise Co:Store 01 = number
Redwood Franchise Co:Store 02 = number
Redwood Franchise Co:Store 03 = number
Redwood Franchise Co:Store 04 = number
Redwood Franchise Co:Store 05 = number
Harvest Foods = number
Harvest Foods:Head Office = number
Harvest Foods:Warehouse
Harvest Foods:Warehouse:Cold Store = number
""".strip().splitlines()

_EXEMPT = ("Lakeside Schools", "Tidewater Municipal", "Brookside Legal Aid", "Juniper Street Clinic")

NAME_OF_41 = "Westhaven Co-operative Grain Traders Ltd."  # the longest that QuickBooks takes
NAME_OF_42 = "Southmoor Agricultural Machinery Importers"

_BY_NAME = (
    "O'Brien & Søn",
    NAME_OF_41,
    "Garcia, Elena",
    "Marigold Yoga",
    "Pebble Creek Farm",
    "Lanternlight Theatre",
    "Stonewall Fencing",
    "Bright Meadow Daycare",
)

# QuickBooks' name, BluBilling's name, the analyst's note.
_NEAR = (
    ("Acme Inc", "Acme, Inc.", "same company, other punctuation"),
    ("Smith, John", "John Smith", "same e-mail address"),
    ("Harbor Lights Co", "Harbor Lights Company", "same phone number"),
    ("Whitfield Plumbing LLC", "Whitfield Plumbing", "legal suffix missing in BluBilling"),
    ("Nguyen, Mai", "Mai Nguyen", "same e-mail address"),
)

PLANTED = "Ridgeline Office Supply"
"""A new customer whose name a vendor has: QuickBooks refuses it with 3100."""

# BluBilling's name, the new name in QuickBooks, the company name where it differs, the note.
_NEW = (
    (NAME_OF_42, "Southmoor Agri Machinery Importers", "Southmoor Importers", "42 characters: shortened"),
    (
        "Łódź Węgiel Logistyka",
        "Lodz Wegiel Logistyka",
        "Lodz Wegiel Logistyka",
        "QuickBooks has no Ł, ź or ę",
    ),
    (PLANTED, PLANTED, "", "new in January"),
    ("Bramble Lane Books", "Bramble Lane Books", "", "new in January"),
    ("Castlewood Robotics", "Castlewood Robotics", "", "new in January"),
    ("Pérez e Hijos", "Pérez e Hijos", "", "new in February"),
)

_QUICKBOOKS_ONLY = (
    ("Sunset Video Rental", False),
    ("Parkway Travel", False),
    ("Blue Heron Kayaks", True),
    ("Crestline Optics", True),
    ("Maple & Main Antiques", True),
    ("Walk-in Sales", True),
    ("Fairhaven Ferry", True),
)

OTHER_NAMES = (
    (PLANTED, "Vendor"),
    ("State Comptroller", "Vendor"),
    ("Coldspring Data Center", "Vendor"),
    ("Gridline Power & Light", "Vendor"),
    ("Registrar Wholesale Direct", "Vendor"),
    ("Holt, Miriam", "Employee"),
    ("Okafor, Daniel", "Employee"),
    ("Petty Cash Holder", "OtherName"),
)
"""Vendors, employees and other names: QuickBooks keeps them in one name space with customers."""

_FIRST = "Ada|Bruno|Clara|Dev|Esme|Felix|Greta|Hugo|Ines|Jonas|Kira|Leo|Mina|Nils|Olive|Pablo|Rosa|Stefan"
_LAST = "Abbot|Berg|Castell|Dunmore|Ekman|Fenwick|Garrick|Holm|Ibsen|Jarvis|Keller|Lund|Marsh|Norling"
_STREETS = "Alder Street|Birch Avenue|Canal Road|Dock Street|Elm Court|Ferry Lane|Garden Row|Hill Street"
_CITIES = ("Brightwater", "Fairhaven", "Millbrook", "Easton Ferry", "Stonebridge")


def parties() -> list[Party]:
    """Return every customer and job, QuickBooks' first, in the order of their account numbers."""
    found = [Party(name, name, NUMBER, exempt=name in _EXEMPT) for name in _BY_NUMBER]
    for line in _FAMILIES:
        full_name, _, match = line.partition(" = ")
        exempt = full_name.split(":")[0] in _EXEMPT
        # matched by number, a job may have another name in BluBilling
        billing = {NAME: full_name, NUMBER: full_name.replace(":", " - "), "": ""}[match]
        found.append(Party(full_name, billing, match or NONE, exempt=exempt))
    found += [Party(name, name, NAME) for name in _BY_NAME]
    found += [Party(ours, theirs, DECISION, note=note) for ours, theirs, note in _NEAR]
    note = "two customers carry this number; the group closed in 2024"
    found.append(Party("Cedar Ridge Dental", "Cedar Ridge Dental Office", DECISION, note=note))
    found.append(Party("Old Mill Textiles", "Old Mill Textiles", NUMBER, active=False))
    found += [
        Party("", theirs, NEW, new_name=new, company=company, note=note)
        for theirs, new, company, note in _NEW
    ]
    found = _numbered(found)
    found.append(Party("Cedar Ridge Dental Group", "", NONE))
    found += [Party(name, "", NONE, active=active) for name, active in _QUICKBOOKS_ONLY]
    return found


def _numbered(found: list[Party]) -> list[Party]:
    numbers: dict[str, str] = {}
    result = []
    for party in found:
        number = f"BW-{1001 + len(numbers)}" if party.billing else ""
        top = party.quickbooks.split(":")[0]
        parent = numbers.get(top, "") if ":" in party.quickbooks and number else ""
        if number:
            numbers[party.quickbooks or party.billing] = number
        fields = {name: getattr(party, name) for name in Party.__slots__}
        result.append(Party(**{**fields, "number": number, "parent": parent}))
    return result


def person(index: int) -> tuple[str, str]:
    """Return the invented first and last name of a contact."""
    first, last = _FIRST.split("|"), _LAST.split("|")
    return first[index % len(first)], last[(index * 5 + index // len(last)) % len(last)]


def address(index: int) -> tuple[str, str, str, str]:
    """Return an invented street, city, state and postal code."""
    streets = _STREETS.split("|")
    street = f"{10 + index * 7 % 190} {streets[index % len(streets)]}"
    city = index // 3 % len(_CITIES)
    return street, _CITIES[city], "TX", f"7990{city}"


def slug(name: str) -> str:
    """Return a name as a host name under the reserved top level ``.test``."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.partition(":")[0].lower())
    return "-".join(part for part in plain.split("-") if part) + ".test"
