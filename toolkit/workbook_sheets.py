"""What the mapping workbook is made of: its sheets, their columns, and the tables behind them.

Shared by :mod:`toolkit.workbook` (writing), :mod:`toolkit.workbook_reading` and
:mod:`toolkit.workbook_choices`, so that all mean the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from toolkit.mapping import NEW, choosable_items
from toolkit.mapping_names import present
from toolkit.tables import empty, to_rows
from toolkit.workbook_cells import cell_text, from_cell, plain, to_cell, to_the_second

__all__ = [
    "CHANGES",
    "FINGERPRINT",
    "FORMAT",
    "HIDDEN",
    "ITEMS_BY_HAND",
    "NAMES",
    "PROBLEMS",
    "SHEETS",
    "STAMP",
    "Entry",
    "Frames",
    "Row",
    "Sheet",
    "cell_text",
    "from_cell",
    "is_problem",
    "key_stamp",
    "key_text",
    "plain",
    "row_stamp",
    "shown",
    "standing_entry",
    "to_cell",
]

Row = Mapping[str, Any]
Entry = Mapping[str, str | None]
"""What an analyst fills in on a row: the sheet's fill columns to their texts."""

FORMAT = "2"
HIDDEN, NAMES = "_toolkit", "_names"
STAMP = "made_from"
"""The last column of each sheet: what the row was made from, for a file that lost its hidden sheet."""
FINGERPRINT = ("toolkit_workspace", "toolkit_stamp", "toolkit_format")
PROBLEMS = ("mismatch", "undecided", "ambiguous", "problem")
"""What the status says of a row that still needs a person."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of things to decide.

    Parameters
    ----------
    title : str
        Name of the sheet.
    table : str
        The ledger's decision table that it fills, without ``mapping.``.
    match : str
        The match table that it shows, without ``match.``.
    key : tuple of str
        Columns that tell two rows apart; they stand first.
    prefix : str
        What is chosen: ``item``, ``customer``, ``payment_method``, ``terms``; ``number`` is typed.
    columns : tuple of str
        Columns in the order of the sheet, named as in the match table.
    fill : tuple of str
        The columns that an analyst fills in.
    """

    title: str
    table: str
    match: str
    key: tuple[str, ...]
    prefix: str
    columns: tuple[str, ...]
    fill: tuple[str, ...] = ("decision", "note")

    @property
    def declared(self) -> str:
        """The declared name of the decision table."""
        return f"mapping.{self.table}"

    def table_of(self, row: Row) -> str:
        """Return the decision table of one row: a tax that is a charge is decided as the charge."""
        return "charge_items" if self.table == "taxes" and row["contract_code"] is not None else self.table


_ASKED = ("status", "reason", "suggestion", "score", "suggested_is", "decision", "note")
_BESIDE = ("item_full_name", "item_type", "income_account_full_name", "sales_tax_code_full_name")
_USED = ("lines", "amount", "decided_by", "decided_at")
_CHARGE_KEY = ("contract_code", "price_code")

SHEETS = (
    Sheet(
        *("Charges", "charge_items", "charges", _CHARGE_KEY, "item"),
        (*_CHARGE_KEY, "invoice_text", "charge_type", "is_discount", *_ASKED, *_BESIDE, *_USED, "source"),
    ),
    Sheet(
        *("Customers", "customers", "customers", ("account_number",), "customer"),
        (
            *("account_number", "name", "status", "reason", "suggestion", "score", "decision", "note"),
            *("new_name", "customer_full_name", "is_active", *_USED, "source"),
        ),
        fill=("decision", "note", "new_name"),
    ),
    Sheet(
        *("Taxes", "taxes", "taxes", (*_CHARGE_KEY, "tax_name"), "item"),
        (*_CHARGE_KEY, "tax_name", "invoice_text", *_ASKED, "item_full_name", "tax_rate", *_USED, "source"),
    ),
    Sheet(
        *("Payment methods", "payment_methods", "payment_methods", ("method",), "payment_method"),
        (
            *("method", "status", "reason", "suggestion", "score", "decision", "note", "deposit_account"),
            *("payment_method_full_name", "deposit_account_full_name", *_USED),
        ),
        fill=("decision", "note", "deposit_account"),
    ),
    Sheet(
        *("Terms", "terms", "terms", ("terms_name",), "terms"),
        (
            *("terms_name", "status", "reason", "suggestion", "score", "decision", "note"),
            *("terms_full_name", "terms_due_days", "customers", *_USED),
        ),
    ),
    Sheet(
        *("Adjustments", "adjustments", "adjustments", ("kind",), "item"),
        ("kind", *_ASKED, *_BESIDE, *_USED),
    ),
    Sheet(
        *("Numbers", "numbers", "numbers", ("record_kind", "number"), "number"),
        (
            *("record_kind", "number", "account_number", "txn_date", "amount", "status", "reason"),
            *("ref_number", "decision", "note", "decided_by", "decided_at"),
        ),
    ),
)
"""The sheets that are decided on."""

