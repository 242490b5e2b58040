"""Whether what came is landed whole: looked for among the tables, the queue and what a crash leaves.

A landing writes every table beside its place, then a list of them, then renames one after the other; last
the job is complete. Whatever breaks that off, the next landing goes on; until then the tables may be of two
imports. Nothing here changes anything: a landing that goes on meanwhile is left alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import Table
from toolkit.counted import counted
from toolkit.errors import DamagedTable
from toolkit.exchange_owed import owed_jobs
from toolkit.import_age import imports_of
from toolkit.ledger import Job
from toolkit.staging import FOLDER as STAGED
from toolkit.tables import TABLES, to_rows
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES
from toolkit.workspace import Workspace
from toolkit.workspace_making import FOLDERS
from toolkit.workspace_tables import StoredTable

__all__ = ["landed", "readable"]

Problem = tuple[str, str]
"""What is wrong, and what to do about it."""

PATIENCE = 1.0
"""Seconds that renames may take before they count as broken off."""
AT_WORK = 60.0
"""A file that was written to within so many seconds belongs to somebody who still works."""
LEFT_BEHIND = 3600.0
"""And one that nobody wrote to for so long belongs to nobody."""

_STAMPS = ("import_job", "imported_at")
_RENAMES = ".landing.json"
_UNFINISHED = ("queued", "running", "held")
_WRITTEN_BY_LANDING = ("inbox", "quickbooks", STAGED)


def readable(ws: Workspace) -> tuple[bool, str]:
    """Return whether every stored table can be read."""
    damaged, good = [], 0
    for name in TABLES:
        if not name.startswith(("quickbooks.", "billing.")) or not ws.has(name):
            continue
        try:
            for _ in StoredTable(ws.path, name).parts():  # it may be larger than memory
                pass
            good += 1
        except DamagedTable as error:
            damaged.append(str(error))
    if damaged:
        return False, "; ".join(damaged)
    return True, f"{counted(good, 'table')}, all readable"


def landed(ws: Workspace, *, served: bool = False) -> tuple[bool, str]:
    """Return whether all that came is in the tables, and in all of them.

    Parameters
    ----------
    ws : Workspace
        It is only read.
    served : bool
        Whether its server runs, so that no command may land anything meanwhile.

    Raises
    ------
    ToolkitError
        The ledger cannot be read.
    """
    busy = _is_at_work(ws)
    again = ("stop `toolkit serve`, then " if served else "") + _again(ws)
    found = [*_broken_renames(ws, again), *_open_imports(ws, busy, again), *_failed_imports(ws)]
    found += [*_owed(ws, busy, served=served), *_mixed(ws, again), *_left(ws)]
    by_remedy: dict[str, list[str]] = {}
    for problem, remedy in found:
        by_remedy.setdefault(remedy, []).append(problem)
    if by_remedy:
        return False, "; ".join(f"{'; '.join(what)}: {remedy}" for remedy, what in by_remedy.items())
    return True, "an import is on its way in" if busy else "all that came is in the tables"


def _again(ws: Workspace) -> str:
    """Return the command that lands again what came: it ends what broke off, and changes nothing else."""
    folder, inbox = (f'"{path}"' if " " in str(path) else str(path) for path in (ws.path, ws.path / "inbox"))
    return f"`toolkit -w {folder} land {inbox}{os.sep}*.zst`"  # quotes would hide the star


def _is_at_work(ws: Workspace) -> bool:
    """Return whether a session or a command is just bringing something in, as far as can be seen."""
    if ws.ledger.live_session(ws.settings["session_timeout"]) is not None:
        return True
    return any(age < AT_WORK for path, age in _temporary(ws.path) if path.parent.name in _WRITTEN_BY_LANDING)


def _temporary(folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield the files that a writer removes at its end, each with the seconds since it was written to."""
    now = time.time()
    for place in (folder, *(folder / name for name in (*FOLDERS, STAGED))):
        for path in (*place.glob(".*.tmp"), *place.glob("*.spill")):
            try:
                yield path, now - path.stat().st_mtime
            except FileNotFoundError:  # its writer was faster
                continue


# --- what a crash leaves -----------------------------------------------------------------------------------


def _broken_renames(ws: Workspace, again: str) -> Iterator[Problem]:
    """Tell of a landing of which some tables took their places, and others did not."""
    listed = ws.path / _RENAMES
    until = time.monotonic() + PATIENCE
    while listed.exists() and time.monotonic() < until:
        time.sleep(0.05)
    if listed.exists():
        left = [Path(place).stem for written, place in _renames(ws.path) if (ws.path / written).exists()]
        which = f", and {', '.join(left)} did not" if left else ""
        yield f"a landing broke off while its tables took their places{which}", again


