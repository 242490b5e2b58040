"""What QuickBooks is asked right before operations are sent, and what in its answer holds them back.

Pure: operations in, queries out; the rows that they found in, an outcome for each operation out. Between an
import and the day on which an invoice is sent people work in QuickBooks: an item is renamed, a customer made
inactive, an invoice paid by hand, a document entered that BluBilling has too. What was found in order stays
pending and goes out next. What refers to something that is not as it was planned is skipped with the reason.
Where QuickBooks holds a document like it already, the operation is unknown before it was ever sent: the
second witness (:mod:`toolkit.witness`) looks closer, and what bears our marker is taken over, not added.

Source: qbXML queries by ListID, TxnID and RefNumber; qbXML status codes 1 and 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from toolkit import outcomes, qbxml_io, witness
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.ledger_records import LIST_KINDS
from toolkit.quickbooks_codes import FOUND_NOTHING, NOT_ALL_FOUND, explain_status
from toolkit.references import REFERS_TO, references

HELD_BACK = "held back: "
"""How the message begins of an operation that was skipped because QuickBooks is not as it was planned for."""

IDS_PER_QUERY = 100

Row = Mapping[str, Any]
Known = Callable[[str], str | None]


# --- what is asked ------------------------------------------------------------------------------------------


def questions(operations: Sequence[Operation], known: Known) -> list[qbxml_io.Request]:
    """Return the queries that check operations, without requestIDs; empty where nothing is to be checked.

    Parameters
    ----------
    operations : sequence of Operation
        That are to be sent together.
    known : callable
        Key of an applied operation to its ListID or TxnID.

    Raises
    ------
    ProtocolError
        One refers to an operation that was not applied.
    """
    asked: list[qbxml_io.Request] = []
    named = [pair for one in operations for pair in _references(one, known)]
    for kind in LIST_KINDS:
        ids = dict.fromkeys(list_id for of, list_id in named if of == kind)
        asked += _in_parts(witness.QUERIES[kind], "ListID", ids)
    paid = dict.fromkeys(txn_id for one in operations for txn_id, _ in _applied(one, known))
    asked += _in_parts(witness.QUERIES["invoice"], "TxnID", paid)
    for kind, name in witness.QUERIES.items():
        added = [one for one in operations if one.record_kind == kind and _is_new_document(one)]
        numbers = dict.fromkeys(number for one in added if (number := witness.number_of(one)))
        asked += _in_parts(name, "RefNumber", numbers)
        for one in added:
            filters = None if witness.number_of(one) else witness.by_customer_and_day(one, known)
            asked += [qbxml_io.Request(name, filters)] if filters else []
    return asked


def _in_parts(name: str, element: str, values: Iterable[str]) -> Iterator[qbxml_io.Request]:
    wanted = list(values)
    for start in range(0, len(wanted), IDS_PER_QUERY):
        yield qbxml_io.Request(name, {element: wanted[start : start + IDS_PER_QUERY]})


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
    problems : dict
        Record kind to why a query for such records failed.
    """

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

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
    A query that the answer leaves out has failed: what was to be checked by it is not in order.
    """
    seen = Seen()
    kinds = {name: kind for kind, name in witness.QUERIES.items()}
    tables = {table: kind for kind, table in outcomes.TABLES.items()}
    answered = set()
    for event in events:
        if isinstance(event, qbxml_io.Status) and event.request_id in asked:
            answered.add(event.request_id)
            query = asked[str(event.request_id)]
            if event.request != query.name or event.code not in (0, FOUND_NOTHING, NOT_ALL_FOUND):
                seen.problems[kinds[query.name]] = explain_status(event.code, event.message)
        elif isinstance(event, qbxml_io.Batch) and event.table in tables and event.request_id in asked:
            rows = seen.rows.setdefault(tables[event.table], {})
            for row in event.rows.to_pylist():
                rows[row.get("txn_id") or row["list_id"]] = row
    for request_id, query in asked.items():
        if request_id not in answered:
            seen.problems[kinds[query.name]] = "QuickBooks' answer does not mention the query"
    return seen


def verdicts(
    operations: Sequence[Operation],
    seen: Seen,
    known: Known,
    bound: Mapping[str, str],
    said_absent: AbstractSet[str] = frozenset(),
) -> list[Outcome]:
    """Return for each operation whether it may be sent: ``pending``, or ``skipped``, or ``unknown``.

    Parameters
    ----------
    operations : sequence of Operation
        In the order in which they will be sent: the payments of one invoice share what is open on it.
    seen : Seen
        From :func:`gather`.
    known : callable
        Key of an applied operation to its ListID or TxnID.
    bound : mapping
        ID of records that are known as somebody's to the key of that one.
    said_absent : set of str
        Keys of which a person said that QuickBooks does not have them: only a marker counts against that.
    """
    left: dict[str, Decimal] = {}
    return [_verdict(one, seen, known, bound, one.key in said_absent, left) for one in operations]


def _verdict(
    operation: Operation,
    seen: Seen,
    known: Known,
    bound: Mapping[str, str],
    said_absent: bool,
    left: dict[str, Decimal],
) -> Outcome:
    key = operation.key
    try:
        drift = [*_drift(operation, seen, known), *_unpayable(operation, seen, known, left)]
        there = [
            quickbooks_id
            for quickbooks_id, row in seen.rows.get(operation.record_kind, {}).items()
            if _is_new_document(operation)
            and bound.get(quickbooks_id, key) == key
            and (witness.is_marked(operation, row) or not said_absent)
            and _is_there(operation, row, known)
        ]
    except ProtocolError as error:
        return Outcome(key, "skipped", message=f"{HELD_BACK}{error}")
    if there:
        said = f"QuickBooks has one like it already, {', '.join(there)}: nothing is sent before that is clear"
        return Outcome(key, "unknown", message=said)
    if drift:
        return Outcome(key, "skipped", message=f"{HELD_BACK}{'; '.join(drift)}")
    for txn_id, amount in _applied(operation, known):
        left[txn_id] = _open(txn_id, seen, left) - amount
    return Outcome(key, "pending")


def _drift(operation: Operation, seen: Seen, known: Known) -> Iterator[str]:
    """Yield what is otherwise with the items and customers that an operation refers to."""
    names = operation.expected.get(REFERS_TO) or {}
    for kind, list_id in _references(operation, known):
        meant, row = names.get(list_id), seen.row(kind, list_id)
        if row is None and kind in seen.problems:
            yield f"{kind} {meant or list_id} could not be checked: {seen.problems[kind]}"
        elif row is None:
            yield f"{kind} {meant or list_id} is not in QuickBooks any more: import {kind}s, then map it anew"
        elif row.get("is_active") is False:
            yield f"{kind} {row['full_name']} was made inactive in QuickBooks: make it active, or map it anew"
        elif meant and row["full_name"] != meant:
            yield f"{kind} {meant} is called {row['full_name']} now: import {kind}s, then look at the mapping"
    if _is_new_document(operation) and operation.record_kind in seen.problems:
        yield f"whether it is there already could not be seen: {seen.problems[operation.record_kind]}"


def _unpayable(operation: Operation, seen: Seen, known: Known, left: Mapping[str, Decimal]) -> Iterator[str]:
    """Yield which invoices of a payment are gone, or have less open than it pays."""
    meant = outcomes.resolve(operation.expected.get("applied") or [], known)
    numbers = {part["txn_id"]: part["invoice_number"] for part in meant}
    for txn_id, amount in _applied(operation, known):
        row = seen.row("invoice", txn_id)
        if row is None and "invoice" in seen.problems:
            yield f"the invoice it pays could not be checked: {seen.problems['invoice']}"
        elif row is None:
            yield f"invoice {numbers.get(txn_id, txn_id)} is not in QuickBooks any more: import receivables"
        elif (still := _open(txn_id, seen, left)) < amount:
            paid = "is paid already" if not still else f"has {still} open"
            number = row["ref_number"] or txn_id
            yield f"invoice {number} {paid}, and {amount} was to be applied: import receivables"


def _open(txn_id: str, seen: Seen, left: Mapping[str, Decimal]) -> Decimal:
    row = seen.row("invoice", txn_id) or {}
    return left.get(txn_id, row.get("balance_remaining") or Decimal(0))


def _is_there(operation: Operation, row: Row, known: Known) -> bool:
    """Return whether a record is an operation's, or may be: a document of its number and its customer."""
    if witness.is_marked(operation, row):
        return True
    if witness.is_anothers(row) or not witness.same_customer(operation, row, known):
        return False
    same_rest = witness.likeness(operation, row, known) is not None
    if not witness.number_of(operation):
        return same_rest
    if not witness.same_number(operation, row):
        return False
    # Customers pay by cheques of one number twice, or BluBilling gives no number but "ACH".
    alike = str(row.get("txn_date")) == operation.fields.get("TxnDate") or witness.same_total(operation, row)
    return alike if operation.record_kind == "payment" else True
