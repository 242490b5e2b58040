"""Which cell of a source row a value of a request was made from.

The gate, the corrections and what QuickBooks rejected speak of cells of BluBilling's rows; the request has
elements. One list of which element comes from which column serves all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from toolkit import qbxml_spec
from toolkit.corrections import row_key

__all__ = ["CHILDREN", "COLUMNS", "column_limit", "limit_of", "plain_path", "same_value", "source_place"]

Row = Mapping[str, Any]

CHILDREN: Mapping[str, str] = {
    "billing.invoices": "billing.invoice_lines",
    "billing.payments": "billing.payment_applications",
}
"""The table of the lines of each table that has some."""

_ADDRESS = {"Addr1": "street1", "Addr2": "street2", "City": "city", "State": "state", "PostalCode": "zip"}
_LINE_OF_A_CREDIT = {
    f"{element}/{part}": column
    for element in ("CreditMemoLineAdd", "InvoiceLineAdd")
    for part, column in {"Desc": "reason_text", "Amount": "amount", "ItemRef": "kind"}.items()
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "billing.customers": {
        "Name": "name",
        "CompanyName": "company_name",
        "FirstName": "first_name",
        "LastName": "last_name",
        "Phone": "phone",
        "Email": "email",
        "AccountNumber": "account_number",
        "ParentRef": "parent_account_number",
        "TermsRef": "terms_value",
        **{f"BillAddress/{element}": f"bill_{part}" for element, part in _ADDRESS.items()},
        "BillAddress/Country": "bill_country",
        **{f"ShipAddress/{element}": f"ship_{part}" for element, part in _ADDRESS.items()},
        "ShipAddress/Country": "ship_country",
    },
    "billing.invoices": {
        "CustomerRef": "account_number",
        "TxnDate": "invoice_date",
        "DueDate": "due_date",
        "RefNumber": "invoice_number",
    },
    "billing.adjustments": {
        "CustomerRef": "account_number",
        "TxnDate": "effective_date",
        "DueDate": "effective_date",
        "RefNumber": "adjustment_id",
        "Memo": "reason_text",
        **_LINE_OF_A_CREDIT,
    },
    "billing.payments": {
        "CustomerRef": "account_number",
        "TxnDate": "effective_date",
        "RefNumber": "check_number",
        "TotalAmount": "amount",
        "PaymentMethodRef": "method",
    },
    "billing.invoice_lines": {
        "ItemRef": "price_code",
        "Desc": "description",
        "Quantity": "quantity",
        "Amount": "amount",
    },
    "billing.payment_applications": {"PaymentAmount": "amount_applied", "TxnID": "invoice_number"},
    "mapping.local_items": {
        "Name": "name",
        "SalesTaxCodeRef": "sales_tax_code_full_name",
        "SalesOrPurchase/Desc": "description",
        "SalesOrPurchase/Price": "price",
        "SalesOrPurchase/AccountRef": "income_account_full_name",
    },
}
"""By source table: which column an element of its request, or of a line of it, is made from."""

_REQUESTS = {
    "billing.customers": ("CustomerAdd", ""),
    "billing.invoices": ("InvoiceAdd", ""),
    "billing.invoice_lines": ("InvoiceAdd", "InvoiceLineAdd/"),
    "billing.adjustments": ("CreditMemoAdd", ""),
    "billing.payments": ("ReceivePaymentAdd", ""),
    "billing.payment_applications": ("ReceivePaymentAdd", "AppliedToTxnAdd/"),
}
_CHILD_ELEMENTS = ("InvoiceLineAdd", "CreditMemoLineAdd", "AppliedToTxnAdd")


def source_place(
    table: str,
    path: str,
    *,
    key: str,
    row: Row,
    fields: Mapping[str, Any],
    below: Sequence[Row] = (),
    applied: Sequence[Row] = (),
) -> tuple[str, str, str | None]:
    """Return table, key and column of the cell that an element of a request was made from.

    Parameters
    ----------
    table, key : str
        The source row of the request: ``billing.invoices`` and its number, ...
    path : str
        Of the element: ``BillAddress/Addr1``, ``InvoiceLineAdd[2]/Desc``, ``CustomerRef/ListID``.
    row : mapping
        The source row's values: what stands in for a missing one is named by what it is.
    fields : mapping
        Of the request: a line is found by its content.
    below : sequence of mapping
        The source rows of its lines (``billing.invoice_lines``, ``billing.payment_applications``).
    applied : sequence of mapping
        What a payment's ``expected`` says was applied, in the order of the request.

    Returns
    -------
    tuple
        The column is ``None`` where the toolkit makes the value itself.

    Examples
    --------
    >>> source_place("billing.customers", "BillAddress/Addr1", key="A1", row={}, fields={})
    ('billing.customers', 'A1', 'bill_street1')
    """
    root, _, rest = plain_path(path).partition("/")
    number = re.search(r"\[(\d+)\]", root)
    element = re.sub(r"\[\d+\]", "", root)
    lines = CHILDREN.get(table)
    if lines and element in _CHILD_ELEMENTS and rest:
        place = int(number[1]) - 1 if number else 0
        line = _line_behind(lines, place, fields.get(element), below, applied)
        if line is not None:
            return lines, row_key(lines, line), COLUMNS[lines].get(rest)
    column = COLUMNS.get(table, {}).get(f"{element}/{rest}" if rest else element)
    if column in ("bill_country", "ship_country") and not row.get(column) and row.get(f"{column}_code"):
        column = f"{column}_code"
    if column == "check_number" and not row.get(column):
        column = "payment_number"
    return table, key, column


def limit_of(request: str, path: str) -> int | None:
    """Return how many characters an element may have, as the schema says; ``None`` where it says nothing.

    >>> limit_of("CustomerAdd", "BillAddress/Addr1"), limit_of("InvoiceAdd", "TxnDate")
    (41, None)
    """
    model: Any = qbxml_spec.model(request)
    inner = model.members.get(request)
    model, particle = (inner[1] if inner else model), None
    for part in path.split("/"):
        found = None if model is None else model.members.get(re.sub(r"\[\d+\]", "", part))
        if found is None:
            return None
        particle, model = found
    return None if particle is None or model is not None else particle.max_length


@cache
def column_limit(table: str, column: str) -> int | None:
    """Return how many characters QuickBooks takes of a column; ``None`` where none of its elements says.

    >>> column_limit("billing.customers", "bill_street1"), column_limit("billing.payments", "check_number")
    (41, 20)
    """
    request, below = _REQUESTS[table]
    made = [path for path, name in COLUMNS[table].items() if name in (column, column.removesuffix("_code"))]
    found = [limit_of(request, below + path) for path in made if not path.endswith("Ref")]
    return min((limit for limit in found if limit is not None), default=None)


def same_value(text: str, other: str) -> bool:
    """Return whether two texts are the same, or the same number."""
    if text == other:
        return True
    try:
        return Decimal(text) == Decimal(other)
    except InvalidOperation:
        return False


def plain_path(path: str) -> str:
    """Return the path of an element; a reference is named by itself, not by what it holds."""
    return re.sub(r"(Ref)/(ListID|FullName)(/operation)?$|/operation$", r"\1", path)


def _line_behind(
    below: str, place: int, sent: Any, lines: Sequence[Row], applied: Sequence[Row]
) -> Row | None:
    """Return the source row of a line as it is sent: by its content, else by its place."""
    listed = sent if isinstance(sent, list) else [sent]
    line = listed[place] if place < len(listed) and listed[place] else {}
    at_place = lines[place] if place < len(lines) else None
    if below == "billing.payment_applications":
        number = applied[place].get("invoice_number") if place < len(applied) else None
        return next((row for row in lines if row["invoice_number"] == number), at_place)
    same = [
        row
        for row in lines
        if same_value(str(abs(row["amount"])), str(line.get("Amount", "")).lstrip("-"))
        and str(line.get("Desc") or "").startswith(row["description"] or "")
    ]
    return at_place if at_place in same or not same else same[0]
