"""Rules on what the company's qbXML version lacks, and what the plan says about it beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft
from toolkit.checks_registry import Problem, rule
from toolkit.checks_rows import at_cell, known_fields
from toolkit.qbxml_io import Request
from toolkit.qbxml_versions import OLDEST, LeftOut, fit, has_all
from toolkit.tables import finding

LEFT_OUT = "left_out_by_version"
ASSUMED = "assumed_version"


@rule(
    "qbxml_version",
    "error",
    "A field that the company's qbXML version lacks is left out only where nothing is lost by it.",
    on="item customer invoice credit payment",
    stage="request",
)
def _qbxml_version(context: Context, draft: Draft) -> Iterator[Problem]:
    for operation in draft.operations:
        if has_all(operation.request, context.version):
            continue
        request = Request(operation.request, known_fields(operation))
        for found in fit(request, context.version).problems:
            message = f"{operation.request} {found.field}: {found.limit}"
            do = "post it by hand, or update QuickBooks"
            yield at_cell(context, draft, operation, found.field, message, found.value, do)


def left_out_by_version(drafts: Iterable[Draft], version: str) -> Iterator[dict[str, str | None]]:
    """Yield what documents will lose because the version lacks it, one finding a request and field.

    Parameters
    ----------
    drafts : iterable of Draft
        Those that are exported.
    version : str
        The qbXML version that the company's QuickBooks speaks.
    """
    lost: Counter[tuple[str, LeftOut]] = Counter()
    for draft in drafts:
        for operation in draft.operations:
            if has_all(operation.request, version):
                continue
            fitted = fit(Request(operation.request, operation.fields), version)
            lost.update((operation.request, field) for field in fitted.left_out)
    for (request, field), count in lost.items():
        message = (
            f"{count:,} {request} go without {field.field}, which qbXML {version} lacks (it is there since "
            f"{field.since}): {field.why}"
        )
        yield finding("info", LEFT_OUT, message, table="plan.operations", key=request, column=field.field)


def assumed_version(drafts: Iterable[Draft], version: str) -> Iterator[dict[str, str | None]]:
    """Yield one finding: the plan is for a version that nobody agreed on, and what the oldest would lose.

    Parameters
    ----------
    drafts : iterable of Draft
        Those that are exported; nothing is said where there are none.
    version : str
        The qbXML version that is assumed.
    """
    lost: Counter[str] = Counter()
    refused = count = 0
    for draft in drafts:
        for operation in draft.operations:
            fitted = fit(Request(operation.request, known_fields(operation)), OLDEST)
            lost.update(f"{operation.request} without {field.field}" for field in fitted.left_out)
            refused += bool(fitted.problems)
            count += 1
    if not count:
        return
    losses = [f"{number:,} {what}" for what, number in lost.items()]
    losses += [f"{refused:,} not at all"] if refused else []
    at_worst = f"would go: {', '.join(losses)}" if losses else "would lose nothing"
    message = (
        f"no session has agreed on a qbXML version yet, so {version} is assumed; at {OLDEST}, the oldest "
        f"that is spoken, the plan {at_worst}"
    )
    yield finding("info", ASSUMED, message, table="plan.operations")