ITEMS_BY_HAND = Sheet(
    *("Items by hand", "local_items", "local_items", ("name",), "entered"),
    (
        *(
            "name",
            "item_type",
            "income_account_full_name",
            "sales_tax_code_full_name",
            "description",
            "price",
        ),
        *("note", "status", "entered_by", "entered_at"),
    ),
    fill=(
        *("item_type", "income_account_full_name", "sales_tax_code_full_name", "description", "price"),
        "note",
    ),
)
"""The sheet on which new rows are entered."""

CHANGES = Sheet(
    *("Change in BluBilling", "charge_items", "changes", _CHARGE_KEY, "shown"),
    (*_CHARGE_KEY, "price_code_wanted", "problem", "lines", "amount", "decided_by", "decided_at", "note"),
    fill=(),
)
"""The sheet of what to correct in BluBilling: to be shown, not to be filled."""


@dataclass(slots=True)
class Frames:
    """The tables that a workbook is made from and checked against.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        By declared name: the ``match.*`` tables to show, made from the decisions that stand now, and what may
        be chosen: ``quickbooks.items``, ``customers``, ``payment_methods``, ``accounts``, ``terms``,
        ``sales_tax_codes``; ``mapping.local_items`` and ``mapping.payment_methods``. One that is missing is
        empty.
    """

    tables: Mapping[str, pd.DataFrame]
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    def listed(self, name: str) -> list[Row]:
        """Return a table as rows, once."""
        if name not in self._rows:
            frame = self.tables.get(name)
            self._rows[name] = [*to_rows(empty(name) if frame is None else frame)]
        return self._rows[name]

    def rows(self, sheet: Sheet) -> list[Row]:
        """Return the rows of a sheet: problems first, and those with the most money first."""
        if sheet.match == "local_items":
            return sorted(self._entered(), key=lambda row: str(row["name"]))
        found = list(self.listed(f"match.{sheet.match}"))
        if sheet.match == "charges":
            found = [row for row in found if not row["is_tax"]]
        if sheet.match in ("charges", "taxes", "adjustments"):
            about = {row["full_name"]: row for row in reversed(self.choices("item"))}
            found = [{**row, "suggested_is": _details(about.get(row["suggestion"]))} for row in found]
        if sheet.match == "payment_methods":
            decided = {row["method"]: row for row in self.listed("mapping.payment_methods")}
            column = "deposit_account_full_name"
            found = [{**row, "deposit_account": decided.get(row["method"], {}).get(column)} for row in found]
        if sheet.match != "changes":  # only shown: the doubt stands on the charge's own sheet
            found = [self._doubted(sheet, row) for row in found]
        return sorted(found, key=lambda row: _urgency(row, sheet.key))

    def _doubted(self, sheet: Sheet, row: Row) -> Row:
        """Return a row with the rule of what was found on its match, where it has no reason of its own."""
        if "doubts" not in self._rows:
            told = [each for each in self.listed("findings") if each["severity"] in ("error", "warning")]
            self._rows["doubts"] = [
                {f"{each['table']} {each['key']}": each["rule"] for each in reversed(told)}
            ]
        table = "billing.customers" if sheet.match == "customers" else sheet.declared
        key = " / ".join(row[name] or "" for name in sheet.key)
        rule = self._rows["doubts"][0].get(f"{table} {key}")
        return row if rule is None else {**row, "reason": row["reason"] or rule, "doubted": True}

    def _entered(self) -> list[Row]:
        names = {row["full_name"] for row in self.there("quickbooks.items")}
        return [
            {"note": None, **row, "status": "in QuickBooks" if row["name"] in names else "not sent yet"}
            for row in self.listed("mapping.local_items")
        ]

    def there(self, name: str) -> list[Row]:
        """Return the rows of a QuickBooks list that have not left it."""
        return [*present(self.tables[name])] if name in self.tables else []

    def choices(self, prefix: str) -> list[Row]:
        """Return what may be chosen, whatever its type: rows with list_id and full_name.

        Parameters
        ----------
        prefix : str
            ``item``, ``customer``, ``payment_method``, ``terms`` or ``deposit_account``; nothing may be
            chosen of others.
        """
        if prefix not in self._rows:
            self._rows[prefix] = self._chosen(prefix)
        return self._rows[prefix]

    def _chosen(self, prefix: str) -> list[Row]:
        if prefix == "item":
            items = self.tables.get("quickbooks.items")
            shown = empty("quickbooks.items") if items is None else items
            return choosable_items(shown, self.tables.get("mapping.local_items"))
        if prefix == "customer":
            return self.there("quickbooks.customers")
        if prefix == "deposit_account":
            return self.there("quickbooks.accounts")
        names = {"payment_method": "quickbooks.payment_methods", "terms": "quickbooks.terms"}
        return (
            [{**row, "full_name": row["name"]} for row in self.there(names[prefix])]
            if prefix in names
            else []
        )

    def add_items(self, items: list[Row]) -> None:
        """Let items entered by hand just now be chosen too."""
        known = {row["full_name"] for row in self.choices("item")}
        for item in items:
            if item["name"] not in known:
                more = {"list_id": None, "full_name": item["name"], "is_active": True}
                self._rows["item"] = [*self._rows["item"], {**item, **more}]


