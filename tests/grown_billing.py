"""The BluBilling side of the grown company, each row with the fate that it must have: the oracle.

A fate is decided where the row is made, from what was planted there, never by asking the toolkit.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from grown_books import AMBIGUOUS, DECIDED, NEW, VENDOR, ZERO, Books, Party

Row = dict[str, Any]
CARRY, BALANCE, ENDED = "QB-CARRY", "BALANCE", "OLD"
PLANS = ("Hosting", "Cloud", "Support", "Domains", "Voice", "Training", "Design", "Security")
PRODUCTS = ("Basic", "Plus", "Pro", "Elite", "Seat", "Hour", "Unit", "Pack", "Audit", "Backup", "Line")
TAX, TAX_PERCENT = "State Tax", Decimal("8.25")
LONG = "of the Holders of the Very Long Name"  # behind any name: more than 41 characters
METHODS = ("CreditCard", "ACH", "PaperCheck", "Token", "Paypal", "Cash")
CENT = Decimal("0.01")
USED = Decimal("2.50")
DECIDED_KINDS = {"credit_memo": "House Credit", "debit_memo": "Support Fee"}
SENT = ("invoice", "credit_memo", "payment")
WAITS = "depends_on_blocked"
LEFT_OUT = ("origin", "status", "carried_over", "master_and_children", "post_by_hand")


class Fate(NamedTuple):
    """Where a source row must go: a kind of document, a rule that keeps it behind, and its money."""

    goes: str
    amount: Decimal
    operations: int = 1


# --- charges ------------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    """A price code that is no exact name of an item it may go to, and what the analyst decides."""

    reason: str
    code: str | None
    decision: str


def planted(plan: str) -> list[Planted]:
    """Return one mismatch of every reason in a plan."""
    return [
        Planted("blank", None, "(none)"),
        Planted("wrong_type", f"{plan} Box", f"{plan} Fee"),
        Planted("inactive", f"{plan} Legacy", f"{plan} Shipping"),
        Planted("ambiguous", "Setup", f"{plan}:Setup"),
        Planted("parent_missing", f"Emergency {plan}", f"{plan}:{plan} Basic:Emergency {plan}"),
        Planted("spaces", f"{plan}  Fee", f"{plan} Fee"),
        Planted("case", f"{plan} shipping", f"{plan} Shipping"),
        Planted("unicode", f"{plan} F\u0435e", f"{plan} Fee"),  # a Cyrillic letter
        Planted("unknown", f"{plan} Setting-up", f"{plan}:Setup"),
    ]


def charge_rows() -> Iterator[Row]:
    """Yield ``billing.charges``."""
    for plan in PLANS:
        codes: list[tuple[str | None, Row]] = []
        for product in PRODUCTS:
            codes.append((f"{plan}:{plan} {product}", {"charge_type": "RecurringCharge"}))
            codes.append((f"{plan} {product} Yearly", {"charge_type": "UsageCharge"}))
            codes.append((f"{plan} {product} Kit", {"charge_type": "OneTimeCharge"}))
        codes += [(one.code, {"charge_type": "RecurringCharge"}) for one in planted(plan)]
        codes.append((TAX, {"charge_type": "RecurringCharge", "is_tax": True, "percent": TAX_PERCENT}))
        codes.append((f"{plan} Discount", {"charge_type": "RecurringCharge", "is_discount": True}))
        for place, (code, more) in enumerate(codes, start=1):
            text = f"{code or 'Old contract'} as agreed"
            yield {"contract_code": plan, "price_code": code, "position": place, "invoice_text": text} | more
    for plan, code in ((CARRY, BALANCE), (ENDED, "Never mapped")):
        yield {
            "contract_code": plan,
            "price_code": code,
            "position": 1,
            "invoice_text": code,
            "charge_type": "OneTimeCharge",
        }


def plan_rows() -> list[Row]:
    """Return ``billing.plans``; one has ended, and its charge is nobody's business any more."""
    rows = [
        {"contract_code": plan, "name": plan, "invoice_text": plan, "billing_period": "Monthly"}
        | {"due_value": 30, "due_units": "Days", "auto_renew": True}
        for plan in (*PLANS, CARRY, ENDED)
    ]
    rows[-1]["end_date"] = dt.date(2025, 6, 30)
    return rows


