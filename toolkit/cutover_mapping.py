"""The mapping on one workspace: match what is there, write the workbook, read it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import correcting, mapping, workbook
from toolkit.cutover_corrections import corrected_tables
from toolkit.import_age import import_findings
from toolkit.tables import finding, findings, to_rows
from toolkit.transform_numbers import preview_numbers
from toolkit.workbook_corrections import KEPT_CORRECTIONS, TITLE, write_sheet
from toolkit.workbook_corrections_reading import read_sheet
from toolkit.workbook_pages import open_pages
from toolkit.workspace import Workspace

__all__ = ["Matches", "frames", "match", "read_mapping", "retire_decisions", "write_mapping"]

_CHOSEN_FROM = (
    *("quickbooks.items", "quickbooks.customers", "quickbooks.payment_methods", "quickbooks.accounts"),
    *("quickbooks.terms", "quickbooks.sales_tax_codes"),
)


@dataclass(frozen=True, slots=True)
class Matches:
    """What BluBilling's names are matched to.

    Parameters
    ----------
    charges, customers, taxes, payment_methods, terms, adjustments : pandas.DataFrame
        ``match.charges``, ``match.customers``, ``match.taxes``, ...
    numbers : pandas.DataFrame
        ``match.numbers``: the RefNumber that each document will have.
    changes : pandas.DataFrame
        ``match.changes``: the price codes to correct in BluBilling.
    findings : pandas.DataFrame
        Doubts about decisions: renamed items, two accounts on one customer, ...
    kept : Path, optional
        Where :func:`write_mapping` found a file: the name under which that is kept.
    """

    charges: pd.DataFrame
    customers: pd.DataFrame
    taxes: pd.DataFrame
    payment_methods: pd.DataFrame
    terms: pd.DataFrame
    adjustments: pd.DataFrame
    numbers: pd.DataFrame
    changes: pd.DataFrame
    findings: pd.DataFrame
    kept: Path | None = None


def match(ws: Workspace) -> Matches:
    """Match all there is with the decisions that stand; a side that is not there yet is a warning."""
    tables, _ = corrected_tables(ws)
    lists = {name: tables[name] for name in _CHOSEN_FROM}
    items, local = lists["quickbooks.items"], tables["mapping.local_items"]
    used = {"invoice_lines": tables["billing.invoice_lines"], "invoices": tables["billing.invoices"]}
    decided, taxes = tables["mapping.charge_items"], tables["mapping.taxes"]
    billed, paid = tables["billing.customers"], tables["billing.payments"]
    charges = mapping.match_charges(
        tables["billing.charges"], items, decided, local_items=local, tax_decisions=taxes, **used
    )
    customers = mapping.match_customers(
        billed, lists["quickbooks.customers"], tables["mapping.customers"], invoices=used["invoices"]
    )
    methods = mapping.match_payment_methods(
        paid,
        lists["quickbooks.payment_methods"],
        tables["mapping.payment_methods"],
        accounts=lists["quickbooks.accounts"] if ws.has("quickbooks.accounts") else None,
        settings=ws.settings,
    )
    found_taxes = mapping.match_taxes(
        tables["billing.charges"], items, taxes, charge_decisions=decided, **used
    )
    terms = mapping.match_terms(
        billed, lists["quickbooks.terms"], tables["mapping.terms"], invoices=used["invoices"]
    )
    adjustments = mapping.match_adjustments(
        tables["billing.adjustments"],
        items,
        tables["mapping.adjustments"],
        payments=paid,
        local_items=local,
        settings=ws.settings,
    )
    doubts = to_rows(mapping.mapping_findings(charges, customers, methods, found_taxes, terms, adjustments))
    told = findings([*doubts, *_missing_sides(ws), *to_rows(import_findings(ws, "map"))])
    return Matches(
        charges=charges,
        customers=customers,
        taxes=found_taxes,
        payment_methods=methods,
        terms=terms,
        adjustments=adjustments,
        numbers=preview_numbers(tables, ws.settings),
        changes=mapping.changes_in_blubilling(charges, settings=ws.settings),
        findings=told,
    )


def _missing_sides(ws: Workspace) -> Iterator[dict[str, str | None]]:
    sides = {
        "quickbooks.items": "toolkit import items",
        "quickbooks.customers": "toolkit import customers",
        "billing.charges": "toolkit load charges.csv",
        "billing.customers": "toolkit load customers.csv",
    }
    for name, command in sides.items():
        if not ws.has(name):
            message = f"{name} is not there yet, so nothing can match it: {command}"
            yield finding("warning", "missing_side", message, table=name)


def frames(ws: Workspace, matches: Matches) -> workbook.Frames:
    """Return what a workbook is made from and decisions are checked against."""
    names = ("charges", "customers", "taxes", "payment_methods", "terms", "adjustments", "numbers", "changes")
    matched = {f"match.{name}": getattr(matches, name) for name in names}
    lists = {name: ws.read(name) for name in _CHOSEN_FROM if ws.has(name)}
    kept = {name: ws.read(name) for name in ("mapping.local_items", "mapping.payment_methods")}
    return workbook.Frames({**matched, **lists, **kept, "findings": matches.findings})


def write_mapping(ws: Workspace, path: Path) -> Matches:
    """Write the mapping workbook, with what the gate would have corrected, and return what it shows."""
    matches = match(ws)
    proposals = correcting.proposals(ws).proposals

    def more(book: Any) -> None:
        if len(proposals):
            write_sheet(book, proposals)

    kept = workbook.write_workbook(
        path,
        frames(ws, matches),
        company=ws.company,
        workspace_id=ws.id,
        stamp=ws.ledger.decisions_stamp(),
        more=more,
    )
    return replace(matches, kept=kept)


def read_mapping(ws: Workspace, path: Path, who: str) -> workbook.WorkbookRead:
    """Read the decisions of a mapping workbook into the ledger, items entered by hand first.

    Rows with an error finding are not decided; reading the same workbook twice changes nothing.
    """
    with ws.lock():
        stamp = ws.ledger.decisions_stamp()
        read = workbook.read_workbook(path, frames(ws, match(ws)), workspace_id=ws.id, stamp=stamp)
        for item in read.items:
            ws.ledger.add_item(item, who)
        for table, rows in read.decisions.items():
            ws.ledger.decide(table, rows, who)
        # Last, for the gate judges a correction, and it looks at what is mapped.
        return _with_corrections(ws, path, read, who)


def _with_corrections(
    ws: Workspace, path: Path, read: workbook.WorkbookRead, who: str
) -> workbook.WorkbookRead:
    pages = open_pages(path)
    sheet = pages.get(TITLE)
    if sheet is None:
        return read
    tables = ws.tables()
    corrections = tables["mapping.corrections"]
    kept = pages.get(KEPT_CORRECTIONS)
    said = read_sheet(path.name, sheet, kept, sources=tables, corrections=corrections)
    done = correcting.take(ws, said, who)
    return replace(
        read,
        findings=findings([*to_rows(read.findings), *to_rows(done.findings)]),
        unchanged=read.unchanged + done.unchanged,
        corrected=done.corrected + done.withdrawn,
    )


def retire_decisions(ws: Workspace, who: str = "toolkit") -> int:
    """Withdraw the decisions on charges that are done; return how many.

    A decision is done when its charge is exact without it, or when its price code was corrected in
    BluBilling. What is asked of BluBilling is kept meanwhile, as ``match.changes``. The workspace is locked
    only where either changes.
    """
    done, asked = _done(ws)
    if not done and asked is None:
        return 0
    with ws.lock():
        done, asked = _done(ws)
        count = ws.ledger.decide("charge_items", done, who)
        if asked is not None:
            ws.write("match.changes", asked)
        return count


def _done(ws: Workspace) -> tuple[list[dict[str, Any]], pd.DataFrame | None]:
    """Return the decisions that are done, and what to keep of what is asked, where that changed."""
    if not ws.has("billing.charges") or ws.read("mapping.charge_items").empty:
        return [], None
    tables, _ = corrected_tables(ws)
    charges, lines = tables["billing.charges"], tables["billing.invoice_lines"]
    decisions, asked = tables["mapping.charge_items"], tables["match.changes"]
    matched = mapping.match_charges(
        charges,
        tables["quickbooks.items"],
        decisions,
        invoice_lines=lines,
        invoices=tables["billing.invoices"],
        local_items=tables["mapping.local_items"],
    )
    changes = mapping.changes_in_blubilling(matched, settings=ws.settings)
    kept = mapping.changes_to_keep(changes, asked, matched, decisions)
    done = mapping.retired(charges, lines, matched, decisions, asked)
    return done, None if to_rows(kept) == to_rows(asked) else kept
