"""BluBilling's upload files as bytes: CSV in its order, in the encoding of the setting, and back.

What a spreadsheet would run as a formula (a text that begins with ``= + - @``) gets an apostrophe before it;
numbers, dates and telephone numbers stay as they are. A character that the encoding lacks is never replaced:
it is a finding, and no file is written.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from toolkit.errors import ConformError
from toolkit.late import pa
from toolkit.settings import Settings
from toolkit.tables import TABLES, finding, from_arrow, to_rows

__all__ = [
    "GROUP",
    "HEAD",
    "credits_file",
    "encoding_findings",
    "guarded",
    "is_formula",
    "lacking",
    "read_upload",
    "require_upload",
    "upload_columns",
    "upload_frame",
    "write_csv",
]

_DECLARED = TABLES["carry_forward.upload"]
HEAD = _DECLARED.names[:12]
"""The twelve columns of an invoice."""
GROUP = [name.removesuffix("_1") for name in _DECLARED.names[12:]]
"""The nine columns of each of its lines, without the number of the line."""

_SIGNED_NUMBER = re.compile(r"[+-][\d\s().,/-]*")


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run a text as a formula.

    >>> [is_formula(text) for text in ("=1+1", "@SUM(A1)", "-5.00", "+1 555-0100", "00123")]
    [True, True, False, False, False]
    """
    return text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _SIGNED_NUMBER.fullmatch(text)


def guarded(text: str | None) -> str | None:
    r"""Return a text for people so that no spreadsheet runs it: on one line, an apostrophe before a sign.

    >>> guarded("=HYPERLINK(1)"), guarded("two\nlines")
    ("'=HYPERLINK(1)", 'two lines')
    """
    if text is None:
        return None
    plain = " ".join(text.split()) if not text.isprintable() else text
    return f"'{plain}" if is_formula(plain) else plain or None


def lacking(text: str, encoding: str) -> str:
    """Return the characters of a text that an encoding lacks, each once.

    >>> lacking("Łódź 5 €", "cp1252")
    'Łź'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(dict.fromkeys(char for char in text if _is_lacking(char, encoding)))
    return ""


def _is_lacking(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return True
    return False


def encoding_findings(
    frame: pd.DataFrame, table: str, keys: Sequence[str], encoding: str
) -> Iterator[dict[str, str | None]]:
    """Yield an error on each cell that the encoding of the file cannot hold.

    Parameters
    ----------
    frame : pandas.DataFrame
        What is to be written.
    table : str
        Where the rows come from.
    keys : sequence of str
        The key there of each row of the frame.
    """
    if encoding.startswith("utf"):
        return
    for column in frame.columns:
        for key, text in zip(keys, frame[column], strict=True):
            bad = lacking(text, encoding) if isinstance(text, str) else ""
            if bad:
                yield finding(
                    "error",
                    "upload_encoding",
                    f"{column}: {encoding} has no {' '.join(bad)}, and nothing is replaced in silence",
                    table=table,
                    key=key,
                    column=str(column),
                    value=text,
                    suggestion="toolkit set carry_forward.encoding utf-8, or correct it in QuickBooks",
                )


# --- the frame of the invoices ------------------------------------------------------------------------------


def upload_columns(lines: int) -> list[str]:
    """Return the columns of an upload whose longest invoice has so many lines, in BluBilling's order."""
    return [*HEAD, *(f"{name}_{place}" for place in range(1, max(lines, 1) + 1) for name in GROUP)]


def upload_frame(rows: Sequence[dict[str, str | None]], lines: int) -> pd.DataFrame:
    """Return rows as a frame of text: ``carry_forward.upload`` with as many groups as are needed."""
    names = upload_columns(lines)
    arrays = [pa.array([row.get(name) for row in rows], type=pa.string()) for name in names]
    frame = from_arrow(pa.Table.from_arrays(arrays, names=names))
    return require_upload(frame)


