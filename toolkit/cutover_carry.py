"""The carry-forward on one workspace: the gate, BluBilling's upload files, and what is bound by it."""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from toolkit.carried_copies import named_credits
from toolkit.carried_credits import carried_credits
from toolkit.carried_ties import tie_all
from toolkit.carry_forward import CarryForward, plan_carry_forward
from toolkit.carry_forward_files import (
    credits_file,
    encoding_findings,
    read_upload,
    write_csv,
)
from toolkit.checks_context import Context
from toolkit.cutover_corrections import corrected_tables
from toolkit.errors import ConformError, InputFileError, UsageError
from toolkit.import_age import import_findings
from toolkit.settings import Settings
from toolkit.tables import findings, from_rows, to_rows
from toolkit.workspace import Workspace
from toolkit.workspace_backup import CUSTOMERS_FILE
from toolkit.workspace_files import require_no_folder, write_atomically

__all__ = [
    "carry_forward",
    "carry_forward_customers",
    "sign_carried",
    "undo_carry_forward",
    "unsign_carried",
]

CUSTOMERS = "carry_forward.customers"
PASSWORD_LENGTH = 16
_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


def carry_forward(
    ws: Workspace, out: Path | None = None, who: str = "toolkit"
) -> tuple[CarryForward, Path | None]:
    """Write BluBilling's upload file and bind the carried documents, or refuse with findings.

    Beside it goes a file of the credits and unapplied payments, which stay in QuickBooks. A file of that name
    that is not as it was written is kept: the plan tells where.

    Parameters
    ----------
    ws : Workspace
    out : Path, optional
        The file; ``reports/carry_forward.csv`` by default, and ``carry_forward_credits.csv`` beside it.
    who : str
        Who had it written.

    Returns
    -------
    tuple
        The plan, and the file written; ``None`` where the gate refused and nothing changed, or where
        BluBilling has all of them already.

    Raises
    ------
    InputFileError
        ``out`` is a folder.
    """
    plan = _planned(ws)
    if not plan.ready:
        return plan, None
    bindings = _bindings(plan)
    path = _place(ws, out, "carry_forward.csv")
    content = write_csv(plan.unwritten, ws.settings)

    with ws.lock():
        kept: dict[Path, Path | None] = {}
        new = {(row["record_kind"], row["quickbooks_id"]) for row in bindings}
        known = {(row["record_kind"], row["quickbooks_id"]) for row in to_rows(ws.ledger.crosswalk())}
        if len(plan.credits) and (len(plan.unwritten) or new - known):
            beside = _credits_place(path)
            credits_ = write_csv(credits_file(plan.credits, ws.settings), ws.settings)
            kept[beside] = _put(ws, beside, credits_, bindings)
            ws.ledger.keep_carried_file(str(beside), _said(credits_, len(plan.credits)), who)
        if not len(plan.unwritten):
            ws.ledger.bind(bindings)
            return _keeping(plan, kept), None
        kept[path] = _put(ws, path, content, bindings)
        ws.ledger.keep_carried_file(str(path), _facts(plan, content), who)
    return _keeping(plan, kept), path


def _put(ws: Workspace, path: Path, content: bytes, bindings: list[dict[str, Any]]) -> Path | None:
    """Write a file that may be uploaded, and return where the one is kept that a person had edited."""

    def write(file: BinaryIO) -> None:
        file.write(content)
        # Before the file has its name: an invoice that can be uploaded and is not bound would go back.
        ws.ledger.bind(bindings)

    return write_atomically(path, write, keep=_is_edited(ws, path, content))


def _is_edited(ws: Workspace, path: Path, content: bytes = b"") -> bool:
    """Return whether a file is neither as it was written nor as it will be: by a person's hand."""
    if not path.is_file():
        return False
    there = hashlib.sha256(path.read_bytes()).hexdigest()
    known = ws.ledger.carried_files().get(str(path), {}).get("sha256")
    return there not in (known, hashlib.sha256(content).hexdigest())


def _keeping(plan: CarryForward, kept: dict[Path, Path | None]) -> CarryForward:
    return replace(plan, kept={path: aside for path, aside in kept.items() if aside is not None})


def _planned(ws: Workspace) -> CarryForward:
    plan = plan_carry_forward(corrected_tables(ws)[0], ws.settings)
    aged = to_rows(import_findings(ws, "carry_forward"))
    return replace(plan, findings=findings([*to_rows(plan.findings), *aged]))


def _bindings(plan: CarryForward) -> list[dict[str, Any]]:
    return [
        {
            "record_kind": row["record_kind"],
            "key": row["key"],
            "origin": "quickbooks",
            "quickbooks_id": row["txn_id"],
            "ref_number": row["ref_number"],
            "customer_list_id": row["customer_list_id"],
            "amount": row["open_amount"],
        }
        for row in to_rows(plan.documents)
    ]


