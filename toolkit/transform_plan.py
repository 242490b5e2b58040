"""A plan of an export: what goes, what stays and why, and what a person holds back of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd

from toolkit.tables import conform, empty, from_rows, to_rows
from toolkit.transform_filters import Filter, Place, chosen, needed_by, staying
from toolkit.transform_result import with_held
from toolkit.transform_sums import by_customer, by_day, by_item

__all__ = ["HELD", "SWITCHES", "Plan", "switches_of"]

SWITCHES = ("customers", "invoices", "payments", "credits")
"""What an export can cover."""

HELD = "held"
"""The rule of ``plan.left_out`` of what a person holds back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an export will do.

    Parameters
    ----------
    operations : pandas.DataFrame
        ``plan.operations``, in order of sending.
    findings : pandas.DataFrame
        ``findings``, errors first.
    left_out : pandas.DataFrame
        ``plan.left_out``: one row per source row of the range that is not exported, blocked and held ones
        included.
    totals : pandas.DataFrame
        ``plan.totals``: rows and money by source table and currency: source = exported + blocked + left out
        + held.
    start : datetime.date
        First day, inclusive.
    end : datetime.date or None
        Last day, inclusive; ``None`` for everything since ``start``.
    switches : tuple of str
        Of customers, invoices, payments, credits.
    post_by_hand : pandas.DataFrame
        ``plan.post_by_hand``: what no rule sends, until a person posted it.
    passed : pandas.DataFrame
        ``plan.left_out``: one row per source row that passed the gate, as it is told where it is held.
    full : Plan, optional
        The plan before anything was held back.
    held_rows : mapping
        The source rows that a person holds, and why.
    """

    operations: pd.DataFrame
    findings: pd.DataFrame
    left_out: pd.DataFrame
    totals: pd.DataFrame
    start: dt.date
    end: dt.date | None
    switches: tuple[str, ...]
    post_by_hand: pd.DataFrame = field(default_factory=partial(empty, "plan.post_by_hand"))
    passed: pd.DataFrame = field(default_factory=partial(empty, "plan.left_out"))
    full: Plan | None = None
    held_rows: Mapping[Place, str] = field(default_factory=dict)

    @property
    def by_day(self) -> pd.DataFrame:
        """``plan.by_day``: what goes, by transaction date and currency."""
        return by_day(self.operations)

    @property
    def by_customer(self) -> pd.DataFrame:
        """``plan.by_customer``: what goes, by customer and currency."""
        return by_customer(self.operations)

    @property
    def by_item(self) -> pd.DataFrame:
        """``plan.by_item``: what goes, by item and currency."""
        return by_item(self.operations)

    @property
    def held(self) -> pd.DataFrame:
        """``plan.operations``: those that are held back, with what depends on them."""
        if self.full is None:
            return empty("plan.operations")
        going = set(self.operations["key"])
        planned = self.full.operations
        return conform(planned[~planned["key"].isin(going)].reset_index(drop=True), "plan.operations")

    def hold(self, which: Filter, *, why: str = "held by hand") -> Plan:
        """Return the plan without the rows that a filter chooses, and without what depends on them.

        They are told in ``left_out`` with the rule ``held``; nothing is kept elsewhere, and the next plan
        has them again.

        Parameters
        ----------
        which : str, callable or sequence of bool
            On ``plan.operations``, as :func:`toolkit.transform_filters.chosen` takes it:
            ``account_number=BW-1001``, or a truth for each row.
        why : str
            The reason to tell.

        Raises
        ------
        UsageError
            The filter is none, or names no column.
        """
        picked = {(row["source_table"], row["source_key"]): why for row in chosen(self.operations, which)}
        return self._holding({**self.held_rows, **picked})

    def only(self, which: Filter, *, why: str = "not among those chosen") -> Plan:
        """Return the plan with the rows that a filter chooses and all that they depend on; the rest is held.

        Parameters
        ----------
        which, why
            As :meth:`hold` takes them.
        """
        rows = to_rows(self.operations)
        wanted = {(row["source_table"], row["source_key"]) for row in chosen(self.operations, which)}
        kept = needed_by(rows, wanted)
        every = {(row["source_table"], row["source_key"]) for row in rows}
        return self._holding({**self.held_rows, **dict.fromkeys(sorted(every - kept), why)})

    def release(self, which: Filter | None = None) -> Plan:
        """Return the plan with held rows back in it; what depended on them comes back with them.

        Parameters
        ----------
        which : str, callable or sequence of bool, optional
            On :attr:`held`; all of them where it is left out.
        """
        if which is None:
            return self._holding({})
        picked = {(row["source_table"], row["source_key"]) for row in chosen(self.held, which)}
        return self._holding({place: why for place, why in self.held_rows.items() if place not in picked})

    def _holding(self, held: Mapping[Place, str]) -> Plan:
        full = self.full or self
        if not held:
            return replace(full, findings=self.findings)
        stays = staying(to_rows(full.operations), held)
        operations = to_rows(full.operations)
        going = [row for row in operations if (row["source_table"], row["source_key"]) not in stays]
        told = [
            row | {"rule": HELD, "reason": f"held: {stays[place]}"}
            for row in to_rows(full.passed)
            if (place := (row["source_table"], row["source_key"])) in stays
        ]
        counted = {(row["source_table"], row["source_key"]): row for row in told}
        gone = [row for row in operations if (row["source_table"], row["source_key"]) in counted]
        return replace(
            full,
            operations=from_rows(
                "plan.operations", [row | {"position": n} for n, row in enumerate(going, start=1)]
            ),
            findings=self.findings,
            left_out=from_rows("plan.left_out", [*to_rows(full.left_out), *told]),
            totals=with_held(full.totals, list(counted.values()), gone),
            full=full,
            held_rows=dict(held),
        )


def switches_of(standing: Iterable[Mapping[str, Any]], wanted: set[str]) -> list[str]:
    """Return what a plan of some operations must cover: documents only where one of them is wanted."""
    by_table = {
        "billing.invoices": "invoices",
        "billing.payments": "payments",
        "billing.payment_applications": "payments",  # of a carried credit
        "billing.adjustments": "credits",
    }
    needed = {by_table.get(row["source_table"] or "") for row in standing if row["key"] in wanted}
    # A payment's invoices and a document's customers are planned too, so that what it hangs on is known.
    needed |= {"customers"} | ({"invoices"} if "payments" in needed else set())
    return [name for name in SWITCHES if name in needed]
