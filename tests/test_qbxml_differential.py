"""Our reader against a plain walk written only for the tests: over the corpus and over generated answers.

`qbxml_walk` looks up each declared column of each record in a whole lxml tree; `qbxml_documents` draws the
answers. Both are driven by the declarations, so a column is under test from the day that it is declared.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qbxml_documents import KEPT, ODDITIES, document, plain_record, seeded, spec_rets
from qbxml_walk import (
    ABOUT_THE_TEXT,
    Answer,
    RefusedError,
    answered,
    differences,
    outcome,
    repair,
    walk,
)

import toolkit
from toolkit.columns import IMPORTED, LEFT_AT
from toolkit.errors import QbxmlParseError
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

FAST = range(200)
SLOW = range(200, 3_000)
FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus"
CORPUS = sorted(path for path in FOLDER.glob("*/*.xml") if path.parent.name != "requests")
MADE_LATER = {column.name for column in (*IMPORTED, LEFT_AT)}


class Dripping(BytesIO):
    """A stream that gives less than it is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.size)


def ours(data: bytes, *, batch_rows: int = 10_000, size: int = 0) -> Answer | None:
    stream = Dripping(data, size) if size else BytesIO(data)
    return outcome(lambda: answered(stream, batch_rows=batch_rows), QbxmlParseError)


def plain(data: bytes) -> Answer | None:
    return outcome(lambda: walk(data), RefusedError)


@cache
def drawn(seed: int) -> tuple[bytes, Answer | None]:
    """Return a generated answer and what the plain walk makes of it."""
    data = seeded(seed).encode()
    return data, plain(data)


# --- over documents -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_real_answers_read_as_the_plain_walk_reads_them(path: Path) -> None:
    data = path.read_bytes()
    wanted = plain(data)
    assert wanted is not None
    assert differences(ours(data), wanted) == []


@pytest.mark.parametrize("block", range(0, len(FAST), 25))
def test_generated_answers_read_as_the_plain_walk_reads_them(block: int) -> None:
    for seed in FAST[block : block + 25]:
        data, wanted = drawn(seed)
        assert (seed, differences(ours(data), wanted)) == (seed, [])


@pytest.mark.slow
@pytest.mark.parametrize("block", range(0, len(SLOW), 250))
def test_many_generated_answers(block: int) -> None:
    for seed in SLOW[block : block + 250]:
        data = seeded(seed, responses=5, records=8).encode()
        assert (seed, differences(ours(data), plain(data))) == (seed, [])


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False), st.sets(st.sampled_from(ODDITIES)))
def test_whatever_is_drawn_reads_as_the_plain_walk_reads_it(rng: Random, odd: set[str]) -> None:
    data = document(rng, odd=frozenset(odd), responses=2, records=2).encode()
    assert differences(ours(data), plain(data)) == []


@pytest.mark.parametrize("oddity", ODDITIES)
def test_each_oddity_by_itself(oddity: str) -> None:
    for seed in range(12):
        data = document(Random(seed), odd=frozenset([oddity])).encode()
        wanted = plain(data)
        assert wanted is not None or oddity == "cdata", seed
        assert (seed, differences(ours(data), wanted)) == (seed, [])


# --- the net has no holes -----------------------------------------------------------------------------------


def test_the_generated_answers_fill_every_declared_column_and_break_every_rule() -> None:
    empty = {
        (table.name, column.name)
        for table in QUICKBOOKS_TABLES
        for column in table.columns
        if column.name not in MADE_LATER
    }
    rules: Counter[str | None] = Counter()
    repaired: set[str] = set()
    counts = Counter[bool]()
    whole = [plain(plain_record(tag, seed).encode()) for tag in KEPT for seed in range(3)]
    for found in [*(drawn(seed)[1] for seed in FAST), *whole]:
        counts[found is None] += 1
        if found is None:
            continue
        repaired |= found.repaired
        rules.update(one[0] for one in found.problems)
        for response in found.responses:
            for table, rows in response.rows.items():
                for row in rows:
                    empty -= {(table, name) for name, value in row.items() if value is not None}
    assert empty == set()
    assert rules.keys() == {"bad_value", "missing_key", "missing_status_code"}
    assert repaired == {"control_characters"}  # bytes of Windows-1252: see the encodings below
    assert counts[True] < len(FAST) / 20, "too many documents that are not well formed prove little"


@pytest.mark.parametrize("tag", sorted(KEPT))
def test_a_record_with_everything_leaves_no_declared_place_empty(tag: str) -> None:
    table = KEPT[tag]
    data = plain_record(tag, 1).encode()
    found = ours(data)
    assert found is not None
    assert differences(found, plain(data)) == []
    (rows,) = [rows for name, rows in found.responses[0].rows.items() if name == table.name]
    places = {"/".join(path) for path in _paths(tag)}
    for column in table.columns:
        if places & set(column.source.split("|")):
            assert rows[0][column.name] is not None, column.name
    assert not found.problems
    assert not found.repaired


def _paths(tag: str) -> list[tuple[str, ...]]:
    """Return the places in a Ret where the plain record has a value."""
    from lxml import etree

    record = etree.fromstring(plain_record(tag, 1).encode()).find(f".//{tag}")
    assert record is not None
    found = []
    for element in record.iter():
        above = [str(one.tag) for one in element.iterancestors()]
        if not len(element) and element.text:
            found.append((*reversed(above[: above.index(tag)]), str(element.tag)))
    return found


def test_every_ret_that_we_keep_is_in_the_spec() -> None:
    assert KEPT.keys() <= spec_rets().keys()
    assert len(spec_rets()) > len(KEPT), "some are of no table"