def _said(content: bytes, rows: int) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "rows": rows}


def _facts(plan: CarryForward, content: bytes) -> dict[str, Any]:
    amounts = plan.unwritten["Current Amount Due"]
    return {**_said(content, len(amounts)), "amount": str(sum(map(Decimal, amounts), Decimal(0)))}


def _place(ws: Workspace, out: Path | None, name: str) -> Path:
    return require_no_folder(out or ws.path / "reports" / name)


def _credits_place(path: Path) -> Path:
    return path.with_name(f"{path.stem}_credits{path.suffix}")


# --- customers that BluBilling lacks ------------------------------------------------------------------------


def carry_forward_customers(
    ws: Workspace, who: str, out: Path | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, Path | None, Path | None]:
    """Write BluBilling's customer upload for customers with open items that it lacks.

    Passwords are random, stand in the file and nowhere else. A file that holds the same customers already
    is left as it is, so that the passwords in it stay the ones that were given away. An account number that
    had to be made is kept as a decision on its customer: after the next load the two are matched.

    Parameters
    ----------
    ws : Workspace
    who : str
        The person who decides so.
    out : Path, optional
        The file; ``reports/carry_forward_customers.csv`` by default.

    Returns
    -------
    tuple
        ``carry_forward.customers`` without passwords, ``findings`` on what is lacking, and the file: ``None``
        where there is nobody to write, or a character that its encoding lacks. Last, where the file is kept
        that was there and is not as it was written.

    Raises
    ------
    InputFileError
        ``out`` is a folder, or another place in the workspace, where a backup would take the passwords along.
    """
    path = _customers_place(ws, out)
    plan = _planned(ws)
    customers, found = plan.customers, to_rows(plan.customer_findings)
    keys = list(customers["Account Number"])
    encoding = ws.settings["carry_forward.encoding"]
    lacks = list(encoding_findings(customers, CUSTOMERS, keys, encoding))
    listed = findings([*found, *lacks])
    if lacks or not len(customers):
        return customers, listed, None, None
    kept = None
    with ws.lock():
        ws.ledger.decide("customers", _made_accounts(customers, plan), who)
        if not _holds(path, customers, ws.settings):
            # Only here, and only in the file: the frame that is returned has none.
            filled = from_rows(CUSTOMERS, [{**row, "Password": password()} for row in to_rows(customers)])
            content = write_csv(filled, ws.settings)
            edited = _is_edited(ws, path)
            kept = write_atomically(path, lambda file: _write_privately(file, content), keep=edited)
            ws.ledger.keep_carried_file(str(path), _said(content, len(customers)), who)
    return customers, listed, path, kept


def _customers_place(ws: Workspace, out: Path | None) -> Path:
    usual = _place(ws, None, CUSTOMERS_FILE)
    path = _place(ws, out, CUSTOMERS_FILE)
    if path.resolve() != usual.resolve() and path.resolve().is_relative_to(ws.path.resolve()):
        told = "a backup would take its passwords along: name one outside of the workspace, or none"
        raise InputFileError(str(path), told)
    return path


def _write_privately(file: BinaryIO, content: bytes) -> None:
    if hasattr(os, "fchmod"):  # on Windows the folder's own rights hold
        os.fchmod(file.fileno(), 0o600)
    file.write(content)


def password(length: int = PASSWORD_LENGTH) -> str:
    """Return a random password that BluBilling takes: at least one of each, small, capital, digit."""
    signs = [secrets.choice(kind) for kind in _KINDS]
    signs += [secrets.choice("".join(_KINDS)) for _ in range(length - len(signs))]
    secrets.SystemRandom().shuffle(signs)
    return "".join(signs)


def _holds(path: Path, customers: pd.DataFrame, settings: Settings) -> bool:
    """Return whether a file holds exactly these customers, whatever their passwords are."""
    try:
        there = read_upload(path.read_bytes(), settings, CUSTOMERS)
    except (OSError, UnicodeDecodeError, ConformError):
        return False
    return to_rows(there.drop(columns="Password")) == to_rows(customers.drop(columns="Password"))


def _made_accounts(customers: pd.DataFrame, plan: CarryForward) -> list[dict[str, Any]]:
    """Return the decision on each account whose number was made of a ListID."""
    made = {f"QB-{row['customer_list_id']}": row for row in to_rows(plan.documents)}
    return [
        {
            "account_number": number,
            "decision": made[number]["customer_full_name"],
            "customer_list_id": made[number]["customer_list_id"],
            "customer_full_name": made[number]["customer_full_name"],
            "note": "written to the customer upload",
        }
        for number in customers["Account Number"]
        if number in made
    ]


