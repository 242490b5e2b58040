"""The lists of the company file: accounts, items, terms, codes, methods, and the customers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from sample import names
from sample.basics import COMPANY, NO_TAX_ITEM, TAX_ITEM, Ids, Row, cents, reference

_FOUNDED = dt.datetime(2019, 3, 4, 9, 0)

# account number, full name, type, special type, balance (None: made from the documents)
_ACCOUNTS = """
1000|Checking|Bank||48210.55
1010|Savings|Bank||25000.00
1100|Accounts Receivable|AccountsReceivable|AccountsReceivable|
1150|Undeposited Funds|OtherCurrentAsset|UndepositedFunds|
1160|Card Clearing|OtherCurrentAsset||
1170|ACH Clearing|OtherCurrentAsset||
1180|PayPal Clearing|OtherCurrentAsset||
1190|Credit Clearing|OtherCurrentAsset||0.00
1200|Inventory Asset|OtherCurrentAsset|InventoryAssets|4300.00
1500|Server Equipment|FixedAsset||61200.00
2000|Accounts Payable|AccountsPayable|AccountsPayable|3125.40
2100|Company Card|CreditCard||812.19
2200|Sales Tax Payable|OtherCurrentLiability|SalesTaxPayable|1440.12
3000|Opening Balance Equity|Equity|OpeningBalanceEquity|0.00
3100|Retained Earnings|Equity|RetainedEarnings|
4000|Hosting Income|Income||
4010|Hosting Income:Setup Fees|Income||
4100|Cloud Income|Income||
4200|Support Income|Income||
4300|Domain Income|Income||
4400|Other Income|Income||
4900|Discounts Given|Income||
5000|Cost of Goods Sold|CostOfGoodsSold|CostOfGoodsSold|
6000|Data Center Costs|Expense||
6100|Bank and Card Fees|Expense||
6200|Bad Debt|Expense||
""".strip().splitlines()

# type, full name, account, tax code, price (or percent), description; a trailing - marks an inactive item
_ITEMS = """
Service|Hosting|Hosting Income|Tax||Web hosting
Service|Hosting:Setup|Hosting Income:Setup Fees|Tax|50.00|Hosting set-up
Service|Hosting:Basic|Hosting Income|Tax|20.00|Hosting, basic
Service|Hosting:Business|Hosting Income|Tax|45.00|Hosting, business
Service|Hosting:Enterprise|Hosting Income|Tax|120.00|Hosting, enterprise
Service|Hosting:Reseller|Hosting Income|Tax|80.00|Hosting, reseller
Service|Hosting:Seasonal|Hosting Income|Tax|15.00|Hosting, seasonal shops|-
Service|Web Hosting Plus|Hosting Income|Tax|35.00|Web hosting with staging site
Service|Bandwidth|Hosting Income|Tax|0.01235|Bandwidth, GB
Service|Support|Support Income|Non||Support
Service|Support:Setup|Support Income|Non|75.00|Support set-up
Service|Support:Hourly|Support Income|Non|90.00|Support, hour
Service|Support:Emergency|Support Income|Non|160.00|Emergency support, hour
Service|Support:Retainer|Support Income|Non|250.00|Support, monthly retainer
Service|Support:Training|Support Income|Non|110.00|Training, hour
Service|Domains|Domain Income|Non||Domains
Service|Domains:Transfer|Domain Income|Non|12.00|Domain transfer
Service|Domains:Privacy|Domain Income|Non|6.00|Domain privacy, year
Service|Domains:Renewal|Domain Income|Non|18.00|Domain renewal, year
Service|Domain Registration|Domain Income|Non|18.00|Domain registration, year
Service|Mailbox|Domain Income|Non|0.83333|Mailbox, month
Service|Webmail Pack|Domain Income|Non|9.50|Webmail for ten users
Service|Cloud Server|Cloud Income|Non|64.00|Cloud server, month
Service|Cloud Storage|Cloud Income|Non|0.0231|Cloud storage, GB
Service|Cloud Setup|Cloud Income|Non|60.00|Cloud set-up
Service|Cloud-Firewall|Cloud Income|Non|22.00|Firewall for cloud servers
Service|Snapshot Backup|Cloud Income|Non|8.00|Daily snapshots
Service|Load Balancer|Cloud Income|Non|30.00|Load balancer
Service|Database Hosting|Cloud Income|Non|55.00|Managed database
Service|Monitoring|Support Income|Non|12.50|Monitoring
Service|VPN Access|Cloud Income|Non|5.00|VPN access, user
Service|Server Rental|Cloud Income|Non|140.00|Dedicated server, month
Service|Dedicated IP|Hosting Income|Tax|4.00|Dedicated IP, old price list|-
Service|Dedicated IP Address|Hosting Income|Tax|5.00|Dedicated IP address, month
Service|Dial-up Access|Hosting Income|Tax|9.00|Dial-up, no longer sold|-
Service|Onsite Visit|Support Income|Non|180.00|Visit at the customer's site
Service|Migration Assistance|Support Income|Non|95.00|Help with moving a site
Service|SSL Certificate|Domain Income|Non|49.00|Certificate, year
Service|Consulting|Support Income|Non||Consulting
Service|Consulting:Design|Support Income|Non|100.00|Design, hour
Service|Consulting:Security Audit|Support Income|Non|450.00|Security audit
NonInventory|Patch Cable|Other Income|Tax|6.50|Patch cable
NonInventory|Rack Shelf|Other Income|Tax|38.00|Rack shelf
NonInventory|Backup Tape|Other Income|Tax|31.00|Backup tape
Inventory|Rack Server R200|Other Income|Tax|950.00|Rack server, one unit
Inventory|Network Switch 24|Other Income|Tax|240.00|Network switch, 24 ports
OtherCharge|Balance Forward|Other Income|Non||Balance brought forward
OtherCharge|House Credit|Discounts Given|Non||Credit granted
OtherCharge|Late Fee|Other Income|Non|10.00|Late fee
OtherCharge|Shipping|Other Income|Non|14.00|Shipping and handling
OtherCharge|Returned Check|Other Income|Non|25.00|Returned check fee
Discount|Loyalty Discount|Discounts Given|Tax||Loyalty discount
Discount|Prompt Payment|Discounts Given|Tax|5%|Prompt payment discount
Subtotal|Subtotal||||Subtotal
Payment|Deposit Received|Undeposited Funds|||Deposit received
SalesTax|State Sales Tax|||8.25%|State sales tax
SalesTax|County Tax|||1%|County tax
SalesTax|No Tax|||0%|No sales tax
SalesTaxGroup|City and County Tax||||State and county tax
Group|Starter Bundle||||Hosting, domain and mailboxes
""".strip().splitlines()

_FLAT = ("Subtotal", "Payment", "SalesTax", "SalesTaxGroup", "Group")  # kinds without a place for a parent

# name, due days; the date-driven one is added apart
_TERMS = (("Due on receipt", 0), ("Net 15", 15), ("Net 30", 30), ("Net 60", 60))
_METHODS = (
    ("Cash", "Cash"),
    ("Check", "Check"),
    ("Token", "OtherCreditCard"),
    ("CreditCard", "OtherCreditCard"),
    ("ACH", "ECheck"),
    ("Paypal", "Other"),
    ("PaperCheck", "Check"),
    ("Credit", "Other"),
)


class Company:
    """The lists of the company file, by table, and by name for those who refer to them.

    Attributes
    ----------
    tables : dict
        Rows of every list table, by table name without ``quickbooks.``.
    parties : dict
        The party behind each customer, by full name.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._created = _FOUNDED
        self.tables: dict[str, list[Row]] = {}
        self.parties = {party.quickbooks: party for party in names.parties() if party.quickbooks}
        self._small_lists()
        self._accounts()
        self.other_names = [
            {**self._head(), "kind": kind, "name": name, "is_active": True}
            for name, kind in names.OTHER_NAMES
        ]
        self.tables["other_names"] = [row for row in self.other_names if row["name"] != names.PLANTED]
        self._items()
        self._customers()
        self._company()

    def get(self, table: str, name: str) -> Row:
        """Return the record of that full name."""
        for row in self.tables[table]:
            if (row.get("full_name") or row["name"]) == name:
                return row
        raise KeyError(f"{table} has no {name}")

    def _head(self) -> Row:
        self._created += dt.timedelta(hours=7, minutes=13)
        return self._ids.list_head(self._created)

    def _tree(self, table: str, full_name: str) -> Row:
        """Return the columns that place a record in its list's tree."""
        parent, _, name = full_name.rpartition(":")
        return {
            "name": name,
            "full_name": full_name,
            "is_active": True,
            **reference("parent", self.get(table, parent) if parent else None),
            "sublevel": full_name.count(":"),
        }

    def _small_lists(self) -> None:
        terms = [
            {
                **self._head(),
                "terms_type": "Standard",
                "name": name,
                "is_active": True,
                "std_due_days": days,
                "std_discount_days": 0,
                "discount_pct": Decimal("0"),
            }
            for name, days in _TERMS
        ]
        terms.append(
            {
                **self._head(),
                "terms_type": "DateDriven",
                "name": "End of next month",
                "is_active": True,
                "day_of_month_due": 31,
                "due_next_month_days": 31,
                "discount_pct": Decimal("0"),
            }
        )
        self.tables["terms"] = terms
        self.tables["classes"] = []
        for name in ("Hosting Division", "Field Services"):
            self.tables["classes"].append({**self._head(), **self._tree("classes", name)})
        self.tables["sales_tax_codes"] = [
            {
                **self._head(),
                "name": name,
                "is_active": True,
                "is_taxable": name == "Tax",
                "description": description,
            }
            for name, description in (("Tax", "Taxable sales"), ("Non", "Non-taxable sales"))
        ]
        self.tables["payment_methods"] = [
            {**self._head(), "name": name, "is_active": True, "payment_method_type": kind}
            for name, kind in _METHODS
        ]
        self.tables["currencies"] = []  # the company does not use multi-currency

    def _accounts(self) -> None:
        rows = self.tables["accounts"] = []
        for line in _ACCOUNTS:
            number, full_name, kind, special, balance = line.split("|")
            rows.append(
                {
                    **self._head(),
                    **self._tree("accounts", full_name),
                    "account_type": kind,
                    "special_account_type": special or None,
                    "account_number": number,
                    "balance": Decimal(balance) if balance else None,
                    "total_balance": Decimal(balance) if balance else None,
                }
            )

    def _items(self) -> None:
        rows = self.tables["items"] = []
        for line in _ITEMS:
            kind, full_name, account, code, price, description, *inactive = line.split("|")
            percent = Decimal(price[:-1]) if price.endswith("%") else None
            money = Decimal(price) if price and percent is None else None
            row = {
                **self._head(),
                "item_type": kind,
                **self._tree("items", full_name),
                "is_active": not inactive,
                "description": description,
                "price": money,
                "tax_rate": percent if kind == "SalesTax" else None,
                "discount_rate_percent": percent if kind == "Discount" else None,
                **reference("sales_tax_code", self.get("sales_tax_codes", code) if code else None),
                **reference("income_account", self.get("accounts", account) if account else None),
            }
            if kind in _FLAT:
                row["sublevel"] = None
            if kind == "SalesTax":
                row |= reference("tax_vendor", self._other_name("State Comptroller"))
            if kind == "Inventory":
                assert money is not None
                row["purchase_description"] = description
                row["purchase_cost"] = cents(money * Decimal("0.7"))
                row |= reference("expense_account", self.get("accounts", "Cost of Goods Sold"))
            rows.append(row)

    def _other_name(self, name: str) -> Row:
        return next(row for row in self.other_names if row["name"] == name)

    def _customers(self) -> None:
        rows = self.tables["customers"] = []
        for index, (full_name, party) in enumerate(self.parties.items()):
            first, last = names.person(index)
            if ", " in full_name:
                last, first = full_name.split(", ")
            terms = ("Net 30", "Net 30", "Net 15", "Net 30", "End of next month")[index % 5]
            street, city, state, postal_code = names.address(index)
            job = ":" in full_name
            code = "Non" if party.exempt else "Tax"
            rows.append(
                {
                    **self._head(),
                    **self._tree("customers", full_name),
                    "is_active": party.active,
                    "company_name": None if ", " in full_name else full_name.split(":")[0],
                    "first_name": first,
                    "last_name": last,
                    "bill_address_addr1": full_name.split(":")[0],
                    "bill_address_addr2": street,
                    "bill_address_city": city,
                    "bill_address_state": state,
                    "bill_address_postal_code": postal_code,
                    "bill_address_country": "USA",
                    "phone": f"512-555-{100 + index:04}",
                    "email": f"billing@{names.slug(full_name)}",
                    **reference("terms", self.get("terms", terms)),
                    **reference("sales_tax_code", self.get("sales_tax_codes", code)),
                    **reference(
                        "item_sales_tax", self.get("items", NO_TAX_ITEM if party.exempt else TAX_ITEM)
                    ),
                    "account_number": party.number if party.match == names.NUMBER else None,
                    "job_status": "InProgress" if job else "None",
                    "preferred_delivery_method": "Email" if index % 3 else "None",
                }
            )
        twins = [self.get("customers", name) for name in ("Cedar Ridge Dental", "Cedar Ridge Dental Group")]
        for twin in twins:  # two customers with one account number: which is meant?
            twin["account_number"] = self.parties["Cedar Ridge Dental"].number

    def _company(self) -> None:
        self.tables["company"] = [
            {
                "company_name": COMPANY,
                "legal_company_name": COMPANY,
                "is_sample_company": False,
                "product_name": "QuickBooks Enterprise Solutions 24.0",
                "major_version": "34",
                "minor_version": "0",
                "country": "US",
                "qb_file_mode": "MultiUser",
                "is_using_account_numbers": True,
                "is_using_class_tracking": True,
                "closing_date": dt.date(2025, 11, 30),
                "is_multi_currency_on": False,
                **reference("default_item_sales_tax", self.get("items", TAX_ITEM)),
                **reference("default_taxable_code", self.get("sales_tax_codes", "Tax")),
                **reference("default_non_taxable_code", self.get("sales_tax_codes", "Non")),
                "is_auto_applying_payments": True,
            }
        ]
        self.tables["custom_fields"] = [
            {
                "owner_table": "quickbooks.customers",
                "owner_key": self.get("customers", name)["list_id"],
                "owner_id": "0",
                "name": "Contract",
                "type": "STR255TYPE",
                "value": value,
            }
            for name, value in (
                ("Bluewater Marina", "2024-017"),
                ("Redwood Franchise Co", "2023-004"),
                ("Summit Builders", "2025-031"),
            )
        ]
