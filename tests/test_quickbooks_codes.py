"""QuickBooks' codes in plain words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toolkit.quickbooks_codes import (
    HRESULTS,
    NOTHING_RAN,
    STATUSES,
    explain_hresult,
    explain_status,
    is_failure,
)


def told_of(cell: str) -> list[str]:
    """Return the codes of a cell: ``0x80040404–0409``, ``0x8004042A / 042C``, ``0x80010105, 0x80010108``."""
    codes: list[str] = []
    for part in re.split(r"\s*[,/]\s*", cell):
        ends = [one if one.startswith("0x") else f"0x8004{one}" for one in part.split("–")]
        numbers = range(int(ends[0], 16), int(ends[-1], 16) + 1)
        codes += [f"0x{number:08X}" for number in numbers]
    return codes


def test_every_hresult_of_the_protocol_has_a_sentence(shared: Path) -> None:
    protocol = (shared / "reference" / "PROTOCOL.md").read_text(encoding="utf-8")
    section = protocol.split("### 7.3")[1].split("\n### ")[0]
    cells = re.findall(r"^\| (0x[^|]*?) \|", section, re.MULTILINE)
    codes = [code for cell in cells for code in told_of(cell)]
    assert len(codes) > 40
    assert [code for code in codes if code not in HRESULTS] == []


@pytest.mark.parametrize("code", HRESULTS)
def test_every_hresult_says_what_happened_and_what_to_do(code: str) -> None:
    text = explain_hresult(code.lower(), "raw text")
    assert HRESULTS[code].meaning in text
    assert HRESULTS[code].remedy in text
    assert code in text
    assert "raw text" in text


def test_an_unknown_hresult_is_told_as_it_came_and_what_to_do() -> None:
    text = explain_hresult("0x8004FFFF", "odd")
    assert text.startswith("QuickBooks reported an error. Open QuickBooks and the company file, ")
    assert text.endswith("(0x8004FFFF). QuickBooks said: odd")
    assert "run the Web Connector again" in text


@pytest.mark.parametrize(
    ("response", "hresult", "message", "failed"),
    [
        ("<QBXML/>", "", "", False),
        (b"<QBXML/>", " 0x00000000 ", "a word", False),
        ("<QBXML/>", "0x80040400", "", True),
        ("<QBXML/>", "0", "", True),
        (b"", "0x00000000", "", True),
        (" \n", "", "no answer", True),
        (b"", "", " ", False),
    ],
)
def test_what_tells_of_a_failure(response: str | bytes, hresult: str, message: str, failed: bool) -> None:
    assert is_failure(response, hresult, message) is failed


def test_what_came_over_the_network_is_told_in_its_first_words() -> None:
    text = explain_hresult("0x80040414", "w" * 1_000_000)
    assert text.startswith("A dialog window is open in QuickBooks.")
    assert text.endswith("www...")
    assert len(text) < 1_200
    assert len(explain_hresult("x" * 1_000_000, "")) < 100
    assert explain_hresult("", "w" * 1_000) == "w" * 1_000


def test_only_a_refused_document_is_certain_not_to_have_run() -> None:
    assert set(NOTHING_RAN) == {"0x80040400", "0x80040423"}


def test_a_status_gives_quickbooks_own_words_first() -> None:
    text = explain_status(3100, 'The name "Acme" of the list element is already in use.')
    assert text.startswith('The name "Acme"')
    assert STATUSES[3100].remedy in text
    assert explain_status(3999, "") == "QuickBooks answered with status 3999."


def test_the_advice_on_a_status_is_told_once() -> None:
    once = explain_status(3100, 'The name "A" is already in use.')
    assert once.count("Choose another name") == 1
    looked_up = f"{once} Looked up: no customer has it."
    assert explain_status(3100, looked_up) == looked_up
