"""The proof of a carry-forward: open documents against QuickBooks' own balances, and that nobody moved them.

Both sides are as of the import: what happened after the cutover date is given back afterwards, customer by
customer, so that the open documents at the cutover and what came later add up to what QuickBooks shows.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from toolkit.checks_books import Books
from toolkit.receivables import KINDS, STILL_OPEN, ZERO, currency_code
from toolkit.tables import finding, from_rows

__all__ = ["check_snapshot", "proof_findings", "proof_frame", "prove"]

Row = Mapping[str, Any]
Key = tuple[str, str]

_AGAIN = "import customers and receivables again, or look for journal entries and statement charges"
_AGAIN_LISTS = (
    "the balance of an account comes with the lists, which may be older than the documents: import lists and "
    "receivables again, or look for journal entries and statement charges"
)


@dataclass(slots=True)
class Proof:
    """What is open in one place by documents, by QuickBooks, and at the cutover."""

    name: str | None = None
    currency: str | None = None
    count: int = 0
    documents: Decimal = ZERO
    balance: Decimal | None = None
    at_cutover: Decimal = ZERO

    @property
    def difference(self) -> Decimal | None:
        """What QuickBooks shows above the documents: journal entries, statement charges."""
        return None if self.balance is None else self.balance - self.documents


@dataclass(slots=True)
class Proofs:
    """The proofs by scope and key, and the customers that documents name and that are not there."""

    rows: dict[Key, Proof] = field(default_factory=lambda: defaultdict(Proof))
    unknown: set[str] = field(default_factory=set)
    currencies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def prove(books: Books, documents: Sequence[Row]) -> Proofs:
    """Return what is open by documents and by QuickBooks' ``Balance``, never ``TotalBalance``.

    Parameters
    ----------
    books : Books
        ``quickbooks.*`` as they were read. What we sent after a customer was read is not in that balance
        yet, and does not count; nor does what is pending.
    documents : sequence of mapping
        What was open at the cutover date.
    """
    made = Proofs()
    for kind, row in _standing(books):
        amount = (row[STILL_OPEN[kind]] or ZERO) * (1 if kind == "invoice" else -1)
        made.currencies[row["customer_list_id"] or ""].add(currency_code(books, row))
        for place in _places(books, row):
            proof = made.rows[place]
            proof.documents += amount
            proof.count += bool(amount)
    for row in documents:
        sign = 1 if row["record_kind"] == "invoice" else -1
        for place in _places(books, row):
            made.rows[place].at_cutover += sign * row["open_amount"]
    _add_customers(books, made)
    for (scope, key), proof in made.rows.items():
        if scope == "currency":
            proof.name = proof.currency = key
        elif scope == "ar_account":
            account = books.accounts.get(key, {})
            proof.name, proof.balance = key, account.get("balance")
    return made


def _add_customers(books: Books, made: Proofs) -> None:
    known = {key for scope, key in made.rows if scope == "customer"}
    for list_id in sorted({*known, *books.quickbooks_customers}):
        customer = books.quickbooks_customers.get(list_id)
        proof = made.rows["customer", list_id]
        if customer is None:
            made.unknown.add(list_id)
            continue
        proof.name, proof.balance = customer["full_name"], customer["balance"] or ZERO
        # Of a customer that names no currency its documents tell.
        told = made.currencies.get(list_id, set()) if not customer["currency_full_name"] else set()
        proof.currency = min(told) if len(told) == 1 else currency_code(books, customer)
        total = made.rows["currency", proof.currency]
        total.balance = (total.balance or ZERO) + proof.balance


def _standing(books: Books) -> Iterator[tuple[str, Row]]:
    """Yield what counts into the balances that were read: kind and document."""
    customers = books.quickbooks_customers
    bound = [row for row in books.rows("ledger.crosswalk") if row["origin"] != "quickbooks"]
    sent = {row["quickbooks_id"]: row["bound_at"] for row in bound if row["bound_at"] is not None}
    for kind, name in KINDS.items():
        for row in books.rows(name):
            read = customers.get(row["customer_list_id"] or "", {}).get("imported_at")
            since = sent.get(row["txn_id"])
            if not row.get("is_pending") and not (since and read and read < since):
                yield kind, row


def _places(books: Books, row: Row) -> tuple[Key, ...]:
    account = row.get("ar_account_full_name")
    places = (("customer", row["customer_list_id"] or ""), ("currency", currency_code(books, row)))
    return (*places, ("ar_account", account)) if account else places


def proof_findings(books: Books, made: Proofs) -> Iterator[dict[str, str | None]]:
    """Yield an error on each customer that does not prove; where all do, on each currency that does not.

    The balance of an A/R account was read at another time than the documents: it is told, and blocks nothing.
    It hides no money: whatever is on an A/R account is some customer's, and each customer and each currency
    blocks by itself.
    """
    said = any(
        scope == "customer" and (proof.difference or key in made.unknown)
        for (scope, key), proof in made.rows.items()
    )
    for (scope, key), proof in sorted(made.rows.items()):
        unknown = scope == "customer" and key in made.unknown
        if unknown and proof.documents:
            advice = _AGAIN
            what = f"the imported documents of {proof.documents:,.2f} name a customer that is not there"
        elif proof.difference and not (said and scope == "currency"):
            of = {"customer": "", "currency": f" in {key}", "ar_account": f" of {key}"}[scope]
            advice = _AGAIN_LISTS if scope == "ar_account" else _AGAIN
            what = (
                f"QuickBooks' balance{of} is {proof.balance:,.2f}, the imported documents are "
                f"{proof.documents:,.2f}"
            )
        else:
            continue
        rule = (
            "balance_proof"
            if scope == "customer"
            else "total_proof"
            if scope == "currency"
            else "account_proof"
        )
        table = {"customer": "customers", "currency": "customers", "ar_account": "accounts"}[scope]
        yield finding(
            "warning" if scope == "ar_account" else "error",
            rule,
            f"{what}: {advice}",
            table=f"quickbooks.{table}",
            key=key,
            column="balance",
            value=proof.balance,
            suggestion=proof.name,
        )


def proof_frame(made: Proofs) -> Any:
    """Return ``carry_forward.proof``; customers of whom nothing is or was open are left away."""
    rows = []
    order = ("customer", "currency", "ar_account")
    for (scope, key), proof in sorted(made.rows.items(), key=lambda each: (order.index(each[0][0]), each[0])):
        if scope == "customer" and not (proof.count or proof.balance or proof.at_cutover):
            continue
        rows.append(
            {
                "scope": scope,
                "key": key,
                "name": proof.name,
                "currency": proof.currency,
                "documents": proof.count,
                "documents_amount": proof.documents,
                "quickbooks_balance": proof.balance,
                "difference": proof.difference,
                "rolled_back": proof.at_cutover - proof.documents,
                "open_at_cutover": proof.at_cutover,
            }
        )
    return from_rows("carry_forward.proof", rows)


# --- a snapshot is of one moment ----------------------------------------------------------------------------


def check_snapshot(books: Books, cutover: dt.date) -> Iterator[dict[str, str | None]]:
    """Yield an error on each receivable that was changed while the import was reading.

    Two signs of it: QuickBooks' own time of the last change lies between the first and the last answer of the
    import; or one of two documents tells of an application between them and the other does not.
    """
    ours = {row["quickbooks_id"] for row in books.rows("ledger.crosswalk") if row["origin"] != "quickbooks"}
    found = {
        kind: {row["txn_id"]: row for row in books.rows(name) if row["txn_id"] not in ours}
        for kind, name in KINDS.items()
    }
    yield from _changed_meanwhile(books, found)
    yield from _told_by_one(books, found, cutover)


def _changed_meanwhile(
    books: Books, found: Mapping[str, Mapping[str, Row]]
) -> Iterator[dict[str, str | None]]:
    imports = {row["id"] for row in books.rows("ledger.jobs") if str(row["kind"]).startswith("import:")}
    spans: dict[int, list[dt.datetime]] = defaultdict(list)
    for rows in found.values():
        for row in rows.values():
            if row["import_job"] in imports and row["imported_at"]:
                spans[row["import_job"]].append(row["imported_at"])
    for kind, rows in found.items():
        for row in rows.values():
            span, changed = spans.get(row["import_job"] or 0), row["time_modified"]
            if span and changed and min(span) <= changed <= max(span):
                yield _moved(
                    kind,
                    row,
                    f"it was changed in QuickBooks at {changed:%H:%M:%S}, while the import of it ran from "
                    f"{min(span):%H:%M:%S} to {max(span):%H:%M:%S}",
                    "time_modified",
                )


def _told_by_one(
    books: Books, found: Mapping[str, Mapping[str, Row]], cutover: dt.date
) -> Iterator[dict[str, str | None]]:
    """Yield applications of which only one of their two documents tells."""
    linked: dict[str, set[str]] = defaultdict(set)
    for link in books.rows("quickbooks.linked_transactions"):
        if link["owner_table"] in (KINDS["invoice"], KINDS["credit_memo"]):
            linked[link["owner_txn_id"]].add(link["txn_id"])
    for row in books.rows("quickbooks.payment_applications"):
        if row["amount"]:
            linked[row["payment_txn_id"]].add(row["txn_id"])
    for kind in ("payment", "credit_memo"):
        for txn_id, source in found[kind].items():
            told = linked[txn_id] & found["invoice"].keys()
            for invoice in sorted(told):
                if txn_id not in linked[invoice] and _counts(source, found["invoice"][invoice], cutover):
                    yield _unlike("invoice", found["invoice"][invoice], source)
    for invoice, document in found["invoice"].items():
        for kind in ("payment", "credit_memo"):
            for txn_id in sorted(linked[invoice] & found[kind].keys()):
                if invoice not in linked[txn_id] and _counts(document, found[kind][txn_id], cutover):
                    yield _unlike(kind, found[kind][txn_id], document)


def _counts(teller: Row, silent: Row, cutover: dt.date) -> bool:
    """Return whether a document that is silent about an application is so wrongly.

    Read by another import, it may simply be older: then only what counts at the cutover matters.
    """
    one, other = teller["import_job"], silent["import_job"]
    if one is None or other is None:
        return False
    return bool(one == other or (teller["txn_date"] and teller["txn_date"] <= cutover))


def _unlike(kind: str, silent: Row, teller: Row) -> dict[str, str | None]:
    number = teller["ref_number"] or teller["txn_id"]
    what = f"{number} is applied between the two by its own word, and it knows nothing of it"
    return _moved(kind, silent, what, STILL_OPEN[kind])


def _moved(kind: str, row: Row, what: str, column: str) -> dict[str, str | None]:
    return finding(
        "error",
        "changed_meanwhile",
        f"{what}: the snapshot is not of one moment; import receivables again while nobody works in them",
        table=KINDS[kind],
        key=row["txn_id"],
        column=column,
        value=row[column],
        suggestion="toolkit import receivables",
    )
