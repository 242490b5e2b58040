"""What happens in the server, one line an event: names, numbers, codes and ids, never data of a customer.

Whoever has something to tell calls :func:`event`; where it goes is the business of who runs the process.
"""

from __future__ import annotations

import logging

__all__ = ["FIELDS", "event"]

FIELDS = frozenset(
    {
        "address",
        "bytes",
        "error",
        "hresult",
        "incident",
        "job",
        "kind",
        "outcome",
        "percent",
        "reason",
        "seconds",
        "session",
        "set",
        "status",
        "url",
        "version",
    }
)
"""What may be told of an event: numbers, codes and words of ours; never a name, a text or a ticket."""

_log = logging.getLogger("toolkit.events")


def event(name: str, *, level: int = logging.INFO, **fields: str | int | float | None) -> None:
    """Tell one event.

    Parameters
    ----------
    name : str
        In the past tense, in snake_case: ``session_opened``.
    level : int, optional
        As in :mod:`logging`.
    **fields
        Of :data:`FIELDS`.

    Raises
    ------
    ValueError
        A field that is none.
    """
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"no field of an event: {sorted(unknown)}")
    _log.log(level, "%s", name, extra={"event": name, "fields": fields})
