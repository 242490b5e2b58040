"""What is approved goes only as long as it says what would be planned today.

Between its planning and its approval BluBilling may have been loaded again, a correction overtaken, a waiver
or a decision withdrawn. So a draft is planned anew with its own operations taken out of what is under way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit import transform
from toolkit.corrections_effective import effective_tables
from toolkit.errors import UsageError
from toolkit.ledger import Job, Ledger
from toolkit.ledger_records import ENDED_ATTEMPTS
from toolkit.qbxml_versions import LATEST
from toolkit.references import settled, texts
from toolkit.settings import Settings
from toolkit.tables import from_rows, to_rows
from toolkit.transform_plan import SWITCHES, switches_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["changed_since", "require_current", "require_unchanged"]

Row = Mapping[str, Any]
Frames = Mapping[str, "pd.DataFrame"]

_TOLD = 10
_COMPARED = ("account_number", "txn_date", "ref_number", "amount", "currency")


def require_unchanged(ledger: Ledger, settings: Settings, tables: Frames, jobs: Sequence[int]) -> None:
    """Raise ``UsageError`` with the rows that changed since one of the drafts was planned."""
    for job in jobs:
        if found := changed_since(ledger, settings, tables, job):
            raise UsageError(
                f"job {job} is {_not_today(found)}. Cancel it and export again: toolkit cancel {job}"
            )


def require_current(ledger: Ledger, settings: Settings, tables: Frames, plan: transform.Plan) -> None:
    """Raise ``UsageError`` with the rows that changed since a plan was made, of those it would queue."""
    standing = {row["key"]: row["status"] for row in to_rows(ledger.operations())}
    mine = [
        row
        for row in to_rows(plan.operations)
        if row["source_table"] and standing.get(row["key"], ENDED_ATTEMPTS[0]) in ENDED_ATTEMPTS
    ]
    options = _span(plan.start, plan.end) | dict.fromkeys(plan.switches, True)
    if mine and (found := _changes(ledger, settings, effective_tables(tables), mine, options)):
        raise UsageError(f"the plan is {_not_today(found)}. Plan it again; nothing was queued")


def _not_today(found: Sequence[str]) -> str:
    more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return (
        f"not what would be planned today, {len(found):,} of its rows changed since: "
        f"{'; '.join(found[:_TOLD])}{more}"
    )


def changed_since(ledger: Ledger, settings: Settings, tables: Frames, job: int) -> list[str]:
    """Return what of a draft would not be planned so today, in words: one text an operation, in its order.

    Only what is sent is compared, and the row it was made from. An operation without a source row or that was
    skipped, and a job that is no draft, are passed over.

    Parameters
    ----------
    ledger : Ledger
        Of the workspace.
    settings, tables
        As :func:`toolkit.transform.plan_export` takes them; ``mapping.corrections`` are not applied yet.
    job : int
        Its number.
    """
    draft = ledger.job(job)
    mine = [
        row for row in to_rows(ledger.operations(job)) if row["source_table"] and row["status"] == "pending"
    ]
    if draft.status != "draft" or draft.is_import or not mine:
        return []
    rule = settings["number_rule"]
    counted = rule.startswith("counter:") and draft.meta.get("number_rule", rule) == rule
    behind = ledger.rejected_before([row["key"] for row in mine])
    undone = _undone(tables, mine, to_rows(behind), counted)
    effective = effective_tables(tables, {"ledger.operations": undone})
    return _changes(ledger, settings, effective, mine, _options(draft, mine))


def _undone(tables: Frames, mine: Sequence[Row], behind: Sequence[Row], counted: bool) -> pd.DataFrame:
    """Return ``ledger.operations`` as if a draft's own had been undone, each with the number that is its own.

    That is one that QuickBooks had, and lost with the document; and, where numbers are counted as they were,
    one that the counter gave. All others are given anew, by the decisions and the rule of today.

    What stands ``behind``, rejected before the draft, stands beside it: it goes again as it was only as long
    as that is waived.
    """
    own = {row["key"] for row in mine}
    said = to_rows(tables["ledger.decisions"])
    had = {row["key"] for row in said if row["table"] == "releases"}
    standing = {f"{row['record_kind']}:{row['number']}" for row in to_rows(tables["mapping.numbers"])}
    decided = {
        (row["key"].replace(" / ", ":", 1), json.loads(row["facts"]).get("ref_number") or row["decision"])
        for row in said
        if row["table"] == "mapping.numbers" and row["facts"]
    }
    operations = list(behind)  # first, for of two with one key the last one counts: the one undone
    for row in to_rows(tables["ledger.operations"]):
        if row["key"] in own:
            key, number = row["key"], row["ref_number"]
            given = counted and key not in standing and (key, number) not in decided
            row |= {"status": "undone", "ref_number": number if key in had or given else None}
        operations.append(row)
    return from_rows("ledger.operations", operations)


def _changes(
    ledger: Ledger,
    settings: Settings,
    effective: tuple[Frames, pd.DataFrame],
    mine: Sequence[Row],
    options: Mapping[str, Any],
) -> list[str]:
    """Return in words what differs of operations and the same ones as they would be planned today."""
    tables, corrections = effective
    agreed = ledger.agreed_version()
    plan = transform.plan_export(
        tables, settings, **options, version=agreed or LATEST, assumed=agreed is None, qbxml=False
    )
    told: dict[tuple[str, str], list[str]] = {}
    for row in to_rows(corrections):
        if row["severity"] == "warning":
            told.setdefault((str(row["table"]), str(row["key"])), []).append(str(row["message"]))
    today = {row["key"]: row for row in to_rows(plan.operations)}
    kept = {(row["source_table"], row["source_key"]): row for row in to_rows(plan.left_out)}
    ids = _ids(ledger)
    found = []
    for one in mine:
        place = (one["source_table"], one["source_key"])
        now = today.get(one["key"])
        differs = _differences(one, now, ids) if now else _gone(kept.get(place))
        if differs:
            found.append(f"{one['key']}: {', '.join([differs, *told.get(place, ())])}")
    return found


def _options(draft: Job, mine: Sequence[Row]) -> dict[str, Any]:
    """Return the range and switches that a draft was planned with; a corrected job has none of its own."""
    chosen = [name for name in draft.meta.get("switches") or () if name in SWITCHES]
    first, last = draft.meta.get("start"), draft.meta.get("end")
    if not chosen:
        chosen, last = switches_of(mine, {row["key"] for row in mine}), None
    return _span(first, last) | dict.fromkeys(chosen, True)


def _span(first: Any, last: Any) -> dict[str, Any]:
    return {"start": first, "end": last} if first and last else {"new": True}


def _ids(ledger: Ledger) -> dict[str, str]:
    """Return the id of every operation that was applied: what referred to it by key has it by now."""
    return {
        row["key"]: row["list_id"] or row["txn_id"]
        for row in to_rows(ledger.operations())
        if row["status"] == "applied" and (row["list_id"] or row["txn_id"])
    }


def _differences(row: Row, now: Row, ids: Mapping[str, str]) -> str | None:
    """Return in words what differs of an operation and the same one as it is planned today."""
    if row["request"] != now["request"]:
        return f"it was a {row['request']} and is a {now['request']} now"
    old, new = (settled(json.loads(one["fields"]), ids) for one in (row, now))
    before, after = dict(texts(old)), dict(texts(new))
    found = [
        f"{path} {before.get(path, 'none')!s} is {after.get(path, 'none')!s} now"
        for path in dict.fromkeys([*before, *after])
        if before.get(path) != after.get(path)
    ]
    if not found and old != new:
        found = ["its request is another one now"]
    found = found or [
        f"{name} {row[name]} is {now[name]} now" for name in _COMPARED if row[name] != now[name]
    ]
    return ", ".join(found[:3]) if found else None


def _gone(left: Row | None) -> str:
    if left is None:
        return "BluBilling has no such row in the range any more, or it became something else"
    return f"stays behind now, {left['rule']}: {left['reason']}"