def require_upload(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame where it is an upload of invoices; a wider one than the declared table may be.

    Raises
    ------
    ConformError
        Columns in another order, a required value missing, a gap between two lines of an invoice.
    """
    groups = max(1, -(-(len(frame.columns) - len(HEAD)) // len(GROUP)))
    wanted = upload_columns(groups)
    if list(frame.columns) != wanted:
        strange = next((str(c) for c in frame.columns if c not in wanted), "its columns")
        raise ConformError(
            _DECLARED.name, strange, f"the columns are not BluBilling's {len(wanted)} in order"
        )
    required = {column.name for column in _DECLARED.columns if column.required}
    for name in HEAD:
        if name in required and frame[name].isna().any():
            raise ConformError(_DECLARED.name, name, "a row has no value")
    there = None
    for place in range(1, groups + 1):
        filled = frame[f"PriceCode_{place}"].notna()
        if there is not None and (filled & ~there).any():
            raise ConformError(_DECLARED.name, f"PriceCode_{place}", "a line stands behind a gap")
        if place == 1 and not filled.all():
            raise ConformError(_DECLARED.name, "PriceCode_1", "an invoice has no line")
        for name in GROUP:
            if f"{name}_1" in required and (frame[f"{name}_{place}"].notna() != filled).any():
                raise ConformError(_DECLARED.name, f"{name}_{place}", "a line has no value")
        there = filled
    return frame


def credits_file(credits_frame: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return ``carry_forward.credits`` as text for a file, dates by the setting, without formulas."""
    rows = []
    for row in to_rows(credits_frame):
        dates = {
            name: value.strftime(settings["carry_forward.date_format"])
            for name, value in row.items()
            if isinstance(value, dt.date)
        }
        text = {name: guarded(value) for name, value in row.items() if isinstance(value, str)}
        money = {name: f"{value:.2f}" for name, value in row.items() if isinstance(value, Decimal)}
        rows.append({**text, **dates, **money})
    names = TABLES["carry_forward.credits"].names
    arrays = [pa.array([row.get(name) for row in rows], type=pa.string()) for name in names]
    return from_arrow(pa.Table.from_arrays(arrays, names=names))


# --- bytes --------------------------------------------------------------------------------------------------


def write_csv(frame: pd.DataFrame, settings: Settings) -> bytes:
    """Return a frame of text as the bytes of a file: header row and encoding by the settings.

    Raises
    ------
    UnicodeEncodeError
        A character that the encoding lacks; ``upload_encoding`` tells of it before.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if settings["carry_forward.header"]:
        writer.writerow(frame.columns)
    for row in frame.itertuples(index=False, name=None):
        writer.writerow(["" if pd.isna(value) else value for value in row])
    return text.getvalue().encode(settings["carry_forward.encoding"])


def read_upload(content: bytes, settings: Settings, table: str = "carry_forward.upload") -> pd.DataFrame:
    """Return an upload file as the frame that it was written from; blank is null.

    Raises
    ------
    ConformError
        It is no file of this form.
    """
    rows = list(csv.reader(io.StringIO(content.decode(settings["carry_forward.encoding"]), newline="")))
    if settings["carry_forward.header"]:
        names, rows = (rows[0] if rows else []), rows[1:]
    elif table == _DECLARED.name:
        widest = max((len(row) for row in rows), default=0)
        names = upload_columns(-(-(widest - len(HEAD)) // len(GROUP)))
    else:
        names = TABLES[table].names
    if any(len(row) != len(names) for row in rows):
        raise ConformError(table, "rows", f"a row has not the {len(names)} values of the others")
    columns: list[list[Any]] = [[row[place] or None for row in rows] for place in range(len(names))]
    arrays = [pa.array(column, type=pa.string()) for column in columns]
    frame = from_arrow(pa.Table.from_arrays(arrays, names=names))
    if table == _DECLARED.name:
        return require_upload(frame)
    if list(frame.columns) != TABLES[table].names:
        raise ConformError(table, "its columns", "they are not the ones of the file")
    return frame
