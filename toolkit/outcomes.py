"""What an answer to a message set says about each of its operations.

Pure: operations and the events of an answer in, outcomes out. The requestID of an operation is its place in
the set, from 1, so that an answer finds its operation whatever order it comes in. *Rejected* is said only
where QuickBooks says so and names no record; whatever is doubtful is *unknown*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from toolkit import qbxml_io
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.qbxml_versions import fit, left_out_note
from toolkit.quickbooks_codes import (
    INTERNAL_ERROR,
    NAME_TAKEN,
    NOT_PROCESSED,
    OUT_OF_DATE,
    explain_status,
    is_busy,
)
from toolkit.references import KNOWN_AS, REFERS_TO
from toolkit.tables import arrow_rows

DIFFERS = "differs from what was meant: "
"""How the message of an applied operation begins whose record holds something else than was sent."""

REFUSED_TOGETHER = "refused together with others; sent alone next"
"""Message of a pending operation that stood in a document which QuickBooks could not parse."""

MOST_TRIES = 3
"""In how many sets an operation goes out of which QuickBooks says each time that it did not process it."""

MOST_ROUNDS = 5
"""In how many sessions an operation goes out that QuickBooks each time finds locked or in use."""

TABLES = {
    "invoice": "quickbooks.invoices",
    "credit_memo": "quickbooks.credit_memos",
    "payment": "quickbooks.payments",
    "customer": "quickbooks.customers",
    "item": "quickbooks.items",
}
_APPLICATIONS = "quickbooks.payment_applications"
_KEPT = frozenset(TABLES.values())
_NO_ERROR = range(1000)  # codes below 1000 are information and warnings. Source: qbXML status codes
# What is expected under another name than the answer has it. An amount that an answer leaves out is zero.
_COLUMNS = {"tax": "sales_tax_total", "unapplied": "unused_payment"}
_AMOUNTS = frozenset({"subtotal", "tax", "total", "unapplied", "total_amount"})

Known = Callable[[str], str | None]
Row = Mapping[str, Any]


# --- what is sent -------------------------------------------------------------------------------------------


def requests(operations: Sequence[Operation], known: Known, version: str = "13.0") -> list[qbxml_io.Request]:
    """Return the requests of a message set.

    Parameters
    ----------
    operations : sequence of Operation
        In order of sending.
    known : callable
        Key of an applied operation to its ListID or TxnID.
    version : str
        qbXML version that is spoken. What it lacks is left out where nothing is lost by it; all else stays,
        so that :func:`toolkit.qbxml_io.build` refuses it.

    Raises
    ------
    ProtocolError
        A field refers to an operation that was not applied: it must not be sent.
    """
    meant = [
        qbxml_io.Request(
            operation.request,
            {name: resolve(value, known) for name, value in operation.fields.items()},
            request_id=str(place),
        )
        for place, operation in enumerate(operations, start=1)
    ]
    return [fit(request, version).request for request in meant]


def noted(found: Sequence[Outcome], operations: Sequence[Operation], version: str) -> list[Outcome]:
    """Return outcomes that say, of what was applied, what went without a field that the version lacks.

    Parameters
    ----------
    found : sequence of Outcome
        One for each of the operations, in their order.
    version : str
        qbXML version that the set was written in.
    """
    said = []
    for outcome, operation in zip(found, operations, strict=True):
        meant = qbxml_io.Request(operation.request, operation.fields)
        note = left_out_note(operation.request, fit(meant, version).left_out, version)
        if note and outcome.status == "applied":
            outcome = replace(outcome, message="; ".join(filter(None, (outcome.message, note))))
        said.append(outcome)
    return said


def resolve(value: Any, known: Known) -> Any:
    """Return the value of a field with what refers to an operation replaced by its ListID or TxnID.

    Raises
    ------
    ProtocolError
        It refers to an operation that was not applied.
    """
    if isinstance(value, str):  # as most are
        return value
    if isinstance(value, Mapping):
        if set(value) == {"operation"}:
            found = known(value["operation"])
            if found is None:
                raise ProtocolError(
                    f"{value['operation']} has no QuickBooks id yet, so nothing may refer to it"
                )
            return found
        return {name: resolve(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, known) for item in value]
    return value


# --- what came back -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Answer:
    """The events of an answer, by what they are about."""

    set_status: int | None = None
    statuses: dict[str, qbxml_io.Status] = field(default_factory=dict)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    applied: dict[str, list[Row]] = field(default_factory=dict)


def _read(events: Iterable[qbxml_io.Event]) -> _Answer:
    answer = _Answer()
    for event in events:
        if isinstance(event, qbxml_io.Envelope):
            answer.set_status = event.message_set_status
        elif isinstance(event, qbxml_io.Status) and event.request_id:
            answer.statuses[event.request_id] = event
        elif isinstance(event, qbxml_io.Batch) and event.table == _APPLICATIONS:
            for row in arrow_rows(event.rows):
                answer.applied.setdefault(row["payment_txn_id"], []).append(row)
        elif isinstance(event, qbxml_io.Batch) and event.table in _KEPT:
            for row in arrow_rows(event.rows):
                answer.rows[event.table, row.get("txn_id") or row["list_id"]] = row
    return answer


def outcomes(
    operations: Sequence[Operation], events: Iterable[qbxml_io.Event], known: Known
) -> list[Outcome]:
    """Return one outcome for each operation of an answered set.

    Parameters
    ----------
    operations : sequence of Operation
        The members of the set, in its order.
    events : iterable of Event
        From :func:`toolkit.qbxml_io.parse`.
    known : callable
        Key of an applied operation to its ListID or TxnID.

    Notes
    -----
    Where QuickBooks cannot vouch for the set (messageSetStatusCode 600, 9001, 9002, 9005), all are unknown.
    """
    answer = _read(events)
    if answer.set_status:
        why = f"QuickBooks cannot say what became of the set (status {answer.set_status})"
        return [Outcome(o.key, "unknown", answer.set_status, why) for o in operations]
    found = []
    for place, operation in enumerate(operations, start=1):
        status = answer.statuses.get(str(place))
        if status is None or status.request != operation.request:
            found.append(Outcome(operation.key, "unknown", message="QuickBooks' answer does not mention it"))
        else:
            found.append(_outcome(operation, status, answer, known))
    return found


def _outcome(operation: Operation, status: qbxml_io.Status, answer: _Answer, known: Known) -> Outcome:
    key, code = operation.key, status.code
    made = next((one for one in status.objects if one.id), None)
    if made is not None and made.id is not None:
        return _made(operation, status, made.id, made.edit_sequence, answer, known)
    if code in NOT_PROCESSED:
        if operation.attempts < MOST_TRIES:
            return Outcome(key, "pending", code, "QuickBooks did not process it; it is sent again")
        return Outcome(key, "rejected", code, f"QuickBooks did not process it, {operation.attempts} times")
    said = explain_status(code, status.message)
    if is_busy(code, status.message):
        if operation.attempts < MOST_ROUNDS:
            return Outcome(key, "pending", code, f"{said} It is sent again in the next session.")
        return Outcome(key, "rejected", code, f"{said} It was sent in {operation.attempts} sessions.")
    if code == qbxml_io.NO_STATUS:
        return Outcome(key, "unknown", message="QuickBooks' answer does not say how it went")
    if code in _NO_ERROR:
        return Outcome(key, "unknown", code, "QuickBooks accepted it and named no record")
    if code == INTERNAL_ERROR or _is_to_be_looked_at(operation, code):
        return Outcome(key, "unknown", code, said)
    return Outcome(key, "rejected", code, said)


def _is_to_be_looked_at(operation: Operation, code: int) -> bool:
    """Return whether a refusal is final only once the record that it is about was looked at.

    A name that is taken may be that of our own customer, added by an answer that was lost long ago; a record
    that changed is read again, so that the next plan is made from what it holds now.
    """
    is_new_customer = operation.record_kind == "customer" and operation.request.endswith("Add")
    return (code == NAME_TAKEN and is_new_customer) or code == OUT_OF_DATE


def _made(
    operation: Operation,
    status: qbxml_io.Status,
    quickbooks_id: str,
    edit_sequence: str | None,
    answer: _Answer,
    known: Known,
) -> Outcome:
    """Return the outcome of an operation whose answer names a record."""
    key, code = operation.key, status.code
    if code not in _NO_ERROR:
        said = explain_status(code, status.message)
        return Outcome(key, "unknown", code, f"QuickBooks names {quickbooks_id} and reports an error: {said}")
    row = answer.rows.get((TABLES.get(operation.record_kind, ""), quickbooks_id), {})
    if _foreign(operation, row):
        return Outcome(key, "unknown", code, f"the answer is about another record, {quickbooks_id}")
    differs = differences(operation, row, answer.applied.get(quickbooks_id, []), known)
    message = DIFFERS + "; ".join(differs) if differs else status.message if code else None
    return applied_as(operation, quickbooks_id, edit_sequence, row, code, message)


def applied_as(
    operation: Operation,
    quickbooks_id: str,
    edit_sequence: str | None,
    row: Row,
    code: int | None,
    message: str | None,
) -> Outcome:
    """Return the outcome of an operation that is a record of QuickBooks, with its binding.

    Parameters
    ----------
    row : mapping
        The record, a row of its ``quickbooks.*`` table; empty where the answer has none.
    """
    bind = {
        "record_kind": operation.record_kind,
        "key": operation.key.split(":", 1)[1],
        "origin": "billing",
        "quickbooks_id": quickbooks_id,
        "edit_sequence": edit_sequence,
        "ref_number": operation.ref_number,
        "customer_list_id": row.get("customer_list_id"),
        "amount": operation.amount,
        "operation_key": operation.key,
        "job": operation.job,
    }
    return Outcome(operation.key, "applied", code, message, quickbooks_id, edit_sequence, bind)


def _foreign(operation: Operation, row: Row) -> bool:
    return same_guid(operation, row) is False


def same_guid(operation: Operation, row: Row) -> bool | None:
    """Return whether a record bears the GUID of an operation; ``None`` where it has none to compare.

    Answers before qbXML 11.0 have none.
    """
    sent, got = operation.fields.get("ExternalGUID"), row.get("external_guid")
    if not sent or not got:
        return None
    return str(sent).strip("{}").lower() == str(got).strip("{}").lower()


def differences(operation: Operation, row: Row, applied: Sequence[Row], known: Known) -> list[str]:
    """Return what QuickBooks' answer holds otherwise than it was meant, as clauses.

    Parameters
    ----------
    operation : Operation
        With ``expected``: names of columns (or ``total``, ``tax``, ``unapplied``) to values as text,
        ``applied``: what a payment was to pay, and ``refers_to``, which was checked before it was sent.
    row : mapping
        The record in the answer, a row of its ``quickbooks.*`` table; empty where it has none.
    applied : sequence of mapping
        Rows of ``quickbooks.payment_applications`` of the answer.
    known : callable
        Key of an applied operation to its TxnID.
    """
    if not row:
        return []
    found = []
    for name, meant in operation.expected.items():
        if name in ("applied", REFERS_TO, KNOWN_AS) or meant is None:
            continue
        value = value_of(name, row)
        same = value == Decimal(meant) if name in _AMOUNTS else str(value) == str(meant)
        if not same:
            found.append(f"{name} is {_shown(value)}, meant {meant}")
    found += _of_another(operation, row, known)
    if operation.record_kind == "payment":
        found += _misapplied(operation.expected.get("applied") or [], applied, known)
    return found


def _of_another(operation: Operation, row: Row, known: Known) -> list[str]:
    """Return whose a record is that was meant for a customer whom the toolkit added itself."""
    meant = (operation.fields.get("CustomerRef") or {}).get("ListID")
    if not isinstance(meant, Mapping) or "customer_list_id" not in row:
        return []
    list_id, got = resolve(meant, known), row["customer_list_id"]
    return [] if got == list_id else [f"customer_list_id is {_shown(got)}, meant {list_id}"]


def value_of(name: str, row: Row) -> Any:
    """Return what a record holds by the name that it has in ``expected``; an amount left out is zero."""
    if name == "total":
        return value_of("subtotal", row) + value_of("tax", row)
    value = row.get(_COLUMNS.get(name, name))
    return Decimal(0) if value is None and name in _AMOUNTS else value


def _shown(value: Any) -> str:
    return "missing" if value is None else str(value)


def _misapplied(meant: Sequence[Row], applied: Sequence[Row], known: Known) -> list[str]:
    """Return what a payment pays otherwise than it was meant, invoice by invoice."""
    got: dict[str, Decimal] = {}
    for row in applied:
        got[row["txn_id"]] = got.get(row["txn_id"], Decimal(0)) + (row["amount"] or Decimal(0))
    found = []
    for part in meant:
        txn_id = resolve(part["txn_id"], known)
        amount = got.pop(txn_id, Decimal(0))
        if amount != Decimal(part["amount"]):
            found.append(f"applied to {part['invoice_number']} is {amount}, meant {part['amount']}")
    return found + [f"applied to {txn_id} is {amount}, meant nothing" for txn_id, amount in got.items()]
