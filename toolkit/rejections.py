"""What QuickBooks rejected, back to the rows and cells that it came from.

QuickBooks names a field, a value or neither. The field leads through the request that was sent to the column
of the source row; where it names none, our own check of the request says what does not fit.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from toolkit import qbxml_spec
from toolkit.checks_rows import (
    outside_windows_1252,
    proposed_spelling,
    shortened,
    without_placeholders,
)
from toolkit.corrections import CORRECTABLE, row_key
from toolkit.qbxml_io import field_problems
from toolkit.quickbooks_codes import STATUSES, explain_status
from toolkit.references import texts
from toolkit.tables import TABLES, to_rows

__all__ = ["Flaw", "Rejection", "rejections"]

Row = Mapping[str, Any]
Place = tuple[str, str]
"""A source row: table and key."""

_CHILDREN = {
    "billing.invoices": "billing.invoice_lines",
    "billing.payments": "billing.payment_applications",
}

_ADDRESS = {"Addr1": "street1", "Addr2": "street2", "City": "city", "State": "state", "PostalCode": "zip"}
# Which column of the source row an element of the request was made from.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "billing.customers": {
        "Name": "name",
        "CompanyName": "company_name",
        "FirstName": "first_name",
        "LastName": "last_name",
        "Phone": "phone",
        "Email": "email",
        "AccountNumber": "account_number",
        "ParentRef": "parent_account_number",
        **{f"BillAddress/{element}": f"bill_{part}" for element, part in _ADDRESS.items()},
        "BillAddress/Country": "bill_country",
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
        "CreditMemoLineAdd/Desc": "reason_text",
        "CreditMemoLineAdd/Amount": "amount",
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
}
_CHILD_ELEMENTS = ("InvoiceLineAdd", "CreditMemoLineAdd", "AppliedToTxnAdd")

# What a code is about where QuickBooks' text names no field.
_BY_CODE = {3090: "Name", 3100: "Name", 3171: "TxnDate", 3210: "PaymentAmount"}
_FIELD = re.compile(r'field "([^"]+)"|"([^"]+)" field')
_REFERENCE = re.compile(r'reference to QuickBooks ([\w ]+?) "([^"]*)"')
_VALUE = re.compile(r'(?:object name|The name|invalid value|The string) "([^"]*)"')
_CLOSED_PERIOD = 3171


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one cell.

    Parameters
    ----------
    table, key : str
        The source row.
    column : str or None
        Its column; ``None`` where the toolkit makes the value itself, or nothing names one.
    problem : str
        What is wrong, for people.
    limit : str or None
        What QuickBooks takes.
    proposal : str or None
        What could stand there; never applied by itself.
    """

    table: str
    key: str
    column: str | None
    problem: str
    limit: str | None = None
    proposal: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """One rejected operation, its newest attempt, and the rows behind it.

    Parameters
    ----------
    operation : str
        Its key.
    job : int
        The job of that attempt.
    status_code : int or None
        As QuickBooks gave it.
    reason : str
        In plain words, with QuickBooks' own text.
    rows : tuple of (str, str)
        Table and key of each source row: the record's own first, then its lines.
    flaws : tuple of Flaw
        What is wrong with which cell.
    """

    operation: str
    job: int
    status_code: int | None
    reason: str
    rows: tuple[Place, ...]
    flaws: tuple[Flaw, ...]


def rejections(tables: Mapping[str, pd.DataFrame], job: int | None = None) -> list[Rejection]:
    """Return the operations whose newest attempt QuickBooks rejected and that come from BluBilling's rows.

    Parameters
    ----------
    tables : mapping
        ``ledger.operations`` (the newest attempts), ``billing.*`` as they count now (with corrections), and
        ``quickbooks.company`` for the closing date.
    job : int, optional
        Of this job only.
    """
    source = _Source(tables)
    found = []
    for row in to_rows(tables["ledger.operations"]):
        if row["status"] != "rejected" or row["source_table"] not in CORRECTABLE:
            continue
        if job is not None and row["job"] != job:
            continue
        code, message = row["status_code"], row["status_message"] or ""
        reason = message if code is None else explain_status(code, message)
        rows = source.rows_behind(row)
        flaws = tuple(dict.fromkeys(_flaws(row, source)))
        found.append(Rejection(row["key"], row["job"], code, reason, rows, flaws))
    return found


class _Source:
    """The source rows by key, and the lines of each."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.by_key: dict[str, dict[str, Row]] = {}
        self.below: dict[Place, list[Row]] = defaultdict(list)
        for table in CORRECTABLE:
            rows = to_rows(tables[table]) if table in tables else []
            self.by_key[table] = {row_key(table, row): row for row in rows}
            parent = TABLES[table].parent_key
            for row in rows if parent else ():
                self.below[table, row[parent]].append(row)
        company = to_rows(tables["quickbooks.company"]) if "quickbooks.company" in tables else []
        self.closing: dt.date | None = company[0].get("closing_date") if company else None

    def rows_behind(self, operation: Row) -> tuple[Place, ...]:
        table, key = operation["source_table"], operation["source_key"]
        below = _CHILDREN.get(table)
        lines = self.below[below, key] if below else []
        return ((table, key), *((str(below), row_key(str(below), line)) for line in lines))


def _flaws(operation: Row, source: _Source) -> Iterator[Flaw]:
    """Yield what is wrong with which cell; at least one, on the record's own row."""
    request, code = operation["request"], operation["status_code"]
    fields = json.loads(operation["fields"])
    leaves = [(_plain_path(path), value) for path, value in texts(fields)]
    advice = STATUSES.get(code)
    meaning = advice.meaning if advice else operation["status_message"] or "QuickBooks rejected it."
    own = {_plain_path(each.field): each for each in field_problems(request, without_placeholders(fields))}
    named = _named(code, operation["status_message"] or "", leaves, own)
    if not named:
        named = [(path, value) for path, value in leaves if path in own or outside_windows_1252(value)]
        named += [(path, "") for path in own if path not in dict(leaves)]
    for path, value in named:
        table, key, column = _locate(path, fields, operation, source)
        found = own.get(path)
        what = column or path
        said = meaning if found is None else f"{meaning} ({path}: {found.limit})"
        limit = _limit(request, path, code, source.closing)
        row = source.by_key[table].get(key, {})
        proposal = _proposal(code, path, value, row, _longest(request, path), source.closing)
        yield Flaw(table, key, column, f"{what}: {said}", limit, proposal)
    if not named:
        yield Flaw(operation["source_table"], operation["source_key"], None, meaning)


