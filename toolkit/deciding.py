"""Decisions in one line, from a notebook or a script: judged as the workbook's are, and kept the same way.

Each call takes the key of one thing and what it is to be, and returns its row as it is then matched. What
cannot be taken raises :class:`~toolkit.errors.UsageError`, which says what to do, and changes nothing.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from toolkit import correcting
from toolkit.corrections import CORRECTIONS
from toolkit.cutover_mapping import frames, match
from toolkit.errors import UsageError
from toolkit.mapping import NEW
from toolkit.person import person
from toolkit.tables import conform, from_rows, to_rows
from toolkit.workbook_choices import Choices
from toolkit.workbook_sheets import SHEETS, Sheet, standing_entry
from toolkit.workspace import Workspace

__all__ = ["accept", "correct", "decide", "decide_new", "decide_rows", "history", "undo"]

Key = str | Sequence[str | None]
_SHEETS: Mapping[str, Sheet] = {sheet.match: sheet for sheet in SHEETS}


def decide(
    ws: Workspace,
    what: str,
    key: Key,
    choice: str,
    note: str | None = None,
    *,
    new_name: str | None = None,
    deposit_account: str | None = None,
    who: str | None = None,
) -> pd.DataFrame:
    """Decide on one thing, and return its row as it is matched now.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    what : str
        ``charges``, ``customers``, ``taxes``, ``payment_methods``, ``terms``, ``adjustments``, ``numbers``.
    key : str or sequence of str
        Of one row: ``("WEB-HOSTING", "hosting:enterprise")`` is a plan and a price code, ``"A-1001"`` an
        account number.
    choice : str
        The full name in QuickBooks, exactly; ``(new)`` for a customer to be created, ``(none)`` to leave one
        out, ``(by hand)`` for an adjustment; of a number the RefNumber itself.
    note : str, optional
        Why.
    new_name : str, optional
        Name of a customer to be created, where it is not ours.
    deposit_account : str, optional
        Full name of the account that payments of a method go to.
    who : str, optional
        The person who decides; whoever is at the keyboard where it is not given.

    Returns
    -------
    pandas.DataFrame
        One row of ``match.<what>``.

    Raises
    ------
    UsageError
        There is no such thing, or the choice cannot be taken. Nothing is changed.

    Examples
    --------
    ``decide(ws, "charges", ("WEB-HOSTING", "hosting:enterprise"), "Hosting:Enterprise", note="agreed")``
    """
    if not choice:
        raise UsageError(f"choose a full name; to take a decision back: undo(ws, {what!r}, ...)")
    entry = {"decision": choice, "note": note, "new_name": new_name, "deposit_account": deposit_account}
    return _decide(ws, what, [(key, entry)], who)


def decide_rows(ws: Workspace, what: str, frame: pd.DataFrame, *, who: str | None = None) -> pd.DataFrame:
    """Decide on many things at once, all or none, and return their rows as they are matched now.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    what : str
        As :func:`decide` takes it.
    frame : pandas.DataFrame
        One row a decision: the key columns, ``decision``, and ``note``, ``new_name`` or ``deposit_account``
        where there is one.
    who : str, optional
        The person who decides.

    Raises
    ------
    UsageError
        A column is missing, or a row cannot be taken: each is told. Nothing is changed.
    """
    sheet = _sheet(what)
    missing = [name for name in (*sheet.key, "decision") if name not in frame.columns]
    if missing:
        raise UsageError(f"the frame lacks the columns {', '.join(missing)}")
    names = ("decision", "note", "new_name", "deposit_account")
    entries = [
        (tuple(row[name] for name in sheet.key), {name: row.get(name) for name in names})
        for row in to_rows(frame)
        if row["decision"] is not None
    ]
    return _decide(ws, what, entries, who)


def decide_new(
    ws: Workspace, chosen: pd.Series[bool] | Iterable[str], note: str | None = None, *, who: str | None = None
) -> pd.DataFrame:
    """Decide that many customers are new in QuickBooks, all or none; return their rows.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    chosen : pandas.Series of bool, or iterable of str
        A mask over ``cutover.match(ws).customers``, for example ``customers.reason == "unknown"``, or account
        numbers.
    note : str, optional
        Why.
    who : str, optional
        The person who decides.

    Raises
    ------
    UsageError
        The mask fits no such frame, nobody is chosen, or one of them cannot be new. Nothing is changed.
    """
    accounts = list(_accounts(ws, chosen))
    if not accounts:
        raise UsageError("no customer is chosen: the mask is false on every row")
    return _decide(ws, "customers", [(one, {"decision": NEW, "note": note}) for one in accounts], who)


def undo(
    ws: Workspace, what: str, key: Key, note: str | None = None, *, who: str | None = None
) -> pd.DataFrame:
    """Take a decision back; return the row with its candidates as they are again. Its history is kept.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    what : str
        As :func:`decide` takes it, or ``corrections``: then BluBilling's own value counts again, and the
        corrections that still stand on the row are returned.
    key : str or sequence of str
        Of one row; of a correction table, key and column.
    note : str, optional
        Why.
    who : str, optional
        The person who decides.

    Raises
    ------
    UsageError
        There is no such thing, or no decision on it stands.
    """
    if what == "corrections":
        return _correct(ws, [str(part) for part in _parts(key)], None, note, who)
    return _decide(ws, what, [(key, {"decision": None, "note": note})], who)


def history(ws: Workspace, what: str, key: Key | None = None) -> pd.DataFrame:
    """Return every decision ever made, oldest first: when, who, what, why; taken back is a missing decision.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    what : str
        As :func:`decide` takes it, or ``corrections``.
    key : str or sequence of str, optional
        Of one thing only.

    Returns
    -------
    pandas.DataFrame
        ``ledger.decisions``, oldest first.
    """
    tables = {CORRECTIONS} if what == "corrections" else _tables(_sheet(what))
    kept = ws.ledger.decision_rows()
    mine = kept["table"].isin(tables)
    if key is not None:
        # As the ledger writes a key: without the nulls that it begins with.
        parts = list(itertools.dropwhile(lambda part: part is None, _parts(key)))
        mine &= kept["key"] == " / ".join("" if part is None else part for part in parts)
    return conform(kept[mine], "ledger.decisions")


def correct(
    ws: Workspace, cell: Sequence[str], value: str, note: str | None = None, *, who: str | None = None
) -> pd.DataFrame:
    """Correct one value of a row of BluBilling's, before it is sent; return the corrections that stand on it.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    cell : (str, str, str)
        Table, key and column: ``("billing.customers", "A-1001", "bill_street1")``.
    value : str
        The text that counts: dates like 2026-01-31, numbers with a point, ``(empty)`` for no value.
    note : str
        Why. No correction is kept without; only of a cell that was corrected before, and for the same reason,
        may it be left out.
    who : str, optional
        The person who corrects.

    Raises
    ------
    UsageError
        It has no reason, does not fit, or the gate does not take it either. Nothing is changed.
    """
    return _correct(ws, cell, value, note, who)


def accept(
    ws: Workspace, proposals: pd.DataFrame, note: str | None = None, *, who: str | None = None
) -> pd.DataFrame:
    """Accept the proposals of many cells at once, each judged by itself, and return what was found.

    Parameters
    ----------
    ws : Workspace
        The workspace.
    proposals : pandas.DataFrame
        Rows of ``correcting.proposals(ws).proposals``, filtered to those that are right; one without a
        proposal is passed over.
    note : str
        Why, for all of them; as for :func:`correct`.
    who : str, optional
        The person who corrects.

    Returns
    -------
    pandas.DataFrame
        ``findings``: an error on each that was not kept, and what still stops the rows.

    Raises
    ------
    UsageError
        Not one of the rows has a proposal.
    """
    rows = [row for row in to_rows(proposals) if row["proposal"] is not None]
    if not rows:
        raise UsageError("nothing was corrected: none of these cells has a proposal")
    entries = [((row["table"], row["key"], row["column"]), row["proposal"]) for row in rows]
    return correcting.correct(ws, entries, who or person(), note).findings


# --- inside -------------------------------------------------------------------------------------------------


def _sheet(what: str) -> Sheet:
    if what not in _SHEETS:
        raise UsageError(f"there is nothing called {what!r} to decide on: {', '.join(_SHEETS)}")
    return _SHEETS[what]


def _tables(sheet: Sheet) -> set[str]:
    """Return the tables that decisions on a sheet are kept in: a tax charge's is that of charges."""
    return {sheet.declared} | ({"mapping.charge_items"} if sheet.match == "taxes" else set())


