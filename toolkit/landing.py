"""Rows of answers into tables: newer knowledge replaces older, children go with their parents.

An import that is filtered is a snapshot of its filter: a row that the filter covers and the answer lacks is
marked as having left it, never removed; so is one that QuickBooks says was deleted. What arrived later than
an answer is not undone by landing it again. The tables may be larger than memory: of what is stored and what
comes only the keys are held.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toolkit.late import late
from toolkit.ledger import Query
from toolkit.staging import RECORDS, Unit
from toolkit.tables import TABLES

if TYPE_CHECKING:
    from toolkit import landing_coverage, landing_tables
    from toolkit.landing_coverage import Coverage
    from toolkit.landing_merge import Landing
    from toolkit.workspace import Workspace
else:  # whoever sends has nothing to land yet
    landing_coverage, landing_tables = late("toolkit.landing_coverage"), late("toolkit.landing_tables")

__all__ = ["RECORDS", "Unit", "coverage", "land_units"]

_COMPANY = "quickbooks.company"
_QUERIED = {
    f"{ret.removesuffix('Ret')}Query": table.name
    for table in (*RECORDS, TABLES[_COMPANY])
    for ret in table.rets
}
_QUERIED |= {"ItemQuery": "quickbooks.items", "TermsQuery": "quickbooks.terms"}


def coverage(query: Query) -> Coverage | None:
    """Return what a query of an import covers; None where it is not a snapshot of anything."""
    table = query.table or _QUERIED.get(query.name)
    if table is None or table == _COMPANY:
        return None
    asked = query.fields.get("ListID") or query.fields.get("TxnID")
    if asked:
        return landing_coverage.Coverage(table, ids=frozenset([asked] if isinstance(asked, str) else asked))
    if not query.filter:
        return None
    start, end = (query.filter.get(name) for name in ("start", "end"))
    return landing_coverage.Coverage(
        table,
        query.filter.get("by"),
        dt.date.fromisoformat(start) if start else None,
        dt.date.fromisoformat(end) if end else None,
        bool(query.filter.get("active_only")),
        bool(query.filter.get("open_only")),
        kind=query.filter.get("kind"),
    )


def land_units(
    ws: Workspace, units: Sequence[Unit], covered: Iterable[Coverage], job: int | None, as_of: dt.datetime
) -> Landing:
    """Merge the rows of answers into ``quickbooks/``; each table is written once, or none of them.

    Parameters
    ----------
    ws : Workspace
        Where to; the caller holds its lock.
    units : sequence of Unit
        In the order in which they came.
    covered : iterable of Coverage
        What the queries covered, if all of them were answered.
    job : int or None
        The job that lands, for ``import_job``.
    as_of : datetime
        When the last answer came, for ``left_at``.

    Raises
    ------
    DamagedTable
        A table that rows would be merged into cannot be read.
    """
    return landing_tables.land_units(ws, units, covered, job, as_of)
