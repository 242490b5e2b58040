"""The ``billing.*`` tables: what BluBilling's spreadsheets hold, one declaration a table.

A column's ``source`` lists the headers it may carry in a file beside its own name; headers are compared
without regard to case, blanks, underscores and punctuation. BluBilling's own upload files use some of them;
others are what analysts write. Source: BluBilling pages in the reference, section 6.
"""

from __future__ import annotations

from toolkit.columns import BOOLEAN, DATE, INTEGER, MONEY, QUANTITY, TEXT, TIMESTAMP, Column, Table

_SOURCE = (
    Column("source", TEXT, help="Where the row came from: customers.xlsx!Sheet1!R17."),
    Column("imported_at", TIMESTAMP, help="When the file was loaded."),
)


def _address(prefix: str, label: str) -> tuple[Column, ...]:
    def column(part: str, *aliases: str) -> Column:
        names = [f"{label} {alias}" for alias in aliases]
        return Column(f"{prefix}_{part}", TEXT, "|".join([*names, *aliases] if prefix == "bill" else names))

    return (
        column("street1", "Street", "Address 1", "Street 1"),
        column("street2", "Suite/Dept", "Address 2", "Street 2"),
        column("city", "City"),
        column("state", "State"),
        column("zip", "Zip", "Postal Code"),
        column("country", "Country"),
        column("country_code", "Country Code"),
    )


CUSTOMERS = Table(
    "billing.customers",
    "One BluBilling customer.",
    (
        Column(
            "account_number", TEXT, "Account Number|Customer Account Number|extCustomerRef|Customer Ref", True
        ),
        Column("blubilling_id", INTEGER, "BluBilling ID|Customer Id"),
        Column("erp_customer_id", TEXT, "ERP Customer ID"),
        Column("crm_customer_id", TEXT, "CRM Customer ID"),
        Column("name", TEXT, "Customer Name|Display Name", True),
        Column("company_name", TEXT, "Company Name|Company"),
        Column("is_business", BOOLEAN, "Is Business|isBusinessAccount"),
        Column("first_name", TEXT, "First Name"),
        Column("last_name", TEXT, "Last Name"),
        Column("email", TEXT, "Primary Email|Email Address|emailPrimary"),
        Column("phone", TEXT, "Primary Phone|workPhone"),
        Column("cell_phone", TEXT, "Cell Phone|Mobile"),
        *_address("bill", "Billing"),
        *_address("ship", "Shipping"),
        Column("terms_value", INTEGER, "Payment Terms Value|paymentTermsValue"),
        Column("terms_units", TEXT, "Payment Terms Units|paymentTermsUnits"),
        Column("currency", TEXT, "Currency Code"),
        Column("status", TEXT, "Customer Status"),
        Column("parent_account_number", TEXT, "Parent Account|Parent Account Number"),
        Column("outstanding_balance", MONEY, "Outstanding Balance"),
        Column("previous_balance", MONEY, "Previous Balance"),
        Column("current_balance", MONEY, "Current Balance"),
        Column("last_payment_amount", MONEY, "Last Payment Amount"),
        Column("last_payment_date", DATE, "Last Payment Date"),
        Column("last_invoice_amount", MONEY, "Last Invoice Amount"),
        Column("last_invoice_date", DATE, "Last Invoiced Date|Last Invoice Date"),
        Column("lifetime_payments", MONEY, "Lifetime Payments"),
        Column("lifetime_value", MONEY, "Lifetime Value"),
        Column("tax_exempt", BOOLEAN, "Tax Exempt"),
        Column("tax_exempt_type", TEXT, "Tax Exempt Type"),
        *_SOURCE,
    ),
    key=("account_number",),
)

PLANS = Table(
    "billing.plans",
    "One plan (contract offering).",
    (
        Column("contract_code", TEXT, "Contract Code|Plan Code", True),
        Column("name", TEXT, "Plan Name", True),
        Column("invoice_text", TEXT, "Plan Invoice Text|Invoice Text"),
        Column("product_sku", TEXT, "Product SKU"),
        Column("product_name", TEXT, "Product Name"),
        Column("billing_period", TEXT, "Billing Period"),
        Column("billing_alignment", TEXT, "Billing Alignment"),
        Column("due_value", INTEGER, "Due Date Value"),
        Column("due_units", TEXT, "Due Date Units"),
        Column("auto_renew", BOOLEAN, "Auto Renew|isAutoRenew"),
        Column("accounting_code", TEXT, "Accounting Code"),
        Column("order_type", TEXT, "Order Type"),
        Column("start_date", DATE, "Start Date"),
        Column("end_date", DATE, "End Date"),
        Column("notes", TEXT, "Note"),
        *_SOURCE,
    ),
    key=("contract_code",),
)

