"""The ``quickbooks.*`` tables of customers and jobs: contacts, their numbers, notes and ship-to addresses.

Source: qbXML 13.0 schema, ``CustomerRet``.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    FULL_NAME,
    IMPORTED,
    INTEGER,
    IS_ACTIVE,
    LEFT_AT,
    MONEY,
    NAME,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    address,
    list_head,
    reference,
)

CUSTOMERS = Table(
    "quickbooks.customers",
    "One customer or job (a job is a customer with a parent).",
    (
        *list_head(NAME),
        FULL_NAME,
        IS_ACTIVE,
        *reference("class", "ClassRef"),
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        Column("company_name", TEXT, "CompanyName"),
        Column("salutation", TEXT, "Salutation"),
        Column("first_name", TEXT, "FirstName"),
        Column("middle_name", TEXT, "MiddleName"),
        Column("last_name", TEXT, "LastName"),
        Column("job_title", TEXT, "JobTitle"),
        *address("bill_address", "BillAddress"),
        *address("ship_address", "ShipAddress"),
        Column("phone", TEXT, "Phone"),
        Column("alt_phone", TEXT, "AltPhone"),
        Column("fax", TEXT, "Fax"),
        Column("email", TEXT, "Email"),
        Column("cc", TEXT, "Cc"),
        Column("contact", TEXT, "Contact"),
        Column("alt_contact", TEXT, "AltContact"),
        *reference("customer_type", "CustomerTypeRef"),
        *reference("terms", "TermsRef"),
        *reference("sales_rep", "SalesRepRef"),
        Column("balance", MONEY, "Balance", help="Its own open balance, without its jobs."),
        Column("total_balance", MONEY, "TotalBalance", help="With its jobs: never used for a proof."),
        *reference("sales_tax_code", "SalesTaxCodeRef"),
        *reference("item_sales_tax", "ItemSalesTaxRef"),
        Column("resale_number", TEXT, "ResaleNumber"),
        Column("account_number", TEXT, "AccountNumber"),
        Column("credit_limit", MONEY, "CreditLimit"),
        *reference("preferred_payment_method", "PreferredPaymentMethodRef"),
        Column("job_status", TEXT, "JobStatus"),
        Column("job_start_date", DATE, "JobStartDate"),
        Column("job_projected_end_date", DATE, "JobProjectedEndDate"),
        Column("job_end_date", DATE, "JobEndDate"),
        Column("job_description", TEXT, "JobDesc"),
        *reference("job_type", "JobTypeRef"),
        Column("notes", TEXT, "Notes"),
        Column("preferred_delivery_method", TEXT, "PreferredDeliveryMethod"),
        *reference("price_level", "PriceLevelRef"),
        Column("external_guid", TEXT, "ExternalGUID"),
        *reference("currency", "CurrencyRef"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("CustomerRet",),
)

_CUSTOMER = Column("customer_list_id", TEXT, required=True, help="The customer or job.")

CUSTOMER_CONTACTS = Table(
    "quickbooks.customer_contacts",
    "One contact of a customer. QuickBooks tells them from qbXML 12.0 on.",
    (
        _CUSTOMER,
        Column("list_id", TEXT, "ListID", help="Contacts are numbered by themselves, apart from the lists."),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        Column("contact", TEXT, "Contact"),
        Column("salutation", TEXT, "Salutation"),
        Column("first_name", TEXT, "FirstName", help="Often the whole name."),
        Column("middle_name", TEXT, "MiddleName"),
        Column("last_name", TEXT, "LastName"),
        Column("job_title", TEXT, "JobTitle"),
        *IMPORTED,
    ),
    key=("customer_list_id", "list_id"),
    rets=("ContactsRet",),
    parent="quickbooks.customers",
    parent_key="customer_list_id",
)

CUSTOMER_CONTACT_DETAILS = Table(
    "quickbooks.customer_contact_details",
    "One way to reach a customer or a contact of it: Main Phone, Main Email, Website. From qbXML 12.0 on.",
    (
        _CUSTOMER,
        Column(
            "contact_list_id",
            TEXT,
            enclosing="ContactsRet/ListID",
            help="The contact, of quickbooks.customer_contacts; null where it is the customer's own.",
        ),
        Column("contact_name", TEXT, "ContactName", help="What it is: Main Phone, CC Email, Other 1, ..."),
        Column("contact_value", TEXT, "ContactValue"),
        *IMPORTED,
    ),
    key=("customer_list_id", "contact_list_id", "contact_name"),
    rets=("AdditionalContactRef",),
    parent="quickbooks.customers",
    parent_key="customer_list_id",
)

CUSTOMER_NOTES = Table(
    "quickbooks.customer_notes",
    "One dated note of a customer. QuickBooks tells them from qbXML 12.0 on.",
    (
        _CUSTOMER,
        Column("note_id", INTEGER, "NoteID", help="Tells the notes of one customer apart, from 0."),
        Column("date", DATE, "Date"),
        Column("note", TEXT, "Note"),
        *IMPORTED,
    ),
    key=("customer_list_id", "note_id"),
    rets=("AdditionalNotesRet",),
    parent="quickbooks.customers",
    parent_key="customer_list_id",
)

_PLACES = {"addr1": "Addr1", "addr2": "Addr2", "addr3": "Addr3", "addr4": "Addr4", "addr5": "Addr5"}
_PLACES |= {"city": "City", "state": "State", "postal_code": "PostalCode", "country": "Country"}
_PLACES |= {"note": "Note"}

CUSTOMER_SHIP_TO_ADDRESSES = Table(
    "quickbooks.customer_ship_to_addresses",
    "One of the named addresses that goods for a customer go to. QuickBooks tells them from qbXML 12.0 on.",
    (
        _CUSTOMER,
        NAME,
        *(Column(column, TEXT, tag) for column, tag in _PLACES.items()),
        Column("default_ship_to", BOOLEAN, "DefaultShipTo"),
        *IMPORTED,
    ),
    key=("customer_list_id", "name"),
    rets=("ShipToAddress",),
    parent="quickbooks.customers",
    parent_key="customer_list_id",
)

CUSTOMER_TABLES = (
    CUSTOMERS,
    CUSTOMER_CONTACTS,
    CUSTOMER_CONTACT_DETAILS,
    CUSTOMER_NOTES,
    CUSTOMER_SHIP_TO_ADDRESSES,
)
