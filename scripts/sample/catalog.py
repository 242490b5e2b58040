"""BluBilling's plans and charges, what the analyst decides on them, and the settings that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sample import names
from sample.basics import CUTOVER, TAX_ITEM, TAX_PERCENT, Row

HOSTING, CLOUD, SUPPORT, DOMAINS, CARRY = (
    "WEB-HOSTING",
    "MANAGED-CLOUD",
    "SUPPORT",
    "DOMAINS-MAIL",
    "QB-CARRY",
)
CARRY_CODE = "BALANCE"
DISCOUNT = "Loyalty Discount"

_PLANS = (
    (HOSTING, "Web hosting", "Monthly", 30),
    (CLOUD, "Managed cloud", "Monthly", 30),
    (SUPPORT, "Support", "Monthly", 15),
    (DOMAINS, "Domains and mail", "Monthly", 30),
    (CARRY, "Balances carried over from QuickBooks", "Monthly", 30),
)


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge: its price code, and how that goes wrong against QuickBooks' items.

    Parameters
    ----------
    plan, code, text, kind, price, unit
        As BluBilling has them; an empty price is none.
    reason : str
        Why the price code is no exact item name; empty where it is.
    decision, note : str
        What the analyst decides, and why.
    """

    plan: str
    code: str
    text: str
    kind: str
    price: str
    unit: str = ""
    reason: str = ""
    decision: str = ""
    note: str = ""


_MONTHLY, _ONCE, _USAGE = "RecurringCharge", "OneTimeCharge", "UsageCharge"

CHARGES = (
    Charge(HOSTING, "Hosting:Setup", "Hosting set-up", _ONCE, "50"),
    Charge(HOSTING, "Hosting:Basic", "Hosting, basic", _MONTHLY, "20"),
    Charge(HOSTING, "Hosting:Business", "Hosting, business", _MONTHLY, "45"),
    Charge(
        HOSTING,
        "hosting:enterprise",
        "Hosting, enterprise",
        _MONTHLY,
        "120",
        reason="case",
        decision="Hosting:Enterprise",
        note="capitals",
    ),
    Charge(
        HOSTING,
        "Web  Hosting Plus",
        "Hosting with staging site",
        _MONTHLY,
        "35",
        reason="spaces",
        decision="Web Hosting Plus",
        note="double blank",
    ),
    Charge(HOSTING, "Bandwidth", "Bandwidth", _USAGE, "0.012345", "GB"),
    Charge(HOSTING, DISCOUNT, "Loyalty discount", _MONTHLY, ""),
    Charge(HOSTING, TAX_ITEM, "State sales tax", _MONTHLY, ""),
    Charge(CLOUD, "Cloud Server", "Cloud server", _MONTHLY, "64"),
    Charge(CLOUD, "Cloud Storage", "Cloud storage", _USAGE, "0.023125", "GB"),
    Charge(CLOUD, "Snapshot Backup", "Daily snapshots", _MONTHLY, "8"),
    Charge(
        CLOUD,
        "Setup",
        "Cloud set-up",
        _ONCE,
        "60",
        reason="ambiguous",
        decision="Support:Setup",
        note="our engineers do it: support income",
    ),
    Charge(
        CLOUD,
        "Rack Server R200",
        "Dedicated server",
        _MONTHLY,
        "140",
        reason="wrong_type",
        decision="Server Rental",
        note="rented, not sold",
    ),
    Charge(
        CLOUD,
        "Cloud–Firewall",  # an en dash
        "Firewall",
        _MONTHLY,
        "22",
        reason="unicode",
        decision="Cloud-Firewall",
        note="a dash that is no hyphen",
    ),
    Charge(
        CLOUD,
        "Dedicated IP",
        "Dedicated IP address",
        _MONTHLY,
        "5",
        reason="inactive",
        decision="Dedicated IP Address",
        note="new price list",
    ),
    Charge(SUPPORT, "Support:Hourly", "Support", _USAGE, "90", "hour"),
    Charge(SUPPORT, "Support:Setup", "Support set-up", _ONCE, "75"),
    Charge(
        SUPPORT,
        "Emergency",
        "Emergency support",
        _USAGE,
        "160",
        "hour",
        reason="parent_missing",
        decision="Support:Emergency",
        note="parent item left away",
    ),
    Charge(
        SUPPORT,
        "Onsite Visit ",  # a trailing blank
        "Visit on site",
        _ONCE,
        "180",
        reason="spaces",
        decision="Onsite Visit",
        note="trailing blank",
    ),
    Charge(
        SUPPORT,
        "",
        "Old support contract",
        _MONTHLY,
        "15",
        reason="blank",
        decision="(none)",
        note="never billed",
    ),
    Charge(
        SUPPORT,
        "Migration Assistence",
        "Help with moving a site",
        _USAGE,
        "95",
        "hour",
        reason="unknown",
        decision="Migration Assistance",
        note="misspelt",
    ),
    Charge(DOMAINS, "Domain Registration", "Domain, one year", _ONCE, "18"),
    Charge(DOMAINS, "Mailbox", "Mailbox", _MONTHLY, "0.833333", "mailbox"),
    Charge(
        DOMAINS,
        "Wеbmail Pack",  # the first e is Cyrillic
        "Webmail for ten users",
        _MONTHLY,
        "9.50",
        reason="unicode",
        decision="Webmail Pack",
        note="a Cyrillic letter",
    ),
    Charge(
        CARRY,
        CARRY_CODE,
        "Open balance from QuickBooks",
        _ONCE,
        "",
        reason="unknown",
        decision="Balance Forward",
        note="carried invoices never go back; the item is for order's sake",
    ),
)


