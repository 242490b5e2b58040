"""Open receivables at the cutover date as BluBilling's upload files, behind a gate.

The gate opens only when every customer is matched, every charge of a living plan is mapped, and the
documents add up to QuickBooks' own balance of each customer. Documents dated after the cutover date stay
out, one finding each. Credit memos and unapplied payments are never netted: they are bound to their
QuickBooks records and listed. Source: BluBilling page "upload outstanding and paid invoices", fields 1-21.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit.carried import Carried, tie_frame
from toolkit.carried_ties import tie_all
from toolkit.carry_forward_customers import plan_customers
from toolkit.carry_forward_files import credits_file, encoding_findings
from toolkit.carry_forward_gate import check_currencies, check_gate, give_accounts, notes
from toolkit.carry_forward_numbers import number_documents
from toolkit.carry_forward_proof import check_snapshot, proof_findings, proof_frame, prove
from toolkit.carry_forward_upload import check_lines, plan_upload
from toolkit.checks_books import Books
from toolkit.checks_context import Context
from toolkit.counted import counted
from toolkit.errors import SettingError
from toolkit.receivables import Receivables
from toolkit.settings import Settings
from toolkit.tables import TABLES, empty, finding, findings, from_rows

__all__ = ["CarryForward", "plan_carry_forward"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CarryForward:
    """What is carried forward, or why not.

    Parameters
    ----------
    ready : bool
        Whether the gate is open: no finding is an error.
    upload : pandas.DataFrame
        ``carry_forward.upload``, one row an open invoice, in BluBilling's order, with as many groups of
        columns as its lines need; empty unless ready.
    documents : pandas.DataFrame
        ``carry_forward.documents``, one row an open invoice, credit memo or unapplied payment.
    findings : pandas.DataFrame
        ``findings``.
    standing : frozenset of str
        Keys of the invoices that were carried before and stand in BluBilling, under whatever number it has
        them: never uploaded a second time.
    waiting : mapping of str to datetime
        Keys of the invoices that were carried before and are not in BluBilling yet: when they were bound.
        A file of them exists already, and only one may be uploaded.
    credits : pandas.DataFrame
        ``carry_forward.credits``, one row a credit memo or unapplied payment; empty unless ready.
    customers : pandas.DataFrame
        ``carry_forward.customers``, one row a customer with open items that BluBilling lacks.
    customer_findings : pandas.DataFrame
        ``findings`` on what BluBilling requires of those and QuickBooks lacks.
    proof : pandas.DataFrame
        ``carry_forward.proof``, by customer, in total of each currency, and by A/R account.
    tie : pandas.DataFrame
        ``carry_forward.tie``, what was carried before against what BluBilling has of it.
    kept : mapping of Path to Path
        Files that a person had edited, by their place that a new one took: where they are kept.
    """

    ready: bool
    upload: pd.DataFrame
    documents: pd.DataFrame
    findings: pd.DataFrame
    standing: frozenset[str] = frozenset()
    credits: pd.DataFrame = field(default_factory=lambda: empty("carry_forward.credits"))
    customers: pd.DataFrame = field(default_factory=lambda: empty("carry_forward.customers"))
    customer_findings: pd.DataFrame = field(default_factory=lambda: empty("findings"))
    proof: pd.DataFrame = field(default_factory=lambda: empty("carry_forward.proof"))
    tie: pd.DataFrame = field(default_factory=lambda: empty("carry_forward.tie"))
    waiting: Mapping[str, dt.datetime] = field(default_factory=dict)
    kept: Mapping[Path, Path] = field(default_factory=dict)

    @property
    def unwritten(self) -> pd.DataFrame:
        """The rows of the upload that BluBilling does not have yet: what a file is written of."""
        return self.upload[~self.upload["Invoice Number"].isin(self.standing)]


def plan_carry_forward(tables: Mapping[str, pd.DataFrame], settings: Settings) -> CarryForward:
    """Return what is open at the cutover date as BluBilling's uploads, with everything in the way of it.

    Parameters
    ----------
    tables : mapping
        Declared names to frames: ``quickbooks.*``, ``billing.*``, ``mapping.*``, ``ledger.crosswalk``,
        ``ledger.jobs`` and ``ledger.decisions``. An absent table counts as empty.
    settings : Settings
        ``cutover_date`` is required; ``carry_forward.*`` are checked.

    Raises
    ------
    SettingError
        No cutover date is set.
    """
    cutover = settings.cutover_date
    if cutover is None:
        raise SettingError("cutover_date", "it is not set", "toolkit set cutover_date 2025-12-31")
    books = Context(tables, settings, customers=False)
    receivables = Receivables(books, cutover)
    documents = number_documents(receivables.documents, books)
    proofs = prove(books, documents)
    found: list[Mapping[str, Any]] = [*check_gate(books, cutover), *give_accounts(documents, books)]
    found += check_currencies(documents, books)
    found += receivables.findings
    found += proof_findings(books, proofs)
    found += check_snapshot(books, cutover)
    found += notes(documents)
    invoices = [row for row in documents if row["record_kind"] == "invoice"]
    found += check_lines(invoices, books)
    upload = _upload(invoices, _credits(documents), found, books)
    ties = tie_all(books)
    standing = _standing(ties, books)
    if standing:
        message = "carried before, and already in BluBilling: not written again"
        message = f"{counted(len(standing), 'invoice was', 'invoices were')} {message}"
        found.append(finding("info", "already_carried", message, table="billing.invoices"))
    found += _not_held(ties)
    ready = upload is not None
    customers, on_customers = plan_customers(documents, books, cutover)
    return CarryForward(
        ready,
        empty("carry_forward.upload") if upload is None else upload,
        _listed("carry_forward.documents", documents),
        findings(found),
        standing,
        _listed("carry_forward.credits", _credits(documents) if ready else []),
        customers,
        findings(on_customers),
        proof_frame(proofs),
        tie_frame(ties),
        _waiting(ties, standing, books),
    )


def _upload(
    invoices: Sequence[Row], credits_of: Sequence[Row], found: list[Mapping[str, Any]], books: Books
) -> pd.DataFrame | None:
    """Return the upload where nothing stands against it; add what its encoding lacks to what was found."""
    if any(row["severity"] == "error" for row in found):
        return None
    upload = plan_upload(invoices, books)
    keys = [row["txn_id"] for row in invoices]
    encoding = books.settings["carry_forward.encoding"]
    lacks = list(encoding_findings(upload, "quickbooks.invoices", keys, encoding))
    beside = credits_file(_listed("carry_forward.credits", credits_of), books.settings)
    places = [row["txn_id"] for row in credits_of]
    lacks += encoding_findings(beside, "carry_forward.credits", places, encoding)
    found += lacks
    return None if lacks else upload


def _credits(documents: Sequence[Row]) -> list[Row]:
    return [row for row in documents if row["record_kind"] != "invoice"]


def _listed(name: str, documents: Sequence[Row]) -> pd.DataFrame:
    names = TABLES[name].names
    return from_rows(name, [{each: row.get(each) for each in names} for row in documents])


def _standing(ties: Sequence[Carried], books: Books) -> frozenset[str]:
    """Return the keys of the carried invoices that BluBilling has, under whatever number it has them.

    One that was cancelled there was taken back; but its number is not free.
    """
    numbers = {row["invoice_number"] for row in books.rows("billing.invoices", "invoice_number")}
    invoices = [one for one in ties if one.row["record_kind"] == "invoice"]
    has = {one.row["key"] for one in invoices if one.back and one.back["status"] != "Cancelled"}
    return frozenset(has | {one.row["key"] for one in invoices if one.row["key"] in numbers})


def _waiting(ties: Sequence[Carried], standing: frozenset[str], books: Context) -> dict[str, dt.datetime]:
    """Return the carried invoices that BluBilling lacks, each with the time at which it was bound."""
    invoices = [one.row["key"] for one in ties if one.row["record_kind"] == "invoice"]
    return {key: books.crosswalk["invoice", key]["bound_at"] for key in invoices if key not in standing}


def _not_held(ties: Sequence[Carried]) -> list[Mapping[str, Any]]:
    """Return that credits are not in BluBilling: no difference, they stay QuickBooks' own."""
    credits_of = [one.row for one in ties if one.row["record_kind"] != "invoice" and one.back is None]
    if not credits_of:
        return []
    credits_ = counted(len(credits_of), "carried credit is", "carried credits are")
    message = f"{credits_} not in BluBilling: in QuickBooks only"
    return [finding("info", "credit_not_held", message, table="carry_forward.tie")]