def customer_rows(parties: list[Party]) -> list[Row]:
    """Return ``billing.customers``."""
    return [
        {
            "account_number": party.number,
            "name": billing_name(party),
            "company_name": party.name[:40],
            "is_business": True,
            "first_name": "Ada",
            "last_name": f"Number{party.index}",
            "email": f"ada{party.index}@example.test",
            "bill_street1": f"{party.index + 1} Dock Street",
            "bill_city": "Brightwater",
            "bill_state": "TX",
            "bill_zip": f"{70000 + party.index}",
            "terms_value": 30,
            "terms_units": "Days",
            "currency": "USD",
            "status": "Active",
            "parent_account_number": party.parent,
        }
        for party in parties
    ]


def billing_name(party: Party) -> str:
    """Return BluBilling's name of an account; some of the new ones QuickBooks cannot take."""
    if party.match == NEW and party.index % 5 == 1:
        return f"{party.name} {LONG}"
    if party.match == NEW and party.index % 5 == 2:
        return f"{party.name} Łódź"
    return party.name


def decisions(books: Books) -> list[dict[str, str]]:
    """Return what the analyst fills into the workbook; the last new customer gets a vendor's name."""
    rows = [
        {"sheet": "Charges", "contract_code": plan, "price_code": one.code or "", "decision": one.decision}
        for plan in PLANS
        for one in planted(plan)
    ]
    carry = {"contract_code": CARRY, "price_code": BALANCE, "decision": "Balance Forward"}
    rows.append({"sheet": "Charges", **carry})
    new = [party for party in books.parties if party.match == NEW]
    for party in books.parties:
        decided = {"sheet": "Customers", "account_number": party.number}
        if party.match in (DECIDED, AMBIGUOUS):
            rows.append({**decided, "decision": str(party.customer)})
        elif party.match == NEW:
            name = VENDOR if party is new[-1] else party.name
            # One long name is left as it is: the gate has to stop it, and what hangs on it.
            keeps = party is nameless(books)
            rows.append({**decided, "decision": "(new)", "new_name": "" if keeps else name})
    return [{"note": "as agreed with the books", **row} for row in rows]


def later_decisions() -> list[dict[str, str]]:
    """Return what the analyst decides once there are adjustments."""
    return [
        {"sheet": "Adjustments", "kind": kind, "decision": item, "note": "as the accountant says"}
        for kind, item in DECIDED_KINDS.items()
    ]


def nameless(books: Books) -> Party:
    """Return the new customer whose name stays too long."""
    return next(party for party in books.parties if LONG in billing_name(party))


# --- a year of billing --------------------------------------------------------------------------------------


