"""``quickbooks.company``: the company file, what it is called and how it is set up.

Source: qbXML 13.0 schema, ``HostRet``, ``CompanyRet`` and ``PreferencesRet``.
"""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    IMPORTED,
    INTEGER,
    MONEY,
    RATE,
    TEXT,
    Column,
    Table,
    address,
    reference,
)

_ACCOUNTING = "AccountingPreferences"
_FINANCE = "FinanceChargePreferences"
_JOBS = "JobsAndEstimatesPreferences"
_CURRENCY = "MultiCurrencyPreferences"
_SITES = "MultiLocationInventoryPreferences"
_PURCHASES = "PurchasesAndVendorsPreferences"
_REPORTS = "ReportsPreferences"
_SALES = "SalesAndCustomersPreferences"
_SALES_TAX = "SalesTaxPreferences"
_RIGHTS = "CurrentAppAccessRights"
_ITEMS = "ItemsAndInventoryPreferences"

_ABOUT = (
    Column("company_name", TEXT, "CompanyName"),
    Column("legal_company_name", TEXT, "LegalCompanyName"),
    Column("is_sample_company", BOOLEAN, "IsSampleCompany"),
    *address("address", "Address"),
    *address("legal_address", "LegalAddress"),
    *address("company_address_for_customer", "CompanyAddressForCustomer"),
    Column("phone", TEXT, "Phone"),
    Column("fax", TEXT, "Fax"),
    Column("email", TEXT, "Email"),
    Column("company_web_site", TEXT, "CompanyWebSite"),
    Column("first_month_fiscal_year", TEXT, "FirstMonthFiscalYear"),
    Column("first_month_income_tax_year", TEXT, "FirstMonthIncomeTaxYear"),
    Column("company_type", TEXT, "CompanyType"),
    Column("tax_form", TEXT, "TaxForm"),
    Column("accountant_copy_exists", BOOLEAN, "AccountantCopy/AccountantCopyExists"),
    Column("accountant_copy_dividing_date", DATE, "AccountantCopy/DividingDate"),
    Column("product_name", TEXT, "ProductName"),
    Column("major_version", TEXT, "MajorVersion"),
    Column("minor_version", TEXT, "MinorVersion"),
    Column("country", TEXT, "Country", help="Of the QuickBooks edition."),
    Column("is_automatic_login", BOOLEAN, "IsAutomaticLogin"),
    Column("qb_file_mode", TEXT, "QBFileMode"),
)

_BOOKS = (
    Column("is_using_account_numbers", BOOLEAN, f"{_ACCOUNTING}/IsUsingAccountNumbers"),
    Column("is_requiring_accounts", BOOLEAN, f"{_ACCOUNTING}/IsRequiringAccounts"),
    Column("is_using_class_tracking", BOOLEAN, f"{_ACCOUNTING}/IsUsingClassTracking"),
    Column("assign_classes_to", TEXT, f"{_ACCOUNTING}/AssignClassesTo"),
    Column("is_using_audit_trail", BOOLEAN, f"{_ACCOUNTING}/IsUsingAuditTrail"),
    Column("is_assigning_journal_entry_numbers", BOOLEAN, f"{_ACCOUNTING}/IsAssigningJournalEntryNumbers"),
    Column("closing_date", DATE, f"{_ACCOUNTING}/ClosingDate"),
    Column("annual_interest_rate", RATE, f"{_FINANCE}/AnnualInterestRate", help="Of finance charges."),
    Column("min_finance_charge", MONEY, f"{_FINANCE}/MinFinanceCharge"),
    Column("grace_period", INTEGER, f"{_FINANCE}/GracePeriod", help="Days until finance is charged."),
    *reference("finance_charge_account", f"{_FINANCE}/FinanceChargeAccountRef"),
    Column("is_assessing_for_overdue_charges", BOOLEAN, f"{_FINANCE}/IsAssessingForOverdueCharges"),
    Column("calculate_charges_from", TEXT, f"{_FINANCE}/CalculateChargesFrom"),
    Column("is_marked_to_be_printed", BOOLEAN, f"{_FINANCE}/IsMarkedToBePrinted"),
    Column("is_using_estimates", BOOLEAN, f"{_JOBS}/IsUsingEstimates"),
    Column("is_using_progress_invoicing", BOOLEAN, f"{_JOBS}/IsUsingProgressInvoicing"),
    Column("is_printing_items_with_zero_amounts", BOOLEAN, f"{_JOBS}/IsPrintingItemsWithZeroAmounts"),
    Column("is_multi_currency_on", BOOLEAN, f"{_CURRENCY}/IsMultiCurrencyOn"),
    *reference("home_currency", f"{_CURRENCY}/HomeCurrencyRef"),
    Column("is_multi_location_inventory_available", BOOLEAN, f"{_SITES}/IsMultiLocationInventoryAvailable"),
    Column("is_multi_location_inventory_enabled", BOOLEAN, f"{_SITES}/IsMultiLocationInventoryEnabled"),
    Column("is_using_inventory", BOOLEAN, f"{_PURCHASES}/IsUsingInventory"),
    Column("days_bills_are_due", INTEGER, f"{_PURCHASES}/DaysBillsAreDue"),
    Column("is_automatically_using_discounts", BOOLEAN, f"{_PURCHASES}/IsAutomaticallyUsingDiscounts"),
    *reference("default_discount_account", f"{_PURCHASES}/DefaultDiscountAccountRef"),
    Column("aging_report_basis", TEXT, f"{_REPORTS}/AgingReportBasis"),
    Column("summary_report_basis", TEXT, f"{_REPORTS}/SummaryReportBasis"),
)

