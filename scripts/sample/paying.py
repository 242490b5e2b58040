"""BluBilling's payments of its first quarter, their applications, the adjustments, and what is then open."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from sample import names
from sample.basics import ZERO, Chance, Row
from sample.invoicing import FIRST, LAST, Quarter
from sample.names import Party

_COUNT = 150
_POSTED = ("Outstanding", "Paid")
_METHODS = ("CreditCard", "ACH", "PaperCheck", "Token", "Paypal", "CreditCard", "ACH", "Cash")
_PROCESSORS = {"CreditCard": "CardGate", "Token": "CardGate", "ACH": "BankGate", "Paypal": "PayPal"}
_CHANCE_OF_PAYMENT = {1: 90, 2: 78, 3: 60}  # percent, by month of the invoice
_THREE_JOBS = ("Elementary", "Middle School", "High School")
_CARRIED_PAID = "Juniper Street Clinic"  # whose carried invoice, part-paid in QuickBooks, is paid here


class Payments:
    """The payments, what they are applied to, and the adjustments.

    Attributes
    ----------
    payments, applications, adjustments : list of dict
        ``billing.payments``, ``billing.payment_applications`` and ``billing.adjustments``.
    """

    def __init__(self, chance: Chance, quarter: Quarter) -> None:
        self._chance = chance
        self._quarter = quarter
        self._drafts: list[tuple[Row, list[tuple[Row, Decimal]]]] = []
        self._paid: dict[str, Decimal] = {}
        self._special()
        self._usual()
        self.payments, self.applications = self._number()
        self._link_refund()
        self._settle()
        self.adjustments = self._adjustments()

    def open_amount(self, invoice: Row) -> Decimal:
        """Return what is still open on an invoice."""
        opened: Decimal = invoice["current_amount_due"] - self._paid.get(invoice["invoice_number"], ZERO)
        return opened

    # --- the payments ---------------------------------------------------------------------------------------

    def _invoice(self, party: Party, month: int) -> Row:
        return next(
            row
            for row in self._quarter.invoices
            if row["account_number"] == party.number
            and (row["invoice_date"].year, row["invoice_date"].month) == (2026, month)
            and row["status"] == "Outstanding"
            and row["invoice_kind"] == "normal"
        )

    def _special(self) -> None:
        party = self._quarter.party
        school = party("Lakeside Schools")
        schools = [self._invoice(party(f"{school.quickbooks}:{job}"), 2) for job in _THREE_JOBS]
        self._pay(
            school, dt.date(2026, 3, 2), [(row, self.open_amount(row)) for row in schools], "PaperCheck"
        )

        clinic = party(_CARRIED_PAID)
        carried = next(
            row
            for row in self._quarter.invoices
            if row["account_number"] == clinic.number and row["invoice_date"] < FIRST
        )
        self._pay(clinic, dt.date(2026, 1, 20), [(carried, self.open_amount(carried))], "ACH")

        planted = party(names.PLANTED)
        refused = self._invoice(planted, 2)
        self._pay(planted, dt.date(2026, 2, 20), [(refused, self.open_amount(refused))], "CreditCard")

        round_sums = party("Marigold Yoga")
        invoice = self._invoice(round_sums, 1)
        rest = 50 - self.open_amount(invoice) % 50
        self._pay(
            round_sums, dt.date(2026, 1, 27), [(invoice, self.open_amount(invoice))], "PaperCheck", rest
        )

        twice = party("Acme Inc")  # and gets the second payment back
        invoice = self._invoice(twice, 1)
        amount = self.open_amount(invoice)
        self._pay(twice, dt.date(2026, 1, 23), [(invoice, amount)], "CreditCard")
        self._pay(twice, dt.date(2026, 1, 24), [], "CreditCard", amount, note="Paid twice")
        self._pay(twice, dt.date(2026, 1, 29), [], "CreditCard", -amount, note="Second payment returned")

        failed = party("Garcia, Elena")
        self._pay(failed, dt.date(2026, 2, 9), [], "ACH", Decimal("45.00"), status="Failed")

    def _usual(self) -> None:
        """Pay most invoices, some late, some in part, now and then two at once, until the count is full."""
        waiting: dict[str, Row] = {}
        done = 0
        for index, invoice in enumerate(self._quarter.invoices):
            if not self._is_payable(invoice):
                continue
            day = self._pay_day(invoice)
            if day is None:
                continue
            party = self._party(invoice["account_number"])
            amount = self.open_amount(invoice)
            method = _METHODS[int(party.number.removeprefix("BW-")) % len(_METHODS)]
            if index % 17 == 3:  # this one waits and is paid together with the account's next
                waiting.setdefault(party.number, invoice)
                continue
            parts = [(invoice, amount)]
            if index % 13 == 6:
                parts = [(invoice, (amount / 2).quantize(Decimal(1)).quantize(ZERO))]
            elif party.number in waiting:
                earlier = waiting.pop(party.number)
                parts.insert(0, (earlier, self.open_amount(earlier)))
            self._pay(party, day, parts, method)
            done += 1
            if len(self._drafts) == _COUNT:
                return
        raise AssertionError(f"only {len(self._drafts)} payments: raise the chances")

    def _is_payable(self, invoice: Row) -> bool:
        return bool(
            invoice["invoice_date"] >= FIRST
            and invoice["status"] == "Outstanding"
            and invoice["invoice_kind"] == "normal"
            and self.open_amount(invoice) > 0
            and invoice["invoice_number"] not in self._paid
        )

    def _pay_day(self, invoice: Row) -> dt.date | None:
        if not self._chance.percent(_CHANCE_OF_PAYMENT[invoice["invoice_date"].month]):
            return None
        day = invoice["invoice_date"] + dt.timedelta(days=4 + self._chance.below(20))
        if self._chance.percent(15):  # weeks after the due date
            day = invoice["due_date"] + dt.timedelta(days=14 + self._chance.below(14))
        return None if day > LAST else day

    def _pay(
        self,
        party: Party,
        day: dt.date,
        parts: list[tuple[Row, Decimal]],
        method: str,
        rest: Decimal = ZERO,
        *,
        status: str = "Paid",
        note: str | None = None,
    ) -> None:
        assert all(row["invoice_date"] <= day for row, _ in parts)
        amount = sum((part for _, part in parts), ZERO) + rest
        payment = {
            "account_number": party.number,
            "payment_type": "Payment" if amount > 0 else "Refund",
            "method": method,
            "amount": amount,
            "unapplied_balance": rest if status == "Paid" else None,
            "effective_date": day,
            "status": status,
            "currency": "USD",
            "processor": _PROCESSORS.get(method),
            "notes": note,
        }
        for row, part in parts:
            number = row["invoice_number"]
            self._paid[number] = self._paid.get(number, ZERO) + part
        self._drafts.append((payment, parts))

    def _number(self) -> tuple[list[Row], list[Row]]:
        self._drafts.sort(key=lambda draft: (draft[0]["effective_date"], draft[0]["account_number"]))
        payments: list[Row] = []
        applications: list[Row] = []
        for index, (payment, parts) in enumerate(self._drafts, start=1):
            number = f"PMT-{index:06}"
            card = payment["method"] in ("CreditCard", "Token")
            row = {"payment_number": number, "blubilling_payment_id": 80000 + index, **payment}
            if payment["method"] == "PaperCheck":
                row["check_number"] = str(3000 + index * 7)
            if payment["processor"]:
                row["transaction_id"] = f"TX{700000 + index * 37}"
                row["method_context"] = f"{'card' if card else 'account'} ending {1000 + index * 53 % 9000}"
            payments.append(row)
            left = payment["amount"]
            for sequence, (invoice, part) in enumerate(parts, start=1):
                left -= part
                applications.append(
                    {
                        "payment_number": number,
                        "invoice_number": invoice["invoice_number"],
                        "seq": sequence,
                        "amount_applied": part,
                        "balance_after": left,
                        "applied_date": payment["effective_date"],
                    }
                )
        return payments, applications

    def _link_refund(self) -> None:
        refund = next(row for row in self.payments if row["payment_type"] == "Refund")
        original = next(row for row in self.payments if row["notes"] == "Paid twice")
        refund["reverses_payment_number"] = original["payment_number"]

    def _party(self, number: str) -> Party:
        return next(party for party in names.parties() if party.number == number)

    # --- what follows from them -----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Set statuses and open amounts, and the balances as an organization in Batch mode shows them."""
        shown: dict[str, tuple[dt.date, Decimal]] = {}
        for row in sorted(
            self._quarter.invoices, key=lambda row: (row["invoice_date"], row["invoice_number"])
        ):
            current = row["current_amount_due"]
            row |= {"previous_balance": ZERO, "payments_and_adjustments": ZERO, "total_due": current}
            row["outstanding_balance"] = self.open_amount(row)
            if row["status"] != "Outstanding":
                continue
            if row["outstanding_balance"] == 0:
                row["status"] = "Paid"
            if row["invoice_date"] < FIRST or row["invoice_kind"] != "normal":
                continue
            account = row["account_number"]
            since, previous = shown.get(account, (FIRST, ZERO))
            received = self._received(account, since, row["invoice_date"]) if account in shown else ZERO
            row["previous_balance"], row["payments_and_adjustments"] = previous, received
            row["total_due"] = previous + current - received
            shown[account] = (row["invoice_date"], row["total_due"])

    def _received(self, account: str, since: dt.date, until: dt.date) -> Decimal:
        return sum(
            (
                row["amount"]
                for row in self.payments
                if row["account_number"] == account
                and row["status"] == "Paid"
                and since < row["effective_date"] <= until
            ),
            ZERO,
        )

    def _adjustments(self) -> list[Row]:
        party = self._quarter.party
        return [
            {
                "adjustment_id": f"ADJ-{number:06}",
                "account_number": party(name).number,
                "effective_date": day,
                "kind": kind,
                "amount": amount,
                "unapplied_balance": amount,
                "status": "Active",
                "reason_text": reason,
            }
            for number, name, day, kind, amount, reason in (
                (
                    1,
                    "Driftwood Gallery",
                    dt.date(2026, 2, 12),
                    "house_credit",
                    Decimal("25.00"),
                    "Outage in January",
                ),
                (
                    2,
                    "Quarry Road Brewing",
                    dt.date(2026, 3, 20),
                    "write_off",
                    Decimal("18.40"),
                    "Not worth collecting",
                ),
            )
        ]

    def balance(self, account: str) -> Decimal:
        """Return what an account owes: its open invoices less unapplied payments and adjustments."""
        owed = ZERO
        for row in self._quarter.invoices:
            if row["account_number"] == account and row["status"] in _POSTED:
                owed += row["outstanding_balance"] if row["invoice_kind"] != "master" else ZERO
        for row in [*self.payments, *self.adjustments]:
            if row["account_number"] == account:
                owed -= row["unapplied_balance"] or ZERO
        return owed
