"""What rules look at and plans are made of: source rows on their way to becoming operations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Target:
    """The QuickBooks customer or job that one BluBilling account is.

    ``list_id`` is set where it exists, ``operation`` where an operation creates it; neither where nobody
    has decided yet, and then ``status`` and ``reason`` say what the match said.
    """

    account: str
    status: str
    reason: str = ""
    list_id: str | None = None
    full_name: str | None = None
    operation: str | None = None
    is_active: bool = True
    currency: str | None = None

    @property
    def known(self) -> bool:
        """Whether documents can name it."""
        return bool(self.list_id or self.operation)

    @property
    def identity(self) -> str:
        """The same text for two accounts that are one QuickBooks customer."""
        return self.list_id or self.operation or f"?{self.account}"

    @property
    def reference(self) -> dict[str, Any]:
        """The content of ``CustomerRef``: of one still to be added the ListID that it will have."""
        if self.operation and not self.list_id:
            return {"ListID": {"operation": self.operation}}
        return {"ListID": self.list_id} if self.list_id else {"FullName": self.full_name or ""}

    @property
    def depends_on(self) -> set[str]:
        """The operation that must be applied before anything names it."""
        return set() if self.list_id or not self.operation else {self.operation}


@dataclass(frozen=True, slots=True)
class Line:
    """One posted line of a BluBilling invoice and the item it goes to."""

    row: Row
    status: str
    reason: str
    item: Row | None
    item_name: str | None
    operation: str | None
    is_tax: bool
    is_discount: bool

    @property
    def amount(self) -> Decimal:
        """The line's amount, as billed."""
        amount: Decimal = self.row["amount"]
        return amount

    @property
    def known(self) -> bool:
        """Whether the line has an item."""
        return self.item is not None or self.operation is not None

    @property
    def reference(self) -> dict[str, Any]:
        """The content of ``ItemRef``: of one still to be added the ListID that it will have."""
        if self.item is None and self.operation:
            return {"ListID": {"operation": self.operation}}
        return {"ListID": self.item["list_id"]} if self.item else {"FullName": self.item_name or ""}


@dataclass(slots=True)
class Operation:
    """One request, before it has its place in the plan."""

    key: str
    request: str
    record_kind: str
    fields: dict[str, Any]
    expected: dict[str, Any]
    amount: Decimal | None = None
    depends_on: set[str] = field(default_factory=set)
    customer: Target | None = None


@dataclass(slots=True)
class Draft:
    """One source row on its way to becoming one operation or several, or to staying behind.

    ``kind`` is item, customer, invoice, credit (an adjustment) or payment.
    """

    kind: str
    key: str
    table: str
    source_key: str
    row: Row
    account: str | None = None
    date: dt.date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    findings: list[dict[str, str | None]] = field(default_factory=list)
    left_out: tuple[str, str] | None = None
    operations: list[Operation] = field(default_factory=list)

    @property
    def source(self) -> str | None:
        """Where the row came from: file, sheet, row."""
        return self.row.get("source")

    @property
    def is_credit_memo(self) -> bool:
        """Whether it is posted as a credit memo: a house credit or a negative invoice."""
        return self.key.startswith("credit_memo:")

    @property
    def stays(self) -> bool:
        """Whether the row is not exported."""
        return self.left_out is not None


@dataclass(slots=True)
class Document(Draft):
    """An invoice or an adjustment: its lines, and the number QuickBooks will know it by."""

    lines: Sequence[Line] = ()
    ref_number: str = ""
    number_problem: str | None = None

    @property
    def key_column(self) -> str:
        """The column that holds the row's own number."""
        return "invoice_number" if self.kind == "invoice" else "adjustment_id"


@dataclass(frozen=True, slots=True)
class Application:
    """What of a payment goes to one invoice: where QuickBooks has it, or the operation that makes it."""

    invoice_number: str
    amount: Decimal
    target: Target
    txn_id: str | None = None
    operation: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a receipt that belongs to one QuickBooks customer."""

    key: str
    target: Target
    amount: Decimal
    applications: tuple[Application, ...]


@dataclass(slots=True)
class Payment(Draft):
    """A payment: its parts, one a QuickBooks customer, and what would pay more than is open."""

    parts: Sequence[Part] = ()
    overpaid: Sequence[str] = ()
    decided_number: str | None = None

    @property
    def is_credit(self) -> bool:
        """Whether it is a house credit that goes as a payment."""
        return self.table == "billing.adjustments"

    @property
    def ref_number(self) -> str:
        """What QuickBooks will know it by: as a person decided, the number of the check, else its own."""
        number: str = self.decided_number or self.row["check_number"] or self.source_key
        return number

    @property
    def applications(self) -> list[Application]:
        """All applications of all parts."""
        return [application for part in self.parts for application in part.applications]
