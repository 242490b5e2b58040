"""The re-read of all that was sent: which queries ask for it, and what their answers prove."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from toolkit import qbxml_io
from toolkit.answers import page_of
from toolkit.errors import QbxmlError, ToolkitError, UsageError
from toolkit.import_plan import Scope, import_jobs
from toolkit.ledger import Query
from toolkit.ledger_records import ENDED_JOBS, REFRESHES
from toolkit.quickbooks_codes import FOUND_NOTHING
from toolkit.reconcile_absent import Place, ReRead
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

__all__ = ["newest_re_read", "queue_refresh", "read_again"]

IDS_PER_QUERY = 100
_PROVES_FOR = dt.timedelta(days=1)
_NOT_ALL_FOUND = 500
_CONCLUSIVE = (0, FOUND_NOTHING, _NOT_ALL_FOUND)
"""Statuses after which what is not in the answer is not there. Others, 510 say, hide what is."""

_WITH_LINES = {"IncludeLineItems": True, "IncludeLinkedTxns": True}
_BY_ID: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "item": ("ItemQuery", "ListID", {}),
    "customer": ("CustomerQuery", "ListID", {}),
    "invoice": ("InvoiceQuery", "TxnID", _WITH_LINES),
    "credit_memo": ("CreditMemoQuery", "TxnID", _WITH_LINES),
    "payment": ("ReceivePaymentQuery", "TxnID", {"IncludeLineItems": True}),
}
_TABLES = {kind: f"quickbooks.{kind}s" for kind in _BY_ID}
_DELETED = {
    "TxnDeletedQuery": (
        "TxnDelType",
        {"invoice": ["Invoice"], "credit_memo": ["CreditMemo"], "payment": ["ReceivePayment"]},
    ),
    "ListDeletedQuery": (
        "ListDelType",
        {"customer": ["Customer"], "item": ["ItemService", "ItemNonInventory", "ItemOtherCharge"]},
    ),
}


# --- what is asked ------------------------------------------------------------------------------------------


def queue_refresh(ws: Workspace) -> int:
    """Queue a re-read of every record that was sent, and of what it touched; return the job's number.

    What was sent changes others: the balance of its customer, and the invoice that a payment was applied to.
    By ListID and TxnID alone a second copy would never be read: so are all documents since the first sent,
    and what QuickBooks says was deleted.

    Raises
    ------
    UsageError
        Nothing was sent yet.
    """
    tables = ws.tables()
    sent = [
        {**row, "quickbooks_id": row["txn_id"] or row["list_id"]}
        for row in to_rows(tables["ledger.operations"])
        if row["status"] == "applied"
    ]
    sent += ws.ledger.undone_records()  # they may come back, with the books
    ids: dict[str, set[str]] = {name: set() for name in _BY_ID}
    for row in sent:
        ids[row["record_kind"]].add(row["quickbooks_id"])
    known = set().union(*ids.values())
    kinds = [kind for kind in _BY_ID if ids[kind]]
    for row in to_rows(tables["ledger.crosswalk"]):
        if row["quickbooks_id"] in known and row["customer_list_id"]:
            ids["customer"].add(row["customer_list_id"])
    for row in to_rows(tables["quickbooks.payment_applications"]):
        if row["payment_txn_id"] in ids["payment"] and row["txn_type"] == "Invoice":
            ids["invoice"].add(row["txn_id"])
    queries = [query for kind in _BY_ID for query in _queries_by_id(kind, sorted(ids[kind]))]
    if not queries:
        raise UsageError("nothing was sent to QuickBooks yet, so there is nothing to read again")
    return ws.ledger.add_import("refresh", [*queries, *_documents_since(sent), *_deletions(kinds)])


def _queries_by_id(kind: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    name, element, extra = _BY_ID[kind]
    for start in range(0, len(ids), IDS_PER_QUERY):
        chunk = ids[start : start + IDS_PER_QUERY]
        yield {"name": name, "fields": {element: chunk, **extra}, "iterate": False}


def _documents_since(sent: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    dates = [row["txn_date"] for row in sent if row["txn_date"]]
    if dates:
        since = Scope(start=min(dates))
        [(_, invoices)], [(_, others)] = import_jobs("invoices", since), import_jobs("receivables", since)
        yield from invoices
        yield from (query for query in others if query["name"] != "InvoiceQuery")


def _deletions(kinds: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield what asks for deleted records: it reaches back 90 days, and explains more than it proves."""
    for name, (element, types) in _DELETED.items():
        wanted = [each for kind in types if kind in kinds for each in types[kind]]
        if wanted:
            yield {"name": name, "fields": {element: wanted}, "iterate": False}


