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
from typing import Any

import pandas as pd

from toolkit.checks_rows import (
    outside_windows_1252,
    proposed_spelling,
    shortened,
    without_placeholders,
)
from toolkit.corrections import CORRECTABLE, row_key
from toolkit.corrections_cures import split_address
from toolkit.qbxml_io import field_problems
from toolkit.quickbooks_codes import STATUSES, explain_status
from toolkit.references import texts
from toolkit.source_places import CHILDREN, limit_of, plain_path, same_value, source_place
from toolkit.tables import TABLES, to_rows

__all__ = ["Flaw", "Rejection", "rejections", "source_place"]

Row = Mapping[str, Any]
Place = tuple[str, str]
"""A source row: table and key."""

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
        ``ledger.operations`` (the newest attempts, a rejected one past those that were skipped),
        ``billing.*`` as they count now (with corrections), and ``quickbooks.company`` for the closing date.
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
        below = CHILDREN.get(table)
        lines = self.below[below, key] if below else []
        return ((table, key), *((str(below), row_key(str(below), line)) for line in lines))

    def place(self, path: str, fields: Mapping[str, Any], operation: Row) -> tuple[str, str, str | None]:
        """Return table, key and column of the cell that an element of an operation was made from."""
        table, key = operation["source_table"], operation["source_key"]
        below = CHILDREN.get(table)
        return source_place(
            table,
            path,
            key=key,
            row=self.by_key[table].get(key, {}),
            fields=fields,
            below=self.below[below, key] if below else (),
            applied=json.loads(operation["expected"] or "{}").get("applied", ()),
        )


def _flaws(operation: Row, source: _Source) -> Iterator[Flaw]:
    """Yield what is wrong with which cell; at least one, on the record's own row."""
    request, code = operation["request"], operation["status_code"]
    fields = json.loads(operation["fields"])
    leaves = [(plain_path(path), value) for path, value in texts(fields)]
    advice = STATUSES.get(code)
    meaning = advice.meaning if advice else operation["status_message"] or "QuickBooks rejected it."
    own = {plain_path(each.field): each for each in field_problems(request, without_placeholders(fields))}
    named = _named(code, operation["status_message"] or "", leaves, own)
    if not named:
        named = [(path, value) for path, value in leaves if path in own or outside_windows_1252(value)]
        named += [(path, "") for path in own if path not in dict(leaves)]
    for path, value in named:
        table, key, column = source.place(path, fields, operation)
        found = own.get(path)
        what = column or path
        said = meaning if found is None else f"{meaning} ({path}: {found.limit})"
        limit = _limit(request, path, code, source.closing)
        row = source.by_key[table].get(key, {})
        proposal = _proposal(code, path, value, row, limit_of(request, path), source.closing)
        halves = _halves(column, row, value) if column else None
        yield Flaw(table, key, column, f"{what}: {said}", limit, halves[0] if halves else proposal)
        if halves:
            second = str(column).replace("street1", "street2")
            yield Flaw(table, key, second, f"{second}: takes what {column} has no room for", limit, halves[1])
    if not named:
        yield Flaw(operation["source_table"], operation["source_key"], None, meaning)


def _halves(column: str, row: Row, sent: str) -> tuple[str, str] | None:
    """Return a long street over both lines of its address, where there is room."""
    if not column.endswith("_street1") or row.get(column) != sent:
        return None
    return split_address(row, column, column.replace("street1", "street2"))


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
    narrower = [leaf for leaf in found if value is not None and same_value(leaf[1], value)]
    narrower = narrower or [leaf for leaf in found if leaf[0] in own]
    if not narrower and code == 3070 and found:
        most = max(len(text) for _, text in found)
        narrower = [leaf for leaf in found if len(leaf[1]) == most]
    return narrower or found


def _limit(request: str, path: str, code: int | None, closing: dt.date | None) -> str | None:
    if code == _CLOSED_PERIOD:
        return f"after {closing}" if closing else "after the closing date"
    longest = limit_of(request, path)
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