# --- after the upload ---------------------------------------------------------------------------------------


def sign_carried(ws: Workspace, who: str, note: str) -> pd.DataFrame:
    """Sign every difference between what was carried and BluBilling, as it is now.

    Returns
    -------
    pandas.DataFrame
        The rows of ``carry_forward.tie`` that were signed.

    Raises
    ------
    UsageError
        Nothing differs that is not signed, or BluBilling's tables have not one of the carried invoices:
        they were not loaded since the upload, and everything would be signed unseen.
    LedgerError
        No reason is given.
    """
    plan = _planned(ws)
    rows = [row for row in to_rows(plan.tie) if not row["ties"] and row["signed_by"] is None]
    if not rows:
        raise UsageError("nothing is to be signed: what was carried ties to BluBilling, or is signed already")
    carried = int((plan.tie["record_kind"] == "invoice").sum())
    if carried and not plan.standing:
        raise UsageError(
            f"nothing was signed: none of the {carried:,} carried invoices is in BluBilling's tables. "
            "Upload their file and load BluBilling's tables first: toolkit load"
        )
    apart = ("difference_id", "ties", "signed_by", "signed_at", "note", "source")
    signed = {
        row["difference_id"]: {
            name: None if value is None else str(value) for name, value in row.items() if name not in apart
        }
        for row in rows
    }
    ws.ledger.sign_carried(signed, who, note)
    return from_rows("carry_forward.tie", rows)


def unsign_carried(ws: Workspace, who: str, note: str | None = None) -> int:
    """Take the signatures back; return how many.

    Raises
    ------
    UsageError
        None stands.
    """
    taken = ws.ledger.unsign_carried(who, note)
    if not taken:
        raise UsageError("nothing of the carry-forward is signed")
    return taken


def undo_carry_forward(ws: Workspace, who: str, note: str | None = None) -> tuple[int, list[Path]]:
    """Take the carry-forward back, of which nothing was uploaded: the bindings end, the files are put aside.

    Returns
    -------
    tuple
        How many documents are no longer carried, and the files that were given the ending ``.undone``.

    Raises
    ------
    UsageError
        Nothing was carried, BluBilling has some of it or names a credit of it, or an operation was queued
        that names one of it.
    """
    tables = corrected_tables(ws)[0]
    carried = [row for row in to_rows(tables["ledger.crosswalk"]) if row["origin"] == "quickbooks"]
    if not carried:
        raise UsageError("nothing was carried forward: there is nothing to undo")
    context = Context(tables, ws.settings, customers=False)
    ties = tie_all(context)
    back = [one.row["key"] for one in ties if one.back and one.back.get("status") != "Cancelled"]
    if back:
        raise UsageError(
            f"{_some(back)} stand in BluBilling: it was uploaded. Cancel them there and load its tables again"
        )
    held = _held_credits(context)
    if held:
        raise UsageError(
            f"{_some(held)} are or name carried credits in BluBilling: without the carry-forward they would "
            "be exported as new ones. Cancel or reword them there and load its tables again"
        )
    ids = {row["quickbooks_id"]: row["key"] for row in carried}
    used = [row["key"] for row in to_rows(tables["ledger.operations"]) if _names(row["fields"], ids)]
    if used:
        raise UsageError(f"{_some(used)} were queued, and pay or use what was carried: it cannot be undone")
    with ws.lock():
        files = ws.ledger.carried_files()
        ended = ws.ledger.undo_carried(who, note)
        return ended, _put_aside(files)


def _held_credits(context: Context) -> list[str]:
    """Return the numbers under which BluBilling has, uses or names a carried credit, surely or perhaps.

    What was cancelled there is neither a credit nor a use of one.
    """
    copies = named_credits(context).values()
    standing = [one.number for one in copies if one.status != "Cancelled"]
    rows = context.rows("billing.payment_applications", "payment_number")
    used = {row["payment_number"] for row in rows} & carried_credits(context).keys()
    return list(dict.fromkeys([*standing, *sorted(used - {one.number for one in copies})]))


def _some(keys: Sequence[str], most: int = 3) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


def _names(fields: str | None, ids: dict[str, str]) -> bool:
    return any(f'"{each}"' in (fields or "") for each in ids)


def _put_aside(files: dict[str, dict[str, Any]]) -> list[Path]:
    """Rename the files that stand as they were written; one that a person changed stays."""
    aside = []
    for name, facts in files.items():
        path = Path(name)
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == facts["sha256"]:
            aside.append(path.replace(path.with_name(f"{path.name}.undone")))
    return aside
