"""The RefNumber that QuickBooks will know a document by. Source: DESIGN rule 6c.9, ``number_rule``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolkit.checks_context import Context
from toolkit.checks_documents import REF_NUMBER_LENGTH
from toolkit.checks_drafts import Document


def assign_numbers(context: Context, drafts: Iterable[Document]) -> None:
    """Give each draft its RefNumber, in the order given, and enter it among the numbers held.

    A number once queued or sent is fixed: it is kept whatever the rule says now.
    """
    rule: str = context.settings["number_rule"]
    fresh = []
    for draft in drafts:
        kept = _kept(context, draft)
        if kept:
            draft.ref_number = kept
        else:
            fresh.append(draft)
    counter = _Counter(context, rule.removeprefix("counter:")) if rule.startswith("counter:") else None
    for draft in fresh:
        if counter:
            draft.ref_number = counter.next()
        else:
            draft.ref_number, draft.number_problem = shorten(draft.source_key, rule)
        context.number_holders[draft.ref_number].add(draft.key)


def shorten(number: str, rule: str) -> tuple[str, str | None]:
    r"""Return the RefNumber that a numbering rule makes of a number, and what is wrong with it, if anything.

    >>> shorten("INV-2026-000123", "strip:INV-")
    ('2026-000123', None)
    >>> shorten("INV-2026-000123", r"pattern:(\d+)$")
    ('000123', None)
    """
    if rule.startswith("strip:"):
        short = number.removeprefix(rule.removeprefix("strip:"))
        return short, None if short else f"nothing is left of number {number} by the rule {rule}"
    if rule.startswith("pattern:"):
        found = re.search(rule.removeprefix("pattern:"), number)
        if found and found.group(1):
            return found.group(1), None
        fits = len(number) <= REF_NUMBER_LENGTH
        return number, None if fits else f"the rule {rule} does not find itself in number {number}"
    return number, None


def _kept(context: Context, draft: Document) -> str | None:
    kind = "credit_memo" if draft.is_credit_memo else "invoice"
    bound = context.crosswalk.get((kind, draft.source_key), {})
    before = context.in_flight.get(draft.key) or context.taken_back.get(draft.key) or {}
    # What was sent and the ledger does not know is taken over under the number that it has.
    unknown = next((row for row in context.marked.of(draft.key) if row["total"]), {})
    number: str | None = bound.get("ref_number") or before.get("ref_number") or unknown.get("ref_number")
    return number


class _Counter:
    """Numbers from a start on, as wide as the start was written, none that is held already."""

    def __init__(self, context: Context, start: str) -> None:
        self._held, self._width, self._last = context.number_holders, len(start), int(start) - 1

    def next(self) -> str:
        self._last += 1
        while str(self._last).zfill(self._width) in self._held:
            self._last += 1
        return str(self._last).zfill(self._width)
