"""What people said and approved, as tables: every row that was ever kept, and what of it stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from toolkit.ledger_schema import decisions, job_history, jobs
from toolkit.ledger_store import Store, from_json, to_json
from toolkit.tables import from_rows

if TYPE_CHECKING:
    import pandas as pd

WAIVERS = "waivers"
"""Under this name the table of decisions keeps the waivers of findings."""

KEPT, WAIVED, APPROVED = "ledger.decisions", "ledger.waivers", "ledger.approvals"
HELD = "ledger.held"


class Views(Store):
    """The ledger's append-only rows as tables."""

    on_kept: Callable[[str], None] | None = None
    """Called with ``ledger.decisions`` or ``ledger.waivers`` after rows of it were committed."""

    def decision_rows(self) -> pd.DataFrame:
        """Return all that was decided, waived, released or tied out (``ledger.decisions``), oldest first."""
        chosen = select(decisions).order_by(decisions.c.id)
        with self.reading() as connection:
            rows = connection.execute(chosen).mappings().all()
        named = {"facts": "values", "decided_by": "who", "decided_at": "at"}
        same = ("id", "table", "decision", "note")
        return from_rows(
            KEPT,
            [
                {**{name: row[name] for name in same}, **{name: row[of] for name, of in named.items()}}
                | {"key": " / ".join("" if part is None else str(part) for part in from_json(row["key"]))}
                for row in rows
            ],
        )

    def waiver_rows(self) -> pd.DataFrame:
        """Return the waivers that stand (``ledger.waivers``), oldest first."""
        chosen = select(decisions).where(decisions.c.table == WAIVERS).order_by(decisions.c.id)
        with self.reading() as connection:
            newest = {row["key"]: row for row in connection.execute(chosen).mappings()}
        standing = sorted((row for row in newest.values() if row["decision"]), key=lambda row: int(row["id"]))
        return from_rows(
            WAIVED,
            [
                {
                    "finding_id": from_json(row["key"])[0],
                    "note": row["note"],
                    "given_for": from_json(row["values"]).get("given_for"),
                    "waived_by": row["who"],
                    "waived_at": row["at"],
                }
                for row in standing
            ],
        )

    def approvals(self) -> pd.DataFrame:
        """Return who let which export go, when, and with which note (``ledger.approvals``), oldest first."""
        let_go = (job_history.c.after == "queued") & job_history.c.who.is_not(None)
        # From held to queued is a release: it was approved before.
        fresh = job_history.c.before.is_(None) | (job_history.c.before == "draft")
        chosen = (
            select(job_history, jobs.c.meta)
            .join(jobs, jobs.c.id == job_history.c.job)
            .where(let_go, fresh, jobs.c.kind.not_like("import:%"))
            .order_by(job_history.c.id)
        )
        with self.reading() as connection:
            rows = connection.execute(chosen).mappings().all()
        return from_rows(APPROVED, [_approval(row) for row in rows])

    def held(self) -> pd.DataFrame:
        """Return what was held back of which export (``ledger.held``), oldest first."""
        with self.reading() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.meta).order_by(jobs.c.id)).all()
        return from_rows(
            HELD,
            [
                {"job": row.id, "source_table": table, "source_key": key, "reason": reason}
                for row in rows
                for reason, places in from_json(row.meta).get("held", {}).items()
                for table, key in places
            ],
        )

    def _tell(self, tables: Iterable[str] = ()) -> None:
        """Say which of the tables here have new rows, after they were committed."""
        if self.on_kept is not None:
            for table in sorted({KEPT, *tables}):
                self.on_kept(table)


def _approval(row: Any) -> dict[str, Any]:
    about = from_json(row["meta"])
    start, end = (dt.date.fromisoformat(day) if day else None for day in map(about.get, ("start", "end")))
    return {
        "job": row["job"],
        "approved_by": row["who"],
        "approved_at": row["at"],
        "note": row["note"],
        "range_start": start,
        "range_end": end,
        "switches": about.get("switches"),
        "warnings": about.get("warnings"),
        "totals": to_json(about.get("totals") or {}),
    }
