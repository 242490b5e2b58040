"""The ``quickbooks.*`` tables: what an import lands, one declaration a table.

Column names are the qbXML names in snake_case; a reference ``CustomerRef`` gives ``customer_list_id`` and
``customer_full_name``. Source: qbXML 13.0 schema, Ret aggregates.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    EXCHANGE_RATE,
    INTEGER,
    MONEY,
    RATE,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
    address,
    reference,
)

_IMPORT = (
    Column("import_job", INTEGER, help="The job that landed the row."),
    Column("imported_at", TIMESTAMP, help="When the answer arrived."),
)
_LEFT = Column("left_at", TIMESTAMP, help="When an import that covers the row no longer returned it.")


def _list_head(*middle: Column) -> tuple[Column, ...]:
    return (
        Column("list_id", TEXT, "ListID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        *middle,
    )


def _txn_head() -> tuple[Column, ...]:
    return (
        Column("txn_id", TEXT, "TxnID", required=True),
        Column("time_created", TIMESTAMP, "TimeCreated"),
        Column("time_modified", TIMESTAMP, "TimeModified"),
        Column("edit_sequence", TEXT, "EditSequence"),
        Column("txn_number", INTEGER, "TxnNumber"),
        *reference("customer", "CustomerRef"),
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
    ),
    key=("list_id",),
    rets=("CustomerRet",),
)


def _document_middle() -> tuple[Column, ...]:
    return (
        *reference("class", "ClassRef"),
        *reference("ar_account", "ARAccountRef"),
        *reference("template", "TemplateRef"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        *address("bill_address", "BillAddress"),
        Column("is_pending", BOOLEAN, "IsPending"),
        Column("po_number", TEXT, "PONumber"),
        *reference("terms", "TermsRef"),
        Column("due_date", DATE, "DueDate"),
        Column("subtotal", MONEY, "Subtotal"),
        *reference("item_sales_tax", "ItemSalesTaxRef"),
        Column("sales_tax_percentage", RATE, "SalesTaxPercentage"),
        Column("sales_tax_total", MONEY, "SalesTaxTotal"),
    )


def _document_tail() -> tuple[Column, ...]:
    return (
        *reference("currency", "CurrencyRef"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("memo", TEXT, "Memo"),
        Column("is_to_be_printed", BOOLEAN, "IsToBePrinted"),
        Column("is_to_be_emailed", BOOLEAN, "IsToBeEmailed"),
        *reference("customer_sales_tax_code", "CustomerSalesTaxCodeRef"),
        Column("other", TEXT, "Other"),
        Column("external_guid", TEXT, "ExternalGUID"),
        _LEFT,
        *_IMPORT,
    )


INVOICES = Table(
    "quickbooks.invoices",
    "One invoice.",
    (
        *_txn_head(),
        *_document_middle(),
        Column("applied_amount", MONEY, "AppliedAmount", help="Negative, as QuickBooks sends it."),
        Column("balance_remaining", MONEY, "BalanceRemaining"),
        Column("balance_remaining_in_home_currency", MONEY, "BalanceRemainingInHomeCurrency"),
        Column("is_paid", BOOLEAN, "IsPaid"),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("InvoiceRet",),
)

CREDIT_MEMOS = Table(
    "quickbooks.credit_memos",
    "One credit memo.",
    (
        *_txn_head(),
        *_document_middle(),
        Column("total_amount", MONEY, "TotalAmount"),
        Column("credit_remaining", MONEY, "CreditRemaining"),
        Column("credit_remaining_in_home_currency", MONEY, "CreditRemainingInHomeCurrency"),
        *_document_tail(),
    ),
    key=("txn_id",),
    rets=("CreditMemoRet",),
)


def _lines(name: str, doc: str, parent: str, line: str, group: str) -> Table:
    return Table(
        name,
        doc,
        (
            Column("txn_id", TEXT, required=True, help="The document."),
            Column("line_number", INTEGER, required=True, help="Place on the document, from 1."),
            Column(
                "line_kind", TEXT, required=True, help="line, group (a header without amount) or description."
            ),
            Column("txn_line_id", TEXT, "TxnLineID"),
            Column("group_line_id", TEXT, help="TxnLineID of the group the line stands in."),
            *reference("item", "ItemRef|ItemGroupRef"),
            Column("description", TEXT, "Desc"),
            Column("quantity", RATE, "Quantity"),
            Column("unit_of_measure", TEXT, "UnitOfMeasure"),
            Column("rate", RATE, "Rate"),
            Column("rate_percent", RATE, "RatePercent"),
            *reference("class", "ClassRef"),
            Column("amount", MONEY, "Amount"),
            Column("service_date", DATE, "ServiceDate"),
            *reference("sales_tax_code", "SalesTaxCodeRef"),
            Column("other1", TEXT, "Other1"),
            Column("other2", TEXT, "Other2"),
            *_IMPORT,
        ),
        key=("txn_id", "line_number"),
        rets=(line, group),
        parent=parent,
        parent_key="txn_id",
    )


INVOICE_LINES = _lines(
    "quickbooks.invoice_lines",
    "One line of an invoice, in the order of the document.",
    "quickbooks.invoices",
    "InvoiceLineRet",
    "InvoiceLineGroupRet",
)
CREDIT_MEMO_LINES = _lines(
    "quickbooks.credit_memo_lines",
    "One line of a credit memo, in the order of the document.",
    "quickbooks.credit_memos",
    "CreditMemoLineRet",
    "CreditMemoLineGroupRet",
)

PAYMENTS = Table(
    "quickbooks.payments",
    "One payment received.",
    (
        *_txn_head(),
        *reference("ar_account", "ARAccountRef"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("total_amount", MONEY, "TotalAmount"),
        *reference("currency", "CurrencyRef"),
        Column("exchange_rate", EXCHANGE_RATE, "ExchangeRate"),
        Column("total_amount_in_home_currency", MONEY, "TotalAmountInHomeCurrency"),
        *reference("payment_method", "PaymentMethodRef"),
        Column("memo", TEXT, "Memo"),
        *reference("deposit_to_account", "DepositToAccountRef"),
        Column("unused_payment", MONEY, "UnusedPayment"),
        Column("unused_credits", MONEY, "UnusedCredits"),
        Column("external_guid", TEXT, "ExternalGUID"),
        _LEFT,
        *_IMPORT,
    ),
    key=("txn_id",),
    rets=("ReceivePaymentRet",),
)

PAYMENT_APPLICATIONS = Table(
    "quickbooks.payment_applications",
    "One document that a payment was applied to.",
    (
        Column("payment_txn_id", TEXT, required=True),
        Column("txn_id", TEXT, "TxnID"),
        Column("txn_type", TEXT, "TxnType"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("balance_remaining", MONEY, "BalanceRemaining"),
        Column("amount", MONEY, "Amount"),
        Column("discount_amount", MONEY, "DiscountAmount"),
        *reference("discount_account", "DiscountAccountRef"),
        *_IMPORT,
    ),
    key=("payment_txn_id", "txn_id"),
    rets=("AppliedToTxnRet",),
    parent="quickbooks.payments",
    parent_key="payment_txn_id",
)

LINKED_TRANSACTIONS = Table(
    "quickbooks.linked_transactions",
    "One transaction linked to an invoice or credit memo.",
    (
        Column("owner_table", TEXT, required=True, help="quickbooks.invoices or quickbooks.credit_memos."),
        Column("owner_txn_id", TEXT, required=True),
        Column("txn_id", TEXT, "TxnID"),
        Column("txn_type", TEXT, "TxnType"),
        Column("txn_date", DATE, "TxnDate"),
        Column("ref_number", TEXT, "RefNumber"),
        Column("link_type", TEXT, "LinkType"),
        Column("amount", MONEY, "Amount"),
        *_IMPORT,
    ),
    rets=("LinkedTxn",),
    parent="quickbooks.invoices|quickbooks.credit_memos",
    parent_key="owner_txn_id",
)

CUSTOM_FIELDS = Table(
    "quickbooks.custom_fields",
    "One custom field of a record or line.",
    (
        Column("owner_table", TEXT, required=True),
        Column(
            "owner_key", TEXT, required=True, help="ListID or TxnID of the record; of a line, its TxnLineID."
        ),
        Column("owner_id", TEXT, "OwnerID"),
        Column("name", TEXT, "DataExtName"),
        Column("type", TEXT, "DataExtType"),
        Column("value", TEXT, "DataExtValue"),
        *_IMPORT,
    ),
    rets=("DataExtRet",),
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
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
        _LEFT,
        *_IMPORT,
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
        *_IMPORT,
    ),
    rets=("HostRet", "CompanyRet", "PreferencesRet"),
)

QUICKBOOKS_TABLES = (
    ITEMS,
    CUSTOMERS,
    INVOICES,
    INVOICE_LINES,
    PAYMENTS,
    PAYMENT_APPLICATIONS,
    CREDIT_MEMOS,
    CREDIT_MEMO_LINES,
    LINKED_TRANSACTIONS,
    CUSTOM_FIELDS,
    ACCOUNTS,
    TERMS,
    CLASSES,
    SALES_TAX_CODES,
    PAYMENT_METHODS,
    CURRENCIES,
    COMPANY,
)
