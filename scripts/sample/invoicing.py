"""BluBilling's invoices of its first quarter, before anything is paid."""

from __future__ import annotations

import calendar
import datetime as dt
from decimal import Decimal

from sample import names
from sample.basics import TAX_ITEM, ZERO, Chance, Row, cents, tax_on
from sample.catalog import CARRY, CARRY_CODE, CLOUD, DISCOUNT, DOMAINS, HOSTING, SUPPORT, charge
from sample.names import Party
from sample.receivables import Receivables

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 3, 31)
_ONE_OFFS = 64

# What an account subscribes to: plan, price code, quantity (~: usage of about that much).
_SUBSCRIPTIONS = (
    ((HOSTING, "Hosting:Business", "1"), (HOSTING, "Bandwidth", "~1800")),
    ((HOSTING, "Hosting:Basic", "2"), (HOSTING, DISCOUNT, "-4.00")),
    ((CLOUD, "Cloud Server", "2"), (CLOUD, "Cloud Storage", "~900")),
    ((DOMAINS, "Mailbox", "25"),),
    ((HOSTING, "Web  Hosting Plus", "1"), (DOMAINS, "Wеbmail Pack", "1")),
    ((CLOUD, "Rack Server R200", "1"), (CLOUD, "Snapshot Backup", "2")),
    ((CLOUD, "Dedicated IP", "2"), (CLOUD, "Cloud–Firewall", "1")),
    ((HOSTING, "hosting:enterprise", "1"), (SUPPORT, "Support:Hourly", "1.5")),
)
_SINGLE = (
    ((SUPPORT, "Support:Hourly", "2"),),
    ((HOSTING, "Hosting:Setup", "1"),),
    ((CLOUD, "Setup", "1"),),
    ((SUPPORT, "Emergency", "0.75"),),
    ((DOMAINS, "Domain Registration", "2"),),
    ((SUPPORT, "Onsite Visit ", "1"),),
    ((SUPPORT, "Migration Assistence", "2.5"),),
    ((SUPPORT, "Support:Setup", "1"), (SUPPORT, "Support:Hourly", "0.5")),
)
Content = tuple[tuple[str, str, str], ...]