CHARGES = Table(
    "billing.charges",
    "One charge of a plan. A price code is unique only inside its plan.",
    (
        Column("contract_code", TEXT, "Contract Code|Plan Code", True),
        Column("price_code", TEXT, "Price Code", help="May be blank: then the charge is a mismatch."),
        Column("position", INTEGER, "Charge Position"),
        Column("blubilling_charge_id", INTEGER, "Contract Charge Id|Charge Id"),
        Column("invoice_text", TEXT, "Invoice Text|Charge Text"),
        Column("charge_type", TEXT, "Charge Type", True),
        Column("pricing_type", TEXT, "Pricing Type"),
        Column("unit_price", QUANTITY, "Unit Price|Price"),
        Column("percent", QUANTITY, "Percentage"),
        Column("unit_of_measure", TEXT, "Unit Of Measure|UOM"),
        Column("is_tax", BOOLEAN, "Is Tax"),
        Column("is_penalty", BOOLEAN, "Is Penalty"),
        Column("is_prepaid", BOOLEAN, "Is Prepaid"),
        Column("is_discount", BOOLEAN, "Is Discount"),
        Column("external_tax_lookup", BOOLEAN, "External Tax Lookup"),
        Column("accounting_code", TEXT, "Accounting Code"),
        Column("qb_item", TEXT, "QuickBooks Item"),
        Column("qb_income_account", TEXT, "QuickBooks Income Account"),
        *_SOURCE,
    ),
    key=("contract_code", "price_code"),
)

INVOICES = Table(
    "billing.invoices",
    "One BluBilling invoice.",
    (
        Column("invoice_number", TEXT, "Invoice Number|Invoice No|Invoice #", True),
        Column("blubilling_invoice_id", INTEGER, "BluBilling Invoice Id|Invoice Id"),
        Column("erp_invoice_id", TEXT, "ERP Invoice ID"),
        Column("crm_invoice_id", TEXT, "CRM Invoice ID"),
        Column("account_number", TEXT, "Customer Ref|Account Number|Customer Account Number", True),
        Column("invoice_date", DATE, "Invoice Date", True),
        Column("due_date", DATE, "Due Date", True),
        Column("billing_start", DATE, "Billing StartDate|Billing Start Date"),
        Column("billing_end", DATE, "Billing EndDate|Billing End Date"),
        Column("status", TEXT, "Invoice Status", True),
        Column("currency", TEXT, "Currency Code"),
        Column("notes", TEXT, "Note"),
        Column("current_amount_due", MONEY, "Current Amount Due|Current Charges", True),
        Column("previous_balance", MONEY, "Previous Balance", help="Shown on the invoice, never posted."),
        Column("payments_and_adjustments", MONEY, "Payments And Adjustments"),
        Column("total_due", MONEY, "Total Due"),
        Column("outstanding_balance", MONEY, "Outstanding Balance"),
        Column("delegated_to_invoice", TEXT, "Delegated Invoice"),
        Column("invoice_kind", TEXT, "Invoice Kind", help="normal, master or child."),
        *_SOURCE,
    ),
    key=("invoice_number",),
)

