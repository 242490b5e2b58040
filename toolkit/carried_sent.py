"""What was sent of carried credits, as the operations say it: a payment of 0.00 has it nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from weakref import WeakKeyDictionary

from toolkit.checks_context import IN_FLIGHT, Context
from toolkit.checks_drafts import ZERO

__all__ = ["SentUse", "sent_uses"]


@dataclass(frozen=True, slots=True)
class SentUse:
    """One application of a carried credit that QuickBooks has from us, or will have.

    Parameters
    ----------
    number : str
        Of the credit, as BluBilling had it.
    amounts : dict
        TxnID of QuickBooks' credit to what is applied of it.
    """

    number: str
    amounts: dict[str, Decimal]

    @property
    def amount(self) -> Decimal:
        """What is applied of all of them."""
        return sum(self.amounts.values(), ZERO)


_SENT: WeakKeyDictionary[Context, dict[str, SentUse]] = WeakKeyDictionary()


def sent_uses(context: Context) -> dict[str, SentUse]:
    """Return the applications of carried credits that were sent or are queued, by the operation's key."""
    if context not in _SENT:
        found = {}
        for row in context.rows("ledger.operations", "key", "status", "fields", "source_key"):
            if row["status"] in ("applied", *IN_FLIGHT) and '"SetCredit"' in (row["fields"] or ""):
                amounts: dict[str, Decimal] = {}
                for line in json.loads(row["fields"]).get("AppliedToTxnAdd", []):
                    for each in line.get("SetCredit", []):
                        sum_ = amounts.get(each["CreditTxnID"], ZERO) + Decimal(each["AppliedAmount"])
                        amounts[each["CreditTxnID"]] = sum_
                number = (row["source_key"] or "").split(" / ")[0].replace("//", "/")
                found[row["key"]] = SentUse(number, amounts)
        _SENT[context] = found
    return _SENT[context]