def _details(item: Row | None) -> str | None:
    if item is None:
        return None
    names = ("item_type", "income_account_full_name", "sales_tax_code_full_name")
    return "; ".join(str(item[name]) for name in names if item.get(name)) or None


def _urgency(row: Row, key: tuple[str, ...]) -> tuple[Any, ...]:
    return (not is_problem(row), -abs(row["amount"] or 0), *(row[name] or "" for name in key))


def is_problem(row: Row) -> bool:
    """Return whether a row still needs a person: its match, deposit account, a doubt, or no choice."""
    reason = str(row.get("reason"))
    doubted = row.get("status") in PROBLEMS or row.get("doubted", False)
    return doubted or reason == "undecided" or reason.startswith("account_")


def standing_entry(sheet: Sheet, row: Row) -> dict[str, str | None]:
    """Return the entry that stands on a row of a match table.

    A decision for something that is gone is shown as none: to choose its name again, now that another record
    may have it, must be a new decision.
    """
    if sheet.match in ("local_items", "changes"):
        return {name: cell_text(row[name]) for name in sheet.fill}
    gone = str(row["reason"]).endswith("_gone") and row["status"] in PROBLEMS
    entry = {name: row[name] for name in sheet.fill}
    entry["decision"] = None if gone else row["decision"]
    if "new_name" in entry:
        entry["new_name"] = row["new_name"] if entry["decision"] == NEW else None
    if "deposit_account" in entry and (entry["decision"] is None or row["reason"] == "account_gone"):
        entry["deposit_account"] = None
    return entry


def shown(sheet: Sheet, row: Row) -> dict[str, Any]:
    """Return what a row shows on its sheet: column name to value."""
    values = {name: to_the_second(row[name]) for name in sheet.columns}
    return values if sheet.match in ("local_items", "changes") else {**values, **standing_entry(sheet, row)}


def key_text(sheet: Sheet, row: Row) -> str:
    """Return a row's key as text that tells a blank from nothing."""
    return json.dumps([sheet.title, *(row[name] for name in sheet.key)], ensure_ascii=False)


def key_stamp(text: str) -> str:
    """Return the part of a row's stamp that tells whose it is, from its :func:`key_text`."""
    return f"k-{_digest(text)}"


def row_stamp(workspace_id: str, text: str, entry: Entry) -> str:
    """Return what a row was made from, as text: the workspace, its :func:`key_text`, the entry that stood.

    >>> row_stamp("w1", '["Terms", "30 Days"]', {"decision": "Net 30", "note": None})
    'w-60c5590f k-ebdb4f23 e-ed2a4a1a'
    """
    said = json.dumps([entry[name] for name in sorted(entry)], ensure_ascii=False)
    return f"w-{_digest(workspace_id)} {key_stamp(text)} e-{_digest(said)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
