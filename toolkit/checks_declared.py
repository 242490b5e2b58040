"""The findings of all other steps, declared: what their rules are called, how grave they are, what they mean.

The gate's own rules are functions (:mod:`toolkit.checks_registry`). Loading, landing, matching, workbooks,
corrections and the carry-forward find things as they go; so that nobody meets a rule that is nowhere
explained, each of their rules is declared here, and a test finds every one that is not.

>>> DECLARED["Loading BluBilling's files"][0].name
'table_twice'
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DECLARED", "GATE", "REMEDIES", "Declared", "declared_names"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One rule of a step other than the gate.

    Parameters
    ----------
    name : str
        What its findings carry.
    severities : tuple of str
        Of error, warning and info, which they may have.
    doc : str
        One sentence: what it means, or what is wrong.
    do : str
        What to do about it.
    """

    name: str
    severities: tuple[str, ...]
    doc: str
    do: str


GATE = "The gate"
"""The step whose rules are functions: of those only what to do about them stands in the file."""


def _read() -> dict[str, tuple[Declared, ...]]:
    text = Path(__file__).with_name("checks_declared.tsv").read_text(encoding="utf-8")
    steps: dict[str, list[Declared]] = {}
    for line in text.splitlines()[1:]:
        step, name, severities, doc, do = line.split("\t")
        steps.setdefault(step, []).append(Declared(name, tuple(severities.split()), doc, do))
    return {step: tuple(rules) for step, rules in steps.items()}


_ROWS = _read()

DECLARED: dict[str, tuple[Declared, ...]] = {step: rules for step, rules in _ROWS.items() if step != GATE}
"""The rules of each step, in the order of a cutover. They stand in ``checks_declared.tsv``, a row a rule."""

REMEDIES: dict[str, str] = {each.name: each.do for each in _ROWS[GATE]}
"""What to do about each rule of the gate, by its name."""


def declared_names() -> set[str]:
    """Return every name that is declared for a step other than the gate."""
    return {each.name for rules in DECLARED.values() for each in rules}
