"""A workspace, a simulated company and the calls of a Web Connector between them, without a network."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rehearsal_company import ACME, AR, BANK, FREE, HOSTING, company

from toolkit import lookups, workspace_config
from toolkit.errors import RequestRefused
from toolkit.exchange import Exchange
from toolkit.exchange_next import NextDocument
from toolkit.ledger import REFUSED, Outcome
from toolkit.rehearsal import Company
from toolkit.tables import from_rows, to_rows
from toolkit.transform_fields import external_guid, memo
from toolkit.workspace import Workspace
from toolkit.workspace_here import adopt

PASSWORD = "a long password"
START = dt.datetime(2026, 1, 5, 9, 0)
QUICKBOOKS_DIED = "0x80010105"


class Clock:
    """A clock that moves when told to, and a millisecond with each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        self.now += dt.timedelta(milliseconds=1)
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def create(place: Path) -> Workspace:
    """Return a new workspace."""
    return Workspace.create(place, company="Test Works", password=PASSWORD, rehearsal=True, clock=Clock())


def set_by_hand(ws: Workspace, key: str, text: str) -> None:
    """Change a setting as an editor does that opens workspace.toml: nobody asks whether it may be so."""
    made = workspace_config.load(ws.path)
    workspace_config.save(ws.path, replace(made, settings=made.settings.with_text(key, text)))


def create_template(made_by: pytest.TempPathFactory, **settings: str) -> Path:
    """Return the folder of a new workspace with some settings, for :meth:`World.make` to copy."""
    place = made_by.mktemp("template") / "workspace"
    with create(place) as ws:
        for key, value in settings.items():
            ws.set(key, value)
    return place


# --- operations ---------------------------------------------------------------------------------------------


