"""Corrections: values of BluBilling's rows that a person put right here, applied before anything is planned.

The loaded tables stay as BluBilling gave them. A correction names the row by its key, the column, the value
it takes the place of and the value that counts; it is a decision of the ledger, so who made it, when and why
is kept for ever, and withdrawing it is a decision too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import ChainMap, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import pandas as pd
import pyarrow as pa

from toolkit.carried_names import CarriedNames
from toolkit.columns import Column
from toolkit.corrections_rows import other_rows, row_key
from toolkit.tables import TABLES, conform, empty, finding, findings, from_arrow, to_arrow, to_rows

__all__ = [
    "CORRECTABLE",
    "CORRECTED",
    "CORRECTIONS",
    "OTHER_CARRIED",
    "apply_corrections",
    "columns_to_correct",
    "other_carried",
    "other_sign",
    "read_value",
    "row_key",
    "value_text",
]

CORRECTIONS = "mapping.corrections"
CORRECTED = "(corrected)"
"""The decision of a correction that stands."""

CORRECTABLE = (
    "billing.customers",
    "billing.invoices",
    "billing.invoice_lines",
    "billing.payments",
    "billing.payment_applications",
    "billing.adjustments",
)
"""Tables whose rows become requests, and can be corrected."""

_NOT_BLUBILLINGS = ("source", "imported_at")
_WHETHER = (
    *("status", "invoice_kind", "delegated_to_invoice", "payment_type", "reverses_payment_number"),
    *("line_type", "kind", "account_number", "erp_customer_id"),
)
"""Columns that say whether a row goes at all, as what, and to whom: no rule on them has a waiver either."""
_TOTALS = (
    ("billing.invoices", "current_amount_due"),
    ("billing.payments", "amount"),
    ("billing.adjustments", "amount"),
)
"""The sign of these decides what the row becomes: an invoice or a credit, a payment or a refund."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_CENTS = Decimal("0.01")

Row = Mapping[str, Any]


def columns_to_correct(table: str) -> list[Column]:
    """Return the columns of a table that can be corrected.

    Not its key, where the row came from, or what decides whether it is sent at all and as what: BluBilling
    alone says that a payment failed, or that an invoice is the master of others.
    """
    declared = TABLES[table]
    apart = {*declared.key, *_NOT_BLUBILLINGS, *_WHETHER}
    return [column for column in declared.columns if column.name not in apart]


def other_sign(table: str, column: str, old: object, new: object) -> bool:
    """Return whether a total would change its sign: the row would become another kind of document.

    >>> other_sign("billing.payments", "amount", Decimal("-5"), Decimal("5"))
    True
    """
    if (table, column) not in _TOTALS or not isinstance(old, Decimal) or not isinstance(new, Decimal):
        return False
    return (old > 0) != (new > 0) or (old < 0) != (new < 0)


OTHER_CARRIED = "it would say otherwise which document, carried forward from QuickBooks, the row is"


def other_carried(carried: CarriedNames, made: Row) -> bool:
    """Return whether a correction changes which carried document its row names.

    The row would be sent as a document of its own, or no longer: QuickBooks would have it twice, or never.
    """
    return carried.differ(made["table"], made["column"], made["old_value"], made["value"])


# --- values as text -----------------------------------------------------------------------------------------


