"""The ``quickbooks.*`` tables of items: the item list, and what groups, assemblies and tax groups consist of.

Source: qbXML 13.0 schema, the ``Item*Ret`` aggregates.
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
    RATE,
    TEXT,
    Column,
    Table,
    list_head,
    reference,
)

_STOCK = (
    *reference("asset_account", "AssetAccountRef"),
    Column("reorder_point", RATE, "ReorderPoint"),
    Column("build_point", RATE, "BuildPoint", help="Of an assembly, what the reorder point is of a part."),
    Column("max", RATE, "Max", help="The quantity to have at most."),
    Column("quantity_on_hand", RATE, "QuantityOnHand"),
    Column("average_cost", RATE, "AverageCost"),
    Column("quantity_on_order", RATE, "QuantityOnOrder"),
    Column("quantity_on_sales_order", RATE, "QuantityOnSalesOrder"),
)

_FIXED_ASSET = (
    Column("acquired_as", TEXT, "AcquiredAs", help="New or Old."),
    Column("purchase_date", DATE, "PurchaseDate"),
    Column("vendor_or_payee_name", TEXT, "VendorOrPayeeName"),
    Column("fixed_asset_sales_description", TEXT, "FixedAssetSalesInfo/SalesDesc"),
    Column("fixed_asset_sales_date", DATE, "FixedAssetSalesInfo/SalesDate"),
    Column("fixed_asset_sales_price", RATE, "FixedAssetSalesInfo/SalesPrice", help="What it was sold for."),
    Column("fixed_asset_sales_expense", RATE, "FixedAssetSalesInfo/SalesExpense"),
    Column("asset_description", TEXT, "AssetDesc"),
    Column("location", TEXT, "Location"),
    Column("po_number", TEXT, "PONumber"),
    Column("serial_number", TEXT, "SerialNumber"),
    Column("warranty_exp_date", DATE, "WarrantyExpDate"),
    Column("notes", TEXT, "Notes"),
    Column("asset_number", TEXT, "AssetNumber"),
    Column("cost_basis", MONEY, "CostBasis"),
    Column("year_end_accumulated_depreciation", MONEY, "YearEndAccumulatedDepreciation"),
    Column("year_end_book_value", MONEY, "YearEndBookValue"),
)

ITEMS = Table(
    "quickbooks.items",
    "One item of the item list, whatever its kind.",
    (
        *list_head(
            Column("item_type", TEXT, help="The Ret's kind: Service, NonInventory, Discount, ..."), NAME
        ),
        FULL_NAME,
        Column("bar_code_value", TEXT, "BarCodeValue"),
        IS_ACTIVE,
        *reference("parent", "ParentRef"),
        Column("sublevel", INTEGER, "Sublevel"),
        *reference("class", "ClassRef"),
        Column("manufacturer_part_number", TEXT, "ManufacturerPartNumber"),
        *reference("unit_of_measure_set", "UnitOfMeasureSetRef"),
        Column("is_tax_included", BOOLEAN, "IsTaxIncluded", help="Outside the US."),
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
        *reference("pref_vendor", "SalesAndPurchase/PrefVendorRef|PrefVendorRef"),
        *_STOCK,
        *_FIXED_ASSET,
        Column("discount_rate", RATE, "DiscountRate"),
        Column("discount_rate_percent", RATE, "DiscountRatePercent"),
        *reference("deposit_to_account", "DepositToAccountRef"),
        *reference("payment_method", "PaymentMethodRef"),
        Column("tax_rate", RATE, "TaxRate"),
        *reference("tax_vendor", "TaxVendorRef"),
        Column("is_print_items_in_group", BOOLEAN, "IsPrintItemsInGroup"),
        Column(
            "special_item_type", TEXT, "SpecialItemType", help="What QuickBooks itself uses the item for."
        ),
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


def _members(name: str, doc: str, owner: str, element: str, columns: tuple[Column, ...]) -> Table:
    return Table(
        name,
        doc,
        (
            Column(owner, TEXT, required=True, help="The item that it is a part of."),
            Column("line_number", INTEGER, required=True, help="Place in the item, from 1."),
            *columns,
            *IMPORTED,
        ),
        key=(owner, "line_number"),
        rets=(element,),
        parent="quickbooks.items",
        parent_key=owner,
    )


ITEM_GROUP_LINES = _members(
    "quickbooks.item_group_lines",
    "One item of a group item.",
    "item_group_list_id",
    "ItemGroupLine",
    (
        *reference("item", "ItemRef"),
        Column("quantity", RATE, "Quantity"),
        Column("unit_of_measure", TEXT, "UnitOfMeasure"),
    ),
)

ITEM_ASSEMBLY_LINES = _members(
    "quickbooks.item_assembly_lines",
    "One part of an inventory assembly: a line of its bill of materials.",
    "item_assembly_list_id",
    "ItemInventoryAssemblyLine",
    (*reference("item", "ItemInventoryRef"), Column("quantity", RATE, "Quantity")),
)

SALES_TAX_GROUP_ITEMS = _members(
    "quickbooks.sales_tax_group_items",
    "One sales tax item of a sales tax group.",
    "sales_tax_group_list_id",
    "ItemSalesTaxRef",
    (
        Column("item_sales_tax_list_id", TEXT, "ListID"),
        Column("item_sales_tax_full_name", TEXT, "FullName"),
    ),
)

ITEM_TABLES = (ITEMS, ITEM_GROUP_LINES, ITEM_ASSEMBLY_LINES, SALES_TAX_GROUP_ITEMS)
