"""What every part of the sample shares: seeded chance, cents, QuickBooks' ids and CSV files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from toolkit.columns import Table

Row = dict[str, Any]

COMPANY = "Brightwater Hosting Ltd"
CUTOVER = dt.date(2025, 12, 31)
TAX_PERCENT = Decimal("8.25")
TAX_ITEM = "State Sales Tax"
NO_TAX_ITEM = "No Tax"
ZERO = Decimal("0.00")
_SEED = 20251231
_CENT = Decimal("0.01")
_UTC_OFFSET = dt.timedelta(hours=6)  # Central Standard Time, where the company is


class Chance:
    """Seeded choices: the same on every Python, because only ``random()`` is promised to stay the same."""

    def __init__(self) -> None:
        self._random = random.Random(_SEED)

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to ``limit`` - 1."""
        return int(self._random.random() * limit)

    def percent(self, chance: int) -> bool:
        """Return whether something of this chance, in percent, happens."""
        return self.below(100) < chance


def cents(amount: Decimal) -> Decimal:
    """Return an amount rounded to cents, half away from zero, as both systems do."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def tax_on(amount: Decimal) -> Decimal:
    """Return the sales tax on a taxable amount."""
    return cents(amount * TAX_PERCENT / 100)


def unix(moment: dt.datetime) -> int:
    """Return the Unix time of a wall-clock time at the company."""
    return int((moment + _UTC_OFFSET - dt.datetime(1970, 1, 1)).total_seconds())


class Ids:
    """ListIDs and TxnIDs as QuickBooks makes them: a running hexadecimal number and the time of creation."""

    def __init__(self) -> None:
        self._lists = 0x80000000
        self._transactions = 0x4A00
        self._lines = 0x9000
        self._contacts = 0xB00

    def list_head(self, created: dt.datetime) -> Row:
        """Return the first columns of a list record."""
        self._lists += 1
        return {"list_id": f"{self._lists:X}-{unix(created)}", **_times(created)}

    def contact_head(self, created: dt.datetime) -> Row:
        """Return the first columns of a contact: contacts are numbered by themselves, without a time."""
        self._contacts += 1
        return {"list_id": f"{self._contacts:016x}", **_times(created)}

    def txn_head(self, created: dt.datetime) -> Row:
        """Return the first columns of a transaction."""
        self._transactions += 1
        return {
            "txn_id": f"{self._transactions:X}-{unix(created)}",
            **_times(created),
            "txn_number": self._transactions - 0x4A00 + 2000,
        }

    def line(self, created: dt.datetime) -> str:
        """Return a TxnLineID."""
        self._lines += 1
        return f"{self._lines:X}-{unix(created)}"


def _times(created: dt.datetime) -> Row:
    return {"time_created": created, "time_modified": created, "edit_sequence": str(unix(created))}


def touch(row: Row, moment: dt.datetime) -> None:
    """Mark a record as changed at a moment, when that is later than its last change."""
    if moment > row["time_modified"]:
        row["time_modified"] = moment
        row["edit_sequence"] = str(unix(moment))


def reference(prefix: str, target: Row | None) -> Row:
    """Return the two columns of a reference to a list record."""
    if target is None:
        return {}
    name = target.get("full_name") or target["name"]
    return {f"{prefix}_list_id": target["list_id"], f"{prefix}_full_name": name}


def text(value: Any) -> str:
    """Return a value as it stands in a file: ISO dates, true and false, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV file: UTF-8, LF, quotes only where they are needed."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([text(value) for value in row] for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue().encode("utf-8"))


def write_quickbooks(directory: Path, table: Table, rows: Sequence[Row]) -> None:
    """Write a ``quickbooks.*`` table with its declared columns, less those an import adds."""
    names = [name for name in table.names if name not in ("import_job", "imported_at", "left_at")]
    _require_known(table, rows, names)
    path = directory / f"{table.name.removeprefix('quickbooks.')}.csv"
    write_csv(path, names, [[row.get(name) for name in names] for row in rows])


def write_billing(directory: Path, table: Table, rows: Sequence[Row]) -> None:
    """Write a ``billing.*`` table under BluBilling's own headers, without columns that nothing fills."""
    names = [name for name in table.names if any(row.get(name) is not None for row in rows)]
    _require_known(table, rows, table.names)
    header = [table.column(name).source.split("|")[0] or name for name in names]
    path = directory / f"{table.name.removeprefix('billing.')}.csv"
    write_csv(path, header, [[row.get(name) for name in names] for row in rows])


def _require_known(table: Table, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    unknown = {name for row in rows for name in row} - set(names)
    if unknown:
        raise KeyError(f"{table.name} has no column {', '.join(sorted(unknown))}")
