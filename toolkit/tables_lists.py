"""The ``quickbooks.*`` tables of the short lists: accounts, terms, classes, tax codes and the like.

Items, customers and the company have modules of their own. Source: qbXML 13.0 schema, Ret aggregates of the
list queries.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    EXCHANGE_RATE,
    FULL_NAME,
    IMPORTED,
    INTEGER,
    IS_ACTIVE,
    LEFT_AT,
    MONEY,
    NAME,
    RATE,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    list_head,
    reference,
)

ACCOUNTS = Table(
    "quickbooks.accounts",
    "One account of the chart of accounts.",
    (
        *list_head(NAME),
        FULL_NAME,
        IS_ACTIVE,
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        Column("account_type", TEXT, "AccountType"),
        Column("special_account_type", TEXT, "SpecialAccountType"),
        Column("account_number", TEXT, "AccountNumber"),
        Column("description", TEXT, "Desc"),
        Column("balance", MONEY, "Balance"),
        Column("total_balance", MONEY, "TotalBalance"),
        Column("tax_line_id", INTEGER, "TaxLineInfoRet/TaxLineID"),
        Column("tax_line_name", TEXT, "TaxLineInfoRet/TaxLineName"),
        Column("cash_flow_classification", TEXT, "CashFlowClassification"),
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
        *list_head(Column("terms_type", TEXT, help="Standard or DateDriven."), NAME),
        IS_ACTIVE,
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
        *list_head(NAME),
        FULL_NAME,
        IS_ACTIVE,
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
        *list_head(NAME),
        IS_ACTIVE,
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
        *list_head(NAME),
        IS_ACTIVE,
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
        *list_head(NAME),
        IS_ACTIVE,
        Column("currency_code", TEXT, "CurrencyCode"),
        Column("thousand_separator", TEXT, "CurrencyFormat/ThousandSeparator"),
        Column("thousand_separator_grouping", TEXT, "CurrencyFormat/ThousandSeparatorGrouping"),
        Column("decimal_places", TEXT, "CurrencyFormat/DecimalPlaces"),
        Column("decimal_separator", TEXT, "CurrencyFormat/DecimalSeparator"),
        Column("is_user_defined_currency", BOOLEAN, "IsUserDefinedCurrency"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("as_of_date", DATE, "AsOfDate"),
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("CurrencyRet",),
)

OTHER_NAMES = Table(
    "quickbooks.other_names",
    "One vendor, employee or other name: they share one name space with the customers.",
    (
        *list_head(Column("kind", TEXT, help="Vendor, Employee or OtherName."), NAME),
        IS_ACTIVE,
        LEFT_AT,
        *IMPORTED,
    ),
    key=("list_id",),
    rets=("VendorRet", "EmployeeRet", "OtherNameRet"),
)

DELETED_LIST_RECORDS = Table(
    "quickbooks.deleted_list_records",
    "One record that was deleted from a list, as long as QuickBooks remembers it.",
    (
        Column("list_del_type", TEXT, "ListDelType", required=True, help="Customer, ItemService, ..."),
        Column("list_id", TEXT, "ListID", required=True, help="Lists are numbered apart from each other."),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_deleted", TIMESTAMP, "TimeDeleted"),
        Column("full_name", TEXT, "FullName"),
        *IMPORTED,
    ),
    key=("list_del_type", "list_id"),
    rets=("ListDeletedRet",),
)

LIST_TABLES = (
    ACCOUNTS,
    TERMS,
    CLASSES,
    SALES_TAX_CODES,
    PAYMENT_METHODS,
    CURRENCIES,
    OTHER_NAMES,
    DELETED_LIST_RECORDS,
)