class Quarter:
    """The invoices and their lines, oldest first once numbered.

    Attributes
    ----------
    invoices, lines : list of dict
        ``billing.invoices`` and ``billing.invoice_lines``.
    regular : list of Party
        The accounts that are billed every month.
    """

    def __init__(self, chance: Chance, receivables: Receivables) -> None:
        self._chance = chance
        everyone = [party for party in names.parties() if party.number]
        self._by_name = {party.quickbooks or party.billing: party for party in everyone}
        self.regular = [party for party in everyone if _is_billed(party, everyone)]
        self._drafts: list[tuple[Row, list[Row]]] = []
        self._subscriptions(everyone)
        for index in range(_ONE_OFFS):
            party = self.regular[index * 7 % len(self.regular)]
            day = FIRST + dt.timedelta(days=3 + index * 85 // (_ONE_OFFS - 1))
            self._add(party, day, _SINGLE[index % len(_SINGLE)])
        self._special()
        self.invoices, self.lines = self._number()
        self._delegate()
        self._carried(receivables)

    def party(self, name: str) -> Party:
        """Return the account of that QuickBooks name, or BluBilling name where QuickBooks has none."""
        return self._by_name[name]

    def _subscriptions(self, everyone: list[Party]) -> None:
        for index, party in enumerate(self.regular):
            for month in (1, 2, 3):
                day = dt.date(2026, month, (1, 8, 15, 22)[index % 4])
                self._add(party, day, _SUBSCRIPTIONS[index % len(_SUBSCRIPTIONS)])
        for index, party in enumerate(p for p in everyone if p.match == names.NEW):
            months = {names.PLANTED: (2,), "Pérez e Hijos": (2, 3)}.get(party.billing, (1, 2, 3))
            for month in months:
                self._add(party, dt.date(2026, month, 5), _SUBSCRIPTIONS[index % 5])

    def _special(self) -> None:
        """Add one invoice of each kind that is not simply exported."""
        hour = ((SUPPORT, "Support:Hourly", "1"),)
        for place, day, status in (
            (0, dt.date(2026, 3, 28), "Draft"),
            (5, dt.date(2026, 2, 11), "Cancelled"),
            (9, dt.date(2026, 3, 3), "Error"),
            (12, dt.date(2026, 1, 19), "CarriedOver"),
        ):
            self._add(self.regular[place], day, hour, status=status)
        day = dt.date(2026, 3, 10)
        both: Content = ()
        for suite in ("Tower A:Suite 100", "Tower A:Suite 200"):
            content: Content = ((CLOUD, "Cloud Server", "1"),)
            both += content
            self._add(self.party(f"Northgate Properties:{suite}"), day, content, invoice_kind="child")
        self._add(self.party("Northgate Properties"), day, both, invoice_kind="master")
        # an hour billed twice is taken back; a set-up is free of charge
        self._add(self.regular[20], dt.date(2026, 2, 17), ((SUPPORT, "Support:Hourly", "-0.5"),))
        free = ((HOSTING, "Hosting:Setup", "1"), (HOSTING, DISCOUNT, "-50.00"))
        self._add(self.regular[30], dt.date(2026, 3, 12), free)

    def _add(self, party: Party, day: dt.date, content: Content, **fields: str) -> None:
        lines = [self._line(line, number) for number, line in enumerate(content, start=1)]
        taxable = sum((row["amount"] for row in lines if row["contract_code"] == HOSTING), ZERO)
        if taxable and not party.exempt:
            lines.append(_tax_line(tax_on(taxable), len(lines) + 1))
        _place(lines, party)
        due = 15 if content[0][0] == SUPPORT else 30
        invoice = {
            "account_number": party.number,
            "invoice_date": day,
            "due_date": day + dt.timedelta(days=due),
            "billing_start": day.replace(day=1),
            "billing_end": day.replace(day=calendar.monthrange(day.year, day.month)[1]),
            "status": "Outstanding",
            "currency": "USD",
            "current_amount_due": sum((row["amount"] for row in lines), ZERO),
            "invoice_kind": "normal",
            **fields,
        }
        self._drafts.append((invoice, lines))

    def _line(self, line: tuple[str, str, str], number: int) -> Row:
        plan, code, much = line
        found = charge(plan, code)
        quantity, price = Decimal(1), Decimal(found.price) if found.price else Decimal(much)
        if found.price:
            usage = much.startswith("~")
            quantity = Decimal(int(much[1:]) + self._chance.below(500)) if usage else Decimal(much)
            if usage:
                quantity += Decimal("0.5")
        return {
            "charge_position": number,
            "contract_code": plan,
            "price_code": code,
            "description": found.text,
            "unit_price": price,
            "quantity": quantity,
            "amount": cents(price * quantity),
            "line_type": "discount" if code == DISCOUNT else "charge",
            "is_percent": False,
            "unit_of_measure": found.unit or None,
        }

    def _number(self) -> tuple[list[Row], list[Row]]:
        # the order of making breaks ties: two invoices of one account on one day stay apart
        self._drafts.sort(key=lambda draft: (draft[0]["invoice_date"], draft[0]["account_number"]))
        invoices, lines = [], []
        for index, (invoice, rows) in enumerate(self._drafts, start=1):
            number = f"INV-2026-{index:06}"
            invoices.append({"invoice_number": number, "blubilling_invoice_id": 50000 + index, **invoice})
            lines += [{"invoice_number": number, **row} for row in rows]
        return invoices, lines

    def _delegate(self) -> None:
        """Point children to their master, and the carried-over invoice to the account's next one."""
        master = next(row for row in self.invoices if row["invoice_kind"] == "master")
        for row in self.invoices:
            if row["invoice_kind"] == "child":
                row["delegated_to_invoice"] = master["invoice_number"]
            if row["status"] == "CarriedOver":
                later = [
                    other["invoice_number"]
                    for other in self.invoices
                    if other["account_number"] == row["account_number"]
                    and other["invoice_date"] > row["invoice_date"]
                ]
                row["delegated_to_invoice"] = later[0]

    def _carried(self, receivables: Receivables) -> None:
        """Add the invoices carried over from QuickBooks, as BluBilling shows them after the upload."""
        for index, (number, found) in enumerate(receivables.carried()):
            shown = found["ref_number"] or number
            opened = found["balance_remaining"]
            self.invoices.append(
                {
                    "invoice_number": number,
                    "blubilling_invoice_id": 49001 + index,
                    "account_number": self.party(found["customer_full_name"]).number,
                    "invoice_date": found["txn_date"],
                    "due_date": found["due_date"],
                    "billing_start": found["txn_date"],
                    "billing_end": found["txn_date"],
                    "status": "Outstanding",
                    "currency": "USD",
                    "notes": f"QuickBooks invoice {shown}, TxnID {found['txn_id']}",
                    "current_amount_due": opened,
                    "invoice_kind": "normal",
                }
            )
            self.lines.append(
                {
                    "invoice_number": number,
                    "line_position": 1,
                    "charge_position": 1,
                    "contract_code": CARRY,
                    "price_code": CARRY_CODE,
                    "description": f"Open balance of invoice {shown}",
                    "unit_price": opened,
                    "quantity": Decimal(1),
                    "amount": opened,
                    "line_type": "charge",
                    "is_percent": False,
                }
            )


def _is_billed(party: Party, everyone: list[Party]) -> bool:
    """Return whether an account is billed every month: no parent, no closed one, not every second shop."""
    if party.match == names.NEW or not party.active or party.billing == "Stonewall Fencing":
        return False
    if any(other.parent == party.number for other in everyone):
        return False
    plain = party.match == names.NUMBER and not party.parent
    return not (plain and int(party.number.removeprefix("BW-")) % 2 == 0)


def _tax_line(amount: Decimal, number: int) -> Row:
    return {
        "charge_position": number,
        "contract_code": HOSTING,
        "price_code": TAX_ITEM,
        "description": "State sales tax",
        "unit_price": amount,
        "quantity": Decimal(1),
        "amount": amount,
        "line_type": "tax",
        "is_percent": False,
        "tax_name": TAX_ITEM,
    }


def _place(lines: list[Row], party: Party) -> None:
    """Give each line its plan's position on the invoice, and the order it comes from."""
    plans = list(dict.fromkeys(row["contract_code"] for row in lines))
    for row in lines:
        row["line_position"] = 1 + plans.index(row["contract_code"])
        row["order_number"] = f"ORD-{party.number.removeprefix('BW-')}-{row['line_position']}"
