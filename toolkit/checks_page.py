"""The page of all rules, made from the code: as rows, and as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.checks import OUTCOMES, RULES
from toolkit.checks_declared import DECLARED, GATE, REMEDIES

__all__ = ["rule_rows", "rules_page"]

_HEAD = """# Rules

Every finding and every row that stays behind names one of these rules. This page is made by
`toolkit rules --markdown`, and a test holds it equal to the code.

An **error** blocks its row and what depends on it, and nothing else. A **warning** blocks nothing. **info**
is for the record. A row that is **left out** is not at fault: it stays behind with a reason. A rule that can
be waived lets a row through, or a warning rest, once a person says so with a reason:
`toolkit waive FINDING_ID --note "why"`, or all findings of a rule together with `--rule RULE` in place of the
id. The waiver lapses when the row changes.
"""


def rule_rows() -> Iterator[dict[str, str | bool]]:
    """Yield every rule: ``step, rule, severity, meaning, on, waivable, do``; the gate's come first."""
    for each in RULES.values():
        yield {
            "step": GATE,
            "rule": each.name,
            "severity": each.severity,
            "meaning": each.doc,
            "on": ", ".join(each.on),
            "waivable": each.waivable,
            "do": REMEDIES.get(each.name, ""),
        }
    for name, doc in OUTCOMES.items():
        yield _other(GATE, name, "left_out", doc, "")
    for step, rules in DECLARED.items():
        for rule in rules:
            yield _other(step, rule.name, ", ".join(rule.severities), rule.doc, rule.do)


def _other(step: str, name: str, severity: str, doc: str, do: str) -> dict[str, str | bool]:
    row: dict[str, str | bool] = {"step": step, "rule": name, "severity": severity, "meaning": doc}
    return row | {"on": "", "waivable": False, "do": do}


def rules_page() -> str:
    """Return the page as Markdown, a table a step."""
    parts, step = [_HEAD], ""
    for row in rule_rows():
        if row["step"] != step:
            step = str(row["step"])
            parts.append(f"\n## {step}\n\n{_line(_HEADINGS)}\n{_line(dict.fromkeys(_HEADINGS, '---'))}\n")
        shown = {
            **row,
            "rule": f"`{row['rule']}`",
            "severity": str(row["severity"]).replace("_", " "),
            "waivable": "yes" if row["waivable"] else "",
        }
        parts.append(_line(shown) + "\n")
    return "".join(parts)


_HEADINGS = {
    "rule": "rule",
    "severity": "severity",
    "on": "on",
    "waivable": "can be waived",
    "meaning": "what it says",
    "do": "what to do",
}


def _line(cells: Mapping[str, str | bool]) -> str:
    """Return a row of a Markdown table; a bar in a text would end its cell."""
    texts = (str(cells[name]).replace("|", "\\|") for name in _HEADINGS)
    return f"| {' | '.join(texts)} |".replace("|  |", "| |")
