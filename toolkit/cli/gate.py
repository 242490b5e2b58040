"""The commands of the gate: rules lists them all, waive lets a finding through."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, opened, person, typed
from toolkit.counted import counted
from toolkit.display import money, terminal_table
from toolkit.errors import UsageError
from toolkit.late import late
from toolkit.tables import from_rows, to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from toolkit import checks, checks_declared, checks_page, cutover, cutover_export
else:
    checks, checks_declared, checks_page = map(
        late, ("toolkit.checks", "toolkit.checks_declared", "toolkit.checks_page")
    )
    cutover, cutover_export, pd = map(late, ("toolkit.cutover", "toolkit.cutover_export", "pandas"))

_SHOWN = 50
_WAIVED = ("waived_by", "waived_at", "note")
_EVERY = {"customers": True, "invoices": True, "payments": True, "credits": True}


def rules(
    ctx: typer.Context,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the docs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List every rule that findings and left-out rows name.

    Each with its severity, whether it can be waived, and what to do about it.

    Example: toolkit rules
             toolkit rules --markdown > docs/rules.md
    """
    if markdown:
        typer.echo(checks_page.rules_page(), nl=False)
        return
    listed = list(checks_page.rule_rows())

    def show(console: Console) -> None:
        frame = pd.DataFrame(listed)
        headings = {"rule": "rule", "severity": "severity", "meaning": "what it says", "do": "what to do"}
        for step, part in frame.groupby("step", sort=False):
            console.print(terminal_table(part, headings, title=str(step), limit=len(part)))

    emit(ctx, as_json, {"rules": listed}, show)