_TRADE = (
    *reference("default_item_sales_tax", f"{_SALES_TAX}/DefaultItemSalesTaxRef"),
    Column("pay_sales_tax", TEXT, f"{_SALES_TAX}/PaySalesTax"),
    *reference("default_taxable_code", f"{_SALES_TAX}/DefaultTaxableSalesTaxCodeRef"),
    *reference("default_non_taxable_code", f"{_SALES_TAX}/DefaultNonTaxableSalesTaxCodeRef"),
    Column("is_using_vendor_tax_code", BOOLEAN, f"{_SALES_TAX}/IsUsingVendorTaxCode"),
    Column("is_using_customer_tax_code", BOOLEAN, f"{_SALES_TAX}/IsUsingCustomerTaxCode"),
    Column("is_using_amounts_include_tax", BOOLEAN, f"{_SALES_TAX}/IsUsingAmountsIncludeTax"),
    *reference("default_ship_method", f"{_SALES}/DefaultShipMethodRef"),
    Column("default_fob", TEXT, f"{_SALES}/DefaultFOB"),
    Column("default_markup", RATE, f"{_SALES}/DefaultMarkup"),
    Column(
        "is_tracking_reimbursed_expenses_as_income",
        BOOLEAN,
        f"{_SALES}/IsTrackingReimbursedExpensesAsIncome",
    ),
    Column("is_auto_applying_payments", BOOLEAN, f"{_SALES}/IsAutoApplyingPayments"),
    Column("is_using_price_levels", BOOLEAN, f"{_SALES}/PriceLevels/IsUsingPriceLevels"),
    Column("is_rounding_sales_price_up", BOOLEAN, f"{_SALES}/PriceLevels/IsRoundingSalesPriceUp"),
    Column("first_day_of_week", TEXT, "TimeTrackingPreferences/FirstDayOfWeek"),
    Column("is_automatic_login_allowed", BOOLEAN, f"{_RIGHTS}/IsAutomaticLoginAllowed"),
    Column("is_personal_data_access_allowed", BOOLEAN, f"{_RIGHTS}/IsPersonalDataAccessAllowed"),
    Column("enhanced_inventory_receiving_enabled", BOOLEAN, f"{_ITEMS}/EnhancedInventoryReceivingEnabled"),
    Column("is_tracking_serial_or_lot_number", TEXT, f"{_ITEMS}/IsTrackingSerialOrLotNumber"),
    Column(
        "is_tracking_on_sales_transactions_enabled",
        BOOLEAN,
        f"{_ITEMS}/isTrackingOnSalesTransactionsEnabled",
    ),
    Column(
        "is_tracking_on_purchase_transactions_enabled",
        BOOLEAN,
        f"{_ITEMS}/isTrackingOnPurchaseTransactionsEnabled",
    ),
    Column(
        "is_tracking_on_inventory_adjustment_enabled",
        BOOLEAN,
        f"{_ITEMS}/isTrackingOnInventoryAdjustmentEnabled",
    ),
    Column("is_tracking_on_build_assembly_enabled", BOOLEAN, f"{_ITEMS}/isTrackingOnBuildAssemblyEnabled"),
    Column("fifo_enabled", BOOLEAN, f"{_ITEMS}/FIFOEnabled"),
    Column("fifo_effective_date", DATE, f"{_ITEMS}/FIFOEffectiveDate"),
    Column("is_rsb_enabled", BOOLEAN, f"{_ITEMS}/IsRSBEnabled", help="Bins (rows, shelves) are used."),
    Column("is_barcode_enabled", BOOLEAN, f"{_ITEMS}/IsBarcodeEnabled"),
)

COMPANY = Table(
    "quickbooks.company",
    "The company file, one row: what HostRet, CompanyRet and PreferencesRet tell.",
    (*_ABOUT, *_BOOKS, *_TRADE, *IMPORTED),
    rets=("HostRet", "CompanyRet", "PreferencesRet"),
)
