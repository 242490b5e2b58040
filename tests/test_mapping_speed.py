"""The fast ways give what the slow ones give: charges by column, the nearest names by their letters first."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import mapping_reference as reference
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import likeness, likeness_search, mapping
from toolkit.late import pa
from toolkit.likeness import item_suggestions, last_part, last_parts, nearest, skeleton, skeletons
from toolkit.mapping_use import Use, charge_key, charge_keys
from toolkit.tables import empty, from_rows, to_rows

# Few letters, so that names are often alike: cases, blanks, colons, dashes, a Cyrillic A, a full-width A.
NAMES = st.text(alphabet="abAB :\u0410-\u2013_'`\u00a0\uff21\u4e2d", max_size=7)
# Fewer names still, so that many are equal.
FEW = st.sampled_from(["A", "A", "a", "A ", "B:A", "b:A", "\u0410", "B", " "])
TYPES = ("Service", "Service", "NonInventory", "Discount", "SalesTax", "Group")
FLAG = st.sampled_from([None, False, True])
WORDS = ("web", "mail", "cloud", "server", "license", "user", "monthly", "setup", "support", "basic", "plus")


@given(st.lists(st.one_of(st.none(), NAMES, st.text(max_size=12)), max_size=6))
def test_texts_are_read_by_column_as_they_are_one_by_one(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    assert skeletons(column).to_pylist() == [None if text is None else skeleton(text) for text in texts]
    assert last_parts(column).to_pylist() == [None if text is None else last_part(text) for text in texts]


@given(st.lists(st.tuples(NAMES, st.one_of(st.none(), NAMES)), max_size=8))
def test_charge_keys_tell_charges_apart(keys: list[tuple[str, str | None]]) -> None:
    made = charge_keys(
        pa.chunked_array([[k[0] for k in keys]], pa.string()),
        pa.chunked_array([[k[1] for k in keys]], pa.string()),
    )
    assert made.to_pylist() == [charge_key(*key) for key in keys]
    assert len(set(made.to_pylist())) == len(set(keys))


# --- suggestions --------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(NAMES, st.text(max_size=9)), max_size=6), st.lists(NAMES, max_size=12))
def test_suggestions_are_those_of_comparing_every_pair(queries: list[str], names: list[str]) -> None:
    listed = sorted(set(names))
    assert item_suggestions(queries, listed) == reference.item_suggestions(queries, listed)
    pairs = [(skeleton(name), name) for name in names]
    assert nearest(map(skeleton, queries), pairs) == reference.nearest(map(skeleton, queries), pairs)


@given(NAMES, NAMES)
def test_one_pair_has_the_score_it_has_among_many(text: str, name: str) -> None:
    found = reference.item_suggestions([text], [name]).get(text)
    assert likeness.likeness(text, name) == (found and found[1])


def made_up(seed: int, names: int, codes: int) -> tuple[list[str], list[str]]:
    """Return item names, and codes that are nearly one of them, one in another order, or nothing like it."""
    dice = random.Random(seed)

    def phrase(most: int) -> str:
        return " ".join(dice.choice(WORDS) for _ in range(dice.randint(1, most)))

    held = sorted({f"{phrase(2)}{dice.choice(':: ')}{phrase(3)} {dice.randint(1, 99)}" for _ in range(names)})
    asked = []
    for number in range(codes):
        name = dice.choice(held)
        place = dice.randrange(len(name))
        swapped = last_part(name).split()[::-1] + name.split(":")[0].split()
        noise = "".join(dice.choice("abcdeikmnorstuw0123456789-") for _ in range(dice.randint(3, 18)))
        asked.append(
            (name[:place] + "x" + name[place + 1 :], last_part(name), " ".join(swapped), noise)[number % 4]
        )
    return held, asked


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("questions", [128, 8])
def test_no_name_is_ruled_out_that_is_the_nearest(
    seed: int, questions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With few questions bounds are loose, with few seeds low, and names come in several blocks.
    monkeypatch.setattr(likeness_search, "_QUESTIONS", questions)
    for name, value in {"_FEW": 5, "_SEEDS": 3, "_BLOCK": 700}.items():
        monkeypatch.setattr(likeness_search, name, value)
    names, codes = made_up(seed, 3_000, 120)
    found = item_suggestions(codes, names)
    assert found == reference.item_suggestions(codes, names)
    assert len(found) > 80


def test_names_with_more_letters_than_can_be_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness_search, "_LETTERS", 3)
    names, codes = made_up(7, 500, 60)
    assert item_suggestions(codes, names) == reference.item_suggestions(codes, names)


# --- charges ------------------------------------------------------------------------------------------------

ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "full_name": st.one_of(st.none(), FEW, FEW, NAMES),
            "item_type": st.sampled_from(TYPES),
            "is_active": FLAG,
            "left_at": st.sampled_from([None, None, None, dt.datetime(2026, 1, 1)]),
        }
    ),
    max_size=10,
)
CHARGES = st.lists(
    st.fixed_dictionaries(
        {
            "contract_code": st.sampled_from(["P", "Q"]),
            "price_code": st.one_of(st.none(), FEW, FEW, NAMES),
            "is_tax": st.sampled_from([None, False, False, True]),
            "is_discount": FLAG,
            "qb_item": st.one_of(st.none(), FEW, FEW, NAMES),
        }
    ),
    max_size=10,
)
DECISIONS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.one_of(st.just("(none)"), FEW, NAMES),
        st.sampled_from([None, "80-0", "80-3", "80-x"]),
    ),
    max_size=4,
)


def world(
    held: list[dict[str, Any]], asked: list[dict[str, Any]], decided: list[tuple[int, str, str | None]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return charges, items and decisions as their tables."""
    items = [{"list_id": f"80-{n}", "name": row["full_name"], **row} for n, row in enumerate(held)]
    charges = [{"charge_type": "recurring", "source": f"c.csv!R{n}", **row} for n, row in enumerate(asked)]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, decision, list_id in decided:
        if number < len(asked):
            key = {name: asked[number][name] for name in ("contract_code", "price_code")}
            rows[tuple(key.values())] = {**key, "decision": decision, "item_list_id": list_id}
    return (
        from_rows("billing.charges", charges),
        from_rows("quickbooks.items", items),
        from_rows("mapping.charge_items", rows.values()),
    )


