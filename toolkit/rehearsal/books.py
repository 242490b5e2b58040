"""The books of a simulated company: its lists, transactions, identifiers and clock.

A record holds its fields by qbXML name, nested as in its Ret element, with typed values. What can be worked
out (balances, full names in references) is worked out when asked, so that it can never be out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from toolkit.errors import ProtocolError

ZERO = Decimal("0.00")
CENT = Decimal("0.01")
EPOCH = datetime(1970, 1, 1)

REFERENCES = {
    "CustomerRef": "Customer",
    "EntityRef": "Customer",
    "ClassRef": "Class",
    "ARAccountRef": "Account",
    "AccountRef": "Account",
    "IncomeAccountRef": "Account",
    "ExpenseAccountRef": "Account",
    "COGSAccountRef": "Account",
    "AssetAccountRef": "Account",
    "DepositToAccountRef": "Account",
    "DiscountAccountRef": "Account",
    "TermsRef": "Terms",
    "ItemRef": "Item",
    "ItemGroupRef": "Item",
    "ItemSalesTaxRef": "Item",
    "SalesTaxCodeRef": "SalesTaxCode",
    "CustomerSalesTaxCodeRef": "SalesTaxCode",
    "PaymentMethodRef": "PaymentMethod",
    "PreferredPaymentMethodRef": "PaymentMethod",
    "CurrencyRef": "Currency",
    "TemplateRef": "Template",
    "SalesRepRef": "SalesRep",
    "CustomerTypeRef": "CustomerType",
    "TaxVendorRef": "Vendor",
}
"""The list that each reference points into; ``ParentRef`` points into the record's own."""

LISTS = tuple(dict.fromkeys(REFERENCES.values()))


class Rejected(ProtocolError):
    """A request that QuickBooks answers with an error status; it changed nothing.

    Source: PROTOCOL 7.2 (status codes).
    """

    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


def missing_reference(kind: str, name: str, owner: str) -> Rejected:
    """Return the rejection of a reference to what is not there, or is inactive."""
    return Rejected(
        3140,
        f'There is an invalid reference to QuickBooks {kind} "{name}" in the {owner}.  '
        "QuickBooks error message: Invalid argument.  The specified record does not exist in the list.",
    )


def not_found(name: str) -> Rejected:
    """Return the rejection of an object that is not there."""
    return Rejected(3120, f'Object "{name}" specified in the request cannot be found.  ')


def cannot_save(owner: str, why: str) -> Rejected:
    """Return the rejection of an object that the books do not admit."""
    return Rejected(3180, f"There was an error when saving a {owner}.  QuickBooks error message: {why}")


def not_available() -> Rejected:
    """Return the rejection of what the simulated company does not do."""
    return Rejected(
        3250,
        "This feature is not enabled or not available in this version of QuickBooks (rehearsal company).",
    )


def cents(value: Decimal) -> Decimal:
    """Return an amount rounded to cents, half away from zero (PROTOCOL 8.4)."""
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(eq=False, slots=True)
class Record:
    """One list element or transaction.

    Attributes
    ----------
    tag
        Its Ret element: ``"CustomerRet"``, ``"ItemServiceRet"``, ``"InvoiceRet"``.
    fields
        Values by qbXML name. ``"*"`` holds a document's lines, each ``(tag, fields)``.
    opening
        For a customer: the part of the balance that no document in these books explains.
    """

    tag: str
    fields: dict[str, Any]
    opening: Decimal = ZERO

    @property
    def id(self) -> str:
        """ListID or TxnID."""
        return str(self.fields.get("ListID") or self.fields["TxnID"])

    @property
    def kind(self) -> str:
        """The tag without ``Ret``: ``"Invoice"``, ``"ItemService"``."""
        return self.tag.removesuffix("Ret")

    @property
    def name(self) -> str:
        """The full name, or the name where the list is flat."""
        return str(self.fields.get("FullName") or self.fields.get("Name") or self.fields.get("CurrencyCode"))

    @property
    def active(self) -> bool:
        """Whether it may be used."""
        return self.fields.get("IsActive") is not False

    @property
    def lines(self) -> list[tuple[str, dict[str, Any]]]:
        """The lines of a document in order."""
        found: list[tuple[str, dict[str, Any]]] = self.fields.get("*", [])
        return found

    def flat_lines(self) -> Iterator[dict[str, Any]]:
        """Yield every line that is no group header, members of groups too."""
        for tag, line in self.lines:
            if tag.endswith("GroupRet"):
                yield from line.get(f"{self.kind}LineRet", ())
            else:
                yield line

    def ref(self, tag: str) -> str | None:
        """Return the ListID that a reference holds."""
        return (self.fields.get(tag) or {}).get("ListID")


@dataclass(slots=True)
class Preferences:
    """What the company file says about itself, as nested qbXML fields of its three Rets."""

    host: dict[str, Any] = field(default_factory=dict)
    company: dict[str, Any] = field(default_factory=dict)
    preferences: dict[str, Any] = field(default_factory=dict)

    def get(self, group: str, name: str) -> Any:
        """Return one preference, or None where the company does not have the group."""
        return (self.preferences.get(group) or {}).get(name)


