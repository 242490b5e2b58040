"""The tables of findings, decisions and matches, and all that the toolkit makes itself."""

from __future__ import annotations

from toolkit.columns import (
    BOOLEAN,
    DATE,
    INTEGER,
    MONEY,
    RATE,
    TEXT,
    TIMESTAMP,
    Column,
    Table,
)
from toolkit.tables_plans import PLAN_TABLES

FINDINGS = Table(
    "findings",
    "One thing that is wrong or doubtful.",
    (
        Column(
            "finding_id",
            TEXT,
            required=True,
            help="Hash of table, key, column, value and rule: a waiver sticks to it.",
        ),
        Column("severity", TEXT, required=True, help="error, warning or info."),
        Column("table", TEXT, help="Declared table, for example billing.invoices."),
        Column("key", TEXT, help="Key of the row; parts joined with ' / '."),
        Column("column", TEXT),
        Column("value", TEXT, help="The value as it stands."),
        Column("rule", TEXT, required=True, help="Name of the rule."),
        Column("message", TEXT, required=True, help="What is wrong and what to do, for people."),
        Column("suggestion", TEXT),
        Column("source", TEXT, help="customers.xlsx!Sheet1!R17."),
    ),
    key=("finding_id",),
)

_DECIDED = (
    Column("decision", TEXT, help="The chosen full name, (new) or (none)."),
    Column("note", TEXT, help="Why."),
    Column("decided_by", TEXT),
    Column("decided_at", TIMESTAMP),
)


def _choice(prefix: str) -> tuple[Column, Column]:
    return (
        Column(f"{prefix}_list_id", TEXT, help="ListID decided on: it holds when the name changes."),
        Column(f"{prefix}_full_name", TEXT, help="Full name at the time of the decision."),
    )


_CHARGE_KEY = (Column("contract_code", TEXT, required=True), Column("price_code", TEXT))
_TAX_KEY = (
    Column("contract_code", TEXT, help="Plan of a tax charge; null for a tax from outside."),
    Column("price_code", TEXT, help="Price code of a tax charge."),
    Column("tax_name", TEXT, help="Name of a tax from outside (Avalara) as its lines carry it."),
)
_NUMBER_KEY = (
    Column("record_kind", TEXT, required=True, help="invoice, credit_memo or payment."),
    Column("number", TEXT, required=True, help="BluBilling's number."),
)

DECISION_TABLES = (
    Table(
        "mapping.charge_items",
        "The decision that stands on one charge.",
        (*_CHARGE_KEY, *_choice("item"), *_DECIDED),
        key=("contract_code", "price_code"),
    ),
    Table(
        "mapping.customers",
        "The decision that stands on one BluBilling customer.",
        (
            Column("account_number", TEXT, required=True),
            *_choice("customer"),
            Column("new_name", TEXT, help="Name of the QuickBooks customer to create, where it is (new)."),
            *_DECIDED,
        ),
        key=("account_number",),
    ),
    Table(
        "mapping.taxes",
        "The decision that stands on one tax: a tax charge of a plan, or a tax from outside by its name.",
        (*_TAX_KEY, *_choice("item"), *_DECIDED),
        key=("contract_code", "price_code", "tax_name"),
    ),
    Table(
        "mapping.payment_methods",
        "The decision that stands on one payment method.",
        (
            Column("method", TEXT, required=True),
            *_choice("payment_method"),
            *_choice("deposit_account"),
            *_DECIDED,
        ),
        key=("method",),
    ),
    Table(
        "mapping.terms",
        "The decision that stands on one kind of terms.",
        (Column("terms_name", TEXT, required=True), *_choice("terms"), *_DECIDED),
        key=("terms_name",),
    ),
    Table(
        "mapping.adjustments",
        "The decision that stands on one kind of adjustment.",
        (Column("kind", TEXT, required=True), *_choice("item"), *_DECIDED),
        key=("kind",),
    ),
    Table(
        "mapping.numbers",
        "The RefNumber that a person decided on for one document.",
        (
            *_NUMBER_KEY,
            Column("ref_number", TEXT, help="RefNumber it is to have: 11 characters, 20 on a payment."),
            *_DECIDED,
        ),
        key=("record_kind", "number"),
    ),
    Table(
        "mapping.corrections",
        "One value of BluBilling's that a person corrected; the loaded table stays as it was.",
        (
            Column("table", TEXT, required=True, help="Declared table: billing.customers, ..."),
            Column("key", TEXT, required=True, help="Key of the row; parts joined with ' / '."),
            Column("column", TEXT, required=True),
            Column("value", TEXT, help="The value that counts, as text; null for none."),
            Column("old_value", TEXT, help="BluBilling's value that it takes the place of, as text."),
            Column("job", INTEGER, help="The job that QuickBooks rejected it in, where it did."),
            Column("row_was", TEXT, help="A hash of each other cell of the row as BluBilling had it then."),
            *_DECIDED,
        ),
        key=("table", "key", "column"),
    ),
)

LOCAL_ITEMS = Table(
    "mapping.local_items",
    "One item entered by hand: local until it is exported.",
    (
        Column(
            "name", TEXT, required=True, help="Full name; the part after the last colon is the item's own."
        ),
        Column("item_type", TEXT, required=True, help="Service, NonInventory or OtherCharge."),
        Column("income_account_full_name", TEXT, required=True),
        Column("sales_tax_code_full_name", TEXT),
        Column("description", TEXT),
        Column("price", RATE),
        Column("note", TEXT, help="Why."),
        Column("entered_by", TEXT),
        Column("entered_at", TIMESTAMP),
    ),
    key=("name",),
)

