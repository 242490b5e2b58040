"""Which choices of a mapping workbook can be taken, and why the others cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from toolkit.likeness import caseless, item_suggestions
from toolkit.mapping import RIGHT_TYPES, charge_kind, usable
from toolkit.mapping_customers import NEW, NONE
from toolkit.workbook_sheets import Entry, Frames, Row, Sheet

__all__ = ["Choices"]


class Choices:
    """What may be chosen on one sheet.

    Parameters
    ----------
    sheet : Sheet
        The sheet.
    frames : Frames
        The tables as they are now.
    decisions : iterable of str
        Everything that was chosen on the sheet.
    """

    def __init__(self, sheet: Sheet, frames: Frames, decisions: Iterable[str]) -> None:
        self.sheet = sheet
        self.by_name: defaultdict[str, list[Row]] = defaultdict(list)
        for row in frames.choices(sheet):
            self.by_name[row["full_name"]].append(row)
        # At once for all of them: the names are many, and each pass over them takes its time.
        unknown = {text for text in decisions if text not in self.by_name} - {NEW, NONE}
        self.near = item_suggestions(unknown, list(self.by_name))
        self.taken = {caseless(name) for name in self.by_name}

    def find(self, decision: str) -> Row | None:
        """Return the record of that full name, if there is one."""
        found = self.by_name.get(decision, [])
        return found[0] if found else None

    def problem(self, entry: Entry, row: Row) -> tuple[str, str, str, str | None] | None:
        """Return rule, column, message and suggestion where a choice cannot be taken, else ``None``."""
        decision, _, new_name = entry
        if decision == NONE:
            if not row["money"]:
                return None
            message = (
                f"money hangs on it ({row['amount']} in the last twelve months, or an outstanding balance): "
                "it cannot be left out"
            )
            return "money_hangs_on_it", "decision", message, None
        if decision == NEW and self.sheet.prefix == "customer":
            if caseless(new_name or "") not in self.taken:
                return None
            message = "QuickBooks has a customer of that name already: choose it, or give another new_name"
            return "name_taken", "new_name", message, None
        return self._unusable(decision or "", row)

    def _unusable(self, decision: str, row: Row) -> tuple[str, str, str, str | None] | None:
        found = self.by_name.get(decision, [])
        what = self.sheet.prefix.replace("_", " ")
        types = RIGHT_TYPES[charge_kind(row)] if what == "item" else None
        if not found:
            near = self.near.get(decision)
            message = f"QuickBooks has no {what} of exactly this full name: {decision!r}"
            return "unknown_choice", "decision", message, near and near[0]
        if len(found) > 1:
            return "ambiguous_choice", "decision", f"{len(found)} {what}s have this full name", None
        if types is not None and found[0]["item_type"] not in types:
            message = f"it is of type {found[0]['item_type']}; right here: {', '.join(sorted(types))}"
            return "wrong_type", "decision", message, None
        if what != "customer" and not usable(found[0], types):
            return "inactive", "decision", f"the {what} is inactive in QuickBooks", None
        return None