def operation(key: str, request: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a row of ``plan.operations``; ``expected`` as a dict."""
    expected = json.dumps(more.pop("expected", {}))
    kind = more.pop("record_kind", key.partition(":")[0])
    row = {"key": key, "request": request, "record_kind": kind, "depends_on": [], "expected": expected}
    return row | {"fields": json.dumps({**fields, "ExternalGUID": external_guid(key)})} | more


def customer(number: str, name: str) -> dict[str, Any]:
    key = f"customer:{number}"
    return operation(key, "CustomerAdd", {"Name": name}, expected={"name": name})


def invoice(number: str, amount: str, of: str = ACME, **expected: str) -> dict[str, Any]:
    """Return an invoice of a ListID, or of the customer that an operation makes."""
    key = f"invoice:{number}"
    made = of.startswith("customer:")
    fields = {
        "CustomerRef": {"ListID": {"operation": of} if made else of},
        "ARAccountRef": {"ListID": AR},
        "TxnDate": "2026-01-02",
        "RefNumber": number,
        "DueDate": "2026-02-01",
        "Memo": memo(number, key),
        "InvoiceLineAdd": [
            {"ItemRef": {"ListID": HOSTING}, "Amount": amount, "SalesTaxCodeRef": {"ListID": FREE}}
        ],
    }
    meant = {"subtotal": amount, "tax": "0.00", "total": amount, "due_date": "2026-02-01", **expected}
    depends_on = [of] if made else []
    return operation(key, "InvoiceAdd", fields, expected=meant, depends_on=depends_on, ref_number=number)


def payment(number: str, amount: str, of: str, to: str, **expected: Any) -> dict[str, Any]:
    """Return a payment on the invoice of that number, which an operation makes."""
    key, first = f"payment:{number}", f"invoice:{to}"
    made = of.startswith("customer:")
    fields = {
        "CustomerRef": {"ListID": {"operation": of} if made else of},
        "ARAccountRef": {"ListID": AR},
        "TxnDate": "2026-01-03",
        "RefNumber": number,
        "TotalAmount": amount,
        "Memo": memo(number, key),
        "DepositToAccountRef": {"ListID": BANK},
        "AppliedToTxnAdd": [{"TxnID": {"operation": first}, "PaymentAmount": amount}],
    }
    meant = {
        "total_amount": amount,
        "unapplied": "0.00",
        "applied": [{"invoice_number": to, "txn_id": {"operation": first}, "amount": amount}],
        **expected,
    }
    return operation(key, "ReceivePaymentAdd", fields, expected=meant, depends_on=[first])


# --- the Web Connector --------------------------------------------------------------------------------------


@dataclass
class World:
    """A workspace and a company, and a Web Connector that keeps the order of calls of PROTOCOL 1.4."""

    ws: Workspace
    company: Company
    clock: Clock
    exchange: Exchange
    requests: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    percent: list[int] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path, template: Path | None = None, **settings: str) -> World:
        """Return a world in a folder; ``template`` is a workspace to copy, which is faster than a new one."""
        clock, place = Clock(), folder / "workspace"
        if template is None:
            create(place).close()
        else:
            shutil.copytree(template, place)
            adopt(place, "the test")
        ws = Workspace(place, clock=clock)
        for key, value in settings.items():
            ws.set(key, value)
        return cls.around(ws, company(), clock)

    @classmethod
    def around(cls, ws: Workspace, company: Company, clock: Clock) -> World:
        """Return the world of a workspace that is there."""
        # The workspace's own tests check passwords; a real hash takes longer than a whole session here.
        setattr(ws, "verify_password", lambda user, password: (user, password) == (ws.user, PASSWORD))  # noqa: B010
        return cls(ws, company, clock, Exchange(ws))

    # --- the queue

    def export(self, *operations: dict[str, Any]) -> int:
        """Queue an approved export."""
        rows = [{"position": place, **row} for place, row in enumerate(operations, start=1)]
        job, _ = self.ws.ledger.add_export(from_rows("plan.operations", rows), approved_by="tester")
        assert job is not None
        return job

    def statuses(self, job: int | None = None) -> dict[str, str]:
        return {row["key"]: row["status"] for row in to_rows(self.ws.ledger.operations(job))}

    def message(self, key: str) -> str:
        return self.ws.ledger.operation(key).status_message or ""

    # --- calls

    def authenticate(self) -> tuple[str, str]:
        return self.exchange.authenticate(self.ws.user, PASSWORD)

    def open(self) -> str:
        """Open a session and the company; return the ticket."""
        ticket, word = self.authenticate()
        assert (ticket, word) != ("", word), word
        self.company.begin_session()
        return ticket

    def hcp(self) -> str:
        return self.company.hcp(self.ws.owner_id, self.ws.file_id)

    def ask(self, ticket: str, *, first: bool = False, checks: bool = False) -> str:
        """Call sendRequestXML; a check is carried out on the way to what comes after it, unless asked for."""
        hcp = self.hcp() if first else ""
        text = self.exchange.next_request(ticket, hcp, self.company.file_path, "US", 13, 0)
        if text and not checks and self.is_check():
            self.checks.append(text)
            assert self.exchange.take_answer(ticket, self.company.process(text), "", "") in range(100)
            return self.ask(ticket)
        if text:
            self.requests.append(text)
        return text

    def is_check(self) -> bool:
        """Return whether what was handed out last is a check before sending."""
        handed_out = self.ws.ledger.unanswered()
        return handed_out is not None and handed_out.kind == "check"

    def answer(self, ticket: str, response: str, hresult: str = "", message: str = "") -> int:
        """Call receiveResponseXML."""
        self.percent.append(self.exchange.take_answer(ticket, response, hresult, message))
        return self.percent[-1]

    def carry(self, ticket: str, text: str) -> int:
        """Run a document in the company and deliver what it says."""
        try:
            response, hresult, message = self.company.process(text), "", ""
        except RequestRefused as refusal:
            response, hresult, message = "", refusal.hresult, refusal.message
        return self.answer(ticket, response, hresult, message)

    def work(self, ticket: str, *, first: bool = True, most: int = 200) -> str:
        """Go on with a session until it ends; return what the status column shows."""
        for _ in range(most):
            text = self.ask(ticket, first=first, checks=True)
            first = False
            if text and self.is_check():
                self.checks.append(self.requests.pop())
            if not text or (percent := self.carry(ticket, text)) < 0:
                said = self.exchange.last_error(ticket)
                self.exchange.close(ticket)
                return said
            if percent >= 100:
                return self.exchange.close(ticket)
        raise AssertionError(f"the session did not end after {most} rounds")

    def run(self) -> str:
        """Run one session."""
        return self.work(self.open())

    def finish(self, most: int = 20) -> None:
        """Run sessions until nothing is left, each long after the one before."""
        for _ in range(most):
            self.clock.wait(61)
            ticket, word = self.authenticate()
            if word == "none":
                return
            self.company.begin_session()
            self.work(ticket)
        raise AssertionError(f"the queue is not empty after {most} sessions")

    # --- what the company holds

    def held(self, kind: str) -> list[dict[str, Any]]:
        """Return the rows of one of the company's tables."""
        name = f"quickbooks.{kind}"
        return to_rows(self.company.tables(name)[name])

    def holds(self, kind: str = "invoices") -> list[str]:
        """Return the operation keys in the memos of the company's documents, sorted."""
        memos = [str(row["memo"]) for row in self.held(kind)]
        return sorted(found[1] for memo in memos if (found := re.search(r"\[bb:(.*)\]$", memo)))

    def names(self) -> list[str]:
        return [row["full_name"] for row in self.held("customers")]


def without_recovery(put: Callable[[object, str, Any], None], *, checks: bool = False) -> None:
    """Send what has no answer anew, under a fresh id, and look for nothing first, as a careless tool does.

    Parameters
    ----------
    put : callable
        ``setattr``, or that of a monkeypatch.
    checks : bool
        Whether to look before the first add all the same.
    """
    choose = NextDocument.text

    def careless(self: NextDocument, session: Any, version: str) -> str:
        lost = self._ledger.unanswered()
        if lost is not None and lost.kind == "write":
            waiting = [Outcome(key, "pending") for key in lost.members]
            self._ledger.record_answer(lost.id, outcomes=waiting, set_status=REFUSED)
        return choose(self, session, version)

    put(NextDocument, "text", careless)
    if not checks:
        put(lookups, "needs_check", lambda ledger, operation: False)


def saying(world: World, monkeypatch: Any, word: str, status: str) -> None:
    """Let QuickBooks answer a document with that word in it by a status alone."""
    process = world.company.process

    def says(text: str) -> str:
        if word not in text:
            return process(text)
        request = re.findall(r'<(\w+)Rq requestID="([^"]+)"', text)
        ids = set_ids([text])[0]
        head = f' newMessageSetID="{ids}" messageSetStatusCode="0"' if ids else ""
        answers = "".join(f'<{name}Rs requestID="{number}" {status}/>' for name, number in request)
        return f"<QBXML><QBXMLMsgsRs{head}>{answers}</QBXMLMsgsRs></QBXML>"

    monkeypatch.setattr(world.company, "process", says)


def set_ids(texts: Sequence[str]) -> list[str]:
    """Return the newMessageSetID of each document; ``""`` where it has none."""
    return [found[1] if (found := re.search(r'newMessageSetID="(\w+)"', text)) else "" for text in texts]