@settings(max_examples=40)
@given(ITEMS, CHARGES, DECISIONS, st.lists(NAMES.filter(bool), max_size=3, unique=True))
def test_charges_are_matched_by_column_as_they_are_row_by_row(
    held: list[dict[str, Any]], asked: list[dict[str, Any]], decided: list[Any], by_hand: list[str]
) -> None:
    charges, items, decisions = world(held, asked, decided)
    local = from_rows(
        "mapping.local_items",
        [{"name": name, "item_type": "Service", "income_account_full_name": "Sales"} for name in by_hand],
    )
    fast = mapping.match_charges(charges, items, decisions, local_items=local)
    slow = reference.match_charges(charges, items, decisions, local_items=local)
    pd.testing.assert_frame_equal(fast, slow)


LINES = st.lists(
    st.fixed_dictionaries(
        {
            "invoice_number": st.sampled_from(["I1", "I2", "I3"]),
            "contract_code": st.sampled_from(["P", "P:", "Q"]),
            "price_code": st.sampled_from([None, "", "A", ":A"]),
            "amount": st.decimals(-(10**9), 10**9, places=2, allow_nan=False),
            "line_type": st.sampled_from([None, "charge", "usage_subtotal"]),
        }
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(LINES)
def test_lines_and_money_are_summed_by_column_as_they_are_one_by_one(lines: list[dict[str, Any]]) -> None:
    keys = sorted({(row["contract_code"], row["price_code"]) for row in lines} | {("P", "B")}, key=str)
    charges = from_rows(
        "billing.charges",
        [{"contract_code": plan, "price_code": code, "charge_type": "x"} for plan, code in keys],
    )
    placed = [{**row, "line_position": n, "charge_position": 1} for n, row in enumerate(lines)]
    used: dict[tuple[str, str | None], Use] = {}
    for row in lines:
        if row["line_type"] != "usage_subtotal":
            used.setdefault((row["contract_code"], row["price_code"]), Use()).add(row["amount"])
    held, nothing = empty("quickbooks.items"), empty("mapping.charge_items")
    fast = mapping.match_charges(
        charges, held, nothing, invoice_lines=from_rows("billing.invoice_lines", placed)
    )
    pd.testing.assert_frame_equal(fast, reference.match_charges(charges, held, nothing, used=used))
    counted = [row["amount"] for row in lines if row["line_type"] != "usage_subtotal"]
    assert sum(row["amount"] for row in to_rows(fast)) == sum(counted, Decimal(0))


# --- laws ---------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(ITEMS, CHARGES, DECISIONS, st.randoms(use_true_random=False))
def test_the_laws_of_matching(
    held: list[dict[str, Any]], asked: list[dict[str, Any]], decided: list[Any], dice: random.Random
) -> None:
    charges, items, decisions = world(held, asked, decided)
    rows = to_rows(mapping.match_charges(charges, items, decisions))
    # None is lost or doubled, and they stay in order.
    assert [row["source"] for row in rows] == [f"c.csv!R{n}" for n in range(len(asked))]
    on_charge = {(row["contract_code"], row["price_code"]): row for row in to_rows(decisions)}
    for row in rows:
        decision = on_charge.get((row["contract_code"], row["price_code"]))
        # A decision is shown on its own key and on no other.
        assert row["decision"] == (decision and decision["decision"])
        types = mapping.RIGHT_TYPES[mapping.charge_kind(row)]
        equal = [
            f"80-{n}"
            for n, item in enumerate(held)
            if item["full_name"]
            and item["full_name"] == row["price_code"]
            and skeleton(row["price_code"])
            and item["left_at"] is None
            and item["is_active"] is not False
            and item["item_type"] in types
        ]
        if decision is None:
            # Exact if, and only if, exactly one usable item has that full name; nothing else is ever applied.
            assert (row["status"] == "exact") == (len(equal) == 1)
            assert row["item_list_id"] == (equal[0] if len(equal) == 1 else None)
            assert row["status"] in ("exact", "mismatch")
        elif row["status"] == "mapped" and decision["item_list_id"] is not None:
            assert row["item_list_id"] == decision["item_list_id"]
        assert (row["item_full_name"] is not None) == (row["status"] in ("exact", "mapped"))
        assert row["status"] == "mismatch" or row["suggestion"] is None
    # The order of the items does not matter.
    mixed = items.sample(frac=1, random_state=dice.randrange(1000))
    pd.testing.assert_frame_equal(
        mapping.match_charges(charges, mixed, decisions), mapping.match_charges(charges, items, decisions)
    )