def value_text(column: Column, value: object) -> str | None:
    """Return a value as the one text that stands for it; ``None`` for none.

    >>> value_text(TABLES["billing.invoices"].column("current_amount_due"), Decimal("100"))
    '100.00'
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        coarse = isinstance(exponent, int) and exponent > -2
        return f"{value.quantize(_CENTS):f}" if coarse else f"{value.normalize():f}"
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)


def read_value(column: Column, text: str | None) -> Any:
    """Return the value that a text stands for in a column.

    Parameters
    ----------
    column : Column
        Its type decides: ``00123`` and ``1E5`` stay texts in a column of texts.
    text : str or None
        As :func:`value_text` writes it, or a person: a number with a point, a date like 2026-01-31.

    Raises
    ------
    ValueError
        It is no such value, or none where one is required; the message is for people.

    Examples
    --------
    >>> read_value(TABLES["billing.invoices"].column("due_date"), "2026-02-30")
    Traceback (most recent call last):
    ValueError: '2026-02-30' is no date like 2026-01-31
    """
    if text is None or text == "":
        if column.required:
            raise ValueError("it must not be empty")
        return None
    value = _parsed(column.type, text)
    try:
        pa.scalar(value, type=column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"{text!r} does not fit: {_digits(column)}") from error
    return value


def _parsed(kind: Any, text: str) -> Any:
    if pa.types.is_string(kind):
        return text
    if pa.types.is_boolean(kind):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no date like 2026-01-31") from error
        return moment.date() if pa.types.is_date(kind) else moment
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number like 1234.50")
    if pa.types.is_integer(kind):
        number = Decimal(text)
        if number != int(number):
            raise ValueError(f"{text!r} is no whole number")
        return int(number)
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number like 1234.50") from error


def _digits(column: Column) -> str:
    kind: Any = column.type
    if pa.types.is_decimal(kind):
        return f"at most {kind.scale} digits after the point, {kind.precision - kind.scale} before it"
    return f"it is no {kind}"


# --- applying -----------------------------------------------------------------------------------------------


def apply_corrections(
    tables: Mapping[str, pd.DataFrame], corrections: pd.DataFrame
) -> tuple[Mapping[str, pd.DataFrame], pd.DataFrame]:
    """Return the tables with the corrections that stand put in, and a finding on each of them.

    A correction counts only where BluBilling still has the value and the row it was made for: a newer one is
    BluBilling's own word. The frames given are not changed; tables without a correction are handed on unread.

    Parameters
    ----------
    tables : mapping
        Declared name to frame; an absent table counts as empty.
    corrections : pandas.DataFrame
        ``mapping.corrections``, one row a corrected value.

    Returns
    -------
    tuple
        The tables, and ``findings``: an ``info`` on each value put in, a ``warning`` on one that has no
        effect any more.
    """
    by_table: dict[str, list[Row]] = defaultdict(list)
    for row in to_rows(corrections):
        by_table[row["table"]].append(row)
    changed: dict[str, pd.DataFrame] = {}
    found: list[dict[str, str | None]] = []
    carried = CarriedNames(tables)
    for table, wanted in by_table.items():
        if table not in CORRECTABLE:
            found += [
                _told(row, "correction_unusable", "there is no such table to correct") for row in wanted
            ]
        else:
            frame = conform(tables[table], table) if table in tables else empty(table)
            changed[table] = _corrected(table, frame, tables, wanted, carried, found)
    put_in = {(row["table"], row["key"], row["column"]) for row in found if row["rule"] == "corrected"}
    names = {
        row["key"]: row
        for row in by_table.get("billing.customers", ())
        if row["column"] == "name" and ("billing.customers", row["key"], "name") in put_in
    }
    if names and "mapping.customers" in tables:
        changed["mapping.customers"] = _renamed(tables["mapping.customers"], names)
    # Only looked up: the cast says so to the type checker, for a ChainMap could also be written to.
    return ChainMap(changed, cast("Any", tables)), findings(found)


def _corrected(
    table: str,
    frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    wanted: Sequence[Row],
    carried: CarriedNames,
    found: list[dict[str, str | None]],
) -> pd.DataFrame:
    """Return a table with its corrections, and add what is to be said of each."""
    columns = {column.name: column for column in columns_to_correct(table)}
    places = _places(table, frame)
    found_at = {
        key: to_rows(frame.iloc[places[key]]) for key in {row["key"] for row in wanted} & places.keys()
    }
    other = other_rows(table, found_at, tables, wanted)
    values: dict[str, list[Any]] = {}
    sources = [row["source"] for row in to_rows(frame[["source"]])]
    for row in wanted:
        column = columns.get(row["column"])
        at = places.get(row["key"], [])
        if column is None or not at:
            why = "no such column to correct" if column is None else "no such row any more"
            rule = "correction_unusable" if column is None else "correction_without_row"
            found.append(_told(row, rule, f"BluBilling's table has {why}: the correction has no effect"))
            continue
        if other_carried(carried, row):
            found.append(_told(row, "correction_unusable", f"{OTHER_CARRIED}: the correction has no effect"))
            continue
        if column.name not in values:
            values[column.name] = [line[column.name] for line in to_rows(frame[[column.name]])]
        cells = other.get((row["key"], row["column"]), [])
        found.append(_put(row, column, values[column.name], at, sources[at[0]], cells))
    return _replaced(table, frame, values)


def _replaced(table: str, frame: pd.DataFrame, values: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Return a table with some columns' values replaced."""
    arrow = to_arrow(frame, table)
    for name, listed in values.items():
        place = arrow.schema.get_field_index(name)
        arrow = arrow.set_column(place, name, pa.array(listed, type=TABLES[table].column(name).type))
    return from_arrow(arrow)