def charge(plan: str, code: str) -> Charge:
    """Return the charge of a plan with that price code."""
    return next(found for found in CHARGES if (found.plan, found.code) == (plan, code))


def plan_rows() -> list[Row]:
    """Return ``billing.plans``."""
    return [
        {
            "contract_code": code,
            "name": name,
            "invoice_text": name,
            "billing_period": period,
            "billing_alignment": "StartDate",
            "due_value": days,
            "due_units": "Days",
            "auto_renew": True,
            "order_type": "Subscription",
        }
        for code, name, period, days in _PLANS
    ]


def charge_rows() -> list[Row]:
    """Return ``billing.charges``."""
    rows = []
    for index, found in enumerate(CHARGES):
        tax = found.code == TAX_ITEM
        rows.append(
            {
                "contract_code": found.plan,
                "price_code": found.code or None,
                "position": 1 + sum(other.plan == found.plan for other in CHARGES[:index]),
                "blubilling_charge_id": 7001 + index,
                "invoice_text": found.text,
                "charge_type": found.kind,
                "pricing_type": "FlatPricing",
                "unit_price": Decimal(found.price) if found.price else None,
                "percent": TAX_PERCENT if tax else None,
                "unit_of_measure": found.unit or None,
                "is_tax": tax,
                "is_discount": found.code == DISCOUNT,
            }
        )
    return rows


DECISION_COLUMNS = (
    "sheet",
    "contract_code",
    "price_code",
    "account_number",
    "decision",
    "new_name",
    "note",
)


def decision_rows() -> list[Row]:
    """Return what the analyst decides in the workbook: one row per row of a sheet that is filled in."""
    rows: list[Row] = [
        {
            "sheet": "Charges",
            "contract_code": found.plan,
            "price_code": found.code,
            "decision": found.decision,
            "note": found.note,
        }
        for found in CHARGES
        if found.decision
    ]
    for party in names.parties():
        if party.match in (names.DECISION, names.NEW):
            new = party.match == names.NEW
            rows.append(
                {
                    "sheet": "Customers",
                    "account_number": party.number,
                    "decision": "(new)" if new else party.quickbooks,
                    "new_name": party.new_name if new else None,
                    "note": party.note,
                }
            )
    return rows


SETTINGS = {
    "cutover_date": CUTOVER.isoformat(),
    "ar_account": "Accounts Receivable",
    "deposit_accounts.Token": "Card Clearing",
    "deposit_accounts.CreditCard": "Card Clearing",
    "deposit_accounts.ACH": "ACH Clearing",
    "deposit_accounts.Paypal": "PayPal Clearing",
    "zero_tax_item": "No Tax",
    "number_rule": "strip:INV-",
    "credit_mode": "credit_memo",
    "credit_item": "House Credit",
    "carry_forward.plan": CARRY,
    "carry_forward.price_code": CARRY_CODE,
}


def settings_text() -> str:
    """Return the settings as TOML: each value is the text that ``toolkit set`` takes."""
    lines = ["# What the analyst sets: each line is one `toolkit set KEY VALUE`."]
    lines += [f'"{key}" = "{value}"' for key, value in SETTINGS.items()]
    return "\n".join(lines) + "\n"
