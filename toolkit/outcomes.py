"""What an answer to a message set says about each of its operations.

Pure: operations and the events of an answer in, outcomes out. The requestID of an operation is its place in
the set, from 1, so that an answer finds its operation whatever order it comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from toolkit import qbxml_io
from toolkit.errors import ProtocolError
from toolkit.ledger import Operation, Outcome
from toolkit.quickbooks_codes import NOT_PROCESSED, explain_status

# Warnings with which the record was saved all the same.
SAVED = frozenset({0, 530, 531, 550, 560, 570})

TABLES = {
    "invoice": "quickbooks.invoices",
    "credit_memo": "quickbooks.credit_memos",
    "payment": "quickbooks.payments",
    "customer": "quickbooks.customers",
    "item": "quickbooks.items",
}


def requests(operations: Sequence[Operation], known: Callable[[str], str | None]) -> list[qbxml_io.Request]:
    """Return the requests of a message set.

    Parameters
    ----------
    operations : sequence of Operation
        In order of sending.
    known : callable
        Key of an applied operation to its ListID or TxnID.

    Raises
    ------
    ProtocolError
        A field refers to an operation that was not applied: it must not be sent.
    """
    return [
        qbxml_io.Request(operation.request, _resolve(operation.fields, known), request_id=str(place))
        for place, operation in enumerate(operations, start=1)
    ]


def _resolve(value: Any, known: Callable[[str], str | None]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"operation"}:
            found = known(value["operation"])
            if found is None:
                raise ProtocolError(
                    f"{value['operation']} has no QuickBooks id yet, so nothing may refer to it"
                )
            return found
        return {name: _resolve(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, known) for item in value]
    return value


def outcomes(operations: Sequence[Operation], events: Iterable[qbxml_io.Event]) -> list[Outcome]:
    """Return one outcome for each operation of an answered set.

    An operation without a status of its own is *unknown*: it is never sent again blindly.
    """
    statuses: dict[str, qbxml_io.Status] = {}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    applied: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if isinstance(event, qbxml_io.Status) and event.request_id:
            statuses[event.request_id] = event
        elif isinstance(event, qbxml_io.Batch):
            for row in event.rows.to_pylist():
                if event.table == "quickbooks.payment_applications":
                    applied.setdefault(row["payment_txn_id"], []).append(row)
                elif row.get("txn_id") or row.get("list_id"):
                    rows[event.table, row.get("txn_id") or row["list_id"]] = row
    found = []
    for place, operation in enumerate(operations, start=1):
        status = statuses.get(str(place))
        if status is None:
            found.append(Outcome(operation.key, "unknown", message="QuickBooks' answer does not mention it"))
        else:
            found.append(_outcome(operation, status, rows, applied))
    return found


def _outcome(
    operation: Operation,
    status: qbxml_io.Status,
    rows: Mapping[tuple[str, str], dict[str, Any]],
    applied: Mapping[str, list[dict[str, Any]]],
) -> Outcome:
    code = status.code
    if code == NOT_PROCESSED:
        return Outcome(operation.key, "pending", code, "QuickBooks did not process it; it is sent again")
    if code not in SAVED:
        return Outcome(operation.key, "rejected", code, explain_status(code, status.message))
    made = status.objects[0] if status.objects else None
    if made is None or made.id is None:
        return Outcome(operation.key, "unknown", code, "QuickBooks accepted it and named no record")
    row = rows.get((TABLES[operation.record_kind], made.id), {})
    differs = differences(operation, row, applied.get(made.id, []))
    bind = {
        "record_kind": operation.record_kind,
        "key": operation.key.split(":", 1)[1],
        "origin": "billing",
        "quickbooks_id": made.id,
        "edit_sequence": made.edit_sequence,
        "ref_number": operation.ref_number,
        "customer_list_id": row.get("customer_list_id"),
        "amount": operation.amount,
        "operation_key": operation.key,
        "job": operation.job,
    }
    message = (
        f"differs from what was meant: {'; '.join(differs)}" if differs else status.message if code else None
    )
    return Outcome(operation.key, "applied", code, message, made.id, made.edit_sequence, bind)


def differences(
    operation: Operation, row: Mapping[str, Any], applied: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return what QuickBooks' answer holds otherwise than it was meant, as clauses.

    Parameters
    ----------
    operation : Operation
        With ``expected``: names of columns to values as text, and ``applied``, TxnID or key to amount.
    row : mapping
        The record in the answer, a row of its ``quickbooks.*`` table.
    applied : sequence of mapping
        Rows of ``quickbooks.payment_applications`` of the answer.
    """
    if not row:
        return []
    found = []
    actual = dict(row)
    if "subtotal" in actual:
        actual["total"] = (actual["subtotal"] or Decimal(0)) + (actual["sales_tax_total"] or Decimal(0))
    for name, meant in operation.expected.items():
        if name == "applied" or meant is None or name not in actual:
            continue
        value = actual[name]
        same = Decimal(meant) == value if isinstance(value, Decimal) else str(value) == str(meant)
        if not same:
            found.append(f"{name} is {value}, meant {meant}")
    meant_applied = sum(
        (Decimal(part["amount"]) for part in operation.expected.get("applied") or []), Decimal(0)
    )
    got = sum((part["amount"] or Decimal(0) for part in applied), Decimal(0))
    if operation.record_kind == "payment" and meant_applied != got:
        found.append(f"applied {got}, meant {meant_applied}")
    return found