def _renames(folder: Path) -> list[tuple[str, str]]:
    try:
        return [(written, place) for written, place in json.loads((folder / _RENAMES).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _left(ws: Workspace) -> Iterator[Problem]:
    """Tell of files that nobody will miss, beside those that the next landing removes, or even needs."""
    cleared = ("quickbooks", STAGED)
    left = [
        path for path, age in _temporary(ws.path) if age > LEFT_BEHIND and path.parent.name not in cleared
    ]
    if left:
        size = sum(path.stat().st_size for path in left) / 1e6
        first = min(left).relative_to(ws.path)
        what = f"{first} is" if len(left) == 1 else f"{len(left)} files like {first} are"
        yield f"{what} left of what broke off ({size:,.1f} MB)", "delete while nothing runs"


# --- what the queue says -----------------------------------------------------------------------------------


def _open_imports(ws: Workspace, busy: bool, again: str) -> Iterator[Problem]:
    for row in to_rows(ws.ledger.jobs()):
        if row["status"] in _UNFINISHED and str(row["kind"]).startswith("import:"):
            yield from _open_import(ws, ws.ledger.job(row["id"]), busy, again)


def _open_import(ws: Workspace, job: Job, busy: bool, again: str) -> Iterator[Problem]:
    """Tell of an import that stands half way, and that nobody goes on with."""
    queries, pages = ws.ledger.queries(job.id), ws.ledger.pages(job.id)
    answered = sum(query.status == "done" for query in queries)
    lost = [page.path for page in pages if not (ws.path / page.path).exists()]
    if lost:
        what = f"job {job.id} cannot be landed, because {lost[0]} is gone"
        yield what, f"put it back, or `toolkit cancel {job.id}` and import again"
    elif busy:
        return
    elif answered < len(queries):
        if pages:  # or else the next session asks as if for the first time
            goes_on = f"`toolkit release {job.id}`" if job.status == "held" else "`toolkit serve`"
            asked = counted(len(queries), "query", "queries")
            what = f"job {job.id} ({job.kind}) broke off, with {answered} of {asked} answered"
            yield what, f"{goes_on}, and press Update Selected in the Web Connector: it goes on"
    elif pages:
        yield f"all answers of job {job.id} came, and the tables may not have them", again
    elif job.status == "running":
        yield (
            f"job {job.id} was begun by hand and has no answer",
            f"`toolkit cancel {job.id}`, and land it again",
        )


def _failed_imports(ws: Workspace) -> Iterator[Problem]:
    """Tell of tables that the newest import should have renewed, and did not."""
    by_job: dict[str, list[str]] = {}
    for name, fresh in imports_of(ws).items():
        if fresh.partial and fresh.partial.endswith("failed"):
            by_job.setdefault(fresh.partial, []).append(name.partition(".")[2])
    for what, names in by_job.items():
        yield (
            f"{what}, and {', '.join(sorted(names))} may be old",
            "`toolkit jobs` says why; then import again",
        )


def _owed(ws: Workspace, busy: bool, *, served: bool) -> Iterator[Problem]:
    """Tell of answers whose job ended before they were landed, or before they came: the next call lands them.

    Those of a job that goes on come to the tables with its session, or with its end.
    """
    start = "" if served else "start `toolkit serve`, then "
    for number in [] if busy else owed_jobs(ws.ledger):
        job = ws.ledger.job(number)
        if not job.ended:
            continue
        came = [one.answered_at for one in ws.ledger.message_sets(number) if one.answered_at]
        when = "after" if job.finished_at and came and max(came) > job.finished_at else "before"
        what = f"answers to job {number} came {when} the end of it, and the tables may not have them"
        yield what, f"{start}press Update Selected: it lands them"


# --- what the tables say -----------------------------------------------------------------------------------


def _mixed(ws: Workspace, again: str) -> Iterator[Problem]:
    """Tell of tables whose rows belong to records that another one lacks, or has as of an earlier import.

    A landing takes records with their rows. Rows of an earlier import than their record are no fault: what
    QuickBooks left out because nobody asked is kept.
    """
    bad = [table.name for table in QUICKBOOKS_TABLES if table.parent and _is_mixed(ws.path, table)]
    if bad:
        names = ", ".join(sorted(name.partition(".")[2] for name in bad))
        yield f"{names}: not of the same imports as the records they belong to", again


def _is_mixed(folder: Path, table: Table) -> bool:
    several = "|" in table.parent
    names = [table.parent_key, *_STAMPS, *(["owner_table"] if several else [])]
    try:
        rows = _columns(folder, table, names)
        for parent in table.parent.split("|"):
            own = rows.filter(pc.equal(rows["owner_table"], parent)) if several else rows
            if len(own) and _is_ahead(own, table.parent_key, folder, TABLES[parent]):
                return True
    except DamagedTable:
        pass  # another check says so
    return False


def _is_ahead(own: pa.Table, key: str, folder: Path, parent: Table) -> bool:
    """Return whether rows have no record, or are of a later import than it, by its number and by the time."""
    records = _columns(folder, parent, [parent.key[-1], *_STAMPS])
    place = pc.index_in(own[key], records[parent.key[-1]].combine_chunks())
    if place.null_count:
        return True
    job, at = (pc.greater(own[name], records[name].take(place)) for name in _STAMPS)
    return bool(pc.any(pc.and_(job, at)).as_py())


def _columns(folder: Path, table: Table, names: list[str]) -> pa.Table:
    empty = table.schema.empty_table().select(names)
    return pa.concat_tables([empty, *StoredTable(folder, table.name).columns(names)])
