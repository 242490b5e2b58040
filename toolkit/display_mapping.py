"""The shorter lists of a match in the terminal: taxes, terms, adjustments, numbers, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.display import terminal_table
from toolkit.late import late

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit import mapping
    from toolkit.cutover import Matches
else:
    mapping = late("toolkit.mapping")

__all__ = ["show_lists"]

_TITLES = {
    "taxes": "Taxes",
    "payment_methods": "Payment methods",
    "terms": "Terms",
    "adjustments": "Adjustments",
}
_COLUMNS = {
    "taxes": {"contract_code": "plan", "price_code": "price code", "tax_name": "tax"},
    "terms": {"terms_name": "terms", "customers": "customers"},
    "adjustments": {"kind": "kind", "lines": "lines", "amount": "amount"},
}
_ASKED = {"status": "status", "reason": "reason", "suggestion": "suggestion"}
_CHANGES = {
    **{"contract_code": "plan", "price_code": "price code now", "price_code_wanted": "wanted"},
    **{"lines": "lines", "amount": "amount", "problem": "problem"},
}
_NUMBERS = {
    **{"record_kind": "kind", "number": "number", "ref_number": "RefNumber", "amount": "amount"},
    "reason": "reason",
}


def show_lists(console: Console, matches: Matches, *, limit: int = 20) -> None:
    """Print the counts of the shorter lists, what is still to decide on them, and what to change."""
    for name, title in _TITLES.items():
        counts = mapping.summary(getattr(matches, name))
        said = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
        console.print(f"{title}: {said or 'none'}")
    for name, columns in _COLUMNS.items():
        frame = getattr(matches, name)
        asked = frame[(frame["status"] == "mismatch") | (frame["reason"] == "undecided").fillna(False)]
        if name == "adjustments":
            asked = asked[asked["lines"].fillna(0) > 0]
        if len(asked):
            title = f"{_TITLES[name]} to decide"
            console.print(terminal_table(asked, {**columns, **_ASKED}, title=title, limit=limit))
    doubtful = matches.numbers[matches.numbers["status"] == "problem"]
    if len(doubtful):
        console.print(terminal_table(doubtful, _NUMBERS, title="Numbers to decide", limit=limit))
    if len(matches.changes):
        title = "Price codes to change in BluBilling"
        console.print(terminal_table(matches.changes, _CHANGES, title=title, limit=limit))