def waive(
    ctx: typer.Context,
    finding_id: Annotated[
        str | None,
        typer.Argument(help="Its id, as the list without one has it.", show_default=False),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option("--rule", help="All findings of this rule, in place of one.", show_default=False),
    ] = None,
    containing: Annotated[
        str | None,
        typer.Option(
            "--containing", help="With --rule: only those whose message has this text.", show_default=False
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why it may pass.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take a waiver back.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a finding through, with who and why.

    Without an id, list what can be waived, and what was. With --rule, waive all findings that the rule has
    now, together: what QuickBooks rejected for one cause that was mended there, for example.

    A waived row passes the gate, and a waived warning rests, until the row changes: its customer, date,
    amount or lines. Who, when and why are kept for good. Some rules have no waiver: toolkit rules tells.

    Example: toolkit waive
             toolkit waive 3f2a9c1b7d40e586 --note "on no other"
             toolkit waive --rule rejected_before --containing 3260 --note "given"
    """
    _require_one_choice(finding_id, rule, containing)
    with opened(ctx, workspace) as ws:
        if rule is not None:
            _waive_rule(ctx, as_json, ws, (rule, containing), None if undo else note)
            return
        if finding_id is None:
            if note or undo:
                raise UsageError("waive which finding? `toolkit waive` lists their ids")
            _list(ctx, as_json, ws)
            return
        _waive_one(ctx, as_json, ws, finding_id, None if undo else note)


def _show_next(ctx: typer.Context, console: Console) -> None:
    following = typed(ctx, "toolkit export")
    console.print(f"Next: {following}, which asks the gate again", markup=False, soft_wrap=True)


# --- all findings of a rule ---------------------------------------------------------------------------------


def _require_one_choice(finding_id: str | None, rule: str | None, containing: str | None) -> None:
    if rule is not None and finding_id is not None:
        raise UsageError("either the id of a finding, or --rule for all findings of a rule")
    if containing is not None and rule is None:
        raise UsageError("--containing chooses among the findings of a rule: --rule RULE")
    if containing is not None and not containing.strip():
        raise UsageError("--containing needs a text; without it, --rule takes all findings of the rule")


def _waive_rule(
    ctx: typer.Context, as_json: bool, ws: Workspace, chosen: tuple[str, str | None], note: str | None
) -> None:
    """Waive what is chosen of a rule, or take the waivers back where there is no note."""
    found = _of_rule(ws, *chosen, undo=note is None)
    money_of = cutover_export.amounts(ws, found)
    told = _told(chosen[0], found, money_of)
    if note is not None and not note.strip():
        raise UsageError(f'{told}: a waiver needs its reason: --note "why"')
    who = person()
    if note is None:
        count = ws.ledger.withdraw_waivers(found["finding_id"], who)
    else:
        count = cutover.waive_all(ws, found, who, note)
    document = {
        **{"rule": chosen[0], "containing": chosen[1], "waived": note is not None, "who": who, "note": note},
        **{"count": len(found), "changed": count, "amounts": money_of},
        "findings": found[["finding_id", "table", "key", "message"]],
    }

    def show(console: Console) -> None:
        if note is None:
            said = f"{told}: no longer waived, the rule counts again."
            console.print(said, markup=False, soft_wrap=True)
            return
        console.print(f"Waived {told}: {note}", markup=False, soft_wrap=True)
        _show_next(ctx, console)

    emit(ctx, as_json, document, show)


def _of_rule(ws: Workspace, rule: str, containing: str | None, *, undo: bool) -> pd.DataFrame:
    """Return the findings of a rule that can be waived, or are, with a text in their message.

    Raises
    ------
    UsageError
        There is no such rule, it has no waiver, or nothing of it is found.
    """
    known = {*checks.RULES, *checks_declared.declared_names()}
    if rule not in known:
        near = difflib.get_close_matches(rule, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`toolkit rules` lists them"
        raise UsageError(f"there is no rule {rule}: {hint}")
    if not _may_be_waived({"rule": rule}):
        raise UsageError(f"rule {rule} has no waiver: `toolkit rules` says what to do about it")
    waived, pattern = ws.ledger.waivers(), _holding(containing)
    rows = [
        row
        for row in _found(ws)
        if row["rule"] == rule
        and (row["finding_id"] in waived if undo else row["severity"] != "info")
        and pattern.search(row["message"])
    ]
    if not rows:
        text = f" with {containing!r} in its message" if containing else ""
        raise UsageError(f"no finding of {rule}{text} {'is waived' if undo else 'can be waived'} now")
    return from_rows("findings", rows)


def _holding(containing: str | None) -> re.Pattern[str]:
    """Return what finds a text; a number at its end is a whole one: job 7 is not in job 71.

    >>> [bool(_holding("Job 7").search(text)) for text in ("in job 7, and", "in job 71, and")]
    [True, False]
    """
    text = (containing or "").strip()
    before, after = (r"(?<!\d)" * text[:1].isdigit(), r"(?!\d)" * text[-1:].isdigit())
    return re.compile(f"{before}{re.escape(text)}{after}", re.IGNORECASE)


def _told(rule: str, found: pd.DataFrame, money_of: Mapping[str, Decimal]) -> str:
    """Return how many findings of a rule there are, on rows of which tables, with how much money."""
    rows = found[["table", "key"]].drop_duplicates()["table"].value_counts()
    parts = [f"{count:,} of {table}" for table, count in rows.items()]
    parts += [f"{money(amount)} {currency}" for currency, amount in sorted(money_of.items())]
    return f"{counted(len(found), 'finding')} of {rule} ({', '.join(parts)})"


# --- one finding --------------------------------------------------------------------------------------------


def _waive_one(ctx: typer.Context, as_json: bool, ws: Workspace, finding_id: str, note: str | None) -> None:
    """Waive a finding, or take its waiver back where there is no note."""
    if note is None:
        if finding_id not in ws.ledger.waivers():
            raise UsageError(f"nothing to undo: finding {finding_id} is not waived")
        ws.ledger.withdraw_waiver(finding_id, person())
        document: dict[str, Any] = {"finding_id": finding_id, "waived": False, "who": person()}
    else:
        row = _waivable(ws, finding_id, note)
        new = cutover_export.waive(ws, row, person(), note)
        document = {"finding_id": finding_id, "waived": True, "new": new, "who": person(), "note": note}
        document |= {"rule": row["rule"], "table": row["table"], "key": row["key"]}

    def show(console: Console) -> None:
        if note is None:
            console.print(f"{finding_id} is no longer waived: the rule counts again.", markup=False)
            return
        said = "Waived" if document["new"] else "Was waived already"
        console.print(f"{said}: {row['rule']} on {row['table']} {row['key']}: {note}", markup=False)
        _show_next(ctx, console)

    emit(ctx, as_json, document, show)


def _waivable(ws: Workspace, finding_id: str, note: str) -> dict[str, Any]:
    """Return the finding of that id; ``UsageError`` where there is none, or its rule has no waiver."""
    if not note.strip():
        raise UsageError('a waiver needs its reason: --note "why"')
    row = next((row for row in _found(ws) if row["finding_id"] == finding_id), None)
    if row is None:
        raise UsageError(f"there is no finding {finding_id} now: `toolkit waive` lists what can be waived")
    if not _may_be_waived(row):
        raise UsageError(f"rule {row['rule']} has no waiver: {row['message']}")
    return row


def _may_be_waived(row: dict[str, Any]) -> bool:
    rule = checks.RULES.get(row["rule"])
    return rule is not None and rule.waivable


def _found(ws: Workspace) -> list[dict[str, Any]]:
    """Return what the gate finds now on everything after the cutover, sent or not."""
    cutover_date = ws.settings.cutover_date
    if cutover_date is None:
        raise UsageError("the gate needs the cutover date: toolkit set cutover_date 2025-12-31")
    after = cutover_date + dt.timedelta(days=1)
    return to_rows(cutover.plan_export(ws, start=after, end=dt.date.max, qbxml=False, **_EVERY).findings)


def _list(ctx: typer.Context, as_json: bool, ws: Workspace) -> None:
    waived = ws.read("ledger.waivers")
    # What is waived is information; a waiver whose row changed leaves its finding as it was.
    found = _found(ws)
    rows = [row for row in found if _may_be_waived(row) and row["severity"] != "info"]
    about = {row["finding_id"]: row for row in found}
    for name in ("rule", "key"):
        waived[name] = [about.get(each, {}).get(name) for each in waived["finding_id"]]

    def show(console: Console) -> None:
        headings = {name: name for name in ("finding_id", "rule", "key", "message")}
        if rows:
            frame = pd.DataFrame(rows)
            console.print(terminal_table(frame, headings, title="can be waived", limit=_SHOWN))
            if len(rows) > _SHOWN:
                together = typed(ctx, 'toolkit waive --rule RULE --note "why"')
                console.print(f"All of a rule together: {together}", markup=False, soft_wrap=True)
        else:
            console.print("Nothing that can be waived stands in the way.")
        if len(waived):
            shown = {name: name for name in ("finding_id", "rule", "key", *_WAIVED)}
            console.print(terminal_table(waived, shown, title="waived", limit=_SHOWN))

    emit(ctx, as_json, {"waivable": rows, "waived": waived}, show)