def _places(table: str, frame: pd.DataFrame) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(to_rows(frame[list(TABLES[table].key)])):
        places[row_key(table, row)].append(place)
    return places


def _put(
    row: Row, column: Column, values: list[Any], at: Sequence[int], source: str | None, other: Sequence[str]
) -> dict[str, str | None]:
    """Put one corrected value in where BluBilling still has the old one; return the finding on it."""
    try:
        value = read_value(column, row["value"])
    except ValueError as error:
        return _told(row, "correction_unusable", f"the correction has no effect: {error}", source)
    now = {value_text(column, values[place]) for place in at}
    shown = value_text(column, value)
    new, old = _quoted(shown), _quoted(row["old_value"])
    if now == {shown}:
        message = f"BluBilling has the corrected {column.name} {new} itself now"
        return _told(row, "correction_done", message, source)
    if now != {row["old_value"]}:
        message = (
            f"the correction to {new} was made for {old}, and BluBilling has "
            f"{', '.join(sorted(map(_quoted, now)))} now: that counts"
        )
        return _told(row, "correction_overtaken", message, source)
    if other:
        message = (
            f"the correction to {new} was made for a row with another {', '.join(other)}: BluBilling has "
            "changed it, and its own value counts; correct it again where that is still right"
        )
        return _told(row, "correction_overtaken", message, source)
    for place in at:
        values[place] = value
    note = f": {row['note']}" if row["note"] else ""
    when = f" on {row['decided_at']:%Y-%m-%d}" if row["decided_at"] else ""
    message = (
        f"{column.name} counts as {new}, BluBilling has {old}: corrected by "
        f"{row['decided_by'] or 'somebody'}{when}{note}"
    )
    return _told(row, "corrected", message, source)


def _quoted(value: str | None) -> str:
    return repr(value) if value else "empty"


def _told(row: Row, rule: str, message: str, source: str | None = None) -> dict[str, str | None]:
    return finding(
        "info" if rule in ("corrected", "correction_done") else "warning",
        rule,
        message,
        table=row["table"],
        key=row["key"],
        column=row["column"],
        value=row["value"],
        source=source,
    )


def _renamed(decisions: pd.DataFrame, names: Mapping[str, Row]) -> pd.DataFrame:
    """Return ``mapping.customers`` in which a later corrected name takes the place of a chosen new name.

    A decision for a new customer keeps the name of that day: without this no correction would reach it.
    """
    chosen = []
    for row in to_rows(decisions):
        name = names.get(row["account_number"])
        later = name is not None and not (
            row["decided_at"] and name["decided_at"] and row["decided_at"] > name["decided_at"]
        )
        chosen.append(name["value"] if name is not None and later and row["new_name"] else row["new_name"])
    return _replaced("mapping.customers", decisions, {"new_name": chosen})
