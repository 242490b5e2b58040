"""Tables in a notebook: searched, filtered and coloured in the browser, without a network.

>>> shown = show(pd.DataFrame({"price_code": ["Web"], "status": ["mismatch"]}), "Charges")
>>> shown.caption
'Charges: 1 row (status: 1 mismatch)'
"""

from __future__ import annotations

import datetime as dt
import html
import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import isnan
from typing import Any

from IPython import get_ipython
from itables import to_html_datatable
from itables.javascript import generate_init_offline_itables_html
from itables.options import dt_bundle
from itables.typing import JavascriptFunction

from toolkit.errors import UsageError
from toolkit.late import pd

__all__ = ["COLOURS", "MOST_ROWS", "Shown", "show"]

MOST_ROWS = 5_000
"""Rows that are put into a page unless more are asked for."""

COLOURS = {"stop": "#f4b183", "doubt": "#ffe699", "good": "#9dc3e6", "quiet": "#e2e2e2"}
"""Backgrounds that a colour-blind eye tells apart too; the word in the cell says the same."""

_WORDS = {
    "stop": "error mismatch undecided ambiguous blocked depends_on_blocked rejected failed open problem "
    "unknown overtaken",
    "doubt": "warning held draft pending sent skipped queued running pilot waits left_out new ruled",
    "good": "exact mapped account_number applied complete corrected done fits decided carried",
    "quiet": "info none by_hand cancelled undone",
}
_TONES = {word: tone for tone, words in _WORDS.items() for word in words.split()} | {"still wrong": "stop"}
_WIDEST = 48  # characters of a column before its texts go on a second line
COLOURED = ("severity", "status", "state", "outcome")
"""Columns whose words are coloured."""

_RANK = {"stop": 0, "doubt": 1, "good": 2, "quiet": 3}
_PAINT = """function (td, value) {
  const colour = %s[%s[value]];
  if (colour) { td.style.backgroundColor = colour; td.style.color = '#000'; td.style.fontWeight = '600'; }
}"""
_STYLE = """<style>
.toolkit-table table.dataTable td { white-space: pre-wrap; vertical-align: top; text-align: left; }
.toolkit-table table.dataTable td.toolkit-number { text-align: right; font-variant-numeric: tabular-nums; }
.toolkit-table table.dataTable thead input { width: 100%; min-width: 5em; box-sizing: border-box; }
.toolkit-table table.dataTable thead input::placeholder { color: inherit; font-weight: 600; opacity: 1; }
.toolkit-table .toolkit-caption { font-weight: 600; margin: 0.4em 0; }
.toolkit-table:has(table.dataTable) .toolkit-waiting { display: none; }
</style>"""
_WAITING = (
    "The rows show once the programs are there that the first table of the notebook brings along: trust the "
    "notebook, or restart the kernel and run all cells."
)


class _Programs:
    """Which cell of the notebook holds the programs, so that one does, and one only."""

    def __init__(self) -> None:
        self._held: tuple[str, str] | None = None

    def needed(self) -> bool:
        """Return whether what is shown now must bring them along.

        It must where there is no notebook to know of; and where the cell that held them runs again, because
        its former output is gone with them.
        """
        here = _running()
        if here is None:
            return True
        if self._held is not None and (here == self._held or here[0] != self._held[0]):
            return False
        self._held = here
        return True


def _running() -> tuple[str, str] | None:
    """Return which cell runs, and in which of its runs; ``None`` outside of a notebook."""
    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    if not parent or "code" not in parent.get("content", {}):
        return None
    # JupyterLab and VS Code name the cell; of others its code tells it.
    cell = parent.get("metadata", {}).get("cellId") or parent["content"]["code"]
    return str(cell), str(parent["header"]["msg_id"])


_PROGRAMS = _Programs()


class Shown:
    """A table for a notebook's output.

    Parameters
    ----------
    frame : pandas.DataFrame
        What is shown, cell by cell as text.
    caption : str
        What it says of itself: how many rows there are, and of these how many are shown.
    page : int
        Rows on one page.
    numbers : sequence of int
        Places of the columns that hold numbers.
    """

    def __init__(self, frame: pd.DataFrame, caption: str, page: int, numbers: Sequence[int]) -> None:
        self.frame, self.caption = frame, caption
        self._page, self._numbers = page, numbers

    def __repr__(self) -> str:
        """Return it for where there is no browser."""
        body = self.frame.to_string(index=False, max_rows=20) if len(self.frame) else ""
        return f"{self.caption}\n{body}".rstrip()

    def _repr_html_(self) -> str:
        """Return it for a browser: it works offline and when saved, by the programs inside the notebook.

        The first table of a notebook brings them along, nearly a megabyte; the others hold their rows only.
        """
        needed = _PROGRAMS.needed()
        programs = generate_init_offline_itables_html(dt_bundle) if needed else ""
        table = to_html_datatable(
            self.frame,
            connected=False,
            column_filters="header",
            showIndex=False,
            maxBytes=0,
            maxRows=0,
            maxColumns=0,
            allow_html=False,
            pageLength=self._page,
            lengthMenu=sorted({10, 25, 100, 500, self._page}),
            order=[],
            autoWidth=False,
            scrollX=True,
            classes="display compact",
            columnDefs=self._columns(),
        )
        caption = f'<div class="toolkit-caption">{html.escape(self.caption)}</div>'
        waiting = "" if needed else f'<div class="toolkit-waiting">{_WAITING}</div>'
        return f'{programs}{_STYLE}<div class="toolkit-table">{caption}{waiting}{table}</div>'

    def _columns(self) -> list[dict[str, Any]]:
        painted = [place for place, name in enumerate(self.frame.columns) if name in COLOURED]
        paint = JavascriptFunction(_PAINT % (json.dumps(COLOURS), json.dumps(_TONES)))
        widths = [
            {"targets": [place], "width": f"{self._width(place)}ch"}
            for place in range(len(self.frame.columns))
        ]
        return [
            {"targets": list(self._numbers), "className": "toolkit-number", "type": "num"},
            {"targets": painted, "createdCell": paint},
            *widths,
        ]

    def _width(self, place: int) -> int:
        """Return the characters that a column's name needs in its filter, or its texts."""
        name = str(self.frame.columns[place])
        longest = max((len(text) for text in self.frame.iloc[:, place]), default=0)
        return max(len(name) + 5, min(longest, _WIDEST))


