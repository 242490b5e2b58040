"""What QuickBooks is asked right before operations are sent, and what in its answer holds them back.

Pure: operations in, queries out; the rows that they found in, an outcome for each operation out. Between an
import and the day on which an invoice is sent people work in QuickBooks: an item is renamed, a customer made
inactive, an invoice paid by hand, a document entered that BluBilling has too. What was found in order stays
pending and goes out next. What refers to something that is not as it was planned is skipped with the reason.
What QuickBooks holds with our marker is taken over and not added: an older ledger was restored, say. Where it
holds something like it, and where an invoice has less open than a payment pays, a person decides: unknown.

Source: qbXML queries by ListID, TxnID and RefNumber; qbXML status codes 1 and 500.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from toolkit import outcomes, qbxml_io, witness
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.ledger_records import FOR_A_PERSON, LIST_KINDS
from toolkit.quickbooks_codes import FIELDS_WITHHELD, FOUND_NOTHING, NOT_ALL_FOUND, explain_status
from toolkit.references import KNOWN_AS, REFERS_TO, references
from toolkit.tables import arrow_rows
from toolkit.transform_fields import marked_key

HELD_BACK = "held back: "
"""How the message begins of an operation that was skipped because QuickBooks is not as it was planned for."""

IDS_PER_QUERY = 100

Row = Mapping[str, Any]
Known = Callable[[str], str | None]


# --- what is asked ------------------------------------------------------------------------------------------


def questions(
    operations: Sequence[Operation], known: Known, former: Mapping[str, Sequence[str]] | None = None
) -> list[qbxml_io.Request]:
    """Return the queries that check operations, without requestIDs; empty where nothing is to be checked.

    Parameters
    ----------
    operations : sequence of Operation
        That are to be sent together.
    known : callable
        Key of an applied operation to its ListID or TxnID.
    former : mapping, optional
        Key of an operation that QuickBooks had once, and lost, to the TxnIDs that it had there.

    Raises
    ------
    ProtocolError
        One refers to an operation that was not applied.
    """
    asked: list[qbxml_io.Request] = []
    named = [pair for one in operations for pair in _references(one, known)]
    for kind in LIST_KINDS:
        asked += _in_parts(kind, "ListID", (list_id for of, list_id in named if of == kind))
    asked += _in_parts(
        "invoice", "TxnID", (txn_id for one in operations for txn_id, _ in _applied(one, known))
    )
    for kind in witness.QUERIES:
        added = [one for one in operations if one.record_kind == kind and _is_new_document(one)]
        asked += _documents(kind, added, known, former or {})
    return asked


def _documents(
    kind: str, added: Sequence[Operation], known: Known, former: Mapping[str, Sequence[str]]
) -> Iterator[qbxml_io.Request]:
    """Yield the queries that find new documents of one kind: by number, by day and customer, by TxnID.

    By two of them, because people edit numbers and dates, and a numbering rule may have changed since.
    """
    numbers = (witness.number_of(one) for one in added)
    # What BluBilling gives as a payment's number may be "ACH": every such payment there ever was.
    yield from _in_parts(
        kind,
        "RefNumber",
        (one for one in numbers if one and (kind != "payment" or any(map(str.isdigit, one)))),
    )
    yield from _in_parts(kind, "TxnID", (txn_id for one in added for txn_id in _seen_as(one, former)))
    days: dict[tuple[str, str], list[str]] = {}
    for one in added:
        day = one.fields.get("TxnDate")
        customer = outcomes.resolve(one.fields.get("CustomerRef") or {}, known)
        for element in ("ListID", "FullName"):
            if day and element in customer:
                days.setdefault((str(day), element), []).append(customer[element])
                break
    for (day, element), customers in days.items():
        for part in _parts(customers):
            filters = {
                "TxnDateRangeFilter": {"FromTxnDate": day, "ToTxnDate": day},
                "EntityFilter": {element: part},
            }
            yield _query(kind, filters)


def _seen_as(operation: Operation, former: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the TxnIDs under which QuickBooks held an operation, or was seen to hold its marker."""
    return [*(operation.expected.get(KNOWN_AS) or ()), *former.get(operation.key, ())]


def _in_parts(kind: str, element: str, values: Iterable[str]) -> Iterator[qbxml_io.Request]:
    for part in _parts(values):
        yield _query(kind, {element: part})


