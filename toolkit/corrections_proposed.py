"""What keeps rows from being sent and could be cured by a value: the cells, the limits, and proposals.

Pure: the gate's findings and the tables in, ``corrections.proposals`` out. A proposal is never applied by
itself. What no value of the row can cure is told apart, with where it is cured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import pandas as pd

from toolkit.checks_declared import REMEDIES
from toolkit.corrections import CORRECTABLE, CORRECTIONS, columns_to_correct, row_key
from toolkit.corrections_checked import Cell, SourceRows, misfit, shown_entry
from toolkit.corrections_cures import Limits, cure, split_address
from toolkit.corrections_effective import effective_tables, void_corrections
from toolkit.source_places import CHILDREN, COLUMNS
from toolkit.tables import TABLES, from_rows, to_rows

__all__ = ["CURABLE", "DECIDED_ELSEWHERE", "PROPOSALS", "SUM_RULES", "cured_elsewhere", "propose"]

PROPOSALS = "corrections.proposals"

Row = Mapping[str, Any]

CURABLE = frozenset(
    (
        *("name_length", "name_colon", "name_taken", "name_in_use", "characters", "field_limit"),
        *("required_field", "closed_period", "currency", "too_deep", "parent_undecided"),
        *("lines_sum", "payment_sum", "overpaid", "application_negative", "payment_number_length"),
        *("correction_void", "correction_side"),
    )
)
"""Rules that a value of the row can cure."""

_MAP = "decide it on the sheet {} of the mapping workbook: toolkit map --write mapping.xlsx"
DECIDED_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(
        ("customer_undecided", "customer_shared", "customer_inactive", "customer_gone", "customer_like"),
        _MAP.format("Customers"),
    ),
    **dict.fromkeys(("charge_unmapped", "item_usable"), _MAP.format("Charges")),
    **dict.fromkeys(("payment_method_unmapped", "deposit_account"), _MAP.format("Payment methods")),
    **dict.fromkeys(("number_length", "number_taken"), _MAP.format("Numbers")),
    "adjustment_item": _MAP.format("Adjustments"),
    "terms_unusable": _MAP.format("Terms"),
}
"""Rules that a decision cures and no value of the row, and where it is taken."""

_SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "lines_sum": (("billing.invoices", "current_amount_due"), ("billing.invoice_lines", "amount")),
    "payment_sum": (
        ("billing.payments", "unapplied_balance"),
        ("billing.payments", "amount"),
        ("billing.payment_applications", "amount_applied"),
    ),
    "overpaid": (("billing.payment_applications", "amount_applied"),),
    "application_negative": (("billing.payment_applications", "amount_applied"),),
}
"""Rules on a sum: any one of these cells may be the wrong one."""

SUM_RULES = frozenset(_SUMS)
"""Rules on a sum: one cell alone may not cure them."""

_VOID = {"correction_overtaken": "overtaken", "correction_too_late": "too late"}

_MONEY = {
    "billing.invoices": "current_amount_due",
    "billing.payments": "amount",
    "billing.adjustments": "amount",
}


def propose(
    findings: pd.DataFrame, tables: Mapping[str, pd.DataFrame], *, cutover: Any = None
) -> pd.DataFrame:
    """Return the cells that a value could cure, and every correction that stands.

    Parameters
    ----------
    findings : pandas.DataFrame
        ``findings`` of the gate, made with the corrections that stand.
    tables : mapping
        ``billing.*`` as BluBilling gave them, ``mapping.corrections``, ``quickbooks.company``.
    cutover : datetime.date, optional
        The cutover date, for the limit of dates.

    Returns
    -------
    pandas.DataFrame
        ``corrections.proposals``: what is open first, that with the most money first; a row of the source
        stands together.
    """
    proposing = _Proposing(tables, Limits.of(tables, cutover))
    for found in to_rows(findings):
        if found["severity"] == "error":
            for cell in proposing.cells(found):
                proposing.add(cell, found["rule"], found["message"], found["value"])
    proposing.look_at_texts()
    proposing.split_streets()
    return from_rows(PROPOSALS, proposing.rows(to_rows(tables[CORRECTIONS]) if CORRECTIONS in tables else []))


def cured_elsewhere(findings: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the errors of the gate that no value of the row cures (``corrections.elsewhere``)."""
    proposing = _Proposing(tables, Limits.of(tables, None))
    groups: dict[tuple[str | None, str, str], list[str]] = defaultdict(list)
    for found in to_rows(findings):
        if found["severity"] == "error" and not proposing.cells(found):
            rule = found["rule"]
            where = (
                DECIDED_ELSEWHERE.get(rule) or REMEDIES.get(rule) or found["suggestion"] or "see its message"
            )
            groups[found["table"], found["rule"], where].append(found["key"] or "")
    return from_rows(
        "corrections.elsewhere",
        [
            {"table": table, "rule": rule, "where": where, "rows": _some(keys), "count": len(keys)}
            for (table, rule, where), keys in groups.items()
        ],
    )


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more


