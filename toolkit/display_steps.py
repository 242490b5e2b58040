"""What each step of the cutover shows to people: matches, plans and tie-outs in the terminal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.display import money, show_findings, terminal_table
from toolkit.late import late, pd
from toolkit.tables import to_rows

if TYPE_CHECKING:
    from toolkit import mapping, reconcile_carried
    from toolkit.cutover import Matches
    from toolkit.reconcile import TieOut
    from toolkit.transform import Plan
else:
    mapping, reconcile_carried = late("toolkit.mapping"), late("toolkit.reconcile_carried")

MISMATCHES = {
    "contract_code": "plan",
    "price_code": "price code",
    "reason": "reason",
    "suggestion": "suggestion",
    "score": "score",
    "amount": "12 months",
}
UNDECIDED = {
    "account_number": "account",
    "name": "name",
    "status": "status",
    "reason": "reason",
    "suggestion": "suggestion",
    "score": "score",
}
LEFT_OUT = {"source_table": "of", "rows": "rows", "amount": "amount", "rule": "rule", "reason": "for example"}
BY_HAND = {
    "source_key": "row",
    "kind": "kind",
    "date": "date",
    "customer_full_name": "customer",
    "amount": "amount",
    "why": "why",
}
TOTALS = {
    "source_table": "in the range",
    "currency": "",
    "source_count": "rows",
    "source_amount": "amount",
    "exported_count": "sent",
    "exported_amount": "amount",
    "blocked_count": "blocked",
    "left_out_count": "left out",
    "left_out_amount": "amount",
    "held_count": "held",
}


def show_matches(console: Console, matches: Matches, *, limit: int = 20) -> None:
    """Print the counts of a match, and what is still to decide."""
    for name, frame in (("Charges", matches.charges), ("Customers", matches.customers)):
        counts = ", ".join(f"{count:,} {status}" for status, count in mapping.summary(frame).items() if count)
        console.print(f"{name}: {counts}")
    charges = matches.charges[matches.charges["status"] == "mismatch"]
    if len(charges):
        console.print(terminal_table(charges, MISMATCHES, title="Charges to decide", limit=limit))
    customers = matches.customers[matches.customers["status"].isin(["undecided", "ambiguous"])]
    if len(customers):
        console.print(terminal_table(customers, UNDECIDED, title="Customers to decide", limit=limit))
    methods = matches.payment_methods[matches.payment_methods["status"] == "mismatch"]
    if len(methods):
        columns = {"method": "method", "reason": "reason", "suggestion": "suggestion"}
        console.print(terminal_table(methods, columns, title="Payment methods to decide", limit=limit))


def _grouped(left_out: pd.DataFrame) -> pd.DataFrame:
    """Return one row a source table and rule, with the first reason as the example."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in to_rows(left_out):
        groups.setdefault((row["source_table"], row["rule"]), []).append(row)
    return pd.DataFrame(
        [
            {
                "source_table": table,
                "rows": len(rows),
                "amount": sum((row["amount"] or 0 for row in rows), Decimal("0.00")),
                "rule": rule,
                "reason": rows[0]["reason"],
            }
            for (table, rule), rows in sorted(groups.items())
        ]
    )


def show_plan(console: Console, plan: Plan, left_out: pd.DataFrame, *, limit: int = 20) -> None:
    """Print what an export will send, what it leaves out, and the findings."""
    console.print(terminal_table(plan.totals, TOTALS, title="Export"))
    if len(left_out):
        console.print(terminal_table(_grouped(left_out), LEFT_OUT, title="Left out, and why", limit=50))
    waiting = plan.post_by_hand[plan.post_by_hand["txn_id"].isna()]
    if len(waiting):
        console.print(terminal_table(waiting, BY_HAND, title="To post in QuickBooks by hand", limit=10))
    show_findings(console, plan.findings, limit=limit)


def show_tie_out(console: Console, result: TieOut) -> None:
    """Print a tie-out: totals, differences with their reasons, and its age."""
    totals = {
        "record_kind": "kind",
        "currency": "",
        "queued_count": "queued",
        "queued_amount": "amount",
        "applied_count": "applied",
        "waiting_count": "waiting",
        "failed_count": "failed",
        "quickbooks_count": "there",
        "quickbooks_amount": "amount there",
        "difference": "difference",
    }
    if result.totals.empty:
        console.print("Nothing was sent yet, so there is nothing to tie out.")
        return
    said = {
        reconcile_carried.CARRIED: ("Carried invoices", "open when they were carried"),
        reconcile_carried.HELD_CREDITS: ("Carried credits that BluBilling holds", "left at the cutover"),
    }
    carried = result.totals["record_kind"].isin(list(said))
    console.print(terminal_table(result.totals[~carried], totals, title="Tie-out"))
    for row in to_rows(result.totals[carried]):
        opened, there = money(row["quickbooks_amount"]), money(row["source_amount"])
        name, what = said[row["record_kind"]]
        console.print(
            f"{name}: {row['quickbooks_count']}, {opened} {row['currency']} {what}; in BluBilling "
            f"{row['source_count']}, {there}."
        )
    if len(result.differences):
        columns = {"key": "record", "meant": "meant", "in_quickbooks": "in QuickBooks", "reason": "reason"}
        console.print(terminal_table(result.differences, columns, title="Differences", limit=50))
    age = f"as read at {result.read_at:%Y-%m-%d %H:%M}" if result.read_at else "nothing was read back yet"
    console.print(
        f"{'It ties: every difference has its reason' if result.ties else 'It does not tie'}; {age}."
    )
