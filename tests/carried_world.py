"""What tests of carried documents share: a person who signs what does not tie."""

from __future__ import annotations

import datetime as dt
from typing import Any

from export_world import Rows, frames, settings

from toolkit.carried import SIGNATURES, tie_carried
from toolkit.checks_books import Books

SIGNED_AT = dt.datetime(2026, 1, 20, 9, 0)


def signature(place: int, difference_id: str | None, **more: Any) -> dict[str, Any]:
    """Return a row of ``ledger.decisions``: a person signed a difference."""
    row = {"id": place, "table": SIGNATURES, "key": difference_id, "decision": "signed", "note": "as agreed"}
    return row | {"decided_by": "ana", "decided_at": SIGNED_AT} | more


def signed(rows: Rows) -> Rows:
    """Sign every difference between what was carried and BluBilling, as it is now."""
    ties = tie_carried(Books(frames(rows), settings()))
    ids = [one.difference_id for one in ties if not one.ties]
    rows["ledger.decisions"] = [signature(place, each) for place, each in enumerate(ids, start=1)]
    return rows
