"""Make the sample company: its QuickBooks company file, BluBilling's tables, an analyst's decisions.

    python scripts/make_sample.py [DIR]

DIR is ``data/sample`` beside this folder unless given. Nothing depends on the clock or the machine: the same
files come out byte for byte, and a test holds the committed ones equal to them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sample.basics import Ids, write_csv, write_quickbooks
from sample.billing import write_tables
from sample.catalog import DECISION_COLUMNS, decision_rows, settings_text
from sample.contacts import add_contacts_and_notes
from sample.lists import Company
from sample.receivables import make_receivables

from toolkit.tables import TABLES


def make(directory: Path) -> None:
    """Write every file of the sample below ``directory``."""
    ids = Ids()
    company = Company(ids)
    add_contacts_and_notes(company, ids)
    receivables = make_receivables(company, ids)
    _write_company(directory / "quickbooks", company, receivables)
    write_tables(directory / "billing", receivables)
    decisions = [[row.get(name) for name in DECISION_COLUMNS] for row in decision_rows()]
    write_csv(directory / "decisions.csv", DECISION_COLUMNS, decisions)
    (directory / "settings.toml").write_bytes(settings_text().encode("utf-8"))


def _write_company(directory: Path, company: Company, receivables: object) -> None:
    rows = {**company.tables, **vars(receivables)}
    for name, table in TABLES.items():
        if name.startswith("quickbooks."):
            write_quickbooks(directory, table, rows.pop(name.removeprefix("quickbooks."), []))
    assert not rows, f"no table for {sorted(rows)}"
    columns = ("list_id", "name", "kind")
    # Entered after the names were imported, so that only QuickBooks itself knows of it.
    since = [row for row in company.other_names if row not in company.tables["other_names"]]
    write_csv(directory / "names_since.csv", columns, [[row[name] for name in columns] for row in since])


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    if len(arguments) > 1:
        sys.exit("usage: python scripts/make_sample.py [DIR]")
    default = Path(__file__).resolve().parents[1] / "data" / "sample"
    make(Path(arguments[0]) if arguments else default)


if __name__ == "__main__":
    main(sys.argv[1:])
