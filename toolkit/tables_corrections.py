"""The table of cells to correct before anything is sent."""

from __future__ import annotations

from toolkit.columns import INTEGER, MONEY, TEXT, TIMESTAMP, Column, Table

PROPOSALS = Table(
    "corrections.proposals",
    "One cell of BluBilling's rows that keeps a row from being sent, and could be put right by a value.",
    (
        Column("table", TEXT, required=True, help="Declared table: billing.customers, ..."),
        Column("key", TEXT, required=True, help="Key of the row; parts joined with ' / '."),
        Column("column", TEXT, required=True, help="The offending cell."),
        Column(
            "status",
            TEXT,
            required=True,
            help="open, corrected, or still wrong: corrected and not cured. Of a correction that does not "
            "count: overtaken by BluBilling, too late, or of no effect.",
        ),
        Column("rule", TEXT, help="The rules of the gate that it breaks."),
        Column("message", TEXT, help="What is wrong."),
        Column("value", TEXT, help="BluBilling's value, as text; null for none."),
        Column("limit", TEXT, help="What QuickBooks takes."),
        Column("proposal", TEXT, help="What could stand there, never applied by itself."),
        Column("correction", TEXT, help="The value that counts in its place: (empty) for none at all."),
        Column("note", TEXT, help="Why."),
        Column("amount", MONEY, help="Money of the row that waits for it."),
        Column("decided_by", TEXT),
        Column("decided_at", TIMESTAMP),
        Column("source", TEXT, help="Where the row stands: customers.xlsx!Sheet1!R17."),
    ),
    key=("table", "key", "column"),
)

ELSEWHERE = Table(
    "corrections.elsewhere",
    "Errors of the gate that no value of the row can cure: how many of a rule, and where they are cured.",
    (
        Column("table", TEXT),
        Column("rule", TEXT, required=True),
        Column("rows", TEXT, required=True, help="Keys of the first rows."),
        Column("count", INTEGER, required=True),
        Column("where", TEXT, required=True, help="What to do, and where."),
    ),
    key=("table", "rule", "where"),
)

CORRECTION_TABLES = (PROPOSALS, ELSEWHERE)