class Transactions(dict[str, Record]):
    """Transactions by TxnID, found by number and by kind too; nothing changes them of one that is there."""

    def __init__(self) -> None:
        super().__init__()
        self._by_number: dict[tuple[str, str], dict[str, Record]] = {}
        self._by_kind: dict[str, dict[str, Record]] = {}

    def __setitem__(self, txn_id: str, record: Record) -> None:
        super().__setitem__(txn_id, record)
        self._by_number.setdefault(_number_of(record), {})[txn_id] = record
        self._by_kind.setdefault(record.kind, {})[txn_id] = record

    def __delitem__(self, txn_id: str) -> None:
        del self._by_number[_number_of(self[txn_id])][txn_id]
        del self._by_kind[self[txn_id].kind][txn_id]
        super().__delitem__(txn_id)

    def numbered(self, kind: str, number: str) -> list[Record]:
        """Return those of a kind with a number, without regard to case, as they were made."""
        return list(self._by_number.get((kind, number.casefold()), {}).values())

    def of_kind(self, kind: str) -> list[Record]:
        """Return those of a kind, as they were made."""
        return list(self._by_kind.get(kind, {}).values())


def _number_of(record: Record) -> tuple[str, str]:
    return record.kind, str(record.fields.get("RefNumber") or "").casefold()


