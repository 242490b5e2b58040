"""A company with its billing, an export that went through, and the ways in which QuickBooks loses it."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange_world import PASSWORD, Clock, World
from export_world import Rows, adjustment, application, customer, day, frames, invoice, line, payment, world

from toolkit import cutover
from toolkit.reconcile import TieOut
from toolkit.reconcile_absent import Absent
from toolkit.rehearsal import Company
from toolkit.rehearsal.posting import apply
from toolkit.requeue import choose, list_absent, release
from toolkit.tables import to_rows
from toolkit.workspace import Workspace

ALL = ("customers", "invoices", "payments", "credits")
NOTE = "restored from ACME-2026-01-31.qbb"
DOCUMENTS = ("invoices", "credit_memos", "payments")
JANUARY = [
    *("customer:A3", "invoice:INV-1", "invoice:INV-2", "invoice:INV-3"),
    *("credit_memo:ADJ-1", "payment:P-1", "payment:P-2"),
]


class WallClock(Clock):
    """A clock of which there is one only: whoever copies a company does not copy the time."""

    def __deepcopy__(self, memo: dict[int, Any]) -> WallClock:
        return self


def books() -> Rows:
    """Return a company with a new customer, three invoices, a house credit and two payments."""
    rows = world()
    rows["billing.customers"].append(customer("A3", "Crane"))
    rows["mapping.customers"] = []
    rows["billing.invoices"] += [invoice("INV-2", "40.00"), invoice("INV-3", "15.00", account_number="A3")]
    rows["billing.invoice_lines"] += [line("INV-2", "40.00"), line("INV-3", "15.00")]
    rows["billing.adjustments"] = [adjustment("ADJ-1", "25.00")]
    rows["billing.payments"].append(payment("P-2", "40.00", effective_date=day(25)))
    rows["billing.payment_applications"].append(application("P-2", "INV-2", "40.00"))
    return rows


@dataclass
class Lost:
    """A workspace and its company; ``company`` is changed for another copy, or by somebody's hand."""

    ws: Workspace
    world: World

    @classmethod
    def make(cls, folder: Path, rows: Rows | None = None) -> Lost:
        """Return a workspace in which nothing was sent yet."""
        rows = books() if rows is None else rows
        clock = WallClock()
        clock.wait(40 * 86_400)
        ws = Workspace.create(folder / "ws", company="Fabrikam", password=PASSWORD, clock=clock)
        settings = {
            "cutover_date": "2025-12-31",
            "pilot": "false",
            "deposit_accounts.ACH": "Card Clearing",
            "credit_item": "House Credit",
        }
        for key, value in settings.items():
            ws.set(key, value)
        for name, frame in frames(rows).items():
            if not name.startswith(("mapping.", "ledger.")):
                ws.write(name, frame)
        new = {"account_number": "A3", "decision": "(new)", "new_name": "Crane"}
        ws.ledger.decide("customers", [new], "analyst")
        theirs = {name: rows[name] for name in rows if name.startswith("quickbooks.")}
        company = Company.from_tables(frames(theirs), clock=clock, file_path=r"C:\Books\fabrikam.qbw")
        return cls(ws, World.around(ws, company, clock))

    # --- the queue

    def plan(self, *switches: str, **more: Any) -> Any:
        return cutover.plan_export(self.ws, **{"new": True, **more}, **dict.fromkeys(switches or ALL, True))

    def export(self, *switches: str, **more: Any) -> int:
        """Export, approved, and run it; return the job."""
        job = self.ws.queue(self.plan(*switches, **more), approved_by="ann").job
        assert job is not None
        self.world.finish()
        return job

    def read_back(self) -> int:
        """Read again all that was sent; return the job."""
        job = cutover.queue_refresh(self.ws)
        self.world.finish()
        assert self.ws.ledger.job(job).status == "complete", self.ws.ledger.job(job).message
        return job

    def tie(self) -> TieOut:
        return cutover.tie_out(self.ws)

    # --- QuickBooks

    def backed_up(self) -> Company:
        """Return a copy of the company file as it is."""
        return copy.deepcopy(self.world.company)

    def restore(self, backup: Company) -> None:
        """Put a copy of the company file in the place of the present one."""
        self.world.company = backup

    def ask(self, body: str) -> str:
        """Do something in QuickBooks by hand."""
        head = '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?>'
        answer = self.world.company.process(
            f'{head}<QBXML><QBXMLMsgsRq onError="stopOnError">{body}</QBXMLMsgsRq></QBXML>'
        )
        assert 'statusCode="0"' in answer, answer
        return answer

    def delete(self, key: str) -> None:
        """Delete the document of an operation by hand."""
        found = self.ws.ledger.operation(key)
        kind = {"invoice": "Invoice", "credit_memo": "CreditMemo", "payment": "ReceivePayment"}
        named = f"<TxnDelType>{kind[found.record_kind]}</TxnDelType><TxnID>{found.txn_id}</TxnID>"
        self.ask(f"<TxnDelRq>{named}</TxnDelRq>")

    def delete_marked(self, key: str) -> None:
        """Delete the document that bears the marker of an operation, whatever the ledger knows of it."""
        tables = self.world.company.tables()
        for kind, table in (
            ("Invoice", "invoices"),
            ("CreditMemo", "credit_memos"),
            ("ReceivePayment", "payments"),
        ):
            for row in to_rows(tables[f"quickbooks.{table}"]):
                if str(row["memo"]).endswith(f"[bb:{key}]"):
                    named = f"<TxnDelType>{kind}</TxnDelType><TxnID>{row['txn_id']}</TxnID>"
                    self.ask(f"<TxnDelRq>{named}</TxnDelRq>")

    def apply_by_hand(self, payment: str, invoice: str, amount: str) -> None:
        """Apply a payment to an invoice; the simulated company has no ReceivePaymentMod."""
        books = self.world.company.books
        found = [books.transactions[str(self.ws.ledger.operation(key).txn_id)] for key in (payment, invoice)]
        apply(books, found[0], found[1], Decimal(amount), books.tick())

    # --- what is lost

    def absent(self) -> Absent:
        return list_absent(self.ws)

    def lost(self) -> list[str]:
        """Return the keys that are proved to be absent, in their order."""
        return [row["key"] for row in to_rows(self.absent().records) if row["proved"]]

    def release(self, *keys: str) -> list[str]:
        return release(self.ws, choose(self.absent(), keys or None), "ann", NOTE)

    # --- how it ends

    def standing(self) -> Counter[str]:
        """Return how often the company holds each document of ours, by the operation's key."""
        return Counter(key for kind in DOCUMENTS for key in self.world.holds(kind))

    def proved_to_the_cent(self, *keys: str) -> None:
        """Assert that each document stands exactly once, and that everything ties after one more re-read."""
        self.read_back()
        assert self.standing() == Counter(key for key in keys or JANUARY if not key.startswith("customer:"))
        result = self.tie()
        assert result.ties, to_rows(result.differences)
        assert len(result.differences) == 0, to_rows(result.differences)
        for row in to_rows(result.totals):
            assert row["queued_count"] == row["applied_count"] == row["quickbooks_count"]
            assert not row["difference"]
        names = self.world.names()
        assert len(names) == len(set(names)), names
        tables = self.world.company.tables()
        balances = {row["full_name"]: row["balance"] for row in to_rows(tables["quickbooks.customers"])}
        assert balances["Crane"] == Decimal("15.00")
