"""The tables of a workspace as one plan sees them: what went before, and the drafts of the plan."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property

import pandas as pd

from toolkit.checks_books import Books
from toolkit.checks_drafts import ZERO, Draft, Payment, Row, Target
from toolkit.checks_twice import Entered, Marked, Strangers
from toolkit.qbxml_versions import LATEST
from toolkit.settings import Settings

IN_FLIGHT = ("pending", "sent", "unknown")
OPERATION = (
    *("key", "job", "status", "status_message", "txn_id", "ref_number"),
    *("account_number", "txn_date", "amount", "expected", "said_absent"),
)
SAID_ABSENT = "says that it is not in QuickBooks"
"""How the message of an attempt goes on that a person ended, after the name: see the ledger's ``resolve``."""

POSTED = ("Outstanding", "Paid")
ROLLED_UP = (*POSTED, "CarriedOver")


def debit_key(adjustment_id: str) -> str:
    """Return the key of an adjustment that goes as an invoice: it may have the number of an invoice."""
    return f"invoice:debit:{adjustment_id}"


class Context(Books):
    """What rules look at: the lists, what was sent before, and the drafts of this plan.

    Parameters
    ----------
    tables : mapping
        Declared name to frame; an absent table counts as empty.
    settings : Settings
        Of the workspace, with ``cutover_date``.
    customers : bool
        Whether the plan creates customers.
    version : str
        The qbXML version that will be spoken.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        settings: Settings,
        *,
        customers: bool,
        version: str = LATEST,
    ) -> None:
        super().__init__(tables, settings)
        if settings.cutover_date is None:
            raise ValueError("a context needs the cutover date")
        self.cutover: dt.date = settings.cutover_date
        self.customers = customers
        self.version = version
        self.drafts: dict[str, Draft] = {}

    @cached_property
    def queued(self) -> dict[str, Row]:
        """Every operation ever queued, by key: its status, and what was asked."""
        return {row["key"]: row for row in self.rows("ledger.operations", *OPERATION)}

    @cached_property
    def in_flight(self) -> dict[str, Row]:
        """Operations queued or sent and not answered, by key."""
        return {key: row for key, row in self.queued.items() if row["status"] in IN_FLIGHT}

    @cached_property
    def taken_back(self) -> dict[str, Row]:
        """Operations that QuickBooks had and has no longer, by key: their numbers are theirs still."""
        return {key: row for key, row in self.queued.items() if row["status"] == "undone"}

    @cached_property
    def waivers(self) -> dict[str, Row]:
        """``ledger.waivers`` by the id of the finding."""
        return {row["finding_id"]: row for row in self.rows("ledger.waivers")}

    @cached_property
    def postings(self) -> dict[tuple[str, str], Row]:
        """``ledger.postings``, what people posted by hand, by source table and key."""
        return {(row["source_table"], row["source_key"]): row for row in self.rows("ledger.postings")}

    @cached_property
    def payments(self) -> dict[str, Row]:
        """``billing.payments`` by number."""
        return {row["payment_number"]: row for row in self.rows("billing.payments")}

    @cached_property
    def invoices(self) -> dict[str, Row]:
        """``billing.invoices`` by number."""
        return {row["invoice_number"]: row for row in self.rows("billing.invoices")}

    @cached_property
    def quickbooks_invoices(self) -> dict[str, Row]:
        """The invoices QuickBooks holds, by TxnID: customer, A/R account, what is open."""
        columns = ("txn_id", "ref_number", "customer_list_id", "ar_account_list_id", "balance_remaining")
        return {row["txn_id"]: row for row in self.rows("quickbooks.invoices", *columns)}

    @cached_property
    def number_holders(self) -> dict[str, set[str]]:
        """Who holds a RefNumber already: number to holders, for people; an operation's key if it is ours."""
        holders: dict[str, set[str]] = defaultdict(set)
        for number, there in self.numbered_there.items():
            holders[number] |= set(there.values())
        for key, rows in self.marked.by_key.items():
            for row in rows:
                if row["ref_number"] and row["record_kind"] != "payment":
                    holders[row["ref_number"]].add(key)
        for (kind, key), row in self.crosswalk.items():
            if row["ref_number"] and kind in ("invoice", "credit_memo"):
                holders[row["ref_number"]].add(f"{kind}:{key}")
        for key, row in {**self.in_flight, **self.taken_back}.items():
            if row["ref_number"] and not key.startswith("payment:"):
                holders[row["ref_number"]].add(key)
        return holders

    @cached_property
    def numbered_there(self) -> dict[str, dict[str, str]]:
        """The documents of QuickBooks without a key of ours, by RefNumber: TxnID to what people call it."""
        there: dict[str, dict[str, str]] = defaultdict(dict)
        known = {row["txn_id"] for rows in self.marked.by_key.values() for row in rows} | self.bound_ids
        memos = self.rows("quickbooks.credit_memos", "txn_id", "ref_number")
        for kind, listed in (("invoice", self.quickbooks_invoices.values()), ("credit memo", memos)):
            for row in listed:
                txn_id, number = row["txn_id"], row["ref_number"]
                if number and txn_id not in known:
                    there[number][txn_id] = f"{kind} {txn_id} in QuickBooks"
        return there

    @cached_property
    def marked(self) -> Marked:
        """The documents of QuickBooks that bear our marker, and that the ledger does not know."""
        return Marked(self)

    def known_as(self, key: str, amount: Decimal | None) -> list[str]:
        """Return the TxnIDs of what QuickBooks holds with an operation's marker, unknown to the ledger.

        What was voided there is none, unless nothing was to be posted anyhow.
        """
        rows = self.marked.of(key) if self.marked.any else ()
        return [row["txn_id"] for row in rows if row["total"] or not amount]

    def kin(self, draft: Draft) -> list[Row]:
        """Return what QuickBooks holds with the marker of another operation of the same source row.

        A receipt that was split otherwise when it was sent, or an invoice that has changed its sign since.
        Nothing of it is known to the ledger, and nothing of it was voided.
        """
        marked = self.marked.by_key
        if not marked:
            return []
        if isinstance(draft, Payment):
            planned = {part.key for part in draft.parts}
            keys = [f"payment:{key}" for key in self._marked_payments.get(draft.source_key, {})]
        else:
            planned = {draft.key}
            # An adjustment is a credit memo too, and may have the number of an invoice.
            both = draft.kind == "invoice" and draft.source_key in self._adjustment_ids
            keys = [key for key in self.keys(draft) if not (both and key.startswith("credit_memo:"))]
        rows = [row for key in keys if key not in planned for row in marked.get(key, []) if row["total"]]
        return sorted(rows, key=lambda row: str(row["txn_id"]))

    @cached_property
    def _adjustment_ids(self) -> set[str]:
        """``billing.adjustments``: their ids."""
        return set(self.frame("billing.adjustments")["adjustment_id"])

    @cached_property
    def _marked_payments(self) -> dict[str, dict[str, Row]]:
        found = {key: rows[0] for key, rows in self.marked.by_key.items() if key.startswith("payment:")}
        return self._by_payment({key.removeprefix("payment:"): row for key, row in found.items()})

    @cached_property
    def absent(self) -> dict[str, str]:
        """Operations of which a person said that QuickBooks does not have them: key to what was said."""
        told = {}
        for key, row in self.queued.items():
            if row["said_absent"]:
                said = (row["status_message"] or "").removesuffix("; export it again")
                told[key] = said if SAID_ABSENT in said else f"a person {SAID_ABSENT} (toolkit show {key})"
        return told

    def said_absent(self, *keys: str) -> str | None:
        """Return who said of one of these operations that QuickBooks does not have it, for people."""
        return next((self.absent[key] for key in keys if key in self.absent), None)

    @cached_property
    def strangers(self) -> Strangers:
        """The payments that somebody entered in QuickBooks by hand."""
        return Strangers(self, self.cutover, self.posting_date)

    @cached_property
    def entered(self) -> Entered:
        """The invoices and credit memos that somebody entered in QuickBooks by hand."""
        return Entered(self, self.cutover, self.posting_date)

    def has_part(self, key: str) -> bool:
        """Return whether QuickBooks has a part of a receipt from us."""
        return ("payment", key.removeprefix("payment:")) in self.crosswalk

    def _by_payment(self, numbers: Mapping[str, Row]) -> dict[str, dict[str, Row]]:
        """Return rows keyed ``number`` or ``number/account`` by payment number, then by their key."""
        # A house credit may have gone as a payment, under its own number.
        known = {*self.frame("billing.payments")["payment_number"], *self._adjustment_ids}
        grouped: dict[str, dict[str, Row]] = defaultdict(dict)
        for key, row in numbers.items():
            # Numbers and accounts may hold slashes themselves: only a number that exists counts.
            starts = [key] if key in known else [key[: m.start()] for m in re.finditer("/", key)]
            for start in starts:
                if start in known:
                    grouped[start][key] = row
        return grouped

    @cached_property
    def _bound_payments(self) -> dict[str, dict[str, Row]]:
        bound = {key: row for (kind, key), row in self.crosswalk.items() if kind == "payment"}
        return self._by_payment(bound)

    @cached_property
    def _waiting_payments(self) -> dict[str, dict[str, Row]]:
        rows = {key: row for key, row in self.in_flight.items() if key.startswith("payment:")}
        return self._by_payment({key.removeprefix("payment:"): row for key, row in rows.items()})

    @cached_property
    def number_decisions(self) -> dict[tuple[str, str], Row]:
        """``mapping.numbers`` by kind of record and BluBilling's number."""
        return {(row["record_kind"], row["number"]): row for row in self.rows("mapping.numbers")}

    @cached_property
    def decided_numbers(self) -> dict[tuple[str, str], str]:
        """The RefNumbers that people decided on, by kind of record and BluBilling's number."""
        found = {key: row["ref_number"] or row["decision"] for key, row in self.number_decisions.items()}
        return {key: number for key, number in found.items() if number}

    def posting_date(self, date: dt.date) -> dt.date:
        """Return the day to post on: the first open one where it is closed and ``closed_period`` says so."""
        closing: dt.date | None = self.company.get("closing_date")
        if self.settings["closed_period"] != "first_open_day" or not closing or date > closing:
            return date
        return closing + dt.timedelta(days=1)

    @property
    def paid_before(self) -> set[str]:
        """Numbers of the payments that QuickBooks has, at least in part, or that wait in another job."""
        return {*self._bound_payments, *self._waiting_payments}

    def sent(self, draft: Draft) -> list[str]:
        """Return the TxnIDs of a row that QuickBooks has from us; of a receipt, when it has all parts."""
        if isinstance(draft, Payment):
            bound = self._bound_payments.get(draft.source_key, {})
            if draft.is_credit and (memo := self._sent_as(f"credit_memo:{draft.source_key}")):
                return [memo]
            missing = [part for part in draft.parts if part.key.removeprefix("payment:") not in bound]
            partly = len(draft.parts) > 1 and draft.source_key not in bound and missing
            return [] if partly else [row["quickbooks_id"] for row in bound.values()]
        return [found for key in self.keys(draft) if (found := self._sent_as(key))]

    def _sent_as(self, key: str) -> str | None:
        """Return the TxnID that an operation has in QuickBooks, or ``None`` where it has none from us."""
        kind, _, number = key.partition(":")
        row, queued = self.crosswalk.get((kind, number)), self.queued.get(key, {})
        if row and row["origin"] == "billing":
            return str(row["quickbooks_id"])
        return (queued["txn_id"] or key) if row is None and queued.get("status") == "applied" else None

    def keys(self, draft: Draft) -> list[str]:
        """Return the keys a document may have been sent under: an invoice may have changed its sign since."""
        if draft.kind == "invoice":
            return [f"invoice:{draft.source_key}", f"credit_memo:{draft.source_key}"]
        if draft.kind != "credit":
            return [draft.key]
        # What an adjustment becomes is a decision, and decisions change.
        keys = [f"credit_memo:{draft.source_key}", debit_key(draft.source_key)]
        return keys if draft.source_key in self.payments else [*keys, f"payment:{draft.source_key}"]

    def waiting(self, draft: Draft) -> list[Row]:
        """Return the operations of a row that are queued, or sent and not answered."""
        if isinstance(draft, Payment):
            memo = self.in_flight.get(f"credit_memo:{draft.source_key}") if draft.is_credit else None
            waits = list(self._waiting_payments.get(draft.source_key, {}).values())
            return [memo] if memo else waits
        return [self.in_flight[key] for key in self.keys(draft) if key in self.in_flight]

    @cached_property
    def _queued_payments(self) -> dict[str, dict[str, Row]]:
        rows = {key: row for key, row in self.queued.items() if key.startswith("payment:")}
        return self._by_payment({key.removeprefix("payment:"): row for key, row in rows.items()})

    def operations_of(self, draft: Draft) -> list[Row]:
        """Return the operations that carried a row to QuickBooks, or will; none where one of them failed."""
        if isinstance(draft, Payment):
            rows = list(self._queued_payments.get(draft.source_key, {}).values())
        else:
            rows = [self.queued[key] for key in self.keys(draft) if key in self.queued]
            rows = [row for row in rows if row["status"] in (*IN_FLIGHT, "applied")]
        return rows if all(row["status"] in (*IN_FLIGHT, "applied") for row in rows) else []

    def payers(self, draft: Draft) -> list[Target]:
        """Return the QuickBooks customers that a document names."""
        if isinstance(draft, Payment):
            return [part.target for part in draft.parts]
        return [self.target(draft.account or "")]

    # --- invoices and what is applied to them ---------------------------------------------------------------

    @cached_property
    def applied(self) -> dict[str, list[Row]]:
        """``billing.payment_applications`` by payment number or adjustment id, in order; zeros left away."""
        applied: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows("billing.payment_applications"):
            if row["amount_applied"]:
                applied[row["payment_number"]].append(row)
        if self.settings["credit_mode"] == "payment":
            for row in self.rows("billing.adjustments"):
                used = row["amount"] - (row["unapplied_balance"] or ZERO)
                # Where no application is given, the invoice that a credit names is what it pays.
                if row["invoice_number"] and used > 0 and row["adjustment_id"] not in applied:
                    named = {"payment_number": row["adjustment_id"], "invoice_number": row["invoice_number"]}
                    applied[row["adjustment_id"]].append({**named, "seq": 1, "amount_applied": used})
        return applied

    @cached_property
    def _children(self) -> dict[tuple[str, object], list[str]]:
        children: dict[tuple[str, object], list[str]] = defaultdict(list)
        for number, row in self.invoices.items():
            held = row["status"] in ROLLED_UP or self.is_posted(number)
            if not held or row["invoice_kind"] == "master":
                continue
            into = self.invoices.get(row["delegated_to_invoice"] or "", {})
            # What is carried over within one account is its previous balance, no child's charges.
            if row["invoice_kind"] == "child" or into.get("account_number") != row["account_number"]:
                children["into", row["delegated_to_invoice"]].append(number)
            if row["invoice_kind"] == "child":
                for parent in self.parents(row["account_number"]):
                    children["of", (parent, row["invoice_date"])].append(number)
                    if row["billing_end"]:
                        children["of", (parent, row["billing_start"], row["billing_end"])].append(number)
        return children

    def children(self, invoice: Row) -> list[str]:
        """Return the numbers of the invoices that a master invoice sums up.

        Those that name it; where none does, the child invoices of the accounts below of the same billing
        period or date.
        """
        if invoice["invoice_kind"] != "master":
            return []
        account = invoice["account_number"]
        period = (account, invoice["billing_start"], invoice["billing_end"])
        return (
            self._children.get(("into", invoice["invoice_number"]), [])
            or self._children.get(("of", period), [])
            or self._children.get(("of", (account, invoice["invoice_date"])), [])
        )

    def is_posted(self, number: str) -> bool:
        """Return whether QuickBooks has an invoice, from us or as carried, or will have it by another job."""
        kinds = ("invoice", "credit_memo")
        return any((kind, number) in self.crosswalk or f"{kind}:{number}" in self.in_flight for kind in kinds)

    def unlike_children(self, invoice: Row) -> str | None:
        """Return why the children of a master cannot be posted in its place; ``None`` where they can."""
        children = self.children(invoice)
        held = [
            number
            for number in children
            if self.invoices[number]["status"] not in POSTED and not self.is_posted(number)
        ]
        total = sum((self.invoices[number]["current_amount_due"] for number in children), ZERO)
        due = invoice["current_amount_due"]
        if held:
            shown = ", ".join(f"{n} ({self.invoices[n]['status']})" for n in held[:3])
            more = f" and {len(held) - 3} more" if len(held) > 3 else ""
            return f"its children {shown}{more} are held, so neither side would be posted"
        return f"its children sum to {total}, it to {due}" if children and total != due else None

    @cached_property
    def number_proposal(self) -> str:
        """A number rule that would make this plan's longest numbers fit."""
        numbers = [d.source_key for d in self.drafts.values() if d.kind in ("invoice", "credit")]
        numbers = [number for number in numbers if len(number) > 11]
        first, last = min(numbers, default=""), max(numbers, default="")
        common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        prefix = re.match(r"(.*[-_/#. ])?", first[:common])
        start = (prefix.group(1) or "") if prefix else ""
        if start and max(map(len, numbers)) - len(start) <= 11:
            return f"toolkit set number_rule strip:{start}"
        return "toolkit set number_rule counter:1"
