"""Every rule that a finding may carry is declared once, so that the page of rules has them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import toolkit
from toolkit.checks import OUTCOMES, RULES
from toolkit.checks_declared import DECLARED, declared_names

PACKAGE = Path(toolkit.__file__).parent
SEVERITIES = {"error", "warning", "info"}
SNAKE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
MAKERS = {"Problem": 0, "_Bad": 0, "_doubt": 0, "_told": 1, "_about": 1, "_on": 1}
"""Functions that take a rule without its severity before it: which argument it is."""

PASSED_ON = {
    # Where a rule is handed through, its name stands where it is made, which is seen by itself.
    "rule",
    "bad.rule",
    "idle.rule",
    "problem.rule",
    "found.name",
    "doc",  # a rule of the gate, registered in a loop
    "name",
    "message",
    "LEFT_OUT",
    "ASSUMED",
    "f'without_{rule}'",
    "f'{rule}_gone'",
    "f'{rule}_kept'",
}


def texts(node: ast.expr) -> list[str]:
    """Return the texts that an expression may be, or none."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return [*texts(node.body), *texts(node.orelse)]
    return []


def says_severity(node: ast.expr) -> bool:
    found = texts(node)
    if isinstance(node, ast.IfExp):
        return bool(found) and set(found) <= SEVERITIES
    return bool(set(found) & SEVERITIES) or (isinstance(node, ast.Name) and node.id == "severity")


def rules_in(source: str) -> Iterator[tuple[str, int]]:
    """Yield the names of rules that a module's findings carry, and what cannot be told as ``?``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call | ast.Tuple):
            row = node.args if isinstance(node, ast.Call) else node.elts
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if called == "rule":  # the decorator of the gate
                continue
            for one, other in pairwise(row):
                if not says_severity(one) or (texts(other) and set(texts(other)) <= SEVERITIES):
                    continue
                if not texts(other) and called not in ("finding", "find", "report", "_find", "_on"):
                    continue
                if not called and not any("_" in text for text in texts(other)):
                    continue  # a tuple of other words
                names = texts(other) or ([] if ast.unparse(other) in PASSED_ON else ["?"])
                yield from ((name, node.lineno) for name in names)
            place = MAKERS.get(called)
            if place is not None and len(row) > place and not any(map(says_severity, row)):
                # Others have functions of these names too, for single words.
                yield from (
                    (name, node.lineno) for name in texts(row[place]) if "_" in name or called == "Problem"
                )
        elif isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == ["rule"]:
            yield from ((name, node.lineno) for name in texts(node.value))


def test_every_rule_that_a_finding_carries_is_declared() -> None:
    known = {*RULES, *declared_names(), *OUTCOMES, "left_out", "held"}
    strange = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "event_log.py":
            continue
        for name, line in rules_in(path.read_text(encoding="utf-8")):
            if name not in known and (name == "?" or SNAKE.fullmatch(name)):
                strange.append(f"{path.relative_to(PACKAGE)}:{line}: {name}")
    assert not strange, "declare them in checks_declared.tsv:\n" + "\n".join(strange)


def test_what_is_declared_is_found_somewhere() -> None:
    """A rule that nobody makes any more has no place on the page."""
    every = "\n".join(
        path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if path.name != "checks_declared.py"
    )
    composed = re.compile(r"without_\w+|(lines|links|applications)_(gone|kept)")
    assert not [
        name for name in declared_names() if f'"{name}"' not in every and not composed.fullmatch(name)
    ]


def test_what_is_declared_says_what_it_is_and_what_to_do() -> None:
    for step, rules in DECLARED.items():
        names = [each.name for each in rules]
        assert names and len(names) == len(set(names)), step
        for each in rules:
            assert set(each.severities) <= SEVERITIES and each.severities, each
            assert each.doc.endswith(".") and each.do.endswith((".", "it.")), each


def test_an_undeclared_rule_is_seen() -> None:
    made = 'finding("error", "brand_new", "message")\nself._find(severity, "quite_new", "x")'
    assert [name for name, _ in rules_in(made)] == ["brand_new", "quite_new"]
    assert [name for name, _ in rules_in('finding("error", somewhere(), "message")')] == ["?"]
    others = '_Bad("odd_cell", "x")\nrule = "a_b" if x else "c_d"'
    assert {name for name, _ in rules_in(others)} == {"odd_cell", "a_b", "c_d"}