_STATUS = (
    Column("status", TEXT, required=True, help="exact, mapped, none or mismatch."),
    Column("reason", TEXT, help="Why it is a mismatch."),
)
_SUGGESTION = (
    Column("suggestion", TEXT, help="Nearest full name, never applied by itself."),
    Column("score", RATE, help="Likeness of the suggestion, 0 to 100."),
)
_USE = (
    Column("lines", INTEGER, help="Lines of the last twelve months that hang on it."),
    Column("amount", MONEY, help="Money of the last twelve months that hangs on it."),
    Column("money", BOOLEAN, help="Whether any money hangs on it: a sum of zero may hide some."),
)
_CHARGE_TEXTS = (
    Column("invoice_text", TEXT),
    Column("charge_type", TEXT),
    Column("is_tax", BOOLEAN),
    Column("is_discount", BOOLEAN),
)
_ITEM_SHOWN = (
    Column("item_type", TEXT),
    Column("income_account_full_name", TEXT),
    Column("sales_tax_code_full_name", TEXT),
)

MATCH_TABLES = (
    Table(
        "match.charges",
        "One charge and the item it goes to.",
        (
            *_CHARGE_KEY,
            *_CHARGE_TEXTS,
            *_STATUS,
            *_choice("item"),
            *_ITEM_SHOWN,
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
            Column("source", TEXT),
        ),
        key=("contract_code", "price_code"),
    ),
    Table(
        "match.customers",
        "One BluBilling customer and the QuickBooks customer or job it is.",
        (
            Column("account_number", TEXT, required=True),
            Column("name", TEXT),
            Column(
                "status",
                TEXT,
                required=True,
                help="mapped, account_number, exact, new, none, undecided or ambiguous.",
            ),
            Column("reason", TEXT),
            *_choice("customer"),
            Column("new_name", TEXT),
            Column("is_active", BOOLEAN, help="Whether the QuickBooks customer is active."),
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
            Column("source", TEXT),
        ),
        key=("account_number",),
    ),
    Table(
        "match.payment_methods",
        "One BluBilling payment method and the QuickBooks method it is.",
        (
            Column("method", TEXT, required=True),
            *_STATUS,
            *_choice("payment_method"),
            Column(
                "deposit_account_list_id", TEXT, help="Null where the account is not known, or not there."
            ),
            Column(
                "deposit_account_full_name",
                TEXT,
                help="As decided, else from the setting deposit_accounts.<Method>.",
            ),
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
        ),
        key=("method",),
    ),
    Table(
        "match.taxes",
        "One tax and the sales tax item it goes to: a tax charge of a plan, or a tax from outside.",
        (
            *_TAX_KEY,
            *_CHARGE_TEXTS,
            *_STATUS,
            *_choice("item"),
            *_ITEM_SHOWN,
            Column("tax_rate", RATE, help="Percent of the item."),
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
            Column("source", TEXT),
        ),
        key=("contract_code", "price_code", "tax_name"),
    ),
    Table(
        "match.terms",
        "One kind of terms that customers have and the QuickBooks terms it is.",
        (
            Column("terms_name", TEXT, required=True, help="terms_value and terms_units: 30 Days."),
            *_STATUS,
            *_choice("terms"),
            Column("terms_due_days", INTEGER, help="Days until due of the QuickBooks terms, if standard."),
            Column("customers", INTEGER, help="Customers that have these terms."),
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
        ),
        key=("terms_name",),
    ),
    Table(
        "match.adjustments",
        "One kind of adjustment, refund or chargeback, and the item it is posted on, or by hand.",
        (
            Column("kind", TEXT, required=True, help="house_credit, ..., refund, chargeback."),
            Column("status", TEXT, required=True, help="mapped, by_hand, none or mismatch."),
            Column("reason", TEXT, help="Why it is a mismatch; undecided where nobody chose by hand."),
            *_choice("item"),
            *_ITEM_SHOWN,
            *_USE,
            *_SUGGESTION,
            *_DECIDED,
        ),
        key=("kind",),
    ),
    Table(
        "match.numbers",
        "One document and the RefNumber it will have in QuickBooks.",
        (
            *_NUMBER_KEY,
            Column("account_number", TEXT),
            Column("txn_date", DATE),
            Column("amount", MONEY),
            Column("ref_number", TEXT, help="What its RefNumber will be."),
            Column("status", TEXT, required=True, help="fits, ruled, decided, sent or problem."),
            Column("reason", TEXT),
            *_DECIDED,
        ),
        key=("record_kind", "number"),
    ),
    Table(
        "match.changes",
        "One price code to correct in BluBilling, so that it equals its item's full name.",
        (
            *_CHARGE_KEY,
            Column("price_code_wanted", TEXT, required=True, help="The item's full name as it is now."),
            *_choice("item"),
            Column("lines", INTEGER, help="Lines of the last twelve months that hang on it."),
            Column("amount", MONEY, help="Money of the last twelve months that hangs on it."),
            Column("problem", TEXT, help="Why BluBilling cannot take the wanted code: too_long or taken."),
            Column("decided_by", TEXT),
            Column("decided_at", TIMESTAMP),
            Column("note", TEXT),
        ),
        key=("contract_code", "price_code"),
    ),
)
TOOLKIT_TABLES = (
    FINDINGS,
    *DECISION_TABLES,
    LOCAL_ITEMS,
    *MATCH_TABLES,
    *PLAN_TABLES,
)