def _plain_path(path: str) -> str:
    """Return the path of an element; a reference is named by itself, not by what it holds."""
    return re.sub(r"(Ref)/(ListID|FullName)(/operation)?$|/operation$", r"\1", path)


def _last(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path.rpartition("/")[2]).casefold()


def _named(
    code: int | None, message: str, leaves: Sequence[tuple[str, str]], own: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the elements that QuickBooks' text, or else its code, points at."""
    field, reference, quoted = _FIELD.search(message), _REFERENCE.search(message), _VALUE.search(message)
    value = quoted[1] if quoted else None
    if field:
        element = field[1] or field[2]
    elif reference:
        element, value = f"{reference[1]}Ref", reference[2]
    else:
        element = _BY_CODE.get(code or 0, "")
    element = element.replace(" ", "").casefold()
    found = [leaf for leaf in leaves if _last(leaf[0]) == element]
    narrower = [leaf for leaf in found if value is not None and _same(leaf[1], value)]
    narrower = narrower or [leaf for leaf in found if leaf[0] in own]
    if not narrower and code == 3070 and found:
        most = max(len(text) for _, text in found)
        narrower = [leaf for leaf in found if len(leaf[1]) == most]
    return narrower or found


def _same(text: str, quoted: str) -> bool:
    if text == quoted:
        return True
    try:
        return Decimal(text) == Decimal(quoted)
    except InvalidOperation:
        return False


def _locate(path: str, fields: Any, operation: Row, source: _Source) -> tuple[str, str, str | None]:
    """Return table, key and column of the cell that an element was made from."""
    table, key = operation["source_table"], operation["source_key"]
    root, _, rest = path.partition("/")
    number = re.search(r"\[(\d+)\]", root)
    element = re.sub(r"\[\d+\]", "", root)
    plain = f"{element}/{rest}" if rest else element
    below = _CHILDREN.get(table)
    if below and element in _CHILD_ELEMENTS and rest:
        place = int(number[1]) - 1 if number else 0
        line = _line_behind(below, place, fields.get(element), operation, source.below[below, key])
        if line is not None:
            return below, row_key(below, line), _COLUMNS[below].get(rest)
    column = _COLUMNS[table].get(plain)
    row = source.by_key[table].get(key, {})
    if column == "bill_country" and not row.get(column) and row.get("bill_country_code"):
        column = "bill_country_code"
    if column == "check_number" and not row.get(column):
        column = "payment_number"
    return table, key, column


def _line_behind(below: str, place: int, sent: Any, operation: Row, lines: Sequence[Row]) -> Row | None:
    """Return the source row of a line as it was sent: by its content, else by its place."""
    listed = sent if isinstance(sent, list) else [sent]
    line = listed[place] if place < len(listed) else {}
    at_place = lines[place] if place < len(lines) else None
    if below == "billing.payment_applications":
        applied = json.loads(operation["expected"] or "{}").get("applied", [])
        number = applied[place].get("invoice_number") if place < len(applied) else None
        return next((row for row in lines if row["invoice_number"] == number), at_place)
    same = [
        row
        for row in lines
        if _same(str(abs(row["amount"])), str(line.get("Amount", "")).lstrip("-"))
        and str(line.get("Desc") or "").startswith(row["description"] or "")
    ]
    return at_place if at_place in same or not same else same[0]


def _longest(request: str, path: str) -> int | None:
    """Return how many characters an element may have, as the schema says."""
    model: Any = qbxml_spec.model(request)
    inner = model.members.get(request)
    model, particle = (inner[1] if inner else model), None
    for part in path.split("/"):
        found = None if model is None else model.members.get(re.sub(r"\[\d+\]", "", part))
        if found is None:
            return None
        particle, model = found
    return None if particle is None or model is not None else particle.max_length


def _limit(request: str, path: str, code: int | None, closing: dt.date | None) -> str | None:
    if code == _CLOSED_PERIOD:
        return f"after {closing}" if closing else "after the closing date"
    longest = _longest(request, path)
    return f"at most {longest} characters" if longest and code in (None, 3070, 3090, 3100) else None


def _proposal(
    code: int | None, path: str, value: str, row: Row, longest: int | None, closing: dt.date | None
) -> str | None:
    """Return what could stand there, where that can be said."""
    if code == _CLOSED_PERIOD:
        return str(closing + dt.timedelta(days=1)) if closing else None
    if code == 3100 and row.get("account_number") and path == "Name":
        end = f" {row['account_number']}"
        return value[: (longest or 41) - len(end)].rstrip() + end
    proposed = value
    if outside_windows_1252(proposed):
        proposed = proposed_spelling(proposed)
    if code == 3090:
        proposed = proposed.replace(":", " -")
    if longest and len(proposed) > longest:
        proposed = shortened(proposed, longest)
    return proposed if proposed != value else None