# --- what it proves -----------------------------------------------------------------------------------------


def read_again(ws: Workspace, wanted: Collection[Place]) -> ReRead | None:
    """Return what the newest complete re-read tells of some records; ``None`` where there is none.

    Its answers themselves are read, as they stand in ``inbox/``: a table may have lost rows.

    Parameters
    ----------
    wanted : collection of tuple
        Kind and ListID or TxnID of the records in question.
    """
    jobs = _re_reads(ws)
    job = next((row for row in reversed(jobs) if row["status"] == "complete"), None)
    if job is None:
        return None
    newer = [row["id"] for row in jobs if row["id"] > job["id"] and row["status"] not in ENDED_JOBS]
    asked = _asked_by(ws, job["id"])
    relevant = {asked[place] for place in wanted if place in asked}
    returned, problems = _answers(ws, job["id"], relevant)
    doubtful = {
        place: problems[asked[place]] for place in wanted if place in asked and asked[place] in problems
    }
    return ReRead(
        job["id"],
        job["created_at"],
        job["finished_at"],
        frozenset(asked),
        returned,
        doubtful,
        newer[0] if newer else None,
        _stale(ws, job),
    )


def _stale(ws: Workspace, job: Mapping[str, Any]) -> str:
    """Return why a re-read tells nothing of the books as they are now, as a clause; blank where it does."""
    if followed := ws.ledger.after_re_read(job["id"]):
        return followed
    if ws.ledger.now() - (job["finished_at"] or job["created_at"]) > _PROVES_FOR:
        return f"job {job['id']} is more than a day old"
    return ""


def newest_re_read(ws: Workspace) -> tuple[int, dt.datetime, frozenset[Place]] | None:
    """Return the newest complete re-read, when it was queued, and all that it asked for, or ``None``."""
    complete = [row for row in _re_reads(ws) if row["status"] == "complete"]
    if not complete:
        return None
    job = complete[-1]
    return job["id"], job["created_at"], frozenset(_asked_by(ws, job["id"]))


def _re_reads(ws: Workspace) -> list[dict[str, Any]]:
    return [row for row in to_rows(ws.read("ledger.jobs")) if row["kind"] == REFRESHES]


def _asked_by(ws: Workspace, job: int) -> dict[Place, int]:
    """Return the records that a re-read asked for, each with the number of the query."""
    return {place: query.id for query in ws.ledger.queries(job) for place in _asked(query)}


def _asked(query: Query) -> Iterator[Place]:
    for kind, (name, element, _) in _BY_ID.items():
        ids = query.fields.get(element)
        if query.name == name and ids:
            yield from ((kind, each) for each in ([ids] if isinstance(ids, str) else ids))


def _answers(ws: Workspace, job: int, relevant: set[int]) -> tuple[frozenset[Place], dict[int, str]]:
    """Return the records in the answers to some queries, and why the answer to one proves nothing."""
    returned: set[Place] = set()
    problems = dict.fromkeys(relevant, f"the answer of job {job} to it is not in the inbox")
    for page in ws.ledger.pages(job):
        if page.query is not None and page.query not in relevant:
            continue
        try:
            with ws.open_answer(page.path) as stream:
                for event in qbxml_io.parse(stream):
                    if isinstance(event, qbxml_io.Batch):
                        returned.update(_records(event))
                    elif isinstance(event, qbxml_io.Status):
                        _take(problems, event, job)
        except (QbxmlError, ToolkitError, OSError) as error:
            if page.query is not None:
                problems[page.query] = f"{page.path} cannot be read ({type(error).__name__})"
    return frozenset(returned), problems


def _take(problems: dict[int, str], status: qbxml_io.Status, job: int) -> None:
    place = page_of(status)
    if place is None or place[1] not in problems:
        return
    if status.code in _CONCLUSIVE:
        del problems[place[1]]
    else:
        problems[place[1]] = f"QuickBooks answered job {job} with status {status.code}: {status.message}"


def _records(batch: qbxml_io.Batch) -> Iterator[Place]:
    for kind, table in _TABLES.items():
        if batch.table == table:
            key = "list_id" if kind in ("item", "customer") else "txn_id"
            yield from ((kind, value) for value in batch.rows[key].to_pylist())
