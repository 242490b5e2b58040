"""The register of rules: one function a rule, with its name, severity and sentence for the docs page.

A rule looks at one draft (a source row on its way to QuickBooks) in its context and yields problems. What a
problem means is the rule's to say: an ``error`` blocks the row and what depends on it, a ``warning`` does
not, ``left_out`` is no fault at all: the row stays behind with the problem's message as its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.tables import finding

SEVERITIES = ("error", "warning", "left_out")


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule found on one draft.

    Parameters
    ----------
    message : str
        What is wrong and what to do, for people.
    column : str, optional
        Column of the source table.
    value : object, optional
        The value as it stands.
    suggestion : str, optional
        A proposal, never applied by itself.
    table, key : str, optional
        Where it is, if not on the draft's own row: what is wrong with a setting or an item is said once,
        however many rows it blocks.
    source : str, optional
        Where that row came from: file, sheet, row.
    """

    message: str
    column: str | None = None
    value: object = None
    suggestion: str | None = None
    table: str | None = None
    key: str | None = None
    source: str | None = None


Check = Callable[[Any, Any], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One registered rule.

    Parameters
    ----------
    name : str
        snake_case; what findings and left-out rows carry.
    severity : {"error", "warning", "left_out"}
        What its problems mean.
    doc : str
        One sentence for the docs page.
    on : tuple of str
        Kinds of draft it looks at: customer, invoice, credit, payment, item.
    stage : {"row", "request", "sent"}
        Whether it judges the source row, the request made from it, or a row that was queued or sent before.
    waivable : bool
        Whether a person may let the row through.
    check : callable
        ``(context, draft) -> problems``.
    """

    name: str
    severity: str
    doc: str
    on: tuple[str, ...]
    stage: str
    waivable: bool
    check: Check


RULES: dict[str, Rule] = {}
"""Every rule by name, in the order in which they are asked."""


def rule(
    name: str, severity: str, doc: str, *, on: str, stage: str = "row", waivable: bool | None = None
) -> Callable[[Check], Check]:
    """Register the decorated function as the rule ``name``.

    Parameters
    ----------
    name, severity, doc, stage
        See :class:`Rule`.
    on : str
        Kinds of draft, separated by blanks.
    waivable : bool, optional
        A warning may be waived, all else may not, unless it is said here.

    Raises
    ------
    ValueError
        A name that is taken, or an unknown severity.
    """
    if severity not in SEVERITIES or name in RULES:
        raise ValueError(f"rule {name} ({severity}): the name is taken or the severity unknown")

    def register(check: Check) -> Check:
        may = severity == "warning" if waivable is None else waivable
        RULES[name] = Rule(name, severity, doc, tuple(on.split()), stage, may, check)
        return check

    return register


def problems(
    context: Any, draft: Any, *severities: str, stage: str = "row"
) -> Iterator[tuple[Rule, Problem]]:
    """Yield what the rules of these severities find on one draft, in the order of :data:`RULES`."""
    for each in _asked(draft.kind, stage, severities):
        for problem in each.check(context, draft):
            yield each, problem


_ASKED: dict[tuple[str, str, tuple[str, ...]], tuple[tuple[Rule, ...], list[Rule]]] = {}


def _asked(kind: str, stage: str, severities: tuple[str, ...]) -> list[Rule]:
    """Return the rules that look at a kind of draft at a stage: a plan asks that of each of its rows."""
    there, place = tuple(RULES.values()), (kind, stage, severities)
    known = _ASKED.get(place)
    if known is None or known[0] != there:  # a rule was registered since, or made anew
        known = (
            there,
            [
                each
                for each in there
                if each.severity in severities and each.stage == stage and kind in each.on
            ],
        )
        _ASKED[place] = known
    return known[1]


def as_finding(found: Rule, problem: Problem, draft: Any, source: str | None = None) -> dict[str, str | None]:
    """Return a problem as a row of ``findings``; ``source`` is where it stands, if not where its row does."""
    elsewhere = problem.table is not None
    return finding(
        # What stays behind for a choice is no fault, yet somebody has to look at it.
        "warning" if found.severity == "left_out" else found.severity,
        found.name,
        problem.message,
        table=problem.table if elsewhere else draft.table,
        key=problem.key if elsewhere else draft.source_key,
        column=problem.column,
        value=problem.value,
        suggestion=problem.suggestion,
        source=problem.source if elsewhere else source or draft.source,
    )