def test_the_walk_sees_a_difference() -> None:
    """One thing in a document is broken at a time: the walk of the whole one is no longer ours."""
    whole = plain_record("InvoiceRet", 3)
    wanted = plain(whole.encode())
    for old, new in (
        ("</Memo>", "x</Memo>"),
        ("<InvoiceLineRet><TxnLineID>", "<InvoiceLineRet><TxnLineID>1"),
        ("<Amount>", "<Amount>x"),
        ("<InvoiceLineGroupRet>", "<InvoiceLineGroup>"),
        ('statusCode="0"', 'statusCode="1"'),
        ("<DataExtValue>", "<DataExtVal><DataExtValue>"),
    ):
        assert old in whole
        broken = whole.replace(old, new, 1)
        if old == "<InvoiceLineGroupRet>":
            broken = broken.replace("</InvoiceLineGroupRet>", "</InvoiceLineGroup>", 1)
        broken = (
            broken.replace("</DataExtValue>", "</DataExtValue></DataExtVal>", 1)
            if "ExtVal" in old
            else broken
        )
        found = ours(broken.encode())
        assert found is not None, old
        assert differences(found, wanted), old
        assert differences(found, plain(broken.encode())) == [], old


# --- what must not matter -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_size_of_the_reads_does_not_matter(size: int) -> None:
    for seed in range(6 if size == 1 else 20):
        data = seeded(seed, responses=2, records=2).encode()
        assert (seed, differences(ours(data, size=size), ours(data))) == (seed, [])


@pytest.mark.parametrize("batch_rows", [1, 3])
def test_the_size_of_a_batch_does_not_matter(batch_rows: int) -> None:
    for seed in range(10):
        data = seeded(seed, records=8).encode()
        assert (seed, differences(ours(data, batch_rows=batch_rows), ours(data))) == (seed, [])


def _sizes() -> list[tuple[str, str]]:
    """Return the constants that say how much the reader takes at a time, wherever they stand."""
    found = []
    for one in pkgutil.iter_modules(toolkit.__path__, "toolkit."):
        if one.name.startswith("toolkit.qbxml_"):
            for name, value in vars(importlib.import_module(one.name)).items():
                if re.fullmatch(r"_?(BLOCK|CHUNK|PIECE)(_[A-Z]+)*", name) and type(value) is int:
                    found.append((one.name, name))
    return found


@pytest.mark.parametrize("size", [16, 100, 1_000, 65_536])
def test_the_size_of_the_readers_pieces_does_not_matter(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {seed: plain(seeded(seed, responses=2).encode()) for seed in range(20)}
    assert _sizes(), "the reader has no constant left that this test knows"
    for module, name in _sizes():
        monkeypatch.setattr(importlib.import_module(module), name, size)
    for seed, answer in wanted.items():
        assert (seed, differences(ours(seeded(seed, responses=2).encode()), answer)) == (seed, [])


@pytest.mark.parametrize("seed", range(2))
def test_a_record_may_be_larger_than_a_piece(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = document(Random(seed), big=400_000).encode()
    wanted = plain(data)
    assert differences(ours(data), wanted) == []
    for module, name in _sizes():
        monkeypatch.setattr(importlib.import_module(module), name, 10_000)
    assert differences(ours(data), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_record_may_be_of_many_megabytes(seed: int) -> None:
    data = document(Random(seed + 10), big=7_000_000).encode()
    assert differences(ours(data), plain(data)) == []


def test_line_ends_do_not_matter() -> None:
    for seed in range(25):
        text = seeded(seed).replace("\r\n", "\n")
        wanted = ours(text.encode())
        for end in ("\r\n", "\r"):
            assert (seed, differences(ours(text.replace("\n", end).encode()), wanted)) == (seed, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_does_not_matter(encoding: str) -> None:
    for seed in range(20):
        text = document(
            Random(seed), odd=frozenset({"foreign", "escapes", "comments", "attributes"})
        ).lstrip()
        wanted = plain(text.encode())
        assert wanted is not None
        for size in (0, 1, 3) if seed < 3 else (0,):
            assert (seed, differences(ours(text.encode(encoding), size=size), wanted)) == (seed, [])


def test_a_wrong_encoding_in_the_declaration_does_not_matter() -> None:
    for seed in range(20):
        body = document(Random(seed), odd=frozenset({"foreign"})).partition("<QBXML>")[2]
        wanted = plain(f"<QBXML>{body}".encode())
        for encoding in ("utf-16", "ISO-8859-1", "windows-1252", "no-such-encoding", "UTF-8"):
            data = f'<?xml version="1.0" encoding="{encoding}"?><QBXML>{body}'.encode()
            assert (seed, differences(ours(data), wanted)) == (seed, [])


def test_bytes_of_windows_1252_read_as_the_plain_walk_reads_them() -> None:
    told = set()
    for seed in range(20):
        data = document(Random(seed), odd=frozenset({"foreign", "escapes"})).encode(
            "cp1252", "xmlcharrefreplace"
        )
        for size in (0, 1) if seed < 3 else (0,):
            found = ours(data, size=size)
            assert (seed, differences(found, plain(data))) == (seed, [])
            told |= found.repaired if found else set()
    assert told == {"not_utf8"}


def test_what_is_put_right_stays_right() -> None:
    """A repaired document, read again, needs no repair and gives the same rows."""
    for seed in FAST[:80]:
        data, _ = drawn(seed)
        clean, _ = repair(data)
        first, second = ours(data), ours(clean.encode())
        if first is None or second is None:
            assert first is second
            continue
        assert second.repaired.isdisjoint(ABOUT_THE_TEXT), seed
        first.repaired = second.repaired
        assert (seed, differences(second, first)) == (seed, [])
