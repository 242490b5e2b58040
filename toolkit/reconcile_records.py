"""The tie-out's second half: what the ledger sent against the records that QuickBooks holds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from toolkit.checks_books import Books
from toolkit.receivables import KINDS, ZERO, currency_code, document_total
from toolkit.tables_plans import RELEASED, was_cancelled
from toolkit.transform_fields import external_guid, marked_key

__all__ = ["Records", "Row", "by_outcome", "difference", "withdrawn"]

Row = dict[str, Any]

_COMPARED = {
    "customer_list_id": "the customer",
    "txn_date": "the date",
    "due_date": "the due date",
    "ref_number": "the number",
    "ar_account_list_id": "the A/R account",
}
_NOT_APPLIED = {
    "rejected": (True, "rejected by QuickBooks"),
    "skipped": (True, "skipped"),
    "pending": (False, "not sent yet"),
    "sent": (False, "sent, and no answer came yet"),
    "unknown": (False, "outcome unknown"),
}


def difference(
    kind: str,
    row: Mapping[str, Any],
    meant: Decimal | None,
    found: Decimal | None,
    explained: bool,
    why: str,
) -> Row:
    """Return one row of ``tie_out.differences``; ``row`` is an operation, a source row or a record."""
    return {
        "record_kind": kind,
        "key": row.get("key") or row.get("source_key") or row.get("txn_id"),
        "account_number": row.get("account_number"),
        "ref_number": row.get("ref_number"),
        "txn_date": row.get("txn_date"),
        "currency": row.get("currency"),
        "meant": meant,
        "in_quickbooks": found,
        "difference": None if meant is None and found is None else (meant or ZERO) - (found or ZERO),
        "explained": explained,
        "reason": why,
        "source": row.get("source"),
    }


_OUTCOMES = {
    "applied": ("applied",),
    "waiting": ("pending", "sent", "unknown"),
    "failed": ("rejected", "skipped", "undone"),
}


def by_outcome(operations: Sequence[Row], amount: Callable[[Row], Decimal] | None) -> Row:
    """Return count and amount of operations: queued, and of these applied, waiting and failed ones.

    Parameters
    ----------
    operations : sequence of dict
        Rows of ``ledger.operations``.
    amount : callable, optional
        What of money an operation is; of a list's record none is.
    """
    found: Row = {}
    parts = {name: [row for row in operations if row["status"] in of] for name, of in _OUTCOMES.items()}
    for name, rows in {"queued": operations, **parts}.items():
        found[f"{name}_count"] = len(rows)
        if amount:
            found[f"{name}_amount"] = sum(map(amount, rows), ZERO)
    return found


def withdrawn(operations: Sequence[Row]) -> set[str]:
    """Return the keys of operations that were cancelled with their job before anything of their row left.

    A receipt of which a part went counts as sent.
    """
    left: dict[tuple[str | None, str | None], bool] = defaultdict(bool)
    for row in operations:
        left[row["source_table"], row["source_key"]] |= not was_cancelled(row)
    return {row["key"] for row in operations if not left[row["source_table"], row["source_key"]]}


class Records:
    """What QuickBooks holds, compared with the newest attempt at each operation.

    Parameters
    ----------
    books : Books
        ``quickbooks.*``, ``billing.*`` and ``ledger.*``.
    operations : sequence of dict
        Rows of ``ledger.operations``.
    cancelled_parts : mapping
        As :func:`toolkit.reconcile_source.read_source` found them: operation key to whether it is explained,
        and why.
    """

    def __init__(
        self, books: Books, operations: Sequence[Row], cancelled_parts: Mapping[str, tuple[bool, str]]
    ) -> None:
        self.books, self.operations = books, operations
        self._cancelled_parts = cancelled_parts
        self._withdrawn = withdrawn(operations)
        self.found: dict[str, dict[str, Row]] = {kind: {} for kind in (*KINDS, "customer", "item")}
        """Kind to id to the record: those the operations made, and those that should not be there."""

    @cached_property
    def held(self) -> dict[str, dict[str, Row]]:
        """Everything that QuickBooks holds: kind to ListID or TxnID to row, with its total and currency."""
        held: dict[str, dict[str, Row]] = {}
        for kind, name in KINDS.items():
            held[kind] = {
                row["txn_id"]: row
                | {"total": document_total(kind, row), "currency": currency_code(self.books, row)}
                for row in self.books.rows(name)
            }
        for kind in ("customer", "item"):
            held[kind] = {row["list_id"]: row for row in self.books.rows(f"quickbooks.{kind}s")}
        return held

    def differences(self) -> list[Row]:
        """Return every difference between what was sent and what QuickBooks holds, each once."""
        strays = self._strays()
        sent = [row for row in self.operations if row["key"] not in self._withdrawn]
        listed = [row for each in sent for row in self._of_operation(each, strays)]
        for (kind, key), records in strays.items():
            for record, explained, why in records:
                self.found[kind][record["txn_id"]] = record
                shown = record | {"key": key or f"TxnID {record['txn_id']}"}
                listed.append(difference(kind, shown, None, record["total"], explained, why))
        return listed

    # --- one operation --------------------------------------------------------------------------------------

    def _of_operation(
        self, row: Row, strays: dict[tuple[str, str], list[tuple[Row, bool, str]]]
    ) -> Iterator[Row]:
        kind, status, meant = row["record_kind"], row["status"], row["amount"]
        record = self.held[kind].get(row["txn_id"] or row["list_id"] or "")
        if status == "undone":
            yield self._of_undone(row, record)
            return
        if status != "applied":
            explained, what = _NOT_APPLIED[status]
            waiting = strays.get((kind, row["key"]), [])
            if waiting:
                record, _, _ = waiting.pop(0)
                self._keep(row, record)
                what = f"{what}, but QuickBooks holds it as TxnID {record['txn_id']}"
                yield difference(kind, row, meant, record["total"], False, what)
                return
            if row["key"] in self._cancelled_parts:
                yield difference(kind, row, meant, None, *self._cancelled_parts[row["key"]])
                return
            said = f": {row['status_message']}" if row["status_message"] else ""
            yield difference(kind, row, meant, None, explained, what + said)
            return
        if record is None:
            yield difference(kind, row, meant, None, False, "applied here, absent in QuickBooks")
            return
        self._keep(row, record)
        changes = self._changes(row, record) if kind in KINDS else []
        if changes:
            yield difference(kind, row, meant, record["total"], False, "; ".join(changes))

    def _of_undone(self, row: Row, record: Row | None) -> Row:
        kind = row["record_kind"]
        gone = record is None or (not record["total"] if kind in KINDS else record["is_active"] is False)
        lost = str(row["status_message"] or "").startswith(RELEASED)
        if record is not None and not gone:
            self._keep(row, record)
            why = "undone here, still in QuickBooks"
            if lost:
                why = f"{row['status_message']}; and QuickBooks holds it again: do not export it"
            return difference(kind, row, row["amount"], record.get("total"), False, why)
        if lost:
            why = f"{row['status_message']}; export it again"
            return difference(kind, row, row["amount"], None, False, why)
        return difference(kind, row, row["amount"], None, True, "undone: taken back from QuickBooks")

    def _keep(self, row: Row, record: Row) -> None:
        """Remember the record of an operation, under the operation's currency: another one is a change."""
        kept = record if row["record_kind"] not in KINDS else record | {"currency": row["currency"]}
        self.found[row["record_kind"]][record.get("txn_id") or record["list_id"]] = kept

    def _changes(self, row: Row, record: Row) -> list[str]:
        """Return what QuickBooks holds otherwise than it was sent, as clauses."""
        changes = []
        if record["total"] != row["amount"]:
            changes.append("the amounts differ")
        if row["currency"] and record["currency"] != row["currency"]:
            changes.append(f"the currency is {record['currency']}, sent as {row['currency']}")
        expected = json.loads(row["expected"] or "{}")
        if not expected.get("customer_list_id"):
            expected["customer_list_id"] = self._made_customer(row)
        for name, label in _COMPARED.items():
            meant, value = expected.get(name), record.get(name)
            if meant is not None and name in record and str(value) != meant:
                changes.append(f"{label} is {value or 'missing'}, sent as {meant}")
        if "applied" in expected:
            changes += self._applied(row, expected["applied"] or [])
        return changes

    def _made_customer(self, row: Row) -> str | None:
        """Return the ListID of the customer that was made for this operation."""
        made = [self._by_key.get(key, {}) for key in row["depends_on"] or [] if key.startswith("customer:")]
        return made[0].get("list_id") if len(made) == 1 else None

    @cached_property
    def _by_key(self) -> dict[str, Row]:
        return {row["key"]: row for row in self.operations}

    def _applied(self, row: Row, expected: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        meant: dict[str, Decimal] = defaultdict(lambda: ZERO)
        numbers: dict[str, str] = {}
        for part in expected:
            target = self._paid(part)
            meant[target] += Decimal(part["amount"])
            numbers[target] = part["invoice_number"]
        actual = self._applications.get(row["txn_id"], {})
        for target in dict.fromkeys([*meant, *actual]):
            there = actual.get(target, ZERO)
            if there != meant[target]:
                number = numbers.get(target) or f"TxnID {target}"
                yield f"{there:,.2f} are applied to {number}, sent as {meant[target]:,.2f}"

    def _paid(self, part: Mapping[str, Any]) -> str:
        """Return the TxnID of the invoice that an application pays, which may have another one by now."""
        target = part["txn_id"]
        if isinstance(target, dict):
            return self._by_key.get(target["operation"], {}).get("txn_id") or str(target["operation"])
        if target not in self.held["invoice"]:  # lost by QuickBooks, and sent again
            again: str | None = self._by_key.get(f"invoice:{part['invoice_number']}", {}).get("txn_id")
            return again or str(target)
        return str(target)

    @cached_property
    def _applications(self) -> dict[str, dict[str, Decimal]]:
        sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        for row in self.books.rows("quickbooks.payment_applications"):
            sums[row["payment_txn_id"]][row["txn_id"]] += row["amount"] or ZERO
        return sums

    # --- records that should not be there -------------------------------------------------------------------

    def _strays(self) -> dict[tuple[str, str], list[tuple[Row, bool, str]]]:
        """Return documents that look like ours and are not known to the ledger: by kind and operation key."""
        known = {row["txn_id"] for row in self.operations if row["status"] in ("applied", "undone")}
        bound = self.books.rows("ledger.crosswalk")
        known |= {row["quickbooks_id"] for row in bound if row["origin"] == "quickbooks"}
        # What a person posted by hand is known too: reconcile_posted compares it with its row.
        known |= {row["txn_id"] for row in self.books.rows("ledger.postings")}
        guids = {external_guid(row["key"]): row["key"] for row in self.operations}
        numbers = {
            (
                row["record_kind"],
                row["ref_number"],
                self.held[row["record_kind"]][row["txn_id"]][_CUSTOMER],
            ): row
            for row in self.operations
            if row["ref_number"] and row["txn_id"] in self.held[row["record_kind"]]
        }
        strays: dict[tuple[str, str], list[tuple[Row, bool, str]]] = defaultdict(list)
        for kind in KINDS:
            for txn_id, record in self.held[kind].items():
                if txn_id in known:
                    continue
                key = marked_key(record["memo"]) or guids.get(record["external_guid"] or "")
                if key:
                    void = not record["total"]
                    why = f"TxnID {txn_id} carries our marker, but the ledger did not apply it: a second one?"
                    strays[kind, key].append((record, void, f"{why} It is void" if void else why))
                elif self._after_cutover(record):
                    ours = numbers.get((kind, record["ref_number"], record[_CUSTOMER]))
                    if ours:
                        why = f"a second {kind} of number {record['ref_number']} on the same customer"
                        told = bool(ours["said_absent"])
                        why += f": a person said that it is not {ours['key']} (toolkit show)" if told else ""
                        strays[kind, ""].append((record, told, f"TxnID {txn_id}: {why}"))
                    elif kind == "payment" and (paid := self._paid_by(txn_id)):
                        strays[kind, ""].append(self._entered_there(record, paid))
        return strays

    def _after_cutover(self, record: Row) -> bool:
        cutover = self.books.settings.cutover_date
        return cutover is None or (record["txn_date"] is not None and record["txn_date"] > cutover)

    def _paid_by(self, txn_id: str) -> dict[str, Decimal]:
        """Return what a payment pays on invoices of ours, carried or sent: number to amount."""
        paid = self._applications.get(txn_id, {})
        return {self._invoice_numbers[t]: amount for t, amount in paid.items() if t in self._invoice_numbers}

    @cached_property
    def _invoice_numbers(self) -> dict[str, str]:
        bound = self.books.rows("ledger.crosswalk")
        numbers = {row["quickbooks_id"]: row["key"] for row in bound if row["record_kind"] == "invoice"}
        sent = [r for r in self.operations if r["record_kind"] == "invoice" and r["status"] == "applied"]
        return numbers | {row["txn_id"]: row["source_key"] for row in sent}

    def _entered_there(self, record: Row, paid: Mapping[str, Decimal]) -> tuple[Row, bool, str]:
        """Judge a payment entered in QuickBooks: explained where BluBilling has it and does not export it."""
        shown = ", ".join(f"{amount:,.2f} on {number}" for number, amount in paid.items())
        why = f"TxnID {record['txn_id']} was entered in QuickBooks and pays {shown}"
        same = self._unsent_payments.get(frozenset(paid.items()))
        if same:
            return record, True, f"{why}: BluBilling has it as {same.pop(0)}, which is not exported"
        return record, False, f"{why}: BluBilling does not know it, enter it there"

    @cached_property
    def _unsent_payments(self) -> dict[frozenset[tuple[str, Decimal]], list[str]]:
        """Numbers of BluBilling's payments that were not queued, by what they pay."""
        went = [row for row in self.operations if row["key"] not in self._withdrawn]
        queued = {row["source_key"] for row in went if row["source_table"] == "billing.payments"}
        sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        for row in self.books.rows("billing.payment_applications"):
            if row["payment_number"] not in queued:
                sums[row["payment_number"]][row["invoice_number"]] += row["amount_applied"] or ZERO
        payments: dict[frozenset[tuple[str, Decimal]], list[str]] = defaultdict(list)
        for number, parts in sums.items():
            payments[frozenset(parts.items())].append(number)
        return payments


_CUSTOMER = "customer_list_id"
