"""Which choices can be taken, and why the others cannot: for a mapping workbook, and without one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from toolkit.checks_customers import NAME_LENGTH
from toolkit.checks_rows import outside_windows_1252
from toolkit.likeness import caseless, item_suggestions
from toolkit.mapping import BY_HAND, NEW, NONE, RIGHT_TYPES, charge_kind, usable
from toolkit.mapping_adjustments import ONLY_BY_HAND
from toolkit.workbook_sheets import Entry, Frames, Row, Sheet

__all__ = ["DEPOSIT_TYPES", "NUMBER_LENGTHS", "Choices", "Problem", "right_types"]

DEPOSIT_TYPES = frozenset({"Bank", "OtherCurrentAsset"})
"""Account types that a payment may be deposited to."""

NUMBER_LENGTHS = {"payment": 20}
"""Characters of a RefNumber where they are not 11. Source: qbXML 13.0 schema, ReceivePaymentAdd RefNumber."""

_LENGTH = 11  # Source: qbXML 13.0 schema, InvoiceAdd RefNumber


class Problem(NamedTuple):
    """Why an entry is not taken as it stands."""

    rule: str
    column: str
    message: str
    suggestion: str | None = None


def right_types(sheet: Sheet, row: Row | None = None) -> frozenset[str] | None:
    """Return the types that may be chosen on a row, or on any row of a sheet; ``None`` for all."""
    if sheet.prefix != "item":
        return None
    if sheet.match == "taxes":
        return RIGHT_TYPES["tax"]
    if sheet.match == "adjustments":
        return RIGHT_TYPES["charge"]
    return RIGHT_TYPES["discount"] if row is None else RIGHT_TYPES[charge_kind(row)]


class Choices:
    """What may be chosen on one sheet.

    Parameters
    ----------
    sheet : Sheet
        The sheet.
    frames : Frames
        The tables as they are now.
    decisions : iterable of str
        Everything that was chosen on the sheet: names that are none are given a suggestion.
    """

    def __init__(self, sheet: Sheet, frames: Frames, decisions: Iterable[str]) -> None:
        self.sheet = sheet
        self.by_name = _by_name(frames.choices(sheet.prefix))
        self.accounts = _by_name(frames.choices("deposit_account") if "deposit_account" in sheet.fill else [])
        # At once for all of them: the names are many, and each pass over them takes its time.
        unknown = {text for text in decisions if text not in self.by_name} - {NEW, NONE, BY_HAND}
        self.near = item_suggestions(unknown, list(self.by_name)) if self.by_name else {}
        self.taken = {caseless(name) for name in self.by_name}
        self.numbers = Counter(
            (row["record_kind"], row["ref_number"])
            for row in (frames.rows(sheet) if sheet.prefix == "number" else ())
        )

    def find(self, decision: str) -> Row | None:
        """Return the record of that full name, if there is one."""
        found = self.by_name.get(decision, [])
        return found[0] if found else None

    def settled(self, entry: Entry, row: Row) -> tuple[dict[str, str | None], Problem | None]:
        """Return an entry as it is kept, and what of it is idle: told, and left out.

        A new customer without a new name keeps our name; a deposit account alone stands beside the method
        that matches exactly.
        """
        kept, decision = dict(entry), entry["decision"]
        new_name, deposit = entry.get("new_name"), entry.get("deposit_account")
        if "new_name" in kept:
            if decision == NEW:
                kept["new_name"] = new_name or row["name"]
            elif new_name is not None:
                kept["new_name"] = None
                message = f"new_name counts only where the decision is {NEW}: it was not read"
                return kept, Problem("new_name_unused", "new_name", message)
        if deposit is not None and decision is None and row["status"] == "exact":
            kept["decision"] = row["payment_method_full_name"]
        return kept, None

    def problem(self, entry: Entry, row: Row) -> Problem | None:
        """Return why a settled entry with a decision cannot be taken, or ``None``."""
        decision = entry["decision"] or ""
        if self.sheet.prefix == "number":
            return self._number(decision, row)
        if decision == BY_HAND and self.sheet.match == "adjustments":
            return None
        if self.sheet.match == "adjustments" and decision != NONE and row["kind"] in ONLY_BY_HAND:
            message = f"a {row['kind']} can only be posted by hand: choose {BY_HAND}"
            return Problem("only_by_hand", "decision", message, BY_HAND)
        if decision == NONE:
            found = self._left_out(row)
        elif decision == NEW and self.sheet.prefix == "customer":
            found = self._new(entry.get("new_name") or "", row)
        else:
            found = self._unusable(decision, row)
        return found or self._deposit(entry.get("deposit_account"))

    def decided(self, entry: Entry, row: Row) -> dict[str, Any]:
        """Return the row for ``Ledger.decide`` of an entry without problem; without decision it withdraws.

        Where only the note is new the record stays the one decided on, even if it has another name by now.
        """
        sheet, decision = self.sheet, entry["decision"]
        key = {name: row[name] for name in sheet.key}
        if sheet.table_of(row) == "charge_items":
            key.pop("tax_name", None)
        taken = {**key, "decision": decision, "note": entry["note"]}
        if sheet.prefix == "number":
            return {**taken, "ref_number": decision}
        found = None if decision is None else self.find(decision)
        list_id, full_name = (found["list_id"], found["full_name"]) if found else (None, None)
        if decision is not None and self.stays(entry, row):
            list_id, full_name = row[f"{sheet.prefix}_list_id"], row[f"{sheet.prefix}_full_name"]
        taken |= {f"{sheet.prefix}_list_id": list_id, f"{sheet.prefix}_full_name": full_name}
        if "new_name" in sheet.fill:
            taken["new_name"] = entry["new_name"]
        deposit = entry.get("deposit_account") if decision is not None else None
        if "deposit_account" in sheet.fill:
            account = self.accounts.get(deposit or "", [None])[0]
            taken["deposit_account_full_name"] = deposit
            taken["deposit_account_list_id"] = account and account["list_id"]
        return taken

    def kept(self, entry: Entry, row: Row) -> list[tuple[str, dict[str, Any]]]:
        """Return the ledger's tables and their rows of an entry that has no problem.

        A tax that is a charge is decided as the charge; a decision on it among the taxes is withdrawn too.
        """
        taken = self.decided(entry, row)
        table = self.sheet.table_of(row)
        if table == self.sheet.table or entry["decision"] is not None:
            return [(table, taken)]
        return [(table, taken), (self.sheet.table, {**taken, "tax_name": None})]

    def stays(self, entry: Entry, row: Row) -> bool:
        """Return whether an entry decides on the record that a decision stands on already."""
        special = (None, NEW, NONE, BY_HAND)
        if self.sheet.prefix == "number" or entry["decision"] in special:
            return False
        known = row[f"{self.sheet.prefix}_full_name"]
        return bool(entry["decision"] == row["decision"] and known)

    # --- inside ---------------------------------------------------------------------------------------

    def _left_out(self, row: Row) -> Problem | None:
        # Terms may be left out whatever is invoiced with them: a document always has its due date.
        if self.sheet.match == "terms" or (not row["money"] and not row["amount"]):
            return None
        message = (
            f"money hangs on it ({row['amount']} in the last twelve months, or an outstanding balance): "
            "it cannot be left out"
        )
        if self.sheet.match == "adjustments":
            message += f"; choose an item, or {BY_HAND} to post it in QuickBooks yourself"
            return Problem("money_hangs_on_it", "decision", message, BY_HAND)
        return Problem("money_hangs_on_it", "decision", message)

    def _new(self, new_name: str, row: Row) -> Problem | None:
        # BluBilling's own name is judged, and corrected, as the cell that it is.
        problem = _no_name(new_name) if new_name != row["name"] else None
        if problem is not None:
            return problem
        if caseless(new_name) not in self.taken:
            return None
        message = "QuickBooks has a customer of that name already: choose it, or give another new_name"
        return Problem("name_taken", "new_name", message)

    def _unusable(self, decision: str, row: Row) -> Problem | None:
        found = self.by_name.get(decision, [])
        what = self.sheet.prefix.replace("_", " ")
        types = right_types(self.sheet, row)
        if not found:
            near = self.near.get(decision)
            message = f"QuickBooks has no {what} of exactly this full name: {decision!r}"
            return Problem("unknown_choice", "decision", message, near and near[0])
        if len(found) > 1:
            return Problem("ambiguous_choice", "decision", f"{len(found)} {what}s have this full name")
        if types is not None and found[0]["item_type"] not in types:
            message = f"it is of type {found[0]['item_type']}; right here: {', '.join(sorted(types))}"
            return Problem("wrong_type", "decision", message)
        if what != "customer" and not usable(found[0], types):
            return Problem("inactive", "decision", f"the {what} is inactive in QuickBooks")
        return None

    def _deposit(self, deposit: str | None) -> Problem | None:
        if deposit is None:
            return None
        column, found = "deposit_account", self.accounts.get(deposit, [])
        if not found:
            near = item_suggestions([deposit], list(self.accounts)).get(deposit)
            message = f"QuickBooks has no account of exactly this full name: {deposit!r}"
            return Problem("unknown_choice", column, message, near and near[0])
        if found[0]["account_type"] not in DEPOSIT_TYPES:
            right = ", ".join(sorted(DEPOSIT_TYPES))
            return Problem(
                "wrong_type", column, f"it is of type {found[0]['account_type']}; right here: {right}"
            )
        if found[0]["is_active"] is False:
            return Problem("inactive", column, "the account is inactive in QuickBooks")
        return None

    def _number(self, number: str, row: Row) -> Problem | None:
        longest = NUMBER_LENGTHS.get(row["record_kind"], _LENGTH)
        if row["status"] == "sent":
            return Problem(
                "already_sent", "decision", f"it was sent as {row['ref_number']}: that number stays"
            )
        if number in (NEW, NONE, BY_HAND) or number != number.strip() or not number.isprintable():
            return Problem("no_number", "decision", "type the RefNumber itself, without blanks at its ends")
        if len(number) > longest:
            message = f"it has {len(number)} characters; a RefNumber here holds {longest}"
            return Problem("too_long", "decision", message)
        try:
            number.encode("cp1252")
        except UnicodeEncodeError:
            return Problem("not_windows_1252", "decision", "QuickBooks cannot hold one of its characters")
        others = self.numbers[(row["record_kind"], number)] - (row["ref_number"] == number)
        if others:
            return Problem("number_taken", "decision", "another document here has this number")
        return None


def _no_name(text: str) -> Problem | None:
    """Return why no customer can be created under a name that was typed, as the gate would say it."""
    name = text.strip()
    if not name:
        return Problem("no_name", "new_name", "it is blank: give the customer's name")
    if len(name) > NAME_LENGTH:
        message = f"it has {len(name)} characters; a customer's name holds {NAME_LENGTH}"
        return Problem("too_long", "new_name", message)
    if ":" in name:
        message = "a name must not hold a colon, which parts customer and job"
        return Problem("name_colon", "new_name", message, name.replace(":", " -"))
    bad = outside_windows_1252(name)
    if bad:
        message = f"QuickBooks cannot hold {' '.join(bad)} (Windows-1252 only)"
        return Problem("not_windows_1252", "new_name", message)
    return None


def _by_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["full_name"]].append(row)
    return dict(found)