def _parts(key: Key) -> tuple[str | None, ...]:
    return (key,) if isinstance(key, str) else tuple(key)


def _full_key(sheet: Sheet, key: Key) -> tuple[str | None, ...]:
    """Return a key with all its parts: of a tax, its name alone or its plan and price code will do."""
    parts = _parts(key)
    if sheet.match == "taxes" and len(parts) < len(sheet.key):
        return (*[None] * (len(sheet.key) - 1), *parts) if len(parts) == 1 else (*parts, None)
    if len(parts) != len(sheet.key):
        raise UsageError(f"{key!r}: the key of {sheet.match} is ({', '.join(sheet.key)})")
    return parts


def _decide(
    ws: Workspace, what: str, entries: Sequence[tuple[Key, Mapping[str, Any]]], who: str | None
) -> pd.DataFrame:
    """Judge all entries, keep them if every one can be taken, and return their rows."""
    sheet = _sheet(what)
    with ws.lock():
        given = frames(ws, match(ws))
        known = {tuple(row[name] for name in sheet.key): row for row in given.rows(sheet)}
        asked = [entry["decision"] for _, entry in entries if entry["decision"] is not None]
        chosen = Choices(sheet, given, asked)
        keys = [_full_key(sheet, key) for key, _ in entries]
        kept: dict[str, list[dict[str, Any]]] = {}
        problems = []
        for key, (_, entry) in zip(keys, entries, strict=True):
            if key not in known:
                problems.append(_unknown(sheet, key, known))
                continue
            problem = _problem(sheet, chosen, known[key], entry, kept)
            problems += [f"{_shown(key)}: {problem}"] if problem else []
        if problems:
            more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise UsageError(f"nothing was decided: {'; '.join(problems[:5])}{more}")
        for table, rows in kept.items():
            ws.ledger.decide(table, rows, who or person())
    return _rows(ws, what, keys)


