"""How complete and how old a workspace's tables from QuickBooks are, as its ledger tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from toolkit.freshness import Freshness, ImportSeen, freshness, freshness_findings
from toolkit.import_plan import Scope, import_jobs
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["USED_BY", "import_findings", "imports_of"]

_DOCUMENTS = ("quickbooks.invoices", "quickbooks.credit_memos", "quickbooks.payments")
_LISTS = ("quickbooks.items", "quickbooks.customers", "quickbooks.payment_methods")
USED_BY: Mapping[str, tuple[str, ...]] = {
    "map": _LISTS,
    "carry_forward": ("quickbooks.customers", *_DOCUMENTS),
    "export": (*_LISTS, "quickbooks.accounts", "quickbooks.sales_tax_codes", "quickbooks.invoices"),
    "reconcile": ("quickbooks.customers", *_DOCUMENTS),
}
"""Which tables each step works on."""


def imports_of(ws: Workspace) -> dict[str, Freshness]:
    """Return how complete and old each table is, by its name."""
    return freshness(_seen(ws), ws.ledger.now())


def _seen(ws: Workspace) -> Iterator[ImportSeen]:
    """Yield the queries of the imports, the newest first, until a complete one of each table was seen."""
    ahead = {query["table"] for _, queries in import_jobs("all", Scope()) for query in queries}
    jobs = [row for row in to_rows(ws.read("ledger.jobs")) if str(row["kind"]).startswith("import:")]
    for row in reversed(jobs):
        if not ahead:
            return
        at = row["finished_at"] or row["created_at"]
        for one in ws.ledger.queries(row["id"]):
            if one.table is None:
                continue
            done, started = one.status == "done", one.pages > 0
            yield ImportSeen(one.table, row["id"], row["status"], done, started, at, one.filter)
            if row["status"] == "complete":
                ahead.discard(one.table)


def import_findings(ws: Workspace, step: str) -> pd.DataFrame:
    """Return a warning on each table of a step that is partial or older than ``stale_after_days``.

    Parameters
    ----------
    step : str
        A key of :data:`USED_BY`.
    """
    return freshness_findings(imports_of(ws), USED_BY[step], ws.settings["stale_after_days"])
