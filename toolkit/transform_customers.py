"""Customers and items that do not exist in QuickBooks yet, as requests that create them."""

from __future__ import annotations

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft, Operation
from toolkit.transform_fields import by_id, external_guid, number, without_nulls


def customer_drafts(context: Context) -> list[Draft]:
    """Return a draft for every BluBilling customer that QuickBooks does not have."""
    return [
        Draft(
            "customer",
            f"customer:{account}",
            "billing.customers",
            account,
            row,
            account=account,
        )
        for account, row in context.billing_customers.items()
        if not context.target(account).list_id
    ]


def customer_operation(context: Context, draft: Draft) -> Operation:
    """Return the CustomerAdd of a new customer or job. ``OpenBalance`` is never written."""
    row, account = draft.row, draft.source_key
    parent = context.target(row["parent_account_number"]) if row["parent_account_number"] else None
    terms = context.terms_of(row)
    currency = None
    if context.company.get("is_multi_currency_on"):
        currency = {"ListID": context.company["home_currency_list_id"]}
    fields = without_nulls(
        {
            "Name": context.new_name(account),
            "ParentRef": parent.reference if parent else None,
            "CompanyName": row["company_name"],
            "FirstName": row["first_name"],
            "LastName": row["last_name"],
            "BillAddress": {
                "Addr1": row["bill_street1"],
                "Addr2": row["bill_street2"],
                "City": row["bill_city"],
                "State": row["bill_state"],
                "PostalCode": row["bill_zip"],
                "Country": row["bill_country"] or row["bill_country_code"],
            },
            "Phone": row["phone"],
            "Email": row["email"],
            "TermsRef": {"ListID": terms["terms_list_id"]} if terms else None,
            "AccountNumber": account,
            "ExternalGUID": external_guid(draft.key),
            "CurrencyRef": currency,
        }
    )
    target = context.target(account)
    return Operation(
        draft.key,
        "CustomerAdd",
        "customer",
        fields,
        expected={"name": fields["Name"], "full_name": target.full_name, "account_number": account},
        depends_on=parent.depends_on if parent else set(),
        customer=target,
    )


def item_draft(context: Context, key: str) -> Draft:
    """Return the draft of an item entered by hand, by operation key."""
    name = key.removeprefix("item:")
    return Draft("item", key, "mapping.local_items", name, context.local_items[name])


def item_operation(context: Context, draft: Draft) -> Operation:
    """Return the Add request of an item entered by hand."""
    row = draft.row
    above, _, name = draft.source_key.rpartition(":")
    parent = context.find_item(None, above) if above else None
    made_first = {"ListID": {"operation": f"item:{above}"}} if above else None
    code = context.tax_codes.get(row["sales_tax_code_full_name"] or "")
    fields = without_nulls(
        {
            "Name": name,
            "ParentRef": by_id(parent) if parent else made_first,
            "SalesTaxCodeRef": by_id(code) if code else None,
            "SalesOrPurchase": {
                "Desc": row["description"],
                "Price": number(row["price"]) if row["price"] is not None else None,
                "AccountRef": by_id(context.accounts[row["income_account_full_name"]]),
            },
            "ExternalGUID": external_guid(draft.key),
        }
    )
    return Operation(
        draft.key,
        f"Item{row['item_type']}Add",
        "item",
        fields,
        expected={"full_name": draft.source_key},
        depends_on={f"item:{above}"} if above and parent is None else set(),
    )
