"""What a person sees who approves an export job, and who looks at one later.

Source: design 6c, rule 14: company, file, LIVE or REHEARSAL, period, counts, totals, warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console

from toolkit.cli.shared import typed
from toolkit.display import money
from toolkit.ledger import Job
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

WORDS = {"item": "items", "customer": "customers", "invoice": "invoices", "credit_memo": "credit memos"}


def approval(ws: Workspace, job: Job) -> dict[str, Any]:
    """Return what an export job does and to which company, as one document.

    Counts and totals are those of the job's operations: what was sent in an earlier job is not among them.
    """
    totals: dict[tuple[str, str], dict[str, Any]] = {}
    for row in to_rows(ws.ledger.operations(job.id)):
        kind, currency = row["record_kind"] or row["request"], row["currency"] or ""
        total = totals.setdefault(
            (kind, currency), {"record_kind": kind, "currency": currency, "count": 0, "amount": None}
        )
        total["count"] += 1
        if row["amount"] is not None:
            total["amount"] = (total["amount"] or Decimal("0.00")) + row["amount"]
    return {
        "company": ws.company,
        "company_file": ws.settings["company_file"] or ws.ledger.learned().get("company_file"),
        "mode": "REHEARSAL" if ws.rehearsal else "LIVE",
        "start": job.meta.get("start"),
        "end": job.meta.get("end"),
        "switches": list(job.meta.get("switches") or ()),
        "totals": list(totals.values()),
        "warnings": job.meta.get("warnings", 0),
        "approved_by": job.approved_by,
        **_given(ws, job),
    }


def _given(ws: Workspace, job: Job) -> dict[str, Any]:
    """Return when an export was let go, and the note: the backup that was made before, for example."""
    for step in ws.ledger.job_history(job.id):
        if step["after"] == "queued" and step["before"] in (None, "draft"):
            return {"approved_at": step["at"], "note": step["note"]}
    return {"approved_at": None, "note": None}


def show_approval(ctx: typer.Context, console: Console, document: Mapping[str, Any]) -> None:
    """Print what :func:`approval` returned."""
    fix = typed(ctx, "toolkit set company_file")
    file = document["company_file"] or f"whichever is open in QuickBooks (fix it: {fix})"
    first, last = document["start"], document["end"]
    period = f"{first} to {last}" if last else f"from {first} on" if first else "no period"
    facts = {
        "mode": document["mode"],
        "company": document["company"],
        "file": file,
        "period": f"{period}; {', '.join(document['switches']) or 'no switch'}",
        **{_words(total): _counted(total) for total in document["totals"]},
        "warnings": f"{document['warnings']:,}",
        "approved": _approved(document),
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {value}", markup=False, soft_wrap=True)


def _approved(document: Mapping[str, Any]) -> str:
    if not document["approved_by"]:
        return "not yet"
    when = f" on {document['approved_at']:%Y-%m-%d %H:%M}" if document["approved_at"] else ""
    return f"by {document['approved_by']}{when}" + (f": {document['note']}" if document["note"] else "")


def _words(total: Mapping[str, Any]) -> str:
    kind: str = total["record_kind"]
    return " ".join(part for part in (WORDS.get(kind, f"{kind}s"), total["currency"]) if part)


def _counted(total: Mapping[str, Any]) -> str:
    count = f"{total['count']:,}"
    return count if total["amount"] is None else f"{count}, {money(total['amount'])}"