def show(
    frame: pd.DataFrame | pd.Series[Any],
    caption: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    rows: int = MOST_ROWS,
    page: int = 10,
) -> Shown:
    """Return a table to look at in a notebook: a search box, a filter on each column, colours, exact amounts.

    Parameters
    ----------
    frame : pandas.DataFrame or pandas.Series
        One row a row; an index with names, of a ``groupby`` say, is shown as columns.
    caption : str, optional
        What it is. How many rows there are, and how many of a severity or status, is added.
    columns : sequence of str, optional
        These columns only; the caption says of how many.
    rows : int
        The most rows to put into the page: the caption says where there are more.
    page : int
        Rows on one page.

    Raises
    ------
    UsageError
        A column that the frame does not have, or a number of rows below 1.

    Examples
    --------
    >>> print(show(pd.DataFrame({"amount": [1, 2, 3]}), "Sums", rows=2).caption)
    Sums: the first 2 of 3 rows are shown (filter the frame, or show(..., rows=3))
    """
    if rows < 1 or page < 1:
        raise UsageError(f"rows={rows}, page={page}: a table shows at least one row")
    whole = _with_index(frame)
    missing = [name for name in columns or () if name not in whole.columns]
    if missing:
        known = ", ".join(map(str, whole.columns))
        raise UsageError(f"there is no column {', '.join(missing)}: the columns are {known}")
    chosen = whole[list(columns)] if columns is not None else whole
    shown = chosen.head(rows)
    values = {str(name): list(shown[name]) for name in shown.columns}
    numbers = [place for place, listed in enumerate(values.values()) if _are_numbers(listed)]
    texts = pd.DataFrame({name: [_text(value) for value in listed] for name, listed in values.items()})
    return Shown(texts.astype(object), _caption(caption, whole, chosen, shown), page, numbers)


def _with_index(frame: pd.DataFrame | pd.Series[Any]) -> pd.DataFrame:
    """Return a frame whose named index stands in columns; one without a name says nothing."""
    if isinstance(frame, pd.Series):
        named = frame.name if frame.name is not None else "value"
        frame = frame.to_frame(named)
    if any(name is not None for name in frame.index.names):
        return frame.reset_index()
    return frame.reset_index(drop=True)


def _caption(caption: str | None, whole: pd.DataFrame, chosen: pd.DataFrame, shown: pd.DataFrame) -> str:
    many = f"{len(whole):,} row{'' if len(whole) == 1 else 's'}"
    said = many
    if len(shown) < len(whole):
        more = f"(filter the frame, or show(..., rows={len(whole)}))"
        said = f"the first {len(shown):,} of {many} are shown {more}"
    if len(chosen.columns) < len(whole.columns):
        said += f", {len(chosen.columns)} of {len(whole.columns)} columns"
    counted = [text for name in COLOURED if name in whole.columns for text in [_counts(whole, name)] if text]
    said += f" ({'; '.join(counted)})" if counted else ""
    return f"{caption}: {said}" if caption else said


def _counts(frame: pd.DataFrame, name: str) -> str:
    counted = Counter(_text(value) for value in frame[name])
    ordered = sorted(counted, key=lambda word: (_RANK.get(_TONES.get(word, ""), 4), word))
    words = ", ".join(f"{counted[word]:,} {word or '(none)'}" for word in ordered)
    return f"{name}: {words}" if words else ""


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value))


def _are_numbers(values: Sequence[Any]) -> bool:
    there = [value for value in values if not _missing(value)]
    return bool(there) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in there
    )


def _text(value: Any) -> str:
    """Return a value as it is shown: exact, and never rounded or cut."""
    if not isinstance(value, list | tuple) and _missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        coarse = isinstance(exponent, int) and exponent > -2
        return f"{value.quantize(Decimal('0.01')):f}" if coarse else f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | tuple) or type(value).__name__ == "ndarray":
        return ", ".join(_text(each) for each in value)
    return str(value)