class Books:
    """Lists and transactions of one company file.

    Parameters
    ----------
    clock
        Wall clock of the QuickBooks PC. Time here runs at least one second a change, so that no two
        changes share an identifier or an edit sequence.
    utc_offset
        What QuickBooks writes behind its times.

    Notes
    -----
    Source: PROTOCOL 8.1, 8.2, 8.3.
    """

    def __init__(self, clock: Callable[[], datetime], utc_offset: timedelta = timedelta(hours=-8)) -> None:
        self.clock = clock
        self.utc_offset = utc_offset
        self.about = Preferences()
        self.lists: dict[str, dict[str, Record]] = {name: {} for name in LISTS}
        self.transactions = Transactions()
        self.extra_names: set[str] = set()
        self.deleted_lists: list[Record] = []
        self.deleted_transactions: list[Record] = []
        self._by_name: dict[str, dict[str, str]] = {name: {} for name in LISTS}
        self._by_customer: dict[str, dict[str, Record]] = {}
        self._jobs: dict[str, dict[str, Record]] = {}
        self._last = datetime.min
        self._next_list, self._next_txn, self._next_number = 0x80000001, 1, 1

    # --- time and identifiers

    def tick(self) -> datetime:
        """Return the time of a change: now, and at least a second after the last one."""
        now = self.clock().replace(tzinfo=None, microsecond=0)
        self._last = now if self._last == datetime.min else max(now, self._last + timedelta(seconds=1))
        return self._last

    def today(self) -> date:
        """Return the day on the QuickBooks PC."""
        return self.clock().date()

    def unix(self, moment: datetime) -> int:
        """Return a wall clock time as Unix time."""
        return int((moment - self.utc_offset - EPOCH).total_seconds())

    def list_id(self, moment: datetime) -> str:
        """Return the ListID of an element made at a moment."""
        self._next_list += 1
        return f"{self._next_list - 1:X}-{self.unix(moment)}"

    def txn_id(self, moment: datetime) -> str:
        """Return the TxnID, or TxnLineID, of what is made at a moment."""
        self._next_txn += 1
        return f"{self._next_txn - 1:X}-{self.unix(moment)}"

    def txn_number(self) -> int:
        """Return the next number of a transaction."""
        self._next_number += 1
        return self._next_number - 1

    def touch(self, record: Record, moment: datetime) -> None:
        """Give a changed record a new edit sequence."""
        old = str(record.fields.get("EditSequence") or "0")
        new = max(self.unix(moment), int(old) + 1 if old.isdigit() else 0)
        record.fields["TimeModified"] = moment
        record.fields["EditSequence"] = str(new)

    def head(self, key: str, identifier: str, moment: datetime) -> dict[str, Any]:
        """Return the fields that every new record starts with; ``key`` is ListID or TxnID."""
        return {
            key: identifier,
            "TimeCreated": moment,
            "TimeModified": moment,
            "EditSequence": str(self.unix(moment)),
        }

    # --- lists

    def put(self, where: str, record: Record) -> None:
        """Add a list element, or one that was renamed or moved, to its list."""
        self.lists[where][record.id] = record
        self._by_name[where][record.name.casefold()] = record.id
        if where == "Customer" and record.ref("ParentRef"):
            self._jobs.setdefault(str(record.ref("ParentRef")), {})[record.id] = record
        self._keep_above(record.id, lists=True)

    def take(self, where: str, record: Record) -> None:
        """Remove a list element from its list."""
        del self.lists[where][record.id]
        self._by_name[where].pop(record.name.casefold(), None)
        self._jobs.get(str(record.ref("ParentRef")), {}).pop(record.id, None)

    def rename(self, where: str, record: Record, name: str, parent: Record | None) -> None:
        """Give an element another name or parent, and all below it their new full names."""
        self.take(where, record)
        record.fields["Name"] = name
        if "FullName" in record.fields:
            record.fields["FullName"] = f"{parent.name}:{name}" if parent else name
            record.fields["Sublevel"] = int(parent.fields.get("Sublevel") or 0) + 1 if parent else 0
        record.fields["ParentRef"] = {"ListID": parent.id} if parent else None
        self.put(where, record)
        for child in [child for child in self.lists[where].values() if child.ref("ParentRef") == record.id]:
            self.rename(where, child, str(child.fields["Name"]), record)

    def named(self, where: str, full_name: str) -> Record | None:
        """Return the element of a full name, without regard to case."""
        identifier = self._by_name[where].get(full_name.casefold())
        return self.lists[where].get(identifier) if identifier else None

    def is_taken(self, where: str, full_name: str) -> bool:
        """Return whether a full name is in use; top-level customers share a name space with all names."""
        folded = full_name.casefold()
        others = self.extra_names | self._by_name["Vendor"].keys()
        return folded in self._by_name[where] or (where == "Customer" and folded in others)

    def find(self, where: str, ref: dict[str, Any] | None) -> Record | None:
        """Return what a reference means, active or not; with both given the ListID counts (unconfirmed)."""
        if not ref:
            return None
        if ref.get("ListID"):
            return self.lists[where].get(ref["ListID"])
        return self.named(where, ref["FullName"]) if ref.get("FullName") else None

    def need(self, tag: str, ref: dict[str, Any], owner: str, where: str = "") -> Record:
        """Return the active element that a reference means.

        Raises
        ------
        Rejected
            3140: there is none, or it is inactive.
        """
        where = where or REFERENCES.get(tag, "")
        found = self.find(where, ref) if where else None
        if found is None or not found.active:
            raise missing_reference(
                where or tag.removesuffix("Ref"), ref.get("FullName") or ref.get("ListID") or "", owner
            )
        return found

    def full_name(self, tag: str, list_id: str | None, where: str) -> str | None:
        """Return the present full name behind a reference of a record in the list ``where``."""
        found = self.lists.get(REFERENCES.get(tag, where), {}).get(list_id or "")
        return found.name if found else None

    # --- transactions

    def post(self, record: Record) -> None:
        """Add a transaction."""
        self.transactions[record.id] = record
        self._by_customer.setdefault(str(record.ref("CustomerRef")), {})[record.id] = record
        self._keep_above(record.id, lists=False)
        for line in (*(line for _, line in record.lines), *record.flat_lines()):
            self._keep_above(str(line.get("TxnLineID") or ""), lists=False)
        self._next_number = max(self._next_number, int(record.fields.get("TxnNumber") or 0) + 1)

    def remove(self, record: Record) -> None:
        """Remove a transaction."""
        del self.transactions[record.id]
        self._by_customer[str(record.ref("CustomerRef"))].pop(record.id)

    def of_customer(self, list_id: str, kind: str = "") -> Iterator[Record]:
        """Yield a customer's own transactions, oldest first as they were made."""
        for record in self._by_customer.get(list_id, {}).values():
            if not kind or record.kind == kind:
                yield record

    def balance(self, customer: Record) -> Decimal:
        """Return a customer's own open balance, without its jobs."""
        return sum((open_amount(record) for record in self.of_customer(customer.id)), customer.opening)

    def total_balance(self, customer: Record) -> Decimal:
        """Return a customer's open balance with that of its jobs."""
        jobs = self._jobs.get(customer.id, {}).values()
        return sum((self.total_balance(job) for job in jobs), self.balance(customer))

    def _keep_above(self, identifier: str, *, lists: bool) -> None:
        """Make new identifiers larger than one that exists already."""
        try:
            number = int(identifier.partition("-")[0], 16) + 1
        except ValueError:
            return
        if lists and number < 1 << 32:
            self._next_list = max(self._next_list, number)
        elif not lists:
            self._next_txn = max(self._next_txn, number)


def total(record: Record) -> Decimal:
    """Return what a transaction is worth, tax included, without sign."""
    if record.kind == "ReceivePayment":
        return Decimal(record.fields.get("TotalAmount") or ZERO)
    return Decimal(record.fields.get("Subtotal") or ZERO) + Decimal(
        record.fields.get("SalesTaxTotal") or ZERO
    )


def remaining(record: Record) -> Decimal:
    """Return what is left open of a transaction: a balance, a credit or an unused payment, without sign."""
    if record.kind == "Invoice":
        return total(record) + Decimal(record.fields.get("AppliedAmount") or ZERO)
    if record.kind == "CreditMemo":
        return Decimal(record.fields.get("CreditRemaining") or ZERO)
    return Decimal(record.fields.get("UnusedPayment") or ZERO)


def open_amount(record: Record) -> Decimal:
    """Return what a transaction adds to its customer's balance; a pending one adds nothing."""
    if record.fields.get("IsPending"):
        return ZERO
    return remaining(record) if record.kind == "Invoice" else -remaining(record)
