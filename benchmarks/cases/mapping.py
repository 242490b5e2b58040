"""Mapping: exact charges beside a plain merge, suggestions beside a bare comparison of all pairs.

The merge joins the same columns that matching reads and shows, and judges nothing. The comparison is what
rapidfuzz does by itself with the same strings: each code with each name as a whole, nothing ranked. Matching
customers is measured in two sizes: what it costs is to grow with their number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.cases.land import Prepared
from benchmarks.measure import BenchError, Task

ITEMS, CHARGES, MISMATCHES, CUSTOMERS = 100_000, 50_000, 2_000, 20_000
TURNS = 10
"""How often the charges are matched: once takes too little to be measured."""

MERGE, EXACT = "pandas.merge", "match_charges, all exact"
BARE, SUGGESTIONS = "rapidfuzz cdist(ratio)", "suggestions"
FEW, MANY = "a tenth of the customers", "match_customers"

_WORDS = re.findall(
    r"\w+",
    "web mail cloud server license user seat monthly annual setup support basic premium enterprise plus "
    "storage backup domain certificate transfer bandwidth overage voice line trunk router lease rental "
    "managed firewall scan audit training hour onsite remote emergency migration design gateway fee",
)


# --- what is matched ----------------------------------------------------------------------------------------


def item_names(count: int) -> list[str]:
    """Return full names of items, sorted, each once: of two parts or one, of two to five words."""
    dice = random.Random(6)
    found: set[str] = set()
    while len(found) < count:
        parent, own = _phrase(dice, 2), _phrase(dice, 3)
        number = f" {dice.randint(1, 999)}" if dice.random() < 0.5 else ""
        found.add(f"{parent}{':' if dice.random() < 0.6 else ' '}{own}{number}".title())
    return sorted(found)


def codes_like(names: Sequence[str], count: int) -> list[str]:
    """Return codes that are no name: misspelt, shortened, in another order, of the same words, and noise."""
    dice = random.Random(7)
    return sorted({next(_codes(dice, names)) for _ in range(count)})


def _codes(dice: random.Random, names: Sequence[str]) -> Iterator[str]:
    name, kind = dice.choice(names), dice.random()
    place = dice.randrange(len(name))
    words = name.replace(":", " ").split()
    if kind < 0.4:
        yield f"{name[:place]}{dice.choice('qxz 19')}{name[place + dice.randint(0, 1) :]}"
    elif kind < 0.55:
        yield f"{name.rpartition(':')[2]}s"
    elif kind < 0.7:
        yield " ".join(dice.sample(words, len(words))) + "x"
    elif kind < 0.85:
        yield _phrase(dice, 3)
    yield "".join(dice.choice("abcdefghijklmnopqrstuvwxyz0123456789-") for _ in range(dice.randint(6, 20)))


def _phrase(dice: random.Random, most: int) -> str:
    return " ".join(dice.choice(_WORDS) for _ in range(dice.randint(1, most)))


def _frames(charges: int, items: int) -> tuple[Any, Any]:
    """Return ``billing.charges``, each equal to one of the ``quickbooks.items``, and those."""
    names = item_names(items)
    held = {
        "list_id": [f"80-{n}" for n in range(items)],
        "name": [name.rpartition(":")[2] for name in names],
        "full_name": names,
        "item_type": ["Service"] * items,
        "is_active": [True] * items,
        "income_account_full_name": ["Sales"] * items,
        "sales_tax_code_full_name": ["Tax"] * items,
    }
    asked = {
        "contract_code": [f"PLAN-{n % 500}" for n in range(charges)],
        "price_code": [names[n * 7919 % items] for n in range(charges)],
        "invoice_text": [f"Charge {n}" for n in range(charges)],
        "charge_type": ["recurring"] * charges,
        "is_tax": [False] * charges,
        "is_discount": [False] * charges,
        "source": [f"charges.csv!R{n}" for n in range(charges)],
    }
    return _frame("billing.charges", asked), _frame("quickbooks.items", held)


def _frame(table: str, columns: Mapping[str, Sequence[Any]]) -> Any:
    import pyarrow as pa

    from toolkit.tables import conform, from_arrow

    return conform(from_arrow(pa.table(dict(columns))), table)


# --- what is measured ---------------------------------------------------------------------------------------


def merge(folder: Path, charges: int, items: int) -> Prepared:
    asked, held = _frames(charges, items)
    asked = asked[
        ["contract_code", "price_code", "invoice_text", "charge_type", "is_tax", "is_discount", "source"]
    ]
    shown = ["item_type", "is_active", "income_account_full_name", "sales_tax_code_full_name"]
    held = held[["list_id", "full_name", *shown]]

    def work() -> Any:
        for _ in range(TURNS):
            found = asked.merge(held, left_on="price_code", right_on="full_name", how="left")
        return found

    return work, lambda found: {"matched": int(found["list_id"].notna().sum())}


def exact(folder: Path, charges: int, items: int) -> Prepared:
    from toolkit.mapping import match_charges
    from toolkit.tables import empty

    asked, held = _frames(charges, items)
    decisions = empty("mapping.charge_items")

    def work() -> Any:
        for _ in range(TURNS):
            found = match_charges(asked, held, decisions)
        return found

    return work, lambda found: {"matched": int((found["status"] == "exact").sum())}


def bare(folder: Path, codes: int, items: int) -> Prepared:
    from rapidfuzz import fuzz, process

    names = item_names(items)
    asked = codes_like(names, codes)
    return lambda: process.cdist(asked, names, scorer=fuzz.ratio), lambda found: {"codes": len(found)}


def suggestions(folder: Path, codes: int, items: int) -> Prepared:
    from toolkit.likeness import item_suggestions

    names = item_names(items)
    asked = codes_like(names, codes)
    return lambda: item_suggestions(asked, names), lambda found: {"codes": len(asked), "found": len(found)}


def customers(folder: Path, count: int) -> Prepared:
    """Prepare accounts: most known by number or name, one in ten nearly named like one of QuickBooks'."""
    from toolkit.mapping import match_customers
    from toolkit.tables import empty

    names = [name.replace(":", " ") for name in item_names(2 * count)][::2]
    near = codes_like(names, count // 10)
    held = {
        "list_id": [f"C{n}" for n in range(count)],
        "name": [f"{name} {n}" for n, name in enumerate(names)],
        "full_name": [f"{name} {n}" for n, name in enumerate(names)],
        "account_number": [f"A{n}" if n % 2 else None for n in range(count)],
        "is_active": [True] * count,
    }
    ours = {
        "account_number": [f"A{n}" for n in range(count)],
        "name": [near[n // 10 % len(near)] if n % 10 == 0 else name for n, name in enumerate(held["name"])],
        "outstanding_balance": [Decimal("1.00")] * count,
    }
    asked, book = _frame("billing.customers", ours), _frame("quickbooks.customers", held)
    decisions = empty("mapping.customers")
    return lambda: match_customers(asked, book, decisions), lambda found: {"customers": len(found)}


# --- the case -----------------------------------------------------------------------------------------------


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    items, charges, codes = sizes.of(ITEMS), sizes.of(CHARGES), sizes.of(MISMATCHES)
    many = max(100, sizes.of(CUSTOMERS))

    def task(name: str, function: str, note: str, **arguments: int) -> Task:
        return Task(name, f"benchmarks.cases.mapping:{function}", arguments, note)

    return [
        task(MERGE, "merge", f"{TURNS} times; the same columns, joined", charges=charges, items=items),
        task(EXACT, "exact", f"{TURNS} times; types, activity, reasons", charges=charges, items=items),
        task(BARE, "bare", "every pair compared, none chosen", codes=codes, items=items),
        task(SUGGESTIONS, "suggestions", "whole, last part, order of words", codes=codes, items=items),
        task(FEW, "customers", "one in ten unknown", count=many // 10),
        task(MANY, "customers", "one in ten unknown", count=many),
    ]


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    for one, other, fact in ((MERGE, EXACT, "matched"), (BARE, SUGGESTIONS, "codes")):
        told = rows[one].facts.get(fact), rows[other].facts.get(fact)
        if told[0] != told[1]:
            raise BenchError(f"{other} and {one} did not do the same: {told[1]} and {told[0]} {fact}")
    return [
        Goal("exact charges / pandas.merge of the same columns", ratio(rows, EXACT, MERGE), 4.0),
        Goal("suggestions / bare cdist(ratio) of the same strings", ratio(rows, SUGGESTIONS, BARE), 2.0),
        Goal("matching customers / a tenth of them", ratio(rows, MANY, FEW), 20.0),
    ]


CASE = Case(
    "mapping", "Mapping 50,000 charges and 2,000 mismatches to 100,000 items", 3, MERGE, _tasks, _goals
)
