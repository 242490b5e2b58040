"""The second witness: what QuickBooks holds of an operation of which no answer told what became of it.

Pure: an unknown operation in, queries out; the rows that they found in, a verdict out. A record is ours by
its marker: the memo holds ``[bb:KEY]``, or its ExternalGUID is that of the key. A person may have cut the
memo, and answers before qbXML 11.0 show no GUID: then number, customer, date and total together stand for it.

- one record with our marker: it was applied, and is taken over as if its answer had come;
- no record, and every query succeeded: it was not applied, and is sent again under a fresh id, to a limit;
- two, or one that matches in part only: it stays unknown with the reason. A person decides, nobody guesses.

Each document is asked for twice, by its number and by its customer and date, because what makes it hard to
find (a number, a date or a customer edited in QuickBooks) must not make it look absent: absent is what sends
it again.

Why sending again is safe after "no record"
-------------------------------------------
QuickBooks has one request processor a company file, and runs one document after the other. The lookup is
handed out after the document whose outcome is unknown came back, or after its session was dead for the
timeout, so it is answered after that document had run or had been refused. What each cause leaves behind:

- 9001, 9002: QuickBooks knows the id, so that text under it will never run again; whether it ran is what the
  lookup sees. 9005 and an answer that nobody can read: the set is over, only its answer is lost.
- 600, or a company file restored from a backup: the state of the id is gone, and the books that are open now
  are the only ones that count; the lookup asks them.
- An answer without the operation, an internal error, success without a record: the set came back, so nothing
  of it is still to run.
- Refused when it was sent again: the identical text had been handed to a session that died before, and the
  text is never handed out again.

What is left is a second Web Connector that sat on a text for longer than the session timeout and runs it
after the lookup. Against it the ids of sets that ended so are never cleared: where QuickBooks has the id, it
does not run that text again. Only after 600 and 9005, when it has not, is there nothing that would stop it.

Source: qbXML error recovery (message sets); qbXML status codes 0, 1 and 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from toolkit import outcomes, qbxml_io
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.ledger_records import FOR_A_PERSON, LIST_KINDS
from toolkit.quickbooks_codes import (
    FOUND_NOTHING,
    KEPT_NOTHING,
    NAME_TAKEN,
    NOT_ALL_FOUND,
    OUT_OF_DATE,
    explain_status,
)
from toolkit.tables import arrow_rows
from toolkit.transform_fields import marked_key

NOT_FOUND = "it is not in QuickBooks: "
"""How the message begins of an operation that was looked up, was not there and is sent again."""

FAILED = "it could not be looked up: "
"""How the message of an operation begins whose query failed; it is asked for once more, alone."""

MOST_SENT = 3
"""In how many sets an operation goes out of which QuickBooks then holds no record."""

QUERIES = {
    "invoice": "InvoiceQuery",
    "credit_memo": "CreditMemoQuery",
    "payment": "ReceivePaymentQuery",
    "customer": "CustomerQuery",
    "item": "ItemQuery",
}
_SIGNED = ("invoice", "credit_memo")
APPLICATIONS = "quickbooks.payment_applications"

Row = Mapping[str, Any]
Known = Callable[[str], str | None]


@dataclass(slots=True)
class Found:
    """What QuickBooks answered to the queries for one operation.

    Parameters
    ----------
    rows : dict
        Each record found, once, by its TxnID or ListID.
    applied : dict
        What each payment pays: TxnID of the payment to rows of ``quickbooks.payment_applications``.
    problem : str or None
        Why not every query succeeded.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    applied: dict[str, list[Row]] = field(default_factory=dict)
    problem: str | None = None


# --- what is asked ------------------------------------------------------------------------------------------