def _parts(values: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(dict.fromkeys(values))
    for start in range(0, len(wanted), IDS_PER_QUERY):
        yield wanted[start : start + IDS_PER_QUERY]


def _query(kind: str, filters: Mapping[str, Any]) -> qbxml_io.Request:
    # What a payment pays stands among its lines.
    lines = {"IncludeLineItems": True} if kind == "payment" else {}
    return qbxml_io.Request(witness.QUERIES[kind], {**filters, **lines})


def _references(operation: Operation, known: Known) -> list[tuple[str, str]]:
    return references(operation.record_kind, outcomes.resolve(operation.fields, known))


def _applied(operation: Operation, known: Known) -> list[tuple[str, Decimal]]:
    """Return what a payment pays: TxnID and amount."""
    parts = outcomes.resolve(operation.fields.get("AppliedToTxnAdd") or [], known)
    return [(part["TxnID"], Decimal(part.get("PaymentAmount") or 0)) for part in parts]


def _is_new_document(operation: Operation) -> bool:
    return operation.record_kind not in LIST_KINDS and operation.request.endswith("Add")


# --- what was found -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Seen:
    """What QuickBooks answered to the queries of a check.

    Parameters
    ----------
    rows : dict
        Record kind to the records found, each once, by ListID or TxnID.
    applied : dict
        What each payment pays: TxnID of the payment to rows of ``quickbooks.payment_applications``.
    problems : list of tuple
        Why queries failed, with the status code; ``None`` where the answer does not mention one.
    """

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    applied: dict[str, list[Row]] = field(default_factory=dict)
    problems: list[tuple[int | None, str]] = field(default_factory=list)

    def row(self, kind: str, quickbooks_id: str) -> Row | None:
        """Return one record, or ``None``."""
        return self.rows.get(kind, {}).get(quickbooks_id)


def gather(events: Iterable[qbxml_io.Event], asked: Mapping[str, qbxml_io.Request]) -> Seen:
    """Return what an answer holds.

    Parameters
    ----------
    events : iterable of Event
        From :func:`toolkit.qbxml_io.parse`.
    asked : mapping
        requestID to query.

    Notes
    -----
    A query that the answer leaves out has failed. Where one failed, nothing of the answer is judged: the
    operations are asked about again, one by one.
    """
    seen = Seen()
    tables = {table: kind for kind, table in outcomes.TABLES.items()}
    codes: dict[str, tuple[int, str]] = {}
    found: set[str] = set()
    for event in events:
        if isinstance(event, qbxml_io.Status) and event.request_id in asked:
            fits = event.request == asked[str(event.request_id)].name
            code = event.code if fits else qbxml_io.NO_STATUS
            codes[str(event.request_id)] = code, explain_status(event.code, event.message)
        elif isinstance(event, qbxml_io.Batch) and event.request_id in asked:
            found.add(str(event.request_id))
            _keep(seen, event, tables)
    for request_id, (code, said) in codes.items():
        fine = code in (0, FOUND_NOTHING, NOT_ALL_FOUND) or (code == FIELDS_WITHHELD and request_id in found)
        if not fine:  # also what is there and cannot be shown: it must not pass for absent
            seen.problems.append((code, said))
    if asked.keys() - codes.keys():
        seen.problems.append((None, "QuickBooks' answer does not mention every query"))
    return seen


def _keep(seen: Seen, batch: qbxml_io.Batch, tables: Mapping[str, str]) -> None:
    if batch.table in tables:
        rows = seen.rows.setdefault(tables[batch.table], {})
        rows.update({row.get("txn_id") or row["list_id"]: row for row in arrow_rows(batch.rows)})
    elif batch.table == witness.APPLICATIONS:
        for row in arrow_rows(batch.rows):
            listed = seen.applied.setdefault(row["payment_txn_id"], [])
            if row not in listed:  # two queries may find the same payment
                listed.append(row)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the ledger knows, as far as an answer touches it.

    Parameters
    ----------
    known : callable
        Key of an applied operation to its ListID or TxnID.
    bound : mapping
        ID of records that are known as somebody's to the key of that one.
    ours : set of str
        Those of the keys in the markers found that are operations.
    said_absent : set of str
        Keys of which a person said that QuickBooks does not have them: only a marker counts against that.
    since : datetime.date, optional
        The cutover date: a payment up to it is QuickBooks' own past.
    former : mapping
        As of :func:`questions`.
    """

    known: Known
    bound: Mapping[str, str] = field(default_factory=dict)
    ours: AbstractSet[str] = frozenset()
    said_absent: AbstractSet[str] = frozenset()
    since: dt.date | None = None
    former: Mapping[str, Sequence[str]] = field(default_factory=dict)


def verdicts(operations: Sequence[Operation], seen: Seen, memory: Memory) -> list[Outcome]:
    """Return for each operation what is to become of it.

    ``pending``: it may be sent. ``skipped``: held back, with the reason. ``applied``: QuickBooks holds it,
    with our marker. ``unknown``: a person decides whether it is what QuickBooks holds.

    Parameters
    ----------
    operations : sequence of Operation
        In the order in which they will be sent: the payments of one invoice share what is open on it.
    seen : Seen
        From :func:`gather`, without problems.
    memory : Memory
        What the ledger knows.
    """
    left: dict[str, Decimal] = {}
    return witness.distinct([_verdict(one, seen, memory, left) for one in operations])


def _verdict(operation: Operation, seen: Seen, memory: Memory, left: dict[str, Decimal]) -> Outcome:
    key, known = operation.key, memory.known
    try:
        there = {
            quickbooks_id: row
            for quickbooks_id, row in seen.rows.get(operation.record_kind, {}).items()
            if _is_new_document(operation) and _is_there(operation, quickbooks_id, row, memory)
        }
        if there:
            found = witness.Found(there, seen.applied)
            told = witness.verdict(operation, found, known, memory.bound, memory.ours)
            if told.status in ("applied", "unknown"):
                return told
            # It was this one once, and has neither its marker nor its looks any more.
            return Outcome(key, "unknown", message=f"{FOR_A_PERSON}{', '.join(there)} was it before")
        drift = [*_drift(operation, seen, known)]
        unpayable = [*_unpayable(operation, seen, known, left)]
    except ProtocolError as error:
        return Outcome(key, "skipped", message=f"{HELD_BACK}{error}")
    if drift:
        return Outcome(key, "skipped", message=f"{HELD_BACK}{'; '.join([*drift, *unpayable])}")
    if unpayable:
        # Perhaps by this very payment, which somebody entered under another number.
        return Outcome(key, "unknown", message=f"{FOR_A_PERSON}it was not sent: {'; '.join(unpayable)}")
    for txn_id, amount in _applied(operation, known):
        left[txn_id] = _open(txn_id, seen, left) - amount
    return Outcome(key, "pending")


def _drift(operation: Operation, seen: Seen, known: Known) -> Iterator[str]:
    """Yield what is otherwise with the items, customers and invoices that an operation refers to."""
    names = operation.expected.get(REFERS_TO) or {}
    for kind, list_id in _references(operation, known):
        meant, row = names.get(list_id), seen.row(kind, list_id)
        if row is None:
            yield f"{kind} {meant or list_id} is not in QuickBooks any more: import {kind}s, then map it anew"
        elif row.get("is_active") is False:
            yield f"{kind} {row['full_name']} was made inactive in QuickBooks: make it active, or map it anew"
        elif meant and row["full_name"] != meant:
            yield f"{kind} {meant} is called {row['full_name']} now: import {kind}s, then look at the mapping"
    parts = outcomes.resolve(operation.expected.get("applied") or [], known)
    numbers = {part["txn_id"]: part["invoice_number"] for part in parts}
    for txn_id, _ in _applied(operation, known):
        if seen.row("invoice", txn_id) is None:
            yield f"invoice {numbers.get(txn_id, txn_id)} is not in QuickBooks any more: import receivables"


def _unpayable(operation: Operation, seen: Seen, known: Known, left: Mapping[str, Decimal]) -> Iterator[str]:
    """Yield which invoices of a payment have less open than it pays."""
    for txn_id, amount in _applied(operation, known):
        row = seen.row("invoice", txn_id)
        if row is not None and (still := _open(txn_id, seen, left)) < amount:
            paid = "is paid already" if not still else f"has {still} open"
            yield f"invoice {row['ref_number'] or txn_id} {paid}, and {amount} was to be applied"


def _open(txn_id: str, seen: Seen, left: Mapping[str, Decimal]) -> Decimal:
    row = seen.row("invoice", txn_id) or {}
    return left.get(txn_id, row.get("balance_remaining") or Decimal(0))


def _is_there(operation: Operation, quickbooks_id: str, row: Row, memory: Memory) -> bool:
    """Return whether a record is an operation's, or may be: a document of its number and its customer."""
    if witness.is_marked(operation, row):
        return True
    if operation.key in memory.said_absent or memory.bound.get(quickbooks_id, operation.key) != operation.key:
        return False
    if witness.is_anothers(operation, row, memory.ours) or _is_void(row):
        return False
    if quickbooks_id in memory.former.get(operation.key, ()):
        return True
    if marked_key(row.get("memo")) is not None:
        return True  # of its kin, whoever its customer is
    if not witness.same_customer(operation, row, memory.known):
        return False
    same_number = witness.same_number(operation, row)
    if operation.record_kind != "payment":
        return same_number
    # As the gate looks for what was entered by hand: the same money on the same day, or of the same number.
    past = memory.since is not None and row.get("txn_date") is not None and row["txn_date"] <= memory.since
    same_day = str(row.get("txn_date")) == operation.fields.get("TxnDate")
    return not past and witness.same_total(operation, row) and (same_number or same_day)


def _is_void(row: Row) -> bool:
    """Return whether a document was voided: its amounts are zero, and QuickBooks says so in its memo."""
    total = row.get("total_amount", row.get("subtotal"))
    return not total and (row.get("memo") or "").upper().startswith("VOID")
