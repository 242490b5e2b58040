"""The ``quickbooks.*`` tables of lists: items, customers with contacts and notes, accounts and the like.

The company's one row is declared here too.

Source: qbXML 13.0 schema, Ret aggregates of the list queries.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    EXCHANGE_RATE,
    IMPORTED,
    INTEGER,
    LEFT_AT,
    MONEY,
    RATE,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    address,
    reference,
)


def _list_head(*middle: Column) -> tuple[Column, ...]:
    return (
        Column("list_id", TEXT, "ListID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        *middle,
    )


_NAME = Column("name", TEXT, "Name")
_FULL_NAME = Column("full_name", TEXT, "FullName|Name")
_ACTIVE = Column("is_active", BOOLEAN, "IsActive")

ITEMS = Table(
    "quickbooks.items",
    "One item of the item list, whatever its kind.",
    (
        *_list_head(
            Column("item_type", TEXT, help="The Ret's kind: Service, NonInventory, Discount, ..."), _NAME
        ),
        _FULL_NAME,
        _ACTIVE,
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        *reference("class", "ClassRef"),
        *reference("sales_tax_code", "SalesTaxCodeRef"),
        Column("description", TEXT, "SalesOrPurchase/Desc|SalesAndPurchase/SalesDesc|SalesDesc|ItemDesc"),
        Column("price", RATE, "SalesOrPurchase/Price|SalesAndPurchase/SalesPrice|SalesPrice"),
        Column("price_percent", RATE, "SalesOrPurchase/PricePercent"),
        *reference(
            "income_account",
            "SalesOrPurchase/AccountRef|SalesAndPurchase/IncomeAccountRef|IncomeAccountRef|AccountRef",
        ),
        Column("purchase_description", TEXT, "SalesAndPurchase/PurchaseDesc|PurchaseDesc"),
        Column("purchase_cost", RATE, "SalesAndPurchase/PurchaseCost|PurchaseCost"),
        *reference("expense_account", "SalesAndPurchase/ExpenseAccountRef|COGSAccountRef"),
        Column("discount_rate", RATE, "DiscountRate"),
        Column("discount_rate_percent", RATE, "DiscountRatePercent"),
        Column("tax_rate", RATE, "TaxRate"),
        *reference("tax_vendor", "TaxVendorRef"),
        Column("external_guid", TEXT, "ExternalGUID"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=(
        "ItemServiceRet",
        "ItemNonInventoryRet",
        "ItemOtherChargeRet",
        "ItemInventoryRet",
        "ItemInventoryAssemblyRet",
        "ItemFixedAssetRet",
        "ItemSubtotalRet",
        "ItemDiscountRet",
        "ItemPaymentRet",
        "ItemSalesTaxRet",
        "ItemSalesTaxGroupRet",
        "ItemGroupRet",
    ),
)

CUSTOMERS = Table(
    "quickbooks.customers",
    "One customer or job (a job is a customer with a parent).",
    (
        *_list_head(_NAME),
        _FULL_NAME,
        _ACTIVE,
        *reference("class", "ClassRef"),
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        Column("company_name", TEXT, "CompanyName"),
        Column("salutation", TEXT, "Salutation"),
        Column("first_name", TEXT, "FirstName"),
        Column("middle_name", TEXT, "MiddleName"),
        Column("last_name", TEXT, "LastName"),
        *address("bill_address", "BillAddress"),
        *address("ship_address", "ShipAddress"),
        Column("phone", TEXT, "Phone"),
        Column("alt_phone", TEXT, "AltPhone"),
        Column("fax", TEXT, "Fax"),
        Column("email", TEXT, "Email"),
        Column("cc", TEXT, "Cc"),
        Column("contact", TEXT, "Contact"),
        *reference("customer_type", "CustomerTypeRef"),
        *reference("terms", "TermsRef"),
        *reference("sales_rep", "SalesRepRef"),
        Column("balance", MONEY, "Balance", help="Its own open balance, without its jobs."),
        Column("total_balance", MONEY, "TotalBalance", help="With its jobs: never used for a proof."),
        *reference("sales_tax_code", "SalesTaxCodeRef"),
        *reference("item_sales_tax", "ItemSalesTaxRef"),
        Column("account_number", TEXT, "AccountNumber"),
        Column("credit_limit", MONEY, "CreditLimit"),
        *reference("preferred_payment_method", "PreferredPaymentMethodRef"),
        Column("job_status", TEXT, "JobStatus"),
        Column("notes", TEXT, "Notes"),
        Column("preferred_delivery_method", TEXT, "PreferredDeliveryMethod"),
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

ACCOUNTS = Table(
    "quickbooks.accounts",
    "One account of the chart of accounts.",
    (
        *_list_head(_NAME),
        _FULL_NAME,
        _ACTIVE,
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        Column("account_type", TEXT, "AccountType"),
        Column("special_account_type", TEXT, "SpecialAccountType"),
        Column("account_number", TEXT, "AccountNumber"),
        Column("description", TEXT, "Desc"),
        Column("balance", MONEY, "Balance"),
        Column("total_balance", MONEY, "TotalBalance"),
        *reference("currency", "CurrencyRef"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("AccountRet",),
)

TERMS = Table(
    "quickbooks.terms",
    "One payment term, standard or date driven.",
    (
        *_list_head(Column("terms_type", TEXT, help="Standard or DateDriven."), _NAME),
        _ACTIVE,
        Column("std_due_days", INTEGER, "StdDueDays"),
        Column("std_discount_days", INTEGER, "StdDiscountDays"),
        Column("discount_pct", RATE, "DiscountPct"),
        Column("day_of_month_due", INTEGER, "DayOfMonthDue"),
        Column("due_next_month_days", INTEGER, "DueNextMonthDays"),
        Column("discount_day_of_month", INTEGER, "DiscountDayOfMonth"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("StandardTermsRet", "DateDrivenTermsRet"),
)

CLASSES = Table(
    "quickbooks.classes",
    "One class.",
    (
        *_list_head(_NAME),
        _FULL_NAME,
        _ACTIVE,
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("ClassRet",),
)

SALES_TAX_CODES = Table(
    "quickbooks.sales_tax_codes",
    "One sales tax code.",
    (
        *_list_head(_NAME),
        _ACTIVE,
        Column("is_taxable", BOOLEAN, "IsTaxable"),
        Column("description", TEXT, "Desc"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("SalesTaxCodeRet",),
)

PAYMENT_METHODS = Table(
    "quickbooks.payment_methods",
    "One payment method.",
    (
        *_list_head(_NAME),
        _ACTIVE,
        Column("payment_method_type", TEXT, "PaymentMethodType"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("PaymentMethodRet",),
)

CURRENCIES = Table(
    "quickbooks.currencies",
    "One currency.",
    (
        *_list_head(_NAME),
        _ACTIVE,
        Column("currency_code", TEXT, "CurrencyCode"),
        Column("is_user_defined_currency", BOOLEAN, "IsUserDefinedCurrency"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("as_of_date", DATE, "AsOfDate"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("CurrencyRet",),
)

COMPANY = Table(
    "quickbooks.company",
    "The company file, one row: what HostRet, CompanyRet and PreferencesRet tell.",
    (
        Column("company_name", TEXT, "CompanyName"),
        Column("legal_company_name", TEXT, "LegalCompanyName"),
        Column("is_sample_company", BOOLEAN, "IsSampleCompany"),
        Column("product_name", TEXT, "ProductName"),
        Column("major_version", TEXT, "MajorVersion"),
        Column("minor_version", TEXT, "MinorVersion"),
        Column("country", TEXT, "Country"),
        Column("qb_file_mode", TEXT, "QBFileMode"),
        Column("is_using_account_numbers", BOOLEAN, "AccountingPreferences/IsUsingAccountNumbers"),
        Column("is_using_class_tracking", BOOLEAN, "AccountingPreferences/IsUsingClassTracking"),
        Column("closing_date", DATE, "AccountingPreferences/ClosingDate"),
        Column("is_multi_currency_on", BOOLEAN, "MultiCurrencyPreferences/IsMultiCurrencyOn"),
        *reference("home_currency", "MultiCurrencyPreferences/HomeCurrencyRef"),
        *reference("default_item_sales_tax", "SalesTaxPreferences/DefaultItemSalesTaxRef"),
        *reference("default_taxable_code", "SalesTaxPreferences/DefaultTaxableSalesTaxCodeRef"),
        *reference("default_non_taxable_code", "SalesTaxPreferences/DefaultNonTaxableSalesTaxCodeRef"),
        Column("is_auto_applying_payments", BOOLEAN, "SalesAndCustomersPreferences/IsAutoApplyingPayments"),
        *IMPORTED,
    ),
    rets=("HostRet", "CompanyRet", "PreferencesRet"),
)
LIST_TABLES = (
    ITEMS,
    CUSTOMERS,
    CUSTOMER_CONTACTS,
    CUSTOMER_NOTES,
    ACCOUNTS,
    TERMS,
    CLASSES,
    SALES_TAX_CODES,
    PAYMENT_METHODS,
    CURRENCIES,
    COMPANY,
)