def queries(operation: Operation, known: Known) -> list[qbxml_io.Request]:
    """Return the queries that find an operation's record, without requestIDs.

    Parameters
    ----------
    operation : Operation
        It adds a document, a customer or an item.
    known : callable
        Key of an applied operation to its ListID or TxnID.

    Raises
    ------
    ProtocolError
        There is nothing to find it by, or it adds nothing.
    """
    name = QUERIES.get(operation.record_kind)
    if name is not None and operation.status_code == OUT_OF_DATE:
        return [qbxml_io.Request(name, _by_id(operation))]
    if name is None or not operation.request.endswith("Add"):
        raise ProtocolError(f"{operation.request} leaves no record that a query could find")
    if operation.record_kind in LIST_KINDS:
        return [qbxml_io.Request(name, {"FullName": [_full_name(operation)]})]
    asked = [{"RefNumber": [number]}] if (number := number_of(operation)) else []
    if of_that_day := by_customer_and_day(operation, known):
        asked.append(of_that_day)
    if not asked:
        raise ProtocolError("it has neither a number nor a customer and a date to look for")
    return [qbxml_io.Request(name, {**fields, "IncludeLineItems": True}) for fields in asked]


def number_of(operation: Operation) -> str | None:
    """Return the RefNumber of a document."""
    return operation.fields.get("RefNumber") or operation.ref_number


def by_customer_and_day(operation: Operation, known: Known) -> dict[str, Any] | None:
    """Return the filters that find the documents of its customer on its day; ``None`` where one is open."""
    day = operation.fields.get("TxnDate")
    try:
        customer = outcomes.resolve(operation.fields.get("CustomerRef"), known)
    except ProtocolError:
        return None  # not in QuickBooks, so that nothing of it is there either: the number will do
    if not (day and customer):
        return None
    days = {"FromTxnDate": day, "ToTxnDate": day}
    return {"TxnDateRangeFilter": days, "EntityFilter": dict(customer)}


def _by_id(operation: Operation) -> dict[str, list[str]]:
    """Return the filter that finds the record that an operation changes."""
    name = "ListID" if operation.record_kind in LIST_KINDS else "TxnID"
    if not isinstance(operation.fields.get(name), str):
        raise ProtocolError(f"{operation.request} names no {name}")
    return {name: [operation.fields[name]]}


def _full_name(operation: Operation) -> str:
    name = operation.expected.get("full_name")
    if name is None and not operation.fields.get("ParentRef"):
        name = operation.fields.get("Name")
    if not name:
        raise ProtocolError("its full name is not known, so there is nothing to look for")
    return str(name)


# --- what was found -----------------------------------------------------------------------------------------


def gather(
    events: Iterable[qbxml_io.Event], asked: Mapping[str, tuple[str, qbxml_io.Request]]
) -> dict[str, Found]:
    """Return what an answer holds for each operation that it was asked for.

    Parameters
    ----------
    events : iterable of Event
        From :func:`toolkit.qbxml_io.parse`.
    asked : mapping
        requestID of each query to the operation's key and the query.

    Notes
    -----
    1 is "found nothing", and so is 500 for a number or a name; any other status that is not 0 is a query that
    failed, and one that the answer leaves out too.
    """
    found = {key: Found() for key, _ in asked.values()}
    answered: set[str] = set()
    for event in events:
        if isinstance(event, qbxml_io.Status) and event.request_id is not None and event.request_id in asked:
            key, query = asked[event.request_id]
            fine = {0, FOUND_NOTHING} | ({NOT_ALL_FOUND} if "EntityFilter" not in query.fields else set())
            if event.request != query.name or event.code not in fine:
                found[key].problem = explain_status(event.code, event.message)
            answered.add(event.request_id)
        elif isinstance(event, qbxml_io.Batch) and event.request_id is not None and event.request_id in asked:
            _keep(found[asked[event.request_id][0]], event)
    for request_id, (key, _) in asked.items():
        if request_id not in answered:
            found[key].problem = "QuickBooks' answer does not mention the query"
    return found


def _keep(found: Found, batch: qbxml_io.Batch) -> None:
    if batch.table == APPLICATIONS:
        for row in arrow_rows(batch.rows):
            listed = found.applied.setdefault(row["payment_txn_id"], [])
            if row not in listed:  # both queries may find the same payment
                listed.append(row)
    elif batch.table in outcomes.TABLES.values():
        for row in arrow_rows(batch.rows):
            found.rows[row.get("txn_id") or row["list_id"]] = row