@dataclass(slots=True)
class _Open:
    """What is wrong with one cell."""

    rules: dict[str, str] = field(default_factory=dict)
    judged: str | None = None
    proposal: str | None = None


class _Proposing:
    """One table of proposals in the making."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], limits: Limits) -> None:
        self.tables, self.limits = tables, limits
        self.source = SourceRows(tables)
        corrected, told = effective_tables(tables) if CORRECTIONS in tables else (tables, None)
        self.now = SourceRows(corrected)
        self.open: dict[Cell, _Open] = {}
        self.told = void_corrections(told)

    def cells(self, found: Row) -> list[Cell]:
        """Return the cells of which a value could cure an error; none where a decision or a setting does."""
        table, key, rule = found["table"], found["key"], found["rule"]
        if table not in CORRECTABLE or rule not in CURABLE:
            return []
        if rule in _SUMS:
            return list(self._summed(table, key, rule))
        named = found["column"] if found["column"] in TABLES[table].names else None
        column = named or COLUMNS[table].get(str(found["column"]))
        if column == "payment_number" and table == "billing.payments":
            column = "check_number"  # the number that QuickBooks gets, where there is one
        known = {each.name for each in columns_to_correct(table)}
        return [(table, key, column)] if column in known and key in self.now.of(table) else []

    def _summed(self, table: str, key: str, rule: str) -> Iterator[Cell]:
        for own, column in _SUMS[rule]:
            if own == table:
                yield own, key, column
            elif TABLES[own].parent_key:
                wanted = self.now.below(own, key)
                negative = rule == "application_negative"
                for row in wanted:
                    if not negative or (row[column] or 0) < 0:
                        yield own, row_key(own, row), column

    def add(self, cell: Cell, rule: str, message: str, judged: str | None = None) -> None:
        """Note that a rule is broken by a cell, and what could stand there."""
        one = self.open.setdefault(cell, _Open())
        one.rules.setdefault(rule, message)
        # A customer's name may be one that was decided on, and not BluBilling's.
        one.judged = judged if cell[2] == "name" and judged else self.now.text(cell)
        one.proposal = cure(cell, tuple(one.rules), one.judged, self.now, self.limits)

    def look_at_texts(self) -> None:
        """Note the texts that do not fit on rows that are in question: the gate stops before it sees them."""
        for table, key in dict.fromkeys((table, key) for table, key, _ in self.open):
            below = CHILDREN.get(table)
            rows = [(table, key, self.now.of(table)[key])]
            rows += [(below, row_key(below, r), r) for r in self.now.below(below, key)] if below else []
            for own, its_key, row in rows:
                correctable = {column.name for column in columns_to_correct(own)}
                for column in dict.fromkeys(COLUMNS[own].values()):
                    unfit = misfit(own, column, row.get(column)) if column in correctable else None
                    cell = (own, its_key, column)
                    if unfit and cell not in self.open:
                        rule = "field_limit" if "characters, QuickBooks takes" in unfit else "characters"
                        self.add(cell, rule, f"{column}: {unfit}")

    def split_streets(self) -> None:
        """Propose to split a long street over both address lines, where there is room."""
        for table, key, column in list(self.open):
            if table != "billing.customers" or not column.endswith("_street1"):
                continue
            second = column.replace("street1", "street2")
            halves = split_address(self.now.of(table)[key], column, second)
            if halves is None:
                continue
            self.open[table, key, column].proposal = halves[0]
            if halves[1] != self.now.text((table, key, second)):
                self.add((table, key, second), "field_limit", f"takes what {column} has no room for")
                self.open[table, key, second].proposal = halves[1]

    # --- rows ---------------------------------------------------------------------------------------------

    def rows(self, corrections: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows of the table, in their order."""
        standing = {(row["table"], row["key"], row["column"]): row for row in corrections}
        usable = {
            cell: row
            for cell, row in standing.items()
            if cell[0] in CORRECTABLE and cell[2] in TABLES[cell[0]].names
        }
        made = [self._row(cell, usable.get(cell)) for cell in dict.fromkeys([*self.open, *usable])]
        weights: dict[tuple[str, str], Any] = {}
        for row in made:
            place = self._document(row["table"], row["key"])
            weight = (row["status"] == "corrected", -abs(row["amount"] or 0))
            weights[place] = min(weights.get(place, weight), weight)
        order = {name: number for number, name in enumerate(CORRECTABLE)}
        return sorted(
            made,
            key=lambda row: (
                *weights[self._document(row["table"], row["key"])],
                self._document(row["table"], row["key"]),
                order[row["table"]],
                row["key"],
                TABLES[row["table"]].names.index(row["column"]),
            ),
        )

    def _document(self, table: str, key: str) -> tuple[str, str]:
        """Return the record that a row belongs to: of a line, its invoice or payment."""
        for parent, below in CHILDREN.items():
            if table == below:
                row = self.source.of(table).get(key, {})
                return parent, str(row.get(TABLES[below].parent_key, key))
        return table, key

    def _row(self, cell: Cell, made: Row | None) -> dict[str, Any]:
        table, key, column = cell
        one = self.open.get(cell)
        row, value = self.source.of(table).get(key, {}), self.source.text(cell)
        status = "open" if made is None else "corrected"
        message = "\n".join(one.rules.values()) if one else None
        told = self.told.get(cell)
        if made is not None and told is not None:
            status = _VOID.get(told["rule"], "no effect")
            back = "type what BluBilling has" if status == "overtaken" else "empty the cell"
            message = f"{told['message']}; {back} to take it back"
        elif made is not None and one is not None:
            status = "still wrong"
        # What was overtaken is no correction, and may be one again.
        counts = None if status == "overtaken" else made
        proposal = one.proposal if one else None
        if status == "overtaken":
            proposal = shown_entry(made)
        if one and one.judged not in (value, self.now.text(cell)) and one.judged:
            message = f"{message}\n{one.judged!r} was decided on as its new name; a correction counts before"
        return {
            **{"table": table, "key": key, "column": column, "status": status, "value": value},
            "rule": ", ".join(one.rules) if one else None,
            "message": message,
            "limit": self.limits.words(cell, tuple(one.rules) if one else ()),
            "proposal": proposal if proposal != shown_entry(counts) else None,
            "correction": shown_entry(counts),
            "note": counts["note"] if counts else None,
            "amount": self._money(cell),
            "decided_by": made["decided_by"] if made else None,
            "decided_at": made["decided_at"] if made else None,
            "source": row.get("source"),
        }

    def _money(self, cell: Cell) -> Decimal | None:
        """Return the money that waits for a cell: its document's, or a customer's invoices."""
        table, key = self._document(*cell[:2])
        if table == "billing.customers":
            return self._owed.get(key)
        amount: Decimal | None = self.source.of(table).get(key, {}).get(_MONEY[table])
        return amount

    @cached_property
    def _owed(self) -> Mapping[str, Decimal]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.source.of("billing.invoices").values():
            sums[row["account_number"]] += row["current_amount_due"] or 0
        return sums
