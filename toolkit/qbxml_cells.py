"""Texts of a column to its type, all at once; a text that does not fit is told from one that is missing."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.qbxml_tokens import unescaped
from toolkit.qbxml_values import reader

__all__ = ["resolved", "typed"]

_BOOLEANS = pa.array(["true", "false", "1", "0"])
_TRUE = pa.array([True, False, True, False])
_REPLACED = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


def resolved(texts: pa.StringArray) -> pa.StringArray:
    """Return texts with their references resolved."""
    marked = pc.match_substring(texts, "&")
    if not pc.any(marked).as_py():
        return texts
    numeric = pc.match_substring(texts, "&#")
    if pc.any(numeric).as_py():
        # One pass for each text: what a reference stands for is no part of another one.
        put = [None if text is None else unescaped(text) for text in texts.to_pylist()]
        return pa.array(put, pa.string())
    for reference, letter in _REPLACED:
        texts = pc.replace_substring(texts, reference, letter)
    return texts


def typed(texts: pa.StringArray, kind: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return texts as values of an Arrow type, and the places of those that do not fit, which are null.

    Parameters
    ----------
    texts : pyarrow.StringArray
        References resolved, null where there is none.
    kind : pyarrow.DataType
        Of a declared column.

    Notes
    -----
    Plain forms are cast by Arrow. A column with any other form is read value by value, by what
    :func:`toolkit.qbxml_values.reader` says, which decides.

    Examples
    --------
    >>> values, bad = typed(pa.array(["1.5", None, "x"]), pa.decimal128(15, 2))
    >>> values.to_pylist(), bad.tolist()
    ([Decimal('1.50'), None, None], [2])
    """
    none: npt.NDArray[np.int64] = np.empty(0, np.int64)
    if pa.types.is_string(kind):
        return texts, none
    if pa.types.is_boolean(kind):
        places = pc.index_in(texts, _BOOLEANS)
        if places.null_count == texts.null_count:
            return _TRUE.take(places), none
        return _one_by_one(texts, kind)
    fits = pc.all(pc.match_substring_regex(texts, _plain_form(kind))).as_py()
    if fits is not False:
        try:
            shown = pc.utf8_slice_codeunits(texts, 0, 19) if pa.types.is_timestamp(kind) else texts
            return shown.cast(kind), none
        except pa.ArrowInvalid:
            pass  # a date that does not exist, a number too long: which one is it?
    return _one_by_one(texts, kind)


@cache
def _plain_form(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        places = min(kind.scale, 9)
        return rf"^-?[0-9]{{1,{kind.precision - kind.scale}}}(\.[0-9]{{1,{places}}})?$"
    if pa.types.is_date(kind):
        return "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$"
    if pa.types.is_timestamp(kind):
        # The offset is dropped: QuickBooks' is wrong under daylight saving time.
        return "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2})?$"
    return "^-?[0-9]{1,18}$"


def _one_by_one(texts: pa.StringArray, kind: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    read, _ = reader(kind)
    values: list[Any] = []
    bad: list[int] = []
    for place, text in enumerate(texts.to_pylist()):
        value = None
        if text is not None and read is not None:
            try:
                value = read(text)
            except (ValueError, ArithmeticError):
                bad.append(place)
        values.append(value)
    return pa.array(values, kind), np.array(bad, np.int64)