@dataclass
class Year:
    """BluBilling's year after the cutover.

    Parameters
    ----------
    tables : dict
        Rows by table without ``billing.``.
    fates : dict
        (table, key) to fate, one for every row of invoices, payments and adjustments.
    paid : dict
        Invoice number to what payments were applied to it.
    credited : dict
        Invoice number to the TxnID of the carried credit of which :data:`USED` is used on it.
    """

    books: Books
    chance: random.Random
    tables: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    fates: dict[tuple[str, str], Fate] = field(default_factory=dict)
    paid: dict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    credited: dict[str, str] = field(default_factory=dict)

    @property
    def billed(self) -> list[Party]:
        parents = {party.parent for party in self.books.parties}
        return [party for party in self.books.parties if party.number not in parents]

    def blocked(self, party: Party) -> bool:
        """Return whether nothing can be sent for this account: its customer cannot be created."""
        return party is nameless(self.books)

    # --- invoices

    def invoice(
        self, party: Party, day: dt.date, lines: list[Row], goes: str = "invoice", **more: Any
    ) -> Row:
        """Add an invoice of these lines, and its fate."""
        number = more.pop("number", f"INV-2026-{len(self.tables['invoices']) + 1:06}")
        amount = sum((line["amount"] for line in lines if line["line_type"] != "usage_subtotal"), ZERO)
        row = {
            "invoice_number": number,
            "account_number": party.number,
            "invoice_date": day,
            "due_date": day + dt.timedelta(days=30),
            "billing_start": day.replace(day=1),
            "billing_end": day,
            "status": "Outstanding",
            "currency": "USD",
            "current_amount_due": amount,
            "invoice_kind": "normal",
            **more,
        }
        self.tables["invoices"].append(row)
        for place, line in enumerate(lines, start=1):
            own = {"invoice_number": number, "line_position": 1, "charge_position": place}
            self.tables["invoice_lines"].append({**line, **own})
        if goes in SENT and self.blocked(party):
            goes = WAITS
        self.fates["billing.invoices", number] = Fate(goes, row["current_amount_due"])
        return row

    def line(self, plan: str, code: str | None, price: str, quantity: str, kind: str = "charge") -> Row:
        rate, much = Decimal(price), Decimal(quantity)
        return {
            "contract_code": plan,
            "price_code": code,
            "description": f"{plan}, as agreed for the month",  # the code may hold what QuickBooks cannot
            "unit_price": rate,
            "quantity": much,
            "amount": (rate * much).quantize(CENT, ROUND_HALF_UP),
            "line_type": kind,
            "is_percent": False,
        }

    def month(self, party: Party, month: int) -> list[Row]:
        """Return the lines of an account's invoice of a month; over a year it has every sort of them."""
        plan = PLANS[party.index % len(PLANS)]
        product = PRODUCTS[(party.index + month) % len(PRODUCTS)]
        service = self.line(
            plan, f"{plan}:{plan} {product}", f"{20 + party.index % 50}.25", str(month % 3 + 1)
        )
        kit = self.line(plan, f"{plan} {product} Kit", f"{9 + month}.99", "2")
        match (party.index + month) % 6:
            case 0:
                return [service]
            case 1:
                return [service, kit]
            case 2:
                tax = (kit["amount"] * TAX_PERCENT / 100).quantize(CENT, ROUND_HALF_UP)
                taxes = self.line(plan, TAX, str(tax), "1", "tax") | {"tax_name": TAX}
                return [service, kit, taxes]
            case 3:
                return [service, self.line(plan, f"{plan} Discount", "-5.00", "1", "discount")]
            case 4:
                usage = [
                    self.line(plan, f"{plan} {product} Yearly", "0.012345", str(1000 + party.index)),
                    self.line(plan, f"{plan} {product} Yearly", "0.5", f"{month}.125"),
                ]
                total = sum((line["amount"] for line in usage), ZERO)
                return [*usage, self.line(plan, usage[0]["price_code"], str(total), "1", "usage_subtotal")]
        odd = planted(plan)[1 + (party.index // 6 + month) % 8]
        return [service, self.line(plan, odd.code, "10.00", "1")]

    def bill(self, months: int) -> None:
        """Bill every account every month; parents get a master invoice over their children's."""
        children = defaultdict(list)
        for month in range(1, months + 1):
            for party in self.billed:
                day = dt.date(2026, month, 1 + party.index % 28)
                if party.parent:
                    children[party.parent, month].append((party, self.month(party, month)))
                else:
                    self.invoice(party, day, self.month(party, month))
        parties = {party.number: party for party in self.books.parties}
        for (parent, month), parts in children.items():
            day = dt.date(2026, month, 15)
            lines = [line for _, part in parts for line in part]
            master = self.invoice(parties[parent], day, lines, "master_and_children", invoice_kind="master")
            kind = {"invoice_kind": "child", "delegated_to_invoice": master["invoice_number"]}
            for party, part in parts:
                self.invoice(party, day, part, **kind)

    def one_offs(self, count: int, each: int) -> None:
        """Add invoices of every kind that is not simply sent, `each` of a kind; the rest are plain."""
        day, several = dt.date(2026, 5, 5), self.billed
        usual = [party for party in several if not self.blocked(party)]
        for place in range(count):
            party = usual[place * 11 % len(usual)]
            plan = PLANS[place % len(PLANS)]
            hour = [self.line(plan, f"{plan}:{plan} Hour", "90.00", "1.5")]
            match place // each:
                case 0 | 1 | 2 as which:
                    status = ("Draft", "Cancelled", "Error")[which]
                    self.invoice(party, day, hour, "status", status=status)
                case 3:
                    self.invoice(party, day, hour, "carried_over", status="CarriedOver")
                case 4:
                    back = [self.line(plan, f"{plan}:{plan} Hour", "90.00", "-0.5")]
                    self.invoice(party, day, back, "credit_memo")
                case 5:
                    free = [*hour, self.line(plan, f"{plan} Discount", "-135.00", "1", "discount")]
                    self.invoice(party, day, free)
                case 6:
                    self.invoice(party, dt.date(2025, 12, 20), hour, "cutover_side")
                case 7:
                    self.invoice(party, day, hour, "lines_sum", current_amount_due=Decimal("134.99"))
                case 8:
                    strange = [*hour, self.line(plan, "No such charge", "1.00", "1")]
                    self.invoice(party, day, strange, "charge_unmapped")
                case 9:
                    number = f"INV-2026-9{len(self.tables['invoices']):06}"
                    self.invoice(party, day, hour, "number_length", number=number)
                case 10:
                    self.invoice(party, day, hour, "currency", currency="CAD")
                case 11:
                    named = [{**hour[0], "description": "Visit in Łódź"}]
                    self.invoice(party, day, named, "characters")
                case _:
                    self.invoice(party, day + dt.timedelta(days=place % 200), hour)

    def carried(self, rows: list[Row]) -> None:
        """Add the carried invoices as BluBilling has them after the upload."""
        for row in rows:
            line = self.line(CARRY, BALANCE, f"{row['current_amount_due']:f}", "1")
            own = {"invoice_number": row["invoice_number"], "line_position": 1, "charge_position": 1}
            self.tables["invoices"].append(row)
            self.tables["invoice_lines"].append({**line, **own})
            fate = Fate("origin", row["current_amount_due"])
            self.fates["billing.invoices", row["invoice_number"]] = fate

    # --- payments

    def payment(
        self,
        party: str,
        day: dt.date,
        parts: list[tuple[Row, Decimal]],
        rest: Decimal = ZERO,
        goes: str = "payment",
        operations: int = 1,
        **more: Any,
    ) -> Row:
        """Add a payment over these parts, and its fate."""
        place = len(self.tables["payments"]) + 1
        amount = sum((part for _, part in parts), rest)
        row = {
            "payment_number": f"PMT-{place:06}",
            "account_number": party,
            "payment_type": "Payment",
            "method": METHODS[place % len(METHODS)],
            "amount": amount,
            "unapplied_balance": rest,
            "effective_date": day,
            "status": "Paid",
            "currency": "USD",
            **more,
        }
        self.tables["payments"].append(row)
        for seq, (invoice, part) in enumerate(parts, start=1):
            number = invoice["invoice_number"]
            own = {"payment_number": row["payment_number"], "invoice_number": number, "seq": seq}
            self.tables["payment_applications"].append({**own, "amount_applied": part})
            self.paid[number] += part
        self.fates["billing.payments", row["payment_number"]] = Fate(goes, row["amount"], operations)
        return row

    def pay(self, last: dt.date) -> None:
        """Pay most of what was billed: whole, in part, two at once, a parent for its children."""
        parents: dict[str, list[Row]] = defaultdict(list)
        waiting: dict[str, Row] = {}
        for place, row in enumerate(list(self.tables["invoices"])):
            fate = self.fates["billing.invoices", row["invoice_number"]].goes
            day = row["invoice_date"] + dt.timedelta(days=9 + place % 12)
            amount = row["current_amount_due"]
            if fate not in ("invoice", WAITS) or amount <= 0 or day > last:
                continue
            if row["invoice_kind"] == "child" and day.month < 5:
                parents[row["delegated_to_invoice"]].append(row)
            elif place % 10 == 3:
                continue  # never paid
            elif place % 19 == 7:
                self.payment(row["account_number"], day, [(row, (amount / 2).quantize(ZERO))], goes=_so(fate))
            elif place % 23 == 8 and fate == "invoice":
                waiting[row["account_number"]] = row
            else:
                parts = [(row, amount)]
                if row["account_number"] in waiting:
                    earlier = waiting.pop(row["account_number"])
                    parts.append((earlier, earlier["current_amount_due"]))
                rest = Decimal("10.00") if place % 211 == 5 else ZERO
                self.payment(row["account_number"], day, parts, rest, goes=_so(fate))
        above = {party.number: party.parent for party in self.books.parties}
        for rows in parents.values():
            payer = str(above[rows[0]["account_number"]])
            parts = [(row, row["current_amount_due"]) for row in rows]
            self.payment(payer, max(r["invoice_date"] for r in rows), parts, operations=len(rows))

    def odd_payments(self, each: int, untouched: frozenset[str]) -> None:
        """Add payments that are not simply sent: by hand, failed, on what cannot be paid, too much."""
        day, usual = dt.date(2026, 12, 30), [party for party in self.billed if not self.blocked(party)]
        ready = [row for row in self.tables["invoices"] if row["invoice_number"] in untouched]
        for place in range(each):
            number = usual[place * 13 % len(usual)].number
            sure = {"unapplied_balance": None}
            refund = {**sure, "payment_type": "Refund", "amount": Decimal("-30.00")}
            self.payment(number, day, [], goes="post_by_hand", **refund)
            back = {**sure, "amount": Decimal("-20.00"), "reverses_payment_number": "PMT-000001"}
            self.payment(number, day, [], goes="post_by_hand", **back)
            self.payment(number, day, [], goes="status", **{**sure, "status": "Failed", "amount": CENT * 999})
            self.payment(number, day, [], Decimal("40.00"))
            cancelled = self._some("status", place)
            whole = cancelled["current_amount_due"]
            self.payment(cancelled["account_number"], day, [(cancelled, whole)], goes="application_target")
            stuck = self._some("charge_unmapped", place)
            self.payment(stuck["account_number"], day, [(stuck, stuck["current_amount_due"])], goes=WAITS)
            row = ready[place]
            more = row["current_amount_due"] + 1
            self.payment(row["account_number"], day, [(row, more)], goes="overpaid")

    def _some(self, goes: str, place: int) -> Row:
        rows = [
            row
            for row in self.tables["invoices"]
            if self.fates["billing.invoices", row["invoice_number"]].goes == goes
        ]
        return rows[place % len(rows)]

    def pay_carried(self, untouched: frozenset[str]) -> None:
        """Pay every second carried invoice that QuickBooks was paid nothing on since."""
        rows = [row for row in self.tables["invoices"] if row["invoice_number"] in untouched]
        for place, row in enumerate(rows):
            if place % 2:
                day = dt.date(2026, 1, 10) + dt.timedelta(days=place % 60)
                self.payment(row["account_number"], day, [(row, row["current_amount_due"])])

    def use_credits(self, count: int) -> None:
        """Use carried credits, by the key they were carried under, each on an invoice of its customer."""
        owners = {party.customer: party for party in self.books.parties if party.customer}
        rows = [*self.books.tables["credit_memos"], *self.books.tables["payments"]]
        ready = [row for row in rows if self.books.credits.get(row["txn_id"], ZERO) > USED]
        for place in range(count):
            credit = ready[place % len(ready)]
            party = owners[credit["customer_full_name"]]
            plan = PLANS[place % len(PLANS)]
            day = dt.date(2026, 7, 1 + place % 28)
            number = self.invoice(party, day, [self.line(plan, f"{plan}:{plan} Hour", "90.00", "1")])
            use = {"payment_number": f"QB-{credit['txn_id']}", "seq": 1, "amount_applied": USED}
            use |= {"invoice_number": number["invoice_number"], "applied_date": day}
            self.tables["payment_applications"].append(use)
            self.credited[number["invoice_number"]] = credit["txn_id"]

    # --- adjustments

    def adjust(self, each: int) -> None:
        """Add adjustments of every kind, up and down.

        House credits go as credit memos by themselves, and the kinds that the analyst decided by their sign;
        all others are posted by hand.
        """
        kinds = (
            "house_credit",
            "house_debit",
            "credit_memo",
            "debit_memo",
            "balance_adjustment",
            "write_off",
        )
        usual = [party for party in self.billed if not self.blocked(party)]
        for kind in kinds:
            for place in range(2 * each):
                up = -1 if place % 2 else 1
                row = {
                    "adjustment_id": f"ADJ-{len(self.tables['adjustments']) + 1:06}",
                    "account_number": usual[place * 17 % len(usual)].number,
                    "effective_date": dt.date(2026, 6, 1 + place % 28),
                    "kind": kind,
                    "amount": up * Decimal("12.50"),
                    "status": "Active",
                    "reason_text": f"{kind} as agreed",
                }
                self.tables["adjustments"].append(row)
                goes = "post_by_hand"
                if kind in DECIDED_KINDS or (kind == "house_credit" and up > 0):
                    goes = "credit_memo" if up > 0 else "invoice"
                self.fates["billing.adjustments", row["adjustment_id"]] = Fate(goes, row["amount"])


def _so(fate: str) -> str:
    """Return the fate of a payment on an invoice of that fate."""
    return WAITS if fate == WAITS else "payment"