INVOICE_LINES = Table(
    "billing.invoice_lines",
    "One charge on a BluBilling invoice.",
    (
        Column("invoice_number", TEXT, "Invoice Number|Invoice No|Invoice #", True),
        Column("line_position", INTEGER, "Line Position|Position", True),
        Column("charge_position", INTEGER, "Charge Position", True),
        Column("order_number", TEXT, "Order Number|SubscriptionOrderId"),
        Column("contract_code", TEXT, "Contract Code|Plan Code", True),
        Column("price_code", TEXT, "Price Code"),
        Column("description", TEXT, "Invoice Text|Line Text"),
        Column("accounting_code", TEXT, "Accounting Code"),
        Column("unit_price", QUANTITY, "Unit Price"),
        Column("quantity", QUANTITY, "Qty"),
        Column("amount", MONEY, "Line Amount", True),
        Column("line_type", TEXT, "Line Type", help="charge, tax, discount, penalty or usage_subtotal."),
        Column("is_percent", BOOLEAN, "Is Percent"),
        Column("unit_of_measure", TEXT, "Unit Of Measure|UOM"),
        Column("service_start", DATE, "Service Start"),
        Column("service_end", DATE, "Service End"),
        Column("charge_date", DATE, "Charge Date"),
        Column("tax_name", TEXT, "Tax Name"),
        *_SOURCE,
    ),
    key=("invoice_number", "line_position", "charge_position"),
    parent="billing.invoices",
    parent_key="invoice_number",
)

PAYMENTS = Table(
    "billing.payments",
    "One BluBilling payment or refund.",
    (
        Column("payment_number", TEXT, "Payment Number|Payment No|Payment #", True),
        Column("blubilling_payment_id", INTEGER, "BluBilling Payment Id|Payment Id"),
        Column("account_number", TEXT, "Customer Ref|Account Number|Customer Account Number", True),
        Column("payment_type", TEXT, "Payment Type", True, "Payment or Refund."),
        Column("method", TEXT, "Payment Method|Payment Method Type", True),
        Column("amount", MONEY, "Payment Amount", True, "Refunds and cancelled payments are negative."),
        Column("unapplied_balance", MONEY, "Unapplied Balance|Balance"),
        Column("effective_date", DATE, "Effective Date|Payment Date", True),
        Column("status", TEXT, "Payment Status", True),
        Column("currency", TEXT, "Currency Code"),
        Column("check_number", TEXT, "Check Number|Check No"),
        Column("transaction_id", TEXT, "Transaction Id"),
        Column("approval_code", TEXT, "Approval Code"),
        Column("method_context", TEXT, "Method Context", help="Masked text only."),
        Column("processor", TEXT, "Payment Processor"),
        Column("reverses_payment_number", TEXT, "Reverses Payment"),
        Column("notes", TEXT, "Note"),
        *_SOURCE,
    ),
    key=("payment_number",),
)

PAYMENT_APPLICATIONS = Table(
    "billing.payment_applications",
    "One part of a payment (or credit) applied to one invoice.",
    (
        Column("payment_number", TEXT, "Payment Number|Payment No|Payment #", True),
        Column("invoice_number", TEXT, "Invoice Number|Invoice No|Invoice #", True),
        Column("seq", INTEGER, "Sequence", True),
        Column("amount_applied", MONEY, "Amount Applied", True),
        Column("balance_after", MONEY, "Balance After|Balance"),
        Column("applied_date", DATE, "Applied Date"),
        *_SOURCE,
    ),
    key=("payment_number", "invoice_number", "seq"),
    parent="billing.payments",
    parent_key="payment_number",
)

ADJUSTMENTS = Table(
    "billing.adjustments",
    "One change of what a customer owes without money.",
    (
        Column("adjustment_id", TEXT, "Adjustment Id|Credit Id", True),
        Column("account_number", TEXT, "Customer Ref|Account Number|Customer Account Number", True),
        Column("effective_date", DATE, "Effective Date|Adjustment Date", True),
        Column(
            "kind",
            TEXT,
            "Adjustment Kind|Adjustment Type",
            True,
            "house_credit, house_debit, credit_memo, ...",
        ),
        Column("amount", MONEY, "Adjustment Amount", True, "Above 0 lowers what is owed."),
        Column("invoice_number", TEXT, "Invoice Number|Invoice No|Invoice #"),
        Column("unapplied_balance", MONEY, "Unapplied Balance|Balance"),
        Column("status", TEXT, "Adjustment Status"),
        Column("reason_text", TEXT, "Reason|Invoice Text"),
        Column("accounting_code", TEXT, "Accounting Code"),
        Column("qb_method_or_item", TEXT, "QuickBooks Method Or Item"),
        *_SOURCE,
    ),
    key=("adjustment_id",),
)

BILLING_TABLES = (
    CUSTOMERS,
    PLANS,
    CHARGES,
    INVOICES,
    INVOICE_LINES,
    PAYMENTS,
    PAYMENT_APPLICATIONS,
    ADJUSTMENTS,
)