def _problem(
    sheet: Sheet,
    chosen: Choices,
    row: Mapping[str, Any],
    given: Mapping[str, Any],
    kept: dict[str, list[dict[str, Any]]],
) -> str | None:
    """Return why an entry cannot be taken; else add it to what is kept."""
    idle = [name for name, text in given.items() if text is not None and name not in sheet.fill]
    if idle:
        return f"{', '.join(idle)} is nothing to decide on {sheet.match}"
    if given["decision"] is None:
        if standing_entry(sheet, row)["decision"] is None and row["decision"] is None:
            return "no decision stands on it"
        entry: dict[str, str | None] = {**dict.fromkeys(sheet.fill), "note": given["note"]}
    else:
        entry, unused = chosen.settled({name: given.get(name) for name in sheet.fill}, row)
        if unused is not None:
            return unused.message
        problem = chosen.problem(entry, row)
        if problem is not None:
            near = problem.suggestion or (row.get("suggestion") if problem.rule == "unknown_choice" else None)
            return problem.message + (f" (did you mean {near!r}?)" if near else "")
    for table, taken in chosen.kept(entry, row):
        kept.setdefault(table, []).append(taken)
    return None


def _unknown(sheet: Sheet, key: tuple[Any, ...], known: Iterable[tuple[Any, ...]]) -> str:
    by_text = {_shown(each): each for each in known}
    near = difflib.get_close_matches(_shown(key), by_text, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"show(cutover.match(ws).{sheet.match}) has them"
    return f"{sheet.match} has no {_shown(key)} ({', '.join(sheet.key)}): {hint}"


def _shown(key: Sequence[Any]) -> str:
    return repr(key[0]) if len(key) == 1 else repr(tuple(key))


def _rows(ws: Workspace, what: str, keys: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame: pd.DataFrame = getattr(match(ws), what)
    wanted, names = set(keys), _sheet(what).key
    rows = [row for row in to_rows(frame) if tuple(row[name] for name in names) in wanted]
    return from_rows(f"match.{what}", rows)


def _accounts(ws: Workspace, chosen: Any) -> Iterable[str]:
    if not isinstance(chosen, pd.Series):
        return [chosen] if isinstance(chosen, str) else list(chosen)
    customers = match(ws).customers
    if str(chosen.dtype) not in ("bool", "boolean", "bool[pyarrow]") or len(chosen) != len(customers):
        raise UsageError(
            f"a mask has one true or false a row of cutover.match(ws).customers ({len(customers)}), "
            f"this one {len(chosen)} of {chosen.dtype}: make it anew from that frame"
        )
    return [str(one) for one in customers[chosen.fillna(False).to_numpy(dtype=bool)]["account_number"]]


def _correct(
    ws: Workspace, cell: Sequence[str], value: str | None, note: str | None, who: str | None
) -> pd.DataFrame:
    done = correcting.correct(ws, [(cell, value)], who or person(), note)
    errors = [row["message"] for row in to_rows(done.findings) if row["severity"] == "error"]
    if errors:
        raise UsageError(f"nothing was corrected: {'; '.join(map(str, errors))}")
    if value is None and not done.withdrawn:
        raise UsageError(f"nothing was corrected: no correction stands on {tuple(cell)!r}")
    rows = [row for row in to_rows(ws.read(CORRECTIONS)) if [row["table"], row["key"]] == list(cell[:2])]
    return conform(from_rows(CORRECTIONS, rows), CORRECTIONS)