def verdicts(
    operations: Sequence[Operation],
    found: Mapping[str, Found],
    known: Known,
    bound: Mapping[str, str],
    ours: AbstractSet[str] = frozenset(),
) -> list[Outcome]:
    """Return what is to become of each operation that was looked up.

    Parameters
    ----------
    operations : sequence of Operation
        Those that are unknown still.
    found : mapping
        Of each key what QuickBooks answered.
    known : callable
        Key of an applied operation to its ListID or TxnID.
    bound : mapping
        ID of records that are known as somebody's to the key of that one.
    ours : set of str
        Those of the keys in the markers found that the ledger has as operations.
    """
    return distinct([_told(one, found.get(one.key, Found()), known, bound, ours) for one in operations])


def distinct(told: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes of which no two are the same record; those that were are left to a person."""
    taken = [outcome.quickbooks_id for outcome in told if outcome.quickbooks_id]
    # Two payments alike in all, of which one is there.
    return [
        _person(outcome.key, f"{outcome.quickbooks_id} matches another operation as well")
        if outcome.quickbooks_id and taken.count(outcome.quickbooks_id) > 1
        else outcome
        for outcome in told
    ]


def _told(
    operation: Operation, found: Found, known: Known, bound: Mapping[str, str], ours: AbstractSet[str]
) -> Outcome:
    try:
        return verdict(operation, found, known, bound, ours)
    except ProtocolError as error:  # what it refers to is not known, so that nothing can be compared
        return _person(operation.key, f"{', '.join(found.rows)} may be it, and {error}")


def verdict(
    operation: Operation,
    found: Found,
    known: Known,
    bound: Mapping[str, str],
    ours: AbstractSet[str] = frozenset(),
) -> Outcome:
    """Return what is to become of one operation; parameters as of :func:`verdicts`."""
    if operation.status_code == OUT_OF_DATE:
        return _read_again(operation, found)
    own = [one for one, row in found.rows.items() if is_marked(operation, row)]
    if len(own) == 1:
        if bound.get(own[0], operation.key) != operation.key:
            return _person(operation.key, f"{own[0]} bears its marker and is {bound[own[0]]} already")
        return _adopted(operation, own[0], found, known, "its marker")
    if own:
        return _person(operation.key, f"{len(own)} records bear its marker: {', '.join(own)}")
    if found.problem:
        return Outcome(operation.key, "unknown", message=FAILED + found.problem)
    strangers = {
        one: likeness(operation, row, known)
        for one, row in found.rows.items()
        if bound.get(one, operation.key) == operation.key and not is_anothers(operation, row, ours)
    }
    alike = [one for one, how in strangers.items() if how == "whole"]
    partly = [one for one, how in strangers.items() if how == "part"]
    ids = ", ".join(alike + partly)
    if ids and not operation.attempts:
        # Before the first add: somebody entered it by hand, or it is another one. Only its marker would tell.
        return _person(operation.key, f"it was never sent, and {ids} is in QuickBooks and looks like it")
    if len(alike) == 1 and not partly:
        return _adopted(operation, alike[0], found, known, _facts(operation))
    if operation.status_code == NAME_TAKEN:
        return _name_taken(operation, ", ".join(found.rows))
    if ids:
        if len(alike) + len(partly) > 1:
            return _person(operation.key, f"{len(alike) + len(partly)} records may be it: {ids}")
        return _person(operation.key, f"{ids} matches in part only and has no marker of ours")
    if operation.attempts < MOST_SENT:
        return Outcome(operation.key, "pending", message=f"{NOT_FOUND}it is sent again")
    why = f"{NOT_FOUND}it was sent {operation.attempts} times, {KEPT_NOTHING}"
    return Outcome(operation.key, "rejected", message=why)


def _name_taken(operation: Operation, ids: str) -> Outcome:
    """Return the refusal of a name that is not taken by our own customer."""
    said = operation.status_message or ""
    if not said or said.startswith(FAILED):
        said = explain_status(NAME_TAKEN)
    found = f"{ids} has it, and is not known as this one" if ids else "no customer has it"
    return Outcome(operation.key, "rejected", NAME_TAKEN, f"{said} Looked up: {found}.")


def _read_again(operation: Operation, found: Found) -> Outcome:
    """Return the refusal of a change to a record that had changed: nobody's change is written over."""
    if found.problem:
        return Outcome(operation.key, "unknown", OUT_OF_DATE, FAILED + found.problem)
    now = "it was read again, so export it again" if found.rows else "it is not in QuickBooks any more"
    said = f"{explain_status(OUT_OF_DATE).partition('.')[0]}: {now}"
    return Outcome(operation.key, "rejected", OUT_OF_DATE, said)


def _person(key: str, why: str) -> Outcome:
    return Outcome(key, "unknown", message=FOR_A_PERSON + why)


def _adopted(operation: Operation, quickbooks_id: str, found: Found, known: Known, by: str) -> Outcome:
    row = found.rows[quickbooks_id]
    differs = outcomes.differences(operation, row, found.applied.get(quickbooks_id, []), known)
    said = outcomes.DIFFERS + "; ".join(differs) if differs else f"found in QuickBooks by {by}"
    return outcomes.applied_as(operation, quickbooks_id, row.get("edit_sequence"), row, 0, said)


# --- whose a record is --------------------------------------------------------------------------------------


def is_marked(operation: Operation, row: Row) -> bool:
    """Return whether a record bears the marker of an operation."""
    if outcomes.same_guid(operation, row):
        return True
    return f"[bb:{operation.key}]" in (row.get("memo") or "")


def is_anothers(operation: Operation, row: Row, ours: AbstractSet[str]) -> bool:
    """Return whether a record, which is not marked as ours, bears the marker of another operation.

    Not so the marker of its kin which the ledger does not know: the same receipt before it was split, or the
    same document before it changed its sign, sent by a ledger that is gone.
    """
    key = marked_key(row.get("memo"))
    return key is not None and (key in ours or not _is_kin(operation, key))


def _is_kin(operation: Operation, key: str) -> bool:
    kind, _, number = key.partition(":")
    own = operation.key.partition(":")[2]
    if operation.record_kind in _SIGNED:
        return kind in _SIGNED and number == own
    whole = operation.source_key or own.partition("/")[0]
    return kind == operation.record_kind == "payment" and (number == whole or number.startswith(f"{whole}/"))


def _facts(operation: Operation) -> str:
    if operation.record_kind in LIST_KINDS:
        return "its name and account number, without its marker"
    return "number, customer, date and total, without its marker"


def likeness(operation: Operation, row: Row, known: Known) -> str | None:
    """Return ``whole`` where all that identifies a record is as meant, ``part`` where it may be it."""
    foreign = outcomes.same_guid(operation, row) is False  # nobody can edit a GUID: never ours
    if operation.record_kind in LIST_KINDS:
        account = operation.expected.get("account_number")
        whole = bool(account) and row.get("account_number") == account
        return "whole" if whole and not foreign else "part"  # found by its full name, which nobody else has
    if marked_key(row.get("memo")) is not None:
        return "part"  # of its kin
    same = same_number(operation, row)
    of_customer = same_customer(operation, row, known)
    same_rest = of_customer and str(row.get("txn_date")) == operation.fields.get("TxnDate")
    same_rest = same_rest and same_total(operation, row)
    if same and same_rest:
        return "part" if foreign else "whole"
    # The number of a payment is its check's, which customers share; that of a document is BluBilling's.
    named = same and (of_customer or operation.record_kind != "payment")
    return "part" if named or same_rest else None


def same_number(operation: Operation, row: Row) -> bool:
    """Return whether a document has the number of an operation."""
    number = number_of(operation)
    return bool(number) and str(row.get("ref_number") or "").casefold() == str(number).casefold()


def same_customer(operation: Operation, row: Row, known: Known) -> bool:
    """Return whether a document is one of the operation's customer; raises as ``outcomes.resolve`` does."""
    meant = outcomes.resolve(operation.fields.get("CustomerRef"), known) or {}
    if "ListID" in meant:
        return bool(row.get("customer_list_id") == meant["ListID"])
    return str(row.get("customer_full_name") or "").casefold() == str(meant.get("FullName")).casefold()


def same_total(operation: Operation, row: Row) -> bool:
    """Return whether a document has the total of an operation."""
    name = "total_amount" if operation.record_kind == "payment" else "total"
    meant = operation.expected.get(name)
    if meant is None:
        meant = operation.amount
    return meant is not None and outcomes.value_of(name, row) == Decimal(meant)
